//! The console in a real browser: Debian's Chromium without a screen, driven by `browser.mjs`.
//!
//! `INNERTRAIL_CHROMIUM` names the executable, `INNERTRAIL_BROWSER_MODULES` a `node_modules` with `playwright-core` and `axe-core`.
//! Screenshots lie in `console-screenshots` in the target folder's `tmp`.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{Serving, TOKEN, filled};
use crate::harness::{event, query, run};

struct Browser {
    chromium: String,
    modules: String,
}

/// The browser; says SKIPPED without one.
fn browser() -> Option<Browser> {
    let named = |name: &str| std::env::var(name).ok().filter(|path| Path::new(path).exists());
    let holds = |modules: &String| Path::new(modules).join("playwright-core").is_dir();
    let modules = ["INNERTRAIL_BROWSER_MODULES", "INNERTRAIL_NODE_MODULES"].into_iter().filter_map(named).find(holds);
    let chromium = named("INNERTRAIL_CHROMIUM");
    let Some((chromium, modules)) = chromium.zip(modules) else {
        println!("SKIPPED: INNERTRAIL_CHROMIUM and INNERTRAIL_BROWSER_MODULES name no browser with playwright-core");
        return None;
    };
    Some(Browser { chromium, modules })
}

fn shots() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console-screenshots");
    fs::create_dir_all(&folder).unwrap();
    folder
}

impl Browser {
    fn drive(&self, mut setup: Value) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/integration/console/browser.mjs");
        let members = setup.as_object_mut().unwrap();
        members.insert("chromium".to_owned(), self.chromium.clone().into());
        members.insert("modules".to_owned(), self.modules.clone().into());
        members.insert("shots".to_owned(), shots().to_str().unwrap().into());
        let ran = Command::new("node").arg(script).env("SETUP", setup.to_string()).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success() && text.contains("everything as expected"), "{text}");
        text
    }
}

fn count(data: &Path, search: &str) -> Value {
    query(data, "log", &format!("{search} | select count(1) as n"))[0]["n"].clone()
}

#[test]
fn a_browser_shows_it_and_nothing_in_a_log_acts() {
    let Some(browser) = browser() else { return };
    let data = filled();
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    fs::write(&token, TOKEN).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let (open, closed) =
        (Serving::console(data, &[]), Serving::console(data, &["--token-file", token.to_str().unwrap()]));
    let boards = open.get("/api/charts", &[]);
    let chart = |title: &str| {
        let charts = boards["dashboards"][0]["charts"].as_array().unwrap();
        let chart = charts.iter().find(|chart| chart["title"] == title).unwrap();
        query(data, "log", chart["search"]["query"].as_str().unwrap())
    };
    let trend = chart("trend");
    let pv_by_hour: u64 = trend.as_array().unwrap().iter().map(|row| row["pv"].as_u64().unwrap()).sum();
    let top = &query(data, "log", "* | select eventName as v, count(1) as n group by 1 order by n desc, v limit 1")[0];
    let said = browser.drive(json!({
        "what": "pages", "url": open.url(), "closed": closed.url(), "token": TOKEN,
        "total": count(data, "*"), "failures": count(data, "it_outcome: failure"), "platform": count(data, "it_family: platform"),
        "pv": chart("pv")[0]["pv"], "pvByHour": pv_by_hour, "actions": chart("actions"), "top": top,
        "journal": query(data, "journal", "* | select count(1) as n")[0]["n"],
    }));
    print!("{said}");
}

/// With `INNERTRAIL_CONSOLE_BENCH=5000000` over so many events, within a second; on a quiet machine. The suite takes a few thousand, beside
/// other tests, and only wants that nothing waits for something that never comes.
#[test]
fn the_first_page_is_usable_within_its_time() {
    let Some(browser) = browser() else { return };
    let bench = std::env::var("INNERTRAIL_CONSOLE_BENCH").ok().and_then(|n| n.parse::<usize>().ok());
    let (events, limit_ms) = bench.map_or((4_000, 15_000), |events| (events, 1_000));
    let dir = tempfile::tempdir().unwrap();
    let (input, data) = (dir.path().join("events.jsonl"), dir.path().join("data"));
    let mut file = BufWriter::new(File::create(&input).unwrap());
    (0..events).for_each(|id| writeln!(file, "{}", event(id, "")).unwrap());
    file.into_inner().unwrap().sync_all().unwrap();
    run(
        &[
            "run",
            "--once",
            "--trail",
            "main-trail",
            "--include",
            input.to_str().unwrap(),
            "--data-dir",
            data.to_str().unwrap(),
        ],
        0,
    );
    fs::remove_file(&input).unwrap();
    let serving = Serving::console(&data, &[]);
    let said = browser.drive(json!({"what": "speed", "url": serving.url(), "total": events, "limit_ms": limit_ms}));
    print!("{said}");
}
