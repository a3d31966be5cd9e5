//! The doubles from outside: over the wire, with a client that hides nothing, and with the vendor's own Python clients.
#![allow(clippy::unwrap_used)]

mod faults;
mod oss;
mod program;
mod python;
mod sls;
mod speed;

use innertrail_test_cloud::client::{Answer, Call, Signature};
use innertrail_test_cloud::proto::LogGroupList;
use innertrail_test_cloud::{Cloud, Key};
use prost::Message as _;

/// The project of the tests.
const PROJECT: &str = "demo";
/// The Logstore of the tests.
const LOGSTORE: &str = "actiontrail_demo";
/// The Host by which SLS is addressed.
const SLS: &str = "demo.cn-hangzhou.log.example.test";
/// The bucket of the tests.
const BUCKET: &str = "demo-audit";
/// The Host by which OSS is addressed.
const OSS: &str = "demo-audit.oss-cn-hangzhou.example.test";

/// Both doubles with an empty Logstore of some shards and an empty bucket.
fn cloud(shards: u32) -> Cloud {
    let cloud = Cloud::start().unwrap();
    cloud.sls.create_project(PROJECT, "cn-hangzhou");
    cloud.sls.create_logstore(PROJECT, LOGSTORE, shards);
    cloud.oss.create_bucket(BUCKET, "cn-hangzhou");
    cloud
}

/// A signed call to SLS by the reader's key.
fn sls(cloud: &Cloud, path: &str, query: &str) -> Answer {
    Call::get(SLS, path, query, Signature::Sls4).send(cloud.sls.address(), &Key::reader()).unwrap()
}

/// A signed call to OSS by the reader's key.
fn oss(cloud: &Cloud, path: &str, query: &str) -> Answer {
    Call::get(OSS, path, query, Signature::Oss4).send(cloud.oss.address(), &Key::reader()).unwrap()
}

/// The path of a shard.
fn shard(id: u32) -> String {
    format!("/logstores/{LOGSTORE}/shards/{id}")
}

/// A cursor of a shard: `begin`, `end` or a time.
fn cursor(cloud: &Cloud, id: u32, from: &str) -> String {
    let answer = sls(cloud, &shard(id), &format!("type=cursor&from={from}"));
    answer.json()["cursor"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

/// A pull without compression.
fn pull(cloud: &Cloud, id: u32, cursor: &str, more: &str) -> Answer {
    sls(cloud, &shard(id), &format!("type=logs&cursor={cursor}&{more}"))
}

/// The ids of the events of a page.
fn ids(page: &[u8]) -> Vec<String> {
    let page = LogGroupList::decode(page).unwrap();
    let id = |event: &[u8]| {
        serde_json::from_slice::<serde_json::Value>(event).unwrap()["eventId"].as_str().unwrap().to_owned()
    };
    page.groups.iter().flat_map(|group| &group.logs).map(|log| id(&log.contents[0].value)).collect()
}
