//! Plays the host's part for sessions that read the network, against a cloud that is a function: no socket, no clock, no
//! thread. It holds the contract's rules against every answer of the session. It must never decide what a cloud says.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use innertrail_plugin::source::http::{Failure, Fault, MOST_OPEN, Request, Response};
use innertrail_plugin::source::position::Checkpoint;
use innertrail_plugin::source::{Action, Emitted, Gap, Outcome, Session, State};

/// More steps than any case here needs: a session that goes round in circles must fail, not hang.
const MOST_STEPS: usize = 400_000;

/// Nobody reads on behind so many bytes.
const MOST_TRANSCRIPT: usize = 64 << 10;

/// Where the clock begins: 2026-06-15T08:00:00Z.
pub const START_MS: i64 = 1_781_510_400_000;

/// What a cloud says to a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// An answer.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
    /// None, and what arrived of it.
    Nothing(Fault, Vec<u8>),
    /// Status and headers, and not all of the body.
    Part(Fault, u16, Vec<(String, String)>, Vec<u8>),
}

impl Reply {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::Answer(200, Vec::new(), body.into())
    }
}

/// A cloud.
pub trait Cloud {
    /// What it says, and so changes. The time is the host's, milliseconds since the Unix epoch.
    fn reply(&mut self, request: &Request, now_ms: i64) -> Reply;
}

/// A generator of numbers that gives the same ones everywhere (xorshift).
#[derive(Debug, Clone)]
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    pub fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
}

/// How the host behaves.
#[derive(Debug, Clone)]
pub struct Manner {
    /// Emits that are made durable together; 0: none ever is.
    pub commit: u64,
    /// Order of answers, and who comes first, from this seed. Without it: the timer when it is 0, then requests as asked.
    pub seed: Option<u64>,
}

impl Default for Manner {
    fn default() -> Self {
        Self { commit: 1, seed: None }
    }
}

/// A host with one session.
pub struct Host {
    session: Session,
    manner: Manner,
    numbers: Option<Numbers>,
    open: Vec<Request>,
    due_ms: Option<i64>,
    steps: usize,
    before: Vec<Checkpoint>,
    /// The clock.
    pub now_ms: i64,
    /// What was given out.
    pub emits: Vec<Emitted>,
    /// Of those, durable.
    pub durable: u64,
    /// Gaps that were told, and the emits that were out before each.
    pub gaps: Vec<Gap>,
    /// Promises of names that were checked.
    pub checks: Vec<innertrail_plugin::source::ObjectCheck>,
    /// Notes.
    pub notes: Vec<String>,
    /// States, in order.
    pub states: Vec<State>,
    /// Requests that were made.
    pub requests: u64,
    /// It is over.
    pub finished: bool,
    /// Everything that happened, for people.
    pub transcript: String,
    /// Largest answer of the session, bytes of frames.
    pub largest: usize,
}

impl Host {
    /// Opens a session and starts it.
    pub fn open(config: &str, checkpoints: &[Checkpoint], now_ms: i64, manner: Manner) -> Self {
        let session = Session::open(config, checkpoints).unwrap_or_else(|e| panic!("{e:?}"));
        let mut host = Self {
            session,
            numbers: manner.seed.map(|seed| Numbers(seed | 1)),
            manner,
            open: Vec::new(),
            due_ms: None,
            steps: 0,
            before: checkpoints.to_vec(),
            now_ms,
            emits: Vec::new(),
            durable: 0,
            gaps: Vec::new(),
            checks: Vec::new(),
            notes: Vec::new(),
            states: Vec::new(),
            requests: 0,
            finished: false,
            transcript: String::new(),
            largest: 0,
        };
        host.step(Outcome::Started(now_ms));
        host
    }

    /// One outcome: an answer, or the time. `false`: it is over.
    pub fn turn(&mut self, cloud: &mut dyn Cloud) -> bool {
        if self.finished {
            return false;
        }
        let chosen = match &mut self.numbers {
            // An answer takes seconds at the most.
            Some(numbers) if self.due_ms.is_some_and(|due| due <= self.now_ms + 4_000) => {
                numbers.below(self.open.len() + 1).checked_sub(1)
            }
            Some(numbers) => Some(numbers.below(self.open.len())),
            None if self.due_ms.is_some_and(|due| due <= self.now_ms) => None,
            None => Some(0),
        };
        match chosen.filter(|at| *at < self.open.len()) {
            Some(at) => {
                let request = self.open.remove(at);
                self.now_ms += 3;
                let outcome = said(&request, cloud.reply(&request, self.now_ms), self.now_ms);
                self.step(outcome);
            }
            None => {
                let due = self.due_ms.expect("something is open, or the session wants to be woken");
                self.now_ms = self.now_ms.max(due);
                self.step(Outcome::Woke(self.now_ms));
            }
        }
        let emits = self.emits.len() as u64;
        if self.finished {
            // Before a host ends it makes everything durable.
            self.durable = emits;
        } else if self.manner.commit > 0 && emits - self.durable >= self.manner.commit {
            self.commit();
        }
        !self.finished
    }

    /// Makes everything durable.
    pub fn commit(&mut self) {
        if self.durable < self.emits.len() as u64 {
            self.durable = self.emits.len() as u64;
            self.step(Outcome::Durable(self.durable));
        }
    }

    /// Turns until it is over or `enough` says so.
    pub fn run(&mut self, cloud: &mut dyn Cloud, mut enough: impl FnMut(&Self) -> bool) {
        while !enough(self) && self.turn(cloud) {}
    }

    /// Turns until the clock stands there.
    pub fn run_until(&mut self, cloud: &mut dyn Cloud, now_ms: i64) {
        self.run(cloud, |host| host.now_ms >= now_ms);
    }

    /// Says that it could not get something through.
    pub fn abandon(&mut self, about: &str) {
        self.step(Outcome::Abandoned(about.to_owned()));
    }

    fn step(&mut self, outcome: Outcome) {
        self.steps += 1;
        assert!(self.steps < MOST_STEPS, "no end after {MOST_STEPS} steps");
        self.note_outcome(&outcome);
        self.due_ms = None;
        let actions = self.session.step(outcome);
        let mut bytes = 0;
        for action in actions {
            assert!(self.due_ms.is_none() && !self.finished, "an action behind the last one: {action:?}");
            self.note_action(&action);
            match action {
                Action::Fetch(request) => self.fetch(request),
                Action::Emit(emitted) => {
                    check_emit(&emitted);
                    bytes += emitted.data.len();
                    self.emits.push(emitted);
                }
                Action::Gap(gap) => self.gaps.push(gap),
                Action::Note(note) => self.notes.push(note),
                Action::State(state) => self.states.push(state),
                Action::Wait(ms) => self.due_ms = Some(self.now_ms + i64::from(ms)),
                Action::Finish => self.finished = true,
                Action::Checked(check) => self.checks.push(check),
                Action::ListFiles(..) | Action::ReadFile { .. } => panic!("a network session reads no files"),
            }
        }
        self.largest = self.largest.max(bytes);
        assert!(self.finished || self.due_ms.is_some() || !self.open.is_empty(), "the session wants nothing");
    }

    fn fetch(&mut self, request: Request) {
        assert!(self.open.len() < MOST_OPEN, "too many requests are open");
        assert!(self.open.iter().all(|open| open.id != request.id), "a number that is in use");
        assert!(request.path.starts_with('/') && request.max_body > 0);
        self.requests += 1;
        self.open.push(request);
    }

    /// The latest value of every key, as of so many emits; those that were forgotten are not there.
    pub fn checkpoints(&self, emits: u64) -> Vec<Checkpoint> {
        let mut latest: BTreeMap<String, Vec<u8>> = self.before.iter().cloned().collect();
        for (key, value) in self.emits[..emits as usize].iter().flat_map(|e| e.checkpoints.clone()) {
            latest.insert(key, value);
        }
        latest.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// The checkpoints that are durable.
    pub fn stored(&self) -> Vec<Checkpoint> {
        self.checkpoints(self.durable)
    }

    /// Frames of the first so many emits: origin and bytes.
    pub fn frames(&self, emits: u64) -> Vec<(String, Vec<u8>)> {
        self.emits[..emits as usize].iter().flat_map(frames_of).map(|(origin, bytes, _)| (origin, bytes)).collect()
    }

    fn note_outcome(&mut self, outcome: &Outcome) {
        if self.transcript.len() > MOST_TRANSCRIPT {
            return;
        }
        let line = match outcome {
            Outcome::Responded(r) => {
                let headers: Vec<_> = r.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                format!("#{} {} [{}] {} B", r.id, r.status, headers.join(", "), r.body.len())
            }
            Outcome::Unanswered(f) => format!("#{} {:?} {} B", f.id, f.fault, f.body.len()),
            Outcome::Started(ms) | Outcome::Woke(ms) => format!("at +{} ms", ms - START_MS),
            other => format!("{other:?}").to_lowercase(),
        };
        writeln!(self.transcript, "{line}").unwrap();
    }

    fn note_action(&mut self, action: &Action) {
        if self.transcript.len() > MOST_TRANSCRIPT {
            return;
        }
        let line = match action {
            Action::Fetch(r) => shown_request(r),
            Action::Emit(emitted) => shown_emit(emitted),
            other => format!("{other:?}"),
        };
        writeln!(self.transcript, "    {line}").unwrap();
    }
}

fn said(request: &Request, reply: Reply, now_ms: i64) -> Outcome {
    match reply {
        Reply::Answer(_, headers, body) if body.len() > request.max_body as usize => {
            let body = body[..request.max_body as usize].to_vec();
            let why = "longer than asked for".to_owned();
            let id = request.id;
            Outcome::Unanswered(Failure { id, now_ms, fault: Fault::TooLarge, why, status: 200, headers, body })
        }
        Reply::Answer(status, headers, body) => {
            Outcome::Responded(Response { id: request.id, now_ms, status, headers, body })
        }
        Reply::Nothing(fault, body) => said(request, Reply::Part(fault, 0, Vec::new(), body), now_ms),
        Reply::Part(fault, status, headers, body) => {
            let why = format!("{fault:?} on purpose");
            Outcome::Unanswered(Failure { id: request.id, now_ms, fault, why, status, headers, body })
        }
    }
}

fn shown_request(r: &Request) -> String {
    let query: Vec<_> = r.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let shown = ["range", "if-match", "accept-encoding"];
    let headers = r.headers.iter().filter(|(name, _)| shown.contains(&name.as_str()));
    let headers: String = headers.map(|(name, value)| format!(" {name}: {value}")).collect();
    let body = String::from_utf8_lossy(&r.body);
    let renew = if r.renew { " renew" } else { "" };
    format!("#{} {} {}{} ?{}{headers} {body}{renew}", r.id, r.method, r.endpoint, r.path, query.join("&"))
}

fn shown_emit(emitted: &Emitted) -> String {
    let mut out = format!("emit {} +{}", emitted.origin, emitted.input_bytes);
    for (_, bytes, fault) in frames_of(emitted) {
        let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        let text = if text.len() > 100 { format!("{} B", bytes.len()) } else { text };
        write!(out, "\n        {text}{}", fault.map(|f| format!(" {f:?}")).unwrap_or_default()).unwrap();
    }
    for (key, value) in &emitted.checkpoints {
        write!(out, "\n        {key} = {}", String::from_utf8_lossy(value)).unwrap();
    }
    out
}

/// Frames of an emit: origin, bytes, fault.
pub fn frames_of(emitted: &Emitted) -> Vec<(String, Vec<u8>, Option<innertrail_plugin::transform::batch::Fault>)> {
    let mut start = 0;
    let piece = |frame: &innertrail_plugin::transform::batch::Frame| {
        let bytes = emitted.data[start..frame.end as usize].to_vec();
        start = frame.end as usize;
        (emitted.origin.clone(), bytes, frame.fault)
    };
    emitted.frames.iter().map(piece).collect()
}

fn check_emit(emitted: &Emitted) {
    assert_eq!(emitted.frames.last().map_or(0, |f| f.end as usize), emitted.data.len());
    assert!(emitted.frames.is_sorted_by_key(|frame| frame.end));
    assert!(emitted.input_bytes >= emitted.data.len() as u64);
    assert!(!emitted.checkpoints.is_empty(), "an emit without a position");
}
