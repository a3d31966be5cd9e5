//! What the rooms make of bytes natively, and of the repository's fixtures, for tests that need a Logstore with something in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use innertrail_logstore::{Store, Writer};
use innertrail_plugin::route::{Provenance, Route};
use innertrail_plugin::transform::Transform;
use innertrail_plugin::transform::batch::{Batch, Codec, Encoding, Entry, Frame};

/// The rooms with many products enabled.
pub fn rooms() -> Transform {
    let products = ["oss", "ecs", "kms", "ram", "sts", "aegis", "sas", "resourcemanager", "aasplatform", "actiontrail"];
    Transform::open(&format!(r#"{{"trail":"main-trail","products":{}}}"#, serde_json::json!(products))).unwrap()
}

/// What comes out of one frame of the trail's own source, piece by piece, and where each goes.
pub fn routed(rooms: &Transform, data: &[u8], origin: &str, encoding: Encoding) -> Vec<(Route, Vec<u8>)> {
    let frames = [Frame { end: u32::try_from(data.len()).unwrap(), offset: 0, fault: None }];
    let provenance = Provenance::OwnSource;
    let codec = Codec::ActionTrail;
    let routed =
        rooms.run(&Batch { provenance, source: "test", origin, codec, data, frames: &frames, sealed: &[] }, encoding);
    let mut start = 0;
    let piece = |entry: &Entry| {
        let piece = routed.data[start..entry.end as usize].to_vec();
        start = entry.end as usize;
        (entry.route, piece)
    };
    routed.entries.iter().map(piece).collect()
}

/// The pieces for the dedicated Logstore.
pub fn dedicated(rooms: &Transform, data: &[u8], encoding: Encoding) -> Vec<Vec<u8>> {
    let routed = routed(rooms, data, "test", encoding).into_iter();
    routed.filter(|(route, _)| *route == Route::Dedicated).map(|(_, piece)| piece).collect()
}

/// Commits every operation log of the fixtures below `root`, each row once; gives how many rows were kept.
pub fn fill(writer: &mut Writer, root: &Path, now_us: i64) -> u64 {
    let rooms = rooms();
    let (mut seen, mut kept) = (BTreeSet::new(), 0);
    for room in ["actiontrail", "platform", "insight", "bad"] {
        let mut cases: Vec<_> = fs::read_dir(root.join(room)).unwrap().map(|case| case.unwrap().path()).collect();
        cases.sort();
        for input in cases.iter().map(|case| case.join("input.json")).filter(|input| input.is_file()) {
            let mut txn = writer.begin();
            for row in dedicated(&rooms, &fs::read(&input).unwrap(), Encoding::Row) {
                if seen.insert(row.clone()) {
                    txn.push(Store::Log, &row, 1);
                }
            }
            kept += writer.commit(txn, now_us).unwrap().log;
        }
    }
    kept
}
