//! The laws of the embedding cache: what goes in comes out, damage is never served, a crash costs at most the last record.

mod embed_fixture;

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use embed_fixture::TinyModel;
use kindred::embed::{EmbedConfig, EmbedCounts, EmbedError, EmbedProgress, Embedder, EmbeddingCache, embed_with_cache};

const MODEL: &str = "0123456789abcdef";
const DIM: usize = 3;

fn open(dir: &Path) -> EmbeddingCache {
    EmbeddingCache::open(dir, MODEL, DIM).unwrap()
}

fn vector(text: usize) -> [f32; DIM] {
    [text as f32, -0.5, 1.0 / (text + 1) as f32]
}

/// A closed cache of the texts "0" to "9" and the path of its file.
fn ten_texts(dir: &Path) -> std::path::PathBuf {
    let mut cache = open(dir);
    for text in 0..10 {
        cache.insert(&text.to_string(), &vector(text)).unwrap();
    }
    cache.sync().unwrap();
    cache.path().to_owned()
}

#[test]
fn what_was_inserted_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    ten_texts(dir.path());
    let mut cache = open(dir.path());
    assert_eq!(cache.len(), 10);
    for text in 0..10 {
        assert_eq!(cache.get(&text.to_string()).unwrap().as_deref(), Some(vector(text).as_slice()));
    }
    assert_eq!(cache.get("10").unwrap(), None);
}

#[test]
fn a_file_cut_anywhere_keeps_every_whole_record_and_takes_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = ten_texts(dir.path());
    let whole = fs::read(&path).unwrap();
    let record = 32 + DIM * 4 + 8;
    let header = whole.len() - 10 * record;
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let expected = length.saturating_sub(header) / record;
        let mut cache = open(dir.path());
        assert_eq!(cache.len(), expected, "{length} bytes");
        cache.insert("new", &vector(77)).unwrap();
        drop(cache);
        let mut cache = open(dir.path());
        assert_eq!(cache.len(), expected + 1, "{length} bytes");
        assert_eq!(cache.get("new").unwrap().as_deref(), Some(vector(77).as_slice()));
    }
}

#[test]
fn a_flipped_bit_costs_its_record_and_is_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let path = ten_texts(dir.path());
    let whole = fs::read(&path).unwrap();
    let header = whole.len() - 10 * (32 + DIM * 4 + 8);
    for bit in (0..whole.len() * 8).step_by(5) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        match EmbeddingCache::open(dir.path(), MODEL, DIM) {
            Err(error) => {
                assert!(bit / 8 < header, "bit {bit}: {error}");
                assert!(matches!(error, EmbedError::ForeignCache { .. }), "{error}");
            }
            Ok(mut cache) => {
                assert_eq!(cache.len(), 9, "bit {bit}");
                let right = |text: &usize| cache.get(&text.to_string()).unwrap() == Some(vector(*text).to_vec());
                assert_eq!((0..10).filter(right).count(), 9, "bit {bit}");
            }
        }
    }
}

#[test]
fn a_bit_flipped_while_the_cache_is_open_costs_its_record_and_is_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let path = ten_texts(dir.path());
    let whole = fs::read(&path).unwrap();
    let record = 32 + DIM * 4 + 8;
    for bit in 0..record * 8 {
        fs::write(&path, &whole).unwrap();
        let mut cache = open(dir.path());
        let mut flipped = whole.clone();
        flipped[whole.len() - 4 * record + bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        assert_eq!(cache.get("6").unwrap(), None, "bit {bit}");
        assert_eq!(cache.get("7").unwrap().as_deref(), Some(vector(7).as_slice()), "bit {bit}");
        cache.insert("6", &vector(6)).unwrap();
        assert_eq!(cache.get("6").unwrap().as_deref(), Some(vector(6).as_slice()), "bit {bit}");
        assert_eq!(cache.retain(["6", "7"]).unwrap(), 8, "bit {bit}");
        assert_eq!(cache.get("6").unwrap().as_deref(), Some(vector(6).as_slice()), "bit {bit}");
    }
}

#[test]
fn models_do_not_see_each_others_vectors() {
    let dir = tempfile::tempdir().unwrap();
    ten_texts(dir.path());
    assert_eq!(EmbeddingCache::open(dir.path(), "ffff", DIM).unwrap().get("1").unwrap(), None);
    let error = EmbeddingCache::open(dir.path(), MODEL, DIM + 1).unwrap_err();
    assert!(matches!(error, EmbedError::ForeignCache { .. }), "{error}");
}

#[test]
fn a_fingerprint_cannot_lead_out_of_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let cache = EmbeddingCache::open(&dir.path().join("cache"), "../../escape", DIM).unwrap();
    assert_eq!(cache.path().parent(), Some(dir.path().join("cache").as_path()));
}

#[test]
fn a_cache_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let error = EmbeddingCache::open(dir.path(), MODEL, DIM).unwrap_err();
    assert!(matches!(error, EmbedError::CacheInUse { .. }), "{error}");
    drop(first);
    open(dir.path());
}

#[test]
fn a_vector_that_does_not_fit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut cache = open(dir.path());
    for vector in [vec![1.0; DIM + 1], vec![f32::NAN; DIM]] {
        assert!(matches!(cache.insert("a", &vector), Err(EmbedError::CacheVector { .. })));
    }
    assert!(cache.is_empty());
}

#[test]
fn retain_keeps_exactly_the_named_texts() {
    let dir = tempfile::tempdir().unwrap();
    let path = ten_texts(dir.path());
    let before = fs::metadata(&path).unwrap().len();
    let mut cache = open(dir.path());
    assert_eq!(cache.retain(["3", "5", "5", "never seen"]).unwrap(), 8);
    cache.insert("new", &vector(77)).unwrap();
    drop(cache);
    let mut cache = open(dir.path());
    assert_eq!(cache.len(), 3);
    for (text, vector) in [("3", vector(3)), ("5", vector(5)), ("new", vector(77))] {
        assert_eq!(cache.get(text).unwrap().as_deref(), Some(vector.as_slice()));
    }
    assert!(fs::metadata(&path).unwrap().len() < before);
}

fn tiny_embedder(dir: &Path) -> Embedder {
    let config = EmbedConfig { model: dir.to_owned(), batch_tokens: 6, threads: 2, ..EmbedConfig::default() };
    Embedder::load(&config).unwrap()
}

#[test]
fn only_what_the_cache_lacks_is_embedded_and_the_rows_are_the_same() {
    let (model, dir) = (TinyModel::new().write(), tempfile::tempdir().unwrap());
    let embedder = tiny_embedder(model.path());
    let mut cache = EmbeddingCache::open(dir.path(), embedder.fingerprint(), embedder.dim()).unwrap();
    let texts = ["red", "blue bag", "red", "phone case", ""];
    let (rows, counts) = embed_with_cache(&embedder, &mut cache, &texts, &|_| {}).unwrap();
    assert_eq!(counts, EmbedCounts { embedded: 4, reused: 0, repeated: 1 });
    for (row, text) in rows.iter().zip(texts) {
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
        assert!(row.iter().zip(&embedder.embed_one(text).unwrap()).all(near), "{text}");
    }
    let changed = ["red", "blue bag", "red", "phone bag", ""];
    let seen = Mutex::new(Vec::new());
    let (again, counts) =
        embed_with_cache(&embedder, &mut cache, &changed, &|at| seen.lock().unwrap().push(at)).unwrap();
    assert_eq!(counts, EmbedCounts { embedded: 1, reused: 3, repeated: 1 });
    assert_eq!(again.row(1), rows.row(1));
    let at = |embedded| EmbedProgress { embedded, to_embed: 1 };
    assert_eq!(*seen.lock().unwrap(), [at(0), at(1)]);
}

/// The progress callback stands in for the kill: it unwinds out of the build between two batches.
#[test]
fn a_build_that_dies_keeps_the_batches_it_finished() {
    let (model, dir) = (TinyModel::new().write(), tempfile::tempdir().unwrap());
    let embedder = tiny_embedder(model.path());
    let open = || EmbeddingCache::open(dir.path(), embedder.fingerprint(), embedder.dim()).unwrap();
    let texts = ["red", "blue", "bag", "phone", "case", "red bag", "blue bag", "phone case"];
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        embed_with_cache(&embedder, &mut open(), &texts, &|at| assert!(at.embedded < 3, "killed")).map(|_| ())
    }));
    assert!(died.is_err());
    let kept = open().len();
    assert!(kept >= 3, "{kept}");
    let (_, counts) = embed_with_cache(&embedder, &mut open(), &texts, &|_| {}).unwrap();
    assert_eq!(counts, EmbedCounts { embedded: texts.len() - kept, reused: kept, repeated: 0 });
}

#[test]
fn a_cache_of_another_model_is_refused() {
    let (model, dir) = (TinyModel::new().write(), tempfile::tempdir().unwrap());
    let embedder = tiny_embedder(model.path());
    let mut cache = EmbeddingCache::open(dir.path(), "ffff", embedder.dim()).unwrap();
    let error = embed_with_cache(&embedder, &mut cache, &["red"], &|_| {}).unwrap_err();
    assert!(matches!(error, EmbedError::CacheOfAnotherModel { .. }), "{error}");
}
