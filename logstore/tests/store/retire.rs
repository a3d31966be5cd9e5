//! Retention: whole days go, the rest stays provable, and a crash in the middle is finished at the next start.

use std::io::ErrorKind;

use chrono::NaiveDate;
use innertrail_logstore::{Error, Snapshot, Store, Writer};
use tlog_tiles::{Hash, check_record, record_hash};

use crate::support::{CountdownDisk, HOUR, NOW, event, events, layout, open, plain, raw, small, unsynced};

const DAY: i64 = 24 * HOUR;

/// Five days with 40 events each, from 2026-11-12 on; one quarantined record a day.
fn five_days(writer: &mut Writer) {
    for day in 0..5 {
        let mut txn = events(day * 40..day * 40 + 40);
        txn.push(Store::Quarantine, &raw(b"bad"), 3);
        writer.commit(txn, NOW + day as i64 * DAY).unwrap();
    }
}

fn day(n: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, n).unwrap()
}

#[test]
fn whole_days_go_at_the_front_and_the_rest_is_still_proven() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    five_days(&mut writer);
    let none = writer.retire(Store::Log, day(12), NOW + 5 * DAY).unwrap();
    assert_eq!((none.rows, none.first_kept), (0, 0));
    let gone = writer.retire(Store::Log, day(14), NOW + 5 * DAY).unwrap();
    assert_eq!((gone.rows, gone.segments, gone.first_kept), (80, 2, 80));
    assert_eq!(gone.days, [day(12), day(13)]);
    assert!(!dir.join("log/data/day=2026-11-12").exists());
    assert!(dir.join("quarantine/data/day=2026-11-12").exists(), "each store has a retention of its own");
    drop(writer);
    for reopened in [false, true] {
        if reopened {
            drop(open(&dir));
        }
        let snapshot = Snapshot::open(&dir).unwrap();
        assert_eq!((snapshot.first_kept(Store::Log), snapshot.end(Store::Log)), (80, 200));
        let rows = snapshot.scan_rows(Store::Log, 0, 1_000).unwrap();
        assert_eq!(rows.iter().map(|r| r.seq).collect::<Vec<_>>(), (80..200).collect::<Vec<_>>());
        let root = snapshot.checkpoint().unwrap().lines().nth(2).map(|l| Hash::parse_hash(l).unwrap()).unwrap();
        for seq in [80, 81, 127, 128, 199] {
            let proof = snapshot.inclusion_proof(Store::Log, seq).unwrap();
            let path = proof.hashes.into_iter().map(Hash).collect();
            check_record(&path, 200, root, seq, record_hash(event(seq).as_bytes())).unwrap();
        }
        assert!(matches!(snapshot.inclusion_proof(Store::Log, 79), Err(Error::Proof(_))));
    }
    // An id whose record is gone is new again after a restart.
    let mut writer = open(&dir);
    assert_eq!(writer.commit(events([3, 100]), NOW + 5 * DAY).unwrap().log, 1);
}

#[test]
fn what_is_in_the_tail_stays_whatever_its_day() {
    let parent = tempfile::tempdir().unwrap();
    let mut writer = open(&parent.path().join("d"));
    five_days(&mut writer);
    let gone = writer.retire(Store::Log, day(30), NOW + 30 * DAY).unwrap();
    assert_eq!((gone.rows, gone.first_kept), (160, 160));
    assert_eq!(Snapshot::open(&parent.path().join("d")).unwrap().scan_rows(Store::Log, 0, 99).unwrap().len(), 40);
}

#[test]
fn a_drop_cut_short_at_any_operation_is_all_or_nothing_and_finished_later() {
    let base = tempfile::tempdir().unwrap();
    let template = base.path().join("template");
    let mut writer = Writer::open(&template, "main", layout(), unsynced(small(1_000)), NOW).unwrap();
    five_days(&mut writer);
    drop(writer);
    let mut at = 0;
    loop {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("d");
        copy(&template, &dir);
        let (disk, left) = CountdownDisk::new(u64::MAX, ErrorKind::Other);
        let mut options = plain();
        options.disk = disk;
        let mut writer = Writer::open(&dir, "main", layout(), options, NOW).unwrap();
        left.store(at, std::sync::atomic::Ordering::SeqCst);
        let result = writer.retire(Store::Log, day(14), NOW + 5 * DAY);
        drop(writer);
        let before = Snapshot::open(&dir).unwrap_or_else(|e| panic!("reader after operation {at}: {e}"));
        let kept = before.first_kept(Store::Log);
        assert!(kept == 0 || kept == 80);
        assert_eq!(before.scan_rows(Store::Log, 0, 999).unwrap().len() as u64, 200 - kept, "operation {at}");
        let writer = open(&dir);
        assert_eq!(writer.state().next(Store::Log), 200);
        drop(writer);
        let files = std::fs::read_dir(dir.join("log/data/day=2026-11-12")).map_or(0, Iterator::count);
        assert_eq!(files > 0, kept == 0, "operation {at}: the drop is finished");
        if result.is_ok() {
            break;
        }
        at += 1;
    }
    assert!(at > 20, "{at} operations");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).map(drop).unwrap();
        }
    }
}
