//! What every shop needs, as settings: most of them are rules that need not be written.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::filter::{Bound, Condition, Filter, FilterError, Range};
use super::rule::{Cap, Consequence, MAX_FACTOR, Rule, Scale};
use super::test::Label;

/// Most days that a shopper's history is looked back.
pub const MAX_DAYS: u32 = 365;
/// Most days that what a shopper was shown is looked back: as long as it is held.
const MAX_SHOWN_DAYS: u32 = 30;
/// Most impressions that are counted: as many as are held of a shopper.
const MAX_IMPRESSIONS: u32 = 200;

/// A shop's essentials. Left out, each is off, but for one product a family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Essentials {
    /// What is out of stock never appears, whatever a request's filter says.
    pub in_stock_only: bool,
    /// Products whose margin is known and below this share of the price never appear; below 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin_floor: Option<f64>,
    /// Products with `adult` appear only beside one of their kind.
    pub adult: bool,
    /// Products never stand beside one of another `age_group`.
    pub age_group: bool,
    /// Products with a `region` appear only where the question's `region` is one of theirs.
    pub region: bool,
    /// Further products that never stand beside others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub never_with: Vec<NeverWith>,
    /// One product a family.
    pub one_per_family: bool,
    /// Most products of one brand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_per_brand: Option<usize>,
    /// What the shopper has bought in so many days is left out, 1 to 365.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repurchase_days: Option<u32>,
    /// What is to be cleared comes earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clearance: Option<Scale>,
    /// What the shopper was shown so often without a click is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_cap: Option<FrequencyCap>,
    /// What the shopper was shown without a click comes later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fatigue: Option<Fatigue>,
}

impl Default for Essentials {
    fn default() -> Self {
        Self {
            in_stock_only: false,
            margin_floor: None,
            adult: false,
            age_group: false,
            region: false,
            never_with: Vec::new(),
            one_per_family: true,
            max_per_brand: None,
            repurchase_days: None,
            clearance: None,
            frequency_cap: None,
            fatigue: None,
        }
    }
}

/// Products that never stand beside others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NeverWith {
    /// Where a product asked about, or one in the cart, passes this,
    pub page: Filter,
    /// products that pass this are left out.
    pub hide: Filter,
}

/// A limit of how often a product is shown in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FrequencyCap {
    /// How often, 1 to 200; a click begins anew.
    pub impressions: u32,
    /// Within how many days, 1 to 30.
    pub days: u32,
}

/// What showing in vain costs: the score is multiplied by e^(-strength × times).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Fatigue {
    /// 0 to 5.
    pub strength: f64,
    /// Within how many days, 1 to 30.
    pub days: u32,
}

fn must(conditions: Vec<Condition>) -> Filter {
    Filter { must: conditions, ..Filter::default() }
}

fn exists(key: &str) -> Condition {
    Condition { key: Some(key.to_owned()), exists: Some(true), ..Condition::default() }
}

fn on_page(filter: Filter) -> Condition {
    Condition { page: Some(Box::new(filter)), ..Condition::default() }
}

fn in_cart(filter: Filter) -> Condition {
    Condition { cart: Some(Box::new(filter)), ..Condition::default() }
}

/// Returns an error if the filter has no conditions, or some that nothing passes together.
fn check_filter(filter: &Filter, at: &str) -> Result<(), FilterError> {
    filter.check_sense(at)?;
    let no_conditions = "the filter has no conditions: it would be about every product";
    if filter.is_empty() { Err(FilterError::new(at, no_conditions)) } else { Ok(()) }
}

/// Words that say yes.
const YES: [&str; 3] = ["true", "yes", "1"];

impl Essentials {
    /// Returns an error at the first setting that has no sense in it.
    pub(super) fn check(&self) -> Result<(), FilterError> {
        let wrong = |place: &str, message: String| Err(FilterError::new(format!("shop.{place}"), message));
        let is_days = |days: u32| (1..=MAX_DAYS).contains(&days);
        let is_kept = |days: u32| (1..=MAX_SHOWN_DAYS).contains(&days);
        let [days, kept] = [MAX_DAYS, MAX_SHOWN_DAYS].map(|most| format!("give days from 1 to {most}"));
        if self.margin_floor.is_some_and(|floor| !(-1.0..1.0).contains(&floor)) {
            return wrong("margin_floor", "give a share of the price below 1, such as 0.1".to_owned());
        }
        if self.repurchase_days.is_some_and(|count| !is_days(count)) {
            return wrong("repurchase_days", days);
        }
        match self.frequency_cap {
            Some(cap) if !is_kept(cap.days) => return wrong("frequency_cap.days", kept),
            Some(cap) if !(1..=MAX_IMPRESSIONS).contains(&cap.impressions) => {
                return wrong("frequency_cap.impressions", format!("give a number from 1 to {MAX_IMPRESSIONS}"));
            }
            _ => {}
        }
        match self.fatigue {
            Some(fatigue) if !is_kept(fatigue.days) => return wrong("fatigue.days", kept),
            Some(fatigue) if !(0.0..=5.0).contains(&fatigue.strength) => {
                return wrong("fatigue.strength", "give a number from 0 to 5".to_owned());
            }
            _ => {}
        }
        if let Some(clearance) = &self.clearance {
            check_filter(&clearance.filter, "shop.clearance.filter")?;
            if !(clearance.factor > 1.0 && clearance.factor <= MAX_FACTOR) {
                return wrong(
                    "clearance.factor",
                    format!("{} is not above 1 and at most {MAX_FACTOR}", clearance.factor),
                );
            }
        }
        for (at, never) in self.never_with.iter().enumerate() {
            check_filter(&never.page, &format!("shop.never_with[{at}].page"))?;
            check_filter(&never.hide, &format!("shop.never_with[{at}].hide"))?;
        }
        Ok(())
    }

    /// Whether what no rule can say is as it is without rules.
    pub(super) fn is_plain(&self) -> bool {
        self.one_per_family && self.repurchase_days.is_none() && self.frequency_cap.is_none() && self.fatigue.is_none()
    }

    /// The settings that are rules, as rules.
    pub fn rules(&self) -> Vec<Rule> {
        let mut rules = Vec::new();
        let mut hide = |id: &str, note: &str, when: Filter, filter: Filter| {
            rules.push(Rule { when, ..Rule::of_shop(id, note, Consequence::Exclude(filter)) });
        };
        if self.in_stock_only {
            let sold_out = must(vec![Condition::matching("availability", &["out_of_stock"])]);
            hide("in_stock_only", "sold out", Filter::default(), sold_out);
        }
        if let Some(floor) = self.margin_floor {
            let floor = serde_json::Number::from_f64(floor).map(Bound::Amount);
            let below = Condition { margin: Some(Range { lt: floor, ..Range::default() }), ..Condition::default() };
            hide("margin_floor", "margin too small", Filter::default(), must(vec![below]));
        }
        if self.adult {
            let adult = must(vec![Condition::matching("adult", &YES)]);
            let elsewhere = Filter { must_not: vec![on_page(adult.clone())], ..Filter::default() };
            hide("adult", "for adults", elsewhere, adult);
        }
        if self.age_group {
            let other = Condition { different: Some("age_group".to_owned()), ..Condition::default() };
            let known = must(vec![on_page(must(vec![exists("age_group")]))]);
            hide("age_group", "for another age", known, must(vec![exists("age_group"), other]));
        }
        if self.region {
            let label = Some(Label::Region.word().to_owned());
            let here = Condition { key: Some("region".to_owned()), match_context: label, ..Condition::default() };
            let elsewhere = Filter { must: vec![exists("region")], must_not: vec![here], ..Filter::default() };
            hide("region", "not for this region", Filter::default(), elsewhere);
        }
        for (at, never) in self.never_with.iter().enumerate() {
            let beside =
                Filter { should: vec![on_page(never.page.clone()), in_cart(never.page.clone())], ..Filter::default() };
            hide(&format!("never_with.{at}"), "never beside this", beside, never.hide.clone());
        }
        if let Some(scale) = &self.clearance {
            rules.push(Rule::of_shop("clearance", "to be cleared", Consequence::Boost(scale.clone())));
        }
        if let Some(at_most) = self.max_per_brand {
            let cap = Cap { at_most, per: Some("brand".to_owned()), filter: Filter::default() };
            rules.push(Rule::of_shop("max_per_brand", "enough of this brand", Consequence::Cap(cap)));
        }
        rules
    }
}
