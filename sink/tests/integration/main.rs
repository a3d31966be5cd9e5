//! Everything that needs a Logstore, a receiver, a network or a process that is killed. Servers listen on 127.0.0.1.
#![allow(clippy::unwrap_used)]

mod conservation;
mod delivery;
mod ecs_schema;
mod encodings;
mod fixture_records;
mod forward;
mod http;
mod kills;
mod ocsf_schema;
mod oracle;
mod otlp;
mod otlp_tls;
mod pairs;
mod programs;
mod receivers;
mod schemas;
mod support;
mod troubles;
mod vector;

use innertrail_test_agents::{contract, double, forward_double, http_double, otlp_double, proxy};
