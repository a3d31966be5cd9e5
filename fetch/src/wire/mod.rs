//! One HTTP exchange: connect, send, read at most so many bytes.
//!
//! It must never follow a redirect, decode a body, hold more of one than was asked for, or retry.

mod exactly;
pub(crate) mod fault;
pub(crate) mod proxy;
pub(crate) mod resolve;
pub(crate) mod roots;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::config::{AutoHeaderValue, Config};
use ureq::http;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;

use crate::environment::Environment;
use crate::error::ConfigError;
use crate::request::Fault;
use crate::{clock, scrub};
use exactly::Exactly;

/// Most bytes of an answer's status line and headers.
const MAX_HEADER: usize = 32 << 10;
const INPUT_BUFFER: usize = 64 << 10;
const OUTPUT_BUFFER: usize = 16 << 10;
const USER_AGENT: &str = concat!("innertrail/", env!("CARGO_PKG_VERSION"));

/// How connections are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WireConfig {
    /// Longest wait for a connection, TLS and name look-up included, milliseconds.
    pub connect_timeout_ms: u64,
    /// Longest silence within an exchange, milliseconds.
    pub read_timeout_ms: u64,
    /// Longest exchange, milliseconds: what a body that drips for ever costs.
    pub total_timeout_ms: u64,
    /// A PEM file of further certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// Whether the proxy variables of the environment count.
    pub proxy_from_environment: bool,
}

impl Default for WireConfig {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 10_000,
            read_timeout_ms: 30_000,
            total_timeout_ms: 120_000,
            ca_file: None,
            proxy_from_environment: true,
        }
    }
}

/// A host the wire will be asked to reach.
pub(crate) struct Target {
    /// Scheme and authority.
    pub(crate) base: String,
    pub(crate) secure: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) address: Option<String>,
    /// Never through a proxy.
    pub(crate) direct: bool,
}

/// What to send.
pub(crate) struct Exchange<'a> {
    pub(crate) method: &'a str,
    /// Scheme and authority.
    pub(crate) base: &'a str,
    /// The value of the Host header.
    pub(crate) authority: &'a str,
    /// Encoded path and query.
    pub(crate) target: &'a str,
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: Body<'a>,
    pub(crate) max_body: u64,
}

/// The body of what is sent.
pub(crate) enum Body<'a> {
    Bytes(&'a [u8]),
    /// So many bytes of a file from where it stands; never held as a whole.
    File(&'a File, u64),
}

/// A complete answer. It has no `Debug`: the metadata service's are keys.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) latency: Duration,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The server's time, milliseconds.
    pub(crate) fn date_ms(&self) -> Option<i64> {
        self.header("date").and_then(clock::parse_http_date)
    }
}

/// An exchange that did not come to its end.
pub(crate) struct Broken {
    pub(crate) fault: Fault,
    pub(crate) why: String,
    pub(crate) received: u64,
    pub(crate) partial: Option<Partial>,
}

/// An answer that was cut in its body.
pub(crate) struct Partial {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Broken {
    fn bare(error: &ureq::Error) -> Self {
        let (fault, why) = fault::name(error);
        Self { fault, why, received: 0, partial: None }
    }
}

pub(crate) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

/// The connections: kept open between exchanges, one pool a proxy.
pub(crate) struct Wire {
    /// By scheme and authority; each with the agent of its proxy.
    agents: BTreeMap<String, Agent>,
}

impl Wire {
    /// Prepares to reach `targets`, and nobody else; so many connections to each host are kept between exchanges.
    pub(crate) fn new(
        config: &WireConfig,
        environment: &Environment,
        targets: &[Target],
        kept: usize,
    ) -> Result<Self, ConfigError> {
        check(config)?;
        let rules = match config.proxy_from_environment {
            true => proxy::Rules::from_environment(environment)?,
            false => proxy::Rules::default(),
        };
        // Reading the system's store takes milliseconds; a plain endpoint does not need it, unless its proxy does.
        let secure = targets.iter().any(|t| t.secure || proxy_of(&rules, t).is_some());
        let roots = match secure {
            true => roots::load(config.ca_file.as_deref())?,
            false => RootCerts::from(Vec::new()),
        };
        let elsewhere: BTreeMap<String, String> =
            targets.iter().filter_map(|t| Some((t.base.clone(), t.address.clone()?))).collect();
        let mut made: Vec<(Option<&str>, Agent)> = Vec::new();
        let mut agents = BTreeMap::new();
        for target in targets {
            let proxy = proxy_of(&rules, target);
            let agent = match made.iter().find(|(p, _)| *p == proxy) {
                Some((_, agent)) => agent.clone(),
                None => {
                    let agent = agent(config, proxy, &roots, &elsewhere, kept)?;
                    made.push((proxy, agent.clone()));
                    agent
                }
            };
            agents.insert(target.base.clone(), agent);
        }
        Ok(Self { agents })
    }

    /// Sends and reads to the end.
    pub(crate) fn send(&self, exchange: &Exchange<'_>) -> Result<Answer, Broken> {
        let started = Instant::now();
        let agent = self.agents.get(exchange.base).ok_or_else(|| Broken {
            fault: Fault::Refused,
            why: "no configured endpoint has this name".to_owned(),
            received: 0,
            partial: None,
        })?;
        let response = send(agent, exchange).map_err(|e| Broken::bare(&e))?;
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let headers = lower(&parts.headers);
        if parts.status.is_redirection() && status != 304 {
            return Err(redirected(status, &headers));
        }
        let body = read(body, status, &headers, exchange)?;
        Ok(Answer { status, headers, body, latency: started.elapsed() })
    }

    /// Closes every connection; exchanges under way fail.
    pub(crate) fn shut_down(&self) {
        for agent in self.agents.values() {
            agent.clone().shutdown();
        }
    }
}

fn proxy_of<'a>(rules: &'a proxy::Rules, target: &Target) -> Option<&'a str> {
    if target.direct || target.address.is_some() {
        return None;
    }
    rules.proxy(target.secure, &target.host, target.port).map(crate::secret::Secret::expose)
}

fn check(config: &WireConfig) -> Result<(), ConfigError> {
    let one = |ms: u64| (1..=3_600_000).contains(&ms);
    if one(config.connect_timeout_ms) && one(config.read_timeout_ms) && one(config.total_timeout_ms) {
        return Ok(());
    }
    Err(ConfigError::Bounds("each timeout is between 1 millisecond and 1 hour"))
}

fn agent(
    config: &WireConfig,
    proxy: Option<&str>,
    roots: &RootCerts,
    elsewhere: &BTreeMap<String, String>,
    kept: usize,
) -> Result<Agent, ConfigError> {
    let tls = TlsConfig::builder()
        .root_certs(roots.clone())
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let bad = |_| ConfigError::Proxy { from: "the environment".to_owned(), why: "it is no URL" };
    let proxy = proxy.map(ureq::Proxy::new).transpose().map_err(bad)?;
    let ms = |n: u64| Some(Duration::from_millis(n));
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy)
        .tls_config(tls)
        .user_agent(USER_AGENT)
        .accept_encoding(AutoHeaderValue::None)
        .max_response_header_size(MAX_HEADER)
        .input_buffer_size(INPUT_BUFFER)
        .output_buffer_size(OUTPUT_BUFFER)
        .max_idle_connections(kept.saturating_mul(4))
        .max_idle_connections_per_host(kept)
        .timeout_connect(ms(config.connect_timeout_ms))
        .timeout_resolve(ms(config.connect_timeout_ms))
        .timeout_per_read(ms(config.read_timeout_ms))
        .timeout_per_write(ms(config.read_timeout_ms))
        .timeout_global(ms(config.total_timeout_ms))
        .build();
    Ok(Agent::with_parts(config, DefaultConnector::default(), resolve::Names::new(elsewhere.clone())))
}

fn send(agent: &Agent, exchange: &Exchange<'_>) -> Result<http::Response<ureq::Body>, ureq::Error> {
    let mut request = http::Request::builder()
        .method(exchange.method)
        .uri(format!("{}{}", exchange.base, exchange.target))
        .header("host", exchange.authority);
    for (name, value) in exchange.headers {
        request = request.header(name, value);
    }
    if matches!(exchange.method, "GET" | "HEAD") {
        return agent.run(request.body(())?);
    }
    match exchange.body {
        Body::Bytes(bytes) => agent.run(request.body(bytes)?),
        Body::File(file, size) => {
            let mut bytes = Exactly::new(file, size);
            // With a length, or the library would send it in chunks.
            let request = request.header("content-length", size);
            agent.run(request.body(ureq::SendBody::from_reader(&mut bytes))?)
        }
    }
}

fn lower(headers: &http::HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned())).collect()
}

fn redirected(status: u16, headers: &[(String, String)]) -> Broken {
    let to = header(headers, "location").and_then(|l| l.parse::<http::Uri>().ok());
    let to = to.and_then(|u| u.host().map(|h| scrub::plain(h, 120)));
    let to = to.unwrap_or_else(|| "an unnamed place".to_owned());
    let why = format!("status {status} points to {to}; none is followed: set the right endpoint and region");
    Broken { fault: Fault::Redirect, why, received: 0, partial: None }
}

/// The body, to its visible end.
fn read(
    body: ureq::Body,
    status: u16,
    headers: &[(String, String)],
    exchange: &Exchange<'_>,
) -> Result<Vec<u8>, Broken> {
    let length = header(headers, "content-length").and_then(|l| l.trim().parse::<u64>().ok());
    let chunked = header(headers, "transfer-encoding").is_some_and(|t| t.to_ascii_lowercase().contains("chunked"));
    let empty = exchange.method == "HEAD" || status == 204 || status == 304;
    let max = exchange.max_body;
    let broken = |fault, why: String, received, partial: Vec<u8>| Broken {
        fault,
        why,
        received,
        partial: Some(Partial { status, headers: headers.to_vec(), body: partial }),
    };
    let declared = length.filter(|_| !chunked && !empty);
    if let Some(length) = declared.filter(|l| *l > max) {
        return Err(broken(Fault::TooLarge, format!("the body has {length} bytes, more than {max}"), 0, vec![]));
    }
    // Without a length a cut looks like the end. A success must show that it is whole.
    if !empty && !chunked && length.is_none() && (200..300).contains(&status) {
        let why = "the answer has neither a length nor chunks, so a cut could not be seen";
        return Err(broken(Fault::Protocol, why.to_owned(), 0, vec![]));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(declared.unwrap_or(8 << 10).min(max)).unwrap_or(0));
    let outcome = body.into_reader().take(max + 1).read_to_end(&mut bytes);
    let received = bytes.len() as u64;
    if received > max {
        return Err(broken(Fault::TooLarge, format!("the body has more than {max} bytes"), received, vec![]));
    }
    match outcome {
        Ok(_) => Ok(bytes),
        Err(e) => {
            let (fault, why) = fault::name(&ureq::Error::from(e));
            Err(broken(fault, format!("{why}, after {received} bytes of the body"), received, bytes))
        }
    }
}
