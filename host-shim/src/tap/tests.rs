//! A socket with its listeners: those that read, those that never do, and those that are gone.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use super::*;

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn frames(count: u32, each: u32) -> Vec<Frame> {
    (1..=count).map(|n| Frame { end: n * each, offset: u64::from((n - 1) * each), fault: None }).collect()
}

#[test]
fn a_listener_gets_frames_as_they_were_and_the_socket_is_its_owners() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(SOCKET), "left by a killed run").unwrap();
    let tap = Tap::open(dir.path()).unwrap();
    let mode = std::fs::metadata(dir.path().join(SOCKET)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    tap.offer("s", "o", b"nobody listens", &frames(1, 14));
    assert_eq!(tap.dropped.load(Ordering::Relaxed), 0);
    let mut lines = BufReader::new(connect(dir.path()).unwrap()).lines();
    until("it is noticed", || tap.listeners.load(Ordering::Relaxed) == 1);
    let fault = Some(Fault::Truncated);
    tap.offer("s", "o", b"abc\xffde", &[Frame { end: 4, offset: 7, fault: None }, Frame { end: 6, offset: 11, fault }]);
    let mut samples = lines.by_ref().filter_map(|line| match serde_json::from_str(&line.unwrap()).unwrap() {
        Told::Sample(sample) => Some(sample),
        Told::Dropped(_) => None,
    });
    let (first, second) = (samples.next().unwrap(), samples.next().unwrap());
    assert_eq!((first.source.as_str(), first.offset, first.bytes(), first.seen()), ("s", 7, b"abc\xff".to_vec(), None));
    assert_eq!((second.bytes(), second.seen()), (b"de".to_vec(), Some(Fault::Truncated)));
    drop(samples);
    drop(lines);
    until("it is noticed that nobody is there", || tap.listeners.load(Ordering::Relaxed) == 0);
    drop(tap);
    assert!(!dir.path().join(SOCKET).exists());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// The story: a tap left open in a stopped terminal would hold the pipeline up as soon as the socket's buffer is full. And one
/// that reads again must be able to say how much it has not seen.
#[test]
fn a_listener_that_does_not_read_costs_samples_and_no_time_and_hears_how_many() {
    let dir = tempfile::tempdir().unwrap();
    let tap = Tap::open(dir.path()).unwrap();
    let _deaf = connect(dir.path()).unwrap();
    let slow = connect(dir.path()).unwrap();
    until("both are noticed", || tap.listeners.load(Ordering::Relaxed) == 2);
    let (data, frames) = (vec![b'x'; 512 << 10], frames(32, 16 << 10));
    let begun = Instant::now();
    (0..500).for_each(|_| tap.offer("s", "o", &data, &frames));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // Every frame is either a sample or counted, half of them for the batches' limit of sixteen.
    let (mut samples, mut lines) = (0, BufReader::new(slow).lines());
    while let Some(Ok(line)) = lines.next() {
        match serde_json::from_str(&line).unwrap() {
            Told::Sample(_) => samples += 1,
            Told::Dropped(count) if samples + count == 16_000 => break,
            Told::Dropped(count) => assert!(samples + count < 16_000, "{samples} + {count}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{samples} samples");
    }
    assert!(samples > 0 && samples < 8_000, "{samples}");
    let begun = Instant::now();
    drop(tap);
    assert!(begun.elapsed() < Duration::from_secs(5), "it ends all the same");
}
