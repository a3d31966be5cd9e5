//! Rules that are loaded together, and which of them a record may concern.
//!
//! A rule that can only match records with certain values of one column is filed under those, so that a record is held
//! against the few rules that its event name, type or actor calls for. It must never file a rule so that a record which
//! it matches does not reach it: what a rule needs is derived from its condition, and a test holds both ways together.

use std::collections::{BTreeMap, HashMap};

use innertrail_plugin::event::columns::Column;

use crate::detect::{Detection, Parameters};
use crate::ending::Pairs;
use crate::fault::{Fault, Flaw, Position, did_you_mean, shown};
use crate::pattern::fold;
use crate::record::Record;
use crate::rule::{self, Document, Rule, Search, Service};
use crate::scheduled::Scheduled;

/// The columns that rules are filed under: the first one that a rule needs.
const FILED: [Column; 5] =
    [Column::EventName, Column::EventType, Column::IdentityType, Column::Family, Column::Outcome];

/// Rules, ready to be held against records.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    /// By column of [`FILED`]: folded value, rules.
    filed: [HashMap<String, Vec<usize>>; FILED.len()],
    /// Rules that every record has to be held against.
    unfiled: Vec<usize>,
    /// For each rule the correlations that count it.
    counted_by: Vec<Vec<usize>>,
    /// Rules whose alerts a record can end.
    ending: Vec<usize>,
    /// Rules that ask from time to time.
    scheduled: Vec<Scheduled>,
}

/// A rule file: its name and its text.
pub type RuleFile<'a> = (&'a str, &'a str);

impl RuleSet {
    /// Loads rules out of files. What is broken is told, and stops no other rule; a correlation without its base rules is
    /// broken too. `parameters`: values in the place of those that rules have by default.
    #[must_use]
    pub fn load(files: &[RuleFile<'_>], parameters: &BTreeMap<String, Vec<String>>) -> (Self, Vec<Fault>) {
        let (mut documents, mut scheduled, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for (file, text) in files {
            let found = rule::documents(file, text, parameters);
            faults.extend(found.flaws.into_iter().map(|flaw| flaw.of(file)));
            documents.extend(found.rules);
            scheduled.extend(found.scheduled);
        }
        faults.extend(unknown_parameters(&documents, parameters));
        let documents = unique(documents, &mut faults);
        let mut set = Self::link(documents, &mut faults);
        set.schedule(scheduled, &mut faults);
        faults.sort();
        (set, faults)
    }

    /// Finds the base rules of correlations; those without are dropped.
    fn link(documents: Vec<Document>, faults: &mut Vec<Fault>) -> Self {
        let is_sound = |document: &Document| match bases(document, &documents) {
            Ok(_) => true,
            Err(flaw) => {
                faults.push(flaw.of(&document.rule.file));
                false
            }
        };
        let sound: Vec<bool> = documents.iter().map(is_sound).collect();
        // What is dropped is a correlation, and nothing counts one.
        let documents: Vec<Document> = documents.into_iter().zip(sound).filter(|(_, s)| *s).map(|(d, _)| d).collect();
        let links: Vec<Vec<usize>> = documents.iter().map(|d| bases(d, &documents).unwrap_or_default()).collect();
        let generate: Vec<bool> = documents.iter().map(|d| d.generate).collect();
        let mut set = Self { counted_by: vec![Vec::new(); documents.len()], ..Self::default() };
        set.rules = documents.into_iter().map(|d| d.rule).collect();
        for (correlation, bases) in links.into_iter().enumerate() {
            for base in bases {
                set.counted_by[base].push(correlation);
                set.rules[base].is_part |= !generate[correlation];
                set.rules[correlation].service = set.rules[base].service;
                let joined = format!("{}-{}", set.rules[correlation].fingerprint, set.rules[base].fingerprint);
                set.rules[correlation].fingerprint = joined;
            }
        }
        for at in 0..set.rules.len() {
            set.file(at);
        }
        set.ending = (0..set.rules.len()).filter(|at| set.rules[*at].ending.is_some()).collect();
        set
    }

    /// Takes in scheduled rules, the first of each name.
    fn schedule(&mut self, scheduled: Vec<Scheduled>, faults: &mut Vec<Fault>) {
        for rule in scheduled {
            let twins = self.rules.iter().map(|r| (&r.name, &r.file, r.at));
            let twins = twins.chain(self.scheduled.iter().map(|r| (&r.name, &r.file, r.at)));
            let twin = twins.into_iter().find(|(name, ..)| **name == rule.name);
            match twin {
                Some((_, file, at)) => faults.push(already(&rule.name, file, at).with(rule.at).of(&rule.file)),
                None => self.scheduled.push(rule),
            }
        }
    }

    /// Switches rules off, by name or id. Gives what is wrong with names that no rule has.
    pub fn disable(&mut self, names: &[String]) -> Vec<Fault> {
        let mut faults = Vec::new();
        for name in names {
            let is = |rule: &str, id: &str| rule == name || (!id.is_empty() && id == name);
            let mut found = false;
            for rule in self.rules.iter_mut().filter(|rule| is(&rule.name, &rule.id)) {
                (rule.is_disabled, found) = (true, true);
            }
            for rule in self.scheduled.iter_mut().filter(|rule| is(&rule.name, &rule.id)) {
                (rule.is_disabled, found) = (true, true);
            }
            if !found {
                let known = self.rules.iter().map(|r| r.name.as_str());
                let meant = did_you_mean(name, known.chain(self.scheduled.iter().map(|r| r.name.as_str())));
                let message = format!("there is no rule {} to disable{meant}", shown(name));
                faults.push(Flaw::new(Position::START, message).of("disable"));
            }
        }
        faults
    }

    /// The rules that ask from time to time.
    #[must_use]
    pub fn scheduled(&self) -> &[Scheduled] {
        &self.scheduled
    }

    fn file(&mut self, at: usize) {
        let Search::Single(detection) = &self.rules[at].search else { return };
        for (column, filed) in FILED.iter().zip(&mut self.filed) {
            if let Some(values) = detection.needs(*column) {
                for value in values {
                    filed.entry(value).or_default().push(at);
                }
                return;
            }
        }
        self.unfiled.push(at);
    }

    /// The rules, in the order of their files.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of this name or id.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|r| r.name == name || (r.id == name && !name.is_empty()))
    }

    /// The rules that can fire; parts of correlations cannot.
    pub fn firing(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| !rule.is_part)
    }

    /// Calls `each` with every rule with a detection that a record has to be held against.
    pub(crate) fn concerned<'s>(&'s self, record: &Record<'_>, each: &mut dyn FnMut(usize, &'s Detection)) {
        let mut visit = |at: usize| {
            if let Search::Single(detection) = &self.rules[at].search
                && self.rules[at].service.covers(record)
            {
                each(at, detection);
            }
        };
        for (column, filed) in FILED.iter().zip(&self.filed) {
            if filed.is_empty() {
                continue;
            }
            let Some(value) = record.text(*column) else { continue };
            lookup(filed, value).into_iter().flatten().for_each(|at| visit(*at));
        }
        self.unfiled.iter().for_each(|at| visit(*at));
    }

    /// The rules with a detection that match a record, by their places in [`Self::rules`], ascending.
    #[must_use]
    pub fn matching(&self, record: &Record<'_>) -> Vec<usize> {
        let mut found = Vec::new();
        self.concerned(record, &mut |at, detection| {
            if detection.matches(record) {
                found.push(at);
            }
        });
        found.sort_unstable();
        found
    }

    /// The same by asking every rule, for tests of the filing.
    #[must_use]
    pub fn matching_unfiled(&self, record: &Record<'_>) -> Vec<usize> {
        let matches = |rule: &Rule| match &rule.search {
            Search::Single(detection) => rule.service.covers(record) && detection.matches(record),
            Search::Several(_) => false,
        };
        (0..self.rules.len()).filter(|at| matches(&self.rules[*at])).collect()
    }

    /// The rules of which a record ends an alert, each with what the alert was about.
    pub(crate) fn ended(&self, record: &Record<'_>) -> impl Iterator<Item = (&Rule, Pairs)> {
        self.ending.iter().filter_map(move |at| {
            let rule = &self.rules[*at];
            let ending = rule.ending.as_ref().filter(|_| !rule.is_disabled && !rule.is_part)?;
            let ends = rule.service.covers(record) && ending.detection.matches(record);
            ends.then(|| ending.about(record)).flatten().map(|about| (rule, about))
        })
    }

    /// The correlations that count a rule.
    pub(crate) fn counted_by(&self, at: usize) -> &[usize] {
        &self.counted_by[at]
    }

    /// How many rules are filed under a column, and how many every record is held against.
    #[must_use]
    pub fn filing(&self) -> (usize, usize) {
        let singles = self.rules.iter().filter(|rule| !rule.is_correlation()).count();
        (singles - self.unfiled.len(), self.unfiled.len())
    }

    /// Whether records of a store can concern any rule.
    #[must_use]
    pub fn looks_at(&self, store: crate::record::Store) -> bool {
        let journal = store == crate::record::Store::Journal;
        self.rules.iter().any(|rule| (rule.service == Service::Innertrail) == journal)
    }
}

/// The rules filed under a value. Names are short, so they are folded without asking for memory.
fn lookup<'s>(filed: &'s HashMap<String, Vec<usize>>, value: &str) -> Option<&'s Vec<usize>> {
    let mut short = [0; 48];
    match short.get_mut(..value.len()) {
        Some(copy) if value.is_ascii() => {
            copy.copy_from_slice(value.as_bytes());
            copy.make_ascii_lowercase();
            filed.get(std::str::from_utf8(copy).ok()?)
        }
        _ => filed.get(&*fold(value)),
    }
}

/// The places of the rules that a correlation counts; of a rule with a detection there are none.
fn bases(document: &Document, documents: &[Document]) -> Result<Vec<usize>, Flaw> {
    let is = |d: &Document, wanted: &str| d.rule.name == wanted || (d.rule.id == wanted && !wanted.is_empty());
    let find = |(place, name): &(Position, String)| match documents.iter().position(|d| is(d, name)) {
        Some(base) if documents[base].rule.is_correlation() => {
            let message = format!("{} counts itself; only rules with a detection are counted", shown(name));
            Err(Flaw::new(*place, message))
        }
        Some(base) => Ok(base),
        None => {
            let meant = did_you_mean(name, documents.iter().map(|d| d.rule.name.as_str()));
            Err(Flaw::new(*place, format!("there is no rule {}{meant}", shown(name))))
        }
    };
    document.bases.iter().map(find).collect()
}

/// The first rule of each name and id.
fn unique(documents: Vec<Document>, faults: &mut Vec<Fault>) -> Vec<Document> {
    let mut kept: Vec<Document> = Vec::new();
    for document in documents {
        let rule = &document.rule;
        let twin = kept.iter().find(|k| {
            k.rule.name == rule.name || (!rule.id.is_empty() && (k.rule.id == rule.id || k.rule.name == rule.id))
        });
        match twin {
            Some(twin) => {
                faults.push(already(&rule.name, &twin.rule.file, twin.rule.at).with(rule.at).of(&rule.file));
            }
            None => kept.push(document),
        }
    }
    kept
}

/// There is another rule of this name, in this place.
fn already(name: &str, file: &str, at: Position) -> Flaw {
    let first = format!("{}:{}", crate::fault::escaped(file), at.line);
    Flaw::new(at, format!("there is a rule {} already, in {first}", shown(name)))
}

/// A parameter that no rule has is a slip, and would change nothing without a word.
fn unknown_parameters(documents: &[Document], given: &Parameters) -> Vec<Fault> {
    let known: Vec<&str> = documents.iter().flat_map(|d| &d.rule.parameters).map(|(name, _)| name.as_str()).collect();
    let unknown = given.keys().filter(|name| !known.contains(&name.as_str()));
    unknown
        .map(|name| {
            let meant = did_you_mean(name, known.iter().copied());
            Flaw::new(Position::START, format!("no rule has a parameter {}{meant}", shown(name))).of("parameters")
        })
        .collect()
}
