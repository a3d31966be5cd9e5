//! The real server on a free port, asked by signers of other crates, by raw sockets and by official clients.
//! It must never share code with what it judges.
#![allow(clippy::unwrap_used, missing_docs)]

mod limits;
mod official;
mod refusals;
mod requests;
mod support;
mod tls;
