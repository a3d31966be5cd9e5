//! rsyslog with the printed blocks: judged on the way (`mmexternal`) and kept (`omprog`), with innertrail killed 20 times.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::real::{
    Agent, KILLS, Running, Start, Tally, backlog, behind_a_piece, block, each_by_its_own_answer, gate_config, ids,
    is_refused, kept, port, send, send_from_many, wait_for,
};
use crate::harness::{event, status};

/// A command of rsyslog on the block, with a TCP input in front of it; held to being a configuration of rsyslog.
pub(crate) fn checked(agent: &Agent, dir: &Path, block: &str, port: u16) -> Command {
    checked_into(agent, dir, block, port, "innertrail")
}

fn checked_into(agent: &Agent, dir: &Path, block: &str, port: u16, ruleset: &str) -> Command {
    let modules: Vec<_> = agent.libraries().iter().map(|dir| dir.join("rsyslog")).filter(|dir| dir.is_dir()).collect();
    let config = format!(
        "global(workDirectory=\"{0}\" maxMessageSize=\"1m\" processInternalMessages=\"on\")\n\
         module(load=\"imptcp\")\n\
         {block}\n\
         input(type=\"imptcp\" address=\"127.0.0.1\" port=\"{port}\" ruleset=\"{ruleset}\")\n\
         action(type=\"omfile\" file=\"{0}/internal.log\")\n",
        dir.display()
    );
    let file = dir.join("rsyslog.conf");
    fs::write(&file, config).unwrap();
    let mut command = agent.command();
    command.arg("-f").arg(&file).arg("-i").arg(dir.join("rsyslog.pid"));
    if let Some(modules) = modules.first() {
        command.arg("-M").arg(modules);
    }
    let mut check = agent.command();
    let checked = check.args(command.get_args()).arg("-N1").output().unwrap();
    let told = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success() && !told.contains("error"), "rsyslog does not take the block: {told}");
    command
}

fn start(agent: &Agent, dir: &Path, block: &str, port: u16) -> Running {
    Running::start(checked(agent, dir, block, port).arg("-n"))
}

/// The same with the input bound to another ruleset.
fn start_into(agent: &Agent, dir: &Path, block: &str, port: u16, ruleset: &str) -> Running {
    Running::start(checked_into(agent, dir, block, port, ruleset).arg("-n"))
}

/// Sends until innertrail was killed often enough; gives how many messages that were.
fn send_and_kill(running: &Running, port: u16, pause: Duration) -> usize {
    let (mut kills, mut last) = (0, Instant::now());
    let begun = Instant::now();
    send(port, pause, &mut |id| {
        if id > 0 && last.elapsed() > Duration::from_millis(150) && kills < KILLS && running.kill_innertrail() {
            (kills, last) = (kills + 1, Instant::now());
        }
        assert!(
            begun.elapsed() < Duration::from_secs(110),
            "innertrail was started {kills} times in {:?}",
            begun.elapsed()
        );
        kills == KILLS && last.elapsed() > Duration::from_secs(3)
    })
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap_or_default()
}

/// The story: rsyslog passes a message on without an answer when the program dies on it. The printed block has to keep
/// such a message apart.
#[test]
fn nothing_passes_mmexternal_unjudged() {
    let Some(agent) = Agent::find("INNERTRAIL_RSYSLOGD", "rsyslogd", "mmexternal") else { return };
    let dir = tempfile::tempdir().unwrap();
    gate_config(dir.path());
    let port = port();
    let running = start(&agent, dir.path(), &block("rsyslog", "mmexternal", dir.path()), port);
    let sent = send_and_kill(&running, port, Duration::from_millis(10));
    wait_for("the last message", || {
        read(dir.path(), "passed.log").contains(&format!("id-{:06}", sent - 1))
            || read(dir.path(), "unjudged.log").contains(&format!("id-{:06}", sent - 1))
    });
    // The very last one may be an operation log, which is in neither.
    std::thread::sleep(Duration::from_secs(1));
    running.end();
    let (passed, unjudged) = (ids(&read(dir.path(), "passed.log")), ids(&read(dir.path(), "unjudged.log")));
    let refused = ids(&kept(&dir.path().join("gate"), "quarantine"));
    let tally = Tally::of(sent, &[&passed, &unjudged, &refused]);
    println!(
        "mmexternal: {sent} sent, {KILLS} kills: {} lost, {} twice, {} unjudged and kept apart",
        tally.lost.len(),
        tally.duplicated,
        unjudged.len()
    );
    assert!(passed.keys().all(|id| !is_refused(*id)), "an operation log passed");
    assert!(refused.keys().all(|id| is_refused(*id)), "an ordinary message was refused");
    assert_eq!(tally.lost, Vec::<usize>::new(), "{}", read(dir.path(), "internal.log"));
    assert!(passed.len() > sent / 2, "hardly anything was judged");
    assert!(!dir.path().join("dedicated.log").exists());
    assert_eq!(status(&dir.path().join("gate"))["conserved"], true);
}

/// The story: rsyslog starts the program once for each worker of the queue that the ruleset runs in, whatever
/// `forceSingleInstance` says; that only keeps them from asking at once. The second gate finds the first one's lock and dies, and
/// under a main queue of four workers rsyslog stood still: 14 of 5,000 messages came out. The block has a queue of one worker.
#[test]
fn each_of_many_connections_is_judged_by_its_own_answer() {
    let Some(agent) = Agent::find("INNERTRAIL_RSYSLOGD", "rsyslogd", "many connections") else { return };
    let dir = tempfile::tempdir().unwrap();
    gate_config(dir.path());
    let port = port();
    let workers =
        "main_queue(queue.workerThreads=\"4\" queue.workerThreadMinimumMessages=\"1\" queue.dequeueBatchSize=\"8\")\n";
    let called = "ruleset(name=\"in\") { call innertrail }\n";
    let block = format!("{workers}{}{called}", block("rsyslog", "mmexternal", dir.path()));
    // Through a ruleset of the main queue, as the block says, so that all its workers hand messages on.
    let running = start_into(&agent, dir.path(), &block, port, "in");
    let half = send_from_many(port);
    let data = dir.path().join("gate");
    wait_for("all of them", || {
        let elsewhere = read(dir.path(), "unjudged.log").lines().count();
        // A reader is shown the newest record only when the writer goes on or ends.
        let refused = ids(&kept(&data, "quarantine")).len();
        read(dir.path(), "passed.log").lines().count() + elsewhere >= half && refused + 1 >= half
    });
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(running.count_innertrail(), 1, "programs of the action");
    running.end();
    let (refused, passed) = (kept(&data, "quarantine"), read(dir.path(), "passed.log"));
    let elsewhere = [read(dir.path(), "unjudged.log"), read(dir.path(), "dedicated.log")];
    let elsewhere = [elsewhere[0].as_str(), elsewhere[1].as_str()];
    each_by_its_own_answer("rsyslog's mmexternal", half, &passed, &refused, &elsewhere);
}

#[test]
fn omprog_keeps_what_it_confirmed() {
    let Some(agent) = Agent::find("INNERTRAIL_RSYSLOGD", "rsyslogd", "omprog") else { return };
    let dir = tempfile::tempdir().unwrap();
    gate_config(dir.path());
    let port = port();
    let running = start(&agent, dir.path(), &block("rsyslog", "omprog", dir.path()), port);
    let sent = send_and_kill(&running, port, Duration::from_millis(200));
    let data = dir.path().join("gate");
    let last = format!("id-{:06}", sent - 1);
    wait_for("the last message", || kept(&data, "passthrough").contains(&last));
    running.end();
    let (passed, refused) = (ids(&kept(&data, "passthrough")), ids(&kept(&data, "quarantine")));
    let tally = Tally::of(sent, &[&passed, &refused]);
    println!("omprog: {sent} sent, {KILLS} kills: {} lost, {} twice", tally.lost.len(), tally.duplicated);
    assert_eq!(tally.lost, Vec::<usize>::new(), "{}", read(dir.path(), "internal.log"));
    assert!(passed.keys().all(|id| !is_refused(*id)) && refused.keys().all(|id| is_refused(*id)));
    // At most the message under way is given twice at each kill.
    assert!(tally.duplicated <= KILLS, "{}", tally.duplicated);
    assert_eq!(status(&data)["conserved"], true);
}

/// A spool as a sink leaves it: whole lines, a file that is finished and one that grows.
#[test]
fn the_spool_is_read_to_its_end() {
    const RECORDS: usize = 2000;
    let Some(agent) = Agent::find("INNERTRAIL_RSYSLOGD", "rsyslogd", "the spool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    fs::create_dir(&spool).unwrap();
    let lines = |ids: std::ops::RangeInclusive<usize>| ids.map(|id| event(id, "") + "\n").collect::<String>();
    fs::write(spool.join("000001.ndjson"), lines(1..=RECORDS / 2)).unwrap();
    let running = start(&agent, dir.path(), &block("rsyslog", "spool", dir.path()), port());
    wait_for("the first file", || ids(&read(dir.path(), "dedicated.ndjson")).len() == RECORDS / 2);
    fs::write(spool.join("000002.ndjson"), lines(RECORDS / 2 + 1..=RECORDS)).unwrap();
    wait_for("the second file", || ids(&read(dir.path(), "dedicated.ndjson")).len() == RECORDS);
    running.end();
    let written = read(dir.path(), "dedicated.ndjson");
    assert_eq!(written.trim_start(), lines(1..=RECORDS).trim_start(), "a line was changed on the way");
}

#[test]
fn a_backlog_of_the_spool_survives_kills() {
    let Some(agent) = Agent::find("INNERTRAIL_RSYSLOGD", "rsyslogd", "a backlog of the spool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (block, port) = (block("rsyslog", "spool", dir.path()), port());
    let tally = backlog("rsyslog", dir.path(), Start::Parts, &|| start(&agent, dir.path(), &block, port));
    assert_eq!(tally.lost, Vec::<usize>::new(), "{}", read(dir.path(), "internal.log"));
}

#[test]
fn a_torn_line_spoils_no_other() {
    let Some(agent) = Agent::find("INNERTRAIL_RSYSLOGD", "rsyslogd", "a torn line") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (block, port) = (block("rsyslog", "spool", dir.path()), port());
    behind_a_piece(dir.path(), &|| start(&agent, dir.path(), &block, port));
}
