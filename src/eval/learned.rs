//! What Kindred learns from events, as rankers: the same learners, settings and blend that answers are made with.

use std::borrow::Cow;
use std::cell::RefCell;

use super::question::{Question, Ranker, Scores};
use super::texts::ProductTexts;
use crate::behavior::{
    BehaviorConfig, Related, RelatedTable, SemanticConfig, SessionIndex, SessionScratch, SessionVectors, Step, Tally,
    blend, bought_together, next_products, pooled, semantic_votes, session_votes, sum_rows,
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

/// What is bought together as answers have it: by EASE where there is a row, by the shrunk cosine elsewhere.
pub struct TogetherRanker<'a> {
    ease: &'a TableRanker,
    cosine: &'a TableRanker,
}

impl<'a> TogetherRanker<'a> {
    /// Ranks by the rows of both tables.
    pub fn new(ease: &'a TableRanker, cosine: &'a TableRanker) -> Self {
        Self { ease, cosine }
    }
}

impl Ranker for TogetherRanker<'_> {
    fn name(&self) -> &str {
        "behavior"
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let (ease, cosine) = (self.ease.table.rows(), self.cosine.table.rows());
        let entries = bought_together(ease, cosine, question.products, scores.num_products());
        entries.iter().for_each(|entry| scores.add(entry.product, entry.score));
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

/// Past sessions that are about the same, whatever products they hold, by an exact search.
pub struct SemanticRanker<'a> {
    index: &'a SessionIndex,
    vectors: SessionVectors,
    texts: &'a ProductTexts,
    config: &'a BehaviorConfig,
}

impl<'a> SemanticRanker<'a> {
    /// Ranks by the sessions of `index`, each the mean of its products' vectors in `texts`.
    pub fn new(index: &'a SessionIndex, texts: &'a ProductTexts, config: &'a BehaviorConfig) -> Self {
        let vector = |product: u32| Some(Cow::Borrowed(texts.vector(product)));
        let vectors = SessionVectors::new(index.view(), texts.dim(), config, vector);
        Self { index, vectors, texts, config }
    }
}

impl Ranker for SemanticRanker<'_> {
    fn name(&self) -> &str {
        "session_semantic"
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let steps = question.products.iter().map(|&product| (Cow::Borrowed(self.texts.vector(product)), 1.0));
        let SemanticConfig { fade, num_neighbors, .. } = self.config.semantic;
        let Some(query) = pooled(steps, fade, self.texts.dim()) else { return };
        let nearest = self.vectors.nearest(&query, num_neighbors);
        let (sessions, of_rows, limit) = (self.index.view(), &self.vectors.sessions, scores.num_products());
        let votes = semantic_votes(sessions, of_rows, &nearest, self.config, limit, &mut Tally::new(limit));
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

/// What is known of the question decides the mix: with `n` the mean evidence of its products, content weighs `kappa / (n + kappa)`, but never
/// less than its floor, and behaviour the rest, each scaled to its best. So a product without orders is ranked by its text and one with many by its orders, with no jump.
pub struct EvidenceBlend<'a> {
    behavior: &'a dyn Ranker,
    content: &'a dyn Ranker,
    evidence: Vec<u32>,
    kappa: f32,
    floor: f32,
}

impl<'a> EvidenceBlend<'a> {
    /// Mixes `behavior` and `content`; `evidence` is [`evidence`](super::evidence) of the training side, `kappa` the evidence at which both weigh
    /// the same, `floor` the least share of content, 0 to 1.
    pub fn new(behavior: &'a dyn Ranker, content: &'a dyn Ranker, evidence: Vec<u32>, kappa: f32, floor: f32) -> Self {
        Self { behavior, content, evidence, kappa, floor }
    }
}

impl Ranker for EvidenceBlend<'_> {
    fn name(&self) -> &str {
        "blend"
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let known: u32 = question.products.iter().map(|product| self.evidence[*product as usize]).sum();
        let n = known as f32 / question.products.len().max(1) as f32;
        let of_content = (self.kappa / (n + self.kappa)).max(self.floor);
        let behavior = pool(self.behavior, question, scores.num_products());
        let content = pool(self.content, question, scores.num_products());
        let mixed = blend(&[(1.0 - of_content, &behavior), (of_content, &content)]);
        mixed.iter().for_each(|entry| scores.add(entry.product, entry.score));
    }
}
