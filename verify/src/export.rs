//! An export: some segments of the dedicated Logstore with their digests, and the proof that a later checkpoint
//! continues them. It must never take `export.json` for more than a table of contents: nobody signed it.

use serde::Deserialize;

use crate::chain::{self, Catalogue, Chain, unusable};
use crate::checkpoint::Checkpoint;
use crate::claims::Present;
use crate::digest::{Digest, Named};
use crate::directory::{ELSEWHERE, check_key, in_export, of_trail, store_reports};
use crate::note::MAX_NOTE;
use crate::report::{CheckpointState, Finding, Kind};
use crate::strays::{self, Listing};
use crate::tree::{Hash, consistent, sha256};
use crate::walk::Walk;
use crate::{Context, Error, FORMAT, Report, STORES, open_checkpoint};

const PATH: &str = "export.json";
const CHECKPOINT: &str = "seal/checkpoint";
const PROOF: &str = "seal/consistency.proof";
const MAX_JSON: u64 = 1 << 20;

#[derive(Debug, Deserialize)]
struct Contents {
    format: u64,
    trail: String,
    store: String,
    from_day: String,
    to_day: String,
    first_digest: u64,
    last_digest: u64,
    complete: bool,
    first_seq: Option<u64>,
    records: Option<u64>,
}

/// Verifies the folder of an export.
pub(crate) fn verify(mut ctx: Context<'_>, kept: Option<&Checkpoint>) -> Result<Report, Error> {
    ctx.report.export = true;
    check_key(&mut ctx);
    let Some(contents) = read_contents(&mut ctx) else { return Ok(ctx.report) };
    let listing = Listing::read(&ctx.disk);
    let numbers = listing.digests();
    let chain = chain::load(&mut ctx, &numbers, contents.first_digest, Some(contents.last_digest));
    let ends = chain.digests.first().zip(chain.newest());
    let whole = ends.is_some_and(|(a, b)| (a.number, b.number) == (contents.first_digest, contents.last_digest));
    match ends.filter(|_| whole) {
        Some((first, last)) => {
            verify_range(&mut ctx, &contents, &chain, (first, last), kept);
            strays::find_in_export(&mut ctx, &listing, &chain, first.number..=last.number);
        }
        None => ctx.report.add(Finding::file(Kind::Unchecked, PATH, "its first or last digest is not usable")),
    }
    Ok(ctx.report)
}

fn read_contents(ctx: &mut Context<'_>) -> Option<Contents> {
    let wrong = |what: &str| Finding::file(Kind::Export, PATH, what);
    let parsed = match ctx.disk.read(PATH, MAX_JSON) {
        Ok(bytes) => serde_json::from_slice::<Contents>(&bytes).map_err(|e| wrong(&format!("it cannot be read: {e}"))),
        Err(fault) => Err(unusable(PATH, &fault)),
    };
    let checked = parsed.and_then(|contents| {
        let Contents { format, trail, store, first_digest, last_digest, .. } = &contents;
        if *format != FORMAT || store != STORES[0] {
            return Err(wrong("its format or store is not one that this version verifies"));
        }
        if ctx.key.name().strip_prefix("innertrail/") != Some(trail) {
            return Err(wrong("it is of another trail than the key"));
        }
        if *first_digest == 0 || first_digest > last_digest {
            return Err(wrong("the digests it names are no range"));
        }
        Ok(contents)
    });
    checked.map_err(|finding| ctx.report.add(finding)).ok()
}

fn verify_range(
    ctx: &mut Context<'_>,
    contents: &Contents,
    chain: &Chain,
    (first, last): (&Digest, &Digest),
    kept: Option<&Checkpoint>,
) {
    let (start, end) = (first.sizes[0], last.sizes[0]);
    check_contents(ctx, contents, start, end);
    check_format(ctx, chain);
    let catalogue = Catalogue::new(ctx, &chain.digests[1..], &[0; 4]);
    let bytes = catalogue.segments[0].iter().map(|s| ctx.disk.len(&s.path)).sum();
    ctx.expect(bytes);
    check_days(ctx, contents, &catalogue);
    // The token index can be made again from the segments; it may be left out.
    let indexed = ctx.disk.files("log/index").is_ok_and(|files| !files.is_empty());
    catalogue.check_files(ctx, |named| in_export(named) && (indexed || !matches!(named, Named::Index(..))));
    let wanted = kept.map(|checkpoint| checkpoint.sizes[0]).into_iter().collect();
    let mut walk = Walk::new(0, chain, &catalogue, wanted);
    walk.run(ctx, start, end);
    let mut present = Present { kept: [start, 0, 0, 0], ends: [end, 0, 0, 0], ..Present::default() };
    let verified = [walk.verified, 0, 0, 0];
    present.roots[0] = walk.roots;
    let own = check_checkpoint(ctx, last);
    judge_elsewhere(ctx, kept, own.as_ref(), &present);
    ctx.report.stores = store_reports(&present, &verified);
    ctx.report.stores.truncate(1);
}

/// `export.json` must not say another number of records than the digests do.
fn check_contents(ctx: &mut Context<'_>, contents: &Contents, start: u64, end: u64) {
    let first = contents.first_seq.is_none_or(|first| first == start);
    if !first || contents.records.is_some_and(|records| records != end - start.min(end)) {
        let what = "its first record or its number of records is not what the digests say";
        ctx.report.add(Finding::file(Kind::Export, PATH, what));
    }
    if !contents.complete {
        ctx.report.note("export.json says that more records of these days may follow");
    }
}

/// Nothing that is proved rests on `format.json`; it is newer than the digests when the layout has changed since.
fn check_format(ctx: &mut Context<'_>, chain: &Chain) {
    let Ok(bytes) = ctx.disk.read("format.json", MAX_NOTE) else { return };
    if !of_trail(&bytes, ctx.key.name()) {
        ctx.report.add(Finding::file(
            Kind::Format,
            "format.json",
            "it is of another trail than the key, or unreadable",
        ));
    } else if !chain.digests.iter().any(|d| d.format == sha256(&bytes)) {
        ctx.report.note("format.json is not the one of these digests: the columns have changed since, or the file was");
    }
}

/// The first and the last segment must be of the days that the table of contents names.
fn check_days(ctx: &mut Context<'_>, contents: &Contents, catalogue: &Catalogue) {
    let day = |path: &str| path.split('/').find_map(|part| part.strip_prefix("day=").map(str::to_owned));
    let days = (contents.from_day.clone())..=(contents.to_day.clone());
    let segments = &catalogue.segments[0];
    for segment in segments.first().into_iter().chain(segments.last()) {
        if day(&segment.path).is_some_and(|day| !days.contains(&day)) {
            let what = format!("it says {} to {}", contents.from_day, contents.to_day);
            return ctx.report.add(Finding::file(Kind::Export, PATH, format!("{what}, but holds {}", segment.path)));
        }
    }
}

/// The checkpoint must continue the last digest; the proof shows it without the records in between.
fn check_checkpoint(ctx: &mut Context<'_>, last: &Digest) -> Option<Checkpoint> {
    ctx.report.checkpoint = CheckpointState::Contradicts;
    let opened = match ctx.disk.read(CHECKPOINT, MAX_NOTE) {
        Ok(bytes) => open_checkpoint(ctx.key, &bytes).map_err(|why| Finding::file(Kind::Signature, CHECKPOINT, why)),
        Err(fault) => Err(unusable(CHECKPOINT, &fault)),
    };
    let checkpoint = opened.map_err(|finding| ctx.report.add(finding)).ok()?;
    let proof = ctx.disk.read(PROOF, MAX_JSON).map_err(|fault| unusable(PROOF, &fault)).and_then(|bytes| {
        let hashes = serde_json::from_slice::<Vec<String>>(&bytes).ok();
        let hashes = hashes.and_then(|texts| texts.iter().map(|t| crate::note::base64_hash(t)).collect());
        hashes.ok_or_else(|| Finding::file(Kind::Consistency, PROOF, "it is not a list of hashes"))
    });
    let proof: Vec<Hash> = proof.map_err(|finding| ctx.report.add(finding)).ok()?;
    let (old, new) = ((last.sizes[0], &last.roots[0]), (checkpoint.sizes[0], &checkpoint.roots[0]));
    if consistent(old, new, &proof) {
        let same = last.sizes[0] == checkpoint.sizes[0];
        ctx.report.checkpoint = if same { CheckpointState::Current } else { CheckpointState::Earlier };
    } else {
        let what = "it does not show that the checkpoint continues the last digest of the export";
        ctx.report.add(Finding::file(Kind::Consistency, PROOF, what));
    }
    Some(checkpoint)
}

/// Compares a checkpoint kept elsewhere, as far as an export allows.
fn judge_elsewhere(ctx: &mut Context<'_>, kept: Option<&Checkpoint>, own: Option<&Checkpoint>, present: &Present) {
    let Some(kept) = kept else { return };
    let size = kept.sizes[0];
    let known = present.roots[0].get(&size).copied();
    let known = known.or_else(|| own.filter(|own| own.sizes[0] == size).map(|own| own.roots[0]));
    ctx.report.kept_elsewhere = match known {
        Some(root) if root == kept.roots[0] => CheckpointState::Partly,
        Some(_) => {
            let what = format!("{ELSEWHERE} has another root at {size} records: it speaks of another history");
            ctx.report.add(Finding::plain(Kind::Fork, what).store(STORES[0]));
            CheckpointState::Contradicts
        }
        None => {
            let what = format!("{ELSEWHERE} was not compared: the export says nothing about {size} records");
            ctx.report.note(what);
            CheckpointState::Partly
        }
    };
}
