//! What is sealed, digest by digest, for who copies it to another place.
//! It must never name a file that the state does not cover yet: a rotation that is cut short puts such files in place anew.

use std::path::{Path, PathBuf};

use crate::format::{Sealed, from_hex, read_file};
use crate::seal::digest::{Digests, path as digest_path};
use crate::segment::parse_stem;
use crate::store::STORES;
use crate::{Error, Store};

/// The newest digest that the state covers, and what retention has left then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// Its number, from 1.
    pub number: u64,
    /// First sequence number that is kept, in the order of [`Store::ALL`].
    pub kept: [u64; STORES],
}

impl Newest {
    /// First sequence number of a store that is kept.
    #[must_use]
    pub fn kept(&self, store: Store) -> u64 {
        self.kept[store.place()]
    }
}

/// The newest checkpoint that lies in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Generation of the write-ahead log that it speaks of.
    pub generation: u64,
    /// Frames of it.
    pub frames: u64,
    /// The signed note, byte for byte. Its signature is not checked here.
    pub note: Vec<u8>,
}

/// What a digest says of the files of one rotation. Its signature is not checked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Its number.
    pub number: u64,
    /// When the rotation was, microseconds UTC, as its writer was told.
    pub time_us: i64,
    /// SHA-256 of the `format.json` that goes with it.
    pub format: [u8; 32],
    /// The files it names, in its order.
    pub files: Vec<SealedFile>,
}

/// A file that a digest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedFile {
    /// Where it is, from the data directory on, with `/` between folders.
    pub path: String,
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
    /// What it is.
    pub kind: FileKind,
    /// Whose it is.
    pub store: Store,
    /// The records of a segment and of what lies beside it: the first, and the one behind the last. None for a tile.
    pub span: Option<(u64, u64)>,
}

/// What a sealed file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// Parquet.
    Segment,
    /// The token index of a segment.
    Index,
    /// The leaf prefixes of a segment.
    Leaf,
    /// A tile of a tree.
    Tile,
}

/// The newest digest of a data directory; `None` before the first rotation.
///
/// # Errors
/// I/O, a damaged `state.json`.
pub fn newest(dir: &Path) -> Result<Option<Newest>, Error> {
    let sealed = Sealed::read(dir)?.filter(|sealed| sealed.digest > 0);
    Ok(sealed.map(|sealed| Newest { number: sealed.digest, kept: sealed.kept }))
}

/// The checkpoint in `seal/checkpoint`; `None` where there is none.
///
/// # Errors
/// I/O, a file that is no checkpoint.
pub fn checkpoint(dir: &Path) -> Result<Option<Checkpoint>, Error> {
    let path = dir.join("seal/checkpoint");
    let Some(note) = read_file(&path)? else { return Ok(None) };
    let place = std::str::from_utf8(&note).ok().and_then(place);
    let (generation, frames) = place.ok_or_else(|| Error::corrupt(&path, 0, "it is no checkpoint"))?;
    Ok(Some(Checkpoint { generation, frames, note }))
}

/// The place in the write-ahead log that a checkpoint names.
fn place(note: &str) -> Option<(u64, u64)> {
    let mut words = note.lines().find_map(|line| line.strip_prefix("wal "))?.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// Where a digest lies, from the data directory on.
#[must_use]
pub fn path(number: u64) -> PathBuf {
    digest_path(Path::new(""), number)
}

/// Reads a digest.
///
/// # Errors
/// I/O; a digest that is missing, or names something that no rotation makes.
pub fn read(dir: &Path, number: u64) -> Result<Digest, Error> {
    let text = Digests::new(dir, number).read(number)?;
    parse(&text, number).ok_or_else(|| Error::corrupt(&digest_path(dir, number), 0, "it is no digest of this number"))
}

fn parse(text: &str, number: u64) -> Option<Digest> {
    // A blank line ends what is signed.
    let (text, _) = text.split_once("\n\n")?;
    let mut lines = text.lines();
    let (_, own) = (lines.next()?, lines.next()?.parse::<u64>().ok()?);
    let time_us = lines.nth(1)?.strip_prefix("time ")?.parse().ok()?;
    let mut lines = lines.skip_while(|line| !line.starts_with("format "));
    let format = hash(lines.next()?.strip_prefix("format ")?)?;
    lines.next()?.strip_prefix("state ")?;
    let files = lines.map(named).collect::<Option<_>>()?;
    (own == number).then_some(Digest { number, time_us, format, files })
}

fn hash(hex: &str) -> Option<[u8; 32]> {
    from_hex(hex)?.try_into().ok()
}

fn named(line: &str) -> Option<SealedFile> {
    let (sha256, path) = line.split_once("  ")?;
    let parts: Vec<&str> = path.split('/').collect();
    if parts.iter().any(|part| part.is_empty() || part.starts_with('.')) {
        return None;
    }
    let (kind, store, stem) = match parts.as_slice() {
        [store, "data", _, file] => (FileKind::Segment, *store, file.strip_suffix(".parquet")),
        [store, "index", _, file] => (FileKind::Index, *store, file.strip_suffix(".tbf")),
        ["seal", "leaf", store, file] => (FileKind::Leaf, *store, file.strip_suffix(".leaf")),
        ["seal", "tile", store, _, ..] => (FileKind::Tile, *store, None),
        _ => return None,
    };
    let store = Store::ALL.into_iter().find(|known| known.name() == store)?;
    let span = stem.and_then(parse_stem).map(|(first, rows)| (first, first.saturating_add(rows)));
    let whole = kind == FileKind::Tile || span.is_some();
    whole.then_some(SealedFile { path: path.to_owned(), sha256: hash(sha256)?, kind, store, span })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_names_its_place() {
        assert_eq!(place("innertrail/main\n2\nx\njournal 1 x\nwal 3 41 x\ntime 5\n\n— x y\n"), Some((3, 41)));
        assert_eq!((place("wal 3"), place("wal x 1"), place("")), (None, None, None));
    }

    const HASH: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn digest(files: &str) -> String {
        format!(
            "innertrail/main/digest\n7\n{HASH}\ntime 1795392000000001\nlog 2 x\nedge log x\nkept 0 0 0 0\nwal 7 x\n\
             format {HASH}\nstate {HASH}\n{files}\n— innertrail/main x\n"
        )
    }

    #[test]
    fn a_digest_says_what_it_names() {
        let segment = format!("{HASH}  journal/data/day=2026-11-12/seg-0000000000000040-2.parquet\n");
        let tile = format!("{HASH}  seal/tile/log/1/x001/234\n");
        let read = parse(&digest(&(segment + &tile)), 7).unwrap();
        assert_eq!((read.number, read.time_us), (7, 1_795_392_000_000_001));
        assert_eq!((read.files[0].kind, read.files[0].store), (FileKind::Segment, Store::Journal));
        assert_eq!((read.files[0].span, read.files[1].span), (Some((40, 42)), None));
        assert_eq!(read.files[1].sha256[..3], [0x00, 0x11, 0x22]);
        assert_eq!(parse(&digest(""), 7).unwrap().files, []);
    }

    #[test]
    fn what_no_rotation_makes_is_refused() {
        assert!(parse(&digest(""), 8).is_none(), "another number");
        assert!(parse("", 7).is_none());
        for path in [
            "../../etc/passwd",
            "log/data/../../seal.key",
            "log/data//x.parquet",
            "log/data/day=2026-11-12/seal.key",
            "other/data/day=2026-11-12/seg-0000000000000000-2.parquet",
            "seal/leaf/log/.leaf",
            "state.json",
        ] {
            assert!(parse(&digest(&format!("{HASH}  {path}\n")), 7).is_none(), "{path}");
        }
    }
}
