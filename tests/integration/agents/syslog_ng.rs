//! syslog-ng with the printed blocks: the Python parser in front of the gate, and `program()` fed by `tail`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use innertrail_logstore::Store;
use innertrail_logstore::consumer::{GroupOptions, Groups};

use super::real::{
    Agent, KILLS, Running, Start, Tally, backlog, behind_a_piece, block, each_by_its_own_answer, gate_config, ids,
    is_refused, kept, port, send, send_from_many, wait_for,
};
use crate::harness::{config, event, run};

fn find(test: &str) -> Option<Agent> {
    Agent::find("INNERTRAIL_SYSLOG_NG", "syslog-ng", test)
}

/// Starts syslog-ng in `dir`; `None` when its Python module cannot be used here.
fn start(agent: &Agent, dir: &Path, config: &str, python: bool) -> Option<Running> {
    checked(agent, dir, config, python).map(|mut command| Running::start(&mut command))
}

/// A command of syslog-ng in `dir` on the block, held to being a configuration of it; `None` when its Python module is
/// wanted and cannot be used here.
pub(crate) fn checked(agent: &Agent, dir: &Path, config: &str, python: bool) -> Option<Command> {
    let file = dir.join("syslog-ng.conf");
    fs::write(&file, format!("@version: 3.38\n{config}")).unwrap();
    let mut command = agent.command();
    command.arg("-f").arg(&file).arg("-R").arg(dir.join("persist"));
    if let Some(path) = modules(agent, dir) {
        command.arg(format!("--module-path={path}")).env("PYTHONHOME", "/usr");
    }
    let mut check = agent.command();
    for (name, value) in command.get_envs() {
        check.env(name, value.unwrap());
    }
    let checked = check.args(command.get_args()).arg("--syntax-only").output().unwrap();
    let told = String::from_utf8_lossy(&checked.stderr).into_owned();
    if python && !checked.status.success() && told.contains("python") && !told.contains("InnertrailGate") {
        println!("SKIPPED: this syslog-ng has no Python: {}", told.lines().next().unwrap_or_default());
        return None;
    }
    assert!(checked.status.success(), "syslog-ng does not take the block: {told}");
    command.args(["-F", "--no-caps"]).arg("-p").arg(dir.join("pid")).arg("-c").arg(dir.join("ctl"));
    Some(command)
}

/// Where the modules of an unpacked syslog-ng are; `None` for an installed one, which knows.
fn modules(agent: &Agent, dir: &Path) -> Option<String> {
    let inside = |dir: &Path| fs::read_dir(dir).into_iter().flatten().map(|e| e.unwrap().path()).collect::<Vec<_>>();
    let versions = agent.libraries().into_iter().filter(|dir| dir.ends_with("syslog-ng"));
    let modules = versions.flat_map(|dir| inside(&dir)).find(|dir| dir.join("libaffile.so").exists())?;
    // Unpacked by hand, the Python module has a name that syslog-ng does not look for.
    let links = dir.join("modules");
    if !links.exists() {
        fs::create_dir(&links).unwrap();
        let module = inside(&modules).into_iter().find(|path| path.to_string_lossy().contains("libmod-python."));
        if let Some(module) = module {
            symlink(module, links.join("libmod-python.so")).unwrap();
        }
    }
    Some(format!("{}:{}", modules.display(), links.display()))
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap_or_default()
}

#[test]
fn nothing_passes_the_parser_unjudged() {
    let Some(agent) = find("the parser") else { return };
    let dir = tempfile::tempdir().unwrap();
    gate_config(dir.path());
    let port = port();
    let source =
        format!("source s_src {{ network(ip(127.0.0.1) port({port}) transport(tcp) log-msg-size(1048576)); }};\n");
    let block = source + &block("syslog-ng", "parser", dir.path());
    let Some(running) = start(&agent, dir.path(), &block, true) else { return };
    let (mut kills, mut last, begun) = (0, Instant::now(), Instant::now());
    let sent = send(port, Duration::from_millis(10), &mut |id| {
        if id > 0 && last.elapsed() > Duration::from_millis(100) && kills < KILLS && running.kill_innertrail() {
            (kills, last) = (kills + 1, Instant::now());
        }
        assert!(begun.elapsed() < Duration::from_secs(110), "only {kills} kills");
        kills == KILLS && last.elapsed() > Duration::from_secs(1)
    });
    let end = format!("id-{:06}", sent - 1);
    wait_for("the last message", || {
        read(dir.path(), "passed.log").contains(&end) || read(dir.path(), "unjudged.log").contains(&end)
    });
    // The very last one may be an operation log, which is in neither.
    std::thread::sleep(Duration::from_secs(1));
    running.end();
    let (passed, unjudged) = (ids(&read(dir.path(), "passed.log")), ids(&read(dir.path(), "unjudged.log")));
    let refused = ids(&kept(&dir.path().join("gate"), "quarantine"));
    let tally = Tally::of(sent, &[&passed, &unjudged, &refused]);
    println!(
        "parser: {sent} sent, {KILLS} kills: {} lost, {} twice, {} unjudged and kept apart",
        tally.lost.len(),
        tally.duplicated,
        unjudged.len()
    );
    assert_eq!(tally.lost, Vec::<usize>::new());
    assert!(passed.keys().all(|id| !is_refused(*id)), "an operation log passed");
    assert!(refused.keys().all(|id| is_refused(*id)), "an ordinary message was refused");
    assert!(passed.len() > sent / 2, "hardly anything was judged");
}

/// The story: syslog-ng calls one parser from all its threads, and holds Python's lock alone, which is let go of while an answer
/// is waited for. So answers went to other messages: of 400 forged operation logs 266 passed, of 400 ordinary messages 267 were
/// gone, and two programs were started of which one died.
#[test]
fn each_of_many_connections_is_judged_by_its_own_answer() {
    let Some(agent) = find("many connections") else { return };
    let dir = tempfile::tempdir().unwrap();
    gate_config(dir.path());
    let port = port();
    let source = format!(
        "source s_src {{ network(ip(127.0.0.1) port({port}) transport(tcp) log-msg-size(1048576) max-connections(50) \
         log-iw-size(5000)); }};\n"
    );
    let block = source + &block("syslog-ng", "parser", dir.path());
    let Some(running) = start(&agent, dir.path(), &block, true) else { return };
    let half = send_from_many(port);
    let data = dir.path().join("gate");
    wait_for("all of them", || {
        let judged = read(dir.path(), "passed.log").lines().count() + read(dir.path(), "unjudged.log").lines().count();
        // A reader is shown the newest record only when the writer goes on or ends.
        judged >= half && ids(&kept(&data, "quarantine")).len() + 1 >= half
    });
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(running.count_innertrail(), 1, "programs of the parser");
    running.end();
    let elsewhere = [read(dir.path(), "unjudged.log"), read(dir.path(), "dedicated.log")];
    let refused = kept(&data, "quarantine");
    let elsewhere = [elsewhere[0].as_str(), elsewhere[1].as_str()];
    each_by_its_own_answer("syslog-ng's parser", half, &read(dir.path(), "passed.log"), &refused, &elsewhere);
}

/// A gate that refuses what begins with `evil`. The hash of a line says where it is unfaithful: it gives the answer to another
/// line, says nothing, says half an answer, or ends itself.
const UNFAITHFUL: &str = r#"
import hashlib, json, sys, time
last = "0" * 64
for line in iter(sys.stdin.buffer.readline, b""):
    line = line[:-1]
    own = hashlib.sha256(line).hexdigest()
    answer = {"route": "quarantine" if line.startswith(b"evil") else "passthrough", "line": own}
    fault = int(own[:2], 16) % 64
    if fault == 0:
        time.sleep(600)
    if fault == 1:
        sys.exit(1)
    if fault == 2:
        print("{", flush=True)
    if fault in (3, 4, 5):
        answer = {"route": "passthrough", "line": last}
    last = own
    print(json.dumps({"$!": {"innertrail": answer}}), flush=True)
"#;

/// Eight threads over two instances of the class: lines that got a wrong route, were judged though their answer was none,
/// were not judged though it was one, and those of each outcome.
const THREADS: &str = r#"
import hashlib, sys, threading
source, gate = open(sys.argv[1]).read(), sys.argv[2]
names = {}
exec(source.replace("settimeout(60)", "settimeout(3)"), names)
parsers = [names["InnertrailGate"]() for _ in range(2)]
assert all(parser.init({"command": sys.executable + " " + gate}) for parser in parsers)
seen, wrong, believed, doubted = {"passthrough": 0, "quarantine": 0, "unjudged": 0}, [], [], []
def work(at):
    for number in range(50):
        text = ("evil" if number % 2 else "fine") + "-%d-%d" % (at, number)
        message = {"MESSAGE": text.encode() if at % 3 else text}
        route = message[".innertrail.route"] if parsers[at % 2].parse(message) else "unjudged"
        seen[route] += 1
        faulty = int(hashlib.sha256(text.encode()).hexdigest()[:2], 16) % 64 < 6
        if route == ("passthrough" if number % 2 else "quarantine"):
            wrong.append(text)
        if faulty != (route == "unjudged"):
            (believed if faulty else doubted).append(text)
threads = [threading.Thread(target=work, args=(at,)) for at in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
[parser.deinit() for parser in parsers]
print(len(wrong), len(believed), len(doubted), seen["passthrough"], seen["quarantine"], seen["unjudged"])
"#;

/// A program that answers the wrong question, not at all, or dies: the message takes the fallback path, nothing hangs, and
/// the next message has a new program. No syslog-ng is needed: the class is taken from the printed block.
#[test]
fn the_class_believes_no_answer_to_another_line_and_waits_for_none_for_ever() {
    let python = std::env::var("INNERTRAIL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if !Command::new(&python).arg("--version").output().is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: no {python} for the parser's class; name one with INNERTRAIL_PYTHON");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let block = block("syslog-ng", "parser", dir.path());
    let class = block.split_once("python {\n").unwrap().1.split_once("\n};").unwrap().0;
    let [class_file, gate, threads] = ["class.py", "gate.py", "threads.py"].map(|name| dir.path().join(name));
    for (path, text) in [(&class_file, class), (&gate, UNFAITHFUL), (&threads, THREADS)] {
        fs::write(path, text).unwrap();
    }
    let begun = Instant::now();
    let output = Command::new(&python).arg(&threads).arg(&class_file).arg(&gate).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let counts: Vec<usize> = told.split_whitespace().map(|count| count.parse().unwrap()).collect();
    println!("the class, 400 lines: [wrong, believed, doubted, passed, refused, unjudged] {counts:?}");
    assert_eq!((&counts[..3], counts[3..].iter().sum::<usize>()), (&[0, 0, 0][..], 400));
    assert!(counts[5] > 20, "hardly any answer was unfaithful: {counts:?}");
    assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
}

/// What was written to the pipe is read even when the program is gone, so only the agent's death loses something.
#[test]
fn program_gets_every_record_of_a_killed_tail() {
    const RECORDS: usize = 20_000;
    let Some(agent) = find("program()") else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    fs::write(&file, (1..=RECORDS).map(|id| event(id, "") + "\n").collect::<String>()).unwrap();
    run(&["run", "--once", "--config", &config(dir.path(), file.to_str().unwrap(), "")], 0);
    let data = dir.path().join("data");
    // A killed consumer's lease has to run out before the next one begins; ten seconds are too long for twenty kills.
    let options = GroupOptions { timeout_us: 1_000_000, ..GroupOptions::default() };
    let groups = Groups::open(&data).unwrap();
    groups.create("syslog-ng", Store::Log, options, 1).unwrap();
    let block = block("syslog-ng", "program", dir.path()).replace("-f --data-dir", "-f -n 1000000 --data-dir");
    let Some(running) = start(&agent, dir.path(), &block, false) else { return };
    let (mut kills, mut last, begun) = (0, Instant::now(), Instant::now());
    let seen = || read(dir.path(), "dedicated.ndjson").lines().count();
    wait_for("a first record", || seen() > 0);
    while kills < KILLS {
        if last.elapsed() > Duration::from_millis(100) && running.kill_innertrail() {
            (kills, last) = (kills + 1, Instant::now());
        }
        assert!(begun.elapsed() < Duration::from_secs(110), "only {kills} kills");
        std::thread::sleep(Duration::from_millis(20));
    }
    let end = format!("{RECORDS:024X}");
    wait_for("the last record", || read(dir.path(), "dedicated.ndjson").contains(&end));
    std::thread::sleep(Duration::from_secs(1));
    running.end();
    let got = ids(&read(dir.path(), "dedicated.ndjson"));
    let tally = Tally::of(RECORDS, &[&got]);
    println!("program(): {RECORDS} records, {KILLS} kills: {} lost, {} twice", tally.lost.len(), tally.duplicated);
    assert_eq!(tally.lost, Vec::<usize>::new());
}

#[test]
fn the_spool_is_read_to_its_end() {
    const RECORDS: usize = 2000;
    let Some(agent) = find("the spool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    fs::create_dir(&spool).unwrap();
    let lines = (1..=RECORDS).map(|id| event(id, "") + "\n").collect::<String>();
    fs::write(spool.join("000001.ndjson"), &lines).unwrap();
    let Some(running) = start(&agent, dir.path(), &block("syslog-ng", "spool", dir.path()), false) else { return };
    wait_for("the file", || ids(&read(dir.path(), "dedicated.ndjson")).len() == RECORDS);
    running.end();
    let written = read(dir.path(), "dedicated.ndjson");
    assert_eq!(written.strip_prefix('\n'), Some(lines.as_str()), "a line was changed on the way");
}

#[test]
fn a_backlog_of_the_spool_survives_kills() {
    let Some(agent) = find("a backlog of the spool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let block = block("syslog-ng", "spool", dir.path());
    let tally = backlog("syslog-ng", dir.path(), Start::Parts, &|| start(&agent, dir.path(), &block, false).unwrap());
    // The story: two runs lost one line of 60,000 each, two waited in vain for all of them, one lost none. They were all there:
    // each stood behind what a kill had torn off another (see `behind_a_piece`). syslog-ng notes its place after a write.
    assert_eq!(tally.lost, Vec::<usize>::new());
    // What was written and not yet noted is one write, and that is 100 lines at most.
    assert!(tally.duplicated <= KILLS * 100, "{}", tally.duplicated);
}

#[test]
fn a_torn_line_spoils_no_other() {
    let Some(agent) = find("a torn line") else { return };
    let dir = tempfile::tempdir().unwrap();
    let block = block("syslog-ng", "spool", dir.path());
    behind_a_piece(dir.path(), &|| start(&agent, dir.path(), &block, false).unwrap());
}
