//! Our own `type: sls` source, which reads the real service, reads these answers: a copy of a Logstore made through it holds
//! the same records.

use innertrail_logstore::Store;
use innertrail_plugin::source::framer::Cut;
use innertrail_plugin::source::http::Response;
use innertrail_plugin::source::sls::page::{Answer as SlsAnswer, Portion};
use innertrail_plugin::source::sls::wire;

use crate::support::*;

/// What the source makes of a page: the lines that its rooms decode.
fn lines(answer: &innertrail_api::Answer, at: &str) -> (String, Vec<String>) {
    let headers = answer.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let response = Response { id: 1, now_ms: 1, status: 200, headers, body: answer.body.to_vec() };
    let answer = SlsAnswer::read(at, response, 12 << 20).unwrap();
    let next = answer.next.clone();
    let (mut page, mut cut, mut offset) = (answer.open().unwrap(), Cut::default(), 0);
    while !page.is_done() {
        page.cut(&mut cut, Portion { most: 1 << 20, max_record: 8 << 20 }, &mut offset);
    }
    let (mut from, mut lines) = (0, Vec::new());
    for frame in &cut.frames {
        assert_eq!(frame.fault, None);
        lines.push(String::from_utf8(cut.data[from..frame.end as usize].to_vec()).unwrap());
        from = frame.end as usize;
    }
    (next, lines)
}

#[test]
fn a_copy_through_our_own_source_holds_the_same_records() {
    let mut rig = Rig::new();
    let data = rig.data();
    let mut records: Vec<String> = (0..40).map(audit).collect();
    records.push(platform(40));
    rig.append(&records, NOW);
    let mut copy = Rig::new();
    for shard in wire::read_shards(&serde_json::to_vec(&data.shards(Store::Log)).unwrap()).unwrap() {
        assert!(!shard.readonly);
        let begin = data.cursor(&get(&[("from", "begin")]), Store::Log, shard.id).unwrap();
        let mut at = wire::read_cursor(&begin.body).unwrap();
        for form in ["lz4", "zstd", ""].into_iter().cycle() {
            let call = accepting(get(&[("cursor", &at), ("count", "3")]), form);
            let (next, lines) = lines(&data.pull(&call, Store::Log, shard.id).unwrap(), &at);
            if lines.is_empty() {
                assert_eq!(next, at);
                break;
            }
            copy.append(&lines, NOW + SECOND);
            at = next;
        }
    }
    let copied = copy.data();
    let groups = everything(&copied, Store::Log, "1000");
    let mut events: Vec<&str> = groups.iter().map(|group| content(group, "event").unwrap()).collect();
    events.sort_unstable();
    // The copy of a platform event is the whole flat record, with the original in it.
    let flat = events.iter().position(|event| event.contains("P-00000040")).unwrap();
    let flat: serde_json::Value = serde_json::from_str(events.remove(flat)).unwrap();
    assert_eq!((flat["EventID"].as_str(), flat["event"].as_str()), (Some("P-00000040"), Some(platform(40).as_str())));
    records.pop();
    records.sort();
    assert_eq!(events, records);
    // What the first Logstore said of a record travels with it, except what is only true there.
    let first = groups.iter().find(|group| content(group, "EventID").is_none()).unwrap();
    assert_eq!(
        (first.topic.as_deref(), tag(first, "__receive_time__")),
        (Some("actiontrail_audit_event"), Some("1794524401"))
    );
}

#[test]
fn the_small_answers_are_read_as_well() {
    let rig = Rig::new();
    let data = rig.data();
    let post = |parameters: &[(&str, &str)], body: &str, rest: &[String]| {
        data.group_call(&call(hyper::Method::POST, parameters, body), Store::Log, rest).unwrap()
    };
    post(&[], r#"{"consumerGroup":"g","timeout":60,"order":false}"#, &[]);
    let name = ["g".to_owned()];
    let held = post(&[("type", "heartbeat"), ("consumer", "c")], "[]", &name);
    assert_eq!(wire::read_held(&held.body).unwrap(), [0, 1, 2, 3]);
    let stored = data.group_call(&get(&[]), Store::Log, &name).unwrap();
    assert_eq!(wire::read_checkpoints(&stored.body).unwrap().len(), 4);
    let begin = cursor(&data, Store::Log, 0, "begin");
    let time = data.cursor_time(&get(&[("cursor", &begin)]), Store::Log, 0).unwrap();
    assert_eq!(wire::read_cursor_time(&time.body), Some(NOW / 1000));
}
