//! Each provider of credentials against a double of its service, and against files that are wrong.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use innertrail_fetch::{Clock, Credentials, CredentialsConfig, Environment, Provider, Role};

use crate::double::{ID, SECRET, Seen, Server, TOKEN, config, get, project};

/// Writes a file as a provider wants it: for the owner alone.
pub(crate) fn write_key(path: &Path, text: &str) {
    let _ = fs::remove_file(path);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
}

fn make(config: CredentialsConfig, environment: Environment) -> Credentials {
    Credentials::new(config, environment, Clock::system()).unwrap()
}

fn of(provider: Provider) -> Credentials {
    make(CredentialsConfig::of(provider), Environment::of::<&str, &str>([]))
}

fn file(path: &Path) -> Credentials {
    of(Provider::File { path: path.to_owned() })
}

fn said(credentials: &Credentials) -> String {
    credentials.refresh().unwrap_err().to_string()
}

/// What a request signed with these carries: key id and token.
fn carried(credentials: &Credentials) -> (String, String) {
    let server = Server::start(|_, reply| reply.answer(200, &[], b""));
    let client = crate::double::client_of(project(&server.address()), config(), credentials.clone(), Clock::system());
    client.call(&get("/")).unwrap();
    let seen = server.seen().remove(0);
    let authorization = seen.header("authorization").to_owned();
    let id = authorization.split("Credential=").nth(1).unwrap().split('/').next().unwrap().to_owned();
    (id, seen.header("x-acs-security-token").to_owned())
}

#[test]
fn environment_variables_by_their_usual_and_by_other_names() {
    let usual = make(CredentialsConfig::of(Provider::environment()), crate::double::environment());
    assert_eq!(carried(&usual), (ID.to_owned(), TOKEN.to_owned()));
    let report = usual.report();
    assert!(
        report.usable && report.temporary && report.age_s == Some(0) && report.expires_in_s.is_none(),
        "{report:?}"
    );
    let provider = Provider::Environment {
        access_key_id: "MY_ID".to_owned(),
        access_key_secret: "MY_SECRET".to_owned(),
        security_token: "MY_TOKEN".to_owned(),
    };
    let other = make(CredentialsConfig::of(provider.clone()), Environment::of([("MY_ID", ID), ("MY_SECRET", SECRET)]));
    assert_eq!(carried(&other), (ID.to_owned(), String::new()));
    let none = make(CredentialsConfig::of(provider), Environment::of([("MY_ID", ID)]));
    assert_eq!(
        said(&none),
        "the environment variable MY_SECRET is not set; set it, or choose another provider of credentials"
    );
}

#[test]
fn a_file_must_be_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.json");
    write_key(&path, &format!(r#"{{"access_key_id":"{ID}","access_key_secret":"{SECRET}"}}"#));
    for mode in [0o600, 0o400] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(carried(&file(&path)).0, ID);
    }
    let link = dir.path().join("link.json");
    symlink(&path, &link).unwrap();
    assert_eq!(carried(&file(&link)).0, ID, "a link to it is as good as it is");
    for mode in [0o640, 0o644, 0o604, 0o660, 0o666, 0o700, 0o602] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let text = said(&file(&path));
        assert!(text.contains("chmod 600") && text.contains(&format!("{mode:04o}")), "{text}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
        let text = said(&file(&path));
        assert!(text.contains("belongs to user 65534") && text.contains("chown"), "{text}");
    } else {
        println!("SKIPPED: a file of another owner, which only root can make");
    }
}

#[test]
fn a_file_that_is_none_is_refused_without_showing_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.json");
    assert!(said(&file(&path)).contains("key.json"));
    assert!(said(&file(dir.path())).contains("not a regular file"));
    let cases = [
        ("", "line 1 column 0"),
        (r#"{"access_key_id":"planted-inside"}"#, "line 1"),
        (r#"{"access_key_id":"a","access_key_secret":"planted-inside","x":1}"#, "line 1"),
        (r#"{"access_key_id":"","access_key_secret":"planted-inside"}"#, "is empty"),
        (r#"{"access_key_id":"a","access_key_secret":"planted-inside","expiration":"soon"}"#, "RFC 3339"),
        (
            r#"{"access_key_id":"a","access_key_secret":"planted-inside","expiration":"2020-01-01T00:00:00Z"}"#,
            "expired",
        ),
        (r#"["planted-inside"]"#, "line 1"),
    ];
    for (text, expected) in cases {
        write_key(&path, text);
        let text = said(&file(&path));
        assert!(text.contains(expected) && !text.contains("planted-inside"), "{text}");
    }
    write_key(
        &path,
        &format!(
            r#"{{"AccessKeyId":"{ID}","AccessKeySecret":"{SECRET}","SecurityToken":"{TOKEN}","Expiration":"2099-01-01T00:00:00Z"}}"#
        ),
    );
    let good = file(&path);
    assert_eq!(carried(&good), (ID.to_owned(), TOKEN.to_owned()), "as the STS writes it");
    assert!(good.report().expires_in_s.unwrap() > 1_000_000_000);
    write_key(&path, &" ".repeat(2 << 20));
    assert!(said(&file(&path)).contains("longer than"));
}

/// A metadata service: with or without tokens.
fn metadata(tokens: bool) -> Server {
    Server::start(move |seen, reply| match (&*seen.method, &*seen.target) {
        ("PUT", "/latest/api/token") if tokens && seen.header("x-aliyun-ecs-metadata-token-ttl-seconds") == "60" => {
            reply.answer(200, &[], b"metadata-token")
        }
        ("GET", _) if tokens && seen.header("x-aliyun-ecs-metadata-token") != "metadata-token" => {
            reply.answer(403, &[], b"")
        }
        ("GET", "/latest/meta-data/ram/security-credentials/") => reply.answer(200, &[], b"my-role\n"),
        ("GET", "/latest/meta-data/ram/security-credentials/my-role") => {
            reply.answer(200, &[], keys("Code", "Success").as_bytes())
        }
        ("GET", "/latest/meta-data/ram/security-credentials/failing") => {
            reply.answer(200, &[], keys("Code", "Failed").as_bytes())
        }
        _ => reply.answer(404, &[], b""),
    })
}

/// Credentials for an hour, as services write them.
fn keys(field: &str, value: &str) -> String {
    let end = chrono::DateTime::from_timestamp(Clock::system().now_ms() / 1000 + 3600, 0).unwrap();
    format!(
        r#"{{"{field}":"{value}","AccessKeyId":"{ID}","AccessKeySecret":"{SECRET}","SecurityToken":"{TOKEN}","Expiration":"{}"}}"#,
        end.format("%Y-%m-%dT%H:%M:%SZ")
    )
}

fn ecs(server: &Server, role: Option<&str>, hardened_only: bool) -> Credentials {
    let provider = Provider::EcsRole { role: role.map(str::to_owned), hardened_only };
    // The proxy leads nowhere; the metadata service is never asked through one.
    let environment = Environment::of([("http_proxy", "http://127.0.0.1:1")]);
    make(CredentialsConfig { metadata_address: server.address(), ..CredentialsConfig::of(provider) }, environment)
}

#[test]
fn the_role_of_an_instance_with_and_without_metadata_tokens() {
    let hardened = metadata(true);
    let credentials = ecs(&hardened, None, true);
    assert_eq!(carried(&credentials), (ID.to_owned(), TOKEN.to_owned()));
    assert_eq!(hardened.seen().iter().map(|s| &*s.method).collect::<Vec<_>>(), ["PUT", "GET", "GET"]);
    let left = credentials.report().expires_in_s.unwrap();
    assert!((3500..=3600).contains(&left), "{left}");
    let older = metadata(false);
    assert_eq!(carried(&ecs(&older, Some("my-role"), false)).0, ID);
    assert!(said(&ecs(&older, None, true)).contains("older protocol is switched off"));
    assert!(said(&ecs(&older, Some("failing"), false)).contains("code `Failed` for the role `failing`"));
    assert!(said(&ecs(&older, Some("other"), false)).contains("status 404"));
    let gone = metadata(true).port;
    let config = CredentialsConfig {
        metadata_address: format!("127.0.0.1:{gone}"),
        ..CredentialsConfig::of(Provider::EcsRole { role: None, hardened_only: false })
    };
    let text = said(&make(config, Environment::default()));
    assert!(text.contains("is this an ECS instance"), "{text}");
}

/// A token service that gives credentials, refuses, or repeats what it was sent.
fn sts(refuse: bool) -> Server {
    Server::start(move |seen, reply| {
        if refuse {
            let echo = format!("{:?} {}", seen.headers, String::from_utf8_lossy(&seen.body)).replace(['"', '\\'], "'");
            let body = format!(r#"{{"Code":"NoPermission","Message":"You said {echo}","RequestId":"1"}}"#);
            return reply.answer(403, &[], body.as_bytes());
        }
        reply.answer(200, &[], format!(r#"{{"RequestId":"1","Credentials":{}}}"#, keys("x", "y")).as_bytes())
    })
}

fn with_sts(server: &Server, provider: Provider) -> CredentialsConfig {
    CredentialsConfig {
        sts_endpoint: "http://sts.example".to_owned(),
        sts_address: Some(server.address()),
        ..CredentialsConfig::of(provider)
    }
}

fn role() -> Role {
    Role {
        role_arn: Some("acs:ram::1:role/reader".to_owned()),
        external_id: Some("ext-1".to_owned()),
        duration_secs: Some(900),
        ..Role::default()
    }
}

fn form(seen: &Seen) -> BTreeMap<String, String> {
    let text = String::from_utf8(seen.body.clone()).unwrap();
    text.split('&').filter_map(|p| p.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

const BASE: [(&str, &str); 2] =
    [("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAI-base-key-id"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "base-secret-abcdef")];

#[test]
fn a_role_is_assumed_with_other_credentials() {
    let server = sts(false);
    let provider = Provider::AssumeRole { with: Box::new(Provider::environment()), role: role() };
    let credentials = make(with_sts(&server, provider.clone()), Environment::of(BASE));
    assert_eq!(carried(&credentials), (ID.to_owned(), TOKEN.to_owned()));
    let seen = server.seen().remove(0);
    assert_eq!((&*seen.method, &*seen.target, seen.header("host")), ("POST", "/", "sts.example"));
    assert_eq!((seen.header("x-acs-action"), seen.header("x-acs-version")), ("AssumeRole", "2015-04-01"));
    assert!(seen.header("authorization").starts_with(
        "ACS3-HMAC-SHA256 Credential=LTAI-base-key-id,SignedHeaders=content-type;host;x-acs-action;\
         x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature="
    ));
    let form = form(&seen);
    assert_eq!(form["RoleArn"], "acs%3Aram%3A%3A1%3Arole%2Freader");
    assert_eq!(
        (&*form["DurationSeconds"], &*form["RoleSessionName"], &*form["ExternalId"]),
        ("900", "innertrail", "ext-1")
    );

    let refusing = sts(true);
    let text = said(&make(with_sts(&refusing, provider), Environment::of(BASE)));
    assert!(text.contains("status 403, NoPermission: You said"), "{text}");
    assert!(!text.contains("LTAI-base-key-id") && !text.contains("base-secret-abcdef"), "{text}");
}

#[test]
fn a_role_for_an_oidc_token() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    fs::write(&path, "planted.oidc.token\n").unwrap();
    let token_file = path.display().to_string();
    let environment = Environment::of([
        ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/pod"),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/ack"),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", &token_file),
    ]);
    let provider = Provider::Oidc { provider_arn: None, token_file: None, role: Role::default() };
    let server = sts(false);
    let credentials = make(with_sts(&server, provider.clone()), environment.clone());
    assert_eq!(carried(&credentials), (ID.to_owned(), TOKEN.to_owned()));
    let seen = server.seen().remove(0);
    assert!(seen.target.starts_with("/?Action=AssumeRoleWithOIDC&Format=JSON&Timestamp="), "{}", seen.target);
    assert!(!seen.target.contains("planted"), "the token is in the body, not in anybody's access log");
    assert_eq!(form(&seen)["OIDCToken"], "planted.oidc.token");
    assert_eq!(seen.header("authorization"), "");
    let text = said(&make(with_sts(&sts(true), provider.clone()), environment.clone()));
    assert!(text.contains("NoPermission") && !text.contains("planted"), "{text}");
    fs::write(&path, "").unwrap();
    assert!(said(&make(with_sts(&server, provider.clone()), environment)).contains("not written it yet"));
    let text = said(&make(with_sts(&server, provider), Environment::of::<&str, &str>([])));
    assert!(text.contains("ALIBABA_CLOUD_OIDC_PROVIDER_ARN"), "{text}");
}

#[test]
fn profiles_of_the_command_line_tool() {
    let (server, instance) = (sts(false), metadata(true));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    write_key(
        &path,
        r#"{"current":"plain","profiles":[
        {"name":"plain","mode":"AK","access_key_id":"LTAI-profile","access_key_secret":"s","sts_token":"","expired_seconds":0},
        {"name":"sts","mode":"StsToken","access_key_id":"STS-profile","access_key_secret":"s","sts_token":"t-1"},
        {"name":"arn","mode":"RamRoleArn","access_key_id":"LTAI-arn","access_key_secret":"s","ram_role_arn":"acs:ram::1:role/a","ram_session_name":"me","expired_seconds":900},
        {"name":"chained","mode":"ChainableRamRoleArn","source_profile":"plain","ram_role_arn":"acs:ram::1:role/b"},
        {"name":"circle","mode":"ChainableRamRoleArn","source_profile":"circle","ram_role_arn":"acs:ram::1:role/c"},
        {"name":"ecs","mode":"EcsRamRole","ram_role_name":"my-role"},
        {"name":"half","mode":"AK","access_key_id":"planted-id"},
        {"name":"sso","mode":"CloudSSO","unknown":{"field":[1]}}]}"#,
    );
    let profile = |name: Option<&str>| {
        let provider = Provider::Profile { path: Some(path.clone()), name: name.map(str::to_owned) };
        let config = CredentialsConfig { metadata_address: instance.address(), ..with_sts(&server, provider) };
        make(config, Environment::of::<&str, &str>([]))
    };
    let pair = |id: &str, token: &str| (id.to_owned(), token.to_owned());
    assert_eq!(carried(&profile(None)), pair("LTAI-profile", ""));
    assert_eq!(carried(&profile(Some("sts"))), pair("STS-profile", "t-1"));
    assert_eq!(carried(&profile(Some("arn"))), pair(ID, TOKEN));
    assert_eq!(form(&server.seen()[0])["RoleSessionName"], "me");
    assert_eq!(carried(&profile(Some("chained"))), pair(ID, TOKEN));
    assert!(server.seen()[1].header("authorization").contains("Credential=LTAI-profile,"));
    assert_eq!(carried(&profile(Some("ecs"))), pair(ID, TOKEN));
    assert!(said(&profile(Some("circle"))).contains("refer to each other"));
    let half = said(&profile(Some("half")));
    assert!(half.contains("no access_key_secret") && !half.contains("planted-id"), "{half}");
    assert!(said(&profile(Some("sso"))).contains("mode `CloudSSO` are not supported"));
    assert!(said(&profile(Some("nobody"))).contains("no profile `nobody`"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(said(&profile(None)).contains("chmod 600"));
}

#[test]
fn the_default_chain_takes_the_first_that_is_set_up() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".aliyun")).unwrap();
    let file = home.path().join(".aliyun/config.json");
    let (server, instance) = (sts(false), metadata(true));
    let chain = |pairs: &[(&str, &str)]| {
        let mut all: BTreeMap<&str, &str> = pairs.iter().copied().collect();
        all.insert("HOME", home.path().to_str().unwrap());
        let config = CredentialsConfig { metadata_address: instance.address(), ..with_sts(&server, Provider::Default) };
        make(config, Environment::of(all))
    };
    assert_eq!(carried(&chain(&[])).0, ID, "the instance's role");
    assert_eq!(server.seen().len(), 0);
    write_key(
        &file,
        r#"{"current":"p","profiles":[{"name":"p","mode":"AK","access_key_id":"LTAI-profile","access_key_secret":"s"}]}"#,
    );
    assert_eq!(carried(&chain(&[])).0, "LTAI-profile");
    assert_eq!(carried(&chain(&[("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true")])).0, ID);
    assert_eq!(carried(&chain(&BASE)).0, "LTAI-base-key-id");
    // Half of a pair is a mistake, not a reason to become somebody else.
    let text = said(&chain(&BASE[..1]));
    assert!(text.contains("ALIBABA_CLOUD_ACCESS_KEY_SECRET is not set"), "{text}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(said(&chain(&[])).contains("chmod 600"), "nor is a file that others can read");
    let none = [("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true"), ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")];
    assert!(said(&chain(&none)).contains("set ALIBABA_CLOUD_ACCESS_KEY_ID"));
}

#[test]
fn temporary_keys_are_renewed_before_they_expire_while_requests_go_on() {
    let instance = metadata(true);
    let ahead = Arc::new(AtomicI64::new(0));
    let offset = Arc::clone(&ahead);
    let clock = Clock::from_fn(move || Clock::system().now_ms() + offset.load(Ordering::SeqCst));
    let provider = Provider::EcsRole { role: Some("my-role".to_owned()), hardened_only: true };
    let config = CredentialsConfig { metadata_address: instance.address(), ..CredentialsConfig::of(provider) };
    let credentials = Credentials::new(config, Environment::default(), clock).unwrap();
    carried(&credentials);
    assert_eq!(credentials.report().fetches, 1);
    ahead.store(46 * 60_000, Ordering::SeqCst);
    carried(&credentials);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while credentials.report().fetches < 2 {
        assert!(std::time::Instant::now() < end, "{:?}", credentials.report());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[test]
fn a_configuration_round_trips_and_bad_ones_are_refused() {
    let provider: Provider = serde_json::from_str(
        r#"{"type":"assume_role","with":{"type":"ecs_role"},"role_arn":"acs:ram::1:role/r","duration_secs":900}"#,
    )
    .unwrap();
    let Provider::AssumeRole { with, role } = &provider else { panic!("{provider:?}") };
    assert_eq!((&**with, role.duration_secs), (&Provider::EcsRole { role: None, hardened_only: false }, Some(900)));
    assert_eq!(serde_json::from_str::<Provider>(&serde_json::to_string(&provider).unwrap()).unwrap(), provider);
    assert_eq!(serde_json::from_str::<Provider>(r#"{"type":"environment"}"#).unwrap(), Provider::environment());
    assert!(serde_json::from_str::<Provider>(r#"{"type":"file","path":"a","access_key_secret":"x"}"#).is_err());
    let bad = |provider: Provider, change: &dyn Fn(&mut CredentialsConfig)| {
        let mut config = CredentialsConfig::of(provider);
        change(&mut config);
        Credentials::new(config, Environment::default(), Clock::system()).unwrap_err().to_string()
    };
    let assume = |role| Provider::AssumeRole { with: Box::new(Provider::Default), role };
    assert!(bad(assume(Role::default()), &|_| {}).contains("role_arn"));
    assert!(bad(assume(Role { duration_secs: Some(1), ..role.clone() }), &|_| {}).contains("duration_secs"));
    assert!(
        bad(assume(Role { session_name: Some("a b".to_owned()), ..role.clone() }), &|_| {}).contains("session_name")
    );
    assert!(bad(Provider::Default, &|c| c.metadata_address = "x".to_owned()).contains("address"));
    assert!(bad(Provider::Default, &|c| c.sts_endpoint = "a/b".to_owned()).contains("host name"));
}
