//! Log agents: the blocks that connect them, the check of their configuration, and real ones where they are installed.
//!
//! `INNERTRAIL_RSYSLOGD` and `INNERTRAIL_SYSLOG_NG` name their executables; otherwise they are looked for on the path.
//! Packages unpacked with `dpkg-deb -x` will do. Without them the tests say SKIPPED.

mod blocks;
mod check;
mod improg;
mod lines;
pub(crate) mod real;
pub(crate) mod rsyslog;
pub(crate) mod syslog_ng;
pub(crate) mod vector;
