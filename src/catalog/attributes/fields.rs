//! Feed fields, and `Name: value` in a description, to values.

use super::scan;
use super::words::tokens;
use super::{Attribute, AttributeKind as Kind, Origin, Units, material};
use crate::catalog::product::Product;

/// Names of fields and what they hold; where several kinds are listed, the unit decides.
const NAMES: [(&[&str], &[Kind]); 25] = [
    (&["storage", "storage_capacity", "internal_storage", "internal_memory", "hard_drive", "ssd"], &[Kind::Storage]),
    (&["ram", "system_memory", "working_memory"], &[Kind::Memory]),
    (&["memory"], &[Kind::Storage]),
    (&["screen_size", "screen", "display_size", "display", "screen_diagonal"], &[Kind::Screen]),
    (&["camera", "camera_resolution", "rear_camera", "megapixels"], &[Kind::Camera]),
    (&["front_camera", "selfie_camera"], &[Kind::FrontCamera]),
    (&["battery", "battery_capacity"], &[Kind::Battery]),
    (&["talk_time"], &[Kind::TalkTime]),
    (&["processor_speed", "clock_speed"], &[Kind::Clock]),
    (&["cores", "processor_cores", "number_of_cores"], &[Kind::Cores]),
    (&["power", "wattage", "output_power"], &[Kind::Power]),
    (&["output_current", "amperage"], &[Kind::Current]),
    (&["ports", "number_of_ports", "usb_ports"], &[Kind::Ports]),
    (
        &["pieces", "number_of_pieces", "pack_size", "multipack", "piece_count", "set_size", "quantity_in_pack"],
        &[Kind::Pieces],
    ),
    (
        &["volume", "capacity", "contents", "net_content", "unit_pricing_measure"],
        &[Kind::Volume, Kind::NetWeight, Kind::Storage, Kind::Battery],
    ),
    (&["net_weight"], &[Kind::NetWeight]),
    (&["weight", "item_weight", "shipping_weight", "product_weight"], &[Kind::Weight]),
    (&["cable_length", "cord_length"], &[Kind::CableLength]),
    (&["length", "height", "width", "diameter", "product_length", "product_height", "product_width"], &[Kind::Size]),
    (&["band_width", "lug_width", "filter_size", "thread"], &[Kind::FitSize]),
    (&["drop_protection"], &[Kind::DropProtection]),
    (&["water_resistance", "water_protection"], &[Kind::WaterResistance]),
    (&["material", "materials"], &[Kind::Material]),
    (&["warranty", "guarantee", "manufacturer_warranty"], &[Kind::Warranty]),
    (&["condition"], &[Kind::Condition]),
];

/// Names of a `Name: value` pair have at most this many words.
const MAX_NAME_WORDS: usize = 3;

/// The values of the product's feed fields.
pub(super) fn of_fields(product: &Product) -> Vec<Attribute> {
    let values = product.attributes.iter().flat_map(|(name, values)| match &values[..] {
        [value] => named_value(name, value, Origin::Field),
        _ => None,
    });
    values.collect()
}

/// The values of `Name: value` pairs in a description.
pub(super) fn of_pairs(description: &str) -> Vec<Attribute> {
    let mut found = Vec::new();
    for (at, _) in description.match_indices(": ") {
        let before = description[..at].rsplit(['.', ';', ',', '|', ':', '•', '(']).next().unwrap_or_default();
        let words: Vec<&str> = before.split_whitespace().collect();
        if words.is_empty() || words.len() > MAX_NAME_WORDS {
            continue;
        }
        let name = words.join("_").to_lowercase();
        let rest = &description[at + 2..];
        let value = rest.split([';', '|', '•']).next().unwrap_or_default();
        let value = value.split(". ").next().unwrap_or_default().split(", ").next().unwrap_or_default();
        found.extend(named_value(&name, value.trim_end_matches('.'), Origin::Description));
    }
    found
}

/// The value of the field `name`; `None` where the name is unknown or the value is none of its kind.
fn named_value(name: &str, value: &str, origin: Origin) -> Option<Attribute> {
    let (_, kinds) = NAMES.iter().find(|(names, _)| names.contains(&name))?;
    // No amount is below zero: `-3 GB` is a slip of the pen, and nobody can say which.
    if value.trim_start().starts_with(['-', '\u{2212}', '\u{2013}']) {
        return None;
    }
    let units = scan::of_value(value).map_or(Units::Metric, |(.., units)| units);
    let attribute = |&kind: &Kind| Attribute::new(kind, value_of(kind, value)?, origin);
    kinds.iter().find_map(attribute).map(|found| Attribute { units, ..found })
}

fn value_of(kind: Kind, value: &str) -> Option<f32> {
    let words = tokens(value);
    match kind {
        Kind::Material => match material::named(&words.iter().map(|token| token.word.as_str()).collect::<Vec<_>>())[..]
        {
            [one] => Some(one),
            _ => None,
        },
        Kind::Condition => ["used", "refurbished", "new"]
            .iter()
            .position(|word| *word == value.trim().to_lowercase())
            .map(|at| at as f32 + 1.0),
        Kind::WaterResistance => super::features::of(&words, Origin::Field)
            .into_iter()
            .find(|found| found.kind == kind)
            .map(|found| found.value),
        Kind::Pieces | Kind::Ports | Kind::Cores => match &words[..] {
            [only] if only.word.is_empty() => only.number.filter(|number| number.fract() == 0.0),
            [number, unit] if ["pieces", "piece", "pcs", "pack", "ports", "cores"].contains(&unit.word.as_str()) => {
                number.number
            }
            _ => None,
        },
        Kind::Warranty => duration(&words, scan::months),
        Kind::TalkTime => duration(&words, |unit| match unit {
            "hour" | "hours" | "h" => Some(1.0),
            "minute" | "minutes" | "min" => Some(1.0 / 60.0),
            _ => None,
        }),
        _ => {
            let (found, amount, _) = scan::of_value(value)?;
            converted(found, amount, kind)
        }
    }
}

/// `2 years`, `24-month`.
fn duration(words: &[super::words::Token], factor_of: impl Fn(&str) -> Option<f32>) -> Option<f32> {
    let at = words.iter().position(|token| token.number.is_some())?;
    let unit = if words[at].word.is_empty() { words.get(at + 1)?.word.as_str() } else { words[at].word.as_str() };
    Some(words[at].number? * factor_of(unit)?)
}

/// An amount of what its unit says as an amount of `wanted`; `None` where the unit measures something else.
fn converted(found: Kind, amount: f32, wanted: Kind) -> Option<f32> {
    match (found, wanted) {
        (found, wanted) if found == wanted => Some(amount),
        (Kind::Size, Kind::Screen) => Some(amount / 0.0254),
        (Kind::Size, Kind::FitSize) => Some(amount * 1000.0),
        (Kind::Size, Kind::CableLength | Kind::DropProtection) => Some(amount),
        (Kind::NetWeight, Kind::Weight) | (Kind::Storage, Kind::Memory) => Some(amount),
        (Kind::Camera, Kind::FrontCamera) => Some(amount),
        _ => None,
    }
}
