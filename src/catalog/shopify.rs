//! Shopify product exports: one row a variant, follow-up rows for variants and images, product cells on the first row only.
//!
//! Rows that share a handle stand together in an export; each group becomes one product record a variant.

use std::collections::BTreeMap;

use super::collect::Collector;
use super::delimited::Row;
use super::draft::Draft;
use super::money::Currency;
use super::price::parse_price;

/// The newer export's names and the older ones that they replace; both are canonical names.
const ALIASES: [(&str, &str); 17] = [
    ("url_handle", "handle"),
    ("description", "body"),
    ("sku", "variant_sku"),
    ("barcode", "variant_barcode"),
    ("price", "variant_price"),
    ("compare_at_price", "variant_compare_at_price"),
    ("inventory_quantity", "variant_inventory_qty"),
    ("inventory_tracker", "variant_inventory_tracker"),
    ("continue_selling_when_out_of_stock", "variant_inventory_policy"),
    ("weight_value_grams", "variant_grams"),
    ("published_on_online_store", "published"),
    ("product_image_url", "image_src"),
    ("variant_image_url", "variant_image"),
    ("standard_product_type", "product_category"),
    ("custom_product_type", "type"),
    ("google_shopping_google_product_category", "google_product_category"),
    ("cost", "cost_per_item"),
];

/// Columns that are read by name, or that say nothing about the product to a shopper.
const CONSUMED: [&str; 35] = [
    "handle",
    "title",
    "body",
    "vendor",
    "product_category",
    "google_product_category",
    "type",
    "tags",
    "published",
    "status",
    "variant_sku",
    "variant_barcode",
    "variant_price",
    "variant_compare_at_price",
    "variant_inventory_qty",
    "variant_inventory_tracker",
    "variant_inventory_policy",
    "variant_image",
    "image_src",
    "image_position",
    "image_alt_text",
    "cost_per_item",
    "option1_name",
    "option1_value",
    "option1_linked_to",
    "option2_name",
    "option2_value",
    "option2_linked_to",
    "option3_name",
    "option3_value",
    "option3_linked_to",
    "seo_title",
    "seo_description",
    "variant_fulfillment_service",
    "variant_tax_code",
];

/// The options of a variant.
const OPTIONS: [(&str, &str); 3] =
    [("option1_name", "option1_value"), ("option2_name", "option2_value"), ("option3_name", "option3_value")];

/// The only option value of a product without options.
const NO_OPTION: &str = "Default Title";

/// Most rows of one group that are kept; far above Shopify's own limits on variants and images.
const MAX_GROUP_ROWS: usize = 10_000;

/// Collects the rows of one handle until the next begins.
pub(super) struct Groups {
    columns: Vec<String>,
    /// Whether the file says for which variants stock is tracked.
    has_tracker: bool,
    currency: Currency,
    rows: Vec<Cells>,
}

/// The filled cells of one row by canonical name.
struct Cells {
    line: u64,
    values: BTreeMap<String, String>,
}

impl Cells {
    fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    fn is_variant(&self) -> bool {
        ["variant_price", "variant_sku", "option1_value"].iter().any(|name| !self.get(name).is_empty())
    }
}

impl Groups {
    /// `columns` are canonical names; `currency` is that of every price in the file.
    pub(super) fn new(columns: &[String], currency: Currency) -> Self {
        let columns: Vec<String> = columns.iter().map(|column| shared_name(column).to_owned()).collect();
        let has_tracker = columns.iter().any(|column| column == "variant_inventory_tracker");
        Self { columns, has_tracker, currency, rows: Vec::new() }
    }

    /// Takes one row; a new handle completes the group before it.
    pub(super) fn push(&mut self, row: Row, collector: &mut Collector) {
        let cells = self.columns.iter().cloned().zip(row.cells).filter(|(_, cell)| !cell.is_empty());
        let mut values = BTreeMap::new();
        for (name, cell) in cells {
            values.entry(name).or_insert(cell);
        }
        let cells = Cells { line: row.line, values };
        let is_same = self.rows.first().is_some_and(|first| first.get("handle") == cells.get("handle"));
        if !is_same || self.rows.len() >= MAX_GROUP_ROWS {
            self.finish(collector);
        }
        self.rows.push(cells);
    }

    /// Completes the last group.
    pub(super) fn finish(&mut self, collector: &mut Collector) {
        let rows = std::mem::take(&mut self.rows);
        let Some(head) = rows.first() else { return };
        if !is_offered(head) {
            collector.num_skipped += rows.len() as u64;
            return;
        }
        let images: Vec<&str> = rows.iter().map(|row| row.get("image_src")).filter(|image| !image.is_empty()).collect();
        // A first row is a product even where its variant cells are empty: the builder says what is missing.
        for (_, row) in rows.iter().enumerate().filter(|(index, row)| *index == 0 || row.is_variant()) {
            collector.accept(self.variant(head, row, &images));
        }
    }

    fn variant(&self, head: &Cells, row: &Cells, images: &[&str]) -> Draft {
        let options = options_of(head, row);
        let labels: Vec<&str> = options.iter().map(|(_, value)| value.as_str()).collect();
        let mut draft = Draft::new(row.line);
        draft.add("id", variant_id(head.get("handle"), row.get("variant_sku"), &labels));
        draft.add(
            "title",
            if labels.is_empty() { head.get("title").to_owned() } else { titled(head.get("title"), &labels) },
        );
        draft.add("description", head.get("body"));
        draft.add("brand", head.get("vendor"));
        draft.add("gtin", row.get("variant_barcode").trim_start_matches('\''));
        draft.add("item_group_id", head.get("handle"));
        draft.add("product_type", head.get("type"));
        let taxonomy = ["product_category", "google_product_category"].map(|name| head.get(name));
        draft.add("google_product_category", taxonomy.into_iter().find(|path| !path.is_empty()).unwrap_or_default());
        draft.add("availability", self.availability(row));
        head.get("tags").split(',').for_each(|tag| draft.add("tags", tag.trim()));
        self.add_prices(&mut draft, row);
        add_images(&mut draft, row.get("variant_image"), images);
        options.into_iter().for_each(|(name, value)| draft.add(&name, value));
        add_other_columns(&mut draft, head, row);
        draft
    }

    /// A variant whose stock is not tracked is always in stock.
    fn availability(&self, row: &Cells) -> &'static str {
        let is_tracked = !self.has_tracker || !row.get("variant_inventory_tracker").is_empty();
        let quantity: Option<i64> = row.get("variant_inventory_qty").parse().ok();
        let is_sold_out = is_tracked && quantity.is_some_and(|quantity| quantity <= 0);
        let continues =
            matches!(row.get("variant_inventory_policy").to_ascii_lowercase().as_str(), "continue" | "true");
        match (is_sold_out, continues) {
            (false, _) => "in_stock",
            (true, true) => "backorder",
            (true, false) => "out_of_stock",
        }
    }

    /// `Compare At Price` is the regular price where it is higher; otherwise it means nothing.
    fn add_prices(&self, draft: &mut Draft, row: &Cells) {
        let (price, compare) = (row.get("variant_price"), row.get("variant_compare_at_price"));
        let read = |text: &str| parse_price(text, Some(self.currency)).ok();
        let is_sale =
            matches!((read(compare), read(price)), (Some(compare), Some(price)) if compare.minor > price.minor);
        if is_sale {
            draft.add("price", compare);
            draft.add("sale_price", price);
        } else {
            draft.add("price", price);
        }
        draft.add("cost_of_goods_sold", row.get("cost_per_item"));
    }
}

fn shared_name(column: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == column).map_or(column, |(_, name)| name)
}

fn is_offered(head: &Cells) -> bool {
    let is_active = matches!(head.get("status").to_ascii_lowercase().as_str(), "" | "active");
    let is_published = !matches!(head.get("published").to_ascii_lowercase().as_str(), "false" | "no" | "0");
    is_active && is_published
}

/// Names and values of the variant's options; names stand on the first row only.
fn options_of(head: &Cells, row: &Cells) -> Vec<(String, String)> {
    let options = OPTIONS.iter().enumerate().map(|(index, (name, value))| {
        let name = Some(super::header::canonical_name(head.get(name))).filter(|name| !name.is_empty());
        (name.unwrap_or_else(|| format!("option{}", index + 1)), row.get(value).to_owned())
    });
    options.filter(|(_, value)| !value.is_empty() && value != NO_OPTION).collect()
}

fn variant_id(handle: &str, sku: &str, labels: &[&str]) -> String {
    // Excel-proofed exports put an apostrophe before a number.
    let sku = sku.trim_start_matches('\'').trim();
    if sku.is_empty() {
        std::iter::once(handle).chain(labels.iter().copied()).collect::<Vec<_>>().join("/")
    } else {
        sku.to_owned()
    }
}

/// An empty product title stays empty, so that the record is rejected rather than named after its size.
fn titled(title: &str, labels: &[&str]) -> String {
    if title.is_empty() { String::new() } else { format!("{title} - {}", labels.join(" / ")) }
}

fn add_images(draft: &mut Draft, own: &str, images: &[&str]) {
    let main = if own.is_empty() { images.first().copied().unwrap_or_default() } else { own };
    draft.add("image_link", main);
    images.iter().filter(|image| **image != main).for_each(|image| draft.add("additional_image_link", *image));
}

/// The shop's own columns become attributes; a variant's cell stands before the product's.
fn add_other_columns(draft: &mut Draft, head: &Cells, row: &Cells) {
    let names = head.values.keys().chain(row.values.keys().filter(|name| !head.values.contains_key(*name)));
    for name in names.filter(|name| !CONSUMED.contains(&name.as_str())) {
        let short = name.strip_prefix("google_shopping_").unwrap_or(name);
        let own = row.get(name);
        if !draft.fields.contains_key(short) {
            draft.add(short, if own.is_empty() { head.get(name) } else { own });
        }
    }
}
