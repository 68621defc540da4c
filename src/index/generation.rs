//! One generation: an immutable folder of mapped files behind a manifest.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use super::build::{IndexConfig, build_graph};
use super::comparison::{self, Comparison};
use super::error::IndexError;
use super::hnsw::{self, Hnsw};
use super::lexical::{self, LexicalFile, Words};
use super::manifest::{self, BuildFigures, Counts, FORMAT_VERSION, LiveMark, MANIFEST_FILE, Manifest, ModelRecord};
use super::products::{self, Products};
use super::search::SearchParams;
use super::section::FileDigest;
use super::terms::{self, NEED_FIELD, Terms};
use super::{disk, recall};
use crate::catalog::Product;
use crate::rank::{RowId, ScoredRow};

/// File of the vectors and their graph.
pub const HNSW_FILE: &str = "hnsw.bin";
/// File of the products.
pub const PRODUCTS_FILE: &str = "products.bin";
/// File of the filter terms.
pub const TERMS_FILE: &str = "terms.bin";
/// File of what products are compared by.
pub const COMPARISON_FILE: &str = "comparison.bin";
/// File of the words that products share.
pub const LEXICAL_FILE: &str = "lexical.bin";

/// `ef_search` of [`Generation::candidates`], unless that of the generation is lower.
const CANDIDATES_EF: usize = 24;
/// Candidates with which a walk among rows that are not allowed may end: what is further away counts next to nothing.
const ENOUGH_CANDIDATES: usize = 10;

/// How thoroughly a generation is checked when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Lengths and headers: milliseconds whatever the size. Damage inside a section stays unseen, and harmless to memory.
    Headers,
    /// The hash of every file too: reads everything once.
    Hashes,
}

/// An open generation. Cheap to share; its files stay mapped until it is dropped, also when they are deleted meanwhile.
#[derive(Debug)]
pub struct Generation {
    manifest: Manifest,
    hnsw: Hnsw,
    products: Products,
    terms: Terms,
    comparison: Option<Comparison>,
    lexical: Option<LexicalFile>,
    /// Kinds of things, and the number of each row's.
    needs: OnceLock<(Vec<String>, Vec<u32>)>,
}

impl Generation {
    /// Opens the generation in `dir`.
    ///
    /// Returns an error naming the file if one is missing, damaged, or of another format version.
    pub fn open(dir: &Path, check: Check) -> Result<Self, IndexError> {
        let manifest = manifest::read(dir)?;
        for (name, digest) in &manifest.files {
            check_file(&dir.join(name), digest, check)?;
        }
        let hnsw = Hnsw::open(&dir.join(HNSW_FILE))?;
        let products = Products::open(&dir.join(PRODUCTS_FILE))?;
        let terms = Terms::open(&dir.join(TERMS_FILE))?;
        let rows = manifest.counts.products;
        if hnsw.num_rows() != rows || products.num_rows() != rows || (rows > 0 && hnsw.dim() != manifest.model.dim) {
            let reason = format!("its {rows} products do not match the files beside it");
            return Err(IndexError::Damaged { path: dir.join(MANIFEST_FILE), reason });
        }
        let has_comparison = manifest.files.contains_key(COMPARISON_FILE);
        let comparison = has_comparison.then(|| Comparison::open(&dir.join(COMPARISON_FILE), rows)).transpose()?;
        let has_words = manifest.files.contains_key(LEXICAL_FILE);
        let lexical = has_words.then(|| LexicalFile::open(&dir.join(LEXICAL_FILE), rows)).transpose()?;
        Ok(Self { manifest, hnsw, products, terms, comparison, lexical, needs: OnceLock::new() })
    }

    /// The generation's name, `gen-000042`.
    pub fn name(&self) -> &str {
        &self.manifest.generation
    }

    /// What it holds and how it was made.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its products.
    pub fn products(&self) -> &Products {
        &self.products
    }

    /// Its filter terms.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What its products are compared by; `None` in a generation of a release that did not compare.
    pub fn comparison(&self) -> Option<&Comparison> {
        self.comparison.as_ref()
    }

    /// The words that its products share; `None` in a generation of a release that did not keep them.
    pub fn words(&self) -> Option<Words<'_>> {
        self.lexical.as_ref().map(LexicalFile::words)
    }

    /// The kind of thing that the row's product is: [`need`](crate::catalog::need); `None` where nothing says it. All are read when the first is
    /// asked about.
    ///
    /// Returns an error if a bitmap does not parse.
    pub fn need(&self, row: RowId) -> Result<Option<&str>, IndexError> {
        if self.needs.get().is_none() {
            let read = self.terms.values_of_rows(NEED_FIELD, self.products.num_rows())?;
            // Somebody else may have been quicker: both read the same.
            let _ = self.needs.set(read);
        }
        let known = self.needs.get().and_then(|(values, of_rows)| values.get(*of_rows.get(row.index())? as usize));
        Ok(known.map(String::as_str))
    }

    /// The row's vector, of length 1 but for rounding to half precision; `None` when there is no such row.
    pub fn vector(&self, row: RowId) -> Option<Vec<f32>> {
        self.hnsw.vector(row)
    }

    /// The `k` rows nearest to `query` (of length 1) among `allowed`, best first, scored by cosine similarity.
    ///
    /// Few allowed rows are scored one by one, many are searched for in the graph; never fewer than `k` come back when
    /// that many are allowed. Returns an error if `query` has another number of dimensions.
    pub fn search(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&roaring::RoaringBitmap>,
    ) -> Result<Vec<ScoredRow>, IndexError> {
        let params = SearchParams { k, ef_search: self.manifest.build.ef_search, allowed, plan: None, enough: None };
        self.hnsw.search(query, params)
    }

    /// As [`Generation::search`] for candidates of which other sources tell more: it looks less hard where what is near is not allowed, and may then
    /// find fewer than `k`.
    ///
    /// Returns an error if `query` has another number of dimensions.
    pub fn candidates(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&roaring::RoaringBitmap>,
    ) -> Result<Vec<ScoredRow>, IndexError> {
        let ef_search = self.manifest.build.ef_search.min(CANDIDATES_EF);
        self.hnsw.search(query, SearchParams { k, ef_search, allowed, plan: None, enough: Some(ENOUGH_CANDIDATES) })
    }

    /// As [`Generation::search`], by scoring every allowed row: the oracle that the graph is measured against.
    ///
    /// Returns an error if `query` has another number of dimensions.
    pub fn search_exact(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&roaring::RoaringBitmap>,
    ) -> Result<Vec<ScoredRow>, IndexError> {
        self.hnsw.search_exact(query, k, allowed)
    }
}

fn check_file(path: &Path, digest: &FileDigest, check: Check) -> Result<(), IndexError> {
    let read = |source| IndexError::Read { path: path.to_owned(), source };
    let damaged = |reason: String| IndexError::Damaged { path: path.to_owned(), reason };
    let bytes = std::fs::metadata(path).map_err(read)?.len();
    if bytes != digest.bytes {
        return Err(damaged(format!("it has {bytes} bytes, the manifest says {}", digest.bytes)));
    }
    if check == Check::Hashes {
        let mut hasher = blake3::Hasher::new();
        hasher.update_mmap_rayon(path).map_err(read)?;
        if hasher.finalize().to_hex().as_str() != digest.blake3 {
            return Err(damaged("its contents do not match the hash in the manifest".into()));
        }
    }
    Ok(())
}

/// What a generation is made from.
pub struct GenerationInput<'a> {
    /// The catalog's name.
    pub catalog: &'a str,
    /// The new generation's name.
    pub generation: &'a str,
    /// The generation in use now.
    pub parent: Option<String>,
    /// The feed's name, for the manifest.
    pub feed: &'a str,
    /// The products; rows get an order of their own.
    pub products: &'a [Product],
    /// One vector of length 1 a product, in the order of `products`.
    pub vectors: &'a [f32],
    /// Where the vectors come from.
    pub model: ModelRecord,
    /// Up to where live changes are settled in `products`.
    pub live: Option<LiveMark>,
    /// Feed records that were refused.
    pub num_rejects: usize,
    /// Distinct texts embedded now.
    pub num_embedded: usize,
    /// Distinct texts taken from the cache.
    pub num_reused: usize,
    /// When the build began.
    pub started: std::time::Instant,
    /// Wall-clock time for the manifest.
    pub now: jiff::Timestamp,
}

/// The rows of a generation that is being written, in their final order.
pub struct WrittenRows<'a> {
    /// Its folder.
    pub dir: &'a Path,
    /// Its products.
    pub products: &'a Products,
    /// What they are compared by.
    pub comparison: &'a Comparison,
    hnsw: &'a Hnsw,
}

impl WrittenRows<'_> {
    /// The `k` rows nearest to `query`, of length 1, best first.
    ///
    /// Returns an error if `query` has another number of dimensions.
    pub fn nearest(&self, query: &[f32], k: usize) -> Result<Vec<ScoredRow>, IndexError> {
        self.hnsw.nearest(query, k)
    }

    /// The row's vector, of length 1 but for rounding to half precision; `None` when there is no such row.
    pub fn vector(&self, row: RowId) -> Option<Vec<f32>> {
        self.hnsw.vector(row)
    }
}

/// As [`write_generation_with`], without further files.
///
/// Returns an error as that does.
pub fn write_generation(
    dir: &Path,
    input: &GenerationInput<'_>,
    config: &IndexConfig,
    progress: &mut dyn FnMut(usize),
) -> Result<Manifest, IndexError> {
    write_generation_with(dir, input, config, progress, |_| Ok(Vec::new()))
}

/// Builds the generation's files in the empty folder `dir`, measures recall, and writes the manifest last.
///
/// `more` writes the files that are made for its rows, and names them for the manifest; its errors are those of the whole. `progress` is called with the number of rows
/// linked into the graph. Returns the manifest. Returns an error if a file
/// cannot be written, the vectors cannot be indexed, or recall is below the floor however wide the search; `dir` is then incomplete and of no use.
pub fn write_generation_with<E: From<IndexError>>(
    dir: &Path,
    input: &GenerationInput<'_>,
    config: &IndexConfig,
    progress: &mut dyn FnMut(usize),
    more: impl FnOnce(&WrittenRows<'_>) -> Result<Vec<(String, FileDigest)>, E>,
) -> Result<Manifest, E> {
    let dim = input.model.dim;
    let built = build_graph(input.vectors, dim, config, progress)?;
    let path = dir.join(HNSW_FILE);
    let mut files = BTreeMap::from([(HNSW_FILE.to_owned(), hnsw::write(&path, input.vectors, dim, &built)?)]);
    let products: Vec<&Product> = built.order.iter().map(|at| &input.products[*at as usize]).collect();
    files.insert(PRODUCTS_FILE.to_owned(), products::write(&dir.join(PRODUCTS_FILE), &products)?);
    files.insert(TERMS_FILE.to_owned(), terms::write(&dir.join(TERMS_FILE), &products)?);
    files.insert(COMPARISON_FILE.to_owned(), comparison::write(&dir.join(COMPARISON_FILE), &products)?);
    files.insert(LEXICAL_FILE.to_owned(), lexical::write(&dir.join(LEXICAL_FILE), &products)?);
    let hnsw = Hnsw::open(&path)?;
    let (ef_search, measured) = recall::widen(&hnsw, config)?;
    if measured.recall_at_10 < config.recall_floor {
        let floor = config.recall_floor;
        return Err(IndexError::RecallTooLow { recall: measured.recall_at_10, floor }.into());
    }
    let written = Products::open(&dir.join(PRODUCTS_FILE))?;
    let comparison = Comparison::open(&dir.join(COMPARISON_FILE), written.num_rows())?;
    files.extend(more(&WrittenRows { dir, products: &written, comparison: &comparison, hnsw: &hnsw })?);
    let families: std::collections::HashSet<&str> = input.products.iter().map(Product::family).collect();
    let mut manifest = Manifest {
        format_version: FORMAT_VERSION,
        kindred_version: env!("CARGO_PKG_VERSION").to_owned(),
        catalog: input.catalog.to_owned(),
        generation: input.generation.to_owned(),
        parent: input.parent.clone(),
        created_at: input.now,
        feed: input.feed.to_owned(),
        model: input.model.clone(),
        counts: Counts { products: input.products.len(), families: families.len(), rejects: input.num_rejects },
        build: BuildFigures {
            embedded: input.num_embedded,
            reused: input.num_reused,
            recall_at_10: measured.recall_at_10,
            recall_queries: measured.num_queries,
            m: config.m,
            ef_construction: config.ef_construction,
            ef_search,
            seed: config.seed,
            took_ms: input.started.elapsed().as_millis() as u64,
        },
        live: input.live.clone(),
        files,
        checksum: String::new(),
    };
    manifest.checksum = manifest::write(dir, &manifest)?;
    disk::sync_folder(dir)?;
    Ok(manifest)
}
