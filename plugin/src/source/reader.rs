//! One open file: bytes in, emitted frames out, and at its end the promises of its name.
//!
//! It inflates and frames no more than one emit's worth at a time, so memory stays bounded whatever the file holds.

use md5::{Digest, Md5};

use super::framer::{Cut, Framer, Within};
use super::inflate::{Inflater, MAGIC};
use super::limits::{Limits, ObjectNames};
use super::object_name::{self, Promise};
use super::position::{Head, NameMeans, Position};
use super::{File, ObjectCheck};
use crate::transform::batch::Fault;

/// About how many bytes of frames go into one emit.
pub const EMIT_BYTES: usize = 256 << 10;

/// A file that is being read.
#[derive(Debug)]
pub struct Reader {
    /// As listed.
    pub file: File,
    /// Next byte to ask for.
    pub at: u64,
    inflater: Option<Inflater>,
    framer: Framer,
    /// Decompressed bytes that were durable already and are passed over.
    skip: u64,
    frames: u64,
    promise: Option<Promise>,
    file_md5: Option<Md5>,
    content_md5: Option<Md5>,
    content_size: u64,
    /// The first bytes, until there are enough of them to tell what the file is.
    first: Option<Vec<u8>>,
    /// How the file begins; until that is known, how it began when the position was taken.
    head: Option<Head>,
    max_record: usize,
    max_depth: usize,
    ended: bool,
    failed: Option<Fault>,
    max_made: u64,
    max_ratio: u64,
}

/// What the reader can do next.
#[derive(Debug)]
pub enum Progress {
    /// Frames, and the position behind them.
    Emit(Cut, Position),
    /// It needs more bytes of the file.
    Hungry,
    /// The file ends inside a record and may still be being written.
    Later,
    /// The file is read to its end.
    Done(Position, Option<ObjectCheck>, Option<NameMeans>),
}

impl Reader {
    /// Opens a file at a position.
    pub fn new(file: File, position: &Position, limits: &Limits, means: Option<NameMeans>) -> Self {
        let promise = match limits.object_names {
            ObjectNames::Actiontrail => object_name::parse(&file.path),
            ObjectNames::Ignore => None,
        };
        let hash = |unless: NameMeans| (promise.is_some() && means != Some(unless)).then(Md5::new);
        Self {
            at: 0,
            inflater: None,
            framer: Framer::new(
                position.offset,
                position.within,
                usize::try_from(limits.max_event_bytes).unwrap_or(usize::MAX),
                limits.max_depth,
            ),
            skip: position.offset,
            frames: position.frames,
            file_md5: hash(NameMeans::Content),
            content_md5: hash(NameMeans::File),
            promise,
            content_size: 0,
            first: Some(Vec::new()),
            head: position.head.clone(),
            max_record: usize::try_from(limits.max_event_bytes).unwrap_or(usize::MAX),
            max_depth: limits.max_depth,
            ended: false,
            failed: None,
            max_made: limits.max_decompressed_bytes,
            max_ratio: limits.max_ratio,
            file,
        }
    }

    /// Takes bytes of the file, in order. `end`: it ended behind them.
    pub fn feed(&mut self, bytes: &[u8], end: bool) {
        self.at += bytes.len() as u64;
        self.ended |= end || bytes.is_empty();
        if let Some(md5) = &mut self.file_md5 {
            md5.update(bytes);
        }
        let Some(mut first) = self.first.take() else { return self.take(bytes) };
        first.extend_from_slice(bytes);
        if first.len() < Head::MOST && !self.ended {
            self.first = Some(first);
            return;
        }
        self.begin(&first);
    }

    /// What the first bytes say: gzip or text, and whether it is still the file that the position is of.
    fn begin(&mut self, first: &[u8]) {
        if self.skip > 0 && self.head.as_ref().is_some_and(|head| !head.begins(first)) {
            self.skip = 0;
            self.frames = 0;
            self.framer = Framer::new(0, Within::default(), self.max_record, self.max_depth);
        }
        self.head = Some(Head::of(first));
        if first.starts_with(&MAGIC) {
            self.inflater = Some(Inflater::new(self.max_made, self.max_ratio));
        } else if self.promise.is_none() && self.skip > first.len() as u64 && !self.ended {
            // Plain text that nobody needs the hash of is taken up where it was left.
            self.at = self.skip;
            self.skip = 0;
            return;
        }
        self.take(first);
    }

    fn take(&mut self, bytes: &[u8]) {
        match &mut self.inflater {
            Some(inflater) => inflater.feed(bytes),
            None => self.content(bytes),
        }
    }

    /// The next thing that can be done with what was fed. `may_grow`: a file that ends inside a record may still be
    /// being written.
    pub fn next(&mut self, may_grow: bool) -> Progress {
        let mut cut = Cut::default();
        while cut.data.len() < EMIT_BYTES && self.failed.is_none() {
            self.framer.cut(&mut cut, EMIT_BYTES, false);
            if cut.data.len() >= EMIT_BYTES || !self.inflate(&mut cut) {
                break;
            }
        }
        if self.failed.is_some() {
            self.give_up_rest(&mut cut);
        }
        let waits = self.inflater.as_ref().is_some_and(Inflater::has_input);
        let at_end = self.ended && !waits && cut.data.len() < EMIT_BYTES;
        if at_end && !may_grow {
            self.finish(&mut cut);
        }
        if !cut.frames.is_empty() || cut.covered > 0 {
            self.frames += cut.frames.len() as u64;
            return Progress::Emit(cut, self.position(false));
        }
        let whole = self.framer.is_empty() && !self.is_cut_short();
        match self.ended && !waits {
            true if whole || !may_grow && self.framer.is_empty() => self.done(),
            true if may_grow => Progress::Later,
            _ => Progress::Hungry,
        }
    }

    /// Whether the file is compressed, undamaged as far as it goes, and not whole.
    fn is_cut_short(&self) -> bool {
        self.ended && self.failed.is_none() && self.inflater.as_ref().is_some_and(|i| !i.is_whole() && !i.has_input())
    }

    fn inflate(&mut self, cut: &mut Cut) -> bool {
        let Some(inflater) = self.inflater.as_mut().filter(|i| i.has_input()) else { return false };
        let mut made = Vec::new();
        let result = inflater.inflate(&mut made, EMIT_BYTES);
        let progressed = !made.is_empty();
        self.content(&made);
        if let Err(fault) = result {
            self.fail(fault, cut);
            return false;
        }
        progressed
    }

    /// What was inflated is framed; the started record and the compressed rest are kept as they are.
    fn fail(&mut self, fault: Fault, cut: &mut Cut) {
        self.framer.cut(cut, usize::MAX, false);
        self.failed = Some(fault);
        let rest = self.inflater.as_mut().map(Inflater::rest).unwrap_or_default();
        self.behind_skip(&rest);
        self.framer.give_up(fault, cut);
    }

    /// Behind damage every piece of the file goes out as it was read.
    fn give_up_rest(&mut self, cut: &mut Cut) {
        let rest = self.inflater.as_mut().map(Inflater::rest).unwrap_or_default();
        if let (Some(fault), false) = (self.failed, rest.is_empty()) {
            self.behind_skip(&rest);
            if !self.framer.is_empty() {
                self.framer.give_up(fault, cut);
            }
        }
    }

    fn content(&mut self, bytes: &[u8]) {
        self.content_size += bytes.len() as u64;
        if let Some(md5) = &mut self.content_md5 {
            md5.update(bytes);
        }
        self.behind_skip(bytes);
    }

    /// To the framer, less what an earlier session made durable.
    fn behind_skip(&mut self, bytes: &[u8]) {
        let passed = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= passed as u64;
        self.framer.buffer().extend_from_slice(&bytes[passed..]);
    }

    fn finish(&mut self, cut: &mut Cut) {
        if self.is_cut_short() {
            self.framer.cut(cut, usize::MAX, false);
            self.framer.give_up(Fault::CorruptGzip, cut);
            self.failed = Some(Fault::CorruptGzip);
        } else if self.failed.is_none() {
            self.framer.cut(cut, EMIT_BYTES, true);
        }
    }

    /// Where the file can be taken up again once everything emitted so far is durable.
    pub fn position(&self, done: bool) -> Position {
        Position {
            offset: self.framer.offset,
            frames: self.frames,
            within: self.framer.within,
            damaged: self.failed.is_some(),
            done,
            abandoned: false,
            size: self.file.size,
            modified_ms: self.file.modified_ms,
            identity: self.file.identity.clone(),
            head: self.head.clone(),
        }
    }

    fn done(&mut self) -> Progress {
        let (check, means) = self.check();
        Progress::Done(self.position(true), check, means)
    }

    fn check(&mut self) -> (Option<ObjectCheck>, Option<NameMeans>) {
        let Some(promise) = self.promise.take() else { return (None, None) };
        let is = |md5: Option<Md5>| md5.is_some_and(|m| m.finalize()[..] == promise.md5);
        let means = if is(self.file_md5.take()) {
            Some(NameMeans::File)
        } else if is(self.content_md5.take()) {
            Some(NameMeans::Content)
        } else {
            None
        };
        let check = ObjectCheck {
            path: self.file.path.clone(),
            count: (promise.count, self.frames),
            size_ok: promise.size == self.at || promise.size == self.content_size,
            md5_ok: means.is_some(),
        };
        (Some(check), means)
    }
}
