//! `innertrail tap`: a sample of what goes through a room of a running process.
//!
//! Behind the write-ahead log it reads files. In front of it the run gives raw frames (`crate::tap`), and this process
//! takes them through the same rooms once more. It must never show what the redact room masks, unless told to, and never
//! keep the run waiting.

pub(super) mod filter;
mod pace;

use std::io::{self, BufRead, BufReader, Write};
use std::time::Instant;

use anyhow::anyhow;
use innertrail_logstore::consumer::{Cursor, Groups, Reader, ReaderOptions};
use innertrail_logstore::row::RowRef;
use innertrail_logstore::{Snapshot, Store, StoredRow};
use innertrail_query::terminal_safe;
use innertrail_sink::delivery::group_name;
use serde_json::{Value, json};

use self::filter::{Condition, wanted};
use self::pace::Pace;
use super::args::{Room, TailFormat, TapArgs};
use super::tail::{Form, SLICE, expired, failed, pull};
use super::{Failure, Outcome, json_safe, last_transform, run};
use crate::exit;
use crate::runtime::Transform;
use crate::runtime::wit::transform::{Batch, Codec, Encoding, Frame, Provenance};
use crate::tap::{Sample, Told, connect};

/// Bytes read from a store at a time.
const PAGE_BYTES: usize = 8 << 20;

pub(super) fn run(args: &TapArgs) -> Outcome {
    let mut pace = Pace::new(args, run::stop_flag()?);
    let outcome = match args.room {
        Room::Logstore => stored(args, Store::Log, &mut pace),
        Room::Passthrough => stored(args, Store::Passthrough, &mut pace),
        Room::Quarantine => stored(args, Store::Quarantine, &mut pace),
        Room::Journal => stored(args, Store::Journal, &mut pace),
        Room::Sink => taken(args, &mut pace),
        room => inside(args, room, &mut pace),
    };
    if outcome.is_ok() {
        pace.end();
    }
    outcome
}

/// What becomes durable in a store from now on.
fn stored(args: &TapArgs, store: Store, pace: &mut Pace) -> Outcome {
    if args.component.is_some() {
        return Err(Failure::Usage(anyhow!("--component is for rooms before the Logstore, and for `sink`")));
    }
    let (mut reader, mut form) = open(args, store)?;
    if connect(&args.data.data_dir).is_err() {
        eprintln!("note: no run answers in {}; waiting for records", args.data.data_dir.display());
    }
    let mut next = reader.end(store);
    while !pace.is_over() {
        let came = reader.wait(next, SLICE).or_else(|e| expired(&e).map(|_| true).ok_or(e)).map_err(failed)?;
        if came {
            let end = reader.end(store);
            show(&mut reader, (next, end), &mut form, &args.wanted, pace)?;
            next = end;
        }
        pace.tell(Instant::now());
    }
    Ok(exit::OK)
}

/// What a sink's receiver takes from now on: where its position moves, there are the records.
fn taken(args: &TapArgs, pace: &mut Pace) -> Outcome {
    let Some(name) = &args.component else {
        return Err(Failure::Usage(anyhow!("name the sink with --component NAME")));
    };
    let (mut reader, mut form) = open(args, Store::Log)?;
    let groups = Groups::open(&args.data.data_dir).map_err(|e| Failure::Usage(e.into()))?;
    let position = || groups.get(&group_name(name)).map(|group| group.cursor);
    let mut from = position().map_err(|e| Failure::Usage(anyhow!("no sink {name} has run here: {e}")))?;
    while !pace.is_over() {
        std::thread::sleep(SLICE);
        let now = position().map_err(failed)?;
        if let (Some(before), Some(after)) = (from, now)
            && after.seq() > before.seq()
        {
            reader.refresh().map_err(failed)?;
            show(&mut reader, (before, after), &mut form, &args.wanted, pace)?;
        }
        from = now;
        pace.tell(Instant::now());
    }
    Ok(exit::OK)
}

fn open(args: &TapArgs, store: Store) -> Result<(Reader, Form), Failure> {
    if args.format == TailFormat::NativeJson && store != Store::Log {
        return Err(Failure::Usage(anyhow!("--format native_json is for the dedicated Logstore; use json")));
    }
    let dir = &args.data.data_dir;
    let reader = Reader::open(dir, ReaderOptions::default()).map_err(|e| Failure::Usage(e.into()))?;
    let form = Form::new(args.format, store, reader.snapshot(), dir)?;
    Ok((reader, form))
}

/// Records between two places, as far as they are wanted and may be shown. Without conditions those beyond the limit are not
/// even read.
fn show(
    reader: &mut Reader,
    (mut from, end): (Cursor, Cursor),
    form: &mut Form,
    conditions: &[Condition],
    pace: &mut Pace,
) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let wanted = usize::try_from(pace.limit).unwrap_or(usize::MAX);
    loop {
        let page = pull(reader, &mut from, (wanted, PAGE_BYTES))?;
        let rows = page.rows.iter().filter(|row| row.seq < end.seq());
        for row in rows {
            if !is_wanted(conditions, reader, row) {
                pace.unwanted(1);
            } else if pace.admit(Instant::now()) {
                form.write(reader.snapshot().layout(), row, &mut out)?;
            }
        }
        from = page.next;
        let left = end.seq().saturating_sub(from.seq());
        let enough = conditions.is_empty() && pace.is_spent(Instant::now());
        if left == 0 || page.rows.is_empty() || enough || pace.is_over() {
            pace.over(left);
            return Ok(out.flush()?);
        }
    }
}

fn is_wanted(conditions: &[Condition], reader: &Reader, row: &StoredRow) -> bool {
    if conditions.is_empty() {
        return true;
    }
    let mut columns = crate::explain::columns(reader.snapshot().layout(), row);
    columns.insert("it_seq".to_owned(), json!(row.seq));
    let event = serde_json::from_slice(row.payload()).unwrap_or_default();
    wanted(conditions, &[&Value::Object(columns), &event])
}

/// What goes through a room before the write-ahead log.
fn inside(args: &TapArgs, room: Room, pace: &mut Pace) -> Outcome {
    if args.format == TailFormat::NativeJson {
        return Err(Failure::Usage(anyhow!("--format native_json is for the dedicated Logstore; use json")));
    }
    let dir = &args.data.data_dir;
    let snapshot = Snapshot::open(dir).map_err(|e| Failure::Usage(e.into()))?;
    let stream = connect(dir).map_err(|e| {
        let dir = dir.display();
        Failure::Runtime(anyhow!("no run answers in {dir}: {e}; start `innertrail run` there, or name its --data-dir"))
    })?;
    stream.set_read_timeout(Some(SLICE))?;
    let mut rooms = Rooms { transform: last_transform(&snapshot, dir)?, room, unmasked: args.unmasked };
    let (mut lines, mut line) = (BufReader::new(stream), Vec::new());
    while !pace.is_over() {
        match lines.read_until(b'\n', &mut line) {
            Ok(0) => {
                eprintln!("note: the run has ended, or has too many taps");
                break;
            }
            Ok(_) => {}
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => continue,
            Err(e) => return Err(e.into()),
        }
        let told = serde_json::from_slice(&line);
        line.clear();
        match told {
            Ok(Told::Sample(sample)) => sampled(args, &mut rooms, &sample, pace)?,
            Ok(Told::Dropped(frames)) => pace.not_given(frames),
            Err(_) => {}
        }
        pace.tell(Instant::now());
    }
    Ok(exit::OK)
}

/// One sample, with all that stands in it.
fn sampled(args: &TapArgs, rooms: &mut Rooms, sample: &Sample, pace: &mut Pace) -> Result<(), Failure> {
    if args.component.as_ref().is_some_and(|name| *name != sample.source) {
        pace.unwanted(1);
        return Ok(());
    }
    if pace.is_spent(Instant::now()) {
        pace.over(1);
        return Ok(());
    }
    for (told, record) in rooms.tell(sample) {
        if !wanted(&args.wanted, &[&told, &record]) {
            pace.unwanted(1);
        } else if pace.admit(Instant::now()) {
            write(args.format, sample, &told)?;
        }
    }
    Ok(())
}

fn write(format: TailFormat, sample: &Sample, told: &Value) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if format == TailFormat::Text {
        let place = format!("{}  {}@{}", sample.source, sample.origin, sample.offset);
        writeln!(out, "{}  {}", terminal_safe(&place), terminal_safe(&told.to_string()))?;
    } else {
        let line = json!({ "source": sample.source, "origin": sample.origin, "offset": sample.offset, "told": told });
        writeln!(out, "{}", json_safe(&line.to_string()))?;
    }
    Ok(out.flush()?)
}

/// The rooms once more, in this process.
struct Rooms {
    transform: Transform,
    room: Room,
    unmasked: bool,
}

impl Rooms {
    /// What the room says of each record of a frame, and the record, masked, for conditions.
    fn tell(&mut self, sample: &Sample) -> Vec<(Value, Value)> {
        let raw = sample.bytes();
        match self.walk(sample, &raw) {
            Ok(told) => told,
            Err(why) => {
                let at = format!("{}@{}", sample.origin, sample.offset);
                eprintln!("note: the component failed on a sample at {}: {}", terminal_safe(&at), terminal_safe(&why));
                if let Err(e) = self.transform.reopen() {
                    eprintln!("note: it does not start again: {}", terminal_safe(&e.to_string()));
                }
                Vec::new()
            }
        }
    }

    fn walk(&mut self, sample: &Sample, raw: &[u8]) -> Result<Vec<(Value, Value)>, String> {
        let frames = [frame(raw, sample.offset, sample.seen())];
        let batch = batch(sample, raw, &frames);
        let masked = self.masked(&batch)?;
        let parsed = |payload: &[u8]| serde_json::from_slice(payload).unwrap_or_default();
        if self.room == Room::Redact || self.unmasked {
            let told = match self.room {
                Room::Source => vec![shown(raw)],
                room => self.explain(&batch)?.iter().map(|told| told[key(room)].clone()).collect(),
            };
            let records = masked.iter().map(|payload| parsed(payload)).chain(std::iter::repeat(Value::Null));
            return Ok(told.into_iter().zip(records).collect());
        }
        let mut out = Vec::new();
        for payload in masked {
            // What is stored is masked, so the rooms are asked about that.
            let told = match self.room {
                Room::Source => shown(&payload),
                room => {
                    let frames = [frame(&payload, sample.offset, sample.seen())];
                    let told = self.explain(&self::batch(sample, &payload, &frames))?;
                    told.first().map(|told| told[key(room)].clone()).unwrap_or_default()
                }
            };
            out.push((told, parsed(&payload)));
        }
        Ok(out)
    }

    /// The records of a batch as they would be stored.
    fn masked(&mut self, batch: &Batch<'_>) -> Result<Vec<Vec<u8>>, String> {
        let routed = self.transform.run(batch, Encoding::Row).map_err(|e| e.to_string())?;
        let (mut start, mut out) = (0, Vec::new());
        for entry in &routed.entries {
            let row = routed.data.get(start..entry.end as usize).unwrap_or_default();
            start = entry.end as usize;
            out.push(RowRef::parse(row).map_err(|e| e.to_string())?.payload().to_vec());
        }
        Ok(out)
    }

    fn explain(&mut self, batch: &Batch<'_>) -> Result<Vec<Value>, String> {
        let told = self.transform.explain(batch).map_err(|e| e.to_string())?;
        serde_json::from_str(&told).map_err(|e| e.to_string())
    }
}

fn frame(bytes: &[u8], offset: u64, fault: Option<crate::runtime::wit::transform::Fault>) -> Frame {
    Frame { end: u32::try_from(bytes.len()).unwrap_or(u32::MAX), offset, fault }
}

fn batch<'a>(sample: &'a Sample, data: &'a [u8], frames: &'a [Frame]) -> Batch<'a> {
    let (source, origin) = (sample.source.as_str(), sample.origin.as_str());
    let provenance = Provenance::OwnSource;
    Batch { provenance, source, origin, codec: Codec::Actiontrail, data, frames, sealed: &[] }
}

fn shown(bytes: &[u8]) -> Value {
    json!({ "bytes": bytes.len(), "event": String::from_utf8_lossy(bytes) })
}

fn key(room: Room) -> &'static str {
    match room {
        Room::Decode => "decode",
        Room::Classify => "classify",
        Room::Redact => "redact",
        _ => "route",
    }
}
