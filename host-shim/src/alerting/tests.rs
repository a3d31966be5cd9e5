//! Evaluation over a real Logstore, with a writer that does not always answer.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use innertrail_alerts::{Bounds, Engine, RuleSet};
use innertrail_logstore::consumer::Notify;
use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Options, SealKey, Store, Writer};
use innertrail_test_agents::layout;

use super::evaluate::Evaluator;
use super::keep::{Found, Kept};
use super::read::{self, Alert};
use super::shared::{Post, Shared, State};
use crate::journal::Rows;
use crate::sink::parking::Parked;

const NOW: i64 = 1_795_392_000_000_000; // 2026-11-23T00:00:00Z
const RULE: &str = "title: t\nname: any\nlogsource: { product: alibaba }\ndetection: { s: { eventName: DeleteBucket }, condition: s }\n";
const LONG: Duration = Duration::from_secs(30);

fn open(parent: &tempfile::TempDir) -> Writer {
    let options = Options::new(SealKey::new("main-trail", [7; 32]).unwrap());
    Writer::open(&parent.path().join("data"), "main-trail", layout(), options, NOW).unwrap()
}

fn append(writer: &mut Writer, ids: std::ops::Range<u32>) {
    let at = |name: &str| u8::try_from(layout().position(name).unwrap()).unwrap();
    let (mut builder, mut txn) = (RowBuilder::new(), writer.begin());
    for id in ids {
        let id = format!("event-{id:06}");
        builder.begin(format!(r#"{{"eventId":"{id}","eventName":"DeleteBucket"}}"#).as_bytes());
        builder.text(at("eventId"), &id);
        builder.text(at("eventName"), "DeleteBucket");
        txn.push(Store::Log, builder.finish(), 1);
    }
    writer.commit(txn, NOW).unwrap();
}

/// What becomes of the n-th entry that is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    /// It is in the journal, and nobody is told.
    KeptInSilence,
    Dropped,
}

/// The thread that commits, as a pipeline has it: one entry after the other, until it hears no more.
fn commit(mut writer: Writer, parked: &Receiver<Parked>, notify: &Notify, fate: impl Fn(usize) -> Fate) -> Writer {
    let rows = Rows::new(writer.layout());
    for (number, Parked { entry, answer, .. }) in parked.iter().enumerate() {
        let fate = fate(number);
        if fate != Fate::Dropped {
            let mut txn = writer.begin();
            rows.push(&mut txn, &entry);
            writer.commit(txn, NOW).unwrap();
            notify.committed(writer.state());
        }
        if fate == Fate::Kept {
            let _heard = answer.send(());
        }
    }
    writer
}

fn evaluate(parent: &tempfile::TempDir, writer: Writer, fate: impl Fn(usize) -> Fate + Send + 'static) -> Writer {
    let dir = parent.path().join("data");
    let (set, faults) = RuleSet::load(&[("any.yml", RULE)], &Default::default());
    assert!(faults.is_empty(), "{faults:?}");
    let (set, notify) = (Arc::new(set), Notify::new());
    notify.committed(writer.state());
    let shared = Arc::new(Shared::new(dir.clone(), Arc::clone(&set), notify.clone(), State::default()));
    shared.asked.store(true, Ordering::Relaxed);
    shared.finish.store(true, Ordering::Relaxed);
    let (send, parked) = channel();
    let post: Post = Box::new(move |parked| send.send(parked).is_ok());
    let (engine, at, learn) = match Kept::read(&dir) {
        Found::Sound(kept) => {
            let (engine, _) = Engine::with_state(set, Bounds::default(), kept.engine).unwrap();
            (engine, (kept.log, kept.journal), kept.learn)
        }
        _ => (Engine::new(set, Bounds::default()), (0, 0), 0),
    };
    let mut evaluator = Evaluator::new(Arc::clone(&shared), post, engine, at);
    evaluator.entered = read::seen(&dir, learn).unwrap().into_iter().map(|alert| alert.alert).collect();
    let reads = thread::spawn(move || evaluator.run());
    let commits = thread::spawn(move || commit(writer, &parked, &notify, fate));
    let begun = Instant::now();
    while !reads.is_finished() {
        assert!(begun.elapsed() < LONG, "{:?}", shared.lock().said);
        thread::sleep(Duration::from_millis(10));
    }
    reads.join().unwrap();
    assert_eq!(shared.lock().said.state, "stopped");
    commits.join().unwrap()
}

#[track_caller]
fn once_each(parent: &tempfile::TempDir, count: usize) -> Vec<Alert> {
    let alerts = read::seen(&parent.path().join("data"), 0).unwrap();
    let ids: BTreeSet<&str> = alerts.iter().map(|alert| alert.alert.as_str()).collect();
    assert_eq!((ids.len(), alerts.len()), (count, count), "{alerts:#?}");
    alerts
}

/// The story: the disk was full while alerts were on their way. The writer dropped some, kept others without a word, and
/// whoever waited for all of them told all again.
#[test]
fn what_nobody_answered_for_is_looked_for_before_it_is_told_again() {
    for fates in [[Fate::Dropped, Fate::Kept], [Fate::KeptInSilence, Fate::Dropped], [Fate::KeptInSilence, Fate::Kept]]
    {
        let parent = tempfile::tempdir().unwrap();
        let mut writer = open(&parent);
        append(&mut writer, 0..40);
        let fate = move |number: usize| if number < 40 { fates[number % 2] } else { Fate::Kept };
        evaluate(&parent, writer, fate);
        once_each(&parent, 40);
    }
}

#[test]
fn a_state_that_was_lost_or_is_older_tells_nothing_twice() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, mut writer) = (parent.path().join("data"), open(&parent));
    append(&mut writer, 0..20);
    let mut writer = evaluate(&parent, writer, |_| Fate::Kept);
    let Found::Sound(older) = Kept::read(&dir) else { panic!("nothing was kept") };
    assert_eq!((older.log, older.counts.fired.get("medium")), (20, Some(&20)));
    append(&mut writer, 20..50);
    let writer = evaluate(&parent, writer, |_| Fate::Kept);
    let first = once_each(&parent, 50);
    // As after a crash: the entries are durable, what is remembered is of before.
    older.write(&dir).unwrap();
    let writer = evaluate(&parent, writer, |number| panic!("entry {number} was handed over again"));
    assert_eq!(once_each(&parent, 50), first);
    std::fs::remove_file(dir.join(super::keep::FILE)).unwrap();
    evaluate(&parent, writer, |number| panic!("entry {number} was handed over again"));
    assert_eq!(once_each(&parent, 50), first);
}
