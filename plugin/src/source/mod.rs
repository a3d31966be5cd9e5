//! The source room: decides what to read next and cuts what was read into frames.
//!
//! A state machine without I/O: each step takes what happened and answers with what it wants. A run can therefore be
//! replayed from a transcript. A checkpoint never goes out before the frames that it covers. Nothing here names a host,
//! a scheme or a key, and nothing here sleeps.

pub mod calls;
pub mod codes;
pub mod file;
pub mod framer;
pub mod health;
pub mod http;
pub mod inflate;
pub mod limits;
pub mod object_name;
pub mod oss;
pub mod position;
pub mod reader;
pub mod sls;

use serde::Deserialize;

use http::{Failure, Request, Response};
use position::Checkpoint;

use crate::transform::batch::Frame;

/// JSON Schema of the configurations that [`Session::open`] takes, one for each `type`.
pub const SCHEMA: &str = concat!(
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"innertrail source\",\"oneOf\":[",
    include_str!("file/config.schema.json"),
    ",",
    include_str!("sls/config.schema.json"),
    ",",
    include_str!("oss/config.schema.json"),
    "]}"
);

/// A file that the host found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path as the host will open it.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Last change, milliseconds since the Unix epoch.
    pub modified_ms: i64,
    /// Identity that survives a rename; empty where there is none.
    pub identity: String,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// First step; the time in milliseconds since the Unix epoch.
    Started(i64),
    /// Answer to [`Action::ListFiles`].
    Files(Vec<File>),
    /// Answer to [`Action::ReadFile`]: bytes, and whether the file ended behind them.
    Bytes(Vec<u8>, bool),
    /// The action failed.
    Failed(String),
    /// The time asked for has come.
    Woke(i64),
    /// The host has put the bytes of this file, or those that the request with this `about` brought, into quarantine
    /// itself.
    Abandoned(String),
    /// Answer to [`Action::Fetch`].
    Responded(Response),
    /// [`Action::Fetch`] has no whole answer.
    Unanswered(Failure),
    /// So many [`Action::Emit`] of this session are durable.
    Durable(u64),
}

/// What a pause is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A bill is not paid.
    Overdue,
    /// No right to the service or to these logs.
    NotEntitled,
    /// A quota.
    Throttled,
    /// The project, Logstore, bucket or consumer group is not there.
    SourceGone,
    /// Anything else that does not go away by itself.
    Other,
}

/// How a session is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Reading.
    Running,
    /// Nothing new at the moment.
    Idle,
    /// Cannot go on for now, why, and in whose words. The session looks again by itself.
    Paused(Cause, String),
    /// Will not go on.
    Failed(String),
    /// Everything was read.
    Finished,
}

/// What an object name promised, held against what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectCheck {
    /// The path.
    pub path: String,
    /// Events promised and framed.
    pub count: (u64, u64),
    /// Whether the size is right.
    pub size_ok: bool,
    /// Whether the MD5 is right.
    pub md5_ok: bool,
}

/// Input cut into frames.
#[derive(Debug, Clone)]
pub struct Emitted {
    /// The file's path, the shard or the object.
    pub origin: String,
    /// The frames' bytes.
    pub data: Vec<u8>,
    /// The frames.
    pub frames: Vec<Frame>,
    /// Input bytes covered.
    pub input_bytes: u64,
    /// Positions that are right once the frames are durable.
    pub checkpoints: Vec<Checkpoint>,
}

/// Logs that the source had and that this session cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The checkpoint's key.
    pub key: String,
    /// Where: `sls:<project>/<logstore>/<shard>` or `oss:<bucket>/<key>`.
    pub what: String,
    /// Earliest time that may be missing, milliseconds since the Unix epoch, if it is known.
    pub since_ms: Option<i64>,
    /// Latest time that may be missing, the same.
    pub until_ms: Option<i64>,
    /// Why, in words.
    pub why: String,
}

/// What the session wants.
#[derive(Debug, Clone)]
pub enum Action {
    /// Which files match? Has an outcome.
    ListFiles(Vec<String>, Vec<String>),
    /// Read from a file. Has an outcome.
    ReadFile {
        /// The path.
        path: String,
        /// First byte.
        offset: u64,
        /// Most bytes wanted.
        max_bytes: u32,
    },
    /// Frames for the transform.
    Emit(Emitted),
    /// A promise was checked.
    Checked(ObjectCheck),
    /// A note for people.
    Note(String),
    /// Show this state.
    State(State),
    /// Wake the session in so many milliseconds. Has an outcome.
    Wait(u32),
    /// Send a request. Has an outcome.
    Fetch(Request),
    /// Logs are missing.
    Gap(Gap),
    /// The session is over.
    Finish,
}

/// Why a session could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// The configuration cannot be used.
    InvalidConfig(String),
    /// A checkpoint cannot be read.
    BadCheckpoint(String),
}

/// One source's session, of the kind that the configuration's `type` says.
#[derive(Debug)]
pub struct Session(Kind);

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in a component")]
enum Kind {
    File(file::Session),
    Sls(sls::Session),
    Oss(oss::Session),
}

/// The member that says which configuration it is.
#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type", default)]
    kind: Option<String>,
}

impl Session {
    /// Opens a session.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(config: &str, checkpoints: &[Checkpoint]) -> Result<Self, OpenError> {
        let typed: Typed = serde_json::from_str(config)
            .map_err(|e| OpenError::InvalidConfig(format!("not a source configuration: {e}")))?;
        Ok(Self(match typed.kind.as_deref() {
            None | Some("file") => Kind::File(file::Session::open(config, checkpoints)?),
            Some("sls") => Kind::Sls(sls::Session::open(config, checkpoints)?),
            Some("oss") => Kind::Oss(oss::Session::open(config, checkpoints)?),
            Some(other) => {
                let why = format!("type: `{other}` is not a source of this version; use `file`, `sls` or `oss`");
                return Err(OpenError::InvalidConfig(why));
            }
        }))
    }

    /// Takes what happened, answers with what is wanted.
    pub fn step(&mut self, last: Outcome) -> Vec<Action> {
        match &mut self.0 {
            Kind::File(session) => session.step(last),
            Kind::Sls(session) => session.step(last),
            Kind::Oss(session) => session.step(last),
        }
    }
}
