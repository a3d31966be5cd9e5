//! Which sinks write to one place, however the place is spelled.
//!
//! Compares what is written: it must never resolve a name, follow a link or open a connection. Where a template or an
//! option left out makes two places the same perhaps, they count as the same perhaps.

use std::collections::HashSet;

use super::patterns::{MAX_BYTES, Piece, Set, may_coincide, path, template};
use super::topology::{Component, Kind, Topology};
use super::tree::Node;

/// Options that say which server a sink writes to.
const SERVERS: [&str; 13] = [
    "endpoint",
    "endpoints",
    "address",
    "uri",
    "url",
    "host",
    "hosts",
    "protocol.uri",
    "bootstrap_servers",
    "queue_url",
    "connection_string",
    "servers",
    "dsn",
];

/// Options that say where on the server, or where on this machine.
const NAMES: [&str; 25] = [
    "path",
    "bucket",
    "key_prefix",
    "container_name",
    "blob_prefix",
    "topic",
    "topic_arn",
    "index",
    "stream_name",
    "group_name",
    "table",
    "database",
    "dataset",
    "key",
    "exchange",
    "routing_key",
    "subject",
    "project_id",
    "project",
    "log_id",
    "tenant_id",
    "collection",
    "mode",
    "region",
    "site",
];

/// Those that say where a service is, not where in it.
const REGIONS: [&str; 2] = ["region", "site"];

/// Keys and tokens: with two of them two sinks write to two accounts, when nothing else tells them apart.
const ACCOUNTS: [&str; 8] =
    ["default_api_key", "api_key", "license_key", "default_token", "token", "account_id", "org_id", "customer_id"];

/// What Vector takes where an option is left out.
const DEFAULTS: [(&str, &str, &str); 5] = [
    ("aws_s3", "key_prefix", "date=%F"),
    ("gcp_cloud_storage", "key_prefix", "date=%F/"),
    ("azure_blob", "blob_prefix", "blob/%F/"),
    ("clickhouse", "database", "default"),
    ("loki", "path", "/loki/api/v1/push"),
];

/// How sure it is that two sinks write to one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Same {
    Surely,
    Perhaps,
}

/// Where every sink writes.
pub(super) struct Targets<'a>(Vec<(usize, Target<'a>)>);

impl<'a> Targets<'a> {
    pub(super) fn of(topology: &'a Topology) -> Self {
        let sinks = topology.components.iter().enumerate().filter(|(_, c)| c.kind == Kind::Sink);
        Self(sinks.map(|(index, c)| (index, Target::of(c))).collect())
    }

    /// Other sinks that write to where this one does, those of `dedicated` left out.
    pub(super) fn same_as(&self, sink: usize, dedicated: &HashSet<usize>) -> Vec<(usize, Same)> {
        let Some((_, own)) = self.0.iter().find(|(index, _)| *index == sink) else { return Vec::new() };
        let others = self.0.iter().filter(|(index, _)| *index != sink && !dedicated.contains(index));
        others.filter_map(|(index, other)| Some((*index, own.same(other)?))).collect()
    }
}

/// Where a sink writes.
struct Target<'a> {
    component: &'a Component,
    servers: Vec<Vec<Piece>>,
    names: Vec<Option<Vec<Piece>>>,
}

impl<'a> Target<'a> {
    fn of(component: &'a Component) -> Self {
        let options = &component.options;
        let texts = SERVERS.iter().filter_map(|key| options.at_path(key)).flat_map(Node::elements);
        let servers = texts.filter_map(Node::text).flat_map(listed).map(server).collect();
        let name = |key: &&str| name(component, key).map(|text| path(&template(&text)));
        let mut names: Vec<_> = NAMES.iter().map(name).collect();
        if component.type_name == "elasticsearch" {
            names.push(Some(template(&elastic_index(options))));
        }
        Self { component, servers, names }
    }

    fn same(&self, other: &Self) -> Option<Same> {
        if self.component.type_name != other.component.type_name {
            let raw = |of: &Self| matches!(of.component.type_name.as_str(), "http" | "socket");
            // Whoever speaks HTTP or plain TCP can speak to any server.
            let found = (raw(self) || raw(other)).then(|| self.one_server(other, authority)).flatten();
            return found.map(|_| Same::Perhaps);
        }
        let mut same = match (self.servers.is_empty(), other.servers.is_empty()) {
            (false, false) => self.one_server(other, <[Piece]>::to_vec)?,
            (true, true) => Same::Surely,
            // The service's own address, which the other may have written out.
            _ => Same::Perhaps,
        };
        for pair in self.names.iter().zip(&other.names) {
            match pair {
                (None, None) => {}
                (Some(one), Some(other)) if one == other => {}
                (Some(one), Some(other)) if !may_coincide(one, other) => return None,
                _ => same = Same::Perhaps,
            }
        }
        if self.is_placed() || other.is_placed() {
            return Some(same);
        }
        (!self.other_account(other)).then_some(Same::Perhaps)
    }

    /// Whether its options name a place, and not a service alone.
    fn is_placed(&self) -> bool {
        let named = |(at, name): (usize, &Option<_>)| name.is_some() && !REGIONS.contains(NAMES.get(at).unwrap_or(&""));
        !self.servers.is_empty() || self.names.iter().enumerate().any(named)
    }

    fn other_account(&self, other: &Self) -> bool {
        let of =
            |target: &Self, key: &str| target.component.options.at_path(key).and_then(Node::text).map(str::to_owned);
        let differs = |key: &&str| matches!((of(self, key), of(other, key)), (Some(one), Some(other)) if one != other);
        ACCOUNTS.iter().any(differs)
    }

    /// Whether one of the servers is the other's.
    fn one_server(&self, other: &Self, part: fn(&[Piece]) -> Vec<Piece>) -> Option<Same> {
        let mut found = None;
        for one in &self.servers {
            for other in &other.servers {
                let (one, other) = (part(one), part(other));
                if one == other && is_one(&one) {
                    return Some(Same::Surely);
                }
                if may_coincide(&one, &other) {
                    found = Some(Same::Perhaps);
                }
            }
        }
        found
    }
}

/// Whether it stands for one text.
fn is_one(pieces: &[Piece]) -> bool {
    pieces.iter().all(|piece| matches!(piece, Piece::Char(_)))
}

/// The servers of a text: brokers are written with commas between them.
fn listed(text: &str) -> Vec<&str> {
    let parts: Vec<&str> = text.split(',').collect();
    let urls = parts.iter().all(|part| part.contains("://"));
    if urls || !text.contains('/') { parts } else { vec![text] }
}

fn authority(pieces: &[Piece]) -> Vec<Piece> {
    pieces.iter().take_while(|piece| **piece != Piece::Char('/')).copied().collect()
}

fn name(component: &Component, key: &str) -> Option<String> {
    // A bucket has its name alone all over the world; modes matter where they are protocols.
    if matches!((component.type_name.as_str(), key), ("aws_s3", "region"))
        || (key == "mode" && component.type_name != "socket")
    {
        return None;
    }
    let written = component.options.at_path(key).and_then(Node::text).map(str::to_owned);
    let default = DEFAULTS.iter().find(|(name, option, _)| *name == component.type_name && *option == key);
    written.or_else(|| default.map(|(_, _, value)| (*value).to_owned()))
}

/// The index, or the data stream, that a sink of Elasticsearch writes to.
fn elastic_index(options: &Node) -> String {
    let text = |path: &str, default: &str| options.at_path(path).and_then(Node::text).unwrap_or(default).to_owned();
    if text("mode", "bulk") != "data_stream" {
        return text("bulk.index", "vector-%Y.%m.%d");
    }
    let [kind, dataset, namespace] =
        [("type", "logs"), ("dataset", "generic"), ("namespace", "default")].map(|(key, default)| {
            let auto = options.at_path("data_stream.auto_routing").and_then(Node::bool).unwrap_or(true);
            // Fields of the event decide, unless that is switched off.
            if auto { "{{ x }}".to_owned() } else { text(&format!("data_stream.{key}"), default) }
        });
    format!("{kind}-{dataset}-{namespace}")
}

/// A server as `host:port/path`: no scheme, no user, letters small, the scheme's port where none is written.
fn server(text: &str) -> Vec<Piece> {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    if authority.contains("{{") || text.len() > MAX_BYTES {
        return vec![Piece::Run(Set::Any)];
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(':') => (host, Some(port)),
        _ => (authority, None),
    };
    let default = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => "80",
        "https" | "wss" => "443",
        _ => "",
    };
    let port = port.filter(|port| !port.is_empty()).unwrap_or(default).trim_start_matches('0');
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let host = if super::endpoints::is_loopback(&host) { "localhost" } else { &host };
    let path_text = behind.split(['?', '#']).next().unwrap_or_default();
    let mut pieces: Vec<Piece> = format!("{host}:{port}").chars().map(Piece::Char).collect();
    let behind = path(&template(path_text));
    if behind != [Piece::Char('/')] {
        pieces.extend(behind);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_in_another_spelling_are_the_same() {
        for (one, other) in [
            ("https://siem/x", "HTTPS://SIEM:443/x/"),
            ("http://es:9200", "http://es:9200/"),
            ("http://u:p@es/x", "http://es:80//x?y=1"),
            ("127.0.0.1:6000", "LOCALHOST:6000"),
            ("http://[::1]:6000", "127.0.0.1:6000"),
            ("https://siem.example./x", "https://siem.example/./x"),
        ] {
            assert_eq!(server(one), server(other), "{one} {other}");
        }
        for (one, other) in [("https://siem/x", "http://siem/x"), ("a:1", "b:1"), ("http://a/x", "http://a/y")] {
            assert_ne!(server(one), server(other), "{one} {other}");
        }
    }
}
