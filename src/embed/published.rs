//! Models whose files are known bit for bit. A flipped bit in the middle of the weights, or two swapped words of the vocabulary,
//! leave a model that loads and answers a little wrong, so what is named as a published model must be that model.

use std::path::Path;

use super::error::EmbedError;

/// Folder name, file, and the file's BLAKE3 in hex.
const FILES: [(&str, &str, &str); 2] = [
    ("all-MiniLM-L6-v2", "tokenizer.json", "82483bb4f0bdb81779f295ecc5a93285d2156834e994a2169f9800e4c8f250c1"),
    ("all-MiniLM-L6-v2", "model.safetensors", "8087e9bf97c265f8435ed268733ecf3791825ad24850fd5d84d89e32ee3a589a"),
];

/// Returns an error if the folder has the name of a published model and `bytes`, the contents of its file `path`, are not that
/// model's.
pub(super) fn check(path: &Path, bytes: &[u8]) -> Result<(), EmbedError> {
    let folder = path.parent().and_then(Path::file_name);
    let known = FILES.iter().find(|(name, file, _)| {
        folder.is_some_and(|folder| folder == *name) && path.file_name().is_some_and(|found| found == *file)
    });
    let Some((name, _, hash)) = known else { return Ok(()) };
    let mut hasher = blake3::Hasher::new();
    hasher.update_rayon(bytes);
    if hasher.finalize().to_hex().as_str() == *hash {
        return Ok(());
    }
    Err(EmbedError::NotAsPublished { path: path.to_owned(), model: (*name).to_owned() })
}
