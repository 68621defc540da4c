//! The store's laws: nothing lost or doubled, nothing left of what is erased, every fault said by name.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::*;
use crate::catalog::ProductId;
use crate::events::{EventKind, Ids, Item, MAX_ID_BYTES};

const DAY_MS: i64 = 86_400_000;

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

fn event(visitor: &str, product: &str, time_ms: i64) -> Event {
    let item = Item { product: ProductId::new(product).unwrap(), quantity: 1, price: Some(25_500) };
    let ids = Ids { visitor: Some(visitor.into()), ..Ids::default() };
    Event { ids, items: vec![item], ..Event::new(EventKind::ViewItem, time_ms) }
}

fn opened(folder: &Path) -> EventStore {
    EventStore::open(folder, &EventsConfig::default()).unwrap()
}

fn counts(receipt: EventReceipt) -> (u64, u64) {
    (receipt.accepted, receipt.duplicates)
}

fn live(store: &EventStore, visitor: &str) -> Vec<String> {
    let found = store.live_session(&[visitor], None, now()).unwrap();
    found.iter().map(|interaction| interaction.product.to_string()).collect()
}

/// How often `needle` stands in any file of `folder`, by file.
fn found_in(folder: &Path, needle: &[u8]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        let count = bytes.windows(needle.len()).filter(|window| *window == needle).count();
        if count > 0 {
            found.insert(entry.file_name().into_string().unwrap(), count);
        }
    }
    found
}

/// The keys of a visitor's events.
fn keys_of(path: &Path, visitor: i64) -> Vec<Vec<u8>> {
    let connection = Connection::open(path).unwrap();
    let mut select = connection.prepare("SELECT key FROM events WHERE visitor = ?1").unwrap();
    select.query_map([visitor], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn nothing_is_made_before_the_first_event() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    assert_eq!(store.history(&HistoryPart::default()).unwrap(), History::default());
    assert!(live(&store, "v").is_empty() && !store.catch_up().unwrap());
    assert_eq!((store.export("v").unwrap().len(), store.purge(now()).unwrap(), store.num_bytes().unwrap()), (0, 0, 0));
    assert_eq!(store.erase("v").unwrap().events, 0);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn what_is_told_twice_counts_once_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let at = now() - 5000;
    let named = |id: &str, product: &str| {
        let event = event("v", product, at);
        Event { ids: Ids { event: Some(id.into()), ..event.ids }, ..event }
    };
    let untimed = Event { told_ms: None, ..event("v", "c", at) };
    let events = vec![named("1", "a"), named("2", "a"), event("v", "b", at), event("v", "b", at + 1), untimed];
    for (round, expected) in [(0, (5, 0)), (1, (1, 4)), (2, (1, 4))] {
        let store = opened(dir.path());
        assert_eq!(counts(store.submit(events.clone()).unwrap()), expected, "round {round}");
    }
    let store = opened(dir.path());
    // An id rules over the content, within one request too.
    assert_eq!(counts(store.submit(vec![named("1", "z"), named("3", "z"), named("3", "z")]).unwrap()), (1, 2));
    assert_eq!(store.export("v").unwrap().len(), 8);
}

#[test]
fn many_threads_at_once_lose_and_double_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let at = now() - 100_000;
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for batch in 0..20 {
                    // Every batch is sent by two threads.
                    let events =
                        (0..10).map(|i| event(&format!("v{}", thread / 2), "a", at + batch * 10 + i)).collect();
                    store.submit(events).unwrap();
                }
            });
        }
    });
    assert_eq!(store.history(&HistoryPart::default()).unwrap().num_interactions(), 4 * 20 * 10);
}

#[test]
fn live_sessions_are_there_at_once_after_a_restart_and_after_another_process_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let (store, at) = (opened(dir.path()), now());
    store.submit(vec![event("v", "a", at - 60_000), event("v", "b", at), event("v", "old", at - 3 * DAY_MS)]).unwrap();
    assert_eq!(live(&store, "v"), ["a", "b"]);
    let other = opened(dir.path());
    assert_eq!(live(&other, "v"), ["a", "b"]);
    other.submit(vec![event("v", "c", at)]).unwrap();
    assert!(store.catch_up().unwrap() && !store.catch_up().unwrap());
    assert_eq!(live(&store, "v"), ["a", "b", "c"]);
    assert!(live(&store, "w").is_empty());
}

#[test]
fn a_sign_in_of_days_ago_joins_live_sessions_also_after_a_restart_and_in_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let (at, store) = (now(), opened(dir.path()));
    let mut signed_in = event("v", "old", at - 3 * DAY_MS);
    signed_in.ids.user = Some("u".into());
    let mut of_another = event("v", "older", at - 2 * DAY_MS);
    of_another.ids.user = Some("later".into());
    store.submit(vec![signed_in, of_another, event("v", "a", at - 2)]).unwrap();
    let restarted = opened(dir.path());
    let seen = |store: &EventStore| ["u", "v", "later"].map(|id| live(store, id));
    let none = Vec::new;
    assert_eq!(seen(&restarted), [vec!["a".to_owned()], vec!["a".into()], none()]);
    drop((store, restarted));
    // The first event of a visitor since the restart, written here and shown to another process.
    let other = tempfile::tempdir().unwrap();
    let mut signed_in = event("w", "old", at - 3 * DAY_MS);
    signed_in.ids.user = Some("u".into());
    opened(other.path()).submit(vec![signed_in]).unwrap();
    let (writing, beside) = (opened(other.path()), opened(other.path()));
    writing.submit(vec![event("w", "b", at)]).unwrap();
    assert!(beside.catch_up().unwrap());
    for store in [&writing, &beside] {
        assert_eq!(live(store, "u"), ["b"]);
        assert_eq!(store.live_session(&["nobody", "u"], None, now()).unwrap().len(), 1);
    }
}

#[test]
fn an_id_that_no_event_can_bear_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    for id in ["".to_owned(), "x".repeat(MAX_ID_BYTES + 1)] {
        for error in [store.erase(&id).unwrap_err(), store.export(&id).unwrap_err()] {
            assert!(error.to_string().contains(&format!("has {}", id.len())), "{error}");
        }
    }
    assert!(store.export(&"x".repeat(MAX_ID_BYTES)).unwrap().is_empty());
}

#[test]
fn a_live_session_is_found_by_any_of_its_ids() {
    let dir = tempfile::tempdir().unwrap();
    let (store, at) = (opened(dir.path()), now());
    let with_ids = |product: &str, visitor: Option<&str>, user: Option<&str>, session: Option<&str>| {
        let mut event = event("", product, at);
        event.ids = Ids {
            event: None,
            visitor: visitor.map(Into::into),
            user: user.map(Into::into),
            session: session.map(Into::into),
        };
        event
    };
    store.submit(vec![with_ids("a", Some("v"), Some("u"), Some("s")), with_ids("b", None, None, Some("t"))]).unwrap();
    let found = |visitor: Option<&str>, session: Option<&str>| -> Vec<String> {
        let live = store.live_session(visitor.as_slice(), session, at).unwrap();
        live.iter().map(|interaction| interaction.product.to_string()).collect()
    };
    for (visitor, session) in [(Some("v"), None), (Some("u"), None), (None, Some("s"))] {
        assert_eq!(found(visitor, session), ["a"], "{visitor:?} {session:?}");
    }
    // The session names its shopper, who is another; that of nobody may be anybody's.
    assert_eq!((found(Some("unknown"), Some("s")), found(Some("unknown"), Some("t"))), (vec![], vec!["b".to_owned()]));
    assert_eq!((found(None, Some("t")), found(Some("v"), Some("t"))), (vec!["b".into()], vec!["a".into()]));
    store.erase("v").unwrap();
    assert!(found(None, Some("s")).is_empty());
}

#[test]
fn nothing_of_an_erased_shopper_is_in_any_file_and_the_others_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (store, at) = (opened(dir.path()), now() - 50_000_000);
    // Shoppers in turn, so that rows of the erased one move whenever a page is split.
    for batch in 0..40 {
        let events = (0..250).map(|i| {
            let mut event =
                event(&format!("visitor-{}", (i * 7 + batch) % 5), &format!("p{}", i % 90), at + batch * 1000 + i);
            event.ids.session = Some(format!("session-{}", (i * 7 + batch) % 5));
            event.ids.user = (i % 50 == 0).then(|| format!("user-{}", (i * 7 + batch) % 5));
            event.query = ((i * 7 + batch) % 5 == 3).then(|| "secret words".to_owned());
            event
        });
        assert_eq!(store.submit(events.collect()).unwrap().accepted, 250);
    }
    let key = store.shared.key().unwrap().clone();
    let mut traces = vec![b"secret words".to_vec()];
    for (domain, id) in [(Domain::Shopper, "visitor-3"), (Domain::Session, "session-3")] {
        traces.push(key.hash(domain, id).to_be_bytes().to_vec());
    }
    traces.extend(keys_of(store.path(), key.hash(Domain::Shopper, "visitor-3")).into_iter().step_by(101));
    for trace in &traces {
        assert!(!found_in(dir.path(), trace).is_empty(), "the search finds what is there");
    }
    for id in ["visitor-3", "session-3", "user-3"] {
        assert!(found_in(dir.path(), id.as_bytes()).is_empty(), "{id} is written as it is");
    }
    let receipt = store.erase("visitor-3").unwrap();
    assert_eq!(receipt.events, 2000);
    for trace in &traces {
        assert_eq!(found_in(dir.path(), trace), BTreeMap::new(), "{trace:?}");
    }
    assert!(store.export("visitor-3").unwrap().is_empty() && live(&store, "visitor-3").is_empty());
    assert_eq!(store.export("visitor-2").unwrap().len(), 2000);
    assert_eq!(store.history(&HistoryPart::default()).unwrap().num_interactions(), 8000);
    assert_eq!(store.erase("visitor-3").unwrap().events, 0);
    // A user takes along what was done anonymously on the devices that signed in first as this user.
    let receipt = store.erase("user-2").unwrap();
    assert_eq!((receipt.events, receipt.links), (2000, 1));
    let hash = key.hash(Domain::Shopper, "user-2").to_be_bytes();
    assert_eq!(found_in(dir.path(), &hash), BTreeMap::new());
}

#[test]
fn another_user_of_the_same_device_keeps_what_was_done_signed_in() {
    let dir = tempfile::tempdir().unwrap();
    let (store, at) = (opened(dir.path()), now() - 100_000);
    let by = |user: Option<&str>, product: &str, time_ms| {
        let event = event("tablet", product, time_ms);
        Event { ids: Ids { user: user.map(str::to_owned), ..event.ids }, ..event }
    };
    store.submit(vec![by(Some("ben"), "b", at + 5), by(None, "x", at), by(Some("ann"), "a", at + 1)]).unwrap();
    assert_eq!(store.export("ann").unwrap().len(), 2);
    assert_eq!(store.export("ben").unwrap().len(), 1);
    assert_eq!(store.erase("ann").unwrap().events, 2);
    assert_eq!(store.export("ben").unwrap()[0].items[0].item_id, "b");
}

#[test]
fn a_full_disk_is_said_reading_goes_on_and_so_does_writing_once_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let (store, at) = (opened(dir.path()), now() - 100_000);
    store.submit(vec![event("v", "a", at)]).unwrap();
    let limit = |pages: u32| {
        let file = store.shared.file();
        let connection = file.as_ref().unwrap().connection();
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    limit(1);
    let many: Vec<Event> = (0..5000).map(|i| event("v", &format!("product {i}"), at + 1 + i)).collect();
    assert!(matches!(store.submit(many.clone()), Err(EventError::DiskFull { path }) if path == store.path()));
    assert_eq!((store.export("v").unwrap().len(), live(&store, "v").len()), (1, 1));
    limit(1 << 20);
    assert_eq!(counts(store.submit(many).unwrap()), (5000, 0));
    assert_eq!(store.history(&HistoryPart::default()).unwrap().products().len(), 5001);
}

#[test]
fn an_altered_row_is_damage_and_never_another_event() {
    let columns = [
        "visitor = 5",
        "time_ms = time_ms + 1000",
        "kind = 7",
        "kind = 70",
        "items = x'010100'",
        "key = x'00'",
        "query = 'q'",
        "time_ms = 'x'",
    ];
    for change in columns {
        let dir = tempfile::tempdir().unwrap();
        let store = opened(dir.path());
        store.submit(vec![event("v", "a", now() - 100_000)]).unwrap();
        let connection = Connection::open(store.path()).unwrap();
        let Ok(_) = connection.execute(&format!("UPDATE events SET {change}"), []) else { continue };
        let read = store.history(&HistoryPart::default());
        assert!(matches!(&read, Err(EventError::Damaged { path, .. }) if path == store.path()), "{change}: {read:?}");
    }
}

#[test]
fn flipped_bits_are_damage_or_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    store
        .submit((0..2000).map(|i| event(&format!("v{}", i % 20), &format!("p{i}"), 1_780_000_000_000 + i)).collect())
        .unwrap();
    let whole = store.history(&HistoryPart::default()).unwrap();
    drop(store);
    let path = dir.path().join(EVENTS_FILE);
    let good = std::fs::read(&path).unwrap();
    let mut num_errors = 0;
    for at in (0..good.len()).step_by(good.len() / 200) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, bad).unwrap();
        let read = EventStore::open(dir.path(), &EventsConfig::default())
            .and_then(|store| store.history(&HistoryPart::default()));
        match read {
            // Names of products have no digest: a flipped letter there is another name.
            Ok(history) => assert_eq!(history.num_interactions(), whole.num_interactions(), "byte {at}"),
            Err(error) => {
                assert!(error.to_string().contains(EVENTS_FILE), "byte {at}: {error}");
                num_errors += 1;
            }
        }
    }
    assert!(num_errors > 20, "{num_errors}");
}

#[test]
fn files_and_keys_of_others_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (path, key_path) = (dir.path().join(EVENTS_FILE), dir.path().join(KEY_FILE));
    let open = || EventStore::open(dir.path(), &EventsConfig::default()).map(drop);
    opened(dir.path()).submit(vec![event("v", "a", now())]).unwrap();
    let key = std::fs::read(&key_path).unwrap();
    std::fs::remove_file(&key_path).unwrap();
    assert!(matches!(open(), Err(EventError::MissingKey { path }) if path == key_path));
    std::fs::write(&key_path, [5; 32]).unwrap();
    assert!(matches!(open(), Err(EventError::WrongKey { path }) if path == key_path));
    std::fs::write(&key_path, &key).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(open(), Err(EventError::FormatVersion { found: 99, .. })));
    connection.pragma_update(None, "application_id", 77).unwrap();
    assert!(matches!(open(), Err(EventError::Foreign { found: 77, .. })));
    drop(connection);
    for extension in ["sqlite-wal", "sqlite-shm"] {
        let _ = std::fs::remove_file(path.with_extension(extension));
    }
    std::fs::write(&path, "no database ".repeat(100)).unwrap();
    assert!(matches!(open(), Err(EventError::Damaged { path: at, .. }) if at == path));
}

#[test]
fn a_file_that_lost_its_bytes_or_itself_is_damage_by_name_and_not_a_fresh_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(EVENTS_FILE);
    let open = || EventStore::open(dir.path(), &EventsConfig::default()).map(drop);
    opened(dir.path()).submit(vec![event("v", "a", now())]).unwrap();
    std::fs::write(&path, "").unwrap();
    assert!(matches!(open(), Err(EventError::Damaged { path: at, .. }) if at == path));
    std::fs::remove_file(&path).unwrap();
    std::fs::write(path.with_extension("sqlite-wal"), "log").unwrap();
    assert!(matches!(open(), Err(EventError::Damaged { path: at, .. }) if at == path));
    std::fs::remove_file(path.with_extension("sqlite-wal")).unwrap();
    assert_eq!(counts(opened(dir.path()).submit(vec![event("v", "a", now())]).unwrap()), (1, 0));
}

#[test]
fn damage_in_a_page_of_any_table_or_index_is_found_by_the_check() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(EVENTS_FILE);
    let store = opened(dir.path());
    let events = (0..3000).map(|i| {
        let mut event = event(&format!("v{i}"), &format!("p{i}"), 1_780_000_000_000 + i);
        event.placement = Some(format!("slot {i}"));
        match i % 3 {
            0 => event.ids.user = Some(format!("u{i}")),
            1 => event.ids = Ids { session: Some(format!("s{i}")), ..Ids::default() },
            _ => (event.kind, event.order) = (EventKind::Purchase, Some(format!("o{i}"))),
        }
        event
    });
    store.submit(events.collect()).unwrap();
    store.check().unwrap();
    assert_eq!(store.status().unwrap().events, 3000);
    drop(store);
    let connection = Connection::open(&path).unwrap();
    let mut select = connection.prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0").unwrap();
    let roots: Vec<(String, usize)> =
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    drop(select);
    drop(connection);
    let good = std::fs::read(&path).unwrap();
    let page_bytes = 4096;
    let full =
        roots.iter().filter(|(name, _)| !["store", "erasures", "sqlite_autoindex_erasures_1"].contains(&name.as_str()));
    for (name, root) in full {
        let mut bad = good.clone();
        // The first child of a root that has children: a page in the middle of the tree's keys.
        let page = &good[(root - 1) * page_bytes..root * page_bytes];
        assert!([2, 5].contains(&page[0]), "{name} has one page alone");
        let cell = usize::from(u16::from_be_bytes([page[12], page[13]]));
        let child = u32::from_be_bytes(page[cell..cell + 4].try_into().unwrap()) as usize;
        // Its cells begin where its header says; between them and the header there may be nothing to damage.
        let child = &mut bad[(child - 1) * page_bytes..][..page_bytes];
        let content = usize::from(u16::from_be_bytes([child[5], child[6]]));
        child[content..][..64].fill(0x5a);
        std::fs::write(&path, &bad).unwrap();
        let found = EventStore::open(dir.path(), &EventsConfig::default()).and_then(|store| store.status());
        assert!(matches!(&found, Err(EventError::Damaged { path: at, .. }) if *at == path), "{name}: {found:?}");
    }
}

#[test]
fn the_file_its_log_and_its_key_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    store.submit(vec![event("v", "a", now())]).unwrap();
    let mut modes = BTreeMap::new();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        modes.insert(entry.file_name().into_string().unwrap(), mode);
    }
    let expected = ["events.key", "events.sqlite", "events.sqlite-shm", "events.sqlite-wal"];
    assert_eq!(modes, expected.map(|name| (name.to_owned(), 0o600)).into());
}

#[test]
fn a_file_of_the_version_before_is_made_the_present_one() {
    let dir = tempfile::tempdir().unwrap();
    let sale = || {
        let mut sale = event("v", "a", now() - 100_000);
        (sale.kind, sale.order) = (EventKind::Purchase, Some("1".to_owned()));
        sale
    };
    let store = opened(dir.path());
    store.submit(vec![sale()]).unwrap();
    let path = store.path().to_owned();
    drop(store);
    let connection = Connection::open(&path).unwrap();
    let old = "ALTER TABLE store DROP COLUMN clock_ms; DROP INDEX events_by_order; DROP INDEX events_by_session; ALTER TABLE erasures DROP COLUMN whose;
        ALTER TABLE erasures DROP COLUMN links; PRAGMA user_version = 1";
    connection.execute_batch(old).unwrap();
    drop(connection);
    let store = opened(dir.path());
    assert_eq!(counts(store.submit(vec![Event { told_ms: None, ..sale() }]).unwrap()), (0, 1));
    // The newest event stands for the clock that the file does not know.
    store.submit(vec![event("w", "a", now() - 50 * DAY_MS)]).unwrap();
    assert!(matches!(store.purge(now() + 500 * DAY_MS), Err(EventError::ClockJump { .. })));
    assert_eq!(store.purge(now()).unwrap(), 0);
    assert_eq!(store.erase("v").unwrap().events, 1);
    store.check().unwrap();
    drop(store);
    assert_eq!(counts(opened(dir.path()).submit(vec![sale()]).unwrap()), (1, 0));
}

#[test]
fn nothing_is_acknowledged_into_a_file_that_is_no_longer_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    store.submit(vec![event("v", "a", now())]).unwrap();
    std::fs::rename(store.path(), dir.path().join("aside")).unwrap();
    assert!(matches!(store.submit(vec![event("v", "b", now())]), Err(EventError::Replaced { .. })));
}
