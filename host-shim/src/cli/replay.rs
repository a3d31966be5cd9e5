//! `innertrail replay`: sends records of the dedicated Logstore to a sink again, or sets a sink's position.
//!
//! Works on what is durable and takes no writer's lock, so it runs beside `innertrail run`. Sending again must never move
//! the sink's own position.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};
use innertrail_logstore::Store;
use innertrail_logstore::consumer::{Groups, Reader, ReaderOptions};
use innertrail_query::terminal_safe;
use innertrail_sink::Record;
use innertrail_sink::delivery::{Delivery, DeliveryError, NotParked, Parking, Place, Start, State, set_position};
use serde_json::json;

use super::args::{Format, ReplayArgs, Where};
use super::{Failure, Log, Outcome, draws_progress, json_safe, run};
use crate::clock::now_us;
use crate::config::sinks::SpoolSink;
use crate::config::{Config, Sink};
use crate::exit;
use crate::seal_mark::SealKey;
use crate::sink::{self, build};

/// How often people hear how it goes.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Refused records that are named one by one.
const NAMED: usize = 20;

pub(super) fn run(args: &ReplayArgs, log: &Log) -> Outcome {
    let config = Config::load(args.config.path())?;
    let name = &args.sink;
    let Some(options) = config.sinks.get(name) else {
        let known: Vec<&str> = config.sinks.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "no sink".to_owned() } else { known.join(", ") };
        return Err(Failure::Usage(anyhow!("the configuration has no sink `{name}`; it has: {known}")));
    };
    let mut reader = Reader::open(&config.data_dir, ReaderOptions::default()).map_err(|e| Failure::Usage(e.into()))?;
    let from = place(&mut reader, args.from)?;
    if args.set_position {
        return put(&config, &mut reader, name, from);
    }
    let to = args.to.map(|to| place(&mut reader, to)).transpose()?;
    if to.is_some_and(|to| to < from) {
        return Err(Failure::Usage(anyhow!("--to lies before --from; swap the two")));
    }
    again(args, log, &config, options, (from, to))
}

/// The record number that is meant.
fn place(reader: &mut Reader, place: Where) -> Result<u64, Failure> {
    match place {
        Where::Begin => Ok(reader.begin(Store::Log).seq()),
        Where::Record(seq) => Ok(seq),
        Where::Received(at_us) => Ok(reader.at_time(Store::Log, at_us).map_err(|e| Failure::Runtime(e.into()))?.seq()),
    }
}

fn put(config: &Config, reader: &mut Reader, name: &str, from: u64) -> Outcome {
    let groups = Groups::open(&config.data_dir).map_err(|e| Failure::Usage(e.into()))?;
    set_position(reader, &groups, name, from, now_us()).map_err(ended)?;
    super::print(&format!("sink {name} goes on at record {from}; a run under way does so within four minutes"))
}

fn ended(error: DeliveryError) -> Failure {
    match error {
        DeliveryError::NoSuchRecord { .. } => Failure::Usage(error.into()),
        _ => Failure::Runtime(error.into()),
    }
}

/// The sink as a replay has it. A run holds the files of its spool, so a replay writes its own beside them.
fn beside(options: &Sink) -> Sink {
    match options {
        Sink::Spool(spool) => Sink::Spool(SpoolSink { prefix: format!("{}-replay", spool.prefix), ..spool.clone() }),
        other => other.clone(),
    }
}

fn again(args: &ReplayArgs, log: &Log, config: &Config, options: &Sink, (from, to): (u64, Option<u64>)) -> Outcome {
    let name = args.sink.clone();
    let sender = build::one(&name, &beside(options))?;
    let key = SealKey::open(&config.data_dir).map_err(|e| Failure::Usage(e.into()))?;
    let place = Place {
        name: name.clone(),
        dir: config.data_dir.clone(),
        consumer: "replay".to_owned(),
        notify: None,
        start: Start::At(from),
    };
    let refused = Refused::default();
    let parking = Box::new(refused.clone());
    let mut delivery = Delivery::new(place, sink::settings(options.delivery()), sender, parking, sink::mark(key));
    let stop = run::stop_flag()?;
    let status = delivery.status();
    let over = AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        scope.spawn(|| watch(&status, log, &over));
        let result = delivery.replay(from, to, &stop);
        over.store(true, Ordering::Relaxed);
        result
    });
    result.map_err(ended)?;
    let (report, refused) = (status.report(), refused.take());
    // A sink on standard output has it for itself.
    let taken = matches!(options, Sink::Stdout(_));
    let mut out: Box<dyn Write> = if taken { Box::new(io::stderr()) } else { Box::new(io::stdout().lock()) };
    let stopped = stop.load(Ordering::Relaxed);
    if args.format == Format::Json {
        let answer = json!({
            "sink": name, "from": from, "next": report.position, "sent": report.sent, "retried": report.retried,
            "refused": refused.iter().map(|(seq, why)| json!({ "seq": seq, "why": why })).collect::<Vec<_>>(),
            "stopped": stopped,
        });
        writeln!(out, "{}", json_safe(&answer.to_string()))?;
    } else {
        let how = if stopped { "; stopped before the end" } else { "" };
        let (sent, next) = (report.sent, report.position);
        writeln!(out, "{sent} records sent to {name}, from record {from} to before {next}{how}")?;
        for (seq, why) in refused.iter().take(NAMED) {
            writeln!(out, "refused: record {seq}: {}", terminal_safe(why))?;
        }
        if refused.len() > NAMED {
            writeln!(out, "refused: {} more", refused.len() - NAMED)?;
        }
    }
    Ok(if stopped || !refused.is_empty() { exit::FOUND } else { exit::OK })
}

/// Shows progress on a terminal, and says when a receiver does not answer.
fn watch(status: &innertrail_sink::delivery::Status, log: &Log, over: &AtomicBool) {
    let bar = draws_progress(log).then(ProgressBar::new_spinner);
    if let (Some(bar), Ok(style)) = (&bar, ProgressStyle::with_template("{spinner} {pos} of {len} sent ({per_sec})")) {
        bar.set_style(style);
    }
    let mut told = false;
    while !over.load(Ordering::Relaxed) {
        let report = status.report();
        if let Some(bar) = &bar {
            bar.set_length(report.sent + report.behind);
            bar.set_position(report.sent);
        }
        match &report.state {
            State::Waiting { why, .. } if !told => {
                let line = format!("sink {}: {why}; it is tried again until you stop it", report.name);
                match &bar {
                    Some(bar) => bar.suspend(|| log.line("warning", &line)),
                    None => log.line("warning", &line),
                }
                told = true;
            }
            State::Running => told = false,
            _ => {}
        }
        std::thread::sleep(LOOK_EVERY);
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

/// What the receiver refused: it is in the Logstore, so it is only told.
#[derive(Debug, Clone, Default)]
struct Refused(Arc<Mutex<Vec<(u64, String)>>>);

impl Refused {
    fn take(&self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Parking for Refused {
    fn park(&mut self, _sink: &str, record: &Record, why: &str) -> Result<(), NotParked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((record.row.seq, why.to_owned()));
        Ok(())
    }

    fn missed(&mut self, _sink: &str, from: u64, to: u64) -> Result<(), NotParked> {
        let why = format!("and those up to {}: retention dropped them meanwhile", to.saturating_sub(1));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((from, why));
        Ok(())
    }
}
