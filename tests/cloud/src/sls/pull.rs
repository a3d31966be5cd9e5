//! Cursors and PullLogs: the way logs leave. Pages of generated logs are made at the first pull and kept in a bounded
//! cache. It must never send a page that overshoots `end_cursor`.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::shard::Slice;
use super::{Inner, Target};
use crate::clock::Clock;
use crate::front::Refusal;
use crate::http::{Reply, Request, lock};

/// Most groups a pull may ask for.
const MOST_COUNT: u64 = 1000;

/// How a page is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Codec {
    Plain,
    Lz4,
    Zstd,
    Deflate,
}

impl Codec {
    /// The first of the codecs in `Accept-Encoding`; plain when there is none.
    pub(super) fn accepted(request: &Request) -> Self {
        let names = request.header("accept-encoding").unwrap_or_default();
        names
            .split(',')
            .find_map(|name| match name.split(';').next().unwrap_or_default().trim() {
                "lz4" => Some(Self::Lz4),
                "zstd" => Some(Self::Zstd),
                "deflate" => Some(Self::Deflate),
                _ => None,
            })
            .unwrap_or(Self::Plain)
    }

    pub(super) fn name_of(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Lz4 => Some("lz4"),
            Self::Zstd => Some("zstd"),
            Self::Deflate => Some("deflate"),
        }
    }

    /// Compresses; lz4 is one raw block without its size.
    pub(super) fn compress(self, raw: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let failed = |error: std::io::Error| Refusal::new(500, "InternalServerError", error.to_string());
        match self {
            Self::Plain => Ok(raw),
            Self::Lz4 => Ok(lz4_flex::block::compress(&raw)),
            Self::Zstd => zstd::bulk::compress(&raw, 1).map_err(failed),
            Self::Deflate => {
                use std::io::Write as _;
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&raw).and_then(|()| encoder.finish()).map_err(failed)
            }
        }
    }
}

/// A page as it goes out.
#[derive(Clone)]
pub(super) struct Page {
    body: Arc<Vec<u8>>,
    raw: usize,
    groups: u64,
}

/// Which page: logs never change, so the name of a page is enough.
type PageKey = (String, String, u32, u64, u64, Codec);

/// Pages that were made before, the oldest given up first.
#[derive(Default)]
pub(super) struct PageCache {
    pages: HashMap<PageKey, Page>,
    order: VecDeque<PageKey>,
    bytes: usize,
    /// Pages that were made, whether they are still kept or not.
    pub(super) made: u64,
}

impl PageCache {
    fn get(&self, key: &PageKey) -> Option<Page> {
        self.pages.get(key).cloned()
    }

    fn put(&mut self, key: PageKey, page: Page, most: usize) {
        self.made += 1;
        self.bytes += page.body.len();
        if let Some(old) = self.pages.insert(key.clone(), page) {
            self.bytes -= old.body.len();
        } else {
            self.order.push_back(key);
        }
        while self.bytes > most {
            let Some(oldest) = self.order.pop_front() else { return };
            self.bytes -= self.pages.remove(&oldest).map_or(0, |page| page.body.len());
        }
    }
}

impl Inner {
    fn invalid_cursor(&self) -> Refusal {
        let code = *lock(&self.expired_code);
        Refusal::new(400, code, "Invalid cursor")
    }

    /// GetCursor.
    pub(super) fn get_cursor(&self, request: &Request, target: &Target) -> Result<Reply, Refusal> {
        let from = request.parameter("from").unwrap_or_default();
        let cursor = self.with_shard(target, |shard| {
            let ordinal = match from {
                "begin" => shard.first(),
                "end" => shard.end_ordinal(),
                time => shard.at_time(time.parse().map_err(|_| {
                    Refusal::new(400, "ParameterInvalid", format!("from is neither begin, end nor a time: {time:?}"))
                })?),
            };
            Ok(shard.cursor(ordinal))
        })?;
        Ok(super::json(&serde_json::json!({ "cursor": cursor })))
    }

    /// GetCursorTime; the end is as late as now.
    pub(super) fn get_cursor_time(&self, request: &Request, target: &Target) -> Result<Reply, Refusal> {
        let cursor = request.parameter("cursor").unwrap_or_default();
        let now = self.front.clock.now_secs();
        let time = self.with_shard(target, |shard| {
            let ordinal = shard.ordinal(cursor).filter(|ordinal| *ordinal >= shard.first());
            let ordinal = ordinal.ok_or_else(|| Refusal::new(400, "InvalidCursor", "Invalid cursor"))?;
            Ok(shard.arrived(ordinal).unwrap_or(now))
        })?;
        Ok(super::json(&serde_json::json!({ "cursor_time": time })))
    }

    /// PullLogs.
    pub(super) fn pull(&self, request: &Request, target: &Target) -> Result<Reply, Refusal> {
        let cursor = request.parameter("cursor").unwrap_or_default();
        let count = request.parameter("count").map_or(Some(MOST_COUNT), |count| count.parse().ok());
        let Some(count) = count.filter(|count| (1..=MOST_COUNT).contains(count)) else {
            return Err(Refusal::new(400, "ParameterInvalid", "count must be a number from 1 to 1000"));
        };
        let codec = Codec::accepted(request);
        let (slice, until) = self.with_shard(target, |shard| {
            let ordinal = |text| shard.ordinal(text).filter(|ordinal| *ordinal >= shard.first());
            let from = ordinal(cursor).ok_or_else(|| self.invalid_cursor())?;
            let until = match request.parameter("end_cursor") {
                None => shard.end_ordinal(),
                Some(end) => shard.ordinal(end).ok_or_else(|| self.invalid_cursor())?,
            };
            Ok((shard.slice(from, count, until), until))
        })?;
        let page = self.page(target, &slice, codec)?;
        self.page_reply(target, page, slice.from, until, codec)
    }

    /// A page from the cache, or made and put there.
    fn page(&self, target: &Target, slice: &Slice, codec: Codec) -> Result<Page, Refusal> {
        let key = (target.project.clone(), target.logstore.clone(), target.number()?, slice.from, slice.to, codec);
        let cached = lock(&self.pages).get(&key);
        if let Some(page) = cached {
            return Ok(page);
        }
        let (raw, groups) = slice.page(self.most_page);
        let page = Page { raw: raw.len(), body: Arc::new(codec.compress(raw)?), groups };
        lock(&self.pages).put(key, page.clone(), self.cache_bytes);
        Ok(page)
    }

    /// Makes the pages that a client gets who pulls a shard from its beginning with this `count` and lz4; says how many.
    pub(super) fn prepare(&self, target: &Target, count: u64) -> Result<u64, Refusal> {
        let (mut at, end) = self.with_shard(target, |shard| Ok((shard.first(), shard.end_ordinal())))?;
        let mut pages = 0;
        while at < end {
            let slice = self.with_shard(target, |shard| Ok(shard.slice(at, count.clamp(1, MOST_COUNT), end)))?;
            at += self.page(target, &slice, Codec::Lz4)?.groups.max(1);
            pages += 1;
        }
        Ok(pages)
    }

    fn page_reply(&self, target: &Target, page: Page, from: u64, until: u64, codec: Codec) -> Result<Reply, Refusal> {
        let next = from + page.groups;
        let now = self.front.clock.now_secs();
        self.with_shard(target, |shard| {
            let over = next >= until && (!shard.writable || until < shard.end_ordinal());
            let arrived = shard.arrived(next.saturating_sub(1).max(from)).unwrap_or(now);
            let mut reply = Reply::new(200)
                .with_header("Content-Type", "application/x-protobuf")
                .with_header("x-log-cursor", shard.cursor(next))
                .with_header("x-log-count", page.groups.to_string())
                .with_header("x-log-bodyrawsize", page.raw.to_string())
                .with_header("x-log-end-of-cursor", if over { "1" } else { "0" })
                .with_header("x-log-cursor-time", arrived.to_string())
                .with_header("x-log-read-last-cursor", shard.cursor(shard.end_ordinal()));
            if page.groups > 0 {
                if let Some(name) = codec.name_of() {
                    reply.set_header("x-log-compresstype", name);
                }
                reply = reply.with_shared(page.body);
            }
            Ok(reply)
        })
    }

    /// GetHistograms over the logs' own times; only for everything, there is no search here.
    pub(super) fn histogram(&self, request: &Request, target: &Target) -> Result<Reply, Refusal> {
        let number = |name| request.parameter(name).and_then(|value| value.parse::<u64>().ok());
        let (Some(from), Some(to)) = (number("from"), number("to")) else {
            return Err(Refusal::new(400, "ParameterInvalid", "from and to must be times in seconds"));
        };
        if from >= to {
            return Err(Refusal::new(400, "InvalidTimeRange", "from must be before to"));
        }
        if !matches!(request.parameter("query").unwrap_or_default().trim(), "" | "*") {
            return Err(Refusal::new(400, "NotSupported", "this server counts everything and searches nothing"));
        }
        let times = self.with_logstore(target, |logstore| {
            Ok(logstore.shards.values().flat_map(super::shard::Shard::times).collect::<Vec<u64>>())
        })?;
        let parts = (to - from).min(60);
        let edge = |part: u64| from + (to - from) * part / parts;
        let bars: Vec<serde_json::Value> = (0..parts)
            .map(|part| {
                let (low, high) = (edge(part), edge(part + 1));
                let count = times.iter().filter(|time| (low..high).contains(*time)).count();
                serde_json::json!({ "from": low, "to": high, "count": count, "progress": "Complete" })
            })
            .collect();
        let total = times.iter().filter(|time| (from..to).contains(*time)).count();
        Ok(super::json(&serde_json::json!(bars))
            .with_header("x-log-progress", "Complete")
            .with_header("x-log-count", total.to_string()))
    }
}

/// The machine's time in microseconds, as checkpoints carry it.
pub(super) fn microseconds(clock: &Clock) -> u64 {
    (clock.now_ms().max(0) as u64) * 1000
}
