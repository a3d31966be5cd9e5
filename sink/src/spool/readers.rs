//! Who may read a spool: the group and the mode of its files and of its folder.
//! It must never let anybody write but the owner, nor take a right away that a folder gives already.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use super::SpoolError;

/// Who may read the files, beside root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Their owner.
    Owner,
    /// Their owner and their group.
    Group,
    /// Everybody.
    Everybody,
}

impl Readers {
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group => 0o640,
            Self::Everybody => 0o644,
        }
    }
}

/// What files and folders are given; nothing where nothing was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access {
    group: Option<u32>,
    mode: Option<u32>,
}

impl Access {
    pub(super) fn of(group: Option<&str>, readers: Option<Readers>) -> Result<Self, SpoolError> {
        let group = group.map(|name| number(name).ok_or_else(|| SpoolError::Group(name.escape_debug().to_string())));
        Ok(Self { group: group.transpose()?, mode: readers.map(Readers::mode) })
    }

    /// Gives a file its group and then its mode, so that no other group reads it meanwhile.
    pub(super) fn give(self, file: &File, path: &Path) -> Result<(), SpoolError> {
        self.set(file, path, self.mode)
    }

    /// Lets the readers enter and list a folder, if they cannot. What it allows already stays: it may be others' too.
    pub(super) fn enter(self, dir: &Path) -> Result<(), SpoolError> {
        let Some(mode) = self.mode else { return Ok(()) };
        let folder = File::open(dir).map_err(|source| SpoolError::Io { path: dir.to_owned(), source })?;
        let found = folder.metadata().map_err(|source| SpoolError::Io { path: dir.to_owned(), source })?;
        // Who may read files may enter and list the folder.
        let wanted = (mode & 0o444) | ((mode & 0o444) >> 2);
        let (everybody, group) = (found.mode() & 0o005 == 0o005, self.group.is_none_or(|gid| gid == found.gid()));
        if everybody || (group && found.mode() & wanted & 0o077 == wanted & 0o077) {
            return Ok(());
        }
        self.set(&folder, dir, Some((found.mode() | wanted) & 0o7777))
    }

    fn set(self, file: &File, path: &Path, mode: Option<u32>) -> Result<(), SpoolError> {
        let owned = self.group.map_or(Ok(()), |gid| fchown(file, None, Some(gid)));
        let set = owned.and_then(|()| mode.map_or(Ok(()), |mode| file.set_permissions(Permissions::from_mode(mode))));
        set.map_err(|source| SpoolError::Access { path: path.to_owned(), source })
    }
}

/// The number of a group of this machine. Groups of a directory service are given by number.
fn number(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let groups = fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_a_number_or_a_name_of_this_machine() {
        assert_eq!(
            (number("root"), number("4242"), number("no-such-group"), number("")),
            (Some(0), Some(4242), None, None)
        );
        assert_eq!(number("-1"), None);
    }
}
