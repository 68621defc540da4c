//! `kindred bench sources`: what each source adds to the time of an answer.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use super::bench_times::{Quantiles, Times};
use super::context::Context;
use super::output::{number, print_json, say, table, thousands};
use crate::events::EventKind;
use crate::index::Check;
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::{Engine, Intent, MixPart, Query, SessionEvent, Slot, Source, SourceFactors, Stage};

/// Intents whose answers are blended of sources.
const INTENTS: [Intent; 3] = [Intent::Next, Intent::ForYou, Intent::CrossSell];
/// Longest session that is asked about.
const MAX_STEPS: usize = 6;
/// Orders of a product of a cart: with so many, every source of a cart counts.
const MANY_ORDERS: u32 = 100;

/// Times of the answers to one intent.
#[derive(Serialize)]
struct Timed {
    intent: &'static str,
    /// With all sources.
    all: Quantiles,
    sources: Vec<Cost>,
}

/// What a source costs.
#[derive(Serialize)]
struct Cost {
    source: &'static str,
    /// How much longer the same questions take with it than without it.
    added: Quantiles,
}

pub(super) fn run(context: &Context, catalog: &str, num_questions: usize) -> Result<ExitCode> {
    let engine = context.engine(catalog, Check::Headers)?;
    let view = engine.view();
    let report = INTENTS.map(|intent| timed(&engine, &view, intent, num_questions));
    let report: Vec<Timed> = report.into_iter().collect::<Result<_>>()?;
    print(context, &report, num_questions)?;
    Ok(ExitCode::SUCCESS)
}

fn timed(engine: &Engine, view: &View, intent: Intent, num_questions: usize) -> Result<Timed> {
    let questions = questions(view, intent, num_questions);
    let times = |without: Option<Source>| {
        let weights = without.map_or_else(SourceFactors::default, SourceFactors::without);
        let mix = vec![MixPart { intent, share: 1.0 }];
        let slot = Arc::new(Slot { stage: Stage::Discovery, mix, weights, diversity: 0.0, fallback: None });
        Times::of(&questions, |question, _| {
            engine.answer(view, &Query { slot: Some(slot.clone()), ..question.clone() })?;
            Ok(())
        })
    };
    let all = times(None)?;
    let orders = matches!(intent, Intent::ForYou | Intent::CrossSell).then_some(&[MANY_ORDERS][..]);
    let weights = engine.config().weights(intent, orders).unwrap_or_default();
    // Nobody is known who asks: nothing was bought before.
    let counting = Source::ALL.into_iter().filter(|source| weights.of(*source) > 0.0 && *source != Source::Bought);
    let cost = |source: Source| Ok(Cost { source: source.word(), added: all.beyond(&times(Some(source))?) });
    let sources = counting.map(cost).collect::<Result<_>>()?;
    Ok(Timed { intent: intent.word(), all: all.quantiles(), sources })
}

/// Sessions of one to six products from every part of the catalog: looked at, or in the cart.
fn questions(view: &View, intent: Intent, num_questions: usize) -> Vec<Query> {
    let rows: Vec<u32> = view.all_rows().into_iter().collect();
    let kind = if intent == Intent::Next { EventKind::ViewItem } else { EventKind::AddToCart };
    let step = |at: usize| {
        let row = rows[at * 7919 % rows.len()];
        view.id(RowId(row)).map(|id| SessionEvent { id: id.to_owned(), kind })
    };
    let question = |at: usize| {
        let steps = (0..1 + at % MAX_STEPS).filter_map(|number| step(at * MAX_STEPS + number));
        Query { intent, session: steps.collect(), limit: 10, ..Query::default() }
    };
    if rows.is_empty() { Vec::new() } else { (0..num_questions).map(question).collect() }
}

fn print(context: &Context, report: &[Timed], num_questions: usize) -> Result<()> {
    if context.json {
        return print_json(&json!({"questions": num_questions, "intents": report}));
    }
    let figure = |figure: f64| number(format!("{figure:.1}"));
    let mut shown = table(&["intent", "source", "p50 us", "p99 us", "added p50 us", "added p99 us"]);
    for Timed { intent, all, sources } in report {
        shown.add_row([(*intent).into(), "all".into(), figure(all.p50_us), figure(all.p99_us), "".into(), "".into()]);
        for Cost { source, added } in sources {
            let added = [added.p50_us, added.p99_us].map(figure);
            let [p50, p99] = added;
            shown.add_row(["".into(), (*source).into(), "".into(), "".into(), p50, p99]);
        }
    }
    Ok(say!("{} questions of each intent on one thread, ten products each\n{shown}", thousands(num_questions))?)
}
