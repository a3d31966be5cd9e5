//! E-mail's contract: order of commands, encryption before anything is said, headers, no injection; what replies mean.

use base64::Engine;
use innertrail_notify::{Alert, Channel, Report};

use crate::smtp_double::{Mail, Mode, SmtpDouble, Trick};
use crate::support::{Clock, Given, T, alert, config, deliver, drive};

fn channel(server: &SmtpDouble, mode: Mode, login: bool, clock: &Clock) -> Channel {
    let tls = match mode {
        Mode::Plain => "none",
        Mode::Starttls => "starttls",
        Mode::Tls => "tls",
    };
    let login = if login { r#","user":"robot","password":{"type":"environment","variable":"PASSWORD"}"# } else { "" };
    let json = format!(
        r#"{{"type":"email","host":"localhost","port":{},"tls":"{tls}","from":"innertrail@ops.example",
            "to":["a@ops.example","b@ops.example"],"ca_file":{:?},"delivery":{{"timeout_ms":1500}}{login}}}"#,
        server.address.port(),
        server.ca_file
    );
    let given = Given(vec![("PASSWORD", "pass-word-for-tests".to_owned())]);
    Channel::new("mail", &config(&json), None, Box::new(given), clock.now()).unwrap()
}

/// Headers and text of a mail, checked as a reader would.
fn read(mail: &Mail) -> (Vec<(String, String)>, String) {
    let text = String::from_utf8(mail.data.clone()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ");
    let headers: Vec<(String, String)> = unfolded
        .split("\r\n")
        .map(|l| l.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned())).unwrap())
        .collect();
    let names: Vec<&str> = headers.iter().map(|(n, _)| n.as_str()).collect();
    let known = [
        "Date",
        "From",
        "To",
        "Message-ID",
        "Subject",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ];
    assert_eq!(names, known, "no header comes from a log");
    let bytes = base64::engine::general_purpose::STANDARD.decode(body.replace("\r\n", "")).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    for bad in ["<", ">", "://", "\u{202e}", "\u{1b}"] {
        assert!(!text.contains(bad), "{bad:?}");
    }
    assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
    (headers, text)
}

#[test]
fn a_mail_is_encrypted_signed_for_and_holds_nothing_but_text() {
    for (mode, login) in [(Mode::Starttls, true), (Mode::Tls, true), (Mode::Starttls, false), (Mode::Plain, false)] {
        let (clock, server) = (Clock::new(), SmtpDouble::start(mode, vec![]));
        let mut channel = channel(&server, mode, login, &clock);
        let title = "Bucket made public\r\nBcc: <x@evil.example>\r\n\r\n.\r\nQUIT 你好 =?utf-8?B?PGI+?=".to_owned();
        let alerts = [Alert { title, ..alert(1) }, alert(2)];
        let report = deliver(&mut channel, &clock, &alerts);
        assert_eq!((report.sent, report.told, report.failed), (1, 2, 0), "{report:?}");
        assert!(server.faults.lock().unwrap().is_empty(), "{:?}", server.faults.lock().unwrap());
        let mail = server.taken.lock().unwrap().pop().unwrap();
        assert_eq!(mail.encrypted, mode != Mode::Plain);
        assert_eq!(mail.login.as_deref(), login.then_some("robot:pass-word-for-tests"));
        assert_eq!(
            (mail.from.as_str(), mail.to.join(",")),
            ("innertrail@ops.example", "a@ops.example,b@ops.example".to_owned())
        );
        let (headers, text) = read(&mail);
        let date = chrono::DateTime::parse_from_rfc2822(&headers[0].1).unwrap().timestamp_millis();
        assert!((T..=clock.now()).contains(&date));
        assert!(headers[2].1 == "<a@ops.example>, <b@ops.example>" && headers[4].1.starts_with("=?utf-8?B?"));
        assert!(text.contains("Bucket made public") && text.contains("journal 2") && text.contains("alice"));
    }
}

#[test]
fn auth_login_is_known_too() {
    let (clock, server) = (Clock::new(), SmtpDouble::start(Mode::Tls, vec![Trick::LoginOnly]));
    deliver(&mut channel(&server, Mode::Tls, true, &clock), &clock, &[alert(1)]);
    assert_eq!(server.taken.lock().unwrap()[0].login.as_deref(), Some("robot:pass-word-for-tests"));
}

/// What becomes of the first try under a trick, and that the mail comes in the end.
fn tricked(mode: Mode, trick: &Trick) -> (Report, usize) {
    let (clock, server) = (Clock::new(), SmtpDouble::start(mode, vec![trick.clone()]));
    let mut channel = channel(&server, mode, mode != Mode::Plain, &clock);
    let first = drive(&mut channel, &clock, &[alert(1)], |r| r.failed == 1);
    assert_eq!((first.failed, first.waiting), (1, 1), "{trick:?}: {first:?}");
    let said = first.last_error.clone().unwrap();
    assert!(!said.contains("pass-word") && said.contains("localhost:"), "{said}");
    deliver(&mut channel, &clock, &[alert(1)]);
    assert!(server.faults.lock().unwrap().is_empty(), "{trick:?}: {:?}", server.faults.lock().unwrap());
    let taken = server.taken.lock().unwrap().len();
    (first, taken)
}

#[test]
fn replies_for_later_are_later_and_those_for_good_are_told_of() {
    for (at, line) in [
        ("CONNECT", "421 busy"),
        ("EHLO", "421 busy"),
        ("STARTTLS", "454 not now"),
        ("AUTH", "454 not now"),
        ("MAIL", "451 not now"),
        ("RCPT", "450 greylisted"),
        ("DATA", "421 busy"),
        (".", "452 full"),
    ] {
        let (report, taken) = tricked(Mode::Starttls, &Trick::Say(at, line));
        assert!(!report.is_refused() && taken == 1, "{at}: {report:?}");
    }
    for (at, line) in [
        ("CONNECT", "554 go away"),
        ("STARTTLS", "502 no"),
        ("AUTH", "535 5.7.8 wrong: AHJvYm90AHBhc3Mtd29yZC1mb3ItdGVzdHM= pass-word-for-tests"),
        ("MAIL", "550 not you"),
        ("RCPT", "550 no such user"),
    ] {
        let (report, taken) = tricked(Mode::Starttls, &Trick::Say(at, line));
        assert!(report.is_refused() && taken == 1, "{at}: {report:?}");
        assert!(!report.last_error.unwrap().contains("AHJvYm90AHBhc3"), "{at}");
    }
    let (report, taken) = tricked(Mode::Plain, &Trick::Say(".", "554 looks like spam"));
    assert!(!report.is_refused() && taken == 1, "it goes out again without texts: {report:?}");
}

#[test]
fn nothing_is_said_before_the_connection_is_encrypted() {
    for trick in [Trick::NoStarttls, Trick::Inject] {
        let (report, taken) = tricked(Mode::Starttls, &trick);
        assert!(report.is_refused() && taken == 1, "{trick:?}: {report:?}");
    }
    let (clock, mut strange, other) =
        (Clock::new(), SmtpDouble::start(Mode::Starttls, vec![]), SmtpDouble::start(Mode::Plain, vec![]));
    strange.ca_file.clone_from(&other.ca_file);
    let mut channel = channel(&strange, Mode::Starttls, true, &clock);
    let report = drive(&mut channel, &clock, &[alert(1)], |r| r.failed == 2);
    assert!(report.waiting == 1 && report.last_error.unwrap().contains("certificate"));
    assert!(strange.taken.lock().unwrap().is_empty());
}

#[test]
fn who_is_silent_drips_or_vanishes_costs_no_more_than_the_timeout() {
    for trick in [Trick::Silent, Trick::Drip] {
        let began = std::time::Instant::now();
        let (report, taken) = tricked(Mode::Plain, &trick);
        assert!(!report.is_refused() && taken == 1, "{trick:?}");
        assert!(began.elapsed().as_millis() < 5_000, "{trick:?}: {:?}", began.elapsed());
    }
    let (report, taken) = tricked(Mode::Plain, &Trick::Vanish);
    assert!(!report.is_refused() && taken == 2, "nobody knows, so it comes twice, with one id: {report:?}");
}

#[test]
fn a_mail_that_comes_twice_has_one_id() {
    let (clock, server) = (Clock::new(), SmtpDouble::start(Mode::Plain, vec![Trick::Vanish]));
    deliver(&mut channel(&server, Mode::Plain, false, &clock), &clock, &[alert(1)]);
    let ids: Vec<String> = server.taken.lock().unwrap().iter().map(|m| read(m).0[3].1.clone()).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1] && ids[0].ends_with("@ops.example>"), "{ids:?}");
}
