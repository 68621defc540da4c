//! Prices as shops write them: `15.00 USD`, `15,00 EUR`, `1.299,00 €`, `$15.00`. What could mean two amounts is refused.

use super::money::{Currency, Money, MoneyError};

/// Why a text is no price, or no single one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not an amount, or not one of the currency.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// The separator could stand for thousands or for decimals.
    #[error(
        "`{amount}` could be thousands or decimals; write it without thousands separators and with two decimals, such as 1299.00"
    )]
    Ambiguous {
        /// The amount as the feed has it.
        amount: String,
    },
    /// The sign belongs to several currencies.
    #[error("`{0}` is used by several currencies; write the code, as in `15.00 SEK`, or set catalog.currency")]
    AmbiguousSign(String),
}

/// Currency signs with the currencies that use them; the first is meant unless the catalog's own currency is among them.
const SIGNS: [(&str, &[&str]); 13] = [
    ("US$", &["USD"]),
    ("C$", &["CAD"]),
    ("A$", &["AUD"]),
    ("R$", &["BRL"]),
    ("€", &["EUR"]),
    ("$", &["USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "TWD", "CLP", "COP", "ARS"]),
    ("£", &["GBP"]),
    ("¥", &["JPY", "CNY"]),
    ("₹", &["INR"]),
    ("₩", &["KRW"]),
    ("₺", &["TRY"]),
    ("₴", &["UAH"]),
    ("zł", &["PLN"]),
];

/// The krona of four countries has one sign and no first meaning.
const KRONA: [&str; 4] = ["SEK", "NOK", "DKK", "ISK"];

/// Reads a price with a code or a sign before or after the amount, or in `default` when it has neither.
///
/// A point is the decimal point and a comma the decimal comma where that is the only reading; where both stand, the last is
/// the decimal one. Returns an error if the text is empty, negative, names no currency while `default` is `None`, has more
/// decimals than the currency, or can be read as two amounts (`1,299 USD`).
///
/// ```
/// use kindred::catalog::parse_price;
/// assert_eq!(parse_price("1.299,00 EUR", None).unwrap().minor, 129_900);
/// assert_eq!(parse_price("$15.00", None).unwrap().to_string(), "15.00 USD");
/// assert!(parse_price("1,299 USD", None).is_err());
/// ```
pub fn parse_price(text: &str, default: Option<Currency>) -> Result<Money, PriceError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(MoneyError::Empty.into());
    }
    let (amount, currency) = split_currency(text, default)?;
    if amount.starts_with(['-', '−', '(']) || amount.ends_with('-') {
        return Err(MoneyError::Negative(text.to_owned()).into());
    }
    Ok(Money::from_amount(&canonical_amount(amount, currency.exponent())?, currency)?)
}

fn split_currency(text: &str, default: Option<Currency>) -> Result<(&str, Currency), PriceError> {
    // `-$5.00` keeps its minus sign on the amount.
    let (sign, unsigned) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest.trim_start()));
    let negative = || PriceError::from(MoneyError::Negative(text.to_owned()));
    if let Some((amount, currency)) = split_sign(unsigned, default)? {
        return if sign.is_empty() { Ok((amount, currency)) } else { Err(negative()) };
    }
    let is_letter = |c: char| c.is_alphabetic();
    let digits_start = unsigned.find(|c: char| !is_letter(c)).unwrap_or(unsigned.len());
    let digits_end = unsigned
        .rfind(|c: char| !is_letter(c))
        .map_or(0, |i| i + unsigned[i..].chars().next().map_or(0, char::len_utf8));
    let (amount, code) = match (digits_start, digits_end) {
        (0, end) if end == unsigned.len() => (unsigned, ""),
        (0, end) => (&unsigned[..end], &unsigned[end..]),
        (start, end) if end == unsigned.len() => (&unsigned[start..], &unsigned[..start]),
        _ => return Err(MoneyError::NotANumber(text.to_owned()).into()),
    };
    if !sign.is_empty() {
        return Err(negative());
    }
    let currency = match code {
        "" => default.ok_or_else(|| MoneyError::NoCurrency(text.to_owned()))?,
        "kr" => {
            default.filter(|c| KRONA.contains(&c.code())).ok_or_else(|| PriceError::AmbiguousSign(code.to_owned()))?
        }
        code => code.parse()?,
    };
    Ok((amount.trim(), currency))
}

fn split_sign(text: &str, default: Option<Currency>) -> Result<Option<(&str, Currency)>, PriceError> {
    for (sign, codes) in SIGNS {
        let Some(amount) = text.strip_prefix(sign).or_else(|| text.strip_suffix(sign)) else { continue };
        let own = default.filter(|currency| codes.contains(&currency.code()));
        let currency = own.map_or_else(|| codes[0].parse(), Ok)?;
        return Ok(Some((amount.trim(), currency)));
    }
    Ok(None)
}

/// `amount` with `.` as the decimal point and no thousands separators.
fn canonical_amount(amount: &str, exponent: u32) -> Result<String, PriceError> {
    let not_a_number = || PriceError::from(MoneyError::NotANumber(amount.to_owned()));
    let compact: String =
        amount.chars().map(|c| if matches!(c, '\u{a0}' | '\u{202f}' | '\'' | '’') { ' ' } else { c }).collect();
    if !compact.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | ' ')) {
        return Err(not_a_number());
    }
    let last = compact.rfind(['.', ',']);
    let Some(last) = last else { return ungrouped(&compact, &[' ']).ok_or_else(not_a_number) };
    let (whole, fraction) = (&compact[..last], &compact[last + 1..]);
    let (mark, other) = if compact[last..].starts_with('.') { ('.', ',') } else { (',', '.') };
    if whole.contains(mark) {
        // The same mark twice can only group thousands.
        let is_single_kind = !whole.contains(other) && !whole.contains(' ');
        return ungrouped(&compact, &[mark]).filter(|_| is_single_kind).ok_or_else(not_a_number);
    }
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(not_a_number());
    }
    let is_plain = whole.bytes().all(|b| b.is_ascii_digit());
    let could_group = is_plain && fraction.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
    if could_group && (exponent != 3 || mark == ',') {
        return Err(PriceError::Ambiguous { amount: amount.to_owned() });
    }
    let whole =
        if whole.is_empty() { "0".to_owned() } else { ungrouped(whole, &[other, ' ']).ok_or_else(not_a_number)? };
    Ok(format!("{whole}.{fraction}"))
}

/// The digits of `number`, whose groups of three are separated by one of `marks`; `None` when the groups are not of three.
fn ungrouped(number: &str, marks: &[char]) -> Option<String> {
    let mark = marks.iter().find(|mark| number.contains(**mark));
    let Some(mark) = mark else { return (!number.is_empty()).then(|| number.to_owned()) };
    let groups: Vec<&str> = number.split(*mark).collect();
    let is_digits = groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_digit()));
    let is_grouped = (1..=3).contains(&groups[0].len()) && groups[1..].iter().all(|group| group.len() == 3);
    (is_digits && is_grouped).then(|| groups.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn minor(text: &str) -> Option<(i64, String)> {
        parse_price(text, None).ok().map(|money| (money.minor, money.currency.code().to_owned()))
    }

    #[test]
    fn unambiguous_prices_are_read_exactly() {
        let cases = [
            ("15.00 USD", 1500, "USD"),
            ("15,00 EUR", 1500, "EUR"),
            ("1.299,00 EUR", 129_900, "EUR"),
            ("1,299.00 USD", 129_900, "USD"),
            ("1 299,00 EUR", 129_900, "EUR"),
            ("1\u{202f}299,5 €", 129_950, "EUR"),
            ("CHF 1’299.00", 129_900, "CHF"),
            ("1,234,567 USD", 123_456_700, "USD"),
            ("1.234.567,89 EUR", 123_456_789, "EUR"),
            ("€15.00", 1500, "EUR"),
            ("$15.00", 1500, "USD"),
            ("15,00 €", 1500, "EUR"),
            ("15.00USD", 1500, "USD"),
            ("usd 15", 1500, "USD"),
            (".99 USD", 99, "USD"),
            ("0 USD", 0, "USD"),
            ("15.9900 USD", 1599, "USD"),
            ("1500 JPY", 1500, "JPY"),
            ("1.299 KWD", 1299, "KWD"),
            ("15.10 USD", 1510, "USD"),
        ];
        for (text, amount, code) in cases {
            assert_eq!(minor(text), Some((amount, code.to_owned())), "from {text}");
        }
    }

    #[test]
    fn what_could_mean_two_amounts_or_none_is_refused() {
        let cases = [
            "1,299 USD",
            "1.299 EUR",
            "1,299 KWD",
            "1.000 JPY",
            "-5.00 USD",
            "-$5.00",
            "15.001 USD",
            "15",
            "fifteen USD",
            "15.00 XYZQ",
            "",
            "1,29,9 USD",
            "1.2.3 USD",
            "15. USD",
            "15.00 USD EUR",
            "15 kr",
            "١٥ USD",
            "99999999999999999999 USD",
            "USD",
            "12 34 USD",
            "1e3 USD",
        ];
        for text in cases {
            assert_eq!(minor(text), None, "accepted {text}");
        }
        let message = parse_price("1,299 USD", None).unwrap_err().to_string();
        assert!(message.contains("1299.00"), "{message}");
    }

    #[test]
    fn the_catalog_currency_settles_what_a_sign_means() {
        let read = |text: &str, code: &str| parse_price(text, Some(code.parse().unwrap())).unwrap().to_string();
        assert_eq!(read("$15.00", "CAD"), "15.00 CAD");
        assert_eq!(read("$15.00", "EUR"), "15.00 USD");
        assert_eq!(read("¥1500", "CNY"), "1500.00 CNY");
        assert_eq!(read("99 kr", "SEK"), "99.00 SEK");
        assert_eq!(read("15", "EUR"), "15.00 EUR");
    }

    proptest! {
        #[test]
        fn every_two_decimal_amount_is_read_in_each_national_style(cents in 0_i64..100_000_000_000) {
            let (whole, fraction) = (cents / 100, cents % 100);
            let digits = whole.to_string();
            let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).unwrap()).collect();
            for (thousands, decimal) in [(",", "."), (".", ","), (" ", ","), ("", ","), ("", "."), ("’", ".")] {
                let text = format!("{}{decimal}{fraction:02} EUR", groups.join(thousands));
                prop_assert_eq!(parse_price(&text, None).map(|m| m.minor), Ok(cents), "from {}", text);
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[-0-9.,' €$A-Zzłkr(]{0,16}|\\PC{0,12}") {
            let _ = parse_price(&text, None);
        }
    }
}
