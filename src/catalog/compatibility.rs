//! What a product says it fits: `Case for Apple iPhone 6 Plus and 6s Plus` fits `iphone 6 plus` and `iphone 6s plus`.
//!
//! Embeddings blur model numbers: a case for the iPhone 7 Plus looks much like one for the iPhone 7, and does not fit it. So the
//! models behind `for`, `fits`, `compatible with` and `works with` in a title, and in the attributes made for it, are read as they
//! stand; what a `not` takes back (`not for iPhone 7`, `does not fit the 6s`) is no promise and is not read at all. A model is the word
//! before a number and what belongs to the number: `galaxy s7 edge`, `watch 42mm`. Phrases without a
//! number (`for most phones`) say nothing that could exclude another product, and ages and amounts (`for children 3 to 5 years`,
//! `for dry hair 250 ml`) are no models. Titles that name a model without such a word (`iPhone 7 Plus Silicone Case`) count when other titles of the catalog
//! name the model with one: [`Compatibility`] knows them.

use std::collections::BTreeSet;

use super::denial::affirmed_and_denied;
use super::product::Product;
use super::title_words::{ENDS, OPENERS, SEPARATORS, SUFFIXES, has_digit, opener};

/// Attributes whose whole value names what the product fits.
const ATTRIBUTES: [&str; 4] = ["fits", "compatibility", "compatible_with", "compatible_models"];
/// Words before a number that make it an amount, an age, or the version of what many devices have.
const AMOUNT_BASES: [&str; 29] = [
    "usb",
    "bluetooth",
    "hdmi",
    "version",
    "android",
    "ios",
    "windows",
    "children",
    "kids",
    "boys",
    "girls",
    "adults",
    "age",
    "ages",
    "aged",
    "people",
    "persons",
    "up",
    "to",
    "over",
    "under",
    "of",
    "set",
    "pack",
    "size",
    "devices",
    "phones",
    "models",
    "any",
];
/// Words after a number that make it an amount or an age.
pub(super) const AMOUNT_UNITS: [&str; 40] = [
    "to", "year", "years", "yrs", "month", "months", "people", "persons", "person", "season", "seasons", "pack", "pcs",
    "pieces", "days", "hours", "ml", "cl", "l", "liter", "liters", "litre", "litres", "mg", "g", "gram", "grams", "kg",
    "lb", "lbs", "oz", "fl", "mm", "cm", "m", "w", "watt", "watts", "percent", "x",
];
/// Units that make a number of two digits or more an amount where they are written with it; `iPhone 4G` and `Watch 42mm` are models.
const JOINED_UNITS: [&str; 12] = ["ml", "cl", "l", "mg", "g", "kg", "lb", "lbs", "oz", "w", "pcs", "x"];
/// Suffixes that name a model without a number: `iphone se`, `pixel xl`.
const NUMBERLESS: [&str; 2] = ["se", "xl"];

/// The models that the products of one catalog say they fit.
#[derive(Debug, Clone, Default)]
pub struct Compatibility {
    models: BTreeSet<String>,
}

impl Compatibility {
    /// Collects the models that `products` name behind `for` and its like.
    pub fn of<'a>(products: impl IntoIterator<Item = &'a Product>) -> Self {
        Self { models: products.into_iter().flat_map(stated).collect() }
    }

    /// Takes the models as a catalog's index knows them.
    pub fn of_models(models: impl IntoIterator<Item = String>) -> Self {
        Self { models: models.into_iter().collect() }
    }

    /// The models that the product fits, in lower case, ascending: those it states, or else those of the catalog's that its title
    /// names; empty when there are none.
    pub fn fits(&self, product: &Product) -> Vec<String> {
        let stated = stated(product);
        if !stated.is_empty() {
            return stated;
        }
        let mut named = models_named(&product.title);
        named.retain(|model| self.models.contains(model));
        named
    }
}

/// The models that the product's title and attributes state, in lower case, ascending.
fn stated(product: &Product) -> Vec<String> {
    let mut models = Vec::new();
    for words in phrases(&product.title) {
        for at in 0..words.len() {
            if let Some(length) = opener(&words[at..]) {
                models.extend(models_of(&words[at + length..]));
            }
        }
    }
    for value in ATTRIBUTES.iter().filter_map(|name| product.attributes.get(*name)).flatten() {
        models.extend(phrases(value).iter().flat_map(|words| models_of(words)));
    }
    sorted(models)
}

/// Everything in a title or a shopper's text that could be a model, in lower case, ascending: what follows is for the caller to
/// look up.
///
/// ```
/// use kindred::catalog::models_named;
/// assert_eq!(models_named("Silicone case for Apple® iPhone® 6 Plus and 6s Plus - Black"), ["iphone 6 plus", "iphone 6s plus"]);
/// assert!(models_named("Charger for most cell phones").is_empty());
/// ```
pub fn models_named(text: &str) -> Vec<String> {
    sorted(phrases(text).iter().flat_map(|words| models_of(words)).collect())
}

/// The parts of a text between dashes, as words, without what is taken back.
pub(super) fn phrases(text: &str) -> Vec<Vec<String>> {
    affirmed_and_denied(text).0
}

/// The models that a product says it is not for, in lower case, ascending.
pub fn models_denied(product: &Product) -> Vec<String> {
    let attributes = ATTRIBUTES.iter().filter_map(|name| product.attributes.get(*name)).flatten();
    let texts = std::iter::once(&product.title).chain(attributes);
    let denied = texts.flat_map(|text| affirmed_and_denied(text).1);
    let affirmed = stated(product);
    sorted(denied.flat_map(|words| models_of(&words)).filter(|model| !affirmed.contains(model)).collect())
}

fn sorted(mut models: Vec<String>) -> Vec<String> {
    models.sort();
    models.dedup();
    models
}

/// The models of a list such as `apple iphone 6 and 6s`: a model without a word of its own takes the one before it.
fn models_of(words: &[String]) -> Vec<String> {
    let is_end = |word: &String| ENDS.contains(&word.as_str());
    let words = &words[..words.iter().position(is_end).unwrap_or(words.len())];
    let mut base: Option<&str> = None;
    let mut models = Vec::new();
    for part in words.split(|word| SEPARATORS.contains(&word.as_str())) {
        let Some(at) = part.iter().position(|word| has_digit(word) || NUMBERLESS.contains(&word.as_str())) else {
            continue;
        };
        if at > 0 {
            base = Some(&part[at - 1]);
        }
        let Some(base) = base.filter(|base| !AMOUNT_BASES.contains(base) && !OPENERS.contains(base)) else { continue };
        let belongs = |at: &usize| has_digit(&part[*at]) || SUFFIXES.contains(&part[*at].as_str());
        let rest =
            (at..part.len()).take_while(|at| belongs(at) && !is_amount(&part[*at..])).map(|at| part[at].as_str());
        let numbers: Vec<&str> = if is_amount(&part[at..]) { Vec::new() } else { rest.collect() };
        if !numbers.is_empty() {
            models.push([&[base][..], &numbers].concat().join(" "));
        }
    }
    models
}

/// Whether the number at the start of `words` counts or measures something: `250 ml`, `60w`, `3 years`.
fn is_amount(words: &[String]) -> bool {
    let Some(number) = words.first() else { return false };
    let unit = number.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let digits = number.len() - unit.len();
    digits > 1 && JOINED_UNITS.contains(&unit)
        || unit.is_empty() && words.get(1).is_some_and(|unit| AMOUNT_UNITS.contains(&unit.as_str()) || is_times(unit))
}

/// `x330` of `6 x 330 ml`.
fn is_times(word: &str) -> bool {
    word.strip_prefix('x').is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(title: &str) -> Product {
        serde_json::from_value(serde_json::json!({"id": "1", "title": title})).unwrap()
    }

    #[test]
    fn models_are_read_from_titles_as_shops_write_them() {
        let cases: [(&str, &[&str]); 42] = [
            ("Defender Case for Apple® iPhone® 7 - Black", &["iphone 7"]),
            ("Case for Apple® iPhone® 7 Plus", &["iphone 7 plus"]),
            ("Case for Apple® iPhone® 6 and iPhone 6s", &["iphone 6", "iphone 6s"]),
            ("Case for Apple iPhone 5, 5s and SE", &["iphone 5", "iphone 5s", "iphone se"]),
            ("Case for Apple® iPhone® SE, 5s and 5", &["iphone 5", "iphone 5s", "iphone se"]),
            ("Case for iPhone 6 / 6 Plus", &["iphone 6", "iphone 6 plus"]),
            ("Case for Samsung Galaxy S 5 Cell Phones", &["galaxy s5"]),
            ("Case for Samsung Galaxy S6 edge+ Cell Phones", &["galaxy s6 edge plus"]),
            ("Protector for Samsung Galaxy S6 edge Plus Cell Phones", &["galaxy s6 edge plus"]),
            ("Band for Apple Watch™ 42mm", &["watch 42mm"]),
            ("Case for HTC One (M9) Cell Phones", &["one m9"]),
            ("Case for Google Pixel XL", &["pixel xl"]),
            ("Case compatible with iPhone 7 with belt clip 3", &["iphone 7"]),
            ("Charger for Most Cell Phones", &[]),
            ("Apple iPhone 7 32GB", &[]),
            ("Set of 4 Knives for", &[]),
            ("Sleeping bag for children 3 to 5 years - blue", &[]),
            ("Sleeping bag for adults 2 seasons", &[]),
            ("Picnic basket for 4 persons", &[]),
            ("Shampoo for dry hair 250 ml", &[]),
            ("Shampoo for dry hair 250ml", &[]),
            ("Shampoo for dry hair 1.5 l", &[]),
            ("Balm for lips 5% - pink", &[]),
            ("Feed for plants 6 x 330 ml", &[]),
            ("Bulb for lamp 60W", &[]),
            ("Cleaner for iPhone 7 100 ml", &["iphone 7"]),
            ("Cover for Galaxy Tab 10.1", &["tab 10.1"]),
            ("Case - not for iPhone 7", &[]),
            ("Case for iPhone 6s (not for iPhone 7 or 7 Plus)", &["iphone 6s"]),
            ("Case fits iPhone 6 but doesn't fit the iPhone 6s", &["iphone 6"]),
            ("Case not compatible with iPhone 7, for iPhone 8", &["iphone 8"]),
            ("Case not suitable for use or fit for iPhone 7", &[]),
            ("Case for all phones except iPhone 7", &[]),
            ("Charger for Zeta 6 (ZETA 5 NOT SUPPORTED)", &["zeta 6"]),
            ("Charger for iPhone 8, iPhone 7 is not yet supported", &["iphone 8"]),
            ("Charger unsuitable for Zeta 5", &[]),
            ("Car Charger for Most Micro USB 3.0 Devices", &[]),
            ("Charger compatible with neither Zeta 5 nor Zeta 6", &[]),
            ("Case for phones other than iPhone 7", &[]),
            ("Case for HTC One (M9) (not for M8)", &["one m9"]),
            ("Funda para iPhone 8, no para iPhone 7 - works with Zeta 5", &["zeta 5"]),
            ("No Slip Non-Skid Case for T-Mobile Galaxy S7", &["galaxy s7"]),
        ];
        for (title, models) in cases {
            assert_eq!(stated(&product(title)), models, "{title}");
        }
    }

    #[test]
    fn a_model_named_without_an_opening_word_counts_when_the_catalog_knows_it() {
        let titles = [
            "Apple - iPhone® 7 Plus Silicone Case - Cocoa",
            "Case for iPhone 7 Plus",
            "Case for iPhone 7",
            "Nikon D 7 Bag",
        ];
        let products: Vec<Product> = titles.iter().map(|title| product(title)).collect();
        let known = Compatibility::of(&products);
        let fits: Vec<Vec<String>> = products.iter().map(|product| known.fits(product)).collect();
        assert_eq!(fits, [vec!["iphone 7 plus"], vec!["iphone 7 plus"], vec!["iphone 7"], vec![]]);
    }

    #[test]
    fn what_a_title_takes_back_is_no_model_that_it_names() {
        let titles = [
            "Charger (not for iPhone 7)",
            "Case for iPhone 7",
            "Incompatible with iPhone 7 - for iPhone 8",
            "Case for iPhone 8",
        ];
        let products: Vec<Product> = titles.iter().map(|title| product(title)).collect();
        let known = Compatibility::of(&products);
        let fits: Vec<Vec<String>> = products.iter().map(|product| known.fits(product)).collect();
        assert_eq!(fits, [vec![], vec!["iphone 7"], vec!["iphone 8"], vec!["iphone 8"]]);
        for title in [
            "Hülle nicht für iPhone 7",
            "Hülle passt nicht für iPhone 7",
            "Hülle (iPhone 7 not supported)",
            "Funda no para iPhone 7",
            "Coque pas pour iPhone 7",
            "Funda no compatible con iPhone 7",
            "Coque non compatible avec iPhone 7",
            "Funda no sirve para iPhone 7",
            "Case (NO iPhone 7)",
            "Hülle, außer iPhone 7",
            "Case unlike iPhone 7",
            "Custodia non per iPhone 7",
            "Hoes niet voor iPhone 7",
            "Sleeve, unsupported: iPhone 7",
        ] {
            assert!(models_named(title).is_empty(), "{title}: {:?}", models_named(title));
        }
        assert!(models_named("something that does not fit an iPhone 7").is_empty());
    }

    #[test]
    fn what_a_product_is_not_for_is_known_too() {
        let cases: [(&str, &[&str]); 6] = [
            ("Case not for iPhone 7", &["iphone 7"]),
            ("Case for iPhone 6s (not for iPhone 7 or 7 Plus)", &["iphone 7", "iphone 7 plus"]),
            ("Charger (ZETA 5 NOT SUPPORTED)", &["zeta 5"]),
            ("Case for phones other than iPhone 7", &["iphone 7"]),
            ("Case not only for iPhone 6 but also for iPhone 7", &[]),
            ("No Slip Case for iPhone 7", &[]),
        ];
        for (title, denied) in cases {
            assert_eq!(models_denied(&product(title)), denied, "{title}");
        }
    }

    #[test]
    fn attributes_made_for_it_count_without_an_opening_word() {
        let product: Product = serde_json::from_value(serde_json::json!({
            "id": "1", "title": "Ink cartridge", "attributes": {"compatible_with": ["Canon MG 3650, MG 3650S, not MG 3700"]},
        }))
        .unwrap();
        assert_eq!(stated(&product), ["mg 3650", "mg 3650s"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic_and_every_model_has_two_words(text in ".{0,80}") {
            models_named(&format!("for {text}")).iter().for_each(|model| assert!(model.contains(' ')));
        }
    }
}
