//! What a receiver will never take goes into quarantine, with a journal entry, before a sink's position passes it.
//!
//! Must never answer before both are durable.

use std::sync::mpsc::{Sender, channel};

use innertrail_logstore::Layout;
use innertrail_sink::Record;
use innertrail_sink::delivery::{NotParked, Parking};

use crate::clock;
use crate::journal::{Entry, Kind};
use crate::layout::HostRows;

/// Something to keep for a sink, and who waits until it is durable. Dropped without an answer, it was not kept.
pub(crate) struct Parked {
    /// A row for quarantine.
    pub(crate) row: Option<Vec<u8>>,
    /// What the journal says.
    pub(crate) entry: Entry,
    /// Told once both are durable.
    pub(crate) answer: Sender<()>,
}

/// A sink's way to the one writer.
pub(crate) struct ToWriter<F> {
    rows: HostRows,
    post: F,
}

impl<F: Fn(Parked) -> bool + Send> ToWriter<F> {
    /// `post` hands over to the thread that commits; `false` when that is gone.
    pub(crate) fn new(layout: &Layout, post: F) -> Self {
        Self { rows: HostRows::new(layout), post }
    }

    fn keep(&self, row: Option<Vec<u8>>, entry: Entry) -> Result<(), NotParked> {
        let (answer, kept) = channel();
        let gone = || NotParked("the Logstore does not take it now; it is tried again".to_owned());
        if !(self.post)(Parked { row, entry, answer }) {
            return Err(gone());
        }
        kept.recv().map_err(|_| gone())
    }
}

impl<F: Fn(Parked) -> bool + Send> Parking for ToWriter<F> {
    fn park(&mut self, sink: &str, record: &Record, why: &str) -> Result<(), NotParked> {
        let row = self.rows.undeliverable(sink, record.row.seq, record.row.payload(), why);
        let entry = Entry::new(Kind::Undeliverable, "run", clock::now_us())
            .with("sink", sink)
            .with("seq", record.row.seq)
            .with("why", why);
        self.keep(Some(row), entry)
    }

    fn missed(&mut self, sink: &str, from: u64, to: u64) -> Result<(), NotParked> {
        let entry = Entry::new(Kind::Gap, "run", clock::now_us())
            .with("sink", sink)
            .with("what", format!("records {from} to {}", to.saturating_sub(1)))
            .with("why", "retention dropped them before the sink had sent them");
        self.keep(None, entry)
    }
}
