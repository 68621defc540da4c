//! What a product says it is *for*, and what other products may call it.
//!
//! `Charger for most cell phones`, `refill for Parker pens`, `compatible with Lightning devices`: the kind of thing behind `for` and its
//! like is a *purpose*. A purpose meets every product that goes by that name, in its title or in its categories. Models with a number
//! (`iPhone 7`) are [`Compatibility`](super::Compatibility)'s, which excludes what is made for another model; a purpose excludes nothing.

use std::collections::BTreeSet;

use super::attributes::Origin;
use super::compatibility::{models_named, phrases};
use super::need::singular;
use super::product::Product;
use super::title_words::{ENDS, SEPARATORS, SUFFIXES, has_digit, opener, words};

/// Words before a purpose that only say which ones.
const DETERMINERS: [&str; 8] = ["a", "all", "an", "any", "most", "other", "the", "your"];
/// Words before a purpose that leave open which ones.
const SELECTIVE: [&str; 7] = ["certain", "many", "select", "selected", "some", "specific", "various"];
/// Last words of a purpose that say nothing.
const TAILS: [&str; 3] = ["enabled", "model", "series"];
/// Openers that a description has to use: a bare `for` stands in any sentence.
const DESCRIBED: [&str; 3] = ["compatible with", "designed for", "works with"];
/// Most words of a purpose, and of a name.
const MAX_WORDS: usize = 4;
/// Words of a title that are read as names.
const MAX_TITLE_WORDS: usize = 12;
/// Names of one thing: the second stands for the first.
const SYNONYMS: [(&str, &str); 5] = [
    ("cellphone", "cell phone"),
    ("cellular phone", "cell phone"),
    ("mobile phone", "cell phone"),
    ("smartphone", "cell phone"),
    ("smart phone", "cell phone"),
];

/// A kind of thing that a product says it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    /// Its name in lower case, without a plural: `cell phone`.
    pub name: String,
    /// Where that stands: the title or the description.
    pub origin: Origin,
    /// Whether it is for some of them alone, and not said for which: `select Samsung phones`.
    pub is_for_some: bool,
}

/// What another product may call a product.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// In lower case, without a plural at the end.
    pub name: String,
    /// Whether it is the product's own, in its title, and not that of its category.
    pub is_own: bool,
}

/// What `product` says it is for, each once, those of the title first.
///
/// ```
/// use kindred::catalog::{Product, purposes};
/// let json = r#"{"id": "1", "title": "Vehicle Charger for Most Cell Phones - Black"}"#;
/// let charger: Product = serde_json::from_str(json).unwrap();
/// assert_eq!(purposes(&charger)[0].name, "cell phone");
/// ```
pub fn purposes(product: &Product) -> Vec<Purpose> {
    let mut found: Vec<Purpose> = Vec::new();
    let mut add = |names: Vec<(String, bool)>, origin: Origin| {
        for (name, is_for_some) in names {
            if !found.iter().any(|known| known.name == name) {
                found.push(Purpose { name, origin, is_for_some });
            }
        }
    };
    add(phrases(&product.title).iter().flat_map(|words| behind_openers(words, |_| true)).collect(), Origin::Title);
    let described = |words: &[String]| {
        DESCRIBED.iter().any(|opener| opener.split(' ').eq(words.iter().take(2).map(String::as_str)))
    };
    let sentences = product.description.split(['.', '!', '?', ';', ':', '(', ')']);
    let described = sentences.flat_map(phrases).flat_map(|words| behind_openers(&words, described));
    add(described.collect(), Origin::Description);
    found
}

/// The names behind each opener that `counts`, and whether some of them alone are meant.
fn behind_openers(words: &[String], counts: impl Fn(&[String]) -> bool) -> Vec<(String, bool)> {
    let mut names = Vec::new();
    for at in 0..words.len() {
        if let Some(length) = opener(&words[at..])
            && counts(&words[at..])
        {
            names.extend(listed(&words[at + length..]));
        }
    }
    names
}

/// The names of a list such as `most cell phones and tablets with a USB port`.
fn listed(words: &[String]) -> Vec<(String, bool)> {
    let is_end = |at: &usize| ENDS.contains(&words[*at].as_str()) || opener(&words[*at..]).is_some();
    let end = (0..words.len()).find(is_end).unwrap_or(words.len());
    let parts = words[..end].split(|word| SEPARATORS.contains(&word.as_str()));
    parts.map_while(|part| (!part.is_empty()).then(|| name_of(part))).flatten().collect()
}

/// The name that a part of a list stands for, and whether some of them alone are meant; `None` for a model with a number and for what is too
/// long to be a name.
fn name_of(part: &[String]) -> Option<(String, bool)> {
    let is_selective = |word: &String| SELECTIVE.contains(&word.as_str());
    let start = part.iter().position(|word| !DETERMINERS.contains(&word.as_str()) && !is_selective(word))?;
    let is_tail = |word: &String| TAILS.contains(&singular(word).as_str());
    let end = part.iter().rposition(|word| !is_tail(word))? + 1;
    let name = part.get(start..end).filter(|name| (1..=MAX_WORDS).contains(&name.len()))?;
    if name.iter().any(|word| has_digit(word)) {
        return None;
    }
    Some((plain(name), part[..start].iter().any(is_selective))).filter(|(name, _)| name.chars().count() > 2)
}

/// The words without a plural at the end, by the usual name.
fn plain(words: &[String]) -> String {
    let (last, before) = words.split_last().map_or((String::new(), words), |(last, before)| (singular(last), before));
    let name = before.iter().map(String::as_str).chain([last.as_str()]).collect::<Vec<_>>().join(" ");
    SYNONYMS.iter().find(|(other, _)| *other == name).map_or(name, |(_, usual)| (*usual).to_owned())
}

/// What another product that is for `product` may call it: runs of 1 to 4 words of its title, of its categories, and of its brand with a
/// category; each once, ascending.
pub fn names(product: &Product) -> Vec<Name> {
    let mut own = BTreeSet::new();
    let title = words(&product.title);
    add_runs(&title[..title.len().min(MAX_TITLE_WORDS)], &mut own);
    let mut shared = BTreeSet::new();
    let brand = product.brand.as_deref().map(words).unwrap_or_default();
    for category in product.main_category() {
        let category = words(category);
        // `Cases & Clips` are both; `All Phones with Plans` are phones.
        for part in category.split(|word| SEPARATORS.contains(&word.as_str()) || ENDS.contains(&word.as_str())) {
            for end in (0..part.len()).map(|start| &part[start..]) {
                let with_brand = [&brand[..], end].concat();
                let runs = [end, &with_brand].into_iter().filter(|run| run.len() <= MAX_WORDS);
                shared.extend(runs.map(plain));
            }
        }
    }
    let shared = shared.difference(&own).map(|name| Name { name: name.clone(), is_own: false });
    let mut found: Vec<Name> = shared.collect();
    found.extend(own.into_iter().map(|name| Name { name, is_own: true }));
    found.retain(|found| found.name.chars().count() > 2);
    found.sort();
    found
}

fn add_runs(words: &[String], found: &mut BTreeSet<String>) {
    for start in 0..words.len() {
        let longest = MAX_WORDS.min(words.len() - start);
        // A Pixel XL is no Pixel.
        let is_whole = |end: usize| words.get(end).is_none_or(|next| !SUFFIXES.contains(&next.as_str()));
        let ends = (start + 1..=start + longest).filter(|&end| is_whole(end));
        found.extend(ends.map(|end| plain(&words[start..end])));
    }
}

/// The models that `title` names and the shop knows: of `iphone 7 32gb`, `iphone 7`, unless what is left out tells another model.
pub fn known_model(title: &str, is_known: impl Fn(&str) -> bool) -> Vec<String> {
    let mut models = Vec::new();
    for named in models_named(title) {
        let words: Vec<&str> = named.split(' ').collect();
        let dropped = |length: usize| words[length..].iter().all(|word| has_digit(word));
        let shorter =
            (2..=words.len()).rev().take_while(|&length| dropped(length)).map(|length| words[..length].join(" "));
        models.extend(shorter.into_iter().find(|model| is_known(model)));
    }
    models.sort();
    models.dedup();
    models
}

/// `model` as `title` writes it: of `iphone 6s plus`, `iPhone 6s Plus`; `None` where the title names it otherwise, as in a list.
pub fn as_written(title: &str, model: &str) -> Option<String> {
    let written: Vec<&str> = title.split_whitespace().filter(|part| !words(part).is_empty()).collect();
    let says = |from: usize, to: usize| words(&written[from..to].join(" ")).join(" ") == model;
    let longest = model.split(' ').count() + 1;
    let ends = |from: usize| (from + 1..=written.len().min(from + longest)).find(|&to| says(from, to));
    let (from, to) = (0..written.len()).find_map(|from| Some((from, ends(from)?)))?;
    let is_mark = |c: char| matches!(c, '®' | '™' | '©');
    let clean = |part: &&str| part.replace(is_mark, "").trim_matches(['(', ')', ',', ';', ':']).to_owned();
    Some(written[from..to].iter().map(clean).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(title: &str, description: &str) -> Product {
        serde_json::from_value(serde_json::json!({"id": "1", "title": title, "description": description})).unwrap()
    }

    #[test]
    fn purposes_are_read_from_titles_and_from_what_descriptions_say_outright() {
        let cases: [(&str, &str, &[&str]); 12] = [
            ("Vehicle Charger for Most Cell Phones - Black", "", &["cell phone"]),
            ("Case for Google Pixel XL", "", &["google pixel xl"]),
            ("Case for Apple iPhone 7", "", &[]),
            ("Charger for Lightning Devices and Tablets with Cable", "", &["lightning device", "tablet"]),
            ("Ink refill", "Refill designed for Parker pens. Good for writing.", &["parker pen"]),
            ("Charger", "It is compatible with all iPhone and iPad models, and quick.", &["iphone", "ipad"]),
            ("Charger", "Compatible with most smartphones", &["cell phone"]),
            ("Sleeping bag for children 3 to 5 years", "", &[]),
            ("Bag for", "compatible with", &[]),
            ("Charger, not for tablets", "It is not yet compatible with smartphones.", &[]),
            ("Charger for tablets but not for phones", "Doesn't work with or designed for cameras", &["tablet"]),
            ("Charger", "Not designed for tablets. Designed for cameras.", &["camera"]),
        ];
        for (title, description, names) in cases {
            let found: Vec<String> =
                purposes(&product(title, description)).into_iter().map(|found| found.name).collect();
            assert_eq!(found, names, "{title} | {description}");
        }
    }

    #[test]
    fn what_is_for_some_of_a_kind_is_told_from_what_is_for_all() {
        let found =
            purposes(&product("Battery for Select Samsung Cell Phones and tablets", "Works with most cameras."));
        let said: Vec<(&str, bool)> = found.iter().map(|found| (found.name.as_str(), found.is_for_some)).collect();
        assert_eq!(said, [("samsung cell phone", true), ("tablet", false), ("camera", false)]);
    }

    #[test]
    fn a_product_goes_by_the_words_of_its_title_and_its_categories() {
        let phone: Product = serde_json::from_value(serde_json::json!({
            "id": "1", "title": "Google - Pixel XL 32GB (Verizon)", "brand": "Google",
            "product_type": [["Mobile", "All Cell Phones with Plans"]],
        }))
        .unwrap();
        let names = names(&phone);
        for name in ["google pixel xl", "pixel xl", "cell phone", "google phone", "phone", "mobile"] {
            assert!(names.iter().any(|known| known.name == name), "{name}: {names:?}");
        }
        assert!(names.iter().all(|known| known.name != "google pixel"));
        assert!(
            names.iter().all(|known| known.is_own == known.name.contains("pixel") || !known.name.contains("phone"))
        );
    }

    #[test]
    fn a_model_is_known_without_its_memory_but_never_without_what_tells_it_apart() {
        let known = ["iphone 7", "galaxy s7", "galaxy s7 edge", "iphone se"];
        let of = |title: &str| known_model(title, |model| known.contains(&model));
        assert_eq!(of("Apple - iPhone 7 32GB - Black (Verizon)"), ["iphone 7"]);
        assert_eq!(of("Apple - iPhone 7 Plus 32GB"), [""; 0]);
        assert_eq!(of("Samsung - Galaxy S7 edge 32GB - Blue Coral"), ["galaxy s7 edge"]);
        assert_eq!(of("Samsung - Galaxy S7 32GB"), ["galaxy s7"]);
        assert_eq!(of("Apple - iPhone SE 16GB"), ["iphone se"]);
    }

    #[test]
    fn a_model_is_shown_as_the_title_writes_it() {
        let written = |title: &str, model: &str| as_written(title, model);
        assert_eq!(
            written("Case for Apple® iPhone® 6s Plus - Black", "iphone 6s plus").as_deref(),
            Some("iPhone 6s Plus")
        );
        assert_eq!(written("Case for HTC One (M9) Cell Phones", "one m9").as_deref(), Some("One M9"));
        assert_eq!(written("Case for Samsung Galaxy S 5", "galaxy s5").as_deref(), Some("Galaxy S 5"));
        assert_eq!(written("Case for Apple iPhone 6 and 6s", "iphone 6s"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,80}") {
            as_written(&text, "iphone 7");
            let product = product(&format!("x for {text}"), &format!("compatible with {text}"));
            purposes(&product);
            names(&product);
            known_model(&text, |_| true);
        }
    }
}
