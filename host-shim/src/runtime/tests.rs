//! What the runtime must survive, shown with a component that misbehaves on demand (`component-build/test-guest`).

#![allow(clippy::unwrap_used)]

use super::wit::source::{Action, CheckpointParam, FileBytes, Outcome};
use super::wit::transform::{Claim, Codec, Encoding, Fault, Frame, Provenance, Reason, Route, Routed};
use super::*;
use innertrail_component_build::{ComponentSpec, build, folder_beside};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The test guest, built once a test run.
fn guest() -> &'static [u8] {
    static GUEST: OnceLock<Vec<u8>> = OnceLock::new();
    GUEST.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../component-build/test-guest");
        let target = folder_beside(Path::new(env!("OUT_DIR")), "component-test");
        let path = build(ComponentSpec {
            workspace_root: &root,
            package: "innertrail-test-guest",
            target_dir: &target,
            features: &[],
        });
        std::fs::read(path.unwrap()).unwrap()
    })
}

fn runtime() -> Runtime {
    Runtime::new(RuntimeConfig {
        memory_limit: 32 << 20,
        deadline: Duration::from_millis(100),
        ..RuntimeConfig::default()
    })
    .unwrap()
}

fn loaded() -> LoadedComponent {
    static LOADED: OnceLock<LoadedComponent> = OnceLock::new();
    LOADED.get_or_init(|| LoadedComponent::load(&runtime(), &ComponentSource::Embedded(guest())).unwrap()).clone()
}

fn bisector() -> Bisector {
    let transform = Transform::open(&loaded(), "{}").unwrap();
    Bisector::new(transform, BisectorConfig::default())
}

/// Frames end to end.
fn framed(texts: &[String]) -> (Vec<u8>, Vec<Frame>) {
    let mut data = Vec::new();
    let mut frames = Vec::new();
    for text in texts {
        let offset = data.len() as u64;
        data.extend_from_slice(text.as_bytes());
        frames.push(Frame { end: data.len() as u32, offset, fault: None });
    }
    (data, frames)
}

fn input<'a>(data: &'a [u8], frames: &'a [Frame], provenance: Provenance) -> Input<'a> {
    Input { provenance, source: "test", origin: "a/b", codec: Codec::Json, data, frames }
}

/// Finds every other seal mark valid; its rows are the frames' own bytes, marked.
#[derive(Default)]
struct TestNative {
    details: Vec<String>,
    offsets: Vec<u64>,
}

impl Native for TestNative {
    fn sealed(&mut self, claims: &[Claim]) -> Vec<u32> {
        let valid = claims.iter().filter(|c| !c.canonical.ends_with(b"forged"));
        valid.map(|c| c.event).collect()
    }

    fn quarantine_row(&mut self, poisoned: &Poisoned<'_>) -> Vec<u8> {
        assert_eq!(poisoned.fault, Fault::Poison);
        self.details.push(poisoned.detail.into());
        self.offsets.push(poisoned.offset);
        [b"row:", poisoned.bytes].concat()
    }
}

/// Entries as text, in order.
fn texts(routed: &Routed) -> Vec<String> {
    let mut start = 0;
    let pieces = routed.entries.iter().map(|entry| {
        let piece = &routed.data[start..entry.end as usize];
        start = entry.end as usize;
        String::from_utf8_lossy(piece).into_owned()
    });
    pieces.collect()
}

/// A batch of `count` frames of which some bear `marker`.
fn marked(count: usize, marker: &str, is_marked: impl Fn(usize) -> bool) -> Vec<String> {
    (0..count).map(|i| format!("{{\"n\":{i}{}}}", if is_marked(i) { marker } else { "" })).collect()
}

/// Runs a batch in which marked frames kill the component, and checks that every frame comes out in its place.
fn survives(frames: &[String], marker: &str) -> (RunStats, TestNative) {
    let (data, index) = framed(frames);
    let (mut bisector, mut native) = (bisector(), TestNative::default());
    let start = Instant::now();
    let routed = bisector.run(&input(&data, &index, Provenance::OwnSource), Encoding::Row, &mut native).unwrap();
    let expected: Vec<String> =
        frames.iter().map(|f| if f.contains(marker) { format!("row:{f}") } else { f.clone() }).collect();
    assert_eq!(texts(&routed), expected);
    let consumed: u64 = routed.entries.iter().map(|e| u64::from(e.consumed)).sum();
    assert_eq!(consumed, data.len() as u64);
    for (entry, frame) in routed.entries.iter().zip(frames) {
        let poisoned = frame.contains(marker);
        assert_eq!(entry.route == Route::Quarantine, poisoned);
        assert_eq!(entry.reason, poisoned.then_some(Reason::Poison));
    }
    let stats = bisector.stats();
    eprintln!(
        "{marker}: {} frames, {} poisoned, {} restarts in {:?} ({:?} each), {:?} in all",
        frames.len(),
        stats.poisoned,
        stats.restarts,
        stats.restart_time,
        stats.restart_time / u32::try_from(stats.restarts.max(1)).unwrap(),
        start.elapsed(),
    );
    (stats, native)
}

#[test]
fn every_tenth_frame_panics_and_no_neighbour_is_lost() {
    let frames = marked(200, "!panic", |i| i % 10 == 3);
    let (stats, native) = survives(&frames, "!panic");
    assert_eq!(stats.poisoned, 20);
    assert_eq!((stats.deadlines, stats.memory, stats.contract), (0, 0, 0));
    assert_eq!(native.details.len(), 20);
    let detail = &native.details[0];
    assert!(detail.contains("unreachable") && detail.contains("misbehave"), "{detail}");
    let offsets: Vec<u64> =
        (0..200).filter(|i| i % 10 == 3).map(|i| frames[..i].iter().map(String::len).sum::<usize>() as u64).collect();
    assert_eq!(native.offsets, offsets);
}

#[test]
fn an_endless_loop_is_stopped() {
    let (stats, native) = survives(&marked(20, "!loop", |i| i == 13), "!loop");
    assert!(stats.deadlines >= 2 && stats.traps == 0, "{stats:?}");
    assert!(native.details[0].contains("within 100 ms"), "{:?}", native.details);
}

#[test]
fn a_call_is_stopped_within_its_deadline_and_two_ticks() {
    let (data, index) = framed(&marked(1, "!loop", |_| true));
    let batch = wit::transform::Batch {
        provenance: Provenance::OwnSource,
        source: "",
        origin: "",
        codec: Codec::Json,
        data: &data,
        frames: &index,
        sealed: &[],
    };
    let mut transform = Transform::open(&loaded(), "{}").unwrap();
    let start = Instant::now();
    let error = transform.run(&batch, Encoding::Row).unwrap_err();
    let took = start.elapsed();
    eprintln!("a deadline of 100 ms stopped the call after {took:?}");
    assert!(matches!(error, CallError::Deadline { .. }), "{error}");
    assert!(took >= Duration::from_millis(100), "{took:?}");
    // Generous, because the machine may be busy: what matters is that it ends at all, and soon.
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(transform.run(&batch, Encoding::Row).unwrap_err(), CallError::Dead);
    transform.reopen().unwrap();
    assert!(matches!(transform.explain(&batch).unwrap_err(), CallError::Deadline { .. }));
}

#[test]
fn a_memory_eater_is_told_apart_from_a_panic() {
    let (stats, native) = survives(&marked(9, "!memory", |i| i == 4), "!memory");
    assert!(stats.memory >= 2 && stats.traps == 0, "{stats:?}");
    assert!(native.details[0].contains("33554432 bytes"), "{:?}", native.details);
}

#[test]
fn a_stack_overflow_is_a_trap() {
    let (stats, _) = survives(&marked(9, "!stack", |i| i == 8), "!stack");
    assert!(stats.traps >= 2, "{stats:?}");
}

#[test]
fn broken_promises_are_quarantined_like_traps() {
    for marker in ["!ends", "!conserve", "!reason", "!swell"] {
        let (stats, _) = survives(&marked(17, marker, |i| i == 5), marker);
        assert!(stats.contract >= 2 && stats.traps == 0, "{marker} {stats:?}");
        assert_eq!(stats.poisoned, 1);
    }
}

#[test]
fn seal_marks_are_asked_for_again_in_every_half() {
    let frames: Vec<String> = (0..40)
        .map(|i| match i % 4 {
            0 => format!("seal:{i}"),
            1 => format!("seal:{i} forged"),
            2 => format!("bare {i}"),
            _ if i % 8 == 3 => format!("bare {i} !claims"),
            _ => format!("bare {i}"),
        })
        .collect();
    let (data, index) = framed(&frames);
    let (mut bisector, mut native) = (bisector(), TestNative::default());
    let routed = bisector.run(&input(&data, &index, Provenance::Agent), Encoding::Row, &mut native).unwrap();
    assert_eq!(routed.entries.len(), frames.len());
    for (i, (entry, frame)) in routed.entries.iter().zip(&frames).enumerate() {
        let expected = match i % 8 {
            0 | 4 => (Route::Dedicated, None),
            3 => (Route::Quarantine, Some(Reason::Poison)),
            _ => (Route::Quarantine, Some(Reason::WriteProtected)),
        };
        assert_eq!((entry.route, entry.reason), expected, "{frame}");
    }
}

#[test]
fn nothing_but_poison_trips_the_breaker() {
    let (data, index) = framed(&marked(40, "!panic", |_| true));
    let batch = input(&data, &index, Provenance::OwnSource);
    let (mut bisector, mut native) = (bisector(), TestNative::default());
    bisector.run(&batch, Encoding::Row, &mut native).unwrap();
    let error = bisector.run(&batch, Encoding::Row, &mut native).unwrap_err();
    assert!(matches!(error, RunError::Broken { frames: 64, .. }), "{error}");
    let stats = bisector.stats();
    assert!(stats.paused > Duration::ZERO);
    eprintln!("breaker: {} restarts, {:?} in pauses", stats.restarts, stats.paused);

    // One frame that goes well, and the count begins anew.
    let (data, index) = framed(&marked(1, "", |_| false));
    let good = input(&data, &index, Provenance::OwnSource);
    bisector.run(&good, Encoding::Row, &mut native).unwrap();
    bisector.run(&batch, Encoding::Row, &mut native).unwrap();
}

#[test]
fn an_empty_batch_and_a_wrong_one() {
    let (mut bisector, mut native) = (bisector(), TestNative::default());
    let empty = input(b"", &[], Provenance::OwnSource);
    let routed = bisector.run(&empty, Encoding::Row, &mut native).unwrap();
    assert!(routed.entries.is_empty());
    let (_, index) = framed(&["abc".into(), "d".into()]);
    let short = input(b"abc", &index, Provenance::OwnSource);
    assert!(matches!(bisector.run(&short, Encoding::Row, &mut native), Err(RunError::Input(_))));
    let bare = input(b"abc", &[], Provenance::OwnSource);
    assert!(matches!(bisector.run(&bare, Encoding::Row, &mut native), Err(RunError::Input(_))));
}

#[test]
fn opening_says_what_is_wrong() {
    let error = Transform::open(&loaded(), "bad").err().unwrap();
    assert!(error.to_string().contains("/products: is bad"), "{error}");
    let error = Transform::open(&loaded(), "panic").err().unwrap();
    assert!(matches!(error, OpenError::Call(CallError::Trap { .. })), "{error}");
    let damaged = CheckpointParam { key: "a", value: b"damaged" };
    let error = Session::open(&loaded(), "{}", &[damaged], Reads::Files).err().unwrap();
    assert!(error.to_string().contains("a: damaged"), "{error}");
    assert_eq!(loaded().describe().unwrap().name, "test-guest");
}

/// Takes a session to the answer that follows the bytes.
fn last_answer(config: &str, data: &[u8]) -> Result<Vec<Action>, CallError> {
    let mut session = Session::open(&loaded(), config, &[], Reads::Files).unwrap();
    session.step(Outcome::Started(0))?;
    session.step(Outcome::Files(&[]))?;
    session.step(Outcome::Bytes(FileBytes { data, end: true }))
}

#[test]
fn a_session_goes_its_way() {
    let actions = last_answer("{}", b"[1,2]").unwrap();
    let Action::Emit(emitted) = &actions[0] else {
        panic!("{actions:?}");
    };
    assert_eq!(emitted.data, b"[1,2]");
    assert_eq!(emitted.checkpoints[0].value, b"5");
}

#[test]
fn a_session_that_breaks_its_promises_is_stopped() {
    for config in ["empty", "two-outcomes", "no-outcome", "frames-back", "frames-short", "input"] {
        let error = last_answer(config, b"[1,2]").unwrap_err();
        assert!(matches!(error, CallError::Contract(_)), "{config}: {error}");
    }
    assert!(matches!(last_answer("{}", b"!panic"), Err(CallError::Trap { .. })));
    assert!(matches!(last_answer("{}", b"!loop"), Err(CallError::Deadline { .. })));
}

/// The error of loading these bytes from a file.
fn refused(bytes: &[u8], sha256: Option<&str>) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let source = ComponentSource::File { path: file.path().into(), sha256: sha256.map(Into::into) };
    let text = LoadedComponent::load(&runtime(), &source).err().unwrap().to_string();
    assert!(!text.contains('\n'), "{text}");
    text.replace(&file.path().display().to_string(), "FILE")
}

/// The guest with another version in the names of its exports, which keep their length.
fn of_version(version: &str) -> Vec<u8> {
    let mut bytes = guest().to_vec();
    let (old, new) = (b"@0.1.0", format!("@{version}"));
    assert_eq!(old.len(), new.len());
    for start in 0..bytes.len() - old.len() {
        if bytes[start..].starts_with(old) {
            bytes[start..start + old.len()].copy_from_slice(new.as_bytes());
        }
    }
    bytes
}

#[test]
fn what_is_not_the_component_is_refused_in_one_line() {
    assert_eq!(
        refused(&of_version("0.2.0"), None),
        "component FILE: was built for contract innertrail:plugin@0.2.0, this host speaks 0.1.0; use a component and a \
         host of the same minor version"
    );
    assert_eq!(
        refused(b"\0asm\x01\0\0\0", None),
        "component FILE: is a core WASM module, not a component; wrap it with `wasm-tools component new`"
    );
    assert_eq!(refused(b"<html>", None), "component FILE: is not a WASM file (it does not begin with `\\0asm`)");
    assert_eq!(
        refused(b"\0asm\x0d\0\x01\0", None),
        "component FILE: does not export `innertrail:plugin/info`, so it is not an innertrail component; it exports \
         nothing"
    );
    assert!(refused(&guest()[..guest().len() / 2], None).starts_with("component FILE: is damaged:"));
    let large = vec![0; usize::try_from(MAX_COMPONENT_BYTES).unwrap() + 1];
    assert!(refused(&large, None).contains("is larger than 8388608 bytes"));
    let source = ComponentSource::File { path: PathBuf::from("/no/such/component.wasm"), sha256: None };
    assert_eq!(
        LoadedComponent::load(&runtime(), &source).err().unwrap().to_string(),
        "component /no/such/component.wasm: there is no such file; correct the path, or leave it out to use the built-in \
         component"
    );
}

#[test]
fn an_import_is_refused_and_named() {
    // Type section: an empty instance type; import section: `wasi:io/streams@0.2.6` of that type.
    let mut import = b"\x07\x03\x01\x42\x00\x0a\x1a\x01\x00\x15wasi:io/streams@0.2.6\x05\x00".to_vec();
    let mut bytes = guest()[..8].to_vec();
    bytes.append(&mut import);
    // The guest's own sections follow; its type numbers shift, which is never looked at: the import comes first.
    bytes.extend_from_slice(&guest()[8..]);
    let text = refused(&bytes, None);
    assert!(text.contains("imports wasi:io/streams@0.2.6;"), "{text}");
}

#[test]
fn a_component_is_pinned_by_its_hash() {
    let hash = loaded().sha256();
    let wrong = "0".repeat(64);
    let text = refused(guest(), Some(&wrong));
    assert!(text.contains(&format!("has sha256 {hash}, but {wrong} is pinned")), "{text}");
    assert!(refused(guest(), Some("abc")).contains("is not 64 hexadecimal digits"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), guest()).unwrap();
    let source = ComponentSource::File { path: file.path().into(), sha256: Some(hash.to_uppercase()) };
    assert_eq!(LoadedComponent::load(&runtime(), &source).unwrap().sha256(), hash);
}

#[test]
fn compiled_code_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut times = Vec::new();
    for round in 0..2 {
        let start = Instant::now();
        let runtime =
            Runtime::new(RuntimeConfig { cache_dir: Some(dir.path().join("cache")), ..RuntimeConfig::default() })
                .unwrap();
        let component = LoadedComponent::load(&runtime, &ComponentSource::Embedded(guest())).unwrap();
        component.describe().unwrap();
        times.push(start.elapsed());
        assert_eq!(runtime.cache_counts(), (round, 1 - round));
    }
    eprintln!("start to first answer: {:?} compiled, {:?} from the cache", times[0], times[1]);
}

/// The story: a process that was idle took 197 MiB instead of 25, because it was the 256th to use the compiled code, and that was packed
/// again, as small as it can be.
#[test]
fn compiled_code_is_not_packed_again_however_often_it_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let load = || {
        let config = RuntimeConfig { cache_dir: Some(dir.path().join("cache")), ..RuntimeConfig::default() };
        let runtime = Runtime::new(config).unwrap();
        LoadedComponent::load(&runtime, &ComponentSource::Embedded(guest())).unwrap();
        runtime
    };
    let kept = || {
        let files = glob::glob(&format!("{}/**/*", dir.path().display())).unwrap().map(Result::unwrap);
        files.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let uses = |path: &std::path::Path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("usages = ")?.parse::<u64>().ok())
    };
    let wait = |what: &str, until: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !until() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let first = load();
    let stats = || kept().into_iter().find(|path| path.extension().is_some_and(|end| end == "stats"));
    wait("there are no statistics", &|| stats().is_some_and(|path| uses(&path).is_some()));
    drop(first);
    let stats = stats().unwrap();
    let text = std::fs::read_to_string(&stats).unwrap();
    let used = uses(&stats).unwrap();
    std::fs::write(&stats, text.replace(&format!("usages = {used}"), "usages = 1000")).unwrap();
    let code = stats.with_extension("");
    let before = std::fs::read(&code).unwrap();
    let _runtime = load();
    wait("the use was not counted", &|| uses(&stats) == Some(1_001));
    // It would be packed right after it was counted: there is a file for it meanwhile, or it is done.
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(10));
        let beside: Vec<_> = kept().into_iter().filter(|path| path.parent() == code.parent()).collect();
        assert_eq!(beside.len(), 2, "{beside:?}");
    }
    assert!(std::fs::read(&code).unwrap() == before, "it was packed again");
}

#[test]
fn without_interruption_calls_work_too() {
    let runtime = Runtime::new(RuntimeConfig { interrupt: Interrupt::None, ..RuntimeConfig::default() }).unwrap();
    let component = LoadedComponent::load(&runtime, &ComponentSource::Embedded(guest())).unwrap();
    assert_eq!(component.describe().unwrap().name, "test-guest");
}

#[test]
fn impossible_limits_are_refused() {
    for config in [
        RuntimeConfig { memory_limit: 1 << 20, ..RuntimeConfig::default() },
        RuntimeConfig { instances: 1, ..RuntimeConfig::default() },
        RuntimeConfig { deadline: Duration::ZERO, ..RuntimeConfig::default() },
    ] {
        assert!(matches!(Runtime::new(config), Err(EngineError::Limit { .. })));
    }
}

#[test]
fn instances_beyond_the_limit_are_refused_and_given_back() {
    let runtime = Runtime::new(RuntimeConfig { instances: 2, ..RuntimeConfig::default() }).unwrap();
    if !runtime.pooled() {
        eprintln!("skipped: no address space for a pool on this machine");
        return;
    }
    let component = LoadedComponent::load(&runtime, &ComponentSource::Embedded(guest())).unwrap();
    let mut first = Transform::open(&component, "{}").unwrap();
    let second = Transform::open(&component, "{}").unwrap();
    assert!(matches!(Transform::open(&component, "{}"), Err(OpenError::Instance(_))));
    // A failed instance makes room for its own successor.
    first.reopen().unwrap();
    drop(second);
    Transform::open(&component, "{}").unwrap();
}
