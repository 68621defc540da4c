//! Lines of orders: what was bought, and how much of it was sent back.

use crate::events::{EventKind, History, Interaction, NO_ORDER, Session};

/// A product of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderLine {
    /// Names the order in its history: [`Interaction::order`], or past those a number for the purchases of a session that are of no order.
    pub order: u64,
    /// The product.
    pub product: u32,
    /// When it was bought first, in seconds since 1970.
    pub time_s: u32,
    /// Pieces that were bought; more than four billion are as good as four billion.
    pub bought: u32,
    /// Pieces of those that were sent back.
    pub returned: u32,
}

impl OrderLine {
    /// Whether anything of it was kept.
    pub fn is_kept(&self) -> bool {
        self.returned < self.bought
    }

    /// The share of its pieces that was sent back, 0 to 1.
    pub fn share_returned(&self) -> f32 {
        self.returned as f32 / self.bought.max(1) as f32
    }

    /// Its order's number in the history; `None` for purchases that are of no order.
    pub fn order_number(&self) -> Option<u32> {
        u32::try_from(self.order).ok()
    }
}

/// Purchases outside of any order count as one order a session; their numbers start here.
const SESSION_ORDERS: u64 = 1 << 32;

/// The lines of all orders of a history, by order and product.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OrderLines(Vec<OrderLine>);

impl OrderLines {
    /// The lines of `history`: of each order, and of a session's purchases without one, each product once. A refund sends pieces of its
    /// order's product back; one that bears no order, or one that the history does not hold, sends nothing back that is here.
    pub fn of(history: &History) -> Self {
        let mut lines = Vec::new();
        for (session, step) in steps(history, EventKind::Purchase) {
            let Interaction { product, time_s, quantity, .. } = *step;
            lines.push(OrderLine { order: key(session, step), product, time_s, bought: quantity, returned: 0 });
        }
        lines.sort_by_key(|line| (line.order, line.product));
        lines.dedup_by(|line, kept| {
            let is_same = (line.order, line.product) == (kept.order, kept.product);
            if is_same {
                kept.bought = kept.bought.saturating_add(line.bought);
                kept.time_s = kept.time_s.min(line.time_s);
            }
            is_same
        });
        let mut lines = Self(lines);
        for (_, refund) in steps(history, EventKind::Refund).filter(|(_, refund)| refund.order != NO_ORDER) {
            if let Some(at) = lines.place(u64::from(refund.order), refund.product) {
                let line = &mut lines.0[at];
                line.returned = line.returned.saturating_add(refund.quantity).min(line.bought);
            }
        }
        lines
    }

    /// As [`OrderLines::of`] where `history` has a refund, or else none: nothing is undone there.
    pub fn where_refunded(history: &History) -> Self {
        if steps(history, EventKind::Refund).next().is_some() { Self::of(history) } else { Self::default() }
    }

    fn place(&self, order: u64, product: u32) -> Option<usize> {
        self.0.binary_search_by_key(&(order, product), |line| (line.order, line.product)).ok()
    }

    /// The line that `step` of session number `session` is of; for a refund the line that it sends back.
    pub fn line(&self, session: usize, step: &Interaction) -> Option<&OrderLine> {
        self.place(key(session, step), step.product).map(|at| &self.0[at])
    }

    /// Whether `step` of session number `session` is a purchase of which nothing was kept.
    pub fn is_undone(&self, session: usize, step: &Interaction) -> bool {
        step.kind == EventKind::Purchase && self.line(session, step).is_some_and(|line| !line.is_kept())
    }

    /// All lines, by order and product, those of which nothing was kept too.
    pub fn all(&self) -> &[OrderLine] {
        &self.0
    }
}

fn key(session: usize, step: &Interaction) -> u64 {
    match step.order {
        NO_ORDER => SESSION_ORDERS + session as u64,
        order => u64::from(order),
    }
}

/// Every step of `kind` with the number of its session.
fn steps(history: &History, kind: EventKind) -> impl Iterator<Item = (usize, &Interaction)> {
    fn numbered((number, session): (usize, Session<'_>)) -> impl Iterator<Item = (usize, &Interaction)> {
        session.interactions.iter().map(move |step| (number, step))
    }
    history.sessions().enumerate().flat_map(numbered).filter(move |(_, step)| step.kind == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behavior::{BehaviorConfig, Trails, popularity, purchases_after_view};
    use crate::events::HistoryBuilder;

    /// A product viewed and another bought in two telling events, 2 and 3 pieces, and `refunds` of it: order and pieces.
    fn history(refunds: &[(u32, u32)]) -> History {
        let mut builder = HistoryBuilder::default();
        let [viewed, bought] = ["viewed", "bought"].map(|id| builder.product(id));
        let step =
            |product, time_s, order, quantity, kind| Interaction { product, time_s, order, quantity, price: 1.0, kind };
        builder.push(0, 0, step(viewed, 10, NO_ORDER, 1, EventKind::ViewItem));
        builder.push(0, 0, step(bought, 20, 4, 2, EventKind::Purchase));
        builder.push(0, 0, step(bought, 30, 4, 3, EventKind::Purchase));
        (1..).zip(refunds).for_each(|(session, &(order, pieces))| {
            builder.push(session, 0, step(bought, 40, order, pieces, EventKind::Refund));
        });
        builder.finish()
    }

    fn returned(refunds: &[(u32, u32)]) -> u32 {
        let history = history(refunds);
        let lines = OrderLines::of(&history);
        let [line] = lines.all() else { panic!("one line") };
        assert_eq!((line.order_number(), line.bought, line.time_s), (Some(4), 5, 20));
        line.returned
    }

    #[test]
    fn a_refund_sends_its_pieces_back_and_never_more_than_were_bought() {
        assert_eq!([returned(&[]), returned(&[(4, 1)]), returned(&[(4, 1), (4, 3)])], [0, 1, 4]);
        assert_eq!(returned(&[(4, 3), (4, 3)]), 5);
        assert_eq!(returned(&[(5, 3), (NO_ORDER, 2)]), 0, "of another order, and of none");
    }

    #[test]
    fn what_was_sent_back_whole_teaches_nothing_and_a_part_takes_its_share() {
        let config = BehaviorConfig { popularity_half_life_days: 0.0, ..BehaviorConfig::default() };
        let learned = |refunds: &[(u32, u32)]| {
            let history = history(refunds);
            let trails = Trails::of(&history, &config.weights);
            let pairs = purchases_after_view(&trails, &config).rows().row(0).len();
            (pairs, popularity(&history, &config)[1].0)
        };
        // Two events that count 3 each.
        assert_eq!((learned(&[]), learned(&[(4, 5)])), ((1, 6.0), (0, 0.0)));
        let (pairs, left) = learned(&[(4, 1)]);
        assert!(pairs == 1 && (left - 6.0 * 4.0 / 5.0).abs() < 1e-5, "{left}");
    }
}
