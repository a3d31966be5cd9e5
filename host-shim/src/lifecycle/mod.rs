//! The life of a Logstore. Nothing here may append a record, or decide what an event is.

pub mod key;
