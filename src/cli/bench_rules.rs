//! `kindred bench rules`: what rules add to the time of an answer. Nothing is saved.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};

use super::bench_times::{Quantiles, Times};
use super::context::Context;
use super::output::{number, print_json, say, table, thousands};
use crate::index::Check;
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::{Engine, Query, Shopper, TrialRules};
use crate::rules::{Notation, RuleSet};

/// Times of answers under one set of rules.
#[derive(Serialize)]
struct Timed {
    rules: String,
    /// Rules whose condition held, on average.
    mean_counted: f64,
    /// Time to compile the set, in milliseconds.
    compile_ms: f64,
    /// Of the answers.
    all: Quantiles,
    /// What is added to the same question without rules.
    added: Quantiles,
}

pub(super) fn run(context: &Context, catalog: &str, num_rules: usize, num_questions: usize) -> Result<ExitCode> {
    let engine = context.engine(catalog, Check::Headers)?;
    let view = engine.view();
    let questions = questions(&view, num_questions);
    let sets = [
        ("none".to_owned(), RuleSet::default()),
        (format!("{} with conditions", thousands(num_rules)), rules(&view, num_rules, true)?),
        (format!("{} that always count", thousands(num_rules)), rules(&view, num_rules, false)?),
    ];
    let mut report: Vec<Timed> = Vec::new();
    let mut plain: Option<Times> = None;
    for (name, set) in sets {
        let began = Instant::now();
        let trial = engine.try_rules(&view, &set)?;
        let compile_ms = began.elapsed().as_secs_f64() * 1e3;
        let times = times(&engine, &view, &questions, &trial)?;
        let mean_counted = trial.num_counted() as f64 / questions.len().max(1) as f64;
        let (all, added) = (times.quantiles(), times.beyond(plain.as_ref().unwrap_or(&times)));
        report.push(Timed { rules: name, mean_counted, compile_ms, all, added });
        plain.get_or_insert(times);
    }
    print(context, &report, questions.len())?;
    Ok(ExitCode::SUCCESS)
}

/// The times of all answers; those of the first round are counted.
fn times(engine: &Engine, view: &View, questions: &[Query], trial: &TrialRules) -> Result<Times> {
    Times::of(questions, |question, round| {
        engine.answer_with(view, &Query { is_counted: round == 0, ..question.clone() }, trial)?;
        Ok(())
    })
}

/// Ten products each, like the one asked about, from every part of the catalog.
fn questions(view: &View, num_questions: usize) -> Vec<Query> {
    let rows: Vec<u32> = view.all_rows().into_iter().collect();
    let question = |at: usize| {
        let row = rows[at * 7919 % rows.len()];
        let device = Some(if at.is_multiple_of(2) { "mobile" } else { "desktop" }.to_owned());
        let placement = Some(["pdp", "cart", "home"][at % 3].to_owned());
        Query {
            anchors: view.id(RowId(row)).map(str::to_owned).into_iter().collect(),
            limit: 10,
            placement,
            shopper: Shopper { device, ..Shopper::default() },
            ..Query::default()
        }
    };
    if rows.is_empty() { Vec::new() } else { (0..num_questions).map(question).collect() }
}

/// Rules of every kind over the catalog's own values; `has_conditions` gives them such as people write.
fn rules(view: &View, num_rules: usize, has_conditions: bool) -> Result<RuleSet> {
    let fields = ["brand", "category", "color", "size", "material"];
    let valued = fields.iter().flat_map(|field| view.values(field).into_iter().map(move |value| (*field, value)));
    let mut values: Vec<(&str, String)> = valued.collect();
    let rows: Vec<u32> = view.all_rows().into_iter().collect();
    let id =
        |at: usize| rows.get(at * 104_729 % rows.len().max(1)).and_then(|row| view.id(RowId(*row))).unwrap_or_default();
    if values.is_empty() {
        values.extend((0..100).map(|at| ("id", id(at).to_owned())));
    }
    let value = |at: usize| {
        let (field, value) = &values[at * 31 % values.len()];
        json!({"key": field, "match": value})
    };
    let rule = |at: usize| {
        let price = 5 + at % 200;
        let dear = json!({"key": "price", "range": {"gte": price * 20}});
        let factor = 1.0 + (1 + at % 40) as f64 / 100.0;
        let then = match at % 8 {
            0 => json!({"exclude": {"must": [value(at), dear]}}),
            1 => json!({"boost": {"filter": {"must": [value(at)]}, "factor": factor}}),
            2 => json!({"bury": {"filter": {"must": [value(at)]}, "factor": 1.0 / factor}}),
            3 => json!({"exclude": {"must": [{"key": "id", "match": id(at)}]}}),
            4 => {
                json!({"boost": {"filter": {"must": [value(at), {"price_ratio": {"gte": 1.0, "lte": 1.5}}]}, "factor": factor}})
            }
            5 => {
                json!({"boost": {"filter": {"must": [{"key": "id", "match": [id(at), id(at + 1), id(at + 2)]}]}, "factor": factor}})
            }
            6 => json!({"pin": {"products": [id(at)], "position": 1 + at % 10}}),
            _ => json!({"cap": {"at_most": 4 + at % 5, "per": "brand", "filter": {"must": [value(at)]}}}),
        };
        let when = match at % 5 {
            _ if !has_conditions => json!({}),
            0 => json!({"must": [{"context": "device", "match": "mobile"}, {"context": "placement", "match": "pdp"}]}),
            1 | 2 => json!({"must": [{"page": {"must": [value(at + 7)]}}]}),
            3 => json!({"must": [{"page": {"must": [{"key": "price", "range": {"gte": price}}]}}, value(at + 3)]}),
            _ => json!({"must": [{"context": "placement", "match": "home"}]}),
        };
        // Of thousands of pins that always count none but the first ten would be seen.
        let is_pin = at % 8 == 6 && !has_conditions && at > 80;
        json!({"id": format!("bench-{at}"), "when": when, "then": if is_pin { json!({"exclude": {"must": [{"key": "id", "match": id(at)}]}}) } else { then }})
    };
    let rules: Vec<Value> = (0..num_rules).map(rule).collect();
    RuleSet::read(&json!({"rules": rules}).to_string(), Notation::Json).context("the generated rules cannot be used")
}

fn print(context: &Context, report: &[Timed], num_questions: usize) -> Result<()> {
    if context.json {
        return print_json(&json!({"questions": num_questions, "rules": report}));
    }
    let mut shown =
        table(&["rules", "count in an answer", "compiled in ms", "p50 us", "p99 us", "added p50 us", "added p99 us"]);
    for line in report {
        let figure = |figure: f64| number(format!("{figure:.1}"));
        shown.add_row([
            line.rules.as_str().into(),
            figure(line.mean_counted),
            figure(line.compile_ms),
            figure(line.all.p50_us),
            figure(line.all.p99_us),
            figure(line.added.p50_us),
            figure(line.added.p99_us),
        ]);
    }
    Ok(say!("{} questions on one thread, ten products each\n{shown}", thousands(num_questions))?)
}
