//! Prices as integer minor units of an ISO 4217 currency. Never a float: `15.10 USD` is 1510 minor units, exactly.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ISO 4217 currency, by its alphabetic code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The three-letter code, e.g. `USD`.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Number of decimal digits of the currency's minor unit: 2 for USD, 0 for JPY, 3 for KWD.
    ///
    /// Source: ISO 4217. Currencies without a minor unit (metals, testing codes) count as 0.
    pub fn exponent(&self) -> u32 {
        iso_currency::Currency::from_code(self.code()).and_then(|c| c.exponent()).map_or(0, u32::from)
    }

    /// The three ASCII letters, as the index stores them.
    pub fn to_bytes(self) -> [u8; 3] {
        self.0
    }

    /// The inverse of [`Currency::to_bytes`]; `None` when the letters are no ISO 4217 code.
    pub fn from_bytes(bytes: [u8; 3]) -> Option<Self> {
        std::str::from_utf8(&bytes).ok()?.parse().ok()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(code: &str) -> Result<Self, MoneyError> {
        let upper = code.trim().to_ascii_uppercase();
        match (iso_currency::Currency::from_code(&upper), <[u8; 3]>::try_from(upper.as_bytes())) {
            (Some(_), Ok(bytes)) => Ok(Self(bytes)),
            _ => Err(MoneyError::UnknownCurrency(code.trim().to_owned())),
        }
    }
}

/// An amount of money: integer minor units and their currency.
///
/// ```
/// use kindred::catalog::Money;
/// let price: Money = "15.00 USD".parse().unwrap();
/// assert_eq!((price.minor, price.currency.code()), (1500, "USD"));
/// assert_eq!(price.to_string(), "15.00 USD");
/// assert!("15.001 USD".parse::<Money>().is_err(), "more digits than the currency has");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// Amount in minor units (cents for USD, yen for JPY).
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

/// Why a text is no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The text is empty.
    #[error("the price is empty")]
    Empty,
    /// The number is not a plain decimal number.
    #[error("`{0}` is not a number such as 15.00")]
    NotANumber(String),
    /// A price below zero.
    #[error("`{0}` is negative")]
    Negative(String),
    /// More decimal digits than the currency has.
    #[error("`{amount}` has more decimals than {currency} has ({exponent})")]
    TooManyDecimals {
        /// The text of the amount.
        amount: String,
        /// The currency's code.
        currency: String,
        /// Decimal digits that the currency has.
        exponent: u32,
    },
    /// The amount does not fit 64 bits.
    #[error("`{0}` is too large")]
    TooLarge(String),
    /// No currency was given and none is set.
    #[error("`{0}` names no currency; write it as `15.00 USD` or set catalog.currency")]
    NoCurrency(String),
    /// Not an ISO 4217 code.
    #[error("`{0}` is not an ISO 4217 currency code")]
    UnknownCurrency(String),
}

impl Money {
    /// Reads an amount such as `15.00`, with `.` as the decimal point, in `currency`.
    ///
    /// Returns an error if `amount` is empty, no plain decimal number, negative, too large, or has more decimals than the currency.
    pub fn from_amount(amount: &str, currency: Currency) -> Result<Self, MoneyError> {
        let amount = amount.trim();
        if amount.is_empty() {
            return Err(MoneyError::Empty);
        }
        if amount.starts_with('-') {
            return Err(MoneyError::Negative(amount.to_owned()));
        }
        let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
        let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || amount.ends_with('.') {
            return Err(MoneyError::NotANumber(amount.to_owned()));
        }
        let exponent = currency.exponent() as usize;
        let significant = fraction.trim_end_matches('0');
        if significant.len() > exponent {
            let currency = currency.code().to_owned();
            return Err(MoneyError::TooManyDecimals { amount: amount.to_owned(), currency, exponent: exponent as u32 });
        }
        let digits = format!("{whole}{significant:0<exponent$}");
        let minor = digits.parse().map_err(|_| MoneyError::TooLarge(amount.to_owned()))?;
        Ok(Self { minor, currency })
    }

    /// The amount without its currency, with the currency's number of decimals: `15.00`.
    pub fn amount(&self) -> String {
        let exponent = self.currency.exponent() as usize;
        let digits = format!("{:0>width$}", self.minor, width = exponent + 1);
        let (whole, fraction) = digits.split_at(digits.len() - exponent);
        if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency)
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    /// Reads `15.00 USD`.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(MoneyError::Empty);
        }
        let (amount, code) =
            text.rsplit_once(char::is_whitespace).ok_or_else(|| MoneyError::NoCurrency(text.to_owned()))?;
        Self::from_amount(amount, code.parse()?)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn minor_units_follow_the_currency_and_are_exact() {
        let cases = [
            ("15.10", "USD", 1510),
            ("0.1", "USD", 10),
            ("1500", "JPY", 1500),
            ("1500.00", "JPY", 1500),
            ("1.234", "KWD", 1234),
            ("1.5", "KWD", 1500),
            ("0", "EUR", 0),
            ("90071992547409.93", "USD", 9_007_199_254_740_993),
        ];
        for (amount, code, minor) in cases {
            assert_eq!(Money::from_amount(amount, currency(code)).map(|m| m.minor), Ok(minor), "{amount} {code}");
        }
    }

    #[test]
    fn amounts_that_the_currency_cannot_hold_are_refused() {
        for text in [
            "1.5 JPY",
            "1.2345 KWD",
            "1.005 USD",
            "-1 USD",
            ". USD",
            "1. USD",
            "+1 USD",
            "1e2 USD",
            "92233720368547758.08 USD",
        ] {
            assert!(text.parse::<Money>().is_err(), "accepted {text}");
        }
        assert_eq!("92233720368547758.07 USD".parse::<Money>().map(|m| m.minor), Ok(i64::MAX));
    }

    #[test]
    fn only_iso_codes_are_currencies() {
        for code in ["", "US", "USDX", "ZZQ", "€", "12€"] {
            assert!(code.parse::<Currency>().is_err(), "accepted {code}");
        }
        assert_eq!(Currency::from_bytes(currency("kwd").to_bytes()), Some(currency("KWD")));
        assert_eq!(Currency::from_bytes([0xff, 0, 1]), None);
    }

    proptest! {
        #[test]
        fn every_amount_survives_a_round_trip(minor in 0..=i64::MAX, code in prop::sample::select(vec!["USD", "EUR", "JPY", "KWD", "CLF"])) {
            let money = Money { minor, currency: currency(code) };
            prop_assert_eq!(money.to_string().parse::<Money>(), Ok(money));
            let json = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        }

        #[test]
        fn minor_units_are_the_digits_without_the_point(whole in 0_i64..1_000_000_000_000, cents in 0_i64..100) {
            let money: Money = format!("{whole}.{cents:02} USD").parse().unwrap();
            prop_assert_eq!(money.minor, whole * 100 + cents);
        }
    }
}
