//! `innertrail alerts test`.

use innertrail_alerts::fixture::{self, Tested};
use innertrail_query::terminal_safe;
use serde_json::json;

use super::super::args::{AlertsTestArgs, Format};
use super::super::{Outcome, json_safe, print};
use super::load;
use crate::exit;

pub(super) fn run(args: &AlertsTestArgs) -> Outcome {
    let loaded = load::load(&args.rules)?;
    let built_in = innertrail_alerts::Bundle::built_in();
    let mut faults = loaded.faults;
    let mut cases = Vec::new();
    for bundle in &loaded.bundles {
        let (found, more) = fixture::cases(&loaded.set, &bundle.fixtures(), &built_in.fixtures());
        cases.extend(found);
        faults.extend(more);
    }
    let tested = fixture::run(&loaded.set, cases);
    let without: Vec<&str> = loaded
        .set
        .firing()
        .map(|rule| rule.name.as_str())
        .filter(|name| !tested.iter().any(|t| t.case.rule == *name))
        .collect();
    let failed = tested.iter().filter(|t| !t.passed).count();
    print(&match args.format {
        Format::Json => json_safe(&format!("{:#}", document(&tested, &without, &faults))),
        Format::Text => text(&tested, &without, loaded.set.firing().count()),
    })?;
    Ok(match (super::broken(&faults), failed) {
        (exit::OK, 0) => exit::OK,
        (exit::OK, _) => exit::FOUND,
        (code, _) => code,
    })
}

fn document(tested: &[Tested], without: &[&str], faults: &[innertrail_alerts::Fault]) -> serde_json::Value {
    let cases: Vec<_> = tested
        .iter()
        .map(|t| {
            json!({
                "rule": t.case.rule,
                "fires": t.case.fires,
                "about": t.case.about,
                "events": t.case.events.len(),
                "file": t.case.file,
                "line": t.case.at.line,
                "column": t.case.at.column,
                "passed": t.passed,
                "detail": t.detail,
            })
        })
        .collect();
    json!({ "cases": cases, "without_fixtures": without, "broken": faults })
}

fn text(tested: &[Tested], without: &[&str], rules: usize) -> String {
    let mut out = String::new();
    for t in tested.iter().filter(|t| !t.passed) {
        let (at, case) = (t.case.at, &t.case);
        let line = format!("{}:{}:{}: {}: {} ({})", case.file, at.line, at.column, case.rule, t.detail, case.about);
        out += &format!("FAILED  {}\n", terminal_safe(&line));
    }
    if !without.is_empty() {
        out += &format!("without fixtures: {}\n", terminal_safe(&without.join(", ")));
    }
    let failed = tested.iter().filter(|t| !t.passed).count();
    out + &format!("{rules} rules, {} fixtures passed, {failed} failed\n", tested.len() - failed)
}
