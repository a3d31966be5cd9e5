//! What is wrong with a topology, each finding with its component and the way out.
//!
//! One function a question. What is on the way to the dedicated sink and cannot be followed is a finding; it must never be
//! passed over in silence.

use std::collections::BTreeSet;

use serde::Serialize;

use super::endpoints::{feeders, gate_is_lost, is_before_gate, is_called_ours, is_deaf, open_address, senders};
use super::paths::{Reach, between, doubled, reaching};
use super::programs::doubts;
use super::targets::{Same, Targets};
use super::topology::{Component, Kind, Topology, outputs, switched_on};
use super::tree::{Node, shown as shown_path};
use crate::config::{Position, nearest, shown};

/// One thing that is wrong with the agent's configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AgentFinding {
    /// The file, printable; empty when it is about all of them.
    pub file: String,
    /// Line, from 1; 0 when it is about no place.
    pub line: usize,
    /// Column in characters, from 1; 0 when it is about no place.
    pub column: usize,
    /// The component, as `sink innertrail_dedicated`; printable, may be empty.
    pub component: String,
    /// What sort of finding: a word that programs can rely on.
    pub kind: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// The judge: a topology, which sources are innertrail's, which sinks are theirs.
pub(super) struct Judge<'a> {
    pub(super) topology: &'a Topology,
    pub(super) doors: &'a [usize],
    /// Whether they were named, not found.
    pub(super) named: bool,
    /// Those of them behind which a condition on the seal mark stands: what comes from them is not all sealed.
    pub(super) mixed: &'a [usize],
    pub(super) sinks: &'a [usize],
    pub(super) findings: Vec<AgentFinding>,
}

impl Judge<'_> {
    /// Asks everything.
    pub(super) fn all(mut self) -> Vec<AgentFinding> {
        self.nothing_found();
        self.not_read();
        self.names();
        self.variables();
        let targets = Targets::of(self.topology);
        let doubts: Vec<_> = self.topology.components.iter().map(doubts).collect();
        for sink in self.sinks {
            self.writers(*sink);
            self.several(*sink);
            self.programs(*sink, &doubts);
            self.twins(*sink, &targets);
            self.acknowledges(*sink);
            self.drops(*sink);
            self.twice(*sink);
        }
        for door in self.doors {
            self.door(*door);
        }
        self.before_gate();
        self.conditions();
        self.findings.sort();
        self.findings.dedup();
        self.findings
    }

    pub(super) fn component(&self, index: usize) -> &Component {
        &self.topology.components[index]
    }

    pub(super) fn title(&self, index: usize) -> String {
        let component = self.component(index);
        format!("{} {}", component.kind.word(), shown(&component.name))
    }

    pub(super) fn report(&mut self, index: usize, kind: &'static str, message: String, remedy: &str) {
        let component = &self.topology.components[index];
        self.findings.push(AgentFinding {
            file: shown_path(&self.topology.files[component.file]),
            line: component.at.line,
            column: component.at.column,
            component: self.title(index),
            kind,
            message,
            remedy: remedy.to_owned(),
        });
    }

    /// The same with a place within the component.
    pub(super) fn report_at(&mut self, index: usize, at: Position, kind: &'static str, message: String, remedy: &str) {
        self.report(index, kind, message, remedy);
        if let Some(finding) = self.findings.last_mut() {
            (finding.line, finding.column) = (at.line, at.column);
        }
    }

    /// A finding about no component.
    fn general(&mut self, kind: &'static str, message: &str, remedy: &str) {
        let (message, remedy) = (message.to_owned(), remedy.to_owned());
        let (file, component) = (String::new(), String::new());
        self.findings.push(AgentFinding { file, line: 0, column: 0, component, kind, message, remedy });
    }

    fn nothing_found(&mut self) {
        if self.doors.is_empty() {
            let remedy =
                "name it with --dedicated-source, or call it `innertrail` (see `innertrail agent-config vector`)";
            self.general("no_source", "no source of these files is innertrail's", remedy);
        } else if self.sinks.is_empty() {
            let remedy = "add a sink (see `innertrail agent-config vector`), or name it with --dedicated-sink";
            self.general("no_sink", "no sink takes the events that come from innertrail", remedy);
        }
    }

    /// Names that Vector would refuse: given twice, or given to nothing.
    fn names(&mut self) {
        for (later, first) in self.topology.doubles.clone() {
            let first = self.component(first);
            let place = format!("{}:{}", shown_path(&self.topology.files[first.file]), first.at.line);
            let message = format!("the name is taken by a {} already, at {place}", first.kind.word());
            self.report(later, "double_name", message, "give it another name: Vector does not start with both");
        }
        for (index, at, text) in self.topology.unknown.clone() {
            let message = format!("its input {} is no output of any component in these files", shown(&text));
            let remedy = self.meant(&text);
            self.report_at(index, at, "unknown_input", message, &remedy);
        }
    }

    /// What an input that names nothing may have meant.
    fn meant(&self, text: &str) -> String {
        let name = text.split('.').next().unwrap_or(text);
        let feeding = || self.topology.components.iter().filter(|c| c.kind != Kind::Sink);
        if let Some(ports) = feeding().find(|c| c.name == name).and_then(outputs) {
            let ports: Vec<String> = ports.into_iter().flatten().map(|port| shown(&format!("{name}.{port}"))).collect();
            return match ports.as_slice() {
                [] => format!("it has one output: write {}", shown(name)),
                ports => format!("it has the outputs {}", ports.join(", ")),
            };
        }
        let near = nearest(text, feeding().map(|c| c.name.as_str()));
        let hint = near.map_or_else(String::new, |near| format!(", or is {} meant?", shown(near)));
        format!("give every file that Vector reads{hint}")
    }

    /// `${VAR}`, which Vector 0.57 and later takes as it is written.
    fn variables(&mut self) {
        let mut found = Vec::new();
        for (index, component) in self.topology.components.iter().enumerate() {
            component.options.texts(&mut |at, text| {
                found.extend(variables(text).into_iter().map(|name| (index, at, name)));
            });
        }
        let mut told = BTreeSet::new();
        for (index, at, name) in found {
            if !told.insert((index, name.clone())) {
                continue;
            }
            let message = format!("{} is not replaced by Vector 0.57 and later, but taken as written", shown(&name));
            let remedy = "write the value out, or take a secret from a back end: SECRET[backend.key]";
            self.report_at(index, at, "variable", message, remedy);
        }
    }

    /// Who else reaches the sink.
    fn writers(&mut self, sink: usize) {
        for reach in reaching(self.topology, sink) {
            let way = self.way(&reach);
            let (title, is_door) = (self.title(reach.source), self.doors.contains(&reach.source));
            if is_door {
                if !reach.sealed && self.mixed.contains(&reach.source) {
                    let message = format!("takes events of {title} past the condition on `it_seal`: {way}");
                    let remedy = "take its input from the output with the condition alone: what passed the gate without a \
                                  seal mark is no operation log of the Logstore";
                    self.report(sink, "unsealed", message, remedy);
                }
            } else if reach.sealed {
                let message = format!("takes events of {title}, which never went through the gate: {way}");
                let remedy = "send that source through the gate, or take it out of the inputs: a condition on `it_seal` \
                              only asks whether the field is there, and anybody can write it";
                self.report(sink, "bypasses_gate", message, remedy);
            } else {
                let component = self.component(reach.source);
                let name = if is_called_ours(component) { ", whatever its name says" } else { "" };
                let message = format!("takes events of {title}, which is not innertrail's{name}: {way}");
                let remedy = "give innertrail's events a sink of their own, with that source in none of its inputs";
                self.report(sink, "foreign_writer", message, remedy);
            }
        }
    }

    fn way(&self, reach: &Reach) -> String {
        const LONGEST: usize = 12;
        let mut names: Vec<String> = reach.way.iter().map(|index| shown(&self.component(*index).name)).collect();
        if names.len() > LONGEST {
            let left_out = names.len() - LONGEST;
            names.splice(LONGEST / 2..names.len() - LONGEST / 2, [format!("({left_out} more)")]);
        }
        names.join(" -> ")
    }

    /// Sinks beside the dedicated one that write to the same place.
    fn twins(&mut self, sink: usize, targets: &Targets<'_>) {
        let dedicated = self.sinks.iter().copied().collect();
        for (other, same) in targets.same_as(sink, &dedicated) {
            let writes = match same {
                Same::Surely => "writes to the same place as",
                Same::Perhaps => "may write to the same place as",
            };
            let message = format!("{writes} the dedicated {}", self.title(sink));
            self.report(other, "same_target", message, "give it another path, bucket, index or topic, written out");
        }
    }

    fn acknowledges(&mut self, sink: usize) {
        let own = self.component(sink).options.get("acknowledgements").and_then(switched_on);
        if !own.unwrap_or(self.topology.acknowledgements) {
            let message = "has no acknowledgements, so innertrail is told `delivered` before anything was".to_owned();
            self.report(sink, "acknowledgements_off", message, "set acknowledgements.enabled: true on the sink");
        }
        let sources: BTreeSet<usize> = reaching(self.topology, sink).iter().map(|reach| reach.source).collect();
        for door in self.doors.iter().filter(|door| sources.contains(*door)) {
            if is_deaf(self.component(*door)) {
                let kind = shown(&self.component(*door).type_name);
                let message =
                    format!("a source of type {kind} cannot acknowledge: what Vector holds when it dies is lost");
                let remedy = "use a `vector` source (`innertrail agent-config vector`), or accept the loss";
                self.report(*door, "cannot_acknowledge", message, remedy);
            }
        }
    }

    /// Sinks before the gate: who sent their events is answered when they are.
    fn before_gate(&mut self) {
        let lost = gate_is_lost(self.topology, self.doors);
        for sink in 0..self.topology.components.len() {
            if lost && is_before_gate(self.component(sink)) {
                let message =
                    "sends to the gate, and no source is known to stand behind it, so any of innertrail's may";
                let remedy = "let that source listen on 127.0.0.1:6002, or call it `innertrail_gate`";
                self.report(sink, "no_source", message.to_owned(), remedy);
            }
            let own = self.component(sink).options.get("acknowledgements").and_then(switched_on);
            if is_before_gate(self.component(sink)) && !own.unwrap_or(self.topology.acknowledgements) {
                let message = "has no acknowledgements, so whoever sent is told `delivered` before the gate answered";
                let remedy = "set acknowledgements.enabled: true on the sink";
                self.report(sink, "acknowledgements_off", message.to_owned(), remedy);
            }
        }
    }

    /// What drops events on the way. Vector counts a dropped event as delivered.
    fn drops(&mut self, sink: usize) {
        let buffer = self.component(sink).options.get("buffer").map(Node::elements).unwrap_or_default();
        if buffer.iter().any(|stage| stage.get("when_full").and_then(Node::text) == Some("drop_newest")) {
            let message = "drops events when its buffer is full".to_owned();
            self.report(
                sink,
                "drops",
                message,
                "set buffer.when_full: block; innertrail waits, and keeps what is not sent",
            );
        }
        for index in between(self.topology, self.doors, sink) {
            let component = self.component(index);
            let on = |key: &str| component.options.get(key).and_then(Node::bool).unwrap_or(false);
            let why = match component.type_name.as_str() {
                "sample" => "keeps a part of the events only",
                "throttle" => "drops events above its rate",
                "reduce" => "makes one event of several",
                "remap" if on("drop_on_error") && !on("reroute_dropped") => "drops an event on which its program fails",
                _ => continue,
            };
            let message = format!("{why}, and a dropped event counts as delivered");
            self.report(index, "drops", message, "take it off the way to the dedicated sink");
        }
    }

    /// An event that comes to the sink by two ways.
    fn twice(&mut self, sink: usize) {
        for door in self.doors.iter().copied() {
            match doubled(self.topology, door, sink) {
                Ok(None) => {}
                Ok(Some(found)) => {
                    let at = self.title(found.parts_at);
                    let message = match found.outputs {
                        (Some(one), Some(other)) if one != other => {
                            let (one, other) = (shown(&one), shown(&other));
                            format!("gets an event twice that matches both {one} and {other} of {at}")
                        }
                        _ => {
                            let name = |index: usize| shown(&self.component(index).name);
                            let (one, other) = (name(found.through.0), name(found.through.1));
                            format!("gets events of {at} twice, through {one} and through {other}")
                        }
                    };
                    let remedy = "keep one of the two inputs, or use `exclusive_route` in place of `route`";
                    self.report(sink, "doubled", message, remedy);
                }
                Err(()) => {
                    let message = "is reached by too many ways to tell whether an event comes twice".to_owned();
                    self.report(sink, "too_wide", message, "give innertrail's events a way of their own");
                }
            }
        }
    }

    fn door(&mut self, door: usize) {
        if let Some(address) = open_address(self.component(door)) {
            let message = format!("listens on {}, where anybody who reaches it writes as innertrail", shown(&address));
            let remedy = "listen on 127.0.0.1, or set tls.enabled and tls.verify_certificate with a CA of its own";
            self.report(door, "open_source", message, remedy);
        }
        for (sender, same) in senders(self.topology, door) {
            let (title, port) = (self.title(door), "only innertrail writes there");
            let (message, remedy) = match same {
                Same::Surely => (
                    format!("sends to where {title} listens, so its events come in as innertrail's"),
                    format!("send it elsewhere: {port}"),
                ),
                Same::Perhaps => (
                    format!(
                        "may send to where {title} listens or reads: whether that is this machine is not known here"
                    ),
                    format!("let the source listen on one address, or on another port: {port}"),
                ),
            };
            self.report(sender, "writes_to_source", message, &remedy);
        }
        for feeder in feeders(self.topology, door) {
            let message =
                format!("may write a file that {} reads, so its events come in as innertrail's", self.title(door));
            let remedy = "write into another folder: only innertrail writes there";
            self.report(feeder, "writes_to_source", message, remedy);
        }
    }
}

/// Names of the variables in a text, written as `${NAME}`; `$$` is a dollar sign.
fn variables(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            rest = behind;
            continue;
        }
        let Some(inside) = rest.strip_prefix('{').and_then(|r| r.split_once('}')).map(|(inside, _)| inside) else {
            continue;
        };
        let name: String = inside.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.')).collect();
        let behind = &inside[name.len()..];
        if !name.is_empty() && (behind.is_empty() || behind.starts_with([':', '-', '?'])) {
            found.push(format!("${{{name}}}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::variables;

    #[test]
    fn variables_are_told_from_dollars() {
        assert_eq!(variables("a${B}c${D:-e}"), ["${B}", "${D}"]);
        assert_eq!(variables("$${B} ${} ${1 + 2} $B $1 ${"), Vec::<String>::new());
    }
}
