//! What a set of rules would do, before it does: the same questions answered with the rules in force and with the set.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::act::Act;
use super::book::WaitingRule;
use super::compiled::Compiled;
use super::sample::{Sample, SampleQuestion, sample, with_scene};
use crate::events::History;
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::query::{Answer, Query};
use crate::recommend::{Engine, RecommendError};
use crate::rules::{FilterError, RuleSet};

/// Changed lists that are shown in full.
const MAX_SHOWN: usize = 10;

/// What to try, and how.
#[derive(Debug, Clone)]
pub struct DryRun<'a> {
    /// The set.
    pub set: &'a RuleSet,
    /// What shoppers did: real sessions are drawn from it, and orders tell what the set would cost. May be empty.
    pub history: &'a History,
    /// How many questions are drawn, besides those for single rules.
    pub num_questions: usize,
    /// Length of the lists outside of placements, 1 to 100.
    pub limit: usize,
    /// Fixes what is drawn.
    pub seed: u64,
    /// When the questions are asked.
    pub at: Timestamp,
    /// How long drawing and asking may take; `None` asks all.
    pub within: Option<Duration>,
}

/// The time of a dry run.
pub(super) struct Clock {
    began: Instant,
    within: Option<Duration>,
}

impl Clock {
    /// Whether this share of the time, from 0 to 1, is over.
    pub(super) fn is_past(&self, share: f64) -> bool {
        self.within.is_some_and(|within| self.began.elapsed() >= within.mul_f64(share))
    }
}

/// What a set would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct DryRunReport {
    /// Version of the rules in force, with which it is compared.
    pub compared_with: u64,
    /// How many questions were asked.
    pub questions: usize,
    /// Questions that were not asked, as the time was up.
    pub questions_left_out: usize,
    /// Answers that would differ.
    pub touched_answers: usize,
    /// Products that would come, go or move in them.
    pub touched_products: usize,
    /// By placement and intent.
    pub placements: Vec<PlacementReport>,
    /// What each rule would do.
    pub rules: Vec<RuleReach>,
    /// Some lists that would differ.
    pub changes: Vec<ListChange>,
    /// Pins that want one place, or that never get it.
    pub broken_pins: Vec<BrokenPin>,
    /// Pinned products that another rule hides.
    pub hidden_pins: Vec<HiddenPin>,
    /// Rules that counted for no question.
    pub never_reached: Vec<String>,
    /// Rules that do not count until a product has a field that they name.
    pub waiting: Vec<WaitingRule>,
    /// Rules of which it is not known whether a question reaches them, as the time was up.
    pub rules_left_out: Vec<String>,
    /// Rules that counted but changed nothing.
    pub without_effect: Vec<String>,
    /// Rules about what a shopper did before, of which drawn questions tell nothing.
    pub untried: Vec<String>,
    /// Rules that leave lists empty, or less than half as long.
    pub thinned: Vec<Thinned>,
    /// Mean sum of scores of a list, before rules moved anything, with the rules in force.
    pub score_before: f64,
    /// The same with the set.
    pub score_after: f64,
    /// What real orders say; `null` where there are none.
    pub orders: Option<Orders>,
    /// What may be a slip of the pen, as `place: message`.
    pub warnings: Vec<String>,
    /// How long it took.
    pub took_ms: f64,
}

/// The answers of one placement and intent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct PlacementReport {
    /// The placement; empty for questions that name none.
    pub placement: String,
    /// The intent.
    pub intent: String,
    /// Questions.
    pub questions: usize,
    /// Answers that would differ.
    pub touched: usize,
    /// Lists that would be shorter.
    pub shorter: usize,
    /// Lists that would be empty and are not.
    pub emptied: usize,
}

/// What a rule would do.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RuleReach {
    /// The rule.
    pub rule: String,
    /// Products of the catalog that it is about; `null` where that depends on the question.
    pub products: Option<u64>,
    /// Questions for which it counted.
    pub counted: u64,
    /// Answers that it changed.
    pub fired: u64,
    /// Products that it kept out.
    pub removed: u64,
    /// Lists that it left shorter than asked.
    pub shortened: u64,
}

/// A list before and after.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ListChange {
    /// What was asked, in words.
    pub question: String,
    /// Ids before.
    pub before: Vec<String>,
    /// Ids after.
    pub after: Vec<String>,
    /// What happened to products, in words: `+3 P-1` came to place 3, `-P-2` went, `5→1 P-3` moved.
    pub moves: Vec<String>,
    /// The rules that did it.
    pub rules: Vec<String>,
}

/// Pins that stand in each other's way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct BrokenPin {
    /// The rule that gets the place.
    pub first: String,
    /// The rule that wants it too.
    pub second: String,
    /// The place, from 1.
    pub position: usize,
}

/// A pin of a product that another rule hides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct HiddenPin {
    /// The rule that pins it.
    pub rule: String,
    /// The product.
    pub product: String,
    /// The rule that hides it where both count.
    pub hidden_by: String,
}

/// A rule that leaves little.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Thinned {
    /// The rule that kept most out.
    pub rule: String,
    /// Lists that are empty with the set and are not with the rules in force.
    pub emptied: usize,
    /// Lists that are less than half as long.
    pub halved: usize,
}

/// How well lists hold what was bought, before and after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct Orders {
    /// Orders that were asked about: a line hidden, the others told.
    pub asked: usize,
    /// Share of lists with the hidden product, with the rules in force.
    pub hit_rate_before: f64,
    /// The same with the set.
    pub hit_rate_after: f64,
    /// Mean of 1 / log2(1 + place) of the hidden product (nDCG with one right answer), with the rules in force.
    pub ndcg_before: f64,
    /// The same with the set.
    pub ndcg_after: f64,
}

impl Engine {
    /// Answers drawn questions on `view` with the rules in force and with a set, and compares. Nothing is kept. Where the time is up before all
    /// are answered, the report says what was left out.
    ///
    /// Returns an error if the set has no sense in it, names a field that no product has, or the index fails.
    pub fn dry_run(&self, view: &View, run: &DryRun<'_>) -> Result<DryRunReport, RecommendError> {
        let clock = Clock { began: Instant::now(), within: run.within };
        let warnings = self.rules().warnings(view, run.set)?;
        let current = self.rules().current();
        let (old, new) = (self.rules().compiled(view)?, self.rules().trial(run.set, view)?);
        let drawn = sample(self, view, run, (&new, &current.set), &clock);
        let mut comparison = Comparison::default();
        for question in drawn.questions.iter().take_while(|_| !clock.is_past(1.0)) {
            let before = self.answer_ruled(view, &question.query, &old)?;
            let counted = Query { is_counted: true, ..question.query.clone() };
            let after = self.answer_ruled(view, &counted, &new)?;
            comparison.add(view, question, &before, &after);
            comparison.note_pins(view, &new, &question.query);
            comparison.note_hidden_pins(view, &new, &question.query);
        }
        let mut report = comparison.report(&new, &drawn, warnings);
        report.note_waiting(new.waiting(view));
        report.compared_with = current.version;
        report.took_ms = clock.began.elapsed().as_secs_f64() * 1e3;
        Ok(report)
    }
}

impl DryRunReport {
    /// Tells rules that wait from those that no question reaches.
    fn note_waiting(&mut self, waiting: Vec<WaitingRule>) {
        let ids: HashSet<&str> = waiting.iter().map(|waiting| waiting.rule.as_str()).collect();
        self.never_reached.retain(|rule| !ids.contains(rule.as_str()));
        let of_waiting = self.rules.iter_mut().filter(|reach| ids.contains(reach.rule.as_str()));
        of_waiting.for_each(|reach| reach.products = Some(0));
        self.waiting = waiting;
    }
}

/// Figures in the making.
#[derive(Default)]
struct Comparison {
    questions: usize,
    touched_answers: usize,
    touched: HashSet<u32>,
    placements: BTreeMap<(String, &'static str), PlacementReport>,
    changes: Vec<ListChange>,
    thinned: BTreeMap<String, Thinned>,
    broken: BTreeSet<BrokenPin>,
    hidden: BTreeSet<HiddenPin>,
    scores: [f64; 2],
    orders: Orders,
}

impl Comparison {
    fn add(&mut self, view: &View, question: &SampleQuestion, before: &Answer, after: &Answer) {
        let query = &question.query;
        let rows = |answer: &Answer| answer.hits.iter().map(|hit| hit.row.0).collect::<Vec<_>>();
        let (old, new) = (rows(before), rows(after));
        self.questions += 1;
        for (sum, answer) in self.scores.iter_mut().zip([before, after]) {
            *sum += answer.hits.iter().map(|hit| f64::from(hit.score)).sum::<f64>();
        }
        let placement = query.placement.clone().unwrap_or_default();
        let report = self.placements.entry((placement.clone(), query.intent.word())).or_default();
        report.questions += 1;
        report.shorter += usize::from(new.len() < old.len());
        report.emptied += usize::from(new.is_empty() && !old.is_empty());
        if new.len() * 2 < old.len()
            && let Some(why) = after.fired.iter().find(|fired| fired.is_why_fewer)
        {
            let id = why.id.to_string();
            let thinned = self.thinned.entry(id.clone()).or_insert(Thinned { rule: id, emptied: 0, halved: 0 });
            if new.is_empty() { thinned.emptied += 1 } else { thinned.halved += 1 }
        }
        if old != new {
            self.touched_answers += 1;
            report.touched += 1;
            let place = |list: &[u32], row: u32| list.iter().position(|other| *other == row);
            let moved = old.iter().chain(&new).filter(|row| place(&old, **row) != place(&new, **row));
            self.touched.extend(moved);
            if self.changes.len() < MAX_SHOWN {
                self.changes.push(change(view, query, (&old, &new), after));
            }
        }
        if let Some(bought) = question.bought.as_deref().and_then(|id| view.row(id)) {
            self.orders.add(bought, &old, &new);
        }
    }

    /// Notes pins that want the same place.
    fn note_pins(&mut self, view: &View, compiled: &Compiled, query: &Query) {
        let mut taken: HashMap<usize, (usize, &str)> = HashMap::new();
        let active = with_scene(view, compiled, query, |scene| compiled.active(scene));
        for number in active.iter() {
            let Act::Pin { products, position: Some(first) } = &compiled.rules[number].act else { continue };
            for (product, at) in products.iter().zip(*first..) {
                match taken.get(&at) {
                    Some((other, id)) if *other != number && *id != product.id => {
                        let (first, second) = (&compiled.rules[*other].id, &compiled.rules[number].id);
                        let pin = BrokenPin { first: first.to_string(), second: second.to_string(), position: at + 1 };
                        self.broken.insert(pin);
                    }
                    Some(_) => {}
                    None => drop(taken.insert(at, (number, &product.id))),
                }
            }
        }
    }

    /// Notes pins of products that other rules hide.
    fn note_hidden_pins(&mut self, view: &View, compiled: &Compiled, query: &Query) {
        with_scene(view, compiled, query, |scene| {
            let active = compiled.active(scene);
            for rule in active.iter().map(|number| &compiled.rules[number]) {
                let Act::Pin { products, .. } = &rule.act else { continue };
                for (product, row) in products.iter().filter_map(|product| Some((product, product.row(scene)?))) {
                    if let Some(by) = compiled.verdict(row, &active, scene).hidden_by {
                        let [rule, hidden_by] = [&rule.id, &compiled.rules[by].id].map(|id| id.to_string());
                        self.hidden.insert(HiddenPin { rule, product: product.id.clone(), hidden_by });
                    }
                }
            }
        });
    }

    fn report(self, new: &Compiled, drawn: &Sample, warnings: Vec<FilterError>) -> DryRunReport {
        let figures: HashMap<String, _> = new.take_figures().into_iter().collect();
        let rules: Vec<RuleReach> = new
            .rules
            .iter()
            .enumerate()
            .map(|(number, rule)| {
                let counts = figures.get(&*rule.id).copied().unwrap_or_default();
                RuleReach {
                    rule: rule.id.to_string(),
                    products: new.reach(number),
                    counted: counts.counted,
                    fired: counts.fired,
                    removed: counts.removed,
                    shortened: counts.shortened,
                }
            })
            .collect();
        let named = |is: &dyn Fn(usize, &RuleReach) -> bool| {
            let named = rules.iter().enumerate().filter(|(number, rule)| is(*number, rule));
            named.map(|(_, rule)| rule.rule.clone()).collect::<Vec<_>>()
        };
        let placements = self.placements.into_iter().map(|((placement, intent), report)| PlacementReport {
            placement,
            intent: intent.to_owned(),
            ..report
        });
        let mean = |sum: f64| if self.questions == 0 { 0.0 } else { sum / self.questions as f64 };
        DryRunReport {
            questions: self.questions,
            touched_answers: self.touched_answers,
            touched_products: self.touched.len(),
            placements: placements.collect(),
            changes: self.changes,
            broken_pins: self.broken.into_iter().collect(),
            hidden_pins: self.hidden.into_iter().collect(),
            questions_left_out: drawn.questions.len() + drawn.num_undrawn - self.questions,
            never_reached: named(&|number, rule| rule.counted == 0 && !drawn.may_reach(number)),
            rules_left_out: named(&|number, rule| rule.counted == 0 && drawn.may_reach(number)),
            without_effect: named(&|number, rule| {
                rule.counted > 0 && rule.fired == 0 && !new.rules[number].act.is_of_history()
            }),
            untried: named(&|number, _| new.rules[number].act.is_of_history()),
            thinned: self.thinned.into_values().collect(),
            score_before: mean(self.scores[0]),
            score_after: mean(self.scores[1]),
            orders: self.orders.means(),
            warnings: warnings.iter().map(ToString::to_string).collect(),
            rules,
            ..DryRunReport::default()
        }
    }
}

impl Orders {
    fn add(&mut self, bought: RowId, old: &[u32], new: &[u32]) {
        self.asked += 1;
        let gain = |list: &[u32]| {
            let place = list.iter().position(|row| *row == bought.0);
            place.map_or((0.0, 0.0), |at| (1.0, 1.0 / (at as f64 + 2.0).log2()))
        };
        let ((hit_before, before), (hit_after, after)) = (gain(old), gain(new));
        self.hit_rate_before += hit_before;
        self.hit_rate_after += hit_after;
        self.ndcg_before += before;
        self.ndcg_after += after;
    }

    /// Sums to means; `None` where none was asked.
    fn means(mut self) -> Option<Self> {
        let asked = self.asked as f64;
        let sums = [&mut self.hit_rate_before, &mut self.hit_rate_after, &mut self.ndcg_before, &mut self.ndcg_after];
        sums.into_iter().for_each(|sum| *sum /= asked);
        (self.asked > 0).then_some(self)
    }
}

fn change(view: &View, query: &Query, (old, new): (&[u32], &[u32]), after: &Answer) -> ListChange {
    let id = |row: &u32| view.id(RowId(*row)).unwrap_or_default().to_owned();
    let mut moves = Vec::new();
    for (at, row) in new.iter().enumerate() {
        match old.iter().position(|other| other == row) {
            None => moves.push(format!("+{} {}", at + 1, id(row))),
            Some(was) if was != at => moves.push(format!("{}→{} {}", was + 1, at + 1, id(row))),
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|row| !new.contains(row));
    moves.extend(gone.map(|row| format!("-{}", id(row))));
    let asked = query.anchors.first().map(|id| format!("on {id}"));
    let asked = asked.unwrap_or_else(|| format!("after {} steps", query.session.len()));
    let placement = query.placement.as_ref().map_or_else(String::new, |name| format!(" in {name}"));
    ListChange {
        question: format!("{} {asked}{placement}", query.intent.word()),
        before: old.iter().map(id).collect(),
        after: new.iter().map(id).collect(),
        moves,
        rules: after.fired.iter().map(|fired| fired.id.to_string()).collect(),
    }
}
