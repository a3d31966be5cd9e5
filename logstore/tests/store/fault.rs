//! A disk that fails once, at a place that is told by number or by step, in one of the ways disks fail.
//! It must never sync by itself: the process is stopped in thought only.

use std::fs::Permissions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use innertrail_logstore::durable::{Act, Disk, DiskFile, OsDisk, Part, Step};

/// Which operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// None.
    Never,
    /// The one with this number, from 0.
    Number(usize),
    /// The one of this step with this number, from 0.
    Step(Step, usize),
}

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// So does everything after it: the process is gone. A write leaves half of its bytes.
    Stop,
    /// It alone fails, with EIO; what comes after would succeed. A write leaves nothing.
    Io,
    /// ENOSPC, and everything after it that needs room. A write leaves half of its bytes.
    Full,
    /// A write takes half of its bytes and says so; nothing else fails.
    Short,
}

impl Fault {
    pub(crate) const ALL: [Self; 4] = [Self::Stop, Self::Io, Self::Full, Self::Short];
}

#[derive(Debug)]
struct Course {
    at: At,
    fault: Fault,
    fired: bool,
    steps: Vec<Step>,
    /// Operations that were tried after the one that failed.
    after: usize,
}

impl Course {
    /// Notes an operation; tells what becomes of it.
    fn take(&mut self, part: Part, act: Act) -> Option<Fault> {
        let step = Step { part, act };
        let number = self.steps.len();
        let nth = self.steps.iter().filter(|s| **s == step).count();
        self.steps.push(step);
        let hit = match self.at {
            At::Never => false,
            At::Number(at) => at == number,
            At::Step(wanted, at) => wanted == step && at == nth,
        };
        if hit {
            self.fired = true;
            return Some(self.fault);
        }
        if !self.fired {
            return None;
        }
        self.after += 1;
        let takes_room = matches!(act, Act::CreateDir | Act::Create | Act::Write | Act::Rename);
        match self.fault {
            Fault::Stop => Some(Fault::Stop),
            Fault::Full => takes_room.then_some(Fault::Full),
            Fault::Io | Fault::Short => None,
        }
    }
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Stop | Fault::Short => io::Error::other("stopped"),
        // EIO has no kind of its own.
        Fault::Io => io::Error::from_raw_os_error(5),
        Fault::Full => ErrorKind::StorageFull.into(),
    }
}

/// The disk. It is told everything that is done, and keeps count.
#[derive(Debug, Clone)]
pub(crate) struct FaultDisk {
    course: Arc<Mutex<Course>>,
    below: Arc<dyn Disk>,
    /// Whether the disk below is asked to sync.
    syncs: bool,
}

impl FaultDisk {
    pub(crate) fn new(at: At, fault: Fault) -> Self {
        Self { syncs: false, ..Self::over(Arc::new(OsDisk::default()), at, fault) }
    }

    /// The same over another disk, which is told of syncs too.
    pub(crate) fn over(below: Arc<dyn Disk>, at: At, fault: Fault) -> Self {
        let course = Course { at, fault, fired: false, steps: Vec::new(), after: 0 };
        Self { course: Arc::new(Mutex::new(course)), below, syncs: true }
    }

    pub(crate) fn sound() -> Self {
        Self::new(At::Never, Fault::Stop)
    }

    pub(crate) fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.course.lock().unwrap().steps.clone()
    }

    /// Whether it failed, and how many operations were tried afterwards.
    pub(crate) fn fired(&self) -> (bool, usize) {
        let course = self.course.lock().unwrap();
        (course.fired, course.after)
    }

    fn take(&self, part: Part, act: Act) -> io::Result<()> {
        match self.course.lock().unwrap().take(part, act) {
            None | Some(Fault::Short) => Ok(()),
            Some(fault) => Err(error(fault)),
        }
    }
}

struct FaultFile {
    disk: FaultDisk,
    part: Part,
    path: PathBuf,
    file: Box<dyn DiskFile>,
}

impl Write for FaultFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let half = &bytes[..bytes.len() / 2];
        let fault = self.disk.course.lock().unwrap().take(self.part, Act::Write);
        match fault {
            None => self.file.write_all(bytes).map(|()| bytes.len()),
            Some(Fault::Short) => {
                self.file.write_all(&bytes[..bytes.len().div_ceil(2)]).map(|()| bytes.len().div_ceil(2))
            }
            Some(Fault::Io) => Err(error(Fault::Io)),
            Some(fault) => self.file.write_all(half).and(Err(error(fault))),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for FaultFile {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.take(self.part, Act::Sync)?;
        if self.disk.syncs { self.file.sync() } else { Ok(()) }
    }
    fn seal(&mut self) -> io::Result<()> {
        self.disk.take(self.part, Act::Seal)?;
        if self.disk.syncs {
            return self.file.seal();
        }
        std::fs::set_permissions(&self.path, Permissions::from_mode(0o440))
    }
    fn goes_on_as(&mut self, part: Part) {
        self.file.goes_on_as(part);
        self.part = part;
    }
}

impl Disk for FaultDisk {
    fn create_dir(&self, part: Part, path: &Path) -> io::Result<bool> {
        self.take(part, Act::CreateDir)?;
        self.below.create_dir(part, path)
    }
    fn create(&self, part: Part, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.take(part, Act::Create)?;
        let file = self.below.create(part, path)?;
        Ok(Box::new(FaultFile { disk: self.clone(), part, path: path.to_path_buf(), file }))
    }
    fn rename(&self, part: Part, from: &Path, to: &Path) -> io::Result<()> {
        self.take(part, Act::Rename)?;
        self.below.rename(part, from, to)
    }
    fn remove(&self, part: Part, path: &Path) -> io::Result<()> {
        self.take(part, Act::Remove)?;
        self.below.remove(part, path)
    }
    fn remove_dir(&self, part: Part, path: &Path) -> io::Result<()> {
        self.take(part, Act::RemoveDir)?;
        self.below.remove_dir(part, path)
    }
    fn sync_dir(&self, part: Part, path: &Path) -> io::Result<()> {
        self.take(part, Act::SyncDir)?;
        if self.syncs { self.below.sync_dir(part, path) } else { Ok(()) }
    }
    fn pins(&self) -> bool {
        true
    }
    fn pin(&self, part: Part, path: &Path) -> io::Result<()> {
        self.take(part, Act::Pin)?;
        self.below.pin(part, path)
    }
}
