//! Chart packs: dashboards as versioned data, what users copied of them, and the forms that other programs read.
//! It must never touch a user's copy, run a query, or open a file: texts come in, packs and texts go out.
//!
//! A *pack* comes with innertrail, or is a newer one that was installed; it may change with each version. A *copy* is a
//! user's own: it remembers what it was copied from and changes when its user changes it, never otherwise.
//!
//! ```
//! use innertrail_charts::{Shelf, builtin};
//!
//! let shelf = Shelf::of(&[], &[]);
//! assert_eq!(shelf.find("oss-audit").map(|pack| pack.version), Some(builtin()[0].version));
//! ```

mod clickhouse;
mod grafana;
mod pack;
mod shelf;
mod sls;

pub use pack::{Chart, CopiedFrom, Display, Fault, Kind, MAX_BYTES, Pack, Search, Store, Time};
pub use shelf::{Behind, InstallError, Shelf};

use std::sync::LazyLock;

/// The packs' texts, as they are in the repository.
const TEXTS: [(&str, &str); 3] = [
    ("oss-audit.json", include_str!("../packs/oss-audit.json")),
    ("platform-access.json", include_str!("../packs/platform-access.json")),
    ("custody.json", include_str!("../packs/custody.json")),
];

static BUILTIN: LazyLock<Vec<Pack>> = LazyLock::new(|| {
    TEXTS
        .iter()
        .map(|(file, text)| Pack::parse(file, text).expect("the pack is built in, and a test reads it"))
        .collect()
});

/// The packs that come with this version, in the order in which they are shown.
#[must_use]
pub fn builtin() -> &'static [Pack] {
    &BUILTIN
}
