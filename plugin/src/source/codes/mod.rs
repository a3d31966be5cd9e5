//! What an error of the provider calls for, as data: `codes.tsv`, read by service, status, code and message.
//!
//! The message counts, because the service says "not activated" and "wrong key" with one code. A code that is not in
//! the table is judged by its status alone, by the rows at its end. Nothing here may turn an error into silence: no class
//! passes over logs except [`Class::Gap`], and who acts on that says so in a gap record.

use serde::Deserialize;

use super::Cause;
use super::oss::xml;

const TABLE: &str = include_str!("codes.tsv");

/// Most bytes of a provider's message that are shown.
const MESSAGE_BYTES: usize = 300;

/// Most bytes of an error's body that are looked at.
pub const ERROR_BYTES: usize = 64 << 10;

/// Whose code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Log Service.
    Sls,
    /// OSS.
    Oss,
}

/// What a code calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Again, ever more slowly, for ever.
    Retry,
    /// The same for a quota; a pause if it lasts.
    Throttle,
    /// New credentials, then again; fatal when that does not help.
    Renew,
    /// Again, since the host learns the time from the answer; a pause when that does not help.
    Clock,
    /// Somebody has to act; look again slowly.
    Pause(Cause),
    /// Overdue, unless the session is young: a fresh project says the same while its name is still on its way through the
    /// DNS (aliyun/aliyun-log-dotnetcore-sdk #23).
    Forbidden,
    /// The configuration is wrong, or a right is missing.
    Fatal,
    /// What was asked for is gone for good.
    Gap,
    /// What was asked for has changed: list again.
    Relist,
    /// The request or the record in it is wrong.
    Quarantine,
}

/// An error, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it calls for.
    pub class: Class,
    /// The provider's code; empty where there is none.
    pub code: String,
    /// Status, code, message and what it means. Hostile text.
    pub words: String,
}

/// Judges an answer that is no success.
pub fn judge(service: Service, status: u16, body: &[u8]) -> Verdict {
    let (code, message) = match service {
        Service::Sls => sls_error(body),
        Service::Oss => oss_error(body),
    };
    let (class, about) = classify(service, status, &code, &message);
    let mut words = status.to_string();
    for part in [code.as_str(), short(&message)].into_iter().filter(|part| !part.is_empty()) {
        words = format!("{words} {part}");
    }
    Verdict { class, code, words: format!("{words} ({about})") }
}

/// The class of a code, and what the table says about it.
pub fn classify(service: Service, status: u16, code: &str, message: &str) -> (Class, &'static str) {
    let message = message.to_lowercase();
    let found = rows().find(|row| row.fits(service, status, code, &message));
    found.map_or((Class::Pause(Cause::Other), "a code that is not known"), |row| (row.class, row.about))
}

/// One row of the table.
struct Row {
    service: &'static str,
    status: &'static str,
    code: &'static str,
    cue: &'static str,
    class: Class,
    about: &'static str,
}

impl Row {
    fn fits(&self, service: Service, status: u16, code: &str, message: &str) -> bool {
        let service = match service {
            Service::Sls => "sls",
            Service::Oss => "oss",
        };
        let status_fits = match self.status {
            "*" => true,
            "3xx" => (300..400).contains(&status),
            "5xx" => (500..600).contains(&status),
            exact => exact.parse() == Ok(status),
        };
        status_fits
            && (self.service == "*" || self.service == service)
            && (self.code == "*" || self.code == code)
            && (self.cue == "*" || message.contains(self.cue))
    }
}

/// The table's rows; one that cannot be read is left out, which a test holds never to happen.
fn rows() -> impl Iterator<Item = Row> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(row)
}

fn row(line: &'static str) -> Option<Row> {
    let mut cells = line.split('\t');
    let (service, status, code) = (cells.next()?, cells.next()?, cells.next()?);
    let (cue, class, about) = (cells.next()?, class(cells.next()?)?, cells.next()?);
    cells.next().is_none().then_some(Row { service, status, code, cue, class, about })
}

fn class(word: &str) -> Option<Class> {
    Some(match word {
        "retry" => Class::Retry,
        "throttle" => Class::Throttle,
        "renew" => Class::Renew,
        "clock" => Class::Clock,
        "forbidden" => Class::Forbidden,
        "fatal" => Class::Fatal,
        "gap" => Class::Gap,
        "relist" => Class::Relist,
        "quarantine" => Class::Quarantine,
        "pause:overdue" => Class::Pause(Cause::Overdue),
        "pause:not-entitled" => Class::Pause(Cause::NotEntitled),
        "pause:source-gone" => Class::Pause(Cause::SourceGone),
        "pause:other" => Class::Pause(Cause::Other),
        _ => return None,
    })
}

/// `{"errorCode": …, "errorMessage": …}`; anything else has no code.
fn sls_error(body: &[u8]) -> (String, String) {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Error {
        #[serde(rename = "errorCode")]
        code: String,
        #[serde(rename = "errorMessage")]
        message: String,
    }
    let body = &body[..body.len().min(ERROR_BYTES)];
    serde_json::from_slice::<Error>(body).map(|e| (e.code, e.message)).unwrap_or_default()
}

/// `<Error><Code>…</Code><Message>…</Message></Error>`; anything else has no code.
fn oss_error(body: &[u8]) -> (String, String) {
    xml::error(&body[..body.len().min(ERROR_BYTES)]).unwrap_or_default()
}

/// The beginning of a text, cut at a character.
pub fn short(text: &str) -> &str {
    let mut end = text.len().min(MESSAGE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_row_and_every_row_can_be_reached() {
        let lines: Vec<_> = TABLE.lines().filter(|line| !line.starts_with('#')).collect();
        let rows: Vec<_> = rows().collect();
        assert_eq!(rows.len(), lines.len());
        for (row, line) in rows.iter().zip(lines) {
            let status = match row.status {
                "*" => 418,
                "3xx" => 302,
                "5xx" => 502,
                exact => exact.parse().unwrap_or(0),
            };
            let code = if row.code == "*" { "NeverHeardOf" } else { row.code };
            let message = if row.cue == "*" { "" } else { row.cue };
            let service = if row.service == "oss" { Service::Oss } else { Service::Sls };
            assert_eq!(classify(service, status, code, message), (row.class, row.about), "{line}");
        }
    }

    /// Beside the table itself: what each code must come to, written down a second time.
    #[test]
    fn codes_come_to_what_they_call_for() {
        use Class as C;
        let (sls, oss) = (Service::Sls, Service::Oss);
        for (service, status, code, message, class) in [
            (sls, 401, "Unauthorized", "Your SLS service has been forbidden.", C::Pause(Cause::Overdue)),
            (sls, 401, "Unauthorized", "The security token you provided has expired", C::Renew),
            (sls, 401, "Unauthorized", "AccessKeyId not found: x", C::Fatal),
            (sls, 401, "Unauthorized", "The project does not belong to you.", C::Fatal),
            (sls, 403, "ProjectForbidden", "The project has been forbidden", C::Forbidden),
            (sls, 401, "InvalidAccessKeyId", "Your SLS service has not opened.", C::Pause(Cause::NotEntitled)),
            (sls, 401, "InvalidAccessKeyId", "The access key id you provided is invalid", C::Fatal),
            (sls, 401, "SignatureNotMatch", "signature x not match", C::Renew),
            (sls, 400, "RequestTimeExpired", "", C::Clock),
            (sls, 400, "RequestTimeTooSkewed", "", C::Clock),
            (sls, 403, "ReadQuotaExceed", "", C::Throttle),
            (sls, 403, "ShardReadQuotaExceed", "", C::Throttle),
            (sls, 403, "MetaOperationQpsLimitExceeded", "", C::Throttle),
            (sls, 500, "InternalServerError", "", C::Retry),
            (sls, 503, "ServerBusy", "", C::Retry),
            (sls, 404, "ProjectNotExist", "", C::Pause(Cause::SourceGone)),
            (sls, 404, "LogStoreNotExist", "", C::Pause(Cause::SourceGone)),
            (sls, 400, "ShardNotExist", "", C::Relist),
            (sls, 404, "ConsumerGroupNotExist", "", C::Relist),
            (sls, 400, "ParameterInvalid", "Invalid cursor", C::Gap),
            (sls, 400, "ParameterInvalid", "count is wrong", C::Pause(Cause::Other)),
            (sls, 400, "InvalidCursor", "", C::Gap),
            (sls, 400, "PostBodyInvalid", "", C::Quarantine),
            (sls, 413, "PostBodyTooLarge", "", C::Quarantine),
            (oss, 403, "UserDisable", "", C::Pause(Cause::Overdue)),
            (oss, 403, "AbnormalBucketOwnerStatus", "", C::Pause(Cause::Overdue)),
            (oss, 403, "KmsInDebtOverdue", "", C::Pause(Cause::Overdue)),
            (oss, 403, "BucketDisable", "", C::Pause(Cause::Other)),
            (oss, 403, "InvalidAccessKeyId", "", C::Fatal),
            (oss, 403, "SignatureDoesNotMatch", "", C::Renew),
            (oss, 403, "SecurityTokenExpired", "", C::Renew),
            (oss, 403, "RequestTimeTooSkewed", "", C::Clock),
            (oss, 403, "AccessDenied", "The bucket must be addressed using the specified endpoint.", C::Fatal),
            (oss, 403, "AccessDenied", "This object is forbidden by KMS", C::Pause(Cause::NotEntitled)),
            (oss, 403, "AccessDenied", "AccessDenied by RAM policy", C::Fatal),
            (oss, 404, "NoSuchBucket", "", C::Pause(Cause::SourceGone)),
            (oss, 404, "NoSuchKey", "", C::Gap),
            (oss, 403, "InvalidObjectState", "", C::Gap),
            (oss, 412, "PreconditionFailed", "", C::Relist),
            (oss, 503, "", "", C::Retry),
            (oss, 429, "", "", C::Throttle),
            (sls, 418, "Teapot", "", C::Pause(Cause::Other)),
            (sls, 302, "", "", C::Pause(Cause::Other)),
        ] {
            assert_eq!(classify(service, status, code, message).0, class, "{status} {code} {message}");
        }
    }

    #[test]
    fn bodies_are_read_with_care_and_told_shortly() {
        let judged = judge(Service::Sls, 403, br#"{"errorCode":"ReadQuotaExceed","errorMessage":"slow down"}"#);
        assert_eq!(judged.words, "403 ReadQuotaExceed slow down (quota of the project)");
        let judged = judge(
            Service::Oss,
            404,
            b"<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>a &amp; b</Message></Error>",
        );
        assert_eq!((judged.class, judged.code.as_str()), (Class::Gap, "NoSuchKey"));
        assert!(judged.words.starts_with("404 NoSuchKey a & b ("), "{}", judged.words);
        for body in [&b"not json"[..], b"", b"[]", b"{\"errorCode\":7}", "{\"errorCode\":\"\u{1b}[31m\"".as_bytes()] {
            assert_eq!(judge(Service::Sls, 503, body).class, Class::Retry);
            assert_eq!(judge(Service::Oss, 503, body).class, Class::Retry);
        }
        let long = format!("{{\"errorCode\":\"X\",\"errorMessage\":\"{}\"}}", "桶".repeat(5000));
        assert!(judge(Service::Sls, 503, long.as_bytes()).words.len() < 400);
    }
}
