//! May these credentials delete the source? They must not: who takes over this machine could then destroy the evidence.
//!
//! Rights are looked at before the thing itself is, so a thing that is not there tells: denied means no right, not found
//! (or, for OSS, done) means the right is there. A right to exactly one named thing, and no other, is not seen this way.

use super::super::evidence::{Answer, Evidence};
use super::super::{Ailment, Finding};

pub(super) fn look(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &evidence.sources {
        let Some(answer) = &source.deletion else { continue };
        let (ailment, what) = match answer {
            Answer::Said { code, .. } if code == "AccessDenied" || code == "Unauthorized" => continue,
            Answer::Said { status: 200..=299 | 404, .. } => (
                Ailment::MayDelete,
                "the service would let these credentials delete: it refused no right when asked to \
                 delete a thing that is not there",
            ),
            _ => (Ailment::DeletionUnknown, "whether these credentials may delete could not be told"),
        };
        found.push(Finding::new("deletion", &source.name, ailment, format!("{what} ({})", answer.told())));
    }
    found
}
