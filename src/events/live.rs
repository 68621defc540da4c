//! What each shopper did last, in memory: bounded, and there as soon as an event is acknowledged.
//!
//! Shoppers are held in two halves: who does something moves to the younger half; when that is full the older one is forgotten and the
//! younger one grows old. So those that did nothing for longest go first, at no cost.

use std::collections::HashMap;
use std::sync::Arc;

use super::event::Event;
use super::kind::EventKind;
use super::row::Hashes;

/// Things done that are held for one shopper: the latest.
pub const MAX_LIVE_INTERACTIONS: usize = 100;
/// Things shown, clicked and bought that are held for one shopper: the latest.
pub const MAX_MARKS: usize = 200;

/// One thing that a shopper did in the session that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveInteraction {
    /// The product.
    pub product: Arc<str>,
    /// What was done.
    pub kind: EventKind,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// Pieces.
    pub quantity: u32,
}

#[derive(Debug, Clone)]
struct Entry {
    session: Option<i64>,
    interaction: LiveInteraction,
}

/// What is held for one shopper, by time.
#[derive(Debug, Default)]
struct Shopper {
    entries: Vec<Entry>,
    /// What was shown, clicked and bought.
    marks: Vec<LiveInteraction>,
}

/// The live sessions of a catalog.
#[derive(Debug)]
pub(super) struct LiveSessions {
    young: HashMap<i64, Shopper>,
    old: HashMap<i64, Shopper>,
    max_shoppers: usize,
    idle_ms: i64,
}

impl LiveSessions {
    /// None yet; at most about `max_shoppers` are held, and a session ends after `idle_ms` without an event.
    pub(super) fn new(max_shoppers: usize, idle_ms: i64) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), max_shoppers, idle_ms }
    }

    /// Takes in an event. Lists that were shown are no part of sessions: they would push out what was done.
    pub(super) fn add(&mut self, event: &Event, hashes: &Hashes) {
        let interactions = event.items.iter().map(|item| LiveInteraction {
            product: Arc::from(item.product.as_str()),
            kind: event.kind,
            time_ms: event.time_ms,
            quantity: item.quantity,
        });
        self.add_all(event.kind, hashes, interactions);
    }

    /// Takes in what was done in an event of `kind`.
    pub(super) fn add_all(
        &mut self,
        kind: EventKind,
        hashes: &Hashes,
        interactions: impl Iterator<Item = LiveInteraction> + Clone,
    ) {
        if self.max_shoppers == 0 {
            return;
        }
        let Hashes { visitor, user, session, .. } = *hashes;
        // Asked for by any of its ids.
        let user = user.filter(|user| Some(*user) != visitor);
        for shopper in [visitor, user, session].into_iter().flatten() {
            let Shopper { entries, marks } = self.shopper(shopper);
            marks.extend(interactions.clone());
            marks.sort_by_key(|mark| mark.time_ms);
            marks.drain(..marks.len().saturating_sub(MAX_MARKS));
            if kind == EventKind::ViewItemList {
                continue;
            }
            entries.extend(interactions.clone().map(|interaction| Entry { session, interaction }));
            // Late events fall into their place; equal times stay as they came.
            entries.sort_by_key(|entry| entry.interaction.time_ms);
            let surplus = entries.len().saturating_sub(MAX_LIVE_INTERACTIONS);
            entries.drain(..surplus);
        }
    }

    fn shopper(&mut self, shopper: i64) -> &mut Shopper {
        if !self.young.contains_key(&shopper) {
            if self.young.len() >= self.max_shoppers.div_ceil(2) {
                self.old = std::mem::take(&mut self.young);
            }
            if let Some(known) = self.old.remove(&shopper) {
                self.young.insert(shopper, known);
            }
        }
        self.young.entry(shopper).or_default()
    }

    /// What `shopper` was shown, clicked and bought, oldest first, however long ago.
    pub(super) fn marks(&self, shopper: i64) -> &[LiveInteraction] {
        self.young.get(&shopper).or_else(|| self.old.get(&shopper)).map_or(&[], |known| &known.marks)
    }

    /// What `shopper` did in the session that is under way at `now_ms`, oldest first: what bears the id `session`, or else all up to the
    /// last pause. Empty when there is none.
    pub(super) fn of(&self, shopper: i64, session: Option<i64>, now_ms: i64) -> Vec<LiveInteraction> {
        let Some(known) = self.young.get(&shopper).or_else(|| self.old.get(&shopper)) else { return Vec::new() };
        let entries = &known.entries;
        let is_of = |entry: &&Entry| session.is_some() && entry.session == session;
        let by_id: Vec<LiveInteraction> = entries.iter().filter(is_of).map(|entry| entry.interaction.clone()).collect();
        if !by_id.is_empty() {
            return by_id;
        }
        let mut next_ms = now_ms;
        let mut found: Vec<LiveInteraction> = entries
            .iter()
            .rev()
            .take_while(|entry| {
                let is_near = next_ms.saturating_sub(entry.interaction.time_ms) <= self.idle_ms;
                next_ms = entry.interaction.time_ms;
                is_near
            })
            .map(|entry| entry.interaction.clone())
            .collect();
        found.reverse();
        found
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ProductId;
    use crate::events::Item;

    const MINUTE: i64 = 60_000;

    fn hashes(visitor: Option<i64>, user: Option<i64>, session: Option<i64>) -> Hashes {
        Hashes { visitor, user, session, order: None, key: [0; 16] }
    }

    fn event(product: &str, kind: EventKind, time_ms: i64) -> Event {
        let item = Item { product: ProductId::new(product).unwrap(), quantity: 1, price: None };
        Event { items: vec![item], ..Event::new(kind, time_ms) }
    }

    fn products(found: &[LiveInteraction]) -> Vec<&str> {
        found.iter().map(|interaction| &*interaction.product).collect()
    }

    #[test]
    fn a_session_is_told_by_its_id_or_by_the_last_pause_in_whatever_order_events_come() {
        let mut live = LiveSessions::new(100, 30 * MINUTE);
        for (product, minute, session) in [("b", 50, None), ("a", 5, None), ("c", 70, None), ("d", 60, Some(9))] {
            live.add(&event(product, EventKind::ViewItem, minute * MINUTE), &hashes(Some(1), Some(2), session));
        }
        live.add(&event("shown", EventKind::ViewItemList, 70 * MINUTE), &hashes(Some(1), None, None));
        for shopper in [1, 2] {
            assert_eq!(products(&live.of(shopper, None, 75 * MINUTE)), ["b", "d", "c"]);
            assert_eq!(products(&live.of(shopper, Some(9), 75 * MINUTE)), ["d"]);
        }
        assert_eq!(products(live.marks(1)), ["a", "b", "d", "c", "shown"]);
        assert!(live.of(1, None, 101 * MINUTE).is_empty() && live.of(3, None, 75 * MINUTE).is_empty());
        live.add(&event("e", EventKind::AddToCart, 1), &hashes(None, None, Some(9)));
        assert_eq!(products(&live.of(9, Some(9), 75 * MINUTE)), ["e", "d"]);
    }

    #[test]
    fn memory_is_bounded_and_who_did_nothing_for_longest_is_forgotten() {
        let mut live = LiveSessions::new(10, 30 * MINUTE);
        for shopper in 0..1000 {
            live.add(&event("a", EventKind::ViewItem, 0), &hashes(Some(shopper), None, None));
            live.add(&event("b", EventKind::ViewItem, 0), &hashes(Some(-1), None, None));
        }
        assert!(live.young.len() + live.old.len() <= 10);
        assert_eq!((live.of(-1, None, 0).len(), live.of(999, None, 0).len()), (MAX_LIVE_INTERACTIONS, 1));
        assert!(live.of(0, None, 0).is_empty() && live.marks(0).is_empty());
        assert_eq!(live.marks(-1).len(), MAX_MARKS);
    }
}
