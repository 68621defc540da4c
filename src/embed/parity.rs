//! Comparison with the vectors that another implementation of the same model made.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::embedder::Embedder;
use super::error::EmbedError;

/// How close our vectors are to the reference's, as cosines: 1 is the same direction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parity {
    /// Texts compared, at least one.
    pub num_texts: usize,
    /// Cosine of the worst text.
    pub min_cosine: f64,
    /// Mean over the texts.
    pub mean_cosine: f64,
    /// The text of `min_cosine`.
    pub worst_text: String,
}

#[derive(Deserialize)]
pub(super) struct ReferenceLine {
    pub(super) text: String,
    pub(super) embedding: Vec<f32>,
}

/// Embeds every text of `reference` and compares: JSON Lines of `{"text": …, "embedding": […]}`, plain or `.zst`.
///
/// Returns an error if the file cannot be read, is empty, or a line does not parse or has another dim, or if embedding fails.
pub fn check_parity(embedder: &Embedder, reference: &Path) -> Result<Parity, EmbedError> {
    let lines = read_reference(reference, embedder.dim())?;
    let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    let embeddings = embedder.embed(&texts, &|_| {})?;
    let cosines: Vec<f64> =
        lines.iter().zip(embeddings.iter()).map(|(line, row)| cosine(&line.embedding, row)).collect();
    let worst = (0..cosines.len()).min_by(|&a, &b| cosines[a].total_cmp(&cosines[b]));
    let Some(worst) = worst else {
        return Err(bad_line(reference, 0, "the file holds no line"));
    };
    Ok(Parity {
        num_texts: lines.len(),
        min_cosine: cosines[worst],
        mean_cosine: cosines.iter().sum::<f64>() / cosines.len() as f64,
        worst_text: texts[worst].to_owned(),
    })
}

pub(super) fn read_reference(path: &Path, dim: usize) -> Result<Vec<ReferenceLine>, EmbedError> {
    let failed = |source| EmbedError::ReadReference { path: path.to_owned(), source };
    let mut lines = Vec::new();
    for (at, line) in open(path).map_err(failed)?.lines().enumerate() {
        let line = line.map_err(failed)?;
        let line: ReferenceLine =
            serde_json::from_str(&line).map_err(|error| bad_line(path, at + 1, &error.to_string()))?;
        if line.embedding.len() != dim {
            let reason = format!("its embedding has {} numbers, the model's have {dim}", line.embedding.len());
            return Err(bad_line(path, at + 1, &reason));
        }
        if !line.embedding.iter().any(|x| *x != 0.0) {
            return Err(bad_line(path, at + 1, "its embedding is all zeros"));
        }
        lines.push(line);
    }
    Ok(lines)
}

fn open(path: &Path) -> io::Result<BufReader<Box<dyn Read>>> {
    let file = File::open(path)?;
    let is_zstd = path.extension().is_some_and(|extension| extension == "zst");
    let reader: Box<dyn Read> = if is_zstd { Box::new(zstd::Decoder::new(file)?) } else { Box::new(file) };
    Ok(BufReader::new(reader))
}

fn bad_line(path: &Path, line: usize, reason: &str) -> EmbedError {
    EmbedError::ReferenceLine { path: path.to_owned(), line, reason: reason.to_owned() }
}

pub(super) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
