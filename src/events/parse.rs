//! JSON to events: GA4 as a dataLayer or the Measurement Protocol writes it, Google Retail's user events, Personalize's interactions.
//!
//! Fields that no one here knows are left alone, since storefronts send many. Each event is read by itself: a bad one is a reject.

use serde_json::Value;

use super::event::{Event, MAX_ITEMS};
use super::fields::{Fields, Object, missing};
use super::kind::EventKind;
use super::names::{Named, named};
use super::reject::{EventFault, EventReject, EventRejectCode};
use super::settings::EventsConfig;
use super::time;
use crate::catalog::RecordForm;

/// Lists of events below what they share.
const EVENTS: &[&str] = &["events", "eventList"];

/// What became of one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// It is to be kept.
    Kept(Box<Event>),
    /// The shopper did not agree to it.
    WithoutConsent,
    /// Nothing is learned from events of its name.
    Unused,
}

/// What a text of events holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadEvents {
    /// Those to be kept, in their order.
    pub events: Vec<Event>,
    /// How many the shopper did not agree to.
    pub without_consent: u64,
    /// How many have a name of which nothing is learned, such as `page_view`.
    pub ignored: u64,
    /// Those that cannot be used.
    pub rejected: Vec<EventReject>,
}

impl ReadEvents {
    /// Sorts in what was read of the event at `index`.
    pub fn push(&mut self, index: u64, reading: Result<Reading, EventFault>) {
        match reading {
            Ok(Reading::Kept(event)) => self.events.push(*event),
            Ok(Reading::WithoutConsent) => self.without_consent += 1,
            Ok(Reading::Unused) => self.ignored += 1,
            Err(fault) => self.rejected.push(EventReject::new(index, fault)),
        }
    }
}

/// Reads events with the settings of a shop, at one moment.
///
/// ```
/// use kindred::catalog::RecordForm;
/// use kindred::events::{EventKind, EventReader, EventsConfig};
///
/// let config = EventsConfig::default();
/// let reader = EventReader::new(&config, 1_800_000_000_000);
/// let told = r#"{"event": "add_to_cart", "visitor_id": "v1", "ecommerce": {"items": [{"item_id": "SKU-1", "quantity": 2}]}}"#;
/// let read = reader.read(told, RecordForm::Json).unwrap();
/// assert_eq!((read.events[0].kind, read.events[0].items[0].quantity), (EventKind::AddToCart, 2));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct EventReader<'a> {
    config: &'a EventsConfig,
    now_ms: i64,
}

impl<'a> EventReader<'a> {
    /// Reads as of `now_ms`, in milliseconds since 1970.
    pub fn new(config: &'a EventsConfig, now_ms: i64) -> Self {
        Self { config, now_ms }
    }

    /// The events of `text`, which is UTF-8: one, a list, or one a line.
    ///
    /// Returns an error in words if the text as a whole is no JSON; lines are read each by itself.
    pub fn read(&self, text: impl AsRef<[u8]>, form: RecordForm) -> Result<ReadEvents, String> {
        let bytes = text.as_ref();
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let mut read = ReadEvents::default();
        let mut index = 0;
        if form == RecordForm::JsonLines {
            for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
                match std::str::from_utf8(line) {
                    Ok(line) => self.read_line(line, &mut index, &mut read),
                    Err(error) => reject_line(&not_text(error), &mut index, &mut read),
                }
            }
            return Ok(read);
        }
        let text = std::str::from_utf8(bytes).map_err(not_text)?;
        match serde_json::from_str(text).map_err(|error| error.to_string())? {
            Value::Array(values) => values.iter().for_each(|value| self.read_value(value, &mut index, &mut read)),
            value => self.read_value(&value, &mut index, &mut read),
        }
        Ok(read)
    }

    /// Reads the events of one line into `read`; `index` is the place of the first, and moves on.
    pub fn read_line(&self, line: &str, index: &mut u64, read: &mut ReadEvents) {
        match serde_json::from_str(line) {
            Ok(value) => self.read_value(&value, index, read),
            Err(error) => reject_line(&format!("it is no JSON: {error}"), index, read),
        }
    }

    /// Reads one event, or those that share its ids (`{"client_id", "events": [...]}`).
    fn read_value(&self, value: &Value, index: &mut u64, read: &mut ReadEvents) {
        let none = Object::new();
        let shared = value.as_object();
        let listed = shared.and_then(|object| EVENTS.iter().find_map(|name| object.get(*name)?.as_array()));
        let (shared, values) = match listed {
            Some(values) => (shared.unwrap_or(&none), values.as_slice()),
            None => (&none, std::slice::from_ref(value)),
        };
        for value in values {
            read.push(*index, self.read_event(value, shared));
            *index += 1;
        }
    }

    fn read_event(&self, value: &Value, shared: &Object) -> Result<Reading, EventFault> {
        let Some(own) = value.as_object() else {
            return Err(EventFault::new("event", EventRejectCode::BadJson, "it is no JSON object"));
        };
        let fields = Fields::of(own, shared);
        let name = match fields.name()? {
            Some(name) => name,
            None if is_reset(own) => return Ok(Reading::Unused),
            None => return Err(missing("event", "name what was done, such as view_item")),
        };
        let kind = match named(&name) {
            Some(Named::Kind(kind)) => kind,
            Some(Named::Unused) => return Ok(Reading::Unused),
            None => {
                let message =
                    format!("`{name}` is no event that is known; send GA4's names, such as view_item or purchase");
                return Err(EventFault::new("event", EventRejectCode::UnknownEvent, message));
            }
        };
        let event = fields.event(kind, self.now_ms)?;
        if kind == EventKind::ViewItemList && event.items.is_empty() {
            return Ok(Reading::Unused);
        }
        self.settle(event)
    }

    /// Holds an event against the clock, the settings, and what its kind needs.
    ///
    /// Returns the fault if it cannot be kept.
    pub fn settle(&self, mut event: Event) -> Result<Reading, EventFault> {
        let is_allowed = event.consent.unwrap_or(!self.config.require_consent);
        if !is_allowed {
            return Ok(Reading::WithoutConsent);
        }
        check_contents(&event)?;
        let settled = time::settled(event.told_ms, self.now_ms);
        event.time_ms = settled.map_err(|message| EventFault::new("timestamp", EventRejectCode::BadTime, message))?;
        if self.config.oldest_ms(event.kind, self.now_ms).is_some_and(|oldest| event.time_ms < oldest) {
            let word = event.kind.word();
            let days = self.config.retention_days.of(event.kind);
            let message =
                format!("{word} events are kept for {days} days (events.retention_days.{word}), and this one is older");
            return Err(EventFault::new("timestamp", EventRejectCode::Expired, message));
        }
        Ok(Reading::Kept(Box::new(event)))
    }
}

/// Whether it is what storefronts push before an event, so that nothing of the last one is left: `{"ecommerce": null}`.
fn is_reset(own: &Object) -> bool {
    own.get("ecommerce").is_some_and(Value::is_null)
}

fn not_text(error: std::str::Utf8Error) -> String {
    format!("it is not UTF-8 at byte {}", error.valid_up_to())
}

fn reject_line(message: &str, index: &mut u64, read: &mut ReadEvents) {
    read.push(*index, Err(EventFault::new("event", EventRejectCode::BadJson, message)));
    *index += 1;
}

fn check_contents(event: &Event) -> Result<(), EventFault> {
    if event.items.len() > MAX_ITEMS {
        let message = format!("{} products in one event, at most {MAX_ITEMS} are read", event.items.len());
        return Err(EventFault::new("items", EventRejectCode::TooManyItems, message));
    }
    match event.kind {
        EventKind::Search if event.query.is_none() => {
            Err(missing("search_term", "give the text that was searched for"))
        }
        EventKind::Search => Ok(()),
        // A refund of a whole order names the order alone.
        EventKind::Refund if event.order.is_some() => Ok(()),
        _ if event.items.is_empty() => Err(missing("items", "name at least one product")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::events::Ids;

    const NOW: i64 = 1_800_000_000_000;

    fn read(value: Value) -> ReadEvents {
        EventReader::new(&EventsConfig::default(), NOW).read(value.to_string(), RecordForm::Json).unwrap()
    }

    fn one(value: Value) -> Event {
        let read = read(value.clone());
        assert!(read.rejected.is_empty(), "{value}: {:?}", read.rejected);
        read.events.into_iter().next().unwrap_or_else(|| panic!("{value} is not kept"))
    }

    fn ids(event: &Event) -> [Option<&str>; 4] {
        let Ids { event, visitor, user, session } = &event.ids;
        [event.as_deref(), visitor.as_deref(), user.as_deref(), session.as_deref()]
    }

    fn items(event: &Event) -> Vec<(&str, u32, Option<u64>)> {
        event.items.iter().map(|item| (item.product.as_str(), item.quantity, item.price)).collect()
    }

    #[test]
    fn an_order_as_the_data_layer_emits_it_is_read_whole() {
        let event = one(json!({
            "event": "purchase", "event_id": "e1", "visitor_id": "v", "user_id": 7, "session_id": "s", "timestamp": NOW - 1000,
            "consent": true, "device": "mobile", "recommendation_id": "01J", "gtm.uniqueEventId": 5,
            "ecommerce": {"transaction_id": "T1", "currency": "eur", "value": 99.99, "tax": 1, "items": [
                {"item_id": "SKU/1", "item_name": "x", "price": 2.55, "quantity": 3, "item_list_id": "pdp"},
                {"item_id": 12, "price": "0.1"}]},
        }));
        assert_eq!((event.kind, event.time_ms), (EventKind::Purchase, NOW - 1000));
        assert_eq!(ids(&event), [Some("e1"), Some("v"), Some("7"), Some("s")]);
        assert_eq!(items(&event), [("SKU/1", 3, Some(25_500)), ("12", 1, Some(1_000))]);
        let words = [&event.order, &event.placement, &event.recommendation, &event.device];
        assert_eq!(words.map(Option::as_deref), [Some("T1"), Some("pdp"), Some("01J"), Some("mobile")]);
        assert_eq!(event.currency.unwrap().code(), "EUR");
    }

    #[test]
    fn the_other_systems_words_say_the_same() {
        let retail = one(json!({
            "eventType": "purchase-complete", "visitorId": "v", "eventTime": "2027-01-15T07:59:00Z", "attributionToken": "t",
            "userInfo": {"userId": "u"}, "purchaseTransaction": {"id": "T", "currencyCode": "USD", "revenue": 5},
            "productDetails": [{"product": {"id": "p1", "priceInfo": {"price": 4}}, "quantity": 2}],
        }));
        assert_eq!((ids(&retail), items(&retail)), ([None, Some("v"), Some("u"), None], vec![("p1", 2, Some(40_000))]));
        assert_eq!((retail.order.as_deref(), retail.recommendation.as_deref()), (Some("T"), Some("t")));
        let personalize = one(json!({
            "USER_ID": "u", "ITEM_ID": "p", "TIMESTAMP": 1_799_999_999, "EVENT_TYPE": "Purchase", "EVENT_VALUE": 9.5,
        }));
        assert_eq!(
            (personalize.time_ms, ids(&personalize)[2], items(&personalize)),
            (1_799_999_999_000, Some("u"), vec![("p", 1, Some(95_000))])
        );
        let protocol = read(json!({
            "client_id": "v", "timestamp_micros": 1_799_999_999_000_000_i64,
            "events": [{"name": "view_item", "params": {"items": [{"item_id": "a"}]}}, {"name": "page_view"}, {"name": "nonsense"},
                {"name": "search", "params": {"search_term": "mug"}}],
        }));
        assert_eq!((protocol.events.len(), protocol.ignored), (2, 1));
        assert_eq!((protocol.rejected[0].index, protocol.rejected[0].code), (2, EventRejectCode::UnknownEvent));
        assert!(protocol.events.iter().all(|event| ids(event)[1] == Some("v") && event.time_ms == 1_799_999_999_000));
        assert_eq!(protocol.events[1].query.as_deref(), Some("mug"));
    }

    #[test]
    fn bad_events_are_named_by_field_and_code_and_stop_no_other() {
        let with = |name: &str, value: Value| {
            let mut event = json!({"event": "view_item", "items": [{"item_id": "a", "quantity": 1, "price": 1}]});
            match name.strip_prefix("items[0].") {
                Some(name) => event["items"][0][name] = value,
                None => event[name] = value,
            }
            event
        };
        let long = "x".repeat(600);
        let cases = [
            (json!(5), "event", "bad_json"),
            (json!({"items": []}), "event", "missing_field"),
            (with("event", json!("sneeze")), "event", "unknown_event"),
            (with("event", json!([1])), "event", "wrong_type"),
            (with("items", json!([])), "items", "missing_field"),
            (with("items", json!("a")), "items", "wrong_type"),
            (with("items", json!(["a"])), "items[0]", "wrong_type"),
            (with("items", json!(vec![json!({"item_id": "a"}); 100_000])), "items", "too_many_items"),
            (with("items[0].item_id", json!(null)), "items[0].item_id", "missing_field"),
            (with("items[0].item_id", json!("a\n")), "items[0].item_id", "bad_id"),
            (with("items[0].item_id", json!(long)), "items[0].item_id", "bad_id"),
            (with("items[0].quantity", json!(-1)), "items[0].quantity", "out_of_range"),
            (with("items[0].quantity", json!(0)), "items[0].quantity", "out_of_range"),
            (with("items[0].quantity", json!(1e12)), "items[0].quantity", "out_of_range"),
            (with("items[0].quantity", json!({})), "items[0].quantity", "wrong_type"),
            (with("items[0].price", json!(-0.01)), "items[0].price", "out_of_range"),
            (with("items[0].price", json!(1e10)), "items[0].price", "out_of_range"),
            (with("items[0].price", json!("free")), "items[0].price", "wrong_type"),
            (with("currency", json!("EURO")), "currency", "bad_currency"),
            (with("visitor_id", json!(long)), "visitor_id", "too_long"),
            (with("visitor_id", json!("a\u{0}")), "visitor_id", "bad_id"),
            (with("session_id", json!({"a": 1})), "session_id", "wrong_type"),
            (with("consent", json!(5)), "consent", "wrong_type"),
            (with("timestamp", json!("soon")), "timestamp", "bad_time"),
            (with("timestamp", json!(1e300)), "timestamp", "bad_time"),
            (with("timestamp", json!(-5)), "timestamp", "bad_time"),
            (with("timestamp", json!(NOW + 2 * 86_400_000)), "timestamp", "bad_time"),
            (with("timestamp", json!(NOW - 500 * 86_400_000)), "timestamp", "expired"),
            (json!({"event": "search"}), "search_term", "missing_field"),
            (json!({"event": "search", "search_term": long}), "search_term", "too_long"),
            (json!({"event": "refund"}), "items", "missing_field"),
        ];
        for (event, field, code) in &cases {
            let good = with("visitor_id", json!("v"));
            let read = read(json!([good, event, good]));
            let found: Vec<_> =
                read.rejected.iter().map(|bad| (bad.index, bad.field.as_str(), bad.code.to_string())).collect();
            assert_eq!((read.events.len(), found), (2, vec![(1, *field, (*code).to_owned())]), "{code}");
        }
    }

    #[test]
    fn what_a_data_layer_pushes_beside_the_shoppers_events_is_ignored_and_counted() {
        let read = read(json!([
            {"ecommerce": null}, {"ecommerce": null, "gtm.uniqueEventId": 7}, {"event": "gtm.elementVisibility"},
            {"event": "view_item", "ecommerce": {"items": [{"item_id": "a"}]}}, {"ecommerce": {"items": [{"item_id": "a"}]}},
        ]));
        assert_eq!((read.events.len(), read.ignored, read.rejected.len()), (1, 3, 1));
        assert_eq!((read.rejected[0].index, read.rejected[0].code), (4, EventRejectCode::MissingField));
    }

    #[test]
    fn a_message_never_shows_hundreds_of_digits() {
        let price = |price: Value| json!({"event": "view_item", "items": [{"item_id": "a", "price": price}]});
        let pieces = |pieces: Value| json!({"event": "view_item", "items": [{"item_id": "a", "quantity": pieces}]});
        for told in [price(json!(1e300)), price(json!("-1e-300")), pieces(json!(1e300)), pieces(json!(-1e300))] {
            let message = read(told.clone()).rejected.remove(0).message;
            assert!(message.len() < 100 && message.contains("1e"), "{told}: {message}");
        }
        assert!(read(price(json!(-0.01))).rejected[0].message.starts_with("-0.01 is not"));
    }

    #[test]
    fn only_broken_lines_of_json_lines_are_lost() {
        let config = EventsConfig::default();
        let reader = EventReader::new(&config, NOW);
        let good = r#"{"event":"view_item","item_id":"a"}"#;
        let read = reader.read(format!("{good}\n\n{{\"event\"\n{good}\n"), RecordForm::JsonLines).unwrap();
        assert_eq!(
            (read.events.len(), read.rejected[0].index, read.rejected[0].code),
            (2, 1, EventRejectCode::BadJson)
        );
        let bytes =
            [good.as_bytes(), b"\n{\"event\":\"view_item\",\"item_id\":\"\xff\"}\r\n", good.as_bytes()].concat();
        let read = reader.read(&bytes, RecordForm::JsonLines).unwrap();
        assert_eq!((read.events.len(), read.rejected[0].index), (2, 1));
        assert!(read.rejected[0].message.contains("UTF-8 at byte 32"), "{:?}", read.rejected);
        assert!(reader.read(b"[\"\xff\"]", RecordForm::Json).unwrap_err().contains("UTF-8 at byte 2"));
        assert!(reader.read("[1,", RecordForm::Json).is_err());
        let deep = "[".repeat(100_000);
        assert!(reader.read(&deep, RecordForm::Json).is_err());
    }

    #[test]
    fn a_numeric_id_is_read_to_its_last_digit_or_refused() {
        let told = |id: &str| {
            let text = format!("{{\"event\":\"view_item\",\"visitor_id\":{id},\"items\":[{{\"item_id\":{id}}}]}}");
            EventReader::new(&EventsConfig::default(), NOW).read(text, RecordForm::Json).unwrap()
        };
        for id in ["7", "9007199254740993", "18446744073709551615", "1234567.5", "-3"] {
            let event = told(id).events.remove(0);
            assert_eq!((ids(&event)[1], items(&event)[0].0), (Some(id), id));
        }
        for id in
            ["18446744073709551616", "18446744073709551617", "1e20", "1234567890.1234567890", "0.12345678901234567"]
        {
            let reject = told(id).rejected.remove(0);
            assert_eq!((reject.code, reject.message.contains("as a text")), (EventRejectCode::WrongType, true), "{id}");
        }
    }

    #[test]
    fn of_several_words_on_consent_a_refusal_wins() {
        let kept = |told: Value| read(told).events.len();
        let event = |own: Value, shared: Value| {
            json!({"client_id": "v", "consent": shared, "events": [
            {"name": "search", "search_term": "mug", "consent": own[0], "user_consent": own[1], "params": {"consent": own[2]}}]})
        };
        let cases = [
            (json!([true, false, null]), json!(null), 0),
            (json!([true, null, "denied"]), json!(null), 0),
            (json!([true, "", null]), json!({"ad_user_data": "DENIED"}), 0),
            (json!([true, true, "granted"]), json!({"ad_user_data": "GRANTED"}), 1),
            (json!([null, null, null]), json!(null), 1),
        ];
        cases
            .into_iter()
            .for_each(|(own, shared, num_kept)| assert_eq!(kept(event(own.clone(), shared)), num_kept, "{own}"));
        assert_eq!(read(event(json!([true, 5, null]), json!(null))).rejected[0].field, "user_consent");
    }

    #[test]
    fn consent_that_is_denied_or_required_and_not_given_keeps_nothing() {
        let event = |consent: Value| json!({"event": "view_item", "item_id": "a", "consent": consent}).to_string();
        for (require_consent, consent, kept) in [
            (false, json!(null), 1),
            (false, json!(false), 0),
            (false, json!("denied"), 0),
            (true, json!(null), 0),
            (true, json!(true), 1),
            (true, json!("GRANTED"), 1),
            (true, json!(1), 1),
            (false, json!(0), 0),
            (true, json!({"ad_user_data": "GRANTED", "ad_personalization": "GRANTED"}), 1),
            (false, json!({"ad_user_data": "GRANTED", "analytics_storage": "denied"}), 0),
        ] {
            let config = EventsConfig { require_consent, ..EventsConfig::default() };
            let read = EventReader::new(&config, NOW).read(event(consent.clone()), RecordForm::Json).unwrap();
            assert_eq!(
                (read.events.len(), read.without_consent),
                (kept, 1 - kept as u64),
                "{require_consent} {consent}"
            );
        }
    }
}
