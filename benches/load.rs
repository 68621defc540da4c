//! Asks a running server at a steady rate, and reports how long answers take from the moment at which each question was due.
//!
//! `cargo bench --bench load -- http://127.0.0.1:8080/v1/shop/recommend requests.jsonl --rate 1000 --seconds 10`
//!
//! A client that waits for an answer before it asks again would ask less just when the server is slow, and so measure less of it. Here a late
//! answer makes the next question of its connection late, and the lateness counts. One thread a connection; the cost of asking is
//! small beside a Python client's, which takes the server's cores.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::Value;

/// Asks a running server at a steady rate.
#[derive(Parser)]
struct Args {
    /// The address to which every body is posted
    url: String,
    /// One JSON body a line, asked in turn; its `intent` or `placement` names the group that it is reported in
    requests: PathBuf,
    /// Questions a second
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    /// How long to ask
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How long to ask before that without counting
    #[arg(long, default_value_t = 2.0)]
    warm_up: f64,
    /// How many questions may be under way
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// What cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// One answer.
struct Answered {
    group: usize,
    /// From when the question was due to when the answer was read.
    waited_ms: f64,
    /// What the server says that it took; `None` for a failure.
    took_ms: Option<f64>,
    is_counted: bool,
}

fn main() {
    let args = Args::parse();
    let text = std::fs::read_to_string(&args.requests).expect("the file of requests can be read");
    let bodies: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    assert!(!bodies.is_empty(), "{} has no requests", args.requests.display());
    let mut names: Vec<String> = bodies.iter().map(|body| group(body)).collect();
    let groups: Vec<String> = names.iter().cloned().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    let group_of: Vec<usize> =
        names.drain(..).map(|name| groups.binary_search(&name).expect("every name is a group")).collect();
    let start = Instant::now() + Duration::from_millis(50);
    let answers: Vec<Answered> = std::thread::scope(|scope| {
        let ask = |connection| {
            let (args, bodies, group_of) = (&args, &bodies, &group_of);
            scope.spawn(move || ask(args, bodies, group_of, connection, start))
        };
        let threads: Vec<_> = (0..args.connections).map(ask).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a client does not panic")).collect()
    });
    report(&groups, &answers, args.seconds);
}

/// What a body is reported as.
fn group(body: &str) -> String {
    let request: Value = serde_json::from_str(body).expect("every line of the file is JSON");
    let name = request.get("placement").or(request.get("intent")).and_then(Value::as_str);
    name.unwrap_or("similar").to_owned()
}

/// Asks every question of one connection at its time.
fn ask(args: &Args, bodies: &[&str], group_of: &[usize], connection: usize, start: Instant) -> Vec<Answered> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let num_questions = (args.rate * (args.warm_up + args.seconds)) as usize;
    let mut answers = Vec::new();
    for at in (connection..num_questions).step_by(args.connections) {
        let due_s = at as f64 / args.rate;
        let due = start + Duration::from_secs_f64(due_s);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let response = agent.post(&args.url).content_type("application/json").send(bodies[at % bodies.len()]);
        let body = response.ok().filter(|response| response.status().is_success());
        let body = body.and_then(|mut response| response.body_mut().read_to_string().ok());
        let waited_ms = due.elapsed().as_secs_f64() * 1000.0;
        let group = group_of[at % bodies.len()];
        answers.push(Answered { group, waited_ms, took_ms: body.and_then(took_ms), is_counted: due_s >= args.warm_up });
    }
    answers
}

/// The server's own figure, which stands last in an answer.
fn took_ms(body: String) -> Option<f64> {
    let (_, rest) = body.rsplit_once("\"took_ms\":")?;
    rest.split(['}', ',']).next()?.trim().parse().ok()
}

fn report(groups: &[String], answers: &[Answered], seconds: f64) {
    let counted: Vec<&Answered> = answers.iter().filter(|answer| answer.is_counted).collect();
    let num_failed = counted.iter().filter(|answer| answer.took_ms.is_none()).count();
    println!("{} questions, {:.0}/s, {num_failed} failed", counted.len(), counted.len() as f64 / seconds);
    println!("{:20} {:>9} {:>25} {:>25}", "", "questions", "at the client p50/p99 ms", "in the server p50/p99 ms");
    let mut lines: BTreeMap<&str, Vec<&Answered>> = BTreeMap::new();
    for answer in counted {
        lines.entry(&groups[answer.group]).or_default().push(answer);
        lines.entry("all").or_default().push(answer);
    }
    for (name, answers) in lines {
        let (p50, p99) = percentiles(answers.iter().map(|answer| answer.waited_ms).collect());
        let (inner50, inner99) = percentiles(answers.iter().filter_map(|answer| answer.took_ms).collect());
        let (client, server) = (format!("{p50:.2} / {p99:.2}"), format!("{inner50:.2} / {inner99:.2}"));
        println!("{name:20} {:>9} {client:>25} {server:>25}", answers.len());
    }
}

fn percentiles(mut numbers: Vec<f64>) -> (f64, f64) {
    numbers.sort_by(f64::total_cmp);
    let at = |share: f64| numbers.get((numbers.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    (at(0.5), at(0.99))
}
