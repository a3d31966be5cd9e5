//! What a request may be: the component can ask to read, and to keep its place in a consumer group; nothing else.
//!
//! It must never let a request through that could delete or write what is read, name a host, or set what is signed.

use crate::endpoint::{Endpoint, Service};
use crate::request::{Request, Signer};

/// Headers the host makes, or that would change how the connection is used.
const RESERVED: &[&str] = &[
    "authorization",
    "connection",
    "content-length",
    "content-md5",
    "cookie",
    "date",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-log-content-sha256",
    "x-log-date",
    "x-log-signaturemethod",
    "x-oss-content-sha256",
    "x-oss-date",
    "x-oss-security-token",
];
const RESERVED_PREFIXES: &[&str] = &["x-acs-", "proxy-", "x-oss-meta-", "x-oss-copy-"];

/// Most bytes of path and query together.
const MAX_TARGET: usize = 16 << 10;
/// Most headers.
const MAX_HEADERS: usize = 32;
/// Most bytes of a header's name or value.
const MAX_HEADER: usize = 4 << 10;
/// Most bytes of a body sent; what a reader sends is lists of shards and checkpoints.
const MAX_SENT: usize = 1 << 20;

/// Why `request` may not be sent to `endpoint`, if it may not.
pub(crate) fn check(request: &Request, endpoint: &Endpoint, max_body: u32) -> Result<(), String> {
    signer(request.signer, endpoint.service())?;
    method(request, endpoint.service())?;
    let target = request.path.len() + request.query.iter().map(|(k, v)| k.len() + v.len() + 2).sum::<usize>();
    if !request.path.starts_with('/') || target > MAX_TARGET {
        return Err(format!("the path must begin with `/`, and path and query be at most {MAX_TARGET} bytes long"));
    }
    if request.body.len() > MAX_SENT {
        return Err(format!("the body has {} bytes, more than {MAX_SENT}", request.body.len()));
    }
    if request.max_body > max_body {
        return Err(format!("{} response bytes are wanted, more than the configured {max_body}", request.max_body));
    }
    headers(&request.headers)
}

fn signer(signer: Signer, service: &Service) -> Result<(), String> {
    match (signer, service) {
        (Signer::None, _) | (Signer::Sls1 | Signer::Sls4, Service::Sls) | (Signer::Oss4, Service::Oss { .. }) => Ok(()),
        _ => Err("the signer does not fit the endpoint's service".to_owned()),
    }
}

fn method(request: &Request, service: &Service) -> Result<(), String> {
    let allowed = match (request.method.as_str(), service) {
        ("GET" | "HEAD", _) => true,
        ("POST", Service::Sls) => in_consumer_group(&request.path) || is_query(&request.path),
        ("PUT", Service::Sls) => in_consumer_group(&request.path),
        _ => false,
    };
    if allowed {
        return Ok(());
    }
    let shown = crate::scrub::plain(&format!("{} {}", request.method, request.path), 120);
    Err(format!("`{shown}` could change what is read; only reads and consumer-group calls are let through"))
}

/// `/logstores/<logstore>/consumergroups` or one of them.
fn in_consumer_group(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(&parts[..], ["", "logstores", l, "consumergroups"] if !l.is_empty())
        || matches!(&parts[..], ["", "logstores", l, "consumergroups", g] if !l.is_empty() && !g.is_empty())
}

/// `/logstores/<logstore>/logs`: a search, by POST in its third version.
fn is_query(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(&parts[..], ["", "logstores", l, "logs"] if !l.is_empty())
}

fn headers(headers: &[(String, String)]) -> Result<(), String> {
    if headers.len() > MAX_HEADERS {
        return Err(format!("{} headers, more than {MAX_HEADERS}", headers.len()));
    }
    for (at, (name, value)) in headers.iter().enumerate() {
        let lower = name.to_ascii_lowercase();
        let shown = crate::scrub::plain(name, 60);
        if RESERVED.contains(&lower.as_str()) || RESERVED_PREFIXES.iter().any(|p| lower.starts_with(p)) {
            return Err(format!("the header `{shown}` is the host's to set"));
        }
        let token = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if name.is_empty() || name.len() > MAX_HEADER || !name.bytes().all(token) {
            return Err(format!("`{shown}` is no header name"));
        }
        if value.len() > MAX_HEADER || !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return Err(format!("the value of `{shown}` is not printable ASCII of at most {MAX_HEADER} bytes"));
        }
        if headers[..at].iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(format!("the header `{shown}` is there twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str) -> Request {
        Request {
            id: 1,
            endpoint: "e".to_owned(),
            signer: Signer::None,
            method: method.to_owned(),
            path: path.to_owned(),
            query: vec![],
            headers: vec![],
            body: vec![],
            max_body: 10,
            retries: true,
        }
    }

    #[test]
    fn only_reads_and_consumer_groups_get_through() {
        let sls = Endpoint::sls("my-project", "x.example").unwrap();
        let oss = Endpoint::oss("my-bucket", "x.example").unwrap();
        let verdicts = |endpoint: &Endpoint, asked: &[(&str, &str)]| -> Vec<bool> {
            asked.iter().map(|(m, p)| check(&request(m, p), endpoint, 10).is_ok()).collect()
        };
        let allowed = [
            ("GET", "/logstores/a/shards"),
            ("POST", "/logstores/a/logs"),
            ("POST", "/logstores/a/consumergroups"),
            ("POST", "/logstores/a/consumergroups/g"),
            ("PUT", "/logstores/a/consumergroups/g"),
        ];
        assert_eq!(verdicts(&sls, &allowed), [true; 5]);
        let refused = [
            ("DELETE", "/logstores/a/consumergroups/g"),
            ("DELETE", "/logstores/a"),
            ("POST", "/logstores/a"),
            ("POST", "/logstores/a/shards/lb"),
            ("POST", "/logstores"),
            ("PUT", "/logstores/a"),
            ("PUT", "/logstores//consumergroups"),
            ("POST", "/logstores/a/../b/consumergroups"),
            ("PATCH", "/"),
            ("get", "/"),
            ("GET", "logstores"),
        ];
        assert_eq!(verdicts(&sls, &refused), [false; 11]);
        assert_eq!(verdicts(&oss, &[("GET", "/a"), ("HEAD", "/a")]), [true; 2]);
        assert_eq!(verdicts(&oss, &[("PUT", "/a"), ("POST", "/"), ("DELETE", "/a")]), [false; 3]);
    }

    #[test]
    fn headers_of_the_host_and_split_headers_are_refused() {
        let sls = Endpoint::sls("my-project", "x.example").unwrap();
        let with = |name: &str, value: &str| {
            let mut request = request("GET", "/");
            request.headers.push((name.to_owned(), value.to_owned()));
            check(&request, &sls, 10)
        };
        assert_eq!(with("accept-encoding", "lz4"), Ok(()));
        assert_eq!(with("x-log-apiversion", "0.6.0"), Ok(()));
        for name in
            ["Host", "Authorization", "X-Acs-Security-Token", "x-log-date", "Proxy-Authorization", "a:b", "", "é"]
        {
            assert!(with(name, "x").is_err(), "{name}");
        }
        for value in ["a\r\nHost: b", "\0", "é"] {
            assert!(with("x-a", value).is_err(), "{value:?}");
        }
        let mut twice = request("GET", "/");
        twice.headers = vec![("range".to_owned(), "a".to_owned()), ("Range".to_owned(), "b".to_owned())];
        assert_eq!(check(&twice, &sls, 10).unwrap_err(), "the header `Range` is there twice");
    }

    #[test]
    fn sizes_and_signers_are_bounded_by_the_configuration() {
        let sls = Endpoint::sls("my-project", "x.example").unwrap();
        let said = |change: &dyn Fn(&mut Request)| {
            let mut request = request("GET", "/");
            change(&mut request);
            check(&request, &sls, 10).unwrap_err()
        };
        assert!(said(&|r| r.max_body = 11).contains("more than the configured 10"));
        assert!(said(&|r| r.path = format!("/{}", "x".repeat(MAX_TARGET))).contains("path and query"));
        assert!(said(&|r| r.body = vec![0; MAX_SENT + 1]).contains("the body has"));
        assert!(said(&|r| r.signer = Signer::Oss4).contains("does not fit"));
        assert!(
            said(&|r| r.headers = (0..33).map(|i| (format!("x-{i}"), String::new())).collect()).contains("33 headers")
        );
    }
}
