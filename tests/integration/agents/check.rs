//! `innertrail check --agent-config` over `fixtures/agents/check/`: one file a case.
//!
//! A case begins with `# about:`, `# exit:` and, where needed, `# args:`. `=== name` begins a file that Vector would read,
//! `=== expected` what is printed, with `error:` lines of standard error at the end. `BLESS=1` writes the last part anew.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{innertrail, root, run, texts};

pub(super) struct Case {
    pub(super) path: PathBuf,
    pub(super) code: i32,
    args: Vec<String>,
    pub(super) files: Vec<(String, String)>,
    /// Everything before what is expected.
    given: String,
    expected: String,
}

impl Case {
    pub(super) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let (given, expected) = text.split_once("=== expected\n").unwrap_or_else(|| panic!("{}", path.display()));
        let mut parts = given.split("=== ");
        let head = parts.next().unwrap();
        let told = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        assert!(told("# about:").is_some_and(|about| about.len() > 10), "{} says nothing of itself", path.display());
        let files =
            parts.map(|part| part.split_once('\n').unwrap()).map(|(n, t)| (n.to_owned(), t.to_owned())).collect();
        Self {
            path: path.to_owned(),
            code: told("# exit:").unwrap().parse().unwrap(),
            args: told("# args:").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
            files,
            given: given.to_owned(),
            expected: expected.to_owned(),
        }
    }

    /// Runs it in a folder of its own; gives what is printed, without the folder.
    fn run(&self) -> String {
        let dir = tempfile::tempdir().unwrap();
        let mut args = vec!["check".to_owned(), "--agent-config".to_owned()];
        for (name, text) in &self.files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            args.push(name.clone());
        }
        args.extend(self.args.iter().cloned());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = innertrail(&args).current_dir(dir.path()).output().unwrap();
        let (out, err) = texts(&output, &args, self.code);
        out + &err
    }
}

/// The files of all cases.
pub(super) fn paths() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root().join("fixtures/agents/check")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_case_is_told_as_expected() {
    let bless = std::env::var_os("BLESS").is_some_and(|value| value == "1");
    let paths = paths();
    assert!(paths.len() >= 100, "only {} cases", paths.len());
    let mut wrong = Vec::new();
    for path in &paths {
        let case = Case::read(path);
        let told = case.run();
        // Whatever is in a name, nothing of it may steer a terminal.
        assert!(
            !told.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'),
            "{}: {told:?}",
            path.display()
        );
        assert_eq!(case.code == 1, told.contains("FOUND") || told.contains("\"kind\""), "{}: {told}", path.display());
        if bless {
            fs::write(&case.path, format!("{}=== expected\n{told}", case.given)).unwrap();
        } else if told != case.expected {
            wrong.push(format!("{}\nexpected:\n{}\ntold:\n{told}", path.display(), case.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn damaged_files_are_told_with_their_place() {
    for (name, place) in [("damaged-yaml", ":4:"), ("damaged-toml", ":2:"), ("damaged-json", ":2:")] {
        let case = Case::read(&root().join(format!("fixtures/agents/check/{name}.case")));
        let told = case.run();
        assert!(told.starts_with(&format!("error: {}{place}", case.files[0].0)), "{told}");
    }
    let dir = tempfile::tempdir().unwrap();
    for (bytes, what) in [(&b"a: \xff\n"[..], "vector.yaml:1:4: not UTF-8"), (b"", "no_source")] {
        let file = dir.path().join("vector.yaml");
        fs::write(&file, bytes).unwrap();
        let args = ["check", "--agent-config", file.to_str().unwrap()];
        let (out, err) = texts(&innertrail(&args).output().unwrap(), &args, if bytes.is_empty() { 1 } else { 2 });
        assert!((out + &err).contains(what));
    }
    let (_, err) = run(&["check", "--agent-config", "/nowhere/vector.yaml"], 2);
    assert!(err.contains("/nowhere/vector.yaml: cannot read it"), "{err}");
}

/// With --config both are checked: either may be the one with a finding.
#[test]
fn both_configurations_in_one_go() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    fs::write(&file, crate::harness::event(1, "")).unwrap();
    let config = crate::harness::config(dir.path(), file.to_str().unwrap(), "");
    let case = Case::read(&root().join("fixtures/agents/check/foreign-source.case"));
    let vector = dir.path().join(&case.files[0].0);
    fs::write(&vector, &case.files[0].1).unwrap();
    let args = ["check", "--config", &config, "--agent-config", vector.to_str().unwrap(), "--format", "json"];
    let (out, _) = run(&args, 1);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["findings"], serde_json::json!([]), "innertrail's own is sound");
    assert_eq!(report["agent"]["findings"][0]["kind"], "foreign_writer");
    assert_eq!(report["agent"]["dedicated_sinks"], serde_json::json!(["siem"]));
    let (text, _) = run(&args[..5], 1);
    assert!(text.contains("dedicated Logstore") && text.contains("foreign_writer"), "{text}");
}

/// A thousand components with two ways at each step, and a chain longer than a stack: quick, and said where it is too
/// wide to follow.
#[test]
fn a_large_topology_does_not_take_for_ever() {
    let source = "sources:\n  innertrail:\n    type: vector\n    address: 127.0.0.1:6000\ntransforms:\n";
    let sink = |from: &str| {
        format!("sinks:\n  siem:\n    type: file\n    inputs: [{from}]\n    path: /x\n    acknowledgements: true\n")
    };
    let step = |name: &str, from: &str| format!("  {name}:\n    type: remap\n    inputs: [{from}]\n    source: .\n");
    let mut wide = source.to_owned();
    let mut before = "innertrail".to_owned();
    for level in 0..500 {
        wide += &(step(&format!("a{level}"), &before) + &step(&format!("b{level}"), &before));
        before = format!("a{level}, b{level}");
    }
    wide += &sink("a499");
    let mut long = source.to_owned();
    let mut before = "innertrail".to_owned();
    for level in 0..50_000 {
        let name = format!("t{level}");
        long += &step(&name, &before);
        before = name;
    }
    long += &sink(&before);
    let dir = tempfile::tempdir().unwrap();
    for (name, yaml, components) in [("wide", wide, 1002), ("long", long, 50_002)] {
        let file = dir.path().join(format!("{name}.yaml"));
        fs::write(&file, yaml).unwrap();
        let begun = std::time::Instant::now();
        let (out, _) = run(&["check", "--agent-config", file.to_str().unwrap(), "--format", "json"], 1);
        assert!(begun.elapsed().as_secs() < 20, "{name}: {:?}", begun.elapsed());
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["findings"][0]["kind"], "too_wide", "{name}: {out}");
        assert_eq!(report["components"], components);
    }
}
