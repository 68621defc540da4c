//! Texts, leaf categories and vectors of a task's products.

use crate::catalog::{Product, TextTemplate};
use crate::events::History;
use crate::index::{IndexError, WordCounts, words_of};
use crate::live::View;
use crate::rank::RowId;

/// Cosine from which two products count as look-alikes, wherever they are in the category tree.
pub const SUBSTITUTE_COSINE: f32 = 0.85;

/// Of each product of a history, by its number: what the catalog says of it. A product that the catalog lacks has none of it.
#[derive(Debug, Clone, Default)]
pub struct ProductTexts {
    dim: usize,
    texts: Vec<String>,
    leaves: Vec<Option<String>>,
    vectors: Vec<f32>,
    words: Vec<WordCounts>,
}

impl ProductTexts {
    /// Reads the products of `history` from `view`; `template` makes the text that BM25 reads.
    ///
    /// Returns an error if a record cannot be read.
    pub fn read(history: &History, view: &View, template: &TextTemplate) -> Result<Self, IndexError> {
        let mut texts = Self { dim: view.generation().manifest().model.dim, ..Self::default() };
        for id in history.products() {
            match view.row(id) {
                Some(row) => texts.push_row(view, row, template)?,
                None => texts.push(String::new(), None, None, WordCounts::new()),
            }
        }
        Ok(texts)
    }

    fn push_row(&mut self, view: &View, row: RowId, template: &TextTemplate) -> Result<(), IndexError> {
        let product: Product = view.product(row)?;
        let leaf = (!product.main_category().is_empty()).then(|| product.main_category().join(" > "));
        self.push(template.render(&product), leaf, view.vector(row), words_of(&product));
        Ok(())
    }

    fn push(&mut self, text: String, leaf: Option<String>, vector: Option<Vec<f32>>, words: WordCounts) {
        self.texts.push(text);
        self.words.push(words);
        self.leaves.push(leaf);
        self.vectors.extend(vector.unwrap_or_else(|| vec![0.0; self.dim]));
    }

    /// The text of each product; empty where there is none.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The main category of `product`; `None` where it has none.
    pub fn leaf(&self, product: u32) -> Option<&str> {
        self.leaves.get(product as usize)?.as_deref()
    }

    /// The words that say what each product is, as the source `lexical` reads them.
    pub fn words(&self) -> &[WordCounts] {
        &self.words
    }

    /// Numbers in a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The vector of `product`, of length 1; zeros where there is none.
    pub fn vector(&self, product: u32) -> &[f32] {
        &self.vectors[product as usize * self.dim..][..self.dim]
    }

    /// All vectors end to end.
    pub fn vectors(&self) -> &[f32] {
        &self.vectors
    }

    /// Whether one could be bought in the place of the other: the same leaf category, or a cosine above [`SUBSTITUTE_COSINE`].
    pub fn are_substitutes(&self, a: u32, b: u32) -> bool {
        self.leaf(a).is_some_and(|of_a| self.leaf(b) == Some(of_a))
            || dot(self.vector(a), self.vector(b)) > SUBSTITUTE_COSINE
    }
}

/// The sum of products, in eight lanes that the compiler keeps in one register.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        lanes.iter_mut().zip(x.iter().zip(y)).for_each(|(lane, (x, y))| *lane += x * y);
    }
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
impl ProductTexts {
    /// Texts made up for tests, with vectors of `dim` numbers.
    pub(super) fn made_up(dim: usize, products: &[(&str, Option<&str>, &[f32])]) -> Self {
        let mut texts = Self { dim, ..Self::default() };
        for (text, leaf, vector) in products {
            let mut words = WordCounts::new();
            crate::index::count_words(text, 1.0, &mut words);
            texts.push((*text).to_owned(), leaf.map(str::to_owned), Some(vector.to_vec()), words);
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substitutes_share_a_leaf_or_look_alike() {
        let texts = ProductTexts::made_up(
            2,
            &[
                ("red mug", Some("Kitchen > Mugs"), &[1.0, 0.0]),
                ("blue mug", Some("Kitchen > Mugs"), &[0.0, 1.0]),
                ("lamp", None, &[0.6, 0.8]),
                ("desk lamp", None, &[0.5, 0.866]),
            ],
        );
        assert!(texts.are_substitutes(0, 1) && texts.are_substitutes(2, 3));
        assert!(!texts.are_substitutes(0, 2));
    }
}
