//! A task: what may be learned from, what is asked, and what the shopper did next.

use crate::events::{EventKind, History, HistoryBuilder, Interaction};

/// One question with its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The session or basket that it comes from; the bootstrap draws whole groups.
    pub group: u32,
    /// What is known, oldest first: see [`Question::products`](super::Question::products).
    pub products: Vec<u32>,
    /// What was done: see [`Question::steps`](super::Question::steps).
    pub steps: Vec<(u32, EventKind)>,
    /// What the same shopper bought on the training side: see [`Question::bought`](super::Question::bought).
    pub bought: Vec<(u32, u32)>,
    /// When it is asked, in seconds since 1970.
    pub now_s: u32,
    /// What a list should hold; no product twice, never empty.
    pub targets: Vec<u32>,
}

/// Cases and the history before them. Every product of `train`, sold or not, can be ranked.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The protocol's name.
    pub protocol: &'static str,
    /// Everything that rankers may learn from. Its products are in the order of their ids, so that a tie between numbers is one between ids.
    pub train: History,
    /// The cases, those of a group together.
    pub cases: Vec<Case>,
    /// Length of the lists that are measured.
    pub k: usize,
    /// Whether a list may hold what the question holds, but for what is in the cart: no list holds that.
    pub keeps_seen: bool,
}

impl Task {
    /// How many groups the cases come from: one more than the highest group.
    pub fn num_groups(&self) -> usize {
        self.cases.iter().map(|case| case.group as usize + 1).max().unwrap_or(0)
    }
}

/// The part of a history that is learned from, and the part that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// What happened at this time or later, in seconds since 1970, is not learned from.
    pub cut_s: u32,
    /// What happened at this time or later is not used at all.
    pub until_s: u32,
}

impl Split {
    /// Whether `time_s` is learned from.
    pub fn is_train(&self, time_s: u32) -> bool {
        time_s < self.cut_s
    }

    /// Whether `time_s` is asked about.
    pub fn is_test(&self, time_s: u32) -> bool {
        self.cut_s <= time_s && time_s < self.until_s
    }

    /// The part of `history` that is learned from, with all of its products.
    pub fn train(&self, history: &History) -> History {
        history.filtered(|interaction| self.is_train(interaction.time_s))
    }
}

/// Share of sessions or orders, oldest first, that a test learns from.
const TRAIN_SHARE: f64 = 0.8;

/// Which part of a history is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The last fifth. For figures to report: look at it once.
    Test,
    /// The last fifth of what comes before the test window. For choosing settings.
    Validation,
}

impl Window {
    /// The split by which `times_s` (one time a session or order, in any order) fall into this window; `None` for fewer than five.
    pub fn split(self, times_s: &[u32]) -> Option<Split> {
        let mut times_s = times_s.to_vec();
        times_s.sort_unstable();
        let cut = |times_s: &[u32]| times_s.get((times_s.len() as f64 * TRAIN_SHARE) as usize).copied();
        let test = cut(&times_s).filter(|_| times_s.len() >= 5)?;
        match self {
            Self::Test => Some(Split { cut_s: test, until_s: u32::MAX }),
            Self::Validation => {
                let before = times_s.partition_point(|time_s| *time_s < test);
                Some(Split { cut_s: cut(&times_s[..before])?, until_s: test })
            }
        }
    }
}

/// The same history with products numbered in the order of their ids, those of `more_products` among them.
pub fn by_id<'a>(history: &'a History, more_products: impl IntoIterator<Item = &'a str>) -> History {
    let mut ids: Vec<&str> = history.products().iter().map(String::as_str).chain(more_products).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut builder = HistoryBuilder::default();
    ids.iter().for_each(|id| {
        builder.product(id);
    });
    let numbers: Vec<u32> = history.products().iter().map(|id| builder.product(id)).collect();
    for (number, session) in history.sessions().enumerate() {
        for &interaction in session.interactions {
            let product = numbers[interaction.product as usize];
            builder.push(number as u64, session.visitor, Interaction { product, ..interaction });
        }
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_the_last_fifth_and_the_last_fifth_of_what_comes_before() {
        let times: Vec<u32> = (0..100).rev().collect();
        let test = Window::Test.split(&times).unwrap();
        let validation = Window::Validation.split(&times).unwrap();
        assert_eq!((test.cut_s, test.until_s), (80, u32::MAX));
        assert_eq!((validation.cut_s, validation.until_s), (64, 80));
        assert!(Window::Test.split(&times[..4]).is_none());
        for time in 0..100 {
            assert!(!(test.is_train(time) && test.is_test(time)));
            assert!(!validation.is_test(time) || test.is_train(time));
        }
    }
}
