//! The contracts of DingTalk, Feishu, WeCom and Slack: path, signature, schema, sizes, and their limits, judged by the test's clock.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::http_double::{Double, Reply, Seen};
use crate::support::{Clock, KEY, alert, base64, channel, deliver, hmac_sha256};

/// A limit as a vendor counts it: so many in so many milliseconds, and the answer for one more.
struct Meter {
    arrivals: Vec<i64>,
    limits: &'static [(usize, i64)],
}

impl Meter {
    fn over(&mut self, now: i64) -> bool {
        self.arrivals.push(now);
        self.limits.iter().any(|(count, period)| self.arrivals.iter().filter(|at| **at > now - period).count() > *count)
    }
}

fn harmless(text: &str) {
    assert!(text.starts_with("innertrail: "), "keywords");
    for bad in ["<", ">", "@", "](", "://", "\r", "\u{202e}"] {
        assert!(!text.contains(bad), "{bad:?} in {text}");
    }
    assert!(text.lines().all(|line| !line.starts_with("Bcc")));
}

/// Alerts that a text tells, as text and as a number.
fn told(text: &str) -> (Vec<u64>, usize) {
    let shown = text.split("journal ").skip(1).filter_map(|rest| rest.split([',', ')']).next()?.parse().ok()).collect();
    let rest = text.split("and ").skip(1).find_map(|rest| rest.split_once(" more that are not shown")?.0.parse().ok());
    (shown, rest.unwrap_or(0))
}

fn dingtalk(seen: &Seen, now: i64) -> String {
    assert_eq!(seen.method, "POST");
    assert!(seen.target.starts_with("/robot/send?"), "{}", seen.target);
    assert_eq!(seen.query("access_token").as_deref(), Some("token-for-tests"));
    let timestamp = seen.query("timestamp").unwrap();
    assert!((timestamp.parse::<i64>().unwrap() - now).abs() < 3_600_000);
    let sign = base64(&hmac_sha256(b"SECkey-for-tests", format!("{timestamp}\nSECkey-for-tests").as_bytes()));
    assert_eq!(seen.query("sign"), Some(sign));
    let body = seen.json();
    assert_eq!((body["msgtype"].as_str(), body["at"]["isAtAll"].as_bool()), (Some("text"), Some(false)));
    assert_eq!(body.as_object().unwrap().len(), 3);
    body["text"]["content"].as_str().unwrap().to_owned()
}

fn feishu(seen: &Seen, now: i64) -> String {
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/open-apis/bot/v2/hook/token-for-tests"));
    assert!(seen.body.len() <= 20_000, "{}", seen.body.len());
    let body = seen.json();
    let timestamp = body["timestamp"].as_str().unwrap();
    assert!((timestamp.parse::<i64>().unwrap() - now / 1000).abs() < 3_600);
    let sign = base64(&hmac_sha256(format!("{timestamp}\nSECkey-for-tests").as_bytes(), b""));
    assert_eq!((body["sign"].as_str(), body["msg_type"].as_str()), (Some(sign.as_str()), Some("text")));
    body["content"]["text"].as_str().unwrap().to_owned()
}

fn wecom(seen: &Seen, _: i64) -> String {
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/cgi-bin/webhook/send?key=token-for-tests"));
    let body = seen.json();
    assert_eq!((body["msgtype"].as_str(), body.as_object().unwrap().len()), (Some("text"), 2));
    assert_eq!(body["text"].as_object().unwrap().len(), 1, "nobody is mentioned");
    let text = body["text"]["content"].as_str().unwrap();
    assert!(text.len() <= 2048);
    text.to_owned()
}

fn slack(seen: &Seen, _: i64) -> String {
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/services/T0/B0/token-for-tests"));
    let body = seen.json();
    let known = ["text", "mrkdwn", "unfurl_links", "unfurl_media", "blocks"];
    assert!(body.as_object().unwrap().keys().all(|k| known.contains(&k.as_str())));
    assert_eq!((body["unfurl_links"].as_bool(), body["unfurl_media"].as_bool()), (Some(false), Some(false)));
    let blocks = body["blocks"].as_array().unwrap();
    assert!(blocks.len() == 1 && blocks[0]["type"] == "section" && blocks[0]["text"]["type"] == "plain_text");
    let text = blocks[0]["text"]["text"].as_str().unwrap();
    assert!((1..=3_000).contains(&text.chars().count()));
    text.to_owned()
}

struct Chat {
    kind: &'static str,
    path: &'static str,
    read: fn(&Seen, i64) -> String,
    limits: &'static [(usize, i64)],
    yes: &'static str,
    too_fast: fn() -> Reply,
    no: fn() -> Reply,
    bad_content: fn() -> Reply,
}

fn code(name: &str, code: i64, text: &str) -> Reply {
    Reply::ok(&serde_json::json!({name: code, "errmsg": text, "msg": text}).to_string())
}

fn chats() -> [Chat; 4] {
    [
        Chat {
            kind: "dingtalk",
            path: "/robot/send?access_token=token-for-tests",
            read: dingtalk,
            limits: &[(20, 60_000)],
            yes: r#"{"errcode":0,"errmsg":"ok"}"#,
            too_fast: || code("errcode", 130_101, "send too fast, exceed 20 times per minute"),
            no: || code("errcode", 310_000, "sign not match"),
            bad_content: || code("errcode", 430_103, "not allowed"),
        },
        Chat {
            kind: "feishu",
            path: "/open-apis/bot/v2/hook/token-for-tests",
            read: feishu,
            limits: &[(100, 60_000), (5, 1_000)],
            yes: r#"{"code":0,"data":{},"msg":"success"}"#,
            too_fast: || code("code", 11_232, "frequency limited"),
            no: || code("code", 19_021, "sign match fail or timestamp is not within one hour from current time"),
            bad_content: || code("code", 9_499, "Bad Request"),
        },
        Chat {
            kind: "wecom",
            path: "/cgi-bin/webhook/send?key=token-for-tests",
            read: wecom,
            limits: &[(20, 60_000)],
            yes: r#"{"errcode":0,"errmsg":"ok"}"#,
            too_fast: || code("errcode", 45_009, "api freq out of limit"),
            no: || code("errcode", 93_000, "invalid webhook url"),
            bad_content: || code("errcode", 40_058, "invalid Request Parameter"),
        },
        Chat {
            kind: "slack",
            path: "/services/T0/B0/token-for-tests",
            read: slack,
            limits: &[(1, 1_000)],
            yes: "ok",
            too_fast: || Reply::Of(429, vec![("retry-after", "30".to_owned())], "rate_limited".to_owned()),
            no: || Reply::Of(404, vec![], "no_service".to_owned()),
            bad_content: || Reply::Of(400, vec![], "invalid_payload".to_owned()),
        },
    ]
}

fn more(chat: &Chat, delivery: &str) -> String {
    let key = if ["dingtalk", "feishu"].contains(&chat.kind) { KEY } else { "" };
    format!("{key},\"delivery\":{{{delivery}}}")
}

#[test]
fn every_alert_is_told_in_order_and_no_limit_is_passed() {
    for chat in chats() {
        for delivery in [r#""mode":"each","max_per_minute":600"#, r#""mode":"digest""#] {
            let (clock, got) = (Clock::new(), Arc::new(Mutex::new(vec![])));
            let (now, list, read, yes) = (clock.clone(), got.clone(), chat.read, chat.yes);
            let mut meter = Meter { arrivals: vec![], limits: chat.limits };
            let server = Double::start(move |seen| {
                let at = now.now();
                assert!(seen.header("content-type").unwrap().starts_with("application/json"));
                assert!(!meter.over(at), "too fast: {:?}", meter.arrivals);
                let text = read(seen, at);
                harmless(&text);
                list.lock().unwrap().push(told(&text));
                Reply::ok(yes)
            });
            let mut channel = channel(chat.kind, &server.url(chat.path), &more(&chat, delivery), None, &clock);
            let alerts: Vec<_> = (1..=900).map(alert).collect();
            let report = deliver(&mut channel, &clock, &alerts);
            server.check();
            let got = got.lock().unwrap();
            let shown: Vec<u64> = got.iter().flat_map(|(shown, _)| shown.clone()).collect();
            let left: usize = got.iter().map(|(_, rest)| rest).sum();
            assert!(shown.is_sorted() && shown.len() + left == 900, "{}: {} and {left}", chat.kind, shown.len());
            assert_eq!((report.told, report.left_out, report.failed), (900, left as u64, 0), "{}", chat.kind);
        }
    }
}

#[test]
fn too_fast_is_later_although_the_status_says_yes() {
    for (chat, pause) in chats().into_iter().zip([600_000, 60_000, 60_000, 30_000]) {
        let (clock, times) = (Clock::new(), Arc::new(Mutex::new(vec![])));
        let (now, list) = (clock.clone(), times.clone());
        let server = Double::start(move |_| {
            let mut list = list.lock().unwrap();
            list.push(now.now());
            if list.len() == 1 { (chat.too_fast)() } else { Reply::ok(chat.yes) }
        });
        let mut channel = channel(chat.kind, &server.url(chat.path), "", None, &clock);
        let report = deliver(&mut channel, &clock, &[alert(1)]);
        let times = times.lock().unwrap();
        assert!(times.len() == 2 && times[1] - times[0] >= pause, "{}: {times:?}", chat.kind);
        assert!(report.last_error.unwrap().contains("127.0.0.1") && report.failed == 1);
    }
}

#[test]
fn a_refusal_is_told_of_and_its_content_goes_out_without_texts() {
    for chat in chats() {
        let clock = Clock::new();
        let mut count = 0;
        let read = chat.read;
        let key = more(&chat, "");
        let server = Double::start(move |seen| {
            count += 1;
            let text = read(seen, crate::support::T);
            match count {
                1 => (chat.bad_content)(),
                2 => {
                    assert!(
                        text.contains("journal 1)") && !text.contains("alice") && !text.contains("PutBucketAcl"),
                        "{text}"
                    );
                    Reply::ok(chat.yes)
                }
                3 => (chat.no)(),
                _ => {
                    assert!(text.contains("alice"), "the next one has its texts again");
                    Reply::ok(chat.yes)
                }
            }
        });
        let mut channel = channel(chat.kind, &server.url(chat.path), &key, None, &clock);
        deliver(&mut channel, &clock, &[alert(1)]);
        let report = crate::support::drive(&mut channel, &clock, &[alert(2)], |r| r.failed == 2);
        assert!(report.is_refused() && report.waiting == 1, "{}: {report:?}", chat.kind);
        deliver(&mut channel, &clock, &[alert(2)]);
        server.check();
    }
}

#[test]
fn a_body_that_is_none_of_the_robots_is_no_success() {
    for chat in chats() {
        let clock = Clock::new();
        let mut count = 0;
        let server = Double::start(move |seen| {
            let _whole: Value = seen.json();
            count += 1;
            if count == 1 { Reply::ok("<html>please log in</html>") } else { Reply::ok(chat.yes) }
        });
        let mut channel = channel(chat.kind, &server.url(chat.path), "", None, &clock);
        let report = deliver(&mut channel, &clock, &[alert(1)]);
        assert_eq!((report.failed, report.sent), (1, 1), "{}", chat.kind);
    }
}
