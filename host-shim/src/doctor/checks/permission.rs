//! May these credentials read what they are to read?

use super::super::evidence::{Answer, Evidence};
use super::super::{Ailment, Finding};

pub(super) fn look(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &evidence.sources {
        let Some(answer @ Answer::Said { code, message, .. }) = &source.read else { continue };
        let denied = match code.as_str() {
            "AccessDenied" => !message.contains("must be addressed using the specified endpoint"),
            // Log Service uses the code for a bill too, which is the account's check.
            "Unauthorized" => !message.to_lowercase().contains("has been forbidden"),
            _ => false,
        };
        if denied {
            found.push(Finding::new("permission", &source.name, Ailment::NoRight, answer.told()));
        }
    }
    found
}
