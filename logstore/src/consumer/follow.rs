//! How far the Logstore is *known to be durable*, seen from a process that is not the writer.
//! It must never take a record for durable because it can be read: what can be read may be in the page cache alone.
//!
//! A writer acknowledges a frame after its `fdatasync`; nobody tells other processes. Four facts do:
//!
//! 1. A record in a segment is durable: its frame was acknowledged long before.
//! 2. A frame is durable once the header of the next one is in the file: a writer that could not sync never writes again.
//! 3. What `seal/checkpoint` or the writer of the same process ([`super::Notify`]) names was acknowledged.
//! 4. For the last frame, if the writer then rests: *we sync the file ourselves*, with a descriptor that was opened
//!    before the frame began. Any process may sync a file that it can open. The descriptor must be that old, because
//!    the kernel tells a failed write-back to descriptors that were open at that time, and to later ones only if nobody
//!    was told yet; a fresh one could be told that all is well while the disk does not hold the frame. For the same
//!    reason a failed sync is never tried again on this file.
//!
//! So a reader that comes when the writer has just died or come to rest may not get the very last frame until the
//! writer goes on, starts again, or leaves a checkpoint. That is late, and never wrong. Under load (2) does it, and no
//! reader adds a sync to the writer's own.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::frame::{FILE_HEADER, HEADER, Header, WalId};
use crate::{Error, Store, wal};

/// One number for each store.
pub(crate) type Ends = [u64; Store::ALL.len()];

/// Syncs an open write-ahead log file.
pub(crate) type Sync = fn(&File) -> io::Result<()>;

/// What one look at the log found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing was written since the last look.
    Same,
    /// There is more, or another file.
    Changed,
}

/// Follows the newest write-ahead log file by its frame headers.
#[derive(Debug)]
pub(crate) struct Follower {
    dir: PathBuf,
    live: Option<Live>,
    proven: Ends,
    sync: Sync,
}

#[derive(Debug)]
struct Live {
    file: File,
    path: PathBuf,
    id: WalId,
    /// Length when it was opened: only frames behind it can be proven by a sync of our own.
    opened_len: u64,
    /// Length at the last look.
    len: u64,
    /// Where the next frame header is expected, and its number.
    offset: u64,
    number: u64,
    last: Option<Last>,
    /// Whether the last look found the last frame where the look before had found it.
    resting: bool,
    sync_failed: bool,
}

/// The last whole frame.
#[derive(Debug, Clone, Copy)]
struct Last {
    start: u64,
    ends: Ends,
    synced: bool,
}

impl Follower {
    pub(crate) fn new(dir: &Path, sync: Sync) -> Self {
        Self { dir: dir.to_path_buf(), live: None, proven: Ends::default(), sync }
    }

    /// Looks at the newest file. Three system calls when nothing happened.
    pub(crate) fn look(&mut self) -> Result<Look, Error> {
        let before = self.live.as_ref().map(|l| (l.id, l.len));
        if self.live.as_ref().is_none_or(|live| !live.in_place()) {
            self.live = Live::newest(&self.dir)?;
        }
        if let Some(live) = &mut self.live {
            live.walk(&mut self.proven)?;
        }
        let after = self.live.as_ref().map(|l| (l.id, l.len));
        Ok(if before == after { Look::Same } else { Look::Changed })
    }

    /// Sequence number up to which the records of a store are known to be durable by what followed them in the file.
    pub(crate) fn proven(&self, store: Store) -> u64 {
        self.proven[store.place()]
    }

    /// Makes the last frame durable ourselves, if we may, and if the writer did not go on since the look before.
    pub(crate) fn prove_last(&mut self) -> Result<(), Error> {
        let Some(live) = &mut self.live else { return Ok(()) };
        let Some(last) = &mut live.last else { return Ok(()) };
        if !live.resting || last.synced || live.sync_failed || last.start < live.opened_len {
            return Ok(());
        }
        if let Err(source) = (self.sync)(&live.file) {
            live.sync_failed = true;
            return Err(Error::Write { path: live.path.clone(), source });
        }
        last.synced = true;
        raise(&mut self.proven, &last.ends);
        Ok(())
    }
}

impl Live {
    /// Opens the newest file. `None` when there is none, or its header is still being written.
    fn newest(dir: &Path) -> Result<Option<Self>, Error> {
        let Some(generation) = wal::list(dir)?.pop() else { return Ok(None) };
        let path = wal::path(dir, generation);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::read(&path, e)),
        };
        let opened_len = file.metadata().map_err(|e| Error::read(&path, e))?.len();
        let mut head = [0u8; FILE_HEADER];
        if !fill(&file, &path, &mut head, 0)? {
            return Ok(None);
        }
        let Some(id) = WalId::decode(&head).filter(|id| id.generation == generation) else { return Ok(None) };
        let offset = FILE_HEADER as u64;
        let (len, number, last) = (0, 0, None);
        Ok(Some(Self { file, path, id, opened_len, len, offset, number, last, resting: false, sync_failed: false }))
    }

    /// Whether the file is still the one under its name. A rotation removes it, a writer's opening replaces it.
    fn in_place(&self) -> bool {
        let identity = |m: std::fs::Metadata| (m.dev(), m.ino());
        let (named, held) = (std::fs::metadata(&self.path), self.file.metadata());
        matches!((named.map(identity), held.map(identity)), (Ok(named), Ok(held)) if named == held)
    }

    /// Goes over the frame headers behind the last one seen.
    fn walk(&mut self, proven: &mut Ends) -> Result<(), Error> {
        let len = self.file.metadata().map_err(|e| Error::read(&self.path, e))?.len();
        self.resting = len == self.len;
        self.len = len;
        while self.offset + HEADER as u64 <= len {
            let mut head = [0u8; HEADER];
            if !fill(&self.file, &self.path, &mut head, self.offset)? {
                break;
            }
            let header = Header::decode(&head, self.id).filter(|h| h.number == self.number);
            let Some(header) = header else { break };
            // The writer wrote this header, so it had synced everything before.
            raise(proven, &Store::ALL.map(|s| header.parts[s.place()].first_seq));
            let end = self.offset + HEADER as u64 + u64::from(header.payload_len);
            if end > len {
                break;
            }
            let ends = Store::ALL.map(|s| {
                let part = header.parts[s.place()];
                part.first_seq.saturating_add(u64::from(part.rows))
            });
            self.last = Some(Last { start: self.offset, ends, synced: false });
            self.offset = end;
            self.number += 1;
        }
        Ok(())
    }
}

/// Whether the buffer could be filled: a file may end earlier.
fn fill(file: &File, path: &Path, buffer: &mut [u8], at: u64) -> Result<bool, Error> {
    match file.read_exact_at(buffer, at) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(Error::read(path, e)),
    }
}

fn raise(ends: &mut Ends, to: &Ends) {
    ends.iter_mut().zip(to).for_each(|(end, to)| *end = (*end).max(*to));
}

/// What `seal/checkpoint` says was acknowledged; zeros when there is none, or it is another trail's.
///
/// Its signature is not checked here: it decides when a record is handed on, not whether the record is genuine.
pub(crate) fn checkpoint(dir: &Path, trail: &str) -> Ends {
    let text = std::fs::read_to_string(dir.join("seal/checkpoint")).unwrap_or_default();
    let mut lines = text.lines();
    if lines.next().and_then(|l| l.strip_prefix("innertrail/")) != Some(trail) {
        return Ends::default();
    }
    let first = lines.next().and_then(|l| l.parse().ok()).unwrap_or(0);
    let rest: Vec<&str> = lines.take_while(|l| !l.is_empty()).collect();
    let size = |store: Store| {
        let words = rest.iter().map(|l| l.split(' ').collect::<Vec<_>>());
        let mut sizes = words.filter(|w| w.first() == Some(&store.name())).filter_map(|w| w.get(1)?.parse().ok());
        sizes.next().unwrap_or(0)
    };
    Store::ALL.map(|store| if store == Store::Log { first } else { size(store) })
}
