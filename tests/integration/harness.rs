//! What the tests share: starting the executable, making input, reading results back.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The executable under test.
pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_innertrail");

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A command of the executable, run in the checkout, with a cache of compiled code of its own.
pub(crate) fn innertrail(args: &[&str]) -> Command {
    let mut command = Command::new(BIN);
    command.current_dir(root()).args(args).env("XDG_CACHE_HOME", cache());
    command
}

/// Compiled code is shared by all tests, as it is by all runs of a user.
pub(crate) fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// Runs to the end, expecting this exit code.
pub(crate) fn run(args: &[&str], code: i32) -> (String, String) {
    let output = innertrail(args).output().unwrap();
    texts(&output, args, code)
}

pub(crate) fn texts(output: &Output, args: &[&str], code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "innertrail {args:?}\nstdout: {out}\nstderr: {err}");
    (out, err)
}

/// A configuration file with one file source over `include`.
pub(crate) fn config(dir: &Path, include: &str, more: &str) -> String {
    let path = dir.join("innertrail.yaml");
    let data = dir.join("data");
    let yaml = format!(
        "trail: main-trail\ndata_dir: {}\nsources:\n  files:\n    type: file\n    include: [\"{include}\"]\n    follow: false\n{more}",
        data.display()
    );
    std::fs::write(&path, yaml).unwrap();
    path.to_str().unwrap().to_owned()
}

/// `innertrail status` as JSON.
pub(crate) fn status(data: &Path) -> Value {
    let (out, _) = run(&["status", "--data-dir", data.to_str().unwrap(), "--format", "json"], 0);
    serde_json::from_str(&out).unwrap()
}

/// `innertrail query` as JSON.
pub(crate) fn query(data: &Path, store: &str, sql: &str) -> Value {
    let (out, _) = run(&["query", "--data-dir", data.to_str().unwrap(), "--store", store, "--format", "json", sql], 0);
    serde_json::from_str(&out).unwrap()
}

/// What has to be the same after every way to the same end.
pub(crate) fn counts(status: &Value) -> Value {
    let mut counts = status.clone();
    // How often it was opened, when, and what was torn is another matter.
    for name in ["lifecycle", "journal", "kept", "seal"] {
        counts.as_object_mut().unwrap().remove(name);
    }
    let sources = counts["sources"].as_object_mut().unwrap();
    for source in sources.values_mut() {
        source.as_object_mut().unwrap().remove("state");
        source.as_object_mut().unwrap().remove("lag_seconds");
    }
    counts
}

/// The interpreter that `INNERTRAIL_PYTHON` names, if it can import a module; says SKIPPED if not.
pub(crate) fn python(module: &str) -> Option<String> {
    let Ok(python) = std::env::var("INNERTRAIL_PYTHON") else {
        println!("SKIPPED: INNERTRAIL_PYTHON names no interpreter with {module}");
        return None;
    };
    let has = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    if !has.is_ok_and(|has| has.status.success()) {
        println!("SKIPPED: {python}, which INNERTRAIL_PYTHON names, cannot import {module}");
        return None;
    }
    Some(python)
}

/// A synthetic OSS operation log.
pub(crate) fn event(id: usize, more: &str) -> String {
    format!(
        r#"{{"eventId":"{id:024X}","eventVersion":1,"eventTime":"2026-11-{:02}T08:{:02}:00Z","eventType":"ApiCall","eventCategory":"Management","eventRW":"Write","eventName":"PutBucketAcl","eventSource":"synthetic-bucket-{}.oss-cn-hangzhou.aliyuncs.com","serviceName":"Oss","acsRegion":"cn-hangzhou","requestId":"{id:024X}","requestParameters":{{"acl":"private"{more}}},"referencedResources":{{"ACS::OSS::Bucket":["synthetic-bucket-{}"]}},"sourceIpAddress":"203.0.113.{}","userAgent":"aliyun-sdk-rust/0.0","userIdentity":{{"type":"ram-user","principalId":"2000000000000001","accountId":"1000000000000001","accessKeyId":"LTAI-EXAMPLE-{}","userName":"alice"}}}}"#,
        1 + id % 20,
        id % 60,
        id % 7,
        id % 7,
        id % 250,
        id % 5,
    )
}
