//! Which methods a protocol compares: the baselines, what Kindred learns, and last, as the reference, what it would answer.

use super::baselines::{CoCount, Cosine, PairsOf, Popularity};
use super::bm25::Bm25;
use super::judge::{Settings, judge};
use super::learned::{
    BlendRanker, EvidenceBlend, EvidenceMix, Neighbors, RowsOf, SessionRanker, TableRanker, session_index,
};
use super::protocol::{Ladder, RUNGS, Rung};
use super::question::Ranker;
use super::report::Report;
use super::slices::evidence;
use super::task::Task;
use crate::behavior::{BehaviorConfig, Baskets, Trails, copurchases, ease, views_after_view};

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
    /// How text and behaviour are mixed where evidence is thin.
    pub mix: EvidenceMix,
}

impl Default for BlendWeights {
    fn default() -> Self {
        Self { session: 0.95, next: 0.05, ease: 0.7, copurchase: 0.3, mix: EvidenceMix::default() }
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
    let index = session_index(&trails, behavior);
    let next = TableRanker::new("next", views_after_view(&trails, behavior), RowsOf::Last);
    let vstan = SessionRanker::new(&index, behavior, Neighbors::Close);
    let session = SessionRanker::new(&index, behavior, Neighbors::Served);
    let blend = BlendRanker::new("blend", vec![(weights.session, &session), (weights.next, &next)]);
    let text = settings.texts.map(|texts| (Cosine::new(texts), Bm25::new(texts)));
    let mut rankers: Vec<&dyn Ranker> = vec![&popularity, &pairs];
    if let Some((cosine, bm25)) = &text {
        rankers.extend([cosine as &dyn Ranker, bm25]);
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

/// Measures what completes an order, or goes with a product: popularity, pair counts, texts where there are any, co-purchase, EASE, and
/// their blend; with texts the blend gives them the more weight the less is known of the question.
pub fn judge_orders(task: &Task, learning: Learning<'_>, settings: &Settings<'_>) -> Report {
    let popularity = Popularity::learn(&task.train);
    let pairs = CoCount::learn(&task.train, PairsOf::Every);
    let together = Together::learn(task, learning);
    let Some(texts) = settings.texts else {
        let blend = together.blend("blend");
        return judge(task, &[&popularity, &pairs, &together.copurchase, &together.ease, &blend], settings);
    };
    let (cosine, bm25) = (Cosine::new(texts), Bm25::new(texts));
    let behavior = together.blend("behavior");
    let blend = EvidenceBlend::new(&behavior, &cosine, evidence(&task.train), learning.weights.mix);
    let rankers: [&dyn Ranker; 8] =
        [&popularity, &pairs, &cosine, &bm25, &together.copurchase, &together.ease, &behavior, &blend];
    judge(task, &rankers, settings)
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
