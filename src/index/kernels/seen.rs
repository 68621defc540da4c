//! Which rows a walk has not met yet, by a small table that forgets: rows that share a place push each other out.
//!
//! A row may so be taken for new again, which costs a comparison and changes nothing; a row that was never met is always new. The table
//! stays in the first cache, where a mark for every row of a large index would not.

use std::sync::OnceLock;

/// Moves the rows of a list that are below `num_rows` and not in the table to the front of `out`, in their order, and puts all of them into
/// the table; returns how many were new.
///
/// Arguments: the table, whose length is a power of two; the list, in which no row stands twice; the number of rows; a place for each
/// row of the list and 16 more. Panics if `out` is shorter or the table's length is no power of two.
pub type TakeNew = fn(&mut [u32], &[u32], u32, &mut [u32]) -> usize;

/// Places in `out` beyond one for each row.
pub const SPARE: usize = 16;

/// The fastest version of [`TakeNew`] that this processor runs.
pub fn take_new() -> TakeNew {
    static CHOSEN: OnceLock<TakeNew> = OnceLock::new();
    *CHOSEN.get_or_init(|| *available().last().unwrap_or(&(take_new_portable as TakeNew)))
}

/// The versions that this processor runs, slowest first.
fn available() -> Vec<TakeNew> {
    let mut versions: Vec<TakeNew> = vec![take_new_portable];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has AVX-512F, as was just checked.
        versions.push(|table, list, num_rows, out| unsafe { x86::take_new_avx512(table, list, num_rows, out) });
    }
    versions
}

fn check(table: &[u32], list: &[u32], out: &[u32]) {
    assert!(table.len().is_power_of_two() && out.len() >= list.len() + SPARE);
}

/// Sixteen rows at a time are looked up before they are put in, as the vector version does.
fn take_new_portable(table: &mut [u32], list: &[u32], num_rows: u32, out: &mut [u32]) -> usize {
    check(table, list, out);
    let mask = table.len() - 1;
    let mut len = 0;
    for rows in list.chunks(SPARE) {
        for row in rows {
            out[len] = *row;
            len += usize::from(*row < num_rows && table[*row as usize & mask] != *row);
        }
        for row in rows.iter().filter(|row| **row < num_rows) {
            table[*row as usize & mask] = *row;
        }
    }
    len
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{SPARE, check};

    #[target_feature(enable = "avx512f")]
    pub(super) fn take_new_avx512(table: &mut [u32], list: &[u32], num_rows: u32, out: &mut [u32]) -> usize {
        check(table, list, out);
        let (mask, end) = (_mm512_set1_epi32((table.len() - 1) as i32), _mm512_set1_epi32(num_rows as i32));
        let mut len = 0;
        for rows in list.chunks(SPARE) {
            let lanes = u16::MAX >> (SPARE - rows.len());
            // SAFETY: only the lanes of `rows` are read.
            let rows = unsafe { _mm512_maskz_loadu_epi32(lanes, rows.as_ptr().cast()) };
            let lanes = _mm512_mask_cmplt_epu32_mask(lanes, rows, end);
            let places = _mm512_and_si512(rows, mask);
            // SAFETY: a place is below the table's length, a power of two, because of the mask; `out` has room for all rows of the
            // list and 16 more, so for 16 from `len` on, which is at most the number of rows looked at.
            unsafe {
                let known = _mm512_mask_i32gather_epi32::<4>(rows, lanes, places, table.as_ptr().cast());
                let new = _mm512_mask_cmpneq_epu32_mask(lanes, known, rows);
                _mm512_mask_i32scatter_epi32::<4>(table.as_mut_ptr().cast(), lanes, places, rows);
                _mm512_storeu_si512(out.as_mut_ptr().add(len).cast(), _mm512_maskz_compress_epi32(new, rows));
                len += new.count_ones() as usize;
            }
        }
        len
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_version_gives_every_row_that_was_never_met_and_no_row_that_the_table_holds(
            lists in prop::collection::vec(prop_oneof![prop::collection::hash_set(0u32..400, 0..SPARE), prop::collection::hash_set(0u32..400, 0..70)], 0..12), bits in 4u32..10,
        ) {
            const NUM_ROWS: u32 = 350;
            let versions = available();
            let mut tables = vec![vec![u32::MAX; 1 << bits]; versions.len()];
            let mut met = HashSet::new();
            for list in lists {
                let list: Vec<u32> = list.into_iter().chain([u32::MAX]).collect();
                let before = tables[0].clone();
                let mut outs = Vec::new();
                for (version, table) in versions.iter().zip(&mut tables) {
                    let mut out = vec![0; list.len() + SPARE];
                    let len = version(table, &list, NUM_ROWS, &mut out);
                    outs.push(out[..len].to_vec());
                }
                prop_assert!(outs.iter().all(|out| *out == outs[0]) && tables.iter().all(|table| *table == tables[0]));
                let is_row = |row: &&u32| **row < NUM_ROWS;
                prop_assert!(list.iter().filter(is_row).all(|row| met.contains(row) || outs[0].contains(row)));
                prop_assert!(outs[0].iter().all(|row| *row < NUM_ROWS));
                // In a longer list a row may be pushed out by one that stands before it.
                prop_assert!(list.len() > SPARE || outs[0].iter().all(|row| !before.contains(row)));
                met.extend(list.iter().filter(is_row).copied());
            }
        }
    }
}
