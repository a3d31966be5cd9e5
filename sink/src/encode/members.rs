//! Which members Vector's encodings give a record, and where their values come from.
//! It must never depend on where the columns stand: a component that was replaced may have others behind them.

use innertrail_logstore::{Layout, Value};
use innertrail_plugin::event::columns::{ALL, COLUMNS, Column, LIFTED};

use crate::record::Record;

/// What a member is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Event,
    Seq,
    Seal,
    /// A column; `true`: it is null when `it_nulls` names it.
    Column(u8, bool),
    /// The event's time as a moment.
    Moment(u8),
}

/// One member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    origin: Origin,
}

/// A member's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of<'a> {
    Text(&'a [u8]),
    Integer(i64),
    /// Microseconds since 1970 UTC.
    Moment(i64),
    Null,
}

/// The members that records of one layout can have.
#[derive(Debug)]
pub(crate) struct Members {
    columns: Vec<String>,
    nulls: Option<u8>,
    moment: Option<u8>,
    written: Vec<Member>,
    sorted: Vec<Member>,
}

/// Columns behind the lifted ones, in the component's order.
const WORKED_OUT: [Column; 7] =
    [Column::Family, Column::Actor, Column::Action, Column::Outcome, Column::Resource, Column::Reason, Column::Country];

impl Members {
    pub(crate) fn of(layout: &Layout) -> Self {
        let position = |column: Column| {
            let name = COLUMNS.get(column as usize)?.name;
            Some((name, u8::try_from(layout.position(name)?).ok()?))
        };
        let column = |column: Column, nullable| {
            position(column).map(|(name, at)| Member { name, origin: Origin::Column(at, nullable) })
        };
        let mut written = vec![Member { name: "event", origin: Origin::Event }];
        written.extend(ALL.iter().take(LIFTED).filter_map(|c| column(*c, true)));
        written.extend(column(Column::UnixTime, false));
        written.extend(position(Column::Time).map(|(_, at)| Member { name: "timestamp", origin: Origin::Moment(at) }));
        written.extend(WORKED_OUT.iter().filter_map(|c| column(*c, false)));
        written.push(Member { name: "it_seq", origin: Origin::Seq });
        written.push(Member { name: "it_seal", origin: Origin::Seal });
        let mut sorted = written.clone();
        sorted.sort_by_key(|member| member.name);
        let columns = layout.columns.iter().map(|c| c.name.clone()).collect();
        let at = |column| position(column).map(|(_, at)| at);
        Self { columns, nulls: at(Column::Nulls), moment: at(Column::Time), written, sorted }
    }

    /// Whether this was made for such a layout.
    pub(crate) fn fits(&self, layout: &Layout) -> bool {
        self.columns.len() == layout.columns.len()
            && self.columns.iter().zip(&layout.columns).all(|(a, b)| *a == b.name)
    }

    /// Every member that the record has, as the component writes them.
    pub(crate) fn each<'a>(&self, record: &'a Record, visit: impl FnMut(&'static str, Of<'a>)) {
        self.walk(&self.written, record, visit);
    }

    /// The same, sorted by name, as Vector's maps are.
    pub(crate) fn each_sorted<'a>(&self, record: &'a Record, visit: impl FnMut(&'static str, Of<'a>)) {
        self.walk(&self.sorted, record, visit);
    }

    /// The one moment that a record has.
    pub(crate) fn moment(&self, record: &Record) -> Option<i64> {
        match record.row.column(self.moment?)? {
            Value::Timestamp(us) | Value::Integer(us) => Some(us),
            Value::Text(_) => None,
        }
    }

    fn walk<'a>(&self, members: &[Member], record: &'a Record, mut visit: impl FnMut(&'static str, Of<'a>)) {
        let row = &record.row;
        let nulls = self.nulls.and_then(|at| row.column(at)).and_then(|value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        });
        for Member { name, origin } in members {
            let value = match origin {
                Origin::Event => Some(Of::Text(record.row.payload())),
                Origin::Seq => Some(Of::Integer(i64::try_from(record.row.seq).unwrap_or(i64::MAX))),
                Origin::Seal => Some(Of::Text(record.mark.as_bytes())),
                Origin::Column(at, nullable) => row.column(*at).map(plain).or_else(|| {
                    nulls.filter(|_| *nullable).filter(|nulls| nulls.split(',').any(|n| n == *name)).map(|_| Of::Null)
                }),
                Origin::Moment(at) => row.column(*at).and_then(|value| match value {
                    Value::Timestamp(us) | Value::Integer(us) => Some(Of::Moment(us)),
                    Value::Text(_) => None,
                }),
            };
            if let Some(value) = value {
                visit(name, value);
            }
        }
    }
}

fn plain(value: Value<'_>) -> Of<'_> {
    match value {
        Value::Text(text) => Of::Text(text.as_bytes()),
        Value::Integer(number) | Value::Timestamp(number) => Of::Integer(number),
    }
}
