//! One of the doubles as a process of its own, to be killed: `agent-double vector|otlp|forward|http PORT LEDGER`.
//! It must never answer before what it got is on the disk.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use innertrail_test_agents::ledger;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [protocol, port, path] = &args[..] else { return usage() };
    let Ok(port) = port.parse() else { return usage() };
    let Some(_served) = ledger::serve(protocol, port, ledger::keep(Path::new(path))) else { return usage() };
    loop {
        std::thread::park();
    }
}

fn usage() {
    eprintln!("usage: agent-double vector|otlp|forward|http PORT LEDGER");
    std::process::exit(2);
}
