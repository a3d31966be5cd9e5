//! What somebody with access to the files, or with the key, could do; and which record the report names.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::{concat_batches, take_record_batch};
use innertrail_logstore::Writer;
use innertrail_verify::{CheckpointState, Error, Kind, Records, Request, VerifierKey, verify};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::support::{
    HOUR, NOW, SECOND, assert_ok, check, check_with, copy, event, events, find, key, kinds, layout, mixed, open,
    options, scene, seal_key, segment, sign, small_store, text_of,
};

/// Writes the records of a segment anew.
fn rewrite(path: &Path, change: impl FnOnce(RecordBatch) -> RecordBatch) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let batch = change(concat_batches(&batches[0].schema(), &batches).unwrap());
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn taken(batch: &RecordBatch, rows: &[u32]) -> RecordBatch {
    take_record_batch(batch, &arrow::array::UInt32Array::from(rows.to_vec())).unwrap()
}

/// The batch with another last column.
fn with_events(batch: &RecordBatch, events: Vec<String>) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    let last = columns.len() - 1;
    columns[last] = Arc::new(StringArray::from(events)) as ArrayRef;
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

#[test]
fn an_untouched_store_is_proved_to_the_last_record() {
    let scene = scene();
    let report = check(&scene.dir);
    assert_ok(&report);
    let sizes: Vec<_> = report.stores.iter().map(|s| (s.name, s.first, s.verified, s.size)).collect();
    assert_eq!(sizes, [("log", 0, 70, 70), ("quarantine", 0, 8, 8), ("passthrough", 0, 8, 8), ("journal", 0, 8, 8)]);
    assert_eq!((report.digests, report.segments, report.frames), (4, 12, 2));
    assert_eq!(report.checkpoint, CheckpointState::Current);
    assert_eq!(report.kept_elsewhere, CheckpointState::Absent);
    assert!(report.raw_bytes > 70 * 40);
    assert!(report.text().ends_with(&format!("OK, verified with {}\n", key().id())));
    assert!(report.notes.is_empty(), "{:?}", report.notes);
}

#[test]
fn a_changed_record_is_named() {
    let scene = scene();
    let path = segment(&scene.dir, "log", 20);
    rewrite(&path, |batch| {
        let events = (20..40).map(|id| if id == 33 { event(id).replace("höhe", "hohe") } else { event(id) });
        with_events(&batch, events.collect())
    });
    let report = check(&scene.dir);
    let finding = find(&report, Kind::RecordChanged);
    assert_eq!(finding.records, Some(Records { first: 33, last: 33 }));
    assert_eq!(finding.store, Some("log"));
    assert!(path.ends_with(finding.path.as_deref().unwrap()));
    assert_eq!(report.findings.len(), 1, "{}", report.text());
    // The segments around it, and the log behind it, are still proved.
    assert_eq!(report.stores[0].verified, 50);
}

#[test]
fn removed_inserted_and_reordered_records_are_named() {
    let scene = scene();
    let path = segment(&scene.dir, "log", 20);
    let good = std::fs::read(&path).unwrap();
    let cases: [(Vec<u32>, Kind, Records); 5] = [
        ((0..20).filter(|i| *i != 7).collect(), Kind::RecordRemoved, Records { first: 27, last: 27 }),
        ((0..18).collect(), Kind::RecordRemoved, Records { first: 38, last: 39 }),
        ((0..20).chain([3, 4]).collect(), Kind::RecordInserted, Records { first: 40, last: 40 }),
        (
            (0..20).flat_map(|i| if i == 5 { vec![5, 11] } else { vec![i] }).collect(),
            Kind::RecordInserted,
            Records { first: 26, last: 26 },
        ),
        (
            (0..20).map(|i| [0, 1, 3, 2].get(i as usize).copied().unwrap_or(i)).collect(),
            Kind::RecordReordered,
            Records { first: 22, last: 23 },
        ),
    ];
    for (rows, kind, records) in cases {
        rewrite(&path, |batch| taken(&batch, &rows));
        let report = check(&scene.dir);
        assert_eq!(find(&report, kind).records, Some(records), "{}", report.text());
        std::fs::write(&path, &good).unwrap();
    }
}

#[test]
fn a_file_with_the_same_records_but_other_bytes_is_said_to_be_that() {
    let scene = scene();
    let path = segment(&scene.dir, "journal", 2);
    rewrite(&path, |batch| batch);
    let report = check(&scene.dir);
    assert_eq!(kinds(&report), [Kind::FileChanged]);
    assert_eq!(report.stores[3].verified, 8);
    // Without the file of leaf hashes it is still known that something is wrong, but not where.
    rewrite(&segment(&scene.dir, "log", 0), |batch| taken(&batch, &[1; 20]));
    std::fs::remove_file(scene.dir.join("seal/leaf/log/seg-0000000000000000-20.leaf")).unwrap();
    let report = check(&scene.dir);
    assert_eq!(find(&report, Kind::RecordsDamaged).records, Some(Records { first: 0, last: 19 }));
    find(&report, Kind::MissingFile);
}

#[test]
fn strangers_links_and_pipes_in_sealed_folders_are_found() {
    let scene = scene();
    let good = segment(&scene.dir, "log", 20);
    let day = good.parent().unwrap();
    for name in ["seg-0000000000000005-3.parquet", "notes.txt", "seg-0000000000000020-20.parquet.bak"] {
        std::fs::write(day.join(name), b"x").unwrap();
        let report = check(&scene.dir);
        assert_eq!(kinds(&report), [Kind::UnknownFile], "{}", report.text());
        std::fs::remove_file(day.join(name)).unwrap();
    }
    // What lies beyond the sealed end is no part of the Logstore: a rotation may have been cut short.
    std::fs::write(day.join("seg-0000000000000060-3.parquet"), b"x").unwrap();
    let report = check(&scene.dir);
    assert_ok(&report);
    assert_eq!(report.notes.len(), 1);
    std::fs::remove_file(day.join("seg-0000000000000060-3.parquet")).unwrap();
    // A link to the very same bytes elsewhere can be changed there at any time.
    let elsewhere = scene.dir.join("tmp/elsewhere");
    std::fs::rename(&good, &elsewhere).unwrap();
    symlink(&elsewhere, &good).unwrap();
    assert_eq!(find(&check(&scene.dir), Kind::UnreadableFile).path.as_deref().unwrap(), &rel(&scene.dir, &good));
    std::fs::remove_file(&good).unwrap();
    std::fs::rename(&elsewhere, &good).unwrap();
    std::fs::remove_file(scene.dir.join("seal/checkpoint")).unwrap();
    std::fs::create_dir(scene.dir.join("seal/checkpoint")).unwrap();
    assert_eq!(kinds(&check(&scene.dir)), [Kind::UnreadableFile]);
}

fn rel(dir: &Path, path: &Path) -> String {
    path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_checkpoint_kept_elsewhere_shows_rollback_and_fork() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, older) = (parent.path().join("d"), parent.path().join("older"));
    let mut writer = open(&dir);
    writer.commit(mixed(0..10), NOW).unwrap();
    let early = writer.checkpoint().to_vec();
    writer.commit(mixed(10..20), NOW + 1).unwrap();
    writer.seal_tail(NOW + 2).unwrap();
    copy(&dir, &older);
    writer.commit(mixed(20..30), NOW + 3).unwrap();
    writer.commit(mixed(30..40), NOW + 4).unwrap();
    writer.tick(NOW + 10 * SECOND).unwrap();
    let late = writer.checkpoint().to_vec();
    let report = check_with(&dir, &early);
    assert_ok(&report);
    assert_eq!(report.kept_elsewhere, CheckpointState::Earlier);
    let report = check_with(&dir, &late);
    assert_ok(&report);
    assert_eq!(report.kept_elsewhere, CheckpointState::Current);
    // The whole directory put back to an older state is consistent in itself: only the note kept elsewhere shows it.
    assert_ok(&check(&older));
    let report = check_with(&older, &late);
    assert_eq!(kinds(&report), [Kind::Truncated; 4]);
    assert_eq!(report.findings[0].records, Some(Records { first: 20, last: 39 }));
    assert_eq!(report.kept_elsewhere, CheckpointState::Contradicts);
    // With the key another history can be signed; it cannot have the same roots.
    for (size, known) in [(10, true), (15, true), (20, true), (35, true), (40, true)] {
        let forged = forge(&late, size);
        let report = check_with(&dir, &forged);
        assert_eq!(kinds(&report).contains(&Kind::Fork), known, "{size}: {}", report.text());
    }
}

/// A checkpoint with a root nobody has, at a size of the log.
fn forge(note: &[u8], size: u64) -> Vec<u8> {
    let text = text_of(note);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[1] = size.to_string();
    lines[2] = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_owned();
    sign(&format!("{}\n", lines.join("\n")))
}

#[test]
fn a_checkpoint_of_another_key_or_kind_is_refused() {
    let scene = scene();
    let note = std::fs::read(scene.dir.join("seal/checkpoint")).unwrap();
    assert_eq!(sign(&text_of(&note)), note, "the forger's notes have the very bytes of the writer's");
    let mut bad = note.clone();
    bad[20] ^= 1;
    for bytes in [&bad[..], b"", b"\n\n", &sign("innertrail/main\n1\n"), &sign("other\n"), &note[..note.len() - 1]] {
        let key = key();
        let mut request = Request::new(&scene.dir, &key);
        request.checkpoint = Some(bytes);
        assert!(matches!(verify(&request, &mut |_| {}), Err(Error::Checkpoint(_))));
    }
    // A signature of somebody else beside ours (a witness) does no harm.
    let mut witnessed = note.clone();
    witnessed.extend_from_slice("\u{2014} witness.example AAAAAAAAAAAA\n".as_bytes());
    assert_ok(&check_with(&scene.dir, &witnessed));
}

#[test]
fn an_older_state_put_back_under_newer_digests_is_found() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, older) = (parent.path().join("d"), parent.path().join("older"));
    let mut writer = open(&dir);
    writer.commit(mixed(0..10), NOW).unwrap();
    writer.seal_tail(NOW + 2).unwrap();
    copy(&dir, &older);
    for hour in 1..4 {
        writer.commit(mixed(hour * 10..hour * 10 + 10), NOW + hour as i64 * HOUR).unwrap();
    }
    drop(writer);
    std::fs::remove_dir_all(dir.join("wal")).unwrap();
    for path in ["state.json", "seal/checkpoint", "wal/00000002.wal"] {
        std::fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
        std::fs::write(dir.join(path), std::fs::read(older.join(path)).unwrap()).unwrap();
    }
    let report = check(&dir);
    assert!(kinds(&report).contains(&Kind::UnknownFile), "{}", report.text());
    assert!(kinds(&report).contains(&Kind::Truncated), "{}", report.text());
}

#[test]
fn another_key_proves_nothing() {
    let scene = scene();
    let other = VerifierKey::parse(innertrail_logstore::SealKey::new("main", [8; 32]).unwrap().vkey()).unwrap();
    let report = verify(&Request::new(&scene.dir, &other), &mut |_| {}).unwrap();
    assert!(kinds(&report).contains(&Kind::Key) && kinds(&report).contains(&Kind::Signature));
    assert_eq!(report.stores.iter().map(|s| s.verified).sum::<u64>(), 0);
    // The right key under another trail's name is another key.
    let name = VerifierKey::parse(innertrail_logstore::SealKey::new("other", [7; 32]).unwrap().vkey()).unwrap();
    assert!(!verify(&Request::new(&scene.dir, &name), &mut |_| {}).unwrap().ok);
}

#[test]
fn no_logstore_is_an_error_and_not_a_report() {
    let empty = tempfile::tempdir().unwrap();
    let found = verify(&Request::new(empty.path(), &key()), &mut |_| {});
    assert!(matches!(found, Err(Error::NotALogstore(_))));
    std::fs::write(empty.path().join("state.json"), r#"{"format":1}"#).unwrap();
    let found = verify(&Request::new(empty.path(), &key()), &mut |_| {});
    assert!(matches!(found, Err(Error::Version { found: 1, .. })));
}

#[test]
fn names_from_the_disk_reach_no_terminal_as_they_are() {
    let scene = scene();
    std::fs::write(scene.dir.join("seal/leaf/a\u{1b}[2Jb\n"), b"").unwrap();
    let report = check(&scene.dir);
    assert!(report.findings[0].path.as_deref().unwrap().contains("\\u{1b}"));
    assert!(!report.text().contains('\u{1b}'));
}

#[test]
fn a_store_is_proved_after_retention_and_what_retention_left_behind_is_a_note() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    small_store(&dir);
    let early = sign(&text_of(&std::fs::read(dir.join("seal/checkpoint")).unwrap()));
    let first = segment(&dir, "log", 0);
    let bytes = std::fs::read(&first).unwrap();
    let mut writer = Writer::open(&dir, "main", layout(), options(), NOW + 4 * HOUR).unwrap();
    let day = "2026-11-13".parse().unwrap();
    let retired = writer.retire(innertrail_logstore::Store::Log, day, NOW + 4 * HOUR).unwrap();
    assert_eq!(retired.first_kept, 60);
    writer.commit(events(70..80), NOW + 4 * HOUR).unwrap();
    drop(writer);
    let report = check_with(&dir, &early);
    assert_ok(&report);
    assert_eq!((report.stores[0].first, report.stores[0].verified, report.stores[0].size), (60, 20, 80));
    assert_eq!(report.kept_elsewhere, CheckpointState::Earlier);
    // Its root at 47 records cannot be known any more: said, and not called right.
    let report = check_with(&dir, &forge(&early, 47));
    assert_ok(&report);
    assert_eq!(report.kept_elsewhere, CheckpointState::Partly);
    std::fs::create_dir_all(first.parent().unwrap()).unwrap();
    std::fs::write(&first, bytes).unwrap();
    let report = check(&dir);
    assert_ok(&report);
    assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
}

#[test]
fn the_text_form_of_a_report_is_for_people_and_json_for_machines() {
    let scene = scene();
    std::fs::remove_file(segment(&scene.dir, "log", 20)).unwrap();
    let report = check(&scene.dir);
    let text = report.text();
    assert!(text.contains("seg-0000000000000020-20.parquet, records 20 to 39: it is missing"), "{text}");
    assert!(text.contains("NOT OK"));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["findings"][0]["kind"], "missing_file");
    assert_eq!(json["findings"][0]["records"]["first"], 20);
    assert_eq!(json["ok"], false);
    let _ = seal_key();
}
