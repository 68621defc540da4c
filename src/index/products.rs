//! The products of a generation in one mapped file, `products.bin`: records, ids, and the columns that filters read.
//!
//! Sections (kind `PROD`, version [`VERSION`]); `n` rows:
//!
//! | tag | element | count | meaning |
//! |---|---|---|---|
//! | `RECO` | u64 | `n + 1` | where each row's record starts in `RECB`, and the end of the last |
//! | `RECB` | u8 | | records: the product as one JSON object, as answers show it |
//! | `IDSO` | u64 | `n + 1` | where each row's id starts in `IDSB`, and the end of the last |
//! | `IDSB` | u8 | | ids, UTF-8 |
//! | `IDOR` | u32 | `n` | rows in the byte order of their ids |
//! | `FITO` | u64 | `n + 1` | where each row's models start in `FITB`, and the end of the last |
//! | `FITB` | u8 | | models that the row's product says it fits, one a line |
//! | `PRIC` | i64 | `n` | effective price in minor units; [`NO_PRICE`] when there is none |
//! | `CURR` | u8 | `3 n` | the price's currency; zeros when there is none |
//! | `FAMI` | u32 | `n` | family: the lowest row that shares it |

use std::collections::HashMap;
use std::path::Path;

use serde_json::value::RawValue;

use super::error::IndexError;
use super::section::{FileDigest, Section, SectionFile, Tag, write_sections};
use crate::catalog::{Compatibility, Currency, Money, Product};
use crate::rank::RowId;

/// Kind of the file.
pub const KIND: Tag = *b"PROD";
/// Version of the layout above.
pub const VERSION: u32 = 1;
/// Stands in `PRIC` for a product without a price.
pub const NO_PRICE: i64 = i64::MIN;

/// Texts of one section pair: offsets and bytes.
#[derive(Default)]
struct Texts {
    offsets: Vec<u64>,
    bytes: Vec<u8>,
}

impl Texts {
    fn push(&mut self, text: &[u8]) {
        self.offsets.push(self.bytes.len() as u64);
        self.bytes.extend_from_slice(text);
    }

    fn finish(mut self) -> Self {
        self.offsets.push(self.bytes.len() as u64);
        self
    }
}

/// Writes `products`, one row each in their order, to `path`.
///
/// Returns an error if the file cannot be written.
pub fn write(path: &Path, products: &[&Product]) -> Result<FileDigest, IndexError> {
    let (mut records, mut ids, mut models) = (Texts::default(), Texts::default(), Texts::default());
    let compatibility = Compatibility::of(products.iter().copied());
    for product in products {
        let record = serde_json::to_vec(product)
            .map_err(|e| IndexError::Write { path: path.to_owned(), source: std::io::Error::other(e) })?;
        records.push(&record);
        ids.push(product.id.as_str().as_bytes());
        models.push(compatibility.fits(product).join("\n").as_bytes());
    }
    let (records, ids, models) = (records.finish(), ids.finish(), models.finish());
    let mut id_order: Vec<u32> = (0..products.len() as u32).collect();
    id_order.sort_by(|&a, &b| products[a as usize].id.cmp(&products[b as usize].id));
    let prices: Vec<i64> = products.iter().map(|p| p.effective_price().map_or(NO_PRICE, |m| m.minor)).collect();
    let currency = |p: &&Product| p.effective_price().map_or([0; 3], |m| m.currency.to_bytes());
    let currencies: Vec<u8> = products.iter().flat_map(currency).collect();
    let families = families(products);
    let sections = [
        Section::new(*b"RECO", &records.offsets),
        Section::new(*b"RECB", &records.bytes),
        Section::new(*b"IDSO", &ids.offsets),
        Section::new(*b"IDSB", &ids.bytes),
        Section::new(*b"IDOR", &id_order),
        Section::new(*b"FITO", &models.offsets),
        Section::new(*b"FITB", &models.bytes),
        Section::new(*b"PRIC", &prices),
        Section::new(*b"CURR", &currencies),
        Section::new(*b"FAMI", &families),
    ];
    write_sections(path, KIND, VERSION, &sections)
}

fn families(products: &[&Product]) -> Vec<u32> {
    let mut first: HashMap<&str, u32> = HashMap::new();
    let rows = products.iter().zip(0u32..);
    rows.map(|(product, row)| {
        product.item_group_id.as_deref().map_or(row, |family| *first.entry(family).or_insert(row))
    })
    .collect()
}

/// A mapped `products.bin`.
#[derive(Debug)]
pub struct Products {
    file: SectionFile,
    num_rows: usize,
}

impl Products {
    /// Maps the file and checks that its sections fit together; records are not read.
    ///
    /// Returns an error if the file is missing, damaged, or of another version.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let file = SectionFile::open(path, KIND, VERSION)?;
        let num_rows = file.section::<u32>(*b"IDOR")?.len();
        let fits = file.section::<u64>(*b"RECO")?.len() == num_rows + 1
            && file.section::<u64>(*b"IDSO")?.len() == num_rows + 1
            && file.section::<u64>(*b"FITO")?.len() == num_rows + 1
            && file.section::<i64>(*b"PRIC")?.len() == num_rows
            && file.section::<u8>(*b"CURR")?.len() == 3 * num_rows
            && file.section::<u32>(*b"FAMI")?.len() == num_rows;
        file.section::<u8>(*b"RECB")?;
        file.section::<u8>(*b"IDSB")?;
        file.section::<u8>(*b"FITB")?;
        if fits { Ok(Self { file, num_rows }) } else { Err(file.damaged("its sections do not fit together")) }
    }

    /// Number of rows.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// The row of the product with this id.
    pub fn row(&self, id: &str) -> Option<RowId> {
        let order: &[u32] = self.section(*b"IDOR");
        let at =
            order.binary_search_by(|&row| self.id_bytes(row as usize).unwrap_or_default().cmp(id.as_bytes())).ok()?;
        Some(RowId(order[at]))
    }

    /// The row's product id; `None` when there is no such row.
    pub fn id(&self, row: RowId) -> Option<&str> {
        std::str::from_utf8(self.id_bytes(row.index())?).ok()
    }

    /// The row's record as JSON text, ready to be sent.
    ///
    /// Returns an error if there is no such row or its bytes are no JSON.
    pub fn record(&self, row: RowId) -> Result<&RawValue, IndexError> {
        let bytes = self.text(*b"RECO", *b"RECB", row.index());
        let bytes = bytes.ok_or_else(|| self.file.damaged(format!("row {} has no record", row.0)))?;
        serde_json::from_slice(bytes).map_err(|e| self.file.damaged(format!("the record of row {}: {e}", row.0)))
    }

    /// The row's product, parsed.
    ///
    /// Returns an error if there is no such row or its record does not parse.
    pub fn product(&self, row: RowId) -> Result<Product, IndexError> {
        let record = self.record(row)?;
        serde_json::from_str(record.get()).map_err(|e| self.file.damaged(format!("the record of row {}: {e}", row.0)))
    }

    /// The row's title, without the rest being parsed into a product.
    ///
    /// Returns an error if there is no such row or its record does not parse.
    pub fn title(&self, row: RowId) -> Result<String, IndexError> {
        #[derive(serde::Deserialize)]
        struct Titled {
            title: String,
        }
        let bytes = self.text(*b"RECO", *b"RECB", row.index()).unwrap_or_default();
        let titled: Result<Titled, _> = serde_json::from_slice(bytes);
        let damaged = |error| self.file.damaged(format!("the record of row {}: {error}", row.0));
        titled.map(|titled| titled.title).map_err(damaged)
    }

    /// The models that the row's product says it fits.
    pub fn models(&self, row: RowId) -> impl Iterator<Item = &str> {
        let bytes = self.text(*b"FITO", *b"FITB", row.index()).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default().lines()
    }

    /// What a shopper pays; `None` without a price.
    pub fn price(&self, row: RowId) -> Option<Money> {
        let minor = self.section::<i64>(*b"PRIC").get(row.index()).copied().filter(|&minor| minor != NO_PRICE)?;
        let code = self.section::<u8>(*b"CURR").get(3 * row.index()..)?.first_chunk::<3>()?;
        Some(Money { minor, currency: Currency::from_bytes(*code)? })
    }

    /// Effective prices in minor units, row by row; [`NO_PRICE`] where there is none.
    pub fn prices(&self) -> &[i64] {
        self.section(*b"PRIC")
    }

    /// Three letters of the price's currency, row by row.
    pub fn currencies(&self) -> &[[u8; 3]] {
        self.section::<u8>(*b"CURR").as_chunks().0
    }

    /// Number of the row's family; rows of one family share it.
    pub fn family(&self, row: RowId) -> Option<u32> {
        self.section::<u32>(*b"FAMI").get(row.index()).copied()
    }

    fn id_bytes(&self, row: usize) -> Option<&[u8]> {
        self.text(*b"IDSO", *b"IDSB", row)
    }

    fn text(&self, offsets: Tag, bytes: Tag, row: usize) -> Option<&[u8]> {
        let offsets: &[u64] = self.section(offsets);
        let range = *offsets.get(row)? as usize..*offsets.get(row + 1)? as usize;
        self.section::<u8>(bytes).get(range)
    }

    fn section<T: bytemuck::AnyBitPattern>(&self, tag: Tag) -> &[T] {
        // `open` read every section with its type, so each is there.
        self.file.section(tag).unwrap_or_default()
    }
}
