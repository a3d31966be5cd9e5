//! Which numbers there are: Vector's component names where they are true, and `innertrail_` for what only we have.
//!
//! Counters of sources, rooms and stores are durable: they go on after a restart. What sinks did, and the commits, count
//! from the start of the run, as the help of each family says. Names after Vector's `docs/specs/instrumentation.md`. Must
//! never give a name of that specification to something else.

use std::sync::PoisonError;

use innertrail_api::refuse::Surface;
use innertrail_api::server::Counts;

use super::exposition::{Exposition, Family, Number, seconds};
use super::{Board, Shown};
use crate::clock;
use crate::lifecycle::Phase;
use crate::lifecycle::sources::Cause;
use crate::lifecycle::standstill::Standstill;
use crate::lifecycle::told::Sealed;
use crate::sink::note::Said;
use crate::status::SourceStatus;

/// States of a source, as it says them itself.
const SOURCE_STATES: [&str; 6] = ["running", "idle", "paused", "failed", "finished", "unknown"];
/// States of a sink.
const SINK_STATES: [&str; 7] = ["starting", "held", "running", "caught_up", "waiting", "stopped", "failed"];

/// A number that only grows.
pub(super) const COUNTER: &str = "counter";
/// A number that goes up and down.
pub(super) const GAUGE: &str = "gauge";

type Three<'a> = [(&'static str, &'a str); 3];

/// Everything, as of now.
pub(super) fn text(board: &Board) -> String {
    let mut out = Exposition::default();
    run(&mut out, board);
    if let Some(counts) = board.api.get() {
        api(&mut out, counts);
    }
    let shown = board.shown.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, shown)| shown.clone());
    if let Some(shown) = shown {
        let facts = Facts { board, shown: &shown };
        facts.components(&mut out);
        facts.failures(&mut out);
        facts.stores(&mut out);
        facts.sources(&mut out);
        facts.accounts(&mut out);
        facts.life(&mut out);
        facts.sinks(&mut out);
        if let Some(copied) = &shown.mirror {
            super::mirror::families(&mut out, copied);
        }
        if let Some(evaluated) = &shown.alerts {
            super::alerts::families(&mut out, evaluated);
        }
        super::alerts::channels(&mut out, &shown.channels);
    }
    out.finish()
}

fn run(out: &mut Exposition, board: &Board) {
    let build = [("version", env!("CARGO_PKG_VERSION")), ("trail", board.trail.as_str())];
    out.family("innertrail_build_info", GAUGE, "Always 1; which version serves which trail.", |f| f.add(&build, 1));
    let uptime = Number::Part(board.begun.elapsed().as_secs_f64());
    out.family("innertrail_uptime_seconds", GAUGE, "Since the run began.", |f| f.add(&[], uptime));
    let still = Number::Part(board.still().as_secs_f64());
    let help = "Since the pipeline's loop last turned. From 30 on /health says 503.";
    out.family("innertrail_loop_still_seconds", GAUGE, help, |f| f.add(&[], still));
    let commits = board.commits.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let help = "Transactions of this run, from handing over to the writer to the return of its fsync.";
    out.histogram("innertrail_commit_seconds", help, &commits);
}

/// The API, since the run began.
fn api(out: &mut Exposition, counts: &Counts) {
    out.family("innertrail_api_connections", GAUGE, "Connections to the API that are open.", |f| {
        f.add(&[], counts.connections());
    });
    let help = "Idle connections that were closed to make room for others.";
    out.family("innertrail_api_evicted_connections_total", COUNTER, help, |f| f.add(&[], counts.evicted()));
    out.family("innertrail_api_answers_total", COUNTER, "Calls that were answered, by HTTP status.", |f| {
        for (status, count) in counts.answers() {
            f.add(&[("status", status.to_string().as_str())], count);
        }
    });
    let help =
        "Writes that were refused, by what they would have done. Each is in the journal, too. Alert on its growth.";
    out.family("innertrail_api_refused_writes_total", COUNTER, help, |f| {
        let refused = counts.refused();
        for surface in Surface::ALL {
            f.add(&[("surface", surface.name())], refused.get(&surface).copied().unwrap_or(0));
        }
    });
}

/// What there is to tell.
pub(super) struct Facts<'a> {
    board: &'a Board,
    pub(super) shown: &'a Shown,
}

impl Facts<'_> {
    pub(super) fn labels<'a>(&'a self, kind: &'static str, name: &'a str) -> Three<'a> {
        let of_type = self.board.types.get(&(kind, name.to_owned())).map_or("", String::as_str);
        let of_type = if kind == "transform" { "innertrail" } else { of_type };
        [("component_id", name), ("component_kind", kind), ("component_type", of_type)]
    }

    pub(super) fn source_count(source: &SourceStatus, counter: &str) -> u64 {
        source.counters.get(counter).copied().unwrap_or(0)
    }

    pub(super) fn each_sink(&self, kind: &'static str, family: &mut Family, value: impl Fn(&Said) -> u64) {
        for (name, sink) in &self.shown.sinks {
            family.add(&self.labels(kind, name), value(sink));
        }
    }

    /// What is where, and whether it adds up.
    fn stores(&self, out: &mut Exposition) {
        let status = &self.shown.status;
        let quarantine: u64 = status.quarantine.values().sum();
        let stores = [
            ("log", status.records),
            ("passthrough", status.passthrough),
            ("quarantine", quarantine),
            ("journal", status.journal),
        ];
        out.family("innertrail_records_total", COUNTER, "Records appended to each store. Durable.", |f| {
            stores.iter().for_each(|(store, n)| f.add(&[("store", store)], *n));
        });
        out.family("innertrail_quarantined_records_total", COUNTER, "Records put into quarantine. Durable.", |f| {
            status.quarantine.iter().for_each(|(reason, n)| f.add(&[("reason", reason)], *n));
        });
        let help = "Events that the Logstore had already, by event id. Durable.";
        out.family("innertrail_duplicate_records_total", COUNTER, help, |f| f.add(&[], status.duplicates));
        let help = "Values masked before anything was stored. Durable.";
        out.family("innertrail_redacted_values_total", COUNTER, help, |f| f.add(&[], status.redacted));
        let b = &status.bytes;
        let ways = [
            ("dedicated", b.dedicated),
            ("passthrough", b.passthrough),
            ("quarantine", b.quarantine),
            ("duplicates", b.duplicates),
            ("framing", b.framing),
        ];
        let help = "Where the bytes of the input went. Durable.";
        out.family("innertrail_routed_bytes_total", COUNTER, help, |f| {
            ways.iter().for_each(|(to, n)| f.add(&[("to", to)], *n));
        });
        let help = "1 while every byte of the input is accounted for (invariant I7). 0 is a defect: alert on it.";
        out.family("innertrail_conserved", GAUGE, help, |f| f.add(&[], status.conserved));
    }

    fn sources(&self, out: &mut Exposition) {
        let state = |source: &SourceStatus| {
            let said = source.state.as_ref().and_then(|s| s["state"].as_str()).unwrap_or("unknown");
            SOURCE_STATES.iter().position(|state| *state == said).unwrap_or(SOURCE_STATES.len() - 1)
        };
        out.family("innertrail_source_state", GAUGE, "1 for the state that the source is in, 0 for all others.", |f| {
            for (name, source) in &self.shown.status.sources {
                let [a, b, c] = self.labels("source", name);
                let now = state(source);
                for (place, word) in SOURCE_STATES.iter().enumerate() {
                    f.add(&[a, b, c, ("state", word)], place == now);
                }
            }
        });
        let help = "Age of the newest event that the source gave. It grows while nothing happens at the source, too.";
        let now_us = clock::now_us();
        out.family("innertrail_source_lag_seconds", GAUGE, help, |f| {
            for (name, newest_us) in &self.shown.newest {
                f.add(&self.labels("source", name), seconds(now_us.saturating_sub(*newest_us)));
            }
        });
    }

    /// Sources that stand still, why, and when the provider deletes what they have not read.
    fn accounts(&self, out: &mut Exposition) {
        let Some(life) = &self.shown.life else { return };
        let help = "Since when the source stands still, and why. No series: it does not.";
        out.family("innertrail_source_paused_since_timestamp_seconds", GAUGE, help, |f| {
            for (name, paused) in &life.paused {
                let [a, b, c] = self.labels("source", name);
                f.add(&[a, b, c, ("cause", paused.cause.name())], seconds(paused.since_us));
            }
        });
        let help = "The latest moment at which the provider deletes what was not read yet.";
        out.family("innertrail_source_data_deleted_timestamp_seconds", GAUGE, help, |f| {
            for (name, paused) in &life.paused {
                let [a, b, c] = self.labels("source", name);
                if let Some(dies_us) = paused.data_dies_us {
                    f.add(&[a, b, c, ("cause", paused.cause.name())], seconds(dies_us));
                }
            }
        });
    }

    /// The Logstore itself.
    fn life(&self, out: &mut Exposition) {
        let life = self.shown.life.as_ref();
        let full = life.is_some_and(|life| life.paused.values().any(|p| p.cause == Cause::DiskFull))
            || Standstill::read(&self.board.dir).is_some();
        let help = "1 while everything stands still because the disk is full.";
        out.family("innertrail_disk_standstill", GAUGE, help, |f| f.add(&[], full));
        if let Some(life) = life {
            let now = match life.phase() {
                Phase::Running if !full => 0,
                Phase::Running | Phase::Paused { .. } => 1,
                Phase::Disabled => 2,
            };
            let help = "1 for the state that the Logstore is in, 0 for all others.";
            out.family("innertrail_logstore_state", GAUGE, help, |f| {
                for (place, word) in ["running", "paused", "disabled"].iter().enumerate() {
                    f.add(&[("state", word)], place == now);
                }
            });
            let help = "Days that records are kept; 3650 is for ever.";
            let days = u64::from(life.retention.days);
            out.family("innertrail_retention_days", GAUGE, help, |f| f.add(&[], days));
            let holds = life.holds.len() as u64;
            out.family("innertrail_legal_holds", GAUGE, "Holds that keep days from being dropped.", |f| {
                f.add(&[], holds);
            });
        }
        if let Some(sealed) = Sealed::of(&self.shown.checkpoint, clock::now_us()) {
            let help = "Age of the newest signed checkpoint.";
            let age = Number::Whole(sealed.age_seconds.into());
            out.family("innertrail_seal_age_seconds", GAUGE, help, |f| f.add(&[], age));
            let help = "Records of the dedicated Logstore under the newest signed checkpoint.";
            out.family("innertrail_sealed_records", GAUGE, help, |f| f.add(&[], sealed.records));
        }
    }

    fn sinks(&self, out: &mut Exposition) {
        out.family("innertrail_sink_state", GAUGE, "1 for the state that the sink is in, 0 for all others.", |f| {
            for (name, sink) in &self.shown.sinks {
                let [a, b, c] = self.labels("sink", name);
                for word in SINK_STATES {
                    f.add(&[a, b, c, ("state", word)], word == sink.state);
                }
            }
        });
        let mut family = |name, kind, help, value: fn(&Said) -> u64| {
            out.family(name, kind, help, |f| self.each_sink("sink", f, value));
        };
        let help = "Records that wait in the buffer of the sink, which is the Logstore: durable, and not taken yet.";
        family("buffer_events", GAUGE, help, |sink| sink.behind);
        let help = "First record that the receiver has not taken yet.";
        family("innertrail_sink_position", GAUGE, help, |sink| sink.position);
        let help = "Durable records that the receiver has not taken yet.";
        family("innertrail_sink_behind_records", GAUGE, help, |sink| sink.behind);
        let help = "Requests, reads and parkings that had to be done again, since the run began.";
        family("innertrail_sink_retries_total", COUNTER, help, |sink| sink.retried);
        let help = "Records that the receiver will never take, put into quarantine, since the run began.";
        family("innertrail_sink_parked_records_total", COUNTER, help, |sink| sink.parked);
        let help = "Records that retention dropped before they were sent, since the run began.";
        family("innertrail_sink_missed_records_total", COUNTER, help, |sink| sink.missed);
        let help =
            "Since when the sink delivers nothing, though records may wait. No series: it delivers, or has everything.";
        out.family("innertrail_sink_waiting_since_timestamp_seconds", GAUGE, help, |f| {
            for (name, sink) in self.shown.sinks.iter().filter(|(_, sink)| sink.is_waiting()) {
                f.add(&self.labels("sink", name), seconds(sink.since_us));
            }
        });
        let help = "When the receiver last took or refused something for good.";
        out.family("innertrail_sink_last_answer_timestamp_seconds", GAUGE, help, |f| {
            for (name, sink) in &self.shown.sinks {
                if let Some(at) = sink.last_answer_us {
                    f.add(&self.labels("sink", name), seconds(at));
                }
            }
        });
    }
}
