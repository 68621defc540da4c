//! Rules for what starts from a session and for upsell, against a slow reading of the whole ranking without rules.

mod shop;

use std::collections::{BTreeMap, HashMap, HashSet};

use kindred::eval::UpsellSettings;
use kindred::events::{EventKind, History, HistoryBuilder, Interaction, NO_ORDER};
use kindred::index::{CatalogDir, Check};
use kindred::recommend::{
    Answer, Engine, FewerBecause, Intent, Query, RecommendConfig, Saver, SessionEvent, TrialRules, UpsellConfig,
};
use kindred::rules::{Notation, RuleSet};
use serde_json::{Value, json};

const BRANDS: [&str; 4] = ["Nova", "Orbit", "Pulse", "Quark"];
const WORDS: [&str; 8] = ["Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel"];
const INTENTS: [Intent; 5] = [Intent::Similar, Intent::Next, Intent::ForYou, Intent::Trending, Intent::Upsell];

/// Phones p0 (the anchor, 64 GB) to p31, of which most of the even ones have more storage and the odd ones as much; all inside the price
/// band of the anchor but for the `far` ones, which keep the tiers wide.
fn records() -> Vec<Value> {
    let phone = |id: String, title: String, price: String, brand: &str| json!({"id": id, "title": title, "price": price, "brand": brand, "product_type": "Phones > Smartphones"});
    let mut records: Vec<Value> = (0..32)
        .map(|at: usize| {
            let storage = if at > 0 && at.is_multiple_of(2) { [128, 256][at / 2 % 2] } else { 64 };
            let (brand, word) = (BRANDS[at % 3 + at / 16], WORDS[at % 8]);
            let title = format!("{brand} {word} {at} smartphone {storage}GB");
            let price = if at == 0 { 200 } else { 215 + 3 * at };
            phone(format!("p{at}"), title, format!("{price}.00 USD"), brand)
        })
        .collect();
    for (id, color) in [("black", "Black"), ("white", "White")] {
        let title = format!("Nova Twin smartphone - 512GB - {color}");
        records.push(phone(id.to_owned(), title, "260.00 USD".to_owned(), "Nova"));
    }
    for at in 0..40 {
        let price = if at % 2 == 0 { 100 + 2 * at } else { 350 + 20 * at };
        records.push(phone(format!("far{at}"), format!("Zeta handset {at} 16GB"), format!("{price}.00 USD"), "Zeta"));
    }
    records
}

/// Sessions that look at three phones and buy two; lower numbers are met more often.
fn history() -> History {
    let mut builder = HistoryBuilder::default();
    for session in 0..300u32 {
        let phone = |step: u32| format!("p{}", (session * session / 7 + step * (1 + session % 5)) % (4 + session % 28));
        for step in 0..5 {
            let kind = if step < 3 { EventKind::ViewItem } else { EventKind::Purchase };
            let order = if kind == EventKind::Purchase { session } else { NO_ORDER };
            let product = builder.product(&phone(step));
            let time_s = 1_700_000_000 + session * 4000 + step;
            let done = Interaction { product, time_s, order, quantity: 1, price: 200.0, kind };
            builder.push(session.into(), session, done);
        }
    }
    builder.finish()
}

struct Shop {
    engine: Engine,
    brands: HashMap<String, String>,
    _root: tempfile::TempDir,
}

impl Shop {
    fn open() -> Self {
        let root = tempfile::tempdir().unwrap();
        let records = records();
        shop::build_records(root.path(), &records, history());
        let dir = CatalogDir::new(root.path(), "shop").unwrap();
        let generation = dir.open_current(Check::Hashes).unwrap();
        // Names of a few words are not much alike.
        let upsell = UpsellConfig { min_similarity: 0.5, ..UpsellConfig::default() };
        let config = RecommendConfig { upsell, ..RecommendConfig::default() };
        let engine = Engine::new(&dir, generation, shop::EMBEDDER.clone(), &shop::template(), &config).unwrap();
        let word = |record: &Value, key: &str| record[key].as_str().unwrap().to_owned();
        let brands = records.iter().map(|record| (word(record, "id"), word(record, "brand"))).collect();
        Self { engine, brands, _root: root }
    }

    fn rules(&self, document: &Value) -> TrialRules {
        self.engine.try_rules(&self.engine.view(), &set(document)).unwrap()
    }

    fn ask(&self, query: &Query, document: &Value) -> (Vec<String>, Answer) {
        let view = self.engine.view();
        let answer = self.engine.answer_with(&view, query, &self.rules(document)).unwrap();
        self.engine.explain(&view, query, &answer).unwrap();
        (answer.hits.iter().map(|hit| view.id(hit.row).unwrap().to_owned()).collect(), answer)
    }

    /// All that the question ranks without rules, best first, with scores.
    fn whole(&self, query: &Query) -> Vec<(String, f32)> {
        let floor = (query.intent == Intent::Upsell).then_some(0.0);
        let all = Query { limit: 100, min_score: query.min_score.or(floor), ..query.clone() };
        let (ids, answer) = self.ask(&all, &json!({}));
        let scores = answer.hits.iter().map(|hit| hit.score);
        let ranked = ids.into_iter().zip(scores).take(answer.hits.len());
        ranked.collect()
    }
}

fn set(document: &Value) -> RuleSet {
    RuleSet::read(&document.to_string(), Notation::Json).unwrap()
}

fn brand(name: &str) -> Value {
    json!({"must": [{"key": "brand", "match": name}]})
}

fn question(intent: Intent, limit: usize) -> Query {
    let event = |id: &str, kind| SessionEvent { id: id.to_owned(), kind };
    let viewed = vec![event("p5", EventKind::ViewItem), event("p0", EventKind::ViewItem)];
    let query = Query { intent, limit, exact: true, is_counted: true, ..Query::default() };
    match intent {
        Intent::Similar | Intent::Upsell => Query { anchors: vec!["p0".to_owned()], ..query },
        // A floor keeps what is popular from filling the list.
        _ => Query { session: viewed, min_score: Some(0.0), ..query },
    }
}

/// One rule of each kind, as a slow reader takes it.
struct Slow<'a> {
    excluded: &'a str,
    /// Factors on the scores of brands.
    factors: BTreeMap<&'a str, f64>,
    /// Most products of each brand.
    at_most: usize,
    pinned: &'a [&'a str],
    /// Of the first pin, from 1.
    position: usize,
}

impl Slow<'_> {
    fn document(&self) -> Value {
        let scaled = self.factors.iter().map(|(name, factor)| {
            let word = if *factor > 1.0 { "boost" } else { "bury" };
            json!({"id": format!("{word}-{name}"), "then": {word: {"filter": brand(name), "factor": factor}}})
        });
        let mut rules: Vec<Value> = scaled.collect();
        rules.push(json!({"id": "out", "then": {"exclude": brand(self.excluded)}}));
        rules.push(json!({"id": "cap", "then": {"cap": {"at_most": self.at_most, "per": "brand"}}}));
        rules.push(json!({"id": "pin", "then": {"pin": {"products": self.pinned, "position": self.position}}}));
        json!({"rules": rules})
    }

    /// The list made of `ranking`; `may_be_pinned` says of a product whether the question lets it appear.
    fn list(
        &self,
        ranking: &[(String, f32)],
        brands: &HashMap<String, String>,
        limit: usize,
        may_be_pinned: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let mut slots: Vec<Option<String>> = vec![None; limit];
        let mut fits = |id: &str| {
            let brand = brands[id].as_str();
            let count = counts.entry(brand).or_default();
            *count += 1;
            brand != self.excluded && *count <= self.at_most
        };
        for (at, pinned) in self.pinned.iter().enumerate() {
            let free = (self.position - 1 + at..limit).find(|&place| slots[place].is_none());
            if let Some(place) = free.filter(|_| may_be_pinned(pinned) && fits(pinned)) {
                slots[place] = Some((*pinned).to_owned());
            }
        }
        let value = |(id, score): &(String, f32)| {
            f64::from(*score) * self.factors.get(brands[id].as_str()).copied().unwrap_or(1.0)
        };
        let mut others: Vec<&(String, f32)> = ranking.iter().collect();
        others.sort_by(|a, b| value(b).total_cmp(&value(a)));
        for (id, _) in others {
            let free = slots.iter().position(Option::is_none);
            if let Some(place) = free.filter(|_| !slots.contains(&Some(id.clone())) && fits(id)) {
                slots[place] = Some(id.clone());
            }
        }
        slots.into_iter().flatten().collect()
    }
}

#[test]
fn every_intents_list_under_rules_is_the_whole_ranking_with_the_rules_read_slowly() {
    let shop = Shop::open();
    for (intent, limit) in INTENTS.into_iter().flat_map(|intent| [1, 3, 6, 12].map(|limit| (intent, limit))) {
        // With a floor nothing is filled with what is popular, and upsell has none of its own.
        let query = Query { min_score: Some(0.0), ..question(intent, limit) };
        let ranking = shop.whole(&query);
        assert!(ranking.len() >= 8, "{intent:?}: {ranking:?}");
        let ranked: HashSet<&str> = ranking.iter().map(|(id, _)| id.as_str()).collect();
        let kept_out = ["p0", "p5"];
        for (at, name) in BRANDS.into_iter().enumerate() {
            let factors = BTreeMap::from([(BRANDS[(at + 1) % 4], 1.7), (BRANDS[(at + 2) % 4], 0.6)]);
            let pinned = ["p9", &ranking[7].0, "far3", "p0"];
            let slow = Slow { excluded: name, factors, at_most: 2 + at, pinned: &pinned, position: 1 + at };
            let may_be_pinned = |id: &str| match intent {
                Intent::Upsell => ranked.contains(id),
                Intent::Similar => id != "p0",
                _ => !kept_out.contains(&id),
            };
            let expected = slow.list(&ranking, &shop.brands, limit, may_be_pinned);
            let (found, answer) = shop.ask(&query, &slow.document());
            assert_eq!(found, expected, "{intent:?} limit {limit} without {name}: {ranking:?}");
            assert_eq!(answer.fewer_because.is_some(), found.len() < limit);
        }
    }
}

#[test]
fn rules_that_are_about_nothing_leave_every_answer_as_it_is() {
    let shop = Shop::open();
    let nothing = json!({"rules": [
        {"id": "out", "then": {"exclude": brand("Nobody")}},
        {"id": "up", "then": {"boost": {"filter": brand("Nobody"), "factor": 2}}},
        {"id": "cap", "then": {"cap": {"at_most": 1, "per": "brand", "filter": brand("Nobody")}}},
    ]});
    for (intent, limit) in INTENTS.into_iter().flat_map(|intent| [1, 5, 100].map(|limit| (intent, limit))) {
        for min_score in [None, Some(0.0), Some(0.4)] {
            let query = Query { min_score, ..question(intent, limit) };
            let before = shop.engine.answer(&shop.engine.view(), &query).unwrap();
            assert_eq!(shop.ask(&query, &json!({})).1, before, "{intent:?} {limit} {min_score:?}");
            let (_, after) = shop.ask(&query, &nothing);
            assert_eq!(after, before, "{intent:?} {limit} {min_score:?}");
        }
    }
}

#[test]
fn rules_never_make_an_upsell_of_what_is_not_better_nor_show_more_than_interest_allows() {
    let shop = Shop::open();
    let (query, plain) = (question(Intent::Upsell, 10), json!({}));
    let better: HashSet<String> = shop.whole(&query).into_iter().map(|(id, _)| id).collect();
    let is_better = |id: &str| better.contains(id) || ["black", "white"].contains(&id);
    let worse: Vec<String> = shop.brands.keys().filter(|id| !is_better(id)).cloned().collect();
    let first = &shop.ask(&query, &plain).0[0];
    let pins = json!({"rules": [
        {"id": "pin", "then": {"pin": {"products": worse[..40]}}},
        {"id": "in-place", "then": {"replace": {"product": first, "with": worse[0]}}},
    ]});
    assert_eq!(shop.ask(&query, &pins).0, shop.ask(&query, &plain).0);
    // Two colors of one model are told apart by nothing but the end of their titles: one of them is shown, the other in its place.
    let twins = |ids: &[String]| ids.iter().filter(|id| ["black", "white"].contains(&id.as_str())).cloned().collect();
    let shown: Vec<String> =
        twins(&shop.ask(&query, &json!({"shop": {"clearance": {"filter": brand("Nova"), "factor": 2}}})).0);
    assert_eq!(shown.len(), 1);
    let without = json!({"rules": [{"id": "out", "then": {"exclude": {"must": [{"key": "id", "match": shown[0]}]}}}]});
    let other: Vec<String> = twins(&shop.ask(&Query { limit: 100, ..query.clone() }, &without).0);
    assert!(other.len() == 1 && other != shown, "{other:?} after {shown:?}");
    let looked = vec![SessionEvent { id: "p0".to_owned(), kind: EventKind::ViewItem }];
    let cautious = Query { session: looked, ..query.clone() };
    let (before, answer) = shop.ask(&cautious, &plain);
    assert_eq!((before.len(), answer.fewer_because), (1, Some(FewerBecause::Interest)));
    let without = json!({"rules": [{"id": "out", "then": {"exclude": {"must": [{"key": "id", "match": before[0]}]}}}]});
    let (after, answer) = shop.ask(&cautious, &without);
    assert_eq!((after.len(), answer.fewer_because), (1, Some(FewerBecause::Interest)));
    assert_ne!(after, before);
    let none = json!({"rules": [{"id": "only", "then": {"include": brand("Zeta")}}]});
    let (ids, answer) = shop.ask(&query, &none);
    assert_eq!((ids.len(), answer.fewer_because), (0, Some(FewerBecause::Rule)));
}

#[test]
fn what_is_in_force_changes_answers_and_nothing_that_is_measured() {
    let shop = Shop::open();
    let view = shop.engine.view();
    let settings = UpsellSettings { num_anchors: 30, k: 5, seed: 1 };
    let measured = || kindred::eval::upsell(&shop.engine, &view, &UpsellConfig::default(), settings).unwrap();
    let before = measured();
    assert!(before.num_shown > 0);
    let nothing = set(&json!({"rules": [{"id": "only", "then": {"include": brand("Zeta")}}]}));
    shop.engine.rules().put(&view, nothing, None, Saver { who: "ann", note: "", at_ms: 1 }).unwrap();
    for intent in INTENTS {
        let answer = shop.engine.answer(&view, &question(intent, 5)).unwrap();
        let is_zeta = |row| view.product(row).unwrap().brand.as_deref() == Some("Zeta");
        assert!(answer.rules_version == 1 && answer.hits.iter().all(|hit| is_zeta(hit.row)), "{intent:?}");
    }
    let after = measured();
    assert_eq!((after.num_shown, after.num_inside), (before.num_shown, before.num_inside));
}
