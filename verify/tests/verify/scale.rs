//! More records than a tile of level 1 has: tiles, and the pages of larger segments.

use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Store, Transaction};
use innertrail_verify::{Kind, Request, verify};

use crate::support::{NOW, assert_ok, check, events, files, find, key, open, segment};

#[test]
fn tiles_and_pages_of_a_larger_store() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    for n in 0..140u64 {
        writer.commit(events(n * 500..n * 500 + 500), NOW + n as i64).unwrap();
    }
    writer.close(NOW + 200).unwrap();
    let key = key();
    let mut request = Request::new(&dir, &key);
    request.threads = 2;
    let report = verify(&request, &mut |_| {}).unwrap();
    assert_ok(&report);
    assert_eq!(report.stores[0].verified, 70_000);
    let tile = files(&dir).into_iter().find(|f| f.starts_with("seal/tile/")).unwrap();
    assert_eq!(tile, "seal/tile/log/1/000");
    let good = std::fs::read(dir.join(&tile)).unwrap();
    std::fs::remove_file(dir.join(&tile)).unwrap();
    let mut bad = good.clone();
    bad[8_191] ^= 1;
    std::fs::write(dir.join(&tile), &bad).unwrap();
    let report = check(&dir);
    find(&report, Kind::FileChanged);
    find(&report, Kind::Tile);
    std::fs::remove_file(dir.join(&tile)).unwrap();
    std::fs::write(dir.join(&tile), &good).unwrap();
    // A byte in the middle of a segment: the records of a page or less are named, not the whole segment.
    let path = segment(&dir, "log", 32_500);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 0x10;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let report = check(&dir);
    let finding = report.findings.first().unwrap();
    let records = finding.records.unwrap();
    assert!(records.first >= 32_500 && records.last < 65_000, "{}", report.text());
    assert!(records.last - records.first < 20_000, "{}", report.text());
    assert_eq!(report.stores[0].verified, 70_000 - 32_500);
}

/// Prints how fast records are proved; run it in release with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn speed() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    let filler: String = (0..1_100).map(|n| char::from(b'a' + (n * n % 23) as u8)).collect();
    let mut builder = RowBuilder::new();
    for n in 0..200u64 {
        let mut txn = Transaction::default();
        for id in 0..500 {
            let body = format!(r#"{{"eventId":"event-{:06}","filler":"{filler}"}}"#, n * 500 + id);
            builder.begin(body.as_bytes());
            builder.slice(0, 12, 12);
            txn.push(Store::Log, builder.finish(), body.len() as u64);
        }
        writer.commit(txn, NOW + n as i64).unwrap();
    }
    writer.close(NOW + 300).unwrap();
    let key = key();
    for threads in [1, 2] {
        let mut request = Request::new(&dir, &key);
        request.threads = threads;
        let start = std::time::Instant::now();
        let report = verify(&request, &mut |_| {}).unwrap();
        assert_ok(&report);
        let rate = report.raw_bytes as f64 / start.elapsed().as_secs_f64() / 1e6;
        println!("{threads} threads: {rate:.0} MB/s of records");
    }
}
