//! Runs the statements of `tests/sls/*.slt` over the events of `tests/sls/events.ndjson`. `BLESS=1` writes what came
//! out into the files. It must never pass over a statement in silence.
//!
//! A record is `query` with its words, the statement, `----`, the result (names, then rows, separated by tabs; NULL is
//! `NULL`, an empty text `''`) or `error: …`, or `= previous`, and an empty line. The words: `cli` takes the command
//! line's dialect instead of Log Service's; `quarantine` asks the other store.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use arrow::array::Array;
use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Column, Encoding, Kind, Layout, Options, SealKey, Snapshot, Store, Writer};
use innertrail_query::{Cell, Dialect, Error, Limits, Query};
use serde_json::Value;

/// Fewer statements than this mean that a file was lost.
const AT_LEAST: usize = 120;
/// 2026-11-24T00:00:00Z.
const NOW: i64 = 1_795_478_400_000_000;

/// Column, field of audit events, field of platform events.
const COLUMNS: &[(&str, &str, &str)] = &[
    ("eventId", "/eventId", "/EventID"),
    ("eventTime", "/eventTime", "/EventTime"),
    ("eventName", "/eventName", "/EventName"),
    ("eventType", "/eventType", "/EventType"),
    ("eventRW", "/eventRW", ""),
    ("serviceName", "/serviceName", ""),
    ("acsRegion", "/acsRegion", ""),
    ("sourceIpAddress", "/sourceIpAddress", ""),
    ("userAgent", "/userAgent", ""),
    ("errorCode", "/errorCode", ""),
    ("errorMessage", "/errorMessage", ""),
    ("resourceName", "/resourceName", ""),
    ("recipientAccountId", "/recipientAccountId", ""),
    ("userIdentity.type", "/userIdentity/type", ""),
    ("userIdentity.accountId", "/userIdentity/accountId", ""),
    ("userIdentity.accessKeyId", "/userIdentity/accessKeyId", ""),
    ("userIdentity.userName", "/userIdentity/userName", ""),
    ("EventProduct", "", "/EventProduct"),
    ("EventDescription", "", "/EventDescription"),
    ("EmployeeID", "", "/EmployeeID"),
    ("EventMethod", "", "/EventMethod"),
    ("ResourceID", "", "/ResourceID"),
    ("EventAdditionalDetail", "", "/EventAdditionalDetail"),
    ("EventLevel", "", "/EventLevel"),
    ("EventLocation", "", "/EventLocation"),
];
const MADE: [&str; 3] = ["__topic__", "__source__", "it_family"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sls")
}

fn layout() -> Layout {
    let text = |name: &str| Column::new(name, Kind::Text, Encoding::Dictionary);
    let mut columns: Vec<Column> = COLUMNS.iter().map(|(name, ..)| text(name)).collect();
    columns.extend(MADE.map(text));
    columns.push(Column::new("__time__", Kind::Integer, Encoding::Delta));
    columns.push(Column::new("it_time", Kind::Timestamp, Encoding::Delta));
    Layout { columns, key: Some(0) }
}

fn push(builder: &mut RowBuilder, line: &str) {
    let event: Value = serde_json::from_str(line).unwrap();
    let platform = event.get("EventID").is_some();
    builder.begin(line.as_bytes());
    let slot = |at: usize| u8::try_from(at).unwrap();
    for (at, (_, audit, other)) in COLUMNS.iter().enumerate() {
        let field = if platform { other } else { audit };
        // An empty pointer would be the whole event.
        if let Some(text) = event.pointer(field).filter(|_| !field.is_empty()).and_then(Value::as_str) {
            builder.text(slot(at), text);
        }
    }
    let time = event.pointer(if platform { "/EventTime" } else { "/eventTime" }).and_then(Value::as_str).unwrap();
    let time = chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp();
    let made =
        if platform { ["", "", "platform"] } else { ["actiontrail_audit_event", "actiontrail_internal", "audit"] };
    for (at, text) in made.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
        builder.text(slot(COLUMNS.len() + at), text);
    }
    builder.integer(slot(COLUMNS.len() + MADE.len()), time);
    builder.integer(slot(COLUMNS.len() + MADE.len() + 1), time * 1_000_000);
}

/// Two segments and a tail, so that every operator meets both.
fn build(dir: &Path) {
    let events = std::fs::read_to_string(folder().join("events.ndjson")).unwrap();
    let lines: Vec<&str> = events.lines().collect();
    assert!(lines.len() >= 60, "{}", lines.len());
    let mut writer =
        Writer::open(dir, "main", layout(), Options::new(SealKey::new("main", [7; 32]).unwrap()), NOW).unwrap();
    for (part, lines) in lines.chunks(lines.len().div_ceil(3)).enumerate() {
        let mut builder = RowBuilder::new();
        let mut txn = writer.begin();
        for line in lines {
            push(&mut builder, line);
            txn.push(Store::Log, builder.finish(), 1);
        }
        if part == 0 {
            builder.begin(b"not an event");
            txn.push(Store::Quarantine, builder.finish(), 1);
        }
        writer.commit(txn, NOW).unwrap();
        if part < 2 {
            writer.seal_tail(NOW).unwrap();
        }
    }
}

fn shown(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Null => "NULL".into(),
        Cell::Bool(value) => value.to_string(),
        Cell::Int(value) => value.to_string(),
        Cell::UInt(value) => value.to_string(),
        Cell::Float(value) => format!("{value:?}"),
        Cell::Decimal(digits) => digits.clone(),
        Cell::Text(text) if text.is_empty() => "''".into(),
        Cell::Text(text) => text.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'"),
        Cell::Bytes(bytes) => format!("{bytes:02x?}"),
        Cell::List(values) => {
            let each: Vec<String> = (0..values.len()).map(|at| shown(&Cell::read(values.as_ref(), at))).collect();
            format!("[{}]", each.join(", "))
        }
        Cell::Struct(..) => "a structure".into(),
    }
}

fn table(query: &Query, sql: &str, dialect: Dialect) -> Result<String, Error> {
    let mut result = query.run_as(sql, dialect)?;
    let names: Vec<&str> = result.columns().iter().map(|c| c.name.as_str()).collect();
    let mut out = names.join("\t");
    result.for_each_row(|cells| {
        let cells: Vec<String> = cells.iter().map(shown).collect();
        write!(out, "\n{}", cells.join("\t")).unwrap();
        Ok::<(), Error>(())
    })?;
    Ok(out)
}

struct Stores {
    log: Query,
    quarantine: Query,
}

impl Stores {
    fn answer(&self, words: &str, sql: &str) -> String {
        let query = if words.contains("quarantine") { &self.quarantine } else { &self.log };
        let dialect = if words.contains("cli") { Dialect::default() } else { Dialect::LOG_SERVICE };
        table(query, sql, dialect).unwrap_or_else(|error| format!("error: {error}"))
    }
}

#[derive(Default)]
struct Tally {
    run: usize,
    failures: String,
}

/// Runs one file and returns it with the results that came out.
fn file(stores: &Stores, name: &str, text: &str, tally: &mut Tally) -> String {
    let mut out = String::new();
    let mut previous = String::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        writeln!(out, "{line}").unwrap();
        let Some(words) = line.strip_prefix("query") else {
            assert!(line.is_empty() || line.starts_with('#'), "{name}:{}: {line:?} begins no record", number + 1);
            continue;
        };
        let mut part = |end: &str| {
            let part: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != end).collect();
            part.join("\n")
        };
        let (sql, expected) = (part("----"), part(""));
        tally.run += 1;
        let same = expected == "= previous";
        let (found, wanted) = (stores.answer(words, &sql), if same { &previous } else { &expected });
        if found != *wanted {
            writeln!(tally.failures, "{name}:{}\n{sql}\nwanted:\n{wanted}\nfound:\n{found}\n", number + 1).unwrap();
        }
        writeln!(out, "{sql}\n----\n{}\n", if same { &expected } else { &found }).unwrap();
        previous = found;
    }
    out
}

#[test]
fn the_directives_of_search_sql_hold() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("d");
    build(&data);
    let open = |store| Query::open(Snapshot::open(&data).unwrap(), store, Limits::default()).unwrap();
    let stores = Stores { log: open(Store::Log), quarantine: open(Store::Quarantine) };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "slt"));
    files.sort();
    let bless = std::env::var_os("BLESS").is_some_and(|value| value == "1");
    let mut tally = Tally::default();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let found = file(&stores, &name, &text, &mut tally);
        if bless {
            std::fs::write(&path, format!("{}\n", found.trim_end())).unwrap();
        }
    }
    eprintln!("{} statements ran", tally.run);
    assert!(tally.run >= AT_LEAST, "only {} statements ran", tally.run);
    assert!(bless || tally.failures.is_empty(), "{}", tally.failures);
}
