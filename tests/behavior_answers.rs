//! Answers from what shoppers did: a shop whose orders and sessions are known, asked for what is next, for one shopper, and in general.

mod shop;

use std::collections::BTreeSet;
use std::path::Path;

use kindred::behavior::{BehaviorConfig, COMPLEMENT_FILE, ComplementConfig, Learned, ProductFacts};
use kindred::catalog::ProductId;
use kindred::eval::{ProductTexts, Question, Ranker, Scores, SemanticRanker, ServedRanker, Task, by_id};
use kindred::events::{BoughtProduct, EventKind, History, HistoryBuilder, Interaction, NO_ORDER};
use kindred::index::{CatalogDir, Check};
use kindred::live::Change;
use kindred::pipeline::Built;
use kindred::recommend::{
    Answer, Engine, FewerBecause, Intent, Query, RecommendConfig, SessionEvent, Source, SourceWeights,
};
use serde_json::{Value, json};

/// Teapots and mugs are looked at and bought together, so are spades and seeds; the last of each kind is new: nobody met it.
const PRODUCTS: [(&str, &str, &str); 12] = [
    ("teapot-red", "Red Ceramic Teapot", "Kitchen"),
    ("teapot-blue", "Blue Ceramic Teapot", "Kitchen"),
    ("teapot-new", "Green Ceramic Teapot", "Kitchen"),
    ("mug-red", "Red Coffee Mug", "Kitchen"),
    ("mug-blue", "Blue Coffee Mug", "Kitchen"),
    ("mug-new", "Green Coffee Mug", "Kitchen"),
    ("spade-steel", "Steel Garden Spade", "Garden"),
    ("spade-wood", "Wooden Garden Spade", "Garden"),
    ("spade-new", "Copper Garden Spade", "Garden"),
    ("seeds-rose", "Rose Flower Seeds", "Garden"),
    ("seeds-tulip", "Tulip Flower Seeds", "Garden"),
    ("gone", "Sold Out Garden Gnome", "Garden"),
];

fn feed() -> String {
    let line = |(id, title, category): (&str, &str, &str)| {
        let availability = if id == "gone" { "out_of_stock" } else { "in_stock" };
        let family = id.starts_with("seeds").then_some("seeds");
        let record = json!({"id": id, "title": title, "product_type": category, "price": "5.00 GBP",
            "availability": availability, "item_group_id": family});
        format!("{record}\n")
    };
    PRODUCTS.into_iter().map(line).collect()
}

fn history() -> History {
    let mut builder = HistoryBuilder::default();
    let mut done = |session: u32, step: u32, id: &str, kind: EventKind| {
        let order = if kind == EventKind::Purchase { session } else { NO_ORDER };
        let time_s = 1_700_000_000 + session * 4000 + step;
        let product = builder.product(id);
        let interaction = Interaction { product, time_s, order, quantity: 1, price: 5.0, kind };
        builder.push(session.into(), session, interaction);
    };
    let kitchen = ["teapot-red", "teapot-blue", "mug-red", "mug-blue"];
    let garden = ["spade-steel", "spade-wood", "seeds-rose", "seeds-tulip", "gone"];
    for session in 0..40 {
        let shelf: &[&str] = if session % 2 == 0 { &kitchen } else { &garden };
        for step in 0..3 {
            done(session, step, shelf[(session / 2 + step) as usize % shelf.len()], EventKind::ViewItem);
        }
        let bought = shelf[(session / 2 + 3) as usize % shelf.len()];
        done(session, 3, bought, EventKind::Purchase);
        done(session, 3, shelf[(session / 2 + 2) as usize % shelf.len()], EventKind::Purchase);
    }
    (40..60).for_each(|session| done(session, 0, "mug-red", EventKind::ViewItem));
    done(60, 0, "no longer sold", EventKind::ViewItem);
    builder.finish()
}

/// Learns a map of complements also from the few pairs of this shop.
fn eager() -> BehaviorConfig {
    let complement = ComplementConfig { min_pairs: 1, num_steps: 30, batch_size: 64, ..ComplementConfig::default() };
    BehaviorConfig { complement, ..BehaviorConfig::default() }
}

fn build(root: &Path, history: History) -> Built {
    build_with(root, history, &BehaviorConfig::default())
}

fn build_with(root: &Path, history: History, behavior: &BehaviorConfig) -> Built {
    shop::build_with(root, &feed(), history, behavior)
}

fn engine(history: History, config: &RecommendConfig) -> (tempfile::TempDir, Engine) {
    engine_with(history, config, &BehaviorConfig::default())
}

fn engine_with(history: History, config: &RecommendConfig, behavior: &BehaviorConfig) -> (tempfile::TempDir, Engine) {
    let root = tempfile::tempdir().unwrap();
    build_with(root.path(), history, behavior);
    let dir = CatalogDir::new(root.path(), "shop").unwrap();
    let generation = dir.open_current(Check::Hashes).unwrap();
    let engine = Engine::new(&dir, generation, shop::EMBEDDER.clone(), &shop::template(), config).unwrap();
    (root, engine)
}

fn viewed(ids: &[&str]) -> Vec<SessionEvent> {
    ids.iter().map(|id| SessionEvent { id: (*id).to_owned(), kind: EventKind::ViewItem }).collect()
}

fn next(ids: &[&str]) -> Query {
    Query { intent: Intent::Next, session: viewed(ids), limit: 4, ..Query::default() }
}

fn ask(engine: &Engine, query: &Query) -> (Vec<String>, Answer) {
    let view = engine.view();
    let answer = engine.answer(&view, query).unwrap();
    let scores: Vec<f32> = answer.hits.iter().map(|hit| hit.score).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|score| (0.0..=1.0).contains(score)), "{scores:?}");
    (answer.hits.iter().map(|hit| view.id(hit.row).unwrap().to_owned()).collect(), answer)
}

fn only(source: Source) -> RecommendConfig {
    let mut next = SourceWeights::default();
    match source {
        Source::Similar => next.similar = 1.0,
        Source::Copurchase => next.copurchase = 1.0,
        Source::Session => next.session = 1.0,
        Source::SessionSemantic => next.session_semantic = 1.0,
        Source::Next => next.next = 1.0,
        Source::Popular => next.popular = 1.0,
        Source::Bought => next.bought = 1.0,
        Source::Relations => next.relations = 1.0,
        Source::Compatibility => next.compatibility = 1.0,
        Source::Complement => next.complement = 1.0,
        Source::Lexical => next.lexical = 1.0,
    }
    RecommendConfig { next, popular_fallback: false, ..RecommendConfig::default() }
}

#[test]
fn a_build_says_from_how_much_it_learned() {
    let root = tempfile::tempdir().unwrap();
    let learned = build(root.path(), history()).learned;
    assert_eq!((learned.events, learned.orders, learned.sessions, learned.products), (220, 40, 60, 9));
    assert_eq!(build(root.path(), History::default()).learned.events, 0);
}

#[test]
fn a_build_learns_what_goes_with_a_product_and_says_so_where_pairs_are_too_few() {
    let root = tempfile::tempdir().unwrap();
    let built = build_with(root.path(), history(), &eager());
    // Two kinds of shelf, whose products are bought in pairs: kitchen 4, garden 5, of which two are of one family.
    assert!(built.learned.has_map && built.learned.pairs > 0 && built.manifest.files.contains_key(COMPLEMENT_FILE));
    let dir = CatalogDir::new(root.path(), "shop").unwrap();
    let generation = dir.open_current(Check::Hashes).unwrap();
    let view = |id: &str| generation.vector(generation.products().row(id).unwrap()).unwrap();
    let files = built.manifest.files.keys().map(String::as_str);
    let path = dir.path().join(&built.manifest.generation);
    let behavior = kindred::behavior::Behavior::open(&path, PRODUCTS.len(), files).unwrap().unwrap();
    let map = behavior.complement().unwrap();
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    // A spade that nobody bought is moved towards what spades are bought with, and from other spades.
    let (new, mapped) = (view("spade-new"), map.apply(&view("spade-new")).unwrap());
    assert!(near(&mapped, &view("seeds-rose")) > near(&new, &view("seeds-rose")));
    assert!(near(&mapped, &view("mug-red")) < near(&mapped, &view("seeds-rose")));

    let few = build(root.path(), history());
    assert!(!few.learned.has_map && few.learned.pairs == built.learned.pairs);
    assert!(!few.manifest.files.contains_key(COMPLEMENT_FILE));
    let cut = path.join(COMPLEMENT_FILE);
    let bytes = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
    let files = built.manifest.files.keys().map(String::as_str);
    let error = kindred::behavior::Behavior::open(&path, PRODUCTS.len(), files).unwrap_err().to_string();
    assert!(error.contains(COMPLEMENT_FILE), "{error}");
}

#[test]
fn every_source_alone_answers_from_the_sessions_shelf_and_never_with_what_the_session_has_or_cannot_be_bought() {
    // What is popular is so for everybody, what was bought before is told with the question, and this feed says nothing of what goes together.
    let others = [Source::Popular, Source::Bought, Source::Relations, Source::Compatibility];
    let is_of_session = |source: &Source| !others.contains(source);
    for source in Source::ALL.into_iter().filter(is_of_session) {
        let (_root, engine) = engine_with(history(), &only(source), &eager());
        let (ids, answer) = ask(&engine, &next(&["spade-steel"]));
        assert!(!ids.is_empty(), "{source:?}");
        let garden = ["spade-wood", "spade-new", "seeds-rose", "seeds-tulip"];
        let is_garden = |id: &String| garden.contains(&id.as_str());
        // Texts know nothing of shelves, and in a shop of 40 sessions the far ones are among the nearest 100.
        let is_by_text = [Source::Similar, Source::SessionSemantic, Source::Complement].contains(&source);
        assert!(ids.iter().take(if is_by_text { 1 } else { 4 }).all(is_garden), "{source:?}: {ids:?}");
        assert!(ids.iter().filter(|id| id.starts_with("seeds")).count() <= 1, "one of a family: {ids:?}");
        assert!(answer.hits.iter().all(|hit| hit.sources.get(source) > 0.0), "{source:?}");
        assert_eq!(answer.fallback, None);
    }
}

#[test]
fn a_session_of_cold_products_alone_finds_what_like_sessions_met_by_their_vectors_only() {
    let cold = next(&["spade-new"]);
    for source in [Source::Copurchase, Source::Session, Source::Next] {
        let (_root, engine) = engine(history(), &only(source));
        let (ids, answer) = ask(&engine, &cold);
        assert_eq!((ids.len(), answer.fewer_because), (0, Some(FewerBecause::Evidence)), "{source:?}");
    }
    let (_root, engine) = engine(history(), &only(Source::SessionSemantic));
    let (ids, _) = ask(&engine, &cold);
    assert!(ids.iter().take(2).all(|id| id.starts_with("spade") || id.starts_with("seeds")), "{ids:?}");
}

#[test]
fn what_is_in_the_cart_is_never_in_the_answer_and_what_was_seen_only_where_that_is_asked_for() {
    let (_root, engine) = engine(history(), &RecommendConfig::default());
    let cart = SessionEvent { id: "mug-red".into(), kind: EventKind::AddToCart };
    let mut query = Query { limit: 10, ..next(&["teapot-red", "teapot-blue"]) };
    query.session.push(cart);
    let (ids, _) = ask(&engine, &query);
    assert!(!ids.iter().any(|id| ["mug-red", "teapot-red", "teapot-blue"].contains(&id.as_str())), "{ids:?}");
    let (ids, _) = ask(&engine, &Query { include_seen: Some(true), ..query.clone() });
    assert!(ids.contains(&"teapot-blue".into()) && !ids.contains(&"mug-red".into()), "{ids:?}");
    let anchored = Query { anchors: vec!["teapot-blue".into()], include_seen: Some(true), ..query };
    assert!(!ask(&engine, &anchored).0.contains(&"teapot-blue".into()), "what is on the page is not in the answer");
}

#[test]
fn a_list_that_is_too_short_is_filled_with_what_is_popular_and_says_so() {
    let (_root, engine) = engine(history(), &RecommendConfig::default());
    let nothing = Query { intent: Intent::ForYou, limit: 3, ..Query::default() };
    let (ids, answer) = ask(&engine, &nothing);
    assert_eq!((ids[0].as_str(), answer.fallback), ("mug-red", Some(Source::Popular)));
    assert!(answer.hits.iter().all(|hit| hit.sources.get(Source::Popular) > 0.0));
    let floored = Query { min_score: Some(0.1), ..nothing };
    assert_eq!(ask(&engine, &floored).1.hits.len(), 0, "a floor is not filled");
    let (_root, quiet) = self::engine(history(), &RecommendConfig { popular_fallback: false, ..Default::default() });
    let answer = ask(&quiet, &Query { intent: Intent::Next, limit: 3, ..Query::default() }).1;
    assert_eq!((answer.hits.len(), answer.fallback), (0, None));
}

#[test]
fn trending_is_the_most_popular_that_the_filter_lets_through() {
    let (_root, engine) = engine(history(), &RecommendConfig::default());
    let filter = serde_json::from_value(json!({"must": [{"key": "category", "match": "Garden"}]})).unwrap();
    let query = Query { intent: Intent::Trending, filter, limit: 3, ..Query::default() };
    let (ids, answer) = ask(&engine, &query);
    assert!(!ids.is_empty() && ids.iter().all(|id| id.starts_with("spade") || id.starts_with("seeds")), "{ids:?}");
    assert_eq!(answer.hits[0].score, 1.0);
}

#[test]
fn products_that_the_catalog_lacks_are_named_and_do_not_keep_the_others_from_answering() {
    let (_root, engine) = engine(history(), &RecommendConfig::default());
    let (ids, answer) = ask(&engine, &next(&["no longer sold", "teapot-red", "never sold"]));
    assert_eq!(answer.missing_ids, ["no longer sold", "never sold"]);
    assert!(ids[0].starts_with("mug") || ids[0].starts_with("teapot"), "{ids:?}");
}

#[test]
fn a_shop_without_events_answers_by_texts() {
    let (_root, engine) = engine(History::default(), &RecommendConfig::default());
    assert!(engine.behavior(&engine.view()).is_none());
    let (ids, answer) = ask(&engine, &next(&["teapot-red"]));
    assert!(ids[0].starts_with("teapot"), "{ids:?}");
    assert_eq!(answer.fallback, None);
}

#[test]
fn a_deleted_product_leaves_the_answer_and_a_view_taken_before_a_new_generation_keeps_its_own_tables() {
    let (root, engine) = engine(history(), &RecommendConfig::default());
    let query = next(&["teapot-red", "teapot-blue"]);
    let before = engine.view();
    let first = ask(&engine, &query).0;
    engine.live().submit(vec![Change::Delete { id: ProductId::new(&first[0]).unwrap() }]).unwrap();
    assert!(!ask(&engine, &query).0.contains(&first[0]));

    build(root.path(), History::default());
    let dir = CatalogDir::new(root.path(), "shop").unwrap();
    engine.take_over(dir.open_current(Check::Hashes).unwrap()).unwrap();
    assert!(engine.behavior(&engine.view()).is_none());
    assert!(engine.behavior(&before).is_some());
    let answer = engine.answer(&before, &query).unwrap();
    let ids: Vec<&str> = answer.hits.iter().map(|hit| before.id(hit.row).unwrap()).collect();
    assert_eq!(ids, first);
}

/// The list of `intent` for a session as `kindred eval` judges it, on the same events and texts.
fn judged(
    engine: &Engine,
    config: &RecommendConfig,
    intent: Intent,
    session: &[SessionEvent],
    bought: &[BoughtProduct],
    k: usize,
) -> Vec<String> {
    let (view, behavior) = (engine.view(), BehaviorConfig::default());
    let sold = history();
    let is_sold: Vec<bool> = sold.products().iter().map(|id| id != "no longer sold").collect();
    let train = by_id(&sold.filtered(|step| is_sold[step.product as usize]), PRODUCTS.map(|(id, ..)| id));
    let texts = ProductTexts::read(&train, &view, &shop::template()).unwrap();
    let learned = Learned::from_history(&train, &ProductFacts::default(), &behavior);
    let semantic = SemanticRanker::new(&learned.sessions, &texts, &behavior);
    let number = |id: &str| train.products().iter().position(|other| other == id).unwrap() as u32;
    let steps: Vec<(u32, EventKind)> = session.iter().map(|event| (number(&event.id), event.kind)).collect();
    let products: Vec<u32> = steps.iter().map(|(product, _)| *product).collect();
    let task = Task { protocol: "test", train: train.clone(), cases: Vec::new(), k, keeps_seen: config.include_seen };
    let ranker = ServedRanker::new("blend", intent, &task, (&learned, Some(&semantic)), (config, &behavior));
    let bought: Vec<(u32, u32)> = bought.iter().map(|bought| (number(&bought.product), bought.num_orders)).collect();
    let mut scores = Scores::new(train.products().len());
    ranker.score(&Question { products: &products, steps: &steps, bought: &bought, now_s: 0 }, &mut scores);
    scores.best(k, &[]).into_iter().map(|product| train.products()[product as usize].clone()).collect()
}

#[test]
fn what_is_measured_is_what_is_served() {
    let put = |id: &str| SessionEvent { id: id.to_owned(), kind: EventKind::AddToCart };
    let sessions = [
        viewed(&["teapot-red"]),
        viewed(&["mug-blue", "teapot-red"]),
        viewed(&["teapot-new"]),
        [viewed(&["teapot-blue", "mug-red"]), vec![put("teapot-blue")]].concat(),
        vec![put("mug-red"), put("teapot-red")],
        vec![put("mug-new")],
        Vec::new(),
    ];
    for include_seen in [true, false] {
        let config = RecommendConfig { in_stock_only: false, include_seen, ..RecommendConfig::default() };
        let (_root, engine) = engine(history(), &config);
        let before = bought(&[("seeds-rose", 4), ("mug-red", 2), ("teapot-blue", 1)]);
        let asked = |session| {
            let (intents, shoppers) = ([Intent::Next, Intent::ForYou], [Vec::new(), before.clone()]);
            intents.into_iter().flat_map(move |intent| shoppers.clone().map(|bought| (session, intent, bought)))
        };
        for (session, intent, bought) in sessions.iter().flat_map(asked) {
            let query = Query {
                intent,
                session: session.clone(),
                bought: bought.clone(),
                limit: 3,
                exact: true,
                ..Query::default()
            };
            let (served, answer) = ask(&engine, &query);
            // Equal scores are told apart by row in the one and by id in the other: compare what stands before the first of them.
            let places = answer.hits.windows(2).take_while(|pair| pair[0].score - pair[1].score > 1e-5).count();
            let judged = judged(&engine, &config, intent, session, &bought, 3);
            assert_eq!(judged[..places], served[..places], "{intent:?} {session:?}");
            assert_eq!(judged.len(), served.len(), "{intent:?} {session:?}");
        }
    }
}

fn bought(products: &[(&str, u32)]) -> Vec<BoughtProduct> {
    let of = |&(id, num_orders): &(&str, u32)| BoughtProduct { product: id.to_owned(), num_orders };
    products.iter().map(of).collect()
}

#[test]
fn what_was_bought_before_counts_by_the_logarithm_of_its_orders_up_to_ten_and_never_in_the_cart() {
    let for_you = SourceWeights { bought: 2.0, ..SourceWeights::default() };
    let config = RecommendConfig { for_you, popular_fallback: false, ..RecommendConfig::default() };
    let (_root, engine) = engine(history(), &config);
    let before = bought(&[("no longer sold", 20), ("seeds-rose", 12), ("mug-red", 10), ("teapot-blue", 1)]);
    let query = Query {
        intent: Intent::ForYou,
        session: viewed(&["spade-steel"]),
        bought: before,
        limit: 9,
        ..Query::default()
    };
    let (ids, answer) = ask(&engine, &query);
    assert_eq!(
        ids.iter().collect::<BTreeSet<_>>(),
        ["seeds-rose", "mug-red", "teapot-blue"].map(String::from).iter().collect()
    );
    assert_eq!((ids[2].as_str(), answer.hits[0].score, answer.hits[1].score), ("teapot-blue", 1.0, 1.0));
    assert!((answer.hits[2].score - 2f32.ln() / 11f32.ln()).abs() < 1e-6);
    assert!(answer.missing_ids.is_empty(), "the request names none of them");
    let put = |id: &str| vec![SessionEvent { id: id.to_owned(), kind: EventKind::AddToCart }];
    let (ids, answer) = ask(&engine, &Query { session: put("seeds-rose"), ..query.clone() });
    assert!(!ids.contains(&"seeds-rose".to_owned()), "{ids:?}");
    let said = |id: &str| answer.hits[ids.iter().position(|other| other == id).unwrap()].sources.get(Source::Bought);
    assert!((said("mug-red") - 1.0).abs() < 1e-6 && (said("teapot-blue") - 2f32.ln() / 11f32.ln()).abs() < 1e-6);
    let nobody = Query { bought: Vec::new(), session: viewed(&["spade-steel"]), ..query };
    assert_eq!(ask(&engine, &nobody).1.hits.len(), 0, "it fills nothing for who bought nothing");
}

#[test]
fn a_shopper_of_whom_nothing_is_known_is_answered_as_without_the_source_and_so_is_every_other_intent() {
    let (_root, engine) = engine(history(), &RecommendConfig::default());
    let mut without = RecommendConfig::default();
    (without.cart.bought, without.for_you.bought) = (0.0, 0.0);
    let (_root, turned_off) = self::engine(history(), &without);
    let cart = vec![SessionEvent { id: "mug-red".into(), kind: EventKind::AddToCart }];
    let before = bought(&[("seeds-rose", 4), ("teapot-blue", 1)]);
    for session in [Vec::new(), viewed(&["teapot-red", "spade-steel"]), cart] {
        for intent in [Intent::ForYou, Intent::Next, Intent::Trending] {
            let anonymous = Query { intent, session: session.clone(), limit: 5, ..Query::default() };
            let known = Query { bought: before.clone(), ..anonymous.clone() };
            let expected = ask(&turned_off, &anonymous);
            assert_eq!(ask(&engine, &anonymous), expected, "{intent:?} {session:?}");
            assert_eq!(ask(&turned_off, &known), expected, "{intent:?} {session:?}");
            assert_eq!(ask(&engine, &known) == expected, intent != Intent::ForYou, "{intent:?} {session:?}");
        }
    }
}

#[test]
fn a_returning_buyer_who_has_done_nothing_yet_starts_from_what_was_bought() {
    for (history, is_met) in [(history(), true), (History::default(), false)] {
        let (_root, engine) = engine(history, &RecommendConfig::default());
        let before = bought(&[("seeds-rose", 10)]);
        let query = Query { intent: Intent::ForYou, bought: before, limit: 3, ..Query::default() };
        let (ids, answer) = ask(&engine, &query);
        assert_eq!((ids[0].as_str(), answer.fallback), ("seeds-rose", None));
        assert!(!is_met || ids[1].starts_with("spade"), "what goes with it, where there were orders: {ids:?}");
    }
}

#[test]
fn what_is_for_a_shopper_with_a_cart_goes_with_the_cart_by_orders_and_by_text_where_nobody_bought_it() {
    let (_root, engine) = engine(history(), &RecommendConfig::default());
    let cart = |id: &str| SessionEvent { id: id.to_owned(), kind: EventKind::AddToCart };
    let for_you = |session| Query { intent: Intent::ForYou, session, limit: 3, ..Query::default() };
    let views = viewed(&["spade-steel", "spade-wood"]);
    let (ids, answer) = ask(&engine, &for_you([views, vec![cart("mug-red")]].concat()));
    assert!(ids[0].starts_with("teapot") || ids[0].starts_with("mug"), "the cart, not what was looked at: {ids:?}");
    assert!(answer.hits[0].sources.get(Source::Copurchase) > 0.0);
    assert_eq!(answer.hits[0].sources.get(Source::Session), 0.0);
    let (ids, answer) = ask(&engine, &for_you(vec![cart("mug-new")]));
    assert!(ids[0].starts_with("mug"), "{ids:?}");
    assert_eq!(answer.hits[0].sources.get(Source::Copurchase), 0.0);
}

#[test]
fn the_next_products_over_http_carry_their_sources() {
    let root = tempfile::tempdir().unwrap();
    build(root.path(), history());
    let running = shop::Running::start(root.path(), shop::config());
    let body = json!({"intent": "next", "context": {"viewed": ["teapot-red", "teapot-blue"], "cart": [{"id": "mug-red"}]}, "limit": 2});
    let answer: Value = running.post("/v1/shop/recommend", &body).json();
    assert_eq!((&answer["intent"], &answer["fallback"]), (&json!("next"), &Value::Null), "{answer}");
    assert_eq!(answer["results"][0]["id"], "mug-blue", "{answer}");
    let sources = answer["results"][0]["sources"].as_object().unwrap();
    assert!(sources.contains_key("session") && sources.contains_key("copurchase") && !sources.contains_key("popular"));
    let trending = running.post("/v1/shop/recommend", &json!({"intent": "trending", "limit": 1})).json();
    assert_eq!(trending["results"][0], json!({"id": "mug-red", "score": 1.0, "rank": 1, "sources": {"popular": 1.0}}));
}

#[test]
fn an_event_changes_the_next_answer_to_its_visitor_and_to_nobody_else() {
    let root = tempfile::tempdir().unwrap();
    build(root.path(), history());
    let running = shop::Running::start(root.path(), shop::config());
    let ask = |who: &Value| {
        let mut body = json!({"intent": "next", "limit": 3});
        body.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        running.post("/v1/shop/recommend", &body).json()
    };
    let send = |event: &str, id: &str| {
        let ecommerce = json!({"items": [{"item_id": id}], "transaction_id": "T1"});
        let body = json!({"event": event, "visitor_id": "v1", "consent": true, "ecommerce": ecommerce});
        let answer = running.post("/v1/shop/events", &body).json();
        assert_eq!(answer["accepted"], 1, "{answer}");
    };
    let ids = |answer: &Value| -> Vec<String> {
        answer["results"].as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap().to_owned()).collect()
    };
    let visitor = json!({"visitor_id": "v1"});
    assert_eq!(ask(&visitor)["fallback"], "popular");
    send("view_item", "spade-steel");
    let after_view = ids(&ask(&visitor));
    assert!(after_view[0].starts_with("spade") || after_view[0].starts_with("seeds"), "{after_view:?}");
    assert!(!after_view.contains(&"spade-steel".to_owned()));
    send("purchase", &after_view[0]);
    let after_order = ids(&ask(&visitor));
    assert!(!after_order.contains(&after_view[0]), "{after_order:?}");
    for other in [json!({"visitor_id": "v2"}), json!({"visitor_id": "v1", "consent": false}), json!({})] {
        assert_eq!(ask(&other)["fallback"], "popular", "{other}");
    }
}
