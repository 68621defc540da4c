//! What shoppers did, in memory, by session: what behaviour is learned from and what quality is measured on.
//!
//! Columns of fixed width: 24 bytes an interaction, 16 a session, and each product id once. It never holds who the shoppers were, only
//! which sessions are of one shopper.

use std::collections::{HashMap, HashSet};

use super::kind::EventKind;

/// [`Interaction::order`] of what is no part of an order.
pub const NO_ORDER: u32 = u32::MAX;

/// One thing done with one product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interaction {
    /// Its product: an index into [`History::products`].
    pub product: u32,
    /// Seconds since 1970.
    pub time_s: u32,
    /// The order that it is a line of, [`NO_ORDER`] for none. Lines of one order share a number. A refund bears the number of the order
    /// that it takes back; in a history of kept events no more pieces of an order's product are taken back than were sold in it, and a
    /// refund without an order takes back nothing that the history holds.
    pub order: u32,
    /// Pieces, 1 or more; a refund's pieces count against, whatever the lines that they were sold in.
    pub quantity: u32,
    /// Price of a piece in the currency's major unit; NaN when not told.
    pub price: f32,
    /// What was done.
    pub kind: EventKind,
}

/// The interactions of one session, by time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Session<'a> {
    /// Number of the shopper: equal numbers are one shopper.
    pub visitor: u32,
    /// What was done, oldest first; never empty.
    pub interactions: &'a [Interaction],
}

impl Session<'_> {
    /// When the last thing was done, in seconds since 1970.
    pub fn last_s(&self) -> u32 {
        self.interactions.last().map_or(0, |last| last.time_s)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Head {
    visitor: u32,
    end: usize,
}

/// Sessions in the order of their last interaction, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    products: Vec<String>,
    heads: Vec<Head>,
    interactions: Vec<Interaction>,
    /// See [`History::as_of`].
    as_of_s: Option<u32>,
}

/// Sessions that end this much later than all others, in seconds, are few or tell a time that is wrong: thirty days.
const MAX_GAP_S: u32 = 30 * 24 * 3600;
/// Of how many sessions one may tell a wrong time.
const SESSIONS_A_STRAY: usize = 100;
/// Of fewer sessions none is taken for one that does.
const MIN_SESSIONS: usize = 10;

impl History {
    /// Product ids; [`Interaction::product`] is an index into them. Not every product need be in the catalog.
    pub fn products(&self) -> &[String] {
        &self.products
    }

    /// How many sessions there are.
    pub fn num_sessions(&self) -> usize {
        self.heads.len()
    }

    /// How many interactions there are in all.
    pub fn num_interactions(&self) -> usize {
        self.interactions.len()
    }

    /// Session `number`, counted from the one that ended first; `None` past the last.
    pub fn session(&self, number: usize) -> Option<Session<'_>> {
        let head = self.heads.get(number)?;
        let start = if number == 0 { 0 } else { self.heads[number - 1].end };
        Some(Session { visitor: head.visitor, interactions: &self.interactions[start..head.end] })
    }

    /// The same, of which it is known that it was read at `now_s`, in seconds since 1970.
    pub fn as_of(self, now_s: u32) -> Self {
        Self { as_of_s: Some(now_s), ..self }
    }

    /// The "now" of all fading, in seconds since 1970: when the last session ended. A session that ends after [`History::as_of`] does not
    /// count (unless all do), nor do the last ones where they end more than thirty days after all others and are at most one in a hundred
    /// (of ten to a hundred sessions: one): their clock was wrong. 0 without sessions.
    pub fn now_s(&self) -> u32 {
        let ends_s: Vec<u32> = self.sessions().map(|session| session.last_s()).collect();
        let num_past = self.as_of_s.map_or(0, |now_s| ends_s.partition_point(|end_s| *end_s <= now_s));
        let ends_s = if num_past == 0 { &ends_s[..] } else { &ends_s[..num_past] };
        let max_strays = if ends_s.len() < MIN_SESSIONS { 0 } else { ends_s.len().div_ceil(SESSIONS_A_STRAY) };
        let tail = &ends_s[ends_s.len().saturating_sub(max_strays + 1)..];
        let before_gap = tail.array_windows().rev().find(|[before, after]| after - before > MAX_GAP_S);
        before_gap.map(|[before, _]| before).or(tail.last()).copied().unwrap_or(0)
    }

    /// Every session, the one that ended first first.
    pub fn sessions(&self) -> impl Iterator<Item = Session<'_>> {
        let starts = std::iter::once(0).chain(self.heads.iter().map(|head| head.end));
        self.heads
            .iter()
            .zip(starts)
            .map(|(head, start)| Session { visitor: head.visitor, interactions: &self.interactions[start..head.end] })
    }

    /// The same with products numbered as `ids` are; what was done with other products is gone, and so are sessions with nothing left.
    pub fn for_products<'i>(mut self, ids: impl IntoIterator<Item = &'i str>) -> Self {
        let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
        let numbers: HashMap<&str, u32> = ids.iter().map(String::as_str).zip(0..).collect();
        let renamed: Vec<Option<u32>> = self.products.iter().map(|id| numbers.get(id.as_str()).copied()).collect();
        let (mut start, mut kept) = (0, 0);
        for head in &mut self.heads {
            for at in start..head.end {
                let interaction = self.interactions[at];
                if let Some(product) = renamed[interaction.product as usize] {
                    self.interactions[kept] = Interaction { product, ..interaction };
                    kept += 1;
                }
            }
            start = std::mem::replace(&mut head.end, kept);
        }
        self.interactions.truncate(kept);
        let mut start = 0;
        self.heads.retain(|head| std::mem::replace(&mut start, head.end) < head.end);
        drop(numbers);
        Self { products: ids, ..self }
    }

    /// The part of it whose interactions `is_kept` accepts, with the same products. Sessions with nothing left are gone.
    pub fn filtered(&self, is_kept: impl Fn(&Interaction) -> bool) -> Self {
        let mut builder = HistoryBuilder { products: self.products.clone(), ..HistoryBuilder::default() };
        for (number, session) in self.sessions().enumerate() {
            for &interaction in session.interactions.iter().filter(|interaction| is_kept(interaction)) {
                builder.push(number as u64, session.visitor, interaction);
            }
        }
        Self { as_of_s: self.as_of_s, ..builder.finish() }
    }
}

/// Takes sessions in the order in which a history holds them.
#[derive(Debug)]
pub(super) struct HistoryParts {
    heads: Vec<Head>,
    /// With products as the caller numbers them.
    interactions: Vec<Interaction>,
}

impl HistoryParts {
    /// None yet, with room for `num_interactions`.
    pub(super) fn with_capacity(num_interactions: usize) -> Self {
        Self { heads: Vec::new(), interactions: Vec::with_capacity(num_interactions) }
    }

    /// What is pushed from now on is of a session of `visitor`.
    pub(super) fn start_session(&mut self, visitor: u32) {
        self.heads.push(Head { visitor, end: self.interactions.len() });
    }

    /// Adds to the session that was started last.
    pub(super) fn push(&mut self, interaction: Interaction) {
        self.interactions.push(interaction);
        if let Some(head) = self.heads.last_mut() {
            head.end = self.interactions.len();
        }
    }

    /// The history, its products those that occur, by id. `names` has the id of each.
    pub(super) fn finish(self, names: HashMap<u32, String>) -> History {
        let Self { heads, mut interactions } = self;
        let used: HashSet<u32> = interactions.iter().map(|interaction| interaction.product).collect();
        let mut products: Vec<(String, u32)> = names
            .into_iter()
            .filter(|(number, _)| used.contains(number))
            .map(|(number, name)| (name, number))
            .collect();
        products.sort_unstable();
        let new: HashMap<u32, u32> = products.iter().zip(0..).map(|((_, old), new)| (*old, new)).collect();
        for interaction in &mut interactions {
            interaction.product = new.get(&interaction.product).copied().unwrap_or_default();
        }
        History { products: products.into_iter().map(|(name, _)| name).collect(), heads, interactions, as_of_s: None }
    }
}

/// Collects interactions in any order.
#[derive(Debug, Default)]
pub struct HistoryBuilder {
    products: Vec<String>,
    numbers: HashMap<String, u32>,
    entries: Vec<(u64, u32, Interaction)>,
}

impl HistoryBuilder {
    /// The number of product `id`, given out on first sight.
    pub fn product(&mut self, id: &str) -> u32 {
        if let Some(&number) = self.numbers.get(id) {
            return number;
        }
        let number = self.products.len() as u32;
        self.products.push(id.to_owned());
        self.numbers.insert(id.to_owned(), number);
        number
    }

    /// Adds what `visitor` did in `session`: any number that no other session has.
    pub fn push(&mut self, session: u64, visitor: u32, interaction: Interaction) {
        self.entries.push((session, visitor, interaction));
    }

    /// The history: interactions by session and time, equal times as they were pushed.
    pub fn finish(self) -> History {
        let Self { products, mut entries, .. } = self;
        let mut last_s: HashMap<u64, u32> = HashMap::new();
        for (session, _, interaction) in &entries {
            let last = last_s.entry(*session).or_default();
            *last = (*last).max(interaction.time_s);
        }
        // Stable: what was done in the same second stays in the order in which it was told.
        entries.sort_by_key(|(session, _, interaction)| (last_s[session], *session, interaction.time_s));
        let mut history = History { products, ..History::default() };
        let mut current = None;
        for (session, visitor, interaction) in entries {
            if current != Some(session) {
                current = Some(session);
                history.heads.push(Head { visitor, end: history.interactions.len() });
            }
            history.interactions.push(interaction);
            if let Some(head) = history.heads.last_mut() {
                head.end = history.interactions.len();
            }
        }
        history
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(product: u32, time_s: u32) -> Interaction {
        Interaction { product, time_s, order: NO_ORDER, quantity: 1, price: f32::NAN, kind: EventKind::ViewItem }
    }

    fn products_by_session(history: &History) -> Vec<(u32, Vec<u32>)> {
        let products = |session: Session<'_>| session.interactions.iter().map(|i| i.product).collect();
        history.sessions().map(|session| (session.visitor, products(session))).collect()
    }

    /// Twenty sessions a day apart, and one at each of `more` seconds after the last of them.
    fn daily(more: &[u32]) -> History {
        let mut builder = HistoryBuilder::default();
        let product = builder.product("a");
        let times_s = (1..=20).map(|day| day * 86_400).chain(more.iter().map(|after| 20 * 86_400 + after));
        (0..).zip(times_s).for_each(|(session, time_s)| builder.push(session, 0, view(product, time_s)));
        builder.finish()
    }

    #[test]
    fn now_is_no_lone_session_far_ahead_and_nothing_that_the_clock_has_not_reached() {
        const DAY_S: u32 = 86_400;
        let last_s = 20 * DAY_S;
        assert_eq!((daily(&[]).now_s(), History::default().now_s()), (last_s, 0));
        // A lone one counts up to thirty days ahead; two of twenty-two are the shop's reopening.
        assert_eq!(daily(&[30 * DAY_S]).now_s(), last_s + 30 * DAY_S);
        assert_eq!(daily(&[500 * DAY_S]).now_s(), last_s);
        assert_eq!(daily(&[500 * DAY_S, 500 * DAY_S + 1]).now_s(), last_s + 500 * DAY_S + 1);
        // What the clock has not reached does not count, however much it is, unless that is everything.
        let ahead = daily(&[5 * DAY_S, 500 * DAY_S, 501 * DAY_S, 502 * DAY_S]);
        assert_eq!(ahead.clone().as_of(last_s + 6 * DAY_S).now_s(), last_s + 5 * DAY_S);
        assert_eq!(ahead.clone().as_of(last_s + 6 * DAY_S).filtered(|_| true).now_s(), last_s + 5 * DAY_S);
        assert_eq!(ahead.clone().as_of(0).now_s(), ahead.now_s());
        let few = daily(&[500 * DAY_S]).filtered(|step| step.time_s > 15 * DAY_S);
        assert_eq!(few.now_s(), last_s + 500 * DAY_S);
    }

    #[test]
    fn sessions_come_by_their_last_interaction_and_hold_theirs_by_time() {
        let mut builder = HistoryBuilder::default();
        let [a, b, c] = ["a", "b", "c"].map(|id| builder.product(id));
        assert_eq!(builder.product("b"), b);
        for (session, visitor, product, time_s) in
            [(7, 1, a, 50), (3, 2, b, 20), (7, 1, b, 10), (3, 2, c, 20), (9, 1, c, 20)]
        {
            builder.push(session, visitor, view(product, time_s));
        }
        let history = builder.finish();
        assert_eq!(history.products(), ["a", "b", "c"]);
        assert_eq!(products_by_session(&history), [(2, vec![b, c]), (1, vec![c]), (1, vec![b, a])]);
        let early = history.filtered(|interaction| interaction.time_s < 20);
        assert_eq!(products_by_session(&early), [(1, vec![b])]);
        assert_eq!(early.products(), history.products());
    }
}
