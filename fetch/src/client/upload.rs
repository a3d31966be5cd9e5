//! Puts files into a bucket, once and for all: OSS is always told to refuse a name that is taken.
//!
//! It must never be within reach of a component: the policy lets no such request through, and only the host calls these.
//! It must never hold a file in memory, and never ask to overwrite or delete.

use std::fs::File;
use std::io;
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::{Client, Shared, attempt};
use crate::encode;
use crate::files;
use crate::fingerprint::Fingerprint;
use crate::request::{Failure, Fault, Request, Response, Signer};

/// Most bytes of an answer: errors in XML.
const MAX_ANSWER: u32 = 64 << 10;
/// Most bytes of one object put at once.
const MOST: u64 = 5 << 30;

/// What a request sends beside its headers.
#[derive(Clone, Copy)]
pub(super) enum Payload<'a> {
    /// The request's own body.
    Own,
    /// So many bytes of a file, opened anew with each try.
    File(&'a Path, u64),
}

/// A body on its way.
pub(super) enum Opened {
    Own,
    File(File, u64),
}

impl Payload<'_> {
    pub(super) fn open(self) -> io::Result<Opened> {
        match self {
            Self::Own => Ok(Opened::Own),
            Self::File(path, size) => Ok(Opened::File(files::open(path)?, size)),
        }
    }

    pub(super) fn len(self, request: &Request) -> u64 {
        match self {
            Self::Own => request.body.len() as u64,
            Self::File(_, size) => size,
        }
    }
}

impl Client {
    /// Puts a file under a name that nobody has yet: PutObject with `Content-MD5` and `x-oss-forbid-overwrite`. `path` begins
    /// with `/`. The file is read from the disk as it is sent, with each try from its beginning; `content` is what was read of
    /// it before, and the service refuses anything else.
    ///
    /// # Errors
    /// Why there is no answer. Whatever the service answers is an answer: 409 `FileAlreadyExists` where the name is taken,
    /// perhaps by an earlier try whose answer was lost.
    pub fn put_file(
        &self,
        endpoint: &str,
        path: &str,
        file: &Path,
        content: &Fingerprint,
    ) -> Result<Response, Failure> {
        let request = put(endpoint, path, content.content_md5());
        if content.size > MOST {
            let why = format!("the file has {} bytes, more than OSS takes at once", content.size);
            return Err(attempt::failure(&self.shared, &request, Fault::Refused, &why));
        }
        self.shared.perform_upload(&request, Payload::File(file, content.size))
    }

    /// The same for a few bytes.
    ///
    /// # Errors
    /// As [`Client::put_file`].
    pub fn put_bytes(&self, endpoint: &str, path: &str, bytes: &[u8]) -> Result<Response, Failure> {
        let mut request = put(endpoint, path, Fingerprint::of_bytes(bytes).content_md5());
        request.body = bytes.to_vec();
        self.shared.perform_upload(&request, Payload::Own)
    }

    /// What lies under a name: HeadObject.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn head_object(&self, endpoint: &str, path: &str) -> Result<Response, Failure> {
        let request = Request { method: "HEAD".to_owned(), headers: vec![], ..put(endpoint, path, String::new()) };
        self.shared.perform_upload(&request, Payload::Own)
    }

    /// Asks to put one byte under a random name below `below`, with the MD5 of something else, so that the service must
    /// refuse it: `InvalidDigest` where the right to put is there, `AccessDenied` where it is not. Rights are looked at
    /// before the body is.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn probe_writing(&self, endpoint: &str, below: &str) -> Result<Response, Failure> {
        let mut random = [0; 16];
        let none = put(endpoint, below, String::new());
        if getrandom::fill(&mut random).is_err() {
            let why = "the system gives no random name, so nothing is asked";
            return Err(attempt::failure(&self.shared, &none, Fault::Refused, why));
        }
        let path = format!("{below}innertrail-doctor-{}", encode::hex(&random));
        let mut request = put(endpoint, &path, BASE64_STANDARD.encode([0; 16]));
        (request.body, request.retries) = (b"?".to_vec(), false);
        self.shared.perform_upload(&request, Payload::Own)
    }

    /// Ends what is under way and everything after it; requests fail from now on.
    pub fn close(&self) {
        self.shared.close();
    }
}

impl Shared {
    fn perform_upload(&self, request: &Request, payload: Payload<'_>) -> Result<Response, Failure> {
        self.counted(request, || attempt::perform_upload(self, request, payload))
    }
}

fn put(endpoint: &str, path: &str, content_md5: String) -> Request {
    let header = |name: &str, value: String| (name.to_owned(), value);
    Request {
        id: 0,
        endpoint: endpoint.to_owned(),
        signer: Signer::Oss4,
        method: "PUT".to_owned(),
        path: path.to_owned(),
        query: vec![],
        headers: vec![
            header("content-type", "application/octet-stream".to_owned()),
            header("content-md5", content_md5),
            header("x-oss-forbid-overwrite", "true".to_owned()),
        ],
        body: vec![],
        max_body: MAX_ANSWER,
        retries: true,
    }
}
