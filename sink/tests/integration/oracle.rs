//! The conservation oracle: what a receiver claims against what the Logstore holds, one for every protocol.
//! It must never forgive: an id that is missing, invented, altered or seen out of order fails, and duplicates are counted.

use std::collections::BTreeMap;
use std::path::Path;

use innertrail_sink::Batch;
use innertrail_sink::encode::{Encoder, Encoding};
use serde_json::Value;

use crate::http_double::Claims;
use crate::support::records;

/// What the oracle found out.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) records: usize,
    pub(crate) duplicates: usize,
}

fn seq(event: &Value) -> u64 {
    event["log"]["it_seq"].as_u64().unwrap_or_else(|| panic!("an event without its number: {event}"))
}

/// Judges claims against the Logstore, from its first record on.
pub(crate) fn judge(dir: &Path, claims: &Claims) -> Verdict {
    let (layout, records) = records(dir);
    let encoder = Encoder::new(Encoding::NativeJson);
    let mut owed: BTreeMap<u64, Value> = records
        .iter()
        .map(|record| {
            let batch = Batch { trail: "main-trail", layout: &layout, records: std::slice::from_ref(record) };
            let mut json = vec![];
            encoder.append(&batch, record, &mut json).unwrap();
            (record.row.seq, serde_json::from_slice(&json).unwrap())
        })
        .collect();
    let mut first_seen = BTreeMap::new();
    let mut next = 0;
    let mut duplicates = 0;
    for claim in claims {
        let seq = seq(claim);
        if let Some(before) = first_seen.get(&seq) {
            assert_eq!(*before, claim, "record {seq} came twice and differs");
            duplicates += 1;
            continue;
        }
        assert_eq!(seq, next, "out of order: {seq} where {next} was due");
        let own = owed.remove(&seq).unwrap_or_else(|| panic!("record {seq} was invented"));
        assert_eq!(&own, claim, "record {seq} was altered");
        first_seen.insert(seq, claim);
        next += 1;
    }
    assert!(owed.is_empty(), "{} records never arrived, the first is {:?}", owed.len(), owed.keys().next());
    Verdict { records: records.len(), duplicates }
}
