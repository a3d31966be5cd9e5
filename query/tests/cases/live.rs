//! A store that grows, against a plain list of what was appended.

use std::sync::Arc;
use std::time::Duration;

use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Column, Encoding, Kind, Layout, Options, SealKey, Store, Writer};
use innertrail_query::Error;
use innertrail_query::live::{Live, LiveLimits, Page, TimeRange, View, Wanted, Word};

const NOW: i64 = 1_800_000_000_000_000;
const SECOND: i64 = 1_000_000;

/// A row as it was appended.
#[derive(Debug, Clone)]
struct Event {
    seq: u64,
    time: Option<i64>,
    received: i64,
    name: &'static str,
    topic: Option<&'static str>,
    text: String,
}

impl Event {
    fn at(&self) -> i64 {
        self.time.unwrap_or(self.received)
    }
}

struct Grown {
    dir: tempfile::TempDir,
    writer: Writer,
    events: Vec<Event>,
    random: u64,
}

fn layout() -> Layout {
    let columns = vec![
        Column::new("eventId", Kind::Text, Encoding::Plain).with_bloom(),
        Column::new("eventName", Kind::Text, Encoding::Dictionary),
        Column::new("__topic__", Kind::Text, Encoding::Dictionary),
        Column::new("it_time", Kind::Timestamp, Encoding::Delta),
    ];
    Layout { columns, key: Some(0) }
}

impl Grown {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options::new(SealKey::new("main", [7; 32]).unwrap());
        let writer = Writer::open(&dir.path().join("d"), "main", layout(), options, NOW).unwrap();
        Self { dir, writer, events: Vec::new(), random: 1 }
    }

    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random >> 33
    }

    /// Appends events whose times rise, with some out of order, some equal and some without.
    fn append(&mut self, rows: usize) {
        let received = NOW + self.events.len() as i64 * 1_000;
        let (mut builder, mut txn) = (RowBuilder::new(), self.writer.begin());
        for _ in 0..rows {
            let seq = self.events.len() as u64;
            let time = NOW - 3_600 * SECOND + (seq as i64 / 3) * SECOND + (self.next() % 200) as i64 * SECOND;
            let time = (!self.next().is_multiple_of(20)).then_some(time);
            let name = ["PutObject", "GetObject", "DeleteBucket"][(self.next() % 3) as usize];
            let topic = [None, Some("a"), Some("a b")][(self.next() % 3) as usize];
            let rare = if self.next().is_multiple_of(700) { "needle" } else { "hay" };
            let text = format!(r#"{{"eventId":"e{seq}","eventName":"{name}","word":"{rare}"}}"#);
            builder.begin(text.as_bytes());
            builder.text(0, &format!("e{seq}"));
            builder.text(1, name);
            if let Some(topic) = topic {
                builder.text(2, topic);
            }
            if let Some(time) = time {
                builder.integer(3, time);
            }
            txn.push(Store::Log, builder.finish(), 1);
            self.events.push(Event { seq, time, received, name, topic, text });
        }
        self.writer.commit(txn, received).unwrap();
    }

    fn seal(&mut self) {
        self.writer.seal_tail(NOW).unwrap();
    }

    fn live(&self, limits: LiveLimits) -> Live {
        Live::new(&self.dir.path().join("d"), Store::Log, limits)
    }

    fn matching(&self, wanted: &dyn Fn(&Event) -> bool, range: TimeRange) -> Vec<u64> {
        matching(&self.events, wanted, range)
    }
}

/// What is to be found, oldest first.
fn matching(events: &[Event], wanted: &dyn Fn(&Event) -> bool, range: TimeRange) -> Vec<u64> {
    let within = |e: &&Event| e.at() >= range.from_us && e.at() < range.to_us && wanted(e);
    let mut found: Vec<&Event> = events.iter().filter(within).collect();
    found.sort_by_key(|e| (e.at(), e.seq));
    found.iter().map(|e| e.seq).collect()
}

fn page(view: &View, text: &str, topic: Option<&str>, range: TimeRange, page: Page) -> Vec<u64> {
    let reading = view.read(text).unwrap();
    let rows = view.page(Wanted { search: &reading.search, topic }, range, page).unwrap();
    assert!(rows.complete);
    rows.rows.iter().map(|r| r.seq).collect()
}

type Asks = Vec<(&'static str, Option<&'static str>, Box<dyn Fn(&Event) -> bool>)>;

fn asks() -> Asks {
    vec![
        ("", None, Box::new(|_| true)),
        ("* ", Some("a b"), Box::new(|e| e.topic == Some("a b"))),
        ("eventName:getobject", None, Box::new(|e| e.name == "GetObject")),
        ("needle", None, Box::new(|e| e.text.contains("needle"))),
        ("not hay", Some("a"), Box::new(|e| e.text.contains("needle") && e.topic == Some("a"))),
        ("nothing", None, Box::new(|_| false)),
        ("it_time > 0 and delete*", None, Box::new(|e| e.time.is_some() && e.name == "DeleteBucket")),
    ]
}

fn check(events: &[Event], view: &View) {
    let (early, late) = (NOW - 3_500 * SECOND, NOW - 2_000 * SECOND);
    let ranges =
        [TimeRange::ALL, TimeRange { from_us: early, to_us: late }, TimeRange { from_us: late, to_us: NOW + 500 }];
    for (text, topic, wanted) in asks() {
        for range in ranges {
            let oldest = matching(events, &*wanted, range);
            let newest: Vec<u64> = oldest.iter().rev().copied().collect();
            let all = oldest.len() as u64;
            for (newest_first, expected) in [(false, &oldest), (true, &newest)] {
                for offset in [0, 1, 99, all / 2, all.saturating_sub(3), all, all + 7] {
                    for rows in [0, 1, 100] {
                        let found = page(view, text, topic, range, Page { offset, rows, newest_first });
                        let start = (offset as usize).min(expected.len());
                        let end = (start + rows).min(expected.len());
                        let what = format!("{text:?} {topic:?} {range:?} at {offset}, {rows} rows, {newest_first}");
                        assert_eq!(found, expected[start..end], "{what}");
                    }
                }
            }
            let reading = view.read(text).unwrap();
            let bounds: Vec<i64> = match range {
                TimeRange::ALL => vec![i64::MIN, NOW - 3_000 * SECOND, NOW - 2_999 * SECOND, NOW, i64::MAX],
                of => (0..=30).map(|n| of.from_us + (of.to_us - of.from_us) / 30 * n).collect(),
            };
            let counted = view.counts(Wanted { search: &reading.search, topic }, &bounds).unwrap();
            let expected: Vec<u64> = bounds
                .windows(2)
                .map(|w| matching(events, &*wanted, TimeRange { from_us: w[0], to_us: w[1] }).len() as u64)
                .collect();
            assert!(counted.complete);
            assert_eq!(counted.counts, expected, "{text:?} {range:?}");
        }
    }
}

/// What was found out about rows of the tail was once taken for the same rows of the segment that the tail had become,
/// and their places were those in the tail's batch.
#[test]
fn pages_and_counts_are_those_of_a_plain_list_while_the_store_grows() {
    let mut store = Grown::new();
    store.append(5_000);
    let live = store.live(LiveLimits::default());
    check(&store.events, &live.view().unwrap());
    store.seal();
    check(&store.events, &live.view().unwrap());
    store.append(1);
    store.append(2);
    store.append(4_500);
    let view = live.view().unwrap();
    check(&store.events, &view);
    let before = store.events.len();
    store.seal();
    store.append(3);
    // A view stays what it was.
    check(&store.events[..before], &view);
    check(&store.events, &live.view().unwrap());
    assert!(Arc::ptr_eq(&live.view().unwrap(), &live.view().unwrap()), "nothing has changed");
}

/// The way in which clients fetch everything: page after page by offset, until one is empty.
#[test]
fn paging_gives_each_event_once_while_newer_ones_come() {
    let mut store = Grown::new();
    store.append(3_000);
    store.seal();
    store.append(700);
    let live = store.live(LiveLimits::default());
    let range = TimeRange { from_us: 0, to_us: NOW - 3_000 * SECOND };
    let expected = store.matching(&|_| true, range);
    for newest_first in [false, true] {
        let mut found = Vec::new();
        loop {
            let offset = found.len() as u64;
            let rows = page(&live.view().unwrap(), "*", None, range, Page { offset, rows: 100, newest_first });
            if rows.is_empty() {
                break;
            }
            found.extend(rows);
            // Newer than the range: 3,700 events before it are 1,233 s after the first.
            store.append(30);
        }
        if newest_first {
            found.reverse();
        }
        assert_eq!(found, expected);
    }
}

fn sql(view: &View, text: &str, range: TimeRange) -> Result<Vec<Vec<Option<String>>>, Error> {
    let reading = view.read(text)?;
    let wanted = Wanted { search: &reading.search, topic: None };
    let mut result = view.analyse(wanted, range, &reading.sql.unwrap().text)?;
    let mut rows = Vec::new();
    result.for_each_row_of_texts(|row| {
        rows.push(row);
        Ok::<_, Error>(())
    })?;
    Ok(rows)
}

#[test]
fn sql_sees_the_rows_of_the_range_and_no_others() {
    let mut store = Grown::new();
    store.append(4_000);
    store.seal();
    let live = store.live(LiveLimits::default());
    store.append(500);
    let range = TimeRange { from_us: NOW - 3_000 * SECOND, to_us: NOW + 500 };
    let count = |wanted: &dyn Fn(&Event) -> bool, range| store.matching(wanted, range).len().to_string();
    let view = live.view().unwrap();
    for range in [TimeRange::ALL, range, TimeRange { from_us: 0, to_us: 1 }] {
        for text in ["* | select count(1) as n", "| select count(1)", "SELECT count(*) FROM log"] {
            assert_eq!(sql(&view, text, range).unwrap(), [[Some(count(&|_| true, range))]], "{text} {range:?}");
        }
        let found = sql(&view, "eventName:GetObject | select count(1)", range).unwrap();
        assert_eq!(found, [[Some(count(&|e| e.name == "GetObject", range))]]);
        let grouped =
            sql(&view, "* | select eventName, count(1) group by eventName order by eventName", range).unwrap();
        let of = |name: &'static str| (name, count(&|e| e.name == name, range));
        let expected: Vec<_> =
            ["DeleteBucket", "GetObject", "PutObject"].map(of).into_iter().filter(|(_, n)| n != "0").collect();
        let grouped: Vec<_> = grouped.iter().map(|r| (r[0].as_deref().unwrap(), r[1].clone().unwrap())).collect();
        assert_eq!(grouped, expected);
    }
    // Without LIMIT there are 100 rows, and what came since the view was made is not there.
    assert_eq!(sql(&view, "* | select eventId", TimeRange::ALL).unwrap().len(), 100);
    let values = "* | select null, 1.5, true, it_time from log where it_seq = 1";
    let one = sql(&view, values, TimeRange::ALL).unwrap().remove(0);
    assert_eq!(one[..3], [None, Some("1.5".into()), Some("true".into())]);
    assert!(one[3].as_ref().is_none_or(|t| t.len() == 23 && t.as_bytes()[10] == b' '), "{one:?}");
}

#[test]
fn a_result_knows_its_limit_and_what_was_looked_at() {
    let mut store = Grown::new();
    store.append(50);
    store.seal();
    store.append(5);
    let view = store.live(LiveLimits::default()).view().unwrap();
    for (text, limit) in [
        ("* | select eventId", Some(100)),
        ("* | select eventId limit 7", Some(7)),
        ("* | select 1 limit 2,5", Some(5)),
    ] {
        let reading = view.read(text).unwrap();
        let wanted = Wanted { search: &reading.search, topic: None };
        let mut result = view.analyse(wanted, TimeRange::ALL, &reading.sql.unwrap().text).unwrap();
        assert_eq!(result.limit(), limit, "{text}");
        while result.next_batch().unwrap().is_some() {}
        assert!(result.looked_at() > 0 && result.looked_at() <= 55, "{text}: {}", result.looked_at());
    }
}

#[test]
fn a_text_is_taken_apart_without_being_run() {
    let mut store = Grown::new();
    store.append(1);
    let view = store.live(LiveLimits::default()).view().unwrap();
    let read = |text: &str| view.read(text).unwrap();
    let parts = |text: &str| (read(text).written, read(text).sql.map(|s| s.written), read(text).with_places);
    assert_eq!(parts(""), (String::new(), None, false));
    assert_eq!(parts(" a and b "), ("a and b".into(), None, false));
    assert_eq!(parts("a | select 1"), ("a".into(), Some("select 1".into()), false));
    assert_eq!(parts("a|With_Pack_Meta "), ("a".into(), None, true));
    assert_eq!(parts("/* \u{e9} */ a | select '|'"), ("/* \u{e9} */ a".into(), Some("select '|'".into()), false));
    assert_eq!(parts("select 1"), (String::new(), Some("select 1".into()), false));
    assert_eq!(parts("* | insert into log values (1)").1.unwrap(), "insert into log values (1)");
    let words = read("a* and eventName:\"b c\" not d or x > 5 or #\"e f\" or a*").words();
    let word = |field: &str, text: &str| Word { field: field.into(), text: text.into() };
    assert_eq!(words, [word("", "a*"), word("eventName", "b c"), word("", "e f")]);
    assert!(matches!(view.read("a | "), Err(Error::Search { .. })));
    assert!(matches!(view.read(&"x".repeat(70_000)), Err(Error::TooLarge { .. })));
    // Places of errors in SQL are places in the whole text.
    let wrong = sql(&view, "a and\n b | select\n nothing", TimeRange::ALL).unwrap_err();
    assert!(matches!(wrong, Error::UnknownColumn { at: Some(at), .. } if (at.line, at.column) == (3, 2)), "{wrong}");
    for text in [
        "* | insert into log values (1)",
        "create table x (a int)",
        "| set a = 1",
        "* | copy log to 'x'",
        "* | drop table log",
        "* | delete from log",
    ] {
        assert!(matches!(sql(&view, text, TimeRange::ALL), Err(Error::Refused { .. })), "{text}");
    }
}

#[test]
fn what_there_is_no_time_for_is_said_and_what_comes_is_a_beginning() {
    let mut store = Grown::new();
    store.append(3_000);
    store.seal();
    let view = store.live(LiveLimits { search: Duration::ZERO, ..LiveLimits::default() }).view().unwrap();
    let reading = view.read("needle").unwrap();
    let wanted = Wanted { search: &reading.search, topic: None };
    let rows = view.page(wanted, TimeRange::ALL, Page { offset: 0, rows: 100, newest_first: true }).unwrap();
    assert_eq!((rows.rows.len(), rows.complete), (0, false));
    assert!(!view.counts(wanted, &[0, i64::MAX]).unwrap().complete);
}

#[test]
fn a_page_of_large_events_gets_fewer_rows_and_at_least_one() {
    let mut store = Grown::new();
    store.append(200);
    store.seal();
    store.append(10);
    for (page_bytes, most) in [(1, 1), (1_000, 20)] {
        let live = store.live(LiveLimits { page_bytes, ..LiveLimits::default() });
        let mut found = Vec::new();
        loop {
            let offset = found.len() as u64;
            let rows =
                page(&live.view().unwrap(), "*", None, TimeRange::ALL, Page { offset, rows: 100, newest_first: false });
            assert!(rows.len() <= most, "{}", rows.len());
            if rows.is_empty() {
                break;
            }
            found.extend(rows);
        }
        assert_eq!(found, store.matching(&|_| true, TimeRange { from_us: 0, to_us: i64::MAX }));
    }
}

#[test]
fn neighbours_are_those_in_order_of_appending_and_rows_come_whole() {
    let mut store = Grown::new();
    store.append(10);
    store.seal();
    store.append(5);
    let view = store.live(LiveLimits::default()).view().unwrap();
    let around =
        |seq, back, forward| -> Vec<u64> { view.around(seq, back, forward).unwrap().iter().map(|r| r.seq).collect() };
    assert_eq!(around(9, 2, 2), [7, 8, 9, 10, 11]);
    assert_eq!(around(0, 100, 0), [0]);
    assert_eq!(around(14, 1, u64::MAX), [13, 14]);
    assert_eq!(around(15, 9, 9), Vec::<u64>::new());
    // As the Logstore itself reads them.
    let expected = view.snapshot().scan_rows(Store::Log, 0, 100).unwrap();
    assert_eq!(view.around(7, 100, 100).unwrap(), expected);
}

#[test]
fn rows_dropped_by_retention_are_in_no_answer() {
    let mut store = Grown::new();
    store.append(100);
    let live = store.live(LiveLimits::default());
    store.seal();
    assert_eq!(
        page(&live.view().unwrap(), "*", None, TimeRange::ALL, Page { offset: 0, rows: 1_000, newest_first: false })
            .len(),
        100
    );
    let (mut builder, mut txn) = (RowBuilder::new(), store.writer.begin());
    builder.begin(b"{}");
    builder.text(0, "later");
    txn.push(Store::Log, builder.finish(), 1);
    let later = NOW + 3 * 86_400 * SECOND;
    store.writer.commit(txn, later).unwrap();
    store.writer.seal_tail(later).unwrap();
    let day = chrono::DateTime::from_timestamp_micros(later).unwrap().date_naive();
    assert_eq!(store.writer.retire(Store::Log, day, later).unwrap().rows, 100);
    let view = live.view().unwrap();
    assert_eq!(page(&view, "*", None, TimeRange::ALL, Page { offset: 0, rows: 100, newest_first: true }), [100]);
    assert_eq!(view.around(50, 1, 1).unwrap(), []);
}
