//! Servers that are broken or mean: each costs bounded memory and time, and ends in a typed fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use innertrail_fetch::{Failure, Fault, Request};

use crate::double::{ID, Reply, SECRET, Seen, Server, TOKEN, client, config, get};

fn fails(handler: impl Fn(&Seen, &mut Reply<'_>) -> bool + Send + Sync + 'static, request: &Request) -> Failure {
    let server = Server::start(handler);
    let mut config = config();
    (config.wire.read_timeout_ms, config.wire.total_timeout_ms) = (400, 800);
    let started = Instant::now();
    let failure = client(&server, config).call(request).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(4), "{failure}");
    failure
}

fn once(path: &str) -> Request {
    Request { retries: false, max_body: 100_000, ..get(path) }
}

#[test]
fn an_endless_body_costs_no_more_than_was_asked_for() {
    let failure = fails(
        |_, reply| {
            reply.raw(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n");
            let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
            while reply.raw(&chunk) {}
            false
        },
        &once("/"),
    );
    assert_eq!((failure.fault, failure.received, failure.body.len()), (Fault::TooLarge, 100_001, 0), "{failure}");
    // With a length it is seen before a byte of the body is read; and it is not tried again.
    let server = Server::start(|_, reply| {
        reply.raw(b"HTTP/1.1 200 X\r\nContent-Length: 99999999999\r\n\r\n") && reply.silence()
    });
    let failure = client(&server, config()).call(&get("/")).unwrap_err();
    assert_eq!((failure.fault, failure.received, server.seen().len()), (Fault::TooLarge, 0, 1), "{failure}");
}

#[test]
fn a_body_that_ends_early_gives_its_part_and_is_tried_again() {
    let left = Arc::new(AtomicI64::new(1));
    let server = Server::start(move |_, reply| {
        if left.fetch_sub(1, Ordering::SeqCst) > 0 {
            reply.raw(b"HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\nhalf");
            return false;
        }
        reply.answer(200, &[], b"0123456789")
    });
    let client = client(&server, config());
    assert_eq!(client.call(&get("/")).unwrap().body, b"0123456789");
    let stats = client.stats();
    assert_eq!((stats.retries, stats.faults.get(&Fault::Reset), stats.bytes_received), (1, Some(&1), 14));

    let failure = fails(
        |_, reply| {
            reply.raw(b"HTTP/1.1 206 X\r\nContent-Length: 10\r\nContent-Range: bytes 5-14/20\r\n\r\nhalf");
            false
        },
        &Request { headers: vec![("Range".to_owned(), "bytes=5-14".to_owned())], ..once("/") },
    );
    assert_eq!((failure.fault, failure.received, &*failure.body), (Fault::Reset, 4, &b"half"[..]), "{failure}");
    // The part of a refusal is not data.
    let failure = fails(
        |_, reply| {
            reply.raw(b"HTTP/1.1 404 X\r\nContent-Length: 10\r\n\r\nhalf");
            false
        },
        &once("/"),
    );
    assert_eq!((failure.fault, failure.received, failure.body.len()), (Fault::Reset, 4, 0), "{failure}");
}

#[test]
fn cut_chunks_are_no_end() {
    let failure = fails(
        |_, reply| {
            reply.raw(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
            false
        },
        &once("/"),
    );
    assert_eq!((failure.fault, &*failure.body), (Fault::Reset, &b"half"[..]), "{failure}");
}

#[test]
fn a_connection_that_is_reset_is_a_reset() {
    // What is not read when the server closes makes the kernel send RST.
    let failure = fails(
        |_, reply| {
            reply.raw(b"HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\nhalf");
            thread::sleep(Duration::from_millis(50));
            false
        },
        &Request {
            method: "POST".to_owned(),
            headers: vec![("x-test-unread".to_owned(), "1".to_owned())],
            body: vec![b'x'; 100_000],
            ..once("/logstores/a/logs")
        },
    );
    assert_eq!(failure.fault, Fault::Reset, "{failure}");
    let failure = fails(|_, _| false, &once("/"));
    assert_eq!((failure.fault, failure.received), (Fault::Reset, 0), "{failure}");
}

#[test]
fn no_redirect_is_followed_and_nothing_reaches_the_other_host() {
    let other = Server::start(|_, reply| reply.answer(200, &[], b"stolen"));
    for status in [301, 302, 303, 307, 308] {
        let to = format!("http://127.0.0.1:{}/x?y", other.port);
        let failure = fails(move |_, reply| reply.answer(status, &[("Location", &to)], b""), &get("/"));
        assert_eq!(failure.fault, Fault::Redirect);
        assert!(failure.why.contains("points to 127.0.0.1;") && failure.why.contains("endpoint"), "{failure}");
    }
    assert_eq!(other.connections.load(Ordering::SeqCst), 0);
    let failure = fails(|_, reply| reply.answer(302, &[("Location", "http://a b")], b""), &get("/"));
    assert!(failure.why.contains("an unnamed place"), "{failure}");
}

#[test]
fn silence_and_dripping_end_in_time() {
    let said = fails(|_, reply| reply.silence(), &once("/"));
    assert_eq!(said.fault, Fault::Timeout, "{said}");
    // Never silent for long, never done: only the total bounds it.
    let said = fails(
        |_, reply| {
            while reply.raw(b"H") {
                thread::sleep(Duration::from_millis(30));
            }
            false
        },
        &once("/"),
    );
    assert!(matches!(said.fault, Fault::Timeout | Fault::Protocol), "{said}");
    let said = fails(
        |_, reply| {
            reply.raw(b"HTTP/1.1 200 X\r\n");
            while reply.raw(b"a: b\r\n") {
                thread::sleep(Duration::from_millis(30));
            }
            false
        },
        &once("/"),
    );
    assert_eq!(said.fault, Fault::Timeout, "{said}");
    let said = fails(
        |_, reply| {
            reply.raw(b"HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n");
            while reply.raw(b"x") {
                thread::sleep(Duration::from_millis(30));
            }
            false
        },
        &once("/"),
    );
    assert!(said.fault == Fault::Timeout && said.received > 3 && said.body.len() as u64 == said.received, "{said}");
}

#[test]
fn headers_without_end_and_without_number_are_refused() {
    let failure = fails(
        |_, reply| {
            reply.raw(b"HTTP/1.1 200 X\r\nA: ");
            while reply.raw(&[b'x'; 8192]) {}
            false
        },
        &once("/"),
    );
    assert_eq!(failure.fault, Fault::Protocol, "{failure}");
    let failure = fails(
        |_, reply| {
            let many: String = (0..1000).map(|i| format!("h{i}: v\r\n")).collect();
            reply.raw(format!("HTTP/1.1 200 X\r\n{many}Content-Length: 0\r\n\r\n").as_bytes())
        },
        &once("/"),
    );
    assert_eq!(failure.fault, Fault::Protocol, "{failure}");
}

#[test]
fn what_is_not_http_is_said_to_be_none() {
    for junk in [
        &b"SSH-2.0-OpenSSH_9.9\r\n"[..],
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"HTTP/9.9 200 X\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
    ] {
        let failure = fails(
            move |_, reply| {
                reply.raw(junk);
                false
            },
            &once("/"),
        );
        assert!(matches!(failure.fault, Fault::Protocol | Fault::Reset), "{failure}");
    }
    let failure = fails(
        |_, reply| {
            reply.raw(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n");
            false
        },
        &once("/"),
    );
    assert_eq!(failure.fault, Fault::Protocol, "{failure}");
}

#[test]
fn a_success_without_a_visible_end_is_not_believed() {
    let close = |status: u16| {
        move |_: &Seen, reply: &mut Reply<'_>| {
            reply.raw(format!("HTTP/1.1 {status} X\r\nConnection: close\r\n\r\nmaybe all").as_bytes());
            false
        }
    };
    let failure = fails(close(200), &once("/"));
    assert_eq!(failure.fault, Fault::Protocol, "{failure}");
    let server = Server::start(close(404));
    let response = client(&server, config()).call(&once("/")).unwrap();
    assert_eq!((response.status, &*response.body), (404, &b"maybe all"[..]));
}

#[test]
fn bodies_are_never_decoded() {
    let zipped = b"\x1f\x8b\x08\x00not really";
    let server = Server::start(|_, reply| reply.answer(200, &[("Content-Encoding", "gzip")], zipped));
    let response = client(&server, config()).call(&get("/")).unwrap();
    assert_eq!(response.body, zipped);
    assert!(response.headers.contains(&("content-encoding".to_owned(), "gzip".to_owned())));
    assert_eq!(server.seen()[0].header("accept-encoding"), "", "none is asked for by the client itself");
}

/// OSS answers a wrong signature with the text it signed, token included, in clear and in hexadecimal.
#[test]
fn a_refusal_that_repeats_the_credentials_is_scrubbed() {
    let server = Server::start(|seen, reply| {
        let hex: Vec<String> = TOKEN.bytes().map(|b| format!("{b:02X}")).collect();
        let body = format!(
            "<Error><Code>SignatureDoesNotMatch</Code><OSSAccessKeyId>{ID}</OSSAccessKeyId><StringToSign>{TOKEN}\n\
             </StringToSign><StringToSignBytes>{}</StringToSignBytes><Sent>{:?}</Sent>{SECRET}</Error>",
            hex.join(" "),
            seen.headers
        );
        reply.answer(403, &[("X-Echo", seen.header("authorization")), ("X-Token", TOKEN)], body.as_bytes())
    });
    let response = client(&server, config()).call(&get("/")).unwrap();
    let all = format!("{response:?}{}", String::from_utf8_lossy(&response.body));
    let hex: Vec<String> = TOKEN.bytes().map(|b| format!("{b:02X}")).collect();
    for planted in [ID, SECRET, TOKEN, &hex.join(" ")] {
        assert!(!all.contains(planted), "{planted} in {all}");
    }
    assert!(all.contains("<OSSAccessKeyId>***</OSSAccessKeyId>"), "{all}");
}

/// An event that names our own key id is evidence; it is not changed.
#[test]
fn data_is_handed_on_as_it_is() {
    let server = Server::start(|_, reply| reply.answer(200, &[], ID.as_bytes()));
    assert_eq!(client(&server, config()).call(&get("/")).unwrap().body, ID.as_bytes());
}

#[test]
fn no_connection_and_no_name_are_told_apart() {
    let port = {
        let server = Server::start(|_, _| false);
        server.port
    };
    let endpoint = crate::double::project(&format!("127.0.0.1:{port}"));
    let make = |endpoint| {
        crate::double::client_of(endpoint, config(), crate::double::credentials(), innertrail_fetch::Clock::system())
    };
    let one = make(endpoint);
    let failure = one.call(&get("/")).unwrap_err();
    assert_eq!((failure.fault, one.stats().retries), (Fault::Connect, 2), "{failure}");
    assert!(failure.why.starts_with("GET at my-project.logs.example: "), "{failure}");
    let nowhere = innertrail_fetch::Endpoint::sls("my-project", "http://logs.invalid").unwrap().with_region("r");
    let failure = make(nowhere).call(&once("/")).unwrap_err();
    assert_eq!(failure.fault, Fault::Dns, "{failure}");
}
