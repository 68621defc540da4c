//! Google Retail products, one JSON object a line.

use super::draft::Draft;
use super::header::canonical_name;
use super::json::{Json, Object};
use super::merchant::add_nested;
use super::money::Currency;
use super::price::parse_price;

/// A draft from one product.
pub(super) fn from_object(row: u64, object: &Object) -> Draft {
    let mut draft = Draft::new(row);
    for (name, value) in object {
        add_member(&mut draft, name, value);
    }
    if !draft.fields.contains_key("id") {
        // A product's resource name ends with its id: `projects/../products/ID`.
        let name = object.get("name").map(Json::text).unwrap_or_default();
        draft.add("id", name.rsplit_once("/products/").map_or("", |(_, id)| id));
    }
    draft
}

fn add_member(draft: &mut Draft, name: &str, value: &Json) {
    match name {
        "name" | "type" | "fulfillmentInfo" | "retrievableFields" | "collectionMemberIds" => {}
        "categories" => value.texts().into_iter().for_each(|path| draft.add("product_type", path)),
        "brands" => value.texts().into_iter().for_each(|brand| draft.add("brand", brand)),
        "primaryProductId" => draft.add("item_group_id", value.text()),
        "uri" => draft.add("link", value.text()),
        "images" => add_images(draft, value),
        "priceInfo" => add_prices(draft, value),
        "attributes" => add_attributes(draft, value),
        "colorInfo" => add_list(draft, "color", first_filled(value, ["colors", "colorFamilies"])),
        "sizes" => add_list(draft, "size", value),
        "materials" => add_list(draft, "material", value),
        "patterns" => add_list(draft, "pattern", value),
        "conditions" => add_list(draft, "condition", value),
        "audience" => {
            add_list(draft, "gender", value.member("genders"));
            add_list(draft, "age_group", value.member("ageGroups"));
        }
        "promotions" => {
            value.items().iter().for_each(|item| draft.add("promotion_id", item.member("promotionId").text()))
        }
        "rating" => {
            draft.add("rating_count", value.member("ratingCount").text());
            draft.add("average_rating", value.member("averageRating").text());
        }
        _ => add_nested(draft, &canonical_name(name), value),
    }
}

fn add_list(draft: &mut Draft, name: &str, value: &Json) {
    value.texts().into_iter().for_each(|text| draft.add(name, text));
}

fn first_filled<'a>(object: &'a Json, names: [&str; 2]) -> &'a Json {
    let members = names.map(|name| object.member(name));
    members.into_iter().find(|value| !value.texts().is_empty()).unwrap_or(&Json::Null)
}

fn add_images(draft: &mut Draft, images: &Json) {
    for (index, image) in images.items().iter().enumerate() {
        draft.add(if index == 0 { "image_link" } else { "additional_image_link" }, image.member("uri").text());
    }
}

/// Custom attributes: `{"voltage": {"numbers": [230]}, "fit": {"text": ["slim"]}}`.
fn add_attributes(draft: &mut Draft, attributes: &Json) {
    for (name, value) in attributes.as_object().into_iter().flatten() {
        let name = canonical_name(name);
        add_list(draft, &name, value.member("text"));
        add_list(draft, &name, value.member("numbers"));
    }
}

/// `price` is what a shopper pays now; with a higher `originalPrice` it is a sale price.
fn add_prices(draft: &mut Draft, info: &Json) {
    let currency = info.member("currencyCode").text();
    let [price, original, cost] = ["price", "originalPrice", "cost"].map(|name| info.member(name).price_text());
    let is_sale = is_higher(&original, &price, &currency);
    draft.add("currency", currency);
    // Zero stands for "not set" in the original price and the cost.
    let is_zero = |amount: &str| amount.bytes().all(|b| matches!(b, b'0' | b'.'));
    if !is_zero(&cost) {
        draft.add("cost_of_goods_sold", cost);
    }
    if !is_sale {
        return draft.add("price", price);
    }
    draft.add("price", original);
    draft.add("sale_price", price);
    let [start, end] = ["priceEffectiveTime", "priceExpireTime"].map(|name| info.member(name).text());
    if !start.is_empty() && !end.is_empty() {
        draft.add("sale_price_effective_date", format!("{start}/{end}"));
    }
}

fn is_higher(original: &str, price: &str, currency: &str) -> bool {
    let currency: Option<Currency> = currency.parse().ok();
    match (parse_price(original, currency), parse_price(price, currency)) {
        (Ok(original), Ok(price)) => original.minor > price.minor,
        _ => false,
    }
}
