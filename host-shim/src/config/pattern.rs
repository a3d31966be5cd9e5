//! The forms a text may have, each as the pattern the JSON Schema shows and the check that is run.
//!
//! The checks are written out because no regular expression is worth a library here; a test holds each against
//! its pattern's examples. Must never accept what would make a wrong file name or Logstore name.

/// Name of a trail. Ends in a letter or digit because `innertrail_<trail>` is a Logstore name and must.
pub(super) const TRAIL: &str = "^[a-z][a-z0-9_-]*[a-z0-9]$";
/// An account id.
pub(super) const DIGITS: &str = "^[0-9]+$";
/// A region.
pub(super) const REGION: &str = "^[a-z0-9-]+$";
/// A path or a glob: anything but control characters.
pub(super) const PATH: &str = "^[^\\u0000-\\u001f\\u007f]+$";
/// Name of a source.
pub(super) const NAME: &str = "^[A-Za-z0-9_-]+$";
/// A product of the data table.
pub(super) const PRODUCT: &str = "^[a-z0-9_-]+$";
/// A SHA-256 in hexadecimal.
pub(super) const SHA256: &str = "^[0-9a-f]{64}$";

/// A bucket or a project of Log Service.
pub(super) const BUCKET: &str = "^[a-z0-9][a-z0-9-]*[a-z0-9]$";
/// A Logstore, a consumer group or a consumer.
pub(super) const LOGSTORE: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";
/// An endpoint: a host name, with a scheme and a port at will.
pub(super) const ENDPOINT: &str = "^(https?://)?[A-Za-z0-9.-]+(:[0-9]+)?/?$";
/// Where requests go. One that is none is never shown: it may hold a password.
pub(super) const URL: &str = "^https?://[^@\\s\\u0000-\\u001f\\u007f]+$";
/// Where to connect: host and port.
pub(super) const ADDRESS: &str = "^[A-Za-z0-9.:\\[\\]-]+:[0-9]+$";
/// A host name, without a port.
pub(super) const HOST: &str = "^[A-Za-z0-9.-]+$";
/// Where to listen: an IP address and a port.
pub(super) const LISTEN: &str = "^[0-9A-Fa-f.:\\[\\]]+:[0-9]+$";
/// Where a stream begins.
pub(super) const FROM: &str = "^(begin|end|[0-9]{4}-[0-9]{2}-[0-9]{2}T.+)$";
/// A day.
pub(super) const DAY: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
/// What names of objects begin with; may be empty.
pub(super) const PREFIX: &str = "^[^\\u0000-\\u001f\\u007f]*$";
/// Name of an environment variable. A value that is none is never shown: it may be a key put in the wrong place.
pub(super) const VARIABLE: &str = "^[A-Z_][A-Z0-9_]*$";
/// Name of a RAM role or of a session.
pub(super) const ROLE: &str = "^[A-Za-z0-9.@_-]+$";
/// An ARN of RAM.
pub(super) const ARN: &str = "^acs:ram::[0-9]+:[A-Za-z0-9/._-]+$";

/// What a text of this pattern is, in words, when `text` is not one. An unknown pattern refuses nothing; a test
/// makes sure the schema has none.
pub(super) fn mismatch(pattern: &str, text: &str) -> Option<&'static str> {
    let (matches, words) = rule(pattern)?;
    (!matches(text)).then_some(words)
}

/// A check, and the pattern in words.
type Rule = (fn(&str) -> bool, &'static str);

/// The check and the words of a pattern.
pub(super) fn rule(pattern: &str) -> Option<Rule> {
    Some(match pattern {
        TRAIL => (
            is_trail,
            "a lower-case letter, then lower-case letters, digits, `-` or `_`, and a letter or digit at the end",
        ),
        DIGITS => (|text| of(text, |b| b.is_ascii_digit()), "digits only"),
        REGION => (
            |text| of(text, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
            "lower-case letters, digits and `-`",
        ),
        PATH => (
            |text| !text.is_empty() && !text.contains(|c: char| c.is_ascii_control()),
            "a path: not empty, without control characters",
        ),
        NAME => {
            (|text| of(text, |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "letters, digits, `-` and `_`")
        }
        PRODUCT => (
            |text| of(text, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_'),
            "lower-case letters, digits, `-` and `_`",
        ),
        SHA256 => (
            |text| text.len() == 64 && of(text, |b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
            "64 lower-case hexadecimal digits",
        ),
        BUCKET => (is_bucket, "lower-case letters, digits and `-`, not first or last a `-`"),
        LOGSTORE => (is_logstore, "letters, digits, `.`, `-` and `_`, first a letter or digit"),
        ENDPOINT => (is_endpoint, "a host name such as `cn-hangzhou.log.aliyuncs.com`, without path, user or query"),
        URL => (is_url, "`http://` or `https://`, a host, a port and a path, without user and password"),
        HOST => (
            |text| of(text, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')),
            "a host name: letters, digits, `.` and `-`, without a port",
        ),
        ADDRESS => (is_address, "`host:port` or `ip:port`"),
        LISTEN => (
            |text| text.parse::<std::net::SocketAddr>().is_ok(),
            "an IP address and a port, such as `127.0.0.1:9598` or `[::1]:9598`",
        ),
        FROM => (is_from, "`begin`, `end`, or a time such as `2026-11-01T00:00:00Z`"),
        DAY => (|text| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok(), "a day: `YYYY-MM-DD`"),
        PREFIX => (|text| !text.contains(|c: char| c.is_ascii_control()), "text without control characters"),
        VARIABLE => (is_variable, "the name of an environment variable: upper-case letters, digits and `_`"),
        ROLE => (
            |text| of(text, |b| b.is_ascii_alphanumeric() || b".@-_".contains(&b)),
            "letters, digits, `.`, `@`, `-` and `_`",
        ),
        ARN => (is_arn, "an ARN such as `acs:ram::1000000000000001:role/innertrail`"),
        _ => return None,
    })
}

fn is_bucket(text: &str) -> bool {
    of(text, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.len() > 1
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_logstore(text: &str) -> bool {
    of(text, |b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_endpoint(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = rest.split_once(':').unwrap_or((rest, "0"));
    of(host, |b| b.is_ascii_alphanumeric() || b".-".contains(&b)) && of(port, |b| b.is_ascii_digit())
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.contains(|c: char| c == '@' || c.is_whitespace() || c.is_ascii_control())
    })
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        of(host, |b| b.is_ascii_alphanumeric() || b".:[]-".contains(&b)) && of(port, |b| b.is_ascii_digit())
    })
}

fn is_from(text: &str) -> bool {
    matches!(text, "begin" | "end") || chrono::DateTime::parse_from_rfc3339(text).is_ok()
}

fn is_variable(text: &str) -> bool {
    of(text, |b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn is_arn(text: &str) -> bool {
    let parts = text.strip_prefix("acs:ram::").and_then(|rest| rest.split_once(':'));
    parts.is_some_and(|(account, what)| {
        of(account, |b| b.is_ascii_digit()) && of(what, |b| b.is_ascii_alphanumeric() || b"/._-".contains(&b))
    })
}

fn of(text: &str, allowed: fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_trail(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with(['-', '_'])
        && of(text, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_every_pattern() {
        let long = "0a".repeat(32);
        let table: [(&str, &[&str], &[&str]); 19] = [
            (TRAIL, &["ab", "oss-audit", "a_1"], &["", "a", "1ab", "Ab", "ab-", "ab_", "a b", "aé", "-ab", "ab\n"]),
            (DIGITS, &["0", "1000000000000001"], &["", "1 ", "1e3", "-1", "१"]),
            (REGION, &["cn-hangzhou"], &["", "CN", "cn_hangzhou"]),
            (PATH, &["./a/**/*.gz", "审计/x"], &["", "a\0b", "a\n"]),
            (NAME, &["oss_files", "A-1"], &["", "a.b", "a b"]),
            (PRODUCT, &["oss", "kms-2"], &["", "OSS"]),
            (SHA256, &[&long], &["", "ab", "0A"]),
            (BUCKET, &["ab1", "my-project"], &["", "a", "-ab", "ab-", "Ab", "a_b", "a.b"]),
            (LOGSTORE, &["innertrail_main", "actiontrail_a-b", "a.b"], &["", "_a", ".a", "a/b", "a b"]),
            (
                ENDPOINT,
                &["cn-hangzhou.log.aliyuncs.com", "http://a.b:80", "https://a/"],
                &["", "a/b", "u@a", "ftp://a", "a:b"],
            ),
            (
                URL,
                &["http://127.0.0.1:4318/v1/logs", "https://a"],
                &["", "a:1", "http://", "http://u:p@a/", "http://a b"],
            ),
            (ADDRESS, &["127.0.0.1:80", "[::1]:80", "link.example:443"], &["", "a", "a:", ":1", "u@a:1", "http://a:1"]),
            (
                LISTEN,
                &["127.0.0.1:9598", "[::1]:0", "0.0.0.0:80"],
                &["", "9598", ":9598", "localhost:9598", "127.0.0.1", "127.0.0.1:65536", "::1:80:90:zz"],
            ),
            (
                FROM,
                &["begin", "end", "2026-11-01T00:00:00Z", "2026-11-01T08:00:00+08:00"],
                &["", "now", "2026-11-01", "2026-13-01T00:00:00Z"],
            ),
            (DAY, &["2026-11-01"], &["", "2026-11-31", "1.11.2026"]),
            (PREFIX, &["", "a/b", "审计/"], &["a\0", "a\n"]),
            (VARIABLE, &["KEY_ID", "_A1"], &["", "1A", "LTAIexample", "A-B", "$A"]),
            (ROLE, &["innertrail", "a.b@c-d_e"], &["", "a/b", "a b"]),
            (
                ARN,
                &["acs:ram::1000000000000001:role/innertrail"],
                &["", "acs:ram::x:role/a", "acs:ram::1", "arn:aws:iam::1:role/a"],
            ),
        ];
        for (pattern, good, bad) in table {
            good.iter().for_each(|text| assert_eq!(mismatch(pattern, text), None, "{pattern} {text:?}"));
            bad.iter().for_each(|text| assert!(mismatch(pattern, text).is_some(), "{pattern} {text:?}"));
        }
        assert!(rule("^unknown$").is_none());
    }
}
