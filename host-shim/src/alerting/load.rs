//! Reads rule folders: the files of a folder and of those below it, within bounds. For `run` and for `innertrail alerts`.
//!
//! It must never stop because a rule is broken: that is told with its place, and the others are loaded.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use innertrail_alerts::{Bundle, Fault, RuleSet};

use crate::config::Alerts as Options;

/// Most files of a folder.
const MOST_FILES: usize = 10_000;

/// Longest file that is read, bytes. The crate refuses what is longer than half of it with its place.
const LONGEST: u64 = 2 << 20;

/// Why there are no rules.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A folder or a file cannot be read.
    #[error("{}: {source}; name a folder of rules that can be read", path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is nothing in a folder.
    #[error("{}: no .yml file in this folder; a rule is a file such as my-rule.yml", folder.display())]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// There is too much in a folder.
    #[error("{}: more than {MOST_FILES} files; is this a folder of rules?", folder.display())]
    Many {
        /// The folder.
        folder: PathBuf,
    },
}

/// Which rules.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted<'a> {
    /// Whether the built-in pack is among them.
    pub(crate) pack: bool,
    pub(crate) folders: &'a [PathBuf],
    pub(crate) parameters: BTreeMap<String, Vec<String>>,
    /// Names of rules that are switched off.
    pub(crate) disable: &'a [String],
}

impl<'a> Wanted<'a> {
    /// Those of a configuration.
    pub(crate) fn of(options: &'a Options) -> Self {
        let Options { pack, rules, parameters, disable, .. } = options;
        Self { pack: *pack, folders: rules, parameters: parameters.clone(), disable }
    }
}

/// The rules.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) set: Arc<RuleSet>,
    /// What is broken; no other rule is stopped by it.
    pub(crate) faults: Vec<Fault>,
    pub(crate) bundles: Vec<Bundle>,
}

/// Loads them.
///
/// # Errors
/// [`LoadError`]: a folder that is no folder of rules.
pub(crate) fn load(wanted: &Wanted<'_>) -> Result<Loaded, LoadError> {
    let mut bundles = Vec::new();
    if wanted.pack {
        bundles.push(Bundle::built_in());
    }
    for folder in wanted.folders {
        let mut files = Vec::new();
        find(folder, (folder, ""), &mut files)?;
        if files.is_empty() {
            return Err(LoadError::Empty { folder: folder.clone() });
        }
        files.sort();
        bundles.push(Bundle::new(&format!("{}/", folder.display()), files));
    }
    let files: Vec<(&str, &str)> = bundles.iter().flat_map(Bundle::rules).collect();
    let (mut set, mut faults) = RuleSet::load(&files, &wanted.parameters);
    faults.extend(set.disable(wanted.disable));
    faults.extend(bundles.iter().flat_map(|bundle| bundle.faults().to_vec()));
    Ok(Loaded { set: Arc::new(set), faults, bundles })
}

/// The rules that are built in.
pub(crate) fn of_the_pack() -> Arc<RuleSet> {
    let pack = Bundle::built_in();
    Arc::new(RuleSet::load(&pack.rules(), &BTreeMap::new()).0)
}

/// The `.yml` files below a folder. Hidden ones and links to folders are left out, so the way cannot go in a circle.
fn find(folder: &Path, (root, within): (&Path, &str), files: &mut Vec<(String, String)>) -> Result<(), LoadError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| LoadError::Unreadable { path, source }
    };
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let entry = entry.map_err(failed(folder))?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(failed(&path))?.is_dir() {
            find(&path, (root, &format!("{within}{name}/")), files)?;
        } else if name.ends_with(".yml") || name.ends_with(".yaml") {
            if files.len() >= MOST_FILES {
                return Err(LoadError::Many { folder: root.to_owned() });
            }
            files.push((format!("{within}{name}"), read(&path).map_err(failed(&path))?));
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
