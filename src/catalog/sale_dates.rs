//! `sale_price_effective_date`: the period in which a sale price holds.

use jiff::civil::DateTime;
use jiff::{Timestamp, tz::TimeZone};

/// A period from its start up to but not including its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SalePeriod {
    start: Timestamp,
    end: Timestamp,
}

impl SalePeriod {
    /// Reads `START/END`, two ISO 8601 times; a time without an offset is UTC. `None` when the text is no such pair.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (start, end) = text.split_once('/')?;
        let (start, end) = (instant(start.trim())?, instant(end.trim())?);
        (start <= end).then_some(Self { start, end })
    }

    pub(super) fn contains(&self, now: Timestamp) -> bool {
        self.start <= now && now < self.end
    }
}

fn instant(text: &str) -> Option<Timestamp> {
    let with_offset = text.parse::<Timestamp>().ok();
    with_offset.or_else(|| Some(text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_holds_from_its_start_until_its_end() {
        let texts = [
            "2026-11-01T00:00+0100/2026-11-30T23:00+0100",
            "2026-10-31T23:00:00Z/2026-11-30T22:00:00Z",
            "2026-10-31T23:00/2026-11-30T22:00",
        ];
        for text in texts {
            let period = SalePeriod::parse(text).unwrap();
            for (now, expected) in [
                ("2026-10-31T22:59:59Z", false),
                ("2026-10-31T23:00:00Z", true),
                ("2026-11-30T21:59:59Z", true),
                ("2026-11-30T22:00:00Z", false),
            ] {
                assert_eq!(period.contains(now.parse().unwrap()), expected, "{now} in {text}");
            }
        }
    }

    #[test]
    fn what_is_no_pair_of_times_is_refused() {
        for text in
            ["", "2026-11-01", "a/b", "2026-11-30T00:00Z/2026-11-01T00:00Z", "2026-13-01T00:00Z/2026-14-01T00:00Z"]
        {
            assert_eq!(SalePeriod::parse(text), None, "accepted {text}");
        }
    }
}
