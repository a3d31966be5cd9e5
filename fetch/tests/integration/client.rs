//! What the client does with servers that behave, and with those that are busy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use innertrail_fetch::{
    Client, ClientConfig, Clock, Credentials, CredentialsConfig, Delivery, Endpoint, Environment, Fault, Provider,
    Request, Signer,
};

use crate::double::{ID, SECRET, Server, TOKEN, client, client_of, config, credentials, get, project};

#[test]
fn requests_are_signed_and_share_a_connection() {
    let server = Server::start(|seen, reply| reply.answer(200, &[("X-Log-RequestId", "7")], seen.target.as_bytes()));
    let client = client(&server, config());
    for _ in 0..3 {
        let mut request = get("/logstores/a b/shards");
        request.query = vec![("type".to_owned(), "logs".to_owned()), ("cursor".to_owned(), "MTQ=+/".to_owned())];
        request.headers = vec![("Accept-Encoding".to_owned(), "lz4".to_owned())];
        let response = client.call(&request).unwrap();
        assert_eq!(
            (response.status, &*response.body),
            (200, &b"/logstores/a%20b/shards?type=logs&cursor=MTQ%3D%2B%2F"[..])
        );
        assert!(response.headers.contains(&("x-log-requestid".to_owned(), "7".to_owned())));
    }
    let seen = server.seen();
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    assert_eq!(seen[0].header("host"), "my-project.logs.example");
    assert_eq!(seen[0].header("accept-encoding"), "lz4");
    assert!(seen[0].header("user-agent").starts_with("innertrail/"));
    assert_eq!(seen[0].header("x-acs-security-token"), TOKEN);
    assert_eq!(seen[0].header("x-log-apiversion"), "0.6.0");
    let authorization = seen[0].header("authorization");
    assert!(authorization.starts_with(&format!("SLS4-HMAC-SHA256 Credential={ID}/")), "{authorization}");
    assert!(authorization.contains("/cn-test/sls/aliyun_v4_request,Signature="), "{authorization}");
}

#[test]
fn the_older_and_the_oss_signature_are_sent_too() {
    let server = Server::start(|_, reply| reply.answer(200, &[], b""));
    let oss = Endpoint::oss_domain("my-bucket", "http://audit.example:8080").unwrap().with_region("cn-test");
    let endpoints = BTreeMap::from([
        ("project".to_owned(), project(&server.address())),
        ("bucket".to_owned(), oss.with_address(&server.address()).unwrap()),
    ]);
    let client =
        Client::with(config(), endpoints, credentials(), &Environment::of::<&str, &str>([]), Clock::system()).unwrap();
    client.call(&Request { signer: Signer::Sls1, ..get("/") }).unwrap();
    client.call(&Request { signer: Signer::None, ..get("/") }).unwrap();
    let query = vec![("list-type".to_owned(), "2".to_owned()), ("prefix".to_owned(), String::new())];
    client.call(&Request { signer: Signer::Oss4, endpoint: "bucket".to_owned(), query, ..get("/") }).unwrap();
    let seen = server.seen();
    assert!(seen[0].header("authorization").starts_with(&format!("LOG {ID}:")));
    assert_eq!(seen[1].header("authorization"), "");
    assert_eq!(seen[1].header("x-acs-security-token"), "");
    assert!(seen[2].header("authorization").starts_with(&format!("OSS4-HMAC-SHA256 Credential={ID}/")));
    assert_eq!((seen[2].header("host"), &*seen[2].target), ("audit.example:8080", "/?list-type=2&prefix"));
}

/// Object keys are any text: what is sent must be what was signed, without a step of a path being taken out.
#[test]
fn odd_paths_are_sent_as_they_were_signed() {
    let server = Server::start(|_, reply| reply.answer(200, &[], b""));
    let client = client(&server, config());
    for (path, sent) in [
        ("/a/../b//c/./", "/a/../b//c/./"),
        ("/a%2Fb?c#d", "/a%252Fb%3Fc%23d"),
        ("//host/é", "//host/%C3%A9"),
        ("/a\r\nHost: evil", "/a%0D%0AHost%3A%20evil"),
        ("/", "/"),
    ] {
        client.call(&get(path)).unwrap();
        assert_eq!(server.seen().last().unwrap().target, sent);
        assert_eq!(server.seen().last().unwrap().header("host"), "my-project.logs.example");
    }
}

#[test]
fn so_many_at_once_and_no_more_and_each_is_answered_once() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (n, m) = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::start(move |seen, reply| {
        m.fetch_max(n.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(20));
        n.fetch_sub(1, Ordering::SeqCst);
        reply.answer(200, &[], seen.target.as_bytes())
    });
    let client = client(&server, ClientConfig { max_in_flight: 4, ..config() });
    for id in 0..24 {
        assert!(client.submit(Request { id, ..get(&format!("/{id}")) }));
    }
    assert!(!client.submit(Request { id: 23, ..get("/again") }), "an id in flight is not taken twice");
    let mut answers = BTreeMap::new();
    while let Some((id, outcome)) =
        client.next(if answers.len() < 24 { Duration::from_secs(10) } else { Duration::ZERO })
    {
        assert_eq!(outcome.unwrap().body, format!("/{id}").into_bytes());
        assert!(answers.insert(id, ()).is_none());
    }
    assert_eq!((answers.len(), client.in_flight()), (24, 0));
    assert_eq!(most.load(Ordering::SeqCst), 4);
    assert!(server.connections.load(Ordering::SeqCst) <= 4);
    assert!(client.submit(Request { id: 23, ..get("/again") }));
    assert!(client.next(Duration::from_secs(10)).is_some());
    let stats = client.stats();
    assert_eq!((stats.requests, stats.responses, stats.failures), (25, 25, 0));
}

#[test]
fn a_busy_server_is_asked_again_and_then_its_answer_is_handed_up() {
    let left = Arc::new(AtomicI64::new(2));
    let count = Arc::clone(&left);
    let server = Server::start(move |_, reply| match count.fetch_sub(1, Ordering::SeqCst) {
        1.. => reply.answer(503, &[], br#"{"errorCode":"ServerBusy","errorMessage":""}"#),
        _ => reply.answer(200, &[], b"ok"),
    });
    let client = client(&server, config());
    assert_eq!(client.call(&get("/")).unwrap().status, 200);
    assert_eq!(client.stats().retries, 2);
    left.store(100, Ordering::SeqCst);
    assert_eq!(client.call(&get("/")).unwrap().status, 503);
    assert_eq!(client.stats().retries, 4, "three tries, then it is handed up");
    let response = client.call(&Request { retries: false, ..get("/") }).unwrap();
    assert_eq!((response.status, server.seen().len()), (503, 7));
}

#[test]
fn retry_after_is_waited_for_and_handed_up_if_it_is_too_long() {
    let server = Server::start(|seen, reply| match (&*seen.target, seen.connection) {
        ("/later", _) => reply.answer(429, &[("Retry-After", "3600")], b"much later"),
        _ => reply.answer(429, &[("Retry-After", "1")], b"later"),
    });
    let mut config = config();
    config.retry.tries = 2;
    let client = client(&server, config);
    let started = Instant::now();
    let response = client.call(&get("/later")).unwrap();
    assert_eq!((response.status, server.seen().len()), (429, 1));
    assert!(response.headers.contains(&("retry-after".to_owned(), "3600".to_owned())));
    assert!(started.elapsed() < Duration::from_millis(900), "it did not wait in vain");
    let started = Instant::now();
    assert_eq!(client.call(&get("/")).unwrap().status, 429);
    assert!(started.elapsed() >= Duration::from_secs(1), "a second was asked for");
    assert_eq!((server.seen().len(), client.stats().throttled), (3, 3));
}

#[test]
fn so_many_a_second() {
    let server = Server::start(|_, reply| reply.answer(200, &[], b""));
    let client = client(&server, ClientConfig { requests_per_second: 20, ..config() });
    let started = Instant::now();
    for id in 0..26 {
        assert!(client.submit(Request { id, ..get("/") }));
    }
    for _ in 0..26 {
        assert!(client.next(Duration::from_secs(10)).unwrap().1.is_ok());
    }
    assert!(started.elapsed() >= Duration::from_millis(290), "six beyond the first twenty take 0.3 s");
}

#[test]
fn a_wrong_clock_is_corrected_by_the_servers_and_remembered() {
    // The server's clock is the system's; ours is two hours behind until it is set right.
    let server = Server::start(|seen, reply| {
        let now = Clock::system().now_ms() / 1000;
        let day = seen.header("x-log-date");
        let seconds: i64 = day[9..11].parse::<i64>().unwrap() * 3600 + day[11..13].parse::<i64>().unwrap() * 60;
        let off = (seconds - now % 86_400).rem_euclid(86_400);
        let date = http_date(now);
        if off > 900 && off < 86_400 - 900 {
            let body = br#"{"errorCode":"RequestTimeTooSkewed","errorMessage":"clock"}"#;
            return reply.answer(400, &[("Date", &date)], body);
        }
        reply.answer(200, &[("Date", &date)], b"")
    });
    let behind = Arc::new(AtomicI64::new(7_200_000));
    let offset = Arc::clone(&behind);
    let clock = Clock::from_fn(move || Clock::system().now_ms() - offset.load(Ordering::SeqCst));
    let client = client_of(project(&server.address()), config(), credentials(), clock);
    assert_eq!(client.call(&Request { retries: false, ..get("/") }).unwrap().status, 200);
    assert_eq!(client.call(&get("/")).unwrap().status, 200);
    let stats = client.stats();
    assert_eq!((stats.clock_corrections, server.seen().len()), (1, 3));
    let skew = stats.endpoints["project"].clock_skew_ms.unwrap();
    assert!((7_195_000..=7_205_000).contains(&skew), "{skew}");
    // Somebody sets the clock right: one refusal, and the correction is gone.
    behind.store(0, Ordering::SeqCst);
    assert_eq!(client.call(&get("/")).unwrap().status, 200);
    assert_eq!(client.call(&get("/")).unwrap().status, 200);
    let stats = client.stats();
    assert_eq!((stats.endpoints["project"].clock_correction_ms, stats.clock_corrections), (0, 2), "{stats:?}");
    assert_eq!(server.seen().len(), 6);
}

fn http_date(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 0).unwrap().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[test]
fn refused_keys_are_renewed_once_if_there_are_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.json");
    let write = |id: &str| {
        crate::credentials::write_key(&path, &format!(r#"{{"access_key_id":"{id}","access_key_secret":"{SECRET}"}}"#));
    };
    write("LTAI-the-old-one");
    let server = Server::start(|seen, reply| {
        if seen.header("authorization").contains("LTAI-the-new-one") {
            return reply.answer(200, &[], b"");
        }
        reply.answer(401, &[], br#"{"errorCode":"InvalidAccessKeyId","errorMessage":"The access key id is not found"}"#)
    });
    let ahead = Arc::new(AtomicI64::new(0));
    let offset = Arc::clone(&ahead);
    let clock = Clock::from_fn(move || Clock::system().now_ms() + offset.load(Ordering::SeqCst));
    let provider = Provider::File { path: path.clone() };
    let keys = Credentials::new(CredentialsConfig::of(provider), Environment::default(), clock.clone()).unwrap();
    let client = client_of(project(&server.address()), config(), keys, clock);
    assert_eq!(client.call(&get("/")).unwrap().status, 401);
    assert_eq!(server.seen().len(), 1, "brand-new keys are not fetched again");
    write("LTAI-the-new-one");
    ahead.store(6_000, Ordering::SeqCst);
    assert_eq!(client.call(&get("/")).unwrap().status, 200);
    assert_eq!((server.seen().len(), client.stats().key_renewals), (3, 1));
}

#[test]
fn what_the_policy_refuses_is_never_sent() {
    let server = Server::start(|_, reply| reply.answer(200, &[], b""));
    let client = client(&server, config());
    let refused = [
        Request { method: "DELETE".to_owned(), ..get("/logstores/a") },
        Request { method: "POST".to_owned(), ..get("/logstores/a/shards/lb") },
        Request { endpoint: "elsewhere".to_owned(), ..get("/") },
        Request { headers: vec![("Host".to_owned(), "evil.example".to_owned())], ..get("/") },
        Request { max_body: u32::MAX, ..get("/") },
        Request { signer: Signer::Oss4, ..get("/") },
    ];
    for request in refused {
        let failure = client.call(&request).unwrap_err();
        assert_eq!(failure.fault, Fault::Refused, "{failure}");
    }
    assert_eq!((server.seen().len(), client.stats().failures), (0, 6));
}

#[test]
fn dropping_the_client_cuts_what_is_under_way() {
    let server = Server::start(|_, reply| reply.silence());
    let client = client(&server, ClientConfig { max_in_flight: 2, ..config() });
    for id in 0..4 {
        assert!(client.submit(Request { id, ..get("/") }));
    }
    let end = Instant::now() + Duration::from_secs(5);
    while server.seen().len() < 2 && Instant::now() < end {
        thread::sleep(Duration::from_millis(2));
    }
    let started = Instant::now();
    drop(client);
    assert!(started.elapsed() < Duration::from_secs(1));
    thread::sleep(Duration::from_millis(100));
    assert_eq!(server.seen().len(), 2, "what waited was not sent any more");
}

#[test]
fn answers_without_a_body_are_whole() {
    let server = Server::start(|seen, reply| match &*seen.target {
        "/none" => reply.raw(b"HTTP/1.1 204 X\r\n\r\n"),
        "/same" => reply.raw(b"HTTP/1.1 304 X\r\nETag: \"a\"\r\n\r\n"),
        _ => reply.raw(b"HTTP/1.1 200 X\r\nContent-Length: 99999999\r\nETag: \"a\"\r\n\r\n"),
    });
    let client = client(&server, config());
    let status = |method: &str, path: &str| {
        let response = client.call(&Request { method: method.to_owned(), ..get(path) }).unwrap();
        assert_eq!(response.body, b"");
        response.status
    };
    assert_eq!((status("GET", "/none"), status("GET", "/same"), status("HEAD", "/")), (204, 304, 200));
}

#[test]
fn a_bad_configuration_is_refused_at_the_start() {
    let make = |config: ClientConfig| {
        Client::with(config, BTreeMap::new(), credentials(), &Environment::default(), Clock::system())
            .unwrap_err()
            .to_string()
    };
    assert!(make(ClientConfig { max_in_flight: 0, ..config() }).contains("max_in_flight"));
    let mut slow = config();
    slow.wire.total_timeout_ms = 0;
    assert!(make(slow).contains("timeout"));
    let mut tries = config();
    tries.retry.tries = 0;
    assert!(make(tries).contains("tries"));
}

/// What ActionTrail says of a trail, in the two calls that read it, and nothing that anybody else has a say in.
#[test]
fn a_trail_is_asked_about_by_signed_reads() {
    let server = Server::start(|seen, reply| {
        match seen.header("x-acs-action") {
        "GetTrailStatus" => reply.answer(
            200,
            &[],
            br#"{"IsLogging":false,"StopLoggingTime":"2026-11-02T03:00:00Z","OssBucketStatus":true,"RequestId":"r","Future":1}"#,
        ),
        _ if seen.target.contains("oss_fail") => reply.answer(403, &[], br#"{"Code":"NoPermission","Message":"no\u001b[31m"}"#),
        _ if seen.target.contains("oss_success") => reply.answer(200, &[], b"<html>"),
        _ => reply.answer(200, &[], br#"{"MetricList":[{"Count":21,"Timestamp":1775721600000},{"Count":4}],"RequestId":"r"}"#),
    }
    });
    let trail = Endpoint::actiontrail("http://actiontrail.cn-test.example").unwrap();
    let endpoints = BTreeMap::from([("actiontrail".to_owned(), trail.with_address(&server.address()).unwrap())]);
    let client =
        Client::with(config(), endpoints, credentials(), &Environment::of::<&str, &str>([]), Clock::system()).unwrap();
    let status = client.trail_status("actiontrail", "main-trail").unwrap();
    assert_eq!(
        (status.is_logging, status.oss_bucket_status, status.sls_log_store_status),
        (Some(false), Some(true), None)
    );
    assert_eq!(status.stop_logging_time.as_deref(), Some("2026-11-02T03:00:00Z"));
    let delivered = |what, days: i64| client.delivered("actiontrail", "main-trail", what, 0, days * 86_400);
    assert_eq!(delivered(Delivery::SlsSuccess, 1).unwrap(), 25);
    assert_eq!(delivered(Delivery::SlsFail, 60).unwrap(), 50, "two questions of at most 1,000 hours");
    let denied = delivered(Delivery::OssFail, 1).unwrap_err();
    assert!(denied.why.contains("status 403, NoPermission: no"), "{denied}");
    assert!(!denied.why.contains('\u{1b}'), "{denied}");
    assert!(delivered(Delivery::OssSuccess, 1).unwrap_err().why.contains("is the endpoint the right one?"));
    let seen = server.seen();
    assert_eq!((&*seen[0].method, &*seen[0].target), ("GET", "/?Name=main-trail"));
    assert_eq!(seen[0].header("x-acs-version"), "2020-07-06");
    assert_eq!(seen[0].header("x-acs-security-token"), TOKEN);
    assert!(
        seen[0].header("authorization").starts_with(&format!("ACS3-HMAC-SHA256 Credential={ID},SignedHeaders=host;"))
    );
    assert_ne!(seen[0].header("x-acs-signature-nonce"), seen[1].header("x-acs-signature-nonce"));
    assert_eq!(
        seen[1].target,
        "/?TrailName=main-trail&MetricName=delivery_sls_success_count&Period=3600&StartTime=1970-01-01T00%3A00%3A00Z\
         &EndTime=1970-01-02T00%3A00%3A00Z"
    );
    // A component could not ask there, nor for this signature.
    for signer in [Signer::Acs3, Signer::Sls4, Signer::Oss4] {
        let asked = client.call(&Request { signer, endpoint: "actiontrail".to_owned(), ..get("/") });
        assert_eq!(asked.unwrap_err().fault, Fault::Refused);
    }
}
