//! A record out of JSON text, for fixtures and for events that are in no Logstore: the plugin decodes and classifies
//! it, natively, as it does before storing. It must never fill a column by itself, except for the journal's.

use innertrail_plugin::event::columns::Column;
use innertrail_plugin::event::row::RowView;
use innertrail_plugin::route::Provenance;
use innertrail_plugin::transform::Transform;
use innertrail_plugin::transform::batch::{Batch, Codec, Encoding, Frame};

use crate::record::{Cell, Columns, Record, Store};

/// Why a text is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// It is not JSON, or no object.
    #[error("not a JSON object: {0}")]
    NotJson(String),
    /// The plugin sees no operation log in it.
    #[error(
        "no operation log: it has neither eventId and serviceName, nor EventID and EventProduct, nor insightDetails"
    )]
    NotLog,
    /// It holds several.
    #[error("{0} operation logs; give one")]
    Several(usize),
}

/// An owned record.
#[derive(Debug, Clone)]
pub struct Sample {
    store: Store,
    cells: Vec<(Column, Stored)>,
    payload: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Stored {
    Text(String),
    Number(i64),
}

/// Turns JSON into records.
#[derive(Debug)]
pub struct Sampler {
    transform: Transform,
}

impl Default for Sampler {
    fn default() -> Self {
        Self::new()
    }
}

impl Sampler {
    /// The plugin with its defaults.
    #[must_use]
    pub fn new() -> Self {
        // Which product is enabled decides the way of a record, never its columns.
        let transform = Transform::open(r#"{"trail":"rules"}"#).expect("the defaults are a configuration");
        Self { transform }
    }

    /// One operation log, in whatever container ActionTrail delivers it.
    ///
    /// # Errors
    /// What the text is instead.
    pub fn log(&self, json: &[u8]) -> Result<Sample, SampleError> {
        if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(json) {
            return Err(SampleError::NotJson(error.to_string()));
        }
        let end = u32::try_from(json.len()).unwrap_or(u32::MAX);
        let batch = Batch {
            provenance: Provenance::OwnSource,
            source: "rules",
            origin: "sample",
            codec: Codec::ActionTrail,
            data: json,
            frames: &[Frame { end, offset: 0, fault: None }],
            sealed: &[],
        };
        let routed = self.transform.run(&batch, Encoding::Row);
        let mut start = 0;
        let mut samples: Vec<Sample> = Vec::new();
        for entry in &routed.entries {
            let end = entry.end as usize;
            let row = routed.data.get(start..end).and_then(RowView::new);
            start = end;
            samples.extend(row.filter(|row| row.get(Column::Family).is_some()).map(|row| Sample::of(&row)));
        }
        match (samples.pop(), samples.len()) {
            (Some(sample), 0) => Ok(sample),
            (None, _) => Err(SampleError::NotLog),
            (Some(_), more) => Err(SampleError::Several(more + 1)),
        }
    }

    /// One entry of the journal.
    ///
    /// # Errors
    /// What the text is instead.
    pub fn journal(&self, json: &[u8]) -> Result<Sample, SampleError> {
        let value: serde_json::Value =
            serde_json::from_slice(json).map_err(|error| SampleError::NotJson(error.to_string()))?;
        let mut cells = Vec::new();
        for (column, key) in [(Column::EventTime, "time"), (Column::EventName, "kind"), (Column::Actor, "by")] {
            if let Some(text) = value[key].as_str() {
                cells.push((column, Stored::Text(text.to_owned())));
            }
        }
        if !value.is_object() {
            return Err(SampleError::NotJson("an entry of the journal is an object".to_owned()));
        }
        Ok(Sample { store: Store::Journal, cells, payload: json.to_vec() })
    }
}

impl Sample {
    fn of(row: &RowView<'_>) -> Self {
        let cell = |(column, bytes): (Column, &[u8])| {
            let value = match <[u8; 8]>::try_from(bytes) {
                Ok(number) if is_number(column) => Stored::Number(i64::from_le_bytes(number)),
                _ => Stored::Text(String::from_utf8_lossy(bytes).into_owned()),
            };
            (column, value)
        };
        Self { store: Store::Log, cells: row.values().map(cell).collect(), payload: row.payload().to_vec() }
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> Record<'_> {
        Record::new(self.store, self, &self.payload)
    }
}

fn is_number(column: Column) -> bool {
    use innertrail_plugin::event::columns::{COLUMNS, Kind};
    COLUMNS[column as usize].kind != Kind::Text
}

impl Columns for Sample {
    fn cell(&self, column: Column) -> Option<Cell<'_>> {
        self.cells.iter().find(|(found, _)| *found == column).map(|(_, value)| match value {
            Stored::Text(text) => Cell::Text(text),
            Stored::Number(number) => Cell::Number(*number),
        })
    }
}
