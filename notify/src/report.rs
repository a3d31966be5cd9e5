//! What a channel says of itself, for status pages and metrics.
//! It must never hold a secret, or more of a receiver's words than a harmless line.

/// What a channel is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Doing {
    /// Nothing failed last: it has told everything, gathers, or waits for its limit.
    #[default]
    Well,
    /// Something failed that passes. It is tried again, for ever.
    Retrying,
    /// The receiver will not take anything until somebody changes something: a key, an address. It is tried again seldom.
    Refused,
}

impl Doing {
    /// The name, for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Retrying => "retrying",
            Self::Refused => "refused",
        }
    }
}

/// What a channel reports. Counts are since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What it is doing.
    pub doing: Doing,
    /// The last place in the journal that needs not be fed again.
    pub position: Option<u64>,
    /// Alerts that wait.
    pub waiting: usize,
    /// Messages that were taken.
    pub sent: u64,
    /// Alerts that were told, as text or as a number.
    pub told: u64,
    /// Of these, alerts that were told as a number only.
    pub left_out: u64,
    /// Messages that were not taken.
    pub failed: u64,
    /// What went wrong last: one harmless line without secrets. It stays after a success.
    pub last_error: Option<String>,
    /// When the first of the failures in a row came, milliseconds UTC.
    pub failing_since_ms: Option<i64>,
    /// When a message was taken last, milliseconds UTC.
    pub last_success_ms: Option<i64>,
    /// When there is something to do next, milliseconds UTC; none until something is fed.
    pub next_ms: Option<i64>,
    /// Alerts that are sent again while they fire.
    pub firing: usize,
    /// Firing alerts that had to be forgotten because there were too many; over all starts.
    pub forgotten: u64,
    pub(crate) seen_behind: Option<u64>,
}

impl Report {
    pub(crate) fn taken(&mut self, left_out: u64, now: i64) {
        self.doing = Doing::Well;
        self.sent += 1;
        self.left_out += left_out;
        self.failing_since_ms = None;
        self.last_success_ms = Some(now);
    }

    pub(crate) fn failed(&mut self, why: String, doing: Doing, now: i64) {
        self.doing = doing;
        self.failed += 1;
        self.last_error = Some(why);
        self.failing_since_ms.get_or_insert(now);
    }
}
