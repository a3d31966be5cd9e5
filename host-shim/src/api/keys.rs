//! Access keys and the journal: each key that is made or revoked is entered once, by whoever has the writer next.
//!
//! It must never enter what people call a key: that may be somebody's name.

use std::sync::Arc;

use innertrail_api::auth::{Change, ChangeKind, Keyring};
use innertrail_logstore::State;

use crate::journal::{Entry, Kind};
use crate::lifecycle::Entered;
use crate::lifecycle::day::rfc3339;

/// The checkpoint that holds the number of the last change that is in the journal.
pub(crate) const CHECKPOINT: &str = "@api-keys";

/// How often a run looks, microseconds.
const LOOK_EVERY_US: i64 = 1_000_000;

/// Changes of keys that are not in the journal yet.
pub(crate) struct Untold {
    keys: Arc<Keyring>,
    told: u64,
    looked_us: i64,
}

fn told(state: &State) -> u64 {
    let number = state.checkpoint(CHECKPOINT).and_then(|number| std::str::from_utf8(number).ok()?.parse().ok());
    number.unwrap_or(0)
}

fn entry(change: &Change) -> Entry {
    let kind = match change.kind {
        ChangeKind::Added => Kind::KeyAdded,
        ChangeKind::Revoked => Kind::KeyRevoked,
    };
    let entry =
        Entry::new(kind, "keys", change.at_us).with("key", change.id.as_str()).with("role", change.role.as_str());
    match change.until_us {
        Some(until_us) => entry.with("valid_until", rfc3339(until_us)),
        None => entry,
    }
}

/// A gap in the numbers: more changes were made between two looks than the file keeps.
fn missed(told: u64, changes: &[Change]) -> Option<Entry> {
    let first = changes.first()?;
    let count = first.number.saturating_sub(told + 1);
    let about = |entry: Entry| {
        entry.with("what", "changes of access keys").with("count", count).with("to", rfc3339(first.at_us))
    };
    (count > 0).then(|| about(Entry::new(Kind::Gap, "keys", first.at_us)))
}

/// Entries for the changes after the one of this number, and the number of the last of them if there is any.
fn news(keys: &Keyring, told: u64, now_us: i64) -> (Vec<Entry>, Option<u64>) {
    let changes = keys.changes_after(told, now_us);
    let entries = missed(told, &changes).into_iter().chain(changes.iter().map(entry)).collect();
    (entries, changes.last().map(|last| last.number))
}

/// What a command enters that has the writer for itself.
pub(crate) fn entered(keys: &Keyring, state: &State, now_us: i64) -> Entered {
    let (entries, last) = news(keys, told(state), now_us);
    Entered { entries, checkpoint: last.map(|last| (CHECKPOINT, last.to_string().into_bytes())) }
}

impl Untold {
    /// As of a Logstore that was just opened.
    pub(crate) fn new(keys: Arc<Keyring>, state: &State) -> Self {
        Self { keys, told: told(state), looked_us: 0 }
    }

    /// What was put into a transaction may be forgotten: as of this state again.
    pub(crate) fn again(&mut self, state: &State) {
        (self.told, self.looked_us) = (told(state), 0);
    }

    /// Entries that are due, and the content of [`CHECKPOINT`] with them. At most once a second.
    pub(crate) fn due(&mut self, now_us: i64) -> Option<(Vec<Entry>, Vec<u8>)> {
        if (0..LOOK_EVERY_US).contains(&now_us.saturating_sub(self.looked_us)) {
            return None;
        }
        self.looked_us = now_us;
        let (entries, last) = news(&self.keys, self.told, now_us);
        self.told = last?;
        Some((entries, self.told.to_string().into_bytes()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use innertrail_api::Role;
    use innertrail_api::auth::KeyFile;

    use super::*;

    #[test]
    fn each_change_is_entered_once_and_without_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::of(dir.path());
        let keys = Arc::new(Keyring::of(dir.path()));
        let mut state = State::default();
        let mut untold = Untold::new(Arc::clone(&keys), &state);
        assert!(untold.due(10 * LOOK_EVERY_US).is_none());
        let key = file.add(Role::Reader, Some("alice".to_owned()), 1).unwrap();
        file.revoke(&key.id, 2).unwrap();
        assert!(untold.due(10 * LOOK_EVERY_US + 1).is_none());
        let (entries, checkpoint) = untold.due(11 * LOOK_EVERY_US).unwrap();
        let words: Vec<&str> = entries.iter().map(|entry| entry.kind().name()).collect();
        assert_eq!((words, checkpoint.as_slice()), (vec!["key_added", "key_revoked"], &b"2"[..]));
        let json = entries[0].json();
        assert!(json.contains(&key.id) && !json.contains("alice") && !json.contains(key.secret.expose()), "{json}");
        assert!(untold.due(12 * LOOK_EVERY_US).is_none());
        // Forgotten with its transaction, it is entered again; durable, it is not.
        untold.again(&state);
        assert_eq!(untold.due(13 * LOOK_EVERY_US).unwrap().0.len(), 2);
        state.checkpoints.insert(CHECKPOINT.to_owned(), checkpoint);
        assert!(entered(&keys, &state, 14 * LOOK_EVERY_US).entries.is_empty());
        untold.again(&state);
        assert!(untold.due(15 * LOOK_EVERY_US).is_none());
    }
    #[test]
    fn how_long_a_temporary_key_is_valid_is_entered_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let key = KeyFile::of(dir.path()).lend(Role::Reader, None, 3, 1_000_000).unwrap();
        let entries = entered(&Keyring::of(dir.path()), &State::default(), 4).entries;
        let json = entries[0].json();
        assert!(json.contains(&format!("\"valid_until\":\"{}\"", rfc3339(1_000_003))), "{json}");
        assert!(!json.contains(key.session.unwrap().token.expose()), "{json}");
    }
}
