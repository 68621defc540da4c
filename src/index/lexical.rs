//! Products by the words that they share: BM25 (Robertson and Zaragoza 2009, in the form that Lucene uses, idf = ln(1 + (N - n + ½)/(n + ½))), in
//! memory or mapped from `lexical.bin`.
//!
//! It tells apart what vectors blur: numbers of models, sizes, names of series. What a word adds to a product's score is the same for
//! every question, so it is worked out once and kept beside the row.
//!
//! Sections (kind `LEXI`, version [`VERSION`]); `n` rows, `w` words, numbered in byte order:
//!
//! | tag | element | count | meaning |
//! |---|---|---|---|
//! | `WRDO` | u64 | `w + 1` | where each word starts in `WRDB`, and the end of the last |
//! | `WRDB` | u8 | | words in small letters, UTF-8 |
//! | `POSE` | u64 | `w` | where each word's postings end in `POST` |
//! | `POST` | 2 × u32 | | of each word: row, and what the word adds to its score as an f32; by row |
//! | `ROWE` | u64 | `n` | where each row's words end in `ROWW` |
//! | `ROWW` | 2 × u32 | | of each row: word, and how much it counts in a question about the row as an f32 |

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bytemuck::{Pod, Zeroable};

use super::error::IndexError;
use super::section::{FileDigest, Section, SectionFile, Tag, write_sections};
use crate::catalog::Product;
use crate::rank::{RowId, ScoredRow, best_first};

/// Kind of the file.
pub const KIND: Tag = *b"LEXI";
/// Version of the layout above.
pub const VERSION: u32 = 1;

/// How soon a repeated word stops counting.
const K1: f32 = 1.2;
/// How much long texts are held back.
const B: f32 = 0.75;
/// Most words of a question, the rarest: what a cart of hundreds of products has in common with the shop is no question.
const MAX_WORDS: usize = 64;
/// Rows named by rarer words from which on common ones are not asked: they name much of a large shop and tell little apart.
const ENOUGH_ROWS: usize = 2000;
/// A word is common that more than one row in so many has, and more than [`ENOUGH_ROWS`].
const COMMON_SHARE: usize = 20;

/// A word's part of a row, or a row's part of a word.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Part {
    /// Number of the row or word.
    number: u32,
    value: f32,
}

/// How often each word is in a text, in small letters.
pub type WordCounts = BTreeMap<String, f32>;

/// Adds the words of `text`, letters and digits without a break, to `counts`, each counting `weight`.
pub fn count_words(text: &str, weight: f32, counts: &mut WordCounts) {
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *counts.entry(word.to_lowercase()).or_default() += weight;
    }
}

/// The words of a product that say what it is: of its title and brand, and of the values of its attributes, which count half.
pub fn words_of(product: &Product) -> WordCounts {
    let mut counts = WordCounts::new();
    count_words(&product.title, 1.0, &mut counts);
    count_words(product.brand.as_deref().unwrap_or_default(), 1.0, &mut counts);
    product.attributes.values().flatten().for_each(|value| count_words(value, 0.5, &mut counts));
    counts
}

/// The words of all rows, in memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lexicon {
    word_offsets: Vec<u64>,
    word_bytes: Vec<u8>,
    posting_ends: Vec<u64>,
    postings: Vec<Part>,
    row_ends: Vec<u64>,
    row_words: Vec<Part>,
}

impl Lexicon {
    /// Of rows with these words, in order.
    pub fn new(rows: &[WordCounts]) -> Self {
        let mut postings_of: BTreeMap<&str, Vec<Part>> = BTreeMap::new();
        let lengths: Vec<f32> = rows.iter().map(|counts| counts.values().sum()).collect();
        let mean_length = (lengths.iter().sum::<f32>() / rows.len().max(1) as f32).max(f32::MIN_POSITIVE);
        for ((row, counts), length) in (0u32..).zip(rows).zip(&lengths) {
            let held_back = K1 * (1.0 - B + B * length / mean_length);
            for (word, count) in counts {
                let value = count * (K1 + 1.0) / (count + held_back);
                postings_of.entry(word).or_default().push(Part { number: row, value });
            }
        }
        let mut lexicon = Self { word_offsets: vec![0], ..Self::default() };
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        for ((word, mut postings), number) in postings_of.into_iter().zip(0u32..) {
            let with_word = postings.len() as f32;
            let idf = (1.0 + (rows.len() as f32 - with_word + 0.5) / (with_word + 0.5)).ln();
            postings.iter_mut().for_each(|part| part.value *= idf);
            numbers.insert(word, number);
            lexicon.word_bytes.extend_from_slice(word.as_bytes());
            lexicon.word_offsets.push(lexicon.word_bytes.len() as u64);
            lexicon.postings.extend(postings);
            lexicon.posting_ends.push(lexicon.postings.len() as u64);
        }
        for counts in rows {
            let part = |(word, &value): (&String, &f32)| Some(Part { number: *numbers.get(word.as_str())?, value });
            lexicon.row_words.extend(counts.iter().filter_map(part));
            lexicon.row_ends.push(lexicon.row_words.len() as u64);
        }
        lexicon
    }

    /// Its words, to be asked.
    pub fn words(&self) -> Words<'_> {
        Words {
            word_offsets: &self.word_offsets,
            word_bytes: &self.word_bytes,
            posting_ends: &self.posting_ends,
            postings: &self.postings,
            row_ends: &self.row_ends,
            row_words: &self.row_words,
        }
    }
}

/// Writes the words of `products`, one row each in their order, to `path`.
///
/// Returns an error if the file cannot be written.
pub fn write(path: &Path, products: &[&Product]) -> Result<FileDigest, IndexError> {
    let rows: Vec<WordCounts> = products.iter().map(|product| words_of(product)).collect();
    let lexicon = Lexicon::new(&rows);
    let sections = [
        Section::new(*b"WRDO", &lexicon.word_offsets),
        Section::new(*b"WRDB", &lexicon.word_bytes),
        Section::new(*b"POSE", &lexicon.posting_ends),
        Section::new(*b"POST", &lexicon.postings),
        Section::new(*b"ROWE", &lexicon.row_ends),
        Section::new(*b"ROWW", &lexicon.row_words),
    ];
    write_sections(path, KIND, VERSION, &sections)
}

/// A mapped `lexical.bin`.
#[derive(Debug)]
pub struct LexicalFile {
    file: SectionFile,
}

impl LexicalFile {
    /// Opens the file of a generation with `num_rows` rows.
    ///
    /// Returns an error if it is missing, damaged, of another version, or does not fit the rows.
    pub fn open(path: &Path, num_rows: usize) -> Result<Self, IndexError> {
        let file = SectionFile::open(path, KIND, VERSION)?;
        let offsets = file.section::<u64>(*b"WRDO")?;
        let (words, postings) = (file.section::<u64>(*b"POSE")?, file.section::<Part>(*b"POST")?);
        let (rows, of_rows) = (file.section::<u64>(*b"ROWE")?, file.section::<Part>(*b"ROWW")?);
        let ends_at = |ends: &[u64], length: usize| ends.last().copied().unwrap_or(0) == length as u64;
        let fits = offsets.len() == words.len() + 1
            && ends_at(offsets, file.section::<u8>(*b"WRDB")?.len())
            && ends_at(words, postings.len())
            && rows.len() == num_rows
            && ends_at(rows, of_rows.len());
        if fits { Ok(Self { file }) } else { Err(file.damaged("its sections do not fit together or to the products")) }
    }

    /// Its words, to be asked.
    pub fn words(&self) -> Words<'_> {
        let file = &self.file;
        Words {
            word_offsets: file.section(*b"WRDO").unwrap_or_default(),
            word_bytes: file.section(*b"WRDB").unwrap_or_default(),
            posting_ends: file.section(*b"POSE").unwrap_or_default(),
            postings: file.section(*b"POST").unwrap_or_default(),
            row_ends: file.section(*b"ROWE").unwrap_or_default(),
            row_words: file.section(*b"ROWW").unwrap_or_default(),
        }
    }
}

/// The words of rows, wherever they lie. Damage that only hashes would show can cost hits, never more.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    word_offsets: &'a [u64],
    word_bytes: &'a [u8],
    posting_ends: &'a [u64],
    postings: &'a [Part],
    row_ends: &'a [u64],
    row_words: &'a [Part],
}

/// What is asked for: words by number, with how much each counts.
pub type WordQuery = BTreeMap<u32, f32>;

impl<'a> Words<'a> {
    /// Adds the words of `row` to `query`; a row that is not there has none.
    pub fn add_row(&self, row: RowId, query: &mut WordQuery) {
        let words = slice(self.row_ends, self.row_words, row.index());
        words.iter().for_each(|part| *query.entry(part.number).or_default() += part.value);
    }

    /// Adds words to `query`; those that no row has count nothing.
    pub fn add_words(&self, counts: &WordCounts, query: &mut WordQuery) {
        for (word, count) in counts {
            if let Some(number) = self.number(word) {
                *query.entry(number).or_default() += count;
            }
        }
    }

    /// The `k` rows that `may_appear` with the highest scores for `query`, best first: the sum over its words of what each adds, as often as
    /// it counts. Of more than 64 words the rarest are asked, and where the rarer ones name 2,000 rows none that more, and a twentieth of the
    /// rows, have.
    pub fn best(&self, query: &WordQuery, k: usize, may_appear: impl Fn(RowId) -> bool) -> Vec<ScoredRow> {
        SUMS.with_borrow_mut(|sums| {
            sums.sums.resize(self.row_ends.len().max(sums.sums.len()), 0.0);
            for (word, count) in self.rarest(query) {
                if sums.touched.len() >= ENOUGH_ROWS.max(k) && self.is_common(word) {
                    break;
                }
                for part in self.postings(word) {
                    sums.add(part.number, part.value * count);
                }
            }
            best_allowed(&mut sums.take(), k, may_appear)
        })
    }

    fn rarest(&self, query: &WordQuery) -> Vec<(u32, f32)> {
        let mut words: Vec<(u32, f32)> = query.iter().map(|(&word, &count)| (word, count)).collect();
        words.sort_by_key(|&(word, _)| (self.postings(word).len(), word));
        words.truncate(MAX_WORDS);
        words
    }

    fn is_common(&self, word: u32) -> bool {
        self.postings(word).len() > (self.row_ends.len() / COMMON_SHARE).max(ENOUGH_ROWS)
    }

    fn postings(&self, word: u32) -> &'a [Part] {
        slice(self.posting_ends, self.postings, word as usize)
    }

    fn number(&self, word: &str) -> Option<u32> {
        let (mut low, mut high) = (0, self.posting_ends.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.word(middle)?.cmp(word.as_bytes()) {
                std::cmp::Ordering::Equal => return u32::try_from(middle).ok(),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn word(&self, number: usize) -> Option<&'a [u8]> {
        let (start, end) = (*self.word_offsets.get(number)?, *self.word_offsets.get(number + 1)?);
        self.word_bytes.get(start as usize..end as usize)
    }
}

/// The elements of list number `at` of those that end at `ends`; none where that lies outside.
fn slice<'a>(ends: &[u64], elements: &'a [Part], at: usize) -> &'a [Part] {
    let start = if at == 0 { 0 } else { ends.get(at - 1).map_or(0, |&end| end as usize) };
    let end = ends.get(at).map_or(0, |&end| end as usize);
    elements.get(start..end).unwrap_or_default()
}

thread_local! {
    static SUMS: RefCell<Sums> = RefCell::default();
}

/// Sums by row, emptied in time that follows the rows touched.
#[derive(Default)]
struct Sums {
    sums: Vec<f32>,
    touched: Vec<u32>,
}

impl Sums {
    /// Adds `value` to `row`; a row past the last is left out.
    fn add(&mut self, row: u32, value: f32) {
        let Some(sum) = self.sums.get_mut(row as usize) else { return };
        if *sum == 0.0 {
            self.touched.push(row);
        }
        *sum += value;
    }

    /// The rows with their sums, in no order; empties it.
    fn take(&mut self) -> Vec<ScoredRow> {
        let sums = &mut self.sums;
        let scored = self.touched.drain(..).map(|row| {
            let score = std::mem::take(&mut sums[row as usize]);
            ScoredRow { row: RowId(row), score }
        });
        scored.filter(|scored| scored.score > 0.0).collect()
    }
}

/// For each row wanted, so many of the best are looked at first.
const LOOKED_AT_PER_WANTED: usize = 4;

/// The `k` best of `found` that `may_appear`, best first. Most rows are never asked about: the best are, and more only where too few of those may.
fn best_allowed(found: &mut [ScoredRow], k: usize, may_appear: impl Fn(RowId) -> bool) -> Vec<ScoredRow> {
    let (mut kept, mut rest, mut width) = (Vec::new(), found, k.saturating_mul(LOOKED_AT_PER_WANTED));
    while !rest.is_empty() && kept.len() < k {
        let num_best = width.min(rest.len());
        if num_best < rest.len() {
            rest.select_nth_unstable_by(num_best - 1, best_first);
        }
        let (best, others) = rest.split_at_mut(num_best);
        best.sort_unstable_by(best_first);
        kept.extend(best.iter().filter(|scored| may_appear(scored.row)).take(k - kept.len()));
        (rest, width) = (others, width.saturating_mul(LOOKED_AT_PER_WANTED));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> WordCounts {
        let mut counts = WordCounts::new();
        count_words(text, 1.0, &mut counts);
        counts
    }

    fn lexicon(texts: &[&str]) -> Lexicon {
        Lexicon::new(&texts.iter().map(|text| counts(text)).collect::<Vec<_>>())
    }

    #[test]
    fn scores_agree_with_the_formula_worked_out_by_hand() {
        let lexicon = lexicon(&["red mug", "Red red bag", "blue MUG large", "lamp"]);
        let words = lexicon.words();
        let mut query = WordQuery::new();
        words.add_row(RowId(0), &mut query);
        let found = words.best(&query, 10, |row| row != RowId(0));
        let idf = (1.0f32 + (4.0 - 2.0 + 0.5) / 2.5).ln();
        let part = |count: f32, length: f32| count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / 2.25));
        let expected = [(1, idf * part(2.0, 3.0)), (2, idf * part(1.0, 3.0))];
        assert_eq!(found.len(), 2);
        for (found, (row, score)) in found.iter().zip(expected) {
            assert!(found.row.0 == row && (found.score - score).abs() < 1e-5, "{found:?}");
        }
    }

    #[test]
    fn a_question_in_words_is_answered_as_one_by_a_row_with_those_words() {
        let lexicon = lexicon(&["case for galaxy s7", "case for galaxy s8", "charger s7", "été"]);
        let words = lexicon.words();
        for (row, text) in ["case for galaxy S7", "CASE for galaxy s8", "charger s7", "Été unknown"].iter().enumerate()
        {
            let (mut by_row, mut by_words) = (WordQuery::new(), WordQuery::new());
            words.add_row(RowId(row as u32), &mut by_row);
            words.add_words(&counts(text), &mut by_words);
            assert_eq!(by_row, by_words);
            assert_eq!(words.best(&by_row, 1, |_| true)[0].row, RowId(row as u32));
        }
        assert!(words.best(&WordQuery::from([(99, 1.0)]), 5, |_| true).is_empty(), "no such word");
        let mut none = WordQuery::new();
        words.add_row(RowId(99), &mut none);
        assert!(none.is_empty(), "no such row");
    }

    proptest::proptest! {
        #[test]
        fn the_best_of_those_that_may_appear_are_those_of_a_full_sort(scores in proptest::collection::vec(0u8..20, 0..200), k in 0usize..30, one_in in 1u32..40) {
            let all = || scores.iter().zip(0..).map(|(score, row)| ScoredRow { row: RowId(row), score: f32::from(*score) });
            let may_appear = |row: RowId| row.0.is_multiple_of(one_in);
            let mut expected: Vec<ScoredRow> = all().filter(|scored| may_appear(scored.row)).collect();
            expected.sort_by(best_first);
            expected.truncate(k);
            proptest::prop_assert_eq!(best_allowed(&mut all().collect::<Vec<_>>(), k, may_appear), expected);
        }
    }

    #[test]
    fn of_a_long_question_the_rarest_words_are_asked() {
        let mut texts: Vec<String> = (0..100).map(|at| format!("common rare{at}")).collect();
        texts.push("common only".to_owned());
        let lexicon = lexicon(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let words = lexicon.words();
        let mut query = WordQuery::new();
        (0..100).for_each(|row| words.add_row(RowId(row), &mut query));
        assert_eq!(words.best(&query, 200, |_| true).len(), MAX_WORDS);
    }

    #[test]
    fn common_words_are_asked_where_rarer_ones_name_too_few() {
        let texts: Vec<String> =
            (0..3000).map(|at| format!("common {} n{}", if at < 2100 { "half" } else { "other" }, at / 3)).collect();
        let lexicon = lexicon(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let words = lexicon.words();
        let named = |text: &str| {
            let mut query = WordQuery::new();
            words.add_words(&counts(text), &mut query);
            words.best(&query, 5000, |_| true).len()
        };
        assert_eq!((named("common n1"), named("half n1")), (3000, 2100));
        assert_eq!(named("common half n1"), 3000, "fewer than are wanted are named");
        let best = |text: &str, k: usize| {
            let mut query = WordQuery::new();
            words.add_words(&counts(text), &mut query);
            words.best(&query, k, |_| true)
        };
        // The best stay the best: those with the rare word.
        let rows: Vec<u32> = best("common half n1", 3).iter().map(|found| found.row.0).collect();
        assert_eq!(rows, [3, 4, 5]);
    }

    #[test]
    fn a_file_comes_back_as_written_and_one_of_other_rows_is_refused() {
        let product = |id: &str, title: &str| -> Product {
            serde_json::from_value(serde_json::json!({"id": id, "title": title, "brand": "Acme"})).unwrap()
        };
        let products = [product("a", "Blue mug"), product("b", "Red mug")];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lexical.bin");
        write(&path, &products.iter().collect::<Vec<_>>()).unwrap();
        let file = LexicalFile::open(&path, 2).unwrap();
        let lexicon = Lexicon::new(&products.iter().map(words_of).collect::<Vec<_>>());
        let mut query = WordQuery::new();
        lexicon.words().add_row(RowId(0), &mut query);
        assert_eq!(file.words().best(&query, 5, |_| true), lexicon.words().best(&query, 5, |_| true));
        assert_eq!(query.len(), 3);
        assert!(LexicalFile::open(&path, 3).is_err());
    }
}
