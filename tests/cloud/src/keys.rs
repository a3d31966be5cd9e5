//! The access keys that the doubles know, and what each may do. Every id and secret is made up; a real one must never
//! stand here.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Read logs and objects, list shards and keys.
    Read,
    /// Create consumer groups, heartbeat, store checkpoints.
    Consume,
    /// Put logs and objects, create Logstores.
    Write,
    /// Delete logs, Logstores and objects.
    Delete,
}

/// Whether a key works at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validity {
    /// It works.
    #[default]
    Good,
    /// It was deleted: the servers do not know it.
    Revoked,
    /// It is disabled.
    Disabled,
    /// Its security token is past its end.
    Expired,
}

/// An access key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The access key id.
    pub id: String,
    /// The secret.
    pub secret: String,
    /// The security token that must come with it, for temporary keys.
    #[serde(default)]
    pub token: Option<String>,
    /// What it may do.
    #[serde(default)]
    pub rights: Vec<Right>,
    /// Whether it works.
    #[serde(default)]
    pub validity: Validity,
}

impl Key {
    fn made_up(name: &str, rights: &[Right]) -> Self {
        Self {
            id: format!("LTAI-EXAMPLE-{name}"),
            secret: format!("example-secret-of-{name}"),
            token: None,
            rights: rights.to_vec(),
            validity: Validity::Good,
        }
    }

    /// May read and consume, nothing else: what the product should be given.
    #[must_use]
    pub fn reader() -> Self {
        Self::made_up("reader", &[Right::Read, Right::Consume])
    }

    /// May do everything but delete: writes test data.
    #[must_use]
    pub fn writer() -> Self {
        Self::made_up("writer", &[Right::Read, Right::Consume, Right::Write])
    }

    /// May write and nothing else: what a mirror needs at the least.
    #[must_use]
    pub fn putter() -> Self {
        Self::made_up("putter", &[Right::Write])
    }

    /// May do everything, delete included: the one a doctor should warn of.
    #[must_use]
    pub fn deleter() -> Self {
        Self::made_up("deleter", &[Right::Read, Right::Consume, Right::Write, Right::Delete])
    }

    /// Is known and may do nothing.
    #[must_use]
    pub fn unauthorised() -> Self {
        Self::made_up("unauthorised", &[])
    }

    /// Was deleted.
    #[must_use]
    pub fn revoked() -> Self {
        Self { validity: Validity::Revoked, ..Self::made_up("revoked", &[Right::Read, Right::Consume]) }
    }

    /// A temporary key that works, with its token.
    #[must_use]
    pub fn temporary() -> Self {
        let mut key = Self::made_up("temporary", &[Right::Read, Right::Consume]);
        key.id = "STS.EXAMPLE-temporary".to_owned();
        key.token = Some("example-token/of+temporary==".to_owned());
        key
    }

    /// A temporary key whose token has expired.
    #[must_use]
    pub fn expired() -> Self {
        let mut key = Self::temporary();
        key.id = "STS.EXAMPLE-expired".to_owned();
        key.validity = Validity::Expired;
        key
    }
}

/// The keys a double knows.
#[derive(Debug)]
pub struct Keys(Mutex<BTreeMap<String, Key>>);

impl Default for Keys {
    /// One of each kind that [`Key`] has a constructor for.
    fn default() -> Self {
        let keys = [
            Key::reader(),
            Key::writer(),
            Key::putter(),
            Key::deleter(),
            Key::unauthorised(),
            Key::revoked(),
            Key::temporary(),
            Key::expired(),
        ];
        Self(Mutex::new(keys.into_iter().map(|key| (key.id.clone(), key)).collect()))
    }
}

impl Keys {
    /// Adds a key, or replaces the one with its id: so a key is revoked, expired or renewed while a client runs.
    pub fn set(&self, key: Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id.clone(), key);
    }

    pub(crate) fn find(&self, id: &str) -> Option<Key> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}
