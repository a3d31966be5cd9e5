//! `histogram` and `numeric_histogram`. Both give JSON: the engine has no maps that a result could show.
//! They must never grow without bound: a histogram counts at most [`VALUES`] different values, a numeric one keeps the
//! buckets it was asked for.

use std::collections::BTreeMap;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};

use super::scalar::marked;

/// The most different values of a histogram.
const VALUES: usize = 10_000;
/// The most buckets of a numeric histogram.
const BUCKETS: i64 = 1_000;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Which {
    /// Value -> how often.
    Histogram,
    /// Middle of a bucket -> how many, after Ben-Haim and Tom-Tov's streaming histogram.
    Numeric,
}

/// One of them for the engine.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct HistogramFunction {
    which: Which,
    signature: Signature,
}

impl HistogramFunction {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let signature = Signature::user_defined(Volatility::Immutable);
        [Which::Histogram, Which::Numeric].into_iter().map(move |which| Self { which, signature: signature.clone() })
    }
}

impl AggregateUDFImpl for HistogramFunction {
    fn name(&self) -> &str {
        match self.which {
            Which::Histogram => "histogram",
            Which::Numeric => "numeric_histogram",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match (self.which, given) {
            (Which::Histogram, [_]) => Ok(vec![DataType::Utf8]),
            (Which::Histogram, _) => Err(DataFusionError::Plan("histogram takes one argument".into())),
            (Which::Numeric, [buckets, value]) if buckets.is_integer() && (value.is_numeric() || value.is_null()) => {
                Ok(vec![DataType::Int64, DataType::Float64])
            }
            (Which::Numeric, _) => {
                let message = "numeric_histogram takes how many buckets and a number: numeric_histogram(10, x)";
                Err(DataFusionError::Plan(message.into()))
            }
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field(&self, _: &[FieldRef]) -> Result<FieldRef> {
        Ok(Arc::new(marked(Field::new(self.name(), DataType::Utf8, true))))
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(match self.which {
            Which::Histogram => Box::new(Histogram::default()),
            Which::Numeric => Box::new(NumericHistogram::default()),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "counts"), DataType::Utf8, true))])
    }
}

fn state_text(state: &[ArrayRef]) -> Result<StringArray> {
    let state = state.first().ok_or_else(|| DataFusionError::Internal("a histogram without its state".into()))?;
    Ok(cast(state, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn broken(error: &serde_json::Error) -> DataFusionError {
    DataFusionError::Internal(format!("the state of a histogram is broken: {error}"))
}

#[derive(Debug, Default)]
struct Histogram {
    counts: BTreeMap<String, u64>,
    bytes: usize,
}

impl Histogram {
    fn add(&mut self, value: &str, count: u64) -> Result<()> {
        if let Some(known) = self.counts.get_mut(value) {
            *known = known.saturating_add(count);
            return Ok(());
        }
        if self.counts.len() == VALUES {
            let message = format!("histogram: more than {VALUES} different values; use GROUP BY instead");
            return Err(DataFusionError::Execution(message));
        }
        self.bytes += value.len() + 64;
        self.counts.insert(value.to_owned(), count);
        Ok(())
    }

    fn json(&self) -> Result<Option<String>> {
        if self.counts.is_empty() {
            return Ok(None);
        }
        serde_json::to_string(&self.counts).map(Some).map_err(|e| broken(&e))
    }
}

impl Accumulator for Histogram {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in state_text(values)?.iter().flatten() {
            self.add(value, 1)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.json().map(ScalarValue::Utf8)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.bytes
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Utf8(self.json()?)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for state in state_text(states)?.iter().flatten() {
            let counts: BTreeMap<String, u64> = serde_json::from_str(state).map_err(|e| broken(&e))?;
            for (value, count) in counts {
                self.add(&value, count)?;
            }
        }
        Ok(())
    }
}

/// Buckets in ascending order of their middle.
#[derive(Debug, Default)]
struct NumericHistogram {
    most: usize,
    buckets: Vec<(f64, f64)>,
}

impl NumericHistogram {
    fn set_most(&mut self, most: i64) -> Result<()> {
        if self.most == 0 {
            let fits = usize::try_from(most).ok().filter(|_| (2..=BUCKETS).contains(&most));
            self.most = fits.ok_or_else(|| {
                DataFusionError::Execution(format!(
                    "numeric_histogram: 2 to {BUCKETS} buckets are possible, not {most}"
                ))
            })?;
        }
        Ok(())
    }

    fn add(&mut self, middle: f64, count: f64) {
        let at = self.buckets.partition_point(|(known, _)| *known < middle);
        match self.buckets.get_mut(at) {
            Some((known, had)) if *known == middle => *had += count,
            _ => self.buckets.insert(at, (middle, count)),
        }
        if self.buckets.len() > self.most {
            self.join_nearest();
        }
    }

    /// The two buckets that are nearest to each other become one, between them by their weights.
    fn join_nearest(&mut self) {
        let gaps = self.buckets.windows(2).map(|pair| pair[1].0 - pair[0].0).enumerate();
        let Some((at, _)) = gaps.min_by(|a, b| a.1.total_cmp(&b.1)) else { return };
        let (right, more) = self.buckets.remove(at + 1);
        let (left, count) = self.buckets[at];
        self.buckets[at] = (left + (right - left) * (more / (count + more)), count + more);
    }
}

impl Accumulator for NumericHistogram {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [buckets, values] = values else { return Ok(()) };
        let values = values.as_primitive::<Float64Type>();
        let buckets = buckets.as_primitive::<Int64Type>();
        for (most, value) in buckets.iter().zip(values) {
            self.set_most(most.unwrap_or(0))?;
            if let Some(value) = value.filter(|value| value.is_finite()) {
                self.add(value, 1.0);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.buckets.is_empty() {
            return Ok(ScalarValue::Utf8(None));
        }
        let number = |value: f64| serde_json::Value::from(value).to_string();
        let each = self.buckets.iter().map(|(middle, count)| format!("\"{}\":{}", number(*middle), number(*count)));
        Ok(ScalarValue::Utf8(Some(format!("{{{}}}", each.collect::<Vec<_>>().join(",")))))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.buckets.capacity() * size_of::<(f64, f64)>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let state = serde_json::to_string(&(self.most, &self.buckets)).map_err(|e| broken(&e))?;
        Ok(vec![ScalarValue::Utf8(Some(state))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for state in state_text(states)?.iter().flatten() {
            let (most, buckets): (usize, Vec<(f64, f64)>) = serde_json::from_str(state).map_err(|e| broken(&e))?;
            self.most = self.most.max(most);
            for (middle, count) in buckets {
                self.add(middle, count);
            }
        }
        Ok(())
    }
}
