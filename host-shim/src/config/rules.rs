//! Rules between options, which a schema cannot state.
//!
//! Must never judge a value that has a finding of its own: one mistake is told once.

mod alerts;
mod console;
mod gate;
mod mirror;

use std::path::{Path, PathBuf};

use innertrail_fetch::ConfigError;

use super::error::{Finding, Position};
use super::sinks::{Secret, Sink};
use super::yaml::Node;
use super::{Config, Source};
use crate::fetch::cloud::Plan;

/// Longest key that the plugin takes, in bytes; the schema can only count characters.
const MAX_KEY_BYTES: usize = 63;

/// A rule that is broken.
struct Broken {
    /// The option at fault, dotted; the message stands at its place.
    at: String,
    /// The options the rule looked at.
    operands: Vec<String>,
    message: String,
    help: &'static str,
}

/// Adds a finding for every broken rule.
pub(super) fn check(config: &Config, root: &Node, findings: &mut Vec<Finding>) {
    for broken in broken(config) {
        let doubtful = |path: &str| findings.iter().any(|finding| overlap(&finding.path, path));
        if !broken.operands.iter().any(|path| doubtful(path)) {
            let (position, help) = (place(root, &broken.at), Some(broken.help.to_owned()));
            findings.push(Finding { position, path: broken.at, message: broken.message, help });
        }
    }
}

fn broken(config: &Config) -> Vec<Broken> {
    let mut out: Vec<Broken> = config.sources.iter().flat_map(|(name, source)| broken_source(name, source)).collect();
    out.extend(broken_sinks(config));
    out.extend(gate::broken(config));
    out.extend(mirror::broken(config));
    out.extend(alerts::broken(config));
    out.extend(console::broken(config));
    let mut rule = |holds: bool, at: &str, operands: [&str; 2], message: String, help| {
        if !holds {
            let operands = operands.map(str::to_owned).to_vec();
            out.push(Broken { at: at.to_owned(), operands, message, help });
        }
    };
    let Config { plugin, logstore, decode, .. } = config;
    rule(
        plugin.path.is_none() || plugin.sha256.is_some(),
        "plugin.path",
        ["plugin.path", "plugin.sha256"],
        "`plugin.path` without `plugin.sha256`: any file in that place would be trusted".to_owned(),
        "add `sha256:` as `sha256sum` prints it",
    );
    rule(
        plugin.sha256.is_none() || plugin.path.is_some(),
        "plugin.sha256",
        ["plugin.path", "plugin.sha256"],
        "`plugin.sha256` without `plugin.path`: there is no file to hold it against".to_owned(),
        "add `path:`, or remove `sha256:`",
    );
    rule(
        config.account.is_some() || config.route.accounts.is_empty(),
        "route.accounts",
        ["account", "route.accounts"],
        "`route.accounts` without `account`: every account is taken already".to_owned(),
        "add `account:`, the trail's own account",
    );
    rule(
        logstore.commit_bytes <= logstore.segment_bytes,
        "logstore.commit_bytes",
        ["logstore.commit_bytes", "logstore.segment_bytes"],
        format!(
            "`logstore.commit_bytes` ({}) is larger than `logstore.segment_bytes` ({})",
            logstore.commit_bytes, logstore.segment_bytes
        ),
        "a segment takes at least one commit; lower the first or raise the second",
    );
    rule(
        u64::from(decode.max_event_bytes) <= decode.max_decompressed_bytes,
        "decode.max_event_bytes",
        ["decode.max_event_bytes", "decode.max_decompressed_bytes"],
        format!(
            "`decode.max_event_bytes` ({}) is larger than `decode.max_decompressed_bytes` ({})",
            decode.max_event_bytes, decode.max_decompressed_bytes
        ),
        "a file holds at least one event; lower the first or raise the second",
    );
    rule(
        config.redact.keys.iter().all(|key| key.len() <= MAX_KEY_BYTES),
        "redact.keys",
        ["redact.keys"; 2],
        format!("`redact.keys` holds a key of more than {MAX_KEY_BYTES} bytes"),
        "keys of events are shorter than that; characters beyond ASCII take 2 to 4 bytes each",
    );
    out
}

/// The rules of sinks, of each and between them.
fn broken_sinks(config: &Config) -> Vec<Broken> {
    let mut out = Vec::new();
    let (mut streams, mut spools) = (0, Vec::new());
    for (name, sink) in &config.sinks {
        let mut wrong = |option: &str, message: &str, help| {
            let at = format!("sinks.{name}.{option}");
            out.push(Broken { operands: vec![at.clone()], message: format!("`{at}` {message}"), at, help });
        };
        match sink {
            Sink::Stdout(_) => {
                streams += 1;
                if streams > 1 {
                    wrong("type", "is the second sink on standard output", "name one; a stream has one reader");
                }
            }
            Sink::Spool(spool) => {
                let place = (whole(&spool.dir), &spool.prefix);
                if spools.contains(&place) {
                    wrong(
                        "dir",
                        "is another sink's, with the same prefix",
                        "give each spool a folder or a prefix of its own",
                    );
                }
                spools.push(place);
                if whole(&spool.dir).starts_with(whole(&config.data_dir)) {
                    wrong("dir", "lies in `data_dir`, which only innertrail's Logstore writes", "name another folder");
                }
            }
            Sink::Vector(vector) if vector.tls.certificate_file.is_some() != vector.tls.key_file.is_some() => {
                wrong("tls", "has a certificate or a key without the other", "give both, or neither");
            }
            Sink::Forward(forward) if forward.auth.user.is_some() != (forward.auth.password != Secret::None) => {
                wrong("auth", "has a user or a password without the other", "give both, or neither");
            }
            Sink::Forward(forward) if forward.auth.user.is_some() && forward.auth.shared_key == Secret::None => {
                wrong("auth", "has a user and no shared key", "add `shared_key:`");
            }
            _ => {}
        }
    }
    out
}

/// The path from the root on, links not followed: two spellings of a folder are one.
fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The rules of one source. Whatever else the client cannot work with is found by setting it up, which reads nothing.
fn broken_source(name: &str, source: &Source) -> Vec<Broken> {
    let at = |option: &str| format!("sources.{name}.{option}");
    let mut out = Vec::new();
    if let Source::Sls(sls) = source {
        let operands = vec![at("consumer_group"), at("consumer")];
        let alone = match (&sls.consumer_group, &sls.consumer) {
            (Some(_), None) => {
                Some(("consumer_group", "consumer", "give this process a name of its own, the same after a restart"))
            }
            (None, Some(_)) => {
                Some(("consumer", "consumer_group", "name the group, or remove `consumer:` to read all shards"))
            }
            _ => None,
        };
        if let Some((there, missing, help)) = alone {
            let message = format!("`{}` without `{missing}`", at(there));
            out.push(Broken { at: at(there), operands, message, help });
        }
        if sls.group_timeout_secs <= sls.heartbeat_secs {
            out.push(Broken {
                at: at("group_timeout_secs"),
                operands: vec![at("group_timeout_secs"), at("heartbeat_secs")],
                message: format!(
                    "`{}` ({}) is not longer than `heartbeat_secs` ({})",
                    at("group_timeout_secs"),
                    sls.group_timeout_secs,
                    sls.heartbeat_secs
                ),
                help: "the group would give the shards away between two signs of life; make it three times as long",
            });
        }
    }
    if let Err(error) = Plan::of(source) {
        out.push(unreachable(at, &format!("source `{name}`"), &error));
    }
    out
}

/// Options from which no way to a service can be made; `whose` they are.
fn unreachable(at: impl Fn(&str) -> String, whose: &str, error: &ConfigError) -> Broken {
    let option = if matches!(error, ConfigError::Region(_)) { "region" } else { "endpoint" };
    Broken {
        at: at(option),
        operands: ["endpoint", "region", "connection"].map(at).to_vec(),
        message: format!("{whose}: {error}"),
        help: "give `region:`, or `endpoint:` where the region is no part of its name",
    }
}

/// Whether one dotted path is the other or lies within it.
fn overlap(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    !short.is_empty() && long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The place of an option, or of the nearest section above it that the file has.
fn place(root: &Node, path: &str) -> Position {
    let mut node = root;
    for step in path.split('.') {
        match node.get(step) {
            Some(next) => node = next,
            None => break,
        }
    }
    node.position
}
