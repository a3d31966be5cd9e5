//! Objects as ActionTrail delivers them: gzip of events, under a name that tells count, size and MD5. A name must never be
//! wrong unless a [`Flaw`] was asked for.

use std::io::Write as _;
use std::ops::Range;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use xtask::calendar::{compact, utc};
use xtask::generate::{ACCOUNT, Generator, REGION_NAMES, START};

use super::bucket::Object;
use crate::fault::Flaw;
use crate::sign::{hex, md5};
use crate::trail::{id_of, part_seed};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// How the events stand in an object. Which of them ActionTrail uses is not documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// One a line.
    #[default]
    Lines,
    /// A JSON array.
    Array,
    /// One a line, in two gzip members one after the other.
    Members,
}

/// What size and MD5 in a name describe. Which of them ActionTrail means is not documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Describes {
    /// The object as it is stored.
    #[default]
    Stored,
    /// The events before compression.
    Plain,
}

/// What to fill a bucket with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrailLoad {
    /// Events.
    pub events: u64,
    /// Equal seeds give equal objects.
    pub seed: u64,
    /// Most events of an object; it also ends with its UTC day.
    pub per_object: u64,
    /// Regions, 1 to 6.
    pub regions: usize,
    /// Prefix before `AliyunLogs/`, with its slash; empty for none.
    pub prefix: String,
    /// For the layout of several accounts: the resource directory's id and the account ids.
    pub accounts: Option<(String, Vec<String>)>,
    /// Time of the first event, seconds since 1970.
    pub first_time: u64,
    /// Seconds over which the events are spread.
    pub span_secs: u64,
    /// How the events stand in an object.
    pub body: Body,
    /// What the names describe.
    pub describes: Describes,
}

impl Default for TrailLoad {
    /// 10,000 events of one day, 1,000 an object, two regions, one account.
    fn default() -> Self {
        Self {
            events: 10_000,
            seed: 1,
            per_object: 1_000,
            regions: 2,
            prefix: String::new(),
            accounts: None,
            first_time: START,
            span_secs: DAY,
            body: Body::Lines,
            describes: Describes::Stored,
        }
    }
}

/// The events of one object, before they are packed.
#[derive(Default)]
pub(super) struct Events {
    plain: Vec<u8>,
    ends: Vec<usize>,
    ids: Vec<u8>,
    last: u64,
}

impl Events {
    fn push(&mut self, event: &[u8], time: u64) {
        self.plain.extend_from_slice(event);
        self.plain.push(b'\n');
        self.ends.push(self.plain.len());
        self.ids.extend_from_slice(id_of(event).unwrap_or_default().as_bytes());
        self.last = time;
    }

    /// Some generated events of one region and account, all of one second.
    pub(super) fn generated(seed: u64, serial: u64, count: u64, account: &str, time: u64) -> Self {
        let (mut events, mut event) = (Self::default(), Vec::new());
        let mut generator = Generator::new(part_seed(seed, u64::MAX - 1, serial), 1);
        for _ in 0..count {
            event.clear();
            generator.push_event(time, &mut event);
            events.push(&of_account(&event, account), time);
        }
        events
    }

    fn lines(&self, range: Range<usize>) -> &[u8] {
        let start = |index: usize| if index == 0 { 0 } else { self.ends[index - 1] };
        &self.plain[start(range.start)..start(range.end)]
    }

    /// The bytes to store and, where they differ, the ones before compression.
    fn pack(&self, body: Body) -> (Vec<u8>, Vec<u8>) {
        let half = self.ends.len() / 2;
        let (members, plain): (Vec<Vec<u8>>, Vec<u8>) = match body {
            Body::Lines => (vec![self.plain.clone()], self.plain.clone()),
            Body::Members => {
                let halves = [self.lines(0..half), self.lines(half..self.ends.len())];
                (halves.map(<[u8]>::to_vec).to_vec(), self.plain.clone())
            }
            Body::Array => {
                let inner = &self.plain[..self.plain.len().saturating_sub(1)];
                let commas: Vec<u8> = inner.iter().map(|byte| if *byte == b'\n' { b',' } else { *byte }).collect();
                let array = [b"[".as_slice(), &commas, b"]"].concat();
                (vec![array.clone()], array)
            }
        };
        let gzip = |bytes: &Vec<u8>| {
            let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 6), Compression::new(1));
            encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing to memory does not fail")
        };
        (members.iter().flat_map(gzip).collect(), plain)
    }

    /// The object and its name below `head` (which ends with a slash).
    pub(super) fn object(
        self,
        head: &str,
        region: &str,
        (body, describes): (Body, Describes),
        flaw: Option<Flaw>,
        now_ms: i64,
    ) -> (String, Object) {
        let (mut stored, plain) = self.pack(body);
        let described = if describes == Describes::Stored { &stored } else { &plain };
        let (mut count, mut size, mut digest) = (self.ends.len(), described.len(), hex(&md5(described)));
        match flaw {
            Some(Flaw::Md5) => digest = hex(&md5(digest.as_bytes())),
            Some(Flaw::Count) => count += 1,
            Some(Flaw::Size) => size += 1,
            Some(Flaw::Truncated) | None => {}
        }
        let key = name(head, region, self.last, count, size, &digest);
        if flaw == Some(Flaw::Truncated) {
            stored.truncate(stored.len() * 2 / 3);
        }
        (key, Object::new(stored, now_ms, self.ids))
    }
}

/// A key by ActionTrail's pattern.
fn name(head: &str, region: &str, time: u64, count: usize, size: usize, md5: &str) -> String {
    let (year, month, day) = utc(time).date;
    let time = compact(time);
    format!("{head}{region}/{year:04}/{month:02}/{day:02}/Actiontrail_{region}_{time}_1002_{count}_{size}_{md5}.gz")
}

/// The event with another account in the place of the generator's.
fn of_account(event: &[u8], account: &str) -> Vec<u8> {
    if account == ACCOUNT {
        return event.to_vec();
    }
    let mut out = Vec::with_capacity(event.len());
    let mut from = 0;
    for at in memchr::memmem::find_iter(event, ACCOUNT) {
        out.extend_from_slice(&event[from..at]);
        out.extend_from_slice(account.as_bytes());
        from = at + ACCOUNT.len();
    }
    out.extend_from_slice(&event[from..]);
    out
}

/// The folder above the regions.
fn head(load: &TrailLoad, account: Option<&str>) -> String {
    match (&load.accounts, account) {
        (Some((directory, _)), Some(account)) => {
            format!("{}AliyunLogs/Actiontrail/{directory}/{account}/", load.prefix)
        }
        _ => format!("{}AliyunLogs/Actiontrail/", load.prefix),
    }
}

/// Makes all objects of a load.
pub(super) fn objects(load: &TrailLoad, now_ms: i64, mut put: impl FnMut(String, Object)) {
    let accounts: Vec<Option<&str>> = match &load.accounts {
        Some((_, accounts)) if !accounts.is_empty() => accounts.iter().map(|account| Some(account.as_str())).collect(),
        _ => vec![None],
    };
    let form = (load.body, load.describes);
    for (index, account) in accounts.iter().enumerate() {
        let share = load.events / accounts.len() as u64;
        let events = share + u64::from((index as u64) < load.events % accounts.len() as u64);
        let head = head(load, *account);
        let mut generator = Generator::new(part_seed(load.seed, index as u64, 0), load.regions);
        let mut open: Vec<Events> = REGION_NAMES.iter().map(|_| Events::default()).collect();
        let mut event = Vec::new();
        for number in 0..events {
            let time = load.first_time + number * load.span_secs / events;
            event.clear();
            let (region, _) = generator.push_event(time, &mut event);
            let slot = &mut open[region];
            let full = slot.ends.len() as u64 >= load.per_object.max(1);
            if full || (!slot.ends.is_empty() && slot.last / DAY != time / DAY) {
                let (key, object) = std::mem::take(slot).object(&head, REGION_NAMES[region], form, None, now_ms);
                put(key, object);
            }
            open[region].push(&of_account(&event, account.unwrap_or(ACCOUNT)), time);
        }
        for (slot, region) in open.into_iter().zip(REGION_NAMES) {
            if !slot.ends.is_empty() {
                let (key, object) = slot.object(&head, region, form, None, now_ms);
                put(key, object);
            }
        }
    }
}

/// Where an object of a trail lies, read from its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The folder above the region, with its slash.
    pub(super) head: String,
    pub(super) region: String,
    /// The time in the name, seconds since 1970.
    pub(super) time: u64,
    pub(super) account: String,
}

impl Place {
    /// Reads a key; nothing when it is not of ActionTrail's pattern.
    pub(super) fn read(key: &str) -> Option<Self> {
        let (folder, file) = key.rsplit_once('/')?;
        let mut parts = file.strip_prefix("Actiontrail_")?.split('_');
        let (region, digits) = (parts.next()?, parts.next()?);
        let time = chrono::NaiveDateTime::parse_from_str(digits, "%Y%m%d%H%M%S").ok()?.and_utc().timestamp();
        // Above the file: region, year, month, day.
        let head = folder.rsplitn(5, '/').nth(4)?;
        let account = head.rsplit('/').next().filter(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        Some(Self {
            head: format!("{head}/"),
            region: region.to_owned(),
            time: u64::try_from(time).ok()?,
            account: account.unwrap_or(ACCOUNT).to_owned(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::{BTreeMap, HashSet};
    use std::io::Read as _;

    use super::*;

    fn made(load: &TrailLoad) -> BTreeMap<String, Object> {
        let mut out = BTreeMap::new();
        objects(load, 0, |key, object| {
            assert!(out.insert(key, object).is_none(), "no key twice");
        });
        out
    }

    fn plain(object: &Object) -> Vec<u8> {
        let mut out = Vec::new();
        flate2::read::MultiGzDecoder::new(object.bytes.as_slice()).read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn names_tell_count_size_and_md5_of_what_is_stored_or_of_what_it_holds() {
        for describes in [Describes::Stored, Describes::Plain] {
            let load = TrailLoad { events: 2_500, per_object: 700, describes, ..TrailLoad::default() };
            let objects = made(&load);
            let mut ids = HashSet::new();
            for (key, object) in &objects {
                let bytes = if describes == Describes::Stored { object.bytes.to_vec() } else { plain(object) };
                let lines = plain(object).iter().filter(|byte| **byte == b'\n').count();
                let tail = format!("_1002_{lines}_{}_{}.gz", bytes.len(), hex(&md5(&bytes)));
                assert!(key.ends_with(&tail), "{key} {tail}");
                assert_eq!(object.events(), lines);
                ids.extend(object.ids());
                let place = Place::read(key).unwrap();
                assert_eq!((place.head.as_str(), place.account.as_str()), ("AliyunLogs/Actiontrail/", ACCOUNT));
            }
            assert_eq!(ids.len(), 2_500);
        }
    }

    #[test]
    fn several_accounts_lie_in_folders_of_their_own_and_their_events_name_them() {
        let accounts = vec!["1000000000000002".to_owned(), "1000000000000003".to_owned()];
        let load = TrailLoad {
            events: 301,
            prefix: "audit/".to_owned(),
            accounts: Some(("rd-example".to_owned(), accounts)),
            ..TrailLoad::default()
        };
        let objects = made(&load);
        assert_eq!(objects.values().map(Object::events).sum::<usize>(), 301);
        for (key, object) in &objects {
            let place = Place::read(key).unwrap();
            assert_eq!(place.head, format!("audit/AliyunLogs/Actiontrail/rd-example/{}/", place.account));
            let text = String::from_utf8(plain(object)).unwrap();
            assert!(!text.contains(ACCOUNT) && text.contains(&place.account), "{key}");
        }
    }

    #[test]
    fn bodies_of_every_form_hold_the_same_events_and_flaws_are_what_they_say() {
        let form = |body, flaw| {
            let events = Events::generated(1, 1, 9, ACCOUNT, START);
            events.object("x/", "cn-hangzhou", (body, Describes::Stored), flaw, 0)
        };
        let (lines, array, members) = (form(Body::Lines, None), form(Body::Array, None), form(Body::Members, None));
        assert_eq!(plain(&lines.1), plain(&members.1));
        let list: Vec<serde_json::Value> = serde_json::from_slice(&plain(&array.1)).unwrap();
        assert_eq!(list.len(), 9);
        assert_eq!(members.1.bytes.windows(3).filter(|at| *at == [0x1f, 0x8b, 8]).count(), 2);
        let differs = |flaw| form(Body::Lines, Some(flaw)).0 != lines.0;
        assert!(differs(Flaw::Md5) && differs(Flaw::Count) && differs(Flaw::Size) && !differs(Flaw::Truncated));
        assert!(form(Body::Lines, Some(Flaw::Truncated)).1.bytes.len() < lines.1.bytes.len());
    }
}
