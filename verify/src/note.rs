//! C2SP signed notes and their verifier keys (https://c2sp.org/signed-note), Ed25519 alone.
//! It must never hand out the text of a note that the given key has not signed.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::{Signature, VerifyingKey};

use crate::tree::{Hash, sha256};

/// Signature type byte of Ed25519.
const ED25519: u8 = 1;
/// The longest note read, in bytes.
pub(crate) const MAX_NOTE: u64 = 64 << 20;
/// Signature lines a note may have.
const MAX_SIGNATURES: usize = 100;

/// Why a verifier key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the verifier key is refused: {0}; it is one line <name>+<8 hex digits>+<base64>, as in seal/seal.vkey")]
pub struct KeyError(&'static str);

/// The public key that a Logstore is verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

impl VerifierKey {
    /// Reads the text form `<name>+<key id>+<base64(0x01 ‖ public key)>`; white space around it is ignored.
    ///
    /// # Errors
    /// [`KeyError`] when it is no such line, or its id is not that of its key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError("it has not three parts"));
        };
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(KeyError("its name is empty or has white space"));
        }
        let hex = id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit());
        let id = u32::from_str_radix(id, 16).ok().filter(|_| hex).ok_or(KeyError("its id is not 8 hex digits"))?;
        let bytes = BASE64_STANDARD.decode(key).map_err(|_| KeyError("its key is not base64"))?;
        let Some((&ED25519, public)) = bytes.split_first() else {
            return Err(KeyError("it is not an Ed25519 key"));
        };
        let public: &[u8; 32] = public.try_into().map_err(|_| KeyError("its key is not 32 bytes long"))?;
        if key_id(name, public) != id {
            return Err(KeyError("its id is not that of its key: a character is wrong"));
        }
        let key = VerifyingKey::from_bytes(public).map_err(|_| KeyError("its key is not a point of the curve"))?;
        Ok(Self { name: name.to_owned(), id, key })
    }

    /// Name of the key, which is also the origin of the checkpoints: `innertrail/<trail>`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's id as `<name>+<8 hex digits>`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}+{:08x}", self.name, self.id)
    }

    /// The text form that [`VerifierKey::parse`] reads.
    #[must_use]
    pub fn text(&self) -> String {
        let key = BASE64_STANDARD.encode([&[ED25519], self.key.as_bytes().as_slice()].concat());
        format!("{}+{key}", self.id())
    }

    /// The text of a note, if this key has signed it.
    pub(crate) fn open<'a>(&self, note: &'a [u8]) -> Result<&'a str, &'static str> {
        let note = std::str::from_utf8(note).map_err(|_| "it is not UTF-8")?;
        if note.chars().any(|c| c != '\n' && c.is_control()) {
            return Err("it has control characters");
        }
        let at = note.rfind("\n\n").ok_or("it has no signature")?;
        let (text, signatures) = (&note[..=at], &note[at + 2..]);
        let lines = signatures.strip_suffix('\n').ok_or("its last line is not finished")?;
        let mut signed = false;
        for (count, line) in lines.split('\n').enumerate() {
            if count >= MAX_SIGNATURES {
                return Err("it has too many signatures");
            }
            let (name, bytes) = signature_line(line).ok_or("a signature line is not well formed")?;
            signed |= self.check(name, &bytes, text)?;
        }
        if signed { Ok(text) } else { Err("it is not signed with the given key") }
    }

    /// Whether this is our signature and genuine; one of another key is neither good nor bad.
    fn check(&self, name: &str, bytes: &[u8], text: &str) -> Result<bool, &'static str> {
        let Some((id, signature)) = bytes.split_first_chunk::<4>() else { return Ok(false) };
        if name != self.name || u32::from_be_bytes(*id) != self.id {
            return Ok(false);
        }
        let signature = Signature::from_slice(signature).map_err(|_| "its signature has the wrong length")?;
        let genuine = self.key.verify_strict(text.as_bytes(), &signature);
        genuine.map(|()| true).map_err(|_| "its signature does not hold: the text or the signature was changed")
    }
}

fn signature_line(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, base64) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = BASE64_STANDARD.decode(base64).ok()?;
    let named = !name.is_empty() && !name.contains('+') && !name.contains(char::is_whitespace);
    (named && bytes.len() > 4).then_some((name, bytes))
}

fn key_id(name: &str, public: &[u8; 32]) -> u32 {
    let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", &[ED25519], public].concat());
    u32::from_be_bytes([a, b, c, d])
}

/// 32 bytes of base64.
pub(crate) fn base64_hash(text: &str) -> Option<Hash> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}

/// 32 bytes in lower-case hexadecimal.
pub(crate) fn hex_hash(text: &str) -> Option<Hash> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes?.try_into().ok()
}

/// A number as the format writes it: digits alone, no sign, no leading zeros.
pub(crate) fn number(text: &str) -> Option<u64> {
    let plain = text == "0" || !text.starts_with('0');
    (plain && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}
