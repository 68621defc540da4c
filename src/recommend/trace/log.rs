//! What is noted while an answer is made.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::rank::RowId;
use crate::recommend::query::{FewerBecause, Hit, Intent};
use crate::recommend::source::SourceWeights;

/// What keeps a product out whatever the sources say of it, in the order in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sieve {
    /// It is in the cart.
    InCart,
    /// The request excludes it.
    Excluded,
    /// It is of the order, or the shopper bought it before.
    Bought,
    /// It is what is asked about.
    AskedAbout,
    /// The feed or the shop's own pairs say that it, or a variant of it, never stands beside what the list goes with.
    NeverTogether,
    /// The session has looked at it.
    Seen,
    /// It is a variant of what is asked about, in the cart or, after an order, bought.
    FamilyTaken,
    /// The request's filter.
    Filter,
    /// It is out of stock.
    OutOfStock,
    /// It is outside the price band, or has no price in its currency.
    Price,
    /// It is of another category than the product to step up from.
    Category,
    /// It is not better than the product to step up from, or of another use, or too far up.
    NotBetter,
    /// It is of a category of the cart, or the same kind of thing as a product of it.
    SameKind,
    /// It is made for another model than those of the cart, or has another plug.
    Misfit,
    /// Its text is nearly that of a product of the cart.
    LookAlike,
    /// Neither the feed nor orders tell enough of it to complete a set.
    NotTold,
    /// It was bought, and its day is not near or long past.
    NotDue,
    /// It was bought, and too few buyers come back for it.
    SeldomAgain,
}

/// An intent that made no list, so that no product was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WithoutList {
    /// The intent.
    pub intent: Intent,
    /// Why not.
    pub because: FewerBecause,
}

/// What was noted of an answer.
#[derive(Debug, Default)]
pub(in crate::recommend) struct Noted {
    /// The lists in their order: the parts of a mix, then the whole.
    pub lists: Vec<Examined>,
    pub without_list: Vec<WithoutList>,
}

/// What became of a product that the sources brought and that may appear.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::recommend) enum Fate {
    /// It is in the list.
    Shown,
    /// Its score is below the floor.
    BelowFloor,
    /// A condition of the filter that is asked of each hit.
    KeptOut(Sieve),
    /// Another of its family, or of its name, is in the list.
    Variant(RowId),
    /// A rule of the shop.
    Rule(Arc<str>),
    /// The list was full.
    Limit,
}

/// A hit and what became of it.
#[derive(Debug, Clone)]
pub(in crate::recommend) struct Judged {
    pub hit: Hit,
    /// What it was worth before the list was spread over categories.
    pub before_spread: Option<f32>,
    /// What the shop's rules multiply its score by.
    pub factor: f64,
    /// The rules that do.
    pub rules: Vec<Arc<str>>,
    pub fate: Fate,
}

/// What a product would be worth that is no candidate.
#[derive(Debug, Clone, Copy)]
pub(in crate::recommend) struct WouldBe {
    /// Cosine similarity of its text with what is asked about.
    pub similarity: f32,
    /// Its score by that alone.
    pub score: Option<f32>,
}

/// The product that is asked after.
#[derive(Debug, Clone)]
pub(in crate::recommend) struct Examinee {
    pub row: RowId,
    pub sieve: Option<Sieve>,
    pub would_be: Option<WouldBe>,
}

/// One list examined.
#[derive(Debug)]
pub(in crate::recommend) struct Examined {
    pub intent: Intent,
    pub is_part: bool,
    /// What the sources know, whatever the question keeps out, best first.
    pub found: Vec<Hit>,
    /// What of that is kept out, and by what.
    pub kept_out: Vec<(RowId, Sieve)>,
    /// What may appear, best first.
    pub judged: Vec<Judged>,
    pub weights: Option<SourceWeights>,
    pub floor: Option<f32>,
    pub target: Option<Examinee>,
}

/// Where it is written down how an answer came about.
#[derive(Debug, Default)]
pub struct TraceLog {
    target: Option<String>,
    noted: Mutex<Noted>,
}

impl TraceLog {
    /// An empty log; the product `target` is looked at whatever becomes of it.
    pub(super) fn after(target: Option<&str>) -> Arc<Self> {
        Arc::new(Self { target: target.map(str::to_owned), noted: Mutex::default() })
    }

    pub(in crate::recommend) fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    pub(in crate::recommend) fn note(&self, examined: Examined) {
        // A list is pushed whole.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).lists.push(examined);
    }

    /// Notes why the answer to `intent` is empty where it made no list: none was noted since there were `num_lists`.
    pub(in crate::recommend) fn note_without_list(&self, num_lists: usize, intent: Intent, because: FewerBecause) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.lists.len() == num_lists {
            noted.without_list.push(WithoutList { intent, because });
        }
    }

    pub(in crate::recommend) fn num_lists(&self) -> usize {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).lists.len()
    }

    /// What was noted.
    pub(super) fn take(&self) -> Noted {
        std::mem::take(&mut self.noted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
