//! What breaks: connections, answers, processes. Whatever it is, every alert arrives, in order.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use innertrail_notify::{Channel, State};

use crate::http_double::{Double, Reply};
use crate::support::{Clock, alert, channel, config, deliver};

const SHORT: &str = r#","delivery":{"timeout_ms":300,"collect_secs":0}"#;

#[test]
fn resets_hangs_cuts_garbage_and_endless_answers_lose_nothing() {
    let (clock, got) = (Clock::new(), Arc::new(Mutex::new(vec![])));
    let list = got.clone();
    let faults = [
        Reply::Reset,
        Reply::Hang,
        Reply::Garbage,
        Reply::Endless,
        Reply::status(500),
        Reply::status(503),
        Reply::Cut(500),
        Reply::status(308),
        Reply::status(400),
        Reply::status(400),
    ];
    let mut left = faults.into_iter();
    let server = Double::start(move |seen| match left.next() {
        Some(fault) => fault,
        None => {
            let alerts = seen.json()["alerts"].as_array().unwrap().clone();
            list.lock().unwrap().extend(alerts.iter().map(|a| a["position"].as_u64().unwrap()));
            // Its status has decided, whatever becomes of its body.
            Reply::Cut(200)
        }
    });
    let mut channel = channel("webhook", &server.url("/"), SHORT, None, &clock);
    let alerts: Vec<_> = (1..=250).map(alert).collect();
    let report = deliver(&mut channel, &clock, &alerts);
    assert_eq!(*got.lock().unwrap(), (1..=250).collect::<Vec<u64>>());
    assert_eq!((report.failed, report.told), (10, 250));
}

#[test]
fn nobody_there_is_later_and_a_restart_goes_on_where_it_was() {
    let clock = Clock::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut dead = channel("webhook", &format!("http://{free}/x"), SHORT, None, &clock);
    let report = crate::support::drive(&mut dead, &clock, &[alert(5)], |r| r.failed == 3);
    assert!(!report.is_refused() && report.waiting == 1 && report.last_error.unwrap().contains("connect"));

    let server = Double::start(|seen| {
        assert_eq!(seen.json()["alerts"][0]["position"], 5);
        Reply::status(200)
    });
    let state = State::from_json(&dead.state().to_json()).unwrap();
    assert_eq!(state.position(), Some(4));
    let mut alive = channel("webhook", &server.url("/x"), SHORT, Some(state), &clock);
    deliver(&mut alive, &clock, &[alert(5)]);
    assert_eq!(State::behind(9).position(), Some(9));
}

#[test]
fn nothing_is_sent_before_the_state_is_kept() {
    let clock = Clock::new();
    let server = Double::start(|_| panic!("sent although nothing was kept"));
    let mut channel = channel("webhook", &server.url("/"), SHORT, None, &clock);
    channel.feed(alert(1), clock.now());
    let full = channel.step(&|| clock.now(), &mut |_| Err("the disk is full"));
    assert_eq!(full, Err("the disk is full"));
    assert_eq!((channel.position(), channel.report(clock.now()).waiting), (Some(0), 1));
    server.check();
}

#[test]
fn each_message_is_reserved_before_and_kept_behind() {
    let clock = Clock::new();
    let server = Double::start(|_| Reply::status(200));
    let mut channel = channel("webhook", &server.url("/"), SHORT, None, &clock);
    channel.feed(alert(1), clock.now());
    let mut kept = vec![];
    let step = channel.step(&|| clock.now(), &mut |state| {
        kept.push(state.position());
        Ok::<(), Infallible>(())
    });
    assert!(step.unwrap().tried());
    assert_eq!(kept, [Some(0), Some(1)]);
}

#[test]
fn what_cannot_be_used_is_said_without_secrets() {
    let clock = Clock::new();
    let made = |json: &str, url: &str| {
        let given = crate::support::Given(vec![("URL", url.to_owned())]);
        Channel::new("ops", &config(json), None, Box::new(given), clock.now()).map(|_| ()).unwrap_err().to_string()
    };
    let url = r#"{"type":"slack","url":{"type":"environment","variable":"URL"}}"#;
    for bad in ["hooks/hidden-word", "ftp://hidden-word", "https://u:hidden-word@h/", "https://h/hidden-word x"] {
        let said = made(url, bad);
        assert!(said.contains("channel ops") && !said.contains("hidden-word"), "{said}");
    }
    assert!(made(r#"{"type":"slack","url":{"type":"none"}}"#, "").contains("`url` is needed"));
    let unset = made(r#"{"type":"slack","url":{"type":"environment","variable":"OTHER"}}"#, "");
    assert!(unset.contains("OTHER: it is not set"), "{unset}");
    let mail = |more: &str| {
        format!(r#"{{"type":"email","host":"127.0.0.1","from":"a@b.example","to":["c@d.example"]{more}}}"#)
    };
    assert!(made(&mail(r#","user":"u","tls":"none""#), "").contains("go together"));
    let clear = mail(r#","user":"u","tls":"none","password":{"type":"environment","variable":"URL"}"#);
    assert!(made(&clear, "pass-word").contains("not sent without TLS"));
    assert!(made(&mail("").replace("c@d.example", "c@d.example>\\r\\nDATA"), "").contains("is no address of mail"));
}
