//! What products are compared by, in one mapped file, `comparison.bin`: attributes, categories, costs, and the prices of categories.
//!
//! It is made at build time because reading 100,000 titles takes a second or more, and an answer compares hundreds of products.
//!
//! Sections (kind `CMPR`, version [`VERSION`]); `n` rows, `c` categories (every path and its ancestors, in byte order), `g` groups of prices:
//!
//! | tag | element | count | meaning |
//! |---|---|---|---|
//! | `ATRO` | u64 | `n + 1` | where each row's attributes start in `ATRB`, and the end of the last |
//! | `ATRB` | 8 bytes | | u8 kind, u8 origin, u8 units, u8 zero, f32 value; by kind |
//! | `LEAF` | u32 | `n` | number of the main category; [`NO_CATEGORY`] for none |
//! | `COST` | i64 | `n` | what the shop paid, in minor units of the price's currency; [`NO_PRICE`] where that is not known |
//! | `CATO` | u64 | `c + 1` | where each category's path starts in `CATB`, and the end of the last |
//! | `CATB` | u8 | | paths, names joined as a filter writes them |
//! | `PARE` | u32 | `c` | number of the parent; [`NO_CATEGORY`] at the root |
//! | `CARE` | f32 | `c` times the kinds | how much a kind varies with the price inside the category, 0 to 1 |
//! | `GRPC` | u32 | `2 g` | category, currency (three letters and a zero byte); by category and currency |
//! | `GRPO` | u64 | `g + 1` | where each group's prices start in `GRPP`, and the end of the last |
//! | `GRPP` | f32 | | natural logarithms of prices by the piece, ascending |

use std::collections::BTreeSet;
use std::path::Path;

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::error::IndexError;
use super::products::NO_PRICE;
use super::section::{FileDigest, Section, SectionFile, Tag, write_sections};
use crate::catalog::{
    Attribute, AttributeKind, CATEGORY_SEPARATOR, Currency, Money, Origin, PriceGroup, Product, Units, WHOLE_SHOP,
    attributes, position, price_groups, unit_price,
};
use crate::rank::RowId;

/// Kind of the file.
pub const KIND: Tag = *b"CMPR";
/// Version of the layout above.
pub const VERSION: u32 = 1;
/// Stands for a product without category, and for the parent of a root.
pub const NO_CATEGORY: u32 = u32::MAX;
/// Products whose values speak half for how a kind varies with the price.
const CARE_SHRINKAGE: f32 = 10.0;
const NUM_KINDS: usize = AttributeKind::ALL.len();

/// An attribute on disk.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Stored {
    kind: u8,
    origin: u8,
    units: u8,
    zero: u8,
    value: f32,
}

impl Stored {
    fn of(attribute: &Attribute) -> Self {
        let Attribute { kind, value, origin, units } = *attribute;
        Self { kind: kind as u8, origin: origin as u8, units: units as u8, zero: 0, value }
    }

    /// `None` for what a damaged file may hold.
    fn attribute(&self) -> Option<Attribute> {
        let origin = [Origin::Field, Origin::Title, Origin::Description].get(usize::from(self.origin))?;
        let attribute = Attribute::new(AttributeKind::from_number(self.kind)?, self.value, *origin)?;
        let units = [Units::Metric, Units::FeetAndPounds, Units::InchesAndOunces].get(usize::from(self.units))?;
        Some(Attribute { units: *units, ..attribute })
    }
}

/// Every category path of the products with its ancestors, in byte order.
struct Categories {
    paths: Vec<String>,
}

impl Categories {
    fn of(products: &[&Product]) -> Self {
        let mut paths = BTreeSet::new();
        for path in products.iter().map(|product| product.main_category()) {
            paths.extend((1..=path.len()).map(|depth| path[..depth].join(CATEGORY_SEPARATOR)));
        }
        Self { paths: paths.into_iter().collect() }
    }

    fn number(&self, path: &[String]) -> u32 {
        let path = path.join(CATEGORY_SEPARATOR);
        if path.is_empty() {
            return NO_CATEGORY;
        }
        self.paths.binary_search(&path).map_or(NO_CATEGORY, |at| at as u32)
    }

    /// The category and its ancestors.
    fn chain(&self, path: &[String]) -> Vec<u32> {
        (1..=path.len())
            .rev()
            .map(|depth| self.number(&path[..depth]))
            .filter(|&number| number != NO_CATEGORY)
            .collect()
    }

    fn parents(&self, products: &[&Product]) -> Vec<u32> {
        let mut parents = vec![NO_CATEGORY; self.paths.len()];
        for path in products.iter().map(|product| product.main_category()) {
            for depth in 2..=path.len() {
                if let Some(parent) = parents.get_mut(self.number(&path[..depth]) as usize) {
                    *parent = self.number(&path[..depth - 1]);
                }
            }
        }
        parents
    }
}

/// Writes what `products`, one row each in their order, are compared by to `path`.
///
/// Returns an error if the file cannot be written.
pub fn write(path: &Path, products: &[&Product]) -> Result<FileDigest, IndexError> {
    let read: Vec<Vec<Attribute>> = products.par_iter().map(|product| attributes(product)).collect();
    let categories = Categories::of(products);
    let leaves: Vec<u32> = products.iter().map(|product| categories.number(product.main_category())).collect();
    let cost = |product: &&Product| {
        let price = product.effective_price()?;
        product.cost_of_goods_sold.filter(|cost| cost.currency == price.currency).map(|cost| cost.minor)
    };
    let costs: Vec<i64> = products.iter().map(|product| cost(product).unwrap_or(NO_PRICE)).collect();
    let unit_prices: Vec<Option<f32>> = products
        .iter()
        .zip(&read)
        .map(|(product, read)| unit_price(product.effective_price()?, read.iter().copied()))
        .collect();
    let priced = products.iter().zip(&unit_prices).filter_map(|(product, price)| {
        Some((categories.chain(product.main_category()), product.effective_price()?.currency, (*price)?))
    });
    let groups = price_groups(priced);
    let (attribute_ends, stored) = flat(read.iter().map(|read| read.iter().map(Stored::of)));
    let (path_ends, paths) = flat(categories.paths.iter().map(|path| path.bytes()));
    let (price_ends, prices) = flat(groups.iter().map(|group| group.prices.iter().copied()));
    let heads: Vec<u32> = groups.iter().flat_map(head).collect();
    let parents = categories.parents(products);
    let cares = care(categories.paths.len(), &leaves, &read, products);
    let sections = [
        Section::new(*b"ATRO", &attribute_ends),
        Section::new(*b"ATRB", &stored),
        Section::new(*b"LEAF", &leaves),
        Section::new(*b"COST", &costs),
        Section::new(*b"CATO", &path_ends),
        Section::new(*b"CATB", &paths),
        Section::new(*b"PARE", &parents),
        Section::new(*b"CARE", &cares),
        Section::new(*b"GRPC", &heads),
        Section::new(*b"GRPO", &price_ends),
        Section::new(*b"GRPP", &prices),
    ];
    write_sections(path, KIND, VERSION, &sections)
}

/// The parts one after the other, with where each starts and the last ends.
fn flat<T, P: IntoIterator<Item = T>>(parts: impl Iterator<Item = P>) -> (Vec<u64>, Vec<T>) {
    let (mut ends, mut all) = (vec![0], Vec::new());
    for part in parts {
        all.extend(part);
        ends.push(all.len() as u64);
    }
    (ends, all)
}

fn head(group: &PriceGroup) -> [u32; 2] {
    [group.category, currency_number(group.currency)]
}

fn currency_number([a, b, c]: [u8; 3]) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

/// How much each kind varies with the price inside each category: the correlation of both logarithms over the products that state it
/// (a feature: over all, 1 for who has it), below 0 as 0, times `n / (n + 10)`.
fn care(num_categories: usize, leaves: &[u32], read: &[Vec<Attribute>], products: &[&Product]) -> Vec<f32> {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); num_categories];
    for (row, &leaf) in leaves.iter().enumerate() {
        members.get_mut(leaf as usize).into_iter().for_each(|rows| rows.push(row));
    }
    let of_kind = |rows: &[usize], kind: AttributeKind| {
        let pair = |&row: &usize| {
            let price = unit_price(products[row].effective_price()?, [])?;
            let value = read[row].iter().find(|attribute| attribute.kind == kind).map(|attribute| attribute.value);
            if kind.is_feature() {
                return Some((f32::from(u8::from(value.is_some())), price));
            }
            value.filter(|value| *value > 0.0).map(|value| (value.ln(), price))
        };
        let pairs: Vec<(f32, f32)> = rows.iter().filter_map(pair).collect();
        let n = pairs.len() as f32;
        correlation(&pairs).max(0.0) * n / (n + CARE_SHRINKAGE)
    };
    members.iter().flat_map(|rows| AttributeKind::ALL.map(|kind| of_kind(rows, kind))).collect()
}

/// Pearson's correlation; 0 where one side does not vary.
fn correlation(pairs: &[(f32, f32)]) -> f32 {
    let n = pairs.len().max(1) as f32;
    let (x, y) = pairs.iter().fold((0.0, 0.0), |(x, y), pair| (x + pair.0 / n, y + pair.1 / n));
    let sum = |f: fn(f32, f32) -> f32| pairs.iter().map(|pair| f(pair.0 - x, pair.1 - y)).sum::<f32>();
    let spread = (sum(|x, _| x * x) * sum(|_, y| y * y)).sqrt();
    if spread > 1e-6 { sum(|x, y| x * y) / spread } else { 0.0 }
}

/// A mapped `comparison.bin`.
#[derive(Debug)]
pub struct Comparison {
    file: SectionFile,
}

impl Comparison {
    /// Maps the file and checks that its sections fit together.
    ///
    /// Returns an error if the file is missing, damaged, or of another version.
    pub fn open(path: &Path, num_rows: usize) -> Result<Self, IndexError> {
        let file = SectionFile::open(path, KIND, VERSION)?;
        let num_categories = file.section::<u32>(*b"PARE")?.len();
        let num_groups = file.section::<u32>(*b"GRPC")?.len() / 2;
        let fits = file.section::<u64>(*b"ATRO")?.len() == num_rows + 1
            && file.section::<u32>(*b"LEAF")?.len() == num_rows
            && file.section::<i64>(*b"COST")?.len() == num_rows
            && file.section::<u64>(*b"CATO")?.len() == num_categories + 1
            && file.section::<f32>(*b"CARE")?.len() == num_categories * NUM_KINDS
            && file.section::<u64>(*b"GRPO")?.len() == num_groups + 1;
        file.section::<Stored>(*b"ATRB")?;
        file.section::<u8>(*b"CATB")?;
        file.section::<f32>(*b"GRPP")?;
        if fits { Ok(Self { file }) } else { Err(file.damaged("its sections do not fit together")) }
    }

    /// The comparable values of a row's product, by kind.
    pub fn attributes(&self, row: RowId) -> Vec<Attribute> {
        let stored: &[Stored] = self.part(*b"ATRO", *b"ATRB", row.index());
        stored.iter().filter_map(Stored::attribute).collect()
    }

    /// The number of the row's main category; `None` where it has none.
    pub fn leaf(&self, row: RowId) -> Option<u32> {
        self.section::<u32>(*b"LEAF").get(row.index()).copied().filter(|&leaf| leaf != NO_CATEGORY)
    }

    /// The number of the category with this path from the root.
    pub fn category(&self, path: &[String]) -> Option<u32> {
        let path = path.join(CATEGORY_SEPARATOR);
        let num_categories = self.section::<u32>(*b"PARE").len();
        let (mut low, mut high) = (0, num_categories);
        while low < high {
            let middle = low + (high - low) / 2;
            let at: &[u8] = self.part(*b"CATO", *b"CATB", middle);
            match at.cmp(path.as_bytes()) {
                std::cmp::Ordering::Equal => return Some(middle as u32),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The path of a category, as a filter writes it.
    pub fn path(&self, category: u32) -> &str {
        std::str::from_utf8(self.part(*b"CATO", *b"CATB", category as usize)).unwrap_or_default()
    }

    /// Any row whose main category this is: what is known by category elsewhere is found by it.
    pub fn row_of(&self, category: u32) -> Option<RowId> {
        let rows = self.section::<u32>(*b"LEAF").iter().zip(0..);
        rows.into_iter().find(|(leaf, _)| **leaf == category).map(|(_, row)| RowId(row))
    }

    /// What the shop paid for a row's product, in minor units of its price's currency.
    pub fn cost(&self, row: RowId) -> Option<i64> {
        self.section::<i64>(*b"COST").get(row.index()).copied().filter(|&cost| cost != NO_PRICE)
    }

    /// How much a kind varies with the price inside a category, 0 to 1.
    pub fn care(&self, category: Option<u32>, kind: AttributeKind) -> f32 {
        let at = category.map(|category| category as usize * NUM_KINDS + kind as usize);
        at.and_then(|at| self.section::<f32>(*b"CARE").get(at).copied()).unwrap_or(0.0)
    }

    /// Where a price stands among the prices by the piece of the category, shrunk to its parents, 0 to 1; `None` for a price of 0.
    pub fn position(&self, category: Option<u32>, price: Money, attributes: &[Attribute]) -> Option<f32> {
        let unit_price = unit_price(price, attributes.iter().copied())?;
        let parents: &[u32] = self.section(*b"PARE");
        let parent = |at: &u32| parents.get(*at as usize).copied().filter(|&parent| parent != NO_CATEGORY);
        // Bounded, should a damaged file lead in a circle.
        let chain = std::iter::successors(category, parent).take(64).chain([WHOLE_SHOP]);
        let groups: Vec<&[f32]> = chain.filter_map(|category| self.group(category, price.currency)).collect();
        Some(position(unit_price, groups.into_iter()))
    }

    /// The prices of a category in a currency.
    fn group(&self, category: u32, currency: Currency) -> Option<&[f32]> {
        let heads: &[[u32; 2]] = self.section::<u32>(*b"GRPC").as_chunks().0;
        let bytes = currency.to_bytes();
        let order = |head: &[u32; 2]| {
            let [a, b, c, _] = head[1].to_le_bytes();
            (head[0], [a, b, c]).cmp(&(category, bytes))
        };
        let at = heads.binary_search_by(order).ok()?;
        Some(self.part(*b"GRPO", *b"GRPP", at))
    }

    fn part<T: bytemuck::AnyBitPattern>(&self, ends: Tag, all: Tag, at: usize) -> &[T] {
        let ends: &[u64] = self.section(ends);
        let range = ends.get(at).zip(ends.get(at + 1)).map(|(start, end)| *start as usize..*end as usize);
        range.and_then(|range| self.section(all).get(range)).unwrap_or_default()
    }

    fn section<T: bytemuck::AnyBitPattern>(&self, tag: Tag) -> &[T] {
        // `open` read every section with its type, so each is there.
        self.file.section(tag).unwrap_or_default()
    }
}
