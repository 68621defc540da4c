//! A question in its placement: the intents of its stage, and what the placement says of the list.

use std::sync::Arc;

use super::factors::SourceFactors;
use super::settings::{Fallback, MixPart, Placement};
use super::stage::Stage;
use crate::events::EventKind;
use crate::recommend::engine::Engine;
use crate::recommend::error::RecommendError;
use crate::recommend::query::{Intent, Query};

/// Products looked at last that stand for the page where there is none.
const NUM_LAST_VIEWED: usize = 5;

/// What a placement says of one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// How far the session has come.
    pub stage: Stage,
    /// What is shown, the first leading; never empty.
    pub mix: Vec<MixPart>,
    /// Factors on what sources count.
    pub weights: SourceFactors,
    /// How much less each product of a category counts for every one of it that stands before it, 0 to 1.
    pub diversity: f32,
    /// What a short list is filled with; `None` where the settings of answers say, as for a request with an intent of its own.
    pub fallback: Option<Fallback>,
}

impl Slot {
    /// Whether the list is more than its one intent's own answer.
    pub(in crate::recommend) fn is_mixed(&self) -> bool {
        self.mix.len() > 1 || self.diversity > 0.0 || self.is_filled()
    }

    /// Whether the placement fills a short list with what is popular.
    pub(in crate::recommend) fn is_filled(&self) -> bool {
        self.fallback == Some(Fallback::Popular)
    }
}

/// What a request itself says, which goes before its placement.
#[derive(Debug, Clone, Copy, Default)]
pub struct Said {
    /// What to show.
    pub intent: Option<Intent>,
    /// Most products.
    pub limit: Option<usize>,
}

impl Engine {
    /// `query` in the placement that it names, if any: asked as the placement's settings say for the stage of its session, as far as the
    /// request itself does not say. Where the request says no intent, `query` tells of a session as [`Intent::Next`] starts from one.
    ///
    /// Returns an error if there is no such placement.
    pub fn place(&self, mut query: Query, said: Said) -> Result<Query, RecommendError> {
        let Some(name) = query.placement.as_deref() else { return Ok(query) };
        let placements = &self.config().placements;
        let unknown = || RecommendError::UnknownPlacement { name: name.to_owned(), known: placements.known(name) };
        let placement = placements.get(name).ok_or_else(unknown)?;
        query.limit = said.limit.unwrap_or(placement.limit);
        query.min_score = query.min_score.or(placement.min_score);
        let slot = slot(placement, &query, said.intent);
        let Some(leading) = slot.mix.first().map(|part| part.intent) else { return Ok(query) };
        if said.intent.is_none() {
            let is_one = !slot.is_mixed();
            query = if is_one { query.asking(leading) } else { Query { intent: leading, ..query } };
        }
        query.slot = Some(Arc::new(slot));
        Ok(query)
    }
}

fn slot(placement: &Placement, query: &Query, intent: Option<Intent>) -> Slot {
    let stage = Stage::of(query);
    let mix = match intent {
        Some(intent) => vec![MixPart { intent, share: 1.0 }],
        None => placement.mix_at(stage).to_vec(),
    };
    // A request with an intent of its own gets that intent's answer.
    let is_own = intent.is_some();
    Slot {
        stage,
        mix,
        weights: placement.weights.clone(),
        diversity: if is_own { 0.0 } else { placement.diversity },
        fallback: (!is_own).then_some(placement.fallback),
    }
}

impl Query {
    /// The same shopper asked for `intent`: of a question that tells of a session as [`Intent::Next`] starts from one, what `intent`
    /// starts from.
    pub fn asking(&self, intent: Intent) -> Self {
        let mut query = Self { intent, ..self.clone() };
        match intent {
            // What is looked at now comes first.
            Intent::Upsell => query.anchors.reverse(),
            Intent::Similar => {
                query.anchors.reverse();
                let cart: Vec<String> = in_cart(&query);
                if query.anchors.is_empty() && query.text.is_none() {
                    query.anchors = query.last_viewed().take(NUM_LAST_VIEWED).map(str::to_owned).collect();
                    if query.anchors.is_empty() {
                        query.anchors.clone_from(&cart);
                    }
                    drop_repeated(&mut query.anchors);
                }
                query.exclude.extend(cart.into_iter().filter(|id| !query.anchors.contains(id)));
                drop_repeated(&mut query.exclude);
                query.exclude.truncate(crate::recommend::query::MAX_ANCHORS);
            }
            _ => {}
        }
        query
    }

    /// The products that were looked at, the newest first.
    fn last_viewed(&self) -> impl Iterator<Item = &str> {
        let viewed = self.session.iter().rev().filter(|event| event.kind == EventKind::ViewItem);
        viewed.map(|event| event.id.as_str())
    }

    /// Whether there is anything that any of its intents can start from.
    pub(in crate::recommend) fn can_be_answered(&self) -> bool {
        self.intents().any(|intent| self.can_start(intent))
    }

    /// Whether there is anything that `intent` can start from. What was merely shown, or sent back, is nothing that is like anything.
    pub(super) fn can_start(&self, intent: Intent) -> bool {
        let has_products = !self.anchors.is_empty() || !self.session.is_empty();
        match intent {
            Intent::Similar => {
                let has_page = !self.anchors.is_empty() || self.text.is_some();
                has_page || self.last_viewed().next().is_some() || !in_cart(self).is_empty()
            }
            Intent::Upsell | Intent::CrossSell | Intent::Bundle => has_products,
            _ => true,
        }
    }
}

fn in_cart(query: &Query) -> Vec<String> {
    let steps = query.session.iter().map(|event| (event.id.as_str(), event.kind));
    crate::recommend::session::in_cart(steps).into_iter().map(str::to_owned).collect()
}

/// Keeps the first of ids that are given twice.
fn drop_repeated(ids: &mut Vec<String>) {
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(id.clone()));
}
