//! Rules of the gate's servers: none may send to itself or to another of this process, and each listens alone.
//!
//! Compares addresses as text. Must never resolve a name.

use std::net::{IpAddr, SocketAddr};

use super::super::Config;
use super::Broken;

/// Every broken rule.
pub(super) fn broken(config: &Config) -> Vec<Broken> {
    let mut out = Vec::new();
    let metrics = config.metrics.as_ref().map(|metrics| ("metrics", metrics.listen.as_str()));
    let gates: Vec<_> = config.gate.servers().collect();
    let own = |name: &str| if name == "metrics" { "metrics.listen".to_owned() } else { at(name, "listen") };
    let listeners: Vec<(&str, &str)> = gates.iter().map(|(name, listen, _)| (*name, *listen)).chain(metrics).collect();
    for (place, (name, listen, to)) in gates.iter().enumerate() {
        for (other, address) in &listeners {
            if is_there(address, to) {
                out.push(Broken {
                    at: at(name, "to"),
                    operands: vec![at(name, "to"), own(other)],
                    message: format!("`{}` is `{}`: innertrail would send to itself", at(name, "to"), own(other)),
                    help: "name the receiver that is to get what passes, on another port",
                });
            }
        }
        let taken = listeners.iter().skip(place + 1).find(|(_, address)| address == listen && !address.ends_with(":0"));
        if let Some((other, _)) = taken {
            out.push(Broken {
                at: at(name, "listen"),
                operands: vec![at(name, "listen"), own(other)],
                message: format!("`{}` is `{}` as well", at(name, "listen"), own(other)),
                help: "give each a port of its own",
            });
        }
    }
    if let Some(tls) = config.gate.vector.as_ref().map(|gate| &gate.tls)
        && tls.certificate_file.is_some() != tls.key_file.is_some()
    {
        let at = at("vector", "tls");
        out.push(Broken {
            operands: vec![at.clone()],
            message: format!("`{at}` has a certificate or a key without the other"),
            at,
            help: "give both, or neither",
        });
    }
    out
}

fn at(name: &str, option: &str) -> String {
    format!("gate.{name}.{option}")
}

/// Whether a URL leads to who listens there.
fn is_there(listen: &str, url: &str) -> bool {
    let (Ok(listen), Some((host, port))) = (listen.parse::<SocketAddr>(), host_port(url)) else { return false };
    if listen.port() != port || port == 0 {
        return false;
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.eq_ignore_ascii_case("localhost") { "127.0.0.1" } else { host };
    // A name may lead here too; who gave it one knows.
    let Ok(host) = host.parse::<IpAddr>() else { return false };
    let is_here = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    host == listen.ip() || (is_here(host) && is_here(listen.ip()))
}

/// Host and port of a URL.
fn host_port(url: &str) -> Option<(&str, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => Some((host, port.parse().ok()?)),
        _ => Some((authority, if scheme == "https" { 443 } else { 80 })),
    }
}

#[cfg(test)]
mod tests {
    use super::is_there;

    #[test]
    fn a_url_leads_here_by_any_of_our_names() {
        for url in ["http://127.0.0.1:6001", "https://localhost:6001/x", "http://[::1]:6001", "http://0.0.0.0:6001?a:1"]
        {
            assert!(is_there("127.0.0.1:6001", url) && is_there("[::]:6001", url), "{url}");
        }
        for url in ["http://127.0.0.1:6002", "http://192.0.2.1:6001", "http://agent.example:6001", "http://127.0.0.1"] {
            assert!(!is_there("127.0.0.1:6001", url), "{url}");
        }
        assert!(is_there("192.0.2.1:80", "http://192.0.2.1/v1/logs"));
        assert!(!is_there("127.0.0.1:0", "http://127.0.0.1:0"));
    }
}
