//! Vectors in, nearest rows out: the generation directory, its mapped files, their build and their search.
//!
//! It never reads feeds, never embeds, and knows no shop rule. `unsafe` is in `section` (the mapping) and `kernels` alone.
//!
//! | file | subject |
//! |---|---|
//! | `store` | a catalog's folder: generations, `CURRENT`, lock, rollback, gc |
//! | `generation` | one generation: open, check, search, write |
//! | `manifest` | `manifest.json` |
//! | `build` | the HNSW graph by `hnsw_rs`, flattened |
//! | `recall` | recall@10 against exact search |
//! | `hnsw` | `hnsw.bin`: vectors, graph, search |
//! | `kernels` | the dot product for each instruction set |
//! | `products` | `products.bin`: records, ids, columns |
//! | `terms` | `terms.bin`: which rows carry which value |
//! | `section` | the container of all of them |
//! | `disk` | durable writes |
//! | `error` | what can go wrong |

mod build;
mod disk;
mod error;
mod generation;
mod hnsw;
mod kernels;
mod manifest;
mod products;
mod recall;
mod section;
mod store;
mod terms;

pub use build::IndexConfig;
pub use error::IndexError;
pub use generation::{Check, Generation, GenerationInput, write_generation};
pub use manifest::{BuildFigures, Counts, LiveMark, MANIFEST_FILE, Manifest, ModelRecord};
pub use products::{NO_PRICE, Products};
pub use section::FileDigest;
pub use store::{CatalogDir, CatalogLock, Listed};
pub use terms::{
    FITS_ANY, FITS_FIELD, Terms, availability_word, fold, is_offer_field, offer_terms, product_terms, term,
};
