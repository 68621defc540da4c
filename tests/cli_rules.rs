//! `kindred rules`: what is saved can be shown, edited and saved again, is recorded, and can be undone; what has no sense is refused.

mod command;

use command::Workplace;
use serde_json::json;

const RULES: &str = r#"
    [shop]
    max_per_brand = 4
    [[rules]]
    id = "mug-first"
    owner = "ann"
    then.pin = { products = ["p1"], position = 1 }
    [[rules]]
    id = "cheap-ones"
    when.must = [{ context = "placement", match = "cart" }]
    then.include.must = [{ key = "price", range = { lte = 20 } }]"#;

fn shop() -> Workplace {
    let work = Workplace::new();
    work.write("feed.csv", command::feed(&command::titles(40, "rules")));
    work.ok(&["index", "build", "shop", "--feed", "feed.csv"]);
    work.write("rules.toml", RULES);
    work
}

#[test]
fn rules_are_checked_saved_shown_recorded_and_undone() {
    let work = shop();
    assert!(work.ok(&["rules", "check", "shop", "rules.toml"]).contains("2 rules, 2 of them on"));
    assert!(!work.path("index/shop/rules.sqlite").exists());
    let saved = work.ok(&["rules", "apply", "shop", "rules.toml", "--who", "ann", "--note", "first"]);
    assert!(saved.contains("version 1 is in force: +mug-first +cheap-ones ~shop.max_per_brand"), "{saved}");
    let first = work.json(&["similar", "shop", "p0", "--limit", "3"]);
    assert_eq!(first["results"][0]["id"], "p1");
    let shown = work.ok(&["rules", "show", "shop"]);
    work.write("again.toml", &shown);
    assert!(work.ok(&["rules", "apply", "shop", "again.toml"]).contains("version 2 is in force: no change"), "{shown}");
    work.write("none.json", "{}");
    work.ok(&["rules", "apply", "shop", "none.json", "--who", "bob"]);
    let long = "x".repeat(201);
    assert!(work.fails(&["rules", "apply", "shop", "none.json", "--who", &long], 2).contains("at most 200 characters"));
    assert!(work.fails(&["rules", "rollback", "shop", "--note", &long], 2).contains("at most 200 characters"));
    assert!(work.fails(&["rules", "rollback", "shop", "--note", "one\ttwo"], 2).contains("control characters"));
    let history = work.json(&["rules", "history", "shop"]);
    assert_eq!((&history["versions"][0]["who"], &history["versions"][2]["note"]), (&json!("bob"), &json!("first")));
    assert!(work.ok(&["rules", "rollback", "shop"]).contains("version 4 is in force"));
    assert_eq!(work.json(&["rules", "show", "shop"])["document"]["rules"][0]["id"], "mug-first");
    assert_eq!(work.json(&["rules", "show", "shop", "--version", "3"])["document"]["rules"], json!([]));
    assert!(work.ok(&["rules", "report", "shop", "--days", "7"]).contains("counted"));
}

#[test]
fn what_has_no_sense_or_comes_too_late_is_refused_and_the_old_rules_stay() {
    let work = shop();
    work.ok(&["rules", "apply", "shop", "rules.toml"]);
    work.write("wrong.toml", RULES.replace("position", "positoin"));
    let error = work.fails(&["rules", "apply", "shop", "wrong.toml"], 6);
    assert!(error.contains("rules[0].then.pin.positoin") && error.contains("did you mean `position`"), "{error}");
    work.write("field.toml", RULES.replace("\"price\", range = { lte = 20 }", "\"colour\", match = \"red\""));
    assert!(work.fails(&["rules", "check", "shop", "field.toml"], 6).contains("rules[1].then.include.must[0].key"));
    let late = work.fails(&["rules", "apply", "shop", "rules.toml", "--expect", "0"], 8);
    assert!(late.contains("version 1 was saved by") && late.contains("+mug-first"), "{late}");
    assert!(work.fails(&["rules", "rollback", "shop", "--to", "9"], 6).contains("no version 9"));
    work.fails(&["rules", "apply", "shop", "missing.toml"], 3);
    assert_eq!(work.json(&["rules", "show", "shop"])["version"], 1);
    let file = work.path("index/shop/rules.sqlite");
    std::fs::write(&file, b"").unwrap();
    for command in
        [&["rules", "show", "shop"][..], &["rules", "apply", "shop", "rules.toml"], &["similar", "shop", "p0"]]
    {
        let error = work.fails(command, 5);
        assert!(error.contains("rules.sqlite` are damaged: it has 0 bytes") && error.contains("backup"), "{error}");
    }
    assert_eq!(file.metadata().unwrap().len(), 0);
    std::fs::write(work.path("index/shop/rules.sqlite"), b"no database at all, just some text that is long enough")
        .unwrap();
    assert!(work.fails(&["rules", "show", "shop"], 5).contains("rules.sqlite"));
    assert!(work.fails(&["similar", "shop", "p0"], 5).contains("rules.sqlite"));
}

#[test]
fn a_dry_run_compares_with_what_is_in_force_and_saves_nothing() {
    let work = shop();
    let text = work.ok(&["rules", "dry-run", "shop", "rules.toml", "--questions", "30"]);
    assert!(text.contains("mug-first") && text.contains("cost:"), "{text}");
    let report = work.json(&["rules", "dry-run", "shop", "rules.toml", "--questions", "30", "--seed", "5"]);
    assert_eq!((&report["compared_with"], &report["orders"]), (&json!(0), &json!(null)));
    assert!(report["touched_answers"].as_u64() > Some(20), "{report}");
    assert!(!work.path("index/shop/rules.sqlite").exists());
    work.ok(&["rules", "apply", "shop", "rules.toml"]);
    let report = work.json(&["rules", "dry-run", "shop", "rules.toml", "--questions", "30"]);
    assert_eq!((&report["compared_with"], &report["touched_answers"]), (&json!(1), &json!(0)));
}

#[test]
fn a_dry_run_asks_about_real_sessions_even_where_most_of_them_say_nothing() {
    let work = shop();
    let line = |event: &str, id: usize, product: usize| {
        format!(
            r#"{{"event":"{event}","event_id":"{event}{id}","visitor_id":"v{id}","timestamp":"2026-11-0{}T10:00:00Z","ecommerce":{{"transaction_id":"o{id}","items":[{{"item_id":"p{product}"}}]}}}}"#,
            1 + id % 9
        )
    };
    let lines = (0..40).map(|id| line("view_item_list", id, id)).chain((40..80).map(|id| line("refund", id, id % 40)));
    let lines: Vec<String> = lines.chain((80..84).map(|id| line("purchase", id, id % 40))).collect();
    work.write("events.jsonl", lines.join("\n"));
    work.ok(&["events", "import", "shop", "events.jsonl"]);
    work.write("history.toml", "[shop]\nmax_per_brand = 3\nrepurchase_days = 30");
    for seed in ["1", "2", "3"] {
        let run = ["rules", "dry-run", "shop", "history.toml", "--questions", "200", "--seed", seed];
        let report = work.json(&run);
        assert_eq!((&report["questions"], &report["untried"]), (&json!(200), &json!(["shop.repurchase_days"])));
        let placements: Vec<&str> =
            report["placements"].as_array().unwrap().iter().map(|row| row["placement"].as_str().unwrap()).collect();
        assert!(["", "pdp-similar", "cart"].iter().all(|name| placements.contains(name)), "{placements:?}");
    }
}

#[test]
fn what_a_shopper_bought_stays_out_on_the_command_line_too() {
    let work = shop();
    let similar = ["recommend", "shop", "--intent", "similar", "--product", "p0", "--limit", "2", "--shopper", "ann"];
    let first = |work: &Workplace| work.json(&similar)["results"][0]["id"].as_str().unwrap().to_owned();
    let bought = first(&work);
    work.write("events.jsonl", format!(
        r#"{{"event":"purchase","event_id":"1","user_id":"ann","timestamp":"{}","ecommerce":{{"transaction_id":"o1","items":[{{"item_id":"{bought}"}}]}}}}"#,
        jiff::Timestamp::now() - jiff::SignedDuration::from_hours(31 * 24)
    ));
    work.ok(&["events", "import", "shop", "events.jsonl"]);
    assert_eq!(first(&work), bought);
    work.write("lately.toml", "[shop]\nrepurchase_days = 90");
    work.ok(&["rules", "apply", "shop", "lately.toml"]);
    assert_ne!(first(&work), bought);
    work.write("empty.toml", " \n");
    assert!(work.fails(&["rules", "apply", "shop", "empty.toml", "--force"], 6).contains("it is empty"));
}

#[test]
fn what_is_shown_as_json_can_be_sent_back() {
    let work = shop();
    work.ok(&["rules", "apply", "shop", "rules.toml"]);
    work.write("shown.json", work.json(&["rules", "show", "shop"]).to_string());
    assert!(work.ok(&["rules", "apply", "shop", "shown.json"]).contains("version 2 is in force: no change"));
}

#[test]
fn a_file_made_from_an_older_version_is_refused_with_what_was_changed_since() {
    let work = shop();
    work.ok(&["rules", "apply", "shop", "rules.toml"]);
    let shown = work.ok(&["rules", "show", "shop"]);
    assert!(shown.contains("\nversion = 1\n"), "{shown}");
    work.write("mine.toml", &shown);
    work.write("theirs.toml", RULES.replace("max_per_brand = 4", "max_per_brand = 3"));
    work.ok(&["rules", "apply", "shop", "theirs.toml", "--who", "bob"]);
    let late = work.fails(&["rules", "apply", "shop", "mine.toml"], 8);
    assert!(late.contains("by bob since version 1: ~shop.max_per_brand") && late.contains("--force"), "{late}");
    assert_eq!(work.json(&["rules", "show", "shop"])["document"]["shop"]["max_per_brand"], 3);
    let forced = work.ok(&["rules", "apply", "shop", "mine.toml", "--force"]);
    assert!(
        forced.contains("version 3 is in force: ~shop.max_per_brand") && forced.contains("let it say 3"),
        "{forced}"
    );
    assert_eq!(work.json(&["rules", "show", "shop"])["document"]["version"], 3);
    // What the command is told counts before what the file says.
    assert!(work.ok(&["rules", "apply", "shop", "mine.toml", "--expect", "3"]).contains("version 4 is in force"));
}

#[test]
fn what_check_passes_apply_takes_and_what_apply_refuses_check_does_too() {
    let work = shop();
    let rule = |then: &str| format!("[[rules]]\nid = \"r\"\nthen = {{ {then} }}");
    for (then, place) in [
        ("exclude = { must = [{ key = \"price\", range = { gte = \"10 EURO\" } }] }", "exclude.must[0].range.gte"),
        ("exclude = { must = [{ key = \"price\", range = { gte = -1 } }] }", "exclude.must[0].range.gte"),
        ("exclude = { must = [{ same = \"prize\" }] }", "exclude.must[0].same"),
        ("cap = { at_most = 1, per = \"colour\" }", "cap.per"),
        ("cap = { at_most = 1, per = \"price\" }", "cap.per"),
    ] {
        work.write("wrong.toml", rule(then));
        for command in ["check", "apply"] {
            let error = work.fails(&["rules", command, "shop", "wrong.toml"], 6);
            assert!(error.contains(&format!("rules[0].then.{place}: ")), "{command}: {error}");
        }
    }
    for (then, warning) in [
        ("pin = { products = [\"p1\", \"nope\"] }", "rules[0].then.pin.products[1]: the catalog has no product `nope`"),
        (
            "exclude = { must = [{ key = \"price\", range = { gte = \"10 USD\" } }] }",
            "rules[0].then.exclude: no product passes this filter now",
        ),
    ] {
        work.write("odd.toml", rule(then));
        for command in ["check", "apply"] {
            let said = work.ok(&["rules", command, "shop", "odd.toml"]);
            assert!(said.contains(&format!("warning: {warning}")), "{command}: {said}");
        }
    }
}

#[test]
fn a_field_that_went_with_a_build_is_a_warning_for_rules_that_had_it() {
    let work = Workplace::new();
    let feed = command::feed(&command::titles(40, "rules"));
    let with_color =
        feed.lines().enumerate().map(|(at, line)| format!("{line},{}\n", if at == 0 { "color" } else { "red" }));
    work.write("feed.csv", with_color.collect::<String>());
    work.ok(&["index", "build", "shop", "--feed", "feed.csv"]);
    let red = "[[rules]]\nid = \"no-red\"\nthen.exclude.must = [{ key = \"color\", match = \"red\" }]\n";
    work.write("red.toml", red);
    work.ok(&["rules", "apply", "shop", "red.toml"]);
    work.write("feed.csv", feed);
    work.ok(&["index", "build", "shop", "--feed", "feed.csv"]);
    assert_eq!(work.json(&["similar", "shop", "p0", "--limit", "3"])["results"].as_array().unwrap().len(), 3);
    work.write("more.toml", format!("{red}[[rules]]\nid = \"first\"\nthen.pin.products = [\"p1\"]\n"));
    let warning = "warning: rules[0].then.exclude.must[0].key: no product has a field `color` any longer";
    for command in ["check", "apply"] {
        assert!(work.ok(&["rules", command, "shop", "more.toml"]).contains(warning));
    }
    work.write("none.toml", "rules = []");
    work.ok(&["rules", "apply", "shop", "none.toml"]);
    assert!(work.ok(&["rules", "rollback", "shop"]).contains(warning));
    work.write(
        "new.toml",
        format!("{red}[[rules]]\nid = \"new\"\nthen.exclude.must = [{{ key = \"colour\", match = \"red\" }}]\n"),
    );
    assert!(work.fails(&["rules", "apply", "shop", "new.toml"], 6).contains("rules[1].then.exclude.must[0].key"));
}

/// Each would empty every list where no product has a color.
const WITH_COLOR: &str = r#"
    [shop]
    clearance = { filter = { must = [{ key = "color", match = "red" }] }, factor = 1.5 }
    never_with = [{ page = { must = [{ key = "id", match = "p0" }] }, hide = { must_not = [{ key = "color", match = "red" }] } }]
    [[rules]]
    id = "only-red"
    then.include.must = [{ key = "color", match = "red" }]
    [[rules]]
    id = "colored"
    then.exclude.must_not = [{ key = "color", exists = true }]
    [[rules]]
    id = "page"
    when.must_not = [{ page = { must = [{ key = "color", match = "red" }] } }]
    then.exclude.must_not = [{ key = "id", match = "none" }]
    [[rules]]
    id = "first"
    then.pin.products = ["p7"]"#;

#[test]
fn rules_wait_for_a_field_that_went_with_a_build_and_count_again_when_it_is_back() {
    let work = Workplace::new();
    let feed = command::feed(&command::titles(40, "rules"));
    let colored =
        feed.lines().enumerate().map(|(at, line)| format!("{line},{}\n", if at == 0 { "color" } else { "red" }));
    let colored = colored.collect::<String>();
    let build = |feed: &str| {
        work.write("feed.csv", feed);
        work.ok(&["index", "build", "shop", "--feed", "feed.csv"]);
    };
    build(&colored);
    work.write("rules.toml", WITH_COLOR);
    work.ok(&["rules", "apply", "shop", "rules.toml"]);
    let waiting = || work.json(&["rules", "report", "shop"])["waiting"].clone();
    let shown = || work.json(&["similar", "shop", "p0", "--limit", "3"])["results"].clone();
    assert_eq!((waiting(), shown().as_array().unwrap().len()), (json!([]), 3));
    build(&feed);
    let names = ["shop.never_with.0", "shop.clearance", "only-red", "colored", "page"];
    assert_eq!(waiting(), json!(names.map(|rule| json!({"rule": rule, "field": "color"}))));
    assert!(work.ok(&["rules", "report", "shop"]).contains("waiting: `only-red` does not count until a product has"));
    assert_eq!((shown().as_array().unwrap().len(), &shown()[0]["id"]), (3, &json!("p7")));
    let said = work.json(&["rules", "dry-run", "shop", "rules.toml", "--questions", "20"]);
    assert_eq!((&said["waiting"], &said["never_reached"]), (&waiting(), &json!([])));
    build(&colored.replace("red", "blue"));
    assert_eq!((waiting(), shown()), (json!([]), json!([])));
}
