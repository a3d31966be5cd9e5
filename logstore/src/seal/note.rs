//! The text of a checkpoint: what is signed with every frame, in the form of C2SP tlog-checkpoint.
//! It must never be read as true because it parses: only a signature makes it so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::Seal;
use crate::Store;
use crate::store::STORES;

/// Where the write-ahead log stands: a generation and how many of its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) generation: u64,
    pub(crate) frames: u64,
}

/// The file of the newest checkpoint.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("seal/checkpoint")
}

/// The text of the checkpoint over everything appended so far.
pub(crate) fn checkpoint(origin: &str, seal: &Seal, at: Place, now_us: i64) -> String {
    let mut text = format!("{origin}\n");
    for store in Store::ALL {
        let tree = &seal.trees[store.place()];
        let root = BASE64_STANDARD.encode(tree.root().0);
        let _ = match store {
            // The first tree stands on lines of its own: tlog-checkpoint knows one tree, the rest are extensions.
            Store::Log => writeln!(text, "{}\n{root}", tree.size()),
            _ => writeln!(text, "{store} {} {root}", tree.size()),
        };
    }
    let chain = BASE64_STANDARD.encode(seal.chain);
    let _ = writeln!(text, "wal {} {} {chain}\ntime {now_us}", at.generation, at.frames);
    text
}

/// The sizes that a checkpoint speaks of; `None` when it is none of ours.
pub(crate) fn sizes(note: &str) -> Option<[u64; STORES]> {
    let mut lines = note.lines().skip(1);
    let mut sizes = [0; STORES];
    sizes[Store::Log.place()] = lines.next()?.parse().ok()?;
    lines.next()?;
    for store in &Store::ALL[1..] {
        let mut words = lines.next()?.split(' ');
        if words.next()? != store.name() {
            return None;
        }
        sizes[store.place()] = words.next()?.parse().ok()?;
    }
    Some(sizes)
}
