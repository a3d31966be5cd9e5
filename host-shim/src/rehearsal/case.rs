//! A case of `innertrail test`: a folder with an input and what has to become of it.
//!
//! The same form is used by this project's own `fixtures/`, whose README describes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde::Deserialize;

use super::{Found, Rehearsal};
use crate::config::{Config, EmployeeId, UnsupportedProducts};
use crate::runtime::LoadedComponent;
use crate::runtime::wit::transform::{Codec, Provenance};

/// One case, as `case.toml` says it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it pins, one sentence.
    pub about: String,
    /// Whether the input was made up.
    #[serde(default)]
    pub synthetic: bool,
    /// How the input is encoded: `actiontrail` (default), `json`, `native_json`, `native`.
    #[serde(default)]
    codec: Option<String>,
    /// `own-source` (default) or `agent`.
    #[serde(default)]
    provenance: Option<String>,
    /// Input file or folder, where it is not called `input.*`.
    #[serde(default)]
    input: Option<String>,
    account: Option<String>,
    products: Option<Vec<String>>,
    unsupported_products: Option<UnsupportedProducts>,
    redact_keys: Option<Vec<String>>,
    employee_id: Option<EmployeeId>,
    max_depth: Option<u32>,
    max_event_bytes: Option<u32>,
    max_ratio: Option<u32>,
    /// What has to become of the input.
    pub expect: Expect,
}

/// How many records go where.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Records for the dedicated Logstore.
    #[serde(default)]
    pub dedicated: u64,
    /// Records that pass through.
    #[serde(default)]
    pub passthrough: u64,
    /// Records in quarantine, by reason.
    #[serde(default)]
    pub quarantine: BTreeMap<String, u64>,
}

impl Case {
    /// Reads a folder's `case.toml`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(dir: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(dir.join("case.toml")).context("case.toml")?;
        let case: Self = toml::from_str(&text).context("case.toml")?;
        case.codec()?;
        case.provenance()?;
        Ok(case)
    }

    /// Takes the input through the rooms, set up as the case says.
    ///
    /// # Errors
    /// As [`super::run`].
    pub fn run(&self, component: &LoadedComponent, base: &Config, dir: &Path) -> anyhow::Result<Found> {
        let input = self.input(dir)?;
        let rehearsal = Rehearsal { input: &input, codec: self.codec()?, provenance: self.provenance()? };
        super::run(component, &self.configured(base), &rehearsal)
    }

    /// Whether the input is said to come from the trail's own source.
    #[must_use]
    pub fn is_own_source(&self) -> bool {
        self.provenance.as_deref() != Some("agent")
    }

    fn configured(&self, base: &Config) -> Config {
        let mut config = base.clone();
        config.account.clone_from(&self.account);
        if let Some(products) = &self.products {
            config.route.products.clone_from(products);
        }
        if let Some(keys) = &self.redact_keys {
            config.redact.keys.clone_from(keys);
        }
        config.route.unsupported_products = self.unsupported_products.unwrap_or(config.route.unsupported_products);
        config.redact.employee_id = self.employee_id.unwrap_or(config.redact.employee_id);
        config.decode.max_depth = self.max_depth.unwrap_or(config.decode.max_depth);
        config.decode.max_event_bytes = self.max_event_bytes.unwrap_or(config.decode.max_event_bytes);
        config.decode.max_ratio = self.max_ratio.unwrap_or(config.decode.max_ratio);
        config
    }

    fn input(&self, dir: &Path) -> anyhow::Result<PathBuf> {
        if let Some(name) = &self.input {
            return Ok(dir.join(name));
        }
        let mut entries: Vec<PathBuf> = fs::read_dir(dir)?.filter_map(|e| Some(e.ok()?.path())).collect();
        entries.sort();
        let is_input = |p: &PathBuf| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("input"));
        entries.into_iter().find(is_input).ok_or_else(|| anyhow!("there is no input.* beside case.toml"))
    }

    fn codec(&self) -> anyhow::Result<Codec> {
        Ok(match self.codec.as_deref() {
            None | Some("actiontrail") => Codec::Actiontrail,
            Some("json") => Codec::Json,
            Some("native_json") => Codec::NativeJson,
            Some("native") => Codec::Native,
            Some(other) => return Err(anyhow!("codec `{other}`: use actiontrail, json, native_json or native")),
        })
    }

    fn provenance(&self) -> anyhow::Result<Provenance> {
        Ok(match self.provenance.as_deref() {
            None | Some("own-source") => Provenance::OwnSource,
            Some("agent") => Provenance::Agent,
            Some(other) => return Err(anyhow!("provenance `{other}`: use own-source or agent")),
        })
    }
}
