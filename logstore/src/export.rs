//! Export: days of the dedicated Logstore as Parquet with everything that proves them, for another place.
//! It must never write into a folder that holds something, and never leave out a digest of the range.

use std::fs;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::NaiveDate;
use serde::Serialize;

use crate::format::FORMAT;
use crate::seal::digest::{self, Digests};
use crate::{Error, SegmentRef, Snapshot, Store, segment};

/// What was exported; also the content of `export.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Format of the folder.
    pub format: u64,
    /// Name of the trail.
    pub trail: String,
    /// First day asked for.
    #[serde(serialize_with = "as_text")]
    pub from_day: NaiveDate,
    /// Last day asked for.
    #[serde(serialize_with = "as_text")]
    pub to_day: NaiveDate,
    /// The store: always `log`.
    pub store: &'static str,
    /// The digest in which the range begins; its own files are not part of it.
    pub first_digest: u64,
    /// The digest in which the range ends.
    pub last_digest: u64,
    /// First record.
    pub first_seq: u64,
    /// Records.
    pub records: u64,
    /// Bytes of the segments.
    pub bytes: u64,
    /// Whether records of a later day are sealed already; otherwise more of these days may follow.
    pub complete: bool,
}

/// Copies the sealed segments of the days `from` to `to` (UTC days of appending, both included), their digests, the
/// public key, the newest checkpoint and a proof that it continues the last digest. `out` is created; if it exists, it
/// must be empty. `each` is told the bytes copied so far.
///
/// # Errors
/// [`Error::Export`] when there is nothing to export or `out` is in use; I/O.
pub fn export(
    snapshot: &Snapshot,
    from: NaiveDate,
    to: NaiveDate,
    out: &Path,
    each: &mut dyn FnMut(u64),
) -> Result<Exported, Error> {
    let segments = chosen(snapshot, from, to)?;
    make_empty(out)?;
    let (first, end) = (segments[0].first_seq, segments[segments.len() - 1].end());
    let digests = Digests::new(snapshot.dir(), snapshot.sealed().digest);
    let last_digest = digests.first_reaching(Store::Log, end)?;
    // Several digests may have this size; the last of them is the one right before the first record.
    let first_digest = digests.first_reaching(Store::Log, first + 1)?.saturating_sub(1).max(1);
    let exported = Exported {
        format: FORMAT,
        trail: snapshot.trail().to_owned(),
        from_day: from,
        to_day: to,
        store: Store::Log.name(),
        first_digest,
        last_digest,
        first_seq: first,
        records: end - first,
        bytes: segments.iter().map(|s| s.bytes).sum(),
        complete: end < snapshot.tail_from(Store::Log),
    };
    let dir = snapshot.dir();
    let mut done = 0;
    for number in first_digest..=last_digest {
        copy(dir, &digest::path(dir, number), out)?;
    }
    for segment in segments {
        let leaf = segment::leaf_path(dir, Store::Log, segment.first_seq, segment.rows);
        copy(dir, &leaf, out)?;
        copy(dir, &segment.path, out)?;
        if segment.index_path().exists() {
            copy(dir, &segment.index_path(), out)?;
        }
        done += segment.bytes;
        each(done);
    }
    for name in ["format.json", "seal/seal.vkey"] {
        copy(dir, &dir.join(name), out)?;
    }
    write(&out.join("seal/checkpoint"), snapshot.checkpoint()?.as_bytes())?;
    let proof = snapshot.consistency_proof(Store::Log, end, snapshot.end(Store::Log))?;
    let proof: Vec<String> = proof.iter().map(|hash| BASE64_STANDARD.encode(hash)).collect();
    write_json(&out.join("seal/consistency.proof"), &proof)?;
    write_json(&out.join("export.json"), &exported)?;
    Ok(exported)
}

fn as_text<S: serde::Serializer>(day: &NaiveDate, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(day)
}

/// The segments of the days; what was appended between them belongs to them, whatever its day says.
fn chosen(snapshot: &Snapshot, from: NaiveDate, to: NaiveDate) -> Result<&[SegmentRef], Error> {
    let segments = snapshot.segments(Store::Log);
    let of_days = |s: &SegmentRef| (from..=to).contains(&s.day);
    let first = segments.iter().position(of_days);
    let last = segments.iter().rposition(of_days);
    match (first, last) {
        (Some(first), Some(last)) => Ok(&segments[first..=last]),
        _ => {
            Err(Error::Export(format!("no sealed segment of {from} to {to}; `innertrail status` shows the days kept")))
        }
    }
}

fn make_empty(out: &Path) -> Result<(), Error> {
    fs::create_dir_all(out).map_err(|e| Error::write(out, e))?;
    let mut entries = fs::read_dir(out).map_err(|e| Error::read(out, e))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(Error::Export(format!("{} is not empty; name a new folder", out.display()))),
    }
}

fn copy(dir: &Path, file: &Path, out: &Path) -> Result<(), Error> {
    let to = out.join(file.strip_prefix(dir).unwrap_or(file));
    make_parent(&to)?;
    fs::copy(file, &to).map_err(|e| Error::write(&to, e))?;
    Ok(())
}

fn make_parent(path: &Path) -> Result<(), Error> {
    let parent: PathBuf = path.parent().unwrap_or(path).to_path_buf();
    fs::create_dir_all(&parent).map_err(|e| Error::write(&parent, e))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    make_parent(path)?;
    fs::write(path, bytes).map_err(|e| Error::write(path, e))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::write(path, e.into()))?;
    write(path, format!("{text}\n").as_bytes())
}
