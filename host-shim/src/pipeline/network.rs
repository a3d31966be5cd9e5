//! A source that reads the network: its client, what it asked for, what has arrived, and what becomes of an answer on
//! which the component fails.
//!
//! It must never wait for the network, never hold more bytes of answers than [`BUDGET`], and never lose the bytes of an
//! answer that the component cannot be given.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use innertrail_fetch::{Client, ConfigError, Credentials, Done, Request, Signer};
use innertrail_logstore::Store;

use super::meter::Meter;
use super::{Event, Pipeline, PipelineError};
use crate::clock;
use crate::fetch::cloud::Plan;
use crate::notice::Notice;
use crate::running::{Answer, Arrived, Next, Running};
use crate::runtime::wit::source::{Gap, HttpRequest, Signer as Wanted};
use crate::runtime::wit::transform::Fault;
use crate::runtime::{CallError, Poisoned};
use crate::status::REASON;

/// Most bytes that all open requests of a source may bring. What would go beyond waits, one request excepted.
const BUDGET: u64 = 48 << 20;

/// Requests that bring no more than this never wait: signs of life to a consumer group are among them.
const SMALL: u32 = 1 << 20;

/// How often a forwarder looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// Answers handed in one at a time without a failure, after which a session gets several at once again.
const TRUSTED_AGAIN: u32 = 32;

/// Bytes of an abandoned answer that go into one quarantine record.
const PIECE: usize = 1 << 20;

/// A request that was sent and whose answer the session was not given yet.
struct Open {
    about: String,
    max_body: u32,
}

/// The network side of one source.
pub(crate) struct Network {
    plan: Plan,
    credentials: Credentials,
    client: Arc<Client>,
    /// Tells the answers of this client from those of one that was given up.
    generation: u64,
    place: usize,
    events: Sender<Event>,
    closed: Arc<AtomicBool>,
    open: BTreeMap<u64, Open>,
    held: VecDeque<Request>,
    arrived: VecDeque<Done>,
    /// Set: the session gets one answer at a time, and so many went well.
    careful: Option<u32>,
}

impl Network {
    /// Sets the client of a source up; it connects to nothing yet.
    pub(super) fn new(plan: Plan, place: usize, events: Sender<Event>) -> Result<Self, ConfigError> {
        let credentials = plan.credentials()?;
        let client = Arc::new(plan.client(credentials.clone())?);
        let network = Self {
            plan,
            credentials,
            client,
            generation: next_generation(),
            place,
            events,
            closed: Arc::default(),
            open: BTreeMap::new(),
            held: VecDeque::new(),
            arrived: VecDeque::new(),
            careful: None,
        };
        network.forward();
        Ok(network)
    }

    /// The client, for its counters.
    pub(super) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client)
    }

    /// How many requests the session may have open, if it is not the configured number.
    pub(super) fn max_in_flight(&self) -> Option<u32> {
        self.careful.map(|_| 1)
    }

    /// Gives up everything that is under way and begins with a client of its own; the session is another one.
    fn begin_anew(&mut self) -> Result<(), ConfigError> {
        self.closed.store(true, Ordering::Relaxed);
        self.closed = Arc::default();
        self.client = Arc::new(self.plan.client(self.credentials.clone())?);
        self.generation = next_generation();
        self.open.clear();
        self.held.clear();
        self.arrived.clear();
        self.forward();
        Ok(())
    }

    /// Has what arrives put into the pipeline's events by a thread, which ends with this client.
    fn forward(&self) {
        let (client, closed) = (Arc::clone(&self.client), Arc::clone(&self.closed));
        let (events, place, generation) = (self.events.clone(), self.place, self.generation);
        let loops = move || {
            while !closed.load(Ordering::Relaxed) {
                if let Some(done) = client.next(LOOK)
                    && events.send(Event::Answer { place, generation, done }).is_err()
                {
                    return;
                }
            }
        };
        // Without a thread nothing would ever arrive; `arrive` then looks itself, at every turn.
        let _ = thread::Builder::new().name("answers".to_owned()).spawn(loops);
    }

    /// Takes an answer in.
    pub(super) fn arrive(&mut self, generation: u64, done: Done) {
        if generation == self.generation && self.open.contains_key(&done.0) {
            self.arrived.push_back(done);
        }
    }

    /// The next answer for the session.
    fn next(&mut self) -> Option<Answer> {
        let (id, result) = self.arrived.pop_front()?;
        let open = self.open.remove(&id)?;
        self.send_held();
        let arrived = Arrived { id, about: open.about };
        Some(match result {
            Ok(response) => Answer::Responded(arrived, Box::new(response)),
            Err(failure) => Answer::Unanswered(arrived, Box::new(failure)),
        })
    }

    /// Sends a request, or keeps it until there is room for its answer.
    pub(super) fn ask(&mut self, asked: HttpRequest) {
        let (about, renew) = (asked.about.clone(), asked.renew);
        let request = request(asked);
        self.open.insert(request.id, Open { about, max_body: request.max_body });
        if renew {
            self.renew_and_send(request);
        } else {
            self.held.push_back(request);
            self.send_held();
        }
    }

    /// Sends what there is room for. Small ones pass the large ones that wait.
    fn send_held(&mut self) {
        let mut waiting = VecDeque::new();
        let held: u64 = self.held.iter().map(|r| u64::from(r.max_body)).sum();
        let mut taken = self.open.values().map(|o| u64::from(o.max_body)).sum::<u64>().saturating_sub(held);
        for request in std::mem::take(&mut self.held) {
            let brings = u64::from(request.max_body);
            let fits = waiting.is_empty() && (taken == 0 || taken + brings <= BUDGET);
            if request.max_body <= SMALL || fits {
                taken += brings;
                // An id that is in flight already was refused by the contract's check.
                let _ = self.client.submit(request);
            } else {
                waiting.push_back(request);
            }
        }
        self.held = waiting;
    }

    /// Gets new credentials before the request is signed. That may take a while, and nothing here may wait.
    fn renew_and_send(&self, request: Request) {
        let client = Arc::clone(&self.client);
        let sent = thread::Builder::new().name("renew".to_owned()).spawn({
            let request = request.clone();
            move || {
                // Whether there are none is told by the request, which finds none to sign with.
                let _ = client.credentials().refresh();
                let _ = client.submit(request);
            }
        });
        if sent.is_err() {
            let _ = self.client.submit(request);
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

/// No two clients of this process have the same.
fn next_generation() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The request as the client takes it. What it may not ask for, the client refuses.
fn request(asked: HttpRequest) -> Request {
    let pair = |header: crate::runtime::wit::source::HeaderResult| (header.name, header.value);
    Request {
        id: asked.id,
        endpoint: asked.endpoint,
        signer: match asked.signer {
            Wanted::None => Signer::None,
            Wanted::Sls1 => Signer::Sls1,
            Wanted::Sls4 => Signer::Sls4,
            Wanted::Oss4 => Signer::Oss4,
        },
        method: asked.method,
        path: asked.path,
        query: asked.query.into_iter().map(pair).collect(),
        headers: asked.headers.into_iter().map(pair).collect(),
        body: asked.body,
        max_body: asked.max_body,
        retries: asked.retries,
    }
}

/// When a wait of so many milliseconds ends: up to a tenth later, so that many who began at once do not ask at once.
pub(super) fn wake_at(ms: u32) -> Instant {
    let mut random = [0; 4];
    // Without randomness there is no jitter, which is no reason to fail.
    let share = getrandom::fill(&mut random).map_or(0, |()| u32::from_le_bytes(random));
    let more = u64::from(ms) * u64::from(share) / u64::from(u32::MAX) / 10;
    Instant::now() + Duration::from_millis(u64::from(ms) + more)
}

impl Pipeline {
    /// What a session of the network is told next, if anything.
    pub(super) fn network_ready(&mut self, source: &mut Running) -> Option<Answer> {
        let network = source.network.as_mut()?;
        let emits = self.emits.entry(source.name.clone()).or_default();
        if emits.durable > emits.told {
            emits.told = emits.durable;
            return Some(Answer::Durable(emits.durable));
        }
        if let Some(answer) = network.next() {
            return Some(answer);
        }
        match source.next {
            Next::Wake(due) if due <= Instant::now() => Some(Answer::Woke),
            _ => None,
        }
    }

    /// After an answer went well: a session that was given one at a time gets several again, once enough did.
    pub(super) fn went_well(
        &mut self,
        source: &mut Running,
        answer: &Answer,
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        let Some(well) = source.network.as_mut().and_then(|network| network.careful.as_mut()) else { return Ok(()) };
        if matches!(answer, Answer::Responded(..)) {
            *well += 1;
        }
        if *well < TRUSTED_AGAIN || matches!(source.next, Next::Over) {
            return Ok(());
        }
        if let Some(network) = source.network.as_mut() {
            network.careful = None;
        }
        source.failed_at = None;
        self.settle(tell)?;
        self.reopen(source, Answer::Started)
    }

    /// The component failed. A fresh session begins behind what is durable, with one answer at a time; when it fails on
    /// the same answer again, that answer goes into quarantine raw and the session goes on behind it.
    pub(super) fn network_failed(
        &mut self,
        source: &mut Running,
        answer: Answer,
        error: CallError,
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        self.settle(tell)?;
        let careful = source.network.as_mut().and_then(|network| network.careful.replace(0)).is_some();
        let (about, bytes) = match answer {
            Answer::Responded(arrived, response) => (Some(arrived.about), response.body),
            Answer::Unanswered(arrived, failure) => (Some(arrived.about), failure.body),
            _ => (None, Vec::new()),
        };
        let again = careful && source.failed_at.as_ref() == Some(&about);
        if !again {
            let place = about.as_deref().map_or_else(String::new, |about| format!(" on {about}"));
            tell(Notice::Note(&source.name, format!("the component failed{place}: {error}; a fresh one tries again")));
            source.failed_at = Some(about);
            return self.reopen(source, Answer::Started);
        }
        let Some(about) = about else {
            return Err(PipelineError::Step { source_name: source.name.clone(), error });
        };
        tell(Notice::Note(
            &source.name,
            format!("{about}: the component fails on this answer; it goes to quarantine raw"),
        ));
        self.keep_raw(&source.name, &about, &bytes, &error);
        self.reopen(source, Answer::Abandoned(about))
    }

    /// A new session of the source, from what is durable, and a client without open requests.
    pub(super) fn reopen(&mut self, source: &mut Running, first: Answer) -> Result<(), PipelineError> {
        self.meter_all();
        let mut most = None;
        if let Some(network) = source.network.as_mut() {
            let begun = network.begin_anew();
            begun.map_err(|error| PipelineError::Network { source_name: source.name.clone(), error })?;
            self.meters.insert(source.name.clone(), Meter::new(network.client()));
            most = network.max_in_flight();
        }
        source.session = self.session(&source.name, most)?;
        source.next = Next::Step(Box::new(first));
        Ok(())
    }

    /// Keeps the bytes of an answer, piece by piece. The position behind it comes from the session, in the same transaction
    /// or a later one: a crash in between repeats the answer, and keeps it twice rather than not at all.
    fn keep_raw(&mut self, name: &str, about: &str, bytes: &[u8], error: &CallError) {
        let detail = error.to_string();
        for (place, piece) in bytes.chunks(PIECE).enumerate() {
            let poisoned = Poisoned {
                bytes: piece,
                source: name,
                origin: about,
                offset: (place * PIECE) as u64,
                fault: Fault::Poison,
                detail: &detail,
            };
            let (row, len) = (self.native.rows.poison(&poisoned), piece.len() as u64);
            self.txn.push(Store::Quarantine, &row, len);
            self.txn.count(&format!("{REASON}poison"), 1);
            self.count(name, "bytes_in", len);
            self.count(name, "records", 1);
        }
        self.count(name, "abandoned_answers", 1);
    }

    /// Logs that a source can never give any more: in the journal, counted, and told.
    pub(super) fn gap(&mut self, name: &str, gap: &Gap, tell: &mut dyn FnMut(Notice<'_>)) {
        self.custody.gap(&mut self.txn, name, gap, clock::now_us());
        self.count(name, "gaps", 1);
        tell(Notice::Note(name, format!("GAP in {}: {}; it is in the journal", gap.what, gap.why)));
    }
}
