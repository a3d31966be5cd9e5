//! What a program on the way can do to the seal mark: nothing, write it, or something nobody here can tell.
//!
//! VRL writes a field by its path, or by making the whole event anew. Paths are looked at everywhere; a new event counts
//! where it stands before a condition on the mark. It must never call a program harmless that it has not read.

use super::conditions::mentions_seal;
use super::topology::{Component, Kind};
use super::tree::{Node, Value};
use super::vrl::{SEAL, Word, closing, depth_behind, words};
use crate::config::Position;

/// What is doubtful about a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// It writes the mark.
    Writes,
    /// It makes the whole event anew from what is not known here.
    Replaces,
    /// The same, and it names the mark.
    ReplacesAndNames,
    /// Its program lies in a file.
    InFile,
    /// Its program cannot be read.
    Unread,
    /// It is written in Lua.
    Lua,
    /// Nobody here knows what its type does.
    UnknownType,
    /// An option of it names the mark.
    Option,
}

/// Transforms that change no field of a log, or only such as have a name of their own.
const HARMLESS: [&str; 14] = [
    "aggregate",
    "dedupe",
    "delay",
    "exclusive_route",
    "filter",
    "incremental_to_absolute",
    "log_to_metric",
    "reduce",
    "route",
    "swimlanes",
    "tag_cardinality_limit",
    "throttle",
    "trace_to_log",
    "window",
];

/// Transforms that set fields whose names are among their options.
const SET_FIELDS: [&str; 3] = ["aws_ec2_metadata", "metric_to_log", "sample"];

/// Options of those that only read.
const READING: [&str; 5] = ["inputs", "type", "exclude", "key_field", "group_by"];

/// What is doubtful about a transform or a source, each with its place.
pub(super) fn doubts(component: &Component) -> Vec<(Doubt, Position)> {
    match component.kind {
        Kind::Source => of_source(component),
        Kind::Transform => of_transform(component),
        Kind::Sink => Vec::new(),
    }
}

fn of_transform(component: &Component) -> Vec<(Doubt, Position)> {
    let options = &component.options;
    match component.type_name.as_str() {
        "remap" => {
            let program = options.get("source").map(of_vrl).unwrap_or_default();
            let files = ["file", "files"].iter().filter_map(|key| options.get(key));
            program.into_iter().chain(files.map(|node| (Doubt::InFile, node.at))).collect()
        }
        "lua" => vec![(Doubt::Lua, component.at)],
        name if HARMLESS.contains(&name) => Vec::new(),
        name if SET_FIELDS.contains(&name) => {
            let setting = options.entries().iter().filter(|(key, _)| !READING.contains(&key.name.as_str()));
            setting.filter(|(_, value)| mentions_seal(value)).map(|(key, _)| (Doubt::Option, key.at)).collect()
        }
        _ => vec![(Doubt::UnknownType, component.at)],
    }
}

/// A source may name fields it sets (`host_key`), and may decode with a program.
fn of_source(component: &Component) -> Vec<(Doubt, Position)> {
    let mut found: Vec<(Doubt, Position)> =
        component.options.at_path("decoding.vrl.source").map(of_vrl).unwrap_or_default();
    if found.is_empty() {
        let naming = component.options.entries().iter().filter(|(key, value)| {
            !matches!(key.name.as_str(), "include" | "exclude" | "command") && mentions_seal(value)
        });
        found.extend(naming.map(|(key, _)| (Doubt::Option, key.at)));
    }
    found
}

fn of_vrl(program: &Node) -> Vec<(Doubt, Position)> {
    let Value::Text(text) = &program.value else { return Vec::new() };
    of_program(text).into_iter().map(|doubt| (doubt, program.at)).collect()
}

/// Longest program that is read.
const MAX_WORDS: usize = 20_000;

fn of_program(text: &str) -> Vec<Doubt> {
    let words = words(text);
    // `.(a | b)`, a path that old versions had.
    let choice = words.windows(2).any(|pair| pair[0].is(".") && pair[1].is("("));
    if choice || words.len() > MAX_WORDS || words.contains(&Word::Odd) {
        return vec![Doubt::Unread];
    }
    let mut found = Vec::new();
    let (mut replaces, mut odd_name) = (false, false);
    let mut at = 0;
    while at < words.len() {
        let Some(target) = Target::at(&words, at) else {
            odd_name |= matches!(&words[at], Word::Text(text) if text.contains(SEAL));
            at += 1;
            continue;
        };
        if let Some(value) = assigned(&words, target.end) {
            match target.field {
                Field::Seal => found.push(Doubt::Writes),
                Field::Whole => match made_of(&words[value..]) {
                    Made::Known => {}
                    Made::WithSeal => found.push(Doubt::Writes),
                    Made::Unknown => replaces = true,
                },
                Field::Inner => odd_name = true,
                Field::Other => {}
            }
        }
        at = target.end;
    }
    match (replaces, odd_name) {
        (true, true) => found.push(Doubt::ReplacesAndNames),
        (true, false) => found.push(Doubt::Replaces),
        (false, _) => {}
    }
    found.dedup();
    found
}

/// What an assignment could have on its left.
struct Target {
    field: Field,
    /// Behind its last word.
    end: usize,
}

/// Which part of the event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// The mark, or something in it.
    Seal,
    /// The event itself.
    Whole,
    /// Another field or a variable with the mark's name further in.
    Inner,
    Other,
}

impl Target {
    /// A path or a variable that begins at `at`.
    fn at(words: &[Word], at: usize) -> Option<Self> {
        let (mut names, mut end): (Vec<&str>, usize) = match &words[at] {
            Word::Sign(".") => (Vec::new(), at),
            Word::Name(name) => (vec![name], at + 1),
            _ => return None,
        };
        let of_event = names.is_empty();
        loop {
            match &words[end..] {
                [Word::Sign("."), Word::Name(name) | Word::Text(name), ..] => {
                    names.push(name);
                    end += 2;
                }
                // The event itself, alone or before an index.
                [Word::Sign("."), ..] if of_event && names.is_empty() && end == at => end += 1,
                rest @ [Word::Sign("["), ..] => match closing(rest) {
                    Some(length) => end += length + 1,
                    None => break,
                },
                _ => break,
            }
        }
        let field = match names.as_slice() {
            [] => Field::Whole,
            [first, ..] if of_event && *first == SEAL => Field::Seal,
            _ if names.contains(&SEAL) => Field::Inner,
            _ => Field::Other,
        };
        Some(Self { field, end })
    }
}

/// Where the value begins when what ends at `end` is assigned to: `x = …`, and `x, err = …`.
fn assigned(words: &[Word], end: usize) -> Option<usize> {
    let next = |from: usize| (from..words.len()).find(|at| words[*at] != Word::Line);
    let sign = next(end)?;
    if words[sign].assigns() {
        return Some(sign + 1);
    }
    if !words[sign].is(",") {
        return None;
    }
    let second = Target::at(words, next(sign + 1)?)?;
    let sign = next(second.end)?;
    words[sign].assigns().then_some(sign + 1)
}

/// What a new event is made of.
enum Made {
    /// Of what was in the event before, or of fields whose names are written out.
    Known,
    /// The same, the mark among them.
    WithSeal,
    Unknown,
}

/// Judges the value that `words` begin with.
fn made_of(words: &[Word]) -> Made {
    let words = statement(words);
    if let [Word::Sign(".")] = words {
        return Made::Known;
    }
    let call = match words {
        [Word::Name(name), Word::Sign("!"), rest @ ..] | [Word::Name(name), rest @ ..] => Some((name.as_str(), rest)),
        _ => None,
    };
    let Some((name, rest)) = call else { return literal(words) };
    match (name, rest) {
        (_, rest) if closing(rest).is_none_or(|at| at + 1 != rest.len()) => Made::Unknown,
        ("compact" | "redact" | "remove", [Word::Sign("("), Word::Sign("."), Word::Sign("," | ")"), ..]) => Made::Known,
        ("merge", [Word::Sign("("), Word::Sign("."), Word::Sign(","), object @ .., Word::Sign(")")]) => literal(object),
        _ => Made::Unknown,
    }
}

/// The words up to the end of the statement.
fn statement(words: &[Word]) -> &[Word] {
    let begin = words.iter().position(|word| *word != Word::Line).unwrap_or(words.len());
    let words = &words[begin..];
    let mut depth = 0;
    for (at, word) in words.iter().enumerate() {
        let closes = matches!(word, Word::Sign(")" | "]" | "}"));
        if depth == 0 && (closes || *word == Word::Line || word.is(";")) {
            return &words[..at];
        }
        depth = depth_behind(word, depth);
    }
    words
}

/// An object written out: its keys are the fields.
fn literal(words: &[Word]) -> Made {
    let whole = matches!(words, [Word::Sign("{"), ..]) && closing(words) == Some(words.len() - 1);
    if !whole {
        return Made::Unknown;
    }
    let (mut depth, mut key_is_next, mut with_seal) = (0, true, false);
    let inner: Vec<&Word> = words[1..words.len() - 1].iter().filter(|word| **word != Word::Line).collect();
    for (at, word) in inner.iter().enumerate() {
        if depth == 0 && key_is_next {
            match (word, inner.get(at + 1)) {
                (Word::Text(key), Some(colon)) if colon.is(":") && !key.contains("{{") => {
                    with_seal |= key == SEAL;
                }
                _ => return Made::Unknown,
            }
        }
        depth = depth_behind(word, depth);
        key_is_next = depth == 0 && word.is(",");
    }
    if with_seal { Made::WithSeal } else { Made::Known }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `check` looked for `it_seal` before `=` alone: a program that merged the mark into the event was sound to it.
    #[test]
    fn every_way_to_write_the_mark_is_seen() {
        for program in [
            ".it_seal = 1",
            ".it_seal|=1",
            ".\"it_seal\" = 1",
            ".\"it\\u{5f}seal\" = 1",
            ".it_seal, err = string(.x)",
            "x, .it_seal = string(.x)",
            "if .a { .it_seal = 1 }",
            "if .a { .b = 1; .it_seal, _ = f() }",
            "for_each({}) -> |k, v| { .it_seal = v }",
            ".it_seal.x[0] = 1",
            ".it_seal\n= 1",
            ". |= {\"it_seal\": \"v1\"}",
            ". = {\"a\": {\"b\": 1},\n \"it_seal\": .x}",
            ". = merge(., {\"it_seal\": \"x\"})",
        ] {
            assert_eq!(of_program(program), [Doubt::Writes], "{program}");
        }
        for program in [
            ". = set!(., [\"it_seal\"], \"x\")",
            "x = {}\nx.it_seal = 1\n. |= x",
            "k = \"it_seal\"\n. = set!(., [k], 1)",
        ] {
            assert_eq!(of_program(program), [Doubt::ReplacesAndNames], "{program}");
        }
        for program in [
            ". = parse_json!(.message)",
            ". |= object!(parse_json!(.message))",
            "., err = parse_json(.message)",
            ". = set!(., [\"it\" + \"_seal\"], \"x\")",
            ". = merge(., .a)",
            ". = compact(parse_json!(.message))",
            ". = compact(.).x",
            ". = {} ?? .a",
            ". = {\"{{ k }}\": 1}",
            ". = .a",
            ". = [.a, .b]",
            ". = flatten(.)",
            ". = merge(., {\"a\": 1}, .b)",
            "if true { . = .a }",
            ".[0] = 1",
        ] {
            assert_eq!(of_program(program), [Doubt::Replaces], "{program}");
        }
        for program in [".a = \"", ".(a | it_seal) = 1", &"x[".repeat(1_000_000)] {
            assert_eq!(of_program(program), [Doubt::Unread], "{program:.80}");
        }
    }

    #[test]
    fn usual_programs_are_harmless() {
        for program in [
            "",
            ".",
            ".host = get_hostname!()",
            "del(.x)",
            ".a.b = 1",
            ".a[0].b = .c",
            ".parsed = parse_json!(.message)",
            ".parsed, err = parse_json(.message)\nif err != null { log(err) }",
            ".seal = .it_seal",
            ".copy = exists(.it_seal)",
            "if exists(.it_seal) { .sealed = true }",
            "if .it_seal == \"x\" { abort }",
            "log(\"no it_seal\", level: \"warn\")",
            "del(.it_seal)",
            ".it_seal_checked = true",
            ". = .",
            ". = compact(., recursive: true)",
            ". = redact(., filters: [r'a=b'])",
            ". = remove!(., [\"a\"])",
            ". |= {\"env\": \"prod\", \"n\": f(1, 2)}",
            ". = merge(., {\"env\": \"prod\"})",
            "if .x { . = {\"message\": .message,\n \"a\": {\"b\": [1, 2]}} }",
            ". = {\"a\": {\"it_seal\": 1}}",
            "# .it_seal = 1",
            ".text = \".it_seal = 1\"",
        ] {
            assert_eq!(of_program(program), [], "{program}");
        }
    }

    #[test]
    fn odd_programs_do_not_panic() {
        for program in ["=", ". =", ".a, =", "[", ".[", ", , =", ". = {", ". = merge(", "}", ". = }", "x ="] {
            let _ = of_program(program);
        }
    }
}
