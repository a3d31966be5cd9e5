//! A strict Forward receiver: it reads messages as values, byte by byte as they come, refuses what the protocol does not
//! allow, and answers, withholds or falsifies acks.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use rmpv::Value;
use sha2::{Digest, Sha512};

use crate::double::{Listener, Stream, silence};

/// Seconds, nanoseconds, names and values.
type Entry = (u32, u32, Vec<(Value, Value)>);

/// A message as it was understood.
#[derive(Debug, Clone)]
pub struct Seen {
    pub tag: String,
    pub chunk: String,
    pub entries: Vec<Entry>,
    pub compressed: bool,
    /// Bytes of the entries, before compression.
    pub bytes: usize,
}

#[derive(Debug, Clone)]
pub enum Mood {
    Ack,
    /// An ack with other members beside it.
    AckAmongOthers,
    /// An ack of another chunk.
    OtherAck,
    /// This instead of an ack.
    Raw(Vec<u8>),
    Silence,
    Close,
    /// The ack, and then the end of the connection.
    AckAndClose,
    /// The ack, and then another one that nobody asked for.
    AckTwice,
    /// Bytes of a text that never ends.
    Endless,
    /// A byte every 50 ms of a text of 100 bytes.
    Drip,
}

/// What the handshake of the receiver is.
#[derive(Debug, Clone)]
pub struct Guard {
    pub key: &'static str,
    pub user: Option<(&'static str, &'static str)>,
    pub hostname: &'static str,
    /// Proves with this key instead of its own.
    pub proves_with: Option<&'static str>,
}

pub struct Receiver {
    listener: Listener,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    pub faults: Arc<Mutex<Vec<String>>>,
    mood: Arc<Mutex<Mood>>,
}

impl Receiver {
    pub fn start(mood: Mood, guard: Option<Guard>) -> Self {
        Self::wrapped(0, mood, guard, |stream| Box::new(stream), |_| {})
    }

    /// The same on this port, 0 for any that is free; `keep` has each message before it is acknowledged.
    pub fn on(port: u16, mood: Mood, keep: impl Fn(&Seen) + Send + Sync + 'static) -> Self {
        Self::wrapped(port, mood, None, |stream| Box::new(stream), keep)
    }

    /// The same over TLS.
    pub fn secure(mood: Mood, guard: Option<Guard>, config: Arc<rustls::ServerConfig>) -> Self {
        let wrap = move |stream| {
            let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            Box::new(rustls::StreamOwned::new(session, stream)) as Box<dyn Stream>
        };
        Self::wrapped(0, mood, guard, wrap, |_| {})
    }

    fn wrapped(
        port: u16,
        mood: Mood,
        guard: Option<Guard>,
        wrap: impl Fn(TcpStream) -> Box<dyn Stream> + Send + Sync + 'static,
        keep: impl Fn(&Seen) + Send + Sync + 'static,
    ) -> Self {
        let (seen, faults, mood) =
            (Arc::new(Mutex::new(vec![])), Arc::new(Mutex::new(vec![])), Arc::new(Mutex::new(mood)));
        let (log, wrong, mind) = (Arc::clone(&seen), Arc::clone(&faults), Arc::clone(&mood));
        let listener = Listener::on(port, move |stream, _, stopped| {
            let mut stream = BufReader::new(wrap(stream));
            if guard.as_ref().is_some_and(|guard| !shake(&mut stream, guard)) {
                return;
            }
            while let Ok(value) = rmpv::decode::read_value(&mut stream) {
                let seen = match understand(&value) {
                    Ok(seen) => seen,
                    Err(why) => return wrong.lock().unwrap().push(why),
                };
                keep(&seen);
                log.lock().unwrap().push(seen.clone());
                let mood = mind.lock().unwrap().clone();
                if !answer(&mut **stream.get_mut(), &mood, &seen.chunk, stopped) {
                    return;
                }
            }
        });
        Self { listener, seen, faults, mood }
    }

    pub fn address(&self) -> String {
        self.listener.address()
    }

    pub fn connections(&self) -> usize {
        self.listener.connections()
    }

    pub fn turn(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub fn last(&self) -> Seen {
        assert_eq!(*self.faults.lock().unwrap(), Vec::<String>::new());
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

fn understand(value: &Value) -> Result<Seen, String> {
    let parts = value.as_array().ok_or("no array")?;
    let [tag, entries, options] = &parts[..] else { return Err(format!("{} parts", parts.len())) };
    let Value::Binary(packed) = entries else { return Err("the entries are no bytes".to_owned()) };
    let option = |name: &str| {
        options.as_map().and_then(|map| map.iter().find(|(k, _)| k.as_str() == Some(name))).map(|(_, v)| v)
    };
    let compressed = option("compressed").map(|c| c.as_str() == Some("gzip")).unwrap_or(false);
    let mut plain = packed.clone();
    if compressed {
        plain.clear();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut plain).map_err(|e| e.to_string())?;
    }
    let mut rest = plain.as_slice();
    let mut found = vec![];
    while !rest.is_empty() {
        found.push(entry(rmpv::decode::read_value(&mut rest).map_err(|e| e.to_string())?)?);
    }
    if option("size").and_then(Value::as_u64) != Some(found.len() as u64) {
        return Err(format!("the size is wrong: {options}"));
    }
    // Fluent Bit reads the chunk as a text and nothing else.
    let chunk = option("chunk").and_then(Value::as_str).ok_or("the chunk is no text")?;
    let tag = tag.as_str().ok_or("the tag is no text")?.to_owned();
    Ok(Seen { tag, chunk: chunk.to_owned(), entries: found, compressed, bytes: plain.len() })
}

fn entry(value: Value) -> Result<Entry, String> {
    let Value::Array(parts) = value else { return Err("an entry is no array".to_owned()) };
    let [Value::Ext(0, time), Value::Map(map)] = &parts[..] else { return Err(format!("an entry of {parts:?}")) };
    let [s0, s1, s2, s3, n0, n1, n2, n3] = time[..] else { return Err("no EventTime".to_owned()) };
    Ok((u32::from_be_bytes([s0, s1, s2, s3]), u32::from_be_bytes([n0, n1, n2, n3]), map.clone()))
}

fn ack(chunk: &str) -> Vec<u8> {
    encoded(&Value::Map(vec![(Value::from("ack"), Value::from(chunk))]))
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut out = vec![];
    rmpv::encode::write_value(&mut out, value).unwrap();
    out
}

fn answer(stream: &mut dyn Stream, mood: &Mood, chunk: &str, stopped: &AtomicBool) -> bool {
    match mood {
        Mood::Ack => stream.write_all(&ack(chunk)).is_ok(),
        Mood::AckAmongOthers => {
            let more = Value::Map(vec![
                (Value::from("n"), Value::Ext(3, vec![1; 3])),
                (Value::from("ack"), Value::from(chunk)),
                (Value::from("l"), Value::Array(vec![Value::Nil])),
            ]);
            stream.write_all(&encoded(&more)).is_ok()
        }
        Mood::OtherAck => stream.write_all(&ack("AAAAAAAAAAAAAAAAAAAAAA==")).is_ok(),
        Mood::Raw(bytes) => stream.write_all(bytes).is_ok(),
        Mood::Silence => {
            silence(stopped);
            false
        }
        Mood::Close => false,
        Mood::AckAndClose => {
            let _ = stream.write_all(&ack(chunk));
            false
        }
        Mood::AckTwice => stream.write_all(&[ack(chunk), ack("late")].concat()).is_ok(),
        Mood::Endless => {
            let _ = stream.write_all(&[0x81, 0xa3, b'a', b'c', b'k', 0xdb, 0xff, 0xff, 0xff, 0xff]);
            while stream.write_all(&[b'x'; 4_096]).is_ok() {}
            false
        }
        Mood::Drip => {
            let mut sent = stream.write_all(&[0x81, 0xa3, b'a', b'c', b'k', 0xd9, 100]).is_ok();
            for _ in 0..100 {
                std::thread::sleep(std::time::Duration::from_millis(50));
                sent = sent && stream.write_all(b"x").is_ok();
            }
            sent
        }
    }
}

fn digest(parts: &[&[u8]]) -> String {
    Sha512::digest(parts.concat()).iter().map(|b| format!("{b:02x}")).collect()
}

/// HELO, PING, PONG; whether the sender may go on.
fn shake(stream: &mut BufReader<Box<dyn Stream>>, guard: &Guard) -> bool {
    let (nonce, salt) = ([7_u8; 16], [9_u8; 16]);
    let asked: &[u8] = if guard.user.is_some() { &salt } else { b"" };
    let options = Value::Map(vec![
        (Value::from("nonce"), Value::Binary(nonce.to_vec())),
        (Value::from("auth"), Value::Binary(asked.to_vec())),
        (Value::from("keepalive"), Value::from(true)),
    ]);
    if stream.get_mut().write_all(&encoded(&Value::Array(vec![Value::from("HELO"), options]))).is_err() {
        return false;
    }
    let Ok(Value::Array(ping)) = rmpv::decode::read_value(stream) else { return false };
    let [word, name, theirs, proof, user, password] = &ping[..] else { panic!("a PING of {ping:?}") };
    assert_eq!(word.as_str(), Some("PING"));
    let (name, theirs) = (name.as_str().unwrap().as_bytes(), theirs.as_slice().unwrap());
    let key_holds = proof.as_str() == Some(&digest(&[theirs, name, &nonce, guard.key.as_bytes()]));
    let user_holds = guard.user.is_none_or(|(own, secret)| {
        user.as_str() == Some(own) && password.as_str() == Some(&digest(&[&salt, own.as_bytes(), secret.as_bytes()]))
    });
    let own = guard.hostname.as_bytes();
    let key = guard.proves_with.unwrap_or(guard.key).as_bytes();
    let pong = Value::Array(vec![
        Value::from("PONG"),
        Value::from(key_holds && user_holds),
        Value::from(if key_holds && user_holds { "" } else { "shared_key mismatch" }),
        Value::from(guard.hostname),
        Value::from(digest(&[theirs, own, &nonce, key])),
    ]);
    stream.get_mut().write_all(&encoded(&pong)).is_ok() && key_holds && user_holds
}
