//! The manifest of the index: which runs there are, and which records of which history they cover.
//! It must never be taken for another directory's, another history's, or another column's.

use std::path::Path;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::entry::{KEY_BITS, Key, Salt};
use super::epochs::{Epoch, Epochs};
use super::run::{Damage, RunId};
use crate::Error;
use crate::format::{from_hex, read_file, to_hex, to_json};
use crate::seal::digest::Link;

/// The format of manifest and runs. Another one is made again.
pub(super) const FORMAT: u64 = 1;
/// The name of the file.
pub(super) const NAME: &str = "manifest.json";
const DAY: &str = "%Y-%m-%d";

#[derive(Serialize, Deserialize)]
struct File {
    format: u64,
    crc32c: u32,
    ids: Body,
}

#[derive(Serialize, Deserialize)]
struct Body {
    salt: String,
    key: String,
    from: u64,
    to: u64,
    digest: u64,
    sha256: String,
    first_epoch: u16,
    /// Day, first sequence number, ids.
    epochs: Vec<(String, u64, u64)>,
    middle: Option<RunId>,
    slices: Vec<(String, RunId)>,
}

/// What the manifest says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Manifest {
    pub(super) salt: Salt,
    /// The column of the ids.
    pub(super) key: String,
    /// The records that are covered.
    pub(super) from: u64,
    pub(super) to: u64,
    /// The newest digest of the history that is covered: the same digest, the same records.
    pub(super) digest: Link,
    pub(super) epochs: Epochs,
    pub(super) middle: Option<RunId>,
    /// Each with the first key that belongs to it.
    pub(super) slices: Vec<(Key, RunId)>,
}

impl Manifest {
    /// Reads it; `None` when there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Damage> {
        let damage = |what: String| Damage { path: path.to_path_buf(), what };
        let Some(bytes) = read_file(path).map_err(|e| damage(e.to_string()))? else { return Ok(None) };
        let file: File = serde_json::from_slice(&bytes).map_err(|e| damage(e.to_string()))?;
        let body = to_json(path, &file.ids).map_err(|e| damage(e.to_string()))?;
        if file.format != FORMAT {
            return Err(damage(format!("it has format {}, this version writes {FORMAT}", file.format)));
        }
        if crc32c::crc32c(body.as_bytes()) != file.crc32c {
            return Err(damage("its checksum does not hold".to_owned()));
        }
        Self::from_body(file.ids).map(Some).ok_or_else(|| damage("a hash or a key in it is not one".to_owned()))
    }

    fn from_body(body: Body) -> Option<Self> {
        let epoch = |(day, first_seq, ids): &(String, u64, u64)| {
            let day = NaiveDate::parse_from_str(day, DAY).ok()?;
            Some(Epoch { day, first_seq: *first_seq, ids: *ids })
        };
        let slice = |(key, id): &(String, RunId)| Some((key_of(key)?, *id));
        Some(Self {
            salt: Salt(from_hex(&body.salt)?.try_into().ok()?),
            key: body.key,
            from: body.from,
            to: body.to,
            digest: Link { number: body.digest, sha256: from_hex(&body.sha256)?.try_into().ok()? },
            epochs: Epochs { first: body.first_epoch, list: body.epochs.iter().map(epoch).collect::<Option<_>>()? },
            middle: body.middle,
            slices: body.slices.iter().map(slice).collect::<Option<_>>()?,
        })
    }

    /// The content of the file.
    pub(super) fn encode(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let ids = Body {
            salt: to_hex(&self.salt.0),
            key: self.key.clone(),
            from: self.from,
            to: self.to,
            digest: self.digest.number,
            sha256: to_hex(&self.digest.sha256),
            first_epoch: self.epochs.first,
            epochs: self.epochs.list.iter().map(|e| (e.day.format(DAY).to_string(), e.first_seq, e.ids)).collect(),
            middle: self.middle,
            slices: self.slices.iter().map(|(key, id)| (format!("{key:020x}"), *id)).collect(),
        };
        let crc32c = crc32c::crc32c(to_json(path, &ids)?.as_bytes());
        let mut text = to_json(path, &File { format: FORMAT, crc32c, ids })?;
        text.push('\n');
        Ok(text.into_bytes())
    }
}

fn key_of(hex: &str) -> Option<Key> {
    let key = u128::from_str_radix(hex, 16).ok()?;
    (key < 1 << KEY_BITS).then_some(key)
}
