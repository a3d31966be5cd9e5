//! The live write-ahead log: every frame replayed over the newest digest and compared with its own signed checkpoint.
//! It must never go on comparing after a frame that does not hold: everything behind it would look wrong too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use crate::claims::Present;
use crate::digest::Digest;
use crate::report::{Finding, Kind};
use crate::tree::{Edge, Hash, leaf_hash};
use crate::wal::{Frame, Next, Reader};
use crate::{Context, STORES, open_checkpoint};

/// What the write-ahead log adds to the segments.
#[derive(Debug)]
pub(crate) struct Tail {
    path: String,
    edges: [Edge; 4],
    chain: Hash,
    generation: u64,
    frames: u64,
    /// Records proved, per store.
    pub(crate) verified: [u64; 4],
    wanted: [BTreeSet<u64>; 4],
    roots: [BTreeMap<u64, Hash>; 4],
    chains: Vec<Hash>,
    /// A frame did not hold; only sizes are followed from there on.
    lost: bool,
}

/// Path of a generation's file.
pub(crate) fn path(generation: u64) -> String {
    format!("wal/{generation:08}.wal")
}

impl Tail {
    /// Right after a digest: the sealed state, without a frame.
    pub(crate) fn after(digest: &Digest, wanted: [BTreeSet<u64>; 4]) -> Self {
        let generation = digest.generation.saturating_add(1);
        Self {
            path: path(generation),
            edges: digest.edges.clone(),
            chain: digest.chain,
            generation,
            frames: 0,
            verified: [0; 4],
            wanted,
            roots: Default::default(),
            chains: vec![digest.chain],
            lost: false,
        }
    }

    /// Replays the file of the live generation.
    pub(crate) fn replay(&mut self, ctx: &mut Context<'_>, file: File) {
        let unreadable = |e: std::io::Error, path: &str| Finding::file(Kind::UnreadableFile, path, e.to_string());
        let mut reader = match Reader::new(file, self.generation) {
            Ok(Some(reader)) => reader,
            Ok(None) => {
                let what = "its header is not that of this generation: nothing in it can be read";
                return ctx.report.add(Finding::file(Kind::WalDamaged, &self.path, what));
            }
            Err(e) => return ctx.report.add(unreadable(e, &self.path)),
        };
        loop {
            let at = reader.offset;
            match reader.next() {
                Ok(Next::Frame(frame)) => {
                    if !self.take(ctx, &frame, at) {
                        return;
                    }
                    ctx.done("write-ahead log", reader.offset - at);
                }
                Ok(Next::End) => return,
                Ok(Next::Bad { bytes, good }) => return self.report_bad(ctx, at, bytes, good),
                Err(e) => return ctx.report.add(unreadable(e, &self.path)),
            }
        }
    }

    fn report_bad(&self, ctx: &mut Context<'_>, at: u64, bytes: u64, good: Option<u64>) {
        let finding = match good {
            Some(good) => {
                let what =
                    format!("byte {at} should begin frame {}, but the next good frame is at {good}", self.frames);
                Finding::file(Kind::WalDamaged, &self.path, what)
            }
            None => {
                let what = format!(
                    "{bytes} bytes after the last good frame, from byte {at}: a write cut short, or damage; \
                     the next start of the writer drops them if no checkpoint proves that more had been there"
                );
                Finding::file(Kind::TornOrDamagedTail, &self.path, what)
            }
        };
        ctx.report.add(finding);
    }

    /// Takes one frame; `false` when nothing behind it can be read.
    fn take(&mut self, ctx: &mut Context<'_>, frame: &Frame, at: u64) -> bool {
        let wrong = |what: &str| Finding::file(Kind::Frame, &self.path, format!("frame at byte {at}: {what}"));
        if (0..4).any(|place| frame.parts[place].first != self.edges[place].size()) {
            ctx.report.add(wrong("its sequence numbers do not follow those before it"));
            return false;
        }
        let mut grown = self.edges.clone();
        let mut passed = Vec::new();
        let mut bytes = 0;
        let chain = frame.replay(&self.chain, |place, record| {
            grown[place].push(leaf_hash(record), |_, _, _| {});
            bytes += record.len() as u64;
            if self.wanted[place].contains(&grown[place].size()) {
                passed.push((place, grown[place].size(), grown[place].root()));
            }
        });
        let Some(chain) = chain else {
            ctx.report.add(wrong("its rows do not fill their part"));
            return false;
        };
        self.frames += 1;
        let before = std::mem::replace(&mut self.edges, grown);
        self.chain = chain;
        if !self.lost && self.holds(ctx, frame, at, &before) {
            for (place, size, root) in passed {
                self.roots[place].insert(size, root);
            }
            for (verified, (after, before)) in self.verified.iter_mut().zip(self.edges.iter().zip(&before)) {
                *verified += after.size() - before.size();
            }
            self.chains.push(chain);
            ctx.report.frames += 1;
            ctx.report.raw_bytes += bytes;
        }
        true
    }

    /// Compares trees and chain with the checkpoint in the frame.
    fn holds(&mut self, ctx: &mut Context<'_>, frame: &Frame, at: u64, before: &[Edge; 4]) -> bool {
        let mut findings = Vec::new();
        let wrong = |kind, what: &str| Finding::file(kind, &self.path, format!("frame at byte {at}: {what}"));
        match open_checkpoint(ctx.key, frame.note()) {
            Err(why) => findings.push(wrong(Kind::Signature, &format!("its checkpoint: {why}"))),
            Ok(checkpoint) => {
                for place in 0..STORES.len() {
                    let edge = &self.edges[place];
                    if (checkpoint.sizes[place], checkpoint.roots[place]) != (edge.size(), edge.root()) {
                        let what = "records of this frame are not those that were signed";
                        let finding = wrong(Kind::RecordsDamaged, what).store(STORES[place]);
                        findings.push(finding.records(before[place].size(), edge.size()));
                    }
                }
                let place = (checkpoint.generation, checkpoint.frames, checkpoint.time);
                if checkpoint.chain != self.chain || place != (self.generation, self.frames, frame.time) {
                    let what =
                        "its columns, source checkpoints, counters, time or number are not those that were signed";
                    findings.push(wrong(Kind::Frame, what));
                }
            }
        }
        self.lost = !findings.is_empty();
        if self.lost {
            findings.into_iter().for_each(|finding| ctx.report.add(finding));
            ctx.report.note("frames after the first one that does not hold were read, but not compared");
        }
        !self.lost
    }

    /// Adds what the write-ahead log holds to what is there.
    pub(crate) fn add_to(&mut self, present: &mut Present) {
        present.generation = self.generation;
        present.frames = self.frames;
        for place in 0..STORES.len() {
            present.ends[place] = self.edges[place].size();
            present.roots[place].append(&mut self.roots[place]);
            if !self.lost {
                present.roots[place].insert(self.edges[place].size(), self.edges[place].root());
            }
        }
        let chains = self.chains.iter().enumerate();
        present.chains.extend(chains.map(|(frames, chain)| ((self.generation, frames as u64), *chain)));
    }
}
