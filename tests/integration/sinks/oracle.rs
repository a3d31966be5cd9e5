//! The conservation oracle: what a receiver claims against what went in and what the Logstore holds, one for every protocol.
//! It must never forgive: what is missing, invented, altered or first seen out of order fails; duplicates are counted.

use std::collections::BTreeMap;
use std::path::Path;

use innertrail_host_shim::seal_mark::SealKey;
use innertrail_test_agents::http_double::Claims;
use serde_json::{Value, json};

use crate::harness::{event, run};

/// What the oracle found out.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) records: usize,
    pub(super) duplicated: usize,
}

/// Judges what a receiver got of events `1..=sent` in any order of files.
pub(super) fn judge(data: &Path, sent: usize, claims: &Claims) -> Verdict {
    let owed = owed(data, sent);
    let (mut seen, mut next, mut duplicated) = (BTreeMap::new(), 0_u64, 0);
    for claim in claims {
        let seq = claim["it_seq"].as_u64().unwrap_or_else(|| panic!("a record without its number: {claim}"));
        if let Some(before) = seen.get(&seq) {
            assert_eq!(*before, claim, "record {seq} came twice and differs");
            duplicated += 1;
            continue;
        }
        assert_eq!(seq, next, "out of order: {seq} where {next} was due");
        let own = owed.get(usize::try_from(seq).unwrap()).unwrap_or_else(|| panic!("record {seq} was invented"));
        assert_eq!(own, claim, "record {seq} was altered");
        seen.insert(seq, claim);
        next += 1;
    }
    assert_eq!(seen.len(), owed.len(), "lost on the way: the first is {next}");
    Verdict { records: owed.len(), duplicated }
}

/// What the Logstore holds, by sequence number, with marks made anew; held to being exactly what went in.
fn owed(data: &Path, sent: usize) -> Vec<Value> {
    let dir = data.to_str().unwrap();
    let (out, _) = run(&["tail", "--data-dir", dir, "-n", "1000000", "--format", "json"], 0);
    let key = SealKey::open(data).unwrap();
    let mut missing: BTreeMap<String, usize> = (1..=sent).map(|id| (event(id, ""), id)).collect();
    let mut owed = Vec::new();
    for (line, due) in out.lines().zip(0_u64..) {
        let row: Value = serde_json::from_str(line).unwrap();
        let (seq, text) = (row["it_seq"].as_u64().unwrap(), row["event"].as_str().unwrap());
        assert_eq!(seq, due, "the Logstore's numbers have a hole");
        assert!(missing.remove(text).is_some(), "the Logstore holds what was not sent, or twice: {text}");
        owed.push(json!({ "it_seq": seq, "it_seal": key.mark(seq, text.as_bytes()), "event": text }));
    }
    assert!(missing.is_empty(), "{} of {sent} are not in the Logstore", missing.len());
    owed
}

/// What came of records behind an agent, whose own promise is weaker than the sink's.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) lost: usize,
    pub(super) duplicated: usize,
}

/// Counts what is missing and what came again, in whatever order; invented or altered records fail here too.
pub(super) fn tally(data: &Path, sent: usize, claims: &Claims) -> Tally {
    let owed = owed(data, sent);
    let mut seen = vec![0_usize; owed.len()];
    for claim in claims {
        let seq = claim["it_seq"].as_u64().and_then(|seq| usize::try_from(seq).ok());
        let seq = seq.filter(|seq| *seq < owed.len()).unwrap_or_else(|| panic!("invented: {claim}"));
        assert_eq!(&owed[seq], claim, "record {seq} was altered");
        seen[seq] += 1;
    }
    Tally {
        lost: seen.iter().filter(|times| **times == 0).count(),
        duplicated: seen.iter().map(|times| times.saturating_sub(1)).sum(),
    }
}
