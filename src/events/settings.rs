//! Settings of events.

use serde::{Deserialize, Serialize};

use super::kind::EventKind;

/// What of events is kept, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventsConfig {
    /// Keep only events that say `consent: true`; those that say nothing of consent are then not written.
    pub require_consent: bool,
    /// A session without an id ends after this many minutes without an event.
    pub session_idle_minutes: u32,
    /// Ids of visitors, users and sessions whose live session is held in memory; those that did nothing for longest go first.
    pub live_sessions: usize,
    /// Nothing is forgotten by its age while the clock is more than this many days past the last time that it was right.
    pub max_clock_jump_days: u32,
    /// For how many days events are kept; 0 is for ever.
    pub retention_days: RetentionDays,
}

/// Days by event kind; 0 is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each is the number of days for the event kind of its name")]
pub struct RetentionDays {
    pub view_item: u32,
    pub view_item_list: u32,
    pub select_item: u32,
    pub add_to_cart: u32,
    pub remove_from_cart: u32,
    pub add_to_wishlist: u32,
    pub begin_checkout: u32,
    pub purchase: u32,
    pub refund: u32,
    pub search: u32,
}

/// Milliseconds of a day.
pub(super) const DAY_MS: i64 = 24 * 3600 * 1000;

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            require_consent: false,
            session_idle_minutes: 30,
            live_sessions: 100_000,
            max_clock_jump_days: 30,
            retention_days: RetentionDays::default(),
        }
    }
}

impl Default for RetentionDays {
    fn default() -> Self {
        Self {
            view_item: 400,
            view_item_list: 90,
            select_item: 400,
            add_to_cart: 400,
            remove_from_cart: 400,
            add_to_wishlist: 400,
            begin_checkout: 400,
            purchase: 0,
            refund: 0,
            search: 90,
        }
    }
}

impl EventsConfig {
    /// Milliseconds without an event after which a session ends.
    pub fn session_idle_ms(&self) -> i64 {
        i64::from(self.session_idle_minutes) * 60_000
    }

    /// The time before which events of `kind` are not kept, in milliseconds since 1970; `None` when they are kept for ever.
    pub fn oldest_ms(&self, kind: EventKind, now_ms: i64) -> Option<i64> {
        let days = self.retention_days.of(kind);
        (days > 0).then(|| now_ms.saturating_sub(i64::from(days) * DAY_MS))
    }
}

impl RetentionDays {
    /// Days for `kind`; 0 is for ever.
    pub fn of(&self, kind: EventKind) -> u32 {
        match kind {
            EventKind::ViewItem => self.view_item,
            EventKind::ViewItemList => self.view_item_list,
            EventKind::SelectItem => self.select_item,
            EventKind::AddToCart => self.add_to_cart,
            EventKind::RemoveFromCart => self.remove_from_cart,
            EventKind::AddToWishlist => self.add_to_wishlist,
            EventKind::BeginCheckout => self.begin_checkout,
            EventKind::Purchase => self.purchase,
            EventKind::Refund => self.refund,
            EventKind::Search => self.search,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_the_days_of_its_own_name() {
        for (place, kind) in EventKind::ALL.into_iter().enumerate() {
            let text = format!("{} = {}", kind.word(), 1000 + place);
            let days: RetentionDays = toml::from_str(&text).unwrap();
            assert_eq!(days.of(kind) as usize, 1000 + place);
        }
        let config = EventsConfig::default();
        assert_eq!(config.oldest_ms(EventKind::Purchase, 5), None);
        assert_eq!(config.oldest_ms(EventKind::Search, 90 * 86_400_000), Some(0));
    }
}
