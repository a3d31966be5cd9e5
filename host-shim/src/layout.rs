//! Between the component and the Logstore: its columns as the Logstore's layout, its routes as stores, and the rows
//! that the host has to make itself.
//!
//! The columns are the component's to name; nothing here may know one by its number.

use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Column, Encoding, Kind, Layout, Store};

use crate::runtime::Poisoned;
use crate::runtime::wit::info::{Cardinality, ColumnKind, Description};
use crate::runtime::wit::transform::{Fault, Reason, Route};

/// The Logstore's layout for the rows of this component.
#[must_use]
pub fn of(description: &Description) -> Layout {
    let columns = description.columns.iter().map(|column| Column {
        name: column.name.clone(),
        kind: match column.kind {
            ColumnKind::Text => Kind::Text,
            ColumnKind::Integer => Kind::Integer,
            ColumnKind::Timestamp => Kind::Timestamp,
        },
        encoding: match column.cardinality {
            Cardinality::Low => Encoding::Dictionary,
            Cardinality::High => Encoding::Plain,
            Cardinality::Rising => Encoding::Delta,
        },
        bloom: column.lookup,
    });
    Layout { columns: columns.collect(), key: Some(description.key_column) }
}

/// The store of a route.
#[must_use]
pub fn store(route: Route) -> Store {
    match route {
        Route::Dedicated => Store::Log,
        Route::Passthrough => Store::Passthrough,
        Route::Quarantine => Store::Quarantine,
    }
}

/// The word of a reason, as it stands in `it_quarantine_reason` and in the counters.
#[must_use]
pub fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Undecodable => "undecodable",
        Reason::UnsupportedProduct => "unsupported_product",
        Reason::WrongTrail => "wrong_trail",
        Reason::WriteProtected => "write_protected",
        Reason::Poison => "poison",
    }
}

/// The reason of a record that a sink's receiver refuses for good; it is in the dedicated Logstore as well.
pub const UNDELIVERABLE: &str = "undeliverable";

/// Makes quarantine rows without the component.
#[derive(Debug, Clone, Default)]
pub struct HostRows {
    origin: Option<u8>,
    offset: Option<u8>,
    reason: Option<u8>,
    detail: Option<u8>,
}

impl HostRows {
    /// Finds the columns by name; one that the component does not have stays empty.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        let at = |name| layout.position(name).and_then(|p| u8::try_from(p).ok());
        Self {
            origin: at("it_origin"),
            offset: at("it_offset"),
            reason: at("it_quarantine_reason"),
            detail: at("it_quarantine_detail"),
        }
    }

    /// The row of a record that a sink's receiver refuses for good; `seq` is its place in the dedicated Logstore.
    #[must_use]
    pub fn undeliverable(&self, sink: &str, seq: u64, payload: &[u8], why: &str) -> Vec<u8> {
        let mut row = RowBuilder::new();
        row.begin(payload);
        if let Some(column) = self.origin {
            row.text(column, &format!("sink:{sink}"));
        }
        if let Some(column) = self.offset {
            row.integer(column, i64::try_from(seq).unwrap_or(i64::MAX));
        }
        if let Some(column) = self.reason {
            row.text(column, UNDELIVERABLE);
        }
        if let Some(column) = self.detail {
            row.text(column, &format!("sink {sink}, record {seq}: {why}"));
        }
        row.finish().to_vec()
    }

    /// The row of a frame that the component cannot be shown.
    #[must_use]
    pub fn poison(&self, poisoned: &Poisoned<'_>) -> Vec<u8> {
        let detail = match poisoned.fault {
            Fault::Poison => format!("the component failed on this record: {}", poisoned.detail),
            fault => format!("a {fault:?} piece on which the component failed too: {}", poisoned.detail),
        };
        let mut row = RowBuilder::new();
        row.begin(poisoned.bytes);
        if let Some(column) = self.origin {
            row.text(column, &format!("{}:{}", poisoned.source, poisoned.origin));
        }
        if let Some(column) = self.offset {
            row.integer(column, i64::try_from(poisoned.offset).unwrap_or(i64::MAX));
        }
        if let Some(column) = self.reason {
            row.text(column, reason(Reason::Poison));
        }
        if let Some(column) = self.detail {
            row.text(column, &detail);
        }
        row.finish().to_vec()
    }
}
