//! A file on which the component fails again and again: kept raw, in quarantine.
//! It must never lose a byte of it, and never hold more than one transaction of it in memory.

use std::path::Path;

use innertrail_logstore::Store;

use super::{Pipeline, PipelineError};
use crate::running::Running;
use crate::runtime::wit::transform::Fault;
use crate::runtime::{CallError, Poisoned};
use crate::status::REASON;

/// Bytes of an abandoned file that go into one quarantine record.
const ABANDONED_PIECE: u32 = 1 << 20;

/// Bytes of an abandoned file that are kept in memory for one transaction.
const ABANDONED_AT_ONCE: usize = 32 << 20;

/// Why a file could not be kept raw.
pub(super) enum AbandonError {
    Read(std::io::Error),
    Commit(PipelineError),
}

impl Pipeline {
    /// Keeps a file raw, piece by piece. The transaction ends with the position behind it, which the session gives next,
    /// unless the file is too large for one.
    pub(super) fn abandon(&mut self, source: &mut Running, path: &str, error: &CallError) -> Result<(), AbandonError> {
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
