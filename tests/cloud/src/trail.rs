//! Events by the million from a seed: ActionTrail audit events of about 1.2 KB, each with an id of its own, any part of
//! them made when it is asked for. It must never make the same event differently the second time.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use xtask::generate::{Generator, START};

use crate::sls::proto::{put_bytes, put_event, put_tag};

/// The beginning of every generated event, up to its id.
const HEAD: &[u8] = b"{\"eventId\":\"";
/// Characters of a generated id.
const ID: usize = 24;
/// The topic of ActionTrail's logs in SLS.
pub const TOPIC: &str = "actiontrail_audit_event";
/// The field that holds the event in SLS.
pub const FIELD: &str = "event";

/// What to fill a Logstore with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// Events, shared evenly among the shards that can be written.
    pub events: u64,
    /// Equal seeds give equal events.
    pub seed: u64,
    /// Events in a log group.
    pub per_group: u32,
    /// Time of the first event, seconds since 1970.
    pub first_time: u64,
    /// Seconds over which the events' times are spread.
    pub span_secs: u64,
    /// Seconds before now over which their arrival is spread.
    pub arrived_secs: u64,
}

impl Default for Load {
    /// 10,000 events of one day in groups of 100 that arrived within the last hour.
    fn default() -> Self {
        Self { events: 10_000, seed: 1, per_group: 100, first_time: START, span_secs: 86_400, arrived_secs: 3_600 }
    }
}

/// The seed of a part of a load; parts of equal number of different loads have nothing in common.
pub(crate) fn part_seed(seed: u64, part: u64, index: u64) -> u64 {
    let mix = |value: u64| {
        let z = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    mix(mix(mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ part.wrapping_add(1)) ^ index.wrapping_add(1))
}

/// The id in a generated event.
pub(crate) fn id_of(event: &[u8]) -> Option<&str> {
    std::str::from_utf8(event.strip_prefix(HEAD)?.get(..ID)?).ok()
}

/// The id in any event: `eventId`, `EventID`, or the request id of neither.
pub(crate) fn id_in(event: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(event).ok()?;
    ["eventId", "EventID"].iter().find_map(|key| value[key].as_str()).map(str::to_owned)
}

/// A run of log groups of one shard that are made when they are read.
pub(crate) struct Block {
    load: Load,
    part: u64,
    /// Events in it.
    pub(crate) events: u64,
    arrived_from: u64,
    generator: Generator,
    ids: OnceLock<Vec<u8>>,
}

impl Block {
    /// The events of `part`; `now` is when the last of them arrived.
    pub(crate) fn new(load: &Load, part: u64, events: u64, now: u64) -> Self {
        Self {
            load: load.clone(),
            part,
            events,
            arrived_from: now.saturating_sub(load.arrived_secs),
            generator: Generator::new(0, 6),
            ids: OnceLock::new(),
        }
    }

    fn per_group(&self) -> u64 {
        u64::from(self.load.per_group.max(1))
    }

    /// Groups in it.
    pub(crate) fn groups(&self) -> u64 {
        self.events.div_ceil(self.per_group())
    }

    /// When a group arrived, seconds since 1970.
    pub(crate) fn arrived(&self, group: u64) -> u64 {
        self.arrived_from + group * self.load.arrived_secs / self.groups().max(1)
    }

    /// Logs in a group.
    pub(crate) fn logs(&self, group: u64) -> u64 {
        self.per_group().min(self.events.saturating_sub(group * self.per_group()))
    }

    fn time(&self, index: u64) -> u64 {
        self.load.first_time + index * self.load.span_secs / self.events.max(1)
    }

    /// The times of a group's logs.
    pub(crate) fn times(&self, group: u64) -> impl Iterator<Item = u64> + '_ {
        let from = group * self.per_group();
        (from..from + self.logs(group)).map(|index| self.time(index))
    }

    /// Calls `with` for each event of some groups, in order: the group, the event's time and its bytes.
    fn each(&self, groups: std::ops::Range<u64>, mut with: impl FnMut(u64, u64, &[u8])) {
        let (mut generator, mut event) = (self.generator.clone(), Vec::with_capacity(4096));
        for group in groups {
            generator.reseed(part_seed(self.load.seed, self.part, group));
            for time in self.times(group) {
                event.clear();
                generator.push_event(time, &mut event);
                with(group, time, &event);
            }
        }
    }

    /// Appends groups as a page of SLS has them: field 1 of a list, each with its length.
    pub(crate) fn put_page(&self, groups: std::ops::Range<u64>, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(self.per_group() as usize * 1_600);
        for group in groups {
            body.clear();
            self.each(group..group + 1, |_, time, event| put_event(&mut body, time as u32, FIELD, event));
            put_bytes(&mut body, 3, TOPIC.as_bytes());
            put_bytes(&mut body, 4, b"actiontrail_example");
            put_tag(&mut body, "__receive_time__", &self.arrived(group).to_string());
            put_bytes(out, 1, &body);
        }
    }

    /// The ids of all events in their order; made once.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        let packed = self.ids.get_or_init(|| {
            let mut packed = Vec::with_capacity(self.events as usize * ID);
            self.each(0..self.groups(), |_, _, event| {
                packed.extend_from_slice(id_of(event).unwrap_or_default().as_bytes());
            });
            packed
        });
        packed.chunks_exact(ID).filter_map(|id| std::str::from_utf8(id).ok())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use prost::Message as _;

    use super::*;
    use crate::sls::proto::LogGroupList;

    #[test]
    fn a_block_is_the_same_whole_and_in_parts_and_every_id_stands_once() {
        let load = Load { events: 1_050, per_group: 100, ..Load::default() };
        let block = Block::new(&load, 3, 1_050, 1_800_000_000);
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        block.put_page(0..11, &mut whole);
        for range in [0..4, 4..5, 5..11] {
            block.put_page(range, &mut parts);
        }
        assert_eq!(whole, parts);
        let page = LogGroupList::decode(whole.as_slice()).unwrap();
        assert_eq!((page.groups.len(), page.groups[10].logs.len()), (11, 50));
        let read: Vec<String> = page
            .groups
            .iter()
            .flat_map(|group| &group.logs)
            .map(|log| id_in(&log.contents[0].value).unwrap())
            .collect();
        assert!(block.ids().eq(read.iter()), "the oracle names what was served, in order");
        assert_eq!(read.iter().collect::<HashSet<_>>().len(), 1_050);
        let other = Block::new(&load, 4, 1_050, 1_800_000_000);
        assert!(other.ids().all(|id| !read.iter().any(|seen| seen == id)));
    }
}
