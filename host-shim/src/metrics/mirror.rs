//! Which numbers of the mirror there are. Counts of what it did are of this run; conflicts and what was never copied stay.
//!
//! Must never give a name of Vector's specification to something else.

use super::exposition::{Exposition, seconds};
use crate::clock;
use crate::mirror::note::Said;

/// States of the mirror.
const STATES: [&str; 6] = ["starting", "running", "caught_up", "waiting", "stopped", "failed"];

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";

/// All of them, as of now.
pub(super) fn families(out: &mut Exposition, said: &Said) {
    let help = "1 for the state that the mirror is in, 0 for all others.";
    out.family("innertrail_mirror_state", GAUGE, help, |f| {
        STATES.iter().for_each(|word| f.add(&[("state", word)], *word == said.state));
    });
    let mut family = |name, kind, help, value: u64| out.family(name, kind, help, |f| f.add(&[], value));
    let help = "Objects put into the bucket, since the run began.";
    family("innertrail_mirror_objects_total", COUNTER, help, said.objects);
    let help = "Bytes of those objects.";
    family("innertrail_mirror_bytes_total", COUNTER, help, said.bytes);
    let help = "Objects that lay there already with the same content, since the run began.";
    family("innertrail_mirror_found_objects_total", COUNTER, help, said.found);
    let help =
        "Objects that lay there already and could not be compared, since the run began: the credentials may not read.";
    family("innertrail_mirror_uncompared_objects_total", COUNTER, help, said.unseen);
    let help = "Times that copying stopped and had to be tried again, since the run began.";
    family("innertrail_mirror_failures_total", COUNTER, help, said.failures);
    let help = "Newest digest that is in the bucket with everything that it and those before it name.";
    family("innertrail_mirror_digest", GAUGE, help, said.digest);
    let help = "Sealed files that are not in the bucket yet.";
    family("innertrail_mirror_behind_files", GAUGE, help, said.behind_files);
    let help = "Files that are not in the bucket as they were sealed. Each is in the journal, too. Alert on any.";
    family("innertrail_mirror_conflicts", GAUGE, help, said.conflicts);
    let help = "Files that retention dropped before they were copied. Alert on its growth.";
    family("innertrail_mirror_missed_files", GAUGE, help, said.missed);
    let now_us = clock::now_us();
    let help = "Age of the oldest sealed file that is not in the bucket yet; 0 when all are.";
    let lag_us = said.oldest_us.map_or(0, |oldest_us| now_us.saturating_sub(oldest_us));
    out.family("innertrail_mirror_lag_seconds", GAUGE, help, |f| f.add(&[], seconds(lag_us)));
    let help = "Since when the mirror waits, and whose turn it is. No series: it does not.";
    out.family("innertrail_mirror_waiting_since_timestamp_seconds", GAUGE, help, |f| {
        if let Some(cause) = said.cause {
            f.add(&[("cause", cause.name())], seconds(said.since_us));
        }
    });
    let help =
        "The latest moment at which the provider deletes the whole copy, because of a bill. No series: there is none.";
    out.family("innertrail_mirror_copy_deleted_timestamp_seconds", GAUGE, help, |f| {
        if let Some(dies_us) = said.copy_dies_us {
            f.add(&[], seconds(dies_us));
        }
    });
    let help = "When the bucket last took or showed something.";
    out.family("innertrail_mirror_last_success_timestamp_seconds", GAUGE, help, |f| {
        if let Some(at_us) = said.last_success_us {
            f.add(&[], seconds(at_us));
        }
    });
}
