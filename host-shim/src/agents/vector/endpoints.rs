//! Where components listen and where they send: which source is innertrail's door, who may knock, who writes beside it.
//!
//! Compares addresses as text and port. It must never resolve a name or open a connection.

use super::patterns::{glob, may_coincide, path, template};
use super::targets::Same;
use super::topology::{Component, Kind, Topology};
use super::tree::Node;

/// The port of the `vector` source that `innertrail agent-config vector` prints.
const DOOR_PORT: &str = "6000";

/// The ports of the gate that it prints: where Vector sends its own events, and where it has them back.
const GATE_PORT: &str = "6001";
const GATE_DOOR_PORT: &str = "6002";

/// The same for the gate that speaks OTLP.
const OTLP_GATE_PORT: &str = "4319";
const OTLP_GATE_DOOR_PORT: &str = "4320";

/// Types of sources that innertrail's blocks use, and `fluent` and `file_descriptor`, which its sinks can feed. With one of
/// them a name is enough.
const SPOKEN: [&str; 7] = ["exec", "file", "file_descriptor", "fluent", "opentelemetry", "stdin", "vector"];

/// Options by which a sink says where it sends to.
const SENDING: [&str; 8] = ["address", "endpoint", "endpoints", "uri", "protocol.uri", "url", "host", "hosts"];

/// Sources that Vector says cannot acknowledge (`can_acknowledge` is false), so a sink's acknowledgements end there.
const DEAF: [&str; 9] = [
    "demo_logs",
    "docker_logs",
    "exec",
    "file_descriptor",
    "internal_logs",
    "internal_metrics",
    "socket",
    "stdin",
    "syslog",
];

/// Whether this source is innertrail's, by its name, its command or its address.
pub(super) fn is_door(component: &Component) -> bool {
    let spoken = SPOKEN.contains(&component.type_name.as_str());
    component.kind == Kind::Source && ((spoken && is_called_ours(component)) || is_plainly_ours(component))
}

/// Whether the name says that it is innertrail's.
pub(super) fn is_called_ours(component: &Component) -> bool {
    component.name == "innertrail" || component.name.starts_with("innertrail_")
}

/// Whether its command or its address says that this source is innertrail's.
pub(super) fn is_plainly_ours(component: &Component) -> bool {
    match component.type_name.as_str() {
        "exec" => {
            // The program itself, not what it is given: `cat /tmp/innertrail` is somebody else.
            let program = component.options.get("command").map(Node::elements).unwrap_or_default().first();
            let name = program.and_then(Node::text).and_then(|program| std::path::Path::new(program).file_name());
            name.is_some_and(|name| name == "innertrail")
        }
        "vector" => listens_on(component, DOOR_PORT) || listens_on(component, GATE_DOOR_PORT),
        "opentelemetry" => listens_on(component, OTLP_GATE_DOOR_PORT),
        _ => false,
    }
}

/// Whether what comes from this source of innertrail's came through the gate: then it is not all sealed.
pub(super) fn is_behind_gate(component: &Component) -> bool {
    let ports = [("vector", GATE_DOOR_PORT), ("opentelemetry", OTLP_GATE_DOOR_PORT)];
    component.name.starts_with("innertrail_gate")
        || ports.iter().any(|(kind, port)| component.type_name == *kind && listens_on(component, port))
}

/// Whether this sink sends to the gate.
pub(super) fn is_before_gate(component: &Component) -> bool {
    let port = match component.type_name.as_str() {
        "vector" => GATE_PORT,
        "opentelemetry" | "http" => OTLP_GATE_PORT,
        _ => return false,
    };
    let addresses = ["address", "protocol.uri", "uri"].iter().filter_map(|key| component.options.at_path(key));
    let gate = |address: &str| host_port(address).is_some_and(|(host, at)| is_loopback(host) && at == port);
    component.kind == Kind::Sink && addresses.filter_map(Node::text).any(gate)
}

/// Whether a sink sends to the gate and none of the doors is known to be where it sends on.
pub(super) fn gate_is_lost(topology: &Topology, doors: &[usize]) -> bool {
    topology.components.iter().any(is_before_gate)
        && !doors.iter().any(|door| is_behind_gate(&topology.components[*door]))
}

fn listens_on(component: &Component, wanted: &str) -> bool {
    let here = |address: &str| host_port(address).is_some_and(|(host, port)| is_loopback(host) && port == wanted);
    listens(component).iter().any(|(address, _)| here(address))
}

/// Whether acknowledgements of a sink end at this source.
pub(super) fn is_deaf(component: &Component) -> bool {
    let mode = component.options.get("mode").and_then(Node::text);
    DEAF.contains(&component.type_name.as_str()) || (component.type_name == "fluent" && mode == Some("unix"))
}

/// The addresses a source listens on, each with the options that protect it.
pub(super) fn listens(component: &Component) -> Vec<(String, Node)> {
    if component.kind != Kind::Source {
        return Vec::new();
    }
    let own = |node: &Node| node.get("address").and_then(Node::text).map(|address| (address.to_owned(), node.clone()));
    let nested = ["grpc", "http"].iter().filter_map(|key| component.options.get(key)).filter_map(own);
    own(&component.options).into_iter().chain(nested).collect()
}

/// The first address of a source that others than this machine can reach without showing who they are.
pub(super) fn open_address(component: &Component) -> Option<String> {
    listens(component).into_iter().find_map(|(address, options)| {
        // An address that cannot be read, as `systemd#0`, may be anywhere.
        let host = host_port(&address).map_or("", |(host, _)| host);
        let tls = options.get("tls").or_else(|| component.options.get("tls"));
        let on = |key: &str| tls.and_then(|tls| tls.get(key)).and_then(Node::bool).unwrap_or(false);
        let known = on("enabled") && on("verify_certificate");
        let asks = options.get("auth").or_else(|| component.options.get("auth")).is_some();
        (!is_loopback(host) && !known && !asks).then_some(address)
    })
}

/// Sinks that send to where this source listens.
pub(super) fn senders(topology: &Topology, door: usize) -> Vec<(usize, Same)> {
    let door = &topology.components[door];
    let all = topology.components.iter().enumerate().filter(|(_, c)| c.kind == Kind::Sink);
    all.filter_map(|(index, c)| Some((index, sends_to(c, door)?))).collect()
}

fn sends_to(sink: &Component, door: &Component) -> Option<Same> {
    let doors = listens(door);
    let doors: Vec<(&str, &str)> = doors.iter().filter_map(|(address, _)| host_port(address)).collect();
    let mut found = None;
    for key in SENDING {
        for node in sink.options.at_path(key).map(Node::elements).unwrap_or_default() {
            let Some((host, port)) = node.text().and_then(host_port) else { continue };
            for (_, reached) in doors.iter().filter(|door| door.1 == port).map(|door| (door, reaches(host, door.0))) {
                match reached {
                    Some(Same::Surely) => return reached,
                    perhaps => found = found.or(perhaps),
                }
            }
        }
    }
    found.or_else(|| socket_of(sink, door))
}

/// Whether a sink that sends to `host` can come to a door at `listens` by the same port.
fn reaches(host: &str, listens: &str) -> Option<Same> {
    let is_here = is_loopback(host) || address(host).is_some_and(|ip| ip.is_unspecified());
    match address(listens) {
        Some(ip) if ip.is_unspecified() && is_here => Some(Same::Surely),
        // Which of its addresses this machine has, and what a name means, is not known here.
        Some(ip) if ip.is_unspecified() => Some(Same::Perhaps),
        // A number in another spelling (`127.1`) may be the loopback address too.
        _ if is_loopback(listens) => match is_here {
            true => Some(Same::Surely),
            false => (address(host).is_none() && is_numeric(host)).then_some(Same::Perhaps),
        },
        Some(ip) if address(host) == Some(ip) => Some(Same::Surely),
        Some(_) => (address(host).is_none() && !is_here).then_some(Same::Perhaps),
        None if host.eq_ignore_ascii_case(listens) => Some(Same::Surely),
        None => Some(Same::Perhaps),
    }
}

/// Whether a sink sends into a socket of the file system that the source listens on.
fn socket_of(sink: &Component, door: &Component) -> Option<Same> {
    let at = |c: &Component| Some(path(&template(c.options.get("path")?.text()?)));
    (at(sink)? == at(door)?).then_some(Same::Surely)
}

/// Sinks that write files which this source may read.
pub(super) fn feeders(topology: &Topology, door: usize) -> Vec<usize> {
    let door = &topology.components[door];
    let files = door.options.get("include").map(Node::elements).unwrap_or_default();
    let read: Vec<_> = files.iter().filter_map(Node::text).map(|pattern| path(&glob(pattern))).collect();
    let written = |c: &Component| Some(path(&template(c.options.get("path")?.text()?)));
    let feeds = |c: &Component| {
        let kinds = (c.kind, c.type_name.as_str(), door.type_name.as_str());
        kinds == (Kind::Sink, "file", "file")
            && written(c).is_some_and(|file| read.iter().any(|pattern| may_coincide(pattern, &file)))
    };
    let all = topology.components.iter().enumerate();
    all.filter(|(_, c)| feeds(c)).map(|(index, _)| index).collect()
}

/// Host and port of `host:port` or of a URL; the scheme's port where none is written.
fn host_port(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let authority = rest.split(['/', '?']).next()?;
    let authority = authority.rsplit('@').next()?;
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => Some((host, port)),
        _ if scheme == "http" => Some((authority, "80")),
        _ if scheme == "https" => Some((authority, "443")),
        _ => None,
    }
}

/// Whether a host is this machine alone.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let named = matches!(name.as_str(), "localhost" | "localhost.localdomain" | "ip6-localhost" | "ip6-loopback");
    named || name.ends_with(".localhost") || address(host).is_some_and(|address| address.is_loopback())
}

fn address(host: &str) -> Option<std::net::IpAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<std::net::IpAddr>().ok().map(|address| address.to_canonical())
}

/// Whether it is an address of four parts in one of its rarer spellings.
fn is_numeric(host: &str) -> bool {
    host.starts_with(|c: char| c.is_ascii_digit())
        && host.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, '.' | 'x' | 'X'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_urls() {
        assert_eq!(host_port("127.0.0.1:6000"), Some(("127.0.0.1", "6000")));
        assert_eq!(host_port("[::1]:6000"), Some(("[::1]", "6000")));
        assert_eq!(host_port("http://u:p@localhost:1/x:2"), Some(("localhost", "1")));
        assert_eq!(host_port("https://host/x"), Some(("host", "443")));
        assert_eq!(host_port("systemd#0"), None);
        assert!(is_loopback("[::1]") && is_loopback("127.9.9.9") && is_loopback("LocalHost"));
        assert!(
            !is_loopback("")
                && !is_loopback("0.0.0.0")
                && !is_loopback("[::]")
                && !is_loopback("localhost.example.com")
        );
    }
    #[test]
    fn one_port_and_another_name_may_be_the_same_door() {
        for (host, listens, expected) in [
            ("localhost", "127.0.0.1", Some(Same::Surely)),
            ("aggregator", "127.0.0.1", None),
            ("aggregator", "0.0.0.0", Some(Same::Perhaps)),
            ("10.0.0.1", "[::]", Some(Same::Perhaps)),
            ("127.0.0.1", "[::]", Some(Same::Surely)),
            ("10.0.0.1", "10.0.0.1", Some(Same::Surely)),
            ("10.0.0.2", "10.0.0.1", None),
            ("host", "10.0.0.1", Some(Same::Perhaps)),
            ("HOST", "host", Some(Same::Surely)),
            ("127.0.0.1", "10.0.0.1", None),
            ("127.1", "127.0.0.1", Some(Same::Perhaps)),
            ("0x7f000001", "127.0.0.1", Some(Same::Perhaps)),
            ("[::ffff:127.0.0.1]", "127.0.0.1", Some(Same::Surely)),
            ("127.0.0.1", "", Some(Same::Perhaps)),
        ] {
            assert_eq!(reaches(host, listens), expected, "{host} {listens}");
        }
    }
}
