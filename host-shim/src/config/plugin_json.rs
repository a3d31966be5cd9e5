//! What the plugin is told of the configuration, as JSON.
//!
//! Must never hand over more than the plugin needs: no folder of the host, nothing of the Logstore, no credentials, no
//! endpoint and no address.

use serde::Serialize;

use super::cloud::{Compression, OssSource, Signature, SlsSource};
use super::{Config, Decode, EmployeeId, FileSource, ObjectNames, Source, UnsupportedProducts};

/// What `source.session.open` takes.
#[derive(Serialize)]
struct SourceJson<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
    trail: &'a str,
    #[serde(flatten)]
    options: Options<'a>,
    max_event_bytes: u32,
    max_depth: u32,
    max_decompressed_bytes: u64,
    max_ratio: u32,
}

/// The part of it that differs by type.
#[derive(Serialize)]
#[serde(untagged)]
enum Options<'a> {
    File(&'a FileSource),
    Sls(SlsJson<'a>),
    Oss(OssJson<'a>),
}

#[derive(Serialize)]
struct SlsJson<'a> {
    logstores: [LogstoreJson<'a>; 1],
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer_group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer: Option<&'a str>,
    heartbeat_secs: u32,
    group_timeout_secs: u32,
    from: FromJson<'a>,
    poll_interval_ms: u32,
    shard_refresh_secs: u32,
    count: u32,
    max_in_flight: u32,
    compression: Compression,
    signature: Signature,
    follow: bool,
}

#[derive(Serialize)]
struct LogstoreJson<'a> {
    project: &'a str,
    logstore: &'a str,
}

/// A word, or milliseconds since the Unix epoch.
#[derive(Serialize)]
#[serde(untagged)]
enum FromJson<'a> {
    Word(&'a str),
    Time(i64),
}

#[derive(Serialize)]
struct OssJson<'a> {
    bucket: &'a str,
    prefix: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    overlap_hours: u32,
    poll_interval_secs: u32,
    page_keys: u32,
    read_bytes: u32,
    max_in_flight: u32,
    object_names: ObjectNames,
    follow: bool,
}

/// What `transform.pipeline.open` takes.
#[derive(Serialize)]
struct TransformJson<'a> {
    trail: &'a str,
    /// Null: every account is taken.
    account: Option<&'a str>,
    /// Further accounts that are taken.
    accounts: &'a [String],
    products: &'a [String],
    unsupported_products: UnsupportedProducts,
    redact_keys: &'a [String],
    employee_id: EmployeeId,
    max_event_bytes: u32,
    max_depth: u32,
}

impl Config {
    /// What the plugin's source session `name` is opened with; `None` when there is no such source.
    #[must_use]
    pub fn source_json(&self, name: &str) -> Option<String> {
        self.session_json(name, None)
    }

    /// The same with another number of requests that may be open, to find the answer on which the component fails.
    pub(crate) fn session_json(&self, name: &str, max_in_flight: Option<u32>) -> Option<String> {
        let (name, source) = self.sources.get_key_value(name)?;
        let (kind, options) = match source {
            Source::File(file) => ("file", Options::File(file)),
            Source::Sls(sls) => ("sls", Options::Sls(sls_json(sls, max_in_flight))),
            Source::Oss(oss) => ("oss", Options::Oss(oss_json(oss, max_in_flight))),
        };
        let Decode { max_event_bytes, max_depth, max_decompressed_bytes, max_ratio } = self.decode;
        let trail = &self.trail;
        let json =
            SourceJson { kind, name, trail, options, max_event_bytes, max_depth, max_decompressed_bytes, max_ratio };
        Some(text(&json))
    }

    /// What the plugin's transform pipeline is opened with.
    #[must_use]
    pub fn transform_json(&self) -> String {
        text(&TransformJson {
            trail: &self.trail,
            account: self.account.as_deref(),
            accounts: &self.route.accounts,
            products: &self.route.products,
            unsupported_products: self.route.unsupported_products,
            redact_keys: &self.redact.keys,
            employee_id: self.redact.employee_id,
            max_event_bytes: self.decode.max_event_bytes,
            max_depth: self.decode.max_depth,
        })
    }
}

fn sls_json(sls: &SlsSource, max_in_flight: Option<u32>) -> SlsJson<'_> {
    let time = chrono::DateTime::parse_from_rfc3339(&sls.from);
    SlsJson {
        logstores: [LogstoreJson { project: &sls.project, logstore: &sls.logstore }],
        mode: if sls.consumer_group.is_some() { "consumer_group" } else { "shards" },
        consumer_group: sls.consumer_group.as_deref(),
        consumer: sls.consumer.as_deref(),
        heartbeat_secs: sls.heartbeat_secs,
        group_timeout_secs: sls.group_timeout_secs,
        from: time.map_or(FromJson::Word(&sls.from), |time| FromJson::Time(time.timestamp_millis())),
        poll_interval_ms: sls.poll_interval_ms,
        shard_refresh_secs: sls.shard_refresh_secs,
        count: sls.count,
        max_in_flight: max_in_flight.unwrap_or(sls.max_in_flight),
        compression: sls.compression,
        signature: sls.signature,
        follow: sls.follow,
    }
}

fn oss_json(oss: &OssSource, max_in_flight: Option<u32>) -> OssJson<'_> {
    OssJson {
        bucket: &oss.bucket,
        prefix: &oss.prefix,
        from: oss.from.as_deref(),
        overlap_hours: oss.overlap_hours,
        poll_interval_secs: oss.poll_interval_secs,
        page_keys: oss.page_keys,
        read_bytes: oss.read_bytes,
        max_in_flight: max_in_flight.unwrap_or(oss.max_in_flight),
        object_names: oss.object_names,
        follow: oss.follow,
    }
}

fn text(json: &impl Serialize) -> String {
    serde_json::to_string(json).expect("structs of text, numbers and lists always have a JSON form")
}
