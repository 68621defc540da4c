//! How exactly the forward pass computes.

use serde::{Deserialize, Serialize};

/// How exactly the forward pass computes. Vectors of different precisions are different vectors: it is part of
/// [`Embedder::fingerprint`](super::Embedder::fingerprint), so that a cache or a generation never mixes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats throughout. Vectors of different processors are the same up to rounding: with all-MiniLM-L6-v2, numbers differ by
    /// 10⁻⁶ at most.
    #[default]
    F32,
    /// The linear layers on bytes: weights with a scale for each output, activations with a scale for each token. Several
    /// times as fast where the processor multiplies bytes (VNNI, AMX).
    ///
    /// Vectors of processors with different instruction sets have a cosine of [`Precision::min_cosine_between_processors`] at
    /// least, above 0.999 on average: sums of bytes are exact, but a last bit of what is rounded to bytes moves a byte by a
    /// whole step. They are nearer to each other than to f32.
    Fast,
}

impl Precision {
    /// `f32` or `fast`, as in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Fast => "fast",
        }
    }

    /// The least cosine of one text's vectors made on processors with different instruction sets, measured with all-MiniLM-L6-v2.
    /// On one processor they are equal bit for bit.
    pub fn min_cosine_between_processors(self) -> f64 {
        match self {
            Self::F32 => 0.999_99,
            Self::Fast => 0.99,
        }
    }

    /// The least cosine to another implementation's f32 vector that a sound model keeps on every text.
    pub fn min_cosine(self) -> f64 {
        match self {
            Self::F32 => 0.9999,
            Self::Fast => 0.99,
        }
    }
}
