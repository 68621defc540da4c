//! What goes with a product, learned as a map of its vector: from pairs of products in orders without those of look-alikes, so that it
//! leads to what is bought beside a product and not to what is bought in its place. It speaks for a product that nobody has bought yet.
//!
//! In a generation it is `complement.bin` (kind `COMP`, version [`VERSION`]), `d` numbers in a vector, `r` the rank:
//!
//! | tag | element | count | meaning |
//! |---|---|---|---|
//! | `META` | u32 | 2 | `d, r` |
//! | `DOWN` | f32 | `r d` | rows of `V` in `norm(e + U V e)`, see [`ComplementMap`] |
//! | `UPUP` | f32 | `r d` | columns of `U` |

use std::path::Path;

use rayon::prelude::*;

use super::baskets::Baskets;
use super::related::{RelatedTable, Tally};
use super::settings::{BehaviorConfig, ComplementConfig};
use crate::embed::{ComplementMap, EmbedError, MapExamples, MapPair, MapTraining, train_map};
use crate::index::{FileDigest, IndexError, Section, SectionFile, Tag, write_sections};

/// File of the map.
pub const COMPLEMENT_FILE: &str = "complement.bin";
/// Version of the layout above.
pub const VERSION: u32 = 1;
const KIND: Tag = *b"COMP";

/// Products bought with a product that pairs are made of, the most telling.
const MAX_OTHERS: usize = 500;
/// Pairs in all, about: in a shop of many products each has fewer.
const MAX_PAIRS: usize = 10_000_000;
/// Nearest products of which those that are not bought with a product are its look-alikes.
const NUM_NEAREST: usize = 20;

/// What is known of the products that a map is learned for.
pub struct ComplementShop<'a> {
    /// One vector of length 1 a product, end to end, by number; zeros for a product without one.
    pub vectors: &'a [f32],
    /// Numbers in a vector.
    pub dim: usize,
    /// The nearest products of one, by number.
    pub nearest: &'a (dyn Fn(u32, usize) -> Vec<u32> + Sync),
    /// Whether one could be bought in the place of the other.
    pub are_alike: &'a (dyn Fn(u32, u32) -> bool + Sync),
}

/// What became of the map.
#[derive(Debug, Clone, PartialEq)]
pub struct Complements {
    /// The map; `None` where it is turned off or there are too few pairs.
    pub map: Option<ComplementMap>,
    /// Pairs of products that were bought together and are not alike.
    pub num_pairs: usize,
}

/// Learns the map from the orders. `progress` is told the steps done and all steps.
///
/// Returns an error if the training fails.
pub fn complements(
    baskets: &Baskets,
    shop: &ComplementShop<'_>,
    config: &BehaviorConfig,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Complements, EmbedError> {
    let settings = config.complement;
    if settings.rank == 0 || shop.dim == 0 {
        return Ok(Complements { map: None, num_pairs: 0 });
    }
    let pairs = pairs(baskets, shop, config);
    let num_pairs = pairs.len();
    if num_pairs < settings.min_pairs.max(1) {
        return Ok(Complements { map: None, num_pairs });
    }
    let look_alikes = look_alikes(&pairs, baskets.num_products(), shop);
    let examples = MapExamples { vectors: shop.vectors, dim: shop.dim, pairs: &pairs, look_alikes: &look_alikes };
    let training = training(&settings);
    let map = train_map(&examples, &training, &mut |step| progress(step, training.num_steps))?;
    Ok(Complements { map: Some(map), num_pairs })
}

fn training(settings: &ComplementConfig) -> MapTraining {
    MapTraining {
        rank: settings.rank,
        num_steps: settings.num_steps,
        batch_size: settings.batch_size,
        temperature: f64::from(settings.temperature),
        num_look_alikes: settings.num_look_alikes,
        learning_rate: f64::from(settings.learning_rate),
        seed: settings.seed,
    }
}

/// Both directions of every pair of products in an order that are not alike, by the first; of each product those most bought with it. A
/// pair is looked at as often as the shrunk cosine of its orders says: what is in every order would drown the rest.
fn pairs(baskets: &Baskets, shop: &ComplementShop<'_>, config: &BehaviorConfig) -> Vec<MapPair> {
    let weights = baskets.weights(0.0, config.max_order_products);
    let orders = baskets.by_product();
    let has_vector = |product: u32| shop.vector(product).iter().any(|x| *x != 0.0);
    let count = |product: u32, tally: &mut Tally| {
        if !has_vector(product) {
            return;
        }
        for &order in orders.of(product).iter().filter(|&&order| weights[order as usize] > 0.0) {
            let others = baskets.products(order as usize).iter();
            others.filter(|&&other| other != product).for_each(|&other| tally.add(other, 1.0));
        }
    };
    let counts: Vec<f32> = baskets.product_weights(&weights);
    let shrunk = |product: u32| (counts[product as usize] + config.copurchase.shrinkage).sqrt();
    let score = |product: u32, other: u32, orders: f32| {
        let goes_with = has_vector(other) && !(shop.are_alike)(product, other);
        if goes_with { orders / (shrunk(product) * shrunk(other)) } else { 0.0 }
    };
    let num_others = (MAX_PAIRS / baskets.num_products().max(1)).clamp(NUM_NEAREST, MAX_OTHERS);
    let table = RelatedTable::count(baskets.num_products(), num_others, count, score);
    let rows = table.rows();
    let of_row = |anchor: u32| {
        let row = rows.row(anchor).iter();
        row.map(move |entry| MapPair { anchor, other: entry.product, weight: entry.score })
    };
    (0..rows.len() as u32).flat_map(of_row).collect()
}

/// Of each product that has pairs the nearest that are in none with it.
fn look_alikes(pairs: &[MapPair], num_products: usize, shop: &ComplementShop<'_>) -> Vec<Vec<u32>> {
    let groups: Vec<&[MapPair]> = pairs.chunk_by(|a, b| a.anchor == b.anchor).collect();
    let of_anchor = |group: &&[MapPair]| {
        let anchor = group[0].anchor;
        let mut nearest = (shop.nearest)(anchor, NUM_NEAREST + 1);
        nearest.retain(|&near| near != anchor && group.iter().all(|pair| pair.other != near));
        (anchor, nearest)
    };
    let found: Vec<(u32, Vec<u32>)> = groups.par_iter().map(of_anchor).collect();
    let mut look_alikes = vec![Vec::new(); num_products];
    found.into_iter().for_each(|(anchor, nearest)| look_alikes[anchor as usize] = nearest);
    look_alikes
}

impl ComplementShop<'_> {
    fn vector(&self, product: u32) -> &[f32] {
        self.vectors.get(product as usize * self.dim..).and_then(|rest| rest.get(..self.dim)).unwrap_or_default()
    }
}

/// Writes `map` into the folder of a generation that is being built.
///
/// Returns an error if the file cannot be written.
pub fn write_map(dir: &Path, map: &ComplementMap) -> Result<(String, FileDigest), IndexError> {
    let (down, up) = map.parts();
    let meta = [map.dim() as u32, (down.len() / map.dim().max(1)) as u32];
    let sections = [Section::new(*b"META", &meta), Section::new(*b"DOWN", down), Section::new(*b"UPUP", up)];
    Ok((COMPLEMENT_FILE.to_owned(), write_sections(&dir.join(COMPLEMENT_FILE), KIND, VERSION, &sections)?))
}

/// Reads the map of a generation into memory.
///
/// Returns an error naming the file if it is missing, damaged, or of another version.
pub(super) fn read_map(path: &Path) -> Result<ComplementMap, IndexError> {
    let file = SectionFile::open(path, KIND, VERSION)?;
    let &[dim, rank] = file.section::<u32>(*b"META")? else {
        return Err(file.damaged("section META has another length"));
    };
    let (down, up) = (file.section::<f32>(*b"DOWN")?, file.section::<f32>(*b"UPUP")?);
    let is_whole = down.len() == dim as usize * rank as usize && down.iter().chain(up).all(|x| x.is_finite());
    let map = is_whole.then(|| ComplementMap::new(dim as usize, down.to_vec(), up.to_vec())).flatten();
    map.ok_or_else(|| file.damaged("its sections do not fit together or hold what is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Products 0 and 1 look alike, so do 2 and 3; 4 has no vector.
    const VECTORS: [f32; 10] = [1.0, 0.0, 0.8, 0.6, 0.0, 1.0, -0.6, 0.8, 0.0, 0.0];

    fn told<R>(tell: impl FnOnce(&Baskets, &ComplementShop<'_>) -> R) -> R {
        let orders = [vec![0, 1, 2], vec![0, 2], vec![1, 3], vec![2, 3], vec![0, 4]];
        let baskets = Baskets::from_orders(5, orders.into_iter().map(|products| (0, products)));
        let nearest = |product: u32, k: usize| [product, product ^ 1].into_iter().take(k).collect();
        let are_alike = |a: u32, b: u32| a / 2 == b / 2;
        let shop = ComplementShop { vectors: &VECTORS, dim: 2, nearest: &nearest, are_alike: &are_alike };
        tell(&baskets, &shop)
    }

    #[test]
    fn pairs_are_what_was_bought_together_without_look_alikes_and_what_has_no_vector() {
        told(|baskets, shop| {
            let pairs = pairs(baskets, shop, &BehaviorConfig::default());
            let mut found: Vec<(u32, u32)> = pairs.iter().map(|pair| (pair.anchor, pair.other)).collect();
            found.sort_unstable();
            assert_eq!(found, [(0, 2), (1, 2), (1, 3), (2, 0), (2, 1), (3, 1)]);
            let weight = |anchor, other| {
                pairs.iter().find(|pair| (pair.anchor, pair.other) == (anchor, other)).map(|pair| pair.weight)
            };
            // Two orders with both, of three each; one of two and three.
            let [two, three] = [22f32.sqrt(), 23f32.sqrt()];
            assert_eq!((weight(0, 2), weight(1, 2)), (Some(2.0 / (three * three)), Some(1.0 / (two * three))));
            assert_eq!(look_alikes(&pairs, 5, shop), [vec![1], vec![0], vec![3], vec![2], vec![]]);
        });
    }

    #[test]
    fn too_few_pairs_give_no_map_and_say_how_many_there_were() {
        told(|baskets, shop| {
            let complement =
                ComplementConfig { min_pairs: 7, num_steps: 3, batch_size: 4, ..ComplementConfig::default() };
            let learn = |complement| {
                let config = BehaviorConfig { complement, ..BehaviorConfig::default() };
                complements(baskets, shop, &config, &mut |_, _| {}).unwrap()
            };
            assert_eq!(learn(complement), Complements { map: None, num_pairs: 6 });
            assert!(learn(ComplementConfig { min_pairs: 6, ..complement }).map.is_some());
            assert_eq!(learn(ComplementConfig { rank: 0, ..complement }), Complements { map: None, num_pairs: 0 });
        });
    }

    #[test]
    fn a_map_comes_back_as_written_and_a_damaged_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let map = ComplementMap::new(2, vec![0.5, -1.0], vec![2.0, 0.25]).unwrap();
        let (name, digest) = write_map(dir.path(), &map).unwrap();
        let path = dir.path().join(&name);
        assert_eq!((read_map(&path).unwrap(), name.as_str()), (map.clone(), COMPLEMENT_FILE));
        assert_eq!(digest.bytes, std::fs::metadata(&path).unwrap().len());
        let odd = ComplementMap::new(2, vec![f32::NAN, 0.0], vec![0.0, 0.0]).unwrap();
        write_map(dir.path(), &odd).unwrap();
        assert!(matches!(read_map(&path), Err(IndexError::Damaged { .. })));
    }
}
