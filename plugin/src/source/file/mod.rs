//! The file source: globs, one open file at a time, a position a file.
//!
//! A checkpoint never goes out before the frames that it covers.

pub mod config;

use std::collections::VecDeque;

use super::position::{Checkpoint, NameMeans, Position, Positions};
use super::reader::{Progress, Reader};
use super::{Action, Emitted, File, ObjectCheck, OpenError, Outcome, State};
use config::Config;

/// A file that ends inside a record and was changed less than this long ago is still being written.
const SETTLE_MS: i64 = 60_000;

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
            // Said to sessions that read the network only.
            Outcome::Responded(_) | Outcome::Unanswered(_) | Outcome::Durable(_) => {}
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
            let reader = Reader::new(file, &position, &self.config.limits(), self.positions.name_means);
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
        means: Option<NameMeans>,
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
