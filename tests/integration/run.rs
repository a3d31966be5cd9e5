//! `innertrail run` and its readers: the quickstart trail, running twice, status, query, tail, explain.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{config, counts, event, query, root, run, status};

fn quickstart(data: &Path) -> (String, String) {
    let data = data.to_str().unwrap();
    run(&["run", "--once", "--config", "fixtures/quickstart/innertrail.yaml", "--data-dir", data], 0)
}

#[test]
fn the_quickstart_trail_is_kept_as_derived_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (out, _) = quickstart(&data);
    assert!(out.contains("conserved             yes"), "{out}");
    let expected = fs::read_to_string(root().join("fixtures/quickstart/expected.toml")).unwrap();
    let number = |key: &str| -> u64 {
        let at = expected.find(&format!("{key} = ")).unwrap() + key.len() + 3;
        expected[at..].split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let status = status(&data);
    assert_eq!(status["records"], number("dedicated"));
    assert_eq!(status["passthrough"], number("passthrough"));
    assert_eq!(status["duplicates"], number("duplicates"));
    assert_eq!(status["quarantine"]["unsupported_product"], number("unsupported_product"));
    assert_eq!(status["quarantine"]["undecodable"], number("undecodable"));
    assert_eq!(status["conserved"], true);
    assert_eq!(status["sources"]["bucket"]["objects_checked"], 9);
    assert_eq!(status["sources"]["bucket"]["state"]["state"], "finished");
    let kept = query(&data, "log", "SELECT count(*) AS c, count(DISTINCT eventId) AS ids FROM log");
    assert_eq!(kept, json!([{ "c": number("dedicated"), "ids": number("dedicated") }]));
    let products = query(&data, "log", "SELECT DISTINCT lower(coalesce(serviceName, EventProduct)) AS p FROM log");
    assert_eq!(products, json!([{ "p": "oss" }]));
    let names = query(&data, "log", "SELECT eventName, count(*) AS c FROM log GROUP BY eventName");
    let sum: u64 = names.as_array().unwrap().iter().map(|row| row["c"].as_u64().unwrap()).sum();
    assert_eq!(sum, number("dedicated"));
}

/// A second run over the same files must find nothing new: not even its duplicates may be counted again.
#[test]
fn running_twice_changes_no_count() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    quickstart(&data);
    let first = counts(&status(&data));
    quickstart(&data);
    assert_eq!(counts(&status(&data)), first);
}

/// New files and new lines are taken up where the last run ended; lines that are still being written wait.
#[test]
fn a_growing_file_is_taken_up_where_it_was_left() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    let path = config(dir.path(), file.to_str().unwrap(), "");
    let data = dir.path().join("data");
    let lines: Vec<String> = (0..50).map(|i| event(i, "")).collect();
    fs::write(&file, lines[..20].join("\n") + "\n").unwrap();
    run(&["run", "--once", "--config", &path], 0);
    assert_eq!(status(&data)["records"], 20);
    fs::write(&file, lines.join("\n") + "\n").unwrap();
    run(&["run", "--once", "--config", &path], 0);
    let status = status(&data);
    assert_eq!((&status["records"], &status["duplicates"]), (&json!(50), &json!(0)));
    assert_eq!(status["conserved"], true);
}

#[test]
fn what_was_refused_can_be_read_with_its_reason_and_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    let path = config(dir.path(), file.to_str().unwrap(), "");
    let data = dir.path().join("data");
    let good = event(1, "");
    fs::write(&file, format!("{good}\n{{\"eventId\":01}}\n\u{1b}[31mnot json\n{}\n", event(2, ""))).unwrap();
    run(&["run", "--once", "--config", &path], 0);
    let sql = "SELECT it_quarantine_reason, it_quarantine_detail, it_offset, raw FROM log ORDER BY it_seq";
    let refused = query(&data, "quarantine", sql);
    let first = good.len() + 1;
    assert_eq!(refused[0]["it_quarantine_reason"], "undecodable");
    assert_eq!(refused[0]["it_quarantine_detail"], "not a valid number (byte 12 of the record)");
    assert_eq!(refused[0]["it_offset"], first);
    assert_eq!(refused[0]["raw"].as_str().unwrap().trim_end(), "{\"eventId\":01}");
    let (tail, _) = run(&["tail", "--data-dir", data.to_str().unwrap(), "--store", "quarantine"], 0);
    assert!(!tail.contains('\u{1b}'), "an escape sequence reached the terminal: {tail:?}");
}

#[test]
fn an_event_can_be_found_tailed_and_explained() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    let path = config(dir.path(), file.to_str().unwrap(), "");
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let secret = event(3, r#","accessKeySecret":"very-secret""#);
    fs::write(&file, [event(1, ""), event(2, ""), secret].join("\n")).unwrap();
    run(&["run", "--once", "--config", &path], 0);
    let id = format!("{:024X}", 3);
    let (out, _) = run(&["explain", "--data-dir", data, "--format", "json", &id], 0);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["kept"]["store"], "log");
    assert_eq!(told["kept"]["it_seq"], 2);
    assert_eq!(told["rooms"]["classify"]["family"], "audit");
    assert_eq!(told["rooms"]["classify"]["action"], "admin");
    assert_eq!(told["rooms"]["classify"]["resource"], "synthetic-bucket-3");
    assert_eq!(told["rooms"]["route"]["to"], "innertrail_main-trail");
    assert_eq!(told["columns"]["it_redacted"], 1);
    assert!(!out.contains("very-secret"));
    let (text, _) = run(&["explain", "--data-dir", data, &id], 0);
    assert!(text.contains("innertrail_main-trail"), "{text}");
    run(&["explain", "--data-dir", data, "no-such-id"], 3);

    let (lines, _) = run(&["tail", "--data-dir", data, "-n", "2", "--format", "json"], 0);
    let rows: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(rows.iter().map(|r| r["it_seq"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(rows[1]["requestId"], id);
    let bytes = fs::read_dir(dir.path().join("data")).unwrap().count();
    assert!(bytes > 0);
}

/// A secret that reached the disk once is there for good: the whole data directory is searched for it.
#[test]
fn no_secret_reaches_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    let path = config(dir.path(), file.to_str().unwrap(), "redact:\n  keys: [internalToken]\n");
    let secrets = [
        r#","accessKeySecret":"TOP-SECRET-1""#,
        r#","deep":{"list":[{"SecurityToken":"TOP-SECRET-2"}]}"#,
        r#","body":"{\"AccessKeySecret\":\"TOP-SECRET-3\"}""#,
        r#","internaltoken":{"a":"TOP-SECRET-4"}"#,
        r#","\u0061ccessKeySecret":"TOP-SECRET-5""#,
    ];
    let lines: Vec<String> = secrets.iter().enumerate().map(|(i, s)| event(i, s)).collect();
    fs::write(&file, lines.join("\n")).unwrap();
    run(&["run", "--once", "--config", &path], 0);
    let data = dir.path().join("data");
    assert_eq!(status(&data)["redacted"], 5);
    assert_eq!(status(&data)["records"], 5);
    let kept = query(&data, "log", "SELECT event FROM log");
    assert!(!kept.to_string().contains("TOP-SECRET"), "{kept}");
    assert_eq!(kept.to_string().matches("***").count(), 5);
    let mut stack = vec![data];
    while let Some(path) = stack.pop() {
        if path.is_dir() {
            stack.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else {
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(10).any(|w| w == b"TOP-SECRET"), "{}", path.display());
        }
    }
}

/// No connector holds an object's name against its content, so a cut or swapped file goes unnoticed. Here the events are
/// kept all the same, and what the name promised and the file did not keep is said and counted.
#[test]
fn broken_promises_of_object_names_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let cases = root().join("fixtures/containers");
    for (case, counter, said) in [
        ("object-name-wrong-count", "count_mismatches", "its name says 5 events, it holds 4"),
        ("object-name-wrong-md5", "md5_mismatches", "the MD5 in its name is not the file's"),
    ] {
        let path = config(dir.path(), &format!("{}/**/*.gz", cases.join(case).display()), "");
        let data = dir.path().join(case);
        let data = data.to_str().unwrap();
        let (_, err) = run(&["run", "--once", "--config", &path, "--data-dir", data], 0);
        assert!(err.contains(said), "{err}");
        let status = status(Path::new(data));
        assert_eq!((&status["records"], &status["sources"]["files"][counter]), (&json!(4), &json!(1)), "{status}");
    }
}
