//! Cold products: sold for the first time after the cut, so that nothing but their text is known.

use super::orders::{Order, asked_orders};
use crate::eval::error::EvalError;
use crate::eval::random::Random;
use crate::eval::slices::evidence;
use crate::eval::task::{Case, Split, Task, by_id};
use crate::events::History;

/// How cold products are asked about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColdSettings {
    /// What is learned from and what is asked about.
    pub split: Split,
    /// Length of the lists.
    pub k: usize,
    /// Draws the pairs and what else is drawn.
    pub seed: u64,
    /// Most pairs of an order and a cold product in it; drawn when there are more.
    pub max_pairs: usize,
    /// Orders of more products are not asked about: wholesale.
    pub max_products: usize,
}

/// *Cold anchor*: one cold product is shown, the rest of its order is asked for.
///
/// Returns an error if no order after the cut holds a product that is new since.
pub fn cold_anchors<'a>(
    history: &'a History,
    more_products: impl IntoIterator<Item = &'a str>,
    settings: ColdSettings,
) -> Result<Task, EvalError> {
    task("cold_anchors", history, more_products, settings, |order, cold, _| (vec![cold], rest_of(order, cold)))
}

/// *Cold candidate*: the rest of an order is shown, its cold product is asked for.
///
/// Returns an error if no order after the cut holds a product that is new since.
pub fn cold_candidates<'a>(
    history: &'a History,
    more_products: impl IntoIterator<Item = &'a str>,
    settings: ColdSettings,
) -> Result<Task, EvalError> {
    task("cold_candidates", history, more_products, settings, |order, cold, _| (rest_of(order, cold), vec![cold]))
}

/// *Cold sessions*: of an order taken as a session, at most three products are shown, all of them cold; one other product, drawn by seed,
/// is asked for. Nothing that was ever sold helps.
///
/// Returns an error if no order after the cut holds a product that is new since.
pub fn cold_sessions<'a>(
    history: &'a History,
    more_products: impl IntoIterator<Item = &'a str>,
    settings: ColdSettings,
) -> Result<Task, EvalError> {
    task("cold_sessions", history, more_products, settings, |order, cold, shown| {
        let mut rest = shown.random.sample(&rest_of(order, cold), usize::MAX);
        let target = rest.pop().into_iter().collect();
        rest.retain(|product| shown.evidence[*product as usize] == 0);
        rest.truncate(2);
        rest.push(cold);
        (rest, target)
    })
}

pub(super) fn rest_of(order: &Order, product: u32) -> Vec<u32> {
    order.products.iter().copied().filter(|other| *other != product).collect()
}

/// Pairs of an order and a product in it that `is_asked` accepts, at most `max_pairs` of them, in the order of the orders.
pub(super) fn pairs(
    orders: &[Order],
    is_asked: impl Fn(u32) -> bool,
    max_pairs: usize,
    random: &mut Random,
) -> Vec<(usize, u32)> {
    let of_order = |(at, order): (usize, &Order)| {
        order.products.iter().copied().filter(|product| is_asked(*product)).map(move |product| (at, product)).collect()
    };
    let all: Vec<(usize, u32)> = orders.iter().enumerate().flat_map::<Vec<_>, _>(of_order).collect();
    let mut drawn = random.sample(&all, max_pairs);
    drawn.sort_unstable();
    drawn
}

/// What a case may be drawn with.
struct Drawing<'a> {
    random: &'a mut Random,
    /// Sessions of the training side that hold each product.
    evidence: &'a [u32],
}

fn task<'a>(
    protocol: &'static str,
    history: &'a History,
    more_products: impl IntoIterator<Item = &'a str>,
    settings: ColdSettings,
    case_of: impl Fn(&Order, u32, Drawing<'_>) -> (Vec<u32>, Vec<u32>),
) -> Result<Task, EvalError> {
    let history = by_id(history, more_products);
    let train = settings.split.train(&history);
    let evidence = evidence(&train);
    let orders = asked_orders(&history, settings.split, settings.max_products);
    let mut random = Random::new(settings.seed, 0);
    let pairs = pairs(&orders, |product| evidence[product as usize] == 0, settings.max_pairs, &mut random);
    let mut cases = Vec::new();
    for (group, product) in pairs {
        let order = &orders[group];
        let (products, targets) = case_of(order, product, Drawing { random: &mut random, evidence: &evidence });
        let (group, now_s) = (group as u32, order.time_s);
        cases.push(Case { group, products, steps: Vec::new(), bought: Vec::new(), now_s, targets });
    }
    if cases.is_empty() {
        let reason = "no order after the cut holds a product first sold after it".to_owned();
        return Err(EvalError::NoCases { protocol, reason });
    }
    Ok(Task { protocol, train, cases, k: settings.k, keeps_seen: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture;

    const ORDERS: [&[&str]; 5] = [&["a", "b"], &["b", "c"], &["a", "new", "c"], &["b", "c"], &["new", "newer"]];

    fn settings() -> ColdSettings {
        ColdSettings {
            split: Split { cut_s: 3 * 86_400, until_s: u32::MAX },
            k: 5,
            seed: 1,
            max_pairs: 100,
            max_products: 50,
        }
    }

    #[test]
    fn products_new_since_the_cut_are_asked_with_their_orders() {
        let history = fixture::orders(&ORDERS);
        let anchors = cold_anchors(&history, ["unsold"], settings()).unwrap();
        let shown: Vec<_> = anchors.cases.iter().map(|case| (&case.products[..], &case.targets[..])).collect();
        // a 0, b 1, c 2, new 3, newer 4, unsold 5.
        assert_eq!(shown, [(&[3][..], &[0, 2][..]), (&[3], &[4]), (&[4], &[3])]);
        let candidates = cold_candidates(&history, [], settings()).unwrap();
        assert!(
            anchors
                .cases
                .iter()
                .zip(&candidates.cases)
                .all(|(a, c)| a.products == c.targets && a.targets == c.products)
        );
        let sessions = cold_sessions(&history, [], settings()).unwrap();
        assert!(
            sessions.cases.iter().all(|case| case.targets.len() == 1 && [3, 4].contains(case.products.last().unwrap()))
        );
        assert_eq!(cold_anchors(&history, [], ColdSettings { max_pairs: 2, ..settings() }).unwrap().cases.len(), 2);
    }

    #[test]
    fn a_product_or_order_after_the_cut_never_changes_what_is_learned_from() {
        let history = fixture::orders(&ORDERS);
        let task = cold_anchors(&history, [], settings()).unwrap();
        assert_eq!(task.train, fixture::before(&history, 3 * 86_400));
        assert!(cold_anchors(&task.train, [], settings()).is_err());
    }
}
