//! What both doubles do alike: request ids, dates, counting, and the faults that know nothing of logs or objects. It must
//! never look into a body.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::account::Account;
use crate::clock::{Clock, MOST_SKEW_MS, http_date};
use crate::fault::{Fault, Op, Phase};
use crate::http::{Delivery, Reply, Request, lock};
use crate::keys::Keys;
use crate::schedule::Faults;

/// An error of either service: status, code, message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}

/// The words of one service for troubles that both have.
pub(crate) struct Words {
    pub(crate) unavailable: &'static str,
    pub(crate) internal: &'static str,
    pub(crate) quota: (u16, &'static str),
}

/// Who asked what, and how that request is to be judged.
pub(crate) struct Judged {
    /// The time by which its date is judged and the answer dated.
    pub(crate) now_ms: i64,
    /// The state a fault has put the account into.
    pub(crate) state: Option<Account>,
}

/// The part of a server that stands before the service.
pub(crate) struct Front {
    pub(crate) clock: Arc<Clock>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) faults: Faults,
    words: Words,
    numbers: AtomicU64,
    imposed: Mutex<Option<(Account, u64)>>,
}

impl Front {
    pub(crate) fn new(clock: Arc<Clock>, keys: Arc<Keys>, words: Words) -> Self {
        Self { clock, keys, faults: Faults::default(), words, numbers: AtomicU64::new(1), imposed: Mutex::new(None) }
    }

    /// A request id: 24 upper-case hexadecimal digits.
    pub(crate) fn request_id(&self) -> String {
        format!(
            "{:024X}",
            0x6A00_0000_0000_0000_0000_0000_u128 + u128::from(self.numbers.fetch_add(1, Ordering::Relaxed))
        )
    }

    /// A fault that takes the place of the service, if one is due: an answer, or an error for the service to phrase.
    pub(crate) fn before(&self, op: Op, request: &Request) -> Option<Result<Reply, (Refusal, Option<u64>)>> {
        let refuse = |status, code, message: &str| Some(Err((Refusal::new(status, code, message), None)));
        match self.faults.take(op, Phase::Before, |_| true)? {
            Fault::Reset => {
                let mut reply = Reply::new(200);
                reply.delivery = Delivery::Reset;
                Some(Ok(reply))
            }
            Fault::Garbage => {
                let mut reply = Reply::new(200);
                reply.delivery = Delivery::Raw(b"\x16\x03\x01\x02\x00 this is not HTTP\r\n\r\n".to_vec());
                Some(Ok(reply))
            }
            Fault::Unavailable => refuse(503, self.words.unavailable, "The server is busy, please try again later."),
            Fault::Internal => refuse(500, self.words.internal, "Internal server error."),
            Fault::Quota => refuse(self.words.quota.0, self.words.quota.1, "The quota is exceeded."),
            Fault::TooMany { retry_after } => {
                Some(Err((Refusal::new(429, "TooManyRequests", "Too many requests."), Some(retry_after))))
            }
            Fault::Redirect { to } => {
                let to = format!("{to}?from={}", request.raw_path.trim_start_matches('/'));
                Some(Ok(Reply::new(302).with_header("Location", to)))
            }
            Fault::Html { status } => {
                let page = "<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>\n";
                Some(Ok(Reply::new(status).with_header("Content-Type", "text/html").with_body(page)))
            }
            Fault::Empty { status } => Some(Ok(Reply::new(status))),
            _ => None,
        }
    }

    /// The time and the account state that this request is to be judged by.
    pub(crate) fn judge(&self, op: Op) -> Judged {
        let mut now_ms = self.clock.now_ms();
        match self.faults.take(op, Phase::Judge, |_| true) {
            Some(Fault::Skew { ms }) => now_ms += ms,
            Some(Fault::State { state, requests }) => *lock(&self.imposed) = Some((state, requests.max(1))),
            _ => {}
        }
        let mut imposed = lock(&self.imposed);
        let state = imposed.map(|(state, _)| state);
        *imposed = imposed.and_then(|(state, left)| (left > 1).then(|| (state, left - 1)));
        Judged { now_ms, state }
    }

    /// Whether a date differs too much from the server's.
    pub(crate) fn skewed(date_ms: i64, judged: &Judged) -> bool {
        (date_ms - judged.now_ms).abs() > MOST_SKEW_MS
    }

    /// Does to a good answer what is due; `pad` is what an endless body goes on with.
    pub(crate) fn after(&self, op: Op, reply: &mut Reply, pad: u8) {
        let length = reply.range.len();
        if length < 2 || !matches!(reply.status, 200 | 206) {
            return;
        }
        let generic = |fault: &Fault| {
            matches!(
                fault,
                Fault::DropMidBody | Fault::Drip { .. } | Fault::Endless { .. } | Fault::Corrupt | Fault::Short
            )
        };
        match self.faults.take(op, Phase::After, generic) {
            Some(Fault::DropMidBody) => reply.delivery = Delivery::CutAt(length / 2),
            Some(Fault::Drip { bytes, pause_ms, pieces }) => {
                reply.delivery = Delivery::Drip { bytes, pause: Duration::from_millis(pause_ms), pieces };
            }
            Some(Fault::Endless { announced, most }) => {
                reply.delivery = Delivery::Endless { announced: announced.then_some(1 << 62), pad, most };
            }
            Some(Fault::Corrupt) => {
                let mut bytes = reply.bytes().to_vec();
                bytes[length / 2] ^= 0x20;
                *reply = reply.clone().with_shared(Arc::new(bytes));
            }
            Some(Fault::Short) => reply.range.end -= length.div_ceil(3),
            _ => {}
        }
    }

    /// The headers that every answer has.
    pub(crate) fn sign_off(reply: &mut Reply, id_header: &str, id: &str, server: &str, now_ms: i64) {
        reply.set_header("Server", server);
        reply.set_header("Date", http_date(now_ms));
        reply.set_header(id_header, id);
    }
}
