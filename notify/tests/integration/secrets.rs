//! No secret is shown: receivers repeat all they got, in every way, and nothing that can be shown is found to hold any of it.

use std::sync::{Arc, Mutex};

use crate::http_double::{Double, Reply};
use crate::smtp_double::{Mode, SmtpDouble, Trick};
use crate::support::{Clock, Given, alert, channel, config, drive};

const SECRETS: [&str; 5] = ["to-ken-for-tests", "SECkey-for-tests", "Bearer tok-en-1", "tok-en-1", "path-secret-9"];

#[test]
fn what_a_receiver_repeats_is_not_shown() {
    let more = r#","signing_key":{"type":"environment","variable":"KEY"}"#;
    let authorization = r#","authorization":{"type":"environment","variable":"AUTH"}"#;
    for (kind, more) in [
        ("webhook", format!("{more}{authorization}")),
        ("dingtalk", more.to_owned()),
        ("feishu", more.to_owned()),
        ("wecom", String::new()),
        ("slack", String::new()),
    ] {
        let (clock, own) = (Clock::new(), Arc::new(Mutex::new(String::new())));
        let mut count = 0;
        let base = own.clone();
        let server = Double::start(move |seen| {
            count += 1;
            let all = format!(
                "{} {}{} {:?} SECkey-for-tests {}",
                seen.target,
                base.lock().unwrap(),
                seen.target,
                seen.headers,
                String::from_utf8_lossy(&seen.body)
            );
            match count % 5 {
                0 => Reply::ok(
                    &serde_json::json!({"errcode": 310_000, "code": 19_021, "errmsg": all, "msg": all}).to_string(),
                ),
                1 => Reply::Of(400, vec![], all),
                2 => Reply::Of(302, vec![("location", format!("{}{}", base.lock().unwrap(), seen.target))], all),
                3 => Reply::Of(404, vec![("x", seen.target.clone())], all),
                _ => Reply::Reset,
            }
        });
        *own.lock().unwrap() = server.url("");
        let url = server.url("/path-secret-9/send?access_token=to-ken-for-tests");
        let mut channel = channel(kind, &url, &more, None, &clock);
        let mut shown = String::new();
        for failed in 1..=6 {
            let report = drive(&mut channel, &clock, &[alert(1)], |r| r.failed == failed);
            shown.push_str(&format!(
                "{report:?} {channel:?} {:?} {}\n",
                channel.state(),
                String::from_utf8_lossy(&channel.state().to_json())
            ));
        }
        for secret in SECRETS {
            assert!(!shown.contains(secret), "{kind} shows {secret}: {shown}");
        }
        assert!(shown.contains("127.0.0.1") && shown.contains("***"), "{kind}: {shown}");
    }
}

#[test]
fn a_mail_servers_password_is_not_shown() {
    let (clock, server) = (
        Clock::new(),
        SmtpDouble::start(
            Mode::Tls,
            vec![Trick::Say("AUTH", "535 no: AHJvYm90AHBhLXNzLXdvcmQ= cGEtc3Mtd29yZA== pa-ss-word")],
        ),
    );
    let json = format!(
        r#"{{"type":"email","host":"localhost","port":{},"tls":"tls","from":"a@ops.example","to":["b@ops.example"],"ca_file":{:?},
            "user":"robot","password":{{"type":"environment","variable":"PASSWORD"}}}}"#,
        server.address.port(),
        server.ca_file
    );
    let given = Given(vec![("PASSWORD", "pa-ss-word".to_owned())]);
    let mut channel =
        innertrail_notify::Channel::new("mail", &config(&json), None, Box::new(given), clock.now()).unwrap();
    let report = drive(&mut channel, &clock, &[alert(1)], |r| r.failed == 1);
    let shown = format!("{report:?} {channel:?}");
    for secret in ["pa-ss-word", "AHJvYm90", "cGEtc3Mtd29yZA"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    assert!(report.is_refused() && shown.contains("535"));
}
