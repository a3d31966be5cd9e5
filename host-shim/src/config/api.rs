//! Options of the API that SDKs, consumers and Grafana read the Logstore by. Must never hold a key: those are in the data directory.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pattern;

/// Where the Logstore is served as Log Service serves one, so that its SDKs read it unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// IP address and port to listen on; port 0 takes a free one and says which. An address that is not of this machine alone needs
    /// `tls` or `plaintext`.
    #[schemars(length(max = 64), regex(pattern = pattern::LISTEN))]
    pub listen: String,

    /// Name of the project, as clients are told. Clients put it in front of the endpoint's name.
    #[schemars(length(min = 3, max = 63), regex(pattern = pattern::BUCKET))]
    pub project: String,

    /// Name that clients are given as endpoint, without the project, such as `logs.example.internal`. A wildcard name must lead here:
    /// clients ask for `<project>.<endpoint>`. Only shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 256), regex(pattern = pattern::ENDPOINT))]
    pub endpoint: Option<String>,

    /// Certificate for `*.<endpoint>` and its key. Files that change are read again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ApiTls")]
    pub tls: Option<ApiTls>,

    /// Serve without TLS on an address that others reach, because something in front does TLS. What is read, and all but the secrets
    /// of keys, can be seen on the way.
    pub plaintext: bool,

    /// Most connections at a time; fewer when the process may not open so many files. Beyond it the longest idle one is closed.
    #[schemars(range(min = 16, max = 100_000))]
    pub connections: u32,
}

/// Files for TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiTls {
    /// PEM file of the certificate and of those between it and its authority; relative to the working directory.
    #[schemars(regex(pattern = pattern::PATH))]
    pub certificate: PathBuf,

    /// PEM file of its private key, without a password; relative to the working directory.
    #[schemars(regex(pattern = pattern::PATH))]
    pub key: PathBuf,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9597".to_owned(),
            project: "innertrail".to_owned(),
            endpoint: None,
            tls: None,
            plaintext: false,
            connections: 16_384,
        }
    }
}
