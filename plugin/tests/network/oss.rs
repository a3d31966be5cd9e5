//! OSS as a function: a bucket whose objects are listed and read by range, and that can misbehave.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use innertrail_plugin::source::http::{Fault, Request};

use crate::network::{Cloud, Numbers, Reply};

#[derive(Debug, Clone)]
pub struct Object {
    pub body: Vec<u8>,
    pub etag: String,
    pub modified_ms: i64,
    /// An error instead of the body: status and code.
    pub error: Option<(u16, &'static str)>,
}

type Hook = Box<dyn FnMut(&Request, Reply) -> Reply>;

#[derive(Default)]
pub struct Oss {
    pub objects: BTreeMap<String, Object>,
    pub hook: Option<Hook>,
    pub now_ms: i64,
    pub numbers: Option<(Numbers, usize)>,
    pub faults: u64,
    pub gets: u64,
    pub lists: u64,
    pub versions: u64,
}

impl Oss {
    pub fn put(&mut self, key: &str, body: &[u8]) {
        self.versions += 1;
        let etag = format!("\"V{:04}\"", self.versions);
        let object = Object { body: body.to_vec(), etag, modified_ms: self.now_ms, error: None };
        self.objects.insert(key.to_owned(), object);
    }

    fn said(&mut self, request: &Request) -> Reply {
        assert_eq!((request.method, request.endpoint.as_str()), ("GET", "bucket"));
        if request.path == "/" { self.list(request) } else { self.get(request) }
    }

    fn get(&mut self, request: &Request) -> Reply {
        self.gets += 1;
        let Some(object) = self.objects.get(&request.path[1..]) else {
            return error(404, "NoSuchKey", "The specified key does not exist.");
        };
        if let Some((status, code)) = object.error {
            return error(status, code, "no");
        }
        let get = |name: &str| request.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).unwrap();
        if get("if-match") != object.etag {
            return error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.");
        }
        let (from, to) = get("range").strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
        if from >= object.body.len() {
            return error(416, "InvalidRange", "The requested range cannot be satisfied");
        }
        let to = to.min(object.body.len() - 1);
        let headers = vec![
            ("content-range".to_owned(), format!("bytes {from}-{to}/{}", object.body.len())),
            ("etag".to_owned(), object.etag.clone()),
        ];
        Reply::Answer(206, headers, object.body[from..=to].to_vec())
    }

    fn list(&mut self, request: &Request) -> Reply {
        self.lists += 1;
        let get = |name: &str| request.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(get("list-type"), Some("2"));
        let (prefix, most) = (get("prefix").unwrap(), get("max-keys").unwrap().parse::<usize>().unwrap());
        let after = get("continuation-token").or(get("start-after")).unwrap_or("");
        let (mut inner, mut count, mut last, mut truncated) = (String::new(), 0, String::new(), false);
        let mut common = String::new();
        for (key, object) in self.objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix)) {
            let rolled =
                get("delimiter").and_then(|d| key[prefix.len()..].find(d)).map(|at| &key[..=prefix.len() + at]);
            let name = rolled.unwrap_or(key);
            if name <= after || rolled.is_some_and(|rolled| rolled == common) {
                continue;
            }
            if count == most {
                truncated = true;
                break;
            }
            (count, last) = (count + 1, name.to_owned());
            if let Some(rolled) = rolled {
                common = rolled.to_owned();
                write!(inner, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", encoded(rolled)).unwrap();
                continue;
            }
            let time = chrono::DateTime::from_timestamp_millis(object.modified_ms).unwrap();
            write!(
                inner,
                "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
                encoded(key),
                time.format("%Y-%m-%dT%H:%M:%S%.3fZ"),
                object.etag.replace('"', "&quot;"),
                object.body.len()
            )
            .unwrap();
        }
        if truncated {
            write!(inner, "<NextContinuationToken>{last}</NextContinuationToken>").unwrap();
        }
        Reply::ok(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult><EncodingType>url</EncodingType>\
             <IsTruncated>{truncated}</IsTruncated>{inner}</ListBucketResult>"
        ))
    }
}

fn encoded(key: &str) -> String {
    key.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

pub fn error(status: u16, code: &str, message: &str) -> Reply {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>");
    Reply::Answer(status, Vec::new(), body.into_bytes())
}

/// An answer of which only the beginning came.
pub fn cut(reply: Reply, at: usize) -> Reply {
    match reply {
        Reply::Answer(status, headers, mut body) if matches!(status, 200 | 206) => {
            body.truncate(at % body.len().max(1));
            Reply::Part(Fault::Reset, status, headers, body)
        }
        other => other,
    }
}

impl Cloud for Oss {
    fn reply(&mut self, request: &Request, now_ms: i64) -> Reply {
        self.now_ms = now_ms;
        let fault = self.numbers.as_mut().and_then(|(numbers, of)| numbers.chance(*of).then(|| numbers.below(6)));
        let reply = self.said(request);
        if let Some(fault) = fault {
            self.faults += 1;
            let at = self.numbers.as_mut().map_or(0, |(numbers, _)| numbers.below(1 << 20));
            return match fault {
                0 => error(503, "ServiceUnavailable", "busy"),
                1 => error(500, "InternalError", "oops"),
                2 => error(429, "TooManyRequests", "slow down"),
                3 => Reply::Nothing(Fault::Timeout, Vec::new()),
                4 => cut(reply, at),
                _ => cut(reply, 7),
            };
        }
        match &mut self.hook {
            Some(hook) => hook(request, reply),
            None => reply,
        }
    }
}
