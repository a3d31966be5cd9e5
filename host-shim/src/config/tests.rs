//! Whole files in, configurations or findings out.
#![allow(clippy::unwrap_used)]

use std::ffi::OsString;

use proptest::prelude::*;

use super::*;

fn lookup(name: &str) -> Option<OsString> {
    match name {
        "ACCOUNT" => Some("1000000000000001".into()),
        "POLL" => Some("9".into()),
        "FOLLOW" => Some("false".into()),
        "YAML" => Some("x\nsinks: {}".into()),
        "SECRET" => Some("hunter2".into()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("c.yaml"), text, &lookup)
}

/// Holds `text` against `snapshots/<name>.snap`, whatever the crate is called.
pub(crate) fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The findings of `trail: oss-audit` and this.
fn told(rest: &str) -> String {
    match parse(&format!("trail: oss-audit\n{rest}")) {
        Ok(_) => "fine\n".to_owned(),
        Err(error) => format!("{error}\n"),
    }
}

const FULL: &str = r#"
trail: oss-audit
account: "1000000000000001"
region: cn-hangzhou
data_dir: ./d
sources:
  oss_files:
    type: file
    include: ["./trail/**/*.gz", ./trail/*.json]
    exclude: []
    follow: true
    poll_interval_secs: 5
    object_names: ignore
    read_bytes: 262144
  platform:
    type: sls
    project: my-project
    logstore: innertrail_oss-audit
    region: cn-hangzhou
    network: internal
    endpoint: cn-hangzhou-intranet.log.aliyuncs.com
    from: "2026-11-01T08:00:00+08:00"
    follow: true
    consumer_group: innertrail
    consumer: node-1
    heartbeat_secs: 5
    group_timeout_secs: 30
    poll_interval_ms: 250
    shard_refresh_secs: 30
    count: 200
    compression: zstd
    signature: v1
    max_in_flight: 8
    connection: { address: "link.example:443", ca_file: ./ca.pem, proxy: none, connect_timeout_ms: 1000, read_timeout_ms: 2000, total_timeout_ms: 3000, requests_per_second: 50 }
    credentials:
      type: assume_role
      role_arn: "acs:ram::1000000000000001:role/innertrail"
      external_id: partner-7
      session_name: innertrail
      duration_secs: 900
      sts: { endpoint: sts-vpc.cn-hangzhou.aliyuncs.com, address: "link.example:443" }
      with: { type: environment, id_variable: KEY_ID, secret_variable: KEY_SECRET, token_variable: KEY_TOKEN }
  objects:
    type: oss
    bucket: my-bucket
    prefix: audit
    endpoint: audit.example.com
    style: custom_domain
    region: cn-hangzhou
    from: "2026-11-01"
    follow: true
    overlap_hours: 4
    poll_interval_secs: 30
    page_keys: 500
    read_bytes: 65536
    object_names: ignore
    max_in_flight: 2
    credentials: { type: file, path: ./key.json }
decode: { max_event_bytes: 4194304, max_depth: 64, max_decompressed_bytes: 1073741824, max_ratio: 1000 }
redact: { keys: [phone], employee_id: hash }
route: { products: [oss, kms], unsupported_products: passthrough, accounts: ["1000000000000002"] }
logstore: { retention_days: 365, segment_rows: 32768, segment_bytes: 67108864, commit_bytes: 1048576, commit_interval_ms: 200, min_free_bytes: 0, immutable: auto }
plugin: { path: null, sha256: null, deadline_ms: 1000, memory_bytes: 67108864, interrupt: none, cache_dir: ./c }
gate:
  codec: json
  vector:
    listen: 127.0.0.1:6001
    to: https://vector.example:6002
    compression: gzip
    tls: { ca_file: ./ca.pem, certificate_file: ./c.pem, key_file: ./k.pem, server_name: inside.example }
    timeout_ms: 30000
  otlp:
    listen: "[::1]:4319"
    to: http://127.0.0.1:4320
    profile: rotel
    headers: [{ name: authorization, value: { type: file, path: ./token } }]
    ca_file: ./ca.pem
    timeout_ms: 30000
sinks:
  vector:
    type: vector
    endpoint: https://vector.example:6000
    compression: zstd
    tls: { ca_file: ./ca.pem, certificate_file: ./c.pem, key_file: ./k.pem, server_name: inside.example }
    timeout_ms: 30000
    delivery: { from: end, max_records: 500, retry_max_secs: 10 }
  collector:
    type: otlp
    endpoint: http://127.0.0.1:4318
    encoding: json
    profile: fluent_bit
    max_request_bytes: 65536
    gzip: false
    headers: [{ name: authorization, prefix: "Bearer ", value: { type: environment, variable: TOKEN } }]
    ca_file: ./ca.pem
  fluent:
    type: forward
    address: 127.0.0.1:24224
    tag: audit
    max_request_bytes: 1048576
    gzip: true
    tls: { enabled: true, ca_file: ./ca.pem, server_name: inside.example }
    auth: { shared_key: { type: file, path: ./key }, user: u, password: { type: environment, variable: WORD }, hostname: here }
  hook:
    type: http
    endpoint: https://hook.example/in
    encoding: ocsf
    body: array
    max_request_bytes: 65536
  files:
    type: spool
    dir: ./spool
    prefix: audit
    encoding: ecs
    rotate_bytes: 1048576
    keep_hours: 48
    group: vector
    mode: "0644"
  out: { type: stdout, encoding: ocsf }
metrics: { listen: "[::1]:9598" }
api:
  listen: 0.0.0.0:443
  project: audit
  endpoint: logs.example.internal
  tls: { certificate: ./tls.pem, key: ./tls.key }
  plaintext: true
  connections: 20000
console:
  listen: 0.0.0.0:8443
  token: { type: file, path: ./token }
  tls: { certificate: ./tls.pem, key: ./tls.key }
  plaintext: false
  names: [console.example.internal]
mirror:
  bucket: my-copy
  prefix: innertrail/main
  region: cn-hangzhou
  network: internal
  endpoint: oss-cn-hangzhou-internal.aliyuncs.com
  style: virtual_host
  leave_out: [quarantine, passthrough]
  interval_secs: 5
  checkpoint_secs: 600
  retry_max_secs: 30
  connection: { address: "link.example:443", total_timeout_ms: 600000 }
  credentials: { type: ecs_ram_role, role: innertrail-mirror }
alerts:
  pack: false
  rules: [./rules]
  disable: [oss-website-enabled]
  parameters: { expected_countries: [CN, SG] }
  lateness_secs: 7200
  from: beginning
  console_url: https://console.example.internal:8687
  channels:
    hook: { type: webhook, url: { type: file, path: ./hook }, signing_key: { type: environment, variable: HOOK_KEY } }
    robot: { type: dingtalk, url: { type: environment, variable: ROBOT }, filter: { min_level: high, except_rules: ["oss-get*"] } }
    prometheus: { type: alertmanager, url: "http://127.0.0.1:9093", delivery: { collect_secs: 0, max_per_minute: 60 } }
    mail: { type: email, host: mail.example, from: audit@example.org, to: [ops@example.org] }
"#;

#[test]
fn every_option_is_read() {
    let config = parse(FULL).unwrap();
    assert_eq!(config.dedicated_logstore(), "innertrail_oss-audit");
    snapshot("every_option_is_read", &serde_json::to_string_pretty(&sorted(&config)).unwrap());
}

/// With keys in one order, whichever features of the JSON library the build has.
fn sorted(config: &Config) -> serde_json::Value {
    json_schema::tidy(serde_json::to_value(config).unwrap())
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let short = parse("trail: quickstart\nsources: {files: {type: file, include: ['*.json']}}").unwrap();
    let quick = Config::default_for_quickstart(None, vec!["*.json".to_owned()], None).unwrap();
    assert_eq!(short, quick);
    assert_eq!(quick.logstore.retention_days, 180);
}

#[test]
fn a_written_configuration_is_read_back_as_it_was() {
    let config = parse(FULL).unwrap();
    assert_eq!(parse(&serde_json::to_string_pretty(&config).unwrap()).unwrap(), config);
}

#[test]
fn all_findings_come_at_once_in_order() {
    let text = r#"trial: oss-audit
account: 1000000000000001
sources:
  oss files: {type: file, include: [a]}
  first:
    type: files
  second:
    type: file
    inclde: [a]
    exclude: b
    follow: yes
    poll_interval_secs: 0
    object_names: ignored
    read_bytes: 256KiB
    read_bytes: 4096
decode: [1]
redact: { keys: [1, x], employee_id: Hash }
route: { products: [], accounts: [] }
logstore: { retention_days: 4_000, segment_rows: "7", commit_bytes: 67108864, segment_bytes: 65536 }
plugin: { path: ./x.wasm, sha256: }
gate:
"#;
    snapshot("all_findings_come_at_once_in_order", &parse(text).unwrap_err().to_string());
}

#[test]
fn types_are_named() {
    let told: String = [
        "region: true",
        "region: 12",
        "region: 0x1F",
        "region: 1e3",
        "region:",
        "region: ~",
        "region: null",
        "region: [a]",
        "region: {a: b}",
        "region: CN",
        "region: ''",
        "data_dir: ''",
        "data_dir: \"a\\nb\"",
        "sources: []",
        "sources: {a: x}",
        "sources: {a: {include: [x]}}",
        "sources: {a: {type: file}}",
        "sources: {a: {type: file, include: []}}",
        "sources: {a: {type: file, include: ['']}}",
        "sources: {a: {type: file, include: x}}",
        "decode: {max_depth: -1}",
        "decode: {max_depth: 6.4}",
        "decode: {max_depth: 99999999999999999999999}",
        "decode: {max_depth: 1000}",
        "decode: {max_depth: }",
        "decode: {max_depth: \"64\"}",
        "decode: {max_depth: 64 levels}",
        "gate: {codec: 5}",
        "gate: {codec: protobuf}",
        "gate: {codec: }",
        "plugin: {cache_dir: null}",
        "plugin: {sha256: abc, path: x}",
        "plugin: {sha256: null, path: null}",
    ]
    .iter()
    .map(|line| format!("{line}\n  {}", told(line)))
    .collect();
    snapshot("types_are_named", &told);
}

#[test]
fn names_of_trails() {
    let told: String = [
        "main",
        "a1-_b2",
        "oss-audit-",
        "Oss-audit",
        "'123456'",
        "123456",
        "[a, b]",
        "a2345678901234567890123456789012345x7",
        "",
    ]
    .iter()
    .map(|name| match parse(&format!("trail: {name}")) {
        Ok(config) => format!("{}\n", config.dedicated_logstore()),
        Err(error) => format!("{error}\n"),
    })
    .collect();
    snapshot("names_of_trails", &told);
}

#[test]
fn the_command_line_judges_trails_as_the_file_does() {
    for name in ["main", "oss-audit", "oss-audit-", "a_____b", "ab cdef", &"a".repeat(36), &"a".repeat(37)] {
        assert_eq!(parse_trail(name).is_ok(), parse(&format!("trail: '{name}'")).is_ok(), "{name}");
    }
}

#[test]
fn one_dedicated_logstore_and_one_writer() {
    let told: String = [
        "sinks:\n  copy:\n    type: logstore\n    target: innertrail_oss-audit",
        "sinks:\n  innertrail_oss-audit: {type: stdout}",
        "sinks: {a: {type: http, endpoint: 'https://x.example/logstores/innertrail_oss-audit/shards/lb'}}",
        "sinks: {a: {type: http, endpoint: 'https://p.example/?logstore=innertrail_oss-audit'}}",
        "sinks: {a: {type: forward, address: 'x:1', tag: innertrail_oss-audit}}",
        "logstores: [innertrail_oss-audit, innertrail_other]",
        "logstore: {name: innertrail_other}",
        "logstore: [{retention_days: 1}]",
        "logstore: {}\nlogstore: {}",
        "trails: [other-trail]",
        "sources: {a: {type: file, include: [x], logstore: innertrail_oss-audit}}",
        "gate: {target: [x, innertrail_oss-audit]}",
    ]
    .iter()
    .map(|text| format!("--- {}\n{}", text.replace('\n', "\n    "), told(text)))
    .collect();
    snapshot("one_dedicated_logstore_and_one_writer", &told);
}

#[test]
fn servers_of_the_gate_are_checked() {
    let told: String = [
        "vector: {listen: '127.0.0.1:6001'}",
        "vector: {listen: 'localhost:6001', to: 'http://127.0.0.1:6002'}",
        "vector: {listen: '127.0.0.1:6001', to: '127.0.0.1:6002'}",
        "vector: {listen: '127.0.0.1:6001', to: 'http://localhost:6001'}",
        "vector: {listen: '0.0.0.0:6001', to: 'http://127.0.0.1:6001'}",
        "vector: {listen: '127.0.0.1:6001', to: 'http://127.0.0.1:9598'}\nmetrics: {listen: '127.0.0.1:9598'}",
        "vector: {listen: '127.0.0.1:6001', to: 'http://x:1'}\n  otlp: {listen: '127.0.0.1:6001', to: 'http://x:2'}",
        "otlp: {listen: '127.0.0.1:4319', to: 'http://127.0.0.1:6001'}\n  vector: {listen: '127.0.0.1:6001', to: 'http://x:1'}",
        "vector: {listen: '127.0.0.1:0', to: 'http://x:1'}\n  otlp: {listen: '127.0.0.1:0', to: 'http://x:2'}",
        "vector: {listen: '127.0.0.1:6001', to: 'https://x:1', tls: {key_file: k}}",
        "otlp: {listen: '127.0.0.1:4319', to: 'https://user:hunter2@x.example'}",
        "otlp: {listen: '127.0.0.1:4319', to: 'https://x.example', headers: [{name: authorization, value: sekrit}]}",
        "grpc: {}",
    ]
    .iter()
    .map(|text| format!("--- {text}\n{}", told(&format!("gate:\n  {text}"))))
    .collect();
    for line in told.lines().filter(|line| line.starts_with("c.yaml")) {
        assert!(!line.contains("sekrit") && !line.contains("hunter2"), "{line}");
    }
    snapshot("servers_of_the_gate_are_checked", &told);
}

/// What a sink's owner is likely to get wrong, and what would be dangerous.
#[test]
fn sinks_are_checked() {
    let told: String = [
        "a: {type: file}",
        "a: {}",
        "a b: {type: stdout}",
        "a: {type: stdout}\n  b: {type: stdout}",
        "a: {type: stdout, encoding: csv}",
        "a: {type: vector}",
        "a: {type: vector, endpoint: '127.0.0.1:6000'}",
        "a: {type: vector, endpoint: 'https://user:hunter2@x.example'}",
        "a: {type: vector, endpoint: 'https://x.example', tls: {key_file: k}}",
        "a: {type: otlp, endpoint: 'https://x.example', headers: [{name: authorization, value: sekrit}]}",
        "a: {type: otlp, endpoint: 'https://x.example', headers: [{name: a, value: {type: environment, variable: 's e'}}]}",
        "a: {type: otlp, endpoint: 'https://x.example', timeout_ms: 1}",
        "a: {type: forward, address: x}",
        "a: {type: forward, address: 'x:1', auth: {user: u}}",
        "a: {type: forward, address: 'x:1', auth: {user: u, password: {type: environment, variable: W}}}",
        "a: {type: http, endpoint: 'ftp://x'}",
        "a: {type: http, endpoint: 'http://x', max_request_bytes: 1}",
        "a: {type: spool}",
        "a: {type: spool, dir: d}\n  b: {type: spool, dir: d}",
        "a: {type: spool, dir: ./innertrail-data/x}",
        "a: {type: spool, dir: d, delivery: {max_records: 0, from: middle}}",
        "a: {type: spool, dir: d, mode: '0666', group: 'a b'}",
        "a: {type: spool, dir: d, mode: 0640}",
        "a: {type: otlp, endpoint: 'http://x', profile: fluentbit, max_request_bytes: 1}",
        "a: {type: forward, address: 'x:1', max_request_bytes: 200000000}",
    ]
    .iter()
    .map(|text| format!("--- {}\n{}", text.replace("\n  ", "\n    "), told(&format!("sinks:\n  {text}"))))
    .collect();
    for line in told.lines().filter(|line| line.starts_with("c.yaml")) {
        assert!(!line.contains("sekrit") && !line.contains("hunter2"), "{line}");
    }
    snapshot("sinks_are_checked", &told);
}

#[test]
fn a_variable_takes_the_type_the_option_wants() {
    let text = "trail: oss-audit\naccount: ${ACCOUNT}\nsources:\n  a:\n    type: file\n    include: ['${DIR:-.}/*.gz']\n    \
                follow: \"${FOLLOW}\"\n    poll_interval_secs: ${POLL}\n    read_bytes: ${NO:-4096}\n";
    let config = parse(text).unwrap();
    let Source::File(file) = &config.sources["a"] else { panic!("not a source of files") };
    assert_eq!(config.account.as_deref(), Some("1000000000000001"));
    assert_eq!((file.follow, file.poll_interval_secs, file.read_bytes), (false, 9, 4096));
    assert_eq!(file.include, ["./*.gz"]);
}

#[test]
fn variables_are_told_by_name_never_by_value() {
    let told: String = [
        "region: ${NO}",
        "region: ${NO:?name the region}",
        "data_dir: ${YAML}",
        "decode: {max_depth: \"${SECRET}\"}",
        "decode: {max_depth: \"1${SECRET}\"}",
        "decode: {max_depth: \"1_${POLL}\"}",
        "region: \"X${SECRET}\"",
        "gate: {codec: \"${SECRET}\"}",
        "account: \"${SECRET}\"",
        "\"${SECRET}\": 1",
    ]
    .iter()
    .map(|line| format!("{line}\n  {}", told(line)))
    .collect();
    assert!(!told.contains("hunter2"));
    snapshot("variables_are_told_by_name_never_by_value", &told);
}

#[test]
fn rules_between_options() {
    let hash = "0".repeat(64);
    let told: String = [
        "plugin: {path: x.wasm}".to_owned(),
        format!("plugin: {{sha256: '{hash}'}}"),
        format!("plugin: {{path: x.wasm, sha256: '{hash}'}}"),
        "route: {accounts: ['1']}".to_owned(),
        "account: '2'\nroute: {accounts: ['1']}".to_owned(),
        "logstore: {commit_bytes: 2097152, segment_bytes: 1048576}".to_owned(),
        "logstore: {segment_bytes: 65536}".to_owned(),
        "decode: {max_event_bytes: 2097152, max_decompressed_bytes: 1048576}".to_owned(),
        format!("redact: {{keys: [{}]}}", "密".repeat(21)),
        format!("redact: {{keys: [{}]}}", "密".repeat(22)),
    ]
    .iter()
    .map(|line| format!("{line}\n  {}", told(line)))
    .collect();
    snapshot("rules_between_options", &told);
}

#[test]
fn the_plugin_is_told_what_it_needs() {
    let mut config = parse(FULL).unwrap();
    config.set_once();
    assert_eq!(config.source_json("other"), None);
    let sources = ["oss_files", "platform", "objects"].map(|name| config.source_json(name).unwrap()).join("\n");
    for kept in ["endpoint", "link.example", "credentials", "KEY_ID", "role", "audit.example.com", "ca.pem"] {
        assert!(!sources.contains(kept), "{kept} is none of the component's business");
    }
    let careful = config.session_json("platform", Some(1)).unwrap();
    assert!(careful.contains("\"max_in_flight\":1,"), "{careful}");
    let told = format!("{sources}\n{}", config.transform_json());
    snapshot("the_plugin_is_told_what_it_needs", &told);
}

/// Reading the cloud's Logstore of the same name is what this is for: it is no second writer.
#[test]
fn sources_in_the_cloud() {
    let told: String = [
        "{type: sls, project: my-project, logstore: innertrail_oss-audit, region: cn-hangzhou}",
        "{type: sls, project: my-project, logstore: innertrail_oss-audit}",
        "{type: sls, project: My_Project, logstore: a/b, region: cn-hangzhou}",
        "{type: sls, project: my-project, logstore: a, endpoint: 'https://me@x.example/y'}",
        "{type: sls, project: my-project, logstore: a, endpoint: logs.example.internal}",
        "{type: sls, project: my-project, logstore: a, endpoint: logs.example.internal, signature: v1}",
        "{type: sls, project: my-project, logstore: a, region: cn-hangzhou, consumer_group: g}",
        "{type: sls, project: my-project, logstore: a, region: cn-hangzhou, consumer: c}",
        "{type: sls, project: my-project, logstore: a, region: cn-hangzhou, heartbeat_secs: 60}",
        "{type: sls, project: my-project, logstore: a, region: cn-hangzhou, from: yesterday}",
        "{type: oss, bucket: my-bucket, region: cn-hangzhou, from: 2026-02-30}",
        "{type: oss, bucket: my-bucket, endpoint: audit.example.com, style: custom_domain}",
        "{type: oss, bucket: my-bucket, region: cn-hangzhou, credentials: {type: ecs}}",
        "{type: oss, bucket: my-bucket, region: cn-hangzhou, credentials: {type: file}}",
        "{type: oss, bucket: my-bucket, region: cn-hangzhou, access_key_secret: hunter2}",
        "{type: oss, bucket: my-bucket, region: cn-hangzhou, credentials: {type: file, path: k, accessKeySecret: hunter2}}",
        "{type: oss, bucket: my-bucket, region: cn-hangzhou, credentials: {type: environment, secret_variable: hunter2}}",
        "{type: oss, bucket: my-bucket, region: cn-hangzhou, credentials: {type: environment, secret_variable: \"${SECRET}\"}}",
        "{type: oss, bucket: my-bucket, region: cn-hangzhou, connection: {address: x}}",
    ]
    .iter()
    .map(|source| format!("{source}\n  {}", told(&format!("sources: {{a: {source}}}"))))
    .collect();
    assert!(!told.contains("`hunter2"), "a secret is shown: {told}");
    snapshot("sources_in_the_cloud", &told);
}

/// A mirror that wrote among the objects of a source would feed the trail with its own copies.
#[test]
fn the_mirror_is_checked() {
    let source = "sources: {a: {type: oss, bucket: my-bucket, prefix: audit, region: cn-hangzhou}}\n";
    let told: String = [
        "{bucket: my-bucket, prefix: copy, region: cn-hangzhou}",
        "{bucket: my-copy, prefix: audit, region: cn-hangzhou}",
        "{bucket: my-bucket, prefix: /audit/, region: cn-hangzhou}",
        "{bucket: my-bucket, prefix: audit/AliyunLogs/copy, region: cn-hangzhou}",
        "{bucket: my-bucket, region: cn-hangzhou}",
        "{bucket: my-copy, prefix: a/../b, region: cn-hangzhou}",
        "{bucket: my-copy, prefix: a//b, region: cn-hangzhou}",
        "{bucket: my-copy}",
        "{bucket: my-copy, endpoint: audit.example.com, style: custom_domain}",
        "{prefix: audit, region: cn-hangzhou}",
        "{bucket: my-copy, region: cn-hangzhou, interval_secs: 0}",
        "{bucket: my-copy, region: cn-hangzhou, interval: 5}",
        "{bucket: my-copy, region: cn-hangzhou, leave_out: [journal]}",
        "{bucket: my-copy, region: cn-hangzhou, overwrite: true}",
        "{bucket: my-copy, region: cn-hangzhou, access_key_secret: hunter2}",
    ]
    .iter()
    .map(|mirror| format!("{mirror}\n  {}", told(&format!("{source}mirror: {mirror}"))))
    .collect();
    assert!(!told.contains("`hunter2"), "a secret is shown: {told}");
    snapshot("the_mirror_is_checked", &told);
}

/// What is slightly wrong would evaluate other rules than somebody believes.
#[test]
fn alerts_are_checked() {
    let told: String = [
        "{}",
        "{pack: false}",
        "{pack: false, rules: [./rules]}",
        "{rules: ./rules}",
        "{rules: ['']}",
        "{disabled: [x]}",
        "{disable: ['']}",
        "{parameters: {expected_countries: CN}}",
        "{lateness_secs: 5}",
        "{lateness: 3600}",
        "{from: begin}",
        "{channels: {}}",
    ]
    .iter()
    .map(|alerts| format!("{alerts}\n  {}", told(&format!("alerts: {alerts}"))))
    .collect();
    snapshot("alerts_are_checked", &told);
}

#[test]
fn the_command_line_is_checked_as_well() {
    let globs = || vec!["*.gz".to_owned()];
    let quick =
        |trail: &str, include, dir: &str| Config::default_for_quickstart(Some(trail), include, Some(dir.into()));
    assert_eq!(quick("oss-audit", globs(), "d").unwrap().data_dir, Path::new("d"));
    let told: Vec<String> = [
        quick("main", globs(), "d"),
        quick("Main-1", globs(), "d"),
        quick("oss-audit", vec![], "d"),
        quick("oss-audit", vec!["a\0".into()], "d"),
        quick("oss-audit", globs(), ""),
    ]
    .into_iter()
    .map(|result| result.unwrap_err().to_string())
    .collect();
    snapshot("the_command_line_is_checked_as_well", &told.join("\n"));
}

#[test]
fn files_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let told = |name: &str, bytes: &[u8]| {
        let file = dir.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let text = Config::load(&file).unwrap_err().to_string();
        text.replace(&dir.path().display().to_string(), "DIR")
    };
    let limit = usize::try_from(MAX_FILE_BYTES).unwrap();
    assert!(told("large.yaml", &vec![b'#'; limit + 1]).starts_with("DIR/large.yaml: larger than 1048576 bytes"));
    assert!(told("fits.yaml", &vec![b'#'; limit]).starts_with("DIR/fits.yaml:1:1: the file holds no options"));
    assert!(told("latin.yaml", b"trail: \xe9").starts_with("DIR/latin.yaml: not UTF-8 from byte 7 on"));
    assert!(matches!(Config::load(dir.path()).unwrap_err(), ConfigError::Unreadable { .. }));
    assert!(matches!(Config::load(&dir.path().join("none")).unwrap_err(), ConfigError::Unreadable { .. }));
}

/// A file of the largest size and of the worst shapes is answered in bounded time.
#[test]
fn large_nonsense_is_answered_soon() {
    let limit = usize::try_from(MAX_FILE_BYTES).unwrap();
    let shapes = ["a", "[", "- ", "a: ", "{a", "\"", "?", "&a ", "'\n", "$", "${", "a:\n", "| \n", "# \n"];
    for shape in shapes {
        let start = std::time::Instant::now();
        assert!(parse(&shape.repeat(limit / shape.len())).is_err());
        assert!(start.elapsed().as_secs() < 20, "{shape:?} took {:?}", start.elapsed());
    }
}

proptest! {
    #[test]
    fn a_mistyped_key_is_always_found_and_never_fatal(key in "[a-z_]{1,20}", value in "[a-z0-9{}\\[\\]:,\"' ]{0,12}") {
        let known = json_schema::value()["properties"].get(&key).is_some();
        prop_assume!(!known);
        let text = format!("trail: oss-audit\n{key}: {value}\n");
        prop_assert!(parse(&text).is_err(), "{}", text);
    }

    #[test]
    fn numbers_keep_their_bounds(number in any::<u64>()) {
        let read = parse(&format!("trail: oss-audit\nlogstore: {{commit_interval_ms: {number}}}"));
        prop_assert_eq!(read.is_ok(), (1..=60_000).contains(&number));
    }
}
