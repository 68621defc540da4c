//! When something was done: read from what shops write, and held against the clock.
//!
//! The rule: a time that is told is taken as it is, late and out of order too. One that is up to [`MAX_AHEAD_MS`] ahead of the clock
//! is taken as now, since a shopper's clock may be wrong; one further ahead, or before [`FIRST_MS`], is refused. No time is now. While the clock itself is before that, nothing is taken.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, fmt::strtime};

/// How far ahead of the clock a time may be, in milliseconds: one day.
pub const MAX_AHEAD_MS: i64 = 24 * 3600 * 1000;
/// The first time that is taken: the beginning of 2000, in milliseconds since 1970.
pub const FIRST_MS: i64 = 946_684_800_000;

/// Epoch numbers below this are seconds, ...
const MIN_MS: f64 = 1e11;
/// ... below this milliseconds, ...
const MIN_US: f64 = 1e14;
/// ... below this microseconds, and above it nothing.
const MAX_US: f64 = 1e17;

/// Forms without a time zone beside ISO 8601, read as UTC; slashes are read as month/day/year.
const FORMS: [&str; 4] = ["%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%Y/%m/%d %H:%M:%S"];

/// Forms with an offset from UTC beside RFC 3339, as Shopify's exports of orders write it.
const FORMS_WITH_OFFSET: [&str; 4] =
    ["%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S %:z", "%Y-%m-%d %H:%M %z", "%m/%d/%Y %H:%M:%S %z"];

/// Epoch seconds, milliseconds or microseconds, told apart by magnitude, in milliseconds.
pub(super) fn from_epoch(number: f64) -> Option<i64> {
    let ms = match number.abs() {
        x if x < MIN_MS => number * 1000.0,
        x if x < MIN_US => number,
        x if x < MAX_US => number / 1000.0,
        _ => return None,
    };
    Some(ms.floor() as i64)
}

/// A text as RFC 3339, as a date with or without a time of day (UTC), or as an epoch number.
pub(super) fn from_text(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_millisecond());
    }
    if let Ok(number) = text.parse::<f64>() {
        return from_epoch(number);
    }
    let with_offset = FORMS_WITH_OFFSET.iter().find_map(|form| strtime::parse(form, text).ok()?.to_timestamp().ok());
    if let Some(timestamp) = with_offset {
        return Some(timestamp.as_millisecond());
    }
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    let local = text.parse::<DateTime>().ok();
    let local = local.or_else(|| text.parse::<Date>().ok().map(DateTime::from));
    let local = local.or_else(|| FORMS.iter().find_map(|form| in_form(form, text)))?;
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

fn in_form(form: &str, text: &str) -> Option<DateTime> {
    let parsed = strtime::parse(form, text).ok()?;
    parsed.to_datetime().ok().or_else(|| parsed.to_date().ok().map(DateTime::from))
}

/// The time to keep for one that was told as `told_ms`, at `now_ms`.
///
/// Returns in words why it cannot be.
pub(super) fn settled(told_ms: Option<i64>, now_ms: i64) -> Result<i64, String> {
    match told_ms {
        _ if now_ms < FIRST_MS => {
            Err("this machine's clock says that it is before the year 2000; set it, and send the event again"
                .to_owned())
        }
        None => Ok(now_ms),
        Some(told) if told < FIRST_MS => {
            Err("the time lies before the year 2000; send RFC 3339, or epoch seconds, milliseconds or microseconds"
                .to_owned())
        }
        Some(told) if told > now_ms.saturating_add(MAX_AHEAD_MS) => Err(format!(
            "the time lies more than {} hours ahead; check the clock that it comes from",
            MAX_AHEAD_MS / 3_600_000
        )),
        Some(told) => Ok(told.min(now_ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_moment_is_read_from_every_way_of_writing_it() {
        const AT: i64 = 1_291_191_960_000;
        for text in [
            "2010-12-01T08:26:00Z",
            "2010-12-01T09:26:00+01:00",
            "2010-12-01T08:26:00",
            "2010-12-01 08:26:00",
            "2010-12-01 03:26:00 -0500",
            "2010-12-01 09:26:00 +01:00",
            "2010-12-01 09:26 +0100",
            "2010-12-01 08:26:00 UTC",
            "12/1/2010 8:26",
            "12/01/2010 08:26:00",
            "1291191960",
            "1291191960000",
            "1291191960000000",
            " 1291191960.0 ",
        ] {
            assert_eq!(from_text(text), Some(AT), "{text}");
        }
        assert_eq!(from_text("2010-12-01"), Some(AT - (8 * 60 + 26) * 60_000));
        for text in ["", "yesterday", "13/40/2010 8:26", "1e300", "NaN", "inf", "2010-13-01", "99999999999999999999"] {
            assert_eq!(from_text(text), None, "{text}");
        }
    }

    #[test]
    fn no_time_and_a_time_to_come_are_now_and_absurd_times_are_refused() {
        let now = 1_800_000_000_000;
        assert_eq!(settled(None, now), Ok(now));
        assert_eq!(settled(Some(now - 5), now), Ok(now - 5));
        assert_eq!(settled(Some(now + MAX_AHEAD_MS), now), Ok(now));
        assert!(settled(Some(now + MAX_AHEAD_MS + 1), now).is_err());
        assert!(settled(Some(FIRST_MS - 1), now).is_err());
        assert!(settled(Some(i64::MAX), now).is_err() && settled(Some(i64::MIN), i64::MAX).is_err());
    }

    #[test]
    fn a_clock_before_2000_takes_nothing_at_its_time() {
        for told in [None, Some(FIRST_MS - 1), Some(FIRST_MS), Some(1_800_000_000_000)] {
            let message = settled(told, FIRST_MS - 1).unwrap_err();
            assert!(message.contains("clock"), "{told:?}: {message}");
        }
        assert_eq!(settled(None, FIRST_MS), Ok(FIRST_MS));
    }
}
