//! `kindred similar`, `kindred search`, `kindred upsell`, `kindred cross-sell`, `kindred bundle`, `kindred post-purchase` and `kindred recommend`:
//! one question, one table.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::args_ask::{AskArgs, OrderArgs, SessionArgs};
use super::args_shopper::{BundleArgs, PostPurchaseArgs};
use super::context::Context;
use super::exit::Unanswerable;
use super::output::{number, print_json, say, table};
use crate::catalog::{CATEGORY_SEPARATOR, Product, Verdict};
use crate::events::{Buyer, EventKind, EventStore};
use crate::index::Check;
use crate::live::View;
use crate::recommend::{
    Answer, BundleOffer, ComparedRow, Engine, Explained, FewerBecause, Hit, Intent, NoDiscount, Query, Reason,
    RecommendError, Said, SessionEvent, Source,
};
use crate::rules::{Filter, FilterError};

/// Products in an answer unless a flag or a placement says otherwise.
const DEFAULT_LIMIT: usize = 10;

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

/// The question of `session`, in its placement.
///
/// Returns an error if the filter or the catalog's events cannot be read, or there is no such placement.
pub(super) fn question(
    context: &Context,
    (catalog, engine): (&str, &Engine),
    session: SessionArgs,
    ask: &AskArgs,
) -> Result<Query> {
    let event = |kind| move |id: String| SessionEvent { id, kind };
    let in_cart = session.cart.into_iter().map(event(EventKind::AddToCart));
    let viewed = session.viewed.into_iter().map(event(EventKind::ViewItem));
    let mut told = Query {
        intent: Intent::Next,
        session: in_cart.chain(viewed).collect(),
        anchors: session.product.into_iter().collect(),
        include_seen: session.include_seen.then_some(true),
        free_shipping_over: session.free_shipping_over,
        placement: session.placement,
        stage: session.stage,
        goal: session.goal,
        due_within_days: session.due_within,
        at: session.at,
        ..query(ask)?
    };
    let OrderArgs { order, last_order, placed_at } = session.order;
    if last_order || !order.is_empty() {
        told.start_from_order(&order, placed_at);
    }
    if let Some(id) = session.shopper {
        let store = store(context, catalog)?;
        let buyer = Buyer::User(id);
        let purchases = store.purchases(&buyer)?;
        told.mark(Vec::new(), &purchases);
        told.bought = store.bought(&buyer)?;
        told.take_purchases(purchases, last_order);
    }
    let asked = session.intent.map_or_else(|| told.clone(), |intent| told.asking(intent));
    Ok(engine.place(asked, Said { intent: session.intent, limit: ask.limit })?)
}

pub(super) fn recommend(context: &Context, catalog: &str, session: SessionArgs, ask: &AskArgs) -> Result<ExitCode> {
    let engine = context.engine(catalog, Check::Hashes)?;
    let query = question(context, (catalog, &engine), session, ask)?;
    let view = engine.view();
    let (answer, took_ms) = answer(&engine, &view, &query)?;
    if let (false, Some(name), Some(slot)) = (context.json, &query.placement, &query.slot) {
        say!("placement {name}, stage {}", slot.stage.word())?;
    }
    let is_one = answer.parts.is_empty();
    if is_one && query.intent == Intent::Upsell {
        let row = answer.anchor.ok_or_else(|| unknown_products(catalog, &query.anchors))?;
        if !context.json {
            say!("a step up from {}", line(&view.product(row)?))?;
        }
    } else if is_one && answer.fewer_because == Some(FewerBecause::UnknownProducts) {
        return Err(unknown_products(catalog, &answer.missing_ids).into());
    } else if !context.json && engine.behavior(&view).is_none() {
        say!("nothing was learned from events yet: only texts speak")?;
    }
    print(context, (&engine, &view), &query, &answer, took_ms)
}

/// What completes a set.
pub(super) fn bundle(context: &Context, args: BundleArgs) -> Result<ExitCode> {
    let BundleArgs { catalog, products, cart, goal, ask } = args;
    let in_cart = |id| SessionEvent { id, kind: EventKind::AddToCart };
    let session = cart.into_iter().map(in_cart).collect();
    let query = Query { intent: Intent::Bundle, anchors: products, session, goal, ..query(&ask)? };
    let engine = context.engine(&catalog, Check::Hashes)?;
    let view = engine.view();
    let (answer, took_ms) = answer(&engine, &view, &query)?;
    answer.anchor.ok_or_else(|| unknown_products(&catalog, &answer.missing_ids))?;
    print(context, (&engine, &view), &query, &answer, took_ms)
}

/// What goes with an order.
pub(super) fn post_purchase(context: &Context, args: PostPurchaseArgs) -> Result<ExitCode> {
    let PostPurchaseArgs { catalog, products, shopper, placed_at, at, ask } = args;
    let order = OrderArgs { last_order: products.is_empty(), order: products, placed_at };
    let session = SessionArgs { intent: Some(Intent::CrossSell), order, shopper, at, ..SessionArgs::default() };
    recommend(context, &catalog, session, &ask)
}

/// What shoppers of the catalog did.
fn store(context: &Context, catalog: &str) -> Result<EventStore> {
    Ok(EventStore::open(&context.existing_dir(catalog)?.path(), &context.config.events)?)
}

pub(super) fn query(ask: &AskArgs) -> Result<Query> {
    let bad_filter = |e: serde_json::Error| RecommendError::Filter(FilterError::new("--filter", e.to_string()));
    let filter = ask.filter.as_deref().map(serde_json::from_str::<Filter>).transpose().map_err(bad_filter)?;
    Ok(Query {
        limit: ask.limit.unwrap_or(DEFAULT_LIMIT),
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
    if let Some(offer) = engine.bundle_offer(view, query, answer)? {
        say!("{}", offer_in_words(&offer))?;
    }
    if !answer.missing_ids.is_empty() {
        say!("not in the catalog: {}", answer.missing_ids.join(", "))?;
    }
    if let Some(source) = answer.fallback {
        say!("filled with what is {}", source.word())?;
    }
    if let Some(reason) = answer.fewer_because {
        say!("fewer than asked: {}", fewer_in_words(reason))?;
    }
    say!("{} in {took_ms:.1} ms", view.generation().name())?;
    Ok(ExitCode::SUCCESS)
}

/// What a set is sold for.
fn offer_in_words(offer: &BundleOffer) -> String {
    let missing = &offer.missing_types;
    let missing =
        if missing.is_empty() { String::new() } else { format!("; nothing in stock is a {}", missing.join(" or ")) };
    let price = match (offer.price, offer.discounted_price, offer.no_discount_because) {
        (Some(price), Some(discounted), None) => {
            format!("costs {discounted} instead of {price} ({:.0} % off)", offer.discount * 100.0)
        }
        (Some(price), _, Some(why)) => format!("costs {price}, no discount: {}", no_discount_in_words(why)),
        (_, _, why) => format!("has no price: {}", why.map_or("it has no products", no_discount_in_words)),
    };
    format!("the set of {} {price}{missing}", offer.products.len())
}

fn no_discount_in_words(why: NoDiscount) -> &'static str {
    match why {
        NoDiscount::NoSet => "nothing completes the set",
        NoDiscount::NoPrice => "a product has no price above 0",
        NoDiscount::Currencies => "its prices are in several currencies",
        NoDiscount::NoCosts => "the feed has no cost_of_goods_sold of every product",
        NoDiscount::Margin => "it would leave too little margin",
        NoDiscount::OrderValue => "it would raise the order's value too little",
        NoDiscount::Settings => "the settings allow none",
    }
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

pub(super) fn fewer_in_words(reason: FewerBecause) -> &'static str {
    match reason {
        FewerBecause::UnknownProducts => "the catalog has none of the products to start from",
        FewerBecause::MinScore => "the others score below --min-score",
        FewerBecause::Filter => "the others are kept out by the filter or are out of stock",
        FewerBecause::Rule => "the others are kept out by the shop's rules",
        FewerBecause::Evidence => "too little is known of this session",
        FewerBecause::NoPrice => "the product has no price above 0",
        FewerBecause::NothingBetter => "no other product is better inside the price band",
        FewerBecause::Interest => "the session shows too little interest for more",
        FewerBecause::NothingDue => "nothing more is due",
        FewerBecause::SetComplete => "the set has as many kinds of things as it may have",
        FewerBecause::NoOrder => "no order of this shopper is known",
        FewerBecause::OutsideWindow => "the order was placed too short or too long a time ago",
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
        "bundle": engine.bundle_offer(view, query, answer)?,
        "fallback": answer.fallback,
        "fewer_because": answer.fewer_because,
        "missing_ids": answer.missing_ids,
        "took_ms": took_ms,
    }))
}
