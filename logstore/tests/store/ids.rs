//! The index of event ids on disk: exact against a set in memory, derived, and never trusted when it is damaged.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Days, NaiveDate};
use innertrail_logstore::{Error, IdProgress, Layout, Options, Snapshot, Store, Writer};

use crate::support::{CountdownDisk, HOUR, NOW, events, layout, row, small, unsynced};

const DAY: i64 = 24 * HOUR;

/// Few rows a segment, and few ids in memory.
fn tiny(rows: u64, ids: u64) -> Options {
    let mut options = unsynced(small(rows));
    options.ids_in_memory = ids;
    options
}

fn open(dir: &Path, options: Options) -> Writer {
    Writer::open(dir, "main", layout(), options, NOW).unwrap()
}

fn day(now_us: i64) -> NaiveDate {
    DateTime::from_timestamp_micros(now_us).unwrap().date_naive()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir.join("log/ids")).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

#[test]
fn it_says_what_a_set_of_all_kept_ids_says_through_reopening_and_retention() {
    let mut most_files = 0;
    for seed in 0..12 {
        let mut random = Random(seed);
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("d");
        let (rows, ids) = (1 + random.below(30), 1 + random.below(40));
        let mut writer = open(&dir, tiny(rows, ids));
        // Sequence number of each kept id.
        let mut kept: HashMap<u64, u64> = HashMap::new();
        let (mut next, mut now) = (0, NOW);
        for round in 0..90 {
            let context = format!("seed {seed}, round {round}");
            match random.below(20) {
                0 => {
                    drop(writer);
                    writer = open(&dir, tiny(rows, 1 + random.below(40)));
                    assert_eq!(writer.recovery().ids_rebuilt, None, "{context}");
                }
                1 => {
                    let before = day(now) - Days::new(random.below(3)) + Days::new(random.below(2));
                    let gone = writer.retire(Store::Log, before, now).unwrap();
                    kept.retain(|_, seq| *seq >= gone.first_kept);
                }
                2 => now += DAY / 2,
                // A clock that is set back.
                3 => now -= DAY / 3,
                _ => {}
            }
            let batch: Vec<u64> = (0..random.below(25)).map(|_| random.below(400)).collect();
            let mut new = 0;
            for id in &batch {
                kept.entry(*id).or_insert_with(|| {
                    new += 1;
                    next + new - 1
                });
            }
            next += new;
            let committed = writer.commit(events(batch.iter().copied()), now).unwrap();
            assert_eq!((committed.log, committed.duplicates), (new, batch.len() as u64 - new), "{context}");
            assert_eq!(writer.ids(), kept.len() as u64, "{context}");
        }
        most_files = most_files.max(files(&dir).len());
        for id in 0..400 {
            assert_eq!(
                writer.contains(&format!("event-{id:06}")).unwrap(),
                kept.contains_key(&id),
                "seed {seed}, {id}"
            );
        }
        // What is in the files now is what is in the segments.
        drop(writer);
        std::fs::remove_dir_all(dir.join("log/ids")).ok();
        assert_eq!(open(&dir, tiny(rows, ids)).ids(), kept.len() as u64, "seed {seed}");
    }
    assert!(most_files > 4, "at most {most_files} files: the slices were not tried");
}

/// Steps of the crash workload: three events of which one is repeated, over three days; the first day is dropped before
/// step 6, and its first event comes again.
const STEPS: u64 = 8;

fn run(dir: &Path, options: Options, steps: u64) -> Result<Writer, Error> {
    let mut writer = Writer::open(dir, "main", layout(), options, NOW)?;
    let done = writer.state().checkpoint("source").map_or(0, |c| u64::from_le_bytes(c.try_into().unwrap()));
    for n in done..steps {
        let now = NOW + DAY / 3 * n as i64;
        if n == 6 {
            writer.retire(Store::Log, day(NOW) + Days::new(1), now)?;
        }
        let mut txn = events([2 * n + 10, 2 * n + 11, 10, 2 * n.saturating_sub(1) + 10]);
        txn.checkpoint("source", &(n + 1).to_le_bytes());
        writer.commit(txn, now)?;
    }
    Ok(writer)
}

fn assert_whole(writer: &Writer, dir: &Path, context: &str) {
    // The first day held step 0 alone; its event 10 came again in step 6, event 11 did not.
    let mut ids: Vec<u64> = (12..26).chain([10]).collect();
    let rows = Snapshot::open(dir).unwrap().scan_rows(Store::Log, 0, 99).unwrap();
    let mut found: Vec<u64> =
        rows.iter().map(|row| String::from_utf8_lossy(row.payload())[18..24].parse().unwrap()).collect();
    ids.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, ids, "{context}");
    assert_eq!(writer.ids(), ids.len() as u64, "{context}");
    for id in 0..30 {
        assert_eq!(writer.contains(&format!("event-{id:06}")).unwrap(), ids.contains(&id), "{context}: {id}");
    }
}

#[test]
fn a_crash_before_any_operation_of_a_flush_or_a_drop_neither_loses_nor_doubles() {
    let crashing = |at| {
        let (disk, left) = CountdownDisk::new(at, ErrorKind::Other);
        let mut options = tiny(4, 3);
        options.disk = disk;
        (options, left)
    };
    let base = tempfile::tempdir().unwrap();
    let (template, whole) = (base.path().join("template"), base.path().join("whole"));
    drop(run(&template, tiny(4, 3), 6).unwrap());
    assert!(files(&template).len() > 2, "several files: {:?}", files(&template));
    copy(&template, &whole);
    let (options, left) = crashing(u64::MAX);
    let writer = run(&whole, options, STEPS).unwrap();
    let operations = u64::MAX - left.load(Ordering::SeqCst);
    assert_whole(&writer, &whole, "no crash");
    assert_ne!(files(&template), files(&whole), "files of the index were replaced");
    for at in 0..operations {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("d");
        copy(&template, &dir);
        run(&dir, crashing(at).0, STEPS).err().unwrap_or_else(|| panic!("operation {at} did not fail"));
        // A second crash, in the middle of the recovery, every fourth time.
        if at % 4 == 0 {
            let _ = run(&dir, crashing(at % 61).0, STEPS);
        }
        let writer = run(&dir, tiny(4, 3), STEPS).unwrap_or_else(|e| panic!("after operation {at}: {e}"));
        assert_whole(&writer, &dir, &format!("after operation {at}"));
    }
}

/// A directory with 60 events, an index of several files, and 3 events more in the log.
fn indexed(dir: &Path) -> u64 {
    let mut writer = open(dir, tiny(8, 10));
    for n in 0..15 {
        writer.commit(events(4 * n..4 * n + 4), NOW).unwrap();
    }
    writer.seal_tail(NOW).unwrap();
    writer.commit(events(60..63), NOW).unwrap();
    assert!(files(dir).len() > 2, "{:?}", files(dir));
    63
}

/// Opens and appends everything again with one new event. A damaged file may stop the writer once, never twice.
fn append_again(dir: &Path, known: u64, context: &str) -> (Option<String>, bool) {
    let mut writer = open(dir, tiny(8, 10));
    let first = writer.recovery().ids_rebuilt.clone();
    match writer.commit(events(0..=known), NOW) {
        Ok(committed) => {
            assert_eq!((committed.log, committed.duplicates), (1, known), "{context}");
            return (first, false);
        }
        Err(Error::Ids { .. }) => {}
        Err(e) => panic!("{context}: {e}"),
    }
    assert_eq!(writer.state().next(Store::Log), known, "{context}: nothing was written");
    assert!(matches!(writer.commit(events([99]), NOW), Err(Error::Poisoned { .. })), "{context}");
    drop(writer);
    let mut writer = open(dir, tiny(8, 10));
    assert!(writer.recovery().ids_rebuilt.is_some(), "{context}: the second start says that it made the index again");
    assert_eq!(writer.commit(events(0..=known), NOW).unwrap().log, 1, "{context}");
    (writer.recovery().ids_rebuilt.clone(), true)
}

#[test]
fn a_flip_in_a_file_never_makes_a_duplicate_or_loses_an_event() {
    let base = tempfile::tempdir().unwrap();
    let template = base.path().join("d");
    let known = indexed(&template);
    let (mut noticed, mut stopped, mut tried) = (0, 0, 0);
    for file in files(&template) {
        let whole = std::fs::read(&file).unwrap();
        let run = file.extension().is_some_and(|e| e == "ids");
        // Blocks are looked at byte by byte in `dedup/run.rs`; here it is enough to meet all their parts.
        for at in (0..whole.len()).step_by(if run { 331 } else { 23 }) {
            let parent = tempfile::tempdir().unwrap();
            let dir = parent.path().join("d");
            copy(&template, &dir);
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            let victim = dir.join("log/ids").join(file.file_name().unwrap());
            std::fs::remove_file(&victim).unwrap();
            std::fs::write(&victim, bytes).unwrap();
            let context = format!("byte {at} of {}", file.file_name().unwrap().to_string_lossy());
            let (why, stop) = append_again(&dir, known, &context);
            noticed += usize::from(why.is_some());
            stopped += usize::from(stop);
            tried += 1;
        }
    }
    assert!(noticed * 10 > tried * 9 && stopped > 0 && stopped < noticed, "{tried} {noticed} {stopped}");
}

#[test]
fn what_is_missing_or_of_another_history_is_read_again_and_said() {
    let base = tempfile::tempdir().unwrap();
    let template = base.path().join("d");
    let known = indexed(&template);
    // The state before, with the index of the state after; and another history of the same length with this one's index.
    let (older, other) = (base.path().join("older"), base.path().join("other"));
    let mut writer = open(&older, tiny(8, 10));
    writer.commit(events(0..20), NOW).unwrap();
    writer.seal_tail(NOW).unwrap();
    drop(writer);
    let mut writer = open(&other, tiny(8, 10));
    for n in 0..15 {
        writer.commit(events(1_000 + 4 * n..1_004 + 4 * n), NOW).unwrap();
    }
    writer.seal_tail(NOW).unwrap();
    drop(writer);
    let runs: Vec<String> =
        files(&template).iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let mut said = Vec::new();
    let mut check = |name: &str, from: &Path, known: &[u64], change: &dyn Fn(&Path)| {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("d");
        copy(from, &dir);
        change(&dir);
        let mut writer = open(&dir, tiny(8, 10));
        let why = writer.recovery().ids_rebuilt.clone().unwrap_or("nothing".into());
        said.push(format!("{name}: {}", why.replace(&runs[1], "a run")));
        let count = known.len() as u64;
        assert_eq!(writer.ids(), count, "{name}");
        let again = writer.commit(events(known.iter().copied().chain([9_999])), NOW).unwrap();
        assert_eq!((again.log, again.duplicates), (1, count), "{name}");
        drop(writer);
        assert_eq!(open(&dir, tiny(8, 10)).recovery().ids_rebuilt, None, "{name}: said once");
    };
    let all: Vec<u64> = (0..known).collect();
    let swap = |dir: &Path| {
        std::fs::remove_dir_all(dir.join("log/ids")).ok();
        copy(&template.join("log/ids"), &dir.join("log/ids"));
    };
    check("no folder", &template, &all, &|dir| std::fs::remove_dir_all(dir.join("log/ids")).unwrap());
    check("no manifest", &template, &all, &|dir| std::fs::remove_file(dir.join("log/ids/manifest.json")).unwrap());
    check("no run", &template, &all, &|dir| std::fs::remove_file(dir.join("log/ids").join(&runs[1])).unwrap());
    check("another file", &template, &all, &|dir| std::fs::write(dir.join("log/ids/x"), b"x").unwrap());
    check("an older state", &older, &(0..20).collect::<Vec<_>>(), &swap);
    check("another history", &other, &(1_000..1_060).collect::<Vec<_>>(), &swap);
    insta::assert_snapshot!(said.join("\n"), @r"
    no folder: nothing
    no manifest: log/ids/manifest.json: it is missing, but there are files that it would name
    no run: log/ids/a run: No such file or directory (os error 2)
    another file: nothing
    an older state: log/ids/manifest.json: it covers other records than the segments
    another history: log/ids/manifest.json: it is of another history than state.json
    ");
}

#[test]
fn a_young_store_has_no_index_and_an_old_one_without_gets_one_within_its_limit() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir, tiny(8, 1_000));
    for n in 0..15 {
        writer.commit(events(4 * n..4 * n + 4), NOW).unwrap();
    }
    drop(writer);
    assert!(!dir.join("log/ids").exists());
    let told = Arc::new(AtomicU64::new(0));
    let mut options = tiny(8, 10);
    let count = Arc::clone(&told);
    options.id_progress = Some(IdProgress::new(move |read, total| {
        assert!(read <= total && total == 56, "{read} of {total}");
        count.fetch_add(1, Ordering::SeqCst);
    }));
    let writer = open(&dir, options);
    let found = writer.recovery();
    assert_eq!((found.ids_read, found.ids_rebuilt.as_deref(), writer.ids()), (56, None, 60));
    assert_eq!(told.load(Ordering::SeqCst), 7, "once a segment");
    drop(writer);
    let again = open(&dir, tiny(8, 10));
    assert!(again.recovery().ids_read < 16, "only what came after the last flush: {:?}", again.recovery());
    assert_eq!(again.ids(), 60);
}

#[test]
fn ids_of_dropped_records_are_new_again_at_once_even_where_the_drop_ends_inside_of_a_day() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir, tiny(8, 5));
    writer.commit(events(0..8), NOW).unwrap();
    writer.commit(events(8..16), NOW).unwrap();
    writer.commit(events(16..20), NOW).unwrap();
    // Everything in segments goes; 16..20 are in the log, of the same day, and stay.
    let gone = writer.retire(Store::Log, day(NOW) + Days::new(9), NOW).unwrap();
    assert_eq!(gone.first_kept, 16);
    assert_eq!(writer.ids(), 4);
    let again = writer.commit(events(0..20), NOW).unwrap();
    assert_eq!((again.log, again.duplicates), (16, 4));
    drop(writer);
    let mut writer = open(&dir, tiny(8, 5));
    assert_eq!(writer.ids(), 20);
    assert_eq!(writer.commit(events(0..20), NOW).unwrap().duplicates, 20);
}

#[test]
fn a_key_that_a_layout_gets_later_covers_what_was_there_before() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let keyless = Layout { key: None, ..layout() };
    let mut writer = Writer::open(&dir, "main", keyless, tiny(4, 4), NOW).unwrap();
    writer.commit(events([1, 1, 2, 3, 4, 5]), NOW).unwrap();
    writer.seal_tail(NOW).unwrap();
    drop(writer);
    let mut writer = open(&dir, tiny(4, 4));
    assert_eq!(writer.ids(), 5);
    let mut txn = events([5, 6]);
    txn.push(Store::Log, &row(6), 1);
    assert_eq!(writer.commit(txn, NOW).unwrap().log, 1);
}

#[test]
fn a_log_of_many_small_frames_becomes_a_segment_so_that_opening_stays_short() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir, tiny(100_000, 100_000));
    for n in 0..8_192 {
        writer.commit(events([n]), NOW).unwrap();
    }
    drop(writer);
    let start = std::time::Instant::now();
    let mut writer = open(&dir, tiny(100_000, 100_000));
    println!("8,192 frames opened in {:?}", start.elapsed());
    assert_eq!((writer.recovery().frames, writer.recovery().rows), (8_192, 8_192));
    writer.commit(events([8_192]), NOW).unwrap();
    drop(writer);
    let writer = open(&dir, tiny(100_000, 100_000));
    assert_eq!((writer.recovery().frames, writer.recovery().rows, writer.ids()), (1, 1, 8_193));
}
