//! The calls that read shards and share them among consumers, against a Logstore whose events went through the rooms.
#![allow(clippy::unwrap_used)]

mod crash;
mod groups;
mod pull;
mod source;
mod support;
