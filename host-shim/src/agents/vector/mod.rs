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
    judged(&Topology::new(files.collect::<Result<_, ReadError>>()?)?, question)
}

fn judged(topology: &Topology, question: &Question) -> Result<AgentReport, ReadError> {
    let doors = doors(topology, &question.sources)?;
    let mixed = mixed(topology, &doors);
    let sinks = sinks(topology, &question.sinks, &doors, &mixed)?;
    let names = |of: &[usize]| of.iter().map(|index| topology.components[*index].name.clone()).collect();
    let named = !question.sources.is_empty();
    let judge = Judge { topology, doors: &doors, named, mixed: &mixed, sinks: &sinks, findings: Vec::new() };
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a transform does to an event of somebody who wants to pass for the Logstore.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Does {
        AsksForMark,
        /// A condition that has nothing to do with the mark.
        AsksElse,
        AsksUnclearly,
        Tidies,
        MakesAnew,
        WritesMark,
        RunsLua,
    }

    impl Does {
        fn written(self) -> &'static str {
            match self {
                Self::AsksForMark => "type: filter\n    condition: exists(.it_seal) && .a",
                Self::AsksElse => "type: filter\n    condition: .level == 1",
                Self::AsksUnclearly => "type: filter\n    condition: exists(.it_seal) || .a",
                Self::Tidies => "type: remap\n    source: .a = .it_seal",
                Self::MakesAnew => "type: remap\n    source: . = parse_json!(.message)",
                Self::WritesMark => "type: remap\n    source: .it_seal, _ = f()",
                Self::RunsLua => "type: lua\n    source: x = 1",
            }
        }

        /// The event behind it: with a forged mark or without one; `None`: it does not pass.
        fn passes(self, forged: bool) -> Option<bool> {
            match self {
                Self::AsksForMark => forged.then_some(true),
                Self::AsksElse | Self::AsksUnclearly | Self::Tidies => Some(forged),
                Self::MakesAnew | Self::WritesMark | Self::RunsLua => Some(true),
            }
        }
    }

    fn does() -> impl Strategy<Value = Does> {
        prop_oneof![
            4 => Just(Does::AsksForMark),
            3 => Just(Does::Tidies),
            2 => Just(Does::MakesAnew),
            1 => prop::sample::select(vec![Does::AsksElse, Does::AsksUnclearly, Does::WritesMark, Does::RunsLua]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        /// A topology in which an event without a genuine mark comes from the gate to the dedicated sink is never sound.
        /// Each transform takes from some of those before it, or from the gate; the sink takes from some of them.
        #[test]
        fn what_is_called_sound_lets_nothing_through(
            chain in prop::collection::vec((does(), any::<u8>()), 1..6),
            last in any::<u8>(),
            named in any::<bool>(),
        ) {
            let inputs = |bits: u8, count: usize| -> Vec<usize> {
                let chosen: Vec<usize> = (0..=count).filter(|at| bits & (1 << at) != 0).collect();
                if chosen.is_empty() { vec![count] } else { chosen }
            };
            let name = |at: &usize| if *at == 0 { "innertrail_gate".to_owned() } else { format!("t{at}") };
            let listed = |of: &[usize]| of.iter().map(name).collect::<Vec<_>>().join(", ");
            // Which events there are behind each: without a mark, with a forged one.
            let mut there = vec![[true, false]];
            let mut text = "sources:\n  innertrail_gate:\n    type: vector\n    address: 127.0.0.1:6002\ntransforms:\n".to_owned();
            for (at, (does, bits)) in chain.iter().enumerate() {
                let from = inputs(*bits, at);
                text += &format!("  t{}:\n    inputs: [{}]\n    {}\n", at + 1, listed(&from), does.written());
                let mut behind = [false, false];
                for forged in [false, true] {
                    let arrives = from.iter().any(|from| there[*from][usize::from(forged)]);
                    if let (true, Some(forged)) = (arrives, does.passes(forged)) {
                        behind[usize::from(forged)] = true;
                    }
                }
                there.push(behind);
            }
            let from = inputs(last, chain.len());
            text += &format!("sinks:\n  siem:\n    type: file\n    path: /x\n    acknowledgements: true\n    inputs: [{}]\n", listed(&from));
            let root = tree::of_yaml(&text);
            let topology = Topology::new(vec![("v.yaml".into(), root)]).unwrap();
            let sinks = if named { vec!["siem".to_owned()] } else { Vec::new() };
            let report = judged(&topology, &Question { sinks, ..Question::default() }).unwrap();
            let reached = from.iter().any(|from| there[*from].contains(&true));
            prop_assert!(!reached || !report.findings.is_empty(), "{text}");
        }
    }

    /// The property above would hold of a judge that always finds something.
    #[test]
    fn sound_topologies_stay_sound() {
        for middle in [Does::Tidies, Does::MakesAnew] {
            let text = format!(
                "sources:\n  innertrail_gate:\n    type: vector\n    address: 127.0.0.1:6002\ntransforms:\n  a:\n    inputs: \
                 [innertrail_gate]\n    {}\n  b:\n    inputs: [a]\n    {}\nsinks:\n  siem:\n    type: file\n    path: /x\n    \
                 acknowledgements: true\n    inputs: [b]\n",
                Does::AsksForMark.written(),
                middle.written()
            );
            let root = tree::of_yaml(&text);
            let topology = Topology::new(vec![("v.yaml".into(), root)]).unwrap();
            assert_eq!(judged(&topology, &Question::default()).unwrap().findings, [], "{text}");
        }
    }
}
