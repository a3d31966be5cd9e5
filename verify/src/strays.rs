//! Files in sealed folders that no digest names: put there by somebody, or left by a rotation or drop cut short.
//! It must never pass over a file because its name is unusual.

use std::collections::{BTreeSet, HashSet};
use std::ops::RangeInclusive;

use crate::chain::{Catalogue, Chain};
use crate::digest::{Digest, Named};
use crate::disk::Disk;
use crate::report::{Finding, Kind};
use crate::{Context, STORES};

/// The files that were there at one moment: a writer that goes on makes more.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// In the sealed folders.
    sealed: Vec<String>,
    /// Files of the write-ahead log with their lengths.
    logs: Vec<(String, u64)>,
    /// Folders that could not be listed, and why.
    faults: Vec<(String, String)>,
}

impl Listing {
    /// Lists the folders.
    pub(crate) fn read(disk: &Disk) -> Self {
        let mut listing = Self::default();
        let mut folders: Vec<String> = ["seal/leaf", "seal/tile", "seal/digest"].map(str::to_owned).into();
        folders.extend(STORES.iter().flat_map(|s| [format!("{s}/data"), format!("{s}/index")]));
        for folder in folders {
            match disk.files(&folder) {
                Ok(files) => listing.sealed.extend(files),
                Err(fault) => listing.faults.push((folder, fault.to_string())),
            }
        }
        let logs = disk.files("wal").unwrap_or_default().into_iter();
        listing.logs = logs.map(|path| (disk.len(&path), path)).map(|(len, path)| (path, len)).collect();
        listing
    }

    /// The numbers of the digests.
    pub(crate) fn digests(&self) -> BTreeSet<u64> {
        let number = |path: &String| if let Named::Digest(number) = Named::of(path) { Some(number) } else { None };
        self.sealed.iter().filter_map(number).collect()
    }

    fn report_faults(&self, ctx: &mut Context<'_>) {
        for (folder, fault) in &self.faults {
            ctx.report.add(Finding::file(Kind::UnreadableFile, folder, fault));
        }
    }
}

/// Looks for files that no digest names. `newest` is the digest that says how far the store is sealed.
pub(crate) fn find(ctx: &mut Context<'_>, listing: &Listing, chain: &Chain, catalogue: &Catalogue, newest: &Digest) {
    listing.report_faults(ctx);
    let (mut unfinished, mut dropped) = (0u64, 0u64);
    for path in &listing.sealed {
        match classify(path, chain, catalogue, newest) {
            Stray::Known => {}
            Stray::Dropped => dropped += 1,
            Stray::Unfinished => unfinished += 1,
            Stray::Unknown(what) => {
                let store = Named::of(path).span().map(|(place, ..)| STORES[place]);
                ctx.report.add(Finding { store, ..Finding::file(Kind::UnknownFile, path, what) });
            }
        }
    }
    if unfinished > 0 {
        ctx.report.note(format!(
            "{unfinished} files of a rotation that is not finished: not part of the Logstore yet; the writer removes \
             or replaces them"
        ));
    }
    if dropped > 0 {
        ctx.report.note(format!("{dropped} files below what retention has left: a drop that is not finished"));
    }
}

enum Stray {
    /// A digest names it.
    Known,
    /// Left of a drop.
    Dropped,
    /// Left of a rotation.
    Unfinished,
    Unknown(&'static str),
}

fn classify(path: &str, chain: &Chain, catalogue: &Catalogue, newest: &Digest) -> Stray {
    let named = Named::of(path);
    if catalogue.files.contains_key(path) {
        let gone = named.span().is_some_and(|(place, _, end)| end <= newest.kept[place]);
        return if gone { Stray::Dropped } else { Stray::Known };
    }
    let beyond = match named {
        Named::Digest(number) if number <= newest.number => return Stray::Known,
        Named::Digest(number) => number == newest.number + 1 && chain.beyond.is_some(),
        Named::Tile(place, level, number) => tile_end(level, number) > u128::from(newest.sizes[place]),
        _ => named.span().is_some_and(|(place, first, _)| first >= newest.sizes[place]),
    };
    match (beyond, named) {
        (true, _) => Stray::Unfinished,
        (_, Named::Digest(_)) => Stray::Unknown("a digest newer than state.json: was an older state put back?"),
        // What a damaged or missing digest named is not unknown, and said already.
        _ if chain.broken && named != Named::Other => Stray::Known,
        _ => Stray::Unknown("no digest names this file"),
    }
}

/// Looks for write-ahead log files other than the live one.
pub(crate) fn find_logs(ctx: &mut Context<'_>, listing: &Listing, live: u64) {
    for (path, len) in &listing.logs {
        let number = path.strip_prefix("wal/").and_then(|n| n.strip_suffix(".wal")).and_then(|n| n.parse::<u64>().ok());
        match number {
            Some(number) if number == live => {}
            Some(number) if number < live => ctx.report.note(format!("{path} is sealed already and not yet removed")),
            Some(number) if number == live.saturating_add(1) && *len <= 32 => {
                ctx.report.note(format!("{path} is of a rotation that is not finished"));
            }
            _ => ctx.report.add(Finding::file(Kind::UnknownFile, path, "it is not the live write-ahead log")),
        }
    }
}

/// Looks for files in an export that none of its digests names.
pub(crate) fn find_in_export(ctx: &mut Context<'_>, listing: &Listing, chain: &Chain, digests: RangeInclusive<u64>) {
    listing.report_faults(ctx);
    let named: HashSet<&str> = chain.digests.iter().flat_map(|d| &d.files).map(|(_, path)| path.as_str()).collect();
    for path in &listing.sealed {
        let known = match Named::of(path) {
            Named::Digest(number) => digests.contains(&number),
            _ => named.contains(path.as_str()),
        };
        if !known {
            ctx.report.add(Finding::file(Kind::UnknownFile, path, "no digest of the export names this file"));
        }
    }
}

/// Looks for files in a copy that none of its digests names. What a mirror has put there before its digest is no stray.
pub(crate) fn find_in_mirror(ctx: &mut Context<'_>, listing: &Listing, chain: &Chain, newest: &Digest) {
    listing.report_faults(ctx);
    let named: HashSet<&str> = chain.digests.iter().flat_map(|d| &d.files).map(|(_, path)| path.as_str()).collect();
    let mut ahead = 0u64;
    for path in &listing.sealed {
        let beyond = match Named::of(path) {
            Named::Digest(_) => continue,
            _ if named.contains(path.as_str()) => continue,
            Named::Tile(place, level, number) => tile_end(level, number) > u128::from(newest.sizes[place]),
            found => found.span().is_some_and(|(place, first, _)| first >= newest.sizes[place]),
        };
        match beyond {
            true => ahead += 1,
            // What a damaged or missing digest named is said already.
            false if chain.broken && Named::of(path) != Named::Other => {}
            false => ctx.report.add(Finding::file(Kind::UnknownFile, path, "no digest of the copy names this file")),
        }
    }
    if ahead > 0 {
        ctx.report
            .note(format!("{ahead} files whose digest is not here yet: the copy was made while the mirror went on"));
    }
}

/// How many records a tree has when a tile of it is complete.
fn tile_end(level: u32, number: u64) -> u128 {
    (u128::from(number) + 1) << (8 * (level + 1))
}
