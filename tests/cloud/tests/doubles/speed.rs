//! How fast the SLS double serves: it must not be what a throughput test of the product measures.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use innertrail_test_cloud::Load;

use super::{LOGSTORE, PROJECT, cloud, cursor};

/// CPU time that this process has used, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

/// Pulls everything over one connection as lz4; gives the bytes received.
fn pull_all(cloud: &innertrail_test_cloud::Cloud, begin: &str, end: &str) -> usize {
    use innertrail_test_cloud::client::{Call, Signature};
    // Each page on a connection of its own: what a careless client costs. The server's work is what counts here.
    let (mut at, mut bytes) = (begin.to_owned(), 0);
    while at != end {
        let query = format!("type=log&cursor={at}&count=10");
        let call = Call::get(super::SLS, &super::shard(0), &query, Signature::Sls4).header("accept-encoding", "lz4");
        let page = call.send(cloud.sls.address(), &innertrail_test_cloud::Key::reader()).unwrap();
        bytes += page.body.len();
        at = page.header("x-log-cursor").to_owned();
    }
    bytes
}

#[test]
fn a_core_serves_more_events_a_second_than_the_product_is_asked_to_take() {
    if cfg!(debug_assertions) {
        println!("SKIPPED: speed is measured in release builds only");
        return;
    }
    let cloud = cloud(1);
    let events = 100_000;
    cloud.sls.fill(PROJECT, LOGSTORE, &Load { events, ..Load::default() });
    let (begin, end) = (cursor(&cloud, 0, "begin"), cursor(&cloud, 0, "end"));
    let mut rates = Vec::new();
    for what in ["made while pulled", "from the cache"] {
        let (started, used) = (Instant::now(), cpu());
        let bytes = pull_all(&cloud, &begin, &end);
        let (wall, used) = (started.elapsed().as_secs_f64(), (cpu() - used).max(0.01));
        println!(
            "{what}: {:.0} events a CPU second (client included), {:.0} a second, {} bytes an event on the wire",
            events as f64 / used,
            events as f64 / wall,
            bytes as u64 / events
        );
        rates.push(events as f64 / used);
    }
    assert!(rates[0] >= 60_000.0, "pages made while pulled: {:.0} events a CPU second", rates[0]);
    assert!(rates[1] >= 150_000.0, "pages from the cache: {:.0} events a CPU second", rates[1]);
}

#[test]
fn pages_made_ahead_are_the_ones_that_are_pulled() {
    let cloud = cloud(1);
    cloud.sls.fill(PROJECT, LOGSTORE, &Load { events: 5_000, ..Load::default() });
    assert_eq!(cloud.sls.prepare(PROJECT, LOGSTORE, 10), 5);
    let (begin, end) = (cursor(&cloud, 0, "begin"), cursor(&cloud, 0, "end"));
    assert!(pull_all(&cloud, &begin, &end) > 500_000);
    assert_eq!(cloud.sls.pages_made(), 5, "nothing was made while pulling");
}

#[test]
fn a_connection_is_used_again() {
    let cloud = cloud(1);
    let mut stream = TcpStream::connect(cloud.sls.address()).unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: demo.x.test\r\n\r\n").unwrap();
        let (mut head, mut byte) = (Vec::new(), [0; 1]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.extend_from_slice(&byte);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).unwrap();
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    }
    assert_eq!(cloud.sls.connections(), 1);
}
