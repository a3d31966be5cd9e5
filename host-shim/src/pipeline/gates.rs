//! The pipeline's side of the gate's servers: starts and stops them, keeps what they refuse, counts what they do.
//!
//! Must never wait for a server, and never tell one that something is durable before it is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use innertrail_gate::{Counts, Running, Server};

use super::Pipeline;
use crate::accounting::push;
use crate::clock;
use crate::gate::note::{self, GATE};
use crate::gate::server::Refusal;
use crate::layout;
use crate::notice::{Notice, PipelineError};
use crate::running::Running as Source;
use crate::runtime::wit::transform::Routed;

/// How long the servers may take to stop. What one had not answered is the agent's to send again.
const STOP: Duration = Duration::from_secs(5);
/// How often counts are made durable when nothing else is.
const COUNT_ALONE: Duration = Duration::from_secs(1);

/// The servers.
#[derive(Default)]
pub(super) struct Gates {
    ready: Vec<(&'static str, Server)>,
    running: Vec<Gate>,
}

/// One that answers, and what of its counts is in a transaction.
struct Gate {
    name: &'static str,
    running: Running,
    counted: Counts,
    at: Instant,
    /// Whether the last answer from behind it was no good one.
    troubled: bool,
}

impl Gates {
    /// Servers that listen; none answers yet.
    pub(super) fn new(ready: Vec<(&'static str, Server)>) -> Self {
        Self { ready, running: Vec::new() }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.running.is_empty()
    }

    /// Has them answer.
    pub(super) fn start(&mut self) -> Result<(), PipelineError> {
        for (name, server) in self.ready.drain(..) {
            let running = server.start().map_err(|error| PipelineError::Gate { name, error })?;
            let counted = Counts::default();
            self.running.push(Gate { name, running, counted, at: Instant::now(), troubled: false });
        }
        Ok(())
    }
}

impl Pipeline {
    /// Puts what a server refused into the open transaction, with a journal entry where it was addressed to the dedicated
    /// Logstore; the agent is answered once that is durable.
    pub(super) fn refuse(&mut self, refusal: Refusal, tell: &mut dyn FnMut(Notice<'_>)) {
        let Refusal { gate, origin, refused, answer } = refusal;
        push(&mut self.txn, &refused);
        self.custody.refused(&mut self.txn, &refused, &origin, clock::now_us());
        let kept: u64 = refused.entries.iter().map(|entry| u64::from(entry.consumed)).sum();
        self.txn.count(&format!("{GATE}{gate}.bytes_in"), kept + refused.framing_bytes);
        self.txn.count(&format!("{GATE}{gate}.refused"), refused.entries.len() as u64);
        if refused.framing_bytes > 0 {
            self.txn.count(&format!("{GATE}{gate}.framing_bytes"), refused.framing_bytes);
        }
        for (reason, count) in reasons(&refused) {
            self.txn.count(&format!("{GATE}{gate}.{reason}"), count);
            tell(Notice::Refused(gate, count, reason));
        }
        self.parked[0].push(answer);
    }

    /// Counts what the servers did, together with what else is to become durable, or alone once a second.
    pub(super) fn count_gates(&mut self, at_once: bool, tell: &mut dyn FnMut(Notice<'_>)) {
        let busy = at_once || !self.txn.is_empty();
        for gate in &mut self.gates.running {
            if !busy && gate.at.elapsed() < COUNT_ALONE {
                continue;
            }
            gate.at = Instant::now();
            let now = gate.running.counts();
            if !note::count(&mut self.txn, gate.name, &gate.counted, &now) {
                continue;
            }
            let why = now.last.as_ref().map_or("", |(_, why)| why.as_str());
            match (gate.troubled, why.is_empty()) {
                (_, false) if now.last != gate.counted.last => tell(Notice::Gate(gate.name, Some(why.to_owned()))),
                (true, true) => tell(Notice::Gate(gate.name, None)),
                _ => {}
            }
            gate.troubled = !why.is_empty();
            gate.counted = now;
        }
    }

    /// Stops the servers, and hears meanwhile what they still have to keep.
    pub(super) fn stop_gates(
        &mut self,
        sources: &mut [Source],
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        self.gates.running.iter_mut().for_each(|gate| gate.running.stop());
        let begun = Instant::now();
        while !self.gates.running.iter().all(|gate| gate.running.has_ended()) && begun.elapsed() < STOP {
            self.turn(sources, tell)?;
            std::thread::sleep(Duration::from_millis(5));
        }
        while let Ok(event) = self.events.try_recv() {
            self.hear(event, sources, tell)?;
        }
        self.count_gates(true, tell);
        self.gates.running.clear();
        Ok(())
    }
}

/// Why entries are in quarantine, and how many for each reason.
fn reasons(refused: &Routed) -> BTreeMap<&'static str, u64> {
    let mut reasons = BTreeMap::new();
    for reason in refused.entries.iter().filter_map(|entry| entry.reason) {
        *reasons.entry(layout::reason(reason)).or_default() += 1;
    }
    reasons
}
