//! The options of the gate: the codec of `innertrail gate`, and the servers that `innertrail run` starts.
//!
//! Must never hold a secret: what authorises is named by reference.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pattern;
use super::sinks::{Header, OtlpProfile, VectorCompression, VectorTls};

/// The gate, through which an agent sends its own events and gets the routed ones back. What is refused is kept in
/// quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    /// Encoding of the events on standard input and output of `innertrail gate`.
    pub codec: GateCodec,

    /// A server of Vector's protocol, which `innertrail run` starts. Without it there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "VectorGate")]
    pub vector: Option<VectorGate>,

    /// A server of OTLP/HTTP for logs, which `innertrail run` starts. Without it there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "OtlpGate")]
    pub otlp: Option<OtlpGate>,
}

/// Encoding of events between an agent and the gate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum GateCodec {
    /// Vector's `native_json`, one event a line.
    #[default]
    NativeJson,
    /// Vector's `native` protobuf, length-delimited.
    Native,
    /// Plain JSON objects, one a line.
    Json,
}

/// The gate as a server of Vector's gRPC protocol, behind a `vector` sink and before a `vector` source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VectorGate {
    /// IP address and port to listen on. There is no password and no TLS: whoever reaches it sends events, and none that
    /// pass for the Logstore's.
    #[schemars(length(max = 64), regex(pattern = pattern::LISTEN))]
    pub listen: String,

    /// `http://host:port` or `https://host:port` of the `vector` source that gets what passes. The agent is answered with
    /// its answer.
    #[schemars(length(max = 2048), regex(pattern = pattern::URL))]
    pub to: String,

    /// How requests to it are compressed.
    #[serde(default)]
    pub compression: VectorCompression,

    /// Whom to believe, and who we are; for `https://`.
    #[serde(default)]
    pub tls: VectorTls,

    /// Longest wait for its answer, in milliseconds; then the agent is told to send again.
    #[serde(default = "sixty_seconds")]
    #[schemars(range(min = 100, max = 600_000))]
    pub timeout_ms: u32,
}

/// The gate as a server of OTLP/HTTP for logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OtlpGate {
    /// IP address and port to listen on; requests go to `/v1/logs`. There is no password and no TLS: whoever reaches it sends
    /// events, and none that pass for the Logstore's.
    #[schemars(length(max = 64), regex(pattern = pattern::LISTEN))]
    pub listen: String,

    /// Address of the receiver that gets what passes. Without a path it is `/v1/logs`. The agent is answered with its answer.
    #[schemars(length(max = 2048), regex(pattern = pattern::URL))]
    pub to: String,

    /// What the receiver is, which says how long a request may be.
    #[serde(default)]
    pub profile: OtlpProfile,

    /// Further headers of each request to it.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub headers: Vec<Header>,

    /// PEM file of further certificate authorities.
    #[serde(default)]
    #[schemars(regex(pattern = pattern::PATH))]
    pub ca_file: Option<PathBuf>,

    /// Longest time for one request to it and its answer, in milliseconds; then the agent is told to send again.
    #[serde(default = "sixty_seconds")]
    #[schemars(range(min = 100, max = 600_000))]
    pub timeout_ms: u32,
}

fn sixty_seconds() -> u32 {
    60_000
}

impl Gate {
    /// Whether `innertrail run` has a server to start.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.vector.is_some() || self.otlp.is_some()
    }

    /// The servers: name, where it listens, and where what passes goes.
    pub(crate) fn servers(&self) -> impl Iterator<Item = (&'static str, &str, &str)> {
        let vector = self.vector.as_ref().map(|gate| ("vector", gate.listen.as_str(), gate.to.as_str()));
        let otlp = self.otlp.as_ref().map(|gate| ("otlp", gate.listen.as_str(), gate.to.as_str()));
        vector.into_iter().chain(otlp)
    }
}
