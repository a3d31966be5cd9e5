//! The options of `charts`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::{DataDirArg, Format};

/// Commands of `charts`.
#[derive(Debug, Clone, Subcommand)]
pub enum ChartsCommand {
    /// List packs and copies, with their versions, and copies whose pack has changed since
    ///
    /// Exits with 2 if a file among them is none; each is named with file, line and column.
    List(ChartsListArgs),
    /// Make a copy of a pack that is yours to change: a file that no update touches
    Copy(ChartsCopyArgs),
    /// Install a newer version of a pack, or a pack that is new, from its file
    ///
    /// Each of its questions is asked of the Logstore first, where there is one; what cannot be asked is named, and nothing
    /// is installed. Copies stay as they are.
    Update(ChartsUpdateArgs),
    /// Print a pack or a copy in the form that another program reads
    Export(ChartsExportArgs),
}

/// Options of `charts list`.
#[derive(Debug, Clone, ClapArgs)]
pub struct ChartsListArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Options of `charts copy`.
#[derive(Debug, Clone, ClapArgs)]
pub struct ChartsCopyArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// The pack, or a copy
    #[arg(value_name = "PACK")]
    pub pack: String,
    /// Name of the copy: 2 to 63 small letters, digits and hyphens
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Options of `charts update`.
#[derive(Debug, Clone, ClapArgs)]
pub struct ChartsUpdateArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// File of the pack
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Options of `charts export`.
#[derive(Debug, Clone, ClapArgs)]
pub struct ChartsExportArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// The pack, or a copy
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Which program reads it
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    pub to: ChartsForm,
    /// What stands before `log`, `journal` and `quarantine` in the names of ClickHouse's tables
    #[arg(long, value_name = "PREFIX", default_value = "innertrail.", value_parser = prefix)]
    pub table_prefix: String,
}

/// Form of an exported pack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ChartsForm {
    /// The pack's own file
    #[default]
    Pack,
    /// A dashboard as Log Service's API gives it
    LogService,
    /// A dashboard of Grafana over Log Service's data source, which can be this Logstore's `api:`
    GrafanaLogService,
    /// A dashboard of Grafana over ClickHouse and the Parquet segments
    GrafanaClickhouse,
}

fn prefix(text: &str) -> Result<String, String> {
    if text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'`')) {
        return Ok(text.to_owned());
    }
    Err("letters, digits, `_`, `.` and backticks, at most 128 of them, such as `innertrail.`".to_owned())
}
