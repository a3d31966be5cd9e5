//! The source room against a host that is a map in memory: no file, no clock, no thread.
//! Every case is a transcript, and what must hold of all transcripts is a property. It must never touch a disk.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use innertrail_plugin::source::position::Checkpoint;
use innertrail_plugin::source::{Action, Emitted, File, Outcome, Session, State};
use innertrail_plugin::transform::batch::Fault;
use md5::{Digest, Md5};
use proptest::prelude::*;

/// More steps than any case here needs: a session that goes round in circles must fail, not hang.
const MOST_STEPS: usize = 200_000;

/// The host: files with the time of their last change, and what goes wrong.
#[derive(Default)]
struct Host {
    files: BTreeMap<String, (Vec<u8>, i64)>,
    now: i64,
    unreadable: BTreeSet<String>,
    unlistable: bool,
    abandons: BTreeSet<String>,
}

impl Host {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), (bytes.to_vec(), 0))).collect();
        Self { files, ..Self::default() }
    }

    fn list(&self) -> Outcome {
        if self.unlistable {
            return Outcome::Failed("permission denied".to_owned());
        }
        let file = |(path, (bytes, modified_ms)): (&String, &(Vec<u8>, i64))| File {
            path: path.clone(),
            size: bytes.len() as u64,
            modified_ms: *modified_ms,
            identity: String::new(),
        };
        Outcome::Files(self.files.iter().map(file).collect())
    }

    fn read(&mut self, path: &str, offset: u64, max: u32) -> Outcome {
        if self.unreadable.contains(path) {
            return Outcome::Failed("input/output error".to_owned());
        }
        if self.abandons.remove(path) {
            return Outcome::Abandoned(path.to_owned());
        }
        let (bytes, _) = &self.files[path];
        let start = usize::try_from(offset).unwrap().min(bytes.len());
        let end = (start + max as usize).min(bytes.len());
        Outcome::Bytes(bytes[start..end].to_vec(), end == bytes.len())
    }
}

/// What a run gave out.
#[derive(Default)]
struct Run {
    transcript: String,
    emits: Vec<Emitted>,
    notes: Vec<String>,
    last_state: Option<State>,
    finished: bool,
}

/// A frame with its place: origin, offset, bytes, fault.
type Placed = (String, u64, Vec<u8>, Option<Fault>);

impl Run {
    fn frames(&self) -> Vec<Placed> {
        self.emits.iter().flat_map(frames_of).collect()
    }

    fn checkpoints(&self, emits: usize) -> Vec<Checkpoint> {
        let latest: BTreeMap<_, _> = self.emits[..emits].iter().flat_map(|e| e.checkpoints.clone()).collect();
        latest.into_iter().collect()
    }
}

fn frames_of(emitted: &Emitted) -> Vec<Placed> {
    let mut start = 0;
    let placed = emitted.frames.iter().map(|frame| {
        let bytes = emitted.data[start..frame.end as usize].to_vec();
        start = frame.end as usize;
        (emitted.origin.clone(), frame.offset, bytes, frame.fault)
    });
    placed.collect()
}

/// Plays the host's part until the session is over, or `idle` says that it was idle for long enough.
fn drive(session: &mut Session, host: &mut Host, idle: &mut dyn FnMut(&mut Host) -> bool) -> Run {
    let mut run = Run::default();
    let mut outcome = Outcome::Started(host.now);
    for _ in 0..MOST_STEPS {
        writeln!(run.transcript, "{}", shown_outcome(&outcome)).unwrap();
        let mut next = None;
        for action in session.step(outcome) {
            writeln!(run.transcript, "    {}", shown_action(&action)).unwrap();
            assert!(next.is_none() && !run.finished, "an action behind the one that has an outcome: {action:?}");
            match action {
                Action::ListFiles(..) => next = Some(host.list()),
                Action::ReadFile { path, offset, max_bytes } => next = Some(host.read(&path, offset, max_bytes)),
                Action::Wait(0) => next = Some(Outcome::Woke(host.now)),
                Action::Wait(ms) => {
                    if !idle(host) {
                        return run;
                    }
                    host.now += i64::from(ms);
                    next = Some(Outcome::Woke(host.now));
                }
                Action::Emit(emitted) => run.emits.push(emitted),
                Action::Note(note) => run.notes.push(note),
                Action::State(state) => run.last_state = Some(state),
                Action::Finish => run.finished = true,
                Action::Checked(_) => {}
                Action::Fetch(_) | Action::Gap(_) => panic!("a file source reads files: {action:?}"),
            }
        }
        if run.finished {
            return run;
        }
        outcome = next.expect("a step that does not finish wants something that has an outcome");
    }
    panic!("no end after {MOST_STEPS} steps");
}

fn once(config: &str, checkpoints: &[Checkpoint], host: &mut Host) -> Run {
    drive(&mut Session::open(config, checkpoints).unwrap(), host, &mut |_| false)
}

fn shown_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Files(files) => {
            let files: Vec<_> = files.iter().map(|f| format!("{} ({} B)", f.path, f.size)).collect();
            format!("files [{}]", files.join(", "))
        }
        Outcome::Bytes(bytes, end) => format!("bytes {}{}", bytes.len(), if *end { ", end" } else { "" }),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn shown_action(action: &Action) -> String {
    match action {
        Action::Emit(emitted) => {
            let mut out = format!("emit {} +{}", emitted.origin, emitted.input_bytes);
            for (_, offset, bytes, fault) in frames_of(emitted) {
                write!(out, "\n        {offset} {}", short(&bytes)).unwrap();
                if let Some(fault) = fault {
                    write!(out, " {fault:?}").unwrap();
                }
            }
            for (key, value) in &emitted.checkpoints {
                write!(out, "\n        {key} = {}", String::from_utf8_lossy(value)).unwrap();
            }
            out
        }
        Action::ReadFile { path, offset, max_bytes } => format!("read {path} from {offset}, {max_bytes} at most"),
        other => format!("{other:?}"),
    }
}

fn short(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= 60 => format!("{text:?}"),
        Ok(text) => format!("{:?}… {} B", text.chars().take(40).collect::<String>(), bytes.len()),
        Err(_) => format!("<{} B>", bytes.len()),
    }
}

fn config(more: &str) -> String {
    format!("{{\"name\":\"trail\",\"include\":[\"*\"]{more}}}")
}

/// Stored, not deflated: the same bytes whatever the library's version does.
fn gz(content: &[u8]) -> Vec<u8> {
    gz_at(content, flate2::Compression::none())
}

fn gz_at(content: &[u8], level: flate2::Compression) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn lines(count: usize) -> Vec<u8> {
    (0..count).map(|i| format!("{{\"eventId\":\"E{i}\"}}\n")).collect::<String>().into_bytes()
}

fn array(count: usize) -> Vec<u8> {
    let elements: Vec<_> = (0..count).map(|i| format!("{{\"eventId\":\"E{i}\",\"list\":[1,{{}}]}}")).collect();
    format!("[{}]", elements.join(",\n ")).into_bytes()
}

fn pretty(count: usize) -> Vec<u8> {
    (0..count)
        .map(|i| format!("{{\n  \"eventId\": \"E{i}\",\n  \"o\": {{\n  }}\n}}\n"))
        .collect::<String>()
        .into_bytes()
}

#[test]
fn two_plain_files() {
    let mut host = Host::with(&[("a.json", &lines(3)), ("b.json", &array(2))]);
    insta::assert_snapshot!(once(&config(",\"read_bytes\":40"), &[], &mut host).transcript);
}

#[test]
fn gzip_of_two_members() {
    let members = [gz(b"{\"eventId\":\"E0\"}\n{\"eventId\":"), gz(b"\"E1\"}\n")].concat();
    let mut host = Host::with(&[("a.json.gz", &members)]);
    insta::assert_snapshot!(once(&config(""), &[], &mut host).transcript);
}

fn object_name(count: usize, size: usize, md5: &str) -> String {
    format!("p/Actiontrail_cn-hangzhou_20260615085959_1002_{count}_{size}_{md5}.gz")
}

fn md5_of(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn promises_of_object_names() {
    let content = lines(2);
    let file = gz(&content);
    let names = [
        ("right, of the file", object_name(2, file.len(), &md5_of(&file))),
        ("right, of the content", object_name(2, content.len(), &md5_of(&content))),
        ("wrong count", object_name(3, file.len(), &md5_of(&file))),
        ("wrong size", object_name(2, file.len() + 1, &md5_of(&file))),
        ("wrong md5", object_name(2, file.len(), &"0".repeat(32))),
    ];
    let mut all = String::new();
    for (about, name) in names {
        let run = once(&config(""), &[], &mut Host::with(&[(&name, &file)]));
        let checks: Vec<_> = run.transcript.lines().filter(|l| l.contains("Checked") || l.contains("md5-of")).collect();
        writeln!(all, "{about}\n{}", checks.join("\n")).unwrap();
        assert_eq!(run.last_state, Some(State::Finished));
    }
    insta::assert_snapshot!(all);
    let run = once(
        &config(",\"object_names\":\"ignore\""),
        &[],
        &mut Host::with(&[(&object_name(9, 9, &"0".repeat(32)), &file)]),
    );
    assert!(!run.transcript.contains("Checked"));
}

/// What the MD5 is of is learnt once; the checkpoint that says so must be one that the next run takes.
#[test]
fn what_the_md5_is_of_is_remembered() {
    let content = lines(1);
    let file = gz(&content);
    let (first, second) =
        (object_name(1, content.len(), &md5_of(&content)), format!("q/{}", object_name(1, file.len(), &md5_of(&file))));
    let mut host = Host::with(&[(&first, &file)]);
    let run = once(&config(""), &[], &mut host);
    let stored = run.checkpoints(run.emits.len());
    assert!(stored.iter().any(|(key, value)| key == "md5-of" && value == b"\"content\""));
    host.files.insert(second, (file.clone(), 0));
    let again = once(&config(""), &stored, &mut host);
    assert!(again.transcript.contains("md5_ok: false"), "the file's own MD5 no longer counts: {}", again.transcript);
}

#[test]
fn a_growing_file_is_followed() {
    let mut host = Host::with(&[("a.json", &lines(1))]);
    let mut rounds = 0;
    let mut session = Session::open(&config(",\"follow\":true"), &[]).unwrap();
    let run = drive(&mut session, &mut host, &mut |host| {
        rounds += 1;
        if rounds == 2 {
            host.files.insert("a.json".to_owned(), (lines(3), 1));
        }
        rounds < 4
    });
    insta::assert_snapshot!(run.transcript);
}

/// Plays the growth of one file under `follow`: first `begun`, then `whole`.
fn grown(begun: &[u8], whole: &[u8]) -> Vec<(u64, Vec<u8>, Option<Fault>)> {
    let mut host = Host::with(&[("a", begun)]);
    let mut rounds = 0;
    let mut session = Session::open(&config(",\"follow\":true"), &[]).unwrap();
    let run = drive(&mut session, &mut host, &mut |host| {
        rounds += 1;
        host.files.insert("a".to_owned(), (whole.to_vec(), host.now));
        rounds < 3
    });
    run.frames().into_iter().map(|(_, offset, bytes, fault)| (offset, bytes.trim_ascii_end().to_vec(), fault)).collect()
}

#[test]
fn a_compressed_file_that_is_still_written_is_left_for_later() {
    let whole = gz(&lines(2));
    assert_eq!(grown(&whole[..whole.len() - 9], &whole), grown(&whole, &whole));
}

#[test]
fn a_compressed_file_long_untouched_is_damaged() {
    let whole = gz(&lines(2));
    let mut host = Host::with(&[("a.gz", &whole[..whole.len() - 9])]);
    host.now = 60_000;
    let run = once(&config(",\"follow\":true"), &[], &mut host);
    assert!(run.frames().iter().any(|(.., fault)| *fault == Some(Fault::CorruptGzip)));
}

#[test]
fn a_line_that_is_still_written_is_left_for_later() {
    let whole = lines(2);
    assert_eq!(grown(&whole[..25], &whole), grown(&whole, &whole));
}

#[test]
fn nothing_is_passed_over_after_a_damaged_file_was_repaired() {
    let whole = gz(&lines(40));
    let mut damaged = whole[..whole.len() - 9].to_vec();
    damaged[3] = 0xff;
    let mut host = Host::with(&[("a.gz", &damaged)]);
    let run = once(&config(""), &[], &mut host);
    host.files.insert("a.gz".to_owned(), (whole, 9));
    let again = once(&config(""), &run.checkpoints(run.emits.len()), &mut host);
    assert_eq!(again.frames().len(), 40);
}

/// A nested object that begins just where a piece of a record that is too long ends.
const TOO_LONG: &[u8] = b"{\"aaaaaaaaaaaa\":{\"eventId\":\"F\"},\"z\":\"zzzzzzzzzzzzzzzz\"}\n{\"b\":2}\n";

fn clean_frames(file: &[u8], read_bytes: u32) -> Vec<String> {
    let config = config(&format!(",\"read_bytes\":{read_bytes},\"max_event_bytes\":16"));
    let run = once(&config, &[], &mut Host::with(&[("a", file)]));
    let clean = run.frames().into_iter().filter(|(.., fault)| fault.is_none());
    clean.map(|(_, _, bytes, _)| String::from_utf8(bytes).unwrap().trim().to_owned()).collect()
}

#[test]
fn no_part_of_a_record_that_is_too_long_passes_for_a_record() {
    for read_bytes in [2, 7, 16, 17] {
        assert_eq!(clean_frames(TOO_LONG, read_bytes), ["{\"b\":2}"], "read_bytes {read_bytes}");
    }
}

#[test]
fn no_part_of_a_record_that_is_too_long_passes_for_a_record_when_read_at_once() {
    assert_eq!(clean_frames(TOO_LONG, 4096), ["{\"b\":2}"]);
    let array = b"[{\"aaaaaaaaaaaa\":{\"eventId\":\"F\"}},\n{\"b\":2}]";
    assert_eq!(clean_frames(array, 4096), ["{\"b\":2}"]);
}

#[test]
fn no_part_of_a_record_that_is_too_long_passes_for_a_record_after_a_restart() {
    let config = config(",\"read_bytes\":7,\"max_event_bytes\":16");
    resumes_everywhere(&config, &mut Host::with(&[("a", TOO_LONG)]));
}

#[test]
fn the_rest_of_a_damaged_gzip_goes_out_piece_by_piece() {
    let mut file = vec![0xff; 4 << 20];
    file[..2].copy_from_slice(&[0x1f, 0x8b]);
    let run = once(&config(""), &[], &mut Host::with(&[("a.gz", &file)]));
    let longest = run.emits.iter().map(|e| e.data.len()).max();
    assert!(longest < Some(1 << 20), "{longest:?} bytes at once");
}

#[test]
fn gzip_is_recognised_whatever_the_first_read_brings() {
    let run = once(&config(",\"read_bytes\":1"), &[], &mut Host::with(&[("a.gz", &gz(&lines(1)))]));
    assert_eq!(run.frames()[0].2, lines(1).trim_ascii_end());
}

#[test]
fn a_truncated_file_begins_anew() {
    let mut host = Host::with(&[("a.json", &lines(3))]);
    let run = once(&config(""), &[], &mut host);
    host.files.insert("a.json".to_owned(), (b"{\"eventId\":\"new\"}\n".to_vec(), 5));
    insta::assert_snapshot!(once(&config(""), &run.checkpoints(run.emits.len()), &mut host).transcript);
}

/// The story: logrotate's copytruncate, or a file written anew in place, leaves the same name and inode. When the new
/// content was longer than the old, reading went on in the middle of it and its first events were never seen.
#[test]
fn a_file_written_anew_and_longer_is_read_from_its_start() {
    let mut host = Host::with(&[("a.json", &lines(3))]);
    let run = once(&config(""), &[], &mut host);
    let anew: Vec<u8> = (0..9).flat_map(|i| format!("{{\"eventId\":\"NEW{i}\"}}\n").into_bytes()).collect();
    host.files.insert("a.json".to_owned(), (anew, 5));
    let again = once(&config(""), &run.checkpoints(run.emits.len()), &mut host);
    assert_eq!(again.frames().len(), 9);
}

/// A file that only grew is taken up where it was left, without reading what was read before.
#[test]
fn a_grown_file_is_not_read_from_its_start() {
    let mut host = Host::with(&[("a.json", &lines(400))]);
    let small = config(",\"read_bytes\":512");
    let run = once(&small, &[], &mut host);
    let from = lines(400).len();
    host.files.insert("a.json".to_owned(), (lines(401), 5));
    let again = once(&small, &run.checkpoints(run.emits.len()), &mut host);
    assert_eq!(again.frames().len(), 1);
    assert!(
        again.transcript.contains(&format!("@{from}")) || again.transcript.contains(&from.to_string()),
        "{}",
        again.transcript
    );
}

#[test]
fn a_file_that_did_not_change_is_not_read_again() {
    let mut host = Host::with(&[("a.json", &lines(3))]);
    let run = once(&config(""), &[], &mut host);
    let again = once(&config(""), &run.checkpoints(run.emits.len()), &mut host);
    assert!(again.emits.is_empty() && !again.transcript.contains("read "), "{}", again.transcript);
}

#[test]
fn a_truncated_gzip() {
    let file = gz(b"{\"eventId\":\"E0\"}\n{\"eventId\":\"E1\"}\n");
    let mut host = Host::with(&[("a.gz", &file[..file.len() - 12])]);
    insta::assert_snapshot!(once(&config(""), &[], &mut host).transcript);
}

#[test]
fn a_gzip_bomb_stops_at_its_ratio() {
    let content = [b"{\"eventId\":\"E0\"}\n{\"x\":\"".as_slice(), &vec![b'a'; 8 << 20]].concat();
    let file = gz_at(&content, flate2::Compression::best());
    let mut host = Host::with(&[("a.gz", &file)]);
    let run = once(&config(",\"max_ratio\":100"), &[], &mut host);
    let frames = run.frames();
    assert_eq!(frames[0].2, b"{\"eventId\":\"E0\"}");
    let faults: BTreeSet<_> = frames.iter().filter_map(|(.., f)| *f).map(|f| format!("{f:?}")).collect();
    assert_eq!(faults, BTreeSet::from(["DecompressionLimit".to_owned()]));
    let kept: usize = frames.iter().map(|(_, _, bytes, _)| bytes.len()).sum();
    assert!(kept < content.len() / 2, "{kept} bytes of a bomb of {} were inflated", content.len());
    assert_eq!(run.last_state, Some(State::Finished));
}

#[test]
fn a_file_that_cannot_be_read_does_not_stop_the_others() {
    let mut host = Host::with(&[("a.json", &lines(1)), ("b.json", &lines(1))]);
    host.unreadable.insert("a.json".to_owned());
    insta::assert_snapshot!(once(&config(""), &[], &mut host).transcript);
}

#[test]
fn listing_nothing_and_not_being_able_to_list() {
    let nothing = once(&config(""), &[], &mut Host::default()).transcript;
    let mut host = Host { unlistable: true, ..Host::default() };
    insta::assert_snapshot!([nothing, once(&config(""), &[], &mut host).transcript].join("--\n"));
}

#[test]
fn an_abandoned_file_is_never_asked_for_again() {
    let mut host = Host::with(&[("a.json", &lines(1)), ("b.json", &lines(1))]);
    host.abandons.insert("a.json".to_owned());
    let run = once(&config(""), &[], &mut host);
    insta::assert_snapshot!(run.transcript);
    host.files.insert("a.json".to_owned(), (lines(9), 9));
    assert!(once(&config(""), &run.checkpoints(run.emits.len()), &mut host).emits.is_empty());
}

#[test]
fn damaged_checkpoints_and_bad_configurations_are_refused() {
    let mut all = String::new();
    for (key, value) in [
        ("file:a", "{\"offset\":"),
        ("file:a", "{}"),
        ("file:a", "{\"offset\":1,\"new\":2}"),
        ("md5-of", "\"x\""),
        ("other", "{}"),
    ] {
        let error = Session::open(&config(""), &[(key.to_owned(), value.as_bytes().to_vec())]).unwrap_err();
        writeln!(all, "{key} = {value}\n    {error:?}").unwrap();
    }
    for text in [
        "",
        "{}",
        "{\"include\":[]}",
        "{\"include\":[\"*\"],\"type\":\"s3\"}",
        "{\"include\":[\"*\"],\"read_bytes\":0}",
        "{\"include\":[\"*\"],\"max_event_bytes\":0}",
        "{\"include\":[\"*\"],\"max_event_bytes\":15728641}",
        "{\"include\":[\"*\"],\"folow\":true}",
    ] {
        writeln!(all, "{text}\n    {:?}", Session::open(text, &[]).unwrap_err()).unwrap();
    }
    insta::assert_snapshot!(all);
}

/// A run that stopped after any of its emits and is taken up again gives exactly the frames that were not covered yet.
fn resumes_everywhere(config: &str, host: &mut Host) {
    let whole = once(config, &[], host);
    assert!(whole.finished);
    // A line's end may come with its frame or lie between frames; that depends on what was seen of the file before.
    let trimmed = |(origin, offset, bytes, fault): Placed| (origin, offset, bytes.trim_ascii_end().to_vec(), fault);
    for covered in 0..=whole.emits.len() {
        let rest: Vec<_> = whole.emits[covered..].iter().flat_map(frames_of).map(trimmed).collect();
        let resumed = once(config, &whole.checkpoints(covered), host);
        assert_eq!(resumed.frames().into_iter().map(trimmed).collect::<Vec<_>>(), rest, "after {covered} emits");
    }
}

#[test]
fn resumes_from_every_checkpoint() {
    for content in [lines(12), array(12), pretty(6), [lines(3), array(3), b"\n".to_vec(), pretty(3)].concat()] {
        let members = [gz(&content[..content.len() / 2]), gz(&content[content.len() / 2..])].concat();
        for read_bytes in [13, 64, 4096] {
            let config = config(&format!(",\"read_bytes\":{read_bytes}"));
            resumes_everywhere(&config, &mut Host::with(&[("a", &content), ("b.gz", &members)]));
        }
    }
}

/// A number has no end of its own: where a read stops inside one, the frame must wait for the next read.
#[test]
fn frames_do_not_depend_on_the_size_of_reads() {
    let content = b"[{\"a\":1},4444,55, \"text\", null]\n{\"b\":2}\n[{}]";
    let frames = |read_bytes: usize| {
        let config = config(&format!(",\"read_bytes\":{read_bytes}"));
        let run = once(&config, &[], &mut Host::with(&[("a", content)]));
        run.frames().into_iter().map(|(_, offset, bytes, _)| (offset, bytes)).collect::<Vec<_>>()
    };
    assert_eq!(frames(4096).len(), 7);
    for read_bytes in 1..content.len() {
        assert_eq!(frames(read_bytes), frames(4096), "read_bytes {read_bytes}");
    }
}

/// Files larger than one emit: there the checkpoints lie inside what one read brought.
#[test]
fn resumes_inside_a_read() {
    let content = lines(40_000);
    let file = gz_at(&content, flate2::Compression::fast());
    let run = once(&config(""), &[], &mut Host::with(&[("a.gz", &file)]));
    assert!(run.emits.len() > 3);
    resumes_everywhere(&config(""), &mut Host::with(&[("a.gz", &file)]));
}

/// One stretch of a file.
fn stretch() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0usize..6).prop_map(lines),
        (0usize..6).prop_map(array),
        (0usize..4).prop_map(pretty),
        "[a-z ]{0,30}\n".prop_map(String::into_bytes),
        Just(b"{\"a\":1}{\"b\":2} {\"c\":\n".to_vec()),
        Just(b"[1,22,{\"a\":[\"]\"]},333]\r\n".to_vec()),
        Just(b"[{\"a\":1},4444,55]".to_vec()),
        Just(b"\xef\xbb\xbf".to_vec()),
        Just(b"{\"open\":\"".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..60),
        proptest::collection::vec(prop::sample::select(b"{}[],:\"\\\n 1a".to_vec()), 0..60),
    ]
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(stretch(), 0..8).prop_map(|parts| parts.concat())
}

/// The file as it lies there: plain, or in one to three gzip members.
fn packed(content: &[u8], members: usize) -> Vec<u8> {
    if members == 0 {
        return content.to_vec();
    }
    let size = content.len().div_ceil(members).max(1);
    let mut parts: Vec<&[u8]> = content.chunks(size).collect();
    if parts.is_empty() {
        parts.push(b"");
    }
    parts.into_iter().flat_map(|part| gz_at(part, flate2::Compression::fast())).collect()
}

fn starts_like_gzip(content: &[u8]) -> bool {
    content.starts_with(&[0x1f, 0x8b])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Every byte of an undamaged file is accounted for, and every frame is the input at the place it names.
    #[test]
    fn bytes_are_conserved(content in content(), members in 0usize..4, read_bytes in 2u32..400, longest in prop_oneof![Just(4096), 8u32..80]) {
        prop_assume!(members > 0 || !starts_like_gzip(&content));
        let file = packed(&content, members);
        let config = config(&format!(",\"read_bytes\":{read_bytes},\"max_event_bytes\":{longest}"));
        let run = once(&config, &[], &mut Host::with(&[("a", &file)]));
        prop_assert_eq!(run.emits.iter().map(|e| e.input_bytes).sum::<u64>(), content.len() as u64);
        let mut behind = 0;
        for (_, offset, bytes, fault) in run.frames() {
            let start = usize::try_from(offset).unwrap();
            prop_assert!(start >= behind, "frames overlap at {}", start);
            prop_assert_eq!(content.get(start..start + bytes.len()), Some(&bytes[..]));
            prop_assert!(!matches!(fault, Some(Fault::CorruptGzip | Fault::DecompressionLimit)));
            behind = start + bytes.len();
        }
    }

    /// What lies between frames is nothing but blanks, brackets, commas and the byte order mark.
    #[test]
    fn gaps_hold_no_content(content in content(), read_bytes in 2u32..400) {
        prop_assume!(!starts_like_gzip(&content));
        let run = once(&config(&format!(",\"read_bytes\":{read_bytes}")), &[], &mut Host::with(&[("a", &content)]));
        let mut left = content.clone();
        for (_, offset, bytes, _) in run.frames() {
            let start = usize::try_from(offset).unwrap();
            left[start..start + bytes.len()].fill(b' ');
        }
        let odd: Vec<u8> = left.into_iter().filter(|b| !b" \t\r\n[],\xef\xbb\xbf".contains(b)).collect();
        prop_assert!(odd.is_empty(), "{}", String::from_utf8_lossy(&odd));
    }

    /// Undamaged files of one form, at random sizes of file and read.
    #[test]
    fn resumes_at_random_sizes(form in 0usize..3, count in 0usize..10, members in 0usize..3, read_bytes in 2u32..200) {
        let content = [lines, array, pretty][form](count);
        let config = config(&format!(",\"read_bytes\":{read_bytes}"));
        resumes_everywhere(&config, &mut Host::with(&[("a", &packed(&content, members))]));
    }

    /// Damage of any kind ends in a finished run and never in a panic or a circle.
    #[test]
    fn damaged_gzip_ends(content in content(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(), read_bytes in 2u32..400) {
        let mut file = packed(&content, 2);
        let at = at.index(file.len());
        file[at] = byte;
        file.truncate(cut.index(file.len() + 1).max(2));
        let run = once(&config(&format!(",\"read_bytes\":{read_bytes}")), &[], &mut Host::with(&[("a", &file)]));
        prop_assert!(run.finished);
    }
}
