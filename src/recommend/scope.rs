//! What a question is about, in rows: what it starts from, what is in the cart, and what may be in its answer.

use std::borrow::Cow;
use std::convert::Infallible;

use roaring::RoaringBitmap;

use super::engine::Engine;
use super::error::RecommendError;
use super::filter::{Narrowed, allowed_rows};
use super::query::{Intent, Query, RelativePrice, SessionEvent};
use super::search::Allowed;
use super::session::in_cart;
use super::trace::Sieve;
use crate::events::EventKind;
use crate::live::View;
use crate::rank::RowId;

/// What a question that starts from a session is about.
pub(super) struct Scope {
    /// What is on the page now.
    pub anchors: Vec<RowId>,
    /// What was done, oldest first, what is on the page last.
    pub steps: Vec<(RowId, EventKind)>,
    pub cart: Vec<RowId>,
    /// Rows whose families never appear: what is on the page and in the cart.
    pub taken: Vec<RowId>,
    /// The rows of the steps, the newest first.
    pub newest_first: Vec<RowId>,
    pub missing_ids: Vec<String>,
    pub allowed: Allowed,
}

impl Scope {
    /// What the answer is shown beside: what is on the page, else the newest of the session.
    pub(super) fn page(&self) -> &[RowId] {
        if self.anchors.is_empty() { self.newest_first.get(..1).unwrap_or_default() } else { &self.anchors }
    }
}

impl Engine {
    /// What `query` is about where it starts from its session: neither what is on the page or in the cart nor what is excluded may
    /// appear, and other products of the session only where that is allowed: what is due again is there though it was looked at.
    ///
    /// Returns an error if the filter is malformed or the index cannot be read.
    pub(super) fn scope(&self, view: &View, query: &Query) -> Result<Scope, RecommendError> {
        let (anchors, excluded, mut missing_ids) = named(view, query);
        let mut steps = steps(view, &query.session, &mut missing_ids);
        steps.extend(anchors.iter().map(|&row| (row, EventKind::ViewItem)));
        let cart = in_cart(steps.iter().copied());
        let taken: Vec<RowId> = anchors.iter().chain(&cart).copied().collect();
        let include_seen =
            query.intent == Intent::Replenish || query.include_seen.unwrap_or(self.config().include_seen);
        let seen = steps.iter().map(|(row, _)| *row).filter(|_| !include_seen);
        let out = taken.iter().copied().chain(seen).chain(excluded).map(|row| row.0).collect();
        let newest_first: Vec<RowId> = steps.iter().rev().map(|(row, _)| *row).collect();
        let allowed = self.allowed(view, query, &newest_first, out)?;
        Ok(Scope { anchors, steps, cart, taken, newest_first, missing_ids, allowed })
    }

    /// The rows that may appear: what the filter, the stock and the price band let through, less `out`. The band is relative to the
    /// first of `priced` that has a price.
    pub(super) fn allowed(
        &self,
        view: &View,
        query: &Query,
        priced: &[RowId],
        out: RoaringBitmap,
    ) -> Result<Allowed, RecommendError> {
        let Narrowed { rows, is_open } = allowed_rows(view, &query.filter)?;
        let mut allowed = Allowed { rows: None, out, is_filtered: false, is_open, steps: Vec::new() };
        let is_traced = query.trace.is_some();
        allowed.narrow(Sieve::Filter, rows.map(Cow::Owned), is_traced);
        if self.config().in_stock_only && !query.filter.names("availability") {
            allowed.narrow(Sieve::OutOfStock, view.in_stock().map(Cow::Borrowed), is_traced);
        }
        if let Some(band) = query.price {
            allowed.narrow(Sieve::Price, price_band(view, priced, band).map(Cow::Owned), is_traced);
        }
        // What little is out of stock is not why a list is short.
        let is_scarce = allowed.rows.as_ref().is_some_and(|rows| 2 * rows.len() < view.num_products() as u64);
        allowed.is_filtered = is_open || !query.filter.is_empty() || query.price.is_some() || is_scarce;
        if let Some(rows) = &mut allowed.rows {
            *rows -= &allowed.out;
        }
        Ok(allowed)
    }
}

/// The rows of a session's events; ids that the catalog lacks go to `missing_ids`, each once.
pub(super) fn steps(view: &View, session: &[SessionEvent], missing_ids: &mut Vec<String>) -> Vec<(RowId, EventKind)> {
    let mut steps = Vec::with_capacity(session.len());
    for event in session {
        match view.row(&event.id) {
            Some(row) => steps.push((row, event.kind)),
            None if missing_ids.contains(&event.id) => {}
            None => missing_ids.push(event.id.clone()),
        }
    }
    steps
}

/// Rows of the anchors and of what is excluded, and the ids of both that the catalog lacks.
pub(super) fn named(view: &View, query: &Query) -> (Vec<RowId>, Vec<RowId>, Vec<String>) {
    let (anchors, mut missing_ids) = rows(view, &query.anchors);
    let (excluded, unknown) = rows(view, &query.exclude);
    missing_ids.extend(unknown);
    (anchors, excluded, missing_ids)
}

/// Rows of the ids that the catalog has, and the ids that it lacks.
pub(super) fn rows(view: &View, ids: &[String]) -> (Vec<RowId>, Vec<String>) {
    let mut rows = Vec::with_capacity(ids.len());
    let mut missing = Vec::new();
    for id in ids {
        match view.row(id) {
            Some(row) => rows.push(row),
            None => missing.push(id.clone()),
        }
    }
    (rows, missing)
}

/// The rows whose price is the anchor's times the band; `None` (all) when no anchor has a price.
fn price_band(view: &View, anchors: &[RowId], band: RelativePrice) -> Option<RoaringBitmap> {
    let anchor = anchors.iter().find_map(|&row| view.price(row))?;
    let times = |factor: f64| anchor.minor as f64 * factor;
    let low = band.relative_min.map_or(i64::MIN, |factor| times(factor).round() as i64);
    let high = band.relative_max.map_or(i64::MAX, |factor| times(factor).round() as i64);
    let own = anchor.currency.to_bytes();
    let is_in =
        |minor: i64, currency| -> Result<bool, Infallible> { Ok((low <= minor) & (minor <= high) & (currency == own)) };
    let Ok(rows) = view.rows_priced(is_in);
    Some(rows)
}
