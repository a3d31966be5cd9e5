//! Asks the services and the machine, and judges nothing.
//!
//! It must never change anything. What it sends reads, except for two requests. One would delete a thing of a name that is
//! 128 random bits: there is no such thing, so nothing can be deleted, and the answer tells whether it was allowed to. The
//! other would put an object of such a name into the mirror's bucket, with an MD5 that is not the body's: OSS refuses that.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use innertrail_fetch::{Client, Failure, Fault, Provider, Report, Request, Response, Signer, TrailStatus};
use innertrail_logstore::Snapshot;

use super::deliveries::Delivery;
use crate::alerting::Alerting;
use crate::clock;
use crate::config::{Alerts, Config, Mirror, OssSource, Signature, SlsSource, Source};
use crate::fetch::cloud::Plan;
use crate::lag;
use crate::lifecycle::{self, sources::Paused};
use crate::policy;
use crate::reconcile::provider;
use crate::status::SOURCE;

/// The mirror's name among what is reached with credentials. No source has it: names of sources may not hold a colon.
pub(super) const MIRROR: &str = "mirror:";

/// Everything there is to judge.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// When, microseconds UTC.
    pub now_us: i64,
    /// The sources that read a cloud.
    pub sources: Vec<SourceEvidence>,
    /// What ActionTrail says of the trail, or why it says nothing. None: it is not configured, or nobody was to be asked.
    pub trail: Option<Result<TrailStatus, String>>,
    /// This machine.
    pub local: Local,
    /// The ways out, with what they promise.
    pub deliveries: Vec<Delivery>,
}

/// What is known of one source.
#[derive(Debug, Clone)]
pub struct SourceEvidence {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Why there is no client for it.
    pub setup: Option<String>,
    /// What a read came to.
    pub read: Option<Answer>,
    /// What deleting a thing that is not there came to.
    pub deletion: Option<Answer>,
    /// The credentials, without a value.
    pub credentials: Option<Report>,
    /// Age of the file that holds the key, seconds.
    pub key_file_age_s: Option<u64>,
    /// How far the service's clock is ahead, milliseconds.
    pub skew_ms: Option<i64>,
    /// When the provider got its newest log, milliseconds UTC.
    pub provider_newest_ms: Option<i64>,
    /// Newest event in the Logstore, microseconds UTC.
    pub newest_us: Option<i64>,
    /// How the last run left it.
    pub paused: Option<Paused>,
    /// Gaps so far.
    pub gaps: u64,
    /// Whether it reads a bucket.
    pub is_bucket: bool,
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An answer of the service.
    Said {
        /// The HTTP status.
        status: u16,
        /// The service's own code; empty where it gave none.
        code: String,
        /// Its message.
        message: String,
    },
    /// No answer.
    Nothing {
        /// Why.
        fault: Fault,
        /// The same in words.
        why: String,
    },
}

/// This machine.
#[derive(Debug, Clone, Default)]
pub struct Local {
    /// The data directory.
    pub dir: PathBuf,
    /// Whether there is a Logstore in it.
    pub exists: bool,
    /// Why it cannot be used.
    pub unusable: Option<String>,
    /// Permission bits of the directory.
    pub mode: Option<u32>,
    /// Bytes that are free, and that the file system has.
    pub space: Option<(u64, u64)>,
    /// Days that records are kept.
    pub retention_days: Option<u32>,
    /// Whether records are taken.
    pub enabled: Option<bool>,
    /// What is wrong with the alert rules of the configuration, with its place; may hold text of rule files.
    pub broken_rules: Vec<String>,
}

impl Evidence {
    /// Looks at everything that the configuration names. With `offline` no service is asked.
    #[must_use]
    pub fn gather(config: &Config, offline: bool) -> Self {
        let snapshot = Snapshot::open(&config.data_dir);
        let life = snapshot.as_ref().ok().and_then(|s| lifecycle::State::read(s.state()).ok().flatten());
        let mut sources = Vec::new();
        for (name, source) in &config.sources {
            let Some(mut evidence) = source_evidence(name, source, offline) else { continue };
            if let Ok(snapshot) = &snapshot {
                evidence.newest_us = lag::newest(snapshot.state()).get(name).copied();
                evidence.gaps = snapshot.state().counter(&format!("{SOURCE}{name}.gaps"));
            }
            evidence.paused = life.as_ref().and_then(|life| life.paused.get(name).cloned());
            sources.push(evidence);
        }
        if let Some(options) = &config.mirror {
            sources.push(mirror_evidence(options, offline));
        }
        let mut local = local(&config.data_dir);
        local.exists = snapshot.is_ok();
        if let (Err(error), true) = (&snapshot, config.data_dir.join("format.json").exists()) {
            local.unusable = Some(error.to_string());
        }
        local.retention_days = Some(life.as_ref().map_or(config.logstore.retention_days, |life| life.retention.days));
        local.enabled = life.as_ref().map(|life| life.enabled);
        local.broken_rules = config.alerts.as_ref().map(broken_rules).unwrap_or_default();
        let trail = if offline { None } else { provider::status(config) };
        let now_us = clock::now_us();
        let deliveries = Delivery::all(config, snapshot.as_ref().ok(), now_us);
        Self { now_us, sources, trail, local, deliveries }
    }
}

impl SourceEvidence {
    fn of(name: &str, is_bucket: bool) -> Self {
        Self {
            name: name.to_owned(),
            url: String::new(),
            setup: None,
            read: None,
            deletion: None,
            credentials: None,
            key_file_age_s: None,
            skew_ms: None,
            provider_newest_ms: None,
            newest_us: None,
            paused: None,
            gaps: 0,
            is_bucket,
        }
    }

    /// What the credentials are, once they were used.
    fn see_credentials(&mut self, client: &Client, plan: &Plan) {
        self.credentials = Some(client.credentials().report());
        if let Provider::File { path } = &plan.credentials.provider {
            self.key_file_age_s = age_s(path);
        }
    }
}

/// The mirror, as one more thing that is reached with credentials. In the place of a read stands a write that cannot succeed.
fn mirror_evidence(options: &Mirror, offline: bool) -> SourceEvidence {
    // Not a bucket that a trail delivers to.
    let mut evidence = SourceEvidence::of(MIRROR, false);
    let plan = match Plan::of_mirror(options) {
        Ok(plan) => plan,
        Err(error) => {
            evidence.setup = Some(error.to_string());
            return evidence;
        }
    };
    evidence.url = plan.endpoint.url();
    if offline {
        return evidence;
    }
    match plan.credentials().and_then(|credentials| plan.client(credentials)) {
        Ok(client) => {
            let _ = client.credentials().refresh();
            let below = format!("/{}", options.root());
            let answer = Answer::of(client.probe_writing(&plan.name, &below));
            evidence.read = Some(answer.of_a_write());
            evidence.skew_ms = client.stats().endpoints.get(&plan.name).and_then(|e| e.clock_skew_ms);
            if evidence.read.as_ref().is_some_and(Answer::is_good) {
                evidence.deletion = Some(Answer::of(client.probe_deletion(&plan.name, Signer::Oss4, &below)));
            }
            evidence.see_credentials(&client, &plan);
        }
        Err(error) => evidence.setup = Some(error.to_string()),
    }
    evidence
}

fn source_evidence(name: &str, source: &Source, offline: bool) -> Option<SourceEvidence> {
    let mut evidence = SourceEvidence::of(name, matches!(source, Source::Oss(_)));
    let plan = match Plan::of(source) {
        Ok(plan) => plan?,
        Err(error) => {
            evidence.setup = Some(error.to_string());
            return Some(evidence);
        }
    };
    evidence.url = plan.endpoint.url();
    if offline {
        return Some(evidence);
    }
    match plan.credentials().and_then(|credentials| plan.client(credentials)) {
        Ok(client) => ask(&client, &plan, source, &mut evidence),
        Err(error) => evidence.setup = Some(error.to_string()),
    }
    Some(evidence)
}

fn ask(client: &Client, plan: &Plan, source: &Source, evidence: &mut SourceEvidence) {
    // An error is in the report.
    let _ = client.credentials().refresh();
    evidence.read = Some(Answer::of(client.call(&read(source, &plan.name))));
    evidence.skew_ms = client.stats().endpoints.get(&plan.name).and_then(|e| e.clock_skew_ms);
    if evidence.read.as_ref().is_some_and(Answer::is_good) {
        evidence.deletion = Some(Answer::of(client.probe_deletion(&plan.name, signer(source), &below(source))));
        if let Source::Sls(sls) = source {
            evidence.provider_newest_ms = newest_of_provider(client, sls);
        }
    }
    evidence.see_credentials(client, plan);
}

/// The cheapest read that needs what a run needs.
fn read(source: &Source, endpoint: &str) -> Request {
    match source {
        Source::Oss(oss) => list(oss, endpoint),
        Source::Sls(sls) => get(sls, endpoint, "/shards", &[]),
        Source::File(_) => request(endpoint, Signer::None, "/", Vec::new()),
    }
}

fn list(oss: &OssSource, endpoint: &str) -> Request {
    let root = policy::root(&oss.prefix);
    let query = [("list-type", "2"), ("max-keys", "1"), ("prefix", root.as_str())];
    request(endpoint, Signer::Oss4, "/", query.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec())
}

fn get(sls: &SlsSource, endpoint: &str, rest: &str, query: &[(&str, &str)]) -> Request {
    let query = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mut request = request(endpoint, sls_signer(sls), &format!("/logstores/{}{rest}", sls.logstore), query);
    request.headers =
        vec![("x-log-apiversion".to_owned(), "0.6.0".to_owned()), ("x-log-bodyrawsize".to_owned(), "0".to_owned())];
    request
}

fn request(endpoint: &str, signer: Signer, path: &str, query: Vec<(String, String)>) -> Request {
    Request {
        id: 0,
        endpoint: endpoint.to_owned(),
        signer,
        method: "GET".to_owned(),
        path: path.to_owned(),
        query,
        headers: Vec::new(),
        body: Vec::new(),
        max_body: 1 << 20,
        retries: false,
    }
}

fn signer(source: &Source) -> Signer {
    match source {
        Source::Sls(sls) => sls_signer(sls),
        Source::Oss(_) => Signer::Oss4,
        Source::File(_) => Signer::None,
    }
}

fn sls_signer(sls: &SlsSource) -> Signer {
    match sls.signature {
        Signature::V4 => Signer::Sls4,
        Signature::V1 => Signer::Sls1,
    }
}

/// Below which path a random name is asked to be deleted: a Logstore of the project, an object of the prefix.
fn below(source: &Source) -> String {
    match source {
        Source::Oss(oss) => format!("/{}", policy::root(&oss.prefix)),
        _ => "/logstores/".to_owned(),
    }
}

/// When the provider received the newest log of all shards: the time of each shard's end.
fn newest_of_provider(client: &Client, sls: &SlsSource) -> Option<i64> {
    let json = |request: Request| -> Option<serde_json::Value> {
        let response = client.call(&request).ok().filter(|r| r.status == 200)?;
        serde_json::from_slice(&response.body).ok()
    };
    let shards = json(get(sls, &sls.project, "/shards", &[]))?;
    let mut newest = None;
    for shard in shards.as_array()?.iter().filter_map(|shard| shard.get("shardID")?.as_u64()) {
        let path = format!("/shards/{shard}");
        let cursor = |from: &str| {
            let answer = json(get(sls, &sls.project, &path, &[("type", "cursor"), ("from", from)]))?;
            Some(answer.get("cursor")?.as_str()?.to_owned())
        };
        let (Some(begin), Some(end)) = (cursor("begin"), cursor("end")) else { continue };
        if begin == end {
            continue; // Empty: its end has no time.
        }
        let time = json(get(sls, &sls.project, &path, &[("type", "cursor_time"), ("cursor", &end)]));
        let seconds = time.and_then(|time| time.get("cursor_time")?.as_i64());
        newest = newest.max(seconds.map(|seconds| seconds.saturating_mul(1000)));
    }
    newest
}

impl Answer {
    fn of(result: Result<Response, Failure>) -> Self {
        match result {
            Ok(response) => {
                let (code, message) = said(&response.body);
                Self::Said { status: response.status, code, message }
            }
            Err(failure) => Self::Nothing { fault: failure.fault, why: failure.why },
        }
    }

    /// What the probe of writing came to: that the body was found wrong means that the right was there.
    fn of_a_write(self) -> Self {
        match self {
            Self::Said { status: 400, code, message } if code == "InvalidDigest" => {
                Self::Said { status: 200, code, message }
            }
            other => other,
        }
    }

    /// Whether the service did what it was asked.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Said { status: 200..=299, .. })
    }
}

/// Code and message of an error, in the JSON of Log Service or the XML of OSS.
fn said(body: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(body);
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(&text) {
        let field = |name: &str| json.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        return (field("errorCode"), field("errorMessage"));
    }
    let element = |name: &str| {
        let inner = text.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
        inner.map_or_else(String::new, |(inner, _)| inner.chars().take(300).collect())
    };
    (element("Code"), element("Message"))
}

fn age_s(path: &Path) -> Option<u64> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    Some(SystemTime::now().duration_since(modified).ok()?.as_secs())
}

/// What is wrong with the rules.
fn broken_rules(options: &Alerts) -> Vec<String> {
    match Alerting::load(options) {
        Ok(loaded) => loaded.faults.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

fn local(dir: &Path) -> Local {
    let existing = dir.ancestors().find(|d| d.exists() && !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut local = Local { dir: dir.to_owned(), ..Local::default() };
    match std::fs::metadata(existing) {
        Ok(meta) if !meta.is_dir() => local.unusable = Some(format!("{} is not a directory", existing.display())),
        Ok(meta) => {
            if rustix::fs::access(existing, rustix::fs::Access::WRITE_OK).is_err() {
                local.unusable = Some(format!("{} cannot be written by this user", existing.display()));
            }
            if existing == dir {
                use std::os::unix::fs::PermissionsExt;
                local.mode = Some(meta.permissions().mode() & 0o777);
            }
        }
        Err(error) => local.unusable = Some(format!("{}: {error}", existing.display())),
    }
    local.space = rustix::fs::statvfs(existing).ok().map(|fs| (fs.f_bavail * fs.f_frsize, fs.f_blocks * fs.f_frsize));
    local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_both_services_are_read() {
        let json = br#"{"errorCode":"Unauthorized","errorMessage":"no"}"#;
        assert_eq!(said(json), ("Unauthorized".to_owned(), "no".to_owned()));
        let xml = b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>m</Message></Error>";
        assert_eq!(said(xml), ("AccessDenied".to_owned(), "m".to_owned()));
        assert_eq!(said(b"<html>"), (String::new(), String::new()));
    }
}
