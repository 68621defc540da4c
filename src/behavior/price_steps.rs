//! Which price steps shoppers take: what was bought beside what was viewed, as a histogram of price ratios by category.

use super::lines::OrderLines;
use crate::events::{EventKind, History};

/// Bins of a histogram; the first and the last also hold all that lies beyond.
pub const NUM_BINS: usize = 41;
/// Width of a bin in natural logarithm of the price ratio: 10 %. The middle bin holds equal prices.
pub const BIN_WIDTH: f32 = 0.1;

/// Histograms of `ln(price bought / price viewed)`.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceSteps {
    /// Row 0 over all, row `1 + c` for what was viewed in category `c`; [`NUM_BINS`] counts each.
    pub counts: Vec<u32>,
}

/// The bin of a price step; `None` unless both prices are above zero.
pub fn bin(viewed: f32, bought: f32) -> Option<usize> {
    let is_price = |price: f32| price.is_finite() && price > 0.0;
    let middle = (NUM_BINS / 2) as f32;
    (is_price(viewed) && is_price(bought)).then(|| {
        let step = ((bought / viewed).ln() / BIN_WIDTH).round();
        (step + middle).clamp(0.0, NUM_BINS as f32 - 1.0) as usize
    })
}

impl PriceSteps {
    /// Counts each product viewed and other product of its category bought later in the session, once a session and pair: "viewed i,
    /// bought j", unless it was sent back whole. Prices are those of `price_of`, NaN for none; a purchase's own price goes first.
    pub fn count(history: &History, category_of: &[u32], num_categories: usize, price_of: &[f32]) -> Self {
        let mut steps = Self { counts: vec![0; (num_categories + 1) * NUM_BINS] };
        let category = |product: u32| category_of.get(product as usize).copied().unwrap_or(super::NO_CATEGORY);
        let price = |product: u32| price_of.get(product as usize).copied().unwrap_or(f32::NAN);
        let lines = OrderLines::where_refunded(history);
        for (number, session) in history.sessions().enumerate() {
            let mut pairs = Vec::new();
            for (at, bought) in session.interactions.iter().enumerate() {
                if bought.kind != EventKind::Purchase || lines.is_undone(number, bought) {
                    continue;
                }
                let paid = if bought.price > 0.0 { bought.price } else { price(bought.product) };
                let viewed = session.interactions[..at].iter().filter(|step| {
                    matches!(step.kind, EventKind::ViewItem | EventKind::SelectItem)
                        && step.product != bought.product
                        && category(step.product) == category(bought.product)
                });
                pairs.extend(viewed.map(|step| (step.product, bought.product, paid.to_bits())));
            }
            pairs.sort_unstable();
            pairs.dedup_by_key(|&mut (viewed, bought, _)| (viewed, bought));
            for (viewed, _, paid) in pairs {
                steps.add(category(viewed), bin(price(viewed), f32::from_bits(paid)));
            }
        }
        steps
    }

    fn add(&mut self, category: u32, bin: Option<usize>) {
        let Some(bin) = bin else { return };
        self.counts[bin] += 1;
        if let Some(count) =
            self.counts.get_mut((category as usize).saturating_add(1).saturating_mul(NUM_BINS).saturating_add(bin))
        {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{HistoryBuilder, Interaction, NO_ORDER};

    #[test]
    fn a_step_leads_from_what_was_viewed_to_what_was_bought_after_it() {
        let mut builder = HistoryBuilder::default();
        let products = ["viewed", "bought", "viewed after"].map(|id| builder.product(id));
        let kinds = [EventKind::ViewItem, EventKind::Purchase, EventKind::ViewItem];
        for ((product, kind), time_s) in products.into_iter().zip(kinds).zip(1..) {
            let price = f32::NAN;
            builder.push(1, 0, Interaction { product, time_s, order: NO_ORDER, quantity: 1, price, kind });
        }
        let steps = PriceSteps::count(&builder.finish(), &[0; 3], 1, &[10.0, 20.0, 5.0]);
        let counted: Vec<usize> = (0..2 * NUM_BINS).filter(|at| steps.counts[*at] > 0).collect();
        // From 10 to 20 and not back, nor from 5: seven bins above the middle.
        assert_eq!(counted, [27, NUM_BINS + 27]);
    }

    #[test]
    fn a_dearer_product_lies_above_the_middle_and_a_cheaper_one_below() {
        // ln 2 is 0.69, so 7 bins; beyond the ends all is one.
        assert_eq!([bin(10.0, 20.0), bin(20.0, 10.0), bin(10.0, 10.0)], [Some(27), Some(13), Some(20)]);
        assert_eq!([bin(1.0, 1000.0), bin(1000.0, 1.0)], [Some(40), Some(0)]);
        assert_eq!([bin(0.0, 1.0), bin(1.0, f32::NAN), bin(-1.0, 1.0), bin(f32::INFINITY, 1.0)], [None; 4]);
    }
}
