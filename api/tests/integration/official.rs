//! The vendor's Python SDK, unchanged, when `INNERTRAIL_PYTHON` names an interpreter that has it. It reaches the server as its proxy,
//! so that any name leads there.

use std::process::Command;

use crate::support::{LS, Stage};

const SCRIPT: &str = include_str!("official.py");

#[test]
fn the_official_python_sdk_reads_and_cannot_write() {
    let Ok(python) = std::env::var("INNERTRAIL_PYTHON") else {
        println!("SKIPPED: INNERTRAIL_PYTHON names no interpreter with aliyun-log-python-sdk");
        return;
    };
    let stage = Stage::new();
    for version in ["v1", "v4"] {
        let run = Command::new(&python)
            .arg("-c")
            .arg(SCRIPT)
            .args([version, &stage.administrator.id, &stage.administrator.secret, LS.trim_start_matches("/logstores/")])
            .env("http_proxy", format!("http://{}", stage.address()))
            .env_remove("no_proxy")
            .env_remove("NO_PROXY")
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        print!("{version}: {out}");
        assert!(run.status.success() && out.contains("all calls as expected"), "{version}\n{out}\n{err}");
    }
}
