//! Placements and traces of a shop whose orders and sessions are known: what each slot shows, against a slow reading of its intents' own
//! answers, and what became of every product of the shop.

mod generation;
mod shop;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use generation::Random;
use kindred::events::{EventKind, History, HistoryBuilder, Interaction, NO_ORDER};
use kindred::index::{CatalogDir, Check};
use kindred::recommend::{
    Answer, Engine, Fallback, Intent, PlacementChanges, Placements, Query, RecommendConfig, RecommendError, Said,
    Saver, SessionEvent, Sieve, Source, Stage, Step,
};
use kindred::rules::{Notation, RuleSet};
use serde_json::{Value, json};

const BRANDS: [&str; 3] = ["Acme", "Globex", "Initech"];
const SHELVES: [&str; 4] = ["Phones", "Cases", "Lamps", "Mugs"];
const NUM_PRODUCTS: usize = 72;

/// Pairs of colors on four shelves; every seventh is out of stock.
fn records() -> Vec<Value> {
    let record = |at: usize| {
        let (shelf, brand) = (SHELVES[at / 2 % 4], BRANDS[at % 3]);
        let storage = if (at / 2).is_multiple_of(4) { format!(" {}GB", 64 << (at / 8 % 3)) } else { String::new() };
        json!({
            "id": format!("p{at}"), "title": format!("{brand} {} {shelf} {}{storage}", at / 8, at / 2),
            "price": format!("{}.00 USD", 100 + 4 * at), "brand": brand, "product_type": format!("Shop > {shelf}"),
            "item_group_id": format!("f{}", at / 2), "color": if at.is_multiple_of(2) { "red" } else { "blue" },
            "availability": if at % 7 == 6 { "out_of_stock" } else { "in_stock" },
        })
    };
    (0..NUM_PRODUCTS).map(record).collect()
}

/// Sessions that look at three products and buy two; lower numbers are met more often.
fn history() -> History {
    let mut builder = HistoryBuilder::default();
    for session in 0..400u32 {
        for step in 0..5 {
            let at = (session * session / 7 + step * (1 + session % 5)) % (4 + session % 60);
            let kind = if step < 3 { EventKind::ViewItem } else { EventKind::Purchase };
            let order = if kind == EventKind::Purchase { session } else { NO_ORDER };
            let (product, time_s) = (builder.product(&format!("p{at}")), 1_700_000_000 + session * 4000 + step);
            builder.push(
                session.into(),
                session,
                Interaction { product, time_s, order, quantity: 1, price: 200.0, kind },
            );
        }
    }
    builder.finish()
}

struct Shop {
    engine: Engine,
    records: HashMap<String, Value>,
    _root: tempfile::TempDir,
}

impl Shop {
    fn open(config: &RecommendConfig) -> Self {
        let root = tempfile::tempdir().unwrap();
        let records = records();
        shop::build_records(root.path(), &records, history());
        let dir = CatalogDir::new(root.path(), "shop").unwrap();
        let generation = dir.open_current(Check::Hashes).unwrap();
        let engine = Engine::new(&dir, generation, shop::EMBEDDER.clone(), &shop::template(), config).unwrap();
        let records = records.into_iter().map(|record| (record["id"].as_str().unwrap().to_owned(), record)).collect();
        Self { engine, records, _root: root }
    }

    fn word(&self, id: &str, key: &str) -> &str {
        self.records[id][key].as_str().unwrap()
    }

    fn ask(&self, query: &Query) -> (Vec<String>, Answer) {
        let view = self.engine.view();
        let answer = self.engine.answer(&view, query).unwrap();
        (answer.hits.iter().map(|hit| view.id(hit.row).unwrap().to_owned()).collect(), answer)
    }

    fn save(&self, rules: &Value) {
        let set = RuleSet::read(&rules.to_string(), Notation::Json).unwrap();
        let saver = Saver { who: "test", note: "", at_ms: 0 };
        self.engine.rules().put(&self.engine.view(), set, None, saver).unwrap();
    }

    fn placed(&self, name: &str, query: Query) -> Query {
        self.engine.place(Query { placement: Some(name.to_owned()), ..query }, Said::default()).unwrap()
    }
}

fn placements(changes: &Value) -> Placements {
    let changes: BTreeMap<String, PlacementChanges> = serde_json::from_value(changes.clone()).unwrap();
    changes.into()
}

/// The default slots and two more, with rules of every kind that takes something out of a list.
static SHOP: LazyLock<Shop> = LazyLock::new(|| {
    let placements = placements(&json!({
        "side": {"mix": [{"intent": "similar", "share": 2}, {"intent": "trending"}, {"intent": "upsell"}], "limit": 8, "min_score": 0.2},
        "wide": {"mix": [{"intent": "similar"}], "limit": 10, "diversity": 0.6, "weights": {"popular": 0.5}},
    }));
    let shop = Shop::open(&RecommendConfig { placements, ..RecommendConfig::default() });
    shop.save(&json!({"rules": [
        {"id": "no-initech-at-home", "when": {"must": [{"context": "placement", "match": "home"}]},
         "then": {"exclude": {"must": [{"key": "brand", "match": "Initech"}]}}},
        {"id": "two-a-brand", "when": {"must": [{"context": "placement", "match": ["side", "wide", "cart"]}]},
         "then": {"cap": {"at_most": 2, "per": "brand"}}},
        {"id": "globex-up", "then": {"boost": {"filter": {"must": [{"key": "brand", "match": "Globex"}]}, "factor": 1.3}}},
        {"id": "first", "when": {"must": [{"context": "placement", "match": "wide"}]}, "then": {"pin": {"products": ["p50"], "position": 1}}},
    ]}));
    shop
});

fn told(random: &mut Random) -> Query {
    let id = |random: &mut Random| format!("p{}", random.below(NUM_PRODUCTS + 2));
    let kinds = [EventKind::ViewItem, EventKind::AddToCart, EventKind::BeginCheckout, EventKind::Purchase];
    let event = |random: &mut Random| SessionEvent { id: id(random), kind: kinds[random.below(4)] };
    let num_steps = random.below(5);
    let session = (0..num_steps).map(|_| event(random)).collect();
    let anchors = (0..random.below(2)).map(|_| id(random)).collect();
    let exclude = (0..random.below(3)).map(|_| id(random)).collect();
    let filter =
        if random.below(3) == 0 { json!({"must_not": [{"key": "color", "match": "blue"}]}) } else { json!({}) };
    let filter = serde_json::from_value(filter).unwrap();
    Query { intent: Intent::Next, session, anchors, exclude, filter, limit: 10, exact: true, ..Query::default() }
}

/// A question in each of the shop's slots, and one without a slot for each intent.
fn questions(random: &mut Random) -> Vec<Query> {
    let names: Vec<&str> = SHOP.engine.config().placements.iter().map(|(name, _)| name).collect();
    let mut questions: Vec<Query> = names.iter().map(|name| SHOP.placed(name, told(random))).collect();
    let intents = [Intent::Similar, Intent::Upsell, Intent::CrossSell, Intent::Next, Intent::ForYou, Intent::Trending];
    for intent in intents {
        let min_score = (random.below(2) == 0).then_some(0.3);
        questions.push(Query { min_score, ..told(random).asking(intent) });
    }
    questions.retain(|query| SHOP.engine.answer(&SHOP.engine.view(), query).is_ok());
    questions
}

#[test]
fn a_mix_gives_each_intent_its_turns_and_no_family_two_places() {
    let shares = [(Intent::Similar, 2.0), (Intent::Trending, 1.0), (Intent::Next, 0.5)];
    let mix: Vec<Value> = shares.iter().map(|(intent, share)| json!({"intent": intent, "share": share})).collect();
    let config = RecommendConfig {
        placements: placements(&json!({"mixed": {"mix": mix, "limit": 9}})),
        ..RecommendConfig::default()
    };
    let shop = Shop::open(&config);
    let mut random = Random(11);
    let mut num_mixed = 0;
    for _ in 0..60 {
        let told = Query { anchors: vec![format!("p{}", random.below(NUM_PRODUCTS))], ..told(&mut random) };
        let (ids, answer) = shop.ask(&shop.placed("mixed", told.clone()));
        // Every product at its best turn: its intent's share by its place there.
        let mut turns: HashMap<String, f64> = HashMap::new();
        for (intent, share) in shares {
            let own = Query { limit: 9 * 3 + 20, is_part: true, ..told.asking(intent) };
            for (at, id) in shop.ask(&own).0.into_iter().enumerate() {
                let turn = turns.entry(id).or_default();
                *turn = turn.max(share / (at + 1) as f64);
            }
        }
        let mut expected: Vec<(String, f64)> = turns.into_iter().collect();
        let row = |id: &str| shop.engine.view().row(id).unwrap();
        expected.sort_by(|a, b| b.1.total_cmp(&a.1).then(row(&a.0).cmp(&row(&b.0))));
        let in_cart = kindred::recommend::in_cart(told.session.iter().map(|event| (event.id.as_str(), event.kind)));
        let known = |id: &&str| shop.records.contains_key(*id);
        let taken = told.anchors.iter().map(String::as_str).chain(in_cart).filter(known);
        let mut families: BTreeSet<&str> = taken.map(|id| shop.word(id, "item_group_id")).collect();
        let list = expected.iter().map(|(id, _)| id).filter(|id| families.insert(shop.word(id, "item_group_id")));
        assert_eq!(ids, list.take(9).cloned().collect::<Vec<_>>());
        let of = |id: &String| answer.part_of(row(id)).map(|part| part.intent);
        num_mixed += usize::from(ids.iter().map(of).collect::<std::collections::HashSet<_>>().len() == 3);
    }
    assert!(num_mixed > 30, "all three intents were in {num_mixed} of 60 lists");
}

#[test]
fn every_list_of_a_placement_keeps_its_limit_its_rules_and_says_where_it_is_from() {
    let mut random = Random(7);
    let (mut num_lists, mut num_filled) = (0, 0);
    for _ in 0..40 {
        for query in questions(&mut random).into_iter().filter(|query| query.slot.is_some()) {
            let (ids, answer) = SHOP.ask(&query);
            let (name, slot) = (query.placement.clone().unwrap(), query.slot.clone().unwrap());
            assert!(ids.len() <= SHOP.engine.config().placements.get(&name).unwrap().limit);
            let families: BTreeSet<&str> = ids.iter().map(|id| SHOP.word(id, "item_group_id")).collect();
            assert_eq!(families.len(), ids.len(), "{name}: {ids:?}");
            assert!(ids.iter().all(|id| SHOP.word(id, "availability") == "in_stock"), "{name}: {ids:?}");
            let of_brand = |brand: &str| ids.iter().filter(|id| SHOP.word(id, "brand") == brand).count();
            if name == "home" {
                assert_eq!(of_brand("Initech"), 0, "{ids:?}");
            }
            if ["side", "wide", "cart"].contains(&name.as_str()) {
                BRANDS.iter().for_each(|brand| assert!(of_brand(brand) <= 2, "{name}: {ids:?}"));
            }
            let mix: Vec<Intent> = slot.mix.iter().map(|part| part.intent).collect();
            assert!(answer.parts.iter().all(|part| mix.contains(&part.intent)), "{name}");
            assert_eq!(query.intents().collect::<Vec<_>>(), mix, "{name}");
            let has_fill = answer.fallback == Some(Source::Popular);
            let may_fill = slot.fallback == Some(Fallback::Popular);
            assert!(!has_fill || may_fill, "{name}");
            assert_eq!(SHOP.engine.explain(&SHOP.engine.view(), &query, &answer).unwrap().reasons.len(), ids.len());
            num_lists += 1;
            num_filled += usize::from(has_fill);
        }
    }
    assert!(num_lists > 200 && num_filled > 2, "{num_lists} lists, {num_filled} filled");
}

#[test]
fn a_session_s_stage_and_the_request_decide_what_a_placement_shows() {
    let mix = |query: &Query| query.slot.as_ref().unwrap().mix.iter().map(|part| part.intent).collect::<Vec<_>>();
    let event = |kind| SessionEvent { id: "p1".to_owned(), kind };
    let at = |session: Vec<SessionEvent>| SHOP.placed("home", Query { session, ..Query::default() });
    let looking = at(vec![]);
    assert_eq!((mix(&looking), looking.limit), (vec![Intent::Trending, Intent::ForYou], 6));
    let checkout = at(vec![event(EventKind::AddToCart), event(EventKind::BeginCheckout)]);
    assert_eq!(checkout.slot.as_ref().unwrap().stage, Stage::Checkout);
    assert_eq!(mix(&checkout), [Intent::CrossSell]);
    let said = Said { intent: Some(Intent::Next), limit: Some(2) };
    let asked =
        Query { placement: Some("home".to_owned()), intent: Intent::Next, min_score: Some(0.9), ..Query::default() };
    let own = SHOP.engine.place(asked, said).unwrap();
    assert_eq!((mix(&own), own.limit, own.min_score), (vec![Intent::Next], 2, Some(0.9)));
    let unknown = Query { placement: Some("carts".to_owned()), ..Query::default() };
    let Err(RecommendError::UnknownPlacement { name, known }) = SHOP.engine.place(unknown, said) else { panic!() };
    assert!(name == "carts" && known.contains("pdp-cross-sell") && known.ends_with("did you mean `cart`?"), "{known}");
}

#[test]
fn a_trace_tells_of_the_answer_and_its_scores_are_the_sum_of_what_sources_say() {
    let view = SHOP.engine.view();
    let mut random = Random(23);
    let (mut num_parts, mut num_summed) = (0, 0);
    for query in (0..25).flat_map(|_| questions(&mut random)).collect::<Vec<_>>() {
        let (ids, answer) = SHOP.ask(&query);
        let (traced, trace) = SHOP.engine.trace(&view, &query).unwrap();
        assert_eq!(traced, answer, "a question is answered the same with and without a trace");
        assert_eq!(trace.list.results.iter().map(|result| result.id.clone()).collect::<Vec<_>>(), ids);
        for part in &trace.parts {
            num_parts += 1;
            assert!(part.candidates.is_sorted_by(|a, b| a.score >= b.score));
            let kept_out: usize = part.kept_out.iter().map(|left_out| left_out.num_removed).sum();
            let most = part.sources.iter().map(|source| source.num_found).max().unwrap_or(0);
            assert!(part.num_candidates + kept_out >= most, "{part:?}");
            let weights: HashMap<Source, f32> =
                part.sources.iter().filter_map(|source| Some((source.source, source.weight?))).collect();
            for candidate in part.candidates.iter().filter(|_| !weights.is_empty()) {
                let sum: f32 = candidate.sources.iter().map(|(source, says)| weights[source] * says).sum();
                // What goes with a cart counts less the dearer it is.
                let is_less = part.intent == Intent::CrossSell && candidate.score < sum;
                // Beside a cart, what texts tell of new products counts more, and of others less.
                let is_lifted = part.intent == Intent::ForYou;
                assert!(is_less || is_lifted || (sum - candidate.score).abs() < 1e-4, "{sum} {candidate:?}");
                num_summed += 1;
            }
        }
        for result in &trace.list.results {
            let is_ranked = trace.parts.iter().any(|part| part.num_candidates > 0);
            let is_named = result.place.is_none() || is_ranked;
            assert!(is_named, "{result:?}");
            let boosted = SHOP.word(&result.id, "brand") == "Globex" && result.place.is_some();
            assert!((result.factor - if boosted { 1.3 } else { 1.0 }).abs() < 1e-9, "{result:?}");
        }
    }
    assert!(num_parts > 200 && num_summed > 1000, "{num_parts} {num_summed}");
}

#[test]
fn every_product_of_the_shop_is_at_exactly_one_step_and_the_step_is_true() {
    let view = SHOP.engine.view();
    let mut random = Random(31);
    let mut steps: BTreeMap<String, usize> = BTreeMap::new();
    for query in (0..3).flat_map(|_| questions(&mut random)).collect::<Vec<_>>() {
        let (ids, _) = SHOP.ask(&query);
        let in_cart = kindred::recommend::in_cart(query.session.iter().map(|event| (event.id.as_str(), event.kind)));
        for id in SHOP.records.keys().map(String::as_str).chain(["nobody"]) {
            let told = SHOP.engine.why_not(&view, &query, id).unwrap();
            let shown = ids.iter().position(|other| other == id);
            assert_eq!(matches!(told.step, Step::Shown { .. }), shown.is_some(), "{told:?}");
            let family = |other: &str| SHOP.word(other, "item_group_id");
            match &told.step {
                Step::Shown { rank } => assert_eq!(Some(rank - 1), shown),
                Step::UnknownProduct => assert_eq!(id, "nobody"),
                Step::KeptOut { by } => match by {
                    Sieve::OutOfStock => assert_eq!(SHOP.word(id, "availability"), "out_of_stock"),
                    Sieve::InCart => assert!(in_cart.contains(&id), "{told:?}"),
                    Sieve::Excluded => assert!(query.exclude.iter().any(|other| other == id) || in_cart.contains(&id)),
                    Sieve::Filter => assert_eq!(SHOP.word(id, "color"), "blue"),
                    Sieve::Seen => assert!(query.session.iter().any(|event| event.id == id)),
                    Sieve::FamilyTaken => {
                        let asked = query.anchors.iter().chain(query.session.iter().map(|event| &event.id));
                        let known = asked.filter(|other| SHOP.records.contains_key(*other));
                        assert!(known.into_iter().any(|other| family(other) == family(id)), "{told:?}");
                    }
                    Sieve::AskedAbout => {
                        let mut asked = query.anchors.iter().chain(query.session.iter().map(|event| &event.id));
                        assert!(asked.any(|other| other == id), "{told:?}");
                    }
                    Sieve::Price | Sieve::Category | Sieve::NotBetter => assert_eq!(told.intent, Intent::Upsell),
                    Sieve::SameKind | Sieve::Misfit | Sieve::LookAlike => assert_eq!(told.intent, Intent::CrossSell),
                    Sieve::NotTold => assert_eq!(told.intent, Intent::Bundle),
                    Sieve::NotDue | Sieve::SeldomAgain => assert_eq!(told.intent, Intent::Replenish),
                    Sieve::NeverTogether => panic!("the shop has no such pairs: {told:?}"),
                    Sieve::Bought => panic!("no order is asked about: {told:?}"),
                },
                Step::NoList { .. } => assert!(ids.is_empty(), "{told:?}"),
                Step::NotACandidate { similarity, .. } => {
                    assert!(similarity.is_none_or(|similarity| (0.0..=1.0).contains(&similarity)));
                }
                Step::MinScore { score, min_score } => assert!(score < min_score, "{told:?}"),
                Step::Rule { rule } => {
                    let of_rule = match rule.as_str() {
                        "no-initech-at-home" => SHOP.word(id, "brand") == "Initech",
                        other => other == "two-a-brand",
                    };
                    assert!(of_rule, "{told:?}");
                }
                Step::Variant { instead } => {
                    let named = SHOP.word(instead, "title") == SHOP.word(id, "title");
                    // Of what an intent of a placement gives, the stand-in may have gone later.
                    let is_there = ids.contains(instead) || query.slot.is_some();
                    assert!(is_there && (family(instead) == family(id) || named), "{told:?}");
                }
                Step::Diversity { place, before, after } => {
                    assert!(*place <= query.limit && after < before, "{told:?}")
                }
                Step::Limit { .. } => assert!(!ids.is_empty(), "{told:?}"),
            }
            let word = serde_json::to_value(&told).unwrap()["step"].as_str().unwrap().to_owned();
            *steps.entry(word).or_default() += 1;
        }
    }
    let missing = ["shown", "unknown_product", "kept_out", "min_score", "rule", "variant", "diversity", "limit"];
    missing.iter().for_each(|step| assert!(steps.contains_key(*step), "no product at `{step}`: {steps:?}"));
}
