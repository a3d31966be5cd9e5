//! Options of the commands that are about log agents.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::{ConfigArg, Format};

/// Options of `agent-config`.
#[derive(Debug, Clone, ClapArgs)]
pub struct AgentConfigArgs {
    /// The agent
    #[arg(value_name = "AGENT", required_unless_present = "list",
        value_parser = ["vector", "fluent-bit", "otelcol", "alloy", "rsyslog", "syslog-ng", "loongcollector", "fluentd", "rotel"])]
    pub agent: Option<String>,
    /// The way to it, as --list names it [default: the first one of the agent]
    #[arg(long, value_name = "SEAM", requires = "agent")]
    pub seam: Option<String>,
    /// Print one half only [default: both]
    #[arg(long, value_enum, value_name = "PART")]
    pub part: Option<BlockPart>,
    /// List the ways, of all agents or of one, with what each promises
    #[arg(long, conflicts_with_all = ["seam", "part"])]
    pub list: bool,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// A half of what `agent-config` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BlockPart {
    /// What goes into the agent's configuration
    Agent,
    /// What goes into innertrail's
    Innertrail,
}

/// Options of `check`.
#[derive(Debug, Clone, ClapArgs)]
pub struct CheckArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArg,
    /// Configuration files of Vector, all that it reads: YAML, TOML or JSON by their ending
    ///
    /// A file with one component alone, as `--config-dir` has them, has to lie in a folder `sources`, `transforms`, `sinks` or
    /// `enrichment_tables`.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub agent_config: Vec<PathBuf>,
    /// The sink that innertrail's events go to; may be given several times [default: found, see below]
    ///
    /// Without it every sink counts that an event can reach from a source of innertrail; where a condition on `it_seal`
    /// stands on the way of some of them, only those. A condition counts that no event without the mark can pass:
    /// `exists(.it_seal)`, `.it_seal != null`, `!is_null(.it_seal)`, `is_string(.it_seal)`, joined to others by `&&`. Sinks of
    /// type `blackhole` and `console` never count by themselves.
    #[arg(long, value_name = "NAME", requires = "agent_config")]
    pub dedicated_sink: Vec<String>,
    /// The source through which innertrail's events come; may be given several times [default: found, see below]
    ///
    /// Without it these count: a source of type `vector`, `exec`, `file`, `file_descriptor`, `fluent`, `opentelemetry` or `stdin`
    /// whose name is `innertrail` or begins with `innertrail_`, an `exec` source that runs `innertrail`, a `vector` source on
    /// port 6000 of the loopback address, and, where the gate sends, one on 6002 or an `opentelemetry` source on 4320. What comes
    /// from the gate is not all sealed: behind it a sink counts only past a condition on `it_seal`.
    #[arg(long, value_name = "NAME", requires = "agent_config")]
    pub dedicated_source: Vec<String>,
    /// Form of the findings
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}
