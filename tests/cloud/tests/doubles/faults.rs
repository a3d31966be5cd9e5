//! Every fault reaches the client as it says, is counted when it does, and leaves the truth to be had by asking again.

use std::io::ErrorKind;

use innertrail_test_cloud::client::{Answer, Call, Signature};
use innertrail_test_cloud::fault::{Bomb, Fault, Flaw, Lie, Op, XmlTrick};
use innertrail_test_cloud::schedule::{Planned, schedule, survivable_oss, survivable_sls};
use innertrail_test_cloud::{Account, Cloud, Key, Load, TrailLoad};

use super::{BUCKET, LOGSTORE, OSS, PROJECT, SLS, cloud, cursor, ids, oss, pull, shard, sls};

fn filled() -> Cloud {
    let cloud = cloud(1);
    cloud.sls.fill(PROJECT, LOGSTORE, &Load { events: 300, per_group: 10, ..Load::default() });
    cloud.oss.fill(BUCKET, &TrailLoad { events: 300, per_object: 100, regions: 1, ..TrailLoad::default() });
    cloud
}

fn lz4(cloud: &Cloud, cursor: &str) -> Answer {
    let query = format!("type=log&cursor={cursor}&count=5");
    let call = Call::get(SLS, &shard(0), &query, Signature::Sls4).header("accept-encoding", "lz4");
    call.send(cloud.sls.address(), &Key::reader()).unwrap()
}

#[test]
fn errors_resets_and_redirects_come_once_and_then_the_truth() {
    let cloud = filled();
    let begin = cursor(&cloud, 0, "begin");
    let truth = pull(&cloud, 0, &begin, "").body;
    for (fault, status, code) in [
        (Fault::Unavailable, 503, "ServerBusy"),
        (Fault::Internal, 500, "InternalServerError"),
        (Fault::Quota, 403, "ReadQuotaExceed"),
        (Fault::TooMany { retry_after: 7 }, 429, "TooManyRequests"),
        (Fault::Redirect { to: "http://198.51.100.7/x".to_owned() }, 302, ""),
        (Fault::Html { status: 502 }, 502, ""),
        (Fault::Empty { status: 503 }, 503, ""),
        (Fault::ExpireCursor, 400, "ParameterInvalid"),
        (Fault::Skew { ms: 3_600_000 }, 400, "RequestTimeExpired"),
    ] {
        let name = fault.name();
        cloud.sls.faults().plan([Planned::next(fault)]);
        let answer = pull(&cloud, 0, &begin, "");
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{name}");
        match name.as_str() {
            "too_many" => assert_eq!(answer.header("Retry-After"), "7"),
            "redirect" => assert!(answer.header("Location").starts_with("http://198.51.100.7/x?from=")),
            "html" => assert!(answer.text().starts_with("<html>")),
            "empty" => assert!(answer.body.is_empty()),
            _ => {}
        }
        assert_eq!(cloud.sls.faults().fired()[&name], 1);
        assert_eq!(pull(&cloud, 0, &begin, "").body, truth, "after {name}");
    }
    for (fault, kind) in [(Fault::Reset, ErrorKind::ConnectionReset), (Fault::Garbage, ErrorKind::InvalidData)] {
        cloud.sls.faults().plan([Planned::next(fault)]);
        let call = Call::get(SLS, "/", "", Signature::Sls4);
        let error = call.send(cloud.sls.address(), &Key::reader()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[test]
fn bodies_are_cut_dripped_endless_corrupt_and_short_as_they_say() {
    let cloud = filled();
    let begin = cursor(&cloud, 0, "begin");
    let truth = pull(&cloud, 0, &begin, "");
    let with = |fault: Fault| {
        cloud.sls.faults().plan([Planned::next(fault)]);
        pull(&cloud, 0, &begin, "")
    };
    let cut = with(Fault::DropMidBody);
    assert!(!cut.whole && cut.body == truth.body[..truth.body.len() / 2]);
    let started = std::time::Instant::now();
    let slow = with(Fault::Drip { bytes: 10, pause_ms: 10, pieces: 10 });
    assert!(slow.whole && slow.body == truth.body && started.elapsed().as_millis() >= 90);
    let endless = with(Fault::Endless { announced: false, most: 1 << 20 });
    assert!(endless.header("Transfer-Encoding") == "chunked" && endless.body.len() > 1 << 20);
    let endless = with(Fault::Endless { announced: true, most: 1 << 20 });
    assert!(endless.header("Content-Length") == (1_u64 << 62).to_string() && !endless.whole);
    let corrupt = with(Fault::Corrupt);
    let differ = corrupt.body.iter().zip(&truth.body).filter(|(a, b)| a != b).count();
    assert_eq!((corrupt.body.len(), differ), (truth.body.len(), 1));
    let short = with(Fault::Short);
    assert!(short.whole && short.body.len() < truth.body.len() && truth.body.starts_with(&short.body));
    assert_eq!(pull(&cloud, 0, &begin, "").body, truth.body);
}

#[test]
fn a_page_comes_twice_with_its_cursor_and_cursors_go_back() {
    let cloud = filled();
    let begin = cursor(&cloud, 0, "begin");
    let first = lz4(&cloud, &begin);
    let next = first.header("x-log-cursor").to_owned();
    cloud.sls.faults().plan([Planned::next(Fault::Replay)]);
    assert_eq!(lz4(&cloud, &begin).body, first.body);
    assert_eq!(cloud.sls.faults().pending(), 1, "a page can only be repeated to whom has just had it");
    let twice = lz4(&cloud, &next);
    assert_eq!((&twice.body, twice.header("x-log-cursor")), (&first.body, next.as_str()));
    let second = lz4(&cloud, &next);
    assert_ne!(second.body, first.body);
    cloud.sls.faults().plan([Planned::next(Fault::CursorLoop)]);
    let looped = lz4(&cloud, second.header("x-log-cursor"));
    assert_eq!(looped.header("x-log-cursor"), begin, "back to the beginning");
    assert_eq!(cloud.sls.faults().fired().values().sum::<u64>(), 2);
}

#[test]
fn raw_sizes_lie_and_bombs_are_small_on_the_wire_and_true_in_their_headers() {
    let cloud = filled();
    let begin = cursor(&cloud, 0, "begin");
    let truth: u64 = lz4(&cloud, &begin).header("x-log-bodyrawsize").parse().unwrap();
    for (lie, told) in [(Lie::Smaller, truth / 2), (Lie::Larger, truth * 2), (Lie::Huge, 1 << 32)] {
        cloud.sls.faults().plan([Planned::next(Fault::RawSize { lie })]);
        assert_eq!(lz4(&cloud, &begin).header("x-log-bodyrawsize"), told.to_string());
    }
    for bomb in [Bomb::Zeros, Bomb::EmptyGroups, Bomb::EmptyLogs, Bomb::Overlong, Bomb::Nested] {
        cloud.sls.faults().plan([Planned::next(Fault::Bomb { bomb })]);
        let answer = lz4(&cloud, &begin);
        let size: usize = answer.header("x-log-bodyrawsize").parse().unwrap();
        let raw = lz4_flex::block::decompress(&answer.body, size).unwrap();
        assert_eq!((raw.len(), answer.header("x-log-cursor")), (size, begin.as_str()));
        assert!(answer.body.len() < 1 << 20, "{bomb:?} {}", answer.body.len());
        assert_eq!(cloud.sls.faults().fired()[&Fault::Bomb { bomb }.name()], 1);
    }
}

#[test]
fn shards_split_and_merge_under_the_reader() {
    let cloud = filled();
    cloud.sls.faults().plan([Planned::next(Fault::SplitShard)]);
    let page = pull(&cloud, 0, &cursor(&cloud, 0, "begin"), "");
    assert_eq!((page.status, page.header("x-log-end-of-cursor")), (200, "1"));
    cloud.sls.faults().plan([Planned::next(Fault::MergeShards)]);
    assert_eq!(pull(&cloud, 0, &cursor(&cloud, 0, "begin"), "").status, 200);
    assert_eq!(cloud.sls.faults().pending(), 1, "shard 0 is read-only and cannot be merged");
    assert_eq!(pull(&cloud, 2, &cursor(&cloud, 2, "begin"), "").status, 200);
    let shards = sls(&cloud, &format!("/logstores/{LOGSTORE}/shards"), "").json();
    let writable = shards.as_array().unwrap().iter().filter(|shard| shard["status"] == "readwrite").count();
    assert_eq!((shards.as_array().unwrap().len(), writable), (4, 1));
}

#[test]
fn an_account_falls_into_debt_for_some_requests() {
    let cloud = filled();
    cloud.sls.faults().plan([Planned::next(Fault::State { state: Account::Overdue, requests: 3 })]);
    let codes: Vec<u16> = (0..4).map(|_| sls(&cloud, "/", "").status).collect();
    assert_eq!(codes, [401, 401, 401, 200]);
    cloud.clock.set_skew_ms(-20 * 60_000);
    assert_eq!(sls(&cloud, "/", "").code(), "RequestTimeExpired");
    assert_eq!(oss(&cloud, "/", "list-type=2").code(), "RequestTimeTooSkewed");
    let told = sls(&cloud, "/", "").header("Date").to_owned();
    cloud.clock.set_skew_ms(0);
    assert_ne!(told, sls(&cloud, "/", "").header("Date"), "the Date header tells the wrong clock");
}

#[test]
fn listings_are_tricks_and_objects_come_late_or_flawed() {
    let cloud = filled();
    let list = || oss(&cloud, "/", "list-type=2&max-keys=1000").text();
    let truth = list();
    for (trick, cue) in [
        (XmlTrick::Entities, "&e30;"),
        (XmlTrick::External, "SYSTEM"),
        (XmlTrick::Doctype, "<!DOCTYPE ListBucketResult>"),
        (XmlTrick::Deep, "<Contents><Contents>"),
        (XmlTrick::LongKey, "kkkkkkkk"),
        (XmlTrick::NoToken, "<IsTruncated>true</IsTruncated><KeyCount>0"),
        (XmlTrick::TokenLoop, "<NextContinuationToken>azo=<"),
        (XmlTrick::HostileKeys, "../../../etc/passwd"),
    ] {
        cloud.oss.faults().plan([Planned::next(Fault::Xml { trick })]);
        assert!(list().contains(cue), "{trick:?}");
        assert_eq!(list(), truth, "after {trick:?}");
    }
    let before = cloud.oss.keys_of(BUCKET);
    cloud.oss.faults().plan([
        Planned { on: Some(Op::GetObject), ..Planned::next(Fault::LateObject { events: 4 }) },
        Planned::next(Fault::FlawedObject { flaw: Flaw::Md5, events: 4 }),
    ]);
    let asked = before.keys().next_back().unwrap();
    assert_eq!(oss(&cloud, &format!("/{asked}"), "").status, 200);
    let after = cloud.oss.keys_of(BUCKET);
    let late = after.keys().find(|key| !before.contains_key(*key)).unwrap();
    assert!(late < asked, "{late} {asked}");
    let listing = list();
    assert_eq!(
        (cloud.oss.keys_of(BUCKET).len(), listing.matches("<Key>").count()),
        (before.len() + 2, before.len() + 2)
    );
    assert_eq!(cloud.oss.faults().pending(), 0);
}

/// What a client that is right does: asks again until it has a page that it can trust.
fn careful_pull(cloud: &Cloud, at: &str) -> Answer {
    for _ in 0..50 {
        let query = format!("type=log&cursor={at}&count=1");
        let call = Call::get(SLS, &shard(0), &query, Signature::Sls1).header("accept-encoding", "lz4");
        let Ok(mut answer) = call.send(cloud.sls.address(), &Key::reader()) else { continue };
        if answer.status != 200 || !answer.whole {
            continue;
        }
        let size: usize = answer.header("x-log-bodyrawsize").parse().unwrap();
        if answer.body.is_empty() {
            return answer;
        }
        match lz4_flex::block::decompress(&answer.body, size.min(1 << 20)) {
            Ok(raw) if raw.len() == size => {
                answer.body = raw;
                return answer;
            }
            _ => {}
        }
    }
    panic!("fifty failures in a row");
}

#[test]
fn after_a_seeded_schedule_of_survivable_faults_a_careful_client_has_every_event() {
    let cloud = cloud(1);
    cloud.sls.fill(PROJECT, LOGSTORE, &Load { events: 600, per_group: 5, ..Load::default() });
    let (mut at, end) = (cursor(&cloud, 0, "begin"), cursor(&cloud, 0, "end"));
    cloud.sls.faults().plan(schedule(11, 60, 2, &survivable_sls()));
    let (mut seen, mut repeated) = (Vec::new(), 0);
    while at != end || cloud.sls.faults().pending() > 0 {
        let page = careful_pull(&cloud, &at);
        for id in ids(&page.body) {
            if seen.contains(&id) {
                repeated += 1;
            } else {
                seen.push(id);
            }
        }
        at = page.header("x-log-cursor").to_owned();
        if at == end && cloud.sls.faults().pending() > 0 {
            cloud.sls.arrive(PROJECT, LOGSTORE, 1, cloud.sls.faults().requests()[&Op::PullLogs]);
        }
    }
    let end = cursor(&cloud, 0, "end");
    while at != end {
        let page = careful_pull(&cloud, &at);
        seen.extend(ids(&page.body));
        at = page.header("x-log-cursor").to_owned();
    }
    assert_eq!(seen, cloud.sls.ids(PROJECT, LOGSTORE)[&0]);
    let fired = cloud.sls.faults().fired();
    assert_eq!(fired.values().sum::<u64>(), 60, "{fired:?}");
    assert!(repeated > 0 && fired["replay"] > 0, "{fired:?}");
}

#[test]
fn the_same_for_oss() {
    let cloud = filled();
    cloud.oss.faults().plan(schedule(5, 40, 1, &survivable_oss()));
    let mut rounds = 0;
    while cloud.oss.faults().pending() > 0 {
        rounds += 1;
        assert!(rounds < 2_000, "{:?}", cloud.oss.faults().fired());
        let call = Call::get(OSS, "/", "list-type=2&max-keys=1000", Signature::Oss4);
        let Ok(listing) = call.send(cloud.oss.address(), &Key::reader()) else { continue };
        let text = listing.text();
        let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        for (key, _) in keys {
            let _ = Call::get(OSS, &format!("/{key}"), "", Signature::Oss4).send(cloud.oss.address(), &Key::reader());
        }
    }
    let fired = cloud.oss.faults().fired();
    assert_eq!(fired.values().sum::<u64>(), 40, "{fired:?}");
    let added = fired.get("late_object").copied().unwrap_or(0) + fired.get("flawed_object:md5").copied().unwrap_or(0);
    assert!(added > 0 && cloud.oss.keys_of(BUCKET).len() as u64 > 3, "{fired:?}");
}
