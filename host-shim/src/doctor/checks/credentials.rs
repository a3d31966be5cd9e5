//! Are there credentials, are they short-lived, and do they last?

use super::super::evidence::Evidence;
use super::super::{Ailment, Finding};

/// A key older than this is to be replaced, seconds: 90 days.
const OLD_S: u64 = 90 * 86_400;
/// Temporary credentials are renewed well before this is left, seconds.
const SOON_S: i64 = 120;

pub(super) fn look(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &evidence.sources {
        let Some(report) = &source.credentials else { continue };
        let mut say = |ailment, what| found.push(Finding::new("credentials", &source.name, ailment, what));
        let provider = report.provider;
        if !report.usable {
            let why = report.last_error.clone().unwrap_or_else(|| "no reason was given".to_owned());
            say(Ailment::NoCredentials, format!("{provider}: {why}"));
            continue;
        }
        if !report.temporary {
            say(Ailment::LongLivedKey, format!("{provider}: a long-lived access key is used"));
        }
        if let Some(expires) = report.expires_in_s.filter(|left| *left < SOON_S) {
            say(Ailment::CredentialsExpire, format!("{provider}: they expire in {expires} s"));
        }
        if let Some(age) = source.key_file_age_s.filter(|age| *age > OLD_S && !report.temporary) {
            say(Ailment::OldKey, format!("the key in the file is at least {} days old", age / 86_400));
        }
    }
    found
}
