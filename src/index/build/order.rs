//! Renumbers the rows: those of the upper layers first, the highest layer's before the others', so that a layer's rows are a range
//! from 0 on and lie together; within a layer in the order of a breadth-first walk, so that rows which are looked at together lie
//! together.

use std::collections::VecDeque;

use super::super::hnsw::{Graph, NONE};
use super::upper::UpperRows;

/// Renumbers layer 0's links and the layers above it into a graph; returns the old row of each new one too.
pub(super) fn renumber(links0: &[u32], upper: &[UpperRows], m: usize, entry: u32) -> (Graph, Vec<u32>) {
    let m0 = 2 * m;
    let order = by_layer(breadth_first(links0, m0, entry), upper);
    let mut new_row = vec![0u32; order.len()];
    for (new, old) in order.iter().enumerate() {
        new_row[*old as usize] = new as u32;
    }
    let renamed = |link: &u32| if *link == NONE { NONE } else { new_row[*link as usize] };
    let new_links0 = order.iter().flat_map(|old| &links0[*old as usize * m0..][..m0]).map(renamed).collect();
    let layer = |rows: &UpperRows| {
        let mut links = vec![NONE; rows.len() * m];
        for (row, list) in rows {
            let places = &mut links[new_row[*row as usize] as usize * m..][..m];
            places.iter_mut().zip(list).for_each(|(place, link)| *place = renamed(link));
        }
        links
    };
    (Graph { m, links0: new_links0, upper: upper.iter().map(layer).collect() }, order)
}

/// Moves the rows of higher layers to the front; within a layer the order stays.
fn by_layer(mut order: Vec<u32>, upper: &[UpperRows]) -> Vec<u32> {
    let mut layer_of = vec![0usize; order.len()];
    for (layer, rows) in upper.iter().enumerate() {
        rows.iter().for_each(|(row, _)| layer_of[*row as usize] = layer + 1);
    }
    order.sort_by_key(|row| std::cmp::Reverse(layer_of[*row as usize]));
    order
}

/// All rows: those that the walk from `entry` reaches first, then the others.
fn breadth_first(links: &[u32], m0: usize, entry: u32) -> Vec<u32> {
    let num_rows = links.len() / m0;
    let mut seen = vec![false; num_rows];
    let mut order = Vec::with_capacity(num_rows);
    let mut waiting = VecDeque::new();
    for start in std::iter::once(entry).chain(0..num_rows as u32) {
        if std::mem::replace(&mut seen[start as usize], true) {
            continue;
        }
        waiting.push_back(start);
        while let Some(row) = waiting.pop_front() {
            order.push(row);
            for &next in links[row as usize * m0..][..m0].iter().take_while(|&&next| next != NONE) {
                if !std::mem::replace(&mut seen[next as usize], true) {
                    waiting.push_back(next);
                }
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_upper_layers_come_first_and_links_lead_to_the_same_rows() {
        // A ring of four rows; row 2 is in layers 1 and 2, row 3 in layer 1.
        let links0 = [1, NONE, 2, NONE, 3, NONE, 0, NONE];
        let upper = [vec![(2, vec![3]), (3, vec![2])], vec![(2, vec![])]];
        let (graph, order) = renumber(&links0, &upper, 1, 0);
        assert_eq!(order, [2, 3, 0, 1]);
        assert_eq!(graph.links0, [1, NONE, 2, NONE, 3, NONE, 0, NONE]);
        assert_eq!(graph.upper, [vec![1, 0], vec![NONE]]);
    }
}
