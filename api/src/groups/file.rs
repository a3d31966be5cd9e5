//! One consumer group: what its maker decided, its checkpoints, and the file that keeps both.
//! It must never be part of what is sealed, and a file must never be read as another group's or another Logstore's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use innertrail_logstore::Store;
use serde::{Deserialize, Serialize};

use super::lease::Leases;
use crate::pull::{Cursors, DataError};

/// The only form of the file that this version reads and writes.
const FORMAT: u64 = 1;

/// How far a group came in one shard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// A cursor's text.
    pub(crate) cursor: String,
    /// When it was stored, microseconds UTC.
    pub(crate) updated_us: i64,
    /// Who stored it: hostile text.
    pub(crate) consumer: String,
}

/// What is kept of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) name: String,
    store: String,
    trail: String,
    pub(crate) timeout_secs: u32,
    pub(crate) order: bool,
    pub(crate) checkpoints: BTreeMap<u32, Checkpoint>,
}

#[derive(Serialize, Deserialize)]
struct GroupFile {
    format: u64,
    crc32c: u32,
    group: Kept,
}

/// Looked at first: a newer file may hold what this version cannot read.
#[derive(Deserialize)]
struct Version {
    format: u64,
}

impl Kept {
    /// A group that has read nothing yet.
    pub(crate) fn new(name: &str, store: Store, trail: &str, (timeout_secs, order): (u32, bool)) -> Self {
        let (store, trail) = (store.name().to_owned(), trail.to_owned());
        Self { name: name.to_owned(), store, trail, timeout_secs, order, checkpoints: BTreeMap::new() }
    }

    /// The time without a heartbeat after which a shard goes to another consumer, microseconds.
    pub(crate) fn timeout_us(&self) -> i64 {
        i64::from(self.timeout_secs) * 1_000_000
    }

    /// The leases that may still hold.
    pub(crate) fn presumed(&self) -> Leases {
        let mut leases = Leases::default();
        for (shard, checkpoint) in self.checkpoints.iter().filter(|(_, c)| !c.consumer.is_empty()) {
            leases.presume(&checkpoint.consumer, *shard, checkpoint.updated_us);
        }
        leases
    }

    pub(crate) fn encode(&self, path: &Path) -> Result<Vec<u8>, DataError> {
        let failed = |e: serde_json::Error| DataError::io(path, e.into());
        let crc32c = crc32c::crc32c(&serde_json::to_vec(self).map_err(failed)?);
        let mut bytes =
            serde_json::to_vec(&GroupFile { format: FORMAT, crc32c, group: self.clone() }).map_err(failed)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads what `encode` wrote for this store of this Logstore; what is wrong with it, in words, where it did not.
    pub(crate) fn decode(
        path: &Path,
        bytes: &[u8],
        store: Store,
        trail: &str,
        cursors: Cursors,
    ) -> Result<Self, String> {
        let json = |e: serde_json::Error| format!("it is not what was written there: {e}");
        let format = serde_json::from_slice::<Version>(bytes).map_err(json)?.format;
        if format != FORMAT {
            return Err(format!("its format is {format}, this version reads {FORMAT}"));
        }
        let file: GroupFile = serde_json::from_slice(bytes).map_err(json)?;
        if crc32c::crc32c(&serde_json::to_vec(&file.group).map_err(json)?) != file.crc32c {
            return Err("its checksum does not hold".to_owned());
        }
        let group = file.group;
        let named = path.file_stem().and_then(|stem| stem.to_str()) == Some(group.name.as_str());
        if !named || group.store != store.name() {
            return Err("it is another group's".to_owned());
        }
        let ours =
            |(shard, checkpoint): (&u32, &Checkpoint)| cursors.ordinal(store, *shard, &checkpoint.cursor).is_some();
        if group.trail != trail || !group.checkpoints.iter().all(ours) {
            return Err("it was made for another Logstore".to_owned());
        }
        Ok(group)
    }
}

/// Checks a name, and gives the group's file. The names that are allowed cannot leave the folder or hide in it.
pub(crate) fn path(folder: &Path, name: &str) -> Option<PathBuf> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let ok = (1..=128).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(inner);
    ok.then(|| folder.join(format!("{name}.json")))
}
