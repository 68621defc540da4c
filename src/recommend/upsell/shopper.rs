//! What a session says of its shopper: the price level it moves on, and how interested it is in something better.

use super::settings::UpsellConfig;
use crate::events::EventKind;
use crate::live::View;
use crate::rank::RowId;

/// Steps that the anchor's own price level counts as much as.
const PRIOR_STEPS: f32 = 3.0;
/// What a step counts less than the one after it.
const FADE: f32 = 0.9;

/// The price level of a session, 0 to 1: the mean position of its products' prices in their categories, newer and stronger steps counting
/// more, shrunk to the anchor's.
pub(super) fn price_level(view: &View, steps: &[(RowId, EventKind)], anchor: f32) -> f32 {
    let counted = steps.iter().rev().map(|&(row, kind)| (row, weight(kind))).filter(|(_, weight)| *weight > 0.0);
    level(counted.filter_map(|(row, weight)| Some((view.price_position(row, &view.attributes(row))?, weight))), anchor)
}

/// The mean of `positions` with their weights, newest first, shrunk to the anchor's.
fn level(positions: impl Iterator<Item = (f32, f32)>, anchor: f32) -> f32 {
    let (mut sum, mut weights, mut fade) = (PRIOR_STEPS * anchor, PRIOR_STEPS, 1.0);
    for (position, weight) in positions {
        sum += fade * weight * position;
        weights += fade * weight;
        fade *= FADE;
    }
    sum / weights
}

/// A view 1, a cart 2, a purchase 4.
fn weight(kind: EventKind) -> f32 {
    match kind {
        EventKind::ViewItem | EventKind::SelectItem | EventKind::AddToWishlist => 1.0,
        EventKind::AddToCart | EventKind::BeginCheckout => 2.0,
        EventKind::Purchase => 4.0,
        _ => 0.0,
    }
}

/// The most products for a session, by its signs of interest: two or more other products of the anchor's category viewed, a long look at
/// the anchor, a product looked at twice or compared. `None` where nothing is known of the session.
pub(super) fn most_shown(
    view: &View,
    anchor: RowId,
    steps: &[(RowId, EventKind)],
    looked_s: Option<f64>,
    is_comparing: bool,
    config: &UpsellConfig,
) -> Option<usize> {
    if steps.is_empty() && looked_s.is_none() && !is_comparing {
        return None;
    }
    let views = || steps.iter().filter(|(_, kind)| matches!(kind, EventKind::ViewItem | EventKind::SelectItem));
    let leaf = view.leaf(anchor);
    let mut alike: Vec<RowId> =
        views().map(|(row, _)| *row).filter(|&row| row != anchor && view.leaf(row) == leaf).collect();
    let num_viewed = alike.len();
    alike.sort_unstable();
    alike.dedup();
    let looks_again = alike.len() < num_viewed || views().filter(|(row, _)| *row == anchor).count() > 1;
    let signs =
        [alike.len() >= 2, looked_s.is_some_and(|seconds| seconds >= config.long_look_s), looks_again || is_comparing];
    let num_signs = signs.iter().filter(|sign| **sign).count();
    Some(config.shown[num_signs.min(2)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(positions: &[(f32, EventKind)], anchor: f32) -> f32 {
        level(positions.iter().map(|&(position, kind)| (position, weight(kind))), anchor)
    }

    #[test]
    fn a_session_moves_the_price_level_from_the_anchors_towards_what_it_looks_at() {
        use EventKind::{AddToCart, Purchase, ViewItem};
        assert_eq!(of(&[], 0.4), 0.4);
        // (3 * 0.4 + 1 * 1.0) / 4, and with a second view that counts 0.9: (3 * 0.4 + 1.0 + 0.9 * 0.2) / 4.9.
        assert!((of(&[(1.0, ViewItem)], 0.4) - 0.55).abs() < 1e-6);
        assert!((of(&[(1.0, ViewItem), (0.2, ViewItem)], 0.4) - 2.38 / 4.9).abs() < 1e-6);
        let newest_dear = of(&[(1.0, ViewItem), (0.0, ViewItem)], 0.5);
        let newest_cheap = of(&[(0.0, ViewItem), (1.0, ViewItem)], 0.5);
        assert!(newest_dear > 0.5 && newest_cheap < 0.5, "{newest_dear} {newest_cheap}");
        let by_kind = [ViewItem, AddToCart, Purchase].map(|kind| of(&[(1.0, kind)], 0.0));
        assert!(by_kind.is_sorted() && by_kind[0] < by_kind[2], "{by_kind:?}");
        assert_eq!(by_kind, [1.0 / 4.0, 2.0 / 5.0, 4.0 / 7.0]);
    }
}
