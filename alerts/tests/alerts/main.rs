//! Tests of the rules as a whole: the pack and its fixtures, what is wrong with broken rules, correlations in any order,
//! another implementation of Sigma as a witness, and the table of rules in the documentation.
#![allow(missing_docs, clippy::unwrap_used)]

mod broken;
mod correlations;
mod endings;
mod filing;
mod fuzzed;
mod pack;
mod quirks;
mod scheduled;
mod table;
mod witness;
