//! Loops over bytes and numbers for each instruction set, chosen at run time; every version gives the same bits.
//!
//! | file | subject |
//! |---|---|
//! | `dots` | [`dot`], [`DotHalf`], [`dot_half_rows`]: products of full-precision vectors |
//! | `rows` | [`ScoreRows`]: products of a query's codes with those of many rows |
//! | `bytes` | [`Multiply`], [`SquaredDistance`]: rows of bytes |
//! | `seen` | [`TakeNew`]: which rows a walk has not met |
//! | `sums` | sums across the lanes of registers |

mod bytes;
mod dots;
mod rows;
mod seen;
#[cfg(target_arch = "x86_64")]
mod sums;

pub use bytes::{SquaredDistance, multiply, squared_distance};
pub use dots::{DotHalf, dot, dot_half, dot_half_rows};
pub use rows::{ScoreRows, score_rows};
pub use seen::{SPARE, TakeNew, take_new};

/// Bytes that the processor fetches together.
const LINE: usize = 64;

/// Asks for the cache lines of `bytes`, which will be read soon.
#[inline(always)]
pub fn fetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytes.chunks(LINE) {
        // SAFETY: a prefetch reads nothing and never faults; every x86-64 processor has it.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast()) };
    }
}
