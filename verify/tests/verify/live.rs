//! No false alarm: while the writer writes, rotates and drops, and after it stopped before any single disk operation.

use std::sync::atomic::{AtomicBool, Ordering};

use innertrail_logstore::{Store, Writer};
use innertrail_verify::{Kind, Request, verify};

use crate::support::{
    CountdownDisk, HOUR, NOW, SECOND, assert_ok, check, check_with, key, kinds, layout, mixed, open, options,
};

#[test]
fn a_store_that_is_being_written_is_verified_as_of_one_moment() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..600u64 {
                let now = NOW + n as i64 * HOUR / 7;
                writer.commit(mixed(n * 10..n * 10 + 10), now).unwrap();
                if n == 300 {
                    let day = "2026-11-13".parse().unwrap();
                    writer.retire(Store::Passthrough, day, now).unwrap();
                }
            }
            done.store(true, Ordering::SeqCst);
        });
        let (mut runs, mut known) = (0, None::<Vec<u8>>);
        while !done.load(Ordering::SeqCst) || runs == 0 {
            let report = known.as_ref().map_or_else(|| check(&dir), |note| check_with(&dir, note));
            assert!(report.ok, "run {runs}: {}", report.text());
            runs += 1;
            known = known.or_else(|| std::fs::read(dir.join("seal/checkpoint")).ok());
        }
    });
    let key = key();
    let mut request = Request::new(&dir, &key);
    request.threads = 3;
    let (mut last, mut calls) = (0, 0);
    let report = verify(&request, &mut |progress| {
        assert!(progress.bytes_done >= last && progress.bytes_done <= progress.bytes_total);
        (last, calls) = (progress.bytes_done, calls + 1);
    });
    let report = report.unwrap();
    assert_ok(&report);
    assert!(calls > 80 && last > 0);
    assert_eq!(report.stores[0].verified, 6_000);
}

/// A crash is not an attack: at most the last write is torn, and after the next start nothing is left to say.
///
/// A rotation that was cut short after a leaf file had its name, and before its segment had, left the leaf file there for
/// ever: the next rotation had more rows and another name, and the stranger in the sealed folder was called an attack.
#[test]
fn after_a_crash_before_any_disk_operation_nothing_is_called_wrong() {
    let mut torn = 0;
    for operations in 0.. {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("d");
        drop(open(&dir));
        let mut crashing = options();
        crashing.disk = CountdownDisk::new(operations);
        let finished = work(&dir, &crashing);
        let report = check(&dir);
        let only_torn = kinds(&report).iter().all(|kind| *kind == Kind::TornOrDamagedTail);
        assert!(only_torn, "before operation {operations}:\n{}", report.text());
        torn += u64::from(!report.ok);
        drop(open(&dir));
        let report = check(&dir);
        assert!(report.ok, "restarted after a stop before operation {operations}:\n{}", report.text());
        assert!(report.notes.is_empty(), "before operation {operations}: {:?}", report.notes);
        // More rows before the next rotation than at the one cut short: leftovers must not survive it.
        let mut writer = open(&dir);
        writer.commit(mixed(900..905), NOW + 5 * SECOND).unwrap();
        writer.seal_tail(NOW + 5 * SECOND).unwrap();
        let report = check(&dir);
        assert!(report.ok, "rotated after a stop before operation {operations}:\n{}", report.text());
        if finished {
            break;
        }
    }
    assert!(torn > 0);
}

/// `true` when it came to its end.
fn work(dir: &std::path::Path, options: &innertrail_logstore::Options) -> bool {
    let run = || -> Result<(), innertrail_logstore::Error> {
        let mut writer = Writer::open(dir, "main", layout(), options.clone(), NOW)?;
        writer.commit(mixed(0..4), NOW)?;
        writer.commit(mixed(4..8), NOW + 2 * SECOND)?;
        writer.seal_tail(NOW + 3 * SECOND)?;
        writer.commit(mixed(8..12), NOW + 4 * HOUR)?;
        writer.seal_tail(NOW + 4 * HOUR)?;
        let day = "2026-11-13".parse().unwrap();
        writer.retire(Store::Log, day, NOW + 4 * HOUR)?;
        writer.commit(mixed(12..16), NOW + 5 * HOUR).map(drop)
    };
    run().is_ok()
}
