//! Vectors in, nearest rows out: the generation directory, its mapped files, their build and their search.
//!
//! It never reads feeds, never embeds, and knows no shop rule. `unsafe` is in `section` (the mapping) and `kernels` alone.
//!
//! | file | subject |
//! |---|---|
//! | `store` | a catalog's folder: generations, `CURRENT`, lock, rollback, gc |
//! | `generation` | one generation: open, check, search, write |
//! | `manifest` | `manifest.json` |
//! | `bench` | recall and speed of the search |
//! | `build` | the HNSW graph over all vectors |
//! | `recall` | recall@10 against exact search |
//! | `hnsw` | `hnsw.bin`: vectors and graph, mapped |
//! | `half_vector` | vectors in half precision |
//! | `search` | plans of a search, scan and exact search |
//! | `walk` | the walk that build and search share |
//! | `beam` | the best rows of a walk |
//! | `cells` | cells of like rows, which filtered searches look through |
//! | `visited` | the rows that a walk has met |
//! | `projection` | the directions that codes hold |
//! | `codes` | vectors as bytes |
//! | `kernels` | inner loops for each instruction set |
//! | `products` | `products.bin`: records, ids, columns |
//! | `comparison` | `comparison.bin`: what products are compared by |
//! | `lexical` | `lexical.bin`: products by the words that they share |
//! | `terms` | `terms.bin`: which rows carry which value |
//! | `redact` | rows taken out of a graph file |
//! | `revise` | a generation with some of its files replaced |
//! | `section` | the container of all of them |
//! | `disk` | durable writes |
//! | `exact` | the nearest rows by comparing every vector |
//! | `error` | what can go wrong |

mod beam;
mod bench;
mod build;
mod cells;
mod codes;
mod comparison;
mod disk;
mod error;
mod exact;
mod generation;
mod half_vector;
mod hnsw;
#[doc(hidden)]
pub mod kernels;
mod lexical;
mod manifest;
mod products;
mod projection;
mod recall;
mod redact;
mod revise;
mod search;
mod section;
mod store;
mod terms;
mod visited;
mod walk;

pub use bench::{
    AnnReport, AnnSettings, AtRecall, ColdFigures, FilterKind, FilteredFigures, OpenFigures, Passes, Point, Subject,
    bench_ann, read_raw_vectors, write_raw_vectors,
};
pub use build::IndexConfig;
pub use comparison::{Comparison, NO_CATEGORY};
pub use error::IndexError;
pub use generation::{Check, Generation, GenerationInput, WrittenRows, write_generation, write_generation_with};
pub use half_vector::HalfVector;
pub use hnsw::Hnsw;
pub use lexical::{Lexicon, WordCounts, WordQuery, Words, count_words, words_of};
pub use manifest::{BuildFigures, Counts, LiveMark, MANIFEST_FILE, Manifest, ModelRecord};
pub use products::{NO_PRICE, Products};
pub use revise::{Replaced, Revision};
pub use search::Plan;
pub use section::{FileDigest, Section, SectionFile, Tag, write_sections};
pub use store::{CatalogDir, CatalogLock, Listed};
pub use terms::{
    DENIED_FIELD, FITS_ANY, FITS_FIELD, NEED_FIELD, PURPOSE_FIELD, Terms, availability_word, fold, is_offer_field,
    offer_terms, product_terms, term,
};
