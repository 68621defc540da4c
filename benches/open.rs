//! Opens a catalog of any size, cold and warm: how long it takes, how much private memory it keeps, and its first questions.
//!
//! `cargo bench --bench open -- FOLDER --base vectors.f32 --dim 384 --names names.txt` makes the catalog of made-up products with these
//! vectors and names; `cargo bench --bench open -- FOLDER` opens it. Two runs, as memory that a build had is not given back at once.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../tests/generation/mod.rs"]
mod generation;

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use generation::{products, publish_vectors, shop};
use kindred::catalog::TextTemplate;
use kindred::embed::{EmbedConfig, Embedder};
use kindred::index::{CatalogDir, Check, Generation, IndexConfig, read_raw_vectors};
use kindred::live::View;
use kindred::rank::RowId;
use kindred::recommend::{Engine, RecommendConfig};

const NUM_QUERIES: usize = 200;

/// Opens a catalog, cold and warm.
#[derive(Parser)]
struct Args {
    /// Where the catalog is, or is made
    folder: PathBuf,
    /// Make it of these vectors: little-endian f32 rows of length 1
    #[arg(long, requires = "names")]
    base: Option<PathBuf>,
    /// Numbers of a vector
    #[arg(long, default_value_t = 384)]
    dim: usize,
    /// Names of the products, a line each, taken in turn
    #[arg(long, requires = "base")]
    names: Option<PathBuf>,
    /// What cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    let embedder =
        std::sync::Arc::new(Embedder::load(&EmbedConfig::default()).expect("the model; run scripts/fetch_model"));
    let dir = shop(&args.folder);
    if let (Some(base), Some(names)) = (&args.base, &args.names) {
        make(&dir, base, names, args.dim, embedder.fingerprint());
        return;
    }
    let open = || dir.open_current(Check::Headers).expect("a whole generation; make it with --base and --names");
    let queries = evenly_spaced(&open());
    let name = dir.current().expect("a readable CURRENT").expect("a generation");
    for entry in std::fs::read_dir(dir.path().join(name)).expect("the generation") {
        forget(&entry.expect("a file").path());
    }
    let serve = |generation| {
        let (template, config) = (TextTemplate::default(), RecommendConfig::default());
        Engine::new(&dir, generation, embedder.clone(), &template, &config).expect("a catalog that can answer")
    };
    for state in ["cold", "warm"] {
        let before = private_mb();
        let (generation, opened) = timed(open);
        let rows = generation.products().num_rows();
        let (engine, prepared) = timed(|| serve(generation));
        let at_rest = private_mb() - before;
        let view = engine.view();
        let mut asked: Vec<f64> = queries.iter().map(|query| timed(|| ask(&view, query)).1).collect();
        let first = asked[0];
        asked.sort_by(f64::total_cmp);
        let (p50, p99, after) = (asked[asked.len() / 2], asked[asked.len() * 99 / 100], private_mb() - before);
        println!(
            "{state}: {rows} products opened in {opened:.2} ms, ready to answer {prepared:.2} ms later, {at_rest:.1} MB of private memory; \
             first question {first:.2} ms, of {} p50 {p50:.3} ms, p99 {p99:.3} ms; {after:.1} MB after them",
            asked.len()
        );
    }
    let (_, hashed) = timed(|| dir.open_current(Check::Hashes).expect("a whole generation"));
    println!("every byte checked against its hash, as a server does before a generation answers: {hashed:.0} ms");
}

fn make(dir: &CatalogDir, base: &std::path::Path, names: &std::path::Path, dim: usize, fingerprint: &str) {
    let vectors = read_raw_vectors(base, dim).expect("the vectors");
    let names = std::fs::read_to_string(names).expect("the names");
    let mut products = products(vectors.len() / dim);
    products.iter_mut().zip(names.lines().cycle()).for_each(|(product, name)| product.title = name.to_owned());
    std::fs::create_dir_all(dir.path()).expect("the folder");
    let manifest = publish_vectors(dir, &products, &vectors, dim, fingerprint, &IndexConfig::default());
    println!("made {} products; run again with the folder alone", manifest.expect("a generation").counts.products);
}

/// The vectors of some products.
fn evenly_spaced(generation: &Generation) -> Vec<Vec<f32>> {
    let rows = generation.products().num_rows();
    (0..NUM_QUERIES).filter_map(|at| generation.vector(RowId((at * rows / NUM_QUERIES) as u32))).collect()
}

fn ask(view: &View, query: &[f32]) {
    let found = view.search(query, 10, None, false).expect("an answer");
    found.iter().for_each(|hit| drop(std::hint::black_box(view.record(hit.row).expect("a record"))));
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let started = Instant::now();
    let done = work();
    (done, started.elapsed().as_secs_f64() * 1000.0)
}

/// Anonymous resident memory of this process in MB.
fn private_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
    line.trim().trim_end_matches("kB").trim().parse::<f64>().expect("a number") / 1024.0
}

/// Drops the file's pages from memory.
fn forget(path: &std::path::Path) {
    let file = std::fs::File::open(path).expect("a readable file");
    file.sync_all().expect("a synced file");
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("advice taken");
}
