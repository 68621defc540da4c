//! What the store of rules keeps, and what damage and other hands do to it.

use super::super::{MAX_DOCUMENT_BYTES, MAX_RULES, Notation};
use super::*;

fn set(product: &str) -> RuleSet {
    let text = format!("[[rules]]\nid = \"r\"\nthen = {{ pin = {{ products = [\"{product}\"] }} }}");
    RuleSet::read(&text, Notation::Toml).unwrap()
}

#[test]
fn a_document_that_grows_past_the_limit_when_stored_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = RuleStore::new(dir.path());
    let pins = "\n[[rules]]\nid = \"r0\"\nthen = { pin = { products = [\"a\"] } }";
    let mut text = String::new();
    let mut at = 0;
    while text.len() + 2 * pins.len() < MAX_DOCUMENT_BYTES && at < MAX_RULES {
        text += &pins.replace("r0", &format!("r{at}"));
        // Each quote is a byte in this notation and two where it is stored.
        text += &format!("\nnote = '{}'", "\"".repeat(120));
        at += 1;
    }
    let set = RuleSet::read(&text, Notation::Toml).unwrap();
    assert!(serde_json::to_string(&set).unwrap().len() > MAX_DOCUMENT_BYTES);
    store.put(&set, Some(0), "ann", "", 5).unwrap();
    assert_eq!(RuleStore::new(dir.path()).current().unwrap().set, set);
    assert_eq!(store.put(&RuleSet::default(), Some(1), "ann", "", 6).unwrap().0, 2);
}

#[test]
fn versions_survive_and_the_second_of_two_savers_gets_a_conflict_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = RuleStore::new(dir.path());
    assert_eq!(store.current().unwrap(), Version::default());
    assert!(!store.path().exists());
    assert_eq!(store.put(&set("a"), Some(0), "ann", "first", 5).unwrap().0, 1);
    assert_eq!(store.put(&set("b"), Some(1), "ann", "", 6).unwrap().0, 2);
    let other = RuleStore::new(dir.path());
    match other.put(&set("c"), Some(1), "bob", "", 7) {
        Err(RulesError::Conflict { expected: 1, current: 2, who, diff }) => {
            assert_eq!((who.as_str(), diff.in_words().as_str()), ("ann", "~r (then)"));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(other.put(&set("c"), Some(9), "bob", "", 7), Err(RulesError::NoVersion { version: 9, last: 2 })));
    assert_eq!(other.current().unwrap(), Version { version: 2, set: set("b") });
    other.put(&set("c"), None, "bob", "", 7).unwrap();
    assert!(store.has_news().unwrap());
    assert_eq!(store.version(1).unwrap().set, set("a"));
    let whos: Vec<String> = store.history(10).unwrap().into_iter().map(|version| version.who).collect();
    assert_eq!(whos, ["bob", "ann", "ann"]);
}

#[test]
fn a_file_that_is_gone_is_an_error_and_one_in_its_place_is_opened() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = RuleStore::new(dir.path());
    store.put(&set("a"), None, "ann", "", 5).unwrap();
    store.put(&set("b"), None, "ann", "", 6).unwrap();
    // The file alone is whole.
    std::fs::copy(store.path(), other.path().join(RULES_FILE)).unwrap();
    let copy = RuleStore::new(other.path());
    assert_eq!(copy.current().unwrap().version, 2);
    copy.put(&set("c"), None, "bob", "", 7).unwrap();
    let aside = dir.path().join("aside.sqlite");
    std::fs::rename(store.path(), &aside).unwrap();
    let gone = |error| matches!(error, RulesError::Gone { path } if path.ends_with(RULES_FILE));
    assert!(gone(store.current().unwrap_err()) && gone(store.has_news().unwrap_err()));
    assert!(gone(store.put(&set("d"), None, "ann", "", 8).unwrap_err()) && !store.path().exists());
    std::fs::rename(&aside, store.path()).unwrap();
    assert_eq!(store.put(&set("d"), Some(2), "ann", "", 8).unwrap().0, 3);
    // Another file in its place, by renaming and by writing over it.
    std::fs::rename(store.path(), &aside).unwrap();
    std::fs::copy(copy.path(), store.path()).unwrap();
    assert!(store.has_news().unwrap());
    assert_eq!(store.current().unwrap(), Version { version: 3, set: set("c") });
    std::fs::copy(&aside, store.path()).unwrap();
    assert!(store.has_news().unwrap());
    assert_eq!(store.put(&set("e"), Some(3), "ann", "", 9).unwrap().1.in_words(), "~r (then)");
    assert_eq!(RuleStore::new(dir.path()).version(3).unwrap().set, set("d"));
}

#[test]
fn figures_add_up_by_day() {
    let dir = tempfile::tempdir().unwrap();
    let store = RuleStore::new(dir.path());
    store.put(&set("a"), None, "ann", "", 5).unwrap();
    let counts = RuleCounts { counted: 3, fired: 2, removed: 5, shortened: 1 };
    store.add_figures("2026-11-20", &[("r".into(), counts)]).unwrap();
    store.add_figures("2026-11-20", &[("r".into(), counts), ("q".into(), RuleCounts::default())]).unwrap();
    let figures = store.figures("2026-11-20", "2026-11-20").unwrap();
    assert_eq!(figures[0].counts, RuleCounts { counted: 6, fired: 4, removed: 10, shortened: 2 });
    assert_eq!((figures.len(), store.figures("2026-11-21", "2026-12-01").unwrap().len()), (2, 0));
}

#[test]
fn damage_and_foreign_files_are_errors_that_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = RuleStore::new(dir.path());
    store.put(&set("a"), None, "ann", "", 5).unwrap();
    drop(store);
    let raw = Connection::open(dir.path().join(RULES_FILE)).unwrap();
    raw.execute("UPDATE versions SET who = 'eve'", []).unwrap();
    drop(raw);
    let error = RuleStore::new(dir.path()).current().unwrap_err();
    assert!(matches!(error, RulesError::Damaged { .. }) && error.to_string().contains(RULES_FILE), "{error}");
    std::fs::write(dir.path().join(RULES_FILE), b"no database, but long enough to be looked at").unwrap();
    let _ = std::fs::remove_file(dir.path().join("rules.sqlite-wal"));
    let _ = std::fs::remove_file(dir.path().join("rules.sqlite-shm"));
    assert!(RuleStore::new(dir.path()).current().is_err());
}

#[test]
fn an_empty_file_is_refused_and_left_alone_and_so_is_any_without_the_versions_that_were_seen() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = dir.path().join(RULES_FILE);
    std::fs::write(&path, b"").unwrap();
    let fresh = RuleStore::new(dir.path());
    let is_damage = |error: RulesError| error.to_string().contains(RULES_FILE) && error.to_string().contains("backup");
    assert!(is_damage(fresh.current().unwrap_err()) && is_damage(fresh.history(5).unwrap_err()));
    assert!(is_damage(fresh.put(&set("a"), None, "ann", "", 5).unwrap_err()));
    assert_eq!(path.metadata().unwrap().len(), 0);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(fresh.put(&set("a"), None, "ann", "", 5).unwrap().0, 1);
    let whole = std::fs::read(&path).unwrap();
    // Ours in all but the versions; ours in all but the tables; the beginning of a copy; nothing.
    let made = RuleStore::new(other.path());
    made.put(&set("a"), None, "ann", "", 5).unwrap();
    drop(made);
    let raw = Connection::open(other.path().join(RULES_FILE)).unwrap();
    raw.execute_batch("DELETE FROM versions; DELETE FROM sqlite_sequence; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let without_versions = std::fs::read(other.path().join(RULES_FILE)).unwrap();
    raw.execute_batch("DROP TABLE versions; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let without_tables = std::fs::read(other.path().join(RULES_FILE)).unwrap();
    for refused in [&without_versions[..], &without_tables, &whole[..4096], &whole[..whole.len() - 4096], b""] {
        std::fs::write(&path, refused).unwrap();
        let [read, save] = [fresh.current().unwrap_err(), fresh.put(&set("b"), None, "ann", "", 6).unwrap_err()];
        assert!(is_damage(read) && is_damage(save) && is_damage(fresh.history(5).unwrap_err()));
        assert!(is_damage(fresh.has_news().unwrap_err()));
        assert_eq!(std::fs::read(&path).unwrap(), refused);
    }
    // Taken away after it was refused, it is still no reason to start anew.
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(fresh.put(&set("b"), None, "ann", "", 6), Err(RulesError::Gone { .. })));
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(fresh.put(&set("b"), Some(1), "ann", "", 7).unwrap().0, 2);
}

#[test]
fn of_several_that_save_the_first_version_at_once_each_keeps_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let versions: std::collections::BTreeSet<u64> = std::thread::scope(|scope| {
        let save = |_| scope.spawn(|| RuleStore::new(dir.path()).put(&set("a"), None, "ann", "", 5).unwrap().0);
        let saving: Vec<_> = (0..8).map(save).collect();
        saving.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(versions, (1..=8).collect());
    let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| name.to_string_lossy().starts_with("rules.sqlite.")).count(), 0);
}
