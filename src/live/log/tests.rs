//! What the log keeps, and what damage to it is.

use super::*;

fn upsert(number: u64, title: &str) -> Change {
    let record = serde_json::json!({"id": format!("p{number}"), "title": title, "price": "5.00 EUR"});
    let product = serde_json::from_value(record).unwrap();
    let vector = vec![number as f32, -0.5, f32::MIN_POSITIVE];
    Change::Upsert(Box::new(Upsert { product, vector, model: "model".into() }))
}

/// One change of each kind in turn.
fn change(number: u64) -> Change {
    let id = ProductId::new(format!("p/{number}")).unwrap();
    match number % 3 {
        0 => Change::Delete { id },
        1 => Change::Patch { id, patch: serde_json::from_str(r#"{"sale_price":null,"labels":{"3":["x"]}}"#).unwrap() },
        _ => upsert(number, "ünïcode"),
    }
}

fn push(log: &mut ChangeLog, numbers: std::ops::Range<u64>) -> Result<(), LiveError> {
    let mut append = log.begin()?;
    for number in numbers {
        assert_eq!(append.push(&change(number), number as i64 * 10)?, number + 1);
    }
    append.commit()
}

fn read(log: &mut ChangeLog, seq: u64) -> Result<Vec<Entry>, LiveError> {
    let mut entries = Vec::new();
    log.read_since(seq, &mut |entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

fn made() -> (tempfile::TempDir, PathBuf, ChangeLog) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("live.sqlite");
    assert!(ChangeLog::open_existing(&path).unwrap().is_none() && !path.exists());
    let log = ChangeLog::open(&path).unwrap();
    (dir, path, log)
}

#[test]
fn changes_come_back_as_they_were_put_in_also_from_another_connection() {
    let (_dir, path, mut log) = made();
    push(&mut log, 0..7).unwrap();
    log.begin().unwrap().push(&change(7), 0).unwrap();
    let mut other = ChangeLog::open_existing(&path).unwrap().unwrap();
    assert_eq!((other.name(), other.last_seq().unwrap()), (log.name(), 7));
    let expected = |seqs: std::ops::Range<u64>| -> Vec<Entry> {
        seqs.map(|n| Entry { seq: n + 1, at_ms: n as i64 * 10, change: change(n) }).collect()
    };
    assert_eq!(read(&mut other, 0).unwrap(), expected(0..7));
    assert_eq!(read(&mut other, 5).unwrap(), expected(5..7));
    assert!(!other.has_news().unwrap());
    push(&mut log, 7..9).unwrap();
    assert!(other.has_news().unwrap() && !log.has_news().unwrap());
    assert_eq!(read(&mut other, 7).unwrap(), expected(7..9));
    assert!(!other.has_news().unwrap());
}

#[test]
fn what_a_write_that_failed_had_read_stays_news() {
    let (_dir, path, mut log) = made();
    push(&mut log, 0..2).unwrap();
    let mut other = ChangeLog::open_existing(&path).unwrap().unwrap();
    push(&mut log, 2..3).unwrap();
    drop(other.begin().unwrap());
    assert!(other.has_news().unwrap(), "nothing was taken of what was read");
    let append = other.begin().unwrap();
    let seen = append.seen();
    append.commit().unwrap();
    other.has_taken(seen);
    assert!(!other.has_news().unwrap());
}

#[test]
fn a_purge_takes_the_oldest_that_are_settled_and_old_enough_and_numbers_go_on() {
    let (_dir, path, mut log) = made();
    push(&mut log, 0..10).unwrap();
    assert_eq!(log.purge(4, 1000).unwrap(), 4);
    assert_eq!(log.purge(10, 70).unwrap(), 3);
    assert_eq!((log.purged().unwrap(), log.size().unwrap().changes), (7, 3));
    assert_eq!(read(&mut log, 0).unwrap().iter().map(|entry| entry.seq).collect::<Vec<_>>(), [8, 9, 10]);
    assert_eq!(log.purge(10, i64::MAX).unwrap(), 3);
    let mut log = ChangeLog::open(&path).unwrap();
    assert_eq!((read(&mut log, 0).unwrap().len(), log.last_seq().unwrap()), (0, 10));
    push(&mut log, 10..12).unwrap();
    assert_eq!(read(&mut log, 10).unwrap().len(), 2);
}

#[test]
fn a_lost_or_altered_row_is_damage_and_so_is_a_log_older_than_what_was_read() {
    let steps = [
        "DELETE FROM changes WHERE seq = 3",
        "DELETE FROM changes WHERE seq = 6",
        "UPDATE changes SET payload = CAST(replace(payload, 'x', 'y') AS BLOB) WHERE seq = 2",
        "UPDATE changes SET seq = 60 WHERE seq = 6",
        "UPDATE sqlite_sequence SET seq = 5",
        "UPDATE sqlite_sequence SET seq = 9",
    ];
    for step in steps {
        let (_dir, path, mut log) = made();
        push(&mut log, 0..6).unwrap();
        log.connection.execute(step, []).unwrap();
        assert!(matches!(read(&mut log, 0), Err(LiveError::Damaged { path: at, .. }) if at == path), "{step}");
    }
    let (_dir, _, mut log) = made();
    push(&mut log, 0..6).unwrap();
    assert!(matches!(read(&mut log, 8), Err(LiveError::Damaged { .. })));
}

#[test]
fn a_full_disk_is_said_reading_goes_on_and_so_does_writing_once_there_is_room() {
    let (_dir, _, mut log) = made();
    push(&mut log, 0..6).unwrap();
    let limit = |log: &ChangeLog, pages: u32| {
        log.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    limit(&log, 1);
    let long = "long ".repeat(20_000);
    let mut append = log.begin().unwrap();
    let full = append.push(&upsert(6, &long), 0).and_then(|_| append.commit());
    assert!(matches!(full, Err(LiveError::DiskFull { .. })), "{full:?}");
    assert_eq!(read(&mut log, 0).unwrap().len(), 6);
    limit(&log, 1 << 20);
    push(&mut log, 6..8).unwrap();
    assert_eq!(read(&mut log, 0).unwrap().len(), 8);
}

#[test]
fn nothing_is_acknowledged_into_a_file_that_is_no_longer_there() {
    let (dir, path, mut log) = made();
    push(&mut log, 0..2).unwrap();
    std::fs::rename(&path, dir.path().join("aside")).unwrap();
    assert!(matches!(push(&mut log, 2..3), Err(LiveError::Replaced { path: at }) if at == path));
    ChangeLog::open(&path).unwrap();
    assert!(matches!(push(&mut log, 2..3), Err(LiveError::Replaced { .. })));
}

#[test]
fn files_of_others_and_of_newer_versions_are_refused_by_name() {
    let (dir, path, log) = made();
    log.connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
    drop(log);
    assert!(matches!(ChangeLog::open(&path), Err(LiveError::FormatVersion { found, .. }) if found == VERSION + 1));
    let foreign = dir.path().join("foreign.sqlite");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
    assert!(matches!(ChangeLog::open(&foreign), Err(LiveError::Foreign { path, .. }) if path == foreign));
    let text = dir.path().join("text");
    std::fs::write(&text, "no database ".repeat(100)).unwrap();
    assert!(matches!(ChangeLog::open(&text), Err(LiveError::Damaged { path, .. }) if path == text));
    let missing = dir.path().join("missing/live.sqlite");
    assert!(matches!(ChangeLog::open(&missing), Err(LiveError::Open { path, .. }) if path == missing));
}

#[test]
fn the_log_is_set_to_wait_for_the_disk_at_every_commit() {
    let dir = tempfile::tempdir().unwrap();
    let log = ChangeLog::open(&dir.path().join("live.sqlite")).unwrap();
    // FULL, as SQLite numbers it: the log of what is written is synced at every commit.
    assert_eq!(pragma(&log.connection, "synchronous").unwrap(), 2);
    let mode: String = log.connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}
