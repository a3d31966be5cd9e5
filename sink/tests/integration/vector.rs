//! The Vector sender against the protocol's contract.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use innertrail_logstore::{StoredRow, Value as Column};
use innertrail_plugin::event::LogEvent;
use innertrail_sink::delivery::{Settings, State};
use innertrail_sink::vector::{Compression, MAX_MESSAGE, Tls, Vector, VectorConfig, VectorError};
use innertrail_sink::{Batch, Record, Refused, Sender};
use serde_json::json;

use crate::conservation::{Parked, drained, impatient, sink};
use crate::contract::{Answer, Contract, shared_form};
use crate::support::{layout, logstore, marked, records};

type Got = Arc<Mutex<Vec<Vec<u64>>>>;

fn seq(event: &LogEvent) -> u64 {
    shared_form(event)["log"]["it_seq"].as_u64().unwrap()
}

/// A server that notes the numbers of each request and answers by them.
fn serve(answer: impl Fn(&[u64]) -> Answer + Send + Sync + 'static) -> (Contract, Got) {
    let got = Got::default();
    let to = Arc::clone(&got);
    let server = Contract::serve(Arc::new(move |events| {
        let seqs: Vec<u64> = events.iter().map(seq).collect();
        let answer = answer(&seqs);
        to.lock().unwrap().push(seqs);
        answer
    }));
    (server, got)
}

fn sender(url: &str) -> Vector {
    Vector::new(VectorConfig { deadline: Duration::from_millis(500), ..VectorConfig::of(url) }).unwrap()
}

fn push(sender: &mut Vector, records: &[Record]) -> Result<(), Refused> {
    sender.send(&Batch { trail: "main-trail", layout: &layout(), records })
}

fn kind(answer: &Result<(), Refused>) -> &'static str {
    match answer {
        Ok(()) => "ok",
        Err(Refused::Later { .. }) => "later",
        Err(Refused::Closed { .. }) => "closed",
        Err(Refused::Never { .. }) => "never",
        Err(Refused::Unclear { .. }) => "unclear",
    }
}

#[test]
fn every_compression_arrives() {
    let place = logstore(300);
    let (_, records) = records(&place.dir);
    let (server, got) = serve(|_| Answer::Ok);
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let mut sender = Vector::new(VectorConfig { compression, ..VectorConfig::of(&server.url()) }).unwrap();
        push(&mut sender, &records).unwrap();
    }
    let got = got.lock().unwrap();
    assert_eq!(got.len(), 3);
    assert!(got.iter().all(|seqs| *seqs == (0..300).collect::<Vec<_>>()));
}

/// What the length of a batch is said to be is what it is: the cap of a request is cut by it.
#[test]
fn lengths_are_told_exactly() {
    let place = logstore(50);
    let (layout, records) = records(&place.dir);
    let sender = sender("http://127.0.0.1:1");
    let batch = Batch { trail: "main-trail", layout: &layout, records: &records };
    let told: usize = (0..records.len()).map(|at| sender.encoded_len(&batch, at)).sum();
    let sizes: Arc<Mutex<Vec<usize>>> = Arc::default();
    let to = Arc::clone(&sizes);
    let server = Contract::serve(Arc::new(move |events| {
        let wrappers =
            events.into_iter().map(|e| innertrail_plugin::event::native::encode_wrapper(e).unwrap()).collect();
        to.lock().unwrap().push(innertrail_plugin::event::native::join_push_request(wrappers).len());
        Answer::Ok
    }));
    push(&mut self::sender(&server.url()), &records).unwrap();
    assert_eq!(*sizes.lock().unwrap(), [told]);
}

#[test]
fn statuses_resets_and_silence_are_told_apart() {
    let answers = [
        Answer::Status(14, "shutting down"),
        Answer::Status(13, "Delivery error"),
        Answer::Status(15, "Delivery failed"),
        Answer::Status(3, "no"),
        Answer::Status(1, "cancelled"),
        Answer::Status(16, "who are you"),
        Answer::Reset,
        Answer::Panic,
        Answer::Nothing,
        Answer::After(Duration::from_secs(2)),
        Answer::Ok,
    ];
    let count = answers.len();
    let at = AtomicU32::new(0);
    let (server, _) = serve(move |_| answers[at.fetch_add(1, Relaxed) as usize].clone());
    let place = logstore(3);
    let (_, records) = records(&place.dir);
    let mut sender = sender(&server.url());
    let mut told: Vec<String> = (0..count)
        .map(|_| {
            let answer = push(&mut sender, &records);
            let text = answer.as_ref().err().map_or_else(String::new, ToString::to_string);
            format!("{}: {}", kind(&answer), text.replace(&server.url(), "URL"))
        })
        .collect();
    let gone = server.url();
    drop(server);
    let answer = push(&mut sender, &records);
    told.push(format!("{}: {}", kind(&answer), answer.unwrap_err().to_string().replace(&gone, "URL")));
    insta::assert_snapshot!(told.join("\n"), @r#"
later: URL: Unavailable: shutting down
later: URL: Internal: Delivery error
never: URL: DataLoss: Delivery failed
never: URL: InvalidArgument: no
unclear: URL: Cancelled: cancelled
later: URL: Unauthenticated: who are you
unclear: URL: it reset the request, as Vector does when it fails on an event (stream error received: unexpected internal error encountered)
unclear: URL: it reset the request, as Vector does when it fails on an event (stream error received: stream no longer needed)
unclear: URL: Unknown: protocol error: missing grpc-status trailer, stream was terminated without a final status (possible truncation by a proxy or load balancer)
later: URL: no answer within 500ms
ok: 
later: URL: Unknown: transport error (stream closed because of a broken pipe)
"#);
}

#[test]
fn addresses_that_cannot_be_are_refused_at_once() {
    for bad in ["", "localhost:6000", "ftp://host:6000", "http://", "http://a b"] {
        assert!(matches!(Vector::new(VectorConfig::of(bad)), Err(VectorError::Address { .. })), "{bad}");
    }
}

/// A server that takes connections and never says anything must cost one deadline, not for ever.
#[test]
fn a_silent_server_costs_a_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = logstore(1);
    let (_, records) = records(&place.dir);
    let begun = Instant::now();
    let answer = push(&mut sender(&format!("http://{}", silent.local_addr().unwrap())), &records);
    assert_eq!(kind(&answer), "later");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

/// Vector panics on a time that no calendar has, and the whole request is lost with it, again and again.
#[test]
fn what_would_make_vector_panic_is_never_sent() {
    let (server, got) = serve(|_| Answer::Ok);
    let place = logstore(3);
    let (_, mut records) = records(&place.dir);
    let time = u8::try_from(layout().position("it_time").unwrap()).unwrap();
    let row = &records[1].row;
    let columns: Vec<_> = row
        .columns()
        .map(|(position, value)| (position, if position == time { Column::Timestamp(i64::MAX) } else { value }))
        .collect();
    records[1].row = StoredRow::new(row.seq, row.received_us, &columns, row.payload());
    let mut sender = sender(&server.url());
    assert_eq!(kind(&push(&mut sender, &records)), "never");
    assert_eq!(kind(&push(&mut sender, &records[1..2])), "never");
    assert_eq!(kind(&push(&mut sender, &records[2..])), "ok");
    assert_eq!(*got.lock().unwrap(), [[2]]);
    // Nor when it was to be written down before.
    sender.prepare().unwrap()("main-trail", &layout(), &mut records);
    let written: Vec<bool> = records.iter().map(|record| record.written.is_some()).collect();
    assert_eq!(written, [true, false, true]);
    assert_eq!(kind(&push(&mut sender, &records)), "never");
    assert_eq!(kind(&push(&mut sender, &records[2..])), "ok");
    assert_eq!(*got.lock().unwrap(), [[2], [2]]);
}

/// A request is the same whether its records were written down before or not, and in whatever pieces.
#[test]
fn what_was_written_down_before_is_what_would_have_been_sent() {
    let (server, got) = serve(|_| Answer::Ok);
    let place = logstore(60);
    let (_, records) = records(&place.dir);
    let mut sender = sender(&server.url());
    let mut prepared = records.clone();
    sender.prepare().unwrap()("main-trail", &layout(), &mut prepared);
    let size = |sender: &Vector, records: &[Record], at| {
        sender.encoded_len(&Batch { trail: "main-trail", layout: &layout(), records }, at)
    };
    for at in 0..records.len() {
        assert_eq!(size(&sender, &prepared, at), prepared[at].written.as_ref().unwrap().len());
        assert_eq!(size(&sender, &records, at), size(&sender, &prepared, at));
    }
    let mixed = [&records[..7], &prepared[7..30], &records[30..31], &prepared[31..]].concat();
    for way in [&records, &prepared, &mixed] {
        assert_eq!(kind(&push(&mut sender, way)), "ok");
    }
    let got = got.lock().unwrap();
    assert!(got.len() == 3 && got.iter().all(|seqs| seqs.iter().copied().eq(0..60)), "{got:?}");
}

#[test]
fn more_than_vector_takes_is_never_sent() {
    let (server, got) = serve(|_| Answer::Ok);
    let row = StoredRow::new(0, 0, &[], &vec![b'x'; MAX_MESSAGE]);
    assert_eq!(kind(&push(&mut sender(&server.url()), &[marked(row)])), "never");
    assert!(got.lock().unwrap().is_empty());
}

/// `DATA_LOSS` for a batch says that a sink behind Vector rejected something in it, not what.
#[test]
fn rejected_records_are_narrowed_down_and_parked_and_their_neighbours_arrive() {
    let poison = [3, 4, 77];
    let (server, got) = serve(move |seqs| {
        if seqs.iter().any(|seq| poison.contains(seq)) { Answer::Status(15, "Delivery failed") } else { Answer::Ok }
    });
    let place = logstore(200);
    let parked = Parked::default();
    let running = sink(&place.dir, Box::new(sender(&server.url())), impatient(), &parked).spawn().unwrap();
    drained(running, 200, Duration::from_secs(20));
    let parked: Vec<u64> = parked.0.lock().unwrap().iter().map(|(seq, _)| *seq).collect();
    assert_eq!(parked, poison);
    let accepted: Vec<u64> =
        got.lock().unwrap().iter().filter(|seqs| !seqs.iter().any(|s| poison.contains(s))).flatten().copied().collect();
    assert_eq!(accepted, (0..200).filter(|seq| !poison.contains(seq)).collect::<Vec<_>>());
}

/// A record on which the receiver's handler panics resets the stream. It must not block the sink for ever.
#[test]
fn a_record_that_resets_the_stream_is_parked_after_some_tries() {
    let (server, got) = serve(|seqs| if seqs.contains(&21) { Answer::Panic } else { Answer::Ok });
    let place = logstore(60);
    let parked = Parked::default();
    let settings = Settings { unclear_retries: 3, ..impatient() };
    let running = sink(&place.dir, Box::new(sender(&server.url())), settings, &parked).spawn().unwrap();
    drained(running, 60, Duration::from_secs(20));
    let parked = parked.0.lock().unwrap();
    assert!(matches!(&parked[..], [(21, why)] if why.contains("reset")), "{parked:?}");
    let tries = got.lock().unwrap().iter().filter(|seqs| **seqs == [21]).count();
    assert_eq!(tries, 4, "once, and three times more");
}

/// A wrong certificate, token or port is nobody's fault but the configuration's: nothing is parked, the report says it.
#[test]
fn a_receiver_that_does_not_let_us_in_is_waited_for() {
    let (server, _) = serve(|_| Answer::Status(16, "no token"));
    let place = logstore(5);
    let parked = Parked::default();
    let running = sink(&place.dir, Box::new(sender(&server.url())), impatient(), &parked).spawn().unwrap();
    let begun = Instant::now();
    while running.status().report().retried < 5 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    let report = running.status().report();
    assert!(matches!(&report.state, State::Waiting { why, .. } if why.contains("no token")), "{report:?}");
    assert_eq!((report.position, report.behind, report.parked, report.sent), (0, 5, 0, 0));
    running.stop();
    running.join().unwrap();
    assert!(parked.0.lock().unwrap().is_empty());
}

/// Vector's sinks see the record under the vendor's names, with a typed timestamp.
#[test]
fn an_event_is_what_a_remap_expects() {
    let place = logstore(1);
    let (_, records) = records(&place.dir);
    let got: Arc<Mutex<Vec<LogEvent>>> = Arc::default();
    let to = Arc::clone(&got);
    let server = Contract::serve(Arc::new(move |events| {
        to.lock().unwrap().extend(events);
        Answer::Ok
    }));
    push(&mut sender(&server.url()), &records).unwrap();
    let got = got.lock().unwrap();
    let event = shared_form(&got[0]);
    assert_eq!(event["log"]["eventName"], json!("PutObject"));
    assert_eq!(event["log"]["it_seal"], json!(records[0].mark));
    let timestamp = got[0].value.get("timestamp").unwrap();
    assert_eq!(timestamp.type_name(), "timestamp");
}

/// Both sides show a certificate; a side that is not believed gets nothing, and the records wait.
#[test]
fn tls_in_both_directions() {
    let dir = tempfile::tempdir().unwrap();
    let made = |name: &str| {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let (certificate, key) = (dir.path().join(format!("{name}.pem")), dir.path().join(format!("{name}.key")));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (made.cert.der().clone(), made.signing_key.serialize_der(), certificate, key)
    };
    let (server_der, server_key, server_pem, _) = made("localhost");
    let (client_der, _, client_pem, client_key) = made("client");
    let (_, _, other_pem, other_key) = made("other");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(client_der).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![server_der], rustls::pki_types::PrivateKeyDer::try_from(server_key).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let server = Contract::with(Arc::new(|_| Answer::Ok), Some(Arc::new(config).into()));
    let place = logstore(3);
    let (_, records) = records(&place.dir);
    let with = |tls: Tls| {
        let address = format!("https://localhost:{}", server.address.port());
        Vector::new(VectorConfig { tls, deadline: Duration::from_secs(5), ..VectorConfig::of(&address) })
    };
    let right = Tls { ca_file: Some(server_pem.clone()), client: Some((client_pem, client_key)), server_name: None };
    assert_eq!(push(&mut with(right.clone()).unwrap(), &records), Ok(()));
    let anonymous = Tls { client: None, ..right.clone() };
    let stranger = Tls { client: Some((other_pem.clone(), other_key)), ..right.clone() };
    let misled = Tls { ca_file: Some(other_pem), ..right.clone() };
    let misnamed = Tls { server_name: Some("elsewhere".to_owned()), ..right.clone() };
    for wrong in [anonymous, stranger, misled, misnamed] {
        assert_eq!(kind(&push(&mut with(wrong.clone()).unwrap(), &records)), "later", "{wrong:?}");
    }
    let no_key = Tls { client: Some((server_pem.clone(), server_pem)), ..right.clone() };
    assert!(matches!(with(no_key), Err(VectorError::Tls { .. })));
    let plain = VectorConfig { tls: right, ..VectorConfig::of("http://localhost:1") };
    assert!(matches!(Vector::new(plain), Err(VectorError::Address { .. })), "TLS that would not be used");
}
