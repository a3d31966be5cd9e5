//! The HTTP sender: bodies, headers by reference, answers, TLS.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use innertrail_sink::encode::Encoding;
use innertrail_sink::http::{Body, Header, HeaderError, Http, HttpConfig, HttpError};
use innertrail_sink::{Batch, Reference, Refused, Sender};

use crate::http_double::events;
use crate::support::{layout, logstore, records};

/// A request as it came: its head's lines in lower case, its body.
type Request = (Vec<String>, Vec<u8>);

/// Answers one request after the other by the script, then hangs up.
fn scripted(script: Vec<&'static str>) -> (SocketAddr, Arc<Mutex<Vec<Request>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
    let to = Arc::clone(&seen);
    thread::spawn(move || {
        let mut script = script.into_iter();
        for stream in listener.incoming() {
            let Some(answer) = script.next() else { return };
            let mut stream = stream.unwrap();
            to.lock().unwrap().push(read(&mut stream));
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, "words"));
            let length = body.len();
            write!(stream, "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        }
    });
    (address, seen)
}

fn read(stream: &mut impl Read) -> Request {
    let mut reader = BufReader::new(stream);
    let mut head = vec![];
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let length = head.iter().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok()).unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, body)
}

fn post(http: &mut Http, count: usize) -> Result<(), Refused> {
    let place = logstore(10);
    let (_, records) = records(&place.dir);
    http.send(&Batch { trail: "main-trail", layout: &layout(), records: &records[..count] })
}

#[test]
fn bodies_are_lines_or_an_array_and_compressed_where_asked() {
    let (address, seen) = scripted(vec!["200 OK", "204 No Content", "202 Accepted"]);
    for (body, gzip, encoding) in [
        (Body::Lines, false, Encoding::Json),
        (Body::Array, false, Encoding::NativeJson),
        (Body::Lines, true, Encoding::Json),
    ] {
        let config = HttpConfig { body, gzip, encoding, ..HttpConfig::of(&format!("http://{address}/a?b=c")) };
        post(&mut Http::new(config).unwrap(), 3).unwrap();
    }
    let seen = seen.lock().unwrap();
    let has = |at: usize, line: &str| seen[at].0.iter().any(|l| l.eq_ignore_ascii_case(line));
    assert_eq!(seen[0].0[0], "POST /a?b=c HTTP/1.1");
    assert!(has(0, "content-type: application/x-ndjson") && !has(0, "content-encoding: gzip"));
    assert_eq!(events(&seen[0].1).len(), 3);
    assert!(has(1, "content-type: application/json"));
    assert_eq!(events(&seen[1].1)[2]["log"]["it_seq"], 2);
    assert!(has(2, "content-encoding: gzip"));
    let mut plain = vec![];
    flate2::read::GzDecoder::new(&seen[2].1[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, seen[0].1);
}

#[test]
fn answers_are_told_apart_and_no_redirect_is_followed() {
    let script = vec![
        "301 Moved\r\nlocation: http://127.0.0.1:1/elsewhere",
        "308 Moved\r\nlocation: /elsewhere",
        "429 Too Many\r\nretry-after: 7",
        "500 Oops",
        "503 Busy",
        "400 Bad",
        "413 Large",
        "401 Who",
        "201 Created",
    ];
    let count = script.len();
    let (address, seen) = scripted(script);
    let mut http = Http::new(HttpConfig::of(&format!("http://{address}/"))).unwrap();
    let told: Vec<String> = (0..count)
        .map(|_| match post(&mut http, 1) {
            Ok(()) => "taken".to_owned(),
            Err(refused) => format!("{refused:?}").replace(&address.to_string(), "HOST"),
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
Later { why: "http://HOST: status 301: no redirect is followed; name the receiver itself", after: None }
Later { why: "http://HOST: status 308: no redirect is followed; name the receiver itself", after: None }
Later { why: "http://HOST: status 429: words", after: Some(7s) }
Unclear { why: "http://HOST: status 500: words" }
Later { why: "http://HOST: status 503: words", after: None }
Never { why: "http://HOST: status 400: words" }
Never { why: "http://HOST: status 413: words" }
Later { why: "http://HOST: status 401: words", after: None }
taken
"#);
    assert_eq!(seen.lock().unwrap().len(), count);
}

/// A token that was rotated is picked up without a restart, and is shown nowhere.
#[test]
fn headers_come_from_where_they_are_named_and_are_read_again_when_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    fs::write(&path, "first-secret\n").unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let header =
        Header { name: "Authorization".to_owned(), prefix: "Bearer ".to_owned(), value: Reference::File(path.clone()) };
    let (address, seen) = scripted(vec!["200 OK", "401 Who\r\n\r\nBearer first-secret or first-secret?", "200 OK"]);
    let config = HttpConfig { headers: vec![header], ..HttpConfig::of(&format!("http://{address}/")) };
    assert!(!format!("{config:?}").contains("secret"));
    let mut http = Http::new(config).unwrap();
    post(&mut http, 1).unwrap();
    fs::write(&path, "second-secret").unwrap();
    let refused = post(&mut http, 1).unwrap_err();
    assert!(matches!(refused, Refused::Later { .. }) && !refused.to_string().contains("secret"), "{refused}");
    assert!(refused.to_string().ends_with("status 401: … or …?"), "{refused}");
    post(&mut http, 1).unwrap();
    let tokens: Vec<String> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|(head, _)| {
            head.iter()
                .find_map(|l| l.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case("authorization")))
                .unwrap()
                .1
                .to_owned()
        })
        .collect();
    assert_eq!(tokens, ["Bearer first-secret", "Bearer first-secret", "Bearer second-secret"]);
}

#[test]
fn what_cannot_be_used_is_refused_at_the_start() {
    for url in ["", "host", "ftp://host/", "https://", "https://user:secret@host/"] {
        let Err(error) = Http::new(HttpConfig::of(url)) else { panic!("{url}") };
        assert!(matches!(error, HttpError::Url(_)) && !error.to_string().contains("secret"), "{url}: {error}");
    }
    let with = |name: &str, value| {
        let header = Header { name: name.to_owned(), prefix: String::new(), value };
        let refused = Http::new(HttpConfig { headers: vec![header], ..HttpConfig::of("http://host/") });
        let Err(HttpError::Header(error)) = refused else { panic!("{name}") };
        error
    };
    let unset = || Reference::Environment("INNERTRAIL_TEST_NO_SUCH_VARIABLE".to_owned());
    for name in ["Content-Length", "host", "a b", "a\nb", ""] {
        assert!(matches!(with(name, unset()), HeaderError::Name(_)), "{name}");
    }
    insta::assert_snapshot!(with("authorization", unset()), @r#"the value of the header `authorization` cannot be had: the variable INNERTRAIL_TEST_NO_SUCH_VARIABLE: it is not set, or no UTF-8"#);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    fs::write(&path, "secret\r\nx-injected: 1").unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let error = with("authorization", Reference::File(path)).to_string();
    assert!(error.contains("no header can") && !error.contains("secret"), "{error}");
}

#[test]
fn a_receiver_with_a_certificate_of_its_own_is_believed_by_its_file_and_by_nothing_else() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    fs::write(&ca, cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let server = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let session = rustls::ServerConnection::new(Arc::new(server.clone())).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream.unwrap());
            // Who does not believe the certificate hangs up.
            if stream.conn.complete_io(&mut stream.sock).is_ok() {
                read(&mut stream);
                stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").unwrap();
                stream.conn.send_close_notify();
                let _sent = stream.flush();
            }
        }
    });
    let config =
        HttpConfig { timeout: Duration::from_secs(5), ..HttpConfig::of(&format!("https://localhost:{port}/")) };
    let with_file = HttpConfig { ca_file: Some(ca), ..config.clone() };
    post(&mut Http::new(with_file).unwrap(), 1).unwrap();
    match Http::new(config) {
        Ok(mut http) => assert!(matches!(post(&mut http, 1), Err(Refused::Later { .. }))),
        // A machine without any authorities cannot even begin.
        Err(error) => assert!(matches!(error, HttpError::Authorities(_)), "{error}"),
    }
    let missing = HttpConfig { ca_file: Some(dir.path().join("none.pem")), ..HttpConfig::of("https://localhost/") };
    assert!(matches!(Http::new(missing), Err(HttpError::Authorities(_))));
}
