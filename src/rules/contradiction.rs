//! Conditions that nothing passes together. A rule with them would never do what it says, so a document with them is refused with the place; a
//! request's filter may be put together by a program, and its answer is empty.
//!
//! Only what contradicts itself whatever the catalog holds: an attribute may have several values, one in each of two ranges.

use super::filter::{Bound, Clause, Condition, Filter, FilterError, Range, each_of};
use super::test::{Label, Span, Test};
use crate::catalog::Money;

/// Fields of which a product has one value at most.
const SINGLE: [&str; 4] = ["availability", "brand", "family", "id"];

/// A condition that must hold, or must not, with its place.
type Placed<'a> = (String, Test<'a>);

impl Filter {
    /// As [`Filter::check`], and returns an error too at a condition that excludes another: nothing could pass.
    pub fn check_sense(&self, at: &str) -> Result<(), FilterError> {
        self.check(at)?;
        check_lists([&self.must, &self.should, &self.must_not], at)
    }
}

fn check_lists(lists: [&[Condition]; 3], at: &str) -> Result<(), FilterError> {
    let (mut must, mut must_not) = (Vec::new(), Vec::new());
    gather(lists, at, &mut must, &mut must_not)?;
    for (number, (place, test)) in must.iter().enumerate() {
        if let Some((other, _)) = must[..number].iter().find(|(_, earlier)| excludes(earlier, test)) {
            return Err(FilterError::new(place, format!("nothing passes both this and `{other}`")));
        }
        if let Some((other, _)) = must_not.iter().find(|(_, denied)| implies(test, denied)) {
            return Err(FilterError::new(
                other,
                format!("whatever passes `{place}` is denied here: nothing passes both"),
            ));
        }
    }
    for (_, place, condition) in each_of(lists) {
        let at = format!("{at}.{place}");
        match condition.test(&at)? {
            Test::Page(inner) => check_lists([&inner.must, &inner.should, &inner.must_not], &format!("{at}.page"))?,
            Test::Cart(inner) => check_lists([&inner.must, &inner.should, &inner.must_not], &format!("{at}.cart"))?,
            Test::All(inner) => check_lists(inner, &at)?,
            _ => {}
        }
    }
    Ok(())
}

/// Adds what must hold and what must not, filters inside `must` included. That something must not be there is that it must be missing.
fn gather<'a>(
    lists: [&'a [Condition]; 3],
    at: &str,
    must: &mut Vec<Placed<'a>>,
    must_not: &mut Vec<Placed<'a>>,
) -> Result<(), FilterError> {
    for (clause, place, condition) in each_of(lists) {
        let at = format!("{at}.{place}");
        match (clause, condition.test(&at)?) {
            (Clause::Should, _) => {}
            (Clause::Must, Test::All(inner)) => gather(inner, &at, must, must_not)?,
            (Clause::Must, test) => must.push((at, test)),
            (Clause::MustNot, Test::Exists(field, is_there)) => must.push((at, Test::Exists(field, !is_there))),
            (Clause::MustNot, Test::ContextExists(label, is)) => must.push((at, Test::ContextExists(label, !is))),
            (Clause::MustNot, Test::InCart(is_in)) => must.push((at, Test::InCart(!is_in))),
            (Clause::MustNot, test) => must_not.push((at, test)),
        }
    }
    Ok(())
}

/// Whether nothing passes both.
fn excludes(a: &Test<'_>, b: &Test<'_>) -> bool {
    let one_way = |a: &Test<'_>, b: &Test<'_>| match (a, b) {
        (Test::Exists(field, false), other) => {
            field_of(other) == Some(field) && !matches!(other, Test::Exists(_, false))
        }
        (Test::ContextExists(label, false), Test::Context(other, _) | Test::ContextExists(other, true)) => {
            label == other
        }
        (Test::InCart(a), Test::InCart(b)) => a != b,
        (Test::Same(a), Test::Different(b)) => a == b,
        (Test::Match(field, a), Test::Match(other, b)) => field == other && SINGLE.contains(field) && are_apart(a, b),
        // A shopper may be of several segments, and a placement show several intents.
        (Test::Context(label, a), Test::Context(other, b)) => {
            label == other && !matches!(label, Label::Segment | Label::Intent) && are_apart(a, b)
        }
        (Test::Price(a), Test::Price(b)) => is_no_price(&[a, b]),
        (Test::PriceRatio(a), Test::PriceRatio(b))
        | (Test::Margin(a), Test::Margin(b))
        | (Test::AgeDays(a), Test::AgeDays(b))
        | (Test::Stock(a), Test::Stock(b)) => !a.meets(b),
        (Test::Time(a), Test::Time(b)) => !(0..24 * 60).any(|minute| a.contains(minute) && b.contains(minute)),
        _ => false,
    };
    one_way(a, b) || one_way(b, a)
}

/// Whether whatever passes `test` passes `other` too.
fn implies(test: &Test<'_>, other: &Test<'_>) -> bool {
    match (test, other) {
        (Test::Match(field, a), Test::Match(of, b)) => {
            field == of && folded(a).iter().all(|value| folded(b).contains(value))
        }
        (Test::Context(label, a), Test::Context(of, b)) => {
            label == of && folded(a).iter().all(|value| folded(b).contains(value))
        }
        (Test::Number(field, a), Test::Number(of, b)) => field == of && a.is_within(b),
        (Test::PriceRatio(a), Test::PriceRatio(b))
        | (Test::Margin(a), Test::Margin(b))
        | (Test::AgeDays(a), Test::AgeDays(b))
        | (Test::Stock(a), Test::Stock(b)) => a.is_within(b),
        (Test::Price(a), Test::Price(b)) => match (PriceSpan::of(&[a]), PriceSpan::of(&[b])) {
            (Some(a), Some(b)) => (b.currency.is_none() || a.currency == b.currency) && a.span.is_within(&b.span),
            _ => false,
        },
        _ => test == other,
    }
}

/// The field of which the test needs a value.
fn field_of<'a>(test: &Test<'a>) -> Option<&'a str> {
    match test {
        Test::Match(field, _) | Test::Number(field, _) | Test::Exists(field, true) | Test::MatchContext(field, _) => {
            Some(field)
        }
        Test::Price(_) => Some("price"),
        _ => None,
    }
}

/// Values as they are compared: without case and surplus spaces.
fn folded(values: &[String]) -> Vec<String> {
    let fold = |value: &String| value.replace('_', " ").split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    values.iter().map(fold).collect()
}

fn are_apart(a: &[String], b: &[String]) -> bool {
    let b = folded(b);
    !folded(a).iter().any(|value| b.contains(value))
}

/// What several ranges leave of prices.
struct PriceSpan {
    /// The currency that a bound names; prices in any where none does.
    currency: Option<String>,
    /// In major units.
    span: Span,
}

impl PriceSpan {
    /// `None` where no price is left: bounds in two currencies, or a lower one above an upper one.
    fn of(ranges: &[&Range]) -> Option<Self> {
        let mut left = Self { currency: None, span: Span::ALL };
        for range in ranges {
            for (name, bound) in [("gt", &range.gt), ("gte", &range.gte), ("lt", &range.lt), ("lte", &range.lte)] {
                let Some(bound) = bound else { continue };
                // A bound that cannot be read is refused elsewhere.
                let Some((number, currency)) = amount_of(bound) else { continue };
                if left.currency.is_some() && currency.is_some() && left.currency != currency {
                    return None;
                }
                left.currency = left.currency.or(currency);
                left.span = left.span.cut(name, number);
            }
        }
        (!left.span.is_empty()).then_some(left)
    }
}

/// Whether no price lies in all of the ranges.
fn is_no_price(ranges: &[&Range]) -> bool {
    PriceSpan::of(ranges).is_none()
}

/// The number of a price's bound and its currency.
fn amount_of(bound: &Bound) -> Option<(f64, Option<String>)> {
    match bound {
        Bound::Amount(number) => Some((number.as_f64()?, None)),
        Bound::Money(text) => {
            let money: Money = text.parse().ok()?;
            Some((money.amount().parse().ok()?, Some(money.currency.code().to_owned())))
        }
    }
}

impl Range {
    /// Returns an error at the bound of a price that is no amount, or if no price lies in the range.
    pub(super) fn check_price(&self, at: &str) -> Result<(), FilterError> {
        for (name, bound) in self.bounds(at)? {
            if let Bound::Money(text) = bound
                && let Err(error) = text.parse::<Money>()
            {
                return Err(FilterError::new(format!("{at}.{name}"), error.to_string()));
            }
        }
        match is_no_price(&[self]) {
            true => Err(FilterError::new(
                at,
                "no price lies between these bounds; is the lower one above the upper one, or are they in two currencies?",
            )),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(json: &str) -> Option<String> {
        serde_json::from_str::<Filter>(json).unwrap().check_sense("f").err().map(|error| error.path)
    }

    #[test]
    fn conditions_that_nothing_passes_together_are_refused_at_the_later_one() {
        for (json, at) in [
            (r#"{"must":[{"key":"price","range":{"gte":"10 EUR","lt":5}}]}"#, "f.must[0].range"),
            (r#"{"must":[{"key":"price","range":{"gt":5,"lte":"5 EUR"}}]}"#, "f.must[0].range"),
            (r#"{"must":[{"key":"price","range":{"gte":"5 EUR","lte":"9 USD"}}]}"#, "f.must[0].range"),
            (r#"{"must":[{"key":"price","range":{"gte":"5 euros"}}]}"#, "f.must[0].range.gte"),
            (r#"{"must":[{"key":"price","range":{"gte":50}},{"key":"price","range":{"lt":"20 USD"}}]}"#, "f.must[1]"),
            (
                r#"{"must":[{"key":"price","range":{"gte":"5 EUR"}},{"key":"price","range":{"lt":"9 USD"}}]}"#,
                "f.must[1]",
            ),
            (r#"{"must":[{"margin":{"gte":0.5}},{"must":[{"margin":{"lt":0.5}}]}]}"#, "f.must[1].must[0]"),
            (r#"{"must":[{"stock":{"lte":3}},{"same":"brand"},{"stock":{"gt":3}}]}"#, "f.must[2]"),
            (r#"{"must":[{"key":"brand","match":"Sony"},{"key":"brand","match":["LG","Acme"]}]}"#, "f.must[1]"),
            (
                r#"{"must":[{"key":"c","match":"Red"}],"must_not":[{"key":"c","match":["blue"," red "]}]}"#,
                "f.must_not[0]",
            ),
            (r#"{"must":[{"key":"c","exists":true}],"must_not":[{"key":"c","exists":true}]}"#, "f.must_not[0]"),
            (r#"{"must":[{"key":"c","match":"x"},{"key":"c","exists":false}]}"#, "f.must[1]"),
            (r#"{"must_not":[{"in_cart":true},{"in_cart":false}]}"#, "f.must_not[1]"),
            (r#"{"must":[{"same":"brand"},{"different":"brand"}]}"#, "f.must[1]"),
            (
                r#"{"must":[{"key":"price","range":{"gt":9}}],"must_not":[{"key":"price","range":{"gte":9}}]}"#,
                "f.must_not[0]",
            ),
            (r#"{"must":[{"context":"device","match":"app"},{"context":"device","match":"web"}]}"#, "f.must[1]"),
            (
                r#"{"must":[{"context":"time","range":{"gte":"22:00","lt":"06:00"}},{"context":"time","range":{"gte":"08:00","lt":"20:00"}}]}"#,
                "f.must[1]",
            ),
            (
                r#"{"should":[{"page":{"must":[{"key":"id","match":"a"},{"key":"id","match":"b"}]}}]}"#,
                "f.should[0].page.must[1]",
            ),
        ] {
            assert_eq!(place(json).as_deref(), Some(at), "{json}");
        }
    }

    #[test]
    fn what_something_may_pass_is_let_through() {
        for json in [
            r#"{"must":[{"key":"price","range":{"gte":"10 EUR","lt":50}},{"key":"price","range":{"lte":"10 EUR"}}]}"#,
            // A shoe comes in several sizes, a product in several categories, a shopper in several segments.
            r#"{"must":[{"key":"size","range":{"gte":45}},{"key":"size","range":{"lte":38}}]}"#,
            r#"{"must":[{"key":"category","match":"Phones"},{"key":"category","match":"Cases"}]}"#,
            r#"{"must":[{"context":"segment","match":"vip"},{"context":"segment","match":"staff"}]}"#,
            r#"{"must":[{"key":"brand","match":["Sony","LG"]}],"must_not":[{"key":"brand","match":"LG"}]}"#,
            r#"{"must":[{"key":"price","range":{"gte":5}}],"must_not":[{"key":"price","range":{"gte":9}}]}"#,
            r#"{"must":[{"key":"price","range":{"gte":9}}],"must_not":[{"key":"price","range":{"gte":"5 EUR"}}]}"#,
            r#"{"must":[{"page":{"must":[{"key":"brand","match":"a"}]}}],"must_not":[{"key":"brand","match":"a"}]}"#,
            r#"{"should":[{"key":"brand","match":"a"},{"key":"brand","match":"b"}]}"#,
        ] {
            assert_eq!(place(json), None, "{json}");
        }
    }
}
