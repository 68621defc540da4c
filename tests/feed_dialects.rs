//! Small feeds of six dialects, each compared with a hand-written list of its products.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use kindred::catalog::{
    CatalogConfig, Compression, Dialect, Feed, FeedProgress, Product, RejectCode, TextTemplate, WarningCode, read_feed,
    read_feed_at,
};
use proptest::prelude::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/feeds").join(name)
}

fn euro() -> CatalogConfig {
    CatalogConfig { currency: Some("EUR".into()), ..CatalogConfig::default() }
}

fn read(path: &Path) -> Feed {
    read_feed(path, &euro(), &mut |_| {}).unwrap()
}

fn read_text(text: impl AsRef<[u8]>) -> Feed {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("feed");
    fs::write(&path, text).unwrap();
    read(&path)
}

/// The products agree with the expectation beside the feed, member by member.
fn assert_expected(feed: &Feed, name: &str) {
    let expected: serde_json::Value = serde_json::from_str(&fs::read_to_string(fixture(name)).unwrap()).unwrap();
    let found = serde_json::to_value(&feed.products).unwrap();
    let expected = expected.as_array().unwrap();
    for (found, expected) in found.as_array().unwrap().iter().zip(expected) {
        assert_eq!(found, expected, "in {name}");
    }
    assert_eq!(feed.products.len(), expected.len(), "in {name}: {:?}", feed.rejects);
}

#[test]
fn each_dialect_is_found_and_gives_the_expected_products() {
    let cases = [
        ("giftshop.csv", Dialect::MerchantCsv, 3),
        ("garden.tsv", Dialect::MerchantTsv, 3),
        ("books.jsonl", Dialect::MerchantJsonl, 4),
        ("fashion.csv", Dialect::Shopify, 8),
        ("phones.jsonl", Dialect::RetailJsonl, 2),
        ("grocery.csv", Dialect::Personalize, 2),
    ];
    for (name, dialect, num_rows) in cases {
        let feed = read(&fixture(name));
        let stem = name.split('.').next().unwrap();
        assert_expected(&feed, &format!("{stem}.expected.json"));
        assert_eq!(
            (feed.dialect, feed.num_rows, feed.compression),
            (dialect, num_rows, Compression::None),
            "in {name}"
        );
    }
}

#[test]
fn drafts_archived_and_unpublished_rows_are_skipped_and_counted() {
    let feed = read(&fixture("fashion.csv"));
    assert_eq!((feed.num_skipped, feed.rejects.len()), (3, 0));
}

#[test]
fn compression_is_found_by_content_whatever_the_name() {
    let plain = fs::read(fixture("giftshop.csv")).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&plain[..40]).unwrap();
    let mut gzip = gzip.finish().unwrap();
    let mut second = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    second.write_all(&plain[40..]).unwrap();
    gzip.extend(second.finish().unwrap());
    let zstd = zstd::encode_all(plain.as_slice(), 3).unwrap();
    for (bytes, compression) in [(gzip, Compression::Gzip), (zstd, Compression::Zstd), (plain, Compression::None)] {
        let feed = read_text(bytes);
        assert_eq!(feed.compression, compression);
        assert_expected(&feed, "giftshop.expected.json");
    }
}

#[test]
fn a_missing_option_value_or_sku_never_merges_two_variants() {
    let text = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price\n\
                mug,Mug,Size,Small,,5.00\nmug,,,Large,,6.00\nmug,,,Large,,7.00\n";
    let feed = read_text(text);
    let ids: Vec<&str> = feed.products.iter().map(|product| product.id.as_str()).collect();
    assert_eq!(ids, ["mug/Small", "mug/Large"]);
    assert_eq!((feed.rejects[0].row, feed.rejects[0].code), (4, RejectCode::DuplicateId));
}

#[test]
fn the_newer_shopify_names_mean_the_same() {
    let text = "Title,URL handle,Description,Status,SKU,Option1 name,Option1 value,Price,Compare-at price,Inventory tracker,\
                Inventory quantity,Continue selling when out of stock,Product image URL\n\
                Mug,mug,Blue.,Active,M1,Size,Small,5.00,6.00,shopify,0,TRUE,https://cdn.example/m.jpg\n";
    let expected = serde_json::json!({"id": "M1", "title": "Mug - Small", "description": "Blue.", "item_group_id": "mug",
        "availability": "backorder", "price": "6.00 EUR", "sale_price": "5.00 EUR", "image_link": "https://cdn.example/m.jpg",
        "attributes": {"size": ["Small"]}});
    assert_eq!(serde_json::to_value(&read_text(text).products[0]).unwrap(), expected);
}

#[test]
fn a_sale_price_holds_only_in_its_period_when_a_clock_is_given() {
    let price = |now: &str| {
        let feed = read_feed_at(&fixture("phones.jsonl"), &euro(), now.parse().unwrap(), &mut |_| {}).unwrap();
        feed.products[0].effective_price().unwrap().to_string()
    };
    assert_eq!(price("2026-11-20T12:00:00Z"), "799.10 USD");
    assert_eq!(price("2026-12-01T00:00:00Z"), "859.99 USD");
    assert_eq!(price("2026-10-31T23:59:59Z"), "859.99 USD");
}

#[test]
fn oddities_are_warned_of_and_the_product_is_kept() {
    let text = "id,title,price,sale_price,sale_price_effective_date,related_product\n\
                a,A,5 USD,6 USD,tomorrow,friend_of:id:b\n\
                b,B,5 USD,4 USD,,accessory:gtin:000\n";
    let feed = read_text(text);
    assert_eq!((feed.products.len(), feed.rejects.len()), (2, 0));
    let found: Vec<(u64, WarningCode)> =
        feed.warnings.examples.iter().map(|warning| (warning.row, warning.code)).collect();
    let expected = [
        (2, WarningCode::SaleAbovePrice),
        (2, WarningCode::BadSaleDates),
        (2, WarningCode::BadRelatedProduct),
        (3, WarningCode::BadRelatedProduct),
    ];
    assert_eq!(found, expected);
    assert_eq!(feed.warnings.counts[&WarningCode::BadRelatedProduct], 2);
}

#[test]
fn the_report_agrees_with_a_count_by_hand() {
    let text = "id,title,price,brand,item_group_id,color\n1,Red mug,5 USD,Acme,mug,red\n2,Red mug,5 USD,Acme,mug,red\n\
                3,Pan,6 EUR,,,\n3,Pan,6 EUR,,,\n4,,6 EUR,,,\n5,Pot,-1 EUR,,,\n";
    let report = read_text(text).report(&TextTemplate::default());
    assert_eq!((report.num_rows, report.num_products, report.num_rejects, report.reject_share), (6, 3, 3, 0.5));
    assert_eq!((report.num_duplicate_ids, report.num_families, report.num_categories), (1, 2, 0));
    assert_eq!((report.num_empty_texts, report.num_title_only_texts, report.num_shared_texts), (0, 1, 2));
    assert_eq!(report.currencies, [("EUR".to_owned(), 1), ("USD".to_owned(), 2)].into());
    let codes: Vec<(RejectCode, u64)> = report.rejects.iter().map(|summary| (summary.code, summary.count)).collect();
    assert_eq!(codes, [(RejectCode::DuplicateId, 1), (RejectCode::MissingTitle, 1), (RejectCode::BadPrice, 1)]);
    let filled = |name: &str| report.fields.iter().find(|fill| fill.field == name).map(|fill| fill.num_filled);
    assert_eq!((filled("brand"), filled("color"), filled("link")), (Some(2), Some(2), Some(0)));
    assert!(serde_json::to_string(&report).unwrap().contains("\"code\":\"duplicate_id\""));
}

#[test]
fn progress_ends_with_the_whole_file_and_every_record() {
    let mut calls: Vec<FeedProgress> = Vec::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("feed.csv");
    let rows: String = (0..2_500).map(|n| format!("{n},Product {n}\n")).collect();
    fs::write(&path, format!("id,title\n{rows}")).unwrap();
    read_feed(&path, &euro(), &mut |progress| calls.push(progress)).unwrap();
    let last = calls.last().unwrap();
    let rows: Vec<u64> = calls.iter().map(|progress| progress.num_rows).collect();
    assert_eq!(rows, [1_000, 2_000, 2_500]);
    assert_eq!((last.bytes_read, last.total_bytes), (fs::metadata(&path).unwrap().len(), last.bytes_read));
}

/// Text that reading leaves as it is: words without markup, single spaces.
fn plain() -> impl Strategy<Value = String> {
    prop::collection::vec("[a-zA-Z0-9äß日🌱\"',;|:/$()-]{1,8}", 1..5).prop_map(|words| words.join(" "))
}

fn product() -> impl Strategy<Value = Product> {
    let names = || prop::collection::vec(plain(), 1..4);
    let attributes = prop::collection::btree_map("[a-z]{3,6}_x", prop::collection::btree_set(plain(), 1..3), 0..4);
    (plain(), plain(), 0_i64..1_000_000_000, prop::option::of(plain()), names(), attributes).prop_map(
        |(title, description, minor, brand, path, attributes)| {
            serde_json::from_value(serde_json::json!({
                "id": "placeholder", "title": title, "description": description, "brand": brand, "product_type": [path],
                "price": format!("{}.{:02} EUR", minor / 100, minor % 100), "availability": "backorder",
                "related_product": [{"relationship": "accessory", "id": "other"}], "attributes": attributes,
            }))
            .unwrap()
        },
    )
}

fn products() -> impl Strategy<Value = Vec<Product>> {
    prop::collection::vec(product(), 1..8).prop_map(|products| {
        let numbered = products.into_iter().enumerate();
        numbered.map(|(n, product)| Product { id: format!("p/{n}").try_into().unwrap(), ..product }).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn products_written_as_json_lines_are_read_back(products in products()) {
        let lines: String = products.iter().map(|product| serde_json::to_string(product).unwrap() + "\n").collect();
        prop_assert_eq!(read_text(lines).products, products);
    }

    #[test]
    fn a_table_written_by_another_csv_library_is_read_back(
        table in prop::collection::vec(("[a-z]{1,5}", "[a-z ,;\t\"\r\n|]{0,20}[a-z]", "[ -;=?-~\t\r\n]{0,30}"), 1..12),
        delimiter in prop::sample::select(vec![b',', b'\t', b';', b'|']),
        crlf in any::<bool>(),
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).terminator(terminator).from_writer(Vec::new());
        writer.write_record(["id", "title", "note"]).unwrap();
        for (n, (id, title, note)) in table.iter().enumerate() {
            writer.write_record([&format!("{id}{n}"), title, &note.replace('&', "+")]).unwrap();
        }
        let feed = read_text(writer.into_inner().unwrap());
        prop_assert_eq!(&feed.rejects, &[]);
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let found: Vec<(String, String)> = feed.products.iter().map(|product| {
            let note = product.attributes.get("note").map(|values| values[0].clone()).unwrap_or_default();
            (product.title.clone(), note)
        }).collect();
        let expected: Vec<(String, String)> = table.iter().map(|(_, title, note)| (words(title), words(&note.replace('&', "+")))).collect();
        prop_assert_eq!(found, expected);
    }
}
