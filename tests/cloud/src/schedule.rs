//! When a double misbehaves, and the count of what it did. A fault must never be counted before it is certain to reach the
//! client.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use xtask::prng::Prng;

use crate::account::Account;
use crate::fault::{Fault, Flaw, Lie, Op, Phase};
use crate::http::lock;

/// One entry of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Requests that the server answers before it, counted from when the entry was planned.
    #[serde(default)]
    pub after: u64,
    /// The operation; without one, the first that it makes sense on.
    #[serde(default)]
    pub on: Option<Op>,
    /// How many times in a row; 0 counts as 1.
    #[serde(default)]
    pub times: u32,
    /// What happens.
    pub fault: Fault,
}

impl Planned {
    /// The fault once, on the next request that fits.
    #[must_use]
    pub fn next(fault: Fault) -> Self {
        Self { after: 0, on: None, times: 1, fault }
    }
}

/// A schedule of `count` faults drawn from `menu`, with one to `2 * every - 1` requests between two: the same for the
/// same seed.
#[must_use]
pub fn schedule(seed: u64, count: usize, every: u64, menu: &[Fault]) -> Vec<Planned> {
    let mut rng = Prng::seeded(seed);
    let mut after = 0;
    (0..count)
        .filter_map(|_| {
            after += 1 + rng.below(2 * every.max(1) - 1);
            let fault = menu.get(rng.below(menu.len() as u64) as usize)?.clone();
            Some(Planned { after, on: None, times: 1, fault })
        })
        .collect()
}

/// Faults of SLS after which a correct client still has every event, exactly once. [`Fault::Corrupt`] is not among
/// them: a page of SLS carries no checksum, so a flipped byte may go unseen.
#[must_use]
pub fn survivable_sls() -> Vec<Fault> {
    vec![
        Fault::Reset,
        Fault::Unavailable,
        Fault::TooMany { retry_after: 0 },
        Fault::Internal,
        Fault::Quota,
        Fault::Html { status: 502 },
        Fault::DropMidBody,
        Fault::Drip { bytes: 64, pause_ms: 1, pieces: 20 },
        Fault::Short,
        Fault::Replay,
        Fault::RawSize { lie: Lie::Smaller },
        Fault::RawSize { lie: Lie::Larger },
        Fault::RawSize { lie: Lie::Huge },
        Fault::Skew { ms: 3_600_000 },
        Fault::State { state: Account::Overdue, requests: 2 },
    ]
}

/// Faults of OSS after which a correct client still has every event, exactly once.
#[must_use]
pub fn survivable_oss() -> Vec<Fault> {
    vec![
        Fault::Reset,
        Fault::Unavailable,
        Fault::TooMany { retry_after: 0 },
        Fault::Internal,
        Fault::Quota,
        Fault::Html { status: 502 },
        Fault::DropMidBody,
        Fault::Drip { bytes: 64, pause_ms: 1, pieces: 20 },
        Fault::LateObject { events: 20 },
        Fault::FlawedObject { flaw: Flaw::Md5, events: 20 },
        Fault::Skew { ms: 3_600_000 },
        Fault::State { state: Account::Overdue, requests: 2 },
    ]
}

#[derive(Debug, Default)]
struct Ledger {
    requests: u64,
    by_op: BTreeMap<Op, u64>,
    planned: VecDeque<Planned>,
    fired: BTreeMap<String, u64>,
}

/// What a server still has to do wrong, and what it has done.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Ledger>);

impl Faults {
    /// Adds entries; `after` counts from now.
    pub fn plan(&self, entries: impl IntoIterator<Item = Planned>) {
        let mut ledger = lock(&self.0);
        let now = ledger.requests;
        ledger.planned.extend(entries.into_iter().map(|mut entry| {
            entry.after += now;
            entry
        }));
    }

    /// Drops what has not happened yet, and says how many entries that was.
    pub fn clear(&self) -> usize {
        std::mem::take(&mut lock(&self.0).planned).len()
    }

    /// Entries that have not happened yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        lock(&self.0).planned.len()
    }

    /// How many times each fault has happened.
    #[must_use]
    pub fn fired(&self) -> BTreeMap<String, u64> {
        lock(&self.0).fired.clone()
    }

    /// Requests received, by operation.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<Op, u64> {
        lock(&self.0).by_op.clone()
    }

    pub(crate) fn arrived(&self, op: Op) {
        let mut ledger = lock(&self.0);
        ledger.requests += 1;
        *ledger.by_op.entry(op).or_default() += 1;
    }

    /// Takes the first entry that is due, fits and passes `able`; it is counted with that.
    pub(crate) fn take(&self, op: Op, phase: Phase, able: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut ledger = lock(&self.0);
        let now = ledger.requests;
        let at = ledger.planned.iter().position(|entry| {
            entry.after < now
                && entry.fault.phase() == phase
                && entry.on.map_or_else(|| entry.fault.fits(op), |on| on == op)
                && able(&entry.fault)
        })?;
        let fault = ledger.planned[at].fault.clone();
        if ledger.planned[at].times > 1 {
            ledger.planned[at].times -= 1;
        } else {
            ledger.planned.remove(at);
        }
        *ledger.fired.entry(fault.name()).or_default() += 1;
        Some(fault)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_the_same_for_the_same_seed_and_holds_as_many_as_asked() {
        let menu = survivable_sls();
        let plan = schedule(7, 200, 3, &menu);
        assert_eq!(plan, schedule(7, 200, 3, &menu));
        assert_ne!(plan, schedule(8, 200, 3, &menu));
        assert_eq!(plan.len(), 200);
        assert!(plan.windows(2).all(|pair| (1..=5).contains(&(pair[1].after - pair[0].after))));
        assert!(menu.iter().all(|fault| plan.iter().any(|planned| planned.fault == *fault)), "all of the menu");
    }

    #[test]
    fn a_fault_waits_for_its_time_and_for_an_operation_that_it_fits() {
        let faults = Faults::default();
        faults.plan([Planned { after: 1, on: None, times: 2, fault: Fault::Replay }]);
        faults.arrived(Op::PullLogs);
        assert_eq!(faults.take(Op::PullLogs, Phase::After, |_| true), None, "too early");
        faults.arrived(Op::ListShards);
        assert_eq!(faults.take(Op::ListShards, Phase::After, |_| true), None, "does not fit");
        faults.arrived(Op::PullLogs);
        assert_eq!(faults.take(Op::PullLogs, Phase::Before, |_| true), None, "another phase");
        assert_eq!(faults.take(Op::PullLogs, Phase::After, |_| false), None, "not possible now");
        assert_eq!(faults.take(Op::PullLogs, Phase::After, |_| true), Some(Fault::Replay));
        assert_eq!(faults.take(Op::PullLogs, Phase::After, |_| true), Some(Fault::Replay));
        assert_eq!((faults.pending(), faults.fired()["replay"]), (0, 2));
    }

    #[test]
    fn faults_travel_as_json_and_are_counted_by_what_they_do() {
        let planned: Planned =
            serde_json::from_str(r#"{"after":3,"on":"PullLogs","fault":{"kind":"raw_size","lie":"huge"}}"#).unwrap();
        assert_eq!(planned.fault.name(), "raw_size:huge");
        assert_eq!(Fault::State { state: Account::NotOpened, requests: 1 }.name(), "state:not_opened");
        assert_eq!(Fault::Reset.name(), "reset");
    }
}
