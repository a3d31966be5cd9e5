//! The least-privilege RAM policy that a source or the mirror needs: exactly the calls it makes, on exactly what it touches.
//!
//! It must never hold an action that writes or deletes what is read, nor one that deletes or lists what is copied. The names of actions are those of the pages on stream
//! consumption and on OSS (facts of `sls-api.md` and `actiontrail.md` §4.5). That page's table and its example disagree on
//! which of the two checkpoint actions reads and which writes, so both are here; neither touches a log.

use serde::Serialize;

use crate::config::{Config, Mirror, OssSource, SlsSource, Source};

/// A service whose sources a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Log Service.
    Sls,
    /// OSS.
    Oss,
    /// The bucket that the mirror copies to.
    Mirror,
}

/// A RAM policy, as the console takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

/// What one statement allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: &'static str,
    action: Vec<&'static str>,
    resource: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    string_like: Prefixes,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Prefixes {
    #[serde(rename = "oss:Prefix")]
    prefixes: Vec<String>,
}

/// The policy of all sources of one service; `None` when the configuration has none.
#[must_use]
pub fn policy(config: &Config, service: Service) -> Option<Policy> {
    let account = config.account.as_deref().unwrap_or("*");
    let of = |source: &Source| match (source, service) {
        (Source::Sls(sls), Service::Sls) => of_sls(sls, account),
        (Source::Oss(oss), Service::Oss) => of_oss(oss, account),
        _ => Vec::new(),
    };
    let statement: Vec<Statement> = match (service, &config.mirror) {
        (Service::Mirror, Some(mirror)) => of_mirror(mirror, account),
        _ => config.sources.values().flat_map(of).collect(),
    };
    (!statement.is_empty()).then_some(Policy { version: "1", statement })
}

fn allow(action: &[&'static str], resource: String) -> Statement {
    Statement { effect: "Allow", action: action.to_vec(), resource: vec![resource], condition: None }
}

fn of_sls(sls: &SlsSource, account: &str) -> Vec<Statement> {
    let region = sls.region.as_deref().unwrap_or("*");
    let logstore = format!("acs:log:{region}:{account}:project/{}/logstore/{}", sls.project, sls.logstore);
    let mut statements = vec![allow(&["log:GetCursorOrData", "log:ListShards"], logstore.clone())];
    if let Some(group) = &sls.consumer_group {
        let any = format!("{logstore}/consumergroup/*");
        statements.push(allow(&["log:CreateConsumerGroup", "log:ListConsumerGroup"], any));
        let actions = [
            "log:ConsumerGroupHeartBeat",
            "log:ConsumerGroupUpdateCheckPoint",
            "log:GetConsumerGroupCheckPoint",
            "log:UpdateConsumerGroup",
        ];
        statements.push(allow(&actions, format!("{logstore}/consumergroup/{group}")));
    }
    statements
}

fn of_oss(oss: &OssSource, account: &str) -> Vec<Statement> {
    let prefix = root(&oss.prefix);
    let bucket = format!("acs:oss:*:{account}:{}", oss.bucket);
    let mut list = allow(&["oss:ListObjects"], bucket.clone());
    list.condition = Some(Condition { string_like: Prefixes { prefixes: vec![format!("{prefix}*")] } });
    vec![list, allow(&["oss:GetObject"], format!("{bucket}/{prefix}*"))]
}

/// To put is needed; to read is not, but without it nobody compares what lies under a name that is taken. HeadObject asks for the
/// right of GetObject.
fn of_mirror(mirror: &Mirror, account: &str) -> Vec<Statement> {
    let objects = format!("acs:oss:*:{account}:{}/{}*", mirror.bucket, mirror.root());
    vec![allow(&["oss:PutObject"], objects.clone()), allow(&["oss:GetObject"], objects)]
}

/// What all names begin with that are listed, as the component makes it of `prefix`.
#[must_use]
pub fn root(prefix: &str) -> String {
    const ROOT: &str = "AliyunLogs/";
    let prefix = prefix.trim_start_matches('/');
    if prefix.starts_with(ROOT) || prefix.contains(&format!("/{ROOT}")) {
        return prefix.to_owned();
    }
    let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
    format!("{prefix}{slash}{ROOT}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::snapshot;

    const CONFIG: &str = r#"
trail: main-trail
account: "1000000000000001"
sources:
  events: {type: sls, project: my-project, logstore: innertrail_main, region: cn-hangzhou}
  shared: {type: sls, project: my-project, logstore: actiontrail_main, region: cn-hangzhou, consumer_group: innertrail, consumer: a}
  objects: {type: oss, bucket: my-bucket, prefix: audit, region: cn-hangzhou}
  files: {type: file, include: ['*.json']}
mirror: {bucket: my-copy, prefix: innertrail/main, region: cn-hangzhou}
"#;

    fn of(service: Service) -> String {
        let config = Config::parse(Path::new("c.yaml"), CONFIG, &|_| None).unwrap();
        serde_json::to_string_pretty(&policy(&config, service).unwrap()).unwrap()
    }

    #[test]
    fn log_service() {
        snapshot("policy_of_log_service", &of(Service::Sls));
    }

    #[test]
    fn object_storage() {
        snapshot("policy_of_object_storage", &of(Service::Oss));
    }

    #[test]
    fn the_mirror_may_put_and_read_and_neither_list_nor_delete() {
        let text = of(Service::Mirror);
        snapshot("policy_of_the_mirror", &text);
        for word in ["Delete", "List", "Abort", "Worm", "\"*\"", "\"oss:*\"", "my-bucket"] {
            assert!(!text.contains(word), "{word}");
        }
    }

    #[test]
    fn no_action_writes_or_deletes_what_is_read() {
        let text = of(Service::Sls) + &of(Service::Oss);
        for word in ["Delete", "Put", "Post", "UpdateLogStore", "\"*\"", "\"log:*\"", "\"oss:*\""] {
            assert!(!text.contains(word), "{word}");
        }
    }

    #[test]
    fn a_configuration_without_such_a_source_has_no_policy() {
        let config = Config::parse(Path::new("c.yaml"), "trail: main-trail", &|_| None).unwrap();
        assert!(policy(&config, Service::Sls).is_none());
        assert!(policy(&config, Service::Mirror).is_none());
    }
}
