//! The memory limiter: refuses growth beyond the limit and remembers that it did.
//!
//! It must never let a refusal pass unnoticed: the component turns it into a plain abort, and only this flag tells an
//! abort for want of memory from any other.

use wasmtime::ResourceLimiter;

/// Data of a store.
#[derive(Debug)]
pub(super) struct Limits {
    memory: usize,
    /// Most bytes of linear memory so far.
    pub(super) peak: usize,
    /// Whether growth was refused since this was last cleared.
    pub(super) denied: bool,
}

/// Function references of one component; a plugin has a few hundred.
const TABLE_ELEMENTS: usize = 20_000;

impl Limits {
    /// `memory` in bytes.
    pub(super) fn new(memory: usize) -> Self {
        Self { memory, peak: 0, denied: false }
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.memory {
            self.denied = true;
            return Ok(false);
        }
        self.peak = self.peak.max(desired);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.denied = true;
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        4
    }

    fn instances(&self) -> usize {
        8
    }
}
