//! Planted keys are in no log, error, status, answer of a command, or file of the data directory, whatever goes wrong.

use std::fs;
use std::path::Path;

use innertrail_test_cloud::fault::Fault;
use innertrail_test_cloud::schedule::Planned;
use innertrail_test_cloud::{Account, Key, Load};

use super::stage::{PROJECT, Stage};
use crate::harness::innertrail;

/// Every file below a folder, with its content.
fn files(dir: &Path, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, out);
        } else if let Ok(bytes) = fs::read(&path) {
            out.push((path.display().to_string(), bytes));
        }
    }
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[test]
fn planted_keys_are_nowhere() {
    let stage = Stage::with_logstore(1, &Load { events: 300, seed: 61, ..Load::default() });
    let keys = [
        Key { secret: "planted-secret-0123456789abcdef".to_owned(), ..Key::reader() }, // a wrong signature, echoed
        Key { token: Some("planted-token-0123456789abcdef".to_owned()), ..Key::temporary() },
        Key::revoked(),
        Key::unauthorised(),
        Key::reader(),
    ];
    let config = stage.config(&stage.sls("events", &[]), "");
    let mut said: Vec<(String, Vec<u8>)> = Vec::new();
    let data = stage.data();
    let data = data.to_str().unwrap();
    for (place, key) in keys.iter().enumerate() {
        stage.put_key(key);
        stage.cloud.sls.faults().plan([Planned::next(Fault::Html { status: 502 }), Planned::next(Fault::Unavailable)]);
        if place == 4 {
            stage.cloud.sls.set_account(PROJECT, Account::Active);
        }
        let commands: [&[&str]; 5] = [
            &["-vv", "run", "--once", "--config", &config],
            &["doctor", "--config", &config],
            &["check", "--config", &config, "--format", "json"],
            &["status", "--data-dir", data, "--format", "json"],
            &["query", "--data-dir", data, "--store", "journal", "--format", "json", "SELECT * FROM log"],
        ];
        for args in commands {
            // A run whose key is refused waits for a better one: it is stopped.
            let output = innertrail_for_a_while(args);
            said.push((format!("key {place}: {args:?}"), output));
        }
    }
    files(&stage.data(), &mut said);
    assert!(said.len() > 30, "{} texts and files", said.len());
    for key in &keys {
        for secret in [Some(&key.secret), key.token.as_ref()].into_iter().flatten() {
            for (place, bytes) in &said {
                assert!(!holds(bytes, secret), "a secret is in {place}: {}", String::from_utf8_lossy(bytes));
            }
        }
    }
}

fn innertrail_for_a_while(args: &[&str]) -> Vec<u8> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut process = super::stage::Background::with(&mut innertrail(args), log.path().to_str().unwrap());
    let begun = std::time::Instant::now();
    while process.is_running() && begun.elapsed() < std::time::Duration::from_secs(6) {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    if process.is_running() {
        process.stop();
    }
    fs::read(log.path()).unwrap()
}

/// The story: a key pasted where the name of its variable belongs was printed in the message that refused it.
#[test]
fn a_key_in_the_configuration_is_refused_and_not_shown() {
    let stage = Stage::new();
    for line in [
        "credentials: {type: environment, secret_variable: planted-secret-0123}",
        "credentials: {type: file, path: x, access_key_secret: planted-secret-0123}",
        "access_key_secret: planted-secret-0123",
    ] {
        let config = stage.config(&stage.sls("events", &[line]), "");
        let (out, err) = crate::harness::run(&["check", "--config", &config], 2);
        assert!(!(out + &err).contains("planted-secret"), "{line}: {err}");
        assert!(err.contains("credentials") || err.contains("secret"), "{err}");
    }
}
