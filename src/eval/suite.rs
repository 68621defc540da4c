//! Which methods a protocol compares: the baselines, what Kindred learns, and last, as the reference, what it would answer.

use super::baselines::{CoCount, Cosine, PairsOf, Popularity};
use super::bm25::Bm25;
use super::judge::{Settings, judge};
use super::learned::{BlendRanker, EvidenceBlend, Neighbors, RowsOf, SemanticRanker, SessionRanker, TableRanker};
use super::protocol::{Ladder, RUNGS, Rung};
use super::question::Ranker;
use super::report::Report;
use super::slices::evidence;
use super::task::Task;
use super::texts::ProductTexts;
use crate::behavior::{Baskets, BehaviorConfig, SessionIndex, Trails, copurchases, ease, views_after_view};

/// How much each source counts in the blend of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlendWeights {
    /// Session neighbors.
    pub session: f32,
    /// What follows the last product.
    pub next: f32,
    /// What is bought together, by EASE.
    pub ease: f32,
    /// What is bought together, by the shrunk cosine.
    pub copurchase: f32,
    /// The cosine of texts, among what needs no orders of the product.
    pub cosine: f32,
    /// Sessions that are about the same, among what needs no orders of the product.
    pub semantic: f32,
    /// Evidence at which behaviour and content weigh the same.
    pub kappa: f32,
    /// Least share of content, however much is known, 0 to 1.
    pub content_floor: f32,
}

impl Default for BlendWeights {
    fn default() -> Self {
        Self { session: 0.95, next: 0.05, ease: 1.0, copurchase: 0.0, cosine: 0.5, semantic: 0.5, kappa: 5.0, content_floor: 0.17 }
    }
}

/// The settings of everything that is learned.
#[derive(Debug, Clone, Copy)]
pub struct Learning<'a> {
    /// The learners' settings.
    pub behavior: &'a BehaviorConfig,
    /// The blend's.
    pub weights: BlendWeights,
}

/// Measures what comes next in a session: popularity, pair counts (AR), texts where there are any, transitions (SR), session neighbors, and
/// their blend.
pub fn judge_sessions(task: &Task, learning: Learning<'_>, settings: &Settings<'_>) -> Report {
    let Learning { behavior, weights } = learning;
    let popularity = Popularity::learn(&task.train);
    let pairs = CoCount::learn(&task.train, PairsOf::Last);
    let trails = Trails::of(&task.train, &behavior.weights);
    let index = SessionIndex::new(&trails, behavior.num_candidates());
    let next = TableRanker::new("next", views_after_view(&trails, behavior), RowsOf::Last);
    let vstan = SessionRanker::new(&index, behavior, Neighbors::Close);
    let session = SessionRanker::new(&index, behavior, Neighbors::Served);
    let blend = BlendRanker::new("blend", vec![(weights.session, &session), (weights.next, &next)]);
    let content = settings.texts.map(|texts| Content::new(texts, &index, behavior));
    let mut rankers: Vec<&dyn Ranker> = vec![&popularity, &pairs];
    if let Some(content) = &content {
        rankers.extend(content.rankers());
    }
    rankers.extend([&next as &dyn Ranker, &vstan, &session, &blend]);
    judge(task, &rankers, settings)
}

/// The tables of what is bought together, and their blend.
struct Together {
    copurchase: TableRanker,
    ease: TableRanker,
    weights: BlendWeights,
}

impl Together {
    fn learn(task: &Task, learning: Learning<'_>) -> Self {
        let baskets = Baskets::of(&task.train);
        let copurchase = TableRanker::new("copurchase", copurchases(&baskets, learning.behavior), RowsOf::Every);
        let ease = TableRanker::new("ease", ease(&baskets, learning.behavior), RowsOf::Every);
        Self { copurchase, ease, weights: learning.weights }
    }

    fn blend(&self, name: &'static str) -> BlendRanker<'_> {
        BlendRanker::new(name, vec![(self.weights.ease, &self.ease), (self.weights.copurchase, &self.copurchase)])
    }
}

/// What needs no event of the product that is asked about.
struct Content<'a> {
    cosine: Cosine<'a>,
    bm25: Bm25,
    semantic: SemanticRanker<'a>,
}

impl<'a> Content<'a> {
    fn new(texts: &'a ProductTexts, index: &'a SessionIndex, behavior: &'a BehaviorConfig) -> Self {
        let semantic = SemanticRanker::new(index, texts, behavior);
        Self { cosine: Cosine::new(texts), bm25: Bm25::new(texts), semantic }
    }

    fn rankers(&self) -> [&dyn Ranker; 3] {
        [&self.cosine, &self.bm25, &self.semantic]
    }
}

/// Measures what completes an order, or goes with a product: popularity, pair counts, what texts tell where there are any, co-purchase, EASE,
/// session neighbors, and the blend; with texts it gives them the more weight the less is known of the question.
pub fn judge_orders(task: &Task, learning: Learning<'_>, settings: &Settings<'_>) -> Report {
    let Learning { behavior, weights } = learning;
    let popularity = Popularity::learn(&task.train);
    let pairs = CoCount::learn(&task.train, PairsOf::Every);
    let together = Together::learn(task, learning);
    let index = SessionIndex::new(&Trails::of(&task.train, &behavior.weights), behavior.num_candidates());
    let vstan = SessionRanker::new(&index, behavior, Neighbors::Close);
    let counted: [&dyn Ranker; 3] = [&together.copurchase, &together.ease, &vstan];
    let Some(texts) = settings.texts else {
        let blend = together.blend("blend");
        let rankers = [&[&popularity as &dyn Ranker, &pairs], &counted[..], &[&blend]].concat();
        return judge(task, &rankers, settings);
    };
    let content = Content::new(texts, &index, behavior);
    let counts = together.blend("behavior");
    let parts: Vec<(f32, &dyn Ranker)> = vec![(weights.cosine, &content.cosine), (weights.semantic, &content.semantic)];
    let text = BlendRanker::new("content", parts);
    let blend = EvidenceBlend::new(&counts, &text, evidence(&task.train), weights.kappa, weights.content_floor);
    let shown = [&[&popularity as &dyn Ranker, &pairs], &content.rankers()[..], &counted, &[&text, &blend]];
    judge(task, &shown.concat(), settings)
}

/// Measures every rung of the ladder with [`judge_orders`]; `progress` is called after each with how many are done.
pub fn climb(ladder: &Ladder, learning: Learning<'_>, settings: &Settings<'_>) -> Vec<Rung> {
    let rung = |(number, orders): (usize, u32)| {
        let report = judge_orders(&ladder.task(orders), learning, &Settings { progress: &|_| {}, ..*settings });
        (settings.progress)(number + 1);
        Rung { orders, report }
    };
    RUNGS.into_iter().enumerate().map(rung).collect()
}
