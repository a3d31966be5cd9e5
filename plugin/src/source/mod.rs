//! The source room: decides what to read next and cuts what was read into frames.
//!
//! A state machine without I/O: each step takes what happened and answers with what it wants. A run can therefore be
//! replayed from a transcript. A checkpoint never goes out before the frames that it covers.

pub mod config;
pub mod framer;
pub mod inflate;
pub mod object_name;
pub mod position;
pub mod reader;

use std::collections::VecDeque;

use config::Config;
use position::{Checkpoint, Position, Positions};
use reader::{Progress, Reader};

use crate::transform::batch::Frame;

/// A file that ends inside a record and was changed less than this long ago is still being written.
const SETTLE_MS: i64 = 60_000;

/// A file that the host found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path as the host will open it.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Last change, milliseconds since the Unix epoch.
    pub modified_ms: i64,
    /// Identity that survives a rename; empty where there is none.
    pub identity: String,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// First step; the time in milliseconds since the Unix epoch.
    Started(i64),
    /// Answer to [`Action::ListFiles`].
    Files(Vec<File>),
    /// Answer to [`Action::ReadFile`]: bytes, and whether the file ended behind them.
    Bytes(Vec<u8>, bool),
    /// The action failed.
    Failed(String),
    /// The time asked for has come.
    Woke(i64),
    /// The host has put the file's bytes into quarantine itself.
    Abandoned(String),
}

/// How a session is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Reading.
    Running,
    /// Nothing new at the moment.
    Idle,
    /// Cannot go on for now.
    Paused(String),
    /// Will not go on.
    Failed(String),
    /// Everything was read.
    Finished,
}

/// What an object name promised, held against what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectCheck {
    /// The path.
    pub path: String,
    /// Events promised and framed.
    pub count: (u64, u64),
    /// Whether the size is right.
    pub size_ok: bool,
    /// Whether the MD5 is right.
    pub md5_ok: bool,
}

/// Input cut into frames.
#[derive(Debug, Clone)]
pub struct Emitted {
    /// The file's path.
    pub origin: String,
    /// The frames' bytes.
    pub data: Vec<u8>,
    /// The frames.
    pub frames: Vec<Frame>,
    /// Input bytes covered.
    pub input_bytes: u64,
    /// Positions that are right once the frames are durable.
    pub checkpoints: Vec<Checkpoint>,
}

/// What the session wants.
#[derive(Debug, Clone)]
pub enum Action {
    /// Which files match? Has an outcome.
    ListFiles(Vec<String>, Vec<String>),
    /// Read from a file. Has an outcome.
    ReadFile {
        /// The path.
        path: String,
        /// First byte.
        offset: u64,
        /// Most bytes wanted.
        max_bytes: u32,
    },
    /// Frames for the transform.
    Emit(Emitted),
    /// A promise was checked.
    Checked(ObjectCheck),
    /// A note for people.
    Note(String),
    /// Show this state.
    State(State),
    /// Wake the session in so many milliseconds. Has an outcome.
    Wait(u32),
    /// The session is over.
    Finish,
}

/// Why a session could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// The configuration cannot be used.
    InvalidConfig(String),
    /// A checkpoint cannot be read.
    BadCheckpoint(String),
}

/// One file source's session.
#[derive(Debug)]
pub struct Session {
    config: Config,
    positions: Positions,
    queue: VecDeque<File>,
    reader: Option<Reader>,
    now_ms: i64,
    unread: u32,
    listed_any: bool,
}

impl Session {
    /// Opens a session.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(config: &str, checkpoints: &[Checkpoint]) -> Result<Self, OpenError> {
        let config = Config::parse(config).map_err(OpenError::InvalidConfig)?;
        let positions = Positions::restore(checkpoints).map_err(OpenError::BadCheckpoint)?;
        Ok(Self { config, positions, queue: VecDeque::new(), reader: None, now_ms: 0, unread: 0, listed_any: false })
    }

    /// Takes what happened, answers with what is wanted.
    pub fn step(&mut self, last: Outcome) -> Vec<Action> {
        let mut wanted = Vec::new();
        match last {
            Outcome::Started(now) => {
                self.now_ms = now;
                wanted.push(Action::State(State::Running));
                wanted.push(self.list());
            }
            Outcome::Woke(now) => {
                self.now_ms = now;
                if self.reader.is_some() {
                    self.read_on(&mut wanted);
                } else {
                    wanted.push(self.list());
                }
            }
            Outcome::Files(files) => {
                self.plan(files, &mut wanted);
                self.next_file(&mut wanted);
            }
            Outcome::Bytes(bytes, end) => {
                #[cfg(feature = "faults")]
                crate::faults::misbehave_on_read(&bytes);
                if let Some(reader) = &mut self.reader {
                    reader.feed(&bytes, end);
                }
                self.read_on(&mut wanted);
            }
            Outcome::Failed(why) => self.failed(&why, &mut wanted),
            Outcome::Abandoned(path) => self.abandoned(&path, &mut wanted),
        }
        wanted
    }

    fn list(&self) -> Action {
        Action::ListFiles(self.config.include.clone(), self.config.exclude.clone())
    }

    /// Queues the files that have something new.
    fn plan(&mut self, files: Vec<File>, wanted: &mut Vec<Action>) {
        if files.is_empty() && !self.listed_any {
            let globs = self.config.include.join(", ");
            wanted.push(Action::Note(format!(
                "no file matches {globs}; check the globs, and the folder that they start from"
            )));
        }
        self.listed_any = true;
        self.queue = files.into_iter().filter(|file| self.has_news(file)).collect();
    }

    fn has_news(&self, file: &File) -> bool {
        self.positions.get(&file.path).is_none_or(|position| {
            let same = position.size == file.size
                && position.modified_ms == file.modified_ms
                && position.identity == file.identity;
            !(position.abandoned || position.done && same)
        })
    }

    /// Where to begin: a file that is shorter than what was read of it, or another file under the same name, begins
    /// anew. The Logstore keeps each event once, so reading too much costs time and reading too little loses events.
    fn begin_at(&self, file: &File) -> Position {
        match self.positions.get(&file.path) {
            Some(p) if p.damaged && (p.size, p.modified_ms) != (file.size, file.modified_ms) => Position::default(),
            Some(p) if p.identity == file.identity && file.size >= p.size => Position { done: false, ..p.clone() },
            _ => Position::default(),
        }
    }

    fn next_file(&mut self, wanted: &mut Vec<Action>) {
        if let Some(file) = self.queue.pop_front() {
            let position = self.begin_at(&file);
            let reader = Reader::new(file, &position, &self.config, self.positions.name_means);
            wanted.push(self.read(&reader));
            self.reader = Some(reader);
            return;
        }
        self.reader = None;
        if self.config.follow {
            wanted.push(Action::State(State::Idle));
            wanted.push(Action::Wait(self.config.poll_interval_secs.saturating_mul(1000).max(100)));
            return;
        }
        wanted.push(Action::State(match self.unread {
            0 => State::Finished,
            n => State::Failed(format!("{n} reads failed; run again once the files can be read")),
        }));
        wanted.push(Action::Finish);
    }

    fn read(&self, reader: &Reader) -> Action {
        Action::ReadFile { path: reader.file.path.clone(), offset: reader.at, max_bytes: self.config.read_bytes }
    }

    /// Gives out one emit, then the wish that leads on.
    fn read_on(&mut self, wanted: &mut Vec<Action>) {
        let Some(mut reader) = self.reader.take() else { return self.next_file(wanted) };
        let may_grow = self.config.follow && self.now_ms - reader.file.modified_ms < SETTLE_MS;
        match reader.next(may_grow) {
            Progress::Later => return self.next_file(wanted),
            Progress::Hungry => wanted.push(self.read(&reader)),
            Progress::Emit(cut, position) => {
                let checkpoints = vec![self.positions.set(&reader.file.path, position)];
                let origin = reader.file.path.clone();
                wanted.push(Action::Emit(Emitted {
                    origin,
                    data: cut.data,
                    frames: cut.frames,
                    input_bytes: cut.covered,
                    checkpoints,
                }));
                wanted.push(Action::Wait(0));
            }
            Progress::Done(position, check, means) => {
                self.done(&reader.file.path, position, check, means, wanted);
                return self.next_file(wanted);
            }
        }
        self.reader = Some(reader);
    }

    fn done(
        &mut self,
        path: &str,
        position: Position,
        check: Option<ObjectCheck>,
        means: Option<position::NameMeans>,
        wanted: &mut Vec<Action>,
    ) {
        let mut checkpoints = vec![self.positions.set(path, position)];
        if let (Some(means), None) = (means, self.positions.name_means) {
            checkpoints.push(self.positions.set_name_means(means));
        }
        wanted.push(Action::Emit(bare(path, checkpoints)));
        wanted.extend(check.map(Action::Checked));
    }

    fn failed(&mut self, why: &str, wanted: &mut Vec<Action>) {
        self.unread += 1;
        match self.reader.take() {
            Some(reader) => {
                wanted.push(Action::Note(format!("cannot read {}: {why}; left for the next round", reader.file.path)));
            }
            None => wanted.push(Action::Note(format!("cannot list files: {why}"))),
        }
        self.next_file(wanted);
    }

    fn abandoned(&mut self, path: &str, wanted: &mut Vec<Action>) {
        let position = Position { done: true, abandoned: true, ..Position::default() };
        let checkpoints = vec![self.positions.set(path, position)];
        self.reader = None;
        wanted.push(Action::Emit(bare(path, checkpoints)));
        wanted.push(self.list());
    }
}

/// Positions without frames.
fn bare(path: &str, checkpoints: Vec<Checkpoint>) -> Emitted {
    Emitted { origin: path.to_owned(), data: Vec::new(), frames: Vec::new(), input_bytes: 0, checkpoints }
}
