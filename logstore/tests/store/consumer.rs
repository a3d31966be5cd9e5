//! Consumers from outside: cursors, pages, what is durable, waiting, groups.
//! Readers here share nothing with the writer but the files, unless a test is about [`Notify`].

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use innertrail_logstore::consumer::{
    ConsumerError, Cursor, GroupOptions, Groups, Lease, MAX_GROUPS, Notify, Reader, ReaderOptions,
};
use innertrail_logstore::{Error, Options, SealKey, Snapshot, Store, Writer};
use proptest::prelude::*;

use crate::support::{CountdownDisk, HOUR, NOW, event, events, expected, layout, open, plain, raw, small, unsynced};

const SECOND: i64 = 1_000_000;

fn reader(dir: &Path) -> Reader {
    Reader::open(dir, ReaderOptions::default()).unwrap()
}

fn listening(dir: &Path, notify: &Notify) -> Reader {
    let mut options = ReaderOptions::default();
    options.notify = Some(notify.clone());
    Reader::open(dir, options).unwrap()
}

/// The sequence numbers of everything from a cursor on, in pages of `rows`.
fn drain(reader: &mut Reader, mut from: Cursor, rows: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    loop {
        let page = reader.pull(from, rows, usize::MAX).unwrap();
        seqs.extend(page.rows.iter().map(|r| r.seq));
        from = page.next;
        if page.rows.is_empty() {
            return seqs;
        }
    }
}

fn sealed(dir: &Path, count: u64) {
    let mut writer = Writer::open(dir, "main", layout(), unsynced(small(40)), NOW).unwrap();
    for id in 0..count {
        writer.commit(events([id]), NOW + id as i64 * SECOND).unwrap();
    }
    writer.seal_tail(NOW + count as i64 * SECOND).unwrap();
}

fn temporary() -> (tempfile::TempDir, std::path::PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    (parent, dir)
}

/// Base64 of a decimal number, as a client that does arithmetic on cursors writes it.
fn client_text(number: u64) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String = number.to_string().bytes().map(|b| format!("{b:08b}")).collect();
    let mut text: String = bits
        .as_bytes()
        .chunks(6)
        .map(|c| {
            let six = format!("{:0<6}", std::str::from_utf8(c).unwrap());
            char::from(ALPHABET[usize::from_str_radix(&six, 2).unwrap()])
        })
        .collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// The number in a cursor's text.
fn client_number(text: &str) -> u64 {
    let wanted = |n: &u64| client_text(*n) == text;
    // A cursor is 1 << 62 | store | tag | seq: undo the text by reading it as the client does.
    let digits: String = {
        const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let bits: String =
            text.trim_end_matches('=').chars().map(|c| format!("{:06b}", ALPHABET.find(c).unwrap())).collect();
        bits.as_bytes()
            .chunks_exact(8)
            .map(|c| char::from(u8::from_str_radix(std::str::from_utf8(c).unwrap(), 2).unwrap()))
            .collect()
    };
    let number = digits.parse().unwrap();
    assert!(wanted(&number));
    number
}

#[test]
fn a_cursor_survives_its_text_and_other_readers() {
    let (_parent, dir) = temporary();
    sealed(&dir, 100);
    let mut one = reader(&dir);
    let text = one.newest(Store::Log, 30).to_string();
    let mut other = reader(&dir);
    let cursor = other.parse(Store::Log, &text).unwrap();
    assert_eq!((cursor.seq(), cursor.store(), cursor.to_string()), (70, Store::Log, text.clone()));
    assert_eq!(one.parse(Store::Log, &format!("{text}\n")).unwrap(), cursor, "clients add a line feed");
    assert_eq!(drain(&mut other, cursor, 7), (70..100).collect::<Vec<_>>());
    assert_eq!(other.begin(Store::Log).seq(), 0);
    assert_eq!(other.end(Store::Log).seq(), 100);
    assert_eq!(other.received_at(cursor).unwrap(), Some(NOW + 70 * SECOND));
    let end = other.end(Store::Log);
    assert_eq!(other.received_at(end).unwrap(), None);
    // A stored cursor must mean the same place in later versions.
    insta::assert_snapshot!(text, @"NTI0MjgyMzI4NDk1Njg1NjM5MA==");
}

/// The Python client finds the record before a cursor by decoding it to a number and taking one away.
#[test]
fn clients_may_do_arithmetic_on_cursors() {
    let (_parent, dir) = temporary();
    sealed(&dir, 3);
    let mut reader = reader(&dir);
    let end = client_number(&reader.end(Store::Log).to_string());
    assert_eq!(reader.parse(Store::Log, &client_text(end - 1)).unwrap().seq(), 2);
    assert!(end < i64::MAX.unsigned_abs());
    let begin = client_number(&reader.begin(Store::Log).to_string());
    let before = reader.parse(Store::Log, &client_text(begin - 1)).unwrap_err();
    assert!(matches!(before, ConsumerError::OtherTrail { .. }), "{before}");
}

#[test]
fn hostile_cursors_are_refused_by_kind() {
    let (parent, dir) = temporary();
    sealed(&dir, 3);
    let other = parent.path().join("other");
    Writer::open(&other, "other-trail", layout(), Options::new(SealKey::new("other-trail", [1; 32]).unwrap()), NOW)
        .unwrap();
    let later = parent.path().join("later");
    Writer::open(&later, "main", layout(), plain(), NOW + 1).unwrap();
    let mut reader = reader(&dir);
    let good = reader.begin(Store::Log).to_string();
    let number = client_number(&good);
    for text in [
        "",
        "\n",
        "begin",
        "0",
        "MA==",
        "====",
        "Ａ",
        "\u{1b}[31m",
        &good[1..],
        &good[..26],
        &format!("{good} "),
        &format!(" {good}"),
        &format!("{good}\n\n"),
        &good.replace('=', "A"),
        &client_text(0),
        &client_text(u64::MAX),
        &client_text((1 << 62) - 1),
        &client_text(1 << 63),
        &"A".repeat(100_000),
        &"\u{0}".repeat(28),
    ] {
        let error = reader.parse(Store::Log, text).unwrap_err();
        assert!(matches!(error, ConsumerError::NotACursor), "{text:?}: {error}");
    }
    let error = reader.parse(Store::Quarantine, &good).unwrap_err();
    assert!(matches!(error, ConsumerError::OtherStore { found: Store::Log, wanted: Store::Quarantine }), "{error}");
    for foreign in [&other, &later] {
        let text = Reader::open(foreign, ReaderOptions::default()).unwrap().begin(Store::Log).to_string();
        let error = reader.parse(Store::Log, &text).unwrap_err();
        assert!(matches!(error, ConsumerError::OtherTrail { .. }), "{error}");
    }
    let error = reader.parse(Store::Log, &client_text(number + 4)).unwrap_err();
    assert!(matches!(error, ConsumerError::Beyond { at: 4, end: 3, .. }), "{error}");
    let last = reader.parse(Store::Log, &client_text(number | ((1 << 44) - 1))).unwrap_err();
    assert!(matches!(last, ConsumerError::Beyond { end: 3, .. }), "{last}");
}

proptest! {
    #[test]
    fn any_text_is_a_cursor_in_one_way_or_none(text in "\\PC{0,40}|[A-Za-z0-9+/]{26}==|[A-Za-z0-9+/=]{28}", seq in 0u64..1 << 44) {
        if let Some(cursor) = Cursor::parse(&text) {
            prop_assert_eq!(cursor.to_string(), text);
        }
        let made = client_text(1 << 62 | seq);
        let cursor = Cursor::parse(&made).unwrap();
        prop_assert_eq!((cursor.seq(), cursor.to_string()), (seq, made));
    }
}

#[test]
fn pages_are_dense_and_bounded_over_segments_and_tail() {
    let (_parent, dir) = temporary();
    let mut writer = Writer::open(&dir, "main", layout(), unsynced(small(40)), NOW).unwrap();
    for id in 0..150 {
        writer.commit(events([id]), NOW + id as i64 * SECOND).unwrap();
    }
    // The checkpoint that is due with this one proves all of them.
    writer.commit(events([150]), NOW + HOUR / 2).unwrap();
    let mut reader = reader(&dir);
    assert!(reader.snapshot().segments(Store::Log).len() > 2 && reader.snapshot().tail_from(Store::Log) < 150);
    let begin = reader.begin(Store::Log);
    for rows in [1, 7, 40, 1000] {
        assert_eq!(drain(&mut reader, begin, rows), (0..151).collect::<Vec<_>>(), "pages of {rows}");
    }
    // A segment that is read on and on is read as one that is opened anew, however the pages fall and places change.
    let mut at = 0u64;
    for (rows, bytes, back) in
        [(300, 700, 0), (300, 0, 1), (1, 1 << 20, 0), (256, 900, 0), (300, 1, 3), (1000, 1 << 20, 2)]
    {
        let fresh = Reader::open(&dir, ReaderOptions::default()).unwrap().pull(begin.at(at), rows, bytes).unwrap();
        let page = reader.pull(begin.at(at), rows, bytes).unwrap();
        assert_eq!(page, fresh, "{rows} rows, {bytes} bytes from {at}");
        at = page.next.seq().saturating_sub(back);
    }
    let page = reader.pull(begin, 5, usize::MAX).unwrap();
    assert_eq!(page.rows, (0..5).map(|id| expected(id, id, NOW + id as i64 * SECOND)).collect::<Vec<_>>());
    assert!(!page.at_end);
    let three = (0..3).map(|id| event(id).len()).sum();
    assert_eq!(reader.pull(begin, 1000, three).unwrap().rows.len(), 3);
    assert_eq!(reader.pull(begin, 1000, three - 1).unwrap().rows.len(), 2);
    assert_eq!(reader.pull(begin, 1000, 0).unwrap().rows.len(), 1, "one record is always given");
    assert_eq!(reader.pull(begin, 0, 1 << 20).unwrap().rows.len(), 1);
    let end = reader.end(Store::Log);
    let page = reader.pull(end, 10, 10).unwrap();
    assert_eq!((page.rows.len(), page.next, page.at_end), (0, end, true), "an unchanged cursor is `nothing new`");
    assert_eq!(reader.pull(reader.begin(Store::Quarantine), 10, 10).unwrap().rows.len(), 0);
}

/// The story: rules read whole batches of sixty columns to look at five, which cost more than evaluating them.
#[test]
fn the_tail_is_seen_in_place_as_it_is_pulled() {
    let (_parent, dir) = temporary();
    let mut writer = Writer::open(&dir, "main", layout(), unsynced(small(40)), NOW).unwrap();
    let notify = Notify::new();
    for id in 0..100 {
        writer.commit(events([id]), NOW + id as i64 * SECOND).unwrap();
    }
    notify.committed(writer.state());
    let mut reader = listening(&dir, &notify);
    let columns = u8::try_from(layout().columns.len()).unwrap();
    let (mut at, mut in_place) = (reader.begin(Store::Log), 0);
    loop {
        let pulled = reader.pull(at, 7, usize::MAX).unwrap();
        let Some(page) = reader.tail(at, 7).unwrap() else {
            assert!(!pulled.rows.is_empty(), "a segment holds what is not in the tail");
            at = pulled.next;
            continue;
        };
        assert_eq!((page.next, page.at_end), (pulled.next, pulled.at_end));
        assert_eq!(page.rows.len(), pulled.rows.len());
        for (row, pulled) in page.rows.iter().zip(&pulled.rows) {
            assert_eq!((row.seq, row.received_us, row.payload()), (pulled.seq, pulled.received_us, pulled.payload()));
            for column in 0..columns {
                assert_eq!(row.column(column), pulled.column(column), "column {column}");
            }
        }
        in_place += page.rows.len();
        at = page.next;
        if pulled.rows.is_empty() {
            break;
        }
    }
    assert!(at.seq() == 100 && (1..100).contains(&in_place), "{at:?}, {in_place} in place");
    // What is not acknowledged is not there, and a place that does not exist is refused as a pull refuses it.
    writer.commit(events([100]), NOW).unwrap();
    let mut other = Reader::open(&dir, ReaderOptions::default()).unwrap();
    let end = other.end(Store::Log);
    let page = other.tail(end, 7).unwrap().unwrap();
    assert!(page.rows.len() <= 1 && page.next.seq() <= 101);
    let beyond = reader.tail(at.at(500), 7).map(|page| page.is_some());
    assert!(matches!(beyond, Err(ConsumerError::Beyond { .. })), "{beyond:?}");
}

#[test]
fn records_that_vanish_are_an_error_and_never_a_gap() {
    let (_parent, dir) = temporary();
    sealed(&dir, 100);
    let mut reader = reader(&dir);
    let begin = reader.begin(Store::Log);
    fs::remove_file(&reader.snapshot().segments(Store::Log)[0].path).unwrap();
    let error = reader.pull(begin, 10, 1 << 20).unwrap_err();
    assert!(matches!(error, ConsumerError::Logstore(Error::Gap { .. })), "{error}");
}

/// Twelve records of frame one are followed by frame two, whose sync fails.
fn unsynced_frame(dir: &Path) -> Reader {
    let (disk, left) = CountdownDisk::new(u64::MAX, io::ErrorKind::StorageFull);
    let mut options = plain();
    options.disk = disk;
    let mut writer = Writer::open(dir, "main", layout(), options, NOW).unwrap();
    writer.commit(events(0..12), NOW).unwrap();
    let early = reader(dir);
    left.store(1, Ordering::SeqCst);
    writer.commit(events(12..20), NOW).unwrap_err();
    early
}

/// The story: a frame is in the page cache, its sync failed, and the machine loses power. A consumer that had been given
/// the frame stands behind records that never were; when the log grows again, it misses as many.
#[test]
fn a_frame_that_nobody_synced_is_not_handed_out() {
    let (_parent, dir) = temporary();
    let mut early = unsynced_frame(&dir);
    let mut late = reader(&dir);
    for _ in 0..5 {
        late.refresh().unwrap();
    }
    assert_eq!(late.snapshot().end(Store::Log), 20, "it can be read");
    let begin = late.begin(Store::Log);
    assert_eq!((drain(&mut late, begin, 1000).len(), late.withheld(Store::Log)), (12, 8));
    let end = late.end(Store::Log);
    assert!(!late.wait(end, Duration::from_millis(50)).unwrap());
    // A reader whose file was open before the frame began syncs it itself; then it is durable, whoever did it.
    early.refresh().unwrap();
    assert_eq!(early.end(Store::Log).seq(), 12, "a writer that is still at work is left alone");
    early.refresh().unwrap();
    assert_eq!(drain(&mut early, begin, 1000), (0..20).collect::<Vec<_>>());
    // Its cursor is good for the other reader, which has nothing to give for it yet.
    let ahead = late.parse(Store::Log, &early.end(Store::Log).to_string()).unwrap();
    assert!(late.pull(ahead, 10, 10).unwrap().rows.is_empty());
    // The next writer keeps the frame; what it adds proves it, and the numbers are the same.
    let mut writer = open(&dir);
    writer.commit(events(20..21), NOW).unwrap();
    assert_eq!(drain(&mut late, end, 1000), (12..20).collect::<Vec<_>>());
}

#[test]
fn a_sync_that_failed_is_told_once_and_never_tried_again() {
    fn fails(_: &File) -> io::Result<()> {
        Err(io::Error::other("the disk is gone"))
    }
    let (_parent, dir) = temporary();
    let mut writer = open(&dir);
    let mut options = ReaderOptions::default();
    options.sync = fails;
    let mut reader = Reader::open(&dir, options).unwrap();
    writer.commit(events(0..3), NOW).unwrap();
    reader.refresh().unwrap();
    let error = reader.refresh().unwrap_err();
    assert!(matches!(error, ConsumerError::Logstore(Error::Write { .. })), "{error}");
    reader.refresh().unwrap();
    assert_eq!((reader.end(Store::Log).seq(), reader.withheld(Store::Log)), (0, 3));
    writer.commit(events(3..5), NOW).unwrap();
    reader.refresh().unwrap();
    assert_eq!(reader.end(Store::Log).seq(), 3, "the next frame proves the one before");
    writer.seal_tail(NOW).unwrap();
    reader.refresh().unwrap();
    assert_eq!(reader.end(Store::Log).seq(), 5, "a segment proves what it holds");
}

#[test]
fn the_newest_checkpoint_proves_what_it_names() {
    let (_parent, dir) = temporary();
    drop(unsynced_frame(&dir));
    let mut late = reader(&dir);
    let checkpoint = |text: &str| {
        fs::create_dir_all(dir.join("seal")).unwrap();
        fs::write(dir.join("seal/checkpoint"), text).unwrap();
    };
    for (text, end) in [
        ("", 12),
        ("innertrail/other\n20\nAAAA\n", 12),
        ("innertrail/main\nmany\nAAAA\n", 12),
        ("innertrail/main\n15\nAAAA\nquarantine 0 AAAA\n\n", 15),
        ("innertrail/main\n99\nAAAA\nquarantine 0 AAAA\n\n", 20),
    ] {
        checkpoint(text);
        late.refresh().unwrap();
        assert_eq!(late.end(Store::Log).seq(), end, "{text:?}");
    }
}

#[test]
fn a_writer_of_the_same_process_is_believed_at_once() {
    let (_parent, dir) = temporary();
    let notify = Notify::new();
    let mut writer = open(&dir);
    let mut reader = listening(&dir, &notify);
    writer.commit(events(0..3), NOW).unwrap();
    reader.refresh().unwrap();
    assert_eq!(reader.end(Store::Log).seq(), 0);
    notify.committed(writer.state());
    assert_eq!(reader.end(Store::Log).seq(), 3);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(100));
            writer.commit(events(3..4), NOW).unwrap();
            notify.committed(writer.state());
        });
        let begun = Instant::now();
        assert!(reader.wait(reader.end(Store::Log), Duration::from_secs(60)).unwrap());
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    });
    assert_eq!(reader.end(Store::Log).seq(), 4);
}

#[test]
fn waiting_ends_with_its_time_and_ignores_other_stores() {
    let (_parent, dir) = temporary();
    let mut writer = open(&dir);
    let mut reader = reader(&dir);
    let end = reader.end(Store::Log);
    let begun = Instant::now();
    assert!(!reader.wait(end, Duration::from_millis(120)).unwrap());
    assert!(begun.elapsed() >= Duration::from_millis(120));
    let mut txn = writer.begin();
    txn.push(Store::Quarantine, &raw(b"refused"), 7);
    writer.commit(txn, NOW).unwrap();
    assert!(!reader.wait(end, Duration::from_millis(50)).unwrap());
    assert!(reader.wait(reader.begin(Store::Quarantine), Duration::from_secs(30)).unwrap());
}

/// A record must be visible to other processes within a second of being appended, under full ingest, rotations included.
#[test]
fn records_are_visible_within_a_second_under_full_ingest() {
    let (_parent, dir) = temporary();
    let mut writer = Writer::open(&dir, "main", layout(), small(4000), NOW).unwrap();
    let mut reader = reader(&dir);
    let appended = Mutex::new(BTreeMap::new());
    let done = AtomicBool::new(false);
    let mut took = thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            let mut id = 0;
            while begun.elapsed() < Duration::from_secs(3) {
                let txn = events(id..id + 100);
                appended.lock().unwrap().insert(id, Instant::now());
                writer.commit(txn, NOW).unwrap();
                id += 100;
            }
            // The very last frame may be one that only a segment proves to this reader: the first of a new file.
            writer.seal_tail(NOW).unwrap();
            done.store(true, Ordering::SeqCst);
        });
        let mut took = Vec::new();
        let mut next = reader.begin(Store::Log);
        loop {
            let over = done.load(Ordering::SeqCst);
            if !reader.wait(next, Duration::from_millis(500)).unwrap() && over {
                break;
            }
            let page = reader.pull(next, 1000, usize::MAX).unwrap();
            let now = Instant::now();
            let appended = appended.lock().unwrap();
            took.extend(page.rows.iter().filter_map(|r| appended.get(&r.seq)).map(|at| now - *at));
            assert!(page.rows.iter().map(|r| r.seq).eq(next.seq()..page.next.seq()));
            next = page.next;
        }
        assert_eq!(next.seq(), appended.lock().unwrap().len() as u64 * 100, "everything came, once");
        took
    });
    took.sort_unstable();
    let [half, most] = [took.len() / 2, took.len() * 99 / 100].map(|i| took[i]);
    println!("{} frames, append to visible: half within {half:?}, 99 % within {most:?}", took.len());
    assert!(took.len() > 20, "only {} frames: the machine is too slow for this test to say anything", took.len());
    assert!(most < Duration::from_secs(1), "99 % within {most:?}");
}

#[test]
fn a_time_leads_to_the_first_record_received_at_or_after_it() {
    let (_parent, dir) = temporary();
    let mut writer = Writer::open(&dir, "main", layout(), unsynced(small(10)), NOW).unwrap();
    // Every ten minutes from 23:00 on, so that a day ends in between; then the clock is set back by half an hour.
    let minute = HOUR / 60;
    let mut times: Vec<i64> = (0..30).map(|i| NOW + i * 10 * minute).collect();
    times.extend((0..15).map(|i| NOW + 270 * minute + i * minute));
    for (id, time) in times.iter().enumerate() {
        writer.commit(events([id as u64]), *time).unwrap();
    }
    let mut reader = reader(&dir);
    reader.refresh().unwrap();
    reader.refresh().unwrap();
    assert!(reader.snapshot().segments(Store::Log).len() > 3 && reader.snapshot().tail_from(Store::Log) < 45);
    let durable = reader.end(Store::Log).seq();
    for wanted in (-20..320).map(|i| NOW + i * minute + 1).chain(times.clone()).chain([i64::MIN, i64::MAX, 0]) {
        let first = times.iter().position(|t| *t >= wanted).map_or(u64::MAX, |at| at as u64).min(durable);
        assert_eq!(reader.at_time(Store::Log, wanted).unwrap().seq(), first, "{wanted}");
    }
    assert_eq!(reader.at_time(Store::Quarantine, 0).unwrap().seq(), 0);
}

#[test]
fn groups_are_made_listed_changed_and_removed() {
    let (_parent, dir) = temporary();
    sealed(&dir, 10);
    let groups = Groups::open(&dir).unwrap();
    assert_eq!(groups.names().unwrap(), Vec::<String>::new());
    let made = groups.create("siem", Store::Log, GroupOptions::default(), NOW).unwrap();
    assert_eq!((made.cursor, made.owner.clone(), made.updated_us), (None, None, NOW));
    assert_eq!(Groups::open(&dir).unwrap().get("siem").unwrap(), made);
    let again = groups.create("siem", Store::Log, GroupOptions::default(), NOW).unwrap_err();
    assert!(matches!(again, ConsumerError::Exists { .. }), "{again}");
    let options = GroupOptions { timeout_us: 5 * SECOND, in_order: false };
    assert_eq!(groups.update("siem", options).unwrap().options, options);
    for name in ["", "-a", "_a", ".hidden", "a.b", "../a", "a/b", "ä", "a b", "a\n", &"a".repeat(129)] {
        let error = groups.create(name, Store::Log, GroupOptions::default(), NOW).unwrap_err();
        assert!(matches!(error, ConsumerError::GroupName), "{name:?}: {error}");
        assert!(matches!(groups.get(name), Err(ConsumerError::GroupName)), "{name:?}");
    }
    for timeout_us in [i64::MIN, 0, SECOND - 1, 24 * HOUR + 1] {
        let error = groups.update("siem", GroupOptions { timeout_us, in_order: true }).unwrap_err();
        assert!(matches!(error, ConsumerError::Timeout { .. }), "{error}");
    }
    let long = "a".repeat(128);
    for name in ["LOCK", "9", "A_b-c", &long] {
        groups.create(name, Store::Quarantine, GroupOptions::default(), NOW).unwrap();
    }
    for i in 5..MAX_GROUPS {
        groups.create(&format!("group-{i}"), Store::Log, GroupOptions::default(), NOW).unwrap();
    }
    let full = groups.create("one-more", Store::Log, GroupOptions::default(), NOW).unwrap_err();
    assert!(matches!(full, ConsumerError::TooManyGroups { limit: 30 }), "{full}");
    assert_eq!(groups.names().unwrap().len(), MAX_GROUPS);
    groups.delete("siem").unwrap();
    assert!(matches!(groups.get("siem"), Err(ConsumerError::NoGroup { .. })));
    assert!(matches!(groups.delete("siem"), Err(ConsumerError::NoGroup { .. })));
    groups.create("one-more", Store::Log, GroupOptions::default(), NOW).unwrap();
}

#[test]
fn one_consumer_holds_a_group_and_loses_it_by_silence() {
    let (_parent, dir) = temporary();
    sealed(&dir, 10);
    let groups = Groups::open(&dir).unwrap();
    let reader = reader(&dir);
    let at = |seq: u64| reader.newest(Store::Log, 10 - seq);
    groups.create("g", Store::Log, GroupOptions { timeout_us: 10 * SECOND, in_order: true }, NOW).unwrap();
    let beat = |who: &str, s: i64| groups.heartbeat("g", who, NOW + s * SECOND).unwrap();
    let note = |who: Option<&str>, seq: u64, force: bool, s: i64| {
        groups.checkpoint("g", who, at(seq), force, NOW + s * SECOND).map(|g| g.cursor.unwrap().seq())
    };
    let refused = |r: Result<u64, ConsumerError>, owner: Option<&str>| match r {
        Err(ConsumerError::NotOwner { owner: found, .. }) => assert_eq!(found.as_deref(), owner),
        other => panic!("{other:?}"),
    };
    refused(note(Some("a"), 1, true, 0), None);
    let held = |s: i64| Lease::Held { until_us: NOW + s * SECOND };
    let waiting = |who: &str, s: i64| Lease::Waiting { owner: who.to_owned(), until_us: NOW + s * SECOND };
    assert_eq!(beat("a", 0), held(10));
    assert_eq!(beat("b", 9), waiting("a", 10));
    assert_eq!(note(Some("a"), 2, false, 9).unwrap(), 2);
    assert_eq!(beat("b", 19), waiting("a", 19), "a checkpoint is a sign of life");
    refused(note(Some("b"), 3, true, 19), Some("a"));
    // Silent for longer than the timeout, but nobody came: the position is still a's to move.
    assert_eq!(note(Some("a"), 3, false, 40).unwrap(), 3);
    // Now b comes. What a still does is refused, forced or not.
    assert_eq!(beat("b", 51), held(61));
    refused(note(Some("a"), 9, false, 52), Some("b"));
    refused(note(Some("a"), 9, true, 52), Some("b"));
    assert_eq!(beat("a", 52), waiting("b", 61));
    let back = note(Some("b"), 2, false, 53).unwrap_err();
    assert!(matches!(back, ConsumerError::Backwards { stored: 3, wanted: 2, .. }), "{back}");
    assert_eq!(note(Some("b"), 3, false, 53).unwrap(), 3, "the same place again is fine");
    assert_eq!(note(Some("b"), 2, true, 53).unwrap(), 2);
    // An administrator's reset needs force, and whoever holds the group begins anew.
    refused(note(None, 7, false, 54), Some("b"));
    assert_eq!(note(None, 7, true, 54).unwrap(), 7);
    refused(note(Some("b"), 8, false, 55), None);
    assert_eq!(beat("b", 55), held(65));
    assert!(!groups.release("g", "a").unwrap());
    assert!(groups.release("g", "b").unwrap());
    assert_eq!(beat("a", 55), held(65));
    // A clock that was an hour ahead must not keep the group taken for an hour.
    assert_eq!(beat("a", 3600), held(3610));
    assert_eq!(beat("b", 60), held(70));
    for name in ["", "a\n", "\u{1b}[31m", &"x".repeat(257)] {
        assert!(matches!(groups.heartbeat("g", name, NOW), Err(ConsumerError::ConsumerName)), "{name:?}");
    }
    let wrong = groups.checkpoint("g", Some("b"), reader.begin(Store::Quarantine), true, NOW).unwrap_err();
    assert!(matches!(wrong, ConsumerError::OtherStore { .. }), "{wrong}");
}

#[test]
fn a_damaged_or_foreign_group_is_named_and_hides_no_other() {
    let (parent, dir) = temporary();
    sealed(&dir, 10);
    let groups = Groups::open(&dir).unwrap();
    let reader = reader(&dir);
    for name in ["a", "b"] {
        groups.create(name, Store::Log, GroupOptions::default(), NOW).unwrap();
        groups.heartbeat(name, "c", NOW).unwrap();
        groups.checkpoint(name, Some("c"), reader.end(Store::Log), false, NOW).unwrap();
    }
    let path = dir.join("consumers/a.json");
    let good = fs::read(&path).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    for at in 0..good.len() - 1 {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        // A letter of a key that may be missing can be flipped without meaning; then the content must be untouched.
        match groups.get("a") {
            Ok(group) => assert_eq!(group.cursor, Some(reader.end(Store::Log)), "byte {at}"),
            Err(ConsumerError::Damaged { .. } | ConsumerError::Logstore(Error::Version { .. })) => {}
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
    for cut in 0..good.len() - 2 {
        fs::write(&path, &good[..cut]).unwrap();
        assert!(matches!(groups.get("a"), Err(ConsumerError::Damaged { .. })), "cut at {cut}");
    }
    fs::write(&path, text.replacen("\"format\":1", "\"format\":2", 1)).unwrap();
    assert!(matches!(groups.get("a"), Err(ConsumerError::Logstore(Error::Version { found: 2, .. }))));
    fs::copy(dir.join("consumers/b.json"), &path).unwrap();
    assert!(matches!(groups.get("a"), Err(ConsumerError::Damaged { .. })), "b's position under a's name");
    assert_eq!(groups.names().unwrap(), ["a", "b"]);
    groups.get("b").unwrap();
    groups.delete("a").unwrap();
    groups.create("a", Store::Log, GroupOptions::default(), NOW).unwrap();
    // Positions of a Logstore that stood here before mean nothing in this one.
    let other = parent.path().join("other");
    Writer::open(&other, "main", layout(), plain(), NOW + 1).unwrap();
    fs::create_dir(other.join("consumers")).unwrap();
    fs::copy(dir.join("consumers/b.json"), other.join("consumers/b.json")).unwrap();
    let error = Groups::open(&other).unwrap().get("b").unwrap_err();
    assert!(matches!(error, ConsumerError::OtherTrail { .. }), "{error}");
}

/// A crash at any disk operation of a checkpoint leaves the old position or the new one, and both can be gone on from.
#[test]
fn a_crash_inside_a_checkpoint_leaves_the_old_or_the_new_position() {
    let (_parent, dir) = temporary();
    sealed(&dir, 10);
    let reader = reader(&dir);
    let sound = Groups::open(&dir).unwrap();
    sound.create("g", Store::Log, GroupOptions::default(), NOW).unwrap();
    let mut seen = Vec::new();
    for operations in 0.. {
        sound.heartbeat("g", "c", NOW).unwrap();
        sound.checkpoint("g", Some("c"), reader.newest(Store::Log, 8), true, NOW).unwrap();
        let (disk, _) = CountdownDisk::new(operations, io::ErrorKind::Other);
        let failing = Groups::with_disk(&dir, disk).unwrap();
        let result = failing.checkpoint("g", Some("c"), reader.newest(Store::Log, 3), false, NOW);
        let found = sound.get("g").unwrap().cursor.unwrap().seq();
        seen.push(found);
        assert!(found == 2 || found == 7, "after {operations} operations: {found}");
        if result.is_ok() {
            assert_eq!(found, 7);
            break;
        }
    }
    assert!(seen.len() > 4 && seen[0] == 2, "{seen:?}");
    assert_eq!(sound.names().unwrap(), ["g"]);
}

/// At least once: what was handed on and not yet noted comes again, nothing is left out.
#[test]
fn dying_between_handing_on_and_checkpoint_repeats_and_never_loses() {
    let (_parent, dir) = temporary();
    sealed(&dir, 100);
    let groups = Groups::open(&dir).unwrap();
    groups.create("g", Store::Log, GroupOptions::default(), NOW).unwrap();
    let mut handed_on: Vec<u64> = Vec::new();
    for life in 0..30 {
        let consumer = format!("life-{life}");
        let now = NOW + life * 2 * GroupOptions::default().timeout_us;
        assert!(matches!(groups.heartbeat("g", &consumer, now).unwrap(), Lease::Held { .. }));
        let mut reader = reader(&dir);
        let mut next = groups.position("g", &reader).unwrap();
        for page in 0.. {
            let pulled = reader.pull(next, 5, usize::MAX).unwrap();
            handed_on.extend(pulled.rows.iter().map(|r| r.seq));
            if page == life % 3 {
                break; // dies here
            }
            next = pulled.next;
            groups.checkpoint("g", Some(&consumer), next, false, now).unwrap();
        }
    }
    let repeats = handed_on.windows(2).filter(|w| w[1] <= w[0]).count();
    assert!(repeats > 10, "nothing was repeated: this test tests nothing");
    assert!(handed_on.windows(2).all(|w| w[1] <= w[0] + 1), "a gap");
    handed_on.sort_unstable();
    handed_on.dedup();
    assert_eq!(handed_on, (0..100).collect::<Vec<_>>());
}

const DIR: &str = "INNERTRAIL_LOGSTORE_GROUP_DIR";

#[test]
fn child_takes_turns_in_a_group() {
    let Some(dir) = std::env::var_os(DIR) else {
        eprintln!("only runs as the child of consumer::processes_take_turns_without_gap_or_repeat");
        return;
    };
    let dir = Path::new(&dir);
    let groups = Groups::open(dir).unwrap();
    let mut reader = reader(dir);
    let consumer = format!("process-{}", std::process::id());
    loop {
        // The time does not matter here: leases are let go, never lost.
        if let Lease::Waiting { .. } = groups.heartbeat("g", &consumer, NOW).unwrap() {
            thread::sleep(Duration::from_micros(200));
            continue;
        }
        let page = reader.pull(groups.position("g", &reader).unwrap(), 3, usize::MAX).unwrap();
        for row in &page.rows {
            println!("read {}", row.seq);
        }
        groups.checkpoint("g", Some(&consumer), page.next, false, NOW).unwrap();
        assert!(groups.release("g", &consumer).unwrap());
        if page.at_end {
            return;
        }
        thread::sleep(Duration::from_micros(500));
    }
}

#[test]
fn processes_take_turns_without_gap_or_repeat() {
    let (_parent, dir) = temporary();
    sealed(&dir, 240);
    Groups::open(&dir).unwrap().create("g", Store::Log, GroupOptions::default(), NOW).unwrap();
    let children: Vec<_> = (0..3)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "consumer::child_takes_turns_in_a_group", "--nocapture"])
                .env(DIR, &dir)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut read = Vec::new();
    let mut readers = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let before = read.len();
        read.extend(text.lines().filter_map(|l| l.split("read ").nth(1)?.parse::<u64>().ok()));
        readers += usize::from(read.len() > before);
    }
    read.sort_unstable();
    assert_eq!(read, (0..240).collect::<Vec<_>>());
    println!("{readers} of 3 processes read something");
    let group = Groups::open(&dir).unwrap().get("g").unwrap();
    assert_eq!((group.cursor.unwrap().seq(), group.owner), (240, None));
    assert_eq!(Snapshot::open(&dir).unwrap().end(Store::Log), 240);
}

#[test]
fn a_consumer_that_retention_overtook_learns_of_its_loss() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    for day in 0..3 {
        writer.commit(events(day * 10..day * 10 + 10), NOW + day as i64 * 24 * HOUR).unwrap();
    }
    let mut late = reader(&dir);
    let old = late.begin(Store::Log);
    let gone = writer.retire(Store::Log, chrono::NaiveDate::from_ymd_opt(2026, 11, 13).unwrap(), NOW + 48 * HOUR);
    assert_eq!(gone.unwrap().first_kept, 10);
    late.refresh().unwrap();
    let error = late.pull(old, 100, usize::MAX).unwrap_err();
    assert!(matches!(error, ConsumerError::Expired { at: 0, first_kept: 10, .. }), "{error}");
    let begin = late.begin(Store::Log);
    assert_eq!(drain(&mut late, begin, 7), (10..30).collect::<Vec<_>>());
}
