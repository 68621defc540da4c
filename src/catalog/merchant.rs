//! Merchant Center records, from delimited files and from JSON Lines with the same names.

use super::delimited::Row;
use super::draft::{Draft, RelatedDraft};
use super::header::canonical_name;
use super::json::{Json, Object};

/// Names under which other exports of the same data carry a canonical field.
const ALIASES: [(&str, &str); 8] = [
    ("offer_id", "id"),
    ("product_types", "product_type"),
    ("additional_image_links", "additional_image_link"),
    ("product_details", "product_detail"),
    ("related_products", "related_product"),
    ("gtins", "gtin"),
    ("currency_code", "currency"),
    ("cost", "cost_of_goods_sold"),
];

const PRICES: [&str; 3] = ["price", "sale_price", "cost_of_goods_sold"];

/// Micros are millionths of the currency's main unit.
const MICROS_DIGITS: usize = 6;

/// A draft from a record of a delimited feed; `columns` are canonical names.
pub(super) fn from_row(columns: &[String], row: Row) -> Draft {
    let mut draft = Draft::new(row.line);
    for (column, cell) in columns.iter().zip(row.cells) {
        add_text(&mut draft, column, cell);
    }
    draft
}

/// A draft from a JSON record.
pub(super) fn from_object(row: u64, object: &Object) -> Draft {
    let mut draft = Draft::new(row);
    for (name, value) in object {
        add_json(&mut draft, &canonical_name(name), value);
    }
    draft
}

fn add_text(draft: &mut Draft, column: &str, cell: String) {
    match unaliased(column) {
        "additional_image_link" => list_entries(&cell).for_each(|link| draft.add("additional_image_link", link)),
        "product_detail" => {
            for (parts, value) in labelled_entries(&cell) {
                let name = parts.last().copied().unwrap_or_default();
                draft.details.push((name.to_owned(), value));
            }
        }
        "related_product" => {
            for (parts, identifier) in labelled_entries(&cell) {
                let part = |index: usize| parts.get(index).copied().unwrap_or_default().trim().to_owned();
                draft.related.push(RelatedDraft { relationship: part(0), identifier_type: part(1), identifier });
            }
        }
        name => draft.add(name, cell),
    }
}

fn add_json(draft: &mut Draft, column: &str, value: &Json) {
    match unaliased(column) {
        name if PRICES.contains(&name) => draft.add(name, price_text(value)),
        "product_type" if is_list_of_lists(value) => draft.categories.extend(value.items().iter().map(Json::texts)),
        "google_product_category" if matches!(value, Json::List(_)) => draft.google_category = value.texts(),
        "product_detail" => value.items().iter().for_each(|item| add_detail(draft, item)),
        "related_product" => value.items().iter().for_each(|item| add_related(draft, item)),
        "attributes" if value.as_object().is_some() => {
            for (name, value) in value.as_object().into_iter().flatten() {
                add_nested(draft, &canonical_name(name), value);
            }
        }
        name => add_nested(draft, name, value),
    }
}

/// An object's members become fields `name_member`; lists become several values.
pub(super) fn add_nested(draft: &mut Draft, name: &str, value: &Json) {
    for item in value.items() {
        match item {
            Json::Object(members) => {
                for (member, value) in members {
                    add_nested(draft, &format!("{name}_{}", canonical_name(member)), value);
                }
            }
            other => other.texts().into_iter().for_each(|text| draft.add(name, text)),
        }
    }
}

fn add_detail(draft: &mut Draft, item: &Json) {
    if item.as_object().is_none() {
        return item.texts().into_iter().for_each(|text| add_text(draft, "product_detail", text));
    }
    let name = either(item, "attribute_name", "attributeName");
    let values = [item.member("attribute_value"), item.member("attributeValue")].into_iter().flat_map(Json::texts);
    draft.details.extend(values.map(|value| (name.clone(), value)));
}

fn add_related(draft: &mut Draft, item: &Json) {
    if item.as_object().is_none() {
        return item.texts().into_iter().for_each(|text| add_text(draft, "related_product", text));
    }
    let relationship = [either(item, "relationship_type", "relationshipType"), item.member("relationship").text()];
    draft.related.push(RelatedDraft {
        relationship: relationship.into_iter().find(|text| !text.is_empty()).unwrap_or_default(),
        identifier_type: either(item, "identifier_type", "identifierType"),
        identifier: either(item, "identifier", "id"),
    });
}

/// `15.00 USD` from a text, a number, or an object of a value (or micros) and a currency.
pub(super) fn price_text(value: &Json) -> String {
    if value.as_object().is_none() {
        return value.price_text();
    }
    let amounts = ["value", "amount"].map(|name| value.member(name).price_text());
    let micros = [micros_to_units(&either(value, "amount_micros", "amountMicros"))];
    let amount = amounts.into_iter().chain(micros).find(|text| !text.is_empty()).unwrap_or_default();
    let currencies = [value.member("currency").text(), either(value, "currency_code", "currencyCode")];
    let currency = currencies.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    format!("{amount} {currency}").trim().to_owned()
}

fn micros_to_units(micros: &str) -> String {
    if micros.is_empty() || !micros.bytes().all(|b| b.is_ascii_digit()) {
        return micros.to_owned();
    }
    let padded = format!("{micros:0>width$}", width = MICROS_DIGITS + 1);
    let (units, fraction) = padded.split_at(padded.len() - MICROS_DIGITS);
    format!("{units}.{}", &fraction)
}

fn either(object: &Json, name: &str, other: &str) -> String {
    let text = object.member(name).text();
    if text.is_empty() { object.member(other).text() } else { text }
}

fn is_list_of_lists(value: &Json) -> bool {
    value.items().iter().any(|item| matches!(item, Json::List(_)))
}

fn unaliased(column: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == column).map_or(column, |(_, name)| name)
}

fn list_entries(cell: &str) -> impl Iterator<Item = String> + '_ {
    cell.split(',').map(|entry| entry.trim().to_owned()).filter(|entry| !entry.is_empty())
}

/// The entries of `a:b:value,c:d:value`: up to two labels and the value.
///
/// A comma followed by a part without a colon belongs to the value before it: `General:Size:1,5 m` is one entry.
fn labelled_entries(cell: &str) -> Vec<(Vec<&str>, String)> {
    let mut entries: Vec<(Vec<&str>, String)> = Vec::new();
    for piece in cell.split(',') {
        let mut parts: Vec<&str> = piece.trim_matches(['"', ' ']).splitn(3, ':').map(str::trim).collect();
        let value = parts.pop().unwrap_or_default();
        match entries.last_mut() {
            Some((_, previous)) if parts.is_empty() => *previous = format!("{previous},{piece}"),
            _ if value.is_empty() && parts.is_empty() => {}
            _ => entries.push((parts, value.to_owned())),
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labelled_lists_are_split_at_entries_and_not_inside_values() {
        let entries = labelled_entries("General:Size:1,5 m, Screen:Ratio:16:9,accessory:p1");
        let expected =
            [(vec!["General", "Size"], "1,5 m"), (vec!["Screen", "Ratio"], "16:9"), (vec!["accessory"], "p1")];
        assert_eq!(entries, expected.map(|(labels, value)| (labels, value.to_owned())));
    }

    #[test]
    fn micros_are_moved_by_six_digits() {
        for (micros, units) in [("15990000", "15.990000"), ("1", "0.000001"), ("0", "0.000000"), ("x", "x"), ("", "")] {
            assert_eq!(micros_to_units(micros), units);
        }
    }
}
