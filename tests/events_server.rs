//! Events over HTTP: kept when acknowledged, never stopped by a bad one, erased to the byte, and faults of their file said aloud.

mod command;
mod shop;

use std::path::PathBuf;

use command::Workplace;
use kindred::catalog::ProductId;
use kindred::events::{
    EVENTS_FILE, Event, EventKind, EventStore, EventsConfig, HistoryPart, Ids, Item, KEY_FILE, MAX_ID_BYTES,
};
use serde_json::{Value, json};
use shop::Running;

const EVENTS: &str = "/v1/shop/events";
const LINES: [(&str, &str); 1] = [("content-type", "application/x-ndjson")];

fn start() -> (tempfile::TempDir, Running) {
    let root = shop::index();
    let running = Running::start(root.path(), shop::config());
    (root, running)
}

fn view(visitor: &str, product: &str) -> Value {
    json!({"event": "view_item", "visitor_id": visitor, "ecommerce": {"items": [{"item_id": product, "price": 2.5}]}})
}

/// Accepted, duplicates and rejected of an answer.
fn counts(reply: &shop::Reply) -> [u64; 3] {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    let rejected = answer["rejected"].as_array().unwrap().len() as u64;
    [answer["accepted"].as_u64().unwrap(), answer["duplicates"].as_u64().unwrap(), rejected]
}

fn exported(running: &Running, id: &str) -> Vec<Value> {
    running.get(&format!("/v1/shop/visitors/{id}")).json()["events"].as_array().unwrap().clone()
}

#[test]
fn one_event_a_list_and_lines_are_kept_and_bad_ones_are_named() {
    let (_root, running) = start();
    let one = json!({"event": "view_item", "event_id": "e1", "visitor_id": "v", "items": [{"item_id": "000"}]});
    assert_eq!(counts(&running.post(EVENTS, &one)), [1, 0, 0]);
    assert_eq!(counts(&running.post(EVENTS, &one)), [0, 1, 0]);
    let list = json!([view("v", "000"), {"event": "sneeze"}, view("v", "later"), {"event": "page_view"}, 5, one]);
    let reply = running.post(EVENTS, &list);
    assert_eq!(counts(&reply), [2, 1, 2]);
    let answer = reply.json();
    assert_eq!((&answer["ignored"], &answer["unknown_products"]), (&json!(1), &json!(1)), "{answer}");
    let rejected = &answer["rejected"];
    assert_eq!(
        (&rejected[0]["index"], &rejected[0]["field"], &rejected[0]["code"]),
        (&json!(1), &json!("event"), &json!("unknown_event"))
    );
    assert_eq!((&rejected[1]["index"], &rejected[1]["code"]), (&json!(4), &json!("bad_json")));
    let lines = format!("{}\n{{broken\n\n{}\n", view("v", "010"), view("v", "011"));
    assert_eq!(counts(&running.send("POST", EVENTS, &LINES, lines.as_bytes())), [2, 0, 1]);
    let products: Vec<Value> =
        exported(&running, "v").iter().map(|event| event["items"][0]["item_id"].clone()).collect();
    assert_eq!(products, ["000", "000", "later", "010", "011"]);
    let metrics = running.get("/metrics").text();
    assert!(metrics.contains("kindred_events_total{catalog=\"shop\",result=\"accepted\"} 5\n"), "{metrics}");
    assert!(metrics.contains("kindred_events_total{catalog=\"shop\",result=\"duplicate\"} 2\n"), "{metrics}");
}

#[test]
fn a_beacon_is_read_and_a_line_that_is_no_text_is_lost_alone() {
    let (_root, running) = start();
    let beacon = [("content-type", "text/plain;charset=UTF-8")];
    let pretty = serde_json::to_string_pretty(&view("v", "000")).unwrap();
    assert_eq!(counts(&running.send("POST", EVENTS, &beacon, pretty.as_bytes())), [1, 0, 0]);
    let list = json!([view("v", "000"), view("v", "001")]).to_string();
    assert_eq!(counts(&running.send("POST", EVENTS, &beacon, list.as_bytes())), [2, 0, 0]);
    let lines = format!("{}\n{}\n", view("v", "010"), view("v", "011"));
    assert_eq!(counts(&running.send("POST", EVENTS, &beacon, lines.as_bytes())), [2, 0, 0]);
    let bad = [
        view("v", "010").to_string().as_bytes(),
        b"\n{\"event\": \"view_item\", \"item_id\": \"\xff\"}\n",
        view("v", "011").to_string().as_bytes(),
    ]
    .concat();
    let reply = running.send("POST", EVENTS, &LINES, &bad);
    assert_eq!(counts(&reply), [2, 0, 1]);
    assert_eq!(
        (&reply.json()["rejected"][0]["index"], &reply.json()["rejected"][0]["code"]),
        (&json!(1), &json!("bad_json"))
    );
    let json = [("content-type", "application/json")];
    assert_eq!(running.send("POST", EVENTS, &json, b"[\"\xff\"]").problem().0, "invalid_json");
}

#[test]
fn an_order_told_over_http_and_by_the_shell_counts_once_and_each_of_its_refunds() {
    let (root, running) = start();
    let purchase = |event_id: &str, timestamp: &str| {
        json!({"event": "purchase", "event_id": event_id, "visitor_id": "v", "timestamp": timestamp, "ecommerce": {
            "transaction_id": "1001", "items": [{"item_id": "000", "quantity": 2, "price": 2.5}]}})
    };
    assert_eq!(counts(&running.post(EVENTS, &purchase("a", "2026-01-31T12:00:00Z"))), [1, 0, 0]);
    assert_eq!(counts(&running.post(EVENTS, &purchase("b", "2026-01-31T12:05:00Z"))), [0, 1, 0]);
    let work = Workplace::new();
    let root_dir = root.path().to_str().unwrap();
    let import = |text: &str| {
        work.write("orders.csv", text);
        let done = work.json(&["events", "import", "shop", "orders.csv", "--index-root", root_dir]);
        [done["accepted"].as_u64().unwrap(), done["duplicates"].as_u64().unwrap(), done["rejected"].as_u64().unwrap()]
    };
    let header = "order_id;product_id;quantity;timestamp;unit_price;customer_id\n";
    let line = |rest: &str| format!("{header}1001;{rest}");
    assert_eq!(import(&line("000;2;2026-01-31 07:00:00 -0500;2,50;anna\n")), [0, 1, 0]);
    // A line that was missing from the order gets in; and two refunds of it, from two files, are two.
    assert_eq!(import(&line("010;1;2026-01-31 07:00:00 -0500;9,00;anna\n")), [1, 0, 0]);
    let refunds = ["000;-1;2026-02-01;2,50;anna\n", "000;-1;2026-02-02;2,50;anna\n"].map(line);
    assert_eq!(refunds.each_ref().map(|text| import(text)), [[1, 0, 0], [1, 0, 0]]);
    assert_eq!(refunds.each_ref().map(|text| import(text)), [[0, 1, 0], [0, 1, 0]]);
    let store = EventStore::open(&root.path().join("shop"), &EventsConfig::default()).unwrap();
    let history = store.history(&HistoryPart::default()).unwrap();
    let mut lines: Vec<(&str, u32, u32)> = history
        .sessions()
        .flat_map(|session| session.interactions)
        .map(|line| (history.products()[line.product as usize].as_str(), line.order, line.quantity))
        .collect();
    lines.sort();
    assert_eq!(lines, [("000", 0, 1), ("000", 0, 1), ("000", 0, 2), ("010", 0, 1)]);
}

#[test]
fn a_sign_in_joins_the_live_session() {
    let (_root, running) = start();
    let mut signed_in = view("v", "110");
    signed_in["user_id"] = json!("u");
    assert_eq!(counts(&running.post(EVENTS, &json!([view("v", "000"), signed_in]))), [2, 0, 0]);
    let by = |name: &str, id: &str| running.recommended(&json!({"intent": "for_you", name: id}));
    let both = running.recommended(&json!({"intent": "for_you", "context": {"viewed": ["000", "110"]}}));
    let last = running.recommended(&json!({"intent": "for_you", "context": {"viewed": ["110"]}}));
    assert_eq!((by("visitor_id", "v"), by("user_id", "u")), (both.clone(), both.clone()));
    assert_ne!(both, last, "the one event that bears the user's id is not all of the session");
}

#[test]
fn what_a_shopper_bought_before_is_in_what_is_for_them_until_it_is_erased() {
    let (_root, running) = start();
    let order = |number: &str, day: u32, ids: Value, products: &[&str]| {
        let items: Vec<Value> = products.iter().map(|id| json!({"item_id": id})).collect();
        let mut event = json!({"event": "purchase", "transaction_id": number, "timestamp": format!("2026-01-0{day}T10:00:00Z"),
            "items": items});
        event.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        event
    };
    let events = json!([
        order("o1", 1, json!({"visitor_id": "v"}), &["101", "011"]),
        order("o2", 2, json!({"visitor_id": "v", "user_id": "u"}), &["101"]),
    ]);
    assert_eq!(counts(&running.post(EVENTS, &events)), [2, 0, 0]);
    let ask = |ids: Value| {
        let mut request = json!({"intent": "for_you", "context": {"cart": [{"id": "011"}]}, "limit": 50});
        request.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        let answer = running.post("/v1/shop/recommend", &request).json()["results"].clone();
        let of = |result: &Value| (result["id"].as_str().unwrap().to_owned(), result["sources"]["bought"].as_f64());
        answer.as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let nobody = ask(json!({}));
    assert!(nobody.iter().all(|(_, bought)| bought.is_none()));
    for ids in [json!({"visitor_id": "v"}), json!({"user_id": "u"}), json!({"visitor_id": "other", "user_id": "u"})] {
        let known = ask(ids.clone());
        let bought: Vec<_> = known.iter().filter(|(_, bought)| bought.is_some()).collect();
        let [(id, Some(share))] = bought[..] else { panic!("{ids}: {known:?}") };
        assert!(id == "101" && (share - 3f64.ln() / 11f64.ln()).abs() < 1e-5, "{ids}: {known:?}");
    }
    assert_eq!(ask(json!({"visitor_id": "v", "consent": false})), nobody);
    // With nothing done yet the answer starts from what was bought.
    let returning = json!({"intent": "for_you", "user_id": "u", "limit": 3});
    assert!(running.recommended(&returning).contains(&"101".to_owned()));
    assert_eq!(running.send("DELETE", "/v1/shop/visitors/u", &[], b"").status, 200);
    assert_eq!((ask(json!({"user_id": "u"})), ask(json!({"visitor_id": "v"}))), (nobody.clone(), nobody));
}

#[test]
fn a_user_whose_device_is_not_known_is_recommended_by_their_own_session() {
    let (_root, running) = start();
    let mut signed_in = view("phone", "000");
    signed_in["user_id"] = json!("u");
    assert_eq!(counts(&running.post(EVENTS, &json!([signed_in, view("tablet", "110")]))), [2, 0, 0]);
    let asked = |ids: Value| {
        let mut request = json!({"intent": "for_you"});
        request.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        running.recommended(&request)
    };
    let of_user = asked(json!({"user_id": "u"}));
    assert_eq!(asked(json!({"visitor_id": "a new laptop", "user_id": "u"})), of_user);
    let of_tablet = asked(json!({"visitor_id": "tablet"}));
    assert_eq!(asked(json!({"visitor_id": "tablet", "user_id": "u"})), of_tablet);
    assert_ne!(of_tablet, of_user);
}

#[test]
fn an_id_that_no_event_can_bear_is_refused_over_http_and_by_the_shell() {
    let (root, running) = start();
    let long = "x".repeat(MAX_ID_BYTES + 1);
    for method in ["GET", "DELETE"] {
        let reply = running.send(method, &format!("/v1/shop/visitors/{long}"), &[], b"");
        assert_eq!((reply.status, reply.problem().0.as_str()), (400, "invalid_field"));
        assert_eq!(running.send(method, "/v1/shop/visitors/", &[], b"").status, 404);
    }
    let work = Workplace::new();
    for (command, id) in [("erase", ""), ("export", ""), ("erase", &long), ("export", &long)] {
        let error = work.fails(&["events", command, "shop", id, "--index-root", root.path().to_str().unwrap()], 6);
        assert!(error.contains("1 to 256 bytes"), "{error}");
    }
}

#[test]
fn a_request_that_is_wrong_as_a_whole_keeps_nothing() {
    let (root, running) = start();
    let json = [("content-type", "application/json")];
    for (body, status) in [("", 400), ("{", 400), ("[1,", 400), ("\u{0}", 400), ("{} {}", 400), ("\"[\"", 200)] {
        assert_eq!(running.send("POST", EVENTS, &json, body.as_bytes()).status, status, "{body}");
    }
    let deep = "[".repeat(200_000);
    assert_eq!(running.send("POST", EVENTS, &json, deep.as_bytes()).problem().0, "invalid_json");
    assert_eq!(running.send("POST", EVENTS, &[("content-type", "text/html")], b"{}").status, 415);
    assert_eq!(running.post("/v1/nobody/events", &view("v", "a")).problem().0, "catalog_not_found");
    let items = vec![json!({"item_id": "000"}); 30_000];
    let huge = json!({"event": "purchase", "items": items});
    let answer = running.post(EVENTS, &json!([huge, view("v", "000")])).json();
    assert_eq!(
        (&answer["accepted"], &answer["rejected"][0]["code"]),
        (&json!(1), &json!("too_many_items")),
        "{answer}"
    );
    let long = format!("[{}]", vec![view("v", "000").to_string(); 20_000].join(","));
    assert_eq!(running.send("POST", EVENTS, &json, long.as_bytes()).problem().0, "body_too_large");
    let store = EventStore::open(&root.path().join("shop"), &EventsConfig::default()).unwrap();
    assert_eq!(store.history(&HistoryPart::default()).unwrap().num_interactions(), 1);
}

#[test]
fn nothing_is_written_of_who_did_not_agree_and_no_id_of_who_did() {
    let (root, running) = start();
    let mut refused = view("anna-in-secret", "000");
    refused["consent"] = json!(false);
    refused["session_id"] = json!("secret-session");
    let answer = running.post(EVENTS, &refused).json();
    assert_eq!((&answer["accepted"], &answer["without_consent"]), (&json!(0), &json!(1)));
    assert!(!root.path().join("shop").join(EVENTS_FILE).exists());
    let mut told = view("ben-in-clear", "010");
    for (name, value) in [("session_id", "clear-session"), ("user_id", "clear-user"), ("event_id", "clear-event")] {
        told[name] = json!(value);
    }
    assert_eq!(counts(&running.post(EVENTS, &json!([refused, told]))), [1, 0, 0]);
    for id in ["anna-in-secret", "secret-session", "ben-in-clear", "clear-session", "clear-user", "clear-event"] {
        assert_eq!(shop::files_with(root.path(), id.as_bytes()), Vec::<PathBuf>::new(), "{id}");
    }
}

#[test]
fn a_visitor_is_exported_and_erased_with_a_receipt() {
    let (root, running) = start();
    let search =
        |visitor: &str| json!({"event": "search", "visitor_id": visitor, "search_term": format!("words of {visitor}")});
    let events: Vec<Value> = ["a/b", "c"].iter().flat_map(|id| [view(id, "000"), search(id)]).collect();
    assert_eq!(counts(&running.post(EVENTS, &json!(events))), [4, 0, 0]);
    assert!(!shop::files_with(root.path(), b"words of a/b").is_empty());
    let kept = exported(&running, "a/b");
    assert_eq!((kept.len(), &kept[1]["search_term"]), (2, &json!("words of a/b")), "{kept:?}");
    let receipt = running.send("DELETE", "/v1/shop/visitors/a%2Fb", &[], b"").json();
    assert_eq!((&receipt["events"], receipt["receipt_id"].as_str().unwrap().len()), (&json!(2), 26), "{receipt}");
    assert!(receipt["erased_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(shop::files_with(root.path(), b"words of a/b"), Vec::<PathBuf>::new());
    assert_eq!((exported(&running, "a/b").len(), exported(&running, "c").len()), (0, 2));
    assert_eq!(running.send("DELETE", "/v1/shop/visitors/a/b", &[], b"").json()["events"], 0);
    // A session of nobody goes by its own id, which may be as long as that of any event.
    let session = "s".repeat(MAX_ID_BYTES);
    let nameless = json!({"event": "view_item", "session_id": session, "items": [{"item_id": "000"}]});
    assert_eq!(counts(&running.post(EVENTS, &nameless)), [1, 0, 0]);
    let asked = running.post("/v1/shop/recommend", &json!({"intent": "next", "session_id": session}));
    assert_eq!(asked.status, 200, "{}", asked.text());
    assert_eq!(exported(&running, &session).len(), 1);
    assert_eq!(running.send("DELETE", &format!("/v1/shop/visitors/{session}"), &[], b"").json()["events"], 1);
    assert_eq!(exported(&running, &session).len(), 0);
}

#[test]
fn events_survive_a_restart_and_those_of_the_shell_are_seen() {
    let (root, mut running) = start();
    assert_eq!(counts(&running.post(EVENTS, &view("v", "000"))), [1, 0, 0]);
    running.stop().unwrap();
    let running = Running::start(root.path(), shop::config());
    assert_eq!(exported(&running, "v").len(), 1);
    let work = Workplace::new();
    work.write("orders.csv", "order_id,product_id,quantity,timestamp,unit_price,customer_id\n1,000,2,2024-05-05T10:00:00Z,2.5,v\nC2,000,-1,2024-05-06T10:00:00Z,2.5,v\n");
    let root_dir = root.path().to_str().unwrap();
    let at = |args: &[&str]| work.json(&[args, &["--index-root", root_dir]].concat());
    let done = at(&["events", "import", "shop", "orders.csv"]);
    assert_eq!(
        (&done["accepted"], &done["duplicates"], &done["rejected"]),
        (&json!(2), &json!(0), &json!(0)),
        "{done}"
    );
    assert_eq!(at(&["events", "import", "shop", "orders.csv"])["duplicates"], 2);
    let kinds: Vec<Value> = exported(&running, "v").iter().map(|event| event["event"].clone()).collect();
    assert_eq!(kinds, ["purchase", "refund", "view_item"]);
    assert_eq!(at(&["events", "status", "shop"])["by_event"], json!({"purchase": 1, "refund": 1, "view_item": 1}));
    assert_eq!(at(&["events", "export", "shop", "v"])["events"].as_array().unwrap().len(), 3);
    assert_eq!(at(&["events", "purge", "shop"])["purged"], 0);
    assert_eq!(at(&["events", "erase", "shop", "v"])["events"], 3);
    assert_eq!(exported(&running, "v").len(), 0);
}

#[test]
fn the_shell_says_what_is_wrong_with_a_file() {
    let root = shop::index();
    let work = Workplace::new();
    let root_dir = root.path().to_str().unwrap().to_owned();
    let args = |args: &[&str]| {
        [args, &["--index-root", &root_dir]].concat().iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>()
    };
    let fails =
        |command: &[&str], code| work.fails(&args(command).iter().map(String::as_str).collect::<Vec<_>>(), code);
    work.write("odd.csv", "what,is,this\n1,2,3\n");
    assert!(fails(&["events", "import", "shop", "odd.csv"], 3).contains("--map"));
    assert!(fails(&["events", "import", "shop", "odd.csv", "--map", "product=what,time=When"], 3).contains("`When`"));
    assert!(fails(&["events", "import", "shop", "missing.csv"], 3).contains("missing.csv"));
    work.write("bad.csv", "order,product,time\n1,a,never\n");
    assert!(fails(&["events", "import", "shop", "bad.csv", "--rejects", "rejects.jsonl"], 6).contains("none"));
    let rejects = std::fs::read_to_string(work.path("rejects.jsonl")).unwrap();
    assert!(rejects.starts_with("{\"index\":2,\"field\":\"time\",\"code\":\"bad_time\""), "{rejects}");
    fails(&["events", "status", "nowhere"], 6);
}

#[test]
fn damaged_events_are_said_while_answers_go_on_and_are_mended_without_a_restart() {
    let root = shop::index();
    let folder = root.path().join("shop");
    std::fs::write(folder.join(EVENTS_FILE), "this is no database at all, but it is quite long".repeat(40)).unwrap();
    std::fs::write(folder.join(KEY_FILE), [7; 32]).unwrap();
    let running = Running::start(root.path(), shop::config());
    let reply = running.post(EVENTS, &view("v", "000"));
    assert_eq!((reply.status, reply.problem().0.as_str()), (503, "events_damaged"));
    assert_eq!(running.recommended(&json!({"context": {"product": "000"}})).len(), 10);
    let work = Workplace::new();
    let error = work.fails(&["events", "status", "shop", "--index-root", root.path().to_str().unwrap()], 5);
    assert!(error.contains(EVENTS_FILE), "{error}");
    std::fs::write(folder.join(EVENTS_FILE), "").unwrap();
    let error = work.fails(&["events", "status", "shop", "--index-root", root.path().to_str().unwrap()], 5);
    assert!(error.contains(EVENTS_FILE) && error.contains("0 bytes"), "{error}");
    std::fs::remove_file(folder.join(EVENTS_FILE)).unwrap();
    running.wait_until("/v1/shop/visitors/v", |reply| reply.status == 200);
    assert_eq!(counts(&running.post(EVENTS, &view("v", "000"))), [1, 0, 0]);
}

#[test]
fn events_that_another_process_held_at_the_start_are_used_once_it_lets_go() {
    let root = shop::index();
    let folder = root.path().join("shop");
    let store = EventStore::open(&folder, &EventsConfig::default()).unwrap();
    let item = Item { product: ProductId::new("000").unwrap(), quantity: 1, price: None };
    let ids = Ids { visitor: Some("v".into()), ..Ids::default() };
    let now_ms = jiff::Timestamp::now().as_millisecond();
    store.submit(vec![Event { ids, items: vec![item], ..Event::new(EventKind::ViewItem, now_ms) }]).unwrap();
    drop(store);
    let holding = rusqlite::Connection::open(folder.join(EVENTS_FILE)).unwrap();
    holding.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE").unwrap();
    let written = || std::fs::metadata(folder.join(EVENTS_FILE)).unwrap().modified().unwrap();
    let held = written();
    let running = Running::start(root.path(), shop::config());
    let reply = running.post(EVENTS, &view("v", "010"));
    assert_eq!((reply.status, reply.problem().0.as_str()), (503, "events_unavailable"));
    assert!(reply.text().contains("another process"), "{}", reply.text());
    assert_eq!(running.recommended(&json!({"context": {"product": "000"}})).len(), 10);
    drop(holding);
    assert_eq!(written(), held, "what makes the server look again is not that the file changed");
    running.wait_until("/v1/shop/visitors/v", |reply| reply.status == 200);
    assert_eq!(counts(&running.post(EVENTS, &view("v", "010"))), [1, 0, 0]);
    assert_eq!(exported(&running, "v").len(), 2);
}
