//! One request from asking to answer: sign, send, mend, repeat.
//!
//! It must never hand a credential on: refusals are scrubbed before anyone else sees them.

use std::sync::Arc;

use super::Shared;
use super::retry::{Effort, retry_after};
use super::upload::{Opened, Payload};
use super::verdict::{Mend, mend};
use crate::credentials::Keys;
use crate::endpoint::{Endpoint, Service};
use crate::policy;
use crate::request::{Failure, Fault, Request, Response, Signer};
use crate::scrub::{self, Scrub};
use crate::sign::{self, Draft};
use crate::wire::{Answer, Body, Broken, Exchange, Partial, header};

/// A server's clock is followed only from this far on; `Date` is too coarse for less.
const SKEW_FOLLOWED_MS: i64 = 30_000;

/// How the last try ended.
enum Outcome {
    Answered(Answer, Option<Signed>),
    Broken(Broken),
}

/// What a try was signed with.
struct Signed {
    keys: Arc<Keys>,
    /// What was added to the clock, milliseconds.
    correction: i64,
}

/// What is still to be mended; each once a request.
struct Mendable {
    clock: bool,
    keys: bool,
}

/// Carries one request out.
pub(super) fn perform(shared: &Shared, request: &Request) -> Result<Response, Failure> {
    let refused = |why: String| failure(shared, request, Fault::Refused, &why);
    let endpoint = shared.endpoints.get(&request.endpoint).ok_or_else(|| {
        refused(format!("no endpoint `{}` is configured for this source", scrub::plain(&request.endpoint, 80)))
    })?;
    policy::check(request, endpoint, shared.config.max_body).map_err(refused)?;
    carry_out(shared, request, endpoint, Payload::Own)
}

/// The same for a request that was made in this crate, and that no component has a say in.
pub(super) fn perform_unchecked(shared: &Shared, request: &Request) -> Result<Response, Failure> {
    perform_upload(shared, request, Payload::Own)
}

/// The same, with a body that may be a file.
pub(super) fn perform_upload(shared: &Shared, request: &Request, payload: Payload<'_>) -> Result<Response, Failure> {
    let unknown = || failure(shared, request, Fault::Refused, "no such endpoint is configured for this source");
    let endpoint = shared.endpoints.get(&request.endpoint).ok_or_else(unknown)?;
    carry_out(shared, request, endpoint, payload)
}

fn carry_out(
    shared: &Shared,
    request: &Request,
    endpoint: &Endpoint,
    payload: Payload<'_>,
) -> Result<Response, Failure> {
    let mut effort = Effort::new(&shared.config.retry, request.retries);
    let mut mendable = Mendable { clock: true, keys: true };
    loop {
        let outcome = attempt(shared, request, endpoint, payload)?;
        if mended(shared, request, &outcome, &mut mendable) {
            continue;
        }
        let Some(pause) = repeat(shared, &outcome, &mut effort) else {
            return finish(shared, request, outcome);
        };
        shared.count(|s| s.retries += 1);
        if !shared.gate.rest(pause) {
            return finish(shared, request, outcome);
        }
    }
}

/// The pause before another try, if another may help.
fn repeat(shared: &Shared, outcome: &Outcome, effort: &mut Effort<'_>) -> Option<std::time::Duration> {
    match outcome {
        Outcome::Broken(broken) if broken.fault.passes() => effort.pause(None),
        Outcome::Answered(answer, _) if matches!(answer.status, 429 | 500 | 502 | 503 | 504) => {
            effort.pause(answer.header("retry-after").and_then(|t| retry_after(t, &shared.clock)))
        }
        _ => None,
    }
}

fn attempt(shared: &Shared, request: &Request, endpoint: &Endpoint, payload: Payload<'_>) -> Result<Outcome, Failure> {
    let closed = || failure(shared, request, Fault::Reset, "the client is being closed");
    let signed = match request.signer {
        Signer::None => None,
        _ => Some(Signed { keys: keys(shared, request)?, correction: shared.correction(&request.endpoint) }),
    };
    if !shared.gate.token() {
        return Err(closed());
    }
    let unreadable = |e| failure(shared, request, Fault::Refused, &format!("the file to send cannot be read: {e}"));
    let opened = payload.open().map_err(unreadable)?;
    let mut draft = Draft::new(request, endpoint);
    if let Some(Signed { keys, correction }) = &signed {
        let seconds = (shared.clock.now_ms() + correction) / 1000;
        sign::sign(&mut draft, request.signer, endpoint, keys, seconds)
            .map_err(|e| failure(shared, request, Fault::Refused, &e.to_string()))?;
    }
    let (base, target) = (endpoint.url(), draft.target(matches!(endpoint.service(), Service::Oss { .. })));
    let exchange = Exchange {
        method: &request.method,
        base: &base,
        authority: &draft.host,
        target: &target,
        headers: &draft.headers,
        body: match &opened {
            Opened::Own => Body::Bytes(&request.body),
            Opened::File(file, size) => Body::File(file, *size),
        },
        max_body: u64::from(request.max_body),
    };
    let outcome = match shared.wire.send(&exchange) {
        Ok(answer) => Outcome::Answered(answer, signed),
        Err(broken) => Outcome::Broken(broken),
    };
    note(shared, request, payload.len(request), &outcome);
    if shared.gate.is_closed() {
        // A body cut by closing may look whole.
        return Err(closed());
    }
    Ok(outcome)
}

fn keys(shared: &Shared, request: &Request) -> Result<Arc<Keys>, Failure> {
    shared.credentials.get().map_err(|e| {
        shared.count(|s| *s.faults.entry(Fault::Credentials).or_default() += 1);
        failure(shared, request, Fault::Credentials, &e.to_string())
    })
}

/// Puts an outcome into the statistics, the server's clock included.
fn note(shared: &Shared, request: &Request, sent: u64, outcome: &Outcome) {
    let now = shared.clock.now_ms();
    shared.count(|stats| {
        stats.bytes_sent += sent;
        let endpoint = stats.endpoints.entry(request.endpoint.clone()).or_default();
        endpoint.tries += 1;
        match outcome {
            Outcome::Answered(answer, _) => {
                stats.bytes_received += answer.body.len() as u64;
                stats.throttled += u64::from(answer.status == 429);
                endpoint.last_status = Some(answer.status);
                endpoint.last_fault = None;
                endpoint.last_latency_ms = u64::try_from(answer.latency.as_millis()).ok();
                if let Some(date) = answer.date_ms() {
                    let skew = date.saturating_sub(now);
                    endpoint.clock_skew_ms = Some(skew);
                    if endpoint.clock_correction_ms != 0 {
                        endpoint.clock_correction_ms = followed(skew);
                    }
                }
            }
            Outcome::Broken(broken) => {
                stats.bytes_received += broken.received;
                *stats.faults.entry(broken.fault).or_default() += 1;
                endpoint.faults += 1;
                endpoint.last_fault = Some(broken.fault);
            }
        }
    });
}

/// Whether a refusal of the signature was mended, so that signing anew may help.
fn mended(shared: &Shared, request: &Request, outcome: &Outcome, mendable: &mut Mendable) -> bool {
    let Outcome::Answered(answer, Some(Signed { keys, correction })) = outcome else { return false };
    match mend(answer.status, &answer.body) {
        Some(Mend::Clock) if std::mem::take(&mut mendable.clock) => correct_clock(shared, request, answer, *correction),
        Some(Mend::Keys) if std::mem::take(&mut mendable.keys) => match shared.credentials.renew(keys) {
            Ok(fresh) if !Arc::ptr_eq(&fresh, keys) && !fresh.same(keys) => {
                shared.count(|s| s.key_renewals += 1);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

/// Takes the server's time over for this endpoint, if that changes what is signed.
fn correct_clock(shared: &Shared, request: &Request, answer: &Answer, used: i64) -> bool {
    let Some(date) = answer.date_ms() else { return false };
    let correction = followed(date.saturating_sub(shared.clock.now_ms()));
    if correction.saturating_sub(used).abs() < SKEW_FOLLOWED_MS {
        return false;
    }
    shared.count(|stats| {
        stats.clock_corrections += 1;
        stats.endpoints.entry(request.endpoint.clone()).or_default().clock_correction_ms = correction;
    });
    true
}

/// The correction for a skew: none once this machine's clock is right again.
fn followed(skew: i64) -> i64 {
    if skew.saturating_abs() >= SKEW_FOLLOWED_MS { skew } else { 0 }
}

fn finish(shared: &Shared, request: &Request, outcome: Outcome) -> Result<Response, Failure> {
    let now_ms = shared.clock.now_ms();
    match outcome {
        Outcome::Answered(answer, signed) => {
            let scrub = signed.map(|s| Scrub::of(&s.keys));
            Ok(Response {
                now_ms,
                status: answer.status,
                headers: answer.headers.into_iter().map(|(n, v)| (n, clean(scrub.as_ref(), v))).collect(),
                // What was asked for is data and stays as it is; what is a refusal may repeat what was signed.
                body: match &scrub {
                    Some(scrub) if !(200..300).contains(&answer.status) => scrub.bytes(answer.body),
                    _ => answer.body,
                },
            })
        }
        Outcome::Broken(broken) => {
            let mut failure = failure(shared, request, broken.fault, &broken.why);
            failure.received = broken.received;
            failure.body = broken.partial.and_then(|p| usable(request, p)).unwrap_or_default();
            Err(failure)
        }
    }
}

fn clean(scrub: Option<&Scrub>, value: String) -> String {
    match scrub {
        Some(scrub) => String::from_utf8_lossy(&scrub.bytes(value.into_bytes())).into_owned(),
        None => value,
    }
}

/// The part of a body that certainly begins where the request said.
fn usable(request: &Request, partial: Partial) -> Option<Vec<u8>> {
    let range = request.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case("range")).map(|(_, v)| v.as_str());
    let begins = match (partial.status, range) {
        (200, None) => true,
        (206, Some(range)) => {
            let asked = range.trim().strip_prefix("bytes=")?.split('-').next()?.parse::<u64>().ok()?;
            let given = header(&partial.headers, "content-range")?.trim().strip_prefix("bytes ")?.split('-').next()?;
            given.trim().parse() == Ok(asked)
        }
        _ => false,
    };
    begins.then_some(partial.body)
}

/// A failure that says where it happened.
pub(super) fn failure(shared: &Shared, request: &Request, fault: Fault, why: &str) -> Failure {
    let host = shared.endpoints.get(&request.endpoint).map(Endpoint::authority);
    let place = host.unwrap_or_else(|| scrub::plain(&request.endpoint, 80));
    let why = format!("{} at {place}: {}", scrub::plain(&request.method, 10), scrub::plain(why, 400));
    Failure { now_ms: shared.clock.now_ms(), fault, why, received: 0, body: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_used_only_where_it_certainly_begins() {
        let part = |range: Option<&str>, status: u16, given: Option<&str>| {
            let request = Request {
                id: 0,
                endpoint: String::new(),
                signer: Signer::None,
                method: "GET".to_owned(),
                path: "/".to_owned(),
                query: vec![],
                headers: range.map(|r| ("Range".to_owned(), r.to_owned())).into_iter().collect(),
                body: vec![],
                max_body: 0,
                retries: true,
            };
            let headers = given.map(|g| ("content-range".to_owned(), g.to_owned())).into_iter().collect();
            usable(&request, Partial { status, headers, body: b"part".to_vec() }).is_some()
        };
        assert!(part(None, 200, None));
        assert!(part(Some("bytes=100-199"), 206, Some("bytes 100-199/1000")));
        assert!(part(Some("bytes=100-"), 206, Some("bytes 100-999/1000")));
        assert!(!part(Some("bytes=100-199"), 200, None), "the range was ignored: this is the whole object");
        assert!(!part(Some("bytes=100-199"), 206, Some("bytes 0-99/1000")));
        assert!(!part(Some("bytes=100-199"), 206, None));
        assert!(!part(Some("bytes=-100"), 206, Some("bytes 900-999/1000")));
        assert!(!part(None, 500, None));
    }
}
