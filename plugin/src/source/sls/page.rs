//! One answer to PullLogs: its headers checked before anything is allocated, its body decompressed within them, its
//! logs written as lines of JSON a piece at a time.
//!
//! What cannot be read as a log goes out as it is, in faulty frames. Text that is not UTF-8 goes out as it is too, and
//! decoding puts it into quarantine with every byte.

use ruzstd::decoding::FrameDecoder;

use super::config::Compression;
use super::line::{NoLine, common, line};
use super::protobuf::{Broken, Fields, Value};
use super::wire;
use crate::source::framer::Cut;
use crate::source::http::{Pair, Response, header};
use crate::source::position::Head;
use crate::transform::batch::{Fault, Frame};

/// Room behind a portion for the line that fills it.
const ROOM: usize = 64 * 1024;
/// Most log groups of a page.
const MOST_GROUPS: u32 = 1000;

/// Why an answer is no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPage {
    /// So many bytes: more than were to be.
    TooLong(u64),
    /// Not what its headers say, or headers that say nothing.
    Broken(String),
}

/// An answer whose headers are as they should be.
#[derive(Debug)]
pub struct Answer {
    /// The cursor that it was asked with.
    pub cursor: String,
    /// The cursor behind it.
    pub next: String,
    /// When the service received what the cursor is behind of, milliseconds since the Unix epoch, if it says so.
    pub time_ms: Option<i64>,
    groups: u32,
    size: u32,
    compression: Compression,
    body: Vec<u8>,
}

impl Answer {
    /// Checks the headers of an answer of status 200.
    ///
    /// # Errors
    /// See [`NoPage`].
    pub fn read(cursor: &str, response: Response, page_bytes: u32) -> Result<Self, NoPage> {
        let broken = |why: &str| NoPage::Broken(why.to_owned());
        let headers = &response.headers;
        let get = |name| header(headers, name);
        let next = get("x-log-cursor").ok_or_else(|| broken("the header x-log-cursor is missing"))?;
        let next = wire::cursor(next).map_err(NoPage::Broken)?;
        let groups = u32::try_from(number(headers, "x-log-count")?).unwrap_or(u32::MAX);
        if groups > MOST_GROUPS {
            return Err(NoPage::Broken(format!("x-log-count says more than {MOST_GROUPS} log groups")));
        }
        let long = number(headers, "x-log-bodyrawsize")?;
        let size = u32::try_from(long).ok().filter(|size| *size <= page_bytes).ok_or(NoPage::TooLong(long))?;
        let compression = match get("x-log-compresstype").map(str::trim) {
            Some("lz4") => Compression::Lz4,
            Some("zstd") => Compression::Zstd,
            None | Some("") => Compression::None,
            Some(_) => return Err(broken("x-log-compresstype names a compression that was not asked for")),
        };
        let time_ms = get("x-log-cursor-time").and_then(|time| time.trim().parse::<i64>().ok());
        let time_ms = time_ms.and_then(|seconds| seconds.checked_mul(1000));
        Ok(Self { cursor: cursor.to_owned(), next, time_ms, groups, size, compression, body: response.body })
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.groups == 0 && self.size == 0
    }

    /// The same without what it holds.
    pub fn emptied(self) -> Self {
        Self { groups: 0, size: 0, body: Vec::new(), ..self }
    }

    /// Bytes that it keeps in memory.
    pub fn held(&self) -> usize {
        self.body.len()
    }

    /// Decompresses it and finds its groups.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn open(self) -> Result<Page, String> {
        let size = self.size as usize;
        let raw = match self.compression {
            _ if self.is_empty() => Vec::new(),
            Compression::None => self.body,
            Compression::Lz4 => {
                let mut raw = vec![0; size];
                let made = lz4_flex::block::decompress_into(&self.body, &mut raw);
                let made = made.map_err(|e| format!("the lz4 block is damaged or longer than it says: {e}"))?;
                raw.truncate(made);
                raw
            }
            Compression::Zstd => unzstd(&self.body, size)?,
        };
        if raw.len() != size {
            return Err(format!("x-log-bodyrawsize says {size} bytes, {} came", raw.len()));
        }
        let groups = index(&raw, self.groups)?;
        Ok(Page {
            cursor: self.cursor,
            next: self.next,
            head: Head::of(&raw),
            raw,
            groups,
            group: 0,
            at: None,
            prefix: Vec::new(),
            rest: None,
            logs: 0,
            time_ms: self.time_ms,
        })
    }
}

fn number(headers: &[Pair], name: &str) -> Result<u64, NoPage> {
    let value = header(headers, name).and_then(|value| value.trim().parse().ok());
    value.ok_or_else(|| NoPage::Broken(format!("the header {name} is missing or no number")))
}

fn unzstd(body: &[u8], size: usize) -> Result<Vec<u8>, String> {
    let mut decoder = FrameDecoder::new();
    // A page is never longer than `size`, so no honest frame needs a larger window than the smallest that covers it.
    decoder.set_max_window_size((size as u64).next_power_of_two().max(1 << 20));
    let mut raw = vec![0; size];
    let made = decoder.decode_all(body, &mut raw);
    let made = made.map_err(|e| format!("the zstd frame is damaged or longer than it says: {e}"))?;
    raw.truncate(made);
    Ok(raw)
}

/// Where the groups of a list lie.
fn index(raw: &[u8], count: u32) -> Result<Vec<(u32, u32)>, String> {
    let mut groups = Vec::with_capacity(count as usize);
    let mut fields = Fields::new(raw);
    while let Some((number, value)) = fields.field().map_err(|Broken| "the list of log groups is damaged".to_owned())? {
        if let (1, Value::Bytes(group)) = (number, value) {
            if groups.len() == count as usize {
                return Err(format!("x-log-count says {count} log groups, more came"));
            }
            let end = fields.at as u32;
            groups.push((end - group.len() as u32, end));
        }
    }
    if groups.len() < count as usize {
        return Err(format!("x-log-count says {count} log groups, {} came", groups.len()));
    }
    Ok(groups)
}

/// A page on its way out.
#[derive(Debug)]
pub struct Page {
    /// The cursor that it was asked with.
    pub cursor: String,
    /// The cursor behind it.
    pub next: String,
    /// How its bytes begin, to know it again.
    pub head: Head,
    /// Logs that are out.
    pub logs: u64,
    /// The time of the last log that is out, or what the service said of the cursor; milliseconds since the Unix epoch.
    pub time_ms: Option<i64>,
    raw: Vec<u8>,
    groups: Vec<(u32, u32)>,
    group: usize,
    /// Place in the current group; `None` before it was looked at.
    at: Option<usize>,
    /// What every line of the current group begins with, behind its time.
    prefix: Vec<u8>,
    /// What goes out as it is, piece by piece.
    rest: Option<Rest>,
}

/// Bytes that are no log.
#[derive(Debug, Clone, Copy)]
struct Rest {
    start: usize,
    end: usize,
    fault: Fault,
    /// It is all of the group, not one log of it.
    whole: bool,
}

/// How much may go out at once.
#[derive(Debug, Clone, Copy)]
pub struct Portion {
    /// About so many bytes.
    pub most: usize,
    /// Longest record.
    pub max_record: usize,
}

impl Page {
    /// Whether everything is out.
    pub fn is_done(&self) -> bool {
        self.group == self.groups.len() && self.rest.is_none()
    }

    /// Whether it begins like this.
    pub fn begins(&self, head: &Head) -> bool {
        head.begins(&self.raw)
    }

    /// Passes over logs that are durable already.
    pub fn skip(&mut self, logs: u64) {
        let mut unwanted = Cut::default();
        let portion = Portion { most: 1, max_record: usize::MAX };
        while self.logs < logs && !self.is_done() {
            self.cut(&mut unwanted, portion, &mut 0);
            // Its memory serves the next one: `cut` asks for room for more than one log.
            unwanted.data.clear();
            unwanted.frames.clear();
        }
    }

    /// Writes lines until about `portion.most` bytes are out. `offset`: of the next byte in the shard.
    pub fn cut(&mut self, cut: &mut Cut, portion: Portion, offset: &mut u64) {
        // At once: growing step by step copies all that is there at each step.
        cut.data.reserve(self.remaining().saturating_mul(2).min(portion.most.saturating_add(ROOM)));
        while cut.data.len() < portion.most && !self.is_done() {
            if self.rest.is_some() {
                self.piece(cut, portion, offset);
            } else if self.at.is_none() {
                self.enter();
            } else {
                self.log(cut, portion, offset);
            }
        }
    }

    /// Looks a group over: what its lines have in common, and whether they can be written at all.
    fn enter(&mut self) {
        let (start, end) = self.bounds();
        self.at = Some(0);
        match common(&self.raw[start..end]) {
            Ok(prefix) => self.prefix = prefix,
            Err(Broken) => self.rest = Some(Rest { start, end, fault: Fault::Malformed, whole: true }),
        }
    }

    fn bounds(&self) -> (usize, usize) {
        self.groups.get(self.group).map_or((0, 0), |(start, end)| (*start as usize, *end as usize))
    }

    /// Bytes that are not out.
    fn remaining(&self) -> usize {
        let (start, _) = self.bounds();
        if self.is_done() { 0 } else { self.raw.len() - start - self.at.unwrap_or(0) }
    }

    fn leave(&mut self) {
        self.group += 1;
        self.at = None;
    }

    /// The next log of the group, or the group's end.
    fn log(&mut self, cut: &mut Cut, portion: Portion, offset: &mut u64) {
        let (start, end) = self.bounds();
        let mut fields = Fields::from(&self.raw[start..end], self.at.unwrap_or(0));
        let found = fields.field();
        let here = fields.at;
        self.at = Some(here);
        let log = match found {
            Ok(Some((1, Value::Bytes(log)))) => log,
            Ok(Some(_)) => return,
            Ok(None) | Err(Broken) => return self.leave(),
        };
        let (from, most) = (cut.data.len(), portion.max_record);
        match line(&mut cut.data, &self.prefix, log, most) {
            Ok(seconds) => {
                self.time_ms = Some(i64::from(seconds) * 1000);
                self.logs += 1;
                framed(cut, from, None, offset);
            }
            Err(why) => {
                cut.data.truncate(from);
                let fault = if matches!(why, NoLine::TooLong) { Fault::Oversize } else { Fault::Malformed };
                let end = start + here;
                self.rest = Some(Rest { start: end - log.len(), end, fault, whole: false });
            }
        }
    }

    /// A piece of what goes out as it is; of nothing, nothing.
    fn piece(&mut self, cut: &mut Cut, portion: Portion, offset: &mut u64) {
        let Some(rest) = self.rest else { return };
        let until = rest.end.min(rest.start.saturating_add(portion.max_record.min(portion.most).max(1)));
        let from = cut.data.len();
        if until > rest.start {
            cut.data.extend_from_slice(&self.raw[rest.start..until]);
            framed(cut, from, Some(rest.fault), offset);
        }
        if until < rest.end {
            self.rest = Some(Rest { start: until, ..rest });
            return;
        }
        self.rest = None;
        self.logs += 1;
        if rest.whole {
            self.leave();
        }
    }
}

fn framed(cut: &mut Cut, from: usize, fault: Option<Fault>, offset: &mut u64) {
    let len = (cut.data.len() - from) as u64;
    let end = u32::try_from(cut.data.len()).unwrap_or(u32::MAX);
    cut.frames.push(Frame { end, offset: *offset, fault });
    cut.covered += len;
    *offset += len;
}
