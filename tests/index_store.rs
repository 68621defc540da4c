//! A catalog's folder: numbering, the lock, going back, deleting, and what a killed build leaves behind.

mod generation;

use std::fs;

use generation::{config, publish, shop};
use kindred::index::{CatalogDir, Check, IndexError};

#[test]
fn generations_are_numbered_and_the_newest_is_in_use() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    for n in 1..=3 {
        let manifest = publish(&dir, 10 * n, 1, &config()).unwrap();
        assert_eq!(manifest.generation, format!("gen-00000{n}"));
        assert_eq!(manifest.parent, (n > 1).then(|| format!("gen-00000{}", n - 1)));
        let current = dir.open_current(Check::Hashes).unwrap();
        assert_eq!((current.name(), current.products().num_rows()), (manifest.generation.as_str(), 10 * n));
    }
    let listed: Vec<_> = dir.list().unwrap().into_iter().map(|l| (l.name, l.is_current, l.manifest.is_ok())).collect();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[2], ("gen-000003".to_owned(), true, true));
    assert_eq!(CatalogDir::all(root.path()).unwrap(), [dir]);
}

#[test]
fn rollback_goes_one_back_or_to_the_named_one_and_the_next_build_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    for n in 1..=3 {
        publish(&dir, 10 * n, 1, &config()).unwrap();
    }
    assert_eq!(dir.rollback(None).unwrap().generation, "gen-000002");
    assert_eq!(dir.rollback(None).unwrap().generation, "gen-000001");
    assert!(matches!(dir.rollback(None), Err(IndexError::NoOlderGeneration { .. })));
    assert_eq!(dir.rollback(Some("gen-000003")).unwrap().generation, "gen-000003");
    assert!(matches!(dir.rollback(Some("gen-000009")), Err(IndexError::NoGeneration { .. })));
    assert!(matches!(dir.rollback(Some("../shop")), Err(IndexError::NoGeneration { .. })));
    dir.rollback(Some("gen-000001")).unwrap();
    let next = publish(&dir, 5, 1, &config()).unwrap();
    assert_eq!((next.generation.as_str(), next.parent.as_deref()), ("gen-000004", Some("gen-000001")));
}

#[test]
fn rollback_to_a_damaged_generation_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    publish(&dir, 20, 1, &config()).unwrap();
    publish(&dir, 30, 1, &config()).unwrap();
    let file = dir.path().join("gen-000001/products.bin");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(matches!(dir.rollback(None), Err(IndexError::Damaged { path, .. }) if path == file));
    assert_eq!(dir.current().unwrap().as_deref(), Some("gen-000002"));
}

#[test]
fn a_damaged_current_is_mended_by_rollback_and_by_the_next_build() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    publish(&dir, 20, 1, &config()).unwrap();
    publish(&dir, 30, 1, &config()).unwrap();
    for damaged in ["", "garbage", "gen-000001 0000\n"] {
        fs::write(dir.path().join("CURRENT"), damaged).unwrap();
        assert!(dir.open_current(Check::Hashes).is_err());
        assert_eq!(dir.list().unwrap().len(), 2);
        dir.rollback(Some("gen-000002")).unwrap();
        assert_eq!(dir.open_current(Check::Hashes).unwrap().name(), "gen-000002");
    }
    fs::write(dir.path().join("CURRENT"), "garbage").unwrap();
    assert_eq!(dir.rollback(None).unwrap().generation, "gen-000002");
    fs::write(dir.path().join("CURRENT"), "").unwrap();
    assert_eq!(publish(&dir, 10, 1, &config()).unwrap().generation, "gen-000003");
    assert_eq!(dir.open_current(Check::Hashes).unwrap().name(), "gen-000003");
}

#[test]
fn a_folder_under_another_name_is_not_put_in_use() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    publish(&dir, 20, 1, &config()).unwrap();
    publish(&dir, 30, 1, &config()).unwrap();
    fs::rename(dir.path().join("gen-000001"), dir.path().join("gen-000005")).unwrap();
    assert!(
        matches!(dir.rollback(Some("gen-000005")), Err(IndexError::Damaged { path, .. }) if path.ends_with("manifest.json"))
    );
    assert_eq!(dir.open_current(Check::Hashes).unwrap().name(), "gen-000002");
    fs::rename(dir.path(), root.path().join("other")).unwrap();
    let other = CatalogDir::new(root.path(), "other").unwrap();
    assert!(other.open_current(Check::Hashes).unwrap_err().to_string().contains("catalog `shop`"));
}

#[test]
fn gc_keeps_the_one_in_use_and_the_newest_others() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    for _ in 0..5 {
        publish(&dir, 10, 1, &config()).unwrap();
    }
    dir.rollback(Some("gen-000002")).unwrap();
    assert_eq!(dir.gc(1).unwrap(), ["gen-000001", "gen-000003", "gen-000004"]);
    let left: Vec<_> = dir.list().unwrap().into_iter().map(|l| l.name).collect();
    assert_eq!(left, ["gen-000002", "gen-000005"]);
    let open = dir.open_current(Check::Hashes).unwrap();
    dir.rollback(Some("gen-000005")).unwrap();
    assert_eq!(dir.gc(0).unwrap(), ["gen-000002"]);
    assert!(open.vector(kindred::rank::RowId(3)).is_some(), "an open generation outlives its folder");
}

#[test]
fn a_second_build_is_told_that_one_runs() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    let lock = dir.lock().unwrap();
    for error in [publish(&dir, 5, 1, &config()).unwrap_err(), dir.gc(0).unwrap_err(), dir.rollback(None).unwrap_err()]
    {
        assert!(matches!(&error, IndexError::BuildInProgress { catalog, .. } if catalog == "shop"), "{error}");
    }
    drop(lock);
    publish(&dir, 5, 1, &config()).unwrap();
}

#[test]
fn what_a_killed_build_left_is_removed_by_the_next() {
    let root = tempfile::tempdir().unwrap();
    let dir = shop(root.path());
    publish(&dir, 10, 1, &config()).unwrap();
    fs::create_dir_all(dir.path().join("building/half")).unwrap();
    fs::write(dir.path().join("building/hnsw.bin"), b"half").unwrap();
    fs::write(dir.path().join("CURRENT.new"), b"gen-0").unwrap();
    assert_eq!(dir.open_current(Check::Hashes).unwrap().name(), "gen-000001");
    assert_eq!(publish(&dir, 10, 1, &config()).unwrap().generation, "gen-000002");
    assert!(!dir.path().join("building").exists());
}

#[test]
fn names_that_could_leave_the_folder_are_refused() {
    for name in ["", ".", "..", "a/b", "-a", "_a", "a b", "ä", &"a".repeat(65)] {
        assert!(matches!(CatalogDir::new("/".as_ref(), name), Err(IndexError::CatalogName(_))), "{name}");
    }
    for name in ["a", "A-1_b", "0", &"a".repeat(64)] {
        assert!(CatalogDir::new("/".as_ref(), name).is_ok(), "{name}");
    }
}
