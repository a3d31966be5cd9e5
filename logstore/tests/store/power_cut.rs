//! A power cut after any operation: whatever the disk had not promised may be gone.
//!
//! The story: a folder was made, the process was killed before the folder's name was synced, the next one found the folder
//! there and used it, and a power cut took it away with everything acknowledged in it. A test that only kills processes
//! never sees that: the page cache survives them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use innertrail_logstore::durable::{Act, Step};

use crate::crash_image::{Image, Loss, Random, RecordingDisk, Remains, materialise};
use crate::fault::{At, Fault, FaultDisk};
use crate::support::scratch;
use crate::workload::{self, Ack, Acked, STEPS, assert_holds, assert_protected, assert_verified, positions};

/// Seeded images of each moment, beside the two extremes. `INNERTRAIL_IMAGES` makes it more.
const IMAGES: u64 = 2;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Images that were looked at, so that none is looked at twice.
#[derive(Default)]
struct Seen(BTreeSet<u64>);

impl Seen {
    fn is_new(&mut self, image: &Image, acked: Acked) -> bool {
        let mut hash = DefaultHasher::new();
        image.hash(&mut hash);
        format!("{acked:?}").hash(&mut hash);
        self.0.insert(hash.finish())
    }
}

/// Opens an image for writing, looks, goes on to the end of the workload, looks again.
fn check(remains: &Remains, loss: Loss, seen: &mut Seen, context: &str) {
    let image = remains.image(loss);
    if !seen.is_new(&image, remains.acked) {
        return;
    }
    let context = format!("{context}, {loss:?} lost");
    let parent = scratch();
    materialise(&image, parent.path());
    let dir = parent.path().join("d");
    let mut first = true;
    let result = workload::run(&dir, &FaultDisk::sound().shared(), &mut |ack| {
        // The first thing it says is where it goes on from: everything of before must be there, nothing twice.
        if std::mem::take(&mut first) {
            holds(&dir, ack, remains, &context);
        }
    });
    result.unwrap_or_else(|e| panic!("{context}: {:?} was acknowledged: {e}", remains.acked));
    assert!(assert_holds(&dir, STEPS, &context));
    assert_verified(&dir, &context);
    assert_protected(&dir, &context);
}

/// What a recovered image holds: what was acknowledged, or what was in flight as well.
fn holds(dir: &Path, ack: Ack, remains: &Remains, context: &str) {
    let Ack::Steps(found) = ack else { panic!("{context}: {ack:?} came first") };
    let acked = remains.acked;
    assert!(found == acked.steps || found == acked.steps + 1, "{context}: {acked:?}, but {found} found");
    let retired = assert_holds(dir, found, context);
    assert!(retired || !acked.retired, "{context}: days that were dropped are back");
    let (group, old) = positions(dir);
    assert!(group == acked.group || acked.group.is_none(), "{context}: {acked:?}, the group is at {group:?}");
    assert!(!(acked.gone && old), "{context}: a group that was removed is back");
    assert_verified(dir, context);
    assert_protected(dir, context);
}

#[test]
fn any_image_that_a_power_cut_may_leave_holds_what_was_acknowledged() {
    let (seed, images) = (setting("INNERTRAIL_SEED", 1), setting("INNERTRAIL_IMAGES", IMAGES));
    let top = scratch();
    let disk = RecordingDisk::new(top.path());
    workload::run(&top.path().join("d"), &disk.shared(), &mut |ack| disk.told(ack)).unwrap();
    let mut seen = Seen::default();
    for prefix in 0..=disk.len() {
        let remains = disk.remains(prefix);
        let context = format!("INNERTRAIL_SEED={seed}, operation {prefix}");
        let some = (0..images).map(|n| Loss::Some(seed * 1_000_003 + prefix as u64 * 1_009 + n));
        for loss in [Loss::All, Loss::Nothing].into_iter().chain(some) {
            check(&remains, loss, &mut seen, &context);
        }
    }
    println!("{} different images of {} moments, seed {seed}", seen.0.len(), disk.len());
    assert!(seen.0.len() > 1_000, "only {} different images", seen.0.len());
}

/// A process is killed at some operation, the next one goes on from what it finds, then the power goes.
#[test]
fn what_a_killed_process_left_unsynced_is_made_durable_before_anything_stands_on_it() {
    let (seed, images) = (setting("INNERTRAIL_SEED", 1), setting("INNERTRAIL_IMAGES", IMAGES));
    let steps = {
        let top = scratch();
        let disk = FaultDisk::sound();
        workload::run(&top.path().join("d"), &disk.shared(), &mut |_| {}).unwrap();
        disk.steps()
    };
    let (mut random, mut seen) = (Random::new(seed), Seen::default());
    // Right before each sync: then everything since the last one is only in the page cache.
    let syncs = |step: &Step| matches!(step.act, Act::Sync | Act::Seal | Act::SyncDir);
    let kills: Vec<usize> = steps.iter().enumerate().filter(|(_, step)| syncs(step)).map(|(n, _)| n).collect();
    for killed in kills.iter().copied() {
        let top = scratch();
        let (dir, disk) = (top.path().join("d"), RecordingDisk::new(top.path()));
        let dying = FaultDisk::over(disk.shared(), At::Number(killed), Fault::Stop);
        workload::run(&dir, &dying.shared(), &mut |ack| disk.told(ack)).unwrap_err();
        let from = disk.len();
        workload::run(&dir, &disk.shared(), &mut |ack| disk.told(ack)).unwrap();
        // Most of what may go wrong goes wrong soon after the start.
        let soon = (1..images).map(|_| from + random.below(120)).collect::<Vec<_>>();
        for prefix in soon.into_iter().chain([from + random.below(disk.len() - from), disk.len()]) {
            let remains = disk.remains(prefix.min(disk.len()));
            let context = format!("INNERTRAIL_SEED={seed}, killed at {killed}, operation {prefix}");
            for loss in [Loss::All, Loss::Some(seed + 7 * prefix as u64)] {
                check(&remains, loss, &mut seen, &context);
            }
        }
    }
    println!("{} different images after {} kills, seed {seed}", seen.0.len(), kills.len());
}
