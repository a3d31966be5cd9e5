//! A sink's position: the consumer group `sink-<name>`, or, for a replay, nothing but memory.
//! It must never move past what was taken or parked.

use std::time::{Duration, Instant};

use innertrail_logstore::Store;
use innertrail_logstore::consumer::{ConsumerError, Cursor, Group, GroupOptions, Groups, Lease, Reader};

use super::{DeliveryError, Settings, Start};

/// The consumer group of a sink.
#[must_use]
pub fn group_name(sink: &str) -> String {
    format!("sink-{sink}")
}

/// Sets a sink's position to the record `seq`, as `--from` does; whoever holds the group loses it.
///
/// # Errors
/// [`DeliveryError::NoSuchRecord`] when it is not kept, and those of the groups.
pub fn set_position(
    reader: &mut Reader,
    groups: &Groups,
    sink: &str,
    seq: u64,
    now_us: i64,
) -> Result<(), DeliveryError> {
    let failed = |source| DeliveryError::Consumer { name: sink.to_owned(), source };
    let cursor = cursor_at(reader, sink, seq)?;
    let name = group_name(sink);
    found_or_made(groups, &name, Settings::default().lease, now_us).map_err(failed)?;
    groups.checkpoint(&name, None, cursor, true, now_us).map(|_| ()).map_err(failed)
}

/// The place of a record that is kept, or the end.
pub(super) fn cursor_at(reader: &mut Reader, sink: &str, seq: u64) -> Result<Cursor, DeliveryError> {
    let failed = |source| DeliveryError::Consumer { name: sink.to_owned(), source };
    reader.refresh().map_err(failed)?;
    let (first, end) = (reader.begin(Store::Log).seq(), reader.end(Store::Log));
    if !(first..=end.seq()).contains(&seq) {
        return Err(DeliveryError::NoSuchRecord { name: sink.to_owned(), seq, first, end: end.seq() });
    }
    Ok(end.at(seq))
}

pub(super) fn found_or_made(groups: &Groups, name: &str, lease: Duration, now_us: i64) -> Result<Group, ConsumerError> {
    let timeout_us = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX);
    let options = GroupOptions { timeout_us, ..GroupOptions::default() };
    match groups.get(name) {
        Err(ConsumerError::NoGroup { .. }) => match groups.create(name, Store::Log, options, now_us) {
            Err(ConsumerError::Exists { .. }) => groups.get(name),
            made => made,
        },
        found => found,
    }
}

/// Where a sink begins that has no position.
pub(super) fn start(reader: &mut Reader, sink: &str, start: Start) -> Result<Cursor, DeliveryError> {
    match start {
        Start::Begin => Ok(reader.begin(Store::Log)),
        Start::End => {
            reader.refresh().map_err(|source| DeliveryError::Consumer { name: sink.to_owned(), source })?;
            Ok(reader.end(Store::Log))
        }
        Start::At(seq) => cursor_at(reader, sink, seq),
    }
}

/// A held group.
pub(super) struct Held {
    groups: Groups,
    group: String,
    consumer: String,
    every: Duration,
    beat_every: Duration,
    stored: Cursor,
    stored_at: Instant,
    beat_at: Instant,
}

impl Held {
    /// Asks for the group once; `Err` within `Ok` names who holds it.
    pub(super) fn take(
        groups: &Groups,
        group: &str,
        consumer: &str,
        settings: &Settings,
        now_us: i64,
    ) -> Result<Result<Group, String>, ConsumerError> {
        found_or_made(groups, group, settings.lease, now_us)?;
        match groups.heartbeat(group, consumer, now_us)? {
            Lease::Waiting { owner, .. } => Ok(Err(owner)),
            // Read after it was taken: the holder before may have moved it.
            Lease::Held { .. } => groups.get(group).map(Ok),
        }
    }

    /// The group as taken, standing at `at`, which is stored at once where nothing was: or a crash now would begin
    /// elsewhere.
    pub(super) fn new(
        groups: Groups,
        group: String,
        consumer: String,
        settings: &Settings,
        (at, fresh): (Cursor, bool),
        now_us: i64,
    ) -> Result<Self, ConsumerError> {
        let now = Instant::now();
        let (every, beat_every) = (settings.store_every, settings.lease / 4);
        let mut held = Self { groups, group, consumer, every, beat_every, stored: at, stored_at: now, beat_at: now };
        if fresh {
            held.put(at, now_us)?;
        }
        Ok(held)
    }

    /// Stores the position when it moved and it is time, or at once.
    pub(super) fn keep(&mut self, at: Cursor, at_once: bool, now_us: i64) -> Result<(), ConsumerError> {
        if at != self.stored && (at_once || self.stored_at.elapsed() >= self.every) {
            return self.put(at, now_us);
        }
        if self.beat_at.elapsed() < self.beat_every {
            return Ok(());
        }
        let lost = |owner| ConsumerError::NotOwner { group: self.group.clone(), owner };
        if let Lease::Waiting { owner, .. } = self.groups.heartbeat(&self.group, &self.consumer, now_us)? {
            return Err(lost(Some(owner)));
        }
        // A heartbeat takes back what an administrator's reset took away: then the reset has to count, not our place.
        if self.groups.get(&self.group)?.cursor != Some(self.stored) {
            return Err(lost(None));
        }
        self.beat_at = Instant::now();
        Ok(())
    }

    fn put(&mut self, at: Cursor, now_us: i64) -> Result<(), ConsumerError> {
        self.groups.checkpoint(&self.group, Some(&self.consumer), at, false, now_us)?;
        self.stored = at;
        self.stored_at = Instant::now();
        self.beat_at = self.stored_at;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // If this fails, the lease runs out by itself.
        let _released = self.groups.release(&self.group, &self.consumer);
    }
}
