//! Strict local doubles of Log Service (SLS) and Object Storage Service (OSS), for tests: they verify every signature with
//! code that the product does not share, keep the service's rules, and misbehave on command. They listen on 127.0.0.1 only,
//! hold everything in memory, and must never be part of what is shipped.
//!
//! # In a test
//!
//! ```no_run
//! use innertrail_test_cloud::{Account, Cloud, Key, Load, TrailLoad, schedule};
//!
//! let cloud = Cloud::start().expect("a free port on the loopback address");
//! // SLS: 1,000,000 events of about 1.2 KB over two shards, made when they are pulled.
//! cloud.sls.create_project("demo", "cn-hangzhou");
//! cloud.sls.create_logstore("demo", "actiontrail_demo", 2);
//! cloud.sls.fill("demo", "actiontrail_demo", &Load { events: 1_000_000, seed: 7, ..Load::default() });
//! // 200 faults, one every three requests on average.
//! cloud.sls.faults().plan(schedule::schedule(7, 200, 3, &schedule::survivable_sls()));
//! // OSS: objects under ActionTrail's names.
//! cloud.oss.create_bucket("demo-audit", "cn-hangzhou");
//! cloud.oss.fill("demo-audit", &TrailLoad { events: 100_000, ..TrailLoad::default() });
//!
//! // Here the client under test runs: it connects to `cloud.sls.address()` and sends the Host
//! // `demo.cn-hangzhou.log.example.test`; to `cloud.oss.address()` with `demo-audit.oss-cn-hangzhou.example.test`;
//! // with the key `Key::reader()`.
//!
//! cloud.sls.set_account("demo", Account::Overdue); // and later: Account::Active, "paid"
//! cloud.oss.add_late("demo-audit", 20, None);
//! let arrived = cloud.sls.ids("demo", "actiontrail_demo"); // the oracle: ids by shard, in order of arrival
//! assert_eq!(cloud.sls.faults().fired().values().sum::<u64>(), 200);
//! ```
//!
//! # By hand
//!
//! `cargo run --release -p innertrail-test-cloud --bin cloud-double` prints one line of JSON with three addresses and serves
//! until its standard input ends. The third address takes commands: a POST of `{"do": …}`, see [`control::Command`]; the same
//! commands can be typed as lines.
//!
//! ```text
//! $ cloud-double
//! {"control":"127.0.0.1:40003","oss":"127.0.0.1:40002","sls":"127.0.0.1:40001"}
//! $ curl -d '{"do":"logstore","project":"demo","region":"cn-hangzhou","logstore":"actiontrail_demo","shards":2}' http://127.0.0.1:40003/
//! $ curl -d '{"do":"fill","project":"demo","logstore":"actiontrail_demo","load":{"events":10000}}' http://127.0.0.1:40003/
//! $ curl -d '{"do":"plan","server":"sls","entries":[{"fault":{"kind":"drop_mid_body"}}]}' http://127.0.0.1:40003/
//! $ curl -d '{"do":"report"}' http://127.0.0.1:40003/
//! ```
//!
//! A client that insists on a host name is brought here without touching the hosts file: `http_proxy=http://127.0.0.1:40001`
//! and any made-up endpoint. It then sends absolute-form requests, which the doubles take. With
//! `http://<project>.cn-hangzhou.log.example.test` every official SDK works that way.
//!
//! # What they hold to
//!
//! * SLS: signature 1 and 4, `Content-MD5` and `x-log-content-sha256` recomputed, dates within 15 minutes, the project from
//!   the first label of the host, cursors by arrival, pages of at most 10 MiB before compression and of at most `count`
//!   groups, never past `end_cursor`. Consumer groups give a shard to a consumer only when nobody else that is alive holds it.
//! * OSS: signature 4 in the header and nothing else, virtual-host style, ListObjectsV2, ranges as OSS serves them.
//! * Keys: [`Key::reader`], [`Key::writer`], [`Key::deleter`], [`Key::unauthorised`], [`Key::revoked`], [`Key::temporary`],
//!   [`Key::expired`].
//!
//! Not documented by the vendor, and chosen here: the code for an expired cursor (`ParameterInvalid`, or `InvalidCursor` by
//! [`Sls::expired_as_invalid_cursor`]), the codes of 429 and of OSS's 503, whether SLS signs an encoded path (either is let
//! in), and which bytes the size and MD5 in an object's name describe ([`Describes`]).

mod account;
pub mod client;
mod clock;
pub mod control;
pub mod fault;
mod front;
mod http;
mod keys;
mod oss;
pub mod schedule;
mod sign;
mod sls;
mod trail;

use std::io;
use std::sync::Arc;

pub use account::Account;
pub use clock::Clock;
pub use keys::{Key, Keys, Right, Validity};
pub use oss::{Body, Describes, Oss, OssSetup, TrailLoad};
pub use sls::proto;
pub use sls::{Group, Sls, SlsSetup};
pub use trail::{FIELD, Load, TOPIC};

/// How both doubles are set up.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The SLS double.
    pub sls: SlsSetup,
    /// The OSS double.
    pub oss: OssSetup,
}

/// Both doubles, with one clock and one set of keys. Dropping it ends them.
pub struct Cloud {
    /// The SLS double.
    pub sls: Sls,
    /// The OSS double.
    pub oss: Oss,
    /// Their clock, to set it wrong.
    pub clock: Arc<Clock>,
    /// Their keys, to revoke or renew one.
    pub keys: Arc<Keys>,
}

impl Cloud {
    /// Starts both on free ports.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start() -> io::Result<Self> {
        Self::start_with(&Setup::default())
    }

    /// Starts both as set up.
    ///
    /// # Errors
    /// When a port cannot be had.
    pub fn start_with(setup: &Setup) -> io::Result<Self> {
        let (clock, keys) = (Arc::new(Clock::default()), Arc::new(Keys::default()));
        Ok(Self {
            sls: Sls::start(&setup.sls, Arc::clone(&clock), Arc::clone(&keys))?,
            oss: Oss::start(&setup.oss, Arc::clone(&clock), Arc::clone(&keys))?,
            clock,
            keys,
        })
    }
}
