//! What is served beside a cart, as a ranker: the same answer, by the settings, with tables learned from the training side.

use std::collections::HashMap;

use super::question::{Question, Ranker, Scores};
use crate::behavior::{BehaviorConfig, Learned, ProductFacts};
use crate::catalog::Pairs;
use crate::events::{History, HistoryBuilder, Interaction};
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::{RecommendConfig, goes_with_cart};

/// Ranks as intent `cross_sell` is answered for a cart of the question's products.
pub struct CrossSellRanker<'a> {
    name: &'static str,
    view: &'a View,
    /// `None` for a shop on its first day.
    learned: Option<Learned>,
    pairs: Pairs,
    /// The row of each product of the task, where the catalog has it.
    rows: Vec<Option<RowId>>,
    numbers: HashMap<u32, u32>,
    recommend: &'a RecommendConfig,
    behavior: &'a BehaviorConfig,
    k: usize,
}

impl<'a> CrossSellRanker<'a> {
    /// Learns from `train` for the products of `view`; lists have `k` products.
    pub fn learn(
        train: &History,
        view: &'a View,
        (recommend, behavior): (&'a RecommendConfig, &'a BehaviorConfig),
        k: usize,
    ) -> Self {
        let rows: Vec<Option<RowId>> = train.products().iter().map(|id| view.row(id)).collect();
        let by_row = in_rows(train, view, &rows);
        let learned = Some(Learned::from_history(&by_row, &ProductFacts::default(), behavior));
        let numbers = (0..).zip(&rows).filter_map(|(number, row)| Some((row.as_ref()?.0, number))).collect();
        Self { name: "cross_sell", view, learned, pairs: Pairs::default(), rows, numbers, recommend, behavior, k }
    }

    /// The same without what was learned.
    pub fn on_its_first_day(
        train: &History,
        view: &'a View,
        settings: (&'a RecommendConfig, &'a BehaviorConfig),
        k: usize,
    ) -> Self {
        Self { name: "cross_sell_first_day", learned: None, ..Self::learn(train, view, settings, k) }
    }
}

/// `history` with products numbered by their rows; what the catalog lacks is left out.
fn in_rows(history: &History, view: &View, rows: &[Option<RowId>]) -> History {
    let mut builder = HistoryBuilder::default();
    let products = view.generation().products();
    for row in (0..products.num_rows() as u32).map(RowId) {
        builder.product(products.id(row).unwrap_or_default());
    }
    for (number, session) in history.sessions().enumerate() {
        for interaction in session.interactions {
            if let Some(row) = rows[interaction.product as usize] {
                builder.push(number as u64, session.visitor, Interaction { product: row.0, ..*interaction });
            }
        }
    }
    builder.finish()
}

impl Ranker for CrossSellRanker<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let cart: Vec<RowId> = question.products.iter().filter_map(|&product| self.rows[product as usize]).collect();
        let knowledge = self.learned.as_ref().map(|learned| learned.knowledge(None));
        let settings = (self.recommend, self.behavior);
        // A record that cannot be read gives an empty list, which counts against it.
        let Ok(hits) = goes_with_cart(self.view, knowledge, &self.pairs, &cart, self.k, settings) else { return };
        // By place, so that the list is the one that would be served.
        for (hit, place) in hits.iter().zip(1u32..) {
            self.numbers.get(&hit.row.0).into_iter().for_each(|&number| scores.add(number, 1.0 / place as f32));
        }
    }
}
