//! What is popular: decayed sums of weighted events, over all and by category.

use super::lines::OrderLines;
use super::related::{Related, RelatedTable, keep_best};
use super::settings::{BehaviorConfig, decay};
use crate::events::{EventKind, History};

/// Each product's popularity: the sum of its events' weights, halved by every `popularity_half_life_days` before the [`History::now_s`]; nothing is
/// below 0. To a purchase of which a share was sent back `weights.refund` is added by that share; a refund is no event of its own. With it
/// the number of events that count for the product.
pub fn popularity(history: &History, config: &BehaviorConfig) -> Vec<(f32, u32)> {
    let now_s = history.now_s();
    let lines = OrderLines::where_refunded(history);
    let mut sums = vec![(0f64, 0u32); history.products().len()];
    for (number, session) in history.sessions().enumerate() {
        for step in session.interactions {
            let line = lines.line(number, step);
            let weight = match (step.kind, line) {
                (EventKind::Refund, _) => continue,
                (EventKind::Purchase, Some(line)) => {
                    config.weights.purchase + config.weights.refund * line.share_returned()
                }
                (kind, _) => config.weights.of(kind),
            };
            let (sum, count) = &mut sums[step.product as usize];
            let age_s = now_s.saturating_sub(step.time_s);
            *sum += f64::from(weight * decay(age_s, config.popularity_half_life_days));
            *count += u32::from(weight > 0.0);
        }
    }
    sums.into_iter().map(|(sum, count)| (sum.max(0.0) as f32, count)).collect()
}

/// Products by popularity: row 0 over all, row `1 + c` inside category `c`; `limit` a row, what has none left out.
pub fn most_popular(
    popularity: &[(f32, u32)],
    category_of: &[u32],
    num_categories: usize,
    limit: usize,
) -> RelatedTable {
    let mut rows = vec![Vec::new(); num_categories + 1];
    for (product, &(score, evidence)) in popularity.iter().enumerate().filter(|(_, (score, _))| *score > 0.0) {
        let entry = Related { product: product as u32, score, evidence };
        rows[0].push(entry);
        let category = category_of.get(product).map_or(usize::MAX, |&category| category as usize);
        if category < num_categories {
            rows[category + 1].push(entry);
        }
    }
    rows.iter_mut().for_each(|row| keep_best(row, limit));
    RelatedTable::from_rows(rows)
}
