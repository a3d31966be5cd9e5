//! What an answer means, channel by channel.
//! It must never take a robot's "too fast" in an answer of status 200 for a success, or call lost what may be taken later.

use chrono::DateTime;
use serde_json::Value;

/// Pause after a robot's "too fast" where it names none: DingTalk documents ten minutes of silence; the others count by the minute.
const DINGTALK_MS: i64 = 600_000;
const MINUTE_MS: i64 = 60_000;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Webhook,
    Dingtalk,
    Feishu,
    Wecom,
    Slack,
    Alertmanager,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Taken,
    /// Not taken; so many milliseconds were asked for.
    Later(String, Option<i64>),
    /// Nobody knows.
    Unclear(String),
    /// Not taken for what is in it.
    Content(String),
    /// Not taken, and nothing will be as things are.
    Refused(String),
}

/// A whole answer.
pub(crate) fn judge(kind: Kind, status: u16, retry_after: Option<i64>, body: &[u8], words: &str) -> Verdict {
    if !(200..300).contains(&status) {
        return by_status(status, retry_after, words);
    }
    match kind {
        Kind::Webhook | Kind::Alertmanager => Verdict::Taken,
        Kind::Slack if body.trim_ascii() == b"ok" => Verdict::Taken,
        Kind::Slack => Verdict::Unclear(format!("status {status} without Slack's `ok`: {words}")),
        Kind::Dingtalk => by_code(body, &["errcode"], words, dingtalk),
        Kind::Wecom => by_code(body, &["errcode"], words, wecom),
        Kind::Feishu => by_code(body, &["code", "StatusCode"], words, feishu),
    }
}

/// An answer of which only the status came.
pub(crate) fn judge_status(kind: Kind, status: u16, why: &str) -> Verdict {
    let decides = matches!(kind, Kind::Webhook | Kind::Alertmanager) || !(200..300).contains(&status);
    if decides { judge(kind, status, None, b"", why) } else { Verdict::Unclear(why.to_owned()) }
}

/// | status | |
/// |---|---|
/// | 429, 503, 408, 425 | later; `Retry-After` is honoured |
/// | other 5xx | unclear: a proxy may have lost the answer only |
/// | 400, 413, 422 | its content |
/// | everything else | refused: address, key, method, redirect |
fn by_status(status: u16, after: Option<i64>, words: &str) -> Verdict {
    let why = format!("status {status}{}{words}", if words.is_empty() { "" } else { ": " });
    match status {
        408 | 425 | 429 | 503 => Verdict::Later(why, after),
        400 | 413 | 422 => Verdict::Content(why),
        500..=599 => Verdict::Unclear(why),
        _ => Verdict::Refused(why),
    }
}

fn by_code(body: &[u8], names: &[&str], words: &str, meaning: fn(i64, String) -> Verdict) -> Verdict {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = names.iter().find_map(|name| answer.get(name)?.as_i64());
    match code {
        Some(0) => Verdict::Taken,
        Some(code) => meaning(code, format!("code {code}: {words}")),
        None => Verdict::Unclear(format!("status 200 without a code: {words}")),
    }
}

/// In DingTalk's table for all of its interfaces: -1 busy, 90018 too fast, 34016 too long. There is none for robots; by what users report, 130101
/// and 410100 are too fast, 310000 is signature, keyword or address, 300001 and 400101 no such robot, 400102 and 400013 a robot or group that is
/// disabled. An unknown code is tried without texts first, and then seldom.
fn dingtalk(code: i64, why: String) -> Verdict {
    match code {
        -1 => Verdict::Later(why, None),
        130_101 | 410_100 | 460_101 | 660_026 | 90_018 => Verdict::Later(why, Some(DINGTALK_MS)),
        310_000 | 300_001 | 300_005 | 400_013 | 400_101 | 400_102 | 400_106 | 40_001 | 40_014 => Verdict::Refused(why),
        _ => Verdict::Content(why),
    }
}

/// Documented: 11232 too fast, 19021 signature or time. By what users report: 19022 address, 19024 keyword, 9499 body, 19001 no such bot.
fn feishu(code: i64, why: String) -> Verdict {
    match code {
        11_232 => Verdict::Later(why, Some(MINUTE_MS)),
        19_001 | 19_021 | 19_022 | 19_024 => Verdict::Refused(why),
        _ => Verdict::Content(why),
    }
}

/// In WeCom's table for all of its interfaces: -1 busy, 45009 and 45033 too fast, 40058 a parameter, such as a text that is too long. By what users
/// report: 93000 no such robot.
fn wecom(code: i64, why: String) -> Verdict {
    match code {
        -1 => Verdict::Later(why, None),
        45_009 | 45_033 => Verdict::Later(why, Some(MINUTE_MS)),
        93_000 | 93_004 | 93_008 => Verdict::Refused(why),
        _ => Verdict::Content(why),
    }
}

/// Seconds, or a date, as milliseconds; `None` where it cannot be read or is over.
pub(crate) fn retry_after(text: &str, now_ms: i64) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(i64::from(seconds) * 1000);
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis();
    (date > now_ms).then_some(date - now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Taken => "taken",
            Verdict::Later(_, None) => "later",
            Verdict::Later(..) => "later, as asked",
            Verdict::Unclear(_) => "unclear",
            Verdict::Content(_) => "content",
            Verdict::Refused(_) => "refused",
        }
    }

    #[test]
    fn every_status_has_its_meaning() {
        let mut groups: Vec<(&str, u16, u16)> = vec![];
        for status in 200..=599 {
            let kind = name(&judge(Kind::Webhook, status, Some(1), b"", ""));
            match groups.last_mut() {
                Some((last, _, to)) if *last == kind => *to = status,
                _ => groups.push((kind, status, status)),
            }
        }
        let told: Vec<String> = groups.iter().map(|(k, a, b)| format!("{a}-{b} {k}")).collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn a_robots_code_counts_and_not_its_status() {
        let judged = |kind, body: &str| name(&judge(kind, 200, None, body.as_bytes(), ""));
        for kind in [Kind::Dingtalk, Kind::Wecom] {
            assert_eq!(judged(kind, r#"{"errcode":0,"errmsg":"ok"}"#), "taken");
            assert_eq!(judged(kind, r#"{"errcode":-1}"#), "later");
            assert_eq!(judged(kind, r#"{"errcode":987654}"#), "content");
        }
        assert_eq!(judged(Kind::Dingtalk, r#"{"errcode":130101,"errmsg":"send too fast"}"#), "later, as asked");
        assert_eq!(judged(Kind::Dingtalk, r#"{"errcode":310000}"#), "refused");
        assert_eq!(judged(Kind::Wecom, r#"{"errcode":45009}"#), "later, as asked");
        assert_eq!(judged(Kind::Wecom, r#"{"errcode":93000}"#), "refused");
        assert_eq!(judged(Kind::Feishu, r#"{"code":0,"msg":"success"}"#), "taken");
        assert_eq!(judged(Kind::Feishu, r#"{"StatusCode":0,"StatusMessage":"success"}"#), "taken");
        assert_eq!(judged(Kind::Feishu, r#"{"code":11232}"#), "later, as asked");
        assert_eq!(judged(Kind::Feishu, r#"{"code":19021}"#), "refused");
        assert_eq!(judged(Kind::Feishu, r#"{"code":9499}"#), "content");
        for kind in [Kind::Dingtalk, Kind::Wecom, Kind::Feishu, Kind::Slack] {
            assert_eq!(judged(kind, "<html>log in</html>"), "unclear");
            assert_eq!(name(&judge_status(kind, 200, "cut")), "unclear");
        }
        assert_eq!((judged(Kind::Slack, "ok"), judged(Kind::Alertmanager, "")), ("taken", "taken"));
        assert_eq!(name(&judge_status(Kind::Webhook, 204, "cut")), "taken");
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = 1_445_412_480_000;
        assert_eq!(retry_after("120", now), Some(120_000));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:30:00 GMT", now), Some(120_000));
        for odd in ["-1", "soon", "Wed, 21 Oct 2014 07:28:00 GMT", "99999999999999999999", ""] {
            assert_eq!(retry_after(odd, now), None, "{odd}");
        }
    }
}
