//! What the built-in files are: exactly the published ones where they are others', small, listed once, and without a way out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// Files of others as they were published: htm 3.1.1 with the Preact that it bundles, uPlot 1.6.32.
const PUBLISHED: [(&str, &str); 3] = [
    ("vendor/htm/standalone.module.js", "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7"),
    ("vendor/uplot/uPlot.iife.min.js", "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"),
    ("vendor/uplot/uPlot.min.css", "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"),
];
/// Bytes of all that a first page needs, packed.
const WEIGHT: usize = 200 * 1024;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets")
}

fn own() -> Vec<(&'static str, &'static str)> {
    let text = |content: &'static [u8]| std::str::from_utf8(content).unwrap();
    let own = FILES.iter().filter(|(path, ..)| !path.starts_with("vendor/"));
    own.map(|(path, _, content)| (*path, text(content))).chain([("index.html", text(DOCUMENT))]).collect()
}

#[test]
fn files_of_others_are_as_they_were_published_and_have_their_licences() {
    for (path, sha256) in PUBLISHED {
        let content = FILES.iter().find(|(p, ..)| *p == path).unwrap().2;
        let found: String = Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(found, sha256, "{path}");
    }
    let vendored = FILES.iter().filter(|(path, ..)| path.starts_with("vendor/")).count();
    assert_eq!(vendored, PUBLISHED.len());
    for licence in ["htm/LICENSE", "htm/LICENSE-preact", "uplot/LICENSE"] {
        assert!(folder().join("vendor").join(licence).is_file(), "{licence}");
    }
}

#[test]
fn a_first_page_is_light() {
    let sum: usize = Assets::new().0.iter().map(|asset| asset.gzip.len()).sum();
    assert!(sum <= WEIGHT, "{sum} bytes");
    println!("all files of the console: {sum} bytes packed");
}

#[test]
fn every_module_is_listed_and_preloaded_and_nothing_is_missing() {
    let listed: BTreeSet<String> = FILES.iter().map(|(path, ..)| (*path).to_owned()).collect();
    let mut there = BTreeSet::new();
    for entry in fs::read_dir(folder().join("js")).unwrap() {
        there.insert(format!("js/{}", entry.unwrap().file_name().into_string().unwrap()));
    }
    let modules: BTreeSet<String> = listed.iter().filter(|path| path.starts_with("js/")).cloned().collect();
    assert_eq!(modules, there);
    let document = std::str::from_utf8(DOCUMENT).unwrap();
    for module in &modules {
        assert!(document.contains(&format!("/assets/{module}\"")), "index.html does not load {module}");
    }
}

#[test]
fn nothing_leads_to_another_host_or_runs_text() {
    for (path, text) in own() {
        // The name of SVG's language is no address, and nothing is loaded from it.
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for bad in [
            "http:",
            "https:",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "dangerouslySetInnerHTML",
            "document.write",
            "eval(",
            "new Function",
            "srcdoc",
            "localStorage",
        ] {
            assert!(!text.contains(bad), "{path} holds {bad}");
        }
        assert!(text.lines().count() <= 400, "{path} has {} lines", text.lines().count());
    }
    let document = std::str::from_utf8(DOCUMENT).unwrap();
    assert!(!document.contains("<style") && !document.contains("style=") && !document.contains("<script>"));
}

/// Keys of one language in `strings.js`: `key: ["English", "Chinese"],` a line.
fn strings() -> Vec<(String, String, String)> {
    let table = own().into_iter().find(|(path, _)| *path == "js/strings.js").unwrap().1;
    let rows = table.lines().filter_map(|line| {
        let (key, rest) = line.strip_prefix("  ")?.split_once(": [\"")?;
        let (en, rest) = rest.split_once("\", \"")?;
        Some((key.trim_matches('"').to_owned(), en.to_owned(), rest.strip_suffix("\"],")?.to_owned()))
    });
    rows.collect()
}

#[test]
fn every_string_is_there_in_both_languages_and_is_used() {
    let strings = strings();
    assert!(strings.len() > 100, "{}", strings.len());
    let keys: BTreeSet<&str> = strings.iter().map(|(key, ..)| key.as_str()).collect();
    assert_eq!(keys.len(), strings.len(), "a key stands twice");
    let code: String = own().iter().filter(|(path, _)| *path != "js/strings.js").map(|(_, text)| *text).collect();
    for (key, en, zh) in &strings {
        assert!(!en.trim().is_empty() && !zh.trim().is_empty(), "{key}");
        let holes = |text: &str| text.matches('{').count();
        assert_eq!(holes(en), holes(zh), "{key}: the same holes in both");
        let found = [format!("\"{key}\""), format!("`{key}`")].iter().any(|form| code.contains(form));
        // Keys of one family are put together: `kind.` and what came from a call.
        let family = key.rsplit_once('.').is_some_and(|(family, _)| code.contains(&format!("`{family}.${{")));
        assert!(found || family, "{key} is not used");
    }
    for (at, call) in code.match_indices("t(\"") {
        let within_a_name = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.' || c == '_');
        let used = code[at + call.len()..].split('"').next().unwrap();
        assert!(within_a_name || keys.contains(used), "t(\"{used}\") has no string");
    }
}
