//! Which methods a protocol compares: the baselines, what Kindred learns, and last, as the reference, what it would answer.

use super::baselines::{CoCount, Cosine, PairsOf, Popularity};
use super::bm25::Bm25;
use super::error::EvalError;
use super::judge::{Settings, judge};
use super::learned::{Neighbors, RowsOf, SemanticRanker, ServedRanker, SessionRanker, TableRanker};
use super::protocol::{Ladder, RUNGS, Rung};
use super::question::Ranker;
use super::report::Report;
use super::task::Task;
use super::texts::ProductTexts;
use crate::behavior::{BehaviorConfig, Learned, ProductFacts, SessionIndex};
use crate::recommend::{Intent, RecommendConfig};

/// The settings of everything that is learned and served.
#[derive(Debug, Clone, Copy)]
pub struct Learning<'a> {
    /// The learners' settings.
    pub behavior: &'a BehaviorConfig,
    /// The settings of answers.
    pub recommend: &'a RecommendConfig,
}

/// The name of what is served, the last line of every table.
const SERVED: &str = "blend";

/// The name of what is served to a shopper of whom nothing is known.
const ANONYMOUS: &str = "blend_anonymous";

/// Measures what comes next in a session: popularity, pair counts (AR), texts where there are any, transitions (SR), session neighbors, and
/// what intent `next` serves.
///
/// Returns an error if `settings` name a reference that is none of them.
pub fn judge_sessions(task: &Task, learning: Learning<'_>, settings: &Settings<'_>) -> Result<Report, EvalError> {
    let Learning { behavior, recommend } = learning;
    let popularity = Popularity::learn(&task.train);
    let pairs = CoCount::learn(&task.train, PairsOf::Last);
    let learned = Learned::from_history(&task.train, &ProductFacts::default(), behavior);
    let next = TableRanker::new("next", learned.next.rows(), RowsOf::Last);
    let vstan = SessionRanker::new(&learned.sessions, behavior, Neighbors::Close);
    let session = SessionRanker::new(&learned.sessions, behavior, Neighbors::Served);
    let content = settings.texts.map(|texts| Content::new(texts, &learned.sessions, behavior));
    let semantic = content.as_ref().map(|content| &content.semantic);
    let served = ServedRanker::new(SERVED, Intent::Next, task, (&learned, semantic), (recommend, behavior));
    let mut rankers: Vec<&dyn Ranker> = vec![&popularity, &pairs];
    if let Some(content) = &content {
        rankers.extend(content.rankers());
    }
    rankers.extend([&next as &dyn Ranker, &vstan, &session, &served]);
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

    fn rankers(&self) -> [&dyn Ranker; 3] {
        [&self.cosine, &self.bm25, &self.semantic]
    }
}

/// Measures what completes an order, or goes with a product: popularity, pair counts, co-purchase, EASE, session neighbors, what texts tell
/// where there are any, and what intents `next` and `for_you` serve for the question as a cart; where cases say what their shoppers bought before, `for_you` with and
/// without it.
///
/// Returns an error if `settings` name a reference that is none of them.
pub fn judge_orders(task: &Task, learning: Learning<'_>, settings: &Settings<'_>) -> Result<Report, EvalError> {
    let Learning { behavior, recommend } = learning;
    let popularity = Popularity::learn(&task.train);
    let pairs = CoCount::learn(&task.train, PairsOf::Every);
    let learned = Learned::from_history(&task.train, &ProductFacts::default(), behavior);
    let copurchase = TableRanker::new("copurchase", learned.copurchase.rows(), RowsOf::Every);
    let ease = TableRanker::new("ease", learned.ease.rows(), RowsOf::Every);
    let vstan = SessionRanker::new(&learned.sessions, behavior, Neighbors::Close);
    let content = settings.texts.map(|texts| Content::new(texts, &learned.sessions, behavior));
    let semantic = content.as_ref().map(|content| &content.semantic);
    let served = |name, intent| ServedRanker::new(name, intent, task, (&learned, semantic), (recommend, behavior));
    let (next, cart) = (served("blend_next", Intent::Next), served(SERVED, Intent::ForYou));
    let anonymous = served(ANONYMOUS, Intent::ForYou).anonymous();
    let mut rankers: Vec<&dyn Ranker> = vec![&popularity, &pairs, &copurchase, &ease, &vstan];
    if let Some(content) = &content {
        rankers.extend(content.rankers());
    }
    rankers.push(&next);
    if task.cases.iter().any(|case| !case.bought.is_empty()) {
        rankers.push(&anonymous);
    }
    rankers.push(&cart);
    judge(task, &rankers, settings)
}

/// Measures every rung of the ladder with [`judge_orders`]; `progress` is called after each with how many are done.
///
/// Returns an error if `settings` name a reference that is none of the methods.
pub fn climb(ladder: &Ladder, learning: Learning<'_>, settings: &Settings<'_>) -> Result<Vec<Rung>, EvalError> {
    let rung = |(number, orders): (usize, u32)| {
        let report = judge_orders(&ladder.task(orders), learning, &Settings { progress: &|_| {}, ..*settings })?;
        (settings.progress)(number + 1);
        Ok(Rung { orders, report })
    };
    RUNGS.into_iter().enumerate().map(rung).collect()
}
