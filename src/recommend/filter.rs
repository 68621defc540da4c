//! Looks a filter's conditions up: the rows that may appear, as one bitmap.

use roaring::RoaringBitmap;

use super::error::RecommendError;
use crate::catalog::{Currency, Money, MoneyError};
use crate::live::View;
use crate::rules::{Bound, Clause, Condition, Filter, FilterError, Range, Test, did_you_mean, shortened};

/// Fields that every catalog has, even where no product fills them.
const BUILT_IN: [&str; 6] = ["availability", "brand", "category", "family", "id", "price"];

/// Longest unknown field in characters that an error shows whole.
const MAX_FIELD_CHARS: usize = 100;

/// What of a filter can be said without the question.
pub(super) struct Narrowed {
    /// The rows that it lets through, or more of them where `is_open`; all when `None`.
    pub rows: Option<RoaringBitmap>,
    /// Whether it has conditions that depend on the question or on records: they are asked of each hit.
    pub is_open: bool,
}

/// The rows that `filter` lets through.
///
/// Returns an error at the condition that is malformed or names a field that no product has.
pub(super) fn allowed_rows(view: &View, filter: &Filter) -> Result<Narrowed, RecommendError> {
    if filter.is_empty() {
        return Ok(Narrowed { rows: None, is_open: false });
    }
    filter.check("filter")?;
    narrowed(view, filter, "filter")
}

/// The rows that a filter, which stands `at`, lets through.
///
/// Returns an error at the condition that is malformed or names a field that no product has.
pub(super) fn narrowed(view: &View, filter: &Filter, at: &str) -> Result<Narrowed, RecommendError> {
    rows_of_lists(view, [&filter.must, &filter.should, &filter.must_not], at)
}

fn rows_of_lists(view: &View, lists: [&[Condition]; 3], at: &str) -> Result<Narrowed, RecommendError> {
    let clauses = [Clause::Must, Clause::Should, Clause::MustNot];
    let (mut allowed, mut any) = (None, None);
    let (mut excluded, mut is_open, mut is_any_open) = (RoaringBitmap::new(), false, false);
    for (clause, list) in clauses.into_iter().zip(lists) {
        for (i, condition) in list.iter().enumerate() {
            let found = rows_of(view, condition, &format!("{at}.{}[{i}]", clause.word()))?;
            is_open |= found.is_open;
            match clause {
                Clause::Must => allowed = intersect(allowed, found.rows),
                Clause::Should => match found.rows {
                    Some(rows) => any = Some(any.unwrap_or_default() | rows),
                    None => is_any_open = true,
                },
                // Of an open condition too many rows are known, and they must not be taken away.
                Clause::MustNot if found.is_open => {}
                Clause::MustNot => excluded |= found.rows.unwrap_or_else(|| view.all_rows()),
            }
        }
    }
    let mut rows = intersect(allowed, any.filter(|_| !is_any_open));
    if !excluded.is_empty() {
        rows = Some(rows.unwrap_or_else(|| view.all_rows()) - excluded);
    }
    Ok(Narrowed { rows, is_open })
}

/// The rows in both; `None` means all.
pub(super) fn intersect(a: Option<RoaringBitmap>, b: Option<RoaringBitmap>) -> Option<RoaringBitmap> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a & b),
        (a, b) => a.or(b),
    }
}

fn rows_of(view: &View, condition: &Condition, at: &str) -> Result<Narrowed, RecommendError> {
    let closed = |rows| Ok(Narrowed { rows: Some(rows), is_open: false });
    match condition.test(at)? {
        Test::Match(key, values) => {
            check_field(view, key, &format!("{at}.key"))?;
            let mut rows = RoaringBitmap::new();
            for value in values {
                rows |= view.rows_with(key, value)?;
            }
            closed(rows)
        }
        Test::Price(range) => closed(rows_in_range(view, range, &format!("{at}.range"))?),
        Test::Number(key, span) => {
            check_field(view, key, &format!("{at}.key"))?;
            closed(rows_with_values(view, key, |value| value.parse().is_ok_and(|number| span.contains(number)))?)
        }
        Test::Exists(key, is_there) => {
            check_field(view, key, &format!("{at}.key"))?;
            let rows = match key {
                "price" => view.rows_priced(|_, _| Ok::<_, RecommendError>(true))?,
                _ => rows_with_values(view, key, |_| true)?,
            };
            closed(if is_there { rows } else { view.all_rows() - rows })
        }
        Test::All(lists) => rows_of_lists(view, lists, at),
        Test::Same(key) | Test::Different(key) | Test::MatchContext(key, _) => {
            // The whole main category, which is no field that a filter matches.
            if key != "product_type" {
                check_field(view, key, at)?;
            }
            Ok(Narrowed { rows: None, is_open: true })
        }
        _ => Ok(Narrowed { rows: None, is_open: true }),
    }
}

fn rows_with_values(view: &View, key: &str, is_wanted: impl Fn(&str) -> bool) -> Result<RoaringBitmap, RecommendError> {
    let mut rows = RoaringBitmap::new();
    for value in view.values(key).into_iter().filter(|value| is_wanted(value)) {
        rows |= view.rows_with(key, &value)?;
    }
    Ok(rows)
}

/// Whether every catalog has the field, even where no product fills it.
pub(super) fn is_built_in(key: &str) -> bool {
    BUILT_IN.contains(&key)
}

/// Returns an error naming the nearest field if no product has the field.
pub(super) fn check_field(view: &View, key: &str, path: &str) -> Result<(), RecommendError> {
    if is_built_in(key) || view.has_field(key) {
        return Ok(());
    }
    let mut known = view.fields();
    known.extend(BUILT_IN.map(str::to_owned));
    known.sort();
    known.dedup();
    let near = did_you_mean(key, known.iter().map(String::as_str));
    let known = format!("{}{near}", known.join(", "));
    let field = shortened(key.to_owned(), MAX_FIELD_CHARS);
    Err(RecommendError::UnknownField { path: path.to_owned(), field, known })
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
pub(super) struct Bounds {
    low: i64,
    high: i64,
}

impl Bounds {
    const EMPTY: Self = Self { low: 1, high: 0 };

    /// Whether an amount in minor units lies in it.
    pub(super) fn contains(self, minor: i64) -> bool {
        self.low <= minor && minor <= self.high
    }

    /// The range in minor units of `currency`.
    ///
    /// Returns an error at the bound that is no amount.
    pub(super) fn of(range: &Range, currency: [u8; 3], at: &str) -> Result<Self, FilterError> {
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
