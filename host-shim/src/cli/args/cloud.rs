//! The commands about sources in the cloud: their options, and what `--help` says of them.
//!
//! Must never open a file, read the environment or decide anything beyond the form of a value.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args as ClapArgs, ValueEnum};

use super::{ConfigArg, DataDirArg, Format, data_dir};
use crate::lifecycle::day::parse_day;
use crate::policy;

/// Options of `doctor`.
#[derive(Debug, Clone, ClapArgs)]
pub struct DoctorArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArg,
    /// Folder of the Logstore; overrides `data_dir` of the configuration
    #[arg(long, value_name = "DIR", value_parser = data_dir)]
    pub data_dir: Option<PathBuf>,
    /// Ask no service; look at this machine alone
    #[arg(long)]
    pub offline: bool,
    /// Form of the findings
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Options of `policy`.
#[derive(Debug, Clone, ClapArgs)]
pub struct PolicyArgs {
    /// Service whose sources it is for, or the mirror
    #[arg(value_enum, value_name = "SERVICE")]
    pub service: Service,
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArg,
}

/// What a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Service {
    /// Log Service
    Sls,
    /// OSS
    Oss,
    /// The bucket of `mirror:`
    Mirror,
}

impl Service {
    /// The type of its sources, or the section of the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sls => "sls",
            Self::Oss => "oss",
            Self::Mirror => "mirror",
        }
    }
}

impl From<Service> for policy::Service {
    fn from(service: Service) -> Self {
        match service {
            Service::Sls => Self::Sls,
            Service::Oss => Self::Oss,
            Service::Mirror => Self::Mirror,
        }
    }
}

/// Options of `reconcile`.
#[derive(Debug, Clone, ClapArgs)]
pub struct ReconcileArgs {
    /// Configuration whose `actiontrail:` says how ActionTrail itself is asked what it delivered
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// First day, UTC
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    pub from: NaiveDate,
    /// Last day, UTC
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    pub to: NaiveDate,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}
