//! Small histories for tests.

use crate::events::{EventKind, History, HistoryBuilder, Interaction, NO_ORDER};

const DAY_S: u32 = 86_400;

/// One session a day of views, a minute apart; products are numbered by id.
pub(super) fn views(sessions: &[&[&str]]) -> History {
    history(sessions, |_| (EventKind::ViewItem, NO_ORDER))
}

/// One order a day, its lines in one second; products are numbered by id.
pub(super) fn orders(orders: &[&[&str]]) -> History {
    history(orders, |order| (EventKind::Purchase, order))
}

fn history(sessions: &[&[&str]], kind_of: impl Fn(u32) -> (EventKind, u32)) -> History {
    let mut builder = HistoryBuilder::default();
    for (number, products) in sessions.iter().enumerate() {
        let (kind, order) = kind_of(number as u32);
        for (at, id) in products.iter().enumerate() {
            let product = builder.product(id);
            let minutes = if order == NO_ORDER { at as u32 } else { 0 };
            let time_s = (1 + number as u32) * DAY_S + 60 * minutes;
            builder.push(
                number as u64,
                number as u32,
                Interaction { product, time_s, order, quantity: 1, price: 1.0, kind },
            );
        }
    }
    super::task::by_id(&builder.finish(), [])
}

/// `history` as it would be had nothing ever happened from `cut_s` on: built afresh from the interactions before it.
pub(super) fn before(history: &History, cut_s: u32) -> History {
    let mut builder = HistoryBuilder::default();
    history.products().iter().for_each(|id| {
        builder.product(id);
    });
    for (number, session) in history.sessions().enumerate() {
        let kept = session.interactions.iter().filter(|interaction| interaction.time_s < cut_s);
        kept.for_each(|interaction| builder.push(number as u64, session.visitor, *interaction));
    }
    builder.finish()
}
