//! The file of access keys: `api-keys.json` in the data directory, readable by its owner alone. It must never be used when
//! others can read it, and never be found half written.
//!
//! Secrets stand in it as they are: whoever checks an HMAC needs the secret itself, so no hash of it would do. What was
//! done to keys is told in `changes`, numbered; the journal takes over what it has not yet.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::keys::{Key, LONGEST_US, Secret, Session, role_name, role_of};
use crate::Role;

/// Name of the file in the data directory.
pub const FILE: &str = "api-keys.json";
const LOCK: &str = "api-keys.lock";
const VERSION: u32 = 1;
/// Most bytes that are read.
const LARGEST: u64 = 4 << 20;
/// Most keys.
const MOST_KEYS: usize = 1000;
/// For how long a temporary key is kept after its end, so that its user is told what happened, microseconds: a day.
const KEPT_AFTER_US: i64 = 24 * 3_600 * 1_000_000;
/// Changes that are kept to be told.
const KEPT_CHANGES: usize = 1000;

/// Why the keys cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error("cannot use the access keys in {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others can read it.
    #[error(
        "{0} can be read by others than its owner; run `chmod 600` on it and, if that was no accident, replace the keys"
    )]
    Open(PathBuf),
    /// It is no file of keys.
    #[error("{path} is no file of access keys: {why}; restore it, or remove it and make new keys")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong. Never a part of the content.
        why: String,
    },
    /// No such key.
    #[error("there is no key {0}; `innertrail keys list` shows those that there are")]
    Unknown(String),
    /// Too many.
    #[error("there are {MOST_KEYS} keys, more are not possible; revoke some")]
    Full,
    /// No such life.
    #[error("a temporary key is valid from 1 second to 7 days")]
    Life,
    /// No randomness.
    #[error("the system gives no randomness for a key")]
    Randomness,
}

/// What was done to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It was made.
    Added,
    /// It is not valid any more.
    Revoked,
}

/// Something that was done to a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// From 1, without a gap.
    pub number: u64,
    /// What.
    pub kind: ChangeKind,
    /// The key's id.
    pub id: String,
    /// The word of its role.
    pub role: String,
    /// What people call it. Hostile text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When, microseconds UTC.
    pub at_us: i64,
    /// From when on the key is not valid, if it is a temporary one, microseconds UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_us: Option<i64>,
}

/// The file's content.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// The keys that are valid, and temporary ones that ended a short time ago.
    pub keys: Vec<Key>,
    /// What was done, the oldest first.
    pub changes: Vec<Change>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    keys: Vec<Stored>,
    changes: Vec<Change>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    id: String,
    secret: String,
    role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    created_us: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_us: Option<i64>,
}

/// The file in one data directory.
#[derive(Debug, Clone)]
pub struct KeyFile {
    dir: PathBuf,
    path: PathBuf,
}

impl KeyFile {
    /// The file of this data directory, whether it is there or not.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), path: dir.join(FILE) }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it; no file is no keys.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read(&self) -> Result<Content, KeyFileError> {
        let file = match File::open(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Content::default()),
            other => other.map_err(|source| self.io(source))?,
        };
        let meta = file.metadata().map_err(|source| self.io(source))?;
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(KeyFileError::Open(self.path.clone()));
        }
        if meta.len() > LARGEST {
            return Err(self.damaged("it is larger than 4 MiB".to_owned()));
        }
        // Room for all of it at once: a buffer that grows leaves copies behind.
        let mut bytes =
            Zeroizing::new(Vec::with_capacity(usize::try_from(LARGEST).unwrap_or(0).min(meta.len() as usize + 1)));
        file.take(LARGEST).read_to_end(&mut bytes).map_err(|source| self.io(source))?;
        self.parse(&bytes)
    }

    fn parse(&self, bytes: &[u8]) -> Result<Content, KeyFileError> {
        // The text of serde's error is not shown: it may quote a secret.
        let read = serde_json::from_slice(bytes);
        let document: Document = read.map_err(|e| self.damaged(format!("line {}, column {}", e.line(), e.column())))?;
        if document.version != VERSION {
            return Err(self.damaged(format!("it has version {}, this innertrail knows {VERSION}", document.version)));
        }
        let mut keys: Vec<Key> = Vec::with_capacity(document.keys.len());
        for stored in document.keys {
            let secret = Secret::new(stored.secret);
            let session = match (stored.token.map(Secret::new), stored.until_us) {
                (None, None) => None,
                (Some(token), Some(until_us)) if !token.expose().is_empty() => Some(Session { token, until_us }),
                _ => return Err(self.damaged(format!("key {} has half of a session", keys.len() + 1))),
            };
            let role =
                role_of(&stored.role).ok_or_else(|| self.damaged(format!("key {} has no role", keys.len() + 1)))?;
            if secret.expose().is_empty() || stored.id.is_empty() || keys.iter().any(|key| key.id == stored.id) {
                return Err(self.damaged(format!("key {} has no id or secret of its own", keys.len() + 1)));
            }
            let (name, created_us) = (stored.name, stored.created_us);
            keys.push(Key { id: stored.id, secret, role, name, created_us, session });
        }
        Ok(Content { keys, changes: document.changes })
    }

    /// Makes a key. This is the one moment at which its secret is to be shown.
    ///
    /// # Errors
    /// [`KeyFileError`]; then there is no new key.
    pub fn add(&self, role: Role, name: Option<String>, now_us: i64) -> Result<Key, KeyFileError> {
        self.make(role, name, now_us, None)
    }

    /// Makes a key that is valid for so long, with a token that each request must have.
    ///
    /// # Errors
    /// [`KeyFileError`]; then there is no new key. `Life` for less than a second or more than seven days.
    pub fn lend(&self, role: Role, name: Option<String>, now_us: i64, life_us: i64) -> Result<Key, KeyFileError> {
        if !(1_000_000..=LONGEST_US).contains(&life_us) {
            return Err(KeyFileError::Life);
        }
        self.make(role, name, now_us, Some(now_us.saturating_add(life_us)))
    }

    fn make(&self, role: Role, name: Option<String>, now_us: i64, until_us: Option<i64>) -> Result<Key, KeyFileError> {
        let _lock = self.lock()?;
        let mut content = self.read()?;
        content.forget(now_us);
        if content.keys.len() >= MOST_KEYS {
            return Err(KeyFileError::Full);
        }
        let key = Key::random(role, name, now_us, until_us).map_err(|_| KeyFileError::Randomness)?;
        content.enter(ChangeKind::Added, &key, now_us);
        content.keys.push(key.clone());
        self.write(&content)?;
        Ok(key)
    }

    /// Makes a key invalid.
    ///
    /// # Errors
    /// [`KeyFileError`]; then it is valid still.
    pub fn revoke(&self, id: &str, now_us: i64) -> Result<(), KeyFileError> {
        let _lock = self.lock()?;
        let mut content = self.read()?;
        content.forget(now_us);
        let unknown = || KeyFileError::Unknown(id.chars().filter(|c| c.is_ascii_graphic()).take(64).collect());
        let at = content.keys.iter().position(|key| key.id == id).ok_or_else(unknown)?;
        let key = content.keys.remove(at);
        content.enter(ChangeKind::Revoked, &key, now_us);
        self.write(&content)
    }

    fn write(&self, content: &Content) -> Result<(), KeyFileError> {
        let stored = |key: &Key| Stored {
            id: key.id.clone(),
            secret: key.secret.expose().to_owned(),
            role: role_name(key.role).to_owned(),
            name: key.name.clone(),
            created_us: key.created_us,
            token: key.session.as_ref().map(|session| session.token.expose().to_owned()),
            until_us: key.session.as_ref().map(|session| session.until_us),
        };
        let document = Document {
            version: VERSION,
            keys: content.keys.iter().map(stored).collect(),
            changes: content.changes.clone(),
        };
        let json = serde_json::to_vec_pretty(&document).map(Zeroizing::new);
        document.keys.into_iter().for_each(|stored| drop(Zeroizing::new((stored.secret, stored.token))));
        let json = json.map_err(|e| self.io(io::Error::other(e.to_string())))?;
        self.replace(&json).map_err(|source| self.io(source))
    }

    /// Writes beside it and renames, so that a reader finds the old content or the new one.
    fn replace(&self, json: &[u8]) -> io::Result<()> {
        let half = self.path.with_extension("json.new");
        let _ = fs::remove_file(&half);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
        file.write_all(json)?;
        file.sync_all()?;
        fs::rename(&half, &self.path)?;
        File::open(&self.dir)?.sync_all()
    }

    /// One change at a time.
    fn lock(&self) -> Result<File, KeyFileError> {
        let path = self.dir.join(LOCK);
        let locked = || -> io::Result<File> {
            let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        };
        locked().map_err(|source| KeyFileError::Io { path: path.clone(), source })
    }

    fn io(&self, source: io::Error) -> KeyFileError {
        KeyFileError::Io { path: self.path.clone(), source }
    }

    fn damaged(&self, why: String) -> KeyFileError {
        KeyFileError::Damaged { path: self.path.clone(), why }
    }
}

impl Content {
    /// Drops temporary keys that ended long ago. The journal has their end with their beginning.
    fn forget(&mut self, now_us: i64) {
        self.keys.retain(|key| !key.has_ended(now_us.saturating_sub(KEPT_AFTER_US)));
    }

    fn enter(&mut self, kind: ChangeKind, key: &Key, at_us: i64) {
        let number = self.changes.last().map_or(0, |last| last.number) + 1;
        let role = role_name(key.role).to_owned();
        let (id, name) = (key.id.clone(), key.name.clone());
        let until_us = key.session.as_ref().map(|session| session.until_us);
        self.changes.push(Change { number, kind, id, role, name, at_us, until_us });
        let old = self.changes.len().saturating_sub(KEPT_CHANGES);
        self.changes.drain(..old);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_listed_and_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::of(dir.path());
        assert!(file.read().unwrap().keys.is_empty());
        let a = file.add(Role::Reader, Some("grafana".to_owned()), 1).unwrap();
        let b = file.add(Role::Administrator, None, 2).unwrap();
        assert_eq!(file.read().unwrap().keys, [a.clone(), b.clone()]);
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        file.revoke(&a.id, 3).unwrap();
        assert!(matches!(file.revoke(&a.id, 4), Err(KeyFileError::Unknown(_))));
        let content = file.read().unwrap();
        assert_eq!(content.keys, [b]);
        let told: Vec<_> = content.changes.iter().map(|c| (c.number, c.kind, c.at_us)).collect();
        assert_eq!(told, [(1, ChangeKind::Added, 1), (2, ChangeKind::Added, 2), (3, ChangeKind::Revoked, 3)]);
    }

    #[test]
    fn a_temporary_key_has_an_end_and_is_forgotten_a_day_later() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::of(dir.path());
        for life_us in [0, 999_999, LONGEST_US + 1, i64::MAX, -1] {
            assert!(matches!(file.lend(Role::Reader, None, 1, life_us), Err(KeyFileError::Life)), "{life_us}");
        }
        let key = file.lend(Role::Reader, None, 10, 1_000_000).unwrap();
        let content = file.read().unwrap();
        assert_eq!((&content.keys, content.changes[0].until_us), (&vec![key.clone()], Some(1_000_010)));
        let other = file.add(Role::Reader, None, 1_000_009 + KEPT_AFTER_US).unwrap();
        assert_eq!(file.read().unwrap().keys, [key.clone(), other.clone()]);
        file.revoke(&other.id, 1_000_010 + KEPT_AFTER_US).unwrap();
        assert!(file.read().unwrap().keys.is_empty());
        assert!(matches!(file.revoke(&key.id, i64::MAX), Err(KeyFileError::Unknown(_))));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::of(dir.path());
        file.add(Role::Reader, None, 1).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o660] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(file.read(), Err(KeyFileError::Open(_))), "{mode:o}");
            assert!(file.add(Role::Reader, None, 2).is_err());
        }
    }

    #[test]
    fn damage_is_told_without_quoting_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::of(dir.path());
        let key = |id: &str, secret: &str, role: &str| {
            format!(r#"{{"id":"{id}","secret":"{secret}","role":"{role}","created_us":1}}"#)
        };
        let document = |keys: &str| format!(r#"{{"version":1,"keys":[{keys}],"changes":[]}}"#);
        let twice = format!("{},{}", key("a", "s3cret", "reader"), key("a", "s3cret", "reader"));
        for bad in [
            String::new(),
            document(&key("a", "s3cret", "s3cret")),
            document(&key("a", "", "reader")),
            document(&key("", "s3cret", "reader")),
            document(&twice),
            document(&key("a", "s3cret", "reader")).replace("\"version\":1", "\"version\":2"),
            document(&key("a", "s3cret", "reader")).replace("\"created_us\":1", "\"created_us\":\"s3cret\""),
            document(&key("a", "x", "reader")).replace("\"created_us\":1", "\"created_us\":1,\"token\":\"s3cret\""),
            document(&key("a", "s3cret", "reader")).replace("\"created_us\":1", "\"created_us\":1,\"until_us\":1"),
        ] {
            fs::write(file.path(), &bad).unwrap();
            fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
            let told = file.read().unwrap_err();
            assert!(
                matches!(&told, KeyFileError::Damaged { .. }) && !told.to_string().contains("s3cret"),
                "{bad} {told}"
            );
        }
    }
}
