//! A component that misbehaves on demand: what the runtime must survive, each by a marker in a frame.
//!
//! It must never be part of a build of the product. A frame becomes one entry with the same bytes; a frame that starts
//! with `seal:` bears a seal mark; the markers of [`misbehave`] do what their names say.
#![cfg(target_family = "wasm")]
#![allow(missing_docs)]

wit_bindgen::generate!({ world: "plugin", path: "../../wit" });

use exports::innertrail::plugin::{info, source, transform};
use std::cell::Cell;
use transform::{Batch, Claim, Diagnostic, Encoding, Entry, Provenance, Reason, Route, Routed};

struct Guest;

impl info::Guest for Guest {
    fn describe() -> info::Description {
        info::Description {
            name: "test-guest".into(),
            version: "0.0.0".into(),
            families: vec![],
            products: vec![],
            containers: vec![],
            sources: vec![],
            codecs: vec!["json".into()],
            columns: vec![],
            key_column: 0,
            transform_schema: "{}".into(),
            source_schema: "{}".into(),
        }
    }
}

struct Pipeline;

impl transform::Guest for Guest {
    type Pipeline = Pipeline;
}

/// Bytes of each frame.
fn frames(batch: &Batch) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    batch.frames.iter().map(move |frame| {
        let piece = &batch.data[start..frame.end as usize];
        start = frame.end as usize;
        piece
    })
}

fn has(frame: &[u8], marker: &str) -> bool {
    frame.windows(marker.len()).any(|window| window == marker.as_bytes())
}

/// Does what a frame's marker says and does not come back.
#[inline(never)]
fn misbehave(frame: &[u8]) {
    if has(frame, "!panic") {
        panic!("a frame asked for it");
    }
    if has(frame, "!loop") {
        let spins = Cell::new(0u64);
        loop {
            spins.set(std::hint::black_box(spins.get() + 1));
        }
    }
    if has(frame, "!memory") {
        eat_memory();
    }
    if has(frame, "!stack") {
        std::hint::black_box(descend(1));
    }
}

#[inline(never)]
fn eat_memory() {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}

#[inline(never)]
#[allow(unconditional_recursion)]
fn descend(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 512]);
    room[7] + descend(depth + 1) + room[9]
}

/// Breaks one promise of the contract.
fn break_promise(batch: &Batch, routed: &mut Routed) {
    for frame in frames(batch) {
        if has(frame, "!ends") {
            routed.entries[0].end = u32::MAX;
        }
        if has(frame, "!conserve") {
            routed.framing_bytes += 1;
        }
        if has(frame, "!reason") {
            routed.entries[0].reason = Some(Reason::Undecodable);
        }
        if has(frame, "!swell") {
            routed.data.resize(batch.data.len() * 8 + (1 << 20), b' ');
            if let Some(last) = routed.entries.last_mut() {
                last.end = routed.data.len() as u32;
            }
        }
    }
}

impl transform::GuestPipeline for Pipeline {
    fn open(config: String) -> Result<transform::Pipeline, Vec<Diagnostic>> {
        match config.as_str() {
            "bad" => Err(vec![Diagnostic { path: "/products".into(), message: "is bad".into() }]),
            "panic" => panic!("the configuration asked for it"),
            _ => Ok(transform::Pipeline::new(Pipeline)),
        }
    }

    fn claims(&self, batch: Batch) -> Vec<Claim> {
        let mut claims = Vec::new();
        for (event, frame) in frames(&batch).enumerate() {
            if has(frame, "!claims") {
                panic!("a frame asked for it");
            }
            if frame.starts_with(b"seal:") {
                claims.push(Claim { event: event as u32, index: 7, mark: vec![0; 32], canonical: frame.to_vec() });
            }
        }
        claims
    }

    fn run(&self, batch: Batch, _encoding: Encoding) -> Routed {
        let mut routed = Routed {
            data: Vec::with_capacity(batch.data.len()),
            entries: Vec::with_capacity(batch.frames.len()),
            framing_bytes: 0,
            duplicate_keys: 0,
            redacted: 0,
        };
        for (event, frame) in frames(&batch).enumerate() {
            misbehave(frame);
            routed.data.extend_from_slice(frame);
            let sealed = batch.sealed.contains(&(event as u32));
            let refused = matches!(batch.provenance, Provenance::Agent) && !sealed;
            routed.entries.push(Entry {
                end: routed.data.len() as u32,
                route: if refused { Route::Quarantine } else { Route::Dedicated },
                reason: refused.then_some(Reason::WriteProtected),
                consumed: frame.len() as u32,
            });
        }
        break_promise(&batch, &mut routed);
        routed
    }

    fn explain(&self, batch: Batch) -> String {
        frames(&batch).for_each(misbehave);
        format!("{{\"frames\":{}}}", batch.frames.len())
    }
}

struct Session {
    config: String,
    positions: usize,
}

impl source::Guest for Guest {
    type Session = Session;
}

/// Two frames, with or without a broken promise.
fn emitted(config: &str) -> source::Emitted {
    let frame = |end, offset| source::Frame { end, offset, fault: None };
    source::Emitted {
        origin: "a".into(),
        data: b"[1,2]".to_vec(),
        frames: match config {
            "frames-back" => vec![frame(3, 0), frame(2, 3), frame(5, 4)],
            "frames-short" => vec![frame(3, 0)],
            _ => vec![frame(3, 0), frame(5, 3)],
        },
        input_bytes: if config == "input" { 1 } else { 5 },
        checkpoints: vec![source::Checkpoint { key: "a".into(), value: b"5".to_vec() }],
    }
}

impl source::GuestSession for Session {
    fn open(config: String, checkpoints: Vec<source::Checkpoint>) -> Result<source::Session, source::OpenError> {
        if checkpoints.iter().any(|c| c.value == b"damaged") {
            return Err(source::OpenError::BadCheckpoint("a: damaged".into()));
        }
        Ok(source::Session::new(Session { config, positions: checkpoints.len() }))
    }

    fn step(&self, last: source::Outcome) -> Vec<source::Action> {
        use source::{Action, Outcome};
        let read = || Action::ReadFile(source::ReadRequest { path: "a".into(), offset: 0, max_bytes: 1 << 16 });
        match (last, self.config.as_str()) {
            (Outcome::Started(_), "empty") => vec![],
            (Outcome::Started(_), "two-outcomes") => vec![read(), read()],
            (Outcome::Started(_), "no-outcome") => vec![Action::Note("hm".into())],
            (Outcome::Started(_), _) => vec![
                Action::Note(format!("{} positions", self.positions)),
                Action::ListFiles((vec!["*".into()], vec![])),
            ],
            (Outcome::Files(_), _) => vec![read()],
            (Outcome::Bytes(bytes), _) => {
                misbehave(&bytes.data);
                vec![Action::Emit(emitted(&self.config)), Action::Finish]
            }
            _ => vec![Action::Finish],
        }
    }
}

export!(Guest);
