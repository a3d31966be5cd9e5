//! Vector's own names, for sources, rooms, gates and sinks: what came, what went on, what did not, and why.
//!
//! For the rooms what came is what went on, what was dropped and what failed, always. Must never give a size that is not
//! known: what has none has no series.

use innertrail_sink::Trouble;

use super::error_type;
use super::exposition::{Exposition, Family};
use super::families::{COUNTER, Facts};
use crate::layout;

/// The component that stands for decode, classify, redact and route: they share one sandbox and one transaction.
const ROOMS: &str = "rooms";

/// What a component of this type speaks.
fn protocol(of_type: &str) -> &'static str {
    match of_type {
        "file" | "spool" => "file",
        "stdout" => "stream",
        "forward" => "tcp",
        _ => "http",
    }
}

/// Words of failures, with the reasons of quarantine that they stand for.
const UNREADABLE: [(&str, &str); 2] = [("parser_failed", "undecodable"), ("script_failed", "poison")];

impl Facts<'_> {
    /// What went through each component.
    pub(super) fn components(&self, out: &mut Exposition) {
        self.bytes(out);
        self.events(out);
        self.event_bytes(out);
    }

    fn bytes(&self, out: &mut Exposition) {
        let status = &self.shown.status;
        let help = "Bytes that a source gave, decompressed, before records are made of them. Durable.";
        out.family("component_received_bytes_total", COUNTER, help, |f| {
            for (name, source) in &status.sources {
                let [a, b, c] = self.labels("source", name);
                f.add(&[a, b, c, ("protocol", protocol(c.1))], Self::source_count(source, "bytes_in"));
            }
        });
        let help =
            "Bytes of the bodies that the receiver took, as they went out, since the run began. No series: not known.";
        out.family("component_sent_bytes_total", COUNTER, help, |f| {
            for (name, sink) in &self.shown.sinks {
                let [a, b, c] = self.labels("sink", name);
                if let Some(bytes) = sink.sent_bytes {
                    f.add(&[a, b, c, ("protocol", protocol(c.1))], bytes);
                }
            }
        });
    }

    fn events(&self, out: &mut Exposition) {
        let status = &self.shown.status;
        let help = "Records that came to the component. Sources, rooms and gates: durable. Sinks: since the run began. One that \
                    was sent twice to a gate or by a sink counts twice.";
        out.family("component_received_events_total", COUNTER, help, |f| {
            let mut all = 0_u64;
            for (name, source) in &status.sources {
                let records = Self::source_count(source, "records");
                all = all.saturating_add(records);
                f.add(&self.labels("source", name), records);
            }
            f.add(&self.labels("transform", ROOMS), all);
            for (name, gate) in &status.gates {
                f.add(&self.labels("transform", &format!("gate_{name}")), gate.count("received"));
            }
            self.each_sink("sink", f, |sink| sink.sent.saturating_add(sink.parked));
        });
        let help = "Records that the component passed on; of a sink or a gate, those that its receiver took. The rooms' output is \
                    the store; what they put into quarantine because a rule says so is one, what cannot be read is an error. \
                    Durable, but of sinks since the run began.";
        out.family("component_sent_events_total", COUNTER, help, |f| {
            for (name, source) in &status.sources {
                let [a, b, c] = self.labels("source", name);
                f.add(&[a, b, c, ("output", "_default")], Self::source_count(source, "records"));
            }
            let [a, b, c] = self.labels("transform", ROOMS);
            f.add(&[a, b, c, ("output", "dedicated")], status.records);
            f.add(&[a, b, c, ("output", "passthrough")], status.passthrough);
            f.add(&[a, b, c, ("output", "quarantine")], self.ruled_out());
            for (name, gate) in &status.gates {
                let name = format!("gate_{name}");
                let [a, b, c] = self.labels("transform", &name);
                f.add(&[a, b, c, ("output", "_default")], gate.count("delivered"));
            }
            self.each_sink("sink", f, |sink| sink.sent);
        });
    }

    /// Sizes that are known: those of records as they came, and those by which a sink cuts its requests.
    fn event_bytes(&self, out: &mut Exposition) {
        let status = &self.shown.status;
        let help = "Rooms: bytes of the records themselves, as they came; durable. Sinks: encoded, before compression, without \
                    what frames a request; since the run began. No series: not known.";
        out.family("component_received_event_bytes_total", COUNTER, help, |f| {
            let came: u64 = status.sources.values().map(|source| Self::source_count(source, "bytes_in")).sum();
            let at_gates: u64 = status.gates.values().map(|gate| gate.count("framing_bytes")).sum();
            let between = status.bytes.framing.saturating_sub(at_gates);
            f.add(&self.labels("transform", ROOMS), came.saturating_sub(between));
            self.each_sink("sink", f, |sink| sink.sent_event_bytes.saturating_add(sink.parked_event_bytes));
        });
        out.family("component_sent_event_bytes_total", COUNTER, help, |f| {
            let [a, b, c] = self.labels("transform", ROOMS);
            f.add(&[a, b, c, ("output", "dedicated")], status.bytes.dedicated);
            f.add(&[a, b, c, ("output", "passthrough")], status.bytes.passthrough);
            self.each_sink("sink", f, |sink| sink.sent_event_bytes);
        });
    }

    /// Records that came to the rooms and are in quarantine for this reason. A gate's are its own.
    fn quarantined(&self, reason: &str) -> u64 {
        let status = &self.shown.status;
        let at_gates: u64 = status.gates.values().map(|gate| gate.count(reason)).sum();
        status.quarantine.get(reason).copied().unwrap_or(0).saturating_sub(at_gates)
    }

    /// Records that the rooms put into quarantine because a rule says so.
    fn ruled_out(&self) -> u64 {
        // What a sink could not deliver went through the rooms before.
        let rules = |reason: &&String| error_type(reason).is_none() && *reason != layout::UNDELIVERABLE;
        self.shown.status.quarantine.keys().filter(rules).map(|reason| self.quarantined(reason)).sum()
    }

    /// What was not passed on, and why.
    pub(super) fn failures(&self, out: &mut Exposition) {
        let status = &self.shown.status;
        let help = "Records that were not passed on. Rooms: those that the Logstore had already; durable. Gates: those that were \
                    refused, kept in quarantine; durable. Sinks: those that the receiver will never take (kept in quarantine) or that retention dropped first; since the run began.";
        out.family("component_discarded_events_total", COUNTER, help, |f| {
            let [a, b, c] = self.labels("transform", ROOMS);
            f.add(&[a, b, c, ("intentional", "true")], status.duplicates);
            for (name, gate) in &status.gates {
                let name = format!("gate_{name}");
                let [a, b, c] = self.labels("transform", &name);
                let unreadable: u64 = UNREADABLE.iter().map(|(_, reason)| gate.count(reason)).sum();
                f.add(&[a, b, c, ("intentional", "true")], gate.count("refused").saturating_sub(unreadable));
            }
            for (name, sink) in &self.shown.sinks {
                let [a, b, c] = self.labels("sink", name);
                f.add(&[a, b, c, ("intentional", "false")], sink.parked.saturating_add(sink.missed));
            }
        });
        let help = "Rooms and gates: records that cannot be decoded, or on which the component failed, all kept in quarantine; gates \
                    also requests that were not taken; durable. Sinks: requests, reads and writes that failed, by kind; since the run began.";
        out.family("component_errors_total", COUNTER, help, |f| self.errors(f));
    }

    fn errors(&self, f: &mut Family) {
        let status = &self.shown.status;
        for (error_type, reason) in UNREADABLE {
            let [a, b, c] = self.labels("transform", ROOMS);
            f.add(&[a, b, c, ("error_type", error_type), ("stage", "processing")], self.quarantined(reason));
        }
        for (name, gate) in &status.gates {
            let name = format!("gate_{name}");
            let [a, b, c] = self.labels("transform", &name);
            for (error_type, reason) in UNREADABLE {
                f.add(&[a, b, c, ("error_type", error_type), ("stage", "processing")], gate.count(reason));
            }
            let failed = gate.count("later").saturating_add(gate.count("never"));
            f.add(&[a, b, c, ("error_type", "request_failed"), ("stage", "sending")], failed);
        }
        for (name, sink) in &self.shown.sinks {
            let [a, b, c] = self.labels("sink", name);
            for trouble in Trouble::ALL {
                let count = sink.errors.get(trouble.name()).copied().unwrap_or(0);
                // The Logstore is read before there is anything to send.
                let stage = if trouble == Trouble::Reader { "receiving" } else { "sending" };
                f.add(&[a, b, c, ("error_type", trouble.name()), ("stage", stage)], count);
            }
        }
    }
}
