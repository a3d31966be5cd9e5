//! Seal marks: HMAC-SHA-256 under the trail's key over a record's canonical bytes and its Logstore index.
//!
//! A mark lets a record that went through an agent prove that it left this Logstore. The key never leaves the host and
//! is never printed; comparing takes the same time whatever differs. The Merkle seal of the Logstore stands beside
//! it: a mark convinces the key's owner, a proof convinces everybody.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::hex::hex;
use crate::runtime::wit::transform::Claim;

/// The key's file in the data directory.
pub const FILE: &str = "seal-mark.key";

const CONTEXT: &[u8] = b"innertrail seal mark v1\0";

/// A trail's key.
#[derive(Clone)]
pub struct SealKey(Hmac<Sha256>);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(…)")
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("cannot use the seal mark key {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others can read it.
    #[error("{0} can be read by others than its owner; run `chmod 600` on it and, if that was no accident, replace it")]
    Open(PathBuf),
    /// It is no key.
    #[error("{0} is not 32 bytes long; restore it, or remove it to have a new key made (old marks are void then)")]
    Damaged(PathBuf),
}

impl SealKey {
    /// The key of a data directory; made where there is none.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn open(data_dir: &Path) -> Result<Self, KeyError> {
        let path = data_dir.join(FILE);
        let io = |source| KeyError::Io { path: path.clone(), source };
        match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => create(&path).map_err(io)?,
            Err(e) => return Err(io(e)),
            Ok(meta) if meta.permissions().mode() & 0o077 != 0 => return Err(KeyError::Open(path)),
            Ok(_) => {}
        }
        let bytes = fs::read(&path).map_err(io)?;
        if bytes.len() != 32 {
            return Err(KeyError::Damaged(path));
        }
        Ok(Self::from_bytes(&bytes))
    }

    /// A key of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Hmac::new_from_slice(bytes).expect("HMAC takes keys of any length"))
    }

    /// The mark of a record, as `it_seal` has it.
    #[must_use]
    pub fn mark(&self, index: u64, canonical: &[u8]) -> String {
        let bytes = self.over(index, canonical).finalize().into_bytes();
        format!("v1.{index}.{}", hex(&bytes))
    }

    /// The events whose marks are valid, ascending.
    #[must_use]
    pub fn valid(&self, claims: &[Claim]) -> Vec<u32> {
        let holds = |claim: &&Claim| self.over(claim.index, &claim.canonical).verify_slice(&claim.mark).is_ok();
        let mut events: Vec<u32> = claims.iter().filter(holds).map(|claim| claim.event).collect();
        events.sort_unstable();
        events
    }

    fn over(&self, index: u64, canonical: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(CONTEXT);
        mac.update(&index.to_be_bytes());
        mac.update(canonical);
        mac
    }
}

/// Writes the key beside its place and links it there, so that a crash leaves a whole key or none.
fn create(path: &Path) -> io::Result<()> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|e| io::Error::other(e.to_string()))?;
    let half = path.with_extension("key.new");
    let _ = fs::remove_file(&half);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
    file.write_all(&key)?;
    file.sync_all()?;
    // Two first starts at the same time must end with one key: a link never replaces.
    match fs::hard_link(&half, path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => fs::remove_file(&half)?,
    }
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn claim(event: u32, index: u64, mark: &str, canonical: &[u8]) -> Claim {
        let hex = mark.rsplit('.').next().unwrap();
        let mark = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
        Claim { event, index, mark, canonical: canonical.to_vec() }
    }

    #[test]
    fn only_the_very_record_under_the_very_index_is_valid() {
        let key = SealKey::from_bytes(&[7; 32]);
        let mark = key.mark(5, b"event");
        let claims = [
            claim(0, 5, &mark, b"event"),
            claim(1, 6, &mark, b"event"),
            claim(2, 5, &mark, b"Event"),
            claim(3, 5, "v1.5.00", b"event"),
            claim(4, 5, &SealKey::from_bytes(&[8; 32]).mark(5, b"event"), b"event"),
        ];
        assert_eq!(key.valid(&claims), [0]);
    }

    #[test]
    fn the_key_is_made_once_and_must_be_private() {
        let dir = tempfile::tempdir().unwrap();
        let mark = SealKey::open(dir.path()).unwrap().mark(0, b"");
        assert_eq!(SealKey::open(dir.path()).unwrap().mark(0, b""), mark);
        let path = dir.path().join(FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(SealKey::open(dir.path()), Err(KeyError::Open(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"short").unwrap();
        assert!(matches!(SealKey::open(dir.path()), Err(KeyError::Damaged(_))));
    }
}
