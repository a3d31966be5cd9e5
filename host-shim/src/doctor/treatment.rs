//! What can be wrong, how bad it is, and what to do about it.
//!
//! It must never look at evidence: the same ailment has the same treatment wherever it was found.

use serde::Serialize;

use super::Severity;

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // The remedies below are the documentation.
pub enum Ailment {
    Setup,
    Name,
    Trust,
    Unreachable,
    NotTheService,
    ClockOff,
    ClockDrifts,
    NoCredentials,
    LongLivedKey,
    OldKey,
    CredentialsExpire,
    WrongKey,
    WrongSignature,
    NoRight,
    MayDelete,
    DeletionUnknown,
    Overdue,
    NotEntitled,
    Throttled,
    SourceGone,
    Paused,
    WrongEndpoint,
    ServiceFailing,
    Lagging,
    Silent,
    Gaps,
    TrailTroubled,
    TrailUnknown,
    DataDir,
    OpenDataDir,
    DiskFull,
    DiskSmall,
    ShortRetention,
    Disabled,
    BrokenRule,
    SinkWaiting,
    SinkBehind,
}

impl Ailment {
    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::ClockDrifts
            | Self::LongLivedKey
            | Self::OldKey
            | Self::MayDelete
            | Self::DeletionUnknown
            | Self::Throttled
            | Self::Lagging
            | Self::SinkBehind
            | Self::TrailUnknown
            | Self::OpenDataDir
            | Self::DiskSmall
            | Self::ShortRetention => Severity::Risk,
            _ => Severity::Problem,
        }
    }

    /// What to do.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Setup => "correct the options that the message names; `innertrail check` tells their place",
            Self::Name => {
                "correct `endpoint` or `region`, or the machine's name servers; inside a VPC set `network: internal`"
            }
            Self::Trust => {
                "if a proxy or a private service opens TLS here, give its authority as `connection.ca_file`; if not, \
                 somebody stands in between: do not go on"
            }
            Self::Unreachable => {
                "allow outgoing connections to the endpoint, or name the proxy in `https_proxy`; for a private link set \
                 `connection.address`"
            }
            Self::NotTheService => {
                "what answers is not the service: look at `endpoint`, `connection.address` and the proxy"
            }
            Self::ClockOff => {
                "set the machine's clock, and keep it right with NTP; signatures more than 15 minutes off are refused"
            }
            Self::ClockDrifts => "keep the clock right with NTP before the difference reaches 15 minutes",
            Self::NoCredentials => "put the credentials where `credentials:` says, or say where they are",
            Self::LongLivedKey => {
                "use credentials that expire: `ecs_ram_role` on an ECS instance, `oidc` in ACK, `assume_role` anywhere else"
            }
            Self::OldKey => {
                "make a new access key, put it into the file, and disable the old one; once in 90 days is the custom"
            }
            Self::CredentialsExpire => "see why they are not renewed: `last_error` of the credentials tells it",
            Self::WrongKey => "the key is not known, or disabled: put a valid one where `credentials:` says",
            Self::WrongSignature => "id and secret do not belong together, or the region is wrong: correct them",
            Self::NoRight => {
                "attach the policy that `innertrail policy` prints to the user or role; it takes a few minutes to act"
            }
            Self::MayDelete => {
                "take the right to delete away from the user or role: `innertrail policy` prints what is needed, and nothing \
                 of it deletes; only a RAM policy holds, a bucket policy does not bind users of the same account"
            }
            Self::DeletionUnknown => "look at the policies of the user or role yourself; nobody could be asked",
            Self::Overdue => "pay the bill before the date given; after it the provider deletes what was not read",
            Self::NotEntitled => {
                "open the service, or have the logs granted: platform events need a ticket or the sales manager"
            }
            Self::Throttled => "lower `requests_per_second` or `max_in_flight`, or ask for a higher quota",
            Self::SourceGone => {
                "find out who deleted it: that is evidence. If the name or region is wrong, correct the configuration"
            }
            Self::Paused => "see the reason; the source looks again by itself",
            Self::WrongEndpoint => "name the endpoint of the region in which the project or bucket is",
            Self::ServiceFailing => "wait and ask again; if it stays so, ask the provider with the request id",
            Self::Lagging => "see `innertrail status`: is a run going on, and do its counters grow?",
            Self::Silent => {
                "the provider has newer logs than the Logstore: start `innertrail run`, or see in `status` why it stands still"
            }
            Self::Gaps => {
                "`innertrail query --store journal` lists them; what is missing cannot be had from this source any more"
            }
            Self::TrailTroubled => {
                "look at the trail in ActionTrail's console: who stopped it is an event, and what it cannot deliver is lost to you"
            }
            Self::TrailUnknown => {
                "correct `actiontrail:`, or give the user the rights `actiontrail:GetTrailStatus` and \
                 `actiontrail:DescribeTrailDeliveryMetricData`"
            }
            Self::DataDir => "name a directory that can be written as `data_dir`",
            Self::OpenDataDir => "`chmod 700` the directory: quarantine holds what came in unredacted",
            Self::DiskFull => {
                "free space or move `data_dir`; a run stops when the disk is full, and goes on without loss"
            }
            Self::DiskSmall => "plan for more space, or a shorter retention",
            Self::ShortRetention => {
                "the law asks for six months in many places: `innertrail retention set --profile six-months` keeps 184 days"
            }
            Self::Disabled => "`innertrail enable` takes records again",
            Self::SinkWaiting => {
                "the reason says what the receiver lacks; it is tried again for ever, and nothing is lost until retention drops what \
                 waits"
            }
            Self::SinkBehind => {
                "start `innertrail run`, which delivers from there on; `innertrail status` tells the sink's position"
            }
            Self::BrokenRule => {
                "mend the rule where it says, or name it under `alerts.disable`; `innertrail alerts list --config` looks again"
            }
        }
    }
}
