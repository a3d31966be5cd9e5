//! The command about access keys of the API: its options, and what `--help` says of them.
//!
//! Must never open a file or take a secret on the command line.

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use innertrail_api::auth::LONGEST_US;

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
    /// Make a temporary key that is valid for so long, such as 12h; units are s, m, h and d, at most 7d. Its security token is sent with
    /// each request, as one of STS is
    #[arg(long, value_name = "TIME", value_parser = life)]
    pub valid_for: Option<i64>,
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

/// Microseconds of a number and a unit.
fn life(text: &str) -> Result<i64, String> {
    let bad = || "expected a number and one of s, m, h, d, from 1s to 7d".to_owned();
    let unit = text.chars().last().ok_or_else(bad)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(bad()),
    };
    let number = text.get(..text.len() - unit.len_utf8()).filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
    let number: i64 = number.and_then(|n| n.parse().ok()).ok_or_else(bad)?;
    let life = number.checked_mul(seconds).and_then(|n| n.checked_mul(1_000_000));
    life.filter(|life| (1..=LONGEST_US).contains(life)).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_a_number_and_a_unit() {
        for (text, seconds) in [("1s", 1), ("90m", 5_400), ("12h", 43_200), ("7d", 604_800)] {
            assert_eq!(life(text), Ok(seconds * 1_000_000), "{text}");
        }
        for bad in ["", "s", "0s", "8d", "169h", "-1h", "+1h", "1", "1 h", "1.5h", "1w", "é", "9223372036854775807d"] {
            assert!(life(bad).is_err(), "{bad}");
        }
    }
}
