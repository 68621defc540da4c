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

use super::product::Product;

/// Words after which a title names what the product fits.
const OPENERS: [&str; 7] = ["for", "fits", "fit", "compatible with", "works with", "work with", "designed for"];
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
/// Words that take back what follows them; `t` is the end of `doesn't` and `isn't`. German, French, Spanish and Dutch ones too.
const NEGATIONS: [&str; 33] = [
    "außer",
    "ungeeignet",
    "unlike",
    "hors",
    "salvo",
    "not",
    "except",
    "excluding",
    "excepting",
    "incompatible",
    "unsuitable",
    "unsupported",
    "neither",
    "nor",
    "cannot",
    "cant",
    "doesnt",
    "isnt",
    "no",
    "non",
    "never",
    "without",
    "t",
    "nicht",
    "kein",
    "keine",
    "ohne",
    "pas",
    "sauf",
    "sin",
    "excepto",
    "niet",
    "geen",
];
/// Negations of two words.
const NEGATING_PAIRS: [[&str; 2]; 3] = [["other", "than"], ["apart", "from"], ["rather", "than"]];
/// Negations that say what a product is (`non slip`) unless what it is for follows at once.
const NEGATIVE_KINDS: [&str; 5] = ["no", "non", "never", "without", "t"];
/// `for` and `with` in other languages, behind a negation.
const OTHER_OPENERS: [&str; 10] = ["für", "fuer", "para", "pour", "per", "voor", "con", "avec", "mit", "met"];
/// Words that may stand between a negation and what it takes back: `not yet suitable for`, `does not fit`.
const LINKS: [&str; 33] = [
    "kompatibel",
    "sirve",
    "vale",
    "convient",
    "geschikt",
    "a",
    "always",
    "are",
    "be",
    "been",
    "compatible",
    "currently",
    "designed",
    "fully",
    "good",
    "intended",
    "is",
    "it",
    "made",
    "meant",
    "necessarily",
    "officially",
    "or",
    "recommended",
    "suitable",
    "supposed",
    "the",
    "to",
    "use",
    "used",
    "will",
    "work",
    "yet",
];
/// Words with which a negation takes back what stands before it: `iPhone 7 not supported`.
const VERDICTS: [&str; 5] = ["supported", "compatible", "suitable", "recommended", "possible"];
/// Words that end what is named.
pub(super) const ENDS: [&str; 4] = ["with", "w", "without", "but"];
/// Words between two models.
pub(super) const SEPARATORS: [&str; 2] = ["and", "or"];
/// Words that belong to the number before them.
pub(super) const SUFFIXES: [&str; 15] =
    ["plus", "pro", "max", "mini", "edge", "ultra", "lite", "active", "prime", "se", "xl", "air", "fe", "play", "duo"];
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
    let parts = text.split(" - ").flat_map(without_denials);
    parts.flat_map(|part| affirmed(&words(&part))).collect()
}

/// A part of a text, and apart from it what its brackets take back: `(not for iPhone 7)`.
fn without_denials(part: &str) -> Vec<String> {
    let mut found = vec![String::with_capacity(part.len())];
    for piece in part.split_inclusive([')', ']']) {
        let opened = piece.rfind(['(', '[']);
        let denial = opened.filter(|&at| words(&piece[at..]).iter().any(|word| NEGATIONS.contains(&word.as_str())));
        found[0].push_str(&piece[..denial.unwrap_or(piece.len())]);
        found.extend(denial.map(|at| without_kind(&piece[at..])));
    }
    found
}

/// What brackets deny, with `not` in the place of a `no` at its start: `(NO iPhone 7)` denies all of it, though `No Slip` says a kind.
fn without_kind(bracket: &str) -> String {
    let inner = bracket.trim_start_matches(['(', '[', ' ']);
    let first = words(inner).first().cloned().unwrap_or_default();
    match inner.split_once(' ') {
        Some((_, rest)) if NEGATIVE_KINDS.contains(&first.as_str()) => format!("not {rest}"),
        _ => inner.to_owned(),
    }
}

/// The models that a product says it is not for, in lower case, ascending.
pub fn models_denied(product: &Product) -> Vec<String> {
    let attributes = ATTRIBUTES.iter().filter_map(|name| product.attributes.get(*name)).flatten();
    let texts = std::iter::once(&product.title).chain(attributes);
    let parts = texts.flat_map(|text| text.split(" - ")).flat_map(without_denials);
    let denied = parts.flat_map(|part| split_by_denials(&words(&part)).1);
    let affirmed = stated(product);
    sorted(denied.flat_map(|words| models_of(&words)).filter(|model| !affirmed.contains(model)).collect())
}

/// The runs of words that no negation takes back.
fn affirmed(words: &[String]) -> Vec<Vec<String>> {
    split_by_denials(words).0
}

/// The runs of words that no negation takes back, and those that one does.
fn split_by_denials(words: &[String]) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let (mut runs, mut denied) = (Vec::new(), Vec::new());
    let mut rest = words;
    while let Some((at, length)) = (0..rest.len()).find_map(|at| Some((at, taken_back(&rest[at..])?))) {
        let last = || rest[..at].iter().rposition(|word| SEPARATORS.contains(&word.as_str()));
        let kept = if denies_before(&rest[at..]) { last().unwrap_or(0) } else { at };
        runs.push(rest[..kept].to_vec());
        denied.push(rest[kept..at + length].to_vec());
        rest = &rest[at + length..];
    }
    runs.push(rest.to_vec());
    runs.retain(|run| !run.is_empty());
    (runs, denied)
}

/// Number of words that the negation at the start of `words` takes back, itself included: those to the next opener that is neither its
/// own nor joined by `or`. `None` where no negation stands there.
fn taken_back(words: &[String]) -> Option<usize> {
    let starts_with = |pair: &[&str; 2]| words.len() > 1 && words[0] == pair[0] && words[1] == pair[1];
    let is_pair = NEGATING_PAIRS.iter().any(starts_with);
    let negation = words.first().map(String::as_str).filter(|word| is_pair || NEGATIONS.contains(word))?;
    let (mut end, mut has_own) = (1 + usize::from(is_pair), false);
    while let Some(word) = words.get(end) {
        match opener(&words[end..]) {
            Some(length) => (end, has_own) = (end + length, true),
            None if OTHER_OPENERS.contains(&word.as_str()) => (end, has_own) = (end + 1, true),
            None if LINKS.contains(&word.as_str()) => end += 1,
            None => break,
        }
    }
    if NEGATIVE_KINDS.contains(&negation) && !has_own {
        return None;
    }
    let opens = |at: &usize| opener(&words[*at..]).is_some() && !["or", "nor"].contains(&words[at - 1].as_str());
    Some((end..words.len()).find(opens).unwrap_or(words.len()))
}

fn sorted(mut models: Vec<String>) -> Vec<String> {
    models.sort();
    models.dedup();
    models
}

/// Number of words of the opener that `words` starts with.
pub(super) fn opener(words: &[String]) -> Option<usize> {
    let starts_with =
        |opener: &&str| opener.split(' ').eq(words.iter().take(opener.split(' ').count()).map(String::as_str));
    OPENERS.iter().filter(|opener| starts_with(opener)).map(|opener| opener.split(' ').count()).max()
}

/// Lower-case words; `,` `/` `&` `;` stand as separators, `+` as `plus`, `%` as `percent`, decimals stay whole, and a letter apart from
/// its number is joined: `S 5` is `s5`.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().flat_map(char::to_lowercase).peekable();
    while let Some(c) = chars.next() {
        let is_digit = |c: char| c.is_ascii_digit();
        match c {
            '.' if spaced.ends_with(is_digit) && chars.peek().copied().is_some_and(is_digit) => spaced.push(c),
            '%' => spaced.push_str(" percent "),
            ',' | '/' | '&' | ';' => spaced.push_str(" and "),
            '+' => spaced.push_str(" plus "),
            '®' | '™' | '©' => {}
            c if c.is_alphanumeric() => spaced.push(c),
            _ => spaced.push(' '),
        }
    }
    let mut words: Vec<String> = Vec::new();
    for word in spaced.split_whitespace() {
        match words.last_mut() {
            Some(last) if is_letter(last) && word.starts_with(|c: char| c.is_ascii_digit()) => last.push_str(word),
            _ => words.push(word.to_owned()),
        }
    }
    words
}

fn is_letter(word: &str) -> bool {
    word.len() == 1 && word.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Whether the negation at the start of `words` is one of what stands before it.
fn denies_before(words: &[String]) -> bool {
    let leads_on = |at: usize| {
        words.get(at).is_some_and(|next| ["with", "to"].contains(&next.as_str()))
            || words.get(at..).is_some_and(|rest| opener(rest).is_some())
            || words.get(at).is_some_and(|next| OTHER_OPENERS.contains(&next.as_str()))
    };
    let is_verdict =
        |at: usize| words.get(at).is_some_and(|word| VERDICTS.contains(&word.as_str())) && !leads_on(at + 1);
    words[0] == "unsupported" || (1..3).any(is_verdict)
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

pub(super) fn has_digit(word: &str) -> bool {
    word.chars().any(|c| c.is_ascii_digit())
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
