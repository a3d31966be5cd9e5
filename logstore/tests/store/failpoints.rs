//! A fault at every step that is ever taken on the disk, from the list of them, and at every single operation, in each
//! way disks fail.
//!
//! The stories: a crash between the segment's rename and the new state once showed rows twice; and a step that no test
//! knew of was a step at which nobody had ever crashed.

use std::path::Path;

use innertrail_logstore::durable::{Act, Part, Step};
use innertrail_logstore::{Error, Snapshot, Store, Transaction, Writer};

use crate::fault::{At, Fault, FaultDisk};
use crate::support::{NOW, events, layout, plain, raw, scratch};
use crate::workload::{self, Acked, STEPS, assert_holds, assert_protected, assert_verified, positions};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, to) = {
            let e = entry.unwrap();
            (e.path(), to.join(e.file_name()))
        };
        if path.is_dir() { copy(&path, &to) } else { std::fs::copy(&path, to).map(drop).unwrap() }
    }
}

/// Runs with a fault, looks at what is left, runs again with a sound disk, looks at the end.
fn crash_and_recover(at: At, fault: Fault) {
    let context = format!("{fault:?} at {at:?}");
    let parent = scratch();
    let dir = parent.path().join("d");
    let disk = FaultDisk::new(at, fault);
    let mut acked = Acked::default();
    let result = workload::run(&dir, &disk.shared(), &mut |ack| acked.add(ack));
    let (fired, _) = disk.fired();
    assert!(fired, "{context}: it was never reached");
    if fault == Fault::Short {
        // Not a failure: whoever writes goes on with the rest.
        result.unwrap_or_else(|e| panic!("{context}: {e}"));
    } else {
        let told = result.expect_err(&context);
        assert!(
            told.contains("cannot write") || told.contains("Parquet") || told.contains("parquet"),
            "{context}: {told}"
        );
        // A reader sees the crash image as it is: what was acknowledged, or the one step in flight as well.
        let seen = match Snapshot::open(&dir) {
            Ok(snapshot) => snapshot.state().counter("batches"),
            Err(Error::NotALogstore { .. }) => 0,
            Err(e) => panic!("{context}: the reader refused it: {e}"),
        };
        assert!(seen == acked.steps || seen == acked.steps + 1, "{context}: {} acknowledged, {seen} seen", acked.steps);
        if seen > 0 {
            let retired = assert_holds(&dir, seen, &format!("{context}, as it was left"));
            assert!(retired || !acked.retired, "{context}: dropped days are back");
        }
    }
    workload::run(&dir, &FaultDisk::sound().shared(), &mut |ack| acked.add(ack))
        .unwrap_or_else(|e| panic!("{context}: {e}"));
    assert!(assert_holds(&dir, STEPS, &format!("{context}, recovered")));
    assert!(acked.group.is_some() && acked.gone, "{context}");
    assert_eq!(positions(&dir), (acked.group, false), "{context}");
    assert_verified(&dir, &context);
    assert_protected(&dir, &context);
}

/// The steps of a whole run, in order.
fn steps_of_a_run() -> Vec<Step> {
    let parent = scratch();
    let dir = parent.path().join("d");
    let disk = FaultDisk::sound();
    let mut acked = Acked::default();
    workload::run(&dir, &disk.shared(), &mut |ack| acked.add(ack)).unwrap();
    assert_eq!(acked, Acked { steps: STEPS, group: Some(6), retired: true, gone: true });
    assert!(assert_holds(&dir, STEPS, "no fault"));
    assert_verified(&dir, "no fault");
    disk.steps()
}

#[test]
fn a_crash_at_every_step_of_the_list_loses_nothing_and_doubles_nothing() {
    let taken = steps_of_a_run();
    if let Some(step) = taken.iter().find(|step| !step.is_listed()) {
        panic!("{step} is done to the disk but is not on the list in durable/step.rs");
    }
    for step in Step::all().filter(|step| step.part != Part::Tile) {
        let times = taken.iter().filter(|s| **s == step).count();
        assert!(times > 0, "{step} is on the list, but the workload never comes there: extend workload.rs");
        // The last time: most of the workload is behind it. The test below stops at all the others.
        crash_and_recover(At::Step(step, times - 1), Fault::Stop);
    }
}

#[test]
fn every_fault_at_every_operation_loses_nothing_and_doubles_nothing() {
    let taken = steps_of_a_run();
    assert!(taken.len() > 300, "the workload should do more: {} operations", taken.len());
    for fault in Fault::ALL {
        for (number, step) in taken.iter().enumerate() {
            let fits = match fault {
                Fault::Stop | Fault::Io => true,
                Fault::Full => matches!(step.act, Act::CreateDir | Act::Create | Act::Write | Act::Rename | Act::Sync),
                Fault::Short => step.act == Act::Write,
            };
            if fits {
                crash_and_recover(At::Number(number), fault);
            }
        }
    }
}

/// A tile takes 65,536 records, too many for the workload: they are appended once, and a crash comes at each step of
/// the tile they complete.
#[test]
fn a_crash_at_every_step_of_a_tile_is_survived() {
    let base = scratch();
    let template = base.path().join("template");
    let open = |dir: &Path, disk: &FaultDisk| {
        let mut options = plain();
        (options.disk, options.segment_rows) = (disk.shared(), 1 << 20);
        Writer::open(dir, "main", layout(), options, NOW)
    };
    let mut writer = open(&template, &FaultDisk::sound()).unwrap();
    let mut txn = Transaction::default();
    for _ in 0..65_536 {
        txn.push(Store::Passthrough, &raw(b"x"), 1);
    }
    writer.commit(txn, NOW).unwrap();
    drop(writer);
    for act in Part::Tile.acts() {
        let parent = scratch();
        let dir = parent.path().join("d");
        copy(&template, &dir);
        let disk = FaultDisk::new(At::Step(Step { part: Part::Tile, act: *act }, 0), Fault::Stop);
        let mut writer = open(&dir, &disk).unwrap();
        writer.seal_tail(NOW).unwrap_err();
        drop(writer);
        let mut writer = open(&dir, &FaultDisk::sound()).unwrap();
        writer.seal_tail(NOW).unwrap();
        assert_eq!(writer.state().next(Store::Passthrough), 65_536, "{act:?}");
        drop(writer);
        assert_verified(&dir, &format!("tile, {act:?}"));
    }
}

/// The story: PostgreSQL retried a failed fsync for twenty years. The kernel had marked the pages clean, the second fsync
/// succeeded, and the data was gone. Another: Parquet made a text of what the disk said about a small segment, so a
/// full disk was not known to be one.
#[test]
fn after_a_failed_write_or_sync_nothing_is_done_to_the_disk_any_more() {
    for (part, act) in [
        (Part::Frame, Act::Write),
        (Part::Frame, Act::Sync),
        (Part::Segment, Act::Create),
        (Part::Segment, Act::Write),
        (Part::Segment, Act::Seal),
        (Part::State, Act::SyncDir),
    ] {
        for fault in [Fault::Io, Fault::Full] {
            let parent = scratch();
            let dir = parent.path().join("d");
            // The first state is written when the directory is made.
            let nth = usize::from(part == Part::State);
            let disk = FaultDisk::new(At::Step(Step { part, act }, nth), fault);
            let mut options = plain();
            options.disk = disk.shared();
            let mut writer = Writer::open(&dir, "main", layout(), options, NOW).unwrap();
            let mut txn = events([1]);
            let first = writer.commit(std::mem::take(&mut txn), NOW).and_then(|_| writer.seal_tail(NOW));
            let Err(first @ Error::Write { .. }) = first else { panic!("{part:?} {act:?} {fault:?}: {first:?}") };
            assert_eq!(first.is_disk_full(), fault == Fault::Full, "{part:?} {act:?} {fault:?}: {first}");
            let again = writer.commit(events([2]), NOW).unwrap_err();
            assert!(matches!(again, Error::Poisoned { .. }), "{again}");
            assert!(matches!(writer.seal_tail(NOW), Err(Error::Poisoned { .. })));
            assert!(matches!(writer.tick(NOW + 2_000_000), Err(Error::Poisoned { .. })));
            assert!(matches!(writer.retire(Store::Log, chrono::NaiveDate::MAX, NOW), Err(Error::Poisoned { .. })));
            assert!(matches!(writer.close(NOW), Err(Error::Poisoned { .. })));
            assert_eq!(disk.fired(), (true, 0), "{part:?} {act:?} {fault:?}: something was tried again");
        }
    }
}

/// The story: a writer was dropped while its segment was in the making, and the Parquet writer's buffer put the four
/// bytes it held into a new file. How often depended on how far the other thread had come.
#[test]
fn a_writer_that_is_dropped_does_nothing_to_the_disk() {
    let parent = scratch();
    let disk = FaultDisk::sound();
    let mut options = plain();
    options.disk = disk.shared();
    let mut writer = Writer::open(&parent.path().join("d"), "main", layout(), options, NOW).unwrap();
    writer.commit(events([1]), NOW).unwrap();
    let before = disk.steps();
    // Long enough for the thread to have begun: if it was not, the test passes whatever is done.
    std::thread::sleep(std::time::Duration::from_millis(100));
    drop(writer);
    assert_eq!(disk.steps().get(before.len()..), Some(&[][..]));
}

#[test]
fn a_second_crash_while_recovering_from_a_first_one_is_survived() {
    let taken = steps_of_a_run();
    // In the middle of rotations, where most has to be mended: before the state is in place, and right after.
    let rotations = taken.iter().filter(|s| **s == Step { part: Part::State, act: Act::Rename }).count();
    for (act, nth) in (1..rotations).flat_map(|nth| [(Act::Rename, nth), (Act::SyncDir, nth)]).step_by(3) {
        let first = At::Step(Step { part: Part::State, act }, nth);
        for second in (0..).step_by(2) {
            let parent = scratch();
            let dir = parent.path().join("d");
            let mut acked = Acked::default();
            workload::run(&dir, &FaultDisk::new(first, Fault::Stop).shared(), &mut |ack| acked.add(ack)).unwrap_err();
            let before = acked.steps;
            let again = FaultDisk::new(At::Number(second), Fault::Stop);
            let mut opened = false;
            let _ = workload::run(&dir, &again.shared(), &mut |ack| (opened, _) = (true, acked.add(ack)));
            let context = format!("crash at {first:?}, then at operation {second}");
            assert!(acked.steps >= before, "{context}: {before} transactions, then {}", acked.steps);
            workload::run(&dir, &FaultDisk::sound().shared(), &mut |_| {}).unwrap_or_else(|e| panic!("{context}: {e}"));
            assert!(assert_holds(&dir, STEPS, &context));
            assert_verified(&dir, &context);
            if opened {
                break;
            }
        }
    }
}

#[test]
fn a_full_disk_poisons_the_writer_and_the_next_start_recovers() {
    let parent = scratch();
    let dir = parent.path().join("d");
    let disk = FaultDisk::new(At::Step(Step { part: Part::Frame, act: Act::Write }, 1), Fault::Full);
    let mut options = plain();
    options.disk = disk.shared();
    let mut writer = Writer::open(&dir, "main", layout(), options, NOW).unwrap();
    writer.commit(events([1]), NOW).unwrap();
    let full = writer.commit(events([2]), NOW).unwrap_err();
    assert!(full.is_disk_full(), "{full}");
    // Whether there is room again does not matter: what the failed write left is unknown.
    let refused = writer.commit(events([2]), NOW).unwrap_err().to_string();
    assert!(refused.starts_with("the writer stopped after an earlier failure (cannot write"), "{refused}");
    drop(writer);
    let writer = Writer::open(&dir, "main", layout(), plain(), NOW).unwrap();
    assert!(writer.recovery().dropped_bytes > 0);
    assert_eq!(writer.state().next(Store::Log), 1);
}
