//! The forward pass on this processor's widest instructions: the path that every model takes unless Candle has a GPU.
//!
//! | file | subject |
//! |---|---|
//! | `lanes` | vectors of numbers, for each instruction set, chosen at run time |
//! | `product` | f32 matrix products over packed weights |
//! | `bytes` | numbers as bytes, for the fast precision |
//! | `byte_product` | byte matrix products, exact |
//! | `amx` | the same sums by AMX tiles |
//! | `aligned` | buffers that start at a cache line |
//! | `functions` | exp2, GELU, and finishing a sum with them |
//! | `norm` | residual and LayerNorm |
//! | `attention` | multi-head attention of one text |
//! | `linear` | a linear layer in either precision |
//! | `workspace` | buffers reused from pass to pass |
//! | `bert` | the encoder as Candle custom operations on one tensor |
//!
//! Results are the same bit for bit whatever else is in a batch and whichever thread runs it: every number of a product is one
//! chain of multiply-adds, and everything else works row by row.

mod aligned;
#[cfg(target_arch = "x86_64")]
mod amx;
mod attention;
mod bert;
mod byte_product;
mod bytes;
#[cfg(test)]
mod function_tests;
mod functions;
mod lanes;
mod linear;
mod norm;
mod product;
#[cfg(test)]
mod tests;
mod workspace;

pub(super) use bert::CpuBert;
pub(super) use byte_product::MAX_INPUTS;
#[cfg(test)]
pub(super) use lanes::InstructionSet;
pub(super) use linear::Machine;
