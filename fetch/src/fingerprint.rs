//! What a file's content is, in the words in which OSS tells of an object: size, MD5, CRC-64. SHA-256 is there for who holds
//! a file against its seal in the same pass.
//!
//! It must never read a file whole into memory, and never call two contents the same that nothing was said of.

use std::io::{self, Read};
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use crc::{CRC_64_XZ, Crc, Digest, Table};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::encode;
use crate::files;
use crate::request::Response;

/// The checksum that OSS calls CRC-64/ECMA-182; the parameters are those of xz.
static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);

/// Bytes that are read at a time.
const PIECE: usize = 128 << 10;

/// The content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    /// Bytes.
    pub size: u64,
    /// MD5: what `Content-MD5` and the `ETag` of an object put at once say.
    pub md5: [u8; 16],
    /// What `x-oss-hash-crc64ecma` says.
    pub crc64: u64,
    /// SHA-256, which OSS never tells.
    pub sha256: [u8; 32],
}

/// What an answer of OSS says of an object, held against a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agreement {
    /// A checksum of the same content.
    Same,
    /// Another content, and what shows it.
    Differs(String),
    /// The answer has nothing that tells.
    Untold,
}

impl Fingerprint {
    /// Reads a regular file to its end.
    ///
    /// # Errors
    /// When it cannot be read, or is no regular file.
    pub fn of(path: &Path) -> io::Result<Self> {
        let (mut file, mut so_far, mut piece) = (files::open(path)?, SoFar::new(), vec![0; PIECE]);
        loop {
            match file.read(&mut piece) {
                Ok(0) => return Ok(so_far.end()),
                Ok(count) => so_far.add(&piece[..count]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Of some bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut so_far = SoFar::new();
        so_far.add(bytes);
        so_far.end()
    }

    /// The value of `Content-MD5`.
    #[must_use]
    pub fn content_md5(&self) -> String {
        BASE64_STANDARD.encode(self.md5)
    }

    /// Holds the headers of an answer about an object against this: of PutObject, or with `whole` of HeadObject, whose
    /// `Content-Length` is the object's.
    #[must_use]
    pub fn agrees(&self, answer: &Response, whole: bool) -> Agreement {
        let header = |name: &str| answer.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.trim());
        if let Some(length) = header("content-length").filter(|_| whole) {
            match length.parse::<u64>() {
                Ok(length) if length != self.size => {
                    return Agreement::Differs(format!("it has {length} bytes, the file has {}", self.size));
                }
                Ok(_) => {}
                Err(_) => return Agreement::Untold,
            }
        }
        let crc64 = header("x-oss-hash-crc64ecma").and_then(|told| told.parse::<u64>().ok());
        if crc64.is_some_and(|crc64| crc64 != self.crc64) {
            return Agreement::Differs("its CRC-64 is another".to_owned());
        }
        // The tag is the MD5 only of what was put at once and lies there unencrypted.
        let plain = header("x-oss-server-side-encryption").is_none()
            && header("x-oss-object-type").is_none_or(|kind| kind.eq_ignore_ascii_case("normal"));
        let tag = header("etag").map(|tag| tag.trim_matches('"').to_ascii_lowercase());
        let tag = tag.filter(|tag| plain && tag.len() == 32 && tag.bytes().all(|b| b.is_ascii_hexdigit()));
        match tag {
            Some(tag) if tag != encode::hex(&self.md5) => Agreement::Differs("its ETag is another MD5".to_owned()),
            Some(_) => Agreement::Same,
            None if crc64.is_some() => Agreement::Same,
            None => Agreement::Untold,
        }
    }
}

/// A content that is being read.
struct SoFar {
    size: u64,
    md5: Md5,
    sha256: Sha256,
    crc64: Digest<'static, u64, Table<16>>,
}

impl SoFar {
    fn new() -> Self {
        Self { size: 0, md5: Md5::new(), sha256: Sha256::new(), crc64: CRC64.digest() }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.md5.update(bytes);
        self.sha256.update(bytes);
        self.crc64.update(bytes);
    }

    fn end(self) -> Fingerprint {
        let (md5, sha256) = (self.md5.finalize().into(), self.sha256.finalize().into());
        Fingerprint { size: self.size, md5, crc64: self.crc64.finalize(), sha256 }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Fingerprint {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Fingerprint::of(file.path()).unwrap()
    }

    fn answer(headers: &[(&str, &str)]) -> Response {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Response { now_ms: 0, status: 200, headers, body: vec![] }
    }

    /// The values that OSS's own tools say of these ten bytes (oss2 2.19.1 with crcmod).
    #[test]
    fn a_file_is_told_as_oss_tells_of_it() {
        let ten = of(b"0123456789");
        assert_eq!((ten.size, ten.crc64), (10, 2_838_902_930_144_391_966));
        assert_eq!(ten.content_md5(), "eB5eJF1ptWaXm4bijSPyxw==");
        assert_eq!(of(b"").crc64, 0);
        let large = vec![7; 3 * PIECE + 1];
        assert_eq!(of(&large), Fingerprint::of_bytes(&large));
        assert_eq!(of(&large).sha256, <[u8; 32]>::from(Sha256::digest(&large)));
        assert!(Fingerprint::of(Path::new("/dev/null")).is_err(), "no regular file");
    }

    #[test]
    fn what_an_answer_tells_is_never_more_than_it_says() {
        let ten = of(b"0123456789");
        let told = |headers: &[(&str, &str)]| match ten.agrees(&answer(headers), true) {
            Agreement::Same => "same",
            Agreement::Differs(_) => "differs",
            Agreement::Untold => "untold",
        };
        let (crc, tag) = (("x-oss-hash-crc64ecma", "2838902930144391966"), "\"781E5E245D69B566979B86E28D23F2C7\"");
        assert_eq!(told(&[crc, ("etag", tag), ("content-length", "10")]), "same");
        assert_eq!(told(&[crc]), "same");
        assert_eq!(told(&[("etag", tag)]), "same");
        assert_eq!(told(&[]), "untold");
        assert_eq!(told(&[("content-length", "10")]), "untold", "a size is no content");
        assert_eq!(told(&[("content-length", "ten"), crc]), "untold");
        assert_eq!(told(&[("content-length", "11"), crc, ("etag", tag)]), "differs");
        assert_eq!(told(&[("x-oss-hash-crc64ecma", "1"), ("etag", tag)]), "differs");
        let other = "\"00000000000000000000000000000000\"";
        assert_eq!(told(&[crc, ("etag", other)]), "differs");
        assert_eq!(told(&[crc, ("etag", other), ("x-oss-server-side-encryption", "KMS")]), "same");
        assert_eq!(told(&[crc, ("etag", "\"781E5E245D69B566979B86E28D23F2C7-2\"")]), "same", "put in parts");
        assert_eq!(told(&[("etag", "\"781E5E245D69B566979B86E28D23F2C7-2\"")]), "untold");
    }
}
