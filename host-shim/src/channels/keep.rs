//! What a channel remembers over a restart: `channels/<name>.json` of the data directory.
//!
//! It is written beside, synced and renamed, before a message goes out and behind its answer. It is outside the seal. It must
//! never be believed when it is damaged.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use innertrail_notify::State;

use crate::checked_file;

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
    let body = match checked_file::read(&path(dir, name), MOST_BYTES) {
        checked_file::Found::Nothing => return Found::Nothing,
        checked_file::Found::Unusable(why) => return Found::Unusable(why),
        checked_file::Found::Body(body) => body,
    };
    match State::from_json(&body) {
        Ok(state) => Found::Sound(state),
        Err(e) => Found::Unusable(e.to_string()),
    }
}

/// Writes it, durably.
pub(super) fn write(dir: &Path, name: &str, state: &State) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir.join(FOLDER))?;
    checked_file::write(&path(dir, name), &state.to_json())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

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
