//! Reading: round trips, days, look-ups, and a reader beside a busy writer.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use innertrail_logstore::{Error, Snapshot, Store, Transaction, Writer};

use crate::support::{HOUR, NOW, event, events, expected, layout, open, raw, small};

#[test]
fn rows_read_back_the_same_from_the_tail_and_from_a_segment() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    let mut txn = events(0..10);
    txn.push(Store::Quarantine, &raw(&[0xff, 0x00, b'x']), 3);
    txn.push(Store::Passthrough, &raw(b"hello"), 5);
    writer.commit(txn, NOW).unwrap();
    for sealed in [false, true] {
        if sealed {
            writer.seal_tail(NOW).unwrap();
        }
        let snapshot = Snapshot::open(&dir).unwrap();
        assert_eq!(snapshot.segments(Store::Log).len(), usize::from(sealed));
        assert_eq!(snapshot.tail(Store::Log).unwrap().is_empty(), sealed);
        let all: Vec<_> = (0..10).map(|i| expected(i, i, NOW)).collect();
        assert_eq!(snapshot.scan_rows(Store::Log, 0, 100).unwrap(), all);
        assert_eq!(snapshot.scan_rows(Store::Log, 3, 4).unwrap(), all[3..7]);
        assert_eq!(snapshot.scan_rows(Store::Log, 10, 4).unwrap(), []);
        assert_eq!(snapshot.scan_rows(Store::Quarantine, 0, 9).unwrap()[0].payload(), [0xff, 0x00, b'x']);
        assert_eq!(snapshot.scan_rows(Store::Passthrough, 0, 9).unwrap()[0].payload(), b"hello");
        for store in Store::ALL {
            for batch in snapshot.scan_batches(store, 0, 100).unwrap() {
                assert_eq!(batch.schema(), snapshot.schema(store), "sealed: {sealed}");
            }
        }
    }
}

#[test]
fn a_scan_crosses_segments_and_tail() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = Writer::open(&dir, "main", layout(), small(6), NOW).unwrap();
    for n in 0..10 {
        writer.commit(events([2 * n, 2 * n + 1]), NOW + n as i64).unwrap();
    }
    let snapshot = Snapshot::open(&dir).unwrap();
    assert_eq!(snapshot.segments(Store::Log).len(), 3);
    assert_eq!(snapshot.tail_from(Store::Log), 18);
    for from in 0..=20 {
        for limit in [0, 1, 5, 7, 100] {
            let rows = snapshot.scan_rows(Store::Log, from, limit).unwrap();
            let all: Vec<_> = (from..20).take(limit).map(|i| expected(i, i, NOW + (i / 2) as i64)).collect();
            assert_eq!(rows, all, "from {from}, limit {limit}");
        }
    }
    for id in [0, 7, 17, 18, 19] {
        let found = snapshot.find_by_key(Store::Log, &format!("event-{id:06}")).unwrap();
        assert_eq!(found, Some(expected(id, id, NOW + (id / 2) as i64)));
    }
    assert_eq!(snapshot.find_by_key(Store::Log, "event-000020").unwrap(), None);
    assert_eq!(snapshot.find_by_key(Store::Log, "").unwrap(), None);
}

/// Who reads page by page asks for a part of the tail and a few columns of it: what comes is what a scan has there, and no more.
#[test]
fn a_part_of_the_tail_is_what_a_scan_has_there() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    for n in 0..10 {
        writer.commit(events([2 * n, 2 * n + 1]), NOW + n as i64).unwrap();
    }
    let snapshot = Snapshot::open(&dir).unwrap();
    let schema = snapshot.schema(Store::Log);
    let lifted = schema.field(3).name().as_str();
    let wanted = |name: &str| name == lifted;
    let kept = [0, 1, 3, schema.fields().len() - 1];
    for from in 0..=20 {
        for limit in [0, 1, 5, 100] {
            let all = snapshot.scan_batches(Store::Log, from, limit).unwrap();
            let all: Vec<_> = all.iter().map(|batch| batch.project(&kept).unwrap()).collect();
            assert_eq!(snapshot.tail_of(Store::Log, from, limit, &wanted).unwrap(), all, "from {from}, limit {limit}");
        }
    }
    assert_eq!(snapshot.tail_of(Store::Log, 0, 1, &|_| false).unwrap()[0].num_columns(), 3);
}

#[test]
fn a_segment_never_spans_two_days() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    for (n, now) in [NOW, NOW + HOUR - 1, NOW + HOUR, NOW + 30 * HOUR, NOW].into_iter().enumerate() {
        writer.commit(events([n as u64]), now).unwrap();
    }
    writer.close(NOW).unwrap();
    let segments = Snapshot::open(&dir).unwrap().segments(Store::Log).to_vec();
    let names: Vec<_> = segments.iter().map(|s| s.path.strip_prefix(&dir).unwrap().display().to_string()).collect();
    insta::assert_snapshot!(names.join("\n"), @r"
    log/data/day=2026-11-12/seg-0000000000000000-2.parquet
    log/data/day=2026-11-13/seg-0000000000000002-1.parquet
    log/data/day=2026-11-14/seg-0000000000000003-1.parquet
    log/data/day=2026-11-12/seg-0000000000000004-1.parquet
    ");
}

#[test]
fn a_reader_beside_a_busy_writer_sees_a_whole_number_of_transactions() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = Writer::open(&dir, "main", layout(), small(20), NOW).unwrap();
    let (acked, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            let mut snapshot = Snapshot::open(&dir).unwrap();
            while !stop.load(Ordering::SeqCst) {
                let low = acked.load(Ordering::SeqCst);
                snapshot = if seen % 2 == 0 { snapshot.refresh().unwrap() } else { Snapshot::open(&dir).unwrap() };
                let records = snapshot.end(Store::Log);
                assert!(records >= 3 * low, "acknowledged rows must be visible at once");
                assert_eq!(records % 3, 0, "a transaction is seen whole or not at all");
                assert_eq!(snapshot.state().counter("log.records"), records);
                assert_eq!(snapshot.end(Store::Quarantine) * 3, records);
                let rows = snapshot.scan_rows(Store::Log, 0, usize::MAX).unwrap();
                assert_eq!(rows.len() as u64, records);
                assert!(
                    rows.iter()
                        .enumerate()
                        .all(|(i, r)| r.seq == i as u64 && r.payload() == event(i as u64).into_bytes())
                );
                seen += 1;
            }
            seen
        });
        for n in 0..200 {
            let mut txn = events(3 * n..3 * n + 3);
            txn.push(Store::Quarantine, &raw(b"q"), 1);
            writer.commit(txn, NOW + n as i64).unwrap();
            acked.store(n + 1, Ordering::SeqCst);
        }
        // Let the reader look once more at the finished directory.
        std::thread::sleep(std::time::Duration::from_millis(50));
        stop.store(true, Ordering::SeqCst);
        reader.join().unwrap()
    });
    assert!(seen > 3, "the reader looked only {seen} times");
}

fn tree(dir: &Path) -> BTreeMap<String, (u32, u64, std::time::SystemTime)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.metadata().unwrap();
            let name = path.strip_prefix(dir).unwrap().display().to_string();
            found.insert(name, (meta.permissions().mode() & 0o777, meta.len(), meta.modified().unwrap()));
            if meta.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

#[test]
fn a_reader_changes_nothing_and_data_holds_parquet_alone() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    writer.commit(events([1]), NOW).unwrap();
    writer.seal_tail(NOW).unwrap();
    writer.commit(events([2]), NOW).unwrap();
    drop(writer);
    let before = tree(&dir);
    let snapshot = Snapshot::open(&dir).unwrap();
    snapshot.scan_rows(Store::Log, 0, 10).unwrap();
    snapshot.find_by_key(Store::Log, "event-000001").unwrap();
    snapshot.refresh().unwrap();
    assert_eq!(tree(&dir), before);
    assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let modes: Vec<String> = before.iter().map(|(name, (mode, ..))| format!("{mode:o} {name}")).collect();
    insta::assert_snapshot!(modes.join("\n"), @r"
    600 LOCK
    600 format.json
    700 journal
    700 journal/data
    700 log
    700 log/data
    700 log/data/day=2026-11-12
    440 log/data/day=2026-11-12/seg-0000000000000000-1.parquet
    700 log/index
    700 log/index/day=2026-11-12
    440 log/index/day=2026-11-12/seg-0000000000000000-1.tbf
    700 passthrough
    700 passthrough/data
    700 quarantine
    700 quarantine/data
    700 seal
    600 seal/checkpoint
    700 seal/digest
    440 seal/digest/00000001.digest
    440 seal/digest/00000002.digest
    700 seal/leaf
    700 seal/leaf/log
    440 seal/leaf/log/seg-0000000000000000-1.leaf
    600 seal/seal.vkey
    700 seal/tile
    600 state.json
    700 tmp
    700 wal
    600 wal/00000002.wal
    ");
    let nowhere = Snapshot::open(&parent.path().join("nowhere")).unwrap_err();
    assert!(matches!(nowhere, Error::NotALogstore { .. }));
    assert!(!parent.path().join("nowhere").exists());
}

#[test]
fn checkpoints_and_counters_survive_seal_and_restart() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    let mut txn = Transaction::default();
    txn.checkpoint("source", b"one");
    txn.checkpoint("source", b"two");
    txn.checkpoint("sink/a", &[0, 255]);
    txn.count("retries", 2);
    txn.count("retries", 3);
    writer.commit(txn, NOW).unwrap();
    for round in 0..3 {
        if round == 1 {
            writer.seal_tail(NOW).unwrap();
        }
        assert_eq!(writer.state().checkpoint("source"), Some(&b"two"[..]));
        assert_eq!(writer.state().checkpoint("sink/a"), Some(&[0, 255][..]));
        assert_eq!(writer.state().counter("retries"), 5);
        assert_eq!(Snapshot::open(&dir).unwrap().state(), writer.state());
        drop(writer);
        writer = open(&dir);
    }
    let mut txn = writer.begin();
    txn.checkpoint("source", b"");
    writer.commit(txn, NOW).unwrap();
    assert_eq!(writer.state().checkpoint("source"), None);
    drop(writer);
    assert_eq!(open(&dir).state().checkpoint("source"), None);
}
