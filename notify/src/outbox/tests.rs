//! The outbox against made-up receivers, clocks, kills and answers. No I/O.

use proptest::prelude::*;

use super::*;
use crate::alert::Level;

fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings {
        filter: Filter::default(),
        send_resolved: true,
        mode: Mode::Digest,
        collect_ms: 10_000,
        limits: vec![Limit { count: 5, period_ms: MINUTE }],
        max_age_ms: 24 * 60 * MINUTE,
        batch: 50,
        pauses: Pauses { first: 1_000, longest: 300_000 },
        refused: Pauses { first: 300_000, longest: 3_600_000 },
        recovery: None,
    };
    change(&mut settings);
    settings
}

fn alert(position: u64, time_ms: i64) -> Alert {
    Alert {
        position,
        fired: true,
        alert: format!("{position:016x}"),
        level: Level::Medium,
        time_us: time_ms * 1000,
        ..Alert::default()
    }
}

const T: i64 = 1_767_323_045_000;

fn taken(covered: usize) -> Answer {
    Answer::Taken { covered, left_out: 0 }
}

/// Takes what is due, and gives the positions that were in it.
fn send(outbox: &mut Outbox, now: i64, answer: impl FnOnce(usize) -> Answer) -> Vec<u64> {
    let due = outbox.poll(now);
    let Due::Alerts(load) = due else { panic!("{due:?} at {now}") };
    let told: Vec<u64> = outbox.alerts(load).iter().map(|a| a.position).collect();
    outbox.begin(due, now);
    outbox.answered(answer(told.len()), now);
    told
}

#[test]
fn a_digest_gathers_and_the_position_moves_behind_the_answer_only() {
    let mut outbox = Outbox::new(settings(|_| {}), None, T, 1);
    outbox.feed(alert(3, T), T);
    outbox.feed(alert(3, T), T);
    outbox.feed(alert(4, T), T + 5_000);
    outbox.seen(9);
    assert_eq!((outbox.poll(T), outbox.position()), (Due::At(Some(T + 10_000)), Some(2)));
    assert_eq!(send(&mut outbox, T + 10_000, |_| Answer::Later { why: "no".to_owned(), after_ms: None }), [3, 4]);
    assert_eq!(outbox.position(), Some(2));
    outbox.feed(alert(10, T), T + 11_000);
    assert_eq!(send(&mut outbox, T + 12_000, taken), [3, 4, 10], "nothing was taken, so what came since goes with it");
    assert_eq!((outbox.position(), outbox.poll(T + 99_000)), (Some(10), Due::At(None)));
}

#[test]
fn what_is_not_for_the_channel_moves_the_position_once_nothing_waits_before_it() {
    let mut outbox = Outbox::new(settings(|s| s.filter.min_level = Level::High), None, T, 1);
    outbox.feed(alert(1, T), T);
    assert_eq!(outbox.position(), Some(1));
    outbox.feed(Alert { level: Level::High, ..alert(2, T) }, T);
    outbox.feed(alert(3, T), T);
    outbox.seen(5);
    assert_eq!(outbox.position(), Some(1));
    assert_eq!(send(&mut outbox, T + 10_000, taken), [2]);
    assert_eq!(outbox.position(), Some(5));
}

#[test]
fn each_alert_is_a_message_until_the_last_one_that_the_limit_allows() {
    let mut outbox = Outbox::new(settings(|s| s.mode = Mode::Each), None, T, 1);
    (1..=20).for_each(|n| outbox.feed(alert(n, T), T));
    let told: Vec<Vec<u64>> = (0..5).map(|n| send(&mut outbox, T + n, taken)).collect();
    assert_eq!(told[..4], [[1], [2], [3], [4]]);
    assert_eq!(told[4], (5..=20).collect::<Vec<u64>>(), "the fifth of five in a minute is a digest");
    outbox.feed(alert(21, T), T + 100);
    assert_eq!(outbox.poll(T + 100), Due::At(Some(T + MINUTE)));
}

#[test]
fn what_may_have_been_taken_goes_out_again_as_it_was() {
    let mut outbox = Outbox::new(settings(|_| {}), None, T, 1);
    outbox.feed(alert(1, T), T);
    let unclear = |covered| Answer::Unclear { why: "reset".to_owned(), covered };
    assert_eq!(send(&mut outbox, T + 10_000, unclear), [1]);
    outbox.feed(alert(2, T), T + 10_001);
    assert_eq!(send(&mut outbox, T + 12_000, taken), [1]);
    assert_eq!(send(&mut outbox, T + 22_000, taken), [2]);
}

#[test]
fn what_is_refused_for_its_content_goes_out_bare_and_is_never_dropped() {
    let mut outbox = Outbox::new(settings(|_| {}), None, T, 1);
    outbox.feed(alert(1, T), T);
    let content = |covered| Answer::Content { why: "bad words".to_owned(), covered };
    send(&mut outbox, T + 10_000, content);
    let Due::Alerts(load) = outbox.poll(T + 12_000) else { panic!() };
    assert!(load.bare && load.count == 1);
    send(&mut outbox, T + 12_000, content);
    let report = outbox.report(T + 12_000);
    assert_eq!((report.doing, report.waiting, outbox.position()), (Doing::Refused, 1, Some(0)));
    let again = report.next_ms.unwrap_or_default();
    assert!(again > T + 12_000 + 120_000, "seldom: {again}");
    assert_eq!(send(&mut outbox, again, taken), [1]);
}

#[test]
fn what_a_receiver_asks_for_is_kept_over_a_restart_and_a_refusal_is_not() {
    let mut outbox = Outbox::new(settings(|_| {}), None, T, 1);
    outbox.feed(alert(1, T), T);
    send(&mut outbox, T + 10_000, |_| Answer::Later { why: "too fast".to_owned(), after_ms: Some(600_000) });
    let mut again = Outbox::new(settings(|_| {}), Some(outbox.state()), T + 20_000, 2);
    again.feed(alert(1, T), T + 20_000);
    assert_eq!(again.poll(T + 20_000), Due::At(Some(T + 610_000)));
    send(&mut again, T + 610_000, |_| Answer::Refused { why: "no such robot".to_owned() });
    assert!(again.report(T + 610_000).next_ms > Some(T + 610_000 + 120_000));
    let mut fresh = Outbox::new(settings(|_| {}), Some(again.state()), T + 620_000, 3);
    fresh.feed(alert(1, T), T + 620_000);
    assert_eq!(send(&mut fresh, T + 630_000, taken), [1]);
}

#[test]
fn old_alerts_go_first_in_a_digest_that_says_so() {
    let day = 24 * 60 * MINUTE;
    let mut outbox = Outbox::new(settings(|s| s.mode = Mode::Each), None, T, 1);
    (1..=3).for_each(|n| outbox.feed(alert(n, T - day - 1), T));
    outbox.feed(alert(4, T), T);
    assert_eq!(outbox.poll(T), Due::Alerts(Load { count: 3, late: true, bare: false }));
    assert_eq!((send(&mut outbox, T, taken), send(&mut outbox, T, taken)), (vec![1, 2, 3], vec![4]));
}

#[test]
fn a_clock_that_is_set_back_delays_nothing_and_loosens_no_limit() {
    let mut outbox = Outbox::new(settings(|s| s.limits[0].count = 1), None, T, 1);
    outbox.feed(alert(1, T), T);
    send(&mut outbox, T + 10_000, taken);
    let back = T - 10 * 60 * MINUTE;
    outbox.feed(alert(2, back), back);
    assert_eq!(outbox.poll(back), Due::At(Some(back + MINUTE)));
    assert_eq!(send(&mut outbox, back + MINUTE, taken), [2]);
}

fn recovering() -> Settings {
    settings(|s| {
        s.collect_ms = 0;
        s.limits = vec![];
        s.batch = 2;
        s.recovery = Some(Recovery { resolve_after_ms: 15 * MINUTE, resend_ms: MINUTE });
    })
}

#[test]
fn firing_alerts_are_sent_again_each_minute_until_they_are_over() {
    let mut outbox = Outbox::new(recovering(), None, T, 1);
    let scheduled = |position: u64, fired: bool| Alert {
        query: Some("q".to_owned()),
        alert: "aaaa".to_owned(),
        fired,
        value: Some(position.to_string()),
        ..alert(position, T)
    };
    outbox.feed(scheduled(1, true), T);
    outbox.feed(alert(2, T), T);
    let timed = outbox.timed(&[scheduled(1, true), alert(2, T)], T);
    assert_eq!(timed.iter().map(|(_, end)| end - T).collect::<Vec<_>>(), [4 * MINUTE, 15 * MINUTE]);
    send(&mut outbox, T, taken);
    let mut minutes = 0;
    for now in (T + 1..T + 20 * MINUTE).step_by(1_000) {
        while outbox.poll(now) == Due::Again {
            let again = outbox.again(now);
            outbox.begin(Due::Again, now);
            outbox.answered(taken(again.len()), now);
            minutes += usize::from(again.iter().any(|(a, _)| a.alert == "aaaa"));
            assert!(now < T + 15 * MINUTE || again.len() == 1, "one over a single record ends by itself");
        }
    }
    assert_eq!(minutes, 19);
    // Over: with the labels that it fired with, once.
    let mut again = Outbox::new(recovering(), Some(outbox.state()), T + 20 * MINUTE, 1);
    let over = Alert { title: "another title".to_owned(), ..scheduled(3, false) };
    again.feed(over.clone(), T + 20 * MINUTE);
    let (told, end) = again.timed(&[over], T + 20 * MINUTE).remove(0);
    assert_eq!((told.fired, told.title.as_str(), told.position, end), (false, "", 3, T));
    send(&mut again, T + 20 * MINUTE, taken);
    assert_eq!((again.poll(T + 40 * MINUTE), again.report(T).firing), (Due::At(None), 0));
}

#[test]
fn a_round_goes_through_all_that_fires_and_its_number_is_bounded() {
    let mut outbox = Outbox::new(recovering(), None, T, 1);
    for n in 1..=1_203 {
        outbox.feed(Alert { query: (n % 2 == 0).then(String::new), ..alert(n, T) }, T);
        send(&mut outbox, T, taken);
    }
    let report = outbox.report(T);
    assert_eq!((report.firing, report.forgotten), (1_000, 0), "those over single records go first");
    let mut seen = Vec::new();
    let now = T + 2 * MINUTE;
    while outbox.poll(now) == Due::Again {
        let again = outbox.again(now);
        outbox.begin(Due::Again, now);
        outbox.answered(taken(1.min(again.len())), now);
        seen.push(again[0].0.position);
    }
    let mut whole = seen.clone();
    whole.sort_unstable();
    whole.dedup();
    assert_eq!((seen.len(), whole.len()), (1_000, 1_000), "each once, also where a request takes one only");
}

/// What a receiver does with one message.
#[derive(Debug, Clone)]
enum Fate {
    Taken(usize),
    Later(Option<i64>),
    /// Taken, and the answer lost.
    Lost,
    Reset,
    Content,
    Refused,
    /// Killed: before the message left, behind it, or behind its answer and before it was kept.
    Killed(u8),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => (1_usize..60).prop_map(Fate::Taken),
        1 => proptest::option::of(0_i64..120_000).prop_map(Fate::Later),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Reset),
        1 => Just(Fate::Content),
        1 => Just(Fate::Refused),
        3 => (0_u8..3).prop_map(Fate::Killed),
    ]
}

/// A receiver that writes down what it saw and when.
#[derive(Default)]
struct Receiver {
    arrivals: Vec<i64>,
    /// Positions, in the order in which they were taken.
    got: Vec<u64>,
    /// Messages that it took and whose answer nobody read.
    unread: usize,
    most: usize,
}

impl Receiver {
    fn take(&mut self, told: &[u64], at: i64) {
        self.got.extend(told);
        self.arrivals.push(at);
        self.most = self.most.max(told.len());
    }
}

/// The journal and the clock; runs an outbox to its end under a list of fates, each message slow by so many milliseconds.
fn run(mode: Mode, fates: &[(Fate, i64)], alerts: u64, limits: &[Limit]) -> (Receiver, State) {
    let made = || {
        settings(|s| {
            s.mode = mode;
            s.limits = limits.to_vec();
            s.collect_ms = 500;
            s.batch = 20;
        })
    };
    let journal: Vec<Alert> = (1..=alerts).map(|n| alert(2 * n, T + 700 * i64::try_from(n).unwrap_or(0))).collect();
    let (mut now, mut kept) = (T, State::default());
    let mut receiver = Receiver::default();
    let mut outbox = Outbox::new(made(), Some(kept.clone()), now, 7);
    let mut fates = fates.iter();
    for _ in 0..20_000 {
        let position = outbox.position();
        for alert in journal.iter().filter(|a| Some(a.position) > position && a.time_ms() <= now) {
            outbox.feed(alert.clone(), now);
        }
        let due = match outbox.poll(now) {
            Due::At(at) => {
                let next = journal.iter().map(Alert::time_ms).find(|t| *t > now);
                let Some(then) = [at, next].into_iter().flatten().min() else { break };
                now = then.max(now + 1);
                continue;
            }
            due => due,
        };
        let Due::Alerts(load) = due else { panic!("nothing fires here") };
        let told: Vec<u64> = outbox.alerts(load).iter().map(|a| a.position).collect();
        outbox.begin(due, now);
        kept = outbox.state();
        let (fate, slow) = fates.next().cloned().unwrap_or((Fate::Taken(60), 3));
        let arrived = now + slow / 2;
        let (why, before) = (String::new, receiver.arrivals.len());
        let answer = match fate {
            Fate::Killed(when) => {
                if when > 0 {
                    receiver.take(&told, arrived);
                    receiver.unread += 1;
                }
                now += slow;
                outbox = Outbox::new(made(), Some(State::from_json(&kept.to_json()).expect("a state")), now, 9);
                continue;
            }
            Fate::Taken(most) => {
                let covered = most.min(told.len());
                receiver.take(&told[..covered], arrived);
                taken(covered)
            }
            Fate::Lost => {
                receiver.take(&told, arrived);
                receiver.unread += 1;
                Answer::Unclear { why: why(), covered: told.len() }
            }
            Fate::Later(after_ms) => Answer::Later { why: why(), after_ms },
            Fate::Reset => Answer::Unclear { why: why(), covered: told.len() },
            Fate::Content => Answer::Content { why: why(), covered: told.len() },
            Fate::Refused => Answer::Refused { why: why() },
        };
        if receiver.arrivals.len() == before {
            receiver.arrivals.push(arrived);
        }
        now += slow;
        outbox.answered(answer, now);
        kept = outbox.state();
    }
    (receiver, kept)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is answered, lost and killed when: nothing is lost, the order is the journal's, what comes twice comes behind an answer
    /// that nobody read, and no limit is passed.
    #[test]
    fn nothing_is_lost_repeated_without_cause_or_sent_too_fast(
        fates in proptest::collection::vec((fate(), 0_i64..4_000), 0..60),
        alerts in 0_u64..80,
        each in any::<bool>(),
    ) {
        let limits = [Limit { count: 5, period_ms: MINUTE }, Limit { count: 2, period_ms: 1_000 }];
        let mode = if each { Mode::Each } else { Mode::Digest };
        let (receiver, kept) = run(mode, &fates, alerts, &limits);
        let mut first: Vec<u64> = Vec::new();
        let mut repeated = 0;
        for position in &receiver.got {
            match first.contains(position) {
                true => repeated += 1,
                false => first.push(*position),
            }
        }
        prop_assert_eq!(&first, &(1..=alerts).map(|n| 2 * n).collect::<Vec<u64>>());
        prop_assert!(repeated <= receiver.unread * receiver.most, "{} after {} unread", repeated, receiver.unread);
        prop_assert_eq!(kept.position().unwrap_or(0), 2 * alerts);
        for limit in limits {
            for pair in receiver.arrivals.windows(limit.count + 1) {
                let within = pair[limit.count] - pair[0];
                prop_assert!(within >= limit.period_ms, "{} messages within {} ms", limit.count + 1, within);
            }
        }
    }
}
