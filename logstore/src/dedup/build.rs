//! Writes one run, block by block. It must never give it its final name before it is durable.

use std::path::PathBuf;

use super::entry::{Entry, Salt};
use super::run::{self, BASE_AT, BLOCK, BLOCK_HEAD, EPOCH, RunId, Trailer, block_crc, prefix};
use crate::Error;
use crate::durable::{DiskFile, Part};
use crate::rotate::Home;

/// What is written at once.
const BUFFER: usize = 256 * 1024;

/// A run that is being written.
pub(super) struct RunBuilder {
    number: u64,
    salt: Salt,
    tmp: PathBuf,
    file: Box<dyn DiskFile>,
    /// Finished blocks that are not written yet.
    buffer: Vec<u8>,
    /// Entries of the block to come.
    pending: Vec<Entry>,
    entries: u64,
    directory: Vec<u32>,
}

impl RunBuilder {
    pub(super) fn create(home: &Home, number: u64, salt: Salt) -> Result<Self, Error> {
        let tmp = run::path(&home.dir.join("tmp"), number);
        let file = home.disk.create(Part::IdRun, &tmp).map_err(|e| Error::write(&tmp, e))?;
        let (buffer, pending, directory) = (Vec::with_capacity(BUFFER), Vec::new(), Vec::new());
        Ok(Self { number, salt, tmp, file, buffer, pending, entries: 0, directory })
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// The next entry; keys must ascend.
    pub(super) fn push(&mut self, entry: Entry) -> Result<(), Error> {
        if let Some(first) = self.pending.first() {
            // Keys ascend, so the newest one is the farthest from the base.
            let size = width(*first, entry) + EPOCH;
            if BLOCK_HEAD + (self.pending.len() + 1) * size > BLOCK {
                self.finish_block()?;
            }
        }
        self.pending.push(entry);
        self.entries += 1;
        Ok(())
    }

    fn finish_block(&mut self) -> Result<(), Error> {
        let (Some(first), Some(last)) = (self.pending.first(), self.pending.last()) else { return Ok(()) };
        let (base, width) = (first.key(), width(*first, *last));
        let too_long = || Error::write(&self.tmp, std::io::ErrorKind::FileTooLarge.into());
        let place = u32::try_from(self.directory.len()).map_err(|_| too_long())?;
        let mut block = [0; BLOCK];
        // Count and width fit: a block has room for 675 entries of 3 bytes, and a key has 10.
        block[4..6].copy_from_slice(&(self.pending.len() as u16).to_le_bytes());
        block[6] = width as u8;
        block[BASE_AT..BLOCK_HEAD].copy_from_slice(&base.to_be_bytes()[16 - (BLOCK_HEAD - BASE_AT)..]);
        for (entry, out) in self.pending.iter().zip(block[BLOCK_HEAD..].chunks_exact_mut(width + EPOCH)) {
            out[..width].copy_from_slice(&(entry.key() - base).to_be_bytes()[16 - width..]);
            out[width..].copy_from_slice(&entry.epoch().to_le_bytes());
        }
        let crc = block_crc(self.number, place, &block);
        block[..4].copy_from_slice(&crc.to_le_bytes());
        self.pending.clear();
        self.directory.push(prefix(base));
        self.buffer.extend_from_slice(&block);
        if self.buffer.len() >= BUFFER {
            self.file.write_all(&self.buffer).map_err(|e| Error::write(&self.tmp, e))?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Makes the run durable and gives it its name; the caller syncs the folder.
    pub(super) fn finish(mut self, home: &Home) -> Result<RunId, Error> {
        self.finish_block()?;
        let Self { number, salt, tmp, mut file, mut buffer, entries, directory, .. } = self;
        let bytes: Vec<u8> = directory.iter().flat_map(|first| first.to_le_bytes()).collect();
        let blocks = directory.len() as u32;
        let trailer = Trailer { number, salt, entries, blocks, directory_crc: crc32c::crc32c(&bytes) }.encode();
        buffer.extend_from_slice(&bytes);
        buffer.extend_from_slice(&trailer);
        file.write_all(&buffer).and_then(|()| file.seal()).map_err(|e| Error::write(&tmp, e))?;
        let path = run::path(&super::folder(home), number);
        home.disk.rename(Part::IdRun, &tmp, &path).map_err(|e| Error::write(&path, e))?;
        let crc32c = trailer.last_chunk().map_or(0, |crc| u32::from_le_bytes(*crc));
        Ok(RunId { number, entries, crc32c })
    }
}

/// Bytes that the distance between two keys needs; at least one.
fn width(first: Entry, last: Entry) -> usize {
    let bits = u128::BITS - (last.key() - first.key()).leading_zeros();
    bits.div_ceil(8).max(1) as usize
}
