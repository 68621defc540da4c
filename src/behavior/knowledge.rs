//! What the sources of an answer read: the learned tables, wherever they lie.

use super::related::{RelatedRows, RelatedTable};
use super::semantic::SessionVectors;
use super::session_index::Sessions;
use super::{Behavior, Learned};

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
    /// The mean number of orders that hold one of `products`; 0 for no products.
    pub fn mean_orders(&self, products: &[u32]) -> f32 {
        let known = |&product: &u32| f64::from(self.num_orders.get(product as usize).copied().unwrap_or(0));
        (products.iter().map(known).sum::<f64>() / products.len().max(1) as f64) as f32
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
            num_orders: self.num_orders(),
            sessions: self.sessions(),
            session_of: self.session_of(),
            now_s: self.now_s(),
        }
    }
}
