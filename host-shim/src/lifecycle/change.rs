//! One change of a Logstore's life, made by a command while no run has it open.
//!
//! Must never leave a change without its journal entry, and never start the component for a Logstore that is there.

use std::path::{Path, PathBuf};

use innertrail_logstore::{Layout, Options, Snapshot, Writer};

use super::custody::{Custody, Dropped, effective_entry, enabled_entry, recovered, retention_entry};
use super::retention::{Change, Retention, Wish};
use super::state::KEY;
use super::{LifecycleError, State, key};
use crate::journal::{Entry, Kind, Rows};

/// A Logstore as it is found before its writer is opened.
#[derive(Debug)]
pub struct Existing {
    /// Name of its trail.
    pub trail: String,
    /// Its columns.
    pub layout: Layout,
}

impl Existing {
    /// Looks; `None` when there is no Logstore.
    ///
    /// # Errors
    /// [`LifecycleError::Open`] when there is one that cannot be read.
    pub fn find(dir: &Path) -> Result<Option<Self>, LifecycleError> {
        match Snapshot::open(dir) {
            Ok(found) => Ok(Some(Self { trail: found.trail().to_owned(), layout: found.layout().clone() })),
            Err(innertrail_logstore::Error::NotALogstore { .. }) => Ok(None),
            Err(error) => Err(LifecycleError::Open(error)),
        }
    }
}

/// What a change left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed<T> {
    /// What the change gave.
    pub value: T,
    /// The state after it.
    pub state: State,
    /// The newest checkpoint, a signed note; the change is under it.
    pub checkpoint: String,
    /// The public key, as a C2SP verifier key.
    pub vkey: String,
}

/// What `enable` is asked for.
#[derive(Debug, Clone, Default)]
pub struct Enabling {
    /// Reference of the entitlement. `None` keeps what is on record.
    pub entitlement: Option<String>,
    /// The account. `None` keeps what is on record.
    pub account: Option<String>,
    /// The retention. `None`: the default.
    pub wish: Option<Wish>,
}

/// Makes the Logstore of a trail, or enables it again. Gives the retention before, if there was one, and what became
/// of it.
///
/// # Errors
/// See [`LifecycleError`]; before the commit nothing has changed.
pub fn enable(
    dir: &Path,
    existing: Existing,
    asked: Enabling,
    now_us: i64,
) -> Result<Changed<Option<(u32, Change)>>, LifecycleError> {
    let by = "enable";
    with_writer(dir, existing, by, now_us, |known| {
        let Some(mut state) = known else {
            let mut state = State::new(Retention::first(asked.wish.map(|wish| wish.days))?, now_us);
            (state.entitlement, state.account) = (asked.entitlement, asked.account);
            let entry = enabled_entry(&state, by, now_us);
            return Ok((state, vec![entry], None));
        };
        let mut entries = Vec::new();
        entries.extend(settled(&mut state, by, now_us));
        let (old, was) = (state.retention.days, state.enabled);
        let change = state.enable(asked.wish, now_us)?;
        let recorded = (state.entitlement.clone(), state.account.clone());
        state.entitlement = asked.entitlement.or(state.entitlement);
        state.account = asked.account.or(state.account);
        if !was {
            entries.push(enabled_entry(&state, by, now_us));
        } else if recorded != (state.entitlement.clone(), state.account.clone()) {
            entries.push(account_entry(&state, by, now_us));
        }
        if !matches!(change, Change::Same | Change::Kept) {
            entries.push(retention_entry(old, &state.retention, by, now_us));
        }
        Ok((state, entries, Some((old, change))))
    })
}

/// Changes a Logstore that is there and was enabled once. What `change` gives back is entered in the journal; no entry
/// means that nothing changed, and nothing is written.
///
/// # Errors
/// See [`LifecycleError`]; before the commit nothing has changed.
pub fn change<T>(
    dir: &Path,
    by: &'static str,
    now_us: i64,
    change: impl FnOnce(&mut State) -> Result<(T, Vec<Entry>), LifecycleError>,
) -> Result<Changed<T>, LifecycleError> {
    let not_there = || innertrail_logstore::Error::NotALogstore { path: dir.to_owned() };
    let existing = Existing::find(dir)?.ok_or_else(|| LifecycleError::Open(not_there()))?;
    with_writer(dir, existing, by, now_us, |known| {
        let mut state = known.ok_or_else(|| LifecycleError::NeverEnabled(PathBuf::from(dir)))?;
        let settled = settled(&mut state, by, now_us);
        let (value, entries) = change(&mut state)?;
        Ok((state, settled.into_iter().chain(entries).collect(), value))
    })
}

/// What is entered beside the Logstore's life, and the checkpoint that says that it is.
#[derive(Debug, Default)]
pub struct Entered {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Name and content of the checkpoint.
    pub checkpoint: Option<(&'static str, Vec<u8>)>,
}

/// Enters in the journal what was done beside the Logstore; `false` when a run has it open, which then enters it itself.
///
/// # Errors
/// See [`LifecycleError`]; before the commit nothing has changed.
pub fn enter(
    dir: &Path,
    now_us: i64,
    decide: impl FnOnce(&innertrail_logstore::State) -> Entered,
) -> Result<bool, LifecycleError> {
    let not_there = || innertrail_logstore::Error::NotALogstore { path: dir.to_owned() };
    let existing = Existing::find(dir)?.ok_or_else(|| LifecycleError::Open(not_there()))?;
    let options = Options::new(key::open(dir, &existing.trail)?);
    let mut writer = match Writer::open(dir, &existing.trail, existing.layout, options, now_us) {
        Err(innertrail_logstore::Error::Locked { .. }) => return Ok(false),
        other => other.map_err(LifecycleError::Open)?,
    };
    let Entered { mut entries, checkpoint } = decide(writer.state());
    entries.extend(recovered(&writer, "keys", now_us));
    let (rows, mut txn) = (Rows::new(writer.layout()), writer.begin());
    entries.iter().for_each(|entry| rows.push(&mut txn, entry));
    if let Some((name, content)) = checkpoint {
        txn.checkpoint(name, &content);
    }
    if !txn.is_empty() {
        writer.commit(txn, now_us)?;
    }
    writer.close(now_us)?;
    Ok(true)
}

/// Drops what is too old from a Logstore that nothing runs on, disabled or not.
///
/// # Errors
/// See [`LifecycleError`].
pub fn apply(dir: &Path, by: &'static str, now_us: i64) -> Result<Vec<Dropped>, LifecycleError> {
    let not_there = || innertrail_logstore::Error::NotALogstore { path: dir.to_owned() };
    let existing = Existing::find(dir)?.ok_or_else(|| LifecycleError::Open(not_there()))?;
    let options = Options::new(key::open(dir, &existing.trail)?);
    let mut writer =
        Writer::open(dir, &existing.trail, existing.layout, options, now_us).map_err(LifecycleError::Open)?;
    let dropped = Custody::continued(&mut writer, by, dir, now_us)?.enforce(&mut writer, now_us)?;
    writer.close(now_us)?;
    Ok(dropped)
}

/// A shortening whose time has come counts before anything else is decided.
fn settled(state: &mut State, by: &str, now_us: i64) -> Option<Entry> {
    let old = state.retention.settle(now_us)?;
    Some(effective_entry(old, &state.retention, by, now_us))
}

type Decided<T> = Result<(State, Vec<Entry>, T), LifecycleError>;

/// Opens the writer, decides, commits, and closes, so that the change is sealed when the command ends.
fn with_writer<T>(
    dir: &Path,
    existing: Existing,
    by: &'static str,
    now_us: i64,
    decide: impl FnOnce(Option<State>) -> Decided<T>,
) -> Result<Changed<T>, LifecycleError> {
    let options = Options::new(key::open(dir, &existing.trail)?);
    let vkey = options.key.vkey().to_owned();
    let mut writer =
        Writer::open(dir, &existing.trail, existing.layout, options, now_us).map_err(LifecycleError::Open)?;
    let (state, mut entries, value) = decide(State::read(writer.state())?)?;
    entries.extend(recovered(&writer, by, now_us));
    if !entries.is_empty() {
        let (rows, mut txn) = (Rows::new(writer.layout()), writer.begin());
        entries.iter().for_each(|entry| rows.push(&mut txn, entry));
        txn.checkpoint(KEY, &state.json());
        writer.commit(txn, now_us)?;
    }
    writer.close(now_us)?;
    let checkpoint = Snapshot::open(dir)?.checkpoint()?;
    Ok(Changed { value, state, checkpoint, vkey })
}

fn account_entry(state: &State, by: &str, now_us: i64) -> Entry {
    Entry::new(Kind::AccountState, by, now_us)
        .with("entitlement", state.entitlement.clone())
        .with("account", state.account.clone())
}
