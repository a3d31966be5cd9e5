//! Whether the credentials may delete what they read, asked by a request that cannot delete anything.
//!
//! It must never name a thing that could be there: the name is made here, of 128 random bits, and without randomness nothing
//! is asked. A service looks at rights before it looks for the thing, so the answer tells: denied, or not found. (OSS answers
//! "done" to deleting what is not there; in a bucket with versioning such an answer leaves one delete marker of that name,
//! which hides nothing.)

use super::{Client, Shared, attempt};
use crate::request::{Failure, Fault, Request, Response, Signer};

/// Hexadecimal digits of a name nobody else has.
const DIGITS: usize = 32;

impl Client {
    /// Asks to delete a thing of a random name below `below`: `/logstores/` for a Logstore of the project,
    /// `/<prefix>` for an object.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn probe_deletion(&self, endpoint: &str, signer: Signer, below: &str) -> Result<Response, Failure> {
        let shared: &Shared = &self.shared;
        let mut request = Request {
            id: 0,
            endpoint: endpoint.to_owned(),
            signer,
            method: "DELETE".to_owned(),
            path: String::new(),
            query: vec![],
            headers: vec![],
            body: vec![],
            max_body: 64 << 10,
            retries: false,
        };
        if matches!(signer, Signer::Sls1 | Signer::Sls4) {
            request.headers = vec![
                ("x-log-apiversion".to_owned(), "0.6.0".to_owned()),
                ("x-log-bodyrawsize".to_owned(), "0".to_owned()),
            ];
        }
        let mut random = [0; DIGITS / 2];
        if getrandom::fill(&mut random).is_err() {
            let why = "the system gives no random name, so nothing is asked";
            return Err(attempt::failure(shared, &request, Fault::Refused, why));
        }
        request.path = format!("{below}innertrail-doctor-{}", crate::encode::hex(&random));
        attempt::perform_unchecked(shared, &request)
    }
}
