//! The files of texts that are measured with: one text a line.

use std::fs;
use std::path::Path;

use super::error::EmbedError;

/// The lines of the file at `path` in order, each a text; empty lines are left out.
///
/// Returns an error if the file cannot be read, is not UTF-8, or holds no text.
pub fn read_texts(path: &Path) -> Result<Vec<String>, EmbedError> {
    let content = fs::read_to_string(path).map_err(|source| EmbedError::ReadTexts { path: path.to_owned(), source })?;
    let texts: Vec<String> = content.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    if texts.is_empty() { Err(EmbedError::NoTexts { path: path.to_owned() }) } else { Ok(texts) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
