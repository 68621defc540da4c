//! The evidence ladder: products are held out of the training orders and given back their first n, for growing n, so that the same
//! questions show what each method makes of more and more evidence.

use std::collections::HashSet;

use super::cold::{pairs, rest_of};
use super::orders::{asked_orders, orders};
use crate::eval::error::EvalError;
use crate::eval::random::Random;
use crate::eval::report::Report;
use crate::eval::task::{Case, Split, Task, by_id};
use crate::events::{History, Interaction};
use serde::Serialize;

/// The protocol's name.
const NAME: &str = "ladder";

/// How many orders the held-out products are given back on each rung.
pub const RUNGS: [u32; 8] = [0, 1, 2, 5, 10, 20, 50, 100];

/// How the ladder is climbed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LadderSettings {
    /// What is learned from and what is asked about.
    pub split: Split,
    /// Length of the lists.
    pub k: usize,
    /// Draws the products and the pairs.
    pub seed: u64,
    /// Most pairs of an order and a held-out product in it.
    pub max_pairs: usize,
    /// Orders of more products are not asked about: wholesale.
    pub max_products: usize,
    /// Share of the products with enough orders for the highest rung that is held out, 0 to 1.
    pub share: f64,
}

/// The measurement on one rung.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rung {
    /// Orders that each held-out product was given back.
    pub orders: u32,
    /// What the methods came to.
    pub report: Report,
}

/// Held-out products and the questions about them.
pub struct Ladder {
    history: History,
    settings: LadderSettings,
    held_out: Vec<u32>,
    /// Training orders of each held-out product, oldest first.
    kept: Vec<(u32, Vec<u32>)>,
    cases: Vec<Case>,
}

impl Ladder {
    /// Draws the products to hold out: a share of those with orders enough for the highest rung before the cut. Each later order that is asked
    /// about with one of them asks for the rest of the order by that product.
    ///
    /// Returns an error if there is none, or no order to ask about.
    pub fn new<'a>(
        history: &'a History,
        more_products: impl IntoIterator<Item = &'a str>,
        settings: LadderSettings,
    ) -> Result<Self, EvalError> {
        let history = by_id(history, more_products);
        let mut random = Random::new(settings.seed, 0);
        let kept = held_out(&history, settings, &mut random);
        let held_out: Vec<u32> = kept.iter().map(|(product, _)| *product).collect();
        let asked = asked_orders(&history, settings.split, settings.max_products);
        let is_held_out = |product: u32| held_out.binary_search(&product).is_ok();
        let pairs = pairs(&asked, is_held_out, settings.max_pairs, &mut random);
        let case = |(group, product): (usize, u32)| Case {
            group: group as u32,
            products: vec![product],
            steps: Vec::new(),
            bought: Vec::new(),
            now_s: asked[group].time_s,
            targets: rest_of(&asked[group], product),
        };
        let cases: Vec<Case> = pairs.into_iter().map(case).collect();
        if cases.is_empty() {
            let most = RUNGS[RUNGS.len() - 1];
            let reason = format!("no product has {most} orders before the cut and one after it");
            return Err(EvalError::NoCases { protocol: NAME, reason });
        }
        Ok(Self { history, settings, held_out, kept, cases })
    }

    /// How many products are held out.
    pub fn num_held_out(&self) -> usize {
        self.held_out.len()
    }

    /// The task of one rung: the held-out products have their first `num_orders` orders, all others theirs.
    pub fn task(&self, num_orders: u32) -> Task {
        let first = |(product, orders): &(u32, Vec<u32>)| {
            let (product, kept) = (*product, (num_orders as usize).min(orders.len()));
            orders[..kept].iter().map(move |order| (product, *order)).collect::<Vec<_>>()
        };
        let given_back: HashSet<(u32, u32)> = self.kept.iter().flat_map(first).collect();
        let is_kept = |line: &Interaction| {
            self.settings.split.is_train(line.time_s)
                && (self.held_out.binary_search(&line.product).is_err()
                    || given_back.contains(&(line.product, line.order)))
        };
        Task {
            protocol: NAME,
            train: self.history.filtered(is_kept),
            cases: self.cases.clone(),
            k: self.settings.k,
            keeps_seen: false,
        }
    }
}

/// The drawn products by number, each with its training orders, oldest first.
fn held_out(history: &History, settings: LadderSettings, random: &mut Random) -> Vec<(u32, Vec<u32>)> {
    let mut orders_of: Vec<Vec<u32>> = vec![Vec::new(); history.products().len()];
    for order in orders(history).iter().filter(|order| settings.split.is_train(order.time_s)) {
        order.products.iter().for_each(|product| orders_of[*product as usize].push(order.number));
    }
    let enough = RUNGS[RUNGS.len() - 1] as usize;
    let eligible: Vec<u32> =
        (0..orders_of.len() as u32).filter(|product| orders_of[*product as usize].len() >= enough).collect();
    let mut drawn = random.sample(&eligible, (eligible.len() as f64 * settings.share).ceil() as usize);
    drawn.sort_unstable();
    drawn.into_iter().map(|product| (product, std::mem::take(&mut orders_of[product as usize]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture;
    use crate::eval::slices::evidence;

    #[test]
    fn each_rung_gives_back_the_first_orders_and_nothing_else_changes() {
        let mut sessions: Vec<&[&str]> = vec![&["a", "b"]; 60];
        sessions.extend(vec![&["a", "c"][..]; 60]);
        sessions.extend(vec![&["b", "c"][..]; 60]);
        sessions.extend(vec![&["a", "b", "c"][..]; 10]);
        let history = fixture::orders(&sessions);
        let split = Split { cut_s: 181 * 86_400, until_s: u32::MAX };
        let settings = LadderSettings { split, k: 5, seed: 4, max_pairs: 100, max_products: 50, share: 0.15 };
        let ladder = Ladder::new(&history, [], settings).unwrap();
        assert_eq!((ladder.num_held_out(), ladder.cases.len()), (1, 10));
        let product = ladder.held_out[0] as usize;
        let whole = evidence(&split.train(&history));
        for orders in RUNGS {
            let task = ladder.task(orders);
            let found = evidence(&task.train);
            assert_eq!(found[product], orders);
            (0..3).filter(|other| *other != product).for_each(|other| assert_eq!(found[other], whole[other]));
            assert!(task.train.sessions().all(|session| session.last_s() < split.cut_s));
        }
        // The first orders, not any: the last one given back is the tenth that there was.
        let times: Vec<u32> = ladder
            .task(10)
            .train
            .sessions()
            .flat_map(|s| s.interactions.to_vec())
            .filter(|line| line.product as usize == product)
            .map(|line| line.time_s)
            .collect();
        let mut all: Vec<u32> = history
            .sessions()
            .flat_map(|s| s.interactions.to_vec())
            .filter(|line| line.product as usize == product)
            .map(|line| line.time_s)
            .collect();
        all.sort_unstable();
        assert_eq!(times, all[..10]);
    }
}
