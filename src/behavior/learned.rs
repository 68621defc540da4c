//! Everything that a build learns from a history, for the products of one generation.

use super::baskets::Baskets;
use super::copurchase::copurchases;
use super::ease::ease;
use super::popularity::{most_popular, popularity};
use super::price_steps::PriceSteps;
use super::related::RelatedTable;
use super::session_index::SessionIndex;
use super::settings::BehaviorConfig;
use super::trails::Trails;
use super::transitions::{
    categories_after_category, categories_bought_together, purchases_after_view, views_after_view,
};
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
    /// Past sessions.
    pub sessions: SessionIndex,
    /// How many orders hold each product.
    pub num_orders: Vec<u32>,
    /// Each product's category.
    pub category_of: Vec<u32>,
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
}

impl Learned {
    /// Learns from `history`, whose products are the rows of a generation; what it says of rows that `facts` does not know is used
    /// without category and price.
    pub fn from_history(history: &History, facts: &ProductFacts, config: &BehaviorConfig) -> Self {
        let ProductFacts { category_of, num_categories, price_of } = facts;
        let baskets = Baskets::of(history);
        let (copurchase, ease) = (copurchases(&baskets, config), ease(&baskets, config));
        let together_categories = categories_bought_together(&baskets, category_of, *num_categories, config);
        let (orders, num_orders) = (baskets.len(), baskets.orders_by_product());
        drop(baskets);
        let trails = Trails::of(history, &config.weights);
        let scores = popularity(history, config);
        let counts = LearnedCounts {
            events: history.num_interactions(),
            orders,
            sessions: trails.len(),
            products: scores.iter().filter(|(score, _)| *score > 0.0).count(),
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
            sessions: SessionIndex::new(&trails, config.num_candidates()),
            num_orders,
            category_of: category_of.clone(),
            counts,
        }
    }
}
