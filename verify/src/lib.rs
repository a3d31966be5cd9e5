//! The verifier: proves from the files of a Logstore, or of an export of one, and its public key that nothing was
//! changed, taken out, put in or cut off; names the record where something was.
//! It must never write, never trust a byte that no signature covers, and never share code with the writer.
//!
//! What is proved: every digest is signed and names the one before; every file a digest names is there, byte for byte;
//! the records of all segments and of the write-ahead log have the signed roots (RFC 6962); every signed checkpoint
//! speaks of this history. What a checkpoint kept elsewhere adds: that the end was not put back to an older moment.
//!
//! ```no_run
//! use innertrail_verify::{Request, VerifierKey, verify};
//! let key = VerifierKey::parse("innertrail/main+00000000+AQ…")?;
//! let report = verify(&Request::new("/var/lib/innertrail/main".as_ref(), &key), &mut |_| {})?;
//! print!("{}", report.text());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chain;
mod checkpoint;
mod claims;
mod digest;
mod directory;
mod disk;
mod export;
mod ids;
mod locate;
mod mirror;
mod note;
mod report;
mod segment;
mod strays;
mod tail;
pub mod tree;
mod wal;
mod walk;

use std::path::{Path, PathBuf};

use crate::checkpoint::Checkpoint;
use crate::disk::Disk;
pub use note::{KeyError, VerifierKey};
pub use report::{CheckpointState, Finding, Kind, Records, Report, StoreReport};

/// The stores, in the order of every list of four.
pub const STORES: [&str; 4] = ["log", "quarantine", "passthrough", "journal"];
/// The column of the records, per store.
pub(crate) const PAYLOADS: [&str; 4] = ["event", "raw", "raw", "event"];
/// The format of the data directory that this version verifies.
const FORMAT: u64 = 2;
/// How often a directory that was rotated while it was read is read again.
const ATTEMPTS: usize = 3;

/// What to verify.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The data directory, or the folder of an export.
    pub dir: &'a Path,
    /// The key that must have signed it. Take it from elsewhere: who changed the directory can change the key in it.
    pub key: &'a VerifierKey,
    /// A checkpoint of this Logstore that was kept elsewhere, older or newer.
    pub checkpoint: Option<&'a [u8]>,
    /// Whether the folder is a copy that a mirror made: without the write-ahead log and the state. Nobody but the caller may say
    /// so: a data directory whose tail was taken away would look the same.
    pub mirror: bool,
    /// Segments read at the same time, at least 1. Each holds one segment's hashes and a slice of its records.
    pub threads: usize,
}

impl<'a> Request<'a> {
    /// A request without a checkpoint kept elsewhere, on one thread.
    #[must_use]
    pub fn new(dir: &'a Path, key: &'a VerifierKey) -> Self {
        Self { dir, key, checkpoint: None, mirror: false, threads: 1 }
    }
}

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of segments and write-ahead log read.
    pub bytes_done: u64,
    /// Bytes of segments and write-ahead log to read.
    pub bytes_total: u64,
    /// What is read: a store, or `write-ahead log`.
    pub what: &'static str,
}

/// Why nothing could be verified. Everything else is a [`Finding`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing of a Logstore in the folder.
    #[error("{0} is neither a Logstore nor an export of one: it has no seal; check the path")]
    NotALogstore(PathBuf),
    /// There is no digest in the folder.
    #[error(
        "{0} is no copy that a mirror made: it has no digests; name the folder that holds `seal`, below the prefix"
    )]
    NotAMirror(PathBuf),
    /// The folder has another format.
    #[error("{path} has format {found}, this version verifies format {FORMAT}; use the version that goes with it")]
    Version {
        /// The file that says so.
        path: PathBuf,
        /// The format found.
        found: u64,
    },
    /// The checkpoint kept elsewhere cannot be used.
    #[error("the checkpoint kept elsewhere is refused: {0}; give the file of a checkpoint of this Logstore")]
    Checkpoint(&'static str),
}

/// Verifies a data directory or an export. `progress` is called now and then.
///
/// A directory may be written to meanwhile; then it is verified as of one moment.
///
/// # Errors
/// [`Error`] when there is nothing to verify. Whatever is wrong with what is there is in the [`Report`].
pub fn verify(request: &Request<'_>, progress: &mut dyn FnMut(Progress)) -> Result<Report, Error> {
    let disk = Disk::new(request.dir.to_path_buf());
    let kept = request.checkpoint.map(|bytes| open_checkpoint(request.key, bytes)).transpose();
    let kept = kept.map_err(Error::Checkpoint)?;
    if request.mirror {
        if disk.files("seal/digest").map_or(true, |files| files.is_empty()) {
            return Err(Error::NotAMirror(request.dir.to_path_buf()));
        }
        return Ok(mirror::verify(Context::new(request, disk, progress), kept.as_ref()));
    }
    if disk.has("export.json") {
        return export::verify(Context::new(request, disk, progress), kept.as_ref());
    }
    let sealed = disk.has("state.json") || disk.has("format.json") || disk.has("seal/checkpoint");
    if !sealed && disk.files("seal/digest").map_or(true, |files| files.is_empty()) {
        return Err(Error::NotALogstore(request.dir.to_path_buf()));
    }
    directory::check_version(&disk, request.dir)?;
    for _ in 1..ATTEMPTS {
        let (report, moved) = directory::verify(Context::new(request, disk.clone(), progress), kept.as_ref());
        if report.ok || !moved {
            return Ok(report);
        }
    }
    let (mut report, moved) = directory::verify(Context::new(request, disk, progress), kept.as_ref());
    if !report.ok && moved {
        report.note("the Logstore was written to meanwhile: a finding may come from that; verify again when it rests");
    }
    Ok(report)
}

/// The text of a checkpoint note, read.
fn open_checkpoint(key: &VerifierKey, bytes: &[u8]) -> Result<Checkpoint, &'static str> {
    let text = key.open(bytes)?;
    Checkpoint::parse(text, key.name()).ok_or("it is signed, but it is not a checkpoint of this trail")
}

/// What every part of a verification needs.
pub(crate) struct Context<'a> {
    pub(crate) disk: Disk,
    pub(crate) key: &'a VerifierKey,
    pub(crate) threads: usize,
    pub(crate) report: Report,
    meter: Progress,
    progress: &'a mut dyn FnMut(Progress),
}

impl<'a> Context<'a> {
    fn new(request: &Request<'a>, disk: Disk, progress: &'a mut dyn FnMut(Progress)) -> Self {
        let report = Report::new(request.key.id());
        let meter = Progress { bytes_done: 0, bytes_total: 0, what: STORES[0] };
        Self { disk, key: request.key, threads: request.threads.clamp(1, 64), report, meter, progress }
    }

    /// Bytes that will be read.
    pub(crate) fn expect(&mut self, bytes: u64) {
        self.meter.bytes_total = self.meter.bytes_total.saturating_add(bytes);
    }

    /// Bytes that were read.
    pub(crate) fn done(&mut self, what: &'static str, bytes: u64) {
        self.meter.what = what;
        self.meter.bytes_done = self.meter.bytes_done.saturating_add(bytes);
        self.meter.bytes_total = self.meter.bytes_total.max(self.meter.bytes_done);
        (self.progress)(self.meter);
    }
}
