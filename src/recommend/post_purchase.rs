//! What goes with an order that was placed: when it is shown (`[recommend.post_purchase]`), and a shopper's last order as a question.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::query::{MAX_ANCHORS, PlacedOrder, Query, SessionEvent};
use crate::events::{BoughtProduct, EventKind, Purchased};

/// Settings of what goes with an order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PostPurchaseConfig {
    /// Hours after an order from which on something is shown.
    pub from_hours: f64,
    /// Hours after which nothing is shown any more.
    pub until_hours: f64,
}

impl Default for PostPurchaseConfig {
    fn default() -> Self {
        Self { from_hours: 24.0, until_hours: 72.0 }
    }
}

impl PostPurchaseConfig {
    /// The setting that is out of its range, and what would be right.
    pub fn out_of_range(&self) -> Option<(&'static str, &'static str)> {
        let is_hours = |hours: f64| (0.0..=87_600.0).contains(&hours);
        let checks = [
            ("from_hours", is_hours(self.from_hours), "give 0 to 87600 hours"),
            (
                "until_hours",
                is_hours(self.until_hours) && self.until_hours >= self.from_hours,
                "give hours up to 87600, not less than from_hours",
            ),
        ];
        checks.into_iter().find(|(_, is_right, _)| !is_right).map(|(name, _, right)| (name, right))
    }
}

impl Query {
    /// Goes with an order of `products`, placed at `placed_at` where that is known, in place of what the session did. What is in the cart is
    /// not shown.
    pub fn start_from_order(&mut self, products: &[String], placed_at: Option<Timestamp>) {
        let put_in = |id: &String| SessionEvent { id: id.clone(), kind: EventKind::AddToCart };
        let session = std::mem::replace(&mut self.session, products.iter().map(put_in).collect());
        for event in session.into_iter().filter(|event| event.kind == EventKind::AddToCart) {
            if !self.exclude.contains(&event.id) {
                self.exclude.push(event.id);
            }
        }
        self.anchors.clear();
        self.order = Some(PlacedOrder { placed_at });
    }

    /// Knows what the shopper bought and kept, oldest first; `starts_from_last`: goes with the newest order of it.
    pub fn take_purchases(&mut self, purchases: Vec<Purchased>, starts_from_last: bool) {
        if starts_from_last {
            self.start_from_last_order(&purchases);
        } else if self.order.is_some() {
            self.leave_out(&purchases);
        }
        self.purchases = purchases;
    }

    /// Starts from the newest order of `purchases`, oldest first; from none where there is none. What the shopper has is not shown.
    fn start_from_last_order(&mut self, purchases: &[Purchased]) {
        self.session.clear();
        self.anchors.clear();
        if let Some(newest) = purchases.last() {
            let lines = purchases.iter().filter(|line| line.order == newest.order);
            let put_in = |line: &Purchased| SessionEvent { id: line.product.clone(), kind: EventKind::AddToCart };
            self.session.extend(lines.map(put_in).take(MAX_ANCHORS));
            let placed_at = Timestamp::from_second(i64::from(newest.time_s)).ok();
            self.order = Some(PlacedOrder { placed_at });
        }
        self.leave_out(purchases);
    }

    /// Shows nothing that the shopper bought and kept.
    fn leave_out(&mut self, purchases: &[Purchased]) {
        let mut products: Vec<&str> = purchases.iter().map(|line| line.product.as_str()).collect();
        products.sort_unstable();
        let of_product =
            |lines: &[&str]| BoughtProduct { product: lines[0].to_owned(), num_orders: lines.len() as u32 };
        self.bought = products.chunk_by(|a, b| a == b).map(of_product).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_order_is_the_cart_and_all_that_was_kept_is_left_out() {
        let line = |product: &str, order, time_s| Purchased { product: product.to_owned(), order, time_s };
        let lines = [line("a", 7, 10), line("b", 9, 20), line("c", 3, 30), line("a", 3, 30)];
        let mut query = Query { order: Some(PlacedOrder::default()), ..Query::default() };
        query.start_from_last_order(&lines);
        let cart: Vec<&str> = query.session.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(cart, ["c", "a"]);
        assert_eq!(query.order.unwrap().placed_at.unwrap().as_second(), 30);
        let owned: Vec<(&str, u32)> = query.bought.iter().map(|own| (own.product.as_str(), own.num_orders)).collect();
        assert_eq!(owned, [("a", 2), ("b", 1), ("c", 1)]);
        query.start_from_last_order(&[]);
        assert!(query.session.is_empty() && query.bought.is_empty());
    }

    #[test]
    fn a_window_that_ends_before_it_begins_is_named() {
        assert_eq!(PostPurchaseConfig::default().out_of_range(), None);
        let bad = PostPurchaseConfig { from_hours: 80.0, ..PostPurchaseConfig::default() };
        assert_eq!(bad.out_of_range().map(|(name, _)| name), Some("until_hours"));
    }
}
