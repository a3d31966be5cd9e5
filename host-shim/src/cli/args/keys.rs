//! The command about access keys of the API: its options, and what `--help` says of them.
//!
//! Must never open a file or take a secret on the command line.

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::lifecycle::short_text;
use super::{DataDirArg, Format};

/// What `keys` does.
#[derive(Debug, Clone, Subcommand)]
pub enum KeysCommand {
    /// Make an access key, and print its id and secret
    ///
    /// The secret is shown this once. It stands in `api-keys.json` of the data directory, readable by its owner alone and as it is:
    /// a signature cannot be checked with less. A running `innertrail run` takes the key within a second.
    Add(KeysAddArgs),
    /// Show the access keys, without their secrets
    List(KeysListArgs),
    /// Make an access key invalid, also for an `innertrail run` that goes on
    Revoke(KeysRevokeArgs),
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyRole {
    /// Read: metadata, records, searches
    Reader,
    /// The same, and make and move consumer groups
    Consumer,
    /// The same, and lengthen the retention
    Administrator,
}

/// Options of `keys add`.
#[derive(Debug, Clone, ClapArgs)]
pub struct KeysAddArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// What it may do; none may write
    #[arg(long, value_enum, value_name = "ROLE")]
    pub role: KeyRole,
    /// What you call it; shown by `keys list`, not entered in the journal
    #[arg(long, value_name = "TEXT", value_parser = short_text)]
    pub name: Option<String>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Options of `keys list`.
#[derive(Debug, Clone, ClapArgs)]
pub struct KeysListArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Options of `keys revoke`.
#[derive(Debug, Clone, ClapArgs)]
pub struct KeysRevokeArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// Id of the key
    #[arg(value_name = "KEY-ID")]
    pub id: String,
}
