//! What sessions that read the network keep in memory when everything that comes is as large as it may be. An instance of
//! the component has 64 MiB by default; a session must fit with room for what carries its answers out.
#![allow(clippy::unwrap_used)]
#![allow(unsafe_code)] // A counting allocator can only be one by the trait's unsafe functions; it hands everything on.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use innertrail_plugin::source::http::{Request, Response};
use innertrail_plugin::source::{Action, Outcome, Session};

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call goes to the system's allocator with the same arguments, and its answer is given back unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most bytes of an instance's 64 MiB that a session may take.
const MOST: usize = 56 << 20;

/// Status, headers and body.
type Answer = (u16, Vec<(String, String)>, Vec<u8>);

/// Answers every request from `reply`, all open ones before the session goes on, and lets go of what is given out.
/// Gives the peak of what the session held, in bytes, and the bytes of frames.
fn peak(config: &str, reply: &dyn Fn(&Request) -> Answer) -> (usize, usize) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let mut session = Session::open(config, &[]).unwrap();
    let (mut open, mut out, mut now_ms) = (VecDeque::new(), 0, 1);
    let mut outcome = Outcome::Started(now_ms);
    for _ in 0..80 {
        let mut wait = 0;
        for action in session.step(outcome) {
            match action {
                Action::Fetch(request) => open.push_back(request),
                Action::Emit(emitted) => out += emitted.data.len(),
                Action::Wait(ms) => wait = ms,
                _ => {}
            }
        }
        outcome = match open.pop_front() {
            Some(request) => {
                let (status, headers, body) = reply(&request);
                Outcome::Responded(Response { id: request.id, now_ms, status, headers, body })
            }
            None => {
                now_ms += i64::from(wait);
                Outcome::Woke(now_ms)
            }
        };
    }
    (PEAK.load(Relaxed) - before, out)
}

fn named(name: &str, value: &dyn ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

/// A list of one group of so many logs with one content each.
fn list(logs: usize, content: &[u8]) -> Vec<u8> {
    let field = |number: u32, bytes: &[u8]| {
        let mut out = Vec::new();
        prost::encoding::bytes::encode(number, &bytes.to_vec(), &mut out);
        out
    };
    let content = [field(1, b"event"), field(2, content)].concat();
    let log = [b"\x08\x01".to_vec(), field(2, &content)].concat();
    let group: Vec<u8> = (0..logs).flat_map(|_| field(1, &log)).collect();
    field(1, &group)
}

fn sls_peak(raw: &[u8], compression: &str, shards: u32, more: &str) -> (usize, usize) {
    let body = if compression == "lz4" { lz4_flex::block::compress(raw) } else { raw.to_vec() };
    let config = format!(r#"{{"type":"sls","logstores":[{{"project":"p","logstore":"l"}}]{more}}}"#);
    let list: Vec<_> = (0..shards).map(|id| format!("{{\"shardID\":{id},\"status\":\"readwrite\"}}")).collect();
    let list = format!("[{}]", list.join(","));
    let next = std::cell::Cell::new(1u64);
    peak(&config, &|request| {
        if request.path.ends_with("/shards") {
            return (200, Vec::new(), list.clone().into_bytes());
        }
        if request.query.iter().any(|(_, value)| value == "cursor") {
            return (200, Vec::new(), b"{\"cursor\":\"0\"}".to_vec());
        }
        next.set(next.get() + 1);
        let headers = vec![
            named("x-log-cursor", &next.get()),
            named("x-log-count", &1),
            named("x-log-bodyrawsize", &raw.len()),
            named("x-log-compresstype", &compression),
        ];
        (200, headers, body.clone())
    })
}

/// Bytes that no compression makes smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // No quote, backslash or control character: those are another case.
        b'a' + (state % 26) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn sessions_stay_within_their_memory() {
    let mut told = String::new();
    let mut check = |about: &str, (peak, out): (usize, usize)| {
        told += &format!("{about}: {:.1} MiB at the peak, {} MiB out\n", peak as f64 / f64::from(1 << 20), out >> 20);
        assert!(peak <= MOST, "{told}");
        assert!(out > 0, "{told}");
    };
    let full = (12 << 20) - 4096;
    let plain = list(1, &noise(3 << 20));
    check("small pages", sls_peak(&plain, "lz4", 4, ""));
    let large = list(11, &noise(full / 11 - 64));
    check("full pages that do not compress", sls_peak(&large, "", 16, ",\"max_in_flight\":4"));
    check("the same, as many as may be", sls_peak(&large, "", 16, ",\"max_in_flight\":16"));
    let escapes = list(3, &vec![7u8; full / 3 - 64]);
    check("logs that grow six times in JSON", sls_peak(&escapes, "lz4", 16, ""));
    let quotes = list(6, &vec![b'"'; full / 6 - 64]);
    check("logs that double in JSON", sls_peak(&quotes, "lz4", 16, ""));
    let tiny = list(500_000, b"");
    check("half a million of logs", sls_peak(&tiny, "lz4", 1, ""));

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..80 {
        encoder.write_all(&[b'x'; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let keys = (0..900).map(|n| {
        format!(
            "<Contents><Key>AliyunLogs/{}{n:04}</Key><ETag>\"1\"</ETag><Size>{}</Size>\
             <LastModified>2026-06-15T00:00:00Z</LastModified></Contents>",
            "k".repeat(1000),
            bomb.len()
        )
    });
    let page = format!("<ListBucketResult>{}</ListBucketResult>", keys.collect::<String>());
    let bucket = |request: &Request| {
        if request.path == "/" {
            return (200, Vec::new(), page.clone().into_bytes());
        }
        let range = request.headers[0].1.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let (from, to): (usize, usize) = (range.0.parse().unwrap(), range.1.parse().unwrap());
        let headers = vec![named("content-range", &format!("bytes {from}-{to}/{}", bomb.len()))];
        (206, headers, bomb[from..=to].to_vec())
    };
    check(
        "objects that decompress a thousand times",
        peak(r#"{"type":"oss","bucket":"bucket","max_in_flight":4}"#, &bucket),
    );
    eprint!("{told}");
}
