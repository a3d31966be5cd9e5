//! The quick ways of a query: pruning whole segments, look-ups through the token index, counting by codes.
//! Each must give what the slow way gives, whatever is in the store.

use crate::*;

const HOUR_US: i64 = 3_600_000_000;

/// Rows with nulls, repetitions and several days, in three segments and the tail. The first segment was written before
/// the last column was there, and one is so small that it has a row group of one row.
fn mixed() -> Logstore {
    let mut store = Logstore::new(6);
    let mut next = 0;
    let mut add = |store: &mut Logstore, rows: usize, hours: i64, country: bool| {
        let mut builder = RowBuilder::new();
        let mut txn = store.writer.begin();
        for _ in 0..rows {
            let (id, name) = (format!("id-{next}/{}", next % 7), format!("Name{}", next % 5));
            builder.begin(format!(r#"{{"eventId":"{id}","eventName":"{name}"}}"#).as_bytes());
            builder.text(0, &id);
            builder.text(1, &name);
            if next % 3 != 0 {
                builder.text(2, if next % 2 == 0 { "ram-user" } else { "" });
            }
            if next % 4 == 0 {
                builder.text(3, ["alice", "bob", "Carol"][next % 3]);
            }
            if country && next % 2 == 0 {
                builder.text(6, "cn");
            }
            if next % 11 != 0 {
                builder.integer(4, (next % 13) as i64 - 6);
                builder.integer(5, NOW + hours * HOUR_US + next as i64 * 60_000_000);
            }
            txn.push(Store::Log, builder.finish(), 1);
            next += 1;
        }
        store.writer.commit(txn, NOW).unwrap();
    };
    add(&mut store, 700, -48, false);
    store.seal();
    let mut store = store.reopen(7);
    add(&mut store, 400, 0, true);
    store.seal();
    add(&mut store, 1, 1, true);
    store.seal();
    add(&mut store, 90, 30, true);
    store
}

/// The rows of a result, in an order of their own.
fn sorted(query: &Query, sql: &str) -> Vec<String> {
    let mut rows: Vec<String> = lines(query, sql).lines().map(str::to_owned).collect();
    rows.sort_unstable();
    rows
}

/// Counting by codes stands in for the engine's own grouping, which `sum(1)` still takes.
#[test]
fn counting_by_codes_gives_what_grouping_gives() {
    let store = mixed();
    let query = store.query();
    let keys = [
        "eventName",
        "\"userIdentity.type\"",
        "\"userIdentity.userName\"",
        "it_country",
        "__time__",
        "it_time",
        "date_trunc('hour', it_time)",
        "date_trunc('day', __time__)",
        "it_seq % 10",
        "eventName, it_country",
        "it_country, \"userIdentity.type\", date_trunc('day', it_time)",
        "upper(eventName)",
        "eventId",
        "eventName, eventId",
    ];
    let filters = [
        "",
        "WHERE it_country IS NULL",
        "WHERE eventName <> 'Name1'",
        "WHERE eventName = 'Name1' AND __time__ > 0",
        "WHERE it_time < TIMESTAMP '2027-01-15 12:00:00'",
        "WHERE it_time >= TIMESTAMP '2027-01-16 00:00:00'",
        "WHERE it_seq BETWEEN 690 AND 705",
        "WHERE it_seq < 0",
    ];
    for keys in keys {
        for filter in filters {
            let grouped = |count: &str| format!("SELECT {keys}, {count} AS n FROM log {filter} GROUP BY {keys}");
            let expected = sorted(&query, &grouped("sum(1)"));
            assert_eq!(sorted(&query, &grouped("count(*)")), expected, "{keys} {filter}");
            assert_eq!(sorted(&query, &grouped("count(1)")), expected, "{keys} {filter}");
            let distinct = sorted(&query, &format!("SELECT DISTINCT {keys} FROM log {filter}"));
            assert_eq!(distinct.len(), expected.len(), "{keys} {filter}");
        }
    }
    let both = "SELECT eventName, count(*) AS n, count(it_country) AS c, count(*) + 1 AS m FROM log GROUP BY eventName";
    assert_eq!(sorted(&query, both)[0], r#"{"eventName":"Name0","n":239,"c":50,"m":240}"#);
    // Used as a part of something else.
    let nested = "SELECT count(*) AS n, sum(c) AS rows FROM (SELECT eventName, count(*) AS c FROM log GROUP BY 1)";
    assert_eq!(lines(&query, nested), "{\"n\":5,\"rows\":1191}\n");
}

#[test]
fn counting_by_codes_keeps_to_the_memory_limit() {
    let store = mixed();
    let query = store.limited(Limits { memory_bytes: 2_000, ..Limits::default() });
    let error = error(&query, "SELECT it_seq, count(*) AS n FROM log GROUP BY it_seq");
    assert!(matches!(error, Error::Memory { limit_bytes: 2_000, .. }), "{error:?}");
}

/// A filter that no segment can match must not cost the rows of the tail, nor those of a segment that says nothing of
/// the column, nor those without a value.
#[test]
fn pruned_segments_hold_no_row_of_the_answer() {
    let store = mixed();
    let query = store.query();
    let times = ["2027-01-13 07:00:00", "2027-01-13 12:00:00", "2027-01-15 08:00:00", "2027-01-16 20:00:00"];
    let mut conditions: Vec<String> = vec![
        "it_time IS NULL".into(),
        "it_time IS NOT NULL AND __time__ = 3".into(),
        "__time__ IN (1, 2, 99)".into(),
        "__time__ = 99 OR it_country = 'cn'".into(),
        "NOT (__time__ > -6)".into(),
        "it_seq >= 700 AND it_seq < 1102 AND it_time < now()".into(),
        "it_seq = 1100".into(),
        "abs(__time__) = 6".into(),
    ];
    for (at, from) in times.iter().enumerate() {
        conditions.push(format!("it_time = TIMESTAMP '{from}'"));
        for to in &times[at..] {
            conditions.push(format!("it_time >= TIMESTAMP '{from}' AND it_time < TIMESTAMP '{to}'"));
            conditions.push(format!("NOT (it_time BETWEEN TIMESTAMP '{from}' AND TIMESTAMP '{to}')"));
        }
    }
    for condition in conditions {
        // Inside a CASE no condition prunes.
        let slow = format!("SELECT sum(CASE WHEN {condition} THEN 1 ELSE 0 END) AS n FROM log");
        let quick = format!("SELECT count(*) AS n FROM log WHERE {condition}");
        assert_eq!(lines(&query, &quick), lines(&query, &slow), "{condition}");
        // And again, now that the footers are known.
        assert_eq!(lines(&query, &quick), lines(&query, &slow), "{condition}");
    }
}

/// An id that is compared with is looked up in the token index. Without the index the answer is the same.
#[test]
fn a_look_up_by_id_finds_with_and_without_the_index() {
    let store = mixed();
    let conditions = [
        ("eventId = 'id-5/5'", 1),
        ("'id-700/0' = eventId", 1),
        ("eventId = 'id-1190/0'", 1),
        ("eventId = 'id-5'", 0),
        ("eventId = ''", 0),
        ("eventId = '/'", 0),
        ("eventId <> 'id-5/5'", 1190),
        ("NOT eventId = 'id-5/5'", 1190),
        ("eventId IN ('id-5/5', 'id-701/1', 'none')", 2),
        ("eventId NOT IN ('id-5/5', 'id-701/1', 'none')", 1189),
        ("eventId IN ('id-0/0', 'id-1/1', 'id-2/2', 'id-3/3', 'id-1100/1')", 5),
        ("eventId = 'id-5/5' OR eventName = 'Name1'", 239),
        ("eventId = 'id-5/5' AND eventName = 'Name1'", 0),
        ("eventId = 'id-5/5' AND eventName = 'Name0'", 1),
        ("(eventId = 'id-5/5' OR eventId = 'id-6/6') AND it_seq > 5", 1),
        ("eventId LIKE 'id-5/%'", 1),
        ("upper(eventId) = 'ID-5/5'", 1),
        ("eventId = concat('id-', '5/5')", 1),
        ("eventId = eventName", 0),
    ];
    let check = || {
        let query = store.query();
        for (condition, expected) in conditions {
            let sql = format!("SELECT count(*) AS n FROM log WHERE {condition}");
            assert_eq!(lines(&query, &sql), format!("{{\"n\":{expected}}}\n"), "{condition}");
        }
        let row = lines(&query, "SELECT it_seq, eventName FROM log WHERE eventId = 'id-701/1'");
        assert_eq!(row, "{\"it_seq\":701,\"eventName\":\"Name1\"}\n");
    };
    check();
    let snapshot = Snapshot::open(&store.path()).unwrap();
    let segments = snapshot.segments(Store::Log);
    assert_eq!(segments.len(), 3);
    // Damaged, then gone.
    std::fs::remove_file(segments[0].index_path()).unwrap();
    std::fs::write(segments[0].index_path(), b"no index").unwrap();
    check();
    segments.iter().for_each(|segment| std::fs::remove_file(segment.index_path()).unwrap());
    check();
}

/// A whole column of times is cut at once; one time is cut by itself.
#[test]
fn times_are_cut_alike_by_column_and_by_value() {
    let store = mixed();
    let query = store.query();
    for unit in ["millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"] {
        // The length of the unit as a column keeps the engine from cutting a whole column at once.
        let alone = format!("CASE WHEN it_seq >= 0 THEN '{unit}' ELSE 'year' END");
        for time in ["it_time", "__time__", "date_add('year', -90, it_time)"] {
            let sql = format!(
                "SELECT count(*) AS n FROM log WHERE date_trunc('{unit}', {time}) IS DISTINCT FROM date_trunc({alone}, {time})"
            );
            assert_eq!(lines(&query, &sql), "{\"n\":0}\n", "{unit} {time}");
        }
    }
}
