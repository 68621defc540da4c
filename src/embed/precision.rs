//! How exactly the forward pass computes.

use serde::{Deserialize, Serialize};

/// How exactly the forward pass computes. Vectors of different precisions are different vectors: it is part of
/// [`Embedder::fingerprint`](super::Embedder::fingerprint), so that a cache or a generation never mixes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats throughout.
    #[default]
    F32,
    /// The linear layers on bytes: weights with a scale for each output, activations with a scale for each token. Several
    /// times as fast where the processor multiplies bytes (VNNI, AMX), and the same vectors up to f32 rounding where it does
    /// not.
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

    /// The least cosine to another implementation's f32 vector that a sound model keeps on every text.
    pub fn min_cosine(self) -> f64 {
        match self {
            Self::F32 => 0.9999,
            Self::Fast => 0.99,
        }
    }
}
