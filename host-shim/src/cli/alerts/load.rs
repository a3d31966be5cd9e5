//! Reads rule folders: the files of a folder and of those below it, within bounds.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use innertrail_alerts::{Bundle, Fault, RuleSet};

use super::super::Failure;
use super::super::args::RulesArg;

/// Most files of a folder.
const MOST_FILES: usize = 10_000;

/// Longest file that is read, bytes. The crate refuses what is longer than half of it with its place.
const LONGEST: u64 = 2 << 20;

/// The rules of a command.
pub(super) struct Loaded {
    pub(super) set: Arc<RuleSet>,
    /// What is broken; no other rule is stopped by it.
    pub(super) faults: Vec<Fault>,
    pub(super) bundles: Vec<Bundle>,
}

/// Loads the built-in pack and the folders of the command line.
pub(super) fn load(args: &RulesArg) -> Result<Loaded, Failure> {
    let mut bundles = Vec::new();
    if !args.no_pack {
        bundles.push(Bundle::built_in());
    }
    for folder in &args.rules {
        let mut files = Vec::new();
        find(folder, "", &mut files)?;
        if files.is_empty() {
            let message = "no .yml file in this folder; a rule is a file such as my-rule.yml";
            return Err(Failure::Usage(anyhow!("{}: {message}", folder.display())));
        }
        files.sort();
        bundles.push(Bundle::new(&format!("{}/", folder.display()), files));
    }
    let files: Vec<(&str, &str)> = bundles.iter().flat_map(Bundle::rules).collect();
    let parameters: BTreeMap<String, Vec<String>> = args.parameters.iter().cloned().collect();
    let (set, mut faults) = RuleSet::load(&files, &parameters);
    faults.extend(bundles.iter().flat_map(|bundle| bundle.faults().to_vec()));
    Ok(Loaded { set: Arc::new(set), faults, bundles })
}

/// The `.yml` files below a folder. Hidden ones and links to folders are left out, so the way cannot go in a circle.
fn find(folder: &Path, within: &str, files: &mut Vec<(String, String)>) -> Result<(), Failure> {
    let failed = |path: &Path, error: &io::Error| Failure::Usage(anyhow!("{}: {error}", path.display()));
    for entry in fs::read_dir(folder).map_err(|e| failed(folder, &e))? {
        let entry = entry.map_err(|e| failed(folder, &e))?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(|e| failed(&path, &e))?.is_dir() {
            find(&path, &format!("{within}{name}/"), files)?;
        } else if name.ends_with(".yml") || name.ends_with(".yaml") {
            if files.len() >= MOST_FILES {
                let message = format!("more than {MOST_FILES} files; is this a folder of rules?");
                return Err(Failure::Usage(anyhow!("{}: {message}", folder.display())));
            }
            files.push((format!("{within}{name}"), read(&path).map_err(|e| failed(&path, &e))?));
        }
    }
    Ok(())
}

/// The text of a file. What is not UTF-8 in it is replaced, and stands out where the rule is read.
fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
