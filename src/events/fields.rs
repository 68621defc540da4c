//! The fields of one event in JSON: where each may stand, under which names, and what it may hold.

use serde_json::{Map, Value};

use super::event::{
    Event, Ids, Item, MAX_ID_BYTES, MAX_ITEMS, MAX_PRICE, MAX_QUANTITY, MAX_QUERY_BYTES, MAX_WORD_BYTES, PRICE_PARTS,
};
use super::kind::EventKind;
use super::orders;
use super::reject::{EventFault, EventRejectCode};
use super::time;
use crate::catalog::{Currency, ProductId};

/// A JSON object.
pub(super) type Object = Map<String, Value>;

const EVENT: &[&str] = &["event", "name", "eventType", "event_type", "event_name", "eventName", "EVENT_TYPE"];
const EVENT_ID: &[&str] = &["event_id", "eventId", "EVENT_ID"];
const VISITOR: &[&str] = &["visitor_id", "visitorId", "client_id", "clientId", "user_pseudo_id", "userToken"];
const USER: &[&str] = &["user_id", "userId", "USER_ID", "authenticatedUserToken"];
const SESSION: &[&str] = &["session_id", "sessionId", "SESSION_ID", "ga_session_id"];
const TIME: &[&str] =
    &["timestamp", "timestamp_micros", "event_timestamp", "eventTime", "event_time", "time", "TIMESTAMP", "sentAt"];
const CONSENT: &[&str] = &["consent", "user_consent"];
const ORDER: &[&str] = &["transaction_id", "transactionId", "order_id", "orderId"];
const CURRENCY: &[&str] = &["currency", "currencyCode", "currency_code"];
const PLACEMENT: &[&str] = &["item_list_id", "placement"];
const RECOMMENDATION: &[&str] = &["recommendation_id", "recommendationId", "attributionToken", "RECOMMENDATION_ID"];
const DEVICE: &[&str] = &["device", "device_category", "deviceType"];
const QUERY: &[&str] = &["search_term", "searchQuery", "query"];
const ITEMS: &[&str] = &["items", "productDetails"];
const ITEM_ID: &[&str] = &["item_id", "itemId", "ITEM_ID", "product_id", "productId", "id", "sku"];
/// Those of them that name a product beside the fields of the event itself.
const OWN_ITEM_ID: &[&str] = &["item_id", "itemId", "ITEM_ID", "product_id", "productId"];
const QUANTITY: &[&str] = &["quantity", "QUANTITY"];
const PRICE: &[&str] = &["price", "unit_price"];
/// Personalize's value of an event: for a purchase the price.
const VALUE: &[&str] = &["EVENT_VALUE", "eventValue"];
/// A field that the event needs.
pub(super) fn missing(field: &str, message: &str) -> EventFault {
    EventFault::new(field, EventRejectCode::MissingField, message)
}

fn wrong_type(field: impl Into<String>, wanted: &str) -> EventFault {
    EventFault::new(field, EventRejectCode::WrongType, format!("give {wanted}"))
}

/// The objects in which an event's fields may stand, the nearest first.
pub(super) struct Fields<'a> {
    scopes: Vec<&'a Object>,
}

impl<'a> Fields<'a> {
    /// Those of an event's own object, and of what it shares with others.
    pub(super) fn of(own: &'a Object, shared: &'a Object) -> Self {
        let below = ["ecommerce", "params", "userInfo", "purchaseTransaction"];
        let below = below.iter().filter_map(|name| own.get(*name)?.as_object());
        Self { scopes: std::iter::once(own).chain(below).chain((!shared.is_empty()).then_some(shared)).collect() }
    }

    /// The first of `names` that says anything, and its value.
    fn find(&self, names: &'static [&'static str]) -> Option<(&'static str, &'a Value)> {
        self.scopes.iter().find_map(|scope| {
            names.iter().find_map(|name| scope.get(*name).filter(|value| is_said(value)).map(|value| (*name, value)))
        })
    }

    fn text(&self, names: &'static [&'static str], max_bytes: usize) -> Result<Option<String>, EventFault> {
        self.find(names).map(|(name, value)| text(name, value, max_bytes)).transpose()
    }

    fn id(&self, names: &'static [&'static str]) -> Result<Option<String>, EventFault> {
        let Some((name, value)) = self.find(names) else { return Ok(None) };
        let id = text(name, value, MAX_ID_BYTES)?;
        if id.trim().is_empty() || id.chars().any(char::is_control) {
            return Err(EventFault::new(name, EventRejectCode::BadId, "the id is blank or holds a control character"));
        }
        Ok(Some(id))
    }

    /// What the event is called.
    pub(super) fn name(&self) -> Result<Option<String>, EventFault> {
        self.text(EVENT, MAX_WORD_BYTES)
    }

    /// The event, of which `kind` is known.
    pub(super) fn event(&self, kind: EventKind, now_ms: i64) -> Result<Event, EventFault> {
        let ids = Ids {
            event: self.id(EVENT_ID)?,
            visitor: self.id(VISITOR)?,
            user: self.id(USER)?,
            session: self.id(SESSION)?,
        };
        let items = self.items(kind)?;
        let is_sale = matches!(kind, EventKind::Purchase | EventKind::Refund);
        Ok(Event {
            told_ms: self.told_ms()?,
            ids,
            consent: self.consent()?,
            order: if is_sale { self.order()? } else { None },
            currency: self.currency()?,
            placement: self.placement()?,
            recommendation: self.text(RECOMMENDATION, MAX_WORD_BYTES)?,
            device: self.device()?,
            query: if kind == EventKind::Search { self.text(QUERY, MAX_QUERY_BYTES)? } else { None },
            items,
            ..Event::new(kind, now_ms)
        })
    }

    /// Whether the shopper agreed: of several words on it all must say so.
    fn consent(&self) -> Result<Option<bool>, EventFault> {
        let words =
            self.scopes.iter().flat_map(|scope| CONSENT.iter().filter_map(|name| Some((*name, scope.get(*name)?))));
        let told = words.filter(|(_, value)| is_said(value)).map(|(name, value)| consent(name, value));
        told.reduce(|all, one| Ok(all? && one?)).transpose()
    }

    fn told_ms(&self) -> Result<Option<i64>, EventFault> {
        let Some((name, value)) = self.find(TIME) else { return Ok(None) };
        let read = match value {
            Value::Number(number) => number.as_f64().and_then(time::from_epoch),
            Value::String(text) => time::from_text(text),
            _ => None,
        };
        let message = "give RFC 3339, such as 2026-01-31T12:00:00Z, or epoch seconds, milliseconds or microseconds";
        read.map(Some).ok_or_else(|| EventFault::new(name, EventRejectCode::BadTime, message))
    }

    /// The order's number; what a tag writes where it knows none is none.
    fn order(&self) -> Result<Option<String>, EventFault> {
        let order = match self.id(ORDER)? {
            Some(order) => Some(order),
            None => {
                let own = self.scopes.first().and_then(|own| own.get("purchaseTransaction")?.as_object()?.get("id"));
                own.map(|id| text("purchaseTransaction.id", id, MAX_ID_BYTES)).transpose()?
            }
        };
        Ok(order.and_then(|order| orders::number_of(&order)))
    }

    fn currency(&self) -> Result<Option<Currency>, EventFault> {
        let Some((name, value)) = self.find(CURRENCY) else { return Ok(None) };
        let code = text(name, value, MAX_WORD_BYTES)?;
        let bad = |_| {
            EventFault::new(name, EventRejectCode::BadCurrency, format!("`{code}` is no ISO 4217 code such as USD"))
        };
        code.parse().map(Some).map_err(bad)
    }

    /// The event's own list, or that of its first product.
    fn placement(&self) -> Result<Option<String>, EventFault> {
        if let Some(placement) = self.text(PLACEMENT, MAX_WORD_BYTES)? {
            return Ok(Some(placement));
        }
        let first = self.find(ITEMS).and_then(|(_, items)| items.as_array()?.first()?.as_object());
        let Some(first) = first else { return Ok(None) };
        Fields { scopes: vec![first] }.text(PLACEMENT, MAX_WORD_BYTES)
    }

    fn device(&self) -> Result<Option<String>, EventFault> {
        match self.find(DEVICE) {
            Some((_, Value::Object(device))) => {
                Fields { scopes: vec![device] }.text(&["category", "type"], MAX_WORD_BYTES)
            }
            Some((name, value)) => text(name, value, MAX_WORD_BYTES).map(Some),
            None => Ok(None),
        }
    }

    fn items(&self, kind: EventKind) -> Result<Vec<Item>, EventFault> {
        match self.find(ITEMS) {
            Some((name, Value::Array(items))) if items.len() > MAX_ITEMS => {
                let message = format!("{} products in one event, at most {MAX_ITEMS} are read", items.len());
                Err(EventFault::new(name, EventRejectCode::TooManyItems, message))
            }
            Some((name, Value::Array(items))) => {
                let read = |(place, value)| item(value, None, &format!("{name}[{place}]."));
                items.iter().enumerate().map(read).collect()
            }
            Some((name, _)) => Err(wrong_type(name, "a list of products")),
            None => self.single_item(kind),
        }
    }

    /// The one product of an event that has no list.
    fn single_item(&self, kind: EventKind) -> Result<Vec<Item>, EventFault> {
        let own = self.scopes.iter().find(|scope| OWN_ITEM_ID.iter().any(|name| scope.contains_key(*name)));
        let Some(own) = own else { return Ok(Vec::new()) };
        let price = if kind == EventKind::Purchase { self.find(VALUE) } else { None };
        Ok(vec![item_of(own, price, "")?])
    }
}

/// Whether it says anything.
fn is_said(value: &Value) -> bool {
    !value.is_null() && value.as_str() != Some("")
}

fn item(value: &Value, price: Option<(&'static str, &Value)>, at: &str) -> Result<Item, EventFault> {
    let object = value.as_object().ok_or_else(|| wrong_type(at.trim_end_matches('.'), "an object with `item_id`"))?;
    item_of(object, price, at)
}

fn item_of(object: &Object, price: Option<(&'static str, &Value)>, at: &str) -> Result<Item, EventFault> {
    let product = object.get("product").and_then(Value::as_object);
    let price_info = product.and_then(|product| product.get("priceInfo")?.as_object());
    let fields = Fields { scopes: std::iter::once(object).chain(product).chain(price_info).collect() };
    let prefixed = |fault: EventFault| EventFault { field: format!("{at}{}", fault.field), ..fault };
    let (name, id) =
        fields.find(ITEM_ID).ok_or_else(|| prefixed(missing("item_id", "give the product's id in the shop's feed")))?;
    let id = text(name, id, usize::MAX).map_err(prefixed)?;
    let bad_id = |error: crate::catalog::ProductIdError| {
        prefixed(EventFault::new(name, EventRejectCode::BadId, error.to_string()))
    };
    let quantity = fields.find(QUANTITY).map_or(Ok(1), |(name, value)| quantity(name, value)).map_err(prefixed)?;
    let price =
        fields.find(PRICE).or(price).map(|(name, value)| price_of(name, value)).transpose().map_err(prefixed)?;
    Ok(Item { product: ProductId::new(id).map_err(bad_id)?, quantity, price })
}

/// A text, or a number that stands for one.
fn text(name: &str, value: &Value, max_bytes: usize) -> Result<String, EventFault> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if may_be_rounded(number) => {
            let message =
                format!("a number of so many digits is not read exactly; send it as a text, \"{name}\": \"…\"");
            return Err(EventFault::new(name, EventRejectCode::WrongType, message));
        }
        Value::Number(number) => number.to_string(),
        _ => return Err(wrong_type(name, "a text")),
    };
    if text.len() > max_bytes {
        let message = format!("it has {} bytes, at most {max_bytes} are read", text.len());
        return Err(EventFault::new(name, EventRejectCode::TooLong, message));
    }
    Ok(text)
}

/// Whether another number than this may have been written: two of more than 15 digits can be one where they have a point or pass 64 bits.
fn may_be_rounded(number: &serde_json::Number) -> bool {
    const MAX_DIGITS: usize = 15;
    const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
    let num_digits = || number.to_string().bytes().filter(u8::is_ascii_digit).count();
    number.is_f64() && (number.as_f64().is_none_or(|number| number.abs() >= MAX_EXACT) || num_digits() > MAX_DIGITS)
}

/// Consent as a truth value, a word, 0 or 1, or as Google's consent signals, of which each that is told must be granted.
pub(super) fn consent(name: &str, value: &Value) -> Result<bool, EventFault> {
    const SIGNALS: [&str; 4] = ["analytics_storage", "ad_storage", "ad_user_data", "ad_personalization"];
    let wrong = || wrong_type(name, "true or false, granted or denied");
    match value {
        Value::Bool(is_given) => Ok(*is_given),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "granted" | "true" | "yes" | "1" => Ok(true),
            "denied" | "false" | "no" | "0" => Ok(false),
            _ => Err(wrong()),
        },
        Value::Number(number) if number.as_u64() == Some(1) => Ok(true),
        Value::Number(number) if number.as_u64() == Some(0) => Ok(false),
        Value::Object(signals) => {
            let told: Vec<&Value> = SIGNALS.iter().filter_map(|signal| signals.get(*signal)).collect();
            if told.is_empty() {
                return Err(wrong());
            }
            told.into_iter().map(|signal| consent(name, signal)).try_fold(true, |all, one| Ok(all && one?))
        }
        _ => Err(wrong()),
    }
}

fn number(name: &str, value: &Value) -> Result<f64, EventFault> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite()).ok_or_else(|| wrong_type(name, "a number"))
}

/// Pieces; parts of a piece, as of goods by weight, are rounded, and are one at least.
fn quantity(name: &str, value: &Value) -> Result<u32, EventFault> {
    quantity_of(name, number(name, value)?)
}

/// `number` as pieces.
pub(super) fn quantity_of(name: &str, number: f64) -> Result<u32, EventFault> {
    if number > 0.0 && number <= f64::from(MAX_QUANTITY) {
        return Ok((number.round() as u32).max(1));
    }
    let message =
        format!("{} is not above 0 and at most {MAX_QUANTITY}; what is taken back is a refund", shown(number));
    Err(EventFault::new(name, EventRejectCode::OutOfRange, message))
}

fn price_of(name: &str, value: &Value) -> Result<u64, EventFault> {
    price_parts(name, number(name, value)?)
}

/// `number` of the currency's major unit as [`Item::price`].
pub(super) fn price_parts(name: &str, number: f64) -> Result<u64, EventFault> {
    if (0.0..=MAX_PRICE as f64).contains(&number) {
        return Ok((number * PRICE_PARTS as f64).round() as u64);
    }
    Err(EventFault::new(
        name,
        EventRejectCode::OutOfRange,
        format!("{} is not between 0 and {MAX_PRICE}", shown(number)),
    ))
}

/// `number` in few characters: `{}` alone would write hundreds of zeros.
fn shown(number: f64) -> String {
    if number == 0.0 || (1e-6..1e15).contains(&number.abs()) { number.to_string() } else { format!("{number:e}") }
}
