//! One request, from its head to its answer: which name it uses, whose page asks, who looks, what answers.
//! It must never answer with anything of the Logstore before the token was looked at, or read a long body.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    COOKIE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, RETRY_AFTER, SERVER, SET_COOKIE,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::Problem;
use crate::assets::Asset;
use crate::calls::{CALLS, Call};
use crate::guard;
use crate::server::Shared;
use crate::session::{Given, LIFE};

/// Nothing but the console's own files and calls; its charts set sizes through the object model, which this does not touch.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// Bytes of a body at the most: a token.
const BODY: usize = 4 << 10;

type Answer = Response<Full<Bytes>>;

pub(crate) async fn answer(shared: &Arc<Shared>, request: Request<Incoming>, peer: IpAddr) -> Answer {
    let (parts, body) = request.into_parts();
    let is_head = parts.method == Method::HEAD;
    let mut response = match route(shared, &parts, body, peer).await {
        Ok(response) => response,
        Err(problem) => refusal(&problem),
    };
    guarded(response.headers_mut());
    if is_head {
        // hyper sends the length and not the body.
        let size = response.body().clone().into_inner_len();
        *response.body_mut() = Full::default();
        response.headers_mut().insert(hyper::header::CONTENT_LENGTH, HeaderValue::from(size));
    }
    response
}

/// How long a body is.
trait Length {
    fn into_inner_len(self) -> u64;
}

impl Length for Full<Bytes> {
    fn into_inner_len(self) -> u64 {
        hyper::body::Body::size_hint(&self).exact().unwrap_or(0)
    }
}

async fn route(shared: &Arc<Shared>, parts: &Parts, body: Incoming, peer: IpAddr) -> Result<Answer, Problem> {
    let host = shared.names.host(&parts.headers)?;
    let path = parts.uri.path();
    if !path.starts_with("/api/") {
        only(&parts.method, false)?;
        let asset = shared.assets.find(path).ok_or_else(|| Problem::missing("there is no such page"))?;
        return Ok(file(asset, &parts.headers));
    }
    let changes = parts.method == Method::POST;
    guard::own(&parts.headers, host, shared.secure, changes)?;
    match path {
        "/api/about" => {
            only(&parts.method, false)?;
            Ok(reply(StatusCode::OK, &about(shared, looks(shared, &parts.headers, peer).is_ok())))
        }
        "/api/login" => {
            only(&parts.method, true)?;
            login(shared, &parts.headers, body, peer).await
        }
        "/api/logout" => {
            only(&parts.method, true)?;
            Ok(logout(shared, &parts.headers))
        }
        _ => {
            let call = CALLS.iter().find(|call| call.path == path);
            let call = call.ok_or_else(|| Problem::missing("there is no such call"))?;
            only(&parts.method, call.post)?;
            looks(shared, &parts.headers, peer)?;
            asked(shared, call, parts.uri.query().unwrap_or_default()).await
        }
    }
}

/// `GET` and `HEAD`, or `POST`.
fn only(method: &Method, post: bool) -> Result<(), Problem> {
    let fits = if post { method == Method::POST } else { [Method::GET, Method::HEAD].contains(method) };
    let allowed = if post { "POST" } else { "GET, HEAD" };
    if fits { Ok(()) } else { Err(Problem::new(405, "method", format!("this address takes {allowed}"))) }
}

/// Whether who asks may look: a session, or the token itself.
fn looks(shared: &Shared, headers: &HeaderMap, peer: IpAddr) -> Result<(), Problem> {
    if !shared.sessions.wanted()
        || cookie(shared, headers).is_some_and(|id| shared.sessions.is_open(id, Instant::now()))
    {
        return Ok(());
    }
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let Some(token) = bearer else {
        return Err(Problem::new(401, "login", "log in, or send `Authorization: Bearer <token>`"));
    };
    given(shared, token, peer)
}

fn given(shared: &Shared, token: &[u8], peer: IpAddr) -> Result<(), Problem> {
    match shared.sessions.given(token, peer, Instant::now()) {
        Given::Right => Ok(()),
        Given::Wrong => Err(Problem::new(401, "token", "this is not the token")),
        Given::TooMany => Err(Problem::new(429, "guesses", "too many wrong tokens; wait a minute")),
    }
}

fn cookie<'a>(shared: &Shared, headers: &'a HeaderMap) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(shared.cookie.as_str())?.strip_prefix('='))
}

fn about(shared: &Shared, looks: bool) -> Value {
    let mut about = json!({"name": "innertrail", "login": shared.sessions.wanted(), "in": looks});
    if looks {
        about["version"] = env!("CARGO_PKG_VERSION").into();
        about["trail"] = shared.rooms.data.trail().into();
        about["data_dir"] = shared.rooms.data.folder().into();
    }
    about
}

async fn login(shared: &Arc<Shared>, headers: &HeaderMap, body: Incoming, peer: IpAddr) -> Result<Answer, Problem> {
    let bad = || Problem::parameter(format!("the body must be {{\"token\": …}}, of at most {BODY} bytes"));
    let read = Limited::new(body, BODY).collect();
    let read = tokio::time::timeout(shared.options.idle_time, read).await.map_err(|_| bad())?;
    let bytes = read.map_err(|_| bad())?.to_bytes();
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| bad())?;
    given(shared, value["token"].as_str().ok_or_else(bad)?.as_bytes(), peer)?;
    let opened = shared.sessions.open(Instant::now());
    let id = opened.map_err(|_| Problem::failed("the system gave no random numbers; try again"))?;
    Ok(with_cookie(shared, headers, (&id, LIFE.as_secs()), &about(shared, true)))
}

fn logout(shared: &Shared, headers: &HeaderMap) -> Answer {
    if let Some(id) = cookie(shared, headers) {
        shared.sessions.close(id);
    }
    with_cookie(shared, headers, ("", 0), &about(shared, !shared.sessions.wanted()))
}

fn with_cookie(shared: &Shared, headers: &HeaderMap, (id, seconds): (&str, u64), told: &Value) -> Answer {
    let secure = if shared.secure || guard::by_tls(headers) { "; Secure" } else { "" };
    let text = format!("{}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}", shared.cookie);
    let mut response = reply(StatusCode::OK, told);
    if let Ok(text) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(SET_COOKIE, text);
    }
    response
}

async fn asked(shared: &Arc<Shared>, call: &'static Call, query: &str) -> Result<Answer, Problem> {
    let (rooms, query) = (Arc::clone(&shared.rooms), query.to_owned());
    let told = shared.work.run(call.weight, shared.options.call_time, move || call.answer(&rooms, &query)).await??;
    Ok(reply(StatusCode::OK, &told))
}

fn reply(status: StatusCode, told: &Value) -> Answer {
    let mut response = Response::new(Full::new(told.to_string().into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refusal(problem: &Problem) -> Answer {
    let mut response = Response::new(Full::new(problem.json().into()));
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match problem.status {
        405 => {
            let allowed = if problem.message.ends_with("POST") { "POST" } else { "GET, HEAD" };
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        429 | 503 => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(if problem.status == 429 { "60" } else { "1" }));
        }
        _ => {}
    }
    response
}

fn file(asset: &Asset, headers: &HeaderMap) -> Answer {
    let packed = !asset.gzip.is_empty() && takes_gzip(headers);
    let tag = asset.tag(packed);
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let known =
        known.is_some_and(|tags| tags.split(',').any(|t| t.trim().trim_start_matches("W/") == tag || t.trim() == "*"));
    let mut response = Response::new(Full::default());
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *response.body_mut() = Full::new(if packed { asset.gzip.clone() } else { asset.plain.clone() });
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
        if packed {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    // Asked about each time, so that a new version is there at once.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    response
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let all = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(',')).any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip") && !matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

/// What every answer says to a browser.
fn guarded(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(SERVER, HeaderValue::from_static("innertrail"));
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}
