//! The client: carries out what the source room asks for, so many requests at once and no more.
//!
//! It must never decide what to read, and never reach anything but its configured endpoints.

mod attempt;
mod config;
mod deletion;
mod rate;
mod retry;
mod stats;
mod trail;
mod upload;
mod verdict;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use config::{ClientConfig, RetryConfig};
pub use stats::{EndpointStats, Stats};
pub use trail::{Delivery, TrailStatus};

use crate::clock::Clock;
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::environment::Environment;
use crate::error::ConfigError;
use crate::request::{Failure, Fault, Request, Response};
use crate::wire::{Target, Wire};
use rate::Gate;

/// What a request came to, with its id.
pub type Done = (u64, Result<Response, Failure>);

/// An HTTP client for one source of events. Dropping it cuts what is under way.
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    config: ClientConfig,
    endpoints: BTreeMap<String, Endpoint>,
    credentials: Credentials,
    clock: Clock,
    wire: Wire,
    gate: Gate,
    stats: Mutex<Stats>,
    queue: Mutex<Queue>,
    /// Something to do, or nothing any more.
    asked: Condvar,
    /// Something is done.
    answered: Condvar,
}

#[derive(Default)]
struct Queue {
    asked: VecDeque<Request>,
    done: VecDeque<Done>,
    /// Asked for and not done yet.
    open: BTreeSet<u64>,
    workers: u32,
    idle: u32,
    closed: bool,
}

impl Client {
    /// A client for these endpoints, by the names that requests use. It connects to nothing yet.
    ///
    /// # Errors
    /// A configuration that cannot work.
    pub fn new(
        config: ClientConfig,
        endpoints: BTreeMap<String, Endpoint>,
        credentials: Credentials,
    ) -> Result<Self, ConfigError> {
        Self::with(config, endpoints, credentials, &Environment::process(), Clock::system())
    }

    /// The same with the caller's environment (for the proxy variables) and clock.
    ///
    /// # Errors
    /// A configuration that cannot work.
    pub fn with(
        config: ClientConfig,
        endpoints: BTreeMap<String, Endpoint>,
        credentials: Credentials,
        environment: &Environment,
        clock: Clock,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let targets: Vec<Target> = endpoints.values().map(target).collect();
        let wire = Wire::new(&config.wire, environment, &targets, config.max_in_flight as usize)?;
        let gate = Gate::new(config.max_in_flight, config.requests_per_second);
        let shared = Shared {
            config,
            endpoints,
            credentials,
            clock,
            wire,
            gate,
            stats: Mutex::default(),
            queue: Mutex::default(),
            asked: Condvar::new(),
            answered: Condvar::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Takes a request on; [`Self::next`] gives its answer. Requests wait in order while all places are taken.
    ///
    /// Returns false, and does nothing, if a request with this id is still in flight.
    #[must_use]
    pub fn submit(&self, request: Request) -> bool {
        let mut queue = self.shared.lock();
        if !queue.open.insert(request.id) {
            return false;
        }
        queue.asked.push_back(request);
        let short = (queue.idle as usize) < queue.asked.len() && queue.workers < self.shared.config.max_in_flight;
        if short && self.hire() {
            queue.workers += 1;
        }
        let nobody = queue.workers == 0;
        drop(queue);
        self.shared.asked.notify_one();
        if nobody {
            // No thread to be had: it is done here, late but surely.
            self.shared.work_off();
        }
        true
    }

    fn hire(&self) -> bool {
        let shared = Arc::clone(&self.shared);
        thread::Builder::new().name("fetch".to_owned()).spawn(move || shared.work()).is_ok()
    }

    /// The next answer, in the order in which they come; waits for one up to `timeout`.
    #[must_use]
    pub fn next(&self, timeout: Duration) -> Option<Done> {
        let end = Instant::now() + timeout;
        let mut queue = self.shared.lock();
        loop {
            if let Some(done) = queue.done.pop_front() {
                return Some(done);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            queue = self.shared.answered.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How many requests were submitted and are not done yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.lock().open.len()
    }

    /// Carries a request out on this thread; it takes one of the places.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn call(&self, request: &Request) -> Result<Response, Failure> {
        self.shared.perform(request)
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The credentials it signs with.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.shared.credentials
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.shared.config)
            .field("endpoints", &self.shared.endpoints)
            .field("credentials", &self.shared.credentials)
            .field("stats", &self.stats())
            .finish()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts what is under way and lets nothing new begin.
    fn close(&self) {
        self.lock().closed = true;
        self.gate.close();
        self.wire.shut_down();
        self.asked.notify_all();
    }

    fn count(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut self.stats.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What is added to the clock when signing for an endpoint, milliseconds.
    fn correction(&self, endpoint: &str) -> i64 {
        let stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        stats.endpoints.get(endpoint).map_or(0, |e| e.clock_correction_ms)
    }

    /// A worker's life.
    fn work(&self) {
        let mut queue = self.lock();
        while !queue.closed {
            match queue.asked.pop_front() {
                Some(request) => {
                    drop(queue);
                    self.do_one(&request);
                    queue = self.lock();
                }
                None => {
                    queue.idle += 1;
                    queue = self.asked.wait(queue).unwrap_or_else(PoisonError::into_inner);
                    queue.idle -= 1;
                }
            }
        }
        queue.workers -= 1;
    }

    /// Everything that is asked for, on this thread.
    fn work_off(&self) {
        loop {
            let Some(request) = self.lock().asked.pop_front() else { return };
            self.do_one(&request);
        }
    }

    fn do_one(&self, request: &Request) {
        let outcome = self.perform(request);
        let mut queue = self.lock();
        queue.open.remove(&request.id);
        queue.done.push_back((request.id, outcome));
        drop(queue);
        self.answered.notify_one();
    }

    /// One request, counted; it ends whatever happens.
    fn perform(&self, request: &Request) -> Result<Response, Failure> {
        self.counted(request, || attempt::perform(self, request))
    }

    /// What a request comes to, in one of the places.
    fn counted(
        &self,
        request: &Request,
        perform: impl FnOnce() -> Result<Response, Failure>,
    ) -> Result<Response, Failure> {
        self.count(|s| s.requests += 1);
        let outcome = match self.gate.place() {
            None => Err(attempt::failure(self, request, Fault::Reset, "the client is being closed")),
            // A panic below is a fault of the library; without this its request would never be answered.
            Some(_place) => catch_unwind(AssertUnwindSafe(perform)).unwrap_or_else(|_| {
                Err(attempt::failure(self, request, Fault::Protocol, "the HTTP library broke down; please report it"))
            }),
        };
        self.count(|s| match outcome {
            Ok(_) => s.responses += 1,
            Err(_) => s.failures += 1,
        });
        outcome
    }
}

fn target(endpoint: &Endpoint) -> Target {
    let secure = endpoint.is_secure();
    let port = endpoint.authority().rsplit_once(':').and_then(|(_, p)| p.parse().ok());
    Target {
        base: endpoint.url(),
        secure,
        host: endpoint.host().to_owned(),
        port: port.unwrap_or(if secure { 443 } else { 80 }),
        address: endpoint.address().map(str::to_owned),
        direct: false,
    }
}
