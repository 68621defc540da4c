//! Which sessions of learned tables are one shopper's, and how much of the pairs they back.
//!
//! A session of the tables bears no id, so it is known by when it ended and by what it held. The tables may be older than the last event of
//! a session, or of its order: so it may have ended with any of the events, and have held a part of the products.

use std::collections::{HashMap, HashSet};

use super::baskets::Baskets;
use super::copurchase::copurchases;
use super::related::RelatedTable;
use super::session_index::Sessions;
use super::settings::BehaviorConfig;
use super::tables::PAIR_TABLES;
use super::trails::Trails;
use super::transitions::{purchases_after_view, views_after_view};
use crate::events::{History, HistoryBuilder, Interaction};

/// What one shopper did, as tables tell it.
#[derive(Debug, Clone, Copy)]
pub struct Footprint<'a> {
    history: &'a History,
    config: &'a BehaviorConfig,
}

/// The sessions of some tables that are a shopper's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSessions {
    /// Their numbers in the tables.
    pub numbers: HashSet<u32>,
    /// For each of [`PAIR_TABLES`]: how much evidence of which pairs, from the first product to the second, is theirs.
    pub(super) backed: [Backed; PAIR_TABLES.len()],
}

/// Evidence by pair of products.
pub(super) type Backed = HashMap<(u32, u32), u32>;

impl<'a> Footprint<'a> {
    /// Of the sessions of `history`, learned from as `config` says.
    pub fn new(history: &'a History, config: &'a BehaviorConfig) -> Self {
        Self { history, config }
    }

    /// Those of `sessions` that are in the footprint: one that ended at the time of any event of a session of the history, and holds no
    /// product that this session of the history does not. `number_of` tells the number of a product in the tables.
    ///
    /// One of somebody else that ended in the same second and held only such products is among them.
    pub fn sessions(&self, sessions: Sessions<'_>, number_of: impl Fn(&str) -> Option<u32>) -> OwnSessions {
        let number_of: Vec<Option<u32>> = self.history.products().iter().map(|id| number_of(id)).collect();
        let products: Vec<HashSet<u32>> = (self.history.sessions())
            .map(|session| session.interactions.iter().filter_map(|step| number_of[step.product as usize]).collect())
            .collect();
        let at_time = self.by_time();
        let mut numbers = HashSet::new();
        let mut ends: HashMap<usize, u32> = HashMap::new();
        for (number, &end_s) in (0..sessions.len() as u32).zip(sessions.last_s) {
            let held = sessions.products(number);
            let is_of = |of: &&usize| !held.is_empty() && held.iter().all(|product| products[**of].contains(product));
            for &of in at_time.get(&end_s).into_iter().flatten().filter(is_of) {
                numbers.insert(number);
                ends.entry(of).and_modify(|last_s| *last_s = end_s.max(*last_s)).or_insert(end_s);
            }
        }
        OwnSessions { numbers, backed: self.backed(&ends, &number_of) }
    }

    /// Numbers of the history's sessions, by the times of their events.
    fn by_time(&self) -> HashMap<u32, HashSet<usize>> {
        let mut by_time: HashMap<u32, HashSet<usize>> = HashMap::new();
        for (number, session) in self.history.sessions().enumerate() {
            for step in session.interactions {
                by_time.entry(step.time_s).or_default().insert(number);
            }
        }
        by_time
    }

    /// What the history's sessions that are in `ends`, until the times there, are evidence of: counted by what counted the tables.
    /// Of what was sent back in later sessions nothing is known here: rather a pair too many goes than one too few.
    fn backed(&self, ends: &HashMap<usize, u32>, number_of: &[Option<u32>]) -> [Backed; PAIR_TABLES.len()] {
        let mut builder = HistoryBuilder::default();
        self.history.products().iter().for_each(|id| _ = builder.product(id));
        for (number, session) in self.history.sessions().enumerate() {
            let Some(&end_s) = ends.get(&number) else { continue };
            for &step in session.interactions.iter().filter(|step| is_known(step, end_s, number_of)) {
                builder.push(number as u64, session.visitor, step);
            }
        }
        let history = builder.finish();
        let config = BehaviorConfig {
            per_product: history.products().len(),
            order_half_life_days: 0.0,
            session_half_life_days: 0.0,
            ..self.config.clone()
        };
        let trails = Trails::of(&history, &config.weights);
        let together = by_pair(&copurchases(&Baskets::of(&history), &config), number_of);
        let next = by_pair(&views_after_view(&trails, &config), number_of);
        [together.clone(), together, next, by_pair(&purchases_after_view(&trails, &config), number_of)]
    }
}

/// Whether tables whose session ended at `end_s` can know of the step.
fn is_known(step: &Interaction, end_s: u32, number_of: &[Option<u32>]) -> bool {
    step.time_s <= end_s && number_of.get(step.product as usize).is_some_and(Option::is_some)
}

fn by_pair(table: &RelatedTable, number_of: &[Option<u32>]) -> Backed {
    let rows = table.rows();
    let entries = (0..).zip(number_of).flat_map(|(row, &from)| {
        let entries = rows.row(row).iter();
        entries.filter_map(move |entry| Some(((from?, number_of[entry.product as usize]?), entry.evidence)))
    });
    entries.collect()
}
