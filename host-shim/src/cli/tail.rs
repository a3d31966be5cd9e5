//! `innertrail tail`: the newest records of a store, and on request those that come.
//!
//! A reader without a lock: it never keeps a writer waiting. Only durable records are shown.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use innertrail_logstore::{Layout, Snapshot, Store, StoredRow, Value};
use innertrail_query::terminal_safe;
use serde_json::json;

use super::args::{self, TailArgs, TailFormat};
use super::{Failure, Outcome, explain, json_safe, run};
use crate::exit;
use crate::runtime::Transform;
use crate::runtime::wit::transform::{Batch, Codec, Encoding, Frame, Provenance, Route};
use crate::seal_mark::SealKey;

/// How often a following tail looks for new records.
const POLL: Duration = Duration::from_millis(200);

/// Records read at a time.
const PAGE: usize = 1000;

pub(super) fn run(args: &TailArgs) -> Outcome {
    let store = match args.store {
        args::Store::Log => Store::Log,
        args::Store::Quarantine => Store::Quarantine,
        args::Store::Passthrough => Store::Passthrough,
    };
    if args.format == TailFormat::NativeJson && store != Store::Log {
        return Err(Failure::Usage(anyhow::anyhow!("--format native_json is for the dedicated Logstore; use json")));
    }
    let dir = &args.data.data_dir;
    let mut snapshot = Snapshot::open(dir).map_err(|e| Failure::Usage(e.into()))?;
    let mut form = Form::new(args.format, &snapshot, dir)?;
    let mut next = snapshot.end(store).saturating_sub(args.lines);
    let stop = run::stop_flag()?;
    loop {
        next = write_from(&snapshot, store, next, &mut form)?;
        if !args.follow || stop.load(Ordering::Relaxed) {
            return Ok(exit::OK);
        }
        std::thread::sleep(POLL);
        snapshot = snapshot.refresh().map_err(|e| Failure::Runtime(e.into()))?;
    }
}

fn write_from(snapshot: &Snapshot, store: Store, mut next: u64, form: &mut Form) -> Result<u64, Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    while next < snapshot.end(store) {
        let rows = snapshot.scan_rows(store, next, PAGE).map_err(|e| Failure::Runtime(e.into()))?;
        let Some(last) = rows.last() else { break };
        next = last.seq + 1;
        for row in &rows {
            form.write(snapshot.layout(), row, &mut out)?;
        }
    }
    out.flush()?;
    Ok(next)
}

enum Form {
    Text,
    Json,
    NativeJson(Box<Transform>, SealKey),
}

impl Form {
    fn new(format: TailFormat, snapshot: &Snapshot, dir: &Path) -> Result<Self, Failure> {
        Ok(match format {
            TailFormat::Text => Self::Text,
            TailFormat::Json => Self::Json,
            TailFormat::NativeJson => {
                let key = SealKey::open(dir).map_err(|e| Failure::Usage(e.into()))?;
                Self::NativeJson(Box::new(explain::last_transform(snapshot, dir)?), key)
            }
        })
    }

    fn write(&mut self, layout: &Layout, row: &StoredRow, out: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::Text => writeln!(out, "{}", line(layout, row))?,
            Self::Json => {
                let mut columns = explain::columns(layout, row);
                columns.insert("it_seq".to_owned(), json!(row.seq));
                columns.insert("it_received".to_owned(), json!(row.received_us));
                columns.insert("event".to_owned(), json!(String::from_utf8_lossy(&row.payload)));
                writeln!(out, "{}", json_safe(&serde_json::Value::Object(columns).to_string()))?;
            }
            Self::NativeJson(transform, key) => {
                let mut event = native_json(transform, row)?;
                let mark = key.mark(row.seq, &row.payload);
                event.truncate(event.len() - 2);
                out.write_all(&event)?;
                writeln!(out, ",\"it_seq\":{},\"it_seal\":\"{mark}\"}}}}", row.seq)?;
            }
        }
        Ok(())
    }
}

/// The record as the component writes it for Vector.
fn native_json(transform: &mut Transform, row: &StoredRow) -> Result<Vec<u8>, Failure> {
    let end = u32::try_from(row.payload.len()).unwrap_or(u32::MAX);
    let frames = [Frame { end, offset: 0, fault: None }];
    let batch = Batch {
        provenance: Provenance::OwnSource,
        source: "logstore",
        origin: "tail",
        codec: Codec::Actiontrail,
        data: &row.payload,
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
            Value::Text(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    };
    let names = ["eventTime", "it_actor", "eventName", "it_resource", "it_outcome", "it_reason"];
    let reasons = ["it_quarantine_reason", "it_quarantine_detail", "it_origin"];
    let told: Vec<String> = names.iter().chain(&reasons[..2]).filter_map(|n| text(n)).collect();
    let told = if told.is_empty() {
        let shown: String = String::from_utf8_lossy(&row.payload).chars().take(160).collect();
        shown
    } else {
        told.join("  ")
    };
    format!("{:>8}  {}", row.seq, terminal_safe(&told))
}
