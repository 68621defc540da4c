//! Products and distances of rows of bytes.

use std::sync::OnceLock;

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

/// Products of each row of a matrix of unsigned bytes with a vector of signed ones. Rows are as long as the vector, a multiple of 64.
pub type Multiply = fn(&[u8], &[i8], &mut [i32]);

/// The fastest version of `Multiply` that this processor runs.
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

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::super::LINE;
    use super::super::sums::{add_eight, add_four};

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
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
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
