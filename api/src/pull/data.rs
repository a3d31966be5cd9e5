//! Every call that reads a shard: GetCursor, GetCursorTime, PullLogs, ListShards; and the way to the consumer groups.
//! It must never answer with a place that it did not check against its Logstore.

use std::path::Path;
use std::sync::Arc;

use innertrail_logstore::Store;
use innertrail_logstore::consumer::{Notify, ReaderOptions};
use innertrail_logstore::durable::{Disk, OsDisk};

use super::blocks::Blocks;
use super::compress::Codec;
use super::page::{Page, Stretch};
use super::view::View;
use super::{Cursors, DataError, Shape, ShardInfo, Watch, unread};
use crate::groups::{Groups, Known, Listener};
use crate::{Answer, ApiError, Call};

/// Most log groups that a pull may ask for, and what it gets that asks for no number.
const MOST_COUNT: u64 = 1000;
/// Bytes of records that are kept for other consumers, unless told otherwise.
const CACHE_BYTES: usize = 64 << 20;

/// How the data of a Logstore is served.
#[derive(Debug, Clone)]
pub struct DataOptions {
    /// The writer's handle, when it lives in this process and writes the same directory. Default: none.
    pub notify: Option<Notify>,
    /// Shards, 1 to 128. Fixed when a Logstore is served for the first time. Default: what is fixed, or 4.
    pub shards: Option<u32>,
    /// Records in a row that belong to one shard, 1 to 1,048,576. Fixed as the shards are. Default: what is fixed, or 1,024.
    pub block: Option<u64>,
    /// Bytes of records kept in memory for other consumers; beside them each call needs its page twice, and a block.
    /// Default: 64 MiB.
    pub cache_bytes: usize,
    /// The disk that consumer groups are kept on. Default: the operating system's.
    pub disk: Arc<dyn Disk>,
    /// Told what is done to consumer groups. Default: nobody.
    pub listener: Option<Listener>,
}

impl Default for DataOptions {
    fn default() -> Self {
        let disk = Arc::new(OsDisk::default());
        Self { notify: None, shards: None, block: None, cache_bytes: CACHE_BYTES, disk, listener: None }
    }
}

/// The records of a Logstore by shard, and its consumer groups. Shared by all threads of a server.
#[derive(Debug)]
pub struct Data {
    watch: Watch,
    blocks: Blocks,
    shape: Shape,
    cursors: Cursors,
    groups: Groups,
}

impl Data {
    /// Opens the data directory `dir`. What it must keep is in `consumers/sls/` there, outside the seal: one file for the
    /// shards, one for each consumer group, and a lock, because one process at a time shares out shards.
    ///
    /// # Errors
    /// See [`DataError`].
    pub fn open(dir: &Path, options: DataOptions) -> Result<Self, DataError> {
        let mut reading = ReaderOptions::default();
        reading.notify = options.notify;
        let watch = Watch::open(dir, reading)?;
        let view = watch.view();
        let folder = Groups::claim(dir, options.disk.as_ref())?;
        let shape = Shape::fix(&folder.path, options.disk.as_ref(), &view.snapshot, (options.shards, options.block))?;
        let cursors = Cursors::new(view.snapshot.trail(), view.snapshot.created_us(), shape);
        let groups =
            Groups::open(folder, (options.disk, options.listener), shape.shards, cursors, view.snapshot.trail())?;
        Ok(Self { watch, blocks: Blocks::new(shape.block, options.cache_bytes), shape, cursors, groups })
    }

    /// All shards of a store's Logstore. Every Logstore has as many.
    #[must_use]
    pub fn shards(&self, _store: Store) -> Vec<ShardInfo> {
        self.shape.list(self.watch.view().snapshot.created_us())
    }

    /// GetCursor: `from` is `begin`, `end`, or seconds since 1970 of the arrival.
    ///
    /// # Errors
    /// `ShardNotExist`, `ParameterInvalid`; `InternalServerError` when the Logstore cannot be read.
    pub fn cursor(&self, call: &Call, store: Store, shard: u32) -> Result<Answer, ApiError> {
        self.known(shard)?;
        let seq = match call.parameters.given("from").map(str::trim) {
            Some("begin") => self.fresh()?.first(store),
            Some("end") => self.fresh()?.end(store),
            Some(time) => {
                let seconds: u32 = time.parse().map_err(|_| no_place())?;
                self.watch.at_time(store, i64::from(seconds) * 1_000_000).map_err(|e| unread(&e))?
            }
            None => return Err(no_place()),
        };
        let cursor = self.cursors.text(store, shard, self.shape.ordinal(shard, seq));
        Answer::json(&serde_json::json!({ "cursor": cursor }))
    }

    /// GetCursorTime: when the record behind the cursor arrived, seconds since 1970; now at the end.
    ///
    /// # Errors
    /// `ShardNotExist`, `ParameterInvalid`, `InvalidCursor`; `InternalServerError` when the Logstore cannot be read.
    pub fn cursor_time(&self, call: &Call, store: Store, shard: u32) -> Result<Answer, ApiError> {
        self.known(shard)?;
        let place = self.place(call, "cursor", (store, shard))?;
        let time = self.reading((store, shard), (place, None), |view| {
            let at = self.bound(view, place, (store, shard)).map_err(|beyond| beyond.as_cursor())?;
            let until = self.end(view, store, shard);
            let page = self.page(view, Stretch { store, shard, from: at, until, count: 1 })?;
            Ok(page.received_us.unwrap_or(call.now_us).div_euclid(1_000_000))
        })?;
        Answer::json(&serde_json::json!({ "cursor_time": time }))
    }

    /// PullLogs: `count` log groups from `cursor` on, none at or behind `end_cursor`.
    ///
    /// # Errors
    /// `ShardNotExist`, `ParameterInvalid`, `InvalidCursor`, `NotSupported`; `InternalServerError` when the Logstore cannot be read.
    pub fn pull(&self, call: &Call, store: Store, shard: u32) -> Result<Answer, ApiError> {
        self.known(shard)?;
        plain(call)?;
        let count = count(call)?;
        let (key, place) = ((store, shard), self.place(call, "cursor", (store, shard))?);
        // The Rust SDK sends the second name, all others the first.
        let named = ["end_cursor", "endCursor"].into_iter().find(|name| call.parameters.given(name).is_some());
        let named = named.map(|name| self.place(call, name, key)).transpose()?;
        let (from, page) = self.reading(key, (place, named), |view| {
            let from = self.bound(view, place, key).map_err(|beyond| beyond.as_pull())?;
            if named.is_some_and(|named| named > self.shape.ordinal(shard, view.seen(store))) {
                return Err(ApiError::cursor("Invalid cursor: the end cursor lies behind the end of the shard"));
            }
            let until = named.unwrap_or(u64::MAX).min(self.end(view, store, shard));
            Ok((from, self.page(view, Stretch { store, shard, from, until, count })?))
        })?;
        let next = from + page.groups;
        self.answer(call, page, key, (next, named.is_some_and(|named| next >= named)))
    }

    /// Everything below `consumergroups` of a Logstore; `rest` is the path behind it.
    ///
    /// # Errors
    /// The codes of [`crate::groups`].
    pub fn group_call(&self, call: &Call, store: Store, rest: &[String]) -> Result<Answer, ApiError> {
        let ends = || -> Result<Vec<u64>, ApiError> {
            let view = self.fresh()?;
            Ok((0..self.shape.shards).map(|shard| self.shape.ordinal(shard, view.seen(store))).collect())
        };
        self.groups.answer(call, Known { store, ends: &ends }, rest)
    }

    fn answer(
        &self,
        call: &Call,
        page: Page,
        key: (Store, u32),
        (next, over): (u64, bool),
    ) -> Result<Answer, ApiError> {
        let (store, shard) = key;
        let codec = Codec::accepted(&call.headers);
        let time = page.received_us.unwrap_or(call.now_us).div_euclid(1_000_000);
        let mut answer = Answer { content_type: "application/x-protobuf", ..Answer::default() }
            .with("x-log-cursor", self.cursors.text(store, shard, next))
            .with("x-log-count", page.groups)
            .with("x-log-bodyrawsize", page.raw.len())
            .with("x-log-end-of-cursor", u8::from(over))
            .with("x-log-cursor-time", time);
        if page.groups > 0 {
            answer = answer.with("x-log-read-last-cursor", self.cursors.text(store, shard, next - 1));
            if let Some(name) = codec.name() {
                answer = answer.with("x-log-compresstype", name);
            }
            answer.body = codec.pack(page.raw)?.into();
        }
        Ok(answer)
    }

    fn known(&self, shard: u32) -> Result<(), ApiError> {
        if shard < self.shape.shards { Ok(()) } else { Err(ApiError::no_shard(&shard.to_string())) }
    }

    fn fresh(&self) -> Result<Arc<View>, ApiError> {
        self.watch.fresh().map_err(|e| unread(&e))
    }

    /// Ordinal behind the last durable record of a shard.
    fn end(&self, view: &View, store: Store, shard: u32) -> u64 {
        self.shape.ordinal(shard, view.end(store))
    }

    /// The ordinal that a parameter's cursor stands for.
    fn place(&self, call: &Call, name: &str, (store, shard): (Store, u32)) -> Result<u64, ApiError> {
        let text = call.parameters.given(name);
        let text = text.ok_or_else(|| ApiError::parameter(format!("the parameter {name} is missing")))?;
        self.cursors.ordinal(store, shard, text).ok_or_else(|| {
            ApiError::cursor("Invalid cursor: not one of this Logstore and shard; take one from begin, end or a time")
        })
    }

    /// Holds an ordinal against what there is: the end of what can be seen of the shard, and everything before it that is kept.
    fn bound(&self, view: &View, at: u64, (store, shard): (Store, u32)) -> Result<u64, Outside> {
        let (first, seen) = (self.shape.ordinal(shard, view.first(store)), self.shape.ordinal(shard, view.seen(store)));
        if at > seen {
            return Err(Outside::Beyond);
        }
        if at < first {
            let first_kept = self.cursors.text(store, shard, first);
            return Err(Outside::Expired { gone: first - at, first_kept });
        }
        Ok(at)
    }

    /// Reads with the view that is there when it reaches behind the places that are asked for, else with a fresh one: under
    /// load a look costs milliseconds. With another one when what the view shows is gone.
    fn reading<T>(
        &self,
        (store, shard): (Store, u32),
        (from, named): (u64, Option<u64>),
        read: impl Fn(&View) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut view = self.watch.view();
        let end = self.end(&view, store, shard);
        if from >= end || named.is_some_and(|named| named > end) {
            view = self.fresh()?;
        }
        match read(&view) {
            Err(e) if e.status == 500 => read(&*self.watch.again().map_err(|e| unread(&e))?),
            other => other,
        }
    }

    fn page(&self, view: &View, stretch: Stretch) -> Result<Page, ApiError> {
        Page::of(&self.blocks, view, self.shape, stretch).map_err(|e| unread(&e))
    }
}

/// A cursor of this shard that is no place in it.
enum Outside {
    Beyond,
    Expired { gone: u64, first_kept: String },
}

impl Outside {
    fn words(&self) -> String {
        match self {
            Self::Beyond => {
                "Invalid cursor: it lies behind the end of the shard; was an older copy put back?".to_owned()
            }
            Self::Expired { gone, first_kept } => format!(
                "Invalid cursor: {gone} records from it on were dropped by retention; count them as lost to this consumer, and go on at {first_kept}"
            ),
        }
    }

    fn as_cursor(&self) -> ApiError {
        ApiError::cursor(self.words())
    }

    /// See the module's documentation for why the two differ.
    fn as_pull(&self) -> ApiError {
        match self {
            Self::Beyond => self.as_cursor(),
            Self::Expired { .. } => ApiError::parameter(self.words()),
        }
    }
}

fn no_place() -> ApiError {
    ApiError::parameter("the parameter from must be begin, end, or seconds since 1970")
}

fn count(call: &Call) -> Result<u64, ApiError> {
    let Some(text) = call.parameters.given("count") else { return Ok(MOST_COUNT) };
    let count = text.parse().ok().filter(|count| (1..=MOST_COUNT).contains(count));
    count.ok_or_else(|| ApiError::parameter(format!("the parameter count must be a number from 1 to {MOST_COUNT}")))
}

/// Refuses a pull that wants only some records, or others than there are.
fn plain(call: &Call) -> Result<(), ApiError> {
    match ["query", "pullMode", "processor"].into_iter().find(|name| call.parameters.given(name).is_some()) {
        None => Ok(()),
        Some(name) => {
            let what = format!(
                "this Logstore does not filter what is pulled, so {name} must not be given; use GetLogs to search"
            );
            Err(ApiError::new(400, "NotSupported", what))
        }
    }
}
