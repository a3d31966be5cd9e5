//! `innertrail check`: is the configuration sound, is the component the right one, can the data directory be used?
//!
//! It starts nothing and writes nothing into the Logstore.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use serde_json::json;

use super::args::{CheckArgs, Format};
use super::{Failure, Outcome, json_safe, print};
use crate::agents::vector::{self, AgentFinding, AgentReport};
use crate::alerting::Alerting;
use crate::config::{Config, ConfigError, FileSource, Mirror, Source, shown};
use crate::fetch::cloud::Plan;
use crate::runtime::{EMBEDDED, MAX_COMPONENT_BYTES, Reads, Session, Transform};
use crate::{exit, fetch, setup};

pub(super) fn run(args: &CheckArgs) -> Outcome {
    if args.agent_config.is_empty() {
        return own(args, None);
    }
    let question = vector::Question {
        files: args.agent_config.clone(),
        sinks: args.dedicated_sink.clone(),
        sources: args.dedicated_source.clone(),
    };
    let report = vector::check(&question).map_err(|e| Failure::Usage(e.into()))?;
    if args.config.file.is_some() { own(args, Some(&report)) } else { agent(args, &report) }
}

/// The agent's configuration alone.
fn agent(args: &CheckArgs, report: &AgentReport) -> Outcome {
    match args.format {
        Format::Json => print(&json_safe(&serde_json::to_string_pretty(report).map_err(io::Error::from)?))?,
        Format::Text => print(&told(report))?,
    };
    Ok(if report.findings.is_empty() { exit::OK } else { exit::FOUND })
}

/// The report for people. Names in it come from files and are escaped where they hold anything odd.
fn told(report: &AgentReport) -> String {
    let mut text = String::new();
    let names = |names: &[String]| match names {
        [] => "none".to_owned(),
        names => names.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", "),
    };
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<20}{value}");
    };
    line("agent files", &report.files.join(", "));
    line("  components", &report.components.to_string());
    line("dedicated sources", &names(&report.dedicated_sources));
    line("dedicated sinks", &names(&report.dedicated_sinks));
    for finding in &report.findings {
        let AgentFinding { file, line: at, column, component, kind, message, remedy } = finding;
        let place = if file.is_empty() { String::new() } else { format!("{file}:{at}:{column}: ") };
        let subject = if component.is_empty() { String::new() } else { format!("{component}: ") };
        line("FOUND", &format!("{place}{kind}: {subject}{message}; {remedy}"));
    }
    text
}

/// Innertrail's own configuration, with what was found in the agent's.
fn own(args: &CheckArgs, agent: Option<&AgentReport>) -> Outcome {
    let config = match Config::load(args.config.path()) {
        Ok(config) => config,
        Err(error) => return unsound(args, error),
    };
    let component = setup::component(&config)?;
    let description = component.describe().map_err(setup::SetupError::from)?;
    Transform::open(&component, &config.transform_json()).map_err(setup::SetupError::from)?;
    let size = match &config.plugin.path {
        Some(path) => std::fs::metadata(path)?.len(),
        None => EMBEDDED.len() as u64,
    };
    let mut findings = Vec::new();
    let mut sources = serde_json::Map::new();
    for (name, source) in &config.sources {
        let reads = if matches!(source, Source::File(_)) { Reads::Files } else { Reads::Network };
        Session::open(&component, &config.source_json(name).unwrap_or_default(), &[], reads)
            .map_err(setup::SetupError::from)?;
        let report = match source {
            Source::File(file) => files(name, file, &mut findings)?,
            Source::Sls(sls) => cloud(name, source, "sls", &format!("{}/{}", sls.project, sls.logstore))?,
            Source::Oss(oss) => cloud(name, source, "oss", &format!("{}/{}", oss.bucket, oss.prefix))?,
        };
        sources.insert(name.clone(), report);
    }
    for (name, sink) in &config.sinks {
        crate::sink::build::check(name, sink)?;
    }
    crate::gate::server::check(&config)?;
    let mirror = config.mirror.as_ref().map(mirror).transpose()?;
    if let Some(options) = &config.alerts {
        let loaded = Alerting::load(options).map_err(setup::SetupError::from)?;
        findings.extend(loaded.faults.iter().map(|fault| format!("a rule is broken: {fault}")));
        for (name, channel) in &options.channels {
            crate::channels::check(name, channel).map_err(setup::SetupError::from)?;
        }
    }
    findings.extend(unusable(&config.data_dir));
    let mut report = json!({
        "logstore": config.dedicated_logstore(),
        "component": {
            "origin": component.origin(), "name": description.name, "version": description.version,
            "bytes": size, "largest": MAX_COMPONENT_BYTES, "sha256": component.sha256(), "imports": [],
        },
        "products": config.route.products,
        "sources": sources,
        "findings": findings,
    });
    if let (Some(mirror), Some(map)) = (mirror, report.as_object_mut()) {
        map.insert("mirror".to_owned(), mirror);
    }
    if let (Some(agent), Some(map)) = (agent, report.as_object_mut()) {
        map.insert("agent".to_owned(), serde_json::to_value(agent).map_err(io::Error::from)?);
    }
    let code = show(args, &report, &findings)?;
    let Some(agent) = agent else { return Ok(code) };
    if args.format == Format::Text {
        print(&told(agent))?;
    }
    Ok(if agent.findings.is_empty() { code } else { exit::FOUND })
}

fn files(name: &str, file: &FileSource, findings: &mut Vec<String>) -> Result<serde_json::Value, Failure> {
    let (found, notes) = fetch::list(&file.include, &file.exclude)
        .map_err(|why| Failure::Usage(anyhow::anyhow!("source {name}: {why}")))?;
    findings.extend(notes.into_iter().map(|note| format!("source {name}: {note}")));
    if found.is_empty() {
        findings.push(format!("source {name}: no file matches {}", file.include.join(", ")));
    }
    Ok(json!({ "type": "file", "files": found.len() }))
}

/// Where the mirror would copy to. Nothing is asked: `doctor` does that.
fn mirror(mirror: &Mirror) -> Result<serde_json::Value, Failure> {
    let usage = |e| Failure::Usage(anyhow::Error::new(e).context("mirror"));
    let plan = Plan::of_mirror(mirror).map_err(usage)?;
    let client = plan.client(plan.credentials().map_err(usage)?).map_err(usage)?;
    Ok(json!({
        "copies_to": format!("oss://{}/{}", mirror.bucket, mirror.root()), "url": plan.endpoint.url(),
        "region": plan.endpoint.region(), "credentials": client.credentials().report().provider,
    }))
}

/// What a source of the cloud would ask. Nothing is asked: `doctor` does that.
fn cloud(name: &str, source: &Source, kind: &str, reads: &str) -> Result<serde_json::Value, Failure> {
    let usage = |e| Failure::Usage(anyhow::Error::new(e).context(format!("source {name}")));
    let Some(plan) = Plan::of(source).map_err(usage)? else { return Ok(json!({ "type": kind })) };
    let client = plan.client(plan.credentials().map_err(usage)?).map_err(usage)?;
    Ok(json!({
        "type": kind, "reads": reads, "url": plan.endpoint.url(), "region": plan.endpoint.region(),
        "credentials": client.credentials().report().provider,
    }))
}

fn show(args: &CheckArgs, report: &serde_json::Value, findings: &[String]) -> Outcome {
    if args.format == Format::Json {
        print(&serde_json::to_string_pretty(report).map_err(io::Error::from)?)?;
    } else {
        let c = &report["component"];
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<20}{value}");
        };
        let plain = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        line("dedicated Logstore", plain(&report["logstore"]));
        line("component", format!("{} {} {}", plain(&c["name"]), plain(&c["version"]), plain(&c["origin"])));
        line("  size", format!("{} bytes", c["bytes"]));
        line("  sha256", plain(&c["sha256"]));
        line("  imports", "none".to_owned());
        if let Some(sources) = report["sources"].as_object() {
            for (name, source) in sources {
                let told = match source["files"].as_u64() {
                    Some(files) => format!("{files} files match"),
                    None => format!("{} at {}", plain(&source["reads"]), plain(&source["url"])),
                };
                line(&format!("source {name}"), told);
            }
        }
        if let mirror @ serde_json::Value::Object(_) = &report["mirror"] {
            line("mirror", format!("{} at {}", plain(&mirror["copies_to"]), plain(&mirror["url"])));
        }
        for finding in findings {
            line("FOUND", finding.clone());
        }
        print(&text)?;
    }
    Ok(if findings.is_empty() { exit::OK } else { exit::FOUND })
}

fn unsound(args: &CheckArgs, error: ConfigError) -> Outcome {
    if args.format == Format::Json {
        print(&serde_json::to_string_pretty(&json!({ "config": error.findings() })).map_err(io::Error::from)?)?;
    }
    Err(error.into())
}

/// Why a run could not write here. The directory is only looked at: `check` makes nothing.
fn unusable(dir: &Path) -> Option<String> {
    let existing = dir.ancestors().find(|d| d.exists() && !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let meta = std::fs::metadata(existing).ok()?;
    if !meta.is_dir() {
        return Some(format!("data_dir {}: {} is not a directory", dir.display(), existing.display()));
    }
    meta.permissions().readonly().then(|| format!("data_dir {}: {} is read-only", dir.display(), existing.display()))
}
