//! `innertrail test`: the user's own events through the real rooms, held against what they expect.
//!
//! A case is a folder with `case.toml` and `input.*`; a folder without one is searched for cases. Nothing is written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use innertrail_query::terminal_safe;

use super::args::TestArgs;
use super::{Failure, Outcome, print};
use crate::config::{Config, ConfigError};
use crate::rehearsal::{Case, Expect};
use crate::runtime::LoadedComponent;
use crate::{exit, setup};

pub(super) fn run(args: &TestArgs) -> Outcome {
    let base = match Config::load(args.config.path()) {
        Ok(config) => config,
        // Without a file of one's own the defaults are tested.
        Err(ConfigError::Unreadable { .. }) if args.config.file.is_none() => {
            Config::default_for_quickstart(Some("main-trail"), vec!["-".to_owned()], None)?
        }
        Err(error) => return Err(error.into()),
    };
    let mut cases = Vec::new();
    for path in &args.paths {
        find(path, &mut cases)?;
    }
    if cases.is_empty() {
        return Err(Failure::Usage(anyhow!(
            "no case.toml below the given paths; a case is a folder with case.toml and input.*"
        )));
    }
    cases.sort();
    let component = setup::component(&base)?;
    let (mut passed, mut failed) = (0, 0);
    for dir in &cases {
        let shown = terminal_safe(&dir.display().to_string());
        match one(&component, &base, dir) {
            Ok(None) => {
                passed += 1;
                print(&format!("ok      {shown}"))?;
            }
            Ok(Some(difference)) => {
                failed += 1;
                print(&format!("FAILED  {shown}\n{difference}"))?;
            }
            Err(error) => {
                failed += 1;
                print(&format!("FAILED  {shown}\n        {error:#}"))?;
            }
        }
    }
    print(&format!("{passed} passed, {failed} failed"))?;
    Ok(if failed == 0 { exit::OK } else { exit::FOUND })
}

fn find(path: &Path, cases: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let at = |e: io::Error| Failure::Usage(anyhow!("{}: {e}", path.display()));
    if path.join("case.toml").is_file() {
        cases.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(at)? {
        let entry = entry.map_err(at)?;
        if entry.file_type().map_err(at)?.is_dir() {
            find(&entry.path(), cases)?;
        }
    }
    Ok(())
}

/// Runs one case. `Some`: how it differs.
fn one(component: &LoadedComponent, base: &Config, dir: &Path) -> anyhow::Result<Option<String>> {
    let case = Case::load(dir)?;
    let found = case.run(component, base, dir)?;
    let got = Expect { dedicated: found.dedicated, passthrough: found.passthrough, quarantine: found.quarantine() };
    let mut differs = String::new();
    if got != case.expect {
        let about = terminal_safe(&case.about);
        differs += &format!("        {about}\n        expected {:?}\n        found    {got:?}", case.expect);
    }
    if !found.conserved() {
        differs += "\n        bytes are missing or counted twice (I7)";
    }
    Ok((!differs.is_empty()).then_some(differs))
}
