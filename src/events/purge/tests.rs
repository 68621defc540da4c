//! Each kind is forgotten at its age, an order with its refunds, and nothing by a clock that may be wrong.

use std::path::Path;

use super::*;
use crate::catalog::ProductId;
use crate::events::{Buyer, Event, EventsConfig, Ids, Item};

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn event(visitor: &str, product: &str, time_ms: i64) -> Event {
    let item = Item { product: ProductId::new(product).unwrap(), quantity: 1, price: None };
    let ids = Ids { visitor: Some(visitor.into()), ..Ids::default() };
    Event { ids, items: vec![item], ..Event::new(EventKind::ViewItem, time_ms) }
}

fn opened(folder: &Path) -> EventStore {
    EventStore::open(folder, &EventsConfig::default()).unwrap()
}

#[test]
fn retention_forgets_each_kind_at_its_age_and_no_byte_of_it_stays_in_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = EventsConfig::default();
    config.retention_days.view_item = 10;
    config.retention_days.purchase = 100;
    let store = EventStore::open(dir.path(), &config).unwrap();
    let aged = |visitor: &str, kind, days: i64| Event { kind, ..event(visitor, "a", now() - days * DAY_MS) };
    let events =
        [("old", EventKind::ViewItem, 11), ("young", EventKind::ViewItem, 9), ("buyer", EventKind::Purchase, 50)];
    store.submit(events.map(|(visitor, kind, days)| aged(visitor, kind, days)).to_vec()).unwrap();
    assert_eq!(store.purge(now()).unwrap(), 1);
    assert_eq!(["old", "young", "buyer"].map(|id| store.export(id).unwrap().len()), [0, 1, 1]);
    assert_eq!(store.purge_anyway(now() + 60 * DAY_MS).unwrap(), 2);
    assert_eq!(store.purge(now() + 60 * DAY_MS).unwrap(), 0);
}

#[test]
fn a_refund_goes_with_its_order_and_takes_back_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = EventsConfig::default();
    config.retention_days.purchase = 30;
    let store = EventStore::open(dir.path(), &config).unwrap();
    let sale = |kind, order: &str, product: &str, days: i64| Event {
        kind,
        order: Some(order.to_owned()),
        ..event("v", product, now() - days * DAY_MS)
    };
    use EventKind::{Purchase, Refund};
    let told = [sale(Purchase, "A", "a", 40), sale(Purchase, "B", "a", 20), sale(Refund, "A", "a", 10)];
    store.submit(told.to_vec()).unwrap();
    // Of this order a part is kept, and with it its refund.
    store.submit(vec![sale(Purchase, "C", "c", 40), sale(Purchase, "C", "d", 20), sale(Refund, "C", "d", 10)]).unwrap();
    assert_eq!(store.purge(now()).unwrap(), 3);
    let bought: Vec<_> = store
        .bought(&Buyer::User("v".to_owned()))
        .unwrap()
        .into_iter()
        .map(|bought| (bought.product, bought.num_orders))
        .collect();
    assert_eq!(bought, [("a".to_owned(), 1)]);
    assert_eq!(store.export("v").unwrap().len(), 3);
}

#[test]
fn a_clock_that_jumps_ahead_forgets_nothing_until_a_person_says_that_it_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    store.submit(vec![event("v", "a", now() - DAY_MS)]).unwrap();
    assert_eq!(store.purge(now()).unwrap(), 0);
    let ahead = now() + 500 * DAY_MS;
    // What was told by the wrong clock does not vouch for it, nor does asking again, nor a restart.
    store.submit(vec![event("w", "b", ahead)]).unwrap();
    for _ in 0..2 {
        assert!(matches!(store.purge(ahead), Err(EventError::ClockJump { days: 499..=500, .. })));
    }
    drop(store);
    let store = opened(dir.path());
    assert!(store.purge(ahead).unwrap_err().to_string().contains("--force"));
    // Nothing is old yet: there is nothing to refuse.
    assert_eq!((store.purge(now() + 60 * DAY_MS).unwrap(), store.purge(now()).unwrap()), (0, 0));
    assert_eq!(store.export("v").unwrap().len(), 1);
    // Day by day the clock may go on for years.
    assert_eq!((1..=14).map(|step| store.purge(now() + step * 29 * DAY_MS).unwrap()).sum::<u64>(), 1);
    assert_eq!(store.purge_anyway(ahead + 401 * DAY_MS).unwrap(), 1);
}
