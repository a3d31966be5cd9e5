//! Sinks through the executable: `innertrail run` delivers to doubles of what agents listen with, and everything that can
//! break is broken meanwhile. `INNERTRAIL_SINK_EVENTS` makes the conservation runs as large as wanted.

mod conservation;
mod gate;
mod gate_kills;
mod oracle;
mod outage;
mod real;
mod replay;
mod scene;
mod waiting;
