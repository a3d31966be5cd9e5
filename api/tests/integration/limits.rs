//! Crowds, drips and floods: the server stays up, its memory is bounded, and a reader is served as if nothing were.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use innertrail_test_cloud::client::{Call as Ask, Signature};

use crate::support::{LS, Stage, get};

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

fn read() -> Ask {
    get(&format!("{LS}/shards/0"), "type=log", Signature::Sls4)
}

/// The slowest of some reads.
fn slowest(stage: &Stage, reads: usize) -> Duration {
    let took = (0..reads).map(|_| {
        let begun = Instant::now();
        assert_eq!(stage.send(&read(), &stage.reader).status, 200);
        begun.elapsed()
    });
    took.max().unwrap_or_default()
}

/// As many silent connections as files allow, up to 10,000: both ends are in this process. The crowd is larger than the limit, so the
/// oldest of it make room, and a reader among them is served at once.
#[test]
fn a_silent_crowd_keeps_no_reader_out() {
    let stage = Stage::alone(|options| options.idle_time = Duration::from_secs(120));
    let files = stage.server.connections();
    let crowd = (files / 2).saturating_sub(500).min(10_000);
    let before = resident_kib();
    let mut idle = Vec::with_capacity(crowd);
    for _ in 0..crowd {
        idle.push(TcpStream::connect(stage.address()).unwrap());
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while stage.server.counts().connections() < crowd as u64 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(stage.server.counts().connections(), crowd as u64);
    let slowest = slowest(&stage, 50);
    let grown = resident_kib().saturating_sub(before);
    println!("{crowd} idle connections: {grown} KiB more, the slowest of 50 reads took {slowest:?}");
    assert!(grown < 64 << 10, "{grown} KiB");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

#[test]
fn a_crowd_beyond_the_limit_makes_room_for_who_asks() {
    let stage = Stage::with(|options| options.connections = 20);
    let idle: Vec<_> = (0..100).map(|_| TcpStream::connect(stage.address()).unwrap()).collect();
    for _ in 0..20 {
        assert_eq!(stage.send(&read(), &stage.reader).status, 200);
    }
    assert!(stage.server.counts().connections() <= 22);
    assert!(stage.server.counts().evicted() >= 80);
    drop(idle);
}

/// Heads that drip: a byte now and then keeps nothing open beyond the time for a head.
#[test]
fn a_head_that_drips_is_put_out() {
    let stage = Stage::with(|options| options.idle_time = Duration::from_millis(700));
    let mut drips: Vec<TcpStream> = (0..50).map(|_| stage.connect()).collect();
    let begun = Instant::now();
    let text = format!("GET {LS} HTTP/1.1\r\nhost: audit.x\r\nx-drip: {}", "x".repeat(1000));
    for byte in text.as_bytes() {
        drips.retain_mut(|stream| stream.write_all(&[*byte]).is_ok());
        std::thread::sleep(Duration::from_millis(10));
        if drips.is_empty() || begun.elapsed() > Duration::from_secs(10) {
            break;
        }
    }
    println!("the last of 50 dripping heads was put out after {:?}", begun.elapsed());
    assert!(drips.is_empty(), "{} go on", drips.len());
    assert!(slowest(&stage, 5) < Duration::from_secs(1));
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let stage = Stage::new();
    // What is not read of it makes the system reset the connection, and the answer may be lost with it.
    let seen = stage.raw(&format!("GET / HTTP/1.1\r\nhost: audit.x\r\nx-large: {}\r\n\r\n", "x".repeat(300_000)));
    assert!(seen.is_empty() || seen.starts_with("HTTP/1.1 431"), "{seen}");
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    let seen = stage.raw(&format!("GET / HTTP/1.1\r\nhost: audit.x\r\n{many}\r\n"));
    assert!(seen.starts_with("HTTP/1.1 431"), "{seen}");
    assert!(stage.raw("nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
}

#[test]
fn a_body_that_is_too_large_is_refused_and_not_kept() {
    let stage = Stage::new();
    let before = resident_kib();
    let ask = get(&format!("{LS}/logs"), "", Signature::Sls4).with("POST", vec![b' '; (10 << 20) + 1]);
    for _ in 0..4 {
        let seen = stage.send(&ask, &stage.reader);
        assert_eq!((seen.status, seen.code().as_str()), (413, "PostBodyTooLarge"));
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 128 << 10, "{grown} KiB");
    let ask = get(&format!("{LS}/logs"), "", Signature::Sls4).with("POST", vec![b' '; 9 << 20]);
    assert_eq!(stage.send(&ask, &stage.reader).status, 200);
}

#[test]
fn large_answers_are_whole_and_keep_no_reader_waiting() {
    let stage = Stage::new();
    let (address, key) = (stage.address(), stage.reader.clone());
    let large = || {
        let (ask, key) = (get(&format!("{LS}/shards/0"), "type=log&bytes=8000000", Signature::Sls4), key.clone());
        std::thread::spawn(move || ask.send(address, &key).map(|seen| seen.body.len()))
    };
    let threads: Vec<_> = (0..10).map(|_| large()).collect();
    assert!(slowest(&stage, 10) < Duration::from_secs(2));
    for thread in threads {
        assert_eq!(thread.join().unwrap().unwrap(), 8_000_000);
    }
}

/// Twice as many searches as are carried out at a time, each longer than a call may take.
#[test]
fn a_call_that_takes_too_long_is_ended_and_light_ones_do_not_wait_for_it() {
    let stage = Stage::with(|options| options.call_time = Duration::from_secs(1));
    let (address, key) = (stage.address(), stage.reader.clone());
    let search = || {
        let (ask, key) = (get(LS, "type=log&sleep=3000", Signature::Sls4), key.clone());
        std::thread::spawn(move || ask.send(address, &key).unwrap().code())
    };
    let threads: Vec<_> = (0..20).map(|_| search()).collect();
    std::thread::sleep(Duration::from_millis(100));
    assert!(slowest(&stage, 5) < Duration::from_secs(1));
    for thread in threads {
        assert_eq!(thread.join().unwrap(), "RequestTimeout");
    }
}

/// What is under way ends; what is idle is closed; nobody new is let in.
#[test]
fn a_stop_lets_calls_end() {
    let mut stage = Stage::new();
    let (address, key) = (stage.address(), stage.reader.clone());
    let call = std::thread::spawn(move || {
        get(&format!("{LS}/shards/0"), "type=log&sleep=700", Signature::Sls4).send(address, &key).unwrap()
    });
    let mut idle = stage.connect();
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    stage.server.stop();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(call.join().unwrap().status, 200);
    assert_eq!(idle.read(&mut [0; 8]).unwrap_or(0), 0);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let mut stage = Stage::with(|options| options.grace = Duration::from_millis(200));
    let (address, key) = (stage.address(), stage.reader.clone());
    let call = std::thread::spawn(move || {
        get(&format!("{LS}/shards/0"), "type=log&sleep=3000", Signature::Sls4).send(address, &key).is_ok()
    });
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    stage.server.stop();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(!call.join().unwrap());
}
