//! 8 lanes in plain Rust, for processors that the other files do not know; the compiler makes of it what the target has.

use super::Lanes;

const WIDTH: usize = 8;

/// Token of any processor.
#[derive(Clone, Copy)]
pub(super) struct Portable;

#[inline(always)]
fn each<T: Copy, U>(a: [T; WIDTH], f: impl Fn(T) -> U) -> [U; WIDTH] {
    a.map(f)
}

#[inline(always)]
fn pairs<T: Copy + Default>(a: [T; WIDTH], b: [T; WIDTH], f: impl Fn(T, T) -> T) -> [T; WIDTH] {
    let mut out = [T::default(); WIDTH];
    for lane in 0..WIDTH {
        out[lane] = f(a[lane], b[lane]);
    }
    out
}

impl Lanes for Portable {
    const WIDTH: usize = WIDTH;
    const ROWS: usize = 4;
    type F = [f32; WIDTH];
    type I = [i32; WIDTH];

    #[inline(always)]
    unsafe fn load_at(self, from: *const f32) -> Self::F {
        // SAFETY: the caller vouches for the pointer.
        unsafe { from.cast::<Self::F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_i32_at(self, from: *const i32) -> Self::I {
        // SAFETY: the caller vouches for the pointer.
        unsafe { from.cast::<Self::I>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_at(self, to: *mut f32, x: Self::F) {
        // SAFETY: the caller vouches for the pointer.
        unsafe { to.cast::<Self::F>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn store_bytes_at(self, to: *mut u8, x: Self::I) {
        // SAFETY: the caller vouches for the pointer.
        unsafe { to.cast::<[u8; WIDTH]>().write_unaligned(each(x, |x| x as u8)) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; WIDTH]
    }
    #[inline(always)]
    fn splat_i32(self, x: i32) -> Self::I {
        [x; WIDTH]
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        pairs(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        pairs(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        pairs(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        pairs(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // Rounded twice: without the instruction, `f32::mul_add` is a call for every number.
        pairs(pairs(a, b, |a, b| a * b), c, |ab, c| ab + c)
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        pairs(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        pairs(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn abs(self, x: Self::F) -> Self::F {
        each(x, f32::abs)
    }
    #[inline(always)]
    fn round(self, x: Self::F) -> Self::I {
        // Adding 1.5 · 2²³ leaves no room for a fraction, so the addition itself rounds, ties to even; beyond ±2²² that would
        // not hold, but there the whole part is all there is.
        const SHIFT: f32 = 12_582_912.0;
        each(x, |x| if x.abs() < 4_194_304.0 { ((x + SHIFT) - SHIFT) as i32 } else { x as i32 })
    }
    #[inline(always)]
    fn to_f32(self, x: Self::I) -> Self::F {
        each(x, |x| x as f32)
    }
    #[inline(always)]
    fn power_of_2(self, x: Self::I) -> Self::F {
        each(x, |x| f32::from_bits((x.wrapping_add(127) as u32) << 23))
    }
    #[inline(always)]
    fn dot_bytes(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        let product = |a: i32, b: i32, byte: u32| ((a >> (8 * byte)) & 0xFF) * i32::from((b >> (8 * byte)) as i8);
        let dots = pairs(a, b, |a, b| product(a, b, 0) + product(a, b, 1) + product(a, b, 2) + product(a, b, 3));
        pairs(sum, dots, i32::wrapping_add)
    }
    #[inline(always)]
    fn sum(self, x: Self::F) -> f32 {
        ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]))
    }
    #[inline(always)]
    fn greatest(self, x: Self::F) -> f32 {
        x.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}
