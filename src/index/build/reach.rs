//! Makes every row reachable from the entry point: pruning can cut all links that lead to a row.

use super::super::hnsw::NONE;
use super::layer0::Layer0;

/// Passes over the rows; in each, a link that is given up for a lost row may cut off another one.
const ROUNDS: usize = 8;

/// Links every row that a walk from `entry` cannot reach from a similar row that it can.
///
/// Links are put in free places where the nearest rows have one; else the nearest row's last link gives way.
pub(super) fn connect(layer: &mut Layer0<'_>, rows: &[u32], entry: u32, width: usize) {
    for _ in 0..ROUNDS {
        let mut reached = vec![false; layer.num_rows()];
        spread(layer, entry, &mut reached);
        let mut is_whole = true;
        for &row in rows {
            if !reached[row as usize] {
                is_whole = false;
                attach(layer, row, entry, width);
                spread(layer, row, &mut reached);
            }
        }
        if is_whole {
            return;
        }
    }
}

fn attach(layer: &mut Layer0<'_>, row: u32, entry: u32, width: usize) {
    let near = layer.nearest(row, entry, width);
    let free_place = |from: &u32| layer.list(*from).iter().position(|link| *link == NONE).map(|place| (*from, place));
    let last_place = || near.first().map(|from| (*from, layer.list(*from).len() - 1));
    if let Some((from, place)) = near.iter().find_map(free_place).or_else(last_place) {
        layer.list_mut(from)[place] = row;
    }
}

/// Marks all rows that links lead to from `start`.
fn spread(layer: &Layer0<'_>, start: u32, reached: &mut [bool]) {
    let mut waiting = vec![start];
    reached[start as usize] = true;
    while let Some(row) = waiting.pop() {
        for &next in layer.list(row).iter().take_while(|link| **link != NONE) {
            if !std::mem::replace(&mut reached[next as usize], true) {
                waiting.push(next);
            }
        }
    }
}
