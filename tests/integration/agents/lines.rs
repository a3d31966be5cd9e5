//! `innertrail gate --dialect`: one line in, one line out, and nothing confirmed that a crash could take away.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::real::{KILLS, ids, kept};
use crate::harness::{config, event, innertrail, run, status, texts};

/// Puts lines through the gate, gives the answers.
fn gate(config: &str, dialect: &str, input: &[u8]) -> Vec<String> {
    let args = ["gate", "--dialect", dialect, "--config", config];
    let mut child =
        innertrail(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let (out, err) = texts(&output, &args, 0);
    assert_eq!(err, "", "rsyslog takes standard error for answers");
    out.lines().map(str::to_owned).collect()
}

fn verdict(line: &str) -> (String, Option<String>) {
    let answer: Value = serde_json::from_str(line).unwrap();
    let ours = &answer["$!"]["innertrail"];
    (ours["route"].as_str().unwrap().to_owned(), ours["reason"].as_str().map(str::to_owned))
}

/// A Logstore with one event, and what `tail` gives of it.
fn sealed(dir: &Path) -> (String, String) {
    let file = dir.join("trail.json");
    fs::write(&file, event(1, "") + "\n").unwrap();
    let path = config(dir, file.to_str().unwrap(), "");
    run(&["run", "--once", "--config", &path], 0);
    let (out, _) = run(&["tail", "--data-dir", dir.join("data").to_str().unwrap(), "--format", "native_json"], 0);
    (path, out.trim_end().to_owned())
}

/// Route and reason.
type Expected = (&'static str, Option<&'static str>);

#[test]
fn every_line_has_one_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (path, sealed) = sealed(dir.path());
    let (passed, refused) = (("passthrough", None), ("quarantine", Some("write_protected")));
    let lines: Vec<(Vec<u8>, Expected)> = vec![
        (b"an ordinary message".to_vec(), passed),
        (b"".to_vec(), passed),
        (b"{\"a\":1}".to_vec(), passed),
        (b"{\"a\":".to_vec(), passed),
        (sealed.clone().into_bytes(), ("dedicated", None)),
        (sealed.replace("v1.0.", "v1.1.").into_bytes(), refused),
        (event(2, "").into_bytes(), refused),
        (format!(" {}", event(3, "")).into_bytes(), refused),
        // Behind a prefix it is an ordinary log, as everywhere at the gate; it never gets a mark.
        (format!("app: {}", event(4, "")).into_bytes(), passed),
        (format!("{{\"log\":{}}}", event(5, "")).into_bytes(), refused),
        (format!("{{\"message\":{}}}", json!(event(6, ""))).into_bytes(), refused),
        (b"{\"message\":\"x\",\"it_seal\":\"v1.0.00\"}".to_vec(), refused),
        (b"\xff\xfe".to_vec(), ("quarantine", Some("undecodable"))),
        (vec![b'x'; (8 << 20) + 17], ("quarantine", Some("undecodable"))),
        (b"the last one, without an end".to_vec(), passed),
    ];
    let input = lines.iter().map(|(line, _)| line.clone()).collect::<Vec<_>>().join(&b'\n');
    let answers = gate(&path, "mmexternal", &input);
    assert_eq!(answers.len(), lines.len());
    for ((line, expected), answer) in lines.iter().zip(&answers) {
        let hash: String = Sha256::digest(line).iter().map(|b| format!("{b:02x}")).collect();
        assert!(answer.contains(&format!("\"line\":\"{hash}\"")), "the answer is about another line: {answer}");
        let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
        let (route, reason) = verdict(answer);
        assert_eq!((route.as_str(), reason.as_deref()), *expected, "{shown}");
    }
    let status = status(&dir.path().join("data"));
    assert_eq!((&status["quarantine"]["write_protected"], &status["records"]), (&json!(6), &json!(1)));
    assert_eq!(status["sources"]["gate"]["records"], 16, "the oversize line is kept in two pieces");
    assert_eq!(status["conserved"], true);
}

/// Under `omprog` nothing comes back, so everything is kept; a sealed event beside the others, never as the Logstore's own.
#[test]
fn omprog_keeps_everything_and_the_logstore_stays_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (path, sealed) = sealed(dir.path());
    let input = format!("plain text\n{sealed}\n{}\n{{\"a\":1}}\n", event(2, ""));
    assert_eq!(gate(&path, "omprog", input.as_bytes()), ["OK"; 5], "one for being ready, one for each line");
    let data = dir.path().join("data");
    let status = status(&data);
    assert_eq!((&status["records"], &status["passthrough"]), (&json!(1), &json!(3)));
    assert_eq!(status["quarantine"], json!({ "write_protected": 1 }));
    assert_eq!(status["conserved"], true);
    let passed = kept(&data, "passthrough");
    assert!(passed.contains("plain text") && passed.contains("it_seal"), "{passed}");
}

/// The story: a program that says OK before its fsync loses what rsyslog has already dropped from its queue.
#[test]
fn what_was_confirmed_survives_every_kill() {
    let dir = tempfile::tempdir().unwrap();
    let path = config(dir.path(), "none.json", "");
    let (mut next, mut confirmed) = (1, Vec::new());
    for life in 0..KILLS {
        let mut child = innertrail(&["gate", "--dialect", "omprog", "--config", &path])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(answers.next().unwrap().unwrap(), "OK", "it says that it is ready");
        for _ in 0..3 + life % 5 {
            stdin.write_all(format!("id-{next:06}\n").as_bytes()).unwrap();
            assert_eq!(answers.next().unwrap().unwrap(), "OK");
            confirmed.push(next);
            next += 1;
        }
        // One more is given and never waited for; rsyslog would give it again.
        stdin.write_all(format!("id-{next:06}\n").as_bytes()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
    gate(&path, "omprog", b"");
    let found = ids(&kept(&dir.path().join("data"), "passthrough"));
    let gone: Vec<&usize> = confirmed.iter().filter(|id| !found.contains_key(id)).collect();
    let twice: usize = found.values().map(|times| times - 1).sum();
    println!("omprog double: {} confirmed, {KILLS} kills: {} lost, {twice} twice", confirmed.len(), gone.len());
    assert!(gone.is_empty(), "confirmed and gone: {gone:?}");
    assert_eq!(status(&dir.path().join("data"))["conserved"], true);
}
