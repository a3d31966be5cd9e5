//! An access key: its id, its secret, what it may do, and until when. It must never print its secret or token, and wipes them from
//! memory.

use std::fmt;

use zeroize::Zeroizing;

use crate::{ApiError, Role};

/// Characters of ids and secrets: 62, none of which means anything in a shell, a URL or a header.
const CHARACTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const ID_PREFIX: &str = "INTL";
const ID_CHARACTERS: usize = 20;
/// What the id of a temporary key begins with, as one of STS does.
const TEMPORARY_PREFIX: &str = "STS.";
/// 238 bits.
const SECRET_CHARACTERS: usize = 40;
/// The same holds for a token.
const TOKEN_CHARACTERS: usize = 64;
/// Longest life of a temporary key: seven days, in microseconds.
pub const LONGEST_US: i64 = 7 * 24 * 3_600 * 1_000_000;

/// A text that is wiped when it is dropped, and not shown by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text in.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text. For signing, and for showing a new key once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What makes a key a temporary one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Sent with each request. Shown once, as the secret is.
    pub token: Secret,
    /// From when on the key is not valid, microseconds UTC.
    pub until_us: i64,
}

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its id; no secret.
    pub id: String,
    /// Its secret, as it is: an HMAC cannot be checked with less.
    pub secret: Secret,
    /// What it may do.
    pub role: Role,
    /// What people call it. Hostile text.
    pub name: Option<String>,
    /// When it was made, microseconds UTC.
    pub created_us: i64,
    /// Its token and end, if it is a temporary one.
    pub session: Option<Session>,
}

impl Key {
    /// A new one, of the system's randomness; a temporary one with `until_us`.
    ///
    /// # Errors
    /// 500 when the system gives none.
    pub fn random(role: Role, name: Option<String>, created_us: i64, until_us: Option<i64>) -> Result<Self, ApiError> {
        let prefix = if until_us.is_some() { TEMPORARY_PREFIX } else { "" };
        let id = format!("{prefix}{ID_PREFIX}{}", *random(ID_CHARACTERS)?);
        let session = |until_us| Ok::<_, ApiError>(Session { token: Secret(random(TOKEN_CHARACTERS)?), until_us });
        let session = until_us.map(session).transpose()?;
        Ok(Self { id, secret: Secret(random(SECRET_CHARACTERS)?), role, name, created_us, session })
    }

    /// Whether it was valid once and is not any more.
    #[must_use]
    pub fn has_ended(&self, now_us: i64) -> bool {
        self.session.as_ref().is_some_and(|session| now_us >= session.until_us)
    }
}

fn random(characters: usize) -> Result<Zeroizing<String>, ApiError> {
    let mut out = Zeroizing::new(String::with_capacity(characters));
    let mut bytes = Zeroizing::new([0_u8; 64]);
    while out.len() < characters {
        let none = |_| ApiError::internal("the system gives no randomness for a key");
        getrandom::fill(&mut *bytes).map_err(none)?;
        // Bytes from 248 on would make the first characters likelier.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        let chosen = fair.filter_map(|byte| CHARACTERS.get(usize::from(*byte) % CHARACTERS.len()));
        let missing = characters - out.len();
        out.extend(chosen.take(missing).map(|byte| char::from(*byte)));
    }
    Ok(out)
}

/// A role's word.
#[must_use]
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Reader => "reader",
        Role::Consumer => "consumer",
        Role::Administrator => "administrator",
    }
}

/// The role of a word.
#[must_use]
pub fn role_of(name: &str) -> Option<Role> {
    [Role::Reader, Role::Consumer, Role::Administrator].into_iter().find(|role| role_name(*role) == name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_hide_their_secret() {
        let [a, b] = [(); 2].map(|()| Key::random(Role::Reader, None, 1, None).unwrap());
        assert_ne!(a.id, b.id);
        assert_ne!(a.secret, b.secret);
        assert_eq!((a.id.len(), a.secret.expose().len()), (24, 40));
        assert!(!format!("{a:?}").contains(a.secret.expose()));
        let temporary = Key::random(Role::Reader, None, 1, Some(5)).unwrap();
        let token = temporary.session.as_ref().unwrap().token.expose();
        assert!(temporary.id.starts_with("STS.INTL") && token.len() == 64);
        assert!(!format!("{temporary:?}").contains(token));
        assert_eq!([4, 5].map(|now| temporary.has_ended(now)), [false, true]);
        assert!(!a.has_ended(i64::MAX));
        assert!(a.secret.expose().bytes().all(|byte| CHARACTERS.contains(&byte)));
    }

    #[test]
    fn roles_have_words() {
        for role in [Role::Reader, Role::Consumer, Role::Administrator] {
            assert_eq!(role_of(role_name(role)), Some(role));
        }
        assert_eq!(role_of("writer"), None);
    }
}
