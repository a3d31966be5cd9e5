//! The names of the stores that one data directory holds. It must never hold state.

use std::fmt;

/// One append-only store inside the data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Store {
    /// The dedicated Logstore: operation logs only, each event id once.
    Log,
    /// What was refused or could not be decoded, raw bytes kept.
    Quarantine,
    /// What is not an operation log and passes through.
    Passthrough,
    /// What was done to the Logstore itself: enabled, retention changed, writes refused.
    Journal,
}

/// How many stores a data directory has; the length of every per-store array.
pub(crate) const STORES: usize = 4;

impl Store {
    /// Every store, in the order of the WAL frame.
    pub const ALL: [Self; STORES] = [Self::Log, Self::Quarantine, Self::Passthrough, Self::Journal];

    /// Place of the store in a WAL frame and in per-store arrays.
    pub(crate) fn place(self) -> usize {
        match self {
            Self::Log => 0,
            Self::Quarantine => 1,
            Self::Passthrough => 2,
            Self::Journal => 3,
        }
    }

    /// Name of the store: its directory and the prefix of its counters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Quarantine => "quarantine",
            Self::Passthrough => "passthrough",
            Self::Journal => "journal",
        }
    }

    /// Name of the payload column: `event` (text) in `Log` and `Journal`, `raw` (bytes) elsewhere.
    #[must_use]
    pub fn payload_column(self) -> &'static str {
        match self {
            Self::Log | Self::Journal => "event",
            Self::Quarantine | Self::Passthrough => "raw",
        }
    }

    /// Whether the payload must be UTF-8.
    pub(crate) fn text_payload(self) -> bool {
        matches!(self, Self::Log | Self::Journal)
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
