//! Recall@10 of a graph against exact search, measured at the end of every build.

use rayon::prelude::*;

use super::build::IndexConfig;
use super::error::IndexError;
use super::exact;
use super::hnsw::Hnsw;
use super::search::SearchParams;
use crate::rank::RowId;

/// Most products that are asked.
const MAX_QUERIES: usize = 2000;
const K: usize = 10;
/// How many times as wide as set a search may become to reach the floor: it takes nearly as many times as long.
const WIDEST: usize = 8;

/// The outcome of a measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recall {
    /// Mean share of the exact ten nearest that the graph finds; 1 when there are no rows.
    pub recall_at_10: f64,
    /// How many products were asked.
    pub num_queries: usize,
}

/// Doubles `config.ef_search` until recall reaches the floor, at most up to [`WIDEST`] times as much. Returns the last and what was measured
/// with it, which may still be below the floor.
///
/// Many products of nearly one text crowd a walk: it takes a wider one to get past them, not another graph. Returns an error if the file cannot
/// be searched.
pub fn widen(hnsw: &Hnsw, config: &IndexConfig) -> Result<(usize, Recall), IndexError> {
    let mut ef_search = config.ef_search;
    loop {
        let measured = measure(hnsw, ef_search)?;
        if measured.recall_at_10 >= config.recall_floor || ef_search >= WIDEST * config.ef_search {
            return Ok((ef_search, measured));
        }
        ef_search *= 2;
    }
}

/// Asks the graph and an exact scan for the ten nearest of evenly spaced products, each product itself left out.
///
/// A row counts as found when its score reaches the tenth exact score, as in ann-benchmarks. Returns an error if the file
/// cannot be searched.
fn measure(hnsw: &Hnsw, ef_search: usize) -> Result<Recall, IndexError> {
    let num_queries = hnsw.num_rows().min(MAX_QUERIES);
    if num_queries == 0 {
        return Ok(Recall { recall_at_10: 1.0, num_queries });
    }
    let rows: Vec<RowId> = (0..num_queries).map(|i| RowId((i * hnsw.num_rows() / num_queries) as u32)).collect();
    let recalls: Result<Vec<f64>, IndexError> = rows.par_iter().map(|&row| of_row(hnsw, row, ef_search)).collect();
    Ok(Recall { recall_at_10: recalls?.iter().sum::<f64>() / num_queries as f64, num_queries })
}

fn of_row(hnsw: &Hnsw, row: RowId, ef_search: usize) -> Result<f64, IndexError> {
    let Some(query) = hnsw.vector(row) else { return Ok(0.0) };
    let params = SearchParams { k: K + 1, ef_search, allowed: None, plan: None, enough: None };
    let mut exact = hnsw.search_exact(&query, K + 1, None)?;
    let mut found = hnsw.search(&query, params)?;
    exact.retain(|hit| hit.row != row);
    found.retain(|hit| hit.row != row);
    exact.truncate(K);
    found.truncate(K);
    let Some(last) = exact.last() else { return Ok(1.0) };
    let hits = found.iter().filter(|hit| hit.score >= last.score - exact::TIE).count();
    Ok(hits as f64 / exact.len() as f64)
}
