//! Every protocol under faults: refusals, delays, resets, half-closed and narrow connections, new records all the while.
//! After a drain without faults the oracle judges, and one fresh event has to pass.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use innertrail_sink::delivery::{Delivery, NotParked, Parking, Place, Running, Settings, Start, State};
use innertrail_sink::http::Body;
use innertrail_sink::vector::Compression;
use innertrail_sink::{Record, Sender};

use crate::oracle::{Verdict, judge};
use crate::proxy::Weather;
use crate::receivers::{Receiver, ToHttp, ToSpool, ToStream, ToVector};
use crate::support::{append, mark, place, writer};

/// The host's side, in memory.
#[derive(Clone, Default)]
pub(crate) struct Parked(pub(crate) Arc<Mutex<Vec<(u64, String)>>>);

impl Parking for Parked {
    fn park(&mut self, _: &str, record: &Record, why: &str) -> Result<(), NotParked> {
        self.0.lock().unwrap().push((record.row.seq, why.to_owned()));
        Ok(())
    }
    fn missed(&mut self, _: &str, from: u64, to: u64) -> Result<(), NotParked> {
        self.0.lock().unwrap().push((from, format!("missed to {to}")));
        Ok(())
    }
}

pub(crate) fn sink(dir: &Path, sender: Box<dyn Sender>, settings: Settings, parked: &Parked) -> Delivery {
    let place = Place {
        name: "test".to_owned(),
        dir: dir.to_owned(),
        consumer: "the-one".to_owned(),
        notify: None,
        start: Start::Begin,
    };
    Delivery::new(place, settings, sender, Box::new(parked.clone()), Arc::new(mark))
}

/// Waits until everything was taken, then stops.
pub(crate) fn drained(running: Running, end: u64, limit: Duration) {
    let begun = Instant::now();
    loop {
        let report = running.status().report();
        if report.position == end && report.state == State::CaughtUp {
            break;
        }
        assert!(begun.elapsed() < limit, "not drained to {end}: {report:?}");
        thread::sleep(Duration::from_millis(5));
    }
    running.stop();
    running.join().unwrap();
}

/// Small batches, short pauses.
pub(crate) fn impatient() -> Settings {
    let ms = Duration::from_millis;
    Settings { max_records: 40, store_every: ms(20), retry: (ms(10), ms(80)), ..Settings::default() }
}

const STORMS: [Weather; 10] = [
    Weather::Reset(20_000),
    Weather::Slow(3),
    Weather::HalfClose(15_000),
    Weather::Narrow(400_000),
    Weather::Reset(0),
    Weather::Fair,
    Weather::Refuse,
    Weather::Reset(60_000),
    Weather::HalfClose(100),
    Weather::Narrow(2_000_000),
];

/// Sends while the weather changes and the writer writes; then drains and judges.
fn weathered(receiver: &dyn Receiver) -> Verdict {
    let place = place();
    let mut writer = writer(&place.dir);
    append(&mut writer, 0, 500);
    receiver.moody(7);
    let parked = Parked::default();
    let settings = impatient();
    let running = sink(&place.dir, receiver.sender(), settings, &parked).spawn().unwrap();
    let mut id = 500;
    for weather in STORMS.iter().cycle().take(20) {
        if let Some(proxy) = receiver.proxy() {
            proxy.weather(*weather);
        }
        append(&mut writer, id, id + 100);
        id += 100;
        thread::sleep(Duration::from_millis(if receiver.proxy().is_some() { 120 } else { 10 }));
    }
    receiver.moody(0);
    if let Some(proxy) = receiver.proxy() {
        proxy.weather(Weather::Fair);
        assert!(proxy.faults() > 3, "the weather was fair all along");
    }
    // One fresh event: what was stuck for good would keep it back.
    append(&mut writer, id, id + 1);
    writer.seal_tail(crate::support::NOW).unwrap();
    drained(running, id + 1, Duration::from_secs(60));
    assert_eq!(*parked.0.lock().unwrap(), [], "an outage is no reason to park");
    let verdict = judge(&place.dir, &receiver.claims());
    eprintln!("{verdict:?}");
    assert_eq!(verdict.records as u64, id + 1);
    verdict
}

#[test]
fn vector_conserves() {
    weathered(&ToVector::new(Compression::None));
}

#[test]
fn vector_with_gzip_conserves() {
    weathered(&ToVector::new(Compression::Gzip));
}

#[test]
fn http_lines_conserve() {
    weathered(&ToHttp::new(Body::Lines));
}

#[test]
fn http_arrays_conserve() {
    weathered(&ToHttp::new(Body::Array));
}

#[test]
fn spool_files_conserve() {
    let verdict = weathered(&ToSpool::new());
    assert_eq!(verdict.duplicates, 0, "nothing was killed");
}

#[test]
fn streams_conserve() {
    let verdict = weathered(&ToStream::new());
    assert_eq!(verdict.duplicates, 0, "what was refused was refused whole");
}
