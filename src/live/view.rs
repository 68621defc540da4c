//! A generation with the changes since, as one consistent whole: what questions are answered on.
//!
//! A view never changes. It is taken once a question, without a lock, and all of an answer comes from it.

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use roaring::RoaringBitmap;
use serde_json::value::{RawValue, to_raw_value};

use super::delta;
use super::overlay::{Baseline, Overlay};
use crate::catalog::{Attribute, Money, Product, need};
use crate::index::{FITS_ANY, FITS_FIELD, Generation, IndexError, NO_PRICE, is_offer_field, term};
use crate::rank::{RowId, ScoredRow, keep_best};

/// One of the ways in which a generation is searched.
type SearchOf = fn(&Generation, &[f32], usize, Option<&RoaringBitmap>) -> Result<Vec<ScoredRow>, IndexError>;

/// A generation with the changes since. Cheap to clone.
#[derive(Debug, Clone)]
pub struct View(Arc<State>);

/// What a [`View`] shares.
#[derive(Debug)]
pub(super) struct State {
    pub(super) baseline: Arc<Baseline>,
    pub(super) overlay: Overlay,
    /// The rows that are not out of stock, once asked for; `None` when all are.
    in_stock: OnceLock<Option<RoaringBitmap>>,
    /// The generation's rows that are not masked, once asked for.
    unmasked: OnceLock<RoaringBitmap>,
}

impl State {
    pub(super) fn new(baseline: Arc<Baseline>, overlay: Overlay) -> Self {
        Self { baseline, overlay, in_stock: OnceLock::new(), unmasked: OnceLock::new() }
    }
}

impl View {
    pub(super) fn of(state: Arc<State>) -> Self {
        Self(state)
    }

    /// The generation as it was built.
    pub fn generation(&self) -> &Generation {
        &self.0.baseline.generation
    }

    /// Number of the last change in it; 0 before the first.
    pub fn seq(&self) -> u64 {
        self.0.overlay.seq
    }

    /// How many products are not in the generation, or not in this form: they are compared one by one.
    pub fn num_new(&self) -> usize {
        self.0.overlay.delta.len()
    }

    /// How many products of the generation have another price, stock or label than in it.
    pub fn num_patched(&self) -> usize {
        self.0.overlay.offers.len()
    }

    /// How many products of the generation are gone or replaced.
    pub fn num_masked(&self) -> usize {
        self.0.overlay.masked.len() as usize
    }

    /// How many products there are.
    pub fn num_products(&self) -> usize {
        (self.0.baseline.num_rows() as usize).saturating_sub(self.num_masked()) + self.num_new()
    }

    /// The rows of all products.
    pub fn all_rows(&self) -> RoaringBitmap {
        let mut rows = RoaringBitmap::new();
        rows.insert_range(0..self.0.baseline.num_rows());
        rows -= &*self.0.overlay.masked;
        rows.extend(self.0.overlay.delta.keys().copied());
        rows
    }

    /// The row of the product with this id.
    pub fn row(&self, id: &str) -> Option<RowId> {
        self.0.overlay.row(&self.0.baseline, id)
    }

    /// Whether a product has the row now: rows of products that are gone or replaced have none.
    pub fn has_row(&self, row: RowId) -> bool {
        let overlay = &self.0.overlay;
        let is_built = row.0 < self.0.baseline.num_rows() && !overlay.masked.contains(row.0);
        is_built || overlay.delta.contains_key(&row.0)
    }

    /// The row's product id; `None` when there is no such row.
    pub fn id(&self, row: RowId) -> Option<&str> {
        match self.0.overlay.delta.get(&row.0) {
            Some(new) => Some(new.product.id.as_str()),
            None => self.generation().products().id(row),
        }
    }

    /// The row's record as JSON text, ready to be sent.
    ///
    /// Returns an error if there is no such row or its record is damaged.
    pub fn record(&self, row: RowId) -> Result<Cow<'_, RawValue>, IndexError> {
        let overlay = &self.0.overlay;
        if overlay.offers.contains_key(&row.0) || overlay.delta.contains_key(&row.0) {
            let record = to_raw_value(&self.product(row)?);
            return Ok(Cow::Owned(record.expect("texts, numbers, lists and maps with text keys are always JSON")));
        }
        self.generation().products().record(row).map(Cow::Borrowed)
    }

    /// The row's product.
    ///
    /// Returns an error if there is no such row or its record is damaged.
    pub fn product(&self, row: RowId) -> Result<Product, IndexError> {
        if let Some(new) = self.0.overlay.delta.get(&row.0) {
            return Ok(new.product.clone());
        }
        let mut product = self.generation().products().product(row)?;
        if let Some(offer) = self.0.overlay.offers.get(&row.0) {
            offer.put_into(&mut product);
        }
        Ok(product)
    }

    /// The row's title, without the rest of its record being read.
    ///
    /// Returns an error if there is no such row or its record is damaged.
    pub fn title(&self, row: RowId) -> Result<String, IndexError> {
        match self.0.overlay.delta.get(&row.0) {
            Some(new) => Ok(new.product.title.clone()),
            None => self.generation().products().title(row),
        }
    }

    /// What a shopper pays; `None` without a price.
    pub fn price(&self, row: RowId) -> Option<Money> {
        let overlay = &self.0.overlay;
        match (overlay.delta.get(&row.0), overlay.offers.get(&row.0)) {
            (Some(new), _) => new.product.effective_price(),
            (None, Some(offer)) => offer.effective_price(),
            (None, None) => self.generation().products().price(row),
        }
    }

    /// Number of the row's family; rows of one family share it.
    pub fn family(&self, row: RowId) -> Option<u32> {
        match self.0.overlay.delta.get(&row.0) {
            Some(new) => Some(new.family),
            None => self.generation().products().family(row),
        }
    }

    /// The models that the row's product says it fits.
    pub fn models(&self, row: RowId) -> Vec<&str> {
        match self.0.overlay.delta.get(&row.0) {
            Some(new) => new.models.iter().map(String::as_str).collect(),
            None => self.generation().products().models(row).collect(),
        }
    }

    /// The comparable values of the row's product, by kind; none in a generation without them.
    pub fn attributes(&self, row: RowId) -> Vec<Attribute> {
        match self.0.overlay.delta.get(&row.0) {
            Some(new) => new.attributes.clone(),
            None => self.generation().comparison().map_or(Vec::new(), |comparison| comparison.attributes(row)),
        }
    }

    /// The number of the row's main category in the generation; `None` where it has none or one that the generation does not know.
    pub fn leaf(&self, row: RowId) -> Option<u32> {
        let comparison = self.generation().comparison()?;
        match self.0.overlay.delta.get(&row.0) {
            Some(new) => comparison.category(new.product.main_category()),
            None => comparison.leaf(row),
        }
    }

    /// Whether both rows have the same main category, or none. One that came since the generation was built counts as well.
    pub fn is_of_same_category(&self, a: RowId, b: RowId) -> bool {
        let new = |row: RowId| self.0.overlay.delta.get(&row.0).map_or(&[][..], |new| new.product.main_category());
        self.leaf(a) == self.leaf(b) && (self.leaf(a).is_some() || new(a) == new(b))
    }

    /// What the shop paid for the row's product, in minor units of its price's currency.
    pub fn cost(&self, row: RowId) -> Option<i64> {
        match self.0.overlay.delta.get(&row.0) {
            Some(new) => new.product.cost_of_goods_sold.map(|cost| cost.minor),
            None => self.generation().comparison()?.cost(row),
        }
    }

    /// Where the row's price of now stands among the prices of its category, 0 to 1; `None` without a price above 0.
    pub fn price_position(&self, row: RowId, attributes: &[Attribute]) -> Option<f32> {
        self.generation().comparison()?.position(self.leaf(row), self.price(row)?, attributes)
    }

    /// The row's vector, of length 1; `None` when there is no such row.
    pub fn vector(&self, row: RowId) -> Option<Vec<f32>> {
        match self.0.overlay.delta.get(&row.0) {
            Some(new) => Some(new.vector.to_vec()),
            None => self.generation().vector(row),
        }
    }

    /// The rows whose `field` has `value`, compared as a filter compares; empty when none has.
    ///
    /// Returns an error if the generation's bitmap does not parse.
    pub fn rows_with(&self, field: &str, value: &str) -> Result<RoaringBitmap, IndexError> {
        let rows = self.generation().terms().rows(field, value)?;
        Ok(self.corrected(rows, field, value))
    }

    /// The rows that name any model they fit.
    pub fn rows_that_fit_any(&self) -> RoaringBitmap {
        self.corrected(self.0.baseline.fits_any.clone(), FITS_FIELD, FITS_ANY)
    }

    /// The generation's rows of a term as they are now.
    fn corrected(&self, mut rows: RoaringBitmap, field: &str, value: &str) -> RoaringBitmap {
        let overlay = &self.0.overlay;
        rows -= &*overlay.masked;
        if is_offer_field(field) {
            rows -= &*overlay.patched;
        }
        if !overlay.terms.is_empty()
            && let Some(changed) = overlay.terms.get(term(field, value).as_slice())
        {
            rows |= &**changed;
        }
        rows
    }

    /// The rows that can be bought now or later; `None` when all can.
    pub fn in_stock(&self) -> Option<&RoaringBitmap> {
        let compute = || {
            let sold_out = crate::index::availability_word(crate::catalog::Availability::OutOfStock);
            let sold_out = self.corrected(self.0.baseline.sold_out.clone(), "availability", sold_out);
            (!sold_out.is_empty()).then(|| self.all_rows() - sold_out)
        };
        self.0.in_stock.get_or_init(compute).as_ref()
    }

    /// The rows for whose effective price (minor units, and the currency's letters) `is_in` says so; rows without a price are not
    /// asked about.
    ///
    /// Returns an error when `is_in` does.
    pub fn rows_priced<E>(&self, mut is_in: impl FnMut(i64, [u8; 3]) -> Result<bool, E>) -> Result<RoaringBitmap, E> {
        let (products, overlay) = (self.generation().products(), &self.0.overlay);
        // A bit a row, eight a byte: nothing is looked up while prices are compared.
        let mut bytes = Vec::with_capacity(products.prices().len().div_ceil(8));
        for (prices, currencies) in products.prices().chunks(8).zip(products.currencies().chunks(8)) {
            let mut byte = 0;
            for (bit, (&minor, &currency)) in prices.iter().zip(currencies).enumerate() {
                byte |= u8::from(minor != NO_PRICE && is_in(minor, currency)?) << bit;
            }
            bytes.push(byte);
        }
        let mut found = RoaringBitmap::from_lsb0_bytes(0, &bytes);
        found -= &*overlay.masked;
        found -= &*overlay.patched;
        let patched = overlay.offers.iter().map(|(row, offer)| (*row, offer.effective_price()));
        let new = overlay.delta.iter().map(|(row, new)| (*row, new.product.effective_price()));
        for (row, price) in patched.chain(new) {
            if let Some(price) = price
                && is_in(price.minor, price.currency.to_bytes())?
            {
                found.insert(row);
            }
        }
        Ok(found)
    }

    /// The kind of thing that the row's product is: [`need`](crate::catalog::need); `None` where nothing says it.
    ///
    /// Returns an error if the generation's bitmaps do not parse.
    pub fn need(&self, row: RowId) -> Result<Option<Cow<'_, str>>, IndexError> {
        match self.0.overlay.delta.get(&row.0) {
            Some(new) => Ok(need(&new.product).map(Cow::Owned)),
            None => Ok(self.generation().need(row)?.map(Cow::Borrowed)),
        }
    }

    /// Whether any product has the field.
    pub fn has_field(&self, field: &str) -> bool {
        let prefix = [field.as_bytes(), &[0]].concat();
        let mut terms = self.0.overlay.terms.range::<_, [u8]>((Bound::Included(prefix.as_slice()), Bound::Unbounded));
        self.generation().terms().has_field(field) || terms.next().is_some_and(|(term, _)| term.starts_with(&prefix))
    }

    /// The names of all fields, ascending.
    pub fn fields(&self) -> Vec<String> {
        let name =
            |term: &Arc<[u8]>| term.split(|&b| b == 0).next().map(|name| String::from_utf8_lossy(name).into_owned());
        let mut fields = self.generation().terms().fields();
        fields.extend(self.0.overlay.terms.keys().filter_map(name));
        fields.sort();
        fields.dedup();
        fields
    }

    /// The folded values that products have in `field`, ascending; values that only changed products have had may be among them.
    pub fn values(&self, field: &str) -> Vec<String> {
        let mut values = self.generation().terms().values(field);
        values.extend(self.overlay_terms(field).map(|(value, _)| value));
        values.sort_unstable();
        values.dedup();
        values
    }

    /// Whether the row's product is not in the generation.
    pub fn is_new(&self, row: RowId) -> bool {
        row.0 >= self.0.baseline.num_rows()
    }

    /// The rows of products that are not in the generation.
    pub fn new_rows(&self) -> RoaringBitmap {
        self.0.overlay.delta.keys().copied().collect()
    }

    /// The rows of the generation whose price, stock or labels have changed since.
    pub fn patched_rows(&self) -> &RoaringBitmap {
        &self.0.overlay.patched
    }

    /// Whether the row has one of `terms`, where the generation cannot tell: of new products, and of changed ones where the terms are
    /// those of an offer (`is_offer`). `None` where the generation's word stands.
    pub fn has_changed_term(&self, row: RowId, terms: &[Vec<u8>], is_offer: bool) -> Option<bool> {
        let overlay = &self.0.overlay;
        let is_changed = self.is_new(row) || (is_offer && overlay.patched.contains(row.0));
        let has = |term: &Vec<u8>| overlay.terms.get(term.as_slice()).is_some_and(|rows| rows.contains(row.0));
        is_changed.then(|| terms.iter().any(has))
    }

    /// The row's folded values of `field`, where the generation cannot tell; `None` where its word stands.
    pub fn changed_values(&self, row: RowId, field: &str) -> Option<Vec<String>> {
        let is_changed = self.is_new(row) || (is_offer_field(field) && self.0.overlay.patched.contains(row.0));
        let of_row = |(value, rows): (String, &RoaringBitmap)| rows.contains(row.0).then_some(value);
        is_changed.then(|| self.overlay_terms(field).filter_map(of_row).collect())
    }

    /// The values of `field` that changed products have, with their rows.
    fn overlay_terms(&self, field: &str) -> impl Iterator<Item = (String, &RoaringBitmap)> {
        let prefix = [field.as_bytes(), &[0]].concat();
        let start = (Bound::Included(prefix.as_slice()), Bound::Unbounded);
        let terms: Vec<_> =
            self.0.overlay.terms.range::<_, [u8]>(start).take_while(|(term, _)| term.starts_with(&prefix)).collect();
        let cut = prefix.len();
        terms.into_iter().map(move |(term, rows)| (String::from_utf8_lossy(&term[cut..]).into_owned(), &**rows))
    }

    /// The `k` rows nearest to `query` (of length 1) among `allowed` (all when `None`), best first, scored by cosine similarity: the
    /// generation's search without masked rows, and the new products one by one. `is_exact` scores every row.
    ///
    /// Never fewer than `k` when that many are allowed. Returns an error if `query` has another number of dimensions.
    pub fn search(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&RoaringBitmap>,
        is_exact: bool,
    ) -> Result<Vec<ScoredRow>, IndexError> {
        self.search_by(if is_exact { Generation::search_exact } else { Generation::search }, query, k, allowed)
    }

    /// As [`View::search`], for candidates of which other sources tell more: see [`Generation::candidates`].
    ///
    /// Returns an error if `query` has another number of dimensions.
    pub fn candidates(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&RoaringBitmap>,
        is_exact: bool,
    ) -> Result<Vec<ScoredRow>, IndexError> {
        self.search_by(if is_exact { Generation::search_exact } else { Generation::candidates }, query, k, allowed)
    }

    fn search_by(
        &self,
        search: SearchOf,
        query: &[f32],
        k: usize,
        allowed: Option<&RoaringBitmap>,
    ) -> Result<Vec<ScoredRow>, IndexError> {
        let built = self.allowed_in_generation(allowed);
        let mut found = search(self.generation(), query, k, built.as_deref())?;
        if !self.0.overlay.delta.is_empty() {
            found.extend(delta::scan(&self.0.overlay.delta, query, allowed));
            keep_best(&mut found, k);
        }
        Ok(found)
    }

    /// The allowed rows without those that are masked, and some rows that the generation does not have; `None` when it may return all.
    fn allowed_in_generation<'a>(&'a self, allowed: Option<&'a RoaringBitmap>) -> Option<Cow<'a, RoaringBitmap>> {
        let masked = &*self.0.overlay.masked;
        match allowed {
            Some(rows) if rows.is_disjoint(masked) => Some(Cow::Borrowed(rows)),
            Some(rows) => Some(Cow::Owned(rows - masked)),
            None if masked.is_empty() => None,
            None => Some(Cow::Borrowed(self.unmasked())),
        }
    }

    fn unmasked(&self) -> &RoaringBitmap {
        self.0.unmasked.get_or_init(|| {
            let mut rows = self.all_rows();
            rows.remove_range(self.0.baseline.num_rows()..);
            rows
        })
    }
}
