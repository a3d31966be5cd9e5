//! Tests of the verifier against directories that the real writer has made.
//! They must never use the verifier's own hashes or notes to decide what is right, beyond what the vectors have proved.
#![allow(clippy::unwrap_used)]

mod attacks;
mod exports;
mod flips;
mod ids;
mod live;
mod log;
mod mirrors;
mod scale;
mod support;
mod trees;
