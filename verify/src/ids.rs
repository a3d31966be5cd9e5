//! The writer's index of event ids: whether it says of the kept records what the records say.
//! It must never count as damage what the writer makes again by itself, or what it replaced meanwhile.
//!
//! The index is derived and not sealed; it proves nothing. But the writer drops an event whose id is in it, and appends one
//! whose id is not: an index that lies loses or doubles events to come.

use std::collections::BTreeSet;
use std::io::Read as _;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::Context;
use crate::chain::{Catalogue, Chain, SegmentFile};
use crate::digest::Digest;
use crate::disk::{Disk, Fault};
use crate::note::hex_hash;
use crate::report::{Finding, Kind};
use crate::segment;

const FOLDER: &str = "log/ids";
const MANIFEST: &str = "log/ids/manifest.json";
/// The longest manifest read, in bytes; one of 65,535 epochs has 3 MB.
const MAX_MANIFEST: u64 = 16 << 20;
const BLOCK: usize = 2_048;
const HEAD: usize = 18;
const TRAILER: usize = 64;
const MAGIC: &[u8; 8] = b"ITIDS\x00\x00\x01";
/// Key after the last one.
const END: u128 = 1 << 80;
/// How often an index that the writer replaces is read again.
const TRIES: usize = 3;

#[derive(Debug, Deserialize)]
struct Manifest {
    salt: String,
    key: String,
    from: u64,
    to: u64,
    digest: u64,
    sha256: String,
    first_epoch: u16,
    /// Day, first sequence number, ids.
    epochs: Vec<(String, u64, u64)>,
    middle: Option<Run>,
    slices: Vec<(String, Run)>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Run {
    number: u64,
    entries: u64,
    crc32c: u32,
}

/// A set of keys that was added up: sets with the same sum are the same, as far as keys are not chosen to cheat it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    ids: u64,
    keys: u128,
}

impl Sum {
    fn add(&mut self, key: u128) {
        self.ids += 1;
        self.keys = self.keys.wrapping_add(key);
    }
}

/// What is wrong with a file of the index.
struct Wrong(String, String);

/// Compares the index with the segments that it covers; `newest` says how far the store is sealed.
pub(crate) fn check(ctx: &mut Context<'_>, chain: &Chain, catalogue: &Catalogue, newest: &Digest) {
    let mut bytes = ctx.disk.read(MANIFEST, MAX_MANIFEST);
    for _ in 0..TRIES {
        let result = match &bytes {
            Ok(bytes) => one(ctx, bytes, chain, catalogue, newest),
            Err(Fault::Missing) => return,
            Err(fault) => Err(Wrong(MANIFEST.to_owned(), fault.to_string())),
        };
        let Err(Wrong(path, what)) = result else { return };
        let again = ctx.disk.read(MANIFEST, MAX_MANIFEST);
        if again.as_ref().ok() == bytes.as_ref().ok() {
            let what = format!("{what}; no record is concerned: remove the folder {FOLDER} while no writer runs");
            return ctx.report.add(Finding::file(Kind::IdIndex, &path, what).store(crate::STORES[0]));
        }
        bytes = again;
    }
    ctx.report.note("the index of event ids was replaced several times meanwhile and is not checked");
}

fn one(
    ctx: &mut Context<'_>,
    bytes: &[u8],
    chain: &Chain,
    catalogue: &Catalogue,
    newest: &Digest,
) -> Result<(), Wrong> {
    let wrong = |what: &str| Wrong(MANIFEST.to_owned(), what.to_owned());
    let manifest = parse(bytes).ok_or_else(|| wrong("it is damaged"))?;
    let sha256 = hex_hash(&manifest.sha256).ok_or_else(|| wrong("it is damaged"))?;
    let kept = newest.kept[0];
    let known = chain.digests.iter().any(|d| d.number == manifest.digest && d.sha256 == sha256);
    if !known || manifest.to > newest.sizes[0] || manifest.from > kept {
        ctx.report.note("the index of event ids is of another history: the writer makes it again when it starts");
        return Ok(());
    }
    let index = Index::new(&ctx.disk, &manifest).ok_or_else(|| wrong("it is damaged"))?;
    let in_files = index.sums()?;
    let segments = catalogue.segments[0].iter().filter(|s| s.first >= kept && s.end() <= manifest.to);
    let Some(in_segments) = index.sums_of(segments) else {
        ctx.report.note("the index of event ids is not compared with the segments, because not all can be read");
        return Ok(());
    };
    for (place, (day, first, ids)) in manifest.epochs.iter().enumerate() {
        // Records that are dropped are in the files until these are written again.
        let end = manifest.epochs.get(place + 1).map_or(manifest.to, |next| next.1);
        if end > kept && (in_files[place] != in_segments[place] || in_files[place].ids != *ids) {
            let (found, there) = (in_files[place].ids, in_segments[place].ids);
            let what = format!(
                "of the records from {first} on, appended on {day}, it holds {found} ids and says {ids}; the segments \
                 hold {there}, and they are not the same"
            );
            return Err(wrong(&what));
        }
    }
    Ok(())
}

/// The text is as the writer makes it, byte for byte, so that no change of it goes unseen.
fn parse(bytes: &[u8]) -> Option<Manifest> {
    let text = std::str::from_utf8(bytes).ok()?.strip_prefix("{\"format\":1,\"crc32c\":")?;
    let (crc, body) = text.strip_suffix("}\n")?.split_once(",\"ids\":")?;
    if crc32c::crc32c(body.as_bytes()).to_string() != crc {
        return None;
    }
    serde_json::from_str(body).ok()
}

struct Index<'a> {
    disk: &'a Disk,
    manifest: &'a Manifest,
    salt: [u8; 16],
    /// First key of each slice.
    starts: Vec<u128>,
}

impl<'a> Index<'a> {
    fn new(disk: &'a Disk, manifest: &'a Manifest) -> Option<Self> {
        let salt = u128::from_str_radix(&manifest.salt, 16).ok()?.to_be_bytes();
        let starts = manifest.slices.iter().map(|(key, _)| u128::from_str_radix(key, 16).ok());
        let starts: Vec<u128> = starts.collect::<Option<_>>()?;
        let ascend = starts.first().is_none_or(|first| *first == 0) && starts.is_sorted();
        ascend.then_some(Self { disk, manifest, salt, starts })
    }

    /// The ids of each epoch, as the files have them.
    fn sums(&self) -> Result<Vec<Sum>, Wrong> {
        let mut sums = vec![Sum::default(); self.manifest.epochs.len()];
        let mut numbers = BTreeSet::new();
        let ends = self.starts.iter().skip(1).copied().chain([END]);
        let slices =
            self.manifest.slices.iter().zip(&self.starts).zip(ends).map(|(((_, run), from), to)| (run, *from, to));
        for (run, from, to) in slices.chain(self.manifest.middle.iter().map(|run| (run, 0, END))) {
            let path = format!("{FOLDER}/run-{:08}.ids", run.number);
            let wrong = |what: String| Wrong(path.clone(), what);
            if !numbers.insert(run.number) {
                return Err(wrong("the manifest names it twice".to_owned()));
            }
            let mut next = from;
            self.each(&path, *run, &mut |key, epoch| {
                if key < next || key >= to {
                    return Err("its keys are out of order".to_owned());
                }
                next = key + 1;
                let place = usize::from(epoch).checked_sub(usize::from(self.manifest.first_epoch));
                match place.map(|place| sums.get_mut(place)) {
                    Some(Some(sum)) => sum.add(key),
                    Some(None) => return Err("an id is of a day that the manifest does not know".to_owned()),
                    // Dropped by retention.
                    None => {}
                }
                Ok(())
            })
            .map_err(wrong)?;
        }
        Ok(sums)
    }

    /// Calls `each` with all entries of a run.
    fn each(&self, path: &str, run: Run, each: &mut dyn FnMut(u128, u16) -> Result<(), String>) -> Result<(), String> {
        let mut file = self.disk.open(path).map_err(|fault| fault.to_string())?;
        let len = file.metadata().map_err(|e| e.to_string())?.len();
        let blocks = len.saturating_sub(TRAILER as u64) / (BLOCK as u64 + 4);
        let blocks = u32::try_from(blocks).map_err(|_| "it is too long")?;
        if len != u64::from(blocks) * (BLOCK as u64 + 4) + TRAILER as u64 {
            return Err("its length is not that of a run".to_owned());
        }
        let (mut block, mut entries, mut directory) = ([0; BLOCK], 0u64, Vec::new());
        for place in 0..blocks {
            file.read_exact(&mut block).map_err(|e| e.to_string())?;
            let base = read_block(&block, run.number, place, &mut |key, epoch| {
                entries += 1;
                each(key, epoch)
            })?;
            directory.extend_from_slice(&((base >> 48) as u32).to_le_bytes());
        }
        let (mut found, mut trailer) = (vec![0; directory.len()], [0; TRAILER]);
        file.read_exact(&mut found).and_then(|()| file.read_exact(&mut trailer)).map_err(|e| e.to_string())?;
        let wanted = self.trailer(run, blocks, crc32c::crc32c(&found));
        if found != directory || trailer != wanted || entries != run.entries {
            return Err("its directory or its end is not what blocks and manifest say".to_owned());
        }
        if wanted[TRAILER - 4..] != run.crc32c.to_le_bytes() {
            return Err("it is not the file that the manifest names".to_owned());
        }
        Ok(())
    }

    fn trailer(&self, run: Run, blocks: u32, directory: u32) -> [u8; TRAILER] {
        let parts: [&[u8]; 6] = [
            MAGIC,
            &run.number.to_le_bytes(),
            &self.salt,
            &run.entries.to_le_bytes(),
            &blocks.to_le_bytes(),
            &directory.to_le_bytes(),
        ];
        let mut out = [0; TRAILER];
        let body = parts.concat();
        out[..body.len()].copy_from_slice(&body);
        let crc = crc32c::crc32c(&out[..TRAILER - 4]);
        out[TRAILER - 4..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The ids of each epoch, as the segments have them; `None` when one cannot be read.
    fn sums_of<'s>(&self, segments: impl Iterator<Item = &'s SegmentFile>) -> Option<Vec<Sum>> {
        let mut sums = vec![Sum::default(); self.manifest.epochs.len()];
        for segment in segments {
            let place = self.manifest.epochs.partition_point(|epoch| epoch.1 <= segment.first);
            let sum = sums.get_mut(place.checked_sub(1)?)?;
            segment::each_text(self.disk, &segment.path, &self.manifest.key, |id| {
                let full = Sha256::new().chain_update(self.salt).chain_update(id).finalize();
                sum.add(be(&full[..10]));
            })
            .ok()?;
        }
        Some(sums)
    }
}

/// Checks a block, calls `each` with its entries, and returns its base.
fn read_block(
    block: &[u8; BLOCK],
    run: u64,
    place: u32,
    each: &mut dyn FnMut(u128, u16) -> Result<(), String>,
) -> Result<u128, String> {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&run.to_le_bytes()), &place.to_le_bytes());
    let damaged = || format!("the checksum of block {place} does not hold");
    if block[..4] != crc32c::crc32c_append(crc, &block[4..]).to_le_bytes() {
        return Err(damaged());
    }
    let (count, width) = (usize::from(u16::from_le_bytes([block[4], block[5]])), usize::from(block[6]));
    let base = be(&block[8..HEAD]);
    let entries = block[HEAD..].chunks_exact(width + 2);
    if !(1..=10).contains(&width) || count == 0 || count > entries.len() {
        return Err(damaged());
    }
    for entry in entries.take(count) {
        let (distance, epoch) = entry.split_at(width);
        each(base + be(distance), u16::from_le_bytes([epoch[0], epoch[1]]))?;
    }
    Ok(base)
}

/// At most 16 bytes, the most significant first.
fn be(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}
