//! What a client has done: numbers and names, never a value of a credential.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::request::Fault;

/// Counters since the client was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Requests asked for.
    pub requests: u64,
    /// Requests that got an answer, whatever its status.
    pub responses: u64,
    /// Requests that were given up.
    pub failures: u64,
    /// Tries after the first, for faults and busy servers.
    pub retries: u64,
    /// Tries that were signed anew because the server found the clock wrong.
    pub clock_corrections: u64,
    /// Tries that were signed anew with fresh keys.
    pub key_renewals: u64,
    /// Answers with status 429.
    pub throttled: u64,
    /// Tries that found a fault, by its kind.
    pub faults: BTreeMap<Fault, u64>,
    /// Body bytes sent.
    pub bytes_sent: u64,
    /// Body bytes received, those of broken answers included.
    pub bytes_received: u64,
    /// By endpoint.
    pub endpoints: BTreeMap<String, EndpointStats>,
}

/// The same for one endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EndpointStats {
    /// Tries.
    pub tries: u64,
    /// Tries that found a fault.
    pub faults: u64,
    /// The last status.
    pub last_status: Option<u16>,
    /// The last fault, until an answer comes.
    pub last_fault: Option<Fault>,
    /// From sending to the end of the body, the last time, milliseconds.
    pub last_latency_ms: Option<u64>,
    /// How far the server's clock is ahead of this machine's, by its last `Date`, milliseconds. `Date` has no fractions
    /// of a second, so less than two seconds mean nothing.
    pub clock_skew_ms: Option<i64>,
    /// What is added to this machine's clock when signing, milliseconds; 0 unless the server ever refused it.
    pub clock_correction_ms: i64,
}
