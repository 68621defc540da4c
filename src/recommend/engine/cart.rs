//! What goes with a cart: what the question names as cart and page, to its answer.

use std::cell::OnceCell;
use std::collections::HashSet;

use super::Engine;
use crate::catalog::Pairs;
use crate::events::EventKind;
use crate::index::CatalogDir;
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::blend::Blend;
use crate::recommend::cross_sell::{Basket, CrossSell, Outs};
use crate::recommend::error::RecommendError;
use crate::recommend::query::{Answer, FewerBecause, Intent, Query};
use crate::recommend::ruled::{Asked, Compiled};
use crate::recommend::scope::{Scope, named, steps};
use crate::recommend::session::{SessionQuestion, in_cart};
use crate::recommend::shop::LiveShop;
use crate::recommend::told::Told;

/// Rows of pairs that cannot be used which are named in the log.
const MAX_LOGGED_FAULTS: usize = 10;

impl Engine {
    /// Answers what goes with the cart and what is on the page; without both, with the newest of the session. Neither those nor their
    /// families, nor what never stands beside them, are in the answer.
    pub(super) fn answer_cross_sell(
        &self,
        view: &View,
        query: &Query,
        rules: &Compiled,
    ) -> Result<Answer, RecommendError> {
        let (anchors, excluded, mut missing_ids) = named(view, query);
        let steps = steps(view, &query.session, &mut missing_ids);
        let cart = in_cart(steps.iter().copied());
        let starts = goes_with(query.intent, &anchors, &cart, &steps);
        let Some(&newest) = starts.last() else {
            return Ok(Answer::nothing(None, missing_ids, FewerBecause::UnknownProducts, rules.version()));
        };
        let (config, pairs) = (&self.config.cross_sell, self.pairs());
        let told = Told { view, pairs: &pairs };
        let vetoed = told.vetoed(&starts)?;
        let others = cart.iter().copied().chain(owned(view, query));
        let taken: Vec<RowId> = starts.iter().chain(&vetoed).copied().chain(others).collect();
        let out = taken.iter().chain(&excluded).map(|row| row.0).collect();
        let newest_first: Vec<RowId> = starts.iter().rev().copied().collect();
        let allowed = self.allowed(view, query, &newest_first, out)?;
        let behavior = self.behavior(view);
        let outs = Outs::of(told, &starts, config)?;
        let (allowed, unlike, exact) = (&allowed, Some(&outs.same), query.exact);
        let shop = LiveShop { view, behavior, measured: None, pairs: &pairs, allowed, unlike, exact };
        let in_cart: Vec<_> = starts.iter().map(|&row| (row, EventKind::AddToCart)).collect();
        let Query { limit, min_score, .. } = *query;
        let intent = Intent::CrossSell;
        let question =
            SessionQuestion { intent, steps: &in_cart, text: None, taken: &taken, bought: &[], limit, min_score };
        let mut blend = Blend::new(&shop, &question, &self.config, &self.behavior);
        blend.weigh_in(query.slot.as_deref());
        let cross_sell = CrossSell {
            told,
            config,
            outs: &outs,
            blend,
            starts: &starts,
            vetoed: &vetoed,
            taken: &taken,
            basket: Basket::of(view, query, &starts, &cart),
            min_score,
            ordered: OnceCell::new(),
        };
        let asked = Asked {
            view,
            query,
            page: if anchors.is_empty() { &newest_first[..1] } else { &anchors },
            cart: &cart,
            taken: &taken,
            allowed,
            missing_ids,
            is_filled: false,
            anchor: Some(newest),
            most: None,
            otherwise: allowed.why_fewer(FewerBecause::Evidence),
        };
        match query.intent {
            Intent::Bundle => self.finish_bundle(asked, &cross_sell, rules),
            _ => asked.finish(&cross_sell, rules),
        }
    }

    /// What never stands beside what a question of `scope` goes with.
    ///
    /// Returns an error if a record is damaged.
    pub(in crate::recommend) fn never_beside(&self, view: &View, scope: &Scope) -> Result<Vec<RowId>, RecommendError> {
        let starts = goes_with(Intent::CrossSell, &scope.anchors, &scope.cart, &scope.steps);
        Told { view, pairs: &self.pairs() }.vetoed(&starts)
    }
}

/// What the shopper of an order has already.
pub(in crate::recommend) fn owned<'q>(view: &'q View, query: &'q Query) -> impl Iterator<Item = RowId> + 'q {
    let bought = query.order.iter().flat_map(|_| &query.bought);
    bought.filter_map(|bought| view.row(&bought.product))
}

/// What an answer has to go with, each once, the newest last: the cart, then what is on the page; without both the newest of the session. A set
/// starts from what is on the page alone where something is.
pub(super) fn goes_with(intent: Intent, anchors: &[RowId], cart: &[RowId], steps: &[(RowId, EventKind)]) -> Vec<RowId> {
    let mut seen = HashSet::new();
    let cart = if intent == Intent::Bundle && !anchors.is_empty() { &[] } else { cart };
    let mut starts: Vec<RowId> = anchors.iter().rev().chain(cart.iter().rev()).copied().collect();
    if starts.is_empty() {
        starts.extend(steps.last().map(|(row, _)| *row));
    }
    starts.retain(|row| seen.insert(*row));
    starts.reverse();
    starts
}

/// The pairs in the catalog's folder. Rows and files that cannot be used are left out and named in the log.
pub(super) fn read_pairs(dir: &CatalogDir) -> Pairs {
    let pairs = Pairs::of_folder(&dir.path());
    let (files, rows): (Vec<_>, Vec<_>) = pairs.faults().iter().partition(|fault| fault.is_of_file());
    files.iter().for_each(|fault| tracing::error!("{fault}; answers go on without its pairs"));
    rows.iter().take(MAX_LOGGED_FAULTS).for_each(|fault| tracing::warn!("{fault}"));
    if rows.len() > MAX_LOGGED_FAULTS {
        tracing::warn!("{} rows of pairs cannot be used in all", rows.len());
    }
    pairs
}
