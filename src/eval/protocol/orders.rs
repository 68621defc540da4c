//! A history's orders: the products of each, without what was sent back.

use std::collections::HashMap;

use crate::behavior::OrderLines;
use crate::eval::task::Split;
use crate::events::{EventKind, History};

/// One order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    /// Its number in the history.
    pub number: u32,
    /// Who bought it: [`Session::visitor`](crate::events::Session::visitor).
    pub visitor: u32,
    /// When its first line was bought, in seconds since 1970.
    pub time_s: u32,
    /// Its products, by number, each once.
    pub products: Vec<u32>,
}

/// The orders of `history` by time, then number, without lines of which nothing was kept. Lines are sorted: their order in an order tells
/// what was put in last, which no shop knows when it recommends.
pub(super) fn orders(history: &History) -> Vec<Order> {
    let lines = OrderLines::of(history);
    let visitors = visitors(history);
    let mut orders: Vec<Order> = Vec::new();
    for line in lines.all().iter().filter(|line| line.is_kept()) {
        let Some(number) = line.order_number() else { continue };
        match orders.last_mut() {
            Some(order) if order.number == number => {
                order.time_s = order.time_s.min(line.time_s);
                order.products.push(line.product);
            }
            _ => {
                let visitor = visitors.get(&number).copied().unwrap_or_default();
                orders.push(Order { number, visitor, time_s: line.time_s, products: vec![line.product] });
            }
        }
    }
    orders.sort_by_key(|order| (order.time_s, order.number));
    orders
}

/// Who bought each order, by its number.
fn visitors(history: &History) -> HashMap<u32, u32> {
    let mut visitors = HashMap::new();
    for session in history.sessions() {
        for step in session.interactions.iter().filter(|step| step.kind == EventKind::Purchase) {
            visitors.entry(step.order).or_insert(session.visitor);
        }
    }
    visitors
}

/// When each order of `history` was placed, in seconds since 1970: what a window of orders is cut by.
pub fn order_times(history: &History) -> Vec<u32> {
    orders(history).iter().map(|order| order.time_s).collect()
}

/// The orders of `history` that are asked about: in the test window, with 2 to `max_products` products.
pub(super) fn asked_orders(history: &History, split: Split, max_products: usize) -> Vec<Order> {
    let mut orders = orders(history);
    orders.retain(|order| split.is_test(order.time_s) && (2..=max_products).contains(&order.products.len()));
    orders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{HistoryBuilder, Interaction};

    #[test]
    fn nobody_is_asked_for_what_was_sent_back() {
        let mut builder = HistoryBuilder::default();
        ["a", "b", "c"].iter().for_each(|id| {
            builder.product(id);
        });
        let mut push = |session: u64, product, time_s, order, quantity, kind| {
            let step = Interaction { product, time_s, order, quantity, price: 1.0, kind };
            builder.push(session, 0, step);
        };
        (0..3).for_each(|product| push(0, product, 10, 7, 2, EventKind::Purchase));
        (0..2).for_each(|product| push(1, product, 20, 8, 1, EventKind::Purchase));
        // All of a and a part of b of the first order, and all of the second.
        push(2, 0, 30, 7, 2, EventKind::Refund);
        push(2, 1, 30, 7, 1, EventKind::Refund);
        (0..2).for_each(|product| push(3, product, 40, 8, 1, EventKind::Refund));
        let history = builder.finish();
        assert_eq!(orders(&history), [Order { number: 7, visitor: 0, time_s: 10, products: vec![1, 2] }]);
        // Before the refunds nobody could know of them.
        let before = history.filtered(|step| step.time_s < 30);
        assert_eq!(orders(&before).iter().map(|order| order.products.len()).collect::<Vec<_>>(), [3, 2]);
    }
}
