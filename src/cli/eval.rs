//! `kindred eval`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::args_eval::{EvalArgs, EvalProtocol, EvalWindow};
use super::context::Context;
use super::exit::Unanswerable;
use super::output::{number, print_json, say, table, thousands};
use super::progress::BuildBars;
use crate::eval::{
    self, BasketSettings, Bootstrap, ColdSettings, Estimate, EvalError, Ladder, LadderSettings, Learning, MethodReport,
    OrderFile, ProductTexts, Report, Rung, Settings, SliceKind, Split, Task, Window,
};
use crate::events::{EventStore, History, HistoryPart};
use crate::index::Check;
use crate::live::View;

/// Share of the products with enough orders that the ladder holds out.
const HELD_OUT_SHARE: f64 = 0.15;

/// What was measured, as `--json` prints it.
#[derive(Default, Serialize)]
struct Findings {
    reports: Vec<Report>,
    ladder: Vec<Rung>,
    /// Why protocols that nobody chose were left out.
    skipped: Vec<String>,
}

impl Findings {
    fn is_empty(&self) -> bool {
        self.reports.is_empty() && self.ladder.is_empty()
    }
}

/// Whether the events simply hold nothing that the protocol asks about.
fn is_without_cases(error: &anyhow::Error) -> bool {
    error.downcast_ref::<EvalError>().is_some_and(|error| matches!(error, EvalError::NoCases { .. }))
}

pub(super) fn run(context: &Context, args: &EvalArgs) -> Result<ExitCode> {
    if args.protocol == [EvalProtocol::Upsell] {
        return super::eval_upsell::run(context, args);
    }
    if args.protocol == [EvalProtocol::Accessories] {
        return super::eval_accessories::run(context, args);
    }
    let protocols = protocols(args);
    if args.plot.is_some() && !protocols.contains(&EvalProtocol::Ladder) {
        let reason = "--plot draws the evidence ladder, which is not asked: add it to --protocol, or leave --plot out";
        return Err(Unanswerable(reason.to_owned()).into());
    }
    let shop = Shop::open(context, args)?;
    let mut findings = Findings::default();
    for protocol in protocols {
        match shop.measure(protocol, &mut findings) {
            Err(error) if args.protocol.is_empty() && is_without_cases(&error) => {
                findings.skipped.push(error.to_string());
            }
            other => other?,
        }
    }
    if findings.is_empty() {
        return Err(Unanswerable(findings.skipped.join("; ")).into());
    }
    if let (Some(path), false) = (&args.plot, findings.ladder.is_empty()) {
        eval::write_ladder(path, &findings.ladder)?;
    }
    if context.json {
        print_json(&findings)?;
    } else {
        findings.reports.iter().try_for_each(|report| print(report, args.slices))?;
        print_ladder(&findings.ladder)?;
        findings.skipped.iter().try_for_each(|reason| say!("left out: {reason}"))?;
    }
    if args.plot.is_some() && findings.ladder.is_empty() {
        return Err(Unanswerable(format!("there is no ladder to plot; {}", findings.skipped.join("; "))).into());
    }
    Ok(ExitCode::SUCCESS)
}

fn protocols(args: &EvalArgs) -> Vec<EvalProtocol> {
    use EvalProtocol::{Baskets, ColdAnchors, ColdCandidates, ColdSessions, Ladder, Sessions};
    match (&args.protocol[..], &args.train) {
        ([], Some(_)) => vec![Sessions],
        ([], None) if args.orders.is_some() => vec![Baskets, ColdAnchors, ColdCandidates, ColdSessions, Ladder],
        ([], None) => vec![Sessions, Baskets, ColdAnchors, ColdCandidates, ColdSessions, Ladder],
        (chosen, _) => chosen.to_vec(),
    }
}

/// Events, texts and settings of one run.
struct Shop<'a> {
    context: &'a Context,
    args: &'a EvalArgs,
    history: History,
    /// Sessions to ask about, where they are a file of their own.
    test: Option<History>,
    view: Option<View>,
    template: crate::catalog::TextTemplate,
    more_products: Vec<String>,
}

impl<'a> Shop<'a> {
    fn open(context: &'a Context, args: &'a EvalArgs) -> Result<Self> {
        let view = args.catalog.as_deref().map(|catalog| view(context, catalog)).transpose()?;
        let template = match &args.catalog {
            Some(catalog) => context.config.catalog(catalog)?.text,
            None => context.config.catalog.text.clone(),
        };
        let more_products = view.as_ref().map_or(Vec::new(), |view| {
            view.all_rows().iter().filter_map(|row| view.id(crate::rank::RowId(row)).map(str::to_owned)).collect()
        });
        let history = match (&args.train, &args.orders) {
            (Some(train), _) => eval::read_sessions(train)?,
            (None, Some(orders)) => read_orders(context, orders)?,
            (None, None) => own_events(context, args.catalog.as_deref().unwrap_or_default())?,
        };
        let test = args.test.as_deref().map(eval::read_sessions).transpose()?;
        let history = if view.is_some() { only_of(&history, &more_products) } else { history };
        Ok(Self { context, args, history, test, view, template, more_products })
    }

    fn measure(&self, protocol: EvalProtocol, findings: &mut Findings) -> Result<()> {
        let more = || self.more_products.iter().map(String::as_str);
        let EvalArgs { seed, pairs: max_pairs, max_products, .. } = *self.args;
        let k = self.k(protocol);
        let cold = |split| ColdSettings { split, k, seed, max_pairs, max_products };
        let task = match protocol {
            EvalProtocol::Sessions => self.sessions(k)?,
            EvalProtocol::Baskets => eval::baskets(
                &self.history,
                more(),
                BasketSettings { split: self.split(protocol)?, k, seed, max_products },
            )?,
            EvalProtocol::ColdAnchors => eval::cold_anchors(&self.history, more(), cold(self.split(protocol)?))?,
            EvalProtocol::ColdCandidates => eval::cold_candidates(&self.history, more(), cold(self.split(protocol)?))?,
            EvalProtocol::ColdSessions => eval::cold_sessions(&self.history, more(), cold(self.split(protocol)?))?,
            EvalProtocol::CrossSell => {
                let settings = BasketSettings { split: self.split(protocol)?, k, seed, max_products };
                Task { protocol: "cross_sell", ..eval::baskets(&self.history, more(), settings)? }
            }
            EvalProtocol::Upsell | EvalProtocol::Accessories => {
                let reason = "ask for upsell or accessories alone: `kindred eval CATALOG --protocol upsell`";
                return Err(Unanswerable(reason.to_owned()).into());
            }
            EvalProtocol::Ladder => {
                let share = HELD_OUT_SHARE;
                let settings = LadderSettings { split: self.split(protocol)?, k, seed, max_pairs, max_products, share };
                let ladder = Ladder::new(&self.history, more(), settings)?;
                findings.ladder = self.climb(&ladder)?;
                return Ok(());
            }
        };
        findings.reports.push(self.judge(protocol, &task)?);
        Ok(())
    }

    fn sessions(&self, k: usize) -> Result<Task> {
        let task = match &self.test {
            Some(test) => eval::sessions(&self.history, test, k)?,
            None => eval::next_items(&self.history, self.split(EvalProtocol::Sessions)?, k)?,
        };
        Ok(Task { keeps_seen: !self.args.drop_seen, ..task })
    }

    fn judge(&self, protocol: EvalProtocol, task: &Task) -> Result<Report> {
        let texts = self.texts(&task.train)?;
        let bar = self.bar("methods", 14);
        let progress = |done: usize| bar.set_position(done as u64);
        let settings = Settings {
            bootstrap: self.bootstrap(),
            texts: texts.as_ref(),
            reference: self.args.reference.as_deref(),
            progress: &progress,
        };
        let report = match protocol {
            EvalProtocol::Sessions => eval::judge_sessions(task, self.learning(), &settings),
            EvalProtocol::CrossSell => {
                let reason =
                    "name the catalog whose products the orders hold: `kindred eval CATALOG --protocol cross-sell`";
                let view = self.view.as_ref().ok_or_else(|| Unanswerable(reason.to_owned()))?;
                eval::judge_carts(task, view, self.learning(), &settings)
            }
            _ => eval::judge_orders(task, self.learning(), &settings),
        };
        bar.finish_and_clear();
        Ok(report?)
    }

    fn climb(&self, ladder: &Ladder) -> Result<Vec<Rung>> {
        let texts = self.texts(&ladder.task(0).train)?;
        let bar = self.bar("rungs of the ladder", eval::RUNGS.len() as u64);
        let progress = |done: usize| bar.set_position(done as u64);
        let settings = Settings {
            bootstrap: self.bootstrap(),
            texts: texts.as_ref(),
            reference: self.args.reference.as_deref(),
            progress: &progress,
        };
        let rungs = eval::climb(ladder, self.learning(), &settings);
        bar.finish_and_clear();
        Ok(rungs?)
    }

    fn learning(&self) -> Learning<'_> {
        let config = &self.context.config;
        Learning { behavior: &config.behavior, recommend: &config.recommend }
    }

    fn bootstrap(&self) -> Bootstrap {
        Bootstrap { draws: self.args.draws as usize, seed: self.args.seed }
    }

    fn k(&self, protocol: EvalProtocol) -> usize {
        let usual = if protocol == EvalProtocol::Sessions { 20 } else { 10 };
        self.args.k.map_or(usual, |k| k as usize)
    }

    fn texts(&self, train: &History) -> Result<Option<ProductTexts>> {
        let read = |view: &View| ProductTexts::read(train, view, &self.template);
        Ok(self.view.as_ref().map(read).transpose()?)
    }

    /// The window of orders is cut by orders, that of sessions by sessions.
    fn split(&self, protocol: EvalProtocol) -> Result<Split> {
        if let Some(cut) = self.args.cut {
            let until_s = self.args.until.map_or(Ok(u32::MAX), seconds)?;
            return Ok(Split { cut_s: seconds(cut)?, until_s });
        }
        let window = match self.args.window {
            EvalWindow::Test => Window::Test,
            EvalWindow::Validation => Window::Validation,
        };
        let times_s = match protocol {
            EvalProtocol::Sessions => self.history.sessions().map(|session| session.last_s()).collect(),
            _ => eval::order_times(&self.history),
        };
        let too_few = || EvalError::NoCases {
            protocol: protocol.word(),
            reason: "there are fewer than five sessions or orders to split".to_owned(),
        };
        Ok(window.split(&times_s).ok_or_else(too_few)?)
    }

    fn bar(&self, what: &'static str, length: u64) -> ProgressBar {
        let target = if self.context.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(length), target);
        let template = "{msg:18} {bar:30} {human_pos}/{human_len}, {elapsed}";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what);
        bar
    }
}

/// What the catalog's shoppers did.
fn own_events(context: &Context, catalog: &str) -> Result<History> {
    let store = EventStore::open(&context.existing_dir(catalog)?.path(), &context.config.events)?;
    Ok(store.history(&HistoryPart::default())?)
}

/// The orders of a file. Lines that cannot be used are counted aloud: figures without them are of other data.
fn read_orders(context: &Context, path: &Path) -> Result<History> {
    let bars = BuildBars::new(context.quiet || context.json);
    let read = eval::read_orders(path, &mut |read, total| bars.show_import(read, total));
    bars.clear();
    let OrderFile { history, imported } = read?;
    if imported.rejected > 0 {
        tracing::warn!("{} of {} lines cannot be used and are left out", imported.rejected, imported.records);
    }
    Ok(history)
}

/// The newest state of the catalog's generation in use.
fn view(context: &Context, catalog: &str) -> Result<View> {
    Ok(context.engine(catalog, Check::Headers)?.view())
}

/// `history` without what is no product of the shop: postage, vouchers, entries by hand.
fn only_of(history: &History, ids: &[String]) -> History {
    let ids: std::collections::HashSet<&str> = ids.iter().map(String::as_str).collect();
    let is_of: Vec<bool> = history.products().iter().map(|id| ids.contains(&**id)).collect();
    history.filtered(|interaction| is_of[interaction.product as usize])
}

fn seconds(date: jiff::civil::Date) -> Result<u32> {
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp().as_second();
    u32::try_from(midnight).map_err(|_| Unanswerable(format!("{date} is not between 1970 and 2106")).into())
}

/// `.6848`, or `.6848 ±.0090` with half the width of its interval.
fn with_interval(estimate: &Estimate) -> String {
    let half = (estimate.interval.high - estimate.interval.low) / 2.0;
    format!("{} ±{}", decimals(estimate.value), decimals(half))
}

/// Four decimals without the leading zero.
fn decimals(value: f64) -> String {
    format!("{value:.4}").replacen("0.", ".", 1)
}

/// How far the reference is ahead, with a mark where the interval excludes 0.
fn ahead(estimate: &Estimate) -> String {
    let Some(interval) = estimate.reference_ahead else { return "reference".to_owned() };
    let mark = if interval.is_above_0() {
        "+"
    } else if interval.high < 0.0 {
        "-"
    } else {
        "="
    };
    format!("{mark} [{}, {}]", decimals(interval.low), decimals(interval.high))
}

fn print(report: &Report, with_slices: bool) -> Result<()> {
    let Report { protocol, k, num_cases, num_groups, num_products, num_train_sessions, seed, draws, .. } = report;
    say!(
        "{protocol}: {} questions of {} sessions or orders, {} products ranked, {} sessions or orders learned from",
        thousands(*num_cases),
        thousands(*num_groups),
        thousands(*num_products),
        thousands(*num_train_sessions)
    )?;
    let names = [format!("HR@{k}"), format!("MRR@{k}"), format!("nDCG@{k}"), format!("recall@{k}")];
    let mut rows =
        table(&["method", &names[0], &names[1], &names[2], &names[3], "coverage", "alike", "ahead by (MRR)"]);
    for method in &report.methods {
        rows.add_row(row(method));
    }
    say!("{rows}")?;
    say!(
        "± half a 95 % interval of {draws} paired draws, seed {seed}; ahead: by how much `{}` leads\n",
        report.reference
    )?;
    if with_slices { print_slices(report) } else { Ok(()) }
}

fn row(method: &MethodReport) -> Vec<comfy_table::Cell> {
    vec![
        comfy_table::Cell::new(&method.method),
        number(with_interval(&method.hit_rate)),
        number(with_interval(&method.mrr)),
        number(decimals(method.ndcg.value)),
        number(decimals(method.recall.value)),
        number(decimals(method.coverage)),
        number(method.substitute_rate.map_or("-".to_owned(), decimals)),
        number(ahead(&method.mrr)),
    ]
}

fn print_slices(report: &Report) -> Result<()> {
    for (by, title) in [(SliceKind::PopularityDecile, "popularity decile"), (SliceKind::Evidence, "evidence from")] {
        let mut rows = table(&["method", title, "targets", "HR", "MRR"]);
        for method in &report.methods {
            for slice in method.slices.iter().filter(|slice| slice.by == by) {
                rows.add_row([
                    comfy_table::Cell::new(&method.method),
                    number(slice.value),
                    number(thousands(slice.num_targets)),
                    number(decimals(slice.hit_rate)),
                    number(decimals(slice.mrr)),
                ]);
            }
        }
        say!("{rows}")?;
    }
    Ok(())
}

fn print_ladder(rungs: &[Rung]) -> Result<()> {
    let Some(first) = rungs.first() else { return Ok(()) };
    let k = first.report.k;
    say!(
        "evidence ladder: nDCG@{k} of {} questions by orders known of the product",
        thousands(first.report.num_cases)
    )?;
    let names = first.report.methods.iter().map(|method| method.method.as_str());
    let mut rows = table(&std::iter::once("orders").chain(names).collect::<Vec<_>>());
    for rung in rungs {
        let values = rung.report.methods.iter().map(|method| number(with_interval(&method.ndcg)));
        rows.add_row(std::iter::once(number(rung.orders)).chain(values).collect::<Vec<_>>());
    }
    say!("{rows}")?;
    Ok(())
}
