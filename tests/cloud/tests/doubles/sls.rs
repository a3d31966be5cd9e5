//! The SLS double: who is let in, what is served, how shards, cursors and consumer groups behave.

use innertrail_test_cloud::client::{Call, Signature};
use innertrail_test_cloud::proto::{Content, Log, LogGroup};
use innertrail_test_cloud::{Account, Key, Load};
use prost::Message as _;

use super::{LOGSTORE, PROJECT, SLS, cloud, cursor, ids, pull, shard, sls};

fn project(signature: Signature) -> Call {
    Call::get(SLS, "/", "", signature)
}

#[test]
fn both_signatures_are_let_in_and_what_is_signed_wrong_is_not() {
    let cloud = cloud(1);
    let at = cloud.sls.address();
    for signature in [Signature::Sls1, Signature::Sls4] {
        for key in [Key::reader(), Key::temporary()] {
            let answer = project(signature).send(at, &key).unwrap();
            assert_eq!((answer.status, answer.json()["projectName"].as_str()), (200, Some(PROJECT)), "{answer:?}");
            assert_eq!(answer.header("x-log-requestid").len(), 24);
        }
        let with_port = Call { host: format!("{SLS}:{}", at.port()), ..project(signature) };
        assert_eq!(with_port.send(at, &Key::reader()).unwrap().status, 200);
        let refused = |call: Call, key: &Key| {
            let answer = call.send(at, key).unwrap();
            (answer.status, answer.code())
        };
        let wrong = Key { secret: "wrong".to_owned(), ..Key::reader() };
        assert_eq!(refused(project(signature), &wrong), (401, "SignatureNotMatch".to_owned()));
        let unknown = Key { id: "LTAI-EXAMPLE-nobody".to_owned(), ..Key::reader() };
        assert_eq!(refused(project(signature), &unknown), (401, "InvalidAccessKeyId".to_owned()));
        for key in [Key::revoked(), Key::expired(), Key::unauthorised(), Key { token: None, ..Key::temporary() }] {
            assert_eq!(refused(project(signature), &key), (401, "Unauthorized".to_owned()), "{}", key.id);
        }
        for skew_ms in [16 * 60_000, -16 * 60_000] {
            let late = Call { skew_ms, ..project(signature) };
            assert_eq!(refused(late, &Key::reader()), (400, "RequestTimeExpired".to_owned()));
        }
        let near = Call { skew_ms: 14 * 60_000, ..project(signature) };
        assert_eq!(near.send(at, &Key::reader()).unwrap().status, 200);
    }
    assert_eq!(refused_unsigned(&cloud), (400, "ParameterInvalid".to_owned()));
    let region = Call { region: "cn-beijing".to_owned(), ..project(Signature::Sls4) };
    assert_eq!(region.send(at, &Key::reader()).unwrap().code(), "SignatureNotMatch");
    let version = project(Signature::Sls4).header("x-log-apiversion", "0.7.0");
    assert_eq!(version.send(at, &Key::reader()).unwrap().code(), "InvalidAPIVersion");
    assert_eq!(cloud.sls.versions()["v1"], 5, "two keys, with and without port, near, and the one without rights");
}

fn refused_unsigned(cloud: &innertrail_test_cloud::Cloud) -> (u16, String) {
    let call = project(Signature::None).header("x-log-apiversion", "0.6.0");
    let answer = call.send(cloud.sls.address(), &Key::reader()).unwrap();
    (answer.status, answer.code())
}

#[test]
fn a_body_that_is_not_the_one_that_was_hashed_is_refused() {
    let cloud = cloud(1);
    let path = format!("/logstores/{LOGSTORE}/consumergroups");
    let call = |signature| Call::get(SLS, &path, "", signature).with("POST", r#"{"consumerGroup":"g","timeout":10}"#);
    let wrong_md5 = call(Signature::Sls1).header("content-md5", "D41D8CD98F00B204E9800998ECF8427E");
    let answer = wrong_md5.send(cloud.sls.address(), &Key::reader()).unwrap();
    assert_eq!((answer.status, answer.code()), (400, "ParameterInvalid".to_owned()));
    let wrong_sha = call(Signature::Sls4).header("x-log-content-sha256", &"0".repeat(64));
    assert_eq!(wrong_sha.send(cloud.sls.address(), &Key::reader()).unwrap().status, 400);
    assert_eq!(call(Signature::Sls1).send(cloud.sls.address(), &Key::reader()).unwrap().status, 200);
}

#[test]
fn keys_may_do_what_their_rights_say_and_only_the_deleter_may_delete() {
    let cloud = cloud(1);
    let delete = |logstore: &str, key: &Key| {
        let call = Call::get(SLS, &format!("/logstores/{logstore}"), "", Signature::Sls4).with("DELETE", "");
        let answer = call.send(cloud.sls.address(), key).unwrap();
        (answer.status, answer.code(), answer.text())
    };
    for key in [Key::reader(), Key::writer()] {
        let (status, code, text) = delete(LOGSTORE, &key);
        assert_eq!((status, code.as_str()), (401, "Unauthorized"));
        assert!(
            text.contains("denied by sts or ram, action: log:DeleteLogStore, resource: acs:log:cn-hangzhou:"),
            "{text}"
        );
    }
    assert_eq!(delete("no-such-logstore", &Key::deleter()).1, "LogStoreNotExist", "a doctor's harmless probe");
    assert_eq!(delete(LOGSTORE, &Key::deleter()).0, 200);
    assert_eq!(sls(&cloud, &format!("/logstores/{LOGSTORE}"), "").code(), "LogStoreNotExist");
}

#[test]
fn every_event_is_pulled_once_in_the_order_the_oracle_tells_whatever_the_page_size() {
    let cloud = cloud(2);
    cloud.sls.fill(PROJECT, LOGSTORE, &Load { events: 2_030, per_group: 100, ..Load::default() });
    cloud.sls.arrive(PROJECT, LOGSTORE, 7, 1);
    let oracle = cloud.sls.ids(PROJECT, LOGSTORE);
    assert_eq!(oracle.values().map(Vec::len).sum::<usize>(), 2_037);
    for count in [1, 3, 1000] {
        for (id, expected) in &oracle {
            let (mut at, end) = (cursor(&cloud, *id, "begin"), cursor(&cloud, *id, "end"));
            let mut seen = Vec::new();
            while at != end {
                let page = pull(&cloud, *id, &at, &format!("count={count}"));
                assert_eq!(page.status, 200, "{page:?}");
                assert_eq!(page.header("x-log-bodyrawsize"), page.body.len().to_string());
                let groups: usize = page.header("x-log-count").parse().unwrap();
                assert!((1..=count).contains(&groups));
                seen.extend(ids(&page.body));
                at = page.header("x-log-cursor").to_owned();
            }
            assert_eq!(seen, *expected);
            let idle = pull(&cloud, *id, &end, "count=10");
            assert_eq!(
                (idle.header("x-log-count"), idle.header("x-log-cursor"), idle.body.len()),
                ("0", end.as_str(), 0)
            );
        }
    }
}

#[test]
fn a_page_stops_at_end_cursor_and_at_ten_megabytes_and_is_the_same_under_every_compression() {
    let cloud = cloud(1);
    cloud.sls.fill(PROJECT, LOGSTORE, &Load { events: 20_000, per_group: 1_000, ..Load::default() });
    let begin = cursor(&cloud, 0, "begin");
    let end = pull(&cloud, 0, &begin, "count=3").header("x-log-cursor").to_owned();
    let page = pull(&cloud, 0, &begin, &format!("count=1000&end_cursor={end}"));
    assert_eq!((page.header("x-log-count"), page.header("x-log-cursor")), ("3", end.as_str()));
    let big = pull(&cloud, 0, &begin, "count=1000");
    assert!(big.body.len() <= 10 << 20 && big.body.len() > 8 << 20, "{}", big.body.len());
    let query = format!("type=log&cursor={begin}&count=3");
    for codec in ["lz4", "zstd", "deflate", "gzip, lz4"] {
        let call = Call::get(SLS, &shard(0), &query, Signature::Sls1).header("accept-encoding", codec);
        let packed = call.send(cloud.sls.address(), &Key::reader()).unwrap();
        let size: usize = packed.header("x-log-bodyrawsize").parse().unwrap();
        assert!(packed.body.len() < size / 3, "{codec}: {} of {size}", packed.body.len());
        let raw = match packed.header("x-log-compresstype") {
            "lz4" => lz4_flex::block::decompress(&packed.body, size).unwrap(),
            "zstd" => zstd::bulk::decompress(&packed.body, size).unwrap(),
            _ => {
                let mut raw = Vec::new();
                let mut decoder = flate2::read::ZlibDecoder::new(packed.body.as_slice());
                std::io::Read::read_to_end(&mut decoder, &mut raw).unwrap();
                raw
            }
        };
        assert_eq!(raw, page.body, "{codec}");
    }
}

#[test]
fn what_cannot_be_a_cursor_a_count_or_a_shard_is_refused_with_the_services_code() {
    let cloud = cloud(2);
    cloud.sls.fill(PROJECT, LOGSTORE, &Load { events: 400, ..Load::default() });
    let (begin, other) = (cursor(&cloud, 0, "begin"), cursor(&cloud, 1, "begin"));
    let code = |id, cursor: &str, more: &str| pull(&cloud, id, cursor, more).code();
    for bad in ["", "MTIz", "nonsense", other.as_str()] {
        assert_eq!(code(0, bad, "count=1"), "ParameterInvalid", "{bad}");
    }
    for count in ["0", "1001", "-1", "many"] {
        assert_eq!(code(0, &begin, &format!("count={count}")), "ParameterInvalid");
    }
    assert_eq!(pull(&cloud, 7, &begin, "count=1").code(), "ShardNotExist");
    assert_eq!(sls(&cloud, "/logstores/other/shards", "").code(), "LogStoreNotExist");
    let elsewhere = Call::get("nobody.cn-hangzhou.log.example.test", "/", "", Signature::Sls4);
    assert_eq!(elsewhere.send(cloud.sls.address(), &Key::reader()).unwrap().code(), "ProjectNotExist");
    let wrong = Key { secret: "wrong".to_owned(), ..Key::reader() };
    let answer = elsewhere.send(cloud.sls.address(), &wrong).unwrap();
    assert_eq!(answer.code(), "SignatureNotMatch", "who is not let in learns of no project");
    assert_eq!(sls(&cloud, "/dashboards", "").code(), "NotSupported");
}

#[test]
fn cursors_by_time_are_by_arrival_and_expire_with_the_logs() {
    let cloud = cloud(1);
    cloud.sls.fill(PROJECT, LOGSTORE, &Load { events: 1_000, per_group: 10, arrived_secs: 1_000, ..Load::default() });
    let now = cloud.clock.now_secs();
    let middle = cursor(&cloud, 0, &(now - 500).to_string());
    let at =
        sls(&cloud, &shard(0), &format!("type=cursor_time&cursor={middle}")).json()["cursor_time"].as_u64().unwrap();
    assert!((now - 501..=now - 489).contains(&at), "{at} {now}");
    assert_eq!(cursor(&cloud, 0, "1"), cursor(&cloud, 0, "begin"));
    assert_eq!(cursor(&cloud, 0, &(now + 100).to_string()), cursor(&cloud, 0, "end"));
    let begin = cursor(&cloud, 0, "begin");
    let expired = cloud.sls.expire_before(PROJECT, LOGSTORE, now - 500);
    assert!((49..=51).contains(&expired), "{expired}");
    assert_eq!(pull(&cloud, 0, &begin, "").code(), "ParameterInvalid");
    assert_eq!(pull(&cloud, 0, &begin, "").json()["errorMessage"], "Invalid cursor");
    cloud.sls.expired_as_invalid_cursor(true);
    assert_eq!(pull(&cloud, 0, &begin, "").code(), "InvalidCursor");
    assert_eq!(sls(&cloud, &shard(0), &format!("type=cursor_time&cursor={begin}")).code(), "InvalidCursor");
    assert_eq!(pull(&cloud, 0, &cursor(&cloud, 0, "begin"), "").status, 200);
    assert_eq!(cloud.sls.ids(PROJECT, LOGSTORE)[&0].len(), 1_000, "the oracle forgets nothing");
}

#[test]
fn a_split_shard_is_read_out_before_it_goes_and_new_logs_go_to_its_children() {
    let cloud = cloud(2);
    cloud.sls.fill(PROJECT, LOGSTORE, &Load { events: 100, per_group: 10, ..Load::default() });
    assert_eq!(cloud.sls.split(PROJECT, LOGSTORE, 0), Ok(vec![2, 3]));
    assert!(cloud.sls.split(PROJECT, LOGSTORE, 0).is_err(), "it is read-only now");
    let shards = sls(&cloud, &format!("/logstores/{LOGSTORE}/shards"), "").json();
    let list: Vec<(u64, &str)> = shards
        .as_array()
        .unwrap()
        .iter()
        .map(|shard| (shard["shardID"].as_u64().unwrap(), shard["status"].as_str().unwrap()))
        .collect();
    assert_eq!(list, [(0, "readonly"), (1, "readwrite"), (2, "readwrite"), (3, "readwrite")]);
    assert_eq!(shards[2]["exclusiveEndKey"], shards[3]["inclusiveBeginKey"]);
    let last = pull(&cloud, 0, &cursor(&cloud, 0, "begin"), "");
    assert_eq!((last.header("x-log-count"), last.header("x-log-end-of-cursor")), ("5", "1"));
    for round in 0..6 {
        cloud.sls.arrive(PROJECT, LOGSTORE, 1, round);
    }
    let ids = cloud.sls.ids(PROJECT, LOGSTORE);
    assert_eq!((ids[&0].len(), ids[&1].len() + ids[&2].len() + ids[&3].len()), (50, 50 + 6));
    assert_eq!(cloud.sls.merge(PROJECT, LOGSTORE, 2), Ok(4));
    cloud.sls.expire_shard(PROJECT, LOGSTORE, 0, 100);
    assert_eq!(sls(&cloud, &shard(0), "type=cursor&from=begin").code(), "ShardNotExist", "read-only, empty and gone");
    assert_eq!(cloud.sls.ids(PROJECT, LOGSTORE)[&0].len(), 50);
}

#[test]
fn put_logs_takes_every_compression_and_refuses_sizes_that_lie() {
    let cloud = cloud(1);
    let event = br#"{"EventID":"5ebc6ed5-0000-4000-8000-000000000001"}"#.to_vec();
    let log =
        Log { time: 1_795_572_000, contents: vec![Content { key: "event".to_owned(), value: event }], nanos: Some(5) };
    let raw = LogGroup { logs: vec![log; 2], topic: Some("t".to_owned()), ..LogGroup::default() }.encode_to_vec();
    let put = |body: Vec<u8>, size: usize, codec: &str| {
        let mut call = Call::get(SLS, &format!("/logstores/{LOGSTORE}/shards/lb"), "", Signature::Sls1)
            .with("POST", body)
            .header("content-type", "application/x-protobuf")
            .header("x-log-bodyrawsize", &size.to_string());
        if !codec.is_empty() {
            call = call.header("x-log-compresstype", codec);
        }
        let answer = call.send(cloud.sls.address(), &Key::writer()).unwrap();
        (answer.status, answer.code())
    };
    let ok = (200, String::new());
    let lz4 = lz4_flex::block::compress(&raw);
    assert_eq!(put(raw.clone(), raw.len(), ""), ok);
    assert_eq!(put(lz4.clone(), raw.len(), "lz4"), ok);
    assert_eq!(put(zstd::bulk::compress(&raw, 1).unwrap(), raw.len(), "zstd"), ok);
    assert_eq!(put(raw.clone(), raw.len() + 1, "").1, "InvalidBodyRawSize");
    assert_eq!(put(lz4.clone(), raw.len() - 1, "lz4").0, 400);
    assert_eq!(put(lz4, 20 << 20, "lz4").1, "PostBodyTooLarge");
    assert_eq!(put(raw.clone(), raw.len(), "br").1, "InvalidCompressType");
    assert_eq!(put(b"\x0a\x05no".to_vec(), 4, "").1, "PostBodyInvalid");
    assert_eq!(cloud.sls.ids(PROJECT, LOGSTORE)[&0], vec!["5ebc6ed5-0000-4000-8000-000000000001"; 6]);
    let page = pull(&cloud, 0, &cursor(&cloud, 0, "begin"), "");
    let list = innertrail_test_cloud::proto::LogGroupList::decode(page.body.as_slice()).unwrap();
    assert_eq!(
        (list.groups.len(), list.groups[0].logs[0].nanos, list.groups[0].tags[0].key.as_str()),
        (3, Some(5), "__receive_time__")
    );
}

#[test]
fn account_states_are_answered_with_their_own_codes_and_end_when_paid() {
    let cloud = cloud(1);
    for (state, status, code, cue) in [
        (Account::Overdue, 401, "Unauthorized", "Your SLS service has been forbidden."),
        (Account::Forbidden, 403, "ProjectForbidden", "forbidden"),
        (Account::NotOpened, 401, "InvalidAccessKeyId", "Your SLS service has not opened."),
        (Account::Gone, 404, "ProjectNotExist", "does not exist"),
    ] {
        cloud.sls.set_account(PROJECT, state);
        let answer = sls(&cloud, "/", "");
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
        assert!(answer.json()["errorMessage"].as_str().unwrap().contains(cue));
    }
    cloud.sls.set_account(PROJECT, Account::Active);
    assert_eq!(sls(&cloud, "/", "").status, 200);
}

#[test]
fn a_consumer_group_lives_over_the_wire() {
    let cloud = cloud(2);
    cloud.sls.fill(PROJECT, LOGSTORE, &Load::default());
    let groups = format!("/logstores/{LOGSTORE}/consumergroups");
    let post = |path: &str, query: &str, body: &str| {
        let call = Call::get(SLS, path, query, Signature::Sls4).with("POST", body);
        call.send(cloud.sls.address(), &Key::reader()).unwrap()
    };
    let create = r#"{"consumerGroup":"g","timeout":20,"order":false}"#;
    assert_eq!(post(&groups, "", create).status, 200);
    assert_eq!(post(&groups, "", create).code(), "ConsumerGroupAlreadyExist");
    assert_eq!(sls(&cloud, &groups, "").json()[0]["name"], "g");
    let group = format!("{groups}/g");
    assert_eq!(post(&group, "type=heartbeat&consumer=a", "[]").json(), serde_json::json!([0, 1]));
    assert_eq!(post(&group, "type=heartbeat&consumer=b", r#"{"shards":[]}"#).json(), serde_json::json!([]));
    assert_eq!(post(&group, "type=heartbeat&consumer=a", "[0,1]").json(), serde_json::json!([0]));
    let page = pull(&cloud, 0, &cursor(&cloud, 0, "begin"), "count=4");
    let next = page.header("x-log-cursor");
    let body = serde_json::json!({ "shard": 0, "checkpoint": next }).to_string();
    assert_eq!(post(&group, "type=checkpoint&consumer=b&forceSuccess=false", &body).code(), "ConsumerNotMatch");
    assert_eq!(post(&group, "type=checkpoint&consumer=a&forceSuccess=false", &body).status, 200);
    let wrong = serde_json::json!({ "shard": 1, "checkpoint": next }).to_string();
    assert_eq!(post(&group, "type=checkpoint&consumer=a&forceSuccess=True", &wrong).code(), "InvalidShardCheckPoint");
    let stored = sls(&cloud, &group, "").json();
    assert_eq!((&stored[0]["checkpoint"], &stored[1]["checkpoint"]), (&next.into(), &"".into()));
    assert_eq!(cloud.sls.group(PROJECT, LOGSTORE, "g").unwrap().checkpoints[&0], 4);
    assert_eq!(sls(&cloud, &format!("{groups}/other"), "").code(), "ConsumerGroupNotExist");
    let histogram = sls(&cloud, &format!("/logstores/{LOGSTORE}"), "type=histogram&from=0&to=4000000000&query=*");
    assert_eq!((histogram.header("x-log-count"), histogram.header("x-log-progress")), ("10000", "Complete"));
}

#[test]
fn in_order_the_children_of_a_split_wait_until_their_parent_is_read_out() {
    let cloud = cloud(1);
    cloud.sls.fill(PROJECT, LOGSTORE, &Load { events: 50, per_group: 10, ..Load::default() });
    cloud.sls.split(PROJECT, LOGSTORE, 0).unwrap();
    let groups = format!("/logstores/{LOGSTORE}/consumergroups");
    let post = |path: &str, query: &str, body: &str| {
        let call = Call::get(SLS, path, query, Signature::Sls1).with("POST", body);
        call.send(cloud.sls.address(), &Key::reader()).unwrap()
    };
    for (group, order, first) in [("ordered", true, "[0]"), ("free", false, "[0,1,2]")] {
        let create = serde_json::json!({ "consumerGroup": group, "timeout": 20, "order": order }).to_string();
        assert_eq!(post(&groups, "", &create).status, 200);
        let path = format!("{groups}/{group}");
        assert_eq!(post(&path, "type=heartbeat&consumer=a", "[]").text(), first);
        let body = serde_json::json!({ "shard": 0, "checkpoint": cursor(&cloud, 0, "end") }).to_string();
        assert_eq!(post(&path, "type=checkpoint&consumer=a&forceSuccess=false", &body).status, 200);
        assert_eq!(post(&path, "type=heartbeat&consumer=a", first).text(), "[1,2]", "the parent is done with");
    }
}
