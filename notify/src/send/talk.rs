//! The dialogue with a mail server, line by line: commands, replies, the message with its dots doubled.
//! It must never read a line or a reply without an end, or take a reply for yes that says something else.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

/// Most bytes of a line and most lines of a reply.
const LINE: usize = 2_000;
const LINES: usize = 100;

/// A message that was not taken.
pub(super) enum Stopped {
    /// The connection failed: before the end of the message was sent, or behind it.
    Io(io::Error, bool),
    /// The server said no: to what, with which code, in which words.
    Reply(Step, u16, String),
    /// It cannot do what was asked of it.
    Unable(&'static str),
}

/// What a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Greeting,
    Hello,
    StartTls,
    Login,
    Sender,
    Receiver,
    Data,
    Message,
}

pub(super) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Step {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Greeting => "the connection",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Login => "AUTH",
            Self::Sender => "MAIL FROM",
            Self::Receiver => "RCPT TO",
            Self::Data => "DATA",
            Self::Message => "the message",
        }
    }

    /// The replies that say yes.
    fn takes(self, code: u16) -> bool {
        match self {
            Self::Greeting | Self::StartTls => code == 220,
            Self::Hello | Self::Sender | Self::Message => code == 250,
            Self::Receiver => code == 250 || code == 251,
            Self::Login => code == 235 || code == 334,
            Self::Data => code == 354,
        }
    }
}

pub(super) fn before(error: io::Error) -> Stopped {
    Stopped::Io(error, false)
}

/// The dialogue, line by line.
pub(super) struct Talk<S> {
    stream: S,
    ahead: Vec<u8>,
}

impl<S: Stream> Talk<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// The connection, to be encrypted.
    pub(super) fn into_stream(self) -> S {
        self.stream
    }

    /// Whether the server said more than was asked.
    pub(super) fn has_more(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// Greets; gives what the server can do.
    pub(super) fn hello(&mut self) -> Result<Vec<String>, Stopped> {
        // The name of this machine is nobody's business; an address literal of nothing is allowed.
        let lines = self.say("EHLO [127.0.0.1]", Step::Hello)?;
        Ok(lines.into_iter().skip(1).collect())
    }

    /// Sends a line and reads its reply.
    pub(super) fn say(&mut self, line: &str, step: Step) -> Result<Vec<String>, Stopped> {
        let whole = Zeroizing::new(format!("{line}\r\n"));
        self.stream.write_all(whole.as_bytes()).and_then(|()| self.stream.flush()).map_err(before)?;
        self.expect(step)
    }

    /// Sends the message with its dots doubled, and the dot that ends it.
    pub(super) fn message(&mut self, message: &[u8]) -> Result<(), Stopped> {
        let mut wire = Vec::with_capacity(message.len() + 16);
        for line in message.split_inclusive(|b| *b == b'\n') {
            if line.starts_with(b".") {
                wire.push(b'.');
            }
            wire.extend_from_slice(line);
        }
        if !wire.ends_with(b"\r\n") {
            wire.extend_from_slice(b"\r\n");
        }
        self.stream.write_all(&wire).map_err(before)?;
        let behind = |e| Stopped::Io(e, true);
        self.stream.write_all(b".\r\n").and_then(|()| self.stream.flush()).map_err(behind)?;
        match self.expect(Step::Message) {
            Err(Stopped::Io(error, _)) => Err(behind(error)),
            other => other.map(|_| ()),
        }
    }

    /// The message is taken; whether the server says good-bye changes nothing.
    pub(super) fn quit(&mut self) {
        let _bye = self.stream.write_all(b"QUIT\r\n").and_then(|()| self.stream.flush());
    }

    /// Reads a reply; its lines without the code, if it says yes.
    pub(super) fn expect(&mut self, step: Step) -> Result<Vec<String>, Stopped> {
        let odd = || before(io::Error::other("what answers does not speak SMTP"));
        let mut lines = Vec::new();
        while lines.len() < LINES {
            let line = self.line().map_err(before)?;
            let code: u16 =
                line.get(..3).and_then(|c| c.parse().ok()).filter(|c| (200..600).contains(c)).ok_or_else(odd)?;
            let more = line.as_bytes().get(3) == Some(&b'-');
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if !more {
                return if step.takes(code) { Ok(lines) } else { Err(Stopped::Reply(step, code, lines.join(" "))) };
            }
        }
        Err(odd())
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.ahead.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.ahead.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
            if self.ahead.len() > LINE {
                return Err(io::Error::other("a line of the server is longer than allowed"));
            }
            let mut more = [0; 512];
            match self.stream.read(&mut more)? {
                0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
                read => self.ahead.extend_from_slice(more.get(..read).unwrap_or_default()),
            }
        }
    }
}
