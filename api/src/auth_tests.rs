//! Signatures that the official SDKs made (`fetch/src/sign/vectors.json`) are let in, and nothing that differs from them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request};
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Vectors {
    id: String,
    secret: String,
    token: String,
    at: i64,
    sls4: Vec<Case>,
    sls1: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: String,
    token: bool,
    authorization: String,
}

const HOST: &str = "trail-project.cn-hangzhou.log.aliyuncs.com";

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../fetch/src/sign/vectors.json")).unwrap()
}

fn ring(vectors: &Vectors) -> (tempfile::TempDir, Keyring) {
    ring_with(vectors, "")
}

/// The key is one with the vectors' token.
fn ring_with_token(vectors: &Vectors, until_us: i64) -> (tempfile::TempDir, Keyring) {
    ring_with(vectors, &format!(r#","token":"{}","until_us":{until_us}"#, vectors.token))
}

fn ring_with(vectors: &Vectors, more: &str) -> (tempfile::TempDir, Keyring) {
    let dir = tempfile::tempdir().unwrap();
    let (id, secret) = (&vectors.id, &vectors.secret);
    let json = format!(
        r#"{{"version":1,"keys":[{{"id":"{id}","secret":"{secret}","role":"consumer","created_us":1{more}}}],"changes":[]}}"#
    );
    let path = dir.path().join(FILE);
    fs::write(&path, json).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let ring = Keyring::of(dir.path());
    (dir, ring)
}

fn percent(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The request as the SDK sends it.
fn head(vectors: &Vectors, case: &Case, four: bool) -> Head {
    let time = chrono::DateTime::from_timestamp(vectors.at, 0).unwrap();
    let pairs: Vec<String> =
        case.query.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value))).collect();
    let target = if pairs.is_empty() { case.path.clone() } else { format!("{}?{}", case.path, pairs.join("&")) };
    let request = Request::builder().method(case.method.as_str()).uri(target).header("host", HOST);
    let mut head = Head::read(&request.body(()).unwrap().into_parts().0).unwrap();
    let mut add = |name: &str, value: &str| set(&mut head, name, value);
    case.headers.iter().for_each(|(name, value)| add(name, value));
    add("x-log-apiversion", "0.6.0");
    add("x-log-bodyrawsize", &case.body.len().to_string());
    add("authorization", &case.authorization);
    if case.token {
        add("x-acs-security-token", &vectors.token);
    }
    if four {
        add("x-log-date", &time.format("%Y%m%dT%H%M%SZ").to_string());
        add("x-log-content-sha256", &hex(&Sha256::digest(&case.body)));
    } else {
        add("x-log-signaturemethod", "hmac-sha1");
        add("date", &time.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
        if !case.body.is_empty() {
            add("content-md5", &hex(&Md5::digest(&case.body)).to_uppercase());
        }
    }
    head
}

fn set(head: &mut Head, name: &str, value: &str) {
    head.headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
}

fn code(result: Result<Admitted, ApiError>) -> (u16, &'static str) {
    result.map_or_else(|error| (error.status, error.code), |_| (200, ""))
}

const MISMATCH: (u16, &str) = (401, "SignatureNotMatch");

#[test]
fn what_the_official_sdks_signed_is_let_in() {
    let vectors = vectors();
    let (_dir, ring) = ring(&vectors);
    let (_other, lent) = ring_with_token(&vectors, i64::MAX);
    for (four, cases) in [(true, &vectors.sls4), (false, &vectors.sls1)] {
        assert_eq!(cases.len(), 12);
        for case in cases {
            let (right, wrong) = if case.token { (&lent, &ring) } else { (&ring, &lent) };
            let head = head(&vectors, case, four);
            assert_eq!(
                code(admit(&head, wrong, vectors.at * 1_000_000)),
                (401, "InvalidSecurityToken"),
                "{}",
                case.name
            );
            let admitted = admit(&head, right, vectors.at * 1_000_000);
            let admitted = admitted.unwrap_or_else(|e| panic!("{} {four}: {e}", case.name));
            assert_eq!(admitted.access, Access { key_id: vectors.id.clone(), role: crate::Role::Consumer });
            assert_eq!(admitted.valid_until_us, vectors.at * 1_000_000 + SKEW_US);
            assert!(admitted.body(case.body.as_bytes()).is_ok());
            assert_eq!(admitted.body(b"another").unwrap_err().code, "ParameterInvalid");
            let longer = format!("{}x", case.body);
            assert!(admitted.body(longer.as_bytes()).is_err());
        }
    }
}

#[test]
fn nothing_that_was_signed_may_differ() {
    type Change = Box<dyn Fn(&mut Head)>;
    let vectors = vectors();
    let (_dir, ring) = ring(&vectors);
    let now = vectors.at * 1_000_000;
    for (four, cases) in [(true, &vectors.sls4), (false, &vectors.sls1)] {
        for case in cases {
            let mut changes: Vec<(&str, Change)> = vec![
                ("method", Box::new(|head: &mut Head| head.method = Method::DELETE)),
                (
                    "path",
                    Box::new(|head| {
                        head.raw_path += "x";
                        head.decoded_path += "x";
                    }),
                ),
                ("header", Box::new(|head| set(head, "x-log-bodyrawsize", "77"))),
                ("new header", Box::new(|head| set(head, "x-acs-new", "77"))),
                ("content type", Box::new(|head| set(head, "content-type", "text/html"))),
                (
                    "parameter",
                    Box::new(|head| {
                        let mut pairs: Vec<_> =
                            head.parameters.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
                        pairs.push(("new".to_owned(), "1".to_owned()));
                        head.parameters = crate::Parameters::new(pairs);
                    }),
                ),
            ];
            if four {
                changes.push((
                    "host",
                    Box::new(|head| set(head, "host", "trail-project.cn-hangzhou.log.aliyuncs.com:80")),
                ));
                changes.push(("body", Box::new(|head| set(head, "x-log-content-sha256", &"0".repeat(64)))));
                changes.push(("date", Box::new(|head| set(head, "x-log-date", "20260102T030406Z"))));
            } else {
                changes.push(("body", Box::new(|head| set(head, "content-md5", &"0".repeat(32)))));
                changes.push(("date", Box::new(|head| set(head, "date", "Fri, 02 Jan 2026 03:04:06 GMT"))));
            }
            for (what, change) in changes {
                let mut head = head(&vectors, case, four);
                change(&mut head);
                assert_eq!(code(admit(&head, &ring, now)), MISMATCH, "{what} of {} {four}", case.name);
            }
        }
    }
}

/// The Python SDK adds `x-log-date` after it has signed; a server that takes it for signed turns every one of its requests away.
#[test]
fn a_date_that_was_added_after_signing_is_no_signed_header() {
    let vectors = vectors();
    let (_dir, ring) = ring(&vectors);
    let mut head = head(&vectors, &vectors.sls1[0], false);
    let date = head.headers["date"].to_str().unwrap().to_owned();
    set(&mut head, "x-log-date", &date);
    assert_eq!(code(admit(&head, &ring, vectors.at * 1_000_000)), (200, ""));
    // It is the date where it stands, whatever a proxy made of the other.
    set(&mut head, "date", "Fri, 02 Jan 2026 03:04:07 GMT");
    assert_eq!(code(admit(&head, &ring, vectors.at * 1_000_000)), (200, ""));
    set(&mut head, "x-log-date", "Fri, 02 Jan 2026 03:04:07 GMT");
    assert_eq!(code(admit(&head, &ring, vectors.at * 1_000_000)), MISMATCH);
}

#[test]
fn headers_of_the_object_interface_are_not_signed() {
    let vectors = vectors();
    let (_dir, ring) = ring(&vectors);
    for (four, case) in [(true, &vectors.sls4[0]), (false, &vectors.sls1[0])] {
        let mut head = head(&vectors, case, four);
        set(&mut head, "x-log-meta-color", "blue");
        assert_eq!(code(admit(&head, &ring, vectors.at * 1_000_000)), (200, ""));
    }
}

#[test]
fn a_clock_may_be_a_quarter_of_an_hour_off() {
    let vectors = vectors();
    let (_dir, ring) = ring(&vectors);
    for (four, case) in [(true, &vectors.sls4[0]), (false, &vectors.sls1[0])] {
        let head = head(&vectors, case, four);
        let at = |us: i64| code(admit(&head, &ring, vectors.at * 1_000_000 + us));
        assert_eq!((at(SKEW_US), at(-SKEW_US)), ((200, ""), (200, "")));
        let expired = (400, "RequestTimeExpired");
        assert_eq!((at(SKEW_US + 1), at(-SKEW_US - 1)), (expired, expired));
        assert_eq!(code(admit(&head, &ring, i64::MAX)), expired);
        assert_eq!(code(admit(&head, &ring, i64::MIN)), expired);
    }
}

#[test]
fn what_is_missing_or_has_no_form_is_named() {
    let vectors = vectors();
    let (_dir, ring) = ring(&vectors);
    let base = |four| {
        let case = if four { &vectors.sls4[0] } else { &vectors.sls1[0] };
        head(&vectors, case, four)
    };
    for (four, name, value, expected) in [
        (true, "x-log-apiversion", None, (400, "MissingAPIVersion")),
        (true, "x-log-apiversion", Some("0.4.0"), (400, "InvalidAPIVersion")),
        (true, "authorization", None, (400, "ParameterInvalid")),
        (true, "authorization", Some("Basic eDp5"), (400, "ParameterInvalid")),
        (true, "x-log-date", None, (400, "MissingDate")),
        (true, "x-log-date", Some("Fri, 02 Jan 2026 03:04:05 GMT"), (400, "InvalidDateFormat")),
        (true, "x-log-content-sha256", None, (400, "ParameterInvalid")),
        (false, "date", None, (400, "MissingDate")),
        (false, "date", Some("yesterday"), (400, "InvalidDateFormat")),
        (false, "x-log-signaturemethod", None, (400, "MissingSignatureMethod")),
        (false, "x-log-signaturemethod", Some("hmac-md5"), (400, "InvalidSignatureMethod")),
    ] {
        let mut head = base(four);
        match value {
            Some(value) => set(&mut head, name, value),
            None => drop(head.headers.remove(name)),
        }
        assert_eq!(code(admit(&head, &ring, vectors.at * 1_000_000)), expected, "{name} {value:?}");
    }
    let mut head = base(true);
    let unknown = vectors.sls4[0].authorization.replace(&vectors.id, "LTAI-other-id");
    set(&mut head, "authorization", &unknown);
    assert_eq!(code(admit(&head, &ring, vectors.at * 1_000_000)), (401, "InvalidAccessKeyId"));
}

/// With two dates of one name, signer and verifier may each mean another one.
#[test]
fn a_signed_header_stands_once() {
    let vectors = vectors();
    let (_dir, ring) = ring(&vectors);
    for (four, case) in [(true, &vectors.sls4[6]), (false, &vectors.sls1[8])] {
        for name in ["host", "x-log-apiversion", "authorization"] {
            let mut head = head(&vectors, case, four);
            let value = head.headers[name].clone();
            head.headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
            assert_eq!(code(admit(&head, &ring, vectors.at * 1_000_000)), (400, "ParameterInvalid"), "{name}");
        }
    }
}

#[test]
fn nothing_about_a_secret_is_told() {
    let vectors = vectors();
    let (_dir, ring) = ring(&vectors);
    let mut head = head(&vectors, &vectors.sls4[0], true);
    set(&mut head, "x-log-bodyrawsize", "9");
    let told = admit(&head, &ring, vectors.at * 1_000_000).unwrap_err();
    assert!(!told.message.contains(&vectors.secret));
    assert!(!format!("{ring:?}").contains(&vectors.secret));
}

/// A key that was lent is of no use without its token, with another one, or after its end; and a token is of no use without the
/// secret, so a signature that is wrong is said to be wrong whatever the token.
#[test]
fn a_temporary_key_needs_its_token_and_ends() {
    let vectors = vectors();
    let now = vectors.at * 1_000_000;
    let with_token = |cases: &[Case]| cases.iter().position(|case| case.token).unwrap();
    for four in [true, false] {
        let cases = if four { &vectors.sls4 } else { &vectors.sls1 };
        let case = &cases[with_token(cases)];
        let at = |until_us| {
            let (_dir, ring) = ring_with_token(&vectors, until_us);
            code(admit(&head(&vectors, case, four), &ring, now))
        };
        assert_eq!((at(now + 1), at(now)), ((200, ""), (401, "SecurityTokenExpired")));
        let (_dir, ring) = ring_with(&vectors, &format!(r#","token":"another","until_us":{}"#, i64::MAX));
        let told = admit(&head(&vectors, case, four), &ring, now).unwrap_err();
        assert_eq!(told.code, "InvalidSecurityToken");
        assert!(!told.message.contains("another") && !told.message.contains(&vectors.token), "{told}");
        let (_dir, ring) = ring_with_token(&vectors, now);
        let mut changed = head(&vectors, case, four);
        set(&mut changed, "x-log-bodyrawsize", "77");
        assert_eq!(code(admit(&changed, &ring, now)), MISMATCH);
    }
}

#[test]
fn nothing_about_keys_is_printed() {
    let vectors = vectors();
    let (_dir, ring) = ring_with_token(&vectors, i64::MAX);
    assert!(ring.find(&vectors.id, 0).unwrap().is_some());
    assert!(!format!("{ring:?}").contains(&vectors.token));
    assert!(!format!("{ring:?}").contains(&vectors.secret));
}
