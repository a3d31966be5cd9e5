//! A real agent in a folder of its own: found, started, fed, watched, and ended by its own process id.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{BIN, cache, event, run};

/// Far more than anything here takes on a machine that does nothing else.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// How often innertrail is killed in each test.
pub(super) const KILLS: usize = 20;

/// An agent's executable, with the libraries and modules that were unpacked beside it.
pub(crate) struct Agent {
    binary: PathBuf,
    /// The folder that it was unpacked into, when that is not the system's own.
    pub(super) unpacked: Option<PathBuf>,
}

impl Agent {
    /// The executable named by `variable`, or `name` on the path; says SKIPPED when there is none.
    pub(crate) fn find(variable: &str, name: &str, test: &str) -> Option<Self> {
        let named = std::env::var_os(variable).map(PathBuf::from);
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let mut on_path = std::env::split_paths(&paths).chain(["/usr/sbin".into()]).map(|dir| dir.join(name));
        let Some(binary) = named.or_else(|| on_path.find(|path| path.is_file())) else {
            println!("SKIPPED: no {name} for {test}; name one with {variable}");
            assert_ne!(std::env::var("INNERTRAIL_AGENTS_REQUIRED").as_deref(), Ok("1"), "{name} is required");
            return None;
        };
        assert!(binary.is_file(), "{variable} names {}, which is no file", binary.display());
        let root = binary.ancestors().nth(3).filter(|root| *root != Path::new("/")).map(Path::to_owned);
        Some(Self { binary, unpacked: root })
    }

    /// Folders of libraries below where it was unpacked.
    pub(super) fn libraries(&self) -> Vec<PathBuf> {
        let Some(root) = &self.unpacked else { return Vec::new() };
        let below = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
        let all = below(root.join("usr/lib")).chain(below(root.join("lib")));
        all.filter(|path| path.is_dir()).collect()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        let libraries = std::env::join_paths(self.libraries()).unwrap();
        if self.unpacked.is_some() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command.stdin(Stdio::null());
        command
    }
}

/// A running agent, ended with the test.
pub(super) struct Running(Child);

impl Running {
    pub(super) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Process ids of innertrail below the agent, through a shell as well.
    fn children(&self) -> Vec<u32> {
        let mut parents: BTreeMap<u32, (u32, String)> = BTreeMap::new();
        for entry in fs::read_dir("/proc").unwrap().map_while(Result::ok) {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
            let Some((start, rest)) = stat.rsplit_once(')') else { continue };
            let mut fields = rest.split_whitespace();
            let (state, parent) = (fields.next().unwrap_or("Z"), fields.next().and_then(|p| p.parse().ok()));
            if let (Some(parent), false) = (parent, state == "Z") {
                parents.insert(pid, (parent, start.to_owned()));
            }
        }
        let own = self.0.id();
        let is_below = |pid: u32| std::iter::successors(Some(pid), |at| parents.get(at).map(|p| p.0)).any(|p| p == own);
        // Exactly: rsyslog names threads, and what they fork, after its rulesets.
        let ours = |name: &str| name.ends_with("(innertrail");
        parents.iter().filter(|(pid, (_, name))| ours(name) && is_below(**pid)).map(|(pid, _)| *pid).collect()
    }

    /// Kills innertrail below the agent; false when there is none.
    pub(super) fn kill_innertrail(&self) -> bool {
        let children = self.children();
        for pid in &children {
            let pid = rustix::process::Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
            // It may just have ended by itself.
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        !children.is_empty()
    }

    /// How many innertrails run below the agent.
    pub(super) fn count_innertrail(&self) -> usize {
        self.children().len()
    }

    /// Ends it as a crash would.
    pub(super) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Ends it as a service manager would, and waits.
    pub(super) fn end(mut self) {
        self.terminate();
    }

    fn terminate(&mut self) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let begun = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            if begun.elapsed() > Duration::from_secs(20) {
                let _killed = self.0.kill();
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.try_wait().unwrap().is_none() {
            self.terminate();
        }
    }
}

/// A port that was free a moment ago.
pub(super) fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(super) fn connect(port: u16) -> TcpStream {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => return stream,
            Err(e) => assert!(begun.elapsed() < PATIENCE, "the agent does not listen: {e}"),
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// The gate's configuration in `dir`, with compiled code shared by all tests.
pub(super) fn gate_config(dir: &Path) -> PathBuf {
    let path = dir.join("gate.yaml");
    let cache = cache().join("agents");
    let (data, cache) = (dir.join("gate"), cache.display());
    fs::write(&path, format!("trail: main-trail\ndata_dir: {}\nplugin:\n  cache_dir: {cache}\n", data.display()))
        .unwrap();
    // Compiled once here, or the first message would wait for it.
    run(&["gate", "--dialect", "omprog", "--config", path.to_str().unwrap()], 0);
    path
}

/// A printed block, with this test's executable, folders and configuration in it.
pub(crate) fn block(agent: &str, seam: &str, dir: &Path) -> String {
    let (block, _) = run(&["agent-config", agent, "--seam", seam, "--part", "agent"], 0);
    let dir = dir.to_str().unwrap();
    block
        .replace("/usr/bin/innertrail ", &format!("{BIN} "))
        .replace("\"innertrail gate", &format!("\"{BIN} gate"))
        .replace("exec innertrail ", &format!("exec {BIN} "))
        .replace("/etc/innertrail/gate.yaml", &format!("{dir}/gate.yaml"))
        .replace("/var/log/innertrail", dir)
        .replace("/var/spool/innertrail", &format!("{dir}/spool"))
        .replace("/var/lib/innertrail", &format!("{dir}/data"))
}

/// Every tenth message is an operation log that nobody may write.
pub(super) fn is_refused(id: usize) -> bool {
    id.is_multiple_of(10)
}

/// Sends messages `id-000001 …` over syslog, twenty and then a pause, until `until` says that it is enough.
pub(super) fn send(port: u16, pause: Duration, until: &mut dyn FnMut(usize) -> bool) -> usize {
    let mut stream = connect(port);
    let mut id = 0;
    while !until(id) {
        let mut batch = String::new();
        for _ in 0..20 {
            id += 1;
            let text = if is_refused(id) { event(id, "") } else { format!("id-{id:06}") };
            batch += &format!("<14>Nov  1 08:00:00 host app: {text}\n");
        }
        stream.write_all(batch.as_bytes()).unwrap();
        thread::sleep(pause);
    }
    id
}

/// Connections that send at once, and what each sends.
const CONNECTIONS: usize = 12;
const OF_EACH: usize = 150;

/// Sends from many connections at once, half of them operation logs that nobody may write; gives how many of each kind.
///
/// Ids of ordinary messages are `id-…`, from 1; those of operation logs begin behind them.
pub(super) fn send_from_many(port: u16) -> usize {
    let half = CONNECTIONS / 2 * OF_EACH;
    thread::scope(|scope| {
        for at in 0..CONNECTIONS {
            scope.spawn(move || {
                let mut stream = connect(port);
                for id in at / 2 * OF_EACH + 1..=(at / 2 + 1) * OF_EACH {
                    let text = if at % 2 == 0 { format!("id-{id:06}") } else { event(half + id, "") };
                    stream.write_all(format!("<14>Nov  1 08:00:00 host app: {text}\n").as_bytes()).unwrap();
                    if id % 10 == 0 {
                        thread::sleep(Duration::from_millis(5));
                    }
                }
                // What is under way when the connection ends is not what is asked here.
                thread::sleep(Duration::from_secs(1));
            });
        }
    });
    half
}

/// Holds what came out to what was sent: every ordinary message passed, every operation log was refused, each once.
pub(super) fn each_by_its_own_answer(name: &str, half: usize, passed: &str, refused: &str, besides: &[&str]) {
    let (passed, refused) = (ids(passed), ids(refused));
    let besides: usize = besides.iter().map(|text| text.lines().filter(|line| !line.is_empty()).count()).sum();
    let forged = passed.keys().filter(|id| **id > half).count();
    let missing = (1..=half).filter(|id| !passed.contains_key(id)).count();
    println!(
        "{name}: {CONNECTIONS} connections, {half} ordinary and {half} forged: {forged} forged passed, {missing} ordinary did not, \
         {} refused, {besides} elsewhere",
        refused.len()
    );
    assert_eq!((forged, missing, besides), (0, 0, 0), "{name}");
    assert!(refused.keys().copied().eq(half + 1..=2 * half), "{name}: {} of {half} were refused", refused.len());
    assert!(passed.values().chain(refused.values()).all(|times| *times == 1), "{name}: something came twice");
}

/// How often each id stands in a text: `id-000001`, or an operation log's `eventId`.
pub(super) fn ids(text: &str) -> BTreeMap<usize, usize> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let plain = line.split("id-").nth(1).and_then(|rest| rest.get(..6)).and_then(|id| id.parse().ok());
        let logged = || {
            let rest = line.split("eventId").nth(1)?.trim_start_matches(['\\', '"', ':']);
            usize::from_str_radix(rest.get(..24)?, 16).ok()
        };
        if let Some(id) = plain.or_else(logged) {
            *found.entry(id).or_insert(0) += 1;
        }
    }
    found
}

/// The event that a line is, all of it and nothing besides: as the spool has it, or as an agent took it out of `log`.
fn event_of(line: &str) -> Option<usize> {
    let id = ids(line).into_keys().next()?;
    let line: Value = serde_json::from_str(line).ok()?;
    let sent: Value = serde_json::from_str(&event(id, "")).unwrap();
    (line.get("log").unwrap_or(&line) == &sent).then_some(id)
}

/// How often each event stands in a text as a line of its own; and what else the lines hold.
///
/// This is what a reader of NDJSON gets: a record behind a piece of another is none.
fn whole(text: &str) -> (BTreeMap<usize, usize>, Vec<&str>) {
    let (mut found, mut pieces) = (BTreeMap::new(), Vec::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        match event_of(line) {
            Some(id) => *found.entry(id).or_insert(0) += 1,
            None => pieces.push(line),
        }
    }
    (found, pieces)
}

/// The events that stand behind a piece in its line.
fn behind(pieces: &[&str]) -> Vec<usize> {
    let whole = |piece: &&str| piece.match_indices('{').skip(1).find_map(|(at, _)| event_of(&piece[at..]));
    pieces.iter().filter_map(whole).collect()
}

/// What an agent that was killed in the middle of a line does at its next start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// It puts an empty line first, as our block has it.
    Parts,
    /// It writes on behind the piece. That is said, and the record behind it counts.
    Joins,
}

/// The records of a store of the gate, as text.
pub(super) fn kept(data: &Path, store: &str) -> String {
    let data = data.to_str().unwrap();
    let (out, _) = run(&["tail", "--data-dir", data, "--store", store, "-n", "1000000", "--format", "json"], 0);
    out.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().to_owned() + "\n")
        .collect()
}

/// What came of `sent` messages, over everything that was written down.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) lost: Vec<usize>,
    pub(super) duplicated: usize,
}

impl Tally {
    pub(super) fn of(sent: usize, places: &[&BTreeMap<usize, usize>]) -> Self {
        let times = |id: usize| places.iter().filter_map(|place| place.get(&id)).sum::<usize>();
        let lost = (1..=sent).filter(|id| times(*id) == 0).collect();
        Self { lost, duplicated: (1..=sent).map(|id| times(id).saturating_sub(1)).sum() }
    }
}

/// Kills an agent that works off a backlog of spool files into `dedicated.ndjson`, and counts what comes out in the end.
///
/// The story: rsyslog's note of its place ran ahead of what it had handed on. In a backlog 20 kills lost 5,080 of 60,000 lines;
/// kills between a few lines at a time showed nothing of it.
/// Then syslog-ng seemed to lose up to three, and what counted them was half of it: a kill had cut a write, the next start wrote
/// on behind the piece, and of two records in one line the second was not seen. Whole lines alone count now.
pub(super) fn backlog(seam: &str, dir: &Path, parts: Start, start: &dyn Fn() -> Running) -> Tally {
    const RECORDS: usize = 60_000;
    const QUIET: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_secs(1);
    let (spool, out) = (dir.join("spool"), dir.join("dedicated.ndjson"));
    fs::create_dir(&spool).unwrap();
    for (number, ids) in (1..=RECORDS).collect::<Vec<_>>().chunks(5_000).enumerate() {
        let lines: String = ids.iter().map(|id| format!("{{\"log\":{}}}\n", event(*id, ""))).collect();
        fs::write(spool.join(format!("innertrail-{number:020}.ndjson")), lines).unwrap();
    }
    let text = || String::from_utf8_lossy(&fs::read(&out).unwrap_or_default()).into_owned();
    let read = || whole(&text()).0;
    let written = || fs::metadata(&out).map_or(0, |found| found.len());
    let mut in_work = 0;
    for kill in 0..KILLS {
        let (before, running) = (written(), start());
        let begun = Instant::now();
        while written() == before && begun.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(2));
        }
        thread::sleep(Duration::from_millis(kill as u64 * 7 % 25));
        running.kill();
        in_work += usize::from(read().len() < RECORDS);
    }
    let running = start();
    // What is lost never comes: it is counted once nothing more does.
    let mut grown = (written(), Instant::now());
    while grown.1.elapsed() < QUIET && (grown.1.elapsed() < SHORT || read().len() < RECORDS) {
        thread::sleep(Duration::from_millis(100));
        if written() != grown.0 {
            grown = (written(), Instant::now());
        }
    }
    running.end();
    let text = text();
    let (mut found, pieces) = whole(&text);
    let behind = behind(&pieces);
    if parts == Start::Joins {
        behind.iter().for_each(|id| *found.entry(*id).or_insert(0) += 1);
    }
    let tally = Tally::of(RECORDS, &[&found]);
    let (lost, twice, torn) = (tally.lost.len(), tally.duplicated, pieces.len());
    println!(
        "{seam}, a backlog: {RECORDS} records, {in_work} of {KILLS} kills in work: {lost} lost, {twice} twice, {torn} torn, {} behind a piece",
        behind.len()
    );
    assert!(torn <= KILLS, "a kill tears one line: {pieces:?}");
    assert!(parts == Start::Joins || behind.is_empty(), "records stand behind a piece: {behind:?}");
    assert!(in_work * 2 >= KILLS, "only {in_work} of {KILLS} kills fell into work");
    tally
}

/// Has an agent write behind what a killed one left of a line.
///
/// The story: a kill in the middle of a write cuts it where a page of the file ends. What the agent wrote after its next start
/// stood behind that piece in the same line, and whoever reads lines lost a whole record. To see it, no kill is needed.
pub(super) fn behind_a_piece(dir: &Path, start: &dyn Fn() -> Running) {
    const RECORDS: usize = 10;
    let (spool, out) = (dir.join("spool"), dir.join("dedicated.ndjson"));
    fs::create_dir(&spool).unwrap();
    let lines: Vec<_> = (1..=RECORDS).map(|id| event(id, "")).collect();
    fs::write(spool.join(format!("innertrail-{:020}.ndjson", 0)), lines.join("\n") + "\n").unwrap();
    let piece = &lines[0][..100];
    fs::write(&out, piece).unwrap();
    let (running, end) = (start(), format!("{}\n", lines[RECORDS - 1]));
    let text = || fs::read_to_string(&out).unwrap();
    wait_for("the last line", || text().ends_with(&end));
    running.end();
    let text = text();
    let (piece_alone, behind) = text.split_once('\n').unwrap();
    assert_eq!(piece_alone, piece, "a record stands behind a piece in its line");
    assert_eq!(behind.trim_start(), lines.join("\n") + "\n");
    assert!(text.lines().filter(|line| line.is_empty()).count() <= 1, "more than a start needs: {text}");
}

/// Waits until `done`, or fails with what `told` says.
pub(super) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(100));
    }
}
