//! The learned tables of a generation on disk: `behavior.bin` and `sessions.bin`, mapped.
//!
//! `behavior.bin` (kind `BEHV`, version [`VERSION`]); rows are the generation's, `n` of them, `c` categories. A table is two sections:
//! `..ND`, a u64 for each row that says where it ends among the entries, and `..EN`, entries of 12 bytes (u32 product or category, f32
//! score, u32 evidence), each row best first.
//!
//! | tag | element | count | meaning |
//! |---|---|---|---|
//! | `META` | u32 | 3 | `n`, `c`, the "now" of all fading in seconds since 1970 |
//! | `CPND` `CPEN` | | `n` rows | bought together, by shrunk asymmetric cosine |
//! | `EAND` `EAEN` | | `n` rows | bought together, by EASE |
//! | `NXND` `NXEN` | | `n` rows | met next in a session |
//! | `BNND` `BNEN` | | `n` rows | bought next in a session |
//! | `NCND` `NCEN` | | `c` rows | categories met next |
//! | `TCND` `TCEN` | | `c` rows | categories bought together |
//! | `PPND` `PPEN` | | `1 + c` rows | by popularity: row 0 over all, then by category |
//! | `ORDN` | u32 | `n` | how many orders hold each product |
//! | `FRST` | u32 | `n` | the day on which each product was first ordered, as its beginning in seconds since 1970, `u32::MAX` for never; absent from older files |
//! | `CATG` | u32 | `n` | each product's category, `u32::MAX` for none |
//! | `STEP` | u32 | `41 (1 + c)` | histograms of price steps: row 0 over all, then by category of what was viewed |
//! | `ATST` | u32 | `2 (1 + c)` times the kinds of attributes | purchases of more of a kind than was viewed, and others; absent from older files |
//! | `RPET` | 5 × 4 bytes | `1 + n` or 0 | what is bought again: f32 days, f32 spread of their logarithm, f32 share of buyers, u32 buyers, u32 of them again; row 0 over all; absent from older files |
//!
//! `sessions.bin` (kind `SESS`); `s` sessions, numbered from the one that ended first:
//!
//! | tag | element | count | meaning |
//! |---|---|---|---|
//! | `PEND` | u64 | `n` | where each product's sessions end in `POST` |
//! | `POST` | u32 | | the sessions that met a product, newest first |
//! | `SEND` | u64 | `s` | where each session's products end in `PROD` and `KIND` |
//! | `PROD` | u32 | | different products of a session, in the order in which they were first met |
//! | `KIND` | u8 | | the strongest thing done with each |
//! | `LAST` | u32 | `s` | when the session ended, in seconds since 1970 |
//! | `IDF_` | f32 | `n` | `ln(sessions / sessions with the product)` |
//! | `VROW` | u32 | rows of `session_vectors.bin` | the session of each vector, `u32::MAX` where that was taken out |
//!
//! Where sessions were taken out ([`redact`](super::redact())), the others are numbered without gaps and the counts are as they were.
//!
//! `session_vectors.bin` is an index as `hnsw.bin` is; it is there when any session has a vector.

use std::path::{Path, PathBuf};

use super::attribute_steps::{COUNTS_PER_KIND, ROW_LENGTH};
use super::complement::{COMPLEMENT_FILE, read_map};
use super::learned::Learned;
use super::novelty::share_ordered;
use super::price_steps::NUM_BINS;
use super::related::{Related, RelatedRows, RelatedTable};
use super::replenish::Repeat;
use super::semantic::SessionVectors;
use super::session_index::{SessionIndex, Sessions};
use crate::catalog::AttributeKind;
use crate::embed::ComplementMap;
use crate::index::{FileDigest, Hnsw, IndexConfig, IndexError, Section, SectionFile, Tag, write_sections};
use crate::rank::ScoredRow;

/// File of the tables.
pub const BEHAVIOR_FILE: &str = "behavior.bin";
/// File of the session index.
pub const SESSIONS_FILE: &str = "sessions.bin";
/// File of the sessions' vectors.
pub const SESSION_VECTORS_FILE: &str = "session_vectors.bin";
/// Version of both layouts above.
pub const VERSION: u32 = 2;
const BEHAVIOR_KIND: Tag = *b"BEHV";
const SESSIONS_KIND: Tag = *b"SESS";

/// Tags of the tables, ends and entries.
const COPURCHASE: (Tag, Tag) = (*b"CPND", *b"CPEN");
const EASE: (Tag, Tag) = (*b"EAND", *b"EAEN");
const NEXT: (Tag, Tag) = (*b"NXND", *b"NXEN");
const BOUGHT_NEXT: (Tag, Tag) = (*b"BNND", *b"BNEN");
const NEXT_CATEGORIES: (Tag, Tag) = (*b"NCND", *b"NCEN");
const TOGETHER_CATEGORIES: (Tag, Tag) = (*b"TCND", *b"TCEN");
const POPULAR: (Tag, Tag) = (*b"PPND", *b"PPEN");
/// What is bought again.
const REPEATS: Tag = *b"RPET";
/// The tables of pairs of products.
pub(super) const PAIR_TABLES: [(Tag, Tag); 4] = [COPURCHASE, EASE, NEXT, BOUGHT_NEXT];

/// Writes `learned`, and the sessions' `vectors` as an index, into the folder of a generation that is being built; returns the files.
///
/// Returns an error if a file cannot be written or a vector is not of length 1.
pub fn write(
    dir: &Path,
    learned: &Learned,
    vectors: &SessionVectors,
    config: &IndexConfig,
) -> Result<Vec<(String, FileDigest)>, IndexError> {
    let mut files = vec![(BEHAVIOR_FILE.to_owned(), write_behavior(&dir.join(BEHAVIOR_FILE), learned)?)];
    let mut session_of = Vec::new();
    if !vectors.sessions.is_empty() {
        let (digest, order) =
            Hnsw::build(&dir.join(SESSION_VECTORS_FILE), &vectors.vectors, vectors.dim, config, &mut |_| {})?;
        files.push((SESSION_VECTORS_FILE.to_owned(), digest));
        session_of.extend(order.iter().map(|&at| vectors.sessions[at as usize]));
    }
    files.push((SESSIONS_FILE.to_owned(), write_sessions(&dir.join(SESSIONS_FILE), learned, &session_of)?));
    Ok(files)
}

fn write_behavior(path: &Path, learned: &Learned) -> Result<FileDigest, IndexError> {
    let num_categories = learned.next_categories.rows().len() as u32;
    let meta = [learned.category_of.len() as u32, num_categories, learned.now_s];
    let mut sections = vec![Section::new(*b"META", &meta)];
    let tables: [((Tag, Tag), &RelatedTable); 7] = [
        (COPURCHASE, &learned.copurchase),
        (EASE, &learned.ease),
        (NEXT, &learned.next),
        (BOUGHT_NEXT, &learned.bought_next),
        (NEXT_CATEGORIES, &learned.next_categories),
        (TOGETHER_CATEGORIES, &learned.together_categories),
        (POPULAR, &learned.popular),
    ];
    for ((ends_tag, entries_tag), table) in tables {
        let (ends, entries) = table.parts();
        sections.extend([Section::new(ends_tag, ends), Section::new(entries_tag, entries)]);
    }
    sections.push(Section::new(*b"ORDN", &learned.num_orders));
    sections.push(Section::new(*b"FRST", &learned.first_orders));
    sections.push(Section::new(*b"CATG", &learned.category_of));
    sections.push(Section::new(*b"STEP", &learned.price_steps.counts));
    sections.push(Section::new(*b"ATST", &learned.attribute_steps.counts));
    sections.push(Section::new(REPEATS, &learned.repeats.rows));
    write_sections(path, BEHAVIOR_KIND, VERSION, &sections)
}

fn write_sessions(path: &Path, learned: &Learned, session_of: &[u32]) -> Result<FileDigest, IndexError> {
    write_sections(path, SESSIONS_KIND, VERSION, &session_sections(&learned.sessions, session_of))
}

fn session_sections<'a>(sessions: &'a SessionIndex, session_of: &'a [u32]) -> [Section<'a>; 8] {
    [
        Section::new(*b"PEND", &sessions.posting_ends),
        Section::new(*b"POST", &sessions.postings),
        Section::new(*b"SEND", &sessions.ends),
        Section::new(*b"PROD", &sessions.products),
        Section::new(*b"KIND", &sessions.kinds),
        Section::new(*b"LAST", &sessions.last_s),
        Section::new(*b"IDF_", &sessions.idf),
        Section::new(*b"VROW", session_of),
    ]
}

/// Writes the sessions of `behavior` to `path` with these in their place.
///
/// Returns an error if the file cannot be written.
pub(super) fn rewrite_sessions(
    behavior: &Behavior,
    sessions: &SessionIndex,
    session_of: &[u32],
    path: &Path,
) -> Result<FileDigest, IndexError> {
    let sections = session_sections(sessions, session_of);
    behavior.sessions.write_changed(path, VERSION, SESSIONS_KIND, &sections)
}

/// Writes the tables of `behavior` to `path` with `pairs` in the place of [`PAIR_TABLES`], and another "now" of all fading.
///
/// Returns an error if the file is damaged or the new one cannot be written.
pub(super) fn rewrite_tables(
    behavior: &Behavior,
    pairs: &[RelatedTable],
    now_s: u32,
    path: &Path,
) -> Result<FileDigest, IndexError> {
    let &[num_rows, num_categories, _] = behavior.tables.section::<u32>(*b"META")? else {
        return Err(behavior.tables.damaged("section META has another length"));
    };
    let meta = [num_rows, num_categories, now_s];
    let mut sections = vec![Section::new(*b"META", &meta)];
    for ((ends_tag, entries_tag), table) in PAIR_TABLES.into_iter().zip(pairs) {
        let (ends, entries) = table.parts();
        sections.extend([Section::new(ends_tag, ends), Section::new(entries_tag, entries)]);
    }
    behavior.tables.write_changed(path, VERSION, BEHAVIOR_KIND, &sections)
}

/// The learned tables of one generation, mapped. Damage that only hashes would show can cost quality, never more.
#[derive(Debug)]
pub struct Behavior {
    tables: SectionFile,
    sessions: SectionFile,
    vectors: Option<Hnsw>,
    complement: Option<ComplementMap>,
    now_s: u32,
    share_ordered: f32,
}

impl Behavior {
    /// Opens the tables in the folder of a generation with `num_rows` products; `None` where it was built without events. `files` are
    /// the names in its manifest.
    ///
    /// Returns an error naming the file if one is damaged, missing beside the others, or of another version.
    pub fn open<'f>(
        dir: &Path,
        num_rows: usize,
        mut files: impl Iterator<Item = &'f str> + Clone,
    ) -> Result<Option<Self>, IndexError> {
        let path = |name: &str| -> PathBuf { dir.join(name) };
        if !files.clone().any(|name| name == BEHAVIOR_FILE) {
            return Ok(None);
        }
        let tables = SectionFile::open(&path(BEHAVIOR_FILE), BEHAVIOR_KIND, VERSION)?;
        let now_s = check_tables(&tables, num_rows)?;
        let sessions = SectionFile::open(&path(SESSIONS_FILE), SESSIONS_KIND, VERSION)?;
        check_sessions(&sessions, num_rows)?;
        let has_vectors = files.clone().any(|name| name == SESSION_VECTORS_FILE);
        let vectors = has_vectors.then(|| Hnsw::open(&path(SESSION_VECTORS_FILE))).transpose()?;
        let has_map = files.any(|name| name == COMPLEMENT_FILE);
        let complement = has_map.then(|| read_map(&path(COMPLEMENT_FILE))).transpose()?;
        let share_ordered = share_ordered(tables.section(*b"FRST").unwrap_or_default());
        let behavior = Self { tables, sessions, vectors, complement, now_s, share_ordered };
        let num_vectors = behavior.vectors.as_ref().map_or(0, Hnsw::num_rows);
        if behavior.session_of().len() != num_vectors {
            return Err(behavior.sessions.damaged("its vectors are not those of the file beside it"));
        }
        Ok(Some(behavior))
    }

    /// The "now" of all fading, in seconds since 1970.
    pub fn now_s(&self) -> u32 {
        self.now_s
    }

    /// Bought together, by shrunk asymmetric cosine.
    pub fn copurchase(&self) -> RelatedRows<'_> {
        self.table(COPURCHASE)
    }

    /// Bought together, by EASE: the most bought products alone have rows.
    pub fn ease(&self) -> RelatedRows<'_> {
        self.table(EASE)
    }

    /// Met next in a session.
    pub fn next(&self) -> RelatedRows<'_> {
        self.table(NEXT)
    }

    /// Bought next in a session.
    pub fn bought_next(&self) -> RelatedRows<'_> {
        self.table(BOUGHT_NEXT)
    }

    /// Categories met next, by category.
    pub fn next_categories(&self) -> RelatedRows<'_> {
        self.table(NEXT_CATEGORIES)
    }

    /// Categories bought together, by category.
    pub fn together_categories(&self) -> RelatedRows<'_> {
        self.table(TOGETHER_CATEGORIES)
    }

    /// Products by popularity: row 0 over all, row `1 + c` in category `c`.
    pub fn popular(&self) -> RelatedRows<'_> {
        self.table(POPULAR)
    }

    /// From a product's vector to where what goes with it lies; `None` where too few orders were known.
    pub fn complement(&self) -> Option<&ComplementMap> {
        self.complement.as_ref()
    }

    /// How many orders hold each product.
    pub fn num_orders(&self) -> &[u32] {
        self.tables.section(*b"ORDN").unwrap_or_default()
    }

    /// When each product was first ordered, in seconds since 1970, [`super::NEVER`] for one that never was; empty in an older file.
    pub fn first_orders(&self) -> &[u32] {
        self.tables.section(*b"FRST").unwrap_or_default()
    }

    /// The share of the products that were ever ordered, 0 to 1; 0 in an older file.
    pub fn share_ordered(&self) -> f32 {
        self.share_ordered
    }

    /// Each product's category, [`super::NO_CATEGORY`] for none.
    pub fn category_of(&self) -> &[u32] {
        self.tables.section(*b"CATG").unwrap_or_default()
    }

    /// The histogram of price steps from what was viewed in `category`, over all for `None`: [`NUM_BINS`] counts, or none where there is
    /// no such category.
    pub fn price_steps(&self, category: Option<u32>) -> &[u32] {
        let counts: &[u32] = self.tables.section(*b"STEP").unwrap_or_default();
        let row = category.map_or(0, |category| category as usize + 1);
        counts.chunks_exact(NUM_BINS).nth(row).unwrap_or_default()
    }

    /// Purchases after a view in `category`, over all for `None`, whose products differ in `kind`: those of more of it, and others.
    pub fn attribute_steps(&self, category: Option<u32>, kind: AttributeKind) -> [u32; 2] {
        let counts: &[u32] = self.tables.section(*b"ATST").unwrap_or_default();
        let row = category.map_or(0, |category| (category as usize).saturating_add(1));
        let at = row.saturating_mul(ROW_LENGTH).saturating_add(kind as usize * COUNTS_PER_KIND);
        counts.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default()
    }

    /// How shoppers come back for a product; as for the whole shop where the product is none of the generation, and for `None`. `None` where
    /// nobody came back for anything.
    pub fn repeat(&self, product: Option<u32>) -> Option<Repeat> {
        let rows: &[Repeat] = self.tables.section(REPEATS).unwrap_or_default();
        let row = product.and_then(|product| rows.get((product as usize).checked_add(1)?)).or(rows.first())?;
        // Damage that only hashes show must not become days that are none.
        (row.interval_days > 0.0 && row.interval_days.is_finite()).then_some(*row)
    }

    /// Past sessions.
    pub fn sessions(&self) -> Sessions<'_> {
        let file = &self.sessions;
        Sessions {
            posting_ends: file.section(*b"PEND").unwrap_or_default(),
            postings: file.section(*b"POST").unwrap_or_default(),
            ends: file.section(*b"SEND").unwrap_or_default(),
            products: file.section(*b"PROD").unwrap_or_default(),
            kinds: file.section(*b"KIND").unwrap_or_default(),
            last_s: file.section(*b"LAST").unwrap_or_default(),
            idf: file.section(*b"IDF_").unwrap_or_default(),
        }
    }

    /// The session of each vector.
    pub fn session_of(&self) -> &[u32] {
        self.sessions.section(*b"VROW").unwrap_or_default()
    }

    /// The `k` session vectors nearest to `query`, of length 1; none where no session has one.
    ///
    /// Returns an error if `query` has another number of dimensions.
    pub fn nearest_sessions(&self, query: &[f32], k: usize) -> Result<Vec<ScoredRow>, IndexError> {
        self.vectors.as_ref().map_or(Ok(Vec::new()), |vectors| vectors.nearest(query, k))
    }

    /// The sessions' vectors, where any session has one.
    pub(super) fn vectors(&self) -> Option<&Hnsw> {
        self.vectors.as_ref()
    }

    pub(super) fn table(&self, (ends, entries): (Tag, Tag)) -> RelatedRows<'_> {
        let (ends, entries) = (self.tables.section(ends), self.tables.section(entries));
        RelatedRows::new(ends.unwrap_or_default(), entries.unwrap_or_default())
    }
}

/// Checks that the sections fit together and to the generation; returns the "now" of all fading.
fn check_tables(file: &SectionFile, num_rows: usize) -> Result<u32, IndexError> {
    let &[rows, num_categories, now_s] = file.section::<u32>(*b"META")? else {
        return Err(file.damaged("section META has another length"));
    };
    let categories = num_categories as usize;
    let lengths = [
        (COPURCHASE, num_rows),
        (EASE, num_rows),
        (NEXT, num_rows),
        (BOUGHT_NEXT, num_rows),
        (NEXT_CATEGORIES, categories),
        (TOGETHER_CATEGORIES, categories),
        (POPULAR, categories + 1),
    ];
    let mut fits = rows as usize == num_rows
        && file.section::<u32>(*b"ORDN")?.len() == num_rows
        && file.section::<u32>(*b"CATG")?.len() == num_rows
        && file.section::<u32>(*b"STEP")?.len() == (categories + 1) * NUM_BINS;
    for ((ends, entries), length) in lengths {
        let (ends, entries) = (file.section::<u64>(ends)?, file.section::<Related>(entries)?);
        fits &= ends.len() == length && ends.last().is_none_or(|&end| end == entries.len() as u64);
    }
    if fits { Ok(now_s) } else { Err(file.damaged("its sections do not fit together or to the products")) }
}

fn check_sessions(file: &SectionFile, num_rows: usize) -> Result<(), IndexError> {
    let (posting_ends, ends) = (file.section::<u64>(*b"PEND")?, file.section::<u64>(*b"SEND")?);
    let ends_at = |ends: &[u64], length: usize| ends.last().copied().unwrap_or(0) == length as u64;
    let products = file.section::<u32>(*b"PROD")?.len();
    let fits = posting_ends.len() == num_rows
        && file.section::<f32>(*b"IDF_")?.len() == num_rows
        && ends_at(posting_ends, file.section::<u32>(*b"POST")?.len())
        && ends_at(ends, products)
        && file.section::<u8>(*b"KIND")?.len() == products
        && file.section::<u32>(*b"LAST")?.len() == ends.len();
    file.section::<u32>(*b"VROW")?;
    if fits { Ok(()) } else { Err(file.damaged("its sections do not fit together or to the products")) }
}
