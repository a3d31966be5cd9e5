//! A crash before every single disk operation, over openings, commits, seals and a change of day.
//! The story it guards: a crash between the segment's rename and the new state once showed rows twice.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::Ordering;

use innertrail_logstore::{Error, Options, Snapshot, Store, Transaction, Writer};

use crate::support::{CountdownDisk, HOUR, NOW, event, layout, payloads, raw, row, small, unsynced};

const STEPS: u64 = 8;

/// Step `n` of the workload: two new events, one repeated, one quarantined, one passed through.
fn step(n: u64) -> (Transaction, i64) {
    let mut txn = Transaction::default();
    for id in [2 * n, 2 * n + 1, n] {
        txn.push(Store::Log, &row(id), 10);
    }
    txn.push(Store::Quarantine, &raw(&[0xff, n as u8]), 2);
    txn.push(Store::Passthrough, &raw(b"plain"), 5);
    txn.checkpoint("source", &(n + 1).to_le_bytes());
    txn.count("batches", 1);
    // Steps 4.. are on the next day.
    (txn, NOW + HOUR / 4 * n as i64)
}

fn options(disk: Option<std::sync::Arc<CountdownDisk>>) -> Options {
    let mut options = unsynced(small(12));
    if let Some(disk) = disk {
        options.disk = disk;
    }
    options
}

/// Runs from where the checkpoint says; returns how many steps were acknowledged in all.
fn run(dir: &Path, options: Options) -> (u64, Result<(), Error>) {
    let mut acked = 0;
    let result = (|| {
        let mut writer = Writer::open(dir, "main", layout(), options, NOW)?;
        let done = writer.state().checkpoint("source").map_or(0, |c| u64::from_le_bytes(c.try_into().unwrap()));
        acked = done;
        for n in done..STEPS {
            let (txn, now) = step(n);
            writer.commit(txn, now)?;
            acked = n + 1;
        }
        writer.close(NOW + 3 * HOUR)
    })();
    (acked, result)
}

/// Everything in the directory is exactly what `steps` steps leave.
fn assert_holds(dir: &Path, steps: u64, context: &str) {
    let snapshot = Snapshot::open(dir).unwrap_or_else(|e| panic!("{context}: {e}"));
    let state = snapshot.state();
    let repeated = steps;
    // Step 0 repeats its own event 0, so it adds events 0 and 1 and drops one; so does every other step.
    let new = 2 * steps;
    assert_eq!(state.counter("log.records"), new, "{context}");
    assert_eq!(state.counter("log.bytes"), 10 * new, "{context}");
    assert_eq!(state.counter("duplicates.records"), repeated, "{context}");
    assert_eq!(state.counter("duplicates.bytes"), 10 * repeated, "{context}");
    assert_eq!(state.counter("quarantine.records"), steps, "{context}");
    assert_eq!(state.counter("passthrough.bytes"), 5 * steps, "{context}");
    assert_eq!(state.counter("batches"), steps, "{context}");
    let log: Vec<String> = (0..new).map(event).collect();
    assert_eq!(payloads(&snapshot, Store::Log), log, "{context}");
    assert_eq!(payloads(&snapshot, Store::Quarantine).len() as u64, steps, "{context}");
    assert_eq!(payloads(&snapshot, Store::Passthrough).len() as u64, steps, "{context}");
}

fn steps_in(dir: &Path) -> Option<u64> {
    match Snapshot::open(dir) {
        Ok(s) => Some(s.state().counter("batches")),
        Err(Error::NotALogstore { .. }) => None,
        Err(e) => panic!("the reader refused a crash image: {e}"),
    }
}

#[test]
fn a_crash_before_any_operation_loses_nothing_and_doubles_nothing() {
    let (disk, left) = CountdownDisk::new(u64::MAX, ErrorKind::Other);
    let whole = tempfile::tempdir().unwrap();
    let (acked, result) = run(&whole.path().join("d"), options(Some(disk)));
    result.unwrap();
    assert_eq!(acked, STEPS);
    assert_holds(&whole.path().join("d"), STEPS, "no crash");
    let operations = u64::MAX - left.load(Ordering::SeqCst);
    assert!(operations > 150, "the workload should seal several times: {operations} operations");

    for at in 0..operations {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("d");
        let (disk, _) = CountdownDisk::new(at, ErrorKind::Other);
        let (acked, result) = run(&dir, options(Some(disk)));
        assert!(result.is_err(), "operation {at} did not fail");
        // A reader sees the crash image as it is: what was acknowledged, or the one step in flight as well.
        if dir.exists() {
            let seen = steps_in(&dir).unwrap_or(0);
            assert!(seen == acked || seen == acked + 1, "operation {at}: {acked} acknowledged, {seen} seen");
            if seen > 0 {
                assert_holds(&dir, seen, &format!("reader after crash at operation {at}"));
            }
        }
        let (acked, result) = run(&dir, options(None));
        result.unwrap_or_else(|e| panic!("recovery after operation {at}: {e}"));
        assert_eq!(acked, STEPS);
        assert_holds(&dir, STEPS, &format!("after crash at operation {at} and recovery"));
    }
}

#[test]
fn a_second_crash_while_recovering_from_a_first_one_is_survived() {
    // The first crash comes in the middle of a seal; the second before every operation of the recovery.
    for first in [60, 75, 90, 105, 120] {
        for second in 0..40 {
            let parent = tempfile::tempdir().unwrap();
            let dir = parent.path().join("d");
            let (acked, _) = run(&dir, options(Some(CountdownDisk::new(first, ErrorKind::Other).0)));
            let (again, _) = run(&dir, options(Some(CountdownDisk::new(second, ErrorKind::Other).0)));
            // When the second opening failed, it acknowledged nothing; nothing of the first may be gone.
            run(&dir, options(None)).1.unwrap_or_else(|e| panic!("crash at {first}, then at {second}: {e}"));
            assert!(again == 0 || again >= acked);
            assert_holds(&dir, STEPS, &format!("crash at {first}, then at {second}"));
        }
    }
}

#[test]
fn a_full_disk_poisons_the_writer_and_the_next_start_recovers() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let (disk, left) = CountdownDisk::new(u64::MAX, ErrorKind::StorageFull);
    let mut writer = Writer::open(&dir, "main", layout(), options(Some(disk)), NOW).unwrap();
    let (txn, now) = step(0);
    writer.commit(txn, now).unwrap();
    left.store(0, Ordering::SeqCst);
    let (txn, now) = step(1);
    assert!(matches!(writer.commit(txn, now), Err(Error::Write { .. })));
    // The disk has room again, but what the failed write left is unknown: every later call fails.
    left.store(u64::MAX, Ordering::SeqCst);
    let (txn, now) = step(1);
    let refused = writer.commit(txn, now).unwrap_err().to_string();
    assert!(refused.starts_with("the writer stopped after an earlier failure (cannot write"), "{refused}");
    assert!(matches!(writer.seal_tail(NOW), Err(Error::Poisoned { .. })));
    drop(writer);
    let writer = Writer::open(&dir, "main", layout(), options(None), NOW).unwrap();
    assert!(writer.recovery().dropped_bytes > 0);
    assert_eq!(writer.state().counter("batches"), 1);
}
