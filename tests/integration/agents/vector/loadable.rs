//! Our check of Vector's files against Vector's own `validate`: what the one calls damaged the other does not load, and what is
//! loaded is not damaged. What they are for differs, so findings and refusals are not compared.
//!
//! The cases leave out what the check does not look at: a file sink's encoding, which Vector wants, is put in here.

use std::fs;

use crate::agents::check::{Case, paths};

/// Cases that Vector does not load though our check reads them, and why.
const REFUSED: [(&str, &str); 9] = [
    ("condition-unclear", "unnecessary error coalescing operation"),
    ("cycle", "Cyclic dependency detected"),
    ("double-name", "More than one component with name"),
    ("no-section", "unknown field `address`"),
    ("open-source-unreadable", "invalid socket address syntax"),
    ("opentelemetry", "doesn't match any components"),
    ("program-in-file", "Could not open vrl program"),
    ("unknown-input", "doesn't match any components"),
    ("wildcard-question-and-class", "duplicated 2 times"),
];

/// What a Vector says that was built with few features.
const FEW: [&str; 2] = ["unknown variant", "call to undefined function"];

/// A file of a case with encodings, in each of the three formats.
fn completed(text: &str) -> String {
    ["file", "console"].iter().fold(text.to_owned(), |text, kind| {
        let yaml = format!("    type: {kind}\n    inputs:");
        let toml = format!("type = \"{kind}\"\ninputs");
        let json = format!("\"type\": \"{kind}\", \"inputs\"");
        text.replace(&yaml, &yaml.replace("\n", "\n    encoding: { codec: json }\n"))
            .replace(&toml, &toml.replace('\n', "\nencoding.codec = \"json\"\n"))
            .replace(&json, &json.replace(", ", ", \"encoding\": { \"codec\": \"json\" }, "))
    })
}

/// What Vector's `validate` says of a case: `None` when it loads it.
fn validate(agent: &super::Agent, case: &Case) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in &case.files {
        let file = dir.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, completed(text)).unwrap();
    }
    let mut command = agent.command();
    command.current_dir(dir.path()).args(["validate", "--no-environment"]);
    // Files in folders are components of their own, and are read where the folder is named.
    match case.files.iter().any(|(name, _)| name.contains('/')) {
        true => command.args(["--config-dir", "."]),
        false => command.args(case.files.iter().map(|(name, _)| name)),
    };
    let output = command.output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    (!output.status.success()).then(|| String::from_utf8_lossy(&told).into_owned())
}

#[test]
fn vector_loads_what_the_check_reads() {
    let Some(agent) = super::find("validate of the check's cases") else { return };
    let (mut loaded, mut wrong, mut unknown) = (0, vec![], vec![]);
    for path in paths() {
        let case = Case::read(&path);
        let name = path.file_stem().unwrap().to_str().unwrap();
        let told = validate(&agent, &case);
        let known = REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, why)| *why);
        match (told, known) {
            (None, None) if case.code != 2 => loaded += 1,
            (Some(_), None) if case.code == 2 => {}
            // One is about an argument of the check; of a key given twice Vector takes the last, and the check refuses the file.
            (None, None) if ["double-key-json", "named-sink-missing"].contains(&name) => {}
            (Some(told), Some(why)) if told.contains(why) => {}
            // A Vector with few features.
            (Some(told), _) if FEW.iter().any(|few| told.contains(few)) => unknown.push(name.to_owned()),
            (told, _) => wrong.push(format!("{name}: exit {}, and Vector says {told:?}", case.code)),
        }
    }
    println!("Vector loads {loaded} cases; not built into it is what these name: {unknown:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(loaded >= 30, "only {loaded}");
}
