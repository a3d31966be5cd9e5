//! A small layout, events with deterministic bodies, and a disk that stops after a number of operations.
//! It must never decide what is right: the tests do.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use innertrail_logstore::durable::{Disk, DiskFile, OsDisk, Part};
use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{
    Column, Encoding, Kind, Layout, Options, SealKey, Snapshot, Store, StoredRow, Transaction, Value, Writer,
};

/// 2026-11-12 23:00 UTC.
pub(crate) const NOW: i64 = 1_794_524_400_000_000;
pub(crate) const HOUR: i64 = 3_600_000_000;

pub(crate) fn layout() -> Layout {
    Layout {
        columns: vec![
            Column::new("eventId", Kind::Text, Encoding::Plain).with_bloom(),
            Column::new("eventName", Kind::Text, Encoding::Dictionary),
            Column::new("size", Kind::Integer, Encoding::Delta),
            Column::new("eventTime", Kind::Timestamp, Encoding::Delta),
        ],
        key: Some(0),
    }
}

pub(crate) fn event(id: u64) -> String {
    let name = ["PutObject", "GetObject", "DeleteBucket"][(id % 3) as usize];
    format!(r#"{{"eventId":"event-{id:06}","eventName":"{name}","note":"höhe {id}"}}"#)
}

pub(crate) fn row(id: u64) -> Vec<u8> {
    let body = event(id);
    let mut builder = RowBuilder::new();
    builder.begin(body.as_bytes());
    builder.slice(0, 12, 12);
    builder.text(1, ["PutObject", "GetObject", "DeleteBucket"][(id % 3) as usize]);
    if id.is_multiple_of(2) {
        builder.integer(2, id as i64 - 5);
    }
    builder.integer(3, NOW - 1_000_000 + id as i64);
    builder.finish().to_vec()
}

/// What `row(id)` reads back as.
pub(crate) fn expected(id: u64, seq: u64, received_us: i64) -> StoredRow {
    let name = format!("event-{id:06}");
    let mut columns =
        vec![(0, Value::Text(&name)), (1, Value::Text(["PutObject", "GetObject", "DeleteBucket"][(id % 3) as usize]))];
    if id.is_multiple_of(2) {
        columns.push((2, Value::Integer(id as i64 - 5)));
    }
    columns.push((3, Value::Timestamp(NOW - 1_000_000 + id as i64)));
    StoredRow::new(seq, received_us, &columns, event(id).as_bytes())
}

pub(crate) fn raw(bytes: &[u8]) -> Vec<u8> {
    let mut builder = RowBuilder::new();
    builder.begin(bytes);
    builder.finish().to_vec()
}

/// The key of every test: a signature shows the same bytes in each run.
pub(crate) fn key() -> SealKey {
    SealKey::new("main", [7; 32]).unwrap()
}

pub(crate) fn plain() -> Options {
    Options::new(key())
}

pub(crate) fn small(rows: u64) -> Options {
    let mut options = plain();
    options.segment_rows = rows;
    options
}

/// Options whose disk never syncs: the tests here stop the process in thought only, and syncs take their time.
pub(crate) fn unsynced(mut options: Options) -> Options {
    options.disk = CountdownDisk::new(u64::MAX, io::ErrorKind::Other).0;
    options
}

pub(crate) fn open(dir: &Path) -> Writer {
    Writer::open(dir, "main", layout(), plain(), NOW).unwrap()
}

/// One transaction with events `ids` for the dedicated Logstore.
pub(crate) fn events(ids: impl IntoIterator<Item = u64>) -> Transaction {
    let mut txn = Transaction::default();
    for id in ids {
        txn.push(Store::Log, &row(id), event(id).len() as u64);
    }
    txn
}

/// Payloads of a store as text, in sequence order; checks that sequence numbers are dense.
pub(crate) fn payloads(snapshot: &Snapshot, store: Store) -> Vec<String> {
    let rows = snapshot.scan_rows(store, 0, usize::MAX).unwrap();
    assert_eq!(rows.len() as u64, snapshot.end(store));
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(row.seq, i as u64);
    }
    rows.into_iter().map(|r| String::from_utf8_lossy(r.payload()).into_owned()).collect()
}

/// Fails from operation `at` on; the failing write leaves half of its bytes, as a crash would.
#[derive(Debug)]
pub(crate) struct CountdownDisk {
    left: Arc<AtomicU64>,
    kind: io::ErrorKind,
}

impl CountdownDisk {
    pub(crate) fn new(operations: u64, kind: io::ErrorKind) -> (Arc<Self>, Arc<AtomicU64>) {
        let left = Arc::new(AtomicU64::new(operations));
        (Arc::new(Self { left: Arc::clone(&left), kind }), left)
    }

    fn spend(&self) -> io::Result<()> {
        spend(&self.left, self.kind)
    }
}

fn spend(left: &AtomicU64, kind: io::ErrorKind) -> io::Result<()> {
    let spent = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    spent.map(drop).map_err(|_| io::Error::new(kind, "countdown"))
}

struct CountdownFile {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    left: Arc<AtomicU64>,
    kind: io::ErrorKind,
    torn: bool,
}

impl Write for CountdownFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(e) = spend(&self.left, self.kind) {
            if !self.torn {
                self.torn = true;
                self.file.write_all(&bytes[..bytes.len() / 2])?;
            }
            return Err(e);
        }
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for CountdownFile {
    fn sync(&mut self) -> io::Result<()> {
        spend(&self.left, self.kind)
    }
    fn seal(&mut self) -> io::Result<()> {
        spend(&self.left, self.kind)?;
        std::fs::set_permissions(&self.path, Permissions::from_mode(0o440))
    }
}

impl Disk for CountdownDisk {
    fn create_dir(&self, part: Part, path: &Path) -> io::Result<bool> {
        self.spend()?;
        OsDisk::default().create_dir(part, path)
    }
    fn create(&self, part: Part, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.spend()?;
        let file = OsDisk::default().create(part, path)?;
        let path = path.to_path_buf();
        Ok(Box::new(CountdownFile { path, file, left: Arc::clone(&self.left), kind: self.kind, torn: false }))
    }
    fn rename(&self, part: Part, from: &Path, to: &Path) -> io::Result<()> {
        self.spend()?;
        OsDisk::default().rename(part, from, to)
    }
    fn remove(&self, part: Part, path: &Path) -> io::Result<()> {
        self.spend()?;
        OsDisk::default().remove(part, path)
    }
    fn remove_dir(&self, part: Part, path: &Path) -> io::Result<()> {
        self.spend()?;
        OsDisk::default().remove_dir(part, path)
    }
    fn sync_dir(&self, _part: Part, _path: &Path) -> io::Result<()> {
        self.spend()
    }
}

/// A folder in memory where there is one: for tests in which nothing is synced and thousands of small files are made.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
