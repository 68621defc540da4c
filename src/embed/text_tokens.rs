//! Text to token ids, cut to the model's longest text, by the model's own `tokenizer.json`.

use std::path::Path;

use tokenizers::{Tokenizer, TruncationParams};

use super::error::EmbedError;

/// Bytes read of a text for each token that its vector may have; the rest could not count but where words are longer than any
/// language has them. So a text costs no more than its tokens do, however long it is: at 256 tokens, 64 KiB are read.
pub const MAX_BYTES_PER_TOKEN: usize = 256;

/// The model's tokenizer with Kindred's limit on length.
pub(super) struct TextTokens {
    tokenizer: Tokenizer,
    lower_case: bool,
    num_special: usize,
    max_bytes: usize,
}

impl TextTokens {
    /// Returns an error if `bytes`, the content of the file at `path` (named in errors), describe no tokenizer.
    pub(super) fn read(path: &Path, bytes: &[u8], lower_case: bool) -> Result<Self, EmbedError> {
        let failed = |source| EmbedError::ReadTokenizer { path: path.to_owned(), source };
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(failed)?;
        // The file may ask for both, as it was saved by someone's script; a batch needs no padding here.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(failed)?;
        let num_special = tokenizer.encode_fast("", true).map_err(failed)?.len();
        if num_special == 0 {
            let reason = "it adds no special tokens, so an empty text would have no vector";
            return Err(EmbedError::InconsistentModel { path: path.to_owned(), reason: reason.to_owned() });
        }
        Ok(Self { tokenizer, lower_case, num_special, max_bytes: usize::MAX })
    }

    /// Ids that the tokenizer may give: the larger of their count and the greatest id plus one.
    pub(super) fn num_tokens(&self) -> usize {
        let vocabulary = self.tokenizer.get_vocab(true);
        let past_greatest = vocabulary.values().max().map_or(0, |&id| id as usize + 1);
        vocabulary.len().max(past_greatest)
    }

    /// Tokens of the shortest text that is not empty.
    pub(super) fn least_max_tokens(&self) -> usize {
        self.num_special + 1
    }

    /// Cuts every text to `max_tokens` tokens, special tokens included, and before that to [`MAX_BYTES_PER_TOKEN`] bytes for
    /// each, as the tokenizer would read all of it. Returns an error if there is no room for those.
    pub(super) fn cut_at(&mut self, path: &Path, max_tokens: usize) -> Result<(), EmbedError> {
        let truncation = TruncationParams { max_length: max_tokens, ..Default::default() };
        match self.tokenizer.with_truncation(Some(truncation)) {
            Ok(_) => {
                self.max_bytes = max_tokens.saturating_mul(MAX_BYTES_PER_TOKEN);
                Ok(())
            }
            Err(source) => Err(EmbedError::ReadTokenizer { path: path.to_owned(), source }),
        }
    }

    /// The token ids of a text, special tokens included; never empty. White space around the text is dropped, as
    /// sentence-transformers does. Returns an error if the tokenizer fails.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, tokenizers::Error> {
        let text = text.trim();
        let text = &text[..text.floor_char_boundary(self.max_bytes)];
        let encoding = match self.lower_case {
            true => self.tokenizer.encode_fast(text.to_lowercase(), true)?,
            false => self.tokenizer.encode_fast(text, true)?,
        };
        Ok(encoding.get_ids().to_vec())
    }
}
