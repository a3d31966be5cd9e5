//! The Merkle tree of one store (RFC 6962), grown record by record: what its root, its edge and its tiles need.
//! It must never read a record back: everything it has to know of the past is in its partial tiles.

use tlog_tiles::{EMPTY_HASH, Hash, node_hash};

/// Height of a tile: 256 hashes (C2SP tlog-tiles).
const TILE_HEIGHT: u8 = 8;
/// Hashes of a complete tile.
pub(crate) const TILE_WIDTH: usize = 256;
/// Levels a tree of 2^64 records has at most.
const MAX_LEVELS: usize = 8;

/// A complete tile: never changed again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tile {
    /// Level, from 1: level 0 is made of the records themselves.
    pub(crate) level: u8,
    /// Number within the level.
    pub(crate) index: u64,
    pub(crate) hashes: Vec<Hash>,
}

/// The tree of one store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    size: u64,
    /// The partial tile of each level: what came after its last complete tile.
    levels: Vec<Vec<Hash>>,
    /// Roots of the perfect subtrees that make up the tree, largest first, each with its height.
    edge: Vec<(u8, Hash)>,
    /// Tiles completed since the last [`Tree::take_tiles`].
    complete: Vec<Tile>,
}

impl Tree {
    /// The tree with these partial tiles; `None` when they do not make up `size` records.
    pub(crate) fn restore(size: u64, levels: Vec<Vec<Hash>>) -> Option<Self> {
        if levels.len() > MAX_LEVELS || levels.iter().any(|l| l.len() >= TILE_WIDTH) {
            return None;
        }
        let mut sum = 0u64;
        let mut edge = Vec::new();
        for (level, hashes) in levels.iter().enumerate().rev() {
            let height = u8::try_from(level).ok()? * TILE_HEIGHT;
            sum = sum.checked_add((hashes.len() as u64) << height)?;
            edge.extend(subtrees(height, hashes));
        }
        (sum == size).then_some(Self { size, levels, edge, complete: Vec::new() })
    }

    /// Adds the record with this leaf hash.
    pub(crate) fn push(&mut self, leaf: Hash) {
        self.size += 1;
        self.level(0).push(leaf);
        let (mut height, mut hash) = (0, leaf);
        while let Some((_, left)) = self.edge.pop_if(|(h, _)| *h == height) {
            hash = node_hash(left, hash);
            height += 1;
            if height % TILE_HEIGHT == 0 {
                self.close_tile(height / TILE_HEIGHT - 1, hash);
            }
        }
        self.edge.push((height, hash));
    }

    /// The tile of `level` is full; its root is an entry of the level above.
    fn close_tile(&mut self, level: u8, root: Hash) {
        let hashes = std::mem::take(self.level(level));
        if level > 0 {
            let index = (self.size >> (TILE_HEIGHT * (level + 1))) - 1;
            self.complete.push(Tile { level, index, hashes });
        }
        self.level(level + 1).push(root);
    }

    fn level(&mut self, level: u8) -> &mut Vec<Hash> {
        let level = usize::from(level);
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Vec::new);
        }
        &mut self.levels[level]
    }

    /// Records so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The root.
    pub(crate) fn root(&self) -> Hash {
        let mut hashes = self.edge.iter().rev().map(|(_, hash)| *hash);
        let last = hashes.next();
        last.map_or(EMPTY_HASH, |last| hashes.fold(last, |right, left| node_hash(left, right)))
    }

    /// Roots of the perfect subtrees, largest first: enough to go on from here without a record.
    pub(crate) fn edge(&self) -> impl Iterator<Item = Hash> {
        self.edge.iter().map(|(_, hash)| *hash)
    }

    /// The partial tiles, level 0 first.
    pub(crate) fn levels(&self) -> &[Vec<Hash>] {
        &self.levels
    }

    /// The tiles completed since the last call.
    pub(crate) fn take_tiles(&mut self) -> Vec<Tile> {
        std::mem::take(&mut self.complete)
    }
}

/// The perfect subtrees of fewer than 256 neighbours of one height, largest first.
fn subtrees(height: u8, mut hashes: &[Hash]) -> Vec<(u8, Hash)> {
    let mut found = Vec::new();
    for rise in (0..TILE_HEIGHT).rev() {
        let width = 1usize << rise;
        if hashes.len() & width != 0 {
            let (head, rest) = hashes.split_at(width);
            found.extend(perfect_root(head).map(|root| (height + rise, root)));
            hashes = rest;
        }
    }
    found
}

/// The root over a power of two of neighbours.
pub(crate) fn perfect_root(hashes: &[Hash]) -> Option<Hash> {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node_hash(pair[0], pair[1])).collect();
    }
    row.first().copied()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tlog_tiles::record_hash;

    /// The definition of RFC 6962, section 2.1.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => EMPTY_HASH,
            [one] => *one,
            more => {
                let split = more.len().next_power_of_two() / 2;
                node_hash(by_definition(&more[..split]), by_definition(&more[split..]))
            }
        }
    }

    #[test]
    fn root_edge_and_tiles_are_those_of_the_definition_at_every_size() {
        let leaves: Vec<Hash> = (0..1_100u32).map(|n| record_hash(&n.to_le_bytes())).collect();
        let mut tree = Tree::default();
        for (n, leaf) in leaves.iter().enumerate() {
            assert_eq!(tree.root(), by_definition(&leaves[..n]), "size {n}");
            let again = Tree::restore(n as u64, tree.levels().to_vec()).unwrap();
            assert_eq!(again.root(), tree.root());
            assert_eq!(again.edge().collect::<Vec<_>>(), tree.edge().collect::<Vec<_>>());
            tree.push(*leaf);
        }
        assert!(Tree::restore(1, Vec::new()).is_none());
    }

    #[test]
    fn a_full_tile_of_level_one_holds_the_roots_of_its_blocks() {
        let mut tree = Tree::default();
        let leaves: Vec<Hash> = (0..65_536u32).map(|n| record_hash(&n.to_le_bytes())).collect();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        let tiles = tree.take_tiles();
        assert_eq!((tiles.len(), tiles[0].level, tiles[0].index), (1, 1, 0));
        assert_eq!(tiles[0].hashes[3], by_definition(&leaves[768..1024]));
        assert_eq!(tree.levels()[2], [by_definition(&leaves)]);
        assert!(tree.take_tiles().is_empty());
    }
}
