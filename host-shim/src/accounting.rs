//! Puts what the transform routed into a transaction, and counts it there: every input byte once (I7).
//!
//! It must never count outside the transaction, or a crash would show.

use innertrail_logstore::Transaction;

use crate::layout;
use crate::runtime::wit::source::{Fault as Seen, Frame as SeenFrame, ObjectCheck};
use crate::runtime::wit::transform::{Fault, Frame, Routed};
use crate::status::{DUPLICATE_KEYS, FRAMING_BYTES, REASON, REDACTED};

/// Puts routed entries into a transaction, and counts them.
pub(crate) fn push(txn: &mut Transaction, routed: &Routed) {
    let mut start = 0;
    let mut reasons: [(&'static str, u64); 5] = [("", 0); 5];
    for entry in &routed.entries {
        let end = entry.end as usize;
        txn.push(layout::store(entry.route), &routed.data[start..end], u64::from(entry.consumed));
        if let Some(reason) = entry.reason {
            let place = &mut reasons[reason as usize];
            *place = (layout::reason(reason), place.1 + 1);
        }
        start = end;
    }
    for (reason, count) in reasons.iter().filter(|(_, count)| *count > 0) {
        txn.count(&format!("{REASON}{reason}"), *count);
    }
    for (counter, delta) in
        [(FRAMING_BYTES, routed.framing_bytes), (REDACTED, routed.redacted), (DUPLICATE_KEYS, routed.duplicate_keys)]
    {
        if delta > 0 {
            txn.count(counter, delta);
        }
    }
}

/// A source's frame as the transform takes it.
pub(crate) fn frame(frame: &SeenFrame) -> Frame {
    Frame {
        end: frame.end,
        offset: frame.offset,
        fault: frame.fault.map(|fault| match fault {
            Seen::CorruptGzip => Fault::CorruptGzip,
            Seen::DecompressionLimit => Fault::DecompressionLimit,
            Seen::Oversize => Fault::Oversize,
            Seen::Truncated => Fault::Truncated,
            Seen::Malformed => Fault::Malformed,
        }),
    }
}

/// What an object's name promised and the object does not keep: the counter, and the same in words.
pub(crate) fn broken_promises(check: &ObjectCheck) -> Vec<(&'static str, String)> {
    let (promised, found) = check.count;
    let all = [
        (promised == found, "count_mismatches", format!("its name says {promised} events, it holds {found}")),
        (check.size_ok, "size_mismatches", "the size in its name is not the file's".to_owned()),
        (check.md5_ok, "md5_mismatches", "the MD5 in its name is not the file's".to_owned()),
    ];
    all.into_iter().filter(|(kept, ..)| !kept).map(|(_, counter, text)| (counter, text)).collect()
}
