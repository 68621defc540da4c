//! Sessions as trails: the products of a session in the order in which they were met.

use super::baskets::Postings;
use super::lines::OrderLines;
use super::settings::{EventWeights, decay};
use crate::events::{EventKind, History, Interaction};

/// The steps of all sessions, the session that ended first first. A step is an event that counts more than nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Trails {
    num_products: usize,
    /// Behind the last step of each session; a session without steps is not here.
    pub(super) ends: Vec<u64>,
    pub(super) products: Vec<u32>,
    /// [`EventKind::number`] of each step.
    pub(super) kinds: Vec<u8>,
    /// When each session ended.
    pub(super) last_s: Vec<u32>,
    /// The "now" of all fading, or the end of the last session if that came before.
    pub(super) now_s: u32,
}

impl Trails {
    /// The trails of `history`. A purchase of which nothing was kept is no step. Memory is 5 bytes a step and 12 a session.
    pub fn of(history: &History, weights: &EventWeights) -> Self {
        let (num_products, lines) = (history.products().len(), OrderLines::where_refunded(history));
        let (mut trails, mut last_s) = (Self::empty(num_products), Vec::new());
        for (number, session) in history.sessions().enumerate() {
            let start = trails.products.len();
            let counts = |step: &&Interaction| weights.of(step.kind) > 0.0 && !lines.is_undone(number, step);
            for step in session.interactions.iter().filter(counts) {
                trails.products.push(step.product);
                trails.kinds.push(step.kind.number());
            }
            if trails.products.len() > start {
                trails.ends.push(trails.products.len() as u64);
                last_s.push(session.last_s());
            }
        }
        let now_s = history.now_s().min(last_s.last().copied().unwrap_or(0));
        Self { last_s, now_s, ..trails }
    }

    /// The trails of sessions of views, each with the time of its end in seconds, oldest first; products out of range are left out.
    pub fn of_views(num_products: usize, sessions: impl IntoIterator<Item = (u32, Vec<u32>)>) -> Self {
        let mut trails = Self::empty(num_products);
        for (last_s, products) in sessions {
            trails.products.extend(products.into_iter().filter(|&product| (product as usize) < num_products));
            trails.kinds.resize(trails.products.len(), EventKind::ViewItem.number());
            if trails.products.len() as u64 > trails.ends.last().copied().unwrap_or(0) {
                trails.ends.push(trails.products.len() as u64);
                trails.last_s.push(last_s);
                trails.now_s = last_s.max(trails.now_s);
            }
        }
        trails
    }

    fn empty(num_products: usize) -> Self {
        Self { num_products, ends: Vec::new(), products: Vec::new(), kinds: Vec::new(), last_s: Vec::new(), now_s: 0 }
    }

    /// How many products there are; numbers lie below.
    pub fn num_products(&self) -> usize {
        self.num_products
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Where the steps of session `number` are.
    pub(super) fn steps(&self, number: usize) -> std::ops::Range<usize> {
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        start..self.ends[number] as usize
    }

    /// The weight of each session: halved by every `half_life_days` before the "now" of its history.
    pub(super) fn weights(&self, half_life_days: f32) -> Vec<f32> {
        self.last_s.iter().map(|&end_s| decay(self.now_s.saturating_sub(end_s), half_life_days)).collect()
    }

    /// For each product the steps at which it was met, and for each step its session.
    pub(super) fn occurrences(&self) -> (Postings, Vec<u32>) {
        let steps = self.products.iter().enumerate().map(|(step, &product)| (product, step as u32));
        let mut sessions = Vec::with_capacity(self.products.len());
        for number in 0..self.len() {
            sessions.resize(self.ends[number] as usize, number as u32);
        }
        (Postings::new(self.num_products, steps), sessions)
    }

    pub(super) fn is_purchase(&self, step: usize) -> bool {
        self.kinds[step] == EventKind::Purchase.number()
    }
}
