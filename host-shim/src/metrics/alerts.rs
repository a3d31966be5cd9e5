//! Which numbers of alerts there are. Counts go on after a restart: they are kept with the position.
//!
//! Must never give a name of Vector's specification to something else.

use innertrail_alerts::Level;

use super::exposition::Exposition;
use std::collections::BTreeMap;

use crate::alerting::note::Said;
use crate::channels::note::Said as Told;

/// States of evaluation.
const STATES: [&str; 6] = ["starting", "running", "caught_up", "waiting", "stopped", "failed"];

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";

/// States of a channel.
const DOING: [&str; 7] = ["starting", "well", "retrying", "refused", "waiting", "stopped", "failed"];

/// Those of the channels, as of now.
pub(super) fn channels(out: &mut Exposition, channels: &BTreeMap<String, Told>) {
    if channels.is_empty() {
        return;
    }
    let help = "1 for the state that a channel is in, 0 for all others. Alert on `retrying` that stays, and on `refused` and `failed`.";
    out.family("innertrail_alert_channel_state", GAUGE, help, |f| {
        for (name, said) in channels {
            DOING.iter().for_each(|word| f.add(&[("channel", name), ("state", word)], *word == said.state));
        }
    });
    let mut family = |name, kind, help, value: &dyn Fn(&Told) -> u64| {
        out.family(name, kind, help, |f| {
            channels.iter().for_each(|(channel, said)| f.add(&[("channel", channel)], value(said)));
        });
    };
    let help = "Messages that a channel's receiver took.";
    family("innertrail_alert_channel_messages_total", COUNTER, help, &|said| said.sent);
    let help = "Messages that a channel's receiver did not take. Each is tried again.";
    family("innertrail_alert_channel_failures_total", COUNTER, help, &|said| said.failed);
    let help = "Alerts that a channel has told.";
    family("innertrail_alert_channel_alerts_total", COUNTER, help, &|said| said.told);
    let help = "Alerts that wait in a channel.";
    family("innertrail_alert_channel_waiting", GAUGE, help, &|said| said.waiting);
}

/// All of them, as of now.
pub(super) fn families(out: &mut Exposition, said: &Said) {
    let help = "1 for the state that the evaluation of alert rules is in, 0 for all others.";
    out.family("innertrail_alerts_state", GAUGE, help, |f| {
        STATES.iter().for_each(|word| f.add(&[("state", word)], *word == said.state));
    });
    let help = "Alert rules: over records, scheduled, switched off, broken. Alert on any that is broken.";
    let broken = u64::try_from(said.broken.len()).unwrap_or(u64::MAX);
    out.family("innertrail_alert_rules", GAUGE, help, |f| {
        let states =
            [("loaded", said.rules), ("scheduled", said.scheduled), ("disabled", said.disabled), ("broken", broken)];
        states.iter().for_each(|(state, count)| f.add(&[("state", state)], *count));
    });
    let help = "Alerts that fired, by level. Each is in the journal.";
    out.family("innertrail_alerts_fired_total", COUNTER, help, |f| {
        for level in Level::ALL {
            f.add(&[("level", level.name())], said.counts.fired.get(level.name()).copied().unwrap_or(0));
        }
    });
    let mut family = |name, kind, help, value: u64| out.family(name, kind, help, |f| f.add(&[], value));
    let help = "Alerts of scheduled rules that are over.";
    family("innertrail_alerts_resolved_total", COUNTER, help, said.counts.resolved);
    let help = "Alerts of scheduled rules that are not over.";
    family("innertrail_alerts_open", GAUGE, help, said.open);
    let help = "Durable records and entries of the journal that no rule has looked at yet.";
    family("innertrail_alerts_behind_records", GAUGE, help, said.behind);
    let help = "Records that came too late for a correlation to count them, as long as that is remembered.";
    family("innertrail_alerts_late_records", GAUGE, help, said.late);
    let help = "Records that retention dropped before a rule had looked at them. Alert on its growth.";
    family("innertrail_alerts_missed_records_total", COUNTER, help, said.counts.missed);
    let help = "Runs of scheduled rules that failed. Alert on its growth.";
    family("innertrail_scheduled_rules_failed_total", COUNTER, help, said.counts.failed_runs);
}
