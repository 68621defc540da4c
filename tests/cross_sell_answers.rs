//! Cross-sell against readings of the same records by hand: what is never shown, what comes first, bad input, and what orders change.

mod shop;

use std::collections::HashSet;

use kindred::catalog::{Product, ProductId};
use kindred::events::{EventKind, History, HistoryBuilder, Interaction};
use kindred::index::{CatalogDir, Check};
use kindred::live::{Change, Upsert};
use kindred::recommend::{
    Answer, Engine, Explained, FewerBecause, Intent, Query, RecommendConfig, Said, SessionEvent, Sieve, Source, Step,
};
use kindred::rules::{Notation, RuleSet};
use serde_json::{Value, json};

/// A shop on disk with its engine; the folder lives as long.
struct Shop {
    engine: Engine,
    root: tempfile::TempDir,
}

impl Shop {
    fn new(records: &[Value], pairs: &str, history: History) -> Self {
        let root = tempfile::tempdir().unwrap();
        shop::build_records(root.path(), records, history);
        let dir = CatalogDir::new(root.path(), "shop").unwrap();
        if !pairs.is_empty() {
            std::fs::write(dir.path().join("pairs.csv"), format!("product,with,relation\n{pairs}")).unwrap();
        }
        let generation = dir.open_current(Check::Hashes).unwrap();
        let config = RecommendConfig::default();
        let engine = Engine::new(&dir, generation, shop::EMBEDDER.clone(), &shop::template(), &config).unwrap();
        Self { engine, root }
    }

    fn of(records: &[Value]) -> Self {
        Self::new(records, "", HistoryBuilder::default().finish())
    }

    fn ask(&self, query: &Query) -> (Vec<String>, Answer, Explained) {
        let view = self.engine.view();
        let answer = self.engine.answer(&view, query).unwrap();
        let explained = self.engine.explain(&view, query, &answer).unwrap();
        assert_eq!(explained.reasons.len(), answer.hits.len());
        // Several intents take turns.
        let is_mixed = query.intents().count() > 1;
        assert!(is_mixed || answer.hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
        let ids = answer.hits.iter().map(|hit| view.id(hit.row).unwrap().to_owned()).collect();
        (ids, answer, explained)
    }

    fn ids(&self, query: &Query) -> Vec<String> {
        self.ask(query).0
    }

    fn codes(&self, query: &Query) -> Vec<(String, String)> {
        let (ids, _, explained) = self.ask(query);
        ids.into_iter().zip(explained.reasons.into_iter().map(|reason| reason.code)).collect()
    }
}

/// What goes with a cart.
fn cart(ids: &[&str]) -> Query {
    let event = |id: &&str| SessionEvent { id: (*id).to_owned(), kind: EventKind::AddToCart };
    Query { intent: Intent::CrossSell, session: ids.iter().map(event).collect(), limit: 20, ..Query::default() }
}

/// What goes with the product on the page.
fn page(id: &str) -> Query {
    Query { intent: Intent::CrossSell, anchors: vec![id.to_owned()], limit: 20, ..Query::default() }
}

fn product(id: &str, title: &str, price: &str, category: &str) -> Value {
    json!({"id": id, "title": title, "price": price, "product_type": category})
}

/// Two phones of two models with what is made for each, what is made for any phone, and what has nothing to do with them.
fn phones() -> Vec<Value> {
    vec![
        product("nova7", "Nova 7 smartphone 64GB - Black (Unlocked)", "400.00 USD", "Phones > Smartphones"),
        product("nova7plus", "Nova 7 Plus smartphone 64GB", "500.00 USD", "Phones > Smartphones"),
        product("nova8", "Nova 8 smartphone 64GB", "450.00 USD", "Phones > Refurbished Phones"),
        product("case7", "Rugged Case for Nova 7 - Black", "20.00 USD", "Phones > Accessories > Cases"),
        product("slim7", "Slim Case for Nova 7 - Clear", "15.00 USD", "Phones > Accessories > Thin Cases"),
        product("case7plus", "Rugged Case for Nova 7 Plus - Black", "20.00 USD", "Phones > Accessories > Cases"),
        product(
            "glass7",
            "Tempered Glass Screen Protector for Nova 7",
            "10.00 USD",
            "Phones > Accessories > Protectors",
        ),
        product("lightning7", "Lightning Dock for Nova 7", "30.00 USD", "Phones > Accessories > Docks"),
        product("any", "Wall Charger for Most Smartphones", "25.00 USD", "Phones > Accessories > Chargers"),
        product(
            "micro",
            "Micro USB Car Charger for Most Smartphones",
            "25.00 USD",
            "Phones > Accessories > Car Chargers",
        ),
        product("chair", "Oak garden chair", "80.00 USD", "Garden > Chairs"),
    ]
}

#[test]
fn without_an_event_a_phone_gets_what_is_made_for_it_one_of_each_kind_first_and_never_another_phone() {
    let shop = Shop::of(&phones());
    for query in [page("nova7"), cart(&["nova7"])] {
        let ids = shop.ids(&query);
        let of_three: HashSet<&str> = ids.iter().take(3).map(String::as_str).collect();
        assert!(of_three.is_subset(&HashSet::from(["case7", "slim7", "glass7", "lightning7"])), "{ids:?}");
        assert!(!(of_three.contains("case7") && of_three.contains("slim7")), "one case: {ids:?}");
        let place = |id: &str| ids.iter().position(|other| other == id);
        assert!(place("any").is_some() && place("any") > place("glass7"), "{ids:?}");
        for never in ["nova7", "nova7plus", "nova8", "case7plus", "micro"] {
            assert_eq!(place(never), None, "{never}: {ids:?}");
        }
    }
    let codes = shop.codes(&page("nova7"));
    let code = |id: &str| codes.iter().find(|(other, _)| other == id).map(|(_, code)| code.as_str());
    assert_eq!((code("case7"), code("any")), (Some("fits"), Some("made_for")));
    let (_, _, explained) = shop.ask(&page("nova7"));
    assert_eq!(explained.title, "Goes with Nova 7 smartphone 64GB - Black (Unlocked)");
    assert!(explained.reasons.iter().any(|reason| reason.text == "Fits Nova 7"));
}

#[test]
fn a_long_cart_is_answered_from_its_first_line_too() {
    let mut records = phones();
    let others = (0..40).map(|at| format!("other{at}")).collect::<Vec<_>>();
    records.extend(
        others.iter().map(|id| product(id, &format!("Garden ornament {id}"), "5.00 USD", "Garden > Ornaments")),
    );
    let shop = Shop::of(&records);
    let lines: Vec<&str> = std::iter::once("nova7").chain(others.iter().map(String::as_str)).collect();
    let ids = shop.ids(&cart(&lines));
    assert!(ids.iter().any(|id| id == "case7" || id == "slim7") && ids.contains(&"glass7".to_owned()), "{ids:?}");
    assert!(!ids.iter().any(|id| id.starts_with("nova")), "no second phone: {ids:?}");
}

#[test]
fn a_product_whose_category_is_a_model_is_of_the_kind_above_it() {
    let mut records = phones();
    records.extend([
        product("se", "Nova SE smartphone 16GB", "300.00 USD", "Phones > Nova SE"),
        product("se_again", "Refurbished Nova SE smartphone 64GB", "250.00 USD", "Phones > Refurbished Phones"),
        product("case_se", "Slim Case for Nova SE", "15.00 USD", "Phones > Accessories > Cases"),
    ]);
    let shop = Shop::of(&records);
    for phone in ["se", "se_again"] {
        let ids = shop.ids(&page(phone));
        assert!(ids[0] == "case_se" && !ids.iter().any(|id| id.starts_with("se") || id.starts_with("nova")), "{ids:?}");
    }
}

#[test]
fn what_says_that_it_is_not_for_a_model_is_no_add_on_to_it() {
    let mut records = phones();
    records.extend([
        product("denies", "Slim Case not for Nova 7", "15.00 USD", "Phones > Accessories > Covers"),
        product("other", "Sturdy Case for phones other than Nova 8", "15.00 USD", "Phones > Accessories > Covers"),
        // A model is one that something in the shop is made for.
        product("case8", "Rugged Case for Nova 8", "20.00 USD", "Phones > Accessories > Cases"),
    ]);
    let shop = Shop::of(&records);
    for (phone, never) in [("nova7", "denies"), ("nova8", "other")] {
        assert!(!shop.ids(&page(phone)).contains(&never.to_owned()), "{phone}");
    }
}

#[test]
fn everything_that_is_made_for_a_product_is_shown_though_weaker_kinds_come_between() {
    let mut records = vec![product("zeta", "Zeta 5 smartphone", "400.00 USD", "Phones > Smartphones")];
    for letter in ["a", "b", "c", "d"] {
        records.push(product(letter, &format!("Case {letter} for Zeta 5"), "20.00 USD", "Phones > Cases"));
    }
    for thing in ["oak garden chair", "tea pot", "wool scarf", "desk lamp", "picture frame"] {
        records.push(product(thing, thing, "30.00 USD", &format!("Home > {thing}s")));
    }
    let ids = Shop::of(&records).ids(&page("zeta"));
    assert!(["a", "b", "c", "d"].iter().all(|id| ids.iter().any(|shown| shown == id)), "{ids:?}");
}

#[test]
fn a_need_that_the_cart_meets_is_not_served_again() {
    let shop = Shop::of(&phones());
    let ids = shop.ids(&cart(&["nova7", "case7"]));
    assert!(!ids.iter().any(|id| id.contains("case") || id.starts_with("slim")), "{ids:?}");
    assert!(ids.contains(&"glass7".to_owned()), "{ids:?}");
    // A case alone tells the model as well.
    assert!(shop.ids(&cart(&["slim7"])).contains(&"glass7".to_owned()));
}

#[test]
fn what_the_shop_itself_says_comes_first_or_never() {
    let mut records = phones();
    records[0]["related_product"] = json!([
        {"relationship_type": "required_part", "identifier": "chair"},
        {"relationship_type": "substitute", "identifier": "glass7"},
        {"relationship_type": "accessory", "identifier": "nowhere"},
    ]);
    let pairs = "nova7,nova8,always_together\nnova7,slim7,never_together\nnova7,oops,sometimes\n";
    let shop = Shop::new(&records, pairs, HistoryBuilder::default().finish());
    let codes = shop.codes(&cart(&["nova7"]));
    assert_eq!(codes[0], ("chair".to_owned(), "required_part".to_owned()));
    assert!(codes.contains(&("nova8".to_owned(), "always_together".to_owned())), "{codes:?}");
    assert!(codes.iter().all(|(id, _)| id != "glass7" && id != "slim7"), "{codes:?}");
    // Either way, and from either product.
    assert!(shop.codes(&page("nova8")).contains(&("nova7".to_owned(), "always_together".to_owned())));
    assert!(!shop.ids(&page("slim7")).contains(&"nova7".to_owned()));
    let [fault] = shop.engine.pairs().faults().to_vec().try_into().unwrap();
    assert_eq!((fault.line.unwrap(), fault.field.as_str()), (4, "relation"));
    // Nothing that is pinned stands beside what it never stands beside.
    let pinned = json!({"rules": [{"id": "pin", "then": {"pin": {"products": ["slim7", "case7"]}}}]});
    let rules = RuleSet::read(&pinned.to_string(), Notation::Json).unwrap();
    let view = shop.engine.view();
    let rules = shop.engine.try_rules(&view, &rules).unwrap();
    let answer = shop.engine.answer_with(&view, &cart(&["nova7"]), &rules).unwrap();
    let ids: Vec<&str> = answer.hits.iter().map(|hit| view.id(hit.row).unwrap()).collect();
    assert_eq!(ids[0], "case7");
    assert!(!ids.contains(&"slim7"), "{ids:?}");
}

#[test]
fn a_trace_tells_what_each_source_brings_and_every_product_why_it_is_no_add_on() {
    let pairs = "nova7,chair,never_together\nnova7,nova8,always_together\n";
    let shop = Shop::new(&phones(), pairs, HistoryBuilder::default().finish());
    let (view, query) = (shop.engine.view(), page("nova7"));
    let (answer, trace) = shop.engine.trace(&view, &query).unwrap();
    assert_eq!(answer, shop.ask(&query).1);
    let brought = |source: Source| -> HashSet<&str> {
        let of_source = trace.parts[0].sources.iter().find(|trace| trace.source == source);
        of_source.map_or(HashSet::new(), |found| found.best.iter().map(|(id, _)| id.as_str()).collect())
    };
    assert_eq!((trace.parts.len(), brought(Source::Relations)), (1, HashSet::from(["nova8"])));
    // What a title says it is made for, whatever keeps it out: the plug is wrong.
    assert!(brought(Source::Compatibility).is_superset(&HashSet::from(["case7", "glass7", "any", "micro"])));
    assert!(brought(Source::Similar).contains("nova7plus"), "{trace:?}");
    let step = |id: &str| shop.engine.why_not(&view, &query, id).unwrap().step;
    for (id, by) in [
        ("nova7", Sieve::AskedAbout),
        ("chair", Sieve::NeverTogether),
        ("nova7plus", Sieve::SameKind),
        ("case7plus", Sieve::Misfit),
        ("micro", Sieve::Misfit),
    ] {
        assert_eq!(step(id), Step::KeptOut { by }, "{id}");
    }
    assert!(matches!(step("glass7"), Step::Shown { .. }));
}

#[test]
fn a_slot_that_shows_what_goes_with_a_cart_never_shows_what_never_stands_beside_it() {
    let home = |shop: &Shop| {
        let told = Query { intent: Intent::Next, placement: Some("home".to_owned()), ..cart(&["nova7"]) };
        shop.engine.place(told, Said { intent: None, limit: Some(20) }).unwrap()
    };
    let plain = Shop::of(&phones());
    assert!(plain.ids(&home(&plain)).contains(&"nova7plus".to_owned()), "another intent of the slot brings it");
    let history = HistoryBuilder::default().finish();
    let shop = Shop::new(&phones(), "nova7,nova7plus,never_together\n", history);
    let query = home(&shop);
    assert_eq!(query.intents().collect::<Vec<_>>(), [Intent::CrossSell, Intent::ForYou]);
    let ids = shop.ids(&query);
    assert!(!ids.contains(&"nova7plus".to_owned()) && ids.contains(&"glass7".to_owned()), "{ids:?}");
    let told = shop.engine.why_not(&shop.engine.view(), &query, "nova7plus").unwrap();
    assert_eq!(told.step, Step::KeptOut { by: Sieve::NeverTogether });
}

#[test]
fn rules_about_nothing_leave_the_order_as_it_is() {
    let shop = Shop::of(&phones());
    let nothing = json!({"rules": [{"id": "out", "then": {"exclude": {"must": [{"key": "id", "match": "nobody"}]}}}]});
    let view = shop.engine.view();
    let rules = shop.engine.try_rules(&view, &RuleSet::read(&nothing.to_string(), Notation::Json).unwrap()).unwrap();
    for limit in [1, 2, 3, 20] {
        let query = Query { limit, ..page("nova7") };
        let answer = shop.engine.answer_with(&view, &query, &rules).unwrap();
        assert_eq!(answer.hits, shop.ask(&query).1.hits);
    }
}

#[test]
fn bad_input_gets_an_answer_from_what_is_known() {
    let mut records = phones();
    records.push(json!({"id": "bare", "title": "Something"}));
    records.push(json!({"id": "free", "title": "Free Case for Nova 7", "price": "0.00 USD"}));
    records.push(product("euro", "Belt Clip for Nova 7", "9.00 EUR", "Phones > Accessories > Belts"));
    records.push(
        json!({"id": "odd", "title": "()", "price": "1.00 USD", "product_type": " > ", "storage": "minus ten parsecs"}),
    );
    let shop = Shop::of(&records);
    assert_eq!(shop.ask(&cart(&["nobody"])).1.fewer_because, Some(FewerBecause::UnknownProducts));
    let (ids, answer, _) = shop.ask(&cart(&["nobody", "nova7", "gone", "bare", "free", "euro"]));
    assert_eq!(answer.missing_ids, ["nobody", "gone"]);
    assert!(ids.contains(&"glass7".to_owned()), "{ids:?}");
    for alone in ["bare", "free", "euro", "odd"].into_iter().filter(|id| shop.engine.view().row(id).is_some()) {
        shop.ask(&Query { free_shipping_over: Some("20.00 USD".parse().unwrap()), ..cart(&[alone]) });
        shop.ask(&page(alone));
    }
    // 500 lines, of which half are unknown.
    let many: Vec<String> =
        (0..250).map(|i| format!("unknown {i}")).chain((0..250).map(|i| format!("line {i}"))).collect();
    let lines = (0..250)
        .map(|i| product(&format!("line {i}"), &format!("Garden gnome number {i}"), "5.00 USD", "Garden > Gnomes"));
    let shop = Shop::of(&phones().into_iter().chain(lines).collect::<Vec<_>>());
    let mut ids: Vec<&str> = many.iter().map(String::as_str).collect();
    ids.push("nova7");
    let (found, answer, _) = shop.ask(&cart(&ids));
    assert_eq!(answer.missing_ids.len(), 250);
    assert!(found.contains(&"glass7".to_owned()) && !found.iter().any(|id| id.starts_with("line")), "{found:?}");
    let gone = vec![Change::Delete { id: ProductId::new("nova7").unwrap() }];
    shop.engine.live().submit(gone).unwrap();
    assert_eq!(shop.ask(&cart(&["nova7"])).1.missing_ids, ["nova7"]);
}

#[test]
fn what_is_new_since_the_build_is_an_anchor_and_an_add_on_at_once() {
    let shop = Shop::of(&phones());
    let new = |record: Value| {
        let product: Product = serde_json::from_value(record).unwrap();
        let vector = shop::EMBEDDER.embed_one(&product.title).unwrap();
        Change::Upsert(Box::new(Upsert { product, vector, model: shop::EMBEDDER.fingerprint().to_owned() }))
    };
    let mut phone = product("nova7x", "Nova 7 smartphone 128GB", "450.00 USD", "");
    phone["product_type"] = json!([["Phones", "Smartphones"]]);
    let mut clip = product("clip7", "Belt Clip for Nova 7", "9.00 USD", "");
    clip["product_type"] = json!([["Phones", "Clips"]]);
    shop.engine.live().submit(vec![new(phone), new(clip)]).unwrap();
    assert!(shop.ids(&page("nova7x")).contains(&"glass7".to_owned()));
    assert!(shop.ids(&page("nova7")).contains(&"clip7".to_owned()));
    assert!(!shop.ids(&page("nova7")).contains(&"nova7x".to_owned()));
}

#[test]
fn what_closes_the_gap_to_free_delivery_moves_up_and_says_so() {
    let records = vec![
        product("desk", "Oak desk", "80.00 USD", "Furniture > Desks"),
        product("lamp", "Desk lamp", "22.00 USD", "Light > Lamps"),
        product("mat", "Desk mat", "8.00 USD", "Office > Mats"),
        product("tray", "Desk paper tray", "9.00 USD", "Office > Trays"),
        product("shelf", "Wall shelf", "75.00 USD", "Furniture > Shelves"),
    ];
    let shop = Shop::of(&records);
    let with = |over: &str| Query { free_shipping_over: Some(over.parse().unwrap()), ..cart(&["desk"]) };
    let score = |query: &Query| {
        let (ids, answer, explained) = shop.ask(query);
        let at = ids.iter().position(|id| id == "lamp").unwrap();
        (answer.hits[at].score, explained.reasons[at].code.clone())
    };
    let (plain, code) = score(&cart(&["desk"]));
    assert_ne!(code, "free_shipping");
    let (raised, code) = score(&with("100.00 USD"));
    assert!(raised > plain && code == "free_shipping", "{raised} {plain} {code}");
    let far = [with("300.00 USD"), with("80.00 USD"), with("100.00 EUR")];
    far.iter().for_each(|query| assert_eq!(score(query), score(&cart(&["desk"]))));
    // Two desks are worth more than the threshold.
    let two = Query { quantities: [("desk".to_owned(), 2)].into(), ..with("100.00 USD") };
    assert_eq!(score(&two).1, score(&cart(&["desk"])).1);
}

/// Orders of desk and shelf, which are of one kind of room but no look-alikes.
fn orders(pairs: &[(&str, &str)], times: u32) -> History {
    let mut builder = HistoryBuilder::default();
    for (number, ids) in (0..times).flat_map(|time| pairs.iter().map(move |pair| (time, pair))).enumerate() {
        let number = number as u32;
        for id in [ids.1.0, ids.1.1] {
            let product = builder.product(id);
            let time_s = 1_700_000_000 + number * 4000;
            let kind = EventKind::Purchase;
            builder.push(
                number.into(),
                number,
                Interaction { product, time_s, order: number, quantity: 1, price: 1.0, kind },
            );
        }
    }
    builder.finish()
}

#[test]
fn orders_bring_what_no_text_tells_and_even_the_same_kind_of_thing_but_never_a_look_alike() {
    let history = orders(&[("nova7", "chair"), ("case7", "glass7"), ("nova7", "nova8"), ("nova7", "nova7plus")], 30);
    let shop = Shop::new(&phones(), "", history);
    let codes = shop.codes(&page("nova7"));
    assert!(codes.contains(&("chair".to_owned(), "bought_together".to_owned())), "{codes:?}");
    // A refurbished one is of another category, and thirty bought both.
    assert!(!codes.iter().any(|(id, _)| id == "nova7plus"), "the same category: {codes:?}");
    let (_, answer, _) = shop.ask(&page("case7"));
    assert!(answer.hits.iter().any(|hit| hit.sources.get(Source::Copurchase) > 0.0));
    let without = Shop::of(&phones());
    assert!(!without.codes(&page("nova7")).iter().any(|(_, code)| code == "bought_together"));
}

#[test]
fn over_http_a_cross_sell_carries_its_reasons_and_names_what_is_missing() {
    let shop = Shop::of(&phones());
    let running = shop::Running::start(shop.root.path(), shop::config());
    let body = json!({"intent": "cross_sell", "include": ["reason"], "limit": 3,
        "context": {"cart": [{"id": "nova7", "quantity": 2}, {"id": "lost"}], "free_shipping_over": "900.00 USD"}});
    let answer: Value = running.post("/v1/shop/recommend", &body).json();
    assert_eq!(answer["missing_ids"], json!(["lost"]));
    let first = &answer["results"][0];
    assert_eq!(first["reason"]["code"], "fits", "{answer}");
    assert_eq!(first["reason"]["evidence"], json!({"product": "nova7", "model": "nova 7"}));
    assert!(first["sources"]["compatibility"].as_f64().unwrap() > 0.8);
    let shopify: Value =
        running.get("/v1/shop/recommendations/products.json?product_id=nova7&intent=complementary&limit=2").json();
    assert_eq!(shopify["products"].as_array().unwrap().len(), 2);
}
