//! A history's orders: the products of each, after refunds.

use std::collections::BTreeMap;

use crate::eval::task::Split;
use crate::events::{EventKind, History, NO_ORDER};

/// One order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    /// Its number in the history.
    pub number: u32,
    /// When its first line was bought, in seconds since 1970.
    pub time_s: u32,
    /// Its products, by number, each once.
    pub products: Vec<u32>,
}

/// The orders of `history` by time, then number. Lines are sorted: their order in an order tells what was put in last, which no shop knows
/// when it recommends.
pub(super) fn orders(history: &History) -> Vec<Order> {
    let mut by_number: BTreeMap<u32, Order> = BTreeMap::new();
    let bought = history.sessions().flat_map(|session| session.interactions);
    for line in bought.filter(|line| line.kind == EventKind::Purchase && line.order != NO_ORDER) {
        let new = Order { number: line.order, time_s: line.time_s, products: Vec::new() };
        let order = by_number.entry(line.order).or_insert(new);
        order.time_s = order.time_s.min(line.time_s);
        order.products.push(line.product);
    }
    let mut orders: Vec<Order> = by_number.into_values().collect();
    for order in &mut orders {
        order.products.sort_unstable();
        order.products.dedup();
    }
    orders.sort_by_key(|order| (order.time_s, order.number));
    orders
}

/// The orders of `history` that are asked about: in the test window, with 2 to `max_products` products.
pub(super) fn asked_orders(history: &History, split: Split, max_products: usize) -> Vec<Order> {
    let mut orders = orders(history);
    orders.retain(|order| split.is_test(order.time_s) && (2..=max_products).contains(&order.products.len()));
    orders
}
