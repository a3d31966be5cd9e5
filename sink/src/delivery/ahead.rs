//! Reads ahead: while a page is being sent, one thread marks and, where the sender wants that, writes down the next one, and
//! another pulls the one behind it.
//! It must never be more than two pages ahead, nor hand on a record that is not durable or has no mark.

use std::sync::mpsc::{Receiver, SyncSender};
use std::thread;

use innertrail_logstore::consumer::{ConsumerError, Cursor, Reader};
use innertrail_logstore::{Layout, Store, StoredRow};

use super::Mark;
use super::runner::SLICE;
use crate::record::Record;
use crate::sender::Prepare;

/// Records that are read at a time at the most, and bytes of raw events. A page of events of 1.4 KB takes about 5 MB.
const PAGE: (usize, usize) = (1_024, 4 << 20);

/// What a look at the Logstore gave: rows, or records made of them.
pub(super) enum Found<T> {
    /// Records, without a gap from the last ones on.
    Page {
        records: Vec<T>,
        /// Whether nothing more was there.
        at_end: bool,
        /// Set when it is another one than before.
        layout: Option<Layout>,
    },
    /// Nothing new.
    Nothing,
    /// Retention dropped records `from..to`; what comes next begins at `to`.
    Gap {
        from: u64,
        to: u64,
    },
    Failed(ConsumerError),
}

/// A look, and where the durable records ended then.
pub(super) struct Look<T> {
    pub(super) found: Found<T>,
    pub(super) end: u64,
}

/// Looks that are waiting for.
pub(super) type Looks = Receiver<Look<Record>>;

/// Reads from `next` to `until`, until nobody listens any more.
pub(super) fn read(reader: &mut Reader, mut next: Cursor, until: u64, looks: &SyncSender<Look<StoredRow>>) {
    let mut layout = reader.snapshot().layout().clone();
    loop {
        let room = usize::try_from(until.saturating_sub(next.seq())).unwrap_or(usize::MAX).min(PAGE.0);
        if room == 0 {
            return;
        }
        let (found, pause) = match reader.pull(next, room, PAGE.1) {
            Ok(page) if page.rows.is_empty() => (Found::Nothing, Pause::ForRecords),
            Ok(page) => {
                next = page.next;
                let changed = (reader.snapshot().layout() != &layout).then(|| reader.snapshot().layout().clone());
                if let Some(changed) = &changed {
                    layout.clone_from(changed);
                }
                (Found::Page { records: page.rows, at_end: page.at_end, layout: changed }, Pause::None)
            }
            Err(ConsumerError::Expired { at, first_kept, .. }) => {
                next = next.at(first_kept);
                (Found::Gap { from: at, to: first_kept }, Pause::None)
            }
            Err(error) => (Found::Failed(error), Pause::Blind),
        };
        if looks.send(Look { found, end: reader.end(Store::Log).seq() }).is_err() {
            return;
        }
        match pause {
            Pause::None => {}
            Pause::Blind => thread::sleep(SLICE),
            // What goes wrong here goes wrong in the next pull too, and is said then.
            Pause::ForRecords => drop(reader.wait(next, SLICE)),
        }
    }
}

/// Makes records of the rows, until nobody reads or nobody listens any more.
pub(super) fn mark(
    rows: &Receiver<Look<StoredRow>>,
    (trail, mut layout): (&str, Layout),
    mark: &Mark,
    mut prepare: Option<Prepare>,
    looks: &SyncSender<Look<Record>>,
) {
    for Look { found, end } in rows {
        let found = match found {
            Found::Page { records: rows, at_end, layout: changed } => {
                if let Some(changed) = &changed {
                    layout.clone_from(changed);
                }
                let mut records: Vec<Record> = Vec::with_capacity(rows.len());
                for row in rows {
                    let mark = mark(row.seq, row.payload());
                    records.push(Record::new(row, mark));
                }
                if let Some(prepare) = &mut prepare {
                    prepare(trail, &layout, &mut records);
                }
                Found::Page { records, at_end, layout: changed }
            }
            Found::Nothing => Found::Nothing,
            Found::Gap { from, to } => Found::Gap { from, to },
            Found::Failed(error) => Found::Failed(error),
        };
        if looks.send(Look { found, end }).is_err() {
            return;
        }
    }
}

/// What to do between two looks.
enum Pause {
    None,
    Blind,
    ForRecords,
}
