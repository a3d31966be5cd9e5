//! The options of sinks that speak to a receiver: Vector, OTLP, Forward, HTTP.
//!
//! Must never hold a secret.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::pattern;
use super::{Delivery, Header, JsonEncoding, Secret};

/// Options of a sink of type `vector`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VectorSink {
    /// `http://host:port` or `https://host:port` of a `vector` source.
    #[schemars(length(max = 2048), regex(pattern = pattern::URL))]
    pub endpoint: String,

    /// How requests are compressed.
    #[serde(default)]
    pub compression: VectorCompression,

    /// Whom to believe, and who we are; for `https://`.
    #[serde(default)]
    pub tls: VectorTls,

    /// Longest wait for an answer, in milliseconds. With acknowledgements Vector answers after its own sinks delivered.
    #[serde(default = "sixty_seconds")]
    #[schemars(range(min = 100, max = 600_000))]
    pub timeout_ms: u32,

    /// How records are delivered.
    #[serde(default)]
    pub delivery: Delivery,
}

/// How requests to Vector are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VectorCompression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// zstd, where the receiving Vector knows it.
    Zstd,
}

/// TLS towards a Vector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VectorTls {
    /// PEM file of the certificate authorities to believe, in place of the system's.
    #[schemars(regex(pattern = pattern::PATH))]
    pub ca_file: Option<PathBuf>,

    /// PEM file of our certificate. Needs `key_file`.
    #[schemars(regex(pattern = pattern::PATH))]
    pub certificate_file: Option<PathBuf>,

    /// PEM file of the certificate's key. Needs `certificate_file`.
    #[schemars(regex(pattern = pattern::PATH))]
    pub key_file: Option<PathBuf>,

    /// Name in the receiver's certificate, where it is not the host of the endpoint.
    #[schemars(length(max = 253), regex(pattern = pattern::PATH))]
    pub server_name: Option<String>,
}

/// Options of a sink of type `otlp`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OtlpSink {
    /// Address of the receiver. Without a path it is `/v1/logs`.
    #[schemars(length(max = 2048), regex(pattern = pattern::URL))]
    pub endpoint: String,

    /// How requests are written.
    #[serde(default)]
    pub encoding: OtlpEncoding,

    /// What the receiver is, which says how long a request may be.
    #[serde(default)]
    pub profile: OtlpProfile,

    /// Longest request before compression, in bytes, in place of the profile's. A longer record goes alone.
    #[serde(default)]
    #[schemars(range(min = 4096, max = 104_857_600))]
    pub max_request_bytes: Option<u32>,

    /// Whether requests are compressed with gzip.
    #[serde(default = "yes")]
    pub gzip: bool,

    /// Further headers of each request.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub headers: Vec<Header>,

    /// PEM file of further certificate authorities.
    #[serde(default)]
    #[schemars(regex(pattern = pattern::PATH))]
    pub ca_file: Option<PathBuf>,

    /// Longest time for one request and its answer, in milliseconds.
    #[serde(default = "sixty_seconds")]
    #[schemars(range(min = 100, max = 600_000))]
    pub timeout_ms: u32,

    /// How records are delivered.
    #[serde(default)]
    pub delivery: Delivery,
}

/// How OTLP requests are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OtlpEncoding {
    /// Protobuf.
    #[default]
    Protobuf,
    /// OTLP's JSON.
    Json,
}

/// What an OTLP receiver is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OtlpProfile {
    /// The OpenTelemetry Collector: 20 MiB.
    #[default]
    Collector,
    /// LoongCollector without a `MaxBodySize` of its own: 64 KiB.
    LoongCollector,
    /// Rotel: 4 MiB.
    Rotel,
    /// Fluent Bit without a `buffer_max_size` of its own: 4 MiB, the request's head included.
    #[serde(rename = "fluent_bit")]
    FluentBit,
}

/// Options of a sink of type `forward`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardSink {
    /// `host:port` of the receiver.
    #[schemars(length(max = 253), regex(pattern = pattern::ADDRESS))]
    pub address: String,

    /// Tag of the records.
    #[serde(default = "innertrail")]
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::PATH))]
    pub tag: String,

    /// Whether messages are compressed with gzip.
    #[serde(default)]
    pub gzip: bool,

    /// Whether and how the connection is encrypted.
    #[serde(default)]
    pub tls: ForwardTls,

    /// What proves who sends.
    #[serde(default)]
    pub auth: ForwardAuth,

    /// Longest wait for the answer, in milliseconds.
    #[serde(default = "sixty_seconds")]
    #[schemars(range(min = 100, max = 600_000))]
    pub timeout_ms: u32,

    /// Longest message before compression, in bytes. A longer record goes alone.
    #[serde(default = "four_mebibytes")]
    #[schemars(range(min = 4096, max = 104_857_600))]
    pub max_request_bytes: u32,

    /// How records are delivered.
    #[serde(default)]
    pub delivery: Delivery,
}

/// TLS towards a Forward receiver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ForwardTls {
    /// Whether TLS is used.
    pub enabled: bool,

    /// PEM file of further certificate authorities.
    #[schemars(regex(pattern = pattern::PATH))]
    pub ca_file: Option<PathBuf>,

    /// Name in the receiver's certificate, where it is not the host of the address.
    #[schemars(length(max = 253), regex(pattern = pattern::PATH))]
    pub server_name: Option<String>,
}

/// The handshake of Forward.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ForwardAuth {
    /// Where the shared key is. Without one there is no handshake.
    pub shared_key: Secret,

    /// User, where the receiver asks for one. Needs `password`.
    #[schemars(length(max = 256), regex(pattern = pattern::PATH))]
    pub user: Option<String>,

    /// Where the user's password is.
    pub password: Secret,

    /// What this side calls itself. Without it `innertrail`.
    #[schemars(length(max = 253), regex(pattern = pattern::ROLE))]
    pub hostname: Option<String>,
}

/// Options of a sink of type `http`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpSink {
    /// Address that is posted to.
    #[schemars(length(max = 2048), regex(pattern = pattern::URL))]
    pub endpoint: String,

    /// How records are written.
    #[serde(default = "json")]
    pub encoding: JsonEncoding,

    /// What a request's body is.
    #[serde(default)]
    pub body: HttpBody,

    /// Whether bodies are compressed with gzip.
    #[serde(default = "yes")]
    pub gzip: bool,

    /// Further headers of each request.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub headers: Vec<Header>,

    /// PEM file of further certificate authorities.
    #[serde(default)]
    #[schemars(regex(pattern = pattern::PATH))]
    pub ca_file: Option<PathBuf>,

    /// Longest time for one request and its answer, in milliseconds.
    #[serde(default = "sixty_seconds")]
    #[schemars(range(min = 100, max = 600_000))]
    pub timeout_ms: u32,

    /// Longest body before compression, in bytes. A longer record goes alone.
    #[serde(default = "four_mebibytes")]
    #[schemars(range(min = 4096, max = 104_857_600))]
    pub max_request_bytes: u32,

    /// How records are delivered.
    #[serde(default)]
    pub delivery: Delivery,
}

/// What the body of an HTTP request is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HttpBody {
    /// A line a record.
    #[default]
    Lines,
    /// One JSON array.
    Array,
}

fn yes() -> bool {
    true
}

fn innertrail() -> String {
    "innertrail".to_owned()
}

fn json() -> JsonEncoding {
    JsonEncoding::Json
}

fn sixty_seconds() -> u32 {
    60_000
}

fn four_mebibytes() -> u32 {
    4 << 20
}
