//! What reading an object or a file may cost, whoever brings its bytes.

use serde::Deserialize;

/// Whether the promises in ActionTrail object names are held against what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectNames {
    /// Wherever a name has the form.
    #[default]
    Actiontrail,
    /// Never.
    Ignore,
}

/// The limits of [`super::reader::Reader`].
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Whether names are checked.
    pub object_names: ObjectNames,
    /// Longest record, bytes.
    pub max_event_bytes: u64,
    /// Most bytes that one file may decompress to.
    pub max_decompressed_bytes: u64,
    /// Most bytes out for one byte in, once a MiB is out.
    pub max_ratio: u64,
    /// Deepest nesting, to tell where a record that spans lines ends.
    pub max_depth: usize,
}

impl Limits {
    /// Longest record that may be asked for: a batch has to hold one.
    pub const MOST_EVENT_BYTES: u64 = 15 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            object_names: ObjectNames::default(),
            max_event_bytes: 4 << 20,
            max_decompressed_bytes: 8 << 30,
            max_ratio: 1000,
            max_depth: 64,
        }
    }
}
