//! Counting rows by what their columns hold, on the codes of the files' dictionaries instead of the texts.
//! It must never give another result than the engine's own grouping: what it does not know, it leaves alone.
//!
//! `SELECT eventName, count(*) … GROUP BY eventName` is what dashboards ask most. Segments keep such columns as numbers
//! into a dictionary; the engine would first write out every text, and then look each up again. [`TallyRule`] puts
//! [`TallyExec`] in the place of the first half of such a grouping, where its rows come from segments.

mod count;
mod exec;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::memory::DataSourceExec;
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::union::UnionExec;
use innertrail_logstore::{Encoding, Kind, Layout};

use crate::files::{Footers, SegmentPath};
use exec::TallyExec;

/// Puts [`TallyExec`] into plans.
#[derive(Debug)]
pub(crate) struct TallyRule {
    /// The columns of the table, those with few values as dictionaries.
    schema: SchemaRef,
    footers: Footers,
}

impl TallyRule {
    /// For the table of this schema.
    pub(crate) fn new(layout: &Layout, schema: &SchemaRef, footers: Footers) -> Self {
        let few = |name: &str| {
            let of = layout.columns.iter().find(|c| c.name == name);
            of.is_some_and(|c| c.kind == Kind::Text && c.encoding == Encoding::Dictionary)
        };
        let coded = |field: &FieldRef| if few(field.name()) { Arc::new(dictionary(field)) } else { Arc::clone(field) };
        let schema = Schema::new(schema.fields().iter().map(coded).collect::<Vec<_>>());
        Self { schema: Arc::new(schema), footers }
    }
}

fn dictionary(field: &Field) -> Field {
    let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    field.clone().with_data_type(coded)
}

impl PhysicalOptimizerRule for TallyRule {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let each = |plan: Arc<dyn ExecutionPlan>| {
            Ok(match self.tallied(&plan)? {
                Some(tallied) => Transformed::yes(tallied),
                None => Transformed::no(plan),
            })
        };
        plan.transform_up(each).map(|changed| changed.data)
    }

    fn name(&self) -> &'static str {
        "tally"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl TallyRule {
    fn tallied(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(grouping) = plan.downcast_ref::<AggregateExec>().filter(|g| is_tally(g)) else { return Ok(None) };
        let Some(union) = grouping.input().downcast_ref::<UnionExec>() else {
            return self.over(grouping, grouping.input());
        };
        let mut changed = false;
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::with_capacity(union.inputs().len());
        for input in union.inputs() {
            match self.over(grouping, input)? {
                Some(part) => {
                    changed = true;
                    parts.push(part);
                }
                // Rows that are in no segment yet: the engine's own half, over them alone.
                None => parts.push(own_half(grouping, input)?),
            }
        }
        Ok(if changed { Some(UnionExec::try_new(parts)?) } else { None })
    }

    /// The grouping over one input, if that reads segments.
    fn over(&self, grouping: &AggregateExec, input: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(scan) = input.downcast_ref::<DataSourceExec>() else { return Ok(None) };
        let Some((config, source)) = scan.downcast_to_file_source::<ParquetSource>() else { return Ok(None) };
        let Some(projection) = source.projection() else { return Ok(None) };
        let mut coded: Vec<&str> = Vec::new();
        for (key, _) in grouping.group_expr().expr() {
            match key.data_type(&input.schema())? {
                DataType::Int64 | DataType::Timestamp(TimeUnit::Microsecond, _) => {}
                DataType::Utf8 => {
                    // A column of the scan, and behind that a column of the file.
                    let column = key.downcast_ref::<Column>().and_then(|c| projection.as_ref().get(c.index()));
                    match column.and_then(|p| p.expr.downcast_ref::<Column>()) {
                        Some(column) if self.is_coded(column.name()) => coded.push(column.name()),
                        _ => return Ok(None),
                    }
                }
                _ => return Ok(None),
            }
        }
        // A filter is written for texts.
        let filter = source.filter();
        let mut filtered = filter.iter().flat_map(datafusion::physical_expr::utils::collect_columns);
        if filtered.any(|column| coded.contains(&column.name())) {
            return Ok(None);
        }
        let schema = self.coded_schema(&coded);
        let groups = config.file_groups.iter().map(|group| self.coded_files(group, &schema)).collect();
        let mut coded =
            ParquetSource::new(Arc::clone(&schema)).with_table_parquet_options(source.table_parquet_options().clone());
        if let Some(factory) = source.parquet_file_reader_factory() {
            coded = coded.with_parquet_file_reader_factory(Arc::clone(factory));
        }
        if let Some(filter) = filter {
            coded = coded.with_predicate(filter);
        }
        let Some(coded) = coded.try_pushdown_projection(projection)? else { return Ok(None) };
        let config = FileScanConfigBuilder::from(config.clone()).with_source(coded).with_file_groups(groups).build();
        let keys = grouping.group_expr().expr().iter().map(|(key, _)| Arc::clone(key)).collect();
        let scan = DataSourceExec::from_data_source(config);
        Ok(Some(Arc::new(TallyExec::new(scan, keys, grouping.schema()))))
    }

    fn is_coded(&self, name: &str) -> bool {
        self.schema.field_with_name(name).is_ok_and(|f| matches!(f.data_type(), DataType::Dictionary(..)))
    }

    /// The table's schema with these columns as dictionaries, and no others.
    fn coded_schema(&self, coded: &[&str]) -> SchemaRef {
        let each = |field: &FieldRef| match field.data_type() {
            DataType::Dictionary(_, text) if !coded.contains(&field.name().as_str()) => {
                Arc::new(field.as_ref().clone().with_data_type(text.as_ref().clone()))
            }
            _ => Arc::clone(field),
        };
        Arc::new(Schema::new(self.schema.fields().iter().map(each).collect::<Vec<_>>()))
    }

    /// Tells the reader to leave the codes as they are, where a file has just the columns of the table. Of others the
    /// engine makes dictionaries itself.
    fn coded_files(&self, group: &FileGroup, schema: &SchemaRef) -> FileGroup {
        let same = |footer: &datafusion::parquet::file::metadata::ParquetMetaData| {
            let columns = footer.file_metadata().schema_descr().columns();
            columns.len() == schema.fields().len()
                && columns.iter().zip(schema.fields()).all(|(leaf, field)| leaf.name() == field.name())
        };
        let each = |file: &datafusion::datasource::listing::PartitionedFile| {
            let path = file.extension::<SegmentPath>();
            let footer = path.and_then(|path| self.footers.of(&path.0, &file.object_meta).ok());
            match footer {
                Some(footer) if same(&footer) => file.clone().with_arrow_schema(Arc::clone(schema)),
                _ => file.clone(),
            }
        };
        FileGroup::new(group.iter().map(each).collect())
    }
}

/// Whether it is the first half of counting rows, by something, and of nothing else.
fn is_tally(grouping: &AggregateExec) -> bool {
    let keys = grouping.group_expr();
    *grouping.mode() == AggregateMode::Partial
        && keys.is_single()
        && !keys.is_empty()
        && grouping.limit_options().is_none()
        && grouping.filter_expr().iter().all(Option::is_none)
        && grouping.aggr_expr().iter().all(|of| counts_rows(of))
}

/// Whether it is `count(*)` or `count` of something that is never null.
fn counts_rows(of: &AggregateFunctionExpr) -> bool {
    let never_null = |e: &Arc<dyn PhysicalExpr>| {
        e.downcast_ref::<Literal>().is_some_and(|l| !l.value().is_null() && !matches!(l.value(), ScalarValue::Null))
    };
    of.fun().name() == "count"
        && !of.is_distinct()
        && of.order_bys().is_empty()
        && of.expressions().iter().all(never_null)
}

/// The engine's own first half of the grouping, over a part of the rows.
fn own_half(grouping: &AggregateExec, input: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(Arc::new(AggregateExec::try_new(
        *grouping.mode(),
        grouping.group_expr().clone(),
        grouping.aggr_expr().to_vec(),
        grouping.filter_expr().to_vec(),
        Arc::clone(input),
        grouping.input_schema(),
    )?))
}
