//! What a channel remembers over a restart: `channels/<name>.json` of the data directory.
//!
//! It is written beside, synced and renamed, before a message goes out and behind its answer. It is outside the seal. It must
//! never be believed when it is damaged.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use innertrail_notify::State;

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
    match State::from_json(&bytes) {
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
    file.write_all(&state.to_json())?;
    file.sync_all()?;
    fs::rename(half, path(dir, name))?;
    File::open(folder)?.sync_all()
}
