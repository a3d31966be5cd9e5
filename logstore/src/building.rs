//! The segments of the write-ahead log in the making: a thread of their own reads each frame back once it is durable, so
//! that a rotation waits for the last of them only. Memory: one row group, however long the log is.
//! It must never read a frame that is not durable, nor change the disk while the writer does, as long as what is built
//! fits one row group: the order of what happens to the disk stays the same at each run.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use crate::lane::{Lane, Written};
use crate::rotate::{Home, day_of};
use crate::store::STORES;
use crate::wal::{self, WalReader};
use crate::{Error, Store};

/// What became of a generation: its segments, durable under temporary names.
pub(crate) struct Built {
    /// Frames of the generation that were read.
    pub(crate) frames: u64,
    /// By store, and of one store in the order of their rows.
    pub(crate) segments: Vec<(Store, Written)>,
}

/// How far the write-ahead log is durable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Durable {
    pub(crate) frames: u64,
    /// Bytes of the file.
    pub(crate) len: u64,
}

/// The thread, while its generation grows. Dropping it stops the thread and leaves at most files in `tmp/`.
#[derive(Debug)]
pub(crate) struct Building {
    /// `None` when no more comes.
    grown: Option<Sender<Durable>>,
    thread: Option<JoinHandle<Result<Built, Error>>>,
    stop: Arc<AtomicBool>,
}

impl Building {
    /// Begins with a generation that has its file. `from`: of each store the first row that is in no segment yet.
    ///
    /// # Errors
    /// [`Error::Write`] when the system has no thread to give.
    pub(crate) fn begin(home: &Home, generation: u64, from: [u64; STORES]) -> Result<Self, Error> {
        let (grown, inbox) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (told, home) = (Arc::clone(&stop), home.clone());
        let path = wal::path(&home.dir, generation);
        let thread = thread::Builder::new()
            .name("segments".to_owned())
            .spawn(move || build(home, generation, from, &inbox, &told))
            .map_err(|e| Error::write(&path, e))?;
        Ok(Self { grown: Some(grown), thread: Some(thread), stop })
    }

    /// So much is durable now. A thread that has failed says so when it is asked for what it built.
    pub(crate) fn grown(&self, durable: Durable) {
        if let Some(grown) = &self.grown {
            let _failed = grown.send(durable);
        }
    }

    /// Waits for the segments.
    ///
    /// # Errors
    /// What was wrong with the log or the disk, whenever that was.
    pub(crate) fn finish(mut self) -> Result<Built, Error> {
        self.grown = None;
        let built = self.thread.take().and_then(|thread| thread.join().ok());
        built.unwrap_or_else(|| Err(Error::Poisoned { cause: "the thread that builds segments broke down".to_owned() }))
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.grown = None;
        if let Some(thread) = self.thread.take() {
            let _unwanted = thread.join();
        }
    }
}

fn build(
    home: Home,
    generation: u64,
    from: [u64; STORES],
    inbox: &Receiver<Durable>,
    stop: &AtomicBool,
) -> Result<Built, Error> {
    let path = wal::path(&home.dir, generation);
    let missing = || Error::corrupt(&path, 0, "the write-ahead log disappeared under the writer");
    let reader = WalReader::open(&home.dir, generation)?.ok_or_else(missing)?;
    let lanes = Store::ALL.map(|store| Lane::new(&home, store, from[store.place()]));
    let mut work = Work { home, path, reader, lanes, frames: 0 };
    for durable in inbox {
        while work.frames < durable.frames && !stop.load(Ordering::Relaxed) {
            work.frame(durable.len)?;
        }
    }
    if stop.load(Ordering::Relaxed) { Ok(Built { frames: 0, segments: Vec::new() }) } else { work.finish() }
}

struct Work {
    home: Home,
    /// Of the log.
    path: PathBuf,
    reader: WalReader,
    lanes: [Lane; STORES],
    frames: u64,
}

impl Work {
    /// Takes the next frame of a log of which `len` bytes are durable.
    fn frame(&mut self, len: u64) -> Result<(), Error> {
        self.reader.grown(len);
        let lost = || Error::corrupt(&self.path, 0, "the write-ahead log changed under the writer");
        let frame = self.reader.next()?.ok_or_else(lost)?;
        let day = day_of(frame.header.now_us)
            .ok_or_else(|| Error::corrupt(&self.path, self.reader.offset(), "the time of a frame is out of range"))?;
        for lane in &mut self.lanes {
            lane.take(&self.home, &frame, day).map_err(|e| e.at(&self.path))?;
        }
        self.frames += 1;
        self.reader.reuse(frame);
        Ok(())
    }

    fn finish(self) -> Result<Built, Error> {
        let mut segments = Vec::new();
        for lane in self.lanes {
            let store = lane.store;
            segments.extend(lane.finish()?.into_iter().map(|written| (store, written)));
        }
        Ok(Built { frames: self.frames, segments })
    }
}
