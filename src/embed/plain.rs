//! Candle's own operators on the processor, for measurements: what Kindred's kernels are compared with in the same run.
//!
//! Candle spreads one operator over all threads of the pool it is called in. Here every pass runs in a pool of one thread, so
//! that threads share the work as they do with Kindred's kernels, a batch each, and stages and latencies compare.

use std::sync::{Mutex, PoisonError};

use candle_core::{Device, Error, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::bert::BertEncoder;
use super::encoder::Encoder;
use super::model_dir::{EncoderShape, Pooling};
use super::stages::Stopwatch;
use super::weights::BertWeights;

/// BERT on Candle's own operators, one thread a pass.
pub(super) struct PlainBert {
    bert: BertEncoder,
    /// Pools of one thread that no pass uses just now: as many as ever ran at the same time.
    idle: Mutex<Vec<ThreadPool>>,
}

impl PlainBert {
    /// Returns an error if a tensor operation fails.
    pub(super) fn new(shape: EncoderShape, pooling: Pooling, weights: &BertWeights) -> Result<Self> {
        Ok(Self { bert: BertEncoder::new(shape, pooling, weights, Device::Cpu)?, idle: Mutex::default() })
    }
}

impl Encoder for PlainBert {
    fn encode(&self, rows: &[&[u32]], out: &mut [f32], stopwatch: &mut Stopwatch) -> Result<()> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let thread = idle.map_or_else(|| ThreadPoolBuilder::new().num_threads(1).build().map_err(Error::wrap), Ok)?;
        let result = thread.install(|| self.bert.encode(rows, out, stopwatch));
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        result
    }

    fn name(&self) -> &'static str {
        self.bert.name()
    }

    fn instructions(&self) -> String {
        self.bert.instructions()
    }
}
