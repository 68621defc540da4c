//! Numbers with units, and words that say a kind, in titles and descriptions.
//!
//! A title names what the product is, so a unit is enough there. A description tells stories, so there the thing measured has to stand
//! beside the number: `12MP camera`, `5.5-inch display`, `drops up to 10 feet`; what it could be extended to (`up to 128GB`) does not count.

use super::kind::CONNECTORS;
use super::words::{Joint, Token, tokens};
use super::{Attribute, AttributeKind, Origin, Units, features, material, pieces};

/// How far from a number the thing that it measures may stand, in words.
const REACH: usize = 5;
/// Things whose length is what a shopper buys.
const CABLES: [&str; 14] = [
    "cable", "cables", "cord", "cords", "charger", "lead", "hose", "rope", "ribbon", "ribbons", "garland", "bunting",
    "tape", "twine",
];
/// Units of what is in a pack.
pub(super) const CONTENTS: [&str; 6] = ["ml", "cl", "l", "g", "kg", "oz"];
/// Words before an amount that take it back, …
const DENIALS: [&str; 9] = ["not", "no", "without", "excluding", "except", "nicht", "ohne", "sin", "sans"];
/// … before a `to` that make it a limit, …
const LIMITS: [&str; 6] = ["up", "expandable", "extendable", "upgradable", "expands", "bis"];
/// … or alone make it one, …
const MOST: [&str; 3] = ["max", "maximum", "supports"];
/// … that compare with it, …
const COMPARED: [&str; 3] = ["than", "versus", "vs"];
/// … and that make it another product's: `fits 3 l jug`.
const USERS: [&str; 5] = ["for", "fits", "fit", "supports", "replaces"];
/// What storage of its own stands beside the product's.
const CARDS: [&str; 7] = ["microsd", "sd", "card", "microsdhc", "microsdxc", "cloud", "stick"];
/// Words beside a span of time that make it a warranty.
const WARRANTIES: [&str; 3] = ["warranty", "guarantee", "guaranteed"];
/// Words before a power that make it another product's, or one that is only reached or replaced.
const OTHER_POWERS: [&str; 10] =
    ["to", "for", "supports", "support", "compatible", "than", "replaces", "replacing", "like", "equals"];
/// Words after a power that make it another product's.
const POWERED: [&str; 7] = ["equivalent", "bulb", "bulbs", "laptop", "laptops", "devices", "less"];
const HOURS: [&str; 3] = ["hour", "hours", "hrs"];
const LAYERS: [&str; 3] = ["layer", "layers", "layered"];
const SCREENS: [&str; 9] = ["display", "screen", "touchscreen", "touch", "lcd", "tv", "monitor", "laptop", "tablet"];
/// Words beside a capacity that make it one of something else: of a card that fits, of a plan.
const CAPACITY_LIMITS: [&str; 8] = ["to", "microsd", "sd", "expandable", "card", "extra", "additional", "data"];

/// A number, its unit, and the words around.
struct Quantity<'a> {
    value: f32,
    unit: &'a str,
    /// Whether the unit is written with the number.
    is_joined: bool,
    is_capital: bool,
    before: Vec<&'a str>,
    after: Vec<&'a str>,
}

impl Quantity<'_> {
    fn follows(&self, words: &[&str]) -> bool {
        self.after.iter().any(|word| words.contains(word))
    }

    fn precedes(&self, words: &[&str]) -> bool {
        self.before.iter().any(|word| words.contains(word))
    }

    fn is_near(&self, words: &[&str]) -> bool {
        self.follows(words) || self.precedes(words)
    }

    /// Whether it is what a card holds, and not what a product has with a slot for one.
    fn is_of_card(&self) -> bool {
        let is_card = |word: Option<&&str>| word.is_some_and(|word| CARDS.contains(word));
        let is_its_own = self.after.get(1).is_none_or(|next| !next.is_empty() && *next != "slot");
        is_card(self.before.first()) || is_card(self.after.first()) && is_its_own
    }

    /// Whether a title says that the product does not have so much, could have it, or that another product has.
    fn is_of_another(&self, kind: AttributeKind) -> bool {
        let before = |at: usize, words: &[&str]| self.before.get(at).is_some_and(|word| words.contains(word));
        let is_length = kind == AttributeKind::Size;
        let is_denied = before(0, &DENIALS) || before(0, &["the", "a", "an"]) && before(1, &DENIALS);
        let is_compared = before(0, &COMPARED) || before(0, &["of"]) && before(1, &["instead"]);
        let is_replaced = kind == AttributeKind::Power && self.after.first() == Some(&"equivalent");
        let is_limit = before(0, &["to"]) && before(1, &LIMITS) || before(0, &MOST);
        is_denied || is_compared || is_replaced || is_limit || !is_length && before(0, &USERS)
    }
}

/// What a title says; `category` helps to tell what is measured.
pub(super) fn of_title(title: &str, category: &[String]) -> Vec<Attribute> {
    let tokens = tokens(title);
    let leaf = category.last().map_or("", String::as_str).to_lowercase();
    let is_any = |words: &[&str]| tokens.iter().any(|token| words.contains(&token.word.as_str()));
    let is_cable = is_any(&CABLES);
    let has_screen =
        is_any(&SCREENS[2..]) || ["tv", "monitor", "laptop", "tablet"].iter().any(|word| leaf.contains(word));
    let is_bytes = |at: &usize| quantity(&tokens, *at).is_some_and(|found| ["gb", "tb"].contains(&found.unit));
    let has_card = (0..tokens.len()).filter(is_bytes).count() > 1;
    let kind_of = |quantity: &Quantity<'_>| match unit_kind(quantity)? {
        (kind, _) if quantity.is_of_another(kind) => None,
        (AttributeKind::Storage, _) if has_card && quantity.is_of_card() => None,
        (AttributeKind::Size, meters) if is_cable => Some((AttributeKind::CableLength, meters)),
        (AttributeKind::Size, meters) if has_screen && is_inch(quantity.unit) => {
            Some((AttributeKind::Screen, meters / 0.0254))
        }
        (AttributeKind::Size, meters) if quantity.unit == "mm" => Some((AttributeKind::FitSize, meters * 1000.0)),
        known => Some(known),
    };
    let mut found = of_quantities(&tokens, Origin::Title, kind_of);
    found.extend(pieces::of_title(&tokens).and_then(|n| Attribute::new(AttributeKind::Pieces, n, Origin::Title)));
    found.extend(of_words(&tokens, Origin::Title));
    found.extend(Attribute::new(AttributeKind::Connector, connectors(&tokens) as f32, Origin::Title));
    let named = super::words::tokens(without_color(title));
    let words: Vec<&str> = named.iter().map(|token| token.word.as_str()).collect();
    // Several materials: the text does not say which part is of which.
    if let [one] = material::named(&words)[..] {
        found.extend(Attribute::new(AttributeKind::Material, one, Origin::Title));
    }
    found
}

/// A title without the color behind its last dash: `Nexus 6P (Unlocked) - Aluminium` says nothing of a material.
fn without_color(title: &str) -> &str {
    match title.rsplit_once(" - ") {
        Some((before, _)) if before.contains(" - ") => before,
        _ => title,
    }
}

/// The plugs that a title names, one a bit.
fn connectors(tokens: &[Token]) -> u32 {
    let word = |token: &Token| match (token.number, token.word.as_str()) {
        (None, word) => word.to_owned(),
        (Some(number), "") => number.to_string(),
        (Some(number), unit) => format!("{number} {unit}"),
    };
    let title = format!(" {} ", tokens.iter().map(word).collect::<Vec<_>>().join(" "));
    let is_named = |names: &[&str]| names.iter().any(|name| title.contains(&format!(" {name} ")));
    let bits = CONNECTORS.iter().enumerate().filter(|(_, (_, names))| is_named(names));
    bits.map(|(bit, _)| 1 << bit).sum()
}

/// What a description says outright; a cable in it counts where the title says that it is one.
pub(super) fn of_description(description: &str, title: &str) -> Vec<Attribute> {
    let is_cable = tokens(title).iter().any(|token| CABLES.contains(&token.word.as_str()));
    let tokens = tokens(description);
    let mut found = of_quantities(&tokens, Origin::Description, described_kind);
    found.retain(|attribute| is_cable || attribute.kind != AttributeKind::CableLength);
    found.extend(of_words(&tokens, Origin::Description));
    found.extend(made_of(&tokens).and_then(|one| Attribute::new(AttributeKind::Material, one, Origin::Description)));
    found
}

/// The kind and canonical value of the one quantity that a field's value is; `None` where it is none or has no unit.
pub(super) fn of_value(value: &str) -> Option<(AttributeKind, f32, Units)> {
    let tokens = tokens(value);
    let quantities: Vec<Quantity<'_>> = (0..tokens.len()).filter_map(|at| quantity(&tokens, at)).collect();
    let [quantity] = &quantities[..] else { return None };
    unit_kind(quantity).map(|(kind, value)| (kind, value, units(quantity.unit)))
}

/// The units in which an amount with this unit is shown.
pub(super) fn units(unit: &str) -> Units {
    match unit {
        "ft" | "foot" | "feet" | "'" | "lb" | "lbs" | "pound" | "pounds" => Units::FeetAndPounds,
        "oz" | "ounce" | "ounces" => Units::InchesAndOunces,
        unit if is_inch(unit) => Units::InchesAndOunces,
        _ => Units::Metric,
    }
}

/// Every quantity for which `kind_of` knows a kind. Of several of one kind the highest counts, of screens the first.
fn of_quantities(
    tokens: &[Token],
    origin: Origin,
    kind_of: impl Fn(&Quantity<'_>) -> Option<(AttributeKind, f32)>,
) -> Vec<Attribute> {
    let mut found: Vec<Attribute> = Vec::new();
    for at in 0..tokens.len() {
        let Some(quantity) = quantity(tokens, at) else { continue };
        let known = kind_of(&quantity).and_then(|(kind, value)| Attribute::new(kind, value, origin));
        let Some(new) = known.map(|known| known.in_unit(quantity.unit)) else { continue };
        match found.iter_mut().find(|other| other.kind == new.kind) {
            Some(other) if other.value < new.value && new.kind != AttributeKind::Screen => *other = new,
            Some(_) => {}
            None => found.push(new),
        }
    }
    found
}

/// The quantity at `at`; `None` where no number with a unit stands there, or two that share one: `10/20 W`, `1/2 inch`, `10-20 cm`.
fn quantity(tokens: &[Token], at: usize) -> Option<Quantity<'_>> {
    let token = &tokens[at];
    let value = token.number?;
    let is_bare = |before: &Token| before.number.is_some() && before.word.is_empty();
    if matches!(token.joint, Joint::Slash | Joint::Hyphen) && tokens[..at].last().is_some_and(is_bare) {
        return None;
    }
    let next =
        tokens.get(at + 1).filter(|next| next.number.is_none() && matches!(next.joint, Joint::Space | Joint::Hyphen));
    let (unit, is_capital, end) = match (token.word.as_str(), next) {
        ("", Some(next)) => (next.word.as_str(), next.is_capital, at + 2),
        (unit, _) => (unit, token.is_capital, at + 1),
    };
    // `45x30cm` and `2x` are dimensions and factors, `6 x 330ml` is a pack.
    let is_factor = |before: &Token| before.word == "x" || before.number.is_some() && before.word.ends_with('x');
    let is_times = tokens[..at].last().is_some_and(is_factor);
    let is_dimension = unit.starts_with('x') || is_times && !CONTENTS.contains(&unit);
    if unit.is_empty() || is_dimension {
        return None;
    }
    let phrase = |joint: Joint| joint != Joint::Break;
    let after = tokens.get(end..)?.iter().take_while(|token| phrase(token.joint)).take(REACH);
    let mut before = Vec::new();
    let mut joint = token.joint;
    for token in tokens[..at].iter().rev().take(REACH) {
        if !phrase(joint) {
            break;
        }
        before.push(token.word.as_str());
        joint = token.joint;
    }
    let after = after.map(|token| token.word.as_str()).collect();
    Some(Quantity { value, unit, is_joined: !token.word.is_empty(), is_capital, before, after })
}

fn is_inch(unit: &str) -> bool {
    matches!(unit, "\"" | "inch" | "inches")
}

/// What a number with this unit measures, and how much in the kind's canonical unit; lengths are sizes.
fn unit_kind(quantity: &Quantity<'_>) -> Option<(AttributeKind, f32)> {
    length(quantity).or_else(|| content(quantity)).or_else(|| ability(quantity))
}

/// Gigabytes, megapixels, watts, ports: what a device can do.
fn ability(quantity: &Quantity<'_>) -> Option<(AttributeKind, f32)> {
    use AttributeKind as Kind;
    let Quantity { value, unit, is_joined, is_capital, .. } = *quantity;
    match unit {
        "gb" | "mb" | "tb" => {
            let factor = match unit {
                "tb" => 1000.0,
                "mb" => 0.001,
                _ => 1.0,
            };
            let is_memory = quantity.after.first() == Some(&"ram") || quantity.after.starts_with(&["of", "ram"]);
            Some((if is_memory { Kind::Memory } else { Kind::Storage }, value * factor))
        }
        "mah" => Some((Kind::Battery, value)),
        "ah" if is_joined => Some((Kind::Battery, value * 1000.0)),
        "w" if is_joined || is_capital => Some((Kind::Power, value)),
        "watt" | "watts" => Some((Kind::Power, value)),
        "a" if is_joined && (is_capital || value.fract() != 0.0) => Some((Kind::Current, value)),
        "amp" | "amps" | "ampere" => Some((Kind::Current, value)),
        "mp" | "megapixel" | "megapixels" => {
            Some((if is_front(quantity) { Kind::FrontCamera } else { Kind::Camera }, value))
        }
        "ghz" => Some((Kind::Clock, value)),
        "port" | "ports" => Some((Kind::Ports, value)),
        "usb" if quantity.after.first().is_some_and(|word| word.starts_with("port")) && value.fract() == 0.0 => {
            Some((Kind::Ports, value))
        }
        _ => None,
    }
}

/// Whether a camera looks at the shopper: `8-megapixel front camera`, `5MP camera on the front`.
fn is_front(quantity: &Quantity<'_>) -> bool {
    let beside = quantity.after.iter().take(2).chain(quantity.before.first());
    let behind = quantity.after.iter().skip_while(|word| **word != "camera");
    beside.chain(behind).any(|word| ["front", "selfie", "facing"].contains(word))
}

/// A length, as the size in meters.
fn length(quantity: &Quantity<'_>) -> Option<(AttributeKind, f32)> {
    let meters = match quantity.unit {
        "inch" | "inches" | "\"" => 0.0254,
        "ft" | "foot" | "feet" | "'" => 0.3048,
        "m" if quantity.is_joined && !quantity.is_capital => 1.0,
        "meter" | "meters" | "metre" | "metres" => 1.0,
        "cm" => 0.01,
        "mm" => 0.001,
        _ => return None,
    };
    Some((AttributeKind::Size, quantity.value * meters))
}

/// Grams or milliliters.
fn content(quantity: &Quantity<'_>) -> Option<(AttributeKind, f32)> {
    let Quantity { value, unit, is_joined, is_capital, .. } = *quantity;
    let (kind, factor) = match unit {
        "mg" => (AttributeKind::NetWeight, 0.001),
        "g" if is_grams(value, is_joined, is_capital) => (AttributeKind::NetWeight, 1.0),
        "gram" | "grams" => (AttributeKind::NetWeight, 1.0),
        "kg" | "kilo" | "kilos" => (AttributeKind::NetWeight, 1000.0),
        "lb" | "lbs" | "pound" | "pounds" => (AttributeKind::NetWeight, 453.6),
        "oz" | "ounce" | "ounces" => (AttributeKind::NetWeight, 28.35),
        "ml" => (AttributeKind::Volume, 1.0),
        "cl" => (AttributeKind::Volume, 10.0),
        "floz" => (AttributeKind::Volume, 29.5735),
        "fl" if quantity.after.first().is_some_and(|word| ["oz", "ounce", "ounces"].contains(word)) => {
            (AttributeKind::Volume, 29.5735)
        }
        "l" if is_joined || !is_size(quantity) => (AttributeKind::Volume, 1000.0),
        "liter" | "liters" | "litre" | "litres" => (AttributeKind::Volume, 1000.0),
        _ => return None,
    };
    Some((kind, value * factor))
}

/// `500g` and `500 g` are weights, `4G` a network and `32G` a storage that lost its B.
fn is_grams(value: f32, is_joined: bool, is_capital: bool) -> bool {
    let is_power_of_two = value.fract() == 0.0 && (value as u32).is_power_of_two();
    let is_other = value <= 10.0 || is_power_of_two || !is_joined;
    !(is_capital && is_other)
}

/// Whether an `L` apart from its number is the size of a garment: `pack of 3 L`, `size 2 L`.
fn is_size(quantity: &Quantity<'_>) -> bool {
    quantity.is_capital && quantity.before.first().is_some_and(|word| ["of", "size", "sizes", "pack"].contains(word))
}

/// As [`unit_kind`], where the thing measured stands beside the number.
fn described_kind(quantity: &Quantity<'_>) -> Option<(AttributeKind, f32)> {
    use AttributeKind as Kind;
    let (kind, value) = unit_kind(quantity)?;
    let is_limit = quantity.before.iter().take(2).any(|word| CAPACITY_LIMITS.contains(word))
        || quantity.follows(&["microsd", "sd", "data"]);
    match kind {
        Kind::Memory => Some((kind, value)),
        Kind::Storage if !is_limit && quantity.follows(&["storage", "memory", "internal"]) => Some((kind, value)),
        Kind::Size
            if quantity.is_near(&["drop", "drops", "falls"])
                && !quantity.is_near(&["water", "waterproof", "submerged"]) =>
        {
            Some((Kind::DropProtection, value))
        }
        Kind::Size if is_inch(quantity.unit) && quantity.follows(&SCREENS[..4]) => Some((Kind::Screen, value / 0.0254)),
        Kind::Size if quantity.follows(&CABLES[..4]) => Some((Kind::CableLength, value)),
        Kind::Camera | Kind::FrontCamera if quantity.is_near(&["camera", "cameras", "isight", "sensor", "lens"]) => {
            Some((kind, value))
        }
        Kind::Battery | Kind::Clock | Kind::Ports => Some((kind, value)),
        Kind::Power if !quantity.precedes(&OTHER_POWERS) && !quantity.follows(&POWERED) => Some((kind, value)),
        Kind::Current if quantity.is_near(&["output", "power", "charger", "charging", "port", "ports"]) => {
            Some((kind, value))
        }
        _ => None,
    }
}

/// The material that the product is said to be made of.
fn made_of(tokens: &[Token]) -> Option<f32> {
    let words: Vec<&str> = tokens.iter().map(|token| token.word.as_str()).collect();
    let mut found: Vec<f32> = Vec::new();
    for at in 0..words.len() {
        let span = match words[at] {
            "made" | "constructed" | "crafted"
                if words.get(at + 1).is_some_and(|word| ["of", "from", "with"].contains(word)) =>
            {
                at + 2..at + 6
            }
            "construction" => at.saturating_sub(2)..at,
            _ => continue,
        };
        let named = material::named(&words[span.start.min(words.len())..span.end.min(words.len())]);
        found.extend(named.into_iter().filter(|one| !found.contains(one)).collect::<Vec<_>>());
    }
    if let [one] = found[..] { Some(one) } else { None }
}

/// What words alone say: network, condition, cores, talk time, features.
fn of_words(tokens: &[Token], origin: Origin) -> Vec<Attribute> {
    let mut found = features::of(tokens, origin);
    for at in 0..tokens.len() {
        let numbered = tokens[at].number.map(|number| of_number(tokens, at, number, origin));
        let known = numbered.unwrap_or_else(|| of_word(tokens, at, origin));
        found.extend(known.and_then(|(kind, value)| Attribute::new(kind, value, origin)));
    }
    found
}

/// Whether the token after `at` is one of `words`.
fn is_next(tokens: &[Token], at: usize, words: &[&str]) -> bool {
    tokens.get(at + 1).is_some_and(|next| next.number.is_none() && words.contains(&next.word.as_str()))
}

/// `4G`, `1080p`, `17 hours of talk time`, `3 layers`, `2-year warranty`.
fn of_number(tokens: &[Token], at: usize, number: f32, origin: Origin) -> Option<(AttributeKind, f32)> {
    let unit = tokens[at].word.as_str();
    match unit {
        "g" if origin == Origin::Title && tokens[at].is_capital && [2.0, 3.0, 4.0, 5.0].contains(&number) => {
            Some((AttributeKind::Network, number - 1.0))
        }
        "p" if origin == Origin::Title => {
            let rung = [720.0, 1080.0, 1440.0, 2160.0].iter().position(|lines| *lines == number)?;
            Some((AttributeKind::Resolution, rung as f32 + 1.0))
        }
        "" if is_next(tokens, at, &["layer", "layers"]) => Some((AttributeKind::Layers, number)),
        "" if is_next(tokens, at, &HOURS) => is_talk(&tokens[at + 1..]).then_some((AttributeKind::TalkTime, number)),
        unit if HOURS.contains(&unit) => is_talk(&tokens[at..]).then_some((AttributeKind::TalkTime, number)),
        unit => {
            let unit = if unit.is_empty() { tokens.get(at + 1)?.word.as_str() } else { unit };
            let months = months(unit).filter(|_| is_warranty(tokens, at))?;
            Some((AttributeKind::Warranty, number * months))
        }
    }
}

/// Months in a unit of time; `None` where it is none, or too short for a warranty.
pub(super) fn months(unit: &str) -> Option<f32> {
    match unit {
        "year" | "years" | "yr" | "yrs" => Some(12.0),
        "month" | "months" => Some(1.0),
        _ => None,
    }
}

/// Whether the span of time at `at` is one of warranty: `2-year limited warranty`, `warranty of 2 years`, `guaranteed for 2 years`.
fn is_warranty(tokens: &[Token], at: usize) -> bool {
    let says = |token: &Token| WARRANTIES.contains(&token.word.as_str());
    // `manufacturer's` is two tokens.
    let phrase = |token: &&Token| token.joint != Joint::Break || token.is("s");
    let is_ahead = tokens[at + 1..].iter().take_while(phrase).take(4).any(says);
    let mut before = tokens[..at].iter().rev().skip_while(|token| token.is("of") || token.is("for"));
    let is_denied = tokens[..at].last().is_some_and(|token| DENIALS.contains(&token.word.as_str()))
        || tokens[at + 1..].iter().take_while(phrase).take(5).any(|token| token.is("not") || token.is("excluded"));
    !is_denied && (is_ahead || tokens[at].joint != Joint::Break && before.next().is_some_and(says))
}

/// Whether hours are hours of talk, and not of more talk than before.
fn is_talk(hours: &[Token]) -> bool {
    let ahead: Vec<&str> = hours.iter().take(REACH).map(|token| token.word.as_str()).collect();
    ahead.contains(&"talk") && !ahead.contains(&"additional") && !ahead.contains(&"extra")
}

/// `octa-core`, `dual-layer`, `refurbished`.
fn of_word(tokens: &[Token], at: usize, origin: Origin) -> Option<(AttributeKind, f32)> {
    let is_title = origin == Origin::Title;
    match tokens[at].word.as_str() {
        "dual" if is_next(tokens, at, &["core"]) => Some((AttributeKind::Cores, 2.0)),
        "quad" if is_next(tokens, at, &["core"]) => Some((AttributeKind::Cores, 4.0)),
        "hexa" if is_next(tokens, at, &["core"]) => Some((AttributeKind::Cores, 6.0)),
        "octa" if is_next(tokens, at, &["core"]) => Some((AttributeKind::Cores, 8.0)),
        "dual" | "double" | "two" if is_next(tokens, at, &LAYERS) => Some((AttributeKind::Layers, 2.0)),
        "triple" | "three" if is_next(tokens, at, &LAYERS) => Some((AttributeKind::Layers, 3.0)),
        "refurbished" | "renewed" | "reconditioned" if is_title => Some((AttributeKind::Condition, 2.0)),
        "used" if is_title && at == 0 => Some((AttributeKind::Condition, 1.0)),
        "preowned" if is_title => Some((AttributeKind::Condition, 1.0)),
        _ => None,
    }
}
