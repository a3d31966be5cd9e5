//! `innertrail run`: the source role. Reads the sources, keeps what they hold, sums up.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};

use super::args::{Format, RunArgs};
use super::log::{About, Dropped, RunLog};
use super::{Failure, Log, Outcome, draws_progress, json_safe};
use crate::config::{Config, Sink};
use crate::exit;
use crate::metrics::error_type;
use crate::pipeline::{Copying, Notice, Pipeline, PipelineError};
use crate::sink::watch::{Weight, Word};

pub(super) fn run(args: &RunArgs, log: &Log) -> Outcome {
    let config = load(args)?;
    if config.sources.is_empty() && !config.gate.serves() && config.api.is_none() && config.console.is_none() {
        let help = "name one under `sources:`, give files with --include, or have `api:`, `console:` or a server under `gate:` (not with --once)";
        return Err(Failure::Usage(anyhow!("there is no source to run; {help}")));
    }
    let stop = stop_flag()?;
    let mut pipeline = Pipeline::open(&config)?;
    let result = watch(&mut pipeline, &stop, &config, log);
    let status = pipeline.status();
    let failed = pipeline.failed().clone();
    let undelivered = pipeline.undelivered().to_vec();
    let mirror = pipeline.take_mirror();
    let closed = result.and_then(|()| pipeline.close());
    let uncopied = mirror.filter(|_| closed.is_ok()).and_then(|mirror| finish(mirror, &stop, log));
    // A sink on standard output has it for itself.
    let taken = config.sinks.values().any(|sink| matches!(sink, Sink::Stdout(_)));
    let mut out: Box<dyn Write> = if taken { Box::new(io::stderr()) } else { Box::new(io::stdout().lock()) };
    match args.format {
        Format::Text => out.write_all(status.text().as_bytes())?,
        Format::Json => writeln!(out, "{}", json_safe(&serde_json::to_string(&status).map_err(io::Error::from)?))?,
    }
    out.flush()?;
    closed.map_err(|e: PipelineError| Failure::Runtime(e.into()))?;
    if let Some((source, why)) = failed.first_key_value() {
        return Err(Failure::Runtime(anyhow!("source {source} failed: {why}")));
    }
    if !undelivered.is_empty() {
        return Err(Failure::Runtime(anyhow!(
            "{}; nothing is lost: the next run goes on there",
            undelivered.join("; ")
        )));
    }
    if let Some(uncopied) = uncopied {
        return Err(Failure::Runtime(anyhow!("{uncopied}; nothing is lost: the next run goes on there")));
    }
    if !status.conserved {
        return Err(Failure::Runtime(anyhow!("the counts do not add up (I7); please report this")));
    }
    Ok(exit::OK)
}

/// Waits for the mirror, now that everything is sealed.
fn finish(mirror: Copying, stop: &AtomicBool, log: &Log) -> Option<String> {
    let mut run_log = RunLog::new(*log);
    mirror.finish(stop, &mut |notice| {
        if let Notice::Mirror(word) = notice {
            tell_mirror(&mut run_log, &word, log.verbose);
        }
    })
}

/// A word of the mirror, as a component that sends.
fn tell_mirror(run_log: &mut RunLog, word: &Word, verbose: bool) {
    let (level, failing) = match word.weight {
        Weight::Detail if !verbose => return,
        Weight::Detail | Weight::Good => ("info", false),
        Weight::Held | Weight::Failing | Weight::Dropped { .. } => ("warning", true),
    };
    let about = About {
        id: "mirror".to_owned(),
        kind: "sink",
        of_type: "oss_mirror".to_owned(),
        error_type: failing.then_some("request_failed"),
        stage: failing.then_some("sending"),
    };
    run_log.component(level, about, &word.text);
}

/// A word of the evaluation of alert rules, as a component that processes.
fn tell_alerts(run_log: &mut RunLog, word: &Word, verbose: bool) {
    let (level, failing) = match word.weight {
        Weight::Detail if !verbose => return,
        Weight::Detail | Weight::Good => ("info", false),
        Weight::Held | Weight::Failing | Weight::Dropped { .. } => ("warning", true),
    };
    let about = About {
        id: "alerts".to_owned(),
        kind: "transform",
        of_type: "innertrail_alerts".to_owned(),
        error_type: failing.then_some("condition_failed"),
        stage: failing.then_some("processing"),
    };
    run_log.component(level, about, &word.text);
}

fn load(args: &RunArgs) -> Result<Config, Failure> {
    let mut config = match args.config_path() {
        Some(path) => Config::load(path)?,
        None => Config::default_for_quickstart(args.trail.as_deref(), args.include.clone(), args.data_dir.clone())?,
    };
    if let Some(dir) = &args.data_dir {
        config.data_dir.clone_from(dir);
    }
    if args.once {
        config.set_once();
    }
    Ok(config)
}

/// Set by the first SIGINT or SIGTERM; a second one ends the process at once.
pub(super) fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(exit::RUNTIME), Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

fn watch(pipeline: &mut Pipeline, stop: &Arc<AtomicBool>, config: &Config, log: &Log) -> Result<(), PipelineError> {
    let bar = draws_progress(log).then(progress_bar);
    let mut run_log = RunLog::new(*log);
    let about = |kind, name: &str, failure: Option<(&'static str, &'static str)>| About {
        id: name.to_owned(),
        kind,
        of_type: config.component_type(kind, name),
        error_type: failure.map(|(error_type, _)| error_type),
        stage: failure.map(|(_, stage)| stage),
    };
    let result = pipeline.run(stop, &mut |notice| match notice {
        Notice::Note(source, note) => {
            aside(bar.as_ref(), || run_log.component("warning", about("source", source, None), &note));
        }
        Notice::State(source, state) if log.verbose => {
            let failure = state.starts_with("failed").then_some(("reader_failed", "receiving"));
            let message = format!("it is {state}");
            aside(bar.as_ref(), || run_log.component("info", about("source", source, failure), &message));
        }
        Notice::State(..) => {}
        Notice::Sink(sink, word) => {
            let (level, failure) = match word.weight {
                Weight::Detail if !log.verbose => return,
                Weight::Detail | Weight::Good => ("info", None),
                Weight::Held => ("warning", None),
                Weight::Failing => ("warning", Some(("request_failed", "sending"))),
                Weight::Dropped { count } => {
                    let about = about("sink", sink, Some(("request_failed", "sending")));
                    let dropped = Dropped { count, intentional: false, reason: word.text };
                    return aside(bar.as_ref(), || run_log.dropped("error", about, dropped));
                }
            };
            aside(bar.as_ref(), || run_log.component(level, about("sink", sink, failure), &word.text));
        }
        Notice::Mirror(word) => aside(bar.as_ref(), || tell_mirror(&mut run_log, &word, log.verbose)),
        Notice::Alerts(word) => aside(bar.as_ref(), || tell_alerts(&mut run_log, &word, log.verbose)),
        Notice::Gate(gate, why) => {
            let failure = why.is_some().then_some(("request_failed", "sending"));
            let level = if why.is_some() { "warning" } else { "info" };
            let message = why.map_or_else(
                || "what is behind it takes requests again".to_owned(),
                |why| format!("what is behind it did not take a request: {why}"),
            );
            let about = about("transform", &format!("gate_{gate}"), failure);
            aside(bar.as_ref(), || run_log.component(level, about, &message));
        }
        Notice::Refused(gate, count, reason) => aside(bar.as_ref(), || {
            let id = format!("gate_{gate}");
            match error_type(reason) {
                Some(error_type) => {
                    let text = format!("{count} events cannot be judged ({reason}) and are kept in quarantine");
                    run_log.component("error", about("transform", &id, Some((error_type, "processing"))), &text);
                }
                // Vector says so at its level debug. Somebody who writes to an audit log has to be seen.
                None => {
                    let dropped = Dropped { count, intentional: true, reason: reason.to_owned() };
                    run_log.dropped("warning", about("transform", &id, None), dropped);
                }
            }
        }),
        Notice::Logstore(line) => aside(bar.as_ref(), || log.line("info", &line)),
        Notice::DiskFull(line) => aside(bar.as_ref(), || log.line("warning", &line)),
        Notice::Progress(records, bytes) => {
            aside(bar.as_ref(), || run_log.catch_up(false));
            if let Some(bar) = &bar {
                bar.set_position(bytes);
                bar.set_message(format!("{records} events in the Logstore"));
            }
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    run_log.catch_up(true);
    let stats = pipeline.component_stats();
    if stats.restarts > 0 {
        let text = format!(
            "the component failed: {} traps, {} deadlines, {} memory, {} contract; {} records are in quarantine for it",
            stats.traps, stats.deadlines, stats.memory, stats.contract, stats.poisoned
        );
        let about = about("transform", "rooms", Some(("script_failed", "processing")));
        run_log.component("warning", about, &text);
    }
    result
}

fn aside(bar: Option<&ProgressBar>, print: impl FnOnce()) {
    match bar {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {bytes} read ({bytes_per_sec}), {msg}, {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}
