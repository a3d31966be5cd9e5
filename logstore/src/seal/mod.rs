//! The seal: a Merkle tree over each store, a chain over everything else in the write-ahead log, and the signed
//! statements about them. It must never touch the disk, never read the clock, and never sign what it did not see.
//!
//! `docs/format.md` has every byte of it. A *checkpoint* is signed with every frame, a *digest* with every rotation.

pub(crate) mod digest;
pub mod key;
pub(crate) mod note;
pub mod proof;
mod tree;

use sha2::{Digest as _, Sha256};
use tlog_tiles::{Hash, record_hash};

use crate::Store;
use crate::format::Sealed;
use crate::frame::{self, Draft};
use crate::row::RowRef;
use crate::store::STORES;
pub(crate) use tree::{TILE_WIDTH, Tree, perfect_root};

pub(crate) use key::SealKey;

/// First byte of what is hashed for the chain; leaves have 0 and nodes have 1 (RFC 6962).
const CHAIN: u8 = 2;

/// Trees and chain after everything that was appended so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seal {
    pub(crate) trees: [Tree; STORES],
    pub(crate) chain: [u8; 32],
    /// The first two bytes of each leaf hash since the last rotation: they name the record that was changed.
    pub(crate) leaves: [Vec<u8>; STORES],
}

impl Seal {
    /// Goes on from a sealed state; `None` when its trees do not fit its sizes.
    pub(crate) fn restore(sealed: &Sealed) -> Option<Self> {
        let mut seal = Self { chain: sealed.chain, ..Self::default() };
        for store in Store::ALL {
            let place = store.place();
            let levels = sealed.trees[place].iter().map(|level| hashes(level)).collect();
            seal.trees[place] = Tree::restore(sealed.state.next_seq[place], levels)?;
        }
        Some(seal)
    }

    /// Takes one frame in: its records into the trees, the rest into the chain. `None` when a row does not fit.
    pub(crate) fn absorb(&mut self, draft: Draft<'_>) -> Option<()> {
        let mut chain = Sha256::new();
        chain.update([CHAIN]);
        chain.update(self.chain);
        chain.update(draft.chained);
        for store in Store::ALL {
            let (tree, leaves) = (&mut self.trees[store.place()], &mut self.leaves[store.place()]);
            for row in frame::rows(draft.parts, draft.rows, store) {
                let row = row?.1;
                // With its length, so that no byte can move from one row to the next.
                chain.update(u32::try_from(row.len()).ok()?.to_le_bytes());
                let row = RowRef::parse(row).ok()?;
                let (before, after) = row.around_payload();
                chain.update(before);
                chain.update(after);
                let leaf = record_hash(row.payload());
                leaves.extend_from_slice(&leaf.0[..2]);
                tree.push(leaf);
            }
        }
        chain.update(draft.meta);
        self.chain = chain.finalize().into();
        Some(())
    }

    /// The partial tiles of all trees, as `state.json` keeps them.
    pub(crate) fn levels(&self) -> [Vec<Vec<u8>>; STORES] {
        self.trees
            .each_ref()
            .map(|tree| tree.levels().iter().map(|level| level.iter().flat_map(|hash| hash.0).collect()).collect())
    }
}

/// Hashes that stand back to back.
pub(crate) fn hashes(bytes: &[u8]) -> Vec<Hash> {
    bytes.as_chunks::<32>().0.iter().map(|hash| Hash(*hash)).collect()
}
