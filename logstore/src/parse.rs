//! The format parser, for who verifies: the shapes of files and frames, and nothing about hashes or signatures.
//! It must never compute a hash: a verifier that shares the writer's arithmetic would share its mistakes.

use std::path::Path;

use crate::frame::{self, HEADER};
pub use crate::segment::SegmentRef;
use crate::store::STORES;
use crate::wal::{self, WalReader};
use crate::{Error, Store, format, segment};

/// The part of a frame header that the chain covers.
pub const CHAINED: std::ops::Range<usize> = frame::CHAINED;

/// Content of `state.json` as far as a verifier needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The newest generation whose rows are all in segments.
    pub generation: u64,
    /// Rows of each store, in the order of [`Store::ALL`].
    pub next_seq: [u64; STORES],
    /// First row of each store that retention has left.
    pub kept: [u64; STORES],
    /// Number of the digest that goes with this state.
    pub digest: u64,
    /// The chain after the last frame of `generation`.
    pub chain: [u8; 32],
    /// Partial tiles of each store's tree, level 0 first, hashes back to back.
    pub trees: [Vec<Vec<u8>>; STORES],
}

/// Parses the content of `state.json`; `path` is for errors. Checks its form and its checksum.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Version`].
pub fn state(path: &Path, bytes: &[u8]) -> Result<State, Error> {
    let format::Sealed { generation, state, kept, digest, chain, trees } = format::Sealed::decode(path, bytes)?;
    Ok(State { generation, next_seq: state.next_seq, kept, digest, chain, trees })
}

/// Name of the trail in `format.json`.
///
/// # Errors
/// [`Error::NotALogstore`], [`Error::Corrupt`], [`Error::Version`].
pub fn trail(dir: &Path) -> Result<String, Error> {
    let format = format::Format::read(dir)?;
    Ok(format.ok_or_else(|| Error::NotALogstore { path: dir.to_path_buf() })?.trail)
}

/// Every file of a store that is named like a segment, in sequence order.
///
/// # Errors
/// [`Error::Read`].
pub fn segments(dir: &Path, store: Store) -> Result<Vec<SegmentRef>, Error> {
    segment::list(dir, store)
}

/// The generations of the write-ahead log that have a file, ascending.
///
/// # Errors
/// [`Error::Read`].
pub fn generations(dir: &Path) -> Result<Vec<u64>, Error> {
    wal::list(dir)
}

/// A write-ahead log, frame by frame. Checksums are checked.
#[derive(Debug)]
pub struct Wal(WalReader);

impl Wal {
    /// Opens a generation; `None` when there is no such file.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Read`].
    pub fn open(dir: &Path, generation: u64) -> Result<Option<Self>, Error> {
        Ok(WalReader::open(dir, generation)?.map(Self))
    }

    /// The next good frame; `None` at the end, or at bytes that are no good frame and that no good frame follows.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a bad frame with a good one after it, [`Error::Read`].
    #[expect(clippy::should_implement_trait, reason = "it can fail, and goes on after the end")]
    pub fn next(&mut self) -> Result<Option<Frame>, Error> {
        Ok(self.0.next()?.map(Frame))
    }

    /// Bytes of the file behind the last good frame.
    #[must_use]
    pub fn bytes_left(&self) -> u64 {
        self.0.len().saturating_sub(self.0.offset())
    }

    /// Where the next frame begins.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.0.offset()
    }
}

/// One frame whose checksums hold.
#[derive(Debug)]
pub struct Frame(frame::Frame);

impl Frame {
    /// Its header, all 128 bytes.
    #[must_use]
    pub fn head(&self) -> &[u8; HEADER] {
        &self.0.head
    }

    /// Number of the frame in its file, from 0.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.header.number
    }

    /// Append time in microseconds UTC.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        self.0.header.now_us
    }

    /// The rows of a store with their sequence numbers; `None` in place of a row that does not fit.
    pub fn rows(&self, store: Store) -> impl Iterator<Item = Option<(u64, &[u8])>> {
        self.0.rows(store)
    }

    /// Checkpoints and counters, as they stand in the frame.
    #[must_use]
    pub fn meta(&self) -> &[u8] {
        self.0.meta_bytes()
    }

    /// The signed checkpoint after this frame.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        self.0.note()
    }
}
