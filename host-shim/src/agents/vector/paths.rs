//! How events travel through a topology: who reaches a sink, past which conditions, and by how many ways.
//!
//! Sees names, types and conditions, never an event. Only a condition that no event without a seal mark can pass counts as
//! one on the mark.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::topology::{Component, Input, Kind, Topology};

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

/// A component on the way to a sink, and whether a condition on the mark stands between the two.
type Step = (usize, bool);

/// Everything from which a sink is reached, each with the next step.
fn before(topology: &Topology, sink: usize) -> HashMap<Step, Option<Step>> {
    let mut behind: HashMap<Step, Option<Step>> = HashMap::from([((sink, false), None)]);
    let mut waiting = VecDeque::from([(sink, false)]);
    while let Some(state) = waiting.pop_front() {
        let component = &topology.components[state.0];
        let sealed = state.1 || component.asks_for_seal(None);
        for Input { from, port } in &component.inputs {
            let next = (*from, sealed || asks_at(&topology.components[*from], port));
            if let Entry::Vacant(place) = behind.entry(next) {
                place.insert(Some(state));
                waiting.push_back(next);
            }
        }
    }
    behind
}

/// Whether leaving a component by this output asks for the mark.
fn asks_at(component: &Component, port: &Option<String>) -> bool {
    port.is_some() && component.asks_for_seal(port.as_deref())
}

/// Every source that reaches `sink`, at most once for each kind of way.
pub(super) fn reaching(topology: &Topology, sink: usize) -> Vec<Reach> {
    let behind = before(topology, sink);
    let sources = behind.keys().filter(|(index, _)| topology.components[*index].kind == Kind::Source);
    let reach = |state: &Step| {
        let steps = std::iter::successors(Some(*state), |step| behind.get(step).copied().flatten());
        Reach { source: state.0, sealed: state.1, way: steps.map(|(index, _)| index).collect() }
    };
    let mut found: Vec<Reach> = sources.map(reach).collect();
    found.sort_by_key(|reach| (reach.source, reach.sealed));
    found
}

/// What is on the way to a sink.
#[derive(Debug)]
pub(super) struct Upstream {
    /// Everything from which it is reached.
    pub(super) all: BTreeSet<usize>,
    /// What gets events of the gate before a condition asked for the mark, one that stands further on.
    pub(super) unchecked: BTreeSet<usize>,
}

/// What is on the way to `sink`; `mixed` are the sources whose events are not all sealed.
pub(super) fn upstream(topology: &Topology, sink: usize, mixed: &[usize]) -> Upstream {
    let steps = before(topology, sink);
    let mut all: BTreeSet<usize> = steps.keys().map(|(index, _)| *index).collect();
    all.remove(&sink);
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); topology.components.len()];
    for index in steps.keys().map(|(index, _)| *index).collect::<BTreeSet<_>>() {
        for Input { from, port } in &topology.components[index].inputs {
            if !asks_at(&topology.components[*from], port) {
                next[*from].push(index);
            }
        }
    }
    let mut seen: HashSet<usize> = mixed.iter().copied().collect();
    let mut waiting = mixed.to_vec();
    while let Some(at) = waiting.pop() {
        if !topology.components[at].asks_for_seal(None) {
            waiting.extend(next[at].iter().copied().filter(|index| seen.insert(*index)));
        }
    }
    let unchecked = seen.into_iter().filter(|index| steps.contains_key(&(*index, true))).collect();
    Upstream { all, unchecked }
}

/// Everything on any way from one of the sources to the sink.
pub(super) fn between(topology: &Topology, sources: &[usize], sink: usize) -> BTreeSet<usize> {
    let steps = before(topology, sink);
    let leads = |index: &usize| steps.contains_key(&(*index, false)) || steps.contains_key(&(*index, true));
    sources.iter().flat_map(|source| downstream(topology, *source)).filter(leads).collect()
}

/// Whether a condition that mentions the mark stands somewhere behind this source: then its events are not all sealed.
pub(super) fn is_sorted_by_seal(topology: &Topology, source: usize) -> bool {
    downstream(topology, source).iter().any(|index| topology.components[*index].sorts)
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
