//! A folder of rules as texts: the packs that are built in, or a folder of one's own that the caller has read.
//!
//! Below a folder `fixtures` lie fixtures, `pack.yml` is the manifest, every other `.yml` is a rule file. Nothing here
//! reads a disk.

use serde::Serialize;

use crate::fault::{Fault, Flaw, Position, shown};
use crate::yaml;

mod built_in {
    //! What the build script found below `packs/`.
    pub(super) const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/packs.rs"));
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Name of the pack.
    pub name: String,
    /// Its version; grows with every change of a rule.
    pub version: String,
    /// One line for people.
    pub title: String,
}

/// Texts of one folder.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    /// The manifest, if there is one and it is sound.
    pub manifest: Option<Manifest>,
    rules: Vec<(String, String)>,
    fixtures: Vec<(String, String)>,
    faults: Vec<Fault>,
}

impl Bundle {
    /// The pack that is built in.
    #[must_use]
    pub fn built_in() -> Self {
        Self::new("packs/", built_in::FILES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
    }

    /// The files of a folder, by names from there on with `/` between the folders. `prefix` stands before each name where
    /// it is told; what kind of file it is does not depend on it.
    #[must_use]
    pub fn new(prefix: &str, files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut bundle = Self::default();
        for (within, text) in files {
            let name = format!("{prefix}{within}");
            if within.split('/').rev().skip(1).any(|folder| folder == "fixtures") {
                bundle.fixtures.push((name, text));
            } else if name.rsplit('/').next() == Some("pack.yml") {
                match manifest(&text) {
                    Ok(manifest) => bundle.manifest = Some(manifest),
                    Err(flaw) => bundle.faults.push(flaw.of(&name)),
                }
            } else {
                bundle.rules.push((name, text));
            }
        }
        bundle
    }

    /// The rule files.
    #[must_use]
    pub fn rules(&self) -> Vec<(&str, &str)> {
        self.rules.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
    }

    /// The files of fixtures.
    #[must_use]
    pub fn fixtures(&self) -> Vec<(&str, &str)> {
        self.fixtures.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
    }

    /// What is wrong with the manifest.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

fn manifest(text: &str) -> Result<Manifest, Flaw> {
    let documents = yaml::parse(text)?;
    let [node] = documents.as_slice() else {
        return Err(Flaw::new(Position::START, "a manifest is one document"));
    };
    node.only("a manifest", &["name", "version", "title", "notes"])?;
    let text = |key: &str| Ok(node.required(key, "the manifest")?.to_owned());
    let manifest = Manifest { name: text("name")?, version: text("version")?, title: text("title")? };
    let parts = manifest.version.split('.').filter(|part| part.parse::<u32>().is_ok()).count();
    if parts != 3 || manifest.version.split('.').count() != 3 {
        let at = node.get("version").map_or(node.at, |n| n.at);
        return Err(Flaw::new(at, format!("{} is no version such as 1.0.0", shown(&manifest.version))));
    }
    Ok(manifest)
}
