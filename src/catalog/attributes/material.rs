//! Materials, and the ladders on which one is better than another. Two materials that share no ladder are a matter of taste.

use std::cmp::Ordering;

/// Names of materials by number: words of a text, and the name that is shown.
const MATERIALS: [(&[&str], &str); 35] = [
    (&["plastic"], "plastic"),
    (&["polycarbonate"], "polycarbonate"),
    (&["silicone"], "silicone"),
    (&["rubber"], "rubber"),
    (&["tpu"], "TPU"),
    (&["acrylic"], "acrylic"),
    (&["vinyl"], "vinyl"),
    (
        &["faux leather", "vegan leather", "imitation leather", "synthetic leather", "pu leather", "leatherette"],
        "faux leather",
    ),
    (&["leather"], "leather"),
    (&["nylon"], "nylon"),
    (&["polyester"], "polyester"),
    (&["cotton"], "cotton"),
    (&["linen"], "linen"),
    (&["wool"], "wool"),
    (&["silk"], "silk"),
    (&["cashmere"], "cashmere"),
    (&["aluminum", "aluminium"], "aluminum"),
    (&["stainless steel"], "stainless steel"),
    (&["titanium"], "titanium"),
    (&["glass", "tempered glass"], "glass"),
    (&["sapphire glass", "sapphire crystal"], "sapphire glass"),
    (&["film"], "film"),
    (&["ceramic"], "ceramic"),
    (&["porcelain"], "porcelain"),
    (&["bone china"], "bone china"),
    (&["enamel"], "enamel"),
    (&["mdf", "particleboard", "chipboard"], "MDF"),
    (&["pine"], "pine"),
    (&["oak"], "oak"),
    (&["walnut"], "walnut"),
    (&["teak"], "teak"),
    (&["bamboo"], "bamboo"),
    (&["paper"], "paper"),
    (&["canvas"], "canvas"),
    (&["sterling silver"], "sterling silver"),
];

/// From worse to better; names of one rung are alike.
const LADDERS: [&[&[&str]]; 8] = [
    &[
        &["plastic", "polycarbonate", "silicone", "rubber", "TPU", "vinyl", "acrylic", "nylon", "faux leather"],
        &["leather"],
    ],
    &[
        &["plastic", "polycarbonate", "silicone", "rubber", "TPU", "acrylic", "nylon"],
        &["aluminum"],
        &["stainless steel"],
        &["titanium"],
    ],
    &[&["plastic", "film", "TPU"], &["glass"], &["sapphire glass"]],
    &[&["plastic", "MDF"], &["pine", "bamboo"], &["oak", "walnut", "teak"]],
    &[&["polyester", "acrylic"], &["cotton", "linen", "wool"], &["silk", "cashmere"]],
    &[&["plastic"], &["ceramic"], &["porcelain"], &["bone china"]],
    &[&["paper", "plastic"], &["cotton", "canvas"]],
    &[&["plastic"], &["enamel"]],
];

/// The name of the material with this number.
pub(super) fn name(number: f32) -> &'static str {
    MATERIALS.get(number as usize).map_or("", |(_, name)| *name)
}

/// The materials that `words` name, by number; a name inside a longer one (`leather` in `faux leather`) does not count.
pub(super) fn named(words: &[&str]) -> Vec<f32> {
    let mut found: Vec<f32> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let starting = |(number, (names, _)): (usize, &(&[&str], &str))| {
            let length = names.iter().filter_map(|name| length_at(&words[at..], name)).max()?;
            Some((length, number as f32))
        };
        let longest = MATERIALS.iter().enumerate().filter_map(starting).max_by(|a, b| a.0.cmp(&b.0));
        let (length, number) = longest.unwrap_or((1, -1.0));
        if number >= 0.0 && !found.contains(&number) {
            found.push(number);
        }
        at += length;
    }
    found
}

/// Number of words of `name` where `words` starts with it.
fn length_at(words: &[&str], name: &str) -> Option<usize> {
    let length = name.split(' ').count();
    name.split(' ').eq(words.iter().take(length).copied()).then_some(length)
}

/// How the second material stands to the first; `None` where they share no ladder or stand on one rung.
pub(super) fn step(from: f32, to: f32) -> Option<Ordering> {
    let rung = |ladder: &[&[&str]], material: f32| ladder.iter().position(|rung| rung.contains(&name(material)));
    let order = |ladder: &&[&[&str]]| Some(rung(ladder, to)?.cmp(&rung(ladder, from)?)).filter(|order| order.is_ne());
    LADDERS.iter().find_map(order)
}

/// Whether a ladder has a rung below the material's.
pub(super) fn is_above_another(material: f32) -> bool {
    LADDERS.iter().any(|ladder| ladder.iter().skip(1).any(|rung| rung.contains(&name(material))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rung_names_known_materials_and_no_two_ladders_disagree() {
        let number = |name: &str| MATERIALS.iter().position(|(_, known)| *known == name).expect(name) as f32;
        for name in LADDERS.iter().flat_map(|ladder| ladder.iter().flat_map(|rung| rung.iter())) {
            number(name);
        }
        for a in 0..MATERIALS.len() {
            for b in 0..MATERIALS.len() {
                let there = step(a as f32, b as f32);
                assert_eq!(
                    there,
                    step(b as f32, a as f32).map(Ordering::reverse),
                    "{} {}",
                    name(a as f32),
                    name(b as f32)
                );
            }
        }
        assert_eq!(step(number("plastic"), number("oak")), Some(Ordering::Greater));
        assert_eq!(step(number("leather"), number("stainless steel")), None);
        assert!(is_above_another(number("leather")) && !is_above_another(number("silicone")));
    }

    #[test]
    fn the_longest_name_counts() {
        let names =
            |text: &str| -> Vec<&str> { named(&text.split(' ').collect::<Vec<_>>()).into_iter().map(name).collect() };
        assert_eq!(names("faux leather case"), ["faux leather"]);
        assert_eq!(names("leather and stainless steel band"), ["leather", "stainless steel"]);
        assert!(names("rose gold case").is_empty());
    }
}
