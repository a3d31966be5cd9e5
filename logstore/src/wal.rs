//! Reading a write-ahead log file, frame by frame, and telling a torn end from damage.
//! It must never skip a bad frame: what follows a bad frame is either nothing, or proof of damage.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::frame::{FILE_HEADER, Frame, HEADER, Header, MAGIC, WalId};

/// Name of a generation's file.
pub(crate) fn path(dir: &Path, generation: u64) -> PathBuf {
    dir.join("wal").join(format!("{generation:08}.wal"))
}

/// The generations that have a file, ascending. A missing directory has none.
pub(crate) fn list(dir: &Path) -> Result<Vec<u64>, Error> {
    let folder = dir.join("wal");
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::read(&folder, e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(|e| Error::read(&folder, e))?.file_name();
        let generation = name.to_str().and_then(|n| n.strip_suffix(".wal")).and_then(|n| n.parse::<u64>().ok());
        found.extend(generation);
    }
    found.sort_unstable();
    Ok(found)
}

/// A file being read frame by frame.
#[derive(Debug)]
pub(crate) struct WalReader {
    file: BufReader<File>,
    path: PathBuf,
    /// `None`: the file header is torn, so the file holds no frame.
    id: Option<WalId>,
    len: u64,
    offset: u64,
    number: u64,
    /// Memory for the next payload.
    spare: Vec<u8>,
}

impl WalReader {
    /// Opens a generation; `None` when the file is not there.
    pub(crate) fn open(dir: &Path, generation: u64) -> Result<Option<Self>, Error> {
        let path = path(dir, generation);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::read(&path, e)),
        };
        let len = file.metadata().map_err(|e| Error::read(&path, e))?.len();
        let mut head = Vec::new();
        (&mut file).take(FILE_HEADER as u64).read_to_end(&mut head).map_err(|e| Error::read(&path, e))?;
        let id = WalId::decode(&head).filter(|id| id.generation == generation);
        if id.is_none() && len > FILE_HEADER as u64 {
            return Err(Error::corrupt(
                &path,
                0,
                "the header of the write-ahead log is not valid, but data follows it",
            ));
        }
        let offset = if id.is_some() { FILE_HEADER as u64 } else { 0 };
        Ok(Some(Self {
            file: BufReader::with_capacity(1 << 16, file),
            path,
            id,
            len,
            offset,
            number: 0,
            spare: Vec::new(),
        }))
    }

    pub(crate) fn id(&self) -> Option<WalId> {
        self.id
    }

    /// Where the next frame starts; after the last good frame, the end of what is good.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The file has grown to `len` bytes, all of them whole frames.
    pub(crate) fn grown(&mut self, len: u64) {
        self.len = self.len.max(len);
    }

    /// Length of the file when it was opened, or what it has grown to since.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Goes on where an earlier reader of the same file stopped.
    pub(crate) fn resume(&mut self, offset: u64, number: u64) -> Result<(), Error> {
        self.file.seek(SeekFrom::Start(offset)).map_err(|e| Error::read(&self.path, e))?;
        self.offset = offset;
        self.number = number;
        Ok(())
    }

    /// The next good frame, or `None` at the end or at a torn last write.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Error> {
        let Some(id) = self.id else { return Ok(None) };
        if self.offset >= self.len {
            return Ok(None);
        }
        match self.read_frame(id)? {
            Some(frame) => {
                self.offset += HEADER as u64 + frame.payload.len() as u64;
                self.number += 1;
                Ok(Some(frame))
            }
            None => self.refuse_damage(id).map(|()| None),
        }
    }

    fn read_frame(&mut self, id: WalId) -> Result<Option<Frame>, Error> {
        let mut head = [0u8; HEADER];
        if self.len - self.offset < HEADER as u64 || !self.fill(&mut head)? {
            return Ok(None);
        }
        let Some(header) = Header::decode(&head, id).filter(|h| h.number == self.number) else { return Ok(None) };
        if u64::from(header.payload_len) > self.len - self.offset - HEADER as u64 {
            return Ok(None);
        }
        let mut payload = std::mem::take(&mut self.spare);
        payload.resize(header.payload_len as usize, 0);
        let whole = self.fill(&mut payload)? && Header::verify(&head, &payload);
        Ok(whole.then_some(Frame { header, head, payload }))
    }

    /// Takes a frame's memory for one of the next frames: fresh memory costs a page fault for each 4 KiB.
    pub(crate) fn reuse(&mut self, frame: Frame) {
        self.spare = frame.payload;
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, Error> {
        match self.file.read_exact(buffer) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(Error::read(&self.path, e)),
        }
    }

    /// A bad frame is a torn last write only if no good frame follows it.
    fn refuse_damage(&mut self, id: WalId) -> Result<(), Error> {
        self.file.seek(SeekFrom::Start(self.offset)).map_err(|e| Error::read(&self.path, e))?;
        let mut rest = Vec::new();
        (&mut self.file).take(self.len - self.offset).read_to_end(&mut rest).map_err(|e| Error::read(&self.path, e))?;
        let good = |at: &usize| {
            let from = &rest[*at..];
            Header::decode(from, id).is_some_and(|h| {
                from.get(HEADER..HEADER + h.payload_len as usize).is_some_and(|p| Header::verify(&from[..HEADER], p))
            })
        };
        let next = (1..rest.len().saturating_sub(HEADER - 1)).filter(|at| rest[*at..].starts_with(&MAGIC)).find(good);
        match next {
            None => Ok(()),
            Some(at) => Err(Error::corrupt(
                &self.path,
                self.offset,
                format!(
                    "frame {} does not match its checksum, but a good frame follows at byte {}",
                    self.number,
                    self.offset + at as u64
                ),
            )),
        }
    }
}
