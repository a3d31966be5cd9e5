//! Files put into a bucket: what is sent, and what becomes of a bad line, a full bucket, a file that changes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use innertrail_fetch::{Client, Clock, Endpoint, Environment, Fault, Fingerprint, Request, Signer};

use crate::double::{SECRET, Server, config, credentials, get};

fn bucket(server: &Server) -> Client {
    let oss = Endpoint::oss("my-bucket", "http://oss-cn-test.example").unwrap().with_region("cn-test");
    let endpoints = BTreeMap::from([("b".to_owned(), oss.with_address(&server.address()).unwrap())]);
    Client::with(config(), endpoints, credentials(), &Environment::of::<&str, &str>([]), Clock::system()).unwrap()
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    file
}

#[test]
fn a_file_is_sent_whole_with_its_md5_and_may_not_overwrite() {
    let server = Server::start(|_, reply| reply.answer(200, &[("ETag", "\"x\"")], b""));
    // Larger than any buffer on the way, and not a multiple of one.
    let bytes: Vec<u8> = (0..5_000_001u32).map(|n| n.to_le_bytes()[0] ^ (n >> 8) as u8).collect();
    let file = file(&bytes);
    let content = Fingerprint::of(file.path()).unwrap();
    let client = bucket(&server);
    let answer = client.put_file("b", "/a/log/day=2026-11-12/x y.parquet", file.path(), &content).unwrap();
    assert_eq!((answer.status, answer.headers.iter().any(|(n, v)| n == "etag" && v == "\"x\"")), (200, true));
    let seen = server.seen();
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("PUT", "/a/log/day%3D2026-11-12/x%20y.parquet"));
    assert!(seen[0].body == bytes, "{} bytes came of {}", seen[0].body.len(), bytes.len());
    assert_eq!(seen[0].header("content-length"), "5000001");
    assert_eq!(seen[0].header("transfer-encoding"), "");
    assert_eq!(seen[0].header("content-md5"), content.content_md5());
    assert_eq!(seen[0].header("x-oss-forbid-overwrite"), "true");
    assert!(seen[0].header("authorization").starts_with("OSS4-HMAC-SHA256 Credential="));
    assert_eq!(client.stats().bytes_sent, 5_000_001);
}

#[test]
fn a_lost_answer_is_a_second_try_from_the_first_byte_and_what_is_said_then_is_the_answer() {
    let tries = AtomicUsize::new(0);
    let server = Server::start(move |_, reply| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => false,
        1 => reply.answer(503, &[], b"<Error><Code>ServiceUnavailable</Code></Error>"),
        _ => reply.answer(409, &[], b"<Error><Code>FileAlreadyExists</Code></Error>"),
    });
    let file = file(&[7; 300_000]);
    let answer = bucket(&server).put_file("b", "/k", file.path(), &Fingerprint::of(file.path()).unwrap()).unwrap();
    assert_eq!(answer.status, 409);
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|seen| seen.body == [7; 300_000]));
}

#[test]
fn a_file_that_is_gone_or_shorter_is_told_and_sent_no_further() {
    let server = Server::start(|_, reply| reply.answer(200, &[], b""));
    let file = file(&[7; 300_000]);
    let content = Fingerprint::of(file.path()).unwrap();
    std::fs::write(file.path(), [7; 100]).unwrap();
    let client = bucket(&server);
    let failure = client.put_file("b", "/k", file.path(), &content).unwrap_err();
    assert_eq!(failure.fault, Fault::Reset, "{failure}");
    assert!(failure.why.contains("shorter"), "{failure}");
    let path = file.path().to_owned();
    drop(file);
    let failure = client.put_file("b", "/k", &path, &content).unwrap_err();
    assert_eq!(failure.fault, Fault::Refused, "{failure}");
    assert!(server.seen().is_empty(), "no request was ever whole");
}

#[test]
fn only_the_host_may_put_and_a_closed_client_does_nothing() {
    let server = Server::start(|_, reply| reply.answer(200, &[], b""));
    let client = bucket(&server);
    let asked = Request { endpoint: "b".to_owned(), signer: Signer::Oss4, method: "PUT".to_owned(), ..get("/k") };
    assert_eq!(client.call(&asked).unwrap_err().fault, Fault::Refused);
    client.close();
    assert!(client.head_object("b", "/k").is_err());
    assert!(server.seen().is_empty());
}

/// The probe of a doctor: the body cannot have the MD5 that is sent with it, so nothing is ever stored.
#[test]
fn the_probe_of_writing_can_write_nothing() {
    let server = Server::start(|_, reply| {
        reply.answer(
            400,
            &[],
            format!("<Error><Code>InvalidDigest</Code><Message>{SECRET}</Message></Error>").as_bytes(),
        )
    });
    let answer = bucket(&server).probe_writing("b", "/copy/").unwrap();
    assert_eq!(answer.status, 400);
    assert!(!String::from_utf8_lossy(&answer.body).contains(SECRET));
    let seen = server.seen();
    assert!(seen[0].target.starts_with("/copy/innertrail-doctor-") && seen[0].target.len() > 50, "{}", seen[0].target);
    let content = file(&seen[0].body);
    assert_ne!(seen[0].header("content-md5"), Fingerprint::of(content.path()).unwrap().content_md5());
    assert_eq!((seen[0].header("x-oss-forbid-overwrite"), seen.len()), ("true", 1));
}

/// A server that reads a request away without keeping it, and says what came of its body.
fn swallow(listener: &std::net::TcpListener) -> u64 {
    use std::io::{BufRead as _, Read as _, Write as _};
    let (stream, _) = listener.accept().unwrap();
    let (mut reader, mut length) = (std::io::BufReader::new(&stream), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let came = std::io::copy(&mut reader.take(length), &mut std::io::sink()).unwrap();
    (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    came
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The story: an uploader that reads what it sends into memory takes as much as the largest file.
#[test]
fn a_large_file_takes_no_memory_of_its_size() {
    const SIZE: u64 = 192 << 20;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || swallow(&listener));
    let oss = Endpoint::oss("my-bucket", "http://oss-cn-test.example").unwrap().with_region("cn-test");
    let endpoints = BTreeMap::from([("b".to_owned(), oss.with_address(&address).unwrap())]);
    let client =
        Client::with(config(), endpoints, credentials(), &Environment::of::<&str, &str>([]), Clock::system()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(SIZE).unwrap();
    let before = peak_kib();
    let content = Fingerprint::of(file.path()).unwrap();
    assert_eq!(client.put_file("b", "/k", file.path(), &content).unwrap().status, 200);
    assert_eq!(server.join().unwrap(), SIZE);
    // Other tests of this process run meanwhile; all of them together need a fraction of the file.
    let grown = (peak_kib() - before) / 1024;
    assert!(grown < 96, "{grown} MiB more for a file of 192");
    println!("{grown} MiB more for a file of 192 MiB, other tests included");
}
