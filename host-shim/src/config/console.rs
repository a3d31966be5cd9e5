//! Options of the console. Must never hold the token itself: it says where that is.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::api::ApiTls;
use super::pattern;
use super::sinks::Secret;

/// Where the console listens unless it is told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8687";

/// Pages for a browser over the Logstore. They are read-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// IP address and port to listen on; port 0 takes a free one and says which. An address that is not of this machine alone needs
    /// `token`, and `tls` or `plaintext`.
    #[schemars(length(max = 64), regex(pattern = pattern::LISTEN))]
    pub listen: String,

    /// What who looks has to give, at least 16 characters. Without it, whoever has a login on this machine may look: records stay
    /// in files of their owner's, and the console shows them.
    pub token: Secret,

    /// Certificate and its key. Files that change are read again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ApiTls")]
    pub tls: Option<ApiTls>,

    /// Serve without TLS on an address that others reach, because something in front does TLS. The token and all that is read can
    /// be seen on the way.
    pub plaintext: bool,

    /// Host names that browsers call it by, beside addresses and `localhost`; any other name is refused.
    #[schemars(length(max = 16), inner(length(max = 253), regex(pattern = pattern::HOST)))]
    pub names: Vec<String>,
}

impl Default for Console {
    fn default() -> Self {
        Self { listen: DEFAULT_LISTEN.to_owned(), token: Secret::None, tls: None, plaintext: false, names: Vec::new() }
    }
}

impl Console {
    /// Whether only this machine reaches it. What is no address is told elsewhere.
    pub(super) fn is_local(&self) -> bool {
        self.listen.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
    }
}
