//! What a run tells of itself to Prometheus and its kin: `/metrics`, `/health`.
//!
//! Numbers come from the Logstore's durable counters and the sinks' reports, the same that `innertrail status` shows;
//! nothing is counted a second time. Must never hold the pipeline up: it hands over a copy, and a scrape reads that.

mod alerts;
mod components;
mod exposition;
mod families;
mod mirror;
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::alerting::note::Said as Evaluated;
use crate::channels::note::Said as Told;
use crate::config::Config;
use crate::lifecycle;
use crate::mirror::note::Said as Copied;
use crate::sink::note::Said;
use crate::status::Status;
use exposition::Histogram;
pub use server::{ListenError, Server};

/// How often a pipeline hands a copy over.
pub(crate) const SHOW_EVERY: Duration = Duration::from_millis(500);
/// A pipeline that has not turned for so long stands still. A commit on a slow disk takes seconds, not this.
const STILL: Duration = Duration::from_secs(30);

/// Vector's word for a reason of quarantine that is a failure; a rule that says so is none.
pub(crate) fn error_type(reason: &str) -> Option<&'static str> {
    match reason {
        "undecodable" => Some("parser_failed"),
        "poison" => Some("script_failed"),
        _ => None,
    }
}

/// What the pipeline handed over last.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// The counters, as `innertrail status` tells them.
    pub(crate) status: Status,
    /// The lifecycle: accounts, retention, holds.
    pub(crate) life: Option<lifecycle::State>,
    /// The newest event of each source, microseconds UTC.
    pub(crate) newest: BTreeMap<String, i64>,
    /// The reports of the sinks.
    pub(crate) sinks: BTreeMap<String, Said>,
    /// What the mirror says of itself, when there is one.
    pub(crate) mirror: Option<Copied>,
    /// What evaluation of alert rules says of itself, when there is one.
    pub(crate) alerts: Option<Evaluated>,
    /// What each channel says of itself.
    pub(crate) channels: BTreeMap<String, Told>,
    /// The newest signed checkpoint.
    pub(crate) checkpoint: String,
}

/// Where the pipeline puts it and a scrape finds it.
#[derive(Debug)]
pub(crate) struct Board {
    trail: String,
    dir: PathBuf,
    /// Type of each source and sink, by kind and name.
    types: BTreeMap<(&'static str, String), String>,
    begun: Instant,
    shown: Mutex<Option<(Instant, Shown)>>,
    /// Milliseconds after `begun` at which the pipeline's loop last turned.
    turned_ms: AtomicU64,
    commits: Mutex<Histogram>,
    /// What the API counts, when there is one.
    api: OnceLock<Arc<innertrail_api::server::Counts>>,
}

impl Board {
    /// Of a run that begins now.
    pub(crate) fn new(config: &Config) -> Self {
        let typed = |kind, name: &String| ((kind, name.clone()), config.component_type(kind, name));
        let sources = config.sources.keys().map(|name| typed("source", name));
        let sinks = config.sinks.keys().map(|name| typed("sink", name));
        Self {
            trail: config.trail.clone(),
            dir: config.data_dir.clone(),
            types: sources.chain(sinks).collect(),
            begun: Instant::now(),
            shown: Mutex::default(),
            turned_ms: AtomicU64::new(0),
            commits: Mutex::default(),
            api: OnceLock::new(),
        }
    }

    /// The loop turned.
    pub(crate) fn turned(&self) {
        let ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.turned_ms.store(ms, Ordering::Relaxed);
    }

    /// There is an API, and these are its numbers.
    pub(crate) fn counts(&self, counts: Arc<innertrail_api::server::Counts>) {
        let _first = self.api.set(counts);
    }

    /// Whether it is time for a new copy.
    pub(crate) fn is_due(&self) -> bool {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.as_ref().is_none_or(|(at, _)| at.elapsed() >= SHOW_EVERY)
    }

    /// Takes a new copy.
    pub(crate) fn show(&self, shown: Shown) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), shown));
    }

    /// A transaction is durable, and took so long from the writer's start to the return of its fsync.
    pub(crate) fn committed(&self, took: Duration) {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).observe(took);
    }

    /// How long the loop has stood still.
    fn still(&self) -> Duration {
        self.begun.elapsed().saturating_sub(Duration::from_millis(self.turned_ms.load(Ordering::Relaxed)))
    }

    /// Whether the pipeline's loop turns.
    fn is_alive(&self) -> bool {
        self.still() < STILL
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use innertrail_logstore::State;

    use super::*;
    use crate::lifecycle::retention::Retention;
    use crate::lifecycle::sources::{Cause, Provider, SourceState};

    fn board() -> Board {
        let config = Config::default_for_quickstart(None, vec!["*.json".to_owned()], Some("./none".into())).unwrap();
        Board::new(&config)
    }

    #[test]
    fn a_loop_that_stands_still_is_not_alive_until_it_turns() {
        let mut board = board();
        assert!(board.is_alive());
        board.begun -= STILL + Duration::from_secs(1);
        assert!(!board.is_alive());
        board.turned();
        assert!(board.is_alive());
    }

    /// Names and reasons come from a component and from people, so they are held to nothing here.
    #[test]
    fn what_a_known_state_says() {
        const NOW: i64 = 1_795_392_000_000_000; // 2026-11-23T00:00:00Z
        let mut state = State::default();
        let counters = [
            ("log.records", 7),
            ("log.bytes", 70),
            ("quarantine.records", 3),
            ("quarantine.bytes", 30),
            ("reason.x\"}\n\u{1b}", 3),
            ("source.files.bytes_in", 100),
            ("source.files.records", 10),
        ];
        state.counters.extend(counters.map(|(name, n)| (name.to_owned(), n)));
        let mut life = lifecycle::State::new(Retention::first(Some(365)).unwrap(), NOW);
        life.apply("files", Provider::LogService, SourceState::Paused(Cause::Overdue, "\u{1b}[31m403"), NOW);
        let state_of = Said { state: "waiting".to_owned(), since_us: NOW - 3_600_000_000, ..Said::default() };
        let errors = BTreeMap::from([("connection_failed".to_owned(), 2)]);
        let said = Said { position: 4, behind: 3, sent: 4, sent_bytes: Some(99), retried: 3, errors, ..state_of };
        let said = Said { parked: 1, sent_event_bytes: 80, parked_event_bytes: 8, ..said };
        let copied = Copied { state: "waiting".to_owned(), since_us: NOW - 60_000_000, ..Copied::default() };
        let copied =
            Copied { cause: Some(Cause::Overdue), objects: 9, bytes: 900, behind_files: 5, conflicts: 1, ..copied };
        let mut evaluated =
            Evaluated { state: "caught_up".to_owned(), rules: 72, scheduled: 5, ..Evaluated::default() };
        evaluated.counts.fired.insert("high".to_owned(), 3);
        (evaluated.behind, evaluated.counts.failed_runs, evaluated.broken) = (8, 2, vec!["x".to_owned()]);
        let board = board();
        board.show(Shown {
            status: Status::new("main-trail", &state),
            life: Some(life),
            newest: BTreeMap::new(),
            sinks: BTreeMap::from([("s\\".to_owned(), said)]),
            mirror: Some(copied),
            alerts: Some(evaluated),
            channels: [(
                "ops".to_owned(),
                Told { state: "retrying".to_owned(), sent: 4, failed: 1, ..Told::default() },
            )]
            .into(),
            checkpoint: String::new(),
        });
        board.committed(Duration::from_millis(3));
        let text = families::text(&board);
        let kept = |line: &&str| !line.starts_with('#') && !line.contains("_bucket") && !line.ends_with(" 0");
        let moving =
            |line: &&str| !line.contains("uptime") && !line.contains("still_seconds") && !line.contains("build");
        insta::assert_snapshot!(text.lines().filter(kept).filter(moving).collect::<Vec<_>>().join("\n"), @r#"
        innertrail_commit_seconds_sum 0.003
        innertrail_commit_seconds_count 1
        component_received_bytes_total{component_id="files",component_kind="source",component_type="file",protocol="file"} 100
        component_sent_bytes_total{component_id="s\\",component_kind="sink",component_type="",protocol="http"} 99
        component_received_events_total{component_id="files",component_kind="source",component_type="file"} 10
        component_received_events_total{component_id="rooms",component_kind="transform",component_type="innertrail"} 10
        component_received_events_total{component_id="s\\",component_kind="sink",component_type=""} 5
        component_sent_events_total{component_id="files",component_kind="source",component_type="file",output="_default"} 10
        component_sent_events_total{component_id="rooms",component_kind="transform",component_type="innertrail",output="dedicated"} 7
        component_sent_events_total{component_id="rooms",component_kind="transform",component_type="innertrail",output="quarantine"} 3
        component_sent_events_total{component_id="s\\",component_kind="sink",component_type=""} 4
        component_received_event_bytes_total{component_id="rooms",component_kind="transform",component_type="innertrail"} 100
        component_received_event_bytes_total{component_id="s\\",component_kind="sink",component_type=""} 88
        component_sent_event_bytes_total{component_id="rooms",component_kind="transform",component_type="innertrail",output="dedicated"} 70
        component_sent_event_bytes_total{component_id="s\\",component_kind="sink",component_type=""} 80
        component_discarded_events_total{component_id="s\\",component_kind="sink",component_type="",intentional="false"} 1
        component_errors_total{component_id="s\\",component_kind="sink",component_type="",error_type="connection_failed",stage="sending"} 2
        innertrail_records_total{store="log"} 7
        innertrail_records_total{store="quarantine"} 3
        innertrail_quarantined_records_total{reason="x\"}\\n\\u{1b}"} 3
        innertrail_routed_bytes_total{to="dedicated"} 70
        innertrail_routed_bytes_total{to="quarantine"} 30
        innertrail_conserved 1
        innertrail_source_state{component_id="files",component_kind="source",component_type="file",state="unknown"} 1
        innertrail_source_paused_since_timestamp_seconds{component_id="files",component_kind="source",component_type="file",cause="overdue"} 1795392000
        innertrail_source_data_deleted_timestamp_seconds{component_id="files",component_kind="source",component_type="file",cause="overdue"} 1795996800
        innertrail_logstore_state{state="paused"} 1
        innertrail_retention_days 365
        innertrail_sink_state{component_id="s\\",component_kind="sink",component_type="",state="waiting"} 1
        buffer_events{component_id="s\\",component_kind="sink",component_type=""} 3
        innertrail_sink_position{component_id="s\\",component_kind="sink",component_type=""} 4
        innertrail_sink_behind_records{component_id="s\\",component_kind="sink",component_type=""} 3
        innertrail_sink_retries_total{component_id="s\\",component_kind="sink",component_type=""} 3
        innertrail_sink_parked_records_total{component_id="s\\",component_kind="sink",component_type=""} 1
        innertrail_sink_waiting_since_timestamp_seconds{component_id="s\\",component_kind="sink",component_type=""} 1795388400
        innertrail_mirror_state{state="waiting"} 1
        innertrail_mirror_objects_total 9
        innertrail_mirror_bytes_total 900
        innertrail_mirror_behind_files 5
        innertrail_mirror_conflicts 1
        innertrail_mirror_waiting_since_timestamp_seconds{cause="overdue"} 1795391940
        innertrail_alerts_state{state="caught_up"} 1
        innertrail_alert_rules{state="broken"} 1
        innertrail_alert_rules{state="loaded"} 72
        innertrail_alert_rules{state="scheduled"} 5
        innertrail_alerts_fired_total{level="high"} 3
        innertrail_alerts_behind_records 8
        innertrail_scheduled_rules_failed_total 2
        innertrail_alert_channel_state{channel="ops",state="retrying"} 1
        innertrail_alert_channel_messages_total{channel="ops"} 4
        innertrail_alert_channel_failures_total{channel="ops"} 1
        "#);
    }
}
