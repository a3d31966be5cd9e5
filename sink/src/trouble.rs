//! What kind of failure a sink met, in the words of Vector's component specification.
//! It must never say more than is known: what is not known to be a missing connection is a failed request.

use std::io::ErrorKind;

/// A kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// There was no connection.
    Connection,
    /// A request was not answered, or not with a yes.
    Request,
    /// The Logstore could not be read.
    Reader,
    /// Something could not be written: a file, a stream, the position, quarantine.
    Writer,
}

impl Trouble {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Connection, Self::Request, Self::Reader, Self::Writer];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection_failed",
            Self::Request => "request_failed",
            Self::Reader => "reader_failed",
            Self::Writer => "writer_failed",
        }
    }
}

/// How often each kind was met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Troubles([u64; Trouble::ALL.len()]);

impl Troubles {
    /// Once more.
    pub(crate) fn met(&mut self, trouble: Trouble) {
        self.0[trouble as usize] += 1;
    }

    /// Each kind that was met, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (Trouble, u64)> + '_ {
        Trouble::ALL.into_iter().map(|trouble| (trouble, self.0[trouble as usize])).filter(|(_, count)| *count > 0)
    }
}

/// Whether the system says that there is no way to the other side.
pub(crate) fn is_unconnected(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::AddrNotAvailable
    )
}

/// The kind of a failed request.
pub(crate) fn of_request(unconnected: bool) -> Trouble {
    if unconnected { Trouble::Connection } else { Trouble::Request }
}
