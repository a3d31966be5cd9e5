//! What an answer means for the records of the request.
//! It must never call a request taken of which the receiver rejects a record, and never repeat more of an answer than
//! its first words, harmless.

use std::time::SystemTime;

use prost::Message;
use serde::Deserialize;
use ureq::http::HeaderMap;

use crate::refusal::{self, harmless};
use crate::sender::Refused;

/// An answer as far as it was read.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

/// Its body.
pub(super) enum Body {
    Whole(Vec<u8>),
    /// Longer than any honest one; its beginning.
    TooLong(Vec<u8>),
    /// What came of it, and what ended it.
    Cut(Vec<u8>, String),
}

/// `ExportLogsServiceResponse`.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// `ExportLogsPartialSuccess`.
#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    message: String,
}

/// `google.rpc.Status`, which errors come with.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonResponse {
    partial_success: Option<JsonPartialSuccess>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonPartialSuccess {
    rejected_log_records: Count,
    error_message: String,
}

impl Default for JsonPartialSuccess {
    fn default() -> Self {
        Self { rejected_log_records: Count::Number(0), error_message: String::new() }
    }
}

/// A 64-bit integer: text by the mapping, a number by habit.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(i64),
    Text(String),
}

#[derive(Deserialize)]
struct JsonStatus {
    #[serde(default)]
    message: String,
}

/// What became of the batch.
///
/// | answer | |
/// |---|---|
/// | 2xx with nothing rejected | taken |
/// | 2xx with `partial_success.rejected_log_records` | never: the answer does not say which record, smaller batches do |
/// | 2xx that is no OTLP answer | unclear |
/// | 2xx that was cut | later |
/// | no success | by its status, see [`refusal::by_status`] |
pub(super) fn judge(shown: &str, answer: &Answer, now: SystemTime) -> Result<(), Refused> {
    if (200..300).contains(&answer.status) {
        return success(shown, answer);
    }
    Err(refusal::by_status(shown, answer.status, &answer.headers, &words(answer), now))
}

fn success(shown: &str, answer: &Answer) -> Result<(), Refused> {
    let at = format!("{shown}: status {}", answer.status);
    let body = match &answer.body {
        Body::Whole(body) => body,
        Body::TooLong(body) => {
            return Err(Refused::Unclear {
                why: format!("{at}, but more than {} bytes are no OTLP answer", body.len() - 1),
            });
        }
        Body::Cut(body, why) => {
            return Err(Refused::Later { why: format!("{at}, cut after {} bytes: {why}", body.len()), after: None });
        }
    };
    let Some(PartialSuccess { rejected, message }) = read(body, is_json(&answer.headers, body))
        .ok_or_else(|| Refused::Unclear { why: format!("{at}, but the answer is not OTLP's: {}", harmless(body)) })?
    else {
        return Ok(());
    };
    // A message without a rejection is a warning, and the records are taken.
    if rejected == 0 {
        return Ok(());
    }
    Err(Refused::Never { why: format!("{at}, but {rejected} records were rejected: {}", harmless(message.as_bytes())) })
}

/// Reads a success; the outer `None` when it is none of OTLP's.
fn read(body: &[u8], json: bool) -> Option<Option<PartialSuccess>> {
    if body.is_empty() {
        return Some(None);
    }
    if !json {
        return Some(Response::decode(body).ok()?.partial_success);
    }
    let Some(partial) = serde_json::from_slice::<JsonResponse>(body).ok()?.partial_success else { return Some(None) };
    let rejected = match partial.rejected_log_records {
        Count::Number(number) => number,
        Count::Text(text) => text.parse().ok()?,
    };
    Some(Some(PartialSuccess { rejected, message: partial.error_message }))
}

/// What the body is: by its type, which receivers must give, and by its look where they do not.
fn is_json(headers: &HeaderMap, body: &[u8]) -> bool {
    match headers.get("content-type").and_then(|t| t.to_str().ok()) {
        Some(kind) if kind.trim_start().starts_with("application/json") => true,
        Some(kind) if kind.contains("protobuf") => false,
        _ => body.trim_ascii_start().first() == Some(&b'{'),
    }
}

/// The words of a refusal: of its `Status`, or its first ones.
fn words(answer: &Answer) -> String {
    let (Body::Whole(body) | Body::TooLong(body) | Body::Cut(body, _)) = &answer.body;
    let message = if is_json(&answer.headers, body) {
        serde_json::from_slice::<JsonStatus>(body).ok().map(|s| s.message)
    } else {
        Status::decode(body.as_slice()).ok().map(|s| s.message)
    };
    match message.filter(|m| !m.is_empty()) {
        Some(message) => harmless(message.as_bytes()),
        None => harmless(body),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn answer(status: u16, kind: &str, body: &[u8]) -> Answer {
        let mut headers = HeaderMap::new();
        if !kind.is_empty() {
            headers.insert("content-type", kind.parse().unwrap());
        }
        Answer { status, headers, body: Body::Whole(body.to_vec()) }
    }

    fn told(answer: &Answer) -> String {
        match judge("http://h", answer, SystemTime::UNIX_EPOCH) {
            Ok(()) => "taken".to_owned(),
            Err(Refused::Later { why, after: None }) => format!("later: {why}"),
            Err(Refused::Later { why, after: Some(after) }) => format!("later, after {after:?}: {why}"),
            Err(Refused::Closed { why }) => format!("closed: {why}"),
            Err(Refused::Never { why }) => format!("never: {why}"),
            Err(Refused::Unclear { why }) => format!("unclear: {why}"),
        }
    }

    #[test]
    fn a_success_is_one_only_when_nothing_was_rejected() {
        let partial = |rejected, message: &str| {
            Response { partial_success: Some(PartialSuccess { rejected, message: message.to_owned() }) }.encode_to_vec()
        };
        let (protobuf, json) = ("application/x-protobuf", "application/json; charset=utf-8");
        let answers = [
            answer(200, protobuf, b""),
            answer(202, "text/plain", b""),
            answer(200, protobuf, &partial(0, "")),
            answer(200, protobuf, &partial(0, "a warning")),
            answer(200, protobuf, &partial(2, "too old\u{1b}[2J")),
            answer(200, protobuf, &partial(-1, "")),
            answer(200, json, b"{}"),
            answer(200, json, br#"{"partialSuccess":null}"#),
            answer(200, json, br#"{"partialSuccess":{}}"#),
            answer(200, json, br#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"no"}}"#),
            answer(200, json, br#"{"partialSuccess":{"rejectedLogRecords":3}}"#),
            answer(200, "", br#"{"partialSuccess":{"rejectedLogRecords":"1"}}"#),
            answer(200, json, br#"{"partialSuccess":{"rejectedLogRecords":"many"}}"#),
            answer(200, "text/html", b"<html>please sign in</html>"),
            answer(200, protobuf, b"\x0a\xff"),
        ];
        insta::assert_snapshot!(answers.each_ref().map(told).join("\n"), @r##"
taken
taken
taken
taken
never: http://h: status 200, but 2 records were rejected: too old\u{1b}[2J
never: http://h: status 200, but -1 records were rejected: 
taken
taken
taken
never: http://h: status 200, but 3 records were rejected: no
never: http://h: status 200, but 3 records were rejected: 
never: http://h: status 200, but 1 records were rejected: 
unclear: http://h: status 200, but the answer is not OTLP's: {\"partialSuccess\":{\"rejectedLogRecords\":\"many\"}}
unclear: http://h: status 200, but the answer is not OTLP's: <html>please sign in</html>
unclear: http://h: status 200, but the answer is not OTLP's: �
"##);
    }

    #[test]
    fn what_was_cut_or_never_ends_is_no_success() {
        let of = |body| told(&Answer { status: 200, headers: HeaderMap::new(), body });
        insta::assert_snapshot!(of(Body::Cut(b"{\"par".to_vec(), "reset".to_owned())), @"later: http://h: status 200, cut after 5 bytes: reset");
        insta::assert_snapshot!(of(Body::TooLong(vec![b'x'; 65_537])), @"unclear: http://h: status 200, but more than 65536 bytes are no OTLP answer");
    }

    #[test]
    fn the_words_of_a_refusal_are_short_and_harmless_and_its_wish_is_heard() {
        let status = Status { code: 3, message: "bad\u{1b}[2J data".to_owned() }.encode_to_vec();
        assert_eq!(
            told(&answer(400, "application/x-protobuf", &status)),
            r"never: http://h: status 400: bad\u{1b}[2J data"
        );
        assert_eq!(
            told(&answer(400, "application/json", br#"{"code":3,"message":"no"}"#)),
            "never: http://h: status 400: no"
        );
        assert!(told(&answer(500, "text/plain", "x".repeat(9_000).as_bytes())).len() < 200);
        let wish = |text: &str| {
            let mut answer = answer(429, "", b"");
            answer.headers.insert("retry-after", text.parse().unwrap());
            told(&answer)
        };
        assert!(wish("7").starts_with("later, after 7s"));
        assert!(wish("Thu, 01 Jan 1970 00:01:00 GMT").starts_with("later, after 60s"));
        assert!(wish("Wed, 31 Dec 1969 00:00:00 GMT").starts_with("later: "));
        assert!(wish("soon").starts_with("later: ") && wish("99999999999999999999").starts_with("later: "));
    }
}
