//! The options of `alerts`.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args as ClapArgs, Subcommand};

use super::{ConfigArg, DataDirArg, Format};
use crate::config;
use crate::lifecycle::day::{DAY_US, parse_day};

/// Commands of `alerts`.
#[derive(Debug, Clone, Subcommand)]
pub enum AlertsCommand {
    /// List the rules, or tell all about those that are named
    ///
    /// Exits with 2 if a rule is broken; each is named with file, line and column.
    List(AlertsListArgs),
    /// Run the fixtures of the rules: events on which a rule fires, and events on which it stays silent
    ///
    /// The fixtures of a rule file `x.yml` are in a file of that name in a folder `fixtures`. Exits with 1 if one goes
    /// otherwise than it says, with 2 if a rule or a fixture is broken.
    Test(AlertsTestArgs),
    /// Say which rules fire on an event and which nearly do, and what is in the way of those
    ///
    /// Correlations count many events, so of one event it says which of them would count it.
    Explain(AlertsExplainArgs),
    /// Run the rules over the dedicated Logstore and the journal, and count what they would have told
    ///
    /// Reads files only, and may run beside `innertrail run`. Nothing is told to anybody. Rules for products that the
    /// Logstore does not hold (`route.products`) find nothing.
    Backtest(AlertsBacktestArgs),
    /// List what fired while `innertrail run` evaluated rules, and what is over
    ///
    /// Reads the journal, where each alert is an entry; may run beside `innertrail run`. With --format json each is a
    /// JSON object on a line of its own.
    Fired(AlertsFiredArgs),
    /// Send one message that says it is a trial to a channel of the configuration
    ///
    /// Nothing is kept of it, and a run may go on meanwhile. Exits with 1 if it is not taken, and says why.
    Try(AlertsTryArgs),
}

/// Which rules.
#[derive(Debug, Clone, ClapArgs)]
pub struct RulesArg {
    /// Configuration file whose `alerts:` says which rules, as `innertrail run` evaluates them
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rules", "no_pack", "parameters"])]
    pub config: Option<PathBuf>,
    /// Folder with rules of your own; may be given several times
    #[arg(long, value_name = "DIR", value_parser = folder)]
    pub rules: Vec<PathBuf>,
    /// Leave out the rules that are built in
    #[arg(long, requires = "rules")]
    pub no_pack: bool,
    /// Values of a rule's parameter in place of its defaults, such as expected_countries=CN,SG; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE,…", value_parser = parameter)]
    pub parameters: Vec<(String, Vec<String>)>,
}

/// Options of `alerts list`.
#[derive(Debug, Clone, ClapArgs)]
pub struct AlertsListArgs {
    /// Which rules.
    #[command(flatten)]
    pub rules: RulesArg,
    /// Names of rules to tell all about
    #[arg(value_name = "RULE")]
    pub names: Vec<String>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Options of `alerts test`.
#[derive(Debug, Clone, ClapArgs)]
pub struct AlertsTestArgs {
    /// Which rules.
    #[command(flatten)]
    pub rules: RulesArg,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Options of `alerts explain`.
#[derive(Debug, Clone, ClapArgs)]
pub struct AlertsExplainArgs {
    /// Which rules.
    #[command(flatten)]
    pub rules: RulesArg,
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// A file with one event as JSON, or the id of an event in the Logstore
    #[arg(value_name = "EVENT")]
    pub event: String,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Options of `alerts backtest`.
#[derive(Debug, Clone, ClapArgs)]
pub struct AlertsBacktestArgs {
    /// Which rules.
    #[command(flatten)]
    pub rules: RulesArg,
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// First day or time, by the time of the event (UTC) [default: all]
    #[arg(long, value_name = "DAY|TIME", value_parser = moment)]
    pub from: Option<Moment>,
    /// Last day, or a time to stop before [default: all]
    #[arg(long, value_name = "DAY|TIME", value_parser = moment)]
    pub to: Option<Moment>,
    /// How many firings of each rule are told
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub first: u32,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Options of `alerts fired`.
#[derive(Debug, Clone, ClapArgs)]
pub struct AlertsFiredArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// First day or time, by when it fired (UTC) [default: all]
    #[arg(long, value_name = "DAY|TIME", value_parser = moment)]
    pub since: Option<Moment>,
    /// Alerts of this rule alone
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Options of `alerts try`.
#[derive(Debug, Clone, ClapArgs)]
pub struct AlertsTryArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArg,
    /// The channel, as `alerts.channels` names it
    #[arg(value_name = "CHANNEL")]
    pub channel: String,
}

/// A day or a time, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A whole day.
    Day(NaiveDate),
    /// Microseconds since 1970.
    Time(i64),
}

impl Moment {
    /// Where it begins, microseconds since 1970.
    #[must_use]
    pub fn begin_us(self) -> i64 {
        match self {
            Self::Day(day) => day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros(),
            Self::Time(us) => us,
        }
    }

    /// Where what it bounds ends: a day is a part of it, a time is not.
    #[must_use]
    pub fn end_us(self) -> i64 {
        match self {
            Self::Day(_) => self.begin_us().saturating_add(DAY_US),
            Self::Time(us) => us,
        }
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(day) = parse_day(text) {
        return Ok(Moment::Day(day));
    }
    let time = chrono::DateTime::parse_from_rfc3339(text);
    let told = "give a day such as 2026-11-01, or a time such as 2026-11-01T08:00:00Z";
    time.map(|time| Moment::Time(time.timestamp_micros())).map_err(|_| told.to_owned())
}

fn folder(text: &str) -> Result<PathBuf, String> {
    config::parse_path(text).map(PathBuf::from)
}

fn parameter(text: &str) -> Result<(String, Vec<String>), String> {
    let told = "give a name, `=`, and values with commas between them, such as expected_countries=CN,SG";
    let (name, values) = text.split_once('=').filter(|(name, _)| !name.trim().is_empty()).ok_or(told)?;
    let values: Vec<String> = values.split(',').map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()).collect();
    if values.is_empty() { Err(told.to_owned()) } else { Ok((name.trim().to_owned(), values)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_whole_and_a_time_is_a_point() {
        let day = moment("2026-06-15").unwrap();
        assert_eq!((day.begin_us(), day.end_us()), (1_781_481_600_000_000, 1_781_568_000_000_000));
        let time = moment("2026-06-15T08:00:00+08:00").unwrap();
        assert_eq!((time.begin_us(), time.end_us()), (1_781_481_600_000_000, 1_781_481_600_000_000));
        assert!(moment("yesterday").is_err() && moment("2026-6-1").is_err());
    }

    #[test]
    fn a_parameter_has_values() {
        assert_eq!(parameter("a=x, y").unwrap(), ("a".to_owned(), vec!["x".to_owned(), "y".to_owned()]));
        for wrong in ["a", "a=", "=x", "a=,"] {
            assert!(parameter(wrong).is_err(), "{wrong}");
        }
    }
}
