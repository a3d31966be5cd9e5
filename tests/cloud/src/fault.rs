//! What a double can do wrong. Which of it makes sense on which call, and when it takes effect, is told here too; when it
//! happens is the schedule's business. A fault must never need the client's help to be harmful.

use serde::{Deserialize, Serialize};

use crate::account::Account;

/// The operations of both servers, by the names of their documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)] // The names are the documentation.
pub enum Op {
    GetProject,
    ListLogStores,
    GetLogStore,
    CreateLogStore,
    DeleteLogStore,
    GetIndex,
    ListShards,
    SplitShard,
    MergeShards,
    GetCursor,
    GetCursorTime,
    PullLogs,
    PutLogs,
    GetHistograms,
    CreateConsumerGroup,
    ListConsumerGroup,
    UpdateConsumerGroup,
    DeleteConsumerGroup,
    HeartBeat,
    UpdateCheckPoint,
    GetCheckPoint,
    ListObjects,
    GetObject,
    HeadObject,
    PutObject,
    DeleteObject,
    GetBucketInfo,
    GetBucketLocation,
    /// Anything else.
    Unknown,
}

/// A size header that lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lie {
    /// Half of the truth.
    Smaller,
    /// Twice the truth.
    Larger,
    /// 4 GiB.
    Huge,
}

/// A page of logs made to harm who decodes it. Every one is a correct lz4 block with a true `x-log-bodyrawsize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bomb {
    /// 64 MiB of zeros: 255 times smaller on the wire.
    Zeros,
    /// Four million groups of no length.
    EmptyGroups,
    /// One group with four million logs of no length.
    EmptyLogs,
    /// A group that says it is 2^63 bytes long.
    Overlong,
    /// A group with wire types 3 and 4 (groups in groups), a hundred thousand deep.
    Nested,
}

/// An XML answer made to harm who parses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum XmlTrick {
    /// Entities that double a billion times.
    Entities,
    /// An entity that names a file of the client's machine, used as a key.
    External,
    /// A document type and nothing else wrong.
    Doctype,
    /// A hundred thousand elements inside each other.
    Deep,
    /// A key of 16 MiB.
    LongKey,
    /// A listing that is truncated without a token to go on.
    NoToken,
    /// A listing that says it is truncated and gives the token of its own beginning.
    TokenLoop,
    /// Keys that climb out of a folder, hold line ends and escape sequences.
    HostileKeys,
}

/// Something an object's name says that is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// The MD5 of other bytes.
    Md5,
    /// One event more than there is.
    Count,
    /// One byte more than there is.
    Size,
    /// The name is right and the last third of the bytes is missing.
    Truncated,
}

/// One thing to do wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Fault {
    /// The connection is reset before the answer.
    Reset,
    /// 503 with the service's own code.
    Unavailable,
    /// 429 with Retry-After.
    TooMany {
        /// Seconds of Retry-After.
        retry_after: u64,
    },
    /// 500 with the service's own code.
    Internal,
    /// A quota error: SLS 403 `ReadQuotaExceed`, OSS 503 `QpsLimitExceeded` [I].
    Quota,
    /// A redirect to another host.
    Redirect {
        /// The address; a query is appended to tell what was carried over.
        to: String,
    },
    /// An error page in HTML, as a proxy would send.
    Html {
        /// Its status.
        status: u16,
    },
    /// An error without a body.
    Empty {
        /// Its status.
        status: u16,
    },
    /// Bytes that are not HTTP.
    Garbage,
    /// This request is judged and dated by a clock that is wrong by so much.
    Skew {
        /// Milliseconds; positive is in the future.
        ms: i64,
    },
    /// The account falls into a state and leaves it after so many requests.
    State {
        /// The state.
        state: Account,
        /// Requests, this one included, that are answered in that state.
        requests: u64,
    },
    /// The connection is closed in the middle of the body.
    DropMidBody,
    /// The first bytes of the body come slowly.
    Drip {
        /// Bytes a piece.
        bytes: usize,
        /// Milliseconds between two pieces.
        pause_ms: u64,
        /// Slow pieces, after which the rest comes at once.
        pieces: usize,
    },
    /// The body has no end.
    Endless {
        /// Whether a Content-Length (of 2^62) announces it; otherwise it comes in chunks.
        announced: bool,
        /// Bytes after which the server gives up.
        most: u64,
    },
    /// One byte of the body is flipped.
    Corrupt,
    /// The body is a third shorter than it should be, and Content-Length agrees with that.
    Short,
    /// SLS: the page before is sent once more, with the cursor it came with.
    Replay,
    /// SLS: the next cursor is an older one.
    CursorLoop,
    /// SLS: this one request is told that its cursor is invalid. No log is dropped.
    ExpireCursor,
    /// SLS: the shard being read is split first.
    SplitShard,
    /// SLS: the shard being read is merged with its neighbour first.
    MergeShards,
    /// SLS: `x-log-bodyrawsize` lies.
    RawSize {
        /// How.
        lie: Lie,
    },
    /// SLS: the page is a bomb; its cursor is where the page began, so nothing is lost by asking again.
    Bomb {
        /// Which.
        bomb: Bomb,
    },
    /// OSS: before the answer, an object appears whose key lies behind all others of its account and region.
    LateObject {
        /// Its events.
        events: u64,
    },
    /// OSS: before the answer, an object appears that is not what its name says.
    FlawedObject {
        /// What is wrong.
        flaw: Flaw,
        /// Its events.
        events: u64,
    },
    /// OSS: an upload is carried out as it should be, and then the connection is reset before the answer.
    LoseAnswer,
    /// OSS: the answer about an object has the ETag and the checksum of other bytes.
    WrongTag,
    /// OSS: the answer comes late.
    Late {
        /// Milliseconds.
        ms: u64,
    },
    /// OSS: a listing that is a trick.
    Xml {
        /// Which.
        trick: XmlTrick,
    },
}

/// When a fault takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Instead of the request being looked at.
    Before,
    /// On the clock and the account by which the request is judged.
    Judge,
    /// On the server's state, once the request is let in and before it is answered from it.
    State,
    /// On an answer that would have been a good one with a body.
    After,
}

impl Fault {
    /// The name under which it is counted.
    #[must_use]
    pub fn name(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        let detail = ["lie", "bomb", "trick", "flaw", "state"].iter().find_map(|key| value[key].as_str());
        let kind = value["kind"].as_str().unwrap_or_default();
        detail.map_or_else(|| kind.to_owned(), |detail| format!("{kind}:{detail}"))
    }

    pub(crate) fn phase(&self) -> Phase {
        match self {
            Self::Reset
            | Self::Unavailable
            | Self::TooMany { .. }
            | Self::Internal
            | Self::Quota
            | Self::Redirect { .. }
            | Self::Html { .. }
            | Self::Empty { .. }
            | Self::Garbage => Phase::Before,
            Self::Skew { .. } | Self::State { .. } => Phase::Judge,
            Self::ExpireCursor
            | Self::SplitShard
            | Self::MergeShards
            | Self::LateObject { .. }
            | Self::FlawedObject { .. } => Phase::State,
            _ => Phase::After,
        }
    }

    /// Whether it makes sense on an operation when the schedule names none.
    pub(crate) fn fits(&self, op: Op) -> bool {
        match self {
            Self::Replay
            | Self::CursorLoop
            | Self::ExpireCursor
            | Self::SplitShard
            | Self::MergeShards
            | Self::RawSize { .. }
            | Self::Bomb { .. } => op == Op::PullLogs,
            Self::Corrupt | Self::Short => matches!(op, Op::PullLogs | Op::GetObject),
            Self::LateObject { .. } | Self::FlawedObject { .. } => {
                matches!(op, Op::ListObjects | Op::GetObject)
            }
            Self::LoseAnswer | Self::Late { .. } => op == Op::PutObject,
            Self::WrongTag => matches!(op, Op::PutObject | Op::HeadObject),
            Self::Xml { .. } => op == Op::ListObjects,
            Self::DropMidBody | Self::Drip { .. } | Self::Endless { .. } => {
                matches!(op, Op::PullLogs | Op::GetObject | Op::ListObjects | Op::ListShards)
            }
            _ => true,
        }
    }
}
