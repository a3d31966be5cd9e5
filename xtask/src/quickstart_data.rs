//! Builds `fixtures/quickstart/`: a small trail as it lies in a bucket, with everything a first look should show - three
//! regions, damage, repeats, platform events. It must never write counts that it did not derive while building.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use crate::calendar::{DAY, push_rfc3339};
use crate::delivery::{object_name, write_file};
use crate::fixtures::clear;
use crate::fixtures::parts::{Ids, Record, app_log, gzip, insight, oss, oss_params, platform, sls, with_params};
use crate::generate::{Generator, REGION_NAMES, START};

const EVENTS: u64 = 560;
const REGIONS: usize = 3;
const DAYS: u64 = 3;
const DUPLICATES: usize = 5;

/// The lines of one delivered object and the time of the last event.
#[derive(Default)]
struct Object {
    lines: Vec<Vec<u8>>,
    last: u64,
}

/// What a reader has to find.
#[derive(Default)]
struct Counts {
    dedicated: u64,
    unsupported: u64,
    undecodable: u64,
    passthrough: u64,
}

/// Objects by region and day.
type Trail = BTreeMap<(usize, u64), Object>;

/// Writes the quickstart below `root` (the folder `fixtures/quickstart`).
///
/// # Errors
/// When a file cannot be written.
pub fn write(root: &Path) -> Result<()> {
    clear(&root.join("trail"))?;
    for (path, bytes) in files() {
        write_file(&root.join(path), &bytes)?;
    }
    Ok(())
}

/// Every generated file: path below `fixtures/quickstart` and content.
#[must_use]
pub fn files() -> Vec<(String, Vec<u8>)> {
    let mut counts = Counts::default();
    let mut trail = generated(&mut counts);
    tell_a_story(&mut trail, &mut counts);
    repeat(&mut trail);
    damage(&mut trail, &mut counts);
    let mut files: Vec<(String, Vec<u8>)> =
        trail.iter().map(|(&(region, _), object)| delivered(region, object)).collect();
    files.push(("sls/innertrail.ndjson".to_owned(), from_log_service(&mut counts)));
    files.push(("app/app.ndjson".to_owned(), application(&mut counts)));
    files.push(("expected.toml".to_owned(), expected(&counts).into_bytes()));
    files
}

fn time(seconds: u64) -> String {
    let mut out = Vec::new();
    push_rfc3339(&mut out, seconds);
    String::from_utf8_lossy(&out).into_owned()
}

fn generated(counts: &mut Counts) -> Trail {
    let (mut generator, mut trail) = (Generator::new(2026, REGIONS), Trail::new());
    for index in 0..EVENTS {
        let seconds = START + index * DAYS * DAY / EVENTS;
        let mut line = Vec::new();
        let (region, is_oss) = generator.push_event(seconds, &mut line);
        let object = trail.entry((region, seconds / DAY)).or_default();
        object.lines.push(line);
        object.last = seconds;
        *(if is_oss { &mut counts.dedicated } else { &mut counts.unsupported }) += 1;
    }
    trail
}

/// Three events in a row that a first query should find: somebody opens a bucket to the world, then deletes it.
fn tell_a_story(trail: &mut Trail, counts: &mut Counts) {
    let (mut ids, day) = (Ids::of("quickstart/story"), START / DAY + 1);
    let policy = "{\"Version\":\"1\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":[\"*\"],\"Action\":[\"oss:GetObject\"]}]}";
    let steps = [
        ("PutBucketAcl", "acl", "public-read"),
        ("PutBucketPolicy", "policy", policy),
        ("DeleteBucket", "force", "true"),
    ];
    let Some(object) = trail.get_mut(&(0, day)) else { return };
    for (step, (name, key, value)) in steps.into_iter().enumerate() {
        let event = with_params(oss(&mut ids, name), &oss_params().text(key, value));
        object.lines.push(event.text("eventTime", &time(object.last + step as u64)).json().into_bytes());
        counts.dedicated += 1;
    }
}

/// The last OSS events of the first day are delivered again at the head of the second day's object.
fn repeat(trail: &mut Trail) {
    let is_oss = |line: &&Vec<u8>| String::from_utf8_lossy(line).contains("\"serviceName\":\"Oss\"");
    let day = START / DAY;
    let again: Vec<Vec<u8>> = trail
        .get(&(0, day))
        .into_iter()
        .flat_map(|o| o.lines.iter().rev().filter(is_oss).take(DUPLICATES).cloned())
        .collect();
    if let Some(next) = trail.get_mut(&(0, day + 1)) {
        next.lines.splice(0..0, again);
    }
}

/// One event is cut, one has a raw control character; both come beside the good ones, as extra lines.
fn damage(trail: &mut Trail, counts: &mut Counts) {
    let day = START / DAY;
    for (place, region) in [1, 2].into_iter().enumerate() {
        let Some(object) = trail.get_mut(&(region, day + 1)) else { continue };
        let whole = oss(&mut Ids::of(&format!("quickstart/damaged-{region}")), "PutObject").json();
        let damaged =
            if place == 0 { whole[..whole.len() / 2].to_owned() } else { whole.replacen("Oss", "O\u{1}ss", 1) };
        object.lines.insert(object.lines.len() / 2, damaged.into_bytes());
        counts.undecodable += 1;
    }
}

fn delivered(region: usize, object: &Object) -> (String, Vec<u8>) {
    let body = gzip(&[object.lines.join(&b'\n'), b"\n".to_vec()].concat());
    (format!("trail/{}", object_name(REGION_NAMES[region], object.last, object.lines.len() as u64, &body, "gz")), body)
}

/// Platform events and an insight, as Log Service holds them.
fn from_log_service(counts: &mut Counts) -> Vec<u8> {
    let mut ids = Ids::of("quickstart/sls");
    let kinds = [
        "ALIYUN_INITIATED_SERVICE",
        "CUSTOMER_INITIATED_SUPPORT",
        "ALIYUN_INITIATED_SERVICE",
        "ALIYUN_INITIATED_PENALTY",
    ];
    let mut records: Vec<Record> = Vec::new();
    for index in 0..12u64 {
        let kind = kinds[index as usize % kinds.len()];
        let event = platform(&mut ids, kind, index % 3 == 1).text("EventTime", &time(START + index * 5 * 3600));
        let event = if kind.ends_with("PENALTY") {
            event.text("EventLevel", "WARNING").text("EventLocation", "SG")
        } else {
            event
        };
        records.push(sls("", &event).raw("__time__", (START + index * 5 * 3600).to_string()));
        counts.dedicated += 1;
    }
    records.push(sls(
        "actiontrail_audit_event",
        &insight(&mut ids, "IpInsight", "203.0.113.250").text("eventTime", &time(START + DAY)),
    ));
    counts.unsupported += 1;
    records.iter().map(|record| record.json() + "\n").collect::<String>().into_bytes()
}

fn application(counts: &mut Counts) -> Vec<u8> {
    let mut ids = Ids::of("quickstart/app");
    let messages = [
        "started in 412 ms",
        "cart 1184 paid",
        "cart 1185 paid",
        "retrying payment provider",
        "cart 1186 paid",
        "stopping",
    ];
    counts.passthrough += messages.len() as u64;
    messages.iter().map(|message| app_log(&mut ids, message).json() + "\n").collect::<String>().into_bytes()
}

fn expected(counts: &Counts) -> String {
    let Counts { dedicated, unsupported, undecodable, passthrough } = counts;
    format!(
        "about = \"What a run over the quickstart trail has to find; each event id counts once in dedicated, repeats apart.\"\n\
         synthetic = true\nduplicates = {DUPLICATES}\n\
         expect = {{ dedicated = {dedicated}, passthrough = {passthrough}, \
         quarantine = {{ unsupported_product = {unsupported}, undecodable = {undecodable} }} }}\n"
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn committed_quickstart_is_what_the_builder_makes() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/quickstart");
        for (path, bytes) in files() {
            let there = std::fs::read(root.join(&path)).ok();
            assert!(there.as_ref() == Some(&bytes), "{path} differs: run `cargo xtask fixtures`");
        }
    }

    #[test]
    fn every_line_is_accounted_for() {
        let files = files();
        let named: u64 = files
            .iter()
            .filter(|(path, _)| path.starts_with("trail/"))
            .map(|(path, _)| path.split("_1002_").nth(1).unwrap().split('_').next().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(named, EVENTS + 3 + DUPLICATES as u64 + 2);
        assert_eq!(files.iter().filter(|(path, _)| path.ends_with(".gz")).count(), REGIONS * DAYS as usize);
    }
}
