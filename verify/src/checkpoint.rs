//! The text of a checkpoint: sizes and roots of the four trees and the place in the write-ahead log, at one moment.
//! It must never be read before its signature was checked.

use crate::STORES;
use crate::note::{base64_hash, number};
use crate::tree::Hash;

/// What a checkpoint states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) sizes: [u64; 4],
    pub(crate) roots: [Hash; 4],
    pub(crate) generation: u64,
    pub(crate) frames: u64,
    pub(crate) chain: Hash,
    /// Append time in microseconds, as it is written.
    pub(crate) time: i64,
}

impl Checkpoint {
    /// Reads the signed text; `None` when it is not a checkpoint of `origin`.
    pub(crate) fn parse(text: &str, origin: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next()? != origin {
            return None;
        }
        let (mut sizes, mut roots) = ([0; 4], [Hash::default(); 4]);
        sizes[0] = number(lines.next()?)?;
        roots[0] = base64_hash(lines.next()?)?;
        for place in 1..STORES.len() {
            (sizes[place], roots[place]) = tree_line(lines.next()?, STORES[place])?;
        }
        let mut wal = lines.next()?.strip_prefix("wal ")?.split(' ');
        let (generation, frames) = (number(wal.next()?)?, number(wal.next()?)?);
        let chain = base64_hash(wal.next()?)?;
        let time = lines.next()?.strip_prefix("time ")?.parse().ok()?;
        let ended = wal.next().is_none() && lines.next().is_none();
        ended.then_some(Self { sizes, roots, generation, frames, chain, time })
    }
}

/// `<store> <size> <root>`.
pub(crate) fn tree_line(line: &str, store: &str) -> Option<(u64, Hash)> {
    let (size, root) = line.strip_prefix(store)?.strip_prefix(' ')?.split_once(' ')?;
    Some((number(size)?, base64_hash(root)?))
}
