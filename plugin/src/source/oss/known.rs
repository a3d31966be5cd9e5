//! What is known of objects and folders: what the host stores as checkpoints.
//!
//! Every object within reach of the next listing has an entry, so that none is read twice; once a folder's listing begins
//! behind an object, its entry is forgotten. That bounds them by the objects of the overlap and a day.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::source::position::{Checkpoint, MD5_KEY, NameMeans, Position, json};

/// How far an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// It waits, or is being read; what an earlier session has of it.
    Waiting(Option<Box<Position>>),
    /// It was read to its end, in the version with this entity tag.
    Done(String),
    /// The component fails on it: it is never asked for again.
    Abandoned,
}

/// How far a dated folder is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The next listing begins behind this key.
    pub start: String,
    /// When the days before that were last looked through for objects that came very late; milliseconds.
    #[serde(default)]
    pub deep_ms: i64,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub struct Known {
    objects: BTreeMap<String, Object>,
    /// The dated folders.
    pub marks: BTreeMap<String, Mark>,
    /// What the MD5 of object names turned out to be of.
    pub means: Option<NameMeans>,
}

impl Known {
    /// Reads what the host stored.
    ///
    /// # Errors
    /// Which checkpoint cannot be read, and why.
    pub fn restore(stored: &[Checkpoint]) -> Result<Self, String> {
        let mut known = Self::default();
        for (key, value) in stored {
            let bad = |e: serde_json::Error| format!("checkpoint `{key}` cannot be read: {e}");
            if key == MD5_KEY {
                known.means = Some(serde_json::from_slice(value).map_err(bad)?);
            } else if let Some(folder) = key.strip_prefix("mark:") {
                known.marks.insert(folder.to_owned(), serde_json::from_slice(value).map_err(bad)?);
            } else if let Some(object) = key.strip_prefix("obj:") {
                let position: Position = serde_json::from_slice(value).map_err(bad)?;
                let state = match (position.abandoned, position.done) {
                    (true, _) => Object::Abandoned,
                    (_, true) => Object::Done(position.identity),
                    _ => Object::Waiting(Some(Box::new(position))),
                };
                known.objects.insert(object.to_owned(), state);
            } else {
                return Err(format!("checkpoint `{key}` is of a kind that this version does not know"));
            }
        }
        Ok(known)
    }

    /// How many objects are known.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// How far an object is.
    pub fn get(&self, key: &str) -> Option<&Object> {
        self.objects.get(key)
    }

    /// Notes how far an object is.
    pub fn set(&mut self, key: &str, state: Object) {
        self.objects.insert(key.to_owned(), state);
    }

    /// Forgets an object.
    pub fn remove(&mut self, key: &str) {
        self.objects.remove(key);
    }

    /// The objects of a folder from a key on that wait and were begun by an earlier session.
    pub fn begun(&self, folder: &str, start: &str) -> Vec<String> {
        let of_folder = self.objects.range(start.to_owned()..).take_while(|(key, _)| key.starts_with(folder));
        of_folder.filter(|(_, state)| matches!(state, Object::Waiting(Some(_)))).map(|(key, _)| key.clone()).collect()
    }

    /// The last object of a folder, not behind `covered`, before which none waits.
    pub fn settled(&self, folder: &str, covered: &str) -> Option<&str> {
        let start = self.marks.get(folder).map_or(folder, |mark| mark.start.as_str());
        let of_folder = self.objects.range(start.to_owned()..).take_while(|(key, _)| key.starts_with(folder));
        let settled =
            of_folder.take_while(|(key, state)| key.as_str() <= covered && !matches!(state, Object::Waiting(_)));
        settled.last().map(|(key, _)| key.as_str())
    }

    /// Begins a folder's listings behind `start`, and forgets what lies before. Gives the checkpoints that say so.
    pub fn advance(&mut self, folder: &str, start: String) -> Vec<Checkpoint> {
        let before: Vec<String> =
            self.objects.range(folder.to_owned()..start.clone()).map(|(key, _)| key.clone()).collect();
        let forgotten = before.into_iter().map(|key| {
            self.objects.remove(&key);
            (object_key(&key), Vec::new())
        });
        let mut checkpoints: Vec<Checkpoint> = forgotten.collect();
        let mark = self.marks.entry(folder.to_owned()).or_default();
        mark.start = start;
        checkpoints.push(mark_checkpoint(folder, mark));
        checkpoints
    }
}

/// The key of an object's position.
pub fn object_key(key: &str) -> String {
    format!("obj:{key}")
}

/// An object's position, as the host stores it.
pub fn checkpoint(key: &str, position: &Position) -> Checkpoint {
    (object_key(key), json(position))
}

/// A folder's mark, as the host stores it.
pub fn mark_checkpoint(folder: &str, mark: &Mark) -> Checkpoint {
    (format!("mark:{folder}"), json(mark))
}

/// What names mean, as the host stores it.
pub fn means_checkpoint(means: NameMeans) -> Checkpoint {
    (MD5_KEY.to_owned(), json(&means))
}
