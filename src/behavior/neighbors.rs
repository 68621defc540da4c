//! Session neighbors: past sessions like the live one vote for what comes next (VSTAN, on an index that stops early as VMIS does).

use super::blend::blend;
use super::related::{Related, Tally};
use super::session_index::Sessions;
use super::settings::{BehaviorConfig, SessionConfig};

/// One step of the live session.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The product.
    pub product: u32,
    /// How much the step counts, a view being 1.
    pub weight: f32,
}

/// Room that questions reuse: one for each thread that asks.
#[derive(Debug, Clone)]
pub struct SessionScratch {
    met: Vec<Met>,
    neighbors: Vec<Neighbor>,
    tally: Tally,
}

impl Default for SessionScratch {
    fn default() -> Self {
        Self { met: Vec::new(), neighbors: Vec::new(), tally: Tally::new(0) }
    }
}

/// A product of the live session and how far its list of sessions has been read.
#[derive(Debug, Clone, Copy)]
struct Met {
    product: u32,
    /// Steps between it and the newest step.
    distance: usize,
    weight: f32,
    /// How many of its sessions were read.
    num_read: usize,
    /// The newest of its sessions that was not; `None` behind the last.
    newest: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Neighbor {
    session: u32,
    similarity: f32,
    /// The newest product of the live session that it shares.
    shared: u32,
    /// Steps between that and the newest step.
    distance: usize,
}

/// The `limit` products most likely next after `steps` (oldest first) at `now_s`, best first, with the number of neighbors that voted.
///
/// With `s` the live session and `n` a past one, `pos` counted from the newest step back:
/// `sim(n) = sum over shared i of position(pos_i) weight_i / (|position weights| sqrt(len n)) exp(-(now - end of n) / recency)`, taken
/// over the `num_candidates` newest sessions that share a product; the `num_neighbors` most similar vote, each for its products `j` with
/// `sim(n) neighborhood(steps in n between j and the newest shared product) last_match(pos of that) (1 + idf_weight idf_j)`.
pub fn next_products(
    sessions: Sessions<'_>,
    steps: &[Step],
    now_s: u32,
    config: &SessionConfig,
    limit: usize,
    scratch: &mut SessionScratch,
) -> Vec<Related> {
    scratch.tally.reserve(sessions.idf.len());
    look_back(steps, config, &mut scratch.met);
    find_neighbors(sessions, now_s, config, scratch);
    let mut fades: Vec<f32> = (0..MAX_FADE).map(|distance| config.neighborhood.at(distance)).collect();
    fades.truncate(fades.iter().rposition(|fade| *fade > LEAST_FADE).map_or(0, |last| last + 1));
    for neighbor in &scratch.neighbors {
        let vote = neighbor.similarity * config.last_match.at(neighbor.distance);
        let products = sessions.products(neighbor.session);
        let Some(shared) = products.iter().position(|&product| product == neighbor.shared) else { continue };
        let (before, after) = products.split_at(shared);
        for (&product, fade) in after.iter().zip(&fades).chain(before.iter().rev().zip(fades.iter().skip(1))) {
            scratch.tally.add(product, vote * fade);
        }
    }
    let rarity = |product: u32| sessions.idf.get(product as usize).map_or(1.0, |idf| 1.0 + config.idf_weight * idf);
    scratch.tally.take_best(limit, |product, votes| votes * rarity(product))
}

/// As [`next_products`], from the close and the wide neighbors of `config` together: what the source `session` serves. Scores are at
/// most 1; the evidence is that of the close ones, or of the wide ones where those have none.
pub fn session_votes(
    sessions: Sessions<'_>,
    steps: &[Step],
    now_s: u32,
    config: &BehaviorConfig,
    limit: usize,
    scratch: &mut SessionScratch,
) -> Vec<Related> {
    let close = next_products(sessions, steps, now_s, &config.session, limit, scratch);
    let share = config.session_wide_share;
    if share <= 0.0 {
        return close;
    }
    let wide = next_products(sessions, steps, now_s, &config.session_wide, limit, scratch);
    let mut evidence: Vec<(u32, u32)> =
        close.iter().chain(&wide).map(|entry| (entry.product, entry.evidence)).collect();
    evidence.sort_by_key(|&(product, _)| product);
    let evidence_of = |product: u32| evidence[evidence.partition_point(|&(other, _)| other < product)].1;
    let blended = blend(&[(1.0 - share, &close), (share, &wide)]);
    let related = |entry: super::Blended| Related {
        product: entry.product,
        score: entry.score,
        evidence: evidence_of(entry.product),
    };
    blended.into_iter().take(limit).map(related).collect()
}

/// Products further than this from the shared one get no vote.
const MAX_FADE: usize = 512;
/// Nor do those whose vote would be less than a ten-millionth of that of the shared one: it changes no order.
const LEAST_FADE: f32 = 1e-7;

/// The newest different products of the live session, each at its newest step.
fn look_back(steps: &[Step], config: &SessionConfig, met: &mut Vec<Met>) {
    met.clear();
    for (distance, step) in steps.iter().rev().enumerate() {
        let weight = step.weight * config.position.at(distance);
        if let Some(met) = met.iter_mut().find(|met| met.product == step.product) {
            met.weight = met.weight.max(weight);
        } else if met.len() < config.max_products {
            met.push(Met { product: step.product, distance, weight, num_read: 0, newest: None });
        } else {
            break;
        }
    }
}

/// Goes through the lists of all products met side by side, newest session first, and stops after `num_candidates` sessions; keeps the
/// `num_neighbors` most similar.
fn find_neighbors(sessions: Sessions<'_>, now_s: u32, config: &SessionConfig, scratch: &mut SessionScratch) {
    let SessionScratch { met, neighbors, .. } = scratch;
    neighbors.clear();
    let norm = met.iter().map(|met| met.weight * met.weight).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    met.iter_mut().for_each(|met| met.newest = sessions.with_product(met.product).first().copied());
    while neighbors.len() < config.num_candidates {
        let Some(session) = met.iter().filter_map(|met| met.newest).max() else { break };
        let mut neighbor = Neighbor { session, similarity: 0.0, shared: 0, distance: usize::MAX };
        for met in met.iter_mut().filter(|met| met.newest == Some(session)) {
            met.num_read += 1;
            met.newest = sessions.with_product(met.product).get(met.num_read).copied();
            neighbor.similarity += met.weight;
            if met.distance < neighbor.distance {
                (neighbor.shared, neighbor.distance) = (met.product, met.distance);
            }
        }
        neighbor.similarity *= fading(sessions, session, now_s, config) / norm;
        neighbors.push(neighbor);
    }
    keep_most_similar(neighbors, config.num_neighbors);
}

/// Similarity fades over no more than so many times [`SessionConfig::recency_days`], and never to nothing: where no session is recent, the old
/// ones still compare.
const OLDEST_AGES: f32 = 30.0;

/// What a session's age and length leave of its similarity.
fn fading(sessions: Sessions<'_>, session: u32, now_s: u32, config: &SessionConfig) -> f32 {
    let length =
        if config.is_length_normalized { (sessions.products(session).len() as f32).sqrt().max(1.0) } else { 1.0 };
    let age_s = now_s.saturating_sub(sessions.last_s.get(session as usize).copied().unwrap_or(0));
    let ages = age_s as f32 / (config.recency_days * 86_400.0);
    let recency = if config.recency_days > 0.0 { (-ages.min(OLDEST_AGES)).exp() } else { 1.0 };
    recency / length
}

fn keep_most_similar(neighbors: &mut Vec<Neighbor>, limit: usize) {
    if neighbors.len() > limit && limit > 0 {
        let order = |a: &Neighbor, b: &Neighbor| b.similarity.total_cmp(&a.similarity).then(b.session.cmp(&a.session));
        neighbors.select_nth_unstable_by(limit - 1, order);
    }
    neighbors.truncate(limit);
}
