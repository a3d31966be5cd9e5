//! What a verification found: findings, notes, what was covered; for machines and for people.
//! It must never show a name from the disk as it is: control characters in it would reach a terminal.

use std::fmt::Write as _;

use serde::Serialize;

/// Findings kept in a report; more are only counted.
const MAX_FINDINGS: usize = 1_000;
/// Notes kept in a report.
const MAX_NOTES: usize = 200;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A file that a digest names, or that must be there, is missing.
    MissingFile,
    /// A file cannot be read: no permission, a symbolic link, too long.
    UnreadableFile,
    /// A file is not, byte for byte, the one that was sealed; its records are unchanged or it holds none.
    FileChanged,
    /// A file in a sealed folder that no digest names.
    UnknownFile,
    /// A digest or checkpoint without a genuine signature of the given key.
    Signature,
    /// Digests that are missing, do not name each other, or contradict each other.
    Digest,
    /// `state.json` is not the one its digest names, or cannot be read.
    State,
    /// `format.json` is not the one its digest names, or is of another trail.
    Format,
    /// `seal/seal.vkey` is not the key the caller trusts.
    Key,
    /// One or more records have another content.
    RecordChanged,
    /// Records were taken out of a segment.
    RecordRemoved,
    /// Records were put into a segment.
    RecordInserted,
    /// The records of a segment are in another order.
    RecordReordered,
    /// Records are damaged, and it cannot be told which ones of the range.
    RecordsDamaged,
    /// Parquet that cannot be decoded.
    Undecodable,
    /// Sequence numbers in a segment are not dense.
    Sequence,
    /// Records could not be checked, because what proves them is missing or damaged.
    Unchecked,
    /// A tile does not hold the hashes of its tree.
    Tile,
    /// A frame of the write-ahead log contradicts its signed checkpoint or its own structure.
    Frame,
    /// The write-ahead log is damaged: good frames follow bad bytes.
    WalDamaged,
    /// Bytes after the last good frame: a write cut short by a crash, or damage. It cannot be told which.
    TornOrDamagedTail,
    /// A signed statement speaks of more records than are there.
    Truncated,
    /// A signed statement has another root at a size: two histories under one key.
    Fork,
    /// The proof that an export belongs to a later checkpoint does not hold.
    Consistency,
    /// The index of event ids is damaged, or says another thing than the records. No record is concerned.
    IdIndex,
    /// `export.json` cannot be read or contradicts what it describes.
    Export,
}

/// A range of sequence numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Records {
    /// First sequence number.
    pub first: u64,
    /// Last sequence number.
    pub last: u64,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: Kind,
    /// File concerned, relative to the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Store concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<&'static str>,
    /// Records concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<Records>,
    /// What exactly, for people.
    pub detail: String,
}

impl Finding {
    /// A finding about a whole file.
    pub(crate) fn file(kind: Kind, path: &str, detail: impl AsRef<str>) -> Self {
        Self { kind, path: Some(clean(path)), store: None, records: None, detail: clean(detail.as_ref()) }
    }

    /// A finding about no file.
    pub(crate) fn plain(kind: Kind, detail: impl AsRef<str>) -> Self {
        Self { kind, path: None, store: None, records: None, detail: clean(detail.as_ref()) }
    }

    pub(crate) fn store(mut self, store: &'static str) -> Self {
        self.store = Some(store);
        self
    }

    /// The records `first..end`.
    pub(crate) fn records(mut self, first: u64, end: u64) -> Self {
        self.records = (first < end).then(|| Records { first, last: end - 1 });
        self
    }
}

/// What was verified of one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreReport {
    /// Its name.
    pub name: &'static str,
    /// First sequence number that is still kept.
    pub first: u64,
    /// Records whose content was proved.
    pub verified: u64,
    /// Records ever appended, according to what is here.
    pub size: u64,
    /// Root of its tree at that size, base64; `None` when it could not be computed.
    pub root: Option<String>,
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Nothing is wrong.
    pub ok: bool,
    /// Whether this was an export and not a data directory.
    pub export: bool,
    /// Whether this was a copy that a mirror made.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mirror: bool,
    /// The key everything was checked with: `<name>+<id>`.
    pub key: String,
    /// What is wrong; at most 1,000.
    pub findings: Vec<Finding>,
    /// How many findings there were.
    pub findings_total: u64,
    /// What is worth knowing and not wrong.
    pub notes: Vec<String>,
    /// Per store.
    pub stores: Vec<StoreReport>,
    /// Digests with a genuine signature.
    pub digests: u64,
    /// Segments read.
    pub segments: u64,
    /// Frames of the write-ahead log whose checkpoint was proved.
    pub frames: u64,
    /// Bytes of all records hashed.
    pub raw_bytes: u64,
    /// What was found about `seal/checkpoint`.
    pub checkpoint: CheckpointState,
    /// What was found about the checkpoint kept elsewhere, if one was given.
    pub kept_elsewhere: CheckpointState,
}

/// What a checkpoint turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointState {
    /// There was none.
    #[default]
    Absent,
    /// It speaks of exactly what is here.
    Current,
    /// It speaks of an earlier moment of the same history.
    Earlier,
    /// It could be checked only in part; the notes say why.
    Partly,
    /// It contradicts what is here; the findings say how.
    Contradicts,
}

impl Report {
    pub(crate) fn new(key: String) -> Self {
        Self {
            ok: true,
            export: false,
            mirror: false,
            key,
            findings: Vec::new(),
            findings_total: 0,
            notes: Vec::new(),
            stores: Vec::new(),
            digests: 0,
            segments: 0,
            frames: 0,
            raw_bytes: 0,
            checkpoint: CheckpointState::Absent,
            kept_elsewhere: CheckpointState::Absent,
        }
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        self.ok = false;
        self.findings_total += 1;
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    pub(crate) fn note(&mut self, note: impl AsRef<str>) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(clean(note.as_ref()));
        }
    }

    /// The report for people, one line a fact, ending with a newline.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for finding in &self.findings {
            let place = finding.path.as_deref().or(finding.store).unwrap_or("the seal");
            let records = match finding.records {
                Some(Records { first, last }) if first == last => format!(", record {first}"),
                Some(Records { first, last }) => format!(", records {first} to {last}"),
                None => String::new(),
            };
            let _ = writeln!(out, "WRONG  {place}{records}: {}", finding.detail);
        }
        let more = self.findings_total - self.findings.len() as u64;
        if more > 0 {
            let _ = writeln!(out, "WRONG  {more} more findings are not listed");
        }
        for note in &self.notes {
            let _ = writeln!(out, "note   {note}");
        }
        for store in &self.stores {
            let StoreReport { name, first, verified, size, root } = store;
            let root = root.as_deref().unwrap_or("unknown");
            let _ = writeln!(out, "{name}: {verified} records proved, kept from {first}, size {size}, root {root}");
        }
        let Self { digests, segments, frames, raw_bytes, key, .. } = self;
        let _ = writeln!(out, "{digests} digests, {segments} segments, {frames} frames, {raw_bytes} bytes of records");
        let verdict = if self.ok { "OK" } else { "NOT OK" };
        let _ = writeln!(out, "{verdict}, verified with {key}");
        out
    }
}

/// Control characters (also those that turn the direction of writing) are shown by their number.
fn clean(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}
