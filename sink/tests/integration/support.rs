//! Logstores to send from: of the repository's fixtures, and of events made by number.
//! It must never decide what is right: the tests do.

use std::path::{Path, PathBuf};

use innertrail_logstore::consumer::{Reader, ReaderOptions};
use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Layout, Options, SealKey, Store, StoredRow, Writer};
use innertrail_plugin::event::columns::COLUMNS;
use innertrail_sink::Record;
pub(crate) use innertrail_test_agents::{layout, rows};

/// 2026-11-12 23:00 UTC.
pub(crate) const NOW: i64 = 1_794_524_400_000_000;

pub(crate) fn writer(dir: &Path) -> Writer {
    Writer::open(dir, "main-trail", layout(), Options::new(SealKey::new("main-trail", [7; 32]).unwrap()), NOW).unwrap()
}

/// A mark that can be foretold; the real one is the host's.
pub(crate) fn mark(seq: u64, payload: &[u8]) -> String {
    format!("v1.{seq}.{:08x}", payload.iter().fold(0u32, |sum, b| sum.rotate_left(5) ^ u32::from(*b)))
}

fn column(name: &str) -> u8 {
    u8::try_from(COLUMNS.iter().position(|c| c.name == name).unwrap()).unwrap()
}

/// The raw event of a number: about 0.3 KB.
pub(crate) fn event(id: u64) -> String {
    let name = ["PutObject", "GetObject", "DeleteBucket"][(id % 3) as usize];
    format!(
        r#"{{"eventId":"event-{id:06}","eventName":"{name}","note":"höhe \"{id}\"","filler":"{}"}}"#,
        "x".repeat(150 + (id * 37 % 101) as usize)
    )
}

/// Appends events `from..to`.
pub(crate) fn append(writer: &mut Writer, from: u64, to: u64) {
    append_at(writer, from, to, NOW);
}

/// Drops the days before that of `now_us`.
pub(crate) fn drop_before(writer: &mut Writer, now_us: i64) {
    let day = chrono::DateTime::from_timestamp_micros(now_us).unwrap().date_naive();
    writer.retire(Store::Log, day, now_us).unwrap();
}

/// Appends events `from..to` at a time.
pub(crate) fn append_at(writer: &mut Writer, from: u64, to: u64, now_us: i64) {
    let mut transaction = writer.begin();
    let mut builder = RowBuilder::new();
    for id in from..to {
        let body = event(id);
        builder.begin(body.as_bytes());
        builder.slice(column("eventId"), 12, 12);
        builder.text(column("eventName"), ["PutObject", "GetObject", "DeleteBucket"][(id % 3) as usize]);
        builder.integer(column("__time__"), NOW / 1_000_000);
        builder.integer(column("it_time"), NOW + id as i64);
        builder.text(column("it_family"), "audit");
        builder.text(column("it_nulls"), "errorCode,userIdentity.userName");
        transaction.push(Store::Log, builder.finish(), body.len() as u64);
    }
    writer.commit(transaction, now_us).unwrap();
}

/// A data directory in a temporary folder.
pub(crate) struct Place {
    _parent: tempfile::TempDir,
    pub(crate) dir: PathBuf,
}

pub(crate) fn place() -> Place {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    Place { _parent: parent, dir }
}

/// A Logstore of events `0..count`, with no writer any more.
pub(crate) fn logstore(count: u64) -> Place {
    let place = place();
    let mut writer = writer(&place.dir);
    for from in (0..count).step_by(500) {
        append(&mut writer, from, (from + 500).min(count));
    }
    writer.seal_tail(NOW).unwrap();
    place
}

/// Every durable record, and the layout.
pub(crate) fn records(dir: &Path) -> (Layout, Vec<Record>) {
    let mut reader = Reader::open(dir, ReaderOptions::default()).unwrap();
    let mut next = reader.begin(Store::Log);
    let mut records = vec![];
    loop {
        let page = reader.pull(next, 1_000, usize::MAX).unwrap();
        next = page.next;
        records.extend(page.rows.into_iter().map(marked));
        if page.at_end {
            return (reader.snapshot().layout().clone(), records);
        }
    }
}

pub(crate) fn marked(row: StoredRow) -> Record {
    let mark = mark(row.seq, row.payload());
    Record::new(row, mark)
}

/// A Logstore of every operation log in the repository's fixtures.
pub(crate) fn fixtures() -> Place {
    let place = place();
    let mut writer = writer(&place.dir);
    rows::fill(&mut writer, &Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures"), NOW);
    writer.seal_tail(NOW).unwrap();
    place
}
