//! The token index: no word is ever missed, few ranges are named in vain, and damage is said.
//! It must never test how the index is built, only what it answers.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use innertrail_logstore::index::{RANGE_ROWS, TokenIndex, TokenIndexBuilder, rows_in_ranges, tokens};
use innertrail_logstore::{Error, SegmentRef, Snapshot, Store, Writer};
use proptest::prelude::*;

use super::support::{NOW, event as event_of, events, layout, payloads, small};

fn build<P: AsRef<[u8]>>(payloads: impl IntoIterator<Item = P>) -> Vec<u8> {
    let mut builder = TokenIndexBuilder::new();
    payloads.into_iter().for_each(|p| builder.push(p.as_ref()));
    builder.finish()
}

struct Kept {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn keep(bytes: &[u8]) -> Kept {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("i.tbf");
    fs::write(&path, bytes).unwrap();
    Kept { _dir: dir, path }
}

fn index<P: AsRef<[u8]>>(payloads: impl IntoIterator<Item = P>) -> TokenIndex {
    // The open file outlives its name.
    TokenIndex::open(&keep(&build(payloads)).path).unwrap()
}

fn cut(text: &str) -> Vec<String> {
    tokens(text).map(String::from).collect()
}

#[test]
fn every_default_delimiter_separates_and_nothing_else_of_ascii_but_backslash_and_controls() {
    let listed = ", '\";=()[]{}?@&<>/:\n\t\r";
    for c in (0..128u8).map(char::from) {
        let separates = cut(&format!("a{c}b")).len() == 2;
        assert_eq!(separates, listed.contains(c) || c == '\\' || c.is_ascii_control(), "{c:?}");
    }
}

#[test]
fn tokens_are_lower_cased_and_keep_their_length() {
    let long = "X".repeat(5_000);
    assert_eq!(cut(&format!("({long})")), ["x".repeat(5_000)]);
    assert_eq!(cut("AKID-1.É_z|ΣΑΣ"), ["akid-1.é_z|σασ"]);
    assert_eq!(cut("错误Code=订单，完成。x"), ["错", "误", "code", "订", "单", "完", "成", "x"]);
    assert_eq!(cut("カナa\u{fffd}b\u{3000}c"), ["カ", "ナ", "a", "b", "c"]);
    assert_eq!(cut(" \r\n{}"), [""; 0]);
    assert_eq!(cut(""), [""; 0]);
}

/// A question is a word of the decoded value (`line two`), a word of the stored text, or a word of JSON that was
/// itself written into a JSON string; raw text such as `\nline` must not hide any of them.
#[test]
fn words_are_found_behind_escapes() {
    let stored = r#"{"a":"one\nline \u8ba2\u5355 caf\u00e9S \ud83d\ude00k","p":"{\"b\":\"x\\ntwice\\u0026more \\\"q\\\"\"}","w":"C:\\temp\\new"}"#;
    let index = index([stored]);
    let all = |text: &str| index.candidates(&[text]).unwrap() == [Range { start: 0, end: 1 }];
    for word in ["line", "订单", "cafés", "😀k", "twice", "more", "q", "temp", "new", "nline", "u00e9s", r"C:\temp"]
    {
        assert!(all(word), "{word}");
    }
    let value: serde_json::Value = serde_json::from_str(stored).unwrap();
    for field in ["a", "p", "w"] {
        assert!(all(value[field].as_str().unwrap()), "{field}");
    }
    assert!(!all("absent") && !all("line absent"));
}

#[test]
fn what_is_text_in_a_payload_that_is_none_is_found() {
    let payload = b"\xff\xfeabc\xc3 Hidden\x80word \xe4\xb8key=\xe8\xae\xa2\xe5\x8d";
    let index = index([payload]);
    for word in ["abc", "hidden", "word", "key", "订"] {
        assert!(!index.candidates(&[word]).unwrap().is_empty(), "{word}");
    }
    let lossy = String::from_utf8_lossy(payload);
    assert!(!index.candidates(&[&lossy]).unwrap().is_empty());
    assert!(index.candidates(&["hiddenword"]).unwrap().is_empty());
}

#[test]
fn an_index_of_nothing_answers() {
    let empty = index([""; 0]);
    assert_eq!((empty.rows(), empty.candidates(&["a"]).unwrap(), empty.candidates(&[]).unwrap()), (0, vec![], vec![]));
    let blank = index([&b""[..], b"{}", b" "]);
    assert_eq!((blank.rows(), blank.candidates(&["a"]).unwrap()), (3, vec![]));
    assert_eq!(blank.candidates(&[" {} "]).unwrap(), [Range { start: 0, end: 3 }], "no token asks for every row");
}

/// Nine ranges and a bit, so that full groups, a group of one range and a short range are there.
#[test]
fn ranges_are_exact_at_their_borders_and_merge() {
    let rows = 9 * RANGE_ROWS + 5;
    let payload = |n: u64| {
        let range = n / RANGE_ROWS;
        let last = if n % RANGE_ROWS == RANGE_ROWS - 1 || n == rows - 1 { " last" } else { "" };
        let odd = if range % 2 == 1 { " odd" } else { "" };
        let first = if range < 4 { " group" } else { "" };
        format!("everywhere r{range}{last}{odd}{first} n{n}")
    };
    let bytes = build((0..rows).map(payload));
    assert_eq!(bytes, build((0..rows).map(payload)), "equal rows give equal bytes");
    let kept = keep(&bytes);
    let index = TokenIndex::open(&kept.path).unwrap();
    assert_eq!(index.rows(), rows);
    let ask = |tokens: &[&str]| index.candidates(tokens).unwrap();
    let range = |r: u64| r * RANGE_ROWS..((r + 1) * RANGE_ROWS).min(rows);
    assert_eq!(ask(&["EVERYwhere"]), [Range { start: 0, end: rows }]);
    assert_eq!(ask(&[]), [Range { start: 0, end: rows }]);
    assert_eq!(ask(&["last"]), [Range { start: 0, end: rows }]);
    assert_eq!(ask(&["group"]), [Range { start: 0, end: 4 * RANGE_ROWS }]);
    assert_eq!(ask(&["odd"]), [range(1), range(3), range(5), range(7), range(9)]);
    assert_eq!(ask(&["odd", "group"]), [range(1), range(3)]);
    assert_eq!(ask(&["odd group/r3"]), [range(3)], "a text asks for every token in it");
    assert_eq!(ask(&["r9"]), [range(9)]);
    for n in [0, RANGE_ROWS - 1, RANGE_ROWS, 4 * RANGE_ROWS - 1, 4 * RANGE_ROWS, 8 * RANGE_ROWS, rows - 1] {
        assert_eq!(ask(&[&format!("n{n}"), &format!("r{}", n / RANGE_ROWS)]), [range(n / RANGE_ROWS)], "{n}");
    }
    let again = TokenIndex::open(&kept.path).unwrap();
    for token in ["odd", "group", "n77", "absent", "everywhere"] {
        assert_eq!(ask(&[token]), again.candidates(&[token]).unwrap());
    }
}

fn mix(n: u64) -> u64 {
    let z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    z ^ (z >> 32)
}

/// The aim is 0.4 % of ranges for a word that is nowhere, at 9.7 bytes an event with 5 tokens of its own and 0.5 of all.
#[test]
fn false_positives_and_size_stay_below_their_aims() {
    let rows = 4 * RANGE_ROWS;
    let bytes = build((0..rows).map(|n| {
        let own: Vec<_> = (0..5).map(|i| format!("{:x}", mix(5 * n + i))).collect();
        format!("{{\"id\":\"{}\",\"user\":\"user-{}\"}}", own.join("/"), n % 4_096)
    }));
    let per_event = bytes.len() as f64 / rows as f64;
    assert!(per_event < 9.8, "{per_event} bytes an event");
    let index = TokenIndex::open(&keep(&bytes).path).unwrap();
    let asked = 20_000;
    let hits: u64 = (0..asked)
        .flat_map(|n| index.candidates(&[&format!("{:x}", mix(1 << 40 | n))]).unwrap())
        .map(|r| (r.end - r.start) / RANGE_ROWS)
        .sum();
    let rate = hits as f64 / (asked * 4) as f64;
    println!("{rate} of ranges for nothing, at {per_event} bytes an event");
    assert!(rate > 0.000_2 && rate < 0.004, "{rate} of ranges for nothing, at {per_event} bytes an event");
}

/// A later version must read what this one wrote. The figure was also computed from the description in the module by
/// another program, so the description is right.
#[test]
fn the_format_does_not_change_unnoticed() {
    let bytes = build(["{\"eventId\":\"0A1B2C3D-0000-1111-2222-333344445555\",\"name\":\"é订单\"}", "x"]);
    insta::assert_snapshot!(format!("{} bytes, CRC-32C {:08x}", bytes.len(), crc32c(&bytes)), @"128 bytes, CRC-32C 0959f5a1");
}

/// Bit by bit, so that the file's format is not checked by the code that wrote it.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &b| (0..8).fold(crc ^ u32::from(b), |crc, _| step(crc)))
}

fn refused(bytes: &[u8], ask: &[&str]) -> bool {
    let kept = keep(bytes);
    match TokenIndex::open(&kept.path).and_then(|i| ask.iter().try_for_each(|t| i.candidates(&[t]).map(drop))) {
        Err(Error::Corrupt { path, .. }) => path == kept.path,
        Err(Error::Version { .. } | Error::Read { .. }) => panic!("damage has its own error"),
        Ok(()) => false,
        Err(e) => panic!("{e}"),
    }
}

/// A bit that rots from 1 to 0 in a filter would silently hide a record, and an audit answer would be wrong.
#[test]
fn damage_is_said_wherever_it_is() {
    let words: Vec<_> = (0..400).map(|n| format!("word{n}")).collect();
    let bytes = build([words.join(" "), "one more".to_owned()]);
    let ask: Vec<_> = words.iter().map(String::as_str).collect();
    assert!(!refused(&bytes, &ask), "undamaged");
    for len in (0..bytes.len()).step_by(7) {
        assert!(refused(&bytes[..len], &ask), "cut to {len}");
    }
    assert!(refused(&[&bytes[..], b"\0"].concat(), &ask), "longer");
    // With 401 words every block is asked; the fill between header and filters says nothing.
    let header = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    for at in (0..header).chain(64..bytes.len()) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(refused(&damaged, &ask), "byte {at}");
    }
    let mut swapped = bytes.clone();
    let len = bytes.len();
    swapped[len - 64..].copy_from_slice(&bytes[len - 128..len - 64]);
    assert!(refused(&swapped, &ask), "a good block in another's place");
}

#[test]
fn a_foreign_file_and_none_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none.tbf");
    assert!(matches!(TokenIndex::open(&path), Err(Error::Read { .. })));
    assert!(TokenIndex::open_if_there(&path).unwrap().is_none());
    fs::write(&path, vec![b'x'; 4_096]).unwrap();
    assert!(matches!(TokenIndex::open_if_there(&path), Err(Error::Corrupt { .. })));
}

/// Fields that lie about sizes, with a right checksum: nothing is allocated or read for them.
#[test]
fn a_header_that_lies_is_refused() {
    let bytes = build(["a b c"]);
    let header = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    for (at, value) in
        [(16, 1u32), (20, 5), (24, 9_000), (28, u32::MAX), (32, 1), (40, u32::MAX), (44, 1), (8, 0), (8, 44)]
    {
        let mut lie = bytes.clone();
        lie[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let crc = crc32c(&lie[..header - 4]);
        lie[header - 4..header].copy_from_slice(&crc.to_le_bytes());
        assert!(refused(&lie, &["a"]), "{value} at {at}");
    }
    let mut newer = bytes.clone();
    newer[12] = 2;
    let crc = crc32c(&newer[..header - 4]);
    newer[header - 4..header].copy_from_slice(&crc.to_le_bytes());
    assert!(matches!(TokenIndex::open(&keep(&newer).path), Err(Error::Version { found: 2, supported: 1, .. })));
}

#[test]
fn the_index_lies_beside_the_data() {
    let day = chrono::NaiveDate::from_ymd_opt(2026, 11, 12).unwrap();
    let path = |p: &str| SegmentRef { path: p.into(), first_seq: 0, rows: 5, day, bytes: 0 }.index_path();
    assert_eq!(path("/d/data/log/data/day=1/seg-0-5.parquet"), Path::new("/d/data/log/index/day=1/seg-0-5.tbf"));
    assert_eq!(path("seg.parquet"), Path::new("seg.tbf"));
}

/// `rows` events in one segment each of `a_segment`, without index files.
fn store(dir: &Path, rows: u64, a_segment: u64) -> Snapshot {
    let mut writer = Writer::open(dir, "main", layout(), small(a_segment), NOW).unwrap();
    for first in (0..rows).step_by(1_000) {
        writer.commit(events(first..(first + 1_000).min(rows)), NOW).unwrap();
    }
    writer.seal_tail(NOW).unwrap();
    drop(writer);
    let snapshot = Snapshot::open(dir).unwrap();
    for segment in snapshot.segments(Store::Log) {
        // The writer may make them already; these tests make their own.
        let _ = fs::remove_file(segment.index_path());
    }
    snapshot
}

fn write_index(snapshot: &Snapshot) {
    let all = payloads(snapshot, Store::Log);
    for segment in snapshot.segments(Store::Log) {
        let path = segment.index_path();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, build(&all[segment.first_seq as usize..segment.end() as usize])).unwrap();
    }
}

#[test]
fn ids_are_found_with_and_without_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = store(&dir.path().join("d"), 21_500, 10_000);
    assert!(snapshot.segments(Store::Log).len() > 1);
    let ids = [0, 1, 8_191, 8_192, 9_999, 10_000, 18_192, 20_000, 21_499];
    let look = || {
        for id in ids {
            let row = snapshot.find_by_key(Store::Log, &format!("event-{id:06}")).unwrap();
            assert_eq!(row.map(|r| r.seq), Some(id));
        }
        for id in ["event-021500", "event", "EVENT-000001", "000001", "", "{}", "event-000001 event-000002"] {
            assert!(snapshot.find_by_key(Store::Log, id).unwrap().is_none(), "{id}");
        }
    };
    look();
    write_index(&snapshot);
    look();
    // One is missing: the others still help, this one's segment is read.
    fs::remove_file(snapshot.segments(Store::Log)[1].index_path()).unwrap();
    look();
}

/// Proof that the index is asked at all: without it the absent id would have to be looked for in the segments.
#[test]
fn an_absent_id_opens_no_segment() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = store(&dir.path().join("d"), 3_000, 1_000);
    write_index(&snapshot);
    for segment in snapshot.segments(Store::Log) {
        fs::remove_file(&segment.path).unwrap();
    }
    assert!(snapshot.find_by_key(Store::Log, "absent-0815").unwrap().is_none());
    assert!(matches!(snapshot.find_by_key(Store::Log, "event-000001"), Err(Error::Read { .. })));
}

#[test]
fn an_index_of_another_segment_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = store(&dir.path().join("d"), 3_000, 1_000);
    write_index(&snapshot);
    let last = snapshot.segments(Store::Log).last().unwrap().index_path();
    fs::write(&last, build(["a", "b"])).unwrap();
    let found = snapshot.find_by_key(Store::Log, "event-000001");
    assert!(matches!(found, Err(Error::Corrupt { path, .. }) if path == last));
}

#[test]
fn only_the_rows_of_the_ranges_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = store(&dir.path().join("d"), 20_000, 20_000);
    let segment = &snapshot.segments(Store::Log)[0];
    let schema = snapshot.schema(Store::Log);
    let seqs = |ranges: &[Range<u64>]| -> Vec<u64> {
        let batches = rows_in_ranges(segment, &schema, ranges).unwrap();
        let seqs = batches.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec());
        seqs.map(i64::cast_unsigned).collect()
    };
    let rows = segment.rows;
    assert_eq!(seqs(&[3..5, 8_191..8_193, rows - 1..rows]), [3, 4, 8_191, 8_192, rows - 1]);
    assert_eq!(seqs(&[Range { start: 0, end: rows }]), (0..rows).collect::<Vec<_>>());
    assert_eq!(seqs(&[]), [0; 0]);
    let event = Arc::new(schema.project(&[schema.index_of("event").unwrap()]).unwrap());
    let batches = rows_in_ranges(segment, &event, &[8_190..8_192, 19_000..19_001]).unwrap();
    let events: Vec<_> = batches.iter().flat_map(|b| b.column(0).as_string::<i32>().iter().flatten()).collect();
    assert_eq!(events, [8_190, 8_191, 19_000].map(event_of));
    for wrong in [std::slice::from_ref(&(0..rows + 1)), &[5..6, 5..7], &[9..10, 1..2]] {
        assert!(matches!(rows_in_ranges(segment, &schema, wrong), Err(Error::Corrupt { .. })), "{wrong:?}");
    }
}

/// Text in which escapes, delimiters, scripts and broken surrogates meet.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zA-Z0-9._-]{1,12}",
        "[ ,'\";=()\\[\\]{}?@&<>/:\n\t\r]",
        prop::sample::select(vec![
            "\\",
            "\\\\",
            "\\n",
            "\\u00e9",
            "\\u8ba2",
            "\\ud83d\\ude00",
            "\\ud83d",
            "\\u12",
            "é",
            "ΑΣ",
            "İ",
            "\u{212a}",
            "订单",
            "カ",
            "，",
            "😀",
            "\u{fffd}",
            "\u{0}",
        ])
        .prop_map(String::from),
        "\\PC{1,3}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|p| p.concat())
}

/// The texts that a reader may take from a stored one: itself, what it says as a JSON string, and that once more.
fn readings(stored: &str) -> Vec<String> {
    let mut all = vec![stored.to_owned()];
    for _ in 0..2 {
        let Ok(text) = serde_json::from_str::<String>(&format!("\"{}\"", all[all.len() - 1])) else { break };
        all.push(text);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_token_of_any_reading_is_missed(rows in prop::collection::vec(text(), 1..6)) {
        let mut stored: Vec<String> = rows.clone();
        // As a value, and as JSON in a value.
        stored.extend(rows.iter().map(|r| serde_json::to_string(r).unwrap()));
        stored.extend(rows.iter().map(|r| serde_json::to_string(&serde_json::to_string(r).unwrap()).unwrap()));
        let index = index(&stored);
        for text in stored.iter().chain(&rows).flat_map(|t| readings(t)) {
            for token in tokens(&text) {
                prop_assert!(!index.candidates(&[&token]).unwrap().is_empty(), "{token:?} of {text:?}");
            }
            prop_assert!(!index.candidates(&[&text]).unwrap().is_empty());
        }
    }

    #[test]
    fn a_token_is_its_own_token(text in text()) {
        for token in tokens(&text) {
            prop_assert_eq!(cut(&token), [token.to_string()]);
        }
    }

    /// What stands between two delimiters is cut as it is in the whole.
    #[test]
    fn a_text_is_cut_like_its_parts(a in text(), b in text()) {
        let whole = cut(&format!("{a} {b}"));
        prop_assert_eq!(whole, [cut(&a), cut(&b)].concat());
    }

    #[test]
    fn bytes_are_indexed_as_their_lossy_text(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 32u8..127], 0..200)) {
        let index = index([&bytes]);
        let lossy = String::from_utf8_lossy(&bytes).into_owned();
        for token in tokens(&lossy) {
            prop_assert!(!index.candidates(&[&token]).unwrap().is_empty(), "{token:?}");
        }
    }
}
