//! One run: an immutable file of sorted entries, looked up with one read of one block.
//! It must never give an answer from bytes whose checksum does not hold.
//!
//! `docs/format.md` has every byte of it: blocks, then the directory, then a trailer.

use std::cmp::Ordering;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::entry::{Entry, KEY_BITS, Key, Salt};

/// Bytes of a block, which is what one look-up reads.
pub(super) const BLOCK: usize = 2_048;
/// Bytes of a block before its entries: checksum, count, width, 0, base.
pub(super) const BLOCK_HEAD: usize = 4 + 2 + 1 + 1 + 10;
/// Where the base stands in it.
pub(super) const BASE_AT: usize = 8;
/// Bytes of an epoch behind each key.
pub(super) const EPOCH: usize = 2;
/// Most bytes that a key may be from its block's base.
const MAX_WIDTH: usize = 10;
/// Bytes of the trailer.
pub(super) const TRAILER: usize = 64;
pub(super) const MAGIC: [u8; 8] = *b"ITIDS\x00\x00\x01";
/// Blocks that a sequential reader takes at once.
const AHEAD: usize = 64;

/// A file of the index that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) path: PathBuf,
    pub(crate) what: String,
}

/// What the manifest knows of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct RunId {
    pub(super) number: u64,
    pub(super) entries: u64,
    /// Checksum of its trailer.
    pub(super) crc32c: u32,
}

/// The trailer of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trailer {
    pub(super) number: u64,
    pub(super) salt: Salt,
    pub(super) entries: u64,
    pub(super) blocks: u32,
    pub(super) directory_crc: u32,
}

impl Trailer {
    /// Its bytes; the last four are their checksum.
    pub(super) fn encode(&self) -> [u8; TRAILER] {
        let mut out = [0; TRAILER];
        out[..8].copy_from_slice(&MAGIC);
        out[8..16].copy_from_slice(&self.number.to_le_bytes());
        out[16..32].copy_from_slice(&self.salt.0);
        out[32..40].copy_from_slice(&self.entries.to_le_bytes());
        out[40..44].copy_from_slice(&self.blocks.to_le_bytes());
        out[44..48].copy_from_slice(&self.directory_crc.to_le_bytes());
        let crc = crc32c::crc32c(&out[..TRAILER - 4]);
        out[TRAILER - 4..].copy_from_slice(&crc.to_le_bytes());
        out
    }
}

/// The checksum of a block: over its place too, so that no block passes for another.
pub(super) fn block_crc(run: u64, place: u32, block: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&run.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &place.to_le_bytes());
    crc32c::crc32c_append(crc, block.get(4..).unwrap_or_default())
}

/// What the directory keeps of the first key of a block: its upper 32 bits.
pub(super) fn prefix(key: Key) -> u32 {
    (key >> (KEY_BITS - 32)) as u32
}

/// The file of a run.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("run-{number:08}.ids"))
}

/// An open run. Memory: 4 bytes a block, so 0.02 bytes an id.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: RunId,
    path: PathBuf,
    file: File,
    directory: Vec<u32>,
}

impl Run {
    /// Opens a run and compares it with what the manifest knows: trailer, length and directory. Blocks are checked
    /// when they are read.
    pub(super) fn open(folder: &Path, id: RunId, salt: Salt) -> Result<Self, Damage> {
        let path = path(folder, id.number);
        let damage = |what: String| Damage { path: path.clone(), what };
        let io = |e: std::io::Error| damage(e.to_string());
        let file = File::open(&path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        let blocks = len.saturating_sub(TRAILER as u64) / (BLOCK as u64 + 4);
        if len != blocks * (BLOCK as u64 + 4) + TRAILER as u64 {
            return Err(damage(format!("{len} bytes are not the length of a run")));
        }
        let trailer = {
            let mut found = [0; TRAILER];
            file.read_exact_at(&mut found, len - TRAILER as u64).map_err(io)?;
            found
        };
        let blocks = u32::try_from(blocks).map_err(|_| damage("it is too long".to_owned()))?;
        let mut bytes = vec![0; blocks as usize * 4];
        file.read_exact_at(&mut bytes, u64::from(blocks) * BLOCK as u64).map_err(io)?;
        let (number, entries) = (id.number, id.entries);
        let wanted = Trailer { number, salt, entries, blocks, directory_crc: crc32c::crc32c(&bytes) }.encode();
        if trailer != wanted || wanted[TRAILER - 4..] != id.crc32c.to_le_bytes() {
            return Err(damage("its directory or its end is not what the manifest names".to_owned()));
        }
        let directory = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        Ok(Self { id, path, file, directory })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The epoch of a key; `None` when the run does not hold it.
    pub(super) fn find(&self, key: Key) -> Result<Option<u16>, Damage> {
        let wanted = prefix(key);
        let mut place = self.directory.partition_point(|first| *first <= wanted);
        // Blocks that begin with the same 32 bits may all hold it, and so may the one before them.
        while let Some(before) = place.checked_sub(1) {
            place = before;
            let mut block = [0; BLOCK];
            self.read(place, &mut block)?;
            if let Some(epoch) = View(&block).find(key) {
                return Ok(Some(epoch));
            }
            if self.directory[place] < wanted || View(&block).base() <= key {
                break;
            }
        }
        Ok(None)
    }

    /// Reads whole blocks from `place` on and checks each.
    fn read(&self, place: usize, blocks: &mut [u8]) -> Result<(), Damage> {
        let damage = |what: String| Damage { path: self.path.clone(), what };
        let read = self.file.read_exact_at(blocks, place as u64 * BLOCK as u64);
        read.map_err(|e| damage(e.to_string()))?;
        for (place, block) in (place..).zip(blocks.as_chunks::<BLOCK>().0) {
            // Places fit, because `open` has counted them.
            let crc = block_crc(self.id.number, place as u32, block);
            if block[..4] != crc.to_le_bytes() || View(block).end() > BLOCK {
                return Err(damage(format!("the checksum of block {place} does not hold")));
            }
        }
        Ok(())
    }

    /// All entries in order, with a buffer of 128 KiB.
    pub(super) fn entries(&self) -> Entries<'_> {
        Entries { run: self, place: 0, buffer: Vec::new(), block: 0, entry: 0 }
    }
}

/// A block whose checksum holds.
struct View<'a>(&'a [u8; BLOCK]);

impl<'a> View<'a> {
    fn count(&self) -> usize {
        usize::from(u16::from_le_bytes([self.0[4], self.0[5]]))
    }

    /// Bytes of each entry's distance from the base.
    fn width(&self) -> usize {
        usize::from(self.0[6]).min(MAX_WIDTH)
    }

    fn base(&self) -> Key {
        be(&self.0[BASE_AT..BLOCK_HEAD])
    }

    /// Where its entries end; beyond the block if it was not made by this crate.
    fn end(&self) -> usize {
        BLOCK_HEAD + self.count() * (self.width() + EPOCH)
    }

    /// Distance from the base, and epoch.
    fn entry(&self, place: usize) -> (&'a [u8], u16) {
        let at = BLOCK_HEAD + place * (self.width() + EPOCH);
        let epoch = at + self.width();
        (&self.0[at..epoch], u16::from_le_bytes([self.0[epoch], self.0[epoch + 1]]))
    }

    fn find(&self, key: Key) -> Option<u16> {
        let distance = key.checked_sub(self.base())?.to_be_bytes();
        let (above, wanted) = distance.split_at(distance.len() - self.width());
        if above.iter().any(|byte| *byte != 0) {
            return None;
        }
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low + (high - low) / 2;
            let (found, epoch) = self.entry(middle);
            match found.cmp(wanted) {
                Ordering::Equal => return Some(epoch),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        None
    }
}

/// At most 16 bytes as a number.
fn be(bytes: &[u8]) -> u128 {
    let mut wide = [0; 16];
    wide[16 - bytes.len()..].copy_from_slice(bytes);
    u128::from_be_bytes(wide)
}

/// The entries of a run, one after the other.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    run: &'a Run,
    /// The next block to read.
    place: usize,
    buffer: Vec<u8>,
    /// Where the next entry is: block in the buffer, place in the block.
    block: usize,
    entry: usize,
}

impl Entries<'_> {
    /// The next entry; `None` after the last one.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Damage> {
        loop {
            if let Some(block) = self.buffer.as_chunks::<BLOCK>().0.get(self.block) {
                let view = View(block);
                if self.entry < view.count() {
                    let (distance, epoch) = view.entry(self.entry);
                    self.entry += 1;
                    return Ok(Some(Entry::new(view.base() + be(distance), epoch)));
                }
                self.block += 1;
                self.entry = 0;
                continue;
            }
            let blocks = (self.run.directory.len() - self.place).min(AHEAD);
            if blocks == 0 {
                return Ok(None);
            }
            self.buffer.resize(blocks * BLOCK, 0);
            self.run.read(self.place, &mut self.buffer)?;
            (self.place, self.block, self.entry) = (self.place + blocks, 0, 0);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::super::build::RunBuilder;
    use super::*;
    use crate::Layout;
    use crate::durable::{Folders, OsDisk};
    use crate::rotate::Home;

    const SALT: Salt = Salt([7; 16]);

    fn home(dir: &Path) -> Home {
        for folder in ["tmp", "log", "log/ids"] {
            std::fs::create_dir(dir.join(folder)).unwrap();
        }
        let layout = Arc::new(Layout { columns: Vec::new(), key: None });
        Home { dir: dir.to_path_buf(), disk: Arc::new(OsDisk::default()), layout, folders: Folders::default() }
    }

    fn write(home: &Home, number: u64, entries: &[Entry]) -> RunId {
        let mut builder = RunBuilder::create(home, number, SALT).unwrap();
        entries.iter().for_each(|entry| builder.push(*entry).unwrap());
        builder.finish(home).unwrap()
    }

    fn read(run: &Run) -> Result<Vec<Entry>, Damage> {
        let (mut entries, mut found) = (run.entries(), Vec::new());
        while let Some(entry) = entries.next()? {
            found.push(entry);
        }
        Ok(found)
    }

    /// Keys that lie apart, keys that share their first 32 bits over many blocks, the least and the greatest key.
    fn entries() -> Vec<Entry> {
        let mut keys: Vec<Key> = (0..3_000u32).map(|n| SALT.key(&n.to_le_bytes())).collect();
        keys.extend((0..900).map(|n| (0x8000_0000 << 48) + 2 * n));
        keys.extend((0..900).map(|n| (0x8000_0000 << 48) + ((3 * n) << 30)));
        keys.extend([0, (1 << KEY_BITS) - 1]);
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().enumerate().map(|(n, key)| Entry::new(key, n as u16)).collect()
    }

    #[test]
    fn every_key_is_found_with_its_epoch_and_no_neighbour_of_it() {
        let parent = tempfile::tempdir().unwrap();
        let home = home(parent.path());
        let all = entries();
        for (number, len) in [0, 1, 2, 168, 169, 170, all.len()].into_iter().enumerate() {
            let entries = &all[all.len() - len..];
            let run = Run::open(&super::super::folder(&home), write(&home, number as u64, entries), SALT).unwrap();
            assert_eq!(read(&run).unwrap(), entries);
            for entry in entries {
                assert_eq!(run.find(entry.key()), Ok(Some(entry.epoch())));
                for neighbour in [entry.key().saturating_sub(1), (entry.key() + 1).min((1 << KEY_BITS) - 1)] {
                    let there =
                        entries.binary_search_by_key(&neighbour, |e| e.key()).ok().map(|at| entries[at].epoch());
                    assert_eq!(run.find(neighbour), Ok(there));
                }
            }
        }
    }

    #[test]
    fn a_flip_of_any_byte_is_noticed_or_harmless_and_so_is_every_cut() {
        let parent = tempfile::tempdir().unwrap();
        let home = home(parent.path());
        let folder = super::super::folder(&home);
        let entries: Vec<Entry> = (0..200u32).map(|n| Entry::new(Key::from(n) << 70, n as u16)).collect();
        let id = write(&home, 1, &entries);
        let at = path(&folder, 1);
        let whole = std::fs::read(&at).unwrap();
        assert_eq!(whole.len(), 2 * BLOCK + 2 * 4 + TRAILER);
        let put = |bytes: &[u8]| {
            std::fs::remove_file(&at).unwrap();
            std::fs::write(&at, bytes).unwrap();
        };
        for flipped in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[flipped] ^= 1 << (flipped % 8);
            put(&bytes);
            let Ok(run) = Run::open(&folder, id, SALT) else { continue };
            assert!(flipped < 2 * BLOCK, "byte {flipped} is not in a block");
            assert!(read(&run).is_err(), "byte {flipped}");
            // The other block still answers; the damaged one does not.
            let damaged = entries.iter().filter(|entry| match run.find(entry.key()) {
                Ok(found) => found != Some(entry.epoch()),
                Err(_) => false,
            });
            assert_eq!(damaged.count(), 0, "byte {flipped}: a wrong answer");
            assert!(run.find(entries[199 * (flipped / BLOCK)].key()).is_err(), "byte {flipped}");
        }
        for cut in 0..whole.len() {
            put(&whole[..cut]);
            assert!(Run::open(&folder, id, SALT).is_err(), "a cut at {cut}");
        }
        // Blocks that change places, and the file of another run.
        let swapped = [&whole[BLOCK..2 * BLOCK], &whole[..BLOCK], &whole[2 * BLOCK..]].concat();
        put(&swapped);
        assert!(read(&Run::open(&folder, id, SALT).unwrap()).is_err());
        write(&home, 2, &entries);
        std::fs::rename(path(&folder, 2), &at).unwrap();
        assert!(Run::open(&folder, id, SALT).is_err());
    }

    /// CPU time of this thread in nanoseconds: the machine may be shared.
    fn cpu_ns() -> f64 {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        stat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(f64::NAN)
    }

    fn timed<T>(what: &str, times: usize, work: impl FnOnce() -> T) -> T {
        let start = cpu_ns();
        let result = work();
        println!("{what}: {:.1} ns of CPU", (cpu_ns() - start) / times as f64);
        result
    }

    /// Prints what a look-up costs; run it in release with `--ignored --nocapture`.
    #[test]
    #[ignore = "a measurement, not a check"]
    fn speed() {
        let parent = tempfile::tempdir().unwrap();
        let home = home(parent.path());
        let mut entries: Vec<Entry> =
            (0..2_000_000u32).map(|n| Entry::new(SALT.key(&n.to_le_bytes()), n as u16)).collect();
        timed("sort an entry", entries.len(), || entries.sort_unstable());
        let id = timed("write an entry", entries.len(), || write(&home, 1, &entries));
        let run = Run::open(&super::super::folder(&home), id, SALT).unwrap();
        timed("read an entry", entries.len(), || assert_eq!(read(&run).unwrap().len(), entries.len()));
        let absent: Vec<Key> = (0..500_000u32).map(|n| SALT.key(&(n + 5_000_000).to_le_bytes())).collect();
        timed("an absent id", absent.len(), || assert!(absent.iter().all(|key| run.find(*key) == Ok(None))));
        let mut block = [0; BLOCK];
        timed("of it reading", absent.len(), || {
            for n in 0..absent.len() {
                run.file.read_exact_at(&mut block, (n * 7_919 % run.directory.len() * BLOCK) as u64).unwrap();
            }
        });
        let crc = timed("of it the checksum", absent.len(), || {
            (0..absent.len()).fold(0, |sum, n| sum ^ block_crc(1, n as u32, &block))
        });
        println!("({crc:x})");
    }
}
