//! Enable, disable, retention, holds, journal, checkpoints and proofs, through the executable.
//!
//! The story: re-enabling Alibaba's own delivery sets the time-to-live to 180 days whatever it was, and about an hour
//! later what is older is deleted. Nothing here may ever get shorter without being said, forced, waited for and written
//! down.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use innertrail_host_shim::clock::now_us;
use innertrail_host_shim::lifecycle::day::{DAY_US, day_of};
use innertrail_host_shim::lifecycle::key;
use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Options, Snapshot, Store, Writer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{config, event, innertrail, query, run, status, texts};

const TRAIL: &str = "main-trail";

struct Place {
    _parent: tempfile::TempDir,
    data: PathBuf,
    config: String,
    input: PathBuf,
}

impl Place {
    fn new() -> Self {
        Self::with("")
    }

    fn with(more: &str) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let input = parent.path().join("trail.json");
        let config = config(parent.path(), input.to_str().unwrap(), more);
        Self { data: parent.path().join("data"), config, input, _parent: parent }
    }

    fn dir(&self) -> &str {
        self.data.to_str().unwrap()
    }

    /// A command on this Logstore.
    fn tell(&self, args: &[&str], code: i32) -> (String, String) {
        run(&[args, &["--data-dir", self.dir()]].concat(), code)
    }

    fn json(&self, args: &[&str]) -> Value {
        let (out, _) = self.tell(&[args, &["--format", "json"]].concat(), 0);
        serde_json::from_str(&out).unwrap()
    }

    fn enable(&self, more: &[&str]) -> Value {
        self.json(&[&["enable", "--trail", TRAIL], more].concat())
    }

    fn days(&self) -> Value {
        status(&self.data)["lifecycle"]["retention_days"].clone()
    }

    fn ingest(&self, ids: std::ops::Range<usize>) -> String {
        let lines: Vec<String> = ids.map(|id| event(id, "")).collect();
        fs::write(&self.input, lines.join("\n") + "\n").unwrap();
        run(&["run", "--once", "--config", &self.config], 0).1
    }

    /// The journal's entries, oldest first.
    fn journal(&self) -> Vec<Value> {
        let rows = query(&self.data, "journal", "SELECT event FROM log ORDER BY it_seq");
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| serde_json::from_str(row["event"].as_str().unwrap()).unwrap())
            .collect()
    }

    fn kinds(&self) -> Vec<String> {
        self.journal().iter().map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// Appends `count` records to a store as if it were `days_ago`.
    fn append(&self, store: Store, days_ago: i64, count: usize) {
        let layout = Snapshot::open(&self.data).unwrap().layout().clone();
        let options = Options::new(key::open(&self.data, TRAIL).unwrap());
        let then = now_us() - days_ago * DAY_US;
        let mut writer = Writer::open(&self.data, TRAIL, layout, options, then).unwrap();
        let mut txn = writer.begin();
        for number in 0..count {
            let mut row = RowBuilder::new();
            row.begin(format!("{{\"n\":{number},\"days_ago\":{days_ago}}}").as_bytes());
            txn.push(store, row.finish(), 0);
        }
        if store == Store::Quarantine {
            txn.count("reason.undecodable", count as u64);
        }
        writer.commit(txn, then).unwrap();
        writer.close(then).unwrap();
    }
}

fn day(days_ago: i64) -> String {
    day_of(now_us() - days_ago * DAY_US).unwrap().to_string()
}

#[test]
fn the_first_run_enables_its_logstore_and_says_so() {
    let place = Place::new();
    let err = place.ingest(0..3);
    assert!(err.contains("never enabled") && err.contains("180 days"), "{err}");
    let entry = &place.journal()[0];
    assert_eq!(
        (&entry["kind"], &entry["by"], &entry["retention_days"]),
        (&json!("enabled"), &json!("run"), &json!(180))
    );
    let columns = query(&place.data, "journal", "SELECT eventName, it_actor, eventTime FROM log");
    assert_eq!((&columns[0]["eventName"], &columns[0]["it_actor"]), (&json!("enabled"), &json!("run")));
    assert_eq!(columns[0]["eventTime"], entry["time"]);
    let status = status(&place.data);
    assert_eq!(status["lifecycle"]["state"], "running");
    assert_eq!((&status["journal"], &status["kept"]["log"]["records"]), (&json!(1), &json!(3)));
    assert_eq!((&status["kept"]["log"]["first_day"], &status["seal"]["records"]), (&json!(day(0)), &json!(3)));
    assert_eq!(status["conserved"], true);
    let err = place.ingest(0..4);
    assert!(!err.contains("enabled"), "{err}");
    assert_eq!(place.kinds(), ["enabled"]);
    let (text, _) = place.tell(&["status"], 0);
    assert!(text.contains("running, enabled since 2") && text.contains("180 days"), "{text}");
}

#[test]
fn a_configured_retention_counts_at_first_and_changes_nothing_later() {
    let place = Place::with("logstore:\n  retention_days: 365\n");
    place.ingest(0..1);
    assert_eq!(place.days(), 365);
    config(place.data.parent().unwrap(), place.input.to_str().unwrap(), "logstore:\n  retention_days: 30\n");
    let err = place.ingest(0..2);
    assert!(err.contains("retention set 30"), "{err}");
    assert_eq!((place.days(), place.kinds()), (json!(365), vec!["enabled".to_owned()]));
}

#[test]
fn enabling_again_shortens_nothing() {
    let place = Place::new();
    let first = place.enable(&["--entitlement", "ticket-17", "--account", "1000000000000001"]);
    assert_eq!((&first["lifecycle"]["retention_days"], &first["old_retention_days"]), (&json!(180), &Value::Null));
    assert!(first["public_key"].as_str().unwrap().starts_with("innertrail/main-trail+"), "{first}");
    assert_eq!(fs::read_to_string(place.data.join("seal/seal.vkey")).unwrap().trim(), first["public_key"]);

    let longer = place.enable(&["--profile", "pci"]);
    assert_eq!((&longer["lifecycle"]["retention_days"], &longer["old_retention_days"]), (&json!(365), &json!(180)));
    assert_eq!(longer["lifecycle"]["entitlement"], "ticket-17");
    // The reset to 180 days that the vendor's own service makes.
    let (text, _) = place.tell(&["enable"], 0);
    assert!(text.contains("365 days, as before: the default of 180 days would shorten that"), "{text}");
    let (_, err) = place.tell(&["enable", "--retention", "90"], 2);
    assert!(err.contains("365 days") && err.contains("--force-retention"), "{err}");
    assert_eq!(place.days(), 365);
    // Even with force it is not shorter yet.
    let forced = place.enable(&["--retention", "90", "--force-retention"]);
    assert_eq!(forced["lifecycle"]["retention_days"], 365);
    assert_eq!(forced["lifecycle"]["retention_pending"]["days"], 90);
    let kinds = ["enabled", "retention_changed", "retention_changed"];
    assert_eq!(place.kinds(), kinds);
    let journal = place.journal();
    assert_eq!((&journal[0]["entitlement"], &journal[0]["account"]), (&json!("ticket-17"), &json!("1000000000000001")));
    assert_eq!((&journal[1]["old_days"], &journal[1]["new_days"]), (&json!(180), &json!(365)));
    assert_eq!((&journal[2]["old_days"], &journal[2]["new_days"]), (&json!(365), &json!(90)));
    assert!(journal[2]["effective"].as_str() > journal[2]["time"].as_str(), "{journal:?}");
    place.enable(&["--account", "1000000000000002"]);
    assert_eq!(place.journal()[3]["kind"], "account_state");
}

#[test]
fn a_retention_is_changed_only_with_words() {
    let place = Place::new();
    place.enable(&[]);
    let (out, _) = place.tell(&["retention", "set", "200"], 0);
    assert!(out.contains("200 days, before: 180 days"), "{out}");
    let (_, err) = place.tell(&["retention", "set", "--profile", "six-months"], 2);
    assert!(err.contains("--force-retention"), "{err}");
    place.tell(&["retention", "set", "30", "--force-retention", "--grace", "48"], 0);
    let shown = place.json(&["retention", "show"]);
    assert_eq!((&shown["retention_days"], &shown["retention_pending"]["days"]), (&json!(200), &json!(30)));
    let (out, _) = place.tell(&["retention", "set", "200"], 0);
    assert!(out.contains("called off"), "{out}");
    assert_eq!(place.json(&["retention", "show"])["retention_pending"], Value::Null);
    let (out, _) = place.tell(&["retention", "set", "200"], 0);
    assert!(out.contains("as before"), "{out}");
    let changed = "retention_changed";
    assert_eq!(place.kinds(), ["enabled", changed, changed, changed]);
    assert_eq!(place.journal()[3]["cancelled_days"], 30);
}

#[test]
fn a_disabled_logstore_takes_nothing_and_stays_readable() {
    let place = Place::new();
    place.ingest(0..3);
    place.tell(&["disable", "--reason", "moved \u{1b}[31m away"], 0);
    fs::write(&place.input, event(9, "") + "\n").unwrap();
    for command in ["run", "gate"] {
        let mut args = vec![command, "--config", &place.config];
        args.extend((command == "run").then_some("--once"));
        let output = innertrail(&args).stdin(Stdio::null()).output().unwrap();
        let (_, err) = texts(&output, &args, 2);
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(err.contains("is disabled since 2") && err.contains("innertrail enable"), "{err}");
    }
    assert_eq!(query(&place.data, "log", "SELECT count(*) AS c FROM log"), json!([{ "c": 3 }]));
    assert_eq!(status(&place.data)["lifecycle"]["state"], "disabled");
    let (out, _) = place.tell(&["disable"], 0);
    assert!(out.contains("already"), "{out}");
    place.enable(&[]);
    place.ingest(0..4);
    assert_eq!(status(&place.data)["records"], 4);
    assert_eq!(place.kinds(), ["enabled", "disabled", "enabled"]);
    assert_eq!(place.journal()[1]["reason"], "moved \u{1b}[31m away");
}

#[test]
fn whole_days_are_dropped_after_the_journal_says_so_and_held_ones_stay() {
    let place = Place::new();
    place.enable(&[]);
    for (store, days_ago, count) in [
        (Store::Log, 400, 5),
        (Store::Log, 200, 7),
        (Store::Quarantine, 300, 2),
        (Store::Log, 179, 3),
        (Store::Log, 0, 1),
    ] {
        place.append(store, days_ago, count);
    }
    assert_eq!(status(&place.data)["kept"]["log"]["first_day"], day(400));
    let shown = place.json(&["retention", "show"]);
    assert_eq!((&shown["due"][0]["records"], &shown["due"][1]["records"]), (&json!(12), &json!(2)));

    place.tell(&["hold", "set", "case-17", "--reason", "a claim", "--from", &day(300), "--to", &day(190)], 0);
    let applied = place.json(&["retention", "apply"]);
    let first = json!([{ "store": "log", "days": [day(400)], "records": 5, "bytes": applied["dropped"][0]["bytes"], "first_kept": 5 }]);
    assert_eq!(applied["dropped"], first);
    place.tell(&["hold", "release", "case-17"], 0);
    // A run drops as well, and goes on.
    let err = place.ingest(0..2);
    assert!(err.contains(&format!("retention dropped {} from log: 7 records", day(200))), "{err}");
    assert!(err.contains(&format!("retention dropped {} from quarantine: 2 records", day(300))), "{err}");
    let kept = status(&place.data)["kept"].clone();
    assert_eq!((&kept["log"]["first_seq"], &kept["log"]["records"]), (&json!(12), &json!(6)));
    assert_eq!((&kept["log"]["first_day"], &kept["quarantine"]), (&json!(day(179)), &Value::Null));
    let left = query(&place.data, "log", "SELECT min(it_seq) AS first, count(*) AS c FROM log");
    assert_eq!(left, json!([{ "first": 12, "c": 6 }]));
    let dropped: Vec<Value> = place.journal().into_iter().filter(|e| e["kind"] == "retention_dropped").collect();
    assert_eq!(dropped.len(), 3);
    assert_eq!(
        (&dropped[0]["store"], &dropped[0]["rows"], &dropped[0]["by"]),
        (&json!("log"), &json!(5), &json!("retention"))
    );
    assert_eq!((&dropped[1]["days"], &dropped[1]["by"]), (&json!([day(200)]), &json!("run")));
    assert_eq!((&dropped[2]["store"], &dropped[2]["first_kept"]), (&json!("quarantine"), &json!(2)));
    let old = place.data.join(format!("log/data/day={}", day(400)));
    assert!(!old.exists() || fs::read_dir(old).unwrap().count() == 0);
    assert_eq!(place.tell(&["retention", "apply"], 0).0, "nothing is too old\n");
}

#[test]
fn a_hold_is_set_once_and_its_words_are_shown_safely() {
    let place = Place::new();
    place.enable(&[]);
    let hostile = "claim \u{1b}]0;x\u{7}\u{202e}";
    place.tell(&["hold", "set", "case-1", "--reason", hostile], 0);
    for args in [&["hold", "list"][..], &["status"], &["retention", "show"]] {
        let (out, _) = place.tell(args, 0);
        assert!(out.contains("case-1") && out.contains("claim"), "{out}");
        assert!(!out.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{out:?}");
    }
    assert_eq!(place.json(&["hold", "list"])["holds"]["case-1"]["reason"], hostile);
    let (_, err) = place.tell(&["hold", "set", "case-1", "--reason", "narrower", "--to", "2020-01-01"], 2);
    assert!(err.contains("release it first"), "{err}");
    let (_, err) = place.tell(&["hold", "release", "case-\u{1b}2"], 2);
    assert!(err.contains("no hold") && !err.contains('\u{1b}'), "{err:?}");
    place.tell(&["hold", "release", "case-1"], 0);
    assert_eq!(place.kinds(), ["enabled", "hold_set", "hold_released"]);
    assert_eq!(place.tell(&["hold", "list"], 0).0, "no hold is set\n");
}

/// One entry a batch: who floods the gate must not flood the journal.
#[test]
fn refused_writes_are_in_the_journal_once_a_batch() {
    let place = Place::new();
    let args = ["gate", "--codec", "json", "--config", &place.config];
    let mut child =
        innertrail(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines: String = (0..100).map(|id| event(id, "") + "\n").collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let (out, err) = texts(&child.wait_with_output().unwrap(), &args, 0);
    assert_eq!(out, "");
    assert!(err.contains("never enabled"), "{err}");
    let journal = place.journal();
    assert_eq!((&journal[0]["kind"], &journal[0]["by"]), (&json!("enabled"), &json!("gate")));
    let refused = &journal[1..];
    assert!(!refused.is_empty() && refused.len() <= 3, "{refused:?}");
    assert!(
        refused.iter().all(|e| e["kind"] == "write_refused" && e["origin"].as_str().unwrap().starts_with("stdin/"))
    );
    assert_eq!(refused.iter().map(|e| e["count"].as_u64().unwrap()).sum::<u64>(), 100);
    assert!(!journal.iter().any(|e| e.to_string().contains("alice")), "an event's content is in the journal");
}

#[test]
fn a_torn_end_is_in_the_journal() {
    let place = Place::new();
    place.ingest(0..2);
    let wal = fs::read_dir(place.data.join("wal")).unwrap().next().unwrap().unwrap().path();
    fs::OpenOptions::new().append(true).open(wal).unwrap().write_all(b"half a frame").unwrap();
    place.ingest(0..3);
    let last = place.journal().pop().unwrap();
    assert_eq!((&last["kind"], &last["dropped_bytes"], &last["by"]), (&json!("recovered"), &json!(12), &json!("run")));
    assert_eq!(status(&place.data)["records"], 3);
}

#[test]
fn a_lost_or_open_key_and_a_busy_logstore_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.enable(&[]);
    let key = place.data.join("seal.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (_, err) = place.tell(&["disable"], 2);
    assert!(err.contains("seal.key") && err.contains("chmod 600"), "{err}");
    let away = place.data.with_extension("key");
    fs::rename(&key, &away).unwrap();
    let (_, err) = place.tell(&["enable"], 2);
    assert!(err.contains("seal.key") && err.contains("put the key back"), "{err}");
    fs::set_permissions(&away, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&away, &key).unwrap();

    let yaml = fs::read_to_string(&place.config).unwrap().replace("follow: false", "follow: true");
    fs::write(&place.config, yaml).unwrap();
    fs::write(&place.input, event(1, "") + "\n").unwrap();
    let mut running = innertrail(&["run", "--config", &place.config]).stdout(Stdio::null()).spawn().unwrap();
    for _ in 0..200 {
        if status(&place.data)["records"] == 1 {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    let (_, err) = place.tell(&["hold", "set", "case-1", "--reason", "x"], 2);
    let shown = place.json(&["retention", "show"]);
    let pid = running.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(running.wait().unwrap().code(), Some(0));
    assert!(err.contains("LOCK"), "{err}");
    assert_eq!(shown["retention_days"], 180);
}

#[test]
fn what_is_not_there_is_told() {
    let place = Place::new();
    for args in [&["disable"][..], &["retention", "show"], &["hold", "list"], &["checkpoint"], &["proof", "x"]] {
        let (_, err) = place.tell(args, 2);
        assert!(err.contains("not a Logstore"), "{args:?}: {err}");
    }
    let (_, err) = place.tell(&["enable"], 2);
    assert!(err.contains("--trail"), "{err}");
    assert!(!place.data.exists(), "a refused command made a folder");
    place.enable(&[]);
    let (_, err) = place.tell(&["enable", "--trail", "other-trail"], 2);
    assert!(err.contains("main-trail") && err.contains("other-trail"), "{err}");
    place.tell(&["proof", "no-such-id"], 3);
}

/// The root that an audit path leads to (RFC 6962, section 2.1.1), written again here so that a mistake has to be made twice.
fn root(mut index: u64, size: u64, leaf: [u8; 32], path: &[[u8; 32]]) -> [u8; 32] {
    let node = |left: [u8; 32], right: [u8; 32]| -> [u8; 32] {
        Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
    };
    let (mut hash, mut last) = (leaf, size - 1);
    for sibling in path {
        if index % 2 == 1 || index == last {
            hash = node(*sibling, hash);
            while index.is_multiple_of(2) && index != 0 {
                (index, last) = (index / 2, last / 2);
            }
        } else {
            hash = node(hash, *sibling);
        }
        (index, last) = (index / 2, last / 2);
    }
    assert_eq!(last, 0, "the path is too short");
    hash
}

#[test]
fn a_proof_leads_from_the_event_to_the_checkpoint() {
    let place = Place::new();
    place.ingest(0..300);
    let (note, _) = place.tell(&["checkpoint"], 0);
    let (line, _) = place.tell(&["checkpoint", "--line"], 0);
    assert_eq!(line.lines().count(), 1);
    assert_eq!(BASE64_STANDARD.decode(line.trim()).unwrap(), note.as_bytes());
    let mut lines = note.lines();
    assert_eq!((lines.next(), lines.next()), (Some("innertrail/main-trail"), Some("300")));
    let expected = BASE64_STANDARD.decode(lines.next().unwrap()).unwrap();
    for id in [0, 1, 255, 256, 299] {
        let id = format!("{id:024X}");
        let (proof, _) = place.tell(&["proof", &id], 0);
        let (head, checkpoint) = proof.split_once("\n\n").unwrap();
        assert_eq!(checkpoint, note);
        let mut head = head.lines();
        assert_eq!(head.next(), Some("c2sp.org/tlog-proof@v1"));
        let index: u64 = head.next().unwrap().strip_prefix("index ").unwrap().parse().unwrap();
        let path: Vec<[u8; 32]> = head.map(|hash| BASE64_STANDARD.decode(hash).unwrap().try_into().unwrap()).collect();
        let kept = query(&place.data, "log", &format!("SELECT event FROM log WHERE eventId = '{id}'"));
        let leaf = Sha256::new().chain_update([0]).chain_update(kept[0]["event"].as_str().unwrap()).finalize().into();
        assert_eq!(root(index, 300, leaf, &path).to_vec(), expected, "{id}");
    }
}

#[test]
fn days_are_exported_with_what_proves_them() {
    let place = Place::new();
    place.ingest(0..20);
    let out = place.data.with_file_name("export");
    let today = day(0);
    let days = ["export", "--from", &today, "--to", &today, "--out", out.to_str().unwrap()];
    let told = place.json(&days);
    assert_eq!((&told["records"], &told["from_day"]), (&json!(20), &json!(today)));
    let there = |name: &str| Path::new(&out).join(name).exists();
    assert!(there("export.json") && there("seal/checkpoint") && there("seal/seal.vkey") && there("log/data"));
    assert!(!there("seal.key") && !there("seal-mark.key"), "a key was exported");
    let (_, err) = place.tell(&days, 2);
    assert!(err.contains("export"), "{err}");
    let (_, err) = place.tell(&["export", "--from", "2020-01-02", "--to", "2020-01-01", "--out", "x"], 2);
    assert!(err.contains("swap"), "{err}");
}

/// Copies a data directory as somebody with access to the disk would.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_logstore_is_verified_with_what_was_kept_elsewhere() {
    let place = Place::new();
    let vkey = place.enable(&[])["public_key"].as_str().unwrap().to_owned();
    place.append(Store::Log, 400, 5);
    place.ingest(0..200);
    let elsewhere = place.data.with_file_name("kept.txt");
    let kept = elsewhere.to_str().unwrap();
    let old = place.data.with_file_name("old");
    copy(&place.data, &old);
    place.ingest(0..300);
    fs::write(&elsewhere, place.tell(&["checkpoint", "--line"], 0).0).unwrap();

    let (text, _) = place.tell(&["verify"], 0);
    assert!(text.contains("taken from the folder itself") && text.contains("no checkpoint from elsewhere"), "{text}");
    let report = place.json(&["verify", "--public-key", &vkey, "--checkpoint", kept]);
    assert_eq!((&report["ok"], &report["caveats"]), (&json!(true), &json!([])));
    // Retention has dropped the first day; what is left still verifies.
    assert!(place.kinds().contains(&"retention_dropped".to_owned()));
    fs::write(&elsewhere, place.tell(&["checkpoint"], 0).0).unwrap();
    place.tell(&["verify", "--checkpoint", kept], 0);

    let old = old.to_str().unwrap();
    run(&["verify", "--data-dir", old, "--public-key", &vkey], 0);
    let (out, _) =
        run(&["verify", "--data-dir", old, "--public-key", &vkey, "--checkpoint", kept, "--format", "json"], 1);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["ok"], false, "an older state went through: {report}");

    let other = Place::new();
    let other_key = other.enable(&[])["public_key"].as_str().unwrap().to_owned();
    place.tell(&["verify", "--public-key", &other_key], 1);
    for (args, said) in [
        (&["verify", "--public-key", "no-such-file"][..], "no-such-file"),
        (&["verify", "--public-key", "innertrail/x+1+2"], "public key"),
        (&["verify", "--checkpoint", "README.md"], "checkpoint"),
    ] {
        let (_, err) = place.tell(args, 2);
        assert!(err.contains(said), "{args:?}: {err}");
    }
}

#[test]
fn one_changed_byte_is_found() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.ingest(0..50);
    let folder = place.data.join(format!("log/data/day={}", day(0)));
    let segment = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    fs::set_permissions(&segment, fs::Permissions::from_mode(0o600)).unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let (out, _) = place.tell(&["verify"], 1);
    assert!(out.contains(segment.file_name().unwrap().to_str().unwrap()), "{out}");
}

#[test]
fn an_export_is_verified_by_itself() {
    let place = Place::new();
    let vkey = place.enable(&[])["public_key"].as_str().unwrap().to_owned();
    place.ingest(0..20);
    let (out, today) = (place.data.with_file_name("export"), day(0));
    let out = out.to_str().unwrap();
    place.tell(&["export", "--from", &today, "--to", &today, "--out", out], 0);
    drop(fs::remove_dir_all(&place.data));
    run(&["verify", "--export", out, "--public-key", &vkey], 0);
}
