//! What a product has or is, by the words that say so; a word behind `no`, `not` or `without` does not.

use super::words::Token;
use super::{Attribute, AttributeKind as Kind, Origin};

/// A kind, its value, and the words that say it.
const PHRASES: [(Kind, f32, &[&str]); 15] = [
    (Kind::WaterResistance, 2.0, &["waterproof", "submersible"]),
    (
        Kind::WaterResistance,
        1.0,
        &["water resistant", "water resistance", "splash proof", "splashproof", "ip67", "ip68"],
    ),
    (Kind::DropTested, 1.0, &["military grade", "military standard", "military standards", "mil std 810g"]),
    (Kind::WirelessCharging, 1.0, &["wireless charging"]),
    (Kind::FastCharging, 1.0, &["fast charging", "quick charging", "rapid charging", "quick charge", "quickcharge"]),
    (Kind::FingerprintReader, 1.0, &["fingerprint sensor", "fingerprint reader", "fingerprint scanner", "touch id"]),
    (Kind::DualSim, 1.0, &["dual sim"]),
    (Kind::NoiseCancelling, 1.0, &["noise cancelling", "noise canceling", "noise cancellation"]),
    (Kind::Kickstand, 1.0, &["kickstand", "integrated stand", "built in stand", "folding stand"]),
    (Kind::CardSlots, 1.0, &["card slot", "card slots", "card case", "card holder", "wallet case", "wallet"]),
    (Kind::BeltClip, 1.0, &["belt clip", "holster"]),
    (
        Kind::ScreenCover,
        1.0,
        &["built in screen protector", "built in screen cover", "built in touch screen protector"],
    ),
    (Kind::GiftBox, 1.0, &["gift box", "presentation box"]),
    (Kind::Ports, 2.0, &["dual usb", "two usb"]),
    (Kind::Resolution, 4.0, &["4k uhd", "ultra hd"]),
];
/// Words that take back what follows them.
const NEGATIONS: [&str; 7] = ["no", "not", "without", "non", "isn", "lacks", "excluding"];
/// Kinds whose phrase has to be in the title: descriptions use it for other things than the product.
const TITLE_ONLY: [Kind; 4] = [Kind::GiftBox, Kind::CardSlots, Kind::Resolution, Kind::Ports];
/// Words before a phrase that make it a property of something else.
const OTHERS: [&str; 5] = ["for", "compatible", "supports", "works", "in"];

/// The features that `tokens` name.
pub(super) fn of(tokens: &[Token], origin: Origin) -> Vec<Attribute> {
    let words: Vec<&str> = tokens.iter().map(|token| token.word.as_str()).collect();
    let mut found: Vec<Attribute> = Vec::new();
    for (kind, value, phrases) in PHRASES {
        let is_known = found.iter().any(|known| known.kind == kind);
        let is_allowed = origin == Origin::Title || !TITLE_ONLY.contains(&kind);
        if !is_known && is_allowed && phrases.iter().any(|phrase| says(&words, phrase, origin)) {
            found.extend(Attribute::new(kind, value, origin));
        }
    }
    found
}

fn says(words: &[&str], phrase: &str, origin: Origin) -> bool {
    let length = phrase.split(' ').count();
    (0..(words.len() + 1).saturating_sub(length)).any(|at| {
        let before = &words[at.saturating_sub(3)..at];
        let is_taken_back = before.iter().any(|word| NEGATIONS.contains(word));
        let is_of_another =
            origin == Origin::Description && before.iter().rev().take(2).any(|word| OTHERS.contains(word));
        phrase.split(' ').eq(words[at..at + length].iter().copied()) && !is_taken_back && !is_of_another
    })
}
