//! Rules over HTTP: in force with the next answer on every thread, one version an answer, kept over a restart, never half saved.

mod shop;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kindred::index::CatalogDir;
use kindred::rules::{MAX_DOCUMENT_BYTES, Notation, RuleSet, RuleStore};
use serde_json::{Value, json};
use shop::{Reply, Running};

const RULES: &str = "/v1/shop/rules";

fn start() -> (tempfile::TempDir, Running) {
    let root = shop::index();
    let running = Running::start(root.path(), shop::config());
    (root, running)
}

fn put(running: &Running, version: &str, document: &Value) -> Reply {
    let headers = [("content-type", "application/json"), ("if-match", version), ("x-kindred-user", "ann")];
    running.send("PUT", RULES, &headers, document.to_string().as_bytes())
}

/// Saves rules that must be accepted, whatever is in force.
fn save(running: &Running, document: &Value) -> u64 {
    let reply = put(running, "*", document);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("etag"), Some(format!("\"{}\"", reply.json()["version"]).as_str()));
    reply.json()["version"].as_u64().unwrap()
}

fn rule(id: &str, then: Value) -> Value {
    json!({"rules": [{"id": id, "then": then}]})
}

fn pin(product: &str) -> Value {
    rule("pinned", json!({"pin": {"products": [product]}}))
}

fn answer(running: &Running, request: &Value) -> Value {
    let reply = running.post("/v1/shop/recommend", request);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[test]
fn rules_are_in_force_with_the_next_answer_and_after_a_restart() {
    let (root, running) = start();
    let similar = json!({"context": {"product": "000"}, "limit": 5});
    let shown = running.get(RULES);
    assert_eq!((shown.header("etag"), &shown.json()["version"]), (Some("\"0\""), &json!(0)));
    assert_eq!(answer(&running, &similar)["rules_version"], 0);
    assert_eq!(save(&running, &pin("530")), 1);
    let pinned = answer(&running, &similar);
    assert_eq!((&pinned["rules_version"], &pinned["results"][0]["id"]), (&json!(1), &json!("530")));
    assert_eq!(pinned["rules"], json!([{"id": "pinned", "removed": 0}]));
    save(&running, &rule("no-acme", json!({"exclude": {"must": [{"key": "brand", "match": "acme"}]}})));
    assert!(running.recommended(&similar).iter().all(|id| ["1", "3"].contains(&&id[1..2])));
    drop(running);
    let running = Running::start(root.path(), shop::config());
    assert_eq!(answer(&running, &similar)["rules_version"], 2);
    assert!(running.recommended(&similar).iter().all(|id| ["1", "3"].contains(&&id[1..2])));
    let versions = running.get("/v1/shop/rules/history").json()["versions"].clone();
    assert_eq!((&versions[0]["version"], &versions[0]["who"]), (&json!(2), &json!("ann")));
    assert_eq!(
        (&versions[0]["diff"]["added"], &versions[0]["diff"]["removed"]),
        (&json!(["no-acme"]), &json!(["pinned"]))
    );
}

#[test]
fn the_second_of_two_savers_is_told_what_the_first_changed_and_nothing_is_lost() {
    let (_root, running) = start();
    assert_eq!(put(&running, "\"0\"", &pin("530")).status, 200);
    let late = put(&running, "\"0\"", &pin("520"));
    assert_eq!((late.status, late.header("etag")), (412, Some("\"1\"")));
    assert_eq!(late.problem().0, "rules_conflict");
    let conflict = late.json();
    assert_eq!((&conflict["current_version"], &conflict["saved_by"]), (&json!(1), &json!("ann")));
    assert_eq!(conflict["diff"]["added"], json!(["pinned"]));
    assert_eq!(running.get(RULES).json()["document"]["rules"], pin("530")["rules"]);
    let blind = running.send("PUT", RULES, &[("content-type", "application/json")], pin("520").to_string().as_bytes());
    assert_eq!((blind.status, blind.problem().0.as_str()), (428, "precondition_required"));
    let toml = b"[[rules]]\nid = \"pinned\"\nthen.pin.products = [\"520\"]";
    let reply = running.send("PUT", RULES, &[("content-type", "application/toml"), ("if-match", "\"1\"")], toml);
    assert_eq!((reply.status, &reply.json()["diff"]["changed"]), (200, &json!([{"id": "pinned", "fields": ["then"]}])));
}

#[test]
fn rules_without_sense_are_refused_at_their_place_and_the_old_ones_stay() {
    let (_root, running) = start();
    save(&running, &pin("530"));
    let exclude = |condition: Value| rule("r", json!({"exclude": {"must": [condition]}}));
    let replace = |id: &str, product: &str, with: &str| json!({"id": id, "then": {"replace": {"product": product, "with": with}}});
    let wrong = [
        (json!({"rule": []}), "rule", "rules"),
        (rule("r", json!({"boots": {}})), "rules[0].then.boots", "boost"),
        (exclude(json!({"key": "brnad", "match": "Acme"})), "rules[0].then.exclude.must[0].key", "brand"),
        (exclude(json!({"key": "price", "rnage": {}})), "rules[0].then.exclude.must[0].rnage", "range"),
        (
            exclude(json!({"key": "price", "range": {"gte": 9, "lte": 5}})),
            "rules[0].then.exclude.must[0].range",
            "above",
        ),
        (
            exclude(json!({"key": "price", "range": {"gte": "10 EUR", "lt": 5}})),
            "rules[0].then.exclude.must[0].range",
            "above",
        ),
        (
            rule("r", json!({"exclude": {"must": [{"stock": {"gte": 9}}, {"stock": {"lt": 5}}]}})),
            "rules[0].then.exclude.must[1]",
            "nothing passes",
        ),
        (
            rule(
                "r",
                json!({"exclude": {"must": [{"key": "brand", "match": "Acme"}], "must_not": [{"key": "brand", "match": "acme"}]}}),
            ),
            "rules[0].then.exclude.must_not[0]",
            "nothing passes",
        ),
        (rule("r", json!({"cap": {"at_most": 1, "per": "brnad"}})), "rules[0].then.cap.per", "brand"),
        (json!({"rules": [replace("a", "000", "010"), replace("b", "010", "000")]}), "rules[1].then.replace", "circle"),
        (json!({"rules": pin("1")["rules"], "time_zone": "Nowhere/Land"}), "time_zone", "Nowhere"),
        (json!({"shop": {"margin_floor": 3}}), "shop.margin_floor", "share"),
    ];
    for (document, place, word) in wrong {
        let reply = put(&running, "*", &document);
        assert_eq!(reply.status, 400, "{document}: {}", reply.text());
        assert_eq!(reply.problem(), ("invalid_rules".to_owned(), json!(place)), "{}", reply.text());
        assert!(reply.text().contains(word), "{}", reply.text());
    }
    let long = format!("{}{{}}", " ".repeat(MAX_DOCUMENT_BYTES));
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    assert_eq!(running.send("PUT", RULES, &headers, long.as_bytes()).problem().0, "body_too_large");
    assert_eq!(running.get(RULES).json()["version"], 1);
    assert_eq!(running.recommended(&json!({"context": {"product": "000"}}))[0], "530");
    let unknown = put(&running, "\"1\"", &pin("not yet"));
    assert_eq!(unknown.status, 200);
    assert_eq!(unknown.json()["warnings"][0]["path"], "rules[0].then.pin.products[0]");
}

#[test]
fn a_rule_that_leaves_little_is_named_in_the_answer_the_figures_and_the_report() {
    let (_root, running) = start();
    let only = json!({"include": {"must": [{"key": "category", "match": "phone case"}]}});
    save(&running, &rule("cases-only", only));
    let short = answer(&running, &json!({"context": {"product": "000"}, "limit": 20}));
    assert_eq!((&short["fewer_because"], &short["fewer_because_rule"]), (&json!("rule"), &json!("cases-only")));
    assert_eq!(short["results"].as_array().unwrap().len(), 4);
    let counted = |text: &str| {
        text.lines().any(|line| {
            line.starts_with("kindred_rule_lists_shortened_total{catalog=\"shop\",rule=\"cases-only\"}")
                && line.ends_with(" 1")
        })
    };
    running.wait_until("/metrics", |reply| counted(&reply.text()));
    let report = running.wait_until("/v1/shop/rules/report", |reply| reply.json()["figures"][0]["shortened"] == 1);
    assert!(report.json()["figures"][0]["removed"].as_u64().unwrap() > 10, "{}", report.text());
}

#[test]
fn what_was_shown_in_vain_is_left_out_until_it_is_clicked() {
    let (_root, running) = start();
    save(&running, &json!({"shop": {"frequency_cap": {"impressions": 2, "days": 7}, "repurchase_days": 30}}));
    let request = json!({"context": {"product": "000"}, "limit": 1, "visitor_id": "v"});
    let first = running.recommended(&request)[0].clone();
    let event = |name: &str, id: &str| json!({"event": name, "event_id": id, "visitor_id": "v", "ecommerce": {"items": [{"item_id": first}]}});
    let send = |events: Value| assert_eq!(running.post("/v1/shop/events", &events).status, 200);
    send(json!([event("view_item_list", "1"), event("view_item_list", "2")]));
    assert_ne!(running.recommended(&request)[0], first);
    assert_eq!(running.recommended(&json!({"context": {"product": "000"}, "limit": 1, "visitor_id": "w"}))[0], first);
    send(json!([event("select_item", "3")]));
    assert_eq!(running.recommended(&request)[0], first);
    send(json!([event("purchase", "4")]));
    assert_ne!(running.recommended(&request)[0], first);
}

#[test]
fn a_product_whose_stand_in_is_on_the_list_already_is_gone_by_its_rule() {
    let (_root, running) = start();
    let request = json!({"context": {"product": "000"}, "limit": 6});
    let before = running.recommended(&request);
    for (gone, with) in [(&before[3], &before[0]), (&before[0], &before[3])] {
        save(&running, &rule("instead", json!({"replace": {"product": gone, "with": with}})));
        let after = answer(&running, &request);
        let ids: Vec<&str> =
            after["results"].as_array().unwrap().iter().map(|result| result["id"].as_str().unwrap()).collect();
        assert!(!ids.contains(&gone.as_str()), "{after}");
        assert_eq!(ids.iter().filter(|id| *id == with).count(), 1, "{after}");
        assert_eq!(after["rules"], json!([{"id": "instead", "removed": 1}]), "{after}");
    }
}

#[test]
fn what_was_bought_stays_out_for_as_long_as_the_rules_say_whatever_is_shown_since_and_over_a_restart() {
    let (root, mut running) = start();
    save(&running, &json!({"shop": {"repurchase_days": 90}}));
    let request = json!({"context": {"product": "000"}, "limit": 1, "visitor_id": "v"});
    let first = running.recommended(&request)[0].clone();
    let day = |ago: i64| (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * ago)).to_string();
    let order = |id: &str, ago: i64, visitor: &str| {
        json!([{"event": "purchase", "event_id": id, "visitor_id": visitor, "timestamp": day(ago),
            "ecommerce": {"transaction_id": id, "items": [{"item_id": first}]}}])
    };
    for (id, ago, visitor) in [("old", 60, "v"), ("older", 100, "w")] {
        assert_eq!(running.post("/v1/shop/events", &order(id, ago, visitor)).status, 200);
    }
    let items: Vec<Value> = (0..100).map(|at| json!({"item_id": format!("{at:03}")})).collect();
    for list in 0..5 {
        let shown = json!([{"event": "view_item_list", "event_id": format!("l{list}"), "visitor_id": "v", "ecommerce": {"items": items}}]);
        assert_eq!(running.post("/v1/shop/events", &shown).status, 200);
    }
    let after = json!({"context": {"product": "000"}, "limit": 1, "visitor_id": "w"});
    for _ in 0..2 {
        assert_ne!(running.recommended(&request)[0], first);
        assert_eq!(running.recommended(&after)[0], first);
        drop(running);
        running = Running::start(root.path(), shop::config());
    }
}

#[test]
fn rules_of_another_process_are_in_force_at_once_and_so_are_segments() {
    let (root, running) = start();
    let store = RuleStore::new(&CatalogDir::new(root.path(), "shop").unwrap().path());
    let document = json!({"rules": [{"id": "vip", "when": {"must": [{"context": "segment", "match": "vip"}]},
        "then": {"pin": {"products": ["530"]}}}]});
    let set = RuleSet::read(&document.to_string(), Notation::Json).unwrap();
    store.put(&set, None, "bob", "", 1).unwrap();
    running.wait_until(RULES, |reply| reply.json()["version"] == 1);
    let request = |segments: Value| json!({"context": {"product": "000"}, "shopper": {"segments": segments}});
    assert_eq!(running.recommended(&request(json!(["staff", "VIP"])))[0], "530");
    assert_ne!(running.recommended(&request(json!(["staff"])))[0], "530");
    let wrong = running.post("/v1/shop/recommend", &json!({"context": {"product": "000"}, "shopper": {"devise": "x"}}));
    assert_eq!(wrong.problem(), ("unknown_field".to_owned(), json!("shopper.devise")));
}

#[test]
fn a_dry_run_tells_what_would_change_and_changes_nothing() {
    let (_root, running) = start();
    let document = json!({"rules": [
        {"id": "first", "then": {"pin": {"products": ["530"], "position": 1}}},
        {"id": "second", "then": {"pin": {"products": ["520"], "position": 1}}},
        {"id": "sold", "then": {"pin": {"products": ["510"]}}},
        {"id": "hides", "then": {"exclude": {"must": [{"key": "id", "match": "510"}]}}},
        {"id": "nowhere", "when": {"must": [{"page": {"must": [{"key": "brand", "match": "Nobody"}]}}]},
         "then": {"exclude": {"must": [{"key": "color", "match": "red"}]}}},
        {"id": "empty", "when": {"must": [{"context": "placement", "match": "cart"}]},
         "then": {"include": {"must": [{"key": "brand", "match": "Nobody"}]}}},
    ]});
    let body = document.to_string();
    let json_type = [("content-type", "application/json")];
    let reply = running.send("POST", "/v1/shop/rules/dry-run?questions=60&seed=3", &json_type, body.as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.text());
    let report = reply.json();
    assert_eq!(report["broken_pins"], json!([{"first": "first", "second": "second", "position": 1}]));
    let hidden = [("first", "530", "empty"), ("second", "520", "empty"), ("sold", "510", "hides")];
    let hidden = hidden.map(|(rule, product, by)| json!({"rule": rule, "product": product, "hidden_by": by}));
    assert_eq!(report["hidden_pins"], json!(hidden));
    assert_eq!(report["never_reached"], json!(["nowhere"]));
    assert_eq!(report["thinned"][0]["rule"], "empty");
    assert!(
        report["touched_answers"].as_u64() > Some(30)
            && report["score_after"].as_f64() < report["score_before"].as_f64()
    );
    let again = running.send("POST", "/v1/shop/rules/dry-run?questions=60&seed=3", &json_type, body.as_bytes()).json();
    assert_eq!((&again["changes"], &again["rules"]), (&report["changes"], &report["rules"]));
    assert_eq!(running.get(RULES).json()["version"], 0);
}

#[test]
fn a_dry_run_of_thousands_of_rules_ends_in_time_and_says_what_it_left_out() {
    let (_root, running) = start();
    let dry_run = |rule: &dyn Fn(usize) -> Value| {
        let rules: Vec<Value> = (0..3000).map(rule).collect();
        let body = json!({ "rules": rules }).to_string();
        let json_type = [("content-type", "application/json")];
        let reply = running.send("POST", "/v1/shop/rules/dry-run?questions=20", &json_type, body.as_bytes());
        assert_eq!(reply.status, 200, "{}", reply.text());
        let report = reply.json();
        let count = |name: &str| report[name].as_array().unwrap().len();
        (count("never_reached"), count("rules_left_out"), report["questions"].as_u64().unwrap())
    };
    let hide = |id: usize| json!({"exclude": {"must": [{"key": "id", "match": format!("{id}")}]}});
    let over = |at: usize| json!({"id": format!("r{at}"), "until": "2020-01-01", "then": hide(at)});
    assert_eq!(dry_run(&over), (3000, 0, 20));
    let nowhere = json!({"must": [{"page": {"must": [{"key": "brand", "match": "Nobody"}]}}]});
    let (never, left_out, _) = dry_run(&|at| json!({"id": format!("r{at}"), "when": nowhere, "then": hide(at)}));
    assert_eq!(never + left_out, 3000);
    let mobile = json!({"must": [{"context": "device", "match": "mobile"}]});
    let (never, _, questions) = dry_run(&|at| json!({"id": format!("r{at}"), "when": mobile, "then": hide(at)}));
    assert_eq!((never, questions), (0, 20));
}

#[test]
fn a_file_of_rules_that_is_moved_away_loses_no_save_and_one_put_in_its_place_is_taken() {
    let (root, running) = start();
    save(&running, &pin("530"));
    let file = CatalogDir::new(root.path(), "shop").unwrap().path().join("rules.sqlite");
    let (aside, backup) = (root.path().join("aside"), root.path().join("backup"));
    std::fs::copy(&file, &backup).unwrap();
    std::fs::rename(&file, &aside).unwrap();
    let refused = put(&running, "*", &pin("520"));
    assert_eq!((refused.status, refused.problem().0.as_str()), (503, "rules_damaged"), "{}", refused.text());
    assert!(!file.exists());
    let similar = json!({"context": {"product": "000"}});
    let answered = answer(&running, &similar);
    assert_eq!((&answered["rules_version"], &answered["results"][0]["id"]), (&json!(1), &json!("530")));
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(save(&running, &pin("520")), 2);
    // An empty file, as a copy begins, is no set without rules.
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, b"").unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let answered = answer(&running, &similar);
    assert_eq!((&answered["rules_version"], &answered["results"][0]["id"]), (&json!(2), &json!("520")));
    for refused in [put(&running, "*", &pin("530")), running.get("/v1/shop/rules/history")] {
        assert_eq!((refused.status, refused.problem().0.as_str()), (503, "rules_damaged"), "{}", refused.text());
        assert!(refused.text().contains("restore `rules.sqlite` from a backup"), "{}", refused.text());
    }
    assert_eq!(file.metadata().unwrap().len(), 0);
    std::fs::write(&file, whole).unwrap();
    running.wait_until("/v1/shop/rules/history", |reply| reply.status == 200);
    // The backup of version 1 over what is there.
    std::fs::rename(&backup, &file).unwrap();
    running.wait_until(RULES, |reply| reply.json()["version"] == 1);
    assert_eq!(running.recommended(&similar)[0], "530");
    assert_eq!(save(&running, &pin("520")), 2);
    assert_eq!(running.recommended(&similar)[0], "520");
}

/// Requests a second under which rules change.
const RATE: usize = 500;
const THREADS: usize = 8;

#[test]
fn no_request_fails_and_no_answer_mixes_two_versions_while_rules_change_under_load() {
    let (_root, running) = start();
    // Version v pins this product first and hides the other one.
    let [odd, even] = ["530", "520"];
    let document = |first: &str, hidden: &str| {
        json!({"rules": [
            {"id": "pinned", "then": {"pin": {"products": [first]}}},
            {"id": "hidden", "then": {"exclude": {"must": [{"key": "id", "match": hidden}]}}},
        ]})
    };
    save(&running, &document(odd, even));
    let (is_done, num_answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (running, is_done, num_answers) = (&running, &is_done, &num_answers);
            scope.spawn(move || {
                for turn in 0.. {
                    if is_done.load(Ordering::Relaxed) {
                        return;
                    }
                    let due = Duration::from_secs_f64((turn * THREADS + thread) as f64 / RATE as f64);
                    std::thread::sleep(due.saturating_sub(began.elapsed()));
                    let answer = answer(running, &json!({"context": {"product": "000"}, "limit": 30}));
                    let is_odd = answer["rules_version"].as_u64().unwrap() % 2 == 1;
                    let (first, hidden) = if is_odd { (odd, even) } else { (even, odd) };
                    let ids: Vec<&str> = answer["results"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|result| result["id"].as_str().unwrap())
                        .collect();
                    assert_eq!(ids[0], first, "{answer}");
                    assert!(!ids.contains(&hidden), "{answer}");
                    num_answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut last = 1;
        while began.elapsed() < Duration::from_secs(5) {
            let (first, hidden) = if last % 2 == 1 { (even, odd) } else { (odd, even) };
            let version = save(&running, &document(first, hidden));
            assert_eq!(version, last + 1);
            last = version;
            // In force when the answer has come.
            assert!(answer(&running, &json!({"context": {"product": "000"}}))["rules_version"] == version);
        }
        is_done.store(true, Ordering::Relaxed);
        assert!(last > 20, "{last} versions");
    });
    let rate = num_answers.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    assert!(rate > 0.5 * RATE as f64, "{rate} answers a second");
}
