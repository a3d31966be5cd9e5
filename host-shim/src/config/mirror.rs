//! Options of the mirror: where what is sealed is copied to. Must never hold a credential, only where one is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cloud::{AddressStyle, Connection, Credentials, Network};
use super::pattern;

/// A bucket of OSS that what is sealed is copied to while `innertrail run` goes on: segments, their indexes, and the seal.
/// Nothing there is ever overwritten or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// Bucket: 3 to 63 lower-case letters, digits and `-`. Best one of its own, of another account, with a retention policy.
    #[schemars(length(min = 3, max = 63), regex(pattern = pattern::BUCKET))]
    pub bucket: String,

    /// What stands before the names of all objects; a `/` is put behind it. One trail, one prefix.
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

    /// Stores that are not copied. The dedicated Logstore and its journal always are. Quarantine and passthrough hold bytes that
    /// were never redacted; what digests say of a store that is left out cannot be checked in the copy.
    #[serde(default)]
    #[schemars(length(max = 2))]
    pub leave_out: Vec<LeftOut>,

    /// Seconds between two looks for what was sealed since.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 3_600))]
    pub interval_secs: u32,

    /// Seconds between two copies of the newest signed checkpoint, at the least; each is an object of a few hundred bytes. What
    /// is not sealed yet is covered by a checkpoint alone. One goes with every digest in any case.
    #[serde(default = "hour")]
    #[schemars(range(min = 1, max = 86_400))]
    pub checkpoint_secs: u32,

    /// Longest pause before it is tried again, in seconds. It is tried again for ever.
    #[serde(default = "minute")]
    #[schemars(range(min = 1, max = 3_600))]
    pub retry_max_secs: u32,

    /// How the service is connected to. A segment has to be sent within `total_timeout_ms`.
    #[serde(default)]
    pub connection: Connection,

    /// Where the credentials are. To put objects is all they need; with the right to read them, what lies there already is
    /// compared.
    #[serde(default)]
    pub credentials: Credentials,
}

/// A store that may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// What was refused or could not be decoded.
    Quarantine,
    /// What is no operation log.
    Passthrough,
}

impl Mirror {
    /// What the names of all objects begin with: nothing, or something that ends in `/`.
    #[must_use]
    pub fn root(&self) -> String {
        let prefix = self.prefix.trim_matches('/');
        if prefix.is_empty() { String::new() } else { format!("{prefix}/") }
    }
}

fn ten() -> u32 {
    10
}

fn minute() -> u32 {
    60
}

fn hour() -> u32 {
    3_600
}
