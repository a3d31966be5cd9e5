//! A bucket and its objects. An object must never change under its key without a new ETag.

use std::collections::BTreeMap;
use std::sync::Arc;

use crc::{CRC_64_XZ, Crc, Table};

use crate::account::Account;
use crate::front::Refusal;
use crate::sign::{base64_of, hex, md5};

/// The checksum that OSS sends with every object.
static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);

/// Characters of a generated event's id.
const ID: usize = 24;

/// An object.
pub(super) struct Object {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) etag: String,
    pub(super) md5: String,
    pub(super) crc64: u64,
    pub(super) modified_ms: i64,
    /// The ids of the generated events in it, one after the other.
    ids: Vec<u8>,
}

impl Object {
    pub(super) fn new(bytes: Vec<u8>, modified_ms: i64, ids: Vec<u8>) -> Self {
        let digest = md5(&bytes);
        let crc64 = CRC64.checksum(&bytes);
        Self {
            bytes: Arc::new(bytes),
            etag: format!("\"{}\"", hex(&digest).to_uppercase()),
            md5: base64_of(&digest),
            crc64,
            modified_ms,
            ids,
        }
    }

    /// The ids of its events.
    pub(super) fn ids(&self) -> impl Iterator<Item = String> {
        self.ids.chunks_exact(ID).map(|id| String::from_utf8_lossy(id).into_owned())
    }

    pub(super) fn events(&self) -> usize {
        self.ids.len() / ID
    }
}

/// A bucket.
pub(super) struct Bucket {
    pub(super) region: String,
    pub(super) account: Account,
    pub(super) created_ms: i64,
    pub(super) objects: BTreeMap<String, Object>,
    /// Numbers the objects that were added one by one, so that their events differ.
    pub(super) serial: u64,
    /// Whether a retention policy keeps every object as it is.
    pub(super) locked: bool,
    /// Keys that clients have put, in the order of arrival.
    pub(super) uploads: Vec<String>,
    /// How many objects clients have overwritten.
    pub(super) overwritten: u64,
}

impl Bucket {
    pub(super) fn new(region: &str, created_ms: i64) -> Self {
        Self {
            region: region.to_owned(),
            account: Account::Active,
            created_ms,
            objects: BTreeMap::new(),
            serial: 0,
            locked: false,
            uploads: Vec::new(),
            overwritten: 0,
        }
    }

    /// What a retention policy says to changing or deleting an object.
    pub(super) fn refuse_if_locked(&self) -> Result<(), Refusal> {
        if self.locked {
            return Err(Refusal::new(409, "FileImmutable", "The object you specified is immutable."));
        }
        Ok(())
    }

    /// The endpoints by which it may be addressed: public, internal, and both under the reserved name for tests.
    pub(super) fn endpoints(&self) -> [String; 4] {
        ["aliyuncs.com", "example.test"]
            .map(|zone| [format!("oss-{}.{zone}", self.region), format!("oss-{}-internal.{zone}", self.region)])
            .concat()
            .try_into()
            .unwrap_or_default()
    }
}
