//! The OSS source against a bucket that is a function, see `network/`.
#![allow(clippy::unwrap_used)]

#[path = "network/mod.rs"]
mod network;
#[path = "network/oss.rs"]
mod oss;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::rc::Rc;

use innertrail_plugin::source::http::{Fault, Request};
use innertrail_plugin::source::position::Checkpoint;
use innertrail_plugin::source::{Cause, Session, State};
use md5::{Digest, Md5};
use network::{Host, Manner, Numbers, Reply, START_MS};
use oss::{Oss, cut, error};

const ONCE: &str = ",\"follow\":false";
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn config(more: &str) -> String {
    format!("{{\"type\":\"oss\",\"name\":\"s\",\"bucket\":\"bucket\",\"prefix\":\"p\"{more}}}")
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn lines(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|n| format!("{{\"eventId\":\"E{n:06}\"}}\n")).collect::<String>().into_bytes()
}

fn ids(from: usize, count: usize) -> Vec<String> {
    (from..from + count).map(|n| format!("E{n:06}")).collect()
}

/// A key as ActionTrail gives it, for an object of this time.
fn key(place: &str, ms: i64, count: usize, file: &[u8]) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms).unwrap();
    let region = place.rsplit('/').next().unwrap();
    let md5: String = Md5::digest(file).iter().map(|b| format!("{b:02x}")).collect();
    let (day, second) = (time.format("%Y/%m/%d"), time.format("%Y%m%d%H%M%S"));
    format!("p/AliyunLogs/{place}/{day}/Actiontrail_{region}_{second}_1002_{count}_{}_{md5}.gz", file.len())
}

const HANGZHOU: &str = "Actiontrail/cn-hangzhou";
const MEMBER: &str = "Actiontrail/rd-Example1/1000000000000002/cn-shanghai";

/// Writes an object of so many events.
fn put(bucket: &mut Oss, place: &str, ms: i64, from: usize, count: usize) -> String {
    let file = gz(&lines(from, count));
    let key = key(place, ms, count, &file);
    bucket.put(&key, &file);
    key
}

type Frame = (String, Vec<u8>);

fn counts(frames: &[Frame]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (_, line) in frames {
        let line: serde_json::Value = serde_json::from_slice(line).unwrap();
        *counts.entry(line["eventId"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

fn once_each(frames: &[Frame], expected: &[String]) {
    let counts = counts(frames);
    assert_eq!(counts.keys().cloned().collect::<Vec<_>>(), expected, "the events that came");
    assert!(counts.values().all(|count| *count == 1), "some came twice");
}

fn run(config: &str, checkpoints: &[Checkpoint], bucket: &mut Oss) -> Host {
    let mut host = Host::open(config, checkpoints, START_MS, Manner::default());
    host.run(bucket, |_| false);
    host
}

fn follow(bucket: &mut Oss, checkpoints: &[Checkpoint], from_ms: i64, until_ms: i64) -> Host {
    let mut host = Host::open(&config(""), checkpoints, from_ms, Manner::default());
    host.run_until(bucket, until_ms);
    host
}

#[test]
fn a_bucket_is_read_to_its_end() {
    let mut bucket = Oss { now_ms: START_MS, ..Oss::default() };
    bucket.put(
        &format!("p/AliyunLogs/{HANGZHOU}/2026/06/15/a b.json"),
        b"{\"eventId\":\"E000000\"}\n{\"eventId\":\"E000001\"}\n",
    );
    bucket.put("p/AliyunLogs/loose.json", b"{\"eventId\":\"E000002\"}");
    bucket.put("p/AliyunLogs/folder/", b"");
    bucket.put("p/other/ignored.json", b"{\"eventId\":\"E000009\"}");
    let host = run(&config(&format!("{ONCE},\"read_bytes\":30,\"max_in_flight\":2")), &[], &mut bucket);
    assert_eq!(host.states.last(), Some(&State::Finished));
    once_each(&host.frames(host.durable), &ids(0, 3));
    insta::assert_snapshot!(host.transcript);
}

#[test]
fn both_layouts_are_read_and_promises_checked() {
    let mut bucket = Oss::default();
    put(&mut bucket, HANGZHOU, START_MS, 0, 3);
    put(&mut bucket, MEMBER, START_MS, 3, 3);
    put(&mut bucket, "Actiontrail-Insight/cn-hangzhou", START_MS, 6, 3);
    let file = gz(&lines(9, 3));
    bucket.put(&key(MEMBER, START_MS + 1000, 4, &file), &file);
    let host = run(&config(ONCE), &[], &mut bucket);
    once_each(&host.frames(host.durable), &ids(0, 12));
    assert_eq!(host.checks.len(), 4);
    let wrong: Vec<_> = host.checks.iter().filter(|c| c.count.0 != c.count.1 || !c.size_ok || !c.md5_ok).collect();
    assert!(wrong.len() == 1 && wrong[0].count == (4, 3), "{wrong:?}");
    let mut marks: Vec<_> =
        host.stored().into_iter().filter(|(key, _)| key.starts_with("mark:")).map(|(key, _)| key).collect();
    marks.sort();
    assert_eq!(marks[0], "mark:p/AliyunLogs/Actiontrail-Insight/cn-hangzhou/");
    assert_eq!(marks.len(), 3);
}

/// A prefix is taken with or without the slash, and with the folder that ActionTrail adds.
#[test]
fn where_the_root_is() {
    let root = |prefix: &str| {
        let json = format!("{{\"bucket\":\"bucket\",\"prefix\":\"{prefix}\"}}");
        innertrail_plugin::source::oss::config::Config::parse(&json).unwrap().root()
    };
    for (prefix, expected) in [
        ("", "AliyunLogs/"),
        ("p", "p/AliyunLogs/"),
        ("/p/q/", "p/q/AliyunLogs/"),
        ("AliyunLogs/Actiontrail/", "AliyunLogs/Actiontrail/"),
        ("p/AliyunLogs/Actiontrail", "p/AliyunLogs/Actiontrail"),
    ] {
        assert_eq!(root(prefix), expected);
    }
}

/// Whatever is durable when the process dies, nothing is missing and nothing comes twice.
#[test]
fn objects_are_taken_up_where_they_were_left() {
    let mut bucket = Oss::default();
    let wide = |from: usize, count: usize| {
        let line = |n| format!("{{\"eventId\":\"E{n:06}\",\"pad\":\"{}\"}}\n", "x".repeat(400));
        (from..from + count).map(line).collect::<String>().into_bytes()
    };
    let file = gz(&wide(0, 2000));
    bucket.put(&key(HANGZHOU, START_MS, 2000, &file), &file);
    put(&mut bucket, HANGZHOU, START_MS + 1000, 2000, 10);
    let plain = wide(2010, 1500);
    bucket.put(&format!("p/AliyunLogs/{HANGZHOU}/2026/06/15/plain.json"), &plain);
    let config = config(&format!("{ONCE},\"read_bytes\":5000"));
    let whole = run(&config, &[], &mut bucket);
    assert!(whole.emits.len() > 5, "{} emits", whole.emits.len());
    for cut in 0..=whole.emits.len() as u64 {
        let mut frames = whole.frames(cut);
        let rest = run(&config, &whole.checkpoints(cut), &mut bucket);
        frames.extend(rest.frames(rest.emits.len() as u64));
        once_each(&frames, &ids(0, 3510));
    }
}

/// Bodies that end early: what came is kept, and reading goes on behind it.
#[test]
fn a_cut_body_is_taken_up_behind_the_cut() {
    let mut bucket = Oss::default();
    let key = put(&mut bucket, HANGZHOU, START_MS, 0, 5000);
    let (size, asked) = (bucket.objects[&key].body.len(), Rc::new(RefCell::new(Vec::new())));
    let seen = asked.clone();
    bucket.hook = Some(Box::new(move |request: &Request, reply| {
        if request.path == "/" {
            return reply;
        }
        seen.borrow_mut().push(request.headers[0].1.clone());
        let cuts = seen.borrow().len();
        if cuts < 10 { cut(reply, 1000) } else { reply }
    }));
    let host = run(&config(ONCE), &[], &mut bucket);
    once_each(&host.frames(host.durable), &ids(0, 5000));
    assert!(host.checks[0].md5_ok && size > 9000, "{size} B");
    let expected: Vec<_> = (0..10).map(|n| format!("bytes={}-{}", n * 1000, size - 1)).collect();
    assert_eq!(*asked.borrow(), expected);
}

/// A server or proxy that passes the range over gives all of it.
#[test]
fn an_answer_without_a_range_is_understood() {
    let mut bucket = Oss::default();
    put(&mut bucket, HANGZHOU, START_MS, 0, 100);
    bucket.hook = Some(Box::new(|request: &Request, reply| match reply {
        Reply::Answer(206, _, body) if request.path != "/" => Reply::Answer(200, Vec::new(), body),
        other => other,
    }));
    let host = run(&config(ONCE), &[], &mut bucket);
    once_each(&host.frames(host.durable), &ids(0, 100));
}

#[test]
fn an_object_that_changes_is_read_again_from_its_start() {
    let mut bucket = Oss::default();
    let key = format!("p/AliyunLogs/{HANGZHOU}/2026/06/15/x.json");
    bucket.put(&key, &lines(0, 100));
    let mut host = Host::open(&config(",\"read_bytes\":1000"), &[], START_MS, Manner::default());
    host.run(&mut bucket, |host| host.transcript.contains("bytes=1000-"));
    bucket.put(&key, &lines(50, 200));
    host.run_until(&mut bucket, START_MS + 30_000);
    let came = counts(&host.frames(host.durable));
    assert!(ids(50, 200).iter().all(|id| came.contains_key(id)));
    assert!(host.notes.iter().any(|note| note.contains("read again")), "{:?}", host.notes);
    // Written anew after it was done.
    bucket.put(&key, &lines(400, 5));
    host.run_until(&mut bucket, START_MS + 130_000);
    let came = counts(&host.frames(host.durable));
    assert!(ids(400, 5).iter().all(|id| came.get(id) == Some(&1)));
}

#[test]
fn objects_that_are_gone_or_archived_are_gaps() {
    let mut bucket = Oss::default();
    let archived = put(&mut bucket, HANGZHOU, START_MS, 0, 3);
    let gone = put(&mut bucket, HANGZHOU, START_MS + 1000, 3, 3);
    put(&mut bucket, HANGZHOU, START_MS + 2000, 6, 3);
    bucket.objects.get_mut(&archived).unwrap().error = Some((403, "InvalidObjectState"));
    bucket.objects.get_mut(&gone).unwrap().error = Some((404, "NoSuchKey"));
    let mut host = Host::open(&config(""), &[], START_MS, Manner::default());
    host.run_until(&mut bucket, START_MS + 300_000);
    once_each(&host.frames(host.durable), &ids(6, 3));
    let mut gaps: Vec<_> = host.gaps.iter().map(|gap| (gap.what.clone(), gap.since_ms, gap.why.clone())).collect();
    gaps.sort();
    assert_eq!(gaps.len(), 2, "each is told once: {gaps:?}");
    assert_eq!((gaps[0].0.as_str(), gaps[0].1), (format!("oss:bucket/{archived}").as_str(), Some(START_MS - 600_000)));
    assert!(gaps[0].2.contains("InvalidObjectState") && gaps[1].2.contains("NoSuchKey"));
    // One that was begun and is deleted before the next session.
    let big = put(&mut bucket, HANGZHOU, START_MS + 3000, 10, 60_000);
    let mut host = Host::open(&config(""), &host.stored(), host.now_ms, Manner::default());
    host.run(&mut bucket, |host| host.emits.iter().any(|e| e.frames.len() > 100));
    bucket.objects.remove(&big);
    let mut host = Host::open(&config(""), &host.checkpoints(host.emits.len() as u64), host.now_ms, Manner::default());
    let at = host.now_ms;
    host.run_until(&mut bucket, at + 300_000);
    assert!(host.gaps.len() == 1 && host.gaps[0].why.contains("not listed"), "{:?}", host.gaps);
    assert_eq!(host.states.last(), Some(&State::Idle));
}

/// Late objects: within the overlap they are seen at the next poll, later ones by the daily look at the days before.
#[test]
fn late_objects_are_found() {
    let mut bucket = Oss { now_ms: START_MS, ..Oss::default() };
    let midnight = START_MS - START_MS % DAY;
    put(&mut bucket, HANGZHOU, midnight + HOUR, 0, 2);
    let mut host = follow(&mut bucket, &[], START_MS, START_MS + 100_000);
    put(&mut bucket, HANGZHOU, midnight - 30 * 60_000, 2, 2);
    let at = host.now_ms;
    host.run_until(&mut bucket, at + 70_000);
    once_each(&host.frames(host.durable), &ids(0, 4));
    // Three days on, an object of the first day comes.
    for day in 1..4 {
        put(&mut bucket, HANGZHOU, midnight + day * DAY + 12 * HOUR, 100 + day as usize, 1);
    }
    let at = host.now_ms;
    host.run_until(&mut bucket, at + 4 * DAY);
    put(&mut bucket, HANGZHOU, midnight + 2 * HOUR, 4, 2);
    let (at, frames) = (host.now_ms, host.frames(host.durable).len());
    host.run_until(&mut bucket, at + 25 * HOUR);
    assert_eq!(host.frames(host.durable).len(), frames + 2);
    assert!(host.notes.iter().any(|note| note.contains("came later")), "{:?}", host.notes);
    // Those that came late are read again once at the most, by the look through the days before; nothing else is.
    let at = host.now_ms;
    host.run_until(&mut bucket, at + 3 * DAY);
    let counts = counts(&host.frames(host.durable));
    assert_eq!(counts.keys().cloned().collect::<Vec<_>>(), [ids(0, 6), ids(101, 3)].concat());
    assert!(counts.iter().all(|(id, count)| *count == 1 || *count == 2 && ids(2, 4).contains(id)), "{counts:?}");
}

/// What is remembered is bounded by the overlap: a year of objects leaves the entries of two days.
#[test]
fn entries_are_forgotten_behind_the_mark() {
    let mut bucket = Oss { now_ms: START_MS, ..Oss::default() };
    for n in 0..2000 {
        put(&mut bucket, HANGZHOU, START_MS - 2000 * 4 * HOUR + n * 4 * HOUR, n as usize, 1);
    }
    let host = run(&config(&format!("{ONCE},\"page_keys\":100")), &[], &mut bucket);
    once_each(&host.frames(host.durable), &ids(0, 2000));
    let objects = host.stored().iter().filter(|(key, _)| key.starts_with("obj:")).count();
    assert!(objects <= 12, "{objects} entries");
    let again = run(&config(ONCE), &host.stored(), &mut bucket);
    assert!(again.frames(again.durable).is_empty());
}

#[test]
fn the_first_day_can_be_chosen() {
    let mut bucket = Oss::default();
    for day in 0..5 {
        put(&mut bucket, HANGZHOU, START_MS - day * DAY, day as usize, 1);
    }
    let host = run(&config(&format!("{ONCE},\"from\":\"2026-06-14\"")), &[], &mut bucket);
    once_each(&host.frames(host.durable), &ids(0, 2));
}

#[test]
fn new_regions_and_accounts_are_found() {
    let mut bucket = Oss::default();
    put(&mut bucket, HANGZHOU, START_MS, 0, 1);
    let mut host = follow(&mut bucket, &[], START_MS, START_MS + 100_000);
    put(&mut bucket, MEMBER, START_MS, 1, 1);
    host.run_until(&mut bucket, START_MS + 800_000);
    once_each(&host.frames(host.durable), &ids(0, 2));
    assert_eq!(host.states.last(), Some(&State::Idle));
    assert!(bucket.lists < 100, "{} listings in 13 minutes", bucket.lists);
}

#[test]
fn an_empty_bucket_says_what_to_check() {
    let host = run(&config(ONCE), &[], &mut Oss::default());
    assert!(host.notes[0].contains("no object below p/AliyunLogs/"), "{:?}", host.notes);
    assert_eq!(host.states.last(), Some(&State::Finished));
}

#[test]
fn an_object_that_the_component_fails_on_is_never_asked_for_again() {
    let mut bucket = Oss::default();
    let bad = put(&mut bucket, HANGZHOU, START_MS, 0, 1);
    put(&mut bucket, HANGZHOU, START_MS + 1000, 1, 1);
    let mut host = Host::open(&config(""), &[], START_MS, Manner::default());
    host.abandon(&format!("oss:bucket/{bad}"));
    host.run_until(&mut bucket, START_MS + 100_000);
    once_each(&host.frames(host.durable), &ids(1, 1));
    let again = follow(&mut bucket, &host.stored(), host.now_ms, host.now_ms + 100_000);
    assert!(again.frames(again.durable).is_empty());
}

fn states_with(hook: impl FnMut(&Request, Reply) -> Reply + 'static, ms: i64) -> (Vec<State>, u64) {
    let mut bucket = Oss::default();
    put(&mut bucket, HANGZHOU, START_MS, 0, 4);
    bucket.hook = Some(Box::new(hook));
    let mut host = Host::open(&config(""), &[], START_MS, Manner::default());
    host.run_until(&mut bucket, START_MS + ms);
    (host.states, host.requests)
}

#[test]
fn what_the_codes_come_to() {
    let failing = |status, code: &'static str, message: &'static str, ms| {
        states_with(move |_, _| error(status, code, message), ms).0
    };
    for (status, code, message, cause) in [
        (403, "UserDisable", "", Cause::Overdue),
        (403, "AbnormalBucketOwnerStatus", "", Cause::Overdue),
        (404, "NoSuchBucket", "", Cause::SourceGone),
        (403, "BucketDisable", "", Cause::Other),
        (403, "NeverHeardOf", "", Cause::NotEntitled),
    ] {
        let states = failing(status, code, message, 1_000);
        assert!(matches!(states.last(), Some(State::Paused(c, _)) if *c == cause), "{code}: {states:?}");
    }
    for (status, code, message) in [
        (403, "AccessDenied", "You have no right to access this object"),
        (403, "InvalidAccessKeyId", ""),
        (403, "AccessDenied", "The bucket must be addressed using the specified endpoint."),
    ] {
        let states = failing(status, code, message, 1_000);
        assert!(matches!(states.last(), Some(State::Failed(why)) if why.contains(code)), "{states:?}");
    }
    // Listing is allowed, reading is not: told, and asked for again slowly.
    let (states, requests) = states_with(
        |request, reply| if request.path == "/" { reply } else { error(403, "AccessDenied", "by policy") },
        600_000,
    );
    assert!(matches!(states.last(), Some(State::Paused(Cause::NotEntitled, why)) if why.contains("AccessDenied")));
    assert!(requests < 60, "{requests} requests in ten minutes");
    let (states, _) = states_with(|_, _| Reply::Nothing(Fault::Credentials, Vec::new()), 1_000);
    assert!(matches!(states.last(), Some(State::Failed(_))), "{states:?}");
}

#[test]
fn a_bill_that_is_not_paid_and_then_is() {
    let mut bucket = Oss::default();
    put(&mut bucket, HANGZHOU, START_MS, 0, 2);
    let mut host = follow(&mut bucket, &[], START_MS, START_MS + 100_000);
    bucket.hook = Some(Box::new(|_, _| error(403, "UserDisable", "UserDisable")));
    put(&mut bucket, HANGZHOU, START_MS + 1000, 2, 2);
    host.run_until(&mut bucket, START_MS + 170_000);
    assert!(matches!(host.states.last(), Some(State::Paused(Cause::Overdue, _))), "{:?}", host.states);
    host.run_until(&mut bucket, START_MS + 10 * DAY);
    bucket.hook = None;
    let at = host.now_ms;
    host.run_until(&mut bucket, at + 700_000);
    assert_eq!(host.states.last(), Some(&State::Idle));
    once_each(&host.frames(host.durable), &ids(0, 4));
    assert!(host.gaps.is_empty());
}

/// Listings and objects that lie: bounded requests, a typed state, nothing out that is not the object's.
#[test]
fn answers_that_lie_cost_little_and_are_told() {
    type Lie = fn(&Request, Reply) -> Reply;
    let lies: [(&str, Lie); 9] = [
        ("an entity", |r, reply| {
            if r.path != "/" {
                return reply;
            }
            Reply::ok(
                "<!DOCTYPE l [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><ListBucketResult><Name>&b;</Name></ListBucketResult>",
            )
        }),
        ("an external entity", |r, reply| {
            if r.path != "/" {
                return reply;
            }
            Reply::ok("<ListBucketResult><Name>&xxe;</Name></ListBucketResult>")
        }),
        (
            "a page of a proxy",
            |r, reply| if r.path == "/" { Reply::ok("<html><body>hello</body></html>") } else { reply },
        ),
        ("endless tokens", |r, reply| {
            if !r.query.iter().any(|(name, _)| name == "delimiter") {
                return reply;
            }
            Reply::ok(
                "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>",
            )
        }),
        ("an endless listing", |r, reply| {
            if r.path != "/" || r.query.iter().any(|(name, _)| name == "delimiter") {
                return reply;
            }
            Reply::ok("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>")
        }),
        ("keys from elsewhere", |r, reply| {
            if r.path != "/" || r.query.iter().any(|(name, _)| name == "delimiter") {
                return reply;
            }
            Reply::ok(
                "<ListBucketResult><Contents><Key>q/x</Key><ETag>\"1\"</ETag><Size>1</Size><LastModified>2026-06-15T00:00:00Z</LastModified></Contents></ListBucketResult>",
            )
        }),
        ("another range", |r, reply| match reply {
            Reply::Answer(206, mut headers, body) if r.path != "/" => {
                headers[0].1 = headers[0].1.replace("bytes 0-", "bytes 5-");
                Reply::Answer(206, headers, body)
            }
            other => other,
        }),
        ("no range", |r, reply| match reply {
            Reply::Answer(206, _, body) if r.path != "/" => Reply::Answer(206, Vec::new(), body),
            other => other,
        }),
        ("no bytes", |r, reply| match reply {
            Reply::Answer(206, headers, _) if r.path != "/" => Reply::Answer(206, headers, Vec::new()),
            other => other,
        }),
    ];
    for (about, lie) in lies {
        let mut bucket = Oss::default();
        put(&mut bucket, HANGZHOU, START_MS, 0, 4);
        bucket.hook = Some(Box::new(lie));
        let mut host = Host::open(&config(""), &[], START_MS, Manner::default());
        host.run_until(&mut bucket, START_MS + 600_000);
        assert!(host.emits.iter().all(|e| e.frames.is_empty()), "{about}: something went out");
        assert!(matches!(host.states.last(), Some(State::Paused(Cause::Other, _))), "{about}: {:?}", host.states);
        assert!(host.requests < 200, "{about}: {} requests", host.requests);
        bucket.hook = None;
        let at = host.now_ms;
        host.run_until(&mut bucket, at + 700_000);
        once_each(&host.frames(host.durable), &ids(0, 4));
    }
}

/// Folders without end: the walk stops and says so, and what it found is read.
#[test]
fn folders_without_end_are_told() {
    let mut bucket = Oss::default();
    put(&mut bucket, HANGZHOU, START_MS, 0, 2);
    let deep = format!("p/AliyunLogs/{}x.json", "d/".repeat(40));
    bucket.put(&deep, &lines(9, 1));
    let host = follow(&mut bucket, &[], START_MS, START_MS + 10_000);
    once_each(&host.frames(host.durable), &ids(0, 2));
    assert!(matches!(host.states.last(), Some(State::Paused(Cause::Other, why)) if why.contains("narrow the prefix")));
}

/// Whatever goes wrong, whenever the process dies and however late objects come: every event is durable exactly once.
#[test]
fn storms_lose_nothing() {
    let mut faults = 0;
    for seed in 1..=20u64 {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut bucket = Oss { now_ms: START_MS, ..Oss::default() };
        let mut written = 0;
        let mut write = |bucket: &mut Oss, numbers: &mut Numbers| {
            let place = [HANGZHOU, MEMBER, "Actiontrail/cn-beijing"][numbers.below(3)];
            let most = if numbers.chance(8) { 9000 } else { 200 };
            let count = 1 + numbers.below(most);
            // Up to an hour late.
            let ms = bucket.now_ms - numbers.below(3_600) as i64 * 1000;
            put(bucket, place, ms, written, count);
            written += count;
        };
        (0..12).for_each(|_| write(&mut bucket, &mut numbers));
        let config = config(",\"read_bytes\":4096,\"page_keys\":5,\"poll_interval_secs\":600");
        let (mut frames, mut stored, mut now) = (Vec::new(), Vec::new(), START_MS);
        bucket.numbers = Some((Numbers(seed.wrapping_mul(77) | 1), 5));
        for life in 0..5 {
            let manner = Manner { commit: 1 + numbers.below(6) as u64, seed: Some(seed.wrapping_add(life) | 1) };
            let mut host = Host::open(&config, &stored, now, manner);
            host.run_until(&mut bucket, now + numbers.below(4_000) as i64);
            (0..4).for_each(|_| write(&mut bucket, &mut numbers));
            let at = host.now_ms;
            host.run_until(&mut bucket, at + 100_000 + numbers.below(3 * HOUR as usize) as i64);
            assert!(host.gaps.is_empty(), "seed {seed}: {:?}", host.gaps);
            frames.extend(host.frames(host.durable));
            stored = host.stored();
            now = host.now_ms;
        }
        bucket.numbers = None;
        let mut host = Host::open(&config, &stored, now, Manner::default());
        host.run_until(&mut bucket, now + 900_000);
        assert_eq!(host.states.last(), Some(&State::Idle), "seed {seed}");
        frames.extend(host.frames(host.durable));
        once_each(&frames, &ids(0, written));
        faults += bucket.faults;
    }
    assert!(faults > 1_000, "{faults} faults");
}

#[test]
fn bad_configurations_and_checkpoints_are_refused() {
    let told =
        |config: &str, checkpoints: &[Checkpoint]| format!("{:?}", Session::open(config, checkpoints).unwrap_err());
    for (more, words) in [
        (",\"bucket\":\"B\"", "duplicate field"),
        (",\"from\":\"yesterday\"", "YYYY-MM-DD"),
        (",\"read_bytes\":0", "read_bytes"),
        (",\"page_keys\":1001", "page_keys"),
        (",\"endpoint\":\"x\"", "unknown field"),
    ] {
        let told = told(&config(more), &[]);
        assert!(told.starts_with("InvalidConfig") && told.contains(words), "{told}");
    }
    assert!(told("{\"type\":\"oss\"}", &[]).contains("bucket"));
    for (key, value) in [("obj:x", "{"), ("mark:x", "[]"), ("md5-of", "{}"), ("shard:x", "{}")] {
        let told = told(&config(""), &[(key.to_owned(), value.as_bytes().to_vec())]);
        assert!(told.starts_with("BadCheckpoint") && told.contains(key), "{told}");
    }
}
