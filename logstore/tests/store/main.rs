//! The Logstore from outside, one binary so that Arrow and Parquet link once.
//! It must never reach into private modules: what is tested here is what the other crates get.
#![allow(clippy::unwrap_used)]

mod consumer;
mod crash_image;
mod damage;
mod dedup;
mod evolve;
mod failpoints;
mod fault;
mod ids;
mod immutable;
mod index;
mod kill;
mod parquet_files;
mod power_cut;
mod reader;
mod refuse;
mod retire;
mod rows;
mod seal;
mod support;
mod third_party;
mod workload;
