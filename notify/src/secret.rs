//! Secrets: read where a reference says, held for sending, taken out of everything that is shown.
//! It must never show a secret, or read one that others can read too.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::config::Secret;

/// The longest secret, bytes.
const MAX: u64 = 8 << 10;
/// Shorter values would blot out words by chance.
const SHORTEST: usize = 4;
/// What stands where a secret would.
const MASK: &str = "***";

/// A secret's text. Its memory is cleared when it is dropped; `Debug` gives `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

/// Why a secret cannot be had; never the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct SecretError {
    place: String,
    why: String,
}

/// Where secrets come from. The host may have its own; [`Surroundings`] is the usual one.
pub trait Secrets: Send {
    /// The secret as it is now: it is read again after a receiver refused what it was used for.
    ///
    /// # Errors
    /// [`SecretError`].
    fn read(&self, reference: &Secret) -> Result<Option<SecretText>, SecretError>;
}

/// The environment's variables, and files that only their owner can read. White space around a secret does not count.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings;

impl SecretText {
    /// Takes the text in.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text itself: for sending, never for a message.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl SecretError {
    /// For other sources of secrets.
    #[must_use]
    pub fn new(place: &str, why: &str) -> Self {
        Self { place: place.to_owned(), why: why.to_owned() }
    }
}

impl Secrets for Surroundings {
    fn read(&self, reference: &Secret) -> Result<Option<SecretText>, SecretError> {
        let (place, text) = match reference {
            Secret::None => return Ok(None),
            Secret::Environment(at) => {
                let text = std::env::var(&at.variable).map_err(|_| "it is not set, or no UTF-8".to_owned());
                (format!("the variable {}", at.variable.escape_debug()), text.map(Zeroizing::new))
            }
            Secret::File(at) => (at.path.display().to_string(), from_file(&at.path)),
        };
        let bad = |why: String| SecretError { place: place.clone(), why };
        let text = text.map_err(bad)?;
        match text.trim() {
            "" => Err(bad("it is empty".to_owned())),
            trimmed => Ok(Some(SecretText::new(trimmed))),
        }
    }
}

fn from_file(path: &Path) -> Result<Zeroizing<String>, String> {
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

/// Takes a channel's secrets out of what a receiver or a library says, in the forms in which they travel.
#[derive(Clone, Default)]
pub(crate) struct Scrub(Vec<Zeroizing<String>>);

impl Scrub {
    /// Adds a secret.
    pub(crate) fn add(&mut self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let json = serde_json::to_string(secret).unwrap_or_default();
        let forms = [
            secret.to_owned(),
            utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
            STANDARD.encode(secret),
            json.trim_matches('"').replace('/', "\\/"),
            json.trim_matches('"').to_owned(),
        ];
        self.0.extend(forms.into_iter().map(Zeroizing::new));
        // The longest first, or a short one would tear a long one apart.
        self.0.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.0.dedup();
    }

    /// Adds an address: as a whole, and each part of its path and query that may be a key.
    pub(crate) fn add_address(&mut self, url: &str) {
        self.add(url);
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let Some((_, target)) = rest.split_once('/') else { return };
        self.add(target);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        for part in path.split('/').filter(|p| p.len() >= 8) {
            self.add(part);
        }
        for pair in query.split('&') {
            self.add(pair.split_once('=').map_or(pair, |(_, value)| value));
        }
    }

    /// The text without any of them.
    pub(crate) fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, form| text.replace(form.as_str(), MASK))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::{SecretFile, SecretVariable};

    #[test]
    fn a_file_is_read_only_when_it_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let read = |path: &Path| Surroundings.read(&Secret::File(SecretFile { path: path.to_owned() }));
        assert!(read(&path).unwrap_err().to_string().contains("No such file"));
        fs::write(&path, " s3cret\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let secret = read(&path).unwrap().unwrap();
        assert_eq!((secret.expose(), format!("{secret:?}").as_str()), ("s3cret", "***"));
        fs::write(&path, "x".repeat(9_000)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("more than 8192 bytes"));
        let unset = Secret::Environment(SecretVariable { variable: "INNERTRAIL_NOT_SET".to_owned() });
        assert!(Surroundings.read(&unset).unwrap_err().to_string().contains("INNERTRAIL_NOT_SET: it is not"));
        assert_eq!(Surroundings.read(&Secret::None).unwrap(), None);
    }

    #[test]
    fn an_address_and_all_its_parts_are_taken_out() {
        let mut scrub = Scrub::default();
        scrub.add_address("https://h.example/open-apis/bot/v2/hook/abcd-ef%2F01?key=k1k2k3&b=");
        scrub.add("pa/ss\"word");
        let said = scrub.text(
            "a abcd-ef%2F01 b k1k2k3 c https://h.example/open-apis/bot/v2/hook/abcd-ef%2F01?key=k1k2k3&b= d pa/ss\"word e \
             pa\\/ss\\\"word f cGEvc3Mid29yZA== g pa%2Fss%22word",
        );
        assert_eq!(said, "a *** b *** c *** d *** e *** f *** g ***");
        assert!(scrub.text("h.example bot v2").contains("h.example bot v2"));
    }
}
