//! What a gate has done since it was started, for who asks.
//! It must never count an event as delivered before the receiver has taken it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use innertrail_sink::Refused;

/// Counts since the start. An event that an agent sends again is judged and counted again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were answered with more than that they are none.
    pub requests: u64,
    /// Events that were judged.
    pub received: u64,
    /// Events that may not pass; they are kept.
    pub refused: u64,
    /// Events that the receiver took.
    pub delivered: u64,
    /// Requests that the agent was told to send again.
    pub later: u64,
    /// Requests that the receiver, or the gate, will never take.
    pub never: u64,
    /// The last answer of the receiver: when, and what it was; empty when all was well.
    pub last: Option<(SystemTime, String)>,
}

/// The counts while they grow.
#[derive(Debug, Default)]
pub(crate) struct Report {
    requests: AtomicU64,
    received: AtomicU64,
    refused: AtomicU64,
    delivered: AtomicU64,
    later: AtomicU64,
    never: AtomicU64,
    last: Mutex<Option<(SystemTime, String)>>,
}

impl Report {
    pub(crate) fn counts(&self) -> Counts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            requests: of(&self.requests),
            received: of(&self.received),
            refused: of(&self.refused),
            delivered: of(&self.delivered),
            later: of(&self.later),
            never: of(&self.never),
            last: self.last.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Verdicts are there, and what was refused is durable.
    pub(crate) fn judged(&self, verdicts: &[bool]) {
        let refused = verdicts.iter().filter(|passes| !**passes).count();
        self.received.fetch_add(verdicts.len() as u64, Ordering::Relaxed);
        self.refused.fetch_add(refused as u64, Ordering::Relaxed);
    }

    /// The receiver answered for so many events.
    pub(crate) fn answered(&self, events: usize, answer: &Result<(), Refused>) {
        let why = match answer {
            Ok(()) => {
                self.delivered.fetch_add(events as u64, Ordering::Relaxed);
                String::new()
            }
            Err(refused) => refused.to_string(),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((SystemTime::now(), why));
    }

    /// The agent gets its answer.
    pub(crate) fn told(&self, told: Told) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        match told {
            Told::Taken => {}
            Told::Later => {
                self.later.fetch_add(1, Ordering::Relaxed);
            }
            Told::Never => {
                self.never.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// What an agent is told of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Taken,
    Later,
    Never,
}
