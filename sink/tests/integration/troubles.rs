//! What kind of failure each protocol tells of: nobody listens, somebody does not answer with a yes, nothing can be written.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use innertrail_sink::encode::Encoding;
use innertrail_sink::forward::{Forward, ForwardConfig};
use innertrail_sink::http::{Http, HttpConfig};
use innertrail_sink::otlp::{Otlp, OtlpConfig};
use innertrail_sink::spool::{Spool, SpoolConfig};
use innertrail_sink::stdout::Stream;
use innertrail_sink::vector::{Vector, VectorConfig};
use innertrail_sink::{Batch, Sender, Trouble};

use super::support::{logstore, records};

fn senders(port: u16) -> Vec<(&'static str, Box<dyn Sender>)> {
    let at = format!("127.0.0.1:{port}");
    vec![
        ("vector", Box::new(Vector::new(VectorConfig::of(&format!("http://{at}"))).unwrap())),
        ("otlp", Box::new(Otlp::new(&OtlpConfig::of(&format!("http://{at}"))).unwrap())),
        ("forward", Box::new(Forward::new(ForwardConfig::of(&at)).unwrap())),
        ("http", Box::new(Http::new(HttpConfig::of(&format!("http://{at}/in"))).unwrap())),
    ]
}

/// A stream on a full disk.
struct Full;
impl std::io::Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The story: every failure of a sink was `request_failed`, a refused connection as well as a full disk.
#[test]
fn no_connection_is_told_from_no_answer_and_that_from_a_failed_write() {
    let place = logstore(3);
    let (layout, records) = records(&place.dir);
    let batch = Batch { trail: "t", layout: &layout, records: &records };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut all = senders(port);
    // It listens, and hangs up on everybody.
    let (stop, stopped) = mpsc::channel::<()>();
    listener.set_nonblocking(true).unwrap();
    let hangs_up = thread::spawn(move || {
        while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
            drop(listener.accept());
            thread::sleep(Duration::from_millis(5));
        }
    });
    for (name, sender) in &mut all {
        assert!(sender.send(&batch).is_err(), "{name}");
        assert_eq!(sender.trouble(), Trouble::Request, "{name}");
    }
    drop(stop);
    hangs_up.join().unwrap();
    for (name, sender) in &mut all {
        assert!(sender.send(&batch).is_err(), "{name}");
        assert_eq!(sender.trouble(), Trouble::Connection, "{name}");
    }
    let mut stream = Stream::new(Full, Encoding::Json);
    assert!(stream.send(&batch).is_err());
    assert_eq!(stream.trouble(), Trouble::Writer);
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(SpoolConfig::of(&folder.path().join("spool"))).unwrap();
    spool.send(&batch).unwrap();
    assert_eq!(spool.trouble(), Trouble::Writer);
}
