//! The transform role: an agent's events in, the routed ones out, the refused ones into quarantine.
//!
//! The answer to a piece of input goes out only after its quarantine records are durable. An event that leaves the gate
//! with a seal mark has been checked: none with an invalid mark passes. Nothing is dropped.

mod lines;
pub(crate) mod note;
pub(crate) mod server;

use std::io::{self, Read, Write};

use innertrail_logstore::{Transaction, Writer};

use crate::accounting::push;
use crate::clock;
use crate::config::{Config, GateCodec};
use crate::lifecycle::Custody;
use crate::runtime::wit::transform::{Codec, Encoding, Fault, Frame, Provenance, Route, Routed};
use crate::runtime::{Bisector, Input, RunError, RunStats};
use crate::setup::{HostNative, Rooms, SetupError};
use crate::status::{SOURCE, Status};

pub use lines::Dialect;
pub use note::{GateStatus, LastAnswer};

/// Largest frame of Vector's `native` codec, and longest line; Vector's own default.
pub const MAX_FRAME: usize = 8 << 20;

/// Bytes read at a time.
const READ: usize = 256 << 10;

/// Name under which the gate counts.
const NAME: &str = "gate";

/// Why the gate stopped. What it had not answered yet is the agent's to send again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// Reading or writing the agent's streams.
    #[error("the agent's stream: {0}")]
    Io(#[from] io::Error),
    /// The Logstore failed.
    #[error(transparent)]
    Logstore(#[from] innertrail_logstore::Error),
    /// The component failed for good.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A frame of the `native` codec that is too long: there is no way to find the next one.
    #[error(
        "a frame of {0} bytes at byte {1} of the stream; the limit is {MAX_FRAME}. Set the agent's framing to length_delimited"
    )]
    FrameTooLong(usize, u64),
}

/// The gate.
pub struct Gate {
    codec: GateCodec,
    bisector: Bisector,
    native: HostNative,
    writer: Writer,
    custody: Custody,
    told: Vec<String>,
    trail: String,
    /// Bytes of the stream that were answered.
    offset: u64,
    session: i64,
}

impl Gate {
    /// Starts the gate of a configuration.
    ///
    /// # Errors
    /// See [`SetupError`]; nothing was started then.
    pub fn open(config: &Config) -> Result<Self, SetupError> {
        let Rooms { bisector, native, writer, custody, told, .. } = Rooms::open(config, NAME)?;
        Ok(Self {
            codec: config.gate.codec,
            bisector,
            native,
            writer,
            custody,
            told,
            trail: config.trail.clone(),
            offset: 0,
            session: clock::now_us(),
        })
    }

    /// The Logstore's counters.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::new(&self.trail, self.writer.state())
    }

    /// What people should know of the Logstore's lifecycle.
    #[must_use]
    pub fn told(&self) -> &[String] {
        &self.told
    }

    /// What the component did wrong so far.
    #[must_use]
    pub fn component_stats(&self) -> RunStats {
        self.bisector.stats()
    }

    /// Answers until the input ends.
    ///
    /// # Errors
    /// See [`GateError`].
    pub fn run(mut self, input: &mut impl Read, output: &mut impl Write) -> Result<(), GateError> {
        let mut waiting = Vec::new();
        loop {
            let start = waiting.len();
            waiting.resize(start + READ, 0);
            let read = loop {
                match input.read(&mut waiting[start..]) {
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    other => break other?,
                }
            };
            waiting.truncate(start + read);
            let used = self.answer(&waiting, read == 0, output)?;
            waiting.drain(..used);
            self.offset += used as u64;
            if read == 0 {
                break;
            }
        }
        Ok(self.writer.close(clock::now_us())?)
    }

    /// Answers the whole frames among the waiting bytes; gives how many bytes they were.
    fn answer(&mut self, waiting: &[u8], end: bool, output: &mut impl Write) -> Result<usize, GateError> {
        let cut = match self.codec {
            GateCodec::Native => self.length_delimited(waiting, end)?,
            GateCodec::NativeJson | GateCodec::Json => lines(waiting, end, self.offset),
        };
        if cut.used == 0 {
            return Ok(0);
        }
        let codec = match self.codec {
            GateCodec::Native => Codec::Native,
            GateCodec::NativeJson => Codec::NativeJson,
            GateCodec::Json => Codec::Json,
        };
        let origin = format!("stdin/{}", self.session);
        let input = Input {
            provenance: Provenance::Agent,
            source: NAME,
            origin: &origin,
            codec,
            data: &cut.data,
            frames: &cut.frames,
        };
        let routed = self.bisector.run(&input, Encoding::Verbatim, &mut self.native)?;
        self.keep(&routed, &cut, &origin)?;
        self.hand_back(&routed, output)?;
        Ok(cut.used)
    }

    /// Makes what was refused durable, and counts the rest.
    fn keep(&mut self, routed: &Routed, cut: &Cut, origin: &str) -> Result<(), GateError> {
        let refused = refused(routed);
        let mut txn: Transaction = self.writer.begin();
        push(&mut txn, &refused);
        let now_us = clock::now_us();
        self.custody.refused(&mut txn, &refused, origin, now_us);
        let kept: u64 = refused.entries.iter().map(|e| u64::from(e.consumed)).sum();
        txn.count(&format!("{SOURCE}{NAME}.bytes_in"), kept + refused.framing_bytes);
        txn.count(&format!("{SOURCE}{NAME}.records"), routed.entries.len() as u64);
        txn.count(&format!("{SOURCE}{NAME}.stream_bytes"), cut.used as u64);
        for (route, counter) in [(Route::Dedicated, "sealed_passed"), (Route::Passthrough, "passed")] {
            let passed = routed.entries.iter().filter(|e| e.route == route).count() as u64;
            if passed > 0 {
                txn.count(&format!("{SOURCE}{NAME}.{counter}"), passed);
            }
        }
        self.writer.commit(txn, now_us)?;
        self.custody.tick(&mut self.writer, now_us)?;
        Ok(())
    }

    fn hand_back(&self, routed: &Routed, output: &mut impl Write) -> Result<(), GateError> {
        let mut start = 0;
        for entry in &routed.entries {
            let bytes = &routed.data[start..entry.end as usize];
            start = entry.end as usize;
            if entry.route == Route::Quarantine {
                continue;
            }
            if self.codec == GateCodec::Native {
                let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                output.write_all(&len.to_be_bytes())?;
                output.write_all(bytes)?;
            } else {
                output.write_all(bytes.trim_ascii())?;
                output.write_all(b"\n")?;
            }
        }
        Ok(output.flush()?)
    }

    /// Frames with a 4-byte big-endian length before each.
    fn length_delimited(&self, waiting: &[u8], end: bool) -> Result<Cut, GateError> {
        let mut cut = Cut::default();
        while let Some((len, rest)) = waiting[cut.used..].split_first_chunk::<4>() {
            let len = u32::from_be_bytes(*len) as usize;
            if len > MAX_FRAME {
                return Err(GateError::FrameTooLong(len, self.offset + cut.used as u64));
            }
            let Some(frame) = rest.get(..len) else { break };
            if cut.data.len() + len > crate::runtime::MAX_BATCH_BYTES {
                return Ok(cut);
            }
            let at = cut.used + 4;
            cut.push(frame, self.offset + at as u64, None);
            cut.used = at + len;
        }
        if end && cut.used < waiting.len() {
            let at = self.offset + cut.used as u64;
            cut.push(&waiting[cut.used..], at, Some(Fault::Truncated));
            cut.used = waiting.len();
        }
        Ok(cut)
    }
}

/// Whole frames, cut out of the stream.
#[derive(Debug, Default)]
struct Cut {
    data: Vec<u8>,
    frames: Vec<Frame>,
    used: usize,
}

impl Cut {
    fn push(&mut self, frame: &[u8], offset: u64, fault: Option<Fault>) {
        self.data.extend_from_slice(frame);
        let end = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        self.frames.push(Frame { end, offset, fault });
    }
}

/// One line, one frame. A line longer than [`MAX_FRAME`] is cut into faulty pieces.
fn lines(waiting: &[u8], end: bool, offset: u64) -> Cut {
    let mut cut = Cut::default();
    while cut.used < waiting.len() && cut.data.len() < MAX_FRAME {
        let rest = &waiting[cut.used..];
        let at = offset + cut.used as u64;
        let (len, fault) = match rest.iter().position(|b| *b == b'\n') {
            Some(newline) if newline < MAX_FRAME => (newline + 1, None),
            None if rest.len() < MAX_FRAME && !end => break,
            None if rest.len() < MAX_FRAME => (rest.len(), None),
            _ => (MAX_FRAME.min(rest.len()), Some(Fault::Oversize)),
        };
        cut.push(&rest[..len], at, fault);
        cut.used += len;
    }
    cut
}

/// The quarantine entries alone, as the Logstore keeps them.
fn refused(routed: &Routed) -> Routed {
    let mut refused = Routed {
        data: Vec::new(),
        entries: Vec::new(),
        framing_bytes: 0,
        duplicate_keys: routed.duplicate_keys,
        redacted: routed.redacted,
    };
    let mut start = 0;
    for entry in &routed.entries {
        let bytes = &routed.data[start..entry.end as usize];
        start = entry.end as usize;
        if entry.route == Route::Quarantine {
            refused.data.extend_from_slice(bytes);
            let end = u32::try_from(refused.data.len()).unwrap_or(u32::MAX);
            refused.entries.push(crate::runtime::wit::transform::Entry { end, ..*entry });
        }
    }
    refused
}
