//! Makes a trail of ActionTrail-shaped audit events: about 1.3 KB each, the same bytes for the same seed, in bounded
//! memory. It must never contain a real account, key, name or routable address, and never depend on the clock.

use std::path::PathBuf;

use anyhow::Result;

use crate::calendar::{DAY, push_digits, push_rfc3339};
use crate::delivery::{OpenFile, close};
use crate::prng::{Prng, Zipf};
use crate::vocabulary::{
    AGENT_PLATFORMS, AGENT_TOOLS, ENDINGS, ERRORS, FOLDERS, OSS_NAMES, OTHER_NAMES, PEOPLE, REGIONS,
};

/// The regions of a generated trail, by number.
pub const REGION_NAMES: [&str; 6] = REGIONS;

/// The account that owns every generated event.
pub const ACCOUNT: &str = "1000000000000001";
/// The first second of a generated trail: 2026-06-01T00:00:00Z.
pub const START: u64 = 1_780_272_000;

/// How the files lie in the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `AliyunLogs/Actiontrail/<region>/YYYY/MM/DD/Actiontrail_<region>_<time>_1002_<count>_<size>_<md5>.gz`.
    Oss,
    /// `events-000001.ndjson` (or `.ndjson.gz`), all regions mixed.
    Flat,
}

/// What to generate.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Number of events.
    pub events: u64,
    /// Seed: equal seeds give equal files.
    pub seed: u64,
    /// Folder to write to; made when missing.
    pub out: PathBuf,
    /// Most events in one file; a file also ends with its UTC day (layout `Oss`).
    pub per_file: u64,
    /// Gzip the files. Plain files of layout `Oss` end in `.ndjson`; size and md5 in the name are of the file as written.
    pub gzip: bool,
    /// The folder layout.
    pub layout: Layout,
    /// Number of regions, 1 to 6.
    pub regions: usize,
    /// Number of days the events are spread over, from [`START`].
    pub days: u64,
}

impl Plan {
    /// A plan with the usual values: 10,000 events a file, gzip, OSS layout, 6 regions, 30 days.
    #[must_use]
    pub fn new(events: u64, seed: u64, out: PathBuf) -> Self {
        Self { events, seed, out, per_file: 10_000, gzip: true, layout: Layout::Oss, regions: REGIONS.len(), days: 30 }
    }
}

/// What was generated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Events written.
    pub events: u64,
    /// Those of them that are OSS operation logs.
    pub oss: u64,
    /// Files written.
    pub files: u64,
    /// Bytes of events before compression, line ends included.
    pub plain_bytes: u64,
    /// Bytes on disk.
    pub disk_bytes: u64,
}

/// A source of events: call [`Generator::push_event`] as often as needed.
#[derive(Clone, Debug)]
pub struct Generator {
    rng: Prng,
    names: Zipf,
    others: Zipf,
    buckets: Zipf,
    users: Zipf,
    addresses: Zipf,
    regions: usize,
}

/// The facts of one event, drawn before it is written.
struct Draw {
    region: usize,
    bucket: u64,
    user: u64,
    address: u64,
    agent: u64,
    error: Option<usize>,
    seconds: u64,
}

impl Generator {
    /// A generator for `regions` regions (1 to 6).
    #[must_use]
    pub fn new(seed: u64, regions: usize) -> Self {
        Self {
            rng: Prng::seeded(seed),
            names: Zipf::new(OSS_NAMES.len(), 1.1),
            others: Zipf::new(OTHER_NAMES.len(), 1.1),
            buckets: Zipf::new(200, 1.1),
            users: Zipf::new(500, 1.1),
            addresses: Zipf::new(5_000, 1.1),
            regions: regions.clamp(1, REGIONS.len()),
        }
    }

    /// Starts the randomness again from another seed; the tables stay. So any part of a long trail can be made by itself.
    pub fn reseed(&mut self, seed: u64) {
        self.rng = Prng::seeded(seed);
    }

    /// Appends one event as JSON on one line, without the line end. `seconds` is its time (Unix).
    /// Returns the region's number and whether it is an OSS event.
    pub fn push_event(&mut self, seconds: u64, out: &mut Vec<u8>) -> (usize, bool) {
        let rng = &mut self.rng;
        let draw = Draw {
            region: rng.below(self.regions as u64) as usize,
            bucket: self.buckets.draw(rng) as u64,
            user: self.users.draw(rng) as u64,
            address: self.addresses.draw(rng) as u64,
            agent: rng.below((AGENT_TOOLS.len() * AGENT_PLATFORMS.len()) as u64),
            error: rng.per_mille(10).then(|| rng.below(ERRORS.len() as u64) as usize),
            seconds,
        };
        let oss = rng.below(4) < 3;
        if oss {
            let name = OSS_NAMES[self.names.draw(rng)];
            push_oss(rng, out, name, &draw);
        } else {
            let call = OTHER_NAMES[self.others.draw(rng)];
            push_other(rng, out, call, &draw);
        }
        (draw.region, oss)
    }
}

fn put(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// The fields every event opens with; the id stands twice, because OSS uses the request id as event id.
fn push_head(rng: &mut Prng, out: &mut Vec<u8>, name: &str, draw: &Draw) {
    put(out, &["{\"eventId\":\""]);
    let id = out.len();
    rng.push_hex(out, 24, true);
    let end = out.len();
    put(out, &["\",\"requestId\":\""]);
    out.extend_from_within(id..end);
    put(out, &["\",\"eventVersion\":1,\"eventName\":\"", name, "\",\"eventTime\":\""]);
    push_rfc3339(out, draw.seconds);
    put(
        out,
        &[
            "\",\"acsRegion\":\"",
            REGIONS[draw.region],
            "\",\"eventRW\":\"",
            if is_read(name) { "Read" } else { "Write" },
        ],
    );
    put(out, &["\",\"recipientAccountId\":\"", ACCOUNT, "\",\"isGlobal\":false,\"sourceIpAddress\":\""]);
    push_address(out, draw.address);
    put(out, &["\",\"userAgent\":\"", AGENT_TOOLS[draw.agent as usize % AGENT_TOOLS.len()]]);
    put(out, &[AGENT_PLATFORMS[draw.agent as usize / AGENT_TOOLS.len()], "\""]);
    if let Some(error) = draw.error {
        put(out, &[",\"errorCode\":\"", ERRORS[error].0, "\",\"errorMessage\":\"", ERRORS[error].1, "\""]);
    }
}

fn is_read(name: &str) -> bool {
    ["Get", "List", "Head", "Describe", "Lookup", "Select"].iter().any(|verb| name.starts_with(verb))
}

/// The 5,000 addresses lie in the two documentation blocks of IPv4 and, beyond their 508, in that of IPv6.
fn push_address(out: &mut Vec<u8>, index: u64) {
    let block = ["203.0.113.", "198.51.100."];
    match (block.get((index / 254) as usize), index % 254 + 1) {
        (Some(prefix), host) => {
            put(out, &[prefix]);
            push_digits(out, host, 1);
        }
        (None, _) => {
            put(out, &["2001:db8::"]);
            let digits = b"0123456789abcdef";
            (0..4).rev().for_each(|i| out.push(digits[(index >> (4 * i)) as usize & 15]));
        }
    }
}

fn push_bucket(out: &mut Vec<u8>, index: u64) {
    put(out, &["example-", FOLDERS[index as usize % FOLDERS.len()], "-"]);
    push_digits(out, index, 3);
}

fn push_oss(rng: &mut Prng, out: &mut Vec<u8>, name: &str, draw: &Draw) {
    let data = name.contains("Object") || name.contains("Upload") || name.contains("Uplaod");
    push_head(rng, out, name, draw);
    let category = if data { "Data" } else { "Management" };
    put(
        out,
        &[
            ",\"eventType\":\"ApiCall\",\"eventCategory\":\"",
            category,
            "\",\"serviceName\":\"Oss\",\"apiVersion\":\"2019-05-17\"",
        ],
    );
    put(out, &[",\"eventSource\":\""]);
    push_bucket(out, draw.bucket);
    put(out, &[".oss-", REGIONS[draw.region], "-internal.aliyuncs.com\",\"requestParameters\":"]);
    let params = out.len();
    push_oss_params(rng, out, data, draw);
    let end = out.len();
    put(out, &[",\"requestParameterJson\":\""]);
    push_escaped(out, params, end);
    put(out, &["\",\"referencedResources\":{\"ACS::OSS::Bucket\":[\""]);
    push_bucket(out, draw.bucket);
    put(out, &["\"]},\"resourceType\":\"ACS::OSS::Bucket\",\"resourceName\":\""]);
    push_bucket(out, draw.bucket);
    put(out, &["\",\"additionalEventData\":{\"CallerBid\":\"10001\",\"Scheme\":\"https\"}"]);
    push_identity(rng, out, draw);
    out.push(b'}');
}

fn push_oss_params(rng: &mut Prng, out: &mut Vec<u8>, data: bool, draw: &Draw) {
    put(out, &["{\"bucketName\":\""]);
    push_bucket(out, draw.bucket);
    if data {
        put(out, &["\",\"objectName\":\"", FOLDERS[rng.below(FOLDERS.len() as u64) as usize], "/"]);
        rng.push_hex(out, 16, false);
        put(out, &[".", ENDINGS[rng.below(ENDINGS.len() as u64) as usize], "\",\"Content-Length\":\""]);
        push_digits(out, rng.below(50_000_000), 1);
    }
    put(out, &["\",\"Host\":\""]);
    push_bucket(out, draw.bucket);
    put(out, &[".oss-", REGIONS[draw.region], "-internal.aliyuncs.com\"}"]);
}

/// Appends the JSON text at `from..to` again as the inside of a JSON string.
fn push_escaped(out: &mut Vec<u8>, from: usize, to: usize) {
    for at in from..to {
        let byte = out[at];
        if byte == b'"' || byte == b'\\' {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

fn push_other(
    rng: &mut Prng,
    out: &mut Vec<u8>,
    (service, host, version, name): (&str, &str, &str, &str),
    draw: &Draw,
) {
    push_head(rng, out, name, draw);
    put(out, &[",\"eventType\":\"ApiCall\",\"eventCategory\":\"Management\",\"serviceName\":\"", service]);
    put(
        out,
        &["\",\"apiVersion\":\"", version, "\",\"eventSource\":\"", host, ".", REGIONS[draw.region], ".aliyuncs.com\""],
    );
    put(out, &[",\"requestParameters\":"]);
    let params = out.len();
    put(out, &["{\"RegionId\":\"", REGIONS[draw.region], "\",\"PageSize\":"]);
    push_digits(out, 10 * (1 + rng.below(10)), 1);
    put(out, &[",\"Tag.1.Key\":\"team\",\"Tag.1.Value\":\"", PEOPLE[rng.below(20) as usize], "\",\"ClientToken\":\""]);
    rng.push_hex(out, 32, false);
    put(
        out,
        &["\",\"X-Acs-Client-Tls-Version\":\"TLSv1.3\",\"X-Acs-Client-Tls-Cipher-Suite\":\"TLS_AES_128_GCM_SHA256\"}"],
    );
    let end = out.len();
    put(out, &[",\"requestParameterJson\":\""]);
    push_escaped(out, params, end);
    put(out, &["\",\"responseElements\":{\"TotalCount\":"]);
    push_digits(out, rng.below(200), 1);
    put(out, &[",\"PageNumber\":1},\"additionalEventData\":{\"Scheme\":\"https\"}"]);
    push_identity(rng, out, draw);
    out.push(b'}');
}

/// Of the 500 users the first is root, a third are roles with session names, the rest are RAM users.
fn push_identity(rng: &mut Prng, out: &mut Vec<u8>, draw: &Draw) {
    let person = PEOPLE[draw.user as usize % PEOPLE.len()];
    put(out, &[",\"userIdentity\":{\"accountId\":\"", ACCOUNT, "\",\"type\":\""]);
    match draw.user {
        n if n % 97 == 1 => put(out, &["root-account\",\"principalId\":\"", ACCOUNT, "\",\"userName\":\"root\""]),
        n if n % 3 == 0 => {
            put(out, &["assumed-role\",\"principalId\":\"3"]);
            push_digits(out, 10_000_000_000_000 + n, 17);
            let session = out.len();
            put(out, &[":", person, "-session-"]);
            rng.push_hex(out, 8, false);
            let end = out.len();
            put(out, &["\",\"userName\":\"example-pipeline-role"]);
            out.extend_from_within(session..end);
            put(out, &["\",\"accessKeyId\":\"STS.EXAMPLE"]);
            rng.push_hex(out, 14, true);
            out.push(b'"');
        }
        n => {
            put(out, &["ram-user\",\"principalId\":\"2"]);
            push_digits(out, 10_000_000_000_000 + n, 17);
            put(out, &["\",\"userName\":\"", person, "-"]);
            push_digits(out, n, 3);
            put(out, &["\",\"accessKeyId\":\"LTAI-EXAMPLE-"]);
            push_digits(out, n, 6);
            out.push(b'"');
        }
    }
    put(
        out,
        &[
            ",\"sessionContext\":{\"attributes\":{\"mfaAuthenticated\":\"",
            if draw.user.is_multiple_of(5) { "true" } else { "false" },
        ],
    );
    put(out, &["\",\"creationDate\":\""]);
    push_rfc3339(out, draw.seconds - draw.seconds % 3600);
    put(out, &["\"}}}"]);
}

/// Generates what the plan says; `progress` is called with the number of events after each file.
///
/// # Errors
/// When a file cannot be written.
pub fn run(plan: &Plan, mut progress: impl FnMut(u64)) -> Result<Summary> {
    let mut generator = Generator::new(plan.seed, plan.regions);
    let slots = if plan.layout == Layout::Oss { REGIONS.len() } else { 1 };
    let mut open: Vec<OpenFile> = (0..slots).map(|_| OpenFile::new(plan.gzip)).collect();
    let (span, mut line, mut summary) = (plan.days.max(1) * DAY, Vec::with_capacity(4096), Summary::default());
    for index in 0..plan.events {
        let seconds = START + (u128::from(index) * u128::from(span) / u128::from(plan.events)) as u64;
        line.clear();
        let (region, oss) = generator.push_event(seconds, &mut line);
        line.push(b'\n');
        let slot = region % slots;
        let new_day = plan.layout == Layout::Oss && open[slot].last / DAY != seconds / DAY;
        if open[slot].count >= plan.per_file.max(1) || (new_day && open[slot].count > 0) {
            let full = std::mem::replace(&mut open[slot], OpenFile::new(plan.gzip));
            close(plan, slot, full, &mut summary)?;
            progress(index);
        }
        open[slot].push(&line, seconds)?;
        summary.events += 1;
        summary.oss += u64::from(oss);
        summary.plain_bytes += line.len() as u64;
    }
    for (slot, file) in open.into_iter().enumerate() {
        close(plan, slot, file, &mut summary)?;
    }
    Ok(summary)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_json_with_its_parameters_twice() {
        let (mut generator, mut line, mut bytes) = (Generator::new(1, 6), Vec::new(), 0);
        for index in 0..3_000 {
            line.clear();
            generator.push_event(START + index, &mut line);
            let event: serde_json::Value = serde_json::from_slice(&line).unwrap();
            let inner: serde_json::Value =
                serde_json::from_str(event["requestParameterJson"].as_str().unwrap()).unwrap();
            assert_eq!(inner, event["requestParameters"]);
            assert_eq!(event["eventId"], event["requestId"]);
            bytes += line.len();
        }
        assert!((1_150..1_500).contains(&(bytes / 3_000)), "{} bytes an event", bytes / 3_000);
    }

    #[test]
    fn a_generator_begun_again_gives_what_a_fresh_one_gives() {
        let (mut used, mut fresh) = (Generator::new(1, 6), Generator::new(9, 6));
        let (mut a, mut b) = (Vec::new(), Vec::new());
        used.push_event(START, &mut a);
        a.clear();
        used.reseed(9);
        used.push_event(START, &mut a);
        fresh.push_event(START, &mut b);
        assert_eq!(a, b);
    }

    #[test]
    fn equal_seeds_give_equal_events() {
        let make = |seed| {
            let (mut generator, mut out) = (Generator::new(seed, 3), Vec::new());
            (0..50).for_each(|i| {
                generator.push_event(START + i, &mut out);
            });
            out
        };
        assert_eq!(make(5), make(5));
        assert_ne!(make(5), make(6));
    }
}
