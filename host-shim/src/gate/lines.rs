//! The gate's line dialects: an agent that hands over one message a line and waits for one line of answer.
//!
//! `omprog` is rsyslog's output: the gate keeps what it is given and says `OK` when it is durable. `mmexternal` is
//! rsyslog's transform, and syslog-ng's Python parser speaks it too: the gate says where the message belongs, and what is
//! refused is in quarantine before it says so. An answer never goes out early, and a message never without one.
//!
//! An answer of `mmexternal` bears the SHA-256 of the line that it is about, so whoever asks from several threads can see whether it
//! is the answer to its own question.

use std::io::{BufRead, Read, Write};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use super::{Gate, GateError, MAX_FRAME, NAME, refused};
use crate::accounting::push;
use crate::clock;
use crate::hex::hex;
use crate::layout;
use crate::runtime::Input;
use crate::runtime::wit::transform::{Codec, Encoding, Fault, Frame, Provenance, Reason, Route, Routed};
use crate::status::SOURCE;

/// How the agent and the gate talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Dialect {
    /// rsyslog's `omprog` with `confirmMessages`: keeps every message, answers `OK` when it is durable
    Omprog,
    /// rsyslog's `mmexternal`, and syslog-ng's Python parser: answers where a message belongs, as a line of JSON
    /// with the SHA-256 of the message
    Mmexternal,
}

/// How long counts of what passed may wait for the next commit.
const COUNTS_WAIT: Duration = Duration::from_secs(1);

/// Counts that are not in the Logstore yet.
#[derive(Debug, Default)]
struct Tally {
    records: u64,
    bytes: u64,
    sealed: u64,
    passed: u64,
    since: Option<Instant>,
}

/// What became of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Verdict {
    route: Route,
    reason: Option<Reason>,
}

impl Gate {
    /// Answers line by line until the input ends.
    ///
    /// What passes under `omprog` has no way back to the agent, so it is kept in the passthrough store, sealed events too:
    /// the dedicated Logstore is written from this trail's own sources alone.
    ///
    /// # Errors
    /// See [`GateError`]. What was not answered is the agent's to send again.
    pub fn run_lines(
        mut self,
        dialect: Dialect,
        input: &mut impl BufRead,
        output: &mut impl Write,
    ) -> Result<(), GateError> {
        if dialect == Dialect::Omprog {
            answer(output, "OK")?;
        }
        let mut tally = Tally::default();
        let mut hash = Sha256::new();
        while let Some(verdict) = self.message(dialect, input, &mut hash, &mut tally)? {
            let line = hash.finalize_reset();
            match dialect {
                Dialect::Omprog => answer(output, "OK")?,
                Dialect::Mmexternal => answer(output, &verdict.json(&line))?,
            }
        }
        self.count(&mut tally)?;
        Ok(self.writer.close(clock::now_us())?)
    }

    /// Reads, hashes and judges one line. One that is longer than [`MAX_FRAME`] is kept in pieces, and answered once.
    fn message(
        &mut self,
        dialect: Dialect,
        input: &mut impl BufRead,
        hash: &mut Sha256,
        tally: &mut Tally,
    ) -> Result<Option<Verdict>, GateError> {
        let mut line = Vec::new();
        let mut verdict = None;
        loop {
            line.clear();
            let read = input.take(MAX_FRAME as u64).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(verdict);
            }
            let ends = line.last() == Some(&b'\n') || read < MAX_FRAME;
            if dialect == Dialect::Mmexternal {
                hash.update(line.strip_suffix(b"\n").unwrap_or(&line));
            }
            verdict = Some(if ends && verdict.is_none() {
                self.judge(dialect, &framed(&line), None, tally)?
            } else {
                self.judge(dialect, &line, Some(Fault::Oversize), tally)?
            });
            self.offset += read as u64;
            if ends {
                return Ok(verdict);
            }
        }
    }

    /// Takes one message through the rooms; what has to be kept of it is durable when this returns.
    fn judge(
        &mut self,
        dialect: Dialect,
        data: &[u8],
        fault: Option<Fault>,
        tally: &mut Tally,
    ) -> Result<Verdict, GateError> {
        let end = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let frames = [Frame { end, offset: self.offset, fault: fault.or_else(|| unreadable(data)) }];
        let origin = format!("stdin/{}", self.session);
        let (provenance, source, codec) = (Provenance::Agent, NAME, Codec::NativeJson);
        let input = Input { provenance, source, origin: &origin, codec, data, frames: &frames };
        let encoding = match dialect {
            Dialect::Omprog => Encoding::Row,
            Dialect::Mmexternal => Encoding::Verbatim,
        };
        let routed = self.bisector.run(&input, encoding, &mut self.native)?;
        let verdict = Verdict::of(&routed);
        tally.add(&routed, data.len());
        let kept = match dialect {
            Dialect::Omprog => all(routed),
            Dialect::Mmexternal => refused(&routed),
        };
        if kept.entries.is_empty() {
            // Nothing has to be durable before the answer; counts follow with the next commit.
            if tally.since.is_some_and(|since| since.elapsed() >= COUNTS_WAIT) {
                self.count(tally)?;
            }
            return Ok(verdict);
        }
        self.keep_line(&kept, &origin, tally)?;
        Ok(verdict)
    }

    fn keep_line(&mut self, kept: &Routed, origin: &str, tally: &mut Tally) -> Result<(), GateError> {
        let mut txn = self.writer.begin();
        push(&mut txn, kept);
        let now_us = clock::now_us();
        self.custody.refused(&mut txn, &refused(kept), origin, now_us);
        let bytes: u64 = kept.entries.iter().map(|e| u64::from(e.consumed)).sum();
        txn.count(&format!("{SOURCE}{NAME}.bytes_in"), bytes + kept.framing_bytes);
        tally.counts().for_each(|(name, count)| txn.count(&format!("{SOURCE}{NAME}.{name}"), count));
        self.writer.commit(txn, now_us)?;
        *tally = Tally::default();
        self.custody.tick(&mut self.writer, now_us)?;
        Ok(())
    }

    /// Commits counts alone.
    fn count(&mut self, tally: &mut Tally) -> Result<(), GateError> {
        if tally.since.is_none() {
            return Ok(());
        }
        let none = Routed { data: Vec::new(), entries: Vec::new(), framing_bytes: 0, duplicate_keys: 0, redacted: 0 };
        self.keep_line(&none, "", tally)
    }
}

impl Tally {
    fn add(&mut self, routed: &Routed, bytes: usize) {
        let of = |route: Route| routed.entries.iter().filter(|e| e.route == route).count() as u64;
        self.records += 1;
        self.bytes += bytes as u64;
        self.sealed += of(Route::Dedicated);
        self.passed += of(Route::Passthrough);
        self.since.get_or_insert_with(Instant::now);
    }

    fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let Self { records, bytes, sealed, passed, .. } = *self;
        [("records", records), ("stream_bytes", bytes), ("sealed_passed", sealed), ("passed", passed)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
    }
}

impl Verdict {
    /// The worst of what the entries of one message say; a message without an entry was never seen and is refused.
    fn of(routed: &Routed) -> Self {
        let worst = |entry: &&crate::runtime::wit::transform::Entry| match entry.route {
            Route::Quarantine => 0,
            Route::Passthrough => 1,
            Route::Dedicated => 2,
        };
        let entry = routed.entries.iter().min_by_key(worst);
        entry.map_or(Self { route: Route::Quarantine, reason: None }, |e| Self { route: e.route, reason: e.reason })
    }

    /// The answer that rsyslog merges into `$!`: about the line of this SHA-256, its end not counted.
    fn json(self, line: &[u8]) -> String {
        let route = match self.route {
            Route::Dedicated => "dedicated",
            Route::Passthrough => "passthrough",
            Route::Quarantine => "quarantine",
        };
        let reason = self.reason.map(|reason| format!(",\"reason\":\"{}\"", layout::reason(reason)));
        let line = hex(line);
        let reason = reason.unwrap_or_default();
        format!("{{\"$!\":{{\"innertrail\":{{\"route\":\"{route}\"{reason},\"line\":\"{line}\"}}}}}}")
    }
}

fn answer(output: &mut impl Write, text: &str) -> Result<(), GateError> {
    output.write_all(text.as_bytes())?;
    output.write_all(b"\n")?;
    Ok(output.flush()?)
}

/// Everything is kept: what would pass, in the passthrough store.
fn all(mut routed: Routed) -> Routed {
    for entry in &mut routed.entries {
        if entry.route == Route::Dedicated {
            entry.route = Route::Passthrough;
        }
    }
    routed
}

/// A message that is no text is kept as its bytes.
fn unreadable(data: &[u8]) -> Option<Fault> {
    std::str::from_utf8(data).is_err().then_some(Fault::Malformed)
}

/// An event as `tail --format native_json` writes it: an object with this key alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Native {
    #[serde(rename = "log")]
    _log: IgnoredAny,
}

/// The message as one `native_json` event: as it is, or under `log`, or as text under `message`. Only what is wholly JSON
/// is put into JSON as it is, so no message can close the object around it.
fn framed(line: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(line) else { return line.to_vec() };
    let text = text.strip_suffix('\n').unwrap_or(text);
    let bare = text.trim_ascii();
    if !bare.starts_with('{') || serde_json::from_str::<IgnoredAny>(bare).is_err() {
        let message = serde_json::Value::from(text.strip_suffix('\r').unwrap_or(text));
        return format!("{{\"log\":{{\"message\":{message}}}}}").into_bytes();
    }
    if serde_json::from_str::<Native>(bare).is_ok() {
        return bare.as_bytes().to_vec();
    }
    format!("{{\"log\":{bare}}}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_one_event_whatever_it_is() {
        let told = |line: &[u8]| String::from_utf8_lossy(&framed(line)).into_owned();
        assert_eq!(told(b" {\"a\": 1}\n"), "{\"log\":{\"a\": 1}}");
        assert_eq!(told(b"{\"log\":{\"a\":1}}\r\n"), "{\"log\":{\"a\":1}}");
        assert_eq!(told(b"{\"log\":{},\"x\":1}\n"), "{\"log\":{\"log\":{},\"x\":1}}");
        assert_eq!(told(b"plain \"text\"\r\n"), "{\"log\":{\"message\":\"plain \\\"text\\\"\"}}");
        assert_eq!(told(b"\n"), "{\"log\":{\"message\":\"\"}}");
        // Nothing gets out of the object around it.
        assert_eq!(told(b"{}},{\"log\":{\n"), "{\"log\":{\"message\":\"{}},{\\\"log\\\":{\"}}");
        assert_eq!(told(b"[1]\n"), "{\"log\":{\"message\":\"[1]\"}}");
    }

    #[test]
    fn the_answer_is_one_line_of_json() {
        let verdict = Verdict { route: Route::Quarantine, reason: Some(Reason::WriteProtected) };
        let told = r#"{"$!":{"innertrail":{"route":"quarantine","reason":"write_protected","line":"00ff"}}}"#;
        assert_eq!(verdict.json(&[0, 255]), told);
        let verdict = Verdict { route: Route::Passthrough, reason: None };
        assert_eq!(verdict.json(&[1]), r#"{"$!":{"innertrail":{"route":"passthrough","line":"01"}}}"#);
    }
}
