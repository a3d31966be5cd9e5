//! The result of a query: columns, and rows as they come. It must never hold more rows than its reader asked for.

use std::io::Write;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;

use crate::execute::{Next, Running};
use crate::render::{self, Format, texts};
use crate::{Cell, Error, WriteError};

/// One column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// As the query spells it; unique in the result (a second `n` is `n_2`).
    pub name: String,
    /// Arrow type of the values.
    pub data_type: DataType,
}

impl ResultColumn {
    /// The type as Log Service's SQL calls it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        texts::type_name(&self.data_type)
    }
}

/// What was written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Rows written.
    pub rows: u64,
    /// Whether the row limit cut the result.
    pub truncated: bool,
}

/// A running query. Dropping it cancels.
#[derive(Debug)]
pub struct QueryResult {
    columns: Vec<ResultColumn>,
    running: Option<Running>,
    truncated: bool,
    limit: Option<u64>,
    looked_at: u64,
}

impl QueryResult {
    pub(crate) fn new(columns: Vec<ResultColumn>, limit: Option<u64>, running: Running) -> Self {
        Self { columns, running: Some(running), truncated: false, limit, looked_at: 0 }
    }

    /// The query's own `LIMIT`, or that of its dialect. `None` where there is none, or one that is worked out.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Rows that came out of segments and tail. Known once [`QueryResult::next_batch`] has returned `None`.
    #[must_use]
    pub fn looked_at(&self) -> u64 {
        self.looked_at
    }

    /// The columns, in order.
    #[must_use]
    pub fn columns(&self) -> &[ResultColumn] {
        &self.columns
    }

    /// Whether the row limit cut the result. Known once [`QueryResult::next_batch`] has returned `None`.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// The next rows; `None` at the end. Read the values with [`Cell::read`].
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Memory`], [`Error::Execution`], [`Error::Segment`], [`Error::Internal`]. After an
    /// error the result is at its end.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>, Error> {
        let Some(running) = &self.running else { return Ok(None) };
        match running.next() {
            Ok(Next::Batch(batch)) => Ok(Some(batch)),
            Ok(Next::End { truncated, looked_at }) => {
                self.truncated = truncated;
                self.looked_at = looked_at;
                self.running = None;
                Ok(None)
            }
            Err(error) => {
                self.running = None;
                Err(error)
            }
        }
    }

    /// Hands every row to `each`, in order.
    ///
    /// # Errors
    /// As [`QueryResult::next_batch`], and what `each` returns.
    pub fn for_each_row<E: From<Error>>(
        &mut self,
        mut each: impl FnMut(&[Cell<'_>]) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(batch) = self.next_batch()? {
            for row in 0..batch.num_rows() {
                let cells: Vec<Cell<'_>> = batch.columns().iter().map(|c| Cell::read(c as &dyn Array, row)).collect();
                each(&cells)?;
            }
        }
        Ok(())
    }

    /// Hands every row to `each` as Log Service shows values: texts, times as `2027-01-15 08:00:00.000`, NULL as `None`.
    ///
    /// # Errors
    /// As [`QueryResult::next_batch`], and what `each` returns.
    pub fn for_each_row_of_texts<E: From<Error>>(
        &mut self,
        mut each: impl FnMut(Vec<Option<String>>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(batch) = self.next_batch()? {
            for row in 0..batch.num_rows() {
                each(batch.columns().iter().map(|c| texts::text(c as &dyn Array, row)).collect())?;
            }
        }
        Ok(())
    }

    /// Writes the whole result, row by row.
    ///
    /// # Errors
    /// [`WriteError::Query`] when the query fails on its way, [`WriteError::Output`] when `out` does.
    pub fn write(self, format: Format, out: &mut dyn Write) -> Result<Summary, WriteError> {
        render::write(self, format, out)
    }
}
