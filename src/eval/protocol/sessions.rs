//! The next product of a session: each session of the test side is revealed product by product, and the one that follows is asked for.
//!
//! Every product is ranked, those already seen too (session-rec's protocol with `remind`); nothing is sampled.

use crate::behavior::OrderLines;
use crate::eval::error::EvalError;
use crate::eval::slices::is_interest;
use crate::eval::task::{Case, Split, Task, by_id};
use crate::events::{EventKind, History, Interaction};
use crate::recommend::in_cart;

/// The protocol's name.
const NAME: &str = "sessions";

/// Learns from `train` and asks about every session of `test` with two products or more.
///
/// Returns an error if there is no such session.
pub fn sessions(train: &History, test: &History, k: usize) -> Result<Task, EvalError> {
    let train = by_id(train, test.products().iter().map(String::as_str));
    let test = by_id(test, train.products().iter().map(String::as_str));
    let cases = cases(&test, |_| true);
    if cases.is_empty() {
        return Err(EvalError::NoCases { protocol: NAME, reason: "no test session has two products".to_owned() });
    }
    Ok(Task { protocol: NAME, train, cases, k, keeps_seen: true })
}

/// Learns from what came before the cut and asks about the sessions that began after it. Nobody is asked for what was sent back later.
///
/// Returns an error if there is no such session with two products or more, or if they hold nothing but purchases: the lines of an order
/// come in no order, and are asked for in protocol `baskets`.
pub fn next_items(history: &History, split: Split, k: usize) -> Result<Task, EvalError> {
    let history = by_id(history, []);
    let cases = cases(&history, |session| session.iter().all(|interaction| split.is_test(interaction.time_s)));
    if !cases.is_empty() && cases.iter().all(|case| case.steps.iter().all(|(_, kind)| *kind == EventKind::Purchase)) {
        let reason = "the events are orders alone, whose lines come in no order; ask protocol baskets".to_owned();
        return Err(EvalError::NoCases { protocol: NAME, reason });
    }
    if cases.is_empty() {
        let reason = "no session after the cut has two products; more events are needed".to_owned();
        return Err(EvalError::NoCases { protocol: NAME, reason });
    }
    Ok(Task { protocol: NAME, train: split.train(&history), cases, k, keeps_seen: true })
}

fn cases(history: &History, is_asked: impl Fn(&[Interaction]) -> bool) -> Vec<Case> {
    let lines = OrderLines::where_refunded(history);
    let mut cases = Vec::new();
    let mut group = 0;
    let sessions = history.sessions().enumerate();
    for (number, session) in sessions.filter(|(_, session)| is_asked(session.interactions)) {
        let steps: Vec<(u32, EventKind)> = session.interactions.iter().map(|step| (step.product, step.kind)).collect();
        let num_before = cases.len();
        let is_wanted = |at: &usize| is_interest(steps[*at].1) && !lines.is_undone(number, &session.interactions[*at]);
        for at in (1..steps.len()).filter(is_wanted) {
            let (target, before) = (steps[at].0, &steps[..at]);
            let wanted = before.iter().filter(|(_, kind)| is_interest(*kind));
            let products: Vec<u32> = wanted.map(|(product, _)| *product).collect();
            // What is in the cart is never shown, so nobody can hit it.
            if !products.is_empty() && !in_cart(before.iter().copied()).contains(&target) {
                let now_s = session.interactions[at - 1].time_s;
                let (steps, targets) = (before.to_vec(), vec![target]);
                cases.push(Case { group, products, steps, bought: Vec::new(), now_s, targets });
            }
        }
        group += u32::from(cases.len() > num_before);
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture;
    use crate::events::{HistoryBuilder, NO_ORDER};

    #[test]
    fn a_session_is_revealed_step_by_step() {
        let (train, test) = (fixture::views(&[&["b", "d"]]), fixture::views(&[&["c", "a", "c"], &["b"]]));
        let task = sessions(&train, &test, 20).unwrap();
        assert_eq!(task.train.products(), ["a", "b", "c", "d"]);
        let asked: Vec<_> = task.cases.iter().map(|case| (case.group, &case.products[..], case.targets[0])).collect();
        assert_eq!(asked, [(0, &[2][..], 0), (0, &[2, 0][..], 2)]);
        assert!(sessions(&train, &fixture::views(&[&["a"]]), 20).is_err());
    }

    #[test]
    fn nobody_is_asked_for_what_is_in_the_cart_or_was_sent_back_and_orders_alone_are_no_sessions() {
        use EventKind::{AddToCart, Purchase, Refund, RemoveFromCart, ViewItem};
        let steps = [
            (0, ViewItem),
            (1, AddToCart),
            (1, ViewItem),
            (1, RemoveFromCart),
            (1, ViewItem),
            (2, Purchase),
            (3, Purchase),
        ];
        let mut builder = HistoryBuilder::default();
        ["a", "b", "c", "d"].iter().for_each(|id| {
            builder.product(id);
        });
        let step = |product, time_s, kind| {
            let order = if matches!(kind, Purchase | Refund) { 5 } else { NO_ORDER };
            Interaction { product, time_s, order, quantity: 1, price: 1.0, kind }
        };
        (0..).zip(steps).for_each(|(at, (product, kind))| builder.push(0, 0, step(product, 100 + at, kind)));
        builder.push(1, 0, step(2, 500, Refund));
        let history = builder.finish();
        let split = Split { cut_s: 50, until_s: u32::MAX };
        let task = next_items(&history, split, 5).unwrap();
        // Once b is in the cart it is not asked for, after it was taken out it is; c was sent back.
        let asked: Vec<_> = task.cases.iter().map(|case| (case.steps.len(), case.targets[0])).collect();
        assert_eq!(asked, [(1, 1), (4, 1), (6, 3)]);
        let orders = fixture::orders(&[&["a", "b"], &["b", "c"], &["a", "c"], &["c", "d"]]);
        let message = next_items(&orders, Split { cut_s: 3 * 86_400, until_s: u32::MAX }, 5).unwrap_err().to_string();
        assert!(message.contains("baskets"), "{message}");
    }

    #[test]
    fn what_comes_after_the_cut_never_changes_what_is_learned_from() {
        let history =
            fixture::views(&[&["a", "b"], &["b", "c"], &["c", "d"], &["d", "a"], &["a", "d", "b"], &["c", "a"]]);
        let split = Split { cut_s: 4 * 86_400, until_s: u32::MAX };
        let whole = next_items(&history, split, 5).unwrap();
        let later_gone = fixture::before(&history, split.cut_s);
        assert_eq!(whole.train, later_gone);
        assert!(whole.cases.iter().all(|case| case.now_s >= split.cut_s));
        assert_eq!(whole.cases.len(), 4);
    }
}
