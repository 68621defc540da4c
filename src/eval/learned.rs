//! What Kindred learns from events, as rankers: the same learners, settings and blend that answers are made with.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;

use super::question::{Question, Ranker, Scores};
use super::task::Task;
use super::texts::{ProductTexts, dot};
use crate::behavior::{
    BehaviorConfig, Knowledge, Learned, Related, RelatedRows, SemanticConfig, SessionIndex, SessionScratch,
    SessionVectors, Step, Tally, next_products, pooled, semantic_votes, session_votes, sum_rows,
};
use crate::index::{Lexicon, WordQuery};
use crate::rank::{RowId, ScoredRow, keep_best};
use crate::recommend::{
    Intent, RecommendConfig, RecommendError, RowStep, SessionQuestion, Shop, answer_session, in_cart,
};

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
pub struct TableRanker<'a> {
    name: &'static str,
    table: RelatedRows<'a>,
    of: RowsOf,
}

impl<'a> TableRanker<'a> {
    /// Ranks by the rows of `table`.
    pub fn new(name: &'static str, table: RelatedRows<'a>, of: RowsOf) -> Self {
        Self { name, table, of }
    }
}

impl Ranker for TableRanker<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let asked = match self.of {
            RowsOf::Every => question.products,
            RowsOf::Last => &question.products[question.products.len().saturating_sub(1)..],
        };
        add_all(&sum_rows(self.table, asked, scores.num_products()), scores);
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
        let step = |(product, kind)| Step { product, weight: self.config.weights.of(kind) };
        let steps: Vec<Step> = question.steps().into_iter().map(step).filter(|step| step.weight > 0.0).collect();
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
    lexicon: Lexicon,
    config: &'a BehaviorConfig,
}

impl<'a> SemanticRanker<'a> {
    /// Ranks by the sessions of `index`, each the mean of its products' vectors in `texts`.
    pub fn new(index: &'a SessionIndex, texts: &'a ProductTexts, config: &'a BehaviorConfig) -> Self {
        let vector = |product: u32| Some(Cow::Borrowed(texts.vector(product)));
        let vectors = SessionVectors::new(index.view(), texts.dim(), config, vector);
        Self { index, vectors, texts, lexicon: Lexicon::new(texts.words()), config }
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

/// What is served: the intents' own blend, by the settings, from tables learned from the training side.
pub struct ServedRanker<'a> {
    name: &'static str,
    intent: Intent,
    learned: &'a Learned,
    semantic: Option<&'a SemanticRanker<'a>>,
    recommend: &'a RecommendConfig,
    behavior: &'a BehaviorConfig,
    /// Length of the lists.
    k: usize,
    /// Whether a list may hold what the session has seen.
    keeps_seen: bool,
    /// Whether who asks is known, and with it what was bought before.
    knows_shopper: bool,
}

impl<'a> ServedRanker<'a> {
    /// Ranks as `intent` is answered on the events of `task`, with the vectors of `semantic` where the products have texts.
    pub fn new(
        name: &'static str,
        intent: Intent,
        task: &Task,
        (learned, semantic): (&'a Learned, Option<&'a SemanticRanker<'a>>),
        (recommend, behavior): (&'a RecommendConfig, &'a BehaviorConfig),
    ) -> Self {
        let Task { k, keeps_seen, .. } = *task;
        Self { name, intent, learned, semantic, recommend, behavior, k, keeps_seen, knows_shopper: true }
    }

    /// The same for somebody of whom nothing is known.
    pub fn anonymous(self) -> Self {
        Self { knows_shopper: false, ..self }
    }
}

impl Ranker for ServedRanker<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let steps: Vec<RowStep> = question.steps().into_iter().map(|(product, kind)| (RowId(product), kind)).collect();
        let taken = in_cart(steps.iter().copied());
        let seen = steps.iter().map(|(row, _)| *row).filter(|_| !self.keeps_seen);
        let out: HashSet<RowId> = taken.iter().copied().chain(seen).collect();
        let shop =
            LearnedShop { learned: self.learned, semantic: self.semantic, num_products: scores.num_products(), out };
        let (intent, limit) = (self.intent, self.k);
        let known = if self.knows_shopper { question.bought } else { &[] };
        let bought: Vec<(RowId, u32)> =
            known.iter().map(|&(product, num_orders)| (RowId(product), num_orders)).collect();
        let (text, min_score) = (None, None);
        let asked = SessionQuestion { intent, steps: &steps, text, taken: &taken, bought: &bought, limit, min_score };
        // It searches nothing that could fail.
        let Ok(shelf) = answer_session(&shop, &asked, self.recommend, self.behavior) else { return };
        // By place, so that the list is the one that would be served.
        shelf.hits.iter().zip(1u32..).for_each(|(hit, place)| scores.add(hit.row.0, 1.0 / place as f32));
    }
}

/// The training side as a shop: every product may appear, and is a family of its own.
struct LearnedShop<'a> {
    learned: &'a Learned,
    semantic: Option<&'a SemanticRanker<'a>>,
    num_products: usize,
    out: HashSet<RowId>,
}

impl Shop for LearnedShop<'_> {
    fn knowledge(&self) -> Option<Knowledge<'_>> {
        Some(self.learned.knowledge(self.semantic.map(|semantic| &semantic.vectors)))
    }

    fn may_appear(&self, row: RowId) -> bool {
        row.index() < self.num_products && !self.out.contains(&row)
    }

    fn family(&self, row: RowId) -> Option<u32> {
        (row.index() < self.num_products).then_some(row.0)
    }

    fn vector(&self, row: RowId) -> Option<Cow<'_, [f32]>> {
        let vector = self.semantic?.texts.vector(row.0);
        // A product that the catalog lacks has zeros.
        vector.iter().any(|x| *x != 0.0).then_some(Cow::Borrowed(vector))
    }

    fn similar(&self, vector: &[f32], k: usize) -> Result<Vec<ScoredRow>, RecommendError> {
        let Some(semantic) = self.semantic else { return Ok(Vec::new()) };
        let vectors = semantic.texts.vectors().chunks_exact(semantic.texts.dim().max(1));
        let is_there = |row: RowId| self.may_appear(row) && self.vector(row).is_some();
        let rows = (0..).map(RowId).zip(vectors).filter(|(row, _)| is_there(*row));
        let mut nearest: Vec<ScoredRow> =
            rows.map(|(row, of_row)| ScoredRow { row, score: dot(vector, of_row) }).collect();
        keep_best(&mut nearest, k);
        Ok(nearest)
    }

    fn lexical(&self, rows: &[RowId], k: usize) -> Vec<ScoredRow> {
        let Some(semantic) = self.semantic else { return Vec::new() };
        let (words, mut query) = (semantic.lexicon.words(), WordQuery::new());
        rows.iter().for_each(|&row| words.add_row(row, &mut query));
        words.best(&query, k, |row| self.may_appear(row))
    }

    fn nearest_sessions(&self, vector: &[f32], k: usize) -> Result<Vec<ScoredRow>, RecommendError> {
        Ok(self.semantic.map_or(Vec::new(), |semantic| semantic.vectors.nearest(vector, k)))
    }
}
