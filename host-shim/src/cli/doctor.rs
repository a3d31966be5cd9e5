//! `innertrail doctor`: what is wrong around a run, and what to do about it.

use std::fmt::Write as _;
use std::io;

use innertrail_query::terminal_safe;

use super::args::{DoctorArgs, Format};
use super::{Outcome, json_safe, print};
use crate::config::Config;
use crate::doctor::deliveries::Delivery;
use crate::doctor::evidence::Evidence;
use crate::doctor::{Diagnosis, Severity, diagnose};
use crate::exit;

pub(super) fn run(args: &DoctorArgs) -> Outcome {
    let mut config = Config::load(args.config.path())?;
    if let Some(dir) = &args.data_dir {
        config.data_dir.clone_from(dir);
    }
    let diagnosis = diagnose(&Evidence::gather(&config, args.offline));
    match args.format {
        Format::Text => print(&text(&diagnosis))?,
        Format::Json => print(&json_safe(&serde_json::to_string_pretty(&diagnosis).map_err(io::Error::from)?))?,
    };
    Ok(if diagnosis.findings.is_empty() { exit::OK } else { exit::FOUND })
}

fn text(diagnosis: &Diagnosis) -> String {
    let mut out = String::new();
    for (check, found) in &diagnosis.checks {
        let told = if *found == 0 { "fine".to_owned() } else { format!("{found} found") };
        let _ = writeln!(out, "{check:<14}{told}");
    }
    if !diagnosis.deliveries.is_empty() {
        out.push('\n');
    }
    for line in diagnosis.deliveries.iter().flat_map(Delivery::lines) {
        let _ = writeln!(out, "{line}");
    }
    for finding in &diagnosis.findings {
        let severity = match finding.severity {
            Severity::Problem => "PROBLEM",
            Severity::Risk => "RISK",
        };
        let (subject, what) = (terminal_safe(&finding.subject), terminal_safe(&finding.what));
        let _ = write!(out, "\n{severity}  {subject} ({}): {what}\n  remedy: {}\n", finding.check, finding.remedy);
    }
    out
}
