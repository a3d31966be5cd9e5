//! The options of what looks at a running pipeline: `console`, `top`, `tap`.

use clap::{Args as ClapArgs, ValueEnum};

use super::super::tap::filter::Condition;
use super::{DataDirArg, Format, TailFormat};
use crate::config;

/// Options of `console`.
#[derive(Debug, Clone, ClapArgs)]
pub struct ConsoleArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// IP address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = config::CONSOLE_LISTEN)]
    pub listen: String,
    /// File of the token that who looks has to give, mode 0600
    #[arg(long, value_name = "FILE", value_parser = config::parse_path)]
    pub token_file: Option<String>,
    /// PEM file of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_key", value_parser = config::parse_path)]
    pub tls_certificate: Option<String>,
    /// PEM file of its private key
    #[arg(long, value_name = "FILE", requires = "tls_certificate", value_parser = config::parse_path)]
    pub tls_key: Option<String>,
    /// Serve without TLS on an address that others reach, because something in front does TLS
    #[arg(long)]
    pub plaintext: bool,
    /// Host name that browsers call it by, beside addresses and localhost; may be given several times
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `top`.
#[derive(Debug, Clone, ClapArgs)]
pub struct TopArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// End after the first frame, which takes a second; so does standard output that is no terminal, with text
    #[arg(long)]
    pub once: bool,
    /// Form of a frame: lines, or one JSON object
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Options of `tap`. What is not shown is counted by its cause, on standard error.
#[derive(Debug, Clone, ClapArgs)]
pub struct TapArgs {
    /// The room
    #[arg(value_enum, value_name = "ROOM")]
    pub room: Room,
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// Most records that are shown in an interval; what comes beyond is left out
    #[arg(short, long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Length of the interval in milliseconds
    #[arg(short, long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u32).range(50..=60_000))]
    pub interval: u32,
    /// End after so many records
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// End after so many seconds
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: Option<u64>,
    /// Show only what this source gave; for `sink`, only what this sink has taken
    #[arg(long, value_name = "NAME")]
    pub component: Option<String>,
    /// Show only records in which this field has this value, `*` for anything; may be given several times, and all must hold
    ///
    /// The name is a column as `tail --format json` shows it, a member of what the room says, or a path in the event
    /// (`userIdentity.type`). Secrets cannot be asked for: conditions are held against the masked record.
    #[arg(long = "where", value_name = "NAME=VALUE", value_parser = Condition::parse)]
    pub(crate) wanted: Vec<Condition>,
    /// Form of the records
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: TailFormat,
    /// Show secrets of `source`, `decode` and `classify` as they came
    ///
    /// These rooms stand before the one that masks. Without this option what the redact room masks is masked here too,
    /// because what is on a terminal ends in scroll-back, screenshots and tickets, where nothing masks it any more.
    #[arg(long)]
    pub unmasked: bool,
}

/// A room of the way of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Room {
    /// What sources gave, before it was understood
    Source,
    /// Whether it could be decoded
    Decode,
    /// What it is: family, actor, action, resource, outcome
    Classify,
    /// What was masked
    Redact,
    /// Where it goes, and why
    Route,
    /// What became durable in the dedicated Logstore
    Logstore,
    /// What passed untouched
    Passthrough,
    /// What was refused or could not be decoded
    Quarantine,
    /// What was done to the Logstore
    Journal,
    /// What a sink's receiver has taken
    Sink,
}
