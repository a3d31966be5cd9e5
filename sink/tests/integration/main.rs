//! Everything that needs a Logstore, a receiver, a network or a process that is killed. Servers listen on 127.0.0.1.
#![allow(clippy::unwrap_used)]

mod conservation;
mod contract;
mod delivery;
mod encodings;
mod http;
mod kills;
mod oracle;
mod proxy;
mod receivers;
mod support;
mod vector;
