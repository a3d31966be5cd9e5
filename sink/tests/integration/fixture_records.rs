//! Records as they are stored, made from the repository's fixtures by the rooms themselves, natively.
//! It must never decide what is right: the tests do.

use std::fs;
use std::path::{Path, PathBuf};

use innertrail_logstore::row::RowRef;
use innertrail_logstore::{Kind, Layout, Store, StoredRow, Value};
use innertrail_plugin::route::{Reason, Route};
use innertrail_plugin::transform::Transform;
use innertrail_plugin::transform::batch::Encoding;
use innertrail_sink::{Batch, Record};
pub(crate) use innertrail_test_agents::layout;
use innertrail_test_agents::rows;

/// 2026-11-12 23:00 UTC, microseconds.
pub(crate) const NOW: i64 = 1_794_524_400_000_000;

/// Records with the case that each came from.
pub(crate) struct Fixtures {
    pub(crate) layout: Layout,
    pub(crate) cases: Vec<String>,
    pub(crate) records: Vec<Record>,
}

impl Fixtures {
    pub(crate) fn batch(&self) -> Batch<'_> {
        self.part(0, self.records.len())
    }

    pub(crate) fn part(&self, from: usize, to: usize) -> Batch<'_> {
        Batch { trail: "main-trail", layout: &self.layout, records: &self.records[from..to] }
    }

    /// The first record of a case, such as `platform/service-person`.
    pub(crate) fn of(&self, case: &str) -> &Record {
        &self.records[self.cases.iter().position(|c| c == case).unwrap_or_else(|| panic!("no record of {case}"))]
    }
}

/// Every operation log of the rooms `actiontrail`, `platform` and `insight`, and of `containers` and `bad` where they are
/// plain JSON; also those that a trail of OSS alone would not keep.
pub(crate) fn all() -> Fixtures {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let rooms = Transform::open(r#"{"trail":"main-trail"}"#).unwrap();
    let mut found = Fixtures { layout: layout(), cases: vec![], records: vec![] };
    for room in ["actiontrail", "platform", "insight", "containers", "bad"] {
        let mut inputs: Vec<PathBuf> =
            fs::read_dir(root.join(room)).unwrap().map(|c| c.unwrap().path().join("input.json")).collect();
        inputs.sort();
        for input in inputs.iter().filter(|input| input.is_file()) {
            let name = input.parent().unwrap().file_name().unwrap().to_str().unwrap();
            take(&rooms, &fs::read(input).unwrap(), &format!("{room}/{name}"), &mut found);
        }
    }
    found
}

fn take(rooms: &Transform, data: &[u8], case: &str, found: &mut Fixtures) {
    for (route, row) in rows::routed(rooms, data, "input.json", Encoding::Row) {
        if matches!(route, Route::Dedicated | Route::Quarantine(Reason::UnsupportedProduct)) {
            let seq = found.records.len() as u64;
            found.records.push(record(&found.layout, seq, &row));
            found.cases.push(case.to_owned());
        }
    }
}

fn record(layout: &Layout, seq: u64, row: &[u8]) -> Record {
    let row = RowRef::parse(row).unwrap();
    row.check(layout, Store::Log).unwrap();
    fn value(kind: Kind, bytes: &[u8]) -> Value<'_> {
        match kind {
            Kind::Text => Value::Text(std::str::from_utf8(bytes).unwrap()),
            Kind::Integer => Value::Integer(i64::from_le_bytes(bytes.try_into().unwrap())),
            Kind::Timestamp => Value::Timestamp(i64::from_le_bytes(bytes.try_into().unwrap())),
        }
    }
    // In the layout's order, and without what only quarantine has: as a row is read back from the dedicated Logstore.
    let mut columns: Vec<(u8, Value)> = row
        .slots()
        .filter(|slot| !layout.columns[usize::from(slot.column)].name.starts_with("it_quarantine"))
        .map(|slot| (slot.column, value(layout.columns[usize::from(slot.column)].kind, row.bytes(slot).unwrap())))
        .collect();
    columns.sort_by_key(|(column, _)| *column);
    let row = StoredRow::new(seq, NOW + seq as i64, &columns, row.payload());
    Record::new(row, mark(seq))
}

/// A mark of the right form that can be foretold; the real one is the host's.
pub(crate) fn mark(seq: u64) -> String {
    format!("v1.{seq}.{:064x}", seq * 7 + 1)
}

/// A record of one text column, for what no fixture has.
pub(crate) fn made(seq: u64, columns: &[(&str, Value)], payload: &[u8]) -> Record {
    let layout = layout();
    let mut columns: Vec<(u8, Value)> =
        columns.iter().map(|(name, value)| (u8::try_from(layout.position(name).unwrap()).unwrap(), *value)).collect();
    columns.sort_by_key(|(column, _)| *column);
    Record::new(StoredRow::new(seq, NOW, &columns, payload), mark(seq))
}
