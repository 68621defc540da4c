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
