//! What a text takes back: `not for iPhone 7`, `(ZETA 5 NOT SUPPORTED)`, `nicht für`, `other than`.
//!
//! A negation takes back what follows it, to the next word that opens a list and is not its own; one with a verdict (`not supported`) takes back
//! what stands before it. Some words of negation say what kind a product is (`no slip`), and count only where what it is for follows at once.

use super::title_words::{SEPARATORS, opener, words};

/// Words that take back what follows them; `t` is the end of `doesn't` and `isn't`. German, French, Spanish and Dutch ones too.
const NEGATIONS: [&str; 33] = [
    "außer",
    "ungeeignet",
    "unlike",
    "hors",
    "salvo",
    "not",
    "except",
    "excluding",
    "excepting",
    "incompatible",
    "unsuitable",
    "unsupported",
    "neither",
    "nor",
    "cannot",
    "cant",
    "doesnt",
    "isnt",
    "no",
    "non",
    "never",
    "without",
    "t",
    "nicht",
    "kein",
    "keine",
    "ohne",
    "pas",
    "sauf",
    "sin",
    "excepto",
    "niet",
    "geen",
];
/// Negations of two words.
const NEGATING_PAIRS: [[&str; 2]; 3] = [["other", "than"], ["apart", "from"], ["rather", "than"]];
/// Negations that say what a product is (`non slip`) unless what it is for follows at once.
const NEGATIVE_KINDS: [&str; 5] = ["no", "non", "never", "without", "t"];
/// `for` and `with` in other languages, behind a negation.
const OTHER_OPENERS: [&str; 10] = ["für", "fuer", "para", "pour", "per", "voor", "con", "avec", "mit", "met"];
/// Words that may stand between a negation and what it takes back: `not yet suitable for`, `does not fit`.
const LINKS: [&str; 33] = [
    "kompatibel",
    "sirve",
    "vale",
    "convient",
    "geschikt",
    "a",
    "always",
    "are",
    "be",
    "been",
    "compatible",
    "currently",
    "designed",
    "fully",
    "good",
    "intended",
    "is",
    "it",
    "made",
    "meant",
    "necessarily",
    "officially",
    "or",
    "recommended",
    "suitable",
    "supposed",
    "the",
    "to",
    "use",
    "used",
    "will",
    "work",
    "yet",
];
/// Words with which a negation takes back what stands before it: `iPhone 7 not supported`.
const VERDICTS: [&str; 5] = ["supported", "compatible", "suitable", "recommended", "possible"];

/// The runs of words of `text` that no negation takes back, and those that one does.
pub(super) fn affirmed_and_denied(text: &str) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let (mut affirmed, mut denied) = (Vec::new(), Vec::new());
    for part in text.split(" - ").flat_map(without_denials) {
        let (runs, taken_back) = split_by_denials(&words(&part));
        affirmed.extend(runs);
        denied.extend(taken_back);
    }
    (affirmed, denied)
}

/// A part of a text, and apart from it what its brackets take back: `(not for iPhone 7)`.
fn without_denials(part: &str) -> Vec<String> {
    let mut found = vec![String::with_capacity(part.len())];
    for piece in part.split_inclusive([')', ']']) {
        let opened = piece.rfind(['(', '[']);
        let denial = opened.filter(|&at| words(&piece[at..]).iter().any(|word| NEGATIONS.contains(&word.as_str())));
        found[0].push_str(&piece[..denial.unwrap_or(piece.len())]);
        found.extend(denial.map(|at| without_kind(&piece[at..])));
    }
    found
}

/// What brackets deny, with `not` in the place of a `no` at its start: `(NO iPhone 7)` denies all of it, though `No Slip` says a kind.
fn without_kind(bracket: &str) -> String {
    let inner = bracket.trim_start_matches(['(', '[', ' ']);
    let first = words(inner).first().cloned().unwrap_or_default();
    match inner.split_once(' ') {
        Some((_, rest)) if NEGATIVE_KINDS.contains(&first.as_str()) => format!("not {rest}"),
        _ => inner.to_owned(),
    }
}

/// The same of words.
fn split_by_denials(words: &[String]) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let (mut runs, mut denied) = (Vec::new(), Vec::new());
    let mut rest = words;
    while let Some((at, length)) = (0..rest.len()).find_map(|at| Some((at, taken_back(&rest[at..])?))) {
        let last = || rest[..at].iter().rposition(|word| SEPARATORS.contains(&word.as_str()));
        let kept = if denies_before(&rest[at..]) { last().unwrap_or(0) } else { at };
        runs.push(rest[..kept].to_vec());
        denied.push(rest[kept..at + length].to_vec());
        rest = &rest[at + length..];
    }
    runs.push(rest.to_vec());
    runs.retain(|run| !run.is_empty());
    (runs, denied)
}

/// Number of words that the negation at the start of `words` takes back, itself included: those to the next opener that is neither its
/// own nor joined by `or`. `None` where no negation stands there.
fn taken_back(words: &[String]) -> Option<usize> {
    let starts_with = |pair: &[&str; 2]| words.len() > 1 && words[0] == pair[0] && words[1] == pair[1];
    let is_pair = NEGATING_PAIRS.iter().any(starts_with);
    let negation = words.first().map(String::as_str).filter(|word| is_pair || NEGATIONS.contains(word))?;
    let (mut end, mut has_own) = (1 + usize::from(is_pair), false);
    while let Some(word) = words.get(end) {
        match opener(&words[end..]) {
            Some(length) => (end, has_own) = (end + length, true),
            None if OTHER_OPENERS.contains(&word.as_str()) => (end, has_own) = (end + 1, true),
            None if LINKS.contains(&word.as_str()) => end += 1,
            None => break,
        }
    }
    if NEGATIVE_KINDS.contains(&negation) && !has_own {
        return None;
    }
    let opens = |at: &usize| opener(&words[*at..]).is_some() && !["or", "nor"].contains(&words[at - 1].as_str());
    Some((end..words.len()).find(opens).unwrap_or(words.len()))
}

/// Whether the negation at the start of `words` is one of what stands before it.
fn denies_before(words: &[String]) -> bool {
    let leads_on = |at: usize| {
        words.get(at).is_some_and(|next| ["with", "to"].contains(&next.as_str()))
            || words.get(at..).is_some_and(|rest| opener(rest).is_some())
            || words.get(at).is_some_and(|next| OTHER_OPENERS.contains(&next.as_str()))
    };
    let is_verdict =
        |at: usize| words.get(at).is_some_and(|word| VERDICTS.contains(&word.as_str())) && !leads_on(at + 1);
    words[0] == "unsupported" || (1..3).any(is_verdict)
}
