//! Alerts for the tests of the encoders. It must never be in a release.

use super::Batch;
use crate::alert::{Alert, Level};

pub(super) const NOW_MS: i64 = 1_767_323_045_000;

pub(super) fn single() -> Alert {
    let some = |text: &str| Some(text.to_owned());
    Alert {
        position: 42,
        fired: true,
        alert: "0123456789abcdef".to_owned(),
        rule: "5e0c1b7a-0000-4000-8000-000000000001".to_owned(),
        version: 3,
        title: "Bucket made public".to_owned(),
        level: Level::High,
        severity: 8,
        store: "innertrail_my-trail".to_owned(),
        seq: Some(12),
        event_id: some("2D8A0000-1111-4000-9000-00000000000A"),
        event_time: some("2026-01-02T03:04:05Z"),
        actor: some("ram-user:alice"),
        event_name: some("PutBucketAcl"),
        resource: some("acs:oss:*:1000000000000001:my-bucket"),
        time_us: 1_767_323_045_000_000,
        trail: "my-trail".to_owned(),
        remedy: some("Set the bucket's ACL to private."),
        link: some("https://console.example/innertrail?alert=0123456789abcdef"),
        ..Alert::default()
    }
}

pub(super) fn scheduled(fired: bool) -> Alert {
    let some = |text: &str| Some(text.to_owned());
    Alert {
        position: 43,
        fired,
        alert: "fedcba9876543210".to_owned(),
        rule: "many-denials".to_owned(),
        version: 1,
        title: "Many denials by one key".to_owned(),
        level: Level::Medium,
        severity: 5,
        store: "innertrail_my-trail".to_owned(),
        key: vec![("access_key".to_owned(), "LTAIexample".to_owned())],
        window: some("5 min to 2026-01-02T03:05:00Z"),
        value: some("25"),
        group: vec![("region".to_owned(), "cn-hangzhou".to_owned())],
        query: some("it_outcome: denied | SELECT count(*) AS n"),
        time_us: 1_767_323_100_000_000,
        trail: "my-trail".to_owned(),
        ..Alert::default()
    }
}

/// What people put into names to be noticed.
pub(super) fn hostile() -> Alert {
    filled(
        "<!channel> <@U1> @all <at user_id=\"all\">x</at> [click](http://evil.example/?a=1&b=2) *b* `c` <script>alert(1)</script> \
         <img src=x>\r\nBcc: victim@evil.example\r\n\r\n.\r\nQUIT\u{202e}txt.exe\u{0}\u{1b}[2J {{ .Labels }} =?utf-8?B?PGI+?= www.evil.example",
    )
}

/// An alert with this text in every place that can hold one.
pub(super) fn filled(text: &str) -> Alert {
    let some = || Some(text.to_owned());
    let pair = || vec![(text.to_owned(), text.to_owned()), ("k".to_owned(), text.to_owned())];
    Alert {
        rule: text.to_owned(),
        title: text.to_owned(),
        store: text.to_owned(),
        event_id: some(),
        event_time: some(),
        actor: some(),
        event_name: some(),
        resource: some(),
        key: pair(),
        window: some(),
        value: some(),
        group: pair(),
        query: some(),
        trail: text.to_owned(),
        remedy: some(),
        link: some(),
        ..single()
    }
}

pub(super) fn many(count: u64) -> Vec<Alert> {
    (0..count)
        .map(|n| Alert {
            position: 100 + n,
            alert: format!("{n:016x}"),
            level: Level::ALL[usize::try_from(n % 5).unwrap_or(0)],
            ..single()
        })
        .collect()
}

pub(super) fn batch(alerts: &[Alert]) -> Batch<'_> {
    Batch { alerts, late_hours: None, bare: false, id: "00112233445566778899aabbccddeeff", now_ms: NOW_MS }
}
