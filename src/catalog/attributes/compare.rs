//! What differs between two products, and which way: pure, the same for a candidate, a comparison table and a check of both.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{Attribute, AttributeKind, Direction, Origin, material};

/// Values closer than this share of the lower one are alike: `128 GB` and `128.0 GB`, `4.7"` and `4.72"`.
const TOLERANCE: f32 = 0.01;

/// A value that is this many times the other is one that a shopper notices.
const NOTICEABLE: f32 = 1.1;

/// What the second product's value is to a shopper who looks at the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// More of what shoppers want.
    Better,
    /// Less of it, or nothing said where the first product's title or fields say something.
    Worse,
    /// Different, neither better nor worse.
    Neutral,
}

/// A kind in which two products differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// What differs.
    pub kind: AttributeKind,
    /// The first product's value; `None` where it is silent.
    pub from: Option<Attribute>,
    /// The second product's.
    pub to: Option<Attribute>,
    /// What that is to a shopper.
    pub verdict: Verdict,
}

impl Difference {
    /// Whether a shopper notices it: a metre more of a cable, not a centimetre.
    pub fn is_noticeable(&self) -> bool {
        let Some((from, to)) = self.from.zip(self.to) else { return true };
        self.kind.direction() == Direction::Ordered || from.value.max(to.value) >= NOTICEABLE * from.value.min(to.value)
    }
}

/// What differs from `from` to `to`, both by kind as [`super::attributes`] gives them; `direction` says which way is better.
///
/// Where one product is silent nothing is known, with two exceptions: what is worth stating (a kickstand, water resistance) is richer in
/// the product that states it; and what the first product's title or fields state, a better product would state
/// too, the plainest materials aside.
pub fn compare(
    from: &[Attribute],
    to: &[Attribute],
    direction: impl Fn(AttributeKind) -> Direction,
) -> Vec<Difference> {
    let of = |attributes: &[Attribute], kind: AttributeKind| {
        attributes.iter().copied().find(|attribute| attribute.kind == kind)
    };
    let difference = |kind: AttributeKind| {
        let (from, to) = (of(from, kind), of(to, kind));
        let verdict = verdict(from, to, direction(kind))?;
        Some(Difference { kind, from, to, verdict })
    };
    AttributeKind::ALL.into_iter().filter_map(difference).collect()
}

fn verdict(from: Option<Attribute>, to: Option<Attribute>, direction: Direction) -> Option<Verdict> {
    match (from, to) {
        (Some(from), to) if from.kind.must_agree() => must_agree(from, to),
        // A cable that says nothing of its plugs may have others.
        (None, Some(to)) if to.kind.must_agree() => (to.origin < Origin::Description).then_some(Verdict::Neutral),
        (Some(from), Some(to)) => both(from, to, direction),
        (None, Some(to)) if to.kind.is_worth_stating() => Some(match direction {
            Direction::More => Verdict::Better,
            Direction::Less => Verdict::Worse,
            Direction::Neutral | Direction::Ordered => Verdict::Neutral,
        }),
        // Merchant Center's default: what says nothing of its condition is new.
        (None, Some(to)) if to.kind == AttributeKind::Condition && to.value < 3.0 => Some(Verdict::Worse),
        (Some(from), None)
            if from.origin < Origin::Description && matches!(direction, Direction::More | Direction::Ordered) =>
        {
            (from.kind != AttributeKind::Condition && is_missed(from)).then_some(Verdict::Worse)
        }
        _ => None,
    }
}

/// Products of one use agree: a cable has the plugs of the other at least. What the first product's title says, the second has to say.
fn must_agree(from: Attribute, to: Option<Attribute>) -> Option<Verdict> {
    let agrees = match to {
        None => from.origin == Origin::Description,
        Some(to) if from.kind == AttributeKind::Connector => from.value as u32 & !(to.value as u32) == 0,
        Some(to) => (from.value - to.value).abs() <= from.value * TOLERANCE,
    };
    (!agrees).then_some(Verdict::Neutral)
}

/// Whether a product that is silent on it may have less: a single piece needs no saying, nor does plastic.
fn is_missed(from: Attribute) -> bool {
    match from.kind {
        AttributeKind::Pieces => from.value > 1.0,
        AttributeKind::Material => material::is_above_another(from.value),
        _ => true,
    }
}

fn both(from: Attribute, to: Attribute, direction: Direction) -> Option<Verdict> {
    if from.kind == AttributeKind::Material {
        return (from.value != to.value).then(|| match material::step(from.value, to.value) {
            Some(Ordering::Greater) if direction == Direction::Ordered => Verdict::Better,
            Some(Ordering::Less) if direction == Direction::Ordered => Verdict::Worse,
            _ => Verdict::Neutral,
        });
    }
    let (low, high) = (from.value.min(to.value), from.value.max(to.value));
    if high - low <= low * TOLERANCE {
        return None;
    }
    Some(match (direction, to.value > from.value) {
        (Direction::Neutral | Direction::Ordered, _) => Verdict::Neutral,
        (Direction::More, true) | (Direction::Less, false) => Verdict::Better,
        (Direction::More, false) | (Direction::Less, true) => Verdict::Worse,
    })
}
