//! The ids in memory become files: new files first, then the manifest that names them, then the old ones go.
//! It must never remove a file that the manifest on the disk still names.

use super::build::RunBuilder;
use super::entry::{Entry, Key};
use super::filter::Filter;
use super::manifest::{Manifest, NAME};
use super::merge::{Merge, Plan, plan};
use super::run::{Run, RunId};
use super::{DedupIndex, folder};
use crate::Error;
use crate::durable::{self, Part};
use crate::rotate::Home;
use crate::seal::digest::Link;

/// The runs that a flush has written.
#[derive(Default)]
struct Written {
    middle: Option<RunId>,
    filter: Option<Filter>,
    slices: Vec<(Key, RunId)>,
}

impl DedupIndex {
    /// Writes the ids in memory, which are those of records from the end of the covered range up to `end`, to files.
    pub(super) fn flush(&mut self, home: &Home, digest: Link, kept: u64, end: u64) -> Result<(), Error> {
        let mut fresh: Vec<Entry> = self.recent.iter().map(|(key, epoch)| Entry::new(key.key(), *epoch)).collect();
        fresh.sort_unstable();
        let folder = folder(home);
        home.folders.make_below(home.disk.as_ref(), &home.dir, &folder)?;
        let sizes: Vec<_> = self.slices.iter().map(|(key, run)| (*key, run.id.entries, run.id.number)).collect();
        let middle = self.middle.as_ref().map_or(0, |run| run.id.entries);
        let plan = plan(fresh.len() as u64, self.limit, middle, &sizes);
        let written = if fresh.is_empty() { None } else { Some(self.write(home, &fresh, &plan)?) };
        home.disk.sync_dir(Part::IdRun, &folder).map_err(|e| Error::write(&folder, e))?;
        let old = match written {
            Some(written) => self.take(home, written, &plan)?,
            None => Vec::new(),
        };
        self.covered = kept..end;
        self.put_manifest(home, digest)?;
        for run in &old {
            home.disk.remove(Part::IdRun, run.path()).map_err(|e| Error::write(run.path(), e))?;
        }
        self.recent.clear();
        self.rotations = 0;
        if old.is_empty() {
            Ok(())
        } else {
            home.disk.sync_dir(Part::IdRun, &folder).map_err(|e| Error::write(&folder, e))
        }
    }

    /// Merges the ids in memory with the files that `plan` names into new files.
    fn write(&mut self, home: &Home, fresh: &[Entry], plan: &Plan) -> Result<Written, Error> {
        let slices = self.slices[plan.slices.clone()].iter().map(|(_, run)| run);
        let mut merge = match Merge::new(fresh, self.middle.as_ref(), slices) {
            Ok(merge) => merge,
            Err(damage) => return Err(self.condemn(home, damage)),
        };
        let (mut written, mut middle, mut slice) = (Written::default(), None::<RunBuilder>, None::<RunBuilder>);
        let (mut number, mut last) = (self.number, None);
        let held = self.middle.as_ref().map_or(0, |run| run.id.entries);
        let mut filter = Filter::new(held + fresh.len() as u64);
        loop {
            let entry = match merge.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(damage) => return Err(self.condemn(home, damage)),
            };
            // A key that two live ids share by accident is kept once.
            if !self.epochs.is_live(entry.epoch()) || last.replace(entry.key()) == Some(entry.key()) {
                continue;
            }
            let mut create = || {
                number += 1;
                RunBuilder::create(home, number - 1, self.salt)
            };
            if !plan.keys.contains(&entry.key()) {
                filter.insert(entry.key());
                open(&mut middle, &mut create)?.push(entry)?;
                continue;
            }
            if slice.as_ref().is_some_and(|run| run.entries() >= plan.piece) {
                finish(slice.take(), home, &mut written)?;
            }
            if slice.is_none() {
                written.slices.push((entry.key(), RunId::default()));
            }
            open(&mut slice, &mut create)?.push(entry)?;
        }
        finish(slice, home, &mut written)?;
        written.middle = middle.map(|run| run.finish(home)).transpose()?;
        written.filter = Some(filter);
        self.number = number;
        Ok(written)
    }

    /// Goes on with the new runs; the ones they replace.
    fn take(&mut self, home: &Home, written: Written, plan: &Plan) -> Result<Vec<Run>, Error> {
        let open = |id: RunId| {
            let run = Run::open(&folder(home), id, self.salt);
            run.map_err(|damage| Error::Ids { path: damage.path, what: damage.what })
        };
        let middle = written.middle.map(open).transpose()?;
        self.filter = written.filter;
        let slices =
            written.slices.iter().map(|(key, id)| Ok((*key, open(*id)?))).collect::<Result<Vec<_>, Error>>()?;
        let mut old: Vec<Run> = std::mem::replace(&mut self.middle, middle).into_iter().collect();
        old.extend(self.slices.splice(plan.slices.clone(), slices).map(|(_, run)| run));
        // The first slice holds all keys from the first one on.
        if let Some((first, _)) = self.slices.first_mut() {
            *first = 0;
        }
        Ok(old)
    }

    fn put_manifest(&self, home: &Home, digest: Link) -> Result<(), Error> {
        let manifest = Manifest {
            salt: self.salt,
            key: self.column.clone().unwrap_or_default(),
            from: self.covered.start,
            to: self.covered.end,
            digest,
            epochs: self.epochs.clone(),
            middle: self.middle.as_ref().map(|run| run.id),
            slices: self.slices.iter().map(|(key, run)| (*key, run.id)).collect(),
        };
        let (tmp, path) = (home.dir.join("tmp").join(NAME), folder(home).join(NAME));
        durable::replace(home.disk.as_ref(), Part::IdManifest, &tmp, &path, &[&manifest.encode(&path)?]).map(drop)
    }
}

fn open(
    run: &mut Option<RunBuilder>,
    create: impl FnOnce() -> Result<RunBuilder, Error>,
) -> Result<&mut RunBuilder, Error> {
    match run {
        Some(run) => Ok(run),
        none => Ok(none.insert(create()?)),
    }
}

/// Finishes the slice that was announced last.
fn finish(slice: Option<RunBuilder>, home: &Home, written: &mut Written) -> Result<(), Error> {
    let id = slice.map(|run| run.finish(home)).transpose()?;
    if let (Some(id), Some((_, last))) = (id, written.slices.last_mut()) {
        *last = id;
    }
    Ok(())
}
