//! Sets, what is due again, and what goes with an order, against readings of the same records and orders by hand.

mod command;
mod shop;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use command::Workplace;
use kindred::catalog::ProductId;
use kindred::events::{Buyer, Event, EventKind, EventStore, EventsConfig, History, HistoryPart, Ids, Item, Purchased};
use kindred::index::{CatalogDir, Check};
use kindred::recommend::{
    Answer, BundleConfig, BundleOffer, Engine, Explained, FewerBecause, Intent, NoDiscount, PlacedOrder, Query,
    RecommendConfig, Said, SessionEvent, Sieve, Stage, Step, WithoutList,
};
use kindred::rules::{Notation, RuleSet};
use serde_json::{Value, json};

const DAY_MS: i64 = 86_400_000;
/// A day of 2026, in milliseconds since 1970.
const TODAY_MS: i64 = 1_790_000_000_000;

struct Shop {
    engine: Engine,
    root: tempfile::TempDir,
}

impl Shop {
    fn new(records: &[Value], events: Vec<Event>, config: &RecommendConfig) -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = CatalogDir::new(root.path(), "shop").unwrap();
        std::fs::create_dir_all(dir.path()).unwrap();
        let history = if events.is_empty() { History::default() } else { kept(&dir.path(), events) };
        shop::build_records(root.path(), records, history);
        let generation = dir.open_current(Check::Hashes).unwrap();
        let engine = Engine::new(&dir, generation, shop::EMBEDDER.clone(), &shop::template(), config).unwrap();
        Self { engine, root }
    }

    fn of(records: &[Value]) -> Self {
        Self::new(records, Vec::new(), &RecommendConfig::default())
    }

    fn ask(&self, query: &Query) -> (Vec<String>, Answer, Explained) {
        let view = self.engine.view();
        let answer = self.engine.answer(&view, query).unwrap();
        let explained = self.engine.explain(&view, query, &answer).unwrap();
        assert_eq!(explained.reasons.len(), answer.hits.len());
        // Intents of a mix take turns.
        let is_one = answer.parts.is_empty();
        assert!(!is_one || answer.hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
        let ids = answer.hits.iter().map(|hit| view.id(hit.row).unwrap().to_owned()).collect();
        (ids, answer, explained)
    }

    fn ids(&self, query: &Query) -> Vec<String> {
        self.ask(query).0
    }

    fn offer(&self, query: &Query) -> BundleOffer {
        let view = self.engine.view();
        let answer = self.engine.answer(&view, query).unwrap();
        self.engine.bundle_offer(&view, query, &answer).unwrap().unwrap()
    }

    fn store(&self) -> EventStore {
        EventStore::open(&CatalogDir::new(self.root.path(), "shop").unwrap().path(), &EventsConfig::default()).unwrap()
    }
}

fn kept(folder: &Path, events: Vec<Event>) -> History {
    let store = EventStore::open(folder, &EventsConfig::default()).unwrap();
    store.submit(events).unwrap();
    store.history(&HistoryPart::default()).unwrap()
}

fn product(id: &str, title: &str, price: &str, cost: &str, category: &str) -> Value {
    let cost = (!cost.is_empty()).then_some(cost);
    json!({"id": id, "title": title, "price": price, "cost_of_goods_sold": cost, "product_type": category})
}

/// A phone with what is made for it, of which the first charger is sold out, and what has nothing to do with it.
fn phones() -> Vec<Value> {
    let mut records = vec![
        product("nova7", "Nova 7 smartphone 64GB", "100.00 USD", "50.00 USD", "Phones > Smartphones"),
        product("nova8", "Nova 8 smartphone 64GB", "450.00 USD", "200.00 USD", "Phones > Smartphones"),
        product("case7", "Rugged Case for Nova 7 - Black", "20.00 USD", "6.00 USD", "Phones > Cases"),
        product("slim7", "Slim Case for Nova 7 - Clear", "15.00 USD", "5.00 USD", "Phones > Thin Cases"),
        product("case8", "Rugged Case for Nova 8", "20.00 USD", "6.00 USD", "Phones > Cases"),
        product("glass7", "Tempered Glass Protector for Nova 7", "18.82 USD", "4.00 USD", "Phones > Protectors"),
        product("charger7", "Wall Charger for Nova 7", "25.00 USD", "8.00 USD", "Phones > Chargers"),
        product("charger", "Wall Charger for Most Smartphones", "20.00 USD", "10.00 USD", "Phones > Chargers"),
        product("dock7", "Dock for Nova 7", "30.00 USD", "", "Phones > Docks"),
        product("chair", "Oak garden chair", "80.00 USD", "30.00 USD", "Garden > Chairs"),
        product("lamp", "Desk lamp", "22.00 USD", "9.00 USD", "Light > Lamps"),
    ];
    records[6]["availability"] = json!("out_of_stock");
    records
}

/// The kind of thing by the feed's category, read by hand.
fn kind(id: &str) -> &'static str {
    match id {
        "nova7" | "nova8" => "phone",
        "case7" | "slim7" | "case8" => "case",
        "glass7" => "protector",
        "charger7" | "charger" => "charger",
        "dock7" => "dock",
        "chair" => "chair",
        _ => "lamp",
    }
}

fn set(products: &[&str], cart: &[&str], goal: &[&str]) -> Query {
    let texts = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let in_cart = |id: String| SessionEvent { id, kind: EventKind::AddToCart };
    Query {
        intent: Intent::Bundle,
        anchors: texts(products),
        session: texts(cart).into_iter().map(in_cart).collect(),
        goal: texts(goal),
        limit: 10,
        ..Query::default()
    }
}

#[test]
fn a_set_has_each_kind_once_nothing_of_the_cart_and_nothing_that_is_sold_out() {
    let shop = Shop::of(&phones());
    let goals: [&[&str]; 4] = [&[], &["case", "charger"], &["Screen protectors", "lamp", "case"], &["piano", "case"]];
    for product in ["nova7", "nova8", "case7", "chair", "charger7"] {
        for cart in [&[][..], &["slim7"], &["nova7", "glass7"], &["charger", "lost"]] {
            for goal in goals {
                let query = set(&[product], cart, goal);
                let (ids, answer, _) = shop.ask(&query);
                let context = format!("{product} {cart:?} {goal:?}: {ids:?}");
                let kinds: HashSet<&str> = ids.iter().map(|id| kind(id)).collect();
                assert_eq!(kinds.len(), ids.len(), "{context}");
                assert!(
                    !kinds.contains(kind(product)) && cart.iter().all(|id| *id == "lost" || !kinds.contains(kind(id))),
                    "{context}"
                );
                assert!(ids.len() < 6 && !ids.contains(&"charger7".to_owned()), "{context}");
                assert_eq!(answer.missing_ids, if cart.contains(&"lost") { vec!["lost"] } else { vec![] });
                let offer = shop.offer(&query);
                assert_eq!(offer.products[0], product, "{context}");
                assert_eq!(offer.products[1..], ids, "{context}");
            }
        }
    }
}

#[test]
fn a_set_is_what_is_made_for_the_product_until_it_has_the_kinds_of_the_settings() {
    let shop = Shop::of(&phones());
    let ids = shop.ids(&set(&["nova7"], &[], &[]));
    assert_eq!(ids.len(), 3, "four kinds with the phone: {ids:?}");
    assert!(ids.iter().all(|id| !["chair", "lamp", "case8"].contains(&id.as_str())), "{ids:?}");
    let wide =
        RecommendConfig { bundle: BundleConfig { types: 2, ..BundleConfig::default() }, ..RecommendConfig::default() };
    assert_eq!(Shop::new(&phones(), Vec::new(), &wide).ids(&set(&["nova7"], &[], &[])).len(), 1);
    // A cart of five kinds has room for one, one of six is whole.
    let cart = ["nova7", "case7", "glass7", "chair", "lamp"];
    assert_eq!(shop.ids(&set(&[], &cart, &[])).len(), 1);
    let (ids, answer, _) = shop.ask(&set(&[], &[&cart[..], &["charger"]].concat(), &[]));
    assert_eq!((ids.len(), answer.fewer_because), (0, Some(FewerBecause::SetComplete)));
}

#[test]
fn a_named_kind_is_found_by_its_text_where_nothing_else_tells_and_named_where_there_is_none() {
    let shop = Shop::of(&phones());
    // A charger for the model is sold out: the next of its kind; no feed says that a lamp goes with a phone.
    let query = set(&["nova7"], &[], &["charger", "lamp", "piano"]);
    let ids = shop.ids(&query);
    assert_eq!(ids[..2], ["charger", "lamp"], "{ids:?}");
    assert_eq!(ids.len(), 3, "what else is told fills the place of the piano: {ids:?}");
    assert_eq!(shop.offer(&query).missing_types, ["piano"]);
    let goals = BTreeMap::from([("smartphones".to_owned(), vec!["chargers".to_owned(), "case".to_owned()])]);
    let config =
        RecommendConfig { bundle: BundleConfig { goals, ..BundleConfig::default() }, ..RecommendConfig::default() };
    let ids = Shop::new(&phones(), Vec::new(), &config).ids(&set(&["nova7"], &[], &[]));
    assert_eq!(ids.iter().map(|id| kind(id)).collect::<HashSet<_>>(), HashSet::from(["charger", "case"]), "{ids:?}");
}

#[test]
fn of_a_model_with_hundreds_of_cases_the_charger_is_still_the_one_that_is_made_for_it() {
    let mut records = phones();
    let case = |i| product(&format!("case {i}"), &format!("Case {i} for Nova 7"), "9.00 USD", "", "Phones > Cases");
    records.extend((0..300).map(case));
    records.push(product("plug7", "Compact Plug with USB for Nova 7", "90.00 USD", "", "Phones > Chargers"));
    let ids = Shop::of(&records).ids(&set(&["nova7"], &[], &["charger"]));
    assert_eq!(ids, ["plug7"]);
}

#[test]
fn rules_that_take_a_product_out_of_a_set_bring_the_next_of_its_kind_and_none_brings_a_second() {
    let shop = Shop::of(&phones());
    let view = shop.engine.view();
    let query = set(&["nova7"], &[], &["case", "protector"]);
    let first = shop.ids(&query);
    let cases: Vec<&str> = first.iter().map(String::as_str).filter(|id| kind(id) == "case").collect();
    let other = if cases == ["case7"] { "slim7" } else { "case7" };
    for then in [
        json!({"exclude": {"must": [{"key": "id", "match": cases[0]}]}}),
        json!({"pin": {"products": [other], "position": 1}}),
        json!({"pin": {"products": ["chair"], "position": 1}}),
    ] {
        let rules = json!({"rules": [{"id": "r", "then": then}], "shop": {"one_per_family": false}});
        let rules = RuleSet::read(&rules.to_string(), Notation::Json).unwrap();
        let rules = shop.engine.try_rules(&view, &rules).unwrap();
        let answer = shop.engine.answer_with(&view, &query, &rules).unwrap();
        let ids: Vec<&str> = answer.hits.iter().map(|hit| view.id(hit.row).unwrap()).collect();
        assert_eq!(ids.iter().filter(|id| kind(id) == "case").count(), 1, "{then}: {ids:?}");
        assert!(!ids.contains(&"chair"), "{then}: {ids:?}");
        if then.get("exclude").is_some() {
            assert!(ids.contains(&other), "{ids:?}");
        }
    }
}

#[test]
fn the_case_of_fifteen_percent_off_for_thirty_five_percent_more_and_none_without_costs() {
    let shop = Shop::of(&phones());
    // 100.00 + 20.00 + 18.82 + 20.00, less 15 %: 135.00.
    let config = RecommendConfig::default();
    let filter =
        serde_json::from_value(json!({"must": [{"key": "id", "match": ["case7", "glass7", "charger"]}]})).unwrap();
    let query = Query { filter, ..set(&["nova7"], &[], &["case", "protector", "charger"]) };
    let offer = shop.offer(&query);
    assert_eq!(offer.price.unwrap().to_string(), "158.82 USD");
    assert_eq!((offer.discount, offer.discounted_price.unwrap().to_string()), (0.15, "135.00 USD".to_owned()));
    assert_eq!((offer.order_value_rise.unwrap() * 100.0).round(), 35.0);
    assert!(offer.margin.unwrap() >= config.bundle.margin_floor && offer.no_discount_because.is_none());
    let dock = shop.offer(&set(&["nova7"], &[], &["dock", "case"]));
    assert_eq!((dock.discount, dock.no_discount_because), (0.0, Some(NoDiscount::NoCosts)));
    assert_eq!(dock.without_cost, ["dock7"]);
}

#[test]
fn odd_carts_get_a_set_or_a_reason_and_never_a_discount_nobody_can_check() {
    let mut records = phones();
    records.push(json!({"id": "bare", "title": "Belt Clip for Nova 7", "product_type": "Phones > Clips"}));
    records.push(product("free", "Sticker for Nova 7", "0.00 USD", "", "Phones > Stickers"));
    records.push(product("euro", "Strap for Nova 7", "9.00 EUR", "1.00 EUR", "Phones > Straps"));
    records.extend((0..250).map(|i| {
        product(&format!("line {i}"), &format!("Garden gnome number {i}"), "5.00 USD", "1.00 USD", "Garden > Gnomes")
    }));
    let shop = Shop::of(&records);
    for (goal, why) in
        [("clip", NoDiscount::NoPrice), ("sticker", NoDiscount::NoPrice), ("strap", NoDiscount::Currencies)]
    {
        let query = set(&["nova7"], &[], &[goal]);
        assert_eq!(shop.ids(&query).len(), 1, "{goal}");
        assert_eq!(shop.offer(&query).no_discount_because, Some(why), "{goal}");
    }
    let many: Vec<String> =
        (0..250).map(|i| format!("unknown {i}")).chain((0..250).map(|i| format!("line {i}"))).collect();
    let mut cart: Vec<&str> = many.iter().map(String::as_str).collect();
    cart.push("nova7");
    let (ids, answer, _) = shop.ask(&set(&[], &cart, &[]));
    assert_eq!(answer.missing_ids.len(), 250);
    assert!(!ids.iter().any(|id| id.starts_with("line")) && !ids.is_empty(), "{ids:?}");
    let nobody = shop.ask(&set(&["nobody"], &[], &[]));
    assert_eq!((nobody.0.len(), nobody.1.fewer_because), (0, Some(FewerBecause::UnknownProducts)));
    let view = shop.engine.view();
    let refused = |query: &Query| shop.engine.answer(&view, query).unwrap_err().to_string();
    assert!(refused(&set(&["nova7"], &[], &["a", "b", "c", "d", "e", "f"])).contains("context.goal"));
    assert!(refused(&set(&["nova7"], &[], &[" "])).contains("context.goal"));
    assert!(refused(&set(&[], &[], &[])).starts_with("context"));
}

fn told(kind: EventKind, user: &str, days_ago: f64, order: &str, products: &[&str]) -> Event {
    let item = |id: &&str| Item { product: ProductId::new(*id).unwrap(), quantity: 1, price: None };
    Event {
        ids: Ids { user: Some(user.to_owned()), ..Ids::default() },
        order: Some(order.to_owned()),
        items: products.iter().map(item).collect(),
        ..Event::new(kind, TODAY_MS - (days_ago * DAY_MS as f64) as i64)
    }
}

/// What is bought again and again (coffee, by variant), again seldom (filter) and once (grinder, kettle).
fn kitchen() -> Vec<Value> {
    let mut records = vec![
        product("coffee", "Espresso coffee beans", "12.00 USD", "", "Kitchen > Coffee"),
        product("decaf", "Decaf coffee beans", "12.00 USD", "", "Kitchen > Coffee"),
        product("filter", "Paper filters", "4.00 USD", "", "Kitchen > Filters"),
        product("grinder", "Burr grinder", "80.00 USD", "", "Kitchen > Grinders"),
        product("kettle", "Gooseneck kettle", "60.00 USD", "", "Kitchen > Kettles"),
        product("tea", "Green tea", "8.00 USD", "", "Kitchen > Teas"),
    ];
    for variant in [0, 1] {
        records[variant]["item_group_id"] = json!("beans");
    }
    records[5]["availability"] = json!("out_of_stock");
    records
}

/// Twenty shoppers who come back for coffee and tea after 30 days and for filters after 100, and buy one grinder; Anna, who was here every 20.
fn orders() -> Vec<Event> {
    use EventKind::{Purchase, Refund};
    let mut events = Vec::new();
    for shopper in 0..20 {
        let user = format!("user {shopper}");
        for (at, days_ago) in [500.0, 470.0, 440.0, 410.0].into_iter().enumerate() {
            events.push(told(Purchase, &user, days_ago, &format!("{user} {at}"), &["coffee", "tea"]));
        }
        events.push(told(Purchase, &user, 500.0, &format!("{user} filters"), &["filter", "grinder"]));
        events.push(told(Purchase, &user, 400.0, &format!("{user} more"), &["filter"]));
    }
    for (order, days_ago, products) in [
        ("a1", 58.0, &["coffee", "filter", "grinder"][..]),
        ("a2", 38.0, &["coffee", "kettle"]),
        ("a3", 18.0, &["coffee", "tea"]),
    ] {
        events.push(told(Purchase, "anna", days_ago, order, products));
    }
    // Bob sent his coffee back; Cleo has the other variant.
    events.push(told(Purchase, "bob", 30.0, "b1", &["coffee"]));
    events.push(told(Refund, "bob", 28.0, "b1", &["coffee"]));
    events.push(told(Purchase, "cleo", 33.0, "c1", &["coffee"]));
    events.push(told(Purchase, "cleo", 2.0, "c2", &["decaf"]));
    events.push(told(Purchase, "dora", 29.0, "d1", &["coffee"]));
    events
}

fn due(shop: &Shop, user: &str, within_days: f32) -> Query {
    Query {
        intent: Intent::Replenish,
        purchases: shop.store().purchases(&Buyer::User(user.to_owned())).unwrap(),
        due_within_days: Some(within_days),
        limit: 10,
        at: jiff::Timestamp::from_millisecond(TODAY_MS).ok(),
        ..Query::default()
    }
}

#[test]
fn what_is_due_is_bought_again_by_its_shoppers_or_by_this_one_and_says_so_truly() {
    let shop = Shop::new(&kitchen(), orders(), &RecommendConfig::default());
    let (ids, _, explained) = shop.ask(&due(&shop, "anna", 8.0));
    // Filters are due in 42 days, grinder and kettle nobody buys again, tea is sold out.
    assert_eq!(ids, ["coffee"]);
    let reason = &explained.reasons[0];
    assert_eq!(reason.text, "Bought 3 times, about every 20 days, last 18 days ago");
    assert_eq!((&reason.evidence["times"], &reason.evidence["own_interval_days"]), (&json!(3), &json!(20.0)));
    assert_eq!(reason.evidence["shoppers"], json!(21), "Anna among them");
    // Two own intervals of 20 days beside a crowd of about 30: half way.
    let interval = reason.evidence["interval_days"].as_f64().unwrap();
    let crowd = reason.evidence["shoppers_interval_days"].as_f64().unwrap();
    assert!((interval - (2.0 * 20.0 + 2.0 * crowd) / 4.0).abs() < 0.11 && (29.0..31.5).contains(&crowd), "{reason:?}");
    assert_eq!(explained.title, "Time to restock");
    assert_eq!(shop.ids(&due(&shop, "anna", 60.0)), ["coffee", "filter"]);
    // Seven days are missing.
    assert_eq!(shop.ids(&due(&shop, "anna", 6.0)), Vec::<String>::new());
    let (ids, _, explained) = shop.ask(&due(&shop, "dora", 7.0));
    assert_eq!(ids, ["coffee"]);
    let text = &explained.reasons[0].text;
    assert!(text.starts_with("Last bought 29 days ago; shoppers buy it again after about "), "{text}");
}

#[test]
fn what_was_sent_back_given_up_or_bought_as_another_variant_is_not_due() {
    let shop = Shop::new(&kitchen(), orders(), &RecommendConfig::default());
    for user in ["bob", "user 3", "nobody"] {
        let (ids, answer, _) = shop.ask(&due(&shop, user, 30.0));
        assert_eq!((ids.len(), answer.fewer_because), (0, Some(FewerBecause::NothingDue)), "{user}");
    }
    assert_eq!(shop.ids(&due(&shop, "cleo", 7.0)), Vec::<String>::new());
    let in_cart = vec![SessionEvent { id: "decaf".to_owned(), kind: EventKind::AddToCart }];
    assert_eq!(shop.ids(&Query { session: in_cart, ..due(&shop, "dora", 7.0) }), Vec::<String>::new());
    let refused = Query { due_within_days: Some(f32::NAN), ..due(&shop, "dora", 7.0) };
    assert!(shop.engine.answer(&shop.engine.view(), &refused).unwrap_err().to_string().contains("due_within_days"));
}

#[test]
fn without_events_a_shopper_who_comes_back_is_still_known_by_what_they_did() {
    let shop = Shop::of(&kitchen());
    let line = |product: &str, days_ago: i64| Purchased {
        product: product.to_owned(),
        order: days_ago as u32,
        time_s: ((TODAY_MS - days_ago * DAY_MS) / 1000) as u32,
    };
    let purchases =
        vec![line("coffee", 58), line("coffee", 38), line("gone", 20), line("coffee", 18), line("kettle", 18)];
    let query = Query {
        intent: Intent::Replenish,
        purchases,
        at: jiff::Timestamp::from_millisecond(TODAY_MS).ok(),
        limit: 5,
        ..Query::default()
    };
    assert_eq!(shop.ids(&query), ["coffee"]);
}

#[test]
fn an_order_is_gone_with_inside_its_window_without_what_the_shopper_has_and_the_reasons_say_so() {
    let shop = Shop::of(&phones());
    let at = |hours: i64| jiff::Timestamp::from_second(TODAY_MS / 1000 + hours * 3600).unwrap();
    let in_cart = |id: &str| SessionEvent { id: id.to_owned(), kind: EventKind::AddToCart };
    let query = |hours: i64| Query {
        intent: Intent::CrossSell,
        session: vec![in_cart("nova7")],
        order: Some(PlacedOrder { placed_at: Some(at(0)) }),
        at: Some(at(hours)),
        limit: 5,
        ..Query::default()
    };
    let plain = Query { order: None, ..query(48) };
    let (ids, _, explained) = shop.ask(&query(48));
    assert_eq!(ids, shop.ids(&plain), "cross-sell with the order as the cart");
    assert_eq!(explained.title, "Goes with your order");
    let reasons = shop.ask(&plain).2.reasons;
    for (said, plain) in explained.reasons.iter().zip(reasons) {
        assert_eq!(said.text, format!("For your order: {}", plain.text));
        assert_eq!((said.evidence["order"].clone(), &said.code), (json!(true), &plain.code));
    }
    for (hours, is_shown) in [(23, false), (24, true), (72, true), (73, false), (-1, false)] {
        let (ids, answer, _) = shop.ask(&query(hours));
        assert_eq!(!ids.is_empty(), is_shown, "{hours} h");
        assert_eq!(answer.fewer_because == Some(FewerBecause::OutsideWindow), !is_shown, "{hours} h");
    }
    let untimed = Query { order: Some(PlacedOrder::default()), ..query(1000) };
    assert_eq!(shop.ids(&untimed), ids);
    let mut owned = query(48);
    owned.take_purchases(vec![Purchased { product: ids[0].clone(), order: 1, time_s: 1 }], false);
    assert!(!shop.ids(&owned).contains(&ids[0]));
    let nothing = Query { session: Vec::new(), ..query(48) };
    assert_eq!(shop.ask(&nothing).1.fewer_because, Some(FewerBecause::NoOrder));
}

#[test]
fn over_http_sets_what_is_due_and_orders_are_answered_and_slips_of_the_pen_are_named() {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let mut events = orders();
    events.iter_mut().for_each(|event| event.time_ms += now_ms - TODAY_MS);
    events.push(Event { time_ms: now_ms - 2 * DAY_MS, ..told(EventKind::Purchase, "phil", 0.0, "p1", &["nova7"]) });
    let records: Vec<Value> = kitchen().into_iter().chain(phones()).collect();
    let shop = Shop::new(&records, events, &RecommendConfig::default());
    let running = shop::Running::start(shop.root.path(), shop::config());
    let ask = |body: Value| running.post("/v1/shop/recommend", &body);
    let answer = ask(
        json!({"intent": "replenish", "user_id": "anna", "context": {"due_within_days": 8}, "include": ["reason"]}),
    )
    .json();
    assert_eq!(answer["results"][0]["id"], "coffee", "{answer}");
    assert_eq!(answer["results"][0]["reason"]["text"], "Bought 3 times, about every 20 days, last 18 days ago");
    let silent = ask(json!({"intent": "replenish", "user_id": "anna", "consent": false})).json();
    assert_eq!((&silent["results"], &silent["fewer_because"]), (&json!([]), &json!("nothing_due")));
    let set = ask(
        json!({"intent": "bundle", "context": {"product": "nova7", "goal": ["case", "piano"]}, "include": ["reason"]}),
    )
    .json();
    assert_eq!(set["bundle"]["missing_types"], json!(["piano"]), "{set}");
    assert_eq!((&set["title"], &set["bundle"]["products"][0]), (&json!("Complete the set"), &json!("nova7")));
    assert_eq!(silent["bundle"], Value::Null);
    let order = ask(
        json!({"intent": "cross_sell", "user_id": "phil", "context": {"order": {"last": true}}, "include": ["reason"]}),
    )
    .json();
    assert!(order["results"][0]["reason"]["text"].as_str().unwrap().starts_with("For your order: "), "{order}");
    let none = ask(json!({"intent": "cross_sell", "user_id": "quinn", "context": {"order": {"last": true}}})).json();
    assert_eq!(none["fewer_because"], "no_order");
    let placed = json!({"intent": "cross_sell", "context": {"order": {"products": ["nova7"], "placed_at": "2020-01-01T00:00:00Z"}}});
    assert_eq!(ask(placed).json()["fewer_because"], "outside_window");
    let long: Vec<String> = (0..1001).map(|i| i.to_string()).collect();
    for (context, field) in [
        (json!({"order": {}}), "context.order"),
        (json!({"order": {"last": true, "products": ["nova7"]}}), "context.order"),
        (json!({"order": {"products": long}}), "context.order.products"),
        (json!({"order": {"products": ["nova7"], "placed_at": "yesterday"}}), "context.order.placed_at"),
        (json!({"product": "nova7", "goal": ["a", "b", "c", "d", "e", "f"]}), "context.goal"),
        (json!({"product": "nova7", "due_within_days": -1}), "context.due_within_days"),
    ] {
        let refused = ask(json!({"intent": "cross_sell", "context": context}));
        assert_eq!(refused.problem(), ("invalid_field".to_owned(), json!(field)), "{context}");
    }
    for slot in [
        json!({"intent": "bundle"}),
        json!({"placement": "home", "intent": "next"}),
        json!({"placement": "pdp-similar"}),
    ] {
        let mut body = slot.clone();
        body["context"] = json!({"order": {"products": ["nova7"]}});
        assert_eq!(ask(body).problem().1, json!("context.order"), "{slot}");
    }
    let slot = json!({"placement": "post-purchase", "user_id": "phil", "context": {"order": {"last": true}}, "include": ["trace"]});
    let slot = ask(slot).json();
    assert_eq!((&slot["intent"], &slot["stage"]), (&json!("cross_sell"), &json!("post_purchase")), "{slot}");
    assert_eq!(slot["results"][0]["id"], order["results"][0]["id"]);
    assert_eq!(slot["trace"]["list"]["results"][0]["id"], order["results"][0]["id"]);
    let due = ask(json!({"intent": "replenish", "user_id": "anna", "context": {"due_within_days": 8}})).json();
    let why = running
        .get(&format!("/v1/shop/recommendations/{}/trace?why_not=filter", due["recommendation_id"].as_str().unwrap()))
        .json();
    assert_eq!(
        why["why_not"],
        json!({"id": "filter", "intent": "replenish", "step": "kept_out", "by": "not_due"}),
        "{why}"
    );
}

#[test]
fn the_list_of_everybody_has_keys_the_list_of_ids_has_ids_and_both_say_the_same() {
    let work = Workplace::new();
    let header = "id,title,price,product_type\n";
    work.write("feed.csv", format!("{header}coffee,\"Coffee, whole beans\",9.00 USD,Coffee\nkettle,Kettle,60.00 USD,Kettles\nmug,Mug,5.00 USD,Mugs\n"));
    let mut orders = String::from("order_id,product_id,quantity,timestamp,customer_id\n");
    for (shopper, first) in [("anna", 1), ("bob", 2), ("cleo", 3)] {
        for month in [6, 7, 8] {
            orders.push_str(&format!("{shopper}-{month},coffee,1,2026-{month:02}-{first:02}T10:00:00Z,{shopper}\n"));
        }
    }
    orders.push_str("anna-k,kettle,1,2026-08-01T10:00:00Z,anna\n");
    work.write("orders.csv", orders);
    work.ok(&["index", "build", "shop", "--feed", "feed.csv"]);
    work.ok(&["events", "import", "shop", "orders.csv"]);
    work.ok(&["index", "build", "shop", "--feed", "feed.csv"]);
    let at = ["--at", "2026-08-31T10:00:00Z", "--due-within", "3"];
    let everybody = work.json(&[&["replenish", "shop"][..], &at].concat());
    let lines = everybody["due"].as_array().unwrap();
    assert_eq!(lines.len(), 3, "{everybody}");
    assert!(lines.iter().all(|line| line["product"] == "coffee" && line["shopper"].is_null()), "{everybody}");
    work.write("ids.txt", "anna\n\nnobody\nbob\nanna\n");
    let some = work.json(&[&["replenish", "shop", "--shoppers", "ids.txt"][..], &at].concat());
    assert_eq!(some["unknown_shoppers"], json!(["nobody"]));
    let named: Vec<&str> =
        some["due"].as_array().unwrap().iter().map(|line| line["shopper"].as_str().unwrap()).collect();
    assert_eq!(named, ["anna", "bob"]);
    for line in some["due"].as_array().unwrap() {
        let same = lines.iter().find(|other| other["key"] == line["key"]).unwrap();
        assert_eq!((&line["due"], &line["reason"]), (&same["due"], &same["reason"]));
    }
    let csv = work.ok(&[&["replenish", "shop", "anna", "--csv"][..], &at].concat());
    let csv: Vec<&str> = csv.lines().collect();
    assert!(csv[0].starts_with("shopper,key,product,title,") && csv.len() == 2, "{csv:?}");
    assert!(
        csv[1].starts_with("anna,") && csv[1].contains(",coffee,\"Coffee, whole beans\",in_stock,3,2026-08-01,"),
        "{csv:?}"
    );
    assert!(work.ok(&[&["replenish", "shop"][..], &at].concat()).contains("keyed hashes"));
    assert!(work.fails(&["replenish", "shop", "--shoppers", "none.txt"], 6).contains("none.txt"));
    work.fails(&["replenish", "shop", "--due-within=-1"], 6);
    let one = work.json(&["recommend", "shop", "--intent", "replenish", "--shopper", "anna"]);
    assert_eq!(one["results"], json!([]), "given up by now");
    let set = work.ok(&["bundle", "shop", "coffee", "--goal", "mug"]);
    assert!(set.contains("Mug") && set.contains("no discount: the feed has no cost_of_goods_sold"), "{set}");
    work.ok(&["post-purchase", "shop", "kettle", "--shopper", "anna"]);
    let late = work.json(&["post-purchase", "shop", "--shopper", "anna", "--at", "2026-08-30T10:00:00Z"]);
    assert_eq!(late["fewer_because"], "outside_window");
}

/// What became of each product that is asked after.
fn steps(shop: &Shop, query: &Query, ids: &[&str]) -> Vec<Step> {
    let view = shop.engine.view();
    ids.iter().map(|id| shop.engine.why_not(&view, query, id).unwrap().step).collect()
}

#[test]
fn of_a_set_of_what_is_due_and_of_an_order_every_step_is_told() {
    let records: Vec<Value> = kitchen().into_iter().chain(phones()).collect();
    let shop = Shop::new(&records, orders(), &RecommendConfig::default());
    let view = shop.engine.view();
    let kept = |by| Step::KeptOut { by };
    let set = set(&["nova7"], &["glass7"], &["case", "charger"]);
    let order =
        Query { order: Some(PlacedOrder::default()), intent: Intent::CrossSell, limit: 2, ..due(&shop, "anna", 8.0) };
    let mut order =
        Query { session: vec![SessionEvent { id: "nova7".to_owned(), kind: EventKind::AddToCart }], ..order };
    order.take_purchases(order.purchases.clone(), false);
    for query in [&set, &due(&shop, "anna", 60.0), &order] {
        let (ids, answer, _) = shop.ask(query);
        let (traced, trace) = shop.engine.trace(&view, query).unwrap();
        let listed: Vec<String> = trace.list.results.into_iter().map(|result| result.id).collect();
        assert_eq!((&ids, &answer.hits), (&listed, &traced.hits));
        assert!(!ids.is_empty() && trace.parts[0].intent == query.intent && trace.without_list.is_empty());
        let known: HashSet<&String> =
            trace.parts[0].sources.iter().flat_map(|source| &source.best).map(|(id, _)| id).collect();
        assert!(ids.iter().all(|id| known.contains(id)), "{ids:?} of {known:?}");
    }
    let shown = shop.ids(&set);
    let (case, other) = if shown.contains(&"case7".to_owned()) { ("case7", "slim7") } else { ("slim7", "case7") };
    let told = steps(&shop, &set, &["nova7", "glass7", "nova8", "case8", "charger7", other, "coffee"]);
    let expected = [
        kept(Sieve::AskedAbout),
        kept(Sieve::InCart),
        kept(Sieve::SameKind),
        kept(Sieve::Misfit),
        kept(Sieve::OutOfStock),
    ];
    assert_eq!(told[..5], expected);
    assert_eq!(told[5], Step::Variant { instead: case.to_owned() });
    assert!(matches!(told[6], Step::NotACandidate { .. } | Step::KeptOut { by: Sieve::NotTold }), "{:?}", told[6]);
    let told = steps(&shop, &due(&shop, "anna", 8.0), &["coffee", "filter", "grinder", "chair", "lost"]);
    let nothing = Step::NotACandidate { similarity: None, would_be_score: None, would_be_place: None };
    assert_eq!(told[..2], [Step::Shown { rank: 1 }, kept(Sieve::NotDue)]);
    assert_eq!(told[3..], [nothing, Step::UnknownProduct]);
    assert_eq!(steps(&shop, &due(&shop, "user 3", 8.0), &["grinder"]), [kept(Sieve::SeldomAgain)]);
    let told = steps(&shop, &order, &["nova7", "coffee", "decaf"]);
    assert_eq!(told, [kept(Sieve::Bought), kept(Sieve::Bought), kept(Sieve::FamilyTaken)]);
    let late = Query { order: Some(PlacedOrder { placed_at: Some(jiff::Timestamp::UNIX_EPOCH) }), ..order };
    assert_eq!(steps(&shop, &late, &["case7"]), [Step::NoList { because: FewerBecause::OutsideWindow }]);
    let (_, trace) = shop.engine.trace(&view, &late).unwrap();
    assert_eq!(trace.without_list, [WithoutList { intent: Intent::CrossSell, because: FewerBecause::OutsideWindow }]);
}

#[test]
fn a_slot_of_a_set_and_of_what_is_due_has_both_and_the_offer_is_of_the_set_alone() {
    let records: Vec<Value> = kitchen().into_iter().chain(phones()).collect();
    let mix = json!([{"intent": "bundle", "share": 2}, {"intent": "replenish"}]);
    let config = json!({"placements": {"both": {"mix": mix, "limit": 4}, "set": {"mix": [{"intent": "bundle"}]}}});
    let shop = Shop::new(&records, orders(), &serde_json::from_value(config).unwrap());
    let view = shop.engine.view();
    let asked = Query { anchors: vec!["nova7".to_owned()], intent: Intent::Next, ..due(&shop, "anna", 60.0) };
    let placed = |name: &str| {
        shop.engine.place(Query { placement: Some(name.to_owned()), ..asked.clone() }, Said::default()).unwrap()
    };
    let both = placed("both");
    assert_eq!(both.intents().collect::<Vec<_>>(), [Intent::Bundle, Intent::Replenish]);
    let (ids, answer, _) = shop.ask(&both);
    let (of_set, of_due) = (shop.ids(&set(&["nova7"], &[], &[])), shop.ids(&due(&shop, "anna", 60.0)));
    // By turns, two of the set for one that is due.
    assert_eq!(ids, [&of_set[0][..], &of_due[0], &of_set[1], &of_set[2]]);
    let offer = shop.engine.bundle_offer(&view, &both, &answer).unwrap().unwrap();
    assert_eq!((&offer.products[0][..], &offer.products[1..]), ("nova7", &of_set[..]));
    let (alone, answer, _) = shop.ask(&placed("set"));
    assert_eq!(alone, of_set);
    assert!(answer.parts.is_empty() && shop.engine.bundle_offer(&view, &placed("set"), &answer).unwrap().is_some());
}

#[test]
fn the_slot_after_an_order_goes_with_it_and_is_filled_with_nothing_that_the_shopper_has() {
    let records: Vec<Value> = kitchen().into_iter().chain(phones()).collect();
    let shop = Shop::new(&records, orders(), &RecommendConfig::default());
    let at = |hours: i64| jiff::Timestamp::from_second(TODAY_MS / 1000 + hours * 3600).unwrap();
    let placed = |products: &[&str], hours, bought: &[&str]| {
        let mut query = Query {
            placement: Some("post-purchase".to_owned()),
            at: Some(at(hours)),
            intent: Intent::Next,
            ..Query::default()
        };
        let ids: Vec<String> = products.iter().map(|id| (*id).to_owned()).collect();
        query.start_from_order(&ids, Some(at(0)));
        let kept = |id: &&str| Purchased { product: (*id).to_owned(), order: 1, time_s: 1 };
        query.take_purchases(bought.iter().map(kept).collect(), false);
        shop.engine.place(query, Said::default()).unwrap()
    };
    let query = placed(&["nova7"], 48, &[]);
    assert_eq!((query.limit, query.slot.as_ref().unwrap().stage), (3, Stage::PostPurchase));
    let ids = shop.ids(&query);
    assert_eq!(ids, shop.ids(&Query { slot: None, intent: Intent::CrossSell, ..query })[..3]);
    let lamp = Query { intent: Intent::Next, ..placed(&["lamp"], 48, &["coffee", "grinder"]) };
    let lamp = shop.engine.place(lamp, Said { limit: Some(records.len()), ..Said::default() }).unwrap();
    let ids = shop.ids(&lamp);
    assert!(ids.contains(&"kettle".to_owned()), "{ids:?}");
    assert!(ids.iter().all(|id| !["coffee", "decaf", "grinder", "lamp"].contains(&id.as_str())), "{ids:?}");
    let (ids, answer, _) = shop.ask(&placed(&["nova7"], 80, &[]));
    assert_eq!((ids.len(), answer.fewer_because), (0, Some(FewerBecause::OutsideWindow)), "nor filled");
    let similar = Query { placement: Some("pdp-similar".to_owned()), ..placed(&["nova7"], 48, &[]) };
    let similar = shop.engine.place(similar, Said::default()).unwrap();
    assert!(shop.engine.answer(&shop.engine.view(), &similar).unwrap_err().to_string().contains("context.order"));
}
