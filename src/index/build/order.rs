//! Renumbers the rows in the order of a breadth-first walk, so that rows which are looked at together lie together.

use std::collections::VecDeque;

use super::super::hnsw::{Graph, NONE, UpperLayer};

/// Renumbers `graph`; returns the old row of each new one.
pub(super) fn renumber(graph: &mut Graph) -> Vec<u32> {
    let m0 = 2 * graph.m;
    let order = breadth_first(graph, m0);
    let mut new_row = vec![0u32; order.len()];
    for (new, old) in order.iter().enumerate() {
        new_row[*old as usize] = new as u32;
    }
    let renamed = |link: u32| if link == NONE { NONE } else { new_row[link as usize] };
    let mut links0 = Vec::with_capacity(graph.links0.len());
    for old in &order {
        links0.extend(graph.links0[*old as usize * m0..][..m0].iter().map(|link| renamed(*link)));
    }
    graph.links0 = links0;
    graph.entry_point = graph.entry_point.map(renamed);
    for layer in &mut graph.upper {
        *layer = renumber_layer(layer, graph.m, renamed);
    }
    order
}

fn renumber_layer(layer: &UpperLayer, places: usize, renamed: impl Fn(u32) -> u32) -> UpperLayer {
    let mut rows: Vec<(u32, Vec<u32>)> = layer
        .rows
        .iter()
        .zip(layer.links.chunks(places))
        .map(|(row, links)| (renamed(*row), links.iter().map(|link| renamed(*link)).collect()))
        .collect();
    rows.sort_unstable();
    UpperLayer { rows: rows.iter().map(|(row, _)| *row).collect(), links: rows.into_iter().flat_map(|(_, links)| links).collect() }
}

/// All rows: those that the walk from the entry point reaches first, then the others.
fn breadth_first(graph: &Graph, m0: usize) -> Vec<u32> {
    let num_rows = graph.links0.len() / m0;
    let mut seen = vec![false; num_rows];
    let mut order = Vec::with_capacity(num_rows);
    let mut waiting = VecDeque::new();
    for start in graph.entry_point.into_iter().chain(0..num_rows as u32) {
        if std::mem::replace(&mut seen[start as usize], true) {
            continue;
        }
        waiting.push_back(start);
        while let Some(row) = waiting.pop_front() {
            order.push(row);
            for &next in graph.links0[row as usize * m0..][..m0].iter().take_while(|&&next| next != NONE) {
                if !std::mem::replace(&mut seen[next as usize], true) {
                    waiting.push_back(next);
                }
            }
        }
    }
    order
}
