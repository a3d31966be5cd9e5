//! Takes input through the real rooms in the real sandbox and keeps nothing: for `innertrail test` and for snapshots.
//!
//! It wires the rooms as `pipeline.rs` does, without a Logstore; it must never decide anything of its own.

mod case;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};

use crate::accounting;
use crate::config::{Config, Source};
use crate::fetch::{self, Files};
use crate::layout;
use crate::runtime::wit::source::{Action, Emitted, File as FileParam, FileBytes, ObjectCheck, Outcome};
use crate::runtime::wit::transform::{Batch, Codec, Encoding, Entry, Frame, Provenance, Route};
use crate::runtime::{LoadedComponent, Reads, Session, Transform};

pub use case::{Case, Expect};

/// What to take through the rooms.
#[derive(Debug, Clone, Copy)]
pub struct Rehearsal<'a> {
    /// A file, or a folder of files.
    pub input: &'a Path,
    /// How it is encoded.
    pub codec: Codec,
    /// Who is said to have given it.
    pub provenance: Provenance,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Found {
    /// Records for the dedicated Logstore.
    pub dedicated: u64,
    /// Records to pass through.
    pub passthrough: u64,
    /// Every entry with its bytes: rows for what an own source gave, verbatim for what an agent gave.
    pub entries: Vec<(Entry, Vec<u8>)>,
    /// Input bytes.
    pub input_bytes: u64,
    /// Bytes between records.
    pub framing_bytes: u64,
    /// Keys that stood twice.
    pub duplicate_keys: u64,
    /// Values that were masked.
    pub redacted: u64,
    /// Object names that were checked.
    pub checks: Vec<ObjectCheck>,
    /// What the source told.
    pub notes: Vec<String>,
}

impl Found {
    /// Records in quarantine, by reason.
    #[must_use]
    pub fn quarantine(&self) -> BTreeMap<String, u64> {
        let mut reasons = BTreeMap::new();
        for reason in self.entries.iter().filter_map(|(entry, _)| entry.reason) {
            *reasons.entry(layout::reason(reason).to_owned()).or_insert(0) += 1;
        }
        reasons
    }

    /// Whether every input byte is accounted for.
    #[must_use]
    pub fn conserved(&self) -> bool {
        let entries: u64 = self.entries.iter().map(|(entry, _)| u64::from(entry.consumed)).sum();
        entries + self.framing_bytes == self.input_bytes
    }
}

/// Runs it.
///
/// # Errors
/// Files that cannot be read, and whatever the component does wrong.
pub fn run(component: &LoadedComponent, config: &Config, rehearsal: &Rehearsal<'_>) -> anyhow::Result<Found> {
    let mut transform = Transform::open(component, &config.transform_json())?;
    let mut found = Found::default();
    if rehearsal.provenance == Provenance::OwnSource && rehearsal.codec == Codec::Actiontrail {
        source(component, config, rehearsal, &mut transform, &mut found)?;
    } else {
        let data = fs::read(rehearsal.input).with_context(|| rehearsal.input.display().to_string())?;
        agent(rehearsal, &data, &mut transform, &mut found)?;
    }
    Ok(found)
}

/// The source role: the file source cuts, the transform routes.
fn source(
    component: &LoadedComponent,
    config: &Config,
    rehearsal: &Rehearsal<'_>,
    transform: &mut Transform,
    found: &mut Found,
) -> anyhow::Result<()> {
    let config = with_source(config, rehearsal.input)?;
    let mut session = Session::open(component, &config.source_json("test").unwrap_or_default(), &[], Reads::Files)?;
    let mut files = Files::default();
    let mut actions = session.step(Outcome::Started(0))?;
    loop {
        let mut last = None;
        for action in actions {
            match action {
                Action::Emit(emitted) => emit(rehearsal, &emitted, transform, found)?,
                Action::Checked(check) => found.checks.push(check),
                Action::Note(note) => found.notes.push(note),
                Action::State(_) => {}
                Action::Finish => return Ok(()),
                other => last = Some(other),
            }
        }
        actions = match last {
            Some(Action::ListFiles((include, exclude))) => {
                let (listed, _) = fetch::list(&include, &exclude).map_err(|e| anyhow!(e))?;
                // Neither times nor inodes: a rehearsal is the same on every machine.
                let params: Vec<_> = listed
                    .iter()
                    .map(|f| FileParam { path: &f.path, size: f.size, modified_ms: 0, identity: "" })
                    .collect();
                session.step(Outcome::Files(&params))?
            }
            Some(Action::ReadFile(read)) => {
                let (data, end) = files.read(Path::new(&read.path), read.offset, read.max_bytes)?;
                session.step(Outcome::Bytes(FileBytes { data, end }))?
            }
            _ => session.step(Outcome::Woke(0))?,
        };
    }
}

fn with_source(config: &Config, input: &Path) -> anyhow::Result<Config> {
    let text = |path: &Path| path.to_str().map(glob::Pattern::escape).ok_or_else(|| anyhow!("the path is not UTF-8"));
    let include = if input.is_dir() { format!("{}/**/*", text(input)?) } else { text(input)? };
    let mut source = crate::config::FileSource::of(vec![include]);
    source.follow = false;
    let mut config = config.clone();
    config.sources.insert("test".to_owned(), Source::File(source));
    Ok(config)
}

fn emit(
    rehearsal: &Rehearsal<'_>,
    emitted: &Emitted,
    transform: &mut Transform,
    found: &mut Found,
) -> anyhow::Result<()> {
    let frames: Vec<Frame> = emitted.frames.iter().map(accounting::frame).collect();
    // The file's name alone: where a checkout lies must not change a snapshot.
    let origin = file_name(&emitted.origin);
    found.input_bytes += emitted.input_bytes;
    found.framing_bytes += emitted.input_bytes - emitted.data.len() as u64;
    collect(rehearsal, origin, &emitted.data, &frames, Encoding::Row, transform, found)
}

/// The transform role, without keys: no seal mark is valid.
fn agent(rehearsal: &Rehearsal<'_>, data: &[u8], transform: &mut Transform, found: &mut Found) -> anyhow::Result<()> {
    let frame = |end: usize, offset: usize| -> anyhow::Result<Frame> {
        Ok(Frame { end: u32::try_from(end)?, offset: offset as u64, fault: None })
    };
    let mut frames = Vec::new();
    if rehearsal.codec == Codec::Native {
        frames.push(frame(data.len(), 0)?);
    } else {
        let mut start = 0;
        for line in data.split_inclusive(|b| *b == b'\n') {
            frames.push(frame(start + line.len(), start)?);
            start += line.len();
        }
    }
    found.input_bytes = data.len() as u64;
    collect(rehearsal, "input", data, &frames, Encoding::Verbatim, transform, found)
}

fn collect(
    rehearsal: &Rehearsal<'_>,
    origin: &str,
    data: &[u8],
    frames: &[Frame],
    encoding: Encoding,
    transform: &mut Transform,
    found: &mut Found,
) -> anyhow::Result<()> {
    let batch = Batch {
        provenance: rehearsal.provenance,
        source: "test",
        origin,
        codec: rehearsal.codec,
        data,
        frames,
        sealed: &[],
    };
    let routed = transform.run(&batch, encoding)?;
    let mut start = 0;
    for entry in &routed.entries {
        let end = entry.end as usize;
        found.entries.push((*entry, routed.data[start..end].to_vec()));
        match entry.route {
            Route::Dedicated => found.dedicated += 1,
            Route::Passthrough => found.passthrough += 1,
            Route::Quarantine => {}
        }
        start = end;
    }
    found.framing_bytes += routed.framing_bytes;
    found.duplicate_keys += routed.duplicate_keys;
    found.redacted += routed.redacted;
    Ok(())
}

/// The last part of a path.
#[must_use]
pub fn file_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|n| n.to_str()).unwrap_or_default()
}
