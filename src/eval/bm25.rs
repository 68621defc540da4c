//! BM25 over the products' texts: the words of the question's products together are the query, every product is a document. The words are kept
//! and scored by what answers are made with ([`Lexicon`]); only the text is the one that is embedded.

use super::question::{Question, Ranker, Scores};
use super::texts::ProductTexts;
use crate::index::{Lexicon, WordCounts, WordQuery, count_words};
use crate::rank::RowId;

/// Products by the words that they share with the question's.
pub struct Bm25 {
    lexicon: Lexicon,
}

impl Bm25 {
    /// Reads the words of `texts`.
    pub fn new(texts: &ProductTexts) -> Self {
        let words = |text: &String| {
            let mut counts = WordCounts::new();
            count_words(text, 1.0, &mut counts);
            counts
        };
        Self { lexicon: Lexicon::new(&texts.texts().iter().map(words).collect::<Vec<_>>()) }
    }
}

impl Ranker for Bm25 {
    fn name(&self) -> &str {
        "bm25"
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let words = self.lexicon.words();
        let mut query = WordQuery::new();
        question.products.iter().for_each(|&product| words.add_row(RowId(product), &mut query));
        let found = words.best(&query, scores.num_products(), |_| true);
        found.iter().for_each(|scored| scores.add(scored.row.0, scored.score));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_ranked_by_the_words_of_all_that_is_asked_about() {
        let texts = ["red mug", "blue lamp", "Red lamp large", "lamp", "sofa"].map(|text| (text, None, &[][..]));
        let bm25 = Bm25::new(&ProductTexts::made_up(0, &texts));
        let mut scores = Scores::new(5);
        bm25.score(&Question { products: &[0, 1], steps: &[], bought: &[], now_s: 0 }, &mut scores);
        assert_eq!(scores.best(5, &[0, 1]), [2, 3]);
    }
}
