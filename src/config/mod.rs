//! Reads the settings: defaults, then `kindred.toml`, then `KINDRED_…` variables, then flags. It only reads; the structs that
//! it fills belong to the modules that use them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::behavior::BehaviorConfig;
use crate::catalog::CatalogConfig;
use crate::embed::{EmbedConfig, MAX_THREADS};
use crate::events::EventsConfig;
use crate::index::IndexConfig;
use crate::recommend::{PlacementChanges, RecommendConfig};
use crate::server::ServerConfig;

/// The settings file that is read when it exists and none is named.
pub const DEFAULT_FILE: &str = "kindred.toml";
/// What `kindred init` writes: every setting with its default and a comment.
pub const TEMPLATE: &str = include_str!("kindred.toml");
/// Variables with this prefix are settings: `KINDRED_SERVER__BIND` is `server.bind`.
pub const ENV_PREFIX: &str = "KINDRED_";
/// What a single catalog may say differently beside the keys of `catalog`.
const PLACEMENTS: &str = "placements";
/// Variables with the prefix that are no settings: the file's name, the log filter and its format.
const ENV_OTHERS: [&str; 3] = ["KINDRED_CONFIG", "KINDRED_LOG", "KINDRED_LOG_FORMAT"];

/// Every setting of Kindred.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder of the built indexes, one folder a catalog.
    pub index_root: PathBuf,
    /// How feeds are read and what is embedded, for every catalog.
    pub catalog: CatalogConfig,
    /// Differences for single catalogs, by name: the same keys as in `catalog`, and `placements`.
    pub catalogs: BTreeMap<String, Table>,
    /// The model.
    pub embed: EmbedConfig,
    /// How indexes are built and searched.
    pub index: IndexConfig,
    /// What is learned from events.
    pub behavior: BehaviorConfig,
    /// How answers are made.
    pub recommend: RecommendConfig,
    /// What of events is kept.
    pub events: EventsConfig,
    /// The HTTP server.
    pub server: ServerConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            index_root: PathBuf::from("index"),
            catalog: CatalogConfig::default(),
            catalogs: BTreeMap::new(),
            embed: EmbedConfig::default(),
            index: IndexConfig::default(),
            behavior: BehaviorConfig::default(),
            recommend: RecommendConfig::default(),
            events: EventsConfig::default(),
            server: ServerConfig::default(),
        }
    }
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The settings file could not be read.
    #[error("cannot read the settings file `{path}`; `kindred init` writes one")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The settings file is no TOML.
    #[error("`{path}` is not valid TOML")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The cause, with line and column.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A setting is unknown or of the wrong type.
    #[error("{origin}: {message}; `kindred init --print` shows every setting")]
    Setting {
        /// The file, variables and flags that were read.
        origin: String,
        /// What is wrong.
        message: String,
    },
    /// A setting has no sense in it.
    #[error("{key}: {message}")]
    Range {
        /// The setting.
        key: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// `--set` or a variable names no setting.
    #[error("`{0}` is no setting; write `section.key=value`, e.g. `server.bind=127.0.0.1:9000`")]
    Override(String),
}

impl Config {
    /// Reads the settings: `file` (or [`DEFAULT_FILE`] when there is one), then the `variables` that start with [`ENV_PREFIX`], then
    /// `overrides` of the form `section.key=value`; the later wins.
    ///
    /// Returns an error if the named file is missing, is no TOML, or any setting is unknown, of the wrong type or out of its range.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
        overrides: &[String],
    ) -> Result<Self, ConfigError> {
        let mut origin = Vec::new();
        let mut table = Table::new();
        let path = file.or_else(|| Some(Path::new(DEFAULT_FILE)).filter(|path| path.exists()));
        if let Some(path) = path {
            table = read_table(path)?;
            origin.push(format!("`{}`", path.display()));
        }
        let mut variables: Vec<_> = variables.into_iter().filter(|(name, _)| is_setting(name)).collect();
        variables.sort();
        for (name, value) in variables {
            let path = name[ENV_PREFIX.len()..].to_lowercase().replace("__", ".");
            set(&mut table, &path, &value).ok_or_else(|| ConfigError::Override(name.clone()))?;
            origin.push(name);
        }
        for pair in overrides {
            let set = pair.split_once('=').and_then(|(path, value)| set(&mut table, path.trim(), value.trim()));
            set.ok_or_else(|| ConfigError::Override(pair.clone()))?;
            origin.push(format!("--set {pair}"));
        }
        let origin = origin.join(", ");
        let config: Self = parse(table, &origin)?;
        config.check()?;
        config.catalogs.keys().try_for_each(|name| config.catalog(name).map(drop))?;
        config.catalogs.keys().try_for_each(|name| config.recommend(name).map(drop))?;
        Ok(config)
    }

    /// The settings of one catalog: `catalog`, with what `catalogs.NAME` says differently.
    ///
    /// Returns an error if that table has an unknown key or a wrong type.
    pub fn catalog(&self, name: &str) -> Result<CatalogConfig, ConfigError> {
        let Some(mut differences) = self.catalogs.get(name).cloned() else { return Ok(self.catalog.clone()) };
        differences.remove(PLACEMENTS);
        let origin = format!("catalogs.{name}");
        let failed = |e: toml::ser::Error| ConfigError::Setting { origin: origin.clone(), message: e.to_string() };
        let mut table = Table::try_from(&self.catalog).map_err(failed)?;
        merge(&mut table, &differences);
        let config: CatalogConfig = parse(table, &origin)?;
        check_catalog(&config, &origin)?;
        Ok(config)
    }

    /// How answers of one catalog are made: `recommend`, with what `catalogs.NAME.placements` says differently of placements.
    ///
    /// Returns an error if that table has an unknown key, a wrong type or a setting out of its range.
    pub fn recommend(&self, name: &str) -> Result<RecommendConfig, ConfigError> {
        let changes = self.catalogs.get(name).and_then(|catalog| catalog.get(PLACEMENTS));
        let Some(changes) = changes else { return Ok(self.recommend.clone()) };
        let origin = format!("catalogs.{name}");
        let mut table = Table::new();
        table.insert(PLACEMENTS.to_owned(), changes.clone());
        let mut changes: BTreeMap<String, BTreeMap<String, PlacementChanges>> = parse(table, &origin)?;
        let mut config = self.recommend.clone();
        config.placements.change(changes.remove(PLACEMENTS).unwrap_or_default());
        match config.placements.out_of_range() {
            Some((key, wanted)) => {
                Err(ConfigError::Range { key: format!("{origin}.{PLACEMENTS}.{key}"), message: wanted.to_owned() })
            }
            None => Ok(config),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let index = &self.index;
        let range = |key: &str, is_right: bool, wanted: &str| {
            let error = ConfigError::Range { key: key.to_owned(), message: wanted.to_owned() };
            if is_right { Ok(()) } else { Err(error) }
        };
        range("index.m", (4..=64).contains(&index.m), "give a number from 4 to 64")?;
        range("index.ef_construction", (8..=4096).contains(&index.ef_construction), "give a number from 8 to 4096")?;
        range("index.ef_search", (8..=4096).contains(&index.ef_search), "give a number from 8 to 4096")?;
        range("index.recall_floor", (0.0..=1.0).contains(&index.recall_floor), "give a number from 0 to 1")?;
        if let Some((key, wanted)) = self.behavior.out_of_range() {
            range(&format!("behavior.{key}"), false, wanted)?;
        }
        if let Some((key, wanted)) = self.recommend.out_of_range() {
            range(&format!("recommend.{key}"), false, wanted)?;
        }
        if let Some((key, wanted)) = self.recommend.upsell.out_of_range() {
            range(&format!("recommend.upsell.{key}"), false, wanted)?;
        }
        if let Some((key, wanted)) = self.recommend.cross_sell.out_of_range() {
            range(&format!("recommend.cross_sell.{key}"), false, wanted)?;
        }
        let of_answers = [
            ("post_purchase", self.recommend.post_purchase.out_of_range()),
            ("bundle", self.recommend.bundle.out_of_range()),
            ("replenish", self.recommend.replenish.out_of_range()),
        ];
        for (section, found) in of_answers {
            if let Some((key, wanted)) = found {
                range(&format!("recommend.{section}.{key}"), false, wanted)?;
            }
        }
        if let Some((key, wanted)) = self.recommend.placements.out_of_range() {
            range(&format!("recommend.placements.{key}"), false, wanted)?;
        }
        if let Some(key) = self.recommend.messages.unknown_key() {
            range(&format!("recommend.messages.{key}"), false, "there is no such message; the README lists the keys")?;
        }
        if let Some((key, what)) = self.recommend.messages.unusable() {
            range(&format!("recommend.messages.{key}"), false, what)?;
        }
        range("embed.batch_tokens", self.embed.batch_tokens > 0, "give at least 1")?;
        let idle = self.events.session_idle_minutes;
        range("events.session_idle_minutes", (1..=1440).contains(&idle), "give minutes from 1 to 1440")?;
        let jump = self.events.max_clock_jump_days;
        range("events.max_clock_jump_days", (1..=36_500).contains(&jump), "give days from 1 to 36500")?;
        let threads = format!("give 0, which takes every core, or a number up to {MAX_THREADS}");
        range("embed.threads", self.embed.threads <= MAX_THREADS, &threads)?;
        check_catalog(&self.catalog, "catalog")
    }
}

fn check_catalog(config: &CatalogConfig, at: &str) -> Result<(), ConfigError> {
    let range = |key: &str, message: String| ConfigError::Range { key: format!("{at}.{key}"), message };
    if !(0.0..=1.0).contains(&config.max_reject_share) {
        return Err(range("max_reject_share", "give a share from 0 to 1, e.g. 0.05".into()));
    }
    match config.currency.as_deref().map(str::parse::<crate::catalog::Currency>) {
        Some(Err(e)) => Err(range("currency", e.to_string())),
        _ => Ok(()),
    }
}

fn is_setting(name: &str) -> bool {
    name.starts_with(ENV_PREFIX) && !ENV_OTHERS.contains(&name)
}

fn read_table(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    text.parse().map_err(|source| ConfigError::Syntax { path: path.to_owned(), source: Box::new(source) })
}

fn parse<T: serde::de::DeserializeOwned>(table: Table, origin: &str) -> Result<T, ConfigError> {
    serde_path_to_error::deserialize(table).map_err(|e| {
        let (path, message) = (e.path().to_string(), e.inner().message().trim().to_owned());
        ConfigError::Setting { origin: origin.to_owned(), message: format!("{path}: {message}") }
    })
}

/// Sets `path` (`section.key`) to `value`, read as TOML where it is TOML and as a text otherwise. `None` if `path` leads nowhere.
fn set(table: &mut Table, path: &str, value: &str) -> Option<()> {
    let (parents, key) = path.rsplit_once('.').map_or(("", path), |(parents, key)| (parents, key));
    if key.is_empty() {
        return None;
    }
    let mut at = table;
    for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
        at = at.entry(parent).or_insert_with(|| Value::Table(Table::new())).as_table_mut()?;
    }
    let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    at.insert(key.to_owned(), parsed.unwrap_or_else(|| Value::String(value.to_owned())));
    Some(())
}

fn merge(table: &mut Table, differences: &Table) {
    for (key, value) in differences {
        match (table.get_mut(key), value) {
            (Some(Value::Table(inner)), Value::Table(other)) => merge(inner, other),
            _ => {
                table.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, variables: &[(&str, &str)], overrides: &[&str]) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.toml");
        std::fs::write(&path, text).unwrap();
        let variables = variables.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        let overrides: Vec<String> = overrides.iter().map(|o| o.to_string()).collect();
        Config::load(Some(&path), variables, &overrides).map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_left_out_of_the_wide_neighbors_is_theirs_and_bad_mixes_are_named() {
        let wide = Config::default().behavior.session_wide;
        let changed = load("[behavior.session_wide]\nnum_neighbors = 7", &[], &[]).unwrap().behavior;
        assert_eq!(changed.session_wide, crate::behavior::SessionConfig { num_neighbors: 7, ..wide });
        assert_eq!(changed.session, Config::default().behavior.session);
        let closer = load("", &[], &["behavior.session_wide.recency_days=3"]).unwrap().behavior.session_wide;
        assert_eq!((closer.recency_days, closer.max_products), (3.0, wide.max_products));
        assert!(load("[behavior.session_wide]\nneighbors = 7", &[], &[]).unwrap_err().contains("neighbors"));
        for (setting, key) in [
            ("cart.kappa=-1", "cart.kappa"),
            ("cart.semantic_share=2", "cart.semantic_share"),
            ("cart.semantic_share=0.5", "cart"),
            ("cart.novelty=-1", "cart.novelty"),
            ("next.similar=-1", "next"),
        ] {
            let error = load("", &[], &[&format!("recommend.{setting}")]).unwrap_err();
            assert!(error.contains(&format!("recommend.{key}")), "{error}");
        }
    }

    #[test]
    fn flags_beat_variables_and_variables_beat_the_file() {
        let file = "[index]\nm = 8\nef_search = 50\nef_construction = 60";
        let config =
            load(file, &[("KINDRED_INDEX__M", "12"), ("KINDRED_INDEX__EF_SEARCH", "70")], &["index.m=24"]).unwrap();
        assert_eq!((config.index.m, config.index.ef_search, config.index.ef_construction), (24, 70, 60));
        assert_eq!(config.index.seed, IndexConfig::default().seed);
    }

    #[test]
    fn unknown_settings_are_named_wherever_they_come_from() {
        assert!(load("[index]\nefsearch = 1", &[], &[]).unwrap_err().contains("efsearch"));
        assert!(load("", &[("KINDRED_INDEX__EFF", "1")], &[]).unwrap_err().contains("eff"));
        assert!(load("", &[], &["server.port=1"]).unwrap_err().contains("port"));
        assert!(load("", &[], &["nonsense"]).unwrap_err().contains("nonsense"));
        assert!(load("[catalogs.toys]\ncurency = 'EUR'", &[], &[]).unwrap_err().contains("curency"));
        assert!(load("[index]\nm = 'x'", &[], &[]).unwrap_err().contains("index.m"));
        assert!(load("[index]\nm = 1", &[], &[]).unwrap_err().contains("4 to 64"));
        assert!(load("[catalog]\ncurrency = 'EURO'", &[], &[]).unwrap_err().contains("EURO"));
        assert_eq!(load("", &[("KINDRED_LOG", "debug")], &[]).unwrap(), Config::default());
    }

    #[test]
    fn more_threads_than_can_be_started_are_refused_where_the_template_says() {
        assert_eq!(load("", &[], &[&format!("embed.threads={MAX_THREADS}")]).unwrap().embed.threads, MAX_THREADS);
        let error = load("", &[], &["embed.threads=100000"]).unwrap_err();
        assert!(error.contains("embed.threads") && error.contains(&MAX_THREADS.to_string()), "{error}");
        assert!(TEMPLATE.contains(&format!("at most {MAX_THREADS}; 0 takes every core")));
    }

    #[test]
    fn a_catalog_differs_only_where_it_says_so() {
        let config = load("[catalog]\nmax_reject_share = 0.1\n[catalogs.toys]\ncurrency = 'EUR'", &[], &[]).unwrap();
        let toys = config.catalog("toys").unwrap();
        assert_eq!((toys.currency.as_deref(), toys.max_reject_share), (Some("EUR"), 0.1));
        assert_eq!(config.catalog("other").unwrap().currency, None);
    }

    #[test]
    fn a_catalog_s_placements_differ_only_where_it_says_so() {
        let text = "[recommend.placements.cart]\nlimit = 2\n[catalogs.toys]\ncurrency = 'EUR'\n\
                    [catalogs.toys.placements.cart]\nmin_score = 0.5\n[catalogs.toys.placements.shelf]\nlimit = 3";
        let config = load(text, &[], &["recommend.placements.home.diversity=0.9"]).unwrap();
        let (toys, other) = (config.recommend("toys").unwrap(), config.recommend("other").unwrap());
        let cart = |config: &RecommendConfig| config.placements.get("cart").map(|cart| (cart.limit, cart.min_score));
        assert_eq!((cart(&toys), cart(&other)), (Some((2, Some(0.5))), Some((2, None))));
        assert!(toys.placements.get("shelf").is_some() && other.placements.get("shelf").is_none());
        assert_eq!(toys.placements.get("home").unwrap().diversity, 0.9);
        assert_eq!(config.catalog("toys").unwrap().currency.as_deref(), Some("EUR"));
        for (text, key) in [
            ("[catalogs.toys.placements.cart]\nlimits = 2", "limits"),
            ("[catalogs.toys.placements.cart]\nlimit = 0", "catalogs.toys.placements.cart.limit"),
            ("[recommend.placements.cart]\nlimit = 101", "recommend.placements.cart.limit"),
            ("[recommend.placements.cart]\nmix = [{ intent = 'sell' }]", "sell"),
        ] {
            let error = load(text, &[], &[]).unwrap_err();
            assert!(error.contains(key), "{text}: {error}");
        }
    }

    /// Lines that start with `# ` are settings, lines that start with `## ` explain them.
    #[test]
    fn the_template_shows_every_setting_with_its_default() {
        let text: String =
            TEMPLATE.lines().map(|line| format!("{}\n", line.strip_prefix("# ").unwrap_or(line))).collect();
        let shown: Table = text.parse().unwrap();
        assert_eq!(parse::<Config>(shown.clone(), "template").unwrap(), Config::default());
        fn keys(table: &Table, at: &str, out: &mut Vec<String>) {
            for (key, value) in table {
                match value {
                    Value::Table(inner) if !inner.is_empty() => keys(inner, &format!("{at}{key}."), out),
                    Value::Table(_) => {}
                    _ => out.push(format!("{at}{key}")),
                }
            }
        }
        let (mut defaults, mut in_template) = (Vec::new(), Vec::new());
        keys(&Table::try_from(Config::default()).unwrap(), "", &mut defaults);
        keys(&shown, "", &mut in_template);
        let missing: Vec<_> = defaults.iter().filter(|key| !in_template.contains(key)).collect();
        assert!(missing.is_empty(), "the template leaves out {missing:?}");
    }
}
