//! `innertrail tail`: the newest records of a store, and on request those that come; alone, or as a consumer group.
//!
//! A reader without a lock: it never keeps a writer waiting. Only durable records are shown. In a group, the group's
//! position moves after the records are written and flushed, so a crash repeats some and loses none. What retention
//! dropped before it was read is said, never passed over in silence.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use innertrail_logstore::consumer::{
    ConsumerError, Cursor, Group, GroupOptions, Groups, Lease, Page, Reader, ReaderOptions,
};
use innertrail_logstore::{Layout, Snapshot, Store, StoredRow, Value};
use innertrail_query::terminal_safe;
use serde_json::json;

use super::args::{TailArgs, TailDialect, TailFormat};
use super::{Failure, Outcome, improg, json_safe, last_transform, run};
use crate::clock::now_us;
use crate::exit;
use crate::runtime::Transform;
use crate::runtime::wit::transform::{Batch, Codec, Encoding, Frame, Provenance, Route};
use crate::seal_mark::{self, SealKey};

/// The longest wait between two looks at whether to stop.
pub(super) const SLICE: Duration = Duration::from_millis(200);

/// How long a tail that does not follow waits for records that are being made durable.
const SETTLE: Duration = Duration::from_secs(1);

/// Records and bytes read at a time.
const PAGE: (usize, usize) = (1000, 8 << 20);

/// How often a position is stored while records come.
const CHECKPOINT: Duration = Duration::from_secs(1);

/// The lease of a group that is made here: short, so that a killed tail can be replaced soon.
const LEASE_US: i64 = 10_000_000;

pub(super) fn run(args: &TailArgs) -> Outcome {
    let store: Store = args.store.into();
    if args.format == TailFormat::NativeJson && store != Store::Log {
        return Err(Failure::Usage(anyhow!("--format native_json is for the dedicated Logstore; use json")));
    }
    let dir = &args.data.data_dir;
    let mut reader = Reader::open(dir, ReaderOptions::default()).map_err(|e| Failure::Usage(e.into()))?;
    let mut form = Form::new(args.format, store, reader.snapshot(), dir)?;
    let stop = run::stop_flag()?;
    if args.dialect == TailDialect::Improg {
        return improg::run(args, &mut reader, &mut form, &stop);
    }
    if !args.follow && reader.withheld(store) > 0 {
        reader.wait(reader.end(store), SETTLE).map_err(failed)?;
    }
    let newest = reader.newest(store, args.lines);
    let (mut member, mut next) = match &args.group {
        None => (None, newest),
        Some(name) => match Member::join(dir, name, newest, args.follow, &stop)? {
            Some((member, next)) => (Some(member), next),
            None => return Ok(exit::OK),
        },
    };
    loop {
        next = write_from(&mut reader, next, &mut form, member.as_mut(), &stop)?;
        if !args.follow || stop.load(Ordering::Relaxed) {
            break;
        }
        let idle = !reader.wait(next, SLICE).or_else(|e| expired(&e).map(|_| true).ok_or(e)).map_err(failed)?;
        if let Some(member) = &mut member {
            member.rest(next, idle)?;
        }
    }
    if let Some(member) = &mut member {
        member.store(next)?;
    }
    if !args.follow && reader.withheld(store) > 0 {
        let count = reader.withheld(store);
        eprintln!("note: {count} newer records are not shown, it is not known yet whether they are durable");
    }
    Ok(exit::OK)
}

pub(super) fn failed(error: ConsumerError) -> Failure {
    Failure::Runtime(error.into())
}

/// Writes everything that is durable from `next` on; gives where it stopped.
fn write_from(
    reader: &mut Reader,
    mut next: Cursor,
    form: &mut Form,
    mut member: Option<&mut Member>,
    stop: &AtomicBool,
) -> Result<Cursor, Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    loop {
        let Page { rows, next: after, at_end } = pull(reader, &mut next, PAGE)?;
        for row in &rows {
            form.write(reader.snapshot().layout(), row, &mut out)?;
        }
        out.flush()?;
        next = after;
        if let Some(member) = member.as_deref_mut() {
            member.progress(next)?;
        }
        if at_end || rows.is_empty() || stop.load(Ordering::Relaxed) {
            return Ok(next);
        }
    }
}

/// The page at `from`, of at most so many records and bytes. Where retention has dropped what was there, that is said, and
/// `from` goes to the first record that is kept.
pub(super) fn pull(reader: &mut Reader, from: &mut Cursor, (rows, bytes): (usize, usize)) -> Result<Page, Failure> {
    loop {
        match reader.pull(*from, rows, bytes) {
            Ok(page) => return Ok(page),
            Err(error) if expired(&error).is_some() => {
                eprintln!("warning: {error}");
                *from = reader.begin(from.store());
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

/// The first record that is kept, when the error says that earlier ones are gone.
pub(super) fn expired(error: &ConsumerError) -> Option<u64> {
    match error {
        ConsumerError::Expired { first_kept, .. } => Some(*first_kept),
        _ => None,
    }
}

/// This process as the consumer of a group.
pub(super) struct Member {
    groups: Groups,
    group: String,
    consumer: String,
    timeout: Duration,
    stored: Cursor,
    stored_at: Instant,
    beat_at: Instant,
}

impl Member {
    /// Takes the group, making it where needed. `None`: told to stop while another consumer held it.
    pub(super) fn join(
        dir: &Path,
        name: &str,
        newest: Cursor,
        patient: bool,
        stop: &AtomicBool,
    ) -> Result<Option<(Self, Cursor)>, Failure> {
        let usage = |e: ConsumerError| Failure::Usage(e.into());
        let groups = Groups::open(dir).map_err(usage)?;
        let group = found_or_made(&groups, name, newest.store()).map_err(usage)?;
        if group.store != newest.store() {
            return Err(Failure::Usage(anyhow!("the group `{name}` reads `{0}`; use --store {0}", group.store)));
        }
        let consumer = format!("tail-{}-{}", std::process::id(), now_us());
        if !take(&groups, name, &consumer, patient, stop)? {
            return Ok(None);
        }
        let timeout = Duration::from_micros(group.options.timeout_us.unsigned_abs());
        let (group, now) = (name.to_owned(), Instant::now());
        let mut member = Self { groups, group, consumer, timeout, stored: newest, stored_at: now, beat_at: now };
        // Read after the group was taken: the holder before may have moved it.
        match member.groups.get(name).map_err(failed)?.cursor {
            Some(cursor) => member.stored = cursor,
            // Kept at once, or a crash now would begin at other records next time.
            None => member.put(newest)?,
        }
        let from = member.stored;
        Ok(Some((member, from)))
    }

    /// Records up to here were written and flushed.
    fn progress(&mut self, next: Cursor) -> Result<(), Failure> {
        if self.stored_at.elapsed() >= CHECKPOINT { self.store(next) } else { Ok(()) }
    }

    /// Between two looks: nothing came, or something is about to.
    pub(super) fn rest(&mut self, next: Cursor, idle: bool) -> Result<(), Failure> {
        if idle {
            self.store(next)?;
        }
        if self.beat_at.elapsed() < self.timeout / 3 {
            return Ok(());
        }
        self.beat_at = Instant::now();
        match self.groups.heartbeat(&self.group, &self.consumer, now_us()).map_err(failed)? {
            Lease::Held { .. } => Ok(()),
            Lease::Waiting { owner, .. } => {
                let owner = terminal_safe(&owner);
                Err(Failure::Runtime(anyhow!("the group `{}` was taken over by {owner}", self.group)))
            }
        }
    }

    /// Stores the position if it moved.
    pub(super) fn store(&mut self, next: Cursor) -> Result<(), Failure> {
        if next == self.stored { Ok(()) } else { self.put(next) }
    }

    fn put(&mut self, next: Cursor) -> Result<(), Failure> {
        self.groups.checkpoint(&self.group, Some(&self.consumer), next, false, now_us()).map_err(failed)?;
        self.stored = next;
        self.stored_at = Instant::now();
        self.beat_at = self.stored_at;
        Ok(())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // If this fails, the lease runs out by itself.
        let _released = self.groups.release(&self.group, &self.consumer);
    }
}

fn found_or_made(groups: &Groups, name: &str, store: Store) -> Result<Group, ConsumerError> {
    let options = GroupOptions { timeout_us: LEASE_US, ..GroupOptions::default() };
    match groups.get(name) {
        Err(ConsumerError::NoGroup { .. }) => match groups.create(name, store, options, now_us()) {
            Err(ConsumerError::Exists { .. }) => groups.get(name),
            made => made,
        },
        found => found,
    }
}

/// Takes the group; a patient one waits for it. `false`: told to stop.
fn take(groups: &Groups, name: &str, consumer: &str, patient: bool, stop: &AtomicBool) -> Result<bool, Failure> {
    let mut told = false;
    while !stop.load(Ordering::Relaxed) {
        let Lease::Waiting { owner, .. } = groups.heartbeat(name, consumer, now_us()).map_err(failed)? else {
            return Ok(true);
        };
        let owner = terminal_safe(&owner).to_string();
        if !patient {
            return Err(Failure::Runtime(anyhow!(
                "the group `{name}` is held by {owner}; end that consumer, or wait until its lease runs out"
            )));
        }
        if !told {
            eprintln!("note: the group `{name}` is held by {owner}; waiting for it");
            told = true;
        }
        std::thread::sleep(SLICE);
    }
    Ok(false)
}

pub(super) enum Form {
    Text,
    /// With marks, where the key can be read and the store is the one that has any.
    Json(Option<SealKey>),
    NativeJson(Box<Transform>, SealKey),
}

impl Form {
    pub(super) fn new(format: TailFormat, store: Store, snapshot: &Snapshot, dir: &Path) -> Result<Self, Failure> {
        Ok(match format {
            TailFormat::Text => Self::Text,
            TailFormat::Json => Self::Json((store == Store::Log).then(|| marks(dir)).flatten()),
            TailFormat::NativeJson => {
                let key = SealKey::open(dir).map_err(|e| Failure::Usage(e.into()))?;
                Self::NativeJson(Box::new(last_transform(snapshot, dir)?), key)
            }
        })
    }

    pub(super) fn write(&mut self, layout: &Layout, row: &StoredRow, out: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::Text => writeln!(out, "{}", line(layout, row))?,
            Self::Json(key) => {
                let mut columns = crate::explain::columns(layout, row);
                columns.insert("it_seq".to_owned(), json!(row.seq));
                columns.insert("it_received".to_owned(), json!(row.received_us));
                if let Some(key) = key {
                    columns.insert("it_seal".to_owned(), json!(key.mark(row.seq, row.payload())));
                }
                columns.insert("event".to_owned(), json!(String::from_utf8_lossy(row.payload())));
                writeln!(out, "{}", json_safe(&serde_json::Value::Object(columns).to_string()))?;
            }
            Self::NativeJson(transform, key) => {
                let mut event = native_json(transform, row)?;
                let mark = key.mark(row.seq, row.payload());
                event.truncate(event.len() - 2);
                out.write_all(&event)?;
                writeln!(out, ",\"it_seq\":{},\"it_seal\":\"{mark}\"}}}}", row.seq)?;
            }
        }
        Ok(())
    }
}

/// The key of the marks, where it is there for this user. Reading goes on without it, and that is said.
fn marks(dir: &Path) -> Option<SealKey> {
    if !dir.join(seal_mark::FILE).exists() {
        return None;
    }
    SealKey::open(dir).inspect_err(|why| eprintln!("note: the records are written without seal marks: {why}")).ok()
}

/// The record as the component writes it for Vector.
fn native_json(transform: &mut Transform, row: &StoredRow) -> Result<Vec<u8>, Failure> {
    let end = u32::try_from(row.payload().len()).unwrap_or(u32::MAX);
    let frames = [Frame { end, offset: 0, fault: None }];
    let batch = Batch {
        provenance: Provenance::OwnSource,
        source: "logstore",
        origin: "tail",
        codec: Codec::Actiontrail,
        data: row.payload(),
        frames: &frames,
        sealed: &[],
    };
    let routed = transform.run(&batch, Encoding::NativeJson).map_err(|e| Failure::Runtime(e.into()))?;
    if routed.entries.iter().any(|e| e.route != Route::Dedicated) || !routed.data.ends_with(b"}}") {
        let why = "the component would not route this record to the Logstore today; use --format json";
        return Err(Failure::Runtime(anyhow::anyhow!("record {}: {why}", row.seq)));
    }
    Ok(routed.data)
}

/// One line for people: when, who, what, to what, how it ended, and why.
fn line(layout: &Layout, row: &StoredRow) -> String {
    let text = |name: &str| {
        let position = layout.position(name).and_then(|p| u8::try_from(p).ok())?;
        match row.column(position)? {
            Value::Text(text) if !text.is_empty() => Some(text.to_owned()),
            _ => None,
        }
    };
    let names = ["eventTime", "it_actor", "eventName", "it_resource", "it_outcome", "it_reason"];
    let reasons = ["it_quarantine_reason", "it_quarantine_detail", "it_origin"];
    let told: Vec<String> = names.iter().chain(&reasons[..2]).filter_map(|n| text(n)).collect();
    let told = if told.is_empty() {
        let shown: String = String::from_utf8_lossy(row.payload()).chars().take(160).collect();
        shown
    } else {
        told.join("  ")
    };
    format!("{:>8}  {}", row.seq, terminal_safe(&told))
}
