//! The chain of digests: each signed, each naming the one before, each adding to what was there.
//! It must never use a digest whose signature does not hold.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::digest::{Digest, Named, digest_path};
use crate::disk::{Fault, hash_file};
use crate::note::MAX_NOTE;
use crate::report::{Finding, Kind};
use crate::tree::{Edge, Hash, sha256};
use crate::{Context, STORES};

/// The digests that can be trusted.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// In order of their numbers.
    pub(crate) digests: Vec<Digest>,
    /// A digest is missing or damaged: what it named and proved is unknown.
    pub(crate) broken: bool,
    /// The digest of a rotation that is not finished.
    pub(crate) beyond: Option<Digest>,
}

/// A segment that a digest names.
#[derive(Debug, Clone)]
pub(crate) struct SegmentFile {
    pub(crate) path: String,
    pub(crate) sha256: Hash,
    pub(crate) first: u64,
    pub(crate) rows: u64,
    /// Path and hash of the file with the prefixes of its leaf hashes.
    pub(crate) leaf: Option<(String, Hash)>,
}

impl SegmentFile {
    pub(crate) fn end(&self) -> u64 {
        self.first.saturating_add(self.rows)
    }
}

/// Reads the digests `first..=last` of those that have a file. Without `last`, up to the newest there is.
pub(crate) fn load(ctx: &mut Context<'_>, numbers: &BTreeSet<u64>, first: u64, last: Option<u64>) -> Chain {
    let last = last.unwrap_or_else(|| numbers.last().copied().unwrap_or(0));
    let mut chain = Chain::default();
    let mut expected = first;
    for number in numbers.range(first..=last.max(first)).copied().filter(|n| *n <= last) {
        chain.report_gap(ctx, expected, number);
        expected = number.saturating_add(1);
        match read(ctx, number) {
            Ok(digest) => chain.append(ctx, digest),
            Err(finding) => {
                ctx.report.add(finding);
                chain.broken = true;
            }
        }
    }
    chain.report_gap(ctx, expected, last.saturating_add(1));
    ctx.report.digests = chain.digests.len() as u64;
    if let Some(next) = last.checked_add(1).filter(|next| numbers.contains(next)) {
        chain.beyond = read(ctx, next).ok().filter(|d| chain.newest().is_none_or(|n| n.sha256 == d.previous));
    }
    chain
}

fn read(ctx: &Context<'_>, number: u64) -> Result<Digest, Finding> {
    let path = digest_path(number);
    let bytes = ctx.disk.read(&path, MAX_NOTE);
    let bytes = bytes.map_err(|fault| Finding::file(Kind::UnreadableFile, &path, fault.to_string()))?;
    let text = ctx.key.open(&bytes).map_err(|why| Finding::file(Kind::Signature, &path, why))?;
    let digest = Digest::parse(text, ctx.key.name(), sha256(&bytes));
    let digest = digest.map_err(|why| Finding::file(Kind::Digest, &path, why))?;
    if digest.number != number {
        let what = format!("it is digest {} under another name", digest.number);
        return Err(Finding::file(Kind::Digest, &path, what));
    }
    Ok(digest)
}

impl Chain {
    /// The newest digest.
    pub(crate) fn newest(&self) -> Option<&Digest> {
        self.digests.last()
    }

    fn report_gap(&mut self, ctx: &mut Context<'_>, expected: u64, found: u64) {
        if expected >= found {
            return;
        }
        self.broken = true;
        let path = digest_path(expected);
        let what = match found - expected {
            1 => "the digest is missing".to_owned(),
            more => format!("this digest and the {} after it are missing", more - 1),
        };
        ctx.report.add(Finding::file(Kind::MissingFile, &path, what));
    }

    /// Adds a digest and compares it with the one before it.
    fn append(&mut self, ctx: &mut Context<'_>, digest: Digest) {
        let mut wrong = Vec::new();
        let before = self.newest();
        match before {
            Some(before) if before.number + 1 == digest.number && before.sha256 != digest.previous => {
                wrong.push("it does not name the digest before it");
            }
            None if digest.number == 1 && digest.previous != Hash::default() => {
                wrong.push("it is the first, but names one before it");
            }
            _ => {}
        }
        let grows = |new: &[u64; 4], old: &[u64; 4]| new.iter().zip(old).all(|(new, old)| new >= old);
        let fits = |b: &Digest| grows(&digest.sizes, &b.sizes) && grows(&digest.kept, &b.kept);
        if before.is_some_and(|b| !fits(b) || b.generation > digest.generation) {
            wrong.push("it says less than the digest before it: a tree shrank, or what was dropped came back");
        }
        let differs = |b: &Digest| (0..4).any(|i| b.sizes[i] == digest.sizes[i] && b.roots[i] != digest.roots[i]);
        if before.is_some_and(differs) {
            wrong.push("it has another root than the digest before it at the same size");
        }
        for what in wrong {
            ctx.report.add(Finding::file(Kind::Digest, &digest_path(digest.number), what));
        }
        self.digests.push(digest);
    }

    /// All that is known of a tree's roots at some sizes.
    pub(crate) fn roots(&self, place: usize) -> BTreeMap<u64, Hash> {
        let known = self.digests.iter().map(|d| (d.sizes[place], d.roots[place]));
        known.chain([(0, sha256(b""))]).collect()
    }

    /// The signed root of a tree at a size, if a digest has it.
    pub(crate) fn root_at(&self, place: usize, size: u64) -> Option<Hash> {
        let at = self.digests.partition_point(|d| d.sizes[place] < size);
        self.digests.get(at).filter(|d| d.sizes[place] == size).map(|d| d.roots[place])
    }

    /// The edge of a tree at a size, if a digest has it.
    pub(crate) fn edge(&self, place: usize, size: u64) -> Option<Edge> {
        if size == 0 {
            return Some(Edge::default());
        }
        let at = self.digests.partition_point(|d| d.sizes[place] < size);
        self.digests.get(at).filter(|d| d.sizes[place] == size).map(|d| d.edges[place].clone())
    }
}

/// The files that digests name.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// Every path with its hash.
    pub(crate) files: HashMap<String, Hash>,
    /// Segments of each store in sequence order, those already dropped left out.
    pub(crate) segments: [Vec<SegmentFile>; 4],
    /// Paths of the tiles: store, level, number.
    pub(crate) tiles: HashMap<(usize, u32, u64), String>,
}

impl Catalogue {
    /// Collects what `digests` name, without what is below `kept`.
    pub(crate) fn new(ctx: &mut Context<'_>, digests: &[Digest], kept: &[u64; 4]) -> Self {
        let mut all = Self::default();
        let mut leaves = HashMap::new();
        for digest in digests {
            for (hash, path) in &digest.files {
                if all.files.insert(path.clone(), *hash).is_some_and(|other| other != *hash) {
                    let what = format!("it names {path}, which an earlier digest names with another hash");
                    ctx.report.add(Finding::file(Kind::Digest, &digest_path(digest.number), what));
                }
                match Named::of(path) {
                    Named::Segment(place, first, rows) if first + rows > kept[place] => {
                        let segment = SegmentFile { path: path.clone(), sha256: *hash, first, rows, leaf: None };
                        all.segments[place].push(segment);
                    }
                    Named::Leaf(place, first, rows) => {
                        leaves.insert((place, first, rows), (path.clone(), *hash));
                    }
                    Named::Tile(place, level, number) => {
                        all.tiles.insert((place, level, number), path.clone());
                    }
                    _ => {}
                }
            }
        }
        for (place, segments) in all.segments.iter_mut().enumerate() {
            segments.sort_by_key(|s| (s.first, s.rows));
            for segment in segments {
                segment.leaf = leaves.remove(&(place, segment.first, segment.rows));
            }
        }
        all
    }

    /// Checks every named file but the segments, which are read with their records; `wanted` chooses.
    pub(crate) fn check_files(&self, ctx: &mut Context<'_>, wanted: impl Fn(Named) -> bool) {
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_unstable();
        for (path, expected) in files {
            let named = Named::of(path);
            if matches!(named, Named::Segment(..)) || !wanted(named) {
                continue;
            }
            let found = ctx.disk.open(path).and_then(|mut file| Ok(hash_file(&mut file)?));
            let store = named.span().map(|(place, ..)| STORES[place]);
            let finding = match found {
                Ok(hash) if hash == *expected => continue,
                Ok(_) => Finding::file(Kind::FileChanged, path, "it is not the file that was sealed"),
                Err(fault) => unusable(path, &fault),
            };
            ctx.report.add(Finding { store, ..finding });
        }
    }
}

/// The finding for a file that cannot be used.
pub(crate) fn unusable(path: &str, fault: &Fault) -> Finding {
    let kind = if matches!(fault, Fault::Missing) { Kind::MissingFile } else { Kind::UnreadableFile };
    Finding::file(kind, path, fault.to_string())
}
