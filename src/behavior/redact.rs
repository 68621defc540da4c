//! Taking sessions out of learned tables: what an erasure leaves of a generation.
//!
//! A session of the tables bears no id, so it is known by when it ended and by what it held. Taken out are its products, its end, its
//! places in the products' lists and its vector, and the pairs of its products that no other order or session backs. Counts over all
//! shoppers stay as they are until tables are learned anew: they hold no session.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::related::{Related, RelatedTable};
use super::session_index::Sessions;
use super::tables::{
    BEHAVIOR_FILE, Behavior, PAIR_TABLES, SESSION_VECTORS_FILE, SESSIONS_FILE, rewrite_sessions, rewrite_tables,
};
use crate::index::{FileDigest, IndexError};

/// What one shopper did, as far as tables tell: when, and with which products.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Footprint {
    /// When each event was, in seconds since 1970.
    pub times_s: HashSet<u32>,
    /// The products of the events, by their number in the tables.
    pub products: HashSet<u32>,
}

impl Footprint {
    /// The sessions that could be the shopper's: they ended at the time of an event and hold no product that no event was about. One of
    /// somebody else that ended in the same second and held only such products is among them.
    pub fn sessions(&self, sessions: Sessions<'_>) -> Vec<u32> {
        let is_own = |&number: &u32| {
            let products = sessions.products(number);
            let ended = sessions.last_s.get(number as usize);
            !products.is_empty()
                && ended.is_some_and(|end_s| self.times_s.contains(end_s))
                && products.iter().all(|product| self.products.contains(product))
        };
        (0..sessions.len() as u32).filter(is_own).collect()
    }
}

/// What was taken out of the tables of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// The files written in the place of the old ones.
    pub files: Vec<(String, FileDigest)>,
    /// Sessions taken out.
    pub num_sessions: usize,
    /// Pairs of products taken out, in all tables.
    pub num_pairs: usize,
}

/// Marks a vector that is of no session any more.
const NO_SESSION: u32 = u32::MAX;

/// Writes into `dir` the files of `behavior` without the `sessions` of these numbers; what it does not write stays as it is.
///
/// Returns an error if a file is damaged or cannot be written.
pub fn redact(behavior: &Behavior, sessions: &[u32], dir: &Path) -> Result<Redacted, IndexError> {
    let gone: HashSet<u32> = sessions.iter().copied().collect();
    let kept = Kept::of(behavior.sessions(), &gone);
    let of_vectors = behavior.session_of();
    let session_of: Vec<u32> = of_vectors.iter().map(|&number| kept.number(number)).collect();
    let digest = rewrite_sessions(behavior, &kept.index, &session_of, &dir.join(SESSIONS_FILE))?;
    let mut files = vec![(SESSIONS_FILE.to_owned(), digest)];
    let rows: Vec<u32> =
        (0..).zip(of_vectors).filter(|(_, number)| gone.contains(number)).map(|(row, _)| row).collect();
    if let (Some(vectors), false) = (behavior.vectors(), rows.is_empty()) {
        files.push((SESSION_VECTORS_FILE.to_owned(), vectors.write_without(&dir.join(SESSION_VECTORS_FILE), &rows)?));
    }
    let pairs = own_pairs(behavior.sessions(), sessions);
    let (tables, num_pairs) = without_pairs(behavior, &pairs);
    let last_s = kept.index.last_s.iter().copied().max().unwrap_or(0);
    files.push((BEHAVIOR_FILE.to_owned(), rewrite_tables(behavior, &tables, last_s, &dir.join(BEHAVIOR_FILE))?));
    Ok(Redacted { files, num_sessions: gone.len(), num_pairs })
}

/// The sessions that stay, numbered without gaps.
struct Kept {
    index: super::SessionIndex,
    /// The new number of each old one, [`NO_SESSION`] for those taken out.
    numbers: Vec<u32>,
}

impl Kept {
    fn of(sessions: Sessions<'_>, gone: &HashSet<u32>) -> Self {
        let mut kept = Self { index: super::SessionIndex::default(), numbers: Vec::with_capacity(sessions.len()) };
        let index = &mut kept.index;
        for number in 0..sessions.len() as u32 {
            if gone.contains(&number) {
                kept.numbers.push(NO_SESSION);
                continue;
            }
            kept.numbers.push(index.ends.len() as u32);
            index.products.extend(sessions.products(number));
            index.kinds.extend(sessions.kinds(number));
            index.ends.push(index.products.len() as u64);
            index.last_s.push(sessions.last_s.get(number as usize).copied().unwrap_or(0));
        }
        for product in 0..sessions.posting_ends.len() as u32 {
            let postings = sessions.with_product(product).iter().map(|&number| kept.number(number));
            let postings: Vec<u32> = postings.filter(|&number| number != NO_SESSION).collect();
            kept.index.postings.extend(postings);
            kept.index.posting_ends.push(kept.index.postings.len() as u64);
        }
        // How rare a product is was counted over all shoppers, and stays.
        kept.index.idf = sessions.idf.to_vec();
        kept
    }

    fn number(&self, old: u32) -> u32 {
        self.numbers.get(old as usize).copied().unwrap_or(NO_SESSION)
    }
}

/// For each product of the sessions the products that stood with it in one of them.
fn own_pairs(sessions: Sessions<'_>, numbers: &[u32]) -> HashMap<u32, HashSet<u32>> {
    let mut pairs: HashMap<u32, HashSet<u32>> = HashMap::new();
    for &number in numbers {
        let products = sessions.products(number);
        products.iter().for_each(|&product| pairs.entry(product).or_default().extend(products));
    }
    pairs
}

/// The tables of pairs without those of `pairs` that no more than one order or session backs, and how many went.
fn without_pairs(behavior: &Behavior, pairs: &HashMap<u32, HashSet<u32>>) -> (Vec<RelatedTable>, usize) {
    let mut num_pairs = 0;
    let mut kept = |product: u32, row: &[Related]| {
        let is_own = |entry: &Related| pairs.get(&product).is_some_and(|with| with.contains(&entry.product));
        let kept: Vec<Related> = row.iter().filter(|entry| entry.evidence > 1 || !is_own(entry)).copied().collect();
        num_pairs += row.len() - kept.len();
        kept
    };
    let table = |tags| {
        let rows = behavior.table(tags);
        RelatedTable::from_rows((0..rows.len() as u32).map(|product| kept(product, rows.row(product))).collect())
    };
    (PAIR_TABLES.into_iter().map(table).collect(), num_pairs)
}
