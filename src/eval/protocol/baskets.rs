//! Basket completion: one line of an order is hidden, drawn by seed, and asked for by the others.

use super::orders::asked_orders;
use crate::eval::error::EvalError;
use crate::eval::random::Random;
use crate::eval::task::{Case, Split, Task, by_id};
use crate::events::{History, bought_by_shopper};

/// The protocol's name.
const NAME: &str = "baskets";

/// How baskets are asked about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BasketSettings {
    /// What is learned from and what is asked about.
    pub split: Split,
    /// Length of the lists.
    pub k: usize,
    /// Draws the hidden lines.
    pub seed: u64,
    /// Orders of more products are not asked about: wholesale.
    pub max_products: usize,
}

/// Learns from the orders before the cut; hides one product of each later order with two products or more.
///
/// Each case carries what its shopper bought on the training side, and nothing of what was bought since, the asked order least of all; a shopper
/// without a name (a guest) has nothing. A hidden product that the training side never saw is asked for too: leaving it out would flatter every method. `more_products` are
/// ranked beside those of the history. Returns an error if there is no such order.
pub fn baskets<'a>(
    history: &'a History,
    more_products: impl IntoIterator<Item = &'a str>,
    settings: BasketSettings,
) -> Result<Task, EvalError> {
    let history = by_id(history, more_products);
    let train = settings.split.train(&history);
    let bought = bought_by_shopper(&train);
    let mut random = Random::new(settings.seed, 0);
    let mut cases = Vec::new();
    for mut order in asked_orders(&history, settings.split, settings.max_products) {
        let hidden = order.products.remove(random.below(order.products.len()));
        let group = cases.len() as u32;
        let bought = bought.get(&order.visitor).cloned().unwrap_or_default();
        let (products, steps, now_s) = (order.products, Vec::new(), order.time_s);
        cases.push(Case { group, products, steps, bought, now_s, targets: vec![hidden] });
    }
    if cases.is_empty() {
        let reason = "no order after the cut has two products; more orders are needed".to_owned();
        return Err(EvalError::NoCases { protocol: NAME, reason });
    }
    Ok(Task { protocol: NAME, train, cases, k: settings.k, keeps_seen: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture;
    use crate::events::{EventKind, HistoryBuilder, Interaction};

    const ORDERS: [&[&str]; 6] =
        [&["a", "b"], &["b", "c"], &["a", "c", "d"], &["d"], &["d", "a", "e"], &["c", "b", "a", "d"]];

    fn settings(seed: u64) -> BasketSettings {
        BasketSettings { split: Split { cut_s: 4 * 86_400, until_s: u32::MAX }, k: 5, seed, max_products: 50 }
    }

    #[test]
    fn one_product_is_hidden_of_each_later_order_with_two_or_more() {
        let task = baskets(&fixture::orders(&ORDERS), ["z"], settings(1)).unwrap();
        assert_eq!(task.train.products(), ["a", "b", "c", "d", "e", "z"]);
        let mut whole: Vec<Vec<u32>> =
            task.cases.iter().map(|case| [&case.products[..], &case.targets[..]].concat()).collect();
        whole.iter_mut().for_each(|products| products.sort_unstable());
        assert_eq!(whole, [vec![0, 3, 4], vec![0, 1, 2, 3]]);
        assert_eq!(baskets(&fixture::orders(&ORDERS), [], settings(1)).unwrap().cases, task.cases);
        let hidden: Vec<u32> = (0..20)
            .map(|seed| baskets(&fixture::orders(&ORDERS), [], settings(seed)).unwrap().cases[1].targets[0])
            .collect();
        (0..4).for_each(|product| assert!(hidden.contains(&product), "{product} was never hidden"));
    }

    #[test]
    fn a_case_knows_what_its_shopper_bought_before_the_cut_and_nothing_of_what_was_bought_since() {
        let mut builder = HistoryBuilder::default();
        let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|id| builder.product(id));
        let mut order = |number: u32, visitor, kind, products: &[u32]| {
            for &product in products {
                let time_s = (1 + number) * 86_400;
                // A refund takes back the order before it.
                let order = if kind == EventKind::Refund { number - 1 } else { number };
                let line = Interaction { product, time_s, order, quantity: 1, price: 1.0, kind };
                builder.push(u64::from(number), visitor, line);
            }
        };
        order(0, 7, EventKind::Purchase, &[a, b]);
        order(1, 7, EventKind::Purchase, &[a, c, d]);
        order(2, 7, EventKind::Refund, &[d]);
        order(3, 8, EventKind::Purchase, &[a, e]);
        // The cut.
        order(4, 7, EventKind::Purchase, &[a, c, e]);
        order(5, 7, EventKind::Refund, &[c]);
        order(6, 7, EventKind::Purchase, &[c, e]);
        order(7, 9, EventKind::Purchase, &[a, b]);
        let split = Split { cut_s: 5 * 86_400, until_s: u32::MAX };
        let task = baskets(&builder.finish(), [], BasketSettings { split, ..settings(1) }).unwrap();
        let bought: Vec<&[(u32, u32)]> = task.cases.iter().map(|case| &case.bought[..]).collect();
        let before_the_cut = &[(a, 2), (b, 1), (c, 1)][..];
        assert_eq!(bought, [before_the_cut, before_the_cut, &[]]);
    }

    #[test]
    fn orders_after_the_cut_never_change_what_is_learned_from() {
        let history = fixture::orders(&ORDERS);
        let task = baskets(&history, [], settings(1)).unwrap();
        assert_eq!(task.train, fixture::before(&history, 4 * 86_400));
    }
}
