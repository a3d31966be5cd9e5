//! What an interrupted rotation or an interrupted drop has left: files that the sealed state does not know.
//! It must never touch a file that the sealed state names, nor one whose rows are not elsewhere or dropped on purpose.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

use crate::format::Sealed;
use crate::rotate::Home;
use crate::seal::digest;
use crate::segment::{self, SegmentRef};
use crate::{Error, Store, durable};

/// Removes the segments below what retention has left and beyond the sealed end (their rows are in the log), and a
/// digest that no state went with.
pub(crate) fn remove(home: &Home, sealed: &Sealed) -> Result<(), Error> {
    for store in Store::ALL {
        let (kept, end) = (sealed.kept[store.place()], sealed.state.next(store));
        let mut segments = segment::list(&home.dir, store)?;
        segments.retain(|s| s.end() <= kept || s.first_seq >= end);
        remove_segments(home, store, &segments)?;
    }
    let path = digest::path(&home.dir, sealed.digest + 1);
    if path.exists() {
        unlink(home, &path)?;
        durable::sync_parent(home.disk.as_ref(), &path)?;
    }
    Ok(())
}

/// Removes segments with the files beside them, and the folders of days that are empty then.
pub(crate) fn remove_segments(home: &Home, store: Store, segments: &[SegmentRef]) -> Result<(), Error> {
    let mut folders = BTreeSet::new();
    for segment in segments {
        let beside = [segment.index_path(), segment::leaf_path(&home.dir, store, segment.first_seq, segment.rows)];
        for path in [&segment.path].into_iter().chain(&beside) {
            unlink(home, path)?;
            folders.extend(path.parent().filter(|p| p.is_dir()).map(Path::to_path_buf));
        }
    }
    for folder in folders {
        home.disk.sync_dir(&folder).map_err(|e| Error::write(&folder, e))?;
        if folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("day=")) {
            home.disk.remove_dir(&folder).map_err(|e| Error::write(&folder, e))?;
            durable::sync_parent(home.disk.as_ref(), &folder)?;
        }
    }
    Ok(())
}

fn unlink(home: &Home, path: &Path) -> Result<(), Error> {
    match home.disk.remove(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::write(path, e)),
        _ => Ok(()),
    }
}
