//! The Log Service source against a cloud that is a function, see `network/`.
#![allow(clippy::unwrap_used)]

#[path = "network/mod.rs"]
mod network;
#[path = "network/sls.rs"]
mod sls;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use innertrail_plugin::source::http::Fault;
use innertrail_plugin::source::position::Checkpoint;
use innertrail_plugin::source::{Cause, State};
use network::{Host, Manner, Reply, START_MS};
use prost::Message;
use sls::{Sls, error, query};

fn config(more: &str) -> String {
    format!("{{\"type\":\"sls\",\"name\":\"s\",\"logstores\":[{{\"project\":\"p\",\"logstore\":\"l\"}}]{more}}}")
}

fn group_config(consumer: &str, more: &str) -> String {
    let group = format!(",\"mode\":\"consumer_group\",\"consumer_group\":\"g\",\"consumer\":\"{consumer}\"");
    config(&format!("{group},\"heartbeat_secs\":2,\"group_timeout_secs\":10{more}"))
}

const ONCE: &str = ",\"follow\":false";

fn ids(from: usize, count: usize) -> Vec<String> {
    (from..from + count).map(|n| format!("E{n:06}")).collect()
}

/// The event id of a line; `None` where it is none.
fn id_of(line: &[u8]) -> Option<String> {
    let line: serde_json::Value = serde_json::from_slice(line).ok()?;
    let event = match &line["event"] {
        serde_json::Value::String(text) => serde_json::from_str(text).ok()?,
        event => event.clone(),
    };
    Some(event["eventId"].as_str()?.to_owned())
}

/// A frame: where it came from, and its bytes.
type Frame = (String, Vec<u8>);

/// How often each event came.
fn counts(frames: &[Frame]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (_, line) in frames {
        *counts.entry(id_of(line).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(line)))).or_default() += 1;
    }
    counts
}

fn once_each(frames: &[Frame], expected: &[String]) {
    let counts = counts(frames);
    assert_eq!(counts.keys().cloned().collect::<Vec<_>>(), expected, "the events that came");
    assert!(counts.values().all(|count| *count == 1), "some came twice");
}

fn run(config: &str, checkpoints: &[Checkpoint], sls: &mut Sls) -> Host {
    let mut host = Host::open(config, checkpoints, START_MS, Manner::default());
    host.run(sls, |_| false);
    host
}

#[test]
fn two_shards_are_read_to_their_ends() {
    let mut sls = Sls::new(2);
    sls.write(0, &ids(0, 3), 2);
    sls.write(1, &ids(3, 1), 2);
    let host = run(&config(ONCE), &[], &mut sls);
    assert_eq!(host.states.last(), Some(&State::Finished));
    insta::assert_snapshot!(host.transcript);
}

#[test]
fn every_compression_gives_the_same() {
    for compression in ["lz4", "zstd", "none"] {
        let mut sls = Sls::new(1);
        sls.compression = compression;
        sls.write(0, &ids(0, 500), 7);
        let host = run(&config(&format!("{ONCE},\"compression\":\"{compression}\"")), &[], &mut sls);
        once_each(&host.frames(host.durable), &ids(0, 500));
    }
}

/// A page longer than one emit: whatever is durable when the process dies, nothing is missing and nothing comes twice.
#[test]
fn a_page_is_taken_up_where_it_was_left() {
    let mut sls = Sls::new(1);
    let wide = |id: &String| {
        let mut log = sls::event(id);
        log.contents.push(sls::pair("pad", &"x".repeat(2000)));
        log
    };
    let all = ids(0, 3000);
    let group = sls::Group { logs: all.iter().map(wide).collect(), topic: None, source: None, tags: Vec::new() };
    sls.shard(0).groups.push(group.encode_to_vec());
    let whole = run(&config(ONCE), &[], &mut sls);
    assert!(whole.emits.len() > 5 && whole.largest < 2 << 20, "{} emits, {} B", whole.emits.len(), whole.largest);
    for cut in 0..=whole.emits.len() as u64 {
        let mut frames = whole.frames(cut);
        let rest = run(&config(ONCE), &whole.checkpoints(cut), &mut sls);
        frames.extend(rest.frames(rest.emits.len() as u64));
        once_each(&frames, &all);
    }
}

/// The story: a position counts logs of a page. Had the service a shorter page under the same cursor by then, because the
/// oldest groups were gone, logs that nobody had seen would have been passed over.
#[test]
fn logs_are_passed_over_only_in_the_same_page() {
    let mut sls = Sls::new(1);
    sls.write(0, &ids(0, 4), 4);
    let head = innertrail_plugin::source::position::Head::of(b"another page");
    let position = serde_json::json!({"cursor": "1000", "logs": 3, "head": head});
    let checkpoint = ("shard:p/l/0".to_owned(), position.to_string().into_bytes());
    let host = run(&config(ONCE), &[checkpoint], &mut sls);
    once_each(&host.frames(host.durable), &ids(0, 4));
}

#[test]
fn where_a_shard_begins() {
    for (from, expected) in [("\"begin\"", 4), ("\"end\"", 0), ("1781510400000", 4)] {
        let mut sls = Sls::new(1);
        sls.write(0, &ids(0, 4), 2);
        let mut host = Host::open(&config(&format!(",\"from\":{from}")), &[], START_MS, Manner::default());
        host.run_until(&mut sls, START_MS + 5_000);
        assert_eq!(host.emits.iter().map(|e| e.frames.len()).sum::<usize>(), expected, "{from}");
        // A position is stored at once: what comes while nobody reads is not passed over by a second `end`.
        sls.write(0, &ids(4, 2), 2);
        let mut again =
            Host::open(&config(&format!(",\"from\":{from}")), &host.stored(), host.now_ms, Manner::default());
        again.run_until(&mut sls, START_MS + 10_000);
        once_each(&again.frames(again.durable), &ids(4, 2));
    }
}

/// Shards that were split off begin at their beginning, even where the source was told to begin at the end.
#[test]
fn a_split_loses_nothing() {
    let mut sls = Sls::new(1);
    sls.write(0, &ids(0, 4), 2);
    let mut host = Host::open(&config(",\"from\":\"end\",\"shard_refresh_secs\":5"), &[], START_MS, Manner::default());
    host.run_until(&mut sls, START_MS + 2_000);
    sls.write(0, &ids(4, 2), 2);
    let [left, right] = sls.split(0);
    sls.write(left, &ids(6, 2), 2);
    sls.write(right, &ids(8, 2), 2);
    host.run_until(&mut sls, START_MS + 20_000);
    once_each(&host.frames(host.durable), &ids(4, 6));
    let stored = host.stored();
    let done = stored.iter().find(|(key, _)| key == "shard:p/l/0").unwrap();
    assert!(String::from_utf8_lossy(&done.1).contains("\"done\":true"));
    // Merged shards expire and vanish: their positions go with them, and nobody calls it a gap.
    sls.store().shards.remove(&0);
    host.run_until(&mut sls, START_MS + 60_000);
    assert!(host.gaps.is_empty() && !host.stored().iter().any(|(key, _)| key == "shard:p/l/0"), "{:?}", host.gaps);
}

#[test]
fn a_shard_that_vanishes_unread_is_a_gap() {
    let mut sls = Sls::new(2);
    sls.write(0, &ids(0, 2), 2);
    let mut host = Host::open(&config(",\"shard_refresh_secs\":5"), &[], START_MS, Manner::default());
    host.run_until(&mut sls, START_MS + 2_000);
    sls.store().shards.remove(&0);
    host.run_until(&mut sls, START_MS + 60_000);
    assert_eq!(host.gaps.len(), 1, "{:?}", host.gaps);
    assert_eq!((host.gaps[0].what.as_str(), host.gaps[0].since_ms), ("sls:p/l/0", Some(1_781_510_401_000)));
}

#[test]
fn an_expired_cursor_is_a_gap_and_reading_goes_on() {
    let mut sls = Sls::new(1);
    sls.write(0, &ids(0, 4), 1);
    let first = run(&config(ONCE), &[], &mut sls);
    sls.write(0, &ids(4, 6), 1);
    sls.expire(0, 7);
    let host = run(&config(ONCE), &first.stored(), &mut sls);
    once_each(&host.frames(host.durable), &ids(7, 3));
    insta::assert_debug_snapshot!(host.gaps, @r#"
    [
        Gap {
            key: "shard:p/l/0",
            what: "sls:p/l/0",
            since_ms: Some(
                1781510401000,
            ),
            until_ms: Some(
                1781510500000,
            ),
            why: "400 ParameterInvalid Invalid cursor (the cursor is older than what the service still has)",
        },
    ]
    "#);
}

/// A service that refuses every cursor, its own oldest too: one gap, not one a second, and a pause that says why.
#[test]
fn a_service_that_refuses_every_cursor_pauses() {
    let mut sls = Sls::new(1);
    sls.write(0, &ids(0, 4), 1);
    sls.hook = Some(Box::new(|request, reply| match query(request, "type") {
        Some("logs") => error(400, "InvalidCursor", "no such cursor"),
        _ => reply,
    }));
    let mut host = Host::open(&config(""), &[], START_MS, Manner::default());
    host.run_until(&mut sls, START_MS + 600_000);
    assert_eq!(host.gaps.len(), 1);
    assert!(matches!(host.states.last(), Some(State::Paused(Cause::Other, why)) if why.contains("InvalidCursor")));
    assert!(host.requests < 60, "{} requests in ten minutes", host.requests);
}

/// Overdue in mid-run, then paid: a pause within one poll, and nothing is missing afterwards.
#[test]
fn a_bill_that_is_not_paid_and_then_is() {
    let mut sls = Sls::new(1);
    sls.write(0, &ids(0, 4), 1);
    let overdue = Rc::new(RefCell::new(false));
    let paid = overdue.clone();
    sls.hook = Some(Box::new(move |_, reply| match *paid.borrow() {
        true => error(401, "Unauthorized", "Your SLS service has been forbidden."),
        false => reply,
    }));
    let mut host = Host::open(&config(""), &[], START_MS, Manner::default());
    host.run_until(&mut sls, START_MS + 300_000);
    *overdue.borrow_mut() = true;
    sls.write(0, &ids(4, 4), 1);
    let (from, states) = (host.now_ms, host.states.len());
    host.run(&mut sls, |host| host.states.len() > states);
    assert!(host.now_ms - from <= 600, "paused after {} ms", host.now_ms - from);
    assert!(matches!(host.states.last(), Some(State::Paused(Cause::Overdue, why)) if why.contains("forbidden")));
    let (requests, at) = (host.requests, host.now_ms);
    host.run_until(&mut sls, at + 7 * 24 * 3_600_000);
    assert!(host.requests - requests < 7 * 24 * 30, "{} requests in a week", host.requests - requests);
    assert!(matches!(host.states.last(), Some(State::Paused(Cause::Overdue, _))));
    *overdue.borrow_mut() = false;
    let at = host.now_ms;
    host.run_until(&mut sls, at + 400_000);
    assert_eq!(host.states.last(), Some(&State::Idle));
    once_each(&host.frames(host.durable), &ids(0, 8));
    assert!(host.gaps.is_empty());
}

fn states_with(
    hook: impl FnMut(&innertrail_plugin::source::http::Request, Reply) -> Reply + 'static,
    ms: i64,
) -> Vec<State> {
    let mut sls = Sls::new(1);
    sls.write(0, &ids(0, 4), 1);
    sls.hook = Some(Box::new(hook));
    let mut host = Host::open(&config(""), &[], START_MS, Manner::default());
    host.run_until(&mut sls, START_MS + ms);
    host.states
}

#[test]
fn what_the_codes_come_to() {
    let failing = |status, code: &'static str, message: &'static str, ms| {
        states_with(move |_, _| error(status, code, message), ms)
    };
    // A wrong key ends a session that was never answered well.
    let states = failing(401, "InvalidAccessKeyId", "The access key id is invalid", 1_000);
    assert!(matches!(states.last(), Some(State::Failed(why)) if why.contains("InvalidAccessKeyId")), "{states:?}");
    // An expired token is tried with new credentials first.
    let states = failing(401, "Unauthorized", "The security token has expired", 60_000);
    assert!(matches!(states.last(), Some(State::Failed(_))) && states.len() == 2, "{states:?}");
    let renewed = Rc::new(RefCell::new(0));
    let seen = renewed.clone();
    let states = states_with(
        move |request, reply| {
            *seen.borrow_mut() += u32::from(request.renew);
            if request.renew || *seen.borrow() > 0 { reply } else { error(401, "InvalidSecurityToken", "expired") }
        },
        5_000,
    );
    assert_eq!((states.last(), *renewed.borrow()), (Some(&State::Idle), 1));
    // A young project may be forbidden for a while; later it is a bill.
    let states = failing(403, "ProjectForbidden", "The Project is forbidden", 50_000);
    assert_eq!(states, [State::Running]);
    let states = failing(403, "ProjectForbidden", "The Project is forbidden", 400_000);
    assert!(matches!(states.last(), Some(State::Paused(Cause::Overdue, _))), "{states:?}");
    for (code, message, cause) in [
        ("InvalidAccessKeyId", "Your SLS service has not opened.", Cause::NotEntitled),
        ("ProjectNotExist", "The Project does not exist : p", Cause::SourceGone),
    ] {
        let states = failing(if cause == Cause::SourceGone { 404 } else { 401 }, code, message, 1_000);
        assert!(matches!(states.last(), Some(State::Paused(c, _)) if *c == cause), "{states:?}");
    }
    // A quota, a clock and a provider in trouble are shown when they last.
    for (status, code, cause, ms) in [
        (403, "ReadQuotaExceed", Cause::Throttled, 180_000),
        (503, "ServerBusy", Cause::Other, 180_000),
        (400, "RequestTimeTooSkewed", Cause::Other, 10_000),
        (418, "Teapot", Cause::Other, 1_000),
    ] {
        assert!(failing(status, code, "", 100).len() == 1 || status == 418);
        let states = failing(status, code, "", ms);
        assert!(matches!(states.last(), Some(State::Paused(c, _)) if *c == cause), "{code}: {states:?}");
    }
    let states = states_with(|_, _| Reply::Nothing(Fault::Credentials, Vec::new()), 1_000);
    assert!(matches!(states.last(), Some(State::Failed(why)) if why.contains("credentials")), "{states:?}");
    let states = states_with(|_, _| Reply::Nothing(Fault::Redirect, Vec::new()), 1_000);
    assert!(matches!(states.last(), Some(State::Paused(Cause::Other, why)) if why.contains("elsewhere")), "{states:?}");
    let states = states_with(|_, _| Reply::Nothing(Fault::Dns, Vec::new()), 180_000);
    assert!(matches!(states.last(), Some(State::Paused(Cause::Other, why)) if why.contains("name")), "{states:?}");
}

/// A key that is taken away in mid-run pauses: it may come back, and a session that has ended cannot see that.
#[test]
fn a_right_that_is_taken_away_pauses() {
    let mut calls = 0;
    let states = states_with(
        move |_, reply| {
            calls += 1;
            if (10..=14).contains(&calls) { error(401, "Unauthorized", "AccessKeyId disabled") } else { reply }
        },
        400_000,
    );
    assert!(states.iter().any(|s| matches!(s, State::Paused(Cause::NotEntitled, _))), "{states:?}");
    assert_eq!(states.last(), Some(&State::Idle));
}

/// Answers that lie: nothing of them goes out, the session says so, and asks ever more slowly.
#[test]
fn answers_that_lie_cost_little_and_are_told() {
    let set = |reply: Reply, name: &str, value: &str| {
        let Reply::Answer(status, mut headers, body) = reply else { return reply };
        headers.retain(|(n, _)| n != name);
        headers.push((name.to_owned(), value.to_owned()));
        Reply::Answer(status, headers, body)
    };
    type Lie = Box<dyn Fn(Reply) -> Reply>;
    let lies: Vec<(&str, Lie)> = vec![
        ("a size that is too small", Box::new(move |r| set(r, "x-log-bodyrawsize", "10"))),
        ("a size that is too large", Box::new(move |r| set(r, "x-log-bodyrawsize", "1000000"))),
        ("an endless size", Box::new(move |r| set(r, "x-log-bodyrawsize", "18446744073709551615"))),
        ("no size", Box::new(move |r| set(r, "x-log-bodyrawsize", "many"))),
        ("fewer groups", Box::new(move |r| set(r, "x-log-count", "1"))),
        ("more groups", Box::new(move |r| set(r, "x-log-count", "900"))),
        ("endless groups", Box::new(move |r| set(r, "x-log-count", "4000000000"))),
        ("another compression", Box::new(move |r| set(r, "x-log-compresstype", "gzip"))),
        ("the wrong compression", Box::new(move |r| set(r, "x-log-compresstype", "zstd"))),
        ("no cursor", Box::new(move |r| set(r, "x-log-cursor", ""))),
        ("an endless cursor", Box::new(move |r| set(r, "x-log-cursor", &"x".repeat(10_000)))),
        ("the same cursor", Box::new(move |r| set(r, "x-log-cursor", "1000"))),
        (
            "garbage",
            Box::new(|r| match r {
                Reply::Answer(status, headers, body) => Reply::Answer(status, headers, vec![0xa5; body.len()]),
                other => other,
            }),
        ),
    ];
    for (about, lie) in lies {
        let mut sls = Sls::new(1);
        sls.write(0, &ids(0, 4), 1);
        sls.hook = Some(Box::new(move |request, reply| match query(request, "type") {
            Some("logs") => lie(reply),
            _ => reply,
        }));
        let mut host = Host::open(&config(",\"count\":3"), &[], START_MS, Manner::default());
        host.run_until(&mut sls, START_MS + 600_000);
        assert!(host.emits.iter().all(|e| e.frames.is_empty()), "{about}: something went out");
        assert!(matches!(host.states.last(), Some(State::Paused(Cause::Other, _))), "{about}: {:?}", host.states);
        assert!(host.requests < 60, "{about}: {} requests", host.requests);
        sls.hook = None;
        let at = host.now_ms;
        host.run_until(&mut sls, at + 400_000);
        once_each(&host.frames(host.durable), &ids(0, 4));
    }
}

/// A circle of cursors gives every event at most once more.
#[test]
fn cursors_that_go_in_a_circle_are_seen() {
    let mut sls = Sls::new(1);
    sls.write(0, &ids(0, 10), 1);
    sls.hook = Some(Box::new(|request, reply| match (query(request, "cursor"), reply) {
        (Some("1006"), Reply::Answer(status, mut headers, body)) => {
            headers[0].1 = "1002".to_owned();
            Reply::Answer(status, headers, body)
        }
        (_, reply) => reply,
    }));
    let mut host = Host::open(&config(",\"count\":2"), &[], START_MS, Manner::default());
    host.run_until(&mut sls, START_MS + 100_000);
    once_each(&host.frames(host.durable), &ids(0, 6));
    assert!(matches!(host.states.last(), Some(State::Paused(Cause::Other, why)) if why.contains("circle")));
}

/// The story: a page that was not what its headers said was let go of together with the one behind it, both were asked for
/// again, and the cursor between them, which had been given before, was taken for a circle: the shard stood still for ever. A
/// run of a million events under faults found it.
#[test]
fn going_back_over_two_pages_is_no_circle() {
    for seed in 1..25 {
        let mut sls = Sls::new(1);
        // The first page takes many steps to give out, so that two more may wait behind it.
        sls.write(0, &ids(0, 20_000), 20_000);
        sls.write(0, &ids(20_000, 6), 2);
        let lies = Rc::new(RefCell::new(1));
        let left = Rc::clone(&lies);
        sls.hook = Some(Box::new(move |request, reply| match (query(request, "cursor"), reply) {
            (Some("1001"), Reply::Answer(status, mut headers, body)) if *left.borrow() > 0 => {
                *left.borrow_mut() -= 1;
                let size = headers.iter_mut().find(|(name, _)| name == "x-log-bodyrawsize").unwrap();
                size.1 = (size.1.parse::<usize>().unwrap() / 2).to_string();
                Reply::Answer(status, headers, body)
            }
            (_, reply) => reply,
        }));
        let manner = Manner { seed: Some(seed), ..Manner::default() };
        let mut host = Host::open(&config(",\"count\":1"), &[], START_MS, manner);
        host.run_until(&mut sls, START_MS + 60_000);
        assert_eq!(*lies.borrow(), 0, "the lie was told");
        once_each(&host.frames(host.durable), &ids(0, 20_006));
        assert!(!host.states.iter().any(|s| matches!(s, State::Paused(..))), "seed {seed}: {:?}", host.states);
    }
}

/// Protobuf that claims or repeats more than it holds.
#[test]
fn bombs_go_to_quarantine_or_nowhere() {
    // Tags that every one of many logs would repeat.
    let bomb = sls::Group {
        logs: (0..20_000).map(|_| sls::Log { time: 1, contents: Vec::new(), nanos: None }).collect(),
        topic: None,
        source: None,
        tags: vec![sls::pair("t", &"x".repeat(100_000))],
    };
    let broken = [sls::group(&ids(1, 1)).encode_to_vec(), vec![0x0a, 0xff, 0xff, 0xff, 0x7f]].concat();
    let mut sls = Sls::new(1);
    sls.write(0, &ids(0, 1), 1);
    sls.shard(0).groups.push(bomb.encode_to_vec());
    sls.shard(0).groups.push(broken.clone());
    sls.write(0, &ids(2, 1), 1);
    let host = run(&config(ONCE), &[], &mut sls);
    let frames: Vec<_> = host.emits.iter().flat_map(network::frames_of).collect();
    let clean: Vec<_> = frames.iter().filter(|f| f.2.is_none()).map(|(o, b, _)| (o.clone(), b.clone())).collect();
    once_each(&clean, &[ids(0, 1), ids(2, 1)].concat());
    let raw: Vec<u8> = frames.iter().filter(|f| f.2.is_some()).flat_map(|f| f.1.clone()).collect();
    assert_eq!(raw, [bomb.encode_to_vec(), broken].concat(), "what is no log is kept as it came");
}

/// Records that are too long go out in pieces, and text that is not UTF-8 as it is.
#[test]
fn long_and_strange_records_are_kept() {
    let mut sls = Sls::new(1);
    let long = sls::Log { contents: vec![sls::pair("k", &"y".repeat(5_000))], ..sls::event("E") };
    let strange = sls::Log {
        contents: vec![sls::Pair { key: "k\u{1}\"".into(), value: vec![0xff, b'"', 7] }],
        time: 9,
        nanos: Some(5),
    };
    let group =
        sls::Group { logs: vec![long.clone(), strange], topic: Some("t".into()), source: None, tags: Vec::new() };
    sls.shard(0).groups.push(group.encode_to_vec());
    let host = run(&config(&format!("{ONCE},\"max_event_bytes\":1000")), &[], &mut sls);
    let frames: Vec<_> = host.emits.iter().flat_map(network::frames_of).collect();
    let raw: Vec<u8> = frames.iter().filter(|f| f.2.is_some()).flat_map(|f| f.1.clone()).collect();
    assert_eq!(raw, long.encode_to_vec());
    let line = &frames.last().unwrap().1;
    let expected = b"{\"__time__\":9,\"__time_ns_part__\":5,\"__topic__\":\"t\",\"__source__\":\"\",\"k\\u0001\\\"\":\"\xff\\\"\\u0007\"}\n";
    assert_eq!(line.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

/// A page that is longer than `page_bytes` is asked for in smaller ones; a single group that is too long is told.
#[test]
fn pages_that_are_too_long_are_asked_for_in_pieces() {
    let mut sls = Sls::new(1);
    for id in ids(0, 40) {
        let mut log = sls::event(&id);
        log.contents.push(sls::pair("pad", &"x".repeat(9_000)));
        sls.shard(0)
            .groups
            .push(sls::Group { logs: vec![log], topic: None, source: None, tags: Vec::new() }.encode_to_vec());
    }
    let host = run(&config(&format!("{ONCE},\"page_bytes\":65536")), &[], &mut sls);
    once_each(&host.frames(host.durable), &ids(0, 40));
    let long = sls::Log { contents: vec![sls::pair("k", &"x".repeat(70_000))], ..sls::event("E") };
    sls.shard(0)
        .groups
        .push(sls::Group { logs: vec![long], topic: None, source: None, tags: Vec::new() }.encode_to_vec());
    let mut host = Host::open(&config(",\"page_bytes\":65536"), &host.stored(), START_MS, Manner::default());
    host.run_until(&mut sls, START_MS + 30_000);
    assert!(matches!(host.states.last(), Some(State::Paused(Cause::Other, why)) if why.contains("raise page_bytes")));
}

#[test]
fn a_page_that_the_component_fails_on_is_passed_over_and_told() {
    let mut sls = Sls::new(1);
    sls.write(0, &ids(0, 3), 1);
    let config = config(&format!("{ONCE},\"count\":1,\"max_in_flight\":1"));
    let mut host = Host::open(&config, &[], START_MS, Manner::default());
    host.abandon("sls:p/l/0@1001");
    host.run(&mut sls, |_| false);
    once_each(&host.frames(host.durable), &["E000000".to_owned(), "E000002".to_owned()]);
    assert_eq!(host.gaps.len(), 1);
    assert!(host.gaps[0].why.contains("quarantine"));
}

#[test]
fn several_logstores_are_read_and_one_that_is_gone_stops_no_other() {
    let mut sls = Sls::new(1);
    sls.write(0, &ids(0, 3), 1);
    let two = config("").replace("}]", "},{\"project\":\"q\",\"logstore\":\"gone\"}]");
    let mut host = Host::open(&two, &[], START_MS, Manner::default());
    host.run_until(&mut sls, START_MS + 10_000);
    once_each(&host.frames(host.durable), &ids(0, 3));
    assert!(matches!(host.states.last(), Some(State::Paused(Cause::SourceGone, why)) if why.contains("sls:q/gone")));
}

#[test]
fn a_consumer_group_is_joined_and_told_only_what_is_durable() {
    let mut sls = Sls::new(2);
    sls.write(0, &ids(0, 2), 1);
    let mut host = Host::open(&group_config("a", ""), &[], START_MS, Manner { commit: 0, seed: None });
    host.run_until(&mut sls, START_MS + 20_000);
    assert_eq!(host.frames(host.emits.len() as u64).len(), 2);
    assert!(sls.store().members["g"].checkpoints.is_empty(), "nothing is durable yet");
    host.commit();
    let at = host.now_ms;
    host.run_until(&mut sls, at + 5_000);
    let expected = BTreeMap::from([(0, "1002".to_owned()), (1, "2000".to_owned())]);
    assert_eq!(sls.store().members["g"].checkpoints, expected);
}

/// A group that is new and is to begin at the end: whoever created it says so for every shard, so that a shard without a
/// checkpoint is always one that was split off later.
#[test]
fn a_new_group_begins_at_the_end_and_its_later_shards_at_their_beginning() {
    let mut sls = Sls::new(1);
    sls.write(0, &ids(0, 2), 1);
    let mut host = Host::open(&group_config("a", ",\"from\":\"end\""), &[], START_MS, Manner::default());
    host.run_until(&mut sls, START_MS + 5_000);
    let [left, _] = sls.split(0);
    sls.write(left, &ids(2, 2), 1);
    host.run_until(&mut sls, START_MS + 20_000);
    once_each(&host.frames(host.durable), &ids(2, 2));
}

/// Two hosts in one group against one cloud, one clock.
struct Pair {
    hosts: Vec<Host>,
    sls: Sls,
}

impl Pair {
    fn run_until(&mut self, now_ms: i64) {
        while let Some(host) = self.hosts.iter_mut().filter(|h| h.now_ms < now_ms).min_by_key(|h| h.now_ms) {
            host.turn(&mut self.sls);
        }
    }

    fn frames(&self) -> Vec<Frame> {
        self.hosts.iter().flat_map(|host| host.frames(host.durable)).collect()
    }
}

#[test]
fn a_group_shares_shards_and_takes_over_those_of_the_dead() {
    let mut sls = Sls::new(4);
    for shard in 0..4 {
        sls.write(shard, &ids(shard as usize * 100, 50), 1);
    }
    let a = Host::open(&group_config("a", ",\"count\":5"), &[], START_MS, Manner::default());
    let mut pair = Pair { hosts: vec![a], sls };
    pair.run_until(START_MS + 8_000);
    pair.hosts.push(Host::open(&group_config("b", ",\"count\":5"), &[], START_MS + 8_000, Manner::default()));
    pair.run_until(START_MS + 30_000);
    let owners: BTreeSet<_> = pair.sls.store().members["g"].owner.values().cloned().collect();
    assert_eq!(owners.len(), 2, "both hold shards");
    for shard in 0..4 {
        pair.sls.write(shard, &ids(shard as usize * 100 + 50, 50), 1);
    }
    pair.run_until(START_MS + 40_000);
    let expected: Vec<String> = (0..4).flat_map(|shard| ids(shard * 100, 100)).collect();
    once_each(&pair.frames(), &expected);
    // One dies without a word; the other has everything within the group's timeout.
    let dead = pair.hosts.remove(0);
    for shard in 0..4 {
        pair.sls.write(shard, &ids(1000 + shard as usize * 100, 10), 1);
    }
    pair.run_until(START_MS + 40_000 + 10_000 + 5_000);
    let came: BTreeSet<String> =
        counts(&pair.frames()).into_keys().chain(counts(&dead.frames(dead.durable)).into_keys()).collect();
    let all: BTreeSet<String> = expected.into_iter().chain((0..4).flat_map(|s| ids(1000 + s * 100, 10))).collect();
    assert_eq!(came, all);
}

/// A process that dies behind its own commit and before the group was told goes on at its own position: nothing twice.
/// Once another consumer has read on, the group's position holds.
#[test]
fn its_own_position_holds_until_another_consumer_has_read_on() {
    let mut sls = Sls::new(1);
    sls.write(0, &ids(0, 10), 1);
    let untold: &str = ",\"count\":2";
    sls.hook = Some(Box::new(|request, reply| match query(request, "type") {
        Some("checkpoint") => error(503, "ServerBusy", "busy"),
        _ => reply,
    }));
    let mut host = Host::open(&group_config("a", untold), &[], START_MS, Manner::default());
    host.run_until(&mut sls, START_MS + 6_000);
    assert_eq!(host.frames(host.durable).len(), 10);
    sls.write(0, &ids(10, 2), 1);
    let mut again = Host::open(&group_config("a", untold), &host.stored(), host.now_ms, Manner::default());
    again.run_until(&mut sls, START_MS + 20_000);
    once_each(&again.frames(again.durable), &ids(10, 2));
    // Meanwhile somebody else has read up to the sixth.
    sls.store().members.get_mut("g").unwrap().checkpoints.insert(0, "1006".to_owned());
    let mut third = Host::open(&group_config("a", untold), &again.stored(), again.now_ms, Manner::default());
    third.run_until(&mut sls, START_MS + 40_000);
    once_each(&third.frames(third.durable), &ids(6, 6));
}

/// Silence for longer than the group's timeout: others have the shards by then, so they are not read on.
#[test]
fn shards_are_given_up_when_no_heartbeat_is_answered() {
    let mut sls = Sls::new(1);
    sls.write(0, &ids(0, 2), 1);
    let mut host = Host::open(&group_config("a", ""), &[], START_MS, Manner::default());
    host.run_until(&mut sls, START_MS + 5_000);
    sls.hook = Some(Box::new(|request, reply| match query(request, "type") {
        Some("heartbeat") => error(503, "ServerBusy", "busy"),
        _ => reply,
    }));
    host.run_until(&mut sls, START_MS + 30_000);
    sls.write(0, &ids(2, 2), 1);
    host.run_until(&mut sls, START_MS + 60_000);
    assert_eq!(host.frames(host.durable).len(), 2, "read on without a heartbeat");
    assert!(host.notes.iter().any(|note| note.contains("no heartbeat")), "{:?}", host.notes);
    sls.hook = None;
    host.run_until(&mut sls, START_MS + 120_000);
    once_each(&host.frames(host.durable), &ids(0, 4));
}

/// A group that somebody deletes is made again, and what was durable is not read twice.
#[test]
fn a_group_that_is_deleted_is_made_again() {
    let mut sls = Sls::new(1);
    sls.write(0, &ids(0, 2), 1);
    let mut host = Host::open(&group_config("a", ""), &[], START_MS, Manner::default());
    host.run_until(&mut sls, START_MS + 10_000);
    sls.store().members.clear();
    sls.write(0, &ids(2, 2), 1);
    host.run_until(&mut sls, START_MS + 40_000);
    once_each(&host.frames(host.durable), &ids(0, 4));
    assert_eq!(sls.store().members["g"].checkpoints[&0], "1004");
}

/// Runs against random faults and deaths, and gives what was durable over all lives.
fn stormy(seed: u64, group: bool) -> (Vec<Frame>, Vec<String>, u64) {
    let mut numbers = network::Numbers(seed | 1);
    let mut sls = Sls::new(3);
    sls.compression = ["lz4", "zstd", "none"][numbers.below(3)];
    let mut written = Vec::new();
    let mut write = |sls: &mut Sls, numbers: &mut network::Numbers| {
        let shards: Vec<u32> = sls.store().shards.iter().filter(|(_, s)| !s.readonly).map(|(id, _)| *id).collect();
        let new = ids(written.len(), 1 + numbers.below(60));
        sls.write(shards[numbers.below(shards.len())], &new, 1 + numbers.below(9));
        written.extend(new);
    };
    (0..8).for_each(|_| write(&mut sls, &mut numbers));
    let more = ",\"count\":7,\"shard_refresh_secs\":3,\"max_event_bytes\":4096";
    let config = if group { group_config("a", more) } else { config(more) };
    let (mut frames, mut stored, mut now) = (Vec::new(), Vec::new(), START_MS);
    sls.numbers = Some((network::Numbers(seed.wrapping_mul(31) | 1), 6));
    for life in 0..6 {
        let manner = Manner { commit: 1 + numbers.below(5) as u64, seed: Some(seed.wrapping_add(life) | 1) };
        let mut host = Host::open(&config, &stored, now, manner);
        let until = now + 1_000 + numbers.below(40_000) as i64;
        host.run_until(&mut sls, until);
        (0..3).for_each(|_| write(&mut sls, &mut numbers));
        if life == 2 {
            let open: Vec<u32> = sls.store().shards.iter().filter(|(_, s)| !s.readonly).map(|(id, _)| *id).collect();
            sls.split(open[numbers.below(open.len())]);
        }
        host.run_until(&mut sls, until + 20_000);
        assert!(host.gaps.is_empty(), "seed {seed}: {:?}", host.gaps);
        frames.extend(host.frames(host.durable));
        stored = host.stored();
        now = host.now_ms;
    }
    sls.numbers = None;
    let mut host = Host::open(&config, &stored, now, Manner::default());
    host.run_until(&mut sls, now + 120_000);
    assert_eq!(host.states.last(), Some(&State::Idle), "seed {seed}");
    frames.extend(host.frames(host.durable));
    (frames, written, sls.faults)
}

/// Whatever goes wrong and whenever the process dies: every event is durable at least once, and where the host's own
/// checkpoints are the memory, exactly once.
#[test]
fn storms_lose_nothing() {
    let mut faults = 0;
    for seed in 1..=20u64 {
        for group in [false, true] {
            let (frames, written, some) = stormy(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), group);
            faults += some;
            let counts = counts(&frames);
            assert_eq!(counts.keys().cloned().collect::<Vec<_>>(), written, "seed {seed}, group {group}");
            let twice = counts.values().filter(|count| **count > 1).count();
            assert!(group || twice == 0, "seed {seed}: {twice} events came twice");
        }
    }
    assert!(faults > 1_000, "{faults} faults");
}

#[test]
fn bad_configurations_and_checkpoints_are_refused() {
    use innertrail_plugin::source::Session;
    let told =
        |config: &str, checkpoints: &[Checkpoint]| format!("{:?}", Session::open(config, checkpoints).unwrap_err());
    for (config, words) in [
        (r#"{"type":"sls"}"#.to_owned(), "logstores"),
        (config("").replace("\"l\"", "\"../x\""), "letters, digits"),
        (config(",\"mode\":\"consumer_group\""), "consumer_group"),
        (config(",\"count\":0"), "count must be from"),
        (config(",\"max_in_flight\":17"), "max_in_flight"),
        (config(",\"page_bytes\":1"), "page_bytes"),
        (config(",\"from\":\"yesterday\""), "not a source configuration"),
        (config(",\"endpoint\":\"x\""), "unknown field"),
        (config("").replace("}]", "},{\"project\":\"p\",\"logstore\":\"l\"}]"), "each once"),
    ] {
        let told = told(&config, &[]);
        assert!(told.starts_with("InvalidConfig") && told.contains(words), "{told}");
    }
    for (key, value) in [("shard:p/l/0", "{"), ("shard:p/l/0", "{\"cursor\":\"\"}"), ("file:x", "{}")] {
        let told = told(&config(""), &[(key.to_owned(), value.as_bytes().to_vec())]);
        assert!(told.starts_with("BadCheckpoint") && told.contains(key), "{told}");
    }
}

/// No credentials are in the session, so none can be in what it says; and it names no host.
#[test]
fn requests_name_no_host_and_carry_no_signature() {
    let mut sls = Sls::new(1);
    sls.hook = Some(Box::new(|request, reply| {
        let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
        for forbidden in ["host", "authorization", "date", "x-acs-security-token", "content-md5"] {
            assert!(!names.contains(&forbidden), "{names:?}");
        }
        reply
    }));
    sls.write(0, &ids(0, 1), 1);
    run(&config(ONCE), &[], &mut sls);
}
