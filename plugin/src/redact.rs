//! The redact room: masks secrets in the raw event before anything stores it.
//!
//! Values under watched keys become `"***"`, wherever they stand and also in JSON that hides in a string; the staff
//! number of platform events can be hashed. Everything else stays byte for byte. It must never let a value under a
//! watched key through, and never change an event that has none.

use sha2::{Digest, Sha256};

use crate::decode::raw_event::RawEvent;
use crate::decode::scan::{Token, TokenKind};
use crate::decode::secrets::{MAX_STRINGS, Secrets, WatchList};
use crate::decode::text::unescape;
use crate::event::columns::Column;
use crate::event::json::write_json_string;

/// Keys masked in every configuration: secrets of access keys, security tokens, passwords, signing keys, and the header
/// that carries a signature.
pub const ALWAYS: [&str; 22] = [
    "accessKeySecret",
    "access_key_secret",
    "access-key-secret",
    "secretAccessKey",
    "secret_access_key",
    "secret-access-key",
    "secretKey",
    "clientSecret",
    "client_secret",
    "securityToken",
    "security_token",
    "security-token",
    "x-oss-security-token",
    "x-acs-security-token",
    "stsToken",
    "sts_token",
    "password",
    "loginPassword",
    "newPassword",
    "privateKey",
    "private_key",
    "authorization",
];

const MASK: &[u8] = b"\"***\"";

/// The room's settings.
#[derive(Debug, Clone)]
pub struct Redactor {
    /// Keys whose values are masked.
    pub watch: WatchList,
    /// `Some`: EmployeeID is replaced by its hash, salted with this text.
    pub employee_salt: Option<String>,
}

impl Redactor {
    /// The event's bytes with secrets masked and how many there were, or `None` where there is nothing to mask.
    pub fn redact(&self, event: &RawEvent<'_>) -> Option<(Vec<u8>, u32)> {
        let mut cuts = self.cuts(event.bytes, &event.secrets, &event.secret_texts, 0);
        if let Some(salt) = &self.employee_salt {
            cuts.extend(hashed_employee(event, salt));
        }
        if cuts.is_empty() {
            return None;
        }
        cuts.sort_by_key(|(start, ..)| *start);
        let count = u32::try_from(cuts.len()).unwrap_or(u32::MAX);
        Some((splice(event.bytes, cuts), count))
    }

    /// A string that holds JSON with a watched key: the same string with the values masked and all else as it was. Where
    /// the content is no JSON after all, nothing can be told apart, so the whole string is masked.
    fn masked_text(&self, content: &[u8], strings: usize) -> Option<Vec<u8>> {
        let text = unescape(content).into_bytes();
        let found = if strings < MAX_STRINGS { Secrets::in_text(&self.watch, &text) } else { None };
        let Some(found) = found else { return Some(MASK.to_vec()) };
        let cuts = self.cuts(&text, &found.values, &found.texts, strings + 1);
        if cuts.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(content.len());
        write_json_string(&mut out, &splice(&text, cuts));
        Some(out)
    }

    /// What has to be put in whose place.
    fn cuts(&self, text: &[u8], values: &[Token], texts: &[Token], strings: usize) -> Vec<Cut> {
        let mut cuts: Vec<Cut> = Vec::new();
        for secret in values.iter().filter(|s| is_secret(text, s)) {
            let (start, end) = outer(secret);
            cuts.push((start, end, MASK.to_vec()));
        }
        for token in texts {
            if let Some(masked) = self.masked_text(token.of(text), strings) {
                let (start, end) = outer(token);
                cuts.push((start, end, masked));
            }
        }
        cuts.sort_by_key(|(start, ..)| *start);
        cuts
    }
}

/// From, to, and what comes there instead.
type Cut = (usize, usize, Vec<u8>);

/// `""`, null and a mask hide nothing; leaving them alone keeps the three apart.
fn is_secret(text: &[u8], token: &Token) -> bool {
    match token.kind {
        TokenKind::Absent | TokenKind::Null => false,
        TokenKind::Plain | TokenKind::Escaped => !matches!(token.of(text), b"" | b"***"),
        _ => true,
    }
}

fn outer(token: &Token) -> (usize, usize) {
    let quote = usize::from(token.is_string());
    (token.start as usize - quote, token.end as usize + quote)
}

fn hashed_employee(event: &RawEvent<'_>, salt: &str) -> Option<Cut> {
    let token = event.token(Column::EmployeeId);
    let id = event.filled(Column::EmployeeId).filter(|id| token.is_string() && !id.starts_with(b"sha256:"))?;
    let mut hash = Sha256::new();
    hash.update(salt.as_bytes());
    hash.update([0]);
    hash.update(&*id);
    let hex: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    let (start, end) = outer(&token);
    Some((start, end, format!("\"sha256:{hex}\"").into_bytes()))
}

fn splice(bytes: &[u8], cuts: Vec<Cut>) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for (start, end, new) in cuts {
        // A watched key inside a watched value: the outer mask covers it.
        if start < from {
            continue;
        }
        out.extend_from_slice(&bytes[from..start]);
        out.extend_from_slice(&new);
        from = end;
    }
    out.extend_from_slice(&bytes[from..]);
    out
}
