//! Queries a second of hnsw_rs on one thread. Built and called by scripts/bench_hnsw_rs.
//!
//! arguments: BASE QUERIES DIM EF...: little-endian f32 rows of length 1. Prints the seconds of the build, then a line "ef recall queries/s" for each EF; exact
//! neighbors are found here. M = 16, ef_construction = 200.

use hnsw_rs::prelude::{DistDot, Hnsw};

const M: usize = 16;
const EF_CONSTRUCTION: usize = 200;
const MAX_LAYERS: usize = 16;
const WANTED: usize = 10;
/// Passes over the queries, of which the fastest counts.
const ROUNDS: usize = 10;
/// A row whose product is this near to the last true neighbor's is as good: copies of one text tie.
const TIE: f32 = 1e-6;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let dim: usize = arguments[3].parse().expect("DIM is a number");
    let [base, queries] = [1, 2].map(|at| read(&arguments[at]));
    let rows: Vec<Vec<f32>> = base.chunks(dim).map(<[f32]>::to_vec).collect();
    let queries: Vec<&[f32]> = queries.chunks(dim).collect();
    let index: Hnsw<'_, f32, DistDot> = Hnsw::new(M, rows.len(), MAX_LAYERS, EF_CONSTRUCTION, DistDot {});
    let numbered: Vec<(&Vec<f32>, usize)> = rows.iter().zip(0..).collect();
    let began = std::time::Instant::now();
    index.parallel_insert(&numbered);
    println!("{}", began.elapsed().as_secs_f64());
    let last: Vec<f32> = queries.iter().map(|query| tenth_best(query, &rows)).collect();
    for ef in &arguments[4..] {
        let width: usize = ef.parse().expect("EF is a number");
        let pass = || -> (f64, Vec<Vec<usize>>) {
            let began = thread_nanoseconds();
            let found = queries.iter().map(|query| search(&index, query, width)).collect();
            ((thread_nanoseconds() - began) / 1e9, found)
        };
        let (first, found) = pass();
        let seconds = (1..ROUNDS).map(|_| pass().0).fold(first, f64::min);
        let is_hit = |query: usize, row: &usize| dot(queries[query], &rows[*row]) >= last[query] - TIE;
        let hits: usize =
            found.iter().enumerate().map(|(query, found)| found.iter().filter(|row| is_hit(query, row)).count()).sum();
        let recall = hits as f64 / (WANTED * queries.len()) as f64;
        println!("{ef} {recall:.4} {:.1}", queries.len() as f64 / seconds);
    }
}

fn search(index: &Hnsw<'_, f32, DistDot>, query: &[f32], width: usize) -> Vec<usize> {
    index.search(query, WANTED, width).iter().map(|near| near.d_id).collect()
}

fn read(path: &str) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("cannot read `{path}`: {error}"));
    bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect()
}

/// Processor time of this thread, as Linux keeps it.
fn thread_nanoseconds() -> f64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells a thread's processor time");
    times.split(' ').next().and_then(|time| time.parse().ok()).expect("the first number is nanoseconds")
}

fn tenth_best(query: &[f32], rows: &[Vec<f32>]) -> f32 {
    let mut products: Vec<f32> = rows.iter().map(|row| dot(query, row)).collect();
    let (_, tenth, _) = products.select_nth_unstable_by(WANTED - 1, |a, b| b.total_cmp(a));
    *tenth
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 32];
    for (a, b) in a.as_chunks::<32>().0.iter().zip(b.as_chunks::<32>().0) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    let done = a.len() / 32 * 32;
    sums.iter().sum::<f32>() + a[done..].iter().zip(&b[done..]).map(|(a, b)| a * b).sum::<f32>()
}
