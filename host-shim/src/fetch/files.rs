//! Reads files for the component.
//!
//! It never decides what to read, and never interprets a byte of it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its path, as the globs name it.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Last change, milliseconds since the Unix epoch.
    pub modified_ms: i64,
    /// Device and inode.
    pub identity: String,
}

/// The files that match `include` and not `exclude`, sorted by path, each once. Folders and special files are left
/// out; a name that is not UTF-8 cannot be asked for and is left out too, with a note.
///
/// # Errors
/// A glob that is none, or a folder that cannot be read.
pub fn list(include: &[String], exclude: &[String]) -> Result<(Vec<Found>, Vec<String>), String> {
    let exclude: Vec<glob::Pattern> = exclude
        .iter()
        .map(|g| glob::Pattern::new(g).map_err(|e| format!("exclude `{g}` is not a glob: {e}")))
        .collect::<Result<_, _>>()?;
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for pattern in include {
        let paths = glob::glob(pattern).map_err(|e| format!("include `{pattern}` is not a glob: {e}"))?;
        for path in paths {
            let path = path.map_err(|e| e.to_string())?;
            if exclude.iter().any(|g| g.matches_path(&path)) {
                continue;
            }
            match look(&path) {
                Ok(Some(file)) => found.push(file),
                Ok(None) => {}
                Err(note) => notes.push(note),
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.dedup_by(|a, b| a.path == b.path);
    Ok((found, notes))
}

fn look(path: &Path) -> Result<Option<Found>, String> {
    let shown = path.display();
    let text = path.to_str().ok_or_else(|| format!("{shown}: the name is not UTF-8; rename the file"))?;
    let meta = fs::metadata(path).map_err(|e| format!("{shown}: {e}"))?;
    if !meta.is_file() {
        return Ok(None);
    }
    let modified_ms = meta
        .modified()
        .ok()
        .and_then(|t| t.duration_since(UNIX_EPOCH).ok())
        .and_then(|d| i64::try_from(d.as_millis()).ok())
        .unwrap_or(0);
    Ok(Some(Found { path: text.to_owned(), size: meta.len(), modified_ms, identity: identity(&meta) }))
}

#[cfg(unix)]
fn identity(meta: &fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!("{}:{}", meta.dev(), meta.ino())
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> String {
    String::new()
}

/// Reads files piece by piece; the last one stays open.
#[derive(Debug, Default)]
pub struct Files {
    open: Option<(PathBuf, File, u64)>,
    buffer: Vec<u8>,
}

impl Files {
    /// Up to `max` bytes from `offset`, and whether the file ended behind them at the time of reading.
    ///
    /// # Errors
    /// The system's reason.
    pub fn read(&mut self, path: &Path, offset: u64, max: u32) -> io::Result<(&[u8], bool)> {
        let (mut file, at) = match self.open.take() {
            // From the start: the file may be another one by now.
            Some((open, file, at)) if open == path && offset > 0 => (file, at),
            _ => (File::open(path)?, 0),
        };
        if at != offset {
            file.seek(SeekFrom::Start(offset))?;
        }
        self.buffer.resize(max as usize, 0);
        let mut filled = 0;
        while filled < self.buffer.len() {
            match file.read(&mut self.buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        let end = filled < self.buffer.len();
        self.open = (!end).then(|| (path.to_owned(), file, offset + filled as u64));
        Ok((&self.buffer[..filled], end))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lists_sorted_once_and_reads_in_pieces() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub.gz")).unwrap();
        for name in ["b.gz", "a.gz", "c.txt", "sub.gz/d.gz"] {
            fs::write(dir.path().join(name), name.repeat(10)).unwrap();
        }
        let glob = |g: &str| format!("{}/{g}", dir.path().display());
        let (found, notes) = list(&[glob("**/*.gz"), glob("a*")], &[glob("b*")]).unwrap();
        let names: Vec<_> = found.iter().map(|f| f.path.rsplit('/').next().unwrap()).collect();
        assert_eq!((names, notes), (vec!["a.gz", "d.gz"], vec![]));
        assert!(list(&["[".to_owned()], &[]).unwrap_err().contains("not a glob"));

        let mut files = Files::default();
        let path = Path::new(&found[0].path);
        assert_eq!(files.read(path, 0, 30).unwrap(), (&"a.gz".repeat(10).as_bytes()[..30], false));
        assert_eq!(files.read(path, 30, 30).unwrap(), (&"a.gz".repeat(10).as_bytes()[30..], true));
        assert_eq!(files.read(path, 40, 30).unwrap(), (&b""[..], true));
        assert!(files.read(Path::new("/nonexistent/file"), 0, 1).is_err());
    }
}
