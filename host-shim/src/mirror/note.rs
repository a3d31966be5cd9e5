//! What the mirror remembers and what `status` shows of it: a small file beside the Logstore, `mirror.json`, written anew as
//! things change.
//!
//! It is outside the seal and proves nothing. Lost, it costs questions to the bucket and no copy. Must never be what decides
//! that something need not be copied without the bucket's having said so once.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::{fs, io::ErrorKind};

use innertrail_query::terminal_safe;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::lifecycle::day::{rfc3339, told};
use crate::lifecycle::sources::Cause;

/// The file in the data directory.
const FILE: &str = "mirror.json";
/// No such file is longer, bytes: it holds at most [`MOST_CONFLICTS`].
const MOST_BYTES: u64 = 1 << 20;
/// Most conflicts that are named; more are counted.
pub(super) const MOST_CONFLICTS: usize = 100;
/// A run without news for so long is not there any more, microseconds.
const STALE_US: i64 = 15_000_000;

/// Everything that is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// When, microseconds UTC.
    pub(super) at_us: i64,
    /// How far it is.
    pub(super) progress: Progress,
    /// What it said of itself last.
    pub(super) said: Said,
}

/// How far the mirror is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Everything up to this digest is there.
    pub(super) digest: u64,
    /// Up to this digest files may lie there that nobody remembers.
    #[serde(default)]
    pub(super) unsure_to: u64,
    /// The layout that was copied last, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<String>,
    /// Generation and frames of the checkpoint that was copied last, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) checkpoint: Option<(u64, u64, i64)>,
    /// Why the bucket's account stood still, as the journal has it last; none when the journal has its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) paused: Option<Cause>,
    /// Files that could not be copied as they are, by their place.
    #[serde(default)]
    pub(super) conflicts: BTreeMap<String, Conflict>,
    /// Files that retention dropped before they were copied, and whether the journal has them.
    #[serde(default)]
    pub(super) missed: Missed,
}

/// A file that is not in the bucket as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Conflict {
    /// What is wrong.
    pub(super) why: String,
    /// Since when, microseconds UTC.
    pub(super) at_us: i64,
    /// Whether the journal has it.
    pub(super) entered: bool,
}

/// Files that were never copied and never will be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Missed {
    /// How many.
    pub(super) files: u64,
    /// How many of them are in the journal.
    pub(super) entered: u64,
    /// The digest that names the last of them.
    pub(super) digest: u64,
}

/// What the mirror says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Where it copies to: `oss://bucket/prefix/`.
    pub target: String,
    /// `starting`, `running`, `caught_up`, `waiting`, `stopped`, `failed`; `unknown` when its run broke off.
    pub state: String,
    /// Since when, microseconds UTC.
    pub since_us: i64,
    /// Whose turn it is, while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Why it waits or failed: may hold the service's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The latest moment at which the provider deletes the whole copy, microseconds UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_dies_us: Option<i64>,
    /// Everything up to this digest is there.
    pub digest: u64,
    /// Files that digests name and that are not there yet.
    pub behind_files: u64,
    /// When the oldest of them was sealed, microseconds UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_us: Option<i64>,
    /// Objects put since the run began.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that lay there already with the same content, since then.
    pub found: u64,
    /// Objects that lay there already and could not be compared, since then: the credentials may not read.
    pub unseen: u64,
    /// What had to be tried again since then.
    pub failures: u64,
    /// Files that are not there as they were sealed.
    pub conflicts: u64,
    /// The first of them, and what is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<String>,
    /// Files that retention dropped before they were copied.
    pub missed: u64,
    /// When the bucket last took or showed something, microseconds UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_us: Option<i64>,
}

impl Note {
    /// Of a mirror that has not looked at anything yet.
    pub(super) fn starting(said: Said) -> Self {
        Self { at_us: said.since_us, progress: Progress::default(), said }
    }

    /// What is remembered of this target. What cannot be read, or is of another target, is not remembered.
    pub(super) fn of_target(dir: &Path, target: &str) -> Option<Self> {
        Self::load(dir).filter(|note| note.said.target == target)
    }

    fn load(dir: &Path) -> Option<Self> {
        let path = dir.join(FILE);
        let fits = fs::metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() <= MOST_BYTES);
        let bytes = fits.then(|| fs::read(path).ok()).flatten()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Written beside and renamed: a reader sees the old or the new. Not synced: a crash of the machine may lose it.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let half = dir.join("mirror.json.new");
        match fs::remove_file(&half) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(half, dir.join(FILE))
    }

    /// The same as of now. One that cannot be written loses nothing but what `status` shows, and costs questions at the next
    /// start; why is shown where it can be.
    pub(super) fn write_now(&mut self, dir: &Path) {
        self.at_us = clock::now_us();
        if let Err(e) = self.write(dir) {
            self.said.why = Some(format!("{FILE} cannot be written: {e}"));
        }
    }

    /// What a data directory's mirror is doing, or was when its run ended.
    pub(crate) fn read(dir: &Path, now_us: i64) -> Option<Said> {
        let Self { at_us, mut said, .. } = Self::load(dir)?;
        if now_us.saturating_sub(at_us) > STALE_US && !matches!(said.state.as_str(), "stopped" | "failed") {
            said.why = Some(format!("its run broke off; it was {}", said.told()));
            (said.state, said.since_us, said.cause) = ("unknown".to_owned(), at_us, None);
        }
        Some(said)
    }
}

impl Said {
    /// State, since when and why, for people.
    #[must_use]
    pub fn told(&self) -> String {
        let why = self.why.as_ref().map(|why| format!(": {}", terminal_safe(why))).unwrap_or_default();
        let cause = self.cause.filter(|cause| *cause != Cause::Other);
        let cause = cause.map(|cause| format!(", {}", cause.name())).unwrap_or_default();
        format!("{}{cause} since {}{why}", terminal_safe(&self.state), told(self.since_us))
    }

    /// Lines for `status`: name and value.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![("mirror", self.told()), ("  to", terminal_safe(&self.target))];
        let behind = match (self.behind_files, self.oldest_us) {
            (0, _) => format!("all up to digest {}", self.digest),
            (files, Some(oldest)) => format!(
                "all up to digest {}; {files} files behind, the oldest sealed at {}; retention does not wait for them",
                self.digest,
                rfc3339(oldest)
            ),
            (files, None) => format!("all up to digest {}; {files} files behind", self.digest),
        };
        lines.push(("  copied", behind));
        let Self { objects, bytes, found, unseen, failures, .. } = self;
        let unseen =
            if *unseen > 0 { format!(", {unseen} there and not compared (no right to read)") } else { String::new() };
        lines.push((
            "  in that run",
            format!("{objects} put, {bytes} bytes, {found} there already{unseen}, {failures} tried again"),
        ));
        if self.conflicts > 0 {
            let first = self.conflict.as_deref().map(terminal_safe).unwrap_or_default();
            lines.push(("  NOT AS SEALED", format!("{} files, such as {first}", self.conflicts)));
        }
        if self.missed > 0 {
            lines.push(("  NEVER COPIED", format!("{} files: retention dropped them first", self.missed)));
        }
        if let Some(dies) = self.copy_dies_us {
            lines.push(("  copy is deleted", format!("by the provider, by {} at the latest", told(dies))));
        }
        if let Some(at) = self.last_success_us {
            lines.push(("  last success", rfc3339(at)));
        }
        lines
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_392_000_000_000; // 2026-11-23T00:00:00Z

    fn waiting() -> Note {
        let said = Said {
            target: "oss://my-copy/main/".to_owned(),
            state: "waiting".to_owned(),
            since_us: NOW - 3_600_000_000,
            cause: Some(Cause::Overdue),
            why: Some("stopped\u{1b}[2J".to_owned()),
            copy_dies_us: Some(NOW),
            digest: 7,
            behind_files: 12,
            oldest_us: Some(NOW - 7_200_000_000),
            objects: 90,
            bytes: 1_000,
            unseen: 2,
            conflicts: 1,
            conflict: Some("log/x: other".to_owned()),
            missed: 3,
            last_success_us: Some(NOW - 1),
            ..Said::default()
        };
        Note { at_us: NOW, said, progress: Progress { digest: 7, ..Progress::default() } }
    }

    #[test]
    fn status_tells_what_has_to_be_known_and_shows_no_strangers_escapes() {
        let lines: Vec<String> =
            waiting().said.lines().into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        mirror: waiting, overdue since 2026-11-22T23:00:00Z: stopped\u{1b}[2J
          to: oss://my-copy/main/
          copied: all up to digest 7; 12 files behind, the oldest sealed at 2026-11-22T22:00:00Z; retention does not wait for them
          in that run: 90 put, 1000 bytes, 0 there already, 2 there and not compared (no right to read), 0 tried again
          NOT AS SEALED: 1 files, such as log/x: other
          NEVER COPIED: 3 files: retention dropped them first
          copy is deleted: by the provider, by 2026-11-23T00:00:00Z at the latest
          last success: 2026-11-22T23:59:59.999999Z
        ");
    }

    #[test]
    fn it_is_remembered_for_its_target_alone_and_a_run_that_broke_off_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Note::read(dir.path(), NOW), None);
        let note = waiting();
        note.write(dir.path()).unwrap();
        note.write(dir.path()).unwrap();
        assert_eq!(Note::of_target(dir.path(), "oss://my-copy/main/"), Some(note));
        assert_eq!(Note::of_target(dir.path(), "oss://my-copy/other/"), None);
        assert_eq!(Note::read(dir.path(), NOW + STALE_US).unwrap().state, "waiting");
        assert_eq!(Note::read(dir.path(), NOW + STALE_US + 1).unwrap().state, "unknown");
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert_eq!(Note::read(dir.path(), NOW), None);
    }
}
