//! Answers the API's searches with the query engine. One engine a store, kept as long as the server runs: starting its
//! threads for each call would cost more than the call. It must never open a snapshot where refreshing one does.

use std::path::Path;
use std::sync::Arc;

use innertrail_api::search::{Counts, Engine, Page, PageOf, Question, Refusal, State, Table, TimeRange};
use innertrail_logstore::{Layout, Store, StoredRow};
use innertrail_query::Error;
use innertrail_query::live::{self, Live, LiveLimits, Reading, View, Wanted};

/// The stores of one data directory.
#[derive(Debug)]
pub(crate) struct Stores(Vec<(Store, Live)>);

impl Stores {
    /// Opens nothing yet: each store is opened when it is asked for first.
    #[must_use]
    pub(crate) fn new(data_dir: &Path, limits: LiveLimits) -> Self {
        Self(Store::ALL.into_iter().map(|store| (store, Live::new(data_dir, store, limits))).collect())
    }
}

impl Engine for Stores {
    fn state(&self, store: Store) -> Result<Box<dyn State>, Refusal> {
        let live = self.0.iter().find(|(of, _)| *of == store).map(|(_, live)| live);
        let live = live.ok_or_else(|| Refusal::Failed(format!("there is no store {store}")))?;
        Ok(Box::new(Now(live.view().map_err(|e| refusal(&e))?)))
    }
}

/// A store at one moment.
struct Now(Arc<View>);

impl State for Now {
    fn layout(&self) -> &Layout {
        self.0.snapshot().layout()
    }

    fn question<'a>(&'a self, text: &str, topic: Option<&str>) -> Result<Box<dyn Question + 'a>, Refusal> {
        let reading = self.0.read(text).map_err(|e| refusal(&e))?;
        Ok(Box::new(Asked { view: &self.0, reading, topic: topic.map(str::to_owned) }))
    }

    fn around(&self, seq: u64, back: u64, forward: u64) -> Result<Vec<StoredRow>, Refusal> {
        self.0.around(seq, back, forward).map_err(|e| refusal(&e))
    }
}

struct Asked<'a> {
    view: &'a View,
    reading: Reading,
    topic: Option<String>,
}

impl Asked<'_> {
    fn wanted(&self) -> Wanted<'_> {
        Wanted { search: &self.reading.search, topic: self.topic.as_deref() }
    }
}

fn range(of: TimeRange) -> live::TimeRange {
    live::TimeRange { from_us: of.from_us, to_us: of.to_us }
}

impl Question for Asked<'_> {
    fn search(&self) -> &str {
        &self.reading.written
    }

    fn sql(&self) -> Option<&str> {
        self.reading.sql.as_ref().map(|sql| sql.written.as_str())
    }

    fn with_places(&self) -> bool {
        self.reading.with_places
    }

    fn words(&self) -> Vec<(String, String)> {
        self.reading.words().into_iter().map(|word| (word.field, word.text)).collect()
    }

    fn page(&self, of: TimeRange, page: PageOf) -> Result<Page, Refusal> {
        let page = live::Page { offset: page.offset, rows: page.rows, newest_first: page.newest_first };
        let found = self.view.page(self.wanted(), range(of), page).map_err(|e| refusal(&e))?;
        Ok(Page { rows: found.rows, complete: found.complete, looked_at: found.looked_at })
    }

    fn counts(&self, bounds_us: &[i64]) -> Result<Counts, Refusal> {
        let found = self.view.counts(self.wanted(), bounds_us).map_err(|e| refusal(&e))?;
        Ok(Counts { counts: found.counts, complete: found.complete })
    }

    fn table(&self, of: TimeRange, max_bytes: usize) -> Result<Table, Refusal> {
        let Some(sql) = &self.reading.sql else { return Ok(Table::default()) };
        let mut result = self.view.analyse(self.wanted(), range(of), &sql.text).map_err(|e| refusal(&e))?;
        let columns = result.columns().iter().map(|c| (c.name.clone(), c.type_name())).collect::<Vec<_>>();
        // On the wire each row names its columns.
        let names: usize = columns.iter().map(|(name, _)| name.len() + 8).sum();
        let mut left = max_bytes;
        let mut rows = Vec::new();
        result
            .for_each_row_of_texts(|row| {
                let bytes = names + row.iter().flatten().map(String::len).sum::<usize>();
                left = left.checked_sub(bytes).ok_or(Stop::TooLarge)?;
                rows.push(row);
                Ok::<_, Stop>(())
            })
            .map_err(|stop| match stop {
                Stop::Failed(error) => refusal(&error),
                Stop::TooLarge => Refusal::TooDear(format!(
                    "the result has more than {max_bytes} bytes; select fewer columns or rows, or add LIMIT"
                )),
            })?;
        Ok(Table { columns, rows, limit: result.limit(), looked_at: result.looked_at() })
    }
}

/// Why a result was not read to its end.
enum Stop {
    Failed(Error),
    TooLarge,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Whose fault it is.
fn refusal(error: &Error) -> Refusal {
    let message = error.to_string();
    match error {
        Error::Search { .. } => Refusal::Search(message),
        Error::Refused { .. } => Refusal::Writes(message),
        Error::Timeout { .. } | Error::Memory { .. } | Error::TooLarge { .. } => Refusal::TooDear(message),
        Error::Segment { .. } | Error::Path { .. } | Error::Logstore(_) | Error::Start(_) | Error::Internal { .. } => {
            Refusal::Failed(message)
        }
        // What is left speaks of the text: syntax, names, values.
        _ => Refusal::Sql(message),
    }
}

#[cfg(test)]
mod tests;
