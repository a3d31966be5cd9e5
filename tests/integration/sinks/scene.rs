//! A folder with a source that grows, a sink, a receiver that can be killed, and weather between them.
//! Killed are only processes that were started here, by their handle.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use innertrail_logstore::Store;
use innertrail_logstore::consumer::{Reader, ReaderOptions};

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

    /// How many records the Logstore holds, the newest of them perhaps not yet known to be durable.
    pub(super) fn held(&self) -> usize {
        let reader = Reader::open(&self.data(), ReaderOptions::default());
        let end = reader.map_or(0, |reader| reader.end(Store::Log).seq() + reader.withheld(Store::Log));
        usize::try_from(end).unwrap()
    }

    /// Waits until the Logstore holds what has not come out yet; not for ever, as that may never be seen.
    pub(super) fn until_behind(&self, out: &dyn Fn() -> usize) {
        let begun = Instant::now();
        while self.held() <= out() && begun.elapsed() < Duration::from_secs(1) {
            thread::sleep(Duration::from_millis(5));
        }
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

/// What files tell so far, read on from where it was read to: cheap enough to be asked often, however long they become.
#[derive(Debug, Default)]
pub(super) struct Lines {
    read: HashMap<PathBuf, usize>,
    numbers: BTreeSet<u64>,
}

impl Lines {
    /// How many different records the whole lines of these files tell of, by their numbers; a file may not be there yet.
    pub(super) fn numbers(&mut self, files: impl IntoIterator<Item = PathBuf>) -> usize {
        for path in files {
            let at = self.read.entry(path.clone()).or_default();
            let news = tail(&path, *at as u64).unwrap_or_default();
            let whole = news.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            self.numbers.extend(sequences(&String::from_utf8_lossy(&news[..whole])));
            *at += whole;
        }
        self.numbers.len()
    }
}

fn tail(path: &Path, at: u64) -> io::Result<Vec<u8>> {
    let (mut file, mut news) = (fs::File::open(path)?, Vec::new());
    file.seek(SeekFrom::Start(at))?;
    file.read_to_end(&mut news)?;
    Ok(news)
}

fn sequences(text: &str) -> impl Iterator<Item = u64> {
    let digits = |rest: &str| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().parse().ok();
    text.split("\"it_seq\":").skip(1).filter_map(digits)
}

/// Kills, and how many of them fell into work: the Logstore held records that had not come out.
///
/// The story: kills at fixed times fell between two batches, and showed that a sink at rest survives.
#[derive(Debug, Default)]
pub(super) struct Kills {
    agent: (usize, usize),
    innertrail: (usize, usize),
}

impl Kills {
    /// Kills the agent. What was in the Logstore before and is not out afterwards, was behind.
    pub(super) fn agent(&mut self, scene: &Scene, agent: Killed, out: &dyn Fn() -> usize) {
        let held = scene.held();
        drop(agent);
        self.agent.0 += 1;
        self.agent.1 += usize::from(out() < held);
    }

    /// Kills innertrail. Nothing comes into the Logstore after that.
    pub(super) fn innertrail(&mut self, scene: &Scene, running: Killed, out: &dyn Fn() -> usize) {
        drop(running);
        self.was_innertrail(out() < scene.held());
    }

    /// Innertrail was killed, and this is how it stood.
    pub(super) fn was_innertrail(&mut self, behind: bool) {
        self.innertrail.0 += 1;
        self.innertrail.1 += usize::from(behind);
    }

    /// Whether `wanted` kills of each side are not dealt yet, or not half of them in work; three times as many are enough.
    pub(super) fn go_on(&self, wanted: usize) -> bool {
        let dealt = self.innertrail.0;
        let idle = |(dealt, hit): (usize, usize)| dealt > 0 && hit * 2 < wanted;
        dealt < wanted || (dealt < 3 * wanted && (idle(self.innertrail) || idle(self.agent)))
    }

    /// Fails when fewer than half of `wanted` kills of either side fell into work; gives the numbers for the table.
    pub(super) fn told(&self, wanted: usize) -> String {
        let ((a, b), (c, d)) = (self.innertrail, self.agent);
        println!("kills in work: {b} of {a} of innertrail, {d} of {c} of the agent");
        for (side, (dealt, hit)) in [("innertrail", self.innertrail), ("the agent", self.agent)] {
            assert!(dealt == 0 || hit * 2 >= wanted, "only {hit} of {dealt} kills of {side} fell into work");
        }
        format!("{a} + {c}")
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
