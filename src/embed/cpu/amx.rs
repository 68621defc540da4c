//! AMX tiles for byte products: 32 rows by 32 columns at a time, 64 inputs a step.
//!
//! The processor must have AMX-INT8 and the system must allow it to this process, which Linux does once it is asked. There are
//! no stable intrinsics for tiles, so the instructions are written out.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

/// Rows of activations that one step computes.
pub(in crate::embed) const ROWS: usize = 32;

/// Columns of weights that one step computes.
pub(in crate::embed) const PANEL: usize = 32;

/// Inputs of one step: the bytes in a row of a tile.
const STEP: usize = 64;

/// A processor and a system with AMX-INT8: a value exists only where both are.
#[derive(Debug, Clone, Copy)]
pub(in crate::embed) struct Amx(());

impl Amx {
    /// The tiles, if this process may use them.
    pub(in crate::embed) fn detect() -> Option<Self> {
        static FOUND: OnceLock<bool> = OnceLock::new();
        FOUND.get_or_init(|| processor_has_tiles() && system_allows_tiles()).then_some(Self(()))
    }

    /// Sets all eight tiles of this thread to 16 rows of 64 bytes, until the returned value is dropped.
    pub(in crate::embed) fn configure(self) -> Tiles {
        #[repr(C, align(64))]
        struct Config {
            palette: u8,
            start_row: u8,
            reserved: [u8; 14],
            row_bytes: [u16; 16],
            num_rows: [u8; 16],
        }
        let mut config = Config { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], num_rows: [0; 16] };
        config.row_bytes[..8].fill(STEP as u16);
        config.num_rows[..8].fill(16);
        // SAFETY: `self` vouches for the tiles, and `config` is the 64 bytes that the instruction reads.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const config, options(nostack, readonly, preserves_flags),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _)
        };
        Tiles(std::marker::PhantomData)
    }
}

/// The configured tiles of this thread.
pub(in crate::embed) struct Tiles(std::marker::PhantomData<*const ()>);

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: the tiles are there, as this value was made by configuring them.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
    }
}

impl Tiles {
    /// Multiplies [`ROWS`] rows of unsigned bytes, `stride` apart, by a panel of signed bytes in quads. `stride` is the number
    /// of inputs, a multiple of 64.
    #[inline(always)]
    pub(in crate::embed) fn sums(&self, rows: &[u8], stride: usize, panel: &[i32], sums: &mut [i32; ROWS * PANEL]) {
        assert!(stride.is_multiple_of(STEP) && rows.len() >= ROWS * stride && panel.len() >= stride / 4 * PANEL);
        let half_rows = 16 * stride;
        // SAFETY: the tiles are configured. `stride` / 64 steps read 64 bytes of each of 32 rows and 16 quad rows of the panel,
        // which the assertion found to be there; 32 × 32 sums are written, which is the size of `sums`.
        unsafe {
            asm!(
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                "2:",
                "tileloadd tmm4, [{top} + {stride}]",
                "tileloadd tmm6, [{panel} + {panel_stride}]",
                "tileloadd tmm7, [{panel} + {panel_stride} + 64]",
                "tdpbusd tmm0, tmm4, tmm6",
                "tileloadd tmm5, [{bottom} + {stride}]",
                "tdpbusd tmm1, tmm4, tmm7",
                "tdpbusd tmm2, tmm5, tmm6",
                "tdpbusd tmm3, tmm5, tmm7",
                "add {top}, 64", "add {bottom}, 64", "add {panel}, 2048",
                "dec {steps}", "jnz 2b",
                "tilestored [{sums} + {panel_stride}], tmm0",
                "tilestored [{sums} + {panel_stride} + 64], tmm1",
                "tilestored [{sums} + {panel_stride} + 2048], tmm2",
                "tilestored [{sums} + {panel_stride} + 2112], tmm3",
                top = inout(reg) rows.as_ptr() => _,
                bottom = inout(reg) rows.as_ptr().add(half_rows) => _,
                panel = inout(reg) panel.as_ptr() => _,
                steps = inout(reg) stride / STEP => _,
                stride = in(reg) stride,
                panel_stride = in(reg) PANEL * 4,
                sums = in(reg) sums.as_mut_ptr(),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

/// Leaf 7 of CPUID: AMX-TILE and AMX-INT8; and AVX-512, whose panels the tiles share.
fn processor_has_tiles() -> bool {
    let leaf = __cpuid_count(7, 0);
    let has = |bit: u32| leaf.edx >> bit & 1 == 1;
    has(24) && has(25) && is_x86_feature_detected!("avx512f")
}

/// Asks Linux for the tile registers of this process: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA).
#[cfg(target_os = "linux")]
fn system_allows_tiles() -> bool {
    const SYS_ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const XFEATURE_XTILEDATA: u64 = 18;
    let mut answer = SYS_ARCH_PRCTL;
    // SAFETY: the call takes two numbers and touches no memory of ours; the kernel keeps all registers but these three.
    unsafe {
        asm!("syscall", inout("rax") answer, in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") XFEATURE_XTILEDATA,
            out("rcx") _, out("r11") _, options(nostack))
    };
    answer == 0
}

#[cfg(not(target_os = "linux"))]
fn system_allows_tiles() -> bool {
    false
}
