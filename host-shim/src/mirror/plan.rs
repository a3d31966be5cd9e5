//! Which file is copied next: pure, without a clock, a disk or a network.
//!
//! Digests are taken in the order of their numbers, and each is copied after everything it names. Must never give a digest
//! out before that, and never a digest that the state does not cover yet: its files may be put in place anew.

use std::collections::VecDeque;
use std::path::PathBuf;

use innertrail_logstore::Store;
use innertrail_logstore::sealed::{Digest, FileKind, Newest, SealedFile, path};

use crate::hex::hex;

/// One file to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Where it lies, from the data directory on.
    pub(super) from: PathBuf,
    /// Where it goes, below the prefix.
    pub(super) to: String,
    /// What its content has to be; `None` where no digest says so.
    pub(super) sha256: Option<[u8; 32]>,
    /// Whether retention may have taken it away meanwhile.
    pub(super) may_be_gone: bool,
    /// Whether it may lie there already, so that to look costs less than to send.
    pub(super) look_first: bool,
    /// In which order files of one digest are copied.
    class: Class,
}

/// The order within one digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Segment,
    Index,
    Leaf,
    Tile,
    Key,
    Format,
    Digest,
}

/// What is wanted next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Want {
    /// The digest of this number, to be handed in by [`Walk::take`].
    Read(u64),
    /// This file is to be copied, and [`Walk::copied`] called when it is.
    Copy(Box<Item>),
    /// Everything up to this digest is there; [`Walk::noted`] is to be called once that is remembered.
    Note(u64),
    /// There is nothing to do until a newer digest is there.
    Rest,
}

/// What has to be known of now to plan a digest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// What the state covers, and what retention has left.
    pub(super) newest: &'a Newest,
    /// SHA-256 of `format.json` as it is now.
    pub(super) format: Option<[u8; 32]>,
    /// Stores that are not copied.
    pub(super) left_out: &'a [Store],
}

/// The way through the digests.
#[derive(Debug)]
pub(super) struct Walk {
    /// Everything up to this digest is there.
    done: u64,
    /// The layout that was copied last.
    format: Option<[u8; 32]>,
    /// Up to this digest files may lie there that nobody remembers.
    unsure_to: u64,
    /// What is left of the digest after `done`; its last item is the digest. `None` before it was read.
    items: Option<VecDeque<Item>>,
}

impl Walk {
    /// Goes on after digest `done`, with everything up to `unsure_to` looked for before it is sent.
    pub(super) fn new(done: u64, format: Option<[u8; 32]>, unsure_to: u64) -> Self {
        // A run that was killed may have copied some of the next one.
        Self { done, format, unsure_to: unsure_to.max(done.saturating_add(1)), items: None }
    }

    /// The layout that was copied last.
    pub(super) fn format(&self) -> Option<[u8; 32]> {
        self.format
    }

    /// Up to this digest files may lie there that nobody remembers: to be remembered as well, or a run that is killed on the way
    /// through them makes the next one send what is there.
    pub(super) fn unsure_to(&self) -> u64 {
        self.unsure_to
    }

    /// How many files of the digest under way are left; `None` when none is under way.
    pub(super) fn left(&self) -> Option<u64> {
        self.items.as_ref().map(|items| items.len() as u64)
    }

    /// What to do next, if the state covers the digests up to `newest`.
    pub(super) fn want(&self, newest: u64) -> Want {
        let next = self.done.saturating_add(1);
        match &self.items {
            Some(items) => items.front().map_or(Want::Note(next), |item| Want::Copy(Box::new(item.clone()))),
            None if next <= newest => Want::Read(next),
            None => Want::Rest,
        }
    }

    /// Plans the digest that [`Want::Read`] asked for.
    pub(super) fn take(&mut self, digest: &Digest, facts: Facts<'_>) {
        if digest.number != self.done.saturating_add(1) {
            return;
        }
        let look_first = digest.number <= self.unsure_to;
        let mut items: Vec<Item> = digest
            .files
            .iter()
            .filter(|file| is_copied(file, facts.left_out))
            .map(|file| sealed(file, facts.newest, look_first))
            .collect();
        let own =
            |from: PathBuf, to: String, class| Item { from, to, sha256: None, may_be_gone: false, look_first, class };
        if digest.number == 1 {
            items.push(own("seal/seal.vkey".into(), "seal/seal.vkey".to_owned(), Class::Key));
        }
        // The file is replaced when the columns change: one of before is not to be had any more.
        if facts.format == Some(digest.format) && self.format != Some(digest.format) {
            let item = own("format.json".into(), format!("seal/format/{}.json", hex(&digest.format)), Class::Format);
            items.push(Item { sha256: Some(digest.format), ..item });
            self.format = Some(digest.format);
        }
        let to = path(digest.number);
        items.push(own(to.clone(), to.to_string_lossy().into_owned(), Class::Digest));
        items.sort_by_key(|item| item.class);
        self.items = Some(items.into());
    }

    /// The file that was wanted is there, or it is settled that it never will be.
    pub(super) fn copied(&mut self) {
        if let Some(items) = &mut self.items {
            items.pop_front();
        }
    }

    /// It is remembered that this digest is there.
    pub(super) fn noted(&mut self) {
        if self.items.as_ref().is_some_and(VecDeque::is_empty) {
            (self.items, self.done) = (None, self.done.saturating_add(1));
        }
    }
}

/// The proof of all stores is copied, so that trees stay whole; of a store that is left out neither records nor index are.
pub(super) fn is_copied(file: &SealedFile, left_out: &[Store]) -> bool {
    !left_out.contains(&file.store) || matches!(file.kind, FileKind::Leaf | FileKind::Tile)
}

fn sealed(file: &SealedFile, newest: &Newest, look_first: bool) -> Item {
    Item {
        from: PathBuf::from(&file.path),
        to: file.path.clone(),
        sha256: Some(file.sha256),
        may_be_gone: file.span.is_some_and(|(_, end)| end <= newest.kept(file.store)),
        look_first,
        class: match file.kind {
            FileKind::Segment => Class::Segment,
            FileKind::Index => Class::Index,
            FileKind::Leaf => Class::Leaf,
            FileKind::Tile => Class::Tile,
        },
    }
}

/// The hash that [`hex`] has written.
pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes.filter(|_| rest.is_empty())?.try_into().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn file(store: Store, kind: FileKind, first: u64) -> SealedFile {
        let name = store.name();
        let path = match kind {
            FileKind::Segment => format!("{name}/data/day=2026-11-12/seg-{first:016}-1.parquet"),
            FileKind::Index => format!("{name}/index/day=2026-11-12/seg-{first:016}-1.tbf"),
            FileKind::Leaf => format!("seal/leaf/{name}/seg-{first:016}-1.leaf"),
            FileKind::Tile => format!("seal/tile/{name}/1/{first:03}"),
        };
        let span = (kind != FileKind::Tile).then_some((first, first + 1));
        SealedFile { path, sha256: [u8::try_from(first).unwrap(); 32], kind, store, span }
    }

    /// Digest `number` of a Logstore whose layout changed with digest 3, with files in an order that nobody sorted.
    fn digest(number: u64, shape: u64) -> Digest {
        let kinds = [FileKind::Tile, FileKind::Leaf, FileKind::Segment, FileKind::Index];
        let mut files = Vec::new();
        for (n, store) in Store::ALL.into_iter().enumerate() {
            if shape >> n & 1 == 1 {
                files.extend(kinds.map(|kind| file(store, kind, number - 1)));
            }
        }
        let format = if number < 3 { [1; 32] } else { [2; 32] };
        Digest { number, time_us: 0, format, files }
    }

    /// A bucket, and what has to hold of it whenever one looks.
    struct Bucket {
        objects: BTreeSet<String>,
        sent: BTreeMap<String, u32>,
        digests: BTreeMap<u64, Digest>,
        left_out: Vec<Store>,
    }

    impl Bucket {
        fn put(&mut self, item: &Item) {
            if item.look_first && self.objects.contains(&item.to) {
                return;
            }
            *self.sent.entry(item.to.clone()).or_default() += 1;
            self.objects.insert(item.to.clone());
            self.every_digest_has_its_files();
        }

        fn every_digest_has_its_files(&self) {
            for digest in self.digests.values() {
                if !self.objects.contains(path(digest.number).to_str().unwrap()) {
                    continue;
                }
                for file in digest.files.iter().filter(|file| is_copied(file, &self.left_out)) {
                    assert!(self.objects.contains(&file.path), "digest {} lacks {}", digest.number, file.path);
                }
                let format = format!("seal/format/{}.json", hex(&digest.format));
                assert!(
                    digest.number < 3 || self.objects.contains(&format),
                    "digest {} lacks its layout",
                    digest.number
                );
            }
        }
    }

    proptest! {
        /// Killed at any step, with or without what it remembered, and started again: every file is there in the end, none
        /// was sent twice, and at no moment was there a digest without what it names.
        #[test]
        fn a_digest_is_never_there_before_what_it_names(
            shapes in prop::collection::vec(0u64..16, 1..8),
            lives in prop::collection::vec((0usize..40, any::<bool>()), 0..8),
            leave_out in 0usize..3,
        ) {
            let left_out = [Store::Quarantine, Store::Passthrough][..leave_out].to_vec();
            let digests: BTreeMap<u64, Digest> =
                (1u64..).zip(&shapes).map(|(number, shape)| (number, digest(number, *shape))).collect();
            let last = digests.len() as u64;
            let newest = Newest { number: last, kept: [0; 4] };
            let mut bucket = Bucket { objects: BTreeSet::new(), sent: BTreeMap::new(), digests, left_out: left_out.clone() };
            let facts = Facts { newest: &newest, format: Some([2; 32]), left_out: &left_out };
            let mut remembered = None;
            for (steps, forgets) in lives.into_iter().chain([(usize::MAX, false)]) {
                let (done, format, unsure) = remembered.filter(|_| !forgets).unwrap_or((0, None, last));
                let mut walk = Walk::new(done, format, unsure);
                for _ in 0..steps {
                    match walk.want(last) {
                        Want::Read(number) => walk.take(&bucket.digests[&number].clone(), facts),
                        Want::Copy(item) => {
                            bucket.put(&item);
                            walk.copied();
                        }
                        Want::Note(number) => {
                            remembered = Some((number, walk.format(), walk.unsure_to()));
                            walk.noted();
                        }
                        Want::Rest => break,
                    }
                }
            }
            prop_assert_eq!(remembered.map(|(done, ..)| done), Some(last));
            prop_assert!(bucket.objects.contains(path(last).to_str().unwrap()));
            bucket.every_digest_has_its_files();
            let twice: Vec<_> = bucket.sent.iter().filter(|(_, times)| **times > 1).collect();
            prop_assert!(twice.is_empty(), "{:?}", twice);
            let log = |path: &&String| path.starts_with("quarantine/") || path.starts_with("passthrough/");
            prop_assert!(leave_out < 2 || bucket.objects.iter().filter(log).count() == 0);
        }
    }

    #[test]
    fn a_hash_is_read_back() {
        assert_eq!(unhex(&hex(&[0xa7; 32])), Some([0xa7; 32]));
        assert_eq!((unhex("a7"), unhex(""), unhex(&"g".repeat(64))), (None, None, None));
    }

    #[test]
    fn segments_come_first_then_indexes_and_the_digest_last() {
        let newest = Newest { number: 1, kept: [1, 0, 0, 0] };
        let mut walk = Walk::new(0, None, 0);
        walk.take(&digest(1, 0b1001), Facts { newest: &newest, format: Some([1; 32]), left_out: &[] });
        let mut order = Vec::new();
        while let Want::Copy(item) = walk.want(1) {
            order.push((item.to.split("/day=").next().unwrap().to_owned(), item.may_be_gone));
            walk.copied();
        }
        let order: Vec<(&str, bool)> = order.iter().map(|(path, gone)| (path.as_str(), *gone)).collect();
        assert_eq!(
            order,
            [
                ("log/data", true),
                ("journal/data", false),
                ("log/index", true),
                ("journal/index", false),
                ("seal/leaf/log/seg-0000000000000000-1.leaf", true),
                ("seal/leaf/journal/seg-0000000000000000-1.leaf", false),
                ("seal/tile/log/1/000", false),
                ("seal/tile/journal/1/000", false),
                ("seal/seal.vkey", false),
                (&*format!("seal/format/{}.json", "01".repeat(32)), false),
                ("seal/digest/00000001.digest", false),
            ]
        );
        assert_eq!(walk.want(1), Want::Note(1));
        walk.noted();
        assert_eq!((walk.want(1), walk.want(2)), (Want::Rest, Want::Read(2)));
    }
}
