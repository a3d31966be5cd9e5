//! `innertrail alerts`: the rules of the pack and of one's own, over files, events and a Logstore, through the executable.

pub(crate) mod channels;
mod faults;
mod kills;
mod live;
mod scene;
mod scheduled;

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{config, event, run};

const SOUND: &str = "title: My own
logsource: { product: alibaba, service: oss }
detection:
  selection: { eventName: PutBucketAcl, requestParameters.acl: private }
  condition: selection
level: low
";

const FIXTURE: &str = "fires:
  - about: Private.
    base: oss
    set: { eventName: PutBucketAcl, requestParameters.acl: private }
silent:
  - about: Tags.
    base: oss
";

/// A folder of rules; each file by its name and text.
fn rules(dir: &Path, files: &[(&str, &str)]) -> String {
    for (name, text) in files {
        let path = dir.join("rules").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir.join("rules").to_str().unwrap().to_owned()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn the_pack_is_listed_and_its_fixtures_pass() {
    let (text, _) = run(&["alerts", "list"], 0);
    assert!(text.contains("oss-bucket-acl-public ") && !text.contains("-part"), "{text}");
    let (list, _) = run(&["alerts", "list", "--format", "json"], 0);
    let list = json(&list);
    let rules = list["rules"].as_array().unwrap();
    assert!(rules.len() >= 40 && list["packs"][0]["name"] == "alibaba-cloud", "{}", rules.len());
    assert!(rules.iter().all(|rule| rule["remedy"].as_str().is_some_and(|r| !r.is_empty())));
    let (one, _) = run(&["alerts", "list", "provider-unexpected-country"], 0);
    assert!(one.contains("parameter  expected_countries = CN") && one.contains("remedy "), "{one}");
    let (_, error) = run(&["alerts", "list", "no-such-rule"], 2);
    assert!(error.contains("there is no rule `no-such-rule`"), "{error}");
    let (tested, _) = run(&["alerts", "test"], 0);
    assert!(tested.contains("0 failed") && !tested.contains("without fixtures"), "{tested}");
}

#[test]
fn rules_of_ones_own_are_tested_and_broken_ones_named() {
    let dir = tempfile::tempdir().unwrap();
    let folder = rules(dir.path(), &[("mine.yml", SOUND), ("fixtures/mine.yml", FIXTURE)]);
    let (out, _) = run(&["alerts", "test", "--no-pack", "--rules", &folder], 0);
    assert_eq!(out, "1 rules, 2 fixtures passed, 0 failed\n");
    // A fixture that goes otherwise: exit code 1, and where it stands.
    let wrong = FIXTURE.replace("acl: private }", "acl: public-read }");
    rules(dir.path(), &[("fixtures/mine.yml", &wrong)]);
    let (out, _) = run(&["alerts", "test", "--no-pack", "--rules", &folder], 1);
    assert!(out.contains(&format!("FAILED  {folder}/fixtures/mine.yml:2:5: mine: the rule has to fire")), "{out}");
    // A broken rule: exit code 2, and the others go on.
    rules(dir.path(), &[("broken/b.yml", &SOUND.replace("eventName", "eventNmae"))]);
    let (out, error) = run(&["alerts", "test", "--rules", &folder, "--format", "json"], 2);
    let place = format!("{folder}/broken/b.yml:4:16: there is no field `eventNmae`; did you mean `eventName`?");
    assert!(error.contains(&place), "{error}");
    let told = json(&out);
    assert_eq!((&told["broken"][0]["line"], &told["broken"][0]["column"]), (&4.into(), &16.into()));
    assert!(told["cases"].as_array().unwrap().len() > 160);
    let (_, error) = run(&["alerts", "list", "--rules", &folder], 2);
    assert!(error.contains(&place), "{error}");
    let (_, error) = run(&["alerts", "list", "--rules", dir.path().join("none").to_str().unwrap()], 2);
    assert!(error.contains("none"), "{error}");
}

/// The story: what an event holds was printed as it came, and an attacker's bucket name could clear the screen of whoever
/// looked into the attack.
#[test]
fn an_event_is_explained_and_cannot_steer_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("event.json");
    let hostile = event(1, "").replace("\"acl\":\"private\"", r#""acl":"pri\u001b[2J\u202evate""#);
    fs::write(&file, hostile.replace("\"alice\"", r#""alice\u001b]0;x\u0007""#)).unwrap();
    let path = file.to_str().unwrap();
    let (text, _) = run(&["alerts", "explain", path], 0);
    assert!(text.contains("nearly   critical      oss-bucket-acl-public-write"), "{text}");
    assert!(text.contains("requestParameters.acl is `pri") && text.contains("wanted `public-read-write`"), "{text}");
    assert!(text.ends_with("0 rules fire\n"), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{text:?}");
    let (told, _) = run(&["alerts", "explain", path, "--format", "json"], 0);
    assert!(!told.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{told:?}");
    let told = json(&told);
    assert_eq!(told["event"]["name"], "PutBucketAcl");
    assert!(told["rules"].as_array().unwrap().iter().all(|rule| rule["matched"] == false), "{told}");
    fs::write(&file, event(2, "").replace("private", "public-read")).unwrap();
    let (text, _) = run(&["alerts", "explain", path], 0);
    assert!(text.contains("fires    high          oss-bucket-acl-public: A bucket can be read by anybody"), "{text}");
    for (wrong, words) in [("{", "EOF"), ("{}", "no operation log"), ("[1]", "no operation log")] {
        fs::write(&file, wrong).unwrap();
        let (_, error) = run(&["alerts", "explain", path], 2);
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_rules_are_run_over_a_logstore() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("trail.json");
    let of = |id: usize| match id % 10 {
        0 => event(id, "").replace("private", "public-read"),
        1 => event(id, "")
            .replace("private", "public-read")
            .replace("\"Write\"", "\"Write\",\"errorCode\":\"AccessDenied\""),
        2 => event(id, "").replace("PutBucketAcl", "DeleteObject").replace(":00Z", ":30Z"),
        _ => event(id, ""),
    };
    fs::write(&input, (0..200).map(|id| of(id) + "\n").collect::<String>()).unwrap();
    let path = config(dir.path(), input.to_str().unwrap(), "");
    run(&["run", "--once", "--config", &path], 0);
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let (out, _) = run(&["alerts", "backtest", "--data-dir", data, "--format", "json"], 0);
    let told = json(&out);
    assert_eq!((&told["records"], &told["complete"]), (&200.into(), &true.into()));
    let rule = |told: &Value, name: &str| {
        let rules = told["rules"].as_array().unwrap();
        rules.iter().find(|rule| rule["rule"] == name).map_or(0, |rule| rule["count"].as_u64().unwrap())
    };
    assert_eq!(rule(&told, "oss-bucket-acl-public"), 20, "{out}");
    assert_eq!(told["rules"][0]["first"].as_array().unwrap().len(), 3);
    // Ten events of each day hold an id that ends so: days are 1 + id % 20, so multiples of ten fall on two days.
    let (out, _) = run(
        &["alerts", "backtest", "--data-dir", data, "--from", "2026-11-01", "--to", "2026-11-01", "--format", "json"],
        0,
    );
    let told = json(&out);
    assert_eq!((&told["records"], rule(&told, "oss-bucket-acl-public")), (&10.into(), 10));
    let (text, _) = run(&["alerts", "backtest", "--data-dir", data, "--first", "1"], 0);
    assert!(text.contains("       20  high           oss-bucket-acl-public\n"), "{text}");
    let (_, error) = run(&["alerts", "backtest", "--data-dir", data, "--from", "2026-11-02", "--to", "2026-11-01"], 2);
    assert!(error.contains("swap the two"), "{error}");
    // An event of the Logstore by its id.
    let id = format!("{:024X}", 10);
    let (text, _) = run(&["alerts", "explain", "--data-dir", data, &id], 0);
    assert!(text.contains("fires    high          oss-bucket-acl-public"), "{text}");
    run(&["alerts", "explain", "--data-dir", data, "no-such-event"], 3);
    // A rule of one's own that counts. The ten deletions of a day are minutes apart.
    let counting = "title: p\nname: p\nlogsource: { product: alibaba, service: oss }\ndetection: { s: { eventName: DeleteObject }, condition: s }\n---\ntitle: Deletions\nname: deletions\ncorrelation: { type: event_count, rules: [p], group-by: [userIdentity.userName], timespan: 1h, condition: { gte: 2 } }\n";
    let folder = rules(dir.path(), &[("counting.yml", counting)]);
    let args = ["alerts", "backtest", "--data-dir", data, "--no-pack", "--rules", &folder, "--format", "json"];
    let (out, _) = run(&[&args[..], &["--from", "2026-11-03", "--to", "2026-11-03"]].concat(), 0);
    let told = json(&out);
    assert_eq!((rule(&told, "deletions"), &told["not_counted"]), (1, &serde_json::json!([])), "{out}");
    // These events lie up to twenty days apart in no order: what came too late to be counted is told, not left out.
    let (out, _) = run(&args, 0);
    assert!(json(&out)["not_counted"][0]["late"].as_u64().is_some_and(|late| late > 0), "{out}");
}

/// A backtest reads beside a writer that goes on, and takes no lock from it.
#[test]
fn a_backtest_runs_beside_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("trail.json");
    fs::write(&input, (0..50).map(|id| event(id, "") + "\n").collect::<String>()).unwrap();
    let path = config(dir.path(), input.to_str().unwrap(), "");
    let text = fs::read_to_string(&path).unwrap().replace("follow: false", "follow: true");
    fs::write(&path, text).unwrap();
    let mut child = crate::harness::innertrail(&["run", "--config", &path]).spawn().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap().to_owned();
    let begun = std::time::Instant::now();
    let read = || {
        let args = ["alerts", "backtest", "--data-dir", &data, "--format", "json"];
        let output = crate::harness::innertrail(&args).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).ok().and_then(|told| told["records"].as_u64()).unwrap_or(0)
    };
    let mut seen = 0;
    while seen < 50 && begun.elapsed().as_secs() < 60 {
        seen = read();
        assert!(child.try_wait().unwrap().is_none(), "the run ended");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(seen, 50);
}
