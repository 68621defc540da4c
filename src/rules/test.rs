//! A condition as what it tests: the one reading of the language that every evaluation starts from, and its limits.

use super::filter::{Bound, Clause, Condition, Filter, FilterError, MAX_CONDITIONS, MAX_DEPTH, MAX_VALUES, Range};
use super::nearest::did_you_mean;

/// What a condition tests.
#[derive(Debug, Clone, PartialEq)]
pub enum Test<'a> {
    /// The field has one of the values.
    Match(&'a str, &'a [String]),
    /// The price lies in the range.
    Price(&'a Range),
    /// The attribute, read as a number, lies in the span.
    Number(&'a str, Span),
    /// The field has a value, or none.
    Exists(&'a str, bool),
    /// The field has a value that the label has.
    MatchContext(&'a str, Label),
    /// The question's label has one of the values.
    Context(Label, &'a [String]),
    /// The question has the label, or has it not.
    ContextExists(Label, bool),
    /// The time of the day, in minutes.
    Time(TimeSpan),
    /// A value of the field in common with the product asked about.
    Same(&'a str),
    /// None in common.
    Different(&'a str),
    /// Price divided by that of the product asked about.
    PriceRatio(Span),
    /// Share of the price that is left.
    Margin(Span),
    /// Days since the product came.
    AgeDays(Span),
    /// Pieces.
    Stock(Span),
    /// Whether its family is in the cart.
    InCart(bool),
    /// A product asked about passes.
    Page(&'a Filter),
    /// A product in the cart passes.
    Cart(&'a Filter),
    /// A filter inside.
    All([&'a [Condition]; 3]),
}

/// What can be known of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the label of its word")]
pub enum Label {
    Placement,
    Intent,
    Segment,
    Device,
    Channel,
    LoyaltyTier,
    Visitor,
    Region,
    Weekday,
    Time,
}

impl Label {
    /// Every label.
    pub const ALL: [Self; 10] = [
        Self::Placement,
        Self::Intent,
        Self::Segment,
        Self::Device,
        Self::Channel,
        Self::LoyaltyTier,
        Self::Visitor,
        Self::Region,
        Self::Weekday,
        Self::Time,
    ];

    /// The word in a filter.
    pub fn word(self) -> &'static str {
        match self {
            Self::Placement => "placement",
            Self::Intent => "intent",
            Self::Segment => "segment",
            Self::Device => "device",
            Self::Channel => "channel",
            Self::LoyaltyTier => "loyalty_tier",
            Self::Visitor => "visitor",
            Self::Region => "region",
            Self::Weekday => "weekday",
            Self::Time => "time",
        }
    }

    fn of(word: &str, at: &str) -> Result<Self, FilterError> {
        let found = Self::ALL.into_iter().find(|label| label.word() == word);
        found.ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|label| label.word()).collect();
            let near = did_you_mean(word, words.iter().copied());
            FilterError::new(at, format!("`{word}` is nothing of a question; it has {}{near}", words.join(", ")))
        })
    }
}

/// The days of the week as `weekday` matches them, Monday first.
pub const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A span of numbers; a number that is not known lies in none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    low: f64,
    high: f64,
    is_low_in: bool,
    is_high_in: bool,
}

impl Span {
    /// Whether the number lies in it; NaN never does.
    pub fn contains(&self, number: f64) -> bool {
        let is_above = number > self.low || (self.is_low_in && number == self.low);
        let is_below = number < self.high || (self.is_high_in && number == self.high);
        is_above && is_below
    }

    /// Every number.
    pub(super) const ALL: Self =
        Self { low: f64::NEG_INFINITY, high: f64::INFINITY, is_low_in: true, is_high_in: true };

    /// What is left of it between its ends and the bound `name`: `gt`, `gte`, `lt` or `lte`.
    pub(super) fn cut(self, name: &str, number: f64) -> Self {
        let is_in = name == "gte" || name == "lte";
        let bound = match name {
            "gt" | "gte" => Self { low: number, is_low_in: is_in, ..Self::ALL },
            _ => Self { high: number, is_high_in: is_in, ..Self::ALL },
        };
        self.and(&bound)
    }

    fn and(&self, other: &Self) -> Self {
        let is_above = other.low > self.low || (other.low == self.low && !other.is_low_in);
        let is_below = other.high < self.high || (other.high == self.high && !other.is_high_in);
        let (low, is_low_in) = if is_above { (other.low, other.is_low_in) } else { (self.low, self.is_low_in) };
        let (high, is_high_in) = if is_below { (other.high, other.is_high_in) } else { (self.high, self.is_high_in) };
        Self { low, high, is_low_in, is_high_in }
    }

    /// Whether no number lies in it.
    pub(super) fn is_empty(&self) -> bool {
        self.low > self.high || (self.low == self.high && !(self.is_low_in && self.is_high_in))
    }

    /// Whether a number lies in both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        !self.and(other).is_empty()
    }

    /// Whether each of its numbers lies in the other.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.and(other) == *self
    }

    fn of(range: &Range, at: &str) -> Result<Self, FilterError> {
        let mut span = Self::ALL;
        for (name, bound) in range.bounds(at)? {
            let Bound::Amount(number) = bound else {
                return Err(FilterError::new(format!("{at}.{name}"), "give a number"));
            };
            let number = number.as_f64().filter(|number| number.is_finite());
            let number = number.ok_or_else(|| FilterError::new(format!("{at}.{name}"), "the number is too large"))?;
            span = span.cut(name, number);
        }
        if span.is_empty() { Err(empty_range(at)) } else { Ok(span) }
    }
}

fn empty_range(at: &str) -> FilterError {
    FilterError::new(at, "nothing lies between these bounds; is the lower one above the upper one?")
}

/// Minutes of the day; one that ends before it begins goes over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSpan {
    from: i32,
    /// Excluded.
    until: i32,
}

impl TimeSpan {
    /// Whether `minute` of the day, from 0 to 1439, lies in it.
    pub fn contains(self, minute: i32) -> bool {
        if self.from <= self.until {
            self.from <= minute && minute < self.until
        } else {
            minute >= self.from || minute < self.until
        }
    }

    fn of(range: &Range, at: &str) -> Result<Self, FilterError> {
        let mut span = Self { from: 0, until: 24 * 60 };
        let bounds = range.bounds(at)?;
        if let [(_, a), (_, b)] = bounds[..]
            && a == b
        {
            return Err(empty_range(at));
        }
        for (name, bound) in bounds {
            let at = format!("{at}.{name}");
            let wrong = || FilterError::new(&at, "give a time of the day such as \"08:30\", \"24:00\" at most");
            let Bound::Money(text) = bound else { return Err(wrong()) };
            let minute = minute_of(text).ok_or_else(wrong)?;
            match name {
                "gte" => span.from = minute,
                "gt" => span.from = minute + 1,
                "lt" => span.until = minute,
                _ => span.until = minute + 1,
            }
        }
        let is_empty = span.from == span.until || span.from >= 24 * 60;
        if is_empty { Err(empty_range(at)) } else { Ok(span) }
    }
}

fn minute_of(text: &str) -> Option<i32> {
    let (hour, minute) = text.split_once(':')?;
    let is_plain = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    let (hour, minute): (i32, i32) =
        if is_plain(hour) && is_plain(minute) { (hour.parse().ok()?, minute.parse().ok()?) } else { return None };
    let of_day = hour * 60 + minute;
    (minute < 60 && of_day <= 24 * 60).then_some(of_day)
}

impl Range {
    /// The bounds that are there, by name.
    ///
    /// Returns an error if there are none, or two of one side.
    pub(super) fn bounds(&self, at: &str) -> Result<Vec<(&'static str, &Bound)>, FilterError> {
        let all = [("gt", &self.gt), ("gte", &self.gte), ("lt", &self.lt), ("lte", &self.lte)];
        let there: Vec<_> = all.into_iter().filter_map(|(name, bound)| Some((name, bound.as_ref()?))).collect();
        if there.is_empty() {
            return Err(FilterError::new(at, "give at least one of `gt`, `gte`, `lt`, `lte`"));
        }
        if (self.gt.is_some() && self.gte.is_some()) || (self.lt.is_some() && self.lte.is_some()) {
            return Err(FilterError::new(at, "give one lower and one upper bound at most"));
        }
        Ok(there)
    }
}

impl Filter {
    /// Returns an error at the first condition that is incomplete, contradicts itself, or is over a limit; `at` is the filter's own place.
    pub fn check(&self, at: &str) -> Result<(), FilterError> {
        let mut left = MAX_CONDITIONS;
        check_all(self.conditions(), at, 1, &mut left)
    }
}

fn check_all<'a>(
    conditions: impl Iterator<Item = (Clause, String, &'a Condition)>,
    at: &str,
    depth: usize,
    left: &mut usize,
) -> Result<(), FilterError> {
    if depth > MAX_DEPTH {
        return Err(FilterError::new(at, format!("filters may stand {MAX_DEPTH} deep in one another")));
    }
    for (_, place, condition) in conditions {
        let at = format!("{at}.{place}");
        *left = left.checked_sub(1).ok_or_else(|| {
            FilterError::new(&at, format!("a filter has at most {MAX_CONDITIONS} conditions, this is one more"))
        })?;
        match condition.test(&at)? {
            Test::Page(inner) => check_all(inner.conditions(), &format!("{at}.page"), depth + 1, left)?,
            Test::Cart(inner) => check_all(inner.conditions(), &format!("{at}.cart"), depth + 1, left)?,
            Test::All(_) => check_all(condition.inner(), &at, depth + 1, left)?,
            Test::Price(range) => range.check_price(&format!("{at}.range"))?,
            Test::Same("price") => return Err(no_price_in_common(&format!("{at}.same"))),
            Test::Different("price") => return Err(no_price_in_common(&format!("{at}.different"))),
            _ => {}
        }
    }
    Ok(())
}

fn no_price_in_common(at: &str) -> FilterError {
    FilterError::new(at, "prices are compared by `price_ratio`, e.g. {\"gte\": 0.8, \"lte\": 1.2}")
}

impl Condition {
    /// What it tests.
    ///
    /// Returns an error at its place `at` if it tests nothing, several things, or something that cannot be.
    pub fn test(&self, at: &str) -> Result<Test<'_>, FilterError> {
        let forms = self.forms();
        let [form] = forms[..] else {
            let message = if forms.is_empty() {
                "give one of `key`, `context`, `same`, `different`, `price_ratio`, `margin`, `age_days`, `stock`, `in_cart`, `page`, \
                 `cart`, `must`, `should`, `must_not`"
                    .to_owned()
            } else {
                format!("one condition tests one thing; this has `{}`", forms.join("` and `"))
            };
            return Err(FilterError::new(at, message));
        };
        if !["key", "context"].contains(&form) {
            let operators = self.operators();
            if let Some(operator) = operators.first() {
                return Err(FilterError::new(format!("{at}.{operator}"), format!("it needs a `key`, not `{form}`")));
            }
        }
        let span =
            |range: &Option<Range>| Span::of(range.as_ref().unwrap_or(&Range::default()), &format!("{at}.{form}"));
        Ok(match form {
            "key" => self.test_key(at)?,
            "context" => self.test_context(at)?,
            "same" => Test::Same(relative_field(&self.same)),
            "different" => Test::Different(relative_field(&self.different)),
            "price_ratio" => Test::PriceRatio(span(&self.price_ratio)?),
            "margin" => Test::Margin(span(&self.margin)?),
            "age_days" => Test::AgeDays(span(&self.age_days)?),
            "stock" => Test::Stock(span(&self.stock)?),
            "in_cart" => Test::InCart(self.in_cart == Some(true)),
            _ => match (&self.page, &self.cart) {
                (Some(filter), _) => Test::Page(filter),
                (_, Some(filter)) => Test::Cart(filter),
                _ => Test::All([&self.must, &self.should, &self.must_not]),
            },
        })
    }

    /// The names of what is tested.
    fn forms(&self) -> Vec<&'static str> {
        let has_inner = !(self.must.is_empty() && self.should.is_empty() && self.must_not.is_empty());
        let forms = [
            ("key", self.key.is_some()),
            ("context", self.context.is_some()),
            ("same", self.same.is_some()),
            ("different", self.different.is_some()),
            ("price_ratio", self.price_ratio.is_some()),
            ("margin", self.margin.is_some()),
            ("age_days", self.age_days.is_some()),
            ("stock", self.stock.is_some()),
            ("in_cart", self.in_cart.is_some()),
            ("page", self.page.is_some()),
            ("cart", self.cart.is_some()),
            ("must", has_inner),
        ];
        forms.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
    }

    fn operators(&self) -> Vec<&'static str> {
        let operators = [
            ("match", self.matches.is_some()),
            ("range", self.range.is_some()),
            ("exists", self.exists.is_some()),
            ("match_context", self.match_context.is_some()),
        ];
        operators.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
    }

    /// The one operator.
    fn operator(&self, at: &str, known: &'static str) -> Result<&'static str, FilterError> {
        match self.operators()[..] {
            [operator] => Ok(operator),
            [] => Err(FilterError::new(at, format!("give {known}"))),
            [..] => Err(FilterError::new(at, format!("give one of {known}, not several"))),
        }
    }

    fn values(&self, at: &str) -> Result<&[String], FilterError> {
        let at = || format!("{at}.match");
        match self.matches.as_ref().map(|matches| matches.values()).unwrap_or_default() {
            [] => Err(FilterError::new(at(), "the list of values is empty")),
            values if values.len() > MAX_VALUES => {
                Err(FilterError::new(at(), format!("at most {MAX_VALUES} values are allowed")))
            }
            values => Ok(values),
        }
    }

    fn test_key(&self, at: &str) -> Result<Test<'_>, FilterError> {
        let key = self.key.as_deref().unwrap_or_default();
        if key.is_empty() {
            return Err(FilterError::new(format!("{at}.key"), "the name of a field is empty"));
        }
        match self.operator(at, "`match`, `range`, `exists` or `match_context`")? {
            "match" if key == "price" => {
                Err(FilterError::new(format!("{at}.match"), "`price` takes `range`, e.g. {\"gte\": 10, \"lte\": 50}"))
            }
            "match" => Ok(Test::Match(key, self.values(at)?)),
            "exists" => Ok(Test::Exists(key, self.exists == Some(true))),
            "match_context" => {
                let word = self.match_context.as_deref().unwrap_or_default();
                Ok(Test::MatchContext(key, Label::of(word, &format!("{at}.match_context"))?))
            }
            _ => {
                let at = format!("{at}.range");
                let range = self.range.as_ref().ok_or_else(|| FilterError::new(&at, "give bounds"))?;
                if key == "price" {
                    range.bounds(&at)?;
                    return Ok(Test::Price(range));
                }
                if ["brand", "category", "availability", "family", "id", "fits"].contains(&key) {
                    let message = format!("`range` works on `price` and numbers; `{key}` takes `match`");
                    return Err(FilterError::new(at, message));
                }
                Ok(Test::Number(key, Span::of(range, &at)?))
            }
        }
    }

    fn test_context(&self, at: &str) -> Result<Test<'_>, FilterError> {
        let label = Label::of(self.context.as_deref().unwrap_or_default(), &format!("{at}.context"))?;
        match self.operator(at, "`match`, `range` or `exists`")? {
            "match" if label == Label::Time => Err(FilterError::new(
                format!("{at}.match"),
                "`time` takes `range`, e.g. {\"gte\": \"08:00\", \"lt\": \"20:00\"}",
            )),
            "match" => {
                let values = self.values(at)?;
                if label == Label::Weekday {
                    check_weekdays(values, &format!("{at}.match"))?;
                }
                Ok(Test::Context(label, values))
            }
            "exists" => Ok(Test::ContextExists(label, self.exists == Some(true))),
            "range" if label == Label::Time => {
                let range = self.range.clone().unwrap_or_default();
                Ok(Test::Time(TimeSpan::of(&range, &format!("{at}.range"))?))
            }
            operator => {
                let message = format!("`{}` takes `match` or `exists`", label.word());
                Err(FilterError::new(format!("{at}.{operator}"), message))
            }
        }
    }
}

/// Returns an error if one of `days` is none of [`WEEKDAYS`].
pub(super) fn check_weekdays(days: &[String], at: &str) -> Result<(), FilterError> {
    match days.iter().find(|day| !WEEKDAYS.contains(&day.to_lowercase().as_str())) {
        Some(day) => Err(FilterError::new(at, format!("`{day}` is no day; days are {}", WEEKDAYS.join(", ")))),
        None => Ok(()),
    }
}

/// The field of a relative condition; `product_type` is the whole main category.
fn relative_field(field: &Option<String>) -> &str {
    match field.as_deref().unwrap_or_default() {
        "category" => "product_type",
        field => field,
    }
}

#[cfg(test)]
mod tests;
