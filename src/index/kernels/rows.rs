//! Products of a query's codes with the codes of many rows, fetched ahead: at the speed of memory, not of arithmetic.

use std::sync::OnceLock;

use super::LINE;

/// Products of a query's signed codes with rows of four-bit codes, laid out as `index::codes` says. Meanwhile asks for other rows,
/// a few at a time: the processor has room for few lines on their way, and would wait if asked for many at once.
///
/// Arguments: all rows' codes, bytes a row (a multiple of 64), the rows wanted, those to ask for, the query's codes (two bytes a byte of
/// a row), and a place for the product of each row wanted. Panics if a row wanted is not there or a length does not fit.
pub type ScoreRows = fn(&[u8], usize, &[u32], &[u32], &[i8], &mut [i32]);

/// How many rows ahead memory is asked for.
const FETCH_AHEAD: usize = 8;

/// As [`ScoreRows`] for rows that nobody has asked for: each is asked for some places ahead of its turn.
pub fn score_unfetched(codes: &[u8], stride: usize, rows: &[u32], query: &[i8], out: &mut [i32]) {
    let (first, ahead) = rows.split_at(rows.len().min(FETCH_AHEAD));
    fetch_rows(codes, stride, first);
    score_rows()(codes, stride, rows, ahead, query, out);
}

#[inline(always)]
fn fetch_rows(codes: &[u8], stride: usize, rows: &[u32]) {
    rows.iter().for_each(|row| super::fetch(codes, *row as usize * stride, stride));
}

/// The fastest version of [`ScoreRows`] that this processor runs.
pub fn score_rows() -> ScoreRows {
    static CHOSEN: OnceLock<ScoreRows> = OnceLock::new();
    *CHOSEN.get_or_init(|| *available_score_rows().last().unwrap_or(&(score_rows_portable as ScoreRows)))
}

/// The versions that this processor runs, slowest first.
fn available_score_rows() -> Vec<ScoreRows> {
    let mut versions: Vec<ScoreRows> = vec![score_rows_portable];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2, as was just checked.
            versions.push(|codes, stride, rows, coming, query, out| unsafe {
                x86::score_rows_avx2(codes, stride, rows, coming, query, out)
            });
        }
        if is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx2")
        {
            // SAFETY: the processor has AVX-512F, VNNI and AVX2, as was just checked.
            versions.push(|codes, stride, rows, coming, query, out| unsafe {
                x86::score_rows_vnni(codes, stride, rows, coming, query, out)
            });
        }
    }
    versions
}

fn score_rows_portable(codes: &[u8], stride: usize, rows: &[u32], coming: &[u32], query: &[i8], out: &mut [i32]) {
    fetch_rows(codes, stride, coming);
    for (row, out) in rows.iter().zip(out) {
        let lines = codes[*row as usize * stride..][..stride].as_chunks::<LINE>().0;
        let query = query[..2 * stride].as_chunks::<{ 2 * LINE }>().0;
        let of_line = |(line, query): (&[u8; LINE], &[i8; 2 * LINE])| -> i32 {
            let (low, high) = query.split_at(LINE);
            let halves = line.iter().zip(low.iter().zip(high));
            halves
                .map(|(code, (l, h))| i32::from(code & 15) * i32::from(*l) + i32::from(code >> 4) * i32::from(*h))
                .sum()
        };
        *out = lines.iter().zip(query).map(of_line).sum();
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::super::sums::{add_eight, add_four};
    use super::{LINE, fetch_rows};

    #[target_feature(enable = "avx512f,avx512vnni,avx2")]
    pub(super) fn score_rows_vnni(
        codes: &[u8],
        stride: usize,
        rows: &[u32],
        coming: &[u32],
        query: &[i8],
        out: &mut [i32],
    ) {
        // A query of a length that is known beforehand stays in registers.
        match stride / LINE {
            1 => score_lines_vnni::<1>(codes, stride, rows, coming, query, out),
            2 => score_lines_vnni::<2>(codes, stride, rows, coming, query, out),
            3 => score_lines_vnni::<3>(codes, stride, rows, coming, query, out),
            4 => score_lines_vnni::<4>(codes, stride, rows, coming, query, out),
            _ => score_lines_vnni::<0>(codes, stride, rows, coming, query, out),
        }
    }

    /// Rows of so many lines, of any number when it is 0. Four rows at a time: their sums are added up together.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vnni,avx2")]
    fn score_lines_vnni<const LINES: usize>(
        codes: &[u8],
        stride: usize,
        rows: &[u32],
        coming: &[u32],
        query: &[i8],
        out: &mut [i32],
    ) {
        let num_lines = if LINES == 0 { stride / LINE } else { LINES };
        let query = &query.as_chunks::<{ 2 * LINE }>().0[..num_lines];
        let out = &mut out[..rows.len()];
        let (fours, rest) = rows.as_chunks::<4>();
        let mut coming = coming.chunks(4);
        let (out_fours, out_rest) = out.as_chunks_mut::<4>();
        for (four, out) in fours.iter().zip(out_fours) {
            fetch_rows(codes, stride, coming.next().unwrap_or_default());
            let mut lines = [&[][..]; 4];
            for (lines, row) in lines.iter_mut().zip(four) {
                *lines = lines_of(codes, stride, *row, num_lines);
            }
            let sums = add_four(products_vnni(lines, query));
            // SAFETY: `out` has room for four numbers; stores need no alignment.
            unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), sums) };
        }
        for (row, out) in rest.iter().zip(out_rest) {
            let [sums] = products_vnni([lines_of(codes, stride, *row, num_lines)], query);
            *out = _mm512_reduce_add_epi32(sums);
        }
        coming.for_each(|rows| fetch_rows(codes, stride, rows));
    }

    #[inline(always)]
    fn lines_of(codes: &[u8], stride: usize, row: u32, num_lines: usize) -> &[[u8; LINE]] {
        &codes[row as usize * stride..][..num_lines * LINE].as_chunks::<LINE>().0[..num_lines]
    }

    /// Sixteen partial sums of the products of each row's codes with the query's.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vnni")]
    fn products_vnni<const ROWS: usize>(rows: [&[[u8; LINE]]; ROWS], query: &[[i8; 2 * LINE]]) -> [__m512i; ROWS] {
        let half = _mm512_set1_epi8(15);
        let (mut low_sums, mut high_sums) = ([_mm512_setzero_si512(); ROWS], [_mm512_setzero_si512(); ROWS]);
        for (at, query) in query.iter().enumerate() {
            let query = query.as_ptr();
            // SAFETY: the query of a line holds 128 bytes, two registers; loads need no alignment.
            let (low, high) = unsafe { (_mm512_loadu_si512(query.cast()), _mm512_loadu_si512(query.add(LINE).cast())) };
            for ((row, low_sum), high_sum) in rows.iter().zip(&mut low_sums).zip(&mut high_sums) {
                // SAFETY: a line holds 64 bytes, one register; loads need no alignment.
                let line = unsafe { _mm512_loadu_si512(row[at].as_ptr().cast()) };
                let upper = _mm512_and_si512(_mm512_srli_epi32::<4>(line), half);
                *low_sum = _mm512_dpbusd_epi32(*low_sum, _mm512_and_si512(line, half), low);
                *high_sum = _mm512_dpbusd_epi32(*high_sum, upper, high);
            }
        }
        for (low_sum, high_sum) in low_sums.iter_mut().zip(high_sums) {
            *low_sum = _mm512_add_epi32(*low_sum, high_sum);
        }
        low_sums
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn score_rows_avx2(
        codes: &[u8],
        stride: usize,
        rows: &[u32],
        coming: &[u32],
        query: &[i8],
        out: &mut [i32],
    ) {
        const PART: usize = 32;
        let query = query[..2 * stride].as_chunks::<{ 2 * LINE }>().0;
        let (half, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
        let mut coming = coming.chunks(1);
        for (row, out) in rows.iter().zip(out) {
            fetch_rows(codes, stride, coming.next().unwrap_or_default());
            let row = codes[*row as usize * stride..][..stride].as_chunks::<LINE>().0;
            let mut sum = _mm256_setzero_si256();
            for (line, query) in row.iter().zip(query) {
                for part in [0, PART] {
                    // SAFETY: each is 32 bytes, one register, of a line of 64 or its query of 128; loads need no alignment.
                    let (codes, low, high) = unsafe {
                        (
                            _mm256_loadu_si256(line.as_ptr().add(part).cast()),
                            _mm256_loadu_si256(query.as_ptr().add(part).cast()),
                            _mm256_loadu_si256(query.as_ptr().add(LINE + part).cast()),
                        )
                    };
                    // A product is at most 15 * 128 and four of them are added: no sum overflows its 16 bits.
                    let low = _mm256_maddubs_epi16(_mm256_and_si256(codes, half), low);
                    let high = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16::<4>(codes), half), high);
                    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_add_epi16(low, high), ones));
                }
            }
            *out = add_eight(sum);
        }
        coming.for_each(|rows| fetch_rows(codes, stride, rows));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_version_scores_rows_as_the_plain_loop(
            lines in 1usize..7, codes in prop::collection::vec(any::<u8>(), 7 * 64 * 12), rows in prop::collection::vec(0u32..12, 0..40),
            coming in prop::collection::vec(any::<u32>(), 0..40),
            query in prop::collection::vec(any::<i8>(), 7 * 128),
        ) {
            let stride = 64 * lines;
            let number = |row: u32, at: usize| {
                let byte = codes[row as usize * stride + at / 128 * 64 + at % 64];
                i64::from(if at % 128 < 64 { byte & 15 } else { byte >> 4 })
            };
            let plain = |row: &u32| (0..2 * stride).map(|at| number(*row, at) * i64::from(query[at])).sum::<i64>();
            let wanted: Vec<i64> = rows.iter().map(plain).collect();
            for version in available_score_rows() {
                let mut out = vec![0; rows.len()];
                version(&codes, stride, &rows, &coming, &query[..2 * stride], &mut out);
                prop_assert_eq!(&out.iter().map(|x| i64::from(*x)).collect::<Vec<_>>(), &wanted);
            }
        }
    }
}
