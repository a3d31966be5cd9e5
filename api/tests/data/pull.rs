//! Cursors and pages: every record once, in order, as it was ingested, and nothing beyond what was asked for.

use innertrail_api::{Access, Data, DataError, DataOptions, Role};
use innertrail_logstore::Store;
use innertrail_plugin::event::columns::Column;

use crate::support::*;

/// Sealed segments, the tail and both together: what comes out is what went in.
#[test]
fn every_record_comes_once_in_order_from_segments_and_tail() {
    let mut rig = Rig::with(|options| options.segment_rows = 50);
    let data = rig.data();
    let mut expected = Vec::new();
    for round in 0..8_u64 {
        let ids = round * 37..(round + 1) * 37;
        expected.extend(ids.clone().map(audit));
        rig.audits(ids);
        if round == 4 {
            rig.seal();
        }
        for count in ["1000", "3", "1"] {
            let all = everything(&data, Store::Log, count);
            let events: Vec<&str> = all.iter().map(|group| content(group, "event").unwrap()).collect();
            assert_eq!(events, expected, "round {round}, count {count}");
            assert!(all.iter().map(seq).eq(0..expected.len() as u64));
        }
    }
    assert!(std::fs::read_dir(rig.dir().join("log/data")).unwrap().count() > 0, "nothing was sealed");
    // Another process, without the writer's handle, and with nothing kept in memory.
    drop(data);
    rig.seal();
    let other = rig.data_with(|options| (options.notify, options.cache_bytes) = (None, 0));
    assert_eq!(everything(&other, Store::Log, "17").len(), expected.len());
}

#[test]
fn an_audit_event_looks_as_it_does_in_the_providers_logstore() {
    let mut rig = Rig::new();
    let data = rig.data();
    rig.append(&[audit(61)], NOW + 7 * SECOND);
    let page = pull(&data, Store::Log, 0, &[("cursor", &cursor(&data, Store::Log, 0, "begin"))]);
    let [group] = page.groups.as_slice() else { panic!() };
    assert_eq!((group.topic.as_deref(), group.source.as_deref()), (Some("actiontrail_audit_event"), None));
    let tags: Vec<(&str, &str)> = group.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect();
    assert_eq!(tags, [("__receive_time__", "1794524407"), ("it_seq", "0"), ("it_tree_size", "1")]);
    let [log] = group.logs.as_slice() else { panic!() };
    assert_eq!((log.time, log.nanos), (1_794_520_861, None));
    let contents: Vec<(&str, &str)> = log.contents.iter().map(|c| (c.key.as_str(), c.value.as_str())).collect();
    assert_eq!(contents, [("event", audit(61).as_str())]);
}

#[test]
fn what_a_log_service_record_brought_comes_back() {
    let mut rig = Rig::new();
    let data = rig.data();
    let event = audit(1);
    let record = format!(
        r#"{{"__time__":1794520000,"__topic__":"actiontrail_event","__source__":"src","__tag__:__receive_time__":"5","__tag__:__pack_id__":"7A-1","event":{},"owner_id":"1000000000000001"}}"#,
        serde_json::Value::from(event.as_str())
    );
    let flat = r#"{"__time__":1,"__topic__":"inner","__source__":"s2","__tag__:x":"y","EventID":"P-9","EventProduct":"OSS","EventName":"Set Bucket Quota Limit","EventType":"ALIYUN_INITIATED_SERVICE","EventTime":"2026-11-12T21:00:00Z","ResourceOwnerID":"1000000000000001"}"#;
    let wrapped = format!(r#"{{"specversion":"1.0","id":"x","data":{}}}"#, audit(2));
    rig.append(&[record, platform(3), flat.to_owned(), wrapped], NOW);
    let groups = everything(&data, Store::Log, "1000");

    let group = &groups[0];
    assert_eq!((group.topic.as_deref(), group.source.as_deref()), (Some("actiontrail_event"), Some("src")));
    assert_eq!((content(group, "event"), content(group, "owner_id")), (Some(event.as_str()), Some("1000000000000001")));
    assert_eq!((tag(group, "__pack_id__"), tag(group, "__receive_time__")), (Some("7A-1"), Some("1794524400")));
    assert_eq!(group.logs[0].contents.len(), 2);

    let group = &groups[1];
    let raw: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&platform(3)).unwrap();
    assert_eq!(content(group, "event"), Some(platform(3).as_str()));
    assert_eq!(group.logs[0].contents.len(), raw.len() + 1);
    for (key, value) in &raw {
        assert_eq!(content(group, key), value.as_str(), "{key}");
    }
    assert_eq!((group.logs[0].time, group.topic.as_deref()), (1_794_517_200, None));

    let group = &groups[2];
    assert_eq!(
        (group.topic.as_deref(), group.source.as_deref(), tag(group, "x")),
        (Some("inner"), Some("s2"), Some("y"))
    );
    assert_eq!((content(group, "event"), content(group, "EventID")), (Some(flat), Some("P-9")));
    assert_eq!((content(group, "__topic__"), content(group, "__tag__:x")), (None, None));

    let group = &groups[3];
    assert_eq!(content(group, "event"), Some(audit(2).as_str()));
    assert_eq!(content(group, "it_envelope"), Some(r#"{"specversion":"1.0","id":"x","data":null}"#));
}

/// A page with text that is not UTF-8 is refused as a whole by the Rust SDK.
#[test]
fn quarantine_and_journal_have_their_columns_and_their_bytes() {
    let mut rig = Rig::new();
    let data = rig.data();
    let columns = [(Column::QuarantineReason, "undecodable"), (Column::Topic, "t"), (Column::Source, "s")];
    let bad = row(b"\xff{torn", &columns, &[(Column::Offset, 12), (Column::Time, NOW + 5)]);
    let good = row(b"{torn", &columns, &[(Column::UnixTime, -5)]);
    let entry = row(br#"{"kind":"enabled"}"#, &[(Column::EventName, "enabled")], &[]);
    rig.commit(&[(Store::Quarantine, bad), (Store::Quarantine, good), (Store::Journal, entry)], NOW);
    let groups = everything(&data, Store::Quarantine, "1000");
    assert_eq!((content(&groups[0], "raw"), content(&groups[0], "raw_base64")), (None, Some("/3t0b3Ju")));
    assert_eq!(content(&groups[0], "it_quarantine_reason"), Some("undecodable"));
    assert_eq!((content(&groups[0], "it_offset"), content(&groups[0], "__topic__")), (Some("12"), None));
    assert_eq!(content(&groups[0], "it_time"), Some("2026-11-12T23:00:00.000005Z"));
    assert_eq!((groups[0].logs[0].time, groups[0].logs[0].nanos), (1_794_524_400, Some(5_000)));
    assert_eq!((groups[0].topic.as_deref(), groups[0].source.as_deref()), (Some("t"), Some("s")));
    assert_eq!((content(&groups[1], "raw"), groups[1].logs[0].time), (Some("{torn"), 1_794_524_400));
    let groups = everything(&data, Store::Journal, "1000");
    assert_eq!(
        (content(&groups[0], "event"), content(&groups[0], "eventName")),
        (Some(r#"{"kind":"enabled"}"#), Some("enabled"))
    );
    assert!(everything(&data, Store::Passthrough, "1000").is_empty());
}

#[test]
fn each_form_unpacks_to_the_same_page() {
    let mut rig = Rig::new();
    let data = rig.data();
    rig.audits(0..8);
    let begin = cursor(&data, Store::Log, 0, "begin");
    let pages: Vec<Pulled> = ["", "lz4", "zstd", "deflate", "gzip", "br;q=1, zstd;q=0.1"]
        .map(|form| open(data.pull(&accepting(get(&[("cursor", &begin)]), form), Store::Log, 0).unwrap()))
        .into();
    let forms: Vec<Option<&str>> = pages.iter().map(|page| header(&page.answer, "x-log-compresstype")).collect();
    assert_eq!(forms, [None, Some("lz4"), Some("zstd"), Some("deflate"), None, Some("zstd")]);
    assert!(pages.iter().all(|page| page.groups == pages[0].groups && page.groups.len() == 8));
    assert!(pages.iter().all(|page| page.answer.content_type == "application/x-protobuf"));
    // Nothing new is no body at all, whatever the form; Go and Java want a form only for a body.
    for form in ["", "lz4", "zstd", "deflate"] {
        let page = open(data.pull(&accepting(get(&[("cursor", &pages[0].next)]), form), Store::Log, 0).unwrap());
        assert_eq!((page.answer.body.len(), &page.next), (0, &pages[0].next));
        assert_eq!(header(&page.answer, "x-log-compresstype"), None);
        assert_eq!(header(&page.answer, "x-log-bodyrawsize"), Some("0"));
    }
}

/// The CLI pulls until the cursor it gets equals the end cursor as text, so a page that overshoots never ends.
#[test]
fn a_page_never_goes_beyond_the_end_that_was_named() {
    let mut rig = Rig::new();
    let data = rig.data();
    rig.audits(0..70);
    let (begin, end) = (cursor(&data, Store::Log, 1, "begin"), cursor(&data, Store::Log, 1, "end"));
    // Arrives after the end was taken.
    rig.audits(70..200);
    for name in ["end_cursor", "endCursor"] {
        for count in ["1", "5", "7", "1000"] {
            let (mut at, mut got) = (begin.clone(), 0);
            while at != end {
                let page = pull(&data, Store::Log, 1, &[("cursor", &at), (name, &end), ("count", count)]);
                assert!(!page.groups.is_empty());
                assert_eq!(header(&page.answer, "x-log-end-of-cursor"), Some(if page.next == end { "1" } else { "0" }));
                got += page.groups.len();
                at = page.next;
            }
            assert_eq!(got, 16, "records 8 to 15 and 40 to 47");
        }
    }
    // An end that lies before the cursor, or is the cursor, gives nothing.
    let page = pull(&data, Store::Log, 1, &[("cursor", &end), ("end_cursor", &begin)]);
    assert_eq!((page.groups.len(), &page.next), (0, &end));
    assert_eq!(pull(&data, Store::Log, 1, &[("cursor", &end), ("end_cursor", &end)]).groups.len(), 0);
    assert!(!pull(&data, Store::Log, 1, &[("cursor", &end)]).groups.is_empty());
}

#[test]
fn a_pull_of_one_shard_reads_no_other_ones_blocks() {
    let mut rig = Rig::new();
    let data = rig.data();
    rig.audits(0..100);
    rig.seal();
    let of_shard = drain(&data, Store::Log, 2, &cursor(&data, Store::Log, 2, "begin"), "1000");
    let expected: Vec<u64> = (0..100).filter(|seq| seq / 8 % 4 == 2).collect();
    assert_eq!(of_shard.iter().map(seq).collect::<Vec<_>>(), expected);
}

#[test]
fn cursors_of_a_time_are_of_arrival_and_the_one_before_is_found() {
    let mut rig = Rig::new();
    let data = rig.data();
    for hour in 0..3 {
        let ids: Vec<String> = (hour * 40..(hour + 1) * 40).map(audit).collect();
        rig.append(&ids, NOW + hour as i64 * 3600 * SECOND);
    }
    let at = |shard, time: i64| cursor(&data, Store::Log, shard, &(NOW / SECOND + time).to_string());
    for shard in 0..4 {
        let (begin, end) = (cursor(&data, Store::Log, shard, "begin"), cursor(&data, Store::Log, shard, "end"));
        assert_eq!((at(shard, 0), at(shard, -999_999), at(shard, 7201)), (begin.clone(), begin.clone(), end.clone()));
        let groups = drain(&data, Store::Log, shard, &at(shard, 3600), "1000");
        let expected: Vec<u64> = (40..120).filter(|seq| seq / 8 % 4 == u64::from(shard)).collect();
        assert_eq!(groups.iter().map(seq).collect::<Vec<_>>(), expected);
        let time = |cursor: &str| {
            let answer = data.cursor_time(&get(&[("type", "cursor_time"), ("cursor", cursor)]), Store::Log, shard);
            answer.map(|answer| json(&answer)["cursor_time"].as_i64().unwrap() - NOW / SECOND)
        };
        assert_eq!((time(&begin).unwrap(), time(&at(shard, 1)).unwrap()), (0, 3600));
        // At the end it is the time of the call.
        assert_eq!(time(&end).unwrap(), 0);
        assert_eq!(time(&before(&end)).unwrap(), 7200);
        assert_eq!(time(&before(&at(shard, 3600))).unwrap(), 0);
        assert_eq!(code(time(&before(&begin))), (400, "InvalidCursor"));
    }
    let page = pull(&data, Store::Log, 0, &[("cursor", &at(0, 3600)), ("count", "1")]);
    assert_eq!(header(&page.answer, "x-log-cursor-time"), Some((NOW / SECOND + 3600).to_string().as_str()));
    assert_eq!(header(&page.answer, "x-log-read-last-cursor"), Some(at(0, 3600).as_str()));
}

/// What the Python SDK does: decode, take one away, encode, and perhaps leave a line feed.
fn before(cursor: &str) -> String {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let number: u64 = String::from_utf8(engine.decode(cursor).unwrap()).unwrap().parse().unwrap();
    engine.encode((number - 1).to_string()) + "\n"
}

#[test]
fn hostile_parameters_are_refused_each_with_its_code() {
    let mut rig = Rig::new();
    let data = rig.data();
    rig.audits(0..100);
    let own = cursor(&data, Store::Log, 0, "begin");
    let pulled = |parameters: &[(&str, &str)]| code(data.pull(&get(parameters), Store::Log, 0));
    for count in ["0", "-1", "1001", "99999999999999999999", "1e3", " ", "x"] {
        assert_eq!(pulled(&[("cursor", &own), ("count", count)]), (400, "ParameterInvalid"), "{count}");
    }
    assert_eq!(pulled(&[]), (400, "ParameterInvalid"));
    let others = [
        cursor(&data, Store::Log, 1, "begin"),
        cursor(&data, Store::Journal, 0, "begin"),
        "AAAA".into(),
        "-1".into(),
        "\n".into(),
    ];
    for other in &others {
        assert_eq!(pulled(&[("cursor", other)]), (400, "InvalidCursor"), "{other:?}");
        assert_eq!(pulled(&[("cursor", &own), ("end_cursor", other)]), (400, "InvalidCursor"), "{other:?}");
        let time = data.cursor_time(&get(&[("cursor", other)]), Store::Log, 0);
        assert_eq!(code(time), (400, "InvalidCursor"), "{other:?}");
    }
    let beyond = forward(&cursor(&data, Store::Log, 0, "end"));
    assert_eq!(pulled(&[("cursor", &beyond)]), (400, "InvalidCursor"));
    assert_eq!(pulled(&[("cursor", &own), ("end_cursor", &beyond)]), (400, "InvalidCursor"));
    for (name, value) in [("query", "* | where a='b'"), ("pullMode", "scan_on_stream"), ("processor", "p")] {
        assert_eq!(pulled(&[("cursor", &own), (name, value)]), (400, "NotSupported"));
        // A client that has no query sends an empty one.
        assert!(data.pull(&get(&[("cursor", &own), (name, "")]), Store::Log, 0).is_ok());
    }
    for from in ["", "now", "-5", "1.5", "99999999999"] {
        assert_eq!(code(data.cursor(&get(&[("from", from)]), Store::Log, 0)), (400, "ParameterInvalid"), "{from}");
    }
    for shard in [4, u32::MAX] {
        assert_eq!(code(data.pull(&get(&[("cursor", &own)]), Store::Log, shard)), (404, "ShardNotExist"));
        assert_eq!(code(data.cursor(&get(&[("from", "begin")]), Store::Log, shard)), (404, "ShardNotExist"));
        assert_eq!(code(data.cursor_time(&get(&[("cursor", &own)]), Store::Log, shard)), (404, "ShardNotExist"));
    }
    // Who may only read may pull.
    let mut reader = get(&[("cursor", &own)]);
    reader.access = Access { key_id: "r".into(), role: Role::Reader };
    assert_eq!(open(data.pull(&reader, Store::Log, 0).unwrap()).groups.len(), 28);
}

fn forward(cursor: &str) -> String {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let number: u64 = String::from_utf8(engine.decode(cursor).unwrap()).unwrap().parse().unwrap();
    engine.encode((number + 1).to_string())
}

/// A page is at most 10 MB before it is compressed, and a record that is longer comes alone.
#[test]
fn pages_are_bounded_in_bytes() {
    let mut rig = Rig::new();
    let data = rig.data();
    let long = |id: u64, size: usize| {
        let event = audit(id);
        format!("{},\"pad\":\"{}\"}}", &event[..event.len() - 1], "x".repeat(size))
    };
    let records: Vec<String> =
        [4 << 20, 4 << 20, 4 << 20, 12 << 20, 1, 1].iter().zip(0..).map(|(size, id)| long(id, *size)).collect();
    for record in &records {
        rig.append(std::slice::from_ref(record), NOW);
    }
    for sealed in [false, true] {
        if sealed {
            rig.seal();
        }
        let (mut at, mut sizes) = (cursor(&data, Store::Log, 0, "begin"), Vec::new());
        loop {
            let page = pull(&data, Store::Log, 0, &[("cursor", &at)]);
            if page.groups.is_empty() {
                break;
            }
            sizes.push(page.groups.len());
            at = page.next;
        }
        assert_eq!(sizes, [2, 1, 1, 2]);
        let all = everything(&data, Store::Log, "1000");
        assert!(all.iter().map(|group| content(group, "event").unwrap()).eq(records.iter()));
    }
}

/// A consumer slept longer than the retention. It must learn what it missed. `InvalidCursor` would send the Python consumer
/// to the end without a word, past everything that is still kept.
#[test]
fn a_cursor_that_retention_overtook_is_told_so_and_not_sent_to_the_end() {
    let mut rig = Rig::new();
    let data = rig.data();
    rig.audits(0..40);
    rig.seal();
    let (old, held) = (cursor(&data, Store::Log, 0, "begin"), cursor(&data, Store::Log, 3, "begin"));
    // Read once, so that the blocks are known.
    assert_eq!(everything(&data, Store::Log, "1000").len(), 40);
    let day = 86_400 * SECOND;
    let records: Vec<String> = (40..80).map(audit).collect();
    rig.append(&records, NOW + day);
    let writer = rig.writer.as_mut().unwrap();
    writer.seal_tail(NOW + day).unwrap();
    drop_first_day(writer, NOW + day);
    rig.notify.committed(rig.writer.as_ref().unwrap().state());
    let begin = cursor(&data, Store::Log, 0, "begin");
    assert_ne!(begin, old);
    let refused = data.pull(&get(&[("cursor", &old)]), Store::Log, 0).unwrap_err();
    assert_eq!((refused.status, refused.code), (400, "ParameterInvalid"));
    assert!(refused.message.starts_with("Invalid cursor: 16 records") && refused.message.contains(&begin), "{refused}");
    assert_eq!(code(data.pull(&get(&[("cursor", &held)]), Store::Log, 3)), (400, "ParameterInvalid"));
    assert_eq!(code(data.cursor_time(&get(&[("cursor", &old)]), Store::Log, 0)), (400, "InvalidCursor"));
    assert!(everything(&data, Store::Log, "1000").iter().map(seq).eq(40..80));
}

fn drop_first_day(writer: &mut innertrail_logstore::Writer, now_us: i64) {
    let day = chrono::DateTime::from_timestamp_micros(NOW).unwrap().date_naive() + chrono::Days::new(1);
    writer.retire(Store::Log, day, now_us).unwrap();
}

#[test]
fn the_shape_is_fixed_for_life_and_one_process_serves() {
    let mut rig = Rig::new();
    let data = rig.data_with(|options| (options.shards, options.block) = (None, None));
    rig.audits(0..10);
    assert_eq!(data.shards(Store::Log).len(), 4);
    let cursor_before = cursor(&data, Store::Log, 0, "end");
    let second = Data::open(&rig.dir(), DataOptions::default()).unwrap_err();
    assert!(matches!(second, DataError::Locked { .. }), "{second}");
    drop(data);
    let other = Data::open(&rig.dir(), DataOptions { shards: Some(2), ..DataOptions::default() }).unwrap_err();
    assert!(matches!(other, DataError::Fixed { shards: 4, block: 1024, .. }), "{other}");
    let same = Data::open(&rig.dir(), DataOptions { shards: Some(4), ..DataOptions::default() }).unwrap();
    // Nothing proves to this one yet that the tail is durable, so it gives nothing of it; who had it before is not refused.
    let page = pull(&same, Store::Log, 0, &[("cursor", &cursor_before), ("end_cursor", &cursor_before)]);
    assert_eq!((page.groups.len(), &page.next), (0, &cursor_before));
    rig.audits(10..11);
    rig.seal();
    assert_eq!(pull(&same, Store::Log, 0, &[("cursor", &cursor_before)]).groups.len(), 1);
    drop(same);
    std::fs::write(rig.dir().join("consumers/sls/shards.json"), "{").unwrap();
    let damaged = Data::open(&rig.dir(), DataOptions::default()).unwrap_err();
    assert!(matches!(damaged, DataError::Damaged { .. }), "{damaged}");
    let bad = Rig::new();
    for (shards, block) in [(0, 1), (129, 1), (1, 0), (1, u64::MAX)] {
        let options = DataOptions { shards: Some(shards), block: Some(block), ..DataOptions::default() };
        assert!(matches!(Data::open(&bad.dir(), options), Err(DataError::Options { .. })));
    }
}

#[test]
fn shards_are_listed_as_clients_read_them() {
    let rig = Rig::new();
    let list = serde_json::to_value(rig.data().shards(Store::Log)).unwrap();
    let first = &list[0];
    assert_eq!(first["shardID"], 0);
    assert_eq!((first["status"].as_str(), first["createTime"].as_i64()), (Some("readwrite"), Some(NOW / SECOND)));
    assert_eq!(first["inclusiveBeginKey"].as_str(), Some("00000000000000000000000000000000"));
    assert_eq!(list[3]["exclusiveEndKey"].as_str(), Some("ffffffffffffffffffffffffffffffff"));
}

/// Many clients at once, on one store and while it grows: nobody sees a gap, and nobody waits for ever.
#[test]
fn many_readers_at_once_each_see_everything_in_order() {
    let mut rig = Rig::with(|options| options.segment_rows = 64);
    let data = rig.data_with(|options| options.cache_bytes = 100_000);
    let total = 1_200_u64;
    std::thread::scope(|scope| {
        for reader in 0..8_u32 {
            let data = &data;
            scope.spawn(move || {
                let shard = reader % 4;
                let share = (0..total).filter(|seq| seq / 8 % 4 == u64::from(shard)).collect::<Vec<_>>();
                let (mut at, mut seen) = (cursor(data, Store::Log, shard, "begin"), Vec::new());
                while seen.len() < share.len() {
                    let page = pull(data, Store::Log, shard, &[("cursor", &at), ("count", "13")]);
                    seen.extend(page.groups.iter().map(seq));
                    at = page.next;
                }
                assert_eq!(seen, share);
            });
        }
        for from in (0..total).step_by(40) {
            rig.audits(from..from + 40);
        }
    });
}
