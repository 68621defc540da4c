//! What shoppers bought and kept, compared with what is written down by hand and with the reading of one shopper.

use super::*;
use crate::events::EventsConfig;
use crate::events::fixture::{DAY, HOUR, told};

/// Product and hour of each line.
fn lines(purchases: &[Purchased]) -> Vec<(&str, i64)> {
    let hour = |line: &Purchased| (i64::from(line.time_s) * 1000 - DAY) / HOUR;
    purchases.iter().map(|line| (line.product.as_str(), hour(line))).collect()
}

#[test]
fn what_is_said_of_a_shopper_is_said_of_all_purchases_of_one_who_buys_for_a_shop() {
    let dir = tempfile::tempdir().unwrap();
    let store = EventStore::open(dir.path(), &EventsConfig::default()).unwrap();
    let num_orders = 400;
    let items = [("always", 1), ("too", 1)];
    let order = |at| told(EventKind::Purchase, ("v", ""), at, &format!("o{at}"), &items);
    store.submit((0..num_orders).map(order).collect()).unwrap();
    let all = store.purchases(&Buyer::Visitor("v".into())).unwrap();
    assert_eq!(all.len(), 2 * num_orders as usize);
    assert_eq!((lines(&all)[0].1, lines(&all)[all.len() - 1].1), (0, num_orders - 1));
}

#[test]
fn purchases_are_those_kept_oldest_first_and_everybodys_reading_agrees_with_each_ones_own() {
    use EventKind::{Purchase, Refund, ViewItem};
    let dir = tempfile::tempdir().unwrap();
    let store = EventStore::open(dir.path(), &EventsConfig::default()).unwrap();
    assert!(
        store.purchases(&Buyer::User("v".into())).unwrap().is_empty() && store.shoppers().unwrap().numbers().is_empty()
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "asking makes nothing");
    let events = vec![
        told(ViewItem, ("v", "u"), 0, "", &[("seen", 1)]),
        told(Purchase, ("v", ""), 2, "o1", &[("a", 2), ("b", 1)]),
        told(Purchase, ("", "u"), 30, "o2", &[("a", 1), ("c", 1)]),
        told(Purchase, ("w", ""), 4, "o3", &[("a", 1)]),
        told(Purchase, ("", ""), 5, "o4", &[("a", 1)]),
        told(Refund, ("", ""), 50, "o2", &[("c", 1)]),
        told(Refund, ("", ""), 50, "o1", &[("a", 1)]),
    ];
    store.submit(events).unwrap();
    let own = store.purchases(&Buyer::User("v".into())).unwrap();
    assert_eq!(lines(&own), [("a", 2), ("b", 2), ("a", 30)]);
    assert_eq!((own[0].order == own[1].order, own[0].order == own[2].order), (true, false));
    // Of a device alone, whoever signed in there.
    assert_eq!(lines(&store.purchases(&Buyer::Visitor("v".into())).unwrap()), [("a", 2), ("b", 2)]);
    let all = store.shoppers().unwrap();
    // Who bought under an order's number alone cannot be met again.
    assert_eq!(all.numbers().len(), 2);
    for id in ["v", "u", "w"] {
        let number = all.number_of(id).unwrap();
        assert_eq!(
            lines(&all.purchases(number)),
            lines(&store.purchases(&Buyer::User(id.to_owned())).unwrap()),
            "{id}"
        );
    }
    assert_eq!(all.number_of("v"), all.number_of("u"));
    assert_eq!((all.number_of("nobody"), all.number_of("o4")), (None, None));
    let keys: HashSet<String> = all.numbers().into_iter().map(|number| all.key(number)).collect();
    assert!(keys.len() == 2 && keys.iter().all(|key| key.len() == 16), "{keys:?}");
}
