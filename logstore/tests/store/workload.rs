//! One life after another of a data directory, in which every step of `durable::Step` is taken: commits to all stores,
//! rotations by size, by hour and by day, checkpoints, a consumer group, debris of an earlier crash, a new layout,
//! retention. Going on after a crash at any place ends the same.
//! It must never look at more than what a user of the crate sees.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use innertrail_logstore::consumer::{ConsumerError, GroupOptions, Groups, Reader, ReaderOptions};
use innertrail_logstore::durable::Disk;
use innertrail_logstore::{Column, Encoding, Error, Kind, Layout, Options, Snapshot, Store, Transaction, Writer};
use innertrail_verify::{Request, VerifierKey, verify};

use crate::support::{HOUR, NOW, event, key, layout, payloads, raw, row, small};

/// Transactions of the whole.
pub(crate) const STEPS: u64 = 8;
/// What retention leaves of the dedicated Logstore and of quarantine: steps 4 and later are on the second day.
const KEPT: [(Store, u64); 2] = [(Store::Log, 8), (Store::Quarantine, 4)];

/// What the workload was told is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ack {
    /// So many transactions.
    Steps(u64),
    /// The group stands at this record.
    Group(u64),
    /// The first day is dropped.
    Retired,
    /// The other group is removed.
    GroupGone,
}

/// Everything the workload was told is durable, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Acked {
    pub(crate) steps: u64,
    pub(crate) group: Option<u64>,
    pub(crate) retired: bool,
    pub(crate) gone: bool,
}

impl Acked {
    pub(crate) fn add(&mut self, ack: Ack) {
        match ack {
            Ack::Steps(n) => self.steps = n,
            Ack::Group(seq) => self.group = Some(seq),
            Ack::Retired => self.retired = true,
            Ack::GroupGone => self.gone = true,
        }
    }
}

/// Transaction `n`: two new events, one repeated, one quarantined, one passed through.
fn step(n: u64) -> (Transaction, i64) {
    let mut txn = Transaction::default();
    // The repeated one is of the step before: retention has not dropped it, so a new life knows its id as well.
    for id in [2 * n, 2 * n + 1, (2 * n).saturating_sub(1)] {
        txn.push(Store::Log, &row(id), 10);
    }
    txn.push(Store::Quarantine, &raw(&[0xff, n as u8]), 2);
    if n.is_multiple_of(2) {
        txn.push(Store::Passthrough, &raw(b"plain"), 5);
    }
    if n.is_multiple_of(4) {
        txn.push(Store::Journal, &raw(format!("{{\"entry\":{n}}}").as_bytes()), 0);
    }
    txn.checkpoint("source", &(n + 1).to_le_bytes());
    txn.count("batches", 1);
    (txn, NOW + HOUR / 4 * n as i64)
}

/// A column more than before: a newer component.
fn wider() -> Layout {
    let mut layout = layout();
    layout.columns.push(Column::new("extra", Kind::Text, Encoding::Plain));
    layout
}

fn open(dir: &Path, layout: Layout, disk: &Arc<dyn Disk>) -> Result<Writer, Error> {
    let mut options: Options = small(18);
    // So few that ids go to files and one is merged away; with fewer the files would depend on the index's salt.
    options.ids_in_memory = 6;
    options.disk = Arc::clone(disk);
    Writer::open(dir, "main", layout, options, NOW)
}

/// Runs from where the directory stands to the end, through one disk. `told` hears what is durable.
pub(crate) fn run(dir: &Path, disk: &Arc<dyn Disk>, told: &mut dyn FnMut(Ack)) -> Result<(), String> {
    let text = |e: Error| e.to_string();
    // A directory that has the newer layout already goes on with it.
    let wide = Snapshot::open(dir).is_ok_and(|s| s.layout().columns.len() == wider().columns.len());
    let mut writer = open(dir, if wide { wider() } else { layout() }, disk).map_err(text)?;
    let done = writer.state().checkpoint("source").map_or(0, |c| u64::from_le_bytes(c.try_into().unwrap()));
    told(Ack::Steps(done));
    for n in done..STEPS {
        let (txn, now_us) = step(n);
        match n {
            2 => writer.tick(now_us + 2_000_000).map_err(text)?,
            3 => groups(dir, disk, 2 * n, now_us, told).map_err(|e| e.to_string())?,
            5 => {
                drop(writer);
                debris(dir);
                writer = open(dir, wider(), disk).map_err(text)?;
            }
            6 => retire(&mut writer, now_us, told).map_err(text)?,
            7 => remove_group(dir, disk, told).map_err(|e| e.to_string())?,
            _ => {}
        }
        writer.commit(txn, now_us).map_err(text)?;
        told(Ack::Steps(n + 1));
    }
    writer.close(NOW + 3 * HOUR).map_err(text)
}

fn retire(writer: &mut Writer, now_us: i64, told: &mut dyn FnMut(Ack)) -> Result<(), Error> {
    let second = NaiveDate::from_ymd_opt(2026, 11, 13).unwrap();
    for (store, _) in KEPT {
        writer.retire(store, second, now_us)?;
    }
    told(Ack::Retired);
    Ok(())
}

/// Two groups, one with a position; all of it may be there already.
fn groups(
    dir: &Path,
    disk: &Arc<dyn Disk>,
    seq: u64,
    now_us: i64,
    told: &mut dyn FnMut(Ack),
) -> Result<(), ConsumerError> {
    let groups = Groups::with_disk(dir, Arc::clone(disk))?;
    for name in ["siem", "old"] {
        match groups.create(name, Store::Log, GroupOptions::default(), now_us) {
            Err(ConsumerError::Exists { .. }) => {}
            other => other.map(drop)?,
        }
    }
    groups.heartbeat("siem", "c-1", now_us)?;
    let mut reader = Reader::open(dir, ReaderOptions::default())?;
    // What is written and not yet known to be durable is not handed out: the page may be shorter.
    let cursor = reader.pull(reader.begin(Store::Log), seq as usize, usize::MAX)?.next;
    groups.checkpoint("siem", Some("c-1"), cursor, false, now_us)?;
    told(Ack::Group(cursor.seq()));
    Ok(())
}

fn remove_group(dir: &Path, disk: &Arc<dyn Disk>, told: &mut dyn FnMut(Ack)) -> Result<(), ConsumerError> {
    match Groups::with_disk(dir, Arc::clone(disk))?.delete("old") {
        Err(ConsumerError::NoGroup { .. }) => {}
        other => other?,
    }
    told(Ack::GroupGone);
    Ok(())
}

/// What a rotation that was cut short leaves: files that no state knows. Not through the disk: nothing of it counts.
fn debris(dir: &Path) {
    let snapshot = Snapshot::open(dir).unwrap();
    let end = snapshot.tail_from(Store::Log);
    for (folder, file) in [
        ("tmp", "00000099.wal".to_owned()),
        ("log/data/day=2026-11-14", format!("seg-{end:016}-9.parquet")),
        ("log/index/day=2026-11-14", format!("seg-{end:016}-9.tbf")),
        ("seal/leaf/log", format!("seg-{end:016}-9.leaf")),
    ] {
        std::fs::create_dir_all(dir.join(folder)).unwrap();
        std::fs::write(dir.join(folder).join(file), b"half").unwrap();
    }
}

/// Everything in the directory is exactly what `steps` transactions leave, whether retention was there or not.
/// Gives whether it was.
pub(crate) fn assert_holds(dir: &Path, steps: u64, context: &str) -> bool {
    let snapshot = Snapshot::open(dir).unwrap_or_else(|e| panic!("{context}: {e}"));
    let state = snapshot.state();
    for (counter, value) in [
        ("log.records", 2 * steps),
        ("log.bytes", 20 * steps),
        ("duplicates.records", steps),
        ("duplicates.bytes", 10 * steps),
        ("quarantine.records", steps),
        ("passthrough.bytes", 5 * steps.div_ceil(2)),
        ("journal.records", steps.div_ceil(4)),
        ("batches", steps),
    ] {
        assert_eq!(state.counter(counter), value, "{context}: {counter}");
    }
    let first = snapshot.first_kept(Store::Log);
    assert!(first == 0 || first == KEPT[0].1, "{context}: kept from {first}");
    let rows = snapshot.scan_rows(Store::Log, 0, usize::MAX).unwrap_or_else(|e| panic!("{context}: {e}"));
    let seqs: Vec<u64> = rows.iter().map(|r| r.seq).collect();
    assert_eq!(seqs, (first..2 * steps).collect::<Vec<_>>(), "{context}");
    for row in rows {
        assert_eq!(String::from_utf8_lossy(row.payload()), event(row.seq), "{context}");
    }
    for (store, every) in [(Store::Passthrough, 2), (Store::Journal, 4)] {
        assert_eq!(payloads(&snapshot, store).len() as u64, steps.div_ceil(every), "{context}: {store}");
    }
    let quarantined = snapshot.scan_rows(Store::Quarantine, 0, usize::MAX).unwrap();
    assert_eq!(quarantined.len() as u64, steps - snapshot.first_kept(Store::Quarantine), "{context}");
    first > 0
}

/// The position of the group, and whether the other one is there.
pub(crate) fn positions(dir: &Path) -> (Option<u64>, bool) {
    let groups = Groups::open(dir).unwrap();
    let position = match groups.get("siem") {
        Ok(group) => group.cursor.map(|c| c.seq()),
        Err(ConsumerError::NoGroup { .. }) => None,
        Err(e) => panic!("{e}"),
    };
    (position, groups.get("old").is_ok())
}

/// The verifier finds nothing.
pub(crate) fn assert_verified(dir: &Path, context: &str) {
    let key = VerifierKey::parse(key().vkey()).unwrap();
    let report = verify(&Request::new(dir, &key), &mut |_| {}).unwrap_or_else(|e| panic!("{context}: {e}"));
    assert!(report.ok, "{context}\n{}", report.text());
}

/// Sealed files that have a name of their own kind; tiles have none.
pub(crate) fn sealed_files(dir: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![dir.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| ["parquet", "tbf", "leaf", "digest"].iter().any(|s| e == *s)) {
                files.push(path);
            }
        }
    }
    files
}

/// Sealed files can be written by nobody.
pub(crate) fn assert_protected(dir: &Path, context: &str) {
    use std::os::unix::fs::PermissionsExt;
    for path in sealed_files(dir) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o440, "{context}: {}", path.display());
    }
}
