//! One file into the bucket, or the certainty that it lies there: put, look, compare.
//!
//! Must never overwrite or delete, and never count as copied what lies there with another content.

use std::io::ErrorKind;
use std::path::Path;

use innertrail_fetch::{Agreement, Client, Failure, Fault, Fingerprint, Response};

use super::cause::{self, Trouble};
use super::plan::Item;

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shipped {
    /// It was put: so many bytes.
    Put(u64),
    /// It lay there already, with the same content.
    Found,
    /// Its name is taken, and what lies there may not be read.
    Unseen,
    /// Another content lies there, or the file here is not the one that was sealed.
    Conflict(String),
    /// The file is not here any more.
    Gone,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum From<'a> {
    /// A file, read from the disk as it is sent.
    File(&'a Path),
    /// A few bytes.
    Bytes(&'a [u8]),
}

/// The way to one bucket.
pub(super) struct Ship<'a> {
    pub(super) client: &'a Client,
    /// The bucket, which is the name of the client's endpoint.
    pub(super) bucket: &'a str,
    /// What stands before all names.
    pub(super) root: &'a str,
    /// The data directory.
    pub(super) dir: &'a Path,
    /// Whether the credentials may read what lies there, as far as is known.
    pub(super) may_read: bool,
}

impl Ship<'_> {
    /// Brings a file there.
    pub(super) fn bring(&mut self, item: &Item) -> Result<Shipped, Trouble> {
        let file = self.dir.join(&item.from);
        let content = match Fingerprint::of(&file) {
            Ok(content) => content,
            Err(e) if e.kind() == ErrorKind::NotFound => return self.gone(item),
            Err(e) => return Err(Trouble::other(format!("{} cannot be read: {e}", file.display()))),
        };
        if item.sha256.is_some_and(|sealed| sealed != content.sha256) {
            let what = "the file here is not the one that was sealed, and was not copied; run `innertrail verify`";
            return Ok(Shipped::Conflict(what.to_owned()));
        }
        if item.look_first
            && let Some(there) = self.look(&self.path(&item.to), &content)?
        {
            return Ok(there);
        }
        self.send(&self.path(&item.to), &From::File(&file), &content)
    }

    /// Puts something, without looking first.
    pub(super) fn put(&mut self, to: &str, from: From<'_>) -> Result<Shipped, Trouble> {
        let content = match from {
            From::File(file) => {
                Fingerprint::of(file).map_err(|e| Trouble::other(format!("{}: {e}", file.display())))?
            }
            From::Bytes(bytes) => Fingerprint::of_bytes(bytes),
        };
        self.send(&self.path(to), &from, &content)
    }

    fn path(&self, to: &str) -> String {
        format!("/{}{to}", self.root)
    }

    /// A file that is not here any more may have been copied by a run that nobody remembers.
    fn gone(&mut self, item: &Item) -> Result<Shipped, Trouble> {
        if item.look_first && self.may_read {
            let there = self.client.head_object(self.bucket, &self.path(&item.to));
            if there.map_err(|failure| Trouble::unanswered(&failure))?.status == 200 {
                return Ok(Shipped::Unseen);
            }
        }
        Ok(Shipped::Gone)
    }

    fn send(&mut self, path: &str, from: &From<'_>, content: &Fingerprint) -> Result<Shipped, Trouble> {
        let sent = match from {
            From::File(file) => self.client.put_file(self.bucket, path, file, content),
            From::Bytes(bytes) => self.client.put_bytes(self.bucket, path, bytes),
        };
        match sent {
            Ok(answer) if answer.status == 200 => self.settle(path, content, &answer),
            Ok(answer) if is_taken(&answer) => match self.look(path, content)? {
                Some(there) => Ok(there),
                None if self.may_read => {
                    Err(Trouble::other("a name is taken, and nothing lies under it; is it in use?"))
                }
                None => Ok(Shipped::Unseen),
            },
            Ok(answer) => {
                self.may_read = true;
                Err(Trouble::refused(&answer))
            }
            Err(failure) => self.after_silence(path, content, &failure),
        }
    }

    /// Success, unless the answer speaks of other bytes; then what lies there decides.
    fn settle(&mut self, path: &str, content: &Fingerprint, answer: &Response) -> Result<Shipped, Trouble> {
        let Agreement::Differs(why) = content.agrees(answer, false) else { return Ok(Shipped::Put(content.size)) };
        match self.look(path, content)? {
            Some(Shipped::Found) => Ok(Shipped::Put(content.size)),
            Some(other) => Ok(other),
            None => Err(Trouble::other(format!("the service acknowledged another object than was sent: {why}"))),
        }
    }

    /// Without an answer it may have been stored all the same.
    fn after_silence(&mut self, path: &str, content: &Fingerprint, failure: &Failure) -> Result<Shipped, Trouble> {
        if matches!(failure.fault, Fault::Reset | Fault::Timeout | Fault::Protocol)
            && let Ok(Some(Shipped::Found)) = self.look(path, content)
        {
            return Ok(Shipped::Put(content.size));
        }
        Err(Trouble::unanswered(failure))
    }

    /// What lies under a name; `None` when there is nothing, or it may not be read.
    fn look(&mut self, path: &str, content: &Fingerprint) -> Result<Option<Shipped>, Trouble> {
        if !self.may_read {
            return Ok(None);
        }
        let answer = self.client.head_object(self.bucket, path).map_err(|failure| Trouble::unanswered(&failure))?;
        Ok(match answer.status {
            200 => Some(match content.agrees(&answer, true) {
                Agreement::Same => Shipped::Found,
                Agreement::Differs(why) => Shipped::Conflict(format!("another object lies there: {why}")),
                Agreement::Untold => Shipped::Unseen,
            }),
            404 => None,
            // An answer to HEAD has no reason in it: no right, or a state that putting will be told.
            403 => {
                self.may_read = false;
                None
            }
            _ => return Err(Trouble::refused(&answer)),
        })
    }
}

/// Whether the answer to a PUT says that there is such an object: it may not be overwritten, by our wish or by a policy.
fn is_taken(answer: &Response) -> bool {
    answer.status == 409 && matches!(cause::code(answer).as_str(), "FileAlreadyExists" | "FileImmutable")
}
