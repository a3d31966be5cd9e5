//! An access key: its id, its secret, what it may do. It must never print its secret, and wipes it from memory.

use std::fmt;

use zeroize::Zeroizing;

use crate::{ApiError, Role};

/// Characters of ids and secrets: 62, none of which means anything in a shell, a URL or a header.
const CHARACTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const ID_PREFIX: &str = "INTL";
const ID_CHARACTERS: usize = 20;
/// 238 bits.
const SECRET_CHARACTERS: usize = 40;

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
}

impl Key {
    /// A new one, of the system's randomness.
    ///
    /// # Errors
    /// 500 when the system gives none.
    pub fn random(role: Role, name: Option<String>, created_us: i64) -> Result<Self, ApiError> {
        let id = format!("{ID_PREFIX}{}", *random(ID_CHARACTERS)?);
        Ok(Self { id, secret: Secret(random(SECRET_CHARACTERS)?), role, name, created_us })
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
        let [a, b] = [(); 2].map(|()| Key::random(Role::Reader, None, 1).unwrap());
        assert_ne!(a.id, b.id);
        assert_ne!(a.secret, b.secret);
        assert_eq!((a.id.len(), a.secret.expose().len()), (24, 40));
        assert!(!format!("{a:?}").contains(a.secret.expose()));
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
