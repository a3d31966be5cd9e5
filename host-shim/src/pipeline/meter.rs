//! What the clients of network sources did, as counters of the Logstore.
//!
//! It must never count anything twice: a client counts from its beginning, and only what grew since the last time is added.

use std::sync::Arc;
use std::time::{Duration, Instant};

use innertrail_fetch::{Client, Stats};

use super::Pipeline;
use crate::status::SOURCE;

/// Counters of the client are added to a transaction that has nothing else to say this often.
const METER_ALONE: Duration = Duration::from_secs(60);

/// The counters of a client, and what of them was counted.
pub(super) struct Meter {
    client: Arc<Client>,
    counted: Stats,
    at: Instant,
}

impl Meter {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { client, counted: Stats::default(), at: Instant::now() }
    }

    /// What was added since the last time.
    fn take(&mut self) -> Vec<(String, u64)> {
        let (now, before) = (self.client.stats(), &self.counted);
        let mut grown = vec![
            ("requests".to_owned(), now.requests - before.requests),
            ("retries".to_owned(), now.retries - before.retries),
            ("failures".to_owned(), now.failures - before.failures),
            ("throttled".to_owned(), now.throttled - before.throttled),
            ("clock_corrections".to_owned(), now.clock_corrections - before.clock_corrections),
            ("key_renewals".to_owned(), now.key_renewals - before.key_renewals),
            ("bytes_received".to_owned(), now.bytes_received - before.bytes_received),
        ];
        for (fault, count) in &now.faults {
            let name = format!("fault_{}", fault.as_str().replace('-', "_"));
            grown.push((name, count - before.faults.get(fault).copied().unwrap_or(0)));
        }
        self.counted = now;
        self.at = Instant::now();
        grown.retain(|(_, count)| *count > 0);
        grown
    }
}

impl Pipeline {
    /// Counts what the clients did, together with what else is to become durable, or alone once a minute.
    pub(super) fn meter(&mut self) {
        let busy = !self.txn.is_empty();
        for (name, meter) in &mut self.meters {
            if busy || meter.at.elapsed() >= METER_ALONE {
                for (counter, delta) in meter.take() {
                    self.txn.count(&format!("{SOURCE}{name}.{counter}"), delta);
                }
            }
        }
    }

    /// Counts the rest.
    pub(super) fn meter_all(&mut self) {
        for (name, meter) in &mut self.meters {
            for (counter, delta) in meter.take() {
                self.txn.count(&format!("{SOURCE}{name}.{counter}"), delta);
            }
        }
    }
}
