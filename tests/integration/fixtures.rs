//! Every case of `fixtures/` through the real component: the counts derived by hand, and a snapshot of every record.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use innertrail_host_shim::config::Config;
use innertrail_host_shim::rehearsal::{self, Case};
use innertrail_host_shim::runtime::wit::transform::Route;
use innertrail_host_shim::runtime::{ComponentSource, EMBEDDED, LoadedComponent, Runtime, RuntimeConfig};
use innertrail_plugin::event::columns::{COLUMNS, Column, Kind};
use innertrail_plugin::event::row::RowView;

use crate::harness::{root, run};

fn cases(dir: &Path, out: &mut Vec<PathBuf>) {
    if dir.join("case.toml").is_file() {
        out.push(dir.to_owned());
        return;
    }
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            cases(&path, out);
        }
    }
}

/// `innertrail test` is what users run on cases of their own; ours are the first.
#[test]
fn every_count_derived_by_hand_is_found() {
    let (out, _) = run(&["test", "fixtures"], 0);
    let last = out.lines().last().unwrap();
    let passed: usize = last.split(' ').next().unwrap().parse().unwrap();
    assert!(passed >= 60, "{last}");
    assert!(last.ends_with(" 0 failed"), "{out}");
}

/// Every record of every case as it would be stored, field by field, beside its input.
#[test]
fn every_record_is_as_recorded() {
    let mut all = Vec::new();
    cases(&root().join("fixtures"), &mut all);
    all.sort();
    assert!(all.len() >= 60, "{} cases", all.len());
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    let component = LoadedComponent::load(&runtime, &ComponentSource::Embedded(EMBEDDED)).unwrap();
    let base = Config::default_for_quickstart(Some("main-trail"), vec!["-".to_owned()], None).unwrap();
    for dir in all {
        let told = tell(&component, &base, &dir);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&dir);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!("expected", told));
    }
}

fn tell(component: &LoadedComponent, base: &Config, dir: &Path) -> String {
    let case = Case::load(dir).unwrap();
    let found = case.run(component, base, dir).unwrap();
    assert!(found.conserved(), "{}: bytes are missing or counted twice (I7)", dir.display());
    let mut out = format!("{}\n", case.about);
    for (entry, bytes) in &found.entries {
        let _ = write!(out, "\n== {:?}, {} input bytes\n", entry.route, entry.consumed);
        match RowView::new(bytes).filter(|_| entry.route == Route::Quarantine || case.is_own_source()) {
            Some(row) => row_text(&row, &mut out),
            None => shown(bytes, &mut out),
        }
    }
    let _ = write!(
        out,
        "\n-- {} framing bytes, {} duplicate keys, {} masked\n",
        found.framing_bytes, found.duplicate_keys, found.redacted
    );
    for check in &found.checks {
        let path = rehearsal::file_name(&check.path);
        let _ = writeln!(out, "-- {path}: count {:?}, size {}, md5 {}", check.count, check.size_ok, check.md5_ok);
    }
    out
}

fn row_text(row: &RowView<'_>, out: &mut String) {
    let mut values: Vec<(Column, &[u8])> = row.values().collect();
    values.sort_by_key(|(column, _)| *column);
    for (column, value) in values {
        let definition = COLUMNS[column as usize];
        let text = match definition.kind {
            Kind::Text => escaped(value),
            Kind::Integer | Kind::Timestamp => i64::from_le_bytes(value.try_into().unwrap()).to_string(),
        };
        let _ = writeln!(out, "{:<30} {text}", definition.name);
    }
    shown(row.payload(), out);
}

fn shown(bytes: &[u8], out: &mut String) {
    let text = escaped(bytes);
    if text.len() <= 3000 {
        let _ = writeln!(out, "{text}");
    } else {
        let cut: String = text.chars().take(200).collect();
        let _ = writeln!(out, "{cut}… ({} bytes)", bytes.len());
    }
}

/// Text as it is, but nothing invisible; bytes that are no text are counted out.
fn escaped(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
            {
                out.extend(c.escape_default());
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}
