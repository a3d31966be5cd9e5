//! The Logstore's layout as the host makes it of the component's columns, for tests of crates that stand below the host.

use innertrail_logstore::{Column, Encoding, Kind, Layout};
use innertrail_plugin::event::columns::{COLUMNS, Cardinality, KEY, Kind as ColumnKind};

pub fn layout() -> Layout {
    let columns = COLUMNS.iter().map(|c| {
        let kind = match c.kind {
            ColumnKind::Text => Kind::Text,
            ColumnKind::Integer => Kind::Integer,
            ColumnKind::Timestamp => Kind::Timestamp,
        };
        let encoding = match c.cardinality {
            Cardinality::Low => Encoding::Dictionary,
            Cardinality::High => Encoding::Plain,
            Cardinality::Rising => Encoding::Delta,
        };
        let column = Column::new(c.name, kind, encoding);
        if c.lookup { column.with_bloom() } else { column }
    });
    Layout { columns: columns.collect(), key: Some(KEY as u8) }
}
