//! A disk that remembers every operation, and what of it a power cut may leave.
//!
//! The model is worse than a journaling file system, on purpose. What was synced is there. Of the rest, independently:
//! names that were made, moved or taken away in a directory that was not synced since may be there or not, in any
//! combination (a name that was moved is in the old place, in the new one, or in both, never in none); what was written
//! to a file since its last sync may be missing, whole, cut at any byte, or full of holes with zeros or old rubbish.
//! It must never decide what is right: the tests do.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use innertrail_logstore::durable::{Disk, DiskFile, OsDisk, Part};

use crate::workload::{Ack, Acked};

const SECTOR: usize = 512;
const ROOT: usize = 0;

/// Small and good enough to choose with; the same on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end.max(1)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A name in a directory.
type Place = (usize, String);

#[derive(Debug, Clone)]
enum Op {
    /// A new file or directory under a name.
    Link(Place, usize),
    /// The node is a file.
    File(usize),
    Write(usize, Vec<u8>),
    Sync(usize),
    Seal(usize),
    Move(Place, Place, usize),
    Unlink(Place, usize),
    SyncDir(usize),
    Told(Ack),
}

#[derive(Debug, Default)]
struct Record {
    top: PathBuf,
    ops: Vec<Op>,
    /// What every path is now; the top is [`ROOT`].
    names: BTreeMap<PathBuf, usize>,
    next: usize,
}

impl Record {
    fn place(&self, path: &Path) -> Place {
        let parent = path.parent().unwrap();
        let dir = if parent == self.top { ROOT } else { self.names[parent] };
        (dir, path.file_name().unwrap().to_str().unwrap().to_owned())
    }

    fn link(&mut self, path: &Path, file: bool) -> usize {
        self.next += 1;
        let (place, node) = (self.place(path), self.next);
        self.ops.extend(file.then_some(Op::File(node)));
        self.ops.push(Op::Link(place, node));
        self.names.insert(path.to_path_buf(), node);
        node
    }

    fn unlink(&mut self, path: &Path) {
        // What was put there past this disk is not known, and not durable either.
        if let Some(node) = self.names.remove(path) {
            let place = self.place(path);
            self.ops.push(Op::Unlink(place, node));
        }
    }
}

/// The disk. `top` is there and durable; everything in it is remembered.
#[derive(Debug, Clone)]
pub(crate) struct RecordingDisk(Arc<Mutex<Record>>);

impl RecordingDisk {
    pub(crate) fn new(top: &Path) -> Self {
        let record = Record { top: top.to_path_buf(), ..Record::default() };
        Self(Arc::new(Mutex::new(record)))
    }

    pub(crate) fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// Notes that something was acknowledged here.
    pub(crate) fn told(&self, ack: Ack) {
        self.0.lock().unwrap().ops.push(Op::Told(ack));
    }

    /// Operations so far.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().ops.len()
    }

    /// What may be on the disk after the first `prefix` operations.
    pub(crate) fn remains(&self, prefix: usize) -> Remains {
        let mut remains = Remains::default();
        self.0.lock().unwrap().ops.iter().take(prefix).for_each(|op| remains.apply(op));
        remains
    }
}

struct RecordingFile {
    disk: RecordingDisk,
    node: usize,
    path: PathBuf,
    file: Box<dyn DiskFile>,
}

impl RecordingFile {
    fn push(&self, op: Op) {
        self.disk.0.lock().unwrap().ops.push(op);
    }
}

impl Write for RecordingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.push(Op::Write(self.node, bytes.to_vec()));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for RecordingFile {
    fn sync(&mut self) -> io::Result<()> {
        self.push(Op::Sync(self.node));
        Ok(())
    }
    fn seal(&mut self) -> io::Result<()> {
        self.push(Op::Seal(self.node));
        std::fs::set_permissions(&self.path, Permissions::from_mode(0o440))
    }
}

impl Disk for RecordingDisk {
    fn create_dir(&self, part: Part, path: &Path) -> io::Result<bool> {
        let fresh = OsDisk::default().create_dir(part, path)?;
        let mut record = self.0.lock().unwrap();
        // Made past this disk: as if it were made now.
        if !record.names.contains_key(path) {
            record.link(path, false);
        }
        Ok(fresh)
    }
    fn create(&self, part: Part, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OsDisk::default().create(part, path)?;
        let mut record = self.0.lock().unwrap();
        record.unlink(path);
        let node = record.link(path, true);
        Ok(Box::new(RecordingFile { disk: self.clone(), node, path: path.to_path_buf(), file }))
    }
    fn rename(&self, part: Part, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk::default().rename(part, from, to)?;
        let mut record = self.0.lock().unwrap();
        let (old, new) = (record.place(from), record.place(to));
        let node = record.names.remove(from).unwrap();
        record.names.insert(to.to_path_buf(), node);
        record.ops.push(Op::Move(old, new, node));
        Ok(())
    }
    fn remove(&self, part: Part, path: &Path) -> io::Result<()> {
        OsDisk::default().remove(part, path)?;
        self.0.lock().unwrap().unlink(path);
        Ok(())
    }
    fn remove_dir(&self, part: Part, path: &Path) -> io::Result<()> {
        OsDisk::default().remove_dir(part, path)?;
        if !path.exists() {
            self.0.lock().unwrap().unlink(path);
        }
        Ok(())
    }
    fn sync_dir(&self, _part: Part, path: &Path) -> io::Result<()> {
        let mut record = self.0.lock().unwrap();
        let node = if path == record.top { Some(ROOT) } else { record.names.get(path).copied() };
        record.ops.extend(node.map(Op::SyncDir));
        Ok(())
    }
}

#[derive(Debug, Clone, Default)]
struct Content {
    durable: Vec<u8>,
    /// Written since.
    fresh: Vec<u8>,
    /// Whether the right to write is gone for good.
    sealed: bool,
}

impl Content {
    fn settle(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        self.durable.extend(fresh);
    }
}

/// What of some operations is durable, and what may be.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    names: BTreeMap<Place, usize>,
    files: BTreeMap<usize, Content>,
    pending: Vec<Op>,
    /// What was acknowledged so far.
    pub(crate) acked: Acked,
}

/// How much of what may be lost is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// All of it.
    All,
    /// Nothing.
    Nothing,
    /// Some, by this seed.
    Some(u64),
}

/// Files with their content and whether they are sealed, by path.
pub(crate) type Image = BTreeMap<PathBuf, Option<(Vec<u8>, bool)>>;

impl Remains {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::File(node) => drop(self.files.entry(*node).or_default()),
            Op::Write(node, bytes) => self.files.entry(*node).or_default().fresh.extend(bytes),
            Op::Sync(node) => self.files.entry(*node).or_default().settle(),
            Op::Seal(node) => {
                let file = self.files.entry(*node).or_default();
                file.settle();
                file.sealed = true;
            }
            Op::SyncDir(dir) => self.sync_dir(*dir),
            Op::Told(ack) => self.acked.add(*ack),
            Op::Link(..) | Op::Move(..) | Op::Unlink(..) => self.pending.push(op.clone()),
        }
    }

    fn sync_dir(&mut self, dir: usize) {
        let names = &mut self.names;
        let mut left = Vec::new();
        for op in self.pending.drain(..) {
            match op {
                Op::Move(from, to, node) if to.0 == dir && from.0 != dir => {
                    names.insert(to, node);
                    left.push(Op::Unlink(from, node));
                }
                Op::Link(ref at, _) | Op::Unlink(ref at, _) | Op::Move(ref at, ..) if at.0 == dir => {
                    settle(names, &op, true);
                }
                other => left.push(other),
            }
        }
        self.pending = left;
    }

    /// One of the images.
    pub(crate) fn image(&self, loss: Loss) -> Image {
        let mut random = Random::new(if let Loss::Some(seed) = loss { seed } else { 0 });
        let keep = [15, 50, 85][random.below(3)];
        let kept = |random: &mut Random, percent: usize| match loss {
            Loss::All => false,
            Loss::Nothing => true,
            Loss::Some(_) => random.chance(percent),
        };
        let mut names = self.names.clone();
        for op in &self.pending {
            if kept(&mut random, keep) {
                settle(&mut names, op, kept(&mut random, 85));
            }
        }
        let mut files: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for (node, content) in &self.files {
            let mut bytes = content.durable.clone();
            match loss {
                Loss::All => {}
                Loss::Nothing => bytes.extend(&content.fresh),
                Loss::Some(_) => tear(&mut random, &mut bytes, &content.fresh),
            }
            files.insert(*node, bytes);
        }
        let mut image = Image::new();
        self.walk(&names, &files, ROOT, Path::new(""), &mut image);
        image
    }

    fn walk(
        &self,
        names: &BTreeMap<Place, usize>,
        files: &BTreeMap<usize, Vec<u8>>,
        dir: usize,
        at: &Path,
        image: &mut Image,
    ) {
        for ((_, name), node) in names.range((dir, String::new())..(dir + 1, String::new())) {
            let path = at.join(name);
            let is_dir = !files.contains_key(node);
            image.insert(path.clone(), files.get(node).map(|bytes| (bytes.clone(), self.files[node].sealed)));
            if is_dir {
                self.walk(names, files, *node, &path, image);
            }
        }
    }
}

/// Carries a change of names out; a move with or without its old name.
fn settle(names: &mut BTreeMap<Place, usize>, op: &Op, whole: bool) {
    match op {
        Op::Link(at, node) => {
            names.insert(at.clone(), *node);
        }
        Op::Unlink(at, node) if names.get(at) == Some(node) => {
            names.remove(at);
        }
        Op::Move(from, to, node) => {
            names.insert(to.clone(), *node);
            if whole && names.get(from) == Some(node) {
                names.remove(from);
            }
        }
        _ => {}
    }
}

/// Adds what was not synced, or some of it.
fn tear(random: &mut Random, bytes: &mut Vec<u8>, fresh: &[u8]) {
    match random.below(4) {
        0 => {}
        1 => bytes.extend(fresh),
        2 => bytes.extend(&fresh[..random.below(fresh.len() + 1)]),
        _ => {
            // The length is there, some sectors are not.
            let start = bytes.len();
            bytes.extend(fresh);
            let rubbish = random.chance(50);
            for sector in start / SECTOR..bytes.len().div_ceil(SECTOR) {
                if random.chance(50) {
                    let (from, to) = ((sector * SECTOR).max(start), ((sector + 1) * SECTOR).min(bytes.len()));
                    bytes[from..to].iter_mut().for_each(|b| *b = if rubbish { random.below(256) as u8 } else { 0 });
                }
            }
        }
    }
}

/// Writes an image out.
pub(crate) fn materialise(image: &Image, top: &Path) {
    for (path, file) in image {
        let path = top.join(path);
        let Some((bytes, sealed)) = file else {
            std::fs::create_dir(&path).unwrap();
            continue;
        };
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(if *sealed { 0o440 } else { 0o600 })).unwrap();
    }
}
