//! Taking sessions out of learned tables: what an erasure leaves of a generation.
//!
//! Taken out are a session's products, its end, its places in the products' lists and its vector, and the pairs of products that no order or
//! session backs but those taken out; of other pairs the evidence falls. The other counts over all shoppers, scores among them, and the map
//! of complements stay as they are until they are learned anew: they hold no session.

use std::collections::HashSet;
use std::path::Path;

use super::footprint::{Backed, OwnSessions};
use super::related::{Related, RelatedTable};
use super::session_index::Sessions;
use super::tables::{
    BEHAVIOR_FILE, Behavior, PAIR_TABLES, SESSION_VECTORS_FILE, SESSIONS_FILE, rewrite_sessions, rewrite_tables,
};
use crate::index::{FileDigest, IndexError};

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

/// Writes into `dir` the files of `behavior` without the sessions that are `own`; what it does not write stays as it is.
///
/// Returns an error if a file is damaged or cannot be written.
pub fn redact(behavior: &Behavior, own: &OwnSessions, dir: &Path) -> Result<Redacted, IndexError> {
    let gone = &own.numbers;
    let kept = Kept::of(behavior.sessions(), gone);
    let of_vectors = behavior.session_of();
    let session_of: Vec<u32> = of_vectors.iter().map(|&number| kept.number(number)).collect();
    let digest = rewrite_sessions(behavior, &kept.index, &session_of, &dir.join(SESSIONS_FILE))?;
    let mut files = vec![(SESSIONS_FILE.to_owned(), digest)];
    let rows: Vec<u32> =
        (0..).zip(of_vectors).filter(|(_, number)| gone.contains(number)).map(|(row, _)| row).collect();
    if let (Some(vectors), false) = (behavior.vectors(), rows.is_empty()) {
        files.push((SESSION_VECTORS_FILE.to_owned(), vectors.write_without(&dir.join(SESSION_VECTORS_FILE), &rows)?));
    }
    let (tables, num_pairs) = without_backing(behavior, &own.backed);
    let now_s = kept.index.last_s.iter().copied().max().unwrap_or(0).min(behavior.now_s());
    files.push((BEHAVIOR_FILE.to_owned(), rewrite_tables(behavior, &tables, now_s, &dir.join(BEHAVIOR_FILE))?));
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

/// The tables of pairs without what `backed` says of each: pairs that nothing else backs are gone. And how many went.
fn without_backing(behavior: &Behavior, backed: &[Backed; PAIR_TABLES.len()]) -> (Vec<RelatedTable>, usize) {
    let mut num_pairs = 0;
    let mut kept = |product: u32, row: &[Related], backed: &Backed| {
        let left = |entry: &Related| match backed.get(&(product, entry.product)) {
            Some(&own) if entry.evidence <= own => None,
            Some(&own) => Some(Related { evidence: entry.evidence - own, ..*entry }),
            None => Some(*entry),
        };
        let kept: Vec<Related> = row.iter().filter_map(left).collect();
        num_pairs += row.len() - kept.len();
        kept
    };
    let table = |(tags, backed): (_, &Backed)| {
        let rows = behavior.table(tags);
        RelatedTable::from_rows(
            (0..rows.len() as u32).map(|product| kept(product, rows.row(product), backed)).collect(),
        )
    };
    (PAIR_TABLES.into_iter().zip(backed).map(table).collect(), num_pairs)
}
