//! Search over a mapped generation against a plain scan in f64, with and without a filter.

mod generation;

use generation::{DIM, Random, config, products, publish, publish_vectors, shop, unit, vectors};
use kindred::index::{Check, Generation, IndexConfig, IndexError};
use kindred::rank::{RowId, ScoredRow};
use roaring::RoaringBitmap;

const ROWS: usize = 3000;
const SEED: u64 = 7;

fn opened() -> (tempfile::TempDir, Generation, Vec<f32>) {
    let root = tempfile::tempdir().unwrap();
    publish(&shop(root.path()), ROWS, SEED, &config()).unwrap();
    let generation = shop(root.path()).open_current(Check::Hashes).unwrap();
    let vectors = by_row(&generation, &vectors(ROWS, SEED));
    (root, generation, vectors)
}

/// The vectors in the order of the generation's rows, which is its own.
fn by_row(generation: &Generation, vectors: &[f32]) -> Vec<f32> {
    let vector = |row: usize| {
        let id = generation.products().id(RowId(row as u32)).unwrap().strip_prefix("sku/").unwrap();
        &vectors[id.parse::<usize>().unwrap() * DIM..][..DIM]
    };
    (0..vectors.len() / DIM).flat_map(vector).copied().collect()
}

/// A query as shops see them: near some product, equal to none.
fn query(vectors: &[f32], random: &mut Random) -> Vec<f32> {
    let near = &vectors[random.below(ROWS) * DIM..][..DIM];
    unit(near.iter().map(|x| x + 0.1 * random.signed()).collect())
}

fn score(vectors: &[f32], row: u32, query: &[f32]) -> f64 {
    let vector = &vectors[row as usize * DIM..][..DIM];
    vector.iter().zip(query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// How many of `hits` score at least `last`, by a plain loop in f64.
fn count_hits(vectors: &[f32], query: &[f32], hits: &[ScoredRow], last: f64) -> usize {
    hits.iter().filter(|hit| score(vectors, hit.row.0, query) >= last - 1e-6).count()
}

/// The best `k` scores among `allowed`, by a plain loop in f64.
fn best_scores(vectors: &[f32], query: &[f32], k: usize, allowed: impl Fn(u32) -> bool) -> Vec<f64> {
    let rows = (0..(vectors.len() / DIM) as u32).filter(|row| allowed(*row));
    let mut scores: Vec<f64> = rows.map(|row| score(vectors, row, query)).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    scores.truncate(k);
    scores
}

#[test]
fn graph_search_finds_98_percent_of_the_ten_nearest() {
    let (_root, generation, vectors) = opened();
    let mut random = Random(1);
    let mut found = 0;
    for _ in 0..200 {
        let query = query(&vectors, &mut random);
        let best = best_scores(&vectors, &query, 10, |_| true);
        let hits = generation.search(&query, 10, None).unwrap();
        assert_eq!(hits.len(), 10);
        assert!(hits.is_sorted_by(|a, b| a.score >= b.score));
        found += count_hits(&vectors, &query, &hits, best[9]);
    }
    assert!(found >= 1960, "recall@10 was {}", found as f64 / 2000.0);
}

#[test]
fn exact_search_is_the_plain_scan() {
    let (_root, generation, vectors) = opened();
    let mut random = Random(2);
    for _ in 0..20 {
        let query = query(&vectors, &mut random);
        let hits = generation.search_exact(&query, 25, None).unwrap();
        let best = best_scores(&vectors, &query, 25, |_| true);
        assert_eq!(hits.len(), 25);
        // The generation keeps half-precision numbers.
        hits.iter().zip(best).for_each(|(hit, best)| assert!((f64::from(hit.score) - best).abs() < 1e-3));
    }
}

#[test]
fn a_filter_of_any_width_costs_no_hit_and_little_recall() {
    let (_root, generation, vectors) = opened();
    let mut random = Random(3);
    for one_in in [1, 2, 5, 9, 11, 50, 700, 3000] {
        let (mut found, mut wanted) = (0, 0);
        for _ in 0..30 {
            let allowed: RoaringBitmap = (0..ROWS as u32).filter(|_| random.below(one_in) == 0).collect();
            let query = query(&vectors, &mut random);
            let hits = generation.search(&query, 10, Some(&allowed)).unwrap();
            let best = best_scores(&vectors, &query, 10, |row| allowed.contains(row));
            assert_eq!(hits.len(), best.len(), "one in {one_in}");
            assert!(hits.iter().all(|hit| allowed.contains(hit.row.0)));
            let last = best.last().copied().unwrap_or(0.0);
            found += count_hits(&vectors, &query, &hits, last);
            wanted += best.len();
        }
        assert!(found * 100 >= wanted * 95, "recall@10 was {found}/{wanted} with one row in {one_in} allowed");
    }
}

#[test]
fn a_filter_of_rows_that_lie_together_costs_no_hit_and_little_recall_by_any_plan() {
    let (_root, generation, vectors) = opened();
    let mut random = Random(4);
    for share in [2, 3, 4, 8] {
        let (mut found, mut wanted) = (0, 0);
        for _ in 0..30 {
            // One side of the space, so that most queries lie far from what is allowed, but for some rows.
            let side = query(&vectors, &mut random);
            let mut rows: Vec<u32> = (0..ROWS as u32).collect();
            rows.sort_by(|a, b| score(&vectors, *b, &side).total_cmp(&score(&vectors, *a, &side)));
            let allowed: RoaringBitmap = rows[..ROWS / share].iter().copied().collect();
            let query = query(&vectors, &mut random);
            let hits = generation.search(&query, 10, Some(&allowed)).unwrap();
            let best = best_scores(&vectors, &query, 10, |row| allowed.contains(row));
            assert_eq!(hits.len(), best.len(), "one in {share}");
            assert!(hits.iter().all(|hit| allowed.contains(hit.row.0)));
            found += count_hits(&vectors, &query, &hits, best[best.len() - 1]);
            wanted += best.len();
        }
        assert!(found * 100 >= wanted * 95, "recall@10 was {found}/{wanted} with one row in {share} allowed");
    }
}

#[test]
fn vectors_of_many_dimensions_are_found_by_their_best_directions() {
    // 400 numbers that lie in a tilted space of 150: codes hold 256 directions, two lines of memory a row.
    const LARGE: usize = 400;
    let mut random = Random(12);
    let axes: Vec<Vec<f32>> = (0..150).map(|_| (0..LARGE).map(|_| random.signed()).collect()).collect();
    let mut row = |parts: &[f32]| {
        let mut row = vec![0.0; LARGE];
        for (axis, part) in axes.iter().zip(parts) {
            row.iter_mut().zip(axis).for_each(|(x, y)| *x += (part + 0.5 * random.signed()) * y);
        }
        unit(row)
    };
    let mut parts = Random(13);
    let centers: Vec<Vec<f32>> = (0..50).map(|_| (0..150).map(|_| parts.signed()).collect()).collect();
    let all: Vec<f32> = (0..2000).flat_map(|at| row(&centers[at % 50])).collect();
    let queries: Vec<Vec<f32>> = (0..100).map(|at| row(&centers[at % 50])).collect();
    let root = tempfile::tempdir().unwrap();
    publish_vectors(&shop(root.path()), &products(2000), &all, LARGE, "test model", &config()).unwrap();
    let generation = shop(root.path()).open_current(Check::Hashes).unwrap();
    let half: RoaringBitmap = (0..2000).filter(|row| row % 2 == 0).collect();
    let tenth: RoaringBitmap = (0..2000).filter(|row| row % 10 == 0).collect();
    for allowed in [None, Some(&half), Some(&tenth)] {
        let mut found = 0;
        for query in &queries {
            let hits = generation.search(query, 10, allowed).unwrap();
            let exact = generation.search_exact(query, 10, allowed).unwrap();
            found += hits.iter().filter(|hit| exact.contains(hit)).count();
        }
        assert!(found >= 970, "{found} of 1000 with {:?} allowed", allowed.map(RoaringBitmap::len));
    }
}

#[test]
fn every_row_can_be_reached_and_finds_itself() {
    let (_root, generation, _) = opened();
    for row in (0..ROWS as u32).map(RowId) {
        let hits = generation.search(&generation.vector(row).unwrap(), 1, None).unwrap();
        assert!((hits[0].score - 1.0).abs() < 1e-3, "row {} finds {hits:?}", row.0);
    }
}

#[test]
fn copies_of_one_vector_are_all_found() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    let one = unit((0..DIM).map(|i| 1.0 + i as f32).collect());
    let vectors: Vec<f32> = one.repeat(500);
    generation::publish_vectors(&dir, &generation::products(500), &vectors, DIM, "x", &config()).unwrap();
    let generation = dir.open_current(Check::Hashes).unwrap();
    assert_eq!(generation.search(&one, 100, None).unwrap().len(), 100);
}

#[test]
fn tiny_catalogs_answer_what_they_have() {
    for n in [1, 2, 3] {
        let root = tempfile::tempdir().unwrap();
        publish(&shop(root.path()), n, 5, &config()).unwrap();
        let generation = shop(root.path()).open_current(Check::Hashes).unwrap();
        assert_eq!(generation.search(&generation.vector(RowId(0)).unwrap(), 10, None).unwrap().len(), n);
        assert_eq!(generation.vector(RowId(n as u32)), None);
    }
}

#[test]
fn vectors_that_are_not_of_length_1_are_refused_by_row() {
    let root = tempfile::tempdir().unwrap();
    for bad in [f32::NAN, f32::INFINITY, 3.0] {
        let mut vectors = vectors(20, 1);
        vectors[7 * DIM] = bad;
        let products = generation::products(20);
        let error =
            generation::publish_vectors(&shop(root.path()), &products, &vectors, DIM, "x", &config()).unwrap_err();
        assert!(error.to_string().contains("row 7"), "{error}");
    }
    assert!(matches!(shop(root.path()).open_current(Check::Headers), Err(IndexError::NoIndex { .. })));
}

#[test]
fn a_query_of_another_length_is_an_error() {
    let (_root, generation, _) = opened();
    assert!(matches!(generation.search(&[1.0], 10, None), Err(IndexError::Dimension { found: 1, expected: DIM })));
}

#[test]
fn the_same_input_and_seed_give_the_same_files() {
    let files = |seed| {
        let root = tempfile::tempdir().unwrap();
        publish(&shop(root.path()), 800, 3, &IndexConfig { seed, ..config() }).unwrap().files
    };
    assert_eq!(files(1), files(1));
    assert_ne!(files(1)["hnsw.bin"], files(2)["hnsw.bin"], "another seed links in another order");
}

#[test]
fn a_search_that_misses_the_recall_floor_is_widened_until_it_does_not() {
    let built = |recall_floor| {
        let root = tempfile::tempdir().unwrap();
        let narrow = IndexConfig { m: 6, ef_construction: 32, ef_search: 10, recall_floor, ..config() };
        publish(&shop(root.path()), 2000, 1, &narrow).unwrap().build
    };
    let as_set = built(0.0);
    assert_eq!(as_set.ef_search, 10);
    assert!(as_set.recall_at_10 < 0.95, "{}", as_set.recall_at_10);
    let widened = built(0.95);
    assert!([20, 40].contains(&widened.ef_search), "{}", widened.ef_search);
    assert!(widened.recall_at_10 >= 0.95, "{}", widened.recall_at_10);
}

#[test]
fn copies_of_one_text_do_not_crowd_out_what_is_nearer() {
    let mut random = Random(5);
    let texts: Vec<Vec<f32>> = vectors(60, 4).chunks(DIM).map(<[f32]>::to_vec).collect();
    // The cube of a number below 1: one text in three products, most texts in one or none.
    let copied = (0..150).flat_map(|_| {
        let at = (random.below(1000) as f64 / 1000.0).powi(3);
        texts[(at * texts.len() as f64) as usize].clone()
    });
    let root = tempfile::tempdir().unwrap();
    let vectors: Vec<f32> = copied.collect();
    let config = IndexConfig { recall_floor: 0.0, ..IndexConfig::default() };
    publish_vectors(&shop(root.path()), &products(150), &vectors, DIM, "test model", &config).unwrap();
    let generation = shop(root.path()).open_current(Check::Headers).unwrap();
    for text in &texts {
        let found = generation.search(text, 10, None).unwrap();
        let exact = generation.search_exact(text, 10, None).unwrap();
        let scores = |rows: &[ScoredRow]| rows.iter().map(|row| row.score).collect::<Vec<_>>();
        assert_eq!(scores(&found), scores(&exact));
    }
}

/// Vectors that differ by hardly more than codes can tell.
fn near(center: &[f32], spread: f32, n: usize, random: &mut Random) -> Vec<f32> {
    (0..n).flat_map(|_| unit(center.iter().map(|x| x + spread * random.signed()).collect())).collect()
}

#[test]
fn a_shop_of_products_that_are_nearly_the_same_is_built_with_the_defaults() {
    let root = tempfile::tempdir().unwrap();
    let mut random = Random(6);
    let mut all = vectors(200, 1);
    all.extend(near(&vectors(1, 2), 0.08, 500, &mut random));
    let manifest =
        publish_vectors(&shop(root.path()), &products(700), &all, DIM, "test model", &IndexConfig::default()).unwrap();
    assert!(manifest.build.recall_at_10 >= 0.95, "{}", manifest.build.recall_at_10);
    assert_eq!(manifest.build.ef_search, IndexConfig::default().ef_search, "finer codes, not a wider walk");
}

#[test]
fn as_many_as_wanted_come_back_from_a_crowd_that_no_link_leads_out_of() {
    let root = tempfile::tempdir().unwrap();
    let mut random = Random(8);
    let center = vectors(1, 3);
    let mut all: Vec<f32> = (0..3000).flat_map(|_| unit((0..DIM).map(|_| random.signed()).collect())).collect();
    all.extend(near(&center, 0.004, 300, &mut random));
    publish_vectors(&shop(root.path()), &products(3300), &all, DIM, "test model", &config()).unwrap();
    let generation = shop(root.path()).open_current(Check::Headers).unwrap();
    for k in [10, 300, 350, 2000] {
        let found = generation.search(&center, k, None).unwrap();
        assert_eq!(found.len(), k);
    }
}

#[test]
fn a_graph_under_the_recall_floor_is_refused_and_the_old_one_stays() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    publish(&dir, 400, 1, &config()).unwrap();
    let poor = IndexConfig { m: 4, ef_construction: 8, ef_search: 8, recall_floor: 1.0, ..config() };
    let error = publish(&dir, 2000, 2, &poor).unwrap_err();
    assert!(matches!(error, IndexError::RecallTooLow { recall, .. } if recall < 1.0), "{error}");
    assert_eq!(dir.open_current(Check::Hashes).unwrap().name(), "gen-000001");
    assert_eq!(publish(&dir, 400, 2, &config()).unwrap().generation, "gen-000002");
}
