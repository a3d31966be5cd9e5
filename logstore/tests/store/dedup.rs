//! Each event id once, across transactions, segments and restarts.

use innertrail_logstore::{Committed, Snapshot, Store, Transaction, Writer};

use crate::support::{NOW, event, events, layout, open, payloads, raw, row, small};

#[test]
fn an_id_enters_once_and_every_repetition_is_counted() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = Writer::open(&dir, "main", layout(), small(4), NOW).unwrap();
    // Inside one transaction: the first one wins.
    let first = writer.commit(events([1, 1, 2]), NOW).unwrap();
    assert_eq!(first, Committed { log: 2, duplicates: 1, log_first_seq: 0, ..Committed::default() });
    // Across transactions in the log, then across a segment.
    assert_eq!(writer.commit(events([2, 3]), NOW).unwrap().duplicates, 1);
    let sealed = writer.commit(events([4, 5, 3]), NOW).unwrap();
    assert_eq!((sealed.log, sealed.duplicates, sealed.log_first_seq), (2, 1, 3));
    assert!(!Snapshot::open(&dir).unwrap().segments(Store::Log).is_empty());
    // Across a restart: 1 and 2 are in a segment, 4 is in the log.
    drop(writer);
    let mut writer = open(&dir);
    assert_eq!(writer.ids(), 5);
    assert!(writer.contains("event-000004").unwrap() && !writer.contains("event-000006").unwrap());
    let last = writer.commit(events([1, 2, 4, 6]), NOW).unwrap();
    assert_eq!((last.log, last.duplicates), (1, 3));
    assert_eq!(writer.state().counter("duplicates.records"), 6);
    let dropped: usize = [1, 2, 3, 1, 2, 4].map(|id| event(id).len()).iter().sum();
    assert_eq!(writer.state().counter("duplicates.bytes"), dropped as u64);
    assert_eq!(payloads(&Snapshot::open(&dir).unwrap(), Store::Log), (1..=6).map(event).collect::<Vec<_>>());
}

#[test]
fn only_the_dedicated_logstore_is_deduplicated_and_only_by_id() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    let mut txn = Transaction::default();
    for store in Store::ALL {
        txn.push(store, &row(1), 1);
        txn.push(store, &row(1), 1);
    }
    // Events without an id are never duplicates of each other.
    txn.push(Store::Log, &raw(b"{}"), 2);
    txn.push(Store::Log, &raw(b"{}"), 2);
    let committed = writer.commit(txn, NOW).unwrap();
    assert_eq!(
        committed,
        Committed { log: 3, quarantine: 2, passthrough: 2, duplicates: 1, journal: 2, log_first_seq: 0 }
    );
    let state = writer.state();
    let read: u64 =
        ["log", "quarantine", "passthrough", "duplicates"].iter().map(|n| state.counter(&format!("{n}.bytes"))).sum();
    assert_eq!(read, 10, "bytes in = dedicated + quarantine + passthrough + duplicates");
}

#[test]
fn a_refused_transaction_does_not_enter_its_ids() {
    let parent = tempfile::tempdir().unwrap();
    let mut writer = open(&parent.path().join("d"));
    let mut txn = events([1]);
    txn.push(Store::Log, &[1, 2, 3], 3);
    writer.commit(txn, NOW).unwrap_err();
    assert!(!writer.contains("event-000001").unwrap());
    assert_eq!(writer.commit(events([1]), NOW).unwrap().log, 1);
}
