//! What can be read now, and how far it is durable: one reader for everybody, so that the tail is in memory once.
//! It must never say that a record is durable which the reader does not say it of.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use innertrail_logstore::consumer::{ConsumerError, Reader, ReaderOptions};
use innertrail_logstore::{Snapshot, Store};

use super::place;

/// The Logstore at one moment.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) snapshot: Snapshot,
    ends: [u64; Store::ALL.len()],
}

impl View {
    /// What a reader sees. What was durable stays so, even if a new reader cannot prove it yet.
    fn of(reader: &Reader, before: Option<&Self>) -> Self {
        let snapshot = reader.snapshot().clone();
        let known = |store| before.map_or(0, |view| view.end(store));
        let ends = Store::ALL.map(|store| reader.end(store).seq().max(known(store)).min(snapshot.end(store)));
        Self { snapshot, ends }
    }

    /// Sequence number behind the last durable record.
    pub(crate) fn end(&self, store: Store) -> u64 {
        self.ends[place(store) as usize]
    }

    /// Sequence number behind the last record that can be seen. Where it was durable once, a reader that is new may not be
    /// able to prove it yet; a cursor up to here is no mistake.
    pub(crate) fn seen(&self, store: Store) -> u64 {
        self.snapshot.end(store)
    }

    /// Sequence number of the first record that is kept.
    pub(crate) fn first(&self, store: Store) -> u64 {
        self.snapshot.first_kept(store)
    }
}

#[derive(Debug)]
struct Looking {
    reader: Reader,
    /// When the last look began.
    looked: Instant,
}

/// Looks at a data directory for many callers.
#[derive(Debug)]
pub(crate) struct Watch {
    dir: PathBuf,
    options: ReaderOptions,
    looking: Mutex<Looking>,
    view: RwLock<Arc<View>>,
}

impl Watch {
    pub(crate) fn open(dir: &Path, options: ReaderOptions) -> Result<Self, ConsumerError> {
        let looked = Instant::now();
        let mut reader = Reader::open(dir, options.clone())?;
        reader.refresh()?;
        let view = RwLock::new(Arc::new(View::of(&reader, None)));
        Ok(Self { dir: dir.to_path_buf(), options, looking: Mutex::new(Looking { reader, looked }), view })
    }

    /// The newest view there is. Costs nothing.
    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A view of a moment at or after the call. Those who ask while somebody looks share the next look.
    pub(crate) fn fresh(&self) -> Result<Arc<View>, ConsumerError> {
        let asked = Instant::now();
        let mut looking = self.lock();
        if looking.looked < asked {
            let begun = Instant::now();
            looking.reader.refresh()?;
            looking.looked = begun;
            self.show(&looking.reader);
        }
        Ok(self.view())
    }

    /// The view after something could not be read: retention may have taken it away, and a reader that sees no change of
    /// the log keeps what it knew. Rare, so a new one is opened.
    pub(crate) fn again(&self) -> Result<Arc<View>, ConsumerError> {
        let mut looking = self.lock();
        looking.looked = Instant::now();
        looking.reader = Reader::open(&self.dir, self.options.clone())?;
        looking.reader.refresh()?;
        self.show(&looking.reader);
        Ok(self.view())
    }

    /// Sequence number of the first record received at or after a time; the end when there is none.
    pub(crate) fn at_time(&self, store: Store, received_us: i64) -> Result<u64, ConsumerError> {
        let mut looking = self.lock();
        let found = looking.reader.at_time(store, received_us)?.seq();
        self.show(&looking.reader);
        Ok(found)
    }

    fn show(&self, reader: &Reader) {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        let before = Arc::clone(&view);
        *view = Arc::new(View::of(reader, Some(before.as_ref())));
    }

    fn lock(&self) -> MutexGuard<'_, Looking> {
        // A panic in the reader leaves at worst an old snapshot, and the next look replaces it.
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
