//! Small files: certificate authorities, tokens, credentials.
//!
//! It must never read more than its caller says, nor wait on something that is no regular file.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// The whole file, at most `max` bytes.
pub(crate) fn read(path: &Path, max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    read_opened(&open(path)?, max)
}

/// Opens a regular file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Opening a pipe would wait for its writer, so this comes first; what is opened is looked at again.
    regular(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// What is in an opened file, at most `max` bytes.
pub(crate) fn read_opened(file: &File, max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // With its capacity from the start, so that no half copies are left behind by growing.
    let size = file.metadata()?.len().min(max);
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1));
    file.take(max + 1).read_to_end(&mut text)?;
    if text.len() as u64 > max {
        return Err(io::Error::other(format!("it is longer than {max} bytes")));
    }
    Ok(text)
}

fn regular(meta: &fs::Metadata) -> io::Result<()> {
    if meta.is_file() { Ok(()) } else { Err(io::Error::other("it is not a regular file")) }
}
