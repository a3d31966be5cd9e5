//! A file of the data directory that is believed whole or not at all: a line with the checksum of what stands behind it.
//!
//! It is outside the seal and proves nothing. It must never give a body that its checksum does not fit, nor leave half a file
//! in a whole one's place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::hex::hex;

/// What was found in its place.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// Something that cannot be believed, and why.
    Unusable(String),
    /// The body.
    Body(Vec<u8>),
}

/// Reads it, at most so many bytes.
pub(crate) fn read(path: &Path, most: u64) -> Found {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => return Found::Nothing,
        Err(e) => return Found::Unusable(format!("it cannot be read: {e}")),
    }
    let Some(line) = bytes.iter().position(|byte| *byte == b'\n') else {
        return Found::Unusable("it is damaged: its first line is no checksum".to_owned());
    };
    let body = bytes.split_off(line + 1);
    if bytes[..line] != *checksum(&body).as_bytes() {
        return Found::Unusable("it is damaged: its checksum is another one".to_owned());
    }
    Found::Body(body)
}

/// Writes it, durably: beside, synced, renamed, and the folder synced.
pub(crate) fn write(path: &Path, body: &[u8]) -> io::Result<()> {
    let half = path.with_added_extension("new");
    match fs::remove_file(&half) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
    file.write_all(format!("{}\n", checksum(body)).as_bytes())?;
    file.write_all(body)?;
    file.sync_all()?;
    fs::rename(half, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn checksum(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}
