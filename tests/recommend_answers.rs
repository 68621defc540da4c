//! Answers of the engine against slow readings of the same records: fit, price band, bounds.

mod shop;

use kindred::catalog::Product;
use kindred::index::{CatalogDir, Check};
use kindred::recommend::{Engine, Query, RecommendConfig, RelativePrice, Source};
use kindred::rules::Filter;
use serde_json::json;

fn engine(products: &[Product], config: &RecommendConfig) -> (tempfile::TempDir, Engine) {
    let root = tempfile::tempdir().unwrap();
    shop::publish(root.path(), "shop", products);
    let dir = CatalogDir::new(root.path(), "shop").unwrap();
    let generation = dir.open_current(Check::Hashes).unwrap();
    let engine = Engine::new(&dir, generation, shop::EMBEDDER.clone(), &shop::template(), config).unwrap();
    (root, engine)
}

/// Ids, scores and similarities of the answer.
fn asked(engine: &Engine, query: &Query) -> Vec<(String, f32, f32)> {
    let view = engine.view();
    let answer = engine.answer(&view, query).unwrap();
    answer
        .hits
        .iter()
        .map(|hit| (view.id(hit.row).unwrap().to_owned(), hit.score, hit.sources.get(Source::Similar)))
        .collect()
}

fn ids(engine: &Engine, query: &Query) -> Vec<String> {
    asked(engine, query).into_iter().map(|(id, ..)| id).collect()
}

fn similar(anchor: &str) -> Query {
    Query { anchors: vec![anchor.to_owned()], limit: 50, ..Query::default() }
}

/// Cases for two phones in several colours, named with and without "for", and a charger that names no phone.
fn cases() -> Vec<Product> {
    let mut products = Vec::new();
    for model in ["iPhone 7", "iPhone 7 Plus"] {
        for color in ["Black", "Red", "Blue", "Green", "White"] {
            products.push(json!({"id": format!("{color} for {model}"), "title": format!("Armor Case for Apple® {model} - {color}")}));
        }
        products.push(
            json!({"id": format!("silicone {model}"), "title": format!("Apple - {model} Silicone Case - Cocoa")}),
        );
    }
    products.push(json!({"id": "charger", "title": "Wall Charger for Most Cell Phones"}));
    products.into_iter().map(|record| serde_json::from_value(record).unwrap()).collect()
}

#[test]
fn products_made_for_another_model_come_after_those_that_fit_with_their_score_lowered() {
    let config = RecommendConfig::default();
    let (_root, engine) = engine(&cases(), &config);
    for (anchor, other) in [("Red for iPhone 7", "iPhone 7 Plus"), ("silicone iPhone 7", "iPhone 7 Plus")] {
        let answer = asked(&engine, &similar(anchor));
        assert_eq!(answer.len(), 12);
        let names_other = |id: &str| id.ends_with(other);
        assert!(answer[..5].iter().all(|(id, ..)| !names_other(id) && id != "charger"), "{anchor}: {answer:?}");
        for (id, score, similarity) in &answer {
            let factor = if names_other(id) { config.misfit_factor } else { 1.0 };
            assert!((score - similarity * factor).abs() < 1e-6, "{anchor}: {id} {score} {similarity}");
        }
    }
    let found =
        ids(&engine, &Query { text: Some("armor case for iphone 7 plus".into()), limit: 6, ..Query::default() });
    assert!(found[..6].iter().all(|id| id.ends_with("iPhone 7 Plus")), "{found:?}");
}

/// A shop where one family of 80 variants, made for another model, is nearer than anything else.
fn crowded() -> Vec<Product> {
    let mut products = cases();
    for i in 0..80 {
        let title = format!("Armor Case for Apple® iPhone 7 Plus - Black {i}");
        let record = json!({"id": format!("variant {i}"), "title": title, "item_group_id": "crowd"});
        products.push(serde_json::from_value(record).unwrap());
    }
    for model in ["iPhone 8", "Galaxy S7", "Pixel 2"] {
        let record = json!({"id": format!("crowd {model}"), "title": format!("Armor Case for {model} - Black")});
        products.push(serde_json::from_value(record).unwrap());
    }
    products
}

#[test]
fn a_short_answer_is_the_head_of_a_long_one_however_large_a_family_is() {
    let (_root, engine) = engine(&crowded(), &RecommendConfig::default());
    for anchor in ["Black for iPhone 7", "charger", "variant 3", "silicone iPhone 7 Plus"] {
        let long = ids(&engine, &Query { limit: 100, exact: true, ..similar(anchor) });
        assert!(long.len() >= 13, "{anchor}: {long:?}");
        for limit in 1..long.len() {
            assert_eq!(
                ids(&engine, &Query { limit, exact: true, ..similar(anchor) }),
                long[..limit],
                "{anchor}, {limit}"
            );
        }
        let scores: Vec<f32> =
            asked(&engine, &Query { limit: 100, ..similar(anchor) }).iter().map(|hit| hit.1).collect();
        for floor in [0.2, 0.35, 0.5] {
            let query = Query { min_score: Some(floor), limit: 20, ..similar(anchor) };
            let wanted = scores.iter().filter(|score| **score >= floor).count().min(20);
            assert_eq!(asked(&engine, &query).len(), wanted, "{anchor}, floor {floor}");
        }
    }
}

#[test]
fn the_misfit_factor_can_be_turned_off() {
    let (_root, engine) = engine(&cases(), &RecommendConfig { misfit_factor: 1.0, ..RecommendConfig::default() });
    assert!(asked(&engine, &similar("Red for iPhone 7")).iter().all(|(_, score, similarity)| score == similarity));
}

#[test]
fn a_relative_price_band_holds_the_products_that_a_slow_reading_finds() {
    let products = shop::products();
    let (_root, engine) = engine(&products, &RecommendConfig::default());
    let anchor = products.iter().find(|product| product.id.as_str() == "121").unwrap();
    let bands =
        [(Some(0.5), Some(1.5)), (Some(1.0), None), (None, Some(1.0)), (Some(3.0), Some(4.0)), (Some(1.05), Some(1.6))];
    for (relative_min, relative_max) in bands {
        let found =
            ids(&engine, &Query { price: Some(RelativePrice { relative_min, relative_max }), ..similar("121") });
        let own = anchor.effective_price().unwrap();
        let is_in = |product: &&Product| {
            let price = product.effective_price().unwrap();
            let ratio = price.minor as f64 / own.minor as f64;
            price.currency == own.currency
                && relative_min.is_none_or(|low| ratio >= low - 1e-3)
                && relative_max.is_none_or(|high| ratio <= high + 1e-3)
                && product.availability != kindred::catalog::Availability::OutOfStock
                && product.family() != anchor.family()
        };
        let wanted: std::collections::BTreeSet<&str> = products.iter().filter(is_in).map(Product::family).collect();
        let family = |id: &String| products.iter().find(|product| product.id.as_str() == id).unwrap().family();
        let found: std::collections::BTreeSet<&str> = found.iter().map(family).collect();
        assert_eq!(found, wanted, "{relative_min:?} to {relative_max:?}");
    }
}

#[test]
fn bounds_count_to_the_minor_unit_in_every_currency() {
    let prices = ["9.99 USD", "10.00 USD", "10.01 USD", "10 JPY", "11 JPY", "10.000 KWD", "9.999 KWD"];
    let record = |(i, price): (usize, &&str)| json!({"id": price, "title": format!("lamp number {i}"), "price": price});
    let mut products: Vec<Product> =
        prices.iter().enumerate().map(record).map(|record| serde_json::from_value(record).unwrap()).collect();
    products.push(serde_json::from_value(json!({"id": "anchor", "title": "a lamp"})).unwrap());
    let (_root, engine) = engine(&products, &RecommendConfig::default());
    let cases: [(&str, serde_json::Value, &[&str]); 9] = [
        ("lt", json!(10), &["9.99 USD", "9.999 KWD"]),
        ("lte", json!(10), &["9.99 USD", "10.00 USD", "10 JPY", "10.000 KWD", "9.999 KWD"]),
        ("gt", json!(10), &["10.01 USD", "11 JPY"]),
        ("gte", json!(10), &["10.00 USD", "10.01 USD", "10 JPY", "11 JPY", "10.000 KWD"]),
        ("lt", json!(10.5), &["9.99 USD", "10.00 USD", "10.01 USD", "10 JPY", "10.000 KWD", "9.999 KWD"]),
        ("gte", json!(10.5), &["11 JPY"]),
        ("gt", json!(10.005), &["10.01 USD", "11 JPY"]),
        ("lte", json!("10.00 USD"), &["9.99 USD", "10.00 USD"]),
        ("gt", json!("10 JPY"), &["11 JPY"]),
    ];
    for (bound, value, wanted) in cases {
        let filter: Filter =
            serde_json::from_value(json!({"must": [{"key": "price", "range": {bound: value}}]})).unwrap();
        let mut found = ids(&engine, &Query { filter, ..similar("anchor") });
        found.sort();
        let mut wanted: Vec<String> = wanted.iter().map(|id| id.to_string()).collect();
        wanted.sort();
        assert_eq!(found, wanted, "{bound} {value}");
    }
}
