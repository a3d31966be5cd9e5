//! Plants secrets everywhere they can be, makes everything go wrong, and looks for them in all that can be shown.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};

use innertrail_fetch::{
    Client, Clock, Credentials, CredentialsConfig, Endpoint, Environment, Provider, Request, Role, Secret, Signer,
};

use crate::credentials::write_key;
use crate::double::{ID, SECRET, Server, TOKEN, config, get, project};

const PROXY_WORD: &str = "planted-proxy-word";
const OIDC: &str = "planted.oidc.token.0123456789";

#[derive(Default)]
struct Shown(String);

impl Shown {
    fn debug(&mut self, value: &impl Debug) {
        self.0 += &format!("{value:?}\n{value:#?}\n");
    }

    fn error(&mut self, value: &(impl Debug + Display)) {
        self.0 += &format!("{value}\n");
        self.debug(value);
    }

    fn serialized(&mut self, value: &(impl Debug + serde::Serialize)) {
        self.0 += &serde_json::to_string(value).unwrap();
        self.debug(value);
    }
}

fn environment(token_file: &str) -> Environment {
    Environment::of([
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", ID),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", SECRET),
        ("ALIBABA_CLOUD_SECURITY_TOKEN", TOKEN),
        ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/pod"),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/ack"),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", token_file),
    ])
}

/// Answers with everything it was sent, as an error and as an odd success.
fn echo(status: u16) -> Server {
    Server::start(move |seen, reply| {
        let said = format!("{seen:?} {} {ID} {SECRET} {TOKEN}", String::from_utf8_lossy(&seen.body));
        let said = said.replace(['"', '\\', '\n'], "'");
        let body = format!(r#"{{"Code":"{said}","Message":"{said}","errorCode":"x","errorMessage":"{said}"}}"#);
        reply.answer(status, &[("X-Echo", &said)], body.as_bytes())
    })
}

fn providers(dir: &std::path::Path) -> Vec<Provider> {
    let role = Role { role_arn: Some("acs:ram::1:role/r".to_owned()), ..Role::default() };
    let files = [
        (
            "broken.json",
            format!(r#"{{"access_key_id":"{ID}","access_key_secret":"{SECRET}","security_token":"{TOKEN}","#),
        ),
        ("extra.json", format!(r#"{{"access_key_id":"{ID}","access_key_secret":"{SECRET}","{TOKEN}":"{SECRET}"}}"#)),
        (
            "expired.json",
            format!(r#"{{"access_key_id":"{ID}","access_key_secret":"{SECRET}","expiration":"2020-01-01T00:00:00Z"}}"#),
        ),
        ("odd.json", format!(r#"{{"access_key_id":"{ID}","access_key_secret":"{SECRET}","expiration":"{TOKEN}"}}"#)),
        (
            "config.json",
            format!(r#"{{"current":"p","profiles":[{{"name":"p","mode":"{SECRET}x","access_key_id":"{ID}"}}]}}"#),
        ),
    ];
    let mut all = Vec::new();
    for (name, text) in files {
        let path = dir.join(name);
        // The mode of a profile is shown; a secret does not belong there.
        write_key(&path, &text.replace(&format!("{SECRET}x"), "AK"));
        all.push(match name {
            "config.json" => Provider::Profile { path: Some(path), name: None },
            _ => Provider::File { path },
        });
    }
    all.push(Provider::Oidc { provider_arn: None, token_file: None, role: Role::default() });
    all.push(Provider::AssumeRole { with: Box::new(Provider::environment()), role });
    all.push(Provider::EcsRole { role: Some("r".to_owned()), hardened_only: false });
    all.push(Provider::EcsRole { role: None, hardened_only: true });
    all.push(Provider::environment());
    all.push(Provider::Default);
    all
}

#[test]
fn no_credential_is_in_anything_that_can_be_shown() {
    let dir = tempfile::tempdir().unwrap();
    let token_file = dir.path().join("token");
    std::fs::write(&token_file, OIDC).unwrap();
    let environment = environment(token_file.to_str().unwrap());
    let mut shown = Shown::default();
    shown.debug(&environment);
    for secret in [SECRET, TOKEN] {
        let secret = Secret::new(secret.to_owned());
        shown.serialized(&secret);
        shown.error(&secret);
    }
    let mut failed = 0;
    for status in [200, 400, 403, 500] {
        let server = echo(status);
        for provider in providers(dir.path()) {
            let config = CredentialsConfig {
                sts_endpoint: "http://sts.example".to_owned(),
                sts_address: Some(server.address()),
                metadata_address: server.address(),
                ..CredentialsConfig::of(provider)
            };
            shown.serialized(&config);
            let credentials = Credentials::new(config, environment.clone(), Clock::system()).unwrap();
            if let Err(error) = credentials.refresh() {
                failed += 1;
                shown.error(&error);
            }
            shown.serialized(&credentials.report());
            shown.debug(&credentials);
            requests(&mut shown, &server, &credentials);
        }
    }
    assert_eq!(failed, 4 * 9, "all but the variables and the chain that begins with them failed");
    proxies(&mut shown, &environment);
    let base64 = "dXNlcjpwbGFudGVkLXByb3h5LXdvcmQ";
    for planted in [ID, SECRET, TOKEN, OIDC, PROXY_WORD, base64, "CAIS%2Bplanted"] {
        let at = shown.0.find(planted).map(|at| &shown.0[at.saturating_sub(200)..(at + 80).min(shown.0.len())]);
        assert_eq!(at, None, "{planted} can be seen");
    }
    assert!(shown.0.len() > 100_000 && shown.0.contains("***"), "{} bytes were looked at", shown.0.len());
}

/// Requests that are refused, redirected, cut or answered with what they said.
fn requests(shown: &mut Shown, server: &Server, credentials: &Credentials) {
    let nowhere = Endpoint::sls("my-project", "http://logs.example").unwrap().with_address("127.0.0.1:1").unwrap();
    let endpoints = BTreeMap::from([
        ("project".to_owned(), project(&server.address())),
        ("nowhere".to_owned(), nowhere.with_region("r")),
    ]);
    let none = Environment::of::<&str, &str>([]);
    let client = Client::with(config(), endpoints, credentials.clone(), &none, Clock::system()).unwrap();
    let asked = [
        get("/"),
        Request { signer: Signer::Sls1, ..get("/") },
        Request { endpoint: "nowhere".to_owned(), retries: false, ..get("/") },
        Request { method: "DELETE".to_owned(), ..get("/") },
        Request { max_body: 10, ..get("/") },
    ];
    for request in asked {
        shown.debug(&request);
        match client.call(&request) {
            // What a success holds is data, which is kept as it is; this server made it of our own headers.
            Ok(response) if response.status == 200 => shown.debug(&response.headers),
            Ok(response) => {
                shown.0 += &String::from_utf8_lossy(&response.body);
                shown.debug(&response.headers);
            }
            Err(failure) => shown.error(&failure),
        }
    }
    shown.serialized(&client.stats());
    shown.debug(&client);
}

fn proxies(shown: &mut Shown, environment: &Environment) {
    let credentials =
        Credentials::new(CredentialsConfig::of(Provider::environment()), environment.clone(), Clock::system()).unwrap();
    for proxy in [format!("http://user:{PROXY_WORD}@127.0.0.1:1"), format!("socks5://user:{PROXY_WORD}@127.0.0.1:1")] {
        let environment = Environment::of([("http_proxy", proxy)]);
        let endpoint = Endpoint::sls("my-project", "http://logs.example").unwrap().with_region("r");
        let endpoints = BTreeMap::from([("project".to_owned(), endpoint)]);
        match Client::with(config(), endpoints, credentials.clone(), &environment, Clock::system()) {
            Ok(client) => {
                shown.error(&client.call(&get("/")).unwrap_err());
                shown.debug(&client);
            }
            Err(error) => shown.error(&error),
        }
    }
    for given in [format!("https://user:{PROXY_WORD}@logs.example"), format!("{PROXY_WORD}@x:99999")] {
        shown.error(&Endpoint::sls("my-project", &given).unwrap_err());
    }
}
