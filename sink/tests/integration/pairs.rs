//! The double of Vector's gRPC against what Vector's own codecs wrote: protobuf in, as it is, and the JSON of the same event
//! out. Otherwise the double and the sender, which share a codec, could be wrong together.
//!
//! The pairs are Vector's and not in this repository: `INNERTRAIL_VECTOR_NATIVE` names their folder (`proto/NNNN.pb`,
//! `json/NNNN.json`), or it is `shared/vector-native` beside the checkout. The fixtures of the gate go the same way always.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use innertrail_plugin::event::{LogEvent, NestingLimit, native, native_json};
use innertrail_sink::vector::{Compression, Link, VectorConfig};

use crate::contract::{Answer, Contract};

/// Pairs on which Vector's codecs agree.
const PAIRS: usize = 246;

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == ending));
    paths.sort();
    paths
}

/// The folder of the pairs; says SKIPPED when there is none.
fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vector-native");
    let folder = std::env::var_os("INNERTRAIL_VECTOR_NATIVE").map_or(beside, PathBuf::from);
    if !folder.is_dir() {
        println!(
            "SKIPPED: no pairs of Vector's codecs in {}; name their folder with INNERTRAIL_VECTOR_NATIVE",
            folder.display()
        );
        return None;
    }
    Some(folder)
}

/// What the double decodes of these requests, each sent as it is.
fn through_the_double(compression: Compression, requests: &[Vec<u8>]) -> Vec<Vec<LogEvent>> {
    let got: Arc<Mutex<Vec<Vec<LogEvent>>>> = Arc::default();
    let to = Arc::clone(&got);
    let server = Contract::serve(Arc::new(move |events| {
        to.lock().unwrap().push(events);
        Answer::Ok
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().unwrap();
    runtime.block_on(async {
        let link = Link::new(&VectorConfig { compression, ..VectorConfig::of(&server.url()) }).unwrap();
        for request in requests {
            link.push(request.clone().into()).await.unwrap();
        }
    });
    drop(server);
    Arc::try_unwrap(got).unwrap().into_inner().unwrap()
}

fn json(event: &LogEvent) -> String {
    let mut out = Vec::new();
    native_json::encode(event, NestingLimit::VECTOR, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// An `EventArray` of one log is, byte for byte, a `PushEventsRequest` of one wrapper of it: field 1 of field 1. So what Vector
/// wrote is sent without anything of ours having touched it.
#[test]
fn what_vector_wrote_comes_out_of_the_double_as_vector_reads_it() {
    let Some(folder) = corpus() else { return };
    let (proto, expected) = (files(&folder.join("proto"), "pb"), files(&folder.join("json"), "json"));
    assert_eq!((proto.len(), expected.len()), (PAIRS, PAIRS));
    let requests: Vec<Vec<u8>> = proto.iter().map(|path| fs::read(path).unwrap()).collect();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let got = through_the_double(compression, &requests);
        assert_eq!(got.len(), PAIRS);
        for ((events, request), path) in got.into_iter().zip(&requests).zip(&expected) {
            let [event] = &events[..] else { panic!("{}: {} events", path.display(), events.len()) };
            assert_eq!(json(event), fs::read_to_string(path).unwrap(), "{}", path.display());
            let wrapper = native::encode_wrapper(event.clone()).unwrap();
            assert_eq!(&native::join_push_request(vec![wrapper]), request, "{}: our own bytes", path.display());
        }
    }
}

/// The same way for the logs of the gate's fixtures, which are always at hand.
#[test]
fn the_gates_fixtures_come_out_of_the_double_as_they_went_in() {
    let gate = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/gate");
    let inputs = fs::read_dir(gate).unwrap().map(|entry| entry.unwrap().path().join("input.bin"));
    let frames = inputs.filter_map(|path| native::decode(&fs::read(path).ok()?).ok());
    let events: Vec<LogEvent> = frames
        .flat_map(|frame| match frame {
            native::Frame::Logs { events, .. } => events,
            native::Frame::NotLog(_) => Vec::new(),
        })
        .collect();
    assert!(events.len() >= 3, "{} events", events.len());
    let wrappers = events.iter().map(|event| native::encode_wrapper(event.clone()).unwrap()).collect();
    let request = native::join_push_request(wrappers);
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let got = through_the_double(compression, std::slice::from_ref(&request));
        assert_eq!(got, std::slice::from_ref(&events));
    }
}
