//! The body of a request: read within bounds, held against what was signed, decompressed within bounds. It must never take room for
//! a size that a client merely claims.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};

use super::budget::{Budget, Share};
use crate::ApiError;

/// Largest body, compressed or not.
pub(super) const LARGEST: usize = 10 << 20;
/// How long a body may take to come.
const TIME: Duration = Duration::from_secs(30);
/// What is thrown away of a body that nobody wants, so that its sender sees the answer and not a reset: bytes and time.
const WASTE: (usize, Duration) = (32 << 20, Duration::from_secs(15));

/// Reads a body whole.
///
/// # Errors
/// 413 `PostBodyTooLarge`; 400 `PostBodyInvalid` when it breaks off; 400 `RequestTimeout` when it does not come; 503 `ServerBusy`
/// when all bodies together are too large. What is left of it is thrown away then.
pub(super) async fn whole(mut body: Incoming, budget: &Arc<Budget>) -> Result<(Bytes, Option<Share>), ApiError> {
    let read = tokio::time::timeout(TIME, collect(&mut body, budget)).await;
    let late = || ApiError::new(400, "PostBodyInvalid", format!("the body did not come within {} s", TIME.as_secs()));
    let read = read.unwrap_or_else(|_| Err(late()));
    if read.is_err() {
        throw_away(body);
    }
    read
}

async fn collect(body: &mut Incoming, budget: &Arc<Budget>) -> Result<(Bytes, Option<Share>), ApiError> {
    let too_large = || ApiError::new(413, "PostBodyTooLarge", format!("a body has at most {LARGEST} bytes"));
    if body.is_end_stream() {
        return Ok((Bytes::new(), None));
    }
    if body.size_hint().lower() > LARGEST as u64 {
        return Err(too_large());
    }
    let busy = || ApiError::new(503, "ServerBusy", "too many bodies are on their way; try again in a moment");
    let mut share = budget.take(0).ok_or_else(busy)?;
    let mut out = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let broken = |_| ApiError::new(400, "PostBodyInvalid", "the body broke off, or has no form");
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if out.len() + data.len() > LARGEST {
            return Err(too_large());
        }
        if !share.grow(data.len()) {
            return Err(busy());
        }
        out.extend_from_slice(&data);
    }
    Ok((out.freeze(), Some(share)))
}

/// Reads on for a while what nobody wants. A client that is still sending when its connection is closed sees a reset in place of
/// the answer, and sends all of it again.
pub(super) fn throw_away(mut body: Incoming) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        let (mut left, time) = WASTE;
        let read = async {
            while let Some(Ok(frame)) = body.frame().await {
                let size = frame.data_ref().map_or(0, Bytes::len);
                if size > left {
                    return;
                }
                left -= size;
            }
        };
        let _ended = tokio::time::timeout(time, read).await;
    });
}

/// The body as it was before the client compressed it, by `x-log-compresstype` and `x-log-bodyrawsize`. The latter is looked at for
/// compressed bodies alone: clients send 0 with JSON that is not empty.
///
/// # Errors
/// 400 `ParameterInvalid` for a kind or size that has no form, 413 `PostBodyTooLarge`, 400 `PostBodyInvalid` when body and size do
/// not fit.
pub fn decompressed(headers: &HeaderMap, body: Bytes) -> Result<Bytes, ApiError> {
    let kind = headers.get("x-log-compresstype").map_or(&b""[..], |kind| kind.as_bytes());
    if kind.is_empty() || body.is_empty() {
        return Ok(body);
    }
    let size = headers.get("x-log-bodyrawsize").and_then(|size| size.to_str().ok()?.parse::<usize>().ok());
    let size = size.ok_or_else(|| ApiError::parameter("x-log-bodyrawsize is no number, and the body is compressed"))?;
    if size > LARGEST {
        return Err(ApiError::new(413, "PostBodyTooLarge", format!("a body has at most {LARGEST} bytes uncompressed")));
    }
    let out = match kind {
        b"lz4" => lz4(&body, size),
        b"deflate" => limited(flate2::read::ZlibDecoder::new(&body[..]), size),
        b"gzip" => limited(flate2::read::GzDecoder::new(&body[..]), size),
        b"zstd" => unzstd(&body, size),
        _ => return Err(ApiError::parameter("x-log-compresstype is none of lz4, zstd, deflate, gzip")),
    };
    let unfit =
        || ApiError::new(400, "PostBodyInvalid", "the body is not what x-log-compresstype and x-log-bodyrawsize say");
    out.filter(|out| out.len() == size).map(Bytes::from).ok_or_else(unfit)
}

/// One raw block. A byte of it makes 255 at the most, so a size beyond that is a lie, and no room is taken for it.
fn lz4(body: &[u8], size: usize) -> Option<Vec<u8>> {
    if size > body.len().saturating_mul(255).saturating_add(64) {
        return None;
    }
    lz4_flex::block::decompress(body, size).ok()
}

/// With a window that no honest body of the largest size needs to exceed: a frame may ask for 128 MiB of it otherwise.
fn unzstd(body: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut decoder = zstd::Decoder::with_buffer(body).ok()?;
    decoder.window_log_max(24).ok()?;
    limited(decoder, size)
}

/// Reads one byte more than is claimed, so that more is noticed.
fn limited(reader: impl Read, size: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    reader.take(size as u64 + 1).read_to_end(&mut out).ok()?;
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use hyper::header::HeaderValue;

    use super::*;

    fn headers(kind: &str, size: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert("x-log-compresstype", HeaderValue::from_str(kind).unwrap());
        map.insert("x-log-bodyrawsize", HeaderValue::from_str(size).unwrap());
        map
    }

    fn packed(kind: &str, text: &[u8]) -> Vec<u8> {
        match kind {
            "lz4" => lz4_flex::block::compress(text),
            "zstd" => zstd::encode_all(text, 1).unwrap(),
            "deflate" => {
                let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                out.write_all(text).unwrap();
                out.finish().unwrap()
            }
            _ => {
                let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                out.write_all(text).unwrap();
                out.finish().unwrap()
            }
        }
    }

    #[test]
    fn every_kind_and_every_lie_about_the_size() {
        let text = b"[0, 1, 2, 3]".repeat(100);
        for kind in ["lz4", "zstd", "deflate", "gzip"] {
            let body = Bytes::from(packed(kind, &text));
            let size = text.len();
            assert_eq!(decompressed(&headers(kind, &size.to_string()), body.clone()).unwrap(), text, "{kind}");
            for lie in [size - 1, size + 1, 0, LARGEST] {
                let told = decompressed(&headers(kind, &lie.to_string()), body.clone()).unwrap_err();
                assert_eq!((told.status, told.code), (400, "PostBodyInvalid"), "{kind} {lie}");
            }
            let beyond = (LARGEST + 1).to_string();
            assert_eq!(decompressed(&headers(kind, &beyond), body.clone()).unwrap_err().status, 413);
            for bad in ["", "-1", "0x10", "99999999999999999999"] {
                assert_eq!(decompressed(&headers(kind, bad), body.clone()).unwrap_err().code, "ParameterInvalid");
            }
            let torn = body.slice(..body.len() / 2);
            assert!(decompressed(&headers(kind, &size.to_string()), torn).is_err(), "{kind}");
        }
        let other = decompressed(&headers("snappy", "3"), Bytes::from_static(b"abc"));
        assert_eq!(other.unwrap_err().code, "ParameterInvalid");
        assert_eq!(decompressed(&HeaderMap::new(), Bytes::from_static(b"abc")).unwrap(), "abc");
    }

    /// A bomb: 10 MiB of nothing in a few KiB. With its size told right it is taken, with another one it never unfolds further.
    #[test]
    fn a_bomb_unfolds_to_its_claim_at_the_most() {
        for kind in ["lz4", "zstd", "deflate", "gzip"] {
            let body = Bytes::from(packed(kind, &vec![0; 200 << 20]));
            assert_eq!(decompressed(&headers(kind, "1000"), body).unwrap_err().code, "PostBodyInvalid", "{kind}");
        }
    }
}
