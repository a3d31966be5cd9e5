//! `innertrail alerts fired`: what fired and what is over, as the journal has it.
//!
//! It only reads, beside a run or without one. Texts of an alert come from records and rules: they are escaped here.

use std::io::Write as _;

use innertrail_query::terminal_safe;

use super::super::args::{AlertsFiredArgs, Format};
use super::super::{Failure, Outcome, json_safe};
use crate::alerting::read::{Alert, Alerts, Batch, From};
use crate::exit;

pub(super) fn run(args: &AlertsFiredArgs) -> Outcome {
    let from = args.since.map_or(From::Begin, |since| From::Time(since.begin_us()));
    let failed = |e: innertrail_logstore::consumer::ConsumerError| Failure::Usage(e.into());
    let mut alerts = Alerts::open(&args.data.data_dir, from, None).map_err(failed)?;
    let (mut out, mut count) = (std::io::stdout().lock(), 0_u64);
    loop {
        let Batch { alerts: found, at_end, .. } = alerts.batch().map_err(|e| Failure::Runtime(e.into()))?;
        for alert in found.iter().filter(|alert| args.rule.as_ref().is_none_or(|rule| *rule == alert.rule)) {
            count += 1;
            match args.format {
                Format::Json => {
                    let json = serde_json::to_string(alert).map_err(std::io::Error::from)?;
                    writeln!(out, "{}", json_safe(&json))?;
                }
                Format::Text => writeln!(out, "{}", terminal_safe(&line(alert)))?,
            }
        }
        if at_end {
            break;
        }
    }
    if args.format == Format::Text {
        writeln!(out, "{count} entries")?;
    }
    Ok(exit::OK)
}

/// An alert in a line.
fn line(alert: &Alert) -> String {
    let Alert { time, alert: id, rule, level, why, .. } = alert;
    if !alert.fired {
        return format!("{time}  over           {id}  {rule}  {why}");
    }
    let pairs =
        |pairs: &[(String, String)]| pairs.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ");
    let window = alert.window.as_ref().map(|(from, to)| format!("[{from} … {to}]")).unwrap_or_default();
    let mut told: Vec<String> = vec![pairs(&alert.key), pairs(&alert.group), pairs(&alert.value), window];
    if alert.key.is_empty() && alert.query.is_empty() {
        told.extend([&alert.event_time, &alert.actor, &alert.event_name, &alert.resource].map(Clone::clone));
    }
    told.push(alert.event_id.clone());
    told.retain(|text| !text.is_empty());
    format!("{time}  {level:<13}  {id}  {rule}  {}", told.join("  "))
}
