//! 16 lanes by AVX-512 F, BW and DQ; four-byte dot products by VNNI where there is VNNI.

use std::arch::x86_64::*;

use super::{Lanes, Task, by_intrinsics};

/// Token of a processor with AVX-512 F, BW and DQ, and with VNNI if `VNNI`. Made by [`run`] and [`run_vnni`] alone.
#[derive(Clone, Copy)]
pub(super) struct Avx512<const VNNI: bool>(());

/// Runs `task` with AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx2,fma")]
pub(super) fn run(task: impl Task) {
    task.run(Avx512::<false>(()));
}

/// Runs `task` with AVX-512 and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma")]
pub(super) fn run_vnni(task: impl Task) {
    task.run(Avx512::<true>(()));
}

impl<const VNNI: bool> Lanes for Avx512<VNNI> {
    const WIDTH: usize = 16;
    // 28 sums, 2 vectors of weights, 1 of the row's number: 31 of 32 registers.
    const ROWS: usize = 14;
    type F = __m512;
    type I = __m512i;

    #[inline(always)]
    unsafe fn load_at(self, from: *const f32) -> __m512 {
        // SAFETY: the token vouches for the instruction, the caller for the pointer.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_i32_at(self, from: *const i32) -> __m512i {
        // SAFETY: the token vouches for the instruction, the caller for the pointer.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store_at(self, to: *mut f32, x: __m512) {
        // SAFETY: the token vouches for the instruction, the caller for the pointer.
        unsafe { _mm512_storeu_ps(to, x) }
    }
    #[inline(always)]
    unsafe fn store_bytes_at(self, to: *mut u8, x: __m512i) {
        // SAFETY: the token vouches for the instruction, the caller for the pointer.
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(x)) }
    }

    #[inline(always)]
    fn transpose(self, from: &[f32], from_stride: usize, to: &mut [f32], to_stride: usize) {
        assert!(from.len() >= 15 * from_stride + 16 && to.len() >= 15 * to_stride + 16);
        // SAFETY: the token vouches for the instructions; the assertion leaves 16 numbers at each of 16 rows of both.
        unsafe {
            let mut rows = [_mm512_setzero_ps(); 16];
            for (row, numbers) in rows.iter_mut().enumerate() {
                *numbers = _mm512_loadu_ps(from.as_ptr().add(row * from_stride));
            }
            for (row, numbers) in transposed(rows).into_iter().enumerate() {
                _mm512_storeu_ps(to.as_mut_ptr().add(row * to_stride), numbers);
            }
        }
    }

    #[inline(always)]
    fn prefetch<T>(self, at: *const T) {
        // SAFETY: the instruction reads nothing; every x86-64 processor has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    by_intrinsics! {
        splat(x: f32) -> __m512 = _mm512_set1_ps(x);
        splat_i32(x: i32) -> __m512i = _mm512_set1_epi32(x);
        add(a: __m512, b: __m512) -> __m512 = _mm512_add_ps(a, b);
        sub(a: __m512, b: __m512) -> __m512 = _mm512_sub_ps(a, b);
        mul(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
        div(a: __m512, b: __m512) -> __m512 = _mm512_div_ps(a, b);
        mul_add(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps(a, b, c);
        max(a: __m512, b: __m512) -> __m512 = _mm512_max_ps(a, b);
        min(a: __m512, b: __m512) -> __m512 = _mm512_min_ps(a, b);
        abs(x: __m512) -> __m512 = _mm512_abs_ps(x);
        round(x: __m512) -> __m512i = _mm512_cvtps_epi32(x);
        to_f32(x: __m512i) -> __m512 = _mm512_cvtepi32_ps(x);
        power_of_2(x: __m512i) -> __m512 =
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(x, _mm512_set1_epi32(127))));
        dot_bytes(sum: __m512i, a: __m512i, b: __m512i) -> __m512i =
            if VNNI { _mm512_dpbusd_epi32(sum, a, b) } else { widened_dot_bytes(sum, a, b) };
        sum(x: __m512) -> f32 = _mm512_reduce_add_ps(x);
        greatest(x: __m512) -> f32 = _mm512_reduce_max_ps(x);
    }
}

/// Even bytes and odd bytes apart, as 16-bit numbers, so that nothing saturates.
#[inline(always)]
fn widened_dot_bytes(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: only a token's method calls this, and the token vouches for the instructions.
    unsafe {
        let a_even = _mm512_and_si512(a, _mm512_set1_epi16(0xFF));
        let b_even = _mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(b));
        let even = _mm512_madd_epi16(a_even, b_even);
        let odd = _mm512_madd_epi16(_mm512_srli_epi16::<8>(a), _mm512_srai_epi16::<8>(b));
        _mm512_add_epi32(sum, _mm512_add_epi32(even, odd))
    }
}

/// 16 rows as 16 columns: pairs of rows, then fours within each quarter of a register, then the quarters themselves.
#[inline(always)]
fn transposed(rows: [__m512; 16]) -> [__m512; 16] {
    // SAFETY: only a token's method calls this, and the token vouches for the instructions.
    unsafe {
        let mut fours = rows;
        for four in 0..4 {
            let [a, b, c, d] = [0, 1, 2, 3].map(|row| rows[4 * four + row]);
            let low = [_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d)].map(|pair| _mm512_castps_pd(pair));
            let high = [_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d)].map(|pair| _mm512_castps_pd(pair));
            fours[4 * four] = _mm512_castpd_ps(_mm512_unpacklo_pd(low[0], low[1]));
            fours[4 * four + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low[0], low[1]));
            fours[4 * four + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high[0], high[1]));
            fours[4 * four + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high[0], high[1]));
        }
        let mut out = rows;
        for column in 0..4 {
            let [a, b, c, d] = [0, 4, 8, 12].map(|row| fours[row + column]);
            let even = [_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0x88>(c, d)];
            let odd = [_mm512_shuffle_f32x4::<0xDD>(a, b), _mm512_shuffle_f32x4::<0xDD>(c, d)];
            out[column] = _mm512_shuffle_f32x4::<0x88>(even[0], even[1]);
            out[4 + column] = _mm512_shuffle_f32x4::<0x88>(odd[0], odd[1]);
            out[8 + column] = _mm512_shuffle_f32x4::<0xDD>(even[0], even[1]);
            out[12 + column] = _mm512_shuffle_f32x4::<0xDD>(odd[0], odd[1]);
        }
        out
    }
}
