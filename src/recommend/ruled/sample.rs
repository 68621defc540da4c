//! The questions of a dry run, drawn by seed: products, real sessions and orders, in the catalog's placements and in none, with the labels
//! that the rules name; for every rule some for which it counts, where a few hundred draws find any and it can count at that time at all.
//! Questions in no placement ask what is alike and what a session wants, and the other intents that a rule names.

use std::collections::{BTreeMap, BTreeSet};

use super::compiled::Compiled;
use super::dry_run::{Clock, DryRun};
use super::scene::Scene;
use crate::events::EventKind;
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::Engine;
use crate::recommend::placement::Said;
use crate::recommend::query::{Intent, Query, SessionEvent, Shopper};
use crate::rules::{Condition, Filter, Label, RuleSet};

/// Draws for each rule that no question has reached yet.
const DRAWS_PER_RULE: usize = 300;
/// Draws for each question, of sessions that say nothing.
const DRAWS_PER_QUESTION: usize = 20;
/// Questions that are added for a rule.
const PER_RULE: usize = 3;
/// Share of the time that drawing may take.
const DRAWING_SHARE: f64 = 0.5;
/// Steps of a session that a question keeps.
const MAX_STEPS: usize = 20;

/// A drawn question.
#[derive(Debug, Clone)]
pub(super) struct SampleQuestion {
    pub query: Query,
    /// What was bought after it, where an order tells.
    pub bought: Option<String>,
}

/// SplitMix64: what is drawn depends on the seed alone.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is 1 at least.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn of<'t, T>(&mut self, items: &'t [T]) -> Option<&'t T> {
        items.get(self.below(items.len()))
    }
}

/// The values of labels that rules name.
fn named_labels(sets: [&RuleSet; 2]) -> BTreeMap<Label, BTreeSet<String>> {
    fn add(conditions: &[Condition], named: &mut BTreeMap<Label, BTreeSet<String>>) {
        for condition in conditions {
            let label = Label::ALL.into_iter().find(|label| condition.context.as_deref() == Some(label.word()));
            if let (Some(label), Some(values)) = (label, &condition.matches) {
                named.entry(label).or_default().extend(values.values().iter().cloned());
            }
            let inner = [&condition.must, &condition.should, &condition.must_not];
            inner.into_iter().for_each(|list| add(list, named));
        }
    }
    let mut named = BTreeMap::new();
    let of_shop = sets.map(|set| set.shop.rules());
    for rule in sets.into_iter().flat_map(|set| &set.rules).chain(of_shop.iter().flatten()) {
        for filter in std::iter::once(&rule.when).chain(rule.then.filter().map(|(_, filter)| filter)) {
            let Filter { must, should, must_not } = filter;
            [must, should, must_not].into_iter().for_each(|list| add(list, &mut named));
        }
    }
    named
}

/// Draws questions.
struct Sampler<'a> {
    run: &'a DryRun<'a>,
    draw: Draw,
    rows: Vec<u32>,
    named: Vec<(Label, Vec<String>)>,
    /// Intents that rules name and that can be asked.
    intents: Vec<Intent>,
    placements: Vec<&'a str>,
    engine: &'a Engine,
    view: &'a View,
}

impl<'a> Sampler<'a> {
    fn new(engine: &'a Engine, view: &'a View, run: &'a DryRun<'a>, old: &RuleSet) -> Self {
        let named: Vec<(Label, Vec<String>)> = named_labels([run.set, old])
            .into_iter()
            .map(|(label, values)| (label, values.into_iter().collect()))
            .collect();
        let is_named = |intent: &Intent| {
            let mut values = named.iter().filter(|(label, _)| *label == Label::Intent).flat_map(|(_, values)| values);
            values.any(|value| value.eq_ignore_ascii_case(intent.word()))
        };
        // A generation without comparisons has no upsell.
        let can_ask = |intent: &Intent| match intent {
            Intent::Upsell => view.generation().comparison().is_some(),
            _ => Query { intent: *intent, limit: run.limit, ..Query::default() }.check().is_ok(),
        };
        let intents = Intent::ALL.into_iter().filter(is_named).filter(can_ask).collect();
        let placements = engine.config().placements.iter().map(|(name, _)| name).collect();
        let (draw, rows) = (Draw(run.seed), view.all_rows().into_iter().collect());
        Self { run, draw, rows, named, intents, placements, engine, view }
    }

    /// A question that can be answered: a session of impressions alone says nothing that a page of like products could start from.
    fn question(&mut self) -> SampleQuestion {
        let mut drawn = (0..DRAWS_PER_QUESTION).map(|_| self.any_question());
        let found = drawn.find(|question| question.query.can_be_answered());
        found.unwrap_or_else(|| self.page())
    }

    /// A question about a product or a session, half and half where there are sessions; every second one in a placement.
    fn any_question(&mut self) -> SampleQuestion {
        let is_session = self.run.history.num_sessions() > 0 && self.draw.below(2) == 0;
        let mut question = if is_session { self.session() } else { self.page() };
        if self.draw.below(2) == 0 {
            question.query.placement = self.draw.of(&self.placements).map(|name| (*name).to_owned());
        }
        self.label(&mut question.query);
        question.query = self.placed(question.query);
        question
    }

    /// The question as its placement asks it; as it is where there is no such placement, which rules may name all the same.
    fn placed(&self, query: Query) -> Query {
        let told = Query { intent: Intent::Next, ..query.clone() };
        if query.placement.is_some() { self.engine.place(told, Said::default()).unwrap_or(query) } else { query }
    }

    fn base(&self, intent: Intent) -> Query {
        Query { intent, limit: self.run.limit, at: Some(self.run.at), ..Query::default() }
    }

    fn page(&mut self) -> SampleQuestion {
        let row = self.draw.of(&self.rows).copied();
        let id = row.and_then(|row| self.view.id(RowId(row))).unwrap_or_default().to_owned();
        let intent = self.intent(Intent::Similar);
        SampleQuestion { query: Query { anchors: vec![id], ..self.base(intent) }, bought: None }
    }

    /// Every second time one of the intents that rules name, else `usual`.
    fn intent(&mut self, usual: Intent) -> Intent {
        let is_named = !self.intents.is_empty() && self.draw.below(2) == 0;
        let named = if is_named { self.draw.of(&self.intents).copied() } else { None };
        named.unwrap_or(usual)
    }

    /// A session up to a step, or an order without one line.
    fn session(&mut self) -> SampleQuestion {
        let history = self.run.history;
        let Some(session) = history.session(self.draw.below(history.num_sessions())) else { return self.page() };
        let mut steps: Vec<_> = session.interactions.iter().rev().take(MAX_STEPS).collect();
        steps.reverse();
        let id = |product: u32| history.products().get(product as usize).cloned().unwrap_or_default();
        let sold: Vec<u32> = steps
            .iter()
            .filter(|step| step.kind == EventKind::Purchase)
            .map(|step| step.product)
            .filter(|product| self.view.row(&id(*product)).is_some())
            .collect();
        let hidden = self.draw.of(&sold).copied();
        let told = steps.iter().filter(|step| Some(step.product) != hidden);
        let step = |step: &&&crate::events::Interaction| {
            // What was bought with the hidden line lay in the cart when it was chosen.
            let kind = if step.kind == EventKind::Purchase { EventKind::AddToCart } else { step.kind };
            SessionEvent { id: id(step.product), kind }
        };
        let session: Vec<SessionEvent> =
            told.map(|told| step(&told)).filter(|event| self.view.row(&event.id).is_some()).collect();
        if session.is_empty() {
            return self.page();
        }
        let usual = if self.draw.below(2) == 0 { Intent::Next } else { Intent::ForYou };
        let intent = self.intent(usual);
        SampleQuestion { query: Query { session, ..self.base(intent) }, bought: hidden.map(id) }
    }

    /// Gives the question labels that rules name, each in half of the questions.
    fn label(&mut self, query: &mut Query) {
        for (label, values) in &self.named {
            if self.draw.below(2) == 0 {
                continue;
            }
            let Some(value) = self.draw.of(values).cloned() else { continue };
            let Shopper { device, channel, loyalty_tier, visitor, region, segments, .. } = &mut query.shopper;
            match label {
                Label::Placement => query.placement = Some(value),
                Label::Segment => segments.push(value),
                Label::Device => *device = Some(value),
                Label::Channel => *channel = Some(value),
                Label::LoyaltyTier => *loyalty_tier = Some(value),
                Label::Visitor => *visitor = Some(value),
                Label::Region => *region = Some(value),
                Label::Intent | Label::Weekday | Label::Time => {}
            }
        }
    }
}

/// Calls `take` with the scene of `query`.
pub(super) fn with_scene<T>(view: &View, compiled: &Compiled, query: &Query, take: impl FnOnce(&Scene<'_>) -> T) -> T {
    let asked = query.anchors.iter().chain(query.session.last().map(|event| &event.id));
    let page: Vec<RowId> = asked.filter_map(|id| view.row(id)).take(1).collect();
    let in_cart = query.session.iter().filter(|event| event.kind == EventKind::AddToCart);
    let cart: Vec<RowId> = in_cart.filter_map(|event| view.row(&event.id)).collect();
    let now = query.at.unwrap_or_default();
    take(&Scene::of(view, &compiled.facts, query, &page, &cart, (now, &compiled.zone)))
}

/// What was drawn.
pub(super) struct Sample {
    pub questions: Vec<SampleQuestion>,
    /// For how many of them each rule counts.
    reached: Vec<usize>,
    /// Rules for which no more was drawn, as the time was up.
    unsearched: Vec<bool>,
    /// Questions that were asked for and not drawn, as the time was up.
    pub num_undrawn: usize,
}

impl Sample {
    /// Whether a question that was drawn, or was yet to be drawn, may reach the rule.
    pub(super) fn may_reach(&self, rule: usize) -> bool {
        self.reached.get(rule).is_some_and(|count| *count > 0) || self.unsearched.get(rule) == Some(&true)
    }
}

/// The questions: those that are drawn, and some for each rule that none of them reaches. Drawing takes half of the time at most.
pub(super) fn sample(
    engine: &Engine,
    view: &View,
    run: &DryRun<'_>,
    (new, old): (&Compiled, &RuleSet),
    clock: &Clock,
) -> Sample {
    let mut sampler = Sampler::new(engine, view, run, old);
    let can_count: Vec<bool> = new.rules.iter().map(|rule| rule.can_count(view, run.at, &new.zone)).collect();
    let (reached, unsearched) = (vec![0; can_count.len()], can_count.clone());
    let mut sample = Sample { questions: Vec::new(), reached, unsearched, num_undrawn: 0 };
    if sampler.rows.is_empty() {
        sample.unsearched.fill(false);
        return sample;
    }
    for _ in (0..run.num_questions).take_while(|_| !clock.is_past(DRAWING_SHARE)) {
        sample.take(sampler.question(), view, new);
    }
    sample.num_undrawn = run.num_questions - sample.questions.len();
    for (number, rule) in new.rules.iter().enumerate().take_while(|_| !clock.is_past(DRAWING_SHARE)) {
        let draws = if can_count[number] { DRAWS_PER_RULE } else { 0 };
        for _ in 0..draws {
            if sample.reached[number] >= PER_RULE {
                break;
            }
            let question = sampler.question();
            if with_scene(view, new, &question.query, |scene| rule.counts(scene)) {
                sample.take(question, view, new);
            }
        }
        sample.unsearched[number] = false;
    }
    sample
}

impl Sample {
    /// Takes a question up, and notes the rules that count for it.
    fn take(&mut self, question: SampleQuestion, view: &View, new: &Compiled) {
        let active = with_scene(view, new, &question.query, |scene| new.active(scene));
        active.iter().for_each(|number| self.reached[number] += 1);
        self.questions.push(question);
    }
}
