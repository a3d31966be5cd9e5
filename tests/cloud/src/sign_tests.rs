//! Known answers: signatures that the official Python SDKs (aliyun-log-python-sdk 0.9.52, oss2 2.19.1) made of the same
//! requests at a fixed time, so that signing and verifying cannot be wrong in the same way.

#![allow(clippy::unwrap_used)]

use super::*;

fn sls_request(headers: &[(&str, &str)]) -> Request {
    let mut request = Request {
        method: "POST".to_owned(),
        path: "/logstores/a_b/shards/lb".to_owned(),
        raw_path: "/logstores/a_b/shards/lb".to_owned(),
        query: [("type", "log"), ("x", "a/b c~"), ("key", "")].map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec(),
        body: b"hello".to_vec(),
        ..Request::default()
    };
    let common = [
        ("x-log-apiversion", "0.6.0"),
        ("x-log-bodyrawsize", "5"),
        ("content-type", "application/json"),
        ("host", "p.example.test"),
        ("x-log-compresstype", "lz4"),
    ];
    request.headers = common.iter().chain(headers).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    request
}

#[test]
fn sls_version_1_is_what_the_python_sdk_signs() {
    let headers = [
        ("x-log-signaturemethod", "hmac-sha1"),
        ("date", "Wed, 25 Nov 2026 02:00:00 GMT"),
        ("x-log-date", "Wed, 25 Nov 2026 02:00:00 GMT"),
        ("content-md5", "5D41402ABC4B2A76B9719D911017C592"),
    ];
    let secret = "example-secret-of-reader";
    assert_eq!(sls1(&sls_request(&headers), secret).0, "x2HdBRd6/qlP9ZdmILveK6M8Epw=");
    let with_token = [&headers[..], &[("x-acs-security-token", "tok/+==")]].concat();
    assert_eq!(sls1(&sls_request(&with_token), secret).0, "NJ5A0hCXa7dxjqp36La5rOjez6o=");
    assert_ne!(sls1(&sls_request(&with_token), "another").0, "NJ5A0hCXa7dxjqp36La5rOjez6o=");
}

#[test]
fn sls_version_4_is_what_the_python_sdk_signs() {
    let headers = [
        ("x-log-content-sha256", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
        ("x-log-date", "20261125T020000Z"),
    ];
    let claim = Claim4::read(
        "SLS4-HMAC-SHA256 Credential=LTAI-EXAMPLE-reader/20261125/cn-hangzhou/sls/aliyun_v4_request,Signature=\
         20b6f25a811ef3a9a211ccfa7f6890bc791b8bc1050d9ff6985048e56b72cd19",
        "SLS4-HMAC-SHA256",
    )
    .unwrap();
    assert_eq!(claim.key, "LTAI-EXAMPLE-reader");
    let secret = "example-secret-of-reader";
    let request = sls_request(&headers);
    assert_eq!(sls4(&request, &request.path, &claim.scope, secret).0, claim.signature);
    let request = sls_request(&[&headers[..], &[("x-acs-security-token", "tok/+==")]].concat());
    assert_eq!(
        sls4(&request, &request.path, &claim.scope, secret).0,
        "f4c308c8f518ce6ed91b1034c798a631d1ff9e967b6fdb226b707d0920ddaf89"
    );
}

fn oss_request(headers: &[(&str, &str)]) -> Request {
    let common = [
        ("content-type", "text/x"),
        ("range", "bytes=0-1"),
        ("host", "b.oss-cn-hangzhou.example.test"),
        ("x-oss-date", "20261125T020000Z"),
        ("x-oss-content-sha256", "UNSIGNED-PAYLOAD"),
    ];
    Request {
        method: "GET".to_owned(),
        path: "/dir/\u{e4} b~.gz".to_owned(),
        query: [("prefix", "a/\u{fc}"), ("list-type", "2"), ("acl", "")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .to_vec(),
        headers: common.iter().chain(headers).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ..Request::default()
    }
}

#[test]
fn oss_version_4_is_what_oss2_signs() {
    let secret = "example-secret-of-reader";
    for (headers, authorization) in [
        (
            &[][..],
            "OSS4-HMAC-SHA256 Credential=LTAI-EXAMPLE-reader/20261125/cn-hangzhou/oss/aliyun_v4_request, \
             Signature=1833e66618bdd98dc6a360a54a9eb7f57a64f957457ed650af41618535198187",
        ),
        (
            &[("x-oss-security-token", "tok/+==")][..],
            "OSS4-HMAC-SHA256 Credential=LTAI-EXAMPLE-reader/20261125/cn-hangzhou/oss/aliyun_v4_request, \
             Signature=e7a821e298588be281a1ab688ecd9d3c76edfa37d19497358c2a0c9756bb612b, AdditionalHeaders=host;range",
        ),
    ] {
        let claim = Claim4::read(authorization, "OSS4-HMAC-SHA256").unwrap();
        assert_eq!(claim.key, "LTAI-EXAMPLE-reader");
        let (signature, canonical) = oss4(&oss_request(headers), "b", &claim, secret);
        assert_eq!(signature, claim.signature, "{canonical}");
    }
}

#[test]
fn claims_that_are_not_whole_are_refused() {
    for header in [
        "OSS ak:signature",
        "OSS4-HMAC-SHA256 Credential=a/b/c/oss/aliyun_v4_request",
        "OSS4-HMAC-SHA256 Credential=a/c/oss/aliyun_v4_request,Signature=00",
        "OSS4-HMAC-SHA256 Credential=a/b/c/oss/aws4_request,Signature=00",
        "OSS4-HMAC-SHA256 Credential=a/b/c/oss/aliyun_v4_request,Signature=00,Else=1",
    ] {
        assert_eq!(Claim4::read(header, "OSS4-HMAC-SHA256"), None, "{header}");
    }
}
