//! Products of vectors for each instruction set, chosen at run time; every version gives the same bits.
//!
//! [`Dot`] multiplies full-precision vectors; [`ScoreRows`] multiplies a query's codes with the codes of many rows, fetching the
//! rows ahead: at the speed of memory, not of arithmetic.

use std::sync::OnceLock;

/// Partial sums kept side by side; they are then added in halves: 16 to 16, 8 to 8, and so on. Every version keeps this order.
const LANES: usize = 32;

/// Bytes that the processor fetches together.
const LINE: usize = 64;

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
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") {
            // SAFETY: the processor has AVX2 and F16C, as was just checked.
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
    dot_portable(a, &b)
}

/// Sum of the squared differences of two rows of signed bytes of equal length, a multiple of 32.
pub type SquaredDistance = fn(&[i8], &[i8]) -> i32;

/// The fastest version of [`SquaredDistance`] that this processor runs.
pub fn squared_distance() -> SquaredDistance {
    static CHOSEN: OnceLock<SquaredDistance> = OnceLock::new();
    *CHOSEN
        .get_or_init(|| *available_squared_distance().last().unwrap_or(&(squared_distance_portable as SquaredDistance)))
}

/// The versions that this processor runs, slowest first.
fn available_squared_distance() -> Vec<SquaredDistance> {
    let mut versions: Vec<SquaredDistance> = vec![squared_distance_portable];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2, as was just checked.
            versions.push(|a, b| unsafe { x86::squared_distance_avx2(a, b) });
        }
        if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has AVX-512F and BW, as was just checked.
            versions.push(|a, b| unsafe { x86::squared_distance_avx512(a, b) });
        }
    }
    versions
}

fn squared_distance_portable(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| (i32::from(*a) - i32::from(*b)).pow(2)).sum()
}

/// Asks for the cache lines of `bytes`, which will be read soon.
#[inline(always)]
pub fn fetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytes.chunks(LINE) {
        // SAFETY: a prefetch reads nothing and never faults; every x86-64 processor has it.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast()) };
    }
}

/// Products of a query's signed codes with rows of four-bit codes, laid out as [`super::codes`] says.
///
/// Arguments: all rows' codes, bytes a row (a multiple of 64), the rows wanted, the query's codes (two bytes a byte of a row), and
/// a place for the product of each row wanted. Panics if a row is not there or a length does not fit.
pub type ScoreRows = fn(&[u8], usize, &[u32], &[i8], &mut [i32]);

/// How many rows ahead memory is asked for.
const FETCH_AHEAD: usize = 8;

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
            versions.push(|codes, stride, rows, query, out| unsafe {
                x86::score_rows_avx2(codes, stride, rows, query, out)
            });
        }
        if is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx2")
        {
            // SAFETY: the processor has AVX-512F, VNNI and AVX2, as was just checked.
            versions.push(|codes, stride, rows, query, out| unsafe {
                x86::score_rows_vnni(codes, stride, rows, query, out)
            });
        }
    }
    versions
}

fn score_rows_portable(codes: &[u8], stride: usize, rows: &[u32], query: &[i8], out: &mut [i32]) {
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

/// Products of each row of a matrix of unsigned bytes with a vector of signed ones. Rows are as long as the vector, a multiple of 64.
pub type Multiply = fn(&[u8], &[i8], &mut [i32]);

/// The fastest version of [`Multiply`] that this processor runs.
pub fn multiply() -> Multiply {
    static CHOSEN: OnceLock<Multiply> = OnceLock::new();
    *CHOSEN.get_or_init(|| *available_multiply().last().unwrap_or(&(multiply_portable as Multiply)))
}

/// The versions that this processor runs, slowest first.
fn available_multiply() -> Vec<Multiply> {
    let mut versions: Vec<Multiply> = vec![multiply_portable];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2, as was just checked.
            versions.push(|matrix, vector, out| unsafe { x86::multiply_avx2(matrix, vector, out) });
        }
        if is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx2")
        {
            // SAFETY: the processor has AVX-512F, VNNI and AVX2, as was just checked.
            versions.push(|matrix, vector, out| unsafe { x86::multiply_vnni(matrix, vector, out) });
        }
    }
    versions
}

fn multiply_portable(matrix: &[u8], vector: &[i8], out: &mut [i32]) {
    for (row, out) in matrix.chunks_exact(vector.len()).zip(out) {
        *out = row.iter().zip(vector).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
    }
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
    let ((a_blocks, a_rest), (b_blocks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0f32; LANES];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    add_rest(sums[0], a_rest, b_rest)
}

#[inline(always)]
fn add_rest(sum: f32, a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(sum, |sum, (a, b)| sum + a * b)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{FETCH_AHEAD, LANES, LINE, add_rest};

    /// Asks for the cache lines of a row that will be read soon.
    #[inline(always)]
    fn fetch(codes: &[u8], stride: usize, row: Option<&u32>) {
        let row = row.and_then(|row| codes.get(*row as usize * stride..)?.get(..stride));
        super::fetch(row.unwrap_or_default());
    }

    /// Four rows at a time: their sums are added up together, and their cache lines are on the way at the same time.
    #[target_feature(enable = "avx512f,avx512vnni,avx2")]
    pub(super) fn score_rows_vnni(codes: &[u8], stride: usize, rows: &[u32], query: &[i8], out: &mut [i32]) {
        let query = query[..2 * stride].as_chunks::<{ 2 * LINE }>().0;
        rows.iter().take(FETCH_AHEAD).for_each(|row| fetch(codes, stride, Some(row)));
        let (fours, rest) = rows.as_chunks::<4>();
        let (out_fours, out_rest) = out[..rows.len()].as_chunks_mut::<4>();
        for (at, (four, out)) in fours.iter().zip(out_fours).enumerate() {
            (4 * at..4 * at + 4).for_each(|at| fetch(codes, stride, rows.get(at + FETCH_AHEAD)));
            let sums = add_four(four.map(|row| product_vnni(codes, stride, row, query)));
            // SAFETY: `out` has room for four numbers; stores need no alignment.
            unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), sums) };
        }
        for (row, out) in rest.iter().zip(out_rest) {
            *out = _mm512_reduce_add_epi32(product_vnni(codes, stride, *row, query));
        }
    }

    /// The sum of the sixteen numbers of each.
    #[inline]
    #[target_feature(enable = "avx512f,avx2")]
    fn add_four(sums: [__m512i; 4]) -> __m128i {
        let [a, b, c, d] =
            sums.map(|sum| _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64::<1>(sum)));
        let four = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
        _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256::<1>(four))
    }

    /// Sixteen partial sums of the products of the row's codes with the query's.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vnni")]
    fn product_vnni(codes: &[u8], stride: usize, row: u32, query: &[[i8; 2 * LINE]]) -> __m512i {
        let row = codes[row as usize * stride..][..stride].as_chunks::<LINE>().0;
        let half = _mm512_set1_epi8(15);
        let (mut low_sum, mut high_sum) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        for (line, query) in row.iter().zip(query) {
            let query = query.as_ptr();
            // SAFETY: a line holds 64 bytes, one register, and its query 128, two; loads need no alignment.
            let (line, low, high) = unsafe {
                (
                    _mm512_loadu_si512(line.as_ptr().cast()),
                    _mm512_loadu_si512(query.cast()),
                    _mm512_loadu_si512(query.add(LINE).cast()),
                )
            };
            low_sum = _mm512_dpbusd_epi32(low_sum, _mm512_and_si512(line, half), low);
            high_sum = _mm512_dpbusd_epi32(high_sum, _mm512_and_si512(_mm512_srli_epi32::<4>(line), half), high);
        }
        _mm512_add_epi32(low_sum, high_sum)
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn score_rows_avx2(codes: &[u8], stride: usize, rows: &[u32], query: &[i8], out: &mut [i32]) {
        const PART: usize = 32;
        let query = query[..2 * stride].as_chunks::<{ 2 * LINE }>().0;
        let (half, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
        rows.iter().take(FETCH_AHEAD).for_each(|row| fetch(codes, stride, Some(row)));
        for (at, (row, out)) in rows.iter().zip(out).enumerate() {
            fetch(codes, stride, rows.get(at + FETCH_AHEAD));
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
    }

    #[target_feature(enable = "avx512f,avx512vnni,avx2")]
    pub(super) fn multiply_vnni(matrix: &[u8], vector: &[i8], out: &mut [i32]) {
        let parts = vector.as_chunks::<LINE>().0;
        let fours = matrix.chunks_exact(4 * vector.len()).zip(out.as_chunks_mut::<4>().0);
        for (rows, out) in fours {
            let row = |at: usize| rows[at * vector.len()..][..vector.len()].as_chunks::<LINE>().0;
            let rows = [row(0), row(1), row(2), row(3)];
            let mut sums = [_mm512_setzero_si512(); 4];
            for (at, part) in parts.iter().enumerate() {
                // SAFETY: a part holds 64 bytes, one register; loads need no alignment.
                let part = unsafe { _mm512_loadu_si512(part.as_ptr().cast()) };
                for (sum, row) in sums.iter_mut().zip(rows) {
                    // SAFETY: as above.
                    *sum = _mm512_dpbusd_epi32(*sum, unsafe { _mm512_loadu_si512(row[at].as_ptr().cast()) }, part);
                }
            }
            // SAFETY: `out` has room for four numbers; stores need no alignment.
            unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), add_four(sums)) };
        }
        let done = matrix.len() / vector.len() / 4 * 4;
        super::multiply_portable(&matrix[done * vector.len()..], vector, &mut out[done..]);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn multiply_avx2(matrix: &[u8], vector: &[i8], out: &mut [i32]) {
        let vector_parts = vector.as_chunks::<16>().0;
        for (row, out) in matrix.chunks_exact(vector.len()).zip(out) {
            let mut sum = _mm256_setzero_si256();
            for (a, b) in row.as_chunks::<16>().0.iter().zip(vector_parts) {
                // SAFETY: a chunk holds 16 bytes, one register; loads need no alignment.
                let (a, b) = unsafe { (_mm_loadu_si128(a.as_ptr().cast()), _mm_loadu_si128(b.as_ptr().cast())) };
                sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_cvtepu8_epi16(a), _mm256_cvtepi8_epi16(b)));
            }
            *out = add_eight(sum);
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn squared_distance_avx2(a: &[i8], b: &[i8]) -> i32 {
        let mut sums = [_mm256_setzero_si256(); 2];
        for (part, (a, b)) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0).enumerate() {
            // SAFETY: a chunk holds 16 bytes, one register; loads need no alignment.
            let (a, b) = unsafe { (_mm_loadu_si128(a.as_ptr().cast()), _mm_loadu_si128(b.as_ptr().cast())) };
            let difference = _mm256_sub_epi16(_mm256_cvtepi8_epi16(a), _mm256_cvtepi8_epi16(b));
            sums[part & 1] = _mm256_add_epi32(sums[part & 1], _mm256_madd_epi16(difference, difference));
        }
        add_eight(_mm256_add_epi32(sums[0], sums[1]))
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn squared_distance_avx512(a: &[i8], b: &[i8]) -> i32 {
        let mut sums = [_mm512_setzero_si512(); 2];
        for (part, (a, b)) in a.as_chunks::<32>().0.iter().zip(b.as_chunks::<32>().0).enumerate() {
            // SAFETY: a chunk holds 32 bytes, one register; loads need no alignment.
            let (a, b) = unsafe { (_mm256_loadu_si256(a.as_ptr().cast()), _mm256_loadu_si256(b.as_ptr().cast())) };
            let difference = _mm512_sub_epi16(_mm512_cvtepi8_epi16(a), _mm512_cvtepi8_epi16(b));
            sums[part & 1] = _mm512_add_epi32(sums[part & 1], _mm512_madd_epi16(difference, difference));
        }
        _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1]))
    }

    /// The sum of eight numbers.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn add_eight(sum: __m256i) -> i32 {
        let four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
        let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
        _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two)))
    }

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
        let sums = _mm512_add_ps(low, high);
        let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(sums)));
        add_rest(add_lanes(_mm512_castps512_ps256(sums), upper), a_rest, b_rest)
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

    #[target_feature(enable = "avx512f,avx2")]
    pub(super) fn dot_half_avx512(a: &[f32], b: &[u16]) -> f32 {
        let ((a_blocks, a_rest), (b_blocks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let (mut low, mut high) = (_mm512_setzero_ps(), _mm512_setzero_ps());
        for (a, b) in a_blocks.iter().zip(b_blocks) {
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
            low = _mm512_add_ps(low, _mm512_mul_ps(a0, _mm512_cvtph_ps(b0)));
            high = _mm512_add_ps(high, _mm512_mul_ps(a1, _mm512_cvtph_ps(b1)));
        }
        let sums = _mm512_add_ps(low, high);
        let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(sums)));
        add_half_rest(add_lanes(_mm512_castps512_ps256(sums), upper), a_rest, b_rest)
    }

    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn dot_half_avx2(a: &[f32], b: &[u16]) -> f32 {
        let ((a_blocks, a_rest), (b_blocks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let mut sums = [_mm256_setzero_ps(); 4];
        for (a, b) in a_blocks.iter().zip(b_blocks) {
            for (part, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a block holds 32 numbers, four registers of 8; loads need no alignment.
                let (a, b) = unsafe {
                    (_mm256_loadu_ps(a.as_ptr().add(8 * part)), _mm_loadu_si128(b.as_ptr().add(8 * part).cast()))
                };
                *sum = _mm256_add_ps(*sum, _mm256_mul_ps(a, _mm256_cvtph_ps(b)));
            }
        }
        let (low, high) = (_mm256_add_ps(sums[0], sums[2]), _mm256_add_ps(sums[1], sums[3]));
        add_half_rest(add_lanes(low, high), a_rest, b_rest)
    }

    #[inline(always)]
    fn add_half_rest(sum: f32, a: &[f32], b: &[u16]) -> f32 {
        a.iter().zip(b).fold(sum, |sum, (a, b)| sum + a * half::f16::from_bits(*b).to_f32())
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
        fn every_version_of_the_half_precision_product_gives_the_bits_of_the_plain_one(
            pairs in prop::collection::vec((-1f32..1., -1f32..1.), 0..500),
        ) {
            let (a, b): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let halves: Vec<u16> = b.iter().map(|x| half::f16::from_f32(*x).to_bits()).collect();
            let rounded: Vec<f32> = halves.iter().map(|bits| half::f16::from_bits(*bits).to_f32()).collect();
            for version in available_dot_half() {
                prop_assert_eq!(version(&a, &halves).to_bits(), dot_portable(&a, &rounded).to_bits());
            }
        }

        #[test]
        fn every_version_scores_rows_as_the_plain_loop(
            lines in 1usize..7, codes in prop::collection::vec(any::<u8>(), 7 * 64 * 12), rows in prop::collection::vec(0u32..12, 0..40),
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
                version(&codes, stride, &rows, &query[..2 * stride], &mut out);
                prop_assert_eq!(&out.iter().map(|x| i64::from(*x)).collect::<Vec<_>>(), &wanted);
            }
        }

        #[test]
        fn every_version_multiplies_bytes_as_the_plain_loop(
            lines in 1usize..9, num_rows in 0usize..7, numbers in prop::collection::vec(any::<u8>(), 9 * 64 * 7),
            vector in prop::collection::vec(any::<i8>(), 9 * 64),
        ) {
            let (stride, vector) = (64 * lines, &vector[..64 * lines]);
            let matrix = &numbers[..num_rows * stride];
            let plain = |row: &[u8]| row.iter().zip(vector).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum::<i64>();
            let wanted: Vec<i64> = matrix.chunks(stride).map(plain).collect();
            for version in available_multiply() {
                let mut out = vec![0; num_rows];
                version(matrix, vector, &mut out);
                prop_assert_eq!(&out.iter().map(|x| i64::from(*x)).collect::<Vec<_>>(), &wanted);
            }
        }

        #[test]
        fn every_version_of_the_squared_distance_is_the_plain_sum(
            pairs in prop::collection::vec((any::<i8>(), any::<i8>()), 0..10).prop_map(|pairs| pairs.repeat(32)),
        ) {
            let (a, b): (Vec<i8>, Vec<i8>) = pairs.into_iter().unzip();
            let wanted: i64 = a.iter().zip(&b).map(|(a, b)| (i64::from(*a) - i64::from(*b)).pow(2)).sum();
            for version in available_squared_distance() {
                prop_assert_eq!(i64::from(version(&a, &b)), wanted);
            }
        }
    }
}
