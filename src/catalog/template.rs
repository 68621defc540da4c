//! The text that is embedded of a product: chosen fields in a chosen order, each with a limit.
//!
//! The template is part of the model fingerprint: another template makes other vectors.

use serde::{Deserialize, Serialize};

use super::product::{CATEGORY_SEPARATOR, Product};

/// Changes when [`TextTemplate::render`] makes another text of the same template and product.
const RENDER_VERSION: u32 = 1;

/// Attributes that say what a product is, in the order in which they are embedded.
const KEY_ATTRIBUTES: [&str; 16] = [
    "color",
    "size",
    "material",
    "pattern",
    "gender",
    "age_group",
    "style",
    "model",
    "type",
    "compatibility",
    "capacity",
    "storage",
    "flavor",
    "scent",
    "theme",
    "occasion",
];

/// What is embedded of a product: its fields in order, joined by the separator.
///
/// ```
/// use kindred::catalog::{TemplateField, TextTemplate};
/// let short: TextTemplate = toml::from_str("fields = [{ field = 'title' }, { field = 'brand' }]").unwrap();
/// assert_eq!(short.fields, [TemplateField::Title { max_chars: 300 }, TemplateField::Brand {}]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextTemplate {
    /// Stands between two fields that are not empty.
    pub separator: String,
    /// The fields, in order.
    pub fields: Vec<TemplateField>,
}

/// One field of a [`TextTemplate`] with its limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "field", rename_all = "snake_case", deny_unknown_fields)]
pub enum TemplateField {
    /// The title.
    Title {
        /// Longest text in characters; cut at a word boundary.
        #[serde(default = "default_title_chars")]
        max_chars: usize,
    },
    /// The brand, left out where the text so far already names it.
    Brand {},
    /// The main category from root to leaf.
    Category {
        /// Most names, counted from the leaf.
        #[serde(default = "default_category_names")]
        max_names: usize,
    },
    /// `name: value` pairs.
    Attributes {
        /// Names of the attributes, in order. Empty means every attribute of the product, in alphabetical order.
        #[serde(default = "default_attribute_names")]
        names: Vec<String>,
        /// Most pairs.
        #[serde(default = "default_attribute_count")]
        max_count: usize,
        /// Longest value in characters; longer ones are left out.
        #[serde(default = "default_attribute_chars")]
        max_chars: usize,
    },
    /// The start of the description.
    Description {
        /// Longest text in characters; cut at a word boundary.
        #[serde(default = "default_description_chars")]
        max_chars: usize,
    },
}

fn default_title_chars() -> usize {
    300
}

fn default_category_names() -> usize {
    8
}

fn default_attribute_names() -> Vec<String> {
    KEY_ATTRIBUTES.map(str::to_owned).to_vec()
}

fn default_attribute_count() -> usize {
    8
}

fn default_attribute_chars() -> usize {
    80
}

fn default_description_chars() -> usize {
    200
}

impl Default for TextTemplate {
    fn default() -> Self {
        let fields = vec![
            TemplateField::Title { max_chars: default_title_chars() },
            TemplateField::Brand {},
            TemplateField::Category { max_names: default_category_names() },
            TemplateField::Attributes {
                names: default_attribute_names(),
                max_count: default_attribute_count(),
                max_chars: default_attribute_chars(),
            },
            TemplateField::Description { max_chars: default_description_chars() },
        ];
        Self { separator: ". ".to_owned(), fields }
    }
}

impl TextTemplate {
    /// The text of `product` that is embedded; empty only where every chosen field is empty.
    pub fn render(&self, product: &Product) -> String {
        let mut text = String::new();
        for field in &self.fields {
            let part = field.render(product, &text);
            if part.is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push_str(&self.separator);
            }
            text.push_str(&part);
        }
        text
    }

    /// The template as canonical text, for the model fingerprint: other text means other embeddings.
    pub fn fingerprint_text(&self) -> String {
        let settings = serde_json::to_string(self).expect("strings, numbers and lists are always JSON");
        format!("text-template {RENDER_VERSION} {settings}")
    }
}

impl TemplateField {
    fn render(&self, product: &Product, text_so_far: &str) -> String {
        match self {
            Self::Title { max_chars } => cut_at_word(&product.title, *max_chars).to_owned(),
            Self::Brand {} => new_brand(product, text_so_far),
            Self::Category { max_names } => category(product.main_category(), *max_names),
            Self::Attributes { names, max_count, max_chars } => attributes(product, names, *max_count, *max_chars),
            Self::Description { max_chars } => cut_at_word(&product.description, *max_chars).to_owned(),
        }
    }
}

fn new_brand(product: &Product, text_so_far: &str) -> String {
    let brand = product.brand.as_deref().unwrap_or("");
    let is_named = text_so_far.to_lowercase().contains(&brand.to_lowercase());
    if is_named { String::new() } else { brand.to_owned() }
}

/// A taxonomy number such as `2271` says nothing to a language model, so it is left out.
fn category(path: &[String], max_names: usize) -> String {
    let names = &path[path.len().saturating_sub(max_names)..];
    if names.iter().all(|name| name.bytes().all(|b| b.is_ascii_digit())) {
        return String::new();
    }
    names.join(CATEGORY_SEPARATOR)
}

fn attributes(product: &Product, names: &[String], max_count: usize, max_chars: usize) -> String {
    let chosen: Vec<&String> =
        if names.is_empty() { product.attributes.keys().collect() } else { names.iter().collect() };
    let pair = |name: &String| {
        let values = product.attributes.get(name)?;
        let short: Vec<&str> = values.iter().map(String::as_str).filter(|v| v.chars().count() <= max_chars).collect();
        (!short.is_empty()).then(|| format!("{}: {}", name.replace('_', " "), short.join(", ")))
    };
    chosen.into_iter().filter_map(pair).take(max_count).collect::<Vec<_>>().join("; ")
}

/// The longest prefix of at most `max_chars` characters that ends before a space; a first word that is longer is cut inside.
pub(super) fn cut_at_word(text: &str, max_chars: usize) -> &str {
    let Some((end, next)) = text.char_indices().nth(max_chars) else { return text };
    let head = &text[..end];
    if next.is_whitespace() {
        return head.trim_end();
    }
    head.rfind(char::is_whitespace).map_or(head, |space| head[..space].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn product(json: serde_json::Value) -> Product {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_default_text_names_what_a_shopper_would_ask_for() {
        let case = product(serde_json::json!({
            "id": "c1", "title": "Slim case for Galaxy S25", "brand": "Spigen", "description": "Thin and light.",
            "product_type": [["Phones", "Cases"], ["Sale"]],
            "attributes": {"color": ["Black", "Blue"], "custom_label_0": ["margin-a"], "material": ["TPU"]}
        }));
        let expected =
            "Slim case for Galaxy S25. Spigen. Phones > Cases. color: Black, Blue; material: TPU. Thin and light.";
        assert_eq!(TextTemplate::default().render(&case), expected);
    }

    #[test]
    fn a_brand_in_the_title_and_a_category_number_are_not_repeated() {
        let phone = product(serde_json::json!({
            "id": "p1", "title": "SONY Xperia", "brand": "Sony", "google_product_category": ["267"]
        }));
        assert_eq!(TextTemplate::default().render(&phone), "SONY Xperia");
    }

    #[test]
    fn the_documented_defaults_are_the_template() {
        let toml = "fields = [{ field = 'title' }, { field = 'brand' }, { field = 'category' }, { field = 'attributes' }, { field = 'description' }]";
        assert_eq!(toml::from_str::<TextTemplate>(toml).unwrap(), TextTemplate::default());
    }

    #[test]
    fn any_change_of_the_template_changes_the_fingerprint_text() {
        let base = TextTemplate::default();
        let mut changed = vec![base.clone(); 3];
        changed[0].separator = " ".to_owned();
        changed[1].fields.reverse();
        changed[2].fields[0] = TemplateField::Title { max_chars: 299 };
        for template in changed {
            assert_ne!(template.fingerprint_text(), base.fingerprint_text());
        }
        assert_eq!(base.fingerprint_text(), TextTemplate::default().fingerprint_text());
    }

    proptest! {
        #[test]
        fn a_cut_is_a_prefix_that_ends_at_a_word(text in "\\PC{0,60}", max_chars in 1_usize..40) {
            let cut = cut_at_word(&text, max_chars);
            prop_assert!(text.starts_with(cut) && cut.chars().count() <= max_chars);
            let rest = &text[cut.len()..];
            let ends_at_word = rest.is_empty() || rest.starts_with(char::is_whitespace);
            prop_assert!(ends_at_word || !cut.contains(char::is_whitespace), "{cut:?} of {text:?}");
        }
    }
}
