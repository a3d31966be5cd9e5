//! One body per parser of requests, shared by the fuzz targets in `fuzz/` and by the test below. A body must hold for any
//! bytes: it may panic on a fault only.
#![allow(clippy::unwrap_used, dead_code)]

use std::sync::Arc;

use innertrail_api::search::{
    Counts, Engine, Page, PageOf, Question, Refusal, SearchLimits, Searches, State, Table, TimeRange,
};
use innertrail_api::{Access, Call, Parameters, Role};
use innertrail_logstore::{Layout, Store, StoredRow};

/// A store without rows, whose questions are what was asked.
struct Nothing(Layout);

struct Asked<'a>(&'a str, String);

impl Engine for Nothing {
    fn state(&self, _: Store) -> Result<Box<dyn State>, Refusal> {
        Ok(Box::new(Self(Layout::default())))
    }
}

impl State for Nothing {
    fn layout(&self) -> &Layout {
        &self.0
    }

    fn question<'a>(&'a self, text: &str, _: Option<&str>) -> Result<Box<dyn Question + 'a>, Refusal> {
        Ok(Box::new(Asked("", text.to_owned())))
    }

    fn around(&self, _: u64, back: u64, forward: u64) -> Result<Vec<StoredRow>, Refusal> {
        assert!(back <= 100 && forward <= 100);
        Ok(Vec::new())
    }
}

impl Question for Asked<'_> {
    fn search(&self) -> &str {
        &self.1
    }

    fn sql(&self) -> Option<&str> {
        self.1.contains('|').then_some(&self.1)
    }

    fn with_places(&self) -> bool {
        false
    }

    fn words(&self) -> Vec<(String, String)> {
        vec![(self.0.to_owned(), self.1.clone())]
    }

    fn page(&self, range: TimeRange, page: PageOf) -> Result<Page, Refusal> {
        assert!(range.from_us < range.to_us && page.rows <= 100);
        Ok(Page { rows: Vec::new(), complete: true, looked_at: 0 })
    }

    fn counts(&self, bounds_us: &[i64]) -> Result<Counts, Refusal> {
        assert!(bounds_us.is_sorted() && (2..=10_002).contains(&bounds_us.len()));
        Ok(Counts { counts: vec![0; bounds_us.len() - 1], complete: true })
    }

    fn table(&self, range: TimeRange, _: usize) -> Result<Table, Refusal> {
        assert!(range.from_us < range.to_us);
        Ok(Table { columns: vec![(self.1.clone(), "varchar")], rows: vec![vec![None]], ..Table::default() })
    }
}

/// A request's body, and the same as parameters: an answer that is JSON, or a refusal with a status of the client's
/// own making.
pub fn search_request(data: &[u8]) {
    let searches = Searches::new(Arc::new(Nothing(Layout::default())), SearchLimits::default());
    let pairs = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(data).unwrap_or_default();
    let pairs = pairs.into_iter().map(|(n, v)| (n, v.as_str().map_or_else(|| v.to_string(), str::to_owned)));
    let call = Call {
        method: hyper::Method::POST,
        path: Vec::new(),
        parameters: Parameters::new(pairs.collect()),
        headers: hyper::HeaderMap::new(),
        body: data.to_vec().into(),
        access: Access { key_id: String::new(), role: Role::Reader },
        request_id: String::new(),
        now_us: 0,
    };
    let answers = [
        searches.logs_v3(&call, Store::Log),
        searches.logs_v1(&call, Store::Log),
        searches.histograms(&call, Store::Log),
        searches.context(&call, Store::Log),
    ];
    for answer in answers {
        match answer {
            Ok(answer) => {
                serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap();
                for (name, value) in &answer.headers {
                    assert!(value.bytes().all(|b| (b' '..=b'~').contains(&b)), "{name}: {value:?}");
                }
            }
            Err(error) => assert!((400..500).contains(&error.status), "{error}"),
        }
    }
}

/// Seeds and mutations of them, on every build.
#[test]
fn requests_hold_for_any_bytes() {
    let seeds: [&[u8]; 5] = [
        br#"{"from":1,"to":2,"query":"a | select 1","line":-1,"offset":9,"reverse":"true","topic":null}"#,
        br#"{"from":"0","to":"4000000000","fromNs":1,"toNs":999999999,"query":"\u0000\r\n\u00e9","interval":7}"#,
        br#"{"from":-9223372036854775808,"to":9223372036854775807,"interval":-1,"session":{"a":[1]}}"#,
        br#"{"pack_id":"log","pack_meta":"18446744073709551615","back_lines":100,"forward_lines":"100"}"#,
        b"",
    ];
    let mut random = 1u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below.max(1)
    };
    for seed in seeds {
        search_request(seed);
        for _ in 0..2_000 {
            let mut data = seed.to_vec();
            for _ in 0..=next(4) {
                let at = next(data.len() + 1);
                match next(3) {
                    0 if at < data.len() => data[at] = next(256) as u8,
                    1 if at < data.len() => drop(data.remove(at)),
                    _ => data.insert(at, b"\"{}[]:,-0129e.tn\\u "[next(19)]),
                }
            }
            search_request(&data);
        }
    }
}
