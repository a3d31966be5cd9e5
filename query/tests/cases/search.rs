//! Searches over a small store. The grammar's own tests are in the crate that has it.
//! It must never repeat what the SQL tests beside it hold.

use innertrail_logstore::index::TokenIndexBuilder;
use innertrail_query::{QueryResult, SearchFault};

use crate::*;

/// An event as its JSON and its columns.
struct Event(&'static str, Row<'static>);

fn event(id: &'static str, name: &'static str, kind: &'static str, user: &'static str, raw: &'static str) -> Event {
    let user = (user != "-").then_some(user);
    Event(raw, Row { id, name, kind: Some(kind), user, time: 0, country: None })
}

fn events() -> Vec<Event> {
    let mut events = vec![
        event(
            "a",
            "PutObject",
            "ram-user",
            "alice",
            r#"{"eventId":"a","eventName":"PutObject","userIdentity":{"type":"ram-user","userName":"alice","accountId":"1000000000000001"},"additionalEventData":{"size":9007199254740993,"bucket":"logs-prod"}}"#,
        ),
        event(
            "b",
            "PutObject",
            "ram-user",
            "bob",
            r#"{"eventId":"b","eventName":"PutObject","userIdentity":{"type":"ram-user","userName":"bob","accountId":1000000000000002},"additionalEventData":{"size":9007199254740992,"bucket":"logs-test"}}"#,
        ),
        event(
            "c",
            "DeleteBucket",
            "root-account",
            "-",
            r#"{"eventId":"c","eventName":"DeleteBucket","userIdentity":{"type":"root-account","userName":null},"errorMessage":"access is denied","vpc.id":"vpc-1"}"#,
        ),
        event(
            "d",
            "GetObject",
            "assumed-role",
            "",
            r#"{"eventId":"d","eventName":"GetObject","userIdentity":{"type":"assumed-role","userName":""},"errorMessage":"denied: access","vpc":{"id":"vpc-2"}}"#,
        ),
        event(
            "e",
            "PutBucketAcl",
            "ram-user",
            "alice",
            r#"{"eventId":"e","eventName":"PutBucketAcl","userIdentity":{"type":"ram-user","userName":"alice"},"requestParameters":"{\"bucket\":\"tmp\",\"note\":\"first\\nsecond\"}","userAgent":"aliyun-sdk-go\/1.2"}"#,
        ),
        event(
            "f",
            "GetObject",
            "ram-user",
            "存储桶",
            r#"{"eventId":"f","eventName":"GetObject","userIdentity":{"type":"ram-user","userName":"\u5b58\u50a8\u6876"},"tags":["red",{"k":"blue"}],"ok":true,"ratio":0.5}"#,
        ),
        event(
            "g",
            "GetObject",
            "ram-user",
            "ÉLISE",
            r#"{"eventId":"g","eventName":"GetObject","userIdentity":{"type":"ram-user","userName":"ÉLISE"},"size":"12"}"#,
        ),
    ];
    for (at, event) in events.iter_mut().enumerate() {
        event.1.time = [1_800_000_000, 1_800_000_001, -5, i64::MAX, i64::MIN, 0, 7][at];
    }
    events
}

fn add(store: &mut Logstore, events: &[Event]) {
    let mut builder = RowBuilder::new();
    let mut txn = store.writer.begin();
    for (at, Event(raw, row)) in events.iter().enumerate() {
        builder.begin(raw.as_bytes());
        builder.text(0, row.id);
        builder.text(1, row.name);
        for (slot, value) in [(2, row.kind), (3, row.user)] {
            if let Some(value) = value {
                builder.text(slot, value);
            }
        }
        builder.integer(4, row.time);
        // Event times run against the sequence numbers.
        builder.integer(5, NOW - i64::try_from(at).unwrap() * 1_000_000);
        txn.push(Store::Log, builder.finish(), 1);
    }
    store.writer.commit(txn, NOW).unwrap();
}

/// Four events in a segment, three in the tail.
fn seven() -> Logstore {
    let mut store = Logstore::new(7);
    let events = events();
    add(&mut store, &events[..4]);
    store.seal();
    add(&mut store, &events[4..]);
    store
}

/// All of them in one segment that has a token index.
fn seven_indexed() -> Logstore {
    let mut store = Logstore::new(7);
    add(&mut store, &events());
    store.seal();
    let mut index = TokenIndexBuilder::new();
    events().iter().for_each(|Event(raw, _)| index.push(raw.as_bytes()));
    let path = Snapshot::open(&store.path()).unwrap().segments(Store::Log)[0].index_path();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, index.finish()).unwrap();
    store
}

fn ids(query: &Query, search: &str) -> String {
    let rows = lines(query, &format!("{search} | SELECT eventId ORDER BY it_seq"));
    rows.lines().map(|l| l.trim_start_matches("{\"eventId\":\"").trim_end_matches("\"}")).collect()
}

#[test]
fn searches_find_what_they_say() {
    let (store, indexed) = (seven(), seven_indexed());
    let (query, by_index) = (store.query(), indexed.query());
    for (search, expected) in [
        ("*", "abcdefg"),
        ("", "abcdefg"),
        ("not *", ""),
        // Words anywhere, whatever their case; whole words only.
        ("putobject", "ab"),
        ("PUTOBJECT", "ab"),
        ("Put", ""),
        ("Put*", "abe"),
        ("put?bject", "ab"),
        ("P*t", "ab"),
        ("put*acl", "e"),
        ("logs-prod", "a"),
        ("logs", ""),
        ("\"logs-prod PutObject\"", "a"),
        ("\"aliyun-sdk-go/1.2\"", "e"),
        ("1.2", "e"),
        ("putobject alice", "a"),
        ("putobject or deletebucket", "abc"),
        ("putobject not alice", "b"),
        ("not putobject", "cdefg"),
        ("not putobject and alice", "bcdefg"),
        ("(not putobject) and alice", "e"),
        // Order and adjacency.
        ("access denied", "cd"),
        ("#\"access denied\"", ""),
        ("#\"is denied\"", "c"),
        ("#\"denied access\"", "d"),
        // Escapes say what they stand for, also JSON in JSON.
        ("second", "e"),
        ("#\"first second\"", "e"),
        // What is stored is text too.
        ("nsecond", "e"),
        ("存", "f"),
        ("桶存", "f"),
        ("#\"存储\"", "f"),
        ("#\"储存\"", ""),
        ("élise", "g"),
        ("Éli*", "g"),
        // Text columns.
        ("eventName:putobject", "ab"),
        ("EVENTNAME:PutObject", "ab"),
        ("event.eventName:PutObject", "ab"),
        ("eventName:alice", ""),
        ("eventName:Get* userIdentity.userName:élise", "g"),
        ("userIdentity.type:ram-user", "abefg"),
        ("userIdentity.type:ram", ""),
        ("\"userIdentity.type\":root-account", "c"),
        ("userIdentity.userName:*", "abdefg"),
        ("not userIdentity.userName:*", "c"),
        ("userIdentity.userName:\"\"", "d"),
        ("not userIdentity.userName:\"\"", "abcefg"),
        ("not userIdentity.userName:alice", "bcdfg"),
        ("userIdentity.userName:#\"存储\"", "f"),
        ("event:alice", "ae"),
        // Fields of the JSON.
        ("userIdentity.accountId:1000000000000001", "a"),
        ("event.USERIDENTITY.accountid:1000000000000002", "b"),
        ("userIdentity.accountId:*", "ab"),
        ("not userIdentity.accountId:*", "cdefg"),
        ("errorMessage:denied", "cd"),
        ("errorMessage:#\"is denied\"", "c"),
        ("vpc.id:vpc*", "cd"),
        ("additionalEventData:logs-prod", "a"),
        ("additionalEventData:bucket", "ab"),
        ("requestParameters:second", "e"),
        ("tags:blue", "f"),
        ("tags:purple", ""),
        ("ok:true", "f"),
        ("no.such.field:x", ""),
        // Numbers, exact.
        ("additionalEventData.size > 9007199254740992", "a"),
        ("additionalEventData.size >= 9007199254740992", "ab"),
        ("additionalEventData.size in (9007199254740992 9007199254740993]", "a"),
        ("additionalEventData.size:9007199254740993", "a"),
        ("not additionalEventData.size > 9007199254740992", "bcdefg"),
        ("size >= 12 size < 12.5", "g"),
        ("ratio = 0.5", "f"),
        ("ratio > 0.25", "f"),
        ("__time__ > 9223372036854775806", "d"),
        ("__time__ > 9223372036854775807", ""),
        ("__time__ >= -9223372036854775808", "abcdefg"),
        ("__time__ <= -9223372036854775808", "e"),
        ("__time__ < 99999999999999999999999", "abcdefg"),
        ("__time__ = 7", "g"),
        ("__time__:7", "g"),
        ("__time__ > 6.5 __time__ < 7.5", "g"),
        ("__time__ = 6.5", ""),
        ("__time__ in [-5 0)", "c"),
        ("__time__ in (-5 0]", "f"),
        ("__time__ in [\"2027-01-15T08:00:00Z\" \"2027-01-15T08:00:00.5Z\"]", "a"),
        ("it_seq in [2 3]", "cd"),
        ("it_seq:*", "abcdefg"),
        ("it_seq:\"\"", ""),
        // The tail's events have the same times as the first ones.
        ("it_time >= \"2027-01-15T08:00:00Z\"", "ae"),
        ("it_time >= 1800000000", "ae"),
        ("it_time >= \"2027-01-15T16:00:00+08:00\"", "ae"),
        ("it_time < 1799999998.5", "cdg"),
        ("it_time < 1799999998", "d"),
        ("it_time in [2027-01-15 2027-01-16)", "abcdefg"),
        ("not it_time > 2027-01-15", ""),
        ("it_country:*", ""),
        ("not it_country:DE", "abcdefg"),
    ] {
        assert_eq!(ids(&query, search), expected, "{search}");
        // Its times are those of one transaction, so `it_time` goes on where the tail began anew.
        if !search.contains("it_time") {
            assert_eq!(ids(&by_index, search), expected, "{search}, by the index");
        }
    }
}

#[test]
fn the_sql_sees_matching_rows_only() {
    let store = seven();
    let query = store.query();
    assert_eq!(lines(&query, "putobject | SELECT count(1) AS n"), "{\"n\":2}\n");
    assert_eq!(lines(&query, "| SELECT count(*) AS n FROM log"), "{\"n\":7}\n");
    assert_eq!(lines(&query, "*|select count(*) as n"), "{\"n\":7}\n");
    assert_eq!(
        lines(&query, "putobject | SELECT count(*) AS n WHERE \"userIdentity.userName\" = 'bob'"),
        "{\"n\":1}\n"
    );
    assert_eq!(
        lines(
            &query,
            "alice | WITH t AS (SELECT eventName AS Op, it_seq FROM log) SELECT op, (SELECT count(*) FROM log) AS n FROM T ORDER BY it_seq"
        ),
        "{\"op\":\"PutObject\",\"n\":2}\n{\"op\":\"PutBucketAcl\",\"n\":2}\n"
    );
    assert_eq!(
        lines(&query, "alice | SELECT count(*) AS n FROM log a JOIN innertrail_main b ON a.it_seq = b.it_seq"),
        "{\"n\":2}\n"
    );
    assert_eq!(lines(&query, "\"a|b\" | SELECT count(*) AS n"), "{\"n\":0}\n");
    assert_eq!(lines(&query, "putobject | SELECT 'x' || eventId AS i ORDER BY i DESC LIMIT 1;"), "{\"i\":\"xb\"}\n");
    assert_eq!(lines(&query, "-- who\n/* it was */ alice | SELECT count(*) AS n"), "{\"n\":2}\n");
    assert_eq!(lines(&query, "deletebucket | SELECT max(it_seq) AS a, min(it_seq) AS b"), "{\"a\":2,\"b\":2}\n");
    // The whole table is there again for the next query.
    assert_eq!(lines(&query, "SELECT count(*) AS n"), "{\"n\":7}\n");
}

#[test]
fn a_search_alone_gives_the_newest_first() {
    let store = seven();
    let query = store.query();
    let column = |text: &str| {
        let rows = lines(&query, text);
        let id = |l: &str| l.split("\"eventId\":\"").nth(1).and_then(|r| r.chars().next());
        rows.lines().filter_map(id).collect::<String>()
    };
    assert_eq!(column("*"), "eafbgcd");
    assert_eq!(column("alice"), "ea");
    let row = lines(&query, "deletebucket");
    assert!(row.starts_with("{\"it_seq\":2,\"it_received\":"), "{row}");
    assert!(row.contains("\"event\":\"{\\\"eventId\\\":\\\"c\\\""), "{row}");
    let mut store = Logstore::new(6);
    let many: Vec<String> = (0..130).map(|n| n.to_string()).collect();
    let rows: Vec<Row<'_>> = many.iter().map(|id| Row { id, ..Row::default() }).collect();
    store.add(&rows);
    assert_eq!(lines(&store.query(), "*").lines().count(), innertrail_query::search::DEFAULT_LIMIT);
    assert_eq!(lines(&store.query(), "* | SELECT eventId").lines().count(), 100, "the habit of Log Service");
    assert_eq!(lines(&store.query(), "* | SELECT eventId LIMIT 1000").lines().count(), 130);
}

#[test]
fn faults_against_the_table_have_their_place() {
    let store = seven();
    let query = store.query();
    let fault = |text: &str| match error(&query, text) {
        Error::Search { fault, at } => (fault, at.line, at.column),
        other => panic!("{text}: {other:?}"),
    };
    let field = |f: &str| f.to_owned();
    assert_eq!(fault("a\n  EventName > 5"), (SearchFault::TextField { field: field("EventName") }, 2, 3));
    assert_eq!(fault("it_seq:abc"), (SearchFault::NumberField { field: field("it_seq") }, 1, 1));
    assert_eq!(fault("a or it_seq:1* | SELECT 1"), (SearchFault::NumberField { field: field("it_seq") }, 1, 6));
    assert_eq!(fault("it_time:2027"), (SearchFault::TimeField { field: field("it_time") }, 1, 1));
    assert_eq!(fault("it_seq > 2027-01-15"), (SearchFault::NoTimeField { field: field("it_seq") }, 1, 1));
    assert_eq!(fault("size > 2027-01-15"), (SearchFault::NoTimeField { field: field("size") }, 1, 1));
    let shown = error(&query, "eventName >= 5").to_string();
    assert!(shown.contains("needs a long/double index"), "{shown}");
    assert!(matches!(fault("  a | ").0, SearchFault::Expected { .. }));
    assert_eq!(fault("-- c\n  op:(A or B) | SELECT 1").2, 6);
}

/// Places in the SQL half are places in the whole text, or nobody finds them.
#[test]
fn sql_errors_behind_a_search_name_their_place_in_the_text() {
    let store = seven();
    let query = store.query();
    let Error::UnknownColumn { at, .. } = error(&query, "存储桶 or\nalice | SELECT evntName") else { panic!() };
    assert_eq!(at, Some(Position { line: 2, column: 16 }));
    let Error::UnknownColumn { at, .. } = error(&query, "数据 | SELECT evntName") else { panic!() };
    assert_eq!(at, Some(Position { line: 1, column: 13 }));
    for (text, name) in [("* | DROP TABLE log", "DROP"), ("a | INSERT INTO log SELECT 1", "INSERT")] {
        let Error::Refused { statement, at } = error(&query, text) else { panic!("{text}") };
        assert_eq!((statement.as_str(), at), (name, Some(Position { line: 1, column: 5 })));
    }
    assert!(matches!(error(&query, "* | SELECT 1; SELECT 2"), Error::SeveralStatements { .. }));
    assert!(matches!(error(&query, "* | SELECT * FROM secret"), Error::UnknownTable { .. }));
}

/// The words of statements are words too.
#[test]
fn words_of_sql_can_be_searched_where_no_statement_is_meant() {
    let store = seven();
    let query = store.query();
    for search in
        ["delete", "update:x", "drop bucket", "\"select\"", "set", "show me", "DELETE or copy", "explain this"]
    {
        assert_eq!(ids(&query, search), "", "{search}");
    }
}

/// The index may only take time away, never rows; here it takes whole segments and ranges away.
#[test]
fn the_token_index_changes_nothing_but_the_reading() {
    let mut store = Logstore::new(7);
    let raws: Vec<String> = (0..20_000)
        .map(|n| {
            let rare = if n == 9_000 {
                "needle"
            } else if n % 2 == 0 {
                "even"
            } else {
                "odd"
            };
            format!(r#"{{"eventId":"{n}","word":"{rare}","user":"u{}"}}"#, n % 7)
        })
        .collect();
    let mut builder = RowBuilder::new();
    for (part, raws) in raws.chunks(10_000).enumerate() {
        let mut txn = store.writer.begin();
        for (at, raw) in raws.iter().enumerate() {
            builder.begin(raw.as_bytes());
            builder.text(0, &(part * 10_000 + at).to_string());
            txn.push(Store::Log, builder.finish(), 1);
        }
        store.writer.commit(txn, NOW).unwrap();
        store.seal();
    }
    let searches = [
        ("needle", 1),
        ("word:needle", 1),
        ("needle or odd", 10_001),
        ("needle odd", 0),
        ("absent", 0),
        ("absent or needle", 1),
        ("not needle", 19_999),
        ("needle u5", 1),
        ("eventId:9000", 1),
        ("eventId:9000 or eventId:19999", 2),
        ("#\"word needle\"", 1),
        ("needl*", 1),
        ("*", 20_000),
    ];
    let snapshot = Snapshot::open(&store.path()).unwrap();
    let segments = snapshot.segments(Store::Log).to_vec();
    assert_eq!(segments.len(), 2);
    let count = |query: &Query, search: &str| {
        let rows = lines(query, &format!("{search} | SELECT count(*) AS n, sum(length(event)) > 0 AS l"));
        rows.split(&[':', ','][..]).nth(1).and_then(|n| n.parse::<usize>().ok())
    };
    for segment in &segments {
        drop(std::fs::remove_file(segment.index_path()));
    }
    for (search, rows) in searches {
        assert_eq!(count(&store.query(), search), Some(rows), "{search} without index");
    }
    for (segment, raws) in segments.iter().zip(raws.chunks(10_000)) {
        let mut index = TokenIndexBuilder::new();
        raws.iter().for_each(|raw| index.push(raw.as_bytes()));
        std::fs::create_dir_all(segment.index_path().parent().unwrap()).unwrap();
        std::fs::write(segment.index_path(), index.finish()).unwrap();
    }
    for (search, rows) in searches {
        assert_eq!(count(&store.query(), search), Some(rows), "{search} with index");
        assert_eq!(lines(&store.query(), &format!("{search} | SELECT count(*) AS n")), format!("{{\"n\":{rows}}}\n"));
    }
    // A damaged index costs time only.
    std::fs::write(segments[0].index_path(), b"not an index").unwrap();
    assert_eq!(count(&store.query(), "needle"), Some(1));
    // The second segment's index says that it holds no needle, so that segment is not even opened.
    let query = store.query();
    std::fs::remove_file(&segments[1].path).unwrap();
    assert_eq!(count(&query, "needle"), Some(1));
    assert!(matches!(error(&query, "odd"), Error::Segment { .. }));
}

/// Bytes that are no text stand in the quarantine, and the text around them is found.
#[test]
fn the_quarantine_is_searched_as_bytes() {
    let mut store = Logstore::new(7);
    let mut builder = RowBuilder::new();
    let mut txn = store.writer.begin();
    for raw in [&b"{\"torn\":\"rec"[..], b"\xff\xfe torn\x00record", b"whole"] {
        builder.begin(raw);
        txn.push(Store::Quarantine, builder.finish(), 1);
    }
    store.writer.commit(txn, NOW).unwrap();
    let query = Query::open(Snapshot::open(&store.path()).unwrap(), Store::Quarantine, Limits::default()).unwrap();
    for (search, n) in [("torn", 2), ("record", 1), ("not torn", 1), ("raw:whole", 1), ("torn:rec", 0), ("raw:*", 3)] {
        assert_eq!(lines(&query, &format!("{search} | SELECT count(*) AS n")), format!("{{\"n\":{n}}}\n"), "{search}");
    }
    let row = lines(&query, "whole");
    assert!(row.starts_with("{\"it_seq\":2,") && row.ends_with("\"raw\":\"whole\"}\n"), "{row}");
}

#[test]
fn limits_and_cancelling_hold_for_searches() {
    let store = eight();
    let from = "log a, log b, log c, log d, log e, log f, log g, log h, log i, log j, log k";
    let endless = format!("not nothing | SELECT count(*) FROM {from} WHERE a.it_seq + b.it_seq + k.it_seq <> 1");
    let query = store.limited(Limits { timeout: Duration::from_millis(300), ..Limits::default() });
    let start = Instant::now();
    assert!(matches!(query.run(&endless).and_then(|mut r| r.next_batch()), Err(Error::Timeout { .. })));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let query = store.limited(Limits { max_rows: 3, ..Limits::default() });
    let summary = query.run("*").unwrap().write(Format::Csv, &mut std::io::sink()).unwrap();
    assert_eq!((summary.rows, summary.truncated), (3, true));
    // Dropping a result ends its work: the only two workers are free again for the next query.
    let query = store.query();
    let running: QueryResult = query.run(&endless).unwrap();
    drop(running);
    let start = Instant::now();
    assert_eq!(lines(&query, "* | SELECT count(*) AS n"), "{\"n\":8}\n");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(matches!(error(&query, &"a".repeat(70_000)), Error::TooLarge { .. }));
}

#[test]
fn searches_run_side_by_side() {
    let store = seven();
    let query = store.query();
    std::thread::scope(|scope| {
        for (search, n) in
            [("putobject", 2), ("alice", 2), ("not alice", 5), ("*", 7), ("userIdentity.type:ram-user", 5)]
        {
            let query = &query;
            scope.spawn(move || {
                for _ in 0..4 {
                    assert_eq!(lines(query, &format!("{search} | SELECT count(*) AS n")), format!("{{\"n\":{n}}}\n"));
                }
            });
        }
    });
}
