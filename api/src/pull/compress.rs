//! How a page is packed for its way. It must never use a form that the client did not name.
//!
//! `Accept-Encoding` is Log Service's own here and not HTTP's: the answer names the form in `x-log-compresstype`. lz4 is one
//! raw block without its size before it, deflate is a zlib stream (`sls-api.md` §1.4). gzip is never given: what the Python
//! SDK 0.9.52 calls gzip it reads as a zlib stream, so either reading of the word would break some client.

use std::io::Write as _;

use hyper::HeaderMap;
use hyper::header::ACCEPT_ENCODING;

use crate::ApiError;

/// A form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Plain,
    Lz4,
    Zstd,
    Deflate,
}

impl Codec {
    /// The first form in the header that is known; plain when there is none.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).find_map(named).unwrap_or(Self::Plain)
    }

    /// The form that the header names and nothing beside it. Libraries of HTTP put forms into it that they open by HTTP's own rules;
    /// who names lz4 or zstd alone is a client of Log Service, and reads `x-log-compresstype`.
    pub(crate) fn wanted(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let first = values.next().filter(|value| !value.contains(','));
        match (first.and_then(named), values.next()) {
            (Some(codec @ (Self::Lz4 | Self::Zstd)), None) => codec,
            _ => Self::Plain,
        }
    }

    /// As `x-log-compresstype` names it; `None` when there is nothing to name.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Lz4 => Some("lz4"),
            Self::Zstd => Some("zstd"),
            Self::Deflate => Some("deflate"),
        }
    }

    /// Packs a page.
    pub(crate) fn pack(self, raw: Vec<u8>) -> Result<Vec<u8>, ApiError> {
        let failed = |e: std::io::Error| ApiError::internal(format!("a page could not be compressed: {e}"));
        match self {
            Self::Plain => Ok(raw),
            Self::Lz4 => Ok(lz4_flex::block::compress(&raw)),
            Self::Zstd => zstd::bulk::compress(&raw, 1).map_err(failed),
            Self::Deflate => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&raw).and_then(|()| encoder.finish()).map_err(failed)
            }
        }
    }
}

/// One entry of the header: a name, and perhaps a weight. A weight of nothing forbids the form.
fn named(entry: &str) -> Option<Codec> {
    let (name, weight) = entry.split_once(';').unwrap_or((entry, ""));
    let weight = weight.trim().strip_prefix("q=").map(str::parse::<f32>);
    if weight.is_some_and(|weight| weight.is_ok_and(|weight| weight <= 0.0)) {
        return None;
    }
    match name.trim().to_ascii_lowercase().as_str() {
        "lz4" => Some(Codec::Lz4),
        "zstd" => Some(Codec::Zstd),
        "deflate" => Some(Codec::Deflate),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_first_form_that_is_known_is_taken() {
        for (header, wanted) in [
            ("", Codec::Plain),
            ("lz4", Codec::Lz4),
            (" LZ4 ", Codec::Lz4),
            ("zstd,lz4", Codec::Zstd),
            ("gzip, deflate, br", Codec::Deflate),
            ("gzip", Codec::Plain),
            ("lz4;q=0, zstd;q=0.5", Codec::Zstd),
            ("identity", Codec::Plain),
            ("\u{7f}é", Codec::Plain),
            ("gzip, deflate, br, zstd", Codec::Deflate),
        ] {
            let mut headers = HeaderMap::new();
            if let Ok(value) = hyper::header::HeaderValue::from_bytes(header.as_bytes()) {
                headers.insert(ACCEPT_ENCODING, value);
            }
            assert_eq!(Codec::accepted(&headers), wanted, "{header:?}");
            let alone = matches!(header.trim(), "lz4" | "LZ4");
            assert_eq!(Codec::wanted(&headers), if alone { wanted } else { Codec::Plain }, "{header:?}");
        }
        assert_eq!(Codec::accepted(&HeaderMap::new()), Codec::Plain);
    }
}
