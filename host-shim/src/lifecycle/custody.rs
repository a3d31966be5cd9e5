//! The lifecycle at work beside a writer: refuses a disabled Logstore, enables a new one, drops what is too old, and
//! enters in the journal what happens on the way.
//!
//! Must never drop anything before its journal entry is durable.

use std::path::{Path, PathBuf};

use innertrail_logstore::{Error, Retired, Snapshot, Store, Transaction, Writer};

use super::day::{HOUR_US, rfc3339};
use super::plan::{Drop, Present, STORES, plan};
use super::retention::{DEFAULT_DAYS, Retention, RetentionError, Wish, days_told};
use super::sources::{Provider, SourceState};
use super::state::KEY;
use super::{LifecycleError, State};
use crate::journal::{Entry, Kind, Rows};
use crate::runtime::wit::source::Gap;
use crate::runtime::wit::transform::{Reason, Routed};

/// What a start brings along.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// The command that starts: `run` or `gate`.
    pub by: &'static str,
    /// The data directory.
    pub dir: &'a Path,
    /// `logstore.retention_days` of the configuration.
    pub retention_days: u32,
    /// `account` of the configuration.
    pub account: Option<&'a str>,
}

/// What retention dropped from one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The store.
    pub store: Store,
    /// What went.
    pub retired: Retired,
}

impl Dropped {
    /// One line for people.
    #[must_use]
    pub fn told(&self) -> String {
        let Retired { rows, bytes, first_kept, days, .. } = &self.retired;
        let span = match (days.first(), days.last()) {
            (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
            (Some(day), _) => day.to_string(),
            _ => "no day".to_owned(),
        };
        let store = self.store;
        format!(
            "retention dropped {span} from {store}: {rows} records, {bytes} bytes; it begins at record {first_kept} now"
        )
    }
}

/// The lifecycle of the Logstore that a writer has open.
#[derive(Debug)]
pub struct Custody {
    by: &'static str,
    dir: PathBuf,
    state: State,
    rows: Rows,
    /// Last look at what is too old, microseconds UTC.
    looked_us: Option<i64>,
}

impl Custody {
    /// Takes over a Logstore that was just opened. One that was never enabled is, with what the configuration says; a
    /// torn end that opening dropped is entered in the journal. Gives lines for people as well.
    ///
    /// # Errors
    /// [`LifecycleError::Disabled`], [`LifecycleError::Unreadable`], [`LifecycleError::Retention`], a failed commit.
    pub fn open(writer: &mut Writer, opening: Opening<'_>, now_us: i64) -> Result<(Self, Vec<String>), LifecycleError> {
        let (rows, mut told, mut entries) = (Rows::new(writer.layout()), Vec::new(), Vec::new());
        if let Some(entry) = recovered(writer, opening.by, now_us) {
            entries.push(entry);
        }
        let state = match State::read(writer.state())? {
            Some(state) => {
                told.extend(differs(&state, opening.retention_days));
                state
            }
            None => {
                let state = first(&opening, now_us)?;
                told.push(format!(
                    "the Logstore was never enabled and is now: records are kept for {}; `innertrail enable --help` tells more",
                    state.retention.told()
                ));
                entries.push(enabled_entry(&state, opening.by, now_us));
                state
            }
        };
        let custody = Self { by: opening.by, dir: opening.dir.to_owned(), state, rows, looked_us: None };
        if !entries.is_empty() {
            custody.commit(writer, &entries, now_us)?;
        }
        if !custody.state.enabled {
            let since = super::day::told(custody.state.since_us);
            return Err(LifecycleError::Disabled { dir: custody.dir, since });
        }
        Ok((custody, told))
    }

    /// Takes over a Logstore that was enabled once, disabled or not, to drop what is too old.
    ///
    /// # Errors
    /// [`LifecycleError::NeverEnabled`], [`LifecycleError::Unreadable`], a failed commit.
    pub fn continued(writer: &mut Writer, by: &'static str, dir: &Path, now_us: i64) -> Result<Self, LifecycleError> {
        let state = State::read(writer.state())?.ok_or_else(|| LifecycleError::NeverEnabled(dir.to_owned()))?;
        let rows = Rows::new(writer.layout());
        let custody = Self { by, dir: dir.to_owned(), state, rows, looked_us: None };
        if let Some(entry) = recovered(writer, by, now_us) {
            custody.commit(writer, &[entry], now_us)?;
        }
        Ok(custody)
    }

    /// What is remembered.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether [`Custody::tick`] has something to look at.
    #[must_use]
    pub fn is_due(&self, now_us: i64) -> bool {
        self.looked_us.is_none_or(|looked| now_us < looked || now_us - looked >= HOUR_US)
    }

    /// Drops what is too old, at the first call and then hourly. Cheap otherwise: call it whenever nothing waits to be
    /// committed. A clock that was set back is looked at once more.
    ///
    /// # Errors
    /// The Logstore's; the writer is poisoned then.
    pub fn tick(&mut self, writer: &mut Writer, now_us: i64) -> Result<Vec<String>, Error> {
        if !self.is_due(now_us) {
            return Ok(Vec::new());
        }
        self.looked_us = Some(now_us);
        let mut told = Vec::new();
        let before = self.state.retention.days;
        let dropped = self.enforce(writer, now_us)?;
        if self.state.retention.days != before {
            told.push(format!("records are kept for {} from now on", self.state.retention.told()));
        }
        told.extend(dropped.iter().map(Dropped::told));
        Ok(told)
    }

    /// Lets a due shortening take effect, then drops what is too old, each after its journal entry is durable. A crash
    /// between entry and drop repeats both.
    ///
    /// # Errors
    /// The Logstore's; the writer is poisoned then.
    pub fn enforce(&mut self, writer: &mut Writer, now_us: i64) -> Result<Vec<Dropped>, Error> {
        self.settle(writer, now_us)?;
        if self.planned(now_us)?.is_empty() {
            return Ok(Vec::new());
        }
        // Rows in the tail may belong to the days that go: they are to go with them, and counted.
        writer.seal_tail(now_us)?;
        let mut dropped = Vec::new();
        for drop in self.planned(now_us)? {
            self.commit(writer, &[self.drop_entry(&drop, now_us)], now_us)?;
            let retired = writer.retire(drop.store, drop.before, now_us)?;
            dropped.push(Dropped { store: drop.store, retired });
        }
        Ok(dropped)
    }

    /// What [`Custody::enforce`] would drop of what is sealed.
    ///
    /// # Errors
    /// The Logstore's.
    pub fn planned(&self, now_us: i64) -> Result<Vec<Drop>, Error> {
        planned(&self.state, &self.dir, now_us)
    }

    /// Takes in what a source says of itself, into the transaction that holds what else it did.
    pub fn source_state(
        &mut self,
        txn: &mut Transaction,
        source: &str,
        provider: Provider,
        said: SourceState<'_>,
        now_us: i64,
    ) {
        if let Some(transition) = self.state.apply(source, provider, said, now_us) {
            self.rows.push(txn, &Entry::transition(self.by, source, &transition, now_us));
            txn.checkpoint(KEY, &self.state.json());
        }
    }

    /// Puts what is remembered into a transaction again: it waited while something else was committed.
    pub fn remember(&self, txn: &mut Transaction) {
        txn.checkpoint(KEY, &self.state.json());
    }

    /// Enters what a source can never give any more, into the transaction that moves its position over it.
    pub fn gap(&self, txn: &mut Transaction, source: &str, gap: &Gap, now_us: i64) {
        self.rows.push(txn, &Entry::gap(self.by, source, gap, now_us));
    }

    /// Keeps records for more days, into the transaction that holds what else is done; `false` when that is not longer. A
    /// shortening that was asked for is called off by a longer time alone.
    ///
    /// # Errors
    /// [`RetentionError`]; nothing has changed then.
    pub fn lengthen(
        &mut self,
        txn: &mut Transaction,
        days: u32,
        about: impl FnOnce(Entry) -> Entry,
        now_us: i64,
    ) -> Result<bool, RetentionError> {
        let old = self.state.retention.days;
        if days <= old {
            return Ok(false);
        }
        self.state.retention.set(Wish::of(days), now_us)?;
        self.rows.push(txn, &about(retention_entry(old, &self.state.retention, "api", now_us)));
        txn.checkpoint(KEY, &self.state.json());
        Ok(true)
    }

    /// Enters what happened to a sink, into the transaction that keeps it.
    pub fn enter(&self, txn: &mut Transaction, entry: &Entry) {
        self.rows.push(txn, entry);
    }

    /// Enters the writes of a batch that were refused, as one entry, into the transaction that keeps them.
    pub fn refused(&self, txn: &mut Transaction, routed: &Routed, origin: &str, now_us: i64) {
        let count = routed.entries.iter().filter(|e| e.reason == Some(Reason::WriteProtected)).count() as u64;
        if count > 0 {
            self.rows.push(txn, &Entry::write_refused(self.by, origin, count, now_us));
        }
    }

    fn settle(&mut self, writer: &mut Writer, now_us: i64) -> Result<(), Error> {
        let Some(old) = self.state.retention.settle(now_us) else { return Ok(()) };
        self.commit(writer, &[effective_entry(old, &self.state.retention, self.by, now_us)], now_us)
    }

    fn drop_entry(&self, drop: &Drop, now_us: i64) -> Entry {
        let days: Vec<String> = drop.days.iter().map(ToString::to_string).collect();
        Entry::new(Kind::RetentionDropped, self.by, now_us)
            .with("store", drop.store.name())
            .with("days", days)
            .with("rows", drop.rows)
            .with("first_kept", drop.first_kept)
            .with("retention_days", self.state.retention.days)
    }

    fn commit(&self, writer: &mut Writer, entries: &[Entry], now_us: i64) -> Result<(), Error> {
        let mut txn = writer.begin();
        entries.iter().for_each(|entry| self.rows.push(&mut txn, entry));
        txn.checkpoint(KEY, &self.state.json());
        writer.commit(txn, now_us).map(|_| ())
    }
}

/// What a state makes retention drop of the segments in a data directory. Needs no writer.
///
/// # Errors
/// The Logstore's.
pub fn planned(state: &State, dir: &Path, now_us: i64) -> Result<Vec<Drop>, Error> {
    let snapshot = Snapshot::open(dir)?;
    let present = STORES.into_iter().flat_map(|s| snapshot.segments(s).iter().map(move |p| Present::of(s, p)));
    Ok(plan(state, now_us, &present.collect::<Vec<_>>()))
}

/// The entry about a torn end that opening dropped.
pub(super) fn recovered(writer: &Writer, by: &str, now_us: i64) -> Option<Entry> {
    let recovery = writer.recovery();
    (recovery.dropped_bytes > 0).then(|| {
        Entry::new(Kind::Recovered, by, now_us)
            .with("dropped_bytes", recovery.dropped_bytes)
            .with("frames", recovery.frames)
    })
}

/// The entry about a Logstore that was enabled for the first time.
pub(super) fn enabled_entry(state: &State, by: &str, now_us: i64) -> Entry {
    Entry::new(Kind::Enabled, by, now_us)
        .with("retention_days", state.retention.days)
        .with("entitlement", state.entitlement.clone())
        .with("account", state.account.clone())
}

fn first(opening: &Opening<'_>, now_us: i64) -> Result<State, LifecycleError> {
    // A configuration always says a number; the default one is nobody's choice.
    let chosen = (opening.retention_days != DEFAULT_DAYS).then_some(opening.retention_days);
    let mut state = State::new(Retention::first(chosen)?, now_us);
    state.account = opening.account.map(str::to_owned);
    Ok(state)
}

/// A configuration that asks for something else changes nothing: a change is explicit, and in the journal.
fn differs(state: &State, configured: u32) -> Option<String> {
    let kept = &state.retention;
    let coming = kept.pending.map_or(kept.days, |pending| pending.days);
    if configured == DEFAULT_DAYS || configured == kept.days || configured == coming {
        return None;
    }
    let (now, asked) = (kept.told(), days_told(configured));
    Some(format!(
        "the configuration says logstore.retention_days: {configured}, the Logstore keeps records for {now} and goes on so; \
         `innertrail retention set {configured}` makes it {asked}"
    ))
}

/// The entry about a shortening that took effect.
pub(super) fn effective_entry(old: u32, retention: &Retention, by: &str, now_us: i64) -> Entry {
    Entry::new(Kind::RetentionEffective, by, now_us).with("old_days", old).with("new_days", retention.days)
}

/// The entry about another retention, in effect or waiting for its time.
pub(crate) fn retention_entry(old: u32, retention: &Retention, by: &str, now_us: i64) -> Entry {
    let new = retention.pending.map_or(retention.days, |pending| pending.days);
    let effective = retention.pending.map_or(now_us, |pending| pending.effective_us);
    Entry::new(Kind::RetentionChanged, by, now_us)
        .with("old_days", old)
        .with("new_days", new)
        .with("effective", rfc3339(effective))
}
