//! Can every alert rule be evaluated that the configuration names?

use super::super::evidence::Evidence;
use super::super::{Ailment, Finding};
use super::disk::HERE;

pub(super) fn look(evidence: &Evidence) -> Vec<Finding> {
    let broken = evidence.local.broken_rules.iter();
    broken.map(|fault| Finding::new("rules", HERE, Ailment::BrokenRule, fault.clone())).collect()
}
