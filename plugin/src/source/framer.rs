//! Cuts decompressed bytes into frames: one line, one object that spans lines, one element of an array.
//!
//! Lines are cut without being looked into, which is what makes the common form cheap; an object is scanned for its
//! end only where its line does not end with a bracket. A frame may be anything: decoding judges it. No byte may be
//! lost: what fits no form comes out as a faulty frame.

use memchr::memchr;
use serde::{Deserialize, Serialize};

use crate::decode::scan::{Problem, Scanner, TokenKind, Unwatched};
use crate::transform::batch::{Fault, Frame};

/// Without a line end in this many bytes, objects are looked for inside the line.
const LONG_LINE: usize = 64 << 10;

/// Frames on their way to an `emit`.
#[derive(Debug, Default)]
pub struct Cut {
    /// The frames' bytes, end to end.
    pub data: Vec<u8>,
    /// Their ends.
    pub frames: Vec<Frame>,
    /// Input bytes covered: the frames and what lay between them.
    pub covered: u64,
}

/// What the front of the waiting bytes is inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Within {
    /// Inside an array that was opened at the top.
    pub array: bool,
    /// Inside a record that is too long: everything up to the next line end goes with it.
    pub oversize: bool,
    /// So many bytes of a record that is too long are still to come.
    pub oversize_rest: u64,
}

/// Bytes that wait to be cut.
#[derive(Debug)]
pub struct Framer {
    waiting: Vec<u8>,
    /// First byte of `waiting` that is not cut yet.
    at: usize,
    /// Place of `waiting[at]` in the decompressed file.
    pub offset: u64,
    /// What a later session has to know to go on from here.
    pub within: Within,
    /// Objects of this file span lines.
    spans_lines: Option<bool>,
    max_record: usize,
    max_depth: usize,
}

/// What stands at the front of the waiting bytes.
enum Front {
    /// A frame of so many bytes.
    Frame(usize),
    /// A faulty piece of so many bytes.
    Faulty(usize, Fault),
    /// So many bytes between frames.
    Gap(usize),
    /// More bytes are needed to tell.
    More,
}

impl Framer {
    /// Begins at a place in the file.
    pub fn new(offset: u64, within: Within, max_record: usize, max_depth: usize) -> Self {
        Self { waiting: Vec::new(), at: 0, offset, within, spans_lines: None, max_record, max_depth }
    }

    /// Where new bytes go. Bytes already cut are let go of first.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.waiting.drain(..self.at);
        self.at = 0;
        &mut self.waiting
    }

    /// Whether anything waits.
    pub fn is_empty(&self) -> bool {
        self.at == self.waiting.len()
    }

    /// Cuts frames off until `most` bytes are out or more input is needed. `end`: no more input comes.
    pub fn cut(&mut self, cut: &mut Cut, most: usize, end: bool) {
        while cut.data.len() < most && !self.is_empty() {
            match self.front(end) {
                Front::More => break,
                Front::Gap(len) => self.advance(len, cut),
                Front::Frame(len) => self.take(len, None, cut),
                Front::Faulty(len, fault) => self.take(len, Some(fault), cut),
            }
        }
    }

    /// Everything that waits, as one faulty frame; also when nothing waits.
    pub fn give_up(&mut self, fault: Fault, cut: &mut Cut) {
        let len = self.waiting.len() - self.at;
        self.take(len, Some(fault), cut);
    }

    fn take(&mut self, len: usize, fault: Option<Fault>, cut: &mut Cut) {
        cut.data.extend_from_slice(&self.waiting[self.at..self.at + len]);
        let end = u32::try_from(cut.data.len()).unwrap_or(u32::MAX);
        cut.frames.push(Frame { end, offset: self.offset, fault });
        self.advance(len, cut);
    }

    fn advance(&mut self, len: usize, cut: &mut Cut) {
        self.at += len;
        self.offset += len as u64;
        cut.covered += len as u64;
    }

    fn front(&mut self, end: bool) -> Front {
        let text = &self.waiting[self.at..];
        if self.within.oversize_rest > 0 {
            return self.oversize_piece(text.len());
        }
        let blanks = text.iter().take_while(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t')).count();
        let mark = if self.offset == 0 && text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        if mark + blanks > 0 && !self.within.oversize {
            return Front::Gap(mark + blanks);
        }
        if self.within.oversize {
            return self.oversized(end);
        }
        let found = match (self.within.array, text[0]) {
            (true, b']') => {
                self.within.array = false;
                Front::Gap(1)
            }
            (true, b',') => Front::Gap(1),
            (true, _) => self.spanning(end),
            (false, b'[') => self.array(end),
            (false, _) => self.line(end),
        };
        match found {
            Front::More if self.waiting.len() - self.at > self.max_record => {
                self.within.oversize = true;
                self.oversized(end)
            }
            Front::Frame(len) if len > self.max_record + 2 => {
                self.within.oversize_rest = len as u64;
                self.oversize_piece(len)
            }
            other => other,
        }
    }

    /// A piece of a record that is too long and whose end is known.
    fn oversize_piece(&mut self, available: usize) -> Front {
        let rest = usize::try_from(self.within.oversize_rest).unwrap_or(usize::MAX);
        let piece = rest.min(self.max_record).min(available);
        self.within.oversize_rest -= piece as u64;
        Front::Faulty(piece, Fault::Oversize)
    }

    /// A piece of a record that is too long, up to the next line end.
    fn oversized(&mut self, end: bool) -> Front {
        let text = &self.waiting[self.at..];
        match memchr(b'\n', text) {
            Some(at) if at < self.max_record => {
                self.within.oversize = false;
                Front::Faulty(at + 1, Fault::Oversize)
            }
            None if text.len() < self.max_record && !end => Front::More,
            found => {
                self.within.oversize = !(end && found.is_none() && text.len() <= self.max_record);
                Front::Faulty(text.len().min(self.max_record), Fault::Oversize)
            }
        }
    }

    /// An array at the top, unless the line is a text that merely begins with a bracket.
    fn array(&mut self, end: bool) -> Front {
        let text = &self.waiting[self.at..];
        match text[1..].iter().find(|b| !b.is_ascii_whitespace()) {
            Some(b'{' | b']') => {
                self.within.array = true;
                Front::Gap(1)
            }
            None if !end => Front::More,
            _ => self.line(end),
        }
    }

    fn line(&mut self, end: bool) -> Front {
        let text = &self.waiting[self.at..];
        let newline = memchr(b'\n', text);
        let line = newline.map_or(text, |at| &text[..at]);
        let closed = line.trim_ascii_end().ends_with(b"}");
        let is_object = text[0] == b'{';
        if newline.is_some() && (!is_object || closed && self.spans_lines == Some(false)) {
            return Front::Frame(line.len() + 1);
        }
        if newline.is_none() && !end && (text.len() < LONG_LINE || !is_object) {
            return Front::More;
        }
        if !is_object {
            return Front::Frame(text.len());
        }
        self.spanning(end)
    }

    /// An object, scanned for its end.
    fn spanning(&mut self, end: bool) -> Front {
        let text = &self.waiting[self.at..];
        let newline = memchr(b'\n', text);
        let mut scanner = Scanner::new(text, 0, self.max_depth);
        match scanner.value(0, &mut Unwatched) {
            // A number may go on in the bytes to come.
            Ok(token) if token.kind == TokenKind::Number && scanner.pos == text.len() && !end => Front::More,
            Ok(_) => {
                let len = scanner.pos;
                if !self.within.array && self.spans_lines != Some(true) {
                    self.spans_lines = Some(newline.is_some_and(|at| at < len));
                }
                Front::Frame(len)
            }
            Err(error) if error.problem == Problem::Truncated && !end => Front::More,
            // One damaged line must not take its neighbours along.
            Err(error) => match newline {
                Some(at) => Front::Frame(at + 1),
                None if error.problem == Problem::Truncated => Front::Faulty(text.len(), Fault::Truncated),
                None => Front::Faulty(text.len(), Fault::Malformed),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Cuts a text that arrives in pieces of `step` bytes.
    fn frames(text: &[u8], step: usize, max: usize) -> Vec<String> {
        let mut framer = Framer::new(0, Within::default(), max, 64);
        let mut cut = Cut::default();
        for piece in text.chunks(step) {
            framer.buffer().extend_from_slice(piece);
            framer.cut(&mut cut, usize::MAX, false);
        }
        framer.cut(&mut cut, usize::MAX, true);
        assert!(framer.is_empty());
        assert_eq!(cut.covered, text.len() as u64);
        let mut start = 0;
        let shown = |f: &Frame| {
            let bytes = &cut.data[start..f.end as usize];
            start = f.end as usize;
            let fault = f.fault.map(|f| format!(" {f:?}")).unwrap_or_default();
            format!("{}:{:?}{fault}", f.offset, String::from_utf8_lossy(bytes))
        };
        cut.frames.iter().map(shown).collect()
    }

    #[test]
    fn cuts_every_form() {
        insta::assert_debug_snapshot!(frames(b"{\"a\":1}\r\n{\"b\":2}\n", 5, 99), @r#"
        [
            "0:\"{\\\"a\\\":1}\"",
            "9:\"{\\\"b\\\":2}\\n\"",
        ]
        "#);
        insta::assert_debug_snapshot!(frames(b"[{\"a\":1},\n {\"b\":[2]} , 3]\n{\"c\":4}", 7, 99), @r#"
        [
            "1:\"{\\\"a\\\":1}\"",
            "11:\"{\\\"b\\\":[2]}\"",
            "23:\"3\"",
            "26:\"{\\\"c\\\":4}\"",
        ]
        "#);
        insta::assert_debug_snapshot!(frames(b"{\n \"a\": {}\n}\n{\n \"b\": 2\n}\n", 4, 99), @r#"
        [
            "0:\"{\\n \\\"a\\\": {}\\n}\"",
            "13:\"{\\n \\\"b\\\": 2\\n}\"",
        ]
        "#);
        insta::assert_debug_snapshot!(frames(b"{\"a\":1}{\"b\":2} {\"c\":3}", 100, 99), @r#"
        [
            "0:\"{\\\"a\\\":1}\"",
            "7:\"{\\\"b\\\":2}\"",
            "15:\"{\\\"c\\\":3}\"",
        ]
        "#);
        insta::assert_debug_snapshot!(frames(b"\xef\xbb\xbf{\"a\":1}\n[2026-11-23] plain\noops\n", 100, 99), @r#"
        [
            "3:\"{\\\"a\\\":1}\"",
            "11:\"[2026-11-23] plain\\n\"",
            "30:\"oops\\n\"",
        ]
        "#);
    }

    #[test]
    fn damage_stays_where_it_is() {
        insta::assert_debug_snapshot!(frames(b"{\"a\":1}\n{\"b\":2,\n{\"c\":3}\n{\"d\":\"x\n{\"e\":5}\n", 6, 99), @r#"
        [
            "0:\"{\\\"a\\\":1}\"",
            "8:\"{\\\"b\\\":2,\\n\"",
            "16:\"{\\\"c\\\":3}\\n\"",
            "24:\"{\\\"d\\\":\\\"x\\n\"",
            "32:\"{\\\"e\\\":5}\\n\"",
        ]
        "#);
        insta::assert_debug_snapshot!(frames(b"{\"a\":1}\n{\"b\":", 6, 99), @r#"
        [
            "0:\"{\\\"a\\\":1}\"",
            "8:\"{\\\"b\\\":\" Truncated",
        ]
        "#);
        insta::assert_debug_snapshot!(frames(b"[{\"a\":1},{\"b\":", 6, 99), @r#"
        [
            "1:\"{\\\"a\\\":1}\"",
            "9:\"{\\\"b\\\":\" Truncated",
        ]
        "#);
        insta::assert_debug_snapshot!(frames(b"{\"a\":1}\n{\"long\":\"xxxxxxxxxxxxxxxxxxxx\"}\n{\"b\":2}\n", 8, 16), @r#"
        [
            "0:\"{\\\"a\\\":1}\"",
            "8:\"{\\\"long\\\":\\\"xxxxxxx\" Oversize",
            "24:\"xxxxxxxxxxxxx\\\"}\\n\" Oversize",
            "40:\"{\\\"b\\\":2}\\n\"",
        ]
        "#);
    }

    proptest! {
        /// How the bytes arrive must not change what is cut.
        #[test]
        fn pieces_do_not_matter(
            records in proptest::collection::vec("(\\{\"k\":[0-9]{1,5}\\}|\\{\n\"k\": \\{\\}\n\\}|plain|\\[1\\]|\\{\"k\":)", 0..12),
            sep in "(\n|\r\n|\n\n)", step in 1usize..40,
        ) {
            let text = records.join(&sep).into_bytes();
            prop_assert_eq!(frames(&text, step, 4096), frames(&text, text.len().max(1), 4096));
        }
    }
}
