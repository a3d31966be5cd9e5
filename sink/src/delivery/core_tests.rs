//! The state machine against a receiver that is scripted, with a clock that only these tests move.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use super::core::{Core, Counts, Now, Step};
use super::report::State;
use super::{Limits, Settings};
use crate::sender::Refused;

const SECOND: Duration = Duration::from_secs(1);

fn later() -> Refused {
    Refused::Later { why: "down".to_owned(), after: None }
}

fn never() -> Refused {
    Refused::Never { why: "no".to_owned() }
}

fn closed() -> Refused {
    Refused::Closed { why: "closed".to_owned() }
}

fn unclear() -> Refused {
    Refused::Unclear { why: "hm".to_owned() }
}

/// A world around the machine: a log of so many records of 10 bytes, and a clock.
struct World {
    core: Core,
    now: Duration,
    log: u64,
    sent: Vec<u64>,
    parked: Vec<u64>,
    requests: Vec<usize>,
}

impl World {
    fn new(log: u64, records: usize, settings: Settings) -> Self {
        let core = Core::new(Limits { records, bytes: 1_000_000 }, settings, 0, Counts::default(), 1);
        Self { core, now: Duration::ZERO, log, sent: vec![], parked: vec![], requests: vec![] }
    }

    fn time(&self) -> Now {
        Now { since: self.now, wall_us: i64::try_from(self.now.as_micros()).unwrap() }
    }

    /// One step; the receiver answers for the records it is shown. `false`: everything was dealt with.
    fn step(&mut self, receiver: &mut dyn FnMut(&[u64]) -> Result<(), Refused>) -> bool {
        match self.core.next(self.time()) {
            Step::Rest(until) => {
                assert!(until > self.now);
                self.now = until;
            }
            Step::Fill => {
                let page = (self.log - self.core.end()).min(7);
                let at_end = self.core.end() + page == self.log;
                self.core.filled((0..page).map(|_| 10), !at_end);
                return self.core.at() < self.log;
            }
            Step::Send(count) => {
                self.requests.push(count);
                let records: Vec<u64> = (self.core.at()..self.core.at() + count as u64).collect();
                match receiver(&records) {
                    Ok(()) => {
                        self.sent.extend(&records);
                        self.core.taken(count, self.time());
                    }
                    Err(refused) => self.core.refused(count, refused, self.time()),
                }
            }
            Step::Park(_) => {
                self.parked.push(self.core.at());
                self.core.parked();
            }
        }
        true
    }

    fn drain(&mut self, receiver: &mut dyn FnMut(&[u64]) -> Result<(), Refused>) {
        for _ in 0..1_000_000 {
            if !self.step(receiver) {
                return;
            }
        }
        panic!("no end: {:?}", self.core);
    }
}

#[test]
fn batches_are_cut_by_count_and_by_bytes_and_a_large_record_goes_alone() {
    let limits = Limits { records: 3, bytes: 100 };
    let mut core = Core::new(limits, Settings::default(), 0, Counts::default(), 1);
    let now = Now { since: Duration::ZERO, wall_us: 0 };
    core.filled([10, 10, 10, 10, 60, 60, 500, 40, 60, 1], false);
    let mut cuts = vec![];
    while let Step::Send(count) = core.next(now) {
        cuts.push(count);
        core.taken(count, now);
    }
    // 10 10 10 | 10 60 | 60 | 500 | 40 60 | 1
    assert_eq!(cuts, [3, 2, 1, 1, 2, 1]);
    assert_eq!((core.at(), core.next(now)), (10, Step::Fill));
}

#[test]
fn a_part_of_a_batch_waits_for_what_is_there_to_read_and_for_nothing_else() {
    let mut core = Core::new(Limits { records: 10, bytes: 1_000 }, Settings::default(), 0, Counts::default(), 1);
    let now = Now { since: Duration::ZERO, wall_us: 0 };
    core.filled([1; 4], true);
    assert_eq!(core.next(now), Step::Fill);
    core.filled([1; 4], false);
    assert_eq!(core.next(now), Step::Send(8));
}

/// An outage must cost time and nothing else: the same batch is sent again, ever more slowly, and the report says since
/// when.
#[test]
fn later_is_for_ever_and_sends_the_same_batch() {
    let mut world = World::new(20, 5, Settings::default());
    let mut failures = 0;
    world.drain(&mut |records| {
        if records[0] == 5 && failures < 2_000 {
            failures += 1;
            assert_eq!(records, [5, 6, 7, 8, 9]);
            return Err(later());
        }
        Ok(())
    });
    assert_eq!(world.sent, (0..20).collect::<Vec<_>>());
    assert_eq!((world.core.counts().retried, world.parked.len()), (2_000, 0));
    // Most of the pauses are the longest one, of which up to a half is spared at random.
    assert!(world.now > 30 * 1_900 * SECOND && world.now < 60 * 2_000 * SECOND, "{:?}", world.now);
}

#[test]
fn the_report_says_why_and_since_when() {
    let mut world = World::new(1, 5, Settings::default());
    let mut tries = 0;
    let mut receiver = |_: &[u64]| {
        tries += 1;
        if tries < 5 { Err(Refused::Later { why: format!("try {tries}"), after: Some(3 * SECOND) }) } else { Ok(()) }
    };
    for _ in 0..6 {
        world.step(&mut receiver);
    }
    assert_eq!(world.core.state(), &State::Waiting { why: "try 3".to_owned(), since_us: 0 });
    assert_eq!(world.now, 6 * SECOND, "the receiver's own wish is kept");
    world.drain(&mut receiver);
    assert_eq!(world.core.state(), &State::CaughtUp);
}

#[test]
fn culprits_are_parked_and_their_neighbours_are_sent_in_order() {
    let poison = BTreeSet::from([0, 17, 18, 63]);
    let mut world = World::new(64, 64, Settings::default());
    world.drain(&mut |records| if records.iter().any(|r| poison.contains(r)) { Err(never()) } else { Ok(()) });
    assert_eq!(world.parked, [0, 17, 18, 63]);
    assert_eq!(world.sent, (0..64).filter(|r| !poison.contains(r)).collect::<Vec<_>>());
    assert_eq!(world.now, Duration::ZERO, "a refusal for good is no reason to wait");
    assert!(world.requests.len() < 40, "{:?}", world.requests);
}

/// Vector answers 500 for an overloaded sink and for a rejected record alike: neither may block the sink for ever, nor may
/// a moment's overload park anything.
#[test]
fn unclear_answers_are_borne_a_while_and_then_narrowed_down() {
    let mut world = World::new(16, 16, Settings::default());
    let mut answers = 0;
    world.drain(&mut |_| {
        answers += 1;
        if answers <= 8 { Err(unclear()) } else { Ok(()) }
    });
    assert_eq!((world.parked.len(), world.sent.len()), (0, 16));

    let mut world = World::new(16, 16, Settings::default());
    world.drain(&mut |records| if records.contains(&5) { Err(unclear()) } else { Ok(()) });
    assert_eq!(world.parked, [5]);
    assert_eq!(world.sent, (0..16).filter(|r| *r != 5).collect::<Vec<_>>());
    assert!(world.now < 300 * SECOND, "{:?}", world.now);
}

/// A wrong address behind a proxy, or a receiver after a wrong update, refuses everything. Then the records are not at
/// fault, and parking them all would empty the Logstore into quarantine.
#[test]
fn a_receiver_that_refuses_everything_stops_the_sink_in_front_of_it() {
    let settings = Settings { parked_in_a_row: 4, ..Settings::default() };
    let mut world = World::new(100, 10, settings);
    for _ in 0..5_000 {
        world.step(&mut |_| Err(never()));
    }
    assert_eq!(world.parked, [0, 1, 2, 3]);
    assert!(matches!(world.core.state(), State::Waiting { why, .. } if why.contains("4 records in a row")));
    world.drain(&mut |_| Ok(()));
    assert_eq!(world.sent, (4..100).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_parked_is_not_passed() {
    let mut world = World::new(3, 1, Settings::default());
    let mut receiver = |records: &[u64]| if records == [1] { Err(never()) } else { Ok(()) };
    while !matches!(world.core.next(world.time()), Step::Park(_)) {
        world.step(&mut receiver);
    }
    for _ in 0..50 {
        world.core.failed("disk full".to_owned(), world.time());
        assert_eq!(world.core.at(), 1);
        let Step::Rest(until) = world.core.next(world.time()) else { panic!("no pause") };
        world.now = until;
    }
    world.drain(&mut receiver);
    assert_eq!((world.sent, world.parked), (vec![0, 2], vec![1]));
}

/// The story: a receiver that closes the connection on more than it takes was tried with the same batch for ever.
#[test]
fn a_batch_that_is_closed_on_is_halved_and_the_next_ones_are_shorter() {
    let mut world = World::new(1_000, 100, Settings::default());
    let (mut closes, mut taken) = (0, 0);
    world.drain(&mut |records| {
        if records.len() > 30 {
            closes += 1;
            return Err(closed());
        }
        taken += 1;
        Ok(())
    });
    assert_eq!((world.sent.clone(), world.parked.len()), ((0..1_000).collect::<Vec<_>>(), 0));
    assert_eq!(world.requests[..4], [100, 100, 100, 50], "three times as it is, then half of it");
    // Without a memory of it every one of ten batches would be closed on five times.
    assert!(closes < 12 && taken < 50, "{closes} closed, {taken} taken");
    // A limit that was lifted is found out.
    world.log = 10_000;
    world.requests.clear();
    world.drain(&mut |_| Ok(()));
    assert_eq!(world.requests.iter().max(), Some(&100), "{:?}", world.requests);
}

/// A balancer without a receiver behind it closes every connection. No record is at fault, and the batches are long again soon.
#[test]
fn closing_everything_for_a_while_parks_nothing_and_shortens_nothing_for_long() {
    let mut world = World::new(10_000, 64, Settings::default());
    let mut closes = 0;
    world.drain(&mut |_| {
        closes += 1;
        if closes <= 200 { Err(closed()) } else { Ok(()) }
    });
    assert_eq!((world.sent.len(), world.parked.len()), (10_000, 0));
    let after = &world.requests[200..];
    assert!(after[..8].iter().sum::<usize>() >= 64 && after[10] >= 32 && after[60] == 64, "{after:?}");
    assert!(world.now > 1_000 * SECOND, "that is an outage, and the receiver is left alone: {:?}", world.now);
}

/// Nobody can tell a record that is too long from a broken network, so it is not parked: it waits, and the state says more.
#[test]
fn a_record_that_is_closed_on_alone_waits_for_ever() {
    let mut world = World::new(8, 8, Settings::default());
    for _ in 0..5_000 {
        world.step(&mut |records| if records.contains(&5) { Err(closed()) } else { Ok(()) });
    }
    assert_eq!((world.sent.clone(), world.parked.len(), world.core.at()), ((0..5).collect::<Vec<_>>(), 0, 5));
    let told = |state: &State| match state {
        State::Waiting { why, .. } => why.clone(),
        other => panic!("{other:?}"),
    };
    assert!(told(world.core.state()).contains("goes alone and has 10 bytes"), "{:?}", world.core.state());
    world.drain(&mut |_| Ok(()));
    assert_eq!(world.sent, (0..8).collect::<Vec<_>>());
}

/// Every mixture of answers, 2,000 of them: all is sent or parked, once, in order; only poison is parked.
#[test]
fn whatever_the_answers_everything_is_sent_or_parked_once_and_in_order() {
    for seed in 1..=2_000u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = move |of: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 11) % of
        };
        let (log, batch) = (1 + draw(60), 1 + draw(12));
        let poison: BTreeSet<u64> = (0..draw(5)).map(|_| draw(log)).collect();
        let mut world = World::new(log, usize::try_from(batch).unwrap(), Settings::default());
        world.drain(&mut |records| match draw(10) {
            0 => Err(later()),
            // Never so often in a row that patience ends.
            2 => Err(closed()),
            1 if !records.iter().any(|r| poison.contains(r)) && records.len() == 1 => Err(later()),
            _ if records.iter().any(|r| poison.contains(r)) => Err(if draw(2) == 0 { never() } else { unclear() }),
            _ => Ok(()),
        });
        assert_eq!(world.parked, poison.iter().copied().collect::<Vec<_>>(), "seed {seed}");
        let wanted: Vec<u64> = (0..log).filter(|r| !poison.contains(r)).collect();
        assert_eq!(world.sent, wanted, "seed {seed}");
        assert_eq!(world.core.at(), log);
    }
}
