//! The options of sinks that write on this machine: spool files, standard output.
//!
//! Must never default to a place that the Logstore uses.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::pattern;
use super::{Delivery, JsonEncoding};

/// Options of a sink of type `spool`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpoolSink {
    /// Folder of the files; made where there is none. Without `mode` and `group` it is for its owner alone.
    #[schemars(regex(pattern = pattern::PATH))]
    pub dir: PathBuf,

    /// What names of files begin with.
    #[serde(default = "innertrail")]
    #[schemars(length(min = 1, max = 100), regex(pattern = pattern::LOGSTORE))]
    pub prefix: String,

    /// How records are written.
    #[serde(default = "native_json")]
    pub encoding: JsonEncoding,

    /// Bytes after which a file gets no more lines.
    #[serde(default = "rotate_bytes")]
    #[schemars(range(min = 4096, max = 1_099_511_627_776u64))]
    pub rotate_bytes: u64,

    /// Hours after which a full file is deleted; 0 for never.
    #[serde(default)]
    #[schemars(range(min = 0, max = 87_600))]
    pub keep_hours: u32,

    /// Group of the folder and the files, by name (of `/etc/group`) or number: the one that the agent runs in. innertrail has
    /// to be in it, or be root.
    #[serde(default)]
    #[schemars(length(max = 64), regex(pattern = pattern::ROLE))]
    pub group: Option<String>,

    /// Who may read the files, and enter and list the folder.
    #[serde(default)]
    pub mode: SpoolMode,

    /// How records are delivered.
    #[serde(default)]
    pub delivery: Delivery,
}

/// Who may read spool files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SpoolMode {
    /// `0640` where there is a `group`, else `0600`.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// Their owner.
    #[serde(rename = "0600")]
    Owner,
    /// Their owner and their group.
    #[serde(rename = "0640")]
    Group,
    /// Everybody.
    #[serde(rename = "0644")]
    Everybody,
}

/// Options of a sink of type `stdout`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdoutSink {
    /// How records are written.
    #[serde(default)]
    pub encoding: StdoutEncoding,

    /// How records are delivered.
    #[serde(default)]
    pub delivery: Delivery,
}

/// How records are written to standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StdoutEncoding {
    /// `{"log": …}`, a line a record.
    #[default]
    NativeJson,
    /// One object with every column, a line a record.
    Json,
    /// Vector's protobuf, length-delimited.
    Native,
    /// An event class of the Open Cybersecurity Schema Framework, a line a record.
    Ocsf,
    /// The Elastic Common Schema, a line a record.
    Ecs,
}

fn innertrail() -> String {
    "innertrail".to_owned()
}

fn native_json() -> JsonEncoding {
    JsonEncoding::NativeJson
}

fn rotate_bytes() -> u64 {
    64 << 20
}
