//! Rules between options, which a schema cannot state.
//!
//! Must never judge a value that has a finding of its own: one mistake is told once.

use super::Config;
use super::error::{Finding, Position};
use super::yaml::Node;

/// Longest key that the plugin takes, in bytes; the schema can only count characters.
const MAX_KEY_BYTES: usize = 63;

/// A rule that is broken.
struct Broken {
    /// The option at fault, dotted; the message stands at its place.
    at: &'static str,
    /// The options the rule looked at.
    operands: [&'static str; 2],
    message: String,
    help: &'static str,
}

/// Adds a finding for every broken rule.
pub(super) fn check(config: &Config, root: &Node, findings: &mut Vec<Finding>) {
    for broken in broken(config) {
        let doubtful = |path: &str| findings.iter().any(|finding| overlap(&finding.path, path));
        if !broken.operands.into_iter().any(doubtful) {
            let (path, help) = (broken.at.to_owned(), Some(broken.help.to_owned()));
            findings.push(Finding { position: place(root, broken.at), path, message: broken.message, help });
        }
    }
}

fn broken(config: &Config) -> Vec<Broken> {
    let mut out = Vec::new();
    let mut rule = |holds: bool, at, operands, message: String, help| {
        if !holds {
            out.push(Broken { at, operands, message, help });
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
