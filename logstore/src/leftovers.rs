//! What an interrupted rotation or an interrupted drop has left: files that the sealed state does not know.
//! It must never touch a file that the sealed state names, nor one whose rows are not elsewhere or dropped on purpose.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::durable::{self, Part};
use crate::format::Sealed;
use crate::rotate::Home;
use crate::seal::digest;
use crate::segment::{self, SegmentRef};
use crate::{Error, Store};

/// Removes the segments below what retention has left and beyond the sealed end (their rows are in the log), and a
/// digest that no state went with, unless it is to be replaced: it may be the only one that names the layout.
pub(crate) fn remove(home: &Home, sealed: &Sealed, digest_is_replaced: bool) -> Result<(), Error> {
    for store in Store::ALL {
        let (kept, end) = (sealed.kept[store.place()], sealed.state.next(store));
        let mut segments = segment::list(&home.dir, store)?;
        segments.retain(|s| s.end() <= kept || s.first_seq >= end);
        remove_segments(home, Part::Leftover, store, &segments)?;
        let mut folders = vec![home.dir.join("seal/leaf").join(store.name())];
        folders.extend(listed(&home.dir.join(store.name()).join("index"))?);
        for folder in folders {
            remove_lone(home, &folder, kept, end)?;
        }
    }
    let path = digest::path(&home.dir, sealed.digest + 1);
    if path.exists() && !digest_is_replaced {
        unlink(home, Part::Leftover, &path)?;
        durable::sync_parent(home.disk.as_ref(), Part::Leftover, &path)?;
    }
    Ok(())
}

/// Removes files beside segments that the sealed state does not know, whose segment never got its name or lost it first.
fn remove_lone(home: &Home, folder: &Path, kept: u64, end: u64) -> Result<(), Error> {
    let mut removed = false;
    for path in listed(folder)? {
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let span = stem.strip_prefix("seg-").and_then(|s| s.split_once('-'));
        let span = span.and_then(|(first, rows)| Some((first.parse::<u64>().ok()?, rows.parse::<u64>().ok()?)));
        if span.is_some_and(|(first, rows)| first >= end || first.saturating_add(rows) <= kept) {
            unlink(home, Part::Leftover, &path)?;
            removed = true;
        }
    }
    if removed { home.disk.sync_dir(Part::Leftover, folder).map_err(|e| Error::write(folder, e)) } else { Ok(()) }
}

/// What a folder holds; nothing when it is not there.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::read(folder, e)),
    };
    entries.map(|entry| Ok(entry.map_err(|e| Error::read(folder, e))?.path())).collect()
}

/// Removes segments with the files beside them, and the folders of days that are empty then.
pub(crate) fn remove_segments(home: &Home, part: Part, store: Store, segments: &[SegmentRef]) -> Result<(), Error> {
    let mut folders = BTreeSet::new();
    for segment in segments {
        let beside = [segment.index_path(), segment::leaf_path(&home.dir, store, segment.first_seq, segment.rows)];
        for path in [&segment.path].into_iter().chain(&beside) {
            unlink(home, part, path)?;
            folders.extend(path.parent().filter(|p| p.is_dir()).map(Path::to_path_buf));
        }
    }
    for folder in folders {
        home.disk.sync_dir(part, &folder).map_err(|e| Error::write(&folder, e))?;
        if folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("day=")) {
            home.folders.forget(&folder);
            home.disk.remove_dir(part, &folder).map_err(|e| Error::write(&folder, e))?;
            durable::sync_parent(home.disk.as_ref(), part, &folder)?;
        }
    }
    Ok(())
}

fn unlink(home: &Home, part: Part, path: &Path) -> Result<(), Error> {
    match home.disk.remove(part, path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::write(path, e)),
        _ => Ok(()),
    }
}
