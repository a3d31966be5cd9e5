//! The query engine over small stores that the Logstore's own writer made.
#![allow(clippy::unwrap_used)]

mod cases {
    mod live;
    mod paths;
    mod search;
    mod sls;
}

use std::path::Path;
use std::time::{Duration, Instant};

use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Column, Encoding, Kind, Layout, Options, SealKey, Snapshot, Store, Writer};
use innertrail_query::{Error, Format, Limits, Position, Query, WriteError, terminal_safe};

const DAY_US: i64 = 86_400_000_000;
/// 2027-01-15T08:00:00Z.
const NOW: i64 = 1_800_000_000_000_000;

fn layout(columns: usize) -> Layout {
    let all = [
        Column::new("eventId", Kind::Text, Encoding::Plain).with_bloom(),
        Column::new("eventName", Kind::Text, Encoding::Dictionary),
        Column::new("userIdentity.type", Kind::Text, Encoding::Dictionary),
        Column::new("userIdentity.userName", Kind::Text, Encoding::Dictionary),
        Column::new("__time__", Kind::Integer, Encoding::Delta),
        Column::new("it_time", Kind::Timestamp, Encoding::Delta),
        Column::new("it_country", Kind::Text, Encoding::Dictionary),
    ];
    Layout { columns: all[..columns].to_vec(), key: Some(0) }
}

#[derive(Default, Clone)]
struct Row<'a> {
    id: &'a str,
    name: &'a str,
    kind: Option<&'a str>,
    user: Option<&'a str>,
    time: i64,
    country: Option<&'a str>,
}

struct Logstore {
    dir: tempfile::TempDir,
    writer: Writer,
}

impl Logstore {
    fn new(columns: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let writer = open(&dir.path().join("d"), columns);
        Self { dir, writer }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("d")
    }

    fn reopen(self, columns: usize) -> Self {
        let Self { dir, writer } = self;
        drop(writer);
        let writer = open(&dir.path().join("d"), columns);
        Self { dir, writer }
    }

    fn add(&mut self, rows: &[Row<'_>]) {
        let mut builder = RowBuilder::new();
        let mut txn = self.writer.begin();
        for row in rows {
            builder.begin(format!(r#"{{"eventId":"{}"}}"#, row.id).as_bytes());
            builder.text(0, row.id);
            builder.text(1, row.name);
            for (slot, value) in [(2, row.kind), (3, row.user), (6, row.country)] {
                if let Some(value) = value {
                    builder.text(slot, value);
                }
            }
            builder.integer(4, row.time);
            builder.integer(5, NOW + row.time % 1000);
            txn.push(Store::Log, builder.finish(), 1);
        }
        self.writer.commit(txn, NOW).unwrap();
    }

    fn seal(&mut self) {
        self.writer.seal_tail(NOW).unwrap();
    }

    fn query(&self) -> Query {
        self.limited(Limits::default())
    }

    fn limited(&self, limits: Limits) -> Query {
        Query::open(Snapshot::open(&self.path()).unwrap(), Store::Log, limits).unwrap()
    }
}

fn open(dir: &Path, columns: usize) -> Writer {
    Writer::open(dir, "main", layout(columns), Options::new(SealKey::new("main", [7; 32]).unwrap()), NOW).unwrap()
}

fn text(query: &Query, sql: &str, format: Format) -> Result<String, Error> {
    let mut out = Vec::new();
    match query.run(sql)?.write(format, &mut out) {
        Ok(_) => Ok(String::from_utf8(out).unwrap()),
        Err(WriteError::Query(error)) => Err(error),
        Err(WriteError::Output(error)) => panic!("{error}"),
    }
}

fn lines(query: &Query, sql: &str) -> String {
    text(query, sql, Format::Ndjson).unwrap_or_else(|e| panic!("{sql:.300}: {e}"))
}

fn error(query: &Query, sql: &str) -> Error {
    match text(query, sql, Format::Ndjson) {
        Ok(rows) => panic!("{sql} gave {rows}"),
        Err(error) => error,
    }
}

/// Six events in two segments, two more in the tail.
fn eight() -> Logstore {
    let row = |id, name, user| Row { id, name, user: Some(user), kind: Some("ram-user"), time: 1, country: None };
    let mut store = Logstore::new(7);
    store.add(&[row("a", "PutObject", "alice"), row("b", "PutObject", "bob"), row("c", "DeleteBucket", "alice")]);
    store.seal();
    store.add(&[row("d", "PutObject", "alice"), row("e", "GetObject", "bob"), row("f", "GetObject", "")]);
    store.seal();
    store.add(&[row("g", "DeleteBucket", "bob"), row("h", "PutObject", "carol")]);
    let snapshot = Snapshot::open(&store.path()).unwrap();
    assert_eq!((snapshot.segments(Store::Log).len(), snapshot.tail_from(Store::Log)), (2, 6));
    store
}

#[test]
fn counts_and_groups_over_segments_and_tail() {
    let store = eight();
    let query = store.query();
    assert_eq!(lines(&query, "SELECT count(*) AS n FROM log"), "{\"n\":8}\n");
    assert_eq!(lines(&query, "SELECT count(1)"), "{\"count(1)\":8}\n");
    assert_eq!(
        lines(&query, "SELECT eventName, count(1) AS n GROUP BY eventName ORDER BY n DESC, eventName LIMIT 2;"),
        "{\"eventName\":\"PutObject\",\"n\":4}\n{\"eventName\":\"DeleteBucket\",\"n\":2}\n"
    );
    assert_eq!(lines(&query, "SELECT min(it_seq) AS a, max(it_seq) AS b FROM log"), "{\"a\":0,\"b\":7}\n");
}

#[test]
fn filters_reach_segments_and_tail_alike() {
    let store = eight();
    let query = store.query();
    let ids = |condition: &str| lines(&query, &format!("SELECT eventId FROM log WHERE {condition} ORDER BY it_seq"));
    assert_eq!(ids("eventName = 'DeleteBucket'"), "{\"eventId\":\"c\"}\n{\"eventId\":\"g\"}\n");
    assert_eq!(ids("eventId IN ('d', 'h', 'x')"), "{\"eventId\":\"d\"}\n{\"eventId\":\"h\"}\n");
    assert_eq!(ids("it_seq >= 5 AND it_seq < 7"), "{\"eventId\":\"f\"}\n{\"eventId\":\"g\"}\n");
    assert_eq!(ids("event LIKE '%\"h\"%'"), "{\"eventId\":\"h\"}\n");
    assert_eq!(ids("eventId = 'absent'"), "");
    assert_eq!(lines(&query, "SELECT eventId ORDER BY it_seq DESC LIMIT 1"), "{\"eventId\":\"h\"}\n");
}

/// Filters and a limit together once cut rows before the filter saw them, in an engine that mixed the two up.
#[test]
fn a_limit_counts_rows_after_the_filter() {
    let store = eight();
    let query = store.query();
    let sql = "SELECT eventId FROM log WHERE eventName = 'DeleteBucket' LIMIT 2";
    assert_eq!(lines(&query, sql).lines().count(), 2);
}

#[test]
fn the_tail_is_visible_at_once_and_an_empty_store_answers() {
    let mut store = Logstore::new(7);
    assert_eq!(lines(&store.query(), "SELECT count(*) AS n"), "{\"n\":0}\n");
    assert_eq!(text(&store.query(), "SELECT eventId", Format::Json).unwrap(), "[\n]\n");
    store.add(&[Row { id: "a", ..Row::default() }]);
    assert_eq!(lines(&store.query(), "SELECT eventId"), "{\"eventId\":\"a\"}\n");
}

#[test]
fn names_are_found_without_regard_to_case() {
    let store = eight();
    let query = store.query();
    let one = "WHERE eventid = 'a'";
    for (written, shown) in [
        ("eventname", "eventname"),
        ("EventName", "EventName"),
        ("\"EVENTNAME\"", "EVENTNAME"),
        ("event.eventName", "event.eventName"),
        ("\"event.EventName\"", "event.EventName"),
        ("log.EventName", "EventName"),
        ("LOG.eventname AS Name", "Name"),
        ("innertrail_main.eventName", "eventName"),
    ] {
        let rows = lines(&query, &format!("SELECT {written} FROM log {one}"));
        assert_eq!(rows, format!("{{\"{shown}\":\"PutObject\"}}\n"), "{written}");
    }
    for written in
        ["\"userIdentity.userName\"", "useridentity.username", "event.userIdentity.userName", "L.useridentity.USERNAME"]
    {
        let rows = lines(&query, &format!("SELECT {written} AS u FROM LOG l {one}"));
        assert_eq!(rows, "{\"u\":\"alice\"}\n", "{written}");
    }
    for table in ["log", "LOG", "\"innertrail_main\"", "Innertrail_Main"] {
        assert_eq!(lines(&query, &format!("SELECT count(*) AS n FROM {table}")), "{\"n\":8}\n");
    }
}

#[test]
fn names_that_the_query_makes_are_found_without_regard_to_case() {
    let store = eight();
    let query = store.query();
    let grouped = "SELECT Upper(eventname) AS Op, count(1) AS Cnt FROM log GROUP BY OP HAVING cnt > 3 ORDER BY CNT";
    assert_eq!(lines(&query, grouped), "{\"Op\":\"PUTOBJECT\",\"Cnt\":4}\n");
    let inner = "SELECT EVENTNAME, n FROM (SELECT eventname AS EventName, count(*) AS N GROUP BY 1) t WHERE T.N = 4";
    assert_eq!(lines(&query, inner), "{\"EVENTNAME\":\"PutObject\",\"n\":4}\n");
    let with = "WITH Del AS (SELECT * FROM log WHERE eventName LIKE 'Delete%') SELECT count(1) AS n FROM DEL";
    assert_eq!(lines(&query, with), "{\"n\":2}\n");
    let join = "SELECT count(*) AS n FROM log a JOIN log B ON A.eventid = b.EVENTID";
    assert_eq!(lines(&query, join), "{\"n\":8}\n");
    assert_eq!(lines(&query, "SELECT count(*) AS n FROM log a JOIN log b USING (EventId)"), "{\"n\":8}\n");
    let except = "SELECT * EXCEPT (EVENT, IT_RECEIVED, IT_TIME, eventid, it_country, __TIME__) WHERE it_seq = 7";
    assert!(lines(&query, except).starts_with("{\"it_seq\":7,\"eventName\":\"PutObject\",\"userIdentity.type\""));
}

#[test]
fn the_same_output_twice_keeps_both_apart() {
    let store = eight();
    let query = store.query();
    let twice = "SELECT eventId, EVENTID, eventId FROM log WHERE it_seq = 0 ORDER BY eventId";
    assert_eq!(lines(&query, twice), "{\"eventId\":\"a\",\"EVENTID\":\"a\",\"eventId_2\":\"a\"}\n");
    assert_eq!(lines(&query, "SELECT *, eventid WHERE it_seq = 0").matches("\"a\"").count(), 2);
}

#[test]
fn segments_of_an_older_layout_give_null() {
    let mut store = Logstore::new(6);
    store.add(&[Row { id: "old", ..Row::default() }]);
    store.seal();
    let mut store = store.reopen(7);
    store.add(&[Row { id: "sealed", country: Some("DE"), ..Row::default() }]);
    store.seal();
    store.add(&[Row { id: "tail", country: Some("CN"), ..Row::default() }]);
    let query = store.query();
    assert_eq!(
        lines(&query, "SELECT eventId, it_country ORDER BY it_seq"),
        "{\"eventId\":\"old\",\"it_country\":null}\n{\"eventId\":\"sealed\",\"it_country\":\"DE\"}\n{\"eventId\":\"tail\",\"it_country\":\"CN\"}\n"
    );
    assert_eq!(lines(&query, "SELECT eventId WHERE it_country = 'DE'"), "{\"eventId\":\"sealed\"}\n");
    assert_eq!(lines(&query, "SELECT eventId WHERE it_country IS NULL"), "{\"eventId\":\"old\"}\n");
}

#[test]
fn everything_but_one_query_is_refused_by_name() {
    let store = eight();
    let query = store.query();
    for (sql, name) in [
        ("INSERT INTO log SELECT * FROM log", "INSERT"),
        ("  -- a comment\n drop table log", "DROP"),
        ("COPY log TO '/tmp/x.parquet'", "COPY"),
        ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", "CREATE"),
        ("create table t as select 1", "CREATE"),
        ("DELETE FROM log", "DELETE"),
        ("UPDATE log SET eventId = ''", "UPDATE"),
        ("TRUNCATE log", "TRUNCATE"),
        ("MERGE INTO log USING log b ON true WHEN MATCHED THEN DELETE", "MERGE"),
        ("ALTER TABLE log DROP COLUMN eventId", "ALTER"),
        ("SET datafusion.execution.batch_size = 1", "SET"),
        ("SHOW TABLES", "SHOW"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
        ("WITH a AS (SELECT 1) INSERT INTO log SELECT * FROM a", "INSERT"),
        ("SELECT * INTO t FROM log", "SELECT INTO"),
    ] {
        match error(&query, sql) {
            Error::Refused { statement, .. } => assert_eq!(statement, name, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    for sql in ["SELECT 1; SELECT 2", "SELECT 1; DROP TABLE log", "SELECT 1;;"] {
        assert!(matches!(error(&query, sql), Error::SeveralStatements { at: Some(_) }), "{sql}");
    }
    for sql in ["", " ;", "-- nothing"] {
        assert!(matches!(error(&query, sql), Error::Empty), "{sql}");
    }
    assert_eq!(lines(&query, "SELECT count(*) AS n"), "{\"n\":8}\n");
}

#[test]
fn nothing_but_the_log_can_be_read() {
    let store = eight();
    let query = store.query();
    for sql in [
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM quarantine",
        "SELECT * FROM public.log",
        "SELECT 1 FROM log WHERE it_seq IN (SELECT 1 FROM secret)",
    ] {
        let Error::UnknownTable { known, at, .. } = error(&query, sql) else { panic!("{sql}") };
        assert_eq!(known, ["log", "innertrail_main"]);
        // A table in single quotes has no place in the parser's tree.
        assert_eq!(at.is_some(), !sql.contains('\''), "{sql}");
    }
    assert!(matches!(error(&query, "SELECT * FROM read_csv('/etc/passwd')"), Error::Plan { .. }));
}

#[test]
fn errors_name_the_place_and_the_nearest_column() {
    let store = eight();
    let query = store.query();
    let column = |sql: &str| match error(&query, sql) {
        Error::UnknownColumn { name, at, suggestion } => (name, at, suggestion),
        other => panic!("{sql}: {other:?}"),
    };
    let at = |line, column| Some(Position { line, column });
    let found = column("SELECT count(1)\nFROM log WHERE evntName = 'x'");
    assert_eq!(found, ("evntName".into(), at(2, 16), Some("eventName".into())));
    assert_eq!(column("SELECT userName").2.as_deref(), Some("userIdentity.userName"));
    assert_eq!(column("SELECT event.evenTyme").0, "event.evenTyme");
    assert_eq!(column("SELECT count(1) AS total GROUP BY eventName ORDER BY totl").2.as_deref(), Some("total"));
    assert_eq!(column("SELECT completely_other").2, None);
    let message = error(&query, "SELECT evntName").to_string();
    assert_eq!(message, "unknown column \"evntName\" at line 1, column 8; did you mean \"eventName\"?");
    let Error::Syntax { at: place, .. } = error(&query, "SELECT eventName\nFROM log WHERE eventName = = 1") else {
        panic!()
    };
    assert_eq!(place.map(|p| p.line), Some(2));
    assert!(matches!(error(&query, "SELECT 'open"), Error::Syntax { at: Some(_), .. }));
    assert!(matches!(error(&query, "SELECT no_such_function(1)"), Error::Plan { .. }));
    assert!(matches!(error(&query, "SELECT 1 / (it_seq - it_seq)"), Error::Execution { .. }));
}

#[test]
fn the_row_limit_cuts_and_says_so() {
    let store = eight();
    for (max_rows, truncated, rows) in [(3, true, 3), (8, false, 8), (9, false, 8), (0, true, 0)] {
        let query = store.limited(Limits { max_rows, ..Limits::default() });
        let summary = query.run("SELECT * FROM log").unwrap().write(Format::Csv, &mut std::io::sink()).unwrap();
        assert_eq!((summary.rows, summary.truncated), (rows, truncated), "{max_rows}");
    }
}

/// 8^11 rows of a cross join: no machine is fast enough to end it in time.
#[test]
fn the_timeout_stops_a_query_and_dropping_cancels_one() {
    let endless = "SELECT count(*) FROM log a, log b, log c, log d, log e, log f, log g, log h, log i, log j, log k \
                   WHERE a.it_seq + b.it_seq + c.it_seq + d.it_seq + e.it_seq + f.it_seq + k.it_seq <> 1";
    let store = eight();
    let query = store.limited(Limits { timeout: Duration::from_millis(300), ..Limits::default() });
    let start = Instant::now();
    assert!(matches!(query.run(endless).and_then(|mut r| r.next_batch()), Err(Error::Timeout { .. })));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    // The engine still answers: the first one no longer holds the workers.
    let query = store.query();
    let mut rows = query.run("SELECT a.eventId FROM log a, log b, log c, log d, log e, log f").unwrap();
    assert!(rows.next_batch().unwrap().is_some());
    drop(rows);
    assert_eq!(lines(&query, "SELECT count(*) AS n"), "{\"n\":8}\n");
}

#[test]
fn the_memory_limit_is_an_error_not_a_file() {
    let store = eight();
    let query = store.limited(Limits { memory_bytes: 4 * 1024 * 1024, ..Limits::default() });
    let wide = "SELECT count(*) FROM (SELECT a.it_seq, b.it_seq, c.it_seq, d.it_seq, e.it_seq, f.it_seq, g.it_seq \
                FROM log a, log b, log c, log d, log e, log f, log g GROUP BY 1, 2, 3, 4, 5, 6, 7)";
    let error = error(&query, &wide.replace("a.it_seq,", "a.it_seq AS x,").replace(" b.it_seq,", " b.it_seq AS y,"));
    assert!(matches!(error, Error::Memory { limit_bytes, .. } if limit_bytes == 4 * 1024 * 1024), "{error:?}");
}

/// Deep trees once meant a stack overflow, which ends the whole process.
#[test]
fn hostile_sql_ends_in_an_error_or_a_result() {
    let store = eight();
    // Planning a sum of 1,500 terms took more than the 30 s that a query has, once, with other work on both cores.
    let query = store.limited(Limits { timeout: Duration::from_secs(300), ..Limits::default() });
    let sum = |terms: usize| format!("SELECT max({}it_seq) AS n", "it_seq + ".repeat(terms));
    assert!(lines(&query, &sum(1500)).starts_with("{\"n\":"));
    let either = format!("SELECT count(*) AS n WHERE {}it_seq = 1", "eventId = 'q' OR ".repeat(900));
    assert_eq!(lines(&query, &either), "{\"n\":1}\n");
    assert!(matches!(error(&query, &sum(3000)), Error::TooLarge { .. }));
    let nested = format!("SELECT {}1{}", "(".repeat(500), ")".repeat(500));
    assert!(matches!(error(&query, &nested), Error::TooLarge { .. }));
    assert!(matches!(error(&query, &" ".repeat(70_000)), Error::TooLarge { .. }));
    for sql in
        ["SELECT \u{0}", "SELECT '\u{202e}' FROM", "\u{feff}SELECT 1", "(((", "SELECT event.", "WITH", "SELECT $1"]
    {
        drop(text(&query, sql, Format::Text));
    }
}

#[test]
fn text_output_is_harmless_on_a_terminal() {
    let mut store = Logstore::new(7);
    let name = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\nfake | row\u{202e}gpj\u{9b}31m\u{200b}";
    store.add(&[Row { id: "数据", name, ..Row::default() }, Row { id: "b", name: "x", ..Row::default() }]);
    let query = store.query();
    let table =
        text(&query, "SELECT eventId, eventName AS \"n\u{1b}[1m\", __time__ ORDER BY it_seq", Format::Text).unwrap();
    assert!(table.chars().all(|c| c == '\n' || (!c.is_control() && !"\u{202e}\u{200b}".contains(c))), "{table:?}");
    assert_eq!(table.lines().count(), 4);
    assert!(table.contains(r"\u{1b}]0;owned\u{7}\u{1b}[2J\r\nfake | row\u{202e}gpj\u{9b}31m\u{200b}"));
    assert!(table.starts_with("eventId | n\\u{1b}[1m"));
    assert_eq!(terminal_safe("plain 数据 é"), "plain 数据 é");
    let json = lines(&query, "SELECT eventName WHERE it_seq = 0");
    assert!(json.is_ascii() && json.contains("\\u001b]0;owned\\u0007") && json.contains("\\u202e"), "{json}");
}

#[test]
fn numbers_nulls_and_times_keep_their_value() {
    let mut store = Logstore::new(7);
    store.add(&[
        Row { id: "min", time: i64::MIN, user: Some(""), ..Row::default() },
        Row { id: "max", time: i64::MAX, user: None, ..Row::default() },
    ]);
    store.seal();
    let query = store.query();
    assert_eq!(
        lines(&query, "SELECT __time__ AS t, \"userIdentity.userName\" AS u ORDER BY it_seq"),
        "{\"t\":-9223372036854775808,\"u\":\"\"}\n{\"t\":9223372036854775807,\"u\":null}\n"
    );
    let csv =
        text(&query, "SELECT \"userIdentity.userName\" AS u, __time__ AS t, 'a,\"b' AS q ORDER BY it_seq", Format::Csv);
    assert_eq!(csv.unwrap(), "u,t,q\n\"\",-9223372036854775808,\"a,\"\"b\"\n,9223372036854775807,\"a,\"\"b\"\n");
    assert_eq!(
        lines(&query, "SELECT it_received, 0.1 + 0.2 AS f, true AS b, make_array(1, NULL) AS l WHERE it_seq = 0"),
        "{\"it_received\":\"2027-01-15T08:00:00.000000Z\",\"f\":0.30000000000000004,\"b\":true,\"l\":[1,null]}\n"
    );
    let json = text(&query, "SELECT eventId ORDER BY it_seq", Format::Json).unwrap();
    assert_eq!(json, "[\n{\"eventId\":\"min\"},\n{\"eventId\":\"max\"}\n]\n");
}

#[test]
fn quarantine_keeps_bytes_that_are_not_text() {
    let mut store = Logstore::new(7);
    let mut builder = RowBuilder::new();
    let mut txn = store.writer.begin();
    for raw in [&b"plain"[..], b"\xff\x00\xfe"] {
        builder.begin(raw);
        txn.push(Store::Quarantine, builder.finish(), 1);
    }
    store.writer.commit(txn, NOW + DAY_US).unwrap();
    let query =
        |s: &Logstore| Query::open(Snapshot::open(&s.path()).unwrap(), Store::Quarantine, Limits::default()).unwrap();
    let expected = "{\"raw\":\"plain\"}\n{\"raw\":{\"$base64\":\"/wD+\"}}\n";
    assert_eq!(lines(&query(&store), "SELECT raw FROM quarantine ORDER BY it_seq"), expected);
    store.writer.seal_tail(NOW + DAY_US).unwrap();
    assert_eq!(lines(&query(&store), "SELECT raw FROM log ORDER BY it_seq"), expected);
    let table = text(&query(&store), "SELECT raw ORDER BY it_seq", Format::Text).unwrap();
    assert_eq!(table, "raw\n-----------\nplain\nbase64:/wD+\n");
}

#[test]
fn a_segment_that_vanished_is_a_typed_error() {
    let store = eight();
    let query = store.query();
    let path = Snapshot::open(&store.path()).unwrap().segments(Store::Log)[0].path.clone();
    std::fs::remove_file(path).unwrap();
    assert!(matches!(error(&query, "SELECT eventName"), Error::Segment { .. }));
}

#[test]
fn queries_run_inside_an_async_runtime_and_side_by_side() {
    let store = eight();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let query = store.query();
        assert_eq!(lines(&query, "SELECT count(*) AS n"), "{\"n\":8}\n");
        drop(query);
    });
    let query = store.query();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(lines(&query, "SELECT count(eventId) AS n"), "{\"n\":8}\n"));
        }
    });
}

/// Prints what a small query costs; the bound is far above it and only catches a blunder.
#[test]
fn a_small_query_starts_fast() {
    let store = eight();
    let mut costs = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        let query = store.query();
        let opened = start.elapsed();
        assert_eq!(lines(&query, "SELECT count(*) AS n FROM log"), "{\"n\":8}\n");
        costs.push((opened, start.elapsed()));
        assert_eq!(lines(&query, "SELECT count(*) AS n FROM log"), "{\"n\":8}\n");
    }
    eprintln!("open, open + SELECT count(*): {costs:?}");
    assert!(costs.iter().any(|(_, whole)| *whole < Duration::from_secs(2)), "{costs:?}");
}
