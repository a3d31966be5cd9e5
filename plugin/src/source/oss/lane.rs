//! One object on its way in: ranged reads, each bound to the version that was listed, fed to the reader that files have.

use super::xml::Object;
use crate::source::File;
use crate::source::codes::{Class, Verdict};
use crate::source::health::Health;
use crate::source::http::{Pair, Request, Signer, header};
use crate::source::limits::Limits;
use crate::source::position::{NameMeans, Position};
use crate::source::reader::Reader;

/// An object that is being read.
#[derive(Debug)]
pub struct Lane {
    /// As listed.
    pub object: Object,
    /// The dated folder that it lies in.
    pub folder: Option<String>,
    /// Decompresses, frames and checks.
    pub reader: Reader,
    /// The request that is open for it.
    pub open: Option<u64>,
    /// The reader has something to be asked for.
    pub ready: bool,
    /// How reading it goes.
    pub health: Health,
}

/// A piece of an object that came.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: &'a [Pair],
    /// The bytes, or their beginning.
    pub body: &'a [u8],
}

impl Lane {
    /// Takes an object up, where an earlier session left the same version of it.
    pub fn new(
        bucket: &str,
        object: Object,
        folder: Option<String>,
        before: Option<&Position>,
        limits: &Limits,
        means: Option<NameMeans>,
    ) -> Self {
        let file = File {
            path: origin(bucket, &object.key),
            size: object.size,
            modified_ms: object.modified_ms,
            identity: object.etag.clone(),
        };
        let fresh = Position::default();
        let position =
            before.filter(|before| before.identity == object.etag && before.size == object.size).unwrap_or(&fresh);
        let mut reader = Reader::new(file, position, limits, means);
        if object.size == 0 {
            reader.feed(&[], true);
        }
        let ready = object.size == 0;
        Self { object, folder, reader, open: None, ready, health: Health::default() }
    }

    /// The next range.
    pub fn request(&self, id: u64, bucket: &str, read_bytes: u32) -> Request {
        let from = self.reader.at;
        let to = from.saturating_add(u64::from(read_bytes)).min(self.object.size).saturating_sub(1);
        Request {
            id,
            endpoint: bucket.to_owned(),
            signer: Signer::Oss4,
            renew: self.health.renew(),
            method: "GET",
            path: format!("/{}", self.object.key),
            query: Vec::new(),
            headers: vec![
                ("range".to_owned(), format!("bytes={from}-{to}")),
                ("if-match".to_owned(), self.object.etag.clone()),
            ],
            body: Vec::new(),
            max_body: read_bytes,
            retries: true,
            about: origin(bucket, &self.object.key),
        }
    }

    /// Takes a piece that continues what is there. Gives whether it did.
    ///
    /// # Errors
    /// It is of another version, or of another place.
    pub fn feed(&mut self, piece: Piece<'_>) -> Result<bool, Verdict> {
        let changed = |words: &str| Verdict { class: Class::Relist, code: String::new(), words: words.to_owned() };
        let at = self.reader.at;
        if header(piece.headers, "etag").is_some_and(|etag| etag != self.object.etag) {
            return Err(changed("the entity tag is another one than was listed"));
        }
        let bytes = match piece.status {
            206 => {
                let (from, total) = range(piece.headers).ok_or_else(|| wrong("no range that can be read"))?;
                if total != self.object.size {
                    return Err(changed("the object's size is another one than was listed"));
                }
                if from != at {
                    return Err(wrong("another range than was asked for"));
                }
                piece.body
            }
            // The range was passed over, and all of it came.
            200 => match usize::try_from(at).ok().and_then(|at| piece.body.get(at..)) {
                Some(rest) => rest,
                None => return Ok(false),
            },
            _ => return Ok(false),
        };
        let rest = usize::try_from(self.object.size - at).unwrap_or(usize::MAX);
        let bytes = &bytes[..bytes.len().min(rest)];
        if bytes.is_empty() {
            return Ok(false);
        }
        let end = bytes.len() == rest;
        self.reader.feed(bytes, end);
        self.ready = true;
        Ok(true)
    }
}

/// Where an object's records come from.
pub fn origin(bucket: &str, key: &str) -> String {
    format!("oss:{bucket}/{key}")
}

/// An answer that makes no sense and may be better the next time.
pub fn wrong(words: &str) -> Verdict {
    Verdict { class: Class::Retry, code: String::new(), words: format!("the answer has {words}") }
}

/// First byte and size of all, from `Content-Range: bytes 0-99/1234`.
fn range(headers: &[Pair]) -> Option<(u64, u64)> {
    let (span, total) = header(headers, "content-range")?.trim().strip_prefix("bytes ")?.split_once('/')?;
    Some((span.split_once('-')?.0.parse().ok()?, total.parse().ok()?))
}
