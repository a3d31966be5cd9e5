//! A data directory from end to end: what belongs to one moment is read first, then everything is compared.
//! It must never hold a lock: the writer may go on meanwhile.

use std::fs::File;
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;

use crate::chain::{self, Catalogue, Chain, unusable};
use crate::checkpoint::Checkpoint;
use crate::claims::{self, Claim, Present};
use crate::digest::{Digest, Named};
use crate::disk::{Disk, Fault};
use crate::note::MAX_NOTE;
use crate::report::{CheckpointState, Finding, Kind, StoreReport};
use crate::strays::Listing;
use crate::tail::{self, Tail};
use crate::tree::{Edge, Hash, sha256};
use crate::walk::Walk;
use crate::{Context, Error, FORMAT, Report, STORES, ids, open_checkpoint, strays};

/// The longest `state.json` and `format.json` read, in bytes.
const MAX_JSON: u64 = 256 << 20;
/// How often the files of one moment are read until they fit each other.
const GATHER_TRIES: usize = 20;
/// What the checkpoint in the directory is called.
const OWN: &str = "seal/checkpoint";
/// What the caller's checkpoint is called.
pub(crate) const ELSEWHERE: &str = "the checkpoint kept elsewhere";

#[derive(Debug, Deserialize)]
struct State {
    sealed: Sealed,
}

#[derive(Debug, Deserialize)]
struct Sealed {
    generation: u64,
    next_seq: [u64; 4],
    kept: [u64; 4],
    digest: u64,
    chain: String,
    trees: [Vec<String>; 4],
}

/// Refuses another format than this one; what cannot be read is for the report.
pub(crate) fn check_version(disk: &Disk, dir: &Path) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    for name in ["state.json", "format.json"] {
        let bytes = disk.read(name, MAX_JSON).unwrap_or_default();
        match serde_json::from_slice::<Version>(&bytes) {
            // A flipped bit can make any number of it; only small ones were ever written.
            Ok(Version { format: found }) if found != FORMAT && found == 1 => {
                return Err(Error::Version { path: dir.join(name), found });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The files that have to be of one moment.
struct Moment {
    checkpoint: Result<Vec<u8>, Fault>,
    state: Result<Vec<u8>, Fault>,
    wal: Option<(u64, Result<File, Fault>)>,
    listing: Listing,
}

impl Moment {
    /// The checkpoint first, as it must not be newer than the log; then state and log until they fit each other.
    fn gather(disk: &Disk) -> Self {
        let mut moment = Self::read(disk);
        for _ in 1..GATHER_TRIES {
            let again = disk.read("state.json", MAX_JSON);
            if again.as_ref().ok() == moment.state.as_ref().ok() {
                break;
            }
            moment = Self::read(disk);
        }
        moment
    }

    fn read(disk: &Disk) -> Self {
        let checkpoint = disk.read(OWN, MAX_NOTE);
        let state = disk.read("state.json", MAX_JSON);
        let generation = state.as_ref().ok().and_then(|s| parse_state(s)).map(|s| s.generation.saturating_add(1));
        let wal = generation.map(|generation| (generation, disk.open(&tail::path(generation))));
        Self { checkpoint, state, wal, listing: Listing::read(disk) }
    }
}

fn parse_state(bytes: &[u8]) -> Option<Sealed> {
    serde_json::from_slice::<State>(bytes).ok().map(|state| state.sealed)
}

/// Verifies a data directory; also whether it was rotated meanwhile.
pub(crate) fn verify(mut ctx: Context<'_>, kept: Option<&Checkpoint>) -> (Report, bool) {
    let moment = Moment::gather(&ctx.disk);
    check_key(&mut ctx);
    let state = check_state(&mut ctx, &moment);
    let numbers = moment.listing.digests();
    let chain = chain::load(&mut ctx, &numbers, 1, state.as_ref().map(|s| s.digest));
    if let Some(newest) = chain.newest() {
        Directory { moment: &moment, state: state.as_ref(), chain: &chain, newest }.verify(&mut ctx, kept);
    } else {
        ctx.report.add(Finding::plain(Kind::Digest, "there is no digest that could be trusted: nothing is proved"));
    }
    let moved = ctx.disk.read("state.json", MAX_JSON).ok() != moment.state.ok();
    (ctx.report, moved)
}

/// `seal/seal.vkey` must be the key that the caller trusts.
pub(crate) fn check_key(ctx: &mut Context<'_>) {
    let path = "seal/seal.vkey";
    let finding = match ctx.disk.read(path, 4096) {
        Ok(bytes) if bytes == format!("{}\n", ctx.key.text()).as_bytes() => return,
        Ok(_) => Finding::file(Kind::Key, path, "it is not the key that the directory is verified with"),
        Err(fault) => unusable(path, &fault),
    };
    ctx.report.add(finding);
}

fn check_state(ctx: &mut Context<'_>, moment: &Moment) -> Option<Sealed> {
    let finding = match moment.state.as_ref().map(|bytes| parse_state(bytes)) {
        Ok(Some(state)) => return Some(state),
        Ok(None) => Finding::file(Kind::State, "state.json", "it cannot be read; the newest digest is taken instead"),
        Err(fault) => unusable("state.json", fault),
    };
    ctx.report.add(finding);
    None
}

struct Directory<'a> {
    moment: &'a Moment,
    state: Option<&'a Sealed>,
    chain: &'a Chain,
    newest: &'a Digest,
}

impl Directory<'_> {
    fn verify(&self, ctx: &mut Context<'_>, kept: Option<&Checkpoint>) {
        let (chain, newest) = (self.chain, self.newest);
        self.check_state(ctx);
        self.check_format(ctx);
        self.check_retention(ctx);
        let own = self.own_checkpoint(ctx);
        let claims = self.claims(own.as_ref(), kept);
        let catalogue = Catalogue::new(ctx, &chain.digests, &newest.kept);
        self.expect(ctx, &catalogue);
        catalogue.check_files(ctx, |named| named.span().is_none_or(|(place, _, end)| end > newest.kept[place]));
        let mut present = Present { kept: newest.kept, ..Present::default() };
        let mut verified = [0; 4];
        for (place, verified) in verified.iter_mut().enumerate() {
            let mut walk = Walk::new(place, chain, &catalogue, claims::wanted(&claims, place));
            walk.run(ctx, newest.kept[place], newest.sizes[place]);
            *verified = walk.verified;
            present.roots[place] = walk.roots;
        }
        let mut tail = self.tail(ctx, &claims);
        tail.add_to(&mut present);
        present.chains.extend(chain.digests.iter().map(|d| ((d.generation.saturating_add(1), 0), d.chain)));
        for (place, verified) in verified.iter_mut().enumerate() {
            *verified += tail.verified[place];
        }
        judge_all(ctx, &claims, &present);
        strays::find(ctx, &self.moment.listing, chain, &catalogue, newest);
        strays::find_logs(ctx, &self.moment.listing, newest.generation.saturating_add(1));
        ids::check(ctx, chain, &catalogue, newest);
        ctx.report.stores = store_reports(&present, &verified);
    }

    fn expect(&self, ctx: &mut Context<'_>, catalogue: &Catalogue) {
        let segments: u64 = catalogue.segments.iter().flatten().map(|s| ctx.disk.len(&s.path)).sum();
        ctx.expect(segments);
        if let Some((generation, _)) = &self.moment.wal {
            ctx.expect(ctx.disk.len(&tail::path(*generation)));
        }
    }

    /// `state.json` must be the file its digest names, and say the same.
    fn check_state(&self, ctx: &mut Context<'_>) {
        let (Ok(bytes), newest) = (&self.moment.state, self.newest) else { return };
        let Some(state) = self.state else { return };
        if state.digest != newest.number {
            return;
        }
        let wrong = if sha256(bytes) != newest.state {
            "it is not the file that its digest names"
        } else if !says_the_same(state, newest) {
            "its digest names it, but the two say different things"
        } else {
            return;
        };
        ctx.report.add(Finding::file(Kind::State, "state.json", wrong));
    }

    fn check_format(&self, ctx: &mut Context<'_>) {
        let bytes = match ctx.disk.read("format.json", MAX_JSON) {
            Ok(bytes) => bytes,
            Err(fault) => return ctx.report.add(unusable("format.json", &fault)),
        };
        let hash = sha256(&bytes);
        if self.chain.beyond.as_ref().is_some_and(|next| hash == next.format) && hash != self.newest.format {
            ctx.report.note("format.json is that of a rotation that is not finished");
        } else if hash != self.newest.format {
            ctx.report.add(Finding::file(Kind::Format, "format.json", "it is not the file that its digest names"));
        } else if !of_trail(&bytes, ctx.key.name()) {
            ctx.report.add(Finding::file(Kind::Format, "format.json", "it is of another trail than the key"));
        }
    }

    /// What is kept must begin where some digest ended: only then is it known how the tree was there.
    fn check_retention(&self, ctx: &mut Context<'_>) {
        for (place, store) in STORES.into_iter().enumerate() {
            let kept = self.newest.kept[place];
            if !self.chain.broken && self.chain.edge(place, kept).is_none() {
                let what = format!("records from {kept} on are kept, but no digest ends there");
                ctx.report.add(Finding::plain(Kind::Digest, what).store(store));
            }
        }
    }

    fn own_checkpoint(&self, ctx: &mut Context<'_>) -> Option<Checkpoint> {
        let finding = match &self.moment.checkpoint {
            Ok(bytes) => match open_checkpoint(ctx.key, bytes) {
                Ok(checkpoint) => return Some(checkpoint),
                Err(why) => Finding::file(Kind::Signature, OWN, why),
            },
            Err(fault) => unusable(OWN, fault),
        };
        ctx.report.add(finding);
        None
    }

    fn claims<'a>(&'a self, own: Option<&'a Checkpoint>, kept: Option<&'a Checkpoint>) -> Vec<Claim<'a>> {
        let mut claims: Vec<Claim<'a>> = own.map(|checkpoint| Claim::of(OWN, checkpoint)).into_iter().collect();
        claims.extend(kept.map(|checkpoint| Claim::of(ELSEWHERE, checkpoint)));
        claims.extend(self.chain.beyond.as_ref().map(|next| Claim {
            label: "the digest of a rotation that is not finished",
            sizes: next.sizes,
            roots: next.roots,
            checkpoint: None,
        }));
        claims
    }

    /// Replays the write-ahead log over the newest digest.
    fn tail(&self, ctx: &mut Context<'_>, claims: &[Claim<'_>]) -> Tail {
        let wanted = [0, 1, 2, 3].map(|place| claims::wanted(claims, place));
        let mut tail = Tail::after(self.newest, wanted);
        let live = self.newest.generation.saturating_add(1);
        let path = tail::path(live);
        let opened = match &self.moment.wal {
            Some((generation, file)) if *generation == live => file.as_ref().map(File::try_clone),
            _ => {
                let what = "it cannot be replayed, because the digest or the state before it is missing or damaged";
                ctx.report.add(Finding::file(Kind::Unchecked, &path, what));
                return tail;
            }
        };
        match opened {
            Ok(Ok(file)) => tail.replay(ctx, file),
            Ok(Err(e)) => ctx.report.add(Finding::file(Kind::UnreadableFile, &path, e.to_string())),
            Err(fault) => ctx.report.add(unusable(&path, fault)),
        }
        tail
    }
}

fn judge_all(ctx: &mut Context<'_>, claims: &[Claim<'_>], present: &Present) {
    for claim in claims {
        let state = claims::judge(ctx, claim, present);
        match claim.label {
            OWN => ctx.report.checkpoint = state,
            ELSEWHERE => ctx.report.kept_elsewhere = state,
            _ => {}
        }
    }
    if ctx.report.checkpoint == CheckpointState::Earlier {
        ctx.report.note("seal/checkpoint is older than the end of the write-ahead log, as it may be after a crash");
    }
}

/// What to report of each store.
pub(crate) fn store_reports(present: &Present, verified: &[u64; 4]) -> Vec<StoreReport> {
    let report = |place: usize| StoreReport {
        name: STORES[place],
        first: present.kept[place],
        verified: verified[place],
        size: present.ends[place],
        root: present.roots[place].get(&present.ends[place]).map(|root| BASE64_STANDARD.encode(root)),
    };
    (0..STORES.len()).map(report).collect()
}

/// Whether `format.json` names the trail of the key.
pub(crate) fn of_trail(format: &[u8], key_name: &str) -> bool {
    #[derive(Deserialize)]
    struct Trail {
        trail: String,
    }
    serde_json::from_slice::<Trail>(format).is_ok_and(|f| key_name.strip_prefix("innertrail/") == Some(&*f.trail))
}

/// Whether the unsigned words of `state.json` are those of its digest.
fn says_the_same(state: &Sealed, digest: &Digest) -> bool {
    let chain = BASE64_STANDARD.decode(&state.chain).is_ok_and(|chain| chain == digest.chain);
    let trees = state.trees.iter().zip(&digest.edges).all(|(tiles, edge)| fold(tiles).as_ref() == Some(edge));
    (state.generation, state.next_seq, state.kept) == (digest.generation, digest.sizes, digest.kept) && chain && trees
}

/// The edge that partial tiles make up, level 0 first.
fn fold(tiles: &[String]) -> Option<Edge> {
    let (mut size, mut hashes) = (0u64, Vec::new());
    for (level, tile) in tiles.iter().enumerate().rev() {
        let bytes = BASE64_STANDARD.decode(tile).ok()?;
        let (entries, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || entries.len() >= 256 || level > 7 {
            return None;
        }
        let mut part = Edge::default();
        entries.iter().for_each(|entry: &Hash| part.push(*entry, |_, _, _| {}));
        hashes.extend(part.hashes());
        size = size.checked_add((entries.len() as u64) << (8 * level))?;
    }
    Edge::new(size, &hashes)
}

/// Which files of the catalogue an export has.
pub(crate) fn in_export(named: Named) -> bool {
    matches!(named, Named::Leaf(0, ..) | Named::Index(0, ..))
}
