//! `?name=value&…`, strictly: every name known, none twice, all of it percent-encoded UTF-8.

use std::ops::RangeInclusive;

use super::problem::{Code, Problem};

/// The parameters of one request.
#[derive(Debug, Default)]
pub(super) struct QueryString(Vec<(String, String)>);

impl QueryString {
    /// Reads what follows the `?`, if anything does.
    ///
    /// Returns an error at a name that is not in `known` or comes twice, and at broken percent-encoding.
    pub(super) fn parse(raw: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in raw.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = decode(name).ok_or_else(|| broken("query string", name))?;
            let value = decode(value).ok_or_else(|| broken(&name, value))?;
            if !known.contains(&name.as_str()) {
                let names = known.join(", ");
                return Err(
                    Problem::field(Code::UnknownField, name, "there is no such parameter").hint(format!("use {names}"))
                );
            }
            if pairs.iter().any(|(earlier, _)| *earlier == name) {
                return Err(
                    Problem::field(Code::InvalidField, name, "it is given twice").hint("give each parameter once")
                );
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// The parameter's value; `None` when it is not given.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The parameter's value; an error when it is missing or empty.
    pub(super) fn required(&self, name: &str) -> Result<&str, Problem> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            Problem::field(Code::InvalidField, name, "it is missing or empty")
                .hint(format!("add `?{name}=…` to the address"))
        })
    }

    /// The parameter as a whole number; `default` when it is not given, an error when it is outside `range`.
    pub(super) fn number(&self, name: &str, range: RangeInclusive<usize>, default: usize) -> Result<usize, Problem> {
        let Some(text) = self.get(name) else { return Ok(default) };
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let message = format!("`{text}` is not a whole number between {} and {}", range.start(), range.end());
            Problem::field(Code::InvalidField, name, message)
        })
    }
}

fn broken(name: &str, text: &str) -> Problem {
    Problem::field(Code::InvalidAddress, name, format!("`{text}` is not percent-encoded UTF-8"))
}

/// `+` is a space and `%41` a byte; `None` when an escape is cut short or the bytes are no UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (high, low) = (digit(*rest.first()?)?, digit(*rest.get(1)?)?);
                bytes.push(high << 4 | low);
                rest = &rest[2..];
            }
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).ok()
}

/// The value of a hexadecimal digit, 0 to 15.
fn digit(letter: u8) -> Option<u8> {
    char::from(letter).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_found_by_name() {
        let query =
            QueryString::parse(Some("q=caf%C3%A9+cr%C3%A8me&&id=a%2Fb%26c=d&limit=7"), &["q", "id", "limit"]).unwrap();
        assert_eq!((query.get("q"), query.get("id"), query.get("none")), (Some("café crème"), Some("a/b&c=d"), None));
        assert_eq!(query.number("limit", 1..=10, 4).unwrap(), 7);
        assert_eq!(QueryString::parse(None, &[]).unwrap().number("limit", 1..=10, 4).unwrap(), 4);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = ["q=%ff", "q=%4", "q=%zz", "x=1", "q=1&q=2", "%ff=1"];
        for raw in cases {
            assert!(QueryString::parse(Some(raw), &["q"]).is_err(), "{raw}");
        }
        for limit in ["0", "11", "-1", "1e3", "NaN", "99999999999999999999999", ""] {
            let query = QueryString::parse(Some(&format!("limit={limit}")), &["limit"]).unwrap();
            assert!(query.number("limit", 1..=10, 4).is_err(), "{limit}");
        }
        assert!(QueryString::parse(Some("q="), &["q"]).unwrap().required("q").is_err());
    }
}
