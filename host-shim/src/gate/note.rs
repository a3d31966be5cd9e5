//! What `status` knows of the gate's servers: durable counters, and the last answer of what is behind them.
//!
//! Must never be what a decision depends on.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use innertrail_gate::Counts;
use innertrail_logstore::{State, Transaction};
use serde::{Deserialize, Serialize};

use crate::status::counters;

/// Prefix of the counters of the gate's servers.
pub(crate) const GATE: &str = "gate.";
/// Prefix of the checkpoint that holds a server's last answer.
const LAST: &str = "@gate/";

/// One server of the gate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GateStatus {
    /// `requests`; events `received`, `refused`, `delivered`; the refused ones by their reason; `bytes_in` of them, and how many of
    /// those stand between events (`framing_bytes`); requests that the agent was told to send again (`later`) or that will
    /// never be taken (`never`). What is sent again counts again.
    #[serde(flatten)]
    pub counters: BTreeMap<String, u64>,
    /// The last answer of what is behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_answer: Option<LastAnswer>,
}

/// The last answer of what is behind a server of the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastAnswer {
    /// When, microseconds UTC.
    pub at_us: i64,
    /// What was wrong, where something was: may hold a receiver's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl GateStatus {
    /// One of the counters.
    #[must_use]
    pub fn count(&self, counter: &str) -> u64 {
        self.counters.get(counter).copied().unwrap_or(0)
    }
}

/// What the Logstore counts of them, by name.
pub(crate) fn read(state: &State) -> BTreeMap<String, GateStatus> {
    let mut gates: BTreeMap<String, GateStatus> = BTreeMap::new();
    for (gate, counter, count) in counters(state, GATE) {
        gates.entry(gate.to_owned()).or_default().counters.insert(counter.to_owned(), count);
    }
    for (key, value) in &state.checkpoints {
        if let Some(gate) = key.strip_prefix(LAST) {
            gates.entry(gate.to_owned()).or_default().last_answer = serde_json::from_slice(value).ok();
        }
    }
    gates
}

/// Counts what a server did since `before`; whether there was anything.
pub(crate) fn count(txn: &mut Transaction, gate: &str, before: &Counts, now: &Counts) -> bool {
    let grown = [
        ("requests", now.requests - before.requests),
        ("received", now.received - before.received),
        ("delivered", now.delivered - before.delivered),
        ("later", now.later - before.later),
        ("never", now.never - before.never),
    ];
    for (counter, delta) in grown.into_iter().filter(|(_, delta)| *delta > 0) {
        txn.count(&format!("{GATE}{gate}.{counter}"), delta);
    }
    if let (Some((at, why)), true) = (&now.last, now.last != before.last) {
        let at_us = at.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok());
        let last = LastAnswer { at_us: at_us.unwrap_or(0), why: Some(why.clone()).filter(|why| !why.is_empty()) };
        if let Ok(json) = serde_json::to_vec(&last) {
            txn.checkpoint(&format!("{LAST}{gate}"), &json);
        }
    }
    now != before
}
