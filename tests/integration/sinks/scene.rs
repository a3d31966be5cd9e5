//! A folder with a source that grows, a sink, a receiver that can be killed, and weather between them.
//! Killed are only processes that were started here, by their handle.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::harness::{BIN, event, innertrail};

/// Far more than anything here takes on a machine that does nothing else.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// A child that is killed when it is dropped.
pub(super) struct Killed(pub(super) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

pub(super) struct Scene {
    pub(super) dir: tempfile::TempDir,
    config: String,
    /// Events that went in.
    pub(super) sent: usize,
    files: usize,
}

impl Scene {
    /// `sink` is the YAML below the sink's name, each line with four blanks before it.
    pub(super) fn new(sink: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        let path = dir.path().join("innertrail.yaml");
        let sink = sink.replace("{dir}", dir.path().to_str().unwrap());
        let yaml = format!(
            "trail: main-trail\ndata_dir: {0}/data\nlogstore:\n  commit_bytes: 16384\n  segment_rows: 500\n\
             sources:\n  files:\n    type: file\n    include: [\"{0}/in/*.json\"]\n    follow: true\n\
             sinks:\n  agent:\n{sink}",
            dir.path().display()
        );
        fs::write(&path, yaml).unwrap();
        Self { config: path.to_str().unwrap().to_owned(), dir, sent: 0, files: 0 }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.dir.path().join("ledger")
    }

    /// So many more events arrive, in a file of their own that is there at once.
    pub(super) fn arrive(&mut self, count: usize) {
        let text: String = (self.sent + 1..=self.sent + count).map(|id| event(id, "") + "\n").collect();
        self.sent += count;
        self.arrive_text(&text);
    }

    pub(super) fn arrive_text(&mut self, text: &str) {
        self.files += 1;
        let half = self.dir.path().join("half");
        fs::write(&half, text).unwrap();
        fs::rename(half, self.dir.path().join(format!("in/{:06}.json", self.files))).unwrap();
    }

    /// Starts `innertrail run`.
    pub(super) fn run(&self, stdout: Stdio) -> Killed {
        let mut command = innertrail(&["run", "--config", &self.config]);
        Killed(command.stdin(Stdio::null()).stdout(stdout).stderr(self.errors()).spawn().unwrap())
    }

    fn errors(&self) -> Stdio {
        let file = fs::OpenOptions::new().append(true).create(true).open(self.dir.path().join("stderr"));
        file.unwrap().into()
    }

    pub(super) fn told(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default()
    }

    /// Starts the double of an agent as a process of its own.
    pub(super) fn double(&self, protocol: &str, port: u16) -> Killed {
        let program = Path::new(BIN).with_file_name("agent-double");
        assert!(program.is_file(), "{} is not built: cargo build --release --workspace --bins", program.display());
        let mut command = Command::new(program);
        command.args([protocol, &port.to_string()]).arg(self.ledger()).stdin(Stdio::null()).stderr(self.errors());
        Killed(command.spawn().unwrap())
    }

    /// Waits until `done`, or fails with what innertrail said.
    pub(super) fn wait_for(&self, what: &str, mut done: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}; it said: {}", self.told());
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Ends innertrail as a service manager would, and waits for its exit code.
pub(super) fn stop(mut running: Killed) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(running.0.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let begun = Instant::now();
    loop {
        if let Some(status) = running.0.try_wait().unwrap() {
            return assert_eq!(status.code(), Some(0), "a stop is no failure");
        }
        assert!(begun.elapsed() < PATIENCE, "it does not stop");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Random pauses; the seed is printed, so that a failure can be had again.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(what: &str) -> Self {
        let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
        println!("{what}: seed {seed}");
        Self(seed)
    }

    pub(super) fn pause(&mut self, from: u64, to: u64) {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        thread::sleep(Duration::from_millis(from + (self.0 >> 20) % (to - from)));
    }
}
