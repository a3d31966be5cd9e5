//! Sealed files become immutable once nothing will rename or replace them any more: when the state that names them is
//! in place. It must never touch a file that a rotation may still have to put in place again.

use std::io::ErrorKind;
use std::path::Path;

use crate::durable::Part;
use crate::rotate::{Home, tile_path};
use crate::seal::TILE_WIDTH;
use crate::seal::digest::{self, NamedFile};
use crate::store::STORES;
use crate::{Error, Store};

/// The files of a rotation that counts, and its digest.
pub(crate) fn rotated(home: &Home, files: &[NamedFile], number: u64) -> Result<(), Error> {
    if !home.disk.pins() {
        return Ok(());
    }
    for file in files {
        pin(home, file.part, &home.dir.join(&file.path))?;
    }
    pin(home, Part::Digest, &digest::path(&home.dir, number))
}

/// Every sealed file there is, of stores that are sealed up to `ends`: a rotation may have been cut short, or the disk
/// was asked for it only now. What no state names must be gone already.
pub(crate) fn all(home: &Home, ends: [u64; STORES]) -> Result<(), Error> {
    if !home.disk.pins() {
        return Ok(());
    }
    below(home, Part::Digest, &home.dir.join("seal/digest"))?;
    below(home, Part::Leaf, &home.dir.join("seal/leaf"))?;
    for store in Store::ALL {
        tiles(home, store, ends[store.place()])?;
        below(home, Part::Segment, &home.dir.join(store.name()).join("data"))?;
        below(home, Part::TokenIndex, &home.dir.join(store.name()).join("index"))?;
    }
    Ok(())
}

/// The tiles that were complete at the last rotation. One of a rotation that was cut short is put in place again.
fn tiles(home: &Home, store: Store, end: u64) -> Result<(), Error> {
    let width = TILE_WIDTH as u64;
    let (mut level, mut complete) = (1, end / width / width);
    while complete > 0 {
        for index in 0..complete {
            let path = tile_path(&home.dir, store, level, index);
            if path.is_file() {
                pin(home, Part::Tile, &path)?;
            }
        }
        (level, complete) = (level + 1, complete / width);
    }
    Ok(())
}

fn below(home: &Home, part: Part, folder: &Path) -> Result<(), Error> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::read(folder, e)),
    };
    for entry in entries {
        let entry = entry.map_err(|e| Error::read(folder, e))?;
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => below(home, part, &path)?,
            Ok(kind) if kind.is_file() => pin(home, part, &path)?,
            Ok(_) => {}
            Err(e) => return Err(Error::read(&path, e)),
        }
    }
    Ok(())
}

fn pin(home: &Home, part: Part, path: &Path) -> Result<(), Error> {
    home.disk.pin(part, path).map_err(|e| Error::write(path, e))
}
