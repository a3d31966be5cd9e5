//! The OSS double: virtual-host style only, header signatures of version 4 only, errors in XML. It must never answer a
//! call before its signature was verified.

mod auth;
mod bucket;
mod fill;
mod handle;
mod list;
mod mischief;
mod object;

use std::collections::BTreeMap;
use std::sync::Mutex;

pub use fill::{Body, Describes, TrailLoad};
pub use handle::{Oss, OssSetup};

use bucket::Bucket;

use crate::fault::{Fault, Op, Phase};
use crate::front::{Front, Judged, Refusal};
use crate::http::{Reply, Request, Service, lock};

/// The shared part of an OSS double.
pub(crate) struct Inner {
    pub(crate) front: Front,
    buckets: Mutex<BTreeMap<String, Bucket>>,
    /// Custom domains and the buckets bound to them.
    domains: Mutex<BTreeMap<String, String>>,
}

/// Text made safe for XML; what XML 1.0 cannot hold becomes a numeric reference, as OSS writes it.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if (c as u32) < 0x20 => out.push_str(&format!("&#{};", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// An XML answer.
fn xml(body: String) -> Reply {
    Reply::new(200).with_header("Content-Type", "application/xml").with_body(body)
}

fn error(refusal: &Refusal, request: Option<&Request>, id: &str, detail: &str) -> Reply {
    let host = request.map(|request| request.header("host").unwrap_or_default()).unwrap_or_default();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n  <Code>{}</Code>\n  <Message>{}</Message>\n  \
         <RequestId>{id}</RequestId>\n  <HostId>{}</HostId>\n{detail}</Error>\n",
        refusal.code,
        escape(&refusal.message),
        escape(host),
    );
    Reply { status: refusal.status, ..xml(body) }
}

/// Whom the host names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Addressed {
    /// A bucket, and the endpoint by which it was named (empty for a custom domain).
    Bucket(String, String),
    /// The service itself: an endpoint or an IP address.
    Service,
}

/// Whether a name is an endpoint of OSS: `oss-<region>…`.
fn is_endpoint(host: &str) -> bool {
    host.starts_with("oss-") && host.contains('.')
}

fn classify(request: &Request) -> Op {
    let has = |name| request.parameter(name).is_some();
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") if has("bucketInfo") => Op::GetBucketInfo,
        ("GET", "/") if has("location") => Op::GetBucketLocation,
        ("GET", "/") if request.parameter("list-type") == Some("2") => Op::ListObjects,
        (_, "/") => Op::Unknown,
        ("GET", _) => Op::GetObject,
        ("HEAD", _) => Op::HeadObject,
        ("PUT", _) => Op::PutObject,
        ("DELETE", _) => Op::DeleteObject,
        _ => Op::Unknown,
    }
}

/// A refusal with more elements for its XML.
struct Denial(Refusal, String);

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self(refusal, String::new())
    }
}

impl Inner {
    fn addressed(&self, request: &Request) -> Addressed {
        let host = request.host().to_ascii_lowercase();
        if let Some(bucket) = lock(&self.domains).get(&host) {
            return Addressed::Bucket(bucket.clone(), String::new());
        }
        match host.split_once('.') {
            Some((bucket, endpoint)) if is_endpoint(endpoint) => {
                Addressed::Bucket(bucket.to_owned(), endpoint.to_owned())
            }
            _ => Addressed::Service,
        }
    }

    fn with_bucket<T>(&self, name: &str, with: impl FnOnce(&mut Bucket) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut buckets = lock(&self.buckets);
        let bucket = buckets
            .get_mut(name)
            .ok_or_else(|| Refusal::new(404, "NoSuchBucket", "The specified bucket does not exist."))?;
        with(bucket)
    }

    /// Everything up to the answer of a request that no fault has taken.
    fn answer(&self, request: &Request, op: Op, judged: &Judged) -> Result<Reply, Denial> {
        let Addressed::Bucket(name, endpoint) = self.addressed(request) else {
            return Err(service_refusal(request).into());
        };
        let facts = self.with_bucket(&name, |bucket| Ok((bucket.region.clone(), bucket.account, bucket.endpoints())));
        let region = facts.as_ref().ok().map(|(region, ..)| region.clone());
        let key = self.authenticate(request, &name, region.as_deref(), judged)?;
        let (_, account, endpoints) = facts?;
        if let Some((status, code, message)) = judged.state.unwrap_or(account).oss_error() {
            return Err(Refusal::new(status, code, message).into());
        }
        if !endpoint.is_empty() && !endpoints.contains(&endpoint) {
            let message = "The bucket you are attempting to access must be addressed using the specified endpoint. \
                           Please send all future requests to this endpoint.";
            let detail = format!("  <Bucket>{name}</Bucket>\n  <Endpoint>{}</Endpoint>\n", endpoints[0]);
            return Err(Denial(Refusal::new(403, "AccessDenied", message), detail));
        }
        auth::authorise(&key, op)?;
        self.disturb(request, op, &name);
        Ok(self.dispatch(request, op, &name)?)
    }

    fn dispatch(&self, request: &Request, op: Op, bucket: &str) -> Result<Reply, Refusal> {
        match op {
            Op::ListObjects => self.list(request, bucket),
            Op::GetObject | Op::HeadObject => self.get_object(request, bucket),
            Op::PutObject => self.put_object(request, bucket),
            Op::DeleteObject => self.delete_object(request, bucket),
            Op::GetBucketInfo => self.bucket_info(bucket),
            Op::GetBucketLocation => self.bucket_location(bucket),
            _ => Err(Refusal::new(501, "NotImplemented", "A header or a query you provided is not implemented here.")),
        }
    }

    /// The faults that make objects appear before the answer.
    fn disturb(&self, request: &Request, op: Op, bucket: &str) {
        let able = |_: &Fault| true;
        match self.front.faults.take(op, Phase::State, able) {
            Some(Fault::LateObject { events }) => {
                let behind = request.path.strip_prefix('/').filter(|key| !key.is_empty()).map(str::to_owned);
                let behind = behind.or_else(|| list::position(request));
                self.add_late(bucket, events, behind.as_deref());
            }
            Some(Fault::FlawedObject { flaw, events }) => {
                self.add_next(bucket, events, Some(flaw));
            }
            _ => {}
        }
    }
}

fn service_refusal(request: &Request) -> Refusal {
    if request.path == "/" {
        return Refusal::new(403, "AccessDenied", "Listing buckets is not allowed here.");
    }
    let message = "Please use virtual hosted style to access.";
    Refusal::new(403, "SecondLevelDomainForbidden", message)
}

impl Service for Inner {
    fn reply(&self, request: &Request) -> Reply {
        let op = classify(request);
        self.front.faults.arrived(op);
        let judged = self.front.judge(op);
        let id = self.front.request_id();
        let mut reply = match self.front.before(op, request) {
            Some(Ok(reply)) => reply,
            Some(Err((refusal, retry_after))) => {
                let mut reply = error(&refusal, Some(request), &id, "");
                if let Some(seconds) = retry_after {
                    reply.set_header("Retry-After", seconds.to_string());
                }
                reply
            }
            None => match self.answer(request, op, &judged) {
                Ok(mut reply) => {
                    self.spoil(request, op, &mut reply);
                    reply
                }
                Err(Denial(refusal, detail)) => error(&refusal, Some(request), &id, &detail),
            },
        };
        Front::sign_off(&mut reply, "x-oss-request-id", &id, "AliyunOSS", judged.now_ms);
        reply
    }

    fn malformed(&self, status: u16, why: &str) -> Reply {
        let id = self.front.request_id();
        let code = if status == 411 { "MissingContentLength" } else { "InvalidArgument" };
        let mut reply = error(&Refusal::new(status, code, why), None, &id, "");
        Front::sign_off(&mut reply, "x-oss-request-id", &id, "AliyunOSS", self.front.clock.now_ms());
        reply
    }
}
