//! One running source: its session, what it waits for, and what happened last, kept until it is handed in.
//!
//! The component is not trusted to read anything but what the configuration's globs matched.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use crate::clock;
use crate::fetch::{self, Files};
use crate::pipeline::network::Network;
use crate::runtime::Session;
use crate::runtime::wit::source::{
    File as FileParam, FileBytes, HeaderParam, HttpFailure, HttpFault, HttpResponse, Outcome, ReadRequest,
};

/// One source and what it waits for.
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) session: Session,
    pub(crate) files: Files,
    /// What the globs of the configuration matched. The component is not trusted to read anything else.
    pub(crate) listed: BTreeSet<String>,
    /// Its side of the network, if it reads that.
    pub(crate) network: Option<Network>,
    /// The file that was asked for last, to blame when the component fails.
    pub(crate) at_file: Option<String>,
    /// Where the component failed last time, to know when it fails there again.
    pub(crate) failed_at: Option<Option<String>>,
    pub(crate) next: Next,
}

impl Running {
    /// A source whose session is about to be started.
    pub(crate) fn new(name: String, session: Session, network: Option<Network>) -> Self {
        let (files, listed, next) = (Files::default(), BTreeSet::new(), Next::Step(Box::new(Answer::Started)));
        Self { name, session, files, listed, network, at_file: None, failed_at: None, next }
    }
}

pub(crate) enum Next {
    /// Something happened that it was not told yet.
    Step(Box<Answer>),
    /// It wants to be woken then.
    Wake(Instant),
    /// It waits for what it asked the network for.
    Listen,
    Over,
}

/// What happened, owned, until it is handed in.
pub(crate) enum Answer {
    Started,
    Woke,
    Files(Vec<fetch::Found>),
    Bytes(Vec<u8>, bool),
    Failed(String),
    Abandoned(String),
    Responded(Arrived, Box<innertrail_fetch::Response>),
    Unanswered(Arrived, Box<innertrail_fetch::Failure>),
    Durable(u64),
}

/// Which request an answer belongs to.
pub(crate) struct Arrived {
    pub(crate) id: u64,
    pub(crate) about: String,
}

/// Carries a read out, if the file was listed.
pub(crate) fn read_file(source: &mut Running, read: &ReadRequest) -> Answer {
    if !source.listed.contains(&read.path) {
        return Answer::Failed("the component asked for a file that the configuration's globs do not match".to_owned());
    }
    match source.files.read(Path::new(&read.path), read.offset, read.max_bytes) {
        Ok((bytes, end)) => Answer::Bytes(bytes.to_vec(), end),
        Err(error) => Answer::Failed(error.to_string()),
    }
}

/// The files of an answer, borrowed for the component.
pub(crate) fn files(answer: &Answer) -> Vec<FileParam<'_>> {
    let Answer::Files(found) = answer else { return Vec::new() };
    found
        .iter()
        .map(|f| FileParam { path: &f.path, size: f.size, modified_ms: f.modified_ms, identity: &f.identity })
        .collect()
}

/// The headers of an answer, borrowed for the component.
pub(crate) fn headers(answer: &Answer) -> Vec<HeaderParam<'_>> {
    let Answer::Responded(_, response) = answer else { return Vec::new() };
    response.headers.iter().map(|(name, value)| HeaderParam { name, value }).collect()
}

/// The answer as the contract has it.
pub(crate) fn outcome<'a>(
    answer: &'a Answer,
    files: &'a [FileParam<'a>],
    headers: &'a [HeaderParam<'a>],
) -> Outcome<'a> {
    match answer {
        Answer::Started => Outcome::Started(clock::now_ms()),
        Answer::Woke => Outcome::Woke(clock::now_ms()),
        Answer::Files(_) => Outcome::Files(files),
        Answer::Bytes(data, end) => Outcome::Bytes(FileBytes { data, end: *end }),
        Answer::Failed(why) => Outcome::Failed(why),
        Answer::Abandoned(path) => Outcome::Abandoned(path),
        Answer::Durable(count) => Outcome::Durable(*count),
        Answer::Responded(arrived, response) => Outcome::Responded(HttpResponse {
            id: arrived.id,
            now_ms: response.now_ms,
            status: response.status,
            headers,
            body: &response.body,
        }),
        Answer::Unanswered(arrived, failure) => Outcome::Unanswered(HttpFailure {
            id: arrived.id,
            now_ms: failure.now_ms,
            fault: fault(failure.fault),
            why: &failure.why,
            status: 0,
            headers: &[],
            body: &failure.body,
        }),
    }
}

fn fault(fault: innertrail_fetch::Fault) -> HttpFault {
    use innertrail_fetch::Fault;
    match fault {
        Fault::Connect => HttpFault::Connect,
        Fault::Tls => HttpFault::Tls,
        Fault::Dns => HttpFault::Dns,
        Fault::Timeout => HttpFault::Timeout,
        Fault::Reset => HttpFault::Reset,
        Fault::TooLarge => HttpFault::TooLarge,
        Fault::Redirect => HttpFault::Redirect,
        Fault::Credentials => HttpFault::Credentials,
        Fault::Protocol => HttpFault::Protocol,
        Fault::Refused => HttpFault::Refused,
    }
}
