//! Samples of what sources give, for `innertrail tap`: a Unix socket in the data directory, for its owner alone.
//!
//! Must never slow the pipeline: while nobody listens a batch costs one look at a number; while somebody does, a few frames
//! are copied into a bounded channel, and what does not fit is dropped and counted.

mod serve;
#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::runtime::wit::transform::{Fault, Frame};

/// The socket in the data directory.
const SOCKET: &str = "tap.sock";
/// The folder in which it is made, so that it is never there with other rights.
const NURSERY: &str = "tap.new";
/// Frames of a batch that are given.
const A_BATCH: usize = 16;
/// Samples on their way to the listeners.
const QUEUE: usize = 256;
/// A longer frame is not given.
const LONGEST: usize = 1 << 20;

/// One line on the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told {
    /// A frame, as a source gave it.
    Sample(Sample),
    /// Frames that this listener was not given since it came: what is sampled away, does not fit, or came while it did not
    /// read. The first line, and then one a second, as a sign of life.
    Dropped(u64),
}

/// A frame, as a source gave it. Not masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) source: String,
    pub(crate) origin: String,
    pub(crate) offset: u64,
    pub(crate) fault: Option<String>,
    /// Base64.
    data: String,
}

impl Sample {
    /// The frame's bytes; none if the text is not what a run writes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        STANDARD.decode(&self.data).unwrap_or_default()
    }

    /// What was wrong with the frame, as the transform takes it.
    pub(crate) fn seen(&self) -> Option<Fault> {
        self.fault.as_deref().and_then(|name| FAULTS.iter().find(|(_, n)| *n == name)).map(|(fault, _)| *fault)
    }
}

const FAULTS: [(Fault, &str); 5] = [
    (Fault::CorruptGzip, "corrupt_gzip"),
    (Fault::DecompressionLimit, "decompression_limit"),
    (Fault::Oversize, "oversize"),
    (Fault::Truncated, "truncated"),
    (Fault::Malformed, "malformed"),
];

/// A frame that was copied.
struct Copied {
    source: String,
    origin: String,
    frame: Frame,
    data: Vec<u8>,
}

impl Copied {
    fn sample(self) -> Sample {
        let fault = self.frame.fault.and_then(|fault| FAULTS.iter().find(|(f, _)| *f == fault));
        Sample {
            source: self.source,
            origin: self.origin,
            offset: self.frame.offset,
            fault: fault.map(|(_, name)| (*name).to_owned()),
            data: STANDARD.encode(self.data),
        }
    }
}

/// The run's end. Dropped, it takes the socket away.
pub(crate) struct Tap {
    path: PathBuf,
    listeners: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    samples: Option<SyncSender<Copied>>,
    thread: Option<JoinHandle<()>>,
}

impl Tap {
    /// Opens the socket in the data directory, whose lock the caller holds: whatever socket is there is of a run that
    /// ended without taking it away.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let (path, listener) = (dir.join(SOCKET), bind(dir)?);
        let (samples, inbox) = sync_channel(QUEUE);
        let (listeners, dropped, stop) = (Arc::default(), Arc::default(), Arc::default());
        let serve = serve::Serve::new(listener, inbox, Arc::clone(&listeners), Arc::clone(&dropped), Arc::clone(&stop));
        let thread = thread::Builder::new().name("tap".to_owned()).spawn(move || serve.run())?;
        Ok(Self { path, listeners, dropped, stop, samples: Some(samples), thread: Some(thread) })
    }

    /// Gives some frames of a batch, if anybody listens.
    pub(crate) fn offer(&self, source: &str, origin: &str, data: &[u8], frames: &[Frame]) {
        if self.listeners.load(Ordering::Relaxed) == 0 {
            return;
        }
        let Some(samples) = &self.samples else { return };
        let step = frames.len().div_ceil(A_BATCH).max(1);
        let (mut start, mut lost) = (0, 0);
        for (place, frame) in frames.iter().enumerate() {
            let bytes = data.get(start..frame.end as usize).unwrap_or_default();
            start = frame.end as usize;
            if place % step > 0 || bytes.len() > LONGEST {
                lost += 1;
                continue;
            }
            let (source, origin) = (source.to_owned(), origin.to_owned());
            let copied = Copied { source, origin, frame: *frame, data: bytes.to_vec() };
            lost += u64::from(samples.try_send(copied).is_err());
        }
        self.dropped.fetch_add(lost, Ordering::Relaxed);
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.samples = None;
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
        let _gone = std::fs::remove_file(&self.path);
    }
}

/// A socket with mode 0600 from its first moment.
fn bind(dir: &Path) -> io::Result<UnixListener> {
    let nursery = dir.join(NURSERY);
    let _left = std::fs::remove_dir_all(&nursery);
    std::fs::DirBuilder::new().mode(0o700).create(&nursery)?;
    let born = nursery.join("s");
    let bound = UnixListener::bind(&born).and_then(|listener| {
        std::fs::set_permissions(&born, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&born, dir.join(SOCKET))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    let _gone = std::fs::remove_dir_all(&nursery);
    bound
}

/// The tapping end.
pub(crate) fn connect(dir: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(dir.join(SOCKET))
}
