//! A file on which the component fails again and again: kept raw, in quarantine.
//! It must never lose a byte of it, and never hold more than one transaction of it in memory.

use std::path::Path;
use std::time::{Duration, Instant};

use innertrail_logstore::Store;

use super::{Pipeline, PipelineError};
use crate::notice::Notice;
use crate::running::{Answer, Next, Running};
use crate::runtime::wit::transform::Fault;
use crate::runtime::{CallError, Poisoned};
use crate::status::REASON;

/// When a file that could not be read is tried again.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// Bytes of an abandoned file that go into one quarantine record.
const ABANDONED_PIECE: u32 = 1 << 20;

/// Bytes of an abandoned file that are kept in memory for one transaction.
const ABANDONED_AT_ONCE: usize = 32 << 20;

/// Why a file could not be kept raw.
enum AbandonError {
    Read(std::io::Error),
    Commit(PipelineError),
}

impl Pipeline {
    /// A failed session is replaced by one that begins behind what is durable. If that fails on the same file, the
    /// file goes into quarantine as it is, and the source goes on behind it.
    pub(super) fn step_failed(
        &mut self,
        source: &mut Running,
        error: CallError,
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        self.settle(tell)?;
        let path = source.at_file.take();
        if source.failed_at.as_ref() != Some(&path) {
            tell(Notice::Note(&source.name, format!("the component failed: {error}; a fresh one tries again")));
            source.failed_at = Some(path);
            source.session = self.session(&source.name, None)?;
            source.next = Next::Step(Box::new(Answer::Started));
            return Ok(());
        }
        let Some(path) = path else {
            return Err(PipelineError::Step { source_name: source.name.clone(), error });
        };
        tell(Notice::Note(
            &source.name,
            format!("{path}: the component fails on this file; it goes to quarantine raw"),
        ));
        source.session = self.session(&source.name, None)?;
        match self.abandon(source, &path, &error) {
            Ok(()) => source.next = Next::Step(Box::new(Answer::Abandoned(path))),
            Err(AbandonError::Commit(error)) => return Err(error),
            Err(AbandonError::Read(why)) => {
                tell(Notice::Note(&source.name, format!("cannot read {path}: {why}; tried again in a while")));
                source.failed_at = None;
                source.next = Next::Wake(Instant::now() + READ_AGAIN);
            }
        }
        Ok(())
    }

    /// Keeps a file raw, piece by piece. The transaction ends with the position behind it, which the session gives next,
    /// unless the file is too large for one.
    fn abandon(&mut self, source: &mut Running, path: &str, error: &CallError) -> Result<(), AbandonError> {
        let (mut offset, detail) = (0, error.to_string());
        loop {
            let (bytes, end) =
                source.files.read(Path::new(path), offset, ABANDONED_PIECE).map_err(AbandonError::Read)?;
            if !bytes.is_empty() {
                let poisoned = Poisoned {
                    bytes,
                    source: &source.name,
                    origin: path,
                    offset,
                    fault: Fault::Poison,
                    detail: &detail,
                };
                let row = self.native.rows.poison(&poisoned);
                let len = bytes.len() as u64;
                self.txn.push(Store::Quarantine, &row, len);
                self.txn.count(&format!("{REASON}poison"), 1);
                self.count(&source.name, "bytes_in", len);
                self.count(&source.name, "records", 1);
                offset += len;
            }
            if end {
                return Ok(());
            }
            if self.txn.bytes() >= ABANDONED_AT_ONCE {
                self.settle(&mut |_| {}).map_err(AbandonError::Commit)?;
            }
        }
    }
}
