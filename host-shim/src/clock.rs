//! The one place that reads the clock.
//!
//! The component and the Logstore never do: they are told.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch, UTC. A clock before 1970 reads as 0.
#[must_use]
pub fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Milliseconds since the Unix epoch, UTC.
#[must_use]
pub fn now_ms() -> i64 {
    now_us() / 1000
}
