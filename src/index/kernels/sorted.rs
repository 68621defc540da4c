//! Short ascending lists of numbers that take in others, without a branch that cannot be foreseen.

use std::sync::OnceLock;

/// Numbers behind the last of a list, and numbers that are compared at a time.
pub const SPARE: usize = 8;

/// Puts a number in its place in an ascending list and returns the place; `None`, and nothing changes, when the list holds that number or
/// the next higher.
///
/// Arguments: the list and at least [`SPARE`] places more, a multiple of [`SPARE`] altogether, `u64::MAX` in all of those; how many
/// numbers the list has; an even number below `u64::MAX - 1`. The number that the list ends with moves into the first spare place. Panics if
/// there are fewer places.
pub type Insert = fn(&mut [u64], usize, u64) -> Option<usize>;

/// The fastest version of [`Insert`] that this processor runs.
pub fn insert() -> Insert {
    static CHOSEN: OnceLock<Insert> = OnceLock::new();
    *CHOSEN.get_or_init(|| *available_insert().last().unwrap_or(&(insert_portable as Insert)))
}

/// The versions that this processor runs, slowest first.
fn available_insert() -> Vec<Insert> {
    let mut versions: Vec<Insert> = vec![insert_portable];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has AVX-512F, as was just checked.
        versions.push(|list, len, new| unsafe { x86::insert_avx512(list, len, new) });
    }
    versions
}

fn insert_portable(list: &mut [u64], len: usize, new: u64) -> Option<usize> {
    let list = &mut list[..len + 1];
    let at = list[..len].partition_point(|kept| *kept < new);
    if list[at] | 1 == new | 1 {
        return None;
    }
    list.copy_within(at..len, at + 1);
    list[at] = new;
    Some(at)
}

/// Rows and their products, those with at least the product `least`, packed as [`pack`] does, at the front of a list; returns how many.
///
/// Arguments: the rows; the product of each; `least`; a place for each row and [`PACKED_SPARE`] more. Panics if there are fewer.
pub type PackBest = fn(&[u32], &[i32], i32, &mut [u64]) -> usize;

/// Places for packed rows beyond one for each.
pub const PACKED_SPARE: usize = 16;

/// The smaller number is the better row: the product, turned round, then the row, then a bit that is 0. `row` must be below 2^31.
#[inline(always)]
pub fn pack(product: i32, row: u32) -> u64 {
    let turned = product as u32 ^ (u32::MAX >> 1);
    u64::from(turned) << 32 | u64::from(row) << 1
}

/// The fastest version of `PackBest` that this processor runs.
pub fn pack_best() -> PackBest {
    static CHOSEN: OnceLock<PackBest> = OnceLock::new();
    *CHOSEN.get_or_init(|| *available_pack_best().last().unwrap_or(&(pack_best_portable as PackBest)))
}

/// The versions that this processor runs, slowest first.
fn available_pack_best() -> Vec<PackBest> {
    let mut versions: Vec<PackBest> = vec![pack_best_portable];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has AVX-512F, as was just checked.
        versions.push(|rows, products, least, out| unsafe { x86::pack_best_avx512(rows, products, least, out) });
    }
    versions
}

fn pack_best_portable(rows: &[u32], products: &[i32], least: i32, out: &mut [u64]) -> usize {
    // Every row is written and only the good ones counted: which are cannot be foreseen.
    let mut len = 0;
    for (row, product) in rows.iter().zip(products) {
        out[len] = pack(*product, *row);
        len += usize::from(*product >= least);
    }
    len
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{PACKED_SPARE, SPARE};

    #[target_feature(enable = "avx512f")]
    pub(super) fn insert_avx512(list: &mut [u64], len: usize, new: u64) -> Option<usize> {
        let blocks = &mut list.as_chunks_mut::<SPARE>().0[..len / SPARE + 1];
        let news = _mm512_set1_epi64(new as i64);
        let full = blocks.partition_point(|block| block[SPARE - 1] < new);
        // SAFETY: a block is one register; loads need no alignment. The last is not full, and so not below `new` as a whole.
        let kept = unsafe { _mm512_loadu_si512(blocks[full].as_ptr().cast()) };
        let at = full * SPARE + _mm512_cmplt_epu64_mask(kept, news).count_ones() as usize;
        if blocks[at / SPARE][at % SPARE] | 1 == new | 1 {
            return None;
        }
        let mut before = _mm512_setzero_si512();
        for block in &mut blocks[full..] {
            // SAFETY: as above.
            let kept = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
            // Each number's neighbor to the left; where that is smaller than the new one, the new one; in front of it, what is there.
            let moved = _mm512_alignr_epi64::<7>(kept, before);
            let merged = _mm512_min_epu64(kept, _mm512_max_epu64(moved, news));
            // SAFETY: as above, for stores.
            unsafe { _mm512_storeu_si512(block.as_mut_ptr().cast(), merged) };
            before = kept;
        }
        Some(at)
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn pack_best_avx512(rows: &[u32], products: &[i32], least: i32, out: &mut [u64]) -> usize {
        assert!(rows.len() == products.len() && out.len() >= rows.len() + PACKED_SPARE);
        let (least, turn) = (_mm512_set1_epi32(least), _mm512_set1_epi32(i32::MAX));
        let mut len = 0;
        for (rows, products) in rows.chunks(PACKED_SPARE).zip(products.chunks(PACKED_SPARE)) {
            let lanes = u16::MAX >> (PACKED_SPARE - rows.len());
            // SAFETY: only the lanes of `rows`, which are as many as `products`, are read.
            let (rows, products) = unsafe {
                (
                    _mm512_maskz_loadu_epi32(lanes, rows.as_ptr().cast()),
                    _mm512_maskz_loadu_epi32(lanes, products.as_ptr()),
                )
            };
            let good = _mm512_mask_cmpge_epi32_mask(lanes, products, least);
            let rows = _mm512_maskz_compress_epi32(good, rows);
            let turned = _mm512_xor_si512(_mm512_maskz_compress_epi32(good, products), turn);
            let first = pack_eight(_mm512_castsi512_si256(turned), _mm512_castsi512_si256(rows));
            let last = pack_eight(_mm512_extracti64x4_epi64::<1>(turned), _mm512_extracti64x4_epi64::<1>(rows));
            // SAFETY: `out` has room for 16 from `len` on, which is at most the number of rows looked at before.
            unsafe {
                _mm512_storeu_si512(out.as_mut_ptr().add(len).cast(), first);
                _mm512_storeu_si512(out.as_mut_ptr().add(len + 8).cast(), last);
            }
            len += good.count_ones() as usize;
        }
        len
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn pack_eight(turned: __m256i, rows: __m256i) -> __m512i {
        let rows = _mm512_slli_epi64::<1>(_mm512_cvtepu32_epi64(rows));
        _mm512_or_si512(_mm512_slli_epi64::<32>(_mm512_cvtepu32_epi64(turned)), rows)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_version_keeps_a_list_sorted_and_takes_no_number_twice(
            numbers in prop::collection::vec(prop_oneof![0u64..40, any::<u64>()].prop_map(|x| x.min(u64::MAX - 3) & !1), 0..60),
            marked in prop::collection::vec(any::<bool>(), 60),
        ) {
            let places = (numbers.len() + 1).next_multiple_of(SPARE) + SPARE;
            for version in available_insert() {
                let (mut list, mut wanted) = (vec![u64::MAX; places], BTreeSet::new());
                for (number, marked) in numbers.iter().zip(&marked) {
                    let place = version(&mut list, wanted.len(), *number);
                    let is_new = !wanted.contains(number) && !wanted.contains(&(number | 1));
                    let smaller = wanted.iter().filter(|kept| *kept < number).count();
                    prop_assert_eq!(place, is_new.then_some(smaller));
                    if let Some(place) = place {
                        list[place] |= u64::from(*marked);
                        wanted.insert(number | u64::from(*marked));
                    }
                    prop_assert!(list.iter().take(wanted.len()).eq(wanted.iter()));
                    prop_assert!(list[wanted.len()..].iter().all(|spare| *spare == u64::MAX));
                }
            }
        }

        #[test]
        fn every_version_packs_the_rows_that_are_good_enough_in_their_order(
            pairs in prop::collection::vec((0u32..1 << 31, prop_oneof![-9i32..9, any::<i32>()]), 0..50), least in prop_oneof![-9i32..9, any::<i32>()],
        ) {
            let (rows, products): (Vec<u32>, Vec<i32>) = pairs.iter().copied().unzip();
            let good = pairs.iter().filter(|(_, product)| *product >= least);
            let wanted: Vec<u64> =
                good.map(|(row, product)| ((i64::from(i32::MAX) - i64::from(*product)) as u64) << 32 | u64::from(2 * row)).collect();
            for version in available_pack_best() {
                let mut out = vec![0; rows.len() + PACKED_SPARE];
                let len = version(&rows, &products, least, &mut out);
                prop_assert_eq!(&out[..len], &wanted[..]);
            }
        }
    }
}
