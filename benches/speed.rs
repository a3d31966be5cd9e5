//! `cargo xtask bench`: the figures of the README, taken in one run, as ratios wherever two things are compared.
//!
//! CPU time is the thread's own (`/proc/thread-self/schedstat`), medians of interleaved rounds: these machines are
//! shared, so wall time says little. It must measure the shipped component through the host's own calls.
#![allow(missing_docs, clippy::unwrap_used)]

mod baseline;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use innertrail_host_shim::config::Config;
use innertrail_host_shim::layout;
use innertrail_host_shim::runtime::wit::transform::{Batch, Codec, Encoding, Frame, Provenance, Route, Routed};
use innertrail_host_shim::runtime::{
    ComponentSource, EMBEDDED, Interrupt, LoadedComponent, Runtime, RuntimeConfig, Transform,
};
use innertrail_logstore::{Options, SealKey, Transaction, Writer};
use innertrail_plugin::event::row::RowWriter;
use xtask::generate::{Generator, Plan};

const BIN: &str = env!("CARGO_BIN_EXE_innertrail");
const BATCH: usize = 256 << 10;
const ROUNDS: usize = 9;

fn main() {
    let filter: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let wanted = |name: &str| filter.is_empty() || filter.iter().any(|f| name.contains(f.as_str()));
    if wanted("sandbox") {
        sandbox();
    }
    if wanted("keep") {
        keep(std::env::var("BENCH_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(200_000));
    }
    if wanted("run") {
        let events = std::env::var("BENCH_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(200_000);
        whole_run(events, true);
        whole_run(events, false);
    }
    if wanted("start") {
        start();
    }
}

/// Nanoseconds that this thread has run.
fn cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

struct Cut {
    data: Vec<u8>,
    frames: Vec<Frame>,
}

/// Lines in batches, as the source room cuts them.
fn batches(events: usize) -> (Vec<Cut>, usize) {
    let mut generator = Generator::new(7, 6);
    let (mut cuts, mut bytes) = (vec![Cut { data: Vec::new(), frames: Vec::new() }], 0);
    for i in 0..events {
        let cut = cuts.last_mut().unwrap();
        let start = cut.data.len();
        generator.push_event(1_793_000_000 + i as u64, &mut cut.data);
        cut.data.push(b'\n');
        bytes += cut.data.len() - start;
        cut.frames.push(Frame { end: cut.data.len() as u32, offset: start as u64, fault: None });
        if cut.data.len() >= BATCH && i + 1 < events {
            cuts.push(Cut { data: Vec::new(), frames: Vec::new() });
        }
    }
    (cuts, bytes)
}

fn component(interrupt: Interrupt) -> LoadedComponent {
    let config = RuntimeConfig { interrupt, deadline: Duration::from_secs(5), ..RuntimeConfig::default() };
    let runtime = Runtime::new(config).unwrap();
    LoadedComponent::load(&runtime, &ComponentSource::Embedded(EMBEDDED)).unwrap()
}

fn transform(component: &LoadedComponent) -> Transform {
    let config = Config::default_for_quickstart(Some("main-trail"), vec!["-".to_owned()], None).unwrap();
    Transform::open(component, &config.transform_json()).unwrap()
}

fn in_sandbox(transform: &mut Transform, cut: &Cut, encoding: Encoding) -> Routed {
    let batch = Batch {
        provenance: Provenance::OwnSource,
        source: "files",
        origin: "bench.json",
        codec: Codec::Actiontrail,
        data: &cut.data,
        frames: &cut.frames,
        sealed: &[],
    };
    transform.run(&batch, encoding).unwrap()
}

fn sandbox() {
    const EVENTS: usize = 60_000;
    let (cuts, bytes) = batches(EVENTS);
    let mut epoch = transform(&component(Interrupt::Epoch));
    let mut free = transform(&component(Interrupt::None));
    let native = innertrail_plugin::transform::Transform::open(
        &Config::default_for_quickstart(Some("main-trail"), vec!["-".to_owned()], None).unwrap().transform_json(),
    )
    .unwrap();
    let (mut row, mut out) = (RowWriter::default(), Vec::new());
    let mut times: [Vec<f64>; 5] = Default::default();
    for round in 0..ROUNDS + 1 {
        let mut took = [0u64; 5];
        let mut dedicated = [0u64; 2];
        // A whole pass at a time: the kernel accounts CPU time by ticks.
        let mut clock = |slot: usize, work: &mut dyn FnMut(&Cut)| {
            let begun = cpu_ns();
            cuts.iter().for_each(work);
            took[slot] = cpu_ns() - begun;
        };
        clock(0, &mut |cut| {
            out.clear();
            dedicated[0] += baseline::run(&cut.data, "bench.json", &mut row, &mut out).0;
        });
        clock(1, &mut |cut| {
            let routed = in_sandbox(&mut epoch, cut, Encoding::Row);
            dedicated[1] += routed.entries.iter().filter(|e| e.route == Route::Dedicated).count() as u64;
        });
        clock(2, &mut |cut| drop(in_sandbox(&mut free, cut, Encoding::Row)));
        clock(3, &mut |cut| drop(in_sandbox(&mut epoch, cut, Encoding::NativeJson)));
        clock(4, &mut |cut| {
            std::hint::black_box(natively(&native, cut));
        });
        assert_eq!(dedicated[0], dedicated[1], "the two do not keep the same events");
        if round > 0 {
            times.iter_mut().zip(took).for_each(|(all, ns)| all.push(ns as f64 / EVENTS as f64));
        }
    }
    println!("{EVENTS} events, {} B each, batches of 256 KiB, {ROUNDS} rounds, CPU of the thread", bytes / EVENTS);
    let names = [
        "native, serde_json typed, same job (baseline)",
        "component, row, epoch interruption on",
        "component, row, epoch interruption off",
        "component, native_json, epoch on",
        "the component's code, native",
    ];
    for (name, all) in names.iter().zip(&times) {
        let ratio = median(all.iter().zip(&times[0]).map(|(a, b)| a / b).collect());
        println!("{name:<48} {:>7.0} ns/event   ratio {ratio:.2}", median(all.clone()));
    }
}

fn natively(rooms: &innertrail_plugin::transform::Transform, cut: &Cut) -> usize {
    use innertrail_plugin::route::Provenance;
    use innertrail_plugin::transform::batch;
    let frames: Vec<batch::Frame> =
        cut.frames.iter().map(|f| batch::Frame { end: f.end, offset: f.offset, fault: None }).collect();
    let batch = batch::Batch {
        provenance: Provenance::OwnSource,
        source: "files",
        origin: "bench.json",
        codec: batch::Codec::ActionTrail,
        data: &cut.data,
        frames: &frames,
        sealed: &[],
    };
    rooms.run(&batch, batch::Encoding::Row).data.len()
}

/// The Logstore alone, on the rows that the component makes of the events of `cargo xtask generate --seed 7`: what
/// keeping an event costs on top of the plugin. Seal, token index, segments and one fsync for 1,000 events included.
fn keep(events: usize) {
    const NOW: i64 = 1_793_000_000_000_000;
    const COMMIT: usize = 1_000;
    let dir = scratch("keep");
    let component = component(Interrupt::Epoch);
    let mut transform = transform(&component);
    let columns = layout::of(&component.describe().unwrap());
    let options = Options::new(SealKey::new("main-trail", [7; 32]).unwrap());
    let mut writer = Writer::open(&dir.join("data"), "main-trail", columns, options, NOW).unwrap();
    let (cuts, bytes) = batches(events);
    let (mut commit, mut plugin, mut kept, mut txn) = (0, 0, 0, Transaction::default());
    for cut in &cuts {
        let begun = cpu_ns();
        let routed = in_sandbox(&mut transform, cut, Encoding::Row);
        plugin += cpu_ns() - begun;
        let mut from = 0;
        for entry in &routed.entries {
            let to = entry.end as usize;
            txn.push(layout::store(entry.route), &routed.data[from..to], u64::from(entry.consumed));
            from = to;
            if txn.rows() == COMMIT {
                let begun = cpu_ns();
                writer.commit(std::mem::take(&mut txn), NOW).unwrap();
                commit += cpu_ns() - begun;
            }
        }
        kept += routed.entries.len();
    }
    let begun = cpu_ns();
    writer.commit(txn, NOW).unwrap();
    writer.close(NOW).unwrap();
    commit += cpu_ns() - begun;
    assert_eq!(kept, events);
    let per = |ns: u64| ns as f64 / events as f64 / 1e3;
    println!(
        "keep, {events} events of {} B, {COMMIT} a commit: {:.2} us CPU/event on top of the plugin's {:.2}, {:.1} B/event on disk",
        bytes / events,
        per(commit),
        per(plugin),
        size(&dir.join("data")) as f64 / events as f64
    );
    fs::remove_dir_all(&dir).unwrap();
}

/// A folder for one measurement, removed at the end.
fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// User and system seconds of a finished child that has not been waited for, and its peak memory in MiB before.
fn watch(command: &mut Command) -> (f64, f64, f64) {
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let proc = PathBuf::from(format!("/proc/{}", child.id()));
    let mut peak = 0.0;
    let ticks = loop {
        let stat = fs::read_to_string(proc.join("stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        if let Ok(status) = fs::read_to_string(proc.join("status"))
            && let Some(line) = status.lines().find(|l| l.starts_with("VmHWM"))
        {
            peak = line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0;
        }
        // Ended, and not waited for yet: its times are final and can still be read.
        if fields[0] == "Z" {
            break fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(child.wait().unwrap().success());
    (ticks / 100.0, begun.elapsed().as_secs_f64(), peak)
}

fn size(path: &Path) -> u64 {
    if path.is_file() {
        return fs::metadata(path).unwrap().len();
    }
    fs::read_dir(path).map_or(0, |entries| entries.map(|e| size(&e.unwrap().path())).sum())
}

fn whole_run(events: u64, gzip: bool) {
    let dir = scratch("run");
    let plan = Plan { gzip, ..Plan::new(events, 7, dir.join("trail")) };
    let made = xtask::generate::run(&plan, |_| {}).unwrap();
    let data = dir.join("data");
    let include = format!("{}/**/*", dir.join("trail").display());
    let mut command = Command::new(BIN);
    command.args(["-q", "run", "--once", "--include", &include, "--data-dir", data.to_str().unwrap()]);
    let (cpu, wall, peak) = watch(&mut command);
    let kind = if gzip { "gzip" } else { "plain" };
    let disk = size(&data) as f64 / events as f64;
    let dedicated = size(&data.join("log")) as f64 / made.oss as f64;
    println!(
        "run, {events} events in {} {kind} files: {:.1} us CPU/event, {:.0} events/s wall, {disk:.0} B/event on disk in all, \
         {dedicated:.0} B/event in the dedicated Logstore, peak {peak:.0} MiB",
        made.files,
        cpu * 1e6 / events as f64,
        events as f64 / wall,
    );
    fs::remove_dir_all(&dir).unwrap();
}

/// The whole process over one event: start, load, read, keep, seal, sum up.
fn start() {
    let dir = scratch("start");
    let mut line = Vec::new();
    Generator::new(7, 6).push_event(1_793_000_000, &mut line);
    fs::write(dir.join("one.json"), line).unwrap();
    let mut times = Vec::new();
    for round in 0..12 {
        let data = dir.join(format!("data-{round}"));
        let include = dir.join("one.json").display().to_string();
        let begun = Instant::now();
        let ok = Command::new(BIN)
            .args(["-q", "run", "--once", "--include", &include, "--data-dir", data.to_str().unwrap()])
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success();
        assert!(ok);
        // The first one may have had to compile the component.
        if round > 0 {
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    println!(
        "start with cached code to the first event kept, sealed and summed up, whole process: {:.0} ms wall (median)",
        median(times)
    );
    fs::remove_dir_all(&dir).unwrap();
}
