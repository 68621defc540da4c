//! Records that come singly, over HTTP or in a file of changes: products, changes of offers, and ids.
//!
//! A product is read as a feed's JSON record is, by the same code. A bad record is a [`RecordFault`] and never stops the others.

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::delimited::CellParser;
use super::draft::{Fault, Reading, parse_availability};
use super::error::FeedError;
use super::header::canonical_name;
use super::json::{Json, Object, parse};
use super::merchant;
use super::money::{Currency, Money};
use super::offer::{LABELS, OfferPatch};
use super::price::parse_price;
use super::product::{Product, ProductId};
use super::reject::RejectCode;
use super::settings::CatalogConfig;
use super::text::plain_text;

/// How records stand in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordForm {
    /// One JSON value, or a list of them.
    Json,
    /// One JSON value a line.
    JsonLines,
    /// Comma-separated cells below a line of field names; an empty cell says nothing, `null` is JSON's.
    Csv,
}

/// One record, not yet understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record(Json);

/// Why a record cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFault {
    /// The record's id, where it could be read.
    pub id: Option<String>,
    /// The field at fault; `record` where it is the whole record.
    pub field: String,
    /// The kind of fault.
    pub code: RejectCode,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl RecordFault {
    /// A fault in `field`.
    pub fn new(id: Option<String>, field: &str, code: RejectCode, message: impl Into<String>) -> Self {
        Self { id, field: field.to_owned(), code, message: message.into() }
    }
}

/// Splits `text` into its records, each of which may be bad by itself.
///
/// Returns an error in words if the text as a whole cannot be split.
pub fn split_records(text: &str, form: RecordForm) -> Result<Vec<Result<Record, RecordFault>>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let record = |json: &str| parse(json).map(Record).map_err(bad_json);
    match form {
        RecordForm::JsonLines => Ok(text.lines().filter(|line| !line.trim().is_empty()).map(record).collect()),
        RecordForm::Csv => split_csv(text),
        RecordForm::Json if text.trim_start().starts_with('[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| error.to_string())?;
            Ok(items.into_iter().map(|item| record(item.get())).collect())
        }
        RecordForm::Json => {
            let item: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
            Ok(vec![record(item.get())])
        }
    }
}

fn bad_json(message: String) -> RecordFault {
    RecordFault::new(None, "record", RejectCode::BadJson, message)
}

fn split_csv(text: &str) -> Result<Vec<Result<Record, RecordFault>>, String> {
    let mut parser = CellParser::new(b',');
    let mut cells = |line: &str| -> Vec<String> {
        let cells = parser.cells(format!("{line}\n").as_bytes()).into_iter();
        cells.map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect()
    };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let names = cells(lines.next().unwrap_or_default());
    if !names.iter().any(|name| canonical_name(name) == "id") {
        return Err("the first line names no column `id`".to_owned());
    }
    let record = |line: &str| {
        let values = cells(line);
        if values.len() != names.len() {
            let message = format!("the line has {} cells, the first line {}", values.len(), names.len());
            return Err(RecordFault::new(None, "record", RejectCode::WrongColumnCount, message));
        }
        let value = |text: String| if text == "null" { Json::Null } else { Json::Text(text) };
        let filled = names.iter().cloned().zip(values).filter(|(_, text)| !text.is_empty());
        Ok(Record(Json::Object(filled.map(|(name, text)| (name, value(text))).collect())))
    };
    Ok(lines.map(record).collect())
}

/// Reads records with the settings of one catalog, at one moment.
///
/// ```
/// use kindred::catalog::{CatalogConfig, RecordForm, RecordReader, split_records};
///
/// let config = CatalogConfig::default();
/// let reader = RecordReader::new(&config, jiff::Timestamp::now()).unwrap();
/// let records = split_records(r#"{"id": "SKU-1", "price": "9.50 EUR"}"#, RecordForm::Json).unwrap();
/// let (id, patch) = reader.patch(records[0].as_ref().unwrap()).unwrap();
/// assert_eq!((id.as_str(), patch.price.unwrap().to_string()), ("SKU-1", "9.50 EUR".to_owned()));
/// ```
pub struct RecordReader<'a> {
    config: &'a CatalogConfig,
    currency: Option<Currency>,
    now: Timestamp,
}

impl<'a> RecordReader<'a> {
    /// Reads as of `now`: a sale price outside its period is dropped.
    ///
    /// Returns an error if the settings name an unknown currency.
    pub fn new(config: &'a CatalogConfig, now: Timestamp) -> Result<Self, FeedError> {
        let currency = config.currency.as_deref();
        let currency =
            currency.map(|code| code.parse().map_err(|_| FeedError::UnknownCurrency { code: code.to_owned() }));
        Ok(Self { config, currency: currency.transpose()?, now })
    }

    /// The record as a product, read as a record of a Merchant Center JSON Lines feed. Related products that are named by their
    /// GTIN are left to the next feed.
    ///
    /// Returns the fault if a build would reject the record.
    pub fn product(&self, record: &Record) -> Result<Product, RecordFault> {
        let draft = merchant::from_object(0, record.object()?);
        let id = draft.id();
        let reading = Reading { config: self.config, currency: self.currency, now: Some(self.now) };
        let built = draft.build(&reading);
        built.map(|built| built.product).map_err(|fault| with_id(id, fault))
    }

    /// The record as a product's id and a change of its offer: `price`, `sale_price`, `availability`, `custom_label_0` to `_4`;
    /// `null` takes a sale price or a label away.
    ///
    /// Returns the fault if a field is unknown or wrong, or nothing is to be changed.
    pub fn patch(&self, record: &Record) -> Result<(ProductId, OfferPatch), RecordFault> {
        let object = record.object()?;
        let id = record.id()?;
        let mut patch = OfferPatch::default();
        for (name, value) in object {
            self.set(&mut patch, &canonical_name(name), value).map_err(|fault| with_id(Some(id.to_string()), fault))?;
        }
        if patch.is_empty() {
            let message = "name at least one of price, sale_price, availability and custom_label_0 to custom_label_4";
            return Err(RecordFault::new(Some(id.into()), "record", RejectCode::NoChange, message));
        }
        Ok((id, patch))
    }

    fn set(&self, patch: &mut OfferPatch, name: &str, value: &Json) -> Result<(), Fault> {
        match name {
            "id" => {}
            "price" => patch.price = Some(self.price(name, value)?),
            "sale_price" if *value == Json::Null => patch.sale_price = Some(None),
            "sale_price" => patch.sale_price = Some(Some(self.price(name, value)?)),
            "availability" => patch.availability = Some(parse_availability(&value.text())?),
            name => {
                let place = LABELS.iter().position(|label| *label == name);
                let Some(place) = place.and_then(|place| u8::try_from(place).ok()) else {
                    return Err(unknown_field(name));
                };
                patch.labels.insert(place, self.label(name, value)?);
            }
        }
        Ok(())
    }

    fn price(&self, name: &str, value: &Json) -> Result<Money, Fault> {
        let price = parse_price(&merchant::price_text(value), self.currency);
        price.map_err(|error| fault(name, RejectCode::BadPrice, error.to_string()))
    }

    fn label(&self, name: &str, value: &Json) -> Result<Vec<String>, Fault> {
        let values: Vec<String> = value.texts().iter().map(|text| plain_text(text)).collect();
        let max_bytes = self.config.max_field_bytes;
        match values.iter().find(|value| value.len() > max_bytes) {
            Some(value) => {
                let message = format!("the value has {} bytes, at most {max_bytes} are allowed", value.len());
                Err(fault(name, RejectCode::FieldTooLong, message))
            }
            None => Ok(values.into_iter().filter(|value| !value.is_empty()).collect()),
        }
    }
}

impl Record {
    /// The record's product id: of an object its `id`, else the value itself.
    ///
    /// Returns the fault if there is none or it is no product id.
    pub fn id(&self) -> Result<ProductId, RecordFault> {
        let text = match &self.0 {
            Json::Object(members) => {
                members.iter().find(|(name, _)| canonical_name(name) == "id").map(|(_, id)| id.text())
            }
            value => Some(value.text()),
        };
        let text = text.unwrap_or_default();
        let text = text.trim();
        ProductId::new(text).map_err(|error| match text {
            "" => RecordFault::new(None, "id", RejectCode::MissingId, "the record has no id; give it one"),
            _ => RecordFault::new(Some(text.chars().take(200).collect()), "id", RejectCode::BadId, error.to_string()),
        })
    }

    fn object(&self) -> Result<&Object, RecordFault> {
        self.0.as_object().ok_or_else(|| bad_json("the record is no JSON object; write one object a record".to_owned()))
    }
}

fn with_id(id: Option<String>, Fault { field, code, message }: Fault) -> RecordFault {
    RecordFault { id, field, code, message }
}

fn fault(field: &str, code: RejectCode, message: String) -> Fault {
    Fault { field: field.to_owned(), code, message }
}

fn unknown_field(name: &str) -> Fault {
    let name: String = name.chars().take(60).collect();
    let message = "price, sale_price, availability and custom_label_0 to custom_label_4 can be changed; send the whole product to \
                   change another field";
    fault(&name, RejectCode::UnknownField, message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Availability;
    use proptest::prelude::*;

    fn reader(config: &CatalogConfig) -> RecordReader<'_> {
        RecordReader::new(config, "2026-11-21T00:00:00Z".parse().unwrap()).unwrap()
    }

    fn patches(text: &str, form: RecordForm) -> Vec<Result<(ProductId, OfferPatch), RecordFault>> {
        let config = CatalogConfig { currency: Some("EUR".into()), ..CatalogConfig::default() };
        let records = split_records(text, form).unwrap();
        records.into_iter().map(|record| reader(&config).patch(&record?)).collect()
    }

    #[test]
    fn the_same_patches_are_read_from_every_form() {
        let json = r#"[{"id": 7, "price": 12.50, "availability": "out of stock"}, {"id": "a/b", "sale_price": null, "custom_label_2": "x"}]"#;
        let lines = "{\"id\":\"7\",\"price\":\"12.50 EUR\",\"availability\":\"out_of_stock\"}\n\n{\"id\":\"a/b\",\"sale_price\":null,\"Custom Label 2\":[\"x\"]}";
        let csv = "id,price,availability,sale_price,custom_label_2\n7,12.50,out_of_stock,,\n\"a/b\",,,null,x\n";
        let expected = patches(json, RecordForm::Json);
        let (id, first) = expected[0].clone().unwrap();
        assert_eq!(
            (id.as_str(), first.price.unwrap().minor, first.availability),
            ("7", 1250, Some(Availability::OutOfStock))
        );
        assert_eq!(expected[1].clone().unwrap().1.sale_price, Some(None));
        assert_eq!(patches(lines, RecordForm::JsonLines), expected);
        assert_eq!(patches(csv, RecordForm::Csv), expected);
    }

    #[test]
    fn a_bad_record_names_its_field_and_leaves_the_others() {
        let text = r#"[{"id":"1","price":"-5 EUR"},{"price":5},{"id":"2","title":"t"},{"id":"3"},{"id":"4","availability":"soon"},5,
            {"id":"5","price":null},{"id":"6","price":1}]"#;
        let faults: Vec<_> =
            patches(text, RecordForm::Json).into_iter().map(|patch| patch.map_err(|f| (f.field, f.code))).collect();
        let codes = [
            Some(("price", RejectCode::BadPrice)),
            Some(("id", RejectCode::MissingId)),
            Some(("title", RejectCode::UnknownField)),
            Some(("record", RejectCode::NoChange)),
            Some(("availability", RejectCode::BadAvailability)),
            Some(("record", RejectCode::BadJson)),
            Some(("price", RejectCode::BadPrice)),
            None,
        ];
        for (found, code) in faults.iter().zip(codes) {
            assert_eq!(found.as_ref().err().map(|(field, code)| (field.as_str(), *code)), code);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_split_without_panic(text in "\\PC{0,60}", json in any::<bool>()) {
            for form in [if json { RecordForm::Json } else { RecordForm::JsonLines }, RecordForm::Csv] {
                let config = CatalogConfig::default();
                for record in split_records(&text, form).into_iter().flatten().flatten() {
                    let _ = (reader(&config).patch(&record), reader(&config).product(&record), record.id());
                }
            }
        }
    }
}
