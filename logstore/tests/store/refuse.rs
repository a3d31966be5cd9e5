//! What the writer refuses: a second writer, another trail, and transactions that are not valid.

use innertrail_logstore::{Error, Snapshot, Store, Transaction, Writer};

use crate::support::{NOW, events, layout, open, plain, raw};

#[test]
fn a_second_writer_is_refused_by_name_of_the_lock_and_let_in_later() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let first = open(&dir);
    let second = Writer::open(&dir, "main", layout(), plain(), NOW);
    assert!(matches!(second, Err(Error::Locked { path }) if path == dir.join("LOCK")));
    drop(first);
    open(&dir);
}

#[test]
fn another_trail_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    drop(open(&dir));
    let other = Writer::open(&dir, "second", layout(), plain(), NOW).unwrap_err().to_string();
    assert!(other.contains("belongs to trail `main`, not to `second`"), "{other}");
    assert_eq!(Snapshot::open(&dir).unwrap().trail(), "main");
}

#[test]
fn another_format_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    drop(open(&dir));
    std::fs::write(dir.join("format.json"), r#"{"format":3,"new":true}"#).unwrap();
    assert!(matches!(Snapshot::open(&dir), Err(Error::Version { found: 3, supported: 2, .. })));
}

#[test]
fn a_refused_transaction_writes_nothing_and_does_not_poison() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    let wal = dir.join("wal/00000001.wal");
    let before = std::fs::read(&wal).unwrap();
    let mut bad_row = events([1]);
    bad_row.push(Store::Quarantine, &raw(&[0xff]), 1);
    bad_row.push(Store::Log, &raw(&[b'a', 0xff]), 1);
    let mut reserved = Transaction::default();
    reserved.count("log.records", 1);
    let mut nameless = Transaction::default();
    nameless.checkpoint("", b"x");
    let mut messages = Vec::new();
    for (txn, now) in [(bad_row, NOW), (reserved, NOW), (nameless, NOW), (events([1]), i64::MAX)] {
        messages.push(writer.commit(txn, now).unwrap_err().to_string());
    }
    insta::assert_snapshot!(messages.join("\n"), @r"
    transaction refused, nothing was written: row 2 for log: the payload is not valid UTF-8 at byte 1; such a record belongs in quarantine
    transaction refused, nothing was written: the counter `log.records` is kept by the Logstore itself
    transaction refused, nothing was written: a checkpoint or counter needs a name of 1 to 1024 bytes
    transaction refused, nothing was written: the time 9223372036854775807 µs is out of range
    ");
    assert_eq!(std::fs::read(&wal).unwrap(), before);
    assert_eq!(writer.commit(Transaction::default(), NOW).unwrap().log, 0);
    assert_eq!(std::fs::read(&wal).unwrap(), before, "an empty transaction writes nothing");
    assert_eq!(writer.commit(events([1]), NOW).unwrap().log, 1);
}
