//! Through the segments of one store in order: every record is hashed, the tree grows, every signed root is met.
//! It must never count a record as proved that no signed root or hash covers.

use std::collections::{BTreeMap, BTreeSet};

use crate::chain::{Catalogue, Chain, SegmentFile, unusable};
use crate::disk::Disk;
use crate::locate::{Difference, Prefix, compare};
use crate::report::{Finding, Kind};
use crate::segment::{Decoded, Examined, examine};
use crate::tree::{Edge, Hash, sha256};
use crate::{Context, PAYLOADS, STORES};

/// Hashes of a complete tile.
const TILE: usize = 256;
/// Ranges of changed records of one segment that are named; the rest is counted.
const MAX_RANGES: usize = 16;

/// The tree of one store on its way through the segments.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    place: usize,
    chain: &'a Chain,
    catalogue: &'a Catalogue,
    /// The tree so far; `None` where no digest says how it was.
    edge: Option<Edge>,
    /// Records proved.
    pub(crate) verified: u64,
    /// Sizes at which somebody wants to know the root.
    wanted: BTreeSet<u64>,
    /// Roots by size: from digests, and at the wanted sizes passed on the way.
    pub(crate) roots: BTreeMap<u64, Hash>,
    tiles: BTreeMap<u32, PartialTile>,
}

/// A tile being recomputed; entries that were not seen are `None`.
#[derive(Debug)]
struct PartialTile {
    number: u64,
    entries: Vec<Option<Hash>>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(place: usize, chain: &'a Chain, catalogue: &'a Catalogue, wanted: BTreeSet<u64>) -> Self {
        let roots = chain.roots(place);
        Self { place, chain, catalogue, edge: None, verified: 0, wanted, roots, tiles: BTreeMap::new() }
    }

    /// Reads the segments from record `start` up to `end`.
    pub(crate) fn run(&mut self, ctx: &mut Context<'_>, start: u64, end: u64) {
        let catalogue = self.catalogue;
        self.edge = self.chain.edge(self.place, start);
        let mut next = start;
        for some in catalogue.segments[self.place].chunks(ctx.threads) {
            let examined = examine_all(&ctx.disk, some, PAYLOADS[self.place]);
            for (segment, examined) in some.iter().zip(examined) {
                self.report_gap(ctx, next, segment.first);
                if segment.first < next {
                    let what = "it holds records that another segment holds too";
                    ctx.report.add(Finding::file(Kind::Digest, &segment.path, what).store(STORES[self.place]));
                }
                next = next.max(segment.end());
                self.absorb(ctx, segment, examined);
                ctx.done(STORES[self.place], ctx.disk.len(&segment.path));
            }
        }
        self.report_gap(ctx, next, end);
    }

    fn report_gap(&self, ctx: &mut Context<'_>, next: u64, found: u64) {
        if next < found {
            let what = "no digest names a segment with these records: they cannot be checked";
            let finding = Finding::plain(Kind::Unchecked, what).store(STORES[self.place]);
            ctx.report.add(finding.records(next, found));
        }
    }

    fn absorb(&mut self, ctx: &mut Context<'_>, segment: &SegmentFile, examined: Examined) {
        if self.edge.as_ref().is_none_or(|edge| edge.size() != segment.first) {
            self.edge = self.chain.edge(self.place, segment.first);
        }
        ctx.report.segments += 1;
        let about = |finding: Finding| finding.store(STORES[self.place]).records(segment.first, segment.end());
        match (examined.sha256, examined.decoded) {
            (Err(fault), _) => ctx.report.add(about(unusable(&segment.path, &fault))),
            (Ok(_), Err(reason)) => {
                let what = format!("it is no readable Parquet file: {reason}");
                ctx.report.add(about(Finding::file(Kind::Undecodable, &segment.path, what)));
            }
            (Ok(hash), Ok(decoded)) => self.judge(ctx, segment, hash == segment.sha256, &decoded),
        }
        // After a damaged segment the tree goes on from what the digest says it was.
        if self.edge.as_ref().is_none_or(|edge| edge.size() != segment.end()) {
            self.edge = self.chain.edge(self.place, segment.end());
        }
    }

    fn judge(&mut self, ctx: &mut Context<'_>, segment: &SegmentFile, as_sealed: bool, decoded: &Decoded) {
        let whole = decoded.broken.is_empty() && decoded.leaves.len() as u64 == segment.rows;
        let proved = if whole { self.grow(ctx, segment, &decoded.leaves) } else { Some(false) };
        let good = proved.unwrap_or(as_sealed);
        if good {
            self.verified += segment.rows;
            ctx.report.raw_bytes += decoded.raw_bytes;
        }
        if let (true, Some(at)) = (good, decoded.sequence_fault) {
            let what = "from here on the sequence numbers are not those of the records";
            let finding = Finding::file(Kind::Sequence, &segment.path, what).store(STORES[self.place]);
            let at = segment.first + at as u64;
            ctx.report.add(finding.records(at, at + 1));
        }
        if good && !as_sealed {
            let what = "it is not the file that was sealed: the records are unchanged, but their columns, \
                        or what else is in it, is not";
            let finding = Finding::file(Kind::FileChanged, &segment.path, what).store(STORES[self.place]);
            ctx.report.add(finding.records(segment.first, segment.end()));
        }
        if !good {
            self.blame(ctx, segment, decoded);
        }
    }

    /// Lets the tree grow by a segment and compares it with the signed root; `None` when there is nothing to compare.
    fn grow(&mut self, ctx: &mut Context<'_>, segment: &SegmentFile, leaves: &[Hash]) -> Option<bool> {
        let mut edge = self.edge.clone()?;
        let signed = self.chain.root_at(self.place, segment.end())?;
        let mut wanted = self.wanted.range(segment.first + 1..).copied().peekable();
        let (mut passed, mut entries) = (Vec::new(), Vec::new());
        for leaf in leaves {
            edge.push(*leaf, |level, index, hash| entries.push((level, index, hash)));
            if wanted.next_if_eq(&edge.size()).is_some() {
                passed.push((edge.size(), edge.root()));
            }
        }
        if edge.root() != signed {
            return Some(false);
        }
        for (size, root) in passed {
            self.roots.entry(size).or_insert(root);
        }
        self.edge = Some(edge);
        for (level, index, hash) in entries {
            self.tile_entry(ctx, level, index, hash);
        }
        Some(true)
    }

    fn tile_entry(&mut self, ctx: &mut Context<'_>, level: u32, index: u64, hash: Hash) {
        let (number, at) = (index / TILE as u64, (index % TILE as u64) as usize);
        let empty = || PartialTile { number, entries: vec![None; TILE] };
        let tile = self.tiles.entry(level).or_insert_with(empty);
        if tile.number != number {
            *tile = empty();
        }
        tile.entries[at] = Some(hash);
        if at == TILE - 1 {
            let entries = std::mem::take(&mut tile.entries);
            self.tiles.remove(&level);
            self.check_tile(ctx, level, number, &entries);
        }
    }

    /// Compares a tile with what was recomputed. That the file is the sealed one is checked with all the others.
    fn check_tile(&self, ctx: &mut Context<'_>, level: u32, number: u64, entries: &[Option<Hash>]) {
        let named = self.catalogue.tiles.get(&(self.place, level, number));
        // An export has no tiles; a damaged digest may have named this one.
        if self.catalogue.tiles.is_empty() || (named.is_none() && self.chain.broken) {
            return;
        }
        let Some(path) = named else {
            let what = format!("no digest names tile {number} of level {level}");
            return ctx.report.add(Finding::plain(Kind::Tile, what).store(STORES[self.place]));
        };
        let Ok(bytes) = ctx.disk.read(path, (TILE * 32) as u64) else { return };
        let (hashes, _) = bytes.as_chunks::<32>();
        let same = bytes.len() == TILE * 32 && entries.iter().zip(hashes).all(|(a, b)| a.is_none_or(|a| a == *b));
        if !same {
            let what = "its hashes are not those of the records";
            ctx.report.add(Finding::file(Kind::Tile, path, what).store(STORES[self.place]));
        }
    }

    /// Says which records of a damaged segment are not the sealed ones.
    fn blame(&self, ctx: &mut Context<'_>, segment: &SegmentFile, decoded: &Decoded) {
        let sealed = prefixes(&ctx.disk, segment);
        let mut findings = Vec::new();
        let mut say = |kind, first: usize, end: usize, what: &str| {
            let finding = Finding::file(kind, &segment.path, what).store(STORES[self.place]);
            findings.push(finding.records(segment.first + first as u64, segment.first + end as u64));
        };
        for broken in &decoded.broken {
            say(Kind::Undecodable, broken.start, broken.end, &format!("cannot be decoded: {}", decoded.reason));
        }
        let rows = usize::try_from(segment.rows).unwrap_or(usize::MAX);
        match sealed {
            Some(sealed) if decoded.broken.is_empty() => differences(&compare(&sealed, &decoded.leaves), rows, say),
            Some(sealed) if sealed.len() == decoded.leaves.len() => {
                let broken = |i: usize| decoded.broken.iter().any(|range| range.contains(&i));
                let differs = |i: &usize| sealed[*i] != decoded.leaves[*i][..2] && !broken(*i);
                let changed = (0..sealed.len()).filter(differs).collect();
                differences(&Difference::Changed(changed), rows, say);
            }
            _ if decoded.broken.is_empty() => {
                let what = "records were changed; without the file of leaf hashes it cannot be told which";
                say(Kind::RecordsDamaged, 0, rows, what);
            }
            _ => {}
        }
        findings.into_iter().for_each(|finding| ctx.report.add(finding));
    }
}

/// Says a difference in findings: kind, first place, end, text.
fn differences(difference: &Difference, rows: usize, mut say: impl FnMut(Kind, usize, usize, &str)) {
    match difference {
        Difference::None => {
            let what = "records were changed in a way that two bytes of each leaf hash do not show";
            say(Kind::RecordsDamaged, 0, rows, what);
        }
        Difference::Changed(places) => ranges(places, Kind::RecordChanged, "the content was changed", say),
        Difference::Removed(places) => ranges(places, Kind::RecordRemoved, "taken out", say),
        Difference::Inserted { before, count } => {
            let what = format!("{count} records were put in before this place");
            say(Kind::RecordInserted, *before, before + 1, &what);
        }
        Difference::Reordered(range) => {
            say(Kind::RecordReordered, range.start, range.end, "the records are in another order");
        }
        Difference::Mixed(range) => {
            let what = "records were changed, taken out or put in within this range";
            say(Kind::RecordsDamaged, range.start, range.end, what);
        }
    }
}

/// Neighbours become one finding; many become a few.
fn ranges(places: &[usize], kind: Kind, what: &str, mut say: impl FnMut(Kind, usize, usize, &str)) {
    let groups: Vec<&[usize]> = places.chunk_by(|a, b| a + 1 == *b).collect();
    for group in groups.iter().take(MAX_RANGES) {
        say(kind, group[0], group[0] + group.len(), what);
    }
    if let (Some(first), Some(last)) = (groups.get(MAX_RANGES), groups.last()) {
        let more: usize = groups[MAX_RANGES..].iter().map(|g| g.len()).sum();
        say(kind, first[0], last[last.len() - 1] + 1, &format!("{what}: {more} records within this range"));
    }
}

/// The sealed leaf prefixes of a segment, if their file is the sealed one.
fn prefixes(disk: &Disk, segment: &SegmentFile) -> Option<Vec<Prefix>> {
    let (path, hash) = segment.leaf.as_ref()?;
    let bytes = disk.read(path, segment.rows.checked_mul(2)?).ok()?;
    let whole = sha256(&bytes) == *hash && bytes.len() as u64 == segment.rows * 2;
    whole.then(|| bytes.as_chunks::<2>().0.to_vec())
}

/// Reads some segments at the same time.
fn examine_all(disk: &Disk, segments: &[SegmentFile], payload: &str) -> Vec<Examined> {
    let work = |segment: &SegmentFile| examine(disk, &segment.path, payload, segment.first);
    let [one, others @ ..] = segments else { return Vec::new() };
    std::thread::scope(|scope| {
        let started: Vec<_> = others.iter().map(|segment| scope.spawn(move || work(segment))).collect();
        let mut all = vec![work(one)];
        // A reader that ended in a panic has found damage that the decoder could not bear.
        let lost = |_| Examined { sha256: Ok(Hash::default()), decoded: Err("it ended the reader".to_owned()) };
        all.extend(started.into_iter().map(|thread| thread.join().unwrap_or_else(lost)));
        all
    })
}
