//! One rule: when it counts, what follows, from when until when, and whose it is.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::filter::{Filter, FilterError};
use super::test::check_weekdays;

/// Longest id of a rule in characters.
pub const MAX_ID_CHARS: usize = 64;
/// Longest note and owner in characters.
pub const MAX_NOTE_CHARS: usize = 500;
/// Most products that one rule pins.
pub const MAX_PINS: usize = 100;
/// What all boosts and burials of one product may do together: its score is at most multiplied or divided by this.
pub const MAX_FACTOR: f64 = 2.0;
/// Begins the ids of what the shop's essentials do.
pub const SHOP_PREFIX: &str = "shop.";

/// When something counts, and what follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"id": "weekend-cases", "owner": "ann", "when": {"must": [{"page": {"must": [{"key": "category", "match": "iPhone"}]}}]},
    "weekdays": ["sat", "sun"], "then": {"boost": {"filter": {"must": [{"key": "category", "match": "Cases"}]}, "factor": 1.4}}}))]
pub struct Rule {
    /// Names it in answers, figures and reports: 1 to 64 letters, digits, `-`, `_` and `.`.
    pub id: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Whether it counts at all.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub on: bool,
    /// Rules of higher priority come first: they get the better place, and are named first. Of equal ones the first in the document.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// Which questions it counts for; all when left out. Conditions on products are asked of the products asked about.
    #[serde(default, skip_serializing_if = "Filter::is_empty")]
    pub when: Filter,
    /// From this moment on: RFC 3339, or a date or a date and time in the document's time zone, or in the one that it names in brackets
    /// (`2026-11-27T08:00[America/New_York]`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// On these days alone: `mon` to `sun`; every day when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<String>,
    /// What follows.
    pub then: Consequence,
}

fn yes() -> bool {
    true
}

fn is_yes(on: &bool) -> bool {
    *on
}

fn is_zero(priority: &i32) -> bool {
    *priority == 0
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Consequence {
    /// Only products that pass may appear.
    Include(Filter),
    /// Products that pass never appear.
    Exclude(Filter),
    /// Products that pass come earlier.
    Boost(Scale),
    /// Products that pass come later.
    Bury(Scale),
    /// These products come first, or at a place.
    Pin(Pin),
    /// At most so many.
    Cap(Cap),
    /// One product in another's place.
    Replace(Replace),
}

impl Consequence {
    /// The word in a document.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Include(_) => "include",
            Self::Exclude(_) => "exclude",
            Self::Boost(_) => "boost",
            Self::Bury(_) => "bury",
            Self::Pin(_) => "pin",
            Self::Cap(_) => "cap",
            Self::Replace(_) => "replace",
        }
    }

    /// The products that it names by id, with their places below it.
    pub fn products(&self) -> Vec<(String, &str)> {
        match self {
            Self::Pin(pin) => {
                let named = pin.products.iter().enumerate();
                named.map(|(at, id)| (format!("pin.products[{at}]"), id.as_str())).collect()
            }
            Self::Replace(replace) => vec![
                ("replace.product".to_owned(), replace.product.as_str()),
                ("replace.with".to_owned(), replace.with.as_str()),
            ],
            _ => Vec::new(),
        }
    }

    /// The filter of the products that it is about, with its place below it.
    pub fn filter(&self) -> Option<(&'static str, &Filter)> {
        match self {
            Self::Include(filter) => Some(("include", filter)),
            Self::Exclude(filter) => Some(("exclude", filter)),
            Self::Boost(scale) => Some(("boost.filter", &scale.filter)),
            Self::Bury(scale) => Some(("bury.filter", &scale.filter)),
            Self::Cap(cap) => Some(("cap.filter", &cap.filter)),
            Self::Pin(_) | Self::Replace(_) => None,
        }
    }
}

/// Products whose score is multiplied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Which products.
    pub filter: Filter,
    /// How much: above 1 and at most 2 of a boost, from 0.5 to below 1 of a burial. All together stay between 0.5 and 2.
    pub factor: f64,
}

/// Products that come first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The products in their order, at most 100. One that is sold out, excluded, in the cart or on the page is left out.
    pub products: Vec<String>,
    /// Place of the first, from 1; the next follow. The first free places when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
}

/// A limit of what one list shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// How many products, 0 or more.
    pub at_most: usize,
    /// For each value of this field apart (`brand`, `product_type`, an attribute); of all together when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
    /// Which products count; all when left out.
    #[serde(default, skip_serializing_if = "Filter::is_empty")]
    pub filter: Filter,
}

/// One product in another's place, as long as it may appear itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// What would appear.
    pub product: String,
    /// What appears in its place.
    pub with: String,
}

/// A moment as a rule gives it.
///
/// Returns an error in words if it is none.
pub(super) fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let wrong = || format!("`{text}` is no moment; write `2026-11-27`, `2026-11-27T08:00` or `2026-11-27T08:00:00Z`");
    if text.contains('[') {
        let zoned = text.parse::<jiff::Zoned>().map_err(|error| format!("{}: {error}", wrong()))?;
        return Ok(zoned.timestamp());
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let civil = text
        .parse::<DateTime>()
        .or_else(|_| text.parse::<Date>().map(|date| date.to_datetime(jiff::civil::Time::midnight())));
    // An hour that the clock skips counts as the one after it, one that it repeats as the first.
    zone.to_timestamp(civil.map_err(|_| wrong())?).map_err(|_| wrong())
}

impl Rule {
    /// A rule of the shop's essentials that always counts.
    pub(super) fn of_shop(id: &str, note: &str, then: Consequence) -> Self {
        Self {
            id: format!("{SHOP_PREFIX}{id}"),
            note: note.to_owned(),
            owner: String::new(),
            on: true,
            priority: i32::MAX,
            when: Filter::default(),
            from: None,
            until: None,
            weekdays: Vec::new(),
            then,
        }
    }

    /// Returns an error at the first place of the rule, which stands `at`, that has no sense in it.
    pub(super) fn check(&self, at: &str, zone: &TimeZone) -> Result<(), FilterError> {
        let wrong = |place: &str, message: String| Err(FilterError::new(format!("{at}.{place}"), message));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
        if self.id.is_empty() || self.id.len() > MAX_ID_CHARS || !self.id.chars().all(is_plain) {
            return wrong("id", format!("an id has 1 to {MAX_ID_CHARS} letters, digits, `-`, `_` or `.`"));
        }
        if self.id.starts_with(SHOP_PREFIX) {
            return wrong("id", format!("ids that begin with `{SHOP_PREFIX}` are those of the essentials"));
        }
        for (name, text) in [("note", &self.note), ("owner", &self.owner)] {
            if text.chars().count() > MAX_NOTE_CHARS {
                return wrong(name, format!("at most {MAX_NOTE_CHARS} characters are allowed"));
            }
            if text.chars().any(|c| c.is_control() && c != '\n') {
                return wrong(name, "control characters other than line breaks are not allowed".to_owned());
            }
        }
        self.when.check_sense(&format!("{at}.when"))?;
        check_weekdays(&self.weekdays, &format!("{at}.weekdays"))?;
        let mut bounds = [None, None];
        for ((name, text), bound) in [("from", &self.from), ("until", &self.until)].into_iter().zip(&mut bounds) {
            let read = text.as_deref().map(|text| moment(text, zone)).transpose();
            *bound = read.map_err(|message| FilterError::new(format!("{at}.{name}"), message))?;
        }
        if let [Some(from), Some(until)] = bounds
            && until <= from
        {
            return wrong("until", "it is not after `from`: the rule would never count".to_owned());
        }
        self.then.check(&format!("{at}.then"))
    }
}

impl Consequence {
    fn check(&self, at: &str) -> Result<(), FilterError> {
        let wrong = |place: &str, message: String| Err(FilterError::new(format!("{at}.{place}"), message));
        if let Some((place, filter)) = self.filter() {
            filter.check_sense(&format!("{at}.{place}"))?;
            if filter.is_empty() && !matches!(self, Self::Cap(_)) {
                return wrong(place, "the filter has no conditions: it would be about every product".to_owned());
            }
        }
        if let Some((place, _)) = self.products().into_iter().find(|(_, id)| id.chars().any(char::is_control)) {
            return wrong(&place, "no product's id has control characters".to_owned());
        }
        match self {
            Self::Boost(scale) if !(scale.factor > 1.0 && scale.factor <= MAX_FACTOR) => {
                wrong("boost.factor", format!("{} is not above 1 and at most {MAX_FACTOR}", scale.factor))
            }
            Self::Bury(scale) if !(scale.factor >= 1.0 / MAX_FACTOR && scale.factor < 1.0) => {
                wrong("bury.factor", format!("{} is not from {} to below 1", scale.factor, 1.0 / MAX_FACTOR))
            }
            Self::Pin(pin) if pin.products.is_empty() || pin.products.len() > MAX_PINS => {
                wrong("pin.products", format!("give 1 to {MAX_PINS} products"))
            }
            Self::Pin(pin) if pin.position.is_some_and(|place| !(1..=MAX_PINS).contains(&place)) => {
                wrong("pin.position", format!("places are 1 to {MAX_PINS}"))
            }
            Self::Replace(replace) if replace.product == replace.with => {
                wrong("replace.with", format!("`{}` would be replaced with itself", replace.product))
            }
            Self::Cap(cap) if cap.per.as_deref() == Some("") => wrong("cap.per", "the name of a field is empty".into()),
            Self::Cap(cap) if cap.per.as_deref() == Some("price") => {
                wrong("cap.per", "nearly every product has a price of its own; give `filter` a range of prices".into())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_with_a_named_zone_is_read_in_it_and_one_that_contradicts_it_is_refused() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, expected) in [
            // New York is 5 hours behind in November, Berlin 1 hour ahead.
            ("2026-11-27T08:00[America/New_York]", "2026-11-27T13:00:00Z"),
            ("2026-11-27T08:00-05:00[America/New_York]", "2026-11-27T13:00:00Z"),
            ("2026-11-27T08:00", "2026-11-27T07:00:00Z"),
            ("2026-11-27", "2026-11-26T23:00:00Z"),
            ("2026-11-27T08:00-05:00", "2026-11-27T13:00:00Z"),
        ] {
            assert_eq!(moment(text, &berlin).unwrap(), expected.parse().unwrap(), "{text}");
        }
        for text in ["2026-11-27T08:00+09:00[America/New_York]", "2026-11-27T08:00[Mars/Olympus]", "2026-11-27T08:00[]"]
        {
            assert!(moment(text, &berlin).unwrap_err().contains("is no moment"), "{text}");
        }
    }
}
