//! `innertrail export`: sealed days of the dedicated Logstore with what proves them, for another place.

use indicatif::{ProgressBar, ProgressStyle};
use innertrail_logstore::{Error, Snapshot, Store, export};

use super::args::{ExportArgs, Format};
use super::{Failure, Log, Outcome, draws_progress, print};

pub(super) fn run(args: &ExportArgs, log: &Log) -> Outcome {
    if args.to < args.from {
        return Err(Failure::Usage(anyhow::anyhow!("--from {} is after --to {}; swap the two", args.from, args.to)));
    }
    let snapshot = Snapshot::open(&args.data.data_dir).map_err(|e| Failure::Usage(e.into()))?;
    let days = args.from..=args.to;
    let total = snapshot.segments(Store::Log).iter().filter(|s| days.contains(&s.day)).map(|s| s.bytes).sum();
    let bar = draws_progress(log).then(|| progress_bar(total));
    let exported = export::export(&snapshot, args.from, args.to, &args.out, &mut |bytes| {
        if let Some(bar) = &bar {
            bar.set_position(bytes);
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let exported = exported.map_err(|error| match error {
        // Nothing to export, or a folder that is in use: nothing was started.
        Error::Export(_) => Failure::Usage(error.into()),
        _ => Failure::Runtime(error.into()),
    })?;
    if args.format == Format::Json {
        return print(&serde_json::to_string_pretty(&exported).map_err(|e| Failure::Runtime(e.into()))?);
    }
    let (records, bytes, out) = (exported.records, exported.bytes, args.out.display());
    let more = if exported.complete { "" } else { "; more records of these days may follow" };
    let check = format!("check it with `innertrail verify --export {out} --public-key FILE`");
    print(&format!("{records} records, {bytes} bytes of Parquet, in {out}{more}; {check}"))
}

/// A bar over bytes.
pub(super) fn progress_bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} ({bytes_per_sec}) {msg}") {
        bar.set_style(style);
    }
    bar
}
