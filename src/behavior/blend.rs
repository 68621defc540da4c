//! Lists of several sources as one: each scaled to its best, weighted, added.

use super::related::Related;

/// A product of a blend.
#[derive(Debug, Clone, PartialEq)]
pub struct Blended {
    /// Its product number.
    pub product: u32,
    /// The sum of its parts.
    pub score: f32,
    /// What each source gave, in the order of the sources; 0 for one that does not have it.
    pub parts: Vec<f32>,
}

/// The products of all `sources`, best first, equal ones by number: each source's scores are divided by its highest, times its weight,
/// and added. A source whose highest score is 0 or less gives nothing.
pub fn blend(sources: &[(f32, &[Related])]) -> Vec<Blended> {
    let mut all: Vec<(u32, usize, f32)> = Vec::new();
    for (source, (weight, entries)) in sources.iter().enumerate() {
        let highest = entries.iter().map(|entry| entry.score).fold(0.0, f32::max);
        if highest > 0.0 && *weight > 0.0 {
            all.extend(entries.iter().map(|entry| (entry.product, source, weight * entry.score.max(0.0) / highest)));
        }
    }
    all.sort_unstable_by_key(|&(product, source, _)| (product, source));
    let of_product = |group: &[(u32, usize, f32)]| {
        let mut parts = vec![0.0; sources.len()];
        group.iter().for_each(|&(_, source, part)| parts[source] += part);
        Blended { product: group[0].0, score: parts.iter().sum(), parts }
    };
    let mut blended: Vec<Blended> = all.chunk_by(|a, b| a.0 == b.0).map(of_product).collect();
    blended.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.product.cmp(&b.product)));
    blended
}

/// The sum of the rows of `anchors`, best first: a cart's score for a product is the sum over what is in it.
pub fn sum_rows(rows: super::RelatedRows<'_>, anchors: &[u32], limit: usize) -> Vec<Related> {
    let mut all: Vec<Related> = anchors.iter().flat_map(|&anchor| rows.row(anchor)).copied().collect();
    all.sort_by_key(|entry| entry.product);
    let add = |group: &[Related]| Related {
        product: group[0].product,
        score: group.iter().map(|entry| entry.score).sum(),
        evidence: group.iter().map(|entry| entry.evidence).sum(),
    };
    let mut sums: Vec<Related> = all.chunk_by(|a, b| a.product == b.product).map(add).collect();
    super::related::keep_best(&mut sums, limit);
    sums
}

/// Bought with `products`: by EASE for those that have a row in `ease`, by `cosine` for the others, each scaled to its best and weighing as
/// many of the products as it speaks for.
pub fn bought_together(
    ease: super::RelatedRows<'_>,
    cosine: super::RelatedRows<'_>,
    products: &[u32],
    limit: usize,
) -> Vec<Blended> {
    let mut products = products.to_vec();
    products.sort_unstable();
    products.dedup();
    let (head, tail): (Vec<u32>, Vec<u32>) = products.iter().partition(|&&product| !ease.row(product).is_empty());
    let share = |part: &[u32]| part.len() as f32 / products.len().max(1) as f32;
    blend(&[(share(&head), &sum_rows(ease, &head, limit)), (share(&tail), &sum_rows(cosine, &tail, limit))])
}
