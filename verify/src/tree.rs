//! Merkle trees after RFC 6962, from the definition: leaves, nodes, the edge of a growing tree, consistency proofs.
//! It must never share code with the writer: a mistake there must not be repeated here.

use sha2::{Digest as _, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Hash of a record.
#[must_use]
pub fn leaf_hash(record: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(record).finalize().into()
}

/// Hash of an inner node.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// The right edge of a tree: the roots of its perfect subtrees, largest first. Enough to grow it and to know its root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// Height and root of each perfect subtree.
    nodes: Vec<(u32, Hash)>,
}

impl Edge {
    /// The edge of a tree of `size` leaves; `None` when there are not as many hashes as a tree of that size has.
    #[must_use]
    pub fn new(size: u64, hashes: &[Hash]) -> Option<Self> {
        let heights = (0..u64::BITS).rev().filter(|height| size >> height & 1 == 1);
        let nodes: Vec<_> = heights.zip(hashes.iter().copied()).collect();
        (hashes.len() == size.count_ones() as usize).then_some(Self { size, nodes })
    }

    /// Leaves so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, largest first.
    pub fn hashes(&self) -> impl Iterator<Item = Hash> {
        self.nodes.iter().map(|(_, hash)| *hash)
    }

    /// Adds a leaf. `entry` gets every perfect subtree of 256, 65,536, … leaves that this completes, as an entry of a
    /// tile: its level (from 1), its place in the level, and its root.
    pub fn push(&mut self, leaf: Hash, mut entry: impl FnMut(u32, u64, Hash)) {
        self.size = self.size.saturating_add(1);
        let (mut height, mut hash) = (0, leaf);
        while let Some((_, left)) = self.nodes.pop_if(|(h, _)| *h == height) {
            hash = node_hash(&left, &hash);
            height += 1;
            if height % 8 == 0 && height < u64::BITS {
                entry(height / 8, (self.size >> height).saturating_sub(1), hash);
            }
        }
        self.nodes.push((height, hash));
    }

    /// The root; that of the empty tree is the hash of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut hashes = self.nodes.iter().rev().map(|(_, hash)| *hash);
        let last = hashes.next();
        last.map_or_else(|| sha256(b""), |last| hashes.fold(last, |right, left| node_hash(&left, &right)))
    }
}

/// Whether `proof` shows that the tree `new` (size, root) only added to the tree `old` (RFC 9162, section 2.1.4.2).
#[must_use]
pub fn consistent(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size == new_size {
        return proof.is_empty() && old_root == new_root;
    }
    if old_size == 0 {
        return proof.is_empty() && *old_root == sha256(b"");
    }
    if old_size > new_size {
        return false;
    }
    let mut hashes = proof.iter();
    let first = if old_size.is_power_of_two() { Some(old_root) } else { hashes.next() };
    let Some(first) = first else { return false };
    let (mut low, mut high) = (old_size - 1, new_size - 1);
    while low & 1 == 1 {
        (low, high) = (low >> 1, high >> 1);
    }
    let (mut old_side, mut new_side) = (*first, *first);
    for hash in hashes {
        if high == 0 {
            return false;
        }
        if low & 1 == 1 || low == high {
            old_side = node_hash(hash, &old_side);
            new_side = node_hash(hash, &new_side);
            while low & 1 == 0 && low != 0 {
                (low, high) = (low >> 1, high >> 1);
            }
        } else {
            new_side = node_hash(&new_side, hash);
        }
        (low, high) = (low >> 1, high >> 1);
    }
    high == 0 && old_side == *old_root && new_side == *new_root
}
