//! The two small JSON files: `format.json` (whose directory this is, and its layout) and `state.json`
//! (counters and checkpoints at the end of a generation). It must never change either file in place.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::store::STORES;
use crate::{Error, Layout, State};

/// The newest format this version reads and writes.
pub(crate) const FORMAT: u64 = 2;

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

    /// The content of `format.json`; `path` is for errors.
    pub(crate) fn encode(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let mut text = to_json(path, self)?;
        text.push('\n');
        Ok(text.into_bytes())
    }
}

/// Content of `state.json`: everything as of the end of `generation`, whose rows are all in segments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sealed {
    pub(crate) generation: u64,
    pub(crate) state: State,
    /// First sequence number that retention has left, per store.
    pub(crate) kept: [u64; STORES],
    /// Number of the digest that was written with this state.
    pub(crate) digest: u64,
    /// The chain after the last frame of `generation`.
    pub(crate) chain: [u8; 32],
    /// The partial tiles of each store's tree, level 0 first, each level as its hashes back to back.
    pub(crate) trees: [Vec<Vec<u8>>; STORES],
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
    next_seq: [u64; STORES],
    kept: [u64; STORES],
    digest: u64,
    chain: String,
    trees: [Vec<String>; STORES],
    counters: BTreeMap<String, u64>,
    checkpoints: BTreeMap<String, String>,
}

impl Sealed {
    /// Reads `state.json`; `None` when there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join("state.json");
        let Some(bytes) = read_file(&path)? else { return Ok(None) };
        Self::decode(&path, &bytes).map(Some)
    }

    /// Reads the content of `state.json`; `path` is for errors.
    pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let file: SealedFile = parse(path, bytes)?;
        let body = to_json(path, &file.sealed)?;
        if crc32c::crc32c(body.as_bytes()) != file.crc32c {
            return Err(Error::corrupt(path, 0, "its checksum does not hold"));
        }
        let SealedBody { generation, next_seq, kept, digest, chain, trees, counters, checkpoints: hex, .. } =
            file.sealed;
        let mut checkpoints = BTreeMap::new();
        for (key, hex) in hex {
            let value = from_hex(&hex).ok_or_else(|| Error::corrupt(path, 0, "a checkpoint is not hexadecimal"))?;
            checkpoints.insert(key, value);
        }
        let hashes = |text: &String| BASE64_STANDARD.decode(text).ok().filter(|bytes| bytes.len() % 32 == 0);
        let damaged = || Error::corrupt(path, 0, "a hash is not base64");
        let mut levels = [const { Vec::new() }; STORES];
        for (levels, texts) in levels.iter_mut().zip(&trees) {
            *levels = texts.iter().map(hashes).collect::<Option<_>>().ok_or_else(damaged)?;
        }
        let chain = hashes(&chain).and_then(|c| c.try_into().ok()).ok_or_else(damaged)?;
        let state = State { counters, checkpoints, next_seq };
        Ok(Self { generation, state, kept, digest, chain, trees: levels })
    }

    /// The content of `state.json`.
    pub(crate) fn encode(&self, path: &Path, now_us: i64) -> Result<Vec<u8>, Error> {
        let sealed = SealedBody {
            generation: self.generation,
            sealed_at: now_us,
            next_seq: self.state.next_seq,
            kept: self.kept,
            digest: self.digest,
            chain: BASE64_STANDARD.encode(self.chain),
            trees: self.trees.each_ref().map(|levels| levels.iter().map(|l| BASE64_STANDARD.encode(l)).collect()),
            counters: self.state.counters.clone(),
            checkpoints: self.state.checkpoints.iter().map(|(k, v)| (k.clone(), to_hex(v))).collect(),
        };
        let crc32c = crc32c::crc32c(to_json(path, &sealed)?.as_bytes());
        let mut text = to_json(path, &SealedFile { format: FORMAT, crc32c, sealed })?;
        text.push('\n');
        Ok(text.into_bytes())
    }
}

pub(crate) fn read_file(path: &Path) -> Result<Option<Vec<u8>>, Error> {
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

pub(crate) fn to_json<T: Serialize>(path: &Path, value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::write(path, e.into()))
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
