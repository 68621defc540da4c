//! What a feed's first line tells: delimiter, column names and dialect.

use std::collections::HashSet;

use super::delimited::CellParser;
use super::feed::Dialect;
use super::json::{Json, Object};

/// Delimiters that are tried; of two that fit equally well the first is taken.
pub(super) const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// A delimited feed's header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) delimiter: u8,
    pub(super) dialect: Dialect,
    /// Canonical names; several columns may share one.
    pub(super) columns: Vec<String>,
}

/// Reads the header line; `None` when no delimiter gives a known set of columns.
pub(super) fn read_header(line: &[u8]) -> Option<Header> {
    let candidates = DELIMITERS.iter().rev().filter_map(|delimiter| {
        let cells = header_cells(line, *delimiter)?;
        let dialect = dialect_of_columns(&cells, *delimiter)?;
        let columns = cells.iter().map(|cell| canonical_name(cell)).collect();
        Some(Header { delimiter: *delimiter, dialect, columns })
    });
    candidates.max_by_key(|header| header.columns.len())
}

/// The first names of a header that is not known, for the error.
pub(super) fn first_names(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(120)]);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// The cells of a header, without empty ones at its end; `None` when one is not UTF-8.
pub(super) fn header_cells(line: &[u8], delimiter: u8) -> Option<Vec<String>> {
    let mut parser = CellParser::new(delimiter);
    let mut cells: Vec<String> = parser
        .cells(line)
        .into_iter()
        .map(|cell| std::str::from_utf8(cell).ok().map(|c| c.trim().to_owned()))
        .collect::<Option<_>>()?;
    while cells.last().is_some_and(String::is_empty) {
        cells.pop();
    }
    Some(cells)
}

fn dialect_of_columns(cells: &[String], delimiter: u8) -> Option<Dialect> {
    let names: HashSet<String> = cells.iter().map(|cell| canonical_name(cell)).collect();
    let has = |name: &str| names.contains(name);
    let has_variants = ["variant_price", "variant_sku", "option1_name", "option1_value"].into_iter().any(has);
    if (has("handle") || has("url_handle")) && has_variants {
        Some(Dialect::Shopify)
    } else if has("item_id") && !has("id") {
        Some(Dialect::Personalize)
    } else if has("id") && has("title") {
        Some(if delimiter == b'\t' { Dialect::MerchantTsv } else { Dialect::MerchantCsv })
    } else {
        None
    }
}

/// The dialect of a JSON record by its members; `None` when it is no product record.
pub(super) fn dialect_of_object(object: &Object) -> Option<Dialect> {
    let has = |name: &str| object.contains_key(name);
    let is_retail_only =
        ["priceInfo", "primaryProductId", "colorInfo", "fulfillmentInfo", "languageCode"].into_iter().any(has);
    let is_list = |name: &str| matches!(object.get(name), Some(Json::List(_)));
    let has_retail_lists = (is_list("categories") || is_list("brands")) && !has("product_type");
    let names: HashSet<String> = object.keys().map(|name| canonical_name(name)).collect();
    if !names.contains("id") && !names.contains("title") {
        None
    } else if is_retail_only || has_retail_lists {
        Some(Dialect::RetailJsonl)
    } else {
        Some(Dialect::MerchantJsonl)
    }
}

/// A column's name in snake_case: `Image Link`, `imageLink` and `g:image_link` are all `image_link`.
///
/// What stands in brackets after a name is a note on its parts and is left out.
pub(super) fn canonical_name(name: &str) -> String {
    let name = name.trim();
    let name = name.strip_prefix("g:").unwrap_or(name);
    let name = name.split_once('(').map_or(name, |(head, _)| if head.trim().is_empty() { name } else { head });
    let mut canonical = String::with_capacity(name.len() + 4);
    let mut previous = ' ';
    for c in name.chars() {
        let is_word_start = c.is_uppercase() && (previous.is_lowercase() || previous.is_ascii_digit());
        if (is_word_start || !c.is_alphanumeric()) && !canonical.is_empty() && !canonical.ends_with('_') {
            canonical.push('_');
        }
        if c.is_alphanumeric() {
            canonical.extend(c.to_lowercase());
        }
        previous = c;
    }
    canonical.truncate(canonical.trim_end_matches('_').len());
    canonical
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_one_meaning_become_one_name() {
        let cases = [
            ("Image Link", "image_link"),
            ("product type", "product_type"),
            ("itemGroupId", "item_group_id"),
            ("g:price", "price"),
            ("ITEM_ID", "item_id"),
            ("custom label 0", "custom_label_0"),
            ("Body (HTML)", "body"),
            ("Google Shopping / MPN", "google_shopping_mpn"),
            ("product_detail(section_name:attribute_name:attribute_value)", "product_detail"),
            ("CATEGORY_L1", "category_l1"),
            ("Größe", "größe"),
            ("  Option1 Name ", "option1_name"),
            ("", ""),
        ];
        for (name, expected) in cases {
            assert_eq!(canonical_name(name), expected, "from {name:?}");
        }
    }

    #[test]
    fn the_delimiter_that_gives_a_known_header_is_found() {
        for delimiter in DELIMITERS {
            let line = ["id", "\"title\"", "price"].join(&char::from(delimiter).to_string()) + "\r\n";
            let header = read_header(line.as_bytes()).unwrap();
            assert_eq!((header.delimiter, header.columns.len()), (delimiter, 3), "from {line}");
        }
        assert_eq!(read_header(b"name,price\n"), None);
        assert_eq!(read_header(b"\xff\xfe,title\n"), None);
    }

    proptest! {
        #[test]
        fn a_canonical_name_stays_as_it_is(name in "[ -~äÖß日]{0,24}") {
            let once = canonical_name(&name);
            prop_assert_eq!(canonical_name(&once), once);
        }
    }
}
