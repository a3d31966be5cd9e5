//! The fetch room for the network: carries out the HTTP requests that the source room asks for, and signs them.
//!
//! It never decides what to read, never reaches anything but its configured endpoints, never lets a component's request
//! through that could change what is read, and never lets a credential out: not into an error, a statistic, a configuration,
//! an answer or the sandbox. Only the host itself puts files into a bucket, and never over what lies there.
//!
//! | part | what it does |
//! |---|---|
//! | [`Client`] | so many requests at once and a second; repeats, mends the clock and the keys, counts |
//! | [`Endpoint`] | turns a project or bucket into a host; private links, internal names, custom domains |
//! | [`Credentials`] | environment, file, profile, ECS role, OIDC, assumed role; fresh, one fetch at a time |
//! | [`Fingerprint`] | a file's content as OSS tells of it, held against what OSS tells |
//! | `policy` | what a component may ask for at all |
//! | `sign` | Log Service V1 and V4, OSS V4, ACS3 |
//! | [`Post`] | posts of the host's own to one address, for the channels of alerts: no signature, no repeats |
//! | `wire` | one exchange over `ureq` and rustls: bounded, without redirects or decoding; proxies, authorities |
//! | `scrub` | takes credentials out of what a server repeats, control characters out of what is shown |
//!
//! ```no_run
//! use std::collections::BTreeMap;
//! use std::time::Duration;
//!
//! use innertrail_fetch::{
//!     Client, ClientConfig, Clock, Credentials, CredentialsConfig, Endpoint, Environment, Provider, Request, Signer,
//! };
//!
//! let provider = Provider::File { path: "/etc/innertrail/key.json".into() };
//! let credentials = Credentials::new(CredentialsConfig::of(provider), Environment::process(), Clock::system())?;
//! let project = Endpoint::sls("my-project", "cn-hangzhou.log.aliyuncs.com")?;
//! let endpoints = BTreeMap::from([("my-project".to_owned(), project)]);
//! let client = Client::new(ClientConfig::default(), endpoints, credentials)?;
//!
//! let taken = client.submit(Request {
//!     id: 1,
//!     endpoint: "my-project".to_owned(),
//!     signer: Signer::Sls4,
//!     method: "GET".to_owned(),
//!     path: "/logstores/innertrail_my-trail/shards".to_owned(),
//!     query: vec![],
//!     headers: vec![],
//!     body: vec![],
//!     max_body: 1 << 20,
//!     retries: true,
//! });
//! assert!(taken);
//! match client.next(Duration::from_secs(30)) {
//!     Some((1, Ok(response))) => println!("{} {}", response.status, String::from_utf8_lossy(&response.body)),
//!     Some((_, Err(failure))) => println!("{failure}"), // says what happened, where, and what to do
//!     _ => println!("still waiting; {:?}", client.stats()),
//! }
//! # Ok::<(), innertrail_fetch::ConfigError>(())
//! ```
//!
//! Proxies (`http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`, in either case) are used by `CONNECT`, for `http://` as
//! for `https://` endpoints; a proxy that allows it to port 443 alone serves `https://` ones only. Endpoints with an
//! `address` and the metadata service are always reached directly.

mod client;
mod clock;
mod credentials;
mod encode;
mod endpoint;
mod environment;
mod error;
mod files;
mod fingerprint;
mod policy;
mod post;
mod request;
mod scrub;
mod secret;
mod sign;
mod wire;

pub use client::{Client, ClientConfig, Delivery, Done, EndpointStats, RetryConfig, Stats, TrailStatus};
pub use clock::Clock;
pub use credentials::{Credentials, CredentialsConfig, CredentialsError, Provider, Report, Role};
pub use endpoint::{Endpoint, Network, Service};
pub use environment::Environment;
pub use error::ConfigError;
pub use fingerprint::{Agreement, Fingerprint};
pub use post::{Post, Posted, Unposted};
pub use request::{Failure, Fault, Request, Response, Signer};
pub use secret::Secret;
pub use wire::WireConfig;
