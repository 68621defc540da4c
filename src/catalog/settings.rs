//! The `[catalog]` settings: how a feed is read and what text of a product is embedded.

use serde::{Deserialize, Serialize};

use super::template::TextTemplate;

/// Settings of one catalog. Every key is optional; an unknown key is refused.
///
/// ```
/// let config: kindred::catalog::CatalogConfig = toml::from_str("currency = 'EUR'").unwrap();
/// assert_eq!(config.currency.as_deref(), Some("EUR"));
/// assert_eq!(config.max_reject_share, 0.05);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CatalogConfig {
    /// ISO 4217 code for prices that name no currency. Needed for Shopify feeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Largest share of rejected records, from 0 to 1, with which a build goes on.
    pub max_reject_share: f64,
    /// Longest title in bytes, after HTML is stripped.
    pub max_title_bytes: usize,
    /// Longest description in bytes, after HTML is stripped.
    pub max_description_bytes: usize,
    /// Longest value of any other field in bytes.
    pub max_field_bytes: usize,
    /// Longest record of the feed in bytes, as it stands in the file.
    pub max_record_bytes: usize,
    /// Most attribute names of one product.
    pub max_attributes: usize,
    /// What is embedded of a product.
    pub text: TextTemplate,
}

impl Default for CatalogConfig {
    fn default() -> Self {
        Self {
            currency: None,
            max_reject_share: 0.05,
            max_title_bytes: 2_000,
            max_description_bytes: 64 * 1024,
            max_field_bytes: 8 * 1024,
            max_record_bytes: 4 * 1024 * 1024,
            max_attributes: 1_000,
            text: TextTemplate::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_a_round_trip_through_toml() {
        let config = CatalogConfig { currency: Some("EUR".into()), ..CatalogConfig::default() };
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<CatalogConfig>(&text).unwrap(), config);
    }

    #[test]
    fn unknown_keys_are_refused_at_every_level() {
        for text in ["curency = 'EUR'", "[text]\nfeilds = []", "[[text.fields]]\nfield = 'title'\nmax = 3"] {
            assert!(toml::from_str::<CatalogConfig>(text).is_err(), "accepted {text}");
        }
    }
}
