//! Loops over bytes and numbers for each instruction set, chosen at run time; every version gives the same bits.
//!
//! | file | subject |
//! |---|---|
//! | `dots` | [`dot`], [`DotHalf`], [`dot_half_rows`]: products of full-precision vectors |
//! | `rows` | [`ScoreRows`]: products of a query's codes with those of many rows |
//! | `bytes` | `Multiply`, [`SquaredDistance`]: rows of bytes |
//! | `sorted` | [`Insert`], [`pack_best`]: short sorted lists of the best rows |
//! | `seen` | [`TakeNew`]: which rows a walk has not met |
//! | `sums` | sums across the lanes of registers |

mod bytes;
mod dots;
mod rows;
mod seen;
mod sorted;
#[cfg(target_arch = "x86_64")]
mod sums;

pub use bytes::{SquaredDistance, multiply, squared_distance};
pub use dots::{DotHalf, dot, dot_half, dot_half_rows};
pub use rows::{ScoreRows, score_rows, score_unfetched};
pub use seen::{SPARE, TakeNew, take_new};
pub use sorted::{Insert, PACKED_SPARE, SPARE as SORTED_SPARE, insert, pack, pack_best};

/// Bytes that the processor fetches together.
const LINE: usize = 64;

/// Asks for the cache lines of `len` of the elements from `at` on, which will be read soon.
#[inline(always)]
pub fn fetch<T>(all: &[T], at: usize, len: usize) {
    #[cfg(target_arch = "x86_64")]
    for byte in (0..len * size_of::<T>()).step_by(LINE) {
        let line = all.as_ptr().wrapping_add(at).cast::<i8>().wrapping_add(byte);
        // SAFETY: a prefetch reads nothing and never faults, wherever it points; every x86-64 processor has it.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line) };
    }
}
