//! Small generations for tests: made-up products with vectors drawn around cluster centres, so that no model is needed.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::Path;
use std::time::Instant;

use kindred::catalog::Product;
use kindred::index::{CatalogDir, GenerationInput, IndexConfig, IndexError, Manifest, ModelRecord, write_generation};

pub const DIM: usize = 48;

/// SplitMix64, so that tests depend on no generator's version.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Uniform in `[-1, 1)`.
    pub fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

pub fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= norm);
    vector
}

/// `n` vectors of length 1 around one centre for every 40 rows.
pub fn vectors(n: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    let centres: Vec<Vec<f32>> = (0..n.div_ceil(40)).map(|_| (0..DIM).map(|_| random.signed()).collect()).collect();
    let row = |_| {
        let centre = &centres[random.below(centres.len())];
        unit(centre.iter().map(|x| x + 0.7 * random.signed()).collect())
    };
    (0..n).flat_map(row).collect()
}

pub const BRANDS: [&str; 4] = ["Acme", "Globex", "Initech", "Umbrella"];
pub const COLORS: [&str; 3] = ["red", "green", "blue"];

/// `n` products with varied brand, category, price, stock and family.
pub fn products(n: usize) -> Vec<Product> {
    let product = |i: usize| {
        serde_json::from_value(serde_json::json!({
            "id": format!("sku/{i}"),
            "title": format!("product {i}"),
            "brand": BRANDS[i % BRANDS.len()],
            "product_type": [["Things", format!("Kind {}", i % 7)]],
            "price": format!("{}.{:02} USD", 1 + i % 90, i % 100),
            "availability": if i.is_multiple_of(11) { "out_of_stock" } else { "in_stock" },
            "item_group_id": i.is_multiple_of(5).then(|| format!("family {}", i / 10)),
            "attributes": {"color": [COLORS[i % COLORS.len()]]},
        }))
        .unwrap()
    };
    (0..n).map(product).collect()
}

pub fn config() -> IndexConfig {
    IndexConfig { m: 8, ef_construction: 64, ef_search: 64, ..IndexConfig::default() }
}

/// Builds and publishes a generation of `n` made-up products.
pub fn publish(dir: &CatalogDir, n: usize, seed: u64, config: &IndexConfig) -> Result<Manifest, IndexError> {
    publish_vectors(dir, &products(n), &vectors(n, seed), DIM, "test model", config)
}

/// Builds and publishes a generation of `products` and their `vectors`.
pub fn publish_vectors(
    dir: &CatalogDir,
    products: &[Product],
    vectors: &[f32],
    dim: usize,
    fingerprint: &str,
    config: &IndexConfig,
) -> Result<Manifest, IndexError> {
    let lock = dir.lock()?;
    let (building, generation) = dir.start_build(&lock)?;
    let input = GenerationInput {
        catalog: dir.catalog(),
        generation: &generation,
        parent: dir.current_if_readable(),
        feed: "made up",
        products,
        vectors,
        model: ModelRecord {
            name: "test".into(),
            fingerprint: fingerprint.into(),
            precision: "f32".into(),
            text: "title".into(),
            dim,
        },
        live: None,
        num_rejects: 0,
        num_embedded: products.len(),
        num_reused: 0,
        started: Instant::now(),
        now: "2026-11-20T00:00:00Z".parse().unwrap(),
    };
    let manifest = write_generation(&building, &input, config, &mut |_| {})?;
    dir.publish(&lock, &building, &manifest)?;
    Ok(manifest)
}

/// The folder of catalog `shop` below `root`.
pub fn shop(root: &Path) -> CatalogDir {
    CatalogDir::new(root, "shop").unwrap()
}
