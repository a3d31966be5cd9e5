//! Every option of the sources that read Alibaba Cloud: its meaning, its default, its bounds.
//!
//! Must never have an option for a key, a token or a password: a source says where its credentials are, never what they
//! are. Must never hold logic; what the options become is [`crate::fetch::cloud`].

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pattern;
use super::schema::{ObjectNames, yes};

/// Options of a source of type `sls`: one Logstore of Log Service, read as a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlsSource {
    /// Project of the Logstore: 3 to 63 lower-case letters, digits and `-`.
    #[schemars(length(min = 3, max = 63), regex(pattern = pattern::BUCKET))]
    pub project: String,

    /// Logstore to read: `innertrail_…` holds platform events, `actiontrail_…` audit events. It is read from, never
    /// written; the dedicated Logstore of `trail` is another thing, in `data_dir`.
    #[schemars(length(max = 128), regex(pattern = pattern::LOGSTORE))]
    pub logstore: String,

    /// Region of the project, such as `cn-hangzhou`. V4 signatures contain it. Not needed where `endpoint` tells it.
    #[serde(default)]
    #[schemars(length(max = 64), regex(pattern = pattern::REGION))]
    pub region: Option<String>,

    /// From where the service is reached, when `region` alone makes the endpoint.
    #[serde(default)]
    pub network: Network,

    /// Endpoint of Log Service without the project, such as `cn-hangzhou.log.aliyuncs.com`; `https` unless it begins with
    /// `http://`. Not needed when `region` is given.
    #[serde(default)]
    #[schemars(length(max = 253), regex(pattern = pattern::ENDPOINT))]
    pub endpoint: Option<String>,

    /// Where a shard is begun that has no position yet: `begin`, `end`, or the time at which the service received the
    /// first log wanted, RFC 3339 such as `2026-11-01T00:00:00Z`.
    #[serde(default = "from_begin")]
    #[schemars(length(max = 40), regex(pattern = pattern::FROM))]
    pub from: String,

    /// Whether to wait for new logs after all was read. `--once` sets it off.
    #[serde(default = "yes")]
    pub follow: bool,

    /// Consumer group that shares the shards among several innertrail processes. Without it this one reads all shards.
    /// The group is made if it is not there.
    #[serde(default)]
    #[schemars(length(max = 128), regex(pattern = pattern::LOGSTORE))]
    pub consumer_group: Option<String>,

    /// Name of this process in the group: no other one's, and the same after a restart. Needs `consumer_group`.
    #[serde(default)]
    #[schemars(length(max = 128), regex(pattern = pattern::LOGSTORE))]
    pub consumer: Option<String>,

    /// Seconds between two signs of life to the group.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 3600))]
    pub heartbeat_secs: u32,

    /// Seconds of silence after which the group gives a process's shards to others.
    #[serde(default = "sixty")]
    #[schemars(range(min = 2, max = 86_400))]
    pub group_timeout_secs: u32,

    /// Milliseconds between two questions to a shard that has nothing new.
    #[serde(default = "poll_interval_ms")]
    #[schemars(range(min = 50, max = 3_600_000))]
    pub poll_interval_ms: u32,

    /// Seconds between two looks for shards that were split or merged.
    #[serde(default = "sixty")]
    #[schemars(range(min = 1, max = 86_400))]
    pub shard_refresh_secs: u32,

    /// Log groups of one answer.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 1000))]
    pub count: u32,

    /// How answers are compressed on their way.
    #[serde(default)]
    pub compression: Compression,

    /// Version of the signature. `v1` is SHA-1; only for services that know no other.
    #[serde(default)]
    pub signature: Signature,

    /// Most requests that are open at a time.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 16))]
    pub max_in_flight: u32,

    /// How the service is connected to.
    #[serde(default)]
    pub connection: Connection,

    /// Where the credentials are.
    #[serde(default)]
    pub credentials: Credentials,
}

/// Options of a source of type `oss`: the objects that a trail delivers to a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OssSource {
    /// Bucket: 3 to 63 lower-case letters, digits and `-`.
    #[schemars(length(min = 3, max = 63), regex(pattern = pattern::BUCKET))]
    pub bucket: String,

    /// The trail's prefix: what stands before `AliyunLogs/` in the names of its objects. One that has `AliyunLogs/` in it
    /// is taken as it is.
    #[serde(default)]
    #[schemars(length(max = 512), regex(pattern = pattern::PREFIX))]
    pub prefix: String,

    /// Region of the bucket, such as `cn-hangzhou`. V4 signatures contain it. Not needed where `endpoint` tells it.
    #[serde(default)]
    #[schemars(length(max = 64), regex(pattern = pattern::REGION))]
    pub region: Option<String>,

    /// From where the service is reached, when `region` alone makes the endpoint.
    #[serde(default)]
    pub network: Network,

    /// Endpoint of OSS without the bucket, such as `oss-cn-hangzhou.aliyuncs.com`; with `style: custom_domain` the domain
    /// that is bound to the bucket. `https` unless it begins with `http://`. Not needed when `region` is given.
    #[serde(default)]
    #[schemars(length(max = 253), regex(pattern = pattern::ENDPOINT))]
    pub endpoint: Option<String>,

    /// How the bucket is named in requests.
    #[serde(default)]
    pub style: AddressStyle,

    /// First UTC day to read, `YYYY-MM-DD`. Without it everything there is.
    #[serde(default)]
    #[schemars(length(max = 10), regex(pattern = pattern::DAY))]
    pub from: Option<String>,

    /// Whether to wait for new objects after all was read. `--once` sets it off.
    #[serde(default = "yes")]
    pub follow: bool,

    /// Hours for which an object may still appear before ones that were read: so far back each listing begins.
    #[serde(default = "two")]
    #[schemars(range(min = 0, max = 168))]
    pub overlap_hours: u32,

    /// Seconds between two looks for new objects.
    #[serde(default = "sixty")]
    #[schemars(range(min = 1, max = 86_400))]
    pub poll_interval_secs: u32,

    /// Names of one page of a listing.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 1000))]
    pub page_keys: u32,

    /// Bytes of an object that are asked for at a time.
    #[serde(default = "mebibyte")]
    #[schemars(range(min = 4096, max = 8_388_608))]
    pub read_bytes: u32,

    /// What to do with the count, size and MD5 that ActionTrail writes into object names.
    #[serde(default)]
    pub object_names: ObjectNames,

    /// Most requests, and most objects, that are open at a time.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 16))]
    pub max_in_flight: u32,

    /// How the service is connected to.
    #[serde(default)]
    pub connection: Connection,

    /// Where the credentials are.
    #[serde(default)]
    pub credentials: Credentials,
}

/// From where an endpoint is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// From anywhere.
    #[default]
    Public,
    /// From inside the same region; there is no fee for traffic.
    Internal,
}

/// How a bucket is named in requests. OSS refuses to have it in the path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AddressStyle {
    /// As the first label of the host.
    #[default]
    VirtualHost,
    /// Not at all: `endpoint` is a domain of its own.
    CustomDomain,
}

/// How answers of Log Service are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// lz4: the fastest.
    #[default]
    Lz4,
    /// zstd: the smallest.
    Zstd,
    /// Not at all.
    None,
}

/// Version of Log Service's signature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// HMAC-SHA256, with day and region in the key.
    #[default]
    V4,
    /// HMAC-SHA1.
    V1,
}

/// Which proxy is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proxy {
    /// The one that `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy` of the environment name.
    #[default]
    Environment,
    /// None, whatever the environment says.
    None,
}

/// How a service is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Connection {
    /// `host:port` or `ip:port` to connect to in place of the endpoint, for a private link. The endpoint stays in the Host
    /// header, in the signature, and in the certificate that is expected.
    #[schemars(length(max = 253), regex(pattern = pattern::ADDRESS))]
    pub address: Option<String>,

    /// PEM file of further certificate authorities.
    #[schemars(regex(pattern = pattern::PATH))]
    pub ca_file: Option<PathBuf>,

    /// Which proxy is used. None is with an `address`.
    pub proxy: Proxy,

    /// Longest wait for a connection, in milliseconds.
    #[schemars(range(min = 100, max = 600_000))]
    pub connect_timeout_ms: u32,

    /// Longest silence within an answer, in milliseconds.
    #[schemars(range(min = 100, max = 600_000))]
    pub read_timeout_ms: u32,

    /// Longest time for one request and its answer, in milliseconds.
    #[schemars(range(min = 100, max = 3_600_000))]
    pub total_timeout_ms: u32,

    /// Most requests a second, repeated ones included; 0 for no limit.
    #[schemars(range(min = 0, max = 10_000))]
    pub requests_per_second: u32,
}

/// ActionTrail itself, asked by `reconcile --config` and `doctor` what it delivered; a run does not need it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActionTrail {
    /// Name of the trail in ActionTrail, where it is not that of `trail`.
    #[schemars(length(min = 6, max = 36), regex(pattern = pattern::TRAIL))]
    pub trail: Option<String>,

    /// Home region of the trail, such as `cn-hangzhou`. Not needed where `endpoint` tells it.
    #[schemars(length(max = 64), regex(pattern = pattern::REGION))]
    pub region: Option<String>,

    /// Endpoint of ActionTrail, such as `actiontrail.cn-hangzhou.aliyuncs.com`; `https` unless it begins with `http://`.
    /// Some regions share one: then it has to be given.
    #[schemars(length(max = 253), regex(pattern = pattern::ENDPOINT))]
    pub endpoint: Option<String>,

    /// How the service is connected to.
    pub connection: Connection,

    /// Where the credentials are.
    pub credentials: Credentials,
}

/// Where credentials are. Whatever `type`: they are renewed before they expire, and never shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Credentials {
    /// The first of: environment variables, OIDC token file, profile, ECS role; in the order of the official SDKs.
    #[default]
    Default,
    /// Environment variables.
    Environment(EnvironmentCredentials),
    /// A JSON file with `access_key_id`, `access_key_secret` and, if they are temporary, `security_token` and
    /// `expiration`; mode 0600 or 0400. It is read again each minute.
    File(FileCredentials),
    /// A profile of the `aliyun` command line.
    Profile(ProfileCredentials),
    /// The RAM role of the ECS instance. The safest: there is no long-lived key.
    EcsRamRole(EcsCredentials),
    /// A RAM role for an OIDC token, as in pods of ACK (RRSA). There is no long-lived key.
    Oidc(OidcCredentials),
    /// A RAM role, assumed with other credentials.
    AssumeRole(AssumeRoleCredentials),
}

/// Credentials of type `environment`: names of variables, not their values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnvironmentCredentials {
    /// Name of the variable that holds the access key id.
    #[schemars(length(max = 128), regex(pattern = pattern::VARIABLE))]
    pub id_variable: String,

    /// Name of the variable that holds the secret.
    #[schemars(length(max = 128), regex(pattern = pattern::VARIABLE))]
    pub secret_variable: String,

    /// Name of the variable that holds the security token; the variable need not be set.
    #[schemars(length(max = 128), regex(pattern = pattern::VARIABLE))]
    pub token_variable: String,
}

/// Credentials of type `file`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileCredentials {
    /// The file; relative to the working directory.
    #[schemars(regex(pattern = pattern::PATH))]
    pub path: PathBuf,
}

/// Credentials of type `profile`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileCredentials {
    /// The file. Without it `~/.aliyun/config.json`.
    #[schemars(regex(pattern = pattern::PATH))]
    pub path: Option<PathBuf>,

    /// The profile. Without it the one that `ALIBABA_CLOUD_PROFILE` names, or the file's current one.
    #[schemars(length(max = 128), regex(pattern = pattern::PATH))]
    pub name: Option<String>,
}

/// Credentials of type `ecs_ram_role`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EcsCredentials {
    /// The role. Without it the metadata service is asked.
    #[schemars(length(max = 64), regex(pattern = pattern::ROLE))]
    pub role: Option<String>,

    /// Whether the older protocol of the metadata service, which needs no token, is refused.
    pub hardened_only: bool,

    /// `ip:port` of the metadata service.
    #[schemars(length(max = 253), regex(pattern = pattern::ADDRESS))]
    pub metadata_address: String,
}

/// Credentials of type `oidc`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OidcCredentials {
    /// ARN of the role. Without it the variable `ALIBABA_CLOUD_ROLE_ARN` names it.
    #[schemars(length(max = 256), regex(pattern = pattern::ARN))]
    pub role_arn: Option<String>,

    /// ARN of the identity provider. Without it the variable `ALIBABA_CLOUD_OIDC_PROVIDER_ARN` names it.
    #[schemars(length(max = 256), regex(pattern = pattern::ARN))]
    pub provider_arn: Option<String>,

    /// File of the token. Without it the variable `ALIBABA_CLOUD_OIDC_TOKEN_FILE` names it.
    #[schemars(regex(pattern = pattern::PATH))]
    pub token_file: Option<PathBuf>,

    /// Name of the session, as the trail shows it. Without it `innertrail`.
    #[schemars(length(min = 2, max = 64), regex(pattern = pattern::ROLE))]
    pub session_name: Option<String>,

    /// Where the Security Token Service is.
    pub sts: Sts,
}

/// Credentials of type `assume_role`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssumeRoleCredentials {
    /// Whose credentials assume it.
    #[serde(default)]
    pub with: Box<Credentials>,

    /// ARN of the role, such as `acs:ram::1000000000000001:role/innertrail`.
    #[schemars(length(max = 256), regex(pattern = pattern::ARN))]
    pub role_arn: String,

    /// What the role's owner agreed on with this account.
    #[serde(default)]
    #[schemars(length(min = 2, max = 1224), regex(pattern = pattern::PATH))]
    pub external_id: Option<String>,

    /// Name of the session, as the trail shows it. Without it `innertrail`.
    #[serde(default)]
    #[schemars(length(min = 2, max = 64), regex(pattern = pattern::ROLE))]
    pub session_name: Option<String>,

    /// How long a session lasts, in seconds; at most what the role allows.
    #[serde(default = "hour")]
    #[schemars(range(min = 900, max = 43_200))]
    pub duration_secs: u32,

    /// Where the Security Token Service is.
    #[serde(default)]
    pub sts: Sts,
}

/// Where the Security Token Service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sts {
    /// Its endpoint. Inside a region without the internet it is `sts-vpc.<region>.aliyuncs.com`.
    #[schemars(length(max = 253), regex(pattern = pattern::ENDPOINT))]
    pub endpoint: String,

    /// `host:port` or `ip:port` to connect to in its place.
    #[schemars(length(max = 253), regex(pattern = pattern::ADDRESS))]
    pub address: Option<String>,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            address: None,
            ca_file: None,
            proxy: Proxy::default(),
            connect_timeout_ms: 10_000,
            read_timeout_ms: 30_000,
            total_timeout_ms: 120_000,
            requests_per_second: 0,
        }
    }
}

impl Default for EnvironmentCredentials {
    fn default() -> Self {
        Self {
            id_variable: "ALIBABA_CLOUD_ACCESS_KEY_ID".to_owned(),
            secret_variable: "ALIBABA_CLOUD_ACCESS_KEY_SECRET".to_owned(),
            token_variable: "ALIBABA_CLOUD_SECURITY_TOKEN".to_owned(),
        }
    }
}

impl Default for EcsCredentials {
    fn default() -> Self {
        Self { role: None, hardened_only: false, metadata_address: "100.100.100.200:80".to_owned() }
    }
}

impl Default for Sts {
    fn default() -> Self {
        Self { endpoint: "sts.aliyuncs.com".to_owned(), address: None }
    }
}

fn from_begin() -> String {
    "begin".to_owned()
}

fn two() -> u32 {
    2
}

fn four() -> u32 {
    4
}

fn ten() -> u32 {
    10
}

fn sixty() -> u32 {
    60
}

fn hundred() -> u32 {
    100
}

fn poll_interval_ms() -> u32 {
    500
}

fn thousand() -> u32 {
    1000
}

fn hour() -> u32 {
    3600
}

fn mebibyte() -> u32 {
    1 << 20
}
