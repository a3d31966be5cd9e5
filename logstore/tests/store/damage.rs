//! Cuts and flips in every byte of the write-ahead log, and files that are missing.

use std::path::{Path, PathBuf};

use innertrail_logstore::{Error, Snapshot, Store, Writer};

use crate::support::{NOW, event, events, layout, open, payloads, plain, small, unsynced};

/// A directory with three frames of two events; the offsets at which frames begin, and the end.
fn three_frames(dir: &Path) -> (PathBuf, Vec<u64>) {
    let wal = dir.join("wal/00000001.wal");
    let mut writer = open(dir);
    let mut offsets = vec![std::fs::metadata(&wal).unwrap().len()];
    for n in 0..3 {
        writer.commit(events([2 * n, 2 * n + 1]), NOW).unwrap();
        offsets.push(std::fs::metadata(&wal).unwrap().len());
    }
    (wal, offsets)
}

fn reopen(dir: &Path) -> Result<Writer, Error> {
    Writer::open(dir, "main", layout(), unsynced(plain()), NOW)
}

#[test]
fn a_cut_at_every_byte_of_the_last_frame_recovers_to_the_frame_before() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let (wal, offsets) = three_frames(&dir);
    let whole = std::fs::read(&wal).unwrap();
    for cut in offsets[2]..offsets[3] {
        std::fs::write(&wal, &whole[..cut as usize]).unwrap();
        let writer = reopen(&dir).unwrap();
        assert_eq!(writer.recovery().dropped_bytes, cut - offsets[2]);
        assert_eq!(writer.recovery().frames, 2);
        assert_eq!(writer.state().next(Store::Log), 4);
        drop(writer);
        assert_eq!(std::fs::metadata(&wal).unwrap().len(), offsets[2]);
        assert_eq!(payloads(&Snapshot::open(&dir).unwrap(), Store::Log), (0..4).map(event).collect::<Vec<_>>());
    }
}

#[test]
fn a_flip_in_every_byte_is_dropped_in_the_last_frame_and_refused_anywhere_else() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let (wal, offsets) = three_frames(&dir);
    let whole = std::fs::read(&wal).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&wal, &bytes).unwrap();
        let last = at as u64 >= offsets[2];
        match (reopen(&dir), Snapshot::open(&dir)) {
            (Ok(writer), Ok(snapshot)) => {
                assert!(last, "a flip at byte {at} went unnoticed");
                assert_eq!(writer.state().next(Store::Log), 4);
                assert_eq!(snapshot.end(Store::Log), 4);
            }
            (Err(Error::Corrupt { path, offset, .. }), Err(Error::Corrupt { .. })) => {
                assert!(!last, "byte {at}");
                assert_eq!(path, wal);
                let frame = offsets.iter().rev().find(|o| **o <= at as u64).copied().unwrap_or(0);
                assert_eq!(offset, frame, "byte {at}");
                assert_eq!(std::fs::read(&wal).unwrap(), bytes, "a refused file must stay as it is");
            }
            (writer, snapshot) => panic!("byte {at}: {:?} / {:?}", writer.err(), snapshot.err()),
        }
    }
}

#[test]
fn zeros_or_garbage_after_the_last_frame_are_dropped() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let (wal, offsets) = three_frames(&dir);
    let whole = std::fs::read(&wal).unwrap();
    for tail in [vec![0u8; 5_000], vec![0x49; 77], b"ITF\x01ITF\x01".repeat(50)] {
        std::fs::write(&wal, [whole.as_slice(), &tail].concat()).unwrap();
        let writer = reopen(&dir).unwrap();
        assert_eq!(writer.recovery().dropped_bytes, tail.len() as u64);
        assert_eq!(writer.state().next(Store::Log), 6);
        drop(writer);
        assert_eq!(std::fs::metadata(&wal).unwrap().len(), offsets[3]);
    }
}

#[test]
fn an_event_that_contains_a_frame_is_not_taken_for_one() {
    // The story: an event quoting a frame of our own log, in the torn last write, looked like "a good frame follows".
    let parent = tempfile::tempdir().unwrap();
    let (dir, other) = (parent.path().join("d"), parent.path().join("other"));
    let (wal, offsets) = three_frames(&dir);
    let (foreign, _) = three_frames(&other);
    let frame = &std::fs::read(foreign).unwrap()[offsets[0] as usize..offsets[1] as usize];
    let whole = std::fs::read(&wal).unwrap();
    let cut = [&whole[..offsets[2] as usize + 200], frame].concat();
    std::fs::write(&wal, cut).unwrap();
    assert_eq!(reopen(&dir).unwrap().state().next(Store::Log), 4);
}

#[test]
fn an_empty_log_file_is_fine_and_a_missing_one_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    drop(open(&dir));
    let wal = dir.join("wal/00000001.wal");
    std::fs::write(&wal, b"").unwrap();
    assert_eq!(Snapshot::open(&dir).unwrap().end(Store::Log), 0);
    open(&dir).commit(events([1]), NOW).unwrap();
    std::fs::remove_file(&wal).unwrap();
    let error = reopen(&dir).unwrap_err().to_string();
    assert!(error.contains("the write-ahead log named by state.json is missing"), "{error}");
}

#[test]
fn a_missing_segment_or_state_or_format_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = Writer::open(&dir, "main", layout(), small(4), NOW).unwrap();
    for n in 0..6 {
        writer.commit(events([2 * n, 2 * n + 1]), NOW).unwrap();
    }
    writer.close(NOW).unwrap();
    let segments = Snapshot::open(&dir).unwrap().segments(Store::Log).to_vec();
    assert_eq!(segments.len(), 3);
    for (victim, wanted) in [
        (0, "starts at 4, but 0 was expected"),
        (1, "starts at 8, but 4 was expected"),
        (2, "starts at 8, but 12 was expected"),
    ] {
        let bytes = std::fs::read(&segments[victim].path).unwrap();
        std::fs::remove_file(&segments[victim].path).unwrap();
        let error = reopen(&dir).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        assert!(Snapshot::open(&dir).is_err());
        std::fs::write(&segments[victim].path, bytes).unwrap();
    }
    for name in ["state.json", "format.json"] {
        let (here, away) = (dir.join(name), dir.join("away"));
        std::fs::rename(&here, &away).unwrap();
        assert!(matches!(reopen(&dir), Err(Error::Corrupt { path, .. }) if path == here));
        std::fs::rename(&away, &here).unwrap();
    }
    assert_eq!(reopen(&dir).unwrap().ids(), 12);
}

#[test]
fn every_flip_in_state_json_is_noticed() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    let mut txn = events([1]);
    txn.checkpoint("source", b"abc");
    writer.commit(txn, NOW).unwrap();
    writer.close(NOW).unwrap();
    let path = dir.join("state.json");
    let whole = std::fs::read(&path).unwrap();
    // The last byte is the line end: any white space will do there.
    for at in 0..whole.len() - 1 {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(reopen(&dir).is_err(), "a flip at byte {at} of state.json went unnoticed");
    }
}
