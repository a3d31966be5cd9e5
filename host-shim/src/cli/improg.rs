//! `innertrail tail --dialect improg`: records to rsyslog's `improg`, which acknowledges each.
//!
//! The group's position moves with the acknowledgements and never before, so whoever is killed when, records are repeated
//! and none is lost. Nothing is written before START, and nothing but records ever stands on standard output.

use std::io::{self, BufRead, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use anyhow::anyhow;
use innertrail_logstore::consumer::{Cursor, Page, Reader};

use super::args::{TailArgs, TailFormat};
use super::tail::{Form, Member, SLICE, expired, failed, pull};
use super::{Failure, Outcome};
use crate::exit;

/// Records and bytes that may be under way without an acknowledgement.
const WINDOW: (usize, usize) = (256, 1 << 20);

/// A word of the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Start,
    Ack,
    Stop,
}

pub(super) fn run(args: &TailArgs, reader: &mut Reader, form: &mut Form, stop: &AtomicBool) -> Outcome {
    let Some(group) = &args.group else {
        let why = "--dialect improg needs --group: it is where the acknowledged position is kept";
        return Err(Failure::Usage(anyhow!(why)));
    };
    if args.format == TailFormat::Text {
        return Err(Failure::Usage(anyhow!("--dialect improg is for programs; use --format json or native_json")));
    }
    let newest = reader.newest(args.store.into(), args.lines);
    let Some((member, next)) = Member::join(&args.data.data_dir, group, newest, true, stop)? else {
        return Ok(exit::OK);
    };
    let mut talk = Talk { words: listen(), member, stop };
    if !talk.started(next)? {
        return Ok(exit::OK);
    }
    talk.run(reader, next, form)?;
    Ok(exit::OK)
}

/// Reads the other end's words on a thread of its own, so that writing never waits for reading.
fn listen() -> Receiver<Word> {
    let (sender, words) = channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let word = match line.trim() {
                "START" => Word::Start,
                "ACK" => Word::Ack,
                "STOP" => Word::Stop,
                // Nothing else is defined.
                _ => continue,
            };
            if sender.send(word).is_err() {
                return;
            }
        }
    });
    words
}

struct Talk<'a> {
    words: Receiver<Word>,
    member: Member,
    stop: &'a AtomicBool,
}

impl Talk<'_> {
    /// The next word; `None` when it is time to end: STOP, the other end gone, or a signal.
    fn word(&mut self, at: Cursor) -> Result<Option<Word>, Failure> {
        while !self.stop.load(Ordering::Relaxed) {
            match self.words.recv_timeout(SLICE) {
                Ok(Word::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Ok(word) => return Ok(Some(word)),
                Err(RecvTimeoutError::Timeout) => self.member.rest(at, false)?,
            }
        }
        Ok(None)
    }

    fn started(&mut self, at: Cursor) -> Result<bool, Failure> {
        loop {
            match self.word(at)? {
                None => return Ok(false),
                Some(Word::Start) => return Ok(true),
                Some(_) => {}
            }
        }
    }

    fn run(&mut self, reader: &mut Reader, mut next: Cursor, form: &mut Form) -> Result<(), Failure> {
        loop {
            let page = pull(reader, &mut next, WINDOW)?;
            if page.rows.is_empty() {
                if self.waited(reader, next)? {
                    continue;
                }
                return self.member.store(next);
            }
            let rows = page.rows.len();
            let after = page.next;
            send(reader, form, &page)?;
            let acked = self.acked(rows, next)?;
            if acked < rows {
                let next = if acked == 0 { next } else { reader.pull(next, acked, usize::MAX).map_err(failed)?.next };
                return self.member.store(next);
            }
            next = after;
            self.member.store(next)?;
        }
    }

    /// Waits for something to send; false when it is time to end.
    fn waited(&mut self, reader: &mut Reader, next: Cursor) -> Result<bool, Failure> {
        let came = reader.wait(next, SLICE).or_else(|e| expired(&e).map(|_| true).ok_or(e)).map_err(failed)?;
        self.member.rest(next, !came)?;
        let ended = match self.words.try_recv() {
            Ok(word) => word == Word::Stop,
            Err(std::sync::mpsc::TryRecvError::Disconnected) => true,
            Err(std::sync::mpsc::TryRecvError::Empty) => false,
        };
        Ok(!ended && !self.stop.load(Ordering::Relaxed))
    }

    /// How many of `rows` were acknowledged: all of them, or fewer when it is time to end.
    fn acked(&mut self, rows: usize, at: Cursor) -> Result<usize, Failure> {
        let mut acked = 0;
        while acked < rows {
            match self.word(at)? {
                None => break,
                Some(Word::Ack) => acked += 1,
                Some(_) => {}
            }
        }
        Ok(acked)
    }
}

fn send(reader: &Reader, form: &mut Form, page: &Page) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for row in &page.rows {
        form.write(reader.snapshot().layout(), row, &mut out)?;
    }
    Ok(out.flush()?)
}
