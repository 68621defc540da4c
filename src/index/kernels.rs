//! The dot product, compiled once for each instruction set and chosen at run time; every version gives the same bits.

use std::sync::OnceLock;

/// Partial sums kept side by side. A power of two; the order of additions depends on it and on nothing else.
const LANES: usize = 32;

/// A dot product of two vectors of equal length.
pub type Dot = fn(&[f32], &[f32]) -> f32;

/// The fastest dot product that this processor runs.
///
/// All versions add in the same order without fused operations, so a score does not depend on the machine.
pub fn dot() -> Dot {
    static CHOSEN: OnceLock<Dot> = OnceLock::new();
    *CHOSEN.get_or_init(choose)
}

#[cfg(target_arch = "x86_64")]
fn choose() -> Dot {
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has AVX-512F, as was just checked.
        |a, b| unsafe { dot_avx512(a, b) }
    } else if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as was just checked.
        |a, b| unsafe { dot_avx2(a, b) }
    } else {
        dot_portable
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn choose() -> Dot {
    dot_portable
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn dot_avx512(a: &[f32], b: &[f32]) -> f32 {
    dot_portable(a, b)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn dot_avx2(a: &[f32], b: &[f32]) -> f32 {
    dot_portable(a, b)
}

#[inline(always)]
fn dot_portable(a: &[f32], b: &[f32]) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
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
    a_rest.iter().zip(b_rest).fold(sums[0], |sum, (a, b)| sum + a * b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_version_gives_the_same_bits_and_the_value_of_the_plain_sum(pairs in prop::collection::vec((-1f32..1., -1f32..1.), 0..500)) {
            let (a, b): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let plain: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            prop_assert_eq!(dot()(&a, &b).to_bits(), dot_portable(&a, &b).to_bits());
            prop_assert!((f64::from(dot()(&a, &b)) - plain).abs() < 1e-4);
        }
    }
}
