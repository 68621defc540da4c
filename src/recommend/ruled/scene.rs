//! What rules may know of one question: its labels, the time, the products asked about, the cart, and what the shopper has seen and bought.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::facts::Facts;
use crate::catalog::Money;
use crate::events::EventKind;
use crate::index::fold;
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::query::{Mark, Query};
use crate::rules::{Label, WEEKDAYS};

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3600 * 1000;

/// One question as rules see it.
pub(super) struct Scene<'a> {
    pub view: &'a View,
    pub facts: &'a Facts,
    pub now: Timestamp,
    /// Minute of the day and day of the week (Monday 0) in the shop's time zone.
    pub minute: i32,
    pub weekday: usize,
    /// The products asked about.
    pub page: &'a [RowId],
    pub page_price: Option<Money>,
    /// Rows of the cart.
    pub cart: Vec<RowId>,
    cart_families: HashSet<u32>,
    labels: [Vec<String>; Label::ALL.len()],
    marks: &'a [Mark],
}

impl<'a> Scene<'a> {
    /// The scene of `query` at `now`; `page` is what is asked about, `cart` what is in the cart.
    pub(super) fn of(
        view: &'a View,
        facts: &'a Facts,
        query: &'a Query,
        page: &'a [RowId],
        cart: &[RowId],
        (now, zone): (Timestamp, &TimeZone),
    ) -> Self {
        let local = now.to_zoned(zone.clone());
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        let weekday = local.weekday().to_monday_zero_offset() as usize;
        let known = query.cart.iter().filter_map(|id| view.row(id));
        let cart: Vec<RowId> = cart.iter().copied().chain(known).collect();
        let cart_families = cart.iter().filter_map(|&row| view.family(row)).collect();
        let page_price = page.iter().find_map(|&row| view.price(row));
        let marks = &query.shopper.marks;
        let labels = labels(query, weekday);
        Self { view, facts, now, minute, weekday, page, page_price, cart, cart_families, labels, marks }
    }

    /// The folded values of a label.
    pub(super) fn label(&self, label: Label) -> &[String] {
        &self.labels[label as usize]
    }

    /// Whether the row, or another of its family, is in the cart.
    pub(super) fn is_in_cart(&self, row: RowId) -> bool {
        self.view.family(row).is_some_and(|family| self.cart_families.contains(&family))
    }

    /// The families that the shopper has bought something of in the last `days`.
    pub(super) fn families_bought(&self, days: u32) -> HashSet<u32> {
        let bought = self.marks_since(days).filter(|mark| mark.kind == EventKind::Purchase);
        bought.filter_map(|mark| self.view.family(self.view.row(&mark.product)?)).collect()
    }

    /// How often each row was shown to the shopper in the last `days`, since it was last clicked.
    pub(super) fn shown_in_vain(&self, days: u32) -> HashMap<u32, u32> {
        let mut shown = HashMap::new();
        for mark in self.marks_since(days) {
            let Some(row) = self.view.row(&mark.product) else { continue };
            if mark.kind == EventKind::ViewItemList {
                *shown.entry(row.0).or_insert(0) += 1;
            } else {
                shown.remove(&row.0);
            }
        }
        shown
    }

    fn marks_since(&self, days: u32) -> impl Iterator<Item = &Mark> {
        let now_ms = self.now.as_millisecond();
        let since_ms = now_ms.saturating_sub(i64::from(days) * DAY_MS);
        self.marks.iter().filter(move |mark| (since_ms..=now_ms).contains(&mark.time_ms))
    }
}

fn labels(query: &Query, weekday: usize) -> [Vec<String>; Label::ALL.len()] {
    let shopper = &query.shopper;
    let one = |text: &Option<String>| text.iter().map(|text| fold(text)).collect::<Vec<_>>();
    Label::ALL.map(|label| match label {
        Label::Placement => one(&query.placement),
        Label::Intent => query.intents().map(|intent| intent.word().to_owned()).collect(),
        Label::Segment => shopper.segments.iter().map(|segment| fold(segment)).collect(),
        Label::Device => one(&shopper.device),
        Label::Channel => one(&shopper.channel),
        Label::LoyaltyTier => one(&shopper.loyalty_tier),
        Label::Visitor => one(&shopper.visitor),
        Label::Region => one(&shopper.region),
        Label::Weekday => WEEKDAYS.get(weekday).map(|day| (*day).to_owned()).into_iter().collect(),
        Label::Time => Vec::new(),
    })
}
