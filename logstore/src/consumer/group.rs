//! One consumer group: its position, who holds it, and the file that keeps both.
//! It must never be part of what is sealed: a group is about reading, and readers must not change the record.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Store;
use crate::consumer::{ConsumerError, Cursor};

/// The newest form of the file that this version reads and writes.
const FORMAT: u64 = 1;
/// The shortest and the longest lease, in microseconds: 1 second and 1 day.
pub const TIMEOUT_US: (i64, i64) = (1_000_000, 86_400_000_000);
/// Clients of Log Service send a heartbeat every 20 s and expect to lose a group after 40 to 60 s without one.
const DEFAULT_TIMEOUT_US: i64 = 60_000_000;

/// What the maker of a group decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupOptions {
    /// Microseconds without a heartbeat after which another consumer may take the group; within [`TIMEOUT_US`].
    /// Default: one minute.
    pub timeout_us: i64,
    /// Whether order was asked for. Kept for clients that ask; records come in append order in any case.
    pub in_order: bool,
}

impl Default for GroupOptions {
    fn default() -> Self {
        Self { timeout_us: DEFAULT_TIMEOUT_US, in_order: true }
    }
}

impl GroupOptions {
    pub(crate) fn check(self) -> Result<Self, ConsumerError> {
        let (least, most) = TIMEOUT_US;
        if (least..=most).contains(&self.timeout_us) {
            return Ok(self);
        }
        Err(ConsumerError::Timeout { found: self.timeout_us })
    }
}

/// The consumer that holds a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its name, as it gave it: hostile text.
    pub consumer: String,
    /// When it took the group, microseconds UTC.
    pub since_us: i64,
    /// When it was last heard of, microseconds UTC.
    pub heartbeat_us: i64,
}

impl Owner {
    /// Whether the lease still holds. A heartbeat far in the future is a clock that was set back: it holds nothing,
    /// or the group would stay taken until the clock comes round again.
    #[must_use]
    pub fn holds(&self, timeout_us: i64, now_us: i64) -> bool {
        now_us.saturating_sub(self.heartbeat_us).saturating_abs() <= timeout_us
    }
}

/// A named position in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The store it reads.
    pub store: Store,
    /// What its maker decided.
    pub options: GroupOptions,
    /// Up to where records were handed on for good; `None` before the first checkpoint.
    pub cursor: Option<Cursor>,
    /// When the checkpoint was written, or the group made, microseconds UTC.
    pub updated_us: i64,
    /// Who wrote the checkpoint; `None` before the first one, and after an administrator's.
    pub updated_by: Option<String>,
    /// Who holds the group, or held it last; ask [`Owner::holds`].
    pub owner: Option<Owner>,
}

#[derive(Serialize, Deserialize)]
struct GroupFile {
    format: u64,
    crc32c: u32,
    group: Body,
}

#[derive(Serialize, Deserialize)]
struct Body {
    name: String,
    trail: String,
    store: String,
    options: GroupOptions,
    cursor: Option<String>,
    updated_us: i64,
    updated_by: Option<String>,
    owner: Option<Owner>,
}

impl Group {
    /// The file's bytes.
    pub(crate) fn encode(&self, trail: &str) -> Result<Vec<u8>, serde_json::Error> {
        let group = Body {
            name: self.name.clone(),
            trail: trail.to_owned(),
            store: self.store.name().to_owned(),
            options: self.options,
            cursor: self.cursor.map(|c| c.to_string()),
            updated_us: self.updated_us,
            updated_by: self.updated_by.clone(),
            owner: self.owner.clone(),
        };
        let crc32c = crc32c::crc32c(&serde_json::to_vec(&group)?);
        let mut bytes = serde_json::to_vec(&GroupFile { format: FORMAT, crc32c, group })?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads what `encode` wrote, for the Logstore with this trail and tag.
    pub(crate) fn decode(path: &Path, bytes: &[u8], trail: &str, tag: u16) -> Result<Self, ConsumerError> {
        let damaged = |what: &str| ConsumerError::Damaged { path: path.to_path_buf(), what: what.to_owned() };
        let json = |e: serde_json::Error| damaged(&e.to_string());
        let found = serde_json::from_slice::<Version>(bytes).map_err(json)?.format;
        if found != FORMAT {
            return Err(crate::Error::Version { path: path.to_path_buf(), found, supported: FORMAT }.into());
        }
        let file: GroupFile = serde_json::from_slice(bytes).map_err(json)?;
        if crc32c::crc32c(&serde_json::to_vec(&file.group).map_err(json)?) != file.crc32c {
            return Err(damaged("its checksum does not hold"));
        }
        let body = file.group;
        let store = Store::ALL.into_iter().find(|s| s.name() == body.store);
        let store = store.ok_or_else(|| damaged("it names a store that does not exist"))?;
        let cursor = body.cursor.map(|text| Cursor::parse(&text).ok_or_else(|| damaged("its cursor is none")));
        let cursor = cursor.transpose()?;
        if body.trail != trail || cursor.is_some_and(|c| c.tag() != tag) {
            return Err(ConsumerError::OtherTrail { trail: trail.to_owned() });
        }
        if path.file_stem().and_then(|s| s.to_str()) != Some(&body.name) || cursor.is_some_and(|c| c.store() != store) {
            return Err(damaged("it is another group's"));
        }
        let Body { name, options, updated_us, updated_by, owner, .. } = body;
        Ok(Self { name, store, options, cursor, updated_us, updated_by, owner })
    }
}

/// Looked at first: a newer file may hold fields this version cannot parse.
#[derive(Deserialize)]
struct Version {
    format: u64,
}

/// Checks a name, and gives the group's file. The names that are allowed cannot leave the folder or hide in it.
pub(crate) fn file(folder: &Path, name: &str) -> Result<PathBuf, ConsumerError> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let ok = (1..=128).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(inner);
    if ok { Ok(folder.join(format!("{name}.json"))) } else { Err(ConsumerError::GroupName) }
}

/// Checks the name a consumer gives itself.
pub(crate) fn check_consumer(name: &str) -> Result<(), ConsumerError> {
    let ok = (1..=256).contains(&name.len()) && !name.chars().any(char::is_control);
    if ok { Ok(()) } else { Err(ConsumerError::ConsumerName) }
}
