//! The learned tables on disk: they say what the ones in memory say, are the same bytes every time, and no damage can do more than cost
//! quality.

mod generation;

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use generation::{DIM, Random, config, products, shop, unit, vectors};
use kindred::behavior::{
    self, BEHAVIOR_FILE, Behavior, BehaviorConfig, Learned, ProductFacts, RelatedRows, SESSION_VECTORS_FILE,
    SESSIONS_FILE, SessionScratch, SessionVectors, Step, Tally, semantic_votes, session_votes,
};
use kindred::events::{EventKind, History, HistoryBuilder, Interaction};
use kindred::index::{CatalogDir, Check, GenerationInput, IndexError, Manifest, ModelRecord, write_generation_with};
use kindred::rank::RowId;

const ROWS: usize = 120;

/// Sessions and orders over the products of `generation::products`, and a few that the catalog lacks.
fn history() -> History {
    let mut builder = HistoryBuilder::default();
    let mut random = Random(8);
    for session in 0..400u32 {
        for step in 0..1 + random.below(7) as u32 {
            let product = builder.product(&format!("sku/{}", random.below(ROWS + 5)));
            let kind = [EventKind::ViewItem, EventKind::AddToCart, EventKind::Purchase][random.below(3)];
            let time_s = 1_700_000_000 + session * 5000 + step * 30;
            let (order, quantity, price) = (session, 1, f32::NAN);
            builder.push(session.into(), session % 50, Interaction { product, time_s, order, quantity, price, kind });
        }
    }
    builder.finish()
}

/// Publishes a generation with tables; returns what was learned for its rows, too.
fn publish(dir: &CatalogDir) -> (Manifest, Learned, SessionVectors) {
    let lock = dir.lock().unwrap();
    let (building, generation) = dir.start_build(&lock).unwrap();
    let (products, vectors) = (products(ROWS), vectors(ROWS, 4));
    let model = ModelRecord {
        name: "test".into(),
        fingerprint: "test model".into(),
        precision: "f32".into(),
        text: "title".into(),
        dim: DIM,
    };
    let input = GenerationInput {
        catalog: dir.catalog(),
        generation: &generation,
        parent: None,
        feed: "made up",
        products: &products,
        vectors: &vectors,
        model,
        live: None,
        num_rejects: 0,
        num_embedded: ROWS,
        num_reused: 0,
        started: std::time::Instant::now(),
        now: "2026-11-20T00:00:00Z".parse().unwrap(),
    };
    let mut made = None;
    let manifest = write_generation_with(&building, &input, &config(), &mut |_| {}, |rows| {
        let ids = (0..ROWS as u32).map(|row| rows.products.id(RowId(row)).unwrap());
        let category_of: Vec<u32> = (0..ROWS as u32).map(|row| row % 7).collect();
        let facts =
            ProductFacts { category_of, num_categories: 7, price_of: vec![2.5; ROWS], attributes_of: Vec::new() };
        let learned = Learned::from_history(&history().for_products(ids), &facts, &BehaviorConfig::default());
        let vector = |product: u32| rows.vector(RowId(product)).map(Cow::Owned);
        let vectors = SessionVectors::new(learned.sessions.view(), DIM, &BehaviorConfig::default(), vector);
        let files = behavior::write(rows.dir, &learned, &vectors, &config())?;
        made = Some((learned, vectors));
        Ok::<_, IndexError>(files)
    });
    let manifest = manifest.unwrap();
    dir.publish(&lock, &building, &manifest).unwrap();
    let (learned, vectors) = made.unwrap();
    (manifest, learned, vectors)
}

fn open(dir: &CatalogDir, manifest: &Manifest) -> Result<Option<Behavior>, kindred::index::IndexError> {
    let files = manifest.files.keys().map(String::as_str);
    Behavior::open(&dir.path().join(&manifest.generation), ROWS, files)
}

fn rows_of(rows: RelatedRows<'_>) -> Vec<Vec<(u32, u32, u32)>> {
    let row = |row: u32| rows.row(row).iter().map(|e| (e.product, e.score.to_bits(), e.evidence)).collect();
    (0..rows.len() as u32).map(row).collect()
}

#[test]
fn mapped_tables_say_what_the_ones_in_memory_say() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    let (manifest, learned, vectors) = publish(&dir);
    let mapped = open(&dir, &manifest).unwrap().unwrap();
    for (name, mapped, memory) in [
        ("copurchase", mapped.copurchase(), &learned.copurchase),
        ("ease", mapped.ease(), &learned.ease),
        ("next", mapped.next(), &learned.next),
        ("bought next", mapped.bought_next(), &learned.bought_next),
        ("categories next", mapped.next_categories(), &learned.next_categories),
        ("categories together", mapped.together_categories(), &learned.together_categories),
        ("popular", mapped.popular(), &learned.popular),
    ] {
        let memory = rows_of(memory.rows());
        assert!(memory.iter().any(|row| !row.is_empty()), "{name} is empty");
        assert_eq!(rows_of(mapped), memory, "{name}");
    }
    assert_eq!(mapped.category_of(), learned.category_of);
    assert_eq!(mapped.first_orders(), learned.first_orders);
    let num_ordered = learned.num_orders.iter().filter(|&&orders| orders > 0).count();
    assert_eq!(mapped.share_ordered(), num_ordered as f32 / ROWS as f32);
    let steps = [&[None][..], &(0..7).map(Some).collect::<Vec<_>>()].concat();
    let steps: Vec<u32> = steps.into_iter().flat_map(|category| mapped.price_steps(category).to_vec()).collect();
    assert_eq!(steps, learned.price_steps.counts);
    assert!(mapped.price_steps(Some(7)).is_empty());

    let config = BehaviorConfig::default();
    let (mut scratch, mut random) = (SessionScratch::default(), Random(3));
    for _ in 0..50 {
        let steps: Vec<Step> =
            (0..1 + random.below(12)).map(|_| Step { product: random.below(ROWS) as u32, weight: 1.0 }).collect();
        let [found, expected] = [mapped.sessions(), learned.sessions.view()]
            .map(|sessions| session_votes(sessions, &steps, mapped.now_s(), &config, 30, &mut scratch));
        assert_eq!(found, expected);
    }
    let (history, known) =
        (history(), |id: &str| id.strip_prefix("sku/").is_some_and(|n| n.parse::<usize>().unwrap() < ROWS));
    let of_known = history.sessions().flat_map(|session| session.interactions);
    let of_known = of_known.filter(|step| known(&history.products()[step.product as usize]));
    assert_eq!(mapped.now_s(), of_known.map(|step| step.time_s).max().unwrap());

    // The walk finds the sessions that an exact scan finds; equal ones may trade places.
    let mut same = 0;
    for _ in 0..50 {
        let query = unit((0..DIM).map(|_| random.signed()).collect());
        let exact: Vec<u32> =
            vectors.nearest(&query, 10).iter().map(|near| vectors.sessions[near.row.index()]).collect();
        let found = mapped.nearest_sessions(&query, 10).unwrap();
        same += found.iter().filter(|near| exact.contains(&mapped.session_of()[near.row.index()])).count();
        let votes = semantic_votes(mapped.sessions(), mapped.session_of(), &found, &config, 30, &mut Tally::new(0));
        assert!(!votes.is_empty());
    }
    assert!(same >= 475, "{same} of 500");
}

#[test]
fn the_same_events_give_the_same_bytes() {
    let roots = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [first, second] = roots.each_ref().map(|root| publish(&shop(root.path())).0.files);
    assert_eq!(first, second);
    for name in [BEHAVIOR_FILE, SESSIONS_FILE, SESSION_VECTORS_FILE] {
        assert!(first.contains_key(name), "{name}");
    }
}

#[test]
fn a_generation_without_events_has_no_tables() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    let manifest = generation::publish(&dir, ROWS, 4, &config()).unwrap();
    assert!(open(&dir, &manifest).unwrap().is_none());
}

fn damage(path: &Path, random: &mut Random, cut: bool) {
    let mut bytes = fs::read(path).unwrap();
    let at = random.below(bytes.len());
    if cut {
        bytes.truncate(at)
    } else {
        bytes[at] ^= 1 << random.below(8)
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn damaged_tables_are_refused_by_their_hashes_and_named() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    let (manifest, ..) = publish(&dir);
    let folder = dir.path().join(&manifest.generation);
    let mut random = Random(7);
    for copy in 0..60 {
        let name = [BEHAVIOR_FILE, SESSIONS_FILE, SESSION_VECTORS_FILE][copy % 3];
        let path: PathBuf = folder.join(name);
        let whole = fs::read(&path).unwrap();
        damage(&path, &mut random, copy % 2 == 0);
        let error = dir.open_current(Check::Hashes).expect_err("a damaged copy was opened").to_string();
        assert!(error.contains(name), "{error}");
        fs::write(&path, whole).unwrap();
    }
    dir.open_current(Check::Hashes).unwrap();
}

#[test]
fn a_missing_or_foreign_file_of_tables_is_named() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    let (manifest, ..) = publish(&dir);
    let folder = dir.path().join(&manifest.generation);
    for name in [BEHAVIOR_FILE, SESSIONS_FILE, SESSION_VECTORS_FILE] {
        fs::rename(folder.join(name), folder.join("aside")).unwrap();
        assert!(open(&dir, &manifest).unwrap_err().to_string().contains(name));
        fs::copy(folder.join("terms.bin"), folder.join(name)).unwrap();
        assert!(open(&dir, &manifest).unwrap_err().to_string().contains(name));
        fs::rename(folder.join("aside"), folder.join(name)).unwrap();
    }
    let files = manifest.files.keys().map(String::as_str);
    let error = Behavior::open(&folder, ROWS + 1, files).unwrap_err().to_string();
    assert!(error.contains(BEHAVIOR_FILE), "{error}");
}

/// With headers alone checked, damage inside a section goes unseen; it may cost results but nothing else.
#[test]
fn damage_that_only_hashes_can_see_never_crashes_a_question() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    let (manifest, ..) = publish(&dir);
    let folder = dir.path().join(&manifest.generation);
    let mut random = Random(5);
    let mut num_opened = 0;
    for copy in 0..90 {
        let path = folder.join([BEHAVIOR_FILE, SESSIONS_FILE, SESSION_VECTORS_FILE][copy % 3]);
        let whole = fs::read(&path).unwrap();
        for _ in 0..20 {
            damage(&path, &mut random, false);
        }
        if let Ok(Some(opened)) = open(&dir, &manifest) {
            num_opened += 1;
            exercise(&opened, &mut random);
        }
        fs::write(&path, whole).unwrap();
    }
    assert!(num_opened > 10, "only {num_opened} copies were opened");
}

fn exercise(behavior: &Behavior, random: &mut Random) {
    let config = BehaviorConfig::default();
    let mut scratch = SessionScratch::default();
    for row in 0..ROWS as u32 + 2 {
        let tables =
            [behavior.copurchase(), behavior.ease(), behavior.next(), behavior.bought_next(), behavior.popular()];
        tables.iter().for_each(|table| drop(behavior::sum_rows(*table, &[row], 50)));
        let steps = [Step { product: row, weight: 1.0 }, Step { product: random.below(ROWS) as u32, weight: 2.0 }];
        session_votes(behavior.sessions(), &steps, behavior.now_s(), &config, 50, &mut scratch);
        behavior.price_steps(Some(row));
    }
    let query = unit((0..DIM).map(|_| random.signed()).collect());
    if let Ok(nearest) = behavior.nearest_sessions(&query, 20) {
        semantic_votes(behavior.sessions(), behavior.session_of(), &nearest, &config, 50, &mut Tally::new(0));
    }
}
