//! `kill -9` at random moments: of the receiver, and of the process that sends, each over twenty times while records come.
//! Killed are only processes that these tests started, by their handle.
//!
//! The children are this very test binary again, told by a variable what to be.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use innertrail_logstore::consumer::Groups;
use innertrail_sink::delivery::group_name;
use innertrail_sink::http::Body;
use innertrail_sink::vector::Compression;

use crate::conservation::{Parked, drained, impatient, sink};
use crate::contract::{Answer, Contract, shared_form};
use crate::http_double::{Claims, HttpServer, Keep, events, spooled};
use crate::oracle::judge;
use crate::proxy::{Proxy, Weather};
use crate::receivers::{http_sender, spool_sender, vector_sender};
use crate::support::{NOW, append, place, writer};

const ROLE: &str = "INNERTRAIL_SINK_TEST_ROLE";
const KILLS: u64 = 24;

/// Not a test: what a child is. Without the variable it does nothing.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let words: Vec<&str> = role.split('|').collect();
    match words[..] {
        ["receiver", protocol, ledger, port] => receive(protocol, Path::new(ledger), Path::new(port)),
        ["sender", protocol, dir, target] => {
            let sender = match protocol {
                "vector" => vector_sender(target.parse().unwrap(), Compression::Zstd),
                "http" => http_sender(target.parse().unwrap(), Body::Lines),
                _ => spool_sender(Path::new(target)),
            };
            let mut settings = impatient();
            settings.max_records = if protocol == "spool" { 5 } else { 20 };
            sink(Path::new(dir), sender, settings, &Parked::default()).run(&AtomicBool::new(false)).unwrap();
        }
        _ => panic!("{role}"),
    }
}

struct Killed(Child);

impl Killed {
    fn start(role: &str) -> Self {
        let exe = std::env::current_exe().unwrap();
        let mut command = Command::new(exe);
        command.args(["--exact", "kills::child", "--nocapture"]).env(ROLE, role);
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "the child ended by itself");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A receiver's memory that survives its process: a line an event, written before it is answered for.
fn ledger(path: &Path) -> Keep {
    let options = OpenOptions::new().read(true).append(true).create(true).open(path);
    let mut file = options.unwrap();
    let mut so_far = vec![];
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut so_far).unwrap();
    // A part of a line was never answered for.
    file.set_len(so_far.iter().rposition(|b| *b == b'\n').map_or(0, |at| at as u64 + 1)).unwrap();
    let file = Mutex::new(file);
    Arc::new(move |claims| {
        let lines: String = claims.iter().map(|claim| format!("{claim}\n")).collect();
        file.lock().unwrap().write_all(lines.as_bytes()).unwrap();
    })
}

fn claimed(path: &Path) -> Claims {
    events(&fs::read(path).unwrap())
}

/// Serves until it is killed.
fn receive(protocol: &str, path: &Path, port: &Path) {
    let keep = ledger(path);
    let tell = |address: SocketAddr| {
        fs::write(port.with_extension("new"), address.to_string()).unwrap();
        fs::rename(port.with_extension("new"), port).unwrap();
        loop {
            thread::park();
        }
    };
    if protocol == "http" {
        return tell(HttpServer::new(keep).address);
    }
    let server = Contract::serve(Arc::new(move |events| {
        keep(events.iter().map(shared_form).collect());
        Answer::Ok
    }));
    tell(server.address);
}

/// A receiver's process, and where it listens.
fn receiver(protocol: &str, ledger: &Path, scratch: &Path) -> (Killed, SocketAddr) {
    let port = scratch.join("port");
    let _ = fs::remove_file(&port);
    let child = Killed::start(&format!("receiver|{protocol}|{}|{}", ledger.display(), port.display()));
    let begun = Instant::now();
    loop {
        if let Ok(address) = fs::read_to_string(&port) {
            return (child, address.parse().unwrap());
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "the receiver did not come up");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Random pauses; the seed is printed, so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn new(what: &str) -> Self {
        let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
        eprintln!("{what}: seed {seed}");
        Self(seed)
    }

    fn pause(&mut self, from: u64, to: u64) {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        thread::sleep(Duration::from_millis(from + (self.0 >> 20) % (to - from)));
    }
}

fn receiver_killed(protocol: &str) {
    let place = place();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("ledger");
    let mut writer = writer(&place.dir);
    let mut dice = Dice::new("receiver killed");
    let (mut child, address) = receiver(protocol, &path, scratch.path());
    let proxy = Proxy::to(address);
    proxy.weather(Weather::Narrow(3_000_000));
    let sender = match protocol {
        "http" => http_sender(proxy.address, Body::Array),
        _ => vector_sender(proxy.address, Compression::None),
    };
    let parked = Parked::default();
    let running = sink(&place.dir, sender, impatient(), &parked).spawn().unwrap();
    let mut id = 0;
    for _ in 0..KILLS {
        append(&mut writer, id, id + 200);
        id += 200;
        dice.pause(20, 90);
        drop(child);
        let (next, address) = receiver(protocol, &path, scratch.path());
        child = next;
        proxy.retarget(address);
    }
    append(&mut writer, id, id + 1);
    writer.seal_tail(NOW).unwrap();
    drained(running, id + 1, Duration::from_secs(60));
    let verdict = judge(&place.dir, &claimed(&path));
    eprintln!("{protocol}: receiver killed {KILLS} times: {verdict:?}");
    assert_eq!((verdict.records as u64, parked.0.lock().unwrap().len()), (id + 1, 0));
    drop(child);
}

fn position(dir: &Path) -> u64 {
    let group = Groups::open(dir).unwrap().get(&group_name("test"));
    group.ok().and_then(|group| group.cursor).map_or(0, |cursor| cursor.seq())
}

fn sender_killed(protocol: &str) {
    let place = place();
    let scratch = tempfile::tempdir().unwrap();
    let path: PathBuf = scratch.path().join("ledger");
    File::create(&path).unwrap();
    let mut writer = writer(&place.dir);
    let mut dice = Dice::new("sender killed");
    let keep = ledger(&path);
    let (mut contract, mut http) = (None, None);
    let target = match protocol {
        "vector" => {
            let handler = Arc::new(move |events: Vec<_>| {
                keep(events.iter().map(shared_form).collect());
                Answer::Ok
            });
            Some(contract.insert(Contract::serve(handler)).address)
        }
        "http" => Some(http.insert(HttpServer::new(keep)).address),
        _ => None,
    };
    let proxy = target.map(Proxy::to);
    if let Some(proxy) = &proxy {
        proxy.weather(Weather::Narrow(if protocol == "vector" { 100_000 } else { 200_000 }));
    }
    let spool = scratch.path().join("spool");
    let target = proxy.as_ref().map_or_else(|| spool.display().to_string(), |proxy| proxy.address.to_string());
    let role = format!("sender|{protocol}|{}|{target}", place.dir.display());
    let (mut id, mut in_the_middle) = (0, 0);
    for _ in 0..KILLS {
        append(&mut writer, id, id + 120);
        id += 120;
        let child = Killed::start(&role);
        dice.pause(30, 200);
        drop(child);
        let at = position(&place.dir);
        in_the_middle += u32::from(at > 0 && at < id);
    }
    append(&mut writer, id, id + 1);
    writer.seal_tail(NOW).unwrap();
    if let Some(proxy) = &proxy {
        proxy.weather(Weather::Fair);
    }
    let last = Killed::start(&role);
    let begun = Instant::now();
    while position(&place.dir) < id + 1 {
        assert!(begun.elapsed() < Duration::from_secs(60), "stands at {} of {}", position(&place.dir), id + 1);
        thread::sleep(Duration::from_millis(10));
    }
    drop(last);
    let claims = if target.contains("spool") { spooled(&spool) } else { claimed(&path) };
    let verdict = judge(&place.dir, &claims);
    eprintln!("{protocol}: sender killed {KILLS} times, {in_the_middle} in the middle: {verdict:?}");
    assert_eq!(verdict.records as u64, id + 1);
    assert!(in_the_middle > 3, "too fast to be killed at work: {in_the_middle}");
}

#[test]
fn vector_conserves_when_the_receiver_is_killed() {
    receiver_killed("vector");
}

#[test]
fn http_conserves_when_the_receiver_is_killed() {
    receiver_killed("http");
}

#[test]
fn vector_conserves_when_the_sender_is_killed() {
    sender_killed("vector");
}

#[test]
fn http_conserves_when_the_sender_is_killed() {
    sender_killed("http");
}

#[test]
fn spool_files_conserve_when_the_sender_is_killed() {
    sender_killed("spool");
}
