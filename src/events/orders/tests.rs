//! Orders told many times, compared with a model that only knows the fullest telling of each.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use crate::catalog::{ProductId, RecordForm};
use crate::events::{
    ColumnMap, Event, EventKind, EventReader, EventStore, EventsConfig, History, HistoryPart, Ids, Import, Imported,
    Item, Reading,
};

/// A day of 2026, in milliseconds since 1970.
const DAY: i64 = 1_780_000_000_000;
const PRODUCTS: [&str; 4] = ["a", "b", "c", "d"];
const ORDERS: [&str; 3] = ["1", "2", "3"];

fn opened(folder: &Path) -> EventStore {
    EventStore::open(folder, &EventsConfig::default()).unwrap()
}

fn sale(kind: EventKind, order: &str, time_ms: i64, items: &[(&str, u32)]) -> Event {
    let item = |(id, quantity): &(&str, u32)| Item {
        product: ProductId::new(*id).unwrap(),
        quantity: *quantity,
        price: Some(10_000),
    };
    let ids = Ids { visitor: Some("v".into()), ..Ids::default() };
    Event { ids, order: Some(order.to_owned()), items: items.iter().map(item).collect(), ..Event::new(kind, time_ms) }
}

fn named(id: &str, event: Event) -> Event {
    Event { ids: Ids { event: Some(id.to_owned()), ..event.ids }, ..event }
}

fn submitted(store: &EventStore, event: Event) -> (u64, u64) {
    let receipt = store.submit(vec![event]).unwrap();
    (receipt.accepted, receipt.duplicates)
}

fn imported(store: &EventStore, text: &str) -> Imported {
    let path = store.path().with_file_name("file.csv");
    std::fs::write(&path, text).unwrap();
    let columns = ColumnMap::default();
    Import { store, columns, now_ms: DAY * 2, is_known: &|_| true }.run(&path, &mut |_, _| {}, &mut |_| {}).unwrap()
}

fn history(store: &EventStore) -> History {
    store.history(&HistoryPart::default()).unwrap()
}

/// Pieces of each product that were bought, and taken back, in all.
fn pieces(store: &EventStore, kind: EventKind) -> BTreeMap<String, u32> {
    let history = history(store);
    let mut pieces = BTreeMap::new();
    for line in history.sessions().flat_map(|session| session.interactions).filter(|line| line.kind == kind) {
        *pieces.entry(history.products()[line.product as usize].clone()).or_default() += line.quantity;
    }
    pieces
}

fn expected(pieces: &[(&str, u32)]) -> BTreeMap<String, u32> {
    pieces.iter().map(|(id, pieces)| ((*id).to_owned(), *pieces)).collect()
}

#[test]
fn a_purchase_told_again_counts_once_whatever_its_time_its_id_and_its_way() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let told = |time_ms| sale(EventKind::Purchase, "1", time_ms, &[("a", 2), ("b", 1)]);
    assert_eq!(submitted(&store, named("e1", told(DAY))), (1, 0));
    // The thank-you page is loaded anew: another time, and another id.
    assert_eq!(submitted(&store, named("e2", told(DAY + 60_000))), (0, 1));
    assert_eq!(submitted(&store, Event { told_ms: None, ..told(DAY + 90_000) }), (0, 1));
    // The export of orders has other times, prices and names of shoppers, and another order.
    let export = "order,sku,quantity,date,price,email\n1,b,1,2026-05-29,9.99,anna@x\n1,a,2,2026-05-29,,anna@x\n2,a,1,2026-05-30,1,ben@x\n";
    let done = imported(&store, export);
    assert_eq!((done.accepted, done.duplicates), (1, 1));
    let done = imported(&store, export);
    assert_eq!((done.accepted, done.duplicates), (0, 2));
    assert_eq!(pieces(&store, EventKind::Purchase), expected(&[("a", 3), ("b", 1)]));
    assert_eq!(store.live_session(&["v"], None, DAY + 60_000).unwrap().len(), 2);
}

#[test]
fn a_repaired_line_of_a_known_order_gets_in_and_so_do_missing_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let first = imported(&store, "order,sku,quantity,date\n1,a,1,2026-05-29\n1,b,0,2026-05-29\n1,c,1,2026-05-29\n");
    assert_eq!((first.accepted, first.rejected), (1, 1));
    let repaired = "order,sku,quantity,date\n1,a,3,2026-05-29\n1,b,2,2026-05-29\n1,c,1,2026-05-29\n";
    let done = imported(&store, repaired);
    assert_eq!((done.accepted, done.duplicates), (1, 0));
    let all = expected(&[("a", 3), ("b", 2), ("c", 1)]);
    assert_eq!(pieces(&store, EventKind::Purchase), all);
    assert_eq!((imported(&store, repaired).duplicates, pieces(&store, EventKind::Purchase)), (1, all));
}

#[test]
fn two_refunds_of_one_order_both_count_and_the_same_file_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    submitted(&store, sale(EventKind::Purchase, "1", DAY - 86_400_000 * 100, &[("a", 5), ("b", 1)]));
    let files = [
        "order,sku,quantity,date\n1,a,-1,2026-05-01\n",
        "order,sku,quantity,date\n1,a,-1,2026-05-02\n",
        "order,sku,quantity,date\n1,a,-1,2026-05-03\n1,b,-1,2026-05-03\n1,a,-1,2026-05-04\n",
    ];
    let accepted = files.map(|file| imported(&store, file).accepted);
    assert_eq!(accepted, [1, 1, 2]);
    let taken = expected(&[("a", 4), ("b", 1)]);
    assert_eq!(pieces(&store, EventKind::Refund), taken);
    let again: Vec<u64> = files.iter().map(|file| imported(&store, file).accepted).collect();
    assert_eq!((again, pieces(&store, EventKind::Refund)), (vec![0, 0, 0], taken));
    // Over HTTP: by id; without a time, what the refunds of the order do not have yet.
    let refund = |items: &[(&str, u32)]| sale(EventKind::Refund, "1", DAY, items);
    assert_eq!(submitted(&store, named("r1", refund(&[("a", 1)]))), (1, 0));
    assert_eq!(submitted(&store, named("r1", refund(&[("a", 1)]))), (0, 1));
    assert_eq!(submitted(&store, Event { told_ms: None, ..refund(&[("a", 2)]) }), (0, 1));
    assert_eq!((submitted(&store, refund(&[])), submitted(&store, refund(&[]))), ((1, 0), (0, 1)));
    assert_eq!(pieces(&store, EventKind::Refund), expected(&[("a", 5), ("b", 1)]));
}

#[test]
fn a_refund_whose_clock_is_ahead_is_told_again_when_the_clock_has_moved_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    submitted(&store, sale(EventKind::Purchase, "1", DAY - 86_400_000, &[("a", 5)]));
    let config = EventsConfig::default();
    let settled = |event: Event, now_ms: i64| match EventReader::new(&config, now_ms).settle(event).unwrap() {
        Reading::Kept(event) => *event,
        other => panic!("{other:?}"),
    };
    let hour = 3_600_000;
    let told = |hours: i64| sale(EventKind::Refund, "1", DAY + hours * hour, &[("a", 1)]);
    assert_eq!(submitted(&store, settled(told(2), DAY)), (1, 0));
    // Told again while it is ahead and when it no longer is, with a field that it did not have.
    for now_ms in [DAY + hour, DAY + 3 * hour] {
        let again = Event { device: Some("mobile".into()), ..settled(told(2), now_ms) };
        assert_eq!(submitted(&store, again), (0, 1), "{now_ms}");
    }
    // Another, told at the same moment as the first, is another.
    assert_eq!(submitted(&store, settled(told(3), DAY)), (1, 0));
    assert_eq!(pieces(&store, EventKind::Refund), expected(&[("a", 2)]));
}

#[test]
fn the_name_that_shopifys_export_gives_an_order_is_the_number_that_a_tag_sends() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let export = "Name,Email,Created at,Lineitem quantity,Lineitem price,Lineitem sku\n\
        #1001,anna@x,2026-05-29 10:00:00 -0500,2,12.50,a\n";
    assert_eq!(imported(&store, export).accepted, 1);
    assert_eq!(submitted(&store, sale(EventKind::Purchase, "1001", DAY, &[("a", 2)])), (0, 1));
    let tag = |order: &str| {
        let told = serde_json::json!({"event": "purchase", "transaction_id": order, "items": [{"item_id": "a"}]});
        let config = EventsConfig::default();
        let read = EventReader::new(&config, DAY).read(told.to_string(), RecordForm::Json).unwrap();
        read.events[0].order.clone()
    };
    let expected = [
        ("#1001", Some("1001")),
        ("1001", Some("1001")),
        ("A#1", Some("A#1")),
        ("#", None),
        ("#undefined", None),
        (" 1002 ", Some("1002")),
        ("# 1003", Some("1003")),
    ];
    expected.iter().for_each(|(told, order)| assert_eq!(tag(told).as_deref(), *order, "{told}"));
}

#[test]
fn one_file_is_one_telling_however_an_orders_lines_lie_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let scattered = "order,sku,quantity,date\n1,a,1,2026-05-29\n2,a,1,2026-05-29\n1,a,2,2026-05-29\n2,b,1,2026-05-29\n1,a,1,2026-05-29\n";
    for _ in 0..2 {
        imported(&store, scattered);
        assert_eq!(pieces(&store, EventKind::Purchase), expected(&[("a", 5), ("b", 1)]));
    }
    let other = tempfile::tempdir().unwrap();
    let fresh = opened(other.path());
    imported(&fresh, scattered);
    // As text, since prices that were not told are no numbers.
    assert_eq!(format!("{:?}", history(&fresh)), format!("{:?}", history(&store)));
}

#[test]
fn a_tag_that_knows_no_number_does_not_make_all_orders_one() {
    let config = EventsConfig::default();
    let reader = crate::events::EventReader::new(&config, DAY);
    let body: String = ["undefined", "null", "(not set)", "0"]
        .map(|order| format!("{{\"event\":\"purchase\",\"transaction_id\":\"{order}\",\"item_id\":\"a\"}}\n"))
        .concat();
    let read = reader.read(&body, crate::catalog::RecordForm::JsonLines).unwrap();
    assert_eq!(read.events.iter().filter(|event| event.order.is_none()).count(), 4);
}

#[test]
fn what_stands_for_no_number_is_none_in_a_file_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    for (row, word) in ["(not set)", "undefined", "0", "null", "nan", "None", "#"].into_iter().enumerate() {
        let line = |shopper: &str, day: u32| format!("{word},a,1,2026-05-{day:02},{shopper}{row}\n");
        let text = format!("order,sku,quantity,date,email\n{}{}", line("anna", 1), line("ben", 3));
        assert_eq!((imported(&store, &text).accepted, imported(&store, &text).duplicates), (2, 2), "{word}");
        for shopper in ["anna", "ben"] {
            assert_eq!(store.export(&format!("{shopper}{row}")).unwrap().len(), 1, "{word} {shopper}");
        }
    }
}

#[test]
fn an_order_keeps_what_is_told_more_of_it_under_one_event_id() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let told = |items: &[(&str, u32)]| named("p-1", sale(EventKind::Purchase, "1", DAY, items));
    let receipts = [&[("a", 1)][..], &[("a", 1), ("b", 1)], &[("a", 2), ("b", 1)], &[("a", 2), ("b", 1)]];
    assert_eq!(receipts.map(|items| submitted(&store, told(items))), [(1, 0), (1, 0), (1, 0), (0, 1)]);
    assert_eq!(pieces(&store, EventKind::Purchase), expected(&[("a", 2), ("b", 1)]));
    // Known by its order whatever its id, so another order of that id is another, and so is the export of it with a line more.
    assert_eq!(submitted(&store, named("p-1", sale(EventKind::Purchase, "2", DAY, &[("c", 1)]))), (1, 0));
    let export = "order,event_id,sku,quantity,date\n1,p-1,a,2,2026-05-29\n1,p-1,b,1,2026-05-29\n1,p-1,d,1,2026-05-29\n";
    assert_eq!((imported(&store, export).accepted, imported(&store, export).duplicates), (1, 1));
    assert_eq!(pieces(&store, EventKind::Purchase), expected(&[("a", 2), ("b", 1), ("c", 1), ("d", 1)]));
}

#[test]
fn a_file_with_ids_of_events_keeps_every_line_of_an_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let line = |order: u32, product: usize| format!("{order},E{order},p{product},1,2026-05-29\n");
    let long: String = (0..1500).map(|product| line(1, product)).collect();
    let text = format!("order,event_id,sku,quantity,date\n{long}{}{}{}", line(2, 0), line(3, 0), line(2, 1));
    let done = [imported(&store, &text), imported(&store, &text)];
    assert_eq!(done.map(|done| (done.accepted, done.duplicates)), [(5, 0), (0, 5)]);
    assert_eq!(history(&store).num_interactions(), 1503);
}

#[test]
fn lines_of_a_refund_that_bear_its_id_all_count_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let text = "order,event_id,sku,quantity,date\n1,x,a,3,2026-05-01\n1,x,b,2,2026-05-01\n1,R,a,-1,2026-05-02\n1,R,b,-1,2026-05-03\n\
        2,y,a,1,2026-05-03\n1,R,a,-1,2026-05-02\n1,S,a,-1,2026-05-02\n";
    for _ in 0..2 {
        imported(&store, text);
        assert_eq!(pieces(&store, EventKind::Refund), expected(&[("a", 3), ("b", 1)]));
    }
    let fuller = named("S", sale(EventKind::Refund, "1", DAY, &[("a", 1), ("b", 1)]));
    assert_eq!([submitted(&store, fuller.clone()), submitted(&store, fuller)], [(1, 0), (0, 1)]);
    assert_eq!(pieces(&store, EventKind::Refund), expected(&[("a", 3), ("b", 2)]));
}

#[test]
fn events_of_two_kinds_may_bear_one_id() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let told = |kind| {
        let event = named("5003", sale(kind, "5003", DAY, &[("a", 1)]));
        Event { order: None, ..event }
    };
    for kind in [EventKind::ViewItem, EventKind::Purchase, EventKind::Refund] {
        assert_eq!([submitted(&store, told(kind)), submitted(&store, told(kind))], [(1, 0), (0, 1)], "{kind:?}");
    }
    for kind in [EventKind::Purchase, EventKind::Refund] {
        let of_order = Event { order: Some("5003".to_owned()), ..told(kind) };
        assert_eq!([submitted(&store, of_order.clone()), submitted(&store, of_order)], [(1, 0), (0, 1)], "{kind:?}");
    }
}

/// Whether it is a file, and lines: order, product and pieces.
type Telling = (bool, Vec<(usize, usize, u32)>);

/// Tellings of three orders: over HTTP, or, several at once and their lines scattered, in a file.
fn tellings() -> impl Strategy<Value = Vec<Telling>> {
    let lines = prop::collection::vec((0..3usize, 0..4usize, 1..4u32), 1..8);
    prop::collection::vec((any::<bool>(), lines), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_order_has_of_each_product_as_many_pieces_as_its_fullest_telling(tellings in tellings()) {
        let dir = tempfile::tempdir().unwrap();
        let store = opened(dir.path());
        let mut fullest: BTreeMap<(usize, usize), u32> = BTreeMap::new();
        for (at, (is_file, lines)) in tellings.iter().enumerate() {
            // Over HTTP a telling is of one order.
            let lines: Vec<_> = lines.iter().filter(|line| *is_file || line.0 == lines[0].0).copied().collect();
            let mut told: BTreeMap<(usize, usize), u32> = BTreeMap::new();
            lines.iter().for_each(|(order, product, quantity)| *told.entry((*order, *product)).or_default() += quantity);
            for (line, quantity) in told {
                let most = fullest.entry(line).or_default();
                *most = quantity.max(*most);
            }
            if *is_file {
                let row = |line: &(usize, usize, u32)| format!("{},{},{},2026-05-29\n", ORDERS[line.0], PRODUCTS[line.1], line.2);
                imported(&store, &format!("order,sku,quantity,date\n{}", lines.iter().map(row).collect::<String>()));
            } else {
                let items: Vec<_> = lines.iter().map(|line| (PRODUCTS[line.1], line.2)).collect();
                submitted(&store, sale(EventKind::Purchase, ORDERS[lines[0].0], DAY + at as i64, &items));
            }
        }
        let mut all: BTreeMap<String, u32> = BTreeMap::new();
        fullest.iter().for_each(|((_, product), pieces)| *all.entry(PRODUCTS[*product].to_owned()).or_default() += pieces);
        prop_assert_eq!(pieces(&store, EventKind::Purchase), all);
    }
}
