//! The files of texts that are measured with: one text a line.

use std::fs;
use std::path::Path;

use super::error::EmbedError;

/// The lines of the file at `path` in order, each a text; empty lines are left out.
///
/// Returns an error if the file cannot be read, is not UTF-8, or holds no text.
pub fn read_texts(path: &Path) -> Result<Vec<String>, EmbedError> {
    let bytes = fs::read(path).map_err(|source| EmbedError::ReadTexts { path: path.to_owned(), source })?;
    let content = str::from_utf8(&bytes).map_err(|source| {
        let line = 1 + bytes[..source.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        EmbedError::TextsNotUtf8 { path: path.to_owned(), line, source }
    })?;
    let texts: Vec<String> = content.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    if texts.is_empty() { Err(EmbedError::NoTexts { path: path.to_owned() }) } else { Ok(texts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_utf_8_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("texts.txt");
        fs::write(&path, b"red bag\n\nphone \xff case\nred\n").unwrap();
        let message = read_texts(&path).unwrap_err().to_string();
        assert!(message.contains("texts.txt` line 3 "), "{message}");
    }

    #[test]
    fn every_line_with_a_text_is_one_and_a_file_without_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("texts.txt");
        fs::write(&path, "red bag\r\n \n\nphone case").unwrap();
        assert_eq!(read_texts(&path).unwrap(), ["red bag", "phone case"]);
        for content in ["", " \n\n"] {
            fs::write(&path, content).unwrap();
            assert!(read_texts(&path).unwrap_err().to_string().contains("texts.txt"));
        }
    }
}
