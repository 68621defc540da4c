//! Sources: the makers of candidates, what each says of a product, and what it counts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A maker of candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Products alike by their texts.
    Similar = 0,
    /// Products bought in orders with those of the session.
    Copurchase = 1,
    /// Products that like sessions met: sessions that share products.
    Session = 2,
    /// Products that like sessions met: sessions about like things, whatever their products.
    SessionSemantic = 3,
    /// Products that are met, or bought, after the newest one of the session.
    Next = 4,
    /// Products that many look at and buy.
    Popular = 5,
    /// Products that this shopper bought in earlier orders.
    Bought = 6,
    /// Products that the feed or the shop itself names as going with those of the session.
    Relations = 7,
    /// Products that say they are made for those of the session: for their model, or for the kind of thing that they are.
    Compatibility = 8,
    /// Products where, by a map learned from orders, what goes with those of the session lies.
    Complement = 9,
    /// Products that share words with those of the session: models, sizes, names of series.
    Lexical = 10,
}

impl Source {
    /// Every source, by number.
    pub const ALL: [Self; 11] = [
        Self::Similar,
        Self::Copurchase,
        Self::Session,
        Self::SessionSemantic,
        Self::Next,
        Self::Popular,
        Self::Bought,
        Self::Relations,
        Self::Compatibility,
        Self::Complement,
        Self::Lexical,
    ];

    /// Whether it knows products by their texts, also those that nobody has met or bought.
    pub fn is_of_texts(self) -> bool {
        matches!(self, Self::Similar | Self::SessionSemantic | Self::Complement | Self::Lexical)
    }

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Similar => "similar",
            Self::Copurchase => "copurchase",
            Self::Session => "session",
            Self::SessionSemantic => "session_semantic",
            Self::Next => "next",
            Self::Popular => "popular",
            Self::Bought => "bought",
            Self::Relations => "relations",
            Self::Compatibility => "compatibility",
            Self::Complement => "complement",
            Self::Lexical => "lexical",
        }
    }
}

/// What each source says of a product, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SourceScores([f32; Source::ALL.len()]);

impl SourceScores {
    /// What one source says, the others nothing.
    pub fn of(source: Source, score: f32) -> Self {
        let mut scores = Self::default();
        scores.set(source, score);
        scores
    }

    /// What `source` says; 0 where it does not know the product.
    pub fn get(&self, source: Source) -> f32 {
        self.0[source as usize]
    }

    /// Puts in what `source` says.
    pub fn set(&mut self, source: Source, score: f32) {
        self.0[source as usize] = score;
    }
}

/// What each source counts for an intent; 0 leaves it out.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceWeights {
    /// [`Source::Similar`].
    pub similar: f32,
    /// [`Source::Copurchase`].
    pub copurchase: f32,
    /// [`Source::Session`].
    pub session: f32,
    /// [`Source::SessionSemantic`].
    pub session_semantic: f32,
    /// [`Source::Next`].
    pub next: f32,
    /// [`Source::Popular`].
    pub popular: f32,
    /// [`Source::Bought`]; of a shopper who bought nothing it counts nothing.
    pub bought: f32,
    /// [`Source::Relations`].
    pub relations: f32,
    /// [`Source::Compatibility`].
    pub compatibility: f32,
    /// [`Source::Complement`].
    pub complement: f32,
    /// [`Source::Lexical`].
    pub lexical: f32,
}

impl SourceWeights {
    /// What a session wants next.
    pub const NEXT: Self = Self {
        similar: 0.1,
        copurchase: 0.1,
        session: 0.95,
        session_semantic: 0.2,
        next: 0.05,
        popular: 0.0,
        bought: 0.0,
        relations: 0.0,
        compatibility: 0.0,
        complement: 0.0,
        lexical: 0.0,
    };
    /// What this shopper may like: less of the last step, more of what goes with the rest.
    pub const FOR_YOU: Self = Self {
        similar: 0.3,
        copurchase: 0.5,
        session: 0.5,
        session_semantic: 0.5,
        next: 0.1,
        popular: 0.0,
        bought: 0.9,
        relations: 0.0,
        compatibility: 0.0,
        complement: 0.0,
        lexical: 0.0,
    };
    /// What sells now.
    pub const TRENDING: Self = Self {
        similar: 0.0,
        copurchase: 0.0,
        session: 0.0,
        session_semantic: 0.0,
        next: 0.0,
        popular: 1.0,
        bought: 0.0,
        relations: 0.0,
        compatibility: 0.0,
        complement: 0.0,
        lexical: 0.0,
    };

    /// What `source` counts.
    pub fn of(&self, source: Source) -> f32 {
        match source {
            Source::Similar => self.similar,
            Source::Copurchase => self.copurchase,
            Source::Session => self.session,
            Source::SessionSemantic => self.session_semantic,
            Source::Next => self.next,
            Source::Popular => self.popular,
            Source::Bought => self.bought,
            Source::Relations => self.relations,
            Source::Compatibility => self.compatibility,
            Source::Complement => self.complement,
            Source::Lexical => self.lexical,
        }
    }

    /// What `source` counts, to be changed.
    pub(super) fn of_mut(&mut self, source: Source) -> &mut f32 {
        match source {
            Source::Similar => &mut self.similar,
            Source::Copurchase => &mut self.copurchase,
            Source::Session => &mut self.session,
            Source::SessionSemantic => &mut self.session_semantic,
            Source::Next => &mut self.next,
            Source::Popular => &mut self.popular,
            Source::Bought => &mut self.bought,
            Source::Relations => &mut self.relations,
            Source::Compatibility => &mut self.compatibility,
            Source::Complement => &mut self.complement,
            Source::Lexical => &mut self.lexical,
        }
    }

    /// Whether every weight is a number from 0 to 1000.
    pub fn is_in_range(&self) -> bool {
        Source::ALL.into_iter().all(|source| (0.0..=1000.0).contains(&self.of(source)))
    }
}
