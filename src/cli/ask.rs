//! `kindred similar`, `kindred search`, `kindred upsell`, `kindred cross-sell` and `kindred recommend`: one question, one table.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::args::AskArgs;
use super::context::Context;
use super::exit::Unanswerable;
use super::output::{number, print_json, say, table};
use crate::catalog::{CATEGORY_SEPARATOR, Money, Product, Verdict};
use crate::events::EventKind;
use crate::index::Check;
use crate::live::View;
use crate::recommend::{
    Answer, ComparedRow, Engine, Explained, FewerBecause, Hit, Intent, Query, Reason, RecommendError, SessionEvent,
    Source,
};
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
    print(context, (&engine, &view), &query, &answer, took_ms)
}

pub(super) fn search(context: &Context, catalog: &str, text: &str, ask: &AskArgs) -> Result<ExitCode> {
    let engine = context.engine(catalog, Check::Hashes)?;
    let query = Query { text: Some(text.to_owned()), ..query(ask)? };
    let view = engine.view();
    let (answer, took_ms) = answer(&engine, &view, &query)?;
    if !context.json {
        say!("products for “{text}”")?;
    }
    print(context, (&engine, &view), &query, &answer, took_ms)
}

/// What a session has done, as it is typed.
#[derive(Default)]
pub(super) struct Session {
    pub(super) viewed: Vec<String>,
    pub(super) cart: Vec<String>,
    pub(super) product: Option<String>,
    pub(super) include_seen: bool,
    /// The value of a cart from which on delivery is free.
    pub(super) free_shipping_over: Option<Money>,
}

pub(super) fn recommend(
    context: &Context,
    catalog: &str,
    intent: Intent,
    session: Session,
    ask: &AskArgs,
) -> Result<ExitCode> {
    let engine = context.engine(catalog, Check::Hashes)?;
    let event = |kind| move |id: String| SessionEvent { id, kind };
    let in_cart = session.cart.into_iter().map(event(EventKind::AddToCart));
    let viewed = session.viewed.into_iter().map(event(EventKind::ViewItem));
    let query = Query {
        intent,
        session: in_cart.chain(viewed).collect(),
        anchors: session.product.into_iter().collect(),
        include_seen: session.include_seen.then_some(true),
        free_shipping_over: session.free_shipping_over,
        ..query(ask)?
    };
    let view = engine.view();
    let (answer, took_ms) = answer(&engine, &view, &query)?;
    if intent == Intent::Upsell {
        let row = answer.anchor.ok_or_else(|| unknown_products(catalog, &query.anchors))?;
        if !context.json {
            say!("a step up from {}", line(&view.product(row)?))?;
        }
    } else if intent == Intent::CrossSell {
        answer.anchor.ok_or_else(|| unknown_products(catalog, &answer.missing_ids))?;
    } else if !context.json && engine.behavior(&view).is_none() {
        say!("nothing was learned from events yet: only texts speak")?;
    }
    print(context, (&engine, &view), &query, &answer, took_ms)
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

fn print(
    context: &Context,
    (engine, view): (&Engine, &View),
    query: &Query,
    answer: &Answer,
    took_ms: f64,
) -> Result<ExitCode> {
    let explained = engine.explain(view, query, answer)?;
    if context.json {
        print_json(&as_json((engine, view), query, answer, &explained, took_ms)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut shelf = table(&["#", "score", "id", "title", "price", "category", "sources", "reason"]);
    for ((hit, reason), rank) in answer.hits.iter().zip(&explained.reasons).zip(1..) {
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
            sources_in_words(hit).into(),
            reason.text.clone().into(),
        ]);
    }
    say!("{shelf}")?;
    if query.intent == Intent::Upsell {
        for hit in &answer.hits {
            let rows = engine.compare(view, query, answer, hit.row)?.unwrap_or_default();
            say!("{}\n{}", view.id(hit.row).unwrap_or_default(), comparison_table(&rows))?;
        }
    }
    if !answer.missing_ids.is_empty() {
        say!("not in the catalog: {}", answer.missing_ids.join(", "))?;
    }
    if let Some(source) = answer.fallback {
        say!("filled with what is {}", source.word())?;
    }
    if let Some(reason) = answer.fewer_because {
        say!("fewer than asked: {}", in_words(reason))?;
    }
    say!("{} in {took_ms:.1} ms", view.generation().name())?;
    Ok(ExitCode::SUCCESS)
}

/// What differs, what is better first.
pub(super) fn comparison_table(rows: &[ComparedRow]) -> comfy_table::Table {
    let mut shown = table(&["attribute", "from", "to", ""]);
    for row in rows {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "not stated".to_owned());
        let verdict = match row.verdict {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::Neutral => "",
        };
        shown.add_row([row.label.clone(), value(&row.from), value(&row.to), verdict.to_owned()]);
    }
    shown
}

fn in_words(reason: FewerBecause) -> &'static str {
    match reason {
        FewerBecause::UnknownProducts => "the catalog has none of the products to start from",
        FewerBecause::MinScore => "the others score below --min-score",
        FewerBecause::Filter => "the others are kept out by the filter or are out of stock",
        FewerBecause::Rule => "the others are kept out by the shop's rules",
        FewerBecause::Evidence => "too little is known of this session",
        FewerBecause::NoPrice => "the product has no price above 0",
        FewerBecause::NothingBetter => "no other product is better inside the price band",
        FewerBecause::Interest => "the session shows too little interest for more",
        FewerBecause::CatalogSize => "the catalog has no more products",
    }
}

/// The sources that know the product, the one that says most first.
fn sources_in_words(hit: &Hit) -> String {
    let mut known: Vec<Source> = Source::ALL.into_iter().filter(|&source| hit.sources.get(source) > 0.0).collect();
    known.sort_by(|&a, &b| hit.sources.get(b).total_cmp(&hit.sources.get(a)));
    known.into_iter().map(Source::word).collect::<Vec<_>>().join(", ")
}

fn line(product: &Product) -> String {
    let price = product.effective_price().map_or_else(String::new, |price| format!(", {price}"));
    let category = product.main_category();
    let category =
        if category.is_empty() { String::new() } else { format!(" ({})", category.join(CATEGORY_SEPARATOR)) };
    format!("{} {}{price}{category}", product.id, product.title)
}

fn as_json(
    (engine, view): (&Engine, &View),
    query: &Query,
    answer: &Answer,
    explained: &Explained,
    took_ms: f64,
) -> Result<serde_json::Value> {
    let result = |(rank, (hit, reason)): (usize, (&Hit, &Reason))| -> Result<serde_json::Value> {
        let product: serde_json::Value = serde_json::from_str(view.record(hit.row)?.get())?;
        let id = view.id(hit.row).context("a row without an id")?;
        let known = Source::ALL.into_iter().filter(|&source| hit.sources.get(source) > 0.0);
        let sources: BTreeMap<&str, f32> = known.map(|source| (source.word(), hit.sources.get(source))).collect();
        let mut result = json!({
            "id": id, "score": hit.score, "rank": rank + 1, "sources": sources, "product": product, "reason": reason,
        });
        if query.intent == Intent::Upsell {
            result["comparison"] = json!(engine.compare(view, query, answer, hit.row)?);
        }
        Ok(result)
    };
    let hits = answer.hits.iter().zip(&explained.reasons).enumerate();
    Ok(json!({
        "generation": view.generation().name(),
        "title": explained.title,
        "results": hits.map(result).collect::<Result<Vec<_>>>()?,
        "fallback": answer.fallback,
        "fewer_because": answer.fewer_because,
        "missing_ids": answer.missing_ids,
        "took_ms": took_ms,
    }))
}
