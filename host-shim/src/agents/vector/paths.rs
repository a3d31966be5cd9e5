//! How events travel through a topology: who reaches a sink, past which conditions, and by how many ways.
//!
//! Sees names, types and conditions, never an event. A condition counts as one on the seal mark when its text names
//! `it_seal` and does not ask for its absence; what a condition really does only Vector knows.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};

use super::topology::{Component, Input, Kind, Topology};
use super::tree::{Node, Value};

/// Ways that are looked at for one pair of source and sink. A real topology has a handful.
const MAX_WAYS: usize = 512;

/// Components on one way, for the same.
const MAX_STEPS: usize = 1000;

/// A source that reaches a sink.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) source: usize,
    /// Whether a condition on the seal mark stands on this way.
    pub(super) sealed: bool,
    /// The components of a shortest such way, source first, sink last.
    pub(super) way: Vec<usize>,
}

/// Every source that reaches `sink`, at most once for each kind of way.
pub(super) fn reaching(topology: &Topology, sink: usize) -> Vec<Reach> {
    let mut behind: HashMap<(usize, bool), Option<(usize, bool)>> = HashMap::from([((sink, false), None)]);
    let mut waiting = VecDeque::from([(sink, false)]);
    let mut found = Vec::new();
    while let Some(state) = waiting.pop_front() {
        let component = &topology.components[state.0];
        let filtered = component.type_name == "filter" && asks_for_seal(component.options.get("condition"));
        let sealed = state.1 || filtered;
        if component.kind == Kind::Source {
            let steps = std::iter::successors(Some(state), |step| behind.get(step).copied().flatten());
            found.push(Reach { source: state.0, sealed, way: steps.map(|(index, _)| index).collect() });
            continue;
        }
        for Input { from, port } in &component.inputs {
            let next = (*from, sealed || port_asks_for_seal(&topology.components[*from], port.as_deref()));
            if let Entry::Vacant(place) = behind.entry(next) {
                place.insert(Some(state));
                waiting.push_back(next);
            }
        }
    }
    found.sort_by_key(|reach| (reach.source, reach.sealed));
    found
}

/// Whether a condition on the seal mark stands somewhere behind this source: then its events are not all sealed.
pub(super) fn is_sorted_by_seal(topology: &Topology, source: usize) -> bool {
    downstream(topology, source).iter().any(|index| {
        let component = &topology.components[*index];
        let routes = ["route", "routes", "lanes"].iter().filter_map(|key| component.options.get(key));
        let condition = component.options.get("condition");
        component.kind == Kind::Transform && routes.chain(condition).any(names_seal)
    })
}

/// Everything behind a component.
fn downstream(topology: &Topology, source: usize) -> HashSet<usize> {
    let mut behind: Vec<Vec<usize>> = vec![Vec::new(); topology.components.len()];
    for (index, component) in topology.components.iter().enumerate() {
        component.inputs.iter().for_each(|input| behind[input.from].push(index));
    }
    let mut seen = HashSet::new();
    let mut waiting = vec![source];
    while let Some(at) = waiting.pop() {
        waiting.extend(behind[at].iter().copied().filter(|index| seen.insert(*index)));
    }
    seen
}

/// Two ways by which one event comes to a sink twice: the component where they part, and the two next steps.
#[derive(Debug)]
pub(super) struct Doubled {
    pub(super) parts_at: usize,
    pub(super) outputs: (Option<String>, Option<String>),
    pub(super) through: (usize, usize),
}

/// Looks for an event of `source` that comes to `sink` twice. `Err`: too many ways to look at.
pub(super) fn doubled(topology: &Topology, source: usize, sink: usize) -> Result<Option<Doubled>, ()> {
    let mut ways = Vec::new();
    let mut walk = Walk { topology, source, behind: downstream(topology, source), way: vec![(sink, None)] };
    walk.collect(sink, &mut ways)?;
    for (index, one) in ways.iter().enumerate() {
        for other in &ways[index + 1..] {
            if let Some(doubled) = both(topology, one, other) {
                return Ok(Some(doubled));
            }
        }
    }
    Ok(None)
}

/// A way from the source on: each component with the output by which it is left.
type Way = Vec<(usize, Option<String>)>;

/// A walk from a sink back to a source.
struct Walk<'a> {
    topology: &'a Topology,
    source: usize,
    /// Everything behind the source: what lies elsewhere leads nowhere.
    behind: HashSet<usize>,
    way: Way,
}

impl Walk<'_> {
    fn collect(&mut self, at: usize, ways: &mut Vec<Way>) -> Result<(), ()> {
        if at == self.source {
            ways.push(self.way.iter().rev().cloned().collect());
        }
        if ways.len() > MAX_WAYS || self.way.len() > MAX_STEPS {
            return Err(());
        }
        if at == self.source {
            return Ok(());
        }
        for Input { from, port } in &self.topology.components[at].inputs {
            let leads_there = *from == self.source || self.behind.contains(from);
            if leads_there && self.way.iter().all(|(on_way, _)| on_way != from) {
                self.way.push((*from, port.clone()));
                self.collect(*from, ways)?;
                self.way.pop();
            }
        }
        Ok(())
    }
}

/// Where two ways part, when one event can go both.
fn both(topology: &Topology, one: &Way, other: &Way) -> Option<Doubled> {
    let parts = one.iter().zip(other).position(|(a, b)| a != b)?;
    // The same component may be left by two outputs, or by one output to two components.
    let at = if one[parts].0 == other[parts].0 { parts } else { parts.checked_sub(1)? };
    let (index, outputs) = (one[at].0, (one[at].1.clone(), other[at].1.clone()));
    let through = (one[at + 1].0, other[at + 1].0);
    let component = &topology.components[index];
    let unmatched = |port: &Option<String>| port.as_deref() == Some("_unmatched");
    let twice = if outputs.0 == outputs.1 {
        // One of the branches has to let everything through, or the conditions may exclude each other.
        [one, other].iter().any(|way| way[at + 1..].iter().all(|(c, _)| !is_conditional(&topology.components[*c])))
    } else {
        matches!(component.type_name.as_str(), "route" | "swimlanes")
            && !unmatched(&outputs.0)
            && !unmatched(&outputs.1)
    };
    twice.then_some(Doubled { parts_at: index, outputs, through })
}

fn is_conditional(component: &Component) -> bool {
    matches!(component.type_name.as_str(), "filter" | "route" | "swimlanes" | "exclusive_route" | "sample" | "throttle")
}

/// Whether leaving a component by this output asks for the seal mark.
fn port_asks_for_seal(component: &Component, port: Option<&str>) -> bool {
    let Some(port) = port else { return false };
    let options = &component.options;
    if component.type_name == "exclusive_route" {
        let routes = options.get("routes").map(Node::elements).unwrap_or_default();
        let named = |r: &&Node| r.get("name").and_then(Node::text) == Some(port);
        return asks_for_seal(routes.iter().find(named).and_then(|route| route.get("condition")));
    }
    asks_for_seal(options.get("route").or_else(|| options.get("lanes")).and_then(|routes| routes.get(port)))
}

/// Whether a condition, written as text or as a mapping, asks for the seal mark.
fn asks_for_seal(condition: Option<&Node>) -> bool {
    let Some(condition) = condition else { return false };
    let mut text = String::new();
    condition.texts(&mut |_, part| text.push_str(part));
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let absent = ["!exists(.it_seal", "is_null(.it_seal", ".it_seal==null", "!(exists(.it_seal"];
    text.contains("it_seal") && !absent.iter().any(|a| text.contains(a))
}

fn names_seal(node: &Node) -> bool {
    let mut found = false;
    node.texts(&mut |_, text| found |= text.contains("it_seal"));
    found
}

/// Whether a `remap` writes the seal mark itself.
pub(super) fn writes_seal(component: &Component) -> bool {
    let Some(Value::Text(program)) = component.options.get("source").map(|node| &node.value) else { return false };
    program.match_indices("it_seal").any(|(at, name)| {
        let before = program[..at].chars().next_back();
        let after = program[at + name.len()..].trim_start_matches(['"', ' ', '\t']);
        let assigned = ["=", "|=", "??="].iter().any(|sign| after.starts_with(sign)) && !after.starts_with("==");
        matches!(before, Some('.' | '"')) && assigned
    })
}
