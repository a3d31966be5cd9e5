//! The server between a client that speaks Vector's protocol and a strict double of a Vector source.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use innertrail_gate::{Batch, Judge, Limits, NotJudged, Running, Server};
use innertrail_plugin::event::{LogEvent, Value, native};
use innertrail_sink::Refused;
use innertrail_sink::vector::{Compression, Link, VectorConfig};
use innertrail_test_agents::contract::{Answer, Contract};

/// What was refused, as it came.
type Kept = Arc<Mutex<Vec<Vec<u8>>>>;

/// Refuses what is broken or says `forged`; cannot judge what says `later`.
struct Double(Kept);

impl Judge for Double {
    fn judge(&mut self, batch: &Batch) -> Result<Vec<bool>, NotJudged> {
        let mut start = 0;
        let frames = batch.frames.iter().map(|frame| {
            let bytes = &batch.data[std::mem::replace(&mut start, frame.end)..frame.end];
            let says = |word: &[u8]| bytes.windows(word.len()).any(|w| w == word);
            if says(b"later") {
                return Err(NotJudged("the disk is full".to_owned()));
            }
            let passes = frame.broken.is_none() && !says(b"forged");
            if !passes {
                self.0.lock().unwrap().push(bytes.to_vec());
            }
            Ok(passes)
        });
        frames.collect()
    }
}

/// A gate before a double.
struct Stage {
    kept: Kept,
    got: Arc<Mutex<Vec<String>>>,
    gate: std::net::SocketAddr,
    _running: Running,
    _behind: Contract,
}

fn stage(limits: Limits, answer: impl Fn() -> Answer + Send + Sync + 'static) -> Stage {
    let (kept, got) = (Kept::default(), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&got);
    let behind = Contract::serve(Arc::new(move |logs| {
        seen.lock().unwrap().extend(logs.iter().map(|log| format!("{log:?}")));
        answer()
    }));
    let listen = "127.0.0.1:0".parse().unwrap();
    let judge = Box::new(Double(Arc::clone(&kept)));
    let server = Server::bind(listen, VectorConfig::of(&behind.url()), limits, judge).unwrap();
    let gate = server.address();
    Stage { kept, got, gate, _running: server.start().unwrap(), _behind: behind }
}

impl Stage {
    fn push(&self, request: Vec<u8>, compression: Compression) -> Result<(), Refused> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let config = VectorConfig { compression, ..VectorConfig::of(&format!("http://{}", self.gate)) };
        runtime.block_on(async { Link::new(&config).unwrap().push(Bytes::from(request)).await })
    }

    fn kept(&self) -> usize {
        self.kept.lock().unwrap().len()
    }

    fn got(&self) -> usize {
        self.got.lock().unwrap().len()
    }
}

fn request(texts: &[&str]) -> Vec<u8> {
    let log = |text: &&str| LogEvent::from_fields([("message".to_owned(), Value::Bytes((*text).into()))].into());
    native::join_push_request(texts.iter().map(|t| native::encode_wrapper(log(t)).unwrap()).collect())
}

#[test]
fn what_passes_is_taken_and_what_is_refused_is_kept() {
    let stage = stage(Limits::default(), || Answer::Ok);
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        stage.push(request(&["one", "forged", "two"]), compression).unwrap();
    }
    assert_eq!((stage.got(), stage.kept()), (6, 3));
    // Nothing is left to send: the receiver is not asked, and it is no error.
    stage.push(request(&["forged"]), Compression::None).unwrap();
    stage.push(Vec::new(), Compression::None).unwrap();
    assert_eq!((stage.got(), stage.kept()), (6, 4));
}

#[test]
fn the_answer_is_the_receivers() {
    let slow = stage(Limits::default(), || Answer::After(Duration::from_millis(700)));
    let begun = Instant::now();
    slow.push(request(&["one"]), Compression::None).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(700), "answered after {:?}", begun.elapsed());
    let kind = |answer: Answer| {
        let stage = stage(Limits::default(), move || answer.clone());
        match stage.push(request(&["one"]), Compression::None) {
            Ok(()) => "ok",
            Err(Refused::Later { .. }) => "later",
            Err(Refused::Closed { .. }) => "closed",
            Err(Refused::Never { .. }) => "never",
            Err(Refused::Unclear { .. }) => "unclear",
        }
    };
    assert_eq!(kind(Answer::Status(14, "down")), "later");
    assert_eq!(kind(Answer::Status(13, "a sink failed")), "later");
    assert_eq!(kind(Answer::Status(15, "rejected")), "never");
    assert_eq!(kind(Answer::Status(3, "invalid")), "never");
    // A receiver that resets is asked again, because Vector sends again what is INTERNAL.
    assert_eq!(kind(Answer::Reset), "later");
}

#[test]
fn a_receiver_that_is_down_and_a_judge_that_cannot_are_for_later() {
    let listen = "127.0.0.1:0".parse().unwrap();
    let kept = Kept::default();
    let to = VectorConfig::of("http://127.0.0.1:9");
    let server = Server::bind(listen, to, Limits::default(), Box::new(Double(Arc::clone(&kept)))).unwrap();
    let address = format!("http://{}", server.address());
    let _running = server.start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for texts in [["forged", "one"], ["later", "two"]] {
        let refused = runtime.block_on(async {
            Link::new(&VectorConfig::of(&address)).unwrap().push(request(&texts).into()).await.unwrap_err()
        });
        assert!(matches!(refused, Refused::Later { .. }), "{refused}");
    }
    assert_eq!(kept.lock().unwrap().len(), 1);
}

#[test]
fn garbage_is_refused_and_kept() {
    let stage = stage(Limits::default(), || Answer::Ok);
    for compression in [Compression::None, Compression::Zstd] {
        let refused = stage.push(b"garbage".to_vec(), compression).unwrap_err();
        assert!(matches!(refused, Refused::Never { .. }), "{refused}");
    }
    assert_eq!(*stage.kept.lock().unwrap(), [b"garbage".to_vec(), b"garbage".to_vec()]);
    // An event that is none does not take its neighbours along.
    let mut mixed = request(&["one"]);
    mixed.extend([0x0a, 2, 0x22, 0]);
    stage.push(mixed, Compression::None).unwrap();
    assert_eq!((stage.got(), stage.kept()), (1, 3));
}

/// A few kilobytes of zstd may become a gigabyte.
#[test]
fn too_much_is_refused() {
    let stage = stage(Limits::default(), || Answer::Ok);
    let bomb = vec![0; (100 << 20) + 1];
    let refused = stage.push(bomb, Compression::Zstd).unwrap_err();
    assert!(matches!(refused, Refused::Never { .. }), "{refused}");
    assert_eq!((stage.got(), stage.kept()), (0, 0));
}

#[test]
fn who_says_nothing_is_put_out_and_keeps_nobody_waiting() {
    let limits = Limits { connections: 1, handshake: Duration::from_millis(300), ..Limits::default() };
    let stage = stage(limits, || Answer::Ok);
    let mut silent = TcpStream::connect(stage.gate).unwrap();
    silent.write_all(b"PRI * HT").unwrap();
    stage.push(request(&["one"]), Compression::None).unwrap();
    assert_eq!(silent.read(&mut [0; 8]).unwrap_or(0), 0, "the connection is still open");
}
