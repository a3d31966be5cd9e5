//! What OCSF and ECS both ask of a record and no column says as such: the kind of change, the resources, the parts that
//! two families name differently.
//! It must never guess an address where there is none, or tell a failure from an error code that is empty.

use std::net::IpAddr;

use innertrail_logstore::Layout;

use crate::record::Record;

/// What an operation does to its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    Create,
    Read,
    Update,
    Delete,
    Signin,
    Signout,
    Insight,
    Unknown,
}

/// A record with its layout, asked by the columns' names.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) layout: &'a Layout,
    pub(super) record: &'a Record,
}

impl<'a> Asked<'a> {
    /// A text that is neither null nor empty.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.record.text(self.layout, name).filter(|text| !text.is_empty())
    }

    /// The first of the columns that has a text.
    pub(super) fn first(&self, names: &[&str]) -> Option<&'a str> {
        names.iter().find_map(|name| self.text(name))
    }

    pub(super) fn is(&self, name: &str, text: &str) -> bool {
        self.text(name) == Some(text)
    }

    pub(super) fn is_failure(&self) -> bool {
        self.is("it_outcome", "failure")
    }

    /// What was called; an insight is named by its kind.
    pub(super) fn operation(&self) -> &'a str {
        self.first(&["eventName", "insightDetails.insightType", "eventType"]).unwrap_or("unknown")
    }

    /// Where the call came from.
    pub(super) fn address(&self) -> Option<Address<'a>> {
        let text = self.text("sourceIpAddress")?;
        Some(match text.parse::<IpAddr>() {
            Ok(_) => Address::Ip(text),
            Err(_) if text.contains('.') && !text.contains(char::is_whitespace) => Address::Host(text),
            Err(_) => Address::Word(text),
        })
    }

    pub(super) fn activity(&self) -> Activity {
        match self.text("it_action") {
            Some("read") => Activity::Read,
            Some("signin") if self.is("eventType", "ConsoleSignout") => Activity::Signout,
            Some("signin") => Activity::Signin,
            Some("insight") => Activity::Insight,
            Some("write" | "admin") => by_name(self.text("eventName").unwrap_or_default()),
            _ => Activity::Unknown,
        }
    }

    /// Names and types of what it was done to. The vendor joins names by comma and groups by semicolon; where the groups are
    /// not as many as the types, nobody can tell which is whose, and the one resource of the record stands for all.
    pub(super) fn resources(&self) -> Vec<(&'a str, Option<&'a str>)> {
        let types: Vec<&str> = self.text("resourceType").map(|t| t.split(';').collect()).unwrap_or_default();
        if let Some(names) = self.text("resourceName") {
            let groups: Vec<&str> = names.split(';').collect();
            if groups.len() == types.len() {
                let each = groups.iter().zip(&types);
                let each = each.flat_map(|(names, kind)| names.split(',').map(move |name| (name, Some(*kind))));
                return each.filter(|(name, _)| !name.is_empty()).collect();
            }
        }
        let kind = types.first().filter(|kind| types.len() == 1 && !kind.is_empty()).copied();
        self.text("it_resource").map(|name| (name, kind)).into_iter().collect()
    }
}

/// What `sourceIpAddress` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address<'a> {
    Ip(&'a str),
    /// A service's host.
    Host(&'a str),
    /// Such as `Internal`.
    Word(&'a str),
}

/// A change, by the name of the operation. `Put` makes an object or a bucket and alters everything else.
fn by_name(name: &str) -> Activity {
    const DELETE: [&str; 5] = ["Delete", "Remove", "Abort", "Clean", "Release"];
    // `UplaodPartCopy` and `InitateMultipartUpload` are the vendor's spellings.
    const CREATE: [&str; 10] = [
        "Create",
        "Copy",
        "Upload",
        "Uplaod",
        "CompleteMultipart",
        "InitiateMultipart",
        "InitateMultipart",
        "Post",
        "Run",
        "Allocate",
    ];
    const PUT: [&str; 9] = [
        "PutBucket",
        "PutObject",
        "PutSymlink",
        "PutLiveChannel",
        "PutStyle",
        "PutCname",
        "PutVectorBucket",
        "PutVectorIndex",
        "PutVectors",
    ];
    let begins = |verbs: &[&str]| verbs.iter().any(|verb| name.starts_with(verb));
    if name.is_empty() {
        Activity::Unknown
    } else if begins(&DELETE) {
        Activity::Delete
    } else if begins(&CREATE) || PUT.contains(&name) {
        Activity::Create
    } else {
        Activity::Update
    }
}

#[cfg(test)]
mod tests {
    use super::{Activity, by_name};

    #[test]
    fn a_change_is_told_by_its_name() {
        let names = |wanted: Activity, names: &[&str]| {
            for name in names {
                assert_eq!(by_name(name), wanted, "{name}");
            }
        };
        names(
            Activity::Create,
            &["PutBucket", "PutObject", "UplaodPartCopy", "InitateMultipartUpload", "CreateKey", "PostObject"],
        );
        names(
            Activity::Update,
            &["PutBucketAcl", "PutObjectTagging", "RenameTable", "AppendObject", "ExtendBucketWorm"],
        );
        names(Activity::Delete, &["DeleteBucket", "DeleteMultipleObjects", "AbortMultipartUpload"]);
        names(Activity::Unknown, &[""]);
    }
}
