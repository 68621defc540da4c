//! Renumbers the rows: those of the upper layers first, the highest layer's before the others', so that a layer's rows are a range
//! from 0 on and lie together; within a layer by cell, the cells in the order of a breadth-first walk and so the rows of each, so that
//! rows which are looked at together lie together.

use std::collections::VecDeque;

use super::super::hnsw::{Graph, NONE};
use super::cells::Cells;
use super::upper::UpperRows;

/// Rows in their order, and where in it the cells are.
pub(super) struct Order {
    /// The old row of each new one.
    pub(super) rows: Vec<u32>,
    /// First row of each cell in the highest layer, of each cell in the next, …; behind the last, the number of rows.
    pub(super) cell_starts: Vec<u32>,
}

/// Renumbers layer 0's links, the layers above it and the cells, whose centers have `stride` bytes.
pub(super) fn renumber(
    links0: &[u32],
    upper: &[UpperRows],
    m: usize,
    entry: u32,
    cells: &mut Cells,
    stride: usize,
) -> (Graph, Order) {
    let m0 = 2 * m;
    let walk = breadth_first(links0, m0, entry);
    cells.renumber(&walk, stride);
    let order = by_layer_and_cell(walk, upper, cells, stride);
    (renamed(links0, upper, m, &order.rows), order)
}

/// The graph in the new rows, of which `order` gives the old ones.
fn renamed(links0: &[u32], upper: &[UpperRows], m: usize, order: &[u32]) -> Graph {
    let m0 = 2 * m;
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
    Graph { m, links0: new_links0, upper: upper.iter().map(layer).collect() }
}

/// Sorts the rows of `walk` by layer, the highest first, and by cell; within a cell the order stays.
fn by_layer_and_cell(mut walk: Vec<u32>, upper: &[UpperRows], cells: &Cells, stride: usize) -> Order {
    let mut place_of: Vec<usize> = vec![upper.len(); walk.len()];
    for (layer, rows) in upper.iter().enumerate() {
        rows.iter().for_each(|(row, _)| place_of[*row as usize] = upper.len() - 1 - layer);
    }
    let num_cells = cells.centers.len() / stride;
    place_of.iter_mut().zip(&cells.cell_of).for_each(|(place, cell)| *place = *place * num_cells + *cell as usize);
    walk.sort_by_key(|row| place_of[*row as usize]);
    let mut cell_starts = vec![0u32; (upper.len() + 1) * num_cells + 1];
    place_of.iter().for_each(|place| cell_starts[place + 1] += 1);
    let mut sum = 0;
    cell_starts.iter_mut().for_each(|start| {
        sum += *start;
        *start = sum;
    });
    Order { rows: walk, cell_starts }
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
    fn rows_of_upper_layers_come_first_then_cells_and_links_lead_to_the_same_rows() {
        // A ring of four rows; row 2 is in layers 1 and 2, row 3 in layer 1.
        let links0 = [1, NONE, 2, NONE, 3, NONE, 0, NONE];
        let upper = [vec![(2, vec![3]), (3, vec![2])], vec![(2, vec![])]];
        // Rows 0 and 3 are in one cell, 1 and 2 in another.
        let mut cells = Cells { centers: vec![7, 8], cell_of: vec![1, 0, 0, 1] };
        let (graph, order) = renumber(&links0, &upper, 1, 0, &mut cells, 1);
        assert_eq!(order.rows, [2, 3, 0, 1]);
        // The walk meets row 0, and so its cell, first.
        assert_eq!((cells.centers, cells.cell_of), (vec![8, 7], vec![0, 1, 1, 0]));
        assert_eq!(order.cell_starts, [0, 0, 1, 2, 2, 3, 4]);
        assert_eq!(graph.links0, [1, NONE, 2, NONE, 3, NONE, 0, NONE]);
        assert_eq!(graph.upper, [vec![1, 0], vec![NONE]]);
    }
}
