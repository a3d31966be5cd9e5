//! The checks, one file each. Each looks at the evidence and says what it found; none asks anything or anybody.

mod account;
mod clock;
mod credentials;
mod data_dir;
mod deletion;
mod disk;
mod lag;
mod permission;
mod reach;
mod retention;
mod rules;
mod signature;
mod sinks;
mod trail;

use super::Finding;
use super::evidence::Evidence;

/// A check.
type Check = fn(&Evidence) -> Vec<Finding>;

/// All of them, in the order in which one thing builds on another.
pub(super) const ALL: [(&str, Check); 14] = [
    ("reach", reach::look),
    ("clock", clock::look),
    ("credentials", credentials::look),
    ("signature", signature::look),
    ("account", account::look),
    ("permission", permission::look),
    ("deletion", deletion::look),
    ("lag", lag::look),
    ("trail", trail::look),
    ("sinks", sinks::look),
    ("data_dir", data_dir::look),
    ("disk", disk::look),
    ("retention", retention::look),
    ("rules", rules::look),
];
