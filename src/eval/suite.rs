//! Which methods a protocol compares: the baselines, what Kindred learns, and last, as the reference, what it would answer.

use super::baselines::{CoCount, Cosine, NoSubstitutes, PairsOf, Popularity};
use super::bm25::Bm25;
use super::cross_sell::CrossSellRanker;
use super::error::EvalError;
use super::judge::{Settings, judge};
use super::learned::{Neighbors, RowsOf, SemanticRanker, ServedRanker, SessionRanker, TableRanker};
use super::protocol::{Ladder, RUNGS, Rung};
use super::question::Ranker;
use super::report::Report;
use super::task::Task;
use super::texts::{ProductTexts, dot};
use super::type_transition::TypeTransition;
use crate::behavior::{Baskets, BehaviorConfig, ComplementShop, Learned, ProductFacts, SessionIndex, complements};
use crate::embed::ComplementMap;
use crate::live::View;
use crate::rank::{RowId, ScoredRow, keep_best};
use crate::recommend::{CartMix, Intent, RecommendConfig};

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

/// The name of what is served, as if there were no texts.
const ORDERS_ALONE: &str = "orders_alone";

/// The name of what is served, as if orders told nothing of what goes together.
const TEXTS_ALONE: &str = "texts_alone";

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
    let mut learned = Learned::from_history(&task.train, &ProductFacts::default(), behavior);
    if let Some(texts) = settings.texts {
        learned.complement = map_of(task, texts, behavior)?;
    }
    let copurchase = TableRanker::new("copurchase", learned.copurchase.rows(), RowsOf::Every);
    let ease = TableRanker::new("ease", learned.ease.rows(), RowsOf::Every);
    let vstan = SessionRanker::new(&learned.sessions, behavior, Neighbors::Close);
    let content = settings.texts.map(|texts| Content::new(texts, &learned.sessions, behavior));
    let semantic = content.as_ref().map(|content| &content.semantic);
    let served = |name, intent| ServedRanker::new(name, intent, task, (&learned, semantic), (recommend, behavior));
    let (next, cart) = (served("blend_next", Intent::Next), served(SERVED, Intent::ForYou));
    let anonymous = served(ANONYMOUS, Intent::ForYou).anonymous();
    let [of_orders, of_texts, of_map] = [orders_alone(recommend), texts_alone(recommend), map_alone(recommend)];
    let part = |name, recommend| {
        ServedRanker::new(name, Intent::ForYou, task, (&learned, semantic), (recommend, behavior)).anonymous()
    };
    let parts = [part("complement", &of_map), part(ORDERS_ALONE, &of_orders), part(TEXTS_ALONE, &of_texts)];
    let mut rankers: Vec<&dyn Ranker> = vec![&popularity, &pairs, &copurchase, &ease, &vstan];
    if let Some(content) = &content {
        rankers.extend(content.rankers());
        rankers.extend(parts.iter().map(|part| part as &dyn Ranker));
    }
    rankers.push(&next);
    if task.cases.iter().any(|case| !case.bought.is_empty()) {
        rankers.push(&anonymous);
    }
    rankers.push(&cart);
    judge(task, &rankers, settings)
}

/// Measures what goes with a cart: popularity, pair counts, co-purchase, likeness of texts (cosine and BM25, with and without what is alike), categories bought together, what
/// intent `for_you` serves, and what `cross_sell` serves, without orders and with them.
///
/// Returns an error if `settings` have no texts, or name a reference that is none of them.
pub fn judge_carts(
    task: &Task,
    view: &View,
    learning: Learning<'_>,
    settings: &Settings<'_>,
) -> Result<Report, EvalError> {
    let Learning { behavior, recommend } = learning;
    let no_texts =
        || EvalError::NoCases { protocol: task.protocol, reason: "the products' texts are needed".to_owned() };
    let texts = settings.texts.ok_or_else(no_texts)?;
    let popularity = Popularity::learn(&task.train);
    let pairs = CoCount::learn(&task.train, PairsOf::Every);
    let learned = Learned::from_history(&task.train, &ProductFacts::default(), behavior);
    let copurchase = TableRanker::new("copurchase", learned.copurchase.rows(), RowsOf::Every);
    let content = Content::new(texts, &learned.sessions, behavior);
    let transition = TypeTransition::learn(&task.train, texts);
    let for_you =
        ServedRanker::new("for_you", Intent::ForYou, task, (&learned, Some(&content.semantic)), (recommend, behavior));
    let for_you = for_you.anonymous();
    let first_day = CrossSellRanker::on_its_first_day(&task.train, view, (recommend, behavior), task.k);
    let cross_sell = CrossSellRanker::learn(&task.train, view, (recommend, behavior), task.k);
    let cosine = NoSubstitutes::new("cosine_others", &content.cosine, texts);
    let bm25 = NoSubstitutes::new("bm25_others", &content.bm25, texts);
    let rankers: [&dyn Ranker; 11] = [
        &popularity,
        &pairs,
        &copurchase,
        &content.cosine,
        &content.bm25,
        &cosine,
        &bm25,
        &transition,
        &for_you,
        &first_day,
        &cross_sell,
    ];
    judge(task, &rankers, settings)
}

/// The map of complements, learned from the training side as a build learns it; the exact nearest take the place of the index.
fn map_of(task: &Task, texts: &ProductTexts, behavior: &BehaviorConfig) -> Result<Option<ComplementMap>, EvalError> {
    let num_products = task.train.products().len() as u32;
    let nearest = |product: u32, k: usize| {
        let score = |row: u32| ScoredRow { row: RowId(row), score: dot(texts.vector(product), texts.vector(row)) };
        let mut rows: Vec<ScoredRow> = (0..num_products).map(score).collect();
        keep_best(&mut rows, k);
        rows.into_iter().map(|scored| scored.row.0).collect()
    };
    let are_alike = |a: u32, b: u32| dot(texts.vector(a), texts.vector(b)) > behavior.complement.max_cosine;
    let shop = ComplementShop { vectors: texts.vectors(), dim: texts.dim(), nearest: &nearest, are_alike: &are_alike };
    Ok(complements(&Baskets::of(&task.train), &shop, behavior, &mut |_, _| {})?.map)
}

/// The cart's mix as if orders told nothing.
fn texts_alone(config: &RecommendConfig) -> RecommendConfig {
    RecommendConfig { cart: CartMix { content_floor: 1.0, ..config.cart }, ..config.clone() }
}

/// The cart's mix as if there were no texts.
fn orders_alone(config: &RecommendConfig) -> RecommendConfig {
    RecommendConfig { cart: CartMix { content_floor: 0.0, kappa: 0.0, ..config.cart }, ..config.clone() }
}

/// The map of complements and nothing else.
fn map_alone(config: &RecommendConfig) -> RecommendConfig {
    let (semantic_share, complement_share, lexical_share) = (0.0, 1.0, 0.0);
    let shares = CartMix { semantic_share, complement_share, lexical_share, novelty: 0.0, ..config.cart };
    texts_alone(&RecommendConfig { cart: shares, ..config.clone() })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::bootstrap::Bootstrap;
    use crate::eval::fixture;
    use crate::eval::task::Case;

    fn reports(bought: &[(u32, u32)]) -> Vec<(String, f64)> {
        let train = fixture::orders(&[&["a", "b"], &["a", "b"], &["a", "c"], &["c", "d"], &["d", "e"]]);
        let case = Case {
            group: 0,
            products: vec![0],
            steps: Vec::new(),
            bought: bought.to_vec(),
            now_s: 10 * 86_400,
            targets: vec![4],
        };
        let task = Task { protocol: "baskets", train, cases: vec![case], k: 1, keeps_seen: false };
        let (behavior, recommend) = (BehaviorConfig::default(), RecommendConfig::default());
        let learning = Learning { behavior: &behavior, recommend: &recommend };
        let bootstrap = Bootstrap { draws: 10, seed: 1 };
        let settings = Settings { bootstrap, texts: None, reference: None, progress: &|_| {} };
        let report = judge_orders(&task, learning, &settings).unwrap();
        report.methods.into_iter().map(|method| (method.method, method.hit_rate.value)).collect()
    }

    #[test]
    fn the_blend_knows_who_buys_where_a_case_says_and_the_anonymous_one_beside_it_does_not() {
        // Nothing that was bought with a is e; this shopper bought it time and again.
        let known = reports(&[(4, 50)]);
        let served: Vec<(&str, f64)> = known.iter().rev().take(2).map(|(name, rate)| (name.as_str(), *rate)).collect();
        assert_eq!(served, [("blend", 1.0), ("blend_anonymous", 0.0)]);
        let mut unknown = reports(&[]);
        assert_eq!(unknown.pop(), Some(("blend".to_owned(), 0.0)));
        // All other methods know no shopper.
        assert_eq!(unknown, known[..known.len() - 2]);
    }
}
