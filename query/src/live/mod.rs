//! A store that grows, asked again and again: pages by time, counts by time, neighbours, and SQL over a range of time.
//! It must never write, and never show two states of the store in one answer.
//!
//! [`Query`](crate::Query) opens one snapshot and starts its threads; that is right for one question. A server asks many
//! each second, so [`Live`] keeps threads, footers, the tail's rows and what was found out, and looks only at what is new.
//!
//! # Time
//! A row's time is `it_time`, or `it_received` where an event has none of its own. Rows stand in the order of time,
//! then of their sequence number. While events are appended whose time is past a range, its pages from the oldest on
//! stay as they are; from the newest on, those of a range that ends in the past.

mod cache;
mod count;
mod filter;
mod order;
mod part;
mod reading;
mod segment;
mod stored;
mod tail;
mod times;
mod view;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use innertrail_logstore::{SegmentRef, Snapshot, Store};

pub use count::Counts;
pub use filter::Wanted;
pub use order::Page;
pub use reading::{Reading, Sql, Word};
pub use times::TimeRange;
pub use view::{Rows, View};

use crate::query::Engine;
use crate::{Error, Limits};
use part::Findings;
use tail::Tail;
use times::Group;

/// What questions may cost, beside [`Limits`], which are those of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveLimits {
    /// SQL.
    pub sql: Limits,
    /// Time for a page or for counts; after that, what was found so far is the answer.
    pub search: Duration,
    /// Bytes of the events on a page; a page that would hold more gets fewer rows, at least one.
    pub page_bytes: usize,
}

impl Default for LiveLimits {
    /// 10 s and 32 MiB; SQL has 55 s and a million rows, as Log Service says of itself.
    fn default() -> Self {
        let sql = Limits { timeout: Duration::from_secs(55), max_rows: 1_000_000, ..Limits::default() };
        Self { sql, search: Duration::from_secs(10), page_bytes: 32 * 1024 * 1024 }
    }
}

/// One store of a data directory, at whatever state it is.
#[derive(Debug)]
pub struct Live {
    dir: PathBuf,
    store: Store,
    limits: LiveLimits,
    last: Mutex<Option<Last>>,
}

#[derive(Debug)]
struct Last {
    view: Arc<View>,
    /// When the looking for it began.
    begun: Instant,
}

/// Row groups of segments, by the segment's first row.
type KnownGroups = HashMap<u64, (Arc<SegmentRef>, Arc<[Group]>)>;

impl Live {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(dir: &Path, store: Store, limits: LiveLimits) -> Self {
        Self { dir: dir.to_path_buf(), store, limits, last: Mutex::new(None) }
    }

    /// The store as it is now. Who asks while another one looks gets what that one finds, if it began later than this
    /// call. The first call reads the footers of all segments.
    ///
    /// # Errors
    /// [`Error::Logstore`] when the directory cannot be read, [`Error::Start`] without threads, [`Error::Segment`].
    pub fn view(&self) -> Result<Arc<View>, Error> {
        let asked = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = last.as_ref().filter(|l| l.begun >= asked) {
            return Ok(Arc::clone(&known.view));
        }
        let begun = Instant::now();
        let view = match last.as_ref() {
            Some(known) => self.later(&known.view)?,
            None => Arc::new(self.first()?),
        };
        *last = Some(Last { view: Arc::clone(&view), begun });
        Ok(view)
    }

    fn first(&self) -> Result<View, Error> {
        let snapshot = Snapshot::open(&self.dir)?;
        let engine = Arc::new(Engine::new(&snapshot, self.store, self.limits.sql)?);
        let tail = Tail::read(&snapshot, self.store)?;
        View::new(snapshot, self.store, self.limits, engine, Arc::new(Findings::new()), tail, &KnownGroups::new())
    }

    fn later(&self, known: &Arc<View>) -> Result<Arc<View>, Error> {
        let snapshot = known.snapshot().refresh()?;
        if snapshot.layout() != known.snapshot().layout() {
            return Ok(Arc::new(self.first()?));
        }
        if known.is_of(&snapshot) {
            return Ok(Arc::clone(known));
        }
        Ok(Arc::new(known.later(snapshot)?))
    }
}
