//! The options of sinks: where records of the dedicated Logstore are delivered to, and how.
//!
//! Must never hold a secret: what authorises is named by reference, and read when a sink is set up.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pattern;

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

/// Options of a sink of type `spool`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpoolSink {
    /// Folder of the files; made where there is none, for its owner alone.
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

    /// How records are delivered.
    #[serde(default)]
    pub delivery: Delivery,
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
        Self { from: Beginning::default(), max_records: 1000, retry_max_secs: 60 }
    }
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

fn native_json() -> JsonEncoding {
    JsonEncoding::NativeJson
}

fn sixty_seconds() -> u32 {
    60_000
}

fn four_mebibytes() -> u32 {
    4 << 20
}

fn rotate_bytes() -> u64 {
    64 << 20
}
