//! The counting as a step of a plan: reads its input to the end, then hands out each combination of keys with its
//! number, as the first half of a grouping does. It must never take more memory than the query has.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
    ReplaceChildrenOptions, SendableRecordBatchStream,
};
use futures::{StreamExt, TryStreamExt};

use super::count::Tally;

/// Counts rows by keys.
#[derive(Debug)]
pub(super) struct TallyExec {
    input: Arc<dyn ExecutionPlan>,
    /// Over the input.
    keys: Vec<Arc<dyn PhysicalExpr>>,
    /// The keys, then one or more times the number.
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl TallyExec {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>, keys: Vec<Arc<dyn PhysicalExpr>>, schema: SchemaRef) -> Self {
        let partitions = Partitioning::UnknownPartitioning(input.output_partitioning().partition_count());
        let known = EquivalenceProperties::new(Arc::clone(&schema));
        let properties = PlanProperties::new(known, partitions, EmissionType::Final, Boundedness::Bounded);
        Self { input, keys, schema, properties: Arc::new(properties) }
    }
}

impl DisplayAs for TallyExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TallyExec: keys={:?}", self.keys.iter().map(ToString::to_string).collect::<Vec<_>>())
    }
}

impl ExecutionPlan for TallyExec {
    fn name(&self) -> &'static str {
        "TallyExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for key in &self.keys {
            if f(key)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input, self.keys.clone(), Arc::clone(&self.schema))))
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input, self.keys.clone(), Arc::clone(&self.schema))))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let memory = MemoryConsumer::new(format!("TallyExec[{partition}]")).register(context.memory_pool());
        let (keys, schema) = (self.keys.clone(), Arc::clone(&self.schema));
        let rows = context.session_config().batch_size();
        let counted = async move {
            let whole = counted(input, &keys, &schema, memory).await?;
            let parts = (0..whole.num_rows()).step_by(rows.max(1));
            let parts: Vec<_> = parts.map(|at| Ok(whole.slice(at, rows.min(whole.num_rows() - at)))).collect();
            Ok::<_, DataFusionError>(futures::stream::iter(parts))
        };
        let stream = futures::stream::once(counted).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream)))
    }
}

/// Counts all rows of the input.
async fn counted(
    mut input: SendableRecordBatchStream,
    keys: &[Arc<dyn PhysicalExpr>],
    schema: &SchemaRef,
    memory: MemoryReservation,
) -> Result<RecordBatch> {
    let mut tally = Tally::new(keys.len());
    while let Some(batch) = input.next().await {
        let batch = batch?;
        let each = keys.iter().map(|key| key.evaluate(&batch)?.into_array(batch.num_rows()));
        tally.add(&each.collect::<Result<Vec<ArrayRef>>>()?)?;
        memory.try_resize(tally.bytes())?;
    }
    let types: Vec<_> = schema.fields().iter().take(keys.len()).map(|f| f.data_type().clone()).collect();
    let (mut columns, counts) = tally.finish(&types)?;
    let counts: ArrayRef = Arc::new(counts);
    columns.resize(schema.fields().len(), counts);
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
