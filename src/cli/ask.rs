//! `kindred similar` and `kindred search`: one question, one table.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::args::AskArgs;
use super::context::Context;
use super::exit::Unanswerable;
use super::output::{number, print_json, say, table};
use crate::catalog::{CATEGORY_SEPARATOR, Product};
use crate::index::Check;
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::{Answer, Engine, FewerBecause, Query, RecommendError};
use crate::rules::{Filter, FilterError};

pub(super) fn similar(context: &Context, catalog: &str, products: Vec<String>, ask: &AskArgs) -> Result<ExitCode> {
    let engine = context.engine(catalog, Check::Hashes)?;
    let query = Query { anchors: products, ..query(ask)? };
    let view = engine.view();
    let (answer, took_ms) = answer(&engine, &view, &query)?;
    if query.anchors.iter().all(|id| answer.missing_ids.contains(id)) {
        return Err(unknown_products(catalog, &query.anchors).into());
    }
    if !context.json {
        let rows = query.anchors.iter().filter_map(|id| view.row(id));
        for row in rows {
            say!("similar to {}", line(&view.product(row)?))?;
        }
    }
    print(context, &view, &answer, took_ms)
}

pub(super) fn search(context: &Context, catalog: &str, text: &str, ask: &AskArgs) -> Result<ExitCode> {
    let engine = context.engine(catalog, Check::Hashes)?;
    let query = Query { text: Some(text.to_owned()), ..query(ask)? };
    let view = engine.view();
    let (answer, took_ms) = answer(&engine, &view, &query)?;
    if !context.json {
        say!("products for “{text}”")?;
    }
    print(context, &view, &answer, took_ms)
}

fn query(ask: &AskArgs) -> Result<Query> {
    let bad_filter = |e: serde_json::Error| RecommendError::Filter(FilterError::new("--filter", e.to_string()));
    let filter = ask.filter.as_deref().map(serde_json::from_str::<Filter>).transpose().map_err(bad_filter)?;
    Ok(Query {
        limit: ask.limit,
        min_score: ask.min_score,
        filter: filter.unwrap_or_default(),
        exclude: ask.exclude.clone(),
        exact: ask.exact,
        ..Query::default()
    })
}

fn answer(engine: &Engine, view: &View, query: &Query) -> Result<(Answer, f64)> {
    let started = Instant::now();
    let answer = engine.answer(view, query)?;
    Ok((answer, started.elapsed().as_secs_f64() * 1e3))
}

fn unknown_products(catalog: &str, ids: &[String]) -> Unanswerable {
    let ids = ids.join("`, `");
    Unanswerable(format!(
        "catalog `{catalog}` has no product `{ids}`; ids are case-sensitive, `kindred search {catalog} TEXT` finds some"
    ))
}

fn print(context: &Context, view: &View, answer: &Answer, took_ms: f64) -> Result<ExitCode> {
    if context.json {
        print_json(&as_json(view, answer, took_ms)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut shelf = table(&["#", "score", "id", "title", "price", "category"]);
    for (hit, rank) in answer.hits.iter().zip(1..) {
        let product = view.product(hit.row)?;
        let price = product.effective_price().map_or_else(String::new, |price| price.to_string());
        let category = product.main_category().last().cloned().unwrap_or_default();
        let score = format!("{:.3}", hit.score);
        shelf.add_row([
            number(rank),
            number(score),
            product.id.into(),
            product.title.into(),
            number(price),
            category.into(),
        ]);
    }
    say!("{shelf}")?;
    if !answer.missing_ids.is_empty() {
        say!("not in the catalog: {}", answer.missing_ids.join(", "))?;
    }
    if let Some(reason) = answer.fewer_because {
        say!("fewer than asked: {}", in_words(reason))?;
    }
    say!("{} in {took_ms:.1} ms", view.generation().name())?;
    Ok(ExitCode::SUCCESS)
}

fn in_words(reason: FewerBecause) -> &'static str {
    match reason {
        FewerBecause::UnknownProducts => "the catalog has none of the products to start from",
        FewerBecause::MinScore => "the others score below --min-score",
        FewerBecause::Filter => "the others are kept out by the filter or are out of stock",
        FewerBecause::CatalogSize => "the catalog has no more products",
    }
}

fn line(product: &Product) -> String {
    let price = product.effective_price().map_or_else(String::new, |price| format!(", {price}"));
    let category = product.main_category();
    let category =
        if category.is_empty() { String::new() } else { format!(" ({})", category.join(CATEGORY_SEPARATOR)) };
    format!("{} {}{price}{category}", product.id, product.title)
}

fn as_json(view: &View, answer: &Answer, took_ms: f64) -> Result<serde_json::Value> {
    let result = |(rank, (row, score)): (usize, (RowId, f32))| -> Result<serde_json::Value> {
        let product: serde_json::Value = serde_json::from_str(view.record(row)?.get())?;
        let id = view.id(row).context("a row without an id")?;
        Ok(json!({"id": id, "score": score, "rank": rank + 1, "product": product}))
    };
    let hits = answer.hits.iter().map(|hit| (hit.row, hit.score)).enumerate();
    Ok(json!({
        "generation": view.generation().name(),
        "results": hits.map(result).collect::<Result<Vec<_>>>()?,
        "fewer_because": answer.fewer_because,
        "missing_ids": answer.missing_ids,
        "took_ms": took_ms,
    }))
}
