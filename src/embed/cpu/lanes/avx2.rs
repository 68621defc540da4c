//! 8 lanes by AVX2 and FMA; four-byte dot products by AVX-VNNI where there is AVX-VNNI.

use std::arch::x86_64::*;

use super::{Lanes, Task, by_intrinsics};

/// Token of a processor with AVX2 and FMA, and with AVX-VNNI if `VNNI`. Made by [`run`] and [`run_vnni`] alone.
#[derive(Clone, Copy)]
pub(super) struct Avx2<const VNNI: bool>(());

/// Runs `task` with AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) fn run(task: impl Task) {
    task.run(Avx2::<false>(()));
}

/// Runs `task` with AVX2, FMA and AVX-VNNI.
#[target_feature(enable = "avx2,fma,avxvnni")]
pub(super) fn run_vnni(task: impl Task) {
    task.run(Avx2::<true>(()));
}

impl<const VNNI: bool> Lanes for Avx2<VNNI> {
    const WIDTH: usize = 8;
    // 12 sums, 2 vectors of weights, 1 of the row's number: 15 of 16 registers.
    const ROWS: usize = 6;
    type F = __m256;
    type I = __m256i;

    #[inline(always)]
    unsafe fn load_at(self, from: *const f32) -> __m256 {
        // SAFETY: the token vouches for the instruction, the caller for the pointer.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_i32_at(self, from: *const i32) -> __m256i {
        // SAFETY: the token vouches for the instruction, the caller for the pointer.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store_at(self, to: *mut f32, x: __m256) {
        // SAFETY: the token vouches for the instruction, the caller for the pointer.
        unsafe { _mm256_storeu_ps(to, x) }
    }
    #[inline(always)]
    unsafe fn store_bytes_at(self, to: *mut u8, x: __m256i) {
        // SAFETY: the token vouches for the instructions, the caller for the pointer.
        unsafe {
            // The low byte of each lane to the front of its half, then both fronts together.
            let low = _mm256_setr_epi8(
                0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1,
                -1, -1, -1, -1, -1,
            );
            let fronts = _mm256_shuffle_epi8(x, low);
            let both = _mm_unpacklo_epi32(_mm256_castsi256_si128(fronts), _mm256_extracti128_si256::<1>(fronts));
            _mm_storel_epi64(to.cast(), both);
        }
    }

    #[inline(always)]
    fn prefetch<T>(self, at: *const T) {
        // SAFETY: the instruction reads nothing; every x86-64 processor has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    by_intrinsics! {
        splat(x: f32) -> __m256 = _mm256_set1_ps(x);
        splat_i32(x: i32) -> __m256i = _mm256_set1_epi32(x);
        add(a: __m256, b: __m256) -> __m256 = _mm256_add_ps(a, b);
        sub(a: __m256, b: __m256) -> __m256 = _mm256_sub_ps(a, b);
        mul(a: __m256, b: __m256) -> __m256 = _mm256_mul_ps(a, b);
        div(a: __m256, b: __m256) -> __m256 = _mm256_div_ps(a, b);
        mul_add(a: __m256, b: __m256, c: __m256) -> __m256 = _mm256_fmadd_ps(a, b, c);
        max(a: __m256, b: __m256) -> __m256 = _mm256_max_ps(a, b);
        min(a: __m256, b: __m256) -> __m256 = _mm256_min_ps(a, b);
        abs(x: __m256) -> __m256 = _mm256_andnot_ps(_mm256_set1_ps(-0.0), x);
        round(x: __m256) -> __m256i = _mm256_cvtps_epi32(x);
        to_f32(x: __m256i) -> __m256 = _mm256_cvtepi32_ps(x);
        power_of_2(x: __m256i) -> __m256 =
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(x, _mm256_set1_epi32(127))));
        dot_bytes(sum: __m256i, a: __m256i, b: __m256i) -> __m256i =
            if VNNI { _mm256_dpbusd_avx_epi32(sum, a, b) } else { widened_dot_bytes(sum, a, b) };
        sum(x: __m256) -> f32 = sum_of_4(_mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x)));
        greatest(x: __m256) -> f32 =
            greatest_of_4(_mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x)));
    }
}

#[inline(always)]
fn sum_of_4(x: __m128) -> f32 {
    // SAFETY: these are SSE instructions, which every x86-64 processor has.
    unsafe {
        let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps::<1>(x, x)))
    }
}

#[inline(always)]
fn greatest_of_4(x: __m128) -> f32 {
    // SAFETY: these are SSE instructions, which every x86-64 processor has.
    unsafe {
        let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_max_ss(x, _mm_shuffle_ps::<1>(x, x)))
    }
}

/// Even bytes and odd bytes apart, as 16-bit numbers, so that nothing saturates.
#[inline(always)]
fn widened_dot_bytes(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: only a token's method calls this, and the token vouches for the instructions.
    unsafe {
        let a_even = _mm256_and_si256(a, _mm256_set1_epi16(0xFF));
        let b_even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(b));
        let even = _mm256_madd_epi16(a_even, b_even);
        let odd = _mm256_madd_epi16(_mm256_srli_epi16::<8>(a), _mm256_srai_epi16::<8>(b));
        _mm256_add_epi32(sum, _mm256_add_epi32(even, odd))
    }
}
