//! The dot product for each instruction set, chosen at run time; every version gives the same bits.

use std::sync::OnceLock;

/// Partial sums kept side by side; they are then added in halves: 16 to 16, 8 to 8, and so on. Every version keeps this order.
const LANES: usize = 32;

/// A dot product of two vectors of equal length.
pub type Dot = fn(&[f32], &[f32]) -> f32;

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

    use super::{LANES, add_rest};

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
    }
}
