//! Answers questions about one catalog. What goes with a cart is in `engine/cart`, with an order in `engine/after_order`, sets in `engine/bundle`,
//! what is due in `engine/replenish`.

mod after_order;
mod bundle;
mod cart;
mod replenish;

use std::borrow::Cow;
use std::sync::Arc;

use arc_swap::ArcSwap;
pub(super) use cart::owned;
use cart::{goes_with, read_pairs};
use roaring::RoaringBitmap;

use super::blend::Blend;
use super::compare::{ComparedRow, compared};
use super::cross_sell::Basket;
use super::error::RecommendError;
use super::fit::Fit;
use super::placement::Fallback;
use super::query::{Answer, FewerBecause, Hit, Intent, Query, RelativePrice};
use super::reason::{Explained, Explainer};
use super::ruled::{Asked, Compiled, Rulebook};
use super::scope::{named, rows, steps};
use super::search::{Allowed, Search};
use super::session::{SessionQuestion, in_cart};
use super::settings::RecommendConfig;
use super::shop::LiveShop;
use super::told::Told;
use super::trace::Sieve;
use super::upsell::{Anchor, Upsell};
use crate::behavior::{Behavior, BehaviorConfig};
use crate::catalog::{Pairs, TextTemplate};
use crate::embed::Embedder;
use crate::index::{CatalogDir, Generation, IndexError, ModelRecord};
use crate::live::{LiveCatalog, View};
use crate::rank::RowId;
use crate::rules::{RuleSet, RuleStore};

/// Which setting would load the model that made the index. A precision's fingerprint differs as another model's does.
fn setting_that_differs(indexed: &ModelRecord, loaded: &Embedder) -> String {
    if indexed.name == loaded.name() && indexed.precision != loaded.precision().name() {
        format!("embed.precision={}", indexed.precision)
    } else {
        "embed.model".to_owned()
    }
}

/// One catalog with its live changes, the model for free text, and the settings: everything that an answer needs.
pub struct Engine {
    dir: CatalogDir,
    live: LiveCatalog,
    /// The tables of the generation in use and of the one before it, by name: a view that was taken before a new generation came is
    /// answered with its own.
    behaviors: ArcSwap<Vec<(String, Option<Arc<Behavior>>)>>,
    rules: Rulebook,
    /// The shop's own pairs, as they were when the generation came.
    pairs: ArcSwap<Pairs>,
    embedder: Arc<Embedder>,
    config: RecommendConfig,
    behavior: BehaviorConfig,
}

/// Rules that are tried: see [`Engine::try_rules`].
pub struct TrialRules(Compiled);

impl TrialRules {
    /// How often a rule's condition held, in all answers that counted.
    pub fn num_counted(&self) -> u64 {
        self.0.num_counted()
    }
}

impl Engine {
    /// Joins `generation` of the catalog in `dir` with the changes since and the model that made its vectors. New products' texts are
    /// rendered by `template`.
    ///
    /// Returns an error if another model made the vectors, what was learned from events is damaged, or the live changes or the rules
    /// cannot be read.
    pub fn new(
        dir: &CatalogDir,
        generation: Generation,
        embedder: Arc<Embedder>,
        template: &TextTemplate,
        config: &RecommendConfig,
    ) -> Result<Self, RecommendError> {
        check_model(&generation, &embedder)?;
        let behaviors = ArcSwap::from_pointee(vec![open_behavior(dir, &generation)?]);
        let rules = Rulebook::open(RuleStore::new(&dir.path()), &generation, config.placements.clone())?;
        let pairs = ArcSwap::from_pointee(read_pairs(dir));
        let live = LiveCatalog::open(dir.live_path(), generation, embedder.clone(), template.clone())?;
        let (dir, config, behavior) = (dir.clone(), config.clone(), BehaviorConfig::default());
        Ok(Self { dir, live, behaviors, rules, pairs, embedder, config, behavior })
    }

    /// The same with other settings of what is learned from events.
    pub fn with_behavior(self, behavior: BehaviorConfig) -> Self {
        Self { behavior, ..self }
    }

    /// Answers from `generation` from now on.
    ///
    /// Returns an error as [`Engine::new`] does; then the old one stays.
    pub fn take_over(&self, generation: Generation) -> Result<(), RecommendError> {
        check_model(&generation, &self.embedder)?;
        let opened = open_behavior(&self.dir, &generation)?;
        self.rules.prepare(&generation)?;
        let before = self.behaviors.load_full();
        let mut behaviors = Vec::clone(&before);
        behaviors.retain(|(name, _)| *name != opened.0);
        behaviors.drain(..behaviors.len().saturating_sub(1));
        behaviors.push(opened);
        self.behaviors.store(Arc::new(behaviors));
        self.live.take_over(generation).inspect_err(|_| self.behaviors.store(before))?;
        self.pairs.store(Arc::new(read_pairs(&self.dir)));
        Ok(())
    }

    /// What was learned for the generation of `view`; `None` where it was built without events.
    pub fn behavior(&self, view: &View) -> Option<Arc<Behavior>> {
        let behaviors = self.behaviors.load();
        let (_, behavior) = behaviors.iter().find(|(name, _)| name == view.generation().name())?;
        behavior.clone()
    }

    /// The shop's own pairs.
    pub fn pairs(&self) -> Arc<Pairs> {
        self.pairs.load_full()
    }

    /// The catalog's rules.
    pub fn rules(&self) -> &Rulebook {
        &self.rules
    }

    /// The settings of answers.
    pub fn config(&self) -> &RecommendConfig {
        &self.config
    }

    /// The catalog's changes.
    pub fn live(&self) -> &LiveCatalog {
        &self.live
    }

    /// The catalog as it is now: take one for each question.
    pub fn view(&self) -> View {
        self.live.view()
    }

    /// Answers `query` on `view`, whose rows the answer names.
    ///
    /// Products of the question that the catalog lacks are named in the answer, not an error. Returns an error if a field
    /// is out of its range, the filter is malformed, the intent has no source, or the index or the model fails.
    pub fn answer(&self, view: &View, query: &Query) -> Result<Answer, RecommendError> {
        self.answer_ruled(view, query, &*self.rules.compiled(view)?)
    }

    /// Rules to answer questions on `view` with, without putting them in force.
    ///
    /// Returns an error if the set has no sense in it.
    pub fn try_rules(&self, view: &View, set: &RuleSet) -> Result<TrialRules, RecommendError> {
        Ok(TrialRules(self.rules.trial(set, view)?))
    }

    /// As [`Engine::answer`], under `rules` in place of those in force.
    ///
    /// Returns an error as [`Engine::answer`] does.
    pub fn answer_with(&self, view: &View, query: &Query, rules: &TrialRules) -> Result<Answer, RecommendError> {
        self.answer_ruled(view, query, &rules.0)
    }

    /// The answer under `rules` in place of those in force.
    pub(super) fn answer_ruled(&self, view: &View, query: &Query, rules: &Compiled) -> Result<Answer, RecommendError> {
        query.check()?;
        let Some(log) = &query.trace else { return self.answer_checked(view, query, rules) };
        let num_lists = log.num_lists();
        let answer = self.answer_checked(view, query, rules)?;
        if let Some(because) = answer.fewer_because.filter(|_| answer.hits.is_empty()) {
            log.note_without_list(num_lists, query.intent, because);
        }
        Ok(answer)
    }

    fn answer_checked(&self, view: &View, query: &Query, rules: &Compiled) -> Result<Answer, RecommendError> {
        match (query.intent, &query.slot) {
            (_, Some(slot)) if slot.is_mixed() && !query.is_part => self.answer_mixed(view, query, slot, rules),
            (Intent::Upsell, _) => self.answer_upsell(view, query, rules),
            (Intent::CrossSell, _) if query.order.is_some() => self.answer_after_order(view, query, rules),
            (Intent::CrossSell, _) => self.answer_cross_sell(view, query, rules),
            (Intent::Bundle, _) => self.answer_bundle(view, query, rules),
            (Intent::Replenish, _) => self.answer_replenish(view, query, rules),
            (intent, _) if intent.is_of_session() => self.answer_session(view, query, rules),
            _ => self.answer_similar(view, query, rules),
        }
    }

    /// Answers what is alike: to the anchors, to a text.
    fn answer_similar(&self, view: &View, query: &Query, rules: &Compiled) -> Result<Answer, RecommendError> {
        let (anchors, excluded, missing_ids) = named(view, query);
        let anchor = anchors.first().copied();
        let Some(vector) = self.query_vector(view, &anchors, query.text.as_deref())? else {
            return Ok(Answer::nothing(None, missing_ids, FewerBecause::UnknownProducts, rules.version()));
        };
        let out = anchors.iter().chain(&excluded).map(|row| row.0).collect();
        let allowed = self.allowed(view, query, &anchors, out)?;
        let fit = Fit::of(view, self.config.misfit_factor, &anchors, query.text.as_deref())?;
        let search = Search { view, query, vector: &vector, allowed: &allowed, fit: fit.as_ref(), anchors: &anchors };
        let asked = Asked {
            view,
            query,
            page: &anchors,
            cart: &[],
            taken: &anchors,
            allowed: &allowed,
            missing_ids,
            is_filled: false,
            anchor,
            most: None,
            otherwise: allowed.why_fewer(FewerBecause::CatalogSize),
        };
        asked.finish(&search, rules)
    }

    /// Answers what is better than one product: the first anchor that is known, else the newest of the session. What is in the cart and
    /// its families are not in the answer.
    fn answer_upsell(&self, view: &View, query: &Query, rules: &Compiled) -> Result<Answer, RecommendError> {
        let (anchors, excluded, mut missing_ids) = named(view, query);
        let steps = steps(view, &query.session, &mut missing_ids);
        let start = anchors.first().copied().or_else(|| steps.last().map(|(row, _)| *row));
        let empty = |anchor, missing_ids, why| Ok(Answer::nothing(anchor, missing_ids, why, rules.version()));
        let Some(row) = start else { return empty(None, missing_ids, FewerBecause::UnknownProducts) };
        if view.generation().comparison().is_none() {
            return Err(RecommendError::NotComparable(view.generation().name().to_owned()));
        }
        let Some(anchor) = Anchor::of(view, row) else { return empty(start, missing_ids, FewerBecause::NoPrice) };
        let cart = in_cart(steps.iter().copied());
        let taken: Vec<RowId> = cart.iter().copied().filter(|&in_cart| in_cart != row).collect();
        let out = taken.iter().chain(&excluded).chain([&row]).map(|row| row.0).collect();
        let (query, allowed) = self.allowed_better(view, query, row, out)?;
        let (config, behavior) = (&self.config.upsell, self.behavior(view));
        let (query, behavior) = (&query, behavior.as_deref());
        let upsell =
            Upsell { view, query, config, behavior, anchor: &anchor, steps: &steps, allowed: &allowed, taken: &taken };
        let asked = Asked {
            view,
            query,
            page: &[row],
            cart: &cart,
            taken: &taken,
            allowed: &allowed,
            missing_ids,
            is_filled: false,
            anchor: start,
            most: upsell.most_shown(),
            otherwise: FewerBecause::NothingBetter,
        };
        asked.finish(&upsell, rules)
    }

    /// `query` with its price band, or that of the settings, and the rows inside that and the anchor's category.
    fn allowed_better(
        &self,
        view: &View,
        query: &Query,
        anchor: RowId,
        out: RoaringBitmap,
    ) -> Result<(Query, Allowed), RecommendError> {
        let config = &self.config.upsell;
        let asked = query.price.unwrap_or(RelativePrice { relative_min: None, relative_max: None });
        let band = RelativePrice {
            relative_min: asked.relative_min.or(Some(config.price_min)),
            relative_max: asked.relative_max.or(Some(config.price_max)),
        };
        let query = Query { price: Some(band), ..query.clone() };
        let mut allowed = self.allowed(view, &query, &[anchor], out)?;
        if let (Some(leaf), Some(comparison)) = (view.leaf(anchor), view.generation().comparison()) {
            let of_leaf = view.rows_with("category", comparison.path(leaf))?;
            allowed.narrow(Sieve::Category, Some(Cow::Owned(of_leaf)), query.trace.is_some());
        }
        Ok((query, allowed))
    }

    /// Why each hit of `answer` to `query` is there, and the list's title: of several intents that of the first with a hit.
    ///
    /// Returns an error if a record is damaged.
    pub fn explain(&self, view: &View, query: &Query, answer: &Answer) -> Result<Explained, RecommendError> {
        if answer.parts.is_empty() {
            return self.explain_one(view, query, answer);
        }
        let mut reasons = vec![None; answer.hits.len()];
        let mut title = None;
        for part in &answer.parts {
            let is_own = |hit: &Hit| answer.part_of(hit.row).is_some_and(|of| of.intent == part.intent);
            let own: Vec<(usize, Hit)> =
                answer.hits.iter().copied().enumerate().filter(|(_, hit)| is_own(hit)).collect();
            let hits = own.iter().map(|(_, hit)| *hit).collect();
            let told = Answer { hits, anchor: part.anchor, parts: Vec::new(), ..answer.clone() };
            let explained = self.explain_one(view, &query.asking(part.intent), &told)?;
            own.iter().zip(explained.reasons).for_each(|((at, _), reason)| reasons[*at] = Some(reason));
            if !own.is_empty() {
                title.get_or_insert(explained.title);
            }
        }
        // Every hit is of exactly one part.
        Ok(Explained { title: title.unwrap_or_default(), reasons: reasons.into_iter().flatten().collect() })
    }

    /// The same of an answer to one intent.
    fn explain_one(&self, view: &View, query: &Query, answer: &Answer) -> Result<Explained, RecommendError> {
        let behavior = self.behavior(view);
        let steps = steps(view, &query.session, &mut Vec::new());
        let (anchors, _) = rows(view, &query.anchors);
        let (config, behavior) = (&self.config, behavior.as_deref());
        let cart: Vec<u32> = in_cart(steps.iter().copied()).iter().map(|row| row.0).collect();
        let orders = || behavior.map_or_else(|| vec![0; cart.len()], |known| known.knowledge().orders_of(&cart));
        let orders = (!cart.is_empty()).then(orders);
        let weights = config.weights(query.intent, orders.as_deref());
        let weights = weights.map(|weights| query.slot.as_ref().map_or(weights, |slot| slot.weights.times(weights)));
        let cart: Vec<RowId> = cart.iter().copied().map(RowId).collect();
        let starts = goes_with(query.intent, &anchors, &cart, &steps);
        let pairs = self.pairs();
        let told = Told { view, pairs: &pairs };
        let basket = Basket::of(view, query, &starts, &cart);
        let explainer = Explainer {
            view,
            query,
            answer,
            config,
            behavior,
            weights,
            steps: &steps,
            anchors: &anchors,
            told,
            starts: &starts,
            basket,
            due: if query.intent == Intent::Replenish { self.due(view, query) } else { Vec::new() },
        };
        explainer.explain()
    }

    /// What differs from the anchor of `answer` to the product of `row`, what is better first; `None` where the answer starts from no
    /// product with a price.
    ///
    /// Returns an error if a record is damaged.
    pub fn compare(
        &self,
        view: &View,
        query: &Query,
        answer: &Answer,
        row: RowId,
    ) -> Result<Option<Vec<ComparedRow>>, RecommendError> {
        let anchor = answer.part_of(row).map_or(answer.anchor, |part| part.anchor);
        let Some(anchor) = anchor.and_then(|anchor| Anchor::of(view, anchor)) else { return Ok(None) };
        let behavior = self.behavior(view);
        let language = query.language.as_deref();
        let label = |word: &str, usual: &str| self.config.messages.label(language, word, usual);
        compared(view, behavior.as_deref(), &anchor, row, &self.config.upsell, label).map(Some)
    }

    /// Answers what starts from a session: its steps, then the anchors, which are what is on the page now. Neither those nor what is in
    /// the cart, nor their families, are in the answer; other products of the session are where that is allowed.
    fn answer_session(&self, view: &View, query: &Query, rules: &Compiled) -> Result<Answer, RecommendError> {
        let scope = self.scope(view, query)?;
        let text = query.text.as_deref().map(|text| self.embedder.embed_one(text)).transpose()?;
        let (pairs, behavior) = (self.pairs(), self.behavior(view));
        let (unlike, exact) = (None, query.exact);
        let shop = LiveShop { view, behavior, measured: None, pairs: &pairs, allowed: &scope.allowed, unlike, exact };
        let bought = query.bought.iter().filter_map(|bought| Some((view.row(&bought.product)?, bought.num_orders)));
        let bought: Vec<(RowId, u32)> = bought.collect();
        let Query { intent, limit, min_score, .. } = *query;
        let question = SessionQuestion {
            intent,
            steps: &scope.steps,
            text: text.as_deref(),
            taken: &scope.taken,
            bought: &bought,
            limit,
            min_score,
        };
        let mut blend = Blend::new(&shop, &question, &self.config, &self.behavior);
        blend.weigh_in(query.slot.as_deref());
        let may_fill = query.slot.as_ref().is_none_or(|slot| slot.fallback != Some(Fallback::None));
        let asked = Asked {
            view,
            query,
            page: scope.page(),
            cart: &scope.cart,
            taken: &scope.taken,
            allowed: &scope.allowed,
            is_filled: blend.is_fillable && !query.is_part && may_fill,
            anchor: scope.newest_first.first().copied(),
            most: None,
            otherwise: scope.allowed.why_fewer(FewerBecause::Evidence),
            missing_ids: scope.missing_ids.clone(),
        };
        asked.finish(&blend, rules)
    }

    /// The mean of the anchors' vectors and the text's, of length 1; `None` when there is nothing to start from.
    fn query_vector(
        &self,
        view: &View,
        anchors: &[RowId],
        text: Option<&str>,
    ) -> Result<Option<Vec<f32>>, RecommendError> {
        let text = text.map(|text| self.embedder.embed_one(text)).transpose()?;
        let vectors = anchors.iter().filter_map(|&row| view.vector(row)).chain(text);
        let mut sum = vec![0f32; self.embedder.dim()];
        let mut num_vectors = 0;
        for vector in vectors {
            sum.iter_mut().zip(&vector).for_each(|(sum, x)| *sum += x);
            num_vectors += 1;
        }
        let norm = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        if num_vectors == 0 || norm < 1e-6 {
            return Ok(None);
        }
        if num_vectors > 1 {
            sum.iter_mut().for_each(|x| *x /= norm);
        }
        Ok(Some(sum))
    }
}

/// What was learned for `generation`, with its name.
fn open_behavior(dir: &CatalogDir, generation: &Generation) -> Result<(String, Option<Arc<Behavior>>), IndexError> {
    let (name, files) = (generation.name(), &generation.manifest().files);
    let files = files.keys().map(String::as_str);
    let opened = Behavior::open(&dir.path().join(name), generation.products().num_rows(), files)?;
    Ok((name.to_owned(), opened.map(Arc::new)))
}

fn check_model(generation: &Generation, embedder: &Embedder) -> Result<(), RecommendError> {
    let model = &generation.manifest().model;
    if model.fingerprint == embedder.fingerprint() {
        return Ok(());
    }
    let describe = |name: &str, precision: &str, fingerprint: &str| {
        format!("{name} {precision} ({})", fingerprint.get(..12).unwrap_or(fingerprint))
    };
    Err(RecommendError::ForeignModel {
        catalog: generation.manifest().catalog.clone(),
        indexed: describe(&model.name, &model.precision, &model.fingerprint),
        loaded: describe(embedder.name(), embedder.precision().name(), embedder.fingerprint()),
        setting: setting_that_differs(model, embedder),
    })
}
