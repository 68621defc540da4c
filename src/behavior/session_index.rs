//! The index of past sessions: which sessions met a product, newest first, and what each session met, in order.

use super::baskets::Postings;
use super::trails::Trails;
use crate::events::EventKind;

/// Past sessions in memory, numbered from the one that ended first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SessionIndex {
    /// Behind the last posting of each product.
    pub posting_ends: Vec<u64>,
    /// For each product its sessions, newest first.
    pub postings: Vec<u32>,
    /// Behind the last product of each session.
    pub ends: Vec<u64>,
    /// The different products of each session, in the order in which they were first met.
    pub products: Vec<u32>,
    /// The strongest thing done with each of those: [`EventKind::number`].
    pub kinds: Vec<u8>,
    /// When each session ended, in seconds since 1970.
    pub last_s: Vec<u32>,
    /// For each product `ln(sessions / sessions with it)`; 0 for one that no session met.
    pub idf: Vec<f32>,
}

/// Past sessions in memory or in a mapped file. Numbers that lead outside are passed over, so damage can cost quality, never more.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sessions<'a> {
    /// As [`SessionIndex::posting_ends`].
    pub posting_ends: &'a [u64],
    /// As [`SessionIndex::postings`].
    pub postings: &'a [u32],
    /// As [`SessionIndex::ends`].
    pub ends: &'a [u64],
    /// As [`SessionIndex::products`].
    pub products: &'a [u32],
    /// As [`SessionIndex::kinds`].
    pub kinds: &'a [u8],
    /// As [`SessionIndex::last_s`].
    pub last_s: &'a [u32],
    /// As [`SessionIndex::idf`].
    pub idf: &'a [f32],
}

impl SessionIndex {
    /// The index of `trails`. A product's list holds its newest `num_candidates` sessions, see
    /// [`BehaviorConfig::num_candidates`](super::BehaviorConfig::num_candidates): a question looks at no more.
    pub fn new(trails: &Trails, num_candidates: usize) -> Self {
        let mut index = Self { last_s: trails.last_s.clone(), ..Self::default() };
        let mut place = vec![usize::MAX; trails.num_products()];
        for session in 0..trails.len() {
            index.push_session(trails, session, &mut place);
        }
        index.fill_postings(trails.num_products(), num_candidates);
        index
    }

    /// Adds the session's products; `place` is where a product was last put.
    fn push_session(&mut self, trails: &Trails, session: usize, place: &mut [usize]) {
        let start = self.products.len();
        for step in trails.steps(session) {
            let (product, kind) = (trails.products[step], trails.kinds[step]);
            let at = place[product as usize];
            if at != usize::MAX && at >= start {
                self.kinds[at] = stronger(self.kinds[at], kind);
            } else {
                place[product as usize] = self.products.len();
                self.products.push(product);
                self.kinds.push(kind);
            }
        }
        self.ends.push(self.products.len() as u64);
    }

    fn fill_postings(&mut self, num_products: usize, limit: usize) {
        let sessions = self.view();
        let newest_first = (0..self.ends.len()).rev().map(|number| number as u32);
        let pairs = newest_first.flat_map(|number| sessions.products(number).iter().map(move |&p| (p, number)));
        let all = Postings::new(num_products, pairs);
        let num_sessions = self.ends.len() as f32;
        for product in 0..num_products as u32 {
            let sessions = all.of(product);
            self.idf.push(if sessions.is_empty() { 0.0 } else { (num_sessions / sessions.len() as f32).ln() });
            self.postings.extend(sessions.iter().take(limit));
            self.posting_ends.push(self.postings.len() as u64);
        }
    }

    /// The index as it is asked.
    pub fn view(&self) -> Sessions<'_> {
        Sessions {
            posting_ends: &self.posting_ends,
            postings: &self.postings,
            ends: &self.ends,
            products: &self.products,
            kinds: &self.kinds,
            last_s: &self.last_s,
            idf: &self.idf,
        }
    }
}

/// Of two kinds of step the one that tells more of what is wanted: bought before put into the cart before the rest.
fn stronger(a: u8, b: u8) -> u8 {
    let strength = |kind: u8| match EventKind::from_number(kind) {
        Some(EventKind::Purchase) => 3,
        Some(EventKind::AddToCart | EventKind::BeginCheckout) => 2,
        Some(EventKind::AddToWishlist) => 1,
        _ => 0,
    };
    if strength(b) > strength(a) { b } else { a }
}

impl<'a> Sessions<'a> {
    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn range(&self, number: u32) -> std::ops::Range<usize> {
        range(self.ends, number)
    }

    /// The different products of session `number`, in the order in which they were first met.
    pub fn products(&self, number: u32) -> &'a [u32] {
        self.products.get(self.range(number)).unwrap_or(&[])
    }

    /// The strongest thing done with each of [`Sessions::products`].
    pub fn kinds(&self, number: u32) -> &'a [u8] {
        self.kinds.get(self.range(number)).unwrap_or(&[])
    }

    /// The sessions that met `product`, newest first.
    pub fn with_product(&self, product: u32) -> &'a [u32] {
        self.postings.get(range(self.posting_ends, product)).unwrap_or(&[])
    }
}

fn range(ends: &[u64], number: u32) -> std::ops::Range<usize> {
    let at = number as usize;
    let start = if at == 0 { 0 } else { ends.get(at - 1).map_or(0, |&end| end as usize) };
    start..ends.get(at).map_or(0, |&end| end as usize)
}
