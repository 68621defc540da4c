//! How many pieces a title says are in it: `SET OF 6`, `Set/4`, `S/15`, `Pack of 12`, `4-Pack`, `6pc`, `Pair of`, `60 Fairy Cake Cases`.

use super::scan::CONTENTS;
use super::words::{Joint, Token};

/// What a number of pieces comes in.
const CONTAINERS: [&str; 9] = ["set", "sets", "pack", "packs", "packet", "box", "bundle", "lot", "pk"];
/// What pieces are counted in.
const PIECES: [&str; 12] =
    ["pc", "pcs", "piece", "pieces", "pack", "packs", "pk", "count", "ct", "pcs.", "sheets", "pairs"];
const NUMBER_WORDS: [(&str, f32); 12] = [
    ("two", 2.0),
    ("three", 3.0),
    ("four", 4.0),
    ("five", 5.0),
    ("six", 6.0),
    ("seven", 7.0),
    ("eight", 8.0),
    ("nine", 9.0),
    ("ten", 10.0),
    ("twelve", 12.0),
    ("dozen", 12.0),
    ("twin", 2.0),
];
/// Words behind a leading number that make it the form or number of one thing.
const NOT_PIECES: [&str; 24] = [
    "tier",
    "drawer",
    "hook",
    "hooks",
    "bead",
    "in",
    "point",
    "way",
    "part",
    "section",
    "sided",
    "inch",
    "draw",
    "shelf",
    "compartment",
    "colour",
    "color",
    "wick",
    "step",
    "layer",
    "heart",
    "piece",
    "day",
    "lens",
];
/// Plurals that are one thing.
const SINGULARS: [&str; 12] =
    ["glass", "lens", "princess", "christmas", "canvas", "jess", "paris", "dress", "compass", "grass", "s", "cutlass"];

/// The pieces in the product; `None` where the title does not say.
pub(super) fn of_title(tokens: &[Token]) -> Option<f32> {
    (0..tokens.len())
        .find_map(|at| of_container(tokens, at).or_else(|| counted(tokens, at)))
        .or_else(|| leading(tokens))
        .or_else(|| pair(tokens))
}

/// `set of 6`, `set/6`, `s/4`, `pack 24`, `set of three`.
fn of_container(tokens: &[Token], at: usize) -> Option<f32> {
    let token = &tokens[at];
    let next = tokens.get(at + 1)?;
    let is_container = token.number.is_none() && CONTAINERS.contains(&token.word.as_str());
    if is_container && next.is("of") {
        return whole(tokens, at + 2);
    }
    let is_short = token.is("s") && next.joint == Joint::Slash;
    (is_short || is_container && next.joint != Joint::Break)
        .then(|| tokens[at + 1].number.and_then(|_| whole(tokens, at + 1)))?
}

/// `6pc`, `4-pack`, `eight piece`, `6 x 330ml`.
fn counted(tokens: &[Token], at: usize) -> Option<f32> {
    let token = &tokens[at];
    let number = number(token)?;
    let next = tokens.get(at + 1);
    let is_counted = PIECES.contains(&token.word.as_str()) && token.number.is_some()
        || token.word_is_number()
            && next.is_some_and(|next| next.joint != Joint::Break && PIECES.iter().any(|unit| next.is(unit)));
    let is_times = token.number.is_some()
        && token.word.is_empty()
        && next.is_some_and(|next| next.is("x"))
        && tokens[at + 2..].iter().take(2).any(|unit| CONTENTS.contains(&unit.word.as_str()));
    (is_counted || is_times).then_some(number).filter(|number| number.fract() == 0.0)
}

/// `60 Gold and Silver Fairy Cake Cases`: a number before a plural at the start.
fn leading(tokens: &[Token]) -> Option<f32> {
    let first = tokens.first().filter(|first| first.word.is_empty())?;
    let next = tokens.get(1).filter(|next| next.number.is_none() && next.joint == Joint::Space)?;
    let is_plural = |token: &Token| {
        token.number.is_none()
            && token.word.len() > 3
            && token.word.ends_with('s')
            && !token.word.ends_with("ss")
            && !SINGULARS.contains(&token.word.as_str())
    };
    let is_number = first.number.is_some_and(|number| number.fract() == 0.0 && (2.0..=500.0).contains(&number));
    (is_number && !NOT_PIECES.contains(&next.word.as_str()) && tokens[1..].iter().take(6).any(is_plural))
        .then_some(first.number)?
}

/// `Pair of`, `Pair Butterfly Hair Clips`.
fn pair(tokens: &[Token]) -> Option<f32> {
    tokens.first().filter(|first| first.is("pair")).map(|_| 2.0)
}

impl Token {
    /// Whether the token is a number by itself, in digits or as a word.
    fn word_is_number(&self) -> bool {
        self.word.is_empty() || self.number.is_none() && NUMBER_WORDS.iter().any(|(word, _)| *word == self.word)
    }
}

fn number(token: &Token) -> Option<f32> {
    token.number.or_else(|| NUMBER_WORDS.iter().find(|(word, _)| *word == token.word).map(|(_, number)| *number))
}

/// The number at `at`, where it is whole and counts nothing else: `Set 10 Cards` but not `Set 2010`.
fn whole(tokens: &[Token], at: usize) -> Option<f32> {
    let token = tokens.get(at)?;
    let is_bare = token.word.is_empty() || token.number.is_none() || PIECES.contains(&token.word.as_str());
    number(token).filter(|number| is_bare && number.fract() == 0.0 && (2.0..=1000.0).contains(number))
}
