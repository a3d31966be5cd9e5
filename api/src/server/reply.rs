//! From an answer or an error to what goes over the wire. It must never send a success that is not 200, an error without the JSON
//! that clients read, or anything without a request id.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use serde_json::json;

use super::budget::Share;
use crate::{Answer, ApiError};

/// Bytes that are handed to the connection at a time, so that an answer leaves memory as it is read.
const PIECE: usize = 64 << 10;

/// A body that is known, and what it takes of the memory for answers.
pub(super) struct Whole {
    rest: Bytes,
    _share: Option<Share>,
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// An answer on its way.
pub(super) fn good(answer: Answer, share: Option<Share>, request_id: &str) -> Response<Whole> {
    let mut response = plain(200, answer.content_type, answer.body, share, request_id);
    for (name, value) in answer.headers {
        let (name, value) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value));
        let (Ok(name), Ok(value)) = (name, value) else {
            return bad(&ApiError::internal("an answer has a header that cannot be sent"), request_id);
        };
        response.headers_mut().append(name, value);
    }
    response
}

/// An error on its way.
pub(super) fn bad(error: &ApiError, request_id: &str) -> Response<Whole> {
    let body = json!({"errorCode": error.code, "errorMessage": error.message}).to_string();
    plain(error.status, "application/json", body.into(), None, request_id)
}

/// Says that nothing more is read from this connection.
pub(super) fn closing(mut response: Response<Whole>) -> Response<Whole> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn plain(status: u16, kind: &'static str, body: Bytes, share: Option<Share>, request_id: &str) -> Response<Whole> {
    let mut response = Response::new(Whole { rest: body, _share: share });
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(SERVER, HeaderValue::from_static("innertrail"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-log-requestid"), id);
    }
    response
}
