//! Damaged copies of a generation: each is refused with an error that names the file, and none can crash a search.

mod generation;

use std::fs;
use std::path::{Path, PathBuf};

use generation::{DIM, Random, config, products, publish, publish_vectors, shop, unit, vectors};
use kindred::index::{CatalogDir, Check, Generation, IndexConfig, IndexError, MANIFEST_FILE, Manifest, WordQuery};
use kindred::rank::RowId;
use roaring::RoaringBitmap;

const COPIES: usize = 200;
const ROWS: usize = 900;

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Cuts the file at a random place, or flips one random bit of it.
fn damage(path: &Path, random: &mut Random, cut: bool) {
    let mut bytes = fs::read(path).unwrap();
    let at = random.below(bytes.len());
    if cut {
        bytes.truncate(at);
    } else {
        bytes[at] ^= 1 << random.below(8);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn each_of_200_damaged_copies_is_refused_by_an_error_that_names_the_file() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    let manifest = publish(&dir, ROWS, 4, &config()).unwrap();
    let folder = dir.path().join(&manifest.generation);
    let files = files(&folder);
    assert_eq!(files.len(), manifest.files.len() + 1, "every file of the folder is in the manifest");
    let mut random = Random(99);
    for copy in 0..COPIES {
        let file = &files[copy % files.len()];
        let whole = fs::read(file).unwrap();
        damage(file, &mut random, (copy / files.len()).is_multiple_of(2));
        let error = dir.open_current(Check::Hashes).expect_err("a damaged copy was opened").to_string();
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(error.contains(name), "copy {copy}: `{error}` does not name {name}");
        fs::write(file, whole).unwrap();
    }
    dir.open_current(Check::Hashes).unwrap();
}

#[test]
fn a_flipped_bit_in_current_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    publish(&dir, 50, 4, &config()).unwrap();
    publish(&dir, 60, 4, &config()).unwrap();
    let path = dir.path().join("CURRENT");
    let whole = fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, bytes).unwrap();
        let error = dir.open_current(Check::Headers).expect_err("a changed CURRENT was followed").to_string();
        assert!(error.contains("CURRENT"), "{error}");
    }
}

/// With headers alone checked, damage inside a section goes unseen; it may cost results but nothing else.
#[test]
fn damage_that_only_hashes_can_see_never_crashes_a_search() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    damage_all(&publish(&dir, ROWS, 4, &config()).unwrap(), &dir);
    // Products that are nearly alike: codes have a second digit.
    let mut random = Random(6);
    let alike = (ROWS * DIM / 2..ROWS * DIM).map(|at| 1.0 + (at % DIM) as f32 + 0.2 * random.signed());
    let alike: Vec<f32> = alike.collect::<Vec<_>>().chunks(DIM).flat_map(|row| unit(row.to_vec())).collect();
    let all = [vectors(ROWS / 2, 4), alike].concat();
    let config = IndexConfig { recall_floor: 0.0, ..config() };
    damage_all(&publish_vectors(&dir, &products(ROWS), &all, DIM, "test model", &config).unwrap(), &dir);
}

fn damage_all(manifest: &Manifest, dir: &CatalogDir) {
    let folder = dir.path().join(&manifest.generation);
    let mut random = Random(5);
    let files = files(&folder);
    for copy in 0..40 * files.len() {
        let file = &files[copy % files.len()];
        let whole = fs::read(file).unwrap();
        for _ in 0..40 {
            damage(file, &mut random, false);
        }
        if let Ok(opened) = Generation::open(&folder, Check::Headers) {
            exercise(&opened, &mut random);
        }
        fs::write(file, whole).unwrap();
    }
}

fn exercise(generation: &Generation, random: &mut Random) {
    let query = unit((0..DIM).map(|_| random.signed()).collect());
    let _ = generation.search(&query, 5, None);
    let _ = generation.search_exact(&query, 5, None);
    // Nearly all rows for the walk, most of them for the cells, some for the scan of codes.
    for one_in in [20, 3, 2] {
        let allowed: RoaringBitmap = (0..ROWS as u32).filter(|row| (row % one_in == 0) == (one_in == 2)).collect();
        let _ = generation.search(&query, 5, Some(&allowed));
        let _ = generation.candidates(&query, 5, Some(&allowed));
    }
    for row in (0..ROWS as u32).map(RowId) {
        let products = generation.products();
        let _ = (products.id(row), products.price(row), products.family(row), products.product(row));
        let _ = products.row(&format!("sku/{}", row.0));
    }
    if let Some(words) = generation.words() {
        let mut asked = WordQuery::default();
        (0..ROWS as u32).step_by(50).for_each(|row| words.add_row(RowId(row), &mut asked));
        let _ = words.best(&asked, 5, |_| true);
    }
    if let Some(comparison) = generation.comparison() {
        for row in (0..ROWS as u32).map(RowId) {
            let _ = (comparison.attributes(row), comparison.cost(row));
            let _ = comparison.leaf(row).map(|leaf| (comparison.path(leaf).len(), comparison.row_of(leaf)));
        }
    }
    let _ = generation.terms().fields();
    let _ = generation.terms().rows("brand", "acme");
    let _ = generation.terms().has_field("color");
}

#[test]
fn a_file_of_another_generation_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    let first = publish(&dir, 80, 1, &config()).unwrap().generation;
    let second = publish(&dir, 80, 2, &config()).unwrap().generation;
    fs::copy(dir.path().join(&first).join("hnsw.bin"), dir.path().join(&second).join("hnsw.bin")).unwrap();
    assert!(
        matches!(dir.open_current(Check::Hashes), Err(IndexError::Damaged { path, .. }) if path.ends_with("hnsw.bin"))
    );
    fs::copy(dir.path().join(&first).join(MANIFEST_FILE), dir.path().join(&second).join(MANIFEST_FILE)).unwrap();
    assert!(dir.open_current(Check::Headers).unwrap_err().to_string().contains(MANIFEST_FILE));
}

#[test]
fn a_missing_file_is_named() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    let manifest = publish(&dir, 30, 1, &config()).unwrap();
    for file in files(&dir.path().join(&manifest.generation)) {
        let aside = file.with_extension("aside");
        fs::rename(&file, &aside).unwrap();
        let error = dir.open_current(Check::Headers).unwrap_err().to_string();
        assert!(error.contains(file.file_name().unwrap().to_str().unwrap()), "{error}");
        fs::rename(&aside, &file).unwrap();
    }
}
