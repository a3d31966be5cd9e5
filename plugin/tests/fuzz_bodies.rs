//! One body per parser, shared by the fuzz targets in `fuzz/` and by the tests below, which run them over the fixtures
//! and seeded mutations of these on every build. A body must hold for any bytes: it may panic on a fault only.
#![allow(clippy::unwrap_used, dead_code)]

use std::io::Read as _;

use innertrail_plugin::decode::scan::{MAX_DEPTH, Problem, Scanner, Unwatched};
use innertrail_plugin::decode::secrets::WatchList;
use innertrail_plugin::decode::text::unescape;
use innertrail_plugin::event::row::RowView;
use innertrail_plugin::event::{DecodeSettings, Item, NestingLimit, native, native_json};
use innertrail_plugin::route::{Provenance, Route};
use innertrail_plugin::source::codes::{self, Service};
use innertrail_plugin::source::framer::Cut;
use innertrail_plugin::source::http::Response;
use innertrail_plugin::source::inflate::MAGIC;
use innertrail_plugin::source::limits::Limits;
use innertrail_plugin::source::oss::xml;
use innertrail_plugin::source::position::Position;
use innertrail_plugin::source::reader::{Progress, Reader};
use innertrail_plugin::source::sls::page::{Answer, Portion};
use innertrail_plugin::source::{Action, File, Outcome, Session, object_name};
use innertrail_plugin::transform::Transform;
use innertrail_plugin::transform::batch::{Batch, Codec, Encoding, Frame, Routed};

/// A body and its name.
pub type Body = (&'static str, fn(&[u8]));

/// All bodies.
pub const BODIES: [Body; 11] = [
    ("scan", scan),
    ("transform", transform),
    ("source", source),
    ("native_json", native_json_stable),
    ("native", native_stable),
    ("object_name", promise),
    ("unescape", unescape_like_serde_json),
    ("log_groups", log_groups),
    ("listing", listing),
    ("provider_errors", provider_errors),
    ("network", network),
];

/// The scanner accepts what serde_json accepts, but for the cap on nesting.
pub fn scan(data: &[u8]) {
    let mut scanner = Scanner::new(data, 0, MAX_DEPTH);
    let scanned = scanner.value(0, &mut Unwatched);
    let end = scanner.pos;
    if let Err(error) = &scanned {
        assert!(error.at <= data.len());
        if error.problem == Problem::Depth {
            return;
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let whole = scanned.is_ok() && text[end..].trim_matches([' ', '\t', '\r', '\n']).is_empty();
    assert_eq!(whole, serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
}

/// The first byte chooses codec, provenance and encoding; the rest are frames, one a line.
pub fn transform(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let rooms =
        Transform::open(r#"{"trail":"t","account":"1000000000000001","employee_id":"hash","redact_keys":["ticket"]}"#)
            .unwrap();
    let mut start = 0;
    let frames: Vec<Frame> = data
        .split_inclusive(|b| *b == b'\n')
        .map(|line| {
            start += line.len();
            Frame { end: u32::try_from(start).unwrap(), offset: 0, fault: None }
        })
        .collect();
    let codec = [Codec::ActionTrail, Codec::Json, Codec::NativeJson, Codec::Native][usize::from(choice & 3)];
    let provenance = if choice & 4 == 0 { Provenance::OwnSource } else { Provenance::Agent };
    let encoding =
        [Encoding::Row, Encoding::Verbatim, Encoding::NativeJson, Encoding::Row][usize::from(choice >> 3 & 3)];
    let batch = Batch { provenance, source: "s", origin: "o", codec, data, frames: &frames, sealed: &[0, 2] };
    let routed = rooms.run(&batch, encoding);
    let consumed: u64 = routed.entries.iter().map(|e| u64::from(e.consumed)).sum();
    assert_eq!(consumed + routed.framing_bytes, data.len() as u64);
    let mut begin = 0;
    for entry in &routed.entries {
        let end = entry.end as usize;
        let bytes = &routed.data[begin..end];
        let is_row = encoding == Encoding::Row || matches!(entry.route, Route::Quarantine(_));
        assert!(!is_row || RowView::new(bytes).is_some());
        assert!(entry.route != Route::Dedicated || provenance == Provenance::OwnSource || !batch.sealed.is_empty());
        begin = end;
    }
    assert_eq!(begin, routed.data.len());
    // Frames of which rows are made are decoded, and of those that go on as they are not all: each comes to the same.
    let told = |routed: Routed| {
        let entries: Vec<_> = routed.entries.iter().map(|e| (e.route, e.consumed)).collect();
        (entries, routed.framing_bytes, routed.duplicate_keys, routed.redacted)
    };
    assert_eq!(told(rooms.run(&batch, Encoding::Verbatim)), told(rooms.run(&batch, Encoding::Row)));
    rooms.claims(&batch);
    assert!(serde_json::from_str::<serde::de::IgnoredAny>(&rooms.explain(&batch)).is_ok());
}

/// The first two bytes choose the sizes of a read and of the longest record; the rest is a file.
pub fn source(data: &[u8]) {
    let [step, longest, file @ ..] = data else { return };
    let step = usize::from(*step) * 4 + 2;
    let longest = u64::from(*longest) * 16 + 1;
    let limits =
        Limits { max_event_bytes: longest, max_decompressed_bytes: 1 << 22, max_ratio: 100, ..Limits::default() };
    let listed = File { path: "f".to_owned(), size: file.len() as u64, modified_ms: 0, identity: String::new() };
    let mut reader = Reader::new(listed, &Position::default(), &limits, None);
    let (mut covered, mut kept, mut faults, mut at) = (0, Vec::new(), false, 0);
    loop {
        match reader.next(false) {
            Progress::Hungry => {
                let end = (at + step).min(file.len());
                reader.feed(&file[at..end], end == file.len());
                at = end;
            }
            Progress::Emit(cut, position) => {
                covered += cut.covered;
                assert!(cut.frames.is_sorted_by_key(|f| f.end));
                assert_eq!(cut.frames.last().map_or(0, |f| f.end as usize), cut.data.len());
                assert_eq!(position.offset, covered);
                let mut begin = 0;
                for frame in &cut.frames {
                    kept.push((frame.offset, cut.data[begin..frame.end as usize].to_vec()));
                    begin = frame.end as usize;
                    faults |= frame
                        .fault
                        .is_some_and(|f| !matches!(f, Fault::Oversize | Fault::Truncated | Fault::Malformed));
                }
            }
            Progress::Later => panic!("it was told that the file does not grow"),
            Progress::Done(..) => break,
        }
    }
    let content =
        if file.starts_with(&MAGIC) { if faults { None } else { gunzipped(file) } } else { Some(file.to_vec()) };
    if let Some(content) = content {
        assert_eq!(covered, content.len() as u64);
        for (offset, bytes) in kept {
            let start = usize::try_from(offset).unwrap();
            assert_eq!(content.get(start..start + bytes.len()), Some(&bytes[..]));
        }
    }
}

use innertrail_plugin::transform::batch::Fault;

/// What another reader makes of it; `None` where it finds damage.
fn gunzipped(file: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    flate2::read::MultiGzDecoder::new(file).take(1 << 22).read_to_end(&mut content).ok()?;
    Some(content)
}

/// What was read and written reads back the same, and `split` sees the same elements.
pub fn native_json_stable(data: &[u8]) {
    let split = native_json::split(data).map(|elements| elements.len());
    let Ok(items) = native_json::decode(data, DecodeSettings::default()) else { return };
    assert_eq!(split.ok(), Some(items.len()), "what decodes can be split");
    for item in items {
        let Item::Log(event) = item else { continue };
        let mut written = Vec::new();
        if native_json::encode(&event, NestingLimit::VECTOR, &mut written).is_err() {
            continue;
        }
        let again = native_json::decode(&written, DecodeSettings::default()).unwrap();
        let [Item::Log(again)] = &again[..] else { panic!("one log was written, {again:?} read") };
        let mut twice = Vec::new();
        native_json::encode(again, NestingLimit::VECTOR, &mut twice).unwrap();
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&twice));
    }
}

/// The same for protobuf, and for the framing and the gRPC messages around it.
pub fn native_stable(data: &[u8]) {
    let _ = native::decode_wrapper(data);
    let _ = native::split_push_request(data);
    let _ = native::split_frames(data, 1 << 16);
    let Ok(native::Frame::Logs { events, .. }) = native::decode(data) else { return };
    let Ok(written) = native::encode(events.clone()) else { return };
    match native::decode(&written).unwrap() {
        native::Frame::Logs { events: again, unknown_values } => {
            assert_eq!((again, unknown_values), (events, 0));
        }
        native::Frame::NotLog(_) => panic!("logs were written, something else read"),
    }
}

/// A name is read or not; what it promises can be read from its parts.
pub fn promise(data: &[u8]) {
    let Ok(name) = std::str::from_utf8(data) else { return };
    if let Some(promise) = object_name::parse(name) {
        let md5: String = promise.md5.iter().map(|b| format!("{b:02x}")).collect();
        let again = format!("Actiontrail_r_20260615085959_1002_{}_{}_{md5}.gz", promise.count, promise.size);
        assert_eq!(object_name::parse(&again), Some(promise));
    }
}

/// The first byte chooses the compression, the second the longest record; the rest is the body of a page, as it is and
/// as the one log group of a list. What goes out is framed to the byte, holds no line end inside, and costs no more than
/// its limits.
pub fn log_groups(data: &[u8]) {
    let [choice, longest, body @ ..] = data else { return };
    let longest = usize::from(*longest) * 16 + 1;
    let mut group = Vec::new();
    prost::encoding::bytes::encode(1, &body.to_vec(), &mut group);
    let compressed = lz4_flex::block::compress(&group);
    let (compression, size, body, count) = match choice % 5 {
        0 => ("lz4", group.len(), &compressed[..], 1),
        1 => ("lz4", usize::from(choice / 5) * 64, body, usize::from(choice / 25)),
        2 => ("zstd", usize::from(choice / 5) * 64, body, usize::from(choice / 25)),
        3 => ("", body.len(), body, usize::from(choice / 5)),
        _ => ("", group.len(), &group[..], 1),
    };
    let header = |name: &str, value: String| (name.to_owned(), value);
    let headers = vec![
        header("x-log-cursor", "2".to_owned()),
        header("x-log-count", count.to_string()),
        header("x-log-bodyrawsize", size.to_string()),
        header("x-log-compresstype", compression.to_owned()),
    ];
    let response = Response { id: 1, now_ms: 0, status: 200, headers, body: body.to_vec() };
    let Ok(answer) = Answer::read("1", response, 1 << 20) else { return };
    let Ok(mut page) = answer.open() else { return };
    let (mut offset, mut out) = (0, 0);
    while !page.is_done() {
        let mut cut = Cut::default();
        page.cut(&mut cut, Portion { most: 1 << 16, max_record: longest }, &mut offset);
        assert_eq!(cut.frames.last().map_or(0, |f| f.end as usize), cut.data.len());
        let mut begin = 0;
        for frame in &cut.frames {
            let line = &cut.data[begin..frame.end as usize];
            begin = frame.end as usize;
            assert!(line.len() <= longest + 2);
            let is_line = line.ends_with(b"}\n") && !line[..line.len() - 1].contains(&b'\n');
            assert!(frame.fault.is_some() || is_line);
        }
        out += cut.data.len();
        assert!(out <= (size + 1024) * 64 + (2 << 20), "{out} bytes of {size}");
    }
    assert_eq!(offset, out as u64);
}

/// A listing is read or refused; what it gives is bounded.
pub fn listing(data: &[u8]) {
    if let Ok(page) = xml::page(data) {
        assert!(page.objects.len() + page.prefixes.len() <= 2000);
        assert!(page.objects.iter().all(|object| !object.key.is_empty() && object.key.len() <= 8 << 10));
    }
    let around = [b"<ListBucketResult><Contents>", data, b"</Contents></ListBucketResult>"].concat();
    let _ = xml::page(&around);
    let _ = xml::error(data);
}

/// Whatever a provider says, it comes to something, in few words.
pub fn provider_errors(data: &[u8]) {
    for status in [200, 301, 400, 401, 403, 404, 429, 503, 999] {
        for service in [Service::Sls, Service::Oss] {
            let verdict = codes::judge(service, status, data);
            assert!(verdict.words.len() < 16 << 10);
        }
    }
}

/// Sessions that are answered with these bytes again and again, whatever they ask for: they go on asking, slowly, or end.
pub fn network(data: &[u8]) {
    let sls = r#"{"type":"sls","logstores":[{"project":"p","logstore":"l"}],"mode":"consumer_group","consumer_group":"g","consumer":"c"}"#;
    let plain = r#"{"type":"sls","logstores":[{"project":"p","logstore":"l"}],"follow":false,"page_bytes":65536}"#;
    let oss = r#"{"type":"oss","bucket":"bucket","read_bytes":64}"#;
    for config in [sls, plain, oss] {
        let mut session = Session::open(config, &[]).unwrap();
        let (mut now_ms, mut open, mut outcome) = (1, Vec::new(), Outcome::Started(1));
        for step in 0..40u16 {
            let mut over = false;
            for action in session.step(outcome) {
                match action {
                    Action::Fetch(request) => open.push(request.id),
                    Action::Wait(ms) => now_ms += i64::from(ms),
                    Action::Finish => over = true,
                    _ => {}
                }
            }
            assert!(open.len() <= 16);
            let Some(id) = open.pop().filter(|_| !over) else { break };
            let status = [200, 206, 403, 404][usize::from(step) % 4];
            let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let headers = vec![
                named("x-log-cursor", &step.to_string()),
                named("x-log-count", "1"),
                named("x-log-bodyrawsize", &data.len().to_string()),
                named("content-range", &format!("bytes 0-{}/{}", data.len(), data.len())),
            ];
            let status = if step % 7 == 0 { status } else { 200 };
            outcome = Outcome::Responded(Response { id, now_ms, status, headers, body: data.to_vec() });
        }
    }
}

/// Strings mean what serde_json says; anything else ends without a panic, and the watch list looks at it too.
pub fn unescape_like_serde_json(data: &[u8]) {
    let text = unescape(data);
    WatchList::new(["password", "accessKeySecret"]).hides_in(data);
    let quoted = [b"\"", data, b"\""].concat();
    if let Ok(theirs) = serde_json::from_slice::<String>(&quoted) {
        assert_eq!(text, theirs);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::*;

    /// Mutations of every fixture in an ordinary run.
    const ROUNDS: usize = 20;

    /// A generator of numbers that gives the same ones everywhere (xorshift).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % limit.max(1) as u64) as usize
        }
    }

    fn inputs(folder: &Path, found: &mut Vec<Vec<u8>>) {
        let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                inputs(&path, found);
            } else if name.starts_with("input") || name.starts_with("Actiontrail_") {
                found.push(std::fs::read(&path).unwrap());
                found.push(name.into_bytes());
            }
        }
    }

    fn corpus() -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        inputs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures"), &mut found);
        assert!(found.len() > 200, "the fixtures are part of the repository");
        // What networks bring is in no fixture: a few seeds of it.
        let group = b"\x0a\x18\x08\x01\x12\x14\x0a\x05event\x12\x0b{\"a\":\"b\\n\"}\x1a\x01t\x22\x01s\x32\x06\x0a\x01k\x12\x01v";
        found.extend([0u8, 1, 2, 3, 4].map(|choice| [&[choice, 9], &group[..]].concat()));
        for seed in SEEDS {
            found.push(seed.as_bytes().to_vec());
        }
        found.sort();
        found.dedup();
        found
    }

    const SEEDS: [&str; 9] = [
        "<?xml version=\"1.0\"?><ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
         <NextContinuationToken>t&amp;</NextContinuationToken><Contents><Key>AliyunLogs/a%20b</Key><Size>12</Size>\
         <ETag>&quot;1&#65;&quot;</ETag><LastModified>2026-06-15T00:00:00.000Z</LastModified></Contents>\
         <CommonPrefixes><Prefix>AliyunLogs/2026/</Prefix></CommonPrefixes></ListBucketResult>",
        "<Error><Code>AccessDenied</Code><Message>by &lt;policy&gt;</Message></Error>",
        "<Key>k</Key><Size>1</Size><ETag>e</ETag><LastModified>2026-06-15T00:00:00Z</LastModified>",
        "{\"errorCode\":\"Unauthorized\",\"errorMessage\":\"forbidden\"}",
        "[{\"shardID\":0,\"status\":\"readwrite\"},{\"shardID\":1,\"status\":\"readonly\"}]",
        "{\"cursor\":\"MTIz\",\"cursor_time\":12}",
        "[0,1]",
        "[{\"shard\":0,\"checkpoint\":\"MQ==\"}]",
        "{\"shards\":[3]}",
    ];

    const TOKENS: [&[u8]; 28] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"",
        b"\\",
        b"\\u",
        b"\\\"",
        b"\n",
        b"\0",
        b"\xff",
        b"null",
        b"-",
        b"1e999",
        b"\"password\":",
        b"{\"log\":",
        b"\x1f\x8b",
        b"\xef\xbb\xbf",
        b"{\"Events\":[",
        b"\"__topic__\":\"t\",",
        b"\"event\":",
        b"\"userIdentity\":{",
        b"<!DOCTYPE x [",
        b"&x;",
        b"</Contents>",
        b"\x0a\xff\xff\xff\x7f",
    ];

    fn mutated(seed: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
        let mut bytes = seed[..seed.len().min(4096)].to_vec();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(bytes.len() + 1);
            match numbers.below(7) {
                0 => bytes.truncate(at),
                1 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
                2 if at < bytes.len() => bytes[at] = numbers.below(256) as u8,
                3 => drop(bytes.drain(at..(at + numbers.below(40)).min(bytes.len()))),
                4 => {
                    let piece = bytes[at..(at + numbers.below(200)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
                5 if !other.is_empty() => {
                    let from = numbers.below(other.len());
                    let to = (from + numbers.below(300)).min(other.len());
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
                _ => drop(bytes.splice(at..at, TOKENS[numbers.below(TOKENS.len())].iter().copied())),
            }
        }
        bytes
    }

    /// Runs a body and, where it fails, says on which bytes.
    fn holds(body: &Body, data: &[u8]) {
        if catch_unwind(AssertUnwindSafe(|| (body.1)(data))).is_err() {
            panic!("{} fails on \"{}\"", body.0, data.escape_ascii());
        }
    }

    /// Each input as it is and, for bodies that read their settings off the front, behind settings too.
    fn both(data: &[u8], numbers: &mut Numbers) {
        let mut led = vec![numbers.below(256) as u8, numbers.below(256) as u8];
        led.extend_from_slice(data);
        for body in &BODIES {
            match body.0 {
                "transform" => holds(body, &led[1..]),
                "source" | "log_groups" => holds(body, &led),
                _ => holds(body, data),
            }
        }
    }

    #[test]
    fn bodies_hold_over_the_fixtures() {
        let mut numbers = Numbers(0x1234_5678_9abc_def1);
        for data in corpus() {
            both(&data, &mut numbers);
        }
    }

    /// `INNERTRAIL_FUZZ_SECONDS` lets it run on, from a seed that the clock gives and that is printed.
    #[test]
    fn bodies_hold_over_mutated_fixtures() {
        let corpus = corpus();
        let seconds = std::env::var("INNERTRAIL_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
        let until = Instant::now() + Duration::from_secs(seconds);
        let clock = || std::time::UNIX_EPOCH.elapsed().map_or(1, |d| d.as_nanos() as u64 | 1);
        let seed = if seconds > 0 { clock() } else { 0x9e37_79b9_7f4a_7c15 };
        let mut numbers = Numbers(seed);
        let mut runs = 0u64;
        let mut round = 0;
        while round < ROUNDS || Instant::now() < until {
            for data in &corpus {
                let other = &corpus[numbers.below(corpus.len())];
                both(&mutated(data, other, &mut numbers), &mut numbers);
                runs += BODIES.len() as u64;
            }
            round += 1;
        }
        eprintln!("{runs} runs of the bodies, seed {seed}");
    }
}
