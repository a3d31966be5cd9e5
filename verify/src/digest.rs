//! The text of a digest, what one rotation put in place, and the names of the files in it.
//! It must never be read before its signature was checked.

use crate::STORES;
use crate::checkpoint::tree_line;
use crate::note::{base64_hash, hex_hash, number};
use crate::tree::{Edge, Hash};

/// What a digest states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) number: u64,
    pub(crate) previous: Hash,
    pub(crate) sizes: [u64; 4],
    pub(crate) roots: [Hash; 4],
    pub(crate) edges: [Edge; 4],
    pub(crate) kept: [u64; 4],
    pub(crate) generation: u64,
    pub(crate) chain: Hash,
    pub(crate) format: Hash,
    pub(crate) state: Hash,
    /// SHA-256 and path relative to the data directory.
    pub(crate) files: Vec<(Hash, String)>,
    /// SHA-256 of the digest file itself.
    pub(crate) sha256: Hash,
}

impl Digest {
    /// Reads the signed text; an error says what does not fit.
    pub(crate) fn parse(text: &str, origin: &str, sha256: Hash) -> Result<Self, &'static str> {
        let lines = text.strip_suffix('\n').ok_or("its last line is not finished")?.split('\n');
        let digest = read(lines, origin, sha256).ok_or("its lines are not those of a digest")?;
        for place in 0..STORES.len() {
            if digest.edges[place].root() != digest.roots[place] {
                return Err("a root is not the root of its edge");
            }
            if digest.kept[place] > digest.sizes[place] {
                return Err("it keeps records that are not there yet");
            }
        }
        Ok(digest)
    }
}

fn read<'a>(mut lines: impl Iterator<Item = &'a str>, origin: &str, sha256: Hash) -> Option<Digest> {
    if lines.next()?.strip_suffix("/digest")? != origin {
        return None;
    }
    let (number_, previous) = (number(lines.next()?)?, hex_hash(lines.next()?)?);
    lines.next()?.strip_prefix("time ")?.parse::<i64>().ok()?;
    let (mut sizes, mut roots) = ([0; 4], [Hash::default(); 4]);
    for place in 0..STORES.len() {
        (sizes[place], roots[place]) = tree_line(lines.next()?, STORES[place])?;
    }
    let mut edges: [Edge; 4] = Default::default();
    for place in 0..STORES.len() {
        let mut words = lines.next()?.strip_prefix("edge ")?.split(' ');
        if words.next()? != STORES[place] {
            return None;
        }
        let hashes: Vec<Hash> = words.map(base64_hash).collect::<Option<_>>()?;
        edges[place] = Edge::new(sizes[place], &hashes)?;
    }
    let kept: Vec<u64> = lines.next()?.strip_prefix("kept ")?.split(' ').map(number).collect::<Option<_>>()?;
    let (generation, chain) = lines.next()?.strip_prefix("wal ")?.split_once(' ')?;
    let format = hex_hash(lines.next()?.strip_prefix("format ")?)?;
    let state = hex_hash(lines.next()?.strip_prefix("state ")?)?;
    let named = |line: &str| line.split_once("  ").and_then(|(sha, path)| Some((hex_hash(sha)?, path.to_owned())));
    let files = lines.map(named).collect::<Option<_>>()?;
    Some(Digest {
        number: number_,
        previous,
        sizes,
        roots,
        edges,
        kept: kept.try_into().ok()?,
        generation: number(generation)?,
        chain: base64_hash(chain)?,
        format,
        state,
        files,
        sha256,
    })
}

/// What kind of file a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// Records of one store: place of the store, first sequence number, records.
    Segment(usize, u64, u64),
    /// The leaf prefixes of a segment.
    Leaf(usize, u64, u64),
    /// The token index of a segment.
    Index(usize, u64, u64),
    /// A tile: place of the store, level, number.
    Tile(usize, u32, u64),
    /// A digest by number.
    Digest(u64),
    /// None of these.
    Other,
}

impl Named {
    /// What a path relative to the data directory names.
    pub(crate) fn of(path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').collect();
        let place = |store: &str| STORES.iter().position(|s| *s == store);
        let found = match parts.as_slice() {
            [store, "data", day, file] if is_day(day) => {
                place(store).zip(span(file, ".parquet")).map(|(s, (first, rows))| Self::Segment(s, first, rows))
            }
            [store, "index", day, file] if is_day(day) => {
                place(store).zip(span(file, ".tbf")).map(|(s, (first, rows))| Self::Index(s, first, rows))
            }
            ["seal", "leaf", store, file] => {
                place(store).zip(span(file, ".leaf")).map(|(s, (first, rows))| Self::Leaf(s, first, rows))
            }
            ["seal", "tile", store, level, index @ ..] => {
                let level = number(level).and_then(|l| u32::try_from(l).ok()).filter(|l| (1..=7).contains(l));
                place(store).zip(level).zip(tile_index(index)).map(|((s, level), index)| Self::Tile(s, level, index))
            }
            ["seal", "digest", file] => file
                .strip_suffix(".digest")
                .and_then(|n| n.parse().ok())
                .filter(|n| digest_path(*n) == path)
                .map(Self::Digest),
            _ => None,
        };
        found.unwrap_or(Self::Other)
    }

    /// Store and sequence numbers (first, end) of a segment or a file beside one.
    pub(crate) fn span(self) -> Option<(usize, u64, u64)> {
        match self {
            Self::Segment(store, first, rows) | Self::Leaf(store, first, rows) | Self::Index(store, first, rows) => {
                Some((store, first, first.saturating_add(rows)))
            }
            _ => None,
        }
    }
}

/// Path of a digest relative to the data directory.
pub(crate) fn digest_path(number: u64) -> String {
    format!("seal/digest/{number:08}.digest")
}

fn is_day(part: &str) -> bool {
    let day = part.strip_prefix("day=").unwrap_or_default().as_bytes();
    day.len() == 10
        && day.iter().enumerate().all(|(i, b)| if i == 4 || i == 7 { *b == b'-' } else { b.is_ascii_digit() })
}

fn span(file: &str, ending: &str) -> Option<(u64, u64)> {
    let (first, rows) = file.strip_prefix("seg-")?.strip_suffix(ending)?.split_once('-')?;
    let (first, rows) = (first.parse::<u64>().ok()?, number(rows)?);
    first.checked_add(rows)?;
    (format!("seg-{first:016}-{rows}{ending}") == file).then_some((first, rows))
}

/// The number in a tile's path after C2SP tlog-tiles: groups of three digits, all but the last with an `x` before them.
fn tile_index(parts: &[&str]) -> Option<u64> {
    let (last, leading) = parts.split_last()?;
    let mut index = 0u64;
    for part in leading.iter().map(|p| p.strip_prefix('x')).chain([Some(*last)]) {
        let digits = part.filter(|d| d.len() == 3 && d.bytes().all(|b| b.is_ascii_digit()))?;
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    (leading.is_empty() || leading[0] != "x000").then_some(index)
}
