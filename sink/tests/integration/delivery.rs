//! The delivery over real Logstores: positions, holds, resets, replays, gaps.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use innertrail_logstore::Store;
use innertrail_logstore::consumer::{GroupOptions, Groups, Reader, ReaderOptions};
use innertrail_sink::delivery::{Delivery, DeliveryError, Place, Settings, Start, State, group_name, set_position};
use innertrail_sink::forward::{Forward, ForwardConfig};
use innertrail_sink::http::{Http, HttpConfig};
use innertrail_sink::otlp::{Otlp, OtlpConfig};
use innertrail_sink::{Batch, Refused, Sender};

use crate::conservation::{Parked, drained, impatient, sink};
use crate::forward_double;
use crate::otlp_double::{self, bodies};
use crate::support::{NOW, append, event, logstore, mark, place, records, writer};

/// Notes what it is given; refuses on demand.
#[derive(Clone, Default)]
struct Notes {
    got: Arc<Mutex<Vec<u64>>>,
    refuse: Arc<AtomicBool>,
}

impl Sender for Notes {
    fn send(&mut self, batch: &Batch<'_>) -> Result<(), Refused> {
        if self.refuse.load(Relaxed) {
            return Err(Refused::Later { why: "down".to_owned(), after: None });
        }
        self.got.lock().unwrap().extend(batch.records.iter().map(|r| r.row.seq));
        Ok(())
    }
    fn max_request_bytes(&self) -> usize {
        1 << 20
    }
    fn encoded_len(&self, batch: &Batch<'_>, at: usize) -> usize {
        batch.records[at].row.payload().len()
    }
}

impl Notes {
    fn got(&self) -> Vec<u64> {
        std::mem::take(&mut self.got.lock().unwrap())
    }
}

fn delivery(dir: &Path, notes: &Notes) -> Delivery {
    sink(dir, Box::new(notes.clone()), impatient(), &Parked::default())
}

fn position(dir: &Path) -> Option<u64> {
    Groups::open(dir).unwrap().get(&group_name("test")).unwrap().cursor.map(|c| c.seq())
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_sink_goes_on_where_it_stopped() {
    let place = place();
    let mut writer = writer(&place.dir);
    append(&mut writer, 0, 100);
    writer.seal_tail(NOW).unwrap();
    let notes = Notes::default();
    delivery(&place.dir, &notes).drain(&AtomicBool::new(false)).unwrap();
    assert_eq!((notes.got(), position(&place.dir)), ((0..100).collect::<Vec<_>>(), Some(100)));
    append(&mut writer, 100, 130);
    writer.seal_tail(NOW).unwrap();
    let mut again = delivery(&place.dir, &notes);
    again.drain(&AtomicBool::new(false)).unwrap();
    assert_eq!(notes.got(), (100..130).collect::<Vec<_>>());
    let report = again.status().report();
    assert_eq!((report.position, report.sent, report.behind, report.state), (130, 30, 0, State::Stopped));
}

#[test]
fn the_position_does_not_pass_what_was_not_taken() {
    let place = logstore(100);
    let notes = Notes::default();
    notes.refuse.store(true, Relaxed);
    let running = delivery(&place.dir, &notes).spawn().unwrap();
    until("it tries", || running.status().report().retried > 3);
    running.stop();
    running.join().unwrap();
    assert_eq!(position(&place.dir), Some(0));
    notes.refuse.store(false, Relaxed);
    delivery(&place.dir, &notes).drain(&AtomicBool::new(false)).unwrap();
    assert_eq!(notes.got(), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_new_sink_begins_where_it_is_told_and_that_holds_after_a_restart() {
    for (start, first) in [(Start::Begin, 0), (Start::At(40), 40), (Start::End, 100)] {
        let place = logstore(100);
        let notes = Notes::default();
        let begin = |start| {
            let here = Place {
                name: "test".to_owned(),
                dir: place.dir.clone(),
                consumer: "the-one".to_owned(),
                notify: None,
                start,
            };
            Delivery::new(here, impatient(), Box::new(notes.clone()), Box::new(Parked::default()), Arc::new(mark))
        };
        // Stopped before it sent anything: where it began is kept all the same.
        notes.refuse.store(true, Relaxed);
        let running = begin(start).spawn().unwrap();
        until("it begins", || running.status().report().state != State::Starting);
        running.stop();
        running.join().unwrap();
        assert_eq!(position(&place.dir), Some(first), "{start:?}");
        notes.refuse.store(false, Relaxed);
        begin(Start::Begin).drain(&AtomicBool::new(false)).unwrap();
        assert_eq!(notes.got(), (first..100).collect::<Vec<_>>());
    }
    let place = logstore(1);
    let here = Place {
        name: "test".to_owned(),
        dir: place.dir.clone(),
        consumer: "c".to_owned(),
        notify: None,
        start: Start::At(2),
    };
    let mut sink =
        Delivery::new(here, impatient(), Box::new(Notes::default()), Box::new(Parked::default()), Arc::new(mark));
    let error = sink.drain(&AtomicBool::new(false)).unwrap_err();
    insta::assert_snapshot!(error, @r#"sink `test`: there is no record 2; the Logstore keeps 0 to 0"#);
}

#[test]
fn one_sink_has_one_sender() {
    let place = logstore(10);
    let groups = Groups::open(&place.dir).unwrap();
    let options = GroupOptions { timeout_us: 3_600_000_000, ..GroupOptions::default() };
    groups.create(&group_name("test"), Store::Log, options, now_us()).unwrap();
    groups.heartbeat(&group_name("test"), "another", now_us()).unwrap();
    let notes = Notes::default();
    let running = delivery(&place.dir, &notes).spawn().unwrap();
    until("it waits", || matches!(running.status().report().state, State::Held { .. }));
    assert!(matches!(running.status().report().state, State::Held { by, .. } if by == "another"));
    assert!(notes.got().is_empty());
    assert!(groups.release(&group_name("test"), "another").unwrap());
    drained(running, 10, Duration::from_secs(20));
    assert_eq!(notes.got(), (0..10).collect::<Vec<_>>());
    // And it let go when it stopped.
    assert!(groups.get(&group_name("test")).unwrap().owner.is_none());
}

fn now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

/// A reset by an administrator counts at once, also for a sink that runs and had already gone on.
#[test]
fn a_reset_position_is_followed_by_a_running_sink() {
    let place = place();
    let mut writer = writer(&place.dir);
    append(&mut writer, 0, 50);
    writer.seal_tail(NOW).unwrap();
    let notes = Notes::default();
    let settings = Settings { lease: Duration::from_secs(1), ..impatient() };
    let running = sink(&place.dir, Box::new(notes.clone()), settings, &Parked::default()).spawn().unwrap();
    until("all is sent", || position_is(&place.dir, 50));
    notes.got();
    let mut reader = Reader::open(&place.dir, ReaderOptions::default()).unwrap();
    let groups = Groups::open(&place.dir).unwrap();
    set_position(&mut reader, &groups, "test", 20, now_us()).unwrap();
    until("it was sent again", || notes.got.lock().unwrap().len() >= 30);
    append(&mut writer, 50, 60);
    writer.seal_tail(NOW).unwrap();
    drained(running, 60, Duration::from_secs(20));
    assert_eq!(notes.got(), (20..60).collect::<Vec<_>>());
    let error = set_position(&mut reader, &groups, "test", 61, now_us()).unwrap_err();
    assert!(matches!(error, DeliveryError::NoSuchRecord { seq: 61, first: 0, end: 60, .. }), "{error}");
}

fn position_is(dir: &Path, seq: u64) -> bool {
    let group = Groups::open(dir).unwrap().get(&group_name("test"));
    group.is_ok_and(|g| g.cursor.is_some_and(|c| c.seq() == seq))
}

#[test]
fn a_replay_sends_a_range_again_and_leaves_the_position_alone() {
    let place = logstore(100);
    let notes = Notes::default();
    delivery(&place.dir, &notes).drain(&AtomicBool::new(false)).unwrap();
    notes.got();
    for (from, to, wanted) in [
        (10, Some(15), 10..15),
        (95, None, 95..100),
        (0, Some(1), 0..1),
        (50, Some(999), 50..100),
        (100, None, 100..100),
        (9, Some(3), 0..0),
    ] {
        delivery(&place.dir, &notes).replay(from, to, &AtomicBool::new(false)).unwrap();
        assert_eq!(notes.got(), wanted.collect::<Vec<_>>(), "{from} {to:?}");
        assert_eq!(position(&place.dir), Some(100));
    }
    assert!(delivery(&place.dir, &notes).replay(101, None, &AtomicBool::new(false)).is_err());
}

#[test]
fn a_sink_of_a_name_that_cannot_be_or_of_another_store_does_not_start() {
    let place = logstore(1);
    let notes = Notes::default();
    let named = |name: &str| {
        let here = Place {
            name: name.to_owned(),
            dir: place.dir.clone(),
            consumer: "c".to_owned(),
            notify: None,
            start: Start::Begin,
        };
        Delivery::new(here, impatient(), Box::new(notes.clone()), Box::new(Parked::default()), Arc::new(mark))
    };
    let mut bad = named("../x");
    assert!(bad.drain(&AtomicBool::new(false)).is_err());
    assert!(matches!(bad.status().report().state, State::Failed { .. }));
    let groups = Groups::open(&place.dir).unwrap();
    groups.create(&group_name("theirs"), Store::Quarantine, GroupOptions::default(), now_us()).unwrap();
    let error = named("theirs").drain(&AtomicBool::new(false)).unwrap_err();
    insta::assert_snapshot!(error, @r#"sink `theirs`: its consumer group reads `quarantine`, not the dedicated Logstore; delete the group or rename the sink"#);
}

/// Retention may be faster than a receiver that is down for months. Then the gap is said, and delivery goes on behind it.
#[test]
fn what_retention_dropped_is_told_before_the_position_passes_it() {
    const DAY: i64 = 86_400_000_000;
    let place = place();
    let mut writer = writer(&place.dir);
    append(&mut writer, 0, 30);
    writer.seal_tail(NOW).unwrap();
    let notes = Notes::default();
    notes.refuse.store(true, Relaxed);
    let parked = Parked::default();
    let mut first = sink(&place.dir, Box::new(notes.clone()), impatient(), &parked);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let status = first.status();
        let run = scope.spawn(|| first.run(&stop));
        until("it tries", || status.report().retried > 2);
        stop.store(true, Relaxed);
        run.join().unwrap().unwrap();
    });
    crate::support::append_at(&mut writer, 30, 40, NOW + 40 * DAY);
    writer.seal_tail(NOW + 40 * DAY).unwrap();
    crate::support::drop_before(&mut writer, NOW + 40 * DAY);
    notes.refuse.store(false, Relaxed);
    let mut second = sink(&place.dir, Box::new(notes.clone()), impatient(), &parked);
    second.drain(&AtomicBool::new(false)).unwrap();
    assert_eq!(*parked.0.lock().unwrap(), [(0, "missed to 30".to_owned())]);
    assert_eq!(notes.got(), (30..40).collect::<Vec<_>>());
    let report = second.status().report();
    assert_eq!((report.missed, report.position), (30, 40));
}

/// A receiver whose limit nobody told us, and which closes the connection on whatever is longer.
fn closes_above(limit: usize) -> (otlp_double::Receiver, Box<dyn Sender>) {
    let receiver = otlp_double::Receiver::start(otlp_double::Mood::CloseAbove(limit));
    let sender = Otlp::new(&OtlpConfig { gzip: false, ..OtlpConfig::of(&receiver.url()) }).unwrap();
    (receiver, Box::new(sender))
}

/// The story: Fluent Bit takes 4 MB and closes the connection on more, the sink's own limit was 20 MiB, and a closed
/// connection was a trouble of the network. So the same batch was sent again for ever: position 77 of 300.
#[test]
fn a_receiver_that_closes_above_a_limit_of_its_own_gets_everything() {
    let place = logstore(2_000);
    let (receiver, sender) = closes_above(10_000);
    let parked = Parked::default();
    let settings = Settings { max_records: 400, ..impatient() };
    sink(&place.dir, sender, settings, &parked).drain(&AtomicBool::new(false)).unwrap();
    let got: Vec<String> = receiver.seen.lock().unwrap().iter().flat_map(|seen| bodies(&seen.request)).collect();
    let wanted: Vec<String> = (0..2_000).map(event).collect();
    assert!(got == wanted, "{} came", got.len());
    assert_eq!(parked.0.lock().unwrap().len(), 0);
    // What was learned from one batch is kept for the next ones: of some 90 requests few are closed.
    let (connections, requests) = (receiver.connections(), receiver.seen.lock().unwrap().len());
    assert!(connections < requests / 3, "{connections} connections for {requests} requests");
}

/// A record that is closed on even alone is not parked: nobody can tell it from a broken network. It waits, the state says
/// what can be done, and what the state says helps.
#[test]
fn a_record_that_is_closed_on_alone_waits_until_the_limit_is_told() {
    let place = logstore(20);
    let (receiver, sender) = closes_above(600);
    let parked = Parked::default();
    let running = sink(&place.dir, sender, impatient(), &parked).spawn().unwrap();
    until("the state says what to do", || match running.status().report().state {
        State::Waiting { why, .. } => why.contains("goes alone") && why.contains("max_request_bytes"),
        _ => false,
    });
    thread::sleep(Duration::from_millis(300));
    assert_eq!((running.status().report().position, parked.0.lock().unwrap().len()), (0, 0));
    running.stop();
    running.join().unwrap();
    // The receiver is let take more.
    receiver.turn(otlp_double::Mood::Take);
    let sender = Otlp::new(&OtlpConfig { gzip: false, ..OtlpConfig::of(&receiver.url()) }).unwrap();
    sink(&place.dir, Box::new(sender), impatient(), &parked).drain(&AtomicBool::new(false)).unwrap();
    assert_eq!(receiver.seen.lock().unwrap().iter().map(|seen| bodies(&seen.request).len()).sum::<usize>(), 20);
}

/// A balancer without a receiver behind it takes connections and closes them: that is trouble, and costs no record.
#[test]
fn a_receiver_that_closes_everything_for_a_while_costs_time_alone() {
    let place = logstore(200);
    let otlp = otlp_double::Receiver::start(otlp_double::Mood::Close);
    let forward = forward_double::Receiver::start(forward_double::Mood::Close, None);
    let senders: [Box<dyn Sender>; 2] = [
        Box::new(Otlp::new(&OtlpConfig::of(&otlp.url())).unwrap()),
        Box::new(Forward::new(ForwardConfig::of(&forward.address())).unwrap()),
    ];
    for (sender, name) in senders.into_iter().zip(["otlp", "forward"]) {
        let parked = Parked::default();
        let mut delivery = sink(&place.dir, sender, impatient(), &parked);
        let (status, stop) = (delivery.status(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| delivery.replay(0, None, &stop));
            until(name, || status.report().retried > 20);
            assert_eq!((status.report().sent, parked.0.lock().unwrap().len()), (0, 0), "{name}");
            if name == "forward" {
                forward.turn(forward_double::Mood::Ack);
            } else {
                otlp.turn(otlp_double::Mood::Take);
            }
            until(name, || status.report().sent == 200);
        });
        assert_eq!(parked.0.lock().unwrap().len(), 0, "{name}");
    }
}

/// Nobody there is another thing than a connection that was taken and closed, for a post as well.
#[test]
fn a_post_that_is_closed_on_is_told_apart_from_one_that_reached_nobody() {
    let place = logstore(1);
    let (layout, records) = records(&place.dir);
    let batch = Batch { trail: "main-trail", layout: &layout, records: &records };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut http = Http::new(HttpConfig::of(&url)).unwrap();
    let closing = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Something of the request, and then neither the listener nor the connection is there.
        let _some = stream.read(&mut [0; 64]);
    });
    let refused = http.send(&batch).unwrap_err();
    closing.join().unwrap();
    assert!(matches!(&refused, Refused::Closed { why } if why.contains("bytes")), "{refused:?}");
    let refused = http.send(&batch).unwrap_err();
    assert!(matches!(refused, Refused::Later { .. }), "{refused:?}");
}
