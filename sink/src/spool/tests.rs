//! Files are looked at as a tailer would: by name, line by line.
#![allow(clippy::unwrap_used)]

use std::fs;

use innertrail_logstore::{Layout, StoredRow};

use super::*;
use crate::record::Record;

fn record(seq: u64) -> Record {
    let row = StoredRow::new(seq, 0, &[], b"{\"a\":\"line\\nfeed\"}");
    Record::new(row, format!("v1.{seq}.00"))
}

fn send(spool: &mut Spool, seqs: std::ops::Range<u64>) -> Result<(), Refused> {
    let records: Vec<Record> = seqs.map(record).collect();
    spool.send(&Batch { trail: "t", layout: &Layout::default(), records: &records })
}

fn config(dir: &Path) -> SpoolConfig {
    SpoolConfig { rotate_bytes: 300, ..SpoolConfig::of(dir) }
}

/// Every file's number of lines, and every record's number in order of names.
fn read(dir: &Path) -> (Vec<usize>, Vec<u64>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "ndjson"));
    paths.sort();
    let (mut lines, mut seqs) = (vec![], vec![]);
    for path in paths {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "a broken line");
        lines.push(text.lines().count());
        seqs.extend(text.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["log"]["it_seq"].as_u64().unwrap()
        }));
    }
    (lines, seqs)
}

#[test]
fn batches_are_appended_whole_and_files_rotate_between_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(config(dir.path())).unwrap();
    for batch in [0..2, 2..9, 9..10, 10..11, 11..12, 12..13, 13..14] {
        send(&mut spool, batch).unwrap();
    }
    assert_eq!(read(dir.path()), (vec![9, 4, 1], (0..14).collect()));
    let names: Vec<_> = files::list(dir.path(), "innertrail").unwrap();
    assert_eq!(names, [0, 1, 2]);
}

/// A kill in the middle of a write leaves a part of a line. A tailer must see the record whole, and once more at most.
#[test]
fn what_a_crash_left_of_a_line_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    send(&mut Spool::open(config(dir.path())).unwrap(), 0..2).unwrap();
    let path = files::path(dir.path(), "innertrail", 0);
    let whole = fs::read(&path).unwrap();
    let line = whole.len() / 2;
    for cut in 1..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let mut spool = Spool::open(config(dir.path())).unwrap();
        let kept = read(dir.path()).1;
        assert_eq!(kept, (0..(cut / line) as u64).collect::<Vec<_>>(), "cut at {cut}");
        send(&mut spool, 0..2).unwrap();
        assert_eq!(read(dir.path()).1, kept.into_iter().chain(0..2).collect::<Vec<_>>());
        drop(spool);
        let _ = fs::remove_file(files::path(dir.path(), "innertrail", 1));
    }
    // Longer than what is read backwards at a time.
    fs::write(&path, [&whole[..], &vec![b'x'; 200_000]].concat()).unwrap();
    let _spool = Spool::open(config(dir.path())).unwrap();
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn one_process_has_the_spool_and_others_files_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("innertrail-7.ndjson"), "theirs").unwrap();
    fs::write(dir.path().join("other-00000000000000000009.ndjson"), "theirs").unwrap();
    let mut spool = Spool::open(SpoolConfig { keep: Some(Duration::ZERO), ..config(dir.path()) }).unwrap();
    assert!(matches!(Spool::open(config(dir.path())), Err(SpoolError::Held(_))));
    assert!(Spool::open(SpoolConfig { prefix: "another".to_owned(), ..config(dir.path()) }).is_ok());
    for seq in 0..12 {
        send(&mut spool, seq..seq + 1).unwrap();
    }
    assert_eq!(fs::read_to_string(dir.path().join("innertrail-7.ndjson")).unwrap(), "theirs");
    assert_eq!(fs::read_to_string(dir.path().join("other-00000000000000000009.ndjson")).unwrap(), "theirs");
    for prefix in ["", ".x", "a/b", "../a", "ü"] {
        let config = SpoolConfig { prefix: prefix.to_owned(), ..config(dir.path()) };
        assert!(matches!(Spool::open(config), Err(SpoolError::Prefix(_))), "{prefix}");
    }
    assert!(matches!(
        Spool::open(SpoolConfig { encoding: Encoding::Native, ..config(dir.path()) }),
        Err(SpoolError::Encoding)
    ));
}

#[test]
fn files_are_deleted_when_that_is_configured_and_they_are_old() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(config(dir.path())).unwrap();
    for seq in 0..9 {
        send(&mut spool, seq..seq + 1).unwrap();
    }
    let all = files::list(dir.path(), "innertrail").unwrap().len();
    assert!(all > 2, "{all}");
    let hour = Duration::from_secs(3_600);
    let soon = SystemTime::now() + hour;
    spool.expire(hour * 2, soon).unwrap();
    assert_eq!(files::list(dir.path(), "innertrail").unwrap().len(), all);
    spool.expire(hour / 2, SystemTime::now() - hour).unwrap();
    assert_eq!(files::list(dir.path(), "innertrail").unwrap().len(), all, "a clock that was set back");
    spool.expire(hour / 2, soon).unwrap();
    assert_eq!(files::list(dir.path(), "innertrail").unwrap().len(), 1, "the newest is never deleted");
    // The number goes on after a restart, even where older files are gone.
    let newest = files::list(dir.path(), "innertrail").unwrap()[0];
    drop(spool);
    let mut spool = Spool::open(SpoolConfig { rotate_bytes: 1, ..config(dir.path()) }).unwrap();
    send(&mut spool, 9..10).unwrap();
    assert_eq!(files::list(dir.path(), "innertrail").unwrap(), [newest, newest + 1]);
}

/// On a full disk a part of the batch may get there. It must be gone before the batch is sent again.
#[test]
fn what_a_failed_write_left_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(config(dir.path())).unwrap();
    send(&mut spool, 0..1).unwrap();
    let path = files::path(dir.path(), "innertrail", 0);
    // A handle that cannot write stands for a disk that takes no more, and bytes behind the end for what it took.
    spool.open.as_mut().unwrap().handle = File::open(&path).unwrap();
    let mut by_hand = fs::OpenOptions::new().append(true).open(&path).unwrap();
    let refused = send(&mut spool, 1..2).unwrap_err();
    assert!(matches!(&refused, Refused::Later { why, .. } if why.contains("innertrail-")), "{refused}");
    by_hand.write_all(b"{\"log\":{\"half").unwrap();
    assert!(send(&mut spool, 1..2).is_err(), "it cannot be taken back yet");
    spool.open.as_mut().unwrap().handle = by_hand;
    send(&mut spool, 1..3).unwrap();
    assert_eq!(read(dir.path()).1, [0, 1, 2]);
}

/// A tailer's cleaner may remove the file under us: what is written to it then is lost without an error.
#[test]
fn a_removed_file_gets_no_more_lines() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(config(dir.path())).unwrap();
    send(&mut spool, 0..1).unwrap();
    fs::remove_file(files::path(dir.path(), "innertrail", 0)).unwrap();
    send(&mut spool, 1..2).unwrap();
    assert_eq!((read(dir.path()).1, files::list(dir.path(), "innertrail").unwrap()), (vec![1], vec![1]));
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The story: folder 0700 and files 0600 are right for an agent that is root. Vector, the Collector and Fluentd come with
/// users of their own, and their blocks did not work as printed.
#[test]
fn readers_are_let_in_as_told_and_nobody_else_is() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    // Only root can give files to a group that it is not in.
    let own = fs::metadata(dir.path()).unwrap();
    let gid = if own.uid() == 0 { 4_242 } else { own.gid() };
    let spooled = |path: &Path, group: Option<String>, readers| {
        let mut spool = Spool::open(SpoolConfig { group, readers, ..config(path) }).unwrap();
        (0..9).for_each(|seq| send(&mut spool, seq..seq + 1).unwrap());
        files::list(path, "innertrail")
            .unwrap()
            .into_iter()
            .map(|n| files::path(path, "innertrail", n))
            .collect::<Vec<_>>()
    };
    for (name, group, readers, files_mode, folder_mode) in [
        ("default", None, None, 0o600, 0o700),
        ("owner", None, Some(Readers::Owner), 0o600, 0o700),
        ("group", Some(gid.to_string()), Some(Readers::Group), 0o640, 0o750),
        ("everybody", None, Some(Readers::Everybody), 0o644, 0o755),
    ] {
        let path = dir.path().join("made").join(name);
        let files = spooled(&path, group.clone(), readers);
        assert!(files.len() > 2);
        for file in &files {
            assert_eq!(mode(file), files_mode, "{name}: {}", file.display());
            assert!(group.is_none() || fs::metadata(file).unwrap().gid() == gid, "{name}");
        }
        assert_eq!(mode(&path), folder_mode, "{name}");
        assert_eq!(mode(&path.join(".innertrail.lock")), 0o600, "{name}");
        // What is there already is opened to readers who are named later, and a folder that lets more in stays as it is.
        let files = spooled(&path, Some(gid.to_string()), Some(Readers::Group));
        assert!(files.iter().all(|file| mode(file) == 0o640 && fs::metadata(file).unwrap().gid() == gid), "{name}");
        assert_eq!(mode(&path), if name == "everybody" { 0o755 } else { 0o750 }, "{name}");
    }
    // A folder above that had to be made can be entered by whoever came first to need it.
    let deep = dir.path().join("a/b/c");
    spooled(&deep, None, Some(Readers::Everybody));
    assert_eq!([mode(&dir.path().join("a")), mode(&dir.path().join("a/b")), mode(&deep)], [0o755; 3]);
    let unknown = SpoolConfig { group: Some("no-such-group".to_owned()), ..config(dir.path()) };
    assert!(matches!(Spool::open(unknown), Err(SpoolError::Group(name)) if name == "no-such-group"));
}
