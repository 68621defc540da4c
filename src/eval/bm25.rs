//! BM25 over the products' texts (Robertson and Zaragoza 2009, the form that Lucene uses: idf = ln(1 + (N - n + ½)/(n + ½))).
//!
//! A baseline, so it is small and has no index on disk; every product is a document, and the texts of the question's products together are
//! the query.

use std::collections::{BTreeMap, HashMap};

use super::question::{Question, Ranker, Scores};
use super::texts::ProductTexts;

/// How soon a repeated word stops counting.
const K1: f32 = 1.2;
/// How much long texts are held back.
const B: f32 = 0.75;

/// Products by the words that they share with the question's.
pub struct Bm25 {
    /// Words of each product by number, with how often it has them.
    documents: Vec<Vec<(u32, u32)>>,
    /// Of each word: the products that have it, with the part of their score that it makes.
    postings: Vec<Vec<(u32, f32)>>,
}

impl Bm25 {
    /// Reads the words of `texts`.
    pub fn new(texts: &ProductTexts) -> Self {
        let mut words: HashMap<String, u32> = HashMap::new();
        let documents: Vec<Vec<(u32, u32)>> = texts.texts().iter().map(|text| count_words(text, &mut words)).collect();
        let length = |document: &[(u32, u32)]| document.iter().map(|(_, count)| *count).sum::<u32>() as f32;
        let mean_length =
            documents.iter().map(|document| length(document)).sum::<f32>() / documents.len().max(1) as f32;
        let mut postings: Vec<Vec<(u32, f32)>> = vec![Vec::new(); words.len()];
        for (product, document) in documents.iter().enumerate() {
            let held_back = K1 * (1.0 - B + B * length(document) / mean_length.max(1.0));
            for &(word, count) in document {
                let count = count as f32;
                postings[word as usize].push((product as u32, count * (K1 + 1.0) / (count + held_back)));
            }
        }
        for posting in &mut postings {
            let with_word = posting.len() as f32;
            let idf = (1.0 + (documents.len() as f32 - with_word + 0.5) / (with_word + 0.5)).ln();
            posting.iter_mut().for_each(|(_, part)| *part *= idf);
        }
        Self { documents, postings }
    }
}

/// The words of `text` in small letters, numbered by `words`, with their counts.
fn count_words(text: &str, words: &mut HashMap<String, u32>) -> Vec<(u32, u32)> {
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let new = words.len() as u32;
        *counts.entry(*words.entry(word.to_lowercase()).or_insert(new)).or_default() += 1;
    }
    counts.into_iter().collect()
}

impl Ranker for Bm25 {
    fn name(&self) -> &str {
        "bm25"
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let mut query: BTreeMap<u32, u32> = BTreeMap::new();
        for (word, count) in question.products.iter().flat_map(|product| &self.documents[*product as usize]) {
            *query.entry(*word).or_default() += count;
        }
        for (word, count) in query {
            for (product, part) in &self.postings[word as usize] {
                scores.add(*product, part * count as f32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_agree_with_the_formula_worked_out_by_hand() {
        let texts = ["red mug", "Red red bag", "blue MUG large", "lamp"].map(|text| (text, None, &[][..]));
        let bm25 = Bm25::new(&ProductTexts::made_up(0, &texts));
        let mut scores = Scores::new(4);
        bm25.score(&Question { products: &[0], steps: &[], bought: &[], now_s: 0 }, &mut scores);
        let idf = (1.0f32 + (4.0 - 2.0 + 0.5) / 2.5).ln();
        let part = |count: f32, length: f32| count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / 2.25));
        let found: HashMap<u32, f32> = scores.iter().collect();
        // The lamp shares no word; the question's own product has a score, and whoever asks leaves it out.
        assert_eq!(found.len(), 3);
        assert!((found[&1] - idf * part(2.0, 3.0)).abs() < 1e-5, "{found:?}");
        assert!((found[&2] - idf * part(1.0, 3.0)).abs() < 1e-5, "{found:?}");
    }
}
