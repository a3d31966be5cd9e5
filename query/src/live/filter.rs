//! A search, ready to be asked of batches of rows.
//! It must never be asked of a batch that lacks one of its columns.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Schema as ArrowSchema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, lit};
use datafusion::physical_expr::PhysicalExpr;

use super::Engine;
use crate::Error;
use crate::search::{self, Needs, Node, Search};

/// Which rows are wanted, beside their time.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What they hold.
    pub search: &'a Search,
    /// Their topic, exactly; `None` for any.
    pub topic: Option<&'a str>,
}

impl Wanted<'_> {
    /// As a condition, and the tokens that such rows need. `None` when every row is wanted.
    pub(super) fn condition(&self, engine: &Engine, schema: &ArrowSchema) -> Result<(Option<Expr>, Needs), Error> {
        let (search, needs) = match self.search.root {
            Node::All => (None, Needs::nothing()),
            _ => {
                let (filter, needs) = search::predicate(self.search, &engine.schema, schema)?;
                (Some(filter), needs)
            }
        };
        let topic = self.topic.map(|wanted| match search::topic(schema) {
            Some(topic) => topic.eq(lit(wanted)),
            None => lit(false),
        });
        Ok((topic.into_iter().chain(search).reduce(Expr::and), needs))
    }
}

/// The condition over the columns that it needs.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    /// Tells it from every other.
    pub(super) name: Arc<str>,
    pub(super) columns: SchemaRef,
    pub(super) needs: Needs,
    condition: Arc<dyn PhysicalExpr>,
}

impl Filter {
    /// `None` when every row is wanted.
    pub(super) fn new(wanted: &Wanted<'_>, engine: &Engine, schema: &SchemaRef) -> Result<Option<Self>, Error> {
        let (Some(condition), needs) = wanted.condition(engine, schema)? else { return Ok(None) };
        let named = condition.column_refs();
        let columns: Vec<_> =
            schema.fields().iter().filter(|f| named.iter().any(|c| c.name == *f.name())).cloned().collect();
        let columns = Arc::new(ArrowSchema::new(columns));
        let internal = |e: datafusion::error::DataFusionError| Error::Internal { message: e.to_string() };
        let known = DFSchema::try_from(Arc::clone(&columns)).map_err(internal)?;
        let condition = engine.context.create_physical_expr(condition, &known).map_err(internal)?;
        let name = format!("{:?} {}", wanted.topic, wanted.search).into();
        Ok(Some(Self { name, columns, needs, condition }))
    }

    /// The places of the rows that match. The batch has just the filter's columns.
    pub(super) fn matching(&self, batch: &RecordBatch) -> Result<Vec<u32>, Error> {
        let failed = |e: datafusion::error::DataFusionError| Error::Execution { message: e.to_string() };
        let array = self.condition.evaluate(batch).and_then(|v| v.into_array(batch.num_rows())).map_err(failed)?;
        let Some(truths) = array.as_boolean_opt() else {
            return Err(Error::Internal { message: "a search is neither true nor false".into() });
        };
        let holds = |row: &u32| !truths.is_null(*row as usize) && truths.value(*row as usize);
        Ok((0..u32::try_from(truths.len()).unwrap_or(u32::MAX)).filter(holds).collect())
    }

    /// The filter's columns of a batch that has more.
    pub(super) fn of(&self, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        let places: Option<Vec<usize>> =
            self.columns.fields().iter().map(|f| batch.schema_ref().index_of(f.name()).ok()).collect();
        let lacks = || Error::Internal { message: "a batch lacks a column of the search".into() };
        batch.project(&places.ok_or_else(lacks)?).map_err(|e| Error::Internal { message: e.to_string() })
    }
}
