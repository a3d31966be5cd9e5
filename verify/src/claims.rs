//! Signed statements about the whole: `seal/checkpoint`, a checkpoint kept elsewhere, a digest no state went with.
//! It must never call a statement confirmed when a part of it could not be compared.

use std::collections::{BTreeMap, BTreeSet};

use crate::checkpoint::Checkpoint;
use crate::report::{CheckpointState, Finding, Kind};
use crate::tree::Hash;
use crate::{Context, STORES};

/// A statement to compare with what is there.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    /// How to call it.
    pub(crate) label: &'static str,
    pub(crate) sizes: [u64; 4],
    pub(crate) roots: [Hash; 4],
    /// The place in the write-ahead log, when it names one.
    pub(crate) checkpoint: Option<&'a Checkpoint>,
}

impl<'a> Claim<'a> {
    pub(crate) fn of(label: &'static str, checkpoint: &'a Checkpoint) -> Self {
        Self { label, sizes: checkpoint.sizes, roots: checkpoint.roots, checkpoint: Some(checkpoint) }
    }
}

/// What is there, as far as it was proved.
#[derive(Debug, Default)]
pub(crate) struct Present {
    /// First record kept, per store.
    pub(crate) kept: [u64; 4],
    /// Records, per store.
    pub(crate) ends: [u64; 4],
    /// Roots by size, per store.
    pub(crate) roots: [BTreeMap<u64, Hash>; 4],
    /// The live generation.
    pub(crate) generation: u64,
    /// Its frames.
    pub(crate) frames: u64,
    /// The chain by generation and frames of it.
    pub(crate) chains: BTreeMap<(u64, u64), Hash>,
}

/// The sizes at which roots are wanted, for one store.
pub(crate) fn wanted(claims: &[Claim<'_>], place: usize) -> BTreeSet<u64> {
    claims.iter().map(|claim| claim.sizes[place]).collect()
}

/// Compares a statement with what is there.
pub(crate) fn judge(ctx: &mut Context<'_>, claim: &Claim<'_>, present: &Present) -> CheckpointState {
    let mut worst = CheckpointState::Current;
    for place in 0..STORES.len() {
        worst = worse(worst, judge_tree(ctx, claim, present, place));
    }
    worse(worst, judge_place(ctx, claim, present))
}

fn worse(one: CheckpointState, other: CheckpointState) -> CheckpointState {
    let rank = |state| match state {
        CheckpointState::Absent | CheckpointState::Current => 0,
        CheckpointState::Earlier => 1,
        CheckpointState::Partly => 2,
        CheckpointState::Contradicts => 3,
    };
    if rank(other) > rank(one) { other } else { one }
}

fn judge_tree(ctx: &mut Context<'_>, claim: &Claim<'_>, present: &Present, place: usize) -> CheckpointState {
    let (label, store) = (claim.label, STORES[place]);
    let (size, end) = (claim.sizes[place], present.ends[place]);
    if size > end {
        let what = format!("{label} proves {size} records, only {end} are there: the last {} are missing", size - end);
        ctx.report.add(Finding::plain(Kind::Truncated, what).store(store).records(end, size));
        return CheckpointState::Contradicts;
    }
    match present.roots[place].get(&size) {
        Some(root) if *root == claim.roots[place] => {}
        Some(_) => {
            let what = format!(
                "{label} has another root at {size} records: it speaks of another history, signed with the same key"
            );
            ctx.report.add(Finding::plain(Kind::Fork, what).store(store).records(0, size));
            return CheckpointState::Contradicts;
        }
        None => {
            let kept = present.kept[place];
            let why = if size < kept { "the records before it were dropped" } else { "of the damage found" };
            let also = if size < kept { " and no digest has exactly this size" } else { "" };
            ctx.report.note(format!("{label}: its root of {store} at {size} was not compared, because {why}{also}"));
            return CheckpointState::Partly;
        }
    }
    if size == end { CheckpointState::Current } else { CheckpointState::Earlier }
}

/// Compares the place in the write-ahead log.
fn judge_place(ctx: &mut Context<'_>, claim: &Claim<'_>, present: &Present) -> CheckpointState {
    let Some(checkpoint) = claim.checkpoint else { return CheckpointState::Current };
    let at = (checkpoint.generation, checkpoint.frames);
    let live = (present.generation, present.frames);
    let behind = claim.sizes.iter().zip(&present.ends).all(|(size, end)| size <= end);
    if at > live && behind {
        let what = format!(
            "{} speaks of frame {} of generation {}; the write-ahead log ends at frame {} of generation {}: \
             what was written after that is missing",
            claim.label, at.1, at.0, live.1, live.0
        );
        ctx.report.add(Finding::plain(Kind::Truncated, what));
        return CheckpointState::Contradicts;
    }
    match present.chains.get(&at) {
        Some(chain) if *chain != checkpoint.chain => {
            let what = format!("{} has another chain over the write-ahead log at the same frame", claim.label);
            ctx.report.add(Finding::plain(Kind::Fork, what));
            CheckpointState::Contradicts
        }
        _ if at == live => CheckpointState::Current,
        _ => CheckpointState::Earlier,
    }
}
