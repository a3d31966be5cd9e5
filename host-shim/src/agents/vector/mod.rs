//! Vector's configuration, as far as it can break the write protection: `innertrail check --agent-config`.
//!
//! Files are put together as Vector does it, innertrail's sources and the sinks behind them are found, and a judge asks
//! who else reaches them. Nothing is changed and nothing is run. It must never call sound what it has not understood: a
//! condition, a program or a type of transform that decides on the write protection and is not known here is a finding.

mod conditions;
mod endpoints;
mod judge;
mod marks;
mod paths;
mod patterns;
mod programs;
mod targets;
mod topology;
mod tree;
mod vrl;

use std::path::PathBuf;

use serde::Serialize;

pub use judge::AgentFinding;
pub use tree::ReadError;

use endpoints::{gate_is_lost, is_behind_gate, is_door};
use judge::Judge;
use paths::{is_sorted_by_seal, reaching};
use topology::{Kind, Topology};

/// What was asked.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The files that Vector reads.
    pub files: Vec<PathBuf>,
    /// The sinks that innertrail's events go to; empty: find them.
    pub sinks: Vec<String>,
    /// The sources that innertrail's events come from; empty: find them.
    pub sources: Vec<String>,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct AgentReport {
    /// The files, printable.
    pub files: Vec<String>,
    /// Components in them.
    pub components: usize,
    /// Names of the sources taken for innertrail's.
    pub dedicated_sources: Vec<String>,
    /// Names of the sinks taken for the dedicated ones.
    pub dedicated_sinks: Vec<String>,
    /// By file and line.
    pub findings: Vec<AgentFinding>,
}

/// Reads the files and judges them.
///
/// # Errors
/// [`ReadError`]: a file cannot be read, is damaged, or an option names a component that is not there.
pub fn check(question: &Question) -> Result<AgentReport, ReadError> {
    let files = question.files.iter().map(|file| Ok((file.clone(), tree::read(file)?)));
    let topology = Topology::new(files.collect::<Result<_, ReadError>>()?)?;
    let doors = doors(&topology, &question.sources)?;
    let mixed = mixed(&topology, &doors);
    let sinks = sinks(&topology, &question.sinks, &doors, &mixed)?;
    let names = |of: &[usize]| of.iter().map(|index| topology.components[*index].name.clone()).collect();
    let named = !question.sources.is_empty();
    let judge = Judge { topology: &topology, doors: &doors, named, mixed: &mixed, sinks: &sinks, findings: Vec::new() };
    Ok(AgentReport {
        files: topology.files.iter().map(|file| tree::shown(file)).collect(),
        components: topology.components.len(),
        dedicated_sources: names(&doors),
        dedicated_sinks: names(&sinks),
        findings: judge.all(),
    })
}

fn doors(topology: &Topology, named: &[String]) -> Result<Vec<usize>, ReadError> {
    if named.is_empty() {
        return Ok((0..topology.components.len()).filter(|i| is_door(&topology.components[*i])).collect());
    }
    find(topology, Kind::Source, "--dedicated-source", named)
}

/// Those of the doors from which more comes than sealed events: what stands behind the gate, or before a condition on the
/// mark. Where a sink sends to the gate and nothing is known to stand behind it, any of them may.
fn mixed(topology: &Topology, doors: &[usize]) -> Vec<usize> {
    let component = |door: &usize| &topology.components[*door];
    if gate_is_lost(topology, doors) {
        return doors.to_vec();
    }
    let is_mixed = |door: &usize| is_behind_gate(component(door)) || is_sorted_by_seal(topology, *door);
    doors.iter().copied().filter(is_mixed).collect()
}

/// The named sinks, or those that innertrail's events reach: past a condition on the seal mark where there is one.
fn sinks(topology: &Topology, named: &[String], doors: &[usize], mixed: &[usize]) -> Result<Vec<usize>, ReadError> {
    if !named.is_empty() {
        return find(topology, Kind::Sink, "--dedicated-sink", named);
    }
    let is_theirs = |sink: usize| {
        reaching(topology, sink)
            .iter()
            .any(|reach| doors.contains(&reach.source) && (reach.sealed || !mixed.contains(&reach.source)))
    };
    let counts = |index: usize| {
        let component = &topology.components[index];
        component.kind == Kind::Sink && !matches!(component.type_name.as_str(), "blackhole" | "console" | "memory")
    };
    Ok((0..topology.components.len()).filter(|index| counts(*index) && is_theirs(*index)).collect())
}

fn find(topology: &Topology, kind: Kind, option: &'static str, named: &[String]) -> Result<Vec<usize>, ReadError> {
    let one = |name: &String| {
        topology.find(kind, name).ok_or_else(|| ReadError::no_such(option, kind.word(), name, topology.names(kind)))
    };
    named.iter().map(one).collect()
}
