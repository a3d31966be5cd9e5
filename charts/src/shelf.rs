//! All packs and copies that there are: of each pack the newest version, of each copy the one.
//! It must never put a pack in a copy's place, nor an older pack in a newer one's.

use crate::builtin;
use crate::pack::{Fault, Pack};

/// Packs and copies.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    packs: Vec<Pack>,
    copies: Vec<Pack>,
    faults: Vec<Fault>,
}

/// A copy whose pack has changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind<'a> {
    /// The copy.
    pub copy: &'a str,
    /// The pack that it is of.
    pub pack: &'a str,
    /// The pack's version when it was copied.
    pub from: u32,
    /// The pack's version now.
    pub now: u32,
}

/// Why a pack is not installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// There is one that is as new, or newer.
    #[error("{pack} is at version {there} already, the file has {given}; a newer one has a higher number")]
    NotNewer {
        /// The pack.
        pack: String,
        /// Its version now.
        there: u32,
        /// The file's.
        given: u32,
    },
    /// A copy or another pack has its name, or that of its dashboard.
    #[error(
        "there is a copy {name}; a pack never takes a copy's place, so rename the copy's file and its `pack` first"
    )]
    CopysName {
        /// The name.
        name: String,
    },
    /// The file is a copy.
    #[error("the file is a copy of {of}, not a pack; put it among the copies, or take `copied_from` out of it")]
    IsCopy {
        /// What it was copied from.
        of: String,
    },
}

impl Shelf {
    /// Puts up what is built in, what was installed and what was copied: names and texts of files. A file that is
    /// none is a fault and stops no other. A copy keeps its name: a pack that has it is a fault.
    #[must_use]
    pub fn of(installed: &[(String, String)], copied: &[(String, String)]) -> Self {
        let mut shelf = Self::default();
        for (file, text) in copied {
            let copy = Pack::parse(file, text).and_then(|copy| is_free(file, copy, shelf.all()));
            match copy {
                Ok(copy) => shelf.copies.push(copy),
                Err(fault) => shelf.faults.push(fault),
            }
        }
        shelf.copies.sort_by(|a, b| a.pack.cmp(&b.pack));
        let mut packs = builtin().to_vec();
        for (file, text) in installed {
            match Pack::parse(file, text) {
                Ok(pack) => put(&mut packs, pack),
                Err(fault) => shelf.faults.push(fault),
            }
        }
        for pack in packs {
            let name = pack.pack.clone();
            match is_free(&name, pack, shelf.all()) {
                Ok(pack) => shelf.packs.push(pack),
                Err(fault) => shelf.faults.push(fault),
            }
        }
        shelf
    }

    /// What has this pack's name, or that of its dashboard.
    #[must_use]
    pub fn taken_by(&self, pack: &Pack) -> Option<&Pack> {
        self.all().find(|known| takes_name(known, pack))
    }

    /// Packs first, then copies by name.
    pub fn all(&self) -> impl Iterator<Item = &Pack> {
        self.packs.iter().chain(&self.copies)
    }

    /// The packs.
    #[must_use]
    pub fn packs(&self) -> &[Pack] {
        &self.packs
    }

    /// The copies.
    #[must_use]
    pub fn copies(&self) -> &[Pack] {
        &self.copies
    }

    /// Files that are none.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The pack or copy of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Pack> {
        self.all().find(|pack| pack.pack == name)
    }

    /// Copies whose pack has a newer version than the one they are of.
    #[must_use]
    pub fn behind(&self) -> Vec<Behind<'_>> {
        let behind = |copy: &'_ Pack| {
            let from = copy.copied_from.as_ref()?;
            let now = self.packs.iter().find(|pack| pack.pack == from.pack && pack.version > from.version)?;
            Some((from.version, now))
        };
        self.copies
            .iter()
            .filter_map(|copy| {
                let (from, now) = behind(copy)?;
                Some(Behind { copy: &copy.pack, pack: &now.pack, from, now: now.version })
            })
            .collect()
    }

    /// Whether this pack may be installed.
    ///
    /// # Errors
    /// [`InstallError`].
    pub fn may_install(&self, pack: &Pack) -> Result<(), InstallError> {
        if let Some(from) = &pack.copied_from {
            return Err(InstallError::IsCopy { of: from.pack.clone() });
        }
        let others = self.packs.iter().filter(|known| known.pack != pack.pack);
        if let Some(other) = others.chain(&self.copies).find(|known| takes_name(known, pack)) {
            return Err(InstallError::CopysName { name: other.pack.clone() });
        }
        match self.packs.iter().find(|known| known.pack == pack.pack && known.version >= pack.version) {
            Some(there) => {
                Err(InstallError::NotNewer { pack: pack.pack.clone(), there: there.version, given: pack.version })
            }
            None => Ok(()),
        }
    }
}

/// The newer one stays.
fn put(packs: &mut Vec<Pack>, pack: Pack) {
    match packs.iter_mut().find(|known| known.pack == pack.pack) {
        Some(known) if known.version < pack.version => *known = pack,
        Some(_) => {}
        None => packs.push(pack),
    }
}

fn is_free<'a>(file: &str, pack: Pack, mut known: impl Iterator<Item = &'a Pack>) -> Result<Pack, Fault> {
    match known.find(|known| takes_name(known, &pack)) {
        None => Ok(pack),
        Some(known) => {
            let message = format!("{} has this name, or this dashboardName, already", known.pack);
            Err(Fault { file: file.escape_debug().to_string(), line: 1, column: 1, message })
        }
    }
}

fn takes_name(known: &Pack, new: &Pack) -> bool {
    known.pack == new.pack || known.dashboard.dashboard_name == new.dashboard.dashboard_name
}
