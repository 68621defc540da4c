//! Bad input: a bad record is left out alone with the right code and line, a bad file is a typed error that names it.

use std::fs;
use std::io::Write;
use std::path::Path;

use kindred::catalog::{CatalogConfig, Feed, FeedError, RejectCode, read_feed};
use proptest::prelude::*;

fn try_read(bytes: impl AsRef<[u8]>) -> Result<Feed, FeedError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("the-feed");
    fs::write(&path, bytes).unwrap();
    read_feed(&path, &CatalogConfig::default(), &mut |_| {})
}

/// Line, code and field of each reject, and the ids of the products.
fn outcome(bytes: impl AsRef<[u8]>) -> (Vec<(u64, RejectCode, String)>, Vec<String>) {
    let feed = try_read(bytes).unwrap();
    let rejects = feed.rejects.iter().map(|reject| (reject.row, reject.code, reject.field.clone())).collect();
    (rejects, feed.products.iter().map(|product| product.id.to_string()).collect())
}

fn assert_outcome(bytes: impl AsRef<[u8]>, rejects: &[(u64, RejectCode, &str)], ids: &[&str]) {
    let (found, products) = outcome(bytes);
    let found: Vec<(u64, RejectCode, &str)> =
        found.iter().map(|(row, code, field)| (*row, *code, field.as_str())).collect();
    assert_eq!(found, rejects);
    assert_eq!(products, ids);
}

#[test]
fn each_fault_is_rejected_alone_with_its_line_field_and_code() {
    let long_id = "x".repeat(129);
    let text = format!(
        "id,title,price,availability\n1,One,1 USD,\n,No id,1 USD,\n2,,1 USD,\n2,Two,\"1,299 USD\",\n2,Two,-1 USD,\n2,Two,1 USD,maybe\n\
         2,Two\n1,Again,1 USD,\n{long_id},Long,1 USD,\n3,<br>,1 USD,\n4,\"Two\nlines\",0 USD,\n5,Five,15,\n6,Six,6 USD,\n"
    );
    let expected = [
        (3, RejectCode::MissingId, "id"),
        (4, RejectCode::MissingTitle, "title"),
        (5, RejectCode::BadPrice, "price"),
        (6, RejectCode::BadPrice, "price"),
        (7, RejectCode::BadAvailability, "availability"),
        (8, RejectCode::WrongColumnCount, "record"),
        (9, RejectCode::DuplicateId, "id"),
        (10, RejectCode::BadId, "id"),
        (11, RejectCode::MissingTitle, "title"),
        (14, RejectCode::BadPrice, "price"),
    ];
    assert_outcome(text, &expected, &["1", "4", "6"]);
}

#[test]
fn a_quote_that_never_ends_costs_one_record() {
    let text =
        "id,title,price\n1,One,1 USD\n2,\"Broken,1 USD\n3,Three,1 USD\n4,\"Four, quoted\",1 USD\n5,\"Fi\nve\",1 USD\n";
    assert_outcome(text, &[(3, RejectCode::UnterminatedQuote, "record")], &["1", "3", "4", "5"]);
    let at_end = "id,title\n1,One\n2,\"Broken\n3,Three\n4,Four\n";
    assert_outcome(at_end, &[(3, RejectCode::UnterminatedQuote, "record")], &["1", "3", "4"]);
}

#[test]
fn bytes_that_are_not_utf_8_cost_one_record() {
    let expected = [(3, RejectCode::InvalidUtf8, "title")];
    assert_outcome(b"id,title\n1,One\n2,Caf\xe9\n3,\xc3\x89\n", &expected, &["1", "3"]);
    let feed = try_read(b"id,title\n1,One\n2,\xff\n").unwrap();
    assert_eq!(feed.rejects[0].id.as_deref(), Some("2"));
    let expected = [(2, RejectCode::InvalidUtf8, "record")];
    assert_outcome(
        b"{\"id\":1,\"title\":\"a\"}\n{\"id\":2,\"title\":\"\xff\"}\n{\"id\":3,\"title\":\"b\"}",
        &expected,
        &["1", "3"],
    );
}

#[test]
fn overlong_values_and_records_are_rejected() {
    let megabyte = "x".repeat(1 << 20);
    let huge = "y".repeat(5 << 20);
    let wide = ",".repeat(10_000) + "x";
    let text = format!(
        "id,title,note\n1,{megabyte},\n2,Two,{megabyte}\n3,{huge},\n4,Four{wide}\n5,Five,\n6,\"Six\n{huge}\",\n7,Seven,\n"
    );
    let expected = [
        (2, RejectCode::FieldTooLong, "title"),
        (3, RejectCode::FieldTooLong, "note"),
        (4, RejectCode::RecordTooLong, "record"),
        (5, RejectCode::WrongColumnCount, "record"),
        (7, RejectCode::UnterminatedQuote, "record"),
        (8, RejectCode::RecordTooLong, "record"),
    ];
    assert_outcome(text, &expected, &["5", "7"]);
}

#[test]
fn control_characters_are_spaces_in_text_and_refused_in_ids() {
    let feed = try_read("id,title\n1,A\0B\n2\0,Two\n3,👩‍👩‍👧 \u{202b}שלום\u{202c}\n").unwrap();
    assert_eq!(feed.products[0].title, "A B");
    assert_eq!(feed.products[1].title, "👩‍👩‍👧 \u{202b}שלום\u{202c}");
    assert_eq!((feed.rejects[0].row, feed.rejects[0].code), (3, RejectCode::BadId));
}

#[test]
fn bad_json_costs_one_line() {
    let deep = format!("{{\"id\":9,\"title\":\"x\",\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!("{{\"id\":9,\"title\":\"x\",\"a\":{}1{}}}", "[".repeat(50), "]".repeat(50));
    let text = format!(
        "{{\"id\":1,\"title\":\"a\"}}\n{{\"id\":2,\n{deep}\n{nested}\n[1]\nnull\n{{\"id\":3,\"title\":\"b\",\"price\":15.001,\"currency\":\"USD\"}}\n\
         {{\"id\":4,\"title\":\"c\",\"price\":1e3,\"currency\":\"USD\"}}\n{{\"id\":5,\"title\":\"d\",\"price\":5,\"currency\":\"Dollar\"}}\n{{\"title\":\"e\"}}\n{{\"id\":\"6\",\"title\":\"f\"}}"
    );
    let expected = [
        (2, RejectCode::BadJson, "record"),
        (3, RejectCode::BadJson, "record"),
        (4, RejectCode::BadJson, "record"),
        (5, RejectCode::BadJson, "record"),
        (6, RejectCode::BadJson, "record"),
        (7, RejectCode::BadPrice, "price"),
        (8, RejectCode::BadPrice, "price"),
        (9, RejectCode::BadPrice, "currency"),
        (10, RejectCode::MissingId, "id"),
    ];
    assert_outcome(text, &expected, &["1", "6"]);
}

#[test]
fn a_record_with_too_many_attributes_is_rejected() {
    let members: String = (0..2_000).map(|n| format!(",\"a{n}\":1")).collect();
    let text = format!("{{\"id\":1,\"title\":\"a\"{members}}}\n{{\"id\":2,\"title\":\"b\"}}\n");
    assert_outcome(text, &[(1, RejectCode::TooManyFields, "record")], &["2"]);
}

#[test]
fn files_that_are_no_feed_are_named_with_what_they_are() {
    let cases: [(&[u8], &str); 12] = [
        (b"", "holds no records"),
        (b"\n \n", "holds no records"),
        (b"id,title\n", "holds no records"),
        (b"%PDF-1.7\nid,title", "PDF"),
        (b"PK\x03\x04....", "ZIP"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\x7fELF\x02\x01\x01\0\0\0", "binary"),
        (b"\xff\xfei\0d\0", "UTF-16"),
        (b"<?xml version='1.0'?><rss/>", "XML"),
        (b"[{\"id\":1}]", "JSON array"),
        (b"name,price\nx,1\n", "no known header"),
        (b"{\"sku\":1}\n", "no known header"),
    ];
    for (bytes, expected) in cases {
        let message = try_read(bytes).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("the-feed"), "{message}");
    }
}

#[test]
fn a_missing_file_and_a_directory_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let read = |path: &Path| read_feed(path, &CatalogConfig::default(), &mut |_| {});
    assert!(matches!(read(directory.path()), Err(FeedError::IsDirectory { path }) if path == directory.path()));
    let missing = directory.path().join("none.csv");
    assert!(matches!(read(&missing), Err(FeedError::Open { path, .. }) if path == missing));
}

#[test]
fn truncated_and_damaged_compressed_feeds_are_refused_at_every_length() {
    let rows: String = (0..3_000).map(|n| format!("{n},Product number {n}\n")).collect();
    let text = format!("id,title\n{rows}");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    for whole in [gzip.finish().unwrap(), zstd::encode_all(text.as_bytes(), 3).unwrap()] {
        for share in 1..20 {
            let error = try_read(&whole[..whole.len() * share / 20]).unwrap_err();
            assert!(matches!(&error, FeedError::Decompress { .. }), "{error}");
        }
        assert_eq!(try_read(&whole).unwrap().products.len(), 3_000);
    }
}

#[test]
fn a_currency_is_asked_for_where_the_file_cannot_name_one() {
    let shopify = "Handle,Title,Variant Price\nmug,Mug,5.00\n";
    assert!(matches!(try_read(shopify), Err(FeedError::CurrencyRequired { .. })));
    assert!(matches!(try_read("ITEM_ID,PRICE,TITLE\n1,5,Mug\n"), Err(FeedError::CurrencyRequired { .. })));
    assert_eq!(try_read("ITEM_ID,TITLE\n1,Mug\n").unwrap().products.len(), 1);
    let config = CatalogConfig { currency: Some("EURO".into()), ..CatalogConfig::default() };
    assert!(matches!(read_feed(Path::new("x"), &config, &mut |_| {}), Err(FeedError::UnknownCurrency { .. })));
}

#[test]
fn a_header_of_ten_thousand_columns_is_refused() {
    let header = (0..10_000).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",");
    let error = try_read(format!("id,title,{header}\n1,One\n")).unwrap_err();
    assert!(matches!(error, FeedError::TooManyColumns { num_columns: 10_002, .. }), "{error}");
}

#[test]
fn the_share_of_rejects_is_checked_against_the_setting() {
    let rows: String = (0..95).map(|n| format!("{n},T,1 USD\n")).collect();
    let text = format!("id,title,price\n{rows}a,,1 USD\nb,T,x\nc,T,x\nd,T,x\n,T,1 USD\n");
    let feed = try_read(&text).unwrap();
    assert!(feed.check_reject_share(0.05).is_ok());
    match feed.check_reject_share(0.049) {
        Err(FeedError::TooManyRejects {
            num_rejects: 5, num_records: 100, code, num_with_code: 3, first_row, ..
        }) => {
            assert_eq!((code, first_row), (RejectCode::BadPrice, 98));
        }
        other => panic!("{other:?}"),
    }
    assert!(try_read("id,title\n1,One\n").unwrap().check_reject_share(0.0).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_make_reading_panic(
        header in prop::sample::select(vec![
            "id,title,price\n", "id\ttitle\tproduct_detail\trelated_product\n", "Handle,Title,Option1 Value,Variant Price\n", "ITEM_ID,PRODUCT_DESCRIPTION\n", "{\"id\":1,\"title\":\"x\"}\n", "",
        ]),
        body in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20), "[a-z0-9,\t\"\n:|<>&; ]{0,20}".prop_map(String::into_bytes), "\\{\"id\":[0-9\"\\[{]{0,4}.{0,8}\\}\n".prop_map(String::into_bytes),
        ], 0..20),
    ) {
        let bytes: Vec<u8> = header.bytes().chain(body.into_iter().flatten()).collect();
        if let Ok(feed) = try_read(&bytes) {
            prop_assert!(feed.products.len() + feed.rejects.len() <= feed.num_rows as usize);
        }
    }

    #[test]
    fn good_records_survive_whatever_stands_between_them(junk in prop::collection::vec("[a-z\"']{0,12}", 1..6)) {
        // Unquoted good records: no junk line with a stray quote may take them along. Junk has no comma, so that two stray quotes
        // cannot make a whole record of what stands between them.
        let text: String = junk.iter().enumerate().map(|(n, junk)| format!("{junk}\ngood-{n},Title {n},1 USD,x,y,z\n")).collect();
        let (_, ids) = outcome(format!("id,title,price,a,b,c\nfirst,First,1 USD,x,y,z\n{text}last,Last,1 USD,x,y,z\n"));
        let survived = (0..junk.len()).filter(|n| ids.contains(&format!("good-{n}"))).count();
        prop_assert_eq!(survived, junk.len());
    }
}
