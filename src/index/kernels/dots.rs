//! Dot products of full-precision vectors.
//!
//! All versions add in the same order, so a score does not depend on the machine: products of halves fused with their addition, which halves
//! are too slow without, products of floats not.

use std::sync::OnceLock;

/// Partial sums kept side by side; they are then added in halves: 16 to 16, 8 to 8, and so on. Every version keeps this order.
const LANES: usize = 32;

/// A dot product of two vectors of equal length.
pub type Dot = fn(&[f32], &[f32]) -> f32;

/// A dot product of a vector with one of half-precision numbers, of equal length.
pub type DotHalf = fn(&[f32], &[u16]) -> f32;

/// The fastest version of [`DotHalf`] that this processor runs; like [`dot`], every version gives the same bits.
pub fn dot_half() -> DotHalf {
    static CHOSEN: OnceLock<DotHalf> = OnceLock::new();
    *CHOSEN.get_or_init(|| *available_dot_half().last().unwrap_or(&(dot_half_portable as DotHalf)))
}

/// The versions that this processor runs, slowest first.
fn available_dot_half() -> Vec<DotHalf> {
    let mut versions: Vec<DotHalf> = vec![dot_half_portable];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has AVX2, F16C and FMA, as was just checked.
            versions.push(|a, b| unsafe { x86::dot_half_avx2(a, b) });
        }
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX-512F and AVX2, as was just checked.
            versions.push(|a, b| unsafe { x86::dot_half_avx512(a, b) });
        }
    }
    versions
}

fn dot_half_portable(a: &[f32], b: &[u16]) -> f32 {
    let b: Vec<f32> = b.iter().map(|bits| half::f16::from_bits(*bits).to_f32()).collect();
    add_by_lanes(a, &b, |sum, a, b| a.mul_add(b, sum))
}

/// Products of a query with rows of half-precision numbers, each with the bits of [`DotHalf`].
///
/// Arguments: the query, all rows' numbers, the rows wanted, and a place for the product of each. Panics if a row is not there or there
/// are fewer places than rows.
pub type DotHalfRows = fn(&[f32], &[u16], &[u32], &mut [f32]);

/// The fastest version of `DotHalfRows` that this processor runs.
pub fn dot_half_rows() -> DotHalfRows {
    static CHOSEN: OnceLock<DotHalfRows> = OnceLock::new();
    *CHOSEN.get_or_init(|| *available_dot_half_rows().last().unwrap_or(&(dot_half_rows_one_by_one as DotHalfRows)))
}

/// The versions that this processor runs, slowest first.
fn available_dot_half_rows() -> Vec<DotHalfRows> {
    let mut versions: Vec<DotHalfRows> = vec![dot_half_rows_one_by_one];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX-512F and AVX2, as was just checked.
        versions.push(|query, halves, rows, out| unsafe { x86::dot_half_rows_avx512(query, halves, rows, out) });
    }
    versions
}

fn dot_half_rows_one_by_one(query: &[f32], halves: &[u16], rows: &[u32], out: &mut [f32]) {
    let dot = dot_half();
    for (row, out) in rows.iter().zip(&mut out[..rows.len()]) {
        *out = dot(query, half_row(halves, query.len(), *row));
    }
}

#[inline(always)]
fn half_row(halves: &[u16], dim: usize, row: u32) -> &[u16] {
    &halves[row as usize * dim..][..dim]
}

/// The fastest dot product that this processor runs.
///
/// All versions add in the same order without fused operations, so a score does not depend on the machine.
pub fn dot() -> Dot {
    static CHOSEN: OnceLock<Dot> = OnceLock::new();
    *CHOSEN.get_or_init(|| *available().last().unwrap_or(&(dot_portable as Dot)))
}

/// The versions that this processor runs, slowest first.
fn available() -> Vec<Dot> {
    let mut versions: Vec<Dot> = vec![dot_portable];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2, as was just checked.
            versions.push(|a, b| unsafe { x86::dot_avx2(a, b) });
        }
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX-512F and AVX2, as was just checked.
            versions.push(|a, b| unsafe { x86::dot_avx512(a, b) });
        }
    }
    versions
}

fn dot_portable(a: &[f32], b: &[f32]) -> f32 {
    add_by_lanes(a, b, |sum, a, b| sum + a * b)
}

/// The sum of products in the order that every version keeps; `add` adds the product of two numbers to a sum.
fn add_by_lanes(a: &[f32], b: &[f32], add: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let ((a_blocks, a_rest), (b_blocks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0f32; LANES];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] = add(sums[lane], a[lane], b[lane]);
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    a_rest.iter().zip(b_rest).fold(sums[0], |sum, (a, b)| add(sum, *a, *b))
}

#[inline(always)]
fn add_rest(sum: f32, a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(sum, |sum, (a, b)| sum + a * b)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{LANES, add_rest, half_row};

    #[target_feature(enable = "avx512f,avx2")]
    pub(super) fn dot_avx512(a: &[f32], b: &[f32]) -> f32 {
        let ((a_blocks, a_rest), (b_blocks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let (mut low, mut high) = (_mm512_setzero_ps(), _mm512_setzero_ps());
        for (a, b) in a_blocks.iter().zip(b_blocks) {
            let (a, b) = (a.as_ptr(), b.as_ptr());
            // SAFETY: a block holds 32 numbers, two registers of 16; loads need no alignment.
            let (a0, a1, b0, b1) = unsafe {
                (_mm512_loadu_ps(a), _mm512_loadu_ps(a.add(16)), _mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)))
            };
            low = _mm512_add_ps(low, _mm512_mul_ps(a0, b0));
            high = _mm512_add_ps(high, _mm512_mul_ps(a1, b1));
        }
        add_rest(add_sixteens((low, high)), a_rest, b_rest)
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn dot_avx2(a: &[f32], b: &[f32]) -> f32 {
        let ((a_blocks, a_rest), (b_blocks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let mut sums = [_mm256_setzero_ps(); 4];
        for (a, b) in a_blocks.iter().zip(b_blocks) {
            for (part, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a block holds 32 numbers, four registers of 8; loads need no alignment.
                let (a, b) =
                    unsafe { (_mm256_loadu_ps(a.as_ptr().add(8 * part)), _mm256_loadu_ps(b.as_ptr().add(8 * part))) };
                *sum = _mm256_add_ps(*sum, _mm256_mul_ps(a, b));
            }
        }
        let (low, high) = (_mm256_add_ps(sums[0], sums[2]), _mm256_add_ps(sums[1], sums[3]));
        add_rest(add_lanes(low, high), a_rest, b_rest)
    }

    /// Four rows at a time, whose sums do not wait for each other.
    #[target_feature(enable = "avx512f,avx2")]
    pub(super) fn dot_half_rows_avx512(query: &[f32], halves: &[u16], rows: &[u32], out: &mut [f32]) {
        let out = &mut out[..rows.len()];
        let (query_blocks, query_rest) = query.as_chunks::<LANES>();
        let (fours, last) = rows.as_chunks::<4>();
        for (four, out) in fours.iter().zip(out.chunks_exact_mut(4)) {
            let four = four.map(|row| half_row(halves, query.len(), row).as_chunks::<LANES>());
            let [(a, _), (b, _), (c, _), (d, _)] = four;
            let zero = (_mm512_setzero_ps(), _mm512_setzero_ps());
            let (mut a_sums, mut b_sums, mut c_sums, mut d_sums) = (zero, zero, zero, zero);
            for ((((query, a), b), c), d) in query_blocks.iter().zip(a).zip(b).zip(c).zip(d) {
                a_sums = add_half_block(a_sums, query, a);
                b_sums = add_half_block(b_sums, query, b);
                c_sums = add_half_block(c_sums, query, c);
                d_sums = add_half_block(d_sums, query, d);
            }
            let sums = add_four_sixteens([a_sums, b_sums, c_sums, d_sums]);
            for ((out, sum), (_, rest)) in out.iter_mut().zip(sums).zip(four) {
                *out = add_half_rest(sum, query_rest, rest);
            }
        }
        for (row, out) in last.iter().zip(&mut out[4 * fours.len()..]) {
            *out = dot_half_avx512(query, half_row(halves, query.len(), *row));
        }
    }

    /// Adds the products of a block, its first and its last 16 numbers apart.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn add_half_block((low, high): (__m512, __m512), a: &[f32; LANES], b: &[u16; LANES]) -> (__m512, __m512) {
        let (a, b) = (a.as_ptr(), b.as_ptr());
        // SAFETY: a block holds 32 numbers: two registers of 16 floats, two of 16 halves; loads need no alignment.
        let (a0, a1, b0, b1) = unsafe {
            let b1 = b.add(16);
            (
                _mm512_loadu_ps(a),
                _mm512_loadu_ps(a.add(16)),
                _mm256_loadu_si256(b.cast()),
                _mm256_loadu_si256(b1.cast()),
            )
        };
        (_mm512_fmadd_ps(a0, _mm512_cvtph_ps(b0), low), _mm512_fmadd_ps(a1, _mm512_cvtph_ps(b1), high))
    }

    /// The sum of two registers of partial sums.
    #[inline]
    #[target_feature(enable = "avx512f,avx2")]
    fn add_sixteens((low, high): (__m512, __m512)) -> f32 {
        let sums = _mm512_add_ps(low, high);
        let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(sums)));
        add_lanes(_mm512_castps512_ps256(sums), upper)
    }

    /// As [`add_sixteens`] for each of four, in the same order, the last steps of all together.
    #[inline]
    #[target_feature(enable = "avx512f,avx2")]
    fn add_four_sixteens([a, b, c, d]: [(__m512, __m512); 4]) -> [f32; 4] {
        let (a, b, c, d) = (four_lanes(a), four_lanes(b), four_lanes(c), four_lanes(d));
        // Lanes 0 and 1 of two rows side by side, and lanes 2 and 3.
        let (low_ab, high_ab) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
        let (low_cd, high_cd) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
        let (ab, cd) = (_mm_add_ps(low_ab, high_ab), _mm_add_ps(low_cd, high_cd));
        let sums = _mm_add_ps(_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab));
        let mut out = [0.0; 4];
        // SAFETY: four numbers are one register; stores need no alignment.
        unsafe { _mm_storeu_ps(out.as_mut_ptr(), sums) };
        out
    }

    /// Sums of every fourth lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx2")]
    fn four_lanes((low, high): (__m512, __m512)) -> __m128 {
        let sums = _mm512_add_ps(low, high);
        let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(sums)));
        let eight = _mm256_add_ps(_mm512_castps512_ps256(sums), upper);
        _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight))
    }

    #[target_feature(enable = "avx512f,avx2")]
    pub(super) fn dot_half_avx512(a: &[f32], b: &[u16]) -> f32 {
        let ((a_blocks, a_rest), (b_blocks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let start = (_mm512_setzero_ps(), _mm512_setzero_ps());
        let sums = a_blocks.iter().zip(b_blocks).fold(start, |sums, (a, b)| add_half_block(sums, a, b));
        add_half_rest(add_sixteens(sums), a_rest, b_rest)
    }

    #[target_feature(enable = "avx2,f16c,fma")]
    pub(super) fn dot_half_avx2(a: &[f32], b: &[u16]) -> f32 {
        let ((a_blocks, a_rest), (b_blocks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let mut sums = [_mm256_setzero_ps(); 4];
        for (a, b) in a_blocks.iter().zip(b_blocks) {
            for (part, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a block holds 32 numbers, four registers of 8; loads need no alignment.
                let (a, b) = unsafe {
                    (_mm256_loadu_ps(a.as_ptr().add(8 * part)), _mm_loadu_si128(b.as_ptr().add(8 * part).cast()))
                };
                *sum = _mm256_fmadd_ps(a, _mm256_cvtph_ps(b), *sum);
            }
        }
        let (low, high) = (_mm256_add_ps(sums[0], sums[2]), _mm256_add_ps(sums[1], sums[3]));
        add_half_rest(add_lanes(low, high), a_rest, b_rest)
    }

    #[inline(always)]
    fn add_half_rest(sum: f32, a: &[f32], b: &[u16]) -> f32 {
        a.iter().zip(b).fold(sum, |sum, (a, b)| a.mul_add(half::f16::from_bits(*b).to_f32(), sum))
    }

    /// Adds 16 lanes in halves.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn add_lanes(low: __m256, high: __m256) -> f32 {
        let eight = _mm256_add_ps(low, high);
        let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_version_gives_the_same_bits_and_the_value_of_the_plain_sum(
            pairs in prop::collection::vec((-1f32..1., -1f32..1.), 0..500),
        ) {
            let (a, b): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let plain: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            for version in available() {
                prop_assert_eq!(version(&a, &b).to_bits(), dot_portable(&a, &b).to_bits());
            }
            prop_assert!((f64::from(dot()(&a, &b)) - plain).abs() < 1e-4);
        }

        #[test]
        fn every_version_of_the_half_precision_product_gives_the_same_bits_and_the_value_of_the_plain_sum(
            pairs in prop::collection::vec((-1f32..1., -1f32..1.), 0..500),
        ) {
            let (a, b): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let halves: Vec<u16> = b.iter().map(|x| half::f16::from_f32(*x).to_bits()).collect();
            let rounded: Vec<f32> = halves.iter().map(|bits| half::f16::from_bits(*bits).to_f32()).collect();
            let plain: f64 = a.iter().zip(&rounded).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            for version in available_dot_half() {
                prop_assert_eq!(version(&a, &halves).to_bits(), dot_half_portable(&a, &halves).to_bits());
            }
            prop_assert!((f64::from(dot_half()(&a, &halves)) - plain).abs() < 1e-4);
        }

        #[test]
        fn products_of_many_rows_have_the_bits_of_one_product_each(
            dim in 1usize..140, num_rows in 1u32..9, picks in prop::collection::vec(any::<u32>(), 0..30), seed in any::<u32>(),
        ) {
            let number = |at: usize| ((at as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) as f32 / (1 << 23) as f32 - 1.0;
            let query: Vec<f32> = (0..dim).map(number).collect();
            let halves: Vec<u16> =
                (0..dim * num_rows as usize).map(|at| half::f16::from_f32(number(at + 7)).to_bits()).collect();
            let rows: Vec<u32> = picks.iter().map(|pick| pick % num_rows).collect();
            for version in available_dot_half_rows() {
                let mut out = vec![0.0; rows.len()];
                version(&query, &halves, &rows, &mut out);
                for (row, product) in rows.iter().zip(out) {
                    let alone = dot_half_portable(&query, half_row(&halves, dim, *row));
                    prop_assert_eq!(product.to_bits(), alone.to_bits());
                }
            }
        }
    }
}
