//! What evaluation remembers over a restart: one file of the data directory, `alerts-state.json`.
//!
//! It is written anew beside and renamed, synced both, and only after every entry that it takes for made is durable. What
//! was entered after it was written is found in the journal from [`Kept::learn`] on. It is outside the seal and proves
//! nothing. It must never be believed when it is damaged: then evaluation begins anew at the end, and that is told.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use innertrail_alerts::{Groups, State};
use serde::{Deserialize, Serialize};

use crate::checked_file;

/// The file in the data directory.
pub(super) const FILE: &str = "alerts-state.json";
/// Version of its form.
const VERSION: u32 = 1;
/// No such file is longer, bytes.
const MOST_BYTES: u64 = 1 << 30;

/// Everything that is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    version: u32,
    /// First record of the dedicated Logstore that was not looked at.
    pub(super) log: u64,
    /// First entry of the journal that was not looked at.
    pub(super) journal: u64,
    /// From this entry of the journal on there may be alerts that this does not know.
    pub(super) learn: u64,
    /// What correlations remember.
    pub(super) engine: State,
    /// What scheduled rules remember.
    pub(super) scheduled: BTreeMap<String, Groups>,
    /// Counts since evaluation began.
    pub(super) counts: Counts,
}

/// Counts since evaluation began, and the last alert.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Alerts by level.
    pub fired: BTreeMap<String, u64>,
    /// Alerts that are over.
    pub resolved: u64,
    /// Records that retention dropped before they were looked at.
    pub missed: u64,
    /// Runs of scheduled rules that failed.
    pub failed_runs: u64,
    /// The last alert: when, its id and rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Last>,
}

/// The last alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// When, microseconds UTC.
    pub at_us: i64,
    /// Its id.
    pub alert: String,
    /// The rule.
    pub rule: String,
    /// How grave.
    pub level: String,
}

/// What was found in a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing: it was never evaluated here.
    Nothing,
    /// Something that cannot be used, and why.
    Unusable(String),
    /// What was remembered.
    Sound(Box<Kept>),
}

impl Kept {
    /// Nothing looked at yet, from these positions on.
    pub(super) fn begin(log: u64, journal: u64) -> Self {
        Self { version: VERSION, log, journal, learn: journal, ..Self::default() }
    }

    /// Reads the file.
    pub(super) fn read(dir: &Path) -> Found {
        let body = match checked_file::read(&dir.join(FILE), MOST_BYTES) {
            checked_file::Found::Nothing => return Found::Nothing,
            checked_file::Found::Unusable(why) => return Found::Unusable(why),
            checked_file::Found::Body(body) => body,
        };
        match serde_json::from_slice::<Version>(&body).map(|found| found.version) {
            Ok(VERSION) => {}
            Ok(found) => return Found::Unusable(format!("it is of version {found}, this program knows {VERSION}")),
            Err(e) => return Found::Unusable(format!("it is damaged: {e}")),
        }
        match serde_json::from_slice::<Self>(&body) {
            Ok(kept) if kept.engine.version == innertrail_alerts::STATE_VERSION => Found::Sound(Box::new(kept)),
            Ok(kept) => Found::Unusable(format!("what correlations remember is of version {}", kept.engine.version)),
            Err(e) => Found::Unusable(format!("it is damaged: {e}")),
        }
    }

    /// Writes the file, durably.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        checked_file::write(&dir.join(FILE), &serde_json::to_vec(self)?)
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_what_is_damaged_does_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Kept::read(dir.path()), Found::Nothing);
        let mut kept = Kept::begin(7, 3);
        kept.engine.version = innertrail_alerts::STATE_VERSION;
        kept.counts.fired.insert("high".to_owned(), 5);
        kept.write(dir.path()).unwrap();
        kept.write(dir.path()).unwrap();
        assert_eq!(Kept::read(dir.path()), Found::Sound(Box::new(kept.clone())));
        let path = dir.path().join(FILE);
        let sound = fs::read(&path).unwrap();
        // Each byte that changes, and each place where it may be cut.
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert!(matches!(Kept::read(dir.path()), Found::Unusable(_)), "byte {at}");
            fs::write(&path, &sound[..at]).unwrap();
            assert!(matches!(Kept::read(dir.path()), Found::Unusable(_)), "cut at {at}");
        }
        kept.version = 9;
        kept.write(dir.path()).unwrap();
        let Found::Unusable(why) = Kept::read(dir.path()) else { panic!("it was read") };
        assert_eq!(why, "it is of version 9, this program knows 1");
    }
}
