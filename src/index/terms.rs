//! Which rows carry which value of which field, as bitmaps in one mapped file, `terms.bin`: what filters look up.
//!
//! Sections (kind `TERM`, version [`VERSION`]); `t` terms, a *term* being `field`, a zero byte, and the folded value:
//!
//! | tag | element | count | meaning |
//! |---|---|---|---|
//! | `TRMO` | u64 | `t + 1` | where each term starts in `TRMB`, and the end of the last |
//! | `TRMB` | u8 | | terms in byte order |
//! | `BMPO` | u64 | `t + 1` | where each term's bitmap starts in `BMPB`, and the end of the last |
//! | `BMPB` | u8 | | roaring bitmaps of rows, in their portable serialization |

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use roaring::RoaringBitmap;

use super::error::IndexError;
use super::section::{FileDigest, Section, SectionFile, Tag, write_sections};
use crate::catalog::{
    Availability, CATEGORY_SEPARATOR, Compatibility, LABELS, Offer, Product, models_denied, need, purposes,
};

/// Kind of the file.
pub const KIND: Tag = *b"TERM";
/// Version of the layout above.
pub const VERSION: u32 = 1;

/// Field of the models that a product says it fits.
pub const FITS_FIELD: &str = "fits";
/// Value of [`FITS_FIELD`] that every product has which names any model.
pub const FITS_ANY: &str = "*";
/// Field of the kinds of things that a product says it is for.
pub const PURPOSE_FIELD: &str = "made_for";
/// Field of the kind of thing that a product is.
pub const NEED_FIELD: &str = "need";
/// The field under which products say which models they are not for.
pub const DENIED_FIELD: &str = "not_for";
/// Stands in [`Terms::values_of_rows`] for a row without a value.
pub const NO_VALUE: u32 = u32::MAX;

/// How values are compared: without case, with single spaces, and without spaces around.
pub fn fold(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The feed's word for an availability.
pub fn availability_word(availability: Availability) -> &'static str {
    match availability {
        Availability::InStock => "in_stock",
        Availability::OutOfStock => "out_of_stock",
        Availability::Preorder => "preorder",
        Availability::Backorder => "backorder",
    }
}

/// The key under which a filter looks `value` of `field` up: the field, a zero byte, and the folded value.
pub fn term(field: &str, value: &str) -> Vec<u8> {
    [field.as_bytes(), &[0], fold(value).as_bytes()].concat()
}

/// The terms of `product`, as a build writes them; each once, in no order.
pub fn product_terms(product: &Product, compatibility: &Compatibility) -> HashSet<Vec<u8>> {
    let mut terms = HashSet::new();
    each_value(product, compatibility, |field, value| {
        terms.insert(term(field, value));
    });
    terms
}

/// The terms that `offer` gives its product: those of the fields of [`is_offer_field`].
pub fn offer_terms(offer: &Offer) -> HashSet<Vec<u8>> {
    let mut terms = HashSet::new();
    each_offer_value(offer, |field, value| {
        terms.insert(term(field, value));
    });
    terms
}

/// Whether the field is part of a product's [`Offer`], so that a change of the offer changes it.
pub fn is_offer_field(field: &str) -> bool {
    field == "availability" || LABELS.contains(&field)
}

fn each_offer_value(offer: &Offer, mut add: impl FnMut(&str, &str)) {
    add("availability", availability_word(offer.availability));
    offer.labels().for_each(|(name, value)| add(name, value));
}

/// Calls `add` with each field and value of `product` that a filter can name.
///
/// A category counts under its leaf, each ancestor, and each path from the root: `Phones`, `Cases`, `Phones > Cases`.
fn each_value(product: &Product, compatibility: &Compatibility, mut add: impl FnMut(&str, &str)) {
    add("id", product.id.as_str());
    add("family", product.family());
    each_offer_value(&Offer::of(product), &mut add);
    if let Some(brand) = &product.brand {
        add("brand", brand);
    }
    let paths = product
        .product_type
        .iter()
        .chain((!product.google_product_category.is_empty()).then_some(&product.google_product_category));
    for path in paths {
        for depth in 0..path.len() {
            add("category", &path[depth]);
            add("category", &path[..=depth].join(CATEGORY_SEPARATOR));
        }
    }
    for model in compatibility.fits(product) {
        add(FITS_FIELD, &model);
        add(FITS_FIELD, FITS_ANY);
    }
    models_denied(product).iter().for_each(|model| add(DENIED_FIELD, model));
    purposes(product).iter().for_each(|purpose| add(PURPOSE_FIELD, &purpose.name));
    if let Some(need) = need(product) {
        add(NEED_FIELD, &need);
    }
    for (name, values) in product.attributes.iter().filter(|(name, _)| !is_offer_field(name)) {
        values.iter().for_each(|value| add(name, value));
    }
}

/// Writes the terms of `products`, one row each in their order, to `path`.
///
/// Returns an error if the file cannot be written.
pub fn write(path: &Path, products: &[&Product]) -> Result<FileDigest, IndexError> {
    let mut rows: BTreeMap<Vec<u8>, RoaringBitmap> = BTreeMap::new();
    let compatibility = Compatibility::of(products.iter().copied());
    for (product, row) in products.iter().zip(0u32..) {
        each_value(product, &compatibility, |field, value| {
            rows.entry(term(field, value)).or_default().insert(row);
        });
    }
    let (mut term_offsets, mut terms) = (vec![0u64], Vec::new());
    let (mut bitmap_offsets, mut bitmaps) = (vec![0u64], Vec::new());
    for (term, rows) in rows {
        terms.extend_from_slice(&term);
        term_offsets.push(terms.len() as u64);
        rows.serialize_into(&mut bitmaps).map_err(|source| IndexError::Write { path: path.to_owned(), source })?;
        bitmap_offsets.push(bitmaps.len() as u64);
    }
    let sections = [
        Section::new(*b"TRMO", &term_offsets),
        Section::new(*b"TRMB", &terms),
        Section::new(*b"BMPO", &bitmap_offsets),
        Section::new(*b"BMPB", &bitmaps),
    ];
    write_sections(path, KIND, VERSION, &sections)
}

/// A mapped `terms.bin`.
#[derive(Debug)]
pub struct Terms {
    file: SectionFile,
}

impl Terms {
    /// Maps the file and checks that its sections fit together.
    ///
    /// Returns an error if the file is missing, damaged, or of another version.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let file = SectionFile::open(path, KIND, VERSION)?;
        let num_offsets = file.section::<u64>(*b"TRMO")?.len();
        file.section::<u8>(*b"TRMB")?;
        file.section::<u8>(*b"BMPB")?;
        if num_offsets == 0 || file.section::<u64>(*b"BMPO")?.len() != num_offsets {
            return Err(file.damaged("its sections do not fit together"));
        }
        Ok(Self { file })
    }

    /// The rows whose `field` has `value`, compared as [`fold`] says; empty when none has.
    ///
    /// Returns an error if the bitmap does not parse.
    pub fn rows(&self, field: &str, value: &str) -> Result<RoaringBitmap, IndexError> {
        let term = term(field, value);
        let Ok(at) = self.position(&term) else { return Ok(RoaringBitmap::new()) };
        let bytes = self.text(*b"BMPO", *b"BMPB", at);
        RoaringBitmap::deserialize_from(bytes)
            .map_err(|e| self.file.damaged(format!("the bitmap of field {field}: {e}")))
    }

    /// Whether any product has the field.
    pub fn has_field(&self, field: &str) -> bool {
        let prefix = [field.as_bytes(), &[0]].concat();
        let at = self.position(&prefix).unwrap_or_else(|at| at);
        self.text(*b"TRMO", *b"TRMB", at).starts_with(&prefix)
    }

    /// The names of all fields, ascending.
    pub fn fields(&self) -> Vec<String> {
        let mut fields = Vec::new();
        let mut at = 0;
        while at < self.num_terms() {
            let term = self.text(*b"TRMO", *b"TRMB", at);
            let field = term.split(|&b| b == 0).next().unwrap_or_default();
            fields.push(String::from_utf8_lossy(field).into_owned());
            at = self.position(&[field, &[1]].concat()).unwrap_or_else(|next| next).max(at + 1);
        }
        fields
    }

    /// The folded values that products have in `field`, ascending.
    pub fn values(&self, field: &str) -> Vec<String> {
        let prefix = [field.as_bytes(), &[0]].concat();
        let first = self.position(&prefix).unwrap_or_else(|at| at);
        let terms = (first..self.num_terms()).map(|at| self.text(*b"TRMO", *b"TRMB", at));
        let values = terms.map_while(|term| term.strip_prefix(prefix.as_slice()));
        values.map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The values of `field`, folded and ascending, and of each of `num_rows` rows the number of its own; `NO_VALUE` where it has none.
    ///
    /// Returns an error if a bitmap does not parse.
    pub fn values_of_rows(&self, field: &str, num_rows: usize) -> Result<(Vec<String>, Vec<u32>), IndexError> {
        let values = self.values(field);
        let mut of_rows = vec![NO_VALUE; num_rows];
        for (value, number) in values.iter().zip(0..) {
            for row in self.rows(field, value)? {
                if let Some(of_row) = of_rows.get_mut(row as usize) {
                    *of_row = number;
                }
            }
        }
        Ok((values, of_rows))
    }

    fn num_terms(&self) -> usize {
        self.offsets(*b"TRMO").len() - 1
    }

    /// Index of the first term that is not below `term`; `Ok` when it is equal.
    fn position(&self, term: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.num_terms());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.text(*b"TRMO", *b"TRMB", middle).cmp(term) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    fn offsets(&self, tag: Tag) -> &[u64] {
        // `open` read every section with its type, so each is there.
        self.file.section(tag).unwrap_or_default()
    }

    fn text(&self, offsets: Tag, bytes: Tag, at: usize) -> &[u8] {
        let offsets = self.offsets(offsets);
        let bytes: &[u8] = self.file.section(bytes).unwrap_or_default();
        match (offsets.get(at), offsets.get(at + 1)) {
            (Some(&start), Some(&end)) => bytes.get(start as usize..end as usize).unwrap_or_default(),
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(id: &str, brand: Option<&str>, path: &[&str], color: &str) -> Product {
        let record = serde_json::json!({
            "id": id, "title": id, "brand": brand, "product_type": [path], "attributes": {"color": [color]},
        });
        serde_json::from_value(record).unwrap()
    }

    fn opened(products: &[Product]) -> (tempfile::TempDir, Terms) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("terms.bin");
        write(&path, &products.iter().collect::<Vec<_>>()).unwrap();
        let terms = Terms::open(&path).unwrap();
        (dir, terms)
    }

    #[test]
    fn a_category_matches_by_leaf_ancestor_and_path_without_case() {
        let products = [
            product("1", Some("Acme"), &["Phones", "Cases"], "Red"),
            product("2", None, &["Bags", "Cases"], "red"),
            product("3", Some("ACME "), &["Phones"], "blue"),
        ];
        let (_dir, terms) = opened(&products);
        let rows = |field, value| terms.rows(field, value).unwrap().iter().collect::<Vec<_>>();
        assert_eq!(rows("category", "cases"), [0, 1]);
        assert_eq!(rows("category", "phones"), [0, 2]);
        assert_eq!(rows("category", "Phones  >  Cases"), [0]);
        assert_eq!(rows("brand", "acme"), [0, 2]);
        assert_eq!(rows("color", "RED"), [0, 1]);
        assert_eq!(rows("color", "re"), [0; 0]);
        assert_eq!(rows("id", "3"), [2]);
        assert_eq!(terms.values("color"), ["blue", "red"]);
        assert_eq!(terms.values("colo"), [""; 0]);
        assert_eq!(terms.fields(), ["availability", "brand", "category", "color", "family", "id", "need"]);
        assert!(terms.has_field("brand") && !terms.has_field("bran") && !terms.has_field("zzz"));
    }
}
