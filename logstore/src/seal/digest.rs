//! The digest: the signed list of what one rotation put in place, chained to the one before (as CloudTrail's are).
//! It must never name a file that is not durable yet.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest as _, Sha256};

use super::{Seal, SealKey};
use crate::durable::{self, Part};
use crate::format::{Format, Sealed, read_file, to_hex};
use crate::rotate::Home;
use crate::{Error, Store};

/// A digest by number and content: what the next one has to name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Link {
    pub(crate) number: u64,
    pub(crate) sha256: [u8; 32],
}

/// A file of a rotation, relative to the data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedFile {
    pub(crate) part: Part,
    pub(crate) path: String,
    pub(crate) sha256: [u8; 32],
}

/// The file of a digest.
pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join("seal/digest").join(format!("{number:08}.digest"))
}

/// What a rotation settles: the state, and the layout where it changed.
pub(crate) struct Draft<'a> {
    pub(crate) sealed: &'a Sealed,
    pub(crate) format: Option<&'a Format>,
    pub(crate) previous: Link,
    pub(crate) now_us: i64,
}

/// The files that settle a rotation, ready to be put in place.
pub(crate) struct Settlement {
    pub(crate) link: Link,
    digest: Vec<u8>,
    state: Vec<u8>,
    format: Option<Vec<u8>>,
}

impl Draft<'_> {
    /// Signs the digest that names `files`, the state and the layout.
    pub(crate) fn settle(
        &self,
        home: &Home,
        key: &SealKey,
        seal: &Seal,
        files: &[NamedFile],
    ) -> Result<Settlement, Error> {
        let state = self.sealed.encode(&home.dir.join("state.json"), self.now_us)?;
        let path = home.dir.join("format.json");
        let format = self.format.map(|format| format.encode(&path)).transpose()?;
        let named = match &format {
            Some(bytes) => sha256(bytes),
            None => sha256(&must_read(&path)?),
        };
        let text = self.text(key.name(), seal, named, sha256(&state), files);
        let digest = key.sign(&text)?;
        Ok(Settlement { link: Link { number: self.sealed.digest, sha256: sha256(&digest) }, digest, state, format })
    }

    fn text(&self, origin: &str, seal: &Seal, format: [u8; 32], state: [u8; 32], files: &[NamedFile]) -> String {
        let Self { sealed, previous, now_us, .. } = self;
        let mut text = format!("{origin}/digest\n{}\n{}\ntime {now_us}\n", sealed.digest, to_hex(&previous.sha256));
        for store in Store::ALL {
            let tree = &seal.trees[store.place()];
            let _ = writeln!(text, "{store} {} {}", tree.size(), BASE64_STANDARD.encode(tree.root().0));
        }
        for store in Store::ALL {
            let _ = write!(text, "edge {store}");
            for hash in seal.trees[store.place()].edge() {
                let _ = write!(text, " {}", BASE64_STANDARD.encode(hash.0));
            }
            text.push('\n');
        }
        let [log, quarantine, passthrough, journal] = sealed.kept;
        let _ = writeln!(text, "kept {log} {quarantine} {passthrough} {journal}");
        let _ = writeln!(text, "wal {} {}", sealed.generation, BASE64_STANDARD.encode(sealed.chain));
        let _ = writeln!(text, "format {}\nstate {}", to_hex(&format), to_hex(&state));
        for file in files {
            let _ = writeln!(text, "{}  {}", to_hex(&file.sha256), file.path);
        }
        text
    }
}

impl Settlement {
    /// The digest, under its final name.
    pub(crate) fn put_digest(&self, home: &Home) -> Result<(), Error> {
        let path = path(&home.dir, self.link.number);
        durable::replace(home.disk.as_ref(), Part::Digest, &home.dir.join("tmp/digest"), &path, &[&self.digest])
            .map(drop)
    }

    /// The layout where it changed, then the state: from here on the rotation counts.
    pub(crate) fn put_state(&self, home: &Home) -> Result<(), Error> {
        for (part, name, bytes) in
            [(Part::Format, "format.json", self.format.as_ref()), (Part::State, "state.json", Some(&self.state))]
        {
            let Some(bytes) = bytes else { continue };
            let (tmp, to) = (home.dir.join("tmp").join(name), home.dir.join(name));
            durable::replace(home.disk.as_ref(), part, &tmp, &to, &[bytes])?;
        }
        Ok(())
    }
}

/// SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Reads digest `number` back, checks that it names this `state.json` and `format.json`, and returns its link.
///
/// `format.json` may already be the one of the digest after it: a rotation that brought a new layout was cut short. Then
/// the second value is true, and that digest must stay until another one names the layout.
pub(crate) fn check(dir: &Path, number: u64) -> Result<(Link, bool), Error> {
    let bytes = must_read(&path(dir, number))?;
    let text = String::from_utf8_lossy(&bytes);
    let next = read_file(&path(dir, number + 1))?.unwrap_or_default();
    let next = String::from_utf8_lossy(&next);
    let mut ahead = false;
    for (name, also) in [("state", ""), ("format", &*next)] {
        let file = dir.join(format!("{name}.json"));
        let wanted = format!("{name} {}", to_hex(&sha256(&must_read(&file)?)));
        ahead = !text.lines().any(|line| line == wanted);
        if ahead && !also.lines().any(|line| line == wanted) {
            let what = format!("it is not the file that {} names", path(dir, number).display());
            return Err(Error::corrupt(&file, 0, what));
        }
    }
    Ok((Link { number, sha256: sha256(&bytes) }, ahead))
}

fn must_read(path: &Path) -> Result<Vec<u8>, Error> {
    read_file(path)?.ok_or_else(|| Error::corrupt(path, 0, "it is missing"))
}

/// The digests of a directory, read one by one.
pub(crate) struct Digests<'a> {
    dir: &'a Path,
    newest: u64,
}

impl<'a> Digests<'a> {
    pub(crate) fn new(dir: &'a Path, newest: u64) -> Self {
        Self { dir, newest }
    }

    /// The text of a digest.
    pub(crate) fn read(&self, number: u64) -> Result<String, Error> {
        let path = path(self.dir, number);
        String::from_utf8(must_read(&path)?).map_err(|_| Error::corrupt(&path, 0, "it is not text"))
    }

    /// Size of a store's tree in a digest.
    pub(crate) fn size(&self, number: u64, store: Store) -> Result<u64, Error> {
        let text = self.read(number)?;
        let mut sizes = text.lines().filter_map(|line| line.strip_prefix(store.name())?.strip_prefix(' '));
        let size = sizes.next().and_then(|rest| rest.split(' ').next()?.parse().ok());
        size.ok_or_else(|| Error::corrupt(&path(self.dir, number), 0, format!("it has no size of {store}")))
    }

    /// The first digest, from 1 on, in which a store has at least this many records.
    pub(crate) fn first_reaching(&self, store: Store, size: u64) -> Result<u64, Error> {
        let (mut low, mut high) = (1, self.newest);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.size(middle, store)? < size {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The edge of a store's tree of exactly this size, as base64 texts.
    pub(crate) fn edge_at(&self, store: Store, size: u64) -> Result<Vec<String>, Error> {
        let number = self.first_reaching(store, size)?;
        if self.size(number, store)? != size {
            let what = format!("no digest was signed when {store} had {size} records");
            return Err(Error::corrupt(&path(self.dir, number), 0, what));
        }
        let text = self.read(number)?;
        let wanted = format!("edge {store} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&wanted)).unwrap_or_default();
        Ok(line.split(' ').map(str::to_owned).collect())
    }
}
