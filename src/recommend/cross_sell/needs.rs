//! The order of a cross-sell list: what is required first, then each kind of thing once before any a second time.
//!
//! xQuAD over kinds of things (Santos et al. 2010): of the kinds' best products that one comes next for which
//! `(1 - d) score + d share(kind) 2^-served(kind)` is highest. A kind whose best product is weak waits until the better ones are served.
//! What scores too low to be shown comes behind all that does not.

use std::collections::HashMap;

use super::settings::CrossSellConfig;
use crate::recommend::query::Hit;

/// Keeps scores falling where the order is not that of the scores.
const JUST_BELOW: f32 = 0.99999;

/// A candidate with what decides its place.
pub(super) struct Candidate {
    pub hit: Hit,
    /// Number of its kind of thing.
    pub need: usize,
    /// Whether something in the cart does not work without it.
    pub is_required: bool,
}

/// One kind of thing: its candidates, best first.
struct Need {
    hits: Vec<Hit>,
    served: usize,
    share: f32,
}

impl Need {
    fn next(&self) -> Option<&Hit> {
        self.hits.get(self.served)
    }
}

/// The hits in the order in which they are shown, with scores that never rise; none falls below `lowest` because of its place. `candidates` are
/// best first.
pub(super) fn in_order(mut candidates: Vec<Candidate>, lowest: f32, config: &CrossSellConfig) -> Vec<Hit> {
    let too_low = candidates.split_off(candidates.partition_point(|candidate| candidate.hit.score >= lowest));
    let mut ordered = by_turns(candidates, config);
    let mut last = f32::INFINITY;
    for hit in &mut ordered {
        hit.score = hit.score.min(last * JUST_BELOW).clamp(lowest.min(1.0), 1.0);
        last = hit.score;
    }
    for mut hit in by_turns(too_low, config) {
        hit.score = hit.score.min(last * JUST_BELOW).min(1.0);
        last = hit.score;
        ordered.push(hit);
    }
    ordered
}

/// What is required, then the kinds in turn.
fn by_turns(candidates: Vec<Candidate>, config: &CrossSellConfig) -> Vec<Hit> {
    let best = candidates.first().map_or(0.0, |candidate| candidate.hit.score);
    let (required, others): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|candidate| candidate.is_required);
    let mut ordered: Vec<Hit> = required.iter().map(|candidate| candidate.hit).collect();
    let mut needs = by_need(others);
    for candidate in required {
        if let Some(need) = needs.get_mut(&candidate.need) {
            // It is served, but its own products stay where they are.
            need.hits.insert(0, candidate.hit);
            need.served += 1;
        }
    }
    let mut needs: Vec<(usize, Need)> = needs.into_iter().collect();
    needs.sort_unstable_by_key(|(number, _)| *number);
    while let Some(at) = next_need(&needs, best, config) {
        let need = &mut needs[at].1;
        ordered.extend(need.next());
        need.served += 1;
    }
    ordered
}

fn by_need(candidates: Vec<Candidate>) -> HashMap<usize, Need> {
    let mut needs: HashMap<usize, Need> = HashMap::new();
    for candidate in candidates {
        let need = needs.entry(candidate.need).or_insert(Need { hits: Vec::new(), served: 0, share: 0.0 });
        need.share += candidate.hit.score;
        need.hits.push(candidate.hit);
    }
    // Damped: a shop that has a hundred cases for a phone has three protectors that are wanted as much.
    needs.values_mut().for_each(|need| need.share = need.share.sqrt());
    let total: f32 = needs.values().map(|need| need.share).sum();
    needs.values_mut().for_each(|need| need.share /= total.max(f32::MIN_POSITIVE));
    needs
}

/// The kind whose turn it is: first those that are not weak, a round each up to the cap, then the weak ones, then what is left.
fn next_need(needs: &[(usize, Need)], best: f32, config: &CrossSellConfig) -> Option<usize> {
    let stage =
        |need: &Need, next: &Hit| match (need.served < config.max_per_need, next.score >= config.weak_share * best) {
            (true, true) => need.served,
            (true, false) => config.max_per_need + need.served,
            (false, _) => 2 * config.max_per_need,
        };
    let value = |need: &Need, next: &Hit| {
        let fresh = 0.5f32.powi(i32::try_from(need.served).unwrap_or(i32::MAX));
        (1.0 - config.diversity) * next.score + config.diversity * need.share * fresh
    };
    let turns = needs.iter().enumerate().filter_map(|(at, (_, need))| {
        let next = need.next()?;
        Some((stage(need, next), value(need, next), at))
    });
    turns.min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2))).map(|(.., at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rank::RowId;
    use crate::recommend::source::SourceScores;
    use proptest::prelude::*;

    fn candidate(row: u32, score: f32, need: usize, is_required: bool) -> Candidate {
        Candidate { hit: Hit { row: RowId(row), score, sources: SourceScores::default() }, need, is_required }
    }

    fn rows(candidates: Vec<Candidate>) -> Vec<u32> {
        in_order(candidates, 0.0, &CrossSellConfig::default()).iter().map(|hit| hit.row.0).collect()
    }

    #[test]
    fn each_kind_is_served_once_before_any_twice_and_what_is_required_comes_first() {
        let of = |scores: &[(u32, f32, usize)]| -> Vec<Candidate> {
            scores.iter().map(|&(row, score, need)| candidate(row, score, need, false)).collect()
        };
        let cases_first = of(&[(1, 0.9, 0), (2, 0.89, 0), (3, 0.88, 0), (4, 0.6, 1), (5, 0.5, 1), (6, 0.4, 2)]);
        assert_eq!(rows(cases_first), [1, 4, 6, 2, 5, 3]);
        let mut with_required = of(&[(1, 0.9, 0), (4, 0.6, 1)]);
        with_required.push(candidate(9, 0.2, 3, true));
        assert_eq!(rows(with_required), [9, 1, 4]);
        // A weak kind waits for the second product of a strong one.
        assert_eq!(rows(of(&[(1, 0.9, 0), (2, 0.8, 0), (3, 0.7, 0), (4, 0.1, 1)])), [1, 2, 4, 3]);
        // One that is too weak to be shown takes no place before the third.
        let shown =
            in_order(of(&[(1, 0.9, 0), (2, 0.8, 0), (3, 0.7, 0), (4, 0.1, 1)]), 0.2, &CrossSellConfig::default());
        assert_eq!(
            shown.iter().map(|hit| (hit.row.0, hit.score)).collect::<Vec<_>>(),
            [(1, 0.9), (2, 0.8), (3, 0.7), (4, 0.1)]
        );
    }

    #[test]
    fn a_kind_of_which_much_goes_with_the_cart_comes_before_a_slightly_better_single_product() {
        let config = |diversity| CrossSellConfig { diversity, ..CrossSellConfig::default() };
        let candidates = || {
            let one = candidate(1, 0.60, 0, false);
            std::iter::once(one).chain((0..6).map(|at| candidate(10 + at, 0.55 - 0.01 * at as f32, 1, false)))
        };
        let first = |diversity| in_order(candidates().collect(), 0.0, &config(diversity))[0].row.0;
        assert_eq!((first(0.0), first(0.5)), (1, 10));
        // Shares are roots of sums, a part of all: 0.60 and 3.15 are 0.304 and 0.696.
        let shares: Vec<f32> = {
            let mut needs: Vec<(usize, Need)> = by_need(candidates().collect()).into_iter().collect();
            needs.sort_unstable_by_key(|(number, _)| *number);
            needs.iter().map(|(_, need)| need.share).collect()
        };
        assert!((shares[0] - 0.304).abs() < 2e-3 && (shares[0] + shares[1] - 1.0).abs() < 1e-5, "{shares:?}");
    }

    #[test]
    fn what_is_left_behind_the_cap_comes_by_score_halved_by_how_often_its_kind_was_served() {
        let config = CrossSellConfig { max_per_need: 1, diversity: 1.0, ..CrossSellConfig::default() };
        let scores = [(1, 0.9, 0), (2, 0.89, 0), (3, 0.88, 0), (4, 0.87, 1), (5, 0.86, 1)];
        let all = Vec::from(scores.map(|(row, score, need)| candidate(row, score, need, false)));
        let rows: Vec<u32> = in_order(all, 0.0, &config).iter().map(|hit| hit.row.0).collect();
        // Shares .55 and .45: the second of the larger kind, then the second of the other (.45/2 against .55/4).
        assert_eq!(rows, [1, 4, 2, 5, 3]);
    }

    proptest! {
        #[test]
        fn every_candidate_is_in_the_list_once_and_scores_fall(scores in prop::collection::vec((0.0f32..1.0, 0usize..5, any::<bool>()), 0..40), lowest in 0.0f32..0.5) {
            let mut scores = scores;
            scores.sort_by(|a, b| b.0.total_cmp(&a.0));
            let all = scores.iter().zip(0..).map(|(&(score, need, is_required), row)| candidate(row, score, need, is_required && row % 7 == 0));
            let ordered = in_order(all.collect(), lowest, &CrossSellConfig::default());
            let mut rows: Vec<u32> = ordered.iter().map(|hit| hit.row.0).collect();
            prop_assert!(ordered.windows(2).all(|pair| pair[0].score >= pair[1].score));
            let num_high = scores.iter().filter(|(score, ..)| *score >= lowest).count();
            prop_assert!(ordered[..num_high].iter().all(|hit| hit.score >= lowest), "what may be shown is shown, whatever stands before it");
            prop_assert!(ordered[num_high..].iter().all(|hit| hit.score < lowest));
            rows.sort_unstable();
            prop_assert_eq!(rows, (0..scores.len() as u32).collect::<Vec<_>>());
        }
    }
}
