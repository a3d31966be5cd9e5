//! Consumer groups as clients use them: made, shared, moved, left; and what must not be possible.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use hyper::Method;
use innertrail_api::groups::{Done, EACH, GroupChange, Listener};
use innertrail_api::{Access, Answer, ApiError, Call, Data, Role};
use innertrail_logstore::Store;

use crate::support::*;

const LOG: Store = Store::Log;

/// A client of one group.
struct Client<'a> {
    data: &'a Data,
    now_us: i64,
}

impl Client<'_> {
    fn send(&self, mut call: Call, rest: &[&str]) -> Result<Answer, ApiError> {
        call.now_us = self.now_us;
        let rest: Vec<String> = rest.iter().map(|part| (*part).to_owned()).collect();
        self.data.group_call(&call, LOG, &rest)
    }

    fn create(&self, name: &str, timeout: i64) -> Result<Answer, ApiError> {
        let body = format!(r#"{{"consumerGroup":"{name}","timeout":{timeout},"order":true}}"#);
        self.send(call(Method::POST, &[], &body), &[])
    }

    fn beat(&self, consumer: &str, held: &str) -> Result<Vec<u32>, ApiError> {
        let call = call(Method::POST, &[("type", "heartbeat"), ("consumer", consumer)], held);
        let answer = self.send(call, &["g"])?;
        Ok(serde_json::from_slice(&answer.body).unwrap())
    }

    fn checkpoint(&self, consumer: &str, shard: u32, cursor: &str, force: &str) -> Result<Answer, ApiError> {
        let parameters = [("type", "checkpoint"), ("consumer", consumer), ("forceSuccess", force)];
        let body = serde_json::json!({ "shard": shard, "checkpoint": cursor }).to_string();
        self.send(call(Method::POST, &parameters, &body), &["g"])
    }

    fn stored(&self, shard: Option<u32>) -> serde_json::Value {
        let shard = shard.map(|shard| shard.to_string()).unwrap_or_default();
        json(&self.send(get(&[("shard", &shard)]), &["g"]).unwrap())
    }

    fn cursor_of(&self, shard: u32) -> String {
        self.stored(Some(shard))[0]["checkpoint"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_group_is_made_listed_changed_and_deleted() {
    let rig = Rig::new();
    let data = rig.data();
    let client = Client { data: &data, now_us: NOW };
    assert_eq!(client.send(get(&[]), &[]).unwrap().body, "[]");
    let made = client.create("g", 40).unwrap();
    assert!(made.body.is_empty());
    assert_eq!(code(client.create("g", 40)), (400, "ConsumerGroupAlreadyExist"));
    // The key is `name` in a list and `consumerGroup` in a request.
    assert_eq!(client.send(get(&[]), &[]).unwrap().body, r#"[{"name":"g","timeout":40,"order":true}]"#);
    client.send(call(Method::PUT, &[], r#"{"timeout":60,"order":false}"#), &["g"]).unwrap();
    assert_eq!(client.send(get(&[]), &[]).unwrap().body, r#"[{"name":"g","timeout":60,"order":false}]"#);
    // Another Logstore has groups of its own.
    let journal = data.group_call(&get(&[]), Store::Journal, &[]).unwrap();
    assert_eq!(journal.body, "[]");
    drop(data);
    let again = rig.data();
    let client = Client { data: &again, now_us: NOW };
    assert_eq!(client.send(get(&[]), &[]).unwrap().body, r#"[{"name":"g","timeout":60,"order":false}]"#);
    client.send(call(Method::DELETE, &[], ""), &["g"]).unwrap();
    for rest in [call(Method::DELETE, &[], ""), call(Method::PUT, &[], "{}"), get(&[])] {
        assert_eq!(code(client.send(rest, &["g"])), (404, "ConsumerGroupNotExist"));
    }
    assert_eq!(code(client.beat("a", "[]")), (404, "ConsumerGroupNotExist"));
    assert!(files(&rig.dir().join("consumers/sls/log")).is_empty());
}

#[test]
fn there_are_thirty_groups_at_the_most_in_each_logstore() {
    let rig = Rig::new();
    let data = rig.data();
    let client = Client { data: &data, now_us: NOW };
    for at in 0..30 {
        client.create(&format!("g{at}"), 10).unwrap();
    }
    assert_eq!(code(client.create("one-more", 10)), (400, "ConsumerGroupQuotaExceed"));
    client.send(call(Method::DELETE, &[], ""), &["g7"]).unwrap();
    client.create("one-more", 10).unwrap();
    let body = r#"{"consumerGroup":"j","timeout":10,"order":true}"#;
    data.group_call(&call(Method::POST, &[], body), Store::Journal, &[]).unwrap();
}

/// The way of the Python worker: group, heartbeat, checkpoint or cursor, pull, checkpoint; two of them, and one dies.
#[test]
fn two_consumers_share_the_shards_and_when_one_dies_the_other_goes_on_at_its_checkpoints() {
    let mut rig = Rig::new();
    let data = rig.data();
    rig.audits(0..100);
    let mut client = Client { data: &data, now_us: NOW };
    client.create("g", 40).unwrap();
    assert_eq!(client.beat("a", "[]").unwrap(), [0, 1, 2, 3]);
    assert_eq!(client.beat("b", "[]").unwrap(), [] as [u32; 0]);
    assert_eq!(client.beat("a", "[0,1,2,3]").unwrap(), [0, 1]);
    // It flushes what it must leave, and then reports it no more.
    assert!(client.checkpoint("a", 2, &cursor(&data, LOG, 2, "begin"), "false").is_ok());
    assert_eq!(client.beat("a", "[0,1]").unwrap(), [0, 1]);
    assert_eq!(client.beat("b", r#"{"shards":[]}"#).unwrap(), [2, 3]);
    let mut seen = BTreeSet::new();
    let mut consume = |client: &Client<'_>, consumer: &str, shard: u32, pages: usize| {
        let mut at = client.cursor_of(shard);
        if at.is_empty() {
            at = cursor(&data, LOG, shard, "begin");
        }
        for _ in 0..pages {
            let page = pull(&data, LOG, shard, &[("cursor", &at), ("count", "5")]);
            seen.extend(page.groups.iter().map(seq));
            at = page.next;
            client.checkpoint(consumer, shard, &at, "True").unwrap();
        }
        seen.len()
    };
    for shard in [0, 1] {
        consume(&client, "a", shard, 2);
    }
    for shard in [2, 3] {
        consume(&client, "b", shard, 10);
    }
    // `a` is silent. Before its time is over nobody takes its shards, after it `b` has all of them.
    client.now_us = NOW + 40 * SECOND;
    assert_eq!(client.beat("b", "[2,3]").unwrap(), [2, 3]);
    client.now_us = NOW + 81 * SECOND;
    assert_eq!(client.beat("b", "[2,3]").unwrap(), [0, 1, 2, 3]);
    for shard in [0, 1] {
        consume(&client, "b", shard, 10);
    }
    assert_eq!(consume(&client, "b", 0, 0), 100);
    assert!(seen.into_iter().eq(0..100));
    // The dead one wakes. Unless it forces it, it cannot move what it lost.
    let behind = cursor(&data, LOG, 0, "begin");
    assert_eq!(code(client.checkpoint("a", 0, &behind, "false")), (404, "ConsumerNotExsit"));
    assert_eq!(client.beat("a", "[0,1]").unwrap(), [] as [u32; 0]);
    assert_eq!(code(client.checkpoint("a", 0, &behind, "false")), (400, "ConsumerNotMatch"));
    assert_eq!(client.cursor_of(0), cursor(&data, LOG, 0, "end"));
    client.checkpoint("a", 0, &behind, "true").unwrap();
    assert_eq!(client.cursor_of(0), behind);
}

#[test]
fn checkpoints_are_listed_for_every_shard_and_go_back_only_by_force() {
    let mut rig = Rig::new();
    let data = rig.data();
    rig.audits(0..50);
    let client = Client { data: &data, now_us: NOW };
    client.create("g", 40).unwrap();
    // The Python consumer takes an empty list for a failure.
    let none = serde_json::json!([
        {"shard": 0, "checkpoint": "", "updateTime": 0, "consumer": ""},
        {"shard": 1, "checkpoint": "", "updateTime": 0, "consumer": ""},
        {"shard": 2, "checkpoint": "", "updateTime": 0, "consumer": ""},
        {"shard": 3, "checkpoint": "", "updateTime": 0, "consumer": ""},
    ]);
    assert_eq!(client.stored(None), none);
    client.beat("a", "null").unwrap();
    let (begin, end) = (cursor(&data, LOG, 1, "begin"), cursor(&data, LOG, 1, "end"));
    client.checkpoint("a", 1, &format!("{end}\n"), "false").unwrap();
    assert_eq!(
        client.stored(Some(1)),
        serde_json::json!([{"shard": 1, "checkpoint": end, "updateTime": NOW, "consumer": "a"}])
    );
    assert_eq!(code(client.checkpoint("a", 1, &begin, "false")), (400, "InvalidShardCheckPoint"));
    assert_eq!(client.cursor_of(1), end);
    client.checkpoint("a", 1, &begin, "True").unwrap();
    assert_eq!(client.cursor_of(1), begin);
    for wrong in ["", "x", &cursor(&data, LOG, 2, "begin"), &cursor(&data, Store::Journal, 1, "begin")] {
        for force in ["true", "false"] {
            assert_eq!(code(client.checkpoint("a", 1, wrong, force)), (400, "InvalidShardCheckPoint"), "{wrong:?}");
        }
    }
    assert_eq!(code(client.checkpoint("a", 4, &begin, "true")), (404, "ShardNotExsit"));
    assert_eq!(code(client.send(get(&[("shard", "4")]), &["g"])), (404, "ShardNotExsit"));
    assert_eq!(code(client.send(get(&[("shard", "-1")]), &["g"])), (400, "ParameterInvalid"));
    // An administrator's reset has no consumer, and must be forced.
    assert_eq!(code(client.checkpoint("", 1, &end, "false")), (400, "ParameterInvalid"));
    client.checkpoint("", 1, &end, "true").unwrap();
}

/// A checkpoint that lies behind the end would make the group pass over what is not there yet.
#[test]
fn a_checkpoint_behind_the_end_is_refused() {
    let mut rig = Rig::new();
    let data = rig.data();
    rig.audits(0..8);
    let full = cursor(&data, LOG, 0, "end");
    drop(data);
    let shorter = Rig::new();
    let data = shorter.data();
    let client = Client { data: &data, now_us: NOW };
    client.create("g", 40).unwrap();
    // Same trail, same time of making, same shape: the same cursors, and no record yet.
    assert_eq!(code(client.checkpoint("a", 0, &full, "true")), (400, "InvalidShardCheckPoint"));
}

#[test]
fn after_a_restart_the_one_that_wrote_the_checkpoint_keeps_its_shard_for_one_timeout() {
    let mut rig = Rig::new();
    let data = rig.data();
    rig.audits(0..50);
    let client = Client { data: &data, now_us: NOW };
    client.create("g", 40).unwrap();
    client.beat("a", "[]").unwrap();
    for shard in 0..4 {
        client.checkpoint("a", shard, &cursor(&data, LOG, shard, "end"), "True").unwrap();
    }
    drop(data);
    let data = rig.data();
    let mut client = Client { data: &data, now_us: NOW + 20 * SECOND };
    assert_eq!(client.beat("new", "[]").unwrap(), [] as [u32; 0]);
    // The old one was alive all the time and does not notice.
    client.checkpoint("a", 3, &cursor(&data, LOG, 3, "end"), "false").unwrap();
    assert_eq!(client.beat("a", "[0,1,2,3]").unwrap(), [0, 1]);
    client.now_us = NOW + 61 * SECOND;
    assert_eq!(client.beat("new", "[]").unwrap(), [0, 1, 2, 3]);
}

#[test]
fn a_key_that_may_only_read_sees_groups_and_moves_none() {
    let rig = Rig::new();
    let data = rig.data();
    let client = Client { data: &data, now_us: NOW };
    client.create("g", 40).unwrap();
    let reader = |mut call: Call| {
        call.access = Access { key_id: "r".to_owned(), role: Role::Reader };
        call
    };
    assert!(client.send(reader(get(&[])), &[]).is_ok() && client.send(reader(get(&[])), &["g"]).is_ok());
    let checkpoint = r#"{"shard":0,"checkpoint":"x"}"#;
    for (method, kind, body, rest) in [
        (Method::POST, "", r#"{"consumerGroup":"h","timeout":40}"#, &[][..]),
        (Method::PUT, "", "{}", &["g"][..]),
        (Method::DELETE, "", "", &["g"]),
        (Method::POST, "heartbeat", "[]", &["g"]),
        (Method::POST, "heartbeat", "", &["g"]),
        (Method::POST, "checkpoint", checkpoint, &["g"]),
    ] {
        let parameters = [("type", kind), ("consumer", "a"), ("forceSuccess", "true")];
        let refused = client.send(reader(call(method.clone(), &parameters, body)), rest);
        assert_eq!(code(refused), (403, "PermissionDenied"), "{method} {kind}");
    }
    assert_eq!(client.send(get(&[]), &[]).unwrap().body, r#"[{"name":"g","timeout":40,"order":true}]"#);
}

/// What is done to groups is told once it is kept. A client's library that asks for what is there at each start is no change, and
/// nobody can fill a journal with changes.
#[test]
fn changes_are_told_each_once_and_many_as_a_number() {
    let mut rig = Rig::new();
    rig.audits(0..40);
    let told: Arc<Mutex<Vec<GroupChange>>> = Arc::default();
    let into = Arc::clone(&told);
    let data = rig.data_with(|options| {
        options.listener = Some(Listener::new(move |change| into.lock().unwrap().push(change)));
    });
    let mut client = Client { data: &data, now_us: NOW };
    let cursor = |from: &str| {
        let found = data.cursor(&get(&[("from", from)]), LOG, 0).unwrap();
        json(&found)["cursor"].as_str().unwrap().to_owned()
    };
    let (begin, end) = (cursor("begin"), cursor("end"));
    client.create("g", 40).unwrap();
    client.create("g", 40).unwrap_err();
    client.send(call(Method::PUT, &[], r#"{"timeout":40,"order":true}"#), &["g"]).unwrap();
    client.send(call(Method::PUT, &[], r#"{"timeout":60}"#), &["g"]).unwrap();
    client.beat("a", "[]").unwrap();
    for (at, force) in [(&begin, "false"), (&end, "false"), (&begin, "true")] {
        client.checkpoint("a", 0, at, force).unwrap();
    }
    client.send(call(Method::DELETE, &[], ""), &["g"]).unwrap();
    let done: Vec<Done> = told.lock().unwrap().iter().map(|change| change.done).collect();
    assert_eq!(done, [Done::Created, Done::Changed, Done::MovedBack, Done::Deleted]);
    let first = told.lock().unwrap()[0].clone();
    assert_eq!((first.group.as_str(), first.store, first.at_us, first.untold), ("g", LOG, NOW, 0));
    for _ in 0..EACH {
        client.create("g", 40).unwrap();
        client.send(call(Method::DELETE, &[], ""), &["g"]).unwrap();
    }
    assert_eq!(told.lock().unwrap().len(), EACH as usize);
    client.now_us += 60 * SECOND;
    client.create("g", 40).unwrap();
    assert_eq!(told.lock().unwrap().last().unwrap().untold, u64::from(EACH) + 4);
}

#[test]
fn hostile_bodies_and_names_are_refused_each_with_its_code() {
    let rig = Rig::new();
    let data = rig.data();
    let client = Client { data: &data, now_us: NOW };
    client.create("g", 40).unwrap();
    for name in ["", ".", "..", "../x", "a/b", "a.json", "-a", "_a", "ä", "a b", "a\\u0000", &"x".repeat(129)] {
        assert_eq!(code(client.create(name, 40)), (400, "ParameterInvalid"), "{name:?}");
    }
    for name in ["..", "../../log", "shards", "g.json", ""] {
        let found = code(client.send(call(Method::DELETE, &[], ""), &[name]));
        assert!([(404, "ConsumerGroupNotExist"), (400, "ParameterInvalid")].contains(&found), "{name:?}");
    }
    for timeout in [0, -1, 86_401, i64::MAX] {
        assert_eq!(code(client.create("h", timeout)), (400, "ParameterInvalid"), "{timeout}");
    }
    for body in ["", "[]", "{", r#"{"consumerGroup":7,"timeout":1}"#, r#"{"consumerGroup":"h","timeout":"1"}"#] {
        assert_eq!(code(client.send(call(Method::POST, &[], body), &[])), (400, "PostBodyInvalid"), "{body}");
    }
    let many = format!("[{}]", vec!["1"; 2000].join(","));
    for body in ["{", "[-1]", "[1.5]", r#"["0"]"#, r#"{"shards":7}"#, "[4294967296]", &many] {
        assert_eq!(code(client.beat("a", body)), (400, "PostBodyInvalid"), "{body}");
    }
    // Shards that do not exist are not given, and one named twice is one.
    assert_eq!(client.beat("a", "[7,9,0,0]").unwrap(), [0, 1, 2, 3]);
    for consumer in ["", "a\nb", &"x".repeat(257)] {
        assert_eq!(code(client.beat(consumer, "[]")), (400, "ParameterInvalid"), "{consumer:?}");
    }
    for kind in ["", "x", "Heartbeat"] {
        assert_eq!(code(client.send(call(Method::POST, &[("type", kind)], "[]"), &["g"])), (400, "ParameterInvalid"));
    }
    assert_eq!(code(client.send(call(Method::PATCH, &[], ""), &["g"])), (405, "MethodNotAllowed"));
    assert_eq!(code(client.send(get(&[]), &["g", "x"])), (405, "MethodNotAllowed"));
    // Consumers are made by naming them; their number is bounded.
    for at in 0..1023 {
        client.beat(&format!("c{at}"), "[]").unwrap();
    }
    assert_eq!(code(client.beat("one-more", "[]")), (400, "ConsumerGroupQuotaExceed"));
    assert!(client.beat("a", "[0,1,2,3]").is_ok());
}

/// One file was damaged by hand. It must hide no other, and the way out is to delete it.
#[test]
fn a_damaged_file_is_told_and_hides_no_other_group() {
    let rig = Rig::new();
    let data = rig.data();
    let client = Client { data: &data, now_us: NOW };
    client.create("f", 40).unwrap();
    client.create("g", 40).unwrap();
    drop(data);
    let path = rig.dir().join("consumers/sls/log/g.json");
    let bytes = std::fs::read_to_string(&path).unwrap();
    for damaged in [
        bytes.replace("\"timeout_secs\":40", "\"timeout_secs\":41"),
        String::new(),
        bytes.replace("\"format\":1", "\"format\":2"),
        bytes.replace("\"name\":\"g\"", "\"name\":\"f\""),
    ] {
        std::fs::write(&path, damaged).unwrap();
        let data = rig.data();
        let client = Client { data: &data, now_us: NOW };
        let listed = json(&client.send(get(&[]), &[]).unwrap());
        assert_eq!((listed[0]["name"].as_str(), listed[1]["name"].as_str()), (Some("f"), Some("g")));
        assert_eq!(code(client.beat("a", "[]")), (500, "InternalServerError"));
        assert_eq!(code(client.create("g", 40)), (400, "ConsumerGroupAlreadyExist"));
    }
    let data = rig.data();
    let client = Client { data: &data, now_us: NOW };
    client.send(call(Method::DELETE, &[], ""), &["g"]).unwrap();
    client.create("g", 40).unwrap();
    assert_eq!(client.beat("a", "[]").unwrap(), [0, 1, 2, 3]);
}
