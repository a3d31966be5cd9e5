//! Which segments a filter leaves: by the least and largest value of each column of numbers or times, as footers tell.
//! It must never leave out a segment that may hold a row; what is not known leaves it in.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, TimestampMicrosecondArray, UInt64Array};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::parquet::file::statistics::Statistics as Written;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use innertrail_logstore::{SEQ, SegmentRef};

/// Ends and gaps of one column in one segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Span {
    /// Least and largest value; `None` when unknown, or when all are null.
    ends: Option<(i64, i64)>,
    nulls: Option<u64>,
}

/// What is known of one segment: its rows, and a span for each column of [`Columns`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spans {
    rows: u64,
    columns: Box<[Span]>,
}

/// The columns that have spans.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    schema: SchemaRef,
    /// Places in the schema.
    places: Vec<usize>,
}

impl Columns {
    /// Those of 64-bit numbers and of times.
    pub(crate) fn of(schema: &SchemaRef) -> Self {
        let has = |t: &DataType| matches!(t, DataType::Int64 | DataType::Timestamp(TimeUnit::Microsecond, _));
        let places = (0..schema.fields().len()).filter(|&at| has(schema.field(at).data_type())).collect();
        Self { schema: Arc::clone(schema), places }
    }

    /// What the name of a segment tells: the sequence numbers.
    pub(crate) fn of_name(&self, segment: &SegmentRef) -> Spans {
        let last = segment.end().saturating_sub(1);
        let ends = i64::try_from(segment.first_seq).ok().zip(i64::try_from(last).ok());
        let is_seq = |at: &usize| self.schema.field(*at).name() == SEQ;
        let known = Span { ends, nulls: Some(0) };
        let columns = self.places.iter().map(|at| if is_seq(at) { known } else { Span::default() });
        Spans { rows: segment.rows, columns: columns.collect() }
    }

    /// What its footer tells.
    pub(crate) fn of_footer(&self, segment: &SegmentRef, footer: &ParquetMetaData) -> Spans {
        let mut spans = self.of_name(segment);
        let leaves = footer.file_metadata().schema_descr();
        for (span, at) in spans.columns.iter_mut().zip(&self.places) {
            let name = self.schema.field(*at).name();
            let Some(leaf) = leaves.columns().iter().position(|c| c.path().parts() == [name.as_str()]) else {
                continue;
            };
            let groups = footer.row_groups().iter().map(|group| group.column(leaf).statistics());
            *span = groups.map(written).reduce(both).unwrap_or_default();
        }
        spans
    }

    fn array(&self, at: usize, values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
        match self.schema.field(at).data_type() {
            DataType::Timestamp(_, zone) => {
                Arc::new(values.collect::<TimestampMicrosecondArray>().with_timezone_opt(zone.clone()))
            }
            _ => Arc::new(values.collect::<Int64Array>()),
        }
    }
}

fn written(statistics: Option<&Written>) -> Span {
    match statistics {
        Some(Written::Int64(of)) => {
            Span { ends: of.min_opt().copied().zip(of.max_opt().copied()), nulls: of.null_count_opt() }
        }
        _ => Span::default(),
    }
}

/// The span of two row groups. A group without values has no ends, and neither has one that says nothing: then nothing
/// is known of both.
fn both(one: Span, other: Span) -> Span {
    let ends = one.ends.zip(other.ends).map(|((a, b), (c, d))| (a.min(c), b.max(d)));
    Span { ends, nulls: one.nulls.zip(other.nulls).map(|(a, b)| a.saturating_add(b)) }
}

/// Whether a filter names a column that has spans.
pub(crate) fn is_of_use(filters: &[Expr], columns: &Columns) -> bool {
    let names = |e: &Expr| e.column_refs().iter().any(|c| columns.place(&c.name).is_some());
    filters.iter().any(names)
}

impl Columns {
    /// Place among the columns with spans, and in the schema.
    fn place(&self, name: &str) -> Option<(usize, usize)> {
        let found = self.places.iter().position(|&at| self.schema.field(at).name() == name)?;
        Some((found, self.places[found]))
    }
}

/// Whether each of some segments may hold a row for which all filters hold. `None`: the filters say nothing of use.
pub(crate) fn prune(
    state: &dyn Session,
    filters: &[Expr],
    columns: &Columns,
    segments: &[&Spans],
) -> Option<Vec<bool>> {
    let useful = filters.iter().filter(|filter| is_of_use(std::slice::from_ref(filter), columns)).cloned();
    let all = conjunction(useful)?;
    // What the engine cannot plan or evaluate here, it refuses itself when the query runs.
    let schema = DFSchema::try_from(Arc::clone(&columns.schema)).ok()?;
    let all = state.create_physical_expr(all, &schema).ok()?;
    let builder = PruningPredicateBuilder::new().with_file_schema(Arc::clone(&columns.schema));
    let predicate = builder.try_build(all).ok()?;
    predicate.prune(&Containers { columns, segments }).ok()
}

/// Segments as the engine's pruning sees them.
struct Containers<'a> {
    columns: &'a Columns,
    segments: &'a [&'a Spans],
}

impl Containers<'_> {
    fn values(&self, column: &Column, of: impl Fn(Span) -> Option<i64>) -> Option<ArrayRef> {
        let (found, at) = self.columns.place(&column.name)?;
        Some(self.columns.array(at, self.segments.iter().map(|s| of(s.columns[found]))))
    }
}

impl PruningStatistics for Containers<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |span| span.ends.map(|(min, _)| min))
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |span| span.ends.map(|(_, max)| max))
    }

    fn num_containers(&self) -> usize {
        self.segments.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (found, _) = self.columns.place(&column.name)?;
        Some(Arc::new(self.segments.iter().map(|s| s.columns[found].nulls).collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.segments.iter().map(|s| Some(s.rows)).collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
