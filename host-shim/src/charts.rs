//! Chart packs and copies as files of a data directory: `charts/packs/` and `charts/copies/`.
//!
//! It is outside the seal. It must never write over a copy, and never over a pack but by a newer one.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use innertrail_charts::{MAX_BYTES, Pack, Shelf};

/// The folder in the data directory.
const FOLDER: &str = "charts";

/// Where things are.
fn packs(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER).join("packs")
}

fn copies(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER).join("copies")
}

/// All that there is: what is built in alone, where nothing was installed or copied.
///
/// # Errors
/// When a folder or a file cannot be read.
pub(crate) fn shelf(data_dir: &Path) -> io::Result<Shelf> {
    Ok(Shelf::of(&texts(&packs(data_dir))?, &texts(&copies(data_dir))?))
}

/// Names and texts of the `.json` files of a folder, by name. What is no text is none of a pack.
fn texts(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let mut paths: Vec<PathBuf> = listed.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    paths.sort();
    paths.iter().map(|path| Ok((path.display().to_string(), text(path)?))).collect()
}

/// A file's text, no more of it than makes it too long.
pub(crate) fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether there is a file of a copy of this name, sound or not.
pub(crate) fn has_copy(data_dir: &Path, name: &str) -> bool {
    copies(data_dir).join(format!("{name}.json")).exists()
}

/// Puts a copy where none of its name is.
///
/// # Errors
/// `AlreadyExists`, or when it cannot be written.
pub(crate) fn keep_copy(data_dir: &Path, copy: &Pack) -> io::Result<PathBuf> {
    let folder = folder(copies(data_dir))?;
    let path = folder.join(format!("{}.json", copy.pack));
    let half = half(&folder, copy)?;
    // A link is there or not, and never takes another file's place.
    let kept = fs::hard_link(&half, &path);
    fs::remove_file(&half)?;
    kept?;
    sync(&folder)?;
    Ok(path)
}

/// Puts a pack in the place of the one that was installed before.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn install(data_dir: &Path, pack: &Pack) -> io::Result<PathBuf> {
    let folder = folder(packs(data_dir))?;
    let path = folder.join(format!("{}.json", pack.pack));
    fs::rename(half(&folder, pack)?, &path)?;
    sync(&folder)?;
    Ok(path)
}

fn folder(path: PathBuf) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
    Ok(path)
}

/// The text in a file that nobody reads yet, on the disk.
fn half(folder: &Path, pack: &Pack) -> io::Result<PathBuf> {
    let path = folder.join(format!("{}.{}.half", pack.pack, std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    file.write_all(pack.text().as_bytes())?;
    file.sync_all()?;
    Ok(path)
}

fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_never_written_over_and_a_broken_file_stops_no_other() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(shelf(dir.path()).unwrap().all().count(), innertrail_charts::builtin().len());
        let copy = innertrail_charts::builtin()[0].copy("mine").unwrap();
        let path = keep_copy(dir.path(), &copy).unwrap();
        fs::write(&path, fs::read_to_string(&path).unwrap().replace("OSS audit", "Ours")).unwrap();
        assert_eq!(keep_copy(dir.path(), &copy).unwrap_err().kind(), ErrorKind::AlreadyExists);
        fs::write(copies(dir.path()).join("bad.json"), [0xff, b'{']).unwrap();
        fs::write(copies(dir.path()).join("notes.txt"), "not ours").unwrap();
        let shelf = shelf(dir.path()).unwrap();
        assert_eq!(shelf.find("mine").unwrap().dashboard.display_name, "Ours");
        assert_eq!(shelf.faults().len(), 1);
        assert!(shelf.faults()[0].file.ends_with("bad.json"));
        let left: Vec<_> = fs::read_dir(copies(dir.path())).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 3, "{left:?}");
    }
}
