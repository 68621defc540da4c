//! Upsell against slow readings of the same records: the rules, the session, live prices, bad input, and what every sentence says.

mod shop;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::LazyLock;

use kindred::catalog::{CatalogConfig, Product, ProductId, read_feed};
use kindred::events::{EventKind, History, HistoryBuilder, Interaction, NO_ORDER};
use kindred::index::{CatalogDir, Check};
use kindred::live::{Change, Upsert};
use kindred::recommend::{
    Engine, FewerBecause, Intent, Query, Reason, RecommendConfig, RelativePrice, SessionEvent, UpsellConfig,
};
use serde_json::{Value, json};

/// A shop on disk with its engine; the folder lives as long.
struct Shop {
    engine: Engine,
    _root: tempfile::TempDir,
}

impl Shop {
    fn new(records: &[Value], history: History, config: &RecommendConfig) -> Self {
        let root = tempfile::tempdir().unwrap();
        let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
        shop::build(root.path(), &lines, history);
        let dir = CatalogDir::new(root.path(), "shop").unwrap();
        let generation = dir.open_current(Check::Hashes).unwrap();
        let engine = Engine::new(&dir, generation, shop::EMBEDDER.clone(), &shop::template(), config).unwrap();
        Self { engine, _root: root }
    }

    fn of(records: &[Value]) -> Self {
        Self::new(records, HistoryBuilder::default().finish(), &RecommendConfig::default())
    }

    fn ask(&self, query: &Query) -> (Vec<String>, Option<FewerBecause>, Vec<String>) {
        let view = self.engine.view();
        let answer = self.engine.answer(&view, query).unwrap();
        self.engine.explain(&view, query, &answer).unwrap();
        answer.hits.iter().for_each(|hit| drop(self.engine.compare(&view, query, &answer, hit.row).unwrap()));
        let ids = answer.hits.iter().map(|hit| view.id(hit.row).unwrap().to_owned()).collect();
        (ids, answer.fewer_because, answer.missing_ids)
    }

    fn ids(&self, query: &Query) -> Vec<String> {
        self.ask(query).0
    }
}

fn upsell(anchor: &str) -> Query {
    Query { intent: Intent::Upsell, anchors: vec![anchor.to_owned()], limit: 10, ..Query::default() }
}

fn phone(id: &str, title: &str, price: &str) -> Value {
    json!({"id": id, "title": title, "price": price, "product_type": "Phones > Smartphones"})
}

/// One phone with what stands around it: better, worse, dearer, sold out, of another category.
fn phones() -> Vec<Value> {
    let mut records = vec![
        phone("anchor", "Nova One smartphone 64GB", "200.00 USD"),
        phone("better", "Nova Two smartphone 128GB", "240.00 USD"),
        phone("better dearer", "Nova Three smartphone 256GB", "300.00 USD"),
        phone("same", "Nova Four smartphone 64GB", "240.00 USD"),
        phone("less", "Nova Five smartphone 32GB", "240.00 USD"),
        phone("silent", "Nova Six smartphone", "240.00 USD"),
        phone("too dear", "Nova Seven smartphone 512GB", "330.00 USD"),
        phone("too cheap", "Nova Eight smartphone 128GB", "205.00 USD"),
        phone("euro", "Nova Nine smartphone 128GB", "240.00 EUR"),
        phone("refurbished", "Refurbished Nova Ten smartphone 128GB", "240.00 USD"),
        phone("sold out", "Nova Eleven smartphone 128GB", "240.00 USD"),
        phone("elsewhere", "Nova Twelve smartphone 128GB", "240.00 USD"),
        phone("free", "Nova Thirteen smartphone 64GB", "0.00 USD"),
        json!({"id": "no price", "title": "Nova Fourteen smartphone 64GB", "product_type": "Phones > Smartphones"}),
    ];
    // Enough of both sides for tiers: prices below and above, none inside the band.
    for i in 0..40 {
        records.push(phone(&format!("low {i}"), &format!("Zeta handset {i} 16GB"), &format!("{}.00 USD", 100 + 2 * i)));
        records.push(phone(
            &format!("high {i}"),
            &format!("Zeta handset {} 16GB", 40 + i),
            &format!("{}.00 USD", 350 + 20 * i),
        ));
    }
    records[10]["availability"] = json!("out_of_stock");
    records[11]["product_type"] = json!("Phones > Refurbished");
    records
}

#[test]
fn only_what_is_better_and_one_step_dearer_is_shown() {
    let shop = Shop::of(&phones());
    let found: HashSet<String> = shop.ids(&upsell("anchor")).into_iter().collect();
    assert_eq!(found, HashSet::from(["better".to_owned(), "better dearer".to_owned()]));
    let wider = RelativePrice { relative_min: Some(1.0), relative_max: Some(1.7) };
    let found = shop.ids(&Query { price: Some(wider), min_score: Some(0.0), ..upsell("anchor") });
    assert!(found.contains(&"too cheap".to_owned()) && found.contains(&"too dear".to_owned()), "{found:?}");
    assert_eq!(shop.ask(&upsell("too dear")).1, Some(FewerBecause::NothingBetter));
}

#[test]
fn bad_input_gets_an_answer_from_what_is_known() {
    let mut records = phones();
    records.push(json!({"id": "bare", "title": "Nova smartphone 64GB", "price": "200.00 USD"}));
    records.push(json!({"id": "bare better", "title": "Nova smartphone 128GB", "price": "240.00 USD"}));
    records.push(json!({"id": "nonsense", "title": "Nova smartphone 64 bananas", "price": "200.00 USD",
        "product_type": "Phones > Smartphones", "storage": "minus ten parsecs", "weight": "NaN kg"}));
    let shop = Shop::of(&records);
    assert_eq!(shop.ask(&upsell("free")), (vec![], Some(FewerBecause::NoPrice), vec![]));
    assert_eq!(shop.ask(&upsell("no price")), (vec![], Some(FewerBecause::NoPrice), vec![]));
    assert_eq!(shop.ids(&upsell("bare")), ["bare better"]);
    assert_eq!(shop.ask(&upsell("nonsense")).1, Some(FewerBecause::NothingBetter));
    assert_eq!(shop.ask(&upsell("nobody")), (vec![], Some(FewerBecause::UnknownProducts), vec!["nobody".to_owned()]));
    assert_eq!(shop.ask(&upsell("euro")).1, Some(FewerBecause::NothingBetter));
    let session = ["nobody", "anchor", "gone"].map(|id| SessionEvent { id: id.to_owned(), kind: EventKind::ViewItem });
    let from_session = Query { anchors: vec![], session: session.to_vec(), ..upsell("") };
    let (ids, _, missing) = shop.ask(&from_session);
    assert_eq!((ids.len(), missing), (1, vec!["nobody".to_owned(), "gone".to_owned()]));
    let gone = vec![Change::Delete { id: ProductId::new("anchor").unwrap() }];
    shop.engine.live().submit(gone).unwrap();
    assert_eq!(shop.ask(&upsell("anchor")), (vec![], Some(FewerBecause::UnknownProducts), vec!["anchor".to_owned()]));
}

#[test]
fn a_changed_price_or_stock_counts_in_the_next_answer() {
    let shop = Shop::of(&phones());
    let patch = |id: &str, patch: Value| {
        let change = Change::Patch { id: ProductId::new(id).unwrap(), patch: serde_json::from_value(patch).unwrap() };
        shop.engine.live().submit(vec![change]).unwrap();
    };
    patch("too dear", json!({"price": "250.00 USD"}));
    patch("better", json!({"availability": "out_of_stock"}));
    patch("better dearer", json!({"price": "900.00 USD"}));
    assert_eq!(shop.ids(&upsell("anchor")), ["too dear"]);
    patch("anchor", json!({"price": "800.00 USD"}));
    assert_eq!(shop.ids(&upsell("anchor")), ["better dearer"]);
}

#[test]
fn what_came_since_the_build_steps_up_within_its_category_alone() {
    let shop = Shop::of(&phones());
    let new = |id: &str, title: &str, price: &str, category: [&str; 2]| {
        let record = json!({"id": id, "title": title, "price": price, "product_type": [category]});
        let product: Product = serde_json::from_value(record).unwrap();
        let vector = shop::EMBEDDER.embed_one(&product.title).unwrap();
        Change::Upsert(Box::new(Upsert { product, vector, model: shop::EMBEDDER.fingerprint().to_owned() }))
    };
    let (tools, toys) = (["Tools", "Drills"], ["Toys", "Play tools"]);
    let changes = vec![
        new("drill", "Boschi drill 500 W", "80.00 USD", tools),
        new("stronger", "Boschi drill 700 W", "90.00 USD", tools),
        new("toy", "Boschi drill 800 W", "90.00 USD", toys),
    ];
    shop.engine.live().submit(changes).unwrap();
    assert_eq!(shop.ids(&upsell("drill")), ["stronger"]);
}

#[test]
fn the_session_says_how_much_is_shown_and_the_cart_what_is_not() {
    let shop = Shop::of(&phones());
    let viewed = |ids: &[&str]| -> Vec<SessionEvent> {
        ids.iter().map(|id| SessionEvent { id: (*id).to_owned(), kind: EventKind::ViewItem }).collect()
    };
    let with = |ids: &[&str]| Query { session: viewed(ids), ..upsell("anchor") };
    assert_eq!(shop.ids(&upsell("anchor")).len(), 2);
    assert_eq!(shop.ask(&with(&["anchor"])).1, Some(FewerBecause::Interest));
    assert_eq!(shop.ids(&with(&["anchor"])).len(), 1);
    assert_eq!(shop.ids(&with(&["same", "less"])).len(), 2);
    assert_eq!(shop.ids(&Query { looked_s: Some(60.0), ..with(&["anchor"]) }).len(), 2);
    assert_eq!(shop.ids(&Query { is_comparing: true, ..with(&["anchor"]) }).len(), 2);
    let cart = vec![SessionEvent { id: "better".to_owned(), kind: EventKind::AddToCart }];
    assert!(
        !shop
            .ids(&Query { session: cart, looked_s: Some(60.0), is_comparing: true, ..upsell("anchor") })
            .contains(&"better".to_owned())
    );
}

/// Sessions in which phones are looked at and one 1.5 times as dear is bought, or one only a little dearer.
fn buying(dearer: bool) -> History {
    let mut builder = HistoryBuilder::default();
    for session in 0..200u32 {
        let bought = if dearer { "better dearer" } else { "better" };
        for (step, (id, kind)) in
            [("anchor", EventKind::ViewItem), (bought, EventKind::Purchase)].into_iter().enumerate()
        {
            let order = if kind == EventKind::Purchase { session } else { NO_ORDER };
            let price = f32::NAN;
            let product = builder.product(id);
            let time_s = 1_700_000_000 + session * 4000 + step as u32;
            builder.push(session.into(), session, Interaction { product, time_s, order, quantity: 1, price, kind });
        }
    }
    builder.finish()
}

#[test]
fn the_price_steps_that_shoppers_take_decide_the_order() {
    for (dearer, first) in [(false, "better"), (true, "better dearer")] {
        // The price level would hold the dearer one back.
        let shop = Shop::new(&phones(), buying(dearer), &RecommendConfig::default());
        let view = shop.engine.view();
        let answer = shop.engine.answer(&view, &upsell("anchor")).unwrap();
        let score = |id: &str| answer.hits.iter().find(|hit| view.id(hit.row) == Some(id)).map_or(0.0, |hit| hit.score);
        let plain = Shop::of(&phones());
        let plain_view = plain.engine.view();
        let before = plain.engine.answer(&plain_view, &upsell("anchor")).unwrap();
        let share =
            |id: &str| before.hits.iter().find(|hit| plain_view.id(hit.row) == Some(id)).map_or(0.0, |hit| hit.score);
        let other = if dearer { "better" } else { "better dearer" };
        assert!(score(first) / score(other) > share(first) / share(other), "{first}");
        let steps = shop.engine.behavior(&view).unwrap();
        assert_eq!(steps.attribute_steps(None, kindred::catalog::AttributeKind::Storage), [200, 0]);
    }
}

#[test]
fn margin_lifts_a_product_within_its_bound() {
    let mut records = phones();
    records.truncate(1);
    records.push(phone("plain", "Omega phone 64GB", "260.00 USD"));
    records.push(phone("rich", "Nova Two smartphone 128GB deluxe model", "240.00 USD"));
    let at = |margin_weight: f32, cost: &str| {
        let mut records = records.clone();
        records[2]["cost_of_goods_sold"] = json!(cost);
        let upsell_config = UpsellConfig { margin_weight, ..UpsellConfig::default() };
        let config = RecommendConfig { upsell: upsell_config, ..RecommendConfig::default() };
        let shop = Shop::new(&records, HistoryBuilder::default().finish(), &config);
        let view = shop.engine.view();
        let answer = shop.engine.answer(&view, &upsell("anchor")).unwrap();
        answer.hits.iter().find(|hit| view.id(hit.row) == Some("rich")).unwrap().score
    };
    assert_eq!(at(0.0, "239.00 USD"), at(0.0, "10.00 USD"));
    let (thin, fat) = (at(0.5, "239.00 USD"), at(0.5, "10.00 USD"));
    assert!(fat > thin && thin >= 0.5 * at(0.0, "10.00 USD"));
}

/// What was done: session, product, and what.
type Done = (u32, String, EventKind);

/// A third of the real phone shop, with sessions and orders drawn by a fixed rule.
static REAL: LazyLock<(Shop, Vec<Product>, Vec<Done>)> = LazyLock::new(|| {
    let feed = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/phones/products.jsonl.zst");
    let read = read_feed(&feed, &CatalogConfig::default(), &mut |_| {}).unwrap();
    let products: Vec<Product> = read.products.into_iter().step_by(3).collect();
    let mut done = Vec::new();
    let mut at = 7usize;
    for session in 0..600u32 {
        let base = (session as usize * 13) % 60;
        for step in 0..5usize {
            at = (at * 1103 + 12345 + step) % 65_537;
            let id = products[(base + at % 12) % products.len()].id.to_string();
            done.push((
                session,
                id,
                if step == 4 || at.is_multiple_of(3) { EventKind::Purchase } else { EventKind::ViewItem },
            ));
        }
    }
    let mut builder = HistoryBuilder::default();
    for (step, (session, id, kind)) in done.iter().enumerate() {
        let order = if *kind == EventKind::Purchase { *session } else { NO_ORDER };
        let product = builder.product(id);
        let time_s = 1_700_000_000 + session * 4000 + (step % 5) as u32;
        builder.push(
            (*session).into(),
            *session,
            Interaction { product, time_s, order, quantity: 1, price: f32::NAN, kind: *kind },
        );
    }
    let records: Vec<Value> = products.iter().map(as_record).collect();
    (Shop::new(&records, builder.finish(), &RecommendConfig::default()), products, done)
});

/// The record in the feed's own form.
fn as_record(product: &Product) -> Value {
    let mut record = serde_json::to_value(product).unwrap();
    record["product_type"] = json!(product.main_category().join(" > "));
    if let Some(attributes) = record.as_object_mut().unwrap().remove("attributes") {
        for (name, values) in attributes.as_object().unwrap() {
            record[name] = values[0].clone();
        }
    }
    record
}

/// The words that say each feature, as a reader of the record would look for them.
const FEATURE_WORDS: [(&str, &[&str]); 13] = [
    ("kickstand", &["kickstand", "integrated stand", "built-in stand", "folding stand"]),
    ("belt_clip", &["belt clip", "belt-clip", "holster"]),
    ("card_slots", &["wallet", "card slot", "card case", "card holder"]),
    ("wireless_charging", &["wireless charging"]),
    ("fast_charging", &["fast charging", "quick charging", "rapid charging", "quick charge", "quickcharge"]),
    ("fingerprint_reader", &["fingerprint", "touch id"]),
    ("dual_sim", &["dual sim", "dual-sim"]),
    ("noise_cancelling", &["noise"]),
    ("screen_cover", &["built-in screen", "built-in touch", "built in"]),
    ("gift_box", &["box"]),
    ("drop_tested", &["military", "mil-std", "mil std"]),
    ("water_resistance", &["water", "submersible", "splash", "ip67", "ip68"]),
    ("layers", &["layer"]),
];

/// Whether the record of `product` says `value` of `attribute`.
fn says(product: &Product, attribute: &str, value: &str) -> bool {
    let text = format!("{} {} {:?}", product.title, product.description, product.attributes).to_lowercase();
    let number_in = |text: &str| text.trim_matches('.').parse::<f64>().ok();
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    let numbers: Vec<f64> = text.replace(',', "").split(|c: char| !is_part(c)).filter_map(number_in).collect();
    let said = value.split(|c: char| !is_part(c)).find_map(number_in);
    // Values are shown with two decimals.
    let is_number_said = |number: f64| numbers.iter().any(|known| (known - number).abs() < 0.006);
    match FEATURE_WORDS.iter().find(|(kind, _)| *kind == attribute) {
        Some((_, words)) => words.iter().any(|word| text.contains(word)),
        None if attribute == "material" => text.contains(value),
        None if attribute == "cores" => text.contains("core"),
        None => said.is_some_and(is_number_said),
    }
}

/// The letters and digits of a text, small, a plus as the word.
fn in_words(text: &str) -> String {
    text.to_lowercase().replace('+', "plus").chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Whether a text says a name, in the singular or the plural, by one of the words that shops use for a phone.
fn says_name(text: &str, name: &str) -> bool {
    let text = in_words(text);
    let known: &[&str] =
        if name == "cell phone" { &["cellphone", "mobilephone", "smartphone", "cellularphone"] } else { &[] };
    let stem = in_words(name.trim_end_matches('y'));
    known.iter().any(|other| text.contains(other))
        || text.contains(&stem)
        || name.split(' ').all(|word| text.contains(word.trim_end_matches('y')))
}

fn number_of(reason: &Reason, name: &str) -> f64 {
    reason.evidence[name].as_f64().unwrap()
}

/// Holds one reason against the feed and the events it was learned from.
fn check(
    reason: &Reason,
    product: &Product,
    anchor: Option<&Product>,
    done: &[Done],
    products: &BTreeMap<&str, &Product>,
) {
    let evidence = |name: &str| reason.evidence.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| reason.evidence[name].as_u64().unwrap();
    let context = format!("{reason:?} of {} {}", product.id, product.title);
    assert!(!reason.text.is_empty() && !reason.text.contains(['{', '}']), "{context}");
    let sessions_with = |id: &str, bought: bool| -> HashSet<u32> {
        let counts = |kind: EventKind| !bought || kind == EventKind::Purchase;
        done.iter().filter(|(_, other, kind)| other == id && counts(*kind)).map(|(session, ..)| *session).collect()
    };
    let together = |bought: bool| {
        let other = evidence("product");
        assert!(reason.text.contains(&products[other.as_str()].title), "{context}");
        sessions_with(&other, bought).intersection(&sessions_with(product.id.as_str(), bought)).count() as u64
    };
    match reason.code.as_str() {
        code if code.starts_with("more_") || code.starts_with("has_") => {
            let attribute = evidence("attribute");
            assert!(says(product, &attribute, &evidence("to")), "{context}");
            if code.starts_with("more_") {
                assert!(says(anchor.unwrap(), &attribute, &evidence("from")), "{context}");
                assert!(reason.text.contains(&evidence("from")), "{context}");
            }
        }
        "fits_same" => {
            let words = |product: &Product| product.title.to_lowercase().replace(['®', '™'], "");
            let last = evidence("model").split(' ').next().unwrap().to_owned();
            assert!(words(product).contains(&last) && words(anchor.unwrap()).contains(&last), "{context}");
        }
        "same_brand" => {
            assert!(product.brand == anchor.unwrap().brand && Some(evidence("brand")) == product.brand, "{context}")
        }
        "same_category" => assert_eq!(product.main_category(), anchor.unwrap().main_category(), "{context}"),
        "alike" => assert!(reason.text.contains(&anchor.unwrap().title), "{context}"),
        "matches_words" => {
            let words = reason.evidence["words"].as_array().unwrap();
            assert!(
                words.iter().all(|word| product.title.to_lowercase().contains(word.as_str().unwrap())),
                "{context}"
            );
        }
        "matches_text" => {}
        "in_shop" => assert!(reason.evidence.is_empty(), "{context}"),
        "bought_together" => assert_eq!(number("orders"), together(true), "{context}"),
        "seen_together" => assert_eq!(number("sessions"), together(false), "{context}"),
        "popular" => {
            let actions = done.iter().filter(|(_, id, _)| id == product.id.as_str()).count() as u64;
            assert_eq!(number("actions"), actions, "{context}");
        }
        "fits" => {
            let (model, of) = (evidence("model"), products[evidence("product").as_str()]);
            for word in model.split(' ').map(in_words) {
                assert!(in_words(&product.title).contains(&word), "{context}");
                assert!(in_words(&of.title).contains(&word), "{context}: {}", of.title);
            }
        }
        "made_for" => {
            let (name, of) = (evidence("made_for"), products[evidence("product").as_str()]);
            let told = if evidence("origin") == "title" { &product.title } else { &product.description };
            assert!(says_name(told, &name), "{context}: {told}");
            let goes_by = format!("{} {:?} {}", of.brand.as_deref().unwrap_or_default(), of.product_type, of.title);
            assert!(says_name(&goes_by, &name), "{context}: {goes_by}");
        }
        "related" => {
            let of = products[evidence("product").as_str()];
            assert!(reason.text.contains(&of.title) && number_of(reason, "similarity") < 1.01, "{context}");
        }
        other => panic!("an unknown reason {other}: {context}"),
    }
}

#[test]
fn every_reason_of_hundreds_of_answers_is_true_of_the_feed_and_the_events() {
    let (shop, products, done) = &*REAL;
    let by_id: BTreeMap<&str, &Product> = products.iter().map(|product| (product.id.as_str(), product)).collect();
    let view = shop.engine.view();
    let (mut codes, mut num_answers): (BTreeMap<String, usize>, usize) = (BTreeMap::new(), 0);
    let mut ask = |query: &Query| {
        let answer = shop.engine.answer(&view, query).unwrap();
        let explained = shop.engine.explain(&view, query, &answer).unwrap();
        assert_eq!(explained.reasons.len(), answer.hits.len());
        assert!(!explained.title.is_empty());
        let product = |row| by_id[view.id(row).unwrap()];
        let anchor = answer.anchor.map(product);
        for (hit, reason) in answer.hits.iter().zip(&explained.reasons) {
            check(reason, product(hit.row), anchor, done, &by_id);
            *codes.entry(reason.code.clone()).or_default() += 1;
        }
        num_answers += usize::from(!answer.hits.is_empty());
    };
    for (at, product) in products.iter().enumerate() {
        let id = product.id.to_string();
        ask(&upsell(&id));
        ask(&Query { intent: Intent::CrossSell, ..upsell(&id) });
        if at % 5 == 0 {
            ask(&Query { anchors: vec![id.clone()], limit: 10, ..Query::default() });
        }
        if at < 60 {
            for intent in [Intent::Next, Intent::ForYou, Intent::CrossSell] {
                let viewed = SessionEvent { id: id.clone(), kind: EventKind::ViewItem };
                let first = SessionEvent { id: products[(at + 3) % 60].id.to_string(), kind: EventKind::AddToCart };
                ask(&Query { intent, session: vec![first, viewed], limit: 10, ..Query::default() });
            }
        }
    }
    ask(&Query { intent: Intent::Trending, limit: 20, ..Query::default() });
    for text in ["leather wallet case", "something to charge a phone in the car", "zzzz"] {
        ask(&Query { text: Some(text.to_owned()), limit: 10, ..Query::default() });
    }
    assert!(num_answers >= 1000, "{num_answers} answers, {codes:?}");
    for code in [
        "more_storage",
        "more_cable_length",
        "fits_same",
        "fits",
        "made_for",
        "same_category",
        "bought_together",
        "seen_together",
        "popular",
        "matches_words",
    ] {
        assert!(codes.contains_key(code), "{code} never came: {codes:?}");
    }
}

#[test]
fn the_index_gives_back_what_products_say_and_where_their_prices_stand() {
    let (shop, products, _) = &*REAL;
    let view = shop.engine.view();
    for product in products {
        let row = view.row(product.id.as_str()).unwrap();
        let said = kindred::catalog::attributes(&view.product(row).unwrap());
        assert_eq!(view.attributes(row), said, "{}", product.id);
        let place = view.price_position(row, &said).unwrap();
        assert!((0.0..=1.0).contains(&place), "{}: {place}", product.id);
    }
}

#[test]
fn eval_finds_every_answer_inside_the_rules() {
    let (shop, ..) = &*REAL;
    let settings = kindred::eval::UpsellSettings { num_anchors: 300, k: 5, seed: 3 };
    let report = kindred::eval::upsell(&shop.engine, &shop.engine.view(), &UpsellConfig::default(), settings).unwrap();
    assert_eq!(report.violations, Vec::<String>::new());
    assert!(report.num_anchors == 300 && report.num_shown == report.num_inside && report.coverage > 0.1);
    let strict = UpsellConfig { price_max: 1.06, ..UpsellConfig::default() };
    let report = kindred::eval::upsell(&shop.engine, &shop.engine.view(), &strict, settings).unwrap();
    assert!(!report.violations.is_empty(), "the check does not look");
}

#[test]
fn over_http_an_upsell_carries_its_reason_and_its_comparison() {
    let root = tempfile::tempdir().unwrap();
    let lines: String = phones().iter().map(|record| format!("{record}\n")).collect();
    shop::build(root.path(), &lines, HistoryBuilder::default().finish());
    let running = shop::Running::start(root.path(), shop::config());
    let body = json!({"intent": "upsell", "context": {"product": "anchor", "cart": [{"id": "better dearer"}, {"id": "lost"}], "looked_s": 40},
        "include": ["reason", "comparison"], "limit": 3});
    let answer: Value = running.post("/v1/shop/recommend", &body).json();
    assert_eq!(answer["title"], "A step up from Nova One smartphone 64GB");
    assert_eq!((&answer["missing_ids"], &answer["fewer_because"]), (&json!(["lost"]), &json!("nothing_better")));
    let [result] = answer["results"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert_eq!((&result["id"], &result["reason"]["code"]), (&json!("better"), &json!("more_storage")));
    assert_eq!(result["reason"]["text"], "128 GB storage instead of 64 GB");
    let row = json!({"attribute": "storage", "label": "storage", "from": "64 GB", "to": "128 GB", "verdict": "better", "origin": "title"});
    assert_eq!(result["comparison"], json!([row]));
    let similar = json!({"context": {"product": "anchor"}, "include": ["reason"], "limit": 2});
    let answer: Value = running.post("/v1/shop/recommend", &similar).json();
    assert_eq!(answer["results"][0]["reason"]["code"], "same_category");
    let shopify: Value = running.get("/v1/shop/recommendations/products.json?product_id=anchor&intent=upsell").json();
    assert_eq!(shopify["products"].as_array().unwrap().len(), 2);
}
