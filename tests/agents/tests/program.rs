//! `agent-double` as a process. A package's programs are built for its own integration tests, so this one is also why the
//! executable's tests find it beside `innertrail` after a plain `cargo test`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use innertrail_test_agents::ledger;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn connected(port: u16) -> TcpStream {
    let begun = Instant::now();
    loop {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            return stream;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not listen");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_it_answered_for_outlives_its_kill() {
    let dir = std::env::temp_dir().join(format!("agent-double-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("ledger");
    for number in 0..2 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent-double"));
        command.args(["http", &port.to_string()]).arg(&path).stdin(Stdio::null());
        let double = Killed(command.spawn().unwrap());
        let body = format!("{{\"it_seq\":{number},\"it_seal\":\"v1\",\"event\":\"e\"}}\n");
        let mut stream = connected(port);
        write!(stream, "POST /in HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        drop(double);
    }
    let numbers: Vec<_> = ledger::read(&path).iter().map(|claim| claim["it_seq"].as_u64()).collect();
    assert_eq!(numbers, [Some(0), Some(1)]);
    std::fs::remove_dir_all(&dir).unwrap();
}
