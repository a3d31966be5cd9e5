//! The transform's configuration, as JSON from the host.
//!
//! It must never be half accepted: every finding is reported, and only a configuration without findings opens a
//! pipeline.

use serde::Deserialize;

use crate::decode::Decoder;
use crate::decode::scan::MAX_DEPTH;
use crate::decode::secrets::WatchList;
use crate::redact::{ALWAYS, Redactor};
use crate::route::Router;

/// JSON Schema of [`Config`].
pub const SCHEMA: &str = include_str!("config.schema.json");

/// What to do with operation logs of products that are not enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unsupported {
    /// Keep them in quarantine.
    #[default]
    Quarantine,
    /// Let them through, unchanged.
    Passthrough,
}

/// What to do with the staff number of platform events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmployeeId {
    /// Leave the ciphertext as it is.
    #[default]
    Keep,
    /// Replace it by its SHA-256, salted with the trail's name.
    Hash,
}

/// The transform's settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Name of the trail; the dedicated Logstore is `innertrail_` and this.
    pub trail: String,
    /// The account that the trail belongs to.
    pub account: Option<String>,
    /// More accounts that the trail collects.
    pub accounts: Vec<String>,
    /// Products whose operation logs are kept.
    pub products: Vec<String>,
    /// What becomes of other products' operation logs.
    pub unsupported_products: Unsupported,
    /// Keys to mask besides those that always are.
    pub redact_keys: Vec<String>,
    /// What becomes of `EmployeeID`.
    pub employee_id: EmployeeId,
    /// Longest record, bytes. Enforced where frames are cut; here for completeness.
    pub max_event_bytes: u64,
    /// Deepest nesting of a record.
    pub max_depth: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            trail: String::new(),
            account: None,
            accounts: Vec::new(),
            products: vec!["oss".to_owned()],
            unsupported_products: Unsupported::default(),
            redact_keys: Vec::new(),
            employee_id: EmployeeId::default(),
            max_event_bytes: 4 << 20,
            max_depth: 64,
        }
    }
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// JSON Pointer to it.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// All findings.
    pub fn parse(json: &str) -> Result<Self, Vec<Diagnostic>> {
        let config: Self = serde_json::from_str(json).map_err(|e| {
            vec![Diagnostic { path: String::new(), message: format!("not a transform configuration: {e}") }]
        })?;
        let findings = config.findings();
        if findings.is_empty() { Ok(config) } else { Err(findings) }
    }

    fn findings(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut say = |path: &str, message: &str| {
            found.push(Diagnostic { path: path.to_owned(), message: message.to_owned() });
        };
        if self.trail.is_empty() {
            say("/trail", "name the trail; the dedicated Logstore is called innertrail_<trail>");
        }
        if self.products.is_empty() {
            say("/products", "enable at least one product, for example oss");
        }
        if !(1..=MAX_DEPTH).contains(&self.max_depth) {
            say("/max_depth", "set a depth from 1 to 127");
        }
        if self.redact_keys.iter().any(|k| k.is_empty() || k.len() > 63) {
            say("/redact_keys", "a key is 1 to 63 bytes long");
        }
        found
    }

    /// The decode room.
    pub fn decoder(&self) -> Decoder {
        Decoder { max_depth: self.max_depth, watch: self.watch() }
    }

    /// The redact room.
    pub fn redactor(&self) -> Redactor {
        let employee_salt = (self.employee_id == EmployeeId::Hash).then(|| self.trail.clone());
        Redactor { watch: self.watch(), employee_salt }
    }

    /// The route room.
    pub fn router(&self) -> Router {
        Router {
            logstore: format!("innertrail_{}", self.trail),
            accounts: self.account.iter().chain(&self.accounts).cloned().collect(),
            products: self.products.clone(),
            pass_unsupported: self.unsupported_products == Unsupported::Passthrough,
        }
    }

    fn watch(&self) -> WatchList {
        WatchList::new(ALWAYS.into_iter().chain(self.redact_keys.iter().map(String::as_str)))
    }
}
