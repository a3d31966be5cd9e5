//! `innertrail doctor`: is everything there that a run needs, and is anything there that it must not have?
//!
//! Three steps that do not mix: [`evidence`] asks the services and the machine and judges nothing; [`checks`], one file
//! each, judge the evidence and ask nothing; [`treatment`] says what to do about a finding. No step may change anything:
//! what is asked of a service reads, or cannot succeed.

mod checks;
pub mod deliveries;
pub mod evidence;
mod treatment;

use serde::Serialize;

use deliveries::Delivery;
use evidence::Evidence;
pub use treatment::Ailment;

/// How bad a finding is. Every finding makes the exit code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It works, and should not stay so.
    Risk,
    /// Something does not work, or will not for long.
    Problem,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check found it.
    pub check: &'static str,
    /// The source, or `this machine`.
    pub subject: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub ailment: Ailment,
    /// The particulars. Holds text of services: hostile.
    pub what: String,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Finding {
    fn new(check: &'static str, subject: &str, ailment: Ailment, what: String) -> Self {
        let (severity, remedy) = (ailment.severity(), ailment.remedy());
        Self { check, subject: subject.to_owned(), severity, ailment, what, remedy }
    }
}

/// What the checks came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Every check that was made, with the number of its findings.
    pub checks: Vec<(&'static str, usize)>,
    /// The findings, worst first.
    pub findings: Vec<Finding>,
    /// The ways out: where each stands, and what it can promise.
    pub deliveries: Vec<Delivery>,
}

/// Has every check look at the evidence.
#[must_use]
pub fn diagnose(evidence: &Evidence) -> Diagnosis {
    let (checks, findings) = (Vec::new(), Vec::new());
    let mut diagnosis = Diagnosis { checks, findings, deliveries: evidence.deliveries.clone() };
    for (name, check) in checks::ALL {
        let found = check(evidence);
        diagnosis.checks.push((name, found.len()));
        diagnosis.findings.extend(found);
    }
    diagnosis.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    diagnosis
}
