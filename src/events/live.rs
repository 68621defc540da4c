//! What each shopper did last, in memory: bounded, and there as soon as an event is acknowledged.
//!
//! Shoppers are held in two halves: who does something moves to the younger half; when that is full the older one is forgotten and the
//! younger one grows old. So those that did nothing for longest go first, at no cost.
//!
//! A sign-in joins: what a visitor did is the session of the user who signed in there last, and the user's is that of every visitor on whose
//! device they signed in, without what other users did there. Who signed in first on a device is known however long ago it was.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::event::Event;
use super::kind::EventKind;
use super::row::Hashes;

/// Things done that are held for one shopper: the latest.
pub const MAX_LIVE_INTERACTIONS: usize = 100;
/// Products shown that are held for one shopper, and things done with products, each: the latest. Apart, so that what is shown in long lists does
/// not push out what was bought.
pub const MAX_MARKS: usize = 200;
/// Devices that are held for one user: the latest that were seen.
const MAX_LIVE_DEVICES: usize = 32;

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
    /// Tells entries apart: one stands under each of its ids.
    number: u64,
    visitor: Option<i64>,
    user: Option<i64>,
    session: Option<i64>,
    interaction: LiveInteraction,
}

/// Who signed in on a device, and when: of two the earlier counts, as in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SignIn {
    /// Milliseconds since 1970.
    pub(super) time_ms: i64,
    pub(super) user: i64,
}

/// What is held of one id.
#[derive(Debug, Default)]
struct Shopper {
    /// By time, equal times as they came; at most [`MAX_LIVE_INTERACTIONS`], in room for no more.
    entries: Vec<Entry>,
    /// What was shown, by time; at most [`MAX_MARKS`], in room for no more.
    shown: Vec<LiveInteraction>,
    /// What was looked at, clicked and bought, in the same way.
    done: Vec<LiveInteraction>,
    /// Of a visitor: the first sign-in on the device.
    first: Option<SignIn>,
    /// Of a user: visitors on whose devices they signed in first, at most [`MAX_LIVE_DEVICES`].
    devices: Vec<i64>,
}

/// Puts `item` into its place by time, behind those of the same time; when there are more than `most`, the oldest goes.
fn put<T>(held: &mut Vec<T>, item: T, most: usize, time_of: impl Fn(&T) -> i64) {
    let mut place = held.partition_point(|other| time_of(other) <= time_of(&item));
    if held.len() == most {
        if place == 0 {
            return;
        }
        held.remove(0);
        place -= 1;
    }
    if held.len() == held.capacity() {
        let room = held.len().max(1).min(most - held.len());
        held.reserve_exact(room);
    }
    held.insert(place, item);
}

/// The live sessions of a catalog.
#[derive(Debug)]
pub(super) struct LiveSessions {
    young: HashMap<i64, Shopper>,
    old: HashMap<i64, Shopper>,
    /// Entries so far.
    num_entries: u64,
    max_shoppers: usize,
    idle_ms: i64,
}

impl LiveSessions {
    /// None yet; at most about `max_shoppers` are held, and a session ends after `idle_ms` without an event.
    pub(super) fn new(max_shoppers: usize, idle_ms: i64) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), num_entries: 0, max_shoppers, idle_ms }
    }

    /// Takes in an event. Lists that were shown are no part of sessions: they would push out what was done.
    pub(super) fn add(&mut self, event: &Event, hashes: &Hashes) {
        let interactions = event.items.iter().map(|item| LiveInteraction {
            product: Arc::from(item.product.as_str()),
            kind: event.kind,
            time_ms: event.time_ms,
            quantity: item.quantity,
        });
        self.add_all(event.kind, event.time_ms, hashes, interactions);
    }

    /// Takes in what was done in an event of `kind` at `time_ms`, and the sign-in that it tells of.
    pub(super) fn add_all(
        &mut self,
        kind: EventKind,
        time_ms: i64,
        hashes: &Hashes,
        interactions: impl ExactSizeIterator<Item = LiveInteraction>,
    ) {
        let Hashes { visitor, user, session, .. } = *hashes;
        if let (Some(visitor), Some(user)) = (visitor, user) {
            self.sign_in(visitor, SignIn { time_ms, user });
        }
        if self.max_shoppers == 0 {
            return;
        }
        // All are of one time, so those before the last can never be held.
        let surplus = interactions.len().saturating_sub(MAX_MARKS);
        let interactions: Vec<LiveInteraction> = interactions.skip(surplus).collect();
        // Asked for by any of its ids.
        let signed_in = user.filter(|user| Some(*user) != visitor);
        let numbers = self.num_entries..;
        for shopper in [visitor, signed_in, session].into_iter().flatten() {
            let held = self.shopper(shopper);
            let is_shown = kind == EventKind::ViewItemList;
            let marks = if is_shown { &mut held.shown } else { &mut held.done };
            for interaction in &interactions {
                put(marks, interaction.clone(), MAX_MARKS, |mark| mark.time_ms);
            }
            if is_shown {
                continue;
            }
            for (interaction, number) in interactions.iter().cloned().zip(numbers.clone()) {
                let entry = Entry { number, visitor, user, session, interaction };
                put(&mut held.entries, entry, MAX_LIVE_INTERACTIONS, |entry| entry.interaction.time_ms);
            }
        }
        self.num_entries += interactions.len() as u64;
    }

    /// Takes in that somebody signed in on the device of `visitor`.
    pub(super) fn sign_in(&mut self, visitor: i64, sign_in: SignIn) {
        if visitor == sign_in.user || self.max_shoppers == 0 {
            return;
        }
        let first = &mut self.shopper(visitor).first;
        let sign_in = first.map_or(sign_in, |first| first.min(sign_in));
        *first = Some(sign_in);
        let devices = &mut self.shopper(sign_in.user).devices;
        if !devices.contains(&visitor) {
            if devices.len() == MAX_LIVE_DEVICES {
                devices.remove(0);
            }
            devices.push(visitor);
        }
    }

    /// Whether anything is held of `shopper`.
    pub(super) fn is_held(&self, shopper: i64) -> bool {
        self.young.contains_key(&shopper) || self.old.contains_key(&shopper)
    }

    fn shopper(&mut self, shopper: i64) -> &mut Shopper {
        if !self.young.contains_key(&shopper) {
            if self.young.len() >= self.max_shoppers.div_ceil(2) {
                self.old = std::mem::take(&mut self.young);
            }
            if let Some(held) = self.old.remove(&shopper) {
                self.young.insert(shopper, held);
            }
        }
        self.young.entry(shopper).or_default()
    }

    /// What `shopper` was shown, clicked and bought, oldest first, however long ago; of one time what was shown first.
    pub(super) fn marks(&self, shopper: i64) -> Vec<LiveInteraction> {
        let Some(known) = self.held(shopper) else { return Vec::new() };
        let mut marks = [known.shown.as_slice(), &known.done].concat();
        marks.sort_by_key(|mark| mark.time_ms);
        marks
    }

    /// What `shopper` did in the session that is under way at `now_ms`, oldest first: what bears the id `session`, or else all up to the
    /// last pause. Empty when there is none.
    pub(super) fn of(&self, shopper: i64, session: Option<i64>, now_ms: i64) -> Vec<LiveInteraction> {
        self.latest(&self.joined(shopper), session, now_ms)
    }

    /// What was done under the session's id by one of `askers` or by nobody who is named, as [`LiveSessions::of`] tells it; by anybody where
    /// there are no askers. Ids of sessions need not be unique: a tag may send when the session began.
    pub(super) fn under_session(&self, session: i64, askers: &[i64], now_ms: i64) -> Vec<LiveInteraction> {
        let is_theirs = |entry: &&&Entry| {
            let mut named = [entry.visitor, entry.user].into_iter().flatten().peekable();
            askers.is_empty() || named.peek().is_none() || named.any(|id| askers.contains(&id))
        };
        let joined = self.joined(session);
        let entries: Vec<&Entry> = joined.iter().filter(is_theirs).copied().collect();
        self.latest(&entries, Some(session), now_ms)
    }

    /// Those of `entries`, which are by time, that bear the id `session`, or else all up to the last pause.
    fn latest(&self, entries: &[&Entry], session: Option<i64>, now_ms: i64) -> Vec<LiveInteraction> {
        let is_of = |entry: &&&Entry| session.is_some() && entry.session == session;
        let mut found: Vec<&Entry> = entries.iter().filter(is_of).copied().collect();
        if found.is_empty() {
            let mut next_ms = now_ms;
            let is_near = |entry: &&&Entry| {
                let is_near = next_ms.saturating_sub(entry.interaction.time_ms) <= self.idle_ms;
                next_ms = entry.interaction.time_ms;
                is_near
            };
            found = entries.iter().rev().take_while(is_near).copied().collect();
            found.reverse();
        }
        let surplus = found.len().saturating_sub(MAX_LIVE_INTERACTIONS);
        found.into_iter().skip(surplus).map(|entry| entry.interaction.clone()).collect()
    }

    /// What stands under the id `shopper`, and what a sign-in joins with it; by time, equal times as they came.
    fn joined(&self, shopper: i64) -> Vec<&Entry> {
        let own = self.under(shopper);
        let signed_in = own.iter().rev().filter(|entry| entry.visitor == Some(shopper)).find_map(|entry| entry.user);
        let user = signed_in.or_else(|| self.first_user(shopper)).unwrap_or(shopper);
        let by_user = self.under(user);
        let devices = by_user.iter().filter(|entry| entry.user == Some(user)).filter_map(|entry| entry.visitor);
        // An anonymous entry is of the user who signed in first on its device.
        let known = self.held(user).map_or(&[][..], |held| &held.devices);
        let mut devices: BTreeSet<i64> = devices.chain(known.iter().copied()).collect();
        devices.retain(|device| self.first_user(*device) == Some(user));
        let before = devices.iter().flat_map(|device| self.under(*device)).filter(|entry| entry.user.is_none());
        let all = own.iter().chain(by_user).chain(before);
        let joined: BTreeMap<(i64, u64), &Entry> =
            all.map(|entry| ((entry.interaction.time_ms, entry.number), entry)).collect();
        joined.into_values().collect()
    }

    fn under(&self, shopper: i64) -> &[Entry] {
        self.held(shopper).map_or(&[], |held| &held.entries)
    }

    /// Who signed in first on the device of `visitor`.
    fn first_user(&self, visitor: i64) -> Option<i64> {
        Some(self.held(visitor)?.first?.user)
    }

    fn held(&self, shopper: i64) -> Option<&Shopper> {
        self.young.get(&shopper).or_else(|| self.old.get(&shopper))
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
        assert_eq!(products(&live.marks(1)), ["a", "b", "d", "shown", "c"]);
        assert!(live.of(1, None, 101 * MINUTE).is_empty() && live.of(3, None, 75 * MINUTE).is_empty());
        live.add(&event("e", EventKind::AddToCart, 1), &hashes(None, None, Some(9)));
        assert_eq!(products(&live.of(9, Some(9), 75 * MINUTE)), ["e", "d"]);
    }

    #[test]
    fn a_sign_in_joins_what_visitor_and_user_do_but_not_another_user_of_the_device() {
        let mut live = LiveSessions::new(100, 30 * MINUTE);
        let (phone, laptop, anna, ben) = (1, 2, 11, 12);
        let told = [
            ("a", phone, None),
            ("b", phone, Some(anna)),
            ("c", phone, None),
            ("d", laptop, Some(anna)),
            ("e", laptop, None),
            ("f", laptop, Some(ben)),
        ];
        for (minute, (product, visitor, user)) in (1..).zip(told) {
            live.add(&event(product, EventKind::ViewItem, minute * MINUTE), &hashes(Some(visitor), user, None));
        }
        let now = 10 * MINUTE;
        assert_eq!(products(&live.of(phone, None, now)), ["a", "b", "c", "d", "e"]);
        assert_eq!(products(&live.of(anna, None, now)), ["a", "b", "c", "d", "e"]);
        assert_eq!(products(&live.of(ben, None, now)), ["f"]);
        // The device shows what was done on it, whoever did, as it did before anyone signed in.
        assert_eq!(products(&live.of(laptop, None, now)), ["d", "e", "f"]);
    }

    #[test]
    fn a_session_that_names_its_shopper_answers_for_no_other() {
        let mut live = LiveSessions::new(100, 30 * MINUTE);
        let (ann, ben, anna, session) = (1, 2, 11, 9);
        for (minute, (product, visitor, user)) in
            (1..).zip([("a", Some(ann), None), ("b", Some(ann), Some(anna)), ("c", None, None), ("d", Some(ben), None)])
        {
            live.add(&event(product, EventKind::ViewItem, minute * MINUTE), &hashes(visitor, user, Some(session)));
        }
        let of = |askers: &[i64]| {
            let found = live.under_session(session, askers, 10 * MINUTE);
            products(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(of(&[]), ["a", "b", "c", "d"]);
        assert_eq!(
            (of(&[ann]), of(&[anna]), of(&[ben])),
            (vec!["a".into(), "b".into(), "c".into()], vec!["b".into(), "c".into()], vec!["c".into(), "d".into()])
        );
        assert_eq!(of(&[77]), ["c"]);
    }

    #[test]
    fn a_sign_in_is_known_when_more_was_done_since_than_is_held() {
        let mut live = LiveSessions::new(100, 30 * MINUTE);
        live.add(&event("a", EventKind::ViewItem, 0), &hashes(Some(1), Some(11), None));
        for _ in 0..2 * MAX_LIVE_INTERACTIONS {
            live.add(&event("b", EventKind::ViewItem, 1), &hashes(Some(1), None, None));
        }
        live.sign_in(1, SignIn { time_ms: 5, user: 12 });
        assert_eq!((live.of(11, None, 2).len(), live.of(12, None, 2).len()), (MAX_LIVE_INTERACTIONS, 0));
    }

    #[test]
    fn a_large_event_takes_no_more_memory_than_what_is_held_of_it() {
        let mut live = LiveSessions::new(10, 30 * MINUTE);
        let items = (0..1000).map(|number| Item {
            product: ProductId::new(number.to_string()).unwrap(),
            quantity: 1,
            price: None,
        });
        let large = Event { items: items.collect(), ..Event::new(EventKind::Purchase, 5) };
        for _ in 0..3 {
            live.add(&large, &hashes(Some(1), Some(2), Some(3)));
            live.add(&event("small", EventKind::ViewItem, 6), &hashes(Some(1), Some(2), Some(3)));
        }
        for shopper in [1, 2, 3] {
            assert_eq!(live.held(shopper).unwrap().entries.capacity(), MAX_LIVE_INTERACTIONS);
            let found = live.of(shopper, None, 6);
            let last: Vec<String> = (904..1000).map(|number: i32| number.to_string()).collect();
            assert_eq!(products(&found)[1..97], last.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(products(&found)[97..], ["small"; 3]);
        }
        for time_ms in 0..3 {
            live.add(&event("a", EventKind::ViewItem, time_ms), &hashes(Some(7), None, None));
            let entries = &live.held(7).unwrap().entries;
            assert!(entries.capacity() <= 2 * entries.len(), "{} for {}", entries.capacity(), entries.len());
        }
        // What is older than all that is held is not held.
        live.add(&event("old", EventKind::ViewItem, 0), &hashes(Some(1), None, None));
        assert!(!products(&live.of(1, None, 6)).contains(&"old"));
    }

    #[test]
    fn long_lists_do_not_push_out_what_was_bought() {
        let mut live = LiveSessions::new(10, 30 * MINUTE);
        live.add(&event("bought", EventKind::Purchase, 0), &hashes(Some(1), None, None));
        for time_ms in 1..=3 * MAX_MARKS as i64 {
            live.add(&event("shown", EventKind::ViewItemList, time_ms), &hashes(Some(1), None, None));
        }
        let marks = live.marks(1);
        assert_eq!((products(&marks)[0], marks.len()), ("bought", 1 + MAX_MARKS));
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
