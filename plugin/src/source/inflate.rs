//! Decompresses gzip of any number of members, piece by piece, within limits.
//!
//! It must never inflate more than it is asked for at a time: a small file can hold gigabytes.

use flate2::{Decompress, FlushDecompress, Status};

use crate::transform::batch::Fault;

/// First two bytes of gzip.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Below this much output the ratio is not looked at: short texts of one letter are no bombs.
const RATIO_FLOOR: u64 = 1 << 20;

/// A gzip stream that is being read.
#[derive(Debug)]
pub struct Inflater {
    member: Decompress,
    input: Vec<u8>,
    used: usize,
    /// Between two members, where the stream may end.
    between: bool,
    taken: u64,
    made: u64,
    max_made: u64,
    max_ratio: u64,
}

impl Inflater {
    /// A stream from its start.
    pub fn new(max_made: u64, max_ratio: u64) -> Self {
        Self {
            member: Decompress::new_gzip(15),
            input: Vec::new(),
            used: 0,
            between: true,
            taken: 0,
            made: 0,
            max_made,
            max_ratio,
        }
    }

    /// Adds compressed bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.drain(..self.used);
        self.used = 0;
        self.input.extend_from_slice(bytes);
    }

    /// Whether bytes wait to be inflated.
    pub fn has_input(&self) -> bool {
        self.used < self.input.len()
    }

    /// Whether the stream may end here.
    pub fn is_whole(&self) -> bool {
        self.between && !self.has_input()
    }

    /// The compressed bytes that were not inflated.
    pub fn rest(&mut self) -> Vec<u8> {
        let rest = self.input.split_off(self.used.min(self.input.len()));
        self.input.clear();
        self.used = 0;
        rest
    }

    /// Inflates up to `most` bytes onto `out`. `Ok` with nothing added: more input is needed.
    ///
    /// # Errors
    /// Damage, or a limit. What was inflated before it is in `out`.
    pub fn inflate(&mut self, out: &mut Vec<u8>, most: usize) -> Result<(), Fault> {
        let start = out.len();
        while self.has_input() && out.len() - start < most {
            if self.between {
                self.begin_member()?;
            }
            let (before_in, before_out) = (self.member.total_in(), out.len());
            let result = self.step(out, most - (out.len() - start));
            let consumed = (self.member.total_in() - before_in) as usize;
            self.used += consumed;
            self.taken += consumed as u64;
            self.made += (out.len() - before_out) as u64;
            self.check()?;
            match result {
                Ok(Status::StreamEnd) => self.between = true,
                Ok(_) if consumed == 0 && out.len() == before_out => break,
                Ok(_) => {}
                Err(_) => return Err(Fault::CorruptGzip),
            }
        }
        Ok(())
    }

    /// Fills spare capacity, which is at least what is asked for.
    fn step(&mut self, out: &mut Vec<u8>, room: usize) -> Result<Status, flate2::DecompressError> {
        out.reserve(room);
        self.member.decompress_vec(&self.input[self.used..], out, FlushDecompress::None)
    }

    /// Padding of zero bytes behind a member is no member.
    fn begin_member(&mut self) -> Result<(), Fault> {
        let waiting = &self.input[self.used..];
        let zeros = waiting.iter().take_while(|b| **b == 0).count();
        if zeros > 0 && self.taken > 0 {
            self.used += zeros;
            self.taken += zeros as u64;
            return Ok(());
        }
        self.member = Decompress::new_gzip(15);
        self.between = false;
        Ok(())
    }

    fn check(&self) -> Result<(), Fault> {
        let ratio = self.made > RATIO_FLOOR && self.made / self.max_ratio.max(1) > self.taken;
        if self.made > self.max_made || ratio { Err(Fault::DecompressionLimit) } else { Ok(()) }
    }
}
