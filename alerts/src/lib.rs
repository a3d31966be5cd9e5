//! Alert rules over the dedicated Logstore: Sigma rules for single records, Sigma correlations for several, a pack of
//! rules as data, fixtures that prove them, and what explains them.
//!
//! Records go in, firings come out. The crate opens no file, no connection and reads no clock: the caller hands in
//! texts, records and times, and keeps the state. It must never decide what an outcome is: that is the plugin's column.
//!
//! ```
//! use std::sync::Arc;
//! use innertrail_alerts::{Bounds, Engine, RuleSet, Sampler};
//!
//! let rule = "title: A bucket was deleted
//! logsource: { product: alibaba, service: oss }
//! detection:
//!   selection: { eventName: DeleteBucket, it_outcome: success }
//!   condition: selection
//! level: high
//! ";
//! let (rules, faults) = RuleSet::load(&[("deleted.yml", rule)], &Default::default());
//! assert!(faults.is_empty());
//! let mut engine = Engine::new(Arc::new(rules), Bounds::default());
//! let event = br#"{"eventId":"A1","eventTime":"2026-06-15T08:00:00Z","serviceName":"Oss","eventName":"DeleteBucket"}"#;
//! let sample = Sampler::new().log(event)?;
//! let firings = engine.take(0, 1_781_510_460_000_000, &sample.record());
//! assert_eq!(firings[0].rule, "deleted");
//! assert!(engine.take(0, 1_781_510_460_000_000, &sample.record()).is_empty(), "each record once");
//! # Ok::<(), innertrail_alerts::SampleError>(())
//! ```

mod bundle;
mod correlation;
mod detect;
mod ending;
mod engine;
mod explain;
mod fault;
mod field;
pub mod fixture;
mod pattern;
mod record;
mod rule;
mod sample;
mod scheduled;
mod set;
mod track;
mod yaml;

pub use bundle::{Bundle, Manifest};
pub use detect::{ItemTrace, SelectionTrace};
pub use engine::{Counted, Ended, Engine, Firing, StateError};
pub use explain::{Verdict, explain};
pub use fault::{Fault, Position};
pub use record::{Cell, Columns, Record, Store};
pub use rule::{Level, Rule, Service};
pub use sample::{Sample, SampleError, Sampler};
pub use scheduled::{Group, Groups, JudgeError, Judged, NoData, Query, Schedule, Scheduled, Table, Told, Triggered};
pub use set::{RuleFile, RuleSet};
pub use track::{Bounds, RuleState, STATE_VERSION, State};
