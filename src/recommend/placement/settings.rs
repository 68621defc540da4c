//! `[recommend.placements.NAME]`: what a placement is, and those that every shop has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::factors::SourceFactors;
use super::stage::Stage;
use crate::recommend::query::{Intent, MAX_LIMIT};
use crate::rules::did_you_mean;

/// Longest name of a placement in characters.
pub const MAX_PLACEMENT_CHARS: usize = 64;

/// An intent of a placement, and how much of the list it gets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MixPart {
    /// What is shown.
    pub intent: Intent,
    /// How often it has its turn, beside the others' shares; above 0, at most 1000.
    #[serde(default = "whole")]
    pub share: f32,
}

fn whole() -> f32 {
    1.0
}

/// What a list is filled with that is shorter than its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Nothing: fewer rather than poor.
    #[default]
    None,
    /// What sells now; the answer says so.
    Popular,
}

/// A named slot of the shop's pages.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Placement {
    /// What is shown at a stage that [`Placement::stages`] does not name, the first leading.
    pub mix: Vec<MixPart>,
    /// What is shown at single stages of the session instead.
    #[schema(value_type = std::collections::HashMap<String, Vec<MixPart>>)]
    pub stages: BTreeMap<Stage, Vec<MixPart>>,
    /// Most products, 1 to [`MAX_LIMIT`], unless a request says.
    pub limit: usize,
    /// Products that an intent gives a lower score are left out, unless a request says; 0 to 1. The intent's own floor when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_score: Option<f32>,
    /// Factors on what sources count.
    #[schema(value_type = std::collections::HashMap<String, f32>)]
    pub weights: SourceFactors,
    /// How much less each product of a category counts for every one of it that stands before it: 0 not at all, 1 wholly.
    pub diversity: f32,
    /// What a short list is filled with.
    pub fallback: Fallback,
}

impl Default for Placement {
    fn default() -> Self {
        Self {
            mix: vec![MixPart { intent: Intent::Similar, share: 1.0 }],
            stages: BTreeMap::new(),
            limit: 6,
            min_score: None,
            weights: SourceFactors::default(),
            diversity: 0.0,
            fallback: Fallback::None,
        }
    }
}

impl Placement {
    /// What is shown at `stage`.
    pub fn mix_at(&self, stage: Stage) -> &[MixPart] {
        self.stages.get(&stage).unwrap_or(&self.mix)
    }

    /// The setting that is out of its range, and what would be right.
    fn out_of_range(&self) -> Option<(&'static str, &'static str)> {
        const MIX: &str = "name each intent once, one at least, with a share above 0 and at most 1000";
        let is_share = |x: f32| (0.0..=1.0).contains(&x);
        let checks = [
            ("mix", is_mix(&self.mix), MIX),
            ("stages", self.stages.values().all(|mix| is_mix(mix)), MIX),
            ("limit", (1..=MAX_LIMIT).contains(&self.limit), "give a number from 1 to 100"),
            ("min_score", self.min_score.is_none_or(is_share), "give a number from 0 to 1"),
            ("weights", self.weights.is_in_range(), "give numbers from 0 to 1000"),
            ("diversity", is_share(self.diversity), "give a number from 0 to 1"),
        ];
        checks.into_iter().find(|(_, is_right, _)| !is_right).map(|(key, _, wanted)| (key, wanted))
    }
}

fn is_mix(mix: &[MixPart]) -> bool {
    let is_new = |at: usize| mix[..at].iter().all(|other| other.intent != mix[at].intent);
    let is_share = |part: &MixPart| part.share > 0.0 && part.share <= 1000.0;
    !mix.is_empty() && mix.iter().all(is_share) && (0..mix.len()).all(is_new)
}

/// What the settings say of a placement; what they leave out is as it was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlacementChanges {
    mix: Option<Vec<MixPart>>,
    stages: Option<BTreeMap<Stage, Vec<MixPart>>>,
    limit: Option<usize>,
    min_score: Option<f32>,
    weights: Option<SourceFactors>,
    diversity: Option<f32>,
    fallback: Option<Fallback>,
}

impl PlacementChanges {
    fn apply(self, placement: &mut Placement) {
        let Self { mix, stages, limit, min_score, weights, diversity, fallback } = self;
        if let Some(mix) = mix {
            placement.mix = mix;
            // Stages that came with the mix before are of no use with another one.
            placement.stages.clear();
        }
        placement.stages.extend(stages.into_iter().flatten());
        placement.limit = limit.unwrap_or(placement.limit);
        placement.min_score = min_score.or(placement.min_score);
        placement.weights = weights.unwrap_or_else(|| std::mem::take(&mut placement.weights));
        placement.diversity = diversity.unwrap_or(placement.diversity);
        placement.fallback = fallback.unwrap_or(placement.fallback);
    }
}

/// A shop's placements by name: those that every shop has, and its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, PlacementChanges>", into = "BTreeMap<String, Placement>")]
pub struct Placements(BTreeMap<String, Placement>);

impl From<BTreeMap<String, PlacementChanges>> for Placements {
    fn from(changes: BTreeMap<String, PlacementChanges>) -> Self {
        let mut placements = Self::default();
        placements.change(changes);
        placements
    }
}

impl From<Placements> for BTreeMap<String, Placement> {
    fn from(placements: Placements) -> Self {
        placements.0
    }
}

impl Placements {
    /// Changes placements by name; one that is new starts from [`Placement::default`].
    pub fn change(&mut self, changes: BTreeMap<String, PlacementChanges>) {
        for (name, changes) in changes {
            changes.apply(self.0.entry(name).or_default());
        }
    }

    /// The placement of this name.
    pub fn get(&self, name: &str) -> Option<&Placement> {
        self.0.get(name)
    }

    /// All by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Placement)> {
        self.0.iter().map(|(name, placement)| (name.as_str(), placement))
    }

    /// The names there are, the one that `wanted` may have meant pointed out.
    pub fn known(&self, wanted: &str) -> String {
        let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        format!("{}{}", names.join(", "), did_you_mean(wanted, names.iter().copied()))
    }

    /// The setting that is out of its range, as `NAME.KEY`, and what would be right.
    pub fn out_of_range(&self) -> Option<(String, &'static str)> {
        self.0.iter().find_map(|(name, placement)| {
            if !(1..=MAX_PLACEMENT_CHARS).contains(&name.chars().count()) {
                return Some((name.clone(), "give a name of 1 to 64 characters"));
            }
            placement.out_of_range().map(|(key, wanted)| (format!("{name}.{key}"), wanted))
        })
    }
}

fn only(intent: Intent) -> Vec<MixPart> {
    vec![MixPart { intent, share: 1.0 }]
}

fn both(first: (Intent, f32), second: (Intent, f32)) -> Vec<MixPart> {
    [first, second].map(|(intent, share)| MixPart { intent, share }).into()
}

impl Default for Placements {
    /// Early in a session what is liked and sells, with a cart what goes with it, at the checkout nothing but that.
    fn default() -> Self {
        use Intent::{CrossSell, ForYou, Next, Similar, Trending, Upsell};
        let slot = |mix: Vec<MixPart>, limit: usize| Placement { mix, limit, ..Placement::default() };
        let home = Placement {
            stages: BTreeMap::from([
                (Stage::Discovery, both((Trending, 0.6), (ForYou, 0.4))),
                (Stage::Consideration, both((Next, 0.6), (ForYou, 0.4))),
                (Stage::Cart, both((CrossSell, 0.7), (ForYou, 0.3))),
                (Stage::Checkout, only(CrossSell)),
            ]),
            diversity: 0.3,
            fallback: Fallback::Popular,
            ..slot(both((ForYou, 0.7), (Trending, 0.3)), 6)
        };
        let email = Placement { stages: BTreeMap::new(), ..home.clone() };
        let after = Placement { fallback: Fallback::Popular, ..slot(only(CrossSell), 3) };
        let placements = [
            ("pdp-similar", Placement { min_score: Some(0.35), ..slot(only(Similar), 6) }),
            ("pdp-upsell", slot(only(Upsell), 3)),
            ("pdp-cross-sell", slot(only(CrossSell), 6)),
            ("cart", slot(only(CrossSell), 6)),
            ("checkout", slot(only(CrossSell), 3)),
            ("post-purchase", after),
            ("home", home),
            ("email", email),
        ];
        Self(placements.map(|(name, placement)| (name.to_owned(), placement)).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Placements {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn settings_change_what_they_name_and_leave_the_rest() {
        let usual = Placements::default();
        let changed =
            read("[cart]\nlimit = 2\n[home.stages]\ncart = [{ intent = \"similar\" }]\n[side]\ndiversity = 0.5");
        assert_eq!(changed.get("cart"), Some(&Placement { limit: 2, ..usual.get("cart").unwrap().clone() }));
        let home = changed.get("home").unwrap();
        assert_eq!(home.mix_at(Stage::Cart), only(Intent::Similar));
        assert_eq!(home.mix_at(Stage::Checkout), usual.get("home").unwrap().mix_at(Stage::Checkout));
        assert_eq!(changed.get("side"), Some(&Placement { diversity: 0.5, ..Placement::default() }));
        assert_eq!(changed.get("pdp-upsell"), usual.get("pdp-upsell"));
        // A new mix stands at every stage that is not named with it.
        let new = read("[home]\nmix = [{ intent = \"next\" }]\n");
        assert!(Stage::ALL.iter().all(|&stage| new.get("home").unwrap().mix_at(stage) == only(Intent::Next)));
        // What is written is read as the same.
        assert_eq!(read(&toml::to_string(&changed).unwrap()), changed);
    }

    #[test]
    fn what_is_out_of_its_range_is_named() {
        assert_eq!(Placements::default().out_of_range(), None);
        for (text, key) in [
            ("[a]\nmix = []", "a.mix"),
            ("[a]\nmix = [{ intent = \"next\", share = 0 }]", "a.mix"),
            ("[a]\nmix = [{ intent = \"next\", share = nan }]", "a.mix"),
            ("[a]\nmix = [{ intent = \"next\" }, { intent = \"next\" }]", "a.mix"),
            ("[a.stages]\ncart = []", "a.stages"),
            ("[a]\nlimit = 0", "a.limit"),
            ("[a]\nlimit = 101", "a.limit"),
            ("[a]\nmin_score = -0.1", "a.min_score"),
            ("[a]\ndiversity = 1.5", "a.diversity"),
            ("[a.weights]\nsimilar = -1", "a.weights"),
        ] {
            assert_eq!(read(text).out_of_range().map(|(key, _)| key).as_deref(), Some(key), "{text}");
        }
        assert!(toml::from_str::<Placements>("[a]\nlimits = 3").is_err());
        assert!(toml::from_str::<Placements>("[a.stages]\nchekout = []").is_err());
    }

    #[test]
    fn nothing_but_add_ons_at_the_checkout_and_complements_with_a_cart() {
        let placements = Placements::default();
        for name in ["checkout", "home"] {
            assert_eq!(placements.get(name).unwrap().mix_at(Stage::Checkout), only(Intent::CrossSell), "{name}");
        }
        for name in ["cart", "home"] {
            assert_eq!(placements.get(name).unwrap().mix_at(Stage::Cart)[0].intent, Intent::CrossSell, "{name}");
        }
        assert!(placements.iter().all(|(_, placement)| (1..=6).contains(&placement.limit)));
    }
}
