//! `innertrail explain`: the way of one event through every room, and where it is kept.

use std::io;

use anyhow::anyhow;
use innertrail_alerts::Verdict;
use innertrail_logstore::Snapshot;
use innertrail_query::terminal_safe;
use serde_json::json;

use super::args::{ExplainArgs, Format};
use super::{Failure, Outcome, json_safe, print};
use crate::explain::{columns, find, fired, kept, proof_text, rooms, rules};

pub(super) fn run(args: &ExplainArgs) -> Outcome {
    let dir = &args.data.data_dir;
    let snapshot = Snapshot::open(dir).map_err(|e| Failure::Usage(e.into()))?;
    let Some((store, row)) = find(&snapshot, &args.event_id).map_err(|e| Failure::Runtime(e.into()))? else {
        return Err(Failure::Runtime(anyhow!(
            "no event {} in {}: not in the Logstore, not in quarantine",
            terminal_safe(&args.event_id),
            dir.display()
        )));
    };
    let mut transform = super::last_transform(&snapshot, dir)?;
    let rooms = rooms(&mut transform, &row).map_err(Failure::Runtime)?;
    let loaded = super::alerts::load(&args.rules)?;
    let verdicts = rules(&loaded.set, snapshot.layout(), store, &row);
    let alerts = fired(&snapshot, store, &row).map_err(|e| Failure::Runtime(e.into()))?;
    let proof = snapshot.inclusion_proof(store, row.seq).map(|proof| proof_text(&proof));
    let told = json!({
        "eventId": args.event_id,
        "rooms": rooms,
        "rules": verdicts,
        "alerts": alerts,
        "proof": proof.ok(),
        "kept": kept(&snapshot, store, &row),
        "columns": columns(snapshot.layout(), &row),
    });
    match args.format {
        Format::Json => print(&json_safe(&serde_json::to_string_pretty(&told).map_err(io::Error::from)?)),
        Format::Text => print(&(text(&told) + &judged(&verdicts, &alerts) + &proven(&told["proof"]))),
    }?;
    Ok(super::alerts::broken(&loaded.faults))
}

/// The rules that fire, those that count it, and what was told of it.
fn judged(verdicts: &[Verdict], alerts: &serde_json::Value) -> String {
    let mut out = "rules\n".to_owned();
    let matching: Vec<&Verdict> = verdicts.iter().filter(|verdict| verdict.matched).collect();
    for verdict in &matching {
        let what = if verdict.fires { "fires" } else { "counted" };
        let (rule, title) = (terminal_safe(&verdict.rule), terminal_safe(&verdict.title));
        out += &format!("  {what:<8} {:<13} {rule}: {title}\n", verdict.level.name());
        if !verdict.remedy.is_empty() {
            out += &format!("  {:<22} remedy: {}\n", "", terminal_safe(&verdict.remedy));
        }
    }
    let nearly = verdicts.len() - matching.len();
    if matching.is_empty() {
        out += "  none fires\n";
    }
    if nearly > 0 {
        out += &format!("  nearly   {nearly} more; `innertrail alerts explain` says what is in the way\n");
    }
    for alert in alerts.as_array().into_iter().flatten() {
        let text = |name: &str| terminal_safe(alert[name].as_str().unwrap_or_default());
        out +=
            &format!("  told     {} {} as {}, journal {}\n", text("time"), text("rule"), text("alert"), alert["entry"]);
    }
    out
}

/// The proof as others check it.
fn proven(proof: &serde_json::Value) -> String {
    let lines = proof.as_str().unwrap_or("none: see `sealed` above").lines();
    lines.fold("proof\n".to_owned(), |out, line| format!("{out}  {line}\n"))
}

fn text(told: &serde_json::Value) -> String {
    let mut out = String::new();
    for part in ["rooms", "kept", "columns"] {
        let Some(rooms) = told[part].as_object() else { continue };
        out += &format!("{part}\n");
        for (name, value) in rooms {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            out += &format!("  {name:<28} {}\n", terminal_safe(&value));
        }
    }
    out
}
