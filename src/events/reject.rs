//! Why an event was not kept. One bad event never stops the others.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventRejectCode {
    /// No JSON, or no JSON object.
    BadJson,
    /// A record of a file that does not fit its header.
    BadRecord,
    /// A name that stands for no event.
    UnknownEvent,
    /// A field that the event needs is not there.
    MissingField,
    /// A value of the wrong type.
    WrongType,
    /// A number that is negative, zero or huge.
    OutOfRange,
    /// A text with more bytes than its limit.
    TooLong,
    /// An id that is empty or holds a control character.
    BadId,
    /// More products than one event may have.
    TooManyItems,
    /// Not an ISO 4217 currency.
    BadCurrency,
    /// A time that cannot be read, or that cannot be.
    BadTime,
    /// Older than events of its kind are kept.
    Expired,
}

impl fmt::Display for EventRejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadJson => "bad_json",
            Self::BadRecord => "bad_record",
            Self::UnknownEvent => "unknown_event",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::OutOfRange => "out_of_range",
            Self::TooLong => "too_long",
            Self::BadId => "bad_id",
            Self::TooManyItems => "too_many_items",
            Self::BadCurrency => "bad_currency",
            Self::BadTime => "bad_time",
            Self::Expired => "expired",
        })
    }
}

/// What is wrong with one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventFault {
    /// The field at fault, such as `items[2].quantity`; `event` where it is the whole event.
    pub field: String,
    /// The kind of fault.
    pub code: EventRejectCode,
    /// What is wrong and what to send instead.
    pub message: String,
}

impl EventFault {
    /// A fault in `field`.
    pub fn new(field: impl Into<String>, code: EventRejectCode, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

/// An event that was not kept, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EventReject {
    /// Its place among the events that were sent, from 0; of a file, the number of the line, from 1.
    pub index: u64,
    /// The field at fault; `event` where it is the whole event.
    pub field: String,
    /// What is wrong, for programs.
    pub code: EventRejectCode,
    /// What is wrong and what to send instead.
    pub message: String,
}

impl EventReject {
    /// `fault` of the event at `index`.
    pub fn new(index: u64, fault: EventFault) -> Self {
        Self { index, field: fault.field, code: fault.code, message: fault.message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_displayed_as_it_is_serialized() {
        use EventRejectCode::*;
        for code in [
            BadJson,
            BadRecord,
            UnknownEvent,
            MissingField,
            WrongType,
            OutOfRange,
            TooLong,
            BadId,
            TooManyItems,
            BadCurrency,
            BadTime,
            Expired,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.to_string());
        }
    }
}
