//! Erasure beside readers, its receipts, and what each of its steps is needed for, searched for in the files' bytes.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::*;
use crate::catalog::ProductId;
use crate::events::{Event, EventsConfig, Ids, Item, KEY_FILE};

const NUM_SHOPPERS: i64 = 5;
const NUM_EVENTS: i64 = 10_000;
const AT: i64 = 1_780_000_000_000;

fn opened(folder: &Path) -> EventStore {
    EventStore::open(folder, &EventsConfig::default()).unwrap()
}

fn view(ids: Ids, product: &str, time_ms: i64) -> Event {
    let item = Item { product: ProductId::new(product).unwrap(), quantity: 1, price: None };
    Event { ids, items: vec![item], ..Event::new(EventKind::ViewItem, time_ms) }
}

fn by(visitor: &str) -> Ids {
    Ids { visitor: Some(visitor.to_owned()), ..Ids::default() }
}

/// A store in which five shoppers act in turn, so that rows of each move whenever a page is split, and the keys of the third one's events.
/// `seed` is its key: of each the same bytes come to lie in the same places.
fn crowded(folder: &Path, seed: u8) -> (EventStore, Vec<Vec<u8>>) {
    std::fs::write(folder.join(KEY_FILE), [seed; 32]).unwrap();
    let store = opened(folder);
    for batch in 0..NUM_EVENTS / 250 {
        let event = |i| {
            view(by(&format!("v{}", (i * 7 + batch) % NUM_SHOPPERS)), &format!("p{}", i % 90), AT + batch * 1000 + i)
        };
        assert_eq!(store.submit((0..250).map(event).collect()).unwrap().accepted, 250);
    }
    let shopper = store.shared.key().unwrap().hash(Domain::Shopper, "v3");
    let connection = Connection::open(store.path()).unwrap();
    let mut select = connection.prepare("SELECT key FROM events WHERE visitor = ?1").unwrap();
    let mut traces: Vec<Vec<u8>> = select.query_map([shopper], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    traces.push(shopper.to_be_bytes().to_vec());
    drop(select);
    (store, traces)
}

/// How many of `traces` stand in each file of `folder`.
fn found(folder: &Path, traces: &[Vec<u8>]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        // Every place by its first bytes, so that thousands of traces are searched for at once.
        let by_start: BTreeMap<[u8; 8], usize> =
            traces.iter().enumerate().map(|(at, trace)| (*trace.first_chunk().unwrap(), at)).collect();
        let mut seen = vec![false; traces.len()];
        for at in 0..bytes.len().saturating_sub(7) {
            if let Some(&trace) = by_start.get(&bytes[at..at + 8]) {
                seen[trace] |= bytes[at..].starts_with(&traces[trace]);
            }
        }
        let count = seen.iter().filter(|seen| **seen).count();
        if count > 0 {
            found.insert(entry.file_name().into_string().unwrap(), count);
        }
    }
    found
}

#[test]
fn deleting_alone_leaves_bytes_in_the_log_and_cutting_it_leaves_them_in_free_parts_of_pages() {
    // Where bytes come to lie is up to the key: of most keys some are left in the file.
    let left_in_file = (0..20).any(|seed| {
        let dir = tempfile::tempdir().unwrap();
        let (store, traces) = crowded(dir.path(), seed);
        let (receipt, mut needles) = store.delete("v3").unwrap().unwrap();
        assert_eq!(receipt.events as i64, NUM_EVENTS / NUM_SHOPPERS);
        assert!(found(dir.path(), &traces).contains_key("events.sqlite-wal"), "the log need not be cut");
        let file = store.shared.file();
        assert!(cut_log(store.path(), file.as_ref().unwrap().connection()).unwrap());
        drop(file);
        let left: Vec<String> = found(dir.path(), &traces).into_keys().collect();
        assert_eq!(store.try_scrub(&receipt, &mut needles).unwrap(), Scrubbed::Clean);
        assert_eq!(found(dir.path(), &traces), BTreeMap::new());
        assert_eq!(store.status().unwrap().events as i64, NUM_EVENTS / NUM_SHOPPERS * (NUM_SHOPPERS - 1));
        left == ["events.sqlite"]
    });
    assert!(left_in_file, "the file need not be written anew");
}

#[test]
fn a_long_reader_does_not_keep_events_from_being_taken_in_while_an_erasure_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, traces) = crowded(dir.path(), 1);
    let reader = Connection::open(store.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM events").unwrap();
    let (longest, receipt) = std::thread::scope(|scope| {
        let erasure = scope.spawn(|| store.erase("v3"));
        let began = Instant::now();
        let mut longest = Duration::ZERO;
        while began.elapsed() < Duration::from_secs(2) {
            let asked = Instant::now();
            let at = AT + began.elapsed().as_micros() as i64;
            store.submit(vec![view(by("other"), "a", at)]).unwrap();
            longest = longest.max(asked.elapsed());
        }
        assert!(!erasure.is_finished(), "a receipt while old pages are in use");
        reader.execute_batch("COMMIT").unwrap();
        (longest, erasure.join().unwrap())
    });
    assert!(longest < Duration::from_secs(1), "an event waited for {longest:?}");
    assert_eq!(receipt.unwrap().events as i64, NUM_EVENTS / NUM_SHOPPERS);
    assert_eq!(found(dir.path(), &traces), BTreeMap::new());
}

#[test]
fn an_erasure_that_had_to_stop_goes_on_when_asked_again_and_its_receipt_counts_all() {
    let dir = tempfile::tempdir().unwrap();
    let (store, traces) = crowded(dir.path(), 1);
    let reader = Connection::open(store.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM events").unwrap();
    let stopped = store.erase_within("v3", Duration::ZERO);
    assert!(matches!(&stopped, Err(EventError::NotScrubbed { path }) if path == store.path()), "{stopped:?}");
    assert!(store.export("v3").unwrap().is_empty());
    store.submit(vec![view(by("v3"), "a", AT)]).unwrap();
    reader.execute_batch("COMMIT").unwrap();
    drop((reader, store));
    // Another process asks again, and knows nothing of the first but what the file says.
    let store = opened(dir.path());
    assert!(!found(dir.path(), &traces).is_empty());
    let receipt = store.erase("v3").unwrap();
    assert_eq!(receipt.events as i64, NUM_EVENTS / NUM_SHOPPERS + 1);
    assert_eq!(found(dir.path(), &traces), BTreeMap::new());
    let next = store.erase("v3").unwrap();
    assert_eq!((next.events, next.receipt_id == receipt.receipt_id), (0, false));
    let connection = Connection::open(store.path()).unwrap();
    let all: (i64, i64, i64) = connection
        .query_row("SELECT count(*), sum(events), count(whose) FROM erasures", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(all, (2, receipt.events as i64, 0), "receipts do not say whose");
}

#[test]
fn a_shopper_who_comes_back_during_an_erasure_is_no_reason_to_call_it_unclean() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = crowded(dir.path(), 1);
    let (receipt, mut needles) = store.delete("v3").unwrap().unwrap();
    store.submit(vec![view(by("v3"), "again", AT), view(by("v3"), "p0", AT)]).unwrap();
    assert_eq!(store.try_scrub(&receipt, &mut needles).unwrap(), Scrubbed::Clean);
    assert_eq!(store.export("v3").unwrap().len(), 2);
}

#[test]
fn a_session_of_nobody_is_exported_and_erased_by_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let of = |session: &str, visitor: Option<&str>| Ids {
        session: Some(session.to_owned()),
        visitor: visitor.map(str::to_owned),
        ..Ids::default()
    };
    let events: Vec<Event> = (0..4000)
        .map(|i| view(of(&format!("s{}", i % 7), (i % 7 == 6).then_some("v")), &format!("p{}", i % 50), AT + i))
        .chain([view(of("s3", Some("v")), "a", AT)])
        .collect();
    store.submit(events).unwrap();
    let key = store.shared.key().unwrap().clone();
    let hash = |id: &str| vec![key.hash(Domain::Session, id).to_be_bytes().to_vec()];
    assert_eq!((store.export("s2").unwrap().len(), store.export("s6").unwrap().len()), (572, 0));
    assert!(!found(dir.path(), &hash("s2")).is_empty());
    assert_eq!(store.erase("s2").unwrap().events, 572);
    assert_eq!(found(dir.path(), &hash("s2")), BTreeMap::new());
    assert!(store.live_session(&[], Some("s2"), AT + 4000).unwrap().is_empty());
    // What a visitor did under the same session id stays the visitor's.
    assert_eq!((store.erase("s3").unwrap().events, store.export("v").unwrap().len()), (571, 572));
    assert_eq!(store.erase("v").unwrap().events, 572);
}

#[test]
fn names_that_only_the_erased_shopper_told_are_in_no_file_and_the_others_stay_right() {
    let dir = tempfile::tempdir().unwrap();
    let (store, other) = (opened(dir.path()), opened(dir.path()));
    let placed = |visitor: &str, product: &str, placement: &str, at| Event {
        placement: Some(placement.to_owned()),
        ..view(by(visitor), product, AT + at)
    };
    store.submit(vec![placed("v", "mug", "home", 0), placed("w", "mug", "home", 1)]).unwrap();
    // The other process knows the numbers of names that are erased behind its back.
    other.submit(vec![placed("v", "portrait-of-anna-smith", "annas-own-page", 2)]).unwrap();
    assert_eq!(store.erase("v").unwrap().events, 2);
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for name in ["portrait-of-anna-smith", "annas-own-page"] {
            assert!(!bytes.windows(name.len()).any(|window| window == name.as_bytes()), "{name}");
        }
    }
    store.submit(vec![placed("w", "bowl", "cart", 3)]).unwrap();
    other.submit(vec![placed("w", "portrait-of-anna-smith", "annas-own-page", 4)]).unwrap();
    let told: Vec<_> =
        store.export("w").unwrap().into_iter().map(|event| (event.items[0].item_id.clone(), event.placement)).collect();
    let expected = [("mug", "home"), ("bowl", "cart"), ("portrait-of-anna-smith", "annas-own-page")];
    assert_eq!(told, expected.map(|(product, placement)| (product.to_owned(), Some(placement.to_owned()))));
}
