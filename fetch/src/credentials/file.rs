//! Credentials from a JSON file that only its owner can read.
//!
//! It must never take a file that others can read or have written.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{CredentialsError, Keys, Source, Surroundings};
use crate::secret::Secret;
use crate::{clock, files};

/// No such file is longer, bytes.
const MAX_FILE: u64 = 1 << 20;

/// The file, read again each minute and after a refusal.
pub(super) struct KeyFile {
    around: Surroundings,
    path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(alias = "AccessKeyId")]
    access_key_id: Secret,
    #[serde(alias = "AccessKeySecret")]
    access_key_secret: Secret,
    #[serde(alias = "SecurityToken", default)]
    security_token: Option<Secret>,
    #[serde(alias = "Expiration", default)]
    expiration: Option<String>,
}

impl KeyFile {
    pub(super) fn new(around: &Surroundings, path: &Path) -> Self {
        Self { around: around.clone(), path: path.to_owned() }
    }
}

impl Source for KeyFile {
    fn fetch(&self) -> Result<Keys, CredentialsError> {
        let bad = |why: String| CredentialsError::File { path: self.path.clone(), why };
        let text = read_guarded(&self.path)?;
        // serde's messages quote values; only the place is told.
        let content: Content = serde_json::from_slice(&text).map_err(|e| bad(misshapen(&e)))?;
        if content.access_key_id.is_empty() || content.access_key_secret.is_empty() {
            return Err(bad("access_key_id or access_key_secret is empty; write both".to_owned()));
        }
        let expires_ms =
            match &content.expiration {
                None => None,
                Some(text) => Some(clock::parse_rfc3339(text).ok_or_else(|| {
                    bad("expiration is no RFC 3339 time; write it like 2026-01-02T03:04:05Z".to_owned())
                })?),
            };
        Ok(Keys {
            id: content.access_key_id,
            secret: content.access_key_secret,
            token: content.security_token.filter(|t| !t.is_empty()),
            obtained_ms: self.around.clock.now_ms(),
            expires_ms,
        })
    }
}

pub(super) fn misshapen(error: &serde_json::Error) -> String {
    format!(
        "it is not the JSON object that is expected, at line {} column {}; see the documentation of credentials",
        error.line(),
        error.column()
    )
}

/// Reads a file whose mode is 0600 or 0400 and whose owner is this process's user.
pub(super) fn read_guarded(path: &Path) -> Result<Zeroizing<Vec<u8>>, CredentialsError> {
    let bad = |e: std::io::Error| CredentialsError::File { path: path.to_owned(), why: e.to_string() };
    let file = files::open(path).map_err(bad)?;
    // Of the opened file, not of the path, which may be another one by now.
    let meta = file.metadata().map_err(bad)?;
    let (mode, user) = (meta.mode() & 0o7777, rustix::process::geteuid().as_raw());
    if meta.uid() != user {
        return Err(CredentialsError::Foreign { path: path.to_owned(), owner: meta.uid(), user });
    }
    if mode != 0o600 && mode != 0o400 {
        return Err(CredentialsError::Open { path: path.to_owned(), mode });
    }
    files::read_opened(&file, MAX_FILE).map_err(bad)
}
