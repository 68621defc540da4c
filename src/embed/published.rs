//! Models whose files are known bit for bit. A flipped bit in the middle of the weights, two swapped words of the vocabulary or another
//! pooling leave a model that loads and answers wrong, so what is named as a published model must be that model.

use std::path::Path;

use super::error::EmbedError;

/// The folder's name of the one published model that is known.
const NAME: &str = "all-MiniLM-L6-v2";
/// Its files that decide what vector a text gets, and their BLAKE3 in hex.
const FILES: [(&str, &str); 6] = [
    ("1_Pooling/config.json", "0d9e82f4655c407da9ffaef0fe5b236ae493ff8fbdc2b25a024df4aae86a7fe6"),
    ("config.json", "02ba870d29dc00b373fe71bd273baca30586d6577def4130456e756c7b286890"),
    ("model.safetensors", "8087e9bf97c265f8435ed268733ecf3791825ad24850fd5d84d89e32ee3a589a"),
    ("modules.json", "933f38e81f5f9f12cbed2d27fed9f02ff2d87e5f109af74cca20c57534664ef0"),
    ("sentence_bert_config.json", "19f44906a2ce99ebb8909c5adc902b8373deafb04a6b5b8a57173a9f6292b6b3"),
    ("tokenizer.json", "82483bb4f0bdb81779f295ecc5a93285d2156834e994a2169f9800e4c8f250c1"),
];

/// Checks the files of `folder` where it has the name of a published model, wherever it is linked from.
///
/// Returns an error at the first file that is there and is not the published one; missing files are for the caller to find.
pub(super) fn check(folder: &Path) -> Result<(), EmbedError> {
    let Ok(real) = folder.canonicalize() else { return Ok(()) };
    if real.file_name().is_none_or(|name| name != NAME) {
        return Ok(());
    }
    for (file, hash) in FILES {
        let mut hasher = blake3::Hasher::new();
        let is_read = hasher.update_mmap_rayon(real.join(file)).is_ok();
        if is_read && hasher.finalize().to_hex().as_str() != hash {
            return Err(EmbedError::NotAsPublished { path: folder.join(file), model: NAME.to_owned() });
        }
    }
    Ok(())
}
