//! Every option there is: its meaning, its default, its bounds.
//!
//! The doc comment of an option is its description in `schema/config.json`, and that schema is what a file is
//! checked against: nothing about an option is said anywhere else. Must never hold logic.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alerts::Alerts;
use super::api::Api;
use super::cloud::{ActionTrail, OssSource, SlsSource};
use super::console::Console;
use super::gate::Gate;
use super::mirror::Mirror;
use super::pattern;
use super::sinks::Sink;

/// Configuration of innertrail: one file, one trail, one dedicated Logstore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the trail: 6 to 36 characters, first a lower-case letter, then lower-case letters, digits, `-` or `_`,
    /// last a letter or digit. Its dedicated Logstore is `innertrail_<trail>`.
    #[schemars(length(min = 6, max = 36), regex(pattern = pattern::TRAIL))]
    pub trail: String,

    /// Account whose operation logs belong to the trail, as a quoted string of digits. When set, operation logs of
    /// other accounts go to quarantine as `wrong_trail`. Without it every account is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 32), regex(pattern = pattern::DIGITS))]
    pub account: Option<String>,

    /// Region of the trail, such as `cn-hangzhou`. Only shown and recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 64), regex(pattern = pattern::REGION))]
    pub region: Option<String>,

    /// Folder that holds the Logstore and the checkpoints; relative to the working directory. `--data-dir` overrides it.
    #[serde(default = "default_data_dir")]
    #[schemars(regex(pattern = pattern::PATH))]
    pub data_dir: PathBuf,

    /// Sources by name. `innertrail run` needs at least one, or a server of `gate:`; the gate needs none.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "maxLength": 64, "pattern": pattern::NAME }))]
    pub sources: BTreeMap<String, Source>,

    /// ActionTrail itself, to be asked what it delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ActionTrail")]
    pub actiontrail: Option<ActionTrail>,

    /// Sinks by name: what the dedicated Logstore is delivered to while `innertrail run` goes on.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "maxLength": 64, "pattern": pattern::NAME }))]
    pub sinks: BTreeMap<String, Sink>,

    /// Limits of decoding. What exceeds one goes to quarantine.
    #[serde(default)]
    pub decode: Decode,

    /// What is masked before anything is stored.
    #[serde(default)]
    pub redact: Redact,

    /// Which operation logs the dedicated Logstore takes.
    #[serde(default)]
    pub route: Route,

    /// The one dedicated Logstore of the trail.
    #[serde(default)]
    pub logstore: Logstore,

    /// The WebAssembly component that decodes and routes.
    #[serde(default)]
    pub plugin: Plugin,

    /// The gate, through which an agent sends its own events and gets the routed ones back.
    #[serde(default)]
    pub gate: Gate,

    /// What `innertrail run` tells of itself over HTTP, for Prometheus and its kin. Without it nothing listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Metrics")]
    pub metrics: Option<Metrics>,

    /// The API that SDKs of Log Service, their consumers and Grafana read the Logstore by. Without it nothing listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Api")]
    pub api: Option<Api>,

    /// The console: pages for a browser, served by `innertrail run`. Without it nothing listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Console")]
    pub console: Option<Console>,

    /// A bucket that what is sealed is copied to. Without it nothing is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Mirror")]
    pub mirror: Option<Mirror>,

    /// Alert rules that are evaluated while `innertrail run` goes on. Without it none is: `alerts: {}` evaluates those that
    /// are built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Alerts")]
    pub alerts: Option<Alerts>,
}

/// Where operation logs come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Source {
    /// Files of a local folder: objects as ActionTrail delivers them to OSS, or JSON lines; gzip or plain.
    File(FileSource),
    /// A Logstore of Log Service, read as a stream: platform events come by no other way.
    Sls(SlsSource),
    /// A bucket that a trail delivers to.
    Oss(OssSource),
}

/// Options of a source of type `file`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    /// Globs of the files to read; relative to the working directory. `**` spans folders.
    #[schemars(length(min = 1), inner(regex(pattern = pattern::PATH)))]
    pub include: Vec<String>,

    /// Globs of files to leave out, even if `include` names them.
    #[serde(default)]
    #[schemars(inner(regex(pattern = pattern::PATH)))]
    pub exclude: Vec<String>,

    /// Whether to wait for new files and new lines after all was read. `--once` sets it off.
    #[serde(default = "yes")]
    pub follow: bool,

    /// Seconds between two looks for new files.
    #[serde(default = "default_poll_interval_secs")]
    #[schemars(range(min = 1, max = 86_400))]
    pub poll_interval_secs: u32,

    /// What to do with the count, size and MD5 that ActionTrail writes into object names.
    #[serde(default)]
    pub object_names: ObjectNames,

    /// Bytes read from a file at a time.
    #[serde(default = "default_read_bytes")]
    #[schemars(range(min = 4096, max = 4_194_304))]
    pub read_bytes: u32,
}

/// Use of what an object name promises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectNames {
    /// Hold it against what was read, where the name has ActionTrail's form; report what differs.
    #[default]
    Actiontrail,
    /// Do not look at names.
    Ignore,
}

/// Limits of decoding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Decode {
    /// Largest event, in bytes.
    #[schemars(range(min = 1024, max = 15_728_640))]
    pub max_event_bytes: u32,

    /// Deepest nesting of JSON within an event.
    #[schemars(range(min = 4, max = 127))]
    pub max_depth: u32,

    /// Most bytes that one compressed file may become.
    #[schemars(range(min = 1_048_576, max = 68_719_476_736u64))]
    pub max_decompressed_bytes: u64,

    /// Most bytes that one compressed byte may become, averaged over the file so far. Guards against gzip bombs.
    #[schemars(range(min = 10, max = 1_032))]
    pub max_ratio: u32,
}

/// What is masked before anything is stored. Secrets and security tokens always are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Redact {
    /// Further keys whose values are masked, wherever they occur in an event.
    #[schemars(length(max = 1000), inner(length(min = 1, max = 63)))]
    pub keys: Vec<String>,

    /// What becomes of `EmployeeID` in platform events.
    pub employee_id: EmployeeId,
}

/// What becomes of `EmployeeID`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmployeeId {
    /// Stored as it came.
    #[default]
    Keep,
    /// Replaced by a keyed hash, so that equal ids stay equal.
    Hash,
}

/// Which operation logs the dedicated Logstore takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    /// Products whose operation logs are stored.
    #[schemars(length(min = 1, max = 1000), inner(length(max = 64), regex(pattern = pattern::PRODUCT)))]
    pub products: Vec<String>,

    /// Where operation logs of other products go.
    pub unsupported_products: UnsupportedProducts,

    /// Further accounts whose operation logs belong to the trail, as quoted strings of digits. Needs `account`.
    #[schemars(length(max = 10_000), inner(length(max = 32), regex(pattern = pattern::DIGITS)))]
    pub accounts: Vec<String>,
}

/// Where operation logs of products that are not enabled go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnsupportedProducts {
    /// Kept raw in quarantine, as `unsupported_product`.
    #[default]
    Quarantine,
    /// Passed on untouched, like events that are not operation logs.
    Passthrough,
}

/// The one dedicated Logstore of the trail, `innertrail_<trail>`. Only innertrail itself writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Logstore {
    /// Days that records are kept.
    #[schemars(range(min = 1, max = 3650))]
    pub retention_days: u32,

    /// Records after which a segment is sealed.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub segment_rows: u32,

    /// Bytes after which a segment is sealed.
    #[schemars(range(min = 65_536, max = 1_073_741_824))]
    pub segment_bytes: u64,

    /// Bytes after which a batch is made durable.
    #[schemars(range(min = 1024, max = 67_108_864))]
    pub commit_bytes: u64,

    /// Longest time in milliseconds that a record waits to be made durable.
    #[schemars(range(min = 1, max = 60_000))]
    pub commit_interval_ms: u64,

    /// Bytes that must be free on the disk of `data_dir`. When there is less, sources are paused as `disk_full` until
    /// there is more; nothing is lost or left out. 0 pauses only when the disk is really full.
    #[schemars(range(max = 1_099_511_627_776u64))]
    pub min_free_bytes: u64,

    /// Whether sealed files also get the immutable flag of the file system (`chattr +i`).
    pub immutable: Immutable,
}

/// Whether sealed files get the immutable flag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Immutable {
    /// They are read-only (0440), and root can remove them as usual.
    #[default]
    Off,
    /// They get the flag where the file system has it and the process has `CAP_LINUX_IMMUTABLE`. Then not even root
    /// removes them without `chattr -i`; retention does.
    Auto,
}

/// The WebAssembly component and what it may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Plugin {
    /// File of a component to use in place of the built-in one. Needs `sha256`.
    #[schemars(regex(pattern = pattern::PATH))]
    pub path: Option<PathBuf>,

    /// SHA-256 of the file in `path`, 64 lower-case hexadecimal digits. Another file is not loaded.
    #[schemars(regex(pattern = pattern::SHA256))]
    pub sha256: Option<String>,

    /// Longest time in milliseconds that one call may take.
    #[schemars(range(min = 10, max = 600_000))]
    pub deadline_ms: u64,

    /// Most memory of one instance, in bytes.
    #[schemars(range(min = 16_777_216, max = 4_294_967_296u64))]
    pub memory_bytes: u64,

    /// How a call that exceeds its deadline is stopped.
    pub interrupt: Interrupt,

    /// Folder for compiled code. Without it compiled code is kept under `data_dir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = pattern::PATH))]
    pub cache_dir: Option<PathBuf>,
}

/// How a call that exceeds its deadline is stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interrupt {
    /// The component looks at a counter as it runs; a call past `deadline_ms` is stopped.
    #[default]
    Epoch,
    /// Calls are never stopped. A little faster; only for a component that is trusted to end.
    None,
}

/// Where `/metrics` and `/health` are served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// IP address and port to listen on; port 0 takes a free one and says which. There is no password and no TLS: an
    /// address that is not of this machine alone shows names and counts, never an event, to whoever reaches it.
    #[schemars(length(max = 64), regex(pattern = pattern::LISTEN))]
    pub listen: String,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9598".to_owned() }
    }
}

impl Default for Decode {
    fn default() -> Self {
        Self { max_event_bytes: 4 << 20, max_depth: 64, max_decompressed_bytes: 1 << 30, max_ratio: 1000 }
    }
}

impl Default for Route {
    fn default() -> Self {
        Self {
            products: vec!["oss".to_owned()],
            unsupported_products: UnsupportedProducts::default(),
            accounts: Vec::new(),
        }
    }
}

impl Default for Logstore {
    fn default() -> Self {
        Self {
            retention_days: 180,
            segment_rows: 32_768,
            segment_bytes: 64 << 20,
            commit_bytes: 1 << 20,
            commit_interval_ms: 200,
            min_free_bytes: 64 << 20,
            immutable: Immutable::default(),
        }
    }
}

impl Default for Plugin {
    fn default() -> Self {
        Self {
            path: None,
            sha256: None,
            deadline_ms: 1000,
            memory_bytes: 64 << 20,
            interrupt: Interrupt::default(),
            cache_dir: None,
        }
    }
}

impl Source {
    /// Sets whether it waits for more after all was read.
    pub fn set_follow(&mut self, wait: bool) {
        match self {
            Self::File(source) => source.follow = wait,
            Self::Sls(source) => source.follow = wait,
            Self::Oss(source) => source.follow = wait,
        }
    }
}

impl FileSource {
    /// A source of these files with every other option at its default.
    #[must_use]
    pub fn of(include: Vec<String>) -> Self {
        Self {
            include,
            exclude: Vec::new(),
            follow: yes(),
            poll_interval_secs: default_poll_interval_secs(),
            object_names: ObjectNames::default(),
            read_bytes: default_read_bytes(),
        }
    }
}

/// The data folder when none is named: `./innertrail-data`.
pub const DEFAULT_DATA_DIR: &str = "./innertrail-data";

fn default_data_dir() -> PathBuf {
    PathBuf::from(DEFAULT_DATA_DIR)
}

pub(super) fn yes() -> bool {
    true
}

fn default_poll_interval_secs() -> u32 {
    5
}

fn default_read_bytes() -> u32 {
    262_144
}
