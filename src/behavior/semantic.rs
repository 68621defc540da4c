//! Sessions as vectors: a session is the weighted mean of its products' embeddings, so that sessions are alike by what they are about,
//! also where they share no product.

use super::related::{Related, Tally};
use super::session_index::Sessions;
use super::settings::{BehaviorConfig, EventWeights, SemanticConfig};
use crate::events::EventKind;
use crate::rank::{RowId, ScoredRow, keep_best};

/// The vectors of past sessions, in memory: what is written as an index, and what an exact search scans.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SessionVectors {
    /// Numbers in a vector.
    pub dim: usize,
    /// One row a session, of length 1.
    pub vectors: Vec<f32>,
    /// The session of each row: its number in [`Sessions`].
    pub sessions: Vec<u32>,
}

/// The mean of `steps` (a product's vector and its weight, oldest first), each step back fading by `fade`, of length 1; `None` where nothing
/// with a vector is left.
pub fn pooled<'v>(
    steps: impl DoubleEndedIterator<Item = (std::borrow::Cow<'v, [f32]>, f32)>,
    fade: f32,
    dim: usize,
) -> Option<Vec<f32>> {
    let mut sum = vec![0f32; dim];
    let mut factor = 1.0;
    for (vector, weight) in steps.rev().filter(|(vector, _)| vector.len() == dim) {
        sum.iter_mut().zip(vector.iter()).for_each(|(sum, x)| *sum += factor * weight * x);
        factor *= fade;
    }
    let norm = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    let is_usable = norm.is_finite() && norm > 1e-6;
    is_usable.then(|| sum.into_iter().map(|x| x / norm).collect())
}

impl SessionVectors {
    /// The vectors of the newest [`SemanticConfig::max_sessions`] sessions of two products or more, oldest first; `vector` is a product's.
    pub fn new<'v>(
        sessions: Sessions<'_>,
        dim: usize,
        config: &BehaviorConfig,
        vector: impl Fn(u32) -> Option<std::borrow::Cow<'v, [f32]>>,
    ) -> Self {
        let telling = (0..sessions.len() as u32).rev().filter(|&number| sessions.products(number).len() > 1);
        let mut newest: Vec<u32> = telling.take(config.semantic.max_sessions).collect();
        newest.reverse();
        let mut rows = Self { dim, ..Self::default() };
        for number in newest {
            let steps = sessions.products(number).iter().zip(sessions.kinds(number));
            let steps: Vec<_> = steps
                .filter_map(|(&product, &kind)| Some((vector(product)?, weight_of(kind, &config.weights))))
                .collect();
            if let Some(pooled) = pooled(steps.into_iter(), config.semantic.fade, dim) {
                rows.vectors.extend(pooled);
                rows.sessions.push(number);
            }
        }
        rows
    }

    /// The `k` rows nearest to `query`, of length 1, by cosine similarity, every row compared.
    pub fn nearest(&self, query: &[f32], k: usize) -> Vec<ScoredRow> {
        let score = |(row, vector): (u32, &[f32])| ScoredRow {
            row: RowId(row),
            score: vector.iter().zip(query).map(|(a, b)| a * b).sum(),
        };
        let mut rows: Vec<ScoredRow> = (0..).zip(self.vectors.chunks(self.dim.max(1))).map(score).collect();
        keep_best(&mut rows, k);
        rows
    }
}

fn weight_of(kind: u8, weights: &EventWeights) -> f32 {
    EventKind::from_number(kind).map_or(0.0, |kind| weights.of(kind)).max(0.0)
}

/// The `limit` products that the nearest sessions met, best first: each session of `nearest` (its row in `session_of`, and its
/// similarity) votes `exp((similarity - highest) / temperature)`, for each product times what was done with it.
pub fn semantic_votes(
    sessions: Sessions<'_>,
    session_of: &[u32],
    nearest: &[ScoredRow],
    config: &BehaviorConfig,
    limit: usize,
    tally: &mut Tally,
) -> Vec<Related> {
    tally.reserve(sessions.idf.len());
    let SemanticConfig { temperature, .. } = config.semantic;
    let highest = nearest.iter().map(|near| near.score).fold(f32::MIN, f32::max);
    for near in nearest {
        let Some(&number) = session_of.get(near.row.index()) else { continue };
        let vote = ((near.score - highest) / temperature).exp();
        for (&product, &kind) in sessions.products(number).iter().zip(sessions.kinds(number)) {
            tally.add(product, vote * weight_of(kind, &config.weights));
        }
    }
    tally.take_best(limit, |_, votes| votes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn a_session_is_the_mean_of_its_products_the_newest_counting_most() {
        let (x, y) = ([1.0, 0.0], [0.0, 1.0]);
        let of = |weights: [f32; 2]| {
            let steps = [(Cow::Borrowed(&x[..]), weights[0]), (Cow::Borrowed(&y[..]), weights[1])];
            pooled(steps.into_iter(), 0.5, 2).unwrap()
        };
        // The older step counts a half: (0.5, 1) and (1.5, 1), brought to length 1.
        assert!((of([1.0, 1.0])[0] / of([1.0, 1.0])[1] - 0.5).abs() < 1e-6);
        assert!((of([3.0, 1.0])[0] / of([3.0, 1.0])[1] - 1.5).abs() < 1e-6);
        assert!(of([3.0, 1.0]).iter().all(|x| *x > 0.0));
    }

    #[test]
    fn nearer_sessions_and_stronger_steps_vote_more() {
        let (view, buy) = (EventKind::ViewItem.number(), EventKind::Purchase.number());
        let sessions = Sessions {
            ends: &[2, 4],
            products: &[0, 1, 2, 3],
            kinds: &[view, buy, view, buy],
            last_s: &[1, 2],
            idf: &[0.0; 4],
            ..Sessions::default()
        };
        let config = BehaviorConfig::default();
        let near = |row, score| ScoredRow { row: RowId(row), score };
        // The second row is of the first session and the first of the second; 0.1 nearer is e times the vote.
        let votes = semantic_votes(sessions, &[1, 0], &[near(1, 0.9), near(0, 0.8)], &config, 9, &mut Tally::new(0));
        let votes: Vec<(u32, f32)> = votes.iter().map(|entry| (entry.product, entry.score)).collect();
        let e = 1f32.exp();
        for ((product, vote), (expected, of)) in votes.into_iter().zip([(1, 3.0), (3, 3.0 / e), (0, 1.0), (2, 1.0 / e)])
        {
            assert_eq!(product, expected);
            assert!((vote - of).abs() < 1e-4, "{product}: {vote} {of}");
        }
    }
}
