//! The list of everything that is ever done to the disk: which part of the data directory, and which operation.
//! It must never miss one: the tests stop at every step of this list, and refuse an operation that is not on it.

/// An operation on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// A directory is made.
    CreateDir,
    /// A file is made, empty.
    Create,
    /// Bytes are added to a file.
    Write,
    /// Content and length of a file become durable.
    Sync,
    /// The right to write is taken from everybody; content, length and mode of a file become durable.
    Seal,
    /// A file gets its final name.
    Rename,
    /// The names in a directory become durable.
    SyncDir,
    /// A file is made immutable where the file system can.
    Pin,
    /// A file is removed.
    Remove,
    /// An empty directory is removed.
    RemoveDir,
}

/// Written under a temporary name, synced, renamed into place.
const REPLACED: &[Act] = &[Act::Create, Act::Write, Act::Sync, Act::Rename, Act::SyncDir];
/// The same for what is never changed again.
const SEALED: &[Act] = &[Act::Create, Act::Write, Act::Seal, Act::Rename, Act::SyncDir, Act::Pin];
/// Taken away for good.
const REMOVED: &[Act] = &[Act::Remove, Act::SyncDir];

/// One list for the type, for [`Part::ALL`] and for [`Part::acts`], so that they cannot differ.
macro_rules! parts {
    ($($(#[$doc:meta])* $part:ident: $acts:expr,)*) => {
        /// What an operation is for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Part { $($(#[$doc])* $part,)* }

        impl Part {
            /// Every part.
            pub const ALL: &[Self] = &[$(Self::$part,)*];

            /// Every operation that is done to it.
            #[must_use]
            pub const fn acts(self) -> &'static [Act] {
                match self { $(Self::$part => $acts,)* }
            }
        }
    };
}

parts! {
    /// The data directory and the folders in it.
    Folder: &[Act::CreateDir, Act::SyncDir],
    /// What an earlier life left in `tmp/`.
    Scratch: &[Act::Remove],
    /// A new generation of the write-ahead log.
    Wal: REPLACED,
    /// One transaction, at the end of the write-ahead log.
    Frame: &[Act::Write, Act::Sync],
    /// A generation whose rows are in segments.
    OldWal: REMOVED,
    /// A Parquet file.
    Segment: SEALED,
    /// The words of a segment.
    TokenIndex: SEALED,
    /// Two bytes of each leaf hash of a segment.
    Leaf: SEALED,
    /// A complete tile of a tree.
    Tile: SEALED,
    /// A digest.
    Digest: SEALED,
    /// `format.json`.
    Format: REPLACED,
    /// `state.json`.
    State: REPLACED,
    /// `seal/seal.vkey`.
    PublicKey: REPLACED,
    /// `seal/checkpoint`.
    Checkpoint: REPLACED,
    /// Segments that retention drops, with what is beside them.
    Retired: &[Act::Remove, Act::SyncDir, Act::RemoveDir],
    /// What a rotation or a drop that was cut short has left.
    Leftover: &[Act::Remove, Act::SyncDir, Act::RemoveDir],
    /// A run of the index of event ids. It goes when no manifest names it, as does a manifest that cannot be trusted.
    IdRun: &[Act::Create, Act::Write, Act::Seal, Act::Rename, Act::SyncDir, Act::Remove],
    /// The manifest of the index of event ids.
    IdManifest: REPLACED,
    /// A consumer group.
    Group: &[Act::Create, Act::Write, Act::Sync, Act::Rename, Act::SyncDir, Act::Remove],
}

/// One operation on one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// What it is for.
    pub part: Part,
    /// What is done.
    pub act: Act,
}

impl Step {
    /// Every step there is.
    pub fn all() -> impl Iterator<Item = Self> {
        Part::ALL.iter().flat_map(|part| part.acts().iter().map(|act| Self { part: *part, act: *act }))
    }

    /// Whether it is on the list.
    #[must_use]
    pub fn is_listed(self) -> bool {
        self.part.acts().contains(&self.act)
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}/{:?}", self.part, self.act)
    }
}
