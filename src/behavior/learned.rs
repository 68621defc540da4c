//! Everything that a build learns from a history, for the products of one generation.

use super::attribute_steps::AttributeSteps;
use super::baskets::Baskets;
use super::copurchase::copurchases;
use super::ease::ease;
use super::novelty::first_orders;
use super::popularity::{most_popular, popularity};
use super::price_steps::PriceSteps;
use super::related::RelatedTable;
use super::replenish::Repeats;
use super::session_index::SessionIndex;
use super::settings::BehaviorConfig;
use super::trails::Trails;
use super::transitions::{
    categories_after_category, categories_bought_together, purchases_after_view, views_after_view,
};
use crate::catalog::Attribute;
use crate::embed::ComplementMap;
use crate::events::History;

/// What is known of the products themselves, by number.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProductFacts {
    /// Each product's category, [`super::NO_CATEGORY`] for none.
    pub category_of: Vec<u32>,
    /// How many categories there are; numbers lie below.
    pub num_categories: usize,
    /// Each product's price in the currency's major unit, NaN for none.
    pub price_of: Vec<f32>,
    /// Each product's comparable values; empty where nothing is to be learned of them.
    pub attributes_of: Vec<Vec<Attribute>>,
}

/// The tables of a generation, in memory; products are numbered as its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// Bought together, by shrunk asymmetric cosine.
    pub copurchase: RelatedTable,
    /// Bought together, by EASE; for the most bought products alone.
    pub ease: RelatedTable,
    /// What is met next.
    pub next: RelatedTable,
    /// What is bought after a view.
    pub bought_next: RelatedTable,
    /// Categories met next, by category.
    pub next_categories: RelatedTable,
    /// Categories bought together, by category.
    pub together_categories: RelatedTable,
    /// Products by popularity, the best of each: row 0 over all, row `1 + c` of category `c`.
    pub popular: RelatedTable,
    /// Price steps taken.
    pub price_steps: PriceSteps,
    /// Attributes bought more of.
    pub attribute_steps: AttributeSteps,
    /// What is bought again, and after how long.
    pub repeats: Repeats,
    /// Past sessions.
    pub sessions: SessionIndex,
    /// The "now" of all fading: [`History::now_s`], or the end of the last session with a step if that came before.
    pub now_s: u32,
    /// How many orders hold each product.
    pub num_orders: Vec<u32>,
    /// Each product's category.
    pub category_of: Vec<u32>,
    /// When each product was first ordered, in seconds since 1970; [`super::NEVER`] for one that never was.
    pub first_orders: Vec<u32>,
    /// From a product's vector to where what goes with it lies; `None` until it is learned, which takes vectors.
    pub complement: Option<ComplementMap>,
    /// Orders and sessions that were learned from.
    pub counts: LearnedCounts,
}

/// From how much was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct LearnedCounts {
    /// Events of products in the catalog.
    pub events: usize,
    /// Orders with a line left after refunds.
    pub orders: usize,
    /// Sessions with a step.
    pub sessions: usize,
    /// Products that any event speaks for.
    pub products: usize,
    /// Pairs of products that were bought together and are not alike; 0 where the map of complements is turned off.
    pub pairs: usize,
    /// Whether a map of complements was learned from those pairs.
    pub has_map: bool,
}

impl Learned {
    /// Learns from `history`, whose products are the rows of a generation; what it says of rows that `facts` does not know is used
    /// without category and price.
    pub fn from_history(history: &History, facts: &ProductFacts, config: &BehaviorConfig) -> Self {
        let ProductFacts { category_of, num_categories, price_of, attributes_of } = facts;
        let baskets = Baskets::of(history);
        let (copurchase, ease) = (copurchases(&baskets, config), ease(&baskets, config));
        let together_categories = categories_bought_together(&baskets, category_of, *num_categories, config);
        let (orders, num_orders) = (baskets.len(), baskets.orders_by_product());
        let first_orders = first_orders(&baskets);
        drop(baskets);
        let trails = Trails::of(history, &config.weights);
        let scores = popularity(history, config);
        let counts = LearnedCounts {
            events: history.num_interactions(),
            orders,
            sessions: trails.len(),
            products: scores.iter().filter(|(score, _)| *score > 0.0).count(),
            ..LearnedCounts::default()
        };
        Self {
            copurchase,
            ease,
            next: views_after_view(&trails, config),
            bought_next: purchases_after_view(&trails, config),
            next_categories: categories_after_category(&trails, category_of, *num_categories, config),
            together_categories,
            popular: most_popular(&scores, category_of, *num_categories, config.per_product),
            price_steps: PriceSteps::count(history, category_of, *num_categories, price_of),
            attribute_steps: AttributeSteps::count(history, category_of, *num_categories, attributes_of),
            repeats: Repeats::learn(history, category_of, config.repeat_kappa),
            sessions: SessionIndex::new(&trails, config.num_candidates()),
            now_s: trails.now_s,
            num_orders,
            category_of: category_of.clone(),
            first_orders,
            complement: None,
            counts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{EventKind, HistoryBuilder, Interaction, NO_ORDER};

    const DAY_S: u32 = 86_400;

    /// One session of a view and an order of two products `age` days before a last one that is about others.
    fn learned(age_days: u32) -> Learned {
        let mut builder = HistoryBuilder::default();
        let products = ["a", "b", "c"].map(|id| builder.product(id));
        let step = |product, day: u32, kind| Interaction {
            product,
            time_s: day * DAY_S,
            order: if kind == EventKind::Purchase { 1 } else { NO_ORDER },
            quantity: 1,
            price: 1.0,
            kind,
        };
        builder.push(0, 0, step(products[0], 1000 - age_days, EventKind::ViewItem));
        (0..2).for_each(|at| builder.push(0, 0, step(products[at], 1000 - age_days, EventKind::Purchase)));
        builder.push(1, 1, step(products[2], 1000, EventKind::ViewItem));
        let config = BehaviorConfig {
            order_half_life_days: 10.0,
            session_half_life_days: 20.0,
            popularity_half_life_days: 40.0,
            ..BehaviorConfig::default()
        };
        Learned::from_history(&builder.finish(), &ProductFacts::default(), &config)
    }

    #[test]
    fn orders_sessions_and_popularity_fade_each_by_its_own_half_life() {
        let (new, old) = (learned(0), learned(40));
        let score = |table: &RelatedTable, row, product| {
            let entry = table.rows().row(row).iter().find(|entry| entry.product == product);
            entry.map_or(0.0, |entry| entry.score)
        };
        // Orders: four half-lives leave a sixteenth of the pair and of the counts that it is divided by.
        let shrunk = |n: f32| n / (n + 20.0);
        let ratio = score(&old.copurchase, 0, 1) / score(&new.copurchase, 0, 1);
        assert!((ratio - shrunk(1.0 / 16.0) / shrunk(1.0)).abs() < 1e-4, "{ratio}");
        // Sessions: two half-lives leave a quarter.
        let ratio = score(&old.next, 0, 1) / score(&new.next, 0, 1);
        assert!((ratio - 0.25).abs() < 1e-4, "{ratio}");
        let ratio = score(&old.bought_next, 0, 1) / score(&new.bought_next, 0, 1);
        assert!((ratio - shrunk(0.25) / shrunk(1.0)).abs() < 1e-4, "{ratio}");
        // Popularity: one leaves a half.
        let ratio = score(&old.popular, 0, 1) / score(&new.popular, 0, 1);
        assert!((ratio - 0.5).abs() < 1e-4, "{ratio}");
    }
}
