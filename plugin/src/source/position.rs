//! Positions: how far each file was read. What the host stores as checkpoints.
//!
//! One key a file, so that a step back in one file never touches another. A position that cannot be read must stop
//! the source rather than start the file anew unnoticed.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::framer::Within;

/// Key of the note which of the two MD5s this source's object names carry.
pub const MD5_KEY: &str = "md5-of";

/// Which bytes an MD5 or a size in an object's name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameMeans {
    /// The file as it lies there.
    File,
    /// Its decompressed content.
    Content,
}

/// How a file begins, to tell a file that grew from one that was written anew under the same name and inode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// So many bytes from the start.
    pub len: u64,
    /// Their MD5, hexadecimal. No secret: who can write the file can begin it as they like.
    pub md5: String,
}

impl Head {
    /// Most bytes that are looked at.
    pub const MOST: usize = 256;

    /// The head of a file that begins with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(Self::MOST)];
        let md5 = Md5::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        Self { len: bytes.len() as u64, md5 }
    }

    /// Whether a file that begins with these bytes may be the one.
    pub fn begins(&self, bytes: &[u8]) -> bool {
        let len = usize::try_from(self.len).unwrap_or(usize::MAX);
        bytes.get(..len).is_some_and(|bytes| Self::of(bytes) == *self)
    }
}

/// How far one file was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// First byte (decompressed) that is not durable yet.
    pub offset: u64,
    /// Frames up to there.
    #[serde(default)]
    pub frames: u64,
    /// What the place is inside of.
    #[serde(default)]
    pub within: Within,
    /// Behind damage, where the offset counts compressed bytes: of no use once the file is another one.
    #[serde(default)]
    pub damaged: bool,
    /// Read to its end.
    #[serde(default)]
    pub done: bool,
    /// Given up: its bytes are in quarantine.
    #[serde(default)]
    pub abandoned: bool,
    /// Size and last change when the position was taken, to see whether the file is still the same.
    #[serde(default)]
    pub size: u64,
    /// Milliseconds since the Unix epoch.
    #[serde(default)]
    pub modified_ms: i64,
    /// Device and inode, or the like.
    #[serde(default)]
    pub identity: String,
    /// How it began then.
    #[serde(default)]
    pub head: Option<Head>,
}

/// All positions of a source.
#[derive(Debug, Default)]
pub struct Positions {
    files: BTreeMap<String, Position>,
    /// What the MD5 of object names turned out to be of.
    pub name_means: Option<NameMeans>,
}

/// A key and a value for the host to store.
pub type Checkpoint = (String, Vec<u8>);

impl Positions {
    /// Reads what the host stored.
    ///
    /// # Errors
    /// Which checkpoint cannot be read, and why.
    pub fn restore(stored: &[Checkpoint]) -> Result<Self, String> {
        let mut positions = Self::default();
        for (key, value) in stored {
            let bad = |e: serde_json::Error| format!("checkpoint `{key}` cannot be read: {e}");
            if key == MD5_KEY {
                positions.name_means = Some(serde_json::from_slice(value).map_err(bad)?);
            } else if let Some(path) = key.strip_prefix("file:") {
                positions.files.insert(path.to_owned(), serde_json::from_slice(value).map_err(bad)?);
            } else {
                return Err(format!("checkpoint `{key}` is of a kind that this version does not know"));
            }
        }
        Ok(positions)
    }

    /// The position in a file.
    pub fn get(&self, path: &str) -> Option<&Position> {
        self.files.get(path)
    }

    /// Moves a position and gives the checkpoint that says so.
    pub fn set(&mut self, path: &str, position: Position) -> Checkpoint {
        let checkpoint = (format!("file:{path}"), json(&position));
        self.files.insert(path.to_owned(), position);
        checkpoint
    }

    /// Remembers what names mean and gives the checkpoint that says so.
    pub fn set_name_means(&mut self, means: NameMeans) -> Checkpoint {
        self.name_means = Some(means);
        (MD5_KEY.to_owned(), json(&means))
    }
}

pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain structs of numbers and text always serialise")
}
