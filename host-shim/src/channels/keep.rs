//! What a channel remembers over a restart: `channels/<name>.json` of the data directory.
//!
//! It is written beside, synced and renamed, before a message goes out and behind its answer. It is outside the seal. It must
//! never be believed when it is damaged.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use innertrail_notify::State;
use sha2::{Digest, Sha256};

/// The folder in the data directory.
const FOLDER: &str = "channels";
/// No such file is longer, bytes: it holds at most a thousand alerts that fire.
const MOST_BYTES: u64 = 64 << 20;

/// What was found in a data directory.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing: it was never told anything here.
    Nothing,
    /// Something that cannot be used, and why.
    Unusable(String),
    /// What was remembered.
    Sound(State),
}

fn path(dir: &Path, name: &str) -> PathBuf {
    dir.join(FOLDER).join(format!("{name}.json"))
}

/// Reads the file of a channel.
pub(super) fn read(dir: &Path, name: &str) -> Found {
    let mut bytes = Vec::new();
    match File::open(path(dir, name)).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => return Found::Nothing,
        Err(e) => return Found::Unusable(format!("it cannot be read: {e}")),
    }
    let line = bytes.iter().position(|byte| *byte == b'\n');
    let Some((sum, body)) = line.map(|at| (&bytes[..at], &bytes[at + 1..])) else {
        return Found::Unusable("it is damaged: its first line is no checksum".to_owned());
    };
    if sum != checksum(body).as_bytes() {
        return Found::Unusable("it is damaged: its checksum is another one".to_owned());
    }
    match State::from_json(body) {
        Ok(state) => Found::Sound(state),
        Err(e) => Found::Unusable(e.to_string()),
    }
}

/// Writes it, durably.
pub(super) fn write(dir: &Path, name: &str, state: &State) -> io::Result<()> {
    let folder = dir.join(FOLDER);
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let half = folder.join(format!("{name}.json.new"));
    match fs::remove_file(&half) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
    let body = state.to_json();
    file.write_all(format!("{}\n", checksum(&body)).as_bytes())?;
    file.write_all(&body)?;
    file.sync_all()?;
    fs::rename(half, path(dir, name))?;
    File::open(folder)?.sync_all()
}

fn checksum(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_what_is_damaged_does_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read(dir.path(), "ops"), Found::Nothing));
        write(dir.path(), "ops", &State::behind(12)).unwrap();
        let Found::Sound(state) = read(dir.path(), "ops") else { panic!("it was kept") };
        assert_eq!(state.position(), Some(12));
        let path = path(dir.path(), "ops");
        let sound = fs::read(&path).unwrap();
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert!(matches!(read(dir.path(), "ops"), Found::Unusable(_)), "byte {at}");
            fs::write(&path, &sound[..at]).unwrap();
            assert!(matches!(read(dir.path(), "ops"), Found::Unusable(_)), "cut at {at}");
        }
    }
}
