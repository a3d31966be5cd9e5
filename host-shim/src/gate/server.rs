//! The judge behind the gate's servers: an agent's events through the rooms, the refused ones to the one writer.
//! It must never let a batch pass before what was refused of it is durable, and never have more than one batch of refused
//! events on its way to the writer.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use innertrail_gate::{Batch, Broken, Judge, Limits, NotJudged, Server, To};

use super::{NAME, refused};
use crate::clock;
use crate::config::{Config, OtlpGate, VectorGate};
use crate::runtime::wit::transform::{Codec, Encoding, Fault, Frame, Provenance, Route, Routed};
use crate::runtime::{Bisector, BisectorConfig, Input, LoadedComponent, Transform};
use crate::setup::{HostNative, SetupError};
use crate::sink::build;

/// How long an agent may wait until what was refused is durable. Vector's own sink gives up after 60 s.
const PATIENCE: Duration = Duration::from_secs(45);
/// Bytes that go through the rooms at a time.
const BATCH: usize = 8 << 20;
/// What cannot be an event is kept in pieces of this length.
const PIECE: usize = 1 << 20;

/// Events that were refused, to be kept.
pub(crate) struct Refusal {
    /// The server they came to.
    pub(crate) gate: &'static str,
    /// Where they came from, for the journal.
    pub(crate) origin: String,
    /// The quarantine entries alone.
    pub(crate) refused: Routed,
    /// Told once they are durable. Dropped without that, they were not kept.
    pub(crate) answer: Sender<()>,
}

/// The servers of a configuration, by name: where they listen, and what is behind them.
///
/// # Errors
/// [`SetupError::Gate`].
fn all(config: &Config) -> Result<Vec<(&'static str, SocketAddr, To)>, SetupError> {
    let mut out = Vec::new();
    if let Some(gate) = &config.gate.vector {
        out.push(("vector", address("vector", &gate.listen)?, To::Vector(vector(gate))));
    }
    if let Some(gate) = &config.gate.otlp {
        let to = otlp(gate).map_err(|why| SetupError::Gate { name: "otlp", why })?;
        out.push(("otlp", address("otlp", &gate.listen)?, To::Otlp(to)));
    }
    Ok(out)
}

fn address(name: &'static str, listen: &str) -> Result<SocketAddr, SetupError> {
    // The configuration was checked for this.
    listen.parse().map_err(|e| SetupError::Gate { name, why: format!("{listen}: {e}") })
}

fn vector(gate: &VectorGate) -> innertrail_sink::vector::VectorConfig {
    innertrail_sink::vector::VectorConfig {
        compression: build::compression(gate.compression),
        tls: build::tls(&gate.tls),
        deadline: build::ms(gate.timeout_ms),
        ..innertrail_sink::vector::VectorConfig::of(&gate.to)
    }
}

fn otlp(gate: &OtlpGate) -> Result<innertrail_sink::otlp::OtlpConfig, String> {
    Ok(innertrail_sink::otlp::OtlpConfig {
        profile: build::profile(gate.profile),
        headers: build::headers(&gate.headers)?,
        timeout: build::ms(gate.timeout_ms),
        ca_file: gate.ca_file.clone(),
        ..innertrail_sink::otlp::OtlpConfig::of(&gate.to)
    })
}

/// Whether each can be set up; listens nowhere.
///
/// # Errors
/// [`SetupError::Gate`].
pub(crate) fn check(config: &Config) -> Result<(), SetupError> {
    for (name, _, to) in all(config)? {
        Server::check(&to).map_err(|e| SetupError::Gate { name, why: e.to_string() })?;
    }
    Ok(())
}

/// The servers of a configuration, listening, none answering yet. `post` hands over to the thread that commits; `false` when
/// that is gone.
///
/// # Errors
/// [`SetupError`].
pub(crate) fn bind<F: Fn(Refusal) -> bool + Send + 'static>(
    config: &Config,
    component: &LoadedComponent,
    native: &HostNative,
    post: impl Fn() -> F,
) -> Result<Vec<(&'static str, Server)>, SetupError> {
    let one = |(name, listen, to): (&'static str, SocketAddr, To)| {
        let transform = Transform::open(component, &config.transform_json())?;
        let judge = RoomJudge {
            name,
            origin: format!("{name}/{}", clock::now_us()),
            codec: if matches!(to, To::Vector(_)) { Codec::Native } else { Codec::NativeJson },
            bisector: Bisector::new(transform, BisectorConfig::default()),
            native: HostNative { key: native.key.clone(), rows: native.rows.clone() },
            post: post(),
            pending: None,
        };
        let server = Server::bind(listen, to, Limits::default(), Box::new(judge));
        server.map(|server| (name, server)).map_err(|e| SetupError::Gate { name, why: e.to_string() })
    };
    all(config)?.into_iter().map(one).collect()
}

/// The rooms, as a judge.
struct RoomJudge<F> {
    name: &'static str,
    origin: String,
    codec: Codec,
    bisector: Bisector,
    native: HostNative,
    post: F,
    /// A batch of refused events that the writer has not answered for in time.
    pending: Option<Receiver<()>>,
}

impl<F: Fn(Refusal) -> bool + Send> Judge for RoomJudge<F> {
    fn judge(&mut self, batch: &Batch) -> Result<Vec<bool>, NotJudged> {
        let pieces = pieces(batch);
        let mut verdicts = vec![true; batch.frames.len()];
        let mut next = 0;
        while next < pieces.len() {
            let start = pieces[next].bytes.start;
            let fits = pieces[next..].iter().take_while(|piece| piece.bytes.end - start <= BATCH).count().max(1);
            let together = &pieces[next..next + fits];
            let routed = self.run(batch, together)?;
            for (piece, entry) in together.iter().zip(&routed.entries) {
                verdicts[piece.of] &= entry.route != Route::Quarantine;
            }
            let refused = refused(&routed);
            if !refused.entries.is_empty() {
                self.keep(refused)?;
            }
            next += fits;
        }
        Ok(verdicts)
    }
}

impl<F: Fn(Refusal) -> bool + Send> RoomJudge<F> {
    /// Takes pieces that stand side by side through the rooms: one entry each.
    fn run(&mut self, batch: &Batch, pieces: &[Piece]) -> Result<Routed, NotJudged> {
        let routed = self.rooms(batch, pieces, None)?;
        if routed.entries.len() == pieces.len() {
            return Ok(routed);
        }
        // Nobody can say which entry is of which event, so each is asked about alone; one that is not one event stays here.
        let mut all = refused(&routed);
        (all.data, all.entries) = (Vec::new(), Vec::new());
        for piece in pieces {
            let alone = std::slice::from_ref(piece);
            let mut routed = self.rooms(batch, alone, None)?;
            if routed.entries.len() != 1 {
                routed = self.rooms(batch, alone, Some(Fault::Malformed))?;
            }
            let start = u32::try_from(all.data.len()).unwrap_or(u32::MAX);
            all.data.append(&mut routed.data);
            all.entries.extend(
                routed.entries.iter().map(|entry| crate::runtime::wit::transform::Entry {
                    end: entry.end.saturating_add(start),
                    ..*entry
                }),
            );
        }
        if all.entries.len() == pieces.len() {
            return Ok(all);
        }
        Err(NotJudged("the component's answer does not fit the events; please report this".to_owned()))
    }

    fn rooms(&mut self, batch: &Batch, pieces: &[Piece], fault: Option<Fault>) -> Result<Routed, NotJudged> {
        let start = pieces.first().map_or(0, |piece| piece.bytes.start);
        let end = pieces.last().map_or(start, |piece| piece.bytes.end);
        let frame = |piece: &Piece| Frame {
            end: u32::try_from(piece.bytes.end - start).unwrap_or(u32::MAX),
            offset: piece.offset,
            fault: fault.or(piece.fault),
        };
        let frames: Vec<Frame> = pieces.iter().map(frame).collect();
        let input = Input {
            provenance: Provenance::Agent,
            source: NAME,
            origin: &self.origin,
            codec: self.codec,
            data: &batch.data[start..end],
            frames: &frames,
        };
        let routed = self.bisector.run(&input, Encoding::Verbatim, &mut self.native);
        routed.map_err(|error| NotJudged(error.to_string()))
    }

    /// Has what was refused made durable.
    fn keep(&mut self, refused: Routed) -> Result<(), NotJudged> {
        let not_yet = || NotJudged("what was refused could not be kept in time; is the disk full?".to_owned());
        let gone = || NotJudged("the Logstore does not take what was refused now".to_owned());
        let until = Instant::now() + PATIENCE;
        let left = || until.saturating_duration_since(Instant::now());
        if let Some(pending) = self.pending.take()
            && let Err(RecvTimeoutError::Timeout) = pending.recv_timeout(left())
        {
            self.pending = Some(pending);
            return Err(not_yet());
        }
        let (answer, kept) = channel();
        if !(self.post)(Refusal { gate: self.name, origin: self.origin.clone(), refused, answer }) {
            return Err(gone());
        }
        match kept.recv_timeout(left()) {
            Ok(()) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
            Err(RecvTimeoutError::Timeout) => {
                self.pending = Some(kept);
                Err(not_yet())
            }
        }
    }
}

/// A frame, or a piece of one that is no event and too long for a row.
struct Piece {
    bytes: Range<usize>,
    offset: u64,
    fault: Option<Fault>,
    /// Number of the frame.
    of: usize,
}

fn pieces(batch: &Batch) -> Vec<Piece> {
    let (mut out, mut start) = (Vec::with_capacity(batch.frames.len()), 0_usize);
    for (of, frame) in batch.frames.iter().enumerate() {
        let fault = frame.broken.map(|broken| match broken {
            Broken::Malformed => Fault::Malformed,
            Broken::Oversize => Fault::Oversize,
        });
        let longest = if fault.is_some() { PIECE } else { usize::MAX };
        let (first, mut at) = (start, start);
        loop {
            let end = at.saturating_add(longest).min(frame.end);
            out.push(Piece { bytes: at..end, offset: (frame.offset + at - first) as u64, fault, of });
            at = end;
            if at >= frame.end {
                break;
            }
        }
        start = frame.end;
    }
    out
}

#[cfg(test)]
mod tests {
    use innertrail_gate::Frame as Judged;

    use super::*;

    #[test]
    fn what_is_no_event_is_cut_and_what_is_one_is_not() {
        let ends = [(3, None), (3 + (2 << 20) + 1, Some(Broken::Oversize)), (3 << 20, None)];
        let frames = ends.map(|(end, broken)| Judged { end, offset: 7, broken }).to_vec();
        let batch = Batch { data: vec![0; 3 << 20], frames };
        let told: Vec<_> = pieces(&batch).iter().map(|p| (p.bytes.len(), p.offset, p.of)).collect();
        let rest = (3 << 20) - (3 + (2 << 20) + 1);
        assert_eq!(told, [(3, 7, 0), (PIECE, 7, 1), (PIECE, 7 + (1 << 20), 1), (1, 7 + (2 << 20), 1), (rest, 7, 2)]);
    }
}
