//! What can put a seal mark on an event that has none, and what is not read although it could: questions of the judge.
//!
//! They must never be answered in favour of a configuration that was not understood.

use std::collections::BTreeSet;

use super::conditions::Says;
use super::endpoints::is_plainly_ours;
use super::judge::{AgentFinding, Judge};
use super::paths::{reaching, upstream};
use super::programs::Doubt;
use super::topology::{Kind, Unread};
use super::tree::shown as shown_path;
use crate::config::{Position, shown};

impl Judge<'_> {
    /// Files and sections that say something nobody here reads.
    pub(super) fn not_read(&mut self) {
        for (file, at, what) in self.topology.unread.clone() {
            let (message, remedy) = match what {
                Unread::NoSection => (
                    "has no section of Vector's, so nothing of it was judged",
                    "give Vector's own files alone; one that is a single component lies in a folder `sources`, `transforms` or `sinks`",
                ),
                Unread::Provider => (
                    "takes its configuration from elsewhere (`provider`), so that was not judged",
                    "write the configuration into files",
                ),
            };
            self.of_file(file, at, "unread_config", message, remedy);
        }
        for (file, at) in self.topology.schema_names_seal.clone() {
            let message = "`log_schema` names `it_seal`, so Vector writes the field into every event";
            self.of_file(
                file,
                at,
                "writes_seal",
                message,
                "leave the field alone: it is the mark by which an event is known",
            );
        }
    }

    fn of_file(&mut self, file: usize, at: Position, kind: &'static str, message: &str, remedy: &str) {
        self.findings.push(AgentFinding {
            file: shown_path(&self.topology.files[file]),
            line: at.line,
            column: at.column,
            component: String::new(),
            kind,
            message: message.to_owned(),
            remedy: remedy.to_owned(),
        });
    }

    /// Conditions that speak of the mark in a way that is not known here.
    pub(super) fn conditions(&mut self) {
        let remedy = "write `exists(.it_seal)`, alone or joined to the rest by `&&`, or `!exists(.it_seal)` for what has no mark";
        let mut found = Vec::new();
        for (index, component) in self.topology.components.iter().enumerate() {
            let unclear = component.conditions.iter().filter(|condition| condition.says == Says::Unclear);
            found.extend(unclear.map(|condition| (index, condition.at, condition.port.clone())));
        }
        for (index, at, port) in found {
            let which =
                port.map_or_else(|| "its condition".to_owned(), |port| format!("the condition of {}", shown(&port)));
            let message = format!(
                "{which} names `it_seal` in a form that is not known here, so it does not count as one that asks for the mark"
            );
            self.report_at(index, at, "unclear_condition", message, remedy);
        }
    }

    /// Programs on the way to the sink; `doubts` are those of each component.
    pub(super) fn programs(&mut self, sink: usize, doubts: &[Vec<(Doubt, Position)>]) {
        let upstream = upstream(self.topology, sink, self.mixed);
        for index in upstream.all {
            let component = self.component(index);
            if component.kind == Kind::Source && !self.doors.contains(&index) {
                continue;
            }
            for (doubt, at) in doubts[index].iter().copied() {
                if doubt == Doubt::Replaces && !upstream.unchecked.contains(&index) {
                    continue;
                }
                let (kind, message, remedy) = told(doubt, upstream.unchecked.contains(&index));
                self.report_at(index, at, kind, message.to_owned(), remedy);
            }
        }
    }

    /// Sources that are taken for innertrail's by their names alone, beside others.
    pub(super) fn several(&mut self, sink: usize) {
        let sources: BTreeSet<usize> = reaching(self.topology, sink).iter().map(|reach| reach.source).collect();
        let doors: Vec<usize> = self.doors.iter().copied().filter(|door| sources.contains(door)).collect();
        if self.named || doors.len() < 2 {
            return;
        }
        for door in doors {
            if is_plainly_ours(self.component(door)) {
                continue;
            }
            let message = format!(
                "is taken for innertrail's by its name alone, and {} takes events of another such source too",
                self.title(sink)
            );
            let remedy = "say with --dedicated-source which sources are innertrail's, or give this one another name";
            self.report(door, "several_sources", message, remedy);
        }
    }
}

/// The word for a doubt, what is said, and the way out.
fn told(doubt: Doubt, unchecked: bool) -> (&'static str, &'static str, &'static str) {
    let leave = "leave the field alone: it is the mark by which an event is known";
    let off = "take it off the way to the dedicated sink, or use a `remap` with its program as `source`";
    match doubt {
        Doubt::Writes => ("writes_seal", "writes `it_seal` itself, on the way to the dedicated sink", leave),
        Doubt::Replaces => (
            "unclear_program",
            "makes the whole event anew before a condition asks for `it_seal`: what a sender wrote may become the mark",
            "put it behind the condition, or take what it reads into a field of its own: .parsed = parse_json!(.message)",
        ),
        Doubt::ReplacesAndNames => (
            "unclear_program",
            "makes the whole event anew and names `it_seal`, so it may write the mark",
            "leave the field out of it, or assign to fields by their names",
        ),
        Doubt::InFile => (
            "unclear_program",
            "has its program in a file, which is not read here: it may write `it_seal`",
            "write the program into the configuration, as `source`",
        ),
        Doubt::Unread => (
            "unclear_program",
            "has a program that cannot be read here: it may write `it_seal`",
            "write it as VRL of today; `vector validate` says whether Vector takes it",
        ),
        Doubt::Lua => (
            "unclear_program",
            "runs Lua, which is not followed: it may write `it_seal`, and make events of its own",
            off,
        ),
        Doubt::UnknownType if unchecked => (
            "unclear_program",
            "is of a type that is not known here, before a condition asks for `it_seal`: it may write the mark",
            off,
        ),
        Doubt::UnknownType => (
            "unclear_program",
            "is of a type that is not known here: it may write `it_seal`, and make events of its own",
            off,
        ),
        Doubt::Option => (
            "unclear_program",
            "names `it_seal` in an option, so it may write the mark",
            "give the option another field's name",
        ),
    }
}
