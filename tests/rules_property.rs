//! Answers under random filters and rules over random shops with live changes, against a slow reading of the same documents over an
//! exhaustive ranking.

mod generation;
mod rules_interpreter;
mod shop;

use std::sync::Arc;

use generation::{Random, publish_vectors, unit};
use kindred::catalog::Product;
use kindred::events::EventKind;
use kindred::index::{CatalogDir, Check, IndexConfig};
use kindred::live::Change;
use kindred::recommend::{Engine, Mark, Query, RecommendConfig, Saver, Shopper};
use kindred::rules::{Filter, Notation, RuleSet};
use rules_interpreter::{FIRST_OF_NOVEMBER_S, World};
use serde_json::{Map, Value, json};

const SHOPS: usize = 100;
const RULE_SETS: usize = 20;
const QUESTIONS: usize = 5;

const BRANDS: [&str; 4] = ["Acme", "Globex", "Initech", "Umbrella"];
const LEAVES: [[&str; 2]; 5] =
    [["Phones", "Cases"], ["Phones", "Chargers"], ["Home", "Lamps"], ["Home", "Mugs"], ["Garden", "Chairs"]];
const CURRENCIES: [&str; 2] = ["USD", "EUR"];
const COLORS: [&str; 3] = ["red", "green", "blue"];

fn pick<'a, T: ?Sized>(random: &mut Random, items: &[&'a T]) -> &'a T {
    items[random.below(items.len())]
}

fn amount(cents: usize, currency: &str) -> String {
    format!("{}.{:02} {currency}", cents / 100, cents % 100)
}

/// Most prices are in the first.
fn currency(random: &mut Random) -> &'static str {
    CURRENCIES[usize::from(random.below(4) == 0)]
}

fn product(random: &mut Random, number: usize) -> Value {
    let [root, leaf] = LEAVES[random.below(LEAVES.len())];
    let cents = 500 + random.below(9500);
    let currency = currency(random);
    let mut record = json!({
        "id": format!("p{number}"), "title": format!("thing {number}"), "price": amount(cents, currency),
        "availability": if random.below(8) == 0 { "out_of_stock" } else { "in_stock" },
        "attributes": {"color": [pick(random, &COLORS)]},
    });
    if random.below(10) > 0 {
        record["brand"] = json!(pick(random, &BRANDS));
        record["product_type"] = json!([[root, leaf]]);
    }
    if random.below(3) == 0 {
        record["item_group_id"] = json!(format!("f{}", random.below(8)));
    }
    if random.below(4) == 0 {
        record["sale_price"] = json!(amount(cents * 8 / 10, currency));
    }
    if random.below(2) == 0 {
        let cost = cents * (3 + random.below(6)) / 10;
        let currency = if random.below(8) == 0 { CURRENCIES[0] } else { currency };
        record["cost_of_goods_sold"] = json!(amount(cost, currency));
    }
    let mut give = |name: &str, value: String| record["attributes"][name] = json!([value]);
    if random.below(2) == 0 {
        give("inches", format!("{}", 4 + random.below(4)));
    }
    if random.below(2) == 0 {
        give("quantity", format!("{}", random.below(30)));
    }
    if random.below(2) == 0 {
        give("created_at", format!("2026-11-{:02}", 1 + random.below(20)));
    }
    for (name, one_in, values) in [
        ("adult", 6, ["yes", "no"]),
        ("age_group", 3, ["adult", "kids"]),
        ("region", 5, ["eu", "us"]),
        ("custom_label_0", 4, ["sale", "new"]),
    ] {
        if random.below(one_in) == 0 {
            give(name, pick(random, &values).to_owned());
        }
    }
    record
}

/// A shop: its engine and its products as they are after live changes.
struct Shop {
    _root: tempfile::TempDir,
    engine: Engine,
    products: Vec<Value>,
    next_number: usize,
}

fn parsed(record: &Value) -> Product {
    serde_json::from_value(record.clone()).unwrap()
}

fn open(random: &mut Random) -> Shop {
    let num_products = 30 + random.below(50);
    let mut products: Vec<Value> = (0..num_products).map(|number| product(random, number)).collect();
    // Every attribute that filters name is there.
    products[0]["attributes"] = json!({"color": ["red"], "inches": ["5"], "quantity": ["3"], "created_at": ["2026-11-03"],
        "adult": ["no"], "age_group": ["adult"], "region": ["eu"], "custom_label_0": ["sale"]});
    let dim = shop::EMBEDDER.dim();
    let centres: Vec<Vec<f32>> = (0..4).map(|_| (0..dim).map(|_| random.signed()).collect()).collect();
    let mut vector = |_| {
        let centre = &centres[random.below(4)];
        unit(centre.iter().map(|x| x + 0.8 * random.signed()).collect())
    };
    let vectors: Vec<f32> = (0..num_products).flat_map(&mut vector).collect();
    let root = tempfile::tempdir().unwrap();
    let dir = CatalogDir::new(root.path(), "shop").unwrap();
    let config = IndexConfig { m: 8, ef_construction: 32, recall_floor: 0.0, ..IndexConfig::default() };
    let records: Vec<Product> = products.iter().map(parsed).collect();
    publish_vectors(&dir, &records, &vectors, dim, shop::EMBEDDER.fingerprint(), &config).unwrap();
    let generation = dir.open_current(Check::Headers).unwrap();
    let config = RecommendConfig::default();
    let engine = Engine::new(&dir, generation, shop::EMBEDDER.clone(), &shop::template(), &config).unwrap();
    Shop { _root: root, engine, products, next_number: 1000 }
}

/// Changes prices, stock and labels, puts products in and takes one out.
fn change(random: &mut Random, shop: &mut Shop) {
    let mut changes = Vec::new();
    for _ in 0..random.below(8) {
        let at = 1 + random.below(shop.products.len() - 1);
        let record = &mut shop.products[at];
        let price = amount(550 + 100 * random.below(90), currency(random));
        let label = pick(random, &["sale", "new"]);
        let stock = pick(random, &["in_stock", "out_of_stock"]);
        record["price"] = json!(price);
        record["availability"] = json!(stock);
        record.as_object_mut().unwrap().remove("sale_price");
        record["attributes"]["custom_label_0"] = json!([label]);
        let patch = json!({"price": price, "sale_price": null, "availability": stock, "labels": {"0": [label]}});
        let id = parsed(record).id;
        changes.push(Change::Patch { id, patch: serde_json::from_value(patch).unwrap() });
    }
    for _ in 0..random.below(3) {
        shop.next_number += 1;
        let record = product(random, shop.next_number);
        changes.extend(shop.engine.live().upserts(vec![parsed(&record)]).unwrap());
        shop.products.push(record);
    }
    if random.below(2) == 0 {
        let record = shop.products.remove(1 + random.below(shop.products.len() - 1));
        changes.push(Change::Delete { id: parsed(&record).id });
    }
    let receipt = shop.engine.live().submit(changes).unwrap();
    assert!(receipt.refused.is_empty(), "{receipt:?}");
}

fn span(random: &mut Random, low: f64, high: f64) -> Value {
    let at = |random: &mut Random| low + (high - low) * random.below(1000) as f64 / 1000.0;
    let (a, b) = (at(random), at(random));
    let (a, b) = (a.min(b), a.max(b) + 0.001);
    match random.below(4) {
        0 => json!({"gte": a}),
        1 => json!({"lt": b}),
        2 => json!({"gt": a, "lte": b}),
        _ => json!({"gte": a, "lt": b}),
    }
}

/// Bounds of a price, each a number or an amount in one currency.
fn prices(random: &mut Random) -> Value {
    let (low, high, currency) = (5 + random.below(50), 56 + random.below(50), currency(random));
    let bound = |random: &mut Random, units: usize| match random.below(3) {
        0 => json!(amount(100 * units, currency)),
        _ => json!(units),
    };
    let (low, high) = (bound(random, low), bound(random, high));
    match random.below(3) {
        0 => json!({"gte": low}),
        1 => json!({"lt": high}),
        _ => json!({"gt": low, "lte": high}),
    }
}

fn condition(random: &mut Random, depth: usize) -> Value {
    let end = if depth == 0 { 16 } else { 20 };
    match random.below(end) {
        0 | 1 => json!({"key": "brand", "match": pick(random, &BRANDS)}),
        2 => {
            json!({"key": "category", "match": [pick(random, &["cases", "Home", "home  > mugs", "Garden > Chairs"]), "Lamps"]})
        }
        3 => json!({"key": "color", "match": pick(random, &COLORS)}),
        4 => json!({"key": "price", "range": prices(random)}),
        5 => json!({"key": "inches", "range": span(random, 4.0, 8.0)}),
        6 => {
            json!({"key": pick(random, &["region", "brand", "custom_label_0", "price"]), "exists": random.below(2) == 0})
        }
        7 => json!({"key": "custom_label_0", "match": pick(random, &["sale", "NEW"])}),
        8 => {
            json!({pick(random, &["same", "different"]): pick(random, &["brand", "product_type", "color", "category"])})
        }
        9 => json!({"price_ratio": span(random, 0.3, 3.0)}),
        10 => json!({"margin": span(random, 0.0, 0.8)}),
        11 => json!({"age_days": span(random, -5.0, 25.0)}),
        12 => json!({"stock": span(random, 0.0, 30.0)}),
        13 => json!({"in_cart": random.below(2) == 0}),
        14 => context(random),
        15 => json!({"key": "region", "match_context": "region"}),
        16 => json!({"page": filter(random, depth - 1)}),
        17 => json!({"cart": filter(random, depth - 1)}),
        _ => filter(random, depth - 1),
    }
}

fn context(random: &mut Random) -> Value {
    match random.below(9) {
        0 => json!({"context": "device", "match": ["mobile", "Tablet"]}),
        6 => json!({"context": "channel", "match": "App"}),
        7 => json!({"context": "visitor", "match": "returning"}),
        8 => json!({"context": "intent", "match": ["similar", "upsell"]}),
        1 => json!({"context": "segment", "match": "vip"}),
        2 => json!({"context": "weekday", "match": ["mon", "tue", "sat"]}),
        3 => json!({"context": "time", "range": {"gte": "20:00", "lt": "09:30"}}),
        4 => json!({"context": "loyalty_tier", "exists": true}),
        _ => json!({"context": "placement", "match": "pdp"}),
    }
}

/// A filter with one to three conditions.
fn filter(random: &mut Random, depth: usize) -> Value {
    let mut lists = json!({});
    for _ in 0..1 + random.below(3) {
        let list = pick(random, &["must", "must", "should", "must_not"]);
        let condition = condition(random, depth);
        let at = &mut lists[list];
        match at.as_array_mut() {
            Some(conditions) => conditions.push(condition),
            None => *at = json!([condition]),
        }
    }
    lists
}

fn rule(random: &mut Random, number: usize, products: &[Value]) -> Value {
    let any = |random: &mut Random| match random.below(12) {
        0 => "unknown".to_owned(),
        _ => products[random.below(products.len())]["id"].as_str().unwrap().to_owned(),
    };
    let then = match random.below(10) {
        0 | 1 => json!({"exclude": filter(random, 2)}),
        2 => json!({"include": {"should": [condition(random, 1), condition(random, 1), condition(random, 1)]}}),
        3 | 4 => {
            json!({"boost": {"filter": filter(random, 2), "factor": 1.0 + (1 + random.below(100)) as f64 / 100.0}})
        }
        5 => json!({"bury": {"filter": filter(random, 1), "factor": 0.5 + random.below(50) as f64 / 100.0}}),
        6 => {
            let products: Vec<String> = (0..1 + random.below(3)).map(|_| any(random)).collect();
            let position = (random.below(2) == 0).then(|| 1 + random.below(8));
            match position {
                Some(position) => json!({"pin": {"products": products, "position": position}}),
                None => json!({"pin": {"products": products}}),
            }
        }
        7 => json!({"cap": {"at_most": random.below(4), "per": pick(random, &["brand", "product_type", "color"])}}),
        8 => json!({"cap": {"at_most": random.below(4), "filter": filter(random, 1)}}),
        _ => {
            // Up the numbers, so that there is no circle.
            let (a, b) = (random.below(products.len() - 1), random.below(products.len() - 1));
            let id = |at: usize| products[at]["id"].as_str().unwrap();
            json!({"replace": {"product": id(a.min(b)), "with": id(a.max(b) + 1)}})
        }
    };
    let mut rule =
        json!({"id": format!("r{number}"), "then": then, "priority": random.below(3), "on": random.below(8) > 0});
    if random.below(2) == 0 {
        rule["when"] = if random.below(2) == 0 { json!({"must": [context(random)]}) } else { filter(random, 2) };
    }
    if random.below(5) == 0 {
        rule["from"] = json!(format!("2026-11-{:02}T12:00:00Z", 1 + random.below(20)));
    }
    if random.below(5) == 0 {
        rule["until"] = json!(format!("2026-11-{:02}T18:30:00Z", 21 + random.below(9)));
    }
    if random.below(6) == 0 {
        rule["weekdays"] = json!(["wed", "sat", "sun"]);
    }
    rule
}

fn document(random: &mut Random, products: &[Value]) -> Value {
    let mut shop = json!({});
    let mut sometimes = |random: &mut Random, name: &str, value: Value| {
        if random.below(5) == 0 {
            shop[name] = value;
        }
    };
    for name in ["in_stock_only", "adult", "age_group", "region"] {
        sometimes(random, name, json!(true));
    }
    sometimes(random, "one_per_family", json!(false));
    sometimes(random, "margin_floor", json!(0.35));
    sometimes(random, "max_per_brand", json!(2));
    sometimes(random, "repurchase_days", json!(10));
    sometimes(random, "frequency_cap", json!({"impressions": 2, "days": 5}));
    sometimes(random, "fatigue", json!({"strength": 0.35, "days": 7}));
    let (page, hide, clearance) = (filter(random, 0), filter(random, 0), filter(random, 0));
    sometimes(random, "never_with", json!([{"page": page, "hide": hide}]));
    sometimes(random, "clearance", json!({"filter": clearance, "factor": 1.3}));
    let rules: Vec<Value> = (0..random.below(9)).map(|number| rule(random, number, products)).collect();
    // Nine hours ahead all the year.
    let time_zone = pick(random, &["UTC", "Asia/Tokyo"]);
    json!({"shop": shop, "rules": rules, "time_zone": time_zone})
}

/// A document and its set. One with conditions that nothing passes together is refused, and another is made.
fn readable(random: &mut Random, products: &[Value]) -> (Value, RuleSet) {
    loop {
        let document = document(random, products);
        match RuleSet::read(&document.to_string(), Notation::Json) {
            Ok(set) => return (document, set),
            Err(error) => assert!(error.message.contains("nothing passes"), "{error}: {document}"),
        }
    }
}

/// Asks a random question; returns whether the answer has products, and whether a rule changed it.
fn ask(random: &mut Random, shop: &Shop, document: &Value) -> [bool; 2] {
    let view = shop.engine.view();
    let any = |random: &mut Random| shop.products[random.below(shop.products.len())]["id"].as_str().unwrap().to_owned();
    let page = vec![any(random)];
    let cart: Vec<String> = (0..random.below(3)).map(|_| any(random)).collect();
    let exclude: Vec<String> = (0..random.below(2)).map(|_| any(random)).collect();
    // Every fourth question is asked at a moment at which rules begin or end.
    let now_s = match random.below(4) {
        0 => FIRST_OF_NOVEMBER_S + random.below(30) as i64 * 86_400 + [12 * 3600, 18 * 3600 + 1800][random.below(2)],
        _ => FIRST_OF_NOVEMBER_S + random.below(28 * 86_400) as i64,
    };
    let kinds = [
        EventKind::ViewItemList,
        EventKind::ViewItemList,
        EventKind::ViewItemList,
        EventKind::SelectItem,
        EventKind::Purchase,
    ];
    let mut marks: Vec<(String, EventKind, i64)> = (0..random.below(25))
        .map(|_| (any(random), kinds[random.below(kinds.len())], now_s - random.below(12 * 86_400) as i64))
        .collect();
    marks.sort_by_key(|mark| mark.2);
    let mut labels = Map::new();
    let mut label = |random: &mut Random, name: &str, values: &[&str]| {
        let value = pick(random, values).to_owned();
        let value = (random.below(2) == 0).then_some(value);
        value.as_ref().map(|value| labels.insert(name.to_owned(), json!(value)));
        value
    };
    let shopper = Shopper {
        device: label(random, "device", &["Mobile", "tablet", "desktop"]),
        channel: label(random, "channel", &["app", "web"]),
        loyalty_tier: label(random, "loyalty_tier", &["gold"]),
        visitor: label(random, "visitor", &["new", "returning"]),
        region: label(random, "region", &["EU", "us"]),
        segments: label(random, "segment", &["vip", "staff"]).into_iter().collect(),
        marks: marks
            .iter()
            .map(|(id, kind, at)| Mark { product: Arc::from(id.as_str()), kind: *kind, time_ms: at * 1000 })
            .collect(),
    };
    let placement = label(random, "placement", &["pdp", "cart"]);
    labels.insert("intent".to_owned(), json!("similar"));
    let wanted = if random.below(2) == 0 { json!({}) } else { filter(random, 2) };
    let query = Query {
        anchors: page.clone(),
        limit: 1 + random.below(12),
        min_score: (random.below(4) == 0).then(|| random.below(60) as f32 / 100.0),
        filter: serde_json::from_value::<Filter>(wanted.clone()).unwrap(),
        exclude: exclude.clone(),
        placement,
        cart: cart.clone(),
        shopper,
        at: Some(jiff::Timestamp::from_second(now_s).unwrap()),
        exact: random.below(2) == 0,
        ..Query::default()
    };
    let answer = shop.engine.answer(&view, &query).unwrap_or_else(|error| panic!("{error}: {wanted} {document}"));
    let found: Vec<String> = answer.hits.iter().map(|hit| view.id(hit.row).unwrap().to_owned()).collect();
    let anchor = view.vector(view.row(&page[0]).unwrap()).unwrap();
    let all = view.search(&anchor, shop.products.len(), None, true).unwrap();
    assert_eq!(all.len(), shop.products.len());
    let mut all: Vec<(u32, f32)> = all.iter().map(|scored| (scored.row.0, scored.score.max(0.0))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    // Of equal values the lower row comes first, so the place in the ranking must not decide among scores of 0.
    let ranking: Vec<(String, f32)> =
        all.iter().map(|(row, score)| (view.id(kindred::rank::RowId(*row)).unwrap().to_owned(), *score)).collect();
    let marks: Vec<(String, String, i64)> =
        marks.into_iter().map(|(id, kind, at)| (id, kind.word().to_owned(), at)).collect();
    let world = World {
        products: &shop.products,
        document,
        ranking: &ranking,
        page: &page,
        cart: &cart,
        labels: &labels,
        marks: &marks,
        now_s,
        filter: &wanted,
        exclude: &exclude,
        min_score: query.min_score,
        limit: query.limit,
    };
    assert_eq!(found, world.answer(), "{query:#?}\nfilter {wanted}\nrules {document}");
    assert_eq!(answer.rules_version, shop.engine.rules().version());
    assert_eq!(answer.fewer_because.is_some(), found.len() < query.limit);
    [!found.is_empty(), !answer.fired.is_empty()]
}

#[test]
fn answers_under_random_filters_and_rules_agree_with_a_slow_reading_over_an_exhaustive_ranking() {
    let (mut cases, mut counts) = (0, [0; 2]);
    for seed in 0..SHOPS as u64 {
        let mut random = Random(seed);
        let mut shop = open(&mut random);
        for number in 0..RULE_SETS {
            if number % 5 == 4 {
                change(&mut random, &mut shop);
            }
            let (document, set) = readable(&mut random, &shop.products);
            let saver = Saver { who: "test", note: "", at_ms: number as i64 };
            shop.engine.rules().put(&shop.engine.view(), set, None, saver).unwrap();
            for _ in 0..QUESTIONS {
                let is = ask(&mut random, &shop, &document);
                counts.iter_mut().zip(is).for_each(|(count, is)| *count += usize::from(is));
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 10_000);
    assert!(counts.into_iter().all(|count| count > cases / 4), "{counts:?}");
}
