//! The states an account can be in, and what a client sees of each. It must never say in an error what no page or
//! sighting says (facts, section 8).

use serde::{Deserialize, Serialize};

/// The state of an account, a project or a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// Paid and open.
    #[default]
    Active,
    /// In debt. SLS: 401 `Unauthorized` "Your SLS service has been forbidden."; OSS: 403 `UserDisable`.
    Overdue,
    /// In debt, the other form. SLS: 403 `ProjectForbidden`; OSS: 403 `AbnormalBucketOwnerStatus`.
    Forbidden,
    /// Never opened. SLS: 401 `InvalidAccessKeyId` "Your SLS service has not opened."; OSS: 403 `UserDisable`.
    NotOpened,
    /// Closed for security reasons. SLS: as `Forbidden`; OSS: 403 `BucketDisable`.
    Disabled,
    /// Deleted or reclaimed. SLS: 404 `ProjectNotExist`; OSS: 404 `NoSuchBucket`.
    Gone,
}

impl Account {
    /// Status, code and message of the SLS error, unless the account is active.
    pub(crate) fn sls_error(self, project: &str) -> Option<(u16, &'static str, String)> {
        match self {
            Self::Active => None,
            Self::Overdue => Some((401, "Unauthorized", "Your SLS service has been forbidden.".to_owned())),
            Self::Forbidden | Self::Disabled => {
                Some((403, "ProjectForbidden", format!("The project {project} has been forbidden.")))
            }
            Self::NotOpened => Some((401, "InvalidAccessKeyId", "Your SLS service has not opened.".to_owned())),
            Self::Gone => Some((404, "ProjectNotExist", format!("The Project does not exist : {project}"))),
        }
    }

    /// Status, code and message of the OSS error, unless the account is active.
    pub(crate) fn oss_error(self) -> Option<(u16, &'static str, &'static str)> {
        match self {
            Self::Active => None,
            Self::Overdue | Self::NotOpened => Some((403, "UserDisable", "UserDisable")),
            Self::Forbidden => Some((403, "AbnormalBucketOwnerStatus", "The status of the bucket owner is abnormal.")),
            Self::Disabled => Some((403, "BucketDisable", "The bucket is disabled.")),
            Self::Gone => Some((404, "NoSuchBucket", "The specified bucket does not exist.")),
        }
    }
}
