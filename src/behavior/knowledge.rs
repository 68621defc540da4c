//! What the sources of an answer read: the learned tables, wherever they lie.

use std::collections::{HashMap, HashSet};

use super::novelty::{NEVER, novelty, share_ordered};
use super::related::{RelatedRows, RelatedTable};
use super::semantic::SessionVectors;
use super::session_index::Sessions;
use super::transitions::NO_CATEGORY;
use super::{Behavior, Learned};
use crate::embed::ComplementMap;

/// The share of what is bought with a category that one which was never bought with it counts as.
const UNSEEN_SHARE: f32 = 0.01;

/// Learned tables in memory or mapped, so that what is measured and what is served are read by the same code.
#[derive(Debug, Clone, Copy)]
pub struct Knowledge<'a> {
    /// Bought together, by shrunk asymmetric cosine.
    pub copurchase: RelatedRows<'a>,
    /// Bought together, by EASE: the most bought products alone have rows.
    pub ease: RelatedRows<'a>,
    /// Met next in a session.
    pub next: RelatedRows<'a>,
    /// Bought next in a session.
    pub bought_next: RelatedRows<'a>,
    /// Products by popularity: row 0 over all.
    pub popular: RelatedRows<'a>,
    /// Categories bought together: row `c` of category `c`.
    pub together_categories: RelatedRows<'a>,
    /// Each product's category.
    pub category_of: &'a [u32],
    /// When each product was first ordered, in seconds since 1970; empty where the tables do not say.
    pub first_orders: &'a [u32],
    /// The share of the products that were ever ordered, 0 to 1.
    pub share_ordered: f32,
    /// From a product's vector to where what goes with it lies.
    pub complement: Option<&'a ComplementMap>,
    /// How many orders hold each product.
    pub num_orders: &'a [u32],
    /// Past sessions.
    pub sessions: Sessions<'a>,
    /// The session of each vector.
    pub session_of: &'a [u32],
    /// The "now" of every decay, in seconds since 1970: that of the events, so that answers do not change with the tables' age.
    pub now_s: u32,
}

impl Knowledge<'_> {
    /// How many orders hold each of `products`; 0 for one that the tables do not know.
    pub fn orders_of(&self, products: &[u32]) -> Vec<u32> {
        products.iter().map(|&product| self.num_orders.get(product as usize).copied().unwrap_or(0)).collect()
    }

    /// How new the product is, 0 to 1: see [`novelty`](super::novelty()). One that came since the tables were made is as new as one that
    /// was never ordered. Where most products never were that says little, so all of it is times the share of those that were; where the tables do not
    /// say, no product is new.
    pub fn novelty(&self, product: u32) -> f32 {
        let first_s = self.first_orders.get(product as usize).copied().unwrap_or(NEVER);
        self.share_ordered * novelty(first_s, self.now_s)
    }

    /// For each category the highest share of what is bought with the category of one of `anchors`; empty where no category of theirs is known.
    pub fn category_shares(&self, anchors: &[u32]) -> HashMap<u32, f32> {
        let categories: HashSet<u32> = anchors.iter().filter_map(|&anchor| self.category(anchor)).collect();
        let mut shares: HashMap<u32, f32> = HashMap::new();
        for entry in categories.iter().flat_map(|&category| self.together_categories.row(category)) {
            let share = shares.entry(entry.product).or_default();
            *share = share.max(entry.score);
        }
        shares
    }

    /// How readily the category of `product` is bought with those that `shares` is of, as a factor of 0 to 1: the root of its share, which
    /// is taken to be one in a hundred where it is less. 1 where a category is not known.
    pub fn category_factor(&self, shares: &HashMap<u32, f32>, product: u32) -> f32 {
        match self.category(product) {
            Some(category) if !shares.is_empty() => {
                shares.get(&category).copied().unwrap_or_default().max(UNSEEN_SHARE).sqrt()
            }
            _ => 1.0,
        }
    }

    fn category(&self, product: u32) -> Option<u32> {
        self.category_of.get(product as usize).copied().filter(|&category| category != NO_CATEGORY)
    }
}

impl Learned {
    /// What sources read of it, with the `vectors` of its sessions where there are any.
    pub fn knowledge<'a>(&'a self, vectors: Option<&'a SessionVectors>) -> Knowledge<'a> {
        let [copurchase, ease, next, bought_next, popular] =
            [&self.copurchase, &self.ease, &self.next, &self.bought_next, &self.popular].map(RelatedTable::rows);
        Knowledge {
            copurchase,
            ease,
            next,
            bought_next,
            popular,
            together_categories: self.together_categories.rows(),
            category_of: &self.category_of,
            first_orders: &self.first_orders,
            share_ordered: share_ordered(&self.first_orders),
            complement: self.complement.as_ref(),
            num_orders: &self.num_orders,
            sessions: self.sessions.view(),
            session_of: vectors.map_or(&[], |vectors| &vectors.sessions),
            now_s: self.now_s,
        }
    }
}

impl Behavior {
    /// What sources read of it.
    pub fn knowledge(&self) -> Knowledge<'_> {
        Knowledge {
            copurchase: self.copurchase(),
            ease: self.ease(),
            next: self.next(),
            bought_next: self.bought_next(),
            popular: self.popular(),
            together_categories: self.together_categories(),
            category_of: self.category_of(),
            first_orders: self.first_orders(),
            share_ordered: self.share_ordered(),
            complement: self.complement(),
            num_orders: self.num_orders(),
            sessions: self.sessions(),
            session_of: self.session_of(),
            now_s: self.now_s(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behavior::{BehaviorConfig, ProductFacts};
    use crate::events::{EventKind, HistoryBuilder, Interaction};

    #[test]
    fn a_category_weighs_as_the_root_of_its_share_and_what_is_not_known_is_left_alone() {
        let mut events = HistoryBuilder::default();
        let products: Vec<u32> = (0..5).map(|at| events.product(&format!("p{at}"))).collect();
        // Three orders of categories 0 and 1, one of 0 and 2; product 4 has no category.
        for (order, &other) in [1usize, 1, 1, 2].iter().enumerate() {
            for product in [products[0], products[other]] {
                let kind = EventKind::Purchase;
                let line = Interaction { product, time_s: 86_400, order: order as u32, quantity: 1, price: 1.0, kind };
                events.push(order as u64, 0, line);
            }
        }
        let facts =
            ProductFacts { category_of: vec![0, 1, 2, 3, NO_CATEGORY], num_categories: 4, ..ProductFacts::default() };
        let learned = Learned::from_history(&events.finish(), &facts, &BehaviorConfig::default());
        let known = learned.knowledge(None);
        let shares = known.category_shares(&[0]);
        let factor = |product| known.category_factor(&shares, product);
        assert!((factor(1) - 0.75f32.sqrt()).abs() < 1e-6 && (factor(2) - 0.5).abs() < 1e-6);
        assert_eq!((factor(3), factor(4)), (UNSEEN_SHARE.sqrt(), 1.0));
        assert_eq!(known.category_factor(&known.category_shares(&[4]), 1), 1.0);
        // Products 3 and 4 were never ordered, the other three were; what came since the tables were made is new.
        assert_eq!([3, 4, 99].map(|product| known.novelty(product)), [0.6; 3]);
        assert_eq!(known.novelty(0), 0.6, "its first order was the last event");
        let nothing = Learned::from_history(&HistoryBuilder::default().finish(), &facts, &BehaviorConfig::default());
        assert_eq!(nothing.knowledge(None).novelty(0), 0.0);
        assert_eq!(known.orders_of(&[0, 2, 99]), [4, 1, 0]);
    }
}
