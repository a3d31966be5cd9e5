//! The OSS double as tests hold it: fill it, disturb it, ask it what it knows.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use super::Inner;
use super::bucket::{Bucket, Object};
use super::fill::{Body, Describes, Events, Place, TrailLoad, objects};
use crate::account::Account;
use crate::clock::Clock;
use crate::fault::{Flaw, Op};
use crate::front::{Front, Words};
use crate::http::{Server, lock};
use crate::keys::Keys;
use crate::schedule::Faults;

/// Seconds by which a late object lies behind the place it is late for.
const LATE_SECS: u64 = 30 * 60;

/// How an OSS double is set up.
#[derive(Clone, Debug, Default)]
pub struct OssSetup {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
}

/// A running OSS double; dropping it ends it.
pub struct Oss {
    server: Server,
    inner: Arc<Inner>,
}

impl Oss {
    /// Starts one.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub fn start(setup: &OssSetup, clock: Arc<Clock>, keys: Arc<Keys>) -> io::Result<Self> {
        let words = Words {
            unavailable: "ServiceUnavailable",
            internal: "InternalError",
            quota: (503, "DownloadTrafficRateLimitExceeded"),
        };
        let inner = Arc::new(Inner {
            front: Front::new(clock, keys, words),
            buckets: Mutex::default(),
            domains: Mutex::default(),
        });
        let server = Server::start(Arc::<Inner>::clone(&inner), setup.port)?;
        Ok(Self { server, inner })
    }

    /// Where it listens: connect here, with `<bucket>.oss-<region>.example.test` (or `.aliyuncs.com`, or a bound domain) as
    /// Host.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Connections accepted since the start.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.server.accepted()
    }

    /// The schedule of faults, the count of those that fired, and of the requests.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.inner.front.faults
    }

    /// Requests received, by operation.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<Op, u64> {
        self.faults().requests()
    }

    /// The keys it knows.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.inner.front.keys
    }

    /// Makes a bucket; one that is there already stays.
    pub fn create_bucket(&self, bucket: &str, region: &str) {
        let now = self.inner.front.clock.now_ms();
        lock(&self.inner.buckets).entry(bucket.to_owned()).or_insert_with(|| Bucket::new(region, now));
    }

    /// Binds a custom domain to a bucket.
    pub fn bind_domain(&self, domain: &str, bucket: &str) {
        lock(&self.inner.domains).insert(domain.to_ascii_lowercase(), bucket.to_owned());
    }

    fn with<T: Default>(&self, bucket: &str, with: impl FnOnce(&mut Bucket) -> T) -> T {
        lock(&self.inner.buckets).get_mut(bucket).map(with).unwrap_or_default()
    }

    /// Puts a bucket and its owner into an account state; [`Account::Active`] is "paid".
    pub fn set_account(&self, bucket: &str, account: Account) {
        self.with(bucket, |bucket| bucket.account = account);
    }

    /// Fills a bucket with the objects of a trail; gives their number.
    pub fn fill(&self, bucket: &str, load: &TrailLoad) -> u64 {
        let (now, mut made) = (self.inner.front.clock.now_ms(), Vec::new());
        objects(load, now, |key, object| made.push((key, object)));
        let count = made.len() as u64;
        self.with(bucket, |bucket| bucket.objects.extend(made));
        count
    }

    /// Puts any object under any key, without saying what is in it.
    pub fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) {
        let object = Object::new(bytes, self.inner.front.clock.now_ms(), Vec::new());
        self.with(bucket, |bucket| bucket.objects.insert(key.to_owned(), object).map(|_| ()).unwrap_or_default());
    }

    /// Adds the trail's next object, right after the newest, with a flaw or none; gives its key. Nothing without an object
    /// to follow.
    pub fn add_next(&self, bucket: &str, events: u64, flaw: Option<Flaw>) -> Option<String> {
        self.inner.add_next(bucket, events, flaw)
    }

    /// Adds an object that is late: half an hour behind `behind`, or behind the newest key; gives its key.
    pub fn add_late(&self, bucket: &str, events: u64, behind: Option<&str>) -> Option<String> {
        self.inner.add_late(bucket, events, behind)
    }

    /// Has a retention policy (WORM) keep every object of a bucket as it is.
    pub fn set_locked(&self, bucket: &str, locked: bool) {
        self.with(bucket, |bucket| bucket.locked = locked);
    }

    /// What clients have put, in the order of arrival; a key stands there as often as it was put.
    #[must_use]
    pub fn uploads(&self, bucket: &str) -> Vec<String> {
        self.with(bucket, |bucket| bucket.uploads.clone())
    }

    /// How many objects clients have overwritten.
    #[must_use]
    pub fn overwritten(&self, bucket: &str) -> u64 {
        self.with(bucket, |bucket| bucket.overwritten)
    }

    /// All objects, byte for byte.
    #[must_use]
    pub fn contents(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        self.with(bucket, |bucket| {
            bucket.objects.iter().map(|(key, object)| (key.clone(), object.bytes.to_vec())).collect()
        })
    }

    /// Removes an object, as a lifecycle rule or an intruder would.
    pub fn remove(&self, bucket: &str, key: &str) {
        self.with(bucket, |bucket| bucket.objects.remove(key).map(|_| ()).unwrap_or_default());
    }

    /// All keys, in order, and the number of generated events in each.
    #[must_use]
    pub fn keys_of(&self, bucket: &str) -> BTreeMap<String, usize> {
        self.with(bucket, |bucket| bucket.objects.iter().map(|(key, object)| (key.clone(), object.events())).collect())
    }

    /// The ids of the generated events, by key. A truncated object names those too that its missing part held.
    #[must_use]
    pub fn ids(&self, bucket: &str) -> BTreeMap<String, Vec<String>> {
        self.with(bucket, |bucket| {
            bucket.objects.iter().map(|(key, object)| (key.clone(), object.ids().collect())).collect()
        })
    }
}

impl Inner {
    /// Adds the object after the newest.
    pub(super) fn add_next(&self, bucket: &str, events: u64, flaw: Option<Flaw>) -> Option<String> {
        let newest = self.newest(bucket)?;
        let place = Place { time: newest.time + 1, ..newest };
        self.add(bucket, events, &place, flaw)
    }

    /// Adds an object half an hour behind a key, or behind the newest.
    pub(super) fn add_late(&self, bucket: &str, events: u64, behind: Option<&str>) -> Option<String> {
        let behind = behind.and_then(Place::read).or_else(|| self.newest(bucket))?;
        let place = Place { time: behind.time.saturating_sub(LATE_SECS), ..behind };
        self.add(bucket, events, &place, None)
    }

    fn newest(&self, bucket: &str) -> Option<Place> {
        let buckets = lock(&self.buckets);
        buckets.get(bucket)?.objects.keys().filter_map(|key| Place::read(key)).max_by_key(|place| place.time)
    }

    fn add(&self, bucket: &str, events: u64, place: &Place, flaw: Option<Flaw>) -> Option<String> {
        let now = self.front.clock.now_ms();
        let mut buckets = lock(&self.buckets);
        let bucket = buckets.get_mut(bucket)?;
        bucket.serial += 1;
        let events = Events::generated(0, bucket.serial, events, &place.account, place.time);
        let form = (Body::Lines, Describes::Stored);
        let (key, object) = events.object(&place.head, &place.region, form, flaw, now);
        bucket.objects.insert(key.clone(), object);
        Some(key)
    }
}
