//! A filter compiled for a generation: what can be looked up is a bitmap, the rest is asked of each product.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::facts::{Facts, FieldColumn};
use super::scene::Scene;
use crate::index::{Generation, IndexError, NO_PRICE, fold, is_offer_field, term};
use crate::rank::RowId;
use crate::recommend::filter::Bounds;
use crate::rules::{Clause, Condition, Filter, FilterError, Label, Range, Span, Test, TimeSpan};

/// A compiled filter.
#[derive(Debug)]
pub(super) enum Expr {
    Const(bool),
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    /// One of these terms.
    Terms {
        rows: RoaringBitmap,
        terms: Vec<Vec<u8>>,
        is_offer: bool,
    },
    /// A price in the range; the currencies of the generation are worked out.
    Price {
        range: Range,
        known: Vec<([u8; 3], Bounds)>,
    },
    HasPrice,
    /// A value of the field in the span.
    Number {
        field: String,
        span: Span,
        rows: RoaringBitmap,
    },
    Exists {
        field: String,
        rows: RoaringBitmap,
    },
    MatchContext(String, Label),
    Context(Label, Vec<String>),
    ContextExists(Label),
    Time(TimeSpan),
    Same {
        field: String,
        column: Option<Arc<FieldColumn>>,
        is_wanted: bool,
    },
    PriceRatio(Span),
    Margin(Span),
    AgeDays(Span),
    Stock(Span),
    InCart,
    Page(Box<Expr>),
    Cart(Box<Expr>),
}

/// Compiles filters for one generation.
pub(super) struct Compiler<'a> {
    pub generation: &'a Generation,
    pub facts: &'a Facts,
}

/// A filter cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub(super) enum CompileError {
    /// It has no sense in it.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The generation cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl From<CompileError> for super::RecommendError {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Filter(error) => Self::Filter(error),
            CompileError::Index(error) => Self::Index(error),
        }
    }
}

impl Compiler<'_> {
    /// Compiles `filter`, which stands `at`. A field that no product has matches none.
    ///
    /// Returns an error at the condition that has no sense in it, or if the generation cannot be read.
    pub(super) fn filter(&self, filter: &Filter, at: &str) -> Result<Expr, CompileError> {
        self.lists([&filter.must, &filter.should, &filter.must_not], at)
    }

    fn lists(&self, lists: [&[Condition]; 3], at: &str) -> Result<Expr, CompileError> {
        let clauses = [Clause::Must, Clause::Should, Clause::MustNot];
        let (mut all, mut any) = (Vec::new(), Vec::new());
        for (clause, list) in clauses.into_iter().zip(lists) {
            for (i, condition) in list.iter().enumerate() {
                let expr = self.condition(condition, &format!("{at}.{}[{i}]", clause.word()))?;
                match clause {
                    Clause::Must => all.push(expr),
                    Clause::Should => any.push(expr),
                    Clause::MustNot => all.push(Expr::Not(Box::new(expr))),
                }
            }
        }
        if !any.is_empty() {
            all.push(Expr::Any(any));
        }
        Ok(match all.len() {
            0 => Expr::Const(true),
            1 => all.swap_remove(0),
            _ => Expr::All(all),
        })
    }

    fn condition(&self, condition: &Condition, at: &str) -> Result<Expr, CompileError> {
        Ok(match condition.test(at)? {
            Test::Match(field, values) => {
                let mut rows = RoaringBitmap::new();
                for value in values {
                    rows |= self.generation.terms().rows(field, value)?;
                }
                let terms = values.iter().map(|value| term(field, value)).collect();
                Expr::Terms { rows, terms, is_offer: is_offer_field(field) }
            }
            Test::Price(range) => self.price(range, &format!("{at}.range"))?,
            Test::Number(field, span) => {
                let is_in = |value: &str| value.parse().is_ok_and(|number| span.contains(number));
                Expr::Number { field: field.to_owned(), span, rows: self.rows_with(field, is_in)? }
            }
            Test::Exists(field, is_there) => {
                let exists = match field {
                    "price" => Expr::HasPrice,
                    _ => Expr::Exists { field: field.to_owned(), rows: self.rows_with(field, |_| true)? },
                };
                if is_there { exists } else { Expr::Not(Box::new(exists)) }
            }
            Test::MatchContext(field, label) => Expr::MatchContext(field.to_owned(), label),
            Test::Context(label, values) => Expr::Context(label, values.iter().map(|value| fold(value)).collect()),
            Test::ContextExists(label, true) => Expr::ContextExists(label),
            Test::ContextExists(label, false) => Expr::Not(Box::new(Expr::ContextExists(label))),
            Test::Time(span) => Expr::Time(span),
            Test::Same(field) => self.same(field, true)?,
            Test::Different(field) => self.same(field, false)?,
            Test::PriceRatio(span) => Expr::PriceRatio(span),
            Test::Margin(span) => self.record(Expr::Margin(span))?,
            Test::AgeDays(span) => self.record(Expr::AgeDays(span))?,
            Test::Stock(span) => self.record(Expr::Stock(span))?,
            Test::InCart(true) => Expr::InCart,
            Test::InCart(false) => Expr::Not(Box::new(Expr::InCart)),
            Test::Page(filter) => Expr::Page(Box::new(self.filter(filter, &format!("{at}.page"))?)),
            Test::Cart(filter) => Expr::Cart(Box::new(self.filter(filter, &format!("{at}.cart"))?)),
            Test::All(lists) => self.lists(lists, at)?,
        })
    }

    fn rows_with(&self, field: &str, is_wanted: impl Fn(&str) -> bool) -> Result<RoaringBitmap, IndexError> {
        let terms = self.generation.terms();
        let mut rows = RoaringBitmap::new();
        for value in terms.values(field).into_iter().filter(|value| is_wanted(value)) {
            rows |= terms.rows(field, &value)?;
        }
        Ok(rows)
    }

    fn price(&self, range: &Range, at: &str) -> Result<Expr, CompileError> {
        let products = self.generation.products();
        let mut known: Vec<([u8; 3], Bounds)> = Vec::new();
        for (&minor, &currency) in products.prices().iter().zip(products.currencies()) {
            if minor != NO_PRICE && !known.iter().any(|(of, _)| *of == currency) {
                known.push((currency, Bounds::of(range, currency, at)?));
            }
        }
        Ok(Expr::Price { range: range.clone(), known })
    }

    fn same(&self, field: &str, is_wanted: bool) -> Result<Expr, CompileError> {
        let column = self.facts.column(self.generation, field)?;
        if field == "product_type" {
            self.facts.read_records(self.generation)?;
        }
        Ok(Expr::Same { field: field.to_owned(), column, is_wanted })
    }

    /// `expr`, once the records that it asks for are read.
    fn record(&self, expr: Expr) -> Result<Expr, CompileError> {
        self.facts.read_records(self.generation)?;
        Ok(expr)
    }
}

impl Expr {
    /// Whether it holds for the product in `row` in this scene; without a row, whether it holds where nothing is asked about.
    pub(super) fn holds(&self, row: Option<RowId>, scene: &Scene<'_>) -> bool {
        match self {
            Self::Const(holds) => *holds,
            Self::All(all) => all.iter().all(|expr| expr.holds(row, scene)),
            Self::Any(any) => any.iter().any(|expr| expr.holds(row, scene)),
            Self::Not(expr) => !expr.holds(row, scene),
            Self::Context(label, values) => scene.label(*label).iter().any(|value| values.contains(value)),
            Self::ContextExists(label) => !scene.label(*label).is_empty(),
            Self::Time(span) => span.contains(scene.minute),
            Self::Page(expr) => scene.page.iter().any(|&row| expr.holds(Some(row), scene)),
            Self::Cart(expr) => scene.cart.iter().any(|&row| expr.holds(Some(row), scene)),
            _ => row.is_some_and(|row| self.holds_for(row, scene)),
        }
    }

    fn holds_for(&self, row: RowId, scene: &Scene<'_>) -> bool {
        let (view, facts) = (scene.view, scene.facts);
        match self {
            Self::Terms { rows, terms, is_offer } => {
                view.has_changed_term(row, terms, *is_offer).unwrap_or_else(|| rows.contains(row.0))
            }
            Self::Price { range, known } => view.price(row).is_some_and(|price| {
                let currency = price.currency.to_bytes();
                match known.iter().find(|(of, _)| *of == currency) {
                    Some((_, bounds)) => bounds.contains(price.minor),
                    // A bound that another currency could not read was refused when it was compiled.
                    None => Bounds::of(range, currency, "range").is_ok_and(|bounds| bounds.contains(price.minor)),
                }
            }),
            Self::HasPrice => view.price(row).is_some(),
            Self::Number { field, span, rows } => match view.changed_values(row, field) {
                Some(values) => values.iter().any(|value| value.parse().is_ok_and(|number| span.contains(number))),
                None => rows.contains(row.0),
            },
            Self::Exists { field, rows } => match view.changed_values(row, field) {
                Some(values) => !values.is_empty(),
                None => rows.contains(row.0),
            },
            Self::MatchContext(field, label) => {
                let terms: Vec<Vec<u8>> = scene.label(*label).iter().map(|value| term(field, value)).collect();
                let built = || {
                    let rows = |value: &String| view.generation().terms().rows(field, value);
                    scene.label(*label).iter().any(|value| rows(value).is_ok_and(|rows| rows.contains(row.0)))
                };
                view.has_changed_term(row, &terms, is_offer_field(field)).unwrap_or_else(built)
            }
            Self::Same { field, column, is_wanted } => {
                let values = |row| facts.values(view, row, field, column.as_deref());
                let own = values(row);
                let is_same = scene.page.iter().any(|&page| values(page).iter().any(|value| own.contains(value)));
                !scene.page.is_empty() && is_same == *is_wanted
            }
            Self::PriceRatio(span) => match (view.price(row), scene.page_price) {
                (Some(price), Some(page)) if price.currency == page.currency && page.minor > 0 => {
                    span.contains(price.minor as f64 / page.minor as f64)
                }
                _ => false,
            },
            Self::Margin(span) => span.contains(facts.margin(view, row)),
            Self::AgeDays(span) => span.contains(facts.age_days(view, row, scene.now)),
            Self::Stock(span) => span.contains(facts.stock(view, row)),
            Self::InCart => scene.is_in_cart(row),
            _ => false,
        }
    }

    /// Whether it asks anything of a product that is not looked up by itself (`page` and `cart` are).
    pub(super) fn is_about_products(&self) -> bool {
        match self {
            Self::All(list) | Self::Any(list) => list.iter().any(Self::is_about_products),
            Self::Not(expr) => expr.is_about_products(),
            Self::Const(_)
            | Self::Context(..)
            | Self::ContextExists(_)
            | Self::Time(_)
            | Self::Page(_)
            | Self::Cart(_) => false,
            _ => true,
        }
    }

    /// The rows of the generation's first `num_rows` for which it holds in every scene, where that is known; live changes aside.
    pub(super) fn exact(&self, num_rows: u32) -> Option<RoaringBitmap> {
        let everything = || {
            let mut rows = RoaringBitmap::new();
            rows.insert_range(0..num_rows);
            rows
        };
        match self {
            Self::Const(true) => Some(everything()),
            Self::Const(false) => Some(RoaringBitmap::new()),
            Self::All(list) => list.iter().try_fold(everything(), |rows, expr| Some(rows & expr.exact(num_rows)?)),
            Self::Any(list) => {
                list.iter().try_fold(RoaringBitmap::new(), |rows, expr| Some(rows | expr.exact(num_rows)?))
            }
            Self::Not(expr) => Some(everything() - expr.exact(num_rows)?),
            Self::Terms { rows, .. } | Self::Number { rows, .. } | Self::Exists { rows, .. } => Some(rows.clone()),
            _ => None,
        }
    }

    /// Rows outside which it never holds, live changes aside; `None` where it may hold for any.
    pub(super) fn cover(&self, num_rows: u32) -> Option<RoaringBitmap> {
        match self {
            Self::All(list) => list.iter().filter_map(|expr| expr.cover(num_rows)).reduce(|a, b| a & b),
            Self::Any(list) => {
                list.iter().try_fold(RoaringBitmap::new(), |rows, expr| Some(rows | expr.cover(num_rows)?))
            }
            Self::Const(true) => None,
            _ => self.exact(num_rows),
        }
    }

    /// Whether a change of a product's price, stock or labels may change it.
    pub(super) fn depends_on_offer(&self) -> bool {
        match self {
            Self::All(list) | Self::Any(list) => list.iter().any(Self::depends_on_offer),
            Self::Not(expr) => expr.depends_on_offer(),
            Self::Terms { is_offer, .. } => *is_offer,
            Self::Number { field, .. } | Self::Exists { field, .. } => is_offer_field(field),
            _ => false,
        }
    }
}
