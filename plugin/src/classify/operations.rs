//! What each OSS operation is: the table `oss_operations.tsv`, and the rule for names that no table knows.
//!
//! The table is data. It must never be consulted for another product's operations, whose names may be the same.

use std::sync::LazyLock;

/// What kind of operation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Changes nothing.
    Read,
    /// Changes data.
    Write,
    /// Changes a bucket, an account, or who may do what.
    Admin,
    /// Somebody signed in or out.
    Signin,
    /// ActionTrail found something unusual.
    Insight,
    /// Nothing says.
    Unknown,
}

impl Action {
    /// The word in `it_action`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Signin => "signin",
            Self::Insight => "insight",
            Self::Unknown => "unknown",
        }
    }
}

static OSS: LazyLock<Vec<(&'static str, Action)>> = LazyLock::new(|| {
    let lines = include_str!("oss_operations.tsv").lines().filter(|l| !l.starts_with('#'));
    lines.filter_map(parse_line).collect()
});

fn parse_line(line: &'static str) -> Option<(&'static str, Action)> {
    let mut columns = line.split('\t');
    let (name, _level, class) = (columns.next()?, columns.next()?, columns.next()?);
    let action = match class {
        "read" => Action::Read,
        "write" => Action::Write,
        "admin" => Action::Admin,
        _ => return None,
    };
    Some((name, action))
}

/// The class of an OSS operation that is in the table.
pub fn oss(name: &[u8]) -> Option<Action> {
    let at = OSS.binary_search_by(|(n, _)| n.as_bytes().cmp(name)).ok()?;
    Some(OSS[at].1)
}

/// The class of any other operation, by the verb its name begins with.
pub(super) fn by_verb(name: &[u8]) -> Action {
    const READ: [&str; 9] = ["Get", "List", "Head", "Describe", "Query", "Select", "Option", "Lookup", "Check"];
    const WRITE: [&str; 14] = [
        "Put", "Delete", "Create", "Update", "Modify", "Set", "Add", "Remove", "Start", "Stop", "Run", "Attach",
        "Detach", "Reboot",
    ];
    if READ.iter().any(|verb| name.starts_with(verb.as_bytes())) {
        Action::Read
    } else if WRITE.iter().any(|verb| name.starts_with(verb.as_bytes())) {
        Action::Write
    } else {
        Action::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Look-ups are by binary search: an unsorted table would silently miss names.
    #[test]
    fn the_table_is_whole_and_sorted() {
        let lines = include_str!("oss_operations.tsv").lines().filter(|l| !l.starts_with('#')).count();
        assert_eq!(OSS.len(), lines);
        assert!(OSS.windows(2).all(|w| w[0].0 < w[1].0));
        assert!(OSS.len() > 200);
    }

    #[test]
    fn classes() {
        assert_eq!(oss(b"PutBucketAcl"), Some(Action::Admin));
        assert_eq!(oss(b"PutObject"), Some(Action::Write));
        assert_eq!(oss(b"InitateMultipartUpload"), Some(Action::Write));
        assert_eq!(oss(b"UplaodPartCopy"), Some(Action::Write));
        assert_eq!(oss(b"ListUserRegions"), Some(Action::Read));
        assert_eq!(oss(b"NoSuchThing"), None);
        assert_eq!(by_verb(b"DescribeTrails"), Action::Read);
        assert_eq!(by_verb(b"Frobnicate"), Action::Unknown);
    }
}
