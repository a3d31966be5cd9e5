//! `innertrail gate`: what leaves it, what does not, and what a seal mark is worth.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{config, event, innertrail, query, run, status, texts};

/// Puts bytes through the gate, gives what comes out.
fn gate(config: &str, codec: &str, input: &[u8]) -> Vec<u8> {
    let args = ["gate", "--codec", codec, "--config", config];
    let mut child =
        innertrail(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    texts(&output, &args, 0);
    output.stdout
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect()
}

/// A Logstore with two events, and what `tail` hands to an agent from it.
fn sealed(dir: &Path) -> (String, Vec<String>) {
    let file = dir.join("trail.json");
    fs::write(&file, format!("{}\n{}\n", event(1, ""), event(2, ""))).unwrap();
    let path = config(dir, file.to_str().unwrap(), "");
    run(&["run", "--once", "--config", &path], 0);
    let (out, _) = run(&["tail", "--data-dir", dir.join("data").to_str().unwrap(), "--format", "native_json"], 0);
    (path, out.lines().map(str::to_owned).collect())
}

#[test]
fn ordinary_events_pass_unchanged_in_every_codec() {
    let dir = tempfile::tempdir().unwrap();
    let path = config(dir.path(), "none.json", "");
    let input = b"{\"message\":\"a\",\"n\":18446744073709551615}\n{ \"b\" : [1.50] }\r\n";
    let out = gate(&path, "json", input);
    assert_eq!(String::from_utf8(out).unwrap(), "{\"message\":\"a\",\"n\":18446744073709551615}\n{ \"b\" : [1.50] }\n");
    let input = b"[{\"log\":{\"message\":\"a\"}},{\"metric\":{\"name\":\"m\",\"kind\":\"absolute\",\"counter\":{\"value\":1.0}}}]\n";
    let out = lines(&gate(&path, "native_json", input));
    assert_eq!(out.len(), 2);
    assert_eq!(out[0], json!({ "log": { "message": "a" } }));
    assert_eq!(out[1]["metric"]["name"], "m");
    assert_eq!(status(&dir.path().join("data"))["quarantine"], json!({}));
}

#[test]
fn native_frames_pass_byte_for_byte() {
    use innertrail_plugin::event::{LogEvent, Value as Field, native};
    let dir = tempfile::tempdir().unwrap();
    let path = config(dir.path(), "none.json", "");
    let log = |text: &str| LogEvent::from_fields([("message".to_owned(), Field::Bytes(text.into()))].into());
    let mut input = Vec::new();
    for frame in [vec![log("one")], vec![log("two"), log("three")]] {
        native::write_frame(&mut input, &native::encode(frame).unwrap(), native::MAX_FRAME_BYTES).unwrap();
    }
    let oss = native::encode(vec![log(&event(9, ""))]).unwrap();
    native::write_frame(&mut input, &oss, native::MAX_FRAME_BYTES).unwrap();
    let out = gate(&path, "native", &input);
    let mut expected = Vec::new();
    for text in ["one", "two", "three"] {
        let frame = native::encode(vec![log(text)]).unwrap();
        native::write_frame(&mut expected, &frame, native::MAX_FRAME_BYTES).unwrap();
    }
    assert_eq!(out, expected);
    assert_eq!(status(&dir.path().join("data"))["quarantine"], json!({ "write_protected": 1 }));
}

#[test]
fn nobody_writes_the_dedicated_logstore_through_the_gate() {
    let dir = tempfile::tempdir().unwrap();
    let (path, sealed) = sealed(dir.path());
    let data = dir.path().join("data");
    let forged = sealed[0].replace("v1.0.", "v1.1.");
    let input = [
        format!("{{\"log\":{}}}", event(50, "")),
        format!("{{\"log\":{{\"message\":{}}}}}", json!(event(51, ""))),
        format!("{{\"log\":{{\"message\":{}}}}}", json!(format!("[{},{}]", event(52, ""), event(53, "")))),
        format!("{{\"log\":{{\"message\":{}}}}}", json!(format!("\u{feff}{}", event(54, "")))),
        format!("{{\"log\":{{\"message\":{}}}}}", json!(format!("{} and more", event(55, "")))),
        format!("{{\"log\":{{\"message\":{}}}}}", json!(format!("{{\"data\":{}}}", event(56, "")))),
        format!("{{\"log\":{}}}", event(57, "").replace("\"serviceName\":\"Oss\",", "")),
        r#"{"log":{"message":"x","__logstore__":"innertrail_main-trail"}}"#.to_owned(),
        r#"{"log":{"message":"x","it_seal":"v1.0.00"}}"#.to_owned(),
        forged,
    ];
    let out = gate(&path, "native_json", (input.join("\n") + "\n").as_bytes());
    assert_eq!(String::from_utf8_lossy(&out), "");
    assert_eq!(status(&data)["quarantine"]["write_protected"], 9);
    assert_eq!(status(&data)["quarantine"]["unsupported_product"], 1);
    assert_eq!(status(&data)["records"], 2);
    let kept =
        query(&data, "quarantine", "SELECT count(*) AS c FROM log WHERE it_quarantine_reason = 'write_protected'");
    assert_eq!(kept, json!([{ "c": 9 }]));
}

#[test]
fn a_sealed_event_comes_back_and_any_change_to_it_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let (path, sealed) = sealed(dir.path());
    let out = gate(&path, "native_json", (sealed.join("\n") + "\n").as_bytes());
    assert_eq!(String::from_utf8(out).unwrap(), sealed.join("\n") + "\n");
    // What an agent adds of its own is its own business.
    let added = sealed[0].replace("{\"log\":{", "{\"log\":{\"pipeline\":\"eu\",");
    assert_eq!(lines(&gate(&path, "native_json", added.as_bytes())).len(), 1);
    for (from, to) in [
        ("\"eventName\":\"PutBucketAcl\"", "\"eventName\":\"GetBucketAcl\""),
        ("\\\"private\\\"", "\\\"public\\\""),
        ("\"it_outcome\":\"success\"", "\"it_outcome\":\"failure\""),
        ("\"it_actor\":\"ram-user:alice\"", "\"it_actor\":\"ram-user:bob\""),
        ("\"it_seq\":0", "\"it_country\":\"XX\",\"it_seq\":0"),
        // A reader may take each of these for the field that was checked.
        ("\"it_seq\":0", "\"userIdentity\":{\"userName\":\"mallory\"},\"it_seq\":0"),
        ("\"it_seq\":0", "\"EventName\":\"Evil\",\"it_seq\":0"),
        ("\"it_seq\":0", "\"it_origin\":\"files:/x\",\"it_seq\":0"),
        ("\"it_seq\":0", "\"it_seq\":1"),
        ("\"it_seq\":0", "\"it_seq\":1,\"it_seq\":0"),
    ] {
        let changed = sealed[0].replace(from, to);
        assert_ne!(changed, sealed[0], "{from} is not in {}", sealed[0]);
        let out = gate(&path, "native_json", changed.as_bytes());
        assert_eq!(String::from_utf8_lossy(&out), "", "{to} came through");
    }
    // Another trail's key proves nothing here.
    let other = tempfile::tempdir().unwrap();
    let other_path = config(other.path(), "none.json", "");
    assert_eq!(String::from_utf8_lossy(&gate(&other_path, "native_json", sealed[0].as_bytes())), "");
}

/// The story: what innertrail itself writes as plain JSON was refused, because it has columns that no mark covers.
#[test]
fn a_sealed_event_comes_back_as_plain_json_too() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = sealed(dir.path());
    let data = dir.path().join("data");
    let tail =
        |store: &str| run(&["tail", "--data-dir", data.to_str().unwrap(), "--store", store, "--format", "json"], 0).0;
    let sent = tail("log");
    assert_eq!(sent.matches("\"it_seal\":\"v1.").count(), 2, "{sent}");
    assert_eq!(String::from_utf8(gate(&path, "json", sent.as_bytes())).unwrap(), sent);
    let first = sent.lines().next().unwrap();
    for (from, to) in [
        ("\"eventName\":\"PutBucketAcl\"", "\"eventName\":\"GetBucketAcl\""),
        ("\"it_actor\":\"ram-user:alice\"", "\"it_actor\":\"ram-user:bob\""),
        ("\"it_time\":", "\"it_time\":1"),
        ("\"it_seq\":0", "\"it_seq\":1"),
        ("\"it_seq\":0", "\"it_other\":\"x\",\"it_seq\":0"),
    ] {
        let changed = first.replace(from, to);
        assert_ne!(changed, first, "{from} is not in {first}");
        assert_eq!(String::from_utf8_lossy(&gate(&path, "json", changed.as_bytes())), "", "{to} came through");
    }
    // A store whose records have no mark shows none.
    assert!(!tail("quarantine").contains("it_seal\":\"v1."));
}

#[test]
fn undecodable_input_is_kept_and_its_neighbours_pass() {
    let dir = tempfile::tempdir().unwrap();
    let path = config(dir.path(), "none.json", "");
    let out = gate(&path, "native_json", b"{\"log\":{\"a\":1}}\nnot json\n{\"log\":{\"b\":2}}\n{\"log\":{\"c\":");
    assert_eq!(lines(&out), [json!({ "log": { "a": 1 } }), json!({ "log": { "b": 2 } })]);
    let data = dir.path().join("data");
    let kept = query(&data, "quarantine", "SELECT raw FROM log ORDER BY it_seq");
    assert_eq!(kept, json!([{ "raw": "not json\n" }, { "raw": "{\"log\":{\"c\":" }]));
    assert_eq!(status(&data)["conserved"], true);
}
