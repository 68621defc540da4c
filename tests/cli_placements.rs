//! `kindred placements`, `kindred recommend --placement` and `kindred explain`: settings decide what a slot shows, and every list can be asked
//! how it came about.

mod command;

use command::Workplace;
use serde_json::{Value, json};

const SETTINGS: &str = r#"
    [recommend.placements.cart]
    limit = 4
    [catalogs.shop.placements.side]
    mix = [{ intent = "similar" }]
    limit = 3
    diversity = 0.5
    [catalogs.other.placements.cart]
    limit = 1"#;

fn shop() -> Workplace {
    let work = Workplace::new();
    work.write("feed.csv", command::feed(&command::titles(40, "placements")));
    work.write("kindred.toml", SETTINGS);
    work.ok(&["index", "build", "shop", "--feed", "feed.csv"]);
    work
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|result| result["id"].as_str().unwrap()).collect()
}

#[test]
fn the_settings_of_a_catalog_decide_what_its_slots_show() {
    let work = shop();
    let listed = work.json(&["placements", "shop"]);
    assert_eq!((&listed["cart"]["limit"], &listed["side"]["limit"]), (&json!(4), &json!(3)));
    assert_eq!(listed["home"]["stages"]["checkout"][0]["intent"], "cross_sell");
    assert!(work.ok(&["placements", "shop"]).contains("for_you 70 %, trending 30 %"));
    let side = work.json(&["recommend", "shop", "--placement", "side", "--product", "p3"]);
    assert_eq!(side["results"].as_array().unwrap().len(), 3);
    let two = work.json(&["recommend", "shop", "--placement", "side", "--product", "p3", "--limit", "2"]);
    assert_eq!(two["results"].as_array().unwrap().len(), 2);
    let unknown = work.fails(&["recommend", "shop", "--placement", "sides"], 6);
    assert!(unknown.contains("pdp-upsell") && unknown.contains("did you mean `side`?"), "{unknown}");
    assert!(work.fails(&["placements", "nowhere"], 6).contains("no catalog `nowhere`"));
    let late = work.fails(&["recommend", "shop", "--placement", "cart", "--stage", "late"], 2);
    assert!(late.contains("post_purchase"), "{late}");
}

#[test]
fn an_explained_list_is_the_list_and_every_product_has_its_step() {
    let work = shop();
    let asked = ["shop", "--placement", "side", "--product", "p3"];
    let with = |command: &str, more: &[&str]| work.json(&[&[command], &asked[..], more].concat());
    let shown = with("recommend", &[]);
    let trace = with("explain", &[]);
    assert_eq!(ids(&trace["list"]["results"]), ids(&shown["results"]));
    assert_eq!((&trace["placement"], &trace["stage"]), (&json!("side"), &json!("discovery")));
    let step = |id: &str| with("explain", &["--why-not", id])["step"].as_str().unwrap().to_owned();
    assert_eq!((step("p3").as_str(), step("none").as_str()), ("kept_out", "unknown_product"));
    assert_eq!(step(ids(&shown["results"])[0]), "shown");
    let next = trace["list"]["next"][0]["id"].as_str().unwrap();
    assert!(["limit", "diversity"].contains(&step(next).as_str()));
    let told = work.ok(&["explain", "shop", "--intent", "similar", "--product", "p3", "--why-not", "p3"]);
    assert!(told.contains("p3 is kept out of similar: it is what is asked about"), "{told}");
    let cross_sell = work.json(&["explain", "shop", "--intent", "cross_sell", "--cart", "p3"]);
    assert_eq!(cross_sell["parts"][0]["intent"], "cross_sell");
    let report = work.ok(&[&["explain"], &asked[..]].concat());
    assert!(report.contains("candidates may appear") && report.contains("the list:"), "{report}");
}
