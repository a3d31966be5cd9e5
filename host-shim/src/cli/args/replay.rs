//! Options of `replay`.

use clap::Args as ClapArgs;

use super::{ConfigArg, Format};

/// Options of `replay`.
#[derive(Debug, Clone, ClapArgs)]
pub struct ReplayArgs {
    /// Where the sink is configured.
    #[command(flatten)]
    pub config: ConfigArg,
    /// Name of the sink
    #[arg(long, value_name = "NAME")]
    pub sink: String,
    /// First record to send: its number (`it_seq`), `begin`, or the time it was received, such as 2026-11-01T00:00:00Z
    #[arg(long, value_name = "WHERE", value_parser = parse_where)]
    pub from: Where,
    /// Where to stop, in the same form; that record is not sent [default: what is durable now]
    #[arg(long, value_name = "WHERE", value_parser = parse_where, conflicts_with = "set_position")]
    pub to: Option<Where>,
    /// Send nothing, but make the sink itself go on there: it sends again what it has sent, or leaves out what it has not
    #[arg(long)]
    pub set_position: bool,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// A place in the dedicated Logstore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// The first record that is kept.
    Begin,
    /// The record of this number.
    Record(u64),
    /// The first record received then or later, microseconds UTC.
    Received(i64),
}

fn parse_where(text: &str) -> Result<Where, String> {
    if text == "begin" {
        return Ok(Where::Begin);
    }
    if let Ok(seq) = text.parse() {
        return Ok(Where::Record(seq));
    }
    let time = chrono::DateTime::parse_from_rfc3339(text);
    let told = "give a record's number, `begin`, or a time such as 2026-11-01T00:00:00Z";
    time.map(|time| Where::Received(time.timestamp_micros())).map_err(|_| told.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_number_a_word_or_a_time() {
        assert_eq!(parse_where("begin"), Ok(Where::Begin));
        assert_eq!(parse_where("17"), Ok(Where::Record(17)));
        assert_eq!(parse_where("1970-01-01T00:00:01+00:00"), Ok(Where::Received(1_000_000)));
        for bad in ["", "-1", "end", "2026-11-01", "yesterday"] {
            assert!(parse_where(bad).is_err(), "{bad}");
        }
    }
}
