//! What a request says about all of its records, and what OTLP calls the parts of one.
//! It must never say anything of a batch that does not hold for each of its records.

use innertrail_logstore::Layout;

use crate::fields;
use crate::record::{Batch, Record};

/// Name of the instrumentation scope and of the service.
pub(super) const NAME: &str = "innertrail";
/// Version of the scope.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The longest account id that is lifted into the resource, bytes.
const MAX_ACCOUNT: usize = 64;
/// The longest trail that is, bytes.
const MAX_TRAIL: usize = 256;

/// The resource's attributes.
pub(super) struct Shared<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Shared<'a> {
    pub(super) fn of(batch: &Batch<'a>) -> Self {
        let mut attributes = vec![("service.name", NAME), ("cloud.provider", "alibaba_cloud")];
        attributes.extend(account(batch).map(|account| ("cloud.account.id", account)));
        attributes.extend(Some(("it_trail", batch.trail)).filter(|_| batch.trail.len() <= MAX_TRAIL));
        Self(attributes)
    }

    pub(super) fn attributes(&self) -> &[(&'static str, &'a str)] {
        &self.0
    }
}

/// The account, where it is one for all records.
fn account<'a>(batch: &Batch<'a>) -> Option<&'a str> {
    let mut accounts = batch.records.iter().map(|record| fields::account(batch.layout, record));
    let first = accounts.next()??;
    (first.len() <= MAX_ACCOUNT && accounts.all(|account| account == Some(first))).then_some(first)
}

/// Times and severity of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Nanoseconds since 1970 UTC; 0: unknown.
    pub(super) time: u64,
    pub(super) observed: u64,
    pub(super) severity: u8,
    pub(super) severity_text: &'static str,
}

impl Head {
    pub(super) fn of(layout: &Layout, record: &Record) -> Self {
        let (severity, severity_text) = if fields::is_notable(layout, record) { (13, "WARN") } else { (9, "INFO") };
        Self {
            time: fields::time_us(layout, record).map_or(0, nanoseconds),
            observed: nanoseconds(record.row.received_us),
            severity,
            severity_text,
        }
    }
}

/// What no unsigned count of nanoseconds can hold is unknown; the attribute `it_time` has it all the same.
fn nanoseconds(us: i64) -> u64 {
    u64::try_from(us).ok().and_then(|us| us.checked_mul(1_000)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn a_moment_outside_of_otlp_is_unknown() {
        assert_eq!(nanoseconds(1_781_511_050_000_000), 1_781_511_050_000_000_000);
        assert_eq!((nanoseconds(-1), nanoseconds(i64::MAX)), (0, 0));
    }
}
