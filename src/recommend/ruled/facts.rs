//! What rules ask of products beyond bitmaps: values to compare, margin, age, pieces. Read once a generation, when first asked for.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use rayon::prelude::*;

use crate::catalog::{CATEGORY_SEPARATOR, Product};
use crate::index::{Generation, IndexError, fold};
use crate::live::View;
use crate::rank::RowId;

/// Attributes that say since when a product is there, the first that can be read counts.
const SINCE: [&str; 3] = ["availability_date", "published_at", "created_at"];
/// Attribute of the pieces that are left.
const QUANTITY: &str = "quantity";
/// Relative conditions compare the whole main category under this name.
const CATEGORY: &str = "product_type";

/// A folded value as a number: equal values are equal, and others practically never.
pub(super) fn value_number(value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Values of one field by row.
#[derive(Debug)]
pub(super) struct FieldColumn {
    /// Where each row's values start in `values`, and the end of the last.
    starts: Vec<u32>,
    values: Vec<u64>,
}

impl FieldColumn {
    fn of(generation: &Generation, field: &str) -> Result<Self, IndexError> {
        let num_rows = generation.products().num_rows();
        let mut pairs: Vec<(u32, u64)> = Vec::new();
        for value in generation.terms().values(field) {
            let number = value_number(&value);
            pairs.extend(generation.terms().rows(field, &value)?.into_iter().map(|row| (row, number)));
        }
        pairs.sort_unstable();
        let mut starts = vec![0; num_rows + 1];
        pairs.iter().for_each(|(row, _)| starts[*row as usize + 1] += 1);
        for row in 0..num_rows {
            starts[row + 1] += starts[row];
        }
        Ok(Self { starts, values: pairs.into_iter().map(|(_, value)| value).collect() })
    }

    fn row(&self, row: RowId) -> &[u64] {
        match (self.starts.get(row.index()), self.starts.get(row.index() + 1)) {
            (Some(&start), Some(&end)) => &self.values[start as usize..end as usize],
            _ => &[],
        }
    }
}

/// What of a record rules ask for.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordFacts {
    /// Number of the whole main category; 0 without one.
    category: u64,
    /// What the shop paid, in minor units, with its currency.
    cost: Option<(i64, [u8; 3])>,
    /// When it came, in seconds since 1970.
    since_s: Option<i64>,
    /// Pieces left; NaN when not told.
    quantity: f64,
}

impl RecordFacts {
    fn of(product: &Product) -> Self {
        let first = |name: &str| product.attributes.get(name).and_then(|values| values.first());
        let path = product.main_category();
        let category = if path.is_empty() { 0 } else { value_number(&fold(&path.join(CATEGORY_SEPARATOR))) };
        Self {
            category,
            cost: product.cost_of_goods_sold.map(|cost| (cost.minor, cost.currency.to_bytes())),
            since_s: SINCE.iter().find_map(|name| since(first(name)?)),
            quantity: first(QUANTITY).and_then(|text| text.trim().parse().ok()).unwrap_or(f64::NAN),
        }
    }
}

fn since(text: &str) -> Option<i64> {
    let text = text.trim();
    let of_day = || Some(text.get(..10)?.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()));
    let civil = || text.parse::<DateTime>().ok().or_else(of_day);
    let moment = text.parse::<Timestamp>().ok();
    moment.or_else(|| jiff::tz::TimeZone::UTC.to_timestamp(civil()?).ok()).map(Timestamp::as_second)
}

/// The facts of one generation.
#[derive(Debug)]
pub(super) struct Facts {
    fields: Mutex<HashMap<String, Arc<FieldColumn>>>,
    records: OnceLock<Vec<RecordFacts>>,
}

impl Facts {
    /// None read yet.
    pub(super) fn new() -> Self {
        Self { fields: Mutex::new(HashMap::new()), records: OnceLock::new() }
    }

    /// The column of `field`; `None` for the whole main category and the family, which have none.
    ///
    /// Returns an error if a bitmap cannot be read.
    pub(super) fn column(&self, generation: &Generation, field: &str) -> Result<Option<Arc<FieldColumn>>, IndexError> {
        if [CATEGORY, "family"].contains(&field) {
            return Ok(None);
        }
        // A panic while a column is read leaves the map without it.
        let mut fields = self.fields.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(column) = fields.get(field) {
            return Ok(Some(column.clone()));
        }
        let column = Arc::new(FieldColumn::of(generation, field)?);
        fields.insert(field.to_owned(), column.clone());
        Ok(Some(column))
    }

    /// Reads every record, unless that was done.
    ///
    /// Returns an error if one is damaged.
    pub(super) fn read_records(&self, generation: &Generation) -> Result<(), IndexError> {
        if self.records.get().is_some() {
            return Ok(());
        }
        let rows = 0..generation.products().num_rows() as u32;
        let one = |row| Ok(RecordFacts::of(&generation.products().product(RowId(row))?));
        let records = rows.into_par_iter().map(one).collect::<Result<Vec<_>, IndexError>>()?;
        // Whoever came first has put in the same.
        let _ = self.records.set(records);
        Ok(())
    }

    fn record(&self, view: &View, row: RowId) -> Option<RecordFacts> {
        match self.records.get().and_then(|records| records.get(row.index())) {
            Some(record) => Some(*record),
            None => view.product(row).ok().map(|product| RecordFacts::of(&product)),
        }
    }

    /// The row's values of a field, whose column is `column`, as numbers.
    pub(super) fn values(&self, view: &View, row: RowId, field: &str, column: Option<&FieldColumn>) -> Vec<u64> {
        let Some(column) = column else {
            let number = match field {
                CATEGORY => self.record(view, row).map(|record| record.category).filter(|number| *number != 0),
                _ => view.family(row).map(u64::from),
            };
            return number.into_iter().collect();
        };
        match view.changed_values(row, field) {
            Some(values) => values.iter().map(|value| value_number(value)).collect(),
            None => column.row(row).to_vec(),
        }
    }

    /// Share of the price that is left after what the shop paid; NaN when not known.
    pub(super) fn margin(&self, view: &View, row: RowId) -> f64 {
        let known = || {
            let (price, (cost, currency)) = (view.price(row)?, self.record(view, row)?.cost?);
            let is_comparable = price.currency.to_bytes() == currency && price.minor > 0;
            is_comparable.then(|| (price.minor - cost) as f64 / price.minor as f64)
        };
        known().unwrap_or(f64::NAN)
    }

    /// Days since the product came; NaN when not known.
    pub(super) fn age_days(&self, view: &View, row: RowId, now: Timestamp) -> f64 {
        let since = self.record(view, row).and_then(|record| record.since_s);
        since.map_or(f64::NAN, |since| (now.as_second() - since) as f64 / 86_400.0)
    }

    /// Pieces left, 0 of what is sold out; NaN when not known.
    pub(super) fn stock(&self, view: &View, row: RowId) -> f64 {
        if view.in_stock().is_some_and(|rows| !rows.contains(row.0)) {
            return 0.0;
        }
        self.record(view, row).map_or(f64::NAN, |record| record.quantity)
    }
}
