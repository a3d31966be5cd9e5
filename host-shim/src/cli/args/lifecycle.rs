//! The commands about a Logstore's life and about proving it: their options, and what `--help` says of them.
//!
//! Must never open a file, read the environment or decide anything beyond the form of a value.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args as ClapArgs, Subcommand};

use super::{DataDirArg, Format, data_dir};
use crate::config::{self, DEFAULT_DATA_DIR};
use crate::lifecycle::day::parse_day;
use crate::lifecycle::retention::{DEFAULT_GRACE_HOURS, FOR_EVER, MAX_GRACE_HOURS, MIN_DAYS, Profile};

/// Options of `enable`.
#[derive(Debug, Clone, ClapArgs)]
pub struct EnableArgs {
    /// Configuration file that names the trail and the folder
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the Logstore; overrides `data_dir` of the configuration [default: ./innertrail-data]
    #[arg(long, value_name = "DIR", value_parser = data_dir)]
    pub data_dir: Option<PathBuf>,
    /// Name of the trail; not needed for a Logstore that is there
    #[arg(long, value_name = "NAME", value_parser = config::parse_trail, conflicts_with = "config")]
    pub trail: Option<String>,
    /// Reference of the entitlement, such as the number of the ticket that granted it; recorded, not checked
    #[arg(long, value_name = "REF", value_parser = short_text)]
    pub entitlement: Option<String>,
    /// Account of the trail, digits; recorded, not checked
    #[arg(long, value_name = "ID", value_parser = digits)]
    pub account: Option<String>,
    /// How long records are kept.
    #[command(flatten)]
    pub retention: RetentionWish,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// A retention that may be asked for.
#[derive(Debug, Clone, ClapArgs)]
pub struct RetentionWish {
    /// Days that records are kept; 3650 means for ever
    #[arg(long, value_name = "DAYS", value_parser = days(), conflicts_with = "profile")]
    pub retention: Option<u32>,
    /// Days that a rule asks for
    #[arg(long, value_enum, value_name = "PROFILE")]
    pub profile: Option<Profile>,
    /// Shorten the retention if this is less than now; it takes effect after 24 hours
    #[arg(long)]
    pub force_retention: bool,
}

impl RetentionWish {
    /// The days, if any are asked for.
    #[must_use]
    pub fn days(&self) -> Option<u32> {
        self.retention.or(self.profile.map(Profile::days))
    }
}

/// Options of `disable`.
#[derive(Debug, Clone, ClapArgs)]
pub struct DisableArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// Why; entered in the journal
    #[arg(long, value_name = "TEXT", value_parser = short_text)]
    pub reason: Option<String>,
}

/// What `retention` does.
#[derive(Debug, Clone, Subcommand)]
pub enum RetentionCommand {
    /// Say how long records are kept, and what is due to be dropped
    Show(RetentionArgs),
    /// Keep records for another time
    ///
    /// A longer time counts at once. A shorter one deletes records for good: it needs --force-retention, and takes effect
    /// after the grace; until then setting the old time again calls it off. Every change is in the journal.
    Set(RetentionSetArgs),
    /// Drop now what is too old
    ///
    /// `run` and `gate` do so when they start and every hour. This is for a Logstore that nothing runs on. Whole days go,
    /// by the UTC day on which their records were appended, each once its newest possible record is too old.
    Apply(RetentionArgs),
}

/// Options of `retention show` and `retention apply`.
#[derive(Debug, Clone, ClapArgs)]
pub struct RetentionArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Options of `retention set`.
#[derive(Debug, Clone, ClapArgs)]
pub struct RetentionSetArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// Days that records are kept; 3650 means for ever
    #[arg(value_name = "DAYS", value_parser = days(), required_unless_present = "profile", conflicts_with = "profile")]
    pub days: Option<u32>,
    /// Days that a rule asks for
    #[arg(long, value_enum, value_name = "PROFILE")]
    pub profile: Option<Profile>,
    /// Hours before a shorter time takes effect
    #[arg(long, value_name = "HOURS", default_value_t = DEFAULT_GRACE_HOURS,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_GRACE_HOURS)))]
    pub grace: u32,
    /// Shorten the retention if this is less than now
    #[arg(long)]
    pub force_retention: bool,
}

/// What `hold` does.
#[derive(Debug, Clone, Subcommand)]
pub enum HoldCommand {
    /// Keep days from being dropped until the hold is released
    ///
    /// Days are UTC days on which records were appended, not days of the events. Because days are dropped at the front
    /// only, what was appended after a held day is kept as well.
    Set(HoldSetArgs),
    /// Let the days of a hold go their way again
    Release(HoldArgs),
    /// Show the holds that are set
    List(RetentionArgs),
}

/// Options of `hold set`.
#[derive(Debug, Clone, ClapArgs)]
pub struct HoldSetArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// Name of the hold: letters, digits, `.`, `_`, `-`
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Why; entered in the journal
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// First day that is held [default: the beginning]
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    pub from: Option<NaiveDate>,
    /// Last day that is held [default: no end]
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    pub to: Option<NaiveDate>,
}

/// Options of `hold release`.
#[derive(Debug, Clone, ClapArgs)]
pub struct HoldArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// Name of the hold
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Options of `verify`.
#[derive(Debug, Clone, ClapArgs)]
pub struct VerifyArgs {
    /// Folder of the Logstore [default: ./innertrail-data]
    #[arg(long, value_name = "DIR", value_parser = data_dir, conflicts_with = "export")]
    pub data_dir: Option<PathBuf>,
    /// Folder that `innertrail export` made
    #[arg(long, value_name = "DIR", value_parser = data_dir)]
    pub export: Option<PathBuf>,
    /// Folder with a copy of what `mirror:` put below its prefix: proved up to the newest digest in it
    #[arg(long, value_name = "DIR", value_parser = data_dir, conflicts_with_all = ["export", "data_dir"])]
    pub mirror: Option<PathBuf>,
    /// Public key that must have sealed it: a file, or the key itself [default: seal/seal.vkey in the folder]
    #[arg(long, value_name = "FILE|KEY")]
    pub public_key: Option<String>,
    /// Checkpoint that was kept elsewhere, as `innertrail checkpoint` printed it in either form
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Form of the report
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

impl VerifyArgs {
    /// The folder to verify.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        let named = self.export.as_ref().or(self.mirror.as_ref()).or(self.data_dir.as_ref());
        named.cloned().unwrap_or_else(|| PathBuf::from(DEFAULT_DATA_DIR))
    }
}

/// Options of `export`.
#[derive(Debug, Clone, ClapArgs)]
pub struct ExportArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// First UTC day of appending
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    pub from: NaiveDate,
    /// Last UTC day of appending
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    pub to: NaiveDate,
    /// Folder to make; if it exists, it must be empty
    #[arg(long, value_name = "DIR", value_parser = data_dir)]
    pub out: PathBuf,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Options of `checkpoint`.
#[derive(Debug, Clone, ClapArgs)]
pub struct CheckpointArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// Print it as one line of base64
    #[arg(long)]
    pub line: bool,
}

/// Options of `proof`.
#[derive(Debug, Clone, ClapArgs)]
pub struct ProofArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// Id of the event: `eventId` or `EventID`
    #[arg(value_name = "EVENT_ID")]
    pub event_id: String,
}

fn days() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(i64::from(MIN_DAYS)..=i64::from(FOR_EVER))
}

pub(super) fn short_text(text: &str) -> Result<String, String> {
    match text.trim().len() {
        1..=1024 => Ok(text.trim().to_owned()),
        _ => Err("expected 1 to 1024 bytes of text".to_owned()),
    }
}

fn digits(text: &str) -> Result<String, String> {
    let fits = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { Ok(text.to_owned()) } else { Err("expected an account id of 1 to 32 digits".to_owned()) }
}
