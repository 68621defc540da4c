//! One shopper erased: the bytes of their session are in no file of the catalog, in no generation, and nobody else's answers change.

mod shop;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use half::f16;
use kindred::behavior::{Behavior, BehaviorConfig, SESSION_VECTORS_FILE};
use kindred::catalog::{CatalogConfig, RecordForm};
use kindred::events::{EventKind, EventReader, EventStore, EventsConfig, HistoryPart};
use kindred::index::{CatalogDir, Check, Generation, Hnsw, IndexConfig, IndexError};
use kindred::live::FoldChanges;
use kindred::pipeline::{Build, EraseError, Erasure, GenerationDone, erase_shopper};
use kindred::rank::RowId;
use kindred::recommend::{Engine, Intent, Query, RecommendConfig, SessionEvent};
use serde_json::{Value, json};

/// What the shopper who is erased looked at; nobody else met the last two.
const GONE: [&str; 3] = ["000", "230", "401"];

/// Seconds since 1970 two days ago, on a full hour.
fn start_s() -> i64 {
    let now_s = jiff::Timestamp::now().as_second();
    now_s - now_s % 3600 - 2 * 86_400
}

fn event(name: &str, visitor: &str, at_s: i64, ids: &[&str], order: Option<&str>) -> Value {
    let items: Vec<Value> = ids.iter().map(|id| json!({"item_id": id, "price": 5.0})).collect();
    json!({"event": name, "visitor_id": visitor, "timestamp": at_s, "consent": true,
        "ecommerce": {"items": items, "transaction_id": order, "currency": "USD"}})
}

/// 30 shoppers who look at and buy phone cases, lanterns and mugs, one after the other, and one who looks at other things and ends last.
fn events() -> Vec<Value> {
    let mut events = Vec::new();
    for shopper in 0..30i64 {
        let (visitor, at_s) = (format!("v{shopper}"), start_s() + 100 * shopper);
        let id = |at: i64| format!("{}{}0", 1 + (shopper + at) % 3, (shopper / 3 + at) % 3);
        let ids = [id(0), id(1), id(2)];
        (0..).zip(&ids).for_each(|(at, id)| events.push(event("view_item", &visitor, at_s + 7 * at, &[id], None)));
        let order = format!("o{shopper}");
        events.push(event("purchase", &visitor, at_s + 30, &[&ids[0], &ids[1]], Some(&order)));
    }
    events.push(event("view_item", "neighbor", start_s() + 3300, &["000"], None));
    events.push(event("view_item", "neighbor", start_s() + 3311, &["100"], None));
    for (at, id) in (0..).zip(GONE) {
        events.push(event("view_item", "gone", start_s() + 4000 + 7 * at, &[id], None));
    }
    events.push(event("purchase", "gone", start_s() + 4041, &GONE[1..], Some("gone-1")));
    events
}

struct Place {
    root: tempfile::TempDir,
    dir: CatalogDir,
}

impl Place {
    /// A catalog with events and two generations that learned from them.
    fn new() -> Self {
        let events = events();
        assert_eq!(events.len(), 126);
        let place = Self::with(&events);
        place.build(&place.store());
        place
    }

    /// A catalog with these events and one generation that learned from them.
    fn with(events: &[Value]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = CatalogDir::new(root.path(), "shop").unwrap();
        std::fs::create_dir_all(dir.path()).unwrap();
        let place = Self { root, dir };
        let store = place.store();
        place.tell(&store, events);
        place.build(&store);
        place
    }

    fn tell(&self, store: &EventStore, events: &[Value]) {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let read = EventReader::new(store.config(), now_ms)
            .read(Value::from(events.to_vec()).to_string(), RecordForm::Json)
            .unwrap();
        assert_eq!((read.events.len(), read.rejected.len()), (events.len(), 0));
        store.submit(read.events).unwrap();
    }

    fn store(&self) -> EventStore {
        EventStore::open(&self.dir.path(), &EventsConfig::default()).unwrap()
    }

    fn build(&self, store: &EventStore) {
        let feed = self.root.path().join("feed.jsonl");
        let lines: String = shop::records().iter().map(|record| format!("{record}\n")).collect();
        std::fs::write(&feed, lines).unwrap();
        let catalog = CatalogConfig { text: shop::template(), ..CatalogConfig::default() };
        let build = Build {
            dir: &self.dir,
            catalog: &catalog,
            index: &IndexConfig::default(),
            live: FoldChanges::Newer,
            behavior: &BehaviorConfig::default(),
            history: &|| Ok(store.history(&HistoryPart::default())?),
            embedder: &shop::EMBEDDER,
        };
        build.run(&feed, &|_| {}).unwrap();
    }

    fn opened(&self, name: &str) -> (Generation, Behavior) {
        let generation = self.dir.open_generation(name, Check::Hashes).unwrap();
        let manifest = generation.manifest();
        let files = manifest.files.keys().map(String::as_str);
        let behavior = Behavior::open(&self.dir.path().join(name), manifest.counts.products, files).unwrap().unwrap();
        (generation, behavior)
    }

    fn erase(&self, id: &str) -> Result<Erasure, EraseError> {
        erase_shopper(&self.dir, &self.store(), id, &BehaviorConfig::default())
    }

    fn names(&self) -> Vec<String> {
        self.dir.list().unwrap().into_iter().map(|listed| listed.name).collect()
    }
}

/// What any generation holds: every session, as [`sessions`], and the products with which `id` stands in the tables of pairs, in any order.
fn held(place: &Place, id: &str) -> Vec<(Sessions, BTreeSet<String>)> {
    let of = |name: String| {
        let (generation, behavior) = place.opened(&name);
        let row = generation.products().row(id).unwrap().0;
        let tables = [behavior.copurchase(), behavior.ease(), behavior.next(), behavior.bought_next()];
        let with: BTreeSet<u32> = tables
            .iter()
            .flat_map(|table| {
                let to = table.row(row).iter().filter(|entry| entry.evidence > 0).map(|entry| entry.product);
                let is_from =
                    |from: &u32| table.row(*from).iter().any(|entry| entry.product == row && entry.evidence > 0);
                to.chain((0..table.len() as u32).filter(is_from)).collect::<Vec<_>>()
            })
            .collect();
        let ids = with.into_iter().map(|row| generation.products().id(RowId(row)).unwrap().to_owned()).collect();
        (sessions(&generation, &behavior), ids)
    };
    place.names().into_iter().map(of).collect()
}

/// The bytes that tell of the session in the generation: its products in their order, its end, its vector.
fn traces(place: &Place, name: &str) -> BTreeMap<&'static str, Vec<u8>> {
    let (generation, behavior) = place.opened(name);
    let rows = GONE.map(|id| generation.products().row(id).unwrap().0);
    let sessions = behavior.sessions();
    let number = (0..sessions.len() as u32).find(|&number| sessions.products(number) == rows).unwrap();
    let end_s = sessions.last_s[number as usize];
    assert_eq!(i64::from(end_s), start_s() + 4041);
    let vectors = Hnsw::open(&place.dir.path().join(name).join(SESSION_VECTORS_FILE)).unwrap();
    let row = behavior.session_of().iter().position(|&of| of == number).unwrap();
    let vector = vectors.vector(RowId(row as u32)).unwrap();
    BTreeMap::from([
        ("products", rows.iter().flat_map(|row| row.to_le_bytes()).collect()),
        ("end", end_s.to_le_bytes().to_vec()),
        ("vector", vector.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect()),
    ])
}

/// Sessions, each by its end in seconds since 1970: ids of its products.
type Sessions = Vec<(u32, Vec<String>)>;

/// Every session.
fn sessions(generation: &Generation, behavior: &Behavior) -> Sessions {
    let all = behavior.sessions();
    let ids = |number: u32| {
        all.products(number).iter().map(|&row| generation.products().id(RowId(row)).unwrap().to_owned()).collect()
    };
    (0..all.len() as u32).map(|number| (all.last_s[number as usize], ids(number))).collect()
}

/// What four sessions of others are answered, with scores: the first five of what nobody is erased for.
fn answers(place: &Place) -> Vec<Vec<(String, f32)>> {
    let generation = place.dir.open_current(Check::Hashes).unwrap();
    let config = RecommendConfig::default();
    let engine = Engine::new(&place.dir, generation, shop::EMBEDDER.clone(), &shop::template(), &config).unwrap();
    let view = engine.view();
    let ask = |ids: &[&str]| {
        let step = |id: &&str| SessionEvent { id: (*id).to_owned(), kind: EventKind::ViewItem };
        let session = ids.iter().map(step).collect();
        let query = Query { intent: Intent::Next, session, limit: 20, ..Query::default() };
        let hits = engine.answer(&view, &query).unwrap().hits;
        let scored = hits.iter().map(|hit| (view.id(hit.row).unwrap().to_owned(), hit.score));
        scored.filter(|(id, _)| !GONE.contains(&id.as_str())).take(5).collect()
    };
    [&["100"][..], &["110", "210"], &["220"], &["310", "120"]].map(ask).to_vec()
}

#[test]
fn the_bytes_of_the_session_are_in_no_file_and_nobody_elses_sessions_or_answers_change() {
    let place = Place::new();
    let names = place.names();
    assert_eq!(names, ["gen-000001", "gen-000002"]);
    let traces: Vec<_> = names.iter().map(|name| traces(&place, name)).collect();
    for (name, trace) in names.iter().zip(&traces) {
        for (what, needle) in trace {
            assert!(!shop::files_with(&place.dir.path().join(name), needle).is_empty(), "{what} is in {name} at first");
        }
    }
    let (generation, behavior) = place.opened("gen-000002");
    let mut others = sessions(&generation, &behavior);
    others.retain(|(end_s, _)| i64::from(*end_s) != start_s() + 4041);
    let (answers_before, parent) = (answers(&place), generation.manifest().clone());
    let row = |id: &str| generation.products().row(id).unwrap().0;
    let (bought, with) = (row(GONE[1]), row(GONE[2]));
    assert_eq!(behavior.copurchase().row(bought)[0].product, with);

    let erasure = place.erase("gone").unwrap();
    assert_eq!((erasure.receipt.events, erasure.generations.len()), (4, 2));
    let done: Vec<_> = erasure.generations.iter().map(|one| (one.done, one.by.as_deref(), one.sessions)).collect();
    let replaced = GenerationDone::Replaced;
    assert_eq!(done, [(replaced, Some("gen-000001"), 1), (replaced, Some("gen-000003"), 1)]);
    assert!(erasure.generations.iter().all(|one| one.pairs > 0));

    assert_eq!(place.names(), ["gen-000001", "gen-000003"]);
    for trace in &traces {
        for (what, needle) in trace {
            assert_eq!(shop::files_with(place.root.path(), needle), Vec::<PathBuf>::new(), "{what}");
        }
    }
    let current = place.dir.open_current(Check::Hashes).unwrap();
    assert_eq!((current.name(), current.manifest().parent.as_deref()), ("gen-000003", Some("gen-000002")));
    assert_eq!(current.manifest().counts, parent.counts);
    for name in place.names() {
        let (generation, behavior) = place.opened(&name);
        assert_eq!(sessions(&generation, &behavior), others, "{name}");
        assert!(behavior.copurchase().row(generation.products().row(GONE[1]).unwrap().0).is_empty());
        assert_eq!(i64::from(behavior.now_s()), start_s() + 3311);
    }
    for (after, before) in answers(&place).into_iter().flatten().zip(answers_before.into_iter().flatten()) {
        assert!(after.0 == before.0 && (after.1 - before.1).abs() < 1e-4, "{after:?} {before:?}");
    }
    assert_eq!(place.store().history(&HistoryPart::default()).unwrap().num_sessions(), 31);

    let again = place.erase("gone").unwrap();
    assert_eq!((again.receipt.events, again.generations.len()), (0, 0));
    let nobody = place.erase("v3").unwrap();
    assert!(nobody.generations.iter().all(|one| one.sessions == 1));
}

#[test]
fn what_cannot_be_read_is_deleted_unless_it_is_in_use_and_a_running_build_is_not_disturbed() {
    let place = Place::new();
    let lock = place.dir.lock().unwrap();
    std::fs::create_dir(place.dir.path().join("building")).unwrap();
    let busy = place.erase("gone").unwrap_err();
    assert!(matches!(busy, EraseError::Index(IndexError::BuildInProgress { .. })), "{busy}");
    drop(lock);
    assert_eq!(place.store().export("gone").unwrap().len(), 4);

    let sessions = |name: &str| place.dir.path().join(name).join("sessions.bin");
    std::fs::write(sessions("gen-000001"), b"nothing").unwrap();
    let kept = std::fs::read(sessions("gen-000002")).unwrap();
    std::fs::write(sessions("gen-000002"), b"nothing").unwrap();
    assert!(matches!(place.erase("gone"), Err(EraseError::Index(_))));
    assert_eq!((place.names(), place.store().export("gone").unwrap().len()), (vec!["gen-000002".to_owned()], 4));
    assert!(!place.dir.path().join("building").exists(), "what a killed build left may hold anything");

    std::fs::write(sessions("gen-000002"), kept).unwrap();
    let erasure = place.erase("gone").unwrap();
    assert_eq!((erasure.receipt.events, erasure.generations[0].sessions), (4, 1));
    assert_eq!(place.names(), ["gen-000003"]);
}

#[test]
fn a_running_server_takes_over_what_is_left_and_answers_with_a_receipt() {
    let place = Place::new();
    let needle = traces(&place, "gen-000002").remove("products").unwrap();
    let running = shop::Running::start(place.root.path(), shop::config());
    let receipt = running.delete("/v1/shop/visitors/gone", &Value::Null).json();
    assert_eq!((&receipt["events"], &receipt["generations"][1]["by"]), (&json!(4), &json!("gen-000003")), "{receipt}");
    assert_eq!(receipt["generations"][0]["done"], "replaced");
    assert!(!receipt.to_string().contains("gone"));
    assert_eq!(shop::files_with(place.root.path(), &needle), Vec::<PathBuf>::new());
    running.wait_until("/v1/catalogs", |reply| reply.text().contains("gen-000003"));
    assert!(!running.recommended(&json!({"intent": "next", "context": {"viewed": ["100"]}})).is_empty());
    let place = running.delete("/v1/shop/visitors/nobody", &Value::Null).json();
    assert_eq!((&place["events"], &place["generations"]), (&json!(0), &json!([])));
}

/// Somebody who looks at a product that nobody else meets: what is left when all others are erased.
fn bystander() -> Vec<Value> {
    let views = (0..).zip(["110", "120"]).map(|(at, id)| event("view_item", "bystander", start_s() + at, &[id], None));
    views.collect()
}

const OF_BYSTANDER: [&str; 2] = ["110", "120"];

/// Asserts that every generation holds the bystander's session alone, and no pair of `ids`.
fn assert_bystander_alone(place: &Place, ids: &[&str]) {
    for id in ids {
        for (sessions, pairs) in held(place, id) {
            let expected = (start_s() as u32 + 1, OF_BYSTANDER.map(str::to_owned).to_vec());
            assert_eq!((sessions, pairs), (vec![expected], BTreeSet::new()), "{id}");
        }
    }
}

#[test]
fn a_session_that_a_refund_of_nobody_ended_is_taken_out() {
    let mut events = bystander();
    events.push(event("view_item", "carl", start_s() + 1000, &["000"], None));
    events.push(event("purchase", "carl", start_s() + 1060, &["230", "401"], Some("o-carl")));
    let place = Place::with(&events);
    let mut refund = event("refund", "", start_s() + 1660, &["401"], Some("o-carl"));
    refund.as_object_mut().unwrap().remove("visitor_id");
    place.tell(&place.store(), &[refund]);
    place.build(&place.store());
    let ends: Vec<i64> = held(&place, "000").iter().map(|(sessions, _)| i64::from(sessions[1].0) - start_s()).collect();
    assert_eq!(ends, [1060, 1660], "the first generation knows no refund, the second ends with it");

    let erasure = place.erase("carl").unwrap();
    assert_eq!(erasure.receipt.events, 2);
    assert_eq!(erasure.generations.iter().map(|one| one.sessions).collect::<Vec<_>>(), [1, 1]);
    assert_bystander_alone(&place, &["000", "230", "401"]);
}

#[test]
fn a_session_of_two_devices_of_one_user_goes_whole_with_either() {
    let mut events = bystander();
    for (at, (device, id)) in (0..).zip([("devA", "000"), ("devA", "230"), ("devB", "401")]) {
        let mut view = event("view_item", device, start_s() + 1000 + 600 * at, &[id], None);
        view["user_id"] = json!("anna");
        events.push(view);
    }
    for first in ["devA", "devB", "anna"] {
        let place = Place::with(&events);
        assert_eq!(held(&place, "000")[0].0[1].1, ["000", "230", "401"]);
        assert_eq!(place.erase(first).unwrap().generations[0].sessions, 1, "{first}");
        assert_bystander_alone(&place, &["000", "230", "401"]);
        let left = place.erase("anna").unwrap();
        assert!(left.generations.iter().all(|one| one.done == GenerationDone::Unchanged), "{first}");
        assert_bystander_alone(&place, &["000", "230", "401"]);
        assert!(place.store().export("anna").unwrap().is_empty());
    }
}

#[test]
fn pairs_go_when_no_more_backs_them_than_was_erased_and_stay_when_others_do() {
    let bought = |visitor: &str, hour: i64, ids: &[&str], order: &str| {
        let at_s = start_s() + 3600 * hour;
        let views = (0..).zip(ids).map(|(at, id)| event("view_item", visitor, at_s + at, &[id], None));
        views.chain([event("purchase", visitor, at_s + 60, ids, Some(order))]).collect::<Vec<_>>()
    };
    let mut events = bystander();
    for day in 0..2 {
        let hour = 24 * day;
        events.extend(bought("dora", hour, &["230", "401"], &format!("pair-{day}")));
        events.extend(bought("dora", hour, &["000", "310"], &format!("shared-{day}")));
    }
    events.extend(bought("emil", 26, &["000", "310"], "emil"));
    let place = Place::with(&events);
    let evidence = |place: &Place| {
        let (generation, behavior) = place.opened(&place.names()[0]);
        let [from, to] = ["000", "310"].map(|id| generation.products().row(id).unwrap().0);
        let of = |entry: &&kindred::behavior::Related| entry.product == to;
        behavior.copurchase().row(from).iter().find(of).map(|entry| entry.evidence)
    };
    assert!(held(&place, "230")[0].1.contains("401"));
    assert_eq!(evidence(&place), Some(3));

    assert_eq!(place.erase("dora").unwrap().generations[0].sessions, 2);
    for id in ["230", "401"] {
        assert_eq!(held(&place, id)[0].1, BTreeSet::new(), "{id}");
    }
    assert_eq!(evidence(&place), Some(1), "emil's order alone");
    assert_eq!(held(&place, "000")[0].1, BTreeSet::from(["000", "310"].map(str::to_owned)));

    place.erase("emil").unwrap();
    assert_bystander_alone(&place, &["000", "310", "230", "401"]);
}
