//! Where the time of embedding goes: a stopwatch for a pass, and the totals of all passes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A stage of embedding a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Text to token ids.
    Tokenize,
    /// Sum of word, position and type embeddings.
    Lookup,
    /// Activations to bytes; the fast precision alone.
    Quantise,
    /// Queries, keys and values.
    Parts,
    /// Scores, softmax and mixing of values.
    Attention,
    /// The linear layer after attention.
    AttentionOutput,
    /// The wide linear layer and its activation.
    Up,
    /// The linear layer back.
    Down,
    /// Residuals and LayerNorm.
    Norm,
    /// A whole forward pass that is not told apart by stage: one on a GPU.
    Forward,
    /// Token vectors to one vector of length 1.
    Pool,
}

impl Stage {
    /// All stages in the order in which a text goes through them.
    pub const ALL: [Self; 11] = [
        Self::Tokenize,
        Self::Lookup,
        Self::Quantise,
        Self::Parts,
        Self::Attention,
        Self::AttentionOutput,
        Self::Up,
        Self::Down,
        Self::Norm,
        Self::Forward,
        Self::Pool,
    ];

    /// What people read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tokenize => "tokenize",
            Self::Lookup => "look up",
            Self::Quantise => "quantise",
            Self::Parts => "queries, keys, values",
            Self::Attention => "attention",
            Self::AttentionOutput => "attention output",
            Self::Up => "wide layer and activation",
            Self::Down => "narrow layer",
            Self::Norm => "residual and norm",
            Self::Forward => "forward pass",
            Self::Pool => "pool",
        }
    }
}

/// Measures the stages of one thread's work, lap by lap. A lap costs two reads of the clock a block of rows, which is nothing
/// beside the block.
pub(super) struct Stopwatch {
    lap_began: Instant,
    nanos: [u64; Stage::ALL.len()],
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self { lap_began: Instant::now(), nanos: [0; Stage::ALL.len()] }
    }

    /// Counts the time since the last lap towards `stage`.
    pub(super) fn lap(&mut self, stage: Stage) {
        let now = Instant::now();
        self.nanos[stage as usize] += (now - self.lap_began).as_nanos() as u64;
        self.lap_began = now;
    }
}

/// Time in each stage, over all threads.
#[derive(Debug, Default)]
pub(super) struct StageTotals([AtomicU64; Stage::ALL.len()]);

impl StageTotals {
    pub(super) fn add(&self, stopwatch: &Stopwatch) {
        for (total, nanos) in self.0.iter().zip(stopwatch.nanos) {
            total.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    /// The time in each stage since the embedder was loaded.
    pub(super) fn read(&self) -> [Duration; Stage::ALL.len()] {
        self.0.each_ref().map(|nanos| Duration::from_nanos(nanos.load(Ordering::Relaxed)))
    }
}
