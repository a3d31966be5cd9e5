//! The key that signs checkpoints and digests: Ed25519, in the text forms of C2SP signed notes.
//! It must never print or show its private half, and never make randomness itself: the caller brings the seed.

use ed25519_dalek::SigningKey;
use signed_note::{Note, Signer as _, StandardSigner, is_key_name_valid, key_id, new_ed25519_verifier_key};

use crate::Error;
use base64::prelude::{BASE64_STANDARD, Engine as _};

/// What comes before the trail in the name of its key.
pub(crate) const TRAIL: &str = "innertrail/";
/// First byte of an encoded key: Ed25519.
const ED25519: u8 = 1;

/// A trail's signing key.
#[derive(Clone)]
pub struct SealKey {
    signer: StandardSigner,
    secret: String,
    vkey: String,
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealKey({})", self.vkey)
    }
}

impl SealKey {
    /// The key of a trail made from 32 random bytes.
    ///
    /// # Errors
    /// [`Error::Key`] when the trail's name cannot be the name of a key: it is empty, or has blanks or a plus sign.
    pub fn new(trail: &str, seed: [u8; 32]) -> Result<Self, Error> {
        let name = origin(trail);
        if trail.is_empty() || !is_key_name_valid(&name) {
            return Err(Error::Key(format!("the trail name {trail:?} cannot name a key: no blanks, no plus sign")));
        }
        let public = SigningKey::from_bytes(&seed).verifying_key();
        let id = key_id(&name, &[&[ED25519], public.as_bytes().as_slice()].concat());
        let private = BASE64_STANDARD.encode([&[ED25519], seed.as_slice()].concat());
        Self::from_secret_text(&format!("PRIVATE+KEY+{name}+{id:08x}+{private}"))
    }

    /// Reads the private key's text form, one line `PRIVATE+KEY+<name>+<id>+<key>`.
    ///
    /// # Errors
    /// [`Error::Key`] when it is no such line.
    pub fn from_secret_text(text: &str) -> Result<Self, Error> {
        let bad = || Error::Key("the private key is not a line PRIVATE+KEY+<name>+<id>+<key>; restore it".to_owned());
        let secret = text.trim_end();
        let signer = StandardSigner::new(secret).map_err(|_| bad())?;
        // The key itself is base64 and may hold plus signs.
        let encoded = secret.splitn(5, '+').nth(4).and_then(|key| BASE64_STANDARD.decode(key).ok()).ok_or_else(bad)?;
        let seed: [u8; 32] = encoded.get(1..).and_then(|s| s.try_into().ok()).ok_or_else(bad)?;
        let vkey = new_ed25519_verifier_key(signer.name(), &SigningKey::from_bytes(&seed).verifying_key());
        Ok(Self { signer, secret: secret.to_owned(), vkey })
    }

    /// The private key's text form. Keep it readable for its owner alone.
    #[must_use]
    pub fn to_secret_text(&self) -> &str {
        &self.secret
    }

    /// The public key as a C2SP verifier key: `<name>+<id>+<key>`.
    #[must_use]
    pub fn vkey(&self) -> &str {
        &self.vkey
    }

    /// Name of the key, and origin of the checkpoints it signs.
    #[must_use]
    pub fn name(&self) -> &str {
        self.signer.name()
    }

    /// The signed note over `text`, which must end with a newline and have no control characters.
    pub(crate) fn sign(&self, text: &str) -> Result<Vec<u8>, Error> {
        let failed = |e: signed_note::NoteError| Error::Key(format!("signing failed: {e}"));
        let mut note = Note::new(text.as_bytes(), &[]).map_err(failed)?;
        note.add_sigs(&[&self.signer]).map_err(failed)?;
        Ok(note.to_bytes())
    }
}

/// Origin of a trail's checkpoints.
#[must_use]
pub fn origin(trail: &str) -> String {
    format!("{TRAIL}{trail}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The story: every second key was refused on its first use, because its base64 held a plus sign.
    #[test]
    fn every_seed_makes_a_key_that_reads_back() {
        for byte in 0..=255 {
            let key = SealKey::new("main", [byte; 32]).unwrap();
            assert_eq!(SealKey::from_secret_text(key.to_secret_text()).unwrap().vkey(), key.vkey());
        }
    }

    #[test]
    fn a_key_survives_its_text_form_and_hides_its_private_half() {
        let key = SealKey::new("main", [7; 32]).unwrap();
        let again = SealKey::from_secret_text(&format!("{}\n", key.to_secret_text())).unwrap();
        assert_eq!(again.vkey(), key.vkey());
        assert_eq!(again.sign("a\n").unwrap(), key.sign("a\n").unwrap());
        assert!(!format!("{key:?}").contains(&key.to_secret_text()[30..]));
        assert!(SealKey::new("two words", [7; 32]).is_err());
        assert!(SealKey::new("a+b", [7; 32]).is_err());
        assert!(SealKey::from_secret_text("PRIVATE+KEY+innertrail/main+00000000+AQ==").is_err());
    }
}
