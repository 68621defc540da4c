//! What Kindred learns from events, as rankers: the same learners, settings and blend that answers are made with.

use std::cell::RefCell;

use super::question::{Question, Ranker, Scores};
use crate::behavior::{
    BehaviorConfig, Related, RelatedTable, SessionIndex, SessionScratch, Step, Trails, blend, next_products,
    session_votes, sum_rows,
};

/// Products taken from each source: what a blend can still bring to the top.
const POOL: usize = 200;

/// Gives the scores of `entries` to `scores`.
fn add_all(entries: &[Related], scores: &mut Scores) {
    entries.iter().for_each(|entry| scores.add(entry.product, entry.score));
}

/// Which products of the question a table is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsOf {
    /// All; their rows are added.
    Every,
    /// The last one.
    Last,
}

/// A table of related products: orders with both, EASE, transitions.
pub struct TableRanker {
    name: &'static str,
    table: RelatedTable,
    of: RowsOf,
}

impl TableRanker {
    /// Ranks by the rows of `table`.
    pub fn new(name: &'static str, table: RelatedTable, of: RowsOf) -> Self {
        Self { name, table, of }
    }
}

impl Ranker for TableRanker {
    fn name(&self) -> &str {
        self.name
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let asked = match self.of {
            RowsOf::Every => question.products,
            RowsOf::Last => &question.products[question.products.len().saturating_sub(1)..],
        };
        add_all(&sum_rows(self.table.rows(), asked, scores.num_products()), scores);
    }
}

/// Which neighbors vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbors {
    /// Those that look closely: VSTAN.
    Close,
    /// Those and the wide ones, as answers are made.
    Served,
}

/// Past sessions like the one that is asked about.
pub struct SessionRanker<'a> {
    index: &'a SessionIndex,
    config: &'a BehaviorConfig,
    neighbors: Neighbors,
}

impl<'a> SessionRanker<'a> {
    /// Ranks by the votes of the sessions in `index`.
    pub fn new(index: &'a SessionIndex, config: &'a BehaviorConfig, neighbors: Neighbors) -> Self {
        Self { index, config, neighbors }
    }
}

/// The index of `trails` with lists long enough for both kinds of neighbors.
pub fn session_index(trails: &Trails, config: &BehaviorConfig) -> SessionIndex {
    let num_candidates = config.session.num_candidates.max(config.session_wide.num_candidates);
    SessionIndex::new(trails, &crate::behavior::SessionConfig { num_candidates, ..config.session })
}

thread_local! {
    /// Room that the questions of a thread reuse.
    static SCRATCH: RefCell<SessionScratch> = RefCell::default();
}

impl Ranker for SessionRanker<'_> {
    fn name(&self) -> &str {
        match self.neighbors {
            Neighbors::Close => "vstan",
            Neighbors::Served => "session",
        }
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let steps: Vec<Step> = question.products.iter().map(|&product| Step { product, weight: 1.0 }).collect();
        let (sessions, limit) = (self.index.view(), scores.num_products());
        let votes = SCRATCH.with_borrow_mut(|scratch| match self.neighbors {
            Neighbors::Close => next_products(sessions, &steps, question.now_s, &self.config.session, limit, scratch),
            Neighbors::Served => session_votes(sessions, &steps, question.now_s, self.config, limit, scratch),
        });
        add_all(&votes, scores);
    }
}

/// Several rankers as one, by the blend of answers: each scaled to its best, weighted, added.
pub struct BlendRanker<'a> {
    name: &'static str,
    parts: Vec<(f32, &'a dyn Ranker)>,
}

impl<'a> BlendRanker<'a> {
    /// Ranks by `parts`, each with its weight, 0 or more.
    pub fn new(name: &'static str, parts: Vec<(f32, &'a dyn Ranker)>) -> Self {
        Self { name, parts }
    }
}

/// The best products of `ranker` for the question, none of which the question holds unless `keeps_seen`.
fn pool(ranker: &dyn Ranker, question: &Question<'_>, num_products: usize) -> Vec<Related> {
    let mut scores = Scores::new(num_products);
    ranker.score(question, &mut scores);
    let mut entries: Vec<Related> =
        scores.iter().map(|(product, score)| Related { product, score, evidence: 0 }).collect();
    crate::behavior::keep_best(&mut entries, POOL + question.products.len());
    entries
}

impl Ranker for BlendRanker<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let of_part = |(weight, ranker): &(f32, &dyn Ranker)| (*weight, pool(*ranker, question, scores.num_products()));
        let pools: Vec<(f32, Vec<Related>)> = self.parts.iter().map(of_part).collect();
        let sources: Vec<(f32, &[Related])> = pools.iter().map(|(weight, entries)| (*weight, &entries[..])).collect();
        blend(&sources).iter().for_each(|entry| scores.add(entry.product, entry.score));
    }
}

/// What is known of the question decides the mix: with `n` the mean evidence of its products, behaviour weighs `n / (n + kappa)` and text
/// the rest, each scaled to its best. So a product without orders is ranked by its text and one with many by its orders, with no jump.
pub struct EvidenceBlend<'a> {
    behavior: &'a dyn Ranker,
    text: &'a dyn Ranker,
    evidence: Vec<u32>,
    mix: EvidenceMix,
}

/// How evidence decides a mix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvidenceMix {
    /// Evidence at which behaviour and text weigh the same.
    pub kappa: f32,
    /// How fast a text's part falls below the best: `exp((score - best) / tau)`.
    pub tau: f32,
}

impl Default for EvidenceMix {
    fn default() -> Self {
        Self { kappa: 5.0, tau: 0.1 }
    }
}

impl<'a> EvidenceBlend<'a> {
    /// Mixes `behavior` and `text`; `evidence` is [`evidence`](super::evidence) of the training side.
    pub fn new(behavior: &'a dyn Ranker, text: &'a dyn Ranker, evidence: Vec<u32>, mix: EvidenceMix) -> Self {
        Self { behavior, text, evidence, mix }
    }
}

impl Ranker for EvidenceBlend<'_> {
    fn name(&self) -> &str {
        "blend"
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let known: u32 = question.products.iter().map(|product| self.evidence[*product as usize]).sum();
        let n = known as f32 / question.products.len().max(1) as f32;
        let share = n / (n + self.mix.kappa);
        let behavior = pool(self.behavior, question, scores.num_products());
        let mut text = pool(self.text, question, scores.num_products());
        let best = text.iter().map(|entry| entry.score).fold(f32::NEG_INFINITY, f32::max);
        text.iter_mut().for_each(|entry| entry.score = ((entry.score - best) / self.mix.tau).exp());
        let mixed = blend(&[(share, &behavior), (1.0 - share, &text)]);
        mixed.iter().for_each(|entry| scores.add(entry.product, entry.score));
    }
}
