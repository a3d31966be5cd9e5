//! Proofs of RFC 6962: that a record is in the tree, and that one tree continues another.
//! It must never make a proof from anything but records, tiles and signed edges; a checker must not have to trust it.

use std::cell::RefCell;
use std::collections::HashMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tlog_tiles::{Hash, HashReader, node_hash, prove_record, prove_tree, record_hash, split_stored_hash_index};

use super::{TILE_WIDTH, digest, hashes, perfect_root};
use crate::format::read_file;
use crate::{Error, Snapshot, Store, rotate};

/// Proof that a record of the dedicated Logstore, or of another store, is in the tree of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Sequence number of the record.
    pub index: u64,
    /// The audit path, lowest first.
    pub hashes: Vec<[u8; 32]>,
    /// The signed checkpoint it leads to.
    pub checkpoint: String,
}

impl Snapshot {
    /// Proves that record `seq` is in the tree of the newest checkpoint.
    ///
    /// # Errors
    /// [`Error::Proof`] for a record that is not there (any more), [`Error::Corrupt`], I/O.
    pub fn inclusion_proof(&self, store: Store, seq: u64) -> Result<Proof, Error> {
        let (kept, end) = (self.first_kept(store), self.end(store));
        if !(kept..end).contains(&seq) {
            return Err(Error::Proof(format!("{store} holds the records {kept} to {end} (exclusive), not {seq}")));
        }
        let checkpoint = self.checkpoint()?;
        let nodes = Nodes::new(self, store)?;
        let hashes = nodes.outcome(prove_record(end, seq, &nodes))?;
        Ok(Proof { index: seq, hashes, checkpoint })
    }

    /// Proves that the tree of `to` records continues the tree of `from` records.
    ///
    /// # Errors
    /// [`Error::Proof`] when the sizes make no sense or the records it would need were dropped, [`Error::Corrupt`], I/O.
    pub fn consistency_proof(&self, store: Store, from: u64, to: u64) -> Result<Vec<[u8; 32]>, Error> {
        let end = self.end(store);
        if from > to || to > end {
            return Err(Error::Proof(format!("the tree of {store} has {end} records: no way from {from} to {to}")));
        }
        if from == 0 || from == to {
            return Ok(Vec::new());
        }
        let nodes = Nodes::new(self, store)?;
        nodes.outcome(prove_tree(to, from, &nodes))
    }
}

/// Nodes of one store's tree, found wherever they are: tiles, partial tiles, records, or the edge of what was dropped.
struct Nodes<'a> {
    snapshot: &'a Snapshot,
    store: Store,
    /// Roots of the subtrees that make up what retention has dropped, by height and index.
    dropped: HashMap<(u8, u64), Hash>,
    /// Leaf hashes of blocks of 256 records that were read.
    blocks: RefCell<HashMap<u64, Vec<Hash>>>,
    failed: RefCell<Option<Error>>,
}

impl<'a> Nodes<'a> {
    fn new(snapshot: &'a Snapshot, store: Store) -> Result<Self, Error> {
        let dropped = dropped(snapshot, store)?;
        Ok(Self { snapshot, store, dropped, blocks: RefCell::default(), failed: RefCell::default() })
    }

    fn outcome(&self, proof: Result<Vec<Hash>, tlog_tiles::Error>) -> Result<Vec<[u8; 32]>, Error> {
        match (proof, self.failed.borrow_mut().take()) {
            (_, Some(error)) => Err(error),
            (Ok(hashes), None) => Ok(hashes.into_iter().map(|hash| hash.0).collect()),
            (Err(error), None) => Err(Error::Proof(error.to_string())),
        }
    }

    /// Root of the perfect subtree of 2^height records, number `index` of its kind.
    fn node(&self, height: u8, index: u64) -> Result<Hash, Error> {
        let kept = self.snapshot.first_kept(self.store);
        let (from, to) = (index << height, (index + 1) << height);
        if to <= kept
            && let Some(hash) = self.dropped.get(&(height, index))
        {
            return Ok(*hash);
        }
        if let Some(hash) = self.stored(height, index)? {
            return Ok(hash);
        }
        if to <= kept {
            return Err(Error::Proof(format!("it would need the records {from} to {to}, which retention dropped")));
        }
        if height == 0 {
            return self.leaf(index);
        }
        Ok(node_hash(self.node(height - 1, 2 * index)?, self.node(height - 1, 2 * index + 1)?))
    }

    /// A node that a complete or partial tile of level ≥ 1 gives away.
    fn stored(&self, height: u8, index: u64) -> Result<Option<Hash>, Error> {
        let (level, rise) = (height / 8, height % 8);
        if level == 0 {
            return Ok(None);
        }
        let first = index << rise;
        let (tile, within) = (first / TILE_WIDTH as u64, (first % TILE_WIDTH as u64) as usize);
        let path = rotate::tile_path(self.snapshot.dir(), self.store, level, tile);
        let entries = match read_file(&path)? {
            Some(bytes) if bytes.len() == TILE_WIDTH * 32 => hashes(&bytes),
            Some(_) => return Err(Error::corrupt(&path, 0, "a tile holds 256 hashes")),
            None => self.partial(level, tile),
        };
        Ok(entries.get(within..within + (1 << rise)).and_then(perfect_root))
    }

    fn partial(&self, level: u8, tile: u64) -> Vec<Hash> {
        let sealed = self.snapshot.sealed();
        let size = sealed.state.next(self.store);
        let here = size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0) == tile;
        let level = sealed.trees[self.store.place()].get(usize::from(level)).filter(|_| here);
        level.map(|bytes| hashes(bytes)).unwrap_or_default()
    }

    fn leaf(&self, index: u64) -> Result<Hash, Error> {
        let kept = self.snapshot.first_kept(self.store);
        let first = (index - index % TILE_WIDTH as u64).max(kept);
        let within = (index - first) as usize;
        let missing = || Error::Proof(format!("record {index} is not there"));
        if let Some(block) = self.blocks.borrow().get(&first) {
            return block.get(within).copied().ok_or_else(missing);
        }
        let wanted = TILE_WIDTH - (first % TILE_WIDTH as u64) as usize;
        let rows = self.snapshot.scan_rows(self.store, first, wanted)?;
        let block: Vec<Hash> = rows.iter().map(|row| record_hash(row.payload())).collect();
        let leaf = block.get(within).copied().ok_or_else(missing);
        self.blocks.borrow_mut().insert(first, block);
        leaf
    }
}

impl HashReader for Nodes<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let read = |index: &u64| {
            let (height, index) = split_stored_hash_index(*index);
            self.node(height, index).map_err(|e| {
                self.failed.borrow_mut().get_or_insert(e);
                tlog_tiles::Error::IndexesNotInTree
            })
        };
        indexes.iter().map(read).collect()
    }
}

/// The edge that was signed where retention cut, from the digest of that size.
fn dropped(snapshot: &Snapshot, store: Store) -> Result<HashMap<(u8, u64), Hash>, Error> {
    let kept = snapshot.first_kept(store);
    let mut found = HashMap::new();
    if kept == 0 {
        return Ok(found);
    }
    let digests = digest::Digests::new(snapshot.dir(), snapshot.sealed().digest);
    let edge = digests.edge_at(store, kept)?;
    let mut from = 0u64;
    for (height, text) in (0..64u8).rev().filter(|height| kept >> height & 1 == 1).zip(edge) {
        let bytes = BASE64_STANDARD.decode(text).unwrap_or_default();
        found.extend(hashes(&bytes).first().map(|hash| ((height, from >> height), *hash)));
        from += 1 << height;
    }
    Ok(found)
}
