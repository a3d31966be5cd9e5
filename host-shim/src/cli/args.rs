//! The command line of `innertrail`: every command, option and default, and what `--help` says of them.
//!
//! Must never open a file, read the environment or decide anything beyond the form of a value.

mod agents;
mod alerts;
mod charts;
mod cloud;
mod keys;
mod lifecycle;
mod live;
mod replay;

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::{self, DEFAULT_DATA_DIR, GateCodec};
use crate::exit;
use crate::gate::Dialect;

pub use agents::{AgentConfigArgs, BlockPart, CheckArgs};
pub use alerts::{
    AlertsBacktestArgs, AlertsCommand, AlertsExplainArgs, AlertsFiredArgs, AlertsListArgs, AlertsTestArgs,
    AlertsTryArgs, Moment, RulesArg,
};
pub use charts::{ChartsCommand, ChartsCopyArgs, ChartsExportArgs, ChartsForm, ChartsListArgs, ChartsUpdateArgs};
pub use cloud::{DoctorArgs, PolicyArgs, ReconcileArgs, Service};
pub use keys::{KeyRole, KeysAddArgs, KeysCommand, KeysListArgs, KeysRevokeArgs};
pub use lifecycle::{
    CheckpointArgs, DisableArgs, EnableArgs, ExportArgs, HoldArgs, HoldCommand, HoldSetArgs, ProofArgs, RetentionArgs,
    RetentionCommand, RetentionSetArgs, VerifyArgs,
};
pub use live::{ConsoleArgs, Room, TapArgs, TopArgs};
pub use replay::{ReplayArgs, Where};

/// The configuration file that is read when none is named, in the working directory.
pub const DEFAULT_CONFIG: &str = "innertrail.yaml";

/// The audit trail of Alibaba Cloud OSS, sealed in one dedicated Logstore, readable by standard tools.
#[derive(Debug, Parser)]
#[command(name = "innertrail", version, after_help = exit::HELP, max_term_width = 100, arg_required_else_help = false)]
pub struct Args {
    /// What all commands take.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Form of the log lines on standard error
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Log more; twice for even more
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Log errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Pull operation logs from the sources and seal them in the dedicated Logstore
    ///
    /// A Logstore that was never enabled is enabled first, with 180 days of retention or what the configuration says.
    /// With --config the sources of that file are read. With --include, and no file, the named files are: everything
    /// else is then at its default. With neither, `innertrail.yaml` in the working directory is the configuration. The API
    /// of `api:`, the console of `console:` and servers of `gate:` are started too, but not with --once; with one of them it goes on
    /// until it is told to stop.
    /// What is sealed is copied to the bucket of `mirror:` meanwhile; a run that ends by itself waits for the rest of it.
    /// Rules of `alerts:` are evaluated over what is durable, and what fires is entered in the journal.
    Run(RunArgs),
    /// Route the events of an agent, from standard input to standard output
    ///
    /// Only operation logs that bear a valid seal of this trail reach the dedicated Logstore; anything else that is
    /// addressed to it goes to quarantine, and all other events pass unchanged.
    Gate(GateArgs),
    /// Check a configuration file and start nothing
    ///
    /// Prints the component's size, SHA-256 and imports, and how many files each source matches. A file that cannot be
    /// used is told as file:line:column with what to do about it, exit code 2; anything else worth a look, exit code 1.
    ///
    /// With --agent-config the topology of Vector is checked instead: whether anything but innertrail can reach the sink
    /// that its events go to, whether that sink acknowledges, whether an event is doubled on the way. A condition, a program
    /// or a transform on that way that is not understood is a finding. With --config as well, both are checked.
    Check(CheckArgs),
    /// Print the configuration that connects a log agent, both halves of it
    ///
    /// First the agent's block, to be put into the named file, then innertrail's. The first lines say what this way
    /// promises, what can be lost on it, and how that is known. Nothing is read and nothing is asked.
    AgentConfig(AgentConfigArgs),
    /// Run your own events through the rooms and hold the result against what you expect
    ///
    /// Each PATH is a folder of fixtures, or one fixture. Exits with 1 if any differs.
    Test(TestArgs),
    /// Look for what is wrong around a run, and say what to do about it
    ///
    /// Asks each service of the configuration: name, TLS, clock, signature, rights, state of the account, lag; and that the
    /// credentials can not delete what they read. Looks at this machine: folder, space, retention. Changes nothing. Each
    /// finding has its remedy. Exits with 1 if anything is found.
    Doctor(DoctorArgs),
    /// Print the least RAM policy that the sources of a configuration need
    Policy(PolicyArgs),
    /// Say whether a span of days is complete, or list what is missing
    ///
    /// Holds what object names promised against what was read, and lists the gaps that sources reported, by source and
    /// UTC day. With --config ActionTrail itself is asked what it delivered. Exits with 1 if anything is missing.
    Reconcile(ReconcileArgs),
    /// Make the Logstore of a trail, or enable it again, and say how long it keeps records
    ///
    /// Without --retention records are kept for 180 days. Enabling again sets 180 days too, unless that would shorten what
    /// is kept: then it stays. The entitlement and the account are recorded as given and never checked with Alibaba
    /// Cloud; whether an account is overdue or not entitled is known once a source says so. Prints the public key and a
    /// checkpoint: keep both somewhere else.
    Enable(EnableArgs),
    /// Append nothing to a Logstore any more
    ///
    /// `run` and `gate` refuse it until it is enabled again. What it holds stays until it expires, and stays readable.
    Disable(DisableArgs),
    /// Show or change for how long records are kept
    #[command(subcommand)]
    Retention(RetentionCommand),
    /// Keep days from being dropped, however old they are
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Make, list and revoke the access keys that SDKs read the Logstore with
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Say what a Logstore holds, how far the sources are, and what stands still
    Status(StatusArgs),
    /// Check that nothing in a Logstore, or in an export, was changed, added, removed or reordered
    ///
    /// Reads files only, and may run beside `innertrail run`. Without --public-key the key is taken from the folder
    /// itself, which proves that the files fit together but not who sealed them. Only a checkpoint that was kept
    /// elsewhere shows that the whole folder was put back to an older state or signed anew. Exits with 1 if anything is
    /// found.
    Verify(VerifyArgs),
    /// Copy sealed days of the dedicated Logstore, with what proves them, into a folder
    Export(ExportArgs),
    /// Print the newest checkpoint, to be kept somewhere else
    Checkpoint(CheckpointArgs),
    /// Print the proof that an event is in the dedicated Logstore
    ///
    /// A text after c2sp.org/tlog-proof: the event's index, the hashes on its way to the root, and the signed checkpoint.
    Proof(ProofArgs),
    /// Ask a Logstore: `search | SQL`, a search, or one SELECT
    ///
    /// The Logstore is opened read-only; it may be in use by `innertrail run` at the same time.
    Query(QueryArgs),
    /// Send records of the dedicated Logstore to a sink again
    ///
    /// The sink's own position stays where it is, and a run may go on meanwhile. What the receiver refuses for good is
    /// named at the end, and the exit code is 1. With --set-position nothing is sent: the sink itself goes on there.
    ///
    /// To a `spool` sink the records are written into files of their own, `<prefix>-replay-<number>.ndjson` in the same folder, where an
    /// agent that reads `*.ndjson` finds them. No run deletes those, whatever `keep_hours` says.
    Replay(ReplayArgs),
    /// Show a Logstore in a browser, beside a run or without one
    ///
    /// The Logstore is opened read-only. The address is printed; the command goes on until it is told to stop. On an address of this
    /// machine alone no token is needed: then whoever has a login on this machine may look.
    Console(ConsoleArgs),
    /// Print the newest records
    Tail(TailArgs),
    /// Watch a Logstore by the second: sources, rooms and sinks with their rates
    ///
    /// Reads files only, so it works beside a run and without one. On a terminal the view is drawn anew each second until
    /// Ctrl-C; elsewhere it ends after one frame. With --format json there is one object a second.
    Top(TopArgs),
    /// Show a sample of what goes through a room of a running `innertrail run`
    ///
    /// Rooms behind the write-ahead log (logstore, passthrough, quarantine, journal, sink) are read from its files. For
    /// source, decode, classify, redact and route the run gives samples of raw frames over a socket in the data directory,
    /// which only its owner can open, and this process takes them through the same rooms once more. The run is never kept
    /// waiting: what a tap does not take is left out.
    Tap(TapArgs),
    /// Tell what each room did with one event and why, which rules fire on it, what was told of it, and what proves it
    Explain(ExplainArgs),
    /// Alert rules: list them, test them, hold them against an event, or against what the Logstore holds
    #[command(subcommand)]
    Alerts(AlertsCommand),
    /// Chart packs: list them, copy one to change it, update them, export them for Grafana
    #[command(subcommand)]
    Charts(ChartsCommand),
    /// Print the JSON Schema of the configuration file
    Schema,
    /// Print the completions of a shell
    Completions(CompletionsArgs),
}

/// Options of `run`.
#[derive(Debug, Clone, ClapArgs)]
pub struct RunArgs {
    /// Configuration file [default: innertrail.yaml, unless --include is given]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the Logstore and the checkpoints; overrides `data_dir` of the configuration
    #[arg(long, value_name = "DIR", value_parser = data_dir)]
    pub data_dir: Option<PathBuf>,
    /// End when all was read, instead of waiting for more
    #[arg(long)]
    pub once: bool,
    /// Files to read, without a configuration file; may be given several times
    #[arg(long, value_name = "GLOB", value_parser = config::parse_path, conflicts_with = "config")]
    pub include: Vec<String>,
    /// Name of the trail for --include [default: quickstart]
    #[arg(long, value_name = "NAME", value_parser = config::parse_trail, conflicts_with = "config", requires = "include")]
    pub trail: Option<String>,
    /// Form of what is printed at the end
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

impl RunArgs {
    /// The file to read; `None` when the files on the command line take its place.
    #[must_use]
    pub fn config_path(&self) -> Option<&Path> {
        self.include.is_empty().then(|| self.config.as_deref().unwrap_or(Path::new(DEFAULT_CONFIG)))
    }
}

/// Options of `gate`.
#[derive(Debug, Clone, ClapArgs)]
pub struct GateArgs {
    /// Encoding of the events, in and out; overrides `gate.codec` of the configuration
    #[arg(long, value_enum, value_name = "CODEC")]
    pub codec: Option<GateCodec>,
    /// Take one message a line and answer each with a line, in place of handing events back
    ///
    /// A message is a JSON event, or an object with `log` alone as `tail --format native_json` writes it, or text. Log lines
    /// of the gate itself are left out except errors, because some agents read them as answers.
    #[arg(long, value_enum, value_name = "DIALECT", conflicts_with = "codec")]
    pub dialect: Option<Dialect>,
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArg,
    /// Folder of the Logstore; overrides `data_dir` of the configuration
    #[arg(long, value_name = "DIR", value_parser = data_dir)]
    pub data_dir: Option<PathBuf>,
}

/// Options of `test`.
#[derive(Debug, Clone, ClapArgs)]
pub struct TestArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArg,
    /// Folders of fixtures, or fixtures
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// Options of `status`.
#[derive(Debug, Clone, ClapArgs)]
pub struct StatusArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Options of `query`.
#[derive(Debug, Clone, ClapArgs)]
pub struct QueryArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// Store to ask
    #[arg(long, value_enum, default_value_t, value_name = "STORE")]
    pub store: Store,
    /// Form of the rows
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: QueryFormat,
    /// Seconds after which the query is given up
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout_secs: u64,
    /// Most rows that are printed; what is left out is said on standard error
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub max_rows: u64,
    /// The query: `serviceName:Oss and not errorCode:* | SELECT count(1)`, a search alone, or one SELECT
    #[arg(value_name = "SQL")]
    pub sql: String,
}

/// Options of `tail`.
#[derive(Debug, Clone, ClapArgs)]
pub struct TailArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// Store to read
    #[arg(long, value_enum, default_value_t, value_name = "STORE")]
    pub store: Store,
    /// Records to begin with
    #[arg(short = 'n', value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    pub lines: u64,
    /// Go on with new records as they become durable
    #[arg(short, long)]
    pub follow: bool,
    /// Go on where this consumer group stopped, and remember how far it came; a new group begins with the newest N records
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Form of the records
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: TailFormat,
    /// How the reader at the other end talks
    #[arg(long, value_enum, default_value_t, value_name = "DIALECT")]
    pub dialect: TailDialect,
}

/// Options of `explain`.
#[derive(Debug, Clone, ClapArgs)]
pub struct ExplainArgs {
    /// Where the Logstore is.
    #[command(flatten)]
    pub data: DataDirArg,
    /// Which rules it is held against.
    #[command(flatten)]
    pub rules: RulesArg,
    /// Id of the event: `eventId` or `EventID`
    #[arg(value_name = "EVENT_ID")]
    pub event_id: String,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Options of `completions`.
#[derive(Debug, Clone, ClapArgs)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// A configuration file that may be left to its default place.
#[derive(Debug, Clone, ClapArgs)]
pub struct ConfigArg {
    /// Configuration file [default: innertrail.yaml]
    #[arg(long = "config", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

impl ConfigArg {
    /// The named file, or the default one.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(DEFAULT_CONFIG))
    }
}

/// The folder of a Logstore that is only read.
#[derive(Debug, Clone, ClapArgs)]
pub struct DataDirArg {
    /// Folder of the Logstore
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA_DIR, value_parser = data_dir)]
    pub data_dir: PathBuf,
}

/// Form of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs: one JSON document
    Json,
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// For programs: one JSON object a line
    Json,
}

/// Form of the rows of a query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum QueryFormat {
    /// A table for people
    #[default]
    Text,
    /// One JSON array
    Json,
    /// One JSON object a line
    Ndjson,
    /// Comma-separated values with a header
    Csv,
}

/// Form of the records of `tail`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum TailFormat {
    /// One line a record, for people
    #[default]
    Text,
    /// The event as JSON, one a line
    Json,
    /// Vector's `native_json`, one a line
    NativeJson,
}

/// How the reader of `tail` talks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TailDialect {
    /// Not at all: what was written counts as read, and is lost when the reader dies with it
    #[default]
    Plain,
    /// rsyslog's `improg`: START, then ACK for each record, STOP; follows, and the group moves with the ACKs
    Improg,
}

/// A store under the data folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Store {
    /// The dedicated Logstore
    #[default]
    Log,
    /// What was refused or could not be decoded, raw
    Quarantine,
    /// What passed untouched
    Passthrough,
    /// What was done to the Logstore
    Journal,
}

impl From<Store> for innertrail_logstore::Store {
    fn from(store: Store) -> Self {
        match store {
            Store::Log => Self::Log,
            Store::Quarantine => Self::Quarantine,
            Store::Passthrough => Self::Passthrough,
            Store::Journal => Self::Journal,
        }
    }
}

fn data_dir(text: &str) -> Result<PathBuf, String> {
    config::parse_path(text).map(PathBuf::from)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("innertrail").chain(line.split(' ').filter(|word| !word.is_empty())))
    }

    #[test]
    fn definition_is_consistent() {
        Args::command().debug_assert();
    }

    /// The long help of every command, one snapshot each, at a fixed width.
    #[test]
    fn help_of_every_command() {
        let mut root = Args::command().term_width(100);
        root.build();
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| {
            insta::assert_snapshot!("help", root.render_long_help().to_string());
            for command in root.get_subcommands_mut().filter(|command| command.get_name() != "help") {
                let name = format!("help_{}", command.get_name());
                insta::assert_snapshot!(name.clone(), command.render_long_help().to_string());
                for below in command.get_subcommands_mut().filter(|command| command.get_name() != "help") {
                    let name = format!("{name}_{}", below.get_name());
                    insta::assert_snapshot!(name, below.render_long_help().to_string());
                }
            }
        });
    }

    #[test]
    fn a_run_reads_a_file_or_the_named_globs() {
        let path = |line: &str| match parse(line).unwrap().command {
            Command::Run(run) => run.config_path().map(Path::to_owned),
            _ => panic!("not run"),
        };
        assert_eq!(path("run"), Some(DEFAULT_CONFIG.into()));
        assert_eq!(path("run --config c.yaml --once"), Some("c.yaml".into()));
        assert_eq!(path("run --include a --include b --trail oss-audit"), None);
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        let before = parse("-vv --log-format json schema").unwrap().global;
        let after = parse("schema -vv --log-format json").unwrap().global;
        assert_eq!((before.verbose, before.log_format), (2, LogFormat::Json));
        assert_eq!((after.verbose, after.log_format), (2, LogFormat::Json));
    }

    #[test]
    fn query_and_tail_take_what_they_say() {
        let query = parse("query --store quarantine --format ndjson --max-rows 5 --timeout-secs 2 SELECT").unwrap();
        let Command::Query(query) = query.command else { panic!("not query") };
        assert_eq!((query.store, query.format), (Store::Quarantine, QueryFormat::Ndjson));
        assert_eq!((query.max_rows, query.timeout_secs, query.sql.as_str()), (5, 2, "SELECT"));
        assert_eq!(query.data.data_dir, Path::new(DEFAULT_DATA_DIR));
        let Command::Tail(tail) = parse("tail -n 0 -f --format native_json").unwrap().command else {
            panic!("not tail")
        };
        assert_eq!((tail.lines, tail.follow, tail.format), (0, true, TailFormat::NativeJson));
    }

    #[test]
    fn wrong_lines_are_refused_as_usage() {
        let table = [
            ("", ErrorKind::MissingSubcommand),
            ("seal", ErrorKind::InvalidSubcommand),
            ("enable --retention 0", ErrorKind::ValueValidation),
            ("enable --retention 3651", ErrorKind::ValueValidation),
            ("enable --retention 90 --profile pci", ErrorKind::ArgumentConflict),
            ("enable --config c --trail main-trail", ErrorKind::ArgumentConflict),
            ("enable --account 12x", ErrorKind::ValueValidation),
            ("retention set", ErrorKind::MissingRequiredArgument),
            ("retention set 90 --profile pci", ErrorKind::ArgumentConflict),
            ("retention set 90 --grace 0", ErrorKind::ValueValidation),
            ("hold set case", ErrorKind::MissingRequiredArgument),
            ("hold set case --reason x --from today", ErrorKind::ValueValidation),
            ("verify --export a --data-dir b", ErrorKind::ArgumentConflict),
            ("export --from 2026-01-01 --to 2026-01-02", ErrorKind::MissingRequiredArgument),
            ("proof", ErrorKind::MissingRequiredArgument),
            ("run --config a --include b", ErrorKind::ArgumentConflict),
            ("run --trail oss-audit", ErrorKind::MissingRequiredArgument),
            ("run --include a --trail main", ErrorKind::ValueValidation),
            ("run --data-dir=", ErrorKind::ValueValidation),
            ("gate --codec yaml", ErrorKind::InvalidValue),
            ("gate --codec json --dialect omprog", ErrorKind::ArgumentConflict),
            ("check --dedicated-sink x", ErrorKind::MissingRequiredArgument),
            ("agent-config --list --part agent", ErrorKind::ArgumentConflict),
            ("query --max-rows 0 x", ErrorKind::ValueValidation),
            ("query", ErrorKind::MissingRequiredArgument),
            ("alerts", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
            ("alerts explain", ErrorKind::MissingRequiredArgument),
            ("alerts backtest --from yesterday", ErrorKind::ValueValidation),
            ("alerts list --set countries", ErrorKind::ValueValidation),
            ("alerts list --config a.yaml --rules b", ErrorKind::ArgumentConflict),
            ("alerts fired --since yesterday", ErrorKind::ValueValidation),
            ("test", ErrorKind::MissingRequiredArgument),
            ("-v -q schema", ErrorKind::ArgumentConflict),
        ];
        for (line, kind) in table {
            let error = parse(line).unwrap_err();
            assert_eq!(error.kind(), kind, "{line}");
            assert_eq!(error.exit_code(), i32::from(exit::USAGE), "{line}");
        }
    }
}
