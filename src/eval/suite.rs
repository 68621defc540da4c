//! Which methods a protocol compares: the baselines, what Kindred learns, and last, as the reference, what it would answer.

use super::baselines::{CoCount, Cosine, PairsOf, Popularity};
use super::bm25::Bm25;
use super::judge::{Settings, judge};
use super::learned::{
    BlendRanker, EvidenceBlend, Neighbors, RowsOf, SemanticRanker, SessionRanker, TableRanker, TogetherRanker,
};
use super::protocol::{Ladder, RUNGS, Rung};
use super::question::Ranker;
use super::report::Report;
use super::slices::evidence;
use super::task::Task;
use super::texts::ProductTexts;
use crate::behavior::{Baskets, BehaviorConfig, SessionIndex, Trails, copurchases, ease, views_after_view};
use crate::recommend::SourceWeights;

/// How what is bought together and what texts tell are mixed where evidence is thin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvidenceMix {
    /// What BM25 counts among what needs no orders of the product, 0 to 1; the cosine of texts counts the rest.
    pub lexical_share: f32,
    /// What sessions that are about the same count there, 0 to 1.
    pub semantic_share: f32,
    /// Evidence at which behaviour and content weigh the same.
    pub kappa: f32,
    /// Least share of content, however much is known, 0 to 1.
    pub content_floor: f32,
}

impl Default for EvidenceMix {
    fn default() -> Self {
        Self { lexical_share: 0.25, semantic_share: 0.5, kappa: 50.0, content_floor: 0.17 }
    }
}

/// The settings of everything that is learned.
#[derive(Debug, Clone, Copy)]
pub struct Learning<'a> {
    /// The learners' settings.
    pub behavior: &'a BehaviorConfig,
    /// What each source counts for what a session wants next.
    pub next: SourceWeights,
    /// The mix for orders.
    pub mix: EvidenceMix,
}

/// Measures what comes next in a session: popularity, pair counts (AR), texts where there are any, transitions (SR), session neighbors, and
/// their blend.
pub fn judge_sessions(task: &Task, learning: Learning<'_>, settings: &Settings<'_>) -> Report {
    let Learning { behavior, next: weights, .. } = learning;
    let popularity = Popularity::learn(&task.train);
    let pairs = CoCount::learn(&task.train, PairsOf::Last);
    let trails = Trails::of(&task.train, &behavior.weights);
    let index = SessionIndex::new(&trails, behavior.num_candidates());
    let next = TableRanker::new("next", views_after_view(&trails, behavior), RowsOf::Last);
    let vstan = SessionRanker::new(&index, behavior, Neighbors::Close);
    let session = SessionRanker::new(&index, behavior, Neighbors::Served);
    let content = settings.texts.map(|texts| Content::new(texts, &index, behavior));
    let mut parts: Vec<(f32, &dyn Ranker)> = vec![(weights.session, &session), (weights.next, &next)];
    if let Some(content) = &content {
        parts
            .extend([(weights.similar, &content.cosine as &dyn Ranker), (weights.session_semantic, &content.semantic)]);
    }
    let blend = BlendRanker::new("blend", parts);
    let mut rankers: Vec<&dyn Ranker> = vec![&popularity, &pairs];
    if let Some(content) = &content {
        rankers.extend(content.rankers());
    }
    rankers.extend([&next as &dyn Ranker, &vstan, &session, &blend]);
    judge(task, &rankers, settings)
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

    fn parts(&self, mix: EvidenceMix) -> Vec<(f32, &dyn Ranker)> {
        let cosine = (1.0 - mix.lexical_share - mix.semantic_share).max(0.0);
        vec![(cosine, &self.cosine), (mix.lexical_share, &self.bm25), (mix.semantic_share, &self.semantic)]
    }

    fn rankers(&self) -> [&dyn Ranker; 3] {
        [&self.cosine, &self.bm25, &self.semantic]
    }
}

/// Measures what completes an order, or goes with a product: popularity, pair counts, what texts tell where there are any, co-purchase, EASE,
/// session neighbors, and the blend; with texts it gives them the more weight the less is known of the question.
pub fn judge_orders(task: &Task, learning: Learning<'_>, settings: &Settings<'_>) -> Report {
    let Learning { behavior, mix, .. } = learning;
    let popularity = Popularity::learn(&task.train);
    let pairs = CoCount::learn(&task.train, PairsOf::Every);
    let baskets = Baskets::of(&task.train);
    let copurchase = TableRanker::new("copurchase", copurchases(&baskets, behavior), RowsOf::Every);
    let ease = TableRanker::new("ease", ease(&baskets, behavior), RowsOf::Every);
    let together = TogetherRanker::new(&ease, &copurchase);
    let index = SessionIndex::new(&Trails::of(&task.train, &behavior.weights), behavior.num_candidates());
    let vstan = SessionRanker::new(&index, behavior, Neighbors::Close);
    let counted: [&dyn Ranker; 6] = [&popularity, &pairs, &copurchase, &ease, &vstan, &together];
    let Some(texts) = settings.texts else { return judge(task, &counted, settings) };
    let content = Content::new(texts, &index, behavior);
    let text = BlendRanker::new("content", content.parts(mix));
    let blend = EvidenceBlend::new(&together, &text, evidence(&task.train), mix.kappa, mix.content_floor);
    judge(task, &[&counted[..], &content.rankers(), &[&text, &blend]].concat(), settings)
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
