//! Who is let in and how it is answered: two signers that share no code with the server, names, dates, bodies, repeats.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use innertrail_api::Role;
use innertrail_fetch::{
    Client, ClientConfig, Clock, Credentials, CredentialsConfig, Endpoint, Environment, Provider, Request, Signer,
};
use innertrail_test_cloud::Key;
use innertrail_test_cloud::client::Signature;
use serde_json::json;

use crate::support::{BOTH, HOST, LS, Stage, get};

#[test]
fn both_signatures_of_the_doubles_client_are_let_in() {
    let stage = Stage::new();
    for signature in BOTH {
        let ask = get(&format!("{LS}/shards/0"), "type=log&cursor=MTI=&end_cursor=&x=a b+c~*", signature);
        let seen = stage.send(&ask, &stage.reader);
        assert_eq!((seen.status, seen.json()["room"].as_str()), (200, Some("pull")), "{}", seen.text());
        let id = seen.header("x-log-requestid");
        assert!(id.len() == 24 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        assert!(seen.headers.keys().all(|name| *name == name.to_ascii_lowercase()), "{:?}", seen.headers);
        let ask = get(&format!("{LS}/logs"), "", signature).with("POST", "{\"query\":\"桶\"}");
        let seen = stage.send(&ask.header("content-type", "application/json"), &stage.reader);
        assert_eq!(seen.json()["body"], "{\"query\":\"桶\"}", "{}", seen.text());
    }
}

/// The product's own client, which reads real Log Service with these signatures.
#[test]
fn the_projects_own_client_reads_it() {
    let stage = Stage::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    let json = json!({"access_key_id": stage.reader.id, "access_key_secret": stage.reader.secret});
    std::fs::write(file.path(), json.to_string()).unwrap();
    for signer in [Signer::Sls1, Signer::Sls4] {
        let clock = Clock::system();
        let provider = Provider::File { path: file.path().to_owned() };
        let credentials = Credentials::new(CredentialsConfig::of(provider), Environment::process(), clock).unwrap();
        let endpoint =
            Endpoint::sls("audit", &format!("http://cn-hangzhou.log.example:{}", stage.address().port())).unwrap();
        let endpoint = endpoint.with_address(&stage.address().to_string()).unwrap().with_region("cn-hangzhou");
        let endpoints = BTreeMap::from([("audit".to_owned(), endpoint)]);
        let client = Client::new(ClientConfig::default(), endpoints, credentials).unwrap();
        let query = [("offset", "0"), ("size", "500"), ("logstoreName", "")];
        let request = Request {
            id: 1,
            endpoint: "audit".to_owned(),
            signer,
            method: "GET".to_owned(),
            path: "/logstores".to_owned(),
            query: query.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
            headers: vec![],
            body: vec![],
            max_body: 1 << 20,
            retries: false,
        };
        assert!(client.submit(request));
        let begun = Instant::now();
        let answer = loop {
            match client.next(Duration::from_secs(1)) {
                Some((1, Ok(response))) => break response,
                Some((_, Err(failure))) => panic!("{failure}"),
                _ => assert!(begun.elapsed() < Duration::from_secs(20), "no answer"),
            }
        };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.status == 200 && text.contains("innertrail_main-trail-journal"), "{} {text}", answer.status);
    }
}

#[test]
fn names_ports_and_addresses_lead_to_the_project() {
    let stage = Stage::new();
    let port = stage.address().port();
    for host in
        [HOST, "audit.127.0.0.1", &format!("audit.logs.example:{port}"), "127.0.0.1", "other.logs.example", "AUDIT"]
    {
        for signature in BOTH {
            let mut ask = get("/", "", signature);
            host.clone_into(&mut ask.host);
            let seen = stage.send(&ask, &stage.reader);
            assert_eq!(seen.json()["projectName"], "audit", "{host} {}", seen.text());
        }
    }
    let mut list = get("/", "offset=0&size=100", Signature::Sls4);
    "logs.example".clone_into(&mut list.host);
    assert_eq!(stage.send(&list, &stage.reader).json()["projects"][0]["projectName"], "audit");
}

/// A client behind `http_proxy` sends the whole address as target.
#[test]
fn absolute_targets_and_missing_hosts() {
    let stage = Stage::new();
    let seen = stage.raw(
        "GET http://audit.logs.example/logstores HTTP/1.1\r\nhost: audit.logs.example\r\nconnection: close\r\n\r\n",
    );
    assert!(seen.contains("MissingAPIVersion"), "{seen}");
    let seen = stage.raw("GET /logstores HTTP/1.1\r\nconnection: close\r\n\r\n");
    assert!(
        seen.starts_with("HTTP/1.1 400") && seen.contains("MissingHost") && seen.contains("x-log-requestid"),
        "{seen}"
    );
}

#[test]
fn keys_dates_and_bodies_that_are_wrong_are_turned_away() {
    let stage = Stage::new();
    for signature in BOTH {
        let path = format!("{LS}/consumergroups");
        let ask = || get(&path, "", signature).with("POST", "{}");
        let code = |seen: innertrail_test_cloud::client::Answer| (seen.status, seen.code());
        let wrong = Key { secret: "another".to_owned(), ..stage.consumer.clone() };
        assert_eq!(code(stage.send(&ask(), &wrong)), (401, "SignatureNotMatch".to_owned()));
        assert_eq!(code(stage.send(&ask(), &Key::reader())), (401, "InvalidAccessKeyId".to_owned()));
        for minutes in [-16, 16] {
            let mut skewed = ask();
            skewed.skew_ms = minutes * 60_000;
            assert_eq!(code(stage.send(&skewed, &stage.consumer)), (400, "RequestTimeExpired".to_owned()));
        }
        let mut near = ask();
        near.skew_ms = 14 * 60_000;
        assert_eq!(stage.send(&near, &stage.consumer).status, 200);
        // The header says something else than what is sent: the signature is right, the body is not what was signed.
        let name = if signature == Signature::Sls1 { "content-md5" } else { "x-log-content-sha256" };
        let value = if signature == Signature::Sls1 { "0".repeat(32) } else { "0".repeat(64) };
        let swapped = ask().header(name, &value);
        let before = stage.echo.calls.lock().unwrap().len();
        assert_eq!(code(stage.send(&swapped, &stage.consumer)), (400, "ParameterInvalid".to_owned()));
        assert_eq!(stage.echo.calls.lock().unwrap().len(), before);
        assert_eq!(code(stage.send(&ask(), &stage.reader)), (403, "PermissionDenied".to_owned()));
    }
    let unsigned = get("/logstores", "", Signature::None).header("x-log-apiversion", "0.6.0");
    assert_eq!(stage.send(&unsigned, &stage.reader).status, 400);
}

#[test]
fn a_revoked_key_is_refused_within_a_second() {
    let stage = Stage::new();
    let ask = get("/logstores", "", Signature::Sls4);
    assert_eq!(stage.send(&ask, &stage.reader).status, 200);
    stage.file.revoke(&stage.reader.id, 1).unwrap();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(stage.send(&ask, &stage.reader).code(), "InvalidAccessKeyId");
    let new = stage.file.add(Role::Reader, None, 1).unwrap();
    std::thread::sleep(Duration::from_millis(400));
    let new = Key { id: new.id.clone(), secret: new.secret.expose().to_owned(), token: None, ..Key::reader() };
    assert_eq!(stage.send(&ask, &new).status, 200);
}

/// A recorded checkpoint or heartbeat that is sent again must not move anything, and an SDK that repeats one whose answer it lost must
/// not see a failure: the second time has the first answer. Reads are answered anew.
#[test]
fn a_change_is_carried_out_once_however_often_it_arrives() {
    let stage = Stage::new();
    for signature in BOTH {
        // The same date makes the same signature.
        let ask = get(&format!("{LS}/consumergroups/g"), "type=checkpoint&consumer=c", signature).with("POST", "{}");
        let texts: Vec<String> = (0..3).map(|_| stage.send(&ask, &stage.consumer).text()).collect();
        // A second may end in between: then there are two signatures, never three.
        assert!(texts[0] == texts[1] || texts[1] == texts[2], "{texts:?}");
    }
    let before = stage.echo.calls.lock().unwrap().len();
    assert!(before <= 4, "{before}");
    let ask = get(&format!("{LS}/shards/0"), "type=log", Signature::Sls1);
    assert_eq!((stage.send(&ask, &stage.reader).status, stage.send(&ask, &stage.reader).status), (200, 200));
    assert_eq!(stage.echo.calls.lock().unwrap().len(), before + 2);
}

#[test]
fn compressed_bodies_are_opened_and_lies_about_them_are_not_believed() {
    let stage = Stage::new();
    let text = b"{\"query\":\"*\"}".repeat(50);
    let packed = lz4_flex::block::compress(&text);
    let ask = |size: &str| {
        let ask = get(&format!("{LS}/logs"), "", Signature::Sls4).with("POST", packed.clone());
        ask.header("x-log-compresstype", "lz4").header("x-log-bodyrawsize", size)
    };
    let seen = stage.send(&ask(&text.len().to_string()), &stage.reader);
    assert_eq!(seen.json()["body"].as_str().map(str::len), Some(text.len()), "{}", seen.text());
    for (size, status) in [("1", 400), ("10000000", 400), ("4294967296", 413), ("-1", 400), ("", 400)] {
        assert_eq!(stage.send(&ask(size), &stage.reader).status, status, "{size}");
    }
}

#[test]
fn heads_and_statuses() {
    let stage = Stage::new();
    let mut head = get(LS, "", Signature::Sls4);
    "HEAD".clone_into(&mut head.method);
    let seen = stage.send(&head, &stage.reader);
    assert_eq!((seen.status, seen.body.len()), (200, 0));
    assert_eq!(stage.send(&get("/logstores/other", "", Signature::Sls1), &stage.reader).code(), "LogStoreNotExist");
    let counts = stage.server.counts().answers();
    assert_eq!((counts.get(&200), counts.get(&404)), (Some(&1), Some(&1)));
}

#[test]
fn an_administrator_lengthens_the_retention_and_nobody_else() {
    let stage = Stage::new();
    let put = |days: u32| get(LS, "", Signature::Sls1).with("PUT", json!({"ttl": days}).to_string());
    for key in [&stage.reader, &stage.consumer] {
        assert_eq!(stage.send(&put(365), key).code(), "LogStoreReadOnly");
    }
    assert_eq!(stage.send(&put(365), &stage.administrator).status, 200);
    assert_eq!(*stage.process.days.lock().unwrap(), 365);
    assert_eq!(stage.send(&put(180), &stage.administrator).code(), "LogStoreReadOnly");
    assert_eq!(*stage.process.days.lock().unwrap(), 365);
    assert_eq!(stage.process.told.lock().unwrap().len(), 3);
}
