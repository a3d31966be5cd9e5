//! The two small JSON files: `format.json` (whose directory this is, and its layout) and `state.json`
//! (counters and checkpoints at the end of a generation). It must never change either file in place.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::durable::{self, Disk};
use crate::{Error, Layout, State};

/// The newest format this version reads and writes.
pub(crate) const FORMAT: u64 = 1;

/// Content of `format.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Format {
    pub(crate) format: u64,
    /// When the directory was made, microseconds UTC.
    pub(crate) created: i64,
    pub(crate) trail: String,
    /// Counts the layouts this directory has had, from 1.
    pub(crate) layout_version: u64,
    pub(crate) layout: Layout,
}

impl Format {
    /// Reads `format.json`; `None` when there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join("format.json");
        let Some(bytes) = read_file(&path)? else { return Ok(None) };
        let format: Self = parse(&path, &bytes)?;
        format.layout.check()?;
        Ok(Some(format))
    }

    pub(crate) fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
        let path = dir.join("format.json");
        let mut text = to_json(&path, self)?;
        text.push('\n');
        durable::replace(disk, &dir.join("tmp/format.json"), &path, &[text.as_bytes()]).map(drop)
    }
}

/// Content of `state.json`: everything as of the end of `generation`, whose rows are all in segments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sealed {
    pub(crate) generation: u64,
    pub(crate) state: State,
}

#[derive(Serialize, Deserialize)]
struct SealedFile {
    format: u64,
    crc32c: u32,
    sealed: SealedBody,
}

#[derive(Serialize, Deserialize)]
struct SealedBody {
    generation: u64,
    /// When the generation was sealed, microseconds UTC. For people; nothing depends on it.
    sealed_at: i64,
    next_seq: [u64; 3],
    counters: BTreeMap<String, u64>,
    checkpoints: BTreeMap<String, String>,
}

impl Sealed {
    /// Reads `state.json`; `None` when there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join("state.json");
        let Some(bytes) = read_file(&path)? else { return Ok(None) };
        let file: SealedFile = parse(&path, &bytes)?;
        let body = to_json(&path, &file.sealed)?;
        if crc32c::crc32c(body.as_bytes()) != file.crc32c {
            return Err(Error::corrupt(&path, 0, "its checksum does not hold"));
        }
        let mut checkpoints = BTreeMap::new();
        for (key, hex) in file.sealed.checkpoints {
            let value = from_hex(&hex).ok_or_else(|| Error::corrupt(&path, 0, "a checkpoint is not hexadecimal"))?;
            checkpoints.insert(key, value);
        }
        let SealedBody { generation, next_seq, counters, .. } = file.sealed;
        Ok(Some(Self { generation, state: State { counters, checkpoints, next_seq } }))
    }

    pub(crate) fn write(generation: u64, now_us: i64, state: &State, disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
        let path = dir.join("state.json");
        let sealed = SealedBody {
            generation,
            sealed_at: now_us,
            next_seq: state.next_seq,
            counters: state.counters.clone(),
            checkpoints: state.checkpoints.iter().map(|(k, v)| (k.clone(), to_hex(v))).collect(),
        };
        let crc32c = crc32c::crc32c(to_json(&path, &sealed)?.as_bytes());
        let mut text = to_json(&path, &SealedFile { format: FORMAT, crc32c, sealed })?;
        text.push('\n');
        durable::replace(disk, &dir.join("tmp/state.json"), &path, &[text.as_bytes()]).map(drop)
    }
}

fn read_file(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::read(path, e)),
    }
}

/// Looks at the version first: a newer file may hold fields this version cannot parse.
fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Error> {
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    let damaged = |e: serde_json::Error| Error::corrupt(path, 0, e.to_string());
    let found = serde_json::from_slice::<Version>(bytes).map_err(damaged)?.format;
    if found != FORMAT {
        return Err(Error::Version { path: path.to_path_buf(), found, supported: FORMAT });
    }
    serde_json::from_slice(bytes).map_err(damaged)
}

fn to_json<T: Serialize>(path: &Path, value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::write(path, e.into()))
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
