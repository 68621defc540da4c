//! Vectors of lanes: the few operations that the kernels are written in, once for each instruction set.
//!
//! A value of a type that implements [`Lanes`] is a token: it exists only where the processor has the instructions, so
//! arithmetic on it is safe. A kernel is a [`Task`], generic over the token; [`InstructionSet::run`] compiles it for each
//! instruction set and runs the one it was asked for. Everything inside a task is inlined into that one function, which is
//! what lets the compiler use the wide registers.
//!
//! | file | subject |
//! |---|---|
//! | `avx512` | 16 lanes; with or without VNNI |
//! | `avx2` | 8 lanes; with or without AVX-VNNI |
//! | `portable` | 8 lanes in plain Rust |

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use portable::Portable;

/// Most vectors of one row that a micro-kernel holds in registers.
pub(in crate::embed) const PANEL_VECTORS: usize = 2;

/// Operations on vectors of [`Lanes::WIDTH`] f32 or i32 numbers.
///
/// Loads and stores take the first [`Lanes::WIDTH`] numbers of a slice and panic if it is shorter, as indexing does.
pub(in crate::embed) trait Lanes: Copy {
    /// Numbers in a vector.
    const WIDTH: usize;
    /// Numbers in a panel of packed weights.
    const PANEL: usize = Self::WIDTH * PANEL_VECTORS;
    /// Rows whose sums fit the registers beside one panel row.
    const ROWS: usize;
    /// A vector of f32.
    type F: Copy;
    /// A vector of i32.
    type I: Copy;

    /// Reads a vector. The pointer must be valid for [`Lanes::WIDTH`] numbers, of any alignment.
    unsafe fn load_at(self, from: *const f32) -> Self::F;
    /// Reads a vector. The pointer must be valid for [`Lanes::WIDTH`] numbers, of any alignment.
    unsafe fn load_i32_at(self, from: *const i32) -> Self::I;
    /// Writes a vector. The pointer must be valid for [`Lanes::WIDTH`] numbers, of any alignment.
    unsafe fn store_at(self, to: *mut f32, x: Self::F);
    /// The low byte of each lane, in order. The pointer must be valid for [`Lanes::WIDTH`] bytes.
    unsafe fn store_bytes_at(self, to: *mut u8, x: Self::I);

    fn splat(self, x: f32) -> Self::F;
    fn splat_i32(self, x: i32) -> Self::I;
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a · b + c`, rounded once where the processor can.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The greater; `b` where either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The lesser; `b` where either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn abs(self, x: Self::F) -> Self::F;
    /// To the nearest whole number, ties to even. Lanes must be within ±2³⁰; of NaN, some whole number.
    fn round(self, x: Self::F) -> Self::I;
    fn to_f32(self, x: Self::I) -> Self::F;
    /// 2 to the power of each lane, which must be in -126..=127; of any other, some number.
    fn power_of_2(self, x: Self::I) -> Self::F;
    /// Adds to each lane the dot product of four unsigned bytes of `a` with four signed bytes of `b`, exactly.
    fn dot_bytes(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I;
    /// Sum of the lanes, in an order that depends on nothing but the instruction set.
    fn sum(self, x: Self::F) -> f32;
    /// The greatest lane; any of them where one is NaN.
    fn greatest(self, x: Self::F) -> f32;

    /// Asks for the cache line at an address that will be read soon. Any address will do.
    #[inline(always)]
    fn prefetch<T>(self, _at: *const T) {}

    /// Writes `WIDTH` rows of `WIDTH` numbers, `from_stride` apart, as columns, their rows `to_stride` apart.
    #[inline(always)]
    fn transpose(self, from: &[f32], from_stride: usize, to: &mut [f32], to_stride: usize) {
        for row in 0..Self::WIDTH {
            for column in 0..Self::WIDTH {
                to[column * to_stride + row] = from[row * from_stride + column];
            }
        }
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::F {
        assert!(from.len() >= Self::WIDTH);
        // SAFETY: the slice is long enough, as was just checked.
        unsafe { self.load_at(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, to: &mut [f32], x: Self::F) {
        assert!(to.len() >= Self::WIDTH);
        // SAFETY: the slice is long enough, as was just checked.
        unsafe { self.store_at(to.as_mut_ptr(), x) }
    }

    #[inline(always)]
    fn store_bytes(self, to: &mut [u8], x: Self::I) {
        assert!(to.len() >= Self::WIDTH);
        // SAFETY: the slice is long enough, as was just checked.
        unsafe { self.store_bytes_at(to.as_mut_ptr(), x) }
    }
}

/// A piece of work that is compiled for each instruction set. `run` must be `#[inline(always)]`, and so must all it calls.
pub(in crate::embed) trait Task {
    fn run<L: Lanes>(self, lanes: L);
}

/// The instruction sets that kernels are compiled for. A value exists only where the processor has the instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embed) struct InstructionSet(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl InstructionSet {
    /// Every instruction set that this processor has, the fastest first; the last is always the portable one.
    pub(in crate::embed) fn available() -> Vec<Self> {
        let mut sets = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            // All that the functions which run a task are compiled with.
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq");
            let found = [
                (avx512 && is_x86_feature_detected!("avx512vnni"), Kind::Avx512Vnni),
                (avx512, Kind::Avx512),
                (avx2 && is_x86_feature_detected!("avxvnni"), Kind::AvxVnni),
                (avx2, Kind::Avx2),
            ];
            sets.extend(found.into_iter().filter(|(has, _)| *has).map(|(_, kind)| Self(kind)));
        }
        sets.push(Self(Kind::Portable));
        sets
    }

    /// The fastest that this processor has.
    pub(in crate::embed) fn best() -> Self {
        Self::available()[0]
    }

    /// Its name, for reports.
    pub(in crate::embed) fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => "AVX-512 VNNI",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni => "AVX-VNNI",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "AVX2",
            Kind::Portable => "portable",
        }
    }

    /// Numbers in a panel of weights packed for this instruction set.
    pub(in crate::embed) fn panel(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni | Kind::Avx512 => avx512::Avx512::<false>::PANEL,
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni | Kind::Avx2 => avx2::Avx2::<false>::PANEL,
            Kind::Portable => Portable::PANEL,
        }
    }

    /// Runs `task` with these instructions.
    pub(in crate::embed) fn run(self, task: impl Task) {
        match self.0 {
            // SAFETY: a value of this kind was made by `available`, which found these instructions.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => unsafe { avx512::run_vnni(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { avx512::run(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni => unsafe { avx2::run_vnni(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { avx2::run(task) },
            Kind::Portable => task.run(Portable),
        }
    }
}

/// Defines methods of [`Lanes`] whose body is intrinsics.
#[cfg(target_arch = "x86_64")]
macro_rules! by_intrinsics {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty = $body:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $type),*) -> $out {
            // SAFETY: `self` is a token that exists only where the processor has these instructions.
            unsafe { $body }
        }
    )*};
}
#[cfg(target_arch = "x86_64")]
use by_intrinsics;
