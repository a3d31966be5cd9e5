//! Where a secret is: a variable of the environment or a file.
//!
//! Must never hold the secret itself.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pattern;

/// Where a secret is. The configuration never holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(rename = "ChannelSecret")]
pub enum Secret {
    /// There is none.
    #[default]
    None,
    /// In a variable of the environment.
    Environment(SecretVariable),
    /// In a file that only its owner can read: mode 0600 or 0400.
    File(SecretFile),
}

/// A secret in a variable of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChannelSecretVariable")]
pub struct SecretVariable {
    /// Name of the variable.
    #[schemars(length(max = 128), regex(pattern = pattern::VARIABLE))]
    pub variable: String,
}

/// A secret in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChannelSecretFile")]
pub struct SecretFile {
    /// The file; relative to the working directory.
    #[schemars(regex(pattern = pattern::PATH))]
    pub path: PathBuf,
}
