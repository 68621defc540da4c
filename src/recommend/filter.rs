//! Looks a filter's conditions up: the rows that may appear, as one bitmap.

use roaring::RoaringBitmap;

use super::error::RecommendError;
use crate::catalog::{Currency, Money, MoneyError};
use crate::live::View;
use crate::rules::{Bound, Clause, Condition, Filter, FilterError, Range};

/// Fields that every catalog has, even where no product fills them.
const BUILT_IN: [&str; 6] = ["availability", "brand", "category", "family", "id", "price"];

/// The rows that `filter` lets through; `None` means all.
///
/// Returns an error at the condition that is malformed or names a field that no product has.
pub(super) fn allowed_rows(view: &View, filter: &Filter) -> Result<Option<RoaringBitmap>, RecommendError> {
    filter.check("filter")?;
    let mut allowed: Option<RoaringBitmap> = None;
    let mut any: Option<RoaringBitmap> = None;
    let mut excluded = RoaringBitmap::new();
    for (clause, place, condition) in filter.conditions() {
        let rows = rows_of(view, condition, &format!("filter.{place}"))?;
        match clause {
            Clause::Must => allowed = intersect(allowed, Some(rows)),
            Clause::Should => any = Some(any.unwrap_or_default() | rows),
            Clause::MustNot => excluded |= rows,
        }
    }
    let mut allowed = intersect(allowed, any);
    if !excluded.is_empty() {
        allowed = Some(allowed.unwrap_or_else(|| view.all_rows()) - excluded);
    }
    Ok(allowed)
}

/// The rows in both; `None` means all.
pub(super) fn intersect(a: Option<RoaringBitmap>, b: Option<RoaringBitmap>) -> Option<RoaringBitmap> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a & b),
        (a, b) => a.or(b),
    }
}

fn rows_of(view: &View, condition: &Condition, at: &str) -> Result<RoaringBitmap, RecommendError> {
    if let Some(range) = &condition.range {
        return Ok(rows_in_range(view, range, &format!("{at}.range"))?);
    }
    if !BUILT_IN.contains(&condition.key.as_str()) && !view.has_field(&condition.key) {
        let mut known = view.fields();
        known.push("price".into());
        known.sort();
        known.dedup();
        let (path, field) = (format!("{at}.key"), condition.key.clone());
        return Err(RecommendError::UnknownField { path, field, known: known.join(", ") });
    }
    let mut rows = RoaringBitmap::new();
    for value in condition.matches.iter().flat_map(|matches| matches.values()) {
        rows |= view.rows_with(&condition.key, value)?;
    }
    Ok(rows)
}

fn rows_in_range(view: &View, range: &Range, at: &str) -> Result<RoaringBitmap, FilterError> {
    let mut bounds: Vec<([u8; 3], Bounds)> = Vec::new();
    view.rows_priced(|minor, currency| {
        let known = match bounds.iter().find(|(of, _)| *of == currency) {
            Some((_, known)) => *known,
            None => {
                let new = Bounds::of(range, currency, at)?;
                bounds.push((currency, new));
                new
            }
        };
        Ok(known.contains(minor))
    })
}

/// A range in minor units of one currency, both ends included.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    low: i64,
    high: i64,
}

impl Bounds {
    const EMPTY: Self = Self { low: 1, high: 0 };

    fn contains(self, minor: i64) -> bool {
        self.low <= minor && minor <= self.high
    }

    fn of(range: &Range, currency: [u8; 3], at: &str) -> Result<Self, FilterError> {
        let Some(currency) = Currency::from_bytes(currency) else { return Ok(Self::EMPTY) };
        let mut bounds = Self { low: i64::MIN, high: i64::MAX };
        let parts = [("gt", &range.gt), ("gte", &range.gte), ("lt", &range.lt), ("lte", &range.lte)];
        for (name, bound) in parts {
            let Some(bound) = bound else { continue };
            let units = minor_units(bound, currency);
            let units = units.map_err(|e| FilterError::new(format!("{at}.{name}"), e.to_string()))?;
            let Some(MinorUnits { whole, is_between }) = units else { return Ok(Self::EMPTY) };
            match name {
                "gte" if !is_between => bounds.low = whole,
                "gt" | "gte" => bounds.low = whole.saturating_add(1),
                "lt" if !is_between => bounds.high = whole.saturating_sub(1),
                _ => bounds.high = whole,
            }
        }
        Ok(bounds)
    }
}

/// A bound in minor units of one currency: `20.5` is between 20 and 21 yen, and exactly 2050 cents.
#[derive(Debug, Clone, Copy)]
struct MinorUnits {
    whole: i64,
    is_between: bool,
}

/// The bound in minor units of `currency`; `None` when it is given in another one.
fn minor_units(bound: &Bound, currency: Currency) -> Result<Option<MinorUnits>, MoneyError> {
    match bound {
        Bound::Amount(amount) => {
            let amount = amount.to_string();
            let whole_units = |amount: &str| Money::from_amount(amount, currency).map(|money| money.minor);
            match (whole_units(&amount), amount.split_once('.')) {
                (Err(MoneyError::TooManyDecimals { exponent, .. }), Some((whole, fraction))) => {
                    let cut = format!("{whole}.{}", &fraction[..exponent as usize]);
                    Ok(Some(MinorUnits { whole: whole_units(cut.trim_end_matches('.'))?, is_between: true }))
                }
                (units, _) => Ok(Some(MinorUnits { whole: units?, is_between: false })),
            }
        }
        Bound::Money(text) => {
            let money: Money = text.parse()?;
            let units = MinorUnits { whole: money.minor, is_between: false };
            Ok((money.currency == currency).then_some(units))
        }
    }
}
