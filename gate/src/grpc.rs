//! gRPC as far as two unary calls need it: messages in, statuses out.
//! It must never hold more of a message than the limit, compressed or not.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use innertrail_sink::Refused;

use crate::report::Told;
use crate::worker;

/// The longest message, bytes, decompressed: what Vector's own source takes.
pub(crate) const MAX_MESSAGE: usize = innertrail_sink::vector::MAX_MESSAGE;

/// A status other than OK.
#[derive(Debug)]
pub(crate) struct Status {
    code: u8,
    message: String,
    after: Option<Duration>,
}

impl Status {
    /// The request will never be taken.
    pub(crate) fn invalid(message: &(impl ToString + ?Sized)) -> Self {
        Self::of(3, message)
    }

    /// It is longer than it may be; Vector's own source says the same.
    pub(crate) fn too_long() -> Self {
        Self::of(11, &format_args!("the message is longer than {MAX_MESSAGE} bytes"))
    }

    /// There is no such call, or no such compression.
    pub(crate) fn unimplemented(message: &(impl ToString + ?Sized)) -> Self {
        Self::of(12, message)
    }

    /// Too much is going on; to be sent again.
    pub(crate) fn exhausted(message: &(impl ToString + ?Sized)) -> Self {
        Self::of(8, message)
    }

    /// To be sent again.
    pub(crate) fn unavailable(message: &(impl ToString + ?Sized)) -> Self {
        Self::of(14, message)
    }

    fn of(code: u8, message: &(impl ToString + ?Sized)) -> Self {
        Self { code, message: message.to_string(), after: None }
    }
}

impl From<Refused> for Status {
    /// The receiver's refusal, as the same class of refusal: `UNAVAILABLE`, `INTERNAL` (a reset: sent again by Vector, too),
    /// `DATA_LOSS` (never).
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Later { why, after } => Self { after, ..Self::unavailable(&why) },
            Refused::Closed { why } => Self::unavailable(&why),
            Refused::Never { why } => Self::of(15, &why),
            Refused::Unclear { why } => Self::of(13, &why),
        }
    }
}

/// How a message is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// The one message of a body, and how it is compressed.
pub(crate) fn message(body: &Bytes, encoding: Option<&HeaderValue>) -> Result<(Bytes, Compression), Status> {
    let Some((&[flag, a, b, c, d], _)) = body.split_first_chunk::<5>() else {
        return Err(Status::invalid("the body ends before the message"));
    };
    if u32::from_be_bytes([a, b, c, d]) as usize != body.len() - 5 {
        return Err(Status::invalid("the length before the message is not that of the one message in the body"));
    }
    let compression = match (flag, encoding.map(HeaderValue::as_bytes)) {
        (0, _) => Compression::None,
        (1, Some(b"gzip")) => Compression::Gzip,
        (1, Some(b"zstd")) => Compression::Zstd,
        _ => return Err(Status::unimplemented("the compression is neither identity nor gzip nor zstd")),
    };
    Ok((body.slice(5..), compression))
}

/// The message itself.
pub(crate) fn decompress(message: Bytes, compression: Compression) -> Result<Bytes, Status> {
    let damaged = |e: std::io::Error| Status::invalid(&format_args!("the message cannot be decompressed: {e}"));
    let read = match compression {
        Compression::None => return Ok(message),
        Compression::Gzip => worker::read_whole(flate2::read::MultiGzDecoder::new(&message[..]), MAX_MESSAGE),
        Compression::Zstd => {
            zstd::Decoder::new(&message[..]).and_then(|decoder| worker::read_whole(decoder, MAX_MESSAGE))
        }
    };
    read.map_err(damaged)?.ok_or_else(Status::too_long)
}

/// At most one message, and trailers.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.data.take() {
            Some(data) => Some(Frame::data(data)),
            None => self.trailers.take().map(Frame::trailers),
        };
        Poll::Ready(frame.map(Ok))
    }
}

/// The answer to a call: both calls answer with an empty message.
pub(crate) fn answer(result: Result<(), Status>) -> Response<Answer> {
    let mut trailers = HeaderMap::new();
    let (code, data) = match result {
        Ok(()) => (0, Some(Bytes::from_static(&[0; 5]))),
        Err(status) => {
            if let Ok(text) = HeaderValue::from_str(&percent(&status.message)) {
                trailers.insert("grpc-message", text);
            }
            if let Some(ms) = status.after.and_then(|after| u64::try_from(after.as_millis()).ok()) {
                trailers.insert("grpc-retry-pushback-ms", ms.into());
            }
            (status.code, None)
        }
    };
    trailers.insert("grpc-status", u16::from(code).into());
    let mut response = Response::new(Answer { data, trailers: Some(trailers) });
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip,zstd"));
    response
}

/// What an answer tells the agent to do.
pub(crate) fn told(answer: &Result<(), Status>) -> Told {
    match answer {
        Ok(()) => Told::Taken,
        // What Vector sends again.
        Err(Status { code: 8 | 13 | 14, .. }) => Told::Later,
        Err(_) => Told::Never,
    }
}

/// An answer to what is no gRPC.
pub(crate) fn no_grpc(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Answer::default());
    *response.status_mut() = status;
    response
}

/// A status message as gRPC writes it.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'$' | b'&'..=b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
