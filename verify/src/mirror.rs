//! A copy of what is sealed, as a mirror leaves it in a bucket: digests and what they name, without the write-ahead log and the
//! state, which change. It must never call more proved than the newest digest in it covers, and never take what is missing
//! for what retention dropped unless the digest says so.

use crate::chain::{self, Catalogue, Chain, unusable};
use crate::checkpoint::Checkpoint;
use crate::claims::Present;
use crate::digest::{Digest, Named};
use crate::directory::{ELSEWHERE, check_key, of_trail, store_reports};
use crate::disk::{Disk, Fault};
use crate::note::MAX_NOTE;
use crate::report::{CheckpointState, Finding, Kind};
use crate::strays::{self, Listing};
use crate::tree::{Hash, sha256};
use crate::walk::Walk;
use crate::{Context, Report, STORES, open_checkpoint};

/// Where the mirror keeps checkpoints, each under its place in the write-ahead log.
const CHECKPOINTS: &str = "seal/checkpoints";
/// Where it keeps layouts, each under its hash.
const FORMATS: &str = "seal/format";
/// The stores that a mirror may be told to leave out: quarantine and passthrough hold what was never redacted.
const MAY_BE_LEFT_OUT: [usize; 2] = [1, 2];

/// Verifies the folder of a copy.
pub(crate) fn verify(mut ctx: Context<'_>, kept: Option<&Checkpoint>) -> Report {
    ctx.report.mirror = true;
    check_key(&mut ctx);
    let listing = Listing::read(&ctx.disk);
    let chain = chain::load(&mut ctx, &listing.digests(), 1, None);
    match chain.newest() {
        Some(newest) => Copy { chain: &chain, newest }.verify(&mut ctx, &listing, kept),
        None => {
            let what = "there is no digest that could be trusted: nothing is proved";
            ctx.report.add(Finding::plain(Kind::Digest, what));
        }
    }
    ctx.report
}

struct Copy<'a> {
    chain: &'a Chain,
    newest: &'a Digest,
}

impl Copy<'_> {
    fn verify(&self, ctx: &mut Context<'_>, listing: &Listing, kept: Option<&Checkpoint>) {
        self.check_format(ctx);
        let mut catalogue = Catalogue::new(ctx, &self.chain.digests, &[0; 4]);
        let left_out = self.left_out(ctx, &catalogue);
        let floors = self.floors(ctx, &catalogue, &left_out);
        for (segments, floor) in catalogue.segments.iter_mut().zip(floors) {
            segments.retain(|segment| segment.end() > floor);
        }
        let bytes = catalogue.segments.iter().flatten().map(|s| ctx.disk.len(&s.path)).sum();
        ctx.expect(bytes);
        let wanted = |named: Named| match named {
            Named::Index(place, ..) | Named::Segment(place, ..) if left_out.contains(&place) => false,
            _ => named.span().is_none_or(|(place, _, end)| end > floors[place]),
        };
        catalogue.check_files(ctx, wanted);
        let checkpoints = read_checkpoints(ctx);
        let mut present = Present { kept: floors, ends: self.newest.sizes, ..Present::default() };
        let mut verified = [0; 4];
        for place in 0..STORES.len() {
            let claimed = checkpoints.iter().map(|(_, c)| c.sizes[place]);
            let claimed = claimed.chain(kept.map(|checkpoint| checkpoint.sizes[place])).collect();
            let mut walk = Walk::new(place, self.chain, &catalogue, claimed);
            if !left_out.contains(&place) {
                walk.run(ctx, floors[place], self.newest.sizes[place]);
            }
            verified[place] = walk.verified;
            present.roots[place] = walk.roots;
        }
        judge_own(ctx, &checkpoints, &present);
        judge_elsewhere(ctx, kept, &present);
        strays::find_in_mirror(ctx, listing, self.chain, self.newest);
        ctx.report.stores = store_reports(&present, &verified);
    }

    /// The layout that goes with the newest digest. Nothing that is proved rests on it.
    fn check_format(&self, ctx: &mut Context<'_>) {
        let path = format!("{FORMATS}/{}.json", hex(&self.newest.format));
        let finding = match ctx.disk.read(&path, MAX_NOTE) {
            Ok(bytes) if sha256(&bytes) != self.newest.format => {
                Finding::file(Kind::Format, &path, "it is not the file that the newest digest names")
            }
            Ok(bytes) if !of_trail(&bytes, ctx.key.name()) => {
                Finding::file(Kind::Format, &path, "it is of another trail than the key")
            }
            Ok(_) => return,
            // A mirror that was down while the columns changed twice has never seen it.
            Err(Fault::Missing) => {
                return ctx.report.note(format!("{path} is not here: the columns of the newest digest"));
            }
            Err(fault) => unusable(&path, &fault),
        };
        ctx.report.add(finding);
    }

    /// The stores of which nothing is here, though digests name segments: they were left out.
    fn left_out(&self, ctx: &mut Context<'_>, catalogue: &Catalogue) -> Vec<usize> {
        let mut left_out = Vec::new();
        for place in MAY_BE_LEFT_OUT {
            let segments = &catalogue.segments[place];
            if !segments.is_empty() && segments.iter().all(|segment| !ctx.disk.has(&segment.path)) {
                let what = format!("{}: no segment is here; nothing of this store is proved", STORES[place]);
                ctx.report.note(format!("{what}, unless it was left out on purpose it is missing"));
                left_out.push(place);
            }
        }
        left_out
    }

    /// The first record of each store from which on everything is here that has to be. From what retention has left on it has
    /// to be; what it dropped since is here as long as nobody removed it.
    fn floors(&self, ctx: &mut Context<'_>, catalogue: &Catalogue, left_out: &[usize]) -> [u64; 4] {
        let mut floors = self.newest.kept;
        for (place, floor) in floors.iter_mut().enumerate().filter(|(place, _)| !left_out.contains(place)) {
            let below =
                catalogue.segments[place].iter().rev().filter(|segment| segment.end() <= self.newest.kept[place]);
            for segment in below {
                if segment.end() != *floor || !ctx.disk.has(&segment.path) {
                    break;
                }
                *floor = segment.first;
            }
            if *floor > 0 {
                let what = "are not here, or not all: retention had dropped them by the newest digest";
                ctx.report.note(format!("{}: the records before {floor} {what}", STORES[place]));
            }
        }
        floors
    }
}

/// The checkpoints in the copy that are genuine.
fn read_checkpoints(ctx: &mut Context<'_>) -> Vec<(String, Checkpoint)> {
    let paths = match ctx.disk.files(CHECKPOINTS) {
        Ok(paths) => paths,
        Err(fault) => {
            ctx.report.add(unusable(CHECKPOINTS, &fault));
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for path in paths {
        match read_checkpoint(&ctx.disk, ctx.key, &path) {
            Ok(checkpoint) => found.push((path, checkpoint)),
            Err(finding) => ctx.report.add(finding),
        }
    }
    found
}

fn read_checkpoint(disk: &Disk, key: &crate::VerifierKey, path: &str) -> Result<Checkpoint, Finding> {
    let bytes = disk.read(path, MAX_NOTE).map_err(|fault| unusable(path, &fault))?;
    let checkpoint = open_checkpoint(key, &bytes).map_err(|why| Finding::file(Kind::Signature, path, why))?;
    let place = format!("{CHECKPOINTS}/{:08}-{:08}.checkpoint", checkpoint.generation, checkpoint.frames);
    if place != path {
        return Err(Finding::file(Kind::Signature, path, "it is a checkpoint under the name of another"));
    }
    Ok(checkpoint)
}

/// How far a checkpoint was compared.
#[derive(PartialEq)]
enum Compared {
    Wholly,
    /// It speaks of records that are not here, or of a size at which no root is known.
    Partly,
    Contradicts,
}

fn compare(ctx: &mut Context<'_>, label: &str, checkpoint: &Checkpoint, present: &Present) -> Compared {
    let mut compared = Compared::Wholly;
    for (place, store) in STORES.into_iter().enumerate() {
        let size = checkpoint.sizes[place];
        let known: Option<&Hash> = present.roots[place].get(&size);
        match known {
            Some(root) if *root == checkpoint.roots[place] => {}
            Some(_) => {
                let what = format!("{label} has another root at {size} records: it speaks of another history");
                ctx.report.add(Finding::plain(Kind::Fork, what).store(store));
                return Compared::Contradicts;
            }
            None => compared = Compared::Partly,
        }
    }
    compared
}

fn judge_own(ctx: &mut Context<'_>, checkpoints: &[(String, Checkpoint)], present: &Present) {
    let (mut newest, mut partly) = (CheckpointState::Absent, 0u64);
    for (path, checkpoint) in checkpoints {
        let compared = compare(ctx, path, checkpoint, present);
        partly += u64::from(compared == Compared::Partly);
        let state = match compared {
            Compared::Wholly if checkpoint.sizes == present.ends => CheckpointState::Current,
            Compared::Wholly => CheckpointState::Earlier,
            Compared::Partly => CheckpointState::Partly,
            Compared::Contradicts => CheckpointState::Contradicts,
        };
        if newest != CheckpointState::Contradicts {
            newest = state;
        }
    }
    ctx.report.checkpoint = newest;
    if partly > 0 {
        let what =
            "speak of records that are not in the copy (the tail, or what was dropped) and were compared in part";
        ctx.report.note(format!("{partly} checkpoints in it {what}"));
    }
}

fn judge_elsewhere(ctx: &mut Context<'_>, kept: Option<&Checkpoint>, present: &Present) {
    let Some(kept) = kept else { return };
    ctx.report.kept_elsewhere = match compare(ctx, ELSEWHERE, kept, present) {
        Compared::Wholly if kept.sizes == present.ends => CheckpointState::Current,
        Compared::Wholly => CheckpointState::Earlier,
        Compared::Contradicts => CheckpointState::Contradicts,
        Compared::Partly => {
            let (theirs, ours) = (kept.sizes[0], present.ends[0]);
            let what = format!("it speaks of {theirs} records, the copy ends at {ours}");
            ctx.report.note(format!("{ELSEWHERE} was compared in part only: {what}"));
            CheckpointState::Partly
        }
    };
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
