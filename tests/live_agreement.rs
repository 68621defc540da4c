//! Live changes over a generation answer as a generation built from the resulting products does.

mod generation;
mod shop;

use std::collections::BTreeMap;
use std::path::Path;

use generation::{Random, config, publish_vectors, unit};
use kindred::catalog::{Availability, OfferPatch, Product, ProductId};
use kindred::index::{CatalogDir, Check};
use kindred::live::{Change, Upsert};
use kindred::rank::RowId;
use kindred::recommend::{Engine, Query, RecommendConfig, RelativePrice};
use kindred::rules::Filter;
use proptest::prelude::*;
use roaring::RoaringBitmap;
use serde_json::{Value, json};
use shop::EMBEDDER;

/// A vector drawn from the title, so that no two titles tie and none is far from another.
fn vector(title: &str) -> Vec<f32> {
    let mut random = Random(title.bytes().fold(17, |seed, b| seed * 31 + u64::from(b)));
    unit((0..EMBEDDER.dim()).map(|i| if i % 2 == 0 { 1.0 } else { 0.0 } + 0.8 * random.signed()).collect())
}

/// One made-up product; `form` chooses its words and families.
fn product(number: usize, form: usize) -> Product {
    let brand = ["Acme", "Bolt", "Cog"][(number + form) % 3];
    let availability = ["in_stock", "in_stock", "out_of_stock", "preorder"][(number + form) % 4];
    let color = ["red", "blue"][form % 2];
    let mut record = json!({
        "id": format!("p{number}"), "title": format!("thing {number} in form {form}"),
        "price": format!("{}.00 USD", 3 + (number * 7 + form) % 40), "brand": brand,
        "availability": availability,
        "product_type": [["Home", format!("Kind {}", (number + form) % 4)]],
        "attributes": {"color": [color]},
    });
    if !(number + form).is_multiple_of(3) {
        record["item_group_id"] = json!(format!("Family {}", (number + form) % 11));
    }
    if number.is_multiple_of(5) {
        record["attributes"]["custom_label_0"] = json!(["base"]);
    }
    serde_json::from_value(record).unwrap()
}

fn open(root: &Path, products: &[Product]) -> Engine {
    let dir = CatalogDir::new(root, "shop").unwrap();
    let vectors: Vec<f32> = products.iter().flat_map(|product| vector(&product.title)).collect();
    publish_vectors(&dir, products, &vectors, EMBEDDER.dim(), EMBEDDER.fingerprint(), &config()).unwrap();
    reopen(root)
}

fn reopen(root: &Path) -> Engine {
    let dir = CatalogDir::new(root, "shop").unwrap();
    let generation = dir.open_current(Check::Headers).unwrap();
    Engine::new(&dir, generation, EMBEDDER.clone(), &shop::template(), &RecommendConfig::default()).unwrap()
}

/// One step of a shop's day.
#[derive(Debug, Clone)]
enum Step {
    Upsert { number: usize, form: usize },
    Patch { number: usize, fields: usize, amount: usize },
    Delete { number: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Products 0 to 29 are in the generation, 30 to 39 are not.
    let step = prop_oneof![
        3 => (0usize..40, 0usize..4).prop_map(|(number, form)| Step::Upsert { number, form }),
        4 => (0usize..40, 1usize..16, 0usize..50).prop_map(|(number, fields, amount)| Step::Patch { number, fields, amount }),
        2 => (0usize..40).prop_map(|number| Step::Delete { number }),
    ];
    prop::collection::vec(step, 1..40)
}

/// The patch of a step, as JSON of [`OfferPatch`] and as the plain fields of a product.
fn patch(fields: usize, amount: usize) -> (OfferPatch, Value) {
    let mut change = json!({});
    if fields & 1 != 0 {
        change["price"] = json!(format!("{}.50 USD", 5 + amount));
    }
    if fields & 2 != 0 {
        change["sale_price"] =
            if amount.is_multiple_of(2) { json!(format!("{}.25 USD", 1 + amount % 4 / 2)) } else { Value::Null };
    }
    if fields & 4 != 0 {
        let word = ["in_stock", "out_of_stock", "backorder"][amount % 3];
        change["availability"] = json!(word);
    }
    if fields & 8 != 0 {
        let values = if amount.is_multiple_of(3) { json!([]) } else { json!([format!("label {}", amount % 4)]) };
        change["labels"] = json!({"0": values});
    }
    (serde_json::from_value(change.clone()).unwrap(), change)
}

/// The slow reading of a patch: the record's fields, one after the other.
fn patched(product: &Product, change: &Value) -> Product {
    let mut record = serde_json::to_value(product).unwrap();
    for (name, value) in change.as_object().unwrap() {
        match (name.as_str(), value) {
            ("labels", labels) if labels["0"].as_array().unwrap().is_empty() => {
                if let Some(attributes) = record.get_mut("attributes") {
                    attributes.as_object_mut().unwrap().remove("custom_label_0");
                }
            }
            ("labels", labels) => record["attributes"]["custom_label_0"] = labels["0"].clone(),
            (name, Value::Null) => drop(record.as_object_mut().unwrap().remove(name)),
            (name, value) => record[name] = value.clone(),
        }
    }
    let mut product: Product = serde_json::from_value(record).unwrap();
    if product.sale_price.zip(product.price).is_some_and(|(sale, price)| sale.minor > price.minor) {
        product.sale_price = None;
    }
    product
}

/// The change of a step, and the products after it.
fn change(step: &Step, products: &mut BTreeMap<String, Product>) -> Change {
    let id = |number: &usize| ProductId::new(format!("p{number}")).unwrap();
    match step {
        Step::Upsert { number, form } => {
            let product = product(*number, *form);
            products.insert(product.id.to_string(), product.clone());
            let (vector, model) = (vector(&product.title), EMBEDDER.fingerprint().to_owned());
            Change::Upsert(Box::new(Upsert { product, vector, model }))
        }
        Step::Patch { number, fields, amount } => {
            let (patch, fields) = patch(*fields, *amount);
            if let Some(known) = products.get_mut(&format!("p{number}")) {
                *known = patched(known, &fields);
            }
            Change::Patch { id: id(number), patch }
        }
        Step::Delete { number } => {
            products.remove(&format!("p{number}"));
            Change::Delete { id: id(number) }
        }
    }
}

fn filters() -> Vec<Filter> {
    let must = |condition: Value| serde_json::from_value(json!({"must": [condition]})).unwrap();
    let mut filters = vec![Filter::default()];
    for (key, value) in [
        ("availability", "out_of_stock"),
        ("availability", "in_stock"),
        ("brand", "acme"),
        ("category", "Home > Kind 1"),
        ("color", "blue"),
        ("custom_label_0", "label 1"),
        ("custom_label_0", "BASE"),
        ("family", "family 3"),
    ] {
        filters.push(must(json!({"key": key, "match": value})));
        filters.push(serde_json::from_value(json!({"must_not": [{"key": key, "match": value}]})).unwrap());
    }
    filters.push(must(json!({"key": "price", "range": {"gte": 10, "lt": 30}})));
    filters
}

/// Every question of the test with its answer, as ids and scores.
fn answers(engine: &Engine, ids: &[&String]) -> Vec<(String, Vec<(String, f32)>)> {
    let view = engine.view();
    let mut answers = Vec::new();
    for anchor in ids.iter().step_by(7) {
        let similar = Query { anchors: vec![anchor.to_string()], limit: 12, exact: true, ..Query::default() };
        let mut queries: Vec<Query> = filters().into_iter().map(|filter| Query { filter, ..similar.clone() }).collect();
        let band = RelativePrice { relative_min: Some(0.7), relative_max: Some(1.5) };
        queries.push(Query { price: Some(band), ..similar.clone() });
        queries.push(Query { exact: false, ..similar });
        for query in queries {
            let found = engine.answer(&view, &query);
            let hits = found.map(|answer| answer.hits).unwrap_or_default();
            let hits = hits.iter().map(|hit| (view.id(hit.row).unwrap().to_owned(), hit.score)).collect();
            answers.push((format!("{anchor} {:?} {:?}", query.filter, query.price), hits));
        }
    }
    answers
}

fn agree(live: &Engine, rebuilt: &Engine, products: &BTreeMap<String, Product>) -> Result<(), TestCaseError> {
    let view = live.view();
    prop_assert_eq!(view.num_products(), products.len());
    for product in products.values() {
        let row = view.row(product.id.as_str());
        let row = row.ok_or_else(|| TestCaseError::fail(format!("{} is not there", product.id)))?;
        prop_assert_eq!(&view.product(row).unwrap(), product);
        prop_assert_eq!(view.price(row), product.effective_price());
        let record: Product = serde_json::from_str(view.record(row).unwrap().get()).unwrap();
        prop_assert_eq!(&record, product);
        for other in products.values() {
            let other_row = view.row(other.id.as_str()).unwrap();
            let is_family = product.id == other.id
                || (product.item_group_id.is_some() && product.item_group_id == other.item_group_id);
            prop_assert_eq!(view.family(row) == view.family(other_row), is_family, "{} {}", product.id, other.id);
        }
    }
    let ids: Vec<&String> = products.keys().collect();
    for ((question, live), (_, rebuilt)) in answers(live, &ids).iter().zip(answers(rebuilt, &ids)) {
        let names = |hits: &[(String, f32)]| hits.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
        prop_assert_eq!(names(live), names(&rebuilt), "{}", question);
        for ((_, a), (_, b)) in live.iter().zip(&rebuilt) {
            prop_assert!((a - b).abs() < 1e-3, "{question}: {a} {b}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn changes_over_a_generation_answer_as_one_built_from_the_resulting_products(steps in steps(), cut in 1usize..6) {
        let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let base: Vec<Product> = (0..30).map(|number| product(number, 0)).collect();
        let mut products: BTreeMap<String, Product> =
            base.iter().map(|product| (product.id.to_string(), product.clone())).collect();
        let live = open(root.path(), &base);
        for group in steps.chunks(cut) {
            let changes: Vec<Change> = group.iter().map(|step| change(step, &mut products)).collect();
            let receipt = live.live().submit(changes).unwrap();
            prop_assert_eq!(receipt.accepted + receipt.refused.len(), group.len());
        }
        let resulting: Vec<Product> = products.values().cloned().collect();
        prop_assume!(!resulting.is_empty());
        let rebuilt = open(other.path(), &resulting);
        agree(&live, &rebuilt, &products)?;
        drop(live);
        agree(&reopen(root.path()), &rebuilt, &products)?;
    }
}

#[test]
fn a_view_stays_as_it_was_taken() {
    let root = tempfile::tempdir().unwrap();
    let base: Vec<Product> = (0..20).map(|number| product(number, 0)).collect();
    let engine = open(root.path(), &base);
    let view = engine.view();
    let id = ProductId::new("p1").unwrap();
    let patch = OfferPatch { availability: Some(Availability::Backorder), ..OfferPatch::default() };
    let changes = vec![Change::Patch { id: id.clone(), patch }, Change::Delete { id: ProductId::new("p2").unwrap() }];
    assert_eq!(engine.live().submit(changes).unwrap().seq, 2);
    assert_eq!(view.product(view.row("p1").unwrap()).unwrap(), base[1]);
    assert!(view.row("p2").is_some() && engine.view().row("p2").is_none());
    let row = engine.view().row("p1").unwrap();
    assert_eq!(engine.view().product(row).unwrap().availability, Availability::Backorder);
}

/// Gone, reworded and new products, under filters that take every plan of a search, against a plain comparison of all rows.
#[test]
fn searches_over_changes_agree_with_brute_force_under_filters_of_any_width() {
    let root = tempfile::tempdir().unwrap();
    let base: Vec<Product> = (0..2_000).map(|number| product(number, 0)).collect();
    let engine = open(root.path(), &base);
    let upsert = |number, form| {
        let product = product(number, form);
        let (vector, model) = (vector(&product.title), EMBEDDER.fingerprint().to_owned());
        Change::Upsert(Box::new(Upsert { product, vector, model }))
    };
    let mut changes: Vec<Change> = (2_000..2_060).map(|number| upsert(number, 0)).collect();
    changes.extend((0..100).map(|at| upsert(at * 17, 1)));
    changes.extend((0..150).map(|at| Change::Delete { id: ProductId::new(format!("p{}", at * 13 + 5)).unwrap() }));
    engine.live().submit(changes).unwrap();
    let view = engine.view();
    assert!(view.num_masked() > 200 && view.num_new() > 100);
    let mut random = Random(3);
    let num_rows = view.generation().products().num_rows() as u32 + 400;
    for share in [1.0, 0.9, 0.5, 0.3, 0.15, 0.02] {
        let (mut found, mut wanted) = (0, 0);
        for _ in 0..25 {
            // Rows that are masked, and some that never were, stand in it too.
            let drawn: RoaringBitmap =
                (0..num_rows).filter(|_| f64::from(random.signed() + 1.0) / 2.0 < share).collect();
            let allowed = (share < 1.0).then_some(&drawn);
            let query = vector(&format!("thing {} in form {}", random.below(2_100), random.below(3)));
            let is_allowed = |row: u32| view.has_row(RowId(row)) && allowed.is_none_or(|allowed| allowed.contains(row));
            let score = |row: u32| {
                let vector = view.vector(RowId(row)).unwrap();
                vector.iter().zip(&query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
            };
            let mut best: Vec<f64> = (0..num_rows).filter(|row| is_allowed(*row)).map(score).collect();
            best.sort_by(|a, b| b.total_cmp(a));
            best.truncate(10);
            for is_exact in [false, true] {
                let hits = view.search(&query, 10, allowed, is_exact).unwrap();
                assert_eq!(hits.len(), best.len(), "{share}");
                assert!(hits.iter().all(|hit| is_allowed(hit.row.0)), "{share}");
                let num_good = hits.iter().filter(|hit| score(hit.row.0) >= best[best.len() - 1] - 1e-6).count();
                assert!(!is_exact || num_good == best.len(), "{share}");
                found += if is_exact { 0 } else { num_good };
            }
            wanted += best.len();
        }
        assert!(found * 100 >= wanted * 95, "recall@10 was {found}/{wanted} with a share of {share} allowed");
    }
}
