//! The write-ahead log: cut anywhere, forged with right checksums, or with frames missing.

use std::path::{Path, PathBuf};

use innertrail_verify::{Kind, Records};

use crate::support::{check, find, kinds, scene};

const HEADER: usize = 128;

fn wal(dir: &Path) -> PathBuf {
    dir.join("wal/00000004.wal")
}

/// Where each frame starts, and the end.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let mut at = vec![32];
    while *at.last().unwrap() < bytes.len() {
        let from = *at.last().unwrap();
        let len = u32::from_le_bytes(bytes[from + 8..from + 12].try_into().unwrap()) as usize;
        at.push(from + HEADER + len);
    }
    at
}

/// Makes the checksums of the frame at `at` right again: anybody can.
fn fix(bytes: &mut [u8], at: usize) {
    let len = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
    let crc = crc32c::crc32c(&bytes[at..at + 120]).to_le_bytes();
    bytes[at + 120..at + 124].copy_from_slice(&crc);
    let crc = crc32c::crc32c(&bytes[at..at + 124]);
    let crc = crc32c::crc32c_append(crc, &bytes[at + HEADER..at + HEADER + len]).to_le_bytes();
    bytes[at + 124..at + 128].copy_from_slice(&crc);
}

#[test]
fn a_log_cut_anywhere_is_found_and_what_is_missing_is_counted() {
    let scene = scene();
    let path = wal(&scene.dir);
    let good = std::fs::read(&path).unwrap();
    let starts = frames(&good);
    assert_eq!(starts.len(), 3);
    for len in (0..good.len()).step_by(7).chain(starts[..2].iter().copied()) {
        std::fs::write(&path, &good[..len]).unwrap();
        let report = check(&scene.dir);
        assert!(!report.ok, "cut to {len}");
        let missing = if len >= starts[1] { 64 } else { 60 };
        assert_eq!(find(&report, Kind::Truncated).records, Some(Records { first: missing, last: 69 }));
        if !starts.contains(&len) && len > 32 {
            find(&report, Kind::TornOrDamagedTail);
        }
    }
}

#[test]
fn damage_in_the_middle_is_told_from_a_torn_end() {
    let scene = scene();
    let path = wal(&scene.dir);
    let mut bytes = std::fs::read(&path).unwrap();
    let second = frames(&bytes)[1];
    bytes[HEADER + 40] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let report = check(&scene.dir);
    assert!(find(&report, Kind::WalDamaged).detail.contains(&second.to_string()));
}

#[test]
fn a_record_changed_under_right_checksums_is_found_and_so_is_a_column() {
    let scene = scene();
    let path = wal(&scene.dir);
    let good = std::fs::read(&path).unwrap();
    let place = |needle: &str| good.windows(needle.len()).position(|w| w == needle.as_bytes()).unwrap();
    let mut bytes = good.clone();
    bytes[place("event-000061")] ^= 1;
    fix(&mut bytes, 32);
    std::fs::write(&path, &bytes).unwrap();
    let report = check(&scene.dir);
    assert_eq!(find(&report, Kind::RecordsDamaged).records, Some(Records { first: 60, last: 63 }));
    assert_eq!(report.stores[0].verified, 60);
    // The value of a column beside the record: no record changes, the chain does.
    let mut bytes = good.clone();
    let after_first_record = place("60\"}") + 4;
    bytes[after_first_record] ^= 1;
    fix(&mut bytes, 32);
    std::fs::write(&path, &bytes).unwrap();
    assert!(kinds(&check(&scene.dir)).contains(&Kind::Frame));
    // The source's position.
    let mut bytes = good.clone();
    bytes[place("cursor-64")] ^= 1;
    fix(&mut bytes, 32);
    std::fs::write(&path, &bytes).unwrap();
    assert!(kinds(&check(&scene.dir)).contains(&Kind::Frame));
}

/// Every field of the header, with right checksums: what the chain does not cover must contradict something else.
#[test]
fn no_header_byte_can_be_changed_under_right_checksums() {
    let scene = scene();
    let path = wal(&scene.dir);
    let good = std::fs::read(&path).unwrap();
    for at in 0..120 {
        let mut bytes = good.clone();
        bytes[32 + at] ^= 1;
        if frames_fit(&bytes) {
            fix(&mut bytes, 32);
        }
        std::fs::write(&path, &bytes).unwrap();
        assert!(!check(&scene.dir).ok, "header byte {at}");
    }
}

fn frames_fit(bytes: &[u8]) -> bool {
    let len = u32::from_le_bytes(bytes[40..44].try_into().unwrap()) as usize;
    32 + HEADER + len <= bytes.len()
}

/// Bytes between the last row of a store and the next store are in no hash; a frame may not have any.
#[test]
fn nothing_can_hide_between_rows_and_the_end_of_their_part() {
    let scene = scene();
    let path = wal(&scene.dir);
    let mut bytes = std::fs::read(&path).unwrap();
    let last = frames(&bytes)[1];
    // One row less in the count of the log, its bytes left in place, and everything the attacker can fix is fixed.
    let rows = u32::from_le_bytes(bytes[last + 56..last + 60].try_into().unwrap());
    bytes[last + 56..last + 60].copy_from_slice(&(rows - 1).to_le_bytes());
    fix(&mut bytes, last);
    std::fs::write(&path, &bytes).unwrap();
    find(&check(&scene.dir), Kind::Frame);
}

#[test]
fn a_frame_taken_out_or_put_twice_is_found() {
    let scene = scene();
    let path = wal(&scene.dir);
    let good = std::fs::read(&path).unwrap();
    let at = frames(&good);
    let (first, second) = (&good[at[0]..at[1]], &good[at[1]..at[2]]);
    for forged in [[&good[..32], second].concat(), [&good[..], first].concat(), [&good[..], second].concat()] {
        std::fs::write(&path, forged).unwrap();
        assert!(!check(&scene.dir).ok);
    }
}
