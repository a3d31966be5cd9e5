//! What the answers of OSS change.

use super::key;
use super::known::{self, Mark, Object};
use super::lane::Piece;
use super::listing::Folder;
use super::xml;
use super::{Action, Call, Emitted, Session};
use crate::source::codes::{self, Class, Service, Verdict};
use crate::source::health;
use crate::source::http::{Failure, Response};
use crate::source::position::Position;

/// How soon a folder is listed again in which an object had changed, milliseconds.
const LIST_AGAIN_MS: i64 = 2_000;
/// An object that changed so long before the last look through old days may have been missed by it, milliseconds.
const SLACK_MS: i64 = 600_000;

impl Session {
    /// An answer, whatever status it has.
    pub(super) fn responded(&mut self, response: &Response, wanted: &mut Vec<Action>) {
        self.at(response.now_ms);
        let Some(call) = self.calls.end(response.id) else { return };
        let after = health::retry_after_ms(&response.headers);
        let piece = Piece { status: response.status, headers: &response.headers, body: &response.body };
        match call {
            Call::Get(key) if matches!(response.status, 200 | 206) => self.got(&key, response.id, piece, None, wanted),
            Call::Get(key) => {
                let verdict = codes::judge(Service::Oss, response.status, &response.body);
                self.not_got(&key, response.id, &verdict, after, wanted);
            }
            call if response.status == 200 => match xml::page(&response.body) {
                Ok(page) => self.listed(call, &page, wanted),
                Err(why) => self.not_listed(call, &senseless(&why), None),
            },
            call => {
                let verdict = codes::judge(Service::Oss, response.status, &response.body);
                self.not_listed(call, &verdict, after);
            }
        }
    }

    /// No whole answer. What came of an object's bytes is taken, and reading goes on behind it.
    pub(super) fn unanswered(&mut self, failure: &Failure, wanted: &mut Vec<Action>) {
        self.at(failure.now_ms);
        let Some(call) = self.calls.end(failure.id) else { return };
        let verdict = health::fault(failure);
        match call {
            Call::Get(key) => {
                let piece = Piece { status: failure.status, headers: &failure.headers, body: &failure.body };
                self.got(&key, failure.id, piece, Some(verdict), wanted);
            }
            call => self.not_listed(call, &verdict, health::retry_after_ms(&failure.headers)),
        }
    }

    fn got(&mut self, key: &str, id: u64, piece: Piece<'_>, cut: Option<Verdict>, wanted: &mut Vec<Action>) {
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.open == Some(id)) else { return };
        let fed = match &cut {
            // The beginning of an answer that says it is another thing, or of an error, is no piece of the object.
            Some(_) if piece.body.is_empty() || !matches!(piece.status, 200 | 206) => Ok(false),
            _ => lane.feed(piece),
        };
        match (fed, cut) {
            (Ok(true), None) => {
                lane.open = None;
                lane.health.well();
                self.ever_well = true;
            }
            // Something came: go on behind it at once, however often that takes.
            (Ok(true), Some(_)) => lane.open = None,
            (Ok(false), None) => self.not_got(key, id, &super::lane::wrong("no bytes"), None, wanted),
            (Ok(false), Some(verdict)) | (Err(verdict), _) => self.not_got(key, id, &verdict, None, wanted),
        }
    }

    fn not_got(&mut self, key: &str, id: u64, verdict: &Verdict, after_ms: Option<i64>, wanted: &mut Vec<Action>) {
        let started = self.started_ms.unwrap_or(self.now_ms);
        let Some(at) = self.lanes.iter().position(|lane| lane.open == Some(id)) else { return };
        self.lanes[at].open = None;
        match verdict.class {
            Class::Gap => {
                let lane = self.lanes.swap_remove(at);
                wanted.push(Action::Gap(self.gap(key, verdict.words.clone())));
                let position = Position { done: true, identity: lane.object.etag, ..Position::default() };
                self.done(key, lane.folder.as_deref(), &position, Vec::new(), wanted);
            }
            Class::Relist => {
                let lane = self.lanes.swap_remove(at);
                let words = &verdict.words;
                wanted.push(Action::Note(format!("{key}: {words}; it is listed and read again from its start")));
                // What is stored of it is of another version and says so.
                self.known.remove(key);
                let again = self.now_ms + LIST_AGAIN_MS;
                match lane.folder.and_then(|folder| self.folders.get_mut(&folder)) {
                    Some(folder) => folder.due_ms = folder.due_ms.min(again),
                    None => self.walk.due_ms = self.walk.due_ms.min(again),
                }
            }
            _ => self.lanes[at].health.ill(verdict, self.now_ms, started, after_ms),
        }
    }

    fn listed(&mut self, call: Call, page: &xml::Page, wanted: &mut Vec<Action>) {
        let taken = match &call {
            Call::Walk(folder) => self.walked(folder, page, wanted),
            Call::List(folder) => self.list_page(folder, page, wanted),
            Call::Get(_) => Ok(()),
        };
        match taken {
            Ok(()) => {
                self.health.well();
                self.ever_well = true;
            }
            Err(why) => self.not_listed(call, &senseless(&why), None),
        }
    }

    fn not_listed(&mut self, call: Call, verdict: &Verdict, after_ms: Option<i64>) {
        match call {
            Call::Walk(folder) => self.walk.again(folder),
            Call::List(folder) => {
                if let Some(dated) = self.folders.get_mut(&folder) {
                    dated.open = false;
                }
            }
            Call::Get(_) => {}
        }
        let started = self.started_ms.unwrap_or(self.now_ms);
        self.health.ill(verdict, self.now_ms, started, after_ms);
    }

    fn walked(&mut self, folder: &Folder, page: &xml::Page, wanted: &mut Vec<Action>) -> Result<(), String> {
        let first = !self.walk.done;
        if self.walk.page(folder, page, self.now_ms)? {
            self.folders.entry(folder.prefix.clone()).or_default();
        }
        for object in &page.objects {
            self.offer(object, None, wanted);
        }
        if first && self.walk.done && self.folders.is_empty() && self.known.is_empty() {
            wanted.push(Action::Note(format!(
                "no object below {} of bucket {}; check the trail's prefix, and whether the trail delivers",
                self.root, self.config.bucket
            )));
        }
        Ok(())
    }

    fn list_page(&mut self, folder: &str, page: &xml::Page, wanted: &mut Vec<Action>) -> Result<(), String> {
        let Some(dated) = self.folders.get_mut(folder) else { return Ok(()) };
        let completed = dated.page(folder, page)?;
        dated.open = false;
        if completed.is_some() {
            dated.due_ms = self.now_ms + i64::from(self.config.poll_interval_secs) * 1000;
        }
        for object in &page.objects {
            self.offer(object, Some(folder), wanted);
        }
        let Some(round) = completed else { return Ok(()) };
        if !round.deep {
            self.missing(folder, wanted);
        }
        let start = self.first_start(folder);
        let mark = self.known.marks.entry(folder.to_owned()).or_insert_with(|| Mark { start, deep_ms: 0 });
        if round.deep || mark.deep_ms == 0 {
            mark.deep_ms = round.begun_ms;
            let checkpoints = vec![known::mark_checkpoint(folder, mark)];
            let origin = super::lane::origin(&self.config.bucket, folder);
            let emitted = Emitted { origin, data: Vec::new(), frames: Vec::new(), input_bytes: 0, checkpoints };
            wanted.push(Action::Emit(emitted));
        }
        Ok(())
    }

    /// Objects that an earlier session had begun and that a whole listing of their folder no longer has.
    fn missing(&mut self, folder: &str, wanted: &mut Vec<Action>) {
        let start = self.known.marks.get(folder).map_or(folder, |mark| mark.start.as_str());
        let begun = self.known.begun(folder, start);
        for key in begun.into_iter().filter(|key| !self.is_at_hand(key)).collect::<Vec<_>>() {
            let why = "the object had been begun, and is not listed any more".to_owned();
            wanted.push(Action::Gap(self.gap(&key, why)));
            self.done(&key, Some(folder), &Position { done: true, ..Position::default() }, Vec::new(), wanted);
        }
    }

    /// Puts an object into the queue, if it is new.
    fn offer(&mut self, object: &xml::Object, folder: Option<&str>, wanted: &mut Vec<Action>) {
        // A name that ends like a folder's is a folder of some console, and has no content.
        if object.key.ends_with('/') {
            return;
        }
        let mark = folder.and_then(|folder| self.known.marks.get(folder));
        let is_old = mark.is_some_and(|mark| object.key < mark.start);
        match self.known.get(&object.key) {
            Some(Object::Abandoned) => return,
            Some(Object::Done(etag)) if *etag == object.etag => return,
            Some(Object::Done(_)) => {
                wanted.push(Action::Note(format!("{} was written anew; it is read again", object.key)));
            }
            Some(Object::Waiting(None)) => return,
            Some(Object::Waiting(Some(_))) if self.is_at_hand(&object.key) => return,
            Some(Object::Waiting(Some(_))) => return self.enqueue(object, folder),
            None if is_old => {
                let looked_ms = mark.map_or(i64::MAX, |mark| mark.deep_ms - SLACK_MS);
                let hours = self.config.overlap_hours;
                let late_ms = folder.and_then(|folder| key::late_ms(folder, &object.key, hours));
                if mark.is_none_or(|mark| mark.deep_ms == 0) || object.modified_ms < looked_ms.max(late_ms.unwrap_or(0))
                {
                    return;
                }
                wanted.push(Action::Note(format!("{} came later than overlap_hours allow for", object.key)));
            }
            None => {}
        }
        self.known.set(&object.key, Object::Waiting(None));
        self.enqueue(object, folder);
    }

    fn enqueue(&mut self, object: &xml::Object, folder: Option<&str>) {
        self.queue.push_back((object.clone(), folder.map(str::to_owned)));
    }

    fn is_at_hand(&self, key: &str) -> bool {
        self.queue.iter().any(|(object, _)| object.key == key) || self.lanes.iter().any(|lane| lane.object.key == key)
    }
}

/// A listing that makes no sense: a proxy's page, or a service of another kind.
fn senseless(why: &str) -> Verdict {
    Verdict { class: Class::Retry, code: String::new(), words: format!("the listing cannot be used: {why}") }
}
