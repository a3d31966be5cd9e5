//! Can the data directory be used, is it closed to others, and does the Logstore take records?

use super::super::evidence::Evidence;
use super::super::{Ailment, Finding};

pub(super) fn look(evidence: &Evidence) -> Vec<Finding> {
    let local = &evidence.local;
    let mut found = Vec::new();
    let mut say = |ailment, what: String| found.push(Finding::new("data_dir", super::disk::HERE, ailment, what));
    if let Some(why) = &local.unusable {
        say(Ailment::DataDir, format!("data_dir {}: {why}", local.dir.display()));
    }
    if let Some(mode) = local.mode.filter(|mode| local.exists && mode & 0o077 != 0) {
        say(Ailment::OpenDataDir, format!("data_dir {} has mode {mode:04o}", local.dir.display()));
    }
    if local.enabled == Some(false) {
        say(Ailment::Disabled, format!("the Logstore in {} is disabled", local.dir.display()));
    }
    found
}
