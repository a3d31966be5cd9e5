//! What the plugin is told of the configuration, as JSON.
//!
//! Must never hand over more than the plugin needs: no folder of the host, nothing of the Logstore.

use serde::Serialize;

use super::{Config, EmployeeId, FileSource, Source, UnsupportedProducts};

/// What `source.session.open` takes.
#[derive(Serialize)]
struct SourceJson<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
    trail: &'a str,
    #[serde(flatten)]
    file: &'a FileSource,
    max_event_bytes: u32,
    max_depth: u32,
    max_decompressed_bytes: u64,
    max_ratio: u32,
}

/// What `transform.pipeline.open` takes.
#[derive(Serialize)]
struct TransformJson<'a> {
    trail: &'a str,
    /// Null: every account is taken.
    account: Option<&'a str>,
    /// Further accounts that are taken.
    accounts: &'a [String],
    products: &'a [String],
    unsupported_products: UnsupportedProducts,
    redact_keys: &'a [String],
    employee_id: EmployeeId,
    max_event_bytes: u32,
    max_depth: u32,
}

impl Config {
    /// What the plugin's source session `name` is opened with; `None` when there is no such source.
    #[must_use]
    pub fn source_json(&self, name: &str) -> Option<String> {
        let (name, Source::File(file)) = self.sources.get_key_value(name)?;
        let json = SourceJson {
            kind: "file",
            name,
            trail: &self.trail,
            file,
            max_event_bytes: self.decode.max_event_bytes,
            max_depth: self.decode.max_depth,
            max_decompressed_bytes: self.decode.max_decompressed_bytes,
            max_ratio: self.decode.max_ratio,
        };
        Some(text(&json))
    }

    /// What the plugin's transform pipeline is opened with.
    #[must_use]
    pub fn transform_json(&self) -> String {
        text(&TransformJson {
            trail: &self.trail,
            account: self.account.as_deref(),
            accounts: &self.route.accounts,
            products: &self.route.products,
            unsupported_products: self.route.unsupported_products,
            redact_keys: &self.redact.keys,
            employee_id: self.redact.employee_id,
            max_event_bytes: self.decode.max_event_bytes,
            max_depth: self.decode.max_depth,
        })
    }
}

fn text(json: &impl Serialize) -> String {
    serde_json::to_string(json).expect("structs of text, numbers and lists always have a JSON form")
}
