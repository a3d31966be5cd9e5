//! The options of sinks: where records of the dedicated Logstore are delivered to, and how.
//!
//! Must never hold a secret: what authorises is named by reference, and read when a sink is set up.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod local;
mod network;

use super::pattern;

pub use local::{SpoolMode, SpoolSink, StdoutEncoding, StdoutSink};
pub use network::{
    ForwardAuth, ForwardSink, ForwardTls, HttpBody, HttpSink, OtlpEncoding, OtlpProfile, OtlpSink, VectorCompression,
    VectorSink, VectorTls,
};

/// Where records of the dedicated Logstore go, beside the Logstore itself. Each sink has a position of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Sink {
    /// Vector's own protocol, to its `vector` source.
    Vector(VectorSink),
    /// OTLP over HTTP: the OpenTelemetry Collector, Grafana Alloy, LoongCollector, Rotel, Vector.
    Otlp(OtlpSink),
    /// Fluent Forward: Fluent Bit, Fluentd, Vector.
    Forward(ForwardSink),
    /// JSON, posted to any address.
    Http(HttpSink),
    /// Files of JSON lines that any agent can tail.
    Spool(SpoolSink),
    /// Standard output. What is in the pipe when its reader dies is lost.
    Stdout(StdoutSink),
}

/// How records are delivered, whatever the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Delivery {
    /// Where a sink without a position begins.
    pub from: Beginning,

    /// Most records in one request.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_records: u32,

    /// Longest pause before a request is tried again, in seconds. It is tried again for ever.
    #[schemars(range(min = 1, max = 3_600))]
    pub retry_max_secs: u32,

    /// When records wait and none was delivered for so many seconds, the journal says so (`sink_waiting`), and again when the
    /// sink goes on (`sink_resumed`); the rule `innertrail-sink-waiting` makes an alert of it. 0: never.
    #[schemars(range(min = 0, max = 86_400))]
    pub waiting_alert_secs: u32,
}

/// Where a sink without a position begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Beginning {
    /// At the first record that is kept.
    #[default]
    Begin,
    /// Behind the newest.
    End,
}

/// Where a secret is. The configuration never holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
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
pub struct SecretVariable {
    /// Name of the variable.
    #[schemars(length(max = 128), regex(pattern = pattern::VARIABLE))]
    pub variable: String,
}

/// A secret in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretFile {
    /// The file; relative to the working directory.
    #[schemars(regex(pattern = pattern::PATH))]
    pub path: PathBuf,
}

/// A header that each request bears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name.
    #[schemars(length(max = 256), regex(pattern = pattern::ROLE))]
    pub name: String,

    /// What stands before the value, such as `Bearer `.
    #[serde(default)]
    #[schemars(length(max = 64), regex(pattern = pattern::PREFIX))]
    pub prefix: String,

    /// Where the value is. It is read at the start, and again after a 401 or 403.
    pub value: Secret,
}

/// How records are written as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JsonEncoding {
    /// One object with every column, the seal mark, and the raw event as text.
    Json,
    /// `{"log": …}`, as Vector's `native_json` codec reads it.
    NativeJson,
    /// An event class of the Open Cybersecurity Schema Framework.
    Ocsf,
    /// The Elastic Common Schema.
    Ecs,
}

impl Sink {
    /// How it delivers.
    #[must_use]
    pub fn delivery(&self) -> &Delivery {
        match self {
            Self::Vector(sink) => &sink.delivery,
            Self::Otlp(sink) => &sink.delivery,
            Self::Forward(sink) => &sink.delivery,
            Self::Http(sink) => &sink.delivery,
            Self::Spool(sink) => &sink.delivery,
            Self::Stdout(sink) => &sink.delivery,
        }
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Self { from: Beginning::default(), max_records: 1000, retry_max_secs: 60, waiting_alert_secs: 300 }
    }
}
