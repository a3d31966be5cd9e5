//! What searches need of the query engine, which this crate does not know.
//! It must never offer a way to change a record.

use innertrail_logstore::{Layout, Store, StoredRow};

/// Answers questions about the stores.
pub trait Engine: Send + Sync {
    /// A store as it is now.
    ///
    /// # Errors
    /// [`Refusal::Failed`].
    fn state(&self, store: Store) -> Result<Box<dyn State>, Refusal>;
}

/// A store at one moment.
pub trait State {
    /// The columns of its rows.
    fn layout(&self) -> &Layout;

    /// Reads a question: `search`, or `search | SQL`. An empty text asks for everything. `topic` is compared as a whole.
    ///
    /// # Errors
    /// [`Refusal::Search`].
    fn question<'a>(&'a self, text: &str, topic: Option<&str>) -> Result<Box<dyn Question + 'a>, Refusal>;

    /// The row with this sequence number between up to `back` rows before it and `forward` behind, as they were
    /// appended. Nothing when there is no such row.
    ///
    /// # Errors
    /// [`Refusal::Failed`].
    fn around(&self, seq: u64, back: u64, forward: u64) -> Result<Vec<StoredRow>, Refusal>;
}

/// A question about a store at one moment.
pub trait Question {
    /// The search as it was written.
    fn search(&self) -> &str;

    /// The SQL as it was written.
    fn sql(&self) -> Option<&str>;

    /// Whether the place of each log is wanted with it.
    fn with_places(&self) -> bool;

    /// Field and word of what is searched for; the field is empty for the whole entry.
    fn words(&self) -> Vec<(String, String)>;

    /// A page of the rows that match, in the order of time and then of sequence number.
    ///
    /// # Errors
    /// [`Refusal::Search`], [`Refusal::Failed`].
    fn page(&self, range: TimeRange, page: PageOf) -> Result<Page, Refusal>;

    /// How many rows match between each two of these times, microseconds in ascending order.
    ///
    /// # Errors
    /// [`Refusal::Search`], [`Refusal::Failed`].
    fn counts(&self, bounds_us: &[i64]) -> Result<Counts, Refusal>;

    /// The result of the SQL over the rows that match, of at most so many bytes of text.
    ///
    /// # Errors
    /// Any [`Refusal`].
    fn table(&self, range: TimeRange, max_bytes: usize) -> Result<Table, Refusal>;
}

/// A range of time, microseconds UTC, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// The first moment in it.
    pub from_us: i64,
    /// The first moment after it.
    pub to_us: i64,
}

/// Which rows of those that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageOf {
    /// Rows before the page.
    pub offset: u64,
    /// Rows of the page at the most.
    pub rows: usize,
    /// From the newest on.
    pub newest_first: bool,
}

/// Rows of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The rows.
    pub rows: Vec<StoredRow>,
    /// Whether there was time to find them all.
    pub complete: bool,
    /// Rows that were looked at.
    pub looked_at: u64,
}

/// Rows of pieces of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// One for each piece.
    pub counts: Vec<u64>,
    /// Whether there was time to count them all.
    pub complete: bool,
}

/// The result of SQL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Name and type of each column.
    pub columns: Vec<(String, &'static str)>,
    /// The rows; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// Rows that the query allows itself, where that is known.
    pub limit: Option<u64>,
    /// Rows that were looked at.
    pub looked_at: u64,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The search is none, or does not suit the store. With the place in the text.
    #[error("{0}")]
    Search(String),
    /// The SQL cannot be run, or fails on a value. With the place in the text where it is known.
    #[error("{0}")]
    Sql(String),
    /// The SQL would change something.
    #[error("{0}")]
    Writes(String),
    /// It takes more time, memory or room than a question may have.
    #[error("{0}")]
    TooDear(String),
    /// Not the question's fault.
    #[error("{0}")]
    Failed(String),
}
