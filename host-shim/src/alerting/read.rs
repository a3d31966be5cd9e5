//! The alerts of the journal, in order, from a position on: for whoever passes them on.
//!
//! A reader has a position of its own and takes no lock, so a channel that is slow or dead keeps nobody waiting and loses
//! nothing: what fired is durable before it is read here. It must never pass over an alert without a word.
//!
//! Texts of an alert come from records and from rules: hostile wherever they are shown.

use std::path::Path;
use std::time::Duration;

use innertrail_logstore::consumer::{ConsumerError, Cursor, Notify, Reader, ReaderOptions};
use innertrail_logstore::{Error, Snapshot, Store, StoredRow, Value};
use serde::{Deserialize, Serialize};

/// Entries and bytes of the journal that are looked at in one go.
const PAGE: (usize, usize) = (1_000, 4 << 20);

/// Names with values.
pub type Pairs = Vec<(String, String)>;

/// An `alert_fired` or `alert_resolved` of the journal. What an entry does not have is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alert {
    /// Whether it fired; if not, it is over.
    pub fired: bool,
    /// Place of the entry in the journal.
    pub entry: u64,
    /// When the entry was made, RFC 3339.
    pub time: String,
    /// What it is told apart by: 16 hexadecimal digits. The end of an alert has the id of its begin.
    pub alert: String,
    /// Name of the rule.
    pub rule: String,
    /// Its version.
    pub version: u32,
    /// Its title.
    pub title: String,
    /// `informational` to `critical`.
    pub level: String,
    /// Log Service's number for that, 2 to 10.
    pub severity: u8,
    /// `log` or `journal`: where what it is about is.
    pub store: String,
    /// The record there; none for a scheduled rule.
    pub seq: Option<u64>,
    /// Id of the event.
    pub event_id: String,
    /// When it happened, as the event says; of a scheduled rule when its run was due.
    pub event_time: String,
    /// Who did it.
    pub actor: String,
    /// What was done.
    pub event_name: String,
    /// To what.
    pub resource: String,
    /// Of a correlation: what it counted by.
    pub key: Pairs,
    /// Of a correlation and of a scheduled rule: the window, both ends RFC 3339.
    pub window: Option<(String, String)>,
    /// Of a scheduled rule: the row of the result.
    pub value: Pairs,
    /// Of a scheduled rule: the group. Of a rule whose alerts an entry ends: what begin and end are about.
    pub group: Pairs,
    /// Of a scheduled rule: its queries, a line each.
    pub query: String,
    /// Why it is over.
    pub why: String,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With the first entry.
    Begin,
    /// Behind the last one.
    End,
    /// At this place: what [`Batch::next`] gave.
    At(u64),
    /// With the first entry that was made at or after this time, microseconds UTC.
    Time(i64),
}

/// Some alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// In the order of the journal; may be none though there is more.
    pub alerts: Vec<Alert>,
    /// The place behind them: to be kept by whoever has dealt with them.
    pub next: u64,
    /// Whether that was all.
    pub at_end: bool,
}

/// Reads alerts.
#[derive(Debug)]
pub struct Alerts {
    reader: Reader,
    next: Cursor,
    name: Option<u8>,
}

impl Alerts {
    /// Opens the journal of a data directory. `notify` is the writer's, when it is in this process; then new alerts wake
    /// at once.
    ///
    /// # Errors
    /// As [`Reader::open`] and [`Reader::at_time`].
    pub fn open(dir: &Path, from: From, notify: Option<Notify>) -> Result<Self, ConsumerError> {
        let mut options = ReaderOptions::default();
        options.notify = notify;
        let mut reader = Reader::open(dir, options)?;
        let begin = reader.begin(Store::Journal);
        let next = match from {
            From::Begin => begin,
            From::End => reader.end(Store::Journal),
            From::At(seq) => begin.at(seq),
            From::Time(us) => reader.at_time(Store::Journal, us)?,
        };
        let name = name(reader.snapshot());
        Ok(Self { reader, next, name })
    }

    /// The next ones. Reading moves on; what is given again after a restart is for the caller to keep.
    ///
    /// # Errors
    /// As [`Reader::pull`].
    pub fn batch(&mut self) -> Result<Batch, ConsumerError> {
        let page = self.reader.pull(self.next, PAGE.0, PAGE.1)?;
        let alerts = page.rows.iter().filter_map(|row| alert(self.name, row)).collect();
        self.next = page.next;
        Ok(Batch { alerts, next: page.next.seq(), at_end: page.at_end || page.rows.is_empty() })
    }

    /// Waits for new entries, at most so long. `true`: there are some, though perhaps no alert among them.
    ///
    /// # Errors
    /// As [`Reader::wait`].
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, ConsumerError> {
        self.reader.wait(self.next, timeout)
    }

    /// How many entries of the journal are not looked at yet, as far as is known.
    #[must_use]
    pub fn behind(&self) -> u64 {
        self.reader.end(Store::Journal).seq().saturating_sub(self.next.seq())
    }
}

/// All alerts that can be seen from an entry on, also those whose durability is not known yet. For the writer's own
/// process, which has to know what it entered before a crash.
pub(super) fn seen(dir: &Path, from: u64) -> Result<Vec<Alert>, Error> {
    let snapshot = Snapshot::open(dir)?;
    let (name, end) = (name(&snapshot), snapshot.end(Store::Journal));
    let (mut found, mut next) = (Vec::new(), from.max(snapshot.first_kept(Store::Journal)));
    while next < end {
        let rows = snapshot.scan_rows(Store::Journal, next, PAGE.0)?;
        let Some(last) = rows.last() else { break };
        next = last.seq + 1;
        found.extend(rows.iter().filter_map(|row| alert(name, row)));
    }
    Ok(found)
}

/// Where the kind of an entry stands.
fn name(snapshot: &Snapshot) -> Option<u8> {
    snapshot.layout().position("eventName").and_then(|at| u8::try_from(at).ok())
}

fn alert(name: Option<u8>, row: &StoredRow) -> Option<Alert> {
    let Some(Value::Text(kind)) = name.and_then(|at| row.column(at)) else { return None };
    let fired = match kind {
        "alert_fired" => true,
        "alert_resolved" => false,
        _ => return None,
    };
    // An entry that this program made is an object; one that is not tells at least that there was something.
    let alert: Alert = serde_json::from_slice(row.payload()).unwrap_or_default();
    Some(Alert { fired, entry: row.seq, ..alert })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use innertrail_alerts::{Engine, RuleSet, Sampler};
    use innertrail_logstore::{Options, SealKey, Writer};
    use innertrail_test_agents::layout;

    use super::*;
    use crate::alerting::entry;
    use crate::journal::{Entry, Kind, Rows};

    const NOW: i64 = 1_795_392_000_000_000; // 2026-11-23T00:00:00Z

    struct Place {
        parent: tempfile::TempDir,
        writer: Writer,
        rows: Rows,
    }

    impl Place {
        fn new() -> Self {
            let parent = tempfile::tempdir().unwrap();
            let options = Options::new(SealKey::new("main-trail", [7; 32]).unwrap());
            let writer = Writer::open(&parent.path().join("data"), "main-trail", layout(), options, NOW).unwrap();
            let rows = Rows::new(writer.layout());
            Self { parent, writer, rows }
        }

        fn enter(&mut self, entries: &[Entry], now_us: i64) {
            let mut txn = self.writer.begin();
            entries.iter().for_each(|entry| self.rows.push(&mut txn, entry));
            self.writer.commit(txn, now_us).unwrap();
        }

        fn open(&self, from: From, notify: Option<Notify>) -> Alerts {
            Alerts::open(&self.parent.path().join("data"), from, notify).unwrap()
        }
    }

    fn firings() -> Vec<entry::Out> {
        let counted = "title: Two\nname: p\nlogsource: { product: alibaba, service: oss }\ndetection: { s: { eventName: DeleteBucket }, condition: s }\n---\ntitle: Twice\nname: twice\ncorrelation: { type: event_count, rules: [p], group-by: [it_actor], timespan: 5m, condition: { gte: 2 } }\nlevel: high\n";
        let single = "title: A bucket\nname: single\nlogsource: { product: alibaba, service: oss }\ndetection: { s: { eventName: DeleteBucket }, condition: s }\n";
        let (set, faults) = RuleSet::load(&[("c.yml", counted), ("s.yml", single)], &Default::default());
        assert!(faults.is_empty(), "{faults:?}");
        let mut engine = Engine::new(set.into(), Default::default());
        let mut out = Vec::new();
        for (seq, id) in (0..).zip(["A", "B\u{1b}[2J"]) {
            let event = serde_json::json!({ "eventId": id, "eventTime": "2026-06-15T08:00:00Z", "serviceName": "Oss", "eventName": "DeleteBucket", "userIdentity": { "type": "ram-user", "userName": "alice" } });
            let sample = Sampler::new().log(event.to_string().as_bytes()).unwrap();
            let firings = engine.take(seq, NOW, &sample.record());
            out.extend(firings.iter().map(|firing| entry::fired(firing, "A title", NOW)));
        }
        out
    }

    #[test]
    fn what_fired_is_read_as_it_was_entered_and_nothing_else() {
        let mut place = Place::new();
        let other = Entry::new(Kind::Enabled, "run", NOW);
        let out = firings();
        let level = innertrail_alerts::Level::Medium;
        let over = entry::Over { rule: "single", title: "A title", store: "log", group: &[], level, why: "it is over" };
        let end = entry::resolved(&over, &out[0].alert, NOW);
        let entries: Vec<Entry> = std::iter::once(other.clone())
            .chain(out.iter().map(|out| out.entry.clone()))
            .chain([end.entry, other])
            .collect();
        place.enter(&entries, NOW);
        let mut alerts = place.open(From::Begin, Some(told(&place)));
        let batch = alerts.batch().unwrap();
        assert_eq!((batch.next, batch.at_end, batch.alerts.len()), (6, true, 4));
        let [first, counted, second, end] = &batch.alerts[..] else { panic!() };
        assert_eq!((first.rule.as_str(), first.level.as_str(), first.severity), ("single", "medium", 6));
        assert_eq!((first.entry, first.seq, first.event_id.as_str(), first.store.as_str()), (1, Some(0), "A", "log"));
        assert_eq!((first.time.as_str(), first.title.as_str()), ("2026-11-23T00:00:00Z", "A title"));
        assert_eq!(second.event_id, "B\u{1b}[2J");
        assert!(first.fired && first.alert.len() == 16 && first.alert != second.alert);
        assert_eq!((counted.rule.as_str(), &counted.key[0].0), ("twice", &"it_actor".to_owned()));
        assert_eq!(counted.window.as_ref().unwrap().1, "2026-06-15T08:00:00Z");
        assert_eq!((end.fired, &end.alert, end.why.as_str()), (false, &first.alert, "it is over"));
        assert_eq!((end.level.as_str(), end.title.as_str(), end.store.as_str()), ("medium", "A title", "log"));
        // The same events again have the same ids.
        assert_eq!(
            firings().iter().map(|out| &out.alert).collect::<Vec<_>>(),
            out.iter().map(|o| &o.alert).collect::<Vec<_>>()
        );
    }

    fn told(place: &Place) -> Notify {
        let notify = Notify::new();
        notify.committed(place.writer.state());
        notify
    }

    #[test]
    fn a_reader_goes_on_where_it_was_and_is_woken() {
        let mut place = Place::new();
        let out = firings();
        place.enter(&[out[0].entry.clone()], NOW);
        let notify = told(&place);
        let mut alerts = place.open(From::End, Some(notify.clone()));
        assert!(alerts.batch().unwrap().alerts.is_empty());
        assert!(!alerts.wait(Duration::from_millis(10)).unwrap());
        place.enter(&[out[1].entry.clone()], NOW + 5_000_000);
        notify.committed(place.writer.state());
        assert!(alerts.wait(Duration::from_secs(20)).unwrap());
        assert_eq!(alerts.behind(), 1);
        let batch = alerts.batch().unwrap();
        assert_eq!((batch.alerts.len(), batch.next, alerts.behind()), (1, 2, 0));
        // Another one from a place that was kept, and from a time.
        let mut again = place.open(From::At(1), Some(notify.clone()));
        assert_eq!(again.batch().unwrap().alerts, batch.alerts);
        let mut since = place.open(From::Time(NOW + 1), Some(notify));
        assert_eq!(since.batch().unwrap().alerts, batch.alerts);
    }
}
