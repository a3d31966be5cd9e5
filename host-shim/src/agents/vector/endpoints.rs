//! Where components listen and where they send: which source is innertrail's door, who may knock, who writes beside it.
//!
//! Compares addresses as text and port. It must never resolve a name or open a connection.

use super::topology::{Component, Kind, Topology};
use super::tree::{Node, Value};

/// The port of the `vector` source that `innertrail agent-config vector` prints.
const DOOR_PORT: &str = "6000";

/// The ports of the gate that it prints: where Vector sends its own events, and where it has them back.
const GATE_PORT: &str = "6001";
const GATE_DOOR_PORT: &str = "6002";

/// Options that say where a sink writes, so that two sinks with equal values write to the same place.
const TARGETS: [&str; 28] = [
    "path",
    "bucket",
    "key_prefix",
    "container_name",
    "blob_prefix",
    "endpoint",
    "endpoints",
    "address",
    "uri",
    "url",
    "host",
    "hosts",
    "topic",
    "index",
    "bulk.index",
    "data_stream",
    "stream_name",
    "group_name",
    "table",
    "database",
    "dataset",
    "queue_url",
    "bootstrap_servers",
    "key",
    "exchange",
    "subject",
    "project_id",
    "log_id",
];

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
    if component.kind != Kind::Source {
        return false;
    }
    if component.name == "innertrail" || component.name.starts_with("innertrail_") {
        return true;
    }
    match component.type_name.as_str() {
        "exec" => {
            let command = component.options.get("command").map(Node::elements).unwrap_or_default();
            command
                .iter()
                .filter_map(Node::text)
                .flat_map(str::split_whitespace)
                .any(|word| std::path::Path::new(word).file_name().and_then(|name| name.to_str()) == Some("innertrail"))
        }
        "vector" => listens_on(component, DOOR_PORT) || listens_on(component, GATE_DOOR_PORT),
        _ => false,
    }
}

/// Whether what comes from this source of innertrail's came through the gate: then it is not all sealed.
pub(super) fn is_behind_gate(component: &Component) -> bool {
    component.name.starts_with("innertrail_gate")
        || (component.type_name == "vector" && listens_on(component, GATE_DOOR_PORT))
}

/// Whether this sink sends to the gate.
pub(super) fn is_before_gate(component: &Component) -> bool {
    let address = component.options.get("address").and_then(Node::text);
    component.kind == Kind::Sink
        && component.type_name == "vector"
        && address.and_then(host_port).is_some_and(|(host, port)| is_loopback(host) && port == GATE_PORT)
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
        let (host, _) = host_port(&address)?;
        let tls = options.get("tls").or_else(|| component.options.get("tls"));
        let on = |key: &str| tls.and_then(|tls| tls.get(key)).and_then(Node::bool).unwrap_or(false);
        let known = on("enabled") && on("verify_certificate");
        let asks = options.get("auth").or_else(|| component.options.get("auth")).is_some();
        (!is_loopback(host) && !known && !asks).then_some(address)
    })
}

/// Sinks that send to where this source listens.
pub(super) fn senders(topology: &Topology, door: usize) -> Vec<usize> {
    let ports: Vec<String> = listens(&topology.components[door])
        .iter()
        .filter_map(|(address, _)| host_port(address).map(|(_, port)| port.to_owned()))
        .collect();
    let sends = |component: &Component| {
        let mut found = false;
        for key in ["address", "endpoint", "endpoints", "uri", "protocol.uri", "url"] {
            for node in component.options.at_path(key).map(Node::elements).unwrap_or_default() {
                let Some((host, port)) = node.text().and_then(host_port) else { continue };
                let here = is_loopback(host) || matches!(host, "0.0.0.0" | "[::]" | "::");
                found |= here && ports.iter().any(|p| p == port);
            }
        }
        found
    };
    let all = topology.components.iter().enumerate();
    all.filter(|(_, c)| c.kind == Kind::Sink && sends(c)).map(|(index, _)| index).collect()
}

/// Other sinks of the same type that write to the same place.
pub(super) fn same_target(topology: &Topology, sink: usize) -> Vec<usize> {
    let own = &topology.components[sink];
    let target = |component: &Component| -> Vec<Option<String>> {
        TARGETS.iter().map(|key| component.options.at_path(key).map(|node| written(&node.value))).collect()
    };
    let wanted = target(own);
    if wanted.iter().all(Option::is_none) {
        return Vec::new();
    }
    let others = topology.components.iter().enumerate().filter(|(index, _)| *index != sink);
    others
        .filter(|(_, c)| c.kind == Kind::Sink && c.type_name == own.type_name && target(c) == wanted)
        .map(|(index, _)| index)
        .collect()
}

fn written(value: &Value) -> String {
    match value {
        Value::Text(text) => text.trim_end_matches('/').to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Null => String::new(),
        Value::List(items) => items.iter().map(|item| written(&item.value) + ",").collect(),
        Value::Map(entries) => entries.iter().map(|(k, v)| format!("{}={},", k.name, written(&v.value))).collect(),
    }
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

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
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
        assert!(!is_loopback("0.0.0.0") && !is_loopback("[::]") && !is_loopback("localhost.example.com"));
    }
}
