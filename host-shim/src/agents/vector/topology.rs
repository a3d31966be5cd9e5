//! The topology that the files make together: components, their outputs, and what each input means.
//!
//! Inputs are resolved as Vector does: each is a pattern over the names of all outputs, and a name that matches nothing
//! stays. A component of a type that is not known here is no error: it is taken to have any output that is asked for.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use super::tree::{Node, ReadError, Value};
use crate::config::Position;

/// What a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Source,
    Transform,
    Sink,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Transform => "transform",
            Self::Sink => "sink",
        }
    }
}

/// One component.
#[derive(Debug)]
pub(super) struct Component {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) type_name: String,
    pub(super) file: usize,
    pub(super) at: Position,
    pub(super) options: Node,
    /// From which component and which of its outputs; `None` is the output without a name.
    pub(super) inputs: Vec<Input>,
}

/// An input after its pattern was resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) from: usize,
    pub(super) port: Option<String>,
}

/// Everything that the files say together.
#[derive(Debug)]
pub(super) struct Topology {
    pub(super) files: Vec<PathBuf>,
    pub(super) components: Vec<Component>,
    /// `acknowledgements` at the top of a file.
    pub(super) acknowledgements: bool,
    /// Inputs that name nothing: component, place, text.
    pub(super) unknown: Vec<(usize, Position, String)>,
    /// Components whose name is taken already: the later one, the earlier one.
    pub(super) doubles: Vec<(usize, usize)>,
}

impl Topology {
    /// Puts files together.
    pub(super) fn new(files: Vec<(PathBuf, Node)>) -> Result<Self, ReadError> {
        let mut topology = Self {
            files: Vec::new(),
            components: Vec::new(),
            acknowledgements: false,
            unknown: Vec::new(),
            doubles: Vec::new(),
        };
        for (file, root) in files {
            let damaged = |at, why: String| ReadError::Damaged { file: file.clone(), at, why };
            if let Some(node) = root.get("acknowledgements") {
                topology.acknowledgements |= switched_on(node).unwrap_or(false);
            }
            for (kind, section) in [(Kind::Source, "sources"), (Kind::Transform, "transforms"), (Kind::Sink, "sinks")] {
                let Some(node) = root.get(section) else { continue };
                if !matches!(node.value, Value::Map(_) | Value::Null) {
                    return Err(damaged(node.at, format!("`{section}` has to be a mapping of names to components")));
                }
                for (key, options) in node.entries() {
                    let component = component(kind, key, options, topology.files.len())
                        .map_err(|(at, why)| damaged(at, format!("`{section}`: {why}")))?;
                    topology.components.push(component);
                }
            }
            topology.files.push(file);
        }
        topology.find_doubles();
        topology.resolve();
        Ok(topology)
    }

    /// Vector takes each name once, whatever it names.
    fn find_doubles(&mut self) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (index, component) in self.components.iter().enumerate() {
            match seen.get(component.name.as_str()) {
                Some(first) => self.doubles.push((index, *first)),
                None => {
                    seen.insert(&component.name, index);
                }
            }
        }
    }

    fn resolve(&mut self) {
        let mut candidates: Vec<(String, Input)> = Vec::new();
        for (from, component) in self.components.iter().enumerate().filter(|(_, c)| c.kind != Kind::Sink) {
            for port in outputs(component).unwrap_or_else(|| vec![None]) {
                let text = match &port {
                    None => component.name.clone(),
                    Some(port) => format!("{}.{port}", component.name),
                };
                candidates.push((text, Input { from, port }));
            }
        }
        let by_name: HashMap<&str, usize> =
            candidates.iter().enumerate().map(|(index, (text, _))| (text.as_str(), index)).collect();
        let mut resolved = Vec::new();
        let mut unknown = Vec::new();
        for (index, component) in self.components.iter().enumerate().filter(|(_, c)| c.kind != Kind::Source) {
            let mut inputs: Vec<Input> = Vec::new();
            for node in component.options.get("inputs").map(Node::elements).unwrap_or_default() {
                let Some(text) = node.text() else { continue };
                let found = self.matching(text, &component.name, &candidates, &by_name);
                if found.is_empty() {
                    unknown.push((index, node.at, text.to_owned()));
                }
                inputs.extend(found);
            }
            let mut seen = BTreeSet::new();
            inputs.retain(|input| seen.insert((input.from, input.port.clone())));
            resolved.push((index, inputs));
        }
        for (index, inputs) in resolved {
            self.components[index].inputs = inputs;
        }
        self.unknown = unknown;
    }

    /// What one input means.
    fn matching(
        &self,
        text: &str,
        own: &str,
        candidates: &[(String, Input)],
        by_name: &HashMap<&str, usize>,
    ) -> Vec<Input> {
        let found: Vec<Input> = match glob::Pattern::new(text) {
            Ok(pattern) if text.contains(['*', '?', '[']) => candidates
                .iter()
                .filter(|(name, _)| name != own && pattern.matches(name))
                .map(|(_, input)| input.clone())
                .collect(),
            _ => by_name.get(text).filter(|_| text != own).map(|i| candidates[*i].1.clone()).into_iter().collect(),
        };
        if !found.is_empty() {
            return found;
        }
        // A named output of a component whose outputs are not known here.
        let Some((name, port)) = text.split_once('.') else { return Vec::new() };
        let named = glob::Pattern::new(name).ok();
        let fits = |c: &Component| c.name == name || named.as_ref().is_some_and(|p| p.matches(&c.name));
        self.components
            .iter()
            .enumerate()
            .filter(|(_, c)| c.kind != Kind::Sink && c.name != own && outputs(c).is_none() && fits(c))
            .map(|(from, _)| Input { from, port: Some(port.to_owned()) })
            .collect()
    }

    /// The component of this kind and name.
    pub(super) fn find(&self, kind: Kind, name: &str) -> Option<usize> {
        self.components.iter().position(|c| c.kind == kind && c.name == name)
    }

    /// Names of one kind.
    pub(super) fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.components.iter().filter(move |c| c.kind == kind).map(|c| c.name.as_str())
    }
}

fn component(kind: Kind, key: &super::tree::Key, options: &Node, file: usize) -> Result<Component, (Position, String)> {
    if !matches!(options.value, Value::Map(_)) {
        return Err((options.at, format!("{} has to be a mapping of options", crate::config::shown(&key.name))));
    }
    let inputs = options.get("inputs").map(Node::elements).unwrap_or_default();
    if let Some(wrong) = inputs.iter().find(|node| node.text().is_none()) {
        return Err((wrong.at, "`inputs` has to be a list of names".to_owned()));
    }
    let type_name = options.get("type").and_then(Node::text).unwrap_or_default().to_owned();
    Ok(Component {
        name: key.name.clone(),
        kind,
        type_name,
        file,
        at: key.at,
        options: options.clone(),
        inputs: Vec::new(),
    })
}

/// Whether `acknowledgements: true` or `acknowledgements: {enabled: true}` says on; `None`: it says nothing.
pub(super) fn switched_on(node: &Node) -> Option<bool> {
    node.bool().or_else(|| node.get("enabled").and_then(Node::bool))
}

/// The outputs of a component; `None`: its type is not known here, so it may have any.
pub(super) fn outputs(component: &Component) -> Option<Vec<Option<String>>> {
    let options = &component.options;
    let named = |names: Vec<String>| Some(names.into_iter().map(Some).collect());
    let on = |key: &str, otherwise: bool| options.get(key).and_then(Node::bool).unwrap_or(otherwise);
    let with_unmatched = |mut names: Vec<String>| {
        if on("reroute_unmatched", true) {
            names.push("_unmatched".to_owned());
        }
        named(names)
    };
    let three = || named(["logs", "metrics", "traces"].map(str::to_owned).to_vec());
    match (component.kind, component.type_name.as_str()) {
        (Kind::Source, "opentelemetry") => three(),
        (Kind::Source, "datadog_agent") if on("multiple_outputs", false) => three(),
        (Kind::Source, name) if KNOWN_SOURCES.contains(&name) => Some(vec![None]),
        (Kind::Transform, "route" | "swimlanes") => {
            let routes = options.get("route").or_else(|| options.get("lanes")).map(Node::entries).unwrap_or_default();
            with_unmatched(routes.iter().map(|(key, _)| key.name.clone()).collect())
        }
        (Kind::Transform, "exclusive_route") => {
            let routes = options.get("routes").map(Node::elements).unwrap_or_default();
            with_unmatched(routes.iter().filter_map(|r| r.get("name")?.text().map(str::to_owned)).collect())
        }
        (Kind::Transform, "remap") if on("reroute_dropped", false) => Some(vec![None, Some("dropped".to_owned())]),
        (Kind::Transform, name) if KNOWN_TRANSFORMS.contains(&name) => Some(vec![None]),
        _ => None,
    }
}

/// Sources with one output. A type that is missing here is only treated more mildly.
const KNOWN_SOURCES: [&str; 24] = [
    "amqp",
    "aws_kinesis_firehose",
    "aws_s3",
    "aws_sqs",
    "demo_logs",
    "docker_logs",
    "exec",
    "file",
    "file_descriptor",
    "fluent",
    "gcp_pubsub",
    "http_client",
    "http_server",
    "internal_logs",
    "internal_metrics",
    "journald",
    "kafka",
    "kubernetes_logs",
    "logstash",
    "nats",
    "socket",
    "stdin",
    "syslog",
    "vector",
];

/// Transforms with one output.
const KNOWN_TRANSFORMS: [&str; 8] =
    ["aggregate", "dedupe", "filter", "log_to_metric", "metric_to_log", "reduce", "remap", "trace_to_log"];
