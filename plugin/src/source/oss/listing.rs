//! Finding objects: a walk from folder to folder that finds the dated ones, and a flat listing of each of those, from its
//! mark on.
//!
//! A listing goes on by the last key of a page, not by a token: keys must come in order, behind that one, so that no
//! service can make it go round in a circle.

use std::collections::{BTreeMap, VecDeque};

use super::key;
use super::xml;

/// Most folders of one walk.
pub const MOST_FOLDERS: usize = 10_000;
/// Deepest folder below the root that is looked into; the deepest layout that is known has 5 above the years.
const MOST_DEPTH: usize = 12;
/// Pages of one folder's own listing, a thousand names each.
const MOST_PAGES: u32 = 100;
/// How often the folders are walked again for new accounts and regions, milliseconds.
pub const WALK_MS: i64 = 600_000;
/// How often the days before a folder's mark are looked through.
pub const DEEP_MS: i64 = 24 * 3_600_000;
/// How many of those days.
pub const DEEP_DAYS: u64 = 7;

/// A folder that is to be looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its prefix; ends with a slash, unless it is the root and that does not.
    pub prefix: String,
    /// Below the root so many folders.
    depth: usize,
    /// Where its next page begins.
    pub token: Option<String>,
    pages: u32,
}

/// The walk.
#[derive(Debug)]
pub struct Walk {
    /// Folders that wait.
    waiting: VecDeque<Folder>,
    /// Folders that are asked for.
    open: usize,
    found: usize,
    /// When the next walk is due.
    pub due_ms: i64,
    /// One was completed.
    pub done: bool,
    /// There are more folders than one walk takes.
    pub overflow: bool,
}

impl Default for Walk {
    /// A walk that is due.
    fn default() -> Self {
        Self { waiting: VecDeque::new(), open: 0, found: 0, due_ms: i64::MIN, done: false, overflow: false }
    }
}

impl Walk {
    /// Whether a walk is under way.
    pub fn is_going(&self) -> bool {
        self.open > 0 || !self.waiting.is_empty()
    }

    /// Begins anew at the root, when that is due.
    pub fn begin(&mut self, root: &str, now_ms: i64) {
        if self.is_going() || self.due_ms > now_ms {
            return;
        }
        (self.found, self.overflow) = (0, false);
        self.waiting.push_back(Folder { prefix: root.to_owned(), depth: 0, token: None, pages: 0 });
    }

    /// The next folder to ask for.
    pub fn take(&mut self) -> Option<Folder> {
        let folder = self.waiting.pop_front()?;
        self.open += 1;
        Some(folder)
    }

    /// Whether a folder waits.
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A folder was not answered: it waits again.
    pub fn again(&mut self, folder: Folder) {
        self.open -= 1;
        self.waiting.push_front(folder);
    }

    /// A page of a folder. Gives whether it is dated.
    ///
    /// # Errors
    /// What is wrong with the page, in words; then nothing of it was taken in.
    pub fn page(&mut self, folder: &Folder, page: &xml::Page, now_ms: i64) -> Result<bool, String> {
        if page.truncated && (page.next.is_none() || page.next == folder.token || folder.pages >= MOST_PAGES) {
            return Err("the listing does not come to an end".to_owned());
        }
        let inside = |name: &String| name.starts_with(&folder.prefix) && name.len() > folder.prefix.len();
        if !page.prefixes.iter().all(|p| inside(p) && p.ends_with('/'))
            || !page.objects.iter().all(|o| o.key.starts_with(&folder.prefix))
        {
            return Err("the listing has names that were not asked for".to_owned());
        }
        let mut dated = false;
        for prefix in &page.prefixes {
            if key::is_year(prefix[folder.prefix.len()..].trim_end_matches('/')) {
                dated = true;
            } else if self.found >= MOST_FOLDERS || folder.depth >= MOST_DEPTH {
                self.overflow = true;
            } else {
                self.found += 1;
                let depth = folder.depth + 1;
                self.waiting.push_back(Folder { prefix: prefix.clone(), depth, token: None, pages: 0 });
            }
        }
        self.open -= 1;
        if page.truncated {
            let pages = folder.pages + 1;
            self.waiting.push_front(Folder { token: page.next.clone(), pages, ..folder.clone() });
        }
        if !self.is_going() {
            (self.done, self.due_ms) = (true, now_ms.saturating_add(WALK_MS));
        }
        Ok(dated)
    }
}

/// The listing of a dated folder that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Everything up to this key was listed.
    pub after: String,
    /// It looks through days before the mark.
    pub deep: bool,
    /// When it began.
    pub begun_ms: i64,
}

/// A dated folder.
#[derive(Debug, Default)]
pub struct Dated {
    /// The listing under way.
    pub round: Option<Round>,
    /// A page of it is asked for.
    pub open: bool,
    /// When the next one is due.
    pub due_ms: i64,
    /// Up to where the last one came.
    pub covered: String,
    /// One was completed.
    pub done: bool,
}

/// The dated folders.
pub type Folders = BTreeMap<String, Dated>;

impl Dated {
    /// The place from which the next page is to be listed, when that is due.
    pub fn after(&mut self, start: &str, deep: Option<&str>, now_ms: i64) -> Option<String> {
        if self.open || self.round.is_none() && self.due_ms > now_ms {
            return None;
        }
        let round = self.round.get_or_insert_with(|| Round {
            after: deep.unwrap_or(start).to_owned(),
            deep: deep.is_some(),
            begun_ms: now_ms,
        });
        Some(round.after.clone())
    }

    /// A page of it. Gives the round, when that is completed.
    ///
    /// # Errors
    /// What is wrong with the page, in words; then nothing of it was taken in.
    pub fn page(&mut self, folder: &str, page: &xml::Page) -> Result<Option<Round>, String> {
        let Some(round) = &mut self.round else { return Ok(None) };
        let mut last = round.after.as_str();
        for object in &page.objects {
            if object.key.as_str() <= last || !object.key.starts_with(folder) {
                return Err(
                    "the listing is not in the order of its keys, or has some that were not asked for".to_owned()
                );
            }
            last = &object.key;
        }
        if page.truncated && page.objects.is_empty() {
            return Err("the listing does not come to an end".to_owned());
        }
        round.after = last.to_owned();
        if page.truncated {
            return Ok(None);
        }
        let round = self.round.take();
        if let Some(round) = &round {
            self.covered.clone_from(&round.after);
            self.done |= !round.deep;
        }
        Ok(round)
    }

    /// Everything up to this key was listed since the mark.
    pub fn covered(&self) -> &str {
        match &self.round {
            Some(round) if !round.deep => &round.after,
            _ => &self.covered,
        }
    }
}
