//! Where a sink's secret is: a variable of the environment or a file, never the configuration itself.
//! It must never show a secret, or read one that others can read too.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use zeroize::Zeroizing;

/// The longest secret, bytes.
const MAX: u64 = 8 << 10;

/// A place that holds a secret. White space around it does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A variable of the environment.
    Environment(String),
    /// A file that only its owner can read.
    File(PathBuf),
}

/// A header by reference, such as what authorises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// What stands before the value, such as `Bearer `.
    pub prefix: String,
    /// Where the value is. It is read at the start, and again after a 401 or 403.
    pub value: Reference,
}

/// Why a secret cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct ReferenceError {
    place: String,
    why: String,
}

/// A secret. Its memory is cleared when it is dropped.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself: for sending, never for a message.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Reference {
    /// Has `take` look at the secret as it is now; the text is cleared afterwards.
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub fn with<T>(&self, take: impl FnOnce(&str) -> T) -> Result<T, ReferenceError> {
        self.read().map(|secret| take(secret.expose()))
    }

    /// Reads the secret as it is now.
    pub(crate) fn read(&self) -> Result<Secret, ReferenceError> {
        let (place, text) = match self {
            Self::Environment(variable) => {
                let text = std::env::var(variable).map_err(|_| "it is not set, or no UTF-8".to_owned());
                (format!("the variable {variable}"), text.map(Zeroizing::new))
            }
            Self::File(path) => (path.display().to_string(), from_file(path)),
        };
        let bad = |why: String| ReferenceError { place: place.clone(), why };
        let text = text.map_err(bad)?;
        match text.trim() {
            "" => Err(bad("it is empty".to_owned())),
            trimmed => Ok(Secret(Zeroizing::new(trimmed.to_owned()))),
        }
    }
}

fn from_file(path: &PathBuf) -> Result<Zeroizing<String>, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let meta = file.metadata().map_err(|e| e.to_string())?;
    if !meta.is_file() {
        return Err("it is no file".to_owned());
    }
    if meta.mode() & 0o077 != 0 {
        return Err("others than its owner can read it; run `chmod 600` on it".to_owned());
    }
    let mut text = Zeroizing::new(String::new());
    let read = file.take(MAX + 1).read_to_string(&mut text).map_err(|e| e.to_string())?;
    if read as u64 > MAX {
        return Err(format!("it has more than {MAX} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_read_only_when_it_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let reference = Reference::File(path.clone());
        let told = |r: &Reference| r.read().unwrap_err().to_string();
        assert!(told(&reference).contains("No such file"));
        fs::write(&path, " s3cret\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(told(&reference).ends_with("others than its owner can read it; run `chmod 600` on it"));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let secret = reference.read().unwrap();
        assert_eq!((secret.expose(), format!("{secret:?}").as_str()), ("s3cret", "***"));
        fs::write(&path, "x".repeat(9_000)).unwrap();
        assert!(told(&reference).contains("more than 8192 bytes"));
        fs::write(&path, "\n").unwrap();
        assert!(told(&reference).ends_with("it is empty"));
        assert!(told(&Reference::File(dir.path().to_owned())).ends_with("it is no file"));
        assert!(
            told(&Reference::Environment("INNERTRAIL_NOT_SET".to_owned())).contains("INNERTRAIL_NOT_SET: it is not")
        );
    }
}
