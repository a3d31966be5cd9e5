//! Every way of writing: one answer, told once, and a connection that goes on.

use std::io::{BufRead, BufReader, Read, Write};
use std::time::{Duration, Instant};

use innertrail_api::attempts::Told;
use innertrail_api::refuse::Surface;
use innertrail_test_cloud::Key;
use innertrail_test_cloud::client::Signature;

use crate::support::{BOTH, LS, Stage, get};

#[test]
fn every_write_has_one_answer_and_reaches_no_room() {
    let stage = Stage::new();
    let mut sent = 0;
    for (method, path) in [
        ("POST", format!("{LS}/shards/lb")),
        ("POST", format!("{LS}/shards/route")),
        ("POST", LS.to_owned()),
        ("POST", format!("{LS}/deletelogtasks")),
        ("POST", format!("{LS}/deletelogs")),
        ("POST", format!("{LS}/updatelogs")),
        ("PUT", format!("{LS}/modification")),
        ("POST", "/logstores".to_owned()),
        ("DELETE", LS.to_owned()),
        ("POST", format!("{LS}/shards/0")),
        ("DELETE", format!("{LS}/shards/0")),
        ("PUT", format!("{LS}/index")),
        ("PUT", format!("{LS}/objects/x")),
        ("DELETE", "/".to_owned()),
        ("POST", "/asyncsql".to_owned()),
        ("POST", "/jobs".to_owned()),
        ("POST", "/prometheus/audit/innertrail_main-trail/api/v1/write".to_owned()),
        ("PUT", "/dashboards/x".to_owned()),
        ("POST", "/savedsearches".to_owned()),
        ("DELETE", "/jobs/x".to_owned()),
        ("PATCH", "/what/ever".to_owned()),
        ("POST", "/logstores/another/shards/lb".to_owned()),
    ] {
        for signature in BOTH {
            let seen = stage.send(&get(&path, "", signature).with(method, "x"), &stage.administrator);
            assert_eq!(
                (seen.status, seen.code().as_str()),
                (403, "LogStoreReadOnly"),
                "{method} {path} {}",
                seen.text()
            );
            assert!(!seen.text().to_lowercase().contains("unauthorized"));
            sent += 1;
        }
        // Somebody with a wrong key learns nothing of what is allowed.
        let wrong = Key { secret: "another".to_owned(), ..stage.reader.clone() };
        assert_eq!(stage.send(&get(&path, "", Signature::Sls4).with(method, "x"), &wrong).code(), "SignatureNotMatch");
    }
    assert!(stage.echo.calls.lock().unwrap().is_empty());
    assert_eq!(stage.server.counts().refused().values().sum::<u64>(), sent);
    let told = stage.process.told.lock().unwrap();
    assert_eq!(told.len(), 10, "{told:?}");
    let Told::One(first) = &told[0] else { panic!("{told:?}") };
    assert_eq!((&first.key_id, first.surface), (&Some(stage.administrator.id.clone()), Surface::PutLogs));
    assert_eq!((first.source.to_string(), first.request_id.len()), ("127.0.0.1".to_owned(), 24));
}

#[test]
fn tracking_is_refused_without_a_key() {
    let stage = Stage::new();
    for (method, path) in [("GET", "track"), ("GET", "track.gif"), ("GET", "track_ua.gif"), ("POST", "track")] {
        let ask = get(&format!("{LS}/{path}"), "APIVersion=0.6.0&x=1", Signature::None).with(method, "");
        let seen = stage.send(&ask, &Key::reader());
        assert_eq!((seen.status, seen.code().as_str()), (403, "LogStoreReadOnly"));
    }
    let told = stage.process.told.lock().unwrap();
    assert!(
        told.iter().all(|told| matches!(told, Told::One(one) if one.key_id.is_none())) && told.len() == 4,
        "{told:?}"
    );
}

#[test]
fn a_statement_that_a_room_refuses_is_told_too() {
    let stage = Stage::new();
    let ask = get(&format!("{LS}/logs"), "", Signature::Sls4).with("POST", "insert into log");
    assert_eq!(stage.send(&ask, &stage.reader).code(), "LogStoreReadOnly");
    let told = stage.process.told.lock().unwrap();
    assert!(matches!(&told[..], [Told::One(one)] if one.surface == Surface::Sql));
}

/// SDKs write the whole body before they read a byte. A server that closes early resets the connection, the SDK takes that for a
/// broken network, and sends all of it again, ten times.
#[test]
fn who_is_still_sending_five_megabytes_sees_the_answer() {
    let stage = Stage::new();
    for key in [&stage.administrator, &Key::reader()] {
        for signature in BOTH {
            let ask = get(&format!("{LS}/shards/lb"), "", signature).with("POST", vec![7; 5 << 20]);
            let begun = Instant::now();
            let seen = stage.send(&ask, key);
            let expected = if key.id == stage.administrator.id { "LogStoreReadOnly" } else { "InvalidAccessKeyId" };
            assert_eq!(seen.code(), expected);
            assert!(seen.whole && begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        }
    }
}

fn head(key: &str, length: usize, more: &str) -> String {
    format!(
        "POST {LS}/track HTTP/1.1\r\nhost: audit.logs.example\r\nx-key: {key}\r\ncontent-length: {length}\r\n{more}\r\n"
    )
}

/// The answer is there before the body is, and the connection takes the next request when it was.
#[test]
fn the_answer_comes_before_the_body_and_the_connection_goes_on() {
    let stage = Stage::new();
    let mut stream = stage.connect();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    for _ in 0..2 {
        stream.write_all(head("x", 1 << 20, "").as_bytes()).unwrap();
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 403"), "{line}");
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            assert!(!line.starts_with("connection: close"), "the connection ends");
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        stream.write_all(&vec![b'x'; 1 << 20]).unwrap();
    }
}

#[test]
fn who_waits_to_be_asked_for_the_body_is_not_asked() {
    let stage = Stage::new();
    let seen = stage.raw(&head("x", 1 << 20, "expect: 100-continue\r\n"));
    assert!(seen.starts_with("HTTP/1.1 403") && seen.contains("connection: close"), "{seen}");
}
