//! Buffers of forward passes, kept between calls so that no pass pays for fresh pages.

use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Result, Tensor};

use super::aligned::Aligned;
use super::attention::AttentionBuffers;
use super::bytes::ByteRows;

/// Buffers of one forward pass.
pub(in crate::embed) struct Workspace {
    /// Hidden states, a row for each token: the tensor that the custom operations change in place.
    hidden: Tensor,
    pub(in crate::embed) scratch: Mutex<Scratch>,
}

/// What the operations need beside the hidden states.
#[derive(Default)]
pub(in crate::embed) struct Scratch {
    /// Queries, keys and values, a row for each token.
    pub(in crate::embed) parts: Aligned<f32>,
    /// Attention's mixed values, a row for each token.
    pub(in crate::embed) mixed: Aligned<f32>,
    /// The wide layer's output, for a block of rows.
    pub(in crate::embed) wide: Aligned<f32>,
    /// Another layer's output, for a block of rows.
    pub(in crate::embed) narrow: Aligned<f32>,
    pub(in crate::embed) bytes: ByteRows,
    pub(in crate::embed) attention: AttentionBuffers,
}

impl Workspace {
    fn new() -> Result<Self> {
        Ok(Self { hidden: Tensor::zeros(0, DType::F32, &Device::Cpu)?, scratch: Mutex::default() })
    }

    /// The hidden states of `num_tokens` tokens, `columns` wide; what they hold is left over.
    pub(in crate::embed) fn hidden(&mut self, num_tokens: usize, columns: usize) -> Result<Tensor> {
        if self.hidden.elem_count() < num_tokens * columns {
            self.hidden = Tensor::zeros(num_tokens * columns, DType::F32, &Device::Cpu)?;
        }
        self.hidden.narrow(0, 0, num_tokens * columns)?.reshape((num_tokens, columns))
    }
}

/// Workspaces that no pass uses just now: as many as ever ran at the same time.
#[derive(Default)]
pub(in crate::embed) struct Workspaces(Mutex<Vec<Workspace>>);

impl Workspaces {
    /// Runs `pass` with a workspace of its own.
    ///
    /// Returns an error if `pass` does, or if a first workspace cannot be made.
    pub(in crate::embed) fn with<T>(&self, pass: impl FnOnce(&mut Workspace) -> Result<T>) -> Result<T> {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut workspace = idle.map_or_else(Workspace::new, Ok)?;
        let result = pass(&mut workspace);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        result
    }
}
