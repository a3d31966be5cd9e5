//! OTLP's use of HTTP: which requests there are, how bodies are compressed, what answers look like.
//! It must never hold more of a body than the limit, compressed or not.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use innertrail_sink::Refused;
use innertrail_sink::otlp::Passed;

use super::cut::Form;
use crate::report::Told;
use crate::server::NoBody;
use crate::worker;

pub(super) type Text = Full<Bytes>;

/// What a request's head says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) form: Form,
    pub(super) gzip: bool,
}

impl Head {
    /// Reads it; the error is the answer.
    pub(super) fn of(request: &Request<Incoming>) -> Result<Self, Answer> {
        let refused = |status: StatusCode, why: &str| Err(Answer { status, ..Answer::invalid(why) });
        if request.uri().path() != "/v1/logs" {
            return refused(StatusCode::NOT_FOUND, "the gate takes logs alone, at /v1/logs");
        }
        if request.method() != Method::POST {
            return refused(StatusCode::METHOD_NOT_ALLOWED, "the gate takes POST alone");
        }
        let named = |header| request.headers().get(header).map(HeaderValue::as_bytes);
        let kind = named(CONTENT_TYPE).and_then(|kind| kind.split(|b| *b == b';').next()).unwrap_or_default();
        let form = match kind.trim_ascii().to_ascii_lowercase().as_slice() {
            b"application/x-protobuf" => Form::Protobuf,
            b"application/json" => Form::Json,
            _ => {
                return refused(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "neither application/x-protobuf nor application/json",
                );
            }
        };
        match named(CONTENT_ENCODING).map(<[u8]>::trim_ascii) {
            None | Some(b"identity" | b"") => Ok(Self { form, gzip: false }),
            Some(b"gzip") => Ok(Self { form, gzip: true }),
            Some(_) => refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the compression is neither identity nor gzip"),
        }
    }
}

/// An answer to the agent.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    content_type: Option<HeaderValue>,
    retry_after: Option<HeaderValue>,
    /// The receiver's own body, or the words of a refusal of ours.
    body: Result<Vec<u8>, String>,
}

impl Answer {
    /// All of it is taken, or kept.
    pub(super) fn taken() -> Self {
        Self { status: StatusCode::OK, content_type: None, retry_after: None, body: Ok(Vec::new()) }
    }

    /// To be sent again.
    pub(super) fn later(why: &str) -> Self {
        Self::refusal(StatusCode::SERVICE_UNAVAILABLE, why, Some(HeaderValue::from_static("1")))
    }

    /// Too much is going on; to be sent again.
    pub(super) fn exhausted(why: &str) -> Self {
        Self::refusal(StatusCode::TOO_MANY_REQUESTS, why, Some(HeaderValue::from_static("1")))
    }

    /// It will never be taken.
    pub(super) fn invalid(why: &str) -> Self {
        Self::refusal(StatusCode::BAD_REQUEST, why, None)
    }

    fn refusal(status: StatusCode, why: &str, retry_after: Option<HeaderValue>) -> Self {
        Self { status, content_type: None, retry_after, body: Err(why.to_owned()) }
    }

    /// The receiver's, as it came. What is about the receiver and not about the records becomes 503, because agents throw
    /// away what they get 404 or 401 for, and a redirect would lead them past the gate.
    pub(super) fn of(passed: Passed) -> Self {
        let header = |text: Option<String>| text.and_then(|text| HeaderValue::from_str(&text).ok());
        let status = StatusCode::from_u16(passed.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let as_it_came = |body| Self {
            status,
            content_type: header(passed.content_type.clone()),
            retry_after: header(passed.retry_after.clone()),
            body: Ok(body),
        };
        match passed.meaning {
            Ok(()) | Err(Refused::Never { .. }) => as_it_came(passed.body),
            Err(Refused::Later { .. }) if matches!(passed.status, 429 | 502 | 503 | 504) => as_it_came(passed.body),
            Err(Refused::Later { why, .. } | Refused::Closed { why }) => Self::later(&why),
            Err(Refused::Unclear { why }) if status.is_success() => Self::refusal(StatusCode::BAD_GATEWAY, &why, None),
            Err(Refused::Unclear { .. }) => as_it_came(passed.body),
        }
    }

    /// What it tells the agent to do.
    pub(super) fn told(&self) -> Told {
        match self.status.as_u16() {
            200..=299 => Told::Taken,
            429 | 502 | 503 | 504 => Told::Later,
            _ => Told::Never,
        }
    }

    /// As it is sent: an empty success, what the receiver said, or a `google.rpc.Status` with the words.
    pub(super) fn response(self, form: Form) -> Response<Text> {
        let (body, own) = match (self.body, form) {
            (Ok(body), Form::Json) if body.is_empty() && self.content_type.is_none() && self.status.is_success() => {
                (b"{}".to_vec(), true)
            }
            (Ok(body), _) => (body, self.content_type.is_none()),
            (Err(why), Form::Json) => (serde_json::json!({ "message": why }).to_string().into_bytes(), true),
            (Err(why), Form::Protobuf) => {
                let mut body = vec![2 << 3 | 2];
                body.extend(crate::request::length(why.len()));
                body.extend(why.into_bytes());
                (body, true)
            }
        };
        let mut response = Response::new(Full::new(body.into()));
        *response.status_mut() = self.status;
        let kind = match form {
            Form::Protobuf => "application/x-protobuf",
            Form::Json => "application/json",
        };
        let headers = response.headers_mut();
        if let Some(kind) = self.content_type.or_else(|| own.then_some(HeaderValue::from_static(kind))) {
            headers.insert(CONTENT_TYPE, kind);
        }
        if let Some(after) = self.retry_after {
            headers.insert(RETRY_AFTER, after);
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

impl From<NoBody> for Answer {
    fn from(why: NoBody) -> Self {
        match why {
            NoBody::Exhausted => Self::exhausted("too much is waiting at the gate"),
            NoBody::BrokeOff => Self::later("the request broke off"),
            NoBody::TooLong => too_long(),
        }
    }
}

fn too_long() -> Answer {
    Answer { status: StatusCode::PAYLOAD_TOO_LARGE, ..Answer::invalid("the body is longer than the receiver takes") }
}

/// The body itself.
pub(super) fn gunzip(body: &[u8], longest: usize) -> Result<Bytes, Answer> {
    let read = worker::read_whole(flate2::read::MultiGzDecoder::new(body), longest);
    read.map_err(|e| Answer::invalid(&format!("the body cannot be decompressed: {e}")))?.ok_or_else(too_long)
}

/// What is left of a body, compressed as the body was.
pub(super) fn gzip(left: &[u8]) -> Result<Bytes, Answer> {
    let mut gzip = GzEncoder::new(Vec::with_capacity(left.len() / 4), Compression::fast());
    let packed = gzip.write_all(left).and_then(|()| gzip.finish());
    packed.map(Bytes::from).map_err(|e| Answer::later(&format!("gzip: {e}")))
}
