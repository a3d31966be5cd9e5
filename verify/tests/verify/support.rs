//! A small layout, events with deterministic bodies, a forger with the key, and a disk that stops after some operations.
//! It must never decide what is right: the tests do.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::{Signer as _, SigningKey};
use innertrail_logstore::durable::{Disk, DiskFile, OsDisk, Part};
use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Column, Encoding, Kind as ColumnKind, Layout, Options, SealKey, Store, Transaction, Writer};
use innertrail_verify::tree::sha256;
use innertrail_verify::{Finding, Kind, Report, Request, VerifierKey, verify};

/// 2026-11-12 21:00 UTC.
pub(crate) const NOW: i64 = 1_794_517_200_000_000;
pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const HOUR: i64 = 3_600 * SECOND;
const SEED: [u8; 32] = [7; 32];

pub(crate) fn layout() -> Layout {
    Layout {
        columns: vec![
            Column::new("eventId", ColumnKind::Text, Encoding::Plain),
            Column::new("size", ColumnKind::Integer, Encoding::Delta),
        ],
        key: Some(0),
    }
}

pub(crate) fn event(id: u64) -> String {
    format!(r#"{{"eventId":"event-{id:06}","note":"höhe {id}"}}"#)
}

pub(crate) fn events(ids: impl IntoIterator<Item = u64>) -> Transaction {
    let mut txn = Transaction::default();
    let mut builder = RowBuilder::new();
    for id in ids {
        let body = event(id);
        builder.begin(body.as_bytes());
        builder.slice(0, 12, 12);
        builder.integer(1, id as i64);
        txn.push(Store::Log, builder.finish(), body.len() as u64);
    }
    txn
}

pub(crate) fn raw(bytes: &[u8]) -> Vec<u8> {
    let mut builder = RowBuilder::new();
    builder.begin(bytes);
    builder.finish().to_vec()
}

/// Events, and one record in each of the other stores.
pub(crate) fn mixed(ids: std::ops::Range<u64>) -> Transaction {
    let mut txn = events(ids.clone());
    txn.push(Store::Quarantine, &raw(&[0xff, ids.start as u8]), 2);
    txn.push(Store::Passthrough, &raw(format!("plain {}", ids.start).as_bytes()), 8);
    txn.push(Store::Journal, &raw(format!(r#"{{"kind":"test","n":{}}}"#, ids.start).as_bytes()), 0);
    txn.checkpoint("source", format!("cursor-{}", ids.end).as_bytes());
    txn
}

pub(crate) fn seal_key() -> SealKey {
    SealKey::new("main", SEED).unwrap()
}

pub(crate) fn key() -> VerifierKey {
    VerifierKey::parse(seal_key().vkey()).unwrap()
}

pub(crate) fn options() -> Options {
    let mut options = Options::new(seal_key());
    options.disk = CountdownDisk::new(u64::MAX);
    options
}

pub(crate) fn open(dir: &Path) -> Writer {
    Writer::open(dir, "main", layout(), options(), NOW).unwrap()
}

/// Three rotations an hour apart, then two frames in the tail; `seal/checkpoint` is of the last frame.
pub(crate) fn small_store(dir: &Path) {
    let mut writer = open(dir);
    for hour in 0..3 {
        let now = NOW + hour as i64 * HOUR;
        writer.commit(mixed(hour * 20..hour * 20 + 10), now).unwrap();
        writer.commit(mixed(hour * 20 + 10..hour * 20 + 20), now + SECOND).unwrap();
    }
    let now = NOW + 3 * HOUR;
    writer.commit(mixed(60..64), now).unwrap();
    writer.commit(mixed(64..70), now + 1).unwrap();
    writer.tick(now + 10 * SECOND).unwrap();
}

pub(crate) fn check(dir: &Path) -> Report {
    verify(&Request::new(dir, &key()), &mut |_| {}).unwrap()
}

pub(crate) fn check_with(dir: &Path, note: &[u8]) -> Report {
    let key = key();
    let mut request = Request::new(dir, &key);
    request.checkpoint = Some(note);
    verify(&request, &mut |_| {}).unwrap()
}

pub(crate) fn assert_ok(report: &Report) {
    assert!(report.ok, "{}", report.text());
}

pub(crate) fn kinds(report: &Report) -> Vec<Kind> {
    report.findings.iter().map(|f| f.kind).collect()
}

pub(crate) fn find(report: &Report, kind: Kind) -> &Finding {
    report.findings.iter().find(|f| f.kind == kind).unwrap_or_else(|| panic!("no {kind:?} in\n{}", report.text()))
}

/// A copy of a directory that may be written to.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::write(to, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// A verified small store and a place for a damaged copy of it.
pub(crate) struct Scene {
    _parent: tempfile::TempDir,
    pub(crate) dir: PathBuf,
}

pub(crate) fn scene() -> Scene {
    let parent = tempfile::tempdir().unwrap();
    let (made, dir) = (parent.path().join("made"), parent.path().join("d"));
    small_store(&made);
    copy(&made, &dir);
    assert_ok(&check(&dir));
    Scene { _parent: parent, dir }
}

/// All files below a folder, relative to it, sorted.
pub(crate) fn files(dir: &Path) -> Vec<String> {
    fn walk(root: &Path, dir: &Path, out: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, out);
            } else {
                out.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let mut out = Vec::new();
    walk(dir, dir, &mut out);
    out.sort();
    out
}

/// The files of the seal: what a change of must be found in.
pub(crate) fn sealed_files(dir: &Path) -> Vec<String> {
    let unsealed = |path: &String| path == "LOCK" || path.starts_with("tmp/");
    files(dir).into_iter().filter(|path| !unsealed(path)).collect()
}

/// The segment of `store` that begins with record `first`.
pub(crate) fn segment(dir: &Path, store: &str, first: u64) -> PathBuf {
    let wanted = format!("seg-{first:016}-");
    let found = files(dir).into_iter().find(|f| f.starts_with(&format!("{store}/data/")) && f.contains(&wanted));
    dir.join(found.unwrap())
}

/// A note over `text`, as somebody with the key would make it: by the text of the specification.
pub(crate) fn sign(text: &str) -> Vec<u8> {
    let key = SigningKey::from_bytes(&SEED);
    let name = "innertrail/main";
    let id = sha256(&[name.as_bytes(), b"\n\x01", key.verifying_key().as_bytes()].concat());
    let signature = [&id[..4], &key.sign(text.as_bytes()).to_bytes()].concat();
    format!("{text}\n\u{2014} {name} {}\n", BASE64_STANDARD.encode(signature)).into_bytes()
}

/// The text of a note.
pub(crate) fn text_of(note: &[u8]) -> String {
    let note = std::str::from_utf8(note).unwrap();
    note[..note.rfind("\n\n").unwrap() + 1].to_owned()
}

/// Fails from some operation on; the failing write leaves half of its bytes, as a crash would. It never syncs.
#[derive(Debug)]
pub(crate) struct CountdownDisk(Arc<AtomicU64>);

impl CountdownDisk {
    pub(crate) fn new(operations: u64) -> Arc<Self> {
        Arc::new(Self(Arc::new(AtomicU64::new(operations))))
    }
}

fn spend(left: &AtomicU64) -> io::Result<()> {
    let spent = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    spent.map(drop).map_err(|_| io::Error::other("countdown"))
}

struct CountdownFile {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    left: Arc<AtomicU64>,
    torn: bool,
}

impl Write for CountdownFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(e) = spend(&self.left) {
            if !std::mem::replace(&mut self.torn, true) {
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
        spend(&self.left)
    }
    fn seal(&mut self) -> io::Result<()> {
        spend(&self.left)?;
        fs::set_permissions(&self.path, Permissions::from_mode(0o440))
    }
}

impl Disk for CountdownDisk {
    fn create_dir(&self, part: Part, path: &Path) -> io::Result<bool> {
        spend(&self.0)?;
        OsDisk::default().create_dir(part, path)
    }
    fn create(&self, part: Part, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        spend(&self.0)?;
        let file = OsDisk::default().create(part, path)?;
        let path = path.to_path_buf();
        Ok(Box::new(CountdownFile { path, file, left: Arc::clone(&self.0), torn: false }))
    }
    fn rename(&self, part: Part, from: &Path, to: &Path) -> io::Result<()> {
        spend(&self.0)?;
        OsDisk::default().rename(part, from, to)
    }
    fn remove(&self, part: Part, path: &Path) -> io::Result<()> {
        spend(&self.0)?;
        OsDisk::default().remove(part, path)
    }
    fn remove_dir(&self, part: Part, path: &Path) -> io::Result<()> {
        spend(&self.0)?;
        OsDisk::default().remove_dir(part, path)
    }
    fn sync_dir(&self, _part: Part, _path: &Path) -> io::Result<()> {
        spend(&self.0)
    }
}
