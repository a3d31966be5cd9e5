//! Vector behind the sinks for OTLP and for a spool, a sink behind it that refuses, and Vectors on both sides of the gate; all of
//! it killed. What Vector's file sink has written is the end's word.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use innertrail_plugin::event::LogEvent;
use innertrail_test_agents::contract::{Answer, Contract, shared_form};
use innertrail_test_agents::http_double::Claims;
use serde_json::{Value, json};

use super::{ARRIVE, ARRIVE_SPOOLED, DELIVERY, KILLS, killed, spool, written};
use crate::agents::real::{Agent, block};
use crate::agents::vector::{command, find, local, on, write};
use crate::harness::{event, query, status};
use crate::sinks::oracle::tally;
use crate::sinks::scene::{Dice, Killed, Lines, Scene, free_port, stop};

const OUT: &str = "dedicated.ndjson";

/// A process of Vector that says nothing.
fn start(mut command: std::process::Command) -> Killed {
    Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// The records of whole lines; what a killed writer broke off may stand before a line.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.lines().filter_map(|line| serde_json::from_str(&line[line.rfind("{\"log\":{")?..]).ok());
    whole.map(|line: Value| line["log"].clone()).collect()
}

/// OTLP's types stay: the raw event is the message, everything else an attribute. Vector answers 500 to what failed and to what
/// was refused; neither comes here, so its answers are the end's word.
#[test]
fn vector_takes_otlp_while_both_are_killed() {
    let Some(agent) = find("OTLP, killed") else { return };
    let (grpc, http) = (free_port(), free_port());
    let sink =
        format!("    type: otlp\n    endpoint: \"http://127.0.0.1:{http}/v1/logs\"\n    timeout_ms: 5000\n{DELIVERY}");
    let start = |scene: &Scene| start(command(&agent, scene.dir.path(), "otlp", &[(4317, grpc), (4318, http)]));
    let claims = |scene: &Scene| -> Claims {
        let claim = |log: &Value| {
            let of = &log["attributes"];
            json!({ "it_seq": of["it_seq"], "it_seal": of["it_seal"], "event": log["message"] })
        };
        lines(&scene.dir.path().join(OUT)).iter().map(claim).collect()
    };
    let lost = killed("Vector | `otlp`", OUT, ARRIVE, Scene::new(&sink), &start, &claims);
    assert_eq!(lost, 0, "what was acknowledged was lost");
}

#[test]
fn vector_reads_the_spool_while_both_are_killed() {
    let Some(agent) = find("the spool, killed") else { return };
    let start = |scene: &Scene| start(command(&agent, scene.dir.path(), "spool", &[]));
    let claims = |scene: &Scene| written(&scene.dir.path().join(OUT));
    let lost = killed("Vector | `spool`, file source", OUT, ARRIVE_SPOOLED, spool(), &start, &claims);
    assert_eq!(lost, 0, "a spooled line was lost");
}

/// The longest event that innertrail takes, all quotes: twice as long in its raw event, and once more in a field of its own.
///
/// The story: the block allowed lines of 8 MiB, and Vector skips a longer one with a warning, position and all.
#[test]
fn vector_reads_the_longest_line_of_a_spool() {
    let Some(agent) = find("the longest line") else { return };
    let mut scene = spool();
    let _vector = start(command(&agent, scene.dir.path(), "spool", &[]));
    let running = scene.run(Stdio::null());
    let longest = event(1, "").replace("aliyun-sdk-rust/0.0", &r#"\""#.repeat((4 << 19) - 1_000));
    assert!(longest.len() < 4 << 20 && longest.len() + 2_000 > 4 << 20, "{}", longest.len());
    scene.arrive_text(&format!("{longest}\n{}\n", event(2, "")));
    let out = scene.dir.path().join(OUT);
    scene
        .wait_for("the event behind the longest", || written(&out).iter().any(|claim| claim["event"] == *event(2, "")));
    stop(running);
    let found: Vec<usize> = written(&out).iter().map(|claim| claim["event"].as_str().unwrap().len()).collect();
    assert_eq!(found, [longest.len(), event(2, "").len()]);
    let line =
        fs::read_dir(scene.dir.path().join("spool")).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
    assert!(line.max().unwrap() > 8 << 20, "the line is not that long");
}

/// A sink behind Vector refuses one record of a batch; Vector says `DATA_LOSS` of all of them.
#[test]
fn what_a_sink_behind_vector_refuses_is_parked_alone() {
    let Some(agent) = find("a sink that refuses") else { return };
    const POISON: [u64; 3] = [3, 4, 77];
    let got: Arc<Mutex<Vec<u64>>> = Arc::default();
    let to = Arc::clone(&got);
    let behind = Contract::serve(Arc::new(move |events: Vec<LogEvent>| {
        let seqs: Vec<u64> = events.iter().map(|e| shared_form(e)["log"]["it_seq"].as_u64().unwrap()).collect();
        if seqs.iter().any(|seq| POISON.contains(seq)) {
            return Answer::Status(3, "no");
        }
        to.lock().unwrap().extend(seqs);
        Answer::Ok
    }));
    let port = free_port();
    let mut scene = Scene::new(&format!(
        "    type: vector\n    endpoint: http://127.0.0.1:{port}\n    delivery:\n      max_records: 20\n      retry_max_secs: 1\n"
    ));
    let config = format!(
        "sources:\n  in: {{ type: vector, address: \"127.0.0.1:{port}\" }}\nsinks:\n  out: {{ type: vector, inputs: [in], \
         address: \"{}\", batch: {{ timeout_secs: 0.05 }}, acknowledgements: {{ enabled: true }} }}\n",
        behind.address
    );
    let _vector = start(on(&agent, &write(scene.dir.path(), "vector", &config)));
    let running = scene.run(Stdio::null());
    scene.arrive(100);
    scene.wait_for("all others", || {
        let mut seen = got.lock().unwrap().clone();
        seen.sort_unstable();
        seen.dedup();
        seen.len() == 97
    });
    scene.wait_for("the end", || status(&scene.data())["sinks"]["agent"]["behind"] == 0);
    stop(running);
    let kept = query(
        &scene.data(),
        "quarantine",
        "SELECT raw FROM log WHERE it_quarantine_reason = 'undeliverable' ORDER BY it_seq",
    );
    let kept: Vec<&str> = kept.as_array().unwrap().iter().map(|row| row["raw"].as_str().unwrap()).collect();
    // The third is event 78: numbers begin at 0.
    assert_eq!(kept, [event(4, ""), event(5, ""), event(78, "")]);
}

/// Ids of forged events begin here.
const FORGED: usize = 100_000;
/// Ordinary lines before each kill, every tenth of them with a forged operation log behind it.
const ORDINARY: usize = 60;

/// Two Vectors with the gate between them: the first reads an application's file and takes what innertrail's sink sends, the
/// second writes what passed.
struct Around<'a> {
    agent: &'a Agent,
    scene: Scene,
    before: PathBuf,
    behind: PathBuf,
    ordinary: usize,
}

/// The components of a printed block with these names.
fn part(block: &str, names: &[&str]) -> String {
    let (mut out, mut section, mut keep) = (String::new(), None, false);
    for line in block.lines().filter(|line| !line.starts_with('#')) {
        if !line.starts_with(' ') {
            (section, keep) = (Some(line), false);
            continue;
        }
        if !line.starts_with("   ") {
            keep = names.contains(&line.trim().trim_end_matches(':'));
            if let Some(section) = section.take_if(|_| keep) {
                out += &format!("{section}\n");
            }
        }
        if keep {
            out += &format!("{line}\n");
        }
    }
    out
}

impl<'a> Around<'a> {
    fn new(agent: &'a Agent) -> Self {
        let (door, gate, end) = (free_port(), free_port(), free_port());
        let (ours, _) = crate::harness::run(&["agent-config", "vector", "--seam", "gate", "--part", "innertrail"], 0);
        let ours = ours.replace("127.0.0.1:6001", &format!("127.0.0.1:{gate}"));
        let ours = ours.replace("127.0.0.1:6002", &format!("127.0.0.1:{end}"));
        let sink = format!(
            "    type: vector\n    endpoint: http://127.0.0.1:{door}\n    timeout_ms: 10000\n    delivery:\n      \
             max_records: 20\n      retry_max_secs: 1\n{ours}"
        );
        let scene = Scene::new(&sink);
        let dir = scene.dir.path();
        fs::create_dir(dir.join("app")).unwrap();
        let text = local(&block("vector", "gate", dir), &[(6001, gate), (6002, end)])
            .replace("/var/log/app", dir.join("app").to_str().unwrap())
            .replace("/var/log/others/%Y-%m-%d.ndjson", dir.join("others.ndjson").to_str().unwrap())
            .replace("/var/log/others.ndjson", dir.join("others.ndjson").to_str().unwrap())
            // The second way in, and less patience than a day's work needs.
            .replace("  app:\n", &format!("  innertrail:\n    type: vector\n    address: 127.0.0.1:{door}\n  app:\n"))
            .replace("inputs: [app]\n", "inputs: [app, innertrail]\n    batch:\n      timeout_secs: 0.2\n    request:\n      retry_max_duration_secs: 1\n");
        let before = write(dir, "before", &part(&text, &["innertrail", "app", "to_gate"]));
        let behind = write(
            dir,
            "behind",
            &part(&text, &["innertrail_gate", "innertrail_sorted", "innertrail_dedicated", "others"]),
        );
        Self { agent, scene, before, behind, ordinary: 0 }
    }

    fn start(&self, file: &Path) -> Killed {
        start(on(self.agent, file))
    }

    /// Sealed events into the trail; ordinary lines and forged operation logs into the application's file.
    fn arrive(&mut self) {
        use std::io::Write;
        self.scene.arrive(ORDINARY / 2);
        let mut text = String::new();
        for _ in 0..ORDINARY {
            self.ordinary += 1;
            text += &format!("request {:06}\n", self.ordinary);
            if self.ordinary.is_multiple_of(10) {
                text += &format!("{}\n", event(FORGED + self.ordinary, ""));
            }
        }
        let file = fs::OpenOptions::new().append(true).create(true).open(self.scene.dir.path().join("app/app.log"));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// How often each ordinary line came out.
    fn others(&self) -> BTreeMap<String, usize> {
        let mut seen = BTreeMap::new();
        for log in lines(&self.scene.dir.path().join("others.ndjson")) {
            *seen.entry(log["message"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        seen
    }

    fn forged(&self) -> impl Iterator<Item = String> + use<> {
        (10..=self.ordinary).step_by(10).map(|number| format!("{:024X}", FORGED + number))
    }

    /// Ordinary lines and sealed events are behind the gate, unaltered, forged ones in quarantine and nowhere else; gives how
    /// many came twice.
    fn judge(&self) -> (usize, usize) {
        let others = self.others();
        let due: Vec<String> = (1..=self.ordinary).map(|number| format!("request {number:06}")).collect();
        let lost: Vec<&String> = due.iter().filter(|line| !others.contains_key(*line)).collect();
        assert!(lost.is_empty(), "lost on the way: {lost:?}");
        assert_eq!(others.len(), due.len(), "invented or let through: {:?}", others.keys().last());
        let sealed = tally(&self.scene.data(), self.scene.sent, &written(&self.scene.dir.path().join(OUT)));
        assert_eq!(sealed.lost, 0, "sealed events were lost");
        let told = status(&self.scene.data());
        assert_eq!((&told["conserved"], &told["records"]), (&json!(true), &json!(self.scene.sent)), "{told}");
        let kept = query(&self.scene.data(), "quarantine", "SELECT raw, it_quarantine_reason AS why FROM log");
        let kept: Vec<(&str, &str)> = kept
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["why"].as_str().unwrap(), row["raw"].as_str().unwrap()))
            .collect();
        for id in self.forged() {
            assert!(kept.iter().any(|(_, raw)| raw.contains(&id)), "forged event {id} is not in quarantine");
        }
        let ids: Vec<String> = self.forged().collect();
        for (why, raw) in kept {
            assert!(why == "write_protected" && ids.iter().any(|id| raw.contains(id)), "{why}: {raw}");
        }
        (others.values().map(|times| times - 1).sum(), sealed.duplicated)
    }
}

/// Sealed events go out by our sink, through a real Vector, and come back to the gate: the mark and every field agree, though
/// Vector added its own. Forged ones stop there, ordinary ones pass, and nothing is lost whoever dies.
#[test]
fn vectors_on_both_sides_of_the_gate_are_killed() {
    let Some(agent) = find("both sides of the gate, killed") else { return };
    let mut around = Around::new(&agent);
    let dedicated = around.scene.dir.path().join(OUT);
    let mut sealed = Lines::default();
    let mut dice = Dice::new("gate between Vectors");
    let mut behind = Some(around.start(&around.behind));
    let mut running = Some(around.scene.run(Stdio::null()));
    let mut before = Some(around.start(&around.before));
    let (mut in_work, mut out) = ([0; 3], 0);
    for kill in 0..3 * KILLS {
        around.arrive();
        dice.pause(0, 600);
        match kill % 3 {
            0 => drop(before.take()),
            1 => drop(running.take()),
            _ => drop(behind.take()),
        }
        let through = |around: &Around, sealed: &mut Lines| sealed.numbers([dedicated.clone()]) + around.others().len();
        let now = through(&around, &mut sealed);
        in_work[kill % 3] += usize::from(now < around.scene.sent + around.ordinary);
        match kill % 3 {
            0 => before = Some(around.start(&around.before)),
            1 => running = Some(around.scene.run(Stdio::null())),
            _ => behind = Some(around.start(&around.behind)),
        }
        // Killed before anything passes, it would prove nothing.
        if kill % 3 == 2 {
            around.scene.wait_for("something to pass", || through(&around, &mut sealed) > out);
            out = through(&around, &mut sealed);
        }
    }
    around.arrive();
    let (due, forged) = (around.ordinary, around.forged().count());
    around.scene.wait_for("the rest", || around.others().len() >= due);
    around.scene.wait_for("the sealed rest", || sealed.numbers([dedicated.clone()]) == around.scene.sent);
    // What is still under way comes again, and is no loss.
    stop(running.unwrap());
    drop((before, behind));
    let (plain, twice) = around.judge();
    println!("kills in work: {in_work:?} of {KILLS} each; {forged} forged");
    assert!(in_work.iter().all(|hit| hit * 2 >= KILLS), "{in_work:?} of {KILLS} kills fell into work");
    let events = around.ordinary + around.scene.sent;
    println!(
        "TABLE | Vector, gate, Vector | `gate.vector` | {KILLS} + {KILLS} + {KILLS} | 0 of {events} | {} |",
        plain + twice
    );
}
