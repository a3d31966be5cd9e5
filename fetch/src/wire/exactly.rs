//! A file as a body: exactly as many bytes as were announced.
//!
//! It must never let a body end early: the other side would wait for the rest.

use std::fs::File;
use std::io::{self, Read};

/// So many bytes of a file. One that has become shorter is an error, not the end.
pub(super) struct Exactly<'a> {
    file: &'a File,
    left: u64,
}

impl<'a> Exactly<'a> {
    pub(super) fn new(file: &'a File, size: u64) -> Self {
        Self { file, left: size }
    }
}

impl Read for Exactly<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.file.read(&mut into[..most])?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter while it was sent"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn neither_more_nor_less_than_announced() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"0123456789").unwrap();
        let read = |size| {
            let opened = File::open(file.path()).unwrap();
            let mut bytes = Vec::new();
            Exactly::new(&opened, size).read_to_end(&mut bytes).map(|_| bytes)
        };
        assert_eq!(read(4).unwrap(), b"0123");
        assert_eq!(read(10).unwrap(), b"0123456789");
        assert_eq!(read(11).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
