//! What a shopper bought, compared with what is written down by hand and with a count over the whole history.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::events::fixture::told;
use crate::events::{EventsConfig, HistoryPart};

fn opened(folder: &Path) -> EventStore {
    EventStore::open(folder, &EventsConfig::default()).unwrap()
}

fn bought(store: &EventStore, id: &str) -> Vec<(String, u32)> {
    of(store, &Buyer::User(id.to_owned()))
}

fn of(store: &EventStore, buyer: &Buyer) -> Vec<(String, u32)> {
    store.bought(buyer).unwrap().into_iter().map(|bought| (bought.product, bought.num_orders)).collect()
}

fn named(products: &[(&str, u32)]) -> Vec<(String, u32)> {
    products.iter().map(|(product, num_orders)| ((*product).to_owned(), *num_orders)).collect()
}

#[test]
fn orders_with_a_product_are_counted_and_what_was_sent_back_whole_is_not() {
    use EventKind::{Purchase, Refund, ViewItem};
    let (dir, v) = (tempfile::tempdir().unwrap(), ("v", ""));
    let store = opened(dir.path());
    assert_eq!(bought(&store, "v"), []);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "asking makes nothing");
    let events = vec![
        told(ViewItem, v, 0, "", &[("seen", 1)]),
        told(Purchase, v, 1, "o1", &[("a", 2), ("b", 1)]),
        told(Purchase, v, 2, "o2", &[("a", 1), ("c", 1), ("d", 1)]),
        told(Purchase, v, 3, "o3", &[("a", 1), ("e", 2)]),
        told(Purchase, v, 4, "", &[("b", 1)]),
        told(Purchase, ("w", ""), 4, "o4", &[("a", 1)]),
        // The shop's own refund of c, a part of e, and one of the shopper's without an order: the latest b, which leaves that of o1.
        told(Refund, ("", ""), 5, "o2", &[("c", 1)]),
        told(Refund, v, 5, "o3", &[("e", 1)]),
        told(Refund, v, 6, "", &[("b", 1)]),
    ];
    store.submit(events).unwrap();
    assert_eq!(bought(&store, "v"), named(&[("a", 3), ("b", 1), ("d", 1), ("e", 1)]));
    assert_eq!((bought(&store, "w"), bought(&store, "nobody")), (named(&[("a", 1)]), Vec::new()));
}

#[test]
fn a_user_bought_on_every_device_a_visitor_on_its_own_and_an_erased_shopper_nothing_at_once() {
    use EventKind::{Purchase, ViewItem};
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let events = vec![
        told(Purchase, ("phone", ""), 1, "o1", &[("a", 1)]),
        told(ViewItem, ("phone", "anna"), 2, "", &[("a", 1)]),
        told(Purchase, ("desk", "anna"), 3, "o2", &[("a", 1), ("b", 1)]),
        // Ben on Anna's phone: his where he signs in, hers where nobody does.
        told(Purchase, ("phone", "ben"), 4, "o3", &[("c", 1)]),
        told(Purchase, ("phone", ""), 5, "o4", &[("d", 1)]),
    ];
    store.submit(events).unwrap();
    let annas = named(&[("a", 2), ("b", 1), ("d", 1)]);
    assert_eq!(bought(&store, "anna"), annas);
    assert_eq!(bought(&store, "ben"), named(&[("c", 1)]));
    // Who does not sign in may be anybody: nothing of Anna's desk is on the phone, nor of her phone at the desk.
    assert_eq!(of(&store, &Buyer::Visitor("phone".into())), named(&[("a", 1), ("c", 1), ("d", 1)]));
    assert_eq!(of(&store, &Buyer::Visitor("desk".into())), named(&[("a", 1), ("b", 1)]));
    assert_eq!(of(&store, &Buyer::Visitor("anna".into())), []);
    store.erase("anna").unwrap();
    assert_eq!((bought(&store, "anna"), bought(&store, "desk")), (Vec::new(), Vec::new()));
    assert_eq!(bought(&store, "ben"), named(&[("c", 1)]));
}

#[test]
fn reading_waits_for_no_writer_and_makes_way_for_an_erasure() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    store.submit(vec![told(EventKind::Purchase, ("v", ""), 1, "o1", &[("a", 1)])]).unwrap();
    {
        let mut file = store.shared.file();
        let _writing = file.as_mut().unwrap().begin().unwrap();
        assert_eq!(bought(&store, "v"), named(&[("a", 1)]));
    }
    let alone = store.shared.without_readers();
    assert_eq!(bought(&store, "v"), []);
    drop(alone);
    assert_eq!(bought(&store, "v"), named(&[("a", 1)]));
}

#[test]
fn only_the_newest_lines_count() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let num_orders = MAX_BOUGHT_LINES as i64 / 2 + 50;
    let order = |at| {
        let once = format!("p{at}");
        told(EventKind::Purchase, ("v", ""), at, &format!("o{at}"), &[("always", 1), (&once, 1)])
    };
    store.submit((0..num_orders).map(order).collect()).unwrap();
    let found = bought(&store, "v");
    assert_eq!(found[0], ("always".to_owned(), MAX_BOUGHT_LINES as u32 / 2));
    assert_eq!(found.len(), 1 + MAX_BOUGHT_LINES / 2);
    assert!(!found.contains(&("p49".to_owned(), 1)) && found.contains(&("p50".to_owned(), 1)));
}

#[test]
fn what_is_read_of_one_shopper_is_what_the_whole_history_tells_of_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let visitors = ["v0", "v1", "v2", "v3", "v4"];
    // Two of the visitors are one user, who sometimes signs in.
    let user = |visitor: usize, at: usize| if visitor < 2 && at.is_multiple_of(3) { "u" } else { "" };
    let mut events = Vec::new();
    for at in 0..200 {
        let (visitor, hour) = ((at * 7 + at / 11) % 5, at as i64);
        let who = (visitors[visitor], user(visitor, at));
        let [first, second] = [at * 13 % 17, at * 5 % 17 + 17].map(|product| format!("p{product}"));
        events.push(told(
            EventKind::Purchase,
            who,
            hour,
            &format!("o{at}"),
            &[(&first, 1 + at as u32 % 2), (&second, 1)],
        ));
        if at % 4 == 0 {
            let of = at.saturating_sub(at % 9);
            let order = if at % 8 == 0 { format!("o{of}") } else { String::new() };
            events.push(told(EventKind::Refund, who, hour + 1, &order, &[(&format!("p{}", of * 13 % 17), 1)]));
        }
    }
    store.submit(events).unwrap();
    let history = store.history(&HistoryPart::default()).unwrap();
    let ids = history.products();
    let all = bought_by_shopper(&history).into_values();
    let expected: BTreeSet<BTreeSet<(String, u32)>> = all
        .map(|bought| bought.iter().map(|&(product, num_orders)| (ids[product as usize].clone(), num_orders)).collect())
        .collect();
    let found: BTreeSet<BTreeSet<(String, u32)>> =
        ["u", "v2", "v3", "v4"].map(|id| bought(&store, id).into_iter().collect()).into();
    assert_eq!(found, expected);
    assert_eq!((found.len(), bought(&store, "v1")), (4, bought(&store, "u")));
}
