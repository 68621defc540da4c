//! Live changes over HTTP: in the next answer, kept over a restart, never stopped by a bad one, and damage said aloud.

mod shop;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kindred::index::{CatalogDir, Check};
use kindred::recommend::{Engine, RecommendConfig};
use kindred::server::ServerConfig;
use serde_json::{Value, json};
use shop::Running;

const PRODUCTS: &str = "/v1/shop/products";

fn start() -> (tempfile::TempDir, Running) {
    let root = shop::index();
    let running = Running::start(root.path(), shop::config());
    (root, running)
}

fn product(running: &Running, id: &str) -> Value {
    running.get(&format!("{PRODUCTS}/{id}")).json()
}

/// Checks an answer to changes: how many were accepted, not found, and the codes of the rejected.
fn check(reply: &shop::Reply, accepted: u64, not_found: u64, codes: &[(u64, &str, &str)]) {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    assert_eq!((&answer["accepted"], &answer["not_found"]), (&json!(accepted), &json!(not_found)), "{answer}");
    let rejected = answer["rejected"].as_array().unwrap();
    let found: Vec<_> = rejected
        .iter()
        .map(|one| (one["index"].as_u64().unwrap(), one["field"].as_str().unwrap(), one["code"].as_str().unwrap()))
        .collect();
    assert_eq!(found, codes, "{answer}");
}

#[test]
fn prices_stock_and_labels_are_in_the_next_answer() {
    let (_root, running) = start();
    let similar = json!({"context": {"product": "000"}, "limit": 100});
    assert!(running.recommended(&similar).contains(&"010".to_owned()));
    let change = json!({"id": "010", "price": "77.00 USD", "sale_price": 70.5, "custom_label_0": "late"});
    check(&running.patch(PRODUCTS, &change), 1, 0, &[]);
    let shown = product(&running, "010");
    assert_eq!(shown["effective_price"], "70.50 USD");
    assert_eq!(shown["product"]["attributes"]["custom_label_0"], json!(["late"]));
    let with = |condition: Value| json!({"context": {"product": "000"}, "limit": 100, "filter": {"must": [condition]}});
    assert_eq!(running.recommended(&with(json!({"key": "custom_label_0", "match": "LATE"}))), ["010"]);
    assert_eq!(running.recommended(&with(json!({"key": "price", "range": {"gte": 70, "lte": 71}}))), ["010"]);
    check(
        &running.patch(
            PRODUCTS,
            &json!([{"id": "010", "availability": "out_of_stock"}, {"id": "011", "availability": "out_of_stock"}]),
        ),
        2,
        0,
        &[],
    );
    let family: Vec<String> = running.recommended(&similar).into_iter().filter(|id| id.starts_with("01")).collect();
    assert!(family.is_empty(), "{family:?}");
    let lines = "{\"id\":\"010\",\"availability\":\"in_stock\",\"sale_price\":null}\n\n{\"id\":\"011\",\"custom_label_0\":null,\"price\":\"5 USD\"}\n";
    check(&running.send("PATCH", PRODUCTS, &[("content-type", "application/x-ndjson")], lines.as_bytes()), 2, 0, &[]);
    assert_eq!(product(&running, "010")["effective_price"], "77.00 USD");
    assert!(running.recommended(&similar).contains(&"010".to_owned()));
}

#[test]
fn products_that_are_put_in_are_found_and_those_deleted_are_not() {
    let (_root, running) = start();
    let new = json!({"id": "new/1", "title": "velvet armchair", "price": "300 USD", "item_group_id": "family-40"});
    let reworded = json!({"id": "000", "title": "velvet sofa", "price": 5});
    check(&running.post(PRODUCTS, &json!([new, reworded])), 2, 0, &[]);
    let sofa = json!({"context": {"query": "velvet sofa"}, "limit": 2, "include": ["product"]});
    assert_eq!(running.recommended(&sofa), ["000", "new/1"]);
    assert_eq!(product(&running, "new/1")["product"]["title"], "velvet armchair");
    assert_eq!(running.recommended(&json!({"context": {"product": "000"}, "limit": 1})), ["new/1"]);
    // One family with the rows of the generation: the anchor's family is never recommended.
    let of_family = running.recommended(&json!({"context": {"product": "400"}, "limit": 100}));
    assert!(!of_family.iter().any(|id| id == "new/1" || id == "401"), "{of_family:?}");
    check(&running.delete(PRODUCTS, &json!({"ids": ["000", "gone", "new/1"]})), 2, 1, &[]);
    assert_eq!(running.get(&format!("{PRODUCTS}/000")).status, 404);
    assert!(running.recommended(&sofa).iter().all(|id| id != "000" && id != "new/1"));
    check(&running.send("DELETE", &format!("{PRODUCTS}/a/b"), &[], b""), 1, 0, &[]);
    check(&running.send("DELETE", &format!("{PRODUCTS}/a/b"), &[], b""), 0, 1, &[]);
    let status = running.get("/v1/catalogs").json()["catalogs"][0].clone();
    assert_eq!((&status["products"], &status["live_masked"], &status["live_new"]), (&json!(50), &json!(2), &json!(0)));
}

#[test]
fn a_bad_change_is_named_and_stops_no_other() {
    let (_root, running) = start();
    let patches = json!([
        {"id": "000", "price": "1.00 USD"}, {"id": "nobody", "price": 1}, {"id": "001", "price": -1}, {"id": "001", "title": "x"},
        {"price": 1}, "000", {"id": "001"}, {"id": "001", "availability": "maybe"}, {"id": "001", "sale_price": "9999 USD"},
        {"id": "x".repeat(200), "price": 1}, {"id": "002", "availability": "preorder"},
    ]);
    let codes = [
        (1, "id", "unknown_product"),
        (2, "price", "bad_price"),
        (3, "title", "unknown_field"),
        (4, "id", "missing_id"),
        (5, "record", "bad_json"),
        (6, "record", "no_change"),
        (7, "availability", "bad_availability"),
        (8, "sale_price", "bad_price"),
        (9, "id", "bad_id"),
        (10, "id", "unknown_product"),
    ];
    check(&running.patch(PRODUCTS, &patches), 1, 0, &codes);
    check(
        &running.post(PRODUCTS, &json!([{"id": "n"}, {"id": "n", "title": "a new one"}])),
        1,
        0,
        &[(0, "title", "missing_title")],
    );
    check(&running.delete(PRODUCTS, &json!({"ids": ["", "n"]})), 1, 0, &[(0, "id", "bad_id")]);
    let json = [("content-type", "application/json")];
    for (method, body, status) in [
        ("PATCH", "", 400),
        ("PATCH", "{", 400),
        ("PATCH", "[1,", 400),
        ("POST", "\u{0}", 400),
        ("DELETE", "[\"000\"]", 400),
        ("DELETE", "{\"ids\":5}", 400),
        ("DELETE", "{\"id\":\"000\"}", 400),
    ] {
        let reply = running.send(method, PRODUCTS, &json, body.as_bytes());
        assert_eq!(reply.status, status, "{method} {body}: {}", reply.text());
        reply.problem();
    }
    assert_eq!(running.send("PATCH", PRODUCTS, &[("content-type", "text/csv")], b"id\n1").status, 415);
    assert_eq!(running.patch("/v1/nobody/products", &json!({"id": "1", "price": 1})).problem().0, "catalog_not_found");
    let long = format!("[{}]", "{\"id\":\"000\",\"price\":1},".repeat(60_000));
    assert_eq!(running.send("PATCH", PRODUCTS, &json, long.as_bytes()).problem().0, "body_too_large");
    assert_eq!(product(&running, "000")["effective_price"], "1.00 USD");
}

#[test]
fn a_restart_keeps_every_change() {
    let (root, mut running) = start();
    check(&running.patch(PRODUCTS, &json!({"id": "000", "price": "55.00 USD", "sale_price": null})), 1, 0, &[]);
    check(&running.post(PRODUCTS, &json!({"id": "extra", "title": "velvet armchair"})), 1, 0, &[]);
    check(&running.delete(PRODUCTS, &json!({"ids": ["001"]})), 1, 0, &[]);
    running.stop().unwrap();
    let running = Running::start(root.path(), shop::config());
    assert_eq!(product(&running, "000")["effective_price"], "55.00 USD");
    assert_eq!(running.recommended(&json!({"context": {"query": "velvet armchair"}, "limit": 1})), ["extra"]);
    assert_eq!(running.get(&format!("{PRODUCTS}/001")).status, 404);
    // A generation that knows nothing of the log gets all of it.
    shop::publish(root.path(), "shop", &shop::products());
    running.wait_until("/v1/catalogs", |reply| reply.json()["catalogs"][0]["generation"] == "gen-000002");
    assert_eq!(product(&running, "000")["effective_price"], "55.00 USD");
    assert_eq!(running.get("/v1/catalogs").json()["catalogs"][0]["live_seq"], 3);
}

/// Four clients, each of which changes a product of its own and reads it back, while others ask and generations change.
#[test]
fn every_answer_after_an_acknowledgement_reflects_it() {
    let (root, running) = start();
    let (is_over, num_answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                assert!(!running.recommended(&json!({"context": {"product": "a/b"}, "limit": 20})).is_empty());
                num_answers.fetch_add(1, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            for _ in 0..3 {
                shop::publish(root.path(), "shop", &shop::products());
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        });
        let running = &running;
        let clients: Vec<_> = (0..4)
            .map(|client| {
                scope.spawn(move || {
                    let id = format!("{client}10");
                    let ask = json!({"context": {"product": "520"}, "limit": 100, "filter": {"must": [{"key": "id", "match": id}]}});
                    for round in 0..40 {
                        let is_in = round % 2 == 1;
                        let word = if is_in { "in_stock" } else { "out_of_stock" };
                        let change = json!({"id": id, "price": format!("{round}.00 USD"), "sale_price": null, "availability": word});
                        check(&running.patch(PRODUCTS, &change), 1, 0, &[]);
                        assert_eq!(product(running, &id)["effective_price"], format!("{round}.00 USD"));
                        assert_eq!(running.recommended(&ask).contains(&id), is_in, "{id} in round {round}");
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(num_answers.load(Ordering::Relaxed) > 5);
}

#[test]
fn what_another_process_changes_is_seen_without_a_restart() {
    let (root, running) = start();
    let dir = CatalogDir::new(root.path(), "shop").unwrap();
    let generation = dir.open_current(Check::Headers).unwrap();
    let other =
        Engine::new(&dir, generation, shop::EMBEDDER.clone(), &shop::template(), &RecommendConfig::default()).unwrap();
    let change = |price: &str| kindred::live::Change::Patch {
        id: kindred::catalog::ProductId::new("000").unwrap(),
        patch: serde_json::from_value(json!({"price": price, "sale_price": null})).unwrap(),
    };
    for price in ["1.11 USD", "2.22 USD"] {
        other.live().submit(vec![change(price)]).unwrap();
        running.wait_until(&format!("{PRODUCTS}/000"), |reply| reply.json()["effective_price"] == price);
    }
    check(&running.patch(PRODUCTS, &json!({"id": "001", "price": "3.33 USD", "sale_price": null})), 1, 0, &[]);
    other.live().catch_up().unwrap();
    let view = other.view();
    assert_eq!(view.price(view.row("001").unwrap()).unwrap().to_string(), "3.33 USD");
}

/// Flips bits all over the file: each time the changes are as they were, or the file is said to be damaged.
#[test]
fn a_damaged_log_is_an_error_that_names_it_and_never_another_price() {
    let (root, mut running) = start();
    for round in 0..30 {
        check(
            &running
                .patch(PRODUCTS, &json!({"id": "000", "price": format!("{}.00 USD", 500 + round), "sale_price": null})),
            1,
            0,
            &[],
        );
    }
    running.stop().unwrap();
    drop(running);
    let dir = CatalogDir::new(root.path(), "shop").unwrap();
    let good = std::fs::read(dir.live_path()).unwrap();
    let open = || {
        let generation = dir.open_current(Check::Headers).unwrap();
        Engine::new(&dir, generation, shop::EMBEDDER.clone(), &shop::template(), &RecommendConfig::default())
    };
    let mut num_errors = 0;
    for at in (0..good.len()).step_by(good.len() / 150) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(dir.live_path(), bad).unwrap();
        match open() {
            Ok(engine) => {
                let view = engine.view();
                let price = view.price(view.row("000").unwrap()).unwrap().to_string();
                assert_eq!(price, "529.00 USD", "byte {at}");
            }
            Err(error) => {
                assert!(error.to_string().contains("live.sqlite"), "byte {at}: {error}");
                num_errors += 1;
            }
        }
    }
    assert!(num_errors > 10, "{num_errors}");
    std::fs::write(dir.live_path(), &good[..good.len() / 2]).unwrap();
    assert!(open().is_err_and(|error| error.to_string().contains("live.sqlite")));
}

#[test]
fn a_catalog_with_a_damaged_log_says_so_while_the_others_answer_and_is_mended_without_a_restart() {
    let root = shop::index();
    shop::publish(root.path(), "broken", &shop::products());
    let path = CatalogDir::new(root.path(), "broken").unwrap().live_path();
    std::fs::write(&path, "this is no database at all, but it is quite long".repeat(40)).unwrap();
    let running = Running::start(root.path(), ServerConfig { ..shop::config() });
    let reply = running.post("/v1/broken/recommend", &json!({"context": {"product": "000"}}));
    assert_eq!((reply.status, reply.problem().0.as_str()), (503, "live_damaged"));
    assert_eq!(running.get("/v1/catalogs").json()["catalogs"][0]["state"], "live_damaged");
    assert_eq!(running.recommended(&json!({"context": {"product": "000"}})).len(), 10);
    std::fs::remove_file(&path).unwrap();
    running.wait_until("/healthz/ready", |reply| reply.status == 200);
    check(
        &running.patch("/v1/broken/products", &json!({"id": "000", "price": "1 USD", "sale_price": null})),
        1,
        0,
        &[],
    );
    let metrics = running
        .wait_until("/metrics", |reply| reply.text().contains("kindred_live_log_changes{catalog=\"broken\"} 1\n"));
    assert!(metrics.text().contains("kindred_live_changes_total{catalog=\"broken\",result=\"accepted\"} 1\n"));
}
