//! Sums across the lanes of registers.

use std::arch::x86_64::*;

/// The sum of eight numbers.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn add_eight(sum: __m256i) -> i32 {
    let four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two)))
}

/// The sum of the sixteen numbers of each.
#[inline]
#[target_feature(enable = "avx512f,avx2")]
pub(super) fn add_four(sums: [__m512i; 4]) -> __m128i {
    let [a, b, c, d] = [add_halves(sums[0]), add_halves(sums[1]), add_halves(sums[2]), add_halves(sums[3])];
    let four = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256::<1>(four))
}

// No closure: handed to another function, it would get its registers through memory.
#[inline]
#[target_feature(enable = "avx512f,avx2")]
fn add_halves(sum: __m512i) -> __m256i {
    _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64::<1>(sum))
}
