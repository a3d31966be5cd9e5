//! `innertrail charts`: packs and copies listed, copied, updated and exported.
//!
//! It must never write over a copy. Texts of packs are hostile: whatever is printed is escaped here.

use std::path::Path;

use anyhow::{Context, anyhow};
use innertrail_api::Names;
use innertrail_charts::{Fault, Pack, Shelf, Store};
use innertrail_logstore::Snapshot;
use innertrail_query::{Limits, Query, terminal_safe};
use serde_json::{Value, json};

use super::args::{
    ChartsCommand, ChartsCopyArgs, ChartsExportArgs, ChartsForm, ChartsListArgs, ChartsUpdateArgs, Format,
};
use super::{Failure, Outcome, json_safe, print};
use crate::{charts, exit};

pub(super) fn run(command: &ChartsCommand) -> Outcome {
    match command {
        ChartsCommand::List(args) => list(args),
        ChartsCommand::Copy(args) => copy(args),
        ChartsCommand::Update(args) => update(args),
        ChartsCommand::Export(args) => export(args),
    }
}

fn shelf(dir: &Path) -> Result<Shelf, Failure> {
    let read = charts::shelf(dir).with_context(|| format!("the charts in {} cannot be read", dir.display()));
    read.map_err(Failure::Runtime)
}

/// Names broken files on standard error.
fn broken(faults: &[Fault]) -> u8 {
    for fault in faults {
        eprintln!("{}", terminal_safe(&fault.to_string()));
    }
    if faults.is_empty() { exit::OK } else { exit::USAGE }
}

fn find<'s>(shelf: &'s Shelf, name: &str) -> Result<&'s Pack, Failure> {
    shelf.find(name).ok_or_else(|| {
        let known: Vec<&str> = shelf.all().map(|pack| pack.pack.as_str()).collect();
        Failure::Usage(anyhow!("there is no pack or copy `{}`; there are: {}", terminal_safe(name), known.join(", ")))
    })
}

fn list(args: &ChartsListArgs) -> Outcome {
    let shelf = shelf(&args.data.data_dir)?;
    print(&match args.format {
        Format::Text => table(&shelf),
        Format::Json => json_safe(&format!("{:#}", document(&shelf))),
    })?;
    Ok(broken(shelf.faults()))
}

/// Where a pack or copy is from, in words.
fn origin(shelf: &Shelf, pack: &Pack) -> String {
    if let Some(from) = &pack.copied_from {
        let behind = shelf.behind().into_iter().find(|behind| behind.copy == pack.pack);
        let now = behind.map(|behind| format!(", which is at {} now", behind.now)).unwrap_or_default();
        return format!("copy of {} {}{now}", from.pack, from.version);
    }
    let is_builtin = innertrail_charts::builtin().iter().any(|known| known == pack);
    if is_builtin { "built in".to_owned() } else { "installed".to_owned() }
}

fn table(shelf: &Shelf) -> String {
    let width = shelf.all().map(|pack| pack.pack.len()).max().unwrap_or(0);
    let row = |pack: &Pack| {
        let name = terminal_safe(&pack.dashboard.display_name);
        let (charts, origin) = (pack.charts.len(), origin(shelf, pack));
        format!("{:width$}  {:>3}  {charts:>3} charts  {origin}: {name}\n", pack.pack, pack.version)
    };
    shelf.all().map(row).collect()
}

fn document(shelf: &Shelf) -> Value {
    let one = |pack: &Pack| {
        json!({
            "name": pack.pack,
            "version": pack.version,
            "charts": pack.charts.len(),
            "display_name": pack.dashboard.display_name,
            "copied_from": pack.copied_from,
            "origin": origin(shelf, pack),
        })
    };
    let broken: Vec<String> = shelf.faults().iter().map(ToString::to_string).collect();
    json!({"packs": shelf.packs().iter().map(one).collect::<Vec<_>>(), "copies": shelf.copies().iter().map(one).collect::<Vec<_>>(), "broken": broken})
}

fn copy(args: &ChartsCopyArgs) -> Outcome {
    let dir = &args.data.data_dir;
    let shelf = shelf(dir)?;
    let pack = find(&shelf, &args.pack)?;
    let copy = pack.copy(&args.name).map_err(|fault| Failure::Usage(anyhow!(fault)))?;
    if let Some(known) = shelf.taken_by(&copy) {
        let (name, known) = (&args.name, &known.pack);
        return Err(Failure::Usage(anyhow!("there is a pack or copy `{name}` already ({known}); nothing was changed")));
    }
    let path = charts::keep_copy(dir, &copy).with_context(|| format!("the copy {} was not made", args.name));
    let path = path.map_err(Failure::Runtime)?;
    print(&format!("{} is yours: change it as you like, no update touches it", path.display()))
}

fn update(args: &ChartsUpdateArgs) -> Outcome {
    let dir = &args.data.data_dir;
    let shelf = shelf(dir)?;
    let text = charts::text(&args.file).with_context(|| format!("{} cannot be read", args.file.display()));
    let text = text.map_err(Failure::Usage)?;
    let pack = match Pack::parse(&args.file.display().to_string(), &text) {
        Ok(pack) => pack,
        Err(fault) => return Ok(broken(&[fault])),
    };
    shelf.may_install(&pack).map_err(|error| Failure::Usage(error.into()))?;
    if charts::has_copy(dir, &pack.pack) {
        let name = &pack.pack;
        return Err(Failure::Usage(anyhow!("there is a file of a copy `{name}`; a pack never takes a copy's place")));
    }
    let asked = ask(dir, &pack, &args.file)?;
    let path = charts::install(dir, &pack).with_context(|| format!("{} was not installed", pack.pack));
    let path = path.map_err(Failure::Runtime)?;
    let mut told = format!("{} is at version {} now: {}\n{asked}\n", pack.pack, pack.version, path.display());
    for copy in
        shelf.copies().iter().filter(|copy| copy.copied_from.as_ref().is_some_and(|from| from.pack == pack.pack))
    {
        told += &format!("{} is a copy and stays as it is\n", copy.pack);
    }
    print(&told)
}

/// Asks each question once, of the Logstore that is there.
fn ask(dir: &Path, pack: &Pack, file: &Path) -> Result<String, Failure> {
    let Ok(snapshot) = Snapshot::open(dir) else {
        return Ok("there is no Logstore yet, so none of its questions was asked".to_owned());
    };
    for chart in &pack.charts {
        let asked = Query::open(snapshot.clone(), engine(chart.search.logstore), Limits::default())
            .and_then(|query| query.run(&chart.search.query))
            .map_err(anyhow::Error::from)
            .and_then(|result| Ok(result.write(innertrail_query::Format::Json, &mut std::io::sink())?));
        asked.map_err(|error| {
            let place = terminal_safe(&format!("{}: chart {:?}: {error:#}", file.display(), chart.title));
            Failure::Usage(anyhow!("{place}; nothing was installed"))
        })?;
    }
    Ok(format!("each of its {} questions was asked of the Logstore", pack.charts.len()))
}

fn engine(store: Store) -> innertrail_logstore::Store {
    match store {
        Store::Log => innertrail_logstore::Store::Log,
        Store::Journal => innertrail_logstore::Store::Journal,
        Store::Quarantine => innertrail_logstore::Store::Quarantine,
    }
}

fn export(args: &ChartsExportArgs) -> Outcome {
    let shelf = shelf(&args.data.data_dir)?;
    let pack = find(&shelf, &args.name)?;
    let exported = match args.to {
        ChartsForm::Pack => return print(&json_safe(&pack.text())),
        ChartsForm::LogService => pack.log_service(),
        ChartsForm::GrafanaClickhouse => pack.grafana_clickhouse(&args.table_prefix),
        ChartsForm::GrafanaLogService => {
            let snapshot = Snapshot::open(&args.data.data_dir).map_err(|e| Failure::Usage(e.into()))?;
            let names = Names::new("", snapshot.trail());
            pack.grafana_log_service(&|store| names.logstore(engine(store)))
        }
    };
    print(&json_safe(&format!("{exported:#}")))
}
