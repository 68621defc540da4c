//! Histories compared with what is written down by hand, and with themselves in another order of arrival.

use proptest::prelude::*;

use super::*;
use crate::catalog::ProductId;
use crate::events::{Event, EventStore, EventsConfig, Ids, Item};

/// A day of 2026, in milliseconds since 1970.
const DAY: i64 = 1_780_000_000_000;
const MINUTE: i64 = 60_000;

#[derive(Debug, Clone, Default)]
struct Told {
    minute: i64,
    visitor: &'static str,
    user: &'static str,
    session: &'static str,
    order: &'static str,
    currency: &'static str,
    items: Vec<(&'static str, u32, Option<u64>)>,
}

fn told(kind: EventKind, told: Told) -> Event {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let item = |(id, quantity, price): &(&str, u32, Option<u64>)| Item {
        product: ProductId::new(*id).unwrap(),
        quantity: *quantity,
        price: *price,
    };
    Event {
        ids: Ids { event: None, visitor: text(told.visitor), user: text(told.user), session: text(told.session) },
        order: text(told.order),
        currency: text(told.currency).map(|code| code.parse().unwrap()),
        items: told.items.iter().map(item).collect(),
        ..Event::new(kind, DAY + told.minute * MINUTE)
    }
}

fn view(visitor: &'static str, minute: i64, product: &'static str) -> Event {
    told(EventKind::ViewItem, Told { minute, visitor, items: vec![(product, 1, None)], ..Told::default() })
}

fn history(events: Vec<Event>) -> History {
    let dir = tempfile::tempdir().unwrap();
    let store = EventStore::open(dir.path(), &EventsConfig::default()).unwrap();
    store.submit(events).unwrap();
    store.history(&HistoryPart::default()).unwrap()
}

/// Sessions as visitor and products.
fn sessions(history: &History) -> Vec<(u32, Vec<&str>)> {
    let id = |line: &Interaction| history.products()[line.product as usize].as_str();
    history.sessions().map(|session| (session.visitor, session.interactions.iter().map(id).collect())).collect()
}

/// Lines as kind, product, order and pieces.
fn pieces(history: &History) -> Vec<(EventKind, &str, u32, u32)> {
    let all = history.sessions().flat_map(|session| session.interactions);
    lines(history).into_iter().zip(all).map(|((kind, id, order), line)| (kind, id, order, line.quantity)).collect()
}

/// Lines as kind, product and order.
fn lines(history: &History) -> Vec<(EventKind, &str, u32)> {
    let line = |line: &Interaction| (line.kind, history.products()[line.product as usize].as_str(), line.order);
    history.sessions().flat_map(|session| session.interactions.iter().map(line)).collect()
}

#[test]
fn sessions_end_by_a_pause_or_by_their_id() {
    let with = |session, minute, product| {
        told(
            EventKind::ViewItem,
            Told { minute, visitor: "v", session, items: vec![(product, 1, None)], ..Told::default() },
        )
    };
    let events = vec![
        view("v", 0, "a"),
        view("v", 30, "b"),
        view("v", 61, "c"),
        with("s", 62, "d"),
        with("s", 300, "e"),
        view("w", 50, "f"),
    ];
    // c and d to e are sessions of the first visitor, numbered as they end.
    let found = history(events);
    assert_eq!(sessions(&found), [(0, vec!["a", "b"]), (1, vec!["f"]), (0, vec!["c"]), (0, vec!["d", "e"])]);
}

#[test]
fn a_sign_in_joins_what_was_done_before_it_and_on_other_devices() {
    let signed = |visitor, minute, product| {
        told(
            EventKind::AddToCart,
            Told { minute, visitor, user: "u", items: vec![(product, 1, None)], ..Told::default() },
        )
    };
    let events = vec![
        view("phone", 0, "a"),
        signed("phone", 5, "b"),
        signed("laptop", 10, "c"),
        view("laptop", 12, "d"),
        view("other", 12, "e"),
    ];
    let found = history(events);
    let mut shoppers: Vec<Vec<&str>> = sessions(&found).into_iter().map(|(_, products)| products).collect();
    shoppers.sort();
    assert_eq!(shoppers, [vec!["a", "b", "c", "d"], vec!["e"]]);
}

#[test]
fn guests_are_told_apart_by_session_order_or_nothing() {
    let bought = |order, minute, product| {
        told(EventKind::Purchase, Told { minute, order, items: vec![(product, 1, None)], ..Told::default() })
    };
    let seen = |session, minute, product| {
        told(EventKind::ViewItem, Told { minute, session, items: vec![(product, 1, None)], ..Told::default() })
    };
    let found = history(vec![
        bought("1", 0, "a"),
        bought("1", 1, "b"),
        bought("2", 2, "c"),
        seen("s", 3, "d"),
        seen("s", 4, "e"),
        seen("", 5, "f"),
    ]);
    let products: Vec<Vec<&str>> = sessions(&found).into_iter().map(|(_, products)| products).collect();
    assert_eq!(products, [vec!["a", "b"], vec!["c"], vec!["d", "e"], vec!["f"]]);
    let mut visitors: Vec<u32> = found.sessions().map(|session| session.visitor).collect();
    visitors.dedup();
    assert_eq!(visitors.len(), 4);
}

#[test]
fn refunds_bear_the_order_that_they_take_back() {
    use EventKind::{Purchase, Refund};
    let sale = |minute, order, items: &[&'static str]| {
        let items = items.iter().map(|id| (*id, 2, None)).collect();
        told(Purchase, Told { minute, visitor: "v", order, items, ..Told::default() })
    };
    let back = |minute, order, items: &[(&'static str, u32)]| {
        let items = items.iter().map(|(id, quantity)| (*id, *quantity, None)).collect();
        told(Refund, Told { minute, visitor: "v", order, items, ..Told::default() })
    };
    let found = history(vec![
        sale(0, "1", &["a", "b"]),
        sale(100, "2", &["a"]),
        // By its own number, as of an order it never was.
        back(200, "C9", &[("a", 1)]),
        back(300, "C10", &[("a", 1)]),
        back(400, "C11", &[("a", 3), ("never", 1)]),
        back(500, "1", &[("b", 1)]),
        back(600, "2", &[]),
    ]);
    let expected = [
        (Purchase, "a", 0, 2),
        (Purchase, "b", 0, 2),
        (Purchase, "a", 1, 2),
        // Order 2 goes back whole by its name, whenever that is told; so what names no order takes from order 1 as much as there is.
        (Refund, "a", 0, 1),
        (Refund, "a", 0, 1),
        (Refund, "a", NO_ORDER, 3),
        (Refund, "never", NO_ORDER, 1),
        (Refund, "b", 0, 1),
        (Refund, "a", 1, 2),
    ];
    assert_eq!(pieces(&found), expected);
}

#[test]
fn a_refund_takes_back_what_is_left_of_its_order_whoever_sends_it_and_whatever_the_number_of_its_events() {
    use EventKind::{Purchase, Refund};
    let sale = |minute, visitor, order, items: &[(&'static str, u32)]| {
        let items = items.iter().map(|(id, quantity)| (*id, *quantity, None)).collect();
        told(Purchase, Told { minute, visitor, order, items, ..Told::default() })
    };
    let back = |minute, visitor, order, items: &[(&'static str, u32)]| {
        let items = items.iter().map(|(id, quantity)| (*id, *quantity, None)).collect();
        told(Refund, Told { minute, visitor, order, items, ..Told::default() })
    };
    let found = history(vec![
        sale(0, "v", "1", &[("a", 2)]),
        sale(10, "v", "1", &[("b", 3)]),
        sale(20, "v", "2", &[("a", 5), ("b", 5)]),
        // The shop's back office knows the order alone.
        back(100, "", "1", &[("a", 1), ("b", 1)]),
        back(200, "", "1", &[]),
        // Nothing is left of it, though the shopper has more of the product from another order.
        back(300, "", "1", &[("a", 1)]),
        back(400, "w", "2", &[("b", 1)]),
    ]);
    let expected = [
        (Purchase, "a", 0, 2),
        (Purchase, "b", 0, 3),
        (Purchase, "a", 1, 5),
        (Purchase, "b", 1, 5),
        (Refund, "a", 0, 1),
        (Refund, "b", 0, 1),
        (Refund, "a", 0, 1),
        (Refund, "b", 0, 2),
        (Refund, "a", NO_ORDER, 1),
        (Refund, "b", 1, 1),
    ];
    assert_eq!(pieces(&found), expected);
    let visitors: Vec<u32> = found.sessions().map(|session| session.visitor).collect();
    assert_eq!(visitors, [0, 0, 0, 0, 1], "the refunds are of who bought");
}

#[test]
fn a_refund_of_an_order_before_the_part_takes_back_no_other() {
    let sale = |minute, order| {
        told(EventKind::Purchase, Told { minute, visitor: "v", order, items: vec![("a", 1, None)], ..Told::default() })
    };
    let back = told(
        EventKind::Refund,
        Told { minute: 20, visitor: "v", order: "1", items: vec![("a", 1, None)], ..Told::default() },
    );
    let dir = tempfile::tempdir().unwrap();
    let store = EventStore::open(dir.path(), &EventsConfig::default()).unwrap();
    store.submit(vec![sale(0, "1"), sale(10, "2"), back]).unwrap();
    let part = HistoryPart { from_ms: Some(DAY + 5 * MINUTE), ..HistoryPart::default() };
    let found = store.history(&part).unwrap();
    assert_eq!(lines(&found), [(EventKind::Purchase, "a", 0), (EventKind::Refund, "a", NO_ORDER)]);
}

#[test]
fn purchases_without_a_number_are_orders_of_their_own() {
    let bought = |minute, products: &[&'static str]| {
        let items = products.iter().map(|id| (*id, 1, Some(12_345))).collect();
        told(EventKind::Purchase, Told { minute, visitor: "v", items, ..Told::default() })
    };
    let found = history(vec![bought(0, &["a", "b"]), bought(1, &["c"]), view("v", 2, "a")]);
    let orders: Vec<u32> = lines(&found).iter().map(|line| line.2).collect();
    assert_eq!(orders, [0, 0, 1, NO_ORDER]);
    assert_eq!(found.session(0).unwrap().interactions[0].price, 1.2345);
}

#[test]
fn prices_in_another_currency_than_most_are_not_compared() {
    let priced = |minute, currency| {
        told(
            EventKind::Purchase,
            Told { minute, visitor: "v", currency, items: vec![("a", 1, Some(10_000))], ..Told::default() },
        )
    };
    let dir = tempfile::tempdir().unwrap();
    let store = EventStore::open(dir.path(), &EventsConfig::default()).unwrap();
    store.submit(vec![priced(0, "EUR"), priced(1, "GBP"), priced(2, "GBP"), priced(3, "")]).unwrap();
    let known = |currency: Option<&str>| -> Vec<bool> {
        let part = HistoryPart { currency: currency.map(|code| code.parse().unwrap()), ..HistoryPart::default() };
        let history = store.history(&part).unwrap();
        history.sessions().flat_map(|session| session.interactions.iter().map(|line| !line.price.is_nan())).collect()
    };
    assert_eq!(known(None), [false, true, true, true]);
    assert_eq!(known(Some("EUR")), [true, false, false, true]);
    assert_eq!(known(Some("JPY")), [false, false, false, true]);
}

#[test]
fn a_part_by_time_is_the_history_of_the_events_in_it() {
    let events: Vec<Event> =
        (0..50).map(|i| view(if i % 2 == 0 { "v" } else { "w" }, i * 7, ["a", "b", "c"][i as usize % 3])).collect();
    let dir = tempfile::tempdir().unwrap();
    let store = EventStore::open(dir.path(), &EventsConfig::default()).unwrap();
    store.submit(events).unwrap();
    let (from_ms, until_ms) = (DAY + 70 * MINUTE, DAY + 140 * MINUTE);
    let part =
        store.history(&HistoryPart { from_ms: Some(from_ms), until_ms: Some(until_ms), currency: None }).unwrap();
    let whole = store.history(&HistoryPart::default()).unwrap();
    let is_in = |line: &Interaction| (from_ms..until_ms).contains(&(i64::from(line.time_s) * 1000));
    assert_eq!(part.num_interactions(), 10);
    assert_eq!(sessions(&part).concat_products(), sessions(&whole.filtered(is_in)).concat_products());
}

trait ConcatProducts {
    fn concat_products(&self) -> Vec<String>;
}

impl ConcatProducts for Vec<(u32, Vec<&str>)> {
    fn concat_products(&self) -> Vec<String> {
        self.iter().flat_map(|(_, products)| products.iter().map(|id| (*id).to_owned())).collect()
    }
}

/// Any event of a small world, so that shoppers, orders and sessions meet often. An order is told in one way alone, and a refund by its id: of
/// two tellings the first counts.
fn any_event() -> impl Strategy<Value = Event> {
    const VISITORS: [&str; 4] = ["", "v1", "v2", "v3"];
    const USERS: [&str; 4] = ["", "", "u1", "u2"];
    const SESSIONS: [&str; 4] = ["", "", "s1", "s2"];
    const ORDERS: [&str; 4] = ["", "o1", "o2", "o3"];
    const PRODUCTS: [&str; 4] = ["a", "b", "c", "d"];
    let kinds =
        prop::sample::select(vec![EventKind::ViewItem, EventKind::AddToCart, EventKind::Purchase, EventKind::Refund]);
    let ids = (0..4usize, 0..4usize, 0..4usize, 0..4usize);
    let items = prop::collection::vec((0..4usize, 1..3u32), 1..3);
    (kinds, ids, 0..600i64, items).prop_map(|(kind, (visitor, user, session, order), minute, items)| {
        let is_sale = matches!(kind, EventKind::Purchase | EventKind::Refund);
        let order = if is_sale { order } else { 0 };
        let mut event = told(
            kind,
            Told {
                minute,
                visitor: VISITORS[visitor],
                user: USERS[user],
                session: SESSIONS[session],
                order: ORDERS[order],
                items: items.into_iter().map(|(product, quantity)| (PRODUCTS[product], quantity, None)).collect(),
                ..Told::default()
            },
        );
        if kind == EventKind::Refund {
            event.ids.event = Some(format!("{event:?}"));
        } else if order > 0 {
            let items = (0..order).map(|product| (PRODUCTS[product], 2, None)).collect();
            let minute = 100 * order as i64;
            event =
                told(kind, Told { minute, visitor: VISITORS[order], order: ORDERS[order], items, ..Told::default() });
        }
        event
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_piece_is_taken_back_twice_and_none_that_was_not_sold(events in prop::collection::vec(any_event(), 1..40)) {
        let mut taken = 0;
        let found = history(events.clone());
        let mut left: std::collections::BTreeMap<(u32, &str), i64> = std::collections::BTreeMap::new();
        for (kind, id, order, quantity) in pieces(&found) {
            if kind == EventKind::Purchase {
                *left.entry((order, id)).or_default() += i64::from(quantity);
            }
        }
        for (_, id, order, quantity) in pieces(&found).into_iter().filter(|line| line.0 == EventKind::Refund) {
            taken += quantity;
            if order != NO_ORDER {
                *left.entry((order, id)).or_default() -= i64::from(quantity);
            }
        }
        prop_assert!(left.values().all(|pieces| *pieces >= 0), "{left:?}");
        // Cut into parts, but not one piece more or fewer than was told.
        let mut seen = std::collections::HashSet::new();
        let refunds = events.iter().filter(|event| event.kind == EventKind::Refund && seen.insert(format!("{event:?}")));
        let expected: u32 = refunds.flat_map(|event| &event.items).map(|item| item.quantity).sum();
        prop_assert_eq!(taken, expected);
    }

    #[test]
    fn the_order_of_arrival_does_not_matter(
        (events, shuffled) in prop::collection::vec(any_event(), 1..40).prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        cut in 0..40usize,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = EventStore::open(dir.path(), &EventsConfig::default()).unwrap();
        store.submit(events).unwrap();
        let first = store.history(&HistoryPart::default()).unwrap();
        drop(store);
        std::fs::remove_file(dir.path().join(crate::events::EVENTS_FILE)).unwrap();
        // The same key, so that shoppers have the same hashes; in two requests, some events twice.
        let store = EventStore::open(dir.path(), &EventsConfig::default()).unwrap();
        let (head, tail) = shuffled.split_at(cut.min(shuffled.len()));
        store.submit(tail.to_vec()).unwrap();
        store.submit(shuffled.clone()).unwrap();
        store.submit(head.to_vec()).unwrap();
        let second = store.history(&HistoryPart::default()).unwrap();
        prop_assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }
}

#[test]
fn the_key_that_hides_shoppers_changes_nothing() {
    let shoppers = ["u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"];
    let products = ["a", "b", "c", "d", "e"];
    let mut events = Vec::new();
    // Everything at the same few minutes: orders, and refunds that name none.
    for (at, user) in shoppers.iter().enumerate() {
        for round in 0..6 {
            let items =
                vec![(products[(at + round) % 5], 1, Some(100)), (products[(at * round + 1) % 5], 2, Some(250))];
            let kind = if round % 3 == 2 { EventKind::Refund } else { EventKind::Purchase };
            events.push(told(kind, Told { minute: round as i64 / 2, user, items, ..Told::default() }));
        }
    }
    let first = history(events.clone());
    assert!(first.num_interactions() > 60);
    for _ in 0..5 {
        assert!(history(events.clone()) == first, "another history by another key");
    }
}
