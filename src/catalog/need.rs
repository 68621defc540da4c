//! The kind of thing that a product is, in one word: `case`, `protector`, `charger`. What a shopper needs one of.
//!
//! Shops write it at the end of a category's name (`Cell Phone Cases & Clips`) and, in titles, before what the product is for
//! (`Defender Series Case for iPhone 7`). Names such as `Accessories` say nothing of it, so the title speaks there.

use super::compatibility::AMOUNT_UNITS;
use super::product::Product;
use super::title_words::{ENDS, SEPARATORS, SUFFIXES, has_digit, opener, words};

/// Last words of names that say nothing of what stands below them.
const VAGUE: [&str; 26] = [
    "accessory",
    "addon",
    "ons",
    "bundle",
    "collection",
    "deal",
    "equipment",
    "essential",
    "gear",
    "general",
    "gift",
    "home",
    "item",
    "misc",
    "miscellaneous",
    "more",
    "new",
    "other",
    "part",
    "product",
    "sale",
    "solution",
    "stuff",
    "supply",
    "uncategorized",
    "various",
];

/// Words that look like plurals, or like other plurals.
const IRREGULAR: [(&str, &str); 5] =
    [("lens", "lens"), ("lenses", "lens"), ("series", "series"), ("knives", "knife"), ("shelves", "shelf")];

/// Words for one kind of thing: the second stands for the first.
const SAME: [(&str, &str); 5] =
    [("cellphone", "phone"), ("handset", "phone"), ("iphone", "phone"), ("smartphone", "phone"), ("tee", "shirt")];

/// Units of a size at the end of a title: `sleeve 13 inch`.
const SIZES: [&str; 6] = ["inch", "inches", "gb", "tb", "mb", "mah"];

/// The kind of thing that `product` is, in one word without its plural: by the leaf of its main category, else by its title; `None` where
/// neither says.
///
/// ```
/// use kindred::catalog::{Product, need};
/// let product = |title: &str| serde_json::from_str::<Product>(&format!(r#"{{"id": "1", "title": "{title}"}}"#)).unwrap();
/// assert_eq!(need(&product("OtterBox - Defender Series Case for Apple® iPhone® 7 - Black")).as_deref(), Some("case"));
/// assert_eq!(need(&product("WHITE HANGING HEART T-LIGHT HOLDER")).as_deref(), Some("holder"));
/// ```
pub fn need(product: &Product) -> Option<String> {
    let path = product.main_category().iter().map(String::as_str);
    need_of_path(path).or_else(|| need_of_title(&product.title, product.brand.as_deref()))
}

/// The kind of thing that the products of a category are, by its names from the root: that of the leaf, or above a leaf that names a model
/// (`Phones > Samsung > Galaxy S7`) that of the nearest name that is a plural, as kinds of things are and brands are not.
pub fn need_of_path<'a>(path: impl DoubleEndedIterator<Item = &'a str>) -> Option<String> {
    let last_of = |name: &str| words(name).pop().unwrap_or_default();
    let names_a_model = |name: &str| is_of_model(&last_of(name)) || last_of(name).chars().count() == 1;
    let is_kind = |name: &str| {
        let last = last_of(name);
        singular(&last) != last || SAME.iter().any(|(other, _)| *other == last)
    };
    let mut upwards = path.rev().peekable();
    if upwards.peek().is_some_and(|leaf| !names_a_model(leaf)) {
        return need_of_category(upwards.next()?);
    }
    let above: Vec<&str> = upwards.filter(|name| !names_a_model(name)).collect();
    need_of_category(above.iter().find(|name| is_kind(name)).or(above.first())?)
}

/// Whether a word is part of a model's name, and no thing: `7`, `s7`, `se`, `plus`.
fn is_of_model(word: &str) -> bool {
    has_digit(word) || SUFFIXES.contains(&word)
}

/// The kind of thing that the products of a category called `name` are; `None` for `Accessories` and its like.
pub fn need_of_category(name: &str) -> Option<String> {
    let all = words(name);
    let last = singular(all.last()?);
    if VAGUE.contains(&last.as_str()) {
        return None;
    }
    head(&all)
}

/// The things that a title sells together, each in one word: a `Case and Band for Apple Watch` is a case and a band.
pub fn things(title: &str, brand: Option<&str>) -> Vec<String> {
    let Some(part) = naming_part(title, brand) else { return Vec::new() };
    let is_end = |at: &usize| *at > 0 && (ENDS.contains(&part[*at].as_str()) || opener(&part[*at..]).is_some());
    let end = (0..part.len()).find(is_end).unwrap_or(part.len());
    part[..end].split(|word| SEPARATORS.contains(&word.as_str())).filter_map(head).collect()
}

/// The last word of what a title names before it says what that is for.
fn need_of_title(title: &str, brand: Option<&str>) -> Option<String> {
    head(&naming_part(title, brand)?)
}

/// The part of a title that says what is sold: the one that says what for, else the longest.
fn naming_part(title: &str, brand: Option<&str>) -> Option<Vec<String>> {
    let without_brackets: String =
        title.split(['(', '[']).map(|part| part.split([')', ']']).next_back().unwrap_or(part)).collect();
    let mut parts: Vec<Vec<String>> =
        without_brackets.split([',', '–']).flat_map(|part| part.split(" - ")).map(words).collect();
    let brand = brand.map(words).unwrap_or_default();
    parts.retain(|part| !part.is_empty() && *part != brand);
    let says_for = parts.iter().position(|part| (1..part.len()).any(|at| opener(&part[at..]).is_some()));
    // Of parts of one length the first: colors come last.
    let longest = || (0..parts.len()).rev().max_by_key(|&at| parts[at].len());
    let at = says_for.or_else(longest)?;
    Some(parts.swap_remove(at))
}

/// The last word of the first of several things: `cases & clips` are cases.
fn head(all: &[String]) -> Option<String> {
    let is_end = |at: usize| {
        let word = all[at].as_str();
        at > 0 && (ENDS.contains(&word) || SEPARATORS.contains(&word) || opener(&all[at..]).is_some())
    };
    let end = (0..all.len()).find(|&at| is_end(at)).unwrap_or(all.len());
    let is_unit = |at: usize| {
        let unit = all[at].as_str();
        at > 0 && has_digit(&all[at - 1]) && (AMOUNT_UNITS.contains(&unit) || SIZES.contains(&unit))
    };
    let is_thing = |at: &usize| !is_of_model(&all[*at]) && all[*at].chars().count() > 1 && !is_unit(*at);
    let need = singular(&all[(0..end).rev().find(is_thing)?]);
    Some(SAME.iter().find(|(other, _)| *other == need).map_or(need, |(_, usual)| (*usual).to_owned()))
}

/// An English word without its plural; other words lose at most an `s`.
pub(super) fn singular(word: &str) -> String {
    if let Some((_, one)) = IRREGULAR.iter().find(|(many, _)| *many == word) {
        return (*one).to_owned();
    }
    let cut = |end: &str| word.strip_suffix(end).filter(|stem| stem.chars().count() > 2);
    if let Some(stem) = cut("ies") {
        return format!("{stem}y");
    }
    let doubled = ["sses", "xes", "ches", "shes"].iter().find(|end| word.ends_with(**end));
    if let Some(stem) = doubled.and_then(|_| cut("es")) {
        return stem.to_owned();
    }
    let is_plural = !["ss", "us", "is"].iter().any(|end| word.ends_with(end));
    cut("s").filter(|_| is_plural).unwrap_or(word).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_say_what_their_products_are_unless_they_are_called_accessories() {
        let cases = [
            ("Cell Phone Cases & Clips", Some("case")),
            ("All Cell Phones with Plans", Some("phone")),
            ("All Unlocked Cell Phones", Some("phone")),
            ("Smartphones", Some("phone")),
            ("Screen Protectors", Some("protector")),
            ("Smartwatch Bands", Some("band")),
            ("Internal Batteries", Some("battery")),
            ("Cell Phone Camera Lenses", Some("lens")),
            ("Reading Glasses", Some("glass")),
            ("Cell Phone Accessories", None),
            ("Car & Travel Accessories", None),
            ("iPhone 7 Cases", Some("case")),
            ("iPhone SE", Some("phone")),
            ("Add-Ons", None),
            ("", None),
        ];
        for (name, need) in cases {
            assert_eq!(need_of_category(name).as_deref(), need, "{name}");
        }
    }

    #[test]
    fn titles_say_it_before_what_the_product_is_for() {
        let cases = [
            ("Apple - 3.3' Lightning-to-USB 2.0 Cable - White", "cable"),
            ("Insignia™ - 17W Vehicle Charger with 2 USB Ports - Black", "charger"),
            ("ZAGG - InvisibleShield Glass+ Screen Protector for Apple® iPhone® 7", "protector"),
            ("Tile - Tile Mate Item Tracker (4-Pack)", "tracker"),
            ("PopSockets - Blue Nebula Sky Grip and Stand for Mobile Devices - Black/Black", "grip"),
            ("Purosol All Natural Lens Cleaner 1oz.", "cleaner"),
            ("Apple - iPhone SE 16GB", "phone"),
            ("Laptop sleeve 13 inch", "sleeve"),
            ("Shampoo 250 ml", "shampoo"),
        ];
        for (title, need) in cases {
            assert_eq!(need_of_title(title, None).as_deref(), Some(need), "{title}");
        }
        assert_eq!(need_of_title("- (x) 12 -", None), None);
        let of_path = |path: &[&str]| need_of_path(path.iter().copied());
        assert_eq!(of_path(&["Cell Phones", "Galaxy S7 edge"]).as_deref(), Some("phone"));
        assert_eq!(of_path(&["Cell Phones", "iPhone", "iPhone SE"]).as_deref(), Some("phone"));
        assert_eq!(of_path(&["Phones", "Samsung", "Galaxy S7 edge"]).as_deref(), Some("phone"));
        assert_eq!(of_path(&["Phones", "iPhone X"]).as_deref(), Some("phone"));
        assert_eq!(of_path(&["Cell Phones", "Cases", "iPhone 7"]).as_deref(), Some("case"));
        assert_eq!(of_path(&["Cell Phone Cases", "iPhone 7 Accessories"]), None);
        assert_eq!(things("LUNATIK - EPIK Case and Band for Apple Watch™ 42mm - Clear", None), ["case", "band"]);
        assert_eq!(things("X-Doria - Watch Strap for Apple Watch 42mm - Charcoal", None), ["strap"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,60}") {
            need_of_category(&text);
            need_of_title(&format!("{text} for {text}"), Some(&text));
        }
    }
}
