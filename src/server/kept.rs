//! Questions that were answered lately, held in memory so that their answers can be explained: for a time, and in bounded room.
//!
//! A kept question is asked again when its trace is wanted, so an answer that nobody asks after costs one entry here. It holds the
//! products of the session and no id of a shopper; whoever is erased takes all questions of the catalog along.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::live::View;
use crate::recommend::{Answer, Query};

/// Bytes of an entry beside its texts.
const ENTRY_BYTES: usize = 1024;
/// Bytes of a text, or of a condition of a filter, beside its letters.
const TEXT_BYTES: usize = 48;

/// A question and what was answered.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) catalog: String,
    pub(super) query: Arc<Query>,
    /// The products of the answer, in their order.
    pub(super) shown: Vec<String>,
    /// What answered: the generation, its last live change, the version of the rules.
    pub(super) generation: String,
    pub(super) live_seq: u64,
    pub(super) rules_version: u64,
    pub(super) asked_at: Timestamp,
}

impl Kept {
    /// `query` as it was answered on `view`.
    pub(super) fn of(catalog: &str, query: Arc<Query>, (view, answer): (&View, &Answer)) -> Self {
        let id = |hit: &crate::recommend::Hit| view.id(hit.row).unwrap_or_default().to_owned();
        Self {
            catalog: catalog.to_owned(),
            query,
            shown: answer.hits.iter().map(id).collect(),
            generation: view.generation().name().to_owned(),
            live_seq: view.seq(),
            rules_version: answer.rules_version,
            asked_at: Timestamp::now(),
        }
    }

    /// About the bytes that it takes.
    fn bytes(&self) -> usize {
        let Query { anchors, session, bought, purchases, exclude, cart, shopper, goal, filter, text, .. } =
            &*self.query;
        let texts = anchors.iter().chain(exclude).chain(cart).chain(&self.shown).chain(&shopper.segments).chain(goal);
        let texts = texts.map(String::len).chain(session.iter().map(|event| event.id.len()));
        let texts = texts.chain(bought.iter().map(|bought| bought.product.len()));
        let texts = texts.chain(purchases.iter().map(|bought| bought.product.len()));
        let texts = texts.chain(shopper.marks.iter().map(|mark| mark.product.len()));
        let conditions = filter.conditions().map(|_| 4 * TEXT_BYTES).sum::<usize>();
        let text = text.as_ref().map_or(0, String::len);
        ENTRY_BYTES + conditions + text + texts.map(|bytes| bytes + TEXT_BYTES).sum::<usize>()
    }
}

/// The kept questions by the id of their answer.
pub(super) struct KeptQuestions {
    keep: Duration,
    max_bytes: usize,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    by_id: HashMap<Arc<str>, (Instant, Arc<Kept>)>,
    /// The oldest first, with their bytes.
    order: VecDeque<(Arc<str>, usize)>,
    bytes: usize,
}

impl Entries {
    fn drop_oldest(&mut self) {
        if let Some((id, bytes)) = self.order.pop_front() {
            self.by_id.remove(&id);
            self.bytes -= bytes;
        }
    }
}

impl KeptQuestions {
    /// Keeps each question for `keep` at most, and all of them in `max_bytes`.
    pub(super) fn new(keep: Duration, max_bytes: usize) -> Self {
        Self { keep, max_bytes, entries: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Entries are put in and taken out whole; after a panic between, some of the room is counted as taken.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the question whose answer is `id`, and drops what is too old or too much.
    pub(super) fn keep(&self, id: &str, kept: Kept) {
        let bytes = kept.bytes();
        if self.keep.is_zero() || bytes > self.max_bytes {
            return;
        }
        let (id, now): (Arc<str>, Instant) = (id.into(), Instant::now());
        let mut entries = self.lock();
        while entries.bytes + bytes > self.max_bytes || self.is_oldest_old(&entries, now) {
            entries.drop_oldest();
        }
        entries.bytes += bytes;
        entries.order.push_back((id.clone(), bytes));
        entries.by_id.insert(id, (now, Arc::new(kept)));
    }

    fn is_oldest_old(&self, entries: &Entries, now: Instant) -> bool {
        let oldest = entries.order.front().and_then(|(id, _)| entries.by_id.get(id));
        oldest.is_some_and(|(kept_at, _)| now.duration_since(*kept_at) >= self.keep)
    }

    /// The question of `catalog` whose answer was `id`, unless it is too old.
    pub(super) fn find(&self, catalog: &str, id: &str) -> Option<Arc<Kept>> {
        let entries = self.lock();
        let (kept_at, kept) = entries.by_id.get(id)?;
        (kept_at.elapsed() < self.keep && kept.catalog == catalog).then(|| kept.clone())
    }

    /// Drops every question of `catalog`.
    pub(super) fn forget(&self, catalog: &str) {
        let mut entries = self.lock();
        entries.by_id.retain(|_, (_, kept)| kept.catalog != catalog);
        let Entries { by_id, order, bytes } = &mut *entries;
        order.retain(|(id, _)| by_id.contains_key(id));
        *bytes = order.iter().map(|(_, bytes)| bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(catalog: &str, text: &str) -> Kept {
        Kept {
            catalog: catalog.to_owned(),
            query: Arc::new(Query { text: Some(text.to_owned()), ..Query::default() }),
            shown: Vec::new(),
            generation: String::new(),
            live_seq: 0,
            rules_version: 0,
            asked_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room_and_all_in_their_time() {
        let questions = KeptQuestions::new(Duration::from_secs(600), 3 * (ENTRY_BYTES + 100));
        (0..50).for_each(|i| questions.keep(&i.to_string(), kept("shop", &"x".repeat(100))));
        let left: Vec<usize> = (0..50).filter(|i| questions.find("shop", &i.to_string()).is_some()).collect();
        assert_eq!(left, [47, 48, 49]);
        assert!(questions.find("other", "49").is_none());
        // What alone is too much is not kept, and pushes nothing out.
        questions.keep("huge", kept("shop", &"x".repeat(100_000)));
        assert!(questions.find("shop", "huge").is_none() && questions.find("shop", "47").is_some());
        let brief = KeptQuestions::new(Duration::from_millis(1), 1 << 20);
        brief.keep("a", kept("shop", ""));
        std::thread::sleep(Duration::from_millis(5));
        assert!(brief.find("shop", "a").is_none());
        brief.keep("b", kept("shop", ""));
        let entries = brief.lock();
        assert_eq!((entries.order.len(), entries.by_id.len()), (1, 1));
        let none = KeptQuestions::new(Duration::ZERO, 1 << 20);
        none.keep("a", kept("shop", ""));
        assert!(none.find("shop", "a").is_none());
    }

    #[test]
    fn a_catalog_is_forgotten_whole_and_alone() {
        let questions = KeptQuestions::new(Duration::from_secs(600), 1 << 20);
        ["shop", "other", "shop"].iter().zip(0..).for_each(|(of, i)| questions.keep(&i.to_string(), kept(of, "")));
        questions.forget("shop");
        assert!(questions.find("shop", "0").is_none() && questions.find("shop", "2").is_none());
        assert!(questions.find("other", "1").is_some());
        assert_eq!(questions.lock().bytes, kept("other", "").bytes());
    }
}
