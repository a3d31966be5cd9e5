//! One body per parser, shared by the fuzz target in `fuzz/` and by the test below, which runs it over seeds and mutations of these on
//! every build. A body must hold for any bytes: it may panic on a fault only.
#![allow(clippy::unwrap_used, dead_code, missing_docs)]

use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request};
use innertrail_api::attempts::Told;
use innertrail_api::auth::{Keyring, admit};
use innertrail_api::refuse::{is_refusal, surface};
use innertrail_api::route::{Rooms, Router};
use innertrail_api::server::decompressed;
use innertrail_api::{Access, Answer, ApiError, Call, Facts, Head, Host, Names, Role, ShardInfo};
use innertrail_logstore::{Layout, Store};

struct Nothing;

impl Rooms for Nothing {
    fn shards(&self, _: Store) -> Vec<ShardInfo> {
        vec![ShardInfo {
            id: 0,
            status: "readwrite",
            created: 1_767_225_600,
            begin_key: String::new(),
            end_key: String::new(),
        }]
    }
    fn cursor(&self, _: &Call, _: Store, _: u32) -> Result<Answer, ApiError> {
        Ok(Answer::empty())
    }
    fn cursor_time(&self, _: &Call, _: Store, _: u32) -> Result<Answer, ApiError> {
        Ok(Answer::empty())
    }
    fn pull(&self, _: &Call, _: Store, _: u32) -> Result<Answer, ApiError> {
        Ok(Answer::empty())
    }
    fn group_call(&self, call: &Call, _: Store, _: &[String]) -> Result<Answer, ApiError> {
        assert!(call.method == Method::GET || call.access.role >= Role::Consumer);
        Ok(Answer::empty())
    }
    fn logs_v3(&self, _: &Call, _: Store) -> Result<Answer, ApiError> {
        Ok(Answer::empty())
    }
    fn logs_v1(&self, _: &Call, _: Store) -> Result<Answer, ApiError> {
        Ok(Answer::empty())
    }
    fn histograms(&self, _: &Call, _: Store) -> Result<Answer, ApiError> {
        Ok(Answer::empty())
    }
    fn context(&self, _: &Call, _: Store) -> Result<Answer, ApiError> {
        Ok(Answer::empty())
    }
}

impl Host for Nothing {
    fn facts(&self) -> Result<Facts, ApiError> {
        let (region, description) = (String::new(), String::new());
        Ok(Facts { region, description, created_us: 0, changed_us: 0, retention_days: 180, layout: Layout::default() })
    }
    fn lengthen(&self, days: u32, call: &Call) -> Result<(), ApiError> {
        assert!((181..=3650).contains(&days) && call.method == Method::PUT, "{days} {call:?}");
        Ok(())
    }
    fn refused(&self, _: Told) {}
}

fn router() -> &'static Router {
    static ROUTER: OnceLock<Router> = OnceLock::new();
    ROUTER.get_or_init(|| Router::new(Names::new("audit", "main-trail"), Arc::new(Nothing), Arc::new(Nothing)))
}

/// A request of any bytes: a line of method and target, lines of headers, a blank line, a body. None when HTTP itself would refuse it.
fn request(data: &[u8]) -> Option<(Head, Bytes)> {
    let end = data.windows(2).position(|pair| pair == b"\n\n").unwrap_or(data.len());
    let (head, body) = (data.get(..end)?, data.get(end + 2..).unwrap_or_default());
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let blank = first.iter().position(|byte| *byte == b' ')?;
    let mut request = Request::builder().method(first.get(..blank)?).uri(first.get(blank + 1..)?).body(()).ok()?;
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(line.get(colon + 1..)?).ok()?);
    }
    Some((Head::read(&request.into_parts().0).ok()?, Bytes::copy_from_slice(body)))
}

/// What is told to a client holds nothing that ends a line, and no refused write holds a word that means "try again".
fn told(error: &ApiError) {
    assert!((400..600).contains(&error.status) && error.message.chars().all(|c| !c.is_control()), "{error:?}");
    if is_refusal(error) {
        let text = error.message.to_lowercase();
        assert!(error.status == 403 && !text.contains("unauthorized") && !text.contains("token"), "{error:?}");
    }
}

/// A request from its head to its room.
pub fn api_request(data: &[u8]) {
    let Some((head, body)) = request(data) else { return };
    // Nobody has a key here, so nothing is let in, whatever it says.
    let keys = Keyring::of(Path::new("/nowhere"));
    for now in [0, 1_767_225_600_000_000, i64::MAX] {
        told(&admit(&head, &keys, now).expect_err("nobody has a key"));
    }
    if let Ok(plain) = decompressed(&head.headers, body.clone()) {
        assert!(plain.len() <= body.len().max(10 << 20));
    }
    let refused = surface(&head.method, &head.path);
    let served = matches!(head.method, Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::DELETE);
    assert!(served || refused.is_some(), "{head:?}");
    if let Some(surface) = refused {
        return told(&surface.refusal(router().names(), None));
    }
    for role in [Role::Reader, Role::Consumer, Role::Administrator] {
        let call = Call {
            method: head.method.clone(),
            path: head.path.clone(),
            parameters: head.parameters.clone(),
            headers: head.headers.clone(),
            body: body.clone(),
            access: Access { key_id: String::new(), role },
            request_id: String::new(),
            now_us: 0,
        };
        for named in [true, false] {
            if let Err(error) = router().answer(&call, named) {
                told(&error);
            }
        }
    }
}

const SEEDS: [&str; 18] = [
    "GET / \nhost:audit.logs.example\n\n",
    "GET /logstores?offset=0&size=500&logstoreName=\nhost:audit.x:80\nx-log-apiversion:0.6.0\ndate:Thu, 01 Jan 2026 00:00:00 GMT\nx-log-signaturemethod:hmac-sha1\nauthorization:LOG id:AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n",
    "GET http://audit.x/logstores/innertrail_main-trail/shards/0?type=log&cursor=MTI%3D&count=10\nhost:audit.x\nx-log-apiversion:0.6.0\nx-log-date:20260101T000000Z\nx-log-content-sha256:e3b0\nauthorization:SLS4-HMAC-SHA256 Credential=id/20260101/cn-x/sls/aliyun_v4_request,Signature=0000000000000000000000000000000000000000000000000000000000000000\n\n",
    "PUT /logstores/innertrail_main-trail\nhost:audit.x\n\n{\"logstoreName\":\"innertrail_main-trail\",\"ttl\":200,\"shardCount\":1,\"enable_tracking\":false}",
    "PUT /logstores/innertrail_main-trail\nhost:audit.x\n\n{\"ttl\":3650,\"encrypt_conf\":{\"enable\":false},\"hot_ttl\":-1}",
    "POST /logstores/innertrail_main-trail/logs\nhost:audit.x\nx-log-compresstype:lz4\nx-log-bodyrawsize:2\n\n\u{20}{}",
    "POST /logstores/innertrail_main-trail/logs\nhost:audit.x\nx-log-compresstype:zstd\nx-log-bodyrawsize:10485760\n\nxxxx",
    "POST /logstores/innertrail_main-trail/shards/lb\nhost:audit.x\n\nxxxx",
    "POST /logstores/innertrail_main-trail/consumergroups/g?type=heartbeat&consumer=c\nhost:audit.x\n\n[0]",
    "DELETE /logstores/innertrail_main-trail-journal/consumergroups/g\nhost:audit.x\n\n",
    "GET /logstores/a%20b/track.gif?APIVersion=0.6.0&x=%E4%B8%AD\nhost:[::1]:80\n\n",
    "GET /dashboards/%2e%2e/x\nhost:u@audit.x\n\n",
    "GET /dashboards/innertrail-oss-audit/charts/pv?offset=-1&size=-1&dashboardName=oss\nhost:audit.x\n\n",
    "GET /jobs?jobType=Alert&offset=1&size=2&jobName=oss\nhost:audit.x\nx-acs-security-token:abc\n\n",
    "GET /savedsearches/oss-failures?savedsearchName=%00\nhost:audit.x\nx-acs-security-token:\n\n",
    "PUT /jobs/oss-public-acl?action=enable\nhost:audit.x\n\n{}",
    "PATCH //%2F//?a=b+c&&=&%3d\nhost:A\n\n",
    "GET /logstores/innertrail_main-trail?type=histogram&from=0&to=1\nhost:audit.x\nhost:other.x\n\n",
];

fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 16).unwrap()
}

fn mutated(state: &mut u64) -> Vec<u8> {
    let mut data = SEEDS[next(state) % SEEDS.len()].as_bytes().to_vec();
    for _ in 0..1 + next(state) % 8 {
        let at = next(state) % (data.len() + 1);
        let piece = SEEDS[next(state) % SEEDS.len()].as_bytes();
        let from = next(state) % piece.len();
        let to = (from + 1 + next(state) % 24).min(piece.len());
        match next(state) % 4 {
            0 => data.insert(at, u8::try_from(next(state) % 256).unwrap()),
            1 if at < data.len() => data[at] ^= 1 << (next(state) % 8),
            2 => drop(data.splice(at..at, piece[from..to].iter().copied())),
            _ => drop(data.drain(at..(at + next(state) % 16).min(data.len()))),
        }
    }
    data
}

#[test]
fn requests_of_any_bytes() {
    SEEDS.iter().for_each(|seed| api_request(seed.as_bytes()));
    let read = SEEDS.iter().filter(|seed| request(seed.as_bytes()).is_some()).count();
    assert!(read >= SEEDS.len() - 1, "the seeds are no requests");
    let seconds = std::env::var("INNERTRAIL_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(1);
    let (mut state, begun, mut count, mut whole) = (0x9e37_79b9_7f4a_7c15, std::time::Instant::now(), 0_u64, 0_u64);
    while begun.elapsed().as_secs() < seconds {
        let data = mutated(&mut state);
        whole += u64::from(request(&data).is_some());
        api_request(&data);
        count += 1;
    }
    println!("{count} mutations, {whole} of them requests");
    assert!(whole > count / 10, "{whole} of {count}");
}
