//! The immutable flag on sealed files: set when a rotation counts, taken away by retention alone, and in nobody's way.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use innertrail_logstore::durable::{OsDisk, Part, Step, immutable};
use innertrail_logstore::{Error, Options, Snapshot, Store, Writer};

use crate::fault::{At, Fault, FaultDisk};
use crate::support::{HOUR, NOW, events, layout, plain, raw};
use crate::workload::{assert_verified, sealed_files};

const DAY: i64 = 24 * HOUR;

/// A folder that can be removed again, also when a test fails: not even root removes an immutable file.
struct Place(tempfile::TempDir);

impl Place {
    /// `None` where the flag cannot be set; says so.
    fn new() -> Option<Self> {
        let place = Self(tempfile::tempdir().unwrap());
        if immutable::possible(place.0.path()).unwrap() {
            return Some(place);
        }
        println!("SKIPPED: no immutable flag on this file system, or no CAP_LINUX_IMMUTABLE");
        None
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("d")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for path in sealed_files(self.0.path()) {
            let _ = immutable::set(&path, false);
        }
    }
}

fn open(dir: &Path, immutable: bool) -> Result<Writer, Error> {
    let mut options: Options = plain();
    options.disk = Arc::new(OsDisk { immutable });
    Writer::open(dir, "main", layout(), options, NOW)
}

/// Two days, the first of them sealed.
fn two_days(writer: &mut Writer) {
    for day in 0..2 {
        let mut txn = events(day * 10..day * 10 + 10);
        txn.push(Store::Quarantine, &raw(b"bad"), 3);
        writer.commit(txn, NOW + day as i64 * DAY).unwrap();
    }
}

fn is_immutable(path: &Path) -> bool {
    // Opening for writing is what the flag forbids even to root; nothing is written.
    let opened = std::fs::OpenOptions::new().append(true).open(path);
    let renamed = std::fs::rename(path, path.with_extension("elsewhere"));
    let refused = |e: &std::io::Error| e.kind() == ErrorKind::PermissionDenied;
    if renamed.is_ok() {
        std::fs::rename(path.with_extension("elsewhere"), path).unwrap();
    }
    opened.is_err_and(|e| refused(&e)) && renamed.is_err_and(|e| refused(&e))
}

#[test]
fn sealed_files_are_immutable_until_retention_drops_them() {
    let Some(place) = Place::new() else { return };
    let dir = place.dir();
    let mut writer = open(&dir, true).unwrap();
    two_days(&mut writer);
    let sealed = sealed_files(&dir);
    // log: segment, token index, leaf file; quarantine: segment, leaf file; the digest of the rotation, and the first one.
    assert_eq!(sealed.len(), 7, "{sealed:?}");
    for path in &sealed {
        assert!(is_immutable(path), "{}", path.display());
    }
    assert_verified(&dir, "immutable");
    let before = NaiveDate::from_ymd_opt(2026, 11, 13).unwrap();
    let gone = writer.retire(Store::Log, before, NOW + DAY).unwrap();
    assert_eq!((gone.rows, gone.segments), (10, 1));
    assert!(!dir.join("log/data/day=2026-11-12").exists());
    drop(writer);
    drop(open(&dir, true).unwrap());
    assert!(sealed_files(&dir).iter().all(|path| is_immutable(path)));
    assert_verified(&dir, "after retention");
    // Without the wish nothing new gets the flag, and retention takes away what has it.
    let mut writer = open(&dir, false).unwrap();
    assert_eq!(writer.retire(Store::Quarantine, before, NOW + DAY).unwrap().rows, 1);
    writer.commit(events([99]), NOW + DAY).unwrap();
    writer.seal_tail(NOW + DAY).unwrap();
    let newest = sealed_files(&dir).into_iter().max_by_key(|p| std::fs::metadata(p).unwrap().modified().unwrap());
    assert!(!is_immutable(&newest.unwrap()));
    assert_eq!(Snapshot::open(&dir).unwrap().end(Store::Log), 21);
}

/// The story: a flag set too early locks the directory. A digest whose state never came is replaced by the next rotation, and
/// a file that cannot be renamed over would stop every start from then on.
#[test]
fn a_rotation_cut_short_at_any_step_leaves_nothing_that_cannot_be_mended() {
    let Some(probe) = Place::new() else { return };
    drop(probe);
    let steps = [Part::Segment, Part::TokenIndex, Part::Leaf, Part::Digest, Part::State, Part::OldWal];
    for step in Step::all().filter(|step| steps.contains(&step.part)) {
        let Some(place) = Place::new() else { return };
        let dir = place.dir();
        let mut options = plain();
        // The first digest and the first state come with the directory.
        let nth = usize::from(matches!(step.part, Part::Digest | Part::State));
        options.disk = FaultDisk::over(Arc::new(OsDisk { immutable: true }), At::Step(step, nth), Fault::Stop).shared();
        let mut writer = Writer::open(&dir, "main", layout(), options, NOW).unwrap();
        let sealed = writer.commit(events([1, 2]), NOW).and_then(|_| writer.seal_tail(NOW));
        assert!(sealed.is_err(), "{step}");
        drop(writer);
        let mut writer = open(&dir, true).unwrap_or_else(|e| panic!("{step}: {e}"));
        writer.commit(events([3]), NOW).unwrap();
        writer.seal_tail(NOW).unwrap_or_else(|e| panic!("{step}: {e}"));
        assert_eq!(writer.state().next(Store::Log), 3, "{step}");
        drop(writer);
        assert_verified(&dir, &step.to_string());
        assert!(sealed_files(&dir).iter().all(|path| is_immutable(path)), "{step}");
    }
}
