//! The Forward sender against a strict receiver: what it says, and what it makes of every kind of answer.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use innertrail_logstore::Value;
use innertrail_sink::forward::{Auth, Forward, ForwardConfig, ForwardError, TlsConfig};
use innertrail_sink::{Reference, Refused, Sender};

use crate::double::server_config;
use crate::fixture_records::{self, Fixtures};
use crate::forward_double::{Guard, Mood, Receiver, Seen};

fn sender(receiver: &Receiver, change: impl FnOnce(&mut ForwardConfig)) -> Forward {
    let mut config = ForwardConfig::of(&receiver.address());
    (config.connect_timeout, config.read_timeout) = (Duration::from_secs(2), Duration::from_millis(400));
    change(&mut config);
    Forward::new(config).unwrap()
}

fn why(answer: Result<(), Refused>) -> String {
    match answer {
        Err(Refused::Later { why, after: None } | Refused::Closed { why }) => {
            why.split_once(": ").unwrap().1.to_owned()
        }
        other => panic!("{other:?}"),
    }
}

fn check(fixtures: &Fixtures, from: usize, seen: &Seen) {
    for (i, (seconds, nanoseconds, map)) in seen.entries.iter().enumerate() {
        let record = &fixtures.records[from + i];
        let Some(Value::Timestamp(us)) = record.value(&fixtures.layout, "it_time") else { panic!("no time") };
        assert_eq!(i64::from(*seconds) * 1_000_000 + i64::from(*nanoseconds) / 1_000, us);
        let get = |name: &str| map.iter().find(|(k, _)| k.as_str() == Some(name)).map(|(_, v)| v.clone());
        assert_eq!(get("it_seq").unwrap().as_u64(), Some(record.row.seq));
        assert_eq!(get("it_received").unwrap().as_i64(), Some(record.row.received_us));
        assert_eq!(get("it_seal").unwrap().as_str(), Some(record.mark.as_str()));
        assert_eq!(get("event").unwrap().as_str().unwrap().as_bytes(), record.row.payload());
        for (position, value) in record.row.columns() {
            let found = get(&fixtures.layout.columns[usize::from(position)].name).unwrap();
            match value {
                Value::Text(text) => assert_eq!(found.as_str(), Some(text)),
                Value::Integer(n) | Value::Timestamp(n) => assert_eq!(found.as_i64(), Some(n)),
            }
        }
        assert_eq!(map.len(), record.row.columns().count() + 4, "{}", fixtures.cases[from + i]);
    }
}

/// Every record of every fixture arrives whole and in order, packed or not, over one connection.
#[test]
fn every_fixture_arrives_as_it_is_stored() {
    let (fixtures, receiver) = (fixture_records::all(), Receiver::start(Mood::Ack, None));
    for gzip in [false, true] {
        let mut sender = sender(&receiver, |c| c.gzip = gzip);
        let mut chunks = std::collections::BTreeSet::new();
        for (from, to) in [(0, 1), (1, 40), (40, fixtures.records.len())] {
            sender.send(&fixtures.part(from, to)).unwrap();
            let seen = receiver.last();
            assert_eq!((seen.tag.as_str(), seen.compressed, seen.entries.len()), ("innertrail", gzip, to - from));
            let batch = fixtures.part(from, to);
            let told: usize = (0..to - from).map(|at| sender.encoded_len(&batch, at)).sum();
            assert_eq!(told, seen.bytes);
            check(&fixtures, from, &seen);
            chunks.insert(seen.chunk);
        }
        assert_eq!(chunks.len(), 3, "a chunk is used once");
    }
    assert_eq!(receiver.connections(), 2);
}

/// MessagePack's texts are UTF-8; what is none goes as bytes, and nothing is replaced.
#[test]
fn an_event_that_is_no_text_is_sent_as_bytes() {
    let (layout, receiver) = (fixture_records::layout(), Receiver::start(Mood::Ack, None));
    let time = ("it_time", Value::Timestamp(1));
    let records = [
        fixture_records::made(1, &[time, ("it_offset", Value::Integer(i64::MIN))], b"\xff\xfe{}"),
        fixture_records::made(2, &[time, ("userAgent", Value::Text(&"é".repeat(40_000)))], &vec![b'x'; 70_000]),
    ];
    let batch = innertrail_sink::Batch { trail: "t", layout: &layout, records: &records };
    let mut sender = sender(&receiver, |_| ());
    sender.send(&batch).unwrap();
    let seen = receiver.last();
    let get =
        |at: usize, name: &str| seen.entries[at].2.iter().find(|(k, _)| k.as_str() == Some(name)).unwrap().1.clone();
    assert_eq!(get(0, "event"), rmpv::Value::Binary(b"\xff\xfe{}".to_vec()));
    assert_eq!(get(0, "it_offset").as_i64(), Some(i64::MIN));
    assert_eq!(get(1, "userAgent").as_str().unwrap().len(), 80_000);
    assert_eq!(sender.encoded_len(&batch, 0) + sender.encoded_len(&batch, 1), seen.bytes);
}

/// Whatever is no ack of this very chunk leaves the batch undelivered, and its connection is never used again.
#[test]
fn only_the_ack_of_this_chunk_counts() {
    let (fixtures, receiver) = (fixture_records::all(), Receiver::start(Mood::Ack, None));
    let mut sender = sender(&receiver, |_| ());
    let moods = [
        (Mood::OtherAck, "the answer is to another chunk: `AAAAAAAAAAAAAAAAAAAAAA==`"),
        (Mood::Silence, "no answer: not in time"),
        (Mood::Close, "no answer: the receiver closed the connection"),
        (Mood::Endless, "the answer is longer than 4096 bytes"),
        (Mood::Drip, "no answer: not in time"),
        (Mood::Raw(vec![0xc0]), "the answer is none"),
        (Mood::Raw(vec![0x80]), "the answer is none: a map without `ack`"),
        (Mood::Raw(vec![0x81, 0xa3, b'a', b'c', b'k', 5]), "the answer is none"),
        (Mood::Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), "the answer is none"),
        (Mood::Raw(vec![0x92, 0xa4, b'H', b'E', b'L', b'O', 0x80]), "the answer is none: a list, such as the HELO"),
    ];
    for (mood, wanted) in moods {
        let before = receiver.connections();
        receiver.turn(mood.clone());
        let told = why(sender.send(&fixtures.part(0, 2)));
        assert!(told.starts_with(wanted), "{mood:?}: {told}");
        assert!(told.len() < 200, "{told}");
        receiver.turn(Mood::AckAmongOthers);
        sender.send(&fixtures.part(0, 2)).unwrap();
        let fresh = receiver.connections() - before;
        assert!(fresh >= 1, "{mood:?} left its connection in use");
    }
}

/// A late or second ack would be taken for the next batch's, and a connection that the receiver has ended costs a batch
/// its first try.
#[test]
fn a_connection_that_is_not_quiet_is_not_used_again() {
    let fixtures = fixture_records::all();
    for mood in [Mood::AckAndClose, Mood::AckTwice] {
        let receiver = Receiver::start(mood.clone(), None);
        let mut sender = sender(&receiver, |_| ());
        for at in 0..3 {
            sender.send(&fixtures.part(at, at + 1)).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(receiver.connections(), 3, "{mood:?}");
    }
}

#[test]
fn nobody_listening_and_nobody_reading_are_bounded() {
    let fixtures = fixture_records::all();
    let mut nobody = Forward::new(ForwardConfig::of("127.0.0.1:1")).unwrap();
    assert!(why(nobody.send(&fixtures.part(0, 1))).starts_with("no connection: "));
    // The listener takes the connection and reads nothing: buffers fill up, then the write ends.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = ForwardConfig::of(&deaf.local_addr().unwrap().to_string());
    config.write_timeout = Duration::from_millis(200);
    let layout = fixture_records::layout();
    let big = [fixture_records::made(1, &[], &vec![b'x'; 16 << 20])];
    let batch = innertrail_sink::Batch { trail: "t", layout: &layout, records: &big };
    let started = Instant::now();
    config.max_message = 32 << 20;
    let told = why(Forward::new(config.clone()).unwrap().send(&batch));
    assert_eq!(told, "the message was not taken: not in time");
    // A record that the receiver cannot take must not hold back everything behind it for ever.
    config.max_message = 4 << 20;
    let told = Forward::new(config).unwrap().send(&batch).unwrap_err();
    assert!(matches!(&told, Refused::Unclear { why } if why.contains("more than the 4194304 that")), "{told:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

const GUARD: Guard = Guard { key: "a shared key", user: None, hostname: "receiver.example", proves_with: None };

fn secret(dir: &tempfile::TempDir, name: &str, text: &str) -> Reference {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    Reference::File(path)
}

#[test]
fn both_sides_prove_the_shared_key() {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = fixture_records::all();
    // A file for every secret, named by what is in it.
    let file = |text: &str| secret(&dir, &text.trim().replace(' ', "-"), text);
    let auth = |key: &str, user: Option<(&str, &str)>| Auth {
        shared_key: file(key),
        user: user.map(|(name, password)| (name.to_owned(), file(password))),
        hostname: "sender.example".to_owned(),
    };
    let with_user = Guard { user: Some(("alice", "her password")), ..GUARD };
    let cases = [
        (GUARD, auth("a shared key\n", None), "taken"),
        (GUARD, auth("another key", None), "the receiver refuses the shared key, or the user: shared_key mismatch"),
        (
            Guard { proves_with: Some("guess"), ..GUARD },
            auth("a shared key", None),
            "the receiver does not know the shared key",
        ),
        (
            Guard { hostname: "sender.example", ..GUARD },
            auth("a shared key", None),
            "the receiver calls itself as this side does",
        ),
        (with_user.clone(), auth("a shared key", Some(("alice", "her password"))), "taken"),
        (
            with_user.clone(),
            auth("a shared key", Some(("alice", "a guess"))),
            "the receiver refuses the shared key, or the user",
        ),
        (with_user, auth("a shared key", None), "the receiver asks for a user"),
    ];
    for (guard, auth, wanted) in cases {
        let receiver = Receiver::start(Mood::Ack, Some(guard));
        let mut sender = sender(&receiver, |c| c.auth = Some(auth));
        match sender.send(&fixtures.part(0, 1)) {
            Ok(()) => assert_eq!(wanted, "taken"),
            refused => {
                let told = why(refused);
                assert!(told.starts_with(wanted), "{told}");
                assert!(!told.contains("her password") && !told.contains("a shared key"), "{told}");
                assert!(receiver.seen.lock().unwrap().is_empty(), "records went to a receiver that proved nothing");
            }
        }
        if wanted == "taken" {
            sender.send(&fixtures.part(1, 5)).unwrap();
            assert_eq!((receiver.connections(), receiver.last().entries.len()), (1, 4), "one handshake a connection");
        }
    }
}

/// A receiver without a handshake would take the records unproved.
#[test]
fn a_handshake_that_is_set_up_is_never_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (fixtures, receiver) = (fixture_records::all(), Receiver::start(Mood::Ack, None));
    let auth = Auth { shared_key: secret(&dir, "key", "k"), user: None, hostname: "sender.example".to_owned() };
    let told = why(sender(&receiver, |c| c.auth = Some(auth)).send(&fixtures.part(0, 1)));
    assert_eq!(told, "a handshake is set up, but no answer: not in time");
    assert!(receiver.seen.lock().unwrap().is_empty());
}

/// Over TLS everything is as it is without, and a receiver that nobody vouches for gets nothing.
#[test]
fn only_the_receiver_that_the_authority_vouches_for_is_sent_to() {
    let (dir, fixtures) = (tempfile::tempdir().unwrap(), fixture_records::all());
    let ((server, pem), (_, another)) = (server_config("ours"), server_config("another"));
    let receiver = Receiver::secure(Mood::Ack, Some(GUARD), server);
    let port = receiver.address().rsplit_once(':').unwrap().1.to_owned();
    let of = |host: &str, authority: &str, server_name: Option<&str>| {
        let path = dir.path().join("ca.pem");
        std::fs::write(&path, authority).unwrap();
        let auth = Auth { shared_key: secret(&dir, "key", "a shared key"), user: None, hostname: "s".to_owned() };
        let mut config = ForwardConfig::of(&format!("{host}:{port}"));
        config.tls = Some(TlsConfig { ca_file: Some(path), server_name: server_name.map(str::to_owned) });
        (config.auth, config.read_timeout) = (Some(auth), Duration::from_secs(5));
        Forward::new(config)
    };
    for mut sender in [of("localhost", &pem, None).unwrap(), of("127.0.0.1", &pem, Some("localhost")).unwrap()] {
        let before = receiver.connections();
        for (from, to) in [(0, 1), (1, 60), (60, fixtures.records.len())] {
            sender.send(&fixtures.part(from, to)).unwrap();
            check(&fixtures, from, &receiver.last());
        }
        assert_eq!(receiver.connections() - before, 1);
    }
    receiver.seen.lock().unwrap().clear();
    for (host, authority, wanted) in
        [("localhost", &another, "UnknownIssuer"), ("127.0.0.1", &pem, "not valid for name")]
    {
        let told = why(of(host, authority, None).unwrap().send(&fixtures.part(0, 1)));
        assert!(told.contains(wanted), "{told}");
    }
    assert!(receiver.seen.lock().unwrap().is_empty());
    assert!(matches!(of("localhost", "no pem", None), Err(ForwardError::Authorities(_))));
    assert!(matches!(of("localhost", &pem, Some("a b")), Err(ForwardError::Name(_))));
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let told = |change: fn(&mut ForwardConfig)| {
        let mut config = ForwardConfig::of("127.0.0.1:24224");
        change(&mut config);
        Forward::new(config).unwrap_err().to_string()
    };
    let all = [
        told(|c| c.address = "host".to_owned()),
        told(|c| c.address = ":24224".to_owned()),
        told(|c| c.tag = String::new()),
        told(|c| c.max_message = 100),
        told(|c| c.read_timeout = Duration::ZERO),
        told(|c| {
            let shared_key = Reference::Environment("INNERTRAIL_NOT_SET".to_owned());
            c.auth = Some(Auth { shared_key, user: None, hostname: "h".to_owned() });
        }),
    ];
    insta::assert_snapshot!(all.join("\n"), @r##"
the address `host` is not usable; write `host:port`, for example `127.0.0.1:24224`
the address `:24224` is not usable; write `host:port`, for example `127.0.0.1:24224`
the tag is empty or has more than 256 bytes
a message of at most 100 bytes cannot be; allow 4096 to 1073741824
every timeout must be longer than nothing
the shared key or the password: the variable INNERTRAIL_NOT_SET: it is not set, or no UTF-8
"##);
}
