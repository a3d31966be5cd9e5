//! What is known of the ways out: each configured sink, what its protocol can promise, where it stands; and the gate's routes.
//!
//! It must never promise for an agent what the agent's own configuration decides, and never ask a receiver anything.

use innertrail_logstore::{Snapshot, Store};
use innertrail_query::terminal_safe;
use serde::Serialize;

use crate::config::Config;
use crate::config::sinks::Sink;
use crate::lifecycle::day::told;
use crate::sink::note::{Note, Said};
use crate::sink::stall::Begin;

/// One way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// `sink NAME`, `gate.vector` or `gate.otlp`.
    pub name: String,
    /// The protocol: `type` of a sink.
    pub protocol: &'static str,
    /// What it can promise.
    pub promise: &'static str,
    /// What the last run noted of the sink; none of a gate, and before the first run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    /// Since when a record has waited while nothing was delivered, microseconds UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_us: Option<i64>,
    /// After how many seconds that is told to the journal; 0: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_alert_secs: Option<u32>,
}

impl Delivery {
    /// All of a configuration; without a Logstore nothing waits.
    pub(super) fn all(config: &Config, snapshot: Option<&Snapshot>, now_us: i64) -> Vec<Self> {
        let said = Note::read(&config.data_dir, now_us);
        let sink = |(name, sink): (&String, &Sink)| {
            let begin = snapshot.map(|s| Begin::of(&config.data_dir, name, s.end(Store::Log))).unwrap_or_default();
            Self {
                name: format!("sink {name}"),
                protocol: protocol(sink),
                promise: promise(sink),
                said: said.get(name).cloned(),
                waits_us: begin.waits_us,
                waiting_alert_secs: Some(sink.delivery().waiting_alert_secs),
            }
        };
        let gate = |name: &str, protocol, promise| {
            let (said, waits_us, waiting_alert_secs) = (None, None, None);
            Self { name: name.to_owned(), protocol, promise, said, waits_us, waiting_alert_secs }
        };
        let mut all: Vec<Self> = config.sinks.iter().map(sink).collect();
        all.extend(config.gate.vector.as_ref().map(|_| gate("gate.vector", "vector", THROUGH_VECTOR)));
        all.extend(config.gate.otlp.as_ref().map(|_| gate("gate.otlp", "otlp", THROUGH_OTLP)));
        all
    }

    /// In lines for people: where it stands, and what it can promise.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut stands = match &self.said {
            Some(said) => format!("{}; at record {}, {} behind", said.told(), said.position, said.behind),
            None if self.waiting_alert_secs.is_some() => "no run has delivered to it yet".to_owned(),
            None => "a route".to_owned(),
        };
        if let Some(waits_us) = self.waits_us {
            stands.push_str(&format!("; a record waits since {}", told(waits_us)));
        }
        vec![
            format!("{} ({}): {stands}", terminal_safe(&self.name), self.protocol),
            format!("  promise: {}", self.promise),
        ]
    }
}

fn protocol(sink: &Sink) -> &'static str {
    match sink {
        Sink::Vector(_) => "vector",
        Sink::Otlp(_) => "otlp",
        Sink::Forward(_) => "forward",
        Sink::Http(_) => "http",
        Sink::Spool(_) => "spool",
        Sink::Stdout(_) => "stdout",
    }
}

fn promise(sink: &Sink) -> &'static str {
    match sink {
        Sink::Vector(_) => {
            "at least once. With `acknowledgements` on the sinks behind it Vector's answer means delivered; without, it means \
             queued, and what Vector holds in memory is lost when it dies"
        }
        Sink::Otlp(_) => {
            "at least once to the agent. Its answer means that its pipeline took the records: unless its queue is on disk, what \
             it holds is lost when it dies"
        }
        Sink::Forward(_) => {
            "at least once to the agent. Its `ack` means that the chunk is in its buffer, and is worth as much as that is: on disk \
             or in memory"
        }
        Sink::Http(_) => "at least once up to an answer of status 2xx; what that is worth is the receiver's",
        Sink::Spool(_) => {
            "each record is synced to a file before the position moves. At least once as long as the agent remembers durably how far \
             it has read, and reads a file before it is removed"
        }
        Sink::Stdout(_) => "at most once: a stream has no answer, and what is in the pipe when its reader dies is lost",
    }
}

const THROUGH_VECTOR: &str = "the agent gets the answer of the Vector behind the gate, after what was refused is durable: as much as that \
                              Vector's `acknowledgements` promise";
const THROUGH_OTLP: &str = "the agent gets the answer of the receiver behind the gate, after what was refused is durable; it means that \
                            the receiver's pipeline took the records";
